"""Connections and units of work.

A store is a set of plain functions that take a SQLAlchemy `Connection`. `Database` runs such a function
as one transaction in a thread of its own pool, so the event loop never waits for a disk, a cancelled
request can never leak a connection, and the same code serves SQLite and PostgreSQL
(docs/decisions/0001-stores-are-synchronous.md).
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from queue import SimpleQueue
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.pool import QueuePool

T = TypeVar("T")


class StorageError(Exception):
    """Base of what the database can do to a caller.

    StorageError
    └── StorageUnavailable   away, read-only, full or too slow: nothing was written; retryable
    """

    error_id = "storage-error"
    retryable = False


class StorageUnavailable(StorageError):
    """The database did not take the work; nothing of it was written."""

    error_id = "storage-unavailable"
    retryable = True


#: SQLSTATE classes that say the server cannot work now, not that the statement is wrong: 08 connection,
#: 25006 read only, 28 login, 3D no such database, 40 deadlock, 42P01 no such table (a failover to an empty
#: server), 53 resources, 55P03 lock, 57 cancelled or shut down (PostgreSQL manual, appendix A).
_AWAY = ("08", "25006", "28", "3D", "40", "42P01", "53", "55P03", "57")


def _is_away(error: BaseException) -> bool:
    if isinstance(error, PoolTimeout):
        return True
    if not isinstance(error, DBAPIError):
        return False
    if error.connection_invalidated:
        return True
    original: Any = error.orig
    state = getattr(original, "sqlstate", None)
    if isinstance(state, str):
        return state.startswith(_AWAY)
    return isinstance(error, OperationalError)


#: How PostgreSQL's connections notice that the host is gone without a word (libpq, connection parameters): a
#: new one may take 5 s, a statement whose packets nobody acknowledges 30 s, an idle connection 60 s. What the
#: address itself says goes above it.
_WIRE: dict[str, int] = {
    "connect_timeout": 5,
    "tcp_user_timeout": 30_000,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
}


def with_connect_timeout(url: str, seconds: int) -> str:
    """The address with this `connect_timeout`, unless it names one itself or is none of PostgreSQL."""
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite" or "connect_timeout" in parsed.query:
        return url
    return parsed.update_query_dict({"connect_timeout": str(seconds)}).render_as_string(hide_password=False)


def _write_ahead(connection: sqlite3.Connection, patience_seconds: float) -> None:
    """Have the file use a write-ahead log. Where two openers of a new file both want it, SQLite refuses one at
    once whatever its busy timeout (it would wait for itself), so it is asked again.
    """
    until = time.monotonic() + patience_seconds
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                raise
            time.sleep(0.01)
        else:
            return


def make_engine(url: str, *, writer: bool, size: int, pool_seconds: float) -> Engine:
    """An engine whose transactions begin as each database wants: SQLite writers take the lock at once."""
    parsed = make_url(url)
    if parsed.get_backend_name() != "sqlite":
        return create_engine(
            url,
            pool_size=size,
            max_overflow=0,
            pool_timeout=pool_seconds,
            pool_pre_ping=True,
            pool_recycle=1800,
            connect_args={name: value for name, value in _WIRE.items() if name not in parsed.query},
        )
    engine = create_engine(
        url,
        poolclass=QueuePool,
        pool_size=size,
        max_overflow=0,
        pool_timeout=pool_seconds,
        connect_args={"timeout": pool_seconds, "check_same_thread": False},
    )

    @event.listens_for(engine, "connect")
    def _prepare(connection: sqlite3.Connection, _record: object) -> None:
        connection.isolation_level = None  # we say BEGIN ourselves
        _write_ahead(connection, pool_seconds)
        for pragma in (
            "synchronous=FULL",
            "foreign_keys=ON",
            "temp_store=MEMORY",
            "cache_size=-8000",  # KiB
            "wal_autocheckpoint=4000",  # pages: hot pages are copied back once, not four times
        ):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        raw = connection.connection.dbapi_connection
        if raw is not None and not raw.in_transaction:  # else `_Keeper` began it already
            connection.exec_driver_sql("BEGIN IMMEDIATE" if writer else "BEGIN")

    return engine


def execute_many(connection: Connection, statement: str, rows: Sequence[Sequence[Any]]) -> None:
    """Run a prepared statement of the hot path once per row. Errors are SQLAlchemy's, as everywhere.

    On SQLite it goes past SQLAlchemy's execution context, which costs more than the statement.
    """
    raw = _raw(connection)
    if raw is None:
        connection.exec_driver_sql(statement, [tuple(row) for row in rows])
        return
    try:
        raw.executemany(statement, rows)
    except sqlite3.Error as error:
        raise _as_sqlalchemy(error, statement) from error


def fetch(connection: Connection, statement: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
    """The rows of a prepared question of the hot path, as plain tuples; as `execute_many`.

    Its places are written as ? for both engines.
    """
    raw = _raw(connection)
    if raw is None:
        if connection.dialect.name != "sqlite":
            statement = statement.replace("?", "%s")
        return [tuple(row) for row in connection.exec_driver_sql(statement, tuple(values))]
    try:
        return raw.execute(statement, values).fetchall()
    except sqlite3.Error as error:
        raise _as_sqlalchemy(error, statement) from error


def _raw(connection: Connection) -> sqlite3.Connection | None:
    """SQLite's own connection, where it is inside a transaction that ends with `connection`'s."""
    raw = connection.connection.dbapi_connection
    return raw if isinstance(raw, sqlite3.Connection) and raw.in_transaction else None


def _as_sqlalchemy(error: sqlite3.Error, statement: str) -> DBAPIError:
    wrapped = DBAPIError.instance(statement, None, error, sqlite3.Error)
    assert isinstance(wrapped, DBAPIError)
    return wrapped


class _Keeper:
    """SQLite's one writing connection, kept open, with its transactions begun and ended by hand.

    A pool, an engine's transaction and their events cost more than a small transaction itself. Work that
    goes through SQLAlchemy joins the transaction (`_begin` above).
    """

    def __init__(self, engine: Engine, seconds: float) -> None:
        self._engine = engine
        self._seconds = seconds
        self._lock = threading.Lock()
        self._connection: Connection | None = None

    def run(self, work: Callable[[Connection], T]) -> T:
        """One transaction. Raises DBAPIError, PoolTimeout, and what `work` raises."""
        if not self._lock.acquire(timeout=self._seconds):
            raise PoolTimeout(f"The writer was busy for {self._seconds:g} s.")
        try:
            connection = self._connection or self._engine.connect()
            self._connection = connection
            raw = connection.connection.dbapi_connection
            assert isinstance(raw, sqlite3.Connection)
            done = False
            try:
                raw.execute("BEGIN IMMEDIATE")
                result = work(connection)
                if connection.in_transaction():
                    connection.commit()
                else:
                    raw.execute("COMMIT")
                done = True
            except sqlite3.Error as error:
                raise _as_sqlalchemy(error, "BEGIN or COMMIT") from error
            finally:
                if not done:
                    self._give_up(connection, raw)
            return result
        finally:
            self._lock.release()

    def _give_up(self, connection: Connection, raw: sqlite3.Connection) -> None:
        """Roll back; the connection goes, so that nothing of a broken transaction stays."""
        self._connection = None
        with contextlib.suppress(sqlite3.Error):
            raw.rollback()
        with contextlib.suppress(DBAPIError):
            connection.close()

    def close(self) -> None:
        """Give the connection back, unless somebody still hangs on it."""
        if not self._lock.acquire(timeout=self._seconds):
            return
        try:
            if self._connection is not None:
                self._connection.close()
                self._connection = None
        finally:
            self._lock.release()


class _Lane:
    """Threads that do work for an event loop, each piece in its turn.

    Leaner than an executor: one queue, and one call back into the loop when a piece is done.
    """

    def __init__(self, count: int, name: str) -> None:
        self._count = count
        self._name = name
        self._jobs: SimpleQueue[tuple[asyncio.Future[Any], Callable[[], Any]] | None] = SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._closed = False

    def submit(self, work: Callable[[], T]) -> asyncio.Future[T]:
        """Do `work` in a thread; cancelling the future cancels the wait, not work that has begun."""
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        if self._closed:
            future.set_exception(RuntimeError("the database is closed"))
            return future
        self._jobs.put((future, work))
        if len(self._threads) < self._count:
            # A daemon, so that a database nobody closed cannot hold up the end; `close` waits for it.
            thread = threading.Thread(
                target=self._serve, name=f"{self._name}_{len(self._threads)}", daemon=True
            )
            self._threads.append(thread)
            thread.start()
        return future

    def close(self, seconds: float) -> None:
        """Finish what was submitted, then end the threads; one that hangs is left behind after `seconds`."""
        self._closed = True
        for _ in self._threads:
            self._jobs.put(None)
        until = time.monotonic() + seconds
        for thread in self._threads:
            thread.join(max(0.0, until - time.monotonic()))

    def _serve(self) -> None:
        while (job := self._jobs.get()) is not None:
            future, work = job
            if future.cancelled():
                continue
            result, failure = None, None
            try:
                result = work()
            except Exception as error:  # whatever it is, who waits for it must hear it
                failure = error
            # The loop may be gone by now: then nobody waits.
            with contextlib.suppress(RuntimeError):
                future.get_loop().call_soon_threadsafe(_settle, future, result, failure)
            del job, future, work, result, failure


def _settle(future: asyncio.Future[Any], result: object, failure: Exception | None) -> None:
    if future.done():
        return
    if failure is None:
        future.set_result(result)
    else:
        future.set_exception(failure)


class Database:
    """Owner of the engines and of the threads that use them."""

    def __init__(self, url: str, *, readers: int = 4, writers: int = 8, pool_seconds: float = 10.0) -> None:
        self.url = url
        self.is_sqlite = make_url(url).get_backend_name() == "sqlite"
        count = 1 if self.is_sqlite else writers
        self._write_engine = make_engine(url, writer=True, size=count, pool_seconds=pool_seconds)
        self._read_engine = make_engine(url, writer=False, size=readers + 1, pool_seconds=pool_seconds)
        self._keeper = _Keeper(self._write_engine, pool_seconds) if self.is_sqlite else None
        self._writers = _Lane(count, "db-write")
        self._readers = _Lane(readers, "db-read")
        self._first = _Lane(1, "db-first")

    def use(self, **options: object) -> None:
        """Settings of the house that the data layer must know wherever it reads (`storage.sight`)."""
        for engine in (self._write_engine, self._read_engine):
            engine.update_execution_options(**options)

    def write_now(self, work: Callable[[Connection], T]) -> T:
        """Run one writing transaction in this thread. Raises StorageUnavailable where nothing was written."""
        return self._run(self._write_engine, work, self._keeper)

    def read_now(self, work: Callable[[Connection], T]) -> T:
        """Run one reading transaction in this thread."""
        return self._run(self._read_engine, work)

    async def write(self, work: Callable[[Connection], T]) -> T:
        """Run one writing transaction; it is durable when this returns."""
        return await self._writers.submit(partial(self.write_now, work))

    def start_write(self, work: Callable[[Connection], T]) -> asyncio.Future[T]:
        """As `write`, begun at once: what comes of it is in the future."""
        return self._writers.submit(partial(self.write_now, work))

    async def read(self, work: Callable[[Connection], T]) -> T:
        """Run one reading transaction."""
        return await self._readers.submit(partial(self.read_now, work))

    async def read_first(self, work: Callable[[Connection], T]) -> T:
        """As `read`, in a thread and with a connection that nothing else uses: for the few short questions a person
        is waiting for with a ringing telephone, which must not stand behind pages and lists."""
        return await self._first.submit(partial(self.read_now, work))

    async def ping(self) -> None:
        """Raise StorageUnavailable unless the database answers."""
        await self.read(lambda connection: connection.execute(text("SELECT 1")).scalar())

    def close(self, *, patience_seconds: float = 15.0) -> None:
        """Finish what runs, then close every connection.

        Work that hangs (a server that is frozen) cannot hold up the end for longer than `patience_seconds`.
        """
        self._writers.close(patience_seconds)
        self._readers.close(patience_seconds)
        self._first.close(patience_seconds)
        if self._keeper is not None:
            self._keeper.close()
        self._write_engine.dispose()
        self._read_engine.dispose()

    @staticmethod
    def _run(engine: Engine, work: Callable[[Connection], T], keeper: _Keeper | None = None) -> T:
        try:
            if keeper is not None:
                return keeper.run(work)
            with engine.begin() as connection:
                return work(connection)
        except (DBAPIError, PoolTimeout) as error:
            if _is_away(error):
                raise StorageUnavailable(str(error.__cause__ or error)) from error
            raise
