"""The sample dealership's appointments are booked on both databases, once; what lies behind is over."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from fixtures_storage import FrozenClock
from sqlalchemy import select

from access.permissions import Role
from access.users import User
from storage import appointment_samples, samples, users
from storage.database import Database
from storage.tables.appointments import appointments
from telephony.hours import CalendarOptions, WorkingTime

HOURS = WorkingTime.from_options(CalendarOptions())
ZONE = ZoneInfo("Asia/Shanghai")


@pytest.mark.parametrize(
    "now",
    [
        datetime(2026, 6, 17, 11, 20, tzinfo=ZONE),  # a Wednesday
        datetime(2026, 10, 4, 3, 0, tzinfo=ZONE),  # the middle of the National Day holiday, at night
    ],
)
def test_the_samples_appointments_are_booked_once(
    database: Database, clock: FrozenClock, now: datetime
) -> None:
    clock.set(now)
    user = User(
        id="01ARZ3NDEKTSV4RRFFQ69G5FAV",
        login="agent1",
        name="李娜",
        role=Role.AGENT,
        language="zh-CN",
        theme="auto",
        created_at=now,
    )
    database.write_now(lambda c: users.insert_user(c, user, password_hash="x"))
    database.write_now(lambda c: samples.load(c, now))
    made = database.write_now(lambda c: appointment_samples.load_booked(c, now, HOURS))
    assert made >= 12
    assert database.write_now(lambda c: appointment_samples.load_booked(c, now, HOURS)) == 0
    found = database.read_now(
        lambda c: c.execute(select(appointments.c.state, appointments.c.starts_at)).all()
    )
    assert len(found) == made
    states = Counter(state for state, starts_at in found if starts_at < now)
    assert states["missed"] == 2
    assert states["done"] >= 4
    assert {state for state, starts_at in found if starts_at > now} == {"booked"}
