"""What the telephone side needs from a switch. Asterisk is one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from telephony.agents import Member


class SwitchError(Exception):
    """Base of what a switch can do to a caller.

    SwitchError
    ├── SwitchUnavailable   not connected or not resynchronised; nothing was asked; retryable
    ├── ActionUnknown       asked, but the answer never came: it may or may not have happened; never repeated
    └── ActionRefused       the switch said no, with its words
    """

    error_id = "switch-error"
    retryable = False


class SwitchUnavailable(SwitchError):
    """The switch is away; nothing was asked of it."""

    error_id = "switch-unavailable"
    retryable = True


class ActionUnknown(SwitchError):
    """The switch was asked and did not answer in time; whether it happened is not known."""

    error_id = "switch-action-unknown"


class ActionRefused(SwitchError):
    """The switch refused."""

    error_id = "switch-action-refused"


class Side(StrEnum):
    """Who is at the far end of a leg."""

    TRUNK = "trunk"  # the outside world
    PHONE = "phone"  # one of our phones
    SWITCH = "switch"  # the switch itself


class Place(StrEnum):
    """Where a leg can be sent. The adapter knows what the switch calls it."""

    HOLD = "hold"  # a customer hears music
    AGENT_WAITS = "agent_waits"  # the agent's leg while the customer is on hold
    TRANSFER = "transfer"  # extension: a target
    CONFERENCE = "conference"  # extension: the room
    CONFERENCE_GUEST = "conference_guest"  # extension: a room that must still be in use
    MENU = "menu"  # the menu of the campaign that called
    AGENT = "agent"  # an agent of the campaign that called, found by the service


@dataclass(frozen=True, kw_only=True, slots=True)
class Channel:
    """A live leg as the switch lists it."""

    name: str
    uniqueid: str
    linkedid: str
    #: Up, Ringing, Ring, Down …, in the switch's words.
    state: str = ""
    bridge: str = ""
    context: str = ""
    extension: str = ""
    started_at: datetime | None = None
    #: Who is at its far end.
    side: Side
    #: Name of the phone or trunk it belongs to; empty for the switch's own.
    endpoint: str = ""

    @property
    def is_up(self) -> bool:
        """Both directions are open."""
        return self.state == "Up"


@dataclass(frozen=True, kw_only=True, slots=True)
class QueueCount:
    """One queue, now."""

    name: str
    waiting: int = 0
    #: Seconds the caller at the head has waited.
    longest_wait: int = 0
    members: int = 0
    ready: int = 0
    talking: int = 0
    completed: int = 0
    abandoned: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Placing:
    """One call to place: `number` is E.164 and has passed the fences."""

    call_id: str
    agent_endpoint: str
    number: str
    #: The number shown; empty: the trunk's.
    caller_id: str = ""
    ring_seconds: int = 30


@dataclass(frozen=True, kw_only=True, slots=True)
class CallOut:
    """One call of a campaign, customer first: `number` is E.164 and has passed the fences."""

    #: The attempt's id: of the call, of its channel and of its account on the switch.
    call_id: str
    #: The sending: no two orders to the switch have one name.
    order: str
    number: str
    #: The number shown; empty: the trunk's.
    caller_id: str
    ring_seconds: int
    #: Where the customer is served once he answers, and its extension.
    place: Place
    extension: str = ""


class Switch(Protocol):
    """Orders to a switch. Each raises SwitchError; none is ever repeated by itself."""

    async def channels(self) -> Sequence[Channel]: ...

    async def members(self) -> Sequence[Member]: ...

    async def queues(self) -> Sequence[QueueCount]: ...

    async def add_member(self, member: Member) -> None: ...

    async def remove_member(self, member: Member) -> None: ...

    async def pause_member(self, member: Member, *, paused: bool) -> None: ...

    async def move(self, channel: str, place: Place, extension: str = "") -> None:
        """Take one leg out of whatever it is in and send it to a place."""

    async def move_both(
        self, first: str, first_to: tuple[Place, str], second: str, second_to: tuple[Place, str]
    ) -> None:
        """Take both legs of a conversation apart in one order."""

    async def join(self, waiting: str, joining: str, *, was_dialed: bool = False) -> None:
        """Take `joining` out of whatever it is in and let it talk with `waiting`; the end of one ends both.

        `was_dialed`: it was called by the leg it talks with now, and did nothing by itself yet.
        """

    async def hang_up(self, channel: str) -> None: ...

    async def mute_recording(self, channel: str, *, muted: bool) -> None: ...

    async def place(self, placing: Placing) -> None:
        """Ring the agent, then dial the number. Returns once the switch has taken the order."""

    async def call_out(self, out: CallOut) -> None:
        """Dial a customer and send him to a place when he answers. Returns once the switch has taken the order, which
        proves nothing about the call. Raises ActionUnknown where it may or may not have been taken."""

    async def invite(
        self, endpoint: str, place: Place, extension: str, *, call_id: str, channel_id: str
    ) -> None:
        """Ring an endpoint and send it to a place when it answers. `channel_id` becomes the leg's uniqueid."""

    async def ring_through(self, endpoint: str, waiting: str, *, call_id: str, channel_id: str) -> None:
        """Ring an endpoint and let it talk with the leg `waiting` when it answers; the end of one ends both."""
