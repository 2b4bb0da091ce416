"""An attempt: one try to reach one target by telephone, from the committed intent to what came of it.

An attempt is judged from its call's row and from what the switch and its files have shown of it, in whatever order
that becomes known (reliability.md 1.3). It is never guessed: without proof that nothing was dialed, and without an end
that anybody saw, it is `unknown`, and an unknown attempt is not repeated by itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final, NewType

from telephony.calls import Call, CallState, Outcome

AttemptId = NewType("AttemptId", str)


class AttemptState(StrEnum):
    """Where an attempt is. Only moves forward in this order; the last three are ends."""

    INTENT = "intent"  # committed; whether it was sent is not known yet
    SUBMITTED = "submitted"  # the switch has taken the order, which proves nothing
    DIALING = "dialing"  # a channel of it was seen
    ANSWERED = "answered"
    ENDED = "ended"
    NOT_DIALED = "not_dialed"  # proved: no channel ever was
    UNKNOWN = "unknown"  # nobody saw what became of it


OPEN_STATES: Final = (
    AttemptState.INTENT,
    AttemptState.SUBMITTED,
    AttemptState.DIALING,
    AttemptState.ANSWERED,
)
_RANK: Final[Mapping[AttemptState, int]] = {state: rank for rank, state in enumerate(AttemptState)}


class AttemptOutcome(StrEnum):
    """What the network says came of an attempt."""

    HUMAN = "human"  # answered, and an agent talked with the customer, or the menu was heard out
    HUNG_UP = "hung_up"  # answered, and gone before the menu had said what it had to say
    ABANDONED = "abandoned"  # answered, and no agent came in time
    MACHINE = "machine"
    BUSY = "busy"
    NO_ANSWER = "no_answer"
    DECLINED = "declined"  # the called side refused
    UNAVAILABLE = "unavailable"  # switched off, out of reach
    INVALID = "invalid"  # there is no such number
    CONGESTION = "congestion"  # the network had no room
    NO_TRUNK = "no_trunk"  # nothing ever came back from the trunk
    FENCED = "fenced"  # our own fences refused
    NOT_DIALED = "not_dialed"
    UNKNOWN = "unknown"


#: Outcomes that are no fault of the customer's: the try is given back and does not count.
GIVEN_BACK: Final = frozenset(
    {
        AttemptOutcome.CONGESTION,
        AttemptOutcome.NO_TRUNK,
        AttemptOutcome.FENCED,
        AttemptOutcome.NOT_DIALED,
    }
)
#: Outcomes that tell of the trunk's health: nothing came back, or there was no room.
TRUNK_FAILED: Final = frozenset({AttemptOutcome.NO_TRUNK, AttemptOutcome.CONGESTION})

#: The reason of an attempt that our own fences did not let out.
FENCE: Final = "fence"

#: Q.850 causes (ITU-T Q.850, table 1).
_INVALID: Final = frozenset({1, 2, 3, 22, 28})
_BUSY: Final = frozenset({17})
_DECLINED: Final = frozenset({21, 55, 57})
_UNAVAILABLE: Final = frozenset({18, 20, 27})
_CONGESTION: Final = frozenset({34, 38, 41, 42, 44, 47, 58})


@dataclass(frozen=True, kw_only=True, slots=True)
class Attempt:
    """One try. Its id is the id of its call, of its channel and of its account on the switch."""

    id: AttemptId
    campaign_id: str
    target_id: str
    customer_id: str
    #: Which try of the target this is, from 1, and which sending of it: a proved `not_dialed` is sent again.
    no: int
    send: int
    #: E.164.
    number: str
    #: Name of the switch it was given to.
    node: str
    state: AttemptState
    intent_at: datetime
    outcome: AttemptOutcome | None = None
    #: A channel of it was seen, by an event or in a file.
    dialed: bool = False
    #: The far side gave a sign (ringing, a refusal), or may have given one while nobody watched.
    rang: bool = False
    #: Detection called the answering voice a machine's.
    machine: bool = False
    #: A menu speaks to the customer, no agent.
    agentless: bool = False
    #: The agent's telephone rang first, under this id; the customer's leg is another one.
    agent_first: bool = False
    #: Q.850 cause of the customer's leg.
    cause: int | None = None
    #: Why it could not be placed, or why its end was not seen, in one word.
    reason: str = ""
    #: The agent it was reserved for, or who talked.
    agent_id: str | None = None
    answered_at: datetime | None = None
    connected_at: datetime | None = None
    ended_at: datetime | None = None
    #: The answer of contactability at the moment of dialing, as it was given.
    answer: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_open(self) -> bool:
        """Whether it may still ring somewhere."""
        return self.state in OPEN_STATES


@dataclass(frozen=True, kw_only=True, slots=True)
class Evidence:
    """What some new facts of its call show."""

    #: A channel that the switch or its files tell of.
    dialed: bool = False
    #: The far side gave a sign, or nobody watched.
    rang: bool = False
    #: The switch itself told the end as it happened; a file tells it without the ringing.
    watched: bool = False
    #: Detection called the answering voice a machine's.
    machine: bool = False
    #: Why the call's end was not seen (`telephony.reconciliation`); empty where it was seen.
    interrupted: str = ""
    #: Why the switch could not place it; empty where it could.
    refused: str = ""


def judged(attempt: Attempt, call: Call, evidence: Evidence) -> Attempt:
    """The attempt after news of its call. The order of the news does not matter; an end is final but for proof:

    a channel seen after all turns `not_dialed` and `unknown` into what the call says.
    """
    known = replace(
        attempt,
        dialed=attempt.dialed or evidence.dialed,
        rang=attempt.rang or evidence.rang,
        machine=attempt.machine or evidence.machine,
        cause=call.cause if call.cause is not None else attempt.cause,
        reason=evidence.refused or evidence.interrupted or attempt.reason,
        agent_id=call.agent_id or attempt.agent_id,
        answered_at=call.answered_at or attempt.answered_at,
        connected_at=call.connected_at or attempt.connected_at,
    )
    if attempt.agent_first and not known.dialed:
        # So far only his own telephone was answered.
        known = replace(known, answered_at=None, connected_at=None)
    if call.state is not CallState.ENDED:
        return _forward(known, _going_on(known))
    state, outcome = _ended(known, call, evidence)
    settled = replace(known, ended_at=call.ended_at)
    if attempt.state in (AttemptState.NOT_DIALED, AttemptState.UNKNOWN) and state is AttemptState.ENDED:
        return replace(settled, state=state, outcome=outcome)
    if attempt.state is AttemptState.UNKNOWN and state is AttemptState.NOT_DIALED:
        # Proved after all: whoever was away has read its switch's files.
        return replace(settled, state=state, outcome=outcome)
    if attempt.state is AttemptState.ENDED:
        # Later sources may tell the end better (an answer that the events missed).
        return replace(settled, outcome=outcome if state is AttemptState.ENDED else attempt.outcome)
    return replace(_forward(settled, state), outcome=outcome)


def _forward(attempt: Attempt, state: AttemptState) -> Attempt:
    return attempt if _RANK[state] <= _RANK[attempt.state] else replace(attempt, state=state)


def _going_on(attempt: Attempt) -> AttemptState:
    if attempt.answered_at is not None:
        return AttemptState.ANSWERED
    return AttemptState.DIALING if attempt.dialed else attempt.state


def _ended(attempt: Attempt, call: Call, evidence: Evidence) -> tuple[AttemptState, AttemptOutcome]:
    if call.outcome is Outcome.INTERRUPTED and attempt.answered_at is None:
        if not attempt.dialed and evidence.interrupted == "unseen":
            return AttemptState.NOT_DIALED, AttemptOutcome.NOT_DIALED
        return AttemptState.UNKNOWN, AttemptOutcome.UNKNOWN
    if attempt.answered_at is not None or attempt.connected_at is not None:
        if attempt.machine:
            return AttemptState.ENDED, AttemptOutcome.MACHINE
        return AttemptState.ENDED, _answered(attempt, call)
    if not attempt.dialed:
        fenced = attempt.reason == FENCE
        return AttemptState.NOT_DIALED, AttemptOutcome.FENCED if fenced else AttemptOutcome.NOT_DIALED
    if call.outcome is Outcome.REFUSED and call.refused_by:
        return AttemptState.ENDED, AttemptOutcome.FENCED
    return AttemptState.ENDED, outcome_of(attempt.cause, silent=evidence.watched and not attempt.rang)


def _answered(attempt: Attempt, call: Call) -> AttemptOutcome:
    if call.connected_at is not None:
        return AttemptOutcome.HUMAN
    if not attempt.agentless or call.flow is None:
        return AttemptOutcome.ABANDONED
    return AttemptOutcome.HUMAN if heard_out(call) else AttemptOutcome.HUNG_UP


def heard_out(call: Call) -> bool:
    """Whether a menu served the customer: he pressed a key, or it came to its end."""
    return bool(call.keys) or call.route not in (None, "", "fallback")


def outcome_of(cause: int | None, *, silent: bool) -> AttemptOutcome:
    """What a Q.850 cause says of a call nobody answered.

    A trunk that is gone is reported as "no answer" after the whole time-out (reliability.md 1.2): `silent` says that
    nothing came back. Where nobody watched, the customer's telephone may have rung, and the try counts.
    """
    if cause in _BUSY:
        return AttemptOutcome.BUSY
    if cause in _DECLINED:
        return AttemptOutcome.DECLINED
    if cause in _INVALID:
        return AttemptOutcome.INVALID
    if cause in _CONGESTION:
        return AttemptOutcome.CONGESTION
    if silent:
        return AttemptOutcome.NO_TRUNK
    return AttemptOutcome.UNAVAILABLE if cause in _UNAVAILABLE else AttemptOutcome.NO_ANSWER


#: An answered customer waits no longer for an agent (47 CFR 64.1200(a)(7): two seconds after his greeting).
PATIENCE: Final = timedelta(seconds=2)


def is_late(attempt: Attempt) -> bool:
    """Whether a person answered and met nobody in time: an abandoned call, whatever became of it afterwards."""
    if attempt.agentless or attempt.answered_at is None or attempt.outcome is AttemptOutcome.MACHINE:
        return False
    if attempt.connected_at is None:
        return not attempt.is_open
    return attempt.connected_at - attempt.answered_at > PATIENCE
