"""Groups made of a list's people, filled to the end whatever comes between."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import Final

import structlog
from sqlalchemy import Connection

from config.lists.imports import ImportWork
from crm.groups.groups import Group
from crm.imports.jobs import ImportFilesGone
from storage import group_filling, groups, import_jobs, users
from storage.database import Database, StorageUnavailable
from telephony.clock import Clock

log = structlog.get_logger(__name__)

#: Seconds between two looks for a group that was left half filled.
_EVERY: Final = 10.0


class GroupFiller:
    """Puts an import's people into their group; what a stop or a database that was away left is gone on with."""

    def __init__(self, database: Database, work: ImportWork) -> None:
        self._database = database
        self._work = work
        self._one = asyncio.Lock()

    async def run(self, clock: Clock) -> None:
        """Look for what was left until cancelled."""
        while True:
            await self.look(clock.now())
            await asyncio.sleep(_EVERY)

    async def look(self, now: datetime) -> None:
        """Go on with every group that was left half filled."""
        try:
            for group in await self._database.read(group_filling.unfinished):
                try:
                    await self.fill(group.id, now)
                except ImportFilesGone:
                    log.warning("the rest of a group cannot be put in", action="group_left", group=group.id)
                    await self._put(group, [], None, now)
                except StorageUnavailable:
                    raise
                except Exception:  # one group's trouble stops no other's
                    log.exception("a group cannot be filled for now", action="group_stuck", group=group.id)
        except StorageUnavailable as error:
            log.warning("groups not filled for now", action="groups_delayed", why=str(error))

    async def fill(self, group_id: str, now: datetime) -> Group:
        """Put in whoever is not yet. Raises StorageUnavailable and ImportFilesGone; what is in stays."""
        async with self._one:
            group = await self._get(group_id)
            if group.filling_place is None:
                return group
            wanted = partial(import_jobs.get_job, job_id=str(group.made_of_import))
            people = self._work.people(await self._database.read(wanted), after=group.filling_place)
            async for ids, end in people:
                went_on = await self._put(group, ids, end, now)
                if went_on is None:
                    return await self._get(group_id)
                group = went_on
            await self._put(group, [], None, now)
            return await self._get(group_id)

    async def _get(self, group_id: str) -> Group:
        return await self._database.read(partial(groups.get_group, group_id=group_id))

    async def _put(self, group: Group, ids: Sequence[str], end: int | None, now: datetime) -> Group | None:
        def work(connection: Connection) -> Group | None:
            by = users.user_names(connection).get(group.created_by or "", "")
            return group_filling.put_share(connection, group, ids, end, by=by, now=now)

        return await self._database.write(work)
