"""What a person may ask about his own data, and how the house answers: always two people (C07; PIPL Art. 44 to 47)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from access.users import AccessError

#: A request is answered within this (PIPL asks for "timely"; many houses promise 15 working days).
ANSWER_WITHIN: Final = timedelta(days=15)


class RequestKind(StrEnum):
    """What is asked."""

    EXPORT = "export"
    CORRECT = "correct"
    RESTRICT = "restrict"  # keep it, use it for nothing: restricted record; no advertising, visits, reminders
    ERASE = "erase"


class RequestState(StrEnum):
    """What became of it."""

    ASKED = "asked"
    APPROVED = "approved"
    REFUSED = "refused"
    DONE = "done"


class RequestNotFound(AccessError):
    """No request has this id."""

    error_id = "request-not-found"


class HoldNotFound(AccessError):
    """No hold that stands has this id."""

    error_id = "hold-not-found"


class RequestOpen(AccessError):
    """The same was asked for this person already and is not answered yet."""

    error_id = "request-open"


@dataclass(frozen=True, kw_only=True, slots=True)
class PrivacyRequest:
    """One request of a person about his data."""

    id: str
    kind: RequestKind
    customer_id: str
    state: RequestState
    asked_by: str
    asked_at: datetime
    #: How the house made sure that it is the person himself.
    identity: str
    #: What exactly he wants, in his words.
    reason: str
    due_at: datetime
    decided_by: str | None = None
    decided_at: datetime | None = None
    note: str = ""
    done_at: datetime | None = None
    #: Rows by table, or what else was done; nothing of the person.
    result: Mapping[str, int | str] = field(default_factory=dict)
