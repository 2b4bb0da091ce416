"""The register of changes: a row for every field that became another, in the transaction of the change."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, RowMapping, insert, select

from access.ids import new_id
from crm.hooks.events import Event
from crm.records.changes import Author, Change, differences
from storage.bulk import insert_rows
from storage.duplicate_marks import mark
from storage.outgoing import announce, subscribers, tell
from storage.tables.records import record_changes

#: Most changes told to somebody who edited an old version.
_MOST_TOLD = 200


def customer_subject(customer_id: str) -> str:
    """Name of a customer in the register."""
    return f"customer:{customer_id}"


def vehicle_subject(vehicle_id: str) -> str:
    """Name of a vehicle in the register."""
    return f"vehicle:{vehicle_id}"


def note_changes(
    connection: Connection,
    subject: str,
    before: Mapping[str, object],
    after: Mapping[str, object],
    by: Author,
    at: datetime,
    *,
    version: int,
    why: str = "",
) -> int:
    """Write what differs between two states of a record; returns how many fields do."""
    rows = [
        _row(subject, field, old, new, by, at, version=version, why=why)
        for field, old, new in differences(before, after)
    ]
    if rows:
        connection.execute(insert(record_changes), rows)
        _tell(connection, subject, [row["field"] for row in rows], by, at, version)
    return len(rows)


def note_change(
    connection: Connection,
    subject: str,
    field: str,
    old: str,
    new: str,
    by: Author,
    at: datetime,
    *,
    version: int,
    why: str = "",
) -> None:
    """Write one change, such as a number that came or went."""
    connection.execute(
        insert(record_changes), [_row(subject, field, old, new, by, at, version=version, why=why)]
    )
    _tell(connection, subject, [field], by, at, version)


def note_many(
    connection: Connection,
    changed: Sequence[tuple[str, Mapping[str, object], Mapping[str, object], int]],
    by: Author,
    at: datetime,
    *,
    why: str = "",
) -> None:
    """`note_changes` of many records at once: subject, before, after, version after the change.

    For fields that tell no two people apart: none of the records is compared with others again.
    """
    rows: list[dict[str, Any]] = []
    hooks = subscribers(connection, Event.RECORD_CHANGED)
    for subject, before, after, version in changed:
        found = [
            _row(subject, field, old, new, by, at, version=version, why=why)
            for field, old, new in differences(before, after)
        ]
        rows += found
        if found and hooks:
            data = {"fields": [row["field"] for row in found], "version": version, "by": by.id}
            tell(connection, hooks, Event.RECORD_CHANGED, subject, data, at=at)
    insert_rows(connection, record_changes, rows)


def _tell(
    connection: Connection, subject: str, fields: list[str], by: Author, at: datetime, version: int
) -> None:
    """Other systems hear which fields of which record changed; what they are now they ask the API for."""
    if not subject.startswith(("customer:", "vehicle:")):
        return
    event = Event.RECORD_CREATED if fields == ["created"] else Event.RECORD_CHANGED
    announce(connection, event, subject, {"fields": fields, "version": version, "by": by.id}, at=at)
    _mark(connection, subject)


def _mark(connection: Connection, subject: str) -> None:
    """A changed customer is compared with others soon (`storage.duplicates`)."""
    kind, _, id = subject.partition(":")
    if kind == "customer":
        mark(connection, [id])


def _row(
    subject: str, field: str, old: str, new: str, by: Author, at: datetime, *, version: int, why: str
) -> dict[str, Any]:
    return {
        "id": new_id(at),
        "at": at,
        "subject": subject,
        "by_id": by.id,
        "by_name": by.name[:64],
        "field": field[:64],
        "old": old,
        "new": new,
        "why": why[:200],
        "version": version,
    }


def changes_since(connection: Connection, subject: str, version: int) -> list[Change]:
    """What was changed after a version, oldest first."""
    rows = connection.execute(
        select(record_changes)
        .where(record_changes.c.subject == subject, record_changes.c.version > version)
        .order_by(record_changes.c.at, record_changes.c.id)
        .limit(_MOST_TOLD)
    ).mappings()
    return [change_from(row) for row in rows]


def changes_of(
    connection: Connection,
    subjects: Sequence[str],
    *,
    before: tuple[datetime, str] | None = None,
    limit: int = 50,
) -> list[Change]:
    """Changes of these records, newest first; `before` is moment and id of the last one seen."""
    found: list[Change] = []
    for subject in subjects:  # a range of the index each; they are few
        wanted = select(record_changes).where(record_changes.c.subject == subject)
        if before is not None:
            wanted = wanted.where(record_changes.c.at <= before[0])
        wanted = wanted.order_by(record_changes.c.at.desc(), record_changes.c.id.desc())
        rows = connection.execute(wanted.limit(limit + _TIES if before else limit)).mappings()
        found += [change_from(row) for row in rows]
    if before is not None:
        found = [one for one in found if (one.at, one.id) < before]
    found.sort(key=lambda one: (one.at, one.id), reverse=True)
    return found[:limit]


#: Changes of one moment: a form with all its fields.
_TIES = 100


def change_from(row: RowMapping) -> Change:
    """The value of a row."""
    return Change(
        id=row["id"],
        at=row["at"],
        subject=row["subject"],
        by=Author(id=row["by_id"], name=row["by_name"]),
        field=row["field"],
        old=row["old"],
        new=row["new"],
        why=row["why"],
        version=row["version"],
    )


def told(changes: Iterable[Change]) -> list[dict[str, str]]:
    """Changes as plain text pairs, for an answer to a program."""
    return [
        {"field": one.field, "old": one.old, "new": one.new, "by": one.by.name, "at": one.at.isoformat()}
        for one in changes
    ]
