"""What rates all customers again while the service runs: after other rules, at night, or when somebody asks."""

from __future__ import annotations

import asyncio
from datetime import date
from functools import partial
from zoneinfo import ZoneInfo

import structlog

from crm.records.rating import RatingState
from storage import class_rating
from storage.database import Database, StorageUnavailable
from telephony.clock import Clock

log = structlog.get_logger(__name__)

#: Shares of a tick; with the breath between two of them a tick is over before the next one.
_SHARES = 20
#: Between two shares, seconds: calls write in between.
_BREATH = 0.05


class ClassTicks:
    """Works at the run that goes on, share by share. It keeps nothing itself: after a restart the run goes on."""

    def __init__(self, database: Database, clock: Clock, zone: str) -> None:
        self._database = database
        self._clock = clock
        self._zone = ZoneInfo(zone)

    async def look(self, *, shares: int = _SHARES) -> None:
        """The next shares of the run, where one goes on."""
        try:
            for _ in range(shares):
                today = self._today()
                share = await self._database.read(partial(class_rating.look, today=today))
                if share is None:
                    return
                kept = await self._database.write(
                    partial(class_rating.keep, share=share, today=today, now=self._clock.now())
                )
                if kept is not None and kept.state is RatingState.DONE:
                    log.info(
                        "customers rated again",
                        action="classes_rated",
                        why=kept.why.value,
                        looked=kept.looked,
                        moved=kept.moved,
                        kept=kept.kept,
                    )
                    return
                await asyncio.sleep(_BREATH)
        except StorageUnavailable as error:
            log.warning("customers not rated now", action="rating_delayed", why=str(error))

    async def begin_night(self) -> None:
        """The nightly run; a run that goes on takes its place."""
        try:
            now = self._clock.now()
            await self._database.write(partial(class_rating.begin_night, now=now))
        except StorageUnavailable as error:
            log.warning("customers not rated tonight", action="rating_delayed", why=str(error))

    def _today(self) -> date:
        return self._clock.now().astimezone(self._zone).date()
