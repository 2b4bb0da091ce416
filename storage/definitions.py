"""Definitions: forms, disposition sets and scripts as rows, every version kept; the highest one counts.

Of scripts the approved one counts: `storage.script_versions`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, RowMapping, Table, func, select
from sqlalchemy.dialects import postgresql, sqlite

from access.sentences import Sentence
from crm.definitions import DefinitionChanged, DefinitionNotFound
from storage.tables.aftercall import definitions


class Kind(StrEnum):
    """What a definition defines."""

    FORM = "form"
    DISPOSITIONS = "dispositions"
    SCRIPT = "script"


@dataclass(frozen=True, kw_only=True, slots=True)
class Definition:
    """One version of one definition."""

    kind: Kind
    name: str
    version: int
    body: Mapping[str, Any]
    retired: bool
    at: datetime
    by: str | None
    by_name: str
    why: str


def definition_from(row: RowMapping) -> Definition:
    """A row as a value."""
    return Definition(
        kind=Kind(row["kind"]),
        name=row["name"],
        version=row["version"],
        body=row["body"],
        retired=row["retired"],
        at=row["at"],
        by=row["by"],
        by_name=row["by_name"],
        why=row["why"],
    )


def inserting(connection: Connection, table: Table) -> Any:
    """An INSERT that knows ON CONFLICT, of the engine at hand."""
    return (postgresql if connection.dialect.name == "postgresql" else sqlite).insert(table)


def current(connection: Connection, kind: Kind) -> list[Definition]:
    """The newest version of each definition of a kind, by name, retired ones too."""
    newest = (
        select(definitions.c.name, func.max(definitions.c.version).label("version"))
        .where(definitions.c.kind == kind)
        .group_by(definitions.c.name)
        .subquery()
    )
    rows = connection.execute(
        select(definitions)
        .join(newest, (definitions.c.name == newest.c.name) & (definitions.c.version == newest.c.version))
        .where(definitions.c.kind == kind)
        .order_by(definitions.c.name)
    ).mappings()
    return [definition_from(row) for row in rows]


def get(connection: Connection, kind: Kind, name: str, version: int | None = None) -> Definition:
    """One version, the newest where none is named. Raises DefinitionNotFound."""
    statement = select(definitions).where(definitions.c.kind == kind, definitions.c.name == name)
    if version is not None:
        statement = statement.where(definitions.c.version == version)
    row = connection.execute(statement.order_by(definitions.c.version.desc()).limit(1)).mappings().first()
    if row is None:
        raise DefinitionNotFound(
            Sentence(
                "There is no {definition_kind} '{name}' of that version.", definition_kind=kind, name=name
            )
        )
    return definition_from(row)


def history(connection: Connection, kind: Kind, name: str) -> list[Definition]:
    """Every version, the newest first."""
    rows = connection.execute(
        select(definitions)
        .where(definitions.c.kind == kind, definitions.c.name == name)
        .order_by(definitions.c.version.desc())
        .limit(200)
    ).mappings()
    return [definition_from(row) for row in rows]


def seed(connection: Connection, kind: Kind, name: str, body: Mapping[str, Any], now: datetime) -> bool:
    """Version 1 of a definition the database does not have; True where it was added."""
    row = inserting(connection, definitions).values(
        kind=kind,
        name=name,
        version=1,
        body=dict(body),
        retired=False,
        at=now,
        by=None,
        by_name="Careline",
        why="",
    )
    added = connection.execute(row.on_conflict_do_nothing().returning(definitions.c.name))
    return added.scalar_one_or_none() is not None


def save(
    connection: Connection,
    kind: Kind,
    name: str,
    body: Mapping[str, Any],
    *,
    based_on: int,
    now: datetime,
    by: str | None,
    by_name: str,
    why: str = "",
    retired: bool = False,
) -> Definition:
    """The next version (0 before the first). Raises DefinitionChanged where `based_on` is not the newest."""
    row = inserting(connection, definitions).values(
        kind=kind,
        name=name,
        version=based_on + 1,
        body=dict(body),
        retired=retired,
        at=now,
        by=by,
        by_name=by_name[:64],
        why=why[:200],
    )
    newest = connection.execute(
        select(func.max(definitions.c.version)).where(definitions.c.kind == kind, definitions.c.name == name)
    ).scalar_one()
    added = (
        connection.execute(row.on_conflict_do_nothing().returning(definitions.c.name)).scalar_one_or_none()
        if (newest or 0) == based_on
        else None
    )
    if added is None:
        holder = get(connection, kind, name).by_name if newest else ""
        raise DefinitionChanged(
            Sentence(
                "{holder} has saved another version meanwhile. Nothing was saved; look at theirs first.",
                holder=holder,
            ),
            holder=holder,
        )
    return get(connection, kind, name)
