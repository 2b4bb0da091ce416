"""A contact: one customer the house must call, every reason in one call, one owner, one deadline, one result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from access.sentences import Sentence


class ContactError(Exception):
    """Base of what is refused about contacts; nothing was changed."""

    error_id = "contact-error"


class ContactNotFound(ContactError):
    """There is no such contact, or not for this person."""

    error_id = "contact-not-found"


class ContactChanged(ContactError):
    """Somebody has changed it meanwhile; `version` is what holds now."""

    error_id = "contact-changed"

    def __init__(self, message: str | Sentence, *, version: int) -> None:
        super().__init__(message)
        self.version = version


class ContactClosed(ContactError):
    """It has its result already."""

    error_id = "contact-closed"


class ContactTaken(ContactError):
    """Somebody else has it."""

    error_id = "contact-taken"


class BadContact(ContactError):
    """A value that cannot be."""

    error_id = "bad-contact"

    def __init__(self, message: str | Sentence, *, field: str = "") -> None:
        super().__init__(message)
        self.field = field


class ReasonKind(StrEnum):
    DELIVERY_VISIT = "delivery_visit"
    SERVICE_VISIT = "service_visit"
    FIRST_MAINTENANCE = "first_maintenance"
    PERIODIC_MAINTENANCE = "periodic_maintenance"
    DATED_ITEM = "dated_item"  # inspection, insurance
    NO_SHOW = "no_show"
    KEY_ACCOUNT = "key_account"
    SURVEY = "survey"
    CUSTOM = "custom"


MAINTENANCE_KINDS: Final = (ReasonKind.FIRST_MAINTENANCE, ReasonKind.PERIODIC_MAINTENANCE)
#: What stops when the vehicle is sold, scrapped or has moved away.
VEHICLE_KINDS: Final = (*MAINTENANCE_KINDS, ReasonKind.DATED_ITEM)


class ReasonState(StrEnum):
    OPEN = "open"
    DONE = "done"  # spoken about
    CANCELLED = "cancelled"
    EXPIRED = "expired"  # of no use any more


class ContactState(StrEnum):
    OPEN = "open"
    HELD = "held"  # an open complaint stops it; shown, not called
    CLOSED = "closed"


class Result(StrEnum):
    """What came of it. `not_reached` is one try and leaves it open."""

    DONE = "done"
    PARTLY = "partly"
    REFUSED = "refused"
    NOT_REACHED = "not_reached"
    UNSUCCESSFUL = "unsuccessful"  # the tries are used up
    WRONG_NUMBER = "wrong_number"
    CANCELLED = "cancelled"


#: Results a person gives.
GIVEN_RESULTS: Final = (
    *(Result.DONE, Result.PARTLY, Result.REFUSED, Result.NOT_REACHED, Result.WRONG_NUMBER, Result.CANCELLED),
)


class Step(StrEnum):
    """What happened to a contact, for its trail."""

    OPENED = "opened"
    REASON_ADDED = "reason_added"
    REASON_CANCELLED = "reason_cancelled"
    REASON_EXPIRED = "reason_expired"
    HELD = "held"
    RELEASED = "released"
    GIVEN = "given"
    POSTPONED = "postponed"
    TRIED = "tried"
    JOINED = "joined"
    PARTED = "parted"
    CLOSED = "closed"


@dataclass(frozen=True, kw_only=True, slots=True)
class NewReason:
    """Why somebody must be called."""

    kind: ReasonKind
    #: Unique: the same event never makes a second reason.
    occasion: str
    customer_id: str
    vehicle_id: str | None = None
    #: When the call is to be made at the latest.
    due_at: datetime
    #: From when on it is of no use.
    expires_at: datetime | None = None
    #: Plain data pages turn into words.
    why: Mapping[str, Any] = field(default_factory=dict)
    priority: int | None = None
    questionnaire: str | None = None
    script: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Reason:
    id: str
    contact_id: str
    customer_id: str
    vehicle_id: str | None
    kind: ReasonKind
    occasion: str
    state: ReasonState
    due_at: datetime
    expires_at: datetime | None
    priority: int
    why: Mapping[str, Any]
    questionnaire: str | None
    script: str | None
    created_at: datetime
    closed_at: datetime | None
    #: A code: fulfilled, sold, scrapped, moved, erased, expired, closed, … with its data.
    closed_why: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class Contact:
    id: str
    customer_id: str
    task_id: str
    state: ContactState
    owner_id: str | None
    department: str | None
    due_at: datetime
    #: 0 most urgent … 9.
    priority: int
    tries: int
    last_try_at: datetime | None
    #: Not before this moment.
    next_try_at: datetime | None
    #: Number of the complaint that holds it back.
    held_by: str | None
    result: Result | None
    note: str
    version: int
    created_at: datetime
    closed_at: datetime | None
    closed_by_name: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Try:
    """One attempt to reach the customer."""

    id: str
    contact_id: str
    at: datetime
    by_id: str | None
    by_name: str
    call_id: str | None
    result: Result
    note: str


@dataclass(frozen=True, kw_only=True, slots=True)
class ContactEvent:
    id: str
    contact_id: str
    at: datetime
    step: Step
    by_id: str | None
    by_name: str
    data: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class Bundle:
    """What the open reasons of one contact make of it."""

    due_at: datetime
    priority: int


def bundle(
    reasons: Sequence[Reason | NewReason], default_priority: Mapping[ReasonKind, int]
) -> Bundle | None:
    """The earliest deadline and the most urgent priority of what is open; None where nothing is left."""
    if not reasons:
        return None
    return Bundle(
        due_at=min(one.due_at for one in reasons),
        priority=min(
            one.priority if one.priority is not None else default_priority.get(one.kind, 5) for one in reasons
        ),
    )
