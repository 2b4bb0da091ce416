"""Who else is on an agent's call: whom she consults, who consults her, and everybody in a conference."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from telephony.agents import Agent, AgentState
from telephony.calls import Call, CallState, Direction


@dataclass(frozen=True, kw_only=True, slots=True)
class Colleague:
    """Somebody of the house on the same call."""

    id: str
    name: str
    #: Has not answered yet.
    ringing: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Company:
    """An agent's call as far as colleagues are on it, too."""

    call_id: str = ""
    #: The call is hers; not where a colleague consults her or has invited her.
    mine: bool = True
    #: Everybody hears the customer; else he waits while they consult.
    together: bool = True
    people: tuple[Colleague, ...] = ()


class CompanyBoard:
    """Follows the committed rows of agents and calls; says whose company has changed."""

    def __init__(self, call_of: Callable[[str], Call | None]) -> None:
        """`call_of`: the live call of an id."""
        self._call_of = call_of
        #: Whoever talks or rings, by id.
        self._on: dict[str, Agent] = {}
        self._told: dict[str, Company] = {}

    def of(self, agent_id: str) -> Company:
        """Who is on the agent's call besides her; nobody where she does not talk."""
        own = self._on.get(agent_id)
        if own is None or own.call_id is None or own.state is not AgentState.ON_CALL:
            return Company()
        call = self._call_of(own.call_id)
        if call is None or call.direction is Direction.INTERNAL:
            return Company()  # two colleagues without a customer are no third
        people = tuple(
            Colleague(id=one.id, name=one.name, ringing=one.state is AgentState.RINGING)
            for one in sorted(self._on.values(), key=lambda one: (one.name, one.id))
            if one.id != agent_id and one.call_id == own.call_id
        )
        if not people:
            return Company()
        return Company(
            call_id=own.call_id,
            mine=call.agent_id in (None, agent_id),
            together=call.state is not CallState.HELD,
            people=people,
        )

    def agent_changed(self, agent: Agent) -> Sequence[tuple[str, Company]]:
        """Agents whose company is another one since this row, with the new one."""
        before = self._on.pop(agent.id, None)
        if agent.call_id is not None and agent.state in (AgentState.ON_CALL, AgentState.RINGING):
            self._on[agent.id] = agent
        calls = {agent.call_id, before.call_id if before is not None else None} - {None}
        return self._changed([agent.id, *(one.id for one in self._on.values() if one.call_id in calls)])

    def call_changed(self, call_id: str) -> Sequence[tuple[str, Company]]:
        """The same after a change of a call: who holds it, and whether the customer waits."""
        return self._changed([one.id for one in self._on.values() if one.call_id == call_id])

    def _changed(self, agent_ids: Iterable[str]) -> Sequence[tuple[str, Company]]:
        changed = []
        for agent_id in dict.fromkeys(agent_ids):
            now = self.of(agent_id)
            if now == self._told.get(agent_id, Company()):
                continue
            changed.append((agent_id, now))
            if now.people:
                self._told[agent_id] = now
            else:
                self._told.pop(agent_id, None)
        return changed


__all__ = ["Colleague", "Company", "CompanyBoard"]
