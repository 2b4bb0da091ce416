"""Agents: the states of a person who takes calls, and what a change of state asks of the switch.

The row is the truth: it is committed first, and the switch's queue members are brought in line with it
(`wanted_members`, `member_changes`), also after a reconnect or a restart of either side.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from access.sentences import Sentence


class AgentState(StrEnum):
    SIGNED_OUT = "signed_out"
    READY = "ready"
    RINGING = "ringing"
    ON_CALL = "on_call"
    WRAP_UP = "wrap_up"
    PAUSED = "paused"
    RESERVED = "reserved"  # kept for the customers a campaign is calling; no queue rings him


class AgentEvent(StrEnum):
    """What can happen to an agent."""

    SIGN_IN = "sign_in"
    SIGN_OUT = "sign_out"
    PHONE = "phone"  # another of his telephones rings from now on
    PAUSE = "pause"
    READY = "ready"
    RANG = "rang"
    MISSED = "missed"
    STOPPED_RINGING = "stopped_ringing"  # answered elsewhere, or the caller gave up
    DIALS = "dials"  # he has a call placed; his phone rings first
    CONNECTED = "connected"
    DISCONNECTED = "disconnected"
    WRAPPED_UP = "wrapped_up"  # by disposition or by the timer
    EXTEND = "extend"  # more time for the wrap-up
    RESERVE = "reserve"
    RELEASE = "release"


class AgentError(Exception):
    """Base of what an agent cannot do.

    AgentError
    ├── StepRefused    the state does not allow it; says which steps are allowed
    ├── WrapupAtLimit  the wrap-up is as long as the house allows
    └── NotSignedIn
    """

    error_id = "agent-error"


class StepRefused(AgentError):
    """The agent's state does not allow this step."""

    error_id = "agent-step-refused"

    def __init__(self, state: AgentState, event: AgentEvent) -> None:
        self.state = state
        self.event = event
        self.allowed = sorted(step for (at, step) in STEPS if at is state)
        super().__init__(
            Sentence(
                "{agent_event} is not possible while {agent_state}; possible now: {agent_events}",
                agent_event=event,
                agent_state=state,
                agent_events=[one for one in self.allowed if one in OF_A_PERSON] or ["nothing"],
            )
        )


class WrapupAtLimit(AgentError):
    """The wrap-up is as long as the house allows already."""

    error_id = "wrapup-at-limit"


#: Steps a person takes; the others happen to him.
OF_A_PERSON: Final = (
    AgentEvent.SIGN_IN,
    AgentEvent.SIGN_OUT,
    AgentEvent.PAUSE,
    AgentEvent.READY,
    AgentEvent.WRAPPED_UP,
    AgentEvent.EXTEND,
)

#: What may happen in which state. READY and WRAPPED_UP lead to READY unless a pause was asked for.
STEPS: Mapping[tuple[AgentState, AgentEvent], AgentState] = {
    (AgentState.SIGNED_OUT, AgentEvent.SIGN_IN): AgentState.READY,
    (AgentState.READY, AgentEvent.SIGN_IN): AgentState.READY,
    (AgentState.READY, AgentEvent.SIGN_OUT): AgentState.SIGNED_OUT,
    (AgentState.READY, AgentEvent.PAUSE): AgentState.PAUSED,
    (AgentState.READY, AgentEvent.READY): AgentState.READY,
    (AgentState.READY, AgentEvent.RANG): AgentState.RINGING,
    (AgentState.READY, AgentEvent.CONNECTED): AgentState.ON_CALL,
    (AgentState.READY, AgentEvent.DIALS): AgentState.ON_CALL,
    (AgentState.READY, AgentEvent.MISSED): AgentState.READY,  # the leg's end was told first
    (AgentState.RINGING, AgentEvent.RANG): AgentState.RINGING,
    (AgentState.RINGING, AgentEvent.CONNECTED): AgentState.ON_CALL,
    (AgentState.RINGING, AgentEvent.MISSED): AgentState.READY,
    (AgentState.RINGING, AgentEvent.STOPPED_RINGING): AgentState.READY,
    (AgentState.RINGING, AgentEvent.SIGN_OUT): AgentState.SIGNED_OUT,
    (AgentState.RINGING, AgentEvent.PAUSE): AgentState.PAUSED,
    (AgentState.ON_CALL, AgentEvent.CONNECTED): AgentState.ON_CALL,
    (AgentState.ON_CALL, AgentEvent.DISCONNECTED): AgentState.WRAP_UP,
    (AgentState.ON_CALL, AgentEvent.STOPPED_RINGING): AgentState.READY,  # nobody took the call he had placed
    (AgentState.ON_CALL, AgentEvent.PAUSE): AgentState.ON_CALL,  # takes effect after the call
    (AgentState.ON_CALL, AgentEvent.READY): AgentState.ON_CALL,  # takes the asked pause back
    (AgentState.WRAP_UP, AgentEvent.WRAPPED_UP): AgentState.READY,
    (AgentState.WRAP_UP, AgentEvent.READY): AgentState.READY,
    (AgentState.WRAP_UP, AgentEvent.EXTEND): AgentState.WRAP_UP,
    (AgentState.WRAP_UP, AgentEvent.PAUSE): AgentState.PAUSED,
    (AgentState.WRAP_UP, AgentEvent.SIGN_OUT): AgentState.SIGNED_OUT,
    (AgentState.WRAP_UP, AgentEvent.CONNECTED): AgentState.ON_CALL,  # takes a call by hand
    (AgentState.WRAP_UP, AgentEvent.DIALS): AgentState.ON_CALL,
    (AgentState.PAUSED, AgentEvent.READY): AgentState.READY,
    (AgentState.PAUSED, AgentEvent.PAUSE): AgentState.PAUSED,
    (AgentState.PAUSED, AgentEvent.SIGN_IN): AgentState.PAUSED,
    (AgentState.PAUSED, AgentEvent.SIGN_OUT): AgentState.SIGNED_OUT,
    (AgentState.PAUSED, AgentEvent.RANG): AgentState.PAUSED,  # the fallback queue rings paused agents too
    (AgentState.PAUSED, AgentEvent.MISSED): AgentState.PAUSED,
    (AgentState.PAUSED, AgentEvent.STOPPED_RINGING): AgentState.PAUSED,
    (AgentState.PAUSED, AgentEvent.CONNECTED): AgentState.ON_CALL,
    (AgentState.PAUSED, AgentEvent.DIALS): AgentState.ON_CALL,
    (AgentState.READY, AgentEvent.RESERVE): AgentState.RESERVED,
    (AgentState.RESERVED, AgentEvent.RELEASE): AgentState.READY,
    (AgentState.RESERVED, AgentEvent.RANG): AgentState.RINGING,
    (AgentState.RESERVED, AgentEvent.MISSED): AgentState.READY,  # his telephone did not take the customer
    (AgentState.RESERVED, AgentEvent.CONNECTED): AgentState.ON_CALL,
    (AgentState.RESERVED, AgentEvent.DIALS): AgentState.ON_CALL,
    (AgentState.RESERVED, AgentEvent.SIGN_IN): AgentState.RESERVED,
    (AgentState.RESERVED, AgentEvent.SIGN_OUT): AgentState.SIGNED_OUT,
    (
        AgentState.RESERVED,
        AgentEvent.PAUSE,
    ): AgentState.RESERVED,  # a customer may be ringing: takes effect after
    (AgentState.RESERVED, AgentEvent.READY): AgentState.RESERVED,  # takes the asked pause back
}

#: Who is in these states may be needed in a moment: a pause is taken after it.
_PAUSES_LATER: Final = (AgentState.ON_CALL, AgentState.RESERVED)

#: Reason of the pause that missed calls bring.
MISSED_CALLS = "missed-calls"


@dataclass(frozen=True, kw_only=True, slots=True)
class Agent:
    """A person who takes calls, as of now."""

    #: The user's id; also the queue member's name on the switch.
    id: str
    name: str
    state: AgentState = AgentState.SIGNED_OUT
    since: datetime
    #: Why paused: a word from the house's list, letters, digits and "-".
    reason: str = ""
    #: Endpoint of the phone that rings; empty while signed out.
    phone: str = ""
    #: Queue to penalty (lower first).
    queues: Mapping[str, int] = field(default_factory=dict)
    missed_in_row: int = 0
    #: A pause asked for during a call, taken after it.
    next_pause: str = ""
    #: The call that rings, is talked in, or is written up.
    call_id: str | None = None
    #: When wrap-up ends by itself; None: only by disposition.
    wrapup_until: datetime | None = None
    #: The campaign whose customers he is kept for, while reserved.
    reserved_for: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Rules:
    """What the house wants: seconds of wrap-up, and missed rings before a pause (0: never)."""

    wrapup_seconds: int = 30
    missed_before_pause: int = 2
    #: Seconds one extension of the wrap-up adds, and the most that all of one wrap-up add.
    extension_seconds: int = 60
    longest_extension_seconds: int = 300


def step(
    agent: Agent,
    event: AgentEvent,
    now: datetime,
    rules: Rules,
    *,
    reason: str = "",
    phone: str = "",
    queues: Mapping[str, int] | None = None,
    call_id: str | None = None,
    campaign_id: str | None = None,
) -> Agent:
    """The agent after `event`. Raises StepRefused where the state does not allow it."""
    target = STEPS.get((agent.state, event))
    if target is None:
        raise StepRefused(agent.state, event)
    after = replace(
        agent,
        state=target,
        since=now if target is not agent.state else agent.since,
        reserved_for=agent.reserved_for if target is AgentState.RESERVED else None,
    )
    match event:
        case AgentEvent.RESERVE:
            return replace(after, reserved_for=campaign_id, call_id=None)
        case AgentEvent.RELEASE:
            return _paused_if_asked(after)
        case AgentEvent.SIGN_IN:
            return replace(after, phone=phone, queues=dict(queues or {}), missed_in_row=0)
        case AgentEvent.SIGN_OUT:
            return replace(after, reason="", next_pause="", missed_in_row=0, wrapup_until=None, call_id=None)
        case AgentEvent.PAUSE if agent.state in _PAUSES_LATER:
            return replace(after, next_pause=reason)
        case AgentEvent.PAUSE:
            return replace(after, reason=reason, since=now, next_pause="", wrapup_until=None, call_id=None)
        case AgentEvent.READY if agent.state in _PAUSES_LATER:
            return replace(after, next_pause="")
        case AgentEvent.READY | AgentEvent.WRAPPED_UP:
            after = replace(after, reason="", missed_in_row=0, wrapup_until=None, call_id=None)
            if agent.next_pause and event is AgentEvent.WRAPPED_UP:
                return replace(after, state=AgentState.PAUSED, reason=agent.next_pause, next_pause="")
            return replace(after, next_pause="")
        case AgentEvent.MISSED:
            missed = agent.missed_in_row + 1
            after = replace(after, missed_in_row=missed, call_id=None)
            if target is AgentState.READY and 0 < rules.missed_before_pause <= missed:
                return replace(after, state=AgentState.PAUSED, reason=MISSED_CALLS, next_pause="")
            return _paused_if_asked(after)
        case AgentEvent.STOPPED_RINGING if agent.state is AgentState.ON_CALL:
            return _paused_if_asked(replace(after, call_id=None))
        case AgentEvent.CONNECTED | AgentEvent.DIALS:
            # A pause goes on after a call taken in it; one that only missed calls brought is over once he talks.
            then = agent.reason if agent.state is AgentState.PAUSED else agent.next_pause
            talks = event is AgentEvent.CONNECTED
            return replace(
                after,
                call_id=call_id,
                missed_in_row=0,
                reason="",
                next_pause="" if talks and then == MISSED_CALLS else then,
                wrapup_until=None,
            )
        case AgentEvent.RANG:
            return replace(after, call_id=call_id)
        case AgentEvent.STOPPED_RINGING:
            return _paused_if_asked(replace(after, call_id=None))
        case AgentEvent.EXTEND:
            return replace(after, wrapup_until=_extended(agent, now, rules))
        case AgentEvent.DISCONNECTED:
            until = now + timedelta(seconds=rules.wrapup_seconds) if rules.wrapup_seconds else now
            return replace(after, wrapup_until=until)
        case _:
            return after


def _paused_if_asked(agent: Agent) -> Agent:
    """The pause that was asked for while he had to be there for a customer."""
    if not agent.next_pause:
        return agent
    return replace(agent, state=AgentState.PAUSED, reason=agent.next_pause, next_pause="")


def _extended(agent: Agent, now: datetime, rules: Rules) -> datetime | None:
    """When the wrap-up ends with an extension more. Raises WrapupAtLimit."""
    if agent.wrapup_until is None:
        return None  # it ends by disposition only
    latest = agent.since + timedelta(seconds=rules.wrapup_seconds + rules.longest_extension_seconds)
    wanted = max(agent.wrapup_until, now) + timedelta(seconds=rules.extension_seconds)
    if agent.wrapup_until >= latest:
        raise WrapupAtLimit(
            Sentence(
                "The wrap-up was extended by {seconds} seconds already. File what you have; it can be corrected later.",
                seconds=rules.longest_extension_seconds,
            )
        )
    return min(wanted, latest)


@dataclass(frozen=True, kw_only=True, slots=True)
class Member:
    """A queue member: as wanted by the rows, or as the switch has it."""

    queue: str
    phone: str
    agent_id: str
    penalty: int = 0
    paused: bool = False
    reason: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class MemberChange:
    """One thing to ask of the switch."""

    how: str  # add, remove, pause, unpause
    member: Member


def wanted_members(agents: Iterable[Agent]) -> list[Member]:
    """The members the switch should have: every signed-in agent in each of his queues.

    Only a ready agent is unpaused. A member is paused at answer, not after the hang-up, so that the queue
    cannot ring him again before his wrap-up begins (design.md, Call).
    """
    free = (AgentState.READY, AgentState.RINGING)
    return [
        Member(
            queue=queue,
            phone=agent.phone,
            agent_id=agent.id,
            penalty=penalty,
            paused=agent.state not in free,
            reason=agent.reason or ("" if agent.state in free else agent.state.value.replace("_", "-")),
        )
        for agent in agents
        if agent.state is not AgentState.SIGNED_OUT and agent.phone
        for queue, penalty in sorted(agent.queues.items())
    ]


def member_changes(wanted: Iterable[Member], present: Iterable[Member]) -> list[MemberChange]:
    """What brings the switch from `present` to `wanted`; nothing where they agree.

    A member is known by queue and phone. Members nobody wants are removed; a changed penalty or owner is a
    removal and an addition.
    """
    have = {(member.queue, member.phone): member for member in present}
    want = {(member.queue, member.phone): member for member in wanted}
    changes = [
        MemberChange(how="remove", member=member) for place, member in have.items() if place not in want
    ]
    for place, member in want.items():
        there = have.get(place)
        if there is None:
            changes.append(MemberChange(how="add", member=member))
        elif (there.penalty, there.agent_id) != (member.penalty, member.agent_id):
            changes += [MemberChange(how="remove", member=there), MemberChange(how="add", member=member)]
        elif there.paused != member.paused:
            changes.append(MemberChange(how="pause" if member.paused else "unpause", member=member))
    return changes
