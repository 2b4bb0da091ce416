"""What became of the reminders of each plan, month by month: invited, reached, booked, came."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from typing import Final

from sqlalchemy import ColumnElement, Connection, and_, exists, literal, or_, select, tuple_

from access.users import Principal
from crm.appointments.appointments import AppointmentState
from crm.contacts.contacts import MAINTENANCE_KINDS, ReasonKind, Result
from storage.contact_lists import seen_by
from storage.tables.appointments import appointments
from storage.tables.contacts import contact_reasons, contact_tries, due_contacts
from storage.tables.maintenance import maintenance_plans
from storage.tables.records import service_visits
from telephony.hours import WorkingTime

#: A visit so many days after the invitation is taken for its success.
CAME_DAYS: Final = 60
#: Most reminders that are looked at for one page, and at once.
MOST_WALKED: Final = 10_000
_SHARE: Final = 200
#: Tries in which somebody was spoken to.
_REACHED: Final = (Result.DONE.value, Result.PARTLY.value, Result.REFUSED.value)
KINDS: Final = (*(one.value for one in MAINTENANCE_KINDS), ReasonKind.DATED_ITEM.value)


@dataclass(frozen=True, kw_only=True, slots=True)
class Rate:
    """One plan in one month. `invited`: reasons made; the others are of them."""

    month: str
    plan_id: str | None
    plan_name: str
    invited: int
    reached: int
    booked: int
    came: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Invitation:
    """One reminder and what became of it."""

    id: str
    contact_id: str
    kind: ReasonKind
    plan_id: str | None
    created_at: datetime
    #: The house's day on which it was made.
    day: date
    reached: bool
    booked: bool
    came: bool


class Outcome(StrEnum):
    """How far an invitation came; each is counted of those invited."""

    INVITED = "invited"
    REACHED = "reached"
    BOOKED = "booked"
    CAME = "came"

    def holds(self, one: Invitation) -> bool:
        """Whether this one came so far."""
        return self is Outcome.INVITED or bool(getattr(one, self.value))


@dataclass(frozen=True, kw_only=True, slots=True)
class KindRate:
    """One kind of reminder in one month."""

    month: str
    kind: ReasonKind
    counts: Mapping[Outcome, int]


def _reached() -> ColumnElement[bool]:
    return (
        exists()
        .where(
            contact_tries.c.contact_id == contact_reasons.c.contact_id,
            contact_tries.c.result.in_(_REACHED),
            contact_tries.c.at >= contact_reasons.c.created_at,
        )
        .correlate(contact_reasons)
    )


def _booked() -> ColumnElement[bool]:
    return (
        exists()
        .where(
            appointments.c.created_at >= contact_reasons.c.created_at,
            appointments.c.state != AppointmentState.CANCELLED,
            or_(
                appointments.c.contact_id == contact_reasons.c.contact_id,
                and_(
                    appointments.c.vehicle_id == contact_reasons.c.vehicle_id,
                    contact_reasons.c.vehicle_id.is_not(None),
                ),
            ),
        )
        .correlate(contact_reasons)
    )


def _made_between(first: date, last: date, hours: WorkingTime) -> list[ColumnElement[bool]]:
    begin = datetime.combine(first, time(), hours.zone).astimezone(UTC)
    end = datetime.combine(last + timedelta(days=1), time(), hours.zone).astimezone(UTC)
    return [contact_reasons.c.created_at >= begin, contact_reasons.c.created_at < end]


def _invited(
    connection: Connection, hours: WorkingTime, signs: Sequence[ColumnElement[bool]], limit: int | None = None
) -> list[Invitation]:
    """Reminders that fit, in the order in which they were made, each with what became of it."""
    wanted = (
        select(
            contact_reasons.c.id,
            contact_reasons.c.contact_id,
            contact_reasons.c.kind,
            contact_reasons.c.plan_id,
            contact_reasons.c.created_at,
            contact_reasons.c.vehicle_id,
            _reached().label("reached"),
            _booked().label("booked"),
        )
        .join(due_contacts, due_contacts.c.id == contact_reasons.c.contact_id)
        .where(*signs)
        .order_by(contact_reasons.c.created_at, contact_reasons.c.id)
    )
    rows = connection.execute(wanted if limit is None else wanted.limit(limit)).all()
    if not rows:
        return []
    since = hours.date_of(rows[0].created_at)
    visits = _visits(connection, {row.vehicle_id for row in rows if row.vehicle_id}, since)
    made = []
    for row in rows:
        day = hours.date_of(row.created_at)
        until = day + timedelta(days=CAME_DAYS)
        made.append(
            Invitation(
                id=row.id,
                contact_id=row.contact_id,
                kind=ReasonKind(row.kind),
                plan_id=row.plan_id,
                created_at=row.created_at,
                day=day,
                reached=bool(row.reached),
                booked=bool(row.booked),
                came=any(day <= one <= until for one in visits.get(row.vehicle_id or "", ())),
            )
        )
    return made


def rates(connection: Connection, first: date, last: date, hours: WorkingTime) -> list[Rate]:
    """Invitations made from `first` to `last` (days of the house), the newest month first, then by plan."""
    signs = [contact_reasons.c.kind.in_(KINDS), *_made_between(first, last, hours)]
    names = {
        row[0]: row[1]
        for row in connection.execute(
            select(maintenance_plans.c.id, maintenance_plans.c.name).order_by(maintenance_plans.c.version)
        )
    }
    counted: defaultdict[tuple[str, str | None], dict[str, int]] = defaultdict(_zeros)
    for one in _invited(connection, hours, signs):
        _count(counted[(f"{one.day:%Y-%m}", one.plan_id)], one)
    found = [
        Rate(month=month, plan_id=plan_id, plan_name=names.get(plan_id or "", ""), **cell)
        for (month, plan_id), cell in counted.items()
    ]
    found.sort(key=lambda one: (one.plan_name, one.plan_id or ""))
    found.sort(key=lambda one: one.month, reverse=True)
    return found


def _zeros() -> dict[str, int]:
    return {outcome.value: 0 for outcome in Outcome}


def _count(cell: dict[str, int], one: Invitation) -> None:
    for outcome in Outcome:
        cell[outcome.value] += outcome.holds(one)


def by_kind(
    connection: Connection, viewer: Principal, first: date, last: date, hours: WorkingTime, now: datetime
) -> list[KindRate]:
    """What became of the reminders of each kind, the first month first; of customers this person may see."""
    counted: defaultdict[tuple[str, ReasonKind], dict[str, int]] = defaultdict(_zeros)
    begin = first
    while begin <= last:  # a month at a time: few rows are held at once
        end = min((begin.replace(day=1) + timedelta(days=31)).replace(day=1) - timedelta(days=1), last)
        for kind in KINDS:
            signs = [
                contact_reasons.c.kind == kind,
                *_made_between(begin, end, hours),
                seen_by(connection, viewer, now),
            ]
            for one in _invited(connection, hours, signs):
                _count(counted[(f"{one.day:%Y-%m}", one.kind)], one)
        begin = end + timedelta(days=1)
    return [
        KindRate(month=month, kind=kind, counts={Outcome(name): number for name, number in cell.items()})
        for (month, kind), cell in sorted(counted.items(), key=lambda pair: (pair[0][0], pair[0][1].value))
    ]


def behind(
    connection: Connection,
    viewer: Principal,
    kind: ReasonKind,
    outcome: Outcome,
    first: date,
    last: date,
    hours: WorkingTime,
    now: datetime,
    *,
    after: tuple[datetime, str] | None = None,
    limit: int = 50,
) -> tuple[list[Invitation], tuple[datetime, str] | None]:
    """The reminders behind a figure of `by_kind`, and the place to go on from.

    At most `MOST_WALKED` are looked at; a page may be short, and there be more.
    """
    found: list[Invitation] = []
    for _ in range(MOST_WALKED // _SHARE):
        signs = [
            contact_reasons.c.kind == kind.value,
            *_made_between(first, last, hours),
            seen_by(connection, viewer, now),
        ]
        if after is not None:
            column = contact_reasons.c.created_at
            place = tuple_(literal(after[0], column.type), literal(after[1]))
            signs.append(tuple_(column, contact_reasons.c.id) > place)
        some = _invited(connection, hours, signs, _SHARE)
        for one in some:
            if outcome.holds(one):
                if len(found) == limit:
                    return found, after
                found.append(one)
            after = one.created_at, one.id
        if len(some) < _SHARE:
            return found, None
    return found, after


def _visits(connection: Connection, vehicle_ids: set[str], since: date) -> dict[str, list[date]]:
    """Days of the workshop visits of these vehicles since a day."""
    found: defaultdict[str, list[date]] = defaultdict(list)
    every = sorted(vehicle_ids)
    for start in range(0, len(every), 500):
        rows = connection.execute(
            select(service_visits.c.vehicle_id, service_visits.c.visited_on).where(
                service_visits.c.vehicle_id.in_(every[start : start + 500]),
                service_visits.c.visited_on >= since,
            )
        )
        for vehicle_id, on in rows:
            found[vehicle_id].append(on)
    return found
