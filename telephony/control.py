"""Handling a live call: hold, transfer, conference, recording, hang-up, and placing one.

Each order looks at the switch's channels first, so it acts on what is, not on what was. What was done is
recorded as a fact of the call before the next order can see it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal, Protocol

from access.sentences import Sentence
from telephony.calls import Call, CallId, CallState
from telephony.clock import Clock
from telephony.facts import Fact, FactKind, Source
from telephony.fences import Fences, Pace
from telephony.ports import ActionRefused, Channel, Place, Placing, Side, Switch

TargetKind = Literal["agent", "queue", "department"]
#: Extension of Place.TRANSFER for a customer nobody is with any more: back to the head of his queue.
LEFT: Final = "left"
#: What the extension of a leg begins with whose agent hung up while consulting her; the target follows.
WAITS: Final = "waits-"


class ControlError(Exception):
    """Base of what cannot be done with a call.

    ControlError
    ├── NoSuchCall       no live call of that id
    ├── NotYourCall      somebody else is talking on it; names the holder
    ├── NotPossibleNow   the call is in a state that does not allow it; says which
    └── NoSuchTarget     no such agent, queue or department to transfer to
    """

    error_id = "call-control"


class NoSuchCall(ControlError):
    error_id = "no-such-call"


class NotYourCall(ControlError):
    error_id = "not-your-call"

    def __init__(self, holder: str) -> None:
        self.holder = holder
        super().__init__(Sentence("This call is with {holder}.", holder=holder))


class NotPossibleNow(ControlError):
    error_id = "not-possible-now"


class NoSuchTarget(ControlError):
    error_id = "no-such-target"


@dataclass(frozen=True, kw_only=True, slots=True)
class Target:
    """Where a call goes: an agent (endpoint), a queue (name) or a department (name)."""

    kind: TargetKind
    name: str

    @property
    def extension(self) -> str:
        return f"{self.kind}-{self.name}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Legs:
    """The live legs of one call."""

    customer: Channel
    agent: Channel | None
    #: The person an agent consults: in the agent's bridge without the customer, or still ringing.
    consulted: Channel | None
    #: Everybody else's, the switch's own too.
    others: Sequence[Channel] = ()


class Calls(Protocol):
    """The live call log, as control needs it."""

    def live(self, call_id: str) -> Call | None: ...

    async def record(self, *facts: Fact) -> None: ...


def invited_leg(call_id: CallId, now: datetime) -> str:
    """The channel id of a person invited to a call, so that her leg is known to be the call's."""
    return f"{call_id}-g{int(now.timestamp() * 1000)}"


def call_of_invited(leg: str) -> CallId | None:
    """The call a person was invited to by this leg (`invited_leg`); None for any other leg."""
    call_id, mark, number = leg.rpartition("-g")
    return CallId(call_id) if mark and len(call_id) == 26 and number.isdecimal() else None


def _age(channel: Channel) -> tuple[int, int]:
    """Orders channels by when the switch made them; its own uniqueids end in seconds and a counter."""
    seconds, _, counter = channel.uniqueid.rpartition("-")[2].partition(".")
    if not (seconds.isdecimal() and counter.isdecimal()):
        return 0, 0  # an id we chose: the first leg of its call
    return int(seconds), int(counter)


def find_legs(call: Call, channels: Sequence[Channel], endpoint: str) -> Legs:
    """The legs of `call`; `endpoint` is the agent's phone. Raises NotPossibleNow: the customer is gone.

    The customer is the oldest leg on the trunk: a number outside that an agent consults came later.
    """
    own = sorted(
        (
            channel
            for channel in channels
            if channel.linkedid == call.linkedid or channel.uniqueid.startswith(f"{call.id}-g")
        ),
        key=_age,
    )
    agent = next((channel for channel in own if endpoint and channel.endpoint == endpoint), None)
    customer = next((channel for channel in own if channel.side is Side.TRUNK), None)
    if customer is None:
        phones = [channel for channel in own if channel is not agent and channel.side is not Side.SWITCH]
        customer = next(iter(phones), None)
    if customer is None:
        raise NotPossibleNow("The customer's line is no longer there; the call has just ended.")
    others = [channel for channel in own if channel is not agent and channel is not customer]
    consulted = None
    if agent is not None and agent.bridge and agent.bridge != customer.bridge:
        consulted = next((channel for channel in others if channel.bridge == agent.bridge), None)
    elif agent is not None and not agent.bridge:
        ringing = [channel for channel in others if not channel.is_up]
        consulted = next((one for one in ringing if one.side is Side.PHONE), next(iter(ringing), None))
    return Legs(customer=customer, agent=agent, consulted=consulted, others=tuple(others))


@dataclass(frozen=True, kw_only=True)
class Control:
    """The orders an agent or a supervisor can give about a live call."""

    switch: Switch
    calls: Calls
    clock: Clock
    fences: Fences
    #: Times of the last hour's outbound calls, newest last.
    recent_dials: Callable[[], Awaitable[Sequence[datetime]]]
    #: Commits the row of an outbound call (id, number, agent) before anything is dialed.
    open_outbound: Callable[[str, str, str], Awaitable[None]]
    #: Extensions that exist at Place.TRANSFER.
    targets: Callable[[], frozenset[str]]
    #: How fast calls may leave.
    pace: Pace = field(default_factory=lambda: Pace(calls_per_second=5.0))
    #: Whose phone an endpoint is.
    owner_of: Callable[[str], str | None] = lambda _endpoint: None

    async def hold(self, call_id: str, endpoint: str) -> None:
        """The customer hears music; the agent's leg waits."""
        call, legs = await self._talking(call_id, endpoint)
        assert legs.agent is not None
        await self.switch.move_both(
            legs.customer.name, (Place.HOLD, ""), legs.agent.name, (Place.AGENT_WAITS, "")
        )
        await self._tell(call, FactKind.HELD, legs.customer)

    async def resume(self, call_id: str, endpoint: str) -> None:
        """The customer and the agent hear each other again."""
        call, legs = await self._with_agent(call_id, endpoint)
        if call.state is not CallState.HELD:
            raise NotPossibleNow("The customer is not on hold.")
        assert legs.agent is not None
        await self.switch.join(legs.customer.name, legs.agent.name)
        await self._tell(call, FactKind.RESUMED, legs.customer)

    async def transfer(self, call_id: str, endpoint: str, target: Target) -> None:
        """Blind transfer: the customer goes to the target, the agent is free."""
        self._known(target)
        call, legs = await self._with_agent(call_id, endpoint)
        if call.state is CallState.HELD:
            await self._tell(call, FactKind.RESUMED, legs.customer)
        await self._tell(call, FactKind.TRANSFERRED, legs.customer, how="blind", target=target.extension)
        await self.switch.move(legs.customer.name, Place.TRANSFER, target.extension)
        if legs.agent is not None and call.state is CallState.HELD:
            await self._quietly_hang_up(legs.agent.name)

    async def consult(self, call_id: str, endpoint: str, target: Target) -> None:
        """First half of an attended transfer: the customer hears music, the agent talks to the target."""
        self._known(target)
        call, legs = await self._with_agent(call_id, endpoint)
        assert legs.agent is not None
        if legs.consulted is not None:
            raise NotPossibleNow("You are already talking to somebody else about this call.")
        if call.state is CallState.HELD:
            await self.switch.move(legs.agent.name, Place.TRANSFER, target.extension)
            return
        await self.switch.move_both(
            legs.customer.name, (Place.HOLD, ""), legs.agent.name, (Place.TRANSFER, target.extension)
        )
        await self._tell(call, FactKind.HELD, legs.customer)

    async def complete_transfer(self, call_id: str, endpoint: str) -> None:
        """Second half: the customer and the consulted person talk, the agent is free."""
        call, legs = await self._with_agent(call_id, endpoint)
        if legs.consulted is None or not legs.consulted.is_up:
            raise NotPossibleNow("The other person has not answered yet; wait, or take the customer back.")
        assert legs.agent is not None
        # What the agent's leg dialed is the target; a number outside has no phone of ours.
        target = legs.agent.extension or legs.consulted.endpoint
        await self._hand_over(call, legs.customer, legs.consulted, target)
        await self._quietly_hang_up(legs.agent.name)

    async def cancel_transfer(self, call_id: str, endpoint: str) -> None:
        """The consulted person is let go and the customer is back with the agent."""
        call, legs = await self._with_agent(call_id, endpoint)
        if call.state is not CallState.HELD:
            raise NotPossibleNow("No transfer is under way.")
        assert legs.agent is not None
        await self.switch.join(legs.customer.name, legs.agent.name)
        if legs.consulted is not None:
            await self._quietly_hang_up(legs.consulted.name)
        await self._tell(call, FactKind.RESUMED, legs.customer)

    async def conference(self, call_id: str, endpoint: str, invited: Target | None = None) -> None:
        """Everyone on the call meets in one room; `invited` (an agent) is rung and joins on answer."""
        if invited is not None:
            self._known(invited)
            if invited.kind != "agent":
                raise NoSuchTarget("Only a person can be invited into a conference.")
        call, legs = await self._with_agent(call_id, endpoint)
        assert legs.agent is not None
        room = (Place.CONFERENCE, call.id)
        if not legs.customer.extension == legs.agent.extension == call.id:  # else they are in it already
            if legs.consulted is not None and legs.consulted.is_up:
                # First out of the agent's Dial(), whose end would hang her up.
                await self.switch.move(legs.consulted.name, *room)
            await self.switch.move_both(legs.customer.name, room, legs.agent.name, room)
            if call.state is CallState.HELD:
                await self._tell(call, FactKind.RESUMED, legs.customer)
            await self._tell(call, FactKind.CONFERENCE_JOINED, legs.customer, conference=call.id)
        if invited is not None:
            await self._invite(call, invited)

    async def leave(self, call_id: str, endpoint: str) -> None:
        """End the agent's own leg; the others go on. In a conference the call passes to a colleague who stays.

        Who was consulted or invited may leave at any time; of two in conversation nobody can.
        """
        call, legs = await self._with_agent(call_id, endpoint)
        assert legs.agent is not None
        owner = self.owner_of(endpoint)
        if not (owner and call.agent_id and owner != call.agent_id):
            room = call.id if legs.customer.extension == legs.agent.extension == call.id else None
            stays = next(
                (
                    one
                    for one in legs.others
                    if one.is_up and one.side is Side.PHONE and one.extension == room
                ),
                None,
            )
            if stays is None:
                raise NotPossibleNow("Nobody else is with the customer; hanging up would end the call.")
            who = {"target": f"agent-{stays.endpoint}"}
            if agent_id := self.owner_of(stays.endpoint):
                who["agent"] = agent_id
            await self._tell(call, FactKind.TRANSFERRED, legs.customer, how="attended", **who)
        await self._quietly_hang_up(legs.agent.name)

    async def leave_nobody_on_hold(self, call_id: str) -> bool:
        """Look after a customer on hold whose agent is gone; whether it was so and is mended.

        Whom the agent consulted gets the customer, where she has answered: hanging up completes the transfer.
        Else the customer returns to the head of his queue. To be asked when a leg of the call has ended, and
        once more a moment later, for the other legs may take a moment to follow. Raises SwitchError.
        """
        try:
            call, legs = await self._with_agent(call_id, "", needs_agent=False)
        except ControlError:
            return False  # the customer is gone too
        if call.state is not CallState.HELD:
            return False
        if legs.customer.side is not Side.TRUNK:
            return False  # the customer hung up first; what is left is the agent, who is not queued
        waiting = next((one for one in legs.others if one.is_up and one.extension.startswith(WAITS)), None)
        if waiting is not None and not any(
            one.side is Side.PHONE for one in legs.others if one is not waiting
        ):
            await self._hand_over(call, legs.customer, waiting, waiting.extension.removeprefix(WAITS))
            return True
        if legs.others:
            return False
        await self._tell(call, FactKind.TRANSFERRED, legs.customer, how="blind", target=LEFT)
        await self.switch.move(legs.customer.name, Place.TRANSFER, LEFT)
        return True

    async def leave_waiting(self, call_id: str, endpoint: str) -> bool | None:
        """The agent's page died in a call: his dead leg ends, the customer hears music until he is back.

        True: he had the customer on hold already. None: nobody has to wait for him, because somebody else talks
        with the customer, or will: in a conference, and whom he consulted. Raises ControlError, SwitchError.
        """
        call, legs = await self._with_agent(call_id, endpoint)
        assert legs.agent is not None
        if legs.consulted is not None or call.state not in (CallState.TALKING, CallState.HELD):
            await self._quietly_hang_up(legs.agent.name)
            return None
        if legs.customer.extension == legs.agent.extension == call.id:  # in the room of a conference
            await self._quietly_hang_up(legs.agent.name)
            return None
        held = call.state is CallState.HELD
        if not held:
            await self.switch.move_both(
                legs.customer.name, (Place.HOLD, ""), legs.agent.name, (Place.AGENT_WAITS, "")
            )
            await self._tell(call, FactKind.HELD, legs.customer)
        await self._quietly_hang_up(legs.agent.name)
        return held

    async def bring_back(self, call_id: str, endpoint: str) -> str:
        """Ring the agent's phone and let him talk with the customer who waits; gives the leg's id.

        Raises ControlError, SwitchError.
        """
        call, legs = await self._with_agent(call_id, "", needs_agent=False)
        if call.state is not CallState.HELD:
            raise NotPossibleNow("The customer does not wait any more.")
        leg = await self._ring_for(call, endpoint)
        await self.switch.ring_through(endpoint, legs.customer.name, call_id=call.id, channel_id=leg)
        return leg

    async def talks_again(self, call_id: str) -> None:
        """Who was brought back has answered. Raises SwitchError."""
        try:
            call, legs = await self._with_agent(call_id, "", needs_agent=False)
        except ControlError:
            return  # the customer has gone at that moment
        if call.state is CallState.HELD:
            await self._tell(call, FactKind.RESUMED, legs.customer)

    async def cut(self, leg: str) -> None:
        """End one leg by its id, where it is still there. Raises SwitchError."""
        for channel in await self.switch.channels():
            if channel.uniqueid == leg:
                await self._quietly_hang_up(channel.name)

    async def pause_recording(self, call_id: str, endpoint: str) -> None:
        """Nothing is recorded until it is resumed; the gap stays in the file as silence (C08)."""
        await self._recording(call_id, endpoint, muted=True)

    async def resume_recording(self, call_id: str, endpoint: str) -> None:
        await self._recording(call_id, endpoint, muted=False)

    async def hang_up(self, call_id: str, endpoint: str, *, of_others: bool = False) -> None:
        """End the call for everybody; `of_others`: also one that the giver of the order is not on."""
        _call, legs = await self._with_agent(call_id, endpoint, needs_agent=not of_others)
        await self.switch.hang_up(legs.customer.name)
        for leg in (legs.agent, *legs.others):
            if leg is not None and leg.side is not Side.SWITCH:
                await self._quietly_hang_up(leg.name)

    async def check_fences(self, number: str) -> None:
        """Raises DialRefused where the number (E.164) may not be dialed now."""
        self.fences.check(number, await self.recent_dials(), self.clock.now())

    async def dial(self, number: str, endpoint: str, *, call_id: str, by: str) -> None:
        """Ring the agent, then the number (E.164). The call's row is committed before anything rings.

        Raises DialRefused by the fences, TooManyCalls by the trunk's pace, SwitchError by the switch.
        """
        await self.check_fences(number)
        if wait := self.pace.reserve(self.clock.monotonic()):
            await asyncio.sleep(wait)
        await self.open_outbound(call_id, number, by)
        await self.switch.place(Placing(call_id=call_id, agent_endpoint=endpoint, number=number))

    async def _hand_over(self, call: Call, customer: Channel, consulted: Channel, target: str) -> None:
        """The customer on hold talks with whom the agent consulted; `target` is what he dialed."""
        who = {"target": target}
        if agent_id := self.owner_of(consulted.endpoint):
            who["agent"] = agent_id
        await self.switch.join(customer.name, consulted.name, was_dialed=True)
        await self._tell(call, FactKind.TRANSFERRED, customer, how="attended", **who)
        await self._tell(call, FactKind.RESUMED, customer)

    def _known(self, target: Target) -> None:
        if target.extension not in self.targets():
            raise NoSuchTarget(
                Sentence("There is no {target} {name} to transfer to.", target=target.kind, name=target.name)
            )

    async def _recording(self, call_id: str, endpoint: str, *, muted: bool) -> None:
        call, legs = await self._with_agent(call_id, endpoint)
        if not call.recording:
            raise NotPossibleNow("This call is not being recorded.")
        await self.switch.mute_recording(legs.customer.name, muted=muted)
        kind = FactKind.RECORDING_PAUSED if muted else FactKind.RECORDING_RESUMED
        await self._tell(call, kind, legs.customer)

    async def _talking(self, call_id: str, endpoint: str) -> tuple[Call, Legs]:
        call, legs = await self._with_agent(call_id, endpoint)
        if call.state is not CallState.TALKING:
            raise NotPossibleNow(
                Sentence(
                    "The call is {call_state}, not in conversation.",
                    call_state=call.state,
                )
            )
        return call, legs

    async def _with_agent(
        self, call_id: str, endpoint: str, *, needs_agent: bool = True
    ) -> tuple[Call, Legs]:
        call = self.calls.live(call_id)
        if call is None or call.state is CallState.ENDED:
            raise NoSuchCall("There is no such call any more; it has ended.")
        legs = find_legs(call, await self.switch.channels(), endpoint)
        if needs_agent and legs.agent is None:
            raise NotYourCall(call.agent_id or "nobody yet")
        return call, legs

    async def _invite(self, call: Call, invited: Target) -> None:
        leg = await self._ring_for(call, invited.name)
        await self.switch.invite(
            invited.name, Place.CONFERENCE_GUEST, call.id, call_id=call.id, channel_id=leg
        )

    async def _ring_for(self, call: Call, endpoint: str) -> str:
        """The id of a new leg, which has a linkedid of its own; the fact, committed first, says whose call it is."""
        at = self.clock.now()
        leg = invited_leg(call.id, at)
        await self.calls.record(
            Fact(
                source=Source.SERVICE,
                key=f"invited:{leg}",
                kind=FactKind.RINGING,
                at=at,
                linkedid=call.linkedid,
                uniqueid=leg,
                data={"queue": "", "endpoint": endpoint, "agent": self.owner_of(endpoint) or ""},
            )
        )
        return leg

    async def _quietly_hang_up(self, channel: str) -> None:
        try:
            await self.switch.hang_up(channel)
        except ActionRefused:
            return  # it was gone already, which is what was wanted

    async def _tell(self, call: Call, kind: FactKind, channel: Channel, **data: str) -> None:
        at = self.clock.now()
        await self.calls.record(
            Fact(
                source=Source.SERVICE,
                key=f"{kind.value}:{call.id}:{at.timestamp():.6f}",
                kind=kind,
                at=at,
                linkedid=call.linkedid,
                uniqueid=channel.uniqueid,
                data=data,
            )
        )
