"""Rows of targets: put on a campaign, due, counted, withdrawn."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, RowMapping, func, or_, select, update

from access.ids import new_id
from access.users import Principal
from campaigns.attempts import AttemptOutcome
from campaigns.campaigns import Campaign
from campaigns.targets import NewTarget, Target, TargetNotFound, TargetState
from crm.contacts.contacts import ContactState, ReasonKind, ReasonState
from storage.bulk import insert_rows
from storage.sight import in_reach
from storage.tables.campaigns import campaign_targets as targets
from storage.tables.contacts import contact_reasons, due_contacts

_PRIORITIES = range(10)


def target_from(row: RowMapping) -> Target:
    """The value of a row of `campaign_targets`."""
    plain = {name: row[name] for name in Target.__slots__}
    return Target(
        **{
            **plain,
            "state": TargetState(row["state"]),
            "counts": {AttemptOutcome(name): count for name, count in row["counts"].items()},
            "last_outcome": AttemptOutcome(row["last_outcome"]) if row["last_outcome"] else None,
        }
    )


def add(connection: Connection, campaign: Campaign, wanted: Sequence[NewTarget], now: datetime) -> int:
    """Put people on a campaign; whom the same key names already stays as he is. Gives how many are new."""
    expires_at = now + timedelta(days=campaign.rules.expires_days)
    before = _count(connection, campaign.id)
    rows: list[dict[str, Any]] = [
        {
            "id": new_id(now),
            "campaign_id": campaign.id,
            "customer_id": one.customer_id,
            "key": one.key[:80],
            "vehicle_id": one.vehicle_id,
            "contact_id": one.contact_id,
            "state": TargetState.WAITING.value,
            "due_at": one.due_at or now,
            "expires_at": expires_at,
            "priority": one.priority,
            "tries": 0,
            "turn": 0,
            "counts": {},
            "callback_of": None,
            "last_outcome": None,
            "last_attempt_id": None,
            "why": {},
            "created_at": now,
            "closed_at": None,
            "held_by": None,
            "held_until": None,
            "callback_note": None,
        }
        for one in wanted
    ]
    insert_rows(connection, targets, rows, known_stay=True)
    return _count(connection, campaign.id) - before


def _count(connection: Connection, campaign_id: str) -> int:
    counted = select(func.count()).where(targets.c.campaign_id == campaign_id)
    return int(connection.execute(counted).scalar_one())


def of_contacts(
    connection: Connection, viewer: Principal, kinds: Collection[ReasonKind], now: datetime
) -> list[NewTarget]:
    """Whom open contacts with an open reason of these kinds would have called, the first due first; the contact is
    the reason for the call, so that what is done another way is not called for."""
    rows = connection.execute(
        select(
            due_contacts.c.id,
            due_contacts.c.customer_id,
            due_contacts.c.priority,
            contact_reasons.c.vehicle_id,
        )
        .join(contact_reasons, contact_reasons.c.contact_id == due_contacts.c.id)
        .where(
            due_contacts.c.state == ContactState.OPEN,
            contact_reasons.c.state == ReasonState.OPEN,
            contact_reasons.c.kind.in_([kind.value for kind in kinds]),
            in_reach(connection, viewer, due_contacts.c.customer_id, now),
        )
        .order_by(due_contacts.c.due_at, due_contacts.c.id, contact_reasons.c.id)
    )
    found: dict[str, NewTarget] = {}
    for row in rows:
        found.setdefault(
            row.id,
            NewTarget(
                customer_id=row.customer_id,
                key=f"contact:{row.id}",
                vehicle_id=row.vehicle_id,
                contact_id=row.id,
                priority=row.priority,
            ),
        )
    return list(found.values())


def get(connection: Connection, target_id: str, *, lock: bool = False) -> Target | None:
    """One target by its id."""
    wanted = select(targets).where(targets.c.id == target_id)
    row = connection.execute(wanted.with_for_update() if lock else wanted).mappings().one_or_none()
    return None if row is None else target_from(row)


def due(
    connection: Connection,
    campaign_id: str,
    now: datetime,
    limit: int,
    *,
    but: Collection[str] = (),
    agent_id: str = "",
) -> list[Target]:
    """Targets whose moment has come, in calling order: the most urgent, then the longest due; `but` some ids.

    Those that another agent than `agent_id` looks at, or promised to call back himself, are left out. One look into
    the index for each priority, so that thousands who wait for tomorrow cost nothing.
    """
    found: list[Target] = []
    for priority in _PRIORITIES:
        rows = connection.execute(
            select(targets)
            .where(
                targets.c.campaign_id == campaign_id,
                targets.c.state == TargetState.WAITING,
                targets.c.priority == priority,
                targets.c.due_at <= now,
                *_free_for(agent_id, now),
            )
            .order_by(targets.c.due_at, targets.c.id)
            .limit(limit - len(found) + len(but))
        ).mappings()
        found += [target for row in rows if (target := target_from(row)).id not in but]
        if len(found) >= limit:
            return found[:limit]
    return found


def _free_for(agent_id: str, now: datetime) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    """Nobody else looks at it, and nobody else promised to call back."""
    mine = ["", agent_id] if agent_id else [""]
    return (
        or_(
            targets.c.held_by.is_(None),
            targets.c.held_until <= now,
            *([targets.c.held_by == agent_id] if agent_id else []),
        ),
        or_(targets.c.callback_of.is_(None), targets.c.callback_of.in_(mine)),
    )


def next_due(connection: Connection, campaign_id: str) -> datetime | None:
    """When the next waiting target comes due; None where none waits."""
    earliest: datetime | None = connection.execute(
        select(func.min(targets.c.due_at)).where(
            targets.c.campaign_id == campaign_id, targets.c.state == TargetState.WAITING
        )
    ).scalar_one_or_none()
    return earliest


def write(connection: Connection, target: Target) -> None:
    """Everything of a target that changes."""
    connection.execute(update(targets).where(targets.c.id == target.id).values(**_changing(target)))


def wait(
    connection: Connection, target_id: str, *, due_at: datetime, why: Mapping[str, Any], now: datetime
) -> bool:
    """A waiting target is not to be called before a moment, and why. False where it waits no more."""
    moved = (
        update(targets)
        .where(targets.c.id == target_id, targets.c.state == TargetState.WAITING)
        .values(due_at=due_at, why=dict(why))
    )
    return connection.execute(moved).rowcount == 1


def end(
    connection: Connection, target_id: str, state: TargetState, *, why: Mapping[str, Any], now: datetime
) -> bool:
    """A waiting target is over. False where it waits no more."""
    ended = (
        update(targets)
        .where(targets.c.id == target_id, targets.c.state == TargetState.WAITING)
        .values(state=state, why=dict(why), closed_at=now)
    )
    return connection.execute(ended).rowcount == 1


def page(
    connection: Connection,
    campaign_id: str,
    *,
    state: TargetState | None = None,
    after: str = "",
    limit: int = 50,
) -> list[Target]:
    """Targets in the order they were put on, behind an id."""
    wanted = select(targets).where(targets.c.campaign_id == campaign_id, targets.c.id > after)
    if state is not None:
        wanted = wanted.where(targets.c.state == state)
    return [
        target_from(row) for row in connection.execute(wanted.order_by(targets.c.id).limit(limit)).mappings()
    ]


def several(connection: Connection, target_ids: Sequence[str]) -> list[Target]:
    """These targets, as far as they exist, in the order they were put on."""
    rows = connection.execute(
        select(targets).where(targets.c.id.in_(list(target_ids))).order_by(targets.c.id)
    ).mappings()
    return [target_from(row) for row in rows]


def withdraw(connection: Connection, target_id: str, *, why: Mapping[str, Any], now: datetime) -> Target:
    """Take a target off; one that is over stays as it is, and one that is being called is not called again.

    Raises TargetNotFound.
    """
    target = get(connection, target_id, lock=True)
    if target is None:
        raise TargetNotFound("There is no such target. Nothing was changed.")
    if target.state is TargetState.WAITING:
        end(connection, target_id, TargetState.WITHDRAWN, why=why, now=now)
    elif target.state is TargetState.DIALING:
        # Its attempt's end finds it due no more: it expires at once.
        connection.execute(
            update(targets).where(targets.c.id == target_id).values(expires_at=now, why=dict(why))
        )
    found = get(connection, target_id)
    if found is None:
        raise TargetNotFound("There is no such target. Nothing was changed.")
    return found


def counts(connection: Connection, campaign_id: str) -> dict[TargetState, int]:
    """How many targets are in each state."""
    rows = connection.execute(
        select(targets.c.state, func.count())
        .where(targets.c.campaign_id == campaign_id)
        .group_by(targets.c.state)
    )
    return {TargetState(state): count for state, count in rows}


def waiting_reasons(connection: Connection, campaign_id: str, now: datetime) -> Counter[str]:
    """Why targets wait, with counts: a rule of contactability, retry, later, or due."""
    rows = connection.execute(
        select(targets.c.why, targets.c.due_at).where(
            targets.c.campaign_id == campaign_id, targets.c.state == TargetState.WAITING
        )
    )
    found: Counter[str] = Counter()
    for why, due_at in rows:
        if due_at <= now:
            found["due"] += 1
        else:
            found[str(why.get("rule") or why.get("why") or "later")] += 1
    return found


def _changing(target: Target) -> dict[str, Any]:
    names = (
        *("turn", "tries", "due_at", "expires_at", "callback_of", "last_attempt_id", "closed_at", "priority"),
        *("held_by", "held_until", "callback_note"),
    )
    return {
        **{name: getattr(target, name) for name in names},
        "state": target.state.value,
        "counts": {outcome.value: count for outcome, count in target.counts.items()},
        "last_outcome": None if target.last_outcome is None else target.last_outcome.value,
        "why": dict(target.why),
    }
