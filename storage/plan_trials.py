"""What a plan would change before it is saved: whose due day moves, and how many reminders tomorrow would make.

Up to `MOST` vehicles are reckoned each by itself; of more, every so-many-th, and the figures are stretched to all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Final, cast

from sqlalchemy import Connection, RowMapping, func, select

from crm.maintenance.forecast import Forecast
from crm.maintenance.plans import Plan, check, plan_for
from crm.records.vehicles import VehicleState
from storage import contacts, due, maintenance
from storage.tables.contacts import contact_reasons
from storage.tables.records import vehicles
from telephony.hours import WorkingTime

#: Vehicles that are reckoned for one trial.
MOST: Final = 4_000
_SHARE: Final = 500


@dataclass(frozen=True, kw_only=True, slots=True)
class Trial:
    """What would change. All but `looked` are of all vehicles the plan speaks of."""

    vehicles: int = 0
    #: How many were reckoned; fewer than `vehicles`: the others are taken to be like them.
    looked: int = 0
    earlier: int = 0
    later: int = 0
    same: int = 0
    #: Due by the new plan, not by the old one; and the other way round.
    begins: int = 0
    ends: int = 0
    #: Days of the middle one among those that move; 0: none moves.
    middle_days: int = 0
    #: Reminders tomorrow would make as it stands, and by the new plan.
    contacts_before: int = 0
    contacts_after: int = 0


def trial(connection: Connection, plan: Plan, now: datetime, hours: WorkingTime) -> Trial:
    """What saving this plan would change. Nothing is written. Raises BadPlan."""
    check(plan)
    before = maintenance.plans(connection)
    mine = (plan.brand, plan.model)
    stood = [one for one in before if (one.id == plan.id if plan.id else (one.brand, one.model) == mine)]
    after = [*(one for one in before if one not in stood), replace(plan, retired_at=None)]
    spoken = maintenance.spoken_of({mine, *((one.brand, one.model) for one in stood)})
    owned = vehicles.c.state == VehicleState.OWNED
    ids = _some(connection, spoken, owned)
    whole, chosen = ids
    today = hours.date_of(now)
    tomorrow = due.Day(
        today=today + timedelta(days=1),
        since=today,
        now=now,
        hours=hours,
        rules=contacts.rules_of(connection),
        plans=before,
    )
    moved: list[int] = []
    same = begins = ends = looked = made_before = made_after = 0
    for start in range(0, len(chosen), _SHARE):
        rows = [
            row
            for row in maintenance.vehicle_rows(connection, chosen[start : start + _SHARE])
            if _touched(row, before, after, plan)
        ]
        looked += len(rows)
        old = maintenance.forecasts(connection, rows, before)
        new = maintenance.forecasts(connection, rows, after)
        was = {row["id"]: _due_on(row, old[row["id"]][1]) for row in rows}
        will = {row["id"]: _due_on(row, new[row["id"]][1]) for row in rows}
        for one in was:
            early, late = was[one], will[one]
            if early == late:
                same += 1
            elif early is None:
                begins += 1
            elif late is None:
                ends += 1
            else:
                moved.append((late - early).days)
        made_before += _reminded(connection, tomorrow, rows, was)
        made_after += _reminded(connection, replace(tomorrow, plans=after), rows, will)
    # Of a sample, those another plan holds for are left out in proportion.
    share = whole / len(chosen) if chosen else 1.0
    moved.sort()

    def of_all(count: int) -> int:
        return round(count * share)

    return Trial(
        vehicles=of_all(looked),
        looked=looked,
        earlier=of_all(sum(days < 0 for days in moved)),
        later=of_all(sum(days > 0 for days in moved)),
        same=of_all(same),
        begins=of_all(begins),
        ends=of_all(ends),
        middle_days=moved[len(moved) // 2] if moved else 0,
        contacts_before=of_all(made_before),
        contacts_after=of_all(made_after),
    )


def _some(connection: Connection, *signs: object) -> tuple[int, list[str]]:
    """How many there are, and the ids of all, or of `MOST` that lie evenly among them."""
    wanted = select(vehicles.c.id).where(*signs)  # type: ignore[arg-type]
    few = list(connection.execute(wanted.limit(MOST + 1)).scalars())
    if len(few) <= MOST:
        return len(few), few
    whole = connection.execute(select(func.count()).select_from(wanted.subquery())).scalar_one()
    every = -(-whole // MOST)
    placed = select(vehicles.c.id, func.row_number().over(order_by=vehicles.c.id).label("place"))
    rows = placed.where(*signs).subquery()  # type: ignore[arg-type]
    chosen = select(rows.c.id).where(rows.c.place % every == 1).order_by(rows.c.id)
    return whole, list(connection.execute(chosen).scalars())


def _touched(row: RowMapping, before: Sequence[Plan], after: Sequence[Plan], plan: Plan) -> bool:
    """Whether the plan holds for this vehicle, or held."""
    brand, model = row["brand"], row["model"]
    return plan_for(after, brand, model) is after[-1] or plan_for(before, brand, model).id == plan.id != ""


def _due_on(row: RowMapping, made: Forecast | None) -> date | None:
    if maintenance.keeps_given(row, made):
        on: date | None = row["next_due_on"]
        return on
    return None if made is None else made.due_on


def _reminded(
    connection: Connection, day: due.Day, rows: Sequence[RowMapping], on: dict[str, date | None]
) -> int:
    """How many reminders that do not exist yet the day would make of these vehicles."""
    oldest = day.today - timedelta(days=due.MOST_DAYS_BACK)
    ready = []
    for row in rows:
        due_on = on[row["id"]]
        lead = plan_for(day.plans, row["brand"], row["model"]).lead_days
        if due_on is not None and oldest < due_on <= day.today + timedelta(days=lead):
            ready.append({**row, "next_due_on": due_on})
    made = {
        reason.occasion for reason, _ in due.reminders(connection, day, cast("Sequence[RowMapping]", ready))
    }
    known: set[str] = set()
    every = sorted(made)
    for start in range(0, len(every), _SHARE):
        some = contact_reasons.c.occasion.in_(every[start : start + _SHARE])
        known |= set(connection.execute(select(contact_reasons.c.occasion).where(some)).scalars())
    return len(made - known)
