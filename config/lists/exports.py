"""Exports at work: rows are read page by page as the person may see them, a child writes the file."""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
import sys
from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, Final, TypeVar

import structlog
from sqlalchemy import Connection

from access.audit import Action, Entry
from access.ids import new_id
from access.users import Principal
from crm.exports.jobs import COLUMNS, ExportJob, ExportState
from storage import audit, exports
from storage.database import Database, StorageUnavailable
from storage.exports import Word
from telephony.clock import Clock

log = structlog.get_logger(__name__)
T = TypeVar("T")

#: A word in a language: ("zh-CN", "imports.value.owner") to 车主; None: there is none.
Say = Callable[[str, str], str | None]
_SECONDS: Final = 600
#: Seconds before a database that is away is asked again; twice as long each time, up to the other.
_WAIT: Final = 0.5
_LONGEST_WAIT: Final = 10.0


class ExportFailed(Exception):
    """The file could not be made; nothing of it is left."""

    error_id = "export-failed"


class ExportWork:
    """Makes files of lists."""

    def __init__(
        self, database: Database, *, folder: Path, zone: str, most_rows: int, say: Say, clock: Clock
    ) -> None:
        self._database = database
        self._folder = folder
        self._zone = zone
        self._most_rows = most_rows
        self._say = say
        self._clock = clock
        #: What this process makes: nothing that a crash left.
        self._ours: set[str] = set()

    def file_of(self, job: ExportJob) -> Path:
        """Where the export's file lies, under a name of our own."""
        return self._folder / f"{job.id}.{job.format.value}"

    async def begin(self, job: ExportJob, allow: Callable[[Connection], None] | None = None) -> None:
        """Write down that it is asked for, unless `allow` raises; `make` comes next."""

        def work(connection: Connection) -> None:
            if allow is not None:
                allow(connection)
            exports.insert_export(connection, job)

        self._ours.add(job.id)
        try:
            await self._database.write(work)
        except BaseException:
            self._ours.discard(job.id)
            raise

    async def taken(self, job: ExportJob) -> None:
        """Its file is somewhere else now."""
        now = self._clock.now()
        await self._database.write(
            lambda connection: exports.change_export(connection, job.id, ExportState.REMOVED, removed_at=now)
        )

    async def make(self, job: ExportJob, viewer: Principal) -> ExportJob:
        """Make the file and write down what left: the audit row is committed before anybody can fetch it.

        Raises ExportFailed; then the row says so.
        """
        try:
            return await self._make(job, viewer)
        finally:
            self._ours.discard(job.id)

    async def _make(self, job: ExportJob, viewer: Principal) -> ExportJob:
        path = self.file_of(job)
        await asyncio.to_thread(self._folder.mkdir, parents=True, exist_ok=True, mode=0o700)
        part = path.with_suffix(".part")
        try:
            rows, cut = await self._write(job, viewer, part)
            size = (await asyncio.to_thread(part.stat)).st_size
            await asyncio.to_thread(part.chmod, 0o600)
            await asyncio.to_thread(part.rename, path)
        except (ExportFailed, OSError, TimeoutError, StorageUnavailable) as error:
            part.unlink(missing_ok=True)
            log.warning("an export failed", action="export_failed", job=job.id, why=str(error))
            await self._end(job.id, ExportState.FAILED, error="export-failed")
            raise ExportFailed("The file could not be made. Nothing was kept; try again.") from error
        now = self._clock.now()
        data: dict[str, str | int | bool | None] = {
            "kind": job.kind.value, "format": job.format.value, "rows": rows, "cut": cut
        }  # fmt: skip

        def work(connection: Connection) -> ExportJob:
            stands = exports.get_export(connection, job.id, job.owner, lock=True)
            if stands.state in (ExportState.READY, ExportState.REMOVED):
                return stands  # the answer to this was lost; or it held a person who was erased meanwhile
            exports.change_export(
                connection, job.id, ExportState.READY, rows=rows, bytes=size, cut=cut, ended_at=now
            )
            audit.append(
                connection,
                Entry(
                    id=new_id(now),
                    at=now,
                    action=Action.EXPORTED,
                    actor_name=job.by_name,
                    actor_id=job.by_id,
                    via=viewer.via,
                    subject=f"export:{job.id}",
                    data=data,
                ),
            )
            return exports.get_export(connection, job.id, job.owner)

        try:
            ended = await self._patiently(work, _SECONDS)
        except StorageUnavailable as error:
            path.unlink(missing_ok=True)
            raise ExportFailed("The file could not be made. Nothing was kept; try again.") from error
        if ended.state is ExportState.REMOVED:
            path.unlink(missing_ok=True)
            raise ExportFailed("Somebody in the file was erased meanwhile. Nothing was kept; try again.")
        return ended

    async def _patiently(self, work: Callable[[Connection], T], seconds: float | None = None) -> T:
        """One writing transaction; a database that is away is waited for. Raises StorageUnavailable after `seconds`."""
        loop = asyncio.get_running_loop()
        began, wait = loop.time(), _WAIT
        while True:
            try:
                return await self._database.write(work)
            except StorageUnavailable:
                if seconds is not None and loop.time() - began > seconds:
                    raise
            await asyncio.sleep(wait)
            wait = min(wait * 2, _LONGEST_WAIT)

    async def _end(self, job_id: str, state: ExportState, **values: Any) -> None:
        now = self._clock.now()
        with contextlib.suppress(StorageUnavailable):
            await self._patiently(
                lambda connection: exports.change_export(connection, job_id, state, ended_at=now, **values),
                _SECONDS,
            )

    async def _write(self, job: ExportJob, viewer: Principal, path: Path) -> tuple[int, bool]:
        language = job.wanted.get("language", "zh-CN")
        columns = COLUMNS[job.kind]
        order = {
            "path": str(path),
            "format": job.format.value,
            "headers": [self._say(language, f"imports.field.{name}") or name for name, _kind in columns],
            "kinds": [kind.value for _name, kind in columns],
            "zone": self._zone,
        }
        child = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "crm.exports.child"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
        assert child.stdin is not None
        assert child.stdout is not None
        try:
            async with asyncio.timeout(_SECONDS):
                child.stdin.write(json.dumps(order, ensure_ascii=True).encode() + b"\n")
                cut = await self._rows(job, viewer, language, child.stdin)
                child.stdin.close()
                told = await child.stdout.read()
                await child.wait()
        except (BrokenPipeError, ConnectionResetError) as error:
            raise ExportFailed("the writing process ended") from error
        finally:
            if child.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    child.kill()
                await child.wait()
        if child.returncode != 0:
            raise ExportFailed("the writing process failed")
        return int(json.loads(told)["rows"]), cut

    async def _rows(
        self, job: ExportJob, viewer: Principal, language: str, sink: asyncio.StreamWriter
    ) -> bool:
        """Give the child every row, page by page; whether there would have been more."""
        after: Any = None
        count = 0
        words: dict[str, str] = {}

        def plain(value: Any) -> Any:
            if isinstance(value, Word):
                if value.key not in words:
                    words[value.key] = self._say(language, f"imports.value.{value.key}") or value.key
                return words[value.key]
            return value.isoformat() if isinstance(value, date | datetime) else value

        while True:
            page = await self._database.read(
                lambda connection, after=after: exports.read_page(  # type: ignore[misc]
                    connection, viewer, job.kind, job.wanted, after, self._clock.now()
                )
            )
            for row in page.rows[: self._most_rows - count]:
                # ASCII, so that half a letter (a lone surrogate) crosses the pipe, too.
                sink.write(json.dumps([plain(value) for value in row]).encode() + b"\n")
            count += len(page.rows)
            await sink.drain()
            if count >= self._most_rows:
                return count > self._most_rows or page.after is not None
            if page.after is None:
                return False
            after = page.after

    async def remove_old(self, kept: timedelta) -> None:
        """Remove files that are older than this; and what a crash left half made is said to have failed."""
        now = self._clock.now()

        def work(connection: Connection) -> Sequence[str]:
            old = exports.exports_to_remove(connection, now - kept)
            for job_id in old:
                exports.change_export(connection, job_id, ExportState.REMOVED, removed_at=now)
            return old

        for job_id in await self._database.write(work):
            for path in self._folder.glob(f"{job_id}.*"):
                await asyncio.to_thread(path.unlink, missing_ok=True)

    async def forget_unfinished(self) -> None:
        """At the start: what was being made when the service ended has failed. The database's absence is waited for."""

        def work(connection: Connection) -> None:
            for job_id in set(exports.in_the_making(connection)) - self._ours:
                exports.change_export(
                    connection, job_id, ExportState.FAILED, ended_at=self._clock.now(), error="export-failed"
                )

        await self._patiently(work)
        for path in self._folder.glob("*.part"):
            if path.stem not in self._ours:
                path.unlink(missing_ok=True)


async def export_to(work: ExportWork, job: ExportJob, viewer: Principal, target: Path) -> ExportJob:
    """For the command line: make an export and move its file to `target`. Raises ExportFailed, OSError."""
    await work.begin(job)
    done = await work.make(job, viewer)
    await asyncio.to_thread(shutil.move, str(work.file_of(done)), str(target))
    await work.taken(done)
    return done
