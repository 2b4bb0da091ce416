"""Facts on disk while the database is away: JSON lines, flushed to the disk before anybody goes on."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import IO, Any

from telephony.facts import Fact, FactKind, Source


class SpoolFull(OSError):
    """The spool has reached its bound, or the disk will not take it; these facts are in memory only."""

    error_id = "spool-full"


def line_of(fact: Fact) -> str:
    """One fact as a line of JSON."""
    return json.dumps(
        [
            fact.source.value, fact.key, fact.kind.value, fact.at.isoformat(), fact.linkedid, fact.uniqueid,
            dict(fact.data),
        ],
        separators=(",", ":"),
        default=str,
    )  # fmt: skip


def fact_of(line: str) -> Fact:
    """The fact in a line. Raises ValueError where there is none."""
    value: Any = json.loads(line)
    if not isinstance(value, list) or len(value) != 7 or not isinstance(value[6], dict):
        raise ValueError("no fact")
    source, key, kind, at, linkedid, uniqueid, data = value
    moment = datetime.fromisoformat(at)
    if moment.tzinfo is None:
        raise ValueError("no time zone")
    return Fact(
        source=Source(source),
        key=str(key),
        kind=FactKind(kind),
        at=moment,
        linkedid=str(linkedid),
        uniqueid=str(uniqueid),
        data=data,
    )


@contextlib.contextmanager
def alone_with(path: Path) -> Iterator[IO[str]]:
    """A file of lines, to be added to or replaced while nobody else does. Raises OSError."""
    while True:
        with path.open("a+", encoding="utf-8", errors="replace") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            with contextlib.suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(file.fileno()), path.stat()):
                    yield file
                    return
            # Between the opening and the lock another file took its place.


class Spool:
    """One file of facts, appended at the end and taken from the front. Used by one thread at a time.

    A crash while taking loses nothing: the file is removed only when all of it is stored, and storing a fact
    twice changes nothing. A torn last line was never promised to anybody and is left out.
    """

    def __init__(self, folder: Path, *, most_bytes: int = 256 * 1024 * 1024) -> None:
        self.path = folder / "facts.jsonl"
        self.most_bytes = most_bytes
        #: Lines that were no facts.
        self.bad = 0
        self._taken = 0
        folder.mkdir(parents=True, exist_ok=True)

    @property
    def size(self) -> int:
        """Bytes not taken yet."""
        try:
            return max(0, self.path.stat().st_size - self._taken)
        except FileNotFoundError:
            return 0

    def append(self, facts: Iterable[Fact]) -> None:
        """Add facts; they are on the disk when this returns. Raises SpoolFull."""
        text = "".join(line_of(fact) + "\n" for fact in facts).encode()
        try:
            with self.path.open("ab") as file:
                start = file.tell()
                if start + len(text) > self.most_bytes:
                    raise SpoolFull(f"The spool {self.path} has reached {self.most_bytes} bytes.")
                try:
                    if start and not self._ends_whole(start):
                        file.write(b"\n")  # a torn line of a crash must not swallow the next
                    file.write(text)
                    file.flush()
                    os.fsync(file.fileno())
                except OSError:
                    file.truncate(start)
                    raise
        except SpoolFull:
            raise
        except OSError as error:
            raise SpoolFull(f"The spool {self.path} cannot be written: {error}.") from error

    def _ends_whole(self, size: int) -> bool:
        with self.path.open("rb") as file:
            file.seek(size - 1)
            return file.read(1) == b"\n"

    def peek(self, most: int) -> tuple[Sequence[Fact], int]:
        """The next facts and how many bytes they take; nothing and 0 at the end. Raises OSError."""
        facts: list[Fact] = []
        used = 0
        try:
            with self.path.open("rb") as file:
                file.seek(self._taken)
                for raw in file:
                    if len(facts) >= most:
                        break
                    if not raw.endswith(b"\n"):
                        used += len(raw)
                        self.bad += 1
                        break
                    used += len(raw)
                    try:
                        facts.append(fact_of(raw.decode("utf-8")))
                    except (ValueError, TypeError, KeyError):
                        if raw.strip():
                            self.bad += 1
        except FileNotFoundError:
            return [], 0
        return facts, used

    def take(self, used: int) -> None:
        """These bytes are stored now; the file goes when nothing is left."""
        self._taken += used
        if self.size == 0:
            try:
                self.path.unlink(missing_ok=True)
            except OSError:
                return  # all of it is stored; the file goes another time, and what comes is added behind
            self._taken = 0
