"""Databases that took minutes to make, kept for the next run: a copy of them takes seconds.

They lie below a folder, one per engine, size, schema and way of making; a run works on a copy of its own. What
nobody needs any more is deleted by hand.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

from sqlalchemy.schema import CreateIndex, CreateTable

from bench import _crowd
from storage.migrations import head, upgrade
from storage.tables import metadata

ROOT: Final = Path(__file__).resolve().parents[1]
#: Where they lie if nobody says otherwise.
FOLDER: Final = ROOT / ".cache" / "bench"
_TESTS: Final = ROOT / "tests"
#: As a server of a house this large has it; the tests' servers are many and small.
_SETTINGS: Final = "shared_buffers = 1GB\n"

Say = Callable[[str], None]


def name_of(engine: str, customers: int, calls: int) -> str:
    """What a database is kept under."""
    made_by = hashlib.sha256(Path(_crowd.__file__).read_bytes())
    for table in metadata.sorted_tables:
        made_by.update(str(CreateTable(table)).encode())
        for index in sorted(table.indexes, key=lambda one: str(one.name)):
            made_by.update(str(CreateIndex(index)).encode())
    return f"{engine}-{customers}-{calls}-{head()}-{made_by.hexdigest()[:10]}"


@contextlib.contextmanager
def database(engine: str, *, customers: int, calls: int, folder: Path, say: Say) -> Iterator[str]:
    """Address of a database of one's own with so many customers and calls; it is gone afterwards."""
    kept = folder / name_of(engine, customers, calls)
    kept.parent.mkdir(parents=True, exist_ok=True)
    made = _sqlite if engine == "sqlite" else _postgres
    with made(kept, customers=customers, calls=calls, say=say) as url:
        yield url


def sqlite_file(target: Path, *, customers: int, calls: int, folder: Path, say: Say) -> None:
    """The same as a file of SQLite at `target`."""
    kept = folder / name_of("sqlite", customers, calls)
    kept.parent.mkdir(parents=True, exist_ok=True)
    _make_sqlite(kept, customers=customers, calls=calls, say=say)
    _copy(kept, target)


@contextlib.contextmanager
def _sqlite(kept: Path, *, customers: int, calls: int, say: Say) -> Iterator[str]:
    _make_sqlite(kept, customers=customers, calls=calls, say=say)
    with tempfile.TemporaryDirectory(prefix="careline-bench-") as folder:
        target = Path(folder) / "careline.db"
        _copy(kept, target)
        yield f"sqlite:///{target}"


def _make_sqlite(kept: Path, *, customers: int, calls: int, say: Say) -> None:
    if kept.exists():
        return
    making = kept.with_suffix(f".{os.getpid()}")
    try:
        upgrade(f"sqlite:///{making}")
        _crowd.fill(f"sqlite:///{making}", customers=customers, calls=calls, say=say)
        making.rename(kept)
    finally:
        for left in making.parent.glob(making.name + "*"):
            left.unlink()


@contextlib.contextmanager
def _postgres(kept: Path, *, customers: int, calls: int, say: Say) -> Iterator[str]:
    """A server of one's own on a copy of the kept cluster's data."""
    sys.path.insert(0, str(_TESTS))
    storage: Any = importlib.import_module("fixtures_storage")
    with tempfile.TemporaryDirectory(prefix="careline-pg-", dir="/tmp") as path:
        folder = Path(path)
        folder.chmod(0o755)
        server = storage.PostgresServer(folder)
        settings = (server.data / "postgresql.conf").read_text() + _SETTINGS
        if kept.exists():
            shutil.rmtree(server.data)
            _copy(kept, server.data)
        (server.data / "postgresql.conf").write_text(settings)
        server.start()
        try:
            if not kept.exists():
                _fill_postgres(server, customers=customers, calls=calls, say=say)
                server.stop()
                making = kept.with_suffix(f".{os.getpid()}")
                _copy(server.data, making)
                making.rename(kept)
                server.start()
            yield server.url("crowd")
        finally:
            server.stop()


def _fill_postgres(server: Any, *, customers: int, calls: int, say: Say) -> None:
    server._execute(
        "ALTER SYSTEM SET max_wal_size = '8GB'", "SELECT pg_reload_conf()", "CREATE DATABASE crowd"
    )
    upgrade(server.url("crowd"))
    _crowd.fill(server.url("crowd"), customers=customers, calls=calls, say=say)


def _copy(source: Path, target: Path) -> None:
    """As it is, owner and modes too; without copying a byte where the file system can.

    On disk when it ends: else six gigabytes are written back beside what is measured, and every commit waits for it.
    """
    subprocess.run(["cp", "-a", "--reflink=auto", str(source), str(target)], check=True)
    os.sync()
