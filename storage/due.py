"""The day's reasons to call: read from what became due since the last day, a share at a time.

Each share is one short transaction that holds the day's row (`due_runs`), does its part and notes how far it is: two
processes take turns and never do a share twice, a restart goes on where it ended, and callers never wait for long.
Every reason has an occasion, so that a share done again adds nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from time import monotonic
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, RowMapping, and_, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from crm.contacts.contacts import (
    MAINTENANCE_KINDS,
    VEHICLE_KINDS,
    NewReason,
    ReasonKind,
    ReasonState,
)
from crm.contacts.rules import Rule, Rules, due_day, end_of, shifted
from crm.maintenance.forecast import Forecast, Stage
from crm.maintenance.plans import Plan, add_months, plan_for
from crm.records.vehicles import Role, VehicleState
from storage import contacts, maintenance
from storage.tables.contacts import contact_reasons, due_contacts, due_runs
from storage.tables.records import customers, service_visits, vehicle_people, vehicles
from telephony.hours import WorkingTime

#: Rows of one share.
SHARE: Final = 200
#: How far back the first day ever looks, and the longest gap that is made up for.
MOST_DAYS_BACK: Final = 31
#: Years over which dated items of a vehicle come back.
_YEARS: Final = 20
#: Whom to call among a vehicle's people.
ORDER: Final = (Role.OWNER, Role.DRIVER, Role.CONTACT, Role.PAYER)


@dataclass(frozen=True, kw_only=True, slots=True)
class Day:
    """What a share needs to know."""

    today: date
    #: The last day that was done; what became due after it is due now.
    since: date
    now: datetime
    hours: WorkingTime
    rules: Rules
    plans: Sequence[Plan]
    #: Other rules hold than on the last day: what they make due of the days before is looked for once.
    new_rules: bool = False


#: Rows behind `after`: the reasons, the row to go on behind ("" at the end).
Part = Callable[[Connection, Day, str, int], tuple[list[tuple[NewReason, str | None]], str]]


def today_of(now: datetime, hours: WorkingTime) -> date:
    """The house's date."""
    return hours.date_of(now)


def is_due(connection: Connection, now: datetime, hours: WorkingTime) -> bool:
    """Whether the day's generation is still to be done, at its time of day or after it."""
    day = today_of(now, hours)
    local = now.astimezone(hours.zone)
    if local.hour * 60 + local.minute < contacts.rules_of(connection).at_minute:
        return False
    finished = connection.execute(select(due_runs.c.finished_at).where(due_runs.c.day == day)).first()
    return finished is None or finished[0] is None


def run_share(connection: Connection, now: datetime, hours: WorkingTime, *, limit: int = SHARE) -> bool:
    """Do the next share of today's work. False: the day is done."""
    began = monotonic()
    today = today_of(now, hours)
    engine = postgresql if connection.dialect.name == "postgresql" else sqlite
    first = next(iter(_PARTS))
    connection.execute(
        engine.insert(due_runs)
        .values(day=today, started_at=now, part=first, after="", counts={}, seconds=0.0)
        .on_conflict_do_nothing()
    )
    run = (
        connection.execute(select(due_runs).where(due_runs.c.day == today).with_for_update()).mappings().one()
    )
    if run["finished_at"] is not None:
        return False
    before = connection.execute(
        select(due_runs.c.day, due_runs.c.started_at)
        .where(due_runs.c.day < today, due_runs.c.finished_at.is_not(None))
        .order_by(due_runs.c.day.desc())
        .limit(1)
    ).first()
    last = None if before is None else before.day
    oldest = today - timedelta(days=MOST_DAYS_BACK)
    rules = contacts.rules_of(connection)
    day = Day(
        today=today,
        since=max(last or oldest, oldest),
        now=now,
        hours=hours,
        rules=rules,
        plans=maintenance.plans(connection),
        new_rules=before is None or contacts.rules_changed_since(connection, before.started_at),
    )
    names = list(_PARTS)
    name = run["part"] if run["part"] in _PARTS else first
    found, after = _PARTS[name](connection, day, run["after"], limit)
    plan_ids = {reason.occasion: plan_id for reason, plan_id in found if plan_id}
    added = contacts.add_reasons(
        connection, [reason for reason, _ in found], now, rules=rules, plan_ids=plan_ids
    )
    counts = dict(run["counts"])
    counts[name] = counts.get(name, 0) + added
    place = names.index(name) + (0 if after else 1)
    done = place >= len(names)
    connection.execute(
        update(due_runs)
        .where(due_runs.c.day == today)
        .values(
            part="" if done else names[place],
            after=after,
            counts=counts,
            seconds=run["seconds"] + monotonic() - began,
            finished_at=now if done else None,
        )
    )
    return not done


def runs(connection: Connection, limit: int = 30) -> list[dict[str, Any]]:
    """Days of generation, the newest first."""
    rows = connection.execute(select(due_runs).order_by(due_runs.c.day.desc()).limit(limit)).mappings()
    return [dict(row) for row in rows]


# -- whom to call -------------------------------------------------------------------------------------


def people_of(connection: Connection, vehicle_ids: Collection[str]) -> dict[str, list[str]]:
    """Whom to call about each vehicle, in the order to try: owner, driver, contact, payer."""
    rows = connection.execute(
        select(vehicle_people.c.vehicle_id, vehicle_people.c.customer_id, vehicle_people.c.role).where(
            vehicle_people.c.vehicle_id.in_(vehicle_ids), vehicle_people.c.ended_at.is_(None)
        )
    ).all()
    places = {role.value: place for place, role in enumerate(ORDER)}
    found: dict[str, list[str]] = {}
    for vehicle_id, customer_id, _ in sorted(rows, key=lambda row: (places.get(row[2], 9), row[1])):
        people = found.setdefault(vehicle_id, [])
        if customer_id not in people:
            people.append(customer_id)
    return found


def _call_day(day: Day, due_on: date, useful_days: int) -> tuple[datetime, datetime]:
    """Deadline of the call and the end of its use; what is late is due today."""
    on = max(shifted(due_on, day.hours), shifted(day.today, day.hours) if due_on < day.today else due_on)
    return end_of(on, day.hours), end_of(due_on + timedelta(days=useful_days), day.hours)


# -- parts --------------------------------------------------------------------------------------------


def _delivered(
    connection: Connection, day: Day, after: str, limit: int
) -> tuple[list[tuple[NewReason, str | None]], str]:
    rule = day.rules.rule(ReasonKind.DELIVERY_VISIT)
    if not rule.on:
        return [], ""
    rows = _events(
        connection,
        vehicles,
        vehicles.c.delivered_on,
        day,
        rule.days,
        after,
        limit,
        vehicles.c.state == VehicleState.OWNED,
    )
    return _delivery_visits(connection, day, rows), _behind(rows, "delivered_on", limit)


def _delivery_visits(
    connection: Connection, day: Day, rows: Sequence[RowMapping]
) -> list[tuple[NewReason, str | None]]:
    """Visits after the deliveries of these vehicles, as far as they are due by now."""
    rule = day.rules.rule(ReasonKind.DELIVERY_VISIT)
    people = people_of(connection, [row["id"] for row in rows])
    made: list[tuple[NewReason, str | None]] = []
    for row in rows:
        on = due_day(row["delivered_on"], rule, day.hours)
        if on > day.today or row["id"] not in people:
            continue
        made.append(
            (
                NewReason(
                    kind=ReasonKind.DELIVERY_VISIT,
                    occasion=f"delivery_visit:{row['id']}:{row['delivered_on']}",
                    customer_id=people[row["id"]][0],
                    vehicle_id=row["id"],
                    due_at=_call_day(day, on, rule.useful_days)[0],
                    expires_at=end_of(on + timedelta(days=rule.useful_days), day.hours),
                    why={"delivered_on": row["delivered_on"].isoformat(), "days": rule.days},
                ),
                None,
            )
        )
    return made


def _serviced(
    connection: Connection, day: Day, after: str, limit: int
) -> tuple[list[tuple[NewReason, str | None]], str]:
    rule = day.rules.rule(ReasonKind.SERVICE_VISIT)
    if not rule.on:
        return [], ""
    rows = _events(connection, service_visits, service_visits.c.visited_on, day, rule.days, after, limit)
    return _service_visits(connection, day, rows), _behind(rows, "visited_on", limit)


def _service_visits(
    connection: Connection, day: Day, rows: Sequence[RowMapping]
) -> list[tuple[NewReason, str | None]]:
    """Visits after these visits to the workshop, as far as they are due by now."""
    rule = day.rules.rule(ReasonKind.SERVICE_VISIT)
    ids = {row["vehicle_id"] for row in rows}
    people = people_of(connection, ids)
    owned = set(
        connection.execute(
            select(vehicles.c.id).where(vehicles.c.id.in_(ids), vehicles.c.state == VehicleState.OWNED)
        ).scalars()
    )
    made: list[tuple[NewReason, str | None]] = []
    for row in rows:
        on = due_day(row["visited_on"], rule, day.hours)
        whose = row["customer_id"] or next(iter(people.get(row["vehicle_id"], [])), None)
        if on > day.today or whose is None or row["vehicle_id"] not in owned:
            continue
        made.append(
            (
                NewReason(
                    kind=ReasonKind.SERVICE_VISIT,
                    # A car that came twice on a day, or two lines of one order: one visit to ask about.
                    occasion=f"service_visit:{row['vehicle_id']}:{row['visited_on']}",
                    customer_id=whose,
                    vehicle_id=row["vehicle_id"],
                    due_at=_call_day(day, on, rule.useful_days)[0],
                    expires_at=end_of(on + timedelta(days=rule.useful_days), day.hours),
                    why={
                        "visited_on": row["visited_on"].isoformat(),
                        "work": row["kind"],
                        "order_number": row["order_number"],
                        "days": rule.days,
                    },
                ),
                None,
            )
        )
    return made


def _events(
    connection: Connection,
    table: Any,
    on: ColumnElement[date],
    day: Day,
    days: int,
    after: str,
    limit: int,
    *signs: ColumnElement[bool],
) -> Sequence[RowMapping]:
    """Rows of the days whose call may be due by now: those the last day could not reach.

    A day that fell on one the house does not work waits for the next one that is, so it goes back to the last one
    worked. What became known late (a visit typed or imported days after it was) is `settle`'s; only after other
    rules were saved it is looked for here, as far back as they say.
    """
    last = day.today - timedelta(days=days)
    reached = day.since
    while not day.hours.is_working_day(reached) and reached > day.today - timedelta(days=MOST_DAYS_BACK):
        reached -= timedelta(days=1)
    first = min(reached - timedelta(days=days), last)
    if day.new_rules:
        first -= timedelta(days=day.rules.looks_back_days)
    wanted = select(table).where(on >= first, on <= last, *signs)
    return _page(connection, wanted, on, table.c.id, after, limit)


def _page(
    connection: Connection, wanted: Any, on: Any, key: Any, after: str, limit: int
) -> Sequence[RowMapping]:
    if after:
        last_on, last_id = after.split(" ", 1)
        when = date.fromisoformat(last_on)
        wanted = wanted.where(on >= when, or_(on > when, and_(on == when, key > last_id)))
    return connection.execute(wanted.order_by(on, key).limit(limit)).mappings().all()


def _behind(rows: Sequence[RowMapping], on: str, limit: int) -> str:
    return f"{rows[-1][on].isoformat()} {rows[-1]['id']}" if len(rows) == limit else ""


def _maintenance(
    connection: Connection, day: Day, after: str, limit: int
) -> tuple[list[tuple[NewReason, str | None]], str]:
    """Vehicles whose reminder day came since the last day: one range of the index for each lead time there is."""
    leads = sorted({plan.lead_days for plan in day.plans})
    lead_text, _, place = after.partition("|")
    at = leads.index(int(lead_text)) if lead_text and int(lead_text) in leads else 0
    lead = leads[at]
    first, last = day.since + timedelta(days=lead), day.today + timedelta(days=lead)
    wanted = select(vehicles).where(
        vehicles.c.next_due_on > first,
        vehicles.c.next_due_on <= last,
        vehicles.c.state == VehicleState.OWNED,
    )
    rows = _page(connection, wanted, vehicles.c.next_due_on, vehicles.c.id, place, limit)
    mine = [row for row in rows if plan_for(day.plans, row["brand"], row["model"]).lead_days == lead]
    made = reminders(connection, day, mine)
    behind = _behind(rows, "next_due_on", limit)
    if behind:
        return made, f"{lead}|{behind}"
    return made, f"{leads[at + 1]}|" if at + 1 < len(leads) else ""


def reminders(
    connection: Connection, day: Day, rows: Sequence[RowMapping]
) -> list[tuple[NewReason, str | None]]:
    """Reminders of these vehicles, each with its plan; those nobody belongs to have none."""
    if not rows:
        return []
    made = maintenance.forecasts(connection, rows, day.plans)
    people = people_of(connection, [row["id"] for row in rows])
    found = []
    for row in rows:
        plan, forecast, _ = made[row["id"]]
        if row["id"] in people:
            reason = reminder(row, plan, forecast, people[row["id"]][0], day)
            if reason is not None:
                found.append((reason, plan.id or None))
    return found


def reminder(
    row: RowMapping, plan: Plan, forecast: Forecast | None, customer_id: str, day: Day
) -> NewReason | None:
    """The reminder of one vehicle; None where its rule is off."""
    stage = forecast.stage if forecast is not None else Stage.PERIODIC
    kind = ReasonKind.FIRST_MAINTENANCE if stage is Stage.FIRST else ReasonKind.PERIODIC_MAINTENANCE
    if not day.rules.rule(kind).on:
        return None
    due_on: date = row["next_due_on"]
    why = forecast.why() if forecast is not None else {}
    if maintenance.keeps_given(row, forecast) or forecast is None:
        why |= {"cause": "given", "given": row["next_due_why"]}
    why |= {"due_on": due_on.isoformat(), "due_km": row["next_due_mileage"], "lead_days": plan.lead_days}
    base = forecast.base_on if forecast is not None and forecast.base_on else f"due {due_on}"
    return NewReason(
        kind=kind,
        occasion=f"maintenance:{row['id']}:{base}",
        customer_id=customer_id,
        vehicle_id=row["id"],
        due_at=_call_day(day, due_on, plan.useful_days)[0],
        expires_at=end_of(due_on + timedelta(days=plan.useful_days), day.hours),
        why=why,
    )


def _dated(
    connection: Connection, day: Day, after: str, limit: int
) -> tuple[list[tuple[NewReason, str | None]], str]:
    """Inspections and the like: vehicles delivered on one of the days whose turn it is."""
    rule = day.rules.rule(ReasonKind.DATED_ITEM)
    kinds = sorted({(one.name, one.every_months, one.lead_days) for plan in day.plans for one in plan.items})
    if not rule.on or not kinds:
        return [], ""
    number, _, place = after.partition("|")
    at = int(number) if number and int(number) < len(kinds) else 0
    name, every, lead = kinds[at]
    turns: dict[date, date] = {}
    ahead = day.since + timedelta(days=1)
    while ahead <= day.today:
        due_on = ahead + timedelta(days=lead)
        for months in range(every, _YEARS * 12 + 1, every):
            base = add_months(due_on, -months)
            for more in range(4):
                delivered = base + timedelta(days=more)
                if add_months(delivered, months) == due_on:
                    turns[delivered] = due_on
        ahead += timedelta(days=1)
    rows = _page(
        connection,
        select(vehicles).where(
            vehicles.c.delivered_on.in_(sorted(turns)), vehicles.c.state == VehicleState.OWNED
        ),
        vehicles.c.delivered_on,
        vehicles.c.id,
        place,
        limit,
    )
    people = people_of(connection, [row["id"] for row in rows])
    made: list[tuple[NewReason, str | None]] = []
    for row in rows:
        plan = plan_for(day.plans, row["brand"], row["model"])
        item = next(
            (one for one in plan.items if (one.name, one.every_months, one.lead_days) == kinds[at]), None
        )
        if item is None or row["id"] not in people:
            continue
        due_on = turns[row["delivered_on"]]
        made.append(
            (
                NewReason(
                    kind=ReasonKind.DATED_ITEM,
                    occasion=f"item:{row['id']}:{due_on}:{name}",
                    customer_id=people[row["id"]][0],
                    vehicle_id=row["id"],
                    due_at=_call_day(day, due_on, rule.useful_days)[0],
                    expires_at=end_of(due_on + timedelta(days=rule.useful_days), day.hours),
                    why={
                        "item": name,
                        "due_on": due_on.isoformat(),
                        "every_months": every,
                        "delivered_on": row["delivered_on"].isoformat(),
                    },
                ),
                plan.id or None,
            )
        )
    behind = _behind(rows, "delivered_on", limit)
    if behind:
        return made, f"{at}|{behind}"
    return made, f"{at + 1}|" if at + 1 < len(kinds) else ""


def _key_accounts(
    connection: Connection, day: Day, after: str, limit: int
) -> tuple[list[tuple[NewReason, str | None]], str]:
    rule = day.rules.rule(ReasonKind.KEY_ACCOUNT)
    if not rule.on:
        return [], ""
    rows = (
        connection.execute(
            select(customers)
            .where(customers.c.key_account, customers.c.number > after, customers.c.merged_into.is_(None))
            .order_by(customers.c.number)
            .limit(limit)
        )
        .mappings()
        .all()
    )
    made: list[tuple[NewReason, str | None]] = []
    for row in rows:
        every = (
            row["visit_every_days"]
            or day.rules.class_days.get(row["customer_class"] or "")
            or day.rules.key_account_days
        )
        since = row["visited_on"] or day.hours.date_of(row["created_at"])
        on = since + timedelta(days=every)
        if on > day.today:
            continue
        expires = end_of(max(on, day.today) + timedelta(days=rule.useful_days), day.hours)
        made.append(
            (
                NewReason(
                    kind=ReasonKind.KEY_ACCOUNT,
                    occasion=f"key_account:{row['id']}:{since}",
                    customer_id=row["id"],
                    due_at=_call_day(day, on, rule.useful_days)[0],
                    expires_at=expires,
                    why={"since": since.isoformat(), "every_days": every},
                ),
                None,
            )
        )
    return made, rows[-1]["number"] if len(rows) == limit else ""


#: The parts of a day, in their order.
_PARTS: Final[Mapping[str, Part]] = {
    "delivered": _delivered,
    "serviced": _serviced,
    "maintenance": _maintenance,
    "dated": _dated,
    "key_accounts": _key_accounts,
}


# -- between the days ---------------------------------------------------------------------------------


def _is_early(vehicle: RowMapping, tries: int, today: date, plans: Sequence[Plan]) -> bool:
    """Whether nobody has tried to call yet and the vehicle is due later than its plan's lead reaches."""
    due_on = vehicle["next_due_on"]
    if due_on is None or tries:
        return False
    lead = plan_for(plans, vehicle["brand"], vehicle["model"]).lead_days
    return bool(due_on > today + timedelta(days=lead))


def settle(connection: Connection, now: datetime, hours: WorkingTime, *, limit: int = SHARE) -> int:
    """Reckon marked vehicles anew; what was done or sold meanwhile stops its reminders, what came due makes one.

    Gives how many vehicles were looked at.
    """
    ids = maintenance.take_marks(connection, limit)
    if not ids:
        return 0
    made = maintenance.reckon(connection, ids, now)
    rows = connection.execute(select(vehicles).where(vehicles.c.id.in_(ids))).mappings().all()
    standing = connection.execute(
        select(
            contact_reasons.c.id,
            contact_reasons.c.vehicle_id,
            contact_reasons.c.kind,
            contact_reasons.c.why,
            contact_reasons.c.created_at,
            due_contacts.c.tries,
        )
        .join(due_contacts, due_contacts.c.id == contact_reasons.c.contact_id)
        .where(
            contact_reasons.c.vehicle_id.in_(ids),
            contact_reasons.c.state == ReasonState.OPEN,
            contact_reasons.c.kind.in_([one.value for one in VEHICLE_KINDS]),
        )
    ).all()
    by_id = {row["id"]: row for row in rows}
    known = maintenance.plans(connection)
    for one in standing:
        state = by_id[one.vehicle_id]["state"]
        if state != VehicleState.OWNED:
            contacts.end_reasons(connection, [one.id], ReasonState.CANCELLED, {"code": str(state)}, now)
            continue
        forecast = made.get(one.vehicle_id)
        if one.kind not in MAINTENANCE_KINDS or forecast is None or forecast.base_on is None:
            continue
        based = one.why.get("base_on")
        before = date.fromisoformat(based) if based else hours.date_of(one.created_at) - timedelta(days=1)
        if forecast.base_on > before:
            why = {"code": "fulfilled", "on": forecast.base_on.isoformat()}
            contacts.end_reasons(connection, [one.id], ReasonState.CANCELLED, why, now)
        elif _is_early(by_id[one.vehicle_id], one.tries, hours.date_of(now), known):
            # Nobody has spoken of it: it comes again when its day comes.
            contacts.withdraw_reason(connection, one.id, {"code": "later"}, now)
    rules = contacts.rules_of(connection)
    today = hours.date_of(now)
    day = Day(
        today=today,
        since=today,
        now=now,
        hours=hours,
        rules=rules,
        plans=known,
    )
    due = []
    for row in rows:
        plan = plan_for(day.plans, row["brand"], row["model"])
        if row["state"] != VehicleState.OWNED or row["next_due_on"] is None:
            continue
        # Long overdue when it becomes known (a first import): the house does not call everybody at once.
        first = today - timedelta(days=MOST_DAYS_BACK)
        if first < row["next_due_on"] <= today + timedelta(days=plan.lead_days):
            due.append(row)
    found = reminders(connection, day, due) + _late_events(connection, day, rows)
    contacts.add_reasons(
        connection,
        [reason for reason, _ in found],
        now,
        rules=rules,
        plan_ids={reason.occasion: plan_id for reason, plan_id in found if plan_id},
    )
    return len(ids)


def _late_events(
    connection: Connection, day: Day, rows: Sequence[RowMapping]
) -> list[tuple[NewReason, str | None]]:
    """Deliveries and visits that became known after their day was generated: imported or typed today.

    What the day's generation finds itself has the same occasions, so that neither makes it twice.
    """

    def between(rule: Rule) -> tuple[date, date]:
        last = day.today - timedelta(days=rule.days)
        return last - timedelta(days=day.rules.looks_back_days), last

    found: list[tuple[NewReason, str | None]] = []
    rule = day.rules.rule(ReasonKind.DELIVERY_VISIT)
    if rule.on:
        first, last = between(rule)
        delivered = [
            row
            for row in rows
            if row["state"] == VehicleState.OWNED
            and row["delivered_on"] is not None
            and first <= row["delivered_on"] <= last
        ]
        found += _delivery_visits(connection, day, delivered)
    rule = day.rules.rule(ReasonKind.SERVICE_VISIT)
    if rule.on:
        first, last = between(rule)
        visits = connection.execute(
            select(service_visits).where(
                service_visits.c.vehicle_id.in_([row["id"] for row in rows]),
                service_visits.c.visited_on.between(first, last),
            )
        ).mappings()
        found += _service_visits(connection, day, visits.all())
    return found
