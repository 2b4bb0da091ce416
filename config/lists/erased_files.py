"""Files beside the database that may hold an erased person: lists that came in, lists that went out, the spool.

A list is not rewritten: a file that holds him goes whole, and its job says so. What merely shares a name with him goes
too; the records that came with it are in the database, and a list can be brought again.
"""

from __future__ import annotations

import asyncio
import re
import shutil
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Final

import structlog
from sqlalchemy import Connection

from crm.exports.jobs import ExportState
from crm.imports.jobs import WORKING
from storage import exports, import_jobs
from storage.database import Database
from storage.spool import alone_with
from storage.traces import Person, number_pattern
from telephony.clock import Clock

log = structlog.get_logger(__name__)

#: What a job says whose files held an erased person.
ERASED: Final = "person-erased"
_PIECE: Final = 1 << 20
#: Longest thing looked for that may lie across two pieces.
_OVERLAP: Final = 256
#: Encodings lists come in; a name is looked for in each.
_ENCODINGS: Final = ("utf-8", "gb18030", "utf-16-le")


class ErasedFiles:
    """Removes files that hold a person."""

    def __init__(self, database: Database, clock: Clock, *, lists: Path, spool: Path) -> None:
        """`lists` is the folder of imports and exports, `spool` that of facts put aside."""
        self._database = database
        self._clock = clock
        self._lists = lists
        self._spool = spool

    async def remove(self, person: Person) -> Mapping[str, int]:
        """Remove what holds the person; gives counts of files or lines by kind."""
        sought = _Sought(person)
        imports = await asyncio.to_thread(_holding, self._lists / "imports", sought)
        for job_id in imports:
            await self._forget_import(job_id)
            await asyncio.to_thread(shutil.rmtree, self._lists / "imports" / job_id, ignore_errors=True)
        made = await asyncio.to_thread(_holding, self._lists / "exports", sought)
        for name in made:
            await self._forget_export(name.partition(".")[0])
            await asyncio.to_thread((self._lists / "exports" / name).unlink, missing_ok=True)
        lines = 0
        for path in await asyncio.to_thread(lambda: sorted(self._spool.glob("*.jsonl"))):
            if path.name != "facts.jsonl":  # these are on their way into the database, and found there
                lines += await asyncio.to_thread(_without, path, sought)
        return {"import files": len(imports), "export files": len(made), "lines put aside": lines}

    async def _forget_import(self, job_id: str) -> None:
        now = self._clock.now()

        def work(connection: Connection) -> None:
            state = import_jobs.lock_job(connection, job_id)
            if state is None:
                return
            if state in WORKING:
                import_jobs.want_stop(connection, job_id)  # and ends as one whose files are gone
            import_jobs.forget_faults(connection, job_id)
            import_jobs.note_cleared(connection, job_id, now, why=ERASED)

        await self._database.write(work)

    async def _forget_export(self, job_id: str) -> None:
        now = self._clock.now()
        await self._database.write(
            lambda connection: exports.change_export(
                connection, job_id, ExportState.REMOVED, removed_at=now, error=ERASED
            )
        )


class _Sought:
    """What names the person, as it may stand in a file."""

    def __init__(self, person: Person) -> None:
        self._numbers = number_pattern((*person.numbers, *person.shared))
        words = [word for word in (*person.names, *person.marks) if len(word) > 1]
        self._words = re.compile("|".join(map(re.escape, words)), re.IGNORECASE) if words else None

    def is_in(self, text: str) -> bool:
        return bool(
            (self._numbers and self._numbers.search(text)) or (self._words and self._words.search(text))
        )


def _holding(folder: Path, sought: _Sought) -> list[str]:
    """Names of the entries of a folder (files, or folders with files) that hold the person."""
    if not folder.is_dir():
        return []
    found = []
    for entry in sorted(folder.iterdir()):
        files = [path for path in entry.rglob("*") if path.is_file()] if entry.is_dir() else [entry]
        if any(_holds(path, sought) for path in files):
            found.append(entry.name)
    return found


def _holds(path: Path, sought: _Sought) -> bool:
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                return any(
                    sought.is_in(text)
                    for name in archive.namelist()
                    if name.endswith(".xml")
                    for text in _texts(archive.open(name))
                )
        with path.open("rb") as file:
            return any(sought.is_in(text) for text in _texts(file))
    except FileNotFoundError:
        return False
    except (OSError, zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
        log.warning("a list cannot be read; it goes", action="erased_file_unread", why=str(error))
        return True


def _texts(file: IO[bytes]) -> Iterator[str]:
    """The file in pieces that overlap, in each encoding it may have."""
    rest = b""
    while piece := file.read(_PIECE):
        for encoding in _ENCODINGS:
            yield _plain((rest + piece).decode(encoding, "ignore"))
        rest = (rest + piece)[-_OVERLAP:]


def _plain(text: str) -> str:
    r"""JSON's \uXXXX as letters."""
    return re.sub(r"\\u([0-9a-fA-F]{4})", lambda found: chr(int(found[1], 16)), text)


def _without(path: Path, sought: _Sought) -> int:
    """Take the lines that hold the person out of a file that grows at its end; gives how many."""
    with alone_with(path) as file:
        file.seek(0)
        lines = file.readlines()
        kept = [line for line in lines if not sought.is_in(_plain(line))]
        if len(kept) < len(lines):
            aside = path.with_suffix(".scrub")
            aside.write_text("".join(kept), encoding="utf-8")
            aside.replace(path)
    return len(lines) - len(kept)
