"""One timeline per customer: everything that happened between the customer and the house, newest first.

Each kind of thing has a reader of its own over its own index (`storage.timeline`); a page is their merge. Later
rooms (messages) join by one more kind and one more reader.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final

from telephony.call_lists import BadCursor

LARGEST_PAGE: Final = 100


class Kind(StrEnum):
    """What happened; the filters of the page."""

    CALL = "call"
    VOICEMAIL = "voicemail"
    CASE = "case"
    CONTACT = "contact"  # what the house meant to call about, and what came of it
    SURVEY = "survey"
    APPOINTMENT = "appointment"  # stands at the time it is for
    TASK = "task"
    VISIT = "visit"  # to the workshop
    PURCHASE = "purchase"
    CHANGE = "change"


class Only(StrEnum):
    """Filters that are not a kind of their own."""

    RECORDED = "recorded"  # calls with a recording


@dataclass(frozen=True, kw_only=True, slots=True)
class FieldChange:
    """One field of a change, as this viewer may read it."""

    field: str
    old: str
    new: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Item:
    """One thing on the timeline, as this viewer may see it."""

    kind: Kind
    id: str
    at: datetime
    #: The day counts, not the moment (visits, purchases).
    whole_day: bool = False
    #: A word pages translate: direction of a call, kind of a task, visit or case, payment, work of an appointment.
    what: str = ""
    #: A second one: outcome of a call, result of a contact, state of everything else.
    state: str = ""
    text: str = ""
    #: Who of the house.
    by: str = ""
    seconds: float | None = None
    mileage: int | None = None
    amount_cents: int | None = None
    recorded: bool = False
    vehicle_id: str | None = None
    #: The call itself, where the viewer may open it.
    call_id: str | None = None
    changes: tuple[FieldChange, ...] = ()
    more: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class TimelinePage:
    """A part of the timeline and the place to go on from; `next` None: this was the last part."""

    items: Sequence[Item]
    next: str | None = None


Place = tuple[datetime, str]


def make_cursor(item: Item) -> str:
    """The place behind this item."""
    return f"{item.at.isoformat()}~{item.id}"


def read_cursor(cursor: str) -> Place:
    """The place a cursor names. Raises BadCursor."""
    moment, _, id = cursor.partition("~")
    try:
        at = datetime.fromisoformat(moment)
    except ValueError:
        at = None
    if at is None or at.tzinfo is None or not 1 <= len(id) <= 40 or not id.isalnum() or not id.isascii():
        raise BadCursor("This place in the timeline cannot be read. Start from its beginning.")
    return at, id


def page_of(found: Iterable[Item], limit: int) -> TimelinePage:
    """The newest `limit` of what the readers found; each was asked for one more."""
    ordered = sorted(found, key=lambda item: (item.at, item.id), reverse=True)
    kept = ordered[:limit]
    return TimelinePage(items=kept, next=make_cursor(kept[-1]) if len(ordered) > limit and kept else None)
