"""Maintenance plans and readings, and the forecast that stands on a vehicle.

What changes a forecast (a visit, a new or sold vehicle, a corrected mileage) is already a committed row: of the
register of changes or of the visits, whoever wrote it, an import included. `gather` reads on from where it was, so
that no path of writing becomes slower, and leaves a mark per vehicle; `work_through` reckons the marked ones.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Connection,
    RowMapping,
    and_,
    delete,
    false,
    insert,
    or_,
    select,
    true,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import IntegrityError

from access.ids import new_id, stamp
from access.users import Principal
from crm.maintenance.forecast import Forecast, Reading, Visit, forecast, plausible
from crm.maintenance.plans import (
    DEFAULT,
    BadPlan,
    DatedItem,
    Interval,
    Plan,
    PlanChanged,
    PlanNotFound,
    check,
    plan_for,
)
from crm.records.purchases import VisitKind
from crm.records.vehicles import VehicleState
from storage.tables.maintenance import (
    forecast_cursors,
    forecast_marks,
    maintenance_plans,
    odometer_readings,
)
from storage.tables.records import record_changes, service_visits, vehicles

#: Rows younger than this are left for the next look: a transaction that began earlier may still commit.
SETTLED: Final = timedelta(minutes=2)
#: What `next_due_why` begins with where the house reckoned it itself.
RECKONED: Final = "plan "
_MOST_KM: Final = 9_999_999
_SUBJECT: Final = "vehicle:"
_TAKEN: Final = "There is a plan for this model already. Nothing was changed; change that one."


def _insert(connection: Connection, table: Any) -> Any:
    return (postgresql if connection.dialect.name == "postgresql" else sqlite).insert(table)


# -- plans --------------------------------------------------------------------------------------------


def plan_from(row: RowMapping) -> Plan:
    """The value of a row of `maintenance_plans`."""
    body = row["body"]
    return Plan(
        id=row["id"],
        brand=row["brand"],
        model=row["model"],
        name=row["name"],
        version=row["version"],
        first=Interval(**body["first"]),
        periodic=Interval(**body["periodic"]),
        lead_days=body["lead_days"],
        useful_days=body["useful_days"],
        km_per_day=body["km_per_day"],
        fulfilled_by=tuple(VisitKind(one) for one in body["fulfilled_by"]),
        items=tuple(DatedItem(**one) for one in body["items"]),
        updated_at=row["saved_at"],
        updated_by_name=row["saved_by_name"],
        retired_at=row["retired_at"],
        begins_on=row["begins_on"],
    )


def _body(plan: Plan) -> dict[str, Any]:
    return {
        "first": {"months": plan.first.months, "km": plan.first.km},
        "periodic": {"months": plan.periodic.months, "km": plan.periodic.km},
        "lead_days": plan.lead_days,
        "useful_days": plan.useful_days,
        "km_per_day": plan.km_per_day,
        "fulfilled_by": [one.value for one in plan.fulfilled_by],
        "items": [
            {"name": one.name, "every_months": one.every_months, "lead_days": one.lead_days}
            for one in plan.items
        ],
    }


def plans(connection: Connection) -> list[Plan]:
    """The plans that hold, the house's default first; the built-in default where it has none."""
    rows = connection.execute(
        select(maintenance_plans)
        .where(maintenance_plans.c.holds.is_not(None))
        .order_by(maintenance_plans.c.brand, maintenance_plans.c.model)
    ).mappings()
    found = [plan_from(row) for row in rows]
    return found if any(one.is_default for one in found) else [DEFAULT, *found]


def retired_plans(connection: Connection) -> list[Plan]:
    """The last version of every plan that holds no longer."""
    newest = maintenance_plans.alias()
    later = select(newest.c.version).where(
        newest.c.id == maintenance_plans.c.id, newest.c.version > maintenance_plans.c.version
    )
    rows = connection.execute(
        select(maintenance_plans)
        .where(maintenance_plans.c.retired_at.is_not(None), ~later.exists())
        .order_by(maintenance_plans.c.brand, maintenance_plans.c.model, maintenance_plans.c.id)
    ).mappings()
    return [plan_from(row) for row in rows]


def vehicle_rows(connection: Connection, vehicle_ids: Collection[str]) -> Sequence[RowMapping]:
    """Rows of `vehicles`, for `forecasts`."""
    wanted = select(vehicles).where(vehicles.c.id.in_(list(vehicle_ids))).order_by(vehicles.c.id)
    return connection.execute(wanted).mappings().all()


def versions(connection: Connection, plan_id: str) -> list[Plan]:
    """Every version of a plan, the newest first. Raises PlanNotFound."""
    rows = connection.execute(
        select(maintenance_plans)
        .where(maintenance_plans.c.id == plan_id)
        .order_by(maintenance_plans.c.version.desc())
    ).mappings()
    found = [plan_from(row) for row in rows]
    if not found:
        raise PlanNotFound("There is no such plan.")
    return found


def waiting_plans(connection: Connection) -> list[Plan]:
    """Versions saved for a day to come: the newest of their plan, which do not hold yet."""
    newest = maintenance_plans.alias()
    later = select(newest.c.version).where(
        newest.c.id == maintenance_plans.c.id, newest.c.version > maintenance_plans.c.version
    )
    rows = connection.execute(
        select(maintenance_plans)
        .where(
            maintenance_plans.c.holds.is_(None),
            maintenance_plans.c.begins_on.is_not(None),
            maintenance_plans.c.retired_at.is_(None),
            ~later.exists(),
        )
        .order_by(maintenance_plans.c.begins_on, maintenance_plans.c.id)
    ).mappings()
    return [plan_from(row) for row in rows]


def begin_waiting(connection: Connection, today: date, now: datetime) -> int:
    """Versions whose day has come hold from now on; their vehicles are reckoned anew. Gives how many."""
    begun = 0
    for one in waiting_plans(connection):
        if one.begins_on is None or one.begins_on > today:
            continue
        of_plan = maintenance_plans.c.id == one.id
        try:
            with connection.begin_nested():
                connection.execute(update(maintenance_plans).where(of_plan).values(holds=None))
                connection.execute(
                    update(maintenance_plans)
                    .where(of_plan, maintenance_plans.c.version == one.version)
                    .values(holds=_key(one))
                )
        except IntegrityError:  # another plan holds for this model by now: this one stays a plan for later
            continue
        _mark_model(connection, one, now)
        begun += 1
    return begun


def waits_until(connection: Connection, today: date) -> bool:
    """Whether `begin_waiting` would find anything."""
    return any(one.begins_on is not None and one.begins_on <= today for one in waiting_plans(connection))


def _key(plan: Plan) -> str:
    return f"{plan.brand}/{plan.model}"


def save_plan(
    connection: Connection, plan: Plan, *, by: Principal, now: datetime, today: date | None = None
) -> Plan:
    """A new plan, or the next version of one; from `plan.begins_on`, where that is after `today`.

    Raises BadPlan, PlanNotFound, PlanChanged.
    """
    check(plan)
    if plan.begins_on is not None and today is not None and plan.begins_on < today:
        raise BadPlan("A version holds from today or a later day. Nothing was changed.", field="begins_on")
    waits = plan.begins_on is not None and today is not None and plan.begins_on > today
    version = 1
    if plan.id:
        version = _stand(connection, plan.id, plan.version).version + 1
        if not waits:
            connection.execute(
                update(maintenance_plans).where(maintenance_plans.c.id == plan.id).values(holds=None)
            )
    others = [*plans(connection), *waiting_plans(connection)]
    if any(one.id not in ("", plan.id) and _key(one) == _key(plan) for one in others):
        raise BadPlan(_TAKEN, field="model")
    saved = replace(
        plan,
        id=plan.id or new_id(now),
        version=version,
        updated_at=now,
        updated_by_name=by.name[:64],
        retired_at=None,
    )
    try:
        with connection.begin_nested():
            connection.execute(
                insert(maintenance_plans).values(
                    id=saved.id,
                    version=version,
                    holds=None if waits else _key(saved),
                    brand=saved.brand,
                    model=saved.model,
                    name=saved.name,
                    body=_body(saved),
                    saved_at=now,
                    saved_by=by.user_id,
                    saved_by_name=by.name[:64],
                    retired_at=None,
                    begins_on=saved.begins_on,
                )
            )
    except IntegrityError as error:
        raise BadPlan(_TAKEN, field="model") from error
    if not waits:
        _mark_model(connection, saved, now)
    return saved


def retire_plan(connection: Connection, plan_id: str, version: int, *, now: datetime) -> Plan:
    """The plan holds no longer; its vehicles fall to the plan of the brand or of the house."""
    before = _stand(connection, plan_id, version)
    connection.execute(
        update(maintenance_plans)
        .where(maintenance_plans.c.id == plan_id, maintenance_plans.c.version == version)
        .values(retired_at=now)
    )
    connection.execute(update(maintenance_plans).where(maintenance_plans.c.id == plan_id).values(holds=None))
    _mark_model(connection, before, now)
    return replace(before, retired_at=now)


def _stand(connection: Connection, plan_id: str, version: int) -> Plan:
    rows = connection.execute(
        select(maintenance_plans)
        .where(maintenance_plans.c.id == plan_id)
        .order_by(maintenance_plans.c.version.desc())
        .limit(1)
        .with_for_update()
    ).mappings()
    row = rows.first()
    if row is None:
        raise PlanNotFound("There is no such plan.")
    found = plan_from(row)
    over = found.retired_at is not None or (row["holds"] is None and found.begins_on is None)
    if found.version != version or over:
        raise PlanChanged("Somebody has changed this plan meanwhile. Nothing was changed; look at it again.")
    return found


def _mark_model(connection: Connection, plan: Plan, now: datetime) -> None:
    """Every vehicle the plan speaks of is reckoned anew, by and by."""
    _put_cursor(connection, f"plan:{plan.id}"[:32], "", now)


# -- readings -----------------------------------------------------------------------------------------


def add_reading(
    connection: Connection,
    vehicle_id: str,
    km: int,
    read_on: date,
    *,
    source: str,
    by: Principal | None,
    now: datetime,
    today: date,
    call_id: str | None = None,
) -> None:
    """What the odometer showed; the later answer of one day and source stands. Raises BadPlan."""
    if not 0 <= km <= _MOST_KM:
        raise BadPlan("An odometer shows 0 to 9999999 km. Nothing was changed.", field="km")
    if read_on > today:
        raise BadPlan("A reading is of today or earlier. Nothing was changed.", field="read_on")
    row = _insert(connection, odometer_readings).values(
        id=new_id(now),
        vehicle_id=vehicle_id,
        read_on=read_on,
        km=km,
        source=source[:16],
        call_id=call_id,
        by_id=by.user_id if by else None,
        by_name=by.name[:64] if by else "",
        at=now,
    )
    connection.execute(
        row.on_conflict_do_update(
            index_elements=["vehicle_id", "read_on", "source"],
            set_={name: row.excluded[name] for name in ("km", "call_id", "by_id", "by_name", "at")},
        )
    )
    mark(connection, [vehicle_id], now)


# -- marks --------------------------------------------------------------------------------------------


def mark(connection: Connection, vehicle_ids: Collection[str], now: datetime) -> None:
    """These vehicles' forecasts are to be reckoned anew."""
    rows = [{"vehicle_id": one, "at": now} for one in sorted(set(vehicle_ids))]
    if rows:
        connection.execute(_insert(connection, forecast_marks).on_conflict_do_nothing(), rows)


def _cursor(connection: Connection, name: str) -> str:
    found = connection.execute(
        select(forecast_cursors.c.last_id).where(forecast_cursors.c.name == name).with_for_update()
    ).scalar_one_or_none()
    return found or ""


def _put_cursor(connection: Connection, name: str, last_id: str, now: datetime) -> None:
    row = _insert(connection, forecast_cursors).values(name=name, at=now, last_id=last_id)
    connection.execute(
        row.on_conflict_do_update(index_elements=["name"], set_={"at": now, "last_id": last_id})
    )


def gather(connection: Connection, now: datetime, *, limit: int = 1000) -> int:
    """Mark the vehicles of the next rows nobody has looked at. Gives how many rows were read."""
    until = stamp(now - SETTLED)
    read = 0
    sources: Sequence[tuple[str, Any, Any]] = (
        ("changes", record_changes.c.id, record_changes.c.subject),
        ("visits", service_visits.c.id, service_visits.c.vehicle_id),
    )
    for name, key, whose in sources:
        last = _cursor(connection, name)
        rows = connection.execute(
            select(key, whose).where(key > last, key < until).order_by(key).limit(limit)
        ).all()
        if not rows:
            continue
        read += len(rows)
        ids = {
            str(row[1]).removeprefix(_SUBJECT)
            for row in rows
            if name == "visits" or row[1].startswith(_SUBJECT)
        }
        mark(connection, _there(connection, ids), now)
        _put_cursor(connection, name, rows[-1][0], now)
    return read + _gather_plans(connection, now, limit)


def spoken_of(spoken: Iterable[Any]) -> ColumnElement[bool]:
    """For a statement over `vehicles`: those of one of these brands and models; an empty one is every."""
    some = [
        and_(
            true(),
            *([vehicles.c.brand == brand] if brand else []),
            *([vehicles.c.model == model] if model else []),
        )
        for brand, model in spoken
    ]
    return or_(false(), *some)


def _there(connection: Connection, ids: Collection[str]) -> list[str]:
    return list(connection.execute(select(vehicles.c.id).where(vehicles.c.id.in_(ids))).scalars())


def _gather_plans(connection: Connection, now: datetime, limit: int) -> int:
    """Vehicles a changed plan speaks of, a share at a time."""
    waiting = connection.execute(
        select(forecast_cursors.c.name, forecast_cursors.c.last_id)
        .where(forecast_cursors.c.name.startswith("plan:"))
        .order_by(forecast_cursors.c.name)
        .limit(1)
        .with_for_update()
    ).first()
    if waiting is None:
        return 0
    # Every version of it: what an earlier one spoke of falls to another plan.
    spoken = connection.execute(
        select(maintenance_plans.c.brand, maintenance_plans.c.model)
        .where(maintenance_plans.c.id == waiting.name.removeprefix("plan:"))
        .distinct()
    ).all()
    ids: list[str] = []
    if spoken:
        wanted = select(vehicles.c.id).where(vehicles.c.id > waiting.last_id, spoken_of(spoken))
        ids = list(connection.execute(wanted.order_by(vehicles.c.id).limit(limit)).scalars())
    mark(connection, ids, now)
    if len(ids) < limit:
        connection.execute(delete(forecast_cursors).where(forecast_cursors.c.name == waiting.name))
    else:
        _put_cursor(connection, waiting.name, ids[-1], now)
    return len(ids)


# -- forecasts ----------------------------------------------------------------------------------------


def forecasts(
    connection: Connection, rows: Sequence[RowMapping], known: Sequence[Plan]
) -> dict[str, tuple[Plan, Forecast | None, list[Reading]]]:
    """Plan, forecast and readings that count, of rows of `vehicles`; three questions whatever their number."""
    ids = [row["id"] for row in rows]
    visits: defaultdict[str, list[Visit]] = defaultdict(list)
    for one in connection.execute(
        select(
            service_visits.c.vehicle_id,
            service_visits.c.visited_on,
            service_visits.c.kind,
            service_visits.c.mileage,
            service_visits.c.next_due_on,
            service_visits.c.next_due_mileage,
        ).where(service_visits.c.vehicle_id.in_(ids))
    ):
        visits[one[0]].append(
            Visit(on=one[1], kind=VisitKind(one[2]), km=one[3], given_on=one[4], given_km=one[5])
        )
    read: defaultdict[str, list[Reading]] = defaultdict(list)
    for shown in connection.execute(
        select(odometer_readings.c.vehicle_id, odometer_readings.c.read_on, odometer_readings.c.km).where(
            odometer_readings.c.vehicle_id.in_(ids)
        )
    ):
        read[shown[0]].append(Reading(on=shown[1], km=shown[2]))
    found: dict[str, tuple[Plan, Forecast | None, list[Reading]]] = {}
    for row in rows:
        plan = plan_for(known, row["brand"], row["model"])
        if row["mileage"] is not None and row["mileage_on"] is not None:
            read[row["id"]].append(Reading(on=row["mileage_on"], km=row["mileage"]))
        made = None
        if row["state"] == VehicleState.OWNED:
            made = forecast(
                plan,
                delivered_on=row["delivered_on"],
                visits=visits[row["id"]],
                readings=read[row["id"]],
            )
        every = [
            *read[row["id"]],
            *(Reading(on=v.on, km=v.km) for v in visits[row["id"]] if v.km is not None),
        ]
        found[row["id"]] = plan, made, plausible(every)
    return found


def keeps_given(row: RowMapping, made: Forecast | None) -> bool:
    """Whether the date that stands on the vehicle was given from outside and still holds.

    The maker's or an import's own date stands until work that fulfils the plan was done after it was given: its day
    then lies no longer behind that work.
    """
    if row["next_due_on"] is None or row["next_due_why"].startswith(RECKONED):
        return False
    return made is None or made.base_on is None or row["next_due_on"] > made.base_on + timedelta(days=30)


def reckon(connection: Connection, vehicle_ids: Iterable[str], now: datetime) -> dict[str, Forecast | None]:
    """Reckon these vehicles anew and write what has changed; the version and the register stay as they are.

    A forecast is derived: writing it into the register would bury what people changed.
    """
    rows = (
        connection.execute(
            select(vehicles)
            .where(vehicles.c.id.in_(list(vehicle_ids)))
            .order_by(vehicles.c.id)
            .with_for_update()
        )
        .mappings()
        .all()
    )
    made = forecasts(connection, rows, plans(connection))
    result: dict[str, Forecast | None] = {}
    for row in rows:
        found = made[row["id"]][1]
        result[row["id"]] = found
        owned = row["state"] == VehicleState.OWNED
        if owned and keeps_given(row, found):
            continue
        values: dict[str, Any] = {"next_due_on": None, "next_due_mileage": None, "next_due_why": ""}
        if owned and found is not None:
            why = f"{RECKONED}{found.stage.value} {found.cause.value} {found.base_on or ''}".strip()
            values = {"next_due_on": found.due_on, "next_due_mileage": found.due_km, "next_due_why": why}
        if any(row[name] != value for name, value in values.items()):
            connection.execute(update(vehicles).where(vehicles.c.id == row["id"]).values(**values))
    return result


def take_marks(connection: Connection, limit: int) -> list[str]:
    """The vehicles that were marked first; their marks are gone with this transaction."""
    wanted = (
        select(forecast_marks.c.vehicle_id)
        .order_by(forecast_marks.c.at, forecast_marks.c.vehicle_id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    ids = list(connection.execute(wanted).scalars())
    if ids:
        connection.execute(delete(forecast_marks).where(forecast_marks.c.vehicle_id.in_(ids)))
    return ids


def anything_to_reckon(connection: Connection, now: datetime) -> bool:
    """Whether `gather` or `take_marks` would find anything; reads little and writes nothing."""
    if connection.execute(select(forecast_marks.c.vehicle_id).limit(1)).first() is not None:
        return True
    held = dict(
        connection.execute(select(forecast_cursors.c.name, forecast_cursors.c.last_id)).tuples().all()
    )
    if any(name.startswith("plan:") for name in held):
        return True
    until = stamp(now - SETTLED)
    for name, key in (("changes", record_changes.c.id), ("visits", service_visits.c.id)):
        if connection.execute(select(key).where(key > held.get(name, ""), key < until).limit(1)).first():
            return True
    return False
