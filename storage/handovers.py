"""Hand-overs of sales and service as their records show them: late ones, and what is missing in them."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, Literal
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, Select, select, tuple_

from access.masking import mask_name
from access.permissions import Permission
from access.users import Principal
from crm.corrections.handover import Handover, days_late, missing
from crm.corrections.orders import Department
from storage.sight import Sight, sights
from storage.tables.records import contacts, customers, service_visits, vehicle_people, vehicles

#: Rows read at once while looking for hand-overs that are not right.
_SHARE = 500


def list_handovers(
    connection: Connection,
    viewer: Principal,
    department: Literal[Department.SALES, Department.SERVICE],
    *,
    first: date,
    last: date,
    allowed_days: int,
    zone: ZoneInfo,
    wrong_only: bool = True,
    after: tuple[date, str] | None = None,
    limit: int = 50,
    now: datetime | None = None,
) -> list[Handover]:
    """Deliveries or visits of these days, in order of day, with what is late or missing.

    `after` is the day and the vehicle's or visit's id of the last one seen (`Handover.vehicle_id` for sales).
    """
    found: list[Handover] = []
    limit = min(max(limit, 1), 200)
    while True:
        rows = connection.execute(_rows(department, first, last, after).limit(_SHARE)).mappings().all()
        if not rows:
            return found
        people = _people(connection, [row["vehicle_id"] for row in rows])
        seen = sights(connection, viewer, [one.id for one in people.values()], now)
        for row in rows:
            after = (row["happened_on"], row["place"])
            person = people.get(row["vehicle_id"])
            hidden = person is not None and seen[person.id] is not Sight.OPEN
            one = _handover(viewer, department, row, person, allowed_days, zone, hidden=hidden)
            if not (wrong_only and one.is_right):
                found.append(one)
                if len(found) == limit:
                    return found
        if len(rows) < _SHARE:
            return found


def _rows(department: Department, first: date, last: date, after: tuple[date, str] | None) -> Select[Any]:
    if department is Department.SALES:
        day, place = vehicles.c.delivered_on, vehicles.c.id
        wanted = select(
            vehicles.c.id.label("vehicle_id"),
            place.label("place"),
            day.label("happened_on"),
            vehicles.c.created_at,
            vehicles.c.plate,
            vehicles.c.vin,
            vehicles.c.model,
        )
    else:
        day, place = service_visits.c.visited_on, service_visits.c.id
        wanted = select(
            service_visits.c.vehicle_id,
            place.label("place"),
            day.label("happened_on"),
            service_visits.c.created_at,
            service_visits.c.mileage,
            service_visits.c.order_number,
            service_visits.c.kind,
            vehicles.c.plate,
        ).join(vehicles, vehicles.c.id == service_visits.c.vehicle_id)
    wanted = wanted.where(day >= first, day <= last).order_by(day, place)
    return wanted if after is None else wanted.where(tuple_(day, place) > tuple_(*after))


def _people(connection: Connection, vehicle_ids: list[str]) -> dict[str, Any]:
    """One person per vehicle, the owner before others, with whether a number is known."""
    rows = connection.execute(
        select(
            vehicle_people.c.vehicle_id,
            vehicle_people.c.role,
            customers.c.id,
            customers.c.name,
            contacts.c.number,
        )
        .join(customers, customers.c.id == vehicle_people.c.customer_id)
        .outerjoin(contacts, (contacts.c.customer_id == customers.c.id) & contacts.c.ended_at.is_(None))
        .where(vehicle_people.c.vehicle_id.in_(vehicle_ids), vehicle_people.c.ended_at.is_(None))
    )
    found: dict[str, Any] = {}
    for row in rows:
        known = found.get(row.vehicle_id)
        if known is None or (row.role == "owner" and known.role != "owner"):
            found[row.vehicle_id] = row
    return found


def _handover(
    viewer: Principal,
    department: Department,
    row: Any,
    person: Any,
    allowed_days: int,
    zone: ZoneInfo,
    *,
    hidden: bool,
) -> Handover:
    known = {name for name, value in row.items() if value not in (None, "")}
    if department is Department.SALES:
        known.add("delivered_on")
    if person is not None:
        known.add("name")
        if person.number is not None:
            known.add("number")
    hidden = hidden or not viewer.may(Permission.NAMES_FULL)
    received_on = row["created_at"].astimezone(zone).date()
    return Handover(
        department=department,
        vehicle_id=row["vehicle_id"],
        customer_id=None if person is None else person.id,
        name="" if person is None else mask_name(person.name) if hidden else person.name,
        plate=row["plate"],
        happened_on=row["happened_on"],
        received_on=received_on,
        missing=missing(department, known),
        days_late=days_late(row["happened_on"], received_on, allowed_days),
    )
