"""Calls as people see them: which ones, in which order, with what hidden."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final

from access.masking import mask_number, mask_text
from access.permissions import Permission
from access.users import Principal
from telephony.calls import Call, CallState, Direction, Outcome
from telephony.numbers import is_hidden

LARGEST_PAGE: Final = 200


class BadCursor(Exception):
    """The cursor is not one that a list of this order has given out."""

    error_id = "bad-cursor"


class CallSort(StrEnum):
    """The orders a list of calls can have; there is no other way to name a column."""

    NEWEST = "newest"
    OLDEST = "oldest"
    LONGEST_WAIT = "longest_wait"
    LONGEST_TALK = "longest_talk"


class CallScope(StrEnum):
    """Which part of the log."""

    OPEN = "open"
    ENDED = "ended"
    ALL = "all"


@dataclass(frozen=True, kw_only=True, slots=True)
class CallFilter:
    """What to list; None and empty mean any."""

    scope: CallScope = CallScope.ALL
    direction: Direction | None = None
    #: Those that came in: customers' calls and colleagues'.
    received: bool = False
    #: Those somebody of the house talked in.
    talked: bool = False
    outcome: Outcome | None = None
    queue: str | None = None
    agent_id: str | None = None
    customer_id: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    #: A whole number or a call id, compared letter by letter: no wildcard exists.
    search: str = ""
    #: The same text as E.164, where it can be read as a number.
    number: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class CallView:
    """A call as one viewer may see it: numbers are masked already."""

    id: str
    direction: Direction
    state: CallState
    outcome: Outcome | None
    started_at: datetime
    number: str | None
    called: str
    flow: str | None
    language: str | None
    customer_id: str | None
    explained: str | None
    keys: str
    queue: str | None
    agent_id: str | None
    agent_name: str | None
    answered_at: datetime | None
    queued_at: datetime | None
    connected_at: datetime | None
    ended_at: datetime | None
    held_since: datetime | None
    wait_seconds: float
    talk_seconds: float
    hold_seconds: float
    recorded: bool
    transfers: str
    origin: str
    proved: bool
    refused_by: str | None = None
    rating: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class FactView:
    """One fact below a call, numbers masked where they must be."""

    at: datetime
    source: str
    kind: str
    data: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class CallPage:
    """Some calls and where the next ones begin."""

    items: Sequence[CallView]
    next: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class CallDetail:
    """One call and the facts it was folded from, oldest first."""

    call: CallView
    facts: Sequence[FactView]


_ENDPOINT = re.compile(r"agent-[0-9A-Za-z]+")


def view_of(call: Call, *, sees_numbers: bool, agent_name: str | None = None) -> CallView:
    """The call with what this viewer may not see hidden. Endpoint names are nobody's business."""
    number = call.number or (None if is_hidden(call.raw_number) else call.raw_number)
    called = call.called
    keys = call.keys
    if not sees_numbers:
        number = mask_number(number) if number else None
        called = mask_number(called) if call.direction is not Direction.INBOUND else called
        keys = mask_text(keys)
    return CallView(
        id=call.id,
        direction=call.direction,
        state=call.state,
        outcome=call.outcome,
        started_at=call.started_at,
        number=number,
        called=called,
        flow=call.flow,
        language=call.language,
        customer_id=call.customer_id,
        explained=call.explained,
        keys=keys,
        queue=call.queue,
        agent_id=call.agent_id,
        agent_name=agent_name,
        answered_at=call.answered_at,
        queued_at=call.queued_at,
        connected_at=call.connected_at,
        ended_at=call.ended_at,
        held_since=call.held_since,
        wait_seconds=call.wait_seconds,
        talk_seconds=call.talk_seconds,
        hold_seconds=call.hold_seconds,
        recorded=call.recording is not None,
        transfers=_ENDPOINT.sub("agent", call.transfers),
        origin=call.origin,
        proved=call.proved,
        refused_by=call.refused_by,
        rating=call.rating,
    )


def may_see(call: Call, viewer: Principal) -> bool:
    """Whether the viewer may see this call: all of them, or his own and open ones nobody has taken."""
    if not viewer.may(Permission.CALLS_READ):
        return False
    if viewer.may(Permission.CALLS_READ_ALL):
        return True
    if call.agent_id is not None:
        return call.agent_id == viewer.user_id
    return call.state is not CallState.ENDED


def make_cursor(sort: CallSort, value: str | float, last_id: str) -> str:
    """Where the next page begins: after the row with this value and id."""
    text = json.dumps([sort.value, value, last_id], separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def read_cursor(cursor: str, sort: CallSort) -> tuple[str | float, str]:
    """Value and id of the last row already given. Raises BadCursor."""
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        parts = json.loads(base64.b64decode(padded.encode("ascii"), altchars=b"-_", validate=True))
    except (binascii.Error, UnicodeError, ValueError, RecursionError) as error:
        raise BadCursor("This place in the list cannot be read. Start from the first page.") from error
    match parts:
        case [str(name), (str() | float() | int()) as value, str(last_id)] if (
            name == sort.value and not isinstance(value, bool) and len(last_id) <= 26
        ):
            return value, last_id
        case _:
            raise BadCursor("This place in the list cannot be read. Start from the first page.")
