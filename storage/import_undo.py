"""Taking an import back: what a batch wrote is kept beside it, and undone from the last batch to the first."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any, Final

from sqlalchemy import Connection, delete, select, tuple_, update
from sqlalchemy.exc import IntegrityError

from crm.imports.known import Table, Write
from crm.imports.own_fields import is_own, without_own
from crm.records.customers import name_key
from crm.records.fields import show_value
from crm.records.vehicles import reversed_keys
from storage.changes import customer_subject, note_changes, vehicle_subject
from storage.fields import put_back, values_of
from storage.import_records import Context, noted
from storage.tables.consent import optouts
from storage.tables.imports import source_keys
from storage.tables.records import (
    contacts,
    customers,
    field_values,
    purchases,
    record_changes,
    service_visits,
    vehicle_people,
    vehicles,
)
from storage.terms import forget_name, forget_plate

#: In the order in which rows may go, and the columns that tell a row.
_GONE: Final[Mapping[Table, tuple[Any, tuple[Any, ...]]]] = {
    Table.OPTOUTS: (optouts, (optouts.c.id,)),
    Table.VISITS: (service_visits, (service_visits.c.id,)),
    Table.PURCHASES: (purchases, (purchases.c.id,)),
    Table.SOURCES: (source_keys, (source_keys.c.key,)),
    Table.CONTACTS: (contacts, (contacts.c.customer_id, contacts.c.number)),
    Table.PEOPLE: (
        vehicle_people,
        (vehicle_people.c.vehicle_id, vehicle_people.c.customer_id, vehicle_people.c.role),
    ),
    Table.VEHICLES: (vehicles, (vehicles.c.id,)),
    Table.CUSTOMERS: (customers, (customers.c.id,)),
}
_CHANGED: Final = {
    Table.CUSTOMERS: customers,
    Table.VEHICLES: vehicles,
    Table.VISITS: service_visits,
    Table.PURCHASES: purchases,
}
_SUBJECT: Final = {Table.CUSTOMERS: customer_subject, Table.VEHICLES: vehicle_subject}


def undo_of(writes: Iterable[Write]) -> list[Any]:
    """What must be known to take these writes back, as plain JSON."""
    return [
        [
            one.table.value,
            list(one.key),
            None if one.before is None else [_plain(one.before), _plain(one.after)],
        ]
        for one in writes
    ]


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: {"d": value.isoformat()} if isinstance(value, date) else value for name, value in values.items()
    }


def _value(plain: Any) -> Any:
    return date.fromisoformat(plain["d"]) if isinstance(plain, dict) else plain


def take_back(connection: Connection, undo: list[Any], context: Context) -> int:
    """Undo one batch. Returns how many rows stay, because somebody has built on them or changed them since."""
    kept = 0
    added: dict[Table, list[tuple[str, ...]]] = defaultdict(list)
    for table, key, change in reversed(undo):
        if change is None:
            added[Table(table)].append(tuple(key))
        else:
            before, after = ({name: _value(one) for name, one in side.items()} for side in change)
            kept += not _change_back(connection, Table(table), key[0], before, after, context)
    names = _words(connection, customers.c.name, customers.c.id, added[Table.CUSTOMERS])
    plates = _words(connection, vehicles.c.plate, vehicles.c.id, added[Table.VEHICLES])
    for table, (store, columns) in _GONE.items():
        keys = added[table]
        if keys and not _remove(connection, table, store, columns, keys, context):
            kept += sum(not _remove(connection, table, store, columns, [key], context) for key in keys)
    for name in names:
        left = select(customers.c.id).where(customers.c.name_key == name_key(name)[:128]).limit(1)
        if connection.execute(left).first() is None:
            forget_name(connection, name)
    for plate in plates:
        if (
            connection.execute(select(vehicles.c.id).where(vehicles.c.plate == plate).limit(1)).first()
            is None
        ):
            forget_plate(connection, plate)
    return kept


def _words(connection: Connection, column: Any, id: Any, keys: list[tuple[str, ...]]) -> set[str]:
    if not keys:
        return set()
    found = connection.execute(select(column).where(id.in_([key[0] for key in keys]), column.is_not(None)))
    return set(found.scalars())


def _remove(
    connection: Connection,
    table: Table,
    store: Any,
    columns: tuple[Any, ...],
    keys: list[tuple[str, ...]],
    context: Context,
) -> bool:
    """Whether all these rows are gone; where others point to one of them by now, none is."""
    named = columns[0].in_([key[0] for key in keys]) if len(columns) == 1 else tuple_(*columns).in_(keys)
    gone = delete(store).where(named)
    if table is Table.SOURCES:
        gone = gone.where(source_keys.c.source == context.source)
    try:
        with connection.begin_nested():
            connection.execute(gone)
            if table in _SUBJECT:
                subjects = [_SUBJECT[table](key[0]) for key in keys]
                connection.execute(delete(record_changes).where(record_changes.c.subject.in_(subjects)))
                owners = [key[0] for key in keys]
                connection.execute(delete(field_values).where(field_values.c.owner_id.in_(owners)))
    except IntegrityError:
        return False
    return True


def _change_back(
    connection: Connection,
    table: Table,
    id: str,
    before: Mapping[str, Any],
    after: Mapping[str, Any],
    context: Context,
) -> bool:
    """Whether every field that still says what the import wrote says again what it said before."""
    store = _CHANGED[table]
    row = connection.execute(select(store).where(store.c.id == id)).mappings().one_or_none()
    if row is None:
        return False
    kept = values_of(connection, id) if any(map(is_own, after)) else {}
    now = {**row, **{name: show_value(one, kept.get(one.id, "")) for name, one in context.own.items()}}
    back = {name: value for name, value in before.items() if now.get(name) == after[name]}
    if back:
        values = without_own(back)
        for name in back.keys() - values.keys():
            put_back(connection, id, context.own[name], back[name] or "")
        if "name" in values:
            values["name_key"] = name_key(values["name"])[:128]
        for name in ("plate", "vin"):
            if name in values:
                values[f"{name}_keys"] = reversed_keys(values[name]) if values[name] else None
        version = row["version"] + 1
        connection.execute(
            update(store).where(store.c.id == id).values(**values, version=version, updated_at=context.now)
        )
        if table in _SUBJECT:
            note_changes(
                connection,
                _SUBJECT[table](id),
                {noted(name): after[name] for name in back},
                {noted(name): value for name, value in back.items()},
                context.by,
                context.now,
                version=version,
                why=context.why,
            )
    return len(back) == len(before)
