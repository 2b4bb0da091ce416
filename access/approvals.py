"""Opening a restricted record: who asks says why, another decides, it is open for some hours (M-048, M-050)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from access.users import AccessError

#: How long an approval may be good for.
LONGEST_HOURS: Final = 72
#: In a call with that customer nobody can wait for a supervisor: the record opens, and the opening is reported.
EMERGENCY_HOURS: Final = 1


class ApprovalState(StrEnum):
    """What became of a request."""

    ASKED = "asked"
    GRANTED = "granted"
    REFUSED = "refused"
    EMERGENCY = "emergency"  # opened in a call of that customer; a supervisor reads it afterwards


class ApprovalNotFound(AccessError):
    """No request has this id."""

    error_id = "approval-not-found"


class AlreadyDecided(AccessError):
    """Somebody decided this request before."""

    error_id = "already-decided"


class SamePerson(AccessError):
    """Two people are needed: who asked cannot decide."""

    error_id = "same-person"


class NoSuchCallNow(AccessError):
    """There is no call going on between this person and this customer."""

    error_id = "no-call-with-customer"


class ReasonMissing(AccessError):
    """A reason of at least a few words is asked for."""

    error_id = "reason-missing"


@dataclass(frozen=True, kw_only=True, slots=True)
class Approval:
    """One request to open a record."""

    id: str
    customer_id: str
    asked_by: str
    asked_at: datetime
    reason: str
    state: ApprovalState
    decided_by: str | None = None
    decided_at: datetime | None = None
    note: str = ""
    until: datetime | None = None
    call_id: str | None = None
    reviewed_by: str | None = None
    reviewed_at: datetime | None = None

    def is_open_at(self, now: datetime) -> bool:
        """Whether the record is open to who asked."""
        good = self.state in (ApprovalState.GRANTED, ApprovalState.EMERGENCY)
        return good and self.until is not None and now < self.until


def check_reason(reason: str) -> str:
    """The reason in one line. Raises ReasonMissing."""
    line = " ".join(reason.split())[:500]
    if len(line) < 2:
        raise ReasonMissing("Say why, in a few words. Nothing was asked for.")
    return line


def good_until(now: datetime, hours: int) -> datetime:
    """When an approval given now for so many hours ends; never longer than allowed."""
    return now + timedelta(hours=max(1, min(hours, LONGEST_HOURS)))
