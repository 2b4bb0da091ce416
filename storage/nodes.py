"""Processes on one database: each says that it lives; what a lost one was dialing is nobody's guess but unknown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import Connection, select, update

from campaigns.attempts import AttemptOutcome, AttemptState
from storage.attempts import attempt_from, settle
from storage.tables.calls import calls
from storage.tables.campaigns import dial_attempts as attempts
from storage.tables.campaigns import nodes


@dataclass(frozen=True, kw_only=True, slots=True)
class Node:
    """One process with a switch."""

    name: str
    role: str
    started_at: datetime
    beat_at: datetime


def beat(connection: Connection, name: str, role: str, now: datetime, *, starts: bool = False) -> None:
    """This process lives."""
    values = {"role": role, "beat_at": now, **({"started_at": now} if starts else {})}
    if connection.execute(update(nodes).where(nodes.c.name == name).values(**values)).rowcount == 0:
        connection.execute(nodes.insert().values(name=name, role=role, started_at=now, beat_at=now))


def every(connection: Connection) -> list[Node]:
    """All processes that ever dialed, by name."""
    rows = connection.execute(select(nodes).order_by(nodes.c.name)).mappings()
    return [Node(**row) for row in rows]


def lost(connection: Connection, before: datetime) -> Sequence[str]:
    """Processes that were not heard of since a moment."""
    return [one.name for one in every(connection) if one.beat_at < before]


def settle_lost(connection: Connection, names: Sequence[str], before: datetime, now: datetime) -> int:
    """Attempts that lost processes had open since before a moment are unknown; gives how many.

    If such a process comes back, its switch's files still tell what became of them (`campaigns.attempts.judged`).
    """
    opened = select(calls.c.id).where(calls.c.id == attempts.c.id).exists()
    wanted = select(attempts).where(
        attempts.c.open_number.is_not(None),
        opened,  # without a call it was never sent: given back (`storage.attempts.orphans`)
        attempts.c.node.in_(list(names)),
        attempts.c.intent_at < before,
    )
    rows = connection.execute(wanted.with_for_update(of=attempts)).mappings().all()
    for row in rows:
        attempt = attempt_from(row)
        over = replace(
            attempt,
            state=AttemptState.UNKNOWN,
            outcome=AttemptOutcome.UNKNOWN,
            reason="node_lost",
            ended_at=now,
        )
        settle(connection, attempt, over, now)
    return len(rows)
