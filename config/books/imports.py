"""Lists in and out over the database and the data folder (`web.ports.imports`)."""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
import sys
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, Final

import structlog
from sqlalchemy import Connection

from access.audit import Entry
from access.ids import new_id
from access.masking import mask_values
from access.sentences import Sentence
from access.users import Principal
from config.lists.exports import ExportFailed, ExportWork
from config.lists.group_filling import GroupFiller
from config.lists.imports import ImportWork
from config.lists.queue import ImportQueue
from crm.exports.cells import ExportFormat
from crm.exports.jobs import ExportJob, ExportKind, ExportsTooMany
from crm.groups.groups import GroupKind
from crm.imports.cells import CellError, read_text
from crm.imports.checking import Columns, require
from crm.imports.fields import ImportKind
from crm.imports.files.guards import FileRefused
from crm.imports.files.lines import rows_of
from crm.imports.files.table import Row
from crm.imports.headers import header_text, key_of
from crm.imports.jobs import Choice, ImportJob, ImportNotPossible, ImportState
from crm.imports.own_fields import Own, check_role, name_of, own_of
from crm.records.fields import FieldLocked
from storage import audit, exports, group_filling, groups, import_jobs
from storage.database import Database
from storage.fields import list_fields
from telephony.call_lists import BadCursor
from web.list_words import faults as fault_words
from web.list_words import say, value_name
from web.ports.imports import ExportPage, ImportPage

log = structlog.get_logger(__name__)

#: Exports of one person that may be in the making.
_AT_ONCE: Final = 3
#: An export that is ready within this needs no second page.
_SMALL_SECONDS: Final = 3.0
#: Bad rows written by one step, and how long a file of all of them may take.
_FAULTS_AT_ONCE: Final = 1000
_BAD_ROWS_SECONDS: Final = 300.0
_NOTHING: Final[dict[str, Any]] = dict.fromkeys(
    ("done", "added", "changed", "unchanged", "refused", "place"), 0
)


def _cursor(at: datetime, id: str) -> str:
    return f"{at.isoformat()}~{id}"


def _place(cursor: str | None) -> tuple[datetime, str] | None:
    if cursor is None:
        return None
    moment, _, id = cursor.partition("~")
    try:
        at = datetime.fromisoformat(moment)
    except ValueError:
        at = None
    if at is None or at.tzinfo is None or not 1 <= len(id) <= 26:
        raise BadCursor("This place in the list cannot be read. Start from the first page.")
    return at, id


class ImportBook:
    """`web.ports.imports.Imports`."""

    def __init__(self, database: Database, work: ImportWork, queue: ImportQueue, most_bytes: int) -> None:
        self._database = database
        self._work = work
        self._queue = queue
        self.filler = GroupFiller(database, work)
        self.most_bytes = most_bytes

    async def list(self, cursor: str | None, limit: int) -> ImportPage:
        before = _place(cursor)
        found = await self._database.read(
            lambda connection: import_jobs.list_jobs(connection, before=before, limit=limit + 1)
        )
        more = len(found) > limit
        kept = found[:limit]
        return ImportPage(items=kept, next=_cursor(kept[-1].created_at, kept[-1].id) if more else None)

    async def get(self, viewer: Principal, import_id: str) -> ImportJob:
        return await self._shown(viewer, await self._get(import_id))

    async def _shown(self, viewer: Principal, job: ImportJob) -> ImportJob:
        """The import without fields that the viewer does not see, and masked as he sees people."""
        job = _without(job, await self._hidden_from(viewer))
        if viewer.sees_numbers and viewer.sees_names:
            return job
        masked: Any = mask_values({"found": job.found, "examples": job.examples})
        return replace(job, found=masked["found"], examples=masked["examples"])

    async def _get(self, import_id: str) -> ImportJob:
        return await self._database.read(lambda connection: import_jobs.get_job(connection, import_id))

    async def faults(
        self, viewer: Principal, import_id: str, after: int, limit: int
    ) -> Sequence[tuple[int, Sequence[Any]]]:
        def work(connection: Connection) -> Sequence[tuple[int, Sequence[Any]]]:
            import_jobs.get_job(connection, import_id)
            return import_jobs.list_faults(connection, import_id, after=after, limit=min(max(limit, 1), 500))

        hidden = await self._hidden_from(viewer)
        found = [(row, _open_faults(faults, hidden)) for row, faults in await self._database.read(work)]
        if viewer.sees_numbers:
            return found
        return [(row, mask_values(faults)) for row, faults in found]  # type: ignore[misc]

    async def _hidden_from(self, viewer: Principal) -> frozenset[str]:
        own = await self.own_fields()
        return frozenset(name for name, one in own.items() if viewer.role in one.hidden_from)

    async def own_fields(self) -> Own:
        defined = await self._database.read(partial(list_fields, retired=True))
        return {name_of(one): one for one in sorted(defined, key=lambda one: one.retired_at is None)}

    async def sources(self) -> Sequence[str]:
        return await self._database.read(import_jobs.known_sources)

    async def upload(
        self, kind: ImportKind, source: str, file_name: str, chunks: AsyncIterator[bytes], entry: Entry
    ) -> ImportJob:
        size = await self._work.keep_file(entry.id, chunks)
        job = ImportJob(
            id=entry.id,
            kind=kind,
            source=source,
            state=ImportState.READING,
            file_name=_plain_name(file_name),
            file_bytes=size,
            created_at=entry.at,
            by_id=entry.actor_id,
            by_name=entry.actor_name,
        )
        noted = replace(
            entry,
            id=new_id(entry.at),
            subject=f"import:{job.id}",
            data={"kind": kind.value, "source": source, "bytes": size},
        )

        def work(connection: Connection) -> None:
            import_jobs.insert_job(connection, job)
            audit.append(connection, noted)

        await self._database.write(work)
        self._queue.ask(job.id)
        return job

    async def read_sheet(self, import_id: str, sheet: str) -> ImportJob:
        def work(connection: Connection) -> ImportJob:
            job = import_jobs.get_job(connection, import_id)
            names = {one["name"] for one in job.found.get("sheets", ())}
            if sheet not in names:
                raise ImportNotPossible(job.state)
            import_jobs.move(
                connection,
                import_id,
                ImportState.READING,
                out_of=[ImportState.CHOOSING, ImportState.CHECKED],
                found={"wanted_sheet": sheet},
                error_id="",
            )
            return import_jobs.get_job(connection, import_id)

        job = await self._database.write(work)
        self._queue.ask(import_id)
        return job

    async def choose(self, viewer: Principal, import_id: str, choice: Choice, entry: Entry) -> ImportJob:
        def work(connection: Connection) -> ImportJob:
            job = import_jobs.get_job(connection, import_id)
            _require(connection, viewer, job.kind, choice)
            import_jobs.move(
                connection,
                import_id,
                ImportState.CHECKING,
                out_of=[ImportState.CHOOSING, ImportState.CHECKED],
                choice=choice,
                error_id="",
                error_values={},
                stop_wanted=False,
                **_NOTHING,
            )
            import_jobs.keep_columns(
                connection,
                job.kind,
                job.source,
                columns_by_name(job, choice),
                choice.columns.fixed,
                at=entry.at,
                by_name=entry.actor_name,
            )
            chosen = {"columns": " ".join(sorted(choice.columns.of))}
            alike = {f"fixed {field}": value for field, value in choice.columns.fixed.items()}
            audit.append(connection, replace(entry, subject=f"import:{import_id}", data={**chosen, **alike}))
            return import_jobs.get_job(connection, import_id)

        job = await self._database.write(work)
        self._queue.ask(import_id)
        return await self._shown(viewer, job)

    async def run(self, viewer: Principal, import_id: str, all_or_nothing: bool, entry: Entry) -> ImportJob:
        def work(connection: Connection) -> ImportJob:
            job = import_jobs.get_job(connection, import_id)
            _require(connection, viewer, job.kind, job.choice)
            import_jobs.forget_faults(connection, import_id)
            import_jobs.move(
                connection,
                import_id,
                ImportState.RUNNING,
                out_of=[ImportState.CHECKED],
                choice=replace(job.choice, all_or_nothing=all_or_nothing),
                started_at=entry.at,
                by_id=entry.actor_id,
                by_name=entry.actor_name,
                **_NOTHING,
            )
            audit.append(connection, entry)
            return import_jobs.get_job(connection, import_id)

        job = await self._database.write(work)
        self._queue.ask(import_id)
        return await self._shown(viewer, job)

    async def stop(self, viewer: Principal, import_id: str, entry: Entry) -> ImportJob:
        def work(connection: Connection) -> ImportJob:
            import_jobs.want_stop(connection, import_id)
            audit.append(connection, replace(entry, subject=f"import:{import_id}"))
            return import_jobs.get_job(connection, import_id)

        return await self._shown(viewer, await self._database.write(work))

    async def make_group(self, viewer: Principal, import_id: str, name: str, entry: Entry) -> tuple[str, int]:
        job = await self._get(import_id)
        if job.state not in (ImportState.DONE, ImportState.STOPPED):
            raise ImportNotPossible(job.state)
        self._work.check_files(job)  # before there is a group

        def begin(connection: Connection) -> str:
            if (left := group_filling.begun(connection, name, job.id)) is not None:
                return left.id
            made = groups.add_group(
                connection,
                name=name,
                kind=GroupKind.STATIC,
                now=entry.at,
                by=viewer,
                note=f"{job.source}: {job.file_name}",
                import_id=job.id,
            )
            about = {"name": made.name, "import": job.id}
            audit.append(connection, replace(entry, subject=f"group:{made.id}", data=about))
            return made.id

        made = await self.filler.fill(await self._database.write(begin), entry.at)
        return made.id, made.counted or 0

    async def bad_rows(self, import_id: str, language: str, viewer: Principal | None = None) -> Path:
        job = await self._get(import_id)
        hidden = frozenset[str]() if viewer is None else await self._hidden_from(viewer)
        if viewer is not None and hidden & {*job.choice.columns.of, *job.choice.columns.fixed}:
            raise FieldLocked(
                Sentence(
                    "The rows hold fields that the role {role} does not see. Whoever brought the list can take them.",
                    role=viewer.role.value,
                )
            )
        if job.counts.refused == 0:
            raise ImportNotPossible(job.state)
        rows = self._work.rows_file(job.id)
        path = rows.with_name(f"bad-{language}.xlsx")
        return await self._write_bad(job, rows, path, language)

    async def _write_bad(self, job: ImportJob, rows: Path, path: Path, language: str) -> Path:
        """The rows that did not go in as they stood, two columns behind them; made anew each time.

        A share of them at a time, under a name of its own until it is whole: two may ask at once.
        """
        made = path.with_name(f"{path.stem}-{secrets.token_hex(8)}.xlsx")
        width = await asyncio.to_thread(_widest, job, rows)
        child = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "crm.exports.child"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
        )
        assert child.stdin is not None
        try:
            async with asyncio.timeout(_BAD_ROWS_SECONDS):
                child.stdin.write(_bad_order(job, made, width, language))
                async for lines in self._bad_shares(job, rows, width, language):
                    child.stdin.write(lines)
                    await child.stdin.drain()
                child.stdin.close()
                await child.wait()
            if child.returncode == 0:
                await asyncio.to_thread(made.replace, path)
        except (BrokenPipeError, ConnectionResetError, TimeoutError) as error:
            raise ExportFailed("The file could not be made. Try again.") from error
        finally:
            if child.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    child.kill()
                await child.wait()
            made.unlink(missing_ok=True)
        if child.returncode != 0:
            raise ExportFailed("The file could not be made. Try again.")
        return path

    async def _bad_shares(
        self, job: ImportJob, rows: Path, width: int, language: str
    ) -> AsyncIterator[bytes]:
        """Lines for the writing process, the file and its faults read side by side in order of rows."""
        lines = rows_of(rows)
        own = await self.own_fields()
        after = 0
        while True:
            wanted = partial(import_jobs.list_faults, job_id=job.id, after=after, limit=_FAULTS_AT_ONCE)
            found = await self._database.read(wanted)
            if not found:
                return
            reasons = {
                row: fault_words("en" if language == "en" else "zh-CN", said, own) for row, said in found
            }
            after = found[-1][0]
            yield await asyncio.to_thread(_bad_lines, lines, reasons, after, width)

    async def clear(self, now: datetime, kept: timedelta) -> None:
        """Remove files and faults of imports that are older than this; what was counted stays."""
        old = await self._database.read(lambda connection: import_jobs.jobs_to_clear(connection, now - kept))
        for job_id in old:
            await asyncio.to_thread(self._work.remove_files, job_id)

            def work(connection: Connection, job_id: str = job_id) -> None:
                import_jobs.forget_faults(connection, job_id)
                import_jobs.note_cleared(connection, job_id, now)

            await self._database.write(work)


def _require(connection: Connection, viewer: Principal, kind: ImportKind, choice: Choice) -> None:
    """Raises MappingError, FieldLocked where this viewer may not bring a list with these columns in."""
    own = own_of(kind, list_fields(connection))
    require(kind, choice.columns, check_role(own, choice.columns, viewer.role))


def _open_faults(faults: Sequence[Any], hidden: Collection[str]) -> list[Any]:
    """Faults as plain JSON, of these fields without what was said and could be said."""
    return [[error_id, about, {} if about in hidden else values] for error_id, about, values in faults]


def _without(job: ImportJob, hidden: Collection[str]) -> ImportJob:
    """The import without what its rows say of these fields, whatever columns are chosen now."""
    if not hidden:
        return job
    examples = {
        outcome: [
            {
                **one,
                "values": {name: value for name, value in one["values"].items() if name not in hidden},
                "changes": [change for change in one["changes"] if change["field"] not in hidden],
                "faults": _open_faults(one["faults"], hidden),
            }
            for one in found
        ]
        for outcome, found in job.examples.items()
    }
    columns = {job.choice.columns.of[name] for name in hidden if name in job.choice.columns.of}
    first = [
        {
            **row,
            "cells": [
                None if place in columns and row["row"] > job.choice.header_row else cell
                for place, cell in enumerate(row["cells"])
            ],
        }
        for row in job.found.get("first", ())
    ]
    open_columns = Columns(
        of={name: place for name, place in job.choice.columns.of.items() if name not in hidden},
        fixed={name: value for name, value in job.choice.columns.fixed.items() if name not in hidden},
    )
    return replace(
        job,
        choice=replace(job.choice, columns=open_columns),
        examples=examples,
        found={**job.found, "first": first} if first else job.found,
    )


def _plain_name(name: str) -> str:
    """The name without any path and controls: it is only shown."""
    last = name.replace("\\", "/").rpartition("/")[2]
    return "".join(letter for letter in last if letter.isprintable())[:200] or "list"


def columns_by_name(job: ImportJob, choice: Choice) -> dict[str, str]:
    """Columns by what they are called, for the next list of this source; "" for those left out."""
    names = names_of(job, choice)
    chosen = {column: field for field, column in choice.columns.of.items()}
    return {key: chosen.get(place, "") for place, name in enumerate(names) if (key := key_of(name))}


def names_of(job: ImportJob, choice: Choice) -> list[str]:
    """The names in the row of names."""
    for row in job.found.get("first", ()):
        if row["row"] == choice.header_row:
            return [header_text(cell) for cell in row["cells"]]
    return []


def _widest(job: ImportJob, rows: Path) -> int:
    """How many columns the list has, in its row of names or anywhere."""
    return max(1, len(names_of(job, job.choice)), max((len(row.cells) for row in rows_of(rows)), default=0))


def _bad_order(job: ImportJob, path: Path, width: int, language: str) -> bytes:
    """What the writing process is to write; rows follow."""
    names = names_of(job, job.choice)
    headers = names + [""] * (width - len(names))
    added = [say(language, "imports.faults.row") or "", say(language, "imports.faults.reason") or ""]
    order = {
        "path": str(path),
        "format": ExportFormat.XLSX.value,
        "headers": [*headers, *added],
        "kinds": ["text"] * (width + 2),
        "zone": "UTC",
    }
    return json.dumps(order).encode() + b"\n"


def _bad_lines(rows: Iterator[Row], reasons: Mapping[int, str], last: int, width: int) -> bytes:
    """The rows that have a reason, read on to the last of them."""
    lines = []
    for row in rows:
        if row.number in reasons:
            cells = [_text(cell) for cell in row.cells]
            blanks = [None] * (width - len(cells))
            lines.append(json.dumps([*cells, *blanks, str(row.number), reasons[row.number]]))
        if row.number >= last:
            break
    return "".join(f"{line}\n" for line in lines).encode()


def _text(cell: Any) -> str:
    """The cell as somebody would type it; what cannot be read stays as it stood."""
    try:
        return read_text(cell) if not isinstance(cell, str) else cell
    except CellError:
        return str(cell)


class ExportBook:
    """`web.ports.imports.Exports`."""

    def __init__(self, database: Database, work: ExportWork) -> None:
        self._database = database
        self._work = work
        self._tasks: set[asyncio.Task[ExportJob | None]] = set()

    async def begin(
        self,
        viewer: Principal,
        kind: ExportKind,
        format: ExportFormat,
        wanted: Mapping[str, str],
        entry: Entry,
    ) -> ExportJob:
        exports.check_filter(kind, wanted)
        owner = owner_of(viewer)
        job = ExportJob(
            id=entry.id,
            kind=kind,
            format=format,
            wanted={name: value for name, value in wanted.items() if value},
            created_at=entry.at,
            by_id=viewer.user_id,
            by_name=viewer.name,
            owner=owner,
        )

        def allow(connection: Connection) -> None:
            if len(exports.in_the_making(connection, owner)) >= _AT_ONCE:
                raise ExportsTooMany("Several of your exports are being made. Wait for one of them.")

        await self._work.begin(job, allow)
        task = asyncio.create_task(self._make(job, viewer), name=f"export {job.id}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        await asyncio.wait({task}, timeout=_SMALL_SECONDS)
        return await self.get(viewer, job.id)

    async def _make(self, job: ExportJob, viewer: Principal) -> ExportJob | None:
        try:
            return await self._work.make(job, viewer)
        except ExportFailed:
            return None  # the row says so

    async def list(self, viewer: Principal, cursor: str | None, limit: int) -> ExportPage:
        before = _place(cursor)
        found = await self._database.read(
            lambda connection: exports.list_exports(
                connection, owner_of(viewer), before=before, limit=limit + 1
            )
        )
        kept = found[:limit]
        more = len(found) > limit
        return ExportPage(items=kept, next=_cursor(kept[-1].created_at, kept[-1].id) if more else None)

    async def get(self, viewer: Principal, export_id: str) -> ExportJob:
        return await self._database.read(
            lambda connection: exports.get_export(connection, export_id, owner_of(viewer))
        )

    async def file(self, viewer: Principal, export_id: str) -> Path:
        job = await self.get(viewer, export_id)
        exports.require_file(job)
        return self._work.file_of(job)

    async def close(self) -> None:
        """Leave what is being made; it is said to have failed at the next start."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


def owner_of(viewer: Principal) -> str:
    """Whose exports they are."""
    return f"user:{viewer.user_id}" if viewer.user_id else f"token:{viewer.proof_id}"


#: Families of words in the rows behind figures.
_REPORTS: Final = tuple(
    f"reports.{family}"
    for family in ("row", "kind", "step", "call_type", "purpose", "work", "result", "ring")
)


def saying() -> Callable[[str, str], str | None]:
    """Words for exports: the lists' own, else the ones that the pages use for calls and tasks."""

    def words(language: str, key: str) -> str | None:
        word = key.removeprefix("imports.value.")
        if word == key:
            return say(language, key)
        own = value_name(language, word)
        others = (
            f"{family}.{word}"
            for family in ("outcome", "direction", "task.kind", "tasks.kind", "state", *_REPORTS)
        )
        return own or next((found for other in others if (found := say(language, other)) is not None), None)

    return words


__all__ = ["ExportBook", "FileRefused", "ImportBook", "saying"]
