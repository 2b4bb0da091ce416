"""Attempts: proposed, claimed before anything is dialed, and settled in the transaction that stores their call.

The protocol is docs/dialing.md's: an attempt's row is committed, then its call's row, then the order is sent. What came
of it follows the call log (`react_to_call`), which is complete whoever was away when it happened.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import Connection, RowMapping, func, select, update
from sqlalchemy.dialects import postgresql, sqlite

from access.ids import new_id
from campaigns.attempts import (
    GIVEN_BACK,
    Attempt,
    AttemptId,
    AttemptOutcome,
    AttemptState,
    Evidence,
    judged,
)
from campaigns.campaigns import CONTACT_PURPOSE, Campaign, CampaignState, Mode
from campaigns.retries import decide
from campaigns.targets import Target, TargetState
from crm.consent.contactability import Answer, Rule
from crm.contacts.contacts import ContactError, ContactState, Result
from storage import campaign_targets, campaigns, contacts, ladder
from storage.contactability import Asked, House, Inquiry, ask_many
from storage.customers import mark_number
from storage.tables.calls import calls
from storage.tables.campaigns import campaign_targets as targets
from storage.tables.campaigns import campaigns as campaign_table
from storage.tables.campaigns import dial_attempts as attempts
from storage.tables.contacts import due_contacts
from telephony.calls import Call, Direction
from telephony.facts import Fact, FactKind, Source
from telephony.hours import WorkingTime

#: What nobody but a person can change ends a target; the rest is looked at again.
_FINAL: Final = frozenset({Rule.NO_NUMBER, Rule.WRONG_NUMBER, Rule.OPTED_OUT, Rule.LISTED, Rule.VEHICLE_GONE})
#: A rule that a person may lift any day is asked again so often.
_LOOK_AGAIN: Final = timedelta(hours=4)
#: Outcomes that rang nobody's telephone, or of which nobody knows whether they did.
_SAYS_NOTHING: Final = frozenset({*GIVEN_BACK, AttemptOutcome.UNKNOWN})
_SOURCES: Final = frozenset({Source.AMI, Source.CEL, Source.CDR})


class Verdict(StrEnum):
    """What is to become of a target whose moment has come."""

    DIAL = "dial"
    WAIT = "wait"
    DONE = "done"  # its task is done already
    EXPIRED = "expired"  # its days are used up
    WITHDRAW = "withdraw"


#: What a verdict makes of a target.
_ENDS: Final = {Verdict.DONE: TargetState.DONE, Verdict.EXPIRED: TargetState.GIVEN_UP}


@dataclass(frozen=True, kw_only=True, slots=True)
class Proposal:
    """A target, and what is to be done with it at a moment."""

    target: Target
    verdict: Verdict
    at: datetime
    number: str = ""
    #: Contactability's answer for the number.
    answer: Mapping[str, Any] = field(default_factory=dict)
    #: For one that waits: until when.
    due_at: datetime | None = None
    why: Mapping[str, Any] = field(default_factory=dict)


def attempt_from(row: RowMapping) -> Attempt:
    """The value of a row of `dial_attempts`."""
    plain = {name: row[name] for name in Attempt.__slots__}
    return Attempt(
        **{
            **plain,
            "id": AttemptId(row["id"]),
            "state": AttemptState(row["state"]),
            "outcome": AttemptOutcome(row["outcome"]) if row["outcome"] else None,
        }
    )


def propose(
    connection: Connection,
    campaign: Campaign,
    house: House,
    now: datetime,
    limit: int,
    *,
    but: Collection[str] = (),
    agent_reserved: bool = False,
    agent_id: str = "",
) -> list[Proposal]:
    """What is to become of the next targets of a campaign, until `limit` of them may be dialed. Only reads.

    `agent_id`: who is going to dial, where it is a person.
    """
    found: list[Proposal] = []
    dial = 0
    due = campaign_targets.due(connection, campaign.id, now, limit * 3 + 10, but=but, agent_id=agent_id)
    start = 0
    while start < len(due) and dial < limit:
        # As many as are still wanted, most of which may be dialed.
        some = due[start : start + limit - dial]
        start += len(some)
        every = consider_many(connection, campaign, some, house, now, agent_reserved=agent_reserved)
        found += every
        dial += sum(one.verdict is Verdict.DIAL for one in every)
    return found


def consider(
    connection: Connection,
    campaign: Campaign,
    target: Target,
    house: House,
    now: datetime,
    *,
    agent_reserved: bool,
) -> Proposal:
    """What is to become of one target at this moment. Only reads."""
    [proposal] = consider_many(connection, campaign, [target], house, now, agent_reserved=agent_reserved)
    return proposal


def consider_many(
    connection: Connection,
    campaign: Campaign,
    every: Sequence[Target],
    house: House,
    now: datetime,
    *,
    agent_reserved: bool,
) -> list[Proposal]:
    """What is to become of each of these targets of a campaign at this moment. Only reads."""
    over = _contacts_over(connection, [one.contact_id for one in every if one.contact_id is not None])
    asked = ask_many(
        connection,
        house,
        [Inquiry(customer_id=one.customer_id, vehicle_id=one.vehicle_id, turn=one.turn) for one in every],
        purpose=CONTACT_PURPOSE[campaign.purpose],
        now=now,
        lists=campaign.rules.lists,
        agent_reserved=agent_reserved,
    )
    return [
        _proposal(target, answers, over.get(target.contact_id or "", ""), now)
        for target, answers in zip(every, asked, strict=True)
    ]


def _proposal(target: Target, asked: Sequence[Asked], over: str, now: datetime) -> Proposal:
    """`over`: what came of the contact it is about, where that is closed."""
    if target.expires_at <= now:
        return Proposal(target=target, verdict=Verdict.EXPIRED, at=now, why={"why": "expired"})
    if over:
        return Proposal(target=target, verdict=Verdict.DONE, at=now, why={"why": "contact", "result": over})
    last = asked[-1]
    if last.answer.allowed and last.number is not None:
        return Proposal(
            target=target, verdict=Verdict.DIAL, at=now, number=last.number, answer=last.answer.to_json()
        )
    return _refusal(target, asked, now)


def _refusal(target: Target, asked: Sequence[Asked], now: datetime) -> Proposal:
    """No number of his may be called now: when the first may, or that none ever will by itself."""
    soonest = min((one for one in asked if one.when is not None), key=_when, default=None)
    if soonest is not None:
        due_at = max(_when(soonest), now)
        return Proposal(
            target=target, verdict=Verdict.WAIT, at=now, due_at=due_at, why=_why(soonest.answer, due_at)
        )
    first = asked[0].answer
    why = _why(first, None)
    if all(one.answer.first is not None and one.answer.first.rule in _FINAL for one in asked):
        return Proposal(target=target, verdict=Verdict.WITHDRAW, at=now, why=why)
    return Proposal(target=target, verdict=Verdict.WAIT, at=now, due_at=now + _LOOK_AGAIN, why=why)


def _when(one: Asked) -> datetime:
    if one.when is None:
        raise ValueError("it has no moment")
    return one.when


def _why(answer: Answer, until: datetime | None) -> dict[str, Any]:
    first = answer.first
    return {
        "rule": "" if first is None else first.rule.value,
        "evidence": {} if first is None else dict(first.evidence),
        "until": None if until is None else until.isoformat(),
    }


def _contacts_over(connection: Connection, contact_ids: Sequence[str]) -> dict[str, str]:
    """What came of contacts that targets are about, by id; those that are open are not in it."""
    if not contact_ids:
        return {}
    rows = connection.execute(
        select(due_contacts.c.id, due_contacts.c.state, due_contacts.c.result).where(
            due_contacts.c.id.in_(contact_ids)
        )
    ).all()
    there = {row.id for row in rows}
    closed = {row.id: str(row.result or "closed") for row in rows if row.state == ContactState.CLOSED}
    return closed | {one: "gone" for one in contact_ids if one not in there}


def claim(
    connection: Connection, campaign_id: str, proposals: Sequence[Proposal], *, node: str, now: datetime
) -> list[Attempt]:
    """Do what was proposed, each only where nothing has changed since; gives the attempts to send.

    At most one attempt is open for a number and for a customer, over all campaigns and nodes: whoever comes second
    finds his target waiting for a minute. A campaign that was paused meanwhile claims nothing.
    """
    locked = select(campaign_table.c.state, campaign_table.c.mode).where(campaign_table.c.id == campaign_id)
    if connection.dialect.name == "postgresql":
        locked = locked.with_for_update(read=True)
    row = connection.execute(locked).one_or_none()
    running = row is not None and row.state == CampaignState.RUNNING
    agentless = row is not None and row.mode == Mode.AGENTLESS
    for one in proposals:
        if one.verdict is not Verdict.DIAL:
            put_off(connection, one, now)
    wanted = [one for one in proposals if one.verdict is Verdict.DIAL] if running else []
    return _claim(connection, wanted, node, now, agentless=agentless)


def put_off(connection: Connection, one: Proposal, now: datetime) -> None:
    """Whom nobody may call now waits, or is over, with the reason."""
    if one.verdict is Verdict.WAIT and one.due_at is not None:
        campaign_targets.wait(connection, one.target.id, due_at=one.due_at, why=one.why, now=now)
    elif one.verdict is not Verdict.DIAL:
        state = _ENDS.get(one.verdict, TargetState.WITHDRAWN)
        if campaign_targets.end(connection, one.target.id, state, why=one.why, now=now):
            ladder.target_ended(connection, one.target.id, now)


def claim_by_hand(
    connection: Connection, one: Proposal, *, node: str, now: datetime, agent_id: str
) -> Attempt | None:
    """An agent dials this target himself, his telephone first. None where somebody or another campaign was faster."""
    claimed = _claim(connection, [one], node, now, agent_id=agent_id)
    return claimed[0] if claimed else None


def _claim(
    connection: Connection,
    proposals: Sequence[Proposal],
    node: str,
    now: datetime,
    *,
    agentless: bool = False,
    agent_id: str | None = None,
) -> list[Attempt]:
    """The attempts of those that nothing has happened to since they were asked about, in the same order."""
    taken = _taken(connection, _left_in_peace(connection, proposals))
    if not taken:
        return []
    sends = _sends(connection, [one.target.id for one in taken])
    made: list[Attempt] = []
    for one in taken:
        no = one.target.tries + 1
        made.append(
            Attempt(
                id=AttemptId(new_id(now)),
                campaign_id=one.target.campaign_id,
                target_id=one.target.id,
                customer_id=one.target.customer_id,
                no=no,
                send=sends.get((one.target.id, no), 0) + 1,
                number=one.number,
                node=node,
                state=AttemptState.INTENT,
                intent_at=now,
                agentless=agentless,
                agent_first=agent_id is not None,
                agent_id=agent_id,
                answer=one.answer,
            )
        )
    engine = postgresql if connection.dialect.name == "postgresql" else sqlite
    new = set(
        connection.execute(
            engine.insert(attempts).on_conflict_do_nothing().returning(attempts.c.id),
            [
                {
                    **{name: getattr(one, name) for name in Attempt.__slots__ if name != "answer"},
                    "answer": dict(one.answer),
                    "open_number": one.number,
                    "open_customer": one.customer_id,
                }
                # In one order everywhere, so that no two processes wait for each other.
                for one in sorted(made, key=lambda one: one.number)
            ],
        ).scalars()
    )
    lost = [one.target_id for one in made if one.id not in new]
    if lost:
        busy: dict[str, Any] = {"rule": Rule.IN_CONTACT.value, "evidence": {}, "until": None}
        connection.execute(
            update(targets)
            .where(targets.c.id.in_(lost))
            .values(state=TargetState.WAITING, due_at=now + timedelta(minutes=1), why=busy)
        )
    return [one for one in made if one.id in new]


def _left_in_peace(connection: Connection, proposals: Sequence[Proposal]) -> list[Proposal]:
    """Those whom nobody called since they were asked about."""
    if not proposals:
        return []
    since = connection.execute(
        select(attempts.c.customer_id, func.max(attempts.c.intent_at).label("at"))
        .where(
            attempts.c.customer_id.in_([one.target.customer_id for one in proposals]),
            attempts.c.intent_at > min(one.at for one in proposals),
        )
        .group_by(attempts.c.customer_id)
    )
    called = {row.customer_id: row.at for row in since}
    return [one for one in proposals if called.get(one.target.customer_id, one.at) <= one.at]


def _taken(connection: Connection, proposals: Sequence[Proposal]) -> list[Proposal]:
    """Those whose targets wait as they did; they are being dialed from now on."""
    if not proposals:
        return []
    held = (
        select(targets.c.id, targets.c.due_at)
        .where(targets.c.id.in_([one.target.id for one in proposals]), targets.c.state == TargetState.WAITING)
        .order_by(targets.c.id)
        .with_for_update()
    )
    waits = {row.id: row.due_at for row in connection.execute(held)}
    taken = [one for one in proposals if waits.get(one.target.id) == one.target.due_at]
    connection.execute(
        update(targets)
        .where(targets.c.id.in_([one.target.id for one in taken]))
        .values(state=TargetState.DIALING, why={}, held_by=None, held_until=None)
    )
    return taken


def _sends(connection: Connection, target_ids: Sequence[str]) -> dict[tuple[str, int], int]:
    """The latest order of each try of these targets."""
    rows = connection.execute(
        select(attempts.c.target_id, attempts.c.no, func.max(attempts.c.send))
        .where(attempts.c.target_id.in_(target_ids))
        .group_by(attempts.c.target_id, attempts.c.no)
    )
    return {(target_id, no): send for target_id, no, send in rows}


def submitted(connection: Connection, attempt_ids: Sequence[str]) -> None:
    """The switch has taken the orders."""
    connection.execute(
        update(attempts)
        .where(attempts.c.id.in_(list(attempt_ids)), attempts.c.state == AttemptState.INTENT)
        .values(state=AttemptState.SUBMITTED)
    )


def get(connection: Connection, attempt_id: str, *, lock: bool = False) -> Attempt | None:
    """One attempt by its id, which is its call's."""
    wanted = select(attempts).where(attempts.c.id == attempt_id)
    row = connection.execute(wanted.with_for_update() if lock else wanted).mappings().one_or_none()
    return None if row is None else attempt_from(row)


def several(connection: Connection, attempt_ids: Sequence[str]) -> list[Attempt]:
    """These attempts, as far as they exist."""
    rows = connection.execute(select(attempts).where(attempts.c.id.in_(list(attempt_ids)))).mappings()
    return [attempt_from(row) for row in rows]


def open_attempts(connection: Connection, *, campaign_id: str | None = None) -> list[Attempt]:
    """Attempts that may still ring somewhere, the oldest first."""
    wanted = select(attempts).where(attempts.c.open_number.is_not(None)).order_by(attempts.c.id)
    if campaign_id is not None:
        wanted = wanted.where(attempts.c.campaign_id == campaign_id)
    return [attempt_from(row) for row in connection.execute(wanted).mappings()]


def page(
    connection: Connection,
    campaign_id: str,
    *,
    target_id: str | None = None,
    before: str = "",
    limit: int = 50,
) -> list[Attempt]:
    """Attempts of a campaign, the latest first, before an id."""
    wanted = select(attempts).where(attempts.c.campaign_id == campaign_id)
    if target_id is not None:
        wanted = wanted.where(attempts.c.target_id == target_id)
    if before:
        wanted = wanted.where(attempts.c.id < before)
    rows = connection.execute(wanted.order_by(attempts.c.id.desc()).limit(limit)).mappings()
    return [attempt_from(row) for row in rows]


def history(connection: Connection, campaign_id: str, limit: int) -> list[Attempt]:
    """The latest attempts of a campaign that are over and were dialed by the service, the oldest first."""
    rows = connection.execute(
        select(attempts)
        .where(
            attempts.c.campaign_id == campaign_id,
            attempts.c.open_number.is_(None),
            attempts.c.agent_first.is_(False),
        )
        .order_by(attempts.c.intent_at.desc(), attempts.c.id.desc())
        .limit(limit)
    ).mappings()
    return [attempt_from(row) for row in rows][::-1]


def of_target(connection: Connection, target_id: str) -> list[Attempt]:
    """A target's attempts, the first first."""
    rows = connection.execute(
        select(attempts).where(attempts.c.target_id == target_id).order_by(attempts.c.id)
    ).mappings()
    return [attempt_from(row) for row in rows]


def give_back(connection: Connection, attempt_ids: Sequence[str], *, reason: str, now: datetime) -> int:
    """Attempts that are proved not to have been sent: their targets wait again, as if nothing had been. Gives how many.

    Only for those still in `intent`: whoever sends one takes it out of that state first.
    """
    given = 0
    for attempt_id in attempt_ids:
        attempt = get(connection, attempt_id, lock=True)
        if attempt is not None and attempt.state is AttemptState.INTENT:
            over = replace(
                attempt,
                state=AttemptState.NOT_DIALED,
                outcome=AttemptOutcome.NOT_DIALED,
                reason=reason,
                ended_at=now,
            )
            settle(connection, attempt, over, now)
            given += 1
    return given


def orphans(connection: Connection, before: datetime) -> list[str]:
    """Attempts of before a moment that were never sent: no call of theirs was ever opened."""
    opened = select(calls.c.id).where(calls.c.id == attempts.c.id).exists()
    rows = connection.execute(
        select(attempts.c.id).where(
            attempts.c.open_number.is_not(None),
            attempts.c.state == AttemptState.INTENT,
            attempts.c.intent_at < before,
            ~opened,
        )
    )
    return [row[0] for row in rows]


def react_to_call(
    connection: Connection,
    before: Call | None,
    after: Call,
    facts: Sequence[Fact],
    *,
    hours: WorkingTime,
) -> None:
    """What a change of a call makes of its attempt, its target, and the contact it is about, in the same transaction
    (`storage.journal`)."""
    if after.direction is not Direction.OUTBOUND:
        return
    attempt = get(connection, after.id, lock=True)
    if attempt is None:
        return
    news = judged(attempt, after, evidence_in(facts, agent_first=attempt.agent_first))
    moment = after.ended_at or (facts[-1].at if facts else after.started_at)
    if news == attempt:
        return
    settle(connection, attempt, news, moment)
    if attempt.is_open and not news.is_open:
        _tell_contact(connection, news, after, moment, hours)


def _tell_contact(
    connection: Connection, attempt: Attempt, call: Call, now: datetime, hours: WorkingTime
) -> None:
    """A try that rang is one of the contact's; a menu heard out closes it; where an agent talked, he says."""
    if attempt.outcome in _SAYS_NOTHING or call.connected_at is not None:
        return
    target = campaign_targets.get(connection, attempt.target_id)
    if target is None or target.contact_id is None:
        return
    result = Result.DONE if attempt.outcome is AttemptOutcome.HUMAN else Result.NOT_REACHED
    with contextlib.suppress(ContactError):  # closed or held meanwhile: it has its word
        contacts.close_contact(
            connection, target.contact_id, result, now=now, hours=hours, call_id=attempt.id, force=True
        )


def evidence_in(facts: Sequence[Fact], *, agent_first: bool = False) -> Evidence:
    """What facts of a call show of its attempt; `agent_first`: the agent's telephone rings first."""
    kinds = {fact.kind for fact in facts}
    return Evidence(
        # The agent's own telephone, which rings under the call's id, says nothing of the customer.
        dialed=any(
            fact.source in _SOURCES and not (agent_first and fact.uniqueid == fact.linkedid) for fact in facts
        ),
        rang=FactKind.FAR_SIGN in kinds,
        watched=any(fact.kind is FactKind.LEG_ENDED and fact.source is Source.AMI for fact in facts),
        machine=FactKind.MACHINE in kinds,
        interrupted=next(
            (str(fact.data.get("why") or "") for fact in facts if fact.kind is FactKind.INTERRUPTED), ""
        ),
        refused=next((str(fact.data["unplaced"]) for fact in facts if fact.data.get("unplaced")), "")[:64],
    )


def settle(connection: Connection, before: Attempt, after: Attempt, now: datetime) -> None:
    """Write what is known of an attempt now; the first end of it moves its target on, in the same transaction."""
    over = not after.is_open
    connection.execute(
        update(attempts)
        .where(attempts.c.id == after.id)
        .values(
            state=after.state,
            outcome=after.outcome,
            dialed=after.dialed,
            rang=after.rang,
            machine=after.machine,
            cause=after.cause,
            reason=after.reason[:64],
            agent_id=after.agent_id,
            answered_at=after.answered_at,
            connected_at=after.connected_at,
            ended_at=after.ended_at,
            **({"open_number": None, "open_customer": None} if over else {}),
        )
    )
    if not over or not before.is_open:
        return
    target = campaign_targets.get(connection, after.target_id, lock=True)
    if target is None or target.state is not TargetState.DIALING:
        return
    rules = campaigns.get(connection, after.campaign_id).rules
    decision = decide(target, after, rules, now)
    campaign_targets.write(connection, decision.target)
    if decision.target.state is TargetState.GIVEN_UP:
        ladder.target_ended(connection, target.id, now)
    if decision.wrong_number:
        mark_number(connection, after.customer_id, after.number, now, wrong=True)
