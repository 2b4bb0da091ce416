"""Recordings and voicemail as values; and what a sound file on disk says of itself."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

#: MIIT notice on call-centre business (2020): recordings are kept at least this many days.
CHINA_LEAST_DAYS = 30


class RecordingState(StrEnum):
    RUNNING = "running"
    KEPT = "kept"
    FAILED = "failed"
    NONE = "none"  # nobody talked, so there is nothing to keep
    DELETING = "deleting"  # past its time: the file goes next, or could not be deleted and `why` says so
    DELETED = "deleted"


class VoicemailState(StrEnum):
    NEW = "new"
    HEARD = "heard"
    DELETING = "deleting"
    DELETED = "deleted"
    MISSING = "missing"


@dataclass(frozen=True, kw_only=True, slots=True)
class Recording:
    """One recorded conversation. `file` is a name below the recordings folder, never a path."""

    id: str
    call_id: str
    file: str
    started_at: datetime
    ended_at: datetime | None
    seconds: float | None
    state: RecordingState
    why: str
    hold: bool

    @classmethod
    def from_row(cls, row: Mapping[Any, Any]) -> Recording:
        return cls(
            id=row["id"],
            call_id=row["call_id"],
            file=row["file"],
            started_at=row["started_at"],
            ended_at=row["ended_at"],
            seconds=row["seconds"],
            state=RecordingState(row["state"]),
            why=row["why"],
            hold=row["hold"],
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Voicemail:
    """One message left by a caller."""

    id: str
    call_id: str
    file: str
    box: str
    left_at: datetime
    seconds: float | None
    number: str | None
    customer_id: str | None
    state: VoicemailState
    #: Why its file is still there though it is past its time.
    why: str
    hold: bool

    @classmethod
    def from_row(cls, row: Mapping[Any, Any]) -> Voicemail:
        return cls(
            id=row["id"],
            call_id=row["call_id"],
            file=row["file"],
            box=row["box"],
            left_at=row["left_at"],
            seconds=row["seconds"],
            number=row["number"],
            customer_id=row["customer_id"],
            state=VoicemailState(row["state"]),
            why=row["why"],
            hold=row["hold"],
        )


def keep_days(wanted: int, *, china_profile: bool) -> int:
    """How long recordings are kept; never below the MIIT minimum where the China profile is on."""
    return max(wanted, CHINA_LEAST_DAYS) if china_profile else wanted


def wav_seconds(head: bytes, size: int) -> float:
    """Seconds of sound in a PCM wav file of `size` bytes that begins with `head` (at least 44 bytes).

    The data length in the header of a file cut short by a crash is 0, so the file's size decides.
    0.0 where it is no wav file or holds no sound (RIFF, Microsoft Multimedia Standards, 1994).
    """
    if len(head) < 44 or head[:4] != b"RIFF" or head[8:12] != b"WAVE":
        return 0.0
    (bytes_per_second,) = struct.unpack_from("<I", head, 28)
    return max(0, size - 44) / bytes_per_second if bytes_per_second else 0.0
