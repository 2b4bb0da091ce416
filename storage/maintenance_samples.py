"""Maintenance plans, visits and past reminders of the sample dealership. What is there already stays as it is."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final

from sqlalchemy import Connection, select

from access.permissions import Role
from access.users import Principal, Via
from crm.contacts.contacts import NewReason, ReasonKind, Result
from crm.maintenance.plans import DEFAULT, Interval, Plan
from crm.records.purchases import ServiceVisit, VisitKind
from storage import contacts, history, maintenance
from storage.due import people_of
from storage.tables.maintenance import maintenance_plans
from storage.tables.records import vehicles
from telephony.hours import WorkingTime

_BY: Final = Principal(user_id=None, name="示例", role=Role.SUPERVISOR, via=Via.COMMAND)
#: Electric models need less often what the others do.
_ELECTRIC: Final = ("星程 E3", "星程 E6")
#: Days between two visits by the plan for all vehicles.
_BETWEEN: Final = 183
_RESULTS: Final = (Result.DONE, Result.DONE, Result.REFUSED, Result.CANCELLED)


def load(connection: Connection, now: datetime, hours: WorkingTime) -> bool:
    """Plans, and a visit half a year ago of every other sample vehicle, most of them after a reminder."""
    if connection.execute(select(maintenance_plans.c.id).limit(1)).first() is not None:
        return False
    today = hours.date_of(now)
    every = replace(DEFAULT, name="全部车辆")
    maintenance.save_plan(connection, every, by=_BY, now=now, today=today)
    for model in _ELECTRIC:
        plan = Plan(
            id="",
            brand="星程",
            model=model,
            name=f"{model} 纯电",
            first=Interval(months=6, km=None),
            periodic=Interval(months=12, km=20_000),
            items=DEFAULT.items,
        )
        maintenance.save_plan(connection, plan, by=_BY, now=now, today=today)
    rows = connection.execute(
        select(vehicles.c.id, vehicles.c.model, vehicles.c.delivered_on, vehicles.c.last_service_on)
        .where(vehicles.c.model.startswith("星程"))
        .order_by(vehicles.c.id)
    ).all()
    people = people_of(connection, [row.id for row in rows])
    for number, row in enumerate(rows):
        on = today - timedelta(days=_BETWEEN - 2 * number % 80 - 3)
        late = row.last_service_on is not None and row.last_service_on >= on
        if late:  # what the record says stands
            on = row.last_service_on
        if row.delivered_on is None or row.delivered_on > on - timedelta(days=150) or on > today:
            continue
        if number % 4 and not late and row.id in people:
            then = datetime(on.year, on.month, on.day, 2, tzinfo=UTC) - timedelta(days=12)
            _remind(connection, row.id, people[row.id][0], then, _RESULTS[number % len(_RESULTS)], hours)
        visit = ServiceVisit(
            id="",
            vehicle_id=row.id,
            visited_on=on,
            kind=VisitKind.PERIODIC,
            order_number=f"R-{on:%Y%m%d}-{number:02}",
            created_at=now,
            updated_at=now,
        )
        history.add_visit(connection, visit, now)
    return True


def _remind(
    connection: Connection, vehicle_id: str, whose: str, then: datetime, result: Result, hours: WorkingTime
) -> None:
    if contacts.open_contact_of(connection, whose) is not None:
        return  # called about something else: this is not joined to it, and not closed with it
    due_on = hours.date_of(then) + timedelta(days=14)
    made = contacts.add_reason(
        connection,
        NewReason(
            kind=ReasonKind.PERIODIC_MAINTENANCE,
            occasion=f"sample:{vehicle_id}",
            customer_id=whose,
            vehicle_id=vehicle_id,
            due_at=then + timedelta(days=14),
            why={"cause": "date", "due_on": due_on.isoformat()},
        ),
        then,
    )
    if made is not None:
        contacts.close_contact(
            connection,
            made.id,
            result,
            now=then + timedelta(hours=2),
            hours=hours,
            by=_BY,
            force=True,
            note="客户已自行预约" if result is Result.CANCELLED else "",
        )
