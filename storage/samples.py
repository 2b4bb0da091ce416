"""The sample dealership: readable CSV files that become customers, numbers and vehicles, and who calls in the demo."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, select

from crm.records.contacts import Label
from crm.records.customers import BadRecord, CustomerKind, Honorific, Language
from crm.records.vehicles import Role
from storage import appointment_samples, customers, vehicles
from storage.tables.access import users
from storage.tables.records import customers as customer_table
from storage.tables.records import vehicles as vehicle_table
from telephony.numbers import E164, national, parse

#: Files that come with Careline: customers, numbers, vehicles, people, strangers.
SHIPPED: Final = Path(__file__).resolve().parents[1] / "config" / "sample"

#: Area code that completes the sample's landline numbers.
_AREA: Final = "021"


@dataclass(frozen=True, kw_only=True, slots=True)
class SampleCallers:
    """Who may call in the demo, as a trunk delivers the numbers (national form)."""

    #: Numbers of customers, and of strangers nobody has on record.
    numbers: tuple[str, ...]
    #: Numbers of key accounts, a part of `numbers`.
    key_numbers: tuple[str, ...]
    #: Number to the name its owner shows.
    names: Mapping[str, str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Loaded:
    """How many rows a load added; 0 where they were there."""

    customers: int
    contacts: int
    vehicles: int


def load(connection: Connection, now: datetime, folder: Path = SHIPPED) -> Loaded:
    """Add the sample's customers, numbers and vehicles; what is there already stays as it is.

    Own agents are named by login and tied where such a user exists. Raises BadRecord with file and line.
    """
    logins: dict[str, str] = {row[0]: row[1] for row in connection.execute(select(users.c.login, users.c.id))}
    known: dict[str, str] = {
        row[0]: row[1] for row in connection.execute(select(customer_table.c.number, customer_table.c.id))
    }
    added: set[str] = set()
    for row in _rows(folder / "customers.csv"):
        if row["number"] in known:
            continue
        customer = customers.add_customer(
            connection,
            name=row["name"],
            number=row["number"],
            now=now,
            kind=CustomerKind(row["kind"]),
            honorific=Honorific(row["honorific"]),
            language=_language(row["language"]),
            key_account=row["key_account"] == "yes",
            own_agent_id=logins.get(row["own_agent"]),
            note=row["note"],
        )
        known[customer.number] = customer.id
        added.add(customer.number)
    ties = 0
    for row in _rows(folder / "numbers.csv"):
        if row["customer"] in added:
            customers.add_contact(
                connection,
                known[row["customer"]],
                _number(row, folder / "numbers.csv"),
                now,
                label=Label(row["label"]),
                primary=row["primary"] == "yes",
            )
            ties += 1
    cars = _load_vehicles(connection, now, folder, known)
    appointment_samples.load(connection, now)
    return Loaded(customers=len(added), contacts=ties, vehicles=cars)


def tie_agents(connection: Connection, now: datetime, folder: Path = SHIPPED) -> int:
    """Give sample customers their own agents once the users exist; returns how many were tied."""
    logins: dict[str, str] = {row[0]: row[1] for row in connection.execute(select(users.c.login, users.c.id))}
    tied = 0
    for row in _rows(folder / "customers.csv"):
        agent = logins.get(row["own_agent"])
        found = connection.execute(
            select(customer_table.c.id).where(
                customer_table.c.number == row["number"], customer_table.c.own_agent_id.is_(None)
            )
        ).scalar_one_or_none()
        if agent is not None and found is not None:
            customers.change_customer(connection, found, now, own_agent_id=agent)
            tied += 1
    return tied


def sample_callers(folder: Path = SHIPPED) -> SampleCallers:
    """Who calls in the demo. Raises BadRecord with file and line."""
    people = {row["number"]: row for row in _rows(folder / "customers.csv")}
    names: dict[str, str] = {}
    keys: dict[str, None] = {}
    for row in _rows(folder / "numbers.csv"):
        number = national(_number(row, folder / "numbers.csv"))
        owner = people[row["customer"]]
        names.setdefault(number, owner["name"])
        if owner["key_account"] == "yes" and row["primary"] == "yes":
            keys[number] = None
    for row in _rows(folder / "strangers.csv"):
        names.setdefault(national(_number(row, folder / "strangers.csv")), row["name"])
    return SampleCallers(numbers=tuple(names), key_numbers=tuple(keys), names=names)


def _load_vehicles(connection: Connection, now: datetime, folder: Path, known: Mapping[str, str]) -> int:
    there = set(connection.execute(select(vehicle_table.c.vin)).scalars())
    added: dict[str, str] = {}
    for row in _rows(folder / "vehicles.csv"):
        if row["vin"] in there:
            continue
        vehicle = vehicles.add_vehicle(
            connection,
            now=now,
            plate=row["plate"],
            vin=row["vin"],
            brand=row["brand"],
            model=row["model"],
            delivered_on=_date(row["delivered_on"]),
            mileage=int(row["mileage"]) if row["mileage"] else None,
            last_service_on=_date(row["last_service_on"]),
        )
        added[row["vin"]] = vehicle.id
    for row in _rows(folder / "people.csv"):
        if row["vin"] in added:
            vehicles.add_person(connection, added[row["vin"]], known[row["customer"]], Role(row["role"]), now)
    return len(added)


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return [{**row, "line": str(number)} for number, row in enumerate(csv.DictReader(file), start=2)]


def _number(row: Mapping[str, str], path: Path) -> E164:
    number = parse(row["number"], "CN", _AREA)
    if number is None:
        raise BadRecord(f"{path}, line {row['line']}: {row['number']!r} is no telephone number.")
    return number


def _language(text: str) -> Language | None:
    match text:
        case "zh-CN" | "en" as known:
            return known
        case _:
            return None


def _date(text: str) -> date | None:
    return date.fromisoformat(text) if text else None
