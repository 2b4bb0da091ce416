"""Vehicles and the people who have to do with them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from datetime import date, datetime
from typing import Any, Final

from sqlalchemy import Connection, RowMapping, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import IntegrityError

from access.ids import new_id
from access.sentences import Sentence
from crm.records.changes import HOUSE, Author, refuse_stale
from crm.records.customers import BadRecord, VehicleNotFound, VinTaken, check_text
from crm.records.vehicles import (
    Person,
    Role,
    Vehicle,
    VehicleId,
    VehicleState,
    parse_plate,
    parse_vin,
    reversed_keys,
)
from storage.changes import changes_since, note_change, note_changes, vehicle_subject
from storage.tables.records import customers, vehicle_people, vehicles
from storage.terms import forget_plate, index_plates

#: Most kilometres a reading may have; engines do not last longer, slips of the pen do.
MOST_KILOMETRES: Final = 3_000_000

#: Fields of `Vehicle` that are stored as they are.
_PLAIN: Final = (
    "version",
    "state_since",
    "purpose",
    "mileage_on",
    "next_due_on",
    "next_due_mileage",
    "next_due_why",
)
_LONGEST: Final = {"brand": 32, "model": 64, "purpose": 64, "next_due_why": 64}


def vehicle_from(row: RowMapping) -> Vehicle:
    """The value of a row that holds every column of `vehicles`."""
    return Vehicle(
        id=VehicleId(row[vehicles.c.id]),
        plate=row[vehicles.c.plate],
        vin=row[vehicles.c.vin],
        brand=row[vehicles.c.brand],
        model=row[vehicles.c.model],
        delivered_on=row[vehicles.c.delivered_on],
        mileage=row[vehicles.c.mileage],
        last_service_on=row[vehicles.c.last_service_on],
        created_at=row[vehicles.c.created_at],
        updated_at=row[vehicles.c.updated_at],
        state=VehicleState(row[vehicles.c.state]),
        **{name: row[vehicles.c[name]] for name in _PLAIN},
    )


def vehicle_row(vehicle: Vehicle) -> dict[str, Any]:
    """Column values of a vehicle."""
    return {
        "id": vehicle.id,
        "plate": vehicle.plate,
        "plate_keys": reversed_keys(vehicle.plate) if vehicle.plate else None,
        "vin": vehicle.vin,
        "vin_keys": reversed_keys(vehicle.vin) if vehicle.vin else None,
        "brand": vehicle.brand,
        "model": vehicle.model,
        "delivered_on": vehicle.delivered_on,
        "mileage": vehicle.mileage,
        "last_service_on": vehicle.last_service_on,
        "created_at": vehicle.created_at,
        "updated_at": vehicle.updated_at,
        "state": vehicle.state,
        **{name: getattr(vehicle, name) for name in _PLAIN},
    }


def _shown(vehicle: Vehicle) -> dict[str, object]:
    """What the register of changes compares."""
    row = vehicle_row(vehicle)
    for name in ("id", "plate_keys", "vin_keys", "created_at", "updated_at", "version"):
        del row[name]
    return row


def _check(vehicle: Vehicle) -> None:
    """Raises BadRecord where a field cannot be what was given."""
    for name, longest in _LONGEST.items():
        check_text(name, getattr(vehicle, name), longest)
    for name in ("mileage", "next_due_mileage"):
        value = getattr(vehicle, name)
        if value is not None and not 0 <= value <= MOST_KILOMETRES:
            raise BadRecord(
                Sentence("{field}: 0 to {most} km. Nothing was changed.", field=name, most=MOST_KILOMETRES),
                field=name,
            )


def _read_plate(plate: str | None) -> str | None:
    if not plate:
        return None
    parsed = parse_plate(plate)
    if parsed is None:
        raise BadRecord(
            Sentence("'{value}' is no plate. Nothing was changed.", value=plate[:20]), field="plate"
        )
    return parsed.text


def _read_vin(vin: str | None) -> str | None:
    if not vin:
        return None
    parsed = parse_vin(vin)
    if parsed is None:
        raise BadRecord(
            Sentence(
                "'{value}' is no VIN: it has 17 letters and digits. Nothing was changed.", value=vin[:20]
            ),
            field="vin",
        )
    return parsed


def add_vehicle(
    connection: Connection,
    *,
    now: datetime,
    plate: str | None = None,
    vin: str | None = None,
    brand: str = "",
    model: str = "",
    delivered_on: date | None = None,
    mileage: int | None = None,
    last_service_on: date | None = None,
    by: Author = HOUSE,
    **more: Any,
) -> Vehicle:
    """Add a vehicle; `more` are further fields of `Vehicle`. Raises BadRecord, VinTaken."""
    vehicle = Vehicle(
        id=VehicleId(new_id(now)),
        plate=_read_plate(plate),
        vin=_read_vin(vin),
        brand=brand,
        model=model,
        delivered_on=delivered_on,
        mileage=mileage,
        last_service_on=last_service_on,
        created_at=now,
        updated_at=now,
        **more,
    )
    _check(vehicle)
    try:
        with connection.begin_nested():
            connection.execute(insert(vehicles).values(**vehicle_row(vehicle)))
    except IntegrityError as error:
        raise VinTaken(
            Sentence("The VIN {value} is another vehicle's. Nothing was added.", value=vehicle.vin)
        ) from error
    index_plates(connection, [vehicle.plate] if vehicle.plate else [])
    note_change(
        connection,
        vehicle_subject(vehicle.id),
        "created",
        "",
        vehicle.plate or vehicle.vin or vehicle.model,
        by,
        now,
        version=1,
    )
    return vehicle


def get_vehicle(connection: Connection, vehicle_id: str) -> Vehicle:
    """One vehicle. Raises VehicleNotFound."""
    row = connection.execute(select(vehicles).where(vehicles.c.id == vehicle_id)).mappings().one_or_none()
    if row is None:
        raise VehicleNotFound("There is no such vehicle.")
    return vehicle_from(row)


def change_vehicle(
    connection: Connection,
    vehicle_id: str,
    now: datetime,
    *,
    by: Author = HOUSE,
    version: int | None = None,
    why: str = "",
    extra_changes: int = 0,
    **changes: Any,
) -> Vehicle:
    """Change fields of a vehicle (not its id or times), with a row for each in the register.

    `version` and `extra_changes` as in `storage.customers.change_customer`. A new mileage is of today
    unless `mileage_on` says otherwise. Raises VehicleNotFound, BadRecord, VinTaken, RecordChanged.
    """
    if "plate" in changes:
        changes["plate"] = _read_plate(changes["plate"])
    if "vin" in changes:
        changes["vin"] = _read_vin(changes["vin"])
    before = _locked(connection, vehicle_id)
    subject = vehicle_subject(vehicle_id)
    if version is not None and version != before.version:
        refuse_stale(subject, version, before.version, changes_since(connection, subject, version))
    if "mileage" in changes and "mileage_on" not in changes and changes["mileage"] != before.mileage:
        changes["mileage_on"] = now.date()
    if "state" in changes and changes["state"] != before.state and not changes.get("state_since"):
        changes["state_since"] = now.date()
    changed = replace(before, **changes, updated_at=now, version=before.version + 1)
    _check(changed)
    if _shown(changed) == _shown(before) and not extra_changes:
        return before
    try:
        with connection.begin_nested():
            connection.execute(
                update(vehicles).where(vehicles.c.id == vehicle_id).values(**vehicle_row(changed))
            )
    except IntegrityError as error:
        raise VinTaken(
            Sentence("The VIN {value} is another vehicle's. Nothing was changed.", value=changed.vin)
        ) from error
    note_changes(
        connection, subject, _shown(before), _shown(changed), by, now, version=changed.version, why=why
    )
    if changed.plate != before.plate:
        index_plates(connection, [changed.plate] if changed.plate else [])
        if (
            before.plate
            and not connection.execute(
                select(vehicles.c.id).where(vehicles.c.plate == before.plate).limit(1)
            ).first()
        ):
            forget_plate(connection, before.plate)
    return changed


def _locked(connection: Connection, vehicle_id: str) -> Vehicle:
    """One vehicle, whose row nobody else changes until the transaction ends. Raises VehicleNotFound."""
    row = (
        connection.execute(select(vehicles).where(vehicles.c.id == vehicle_id).with_for_update())
        .mappings()
        .one_or_none()
    )
    if row is None:
        raise VehicleNotFound("There is no such vehicle.")
    return vehicle_from(row)


def add_person(
    connection: Connection,
    vehicle_id: str,
    customer_id: str,
    role: Role,
    now: datetime,
    *,
    by: Author = HOUSE,
) -> None:
    """Tie a customer to a vehicle; again is harmless, and brings back somebody who had left.

    Raises VehicleNotFound.
    """
    engine = postgresql if connection.dialect.name == "postgresql" else sqlite
    there = connection.execute(
        select(vehicle_people.c.ended_at).where(
            vehicle_people.c.vehicle_id == vehicle_id,
            vehicle_people.c.customer_id == customer_id,
            vehicle_people.c.role == role,
        )
    ).one_or_none()
    if there is not None and there[0] is None:
        return
    before = _locked(connection, vehicle_id)
    tie = engine.insert(vehicle_people).values(
        vehicle_id=vehicle_id, customer_id=customer_id, role=role, since=now, ended_at=None
    )
    connection.execute(
        tie.on_conflict_do_update(
            index_elements=["vehicle_id", "customer_id", "role"], set_={"ended_at": None}
        )
    )
    _note_person(connection, before, role, "", customer_id, by, now)


def end_person(
    connection: Connection,
    vehicle_id: str,
    customer_id: str,
    role: Role,
    now: datetime,
    *,
    by: Author = HOUSE,
) -> bool:
    """The customer no longer has this part (the vehicle was sold); the row stays. False where he had not."""
    ended = (
        update(vehicle_people)
        .where(
            vehicle_people.c.vehicle_id == vehicle_id,
            vehicle_people.c.customer_id == customer_id,
            vehicle_people.c.role == role,
            vehicle_people.c.ended_at.is_(None),
        )
        .values(ended_at=now)
    )
    if connection.execute(ended).rowcount != 1:
        return False
    _note_person(connection, _locked(connection, vehicle_id), role, customer_id, "", by, now)
    return True


def _note_person(
    connection: Connection, vehicle: Vehicle, role: Role, old: str, new: str, by: Author, now: datetime
) -> None:
    """Somebody came or left: the record has changed. People are told by their customer number."""
    version = vehicle.version + 1
    connection.execute(
        update(vehicles).where(vehicles.c.id == vehicle.id).values(version=version, updated_at=now)
    )
    number = connection.execute(select(customers.c.number).where(customers.c.id == (old or new))).scalar_one()
    note_change(
        connection,
        vehicle_subject(vehicle.id),
        f"person.{role}",
        number if old else "",
        number if new else "",
        by,
        now,
        version=version,
    )


def people_of(connection: Connection, vehicle_id: str) -> list[Person]:
    """Who has to do with a vehicle now."""
    rows = connection.execute(
        select(vehicle_people)
        .where(vehicle_people.c.vehicle_id == vehicle_id, vehicle_people.c.ended_at.is_(None))
        .order_by(vehicle_people.c.role, vehicle_people.c.customer_id)
    ).mappings()
    return [
        Person(vehicle_id=row["vehicle_id"], customer_id=row["customer_id"], role=Role(row["role"]))
        for row in rows
    ]


def vehicles_of(connection: Connection, customer_id: str) -> list[tuple[Vehicle, Role]]:
    """A customer's vehicles with his part in each, newest delivery first."""
    rows = connection.execute(
        select(vehicles, vehicle_people.c.role)
        .select_from(vehicle_people.join(vehicles, vehicles.c.id == vehicle_people.c.vehicle_id))
        .where(vehicle_people.c.customer_id == customer_id, vehicle_people.c.ended_at.is_(None))
        .order_by(vehicles.c.delivered_on.desc(), vehicles.c.id)
    ).mappings()
    return [(vehicle_from(row), Role(row[vehicle_people.c.role])) for row in rows]


def plates_of(connection: Connection, customer_ids: Collection[str]) -> dict[str, list[str]]:
    """Plates of the vehicles these customers have to do with now, each once."""
    found: dict[str, list[str]] = {}
    rows = connection.execute(
        select(vehicle_people.c.customer_id, vehicles.c.plate)
        .join(vehicles, vehicles.c.id == vehicle_people.c.vehicle_id)
        .where(
            vehicle_people.c.customer_id.in_(list(customer_ids)),
            vehicle_people.c.ended_at.is_(None),
            vehicles.c.plate.is_not(None),
        )
        .distinct()
        .order_by(vehicles.c.plate)
    )
    for customer_id, plate in rows:
        found.setdefault(customer_id, []).append(plate)
    return found


def plates(connection: Connection, vehicle_ids: Collection[str]) -> dict[str, str]:
    """Plates of these vehicles; those without one are left out."""
    rows = connection.execute(
        select(vehicles.c.id, vehicles.c.plate).where(
            vehicles.c.id.in_(list(vehicle_ids)), vehicles.c.plate.is_not(None)
        )
    )
    return {row.id: row.plate for row in rows}
