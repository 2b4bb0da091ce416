"""What a customer bought and what the workshop did: rows of a vehicle's history, each change in the register."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime
from typing import Any, Final

from sqlalchemy import Connection, RowMapping, Table, delete, insert, select, update

from access.ids import new_id
from access.sentences import Sentence
from crm.records.changes import HOUSE, Author, refuse_stale
from crm.records.customers import BadRecord, EntryNotFound, check_text
from crm.records.purchases import Payment, Purchase, ServiceVisit, VisitKind
from storage.changes import changes_since, customer_subject, note_changes, vehicle_subject
from storage.customers import get_customer
from storage.tables.records import purchases, service_visits
from storage.vehicles import MOST_KILOMETRES, change_vehicle, get_vehicle

#: Largest amount: ten thousand million of the currency, in hundredths.
MOST_CENTS: Final = 10**12
_MOST_ROWS: Final = 500


def purchase_from(row: RowMapping) -> Purchase:
    """The value of a row of `purchases`."""
    return Purchase(**{**row, "payment": Payment(row["payment"])})


def visit_from(row: RowMapping) -> ServiceVisit:
    """The value of a row of `service_visits`."""
    return ServiceVisit(**{**row, "kind": VisitKind(row["kind"])})


def purchases_of_vehicle(connection: Connection, vehicle_id: str) -> list[Purchase]:
    """How a vehicle was bought, newest first."""
    wanted = (
        select(purchases)
        .where(purchases.c.vehicle_id == vehicle_id)
        .order_by(purchases.c.bought_on.desc(), purchases.c.id.desc())
        .limit(_MOST_ROWS)
    )
    return [purchase_from(row) for row in connection.execute(wanted).mappings()]


def visits_of(connection: Connection, vehicle_id: str) -> list[ServiceVisit]:
    """What the workshop did to a vehicle, newest first."""
    wanted = (
        select(service_visits)
        .where(service_visits.c.vehicle_id == vehicle_id)
        .order_by(service_visits.c.visited_on.desc(), service_visits.c.id.desc())
        .limit(_MOST_ROWS)
    )
    return [visit_from(row) for row in connection.execute(wanted).mappings()]


def add_purchase(
    connection: Connection, purchase: Purchase, now: datetime, *, by: Author = HOUSE
) -> Purchase:
    """Add a purchase; its id and times are given here. Raises CustomerNotFound, VehicleNotFound, BadRecord."""
    get_customer(connection, purchase.customer_id)
    if purchase.vehicle_id is not None:
        get_vehicle(connection, purchase.vehicle_id)
    made = replace(purchase, id=new_id(now), created_at=now, updated_at=now, version=1)
    _check_texts(made)
    _check(made.price_cents, made.bought_on, now, price="price_cents", day="bought_on")
    connection.execute(insert(purchases).values(**_row(made)))
    _note(connection, customer_subject(made.customer_id), "purchase", None, made, by, now)
    return made


def change_purchase(
    connection: Connection,
    purchase_id: str,
    version: int,
    now: datetime,
    *,
    by: Author = HOUSE,
    **changes: Any,
) -> Purchase:
    """Change a purchase (not whose it is). Raises EntryNotFound, BadRecord, RecordChanged."""
    before = purchase_from(_one(connection, purchases, purchase_id))
    subject = customer_subject(before.customer_id)
    _stale(connection, subject, "purchase", version, before.version)
    after = replace(before, **changes, updated_at=now, version=before.version + 1)
    if after.vehicle_id is not None and after.vehicle_id != before.vehicle_id:
        get_vehicle(connection, after.vehicle_id)
    _check_texts(after)
    _check(after.price_cents, after.bought_on, now, price="price_cents", day="bought_on")
    connection.execute(update(purchases).where(purchases.c.id == purchase_id).values(**_row(after)))
    _note(connection, subject, "purchase", before, after, by, now)
    return after


def remove_purchase(
    connection: Connection, purchase_id: str, version: int, now: datetime, *, by: Author = HOUSE
) -> None:
    """Take a purchase away that never was; the register keeps what it said. Raises EntryNotFound, RecordChanged."""
    before = purchase_from(_one(connection, purchases, purchase_id))
    subject = customer_subject(before.customer_id)
    _stale(connection, subject, "purchase", version, before.version)
    connection.execute(delete(purchases).where(purchases.c.id == purchase_id))
    _note(connection, subject, "purchase", before, None, by, now)


def add_visit(
    connection: Connection, visit: ServiceVisit, now: datetime, *, by: Author = HOUSE
) -> ServiceVisit:
    """Add a visit to the workshop; the newest one tells the vehicle its mileage and when it is due again.

    Raises VehicleNotFound, CustomerNotFound, BadRecord.
    """
    get_vehicle(connection, visit.vehicle_id)
    if visit.customer_id is not None:
        get_customer(connection, visit.customer_id)
    made = replace(visit, id=new_id(now), created_at=now, updated_at=now, version=1)
    _check_visit(made, now)
    connection.execute(insert(service_visits).values(**_row(made)))
    _note(connection, vehicle_subject(made.vehicle_id), "visit", None, made, by, now)
    _tell_vehicle(connection, made, by, now)
    return made


def change_visit(
    connection: Connection,
    visit_id: str,
    version: int,
    now: datetime,
    *,
    by: Author = HOUSE,
    **changes: Any,
) -> ServiceVisit:
    """Change a visit (not which vehicle it was). Raises EntryNotFound, BadRecord, RecordChanged."""
    before = visit_from(_one(connection, service_visits, visit_id))
    subject = vehicle_subject(before.vehicle_id)
    _stale(connection, subject, "visit", version, before.version)
    after = replace(before, **changes, updated_at=now, version=before.version + 1)
    if after.customer_id is not None and after.customer_id != before.customer_id:
        get_customer(connection, after.customer_id)
    _check_visit(after, now)
    connection.execute(update(service_visits).where(service_visits.c.id == visit_id).values(**_row(after)))
    _note(connection, subject, "visit", before, after, by, now)
    _tell_vehicle(connection, after, by, now)
    return after


def remove_visit(
    connection: Connection, visit_id: str, version: int, now: datetime, *, by: Author = HOUSE
) -> None:
    """Take a visit away that never was; the register keeps what it said. Raises EntryNotFound, RecordChanged."""
    before = visit_from(_one(connection, service_visits, visit_id))
    subject = vehicle_subject(before.vehicle_id)
    _stale(connection, subject, "visit", version, before.version)
    connection.execute(delete(service_visits).where(service_visits.c.id == visit_id))
    _note(connection, subject, "visit", before, None, by, now)


def owner_of_purchase(connection: Connection, purchase_id: str) -> str:
    """The customer whose purchase it is. Raises EntryNotFound."""
    return str(_one(connection, purchases, purchase_id)["customer_id"])


def vehicle_of_visit(connection: Connection, visit_id: str) -> str:
    """The vehicle whose visit it is. Raises EntryNotFound."""
    return str(_one(connection, service_visits, visit_id)["vehicle_id"])


def _tell_vehicle(connection: Connection, visit: ServiceVisit, by: Author, now: datetime) -> None:
    """What the newest visit means for the vehicle."""
    vehicle = get_vehicle(connection, visit.vehicle_id)
    if vehicle.last_service_on is not None and visit.visited_on < vehicle.last_service_on:
        return
    changes: dict[str, Any] = {"last_service_on": visit.visited_on}
    if visit.mileage is not None and visit.mileage >= (vehicle.mileage or 0):
        changes |= {"mileage": visit.mileage, "mileage_on": visit.visited_on}
    if visit.next_due_on is not None or visit.next_due_mileage is not None:
        changes |= {
            "next_due_on": visit.next_due_on,
            "next_due_mileage": visit.next_due_mileage,
            "next_due_why": f"{visit.kind.value} {visit.visited_on.isoformat()}",
        }
    change_vehicle(connection, vehicle.id, now, by=by, **changes)


def _row(value: Purchase | ServiceVisit) -> dict[str, Any]:
    return {name: getattr(value, name) for name in value.__slots__}


def _one(connection: Connection, table: Table, id: str) -> RowMapping:
    row = connection.execute(select(table).where(table.c.id == id).with_for_update()).mappings().one_or_none()
    if row is None:
        raise EntryNotFound("There is no such entry.")
    return row


def _stale(connection: Connection, subject: str, what: str, wanted: int, found: int) -> None:
    if wanted != found:
        since = [one for one in changes_since(connection, subject, wanted) if one.field.startswith(what)]
        refuse_stale(what, wanted, found, since)


_UNTOLD: Final = frozenset({"id", "created_at", "updated_at", "version", "customer_id", "vehicle_id"})


def _note(
    connection: Connection,
    subject: str,
    what: str,
    before: Purchase | ServiceVisit | None,
    after: Purchase | ServiceVisit | None,
    by: Author,
    now: datetime,
) -> None:
    def told(value: Purchase | ServiceVisit | None) -> dict[str, object]:
        if value is None:
            return {}
        return {f"{what}.{name}": item for name, item in _row(value).items() if name not in _UNTOLD}

    old, new = told(before), told(after)
    version = (after or before).version if (after or before) else 1  # type: ignore[union-attr]
    empty = dict.fromkeys(old, "") | dict.fromkeys(new, "")
    old, new = {**empty, **_plain(old)}, {**empty, **_plain(new)}
    note_changes(connection, subject, old, new, by, now, version=version)


def _plain(values: dict[str, object]) -> dict[str, object]:
    """No value and an empty text are the same thing to a reader."""
    return {name: "" if value is None else value for name, value in values.items()}


def _check_texts(value: Purchase | ServiceVisit) -> None:
    longest = {"model": 64, "invoice": 64, "order_number": 64, "note": 2_000}
    for name, most in longest.items():
        if hasattr(value, name):
            check_text(name, getattr(value, name), most)


def _check_visit(visit: ServiceVisit, now: datetime) -> None:
    _check_texts(visit)
    _check(visit.amount_cents, visit.visited_on, now, price="amount_cents", day="visited_on")
    for name in ("mileage", "next_due_mileage"):
        value = getattr(visit, name)
        if value is not None and not 0 <= value <= MOST_KILOMETRES:
            raise BadRecord(
                Sentence("{field}: 0 to {most} km. Nothing was changed.", field=name, most=MOST_KILOMETRES),
                field=name,
            )
    if visit.next_due_on is not None and visit.next_due_on <= visit.visited_on:
        raise BadRecord("The next visit is due after this one. Nothing was changed.", field="next_due_on")


def _check(cents: int | None, on: date, now: datetime, *, price: str, day: str) -> None:
    if cents is not None and not 0 <= cents <= MOST_CENTS:
        raise BadRecord(
            Sentence("{field}: 0 to {most}. Nothing was changed.", field=price, most=MOST_CENTS), field=price
        )
    # A day ahead: it is tomorrow already east of here.
    if not date(1950, 1, 1) <= on <= date.fromordinal(now.date().toordinal() + 1):
        raise BadRecord("The day cannot be right. Nothing was changed.", field=day)
