"""Agents and their phones: the current row, and every change of state, append-only."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime

from sqlalchemy import Connection, Row, delete, insert, select, update

from access.ids import new_id
from storage.database import Database
from storage.tables.access import users
from storage.tables.telephony import agent_changes, agents, phones
from storage.told import tell_of_agent
from telephony.agents import Agent, AgentState
from telephony.desk import NoSuchAgent
from telephony.phones import Phone, PhoneKind

_LETTERS = "abcdefghijkmnpqrstuvwxyz23456789"


def _agent(row: Row[tuple[object, ...]]) -> Agent:
    values = row._mapping
    return Agent(
        id=values[users.c.id],
        name=values[users.c.name],
        state=AgentState(values[agents.c.state] or AgentState.SIGNED_OUT),
        since=values[agents.c.since] or values[users.c.created_at],
        reason=values[agents.c.reason] or "",
        phone=values[agents.c.phone] or "",
        queues=values[agents.c.queues] or {},
        missed_in_row=values[agents.c.missed_in_row] or 0,
        next_pause=values[agents.c.next_pause] or "",
        call_id=values[agents.c.call_id],
        wrapup_until=values[agents.c.wrapup_until],
        reserved_for=values[agents.c.reserved_for],
    )


_ALL = select(users.c.id, users.c.name, users.c.created_at, *agents.c).select_from(
    users.outerjoin(agents, agents.c.user_id == users.c.id)
)


def get(connection: Connection, agent_id: str) -> Agent | None:
    """One agent, or None where there is no such active user. A user who never signed in is signed out."""
    row = connection.execute(_ALL.where(users.c.id == agent_id, users.c.active.is_(True))).one_or_none()
    return _agent(row) if row else None


def find(connection: Connection) -> list[Agent]:
    """Every active user who has a phone or a row here, by name."""
    having = select(phones.c.user_id)
    rows = connection.execute(
        _ALL.where(
            users.c.active.is_(True),
            (agents.c.user_id.is_not(None)) | (users.c.id.in_(having)),
        ).order_by(users.c.name, users.c.id)
    )
    return [_agent(row) for row in rows]


def save(connection: Connection, agent: Agent, *, event: str, now: datetime, actor: str = "service") -> None:
    """Write the agent's row and append the change that led to it."""
    values = {
        "state": agent.state.value,
        "since": agent.since,
        "reason": agent.reason,
        "phone": agent.phone,
        "queues": dict(agent.queues),
        "missed_in_row": agent.missed_in_row,
        "next_pause": agent.next_pause,
        "call_id": agent.call_id,
        "wrapup_until": agent.wrapup_until,
        "reserved_for": agent.reserved_for,
    }
    changed = connection.execute(update(agents).where(agents.c.user_id == agent.id).values(values))
    if changed.rowcount == 0:
        connection.execute(insert(agents).values(user_id=agent.id, **values))
    connection.execute(
        insert(agent_changes).values(
            id=new_id(now),
            user_id=agent.id,
            at=now,
            event=event,
            state=agent.state.value,
            reason=agent.reason,
            call_id=agent.call_id,
            actor=actor,
        )
    )
    tell_of_agent(connection, agent, now)


def all_phones(connection: Connection) -> list[Phone]:
    """Every phone of every active user, as the switch's files need them."""
    rows = connection.execute(
        select(phones)
        .join(users, users.c.id == phones.c.user_id)
        .where(users.c.active.is_(True))
        .order_by(phones.c.endpoint)
    )
    return [
        Phone(endpoint=row.endpoint, secret=row.secret, kind=PhoneKind(row.kind), owner_id=row.user_id)
        for row in rows
    ]


def phones_of(connection: Connection, user_id: str) -> list[Phone]:
    return [phone for phone in all_phones(connection) if phone.owner_id == user_id]


def give_phones(
    connection: Connection, user_id: str, now: datetime, kinds: Iterable[PhoneKind] = tuple(PhoneKind)
) -> list[Phone]:
    """Make sure the user has one phone of each kind; endpoint names are random, never a login or digits."""
    present = {phone.kind: phone for phone in phones_of(connection, user_id)}
    for kind in kinds:
        if kind not in present:
            endpoint = "p" + "".join(secrets.choice(_LETTERS) for _ in range(15))
            secret = secrets.token_hex(20)
            connection.execute(
                insert(phones).values(
                    endpoint=endpoint, user_id=user_id, kind=kind.value, secret=secret, created_at=now
                )
            )
            present[kind] = Phone(endpoint=endpoint, secret=secret, kind=kind, owner_id=user_id)
    return list(present.values())


def take_phones(connection: Connection, user_id: str) -> None:
    """Remove a user's phones: nobody can register with them after the next render."""
    connection.execute(delete(phones).where(phones.c.user_id == user_id))


class AgentTable:
    """`telephony.desk.AgentRows` on the database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def change(
        self, agent_id: str, decide: Callable[[Agent], Agent], *, event: str, now: datetime, actor: str
    ) -> tuple[Agent, Agent]:
        def work(connection: Connection) -> tuple[Agent, Agent]:
            connection.execute(select(users.c.id).where(users.c.id == agent_id).with_for_update())
            before = get(connection, agent_id)
            if before is None:
                raise NoSuchAgent("There is no such agent.")
            after = decide(before)
            if after != before:
                save(connection, after, event=event, now=now, actor=actor)
            return before, after

        return await self._database.write(work)

    async def find(self) -> Sequence[Agent]:
        return await self._database.read(find)

    async def endpoints(self) -> Mapping[str, str]:
        phones = await self._database.read(all_phones)
        return {phone.endpoint: phone.owner_id for phone in phones}
