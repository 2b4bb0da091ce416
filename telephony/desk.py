"""Agents at work: every change of state is a committed row first, then the switch is brought in line.

Where the switch is away the row stands, and `reconcile` (on reconnect and each minute) does the rest.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Protocol

import structlog

from access.sentences import Sentence
from telephony.agents import (
    Agent,
    AgentError,
    AgentEvent,
    AgentState,
    Member,
    Rules,
    StepRefused,
    member_changes,
    step,
    wanted_members,
)
from telephony.clock import Clock
from telephony.facts import Fact, FactKind
from telephony.ports import ActionRefused, Channel, Switch, SwitchError

log = structlog.get_logger(__name__)

#: Facts of a leg that move an agent's state.
_MOVES: Mapping[FactKind, AgentEvent] = {
    FactKind.RINGING: AgentEvent.RANG,
    FactKind.RING_MISSED: AgentEvent.MISSED,
    FactKind.LEG_ANSWERED: AgentEvent.CONNECTED,
    FactKind.CONNECTED: AgentEvent.CONNECTED,
    FactKind.LEG_ENDED: AgentEvent.DISCONNECTED,
}
#: A leg that ends in these states was never answered.
_RUNG = (AgentState.RINGING, AgentState.PAUSED)
#: Who has an answered leg in these states began to talk unseen.
_FREE = (AgentState.READY, AgentState.RINGING, AgentState.RESERVED)
#: Who has no leg at all in these states was left unseen.
_ENDED_UNSEEN: Mapping[AgentState, AgentEvent] = {
    AgentState.ON_CALL: AgentEvent.DISCONNECTED,
    AgentState.RINGING: AgentEvent.STOPPED_RINGING,
}


class NoSuchAgent(AgentError):
    """There is no active user of that id who takes calls."""

    error_id = "no-such-agent"


class NoSuchPhone(AgentError):
    """The phone is not the agent's own."""

    error_id = "no-such-phone"


class NoSuchQueue(AgentError):
    """The queue is not in the settings."""

    error_id = "no-such-queue"


class AgentRows(Protocol):
    """The committed rows. Each call is one transaction; `change` reads, decides and writes in it."""

    async def change(
        self, agent_id: str, decide: Callable[[Agent], Agent], *, event: str, now: datetime, actor: str
    ) -> tuple[Agent, Agent]:
        """Gives the agent before and after. Raises NoSuchAgent and whatever `decide` raises."""

    async def find(self) -> Sequence[Agent]: ...

    async def endpoints(self) -> Mapping[str, str]:
        """Endpoint of every phone to its owner's id."""


@dataclass(kw_only=True)
class AgentDesk:
    """Signs agents in and out, pauses them, and follows them through their calls."""

    rows: AgentRows
    switch: Switch
    clock: Clock
    rules: Rules
    queues: frozenset[str]
    #: Told after every committed change, before the switch is; only page updates hang on it.
    changed: Callable[[Agent], None] = lambda _agent: None
    #: Everybody who takes calls, as last committed: answers questions that cannot wait for the database.
    board: dict[str, Agent] = field(default_factory=dict)
    _owners: dict[str, str] = field(default_factory=dict)
    #: Answered legs of each agent's phones, by uniqueid: a second ring that ends does not end the talk.
    _legs: dict[str, set[str]] = field(default_factory=dict)
    #: Agents whose page went away in a call and is waited for: the end of their leg is not the end of the talk.
    _expected: set[str] = field(default_factory=set)
    #: One change of an agent at a time, so that the switch hears of them in the order of the rows.
    _turns: dict[str, asyncio.Lock] = field(default_factory=dict)

    async def sign_in(self, agent_id: str, phone: str, queues: Mapping[str, int], *, actor: str) -> Agent:
        """Make the agent a member of `queues` (name to penalty) on one of his own phones."""
        await self._learn_phones()
        if self._owners.get(phone) != agent_id:
            raise NoSuchPhone("This telephone is not yours; choose one from your list.")
        unknown = sorted(set(queues) - self.queues)
        if unknown or not queues:
            raise NoSuchQueue(
                Sentence(
                    "Unknown queue {given}; nothing was changed.", given=", ".join(unknown) or "(none named)"
                )
            )

        def decide(agent: Agent) -> Agent:
            return step(agent, AgentEvent.SIGN_IN, self.clock.now(), self.rules, phone=phone, queues=queues)

        return await self._change(agent_id, AgentEvent.SIGN_IN, decide, actor=actor)

    async def use_phone(self, agent_id: str, phone: str, *, actor: str) -> Agent:
        """This phone rings from now on; also one who is signed out may choose. Raises NoSuchPhone, StepRefused."""
        await self._learn_phones()
        if self._owners.get(phone) != agent_id:
            raise NoSuchPhone("This telephone is not yours; choose one from your list.")

        def decide(agent: Agent) -> Agent:
            if agent.state is AgentState.SIGNED_OUT:
                return replace(agent, phone=phone)
            return step(
                agent, AgentEvent.SIGN_IN, self.clock.now(), self.rules, phone=phone, queues=agent.queues
            )

        return await self._change(agent_id, AgentEvent.PHONE, decide, actor=actor)

    async def sign_out(self, agent_id: str, *, actor: str) -> Agent:
        return await self._step(agent_id, AgentEvent.SIGN_OUT, actor=actor)

    async def pause(self, agent_id: str, reason: str, *, actor: str) -> Agent:
        """Pause now, or after the call that is going on. The reason is a word of the house's list."""
        return await self._step(agent_id, AgentEvent.PAUSE, actor=actor, reason=reason)

    async def ready(self, agent_id: str, *, actor: str) -> Agent:
        return await self._step(agent_id, AgentEvent.READY, actor=actor)

    async def wrapped_up(self, agent_id: str, *, actor: str) -> Agent:
        """The call is registered, or the wrap-up time is over."""
        return await self._step(agent_id, AgentEvent.WRAPPED_UP, actor=actor)

    async def extend(self, agent_id: str, *, actor: str) -> Agent:
        """More time for the wrap-up. Raises WrapupAtLimit, StepRefused."""
        return await self._step(agent_id, AgentEvent.EXTEND, actor=actor)

    async def filed(self, agent_id: str, call_id: str, *, actor: str) -> Agent | None:
        """The agent's call is registered: ends the wrap-up after that call, and no other. None: nothing to end."""

        def decide(agent: Agent) -> Agent:
            if agent.state is not AgentState.WRAP_UP or agent.call_id not in (None, call_id):
                raise StepRefused(agent.state, AgentEvent.WRAPPED_UP)
            return step(agent, AgentEvent.WRAPPED_UP, self.clock.now(), self.rules)

        try:
            return await self._change(agent_id, AgentEvent.WRAPPED_UP, decide, actor=actor)
        except (StepRefused, NoSuchAgent):
            return None

    async def reserve(self, agent_id: str, campaign_id: str) -> bool:
        """Keep a ready agent for the customers a campaign is calling. False: he is not ready any more."""
        return await self._try(agent_id, AgentEvent.RESERVE, campaign_id=campaign_id)

    async def release(self, agent_id: str) -> bool:
        """A reserved agent is ready for everybody again, or takes the pause he asked for."""
        return await self._try(agent_id, AgentEvent.RELEASE)

    async def did_not_take(self, agent_id: str) -> None:
        """His telephone did not take the customer he was reserved for: it counts like a missed ring."""
        await self._try(agent_id, AgentEvent.MISSED)

    async def _try(self, agent_id: str, event: AgentEvent, *, campaign_id: str | None = None) -> bool:
        def decide(agent: Agent) -> Agent:
            return step(agent, event, self.clock.now(), self.rules, campaign_id=campaign_id)

        try:
            await self._change(agent_id, event, decide, actor="service")
        except (StepRefused, NoSuchAgent) as refused:
            log.debug("agent did not move", action="agent_stayed", agent=agent_id, why=str(refused))
            return False
        return True

    async def dials(self, agent_id: str, *, call_id: str) -> None:
        """He has a call placed: no queue rings him from now on. Signed out or on a call he stays what he is."""
        try:
            await self._step(agent_id, AgentEvent.DIALS, actor=agent_id, call_id=call_id)
        except (StepRefused, NoSuchAgent) as refused:
            log.debug("agent did not move", action="agent_stayed", agent=agent_id, why=str(refused))

    async def dialed_nothing(self, agent_id: str, *, call_id: str) -> None:
        """The call he had placed came to nothing before his phone was answered: he is what he was before."""

        def decide(agent: Agent) -> Agent:
            if agent.call_id != call_id or self._legs.get(agent_id):
                raise StepRefused(agent.state, AgentEvent.STOPPED_RINGING)
            return step(agent, AgentEvent.STOPPED_RINGING, self.clock.now(), self.rules)

        try:
            await self._change(agent_id, AgentEvent.STOPPED_RINGING, decide, actor="service")
        except (StepRefused, NoSuchAgent) as refused:
            log.debug("agent did not move", action="agent_stayed", agent=agent_id, why=str(refused))

    async def follow(self, facts: Iterable[Fact], call_of: Callable[[Fact], str | None]) -> None:
        """Move agents along with what the switch says of their legs."""
        for fact in facts:
            event = _MOVES.get(fact.kind)
            endpoint = str(fact.data.get("endpoint", ""))
            if event is None or not endpoint:
                continue
            agent_id = self._owners.get(endpoint)
            if agent_id is None:
                continue
            legs = self._legs.setdefault(agent_id, set())
            if fact.kind is FactKind.LEG_ANSWERED:
                legs.add(fact.uniqueid)
            elif fact.kind is FactKind.LEG_ENDED:
                talked = fact.uniqueid in legs
                legs.discard(fact.uniqueid)
                if legs or agent_id in self._expected:
                    continue
                if not talked and (placed := call_of(fact)) is not None:
                    await self.dialed_nothing(agent_id, call_id=placed)
            try:
                await self._step(agent_id, event, actor="service", call_id=call_of(fact))
            except (StepRefused, NoSuchAgent) as refused:
                log.debug("agent did not move", action="agent_stayed", agent=agent_id, why=str(refused))

    async def end_wrapups(self) -> None:
        """Release every agent whose wrap-up time is over."""
        now = self.clock.now()
        for agent in await self.rows.find():
            over = agent.wrapup_until is not None and agent.wrapup_until <= now
            if agent.state is AgentState.WRAP_UP and over:
                try:
                    await self.wrapped_up(agent.id, actor="service")
                except StepRefused:
                    continue  # he moved in the meantime

    async def reconcile(
        self,
        present: Sequence[Member],
        channels: Sequence[Channel],
        *,
        at: datetime | None = None,
        call_of: Callable[[Channel], str | None] = lambda _channel: None,
    ) -> int:
        """Bring the switch in line with the rows, and the rows with calls that began or ended unseen.

        `present` and `channels` are what the switch said at `at` (None: now): who moved since then is left
        alone. Gives the number of orders given; one that is refused does not keep the others back.
        """
        await self._learn_phones()
        known = dict(self.board)
        read = await self.rows.find()
        moved_since = {id: agent for id, agent in self.board.items() if agent is not known.get(id)}
        agents = [moved_since.get(agent.id, agent) for agent in read]
        self.board = {agent.id: agent for agent in agents}
        busy = {channel.endpoint for channel in channels}
        moved = {agent.id for agent in agents if at is not None and agent.since > at}
        self._legs = {owner: legs for owner, legs in self._legs.items() if owner in moved}
        talks: dict[str, str | None] = {}
        for channel in channels:
            owner = self._owners.get(channel.endpoint)
            if owner is not None and owner not in moved and channel.is_up:
                self._legs.setdefault(owner, set()).add(channel.uniqueid)
                talks[owner] = call_of(channel)
        for place, agent in enumerate(agents):
            if not agent.phone or agent.id in moved:
                continue
            event = None
            if agent.id in talks and agent.state in _FREE:
                event = AgentEvent.CONNECTED
            elif agent.phone not in busy and agent.id not in self._expected:
                event = _ENDED_UNSEEN.get(agent.state)
            if event is not None:
                try:
                    agents[place] = await self._step(
                        agent.id, event, actor="service", call_id=talks.get(agent.id)
                    )
                except (StepRefused, NoSuchAgent) as refused:
                    log.debug("agent did not move", action="agent_stayed", agent=agent.id, why=str(refused))
        changes = member_changes(wanted_members(agents), present)
        seen = {agent.id: agent for agent in agents}
        for change in changes:
            if self.board.get(change.member.agent_id) != seen.get(change.member.agent_id):
                continue  # he moved meanwhile, and his own change told the switch
            try:
                await self._order(change.how, change.member)
            except ActionRefused as refused:
                log.warning(
                    "a member could not be brought in line; is the queue in the switch's files?",
                    action="member_refused",
                    agent=change.member.agent_id,
                    queue=change.member.queue,
                    how=change.how,
                    why=str(refused),
                )
        return len(changes)

    def expect(self, agent_id: str) -> None:
        """The agent's page went away in a call and is waited for (`telephony.returning`)."""
        self._expected.add(agent_id)

    def expect_no_more(self, agent_id: str) -> None:
        """The page is back on the call, or nobody waited for it."""
        self._expected.discard(agent_id)

    async def not_back(self, agent_id: str) -> None:
        """The page did not come back, or the customer did not wait: the agent's talk is over."""
        self._expected.discard(agent_id)
        if self._legs.get(agent_id):
            return  # he talks on another leg
        try:
            await self._step(agent_id, AgentEvent.DISCONNECTED, actor="service")
        except (StepRefused, NoSuchAgent) as refused:
            log.debug("agent did not move", action="agent_stayed", agent=agent_id, why=str(refused))

    def owner_of(self, endpoint: str) -> str | None:
        """Whose phone it is."""
        return self._owners.get(endpoint)

    async def phones_of(self, agent_id: str) -> Sequence[str]:
        """Endpoints of an agent's phones."""
        await self._learn_phones()
        return [endpoint for endpoint, owner in self._owners.items() if owner == agent_id]

    async def _learn_phones(self) -> None:
        self._owners = dict(await self.rows.endpoints())

    async def _step(
        self, agent_id: str, event: AgentEvent, *, actor: str, reason: str = "", call_id: str | None = None
    ) -> Agent:
        def decide(agent: Agent) -> Agent:
            happened = event
            if event is AgentEvent.DISCONNECTED and agent.state in _RUNG:
                happened = AgentEvent.STOPPED_RINGING
            return step(agent, happened, self.clock.now(), self.rules, reason=reason, call_id=call_id)

        return await self._change(agent_id, event, decide, actor=actor)

    async def _change(
        self, agent_id: str, event: AgentEvent, decide: Callable[[Agent], Agent], *, actor: str
    ) -> Agent:
        async with self._turns.setdefault(agent_id, asyncio.Lock()):
            before, after = await self.rows.change(
                agent_id, decide, event=event.value, now=self.clock.now(), actor=actor
            )
            self.board[after.id] = after
            try:
                if (
                    after != before
                ):  # told first: whoever waits rings at the first order, and a pop must not wait
                    self.changed(after)
            finally:
                for change in member_changes(wanted_members([after]), wanted_members([before])):
                    try:
                        await self._order(change.how, change.member)
                    except SwitchError as error:
                        log.warning(
                            "switch not brought in line now; the next reconciliation does it",
                            action="member_pending",
                            agent=agent_id,
                            why=str(error),
                        )
        return after

    async def _order(self, how: str, member: Member) -> None:
        match how:
            case "add":
                await self.switch.add_member(member)
            case "remove":
                await self.switch.remove_member(member)
            case "pause":
                await self.switch.pause_member(member, paused=True)
            case "unpause":
                await self.switch.pause_member(member, paused=False)
