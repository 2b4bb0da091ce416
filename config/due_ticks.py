"""What makes the day's contacts, and keeps them true between the days. All of it is rows that can be done again."""

from __future__ import annotations

from functools import partial

import structlog

from storage import contacts, due, maintenance
from storage.database import Database, StorageUnavailable
from telephony.clock import Clock
from telephony.hours import WorkingTime

log = structlog.get_logger(__name__)

#: Shares of one tick: whatever is left comes with the next.
_SHARES = 50
#: Shares of a day; far more than a million vehicles need.
_MOST = 10_000


class DueTicks:
    """Generates once a day, at its time or as soon as the service runs after it."""

    def __init__(self, database: Database, clock: Clock, hours: WorkingTime) -> None:
        self._database = database
        self._clock = clock
        self._hours = hours

    async def look(self) -> None:
        """Marks, the day, holds and expiries; each in short transactions."""
        try:
            await self._settle()
            await self._generate()
            await self._keep()
        except StorageUnavailable as error:
            log.warning("contacts not looked at now", action="contacts_delayed", why=str(error))

    async def _settle(self) -> None:
        for _ in range(_SHARES):
            now = self._clock.now()
            today = self._hours.date_of(now)
            if await self._database.read(partial(maintenance.waits_until, today=today)):
                await self._database.write(partial(maintenance.begin_waiting, today=today, now=now))
            if not await self._database.read(partial(maintenance.anything_to_reckon, now=now)):
                return
            await self._database.write(partial(maintenance.gather, now=now))
            while await self._database.write(partial(due.settle, now=now, hours=self._hours)):
                pass

    async def _generate(self) -> None:
        now = self._clock.now()
        if not await self._database.read(partial(due.is_due, now=now, hours=self._hours)):
            return
        for _ in range(_MOST):
            now = self._clock.now()
            if not await self._database.write(partial(due.run_share, now=now, hours=self._hours)):
                break
        log.info("the day's contacts are made", action="contacts_generated")

    async def _keep(self) -> None:
        for step in (contacts.hold_and_release, contacts.expire):
            for _ in range(_SHARES):
                now = self._clock.now()
                if not await self._database.write(partial(step, now=now)):
                    break
