"""What the clock does with appointments: tasks to call about, arrivals, no-shows, credit, the list of two days.

Each is a short transaction over a bounded number of rows that an index finds; nothing here is done twice.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, and_, insert, or_, select, true, update

from access.ids import new_id
from crm.appointments.appointments import (
    AHEAD,
    Appointment,
    AppointmentState,
    News,
    NewsKind,
    NoticeState,
    Source,
    Step,
)
from crm.appointments.credit import Touch, credited
from crm.appointments.options import AppointmentOptions
from crm.appointments.telling import list_days
from crm.contacts.contacts import MAINTENANCE_KINDS, NewReason, ReasonKind, Result
from crm.tasks.tasks import TaskKind
from storage import customers, slots
from storage.appointments import Given, appointment_from, between, plates_and_models, take_step
from storage.contacts import add_reason
from storage.merging import current_id
from storage.tables.appointments import (
    appointment_list_rows,
    appointment_lists,
    appointment_notices,
    appointments,
    delivery_news,
    visit_credits,
)
from storage.tables.contacts import contact_reasons, contact_tries
from storage.tables.records import service_visits
from storage.tasks import add_task
from telephony.hours import WorkingTime

#: Rows in one transaction.
_SHARE: Final = 200
#: A visit that was imported so many days late still says that the customer came.
_LATE_DAYS: Final = 14
#: Talks that bring somebody to the workshop: what was talked about, and that there was a talk.
_INVITING: Final = (*MAINTENANCE_KINDS, ReasonKind.DATED_ITEM, ReasonKind.NO_SHOW)
_TALKED: Final = (Result.DONE, Result.PARTLY)
#: Working hours within which somebody who did not come is called.
_CALL_HOURS: Final = 8


def _primary(connection: Connection, customer_id: str) -> str | None:
    found = customers.contacts_of(connection, customer_id)
    return next((one.number for one in found if one.primary), found[0].number if found else None)


# -- calling ------------------------------------------------------------------------------------------


def call_about(connection: Connection, now: datetime, hours: WorkingTime) -> int:
    """A task for everything due that no message has told: a person calls. Gives how many were made."""
    rows = connection.execute(
        select(appointments, appointment_notices.c.id.label("notice_id"), appointment_notices.c.kind)
        .join(appointments, appointments.c.id == appointment_notices.c.appointment_id)
        .where(appointment_notices.c.state == NoticeState.WAITING, appointment_notices.c.due_at <= now)
        .order_by(appointment_notices.c.due_at, appointment_notices.c.id)
        .limit(_SHARE)
    ).mappings()
    made = 0
    for row in rows.all():
        found = appointment_from(row)
        due = min(hours.add_working(now, timedelta(minutes=60)), max(found.starts_at, now))
        task, _new = add_task(
            connection,
            kind=TaskKind.APPOINTMENT,
            occasion=f"appointment {found.id} {row['notice_id']}",
            now=now,
            due_at=due,
            subject=f"{row['kind']} {found.starts_at.astimezone(hours.zone):%m-%d %H:%M}",
            number=_primary(connection, found.customer_id),
            customer_id=found.customer_id,
            owner_id=found.created_by,
        )
        connection.execute(
            update(appointment_notices)
            .where(appointment_notices.c.id == row["notice_id"])
            .values(state=NoticeState.BY_PHONE, task_id=task.id)
        )
        made += 1
    return made


# -- who came, and who did not ------------------------------------------------------------------------


def note_arrivals(
    connection: Connection, now: datetime, hours: WorkingTime, options: AppointmentOptions
) -> int:
    """Who has a visit in the workshop on the day of the appointment has arrived; after that day it is done."""
    since = now - timedelta(days=_LATE_DAYS)
    rows = connection.execute(
        select(appointments, service_visits.c.id.label("came"), service_visits.c.visited_on)
        .join(service_visits, service_visits.c.vehicle_id == appointments.c.vehicle_id)
        .where(
            appointments.c.state.in_((*AHEAD, AppointmentState.MISSED)),
            appointments.c.starts_at >= since,
            appointments.c.starts_at <= now + timedelta(days=1),
            service_visits.c.visited_on >= hours.date_of(since),
        )
        .order_by(appointments.c.starts_at, service_visits.c.id)
        .limit(_SHARE)
    ).mappings()
    noted: set[str] = set()
    for row in rows.all():
        found = appointment_from(row)
        if found.id in noted or row["visited_on"] != hours.date_of(found.starts_at):
            continue
        noted.add(found.id)
        take_step(
            connection,
            found.id,
            Step.ARRIVE,
            Given(visit_id=row["came"]),
            by=None,
            source=Source.CLOCK,
            now=now,
            hours=hours,
            options=options,
        )
    return len(noted)


def finish_arrived(
    connection: Connection, now: datetime, hours: WorkingTime, options: AppointmentOptions
) -> int:
    """Who arrived on a day that is over is done."""
    begin = datetime.combine(hours.date_of(now), time()).replace(tzinfo=hours.zone)
    rows = connection.execute(
        select(appointments.c.id)
        .where(appointments.c.state == AppointmentState.ARRIVED, appointments.c.starts_at < begin)
        .order_by(appointments.c.starts_at)
        .limit(_SHARE)
    ).all()
    for (appointment_id,) in rows:
        take_step(
            connection,
            appointment_id,
            Step.FINISH,
            Given(),
            by=None,
            source=Source.CLOCK,
            now=now,
            hours=hours,
            options=options,
        )
    return len(rows)


def note_missed(
    connection: Connection, now: datetime, hours: WorkingTime, options: AppointmentOptions
) -> list[Appointment]:
    """Who has not come within the grace time has missed it; arrivals are noted before this."""
    rows = connection.execute(
        select(appointments.c.id)
        .where(
            appointments.c.state.in_(AHEAD),
            appointments.c.starts_at < now - timedelta(minutes=options.grace_minutes),
        )
        .order_by(appointments.c.starts_at, appointments.c.id)
        .limit(_SHARE)
    ).all()
    found: list[Appointment] = []
    for (appointment_id,) in rows:
        found.append(
            take_step(
                connection,
                appointment_id,
                Step.MISS,
                Given(),
                by=None,
                source=Source.CLOCK,
                now=now,
                hours=hours,
                options=options,
            )
        )
    for one in found:
        # A call in the coming days, in the transaction of the miss; the same appointment never makes a second one.
        add_reason(
            connection,
            NewReason(
                kind=ReasonKind.NO_SHOW,
                occasion=f"appointment missed {one.id}",
                customer_id=one.customer_id,
                vehicle_id=one.vehicle_id,
                due_at=hours.add_working(now, timedelta(hours=_CALL_HOURS)),
                why={
                    "appointment_id": one.id,
                    "work": one.work.value,
                    "starts_at": one.starts_at.isoformat(),
                },
            ),
            now,
        )
    return found


# -- credit -------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, slots=True)
class Credited:
    """A share of the visits that were looked at."""

    given: int
    #: The visit to go on behind; "" where this was the last share.
    after: str


def give_credit(
    connection: Connection,
    now: datetime,
    hours: WorkingTime,
    options: AppointmentOptions,
    *,
    after: str = "",
    limit: int = _SHARE,
) -> Credited:
    """Say what brought each visit of the last days that has no credit yet: an appointment, or a talk in which the
    customer was reminded of this vehicle. One visit credits one thing.

    A share at a time, behind `after`: visits that nothing brought are looked at again until they are old.
    """
    since = hours.date_of(now) - timedelta(days=_LATE_DAYS)
    visits = connection.execute(
        select(
            service_visits.c.id,
            service_visits.c.vehicle_id,
            service_visits.c.customer_id,
            service_visits.c.visited_on,
        )
        .outerjoin(visit_credits, visit_credits.c.visit_id == service_visits.c.id)
        .where(
            service_visits.c.visited_on >= since,
            service_visits.c.visited_on <= hours.date_of(now),
            _behind(after),
            visit_credits.c.visit_id.is_(None),
            or_(
                select(appointments.c.id)
                .where(
                    appointments.c.vehicle_id == service_visits.c.vehicle_id,
                    appointments.c.starts_at >= now - timedelta(days=_LATE_DAYS + options.credit_days + 1),
                    appointments.c.starts_at <= now + timedelta(days=1),
                    appointments.c.state != AppointmentState.CANCELLED,
                )
                .exists(),
                select(contact_reasons.c.id)
                .where(
                    contact_reasons.c.vehicle_id == service_visits.c.vehicle_id,
                    contact_reasons.c.kind.in_(_INVITING),
                    _talked(contact_reasons.c.contact_id),
                )
                .exists(),
            ),
        )
        .order_by(service_visits.c.visited_on, service_visits.c.id)
        .limit(limit)
    ).all()
    given = 0
    for visit_id, vehicle_id, customer_id, visited_on in visits:
        touches = _touches(connection, vehicle_id, visit_id, visited_on, hours, options.credit_days)
        best = credited(visited_on, touches, options.credit_days)
        if best is None:
            continue
        owner = customer_id
        if owner is None and best.appointment_id is not None:
            owner = connection.execute(
                select(appointments.c.customer_id).where(appointments.c.id == best.appointment_id)
            ).scalar_one_or_none()
        connection.execute(
            insert(visit_credits).values(
                visit_id=visit_id,
                customer_id=owner,
                visited_on=visited_on,
                appointment_id=best.appointment_id,
                contact_id=best.contact_id,
                campaign=best.campaign,
                days=(visited_on - best.on).days,
                within=options.credit_days,
                at=now,
            )
        )
        given += 1
    last = visits[-1] if len(visits) == limit else None
    return Credited(given=given, after=f"{last.visited_on} {last.id}" if last is not None else "")


def _behind(after: str) -> ColumnElement[bool]:
    if not after:
        return true()
    day, _, visit_id = after.partition(" ")
    on = date.fromisoformat(day)
    return or_(
        service_visits.c.visited_on > on,
        and_(service_visits.c.visited_on == on, service_visits.c.id > visit_id),
    )


def _touches(
    connection: Connection, vehicle_id: str, visit_id: str, visited_on: date, hours: WorkingTime, days: int
) -> list[Touch]:
    begin = datetime.combine(visited_on - timedelta(days=days), time()).replace(tzinfo=hours.zone)
    end = datetime.combine(visited_on + timedelta(days=1), time()).replace(tzinfo=hours.zone)
    rows = connection.execute(
        select(appointments)
        .where(
            appointments.c.vehicle_id == vehicle_id,
            appointments.c.starts_at >= begin.astimezone(UTC),
            appointments.c.starts_at < end.astimezone(UTC),
            appointments.c.state != AppointmentState.CANCELLED,
        )
        .limit(50)
    ).mappings()
    booked = [
        Touch(
            on=hours.date_of(row["starts_at"]),
            appointment_id=row["id"],
            contact_id=row["contact_id"],
            campaign=row["campaign"],
            kept=row["visit_id"] == visit_id,
        )
        for row in rows
    ]
    talks = connection.execute(
        select(contact_tries.c.at, contact_tries.c.contact_id)
        .join(contact_reasons, contact_reasons.c.contact_id == contact_tries.c.contact_id)
        .where(
            contact_reasons.c.vehicle_id == vehicle_id,
            contact_reasons.c.kind.in_(_INVITING),
            contact_tries.c.result.in_(_TALKED),
            contact_tries.c.at >= begin.astimezone(UTC),
            contact_tries.c.at < end.astimezone(UTC),
        )
        .distinct()
        .limit(50)
    )
    return booked + [Touch(on=hours.date_of(at), contact_id=contact_id) for at, contact_id in talks]


def _talked(contact_id: ColumnElement[Any]) -> ColumnElement[bool]:
    return (
        select(contact_tries.c.id)
        .where(contact_tries.c.contact_id == contact_id, contact_tries.c.result.in_(_TALKED))
        .exists()
    )


# -- the next two days --------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True, slots=True)
class ListRow:
    """A line as the list said it, and what has happened since."""

    appointment_id: str
    customer_id: str
    version: int
    starts_at: datetime
    minutes: int
    workshop: str
    advisor: str
    work: str
    plate: str
    model: str
    customer_name: str
    parts: str
    words: str
    #: "" unchanged, "changed", "cancelled"; "new" for what was booked after the list.
    since: str = ""
    #: When it is now, where that changed.
    now_at: datetime | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class DayList:
    id: str
    made_on: date
    made_at: datetime
    first: date
    last: date


def is_list_due(now: datetime, hours: WorkingTime, options: AppointmentOptions) -> bool:
    """Whether it is a working day, and past the time the list is made at."""
    local = now.astimezone(hours.zone)
    return hours.is_working_day(local.date()) and local.time().replace(tzinfo=None) >= options.list_at


def make_list(connection: Connection, now: datetime, hours: WorkingTime) -> DayList | None:
    """Keep the list of the next two working days as it stands now; None where today's is made already."""
    made_on = hours.date_of(now)
    known = select(appointment_lists.c.id).where(appointment_lists.c.made_on == made_on)
    if connection.execute(known).first() is not None:
        return None
    days = [date.fromisoformat(one) for one in list_days(now, hours)]
    made = DayList(id=new_id(now), made_on=made_on, made_at=now, first=days[0], last=days[-1])
    connection.execute(
        insert(appointment_lists).values(**{name: getattr(made, name) for name in DayList.__slots__})
    )
    rows = [{"list_id": made.id, **_said(one)} for one in _current(connection, made.first, made.last, hours)]
    if rows:
        connection.execute(insert(appointment_list_rows), rows)
    return made


def _said(one: ListRow) -> dict[str, Any]:
    return {name: getattr(one, name) for name in ListRow.__slots__ if name not in ("since", "now_at")}


def _current(connection: Connection, first: date, last: date, hours: WorkingTime) -> list[ListRow]:
    begin = datetime.combine(first, time()).replace(tzinfo=hours.zone).astimezone(UTC)
    end = datetime.combine(last + timedelta(days=1), time()).replace(tzinfo=hours.zone).astimezone(UTC)
    found = [one for one in between(connection, begin, end, limit=2000) if one.state in AHEAD]
    people = customers.several(connection, [one.customer_id for one in found])
    cars = plates_and_models(connection, [one.vehicle_id for one in found if one.vehicle_id])
    names = slots.names_of(connection)
    return [
        ListRow(
            appointment_id=one.id,
            customer_id=one.customer_id,
            version=one.version,
            starts_at=one.starts_at,
            minutes=one.minutes,
            workshop=names.get(one.workshop_id, ""),
            advisor=one.advisor,
            work=one.work.value,
            plate=cars.get(one.vehicle_id or "", ("", ""))[0],
            model=cars.get(one.vehicle_id or "", ("", one.model))[1] or one.model,
            customer_name=people[one.customer_id].name,
            parts=one.parts,
            words=one.words,
        )
        for one in found
    ]


def lists(connection: Connection, *, limit: int = 30) -> list[DayList]:
    """Lists that were made, the newest first."""
    rows = connection.execute(
        select(appointment_lists).order_by(appointment_lists.c.made_on.desc()).limit(limit)
    ).mappings()
    return [DayList(**{name: row[name] for name in DayList.__slots__}) for row in rows]


def list_rows(connection: Connection, made: DayList, hours: WorkingTime) -> list[ListRow]:
    """What the list said, each line with what has changed since; then what came after it."""
    rows = connection.execute(
        select(
            appointment_list_rows,
            appointments.c.version.label("now_version"),
            appointments.c.state,
            appointments.c.starts_at.label("now_at"),
        )
        .join(appointments, appointments.c.id == appointment_list_rows.c.appointment_id)
        .where(appointment_list_rows.c.list_id == made.id)
        .order_by(
            appointment_list_rows.c.starts_at,
            appointment_list_rows.c.workshop,
            appointment_list_rows.c.appointment_id,
        )
    ).mappings()
    names = [name for name in ListRow.__slots__ if name not in ("since", "now_at")]
    found = []
    for row in rows:
        since, moved = "", None
        if row["state"] == AppointmentState.CANCELLED:
            since = "cancelled"
        elif row["now_at"] != row["starts_at"]:
            since, moved = "changed", row["now_at"]
        elif row["now_version"] != row["version"] and row["state"] in AHEAD:
            since = "changed"
        found.append(ListRow(**{name: row[name] for name in names}, since=since, now_at=moved))
    there = {one.appointment_id for one in found}
    for one in _current(connection, made.first, made.last, hours):
        if one.appointment_id not in there:
            found.append(ListRow(**_said(one), since="new"))
    return found


# -- news of a bought vehicle -------------------------------------------------------------------------


def add_news(
    connection: Connection,
    *,
    customer_id: str,
    vehicle_id: str | None,
    kind: NewsKind,
    on: date,
    note: str,
    told: bool,
    now: datetime,
    by_id: str | None,
    by_name: str,
) -> News:
    """How far a bought vehicle is, and whether the customer has heard of it. Raises CustomerNotFound."""
    whose = customers.get_customer(connection, current_id(connection, customer_id))
    news_id = new_id(now)
    connection.execute(
        insert(delivery_news).values(
            id=news_id,
            customer_id=whose.id,
            vehicle_id=vehicle_id,
            kind=kind,
            on=on,
            note=note,
            at=now,
            by_id=by_id,
            by_name=by_name[:64],
            told_at=now if told else None,
        )
    )
    return next(one for one in news_of(connection, whose.id) if one.id == news_id)


def news_of(connection: Connection, customer_id: str, *, limit: int = 20) -> list[News]:
    """The newest first."""
    rows = connection.execute(
        select(delivery_news)
        .where(delivery_news.c.customer_id == customer_id)
        .order_by(delivery_news.c.at.desc(), delivery_news.c.id.desc())
        .limit(limit)
    ).mappings()
    return [
        News(**{name: row[name] for name in News.__slots__ if name != "kind"}, kind=NewsKind(row["kind"]))
        for row in rows
    ]
