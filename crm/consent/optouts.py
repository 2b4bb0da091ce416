"""Opt-outs: who does not want to hear from us, for what, how we know, and the proof."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Purpose(StrEnum):
    """What a contact would be for."""

    ALL = "all"
    ADVERTISING = "advertising"
    VISITS = "visits"  # return visits and surveys
    REMINDERS = "reminders"  # maintenance, inspection, appointments


class Channel(StrEnum):
    """How the contact would be made."""

    ALL = "all"
    CALL = "call"
    TEXT = "text"


class OptOutSource(StrEnum):
    """How the wish reached us."""

    HOTLINE_KEY = "hotline_key"
    AGENT = "agent"
    LINK = "link"
    TEXT_REPLY = "text_reply"
    IMPORT = "import"
    LIST = "list"  # stood on a do-not-call list that holds everywhere


@dataclass(frozen=True, kw_only=True, slots=True)
class OptOut:
    """A number that is not to be contacted for a purpose, from a moment on."""

    id: str
    #: E.164.
    number: str
    purpose: Purpose
    channel: Channel
    source: OptOutSource
    at: datetime
    #: Where the wish can be looked up again: a call id, a message id, a file and line, the agent's words.
    proof: str
    #: User id of the agent who noted it, if one did.
    actor_id: str | None = None
    withdrawn_at: datetime | None = None
    #: Proof of the new consent.
    withdrawn_proof: str = ""


def refusing(optouts: Iterable[OptOut], purpose: Purpose, channel: Channel, now: datetime) -> OptOut | None:
    """The opt-out that forbids a contact, or None. `all` covers everything, on both sides of the question."""
    for optout in optouts:
        if optout.withdrawn_at is not None and optout.withdrawn_at <= now:
            continue
        same_purpose = Purpose.ALL in (optout.purpose, purpose) or optout.purpose is purpose
        same_channel = Channel.ALL in (optout.channel, channel) or optout.channel is channel
        if same_purpose and same_channel:
            return optout
    return None
