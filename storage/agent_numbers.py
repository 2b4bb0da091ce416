"""An agent's day in figures, from the calls and from every change of state."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, func, select

from storage.tables.calls import calls
from storage.tables.telephony import agent_changes
from telephony.agents import AgentEvent, AgentState
from telephony.calls import Direction

#: More calls than anybody takes in a day.
_MOST: int = 2000


@dataclass(frozen=True, kw_only=True, slots=True)
class TalkedCall:
    """A call the agent talked in."""

    started_at: datetime
    direction: Direction
    talk_seconds: float
    hold_seconds: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """A change of the agent's state."""

    at: datetime
    event: str
    state: AgentState
    #: Of a pause.
    reason: str = ""
    call_id: str | None = None


def talked_calls(
    connection: Connection, user_id: str, since: datetime, until: datetime
) -> Sequence[TalkedCall]:
    """Calls this agent talked in that began in [since, until)."""
    rows = connection.execute(
        select(calls.c.started_at, calls.c.direction, calls.c.talk_seconds, calls.c.hold_seconds)
        .where(
            calls.c.agent_id == user_id,
            calls.c.started_at >= since,
            calls.c.started_at < until,
            calls.c.connected_at.is_not(None),
        )
        .order_by(calls.c.started_at)
        .limit(_MOST)
    )
    return [
        TalkedCall(
            started_at=row.started_at,
            direction=Direction(row.direction),
            talk_seconds=row.talk_seconds,
            hold_seconds=row.hold_seconds,
        )
        for row in rows
    ]


def changes(connection: Connection, user_id: str, since: datetime, until: datetime) -> Sequence[Change]:
    """Every change in [since, until), before them the one that held at `since` (at its own time)."""
    mine = agent_changes.c.user_id == user_id
    before = select(func.max(agent_changes.c.at)).where(mine, agent_changes.c.at < since).scalar_subquery()
    rows = connection.execute(
        select(
            agent_changes.c.at,
            agent_changes.c.event,
            agent_changes.c.state,
            agent_changes.c.reason,
            agent_changes.c.call_id,
        )
        .where(
            mine, agent_changes.c.at < until, (agent_changes.c.at >= since) | (agent_changes.c.at == before)
        )
        .order_by(agent_changes.c.at, agent_changes.c.id)
    )
    return [
        Change(
            at=row.at,
            event=row.event,
            state=AgentState(row.state),
            reason=row.reason,
            call_id=row.call_id,
        )
        for row in rows
    ]


def rings_missed(found: Sequence[Change], since: datetime) -> list[tuple[datetime, str | None]]:
    """Rings that were not answered: when, and of which call. The call stands in the ring before."""
    missed: list[tuple[datetime, str | None]] = []
    rang: str | None = None
    for one in found:
        if one.event == AgentEvent.RANG:
            rang = one.call_id
        elif one.event == AgentEvent.CONNECTED:
            rang = None
        elif one.event == AgentEvent.MISSED:  # also after the leg's end, which may be told first
            if one.at >= since:
                missed.append((one.at, rang))
            rang = None
    return missed
