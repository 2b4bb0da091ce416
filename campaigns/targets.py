"""A target: one person for one reason on a campaign."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from access.sentences import Sentence
from campaigns.attempts import AttemptOutcome


class TargetNotFound(Exception):
    """There is no such target."""

    error_id = "target-not-found"


class TargetTaken(Exception):
    """Somebody else looks at it, or it is being called."""

    error_id = "target-taken"


class TargetOver(Exception):
    """Nobody calls it any more."""

    error_id = "target-over"


class NotCallable(Exception):
    """Contactability says no; `rule` says why, `until` when it may say yes."""

    error_id = "contact-refused"

    def __init__(self, message: str | Sentence, *, rule: str, until: datetime | None) -> None:
        super().__init__(message)
        self.rule = rule
        self.until = until


class TargetState(StrEnum):
    """Where a target is."""

    WAITING = "waiting"  # for its moment
    DIALING = "dialing"  # one attempt is open
    DONE = "done"  # reached, or its task was done another way
    GIVEN_UP = "given_up"  # tries or days used up; the ladder goes on
    WITHDRAWN = "withdrawn"  # taken off by a person, or must not be contacted


END_STATES: Final = (TargetState.DONE, TargetState.GIVEN_UP, TargetState.WITHDRAWN)


@dataclass(frozen=True, kw_only=True, slots=True)
class NewTarget:
    """Whom to put on a campaign."""

    customer_id: str
    #: Unique on the campaign: the same reason never makes a second target.
    key: str
    vehicle_id: str | None = None
    #: The contact (`crm.contacts`) whose reasons the call is about.
    contact_id: str | None = None
    due_at: datetime | None = None
    priority: int = 5


@dataclass(frozen=True, kw_only=True, slots=True)
class Target:
    """One person for one reason. Moments are aware UTC."""

    id: str
    campaign_id: str
    customer_id: str
    key: str
    vehicle_id: str | None
    contact_id: str | None
    state: TargetState
    #: Not before.
    due_at: datetime
    expires_at: datetime
    #: 0 most urgent … 9.
    priority: int
    #: Tries that count, of every outcome.
    tries: int
    #: Which of the customer's numbers is next: an index that grows.
    turn: int
    #: How often each outcome came.
    counts: Mapping[AttemptOutcome, int] = field(default_factory=dict)
    #: A call-back that was asked for: whose it is; empty for the pool. None where none was asked for.
    callback_of: str | None = None
    last_outcome: AttemptOutcome | None = None
    last_attempt_id: str | None = None
    #: Why it waits or ended: plain JSON, with "rule" (contactability) or "why" in it.
    why: Mapping[str, Any] = field(default_factory=dict)
    created_at: datetime
    closed_at: datetime | None = None
    #: The agent who looks at it before he dials, and until when it is kept for him.
    held_by: str | None = None
    held_until: datetime | None = None
    #: What was promised, in the agent's words.
    callback_note: str | None = None
