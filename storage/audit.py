"""The audit log: append-only rows."""

from __future__ import annotations

from sqlalchemy import Connection, insert, select

from access.audit import Action, Entry
from storage.tables.access import audit


def append(connection: Connection, entry: Entry) -> None:
    """Write one entry, in the transaction of what it tells about."""
    connection.execute(
        insert(audit).values(
            id=entry.id,
            at=entry.at,
            action=entry.action,
            actor_id=entry.actor_id,
            actor_name=entry.actor_name[:64],
            via=entry.via,
            subject=entry.subject[:96],
            address=entry.address[:45],
            data=dict(entry.data),
        )
    )


def list_entries(
    connection: Connection, *, before: str = "", subject: str = "", limit: int = 50
) -> list[Entry]:
    """Entries newest first; `before` is the id of the last one already seen."""
    statement = select(audit).order_by(audit.c.id.desc()).limit(limit)
    if before:
        statement = statement.where(audit.c.id < before)
    if subject:
        statement = statement.where(audit.c.subject == subject)
    return [
        Entry(
            id=row.id,
            at=row.at,
            action=Action(row.action),
            actor_id=row.actor_id,
            actor_name=row.actor_name,
            via=row.via,
            subject=row.subject,
            address=row.address,
            data=row.data,
        )
        for row in connection.execute(statement)
    ]
