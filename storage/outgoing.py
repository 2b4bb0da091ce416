"""Telling other systems: `announce` is called in the transaction of what happened, so nothing is told that was
rolled back, and nothing committed is left untold. The sender (`config.hooks`) delivers the rows afterwards.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

from sqlalchemy import Connection, and_, delete, insert, select, update

from access.ids import new_id
from crm.hooks.events import Event
from storage.database import fetch
from storage.tables.hooks import deliveries, happenings

#: Longest `data` of one event as JSON, in bytes; what is longer is left to the API.
LONGEST_DATA: Final = 16_384

_ACTIVE: Final = "SELECT id, events FROM hooks WHERE active"


def announce(
    connection: Connection,
    event: Event | str,
    subject: str,
    data: Mapping[str, object],
    *,
    at: datetime | None = None,
) -> str | None:
    """Tell every active subscription that asked for it. Gives the event's id, or None where nobody asked.

    Call it in the writing transaction that does what is told; without a subscriber it costs one look into a
    table of a few rows. `subject` names what it is about ("call:ID", "customer:ID", "task:ID"): its events arrive
    in order. `data` is plain JSON: ids, states, and what a receiver cannot ask the API for. Write numbers and
    names in full, under a key that ends in `number` or `name`: each subscription gets them as its owner may see
    them. `at` is when it happened (None: now). Raises ValueError for an event that is not in
    `crm.hooks.events`, and for data that is no JSON or too long.
    """
    kind = Event(event)
    wanted = subscribers(connection, kind)
    if not wanted:
        return None
    return tell(connection, wanted, kind, subject, data, at=at or datetime.now(UTC))


def subscribers(connection: Connection, event: Event) -> list[str]:
    """Active subscriptions that asked for it."""
    return [hook_id for hook_id, events in _active(connection) if event in events]


def tell(
    connection: Connection,
    hook_ids: list[str],
    event: Event,
    subject: str,
    data: Mapping[str, object],
    *,
    at: datetime,
) -> str:
    """Put an event on its way to these subscriptions, whatever they asked for. Gives its id."""
    if not subject or len(subject) > 96:
        raise ValueError(f"a subject has 1 to 96 characters: {subject!r}")
    text = json.dumps(data, ensure_ascii=False, allow_nan=False)
    if len(text.encode()) > LONGEST_DATA:
        raise ValueError(f"data of {event} is longer than {LONGEST_DATA} bytes")
    happening_id = new_id(at)
    connection.execute(
        insert(happenings).values(id=happening_id, event=event, subject=subject, at=at, data=json.loads(text))
    )
    connection.execute(
        insert(deliveries),
        [
            {
                "id": new_id(at),
                "hook_id": hook_id,
                "happening_id": happening_id,
                "event": event,
                "subject": subject,
                "at": at,
                "state": "waiting",
                "since": at,
                "next_at": at,
            }
            for hook_id in hook_ids
        ],
    )
    return happening_id


def forget_subject(connection: Connection, subject: str) -> int:
    """Erase what was told, or was to be told, of one subject; for erasing a person. Gives how many events.

    That it was erased stays told: it names nobody, and other systems must hear it.
    """
    theirs = and_(happenings.c.subject == subject, happenings.c.event != Event.RECORD_ERASED.value)
    connection.execute(
        update(deliveries)
        .where(
            deliveries.c.happening_id.in_(select(happenings.c.id).where(theirs)),
            deliveries.c.state == "waiting",
        )
        .values(state="cancelled", last_error="erased")
    )
    return connection.execute(update(happenings).where(theirs).values(data={})).rowcount


def forget_before(connection: Connection, before: datetime, *, most: int = 5000) -> int:
    """Delete deliveries that are over and older than this, and what nobody waits for any more."""
    old = (
        select(deliveries.c.number)
        .where(deliveries.c.at < before, deliveries.c.state != "waiting")
        .order_by(deliveries.c.at)
        .limit(most)
    )
    gone = connection.execute(delete(deliveries).where(deliveries.c.number.in_(old))).rowcount
    unused = ~select(deliveries.c.number).where(deliveries.c.happening_id == happenings.c.id).exists()
    connection.execute(delete(happenings).where(happenings.c.at < before, unused))
    return gone


def _active(connection: Connection) -> list[tuple[str, list[str]]]:
    rows = fetch(connection, _ACTIVE, ())
    return [(row[0], json.loads(row[1]) if isinstance(row[1], str) else row[1]) for row in rows]
