"""One Careline on a data folder and on a database.

Two on one spool would take each other's facts; two on one database would each close the other's calls.
"""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import make_url

from config.settings import SettingsError
from storage.alone import HOUSE_LOCK, Alone, DatabaseTaken, name_of, node_lock

#: Stays when the service ends; only the lock on it counts, and the kernel gives that back after any death.
LOCK_FILE = "careline.lock"


@contextmanager
def hold_folder(data: Path) -> Iterator[None]:
    """Hold the data folder until the end. Raises SettingsError where another process holds it, OSError."""
    mistake = (
        f"data = {data}: another Careline is running on this folder. Nothing was started. "
        "Stop it, or give this one a folder of its own."
    )
    with _locked(data / LOCK_FILE, SettingsError([mistake])):
        yield


@contextmanager
def _locked(path: Path, taken: Exception) -> Iterator[None]:
    """Hold a lock on a file until the end; raises `taken` where another process holds it, and OSError."""
    with path.open("a", encoding="ascii") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise taken from error
        yield


@contextmanager
def hold_database(url: str, data: Path, *, system: str = "", dialer: bool = False) -> Iterator[Alone | None]:
    """Hold the database until the end; PostgreSQL's lock is given, to be asked for its trouble.

    There is one house on a database, and with it any number of dialers, each with a switch of its own name
    (`system`), for which PostgreSQL is needed.

    SQLite's file is held by a lock beside it, whatever name leads to it. Raises
    DatabaseTaken where another process holds it, StorageUnavailable, OSError.
    """
    address = make_url(url)
    if dialer and address.get_backend_name() == "sqlite":
        raise SettingsError(
            [
                'role = "dialer" needs PostgreSQL (storage.url); SQLite belongs to one process. Nothing was started.'
            ]
        )
    if address.get_backend_name() == "sqlite":
        path = Path(address.database or "").resolve()
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        taken = DatabaseTaken(
            f"Another Careline is running on this database ({DatabaseTaken.error_id}): {path}. "
            "Nothing was changed. Stop it, or give this one a database of its own (storage.url)."
        )
        with _locked(path.with_name(f"{path.name}.lock"), taken):
            yield None
        return
    locks = ([] if dialer else [HOUSE_LOCK]) + ([node_lock(system)] if system else [])
    lock = Alone(url, name=name_of(data), locks=locks)
    lock.take()
    try:
        yield lock
    finally:
        lock.release()
