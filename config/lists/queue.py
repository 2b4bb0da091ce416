"""The service's imports in their turn."""

from __future__ import annotations

import asyncio
from typing import Final

import structlog

from config.lists.imports import ImportWork
from storage import import_jobs
from storage.database import Database, StorageUnavailable

log = structlog.get_logger(__name__)

#: Longest wait between two looks for a database that is away.
_LONGEST_WAIT: Final = 10.0


class ImportQueue:
    """The service's imports, one after the other, gone on with after a restart."""

    def __init__(self, work: ImportWork, database: Database) -> None:
        self._work = work
        self._database = database
        self._wanted: asyncio.Queue[str] = asyncio.Queue()

    def ask(self, job_id: str) -> None:
        """Work on this import when it is its turn."""
        self._wanted.put_nowait(job_id)

    async def run(self) -> None:
        """Work until cancelled, first on what a stop or a crash left."""
        for job_id in await self._left():
            self.ask(job_id)
        while True:
            job_id = await self._wanted.get()
            try:
                await self._work.work(job_id)
            except Exception:  # an import that falls over must not take the next one with it
                log.exception("an import failed", action="import_failed", job=job_id)
                await self._give_up(job_id)

    async def _left(self) -> list[str]:
        """What was not finished; a database that is away is waited for."""
        wait = 0.5
        while True:
            try:
                return await self._database.read(
                    lambda connection: import_jobs.unfinished_jobs(connection, "service")
                )
            except StorageUnavailable as error:
                log.warning("imports not looked for yet", action="imports_delayed", why=str(error))
            await asyncio.sleep(wait)
            wait = min(wait * 2, _LONGEST_WAIT)

    async def _give_up(self, job_id: str) -> None:
        try:
            await self._work.give_up(job_id)
        except Exception:  # it is taken up again after a restart; the queue goes on
            log.exception("an import could not be given up", action="import_failed", job=job_id)
