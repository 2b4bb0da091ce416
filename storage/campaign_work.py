"""What agents do with targets by hand: look at the next one, dial it, skip it, promise to call back."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, select, update

from access.sentences import Sentence
from access.users import Principal
from campaigns.attempts import Attempt
from campaigns.campaigns import Campaign, CampaignState, Mode
from campaigns.targets import (
    END_STATES,
    NotCallable,
    Target,
    TargetNotFound,
    TargetOver,
    TargetState,
    TargetTaken,
)
from storage import attempts, campaign_targets, campaigns
from storage.attempts import Proposal, Verdict
from storage.contactability import House
from storage.contacts import put_off_try
from storage.sight import Sight, sights
from storage.tables.campaigns import campaign_targets as targets
from storage.tables.campaigns import campaigns as campaign_table

#: Targets looked at in one request for the next one.
_MOST_LOOKS: Final = 50
#: A call-back may lie so far ahead.
LONGEST_AHEAD: Final = timedelta(days=60)
#: Modes whose targets agents dial themselves.
BY_HAND: Final = (Mode.MANUAL, Mode.PREVIEW)


def workable(connection: Connection, queues: Collection[str]) -> list[Campaign]:
    """Running campaigns whose agents dial themselves, of some queues."""
    running = campaigns.every(connection, states=[CampaignState.RUNNING])
    return [one for one in running if one.mode in BY_HAND and one.queue in queues]


def held_of(connection: Connection, agent_id: str, now: datetime) -> Target | None:
    """The target that is kept for an agent now."""
    row = (
        connection.execute(
            select(targets).where(
                targets.c.held_by == agent_id,
                targets.c.held_until > now,
                targets.c.state == TargetState.WAITING,
            )
        )
        .mappings()
        .first()
    )
    return None if row is None else campaign_targets.target_from(row)


def next_for(
    connection: Connection, campaign: Campaign, viewer: Principal, agent_id: str, house: House, now: datetime
) -> Target | None:
    """Keep the next target of a campaign for an agent while he looks at it; None where nobody may be called now.

    What he looked at before is free again. Customers whose record is closed to him are left to others.
    """
    let_go(connection, agent_id)
    passed: set[str] = set()
    for _ in range(_MOST_LOOKS):
        found = attempts.propose(
            connection, campaign, house, now, 1, but=passed, agent_reserved=True, agent_id=agent_id
        )
        if not found:
            return None
        for one in found:
            if one.verdict is not Verdict.DIAL:
                attempts.put_off(connection, one, now)
                passed.add(one.target.id)
                continue
            seen = sights(connection, viewer, [one.target.customer_id], now)
            if seen.get(one.target.customer_id) is Sight.OPEN and (
                kept := _keep(connection, campaign, one.target, agent_id, now)
            ):
                return kept
            passed.add(one.target.id)
    return None


def _keep(
    connection: Connection, campaign: Campaign, target: Target, agent_id: str, now: datetime
) -> Target | None:
    until = now + timedelta(seconds=campaign.rules.preview_seconds)
    kept = (
        update(targets)
        .where(
            targets.c.id == target.id,
            targets.c.state == TargetState.WAITING,
            targets.c.due_at == target.due_at,
            targets.c.held_by.is_(None) if target.held_by is None else (targets.c.held_by == target.held_by),
        )
        .values(held_by=agent_id, held_until=until)
    )
    if connection.execute(kept).rowcount != 1:
        return None
    return replace(target, held_by=agent_id, held_until=until)


def let_go(connection: Connection, agent_id: str) -> None:
    """He looks at nobody any more."""
    connection.execute(
        update(targets).where(targets.c.held_by == agent_id).values(held_by=None, held_until=None)
    )


def propose_by_hand(
    connection: Connection, target_id: str, agent_id: str, house: House, now: datetime
) -> tuple[Campaign, Proposal]:
    """What an agent's order to dial a target comes to. Only reads.

    Raises TargetNotFound, TargetOver, TargetTaken, NotCallable.
    """
    target = _open(connection, target_id, agent_id, now)
    campaign = campaigns.get(connection, target.campaign_id)
    if campaign.state is not CampaignState.RUNNING:
        raise NotCallable(
            "This campaign does not run just now. Nothing was dialed; a supervisor can start it.",
            rule="not_running",
            until=None,
        )
    one = attempts.consider(connection, campaign, target, house, now, agent_reserved=True)
    if one.verdict is Verdict.WAIT:
        raise NotCallable(
            Sentence(
                "This customer may not be called now: {contact_rule}. Nothing was dialed.",
                contact_rule=one.why["rule"],
            ),
            rule=str(one.why["rule"]),
            until=one.due_at,
        )
    if one.verdict is not Verdict.DIAL:
        raise TargetOver("Nobody is to call this customer for this campaign any more. Nothing was dialed.")
    return campaign, one


def claim(connection: Connection, one: Proposal, *, node: str, agent_id: str, now: datetime) -> Attempt:
    """The attempt of an agent's own dial, as a committed row before anything rings. Raises TargetTaken."""
    claimed = attempts.claim_by_hand(connection, one, node=node, now=now, agent_id=agent_id)
    if claimed is None:
        raise TargetTaken("Somebody is calling this customer already. Nothing was dialed.")
    return claimed


def skip(
    connection: Connection,
    target_id: str,
    *,
    agent_id: str,
    by: str,
    reason: str,
    until: datetime,
    now: datetime,
) -> Target:
    """Not this one now: it waits until a moment, with the reason. Raises TargetNotFound, TargetOver, TargetTaken."""
    target = _open(connection, target_id, agent_id, now)
    why = {"why": "skipped", "reason": reason, "by": by}
    after = replace(target, due_at=until, why=why, held_by=None, held_until=None)
    campaign_targets.write(connection, after)
    return after


def call_back(
    connection: Connection, target_id: str, *, at: datetime, agent_id: str, by: str, note: str, now: datetime
) -> Target:
    """The customer is to be called back at a moment: by an agent, or by anybody (`agent_id` empty).

    Also one who was reached: he goes on waiting then. Raises TargetNotFound, TargetOver, TargetTaken.
    """
    target = campaign_targets.get(connection, target_id, lock=True)
    if target is None:
        raise TargetNotFound("There is no such target. Nothing was changed.")
    if target.state is TargetState.WITHDRAWN:
        raise TargetOver("This customer was taken off the campaign. Nothing was changed.")
    if target.state is TargetState.DIALING:
        raise TargetTaken(
            "This customer is being called just now. Nothing was changed; try again afterwards."
        )
    after = replace(
        target,
        state=TargetState.WAITING,
        due_at=at,
        expires_at=max(target.expires_at, at + timedelta(days=3)),
        callback_of=agent_id,
        closed_at=None,
        held_by=None,
        held_until=None,
        why={"why": "callback", "by": by},
        callback_note=note or None,
    )
    campaign_targets.write(connection, after)
    if target.contact_id is not None:
        put_off_try(connection, target.contact_id, at)
    return after


def call_backs(
    connection: Connection, agent_id: str, queues: Collection[str], limit: int = 50
) -> Sequence[Target]:
    """Call-backs that were promised: an agent's own, and the pool's of his queues; the next first."""
    rows = connection.execute(
        select(targets)
        .join(campaign_table, campaign_table.c.id == targets.c.campaign_id)
        .where(
            targets.c.state == TargetState.WAITING,
            targets.c.callback_of.in_([agent_id, ""]),
            campaign_table.c.state == CampaignState.RUNNING,
            (targets.c.callback_of == agent_id) | campaign_table.c.queue.in_(list(queues)),
        )
        .order_by(targets.c.due_at, targets.c.id)
        .limit(limit)
    ).mappings()
    return [campaign_targets.target_from(row) for row in rows]


def due_call_backs(connection: Connection, since: datetime, until: datetime) -> Sequence[Target]:
    """Personal call-backs whose moment lies in a span, for the word to the agent."""
    rows = connection.execute(
        select(targets).where(
            targets.c.state == TargetState.WAITING,
            targets.c.callback_of > "",
            targets.c.due_at > since,
            targets.c.due_at <= until,
        )
    ).mappings()
    return [campaign_targets.target_from(row) for row in rows]


def promised_by(connection: Connection, before: datetime) -> set[str]:
    """Agents with a personal call-back that was due before a moment."""
    rows = connection.execute(
        select(targets.c.callback_of)
        .where(targets.c.state == TargetState.WAITING, targets.c.callback_of > "", targets.c.due_at <= before)
        .distinct()
    )
    return {row[0] for row in rows}


def give_to_pool(connection: Connection, before: datetime, away: Collection[str]) -> int:
    """Personal call-backs due before a moment, of agents who are away, are anybody's from now on. Gives how many."""
    if not away:
        return 0
    rows = connection.execute(
        select(targets).where(
            targets.c.state == TargetState.WAITING,
            targets.c.callback_of.in_(list(away)),
            targets.c.due_at <= before,
        )
    ).mappings()
    late = [campaign_targets.target_from(row) for row in rows]
    for one in late:
        words: dict[str, Any] = {**one.why, "was_of": one.callback_of}
        campaign_targets.write(connection, replace(one, callback_of="", why=words))
    return len(late)


def _open(connection: Connection, target_id: str, agent_id: str, now: datetime) -> Target:
    target = campaign_targets.get(connection, target_id, lock=True)
    if target is None:
        raise TargetNotFound("There is no such target. Nothing was changed.")
    if target.state in END_STATES:
        raise TargetOver("Nobody is to call this customer for this campaign any more. Nothing was changed.")
    if target.state is TargetState.DIALING:
        raise TargetTaken("Somebody is calling this customer already. Nothing was changed.")
    held = target.held_by is not None and target.held_until is not None and target.held_until > now
    if held and target.held_by != agent_id:
        raise TargetTaken("A colleague is looking at this customer just now. Nothing was changed.")
    if target.callback_of and target.callback_of != agent_id:
        raise TargetTaken("A colleague has promised to call this customer back. Nothing was changed.")
    return target
