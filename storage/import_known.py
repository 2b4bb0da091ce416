"""What is on record around the rows of an import: read with a few questions, and held against a later reading."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import Connection

from crm.imports.buying import FIELDS_OF_PURCHASE
from crm.imports.checking import Checked
from crm.imports.fields import ImportKind
from crm.imports.known import CustomerNow, Known, PurchaseNow, VehicleNow, VisitNow
from crm.imports.own_fields import NO_OWN, Own
from crm.records.fields import show_value
from storage.bulk import fetch_any, walk_indexes
from storage.tables.consent import optouts
from storage.tables.imports import source_keys
from storage.tables.records import (
    contacts,
    customers,
    field_values,
    purchases,
    service_visits,
    vehicle_people,
    vehicles,
)

Rows = list[tuple[Any, ...]]

_CUSTOMER: Final = (
    customers.c.id,
    customers.c.number,
    customers.c.name,
    customers.c.honorific,
    customers.c.kind,
    customers.c.language,
    customers.c.key_account,
    customers.c.source,
    customers.c.note,
    customers.c.merged_into,
)
_CUSTOMER_FIELDS: Final = tuple(one.name for one in _CUSTOMER[2:-1])
_CONTACT: Final = (
    contacts.c.customer_id,
    contacts.c.number,
    contacts.c.is_primary,
    contacts.c.ended_at,
)
_KEY: Final = (source_keys.c.customer_id, source_keys.c.key)
_VEHICLE: Final = (
    vehicles.c.id,
    vehicles.c.vin,
    vehicles.c.plate,
    vehicles.c.brand,
    vehicles.c.model,
    vehicles.c.delivered_on,
    vehicles.c.mileage,
    vehicles.c.last_service_on,
)
_VEHICLE_FIELDS: Final = tuple(one.name for one in _VEHICLE[1:])
_PERSON: Final = (vehicle_people.c.vehicle_id, vehicle_people.c.customer_id, vehicle_people.c.role)
_VISIT: Final = (
    service_visits.c.id,
    service_visits.c.vehicle_id,
    service_visits.c.visited_on,
    service_visits.c.mileage,
    service_visits.c.kind,
    service_visits.c.amount_cents,
    service_visits.c.order_number,
    service_visits.c.customer_id,
    service_visits.c.note,
)
_VISIT_FIELDS: Final = tuple(one.name for one in _VISIT[2:])
_PURCHASE: Final = (
    purchases.c.id,
    purchases.c.customer_id,
    purchases.c.vehicle_id,
    purchases.c.bought_on,
    purchases.c.model,
    purchases.c.price_cents,
    purchases.c.payment,
    purchases.c.invoice,
)
_PURCHASE_FIELDS: Final = tuple(one.name for one in _PURCHASE[2:])
_OWN: Final = (field_values.c.owner_id, field_values.c.field_id, field_values.c.value)
_OPEN: Final = "ended_at IS NULL"


@dataclass(kw_only=True, slots=True)
class Seen:
    """Everything on record that some rows may mean, as it was read."""

    vehicles: Rows = field(default_factory=list)
    #: (vehicle, customer, role) of those who have to do with these vehicles now.
    people: Rows = field(default_factory=list)
    visits: Rows = field(default_factory=list)
    #: (customer number, id) and (source's number, id) of those the rows name by them.
    numbers: Rows = field(default_factory=list)
    keys: Rows = field(default_factory=list)
    customers: Rows = field(default_factory=list)
    contacts: Rows = field(default_factory=list)
    #: (customer, source's number) of all those customers.
    sources: Rows = field(default_factory=list)
    purchases: Rows = field(default_factory=list)
    optouts: Rows = field(default_factory=list)
    #: (record, field, value) of the fields of the house's own that the list fills.
    own: Rows = field(default_factory=list)

    def same_as(self, other: Seen) -> bool:
        """Whether nothing of it has changed between two readings."""
        return all(
            set(getattr(self, name)) == set(getattr(other, name)) for name in Seen.__dataclass_fields__
        )


def look(
    connection: Connection, kind: ImportKind, rows: Sequence[Checked], source: str, own: Own = NO_OWN
) -> Seen:
    """Read everything on record that these rows may mean."""
    said = _said(rows)
    walk_indexes(connection)
    if kind is ImportKind.OPTOUTS:
        wanted = [(optouts.c.number, said["phone"])]
        return Seen(optouts=fetch_any(connection, (optouts.c.holds,), wanted, "holds IS NOT NULL"))
    seen = Seen()
    by_sign = [
        row
        for column, name in ((vehicles.c.vin, "vin"), (vehicles.c.plate, "plate"))
        for row in fetch_any(connection, _VEHICLE, [(column, said[name])])
    ]
    seen.vehicles = list(dict.fromkeys(by_sign))
    ids = [row[0] for row in seen.vehicles]
    seen.people = fetch_any(connection, _PERSON, [(vehicle_people.c.vehicle_id, ids)], _OPEN)
    if kind is ImportKind.VISITS:
        on_days = [(service_visits.c.vehicle_id, ids), (service_visits.c.visited_on, said["visited_on"])]
        by_order = [(service_visits.c.order_number, said["order_number"])]
        found = [row for wanted in (by_order, on_days) for row in fetch_any(connection, _VISIT, wanted)]
        seen.visits = list(dict.fromkeys(found))
    people = {row[1] for row in seen.people}
    by_phone = [(contacts.c.number, said["phone"])]
    people |= {row[0] for row in fetch_any(connection, _CONTACT[:1], by_phone, _OPEN)}
    by_number = [(customers.c.number, said["customer_number"])]
    seen.numbers = fetch_any(connection, (customers.c.number, customers.c.id), by_number)
    by_key = [(source_keys.c.source, [source]), (source_keys.c.key, said["source_id"])]
    seen.keys = fetch_any(connection, (source_keys.c.key, source_keys.c.customer_id), by_key)
    people.update(row[1] for row in (*seen.numbers, *seen.keys))
    _look_at_people(connection, people, source, seen)
    if any(name in row.values for row in rows for name in FIELDS_OF_PURCHASE):
        by_invoice = [(purchases.c.invoice, said["invoice"])]
        by_whom = [(purchases.c.customer_id, [row[0] for row in seen.customers if not row[-1]])]
        bought = [row for wanted in (by_invoice, by_whom) for row in fetch_any(connection, _PURCHASE, wanted)]
        seen.purchases = list(dict.fromkeys(bought))
    if own:
        whose = [*ids, *(row[0] for row in seen.customers)]
        of_these = [
            (field_values.c.owner_id, whose),
            (field_values.c.field_id, [one.id for one in own.values()]),
        ]
        seen.own = fetch_any(connection, _OWN, of_these)
    return seen


def _look_at_people(connection: Connection, ids: set[str], source: str, seen: Seen) -> None:
    """Read these customers, and those that they were merged into."""
    missing = set(ids)
    read: set[str] = set()
    while missing:
        found = fetch_any(connection, _CUSTOMER, [(customers.c.id, missing)])
        seen.customers += found
        read |= missing
        missing = {row[-1] for row in found if row[-1]} - read
    present = [row[0] for row in seen.customers if not row[-1]]
    seen.contacts = fetch_any(connection, _CONTACT, [(contacts.c.customer_id, present)])
    by_owner = [(source_keys.c.source, [source]), (source_keys.c.customer_id, present)]
    seen.sources = fetch_any(connection, _KEY, by_owner)


def known_of(seen: Seen, own: Own = NO_OWN) -> Known:
    """What was read, as planning takes it; a record that was merged stands for the one it was merged into."""
    known = Known(optouts={row[0] for row in seen.optouts})
    by_id = {one.id: (name, one) for name, one in own.items()}
    values: dict[str, dict[str, str]] = defaultdict(dict)
    for record, field_id, value in seen.own:
        name, one = by_id[field_id]
        values[record][name] = show_value(one, value)
    merged: dict[str, str] = {row[0]: row[-1] for row in seen.customers if row[-1]}
    survivors = _through(merged)
    found: dict[str, CustomerNow] = {}
    for id, number, *fields, merged_into in seen.customers:
        if not merged_into:
            fields_now = {**dict(zip(_CUSTOMER_FIELDS, fields, strict=True)), **values[id]}
            found[id] = CustomerNow(id=id, number=number, fields=fields_now)
    owner: str
    for owner, number, is_primary, ended_at in seen.contacts:
        found[owner].numbers[number] = ended_at is None
        found[owner].has_primary |= bool(is_primary)
    for owner, key in seen.sources:
        found[owner].source_id = key
    for person in found.values():
        known.add_customer(person)
    for number, owner in seen.numbers:
        known.by_number.setdefault(number, survivors.get(owner, owner))
    for key, owner in seen.keys:
        known.by_source.setdefault(key, survivors.get(owner, owner))
    people: dict[str, set[tuple[str, str]]] = defaultdict(set)
    for vehicle_id, owner, role in seen.people:
        people[vehicle_id].add((survivors.get(owner, owner), role))
    for id, *fields in seen.vehicles:
        about = {**dict(zip(_VEHICLE_FIELDS, fields, strict=True)), **values[id]}
        now = VehicleNow(id=id, fields=about, people=people[id])
        known.add_vehicle(now)
    for id, owner, *fields in seen.purchases:
        bought = dict(zip(_PURCHASE_FIELDS, fields, strict=True))
        whose = survivors.get(owner, owner)
        known.add_purchase(PurchaseNow(id=id, customer_id=whose, fields=bought))
    for id, vehicle_id, *fields in seen.visits:
        visit = dict(zip(_VISIT_FIELDS, fields, strict=True))
        known.add_visit(VisitNow(id=id, vehicle_id=vehicle_id, fields=visit))
    return known


def _through(merged: Mapping[str, str]) -> dict[str, str]:
    """Each merged record to the last one of its chain."""
    survivors = dict(merged)
    for start in survivors:
        end, steps = survivors[start], 0
        while end in survivors and steps < 32:
            end, steps = survivors[end], steps + 1
        survivors[start] = end
    return survivors


def speak_of_same(rows: Sequence[Checked], others: Sequence[Checked]) -> bool:
    """Whether both name a record by the same sign: what one of them adds, the other must see."""
    said, also = _said(rows), _said(others)
    return any(
        not set(said[name]).isdisjoint(also[name])
        for name in said.keys() & also.keys()
        if name != "visited_on"  # many visits of a day are of vehicles apart
    )


def _said(rows: Sequence[Checked]) -> Mapping[str, Iterable[str]]:
    """What the rows name records by."""
    said: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        if row.faults:
            continue
        values = row.values
        for name in ("vin", "plate", "customer_number", "source_id", "order_number", "visited_on", "invoice"):
            if name in values:
                said[name].add(str(values[name]))
        for name in ("phone", "phone_2"):
            phones = values.get(name)
            if isinstance(phones, list):
                said["phone"].update(phones)
    return said
