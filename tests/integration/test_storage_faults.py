"""What ordinary trouble does to the database (R22, R23, R24): a clear answer, nothing lost, no leak."""

from __future__ import annotations

import asyncio
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, event, make_url, text
from waiting import SLACK, until

from config.settings import Settings
from storage import customers, migrations, search
from storage.database import Database, StorageUnavailable
from telephony.clock import Clock


def path_of(database: Database) -> Path:
    return Path(make_url(database.url).database or "")


def count(database: Database) -> int:
    return database.read_now(
        lambda connection: int(connection.execute(text("SELECT count(*) FROM customers")).scalar_one())
    )


def add(database: Database, clock: Clock, name: str) -> None:
    database.write_now(lambda connection: customers.add_customer(connection, name=name, now=clock.now()))


async def test_cancelled_requests_leave_no_connection_behind(database: Database) -> None:
    """R22: a client that goes away cancels the wait, never the work; the pool stays as it was."""

    def slow(connection: Connection) -> int:
        time.sleep(0.002)
        return int(connection.execute(text("SELECT 1")).scalar_one())

    for _ in range(10):
        waits = [asyncio.create_task(database.read(slow)) for _ in range(15)]
        waits += [asyncio.create_task(database.write(slow)) for _ in range(15)]
        await asyncio.sleep(0.005)
        for wait in waits:
            wait.cancel()
        await asyncio.gather(*waits, return_exceptions=True)
    assert await database.read(slow) == 1
    assert await database.write(slow) == 1
    if not database.is_sqlite:
        idle = "SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle in%' AND datname = current_database()"

        async def rested() -> bool:
            return await database.read(lambda connection: connection.execute(text(idle)).scalar_one()) == 0

        # The waits were given up; the work goes on to its end.
        await until(rested, saying="transactions left open")


def test_writers_and_readers_wait_their_turn(
    sqlite_url: str, open_database: Callable[..., Database], clock: Clock
) -> None:
    """R23: eight writers in several processes' places, reports, and somebody who holds the lock for 2 s."""
    databases = [open_database(sqlite_url, pool_seconds=20.0) for _ in range(4)]
    holder = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sqlite3, sys, time; c = sqlite3.connect(sys.argv[1], isolation_level=None);"
            "c.execute('BEGIN IMMEDIATE'); print('held', flush=True); time.sleep(2); c.execute('COMMIT')",
            str(path_of(databases[0])),
        ],
        stdout=subprocess.PIPE,
    )
    with holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with ThreadPoolExecutor(10) as threads:
            writes: list[Future[Any]] = [
                threads.submit(add, databases[n % 4], clock, f"客户 {n}") for n in range(40)
            ]
            reads: list[Future[Any]] = [threads.submit(count, databases[n % 4]) for n in range(20)]
            for work in (*writes, *reads):
                work.result()
    assert count(databases[0]) == 40


def test_a_lock_that_lasts_is_said_so(
    sqlite_url: str, open_database: Callable[..., Database], clock: Clock
) -> None:
    """R23: never "database is locked" as it comes, but an error that says it may be tried again."""
    database = open_database(sqlite_url, pool_seconds=0.3)
    holder = sqlite3.connect(path_of(database), isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    with pytest.raises(StorageUnavailable) as refused:
        add(database, clock, "李雷")
    assert refused.value.retryable
    holder.execute("ROLLBACK")
    holder.close()
    add(database, clock, "李雷")


_WRITER = """
import sys
from datetime import UTC, datetime
from config.settings import Settings
from storage import customers, migrations
from storage.database import Database
database = Database(sys.argv[1])
while True:
    number = database.write_now(
        lambda connection: customers.add_customer(connection, name="x", now=datetime.now(UTC)).number
    )
    print(number, flush=True)
"""


def test_killed_in_a_transaction(sqlite_url: str, open_database: Callable[..., Database]) -> None:
    """R23: kill -9 of a writer, and power cut (file and WAL copied at any moment): what was said is there."""
    path = Path(make_url(sqlite_url).database or "")
    copies: list[tuple[str, Path]] = []
    with subprocess.Popen([sys.executable, "-c", _WRITER, sqlite_url], stdout=subprocess.PIPE) as writer:
        assert writer.stdout is not None
        said = ""
        for number in range(60):
            said = writer.stdout.readline().decode().strip()
            if number % 20 == 10:
                copy = path.with_name(f"copy{number}.db")
                writer.send_signal(signal.SIGSTOP)  # both files as of one moment
                shutil.copyfile(path, copy)
                shutil.copyfile(f"{path}-wal", f"{copy}-wal")
                writer.send_signal(signal.SIGCONT)
                copies.append((said, copy))
        writer.send_signal(signal.SIGKILL)
        rest = writer.stdout.read().decode().split()
        said = rest[-1] if rest and len(rest[-1]) == 7 else said
    for last, file in (*copies, (said, path)):
        database = open_database(f"sqlite:///{file}")
        whole = database.read_now(
            lambda connection: connection.execute(text("PRAGMA integrity_check")).scalar_one()
        )
        assert whole == "ok"
        assert len(database.read_now(lambda c, last=last: search.find_customers(c, last))) == 1  # type: ignore[misc]


def _add_many(database: Database, clock: Clock, number: int) -> None:
    for serial in range(number):
        add(database, clock, f"{'满' * 40} {serial}")


def test_a_full_disk_stops_writing_and_nothing_else(
    sqlite_url: str, open_database: Callable[..., Database], clock: Clock
) -> None:
    """R24: nothing can be committed, reading goes on, and it mends itself when there is room."""
    database = open_database(sqlite_url)
    full = threading.Event()

    @event.listens_for(database._write_engine, "begin")
    def _limit(connection: Connection) -> None:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one() if full.is_set() else 1 << 30
        connection.exec_driver_sql(f"PRAGMA max_page_count={pages}")

    add(database, clock, "有空间")
    full.set()
    with pytest.raises(StorageUnavailable):
        _add_many(database, clock, 5000)
    written = count(database)
    assert written >= 1
    full.clear()
    add(database, clock, "又有空间")
    assert count(database) == written + 1


@pytest.fixture
def black_hole() -> Iterator[int]:
    """A port that takes connections and never says a word, as a host behind a firewall that swallows."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(8)
        yield listener.getsockname()[1]


@pytest.mark.parametrize("query", ["", "?connect_timeout=2"])
async def test_r21_a_host_that_never_answers_holds_nobody(black_hole: int, query: str) -> None:
    """R21: a new connection has seconds, not the two minutes and more of the kernel."""
    settings = Settings.model_validate(
        {
            "storage": {
                "url": f"postgresql+psycopg://careline:s%40cret@127.0.0.1:{black_hole}/careline{query}",
                "connect_seconds": 2,
            }
        }
    )
    database = Database(settings.database_url, readers=1, writers=1)
    assert make_url(database.url).password == "s@cret"
    began = time.monotonic()
    try:
        with pytest.raises(StorageUnavailable, match="timeout"):
            async with asyncio.timeout(30):
                await database.ping()
        assert time.monotonic() - began < 6 + SLACK
    finally:
        database.close(patience_seconds=0.1)


def test_r21_also_commands_and_migrations_are_not_held(black_hole: int) -> None:
    """R21: what opens the database by its address alone."""
    began = time.monotonic()
    with pytest.raises(StorageUnavailable, match="timeout"):
        migrations.state(f"postgresql+psycopg://careline@127.0.0.1:{black_hole}/careline")
    assert time.monotonic() - began < 12 + SLACK
