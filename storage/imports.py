"""Reads the switch's own files into the call log, by offset: what was read and how far is one transaction.

Only whole lines are read. A file that was renamed (rotation) is read to its end first; one that was cut short
or replaced is read from its beginning. Reading anything twice changes nothing.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, select

from storage import calls as store
from storage.database import Database
from storage.journal import Journal
from storage.tables.telephony import phones
from telephony.asterisk import names
from telephony.asterisk.files import AgentOf, Reading, read_cdr, read_cel, read_queue_log
from telephony.clock import Clock

log = logging.getLogger(__name__)

#: Bytes read in one transaction.
_CHUNK: Final = 256 * 1024
#: A line longer than this is no line of ours; it is skipped and counted.
_LONGEST_LINE: Final = 64 * 1024
#: First bytes of a file, by which a new file under an old inode is told.
_HEAD: Final = 256

Reader = Callable[[Iterable[str]], Reading]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Piece:
    """Whole lines of a file and where they end."""

    lines: list[str]
    inode: int
    offset: int
    head: str
    #: Overlong lines that were skipped.
    skipped: int
    #: There is more to read now.
    more: bool


class Importer:
    """Follows CEL, CDR and queue_log of one switch. `run_once` reads what is new; call it every few seconds."""

    def __init__(self, journal: Journal, database: Database, *, folder: Path, clock: Clock) -> None:
        self.journal = journal
        self.database = database
        self.folder = folder
        self.clock = clock
        #: Lines that could not be read since the start.
        self.bad_lines = 0
        #: Latest moment CEL told of; what happened before is known.
        self.cel_until: datetime | None = None
        self._offsets: dict[str, store.Offset | None] = {}
        self._owners: dict[str, str] = {}
        self._running = asyncio.Lock()

    async def run_once(self) -> int:
        """Read everything new; gives how many lines.

        CEL goes first: it knows which channel belongs to which call, and queue_log lines find their call by it.
        Raises StorageUnavailable where nothing can be stored now, OSError where a file cannot be read.
        """
        async with self._running:
            self._owners = await self.database.read(_owners)
            agent_of: AgentOf = self._owners.get
            count = await self._follow(names.CEL_FILE, lambda lines: read_cel(lines, agent_of=agent_of))
            count += await self._follow(names.QUEUE_LOG_FILE, read_queue_log)
            count += await self._follow(names.CDR_FILE, read_cdr)
            return count

    async def _follow(self, name: str, reader: Reader) -> int:
        system = self.journal.system
        if name not in self._offsets:
            self._offsets[name] = await self.database.read(
                lambda connection: store.offset_of(connection, system, name)
            )
        count = 0
        while True:
            known = self._offsets[name]
            piece = await asyncio.to_thread(next_piece, self.folder / name, known)
            if piece is None:
                return count
            reading = reader(piece.lines)
            bad = reading.bad_count + piece.skipped
            offset = store.Offset(
                inode=piece.inode,
                offset=piece.offset,
                head=piece.head,
                bad_lines=(known.bad_lines if known else 0) + bad,
                last_at=_later(known.last_at if known else None, reading.last_at),
            )
            now = self.clock.now()

            def note(
                connection: Connection,
                reading: Reading = reading,
                offset: store.Offset = offset,
                now: datetime = now,
            ) -> None:
                store.add_sights(connection, system, reading.sights)
                store.keep_offset(connection, system, name, offset, now)

            await self.journal.record_imported(reading.facts, note)
            self._offsets[name] = offset
            if bad:
                self.bad_lines += bad
                log.warning(
                    "lines could not be read",
                    extra={
                        "action": "import-bad-lines",
                        "file": name,
                        "count": bad,
                        "lines": reading.bad[:3],
                    },
                )
            if name == names.CEL_FILE:
                self.cel_until = _later(self.cel_until, offset.last_at)
            count += len(piece.lines)
            if not piece.more:
                return count


def next_piece(path: Path, known: store.Offset | None) -> _Piece | None:
    """The next whole lines of a file, or None where there is nothing new. Raises OSError."""
    if known is not None:
        renamed = _renamed(path, known)
        if renamed is not None:
            piece = _read(renamed, known.offset, known.head, last=True)
            if piece is not None:
                return piece
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    start = 0
    if known is not None and status.st_ino == known.inode and status.st_size >= known.offset:
        start = known.offset if _head(path, known) == known.head else 0
    return _read(path, start, "" if start == 0 or known is None else known.head)


def _renamed(path: Path, known: store.Offset) -> Path | None:
    """Where the file went that was read last, if it is no longer under its name."""
    try:
        if path.stat().st_ino == known.inode and _head(path, known) == known.head:
            return None
    except FileNotFoundError:
        pass
    for other in sorted(path.parent.glob(f"{path.name}?*")):
        try:
            if other.stat().st_ino == known.inode and _head(other, known) == known.head:
                return other
        except FileNotFoundError:
            continue
    return None


def _head(path: Path, known: store.Offset) -> str:
    """Digest of as many first bytes as were known of the file, or an empty text where none were."""
    if not known.head:
        return ""
    size = int(known.head.partition(":")[0])
    with path.open("rb") as file:
        return _digest(file.read(size))


def _digest(data: bytes) -> str:
    return f"{len(data)}:{hashlib.sha256(data).hexdigest()[:32]}"


def _read(path: Path, start: int, head: str, *, last: bool = False) -> _Piece | None:
    """Whole lines from `start` on. `last`: nothing will be added, so a last line without an end is one too."""
    with path.open("rb") as file:
        status = os.fstat(file.fileno())
        first = file.read(_HEAD)
        file.seek(start)
        data = file.read(_CHUNK)
    if not data:
        return None
    end = data.rfind(b"\n") + 1
    skipped = 0
    at_end = start + len(data) >= status.st_size
    if last and at_end:
        end = len(data)
    elif end == 0:
        if len(data) <= _LONGEST_LINE:
            return None  # a line that is being written
        end, skipped = len(data), 1  # no line of ours is that long: step over it
        data = b""
    lines = [line for line in data[:end].decode("utf-8", "replace").split("\n") if line]
    if head.partition(":")[0] != str(_HEAD):
        head = _digest(first[: min(len(first), start + end)])
    return _Piece(
        lines=lines,
        inode=status.st_ino,
        offset=start + end,
        head=head,
        skipped=skipped,
        more=not at_end or last,
    )


def _owners(connection: Connection) -> dict[str, str]:
    """Whose phone each endpoint is."""
    return {
        row.endpoint: row.user_id for row in connection.execute(select(phones.c.endpoint, phones.c.user_id))
    }


def _later(one: datetime | None, other: datetime | None) -> datetime | None:
    if one is None or other is None:
        return one or other
    return max(one, other)
