"""Groups as values: what a group is, who put whom in, and a list frozen for a campaign or a send."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from access.sentences import Sentence
from crm.groups.query import GroupRefused, Query

LONGEST_NAME: Final = 64
LONGEST_NOTE: Final = 500
#: Most people put in or taken out by one order.
MOST_AT_ONCE: Final = 10_000


class GroupKind(StrEnum):
    """How people come into a group."""

    STATIC = "static"  # they are put in
    DYNAMIC = "dynamic"  # the query says so, at the moment it is asked


@dataclass(frozen=True, kw_only=True, slots=True)
class Group:
    """One group of customers."""

    id: str
    name: str
    kind: GroupKind
    note: str = ""
    #: Of a dynamic group.
    query: Query | None = None
    #: Raised by every change of the query.
    query_version: int = 1
    #: Raised by every change.
    version: int = 1
    created_by: str | None = None
    created_at: datetime
    updated_at: datetime
    archived_at: datetime | None = None
    #: The last full count, and of when it is.
    counted: int | None = None
    counted_at: datetime | None = None
    #: The import whose people it was made of; and while they are still being put in, how far its file is read.
    made_of_import: str | None = None
    filling_place: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Freeze:
    """Who was in a group at a moment. It never changes; people merged since are reached at their record of now."""

    id: str
    group_id: str
    at: datetime
    by: str
    #: What it was made for.
    purpose: str
    query: Query | None
    query_version: int
    sentence: str
    count: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Member:
    """One person of a group, as a list shows him; masked for whom it must be by the data layer."""

    customer_id: str
    number: str
    name: str
    customer_class: str | None = None
    key_account: bool = False
    plates: tuple[str, ...] = ()
    #: How he came in; empty for a query.
    source: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Look:
    """What an editor shows of a query: how many, who first, and how long it took."""

    #: None: counting took longer than allowed.
    count: int | None
    members: Sequence[Member]
    seconds: float


def clean_group_name(name: str) -> str:
    """The name in one line. Raises GroupRefused where nothing or too much is left."""
    cleaned = " ".join("".join(c if unicodedata.category(c)[0] != "C" else " " for c in name).split())
    if not 1 <= len(cleaned) <= LONGEST_NAME:
        raise GroupRefused(
            Sentence("A group's name has 1 to {most} characters. Nothing was changed.", most=LONGEST_NAME)
        )
    return cleaned


def group_name_key(name: str) -> str:
    """What two groups' names are compared by."""
    return "".join(unicodedata.normalize("NFKC", name).casefold().split())[:LONGEST_NAME]
