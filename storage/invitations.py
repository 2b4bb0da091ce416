"""What became of the reminders of each plan, month by month: invited, reached, booked, came."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final

from sqlalchemy import Connection, and_, exists, or_, select

from crm.appointments.appointments import AppointmentState
from crm.contacts.contacts import MAINTENANCE_KINDS, ReasonKind, Result
from storage.tables.appointments import appointments
from storage.tables.contacts import contact_reasons, contact_tries
from storage.tables.maintenance import maintenance_plans
from storage.tables.records import service_visits
from telephony.hours import WorkingTime

#: A visit so many days after the invitation is taken for its success.
CAME_DAYS: Final = 60
#: Tries in which somebody was spoken to.
_REACHED: Final = (Result.DONE.value, Result.PARTLY.value, Result.REFUSED.value)
_KINDS: Final = (*(one.value for one in MAINTENANCE_KINDS), ReasonKind.DATED_ITEM.value)


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


def rates(connection: Connection, first: date, last: date, hours: WorkingTime) -> list[Rate]:
    """Invitations made from `first` to `last` (days of the house), the newest month first, then by plan."""
    begin = datetime.combine(first, time(), hours.zone).astimezone(UTC)
    end = datetime.combine(last + timedelta(days=1), time(), hours.zone).astimezone(UTC)
    reached = (
        exists()
        .where(
            contact_tries.c.contact_id == contact_reasons.c.contact_id,
            contact_tries.c.result.in_(_REACHED),
            contact_tries.c.at >= contact_reasons.c.created_at,
        )
        .correlate(contact_reasons)
    )
    booked = (
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
    rows = connection.execute(
        select(
            contact_reasons.c.id,
            contact_reasons.c.plan_id,
            contact_reasons.c.created_at,
            contact_reasons.c.vehicle_id,
            reached.label("reached"),
            booked.label("booked"),
        ).where(
            contact_reasons.c.kind.in_(_KINDS),
            contact_reasons.c.created_at >= begin,
            contact_reasons.c.created_at < end,
        )
    ).all()
    visits = _visits(connection, {row.vehicle_id for row in rows if row.vehicle_id}, first)
    names = {
        row[0]: row[1]
        for row in connection.execute(
            select(maintenance_plans.c.id, maintenance_plans.c.name).order_by(maintenance_plans.c.version)
        )
    }
    counted: defaultdict[tuple[str, str | None], list[int]] = defaultdict(lambda: [0, 0, 0, 0])
    for row in rows:
        day = hours.date_of(row.created_at)
        until = day + timedelta(days=CAME_DAYS)
        came = any(day <= one <= until for one in visits.get(row.vehicle_id or "", ()))
        cell = counted[(f"{day:%Y-%m}", row.plan_id)]
        for place, true in enumerate((True, row.reached, row.booked, came)):
            cell[place] += bool(true)
    found = [
        Rate(
            month=month,
            plan_id=plan_id,
            plan_name=names.get(plan_id or "", ""),
            invited=cell[0],
            reached=cell[1],
            booked=cell[2],
            came=cell[3],
        )
        for (month, plan_id), cell in counted.items()
    ]
    found.sort(key=lambda one: (one.plan_name, one.plan_id or ""))
    found.sort(key=lambda one: one.month, reverse=True)
    return found


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
