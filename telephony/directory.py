"""Whom an agent can hand her customer to, in the order in which she wants to see them, and what can be done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from telephony.agents import Agent, AgentState
from telephony.control import Target
from telephony.ports import QueueCount

#: What can be ordered about a target: talk first, all three together, hand over at once.
Handing = Literal["consult", "conference", "transfer"]

#: Who can take the customer soonest comes first.
_SOONEST: Final = (
    AgentState.READY,
    AgentState.RESERVED,
    AgentState.WRAP_UP,
    AgentState.PAUSED,
    AgentState.ON_CALL,
    AgentState.RINGING,
    AgentState.SIGNED_OUT,
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Department:
    """A department of the settings: one of our queues answers for it, or a number outside."""

    #: Language to name.
    label: Mapping[str, str] = field(default_factory=dict)
    #: Queue that answers for it; "" where it is outside.
    queue: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Reachable:
    """One line of the directory."""

    target: Target
    #: A person's name; "" where `labels` say it.
    name: str = ""
    #: Language to name.
    labels: Mapping[str, str] = field(default_factory=dict)
    #: The agent who looks after the customer on the line.
    own: bool = False
    #: An agent's.
    state: AgentState | None = None
    #: How many of a queue could take the customer now.
    ready: int | None = None
    #: A number outside the house.
    outside: bool = False
    orders: tuple[Handing, ...] = ("transfer",)


def directory(
    agents: Sequence[Agent],
    queues: Sequence[QueueCount],
    departments: Mapping[str, Department],
    *,
    labels: Mapping[str, Mapping[str, str]],
    asking: str,
    own: str | None,
) -> Sequence[Reachable]:
    """The customer's own agent (`own`), colleagues, queues, departments. `asking` is not offered to himself.

    Who is signed out is left out, but not the own agent: that he is not there is worth knowing, too.
    `labels`: of the queues.
    """
    people = [
        Reachable(
            target=Target(kind="agent", name=one.id),
            name=one.name,
            own=one.id == own,
            state=one.state,
            orders=() if one.state is AgentState.SIGNED_OUT else ("consult", "conference", "transfer"),
        )
        for one in sorted(
            agents, key=lambda one: (one.id != own, _SOONEST.index(one.state), one.name, one.id)
        )
        if one.id != asking and (one.id == own or one.state is not AgentState.SIGNED_OUT)
    ]
    ready = {one.name: one.ready for one in queues}
    boxes = [
        Reachable(
            target=Target(kind="queue", name=one.name), labels=labels.get(one.name, {}), ready=one.ready
        )
        for one in queues
    ]
    houses = [
        Reachable(
            target=Target(kind="department", name=name),
            labels=one.label,
            ready=ready.get(one.queue),
            outside=not one.queue,
            # A queue has nobody to consult before somebody takes the customer.
            orders=("transfer",) if one.queue else ("consult", "transfer"),
        )
        for name, one in departments.items()
    ]
    return [*people, *boxes, *houses]


__all__ = ["Department", "Handing", "Reachable", "directory"]
