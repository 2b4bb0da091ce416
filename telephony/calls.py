"""The call: one row per conversation, and the words for its states and outcomes.

A call is a frozen value. It changes only by folding facts into it (`telephony.tracker`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NewType

CallId = NewType("CallId", str)


class Direction(StrEnum):
    INBOUND = "inbound"
    OUTBOUND = "outbound"
    INTERNAL = "internal"


class CallState(StrEnum):
    """Where a call is. Only moves forward, except between talking and held."""

    OFFERED = "offered"
    IN_IVR = "in_ivr"
    QUEUED = "queued"
    RINGING = "ringing"
    TALKING = "talking"
    HELD = "held"
    ENDED = "ended"


class Outcome(StrEnum):
    """What the network says came of it. What the agent says is a disposition."""

    ANSWERED = "answered"  # a person talked with the customer
    ABANDONED = "abandoned"  # left the queue before a person answered
    LEFT_IN_MENU = "left_in_menu"  # hung up in the menu
    SELF_SERVED = "self_served"  # the menu ended the call as its flow says
    VOICEMAIL = "voicemail"
    CALLBACK = "callback"  # asked to be called back
    NO_ANSWER = "no_answer"
    BUSY = "busy"
    REFUSED = "refused"  # by our fences, or by the called side
    FAILED = "failed"
    INTERRUPTED = "interrupted"  # the switch died, or nobody saw the end


@dataclass(frozen=True, kw_only=True, slots=True)
class Call:
    """One conversation with the outside world, or between agents."""

    id: CallId
    #: Asterisk's linkedid; unique together with the system, never a primary key.
    linkedid: str
    #: systemname of the switch.
    system: str
    direction: Direction
    state: CallState
    started_at: datetime
    #: E.164, or None where the caller hid it or sent something that is no number.
    number: str | None = None
    #: The other side's number exactly as the trunk delivered it (at most 64 characters).
    raw_number: str = ""
    #: Called number as delivered (inbound), or the number dialed (outbound).
    called: str = ""
    flow: str | None = None
    language: str | None = None
    customer_id: str | None = None
    #: How the customer was recognised (number, plate, vin, agent), or why none is tied
    #: (unknown_number, hidden_number, several_customers).
    explained: str | None = None
    #: Every key pressed in the menu, in order, "node=keys" joined by spaces.
    keys: str = ""
    route: str | None = None
    queue: str | None = None
    priority: int = 0
    agent_id: str | None = None
    #: The switch answered (menu begins), for inbound; the callee answered, for outbound.
    answered_at: datetime | None = None
    queued_at: datetime | None = None
    #: An agent and the customer could first hear each other.
    connected_at: datetime | None = None
    ended_at: datetime | None = None
    #: Seconds. Waiting runs from entering the queue to an agent's answer or to leaving.
    wait_seconds: float = 0.0
    talk_seconds: float = 0.0
    hold_seconds: float = 0.0
    held_since: datetime | None = None
    outcome: Outcome | None = None
    #: Q.850 cause of the customer's leg.
    cause: int | None = None
    recording: str | None = None
    transfers: str = ""
    #: live: seen as it happened; recovered: built from files after the service was away.
    origin: str = "live"
    #: CEL has told the end of it: the row is proved.
    proved: bool = False
    #: Which rule turned the call away: "blocked", or the fence of the dialplan.
    refused_by: str | None = None
    #: What the customer said of the talk, 1 (worst) to 5 (best).
    rating: int | None = None
