"""Rows of the ladder: opened when a target is given up, climbed one rung at a time, void once the customer reacted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, RowMapping, func, select, update
from sqlalchemy.dialects import postgresql, sqlite

from access.ids import new_id
from campaigns.ladder import LadderStep, Rung, RungState, due_after, following
from campaigns.targets import Target, TargetState
from crm.contacts.contacts import Result
from storage import campaign_targets, campaigns
from storage.tables.appointments import appointments
from storage.tables.calls import calls
from storage.tables.campaigns import campaign_rungs as rungs
from storage.tables.contacts import due_contacts
from storage.tables.records import service_visits
from telephony.calls import Direction

#: What a contact comes to without the customer having been reached.
_UNREACHED = (Result.UNSUCCESSFUL.value, Result.NOT_REACHED.value)


def step_from(row: RowMapping) -> LadderStep:
    """The value of a row of `campaign_rungs`."""
    plain = {name: row[name] for name in LadderStep.__slots__}
    return LadderStep(**{**plain, "rung": Rung(row["rung"]), "state": RungState(row["state"])})


def target_ended(connection: Connection, target_id: str, now: datetime) -> None:
    """A target is over: where it was given up and its campaign has a ladder, the first rung is due."""
    target = campaign_targets.get(connection, target_id)
    if target is None or target.state is not TargetState.GIVEN_UP:
        return
    rules = campaigns.get(connection, target.campaign_id).rules
    first = following(rules.ladder, None)
    if first is not None:
        _open(connection, target, first, now, now)


def _open(connection: Connection, target: Target, rung: Rung, due_at: datetime, now: datetime) -> None:
    engine = postgresql if connection.dialect.name == "postgresql" else sqlite
    row = engine.insert(rungs).values(
        id=new_id(now),
        campaign_id=target.campaign_id,
        target_id=target.id,
        customer_id=target.customer_id,
        rung=rung.value,
        state=RungState.DUE.value,
        due_at=due_at,
        created_at=now,
        by_name="",
        why={},
    )
    connection.execute(row.on_conflict_do_nothing())


def due(
    connection: Connection, rung: Rung, now: datetime, limit: int, *, after: str = ""
) -> list[LadderStep]:
    """Rungs of a kind whose moment has come, the oldest first, behind an id."""
    rows = connection.execute(
        select(rungs)
        .where(
            rungs.c.rung == rung, rungs.c.state == RungState.DUE, rungs.c.due_at <= now, rungs.c.id > after
        )
        .order_by(rungs.c.id)
        .limit(limit)
    ).mappings()
    return [step_from(row) for row in rows]


def of_target(connection: Connection, target_id: str) -> list[LadderStep]:
    """What was done for one target, the first first."""
    rows = connection.execute(
        select(rungs).where(rungs.c.target_id == target_id).order_by(rungs.c.id)
    ).mappings()
    return [step_from(row) for row in rows]


def counts(connection: Connection, campaign_id: str) -> dict[tuple[Rung, RungState], int]:
    """How many rungs of a campaign are in each state."""
    rows = connection.execute(
        select(rungs.c.rung, rungs.c.state, func.count())
        .where(rungs.c.campaign_id == campaign_id)
        .group_by(rungs.c.rung, rungs.c.state)
    )
    return {(Rung(rung), RungState(state)): count for rung, state, count in rows}


def waiting_letters(connection: Connection) -> int:
    """Letters to print."""
    wanted = select(func.count()).where(rungs.c.rung == Rung.LETTER, rungs.c.state == RungState.DUE)
    return int(connection.execute(wanted).scalar_one())


def close(
    connection: Connection,
    step: LadderStep,
    state: RungState,
    now: datetime,
    *,
    by_name: str = "",
    why: Mapping[str, Any] | None = None,
) -> bool:
    """A rung is over; the next one becomes due where the ladder goes on. False where somebody was faster."""
    closed = (
        update(rungs)
        .where(rungs.c.id == step.id, rungs.c.state == RungState.DUE)
        .values(state=state.value, done_at=now, by_name=by_name[:64], why=dict(why or {}))
    )
    if connection.execute(closed).rowcount != 1:
        return False
    if state is RungState.VOID:
        return True
    target = campaign_targets.get(connection, step.target_id)
    rules = campaigns.get(connection, step.campaign_id).rules
    after = following(rules.ladder, step.rung)
    if target is not None and after is not None:
        _open(connection, target, after, due_after(state, now, rules.ladder_days), now)
    return True


def reacted(connection: Connection, step: LadderStep) -> str:
    """How the customer made the rung needless since he was given up: in a word; empty where he did not.

    His contact was done after all, he called us, he booked, he came, or the target is called again.
    """
    target = campaign_targets.get(connection, step.target_id)
    if target is None or target.state is not TargetState.GIVEN_UP:
        return "target"
    since = target.closed_at or step.created_at
    if target.contact_id is not None:
        result = connection.execute(
            select(due_contacts.c.result).where(due_contacts.c.id == target.contact_id)
        ).scalar_one_or_none()
        if result is not None and result not in _UNREACHED:
            return "contact"
    who = step.customer_id
    called = select(calls.c.id).where(
        calls.c.customer_id == who,
        calls.c.direction == Direction.INBOUND.value,
        calls.c.connected_at.is_not(None),
        calls.c.started_at > since,
    )
    booked = select(appointments.c.id).where(
        appointments.c.customer_id == who, appointments.c.created_at > since
    )
    came = select(service_visits.c.id).where(
        service_visits.c.customer_id == who, service_visits.c.visited_on > since.date()
    )
    for word, wanted in (("called", called), ("booked", booked), ("came", came)):
        if connection.execute(wanted.limit(1)).first() is not None:
            return word
    return ""


def void_needless(connection: Connection, steps: Sequence[LadderStep], now: datetime) -> list[LadderStep]:
    """End those whose customer reacted; gives the others."""
    left = []
    for step in steps:
        if why := reacted(connection, step):
            close(connection, step, RungState.VOID, now, why={"why": why})
        else:
            left.append(step)
    return left
