"""The sample dealership has plans, vehicles that come due and reminders that came to something, on both databases."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import Connection

from access.permissions import Role
from access.users import Principal, Via
from storage import due_weeks, invitations, maintenance, maintenance_samples, samples
from storage.database import Database
from telephony.clock import Clock
from telephony.hours import WorkingTime
from telephony.options import CalendarOptions

HOURS = WorkingTime.from_options(CalendarOptions())
BY = Principal(user_id=None, name="chen", role=Role.SUPERVISOR, via=Via.COMMAND)


def test_the_sample_shows_plans_weeks_and_rates(database: Database, clock: Clock) -> None:
    now = clock.now()

    def work(connection: Connection) -> None:
        samples.load(connection, now)
        assert maintenance_samples.load(connection, now, HOURS)
        assert not maintenance_samples.load(connection, now, HOURS)
        assert len(maintenance.plans(connection)) == 3
        later = now + timedelta(minutes=10)
        while maintenance.gather(connection, later):
            while ids := maintenance.take_marks(connection, 500):
                maintenance.reckon(connection, ids, later)
        today = HOURS.date_of(now)
        assert sum(one.periodic > 0 for one in due_weeks.weeks(connection, today)) >= 3
        found = invitations.by_kind(connection, BY, today - timedelta(days=250), today, HOURS, now)
        assert sum(one.counts[invitations.Outcome.CAME] for one in found) >= 5

    database.write_now(work)
