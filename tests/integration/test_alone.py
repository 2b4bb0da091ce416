"""One Careline on a database: refused, given back by any death, taken again after the database was away."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import Connection
from typer.testing import CliRunner

from config.__main__ import app
from config.locks import hold_database
from config.service import Service
from config.settings import Settings
from storage import alone
from storage.alone import Alone, DatabaseTaken, name_of
from storage.database import StorageUnavailable, make_engine

_HOLDER = """
import sys, time
from pathlib import Path
from config.locks import hold_database
with hold_database(sys.argv[1], Path(sys.argv[2])):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def holder(postgres_url: str, tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Another process that holds the database with a data folder of its own."""
    with _held(postgres_url, tmp_path / "theirs") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        yield process
        process.kill()


def _held(url: str, data: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", _HOLDER, url, str(data)], stdout=subprocess.PIPE)


def until(found: Callable[[], bool], seconds: float, saying: str) -> None:
    end = time.monotonic() + seconds
    while not found():
        assert time.monotonic() < end, saying
        time.sleep(0.02)


def _settings(data: Path, url: str) -> Settings:
    return Settings.model_validate({"data": data, "storage": {"url": url}})


async def _run(settings: Settings) -> None:
    await Service(settings).run(asyncio.Event())


@pytest.mark.postgres
def test_a_second_careline_on_the_same_database_starts_nothing(
    holder: subprocess.Popen[bytes], postgres_url: str, tmp_path: Path
) -> None:
    """Another data folder, the same database: refused with who runs and what to do."""
    ours = tmp_path / "ours"
    with pytest.raises(DatabaseTaken) as refused:
        asyncio.run(_run(_settings(ours, postgres_url)))
    said = str(refused.value)
    assert refused.value.error_id == "database-taken"
    assert "database-taken" in said
    assert f"process {holder.pid} on " in said
    assert "theirs" in said
    assert "Stop it" in said

    config = tmp_path / "ours.toml"
    config.write_text(f'data = "{ours}"\n[storage]\nurl = "{postgres_url}"\n')
    result = CliRunner().invoke(app, ["run", "--config", str(config)])
    assert (result.exit_code, "database-taken" in result.output) == (1, True)
    # Nor may a restore replace rows under a service that runs.
    (tmp_path / "b.tar").write_bytes(b"")
    result = CliRunner().invoke(app, ["restore", str(tmp_path / "b.tar"), "--force", "--config", str(config)])
    assert (result.exit_code, "database-taken" in result.output) == (1, True)

    holder.kill()
    with hold_database(postgres_url, ours) as lock:  # whatever the other died of, and at once
        assert lock is not None
        assert lock.trouble is None


def test_two_data_folders_on_one_sqlite_file(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/shared/careline.db"
    process = _held(url, tmp_path / "theirs")
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        with pytest.raises(DatabaseTaken, match="database-taken"):
            asyncio.run(_run(_settings(tmp_path / "ours", url)))
        process.kill()
    with hold_database(url, tmp_path / "ours"):
        assert not (tmp_path / "shared" / "careline.db").exists()


@pytest.mark.parametrize("name", ["theirs/careline.db", "link.db"])
def test_a_database_inside_the_other_ones_folder(tmp_path: Path, name: str) -> None:
    (tmp_path / "link.db").symlink_to(tmp_path / "theirs" / "careline.db")
    (tmp_path / "theirs").mkdir()
    process = _held(f"sqlite:///{tmp_path}/theirs/careline.db", tmp_path / "theirs")
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        with (
            pytest.raises(DatabaseTaken, match="database-taken"),
            hold_database(f"sqlite:///{tmp_path}/{name}", tmp_path / "ours"),
        ):
            pass
        process.kill()


@pytest.mark.postgres
def test_a_database_that_was_restarted_is_taken_again(own_postgres_server: Any) -> None:
    """R21: the lock goes with its connection; where nobody came between, it is ours again."""
    server = own_postgres_server
    lock = Alone(server.url(server.create()), name="ours", every=0.05)
    lock.take()
    try:
        server.stop(signal.SIGQUIT)
        until(lambda: lock.trouble is not None, 30, "nobody noticed that the lock is gone")
        assert "taken again when the database answers" in str(lock.trouble)
        server.start()
        until(lambda: lock.trouble is None, 30, "the lock was not taken again")
        with pytest.raises(DatabaseTaken, match="ours"):
            Alone(str(lock._engine.url.render_as_string()), name="second").take(0.1)
    finally:
        lock.release()


@pytest.mark.postgres
async def test_a_lock_lost_to_another_is_said_until_the_other_ends(
    postgres_server: Any, postgres_url: str, tmp_path: Path
) -> None:
    """Loudly: in the log once, and /readyz says it for as long as it is so."""
    service = Service(_settings(tmp_path, postgres_url))
    lock = service.alone = Alone(postgres_url, name=name_of(tmp_path), every=0.05)
    lock.take()
    other = Alone(postgres_url, name="the other", every=60.0)
    try:
        assert await service._check_alone() is None
        with psycopg.connect(str(lock._engine.url.set(drivername="postgresql")), autocommit=True) as admin:
            # Ours is stopped, and in the same moment the other waits for the lock already.
            assert lock._own is not None
            waiting = asyncio.create_task(asyncio.to_thread(other.take, 10.0))
            queue = "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
            await asyncio.to_thread(
                until, lambda: bool(admin.execute(queue).fetchall()), 10, "the other does not wait"
            )
            admin.execute("SELECT pg_terminate_backend(%s)", (lock._own[0],))
        await waiting
        await asyncio.to_thread(until, lambda: "Another" in str(lock.trouble), 10, "the loss is not said")
        assert "the other" in str(await service._check_alone())
        other.release()
        await asyncio.to_thread(until, lambda: lock.trouble is None, 30, "not taken again")
        assert await service._check_alone() is None
    finally:
        other.release()
        lock.release()
        service.database.close()


@pytest.mark.postgres
def test_our_own_lost_connection_does_not_lock_us_out(postgres_url: str) -> None:
    """A network cut: the server still believes in the old connection, which is nobody's now."""
    lock = Alone(postgres_url, name="ours", every=0.05)
    lock.take()
    old = lock._connection
    try:
        lock._connection = None  # as after an error of the wire; the old one stays open at the server
        lock._engine = make_engine(postgres_url, writer=False, size=1, pool_seconds=5)
        lock.trouble = "cut"
        until(lambda: lock.trouble is None, 30, "our own old connection kept us out")
    finally:
        lock.release()
        assert old is not None
        old.invalidate()
        old.close()


def test_a_database_that_is_away_is_no_other_careline(free_port: int) -> None:
    with pytest.raises(StorageUnavailable, match="does not answer"):
        Alone(f"postgresql+psycopg://careline@127.0.0.1:{free_port}/x", name="ours").take()


def test_a_name_fits_what_postgresql_keeps(tmp_path: Path) -> None:
    name = name_of(tmp_path / ("long" * 40) / "数据")
    assert len(name.encode()) <= 63
    assert name.startswith("careline, process ")
    assert name.endswith("/??")


@pytest.mark.postgres
def test_a_lock_let_go_between_two_questions_is_taken(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was waited for in vain, and by the time it is asked whose it is, it is nobody's: then it is ours."""
    other, ours = Alone(postgres_url, name="other"), Alone(postgres_url, name="ours")
    asked: list[object] = []

    def just_gone(connection: Connection, lock: int) -> object:
        other.release()
        # Its server process ends once it has read the goodbye.
        until(lambda: whose(connection, lock) is None, 30, "the lock was not let go")
        asked.append(whose(connection, lock))
        return asked[-1]

    whose = alone._holder
    monkeypatch.setattr(alone, "_holder", just_gone)
    other.take()
    try:
        ours.take(0.2)
        assert asked == [None]
        assert ours.trouble is None
    finally:
        ours.release()
        other.release()
