"""One Careline on a PostgreSQL database: a session-level advisory lock on a connection of its own.

A lock of the session goes with its connection, whatever the process dies of (PostgreSQL manual, 13.3.5), so
nothing is left behind that somebody would have to clean up. It has a price: a restart of the database takes it
away from a service that lives on. A thread watches over that and takes it again; where another was quicker,
`trouble` says so until the other ends. The service is not stopped for it: it has callers.

A pooler that shares sessions (PgBouncer's transaction mode) would share the lock too; connect without one.
"""

from __future__ import annotations

import os
import socket
import threading
import zlib
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final, NamedTuple

import structlog
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError, OperationalError

from storage.database import StorageError, StorageUnavailable, make_engine

log = structlog.get_logger(__name__)

#: The two halves of the lock's key: "CARE" in ASCII, and which of our locks it is.
_HOUSE: Final = 0x4341_5245
#: The lock of the one house on a database; dialers have one each, by the name of their switch (`node_lock`).
HOUSE_LOCK: Final = 1
#: Seconds between two looks at the connection.
_EVERY: Final = 2.0
#: Bytes PostgreSQL keeps of an application's name.
_NAME: Final = 63


class DatabaseTaken(StorageError):
    """Another Careline runs on this database; stop it, or give this one a database of its own."""

    error_id = "database-taken"


class _Holder(NamedTuple):
    """Who has the lock, as the server tells."""

    pid: int
    since: datetime
    name: str
    address: str

    def __str__(self) -> str:
        what = self.name or f"a program of another login (server process {self.pid})"
        place = f" from {self.address}" if self.address else ""
        return f"{what}{place}, since {self.since:%Y-%m-%d %H:%M:%S %Z}"


def name_of(data: Path) -> str:
    """This process in words that fit PostgreSQL's application_name, for whoever is refused because of it."""
    start = f"careline, process {os.getpid()} on {socket.gethostname()[:20]}, data "
    folder = str(data.absolute()).encode("ascii", "replace").decode()
    room = _NAME - len(start)
    return start + (folder if len(folder) <= room else f"..{folder[-(room - 2) :]}")


def node_lock(system: str) -> int:
    """The lock of whoever runs a switch of this name: no two write its calls."""
    return 2 + zlib.crc32(system.encode()) % 0x7FFF_FFF0


class Alone:
    """The lock. `take` it, ask `trouble`, `release` it; the thread is its own."""

    def __init__(
        self, url: str, *, name: str, every: float = _EVERY, locks: Sequence[int] = (HOUSE_LOCK,)
    ) -> None:
        self._locks = tuple(locks)
        self._engine = make_engine(url, writer=False, size=1, pool_seconds=5.0)
        self._name = name
        self._every = every
        self._connection: Connection | None = None
        #: Server process and its start, of the connection that last held the lock.
        self._own: tuple[int, datetime] | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="alone", daemon=True)
        #: What is wrong, in words; None: the lock is held.
        self.trouble: str | None = None

    def take(self, patience_seconds: float = 5.0) -> None:
        """Take the lock and watch over it. Raises DatabaseTaken, StorageUnavailable.

        A process killed just now may hold it for a moment longer: that long it is waited for.
        """
        try:
            holder = self._try(patience_seconds)
        except DBAPIError as error:
            self._drop()
            raise StorageUnavailable(
                f"The database does not answer: {error.__cause__ or error}. Nothing was changed."
            ) from error
        if holder is not None:
            self._drop()
            raise DatabaseTaken(
                f"Another Careline is running on this database ({DatabaseTaken.error_id}): {holder}. "
                "Nothing was changed. Stop it, or give this one a database of its own (storage.url)."
            )
        self._thread.start()

    def release(self) -> None:
        """Let go. A connection that hangs is left to the end of the process."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(2.0)
        if not self._thread.is_alive():
            self._drop()

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.invalidate()
            self._connection.close()
            self._connection = None
        self._engine.dispose()

    def _try(self, patience_seconds: float) -> _Holder | None:
        """Connect and take the lock; gives who holds it instead of us. Raises DBAPIError."""
        connection = self._connection
        if connection is None:
            connection = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
            self._connection = connection
            connection.execute(
                text("SELECT set_config('application_name', :name, false)"), {"name": self._name}
            )
            # The server too must notice a machine that is gone, or it would keep the lock for hours.
            for setting, value in (("idle", 30), ("interval", 10), ("count", 3)):
                connection.exec_driver_sql(f"SET tcp_keepalives_{setting} = {value}")
        wait = text("SELECT set_config('lock_timeout', :wait, false)")
        connection.execute(wait, {"wait": f"{max(1, int(patience_seconds * 1000))}ms"})
        for lock in self._locks:
            if (holder := _waited(connection, lock)) is not None:
                return holder
        row = connection.execute(
            text("SELECT pid, backend_start FROM pg_stat_activity WHERE pid = pg_backend_pid()")
        ).one()
        self._own = (row.pid, row.backend_start)
        return None

    def _watch(self) -> None:
        while not self._stop.wait(self._every):
            try:
                if self.trouble is None:
                    assert self._connection is not None
                    self._connection.exec_driver_sql("SELECT 1")
                else:
                    self._take_again()
            except Exception as error:
                # The boundary of the watcher's thread: whatever it meets, it watches on, and /readyz says so.
                self._drop()
                self._say(
                    "The lock that keeps a second Careline from this database went with its connection; "
                    "it is taken again when the database answers.",
                    str(error.__cause__ or repr(error)),
                )

    def _take_again(self) -> None:
        holder = self._try(0.2)
        if holder is None:
            log.warning("alone on the database again", action="database_lock_taken_again")
            self.trouble = None
            return
        assert self._connection is not None
        if (holder.pid, holder.since) == self._own:
            # The server has not noticed yet that our connection before this one is gone.
            self._connection.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": holder.pid})
            return
        self._say(
            f"Another Careline took this database while its connection was lost: {holder}. "
            "Both write now: stop one of them.",
            DatabaseTaken.error_id,
        )

    def _say(self, trouble: str, why: str) -> None:
        """Once for each trouble, not every two seconds."""
        before, self.trouble = self.trouble, trouble
        if before != trouble:
            log.error(trouble, action="database_lock_lost", why=why)


def _waited(connection: Connection, lock: int) -> _Holder | None:
    """Wait for the lock as long as `lock_timeout` says; gives who holds it. None: it is ours."""
    for _ in range(3):
        try:
            connection.execute(
                text("SELECT pg_advisory_lock(:house, :lock)"), {"house": _HOUSE, "lock": lock}
            )
            return None
        except OperationalError as error:
            if getattr(error.orig, "sqlstate", "") != "55P03":  # lock_not_available
                raise
        # Whoever went between the two questions holds it no more.
        if (holder := _holder(connection, lock)) is not None:
            return holder
    return _Holder(0, datetime.now().astimezone(), "", "")


def _holder(connection: Connection, lock: int) -> _Holder | None:
    row: Any = connection.execute(
        text(
            "SELECT a.pid, a.backend_start, a.application_name, host(a.client_addr) AS address"
            " FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid"
            " WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 2"
            " AND l.classid = :house AND l.objid = :lock"
            " AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())"
        ),
        {"house": _HOUSE, "lock": lock},
    ).first()
    if row is None:
        return None
    since = row.backend_start or datetime.now().astimezone()
    return _Holder(row.pid, since, row.application_name or "", row.address or "")
