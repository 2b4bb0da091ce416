"""What an import writes of customers, numbers, vehicles and visits: a batch of rows with a few statements.

Everything that can be worked out beforehand is (`make_ready`); calls wait only for the writing itself.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Final

from sqlalchemy import Connection, Dialect, update
from sqlalchemy.dialects import postgresql, sqlite

from access.ids import new_id
from crm.consent.optouts import OptOutSource
from crm.imports.known import Table, Write
from crm.imports.own_fields import NO_OWN, Own, is_own, without_own
from crm.records.changes import Author, differences
from crm.records.customers import Customer, CustomerId, name_key, number_by_rule
from crm.records.fields import read_value, show_value
from crm.records.vehicles import Vehicle, VehicleId, reversed_keys
from storage.bulk import Ready, fetch_any, insert_rows, ready_rows, write_rows
from storage.changes import customer_subject, vehicle_subject
from storage.customers import customer_row
from storage.fields import put_value, values_of
from storage.tables.consent import optouts
from storage.tables.imports import source_keys
from storage.tables.records import (
    contacts,
    customers,
    field_values,
    phone_numbers,
    purchases,
    record_changes,
    serials,
    service_visits,
    vehicle_people,
    vehicles,
)
from storage.terms import add_terms, terms_of_names, terms_of_plates
from storage.vehicles import vehicle_row
from telephony.numbers import reversed_digits


class PlanOutdated(Exception):
    """Somebody changed a record between the reading and the writing of a batch; nothing of it may stay."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Context:
    """Who imports what, when: what written rows say of it."""

    now: datetime
    by: Author
    #: Rule of customer numbers.
    rule: str
    #: Program the list comes from.
    source: str
    #: Why a record has changed, in its register of changes.
    why: str
    #: The first moment of a day in the house's zone, as UTC.
    moment_of: Callable[[date], datetime]
    #: Fields of the house's own that the list fills.
    own: Own = field(default_factory=lambda: NO_OWN)


@dataclass(frozen=True, kw_only=True, slots=True)
class Prepared:
    """A batch of writes as its statements take them."""

    context: Context
    #: New customers; those without a number get one when they are written.
    customers: Sequence[dict[str, Any]]
    #: Everything else that is new, in the order in which rows may come.
    added: Sequence[Ready | None]
    #: Ties of people to vehicles: somebody who had left is back.
    people: Sequence[dict[str, Any]]
    changed: Mapping[Table, Sequence[Write]]
    #: Rows of `search_terms`.
    terms: Sequence[tuple[str, str, str]]


def make_ready(dialect: Dialect, writes: Iterable[Write], context: Context) -> Prepared:
    """The statements of these writes for a database of this kind; nothing is asked and nothing is written."""
    added: dict[Table, list[Write]] = defaultdict(list)
    changed: dict[Table, list[Write]] = defaultdict(list)
    for write in writes:
        (added if write.before is None else changed)[write.table].append(write)
    now = context.now
    new_vehicles = _vehicle_rows(added[Table.VEHICLES], context)
    numbers = dict.fromkeys(one.key[1] for one in added[Table.CONTACTS])
    seen = [{"number": one, "reversed": reversed_digits(one), "first_seen_at": now} for one in numbers]
    keys = [
        {"source": context.source, "key": one.key[0], "customer_id": one.after["customer_id"], "at": now}
        for one in added[Table.SOURCES]
    ]
    notes = [
        (vehicle_subject(row["id"]), "created", "", row["vin"] or row["plate"] or "", 1)
        for row in new_vehicles
    ]
    notes += _own_notes(added[Table.CUSTOMERS], customer_subject)
    notes += _own_notes(added[Table.VEHICLES], vehicle_subject)
    own_values = _own_rows([*added[Table.CUSTOMERS], *added[Table.VEHICLES]], context.own)
    wishes = _optout_rows(added[Table.OPTOUTS], context)
    names = _words("name", added[Table.CUSTOMERS], changed[Table.CUSTOMERS])
    plates = _words("plate", added[Table.VEHICLES], changed[Table.VEHICLES])
    return Prepared(
        context=context,
        customers=_customer_rows(added[Table.CUSTOMERS], context),
        added=[
            ready_rows(dialect, phone_numbers, seen, known_stay=True),
            ready_rows(dialect, contacts, _contact_rows(added[Table.CONTACTS], now)),
            ready_rows(dialect, source_keys, keys),
            ready_rows(dialect, vehicles, new_vehicles),
            ready_rows(dialect, record_changes, _notes(notes, context)),
            ready_rows(dialect, field_values, own_values),
            ready_rows(dialect, service_visits, _visit_rows(added[Table.VISITS], now)),
            ready_rows(dialect, purchases, _purchase_rows(added[Table.PURCHASES], now)),
            ready_rows(dialect, optouts, wishes, known_stay=True),
        ],
        people=[
            {**dict(zip(_TIE, one.key, strict=True)), "since": now, "ended_at": None}
            for one in added[Table.PEOPLE]
        ],
        changed=changed,
        terms=[*terms_of_names(names), *terms_of_plates(plates)],
    )


def apply(connection: Connection, prepared: Prepared) -> None:
    """Write what was planned. The same fields changed twice in one batch end as the last one says.

    Raises PlanOutdated; plan the batch again in a transaction of its own.
    """
    context, changed = prepared.context, prepared.changed
    _add_customers(connection, prepared.customers, context)
    for ready in prepared.added:
        write_rows(connection, ready)
    _add_people(connection, prepared.people)
    for table, subject, store in (
        (Table.CUSTOMERS, customer_subject, customers),
        (Table.VEHICLES, vehicle_subject, vehicles),
    ):
        _change(connection, store, changed.get(table, ()), context, subject)
    _change(connection, service_visits, changed.get(Table.VISITS, ()), context, None)
    _change(connection, purchases, changed.get(Table.PURCHASES, ()), context, None)
    add_terms(connection, prepared.terms)


_TIE: Final = ("vehicle_id", "customer_id", "role")


def _words(field: str, *writes: Sequence[Write]) -> set[str]:
    """What is new and must be findable. A name that nobody bears any more is found by nobody and stays."""
    return {str(one.after[field]) for some in writes for one in some if one.after.get(field)}


def _customer_rows(writes: Sequence[Write], context: Context) -> list[dict[str, Any]]:
    if not writes:
        return []
    now = context.now
    blank = customer_row(Customer(id=CustomerId(""), number="", name="", created_at=now, updated_at=now))
    return [
        {**blank, **without_own(one.after), "id": one.key[0], "name_key": name_key(one.after["name"])[:128]}
        for one in writes
    ]


def _add_customers(connection: Connection, rows: Sequence[dict[str, Any]], context: Context) -> None:
    if not rows:
        return
    given = [row["number"] for row in rows if row["number"]]
    free = iter(_free_numbers(connection, len(rows) - len(given), set(given), context))
    numbered = [row if row["number"] else {**row, "number": next(free)} for row in rows]
    insert_rows(connection, customers, numbered)
    noted = [(customer_subject(row["id"]), "created", "", row["number"], 1) for row in numbered]
    insert_rows(connection, record_changes, _notes(noted, context))


def _free_numbers(connection: Connection, count: int, taken: set[str], context: Context) -> list[str]:
    """So many numbers of the rule that nobody has; a stretch of serials at once."""
    free: list[str] = []
    while len(free) < count:
        more = count - len(free)
        last = _raise_serial(connection, more)
        numbers = [
            number_by_rule(context.rule, serial, context.now) for serial in range(last - more + 1, last + 1)
        ]
        there = {
            row[0] for row in fetch_any(connection, (customers.c.number,), [(customers.c.number, numbers)])
        }
        free += [number for number in numbers if number not in there and number not in taken]
    return free


def _raise_serial(connection: Connection, count: int) -> int:
    raised = (
        update(serials)
        .where(serials.c.name == "customers")
        .values(value=serials.c.value + count)
        .returning(serials.c.value)
    )
    while (value := connection.execute(raised).scalar_one_or_none()) is None:
        engine = postgresql if connection.dialect.name == "postgresql" else sqlite
        connection.execute(engine.insert(serials).values(name="customers", value=0).on_conflict_do_nothing())
    return int(value)


def _contact_rows(writes: Sequence[Write], now: datetime) -> list[dict[str, Any]]:
    return [
        {
            "customer_id": one.key[0],
            "number": one.key[1],
            "label": one.after["label"],
            "is_primary": one.after["is_primary"],
            "since": now,
            "ended_at": None,
        }
        for one in writes
    ]


def _vehicle_rows(writes: Sequence[Write], context: Context) -> list[dict[str, Any]]:
    now = context.now
    blank = vehicle_row(Vehicle(id=VehicleId(""), created_at=now, updated_at=now))
    return [{**blank, **without_own(one.after), "id": one.key[0], **_keys_of(one.after)} for one in writes]


def _keys_of(values: Mapping[str, Any]) -> dict[str, str | None]:
    """What plate and VIN are found by on a telephone, of those that are named."""
    return {
        f"{name}_keys": reversed_keys(values[name]) if values[name] else None
        for name in ("plate", "vin")
        if name in values
    }


def _add_people(connection: Connection, rows: Sequence[dict[str, Any]]) -> None:
    if not rows:
        return
    insert_rows(connection, vehicle_people, rows, known_stay=True)
    tie = tuple(vehicle_people.c[name] for name in _TIE)
    of_these = [(vehicle_people.c.vehicle_id, {row["vehicle_id"] for row in rows})]
    gone = set(fetch_any(connection, tie, of_these, "ended_at IS NOT NULL"))
    again = [row for row in rows if tuple(row[name] for name in _TIE) in gone]
    if again:
        engine = postgresql if connection.dialect.name == "postgresql" else sqlite
        adding = engine.insert(vehicle_people)
        connection.execute(
            adding.on_conflict_do_update(index_elements=list(_TIE), set_={"ended_at": None}), again
        )


def _visit_rows(writes: Sequence[Write], now: datetime) -> list[dict[str, Any]]:
    return [
        {
            "id": one.key[0],
            "vehicle_id": one.after["vehicle_id"],
            "customer_id": one.after["customer_id"],
            "visited_on": one.after["visited_on"],
            "mileage": one.after["mileage"],
            "kind": one.after["kind"],
            "amount_cents": one.after["amount_cents"],
            "order_number": one.after["order_number"],
            "next_due_on": None,
            "next_due_mileage": None,
            "note": one.after["note"],
            "created_at": now,
            "updated_at": now,
            "version": 1,
        }
        for one in writes
    ]


def _purchase_rows(writes: Sequence[Write], now: datetime) -> list[dict[str, Any]]:
    return [
        {"id": one.key[0], **one.after, "note": "", "created_at": now, "updated_at": now, "version": 1}
        for one in writes
    ]


def _optout_rows(writes: Sequence[Write], context: Context) -> list[dict[str, Any]]:
    rows = []
    for one in writes:
        since = one.after["since"]
        rows.append(
            {
                "id": one.key[0],
                "number": one.after["number"],
                "purpose": one.after["purpose"],
                "channel": one.after["channel"],
                "source": OptOutSource.IMPORT.value,
                "at": context.now if since is None else min(context.moment_of(since), context.now),
                "proof": one.after["proof"],
                "actor_id": context.by.id,
                "withdrawn_at": None,
                "withdrawn_proof": "",
                "holds": one.after["holds"],
            }
        )
    return rows


def _change(
    connection: Connection,
    table: Any,
    writes: Sequence[Write],
    context: Context,
    subject: Callable[[str], str] | None,
) -> None:
    """Update rows one by one (changes are few beside additions), with a row of the register for each field.

    Only where what changes still is as the plan read it: PostgreSQL lets others write between the two.
    """
    notes = []
    for one in writes:
        values = without_own(one.after)
        if "name" in values:
            values["name_key"] = name_key(values["name"])[:128]
        if table is vehicles:
            values |= _keys_of(values)
        as_planned = [
            table.c[name].is_not_distinct_from(old) for name, old in without_own(one.before or {}).items()
        ]
        if "merged_into" in table.c:
            as_planned.append(table.c.merged_into.is_(None))
        changed = (
            update(table)
            .where(table.c.id == one.key[0], *as_planned)
            .values(**values, updated_at=context.now, version=table.c.version + 1)
            .returning(table.c.version)
        )
        version = connection.execute(changed).scalar_one_or_none()
        if version is None:
            raise PlanOutdated(f"{table.name} {one.key[0]} was changed after this batch was planned.")
        for name, value in one.after.items():
            if is_own(name):
                _change_own(connection, one, name, value, context)
        if subject is not None:
            notes += [
                (subject(one.key[0]), noted(field), old, new, version)
                for field, old, new in differences(one.before or {}, one.after)
            ]
    insert_rows(connection, record_changes, _notes(notes, context))


def noted(name: str) -> str:
    """A field as the register of changes calls it."""
    return f"custom.{name.partition('.')[2]}" if is_own(name) else name


def _own_notes(
    writes: Sequence[Write], subject: Callable[[str], str]
) -> list[tuple[str, str, str, str, int]]:
    return [
        (subject(one.key[0]), noted(name), "", str(value), 1)
        for one in writes
        for name, value in one.after.items()
        if is_own(name)
    ]


def _own_rows(writes: Sequence[Write], own: Own) -> list[dict[str, Any]]:
    return [
        {"owner_id": one.key[0], "field_id": own[name].id, "value": read_value(own[name], str(value))}
        for one in writes
        for name, value in one.after.items()
        if is_own(name)
    ]


def _change_own(connection: Connection, one: Write, name: str, value: str, context: Context) -> None:
    """The record's row is held already. Raises PlanOutdated where the field says something else by now."""
    field = context.own[name]
    now = values_of(connection, one.key[0]).get(field.id, "")
    if show_value(field, now) != ((one.before or {}).get(name) or ""):
        raise PlanOutdated(f"{name} of {one.key[0]} was changed after this batch was planned.")
    put_value(connection, one.key[0], field, str(value))


def _notes(notes: Iterable[tuple[str, str, str, str, int]], context: Context) -> list[dict[str, Any]]:
    """Rows of the register of changes."""
    return [
        {
            "id": new_id(context.now),
            "at": context.now,
            "subject": subject,
            "by_id": context.by.id,
            "by_name": context.by.name[:64],
            "field": field,
            "old": old,
            "new": new,
            "why": context.why[:200],
            "version": version,
        }
        for subject, field, old, new, version in notes
    ]
