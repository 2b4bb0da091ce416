"""Do-not-call lists: numbers nobody contacts, everywhere or where a campaign names the list. A flag says which.

DoNotCallError
├── BadListing     no name, no reason, or no whole number
├── ListNotFound   there is no such list, or it is retired
└── ListTaken      another list has this name
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from access.sentences import Sentence

_LONGEST_NAME: Final = 64
_LONGEST_REASON: Final = 200


class DoNotCallError(Exception):
    """Base of what can be refused about do-not-call lists; nothing was changed."""

    error_id = "do-not-call-error"

    def __init__(self, message: str | Sentence, *, field: str = "") -> None:
        super().__init__(message)
        self.field = field


class BadListing(DoNotCallError):
    """A value that cannot be."""

    error_id = "bad-do-not-call"


class ListNotFound(DoNotCallError):
    """There is no such list."""

    error_id = "do-not-call-list-not-found"


class ListTaken(DoNotCallError):
    """Another list has this name."""

    error_id = "do-not-call-list-taken"


@dataclass(frozen=True, kw_only=True, slots=True)
class DoNotCallList:
    """A list and how many numbers stand on it."""

    id: str
    name: str
    #: For every contact; else only for campaigns that name it.
    everywhere: bool
    note: str
    created_at: datetime
    by_name: str
    version: int
    retired_at: datetime | None = None
    numbers: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class DoNotCallEntry:
    """One number on a list."""

    id: str
    list_id: str
    number: str
    reason: str
    at: datetime
    by_name: str
    removed_at: datetime | None = None
    removed_by_name: str = ""


def clean_list_name(text: str) -> str:
    """The name on one line. Raises BadListing."""
    name = " ".join(text.split())
    if not name or len(name) > _LONGEST_NAME:
        raise BadListing("A list needs a name of 1 to 64 characters. Nothing was kept.", field="name")
    return name


def clean_entry_reason(text: str) -> str:
    """The reason on one line. Raises BadListing where there is none."""
    reason = " ".join(text.split())
    if not reason:
        raise BadListing(
            "An entry needs a reason, for whoever wonders in a year. Nothing was kept.", field="reason"
        )
    return reason[:_LONGEST_REASON]
