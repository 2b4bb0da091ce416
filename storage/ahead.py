"""Facts in a file ahead of their transaction: they outlive this process at once, and their row follows.

One file, open for appending while the journal lives. It is not flushed to the disk: it is there for the death of
the service, in which calls go on; a machine that dies ends its calls too, and their rows, flushed at their arrival,
say so (docs/decisions/0023-what-a-caller-chose-goes-ahead.md). It is emptied when all it holds is stored; what a
crash leaves in it is stored at the next start (storing a fact twice changes nothing).
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from storage.spool import fact_of, line_of
from telephony.facts import Fact


class Ahead:
    """Used by one thread at a time."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "ahead.jsonl"
        #: Bytes in the file.
        self.size = 0
        #: Lines of an earlier process that are no facts of this one.
        self.bad: list[bytes] = []
        self._unread = False
        self._file: int | None = None
        folder.mkdir(parents=True, exist_ok=True)

    def append(self, facts: Iterable[Fact]) -> None:
        """Add facts; the system has them when this returns. Raises OSError; none of them is promised then."""
        # A line of its own begins it: one that a death or a full disk tore must not swallow what comes.
        text = ("\n" + "".join([line_of(fact) + "\n" for fact in facts])).encode()
        if self._file is None:
            self._file = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
            self.size = os.fstat(self._file).st_size
        try:
            if os.write(self._file, text) != len(text):
                raise OSError(f"{self.path} took only a part.")
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(self._file, self.size)
            self.close()
            raise
        self.size += len(text)

    def left(self) -> Sequence[Fact]:
        """What an earlier process left; until it could be read nothing is cleared. Raises OSError.

        A torn last line was never promised to anybody; any other line that is no fact is in `bad`.
        """
        facts = []
        self._unread = True
        try:
            text = self.path.read_bytes()
        except FileNotFoundError:
            self._unread = False
            return ()
        self._unread = False
        self.size = len(text)
        *lines, _torn = text.split(b"\n")
        for line in lines:
            try:
                facts.append(fact_of(line.decode("utf-8")))
            except (ValueError, TypeError, KeyError):
                if line.strip():
                    self.bad.append(line)
        return facts

    def clear(self) -> None:
        """All of it is stored. Where the disk refuses, the file stays: its facts are known by their keys."""
        if self._unread:
            return
        with contextlib.suppress(OSError):
            if self._file is not None:
                os.ftruncate(self._file, 0)
            elif self.path.exists():
                os.truncate(self.path, 0)
            self.size = 0

    def close(self) -> None:
        """Let go of the file."""
        if self._file is not None:
            os.close(self._file)
            self._file = None
