"""Gives customers who answered to agents: one agent to one customer, whoever answered first is served first.

All within one process and its memory: who is on a call is the agents' own state, and a customer nobody was found for
is an attempt that ends as abandoned.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Protocol

from campaigns.campaigns import Campaign
from telephony.agents import Agent, AgentState
from telephony.clock import Clock

#: An agent whose telephone has not rung so long after a customer was given to him is free for another, in seconds.
_TAKEN_FOR = 10.0


class Agents(Protocol):
    """The house's agents. What is known of them is answered at once; orders are committed rows when they return."""

    def known(self) -> Iterable[Agent]:
        """Everybody who takes calls, as last committed."""

    def callers_waiting(self, queue: str) -> int:
        """Callers in the queues that the agents of this queue also serve."""

    def kept(self, queue: str) -> int:
        """How many idle agents of the queue are kept for callers."""

    async def reserve(self, agent_id: str, campaign_id: str) -> bool:
        """Keep a ready agent for a campaign's customers; False: he is not ready any more."""

    async def release(self, agent_id: str) -> bool:
        """A reserved agent is ready for everybody again."""

    async def did_not_take(self, agent_id: str) -> None:
        """His telephone did not take the customer he was given."""


@dataclass(kw_only=True)
class Seating:
    """Who takes which customer. Belongs to the event loop."""

    agents: Agents
    clock: Clock
    #: Agent to (attempt, moment he was given it).
    _taken: dict[str, tuple[str, float]] = field(default_factory=dict)
    #: Who waits for an agent of a queue, in order.
    _lines: dict[str, list[str]] = field(default_factory=dict)
    _moved: asyncio.Event = field(default_factory=asyncio.Event)

    async def seat(self, attempt_id: str, campaign: Campaign, within: float) -> Agent | None:
        """An agent for a customer who has answered, waited for at most `within` seconds. None: nobody came free."""
        deadline = self.clock.monotonic() + within
        line = self._lines.setdefault(campaign.queue, [])
        line.append(attempt_id)
        try:
            while True:
                moved = self._moved
                if line[0] == attempt_id and (found := await self._find(attempt_id, campaign)) is not None:
                    return found
                left = deadline - self.clock.monotonic()
                if left <= 0:
                    return None
                try:
                    await asyncio.wait_for(moved.wait(), left)
                except TimeoutError:
                    return None
        finally:
            line.remove(attempt_id)
            self.changed()

    async def _find(self, attempt_id: str, campaign: Campaign) -> Agent | None:
        """The reserved agent who waits longest, else a ready one while no caller waits."""
        reserved = [one for one in self._free() if one.reserved_for == campaign.id]
        for one in sorted(reserved, key=lambda one: (bool(one.next_pause), one.since, one.id)):
            self._taken[one.id] = attempt_id, self.clock.monotonic()
            return one
        if self.agents.callers_waiting(campaign.queue):
            return None
        ready = [
            one for one in self._free() if one.state is AgentState.READY and campaign.queue in one.queues
        ]
        for one in sorted(ready, key=lambda one: (one.since, one.id)):
            self._taken[one.id] = attempt_id, self.clock.monotonic()
            if await self.agents.reserve(one.id, campaign.id):
                return one
            self._taken.pop(one.id, None)
        return None

    def _free(self) -> list[Agent]:
        now = self.clock.monotonic()
        self._taken = {who: what for who, what in self._taken.items() if now - what[1] < _TAKEN_FOR}
        return [one for one in self.agents.known() if one.phone and one.id not in self._taken]

    def taken(self) -> Collection[str]:
        """Agents whose telephone is about to ring for a customer."""
        return self._taken.keys()

    def changed(self, agent: Agent | None = None) -> None:
        """An agent moved, or the line did: whoever waits looks again."""
        if agent is not None and agent.state not in (
            AgentState.RESERVED,
            AgentState.READY,
            AgentState.RINGING,
        ):
            self._taken.pop(agent.id, None)
        moved, self._moved = self._moved, asyncio.Event()
        moved.set()

    def gone(self, attempt_id: str) -> None:
        """The customer is gone: who was given him is free."""
        self._taken = {who: what for who, what in self._taken.items() if what[0] != attempt_id}

    async def failed(self, attempt_id: str) -> None:
        """The telephone of the agent who was given this customer did not take him."""
        for agent_id, (given, _) in list(self._taken.items()):
            if given == attempt_id:
                del self._taken[agent_id]
                await self.agents.did_not_take(agent_id)
