"""The audit log: append-only rows."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, insert, select, true
from sqlalchemy.dialects import postgresql, sqlite

from access.audit import Action, Entry
from access.ids import stamp
from access.suspicion import LOOKS, Look
from storage.tables.access import audit
from storage.tables.records import customers
from telephony.calls import Call
from telephony.facts import Fact, FactKind

#: How the names of what a fact carries for the audit log begin.
HIDDEN: Final = "entry"


def append(connection: Connection, entry: Entry) -> None:
    """Write one entry, in the transaction of what it tells about."""
    connection.execute(insert(audit).values(_row(entry)))


def append_all(connection: Connection, entries: Sequence[Entry]) -> None:
    """Write several entries at once; those that are there already (a commit whose answer was lost) stay as they are."""
    if entries:
        engine = postgresql if connection.dialect.name == "postgresql" else sqlite
        connection.execute(engine.insert(audit).on_conflict_do_nothing(), [_row(entry) for entry in entries])


def choice_of(entry: Entry) -> dict[str, str | None]:
    """What a fact of a call carries so that `react_to_choice` writes this entry with it.

    Nobody who reads the call is shown it: every name begins with `HIDDEN`.
    """
    return {
        HIDDEN: entry.id,
        f"{HIDDEN}_by": entry.actor_id,
        f"{HIDDEN}_name": entry.actor_name,
        f"{HIDDEN}_via": entry.via,
        f"{HIDDEN}_address": entry.address,
    }


def react_to_choice(connection: Connection, _before: Call | None, after: Call, facts: Sequence[Fact]) -> None:
    """Who said who is on the line, written with the call itself, also where the fact waited on disk."""
    append_all(
        connection,
        [
            Entry(
                id=str(fact.data[HIDDEN]),
                at=fact.at,
                action=Action.CALLER_CHOSEN,
                actor_id=_text(fact, f"{HIDDEN}_by") or None,
                actor_name=_text(fact, f"{HIDDEN}_name"),
                via=_text(fact, f"{HIDDEN}_via"),
                subject=f"call:{after.id}",
                address=_text(fact, f"{HIDDEN}_address"),
                data={"customer": _text(fact, "customer_id") or None},
            )
            for fact in facts
            if fact.kind is FactKind.IDENTIFIED and fact.data.get(HIDDEN)
        ],
    )


def _text(fact: Fact, name: str) -> str:
    return str(fact.data.get(name) or "")


def _row(entry: Entry) -> dict[str, Any]:
    return {
        "id": entry.id,
        "at": entry.at,
        "action": entry.action,
        "actor_id": entry.actor_id,
        "actor_name": entry.actor_name[:64],
        "via": entry.via,
        "subject": entry.subject[:96],
        "address": entry.address[:45],
        "data": dict(entry.data),
    }


def list_entries(
    connection: Connection,
    *,
    before: str = "",
    subject: str = "",
    actor_id: str = "",
    action: str = "",
    since: datetime | None = None,
    until: datetime | None = None,
    limit: int = 50,
) -> list[Entry]:
    """Entries newest first; `before` is the id of the last one already seen. Ids begin with their time, so a span of
    time is a range of the primary key.
    """
    statement = select(audit).order_by(audit.c.id.desc()).limit(limit)
    if before:
        statement = statement.where(audit.c.id < before)
    if subject:
        statement = statement.where(audit.c.subject == subject)
    if actor_id:
        statement = statement.where(audit.c.actor_id == actor_id)
    if action:
        statement = statement.where(audit.c.action == action)
    if since is not None:
        statement = statement.where(audit.c.id >= stamp(since))
    if until is not None:
        statement = statement.where(audit.c.id < stamp(until))
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


#: More looks than a house makes in a day; beyond it the newest count.
_MOST_LOOKS: Final = 200_000


def looks_since(connection: Connection, since: datetime) -> list[Look]:
    """Who looked at what, or took it along, since then."""
    statement = (
        select(audit.c.actor_id, audit.c.actor_name, audit.c.at, audit.c.action, audit.c.subject)
        .where(audit.c.id >= stamp(since), audit.c.action.in_(LOOKS))
        .order_by(audit.c.id.desc())
        .limit(_MOST_LOOKS)
    )
    return [
        Look(
            actor_id=row.actor_id or "",
            actor_name=row.actor_name,
            at=row.at,
            action=row.action,
            subject=row.subject,
        )
        for row in connection.execute(statement)
    ]


def key_accounts(connection: Connection) -> dict[str, str | None]:
    """Customer id of each key account somebody looks after, to that user."""
    statement = select(customers.c.id, customers.c.own_agent_id).where(
        customers.c.own_agent_id.is_not(None), customers.c.key_account == true()
    )
    return {row.id: row.own_agent_id for row in connection.execute(statement)}
