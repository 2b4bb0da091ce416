"""Appointments: booked, moved, cancelled, missed; every step an event row in its transaction.

Whoever acts on an older version than the newest is told so and changes nothing (R28).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, RowMapping, and_, func, insert, not_, or_, select, update
from sqlalchemy.exc import IntegrityError

from access.ids import new_id
from access.sentences import SOMEBODY, Sentence
from access.users import Principal
from crm.appointments.appointments import (
    AHEAD,
    HEARD,
    Appointment,
    AppointmentChanged,
    AppointmentEvent,
    AppointmentNotFound,
    AppointmentState,
    BadAppointment,
    NewAppointment,
    NoticeKind,
    NoticeState,
    Source,
    Step,
    TimeTaken,
    Work,
    after,
    checked,
)
from crm.appointments.options import AppointmentOptions
from crm.appointments.slots import Lane, WorkKind
from crm.appointments.telling import reminder_at
from crm.contacts.contacts import ReasonKind
from crm.hooks.events import Event
from crm.links.links import LinkKind
from crm.tasks.tasks import TaskState
from storage import customers, slots, vehicles
from storage.contacts import cancel_reasons
from storage.links import revoke_links
from storage.merging import current_id
from storage.outgoing import announce
from storage.tables.appointments import appointment_events, appointment_notices, appointments
from storage.tables.records import vehicles as vehicle_rows
from storage.tables.tasks import tasks
from storage.tasks import task_from
from storage.told import tell_of_task
from telephony.hours import WorkingTime

#: Fields a change may give, and how long they may be.
CHANGES: Final[Mapping[str, int]] = {
    "words": 1000,
    "parts": 1000,
    "model": 64,
    "place": 200,
    "documents": 1000,
}
_TOLD: Final = {
    Step.BOOK: Event.APPOINTMENT_BOOKED,
    Step.MOVE: Event.APPOINTMENT_MOVED,
    Step.CANCEL: Event.APPOINTMENT_CANCELLED,
    Step.MISS: Event.APPOINTMENT_MISSED,
}


def appointment_from(row: RowMapping) -> Appointment:
    """One appointment of its row."""
    values = {name: row[name] for name in Appointment.__slots__}
    values["state"] = AppointmentState(row["state"])
    values["work"] = Work(row["work"])
    values["source"] = Source(row["source"])
    return Appointment(**values)


def get_appointment(connection: Connection, appointment_id: str, *, lock: bool = False) -> Appointment:
    """One appointment. Raises AppointmentNotFound."""
    return appointment_from(_row(connection, appointment_id, lock=lock))


def _row(connection: Connection, appointment_id: str, *, lock: bool = False) -> RowMapping:
    asked = select(appointments).where(appointments.c.id == appointment_id)
    row = connection.execute(asked.with_for_update() if lock else asked).mappings().first()
    if row is None:
        raise AppointmentNotFound("There is no such appointment.")
    return row


def events_of(connection: Connection, appointment_id: str) -> list[AppointmentEvent]:
    """The trail, the first step first."""
    rows = connection.execute(
        select(appointment_events)
        .where(appointment_events.c.appointment_id == appointment_id)
        .order_by(appointment_events.c.seq)
    ).mappings()
    return [
        AppointmentEvent(
            seq=row["seq"],
            at=row["at"],
            step=Step(row["step"]),
            by_id=row["by_id"],
            by_name=row["by_name"],
            source=Source(row["source"]),
            from_state=AppointmentState(row["from_state"]) if row["from_state"] else None,
            to_state=AppointmentState(row["to_state"]),
            words=row["words"],
            data=row["data"],
        )
        for row in rows
    ]


# -- booking ------------------------------------------------------------------------------------------


def book(
    connection: Connection,
    new: NewAppointment,
    *,
    now: datetime,
    by: Principal | None,
    hours: WorkingTime,
    options: AppointmentOptions,
) -> Appointment:
    """Book a time. The same occasion again gives the first one.

    Raises BadAppointment, TimeTaken, CustomerNotFound, VehicleNotFound.
    """
    known = _of_occasion(connection, new.occasion)
    if known is not None:
        return known
    try:
        with connection.begin_nested():
            return _book(connection, new, now=now, by=by, hours=hours, options=options)
    except (TimeTaken, IntegrityError):
        # The same occasion at the same moment: the other one has the place, or the row.
        known = _of_occasion(connection, new.occasion)
        if known is None:
            raise
        return known


def _of_occasion(connection: Connection, occasion: str) -> Appointment | None:
    if not occasion:
        return None
    row = (
        connection.execute(select(appointments).where(appointments.c.occasion == occasion[:80]))
        .mappings()
        .first()
    )
    return None if row is None else appointment_from(row)


def _book(
    connection: Connection,
    new: NewAppointment,
    *,
    now: datetime,
    by: Principal | None,
    hours: WorkingTime,
    options: AppointmentOptions,
) -> Appointment:
    customer = customers.get_customer(connection, current_id(connection, new.customer_id))
    model = new.model
    if new.vehicle_id is not None:
        car = vehicles.get_vehicle(connection, new.vehicle_id)
        if all(one.customer_id != customer.id for one in vehicles.people_of(connection, car.id)):
            raise BadAppointment(
                "This vehicle is not one of the customer's. Nothing was booked.", field="vehicle_id"
            )
        model = model or car.model
    kind, lane, cells, beyond = _place(
        connection,
        new.work,
        new.workshop_id,
        new.lane_id,
        new.starts_at,
        now=now,
        hours=hours,
        over=bool(new.overbook_reason.strip()),
    )
    appointment_id = new_id(now)
    values: dict[str, Any] = {
        "id": appointment_id,
        "state": AppointmentState.BOOKED,
        "work": new.work,
        "workshop_id": lane.workshop_id,
        "lane_id": lane.id,
        "advisor": lane.advisor,
        "starts_at": new.starts_at,
        "minutes": kind.minutes,
        "cells": [one.isoformat() for one in cells],
        "customer_id": customer.id,
        "vehicle_id": new.vehicle_id,
        "contact_id": new.contact_id,
        "call_id": new.call_id,
        "campaign": checked(new.campaign, "campaign", 64),
        "source": new.source,
        "licence_checked": new.licence_checked,
        "overbooked": beyond,
        "overbook_reason": checked(new.overbook_reason, "overbook_reason") if beyond else "",
        "cancel_reason": "",
        "created_at": now,
        "created_by": by.user_id if by else None,
        "created_by_name": _name(by),
        "changed_at": now,
        "rebooked_from": new.rebooked_from,
        "occasion": new.occasion[:80] or None,
        "version": 1,
        "events": 0,
    }
    for name, longest in CHANGES.items():
        given = model if name == "model" else getattr(new, name)
        values[name] = checked(given, name, longest)
    connection.execute(insert(appointments).values(**values))
    found = get_appointment(connection, appointment_id)
    found = _note(connection, found, Step.BOOK, by, new.source, now, from_state=None, words="", data={})
    _plan(connection, found, NoticeKind.CONFIRMATION, now, new.source, by, hours, options)
    if new.rebooked_from is not None:
        _no_call(connection, new.rebooked_from, "booked_again", now, by)
    return found


def _no_call(connection: Connection, missed_id: str, why: str, now: datetime, by: Principal | None) -> None:
    """Nobody need be called about a missed appointment any more."""
    cancel_reasons(
        connection,
        kinds=[ReasonKind.NO_SHOW],
        why={"why": why},
        now=now,
        occasion=f"appointment missed {missed_id}",
        by=by,
    )


def _place(
    connection: Connection,
    work: Work,
    workshop_id: str,
    lane_id: str | None,
    starts_at: datetime,
    *,
    now: datetime,
    hours: WorkingTime,
    over: bool,
    instead_of: tuple[str, Sequence[datetime]] | None = None,
) -> tuple[WorkKind, Lane, list[datetime], bool]:
    """Take a place: the kind, the lane, the cells taken, whether beyond capacity. Raises BadAppointment, TimeTaken.

    `instead_of`: the lane and cells given back for it, so that they are free for the same appointment.
    """
    kind = slots.kinds_of(connection)[work]
    if not kind.active:
        raise BadAppointment(
            "This kind of work is not booked at the moment. Nothing was booked.", field="work"
        )
    if starts_at <= now or (not over and starts_at < now + timedelta(minutes=kind.lead_minutes)):
        raise BadAppointment(
            "This time is too soon. Nothing was booked; choose a later one.", field="starts_at"
        )
    if hours.date_of(starts_at) > hours.date_of(now) + timedelta(days=kind.horizon_days):
        raise BadAppointment(
            Sentence(
                "Times are given {days} days ahead at most. Nothing was booked.", days=kind.horizon_days
            ),
            field="starts_at",
        )
    slots.get_workshop(connection, workshop_id)
    fitting = [
        one
        for one in slots.lanes_of(connection, workshop_id)
        if work in one.works
        and (not kind.needs_advisor or one.advisor)
        and (lane_id is None or one.id == lane_id)
    ]
    open_lanes = []
    for lane in fitting:
        cells = slots.cells_for(connection, lane, starts_at, kind.minutes, hours)
        if cells is not None:
            open_lanes.append((lane, cells))
    if not open_lanes:
        raise BadAppointment(
            "The workshop takes no such work at this time. Nothing was booked; choose one of the free times.",
            field="starts_at",
        )
    if instead_of is not None:
        # All that may be touched, in one order: two who move into each other's place do not wait for each other.
        old_lane, moments = instead_of
        slots.hold(
            connection,
            {(old_lane, at) for at in moments}
            | {(lane.id, one.at) for lane, ones in open_lanes for one in ones},
        )
        slots.give_back(connection, old_lane, moments)
    for lane, cells in open_lanes:
        try:
            with connection.begin_nested():
                slots.take(connection, cells)
            return kind, lane, [one.at for one in cells], False
        except TimeTaken:
            continue
    if not over:
        raise TimeTaken("This time has just been taken. Nothing was changed; choose another one.")
    lane, cells = open_lanes[0]
    slots.take(connection, cells, over=True)
    return kind, lane, [one.at for one in cells], True


# -- steps --------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, slots=True)
class Given:
    """What comes with a step."""

    words: str = ""
    starts_at: datetime | None = None
    workshop_id: str | None = None
    lane_id: str | None = None
    overbook_reason: str = ""
    fields: Mapping[str, str | bool] = field(default_factory=dict)
    visit_id: str | None = None


def take_step(
    connection: Connection,
    appointment_id: str,
    step: Step,
    given: Given,
    *,
    by: Principal | None,
    source: Source,
    now: datetime,
    hours: WorkingTime,
    options: AppointmentOptions,
    version: int | None = None,
) -> Appointment:
    """One step with an appointment. `version` is the one decided on; None: whatever it is now.

    Raises AppointmentNotFound, AppointmentRefused, AppointmentChanged, BadAppointment, TimeTaken.
    """
    row = _row(connection, appointment_id, lock=True)
    before = appointment_from(row)
    if version is not None and version != before.version:
        raise _changed(connection, before)
    state = after(before.state, step)
    values: dict[str, Any] = {"state": state, "version": before.version + 1, "changed_at": now}
    data: dict[str, Any] = {}
    words = checked(given.words, "words")
    match step:
        case Step.MOVE:
            values |= _moved(connection, row, before, given, now, hours)
            data = {"from": before.starts_at.isoformat(), "to": values["starts_at"].isoformat()}
            if before.advisor != values["advisor"]:
                data |= {"advisor": values["advisor"]}
        case Step.CANCEL:
            if not words and source is not Source.KEYPAD and source is not Source.LINK:
                raise BadAppointment("Say why it is cancelled. Nothing was changed.", field="words")
            values |= {"cancel_reason": words, "closed_at": now}
            slots.give_back(connection, before.lane_id, _moments(row))
        case Step.CONFIRM:
            values["confirmed_at"] = now
        case Step.ARRIVE:
            values |= {"arrived_at": now, "closed_at": None}
            if given.visit_id:
                values["visit_id"] = given.visit_id
        case Step.FINISH:
            values["closed_at"] = now
            if given.visit_id:
                values["visit_id"] = given.visit_id
        case Step.MISS:
            if now < before.starts_at:
                raise BadAppointment("Its time has not come yet. Nothing was changed.", field="state")
            values["closed_at"] = now
        case Step.CHANGE:
            new = _fields(given.fields)
            data = {
                name: [getattr(before, name), value]
                for name, value in new.items()
                if getattr(before, name) != value
            }
            if not data:
                return before
            values |= new
        case Step.BOOK:  # never a step with what is booked: `after` refuses it
            raise AssertionError(step)
    connection.execute(update(appointments).where(appointments.c.id == before.id).values(**values))
    found = get_appointment(connection, before.id)
    found = _note(connection, found, step, by, source, now, from_state=before.state, words=words, data=data)
    _follow(connection, found, step, now, source, by, hours, options)
    if before.state is AppointmentState.MISSED:
        _no_call(connection, found.id, "came_after_all", now, by)
    return found


def cancel_all(connection: Connection, customer_ids: Collection[str], now: datetime) -> int:
    """Nobody will come to these any more (the person is erased): their time is free. Gives how many there were."""
    rows = connection.execute(
        select(appointments)
        .where(
            appointments.c.customer_id.in_(list(customer_ids)),
            appointments.c.state.in_((AppointmentState.BOOKED, AppointmentState.CONFIRMED)),
        )
        .order_by(appointments.c.id)
        .with_for_update()
    ).mappings()
    found = rows.all()
    for row in found:
        slots.give_back(connection, row["lane_id"], _moments(row))
        before = AppointmentState(row["state"])
        cancelled = {"state": AppointmentState.CANCELLED, "closed_at": now, "changed_at": now}
        connection.execute(
            update(appointments)
            .where(appointments.c.id == row["id"])
            .values(version=row["version"] + 1, **cancelled)
        )
        settle_notices(connection, row["id"], now, NoticeState.DROPPED, "")
        one = get_appointment(connection, row["id"])
        _note(connection, one, Step.CANCEL, None, Source.CLOCK, now, from_state=before, words="", data={})
    return len(found)


def _moved(
    connection: Connection,
    row: RowMapping,
    before: Appointment,
    given: Given,
    now: datetime,
    hours: WorkingTime,
) -> dict[str, Any]:
    if given.starts_at is None:
        raise BadAppointment("Say when it is to be. Nothing was changed.", field="starts_at")
    if before.starts_at <= now:
        raise BadAppointment(
            "Its time has come already: it cannot be moved. Book a new one. Nothing was changed.",
            field="starts_at",
        )
    if given.starts_at == before.starts_at and given.lane_id in (None, before.lane_id):
        raise BadAppointment("It is at this time already. Nothing was changed.", field="starts_at")
    # Its own place is free for itself: an hour later may overlap with what it holds now.
    kind, lane, cells, beyond = _place(
        connection,
        before.work,
        given.workshop_id or before.workshop_id,
        given.lane_id,
        given.starts_at,
        now=now,
        hours=hours,
        over=bool(given.overbook_reason.strip()),
        instead_of=(before.lane_id, _moments(row)),
    )
    return {
        "starts_at": given.starts_at,
        "minutes": kind.minutes,
        "workshop_id": lane.workshop_id,
        "lane_id": lane.id,
        "advisor": lane.advisor,
        "cells": [one.isoformat() for one in cells],
        "overbooked": beyond,
        "overbook_reason": checked(given.overbook_reason, "overbook_reason") if beyond else "",
        "confirmed_at": None,
    }


def _moments(row: RowMapping) -> list[datetime]:
    return [datetime.fromisoformat(one) for one in row["cells"]]


def _fields(given: Mapping[str, str | bool]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in given.items():
        if name == "licence_checked":
            found[name] = bool(value)
        elif name in CHANGES:
            found[name] = checked(str(value), name, CHANGES[name])
        else:
            raise BadAppointment("This cannot be changed. Nothing was changed.", field=name)
    return found


def _changed(connection: Connection, now_is: Appointment) -> AppointmentChanged:
    last = events_of(connection, now_is.id)[-1]
    return AppointmentChanged(
        Sentence(
            "{who} has changed this appointment meanwhile. Nothing of yours was saved; look at it again.",
            who=last.by_name or SOMEBODY,
        ),
        version=now_is.version,
    )


def _name(by: Principal | None) -> str:
    return by.name[:64] if by is not None else ""


def _note(
    connection: Connection,
    found: Appointment,
    step: Step,
    by: Principal | None,
    source: Source,
    now: datetime,
    *,
    from_state: AppointmentState | None,
    words: str,
    data: Mapping[str, Any],
) -> Appointment:
    seq = found.events + 1
    connection.execute(
        insert(appointment_events).values(
            id=new_id(now),
            appointment_id=found.id,
            seq=seq,
            at=now,
            step=step,
            by_id=by.user_id if by else None,
            by_name=_name(by),
            source=source,
            from_state=from_state,
            to_state=found.state,
            words=words,
            data=dict(data),
        )
    )
    connection.execute(update(appointments).where(appointments.c.id == found.id).values(events=seq))
    if step in _TOLD:
        announce(
            connection,
            _TOLD[step],
            f"appointment:{found.id}",
            {
                "id": found.id,
                "state": found.state.value,
                "work": found.work.value,
                "workshop_id": found.workshop_id,
                "starts_at": found.starts_at.isoformat(),
                "minutes": found.minutes,
                "customer_id": found.customer_id,
                "vehicle_id": found.vehicle_id,
                "contact_id": found.contact_id,
                "campaign": found.campaign,
            },
            at=now,
        )
    return replace(found, events=seq)


# -- what follows -------------------------------------------------------------------------------------


def _follow(
    connection: Connection,
    found: Appointment,
    step: Step,
    now: datetime,
    source: Source,
    by: Principal | None,
    hours: WorkingTime,
    options: AppointmentOptions,
) -> None:
    """Notices and tasks that a step makes or ends."""
    match step:
        case Step.CONFIRM:
            # Who confirms has heard of it; the reminder of the day before stays.
            settle_notices(
                connection,
                found.id,
                now,
                NoticeState.TOLD,
                _name(by),
                only=(NoticeKind.CONFIRMATION, NoticeKind.MOVED, NoticeKind.REMINDER)
                if hours.date_of(found.starts_at) - hours.date_of(now) <= timedelta(days=1)
                else (NoticeKind.CONFIRMATION, NoticeKind.MOVED),
            )
        case Step.MOVE:
            settle_notices(connection, found.id, now, NoticeState.DROPPED, "")
            _plan(connection, found, NoticeKind.MOVED, now, source, by, hours, options)
        case Step.CANCEL:
            settle_notices(connection, found.id, now, NoticeState.DROPPED, "")
            if source not in HEARD:
                add_notice(connection, found, NoticeKind.CANCELLED, now)
            revoke_links(connection, LinkKind.APPOINTMENT, found.id, now)
        case Step.ARRIVE | Step.FINISH | Step.MISS:
            settle_notices(connection, found.id, now, NoticeState.DROPPED, "")
        case _:
            pass


def _plan(
    connection: Connection,
    found: Appointment,
    kind: NoticeKind,
    now: datetime,
    source: Source,
    by: Principal | None,
    hours: WorkingTime,
    options: AppointmentOptions,
) -> None:
    add_notice(connection, found, kind, now, told_by=_name(by) if source in HEARD else None)
    due = reminder_at(found.starts_at, now, options.remind_at, hours)
    if due is not None:
        add_notice(connection, found, NoticeKind.REMINDER, now, due_at=due)


def add_notice(
    connection: Connection,
    found: Appointment,
    kind: NoticeKind,
    now: datetime,
    *,
    due_at: datetime | None = None,
    told_by: str | None = None,
) -> None:
    """Something the customer is to be told; with `told_by` he was told already."""
    connection.execute(
        insert(appointment_notices).values(
            id=new_id(now),
            appointment_id=found.id,
            kind=kind,
            seq=found.events,
            state=NoticeState.WAITING if told_by is None else NoticeState.TOLD,
            due_at=due_at or now,
            told_at=None if told_by is None else now,
            told_by_name=told_by or "",
        )
    )


def settle_notices(
    connection: Connection,
    appointment_id: str,
    now: datetime,
    state: NoticeState,
    by_name: str,
    *,
    only: Collection[NoticeKind] = tuple(NoticeKind),
) -> int:
    """Nothing of this kind is left to be told; tasks to call about it close. Gives how many there were."""
    rows = connection.execute(
        update(appointment_notices)
        .where(
            appointment_notices.c.appointment_id == appointment_id,
            appointment_notices.c.state.in_((NoticeState.WAITING, NoticeState.BY_PHONE)),
            appointment_notices.c.kind.in_(only),
        )
        .values(state=state, told_at=now if state is NoticeState.TOLD else None, told_by_name=by_name)
        .returning(appointment_notices.c.task_id)
    ).all()
    for (task_id,) in rows:
        if task_id is not None:
            _close_task(connection, task_id, now, state)
    return len(rows)


def _close_task(connection: Connection, task_id: str, now: datetime, state: NoticeState) -> None:
    closed = connection.execute(
        update(tasks)
        .where(tasks.c.id == task_id, tasks.c.state == TaskState.OPEN)
        .values(
            state=TaskState.DONE if state is NoticeState.TOLD else TaskState.CANCELLED,
            open_key=None,
            closed_at=now,
            result=state.value,
        )
        .returning(tasks)
    ).mappings()
    for one in closed.all():
        tell_of_task(connection, Event.TASK_CLOSED, task_from(one), at=now)


# -- lists --------------------------------------------------------------------------------------------


def between(
    connection: Connection,
    first: datetime,
    end: datetime,
    *,
    workshop_id: str | None = None,
    limit: int = 500,
) -> list[Appointment]:
    """Those of a stretch of time, cancelled ones too, by time."""
    asked = select(appointments).where(appointments.c.starts_at >= first, appointments.c.starts_at < end)
    if workshop_id is not None:
        asked = asked.where(appointments.c.workshop_id == workshop_id)
    else:
        asked = asked.where(appointments.c.state.in_(tuple(AppointmentState)))
    rows = connection.execute(
        asked.order_by(appointments.c.starts_at, appointments.c.id).limit(limit)
    ).mappings()
    return [appointment_from(row) for row in rows]


def of_customer(
    connection: Connection, customer_id: str, *, vehicle_id: str | None = None, limit: int = 20
) -> list[Appointment]:
    """The customer's (or only of one vehicle), the newest first."""
    own = (
        appointments.c.customer_id == customer_id
        if vehicle_id is None
        else appointments.c.vehicle_id == vehicle_id
    )
    rows = connection.execute(
        select(appointments)
        .where(own)
        .order_by(appointments.c.starts_at.desc(), appointments.c.id.desc())
        .limit(limit)
    ).mappings()
    return [appointment_from(row) for row in rows]


def next_of(connection: Connection, customer_ids: Collection[str], now: datetime) -> dict[str, Appointment]:
    """The next appointment of each customer, where there is one."""
    if not customer_ids:
        return {}
    rows = connection.execute(
        select(appointments)
        .where(
            appointments.c.customer_id.in_(customer_ids),
            appointments.c.starts_at > now,
            appointments.c.state.in_(AHEAD),
        )
        .order_by(appointments.c.starts_at, appointments.c.id)
        .limit(200)
    ).mappings()
    found: dict[str, Appointment] = {}
    for row in rows:
        found.setdefault(row["customer_id"], appointment_from(row))
    return found


def missed(
    connection: Connection,
    *,
    since: datetime,
    after_: tuple[datetime, str] | None = None,
    limit: int = 50,
) -> list[Appointment]:
    """Missed ones that nobody booked again, the newest first."""
    again = appointments.alias("again")
    asked = select(appointments).where(
        appointments.c.state == AppointmentState.MISSED,
        appointments.c.starts_at >= since,
        not_(
            select(again.c.id)
            .where(again.c.rebooked_from == appointments.c.id)
            .correlate(appointments)
            .exists()
        ),
    )
    if after_ is not None:
        asked = asked.where(
            or_(
                appointments.c.starts_at < after_[0],
                and_(appointments.c.starts_at == after_[0], appointments.c.id < after_[1]),
            )
        )
    rows = connection.execute(
        asked.order_by(appointments.c.starts_at.desc(), appointments.c.id.desc()).limit(limit)
    ).mappings()
    return [appointment_from(row) for row in rows]


@dataclass(frozen=True, kw_only=True, slots=True)
class ToTell:
    """Something a person calls about, since no message reached the customer."""

    notice_id: str
    kind: NoticeKind
    state: NoticeState
    due_at: datetime
    task_id: str | None
    appointment: Appointment


def to_tell(connection: Connection, now: datetime, *, limit: int = 200) -> list[ToTell]:
    """What customers are to be told by telephone now, the first due first."""
    rows = connection.execute(
        select(
            appointments,
            appointment_notices.c.id.label("notice_id"),
            appointment_notices.c.kind.label("notice_kind"),
            appointment_notices.c.state.label("notice_state"),
            appointment_notices.c.due_at.label("notice_due_at"),
            appointment_notices.c.task_id.label("notice_task_id"),
        )
        .join(appointments, appointments.c.id == appointment_notices.c.appointment_id)
        .where(
            appointment_notices.c.state.in_((NoticeState.WAITING, NoticeState.BY_PHONE)),
            appointment_notices.c.due_at <= now,
        )
        .order_by(appointment_notices.c.due_at, appointment_notices.c.id)
        .limit(limit)
    ).mappings()
    return [
        ToTell(
            notice_id=row["notice_id"],
            kind=NoticeKind(row["notice_kind"]),
            state=NoticeState(row["notice_state"]),
            due_at=row["notice_due_at"],
            task_id=row["notice_task_id"],
            appointment=appointment_from(row),
        )
        for row in rows
    ]


def counts(connection: Connection, now: datetime, day_end: datetime) -> dict[str, int]:
    """How many are to be called, and how many are still to come today."""
    calls = connection.execute(
        select(func.count())
        .select_from(appointment_notices)
        .where(
            appointment_notices.c.state.in_((NoticeState.WAITING, NoticeState.BY_PHONE)),
            appointment_notices.c.due_at <= now,
        )
    ).scalar_one()
    coming = connection.execute(
        select(func.count())
        .select_from(appointments)
        .where(
            appointments.c.state.in_(AHEAD),
            appointments.c.starts_at >= now,
            appointments.c.starts_at < day_end,
        )
    ).scalar_one()
    return {"to_tell": int(calls), "coming": int(coming)}


def plates_and_models(connection: Connection, vehicle_ids: Collection[str]) -> dict[str, tuple[str, str]]:
    """Plate and model by vehicle."""
    if not vehicle_ids:
        return {}
    rows = connection.execute(
        select(vehicle_rows.c.id, vehicle_rows.c.plate, vehicle_rows.c.model).where(
            vehicle_rows.c.id.in_(vehicle_ids)
        )
    )
    return {row[0]: (row[1] or "", row[2]) for row in rows}


def notices_of(connection: Connection, appointment_id: str) -> list[Mapping[str, Any]]:
    """What the customer was or is to be told, in order."""
    rows = connection.execute(
        select(
            appointment_notices.c.kind,
            appointment_notices.c.state,
            appointment_notices.c.due_at,
            appointment_notices.c.told_at,
            appointment_notices.c.told_by_name,
        )
        .where(appointment_notices.c.appointment_id == appointment_id)
        .order_by(appointment_notices.c.seq, appointment_notices.c.due_at, appointment_notices.c.id)
    ).mappings()
    return [dict(row) for row in rows]
