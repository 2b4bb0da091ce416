"""What the clock does with appointments: calls to make, arrivals, no-shows, credit, and the list at 16:00."""

from __future__ import annotations

from functools import partial

import structlog

from crm.appointments.options import AppointmentOptions
from storage import appointment_days
from storage.database import Database, StorageUnavailable
from telephony.clock import Clock
from telephony.hours import WorkingTime

log = structlog.get_logger(__name__)


class AppointmentTicks:
    """Looks once a minute. It keeps nothing itself: what a missed tick left is done by the next one."""

    def __init__(
        self, database: Database, clock: Clock, hours: WorkingTime, options: AppointmentOptions
    ) -> None:
        self._database = database
        self._clock = clock
        self._hours = hours
        self._options = options
        #: The visit whose share was credited last; "": begin with the oldest.
        self._credited = ""

    async def look(self) -> None:
        """Everything that is due."""
        now, hours, options = self._clock.now(), self._hours, self._options
        try:
            # Arrivals come first: who came has not missed it.
            for work in (
                partial(appointment_days.note_arrivals, now=now, hours=hours, options=options),
                partial(appointment_days.note_missed, now=now, hours=hours, options=options),
                partial(appointment_days.finish_arrived, now=now, hours=hours, options=options),
                partial(appointment_days.call_about, now=now, hours=hours),
            ):
                await self._database.write(work)
            self._credited = (
                await self._database.write(
                    partial(
                        appointment_days.give_credit,
                        now=now,
                        hours=hours,
                        options=options,
                        after=self._credited,
                    )
                )
            ).after
            if appointment_days.is_list_due(now, hours, options):
                made = await self._database.write(partial(appointment_days.make_list, now=now, hours=hours))
                if made is not None:
                    log.info(
                        "list of the next days made", action="appointments_listed", day=str(made.made_on)
                    )
        except StorageUnavailable as error:
            log.warning("appointments not looked at now", action="appointments_delayed", why=str(error))
