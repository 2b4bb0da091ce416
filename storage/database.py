"""Connections and units of work.

A store is a set of plain functions that take a SQLAlchemy `Connection`. `Database` runs such a function
as one transaction in a thread of its own pool, so the event loop never waits for a disk, a cancelled
request can never leak a connection, and the same code serves SQLite and PostgreSQL
(docs/decisions/0001-stores-are-synchronous.md).
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
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
        for pragma in (
            "journal_mode=WAL",
            "synchronous=FULL",
            "foreign_keys=ON",
            "temp_store=MEMORY",
            "cache_size=-8000",  # KiB
            "wal_autocheckpoint=4000",  # pages: hot pages are copied back once, not four times
        ):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writer else "BEGIN")

    return engine


class Database:
    """Owner of the engines and of the threads that use them."""

    def __init__(self, url: str, *, readers: int = 4, writers: int = 8, pool_seconds: float = 10.0) -> None:
        self.url = url
        self.is_sqlite = make_url(url).get_backend_name() == "sqlite"
        count = 1 if self.is_sqlite else writers
        self._write_engine = make_engine(url, writer=True, size=count, pool_seconds=pool_seconds)
        self._read_engine = make_engine(url, writer=False, size=readers, pool_seconds=pool_seconds)
        self._writers = ThreadPoolExecutor(count, thread_name_prefix="db-write")
        self._readers = ThreadPoolExecutor(readers, thread_name_prefix="db-read")

    def write_now(self, work: Callable[[Connection], T]) -> T:
        """Run one writing transaction in this thread. Raises StorageUnavailable where nothing was written."""
        return self._run(self._write_engine, work)

    def read_now(self, work: Callable[[Connection], T]) -> T:
        """Run one reading transaction in this thread."""
        return self._run(self._read_engine, work)

    async def write(self, work: Callable[[Connection], T]) -> T:
        """Run one writing transaction; it is durable when this returns."""
        return await asyncio.get_running_loop().run_in_executor(self._writers, partial(self.write_now, work))

    async def read(self, work: Callable[[Connection], T]) -> T:
        """Run one reading transaction."""
        return await asyncio.get_running_loop().run_in_executor(self._readers, partial(self.read_now, work))

    async def ping(self) -> None:
        """Raise StorageUnavailable unless the database answers."""
        await self.read(lambda connection: connection.execute(text("SELECT 1")).scalar())

    def close(self) -> None:
        """Finish what runs, then close every connection."""
        self._writers.shutdown(wait=True)
        self._readers.shutdown(wait=True)
        self._write_engine.dispose()
        self._read_engine.dispose()

    @staticmethod
    def _run(engine: Engine, work: Callable[[Connection], T]) -> T:
        try:
            with engine.begin() as connection:
                return work(connection)
        except (DBAPIError, PoolTimeout) as error:
            if _is_away(error):
                raise StorageUnavailable(str(error.__cause__ or error)) from error
            raise
