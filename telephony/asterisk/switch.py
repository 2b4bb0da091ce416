"""The switch port on Asterisk: each order is one manager action, sent once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from asterisk.ami.action import SimpleAction

from telephony.agents import Member
from telephony.asterisk import names
from telephony.asterisk.ami import AmiEvent
from telephony.asterisk.link import AsteriskLink, Submission
from telephony.asterisk.protocol import Headers
from telephony.asterisk.resync import channels_of, queues_of
from telephony.clock import Clock
from telephony.ports import ActionRefused, CallOut, Channel, Place, Placing, QueueCount

#: Where our places are in the dialplan.
CONTEXTS: Final[Mapping[Place, str]] = {
    Place.HOLD: names.HOLD,
    Place.AGENT_WAITS: names.PARKED_AGENT,
    Place.TRANSFER: names.TRANSFER,
    Place.CONFERENCE: names.CONFERENCE,
    Place.CONFERENCE_GUEST: names.CONFERENCE_GUEST,
    Place.MENU: names.ATTEMPT,
    Place.AGENT: names.ATTEMPT,
}


class AsteriskSwitch:
    """`telephony.ports.Switch` over an `AsteriskLink`."""

    def __init__(
        self,
        link: AsteriskLink,
        clock: Clock,
        *,
        unplaced: Callable[[Placing], None] = lambda _placing: None,
        not_out: Callable[[CallOut], None] = lambda _out: None,
        plus: bool = True,
    ) -> None:
        """`unplaced` is told of a call whose first leg nobody answered, or that could not even be rung; `not_out` of a
        customer's that was not answered. `plus`: numbers are written to the carrier with +."""
        self._link = link
        self._clock = clock
        self._unplaced = unplaced
        self._not_out = not_out
        self._plus = plus

    async def channels(self) -> Sequence[Channel]:
        reply = await self._do("CoreShowChannels")
        return channels_of((event.keys for event in reply), self._clock.now())

    async def members(self) -> Sequence[Member]:
        return (await self._queue_status())[1]

    async def queues(self) -> Sequence[QueueCount]:
        return (await self._queue_status())[0]

    async def add_member(self, member: Member) -> None:
        """Already there is what was wanted."""
        try:
            await self._do(
                "QueueAdd",
                Queue=member.queue,
                Interface=f"PJSIP/{member.phone}",
                Penalty=str(member.penalty),
                Paused="true" if member.paused else "false",
                MemberName=member.agent_id,
            )
        except ActionRefused as refused:
            if "already there" not in str(refused).lower():
                raise
        if member.paused and member.reason:
            await self.pause_member(member, paused=True)

    async def remove_member(self, member: Member) -> None:
        """Not there is what was wanted."""
        try:
            await self._do("QueueRemove", Queue=member.queue, Interface=f"PJSIP/{member.phone}")
        except ActionRefused as refused:
            if "not there" not in str(refused).lower():
                raise

    async def pause_member(self, member: Member, *, paused: bool) -> None:
        await self._do(
            "QueuePause",
            Queue=member.queue,
            Interface=f"PJSIP/{member.phone}",
            Paused="true" if paused else "false",
            Reason=member.reason,
        )

    async def move(self, channel: str, place: Place, extension: str = "") -> None:
        await self._do(
            "Redirect", Channel=channel, Context=CONTEXTS[place], Exten=extension or "s", Priority="1"
        )

    async def move_both(
        self, first: str, first_to: tuple[Place, str], second: str, second_to: tuple[Place, str]
    ) -> None:
        await self._do(
            "Redirect",
            Channel=first,
            Context=CONTEXTS[first_to[0]],
            Exten=first_to[1] or "s",
            Priority="1",
            ExtraChannel=second,
            ExtraContext=CONTEXTS[second_to[0]],
            ExtraExten=second_to[1] or "s",
            ExtraPriority="1",
        )

    async def join(self, waiting: str, joining: str, *, was_dialed: bool = False) -> None:
        """By the dialplan's Bridge(): the manager's Bridge lets both go on in their contexts afterwards."""
        extension = f"{names.SETTLES if was_dialed else ''}{_leg_of(waiting)}"
        await self._do("Redirect", Channel=joining, Context=names.JOIN, Exten=extension, Priority="1")

    async def hang_up(self, channel: str) -> None:
        await self._do("Hangup", Channel=channel, Cause="16")

    async def mute_recording(self, channel: str, *, muted: bool) -> None:
        await self._do("MixMonitorMute", Channel=channel, Direction="both", State="1" if muted else "0")

    async def place(self, placing: Placing) -> None:
        def told(outcome: asyncio.Future[Headers]) -> None:
            answered = outcome.cancelled() or outcome.exception() or outcome.result()["Response"] == "Success"
            if not answered:
                self._unplaced(placing)

        submission = await self._originate(
            placing.call_id,
            placing.agent_endpoint,
            names.OUTBOUND,
            placing.number,
            placing.ring_seconds,
            call_id=placing.call_id,
            variables={
                names.CALL_HEADER_VARIABLE: placing.call_id,
                **({names.CALLER: placing.caller_id} if placing.caller_id else {}),
            },
        )
        submission.outcome.add_done_callback(told)

    async def call_out(self, out: CallOut) -> None:
        """Straight to the trunk: one channel, one linkedid, and the switch's own words for what became of it.

        This does not pass the dialplan's fences: whoever calls it has checked the service's, and the dial string is
        made here from digits alone. The channel counts among the trunk's from its first moment on.
        """

        def told(outcome: asyncio.Future[Headers]) -> None:
            answered = outcome.cancelled() or outcome.exception() or outcome.result()["Response"] == "Success"
            if not answered:
                self._not_out(out)

        digits = out.number.removeprefix("+")
        if not (out.number.startswith("+") and digits.isascii() and digits.isdigit() and len(digits) <= 15):
            raise ActionRefused("This is no whole telephone number; nothing was dialed.")
        dialed = f"+{digits}" if self._plus else digits
        submission = await self._originate(
            out.call_id,
            f"{dialed}@{names.TRUNK}",
            CONTEXTS[out.place],
            out.extension or out.place.value,
            out.ring_seconds,
            call_id=out.call_id,
            order=out.order,
            caller_id=out.caller_id,
            variables={names.TRUNK_GROUP: "trunk"},
        )
        submission.outcome.add_done_callback(told)

    async def invite(
        self, endpoint: str, place: Place, extension: str, *, call_id: str, channel_id: str
    ) -> None:
        await self._originate(channel_id, endpoint, CONTEXTS[place], extension, 30, call_id=call_id)

    async def ring_through(self, endpoint: str, waiting: str, *, call_id: str, channel_id: str) -> None:
        await self._originate(channel_id, endpoint, names.JOIN, _leg_of(waiting), 15, call_id=call_id)

    async def _originate(
        self,
        channel_id: str,
        endpoint: str,
        context: str,
        extension: str,
        ring: int,
        *,
        call_id: str,
        order: str = "",
        caller_id: str = "",
        variables: Mapping[str, str] | None = None,
    ) -> Submission:
        keys = {
            "Channel": f"PJSIP/{endpoint}",
            "Context": context,
            "Exten": extension,
            "Priority": "1",
            "Timeout": str(ring * 1000),
            "Account": call_id,
            "ChannelId": channel_id,
            "OtherChannelId": f"{channel_id}-2",
        }
        if order:
            keys["ActionID"] = order
        if caller_id:
            keys["CallerID"] = f"<{caller_id}>"
        action = SimpleAction("Originate", **keys)
        # The id goes to phones of ours, never to the carrier.
        own = {names.CALL_HEADER_VARIABLE: call_id} if variables is None else variables
        action.variables = {names.CALL: call_id, **own}
        return await self._link.originate(action, deadline=ring + 60.0)

    async def _queue_status(self) -> tuple[tuple[QueueCount, ...], tuple[Member, ...]]:
        reply = await self._do("QueueStatus")
        counts, members = queues_of((event.name, event.keys) for event in reply)
        # The fallback queue's static members are the dialplan's own; nobody signs in to it.
        return (
            tuple(one for one in counts if one.name != names.FALLBACK_QUEUE),
            tuple(one for one in members if one.queue != names.FALLBACK_QUEUE),
        )

    async def _do(self, name: str, **keys: str) -> Sequence[AmiEvent]:
        reply = await self._link.act(
            SimpleAction(name, **{key: value for key, value in keys.items() if value})
        )
        return reply.events


def _leg_of(channel: str) -> str:
    """The extension of names.JOIN that talks with this channel."""
    return f"leg-{channel.removeprefix('PJSIP/')}"
