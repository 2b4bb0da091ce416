"""Fields of the house's own: their definitions, and the values of records."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, RowMapping, delete, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import IntegrityError

from access.ids import new_id
from access.permissions import Role
from access.sentences import Sentence
from access.users import Principal
from crm.records.changes import Author, author, refuse_stale
from crm.records.customers import BadRecord, EntryNotFound
from crm.records.fields import (
    FieldDefinition,
    FieldKind,
    FieldSubject,
    FieldTaken,
    check_changes,
    check_definition,
    read_value,
    show_value,
)
from crm.records.masked import restore
from storage.changes import changes_since, note_change, note_changes
from storage.tables.records import field_values, fields

#: More fields than any form can bear.
MOST_FIELDS = 100


def list_fields(
    connection: Connection, subject: FieldSubject | None = None, *, retired: bool = False
) -> list[FieldDefinition]:
    """Definitions in page order."""
    wanted = select(fields).order_by(fields.c.subject, fields.c.place, fields.c.key)
    if subject is not None:
        wanted = wanted.where(fields.c.subject == subject)
    if not retired:
        wanted = wanted.where(fields.c.retired_at.is_(None))
    return [field_from(row) for row in connection.execute(wanted).mappings()]


def get_field(connection: Connection, field_id: str) -> FieldDefinition:
    """One definition. Raises EntryNotFound."""
    row = connection.execute(select(fields).where(fields.c.id == field_id)).mappings().one_or_none()
    if row is None:
        raise EntryNotFound("There is no such field.")
    return field_from(row)


def field_from(row: RowMapping) -> FieldDefinition:
    """The value of a row."""
    return FieldDefinition(
        id=row["id"],
        subject=FieldSubject(row["subject"]),
        key=row["key"],
        label_zh=row["label_zh"],
        label_en=row["label_en"],
        kind=FieldKind(row["kind"]),
        choices=tuple(row["choices"]),
        required=row["required"],
        hidden_from=frozenset(Role(name) for name in row["hidden_from"]),
        locked_for=frozenset(Role(name) for name in row["locked_for"]),
        place=row["place"],
        retired_at=row["retired_at"],
        version=row["version"],
    )


def _row(field: FieldDefinition) -> dict[str, Any]:
    return {
        "id": field.id,
        "subject": field.subject,
        "key": field.key,
        "label_zh": field.label_zh.strip(),
        "label_en": field.label_en.strip(),
        "kind": field.kind,
        "choices": list(field.choices),
        "required": field.required,
        "hidden_from": sorted(field.hidden_from),
        "locked_for": sorted(field.locked_for),
        "place": field.place,
        "retired_at": field.retired_at,
        "version": field.version,
    }


def _shown(field: FieldDefinition) -> dict[str, object]:
    row = _row(field)
    for name in ("id", "subject", "version", "retired_at"):
        del row[name]
    plain = {name: ", ".join(value) if isinstance(value, list) else value for name, value in row.items()}
    return {**plain, "kind": str(row["kind"]), "retired": field.retired_at is not None}


def add_field(connection: Connection, field: FieldDefinition, by: Author, now: datetime) -> FieldDefinition:
    """Define a field; its id is given here. Raises BadRecord, FieldTaken."""
    made = check_definition(replace(field, id=new_id(now), version=1, retired_at=None))
    if len(list_fields(connection, field.subject)) >= MOST_FIELDS:
        raise BadRecord(
            Sentence("A record can have {most} fields of its own.", most=MOST_FIELDS), field="key"
        )
    try:
        with connection.begin_nested():
            connection.execute(insert(fields).values(**_row(made)))
    except IntegrityError as error:
        raise FieldTaken(
            Sentence("There is a field {given} already. Nothing was added.", given=made.key)
        ) from error
    note_changes(connection, f"field:{made.id}", {}, _shown(made), by, now, version=1)
    return made


def change_field(
    connection: Connection, field_id: str, version: int, by: Author, now: datetime, **changes: Any
) -> FieldDefinition:
    """Change a definition (not its subject, key or kind: values would lose their meaning).

    Raises EntryNotFound, RecordChanged, BadRecord.
    """
    before = get_field(connection, field_id)
    subject = f"field:{field_id}"
    refuse_stale(subject, version, before.version, changes_since(connection, subject, version))
    if {"subject", "key", "kind", "id"} & set(changes):
        raise BadRecord("Key and kind of a field stay. Retire it and define another.", field="key")
    after = check_definition(replace(before, **changes, version=before.version + 1))
    connection.execute(update(fields).where(fields.c.id == field_id).values(**_row(after)))
    note_changes(connection, subject, _shown(before), _shown(after), by, now, version=after.version)
    return after


def values_of(connection: Connection, owner_id: str) -> dict[str, str]:
    """Kept values of a record by field id."""
    rows = connection.execute(
        select(field_values.c.field_id, field_values.c.value).where(field_values.c.owner_id == owner_id)
    )
    return {row.field_id: row.value for row in rows}


def put_value(connection: Connection, owner_id: str, field: FieldDefinition, shown: str) -> None:
    """Set one field of a record to what a person would read there; "" empties it.

    Its version and its register of changes are the caller's work. Raises BadRecord.
    """
    _put(connection, owner_id, field.id, read_value(field, shown))


def put_back(connection: Connection, owner_id: str, field: FieldDefinition, shown: str) -> None:
    """Set one field to what a person read there before, though the house may no longer offer that choice."""
    try:
        put_value(connection, owner_id, field, shown)
    except BadRecord:
        if field.kind is not FieldKind.CHOICE:
            raise
        _put(connection, owner_id, field.id, shown)


def _put(connection: Connection, owner_id: str, field_id: str, value: str) -> None:
    if value:
        engine = postgresql if connection.dialect.name == "postgresql" else sqlite
        connection.execute(
            engine.insert(field_values)
            .values(owner_id=owner_id, field_id=field_id, value=value)
            .on_conflict_do_update(index_elements=["owner_id", "field_id"], set_={"value": value})
        )
    else:
        connection.execute(
            delete(field_values).where(
                field_values.c.owner_id == owner_id, field_values.c.field_id == field_id
            )
        )


def set_values(
    connection: Connection,
    subject: FieldSubject,
    owner_id: str,
    changes: Mapping[str, str],
    viewer: Principal,
    now: datetime,
    *,
    version: int,
) -> int:
    """Set fields of a record by key, as typed; returns how many became another. Raises BadRecord, FieldLocked.

    `version` is the record's after this change; raising it is the caller's work.
    """
    defined = {field.id: field for field in list_fields(connection, subject)}
    before = values_of(connection, owner_id)
    if not viewer.sees_numbers:
        old_of = {
            field.key: before.get(field.id, "") for field in defined.values() if field.kind is FieldKind.TEXT
        }
        changes = {key: restore(typed, old_of.get(key, "")) for key, typed in changes.items()}
    kept = check_changes(defined.values(), changes, viewer.role)
    by = author(viewer)
    changed = 0
    for field_id, value in kept.items():
        old = before.get(field_id, "")
        if old == value:
            continue
        changed += 1
        field = defined[field_id]
        _put(connection, owner_id, field_id, value)
        note_change(
            connection,
            f"{subject}:{owner_id}",
            f"custom.{field.key}",
            show_value(field, old),
            show_value(field, value),
            by,
            now,
            version=version,
        )
    return changed
