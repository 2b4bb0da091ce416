"""Recordings and voicemail as people search, hear, mark and delete them; who may is decided here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Literal

#: What agents may hear beside nothing: `own` are calls they talked in.
Hears = Literal["none", "own", "all"]


class ListeningError(Exception):
    """Base of what can be refused about sounds; nothing was changed.

    ListeningError
    ├── SoundNotFound    there is none, it is deleted, or it is not for this person
    ├── SoundNotReady    the call is not over yet
    ├── SoundHeld        a legal hold keeps it
    └── SoundAway        its file cannot be read now
    """

    error_id = "listening-error"


class SoundNotFound(ListeningError):
    """There is no such sound for this person."""

    error_id = "sound-not-found"


class SoundNotReady(ListeningError):
    """The call is still going on."""

    error_id = "sound-not-ready"


class SoundHeld(ListeningError):
    """A legal hold keeps the sound; it is not deleted."""

    error_id = "sound-held"


class SoundAway(ListeningError):
    """The file cannot be read now; the disk may be away."""

    error_id = "sound-away"
    retryable = True


class SoundKind(StrEnum):
    RECORDING = "recording"
    VOICEMAIL = "voicemail"


@dataclass(frozen=True, kw_only=True, slots=True)
class SoundFilter:
    """Which sounds; None and "" do not matter."""

    customer_id: str | None = None
    #: E.164.
    number: str | None = None
    agent_id: str | None = None
    queue: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    marked: bool = False
    least_seconds: float | None = None
    most_seconds: float | None = None
    call_id: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Mark:
    """A place in a recording somebody noted."""

    id: str
    at: datetime
    by_name: str
    #: Seconds from the beginning.
    offset: float
    note: str


@dataclass(frozen=True, kw_only=True, slots=True)
class SoundView:
    """One recording or message as a viewer may see it: the number is masked already."""

    id: str
    kind: SoundKind
    call_id: str
    at: datetime
    seconds: float | None
    state: str
    #: Whether there is something to hear.
    playable: bool
    hold: bool
    why: str
    number: str | None
    customer_id: str | None
    customer_name: str | None
    agent_id: str | None
    agent_name: str | None
    #: Queue of the call, or box of a message.
    queue: str | None
    direction: str | None
    marks: Sequence[Mark] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class SoundPage:
    """Some sounds and where the next ones begin."""

    items: Sequence[SoundView]
    next: str | None = None


def wav_head(head: bytes, size: int) -> bytes:
    """The first bytes of a PCM wav file with the lengths that its size says.

    A switch that died left zeros there, and players play nothing then (RIFF, 1994). Other files as they are.
    """
    if len(head) < 44 or head[:4] != b"RIFF" or head[8:12] != b"WAVE" or head[36:40] != b"data":
        return head
    if size - 44 >= 1 << 32:
        return head
    return (
        head[:4]
        + (size - 8).to_bytes(4, "little")
        + head[8:40]
        + (size - 44).to_bytes(4, "little")
        + head[44:]
    )
