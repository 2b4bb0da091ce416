"""Imports at work: a file is read, checked, tried and written, each step gone on with after a restart.

Parsing and checking happen in a child process; the database is written in short batches that take turns with the
calls. Where a batch ends stands in its own transaction, so no row goes in twice and none is left out (R30).
"""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, time
from functools import partial
from itertools import count as counter
from pathlib import Path
from time import perf_counter
from typing import Any, Final, TypeVar
from zoneinfo import ZoneInfo

import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from access.audit import Action, Entry
from access.ids import new_id
from config.lists.outcomes import counted_with, exemplify, faults_of, suggested
from config.lists.pace import Pace
from crm.imports.checking import Checked
from crm.imports.files.guards import FileRefused, Limits
from crm.imports.files.lines import Batch, batches_of
from crm.imports.files.reader import check_rows, read_file
from crm.imports.jobs import (
    WORKING,
    Counts,
    ImportFilesGone,
    ImportJob,
    ImportNotPossible,
    ImportState,
)
from crm.imports.own_fields import NO_OWN, Own, chosen_own, is_own, own_of, without_own
from crm.imports.planning import Planned, Planner
from crm.records.changes import Author
from storage import audit, import_jobs
from storage.database import Database, StorageUnavailable
from storage.fields import list_fields
from storage.import_known import Seen, known_of, look, speak_of_same
from storage.import_records import Context, PlanOutdated, Prepared, apply, make_ready
from storage.import_undo import take_back, undo_of
from telephony.clock import Clock

log = structlog.get_logger(__name__)
T = TypeVar("T")

#: Rows of one reading question of a trial.
_TRIED: Final = 500
#: After a batch the database and the processor are everybody else's for this share of the time it took.
_REST: Final = 0.1
_RETRIES: Final = 3
#: Seconds before a database that is away is asked again; twice as long each time, up to the other.
_WAIT: Final = 0.5
_LONGEST_WAIT: Final = 10.0


@dataclass(frozen=True, kw_only=True)
class House:
    """What imports take from the settings."""

    folder: Path
    zone: str
    country: str
    area_code: str
    #: Rule of customer numbers.
    rule: str
    limits: Limits


@dataclass(frozen=True, kw_only=True, slots=True)
class _Step:
    """A batch that is ready to be written, and what it was planned on."""

    rows: Sequence[Checked]
    #: The house's own fields as they were defined then.
    own: Own
    seen: Seen
    planned: list[Planned]
    #: None: nothing changes.
    ready: Prepared | None
    undo: list[Any]


class ImportWork:
    """Does imports, one step of one import at a time (`work`); whoever starts it owns it."""

    def __init__(self, database: Database, house: House, clock: Clock) -> None:
        self._database = database
        self._house = house
        self._clock = clock

    # -- files

    def _folder(self, job_id: str) -> Path:
        return self._house.folder / job_id

    async def keep_file(self, job_id: str, chunks: AsyncIterator[bytes]) -> int:
        """Store what arrives under a name of our own. Raises FileRefused file-too-large, file-empty; nothing stays."""
        folder = self._folder(job_id)
        await asyncio.to_thread(folder.mkdir, parents=True, mode=0o700)
        size = 0
        try:
            with (folder / "file").open("wb") as file:
                async for chunk in chunks:
                    size += len(chunk)
                    if size > self._house.limits.bytes:
                        megabytes = str(self._house.limits.bytes // 1024 // 1024)
                        raise FileRefused("file-too-large", megabytes=megabytes)
                    await asyncio.to_thread(file.write, chunk)
            if size == 0:
                raise FileRefused("file-empty")
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        return size

    def remove_files(self, job_id: str) -> None:
        """Remove everything of an import that lies in its folder."""
        shutil.rmtree(self._folder(job_id), ignore_errors=True)

    def rows_file(self, job_id: str) -> Path:
        """The rows as they were read. Raises ImportFilesGone."""
        path = self._folder(job_id) / "rows"
        if not path.exists():
            raise ImportFilesGone("The files of this import were removed. Bring the list again.")
        return path

    # -- steps

    async def work(self, job_id: str) -> ImportJob:
        """Do what the state of the import asks for; returns it when a person has to choose, or it has ended.

        The database's absence is waited for. Raises ImportNotFound.
        """
        while True:
            job = await self._store(lambda connection: import_jobs.get_job(connection, job_id))
            steps = {
                ImportState.READING: self._read,
                ImportState.CHECKING: self._check,
                ImportState.RUNNING: self._run,
                ImportState.TAKING_BACK: self._take_back,
            }
            step = steps.get(job.state)
            if step is None:
                return job
            try:
                await self._do(step, job)
            except ImportNotPossible as error:
                # The step was over, and the database's answer to that was lost: what comes next is as it stands there.
                log.info("an import is further", action="import_further", job=job.id, state=error.state)

    async def _do(self, step: Callable[[ImportJob], Awaitable[None]], job: ImportJob) -> None:
        try:
            await step(job)
        except FileRefused as error:
            await self._refuse(job, error)
        except (OSError, ImportFilesGone) as error:
            log.warning("an import failed", action="import_failed", job=job.id, why=str(error))
            await self._end(job, ImportState.FAILED, error_id="import-files-gone")

    async def _read(self, job: ImportJob) -> None:
        folder = self._folder(job.id)
        found = await read_file(
            folder / "file",
            name=job.file_name,
            sheet=str(job.found.get("wanted_sheet", "")),
            out=folder / "rows",
            limits=self._house.limits,
            progress=self._progress(job, keep=("done",)),
        )
        columns, fixed = await self._store(
            lambda connection: import_jobs.kept_columns(connection, job.kind, job.source)
        )
        defined = await self._patiently(self._database.read, list_fields)
        choice = suggested(job.kind, found, columns, fixed, own_of(job.kind, defined))
        choice = replace(choice, all_or_nothing=job.choice.all_or_nothing)
        await self._store(
            lambda connection: import_jobs.move(
                connection,
                job.id,
                ImportState.CHOOSING,
                out_of=[ImportState.READING],
                choice=choice,
                found=dict(found),
                total=found["rows"],
                done=0,
                stop_wanted=False,
            )
        )

    async def _check(self, job: ImportJob) -> None:
        """Check every row, then look what it would do: nothing is written but counts and faults."""
        folder = self._folder(job.id)
        checked = folder / "checked"
        counted = await check_rows(
            self.rows_file(job.id),
            kind=job.kind,
            columns=job.choice.columns,
            header_row=job.choice.header_row,
            skip_hidden=job.choice.skip_hidden,
            from_1904=bool(job.found.get("from_1904")),
            today=self._clock.now().astimezone(ZoneInfo(self._house.zone)).date(),
            country=self._house.country,
            area_code=self._house.area_code,
            out=checked,
            own=await self._patiently(self._database.read, partial(self._own, job=job)),
            limits=self._house.limits,
            progress=self._progress(job),
        )

        def begin(connection: Connection) -> None:
            import_jobs.forget_faults(connection, job.id)
            total = int(counted["rows"])
            import_jobs.note_progress(connection, job.id, Counts(), place=0, total=total, examples={})

        await self._store(begin)
        counts = Counts()
        examples: dict[str, list[Mapping[str, Any]]] = {}
        for batch in batches_of(checked, 0, _TRIED):
            planning = partial(self._plan, job=job, rows=batch.rows, new=map(str, counter()).__next__)
            _seen, planned = await self._patiently(self._database.read, planning)
            counts = counted_with(counts, planned)
            exemplify(examples, planned, batch.rows)
            if await self._store(partial(self._note_trial, job=job, planned=planned, counts=counts)):
                await self._stop_trial(job)
                return
        await self._store(
            lambda connection: import_jobs.move(
                connection,
                job.id,
                ImportState.CHECKED,
                out_of=[ImportState.CHECKING],
                examples=examples,
                stop_wanted=False,  # asked for too late: it must not stop what somebody begins after it
            )
        )

    async def _stop_trial(self, job: ImportJob) -> None:
        def work(connection: Connection) -> None:
            import_jobs.forget_faults(connection, job.id)
            back = ImportState.CHOOSING
            import_jobs.move(
                connection, job.id, back, out_of=[ImportState.CHECKING], stop_wanted=False, done=0
            )

        await self._store(work)

    def _note_trial(
        self, connection: Connection, job: ImportJob, planned: list[Planned], counts: Counts
    ) -> bool:
        import_jobs.add_faults(connection, job.id, faults_of(planned))
        return import_jobs.note_progress(connection, job.id, counts)

    def _plan(
        self,
        connection: Connection,
        *,
        job: ImportJob,
        rows: Sequence[Checked],
        new: Callable[[], str],
        own: Own | None = None,
    ) -> tuple[Seen, list[Planned]]:
        """What these rows would do, and what was read for it; `new` gives ids. Without `own`: as defined now."""
        if own is None:
            own = self._own(connection, job)
        seen = look(connection, job.kind, rows, job.source, own)
        planner = Planner(job.kind, known_of(seen, own), new, job.file_name, own)
        return seen, [planner.plan(row) for row in rows]

    async def _run(self, job: ImportJob) -> None:
        """Write batch after batch from where the last one ended; while one is written, the next is prepared."""
        path = self._checked(job)
        counts = job.counts
        loop = asyncio.get_running_loop()
        pace = Pace(one_writer=self._database.is_sqlite)
        batches = batches_of(path, job.place, pace.rows)
        batch = next(batches, None)
        step = await self._prepared(job, batch)
        while batch is not None and step is not None:
            began = loop.time()
            writing = partial(self._write, job=job, step=step, counts=counts, end=batch.end, pace=pace)
            following = next(batches, None)
            # What a batch before it brings would only be seen when it is written, and all of it planned anew.
            apart = following is not None and not speak_of_same(batch.rows, following.rows)
            ahead = asyncio.create_task(self._prepared(job, following if apart else None))
            try:
                stop, counts = await self._store(writing)
                if job.choice.all_or_nothing and (stop or counts.refused):
                    await self._move(job, ImportState.TAKING_BACK, ImportState.RUNNING)
                    return
                if stop:
                    await self._end(job, ImportState.STOPPED)
                    return
                batch, step = following, await ahead
            finally:
                ahead.cancel()
                await asyncio.gather(ahead, return_exceptions=True)
            if step is None:
                step = await self._prepared(job, batch)
            await asyncio.sleep((loop.time() - began) * _REST)
        await self._end(job, ImportState.DONE)

    async def _prepared(self, job: ImportJob, batch: Batch | None) -> _Step | None:
        """The batch as `_write` takes it, None for none."""
        if batch is None:
            return None
        return await self._patiently(self._database.read, partial(self._prepare, job=job, rows=batch.rows))

    def _prepare(self, connection: Connection, job: ImportJob, rows: Sequence[Checked]) -> _Step:
        """Everything of a batch but its writing, so that calls wait for nothing else."""
        ids = partial(new_id, self._clock.now())
        own = self._own(connection, job)  # once: somebody may change a definition meanwhile
        seen, planned = self._plan(connection, job=job, rows=rows, new=ids, own=own)
        writes = [write for one in planned for write in one.writes]
        ready = make_ready(connection.dialect, writes, self._context(job, own)) if writes else None
        undo = undo_of(writes) if job.choice.all_or_nothing else []
        return _Step(rows=rows, own=own, seen=seen, planned=planned, ready=ready, undo=undo)

    def _write(
        self, connection: Connection, *, job: ImportJob, step: _Step, counts: Counts, end: int, pace: Pace
    ) -> tuple[bool, Counts]:
        """The batch as it was prepared, or anew where somebody changed what it was planned on meanwhile."""
        began = perf_counter()
        place, written, stop = import_jobs.lock_progress(connection, job.id)
        if place >= end:
            return stop, written  # the answer to its end was lost
        own = self._own(connection, job)
        if step.own != own or not step.seen.same_as(look(connection, job.kind, step.rows, job.source, own)):
            step = self._prepare(connection, job, step.rows)
        counts = counted_with(counts, step.planned)
        if step.ready is not None:
            apply(connection, step.ready)
        if step.undo:
            import_jobs.keep_undo(connection, job.id, counts.done, step.undo)
        import_jobs.add_faults(connection, job.id, faults_of(step.planned))
        stop = import_jobs.note_progress(connection, job.id, counts, place=end)
        pace.note(len(step.rows), perf_counter() - began)
        return stop, counts

    async def people(self, job: ImportJob, after: int = 0) -> AsyncIterator[tuple[list[str], int]]:
        """Ids of the customers its rows speak of from a place in its file on, as far as it got; a share at a time
        with the place behind it. Raises ImportFilesGone.
        """
        path = self._checked(job)
        for rows, end in batches_of(path, after, _TRIED, until=job.place):
            # The house's own fields name nobody, and may be defined otherwise by now.
            plain = [replace(row, values=without_own(row.values)) for row in rows]
            new = map(str, counter()).__next__
            planning = partial(self._plan, job=job, rows=plain, new=new, own=NO_OWN)
            seen, planned = await self._patiently(self._database.read, planning)
            known = {row[0] for row in seen.customers}
            yield list(dict.fromkeys(one.customer_id for one in planned if one.customer_id in known)), end

    def check_files(self, job: ImportJob) -> None:
        """Raises ImportFilesGone where its rows were removed."""
        self._checked(job)

    def _checked(self, job: ImportJob) -> Path:
        path = self._folder(job.id) / "checked"
        if not path.exists():
            raise ImportFilesGone("The files of this import were removed. Bring the list again.")
        return path

    @staticmethod
    def _own(connection: Connection, job: ImportJob) -> Own:
        """The house's own fields that the list fills, as they are defined now."""
        if not any(map(is_own, (*job.choice.columns.of, *job.choice.columns.fixed))):
            return NO_OWN
        return chosen_own(job.choice.columns, list_fields(connection))

    def _context(self, job: ImportJob, own: Own) -> Context:
        zone = ZoneInfo(self._house.zone)
        return Context(
            now=self._clock.now(),
            by=Author(name=job.by_name, id=job.by_id),
            rule=self._house.rule,
            source=job.source,
            why=f"import {job.source}: {job.file_name}",
            moment_of=lambda day: datetime.combine(day, time(), zone),
            own=own,
        )

    async def _take_back(self, job: ImportJob) -> None:
        """All or nothing, and not all was possible: nothing."""

        def undo(connection: Connection) -> bool:
            last = import_jobs.last_undo(connection, job.id)
            if last is None:
                return False
            take_back(connection, last[1], self._context(job, self._own(connection, job)))
            import_jobs.forget_undo(connection, job.id, last[0])
            return True

        left = True
        while left:
            left = await self._store(undo)
        await self._end(job, ImportState.UNDONE)

    # -- ends

    async def _move(self, job: ImportJob, to: ImportState, out_of: ImportState) -> None:
        await self._store(lambda connection: import_jobs.move(connection, job.id, to, out_of=[out_of]))

    async def _refuse(self, job: ImportJob, error: FileRefused) -> None:
        """The file, or its columns, cannot be worked with: the person is told why."""
        reading = job.state is ImportState.READING
        to = ImportState.REFUSED if reading else ImportState.CHOOSING
        ended = self._clock.now() if reading else None
        await self._store(
            lambda connection: import_jobs.move(
                connection,
                job.id,
                to,
                out_of=[job.state],
                error_id=error.error_id,
                error_values=dict(error.values),
                ended_at=ended,
            )
        )
        if reading:
            await asyncio.to_thread(self.remove_files, job.id)

    async def _end(self, job: ImportJob, to: ImportState, *, error_id: str = "") -> None:
        now = self._clock.now()

        def work(connection: Connection) -> ImportJob:
            import_jobs.move(
                connection,
                job.id,
                to,
                out_of=[job.state, ImportState.TAKING_BACK],
                ended_at=now,
                error_id=error_id,
            )
            import_jobs.forget_undo(connection, job.id)
            ended = import_jobs.get_job(connection, job.id)
            audit.append(connection, _entry(ended, now))
            return ended

        ended = await self._store(work)
        log.info(
            "an import ended",
            action="import_ended",
            job=job.id,
            state=to.value,
            added=ended.counts.added,
            changed=ended.counts.changed,
            refused=ended.counts.refused,
        )

    async def give_up(self, job_id: str) -> None:
        """The import has met a fault of ours: what is in is in, and the page says so."""
        job = await self._store(lambda connection: import_jobs.get_job(connection, job_id))
        if job.state in WORKING:
            await self._end(job, ImportState.FAILED, error_id="import-fell-over")

    # -- the database

    async def _store(self, work: Callable[[Connection], T]) -> T:
        """One writing transaction; a database that is away is waited for, one that was raced is asked again."""
        return await self._patiently(self._database.write, work)

    async def _patiently(
        self, do: Callable[[Callable[[Connection], T]], Awaitable[T]], work: Callable[[Connection], T]
    ) -> T:
        wait, raced = _WAIT, 0
        while True:
            try:
                return await do(work)
            except StorageUnavailable:
                await asyncio.sleep(wait)
                wait = min(wait * 2, _LONGEST_WAIT)
            except (IntegrityError, PlanOutdated):
                raced += 1  # somebody added the same vehicle or number, or changed one, in this moment
                if raced > _RETRIES:
                    raise

    def _progress(self, job: ImportJob, keep: tuple[str, ...] = ()) -> Callable[[int], Any]:
        """Writes at most once a second how many rows the child has done."""
        told = 0.0

        async def tell(done: int) -> None:
            nonlocal told
            now = asyncio.get_running_loop().time()
            if now - told < 1.0:
                return
            told = now
            await self._store(
                lambda connection: import_jobs.note_progress(connection, job.id, Counts(done=done))
            )

        return tell


def _entry(job: ImportJob, now: datetime) -> Entry:
    return Entry(
        id=new_id(now),
        at=now,
        action=Action.IMPORT_ENDED,
        actor_name=job.by_name,
        actor_id=job.by_id,
        via=job.worker.split()[0],
        subject=f"import:{job.id}",
        data={
            "kind": job.kind.value,
            "source": job.source,
            "state": job.state.value,
            "rows": job.counts.done,
            "added": job.counts.added,
            "changed": job.counts.changed,
            "refused": job.counts.refused,
        },
    )


def command_worker() -> str:
    """Who works on the imports of this process's command."""
    return f"command {os.getpid()}"
