"""What reports do by themselves: work reports drafted, the maker's file made, regular reports drafted.

Nothing is remembered here. Each thing has an occasion of its own (a person's day, an evening, a schedule's period), so
that a tick after a restart, a second one, or one whose COMMIT lost its answer does what is still to be done, once.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import structlog

from access.audit import Action, Entry
from access.ids import new_id
from config.books.reports import ReportBook
from crm.reports.options import ReportOptions
from storage import maker_visits
from storage.database import Database, StorageUnavailable
from telephony.clock import Clock
from telephony.hours import WorkingTime

log = structlog.get_logger(__name__)


class ReportTicks:
    """Looks every minute what is due."""

    def __init__(
        self, database: Database, book: ReportBook, options: ReportOptions, hours: WorkingTime, clock: Clock
    ) -> None:
        self._database = database
        self._book = book
        self._options = options
        self._hours = hours
        self._clock = clock
        #: Occasions that are done with, so that a minute costs nothing; lost at a restart, and harmless.
        self._done: set[str] = set()

    async def look(self) -> None:
        """Do what is due and not done."""
        now = self._clock.now()
        day = self._book.today(now)
        try:
            if self._hours.is_working_day(day) and self._is_due(
                now, self._options.work_report_at, f"work:{day}"
            ):
                drafted = await self._book.draft_work(day, now)
                self._done.add(f"work:{day}")
                log.info("work reports drafted", action="work_reports_drafted", count=drafted)
            # An evening that was missed is made up for: the file holds what is not in an earlier one.
            evening = day if self._is_due(now, self._options.maker_export_at, "") else day - timedelta(days=1)
            occasion = f"evening:{evening.isoformat()}"
            if occasion not in self._done:
                made = await self._book.make_maker_file(None, occasion, self._entry(now))
                self._done.add(occasion)
                log.info(
                    "maker's file made", action="maker_file", rows=made["rows"], left_out=made["left_out"]
                )
            if self._is_due(now, self._options.schedule_at, f"schedule:{day}"):
                new = await self._book.draft_scheduled(now)
                self._done.add(f"schedule:{day}")
                log.info("regular reports drafted", action="reports_drafted", count=new)
        except StorageUnavailable as error:
            log.warning("reports not looked at now", action="reports_delayed", why=str(error))
        self._done = {one for one in self._done if one.rpartition(":")[2] >= str(day - timedelta(days=2))}

    async def clear(self) -> None:
        """Files past their time go; what they were stays written down."""
        now = self._clock.now()
        before = now - timedelta(days=self._options.maker_keep_days)
        try:
            while await self._database.write(lambda c: maker_visits.remove_old(c, before, now)):
                continue
        except StorageUnavailable as error:
            log.warning("maker's files go tomorrow", action="reports_delayed", why=str(error))

    def _is_due(self, now: datetime, at: str, occasion: str) -> bool:
        hour, minute = (int(part) for part in at.split(":"))
        begins, _ends = self._book.bounds(self._book.today(now), self._book.today(now))
        return occasion not in self._done and now >= begins.replace(hour=hour, minute=minute)

    def _entry(self, now: datetime) -> Entry:
        return Entry(
            id=new_id(now), at=now, action=Action.MAKER_STEPPED, actor_name="Careline", data={"step": "file"}
        )
