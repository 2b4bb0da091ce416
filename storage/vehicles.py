"""Vehicles and the people who have to do with them."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection, RowMapping, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import IntegrityError

from access.ids import new_id
from crm.records.customers import BadRecord, VehicleNotFound, VinTaken
from crm.records.vehicles import Person, Role, Vehicle, VehicleId, parse_plate, parse_vin, reversed_keys
from storage.tables.records import vehicle_people, vehicles


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
    }


def _read_plate(plate: str | None) -> str | None:
    if not plate:
        return None
    parsed = parse_plate(plate)
    if parsed is None:
        raise BadRecord(f"{plate[:20]!r} is no plate. Nothing was changed.")
    return parsed.text


def _read_vin(vin: str | None) -> str | None:
    if not vin:
        return None
    parsed = parse_vin(vin)
    if parsed is None:
        raise BadRecord(f"{vin[:20]!r} is no VIN: it has 17 letters and digits. Nothing was changed.")
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
) -> Vehicle:
    """Add a vehicle. Raises BadRecord where plate or VIN cannot be one, VinTaken."""
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
    )
    try:
        with connection.begin_nested():
            connection.execute(insert(vehicles).values(**vehicle_row(vehicle)))
    except IntegrityError as error:
        raise VinTaken(f"The VIN {vehicle.vin} is another vehicle's. Nothing was added.") from error
    return vehicle


def get_vehicle(connection: Connection, vehicle_id: str) -> Vehicle:
    """One vehicle. Raises VehicleNotFound."""
    row = connection.execute(select(vehicles).where(vehicles.c.id == vehicle_id)).mappings().one_or_none()
    if row is None:
        raise VehicleNotFound("There is no such vehicle.")
    return vehicle_from(row)


def change_vehicle(connection: Connection, vehicle_id: str, now: datetime, **changes: Any) -> Vehicle:
    """Change fields of a vehicle (not its id or times). Raises VehicleNotFound, BadRecord, VinTaken."""
    if "plate" in changes:
        changes["plate"] = _read_plate(changes["plate"])
    if "vin" in changes:
        changes["vin"] = _read_vin(changes["vin"])
    changed = replace(get_vehicle(connection, vehicle_id), **changes, updated_at=now)
    try:
        with connection.begin_nested():
            connection.execute(
                update(vehicles).where(vehicles.c.id == vehicle_id).values(**vehicle_row(changed))
            )
    except IntegrityError as error:
        raise VinTaken(f"The VIN {changed.vin} is another vehicle's. Nothing was changed.") from error
    return changed


def add_person(connection: Connection, vehicle_id: str, customer_id: str, role: Role, now: datetime) -> None:
    """Tie a customer to a vehicle; again is harmless, and brings back somebody who had left."""
    engine = postgresql if connection.dialect.name == "postgresql" else sqlite
    tie = engine.insert(vehicle_people).values(
        vehicle_id=vehicle_id, customer_id=customer_id, role=role, since=now, ended_at=None
    )
    connection.execute(
        tie.on_conflict_do_update(
            index_elements=["vehicle_id", "customer_id", "role"], set_={"ended_at": None}
        )
    )


def end_person(connection: Connection, vehicle_id: str, customer_id: str, role: Role, now: datetime) -> bool:
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
    return connection.execute(ended).rowcount == 1


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
