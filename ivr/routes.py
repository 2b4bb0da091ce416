"""Where a caller goes when the menu is done, and the word that tells the dialplan.

The grammar of the words stands in `telephony.asterisk.names`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, TypeAlias

from telephony.asterisk import names

_PART: Final = re.compile(r"[0-9A-Za-z]{1,80}")


@dataclass(frozen=True, kw_only=True, slots=True)
class ToQueue:
    """Wait in a queue; higher priority first; leave it after `max_wait` seconds."""

    queue: str
    priority: int
    max_wait: int


@dataclass(frozen=True, kw_only=True, slots=True)
class ToAgent:
    """Ring one agent for `seconds`, then the queue."""

    endpoint: str
    seconds: int
    queue: str
    priority: int


@dataclass(frozen=True, kw_only=True, slots=True)
class ToSeat:
    """A campaign's customer: ring one agent for `seconds`, whose telephone answers by itself."""

    endpoint: str
    seconds: int


@dataclass(frozen=True, kw_only=True, slots=True)
class ToVoicemail:
    """Leave a message in a queue's box."""

    box: str


@dataclass(frozen=True, kw_only=True, slots=True)
class ToHangUp:
    """The menu served the caller; nothing follows."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ToFallback:
    """The service cannot go on: the dialplan's own fallback queue takes the caller."""

    why: str


Route: TypeAlias = ToQueue | ToAgent | ToSeat | ToVoicemail | ToHangUp | ToFallback


def route_word(route: Route) -> str | None:
    """The value of IVR_DONE; None for the fallback, which is told by leaving it unset.

    Raises ValueError where a name could not travel in a channel variable.
    """
    match route:
        case ToQueue():
            return _join(names.ROUTE_QUEUE, route.queue, route.priority, route.max_wait)
        case ToAgent():
            return _join(names.ROUTE_AGENT, route.endpoint, route.seconds, route.queue, route.priority)
        case ToSeat():
            return _join(names.ROUTE_SEAT, route.endpoint, route.seconds)
        case ToVoicemail():
            return _join(names.ROUTE_VOICEMAIL, route.box)
        case ToHangUp():
            return names.ROUTE_HANGUP
        case ToFallback():
            return None


def _join(*parts: str | int) -> str:
    words = [str(part) for part in parts]
    for word in words:
        if not _PART.fullmatch(word):
            raise ValueError(f"{word!r} cannot stand in a route: letters and digits only")
    return "-".join(words)
