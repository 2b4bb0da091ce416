"""Workshops, times and appointments of the sample dealership. What is there already stays as it is."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Final

from sqlalchemy import Connection, func, select

from access.permissions import Role
from access.users import Principal, Via
from crm.appointments.appointments import (
    AppointmentError,
    AppointmentState,
    NewAppointment,
    Source,
    Step,
    Work,
)
from crm.appointments.options import AppointmentOptions
from crm.appointments.slots import Lane
from storage import appointments, slots
from storage.tables.access import users
from storage.tables.appointments import appointments as rows
from storage.tables.records import customers, vehicle_people
from telephony.hours import WorkingTime

_SHOP = frozenset({Work.MAINTENANCE, Work.REPAIR, Work.OTHER})
#: Name, advisor, work, cell minutes, capacity.
_LANES = (
    ("王芳", "王芳", _SHOP, 30, 2),
    ("刘强", "刘强", _SHOP, 30, 2),
    ("钣喷接待", "赵磊", frozenset({Work.BODYWORK}), 60, 2),
    ("试驾车", "", frozenset({Work.TEST_DRIVE}), 60, 2),
    ("交车区", "", frozenset({Work.DELIVERY}), 120, 1),
)


def load(connection: Connection, now: datetime) -> bool:
    """A workshop with its advisors, the demonstration cars and the place of delivery; whether they are new."""
    if slots.all_workshops(connection):
        return False
    shop = slots.save_workshop(
        connection,
        workshop_id=None,
        name="服务中心",
        address="光华路 1 号 服务中心入口",
        active=True,
        version=None,
        now=now,
    )
    for name, advisor, works, minutes, capacity in _LANES:
        slots.save_lane(
            connection,
            Lane(
                id="",
                workshop_id=shop.id,
                name=name,
                advisor=advisor,
                works=works,
                weekdays=frozenset(range(6)),
                opens=540,
                closes=1020,
                pause_from=720,
                pause_until=780,
                cell_minutes=minutes,
                capacity=capacity,
            ),
            now=now,
            new=True,
        )
    return True


#: Working day before or after today, time of day, work, what the customer says.
_BOOKED: Final = (
    (-2, (9, 0), Work.MAINTENANCE, "首次保养"),
    (-2, (10, 30), Work.REPAIR, "空调有异味"),
    (-2, (14, 0), Work.MAINTENANCE, "两万公里保养"),
    (-1, (9, 30), Work.MAINTENANCE, "机油机滤，顺便检查刹车片"),
    (-1, (13, 0), Work.BODYWORK, "右前门划痕"),
    (-1, (15, 0), Work.REPAIR, "怠速抖动"),
    (0, (9, 0), Work.MAINTENANCE, "三万公里保养"),
    (0, (10, 0), Work.TEST_DRIVE, "想试驾 E6"),
    (0, (11, 0), Work.REPAIR, "倒车影像时有时无"),
    (0, (14, 0), Work.MAINTENANCE, "首次保养"),
    (0, (14, 0), Work.MAINTENANCE, "四轮定位"),
    (0, (16, 0), Work.BODYWORK, "后保险杠补漆，已定损"),
    (1, (9, 0), Work.MAINTENANCE, "首次保养"),
    (1, (9, 0), Work.DELIVERY, "X5，需当日上牌"),
    (1, (10, 0), Work.REPAIR, "左后视镜不折叠"),
    (1, (15, 0), Work.TEST_DRIVE, "带家人一起"),
    (2, (9, 30), Work.MAINTENANCE, "两万公里保养，更换空调滤芯"),
    (2, (13, 30), Work.REPAIR, "雨刮异响"),
)
#: Parts wanted, by their place above.
_PARTS: Final = {12: "机油滤清器", 16: "空调滤芯 1，机油滤清器 1", 17: "雨刮片一对"}
_OPTIONS: Final = AppointmentOptions()


def load_booked(connection: Connection, now: datetime, hours: WorkingTime) -> int:
    """Add appointments of the days around today; how many are new. Workshops and customers must be there.

    What lies behind came off, but for the last of each day: nobody came.
    """
    shop = next(iter(slots.all_workshops(connection)), None)
    if shop is None:
        return 0
    people = connection.execute(
        select(customers.c.id, func.min(vehicle_people.c.vehicle_id).label("vehicle_id"))
        .join(vehicle_people, vehicle_people.c.customer_id == customers.c.id)
        .where(vehicle_people.c.ended_at.is_(None))
        .group_by(customers.c.id)
        .order_by(customers.c.id)
        .limit(len(_BOOKED))
    ).all()
    agent = connection.execute(
        select(users.c.id, users.c.name).where(users.c.role == Role.AGENT.value).order_by(users.c.login)
    ).first()
    if not people or agent is None:
        return 0
    by = Principal(role=Role.AGENT, via=Via.SESSION, name=agent.name, user_id=agent.id)
    made = 0
    days = {place: _working_day(now, hours, place) for place in {one[0] for one in _BOOKED}}
    for place, (day, (hour, minute), work, words) in enumerate(_BOOKED):
        occasion = f"sample {days[day]} {place}"
        if connection.execute(select(rows.c.id).where(rows.c.occasion == occasion)).scalar() is not None:
            continue
        starts_at = datetime.combine(days[day], time(hour, minute), hours.zone).astimezone(UTC)
        person = people[place % len(people)]
        new = NewAppointment(
            work=work,
            workshop_id=shop.id,
            starts_at=starts_at,
            customer_id=person.id,
            vehicle_id=None if work in (Work.TEST_DRIVE, Work.DELIVERY) else person.vehicle_id,
            source=Source.CALL,
            words=words,
            parts=_PARTS.get(place, ""),
            occasion=occasion,
        )
        # Booked when it was still ahead, as the customer would have called.
        called = min(now, starts_at - timedelta(days=3))
        try:
            found = appointments.book(connection, new, now=called, by=by, hours=hours, options=_OPTIONS)
        except AppointmentError:  # the house is closed at that hour: one less
            continue
        made += 1
        if starts_at < now - timedelta(hours=1):
            last = place + 1 == len(_BOOKED) or _BOOKED[place + 1][0] != day
            _play(connection, found.id, starts_at, now, hours, missed=last and day < 0)
    return made


def _play(
    connection: Connection,
    appointment_id: str,
    starts_at: datetime,
    now: datetime,
    hours: WorkingTime,
    *,
    missed: bool,
) -> None:
    steps = (Step.MISS,) if missed else (Step.ARRIVE, Step.FINISH)
    for number, step in enumerate(steps):
        found = appointments.get_appointment(connection, appointment_id)
        if found.state in (AppointmentState.DONE, AppointmentState.MISSED):
            return
        at = min(now, starts_at + (timedelta(hours=4) if missed else timedelta(minutes=60 * number)))
        appointments.take_step(
            connection,
            appointment_id,
            step,
            appointments.Given(),
            by=None,
            source=Source.PROGRAM,
            now=at,
            hours=hours,
            options=_OPTIONS,
        )


def _working_day(now: datetime, hours: WorkingTime, away: int) -> date:
    """The working day so many before or after today; today counts as one of its own."""
    day = hours.date_of(now)
    step = timedelta(days=1 if away > 0 else -1)
    while away:
        day += step
        if hours.is_working_day(day) and day.weekday() < 6:  # the lanes rest on Sundays
            away += -1 if away > 0 else 1
    return day
