"""What closes surveys that were begun and left lying, so that a dissatisfied answer in one of them is not lost."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import Final

import structlog

from crm.surveys.questionnaires import Channel
from crm.surveys.responses import SurveyError
from storage import responses
from storage.database import Database, StorageUnavailable
from telephony.clock import Clock
from telephony.hours import WorkingTime

log = structlog.get_logger(__name__)

#: How long nobody touched a response until it counts as broken off. It can be taken up again afterwards.
#: One begun by a link that still lives waits for the customer, unless its answers open a case.
IDLE: Final = {
    Channel.AGENT: timedelta(hours=2),
    Channel.KEYPAD: timedelta(minutes=15),
    Channel.WEB: timedelta(hours=2),
}


class SurveyTicks:
    """Breaks off what lies; it keeps nothing itself, so after a restart it goes on."""

    def __init__(self, database: Database, clock: Clock, hours: WorkingTime) -> None:
        self._database = database
        self._clock = clock
        self._hours = hours

    async def look(self) -> None:
        """Break off everything that lies too long."""
        now = self._clock.now()
        before = {channel: now - idle for channel, idle in IDLE.items()}
        try:
            found = await self._database.read(partial(responses.idle, before=before, now=now))
            for response_id, channel in found:
                try:
                    await self._database.write(
                        partial(
                            responses.break_off,
                            response_id=response_id,
                            why="",
                            channel=channel,
                            by=None,
                            now=now,
                            hours=self._hours,
                        )
                    )
                except SurveyError as error:  # somebody ended it meanwhile
                    log.info("survey not broken off", action="survey_idle", why=error.error_id)
            if found:
                log.info("surveys broken off", action="survey_idle", count=len(found))
        except StorageUnavailable as error:
            log.warning("surveys not looked at now", action="survey_idle", why=str(error))
