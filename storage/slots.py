"""Workshops, their lanes and days, and how much of each cell is taken: where two who book at once meet.

A place is taken by one statement that counts up only where there is room, so no two transactions can both have the
last one, on SQLite and on PostgreSQL alike.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from sqlalchemy import Connection, RowMapping, delete, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from access.ids import new_id
from access.sentences import Sentence
from crm.appointments.appointments import (
    AppointmentChanged,
    BadAppointment,
    TimeTaken,
    Work,
    checked,
)
from crm.appointments.slots import (
    KINDS,
    Cell,
    DayException,
    Free,
    Lane,
    WorkKind,
    Workshop,
    cells_of,
    free_times,
    held,
)
from storage.tables.appointments import (
    appointment_cells,
    appointment_exceptions,
    appointment_lanes,
    appointment_works,
    workshops,
)
from telephony.hours import WorkingTime


def _workshop(row: RowMapping) -> Workshop:
    return Workshop(**{name: row[name] for name in Workshop.__slots__})


def _lane(row: RowMapping) -> Lane:
    values = {name: row[name] for name in Lane.__slots__}
    values["works"] = frozenset(Work(one) for one in row["works"])
    values["weekdays"] = frozenset(row["weekdays"])
    return Lane(**values)


def _insert(connection: Connection, table: Any) -> Any:
    return (postgresql if connection.dialect.name == "postgresql" else sqlite).insert(table)


# -- what there is ------------------------------------------------------------------------------------


def all_workshops(connection: Connection) -> list[Workshop]:
    """Every workshop, those in use first."""
    rows = connection.execute(
        select(workshops).order_by(workshops.c.active.desc(), workshops.c.name, workshops.c.id).limit(100)
    ).mappings()
    return [_workshop(row) for row in rows]


def get_workshop(connection: Connection, workshop_id: str) -> Workshop:
    """One workshop. Raises BadAppointment."""
    row = connection.execute(select(workshops).where(workshops.c.id == workshop_id)).mappings().first()
    if row is None:
        raise BadAppointment("There is no such workshop. Nothing was changed.", field="workshop_id")
    return _workshop(row)


def lanes_of(connection: Connection, workshop_id: str | None = None, *, every: bool = False) -> list[Lane]:
    """Lanes of a workshop, or of all that are in use; `every`: also those not in use."""
    asked = select(appointment_lanes).join(workshops, workshops.c.id == appointment_lanes.c.workshop_id)
    if workshop_id is not None:
        asked = asked.where(appointment_lanes.c.workshop_id == workshop_id)
    if not every:
        asked = asked.where(appointment_lanes.c.active.is_(True), workshops.c.active.is_(True))
    rows = connection.execute(
        asked.order_by(appointment_lanes.c.workshop_id, appointment_lanes.c.name, appointment_lanes.c.id)
    ).mappings()
    return [_lane(row) for row in rows]


def get_lane(connection: Connection, lane_id: str) -> Lane:
    """One lane. Raises BadAppointment."""
    row = (
        connection.execute(select(appointment_lanes).where(appointment_lanes.c.id == lane_id))
        .mappings()
        .first()
    )
    if row is None:
        raise BadAppointment("There is no such lane. Nothing was changed.", field="lane_id")
    return _lane(row)


def exceptions_of(
    connection: Connection, first: date, last: date, workshop_id: str | None = None
) -> list[DayException]:
    """Days that are otherwise, between two dates."""
    asked = select(appointment_exceptions).where(appointment_exceptions.c.day.between(first, last))
    if workshop_id is not None:
        asked = asked.where(appointment_exceptions.c.workshop_id == workshop_id)
    rows = connection.execute(
        asked.order_by(appointment_exceptions.c.day, appointment_exceptions.c.id)
    ).mappings()
    return [DayException(**{name: row[name] for name in DayException.__slots__}) for row in rows]


def kinds_of(connection: Connection) -> dict[Work, WorkKind]:
    """How each kind of work is booked."""
    found = dict(KINDS)
    for row in connection.execute(select(appointment_works)).mappings():
        work = Work(row["work"])
        found[work] = WorkKind(
            **{name: row[name] for name in WorkKind.__slots__ if name != "work"}, work=work
        )
    return found


# -- free times ---------------------------------------------------------------------------------------


def _bounds(first: date, last: date, hours: WorkingTime) -> tuple[datetime, datetime]:
    begin = datetime.combine(first, time()).replace(tzinfo=hours.zone).astimezone(UTC)
    end = datetime.combine(last + timedelta(days=1), time()).replace(tzinfo=hours.zone).astimezone(UTC)
    return begin, end


def taken_cells(
    connection: Connection, lane_ids: Collection[str], first: date, last: date, hours: WorkingTime
) -> dict[tuple[str, datetime], int]:
    """How much is taken, cell by cell: one query whatever the days and lanes."""
    begin, end = _bounds(first, last, hours)
    rows = connection.execute(
        select(appointment_cells.c.lane_id, appointment_cells.c.at, appointment_cells.c.taken).where(
            appointment_cells.c.lane_id.in_(lane_ids),
            appointment_cells.c.at >= begin,
            appointment_cells.c.at < end,
            appointment_cells.c.taken > 0,
        )
    )
    return {(row[0], row[1]): row[2] for row in rows}


def find_free(
    connection: Connection,
    work: Work,
    *,
    first: date,
    last: date,
    now: datetime,
    hours: WorkingTime,
    workshop_id: str | None = None,
) -> list[Free]:
    """Times with room for this work, by time."""
    kind = kinds_of(connection)[work]
    if not kind.active:
        return []
    lanes = lanes_of(connection, workshop_id)
    return free_times(
        lanes,
        exceptions_of(connection, first, last, workshop_id),
        taken_cells(connection, [one.id for one in lanes], first, last, hours),
        kind,
        first=first,
        last=last,
        now=now,
        hours=hours,
    )


def day_cells(
    connection: Connection, workshop_id: str, first: date, last: date, hours: WorkingTime
) -> list[tuple[Lane, date, list[tuple[Cell, int]]]]:
    """Every lane's cells day by day, with what is taken: what the capacity bars show."""
    lanes = lanes_of(connection, workshop_id)
    days = exceptions_of(connection, first, last, workshop_id)
    taken = taken_cells(connection, [one.id for one in lanes], first, last, hours)
    found = []
    for lane in lanes:
        for number in range((last - first).days + 1):
            when = first + timedelta(days=number)
            cells = cells_of(lane, when, days, hours)
            found.append((lane, when, [(one, taken.get((lane.id, one.at), 0)) for one in cells]))
    return found


# -- taking and giving back ---------------------------------------------------------------------------


def cells_for(
    connection: Connection, lane: Lane, starts_at: datetime, minutes: int, hours: WorkingTime
) -> list[Cell] | None:
    """The cells that work holds, with their capacity now; None where the lane is closed for a part of it."""
    when = hours.date_of(starts_at)
    days = exceptions_of(connection, when, when, lane.workshop_id)
    return held(cells_of(lane, when, days, hours), starts_at, minutes, lane.cell_minutes)


def take(connection: Connection, cells: Sequence[Cell], *, over: bool = False) -> bool:
    """Take one place in every cell. Raises TimeTaken where one has no room; `over`: though there is none.

    Says whether it went over the capacity. Cells are taken in the order of time, so that two never wait for each
    other; what was taken before a refusal goes back with the transaction.
    """
    beyond = False
    for cell in sorted(cells, key=lambda one: one.at):
        key = {"lane_id": cell.lane_id, "at": cell.at}
        connection.execute(
            _insert(connection, appointment_cells).values(**key, taken=0).on_conflict_do_nothing()
        )
        own = (appointment_cells.c.lane_id == cell.lane_id, appointment_cells.c.at == cell.at)
        counted = connection.execute(
            update(appointment_cells)
            .where(*own, appointment_cells.c.taken < cell.capacity)
            .values(taken=appointment_cells.c.taken + 1)
        )
        if counted.rowcount == 1:
            continue
        if not over:
            raise TimeTaken("This time has just been taken. Nothing was changed; choose another one.")
        connection.execute(update(appointment_cells).where(*own).values(taken=appointment_cells.c.taken + 1))
        beyond = True
    return beyond


def hold(connection: Connection, places: Collection[tuple[str, datetime]]) -> None:
    """Keep these cells (lane, time) from everybody else until the transaction ends; by lane, then time."""
    for lane_id, at in sorted(places):
        connection.execute(
            _insert(connection, appointment_cells)
            .values(lane_id=lane_id, at=at, taken=0)
            .on_conflict_do_nothing()
        )
        connection.execute(
            select(appointment_cells.c.taken)
            .where(appointment_cells.c.lane_id == lane_id, appointment_cells.c.at == at)
            .with_for_update()
        )


def give_back(connection: Connection, lane_id: str, moments: Sequence[datetime]) -> None:
    """One place less taken in each of these cells."""
    for at in sorted(moments):
        connection.execute(
            update(appointment_cells)
            .where(
                appointment_cells.c.lane_id == lane_id,
                appointment_cells.c.at == at,
                appointment_cells.c.taken > 0,
            )
            .values(taken=appointment_cells.c.taken - 1)
        )


# -- editing ------------------------------------------------------------------------------------------


def _newer(version: int) -> AppointmentChanged:
    return AppointmentChanged(
        "Somebody has changed this meanwhile. Nothing of yours was saved; look at it again.", version=version
    )


def save_workshop(
    connection: Connection,
    *,
    workshop_id: str | None,
    name: str,
    address: str,
    active: bool,
    version: int | None,
    now: datetime,
) -> Workshop:
    """Make or change a workshop. Raises BadAppointment, AppointmentChanged."""
    values = {
        "name": checked(name, "name", 64),
        "address": checked(address, "address", 200),
        "active": active,
    }
    if not values["name"]:
        raise BadAppointment("Give it a name. Nothing was changed.", field="name")
    if workshop_id is None:
        workshop_id = new_id(now)
        connection.execute(insert(workshops).values(id=workshop_id, version=1, **values))
        return get_workshop(connection, workshop_id)
    known = get_workshop(connection, workshop_id)
    changed = connection.execute(
        update(workshops)
        .where(workshops.c.id == workshop_id, workshops.c.version == (version or known.version))
        .values(**values, version=workshops.c.version + 1)
    )
    if changed.rowcount != 1:
        raise _newer(known.version)
    return get_workshop(connection, workshop_id)


def check_lane(lane: Lane) -> None:
    """Raises BadAppointment with the field that is impossible."""
    if not lane.name:
        raise BadAppointment("Give it a name. Nothing was changed.", field="name")
    if not lane.works:
        raise BadAppointment("Choose at least one kind of work. Nothing was changed.", field="works")
    if not lane.weekdays or not lane.weekdays <= frozenset(range(7)):
        raise BadAppointment("Choose at least one day of the week. Nothing was changed.", field="weekdays")
    if not 0 <= lane.opens < lane.closes <= 1440:
        raise BadAppointment("It must close after it opens. Nothing was changed.", field="closes")
    if not 5 <= lane.cell_minutes <= 480 or lane.opens + lane.cell_minutes > lane.closes:
        raise BadAppointment(
            "A time is 5 to 480 minutes long and fits into the day. Nothing was changed.",
            field="cell_minutes",
        )
    if not 1 <= lane.capacity <= 99:
        raise BadAppointment("Between 1 and 99 fit at a time. Nothing was changed.", field="capacity")
    pause = (lane.pause_from, lane.pause_until)
    if (pause[0] is None) != (pause[1] is None) or (
        pause[0] is not None and pause[1] is not None and not lane.opens <= pause[0] < pause[1] <= lane.closes
    ):
        raise BadAppointment(
            "A break begins and ends within the day. Nothing was changed.", field="pause_until"
        )


def save_lane(connection: Connection, lane: Lane, *, now: datetime, new: bool) -> Lane:
    """Make or change a lane. What is booked stays booked. Raises BadAppointment, AppointmentChanged."""
    lane = replace(lane, name=checked(lane.name, "name", 64), advisor=checked(lane.advisor, "advisor", 64))
    check_lane(lane)
    get_workshop(connection, lane.workshop_id)
    values: dict[str, Any] = {name: getattr(lane, name) for name in Lane.__slots__}
    values["works"] = sorted(one.value for one in lane.works)
    values["weekdays"] = sorted(lane.weekdays)
    if new:
        values |= {"id": new_id(now), "version": 1}
        connection.execute(insert(appointment_lanes).values(**values))
        return get_lane(connection, values["id"])
    known = get_lane(connection, lane.id)
    values["workshop_id"] = known.workshop_id
    del values["id"]
    changed = connection.execute(
        update(appointment_lanes)
        .where(appointment_lanes.c.id == lane.id, appointment_lanes.c.version == lane.version)
        .values(values | {"version": lane.version + 1})
    )
    if changed.rowcount != 1:
        raise _newer(known.version)
    return get_lane(connection, lane.id)


def save_exception(
    connection: Connection,
    *,
    workshop_id: str,
    lane_id: str | None,
    day: date,
    capacity: int,
    why: str,
    now: datetime,
) -> DayException:
    """Say that a day is otherwise; the same day and lane again replaces it. Raises BadAppointment."""
    get_workshop(connection, workshop_id)
    if lane_id is not None and get_lane(connection, lane_id).workshop_id != workshop_id:
        raise BadAppointment("This lane is another workshop's. Nothing was changed.", field="lane_id")
    if not 0 <= capacity <= 99:
        raise BadAppointment("Between 0 and 99 fit at a time. Nothing was changed.", field="capacity")
    own = appointment_exceptions.c.lane_id
    connection.execute(
        delete(appointment_exceptions).where(
            appointment_exceptions.c.workshop_id == workshop_id,
            own.is_(None) if lane_id is None else own == lane_id,
            appointment_exceptions.c.day == day,
        )
    )
    found = DayException(
        id=new_id(now),
        workshop_id=workshop_id,
        lane_id=lane_id,
        day=day,
        capacity=capacity,
        why=checked(why, "why", 200),
    )
    connection.execute(
        insert(appointment_exceptions).values(
            **{name: getattr(found, name) for name in DayException.__slots__}
        )
    )
    return found


def remove_exception(connection: Connection, exception_id: str) -> bool:
    """The day is as every week again; False where it was already."""
    gone = connection.execute(
        delete(appointment_exceptions).where(appointment_exceptions.c.id == exception_id)
    )
    return gone.rowcount == 1


def save_kind(connection: Connection, kind: WorkKind) -> WorkKind:
    """Change how a kind of work is booked. Raises BadAppointment, AppointmentChanged."""
    for name, least, most in (
        ("minutes", 5, 960),
        ("lead_minutes", 0, 20160),
        ("horizon_days", 1, 60),
    ):
        if not least <= getattr(kind, name) <= most:
            raise BadAppointment(
                Sentence(
                    "Between {least} and {most} are possible here. Nothing was changed.",
                    least=least,
                    most=most,
                ),
                field=name,
            )
    values = {name: getattr(kind, name) for name in WorkKind.__slots__ if name not in ("work", "version")}
    known = kinds_of(connection)[kind.work]
    if known.version != kind.version:
        raise _newer(known.version)
    if kind.version == 0:
        made = connection.execute(
            _insert(connection, appointment_works)
            .values(work=kind.work, version=1, **values)
            .on_conflict_do_nothing()
        )
        if made.rowcount != 1:
            raise _newer(1)
    else:
        changed = connection.execute(
            update(appointment_works)
            .where(appointment_works.c.work == kind.work, appointment_works.c.version == kind.version)
            .values(**values, version=kind.version + 1)
        )
        if changed.rowcount != 1:
            raise _newer(kinds_of(connection)[kind.work].version)
    return kinds_of(connection)[kind.work]


def names_of(connection: Connection) -> Mapping[str, str]:
    """Names of workshops by id."""
    return {one.id: one.name for one in all_workshops(connection)}
