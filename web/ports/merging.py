"""What the pages and API of duplicates and merges need."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from access.audit import Entry
from access.users import Principal
from crm.records.merging import FieldPair, Merge


@dataclass(frozen=True, kw_only=True, slots=True)
class Person:
    """One record of a pair, as this viewer may see it."""

    customer_id: str
    number: str
    name: str
    version: int = 1
    created_at: datetime
    key_account: bool = False
    numbers: Sequence[str] = ()
    plates: Sequence[str] = ()
    calls: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class PairView:
    """Two records under suspicion, the older one first."""

    one: Person
    other: Person
    score: int
    reasons: Sequence[str]
    found_at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class PairPage:
    items: Sequence[PairView]
    #: How many wait for a decision in all, as far as they are counted.
    waiting: int = 0
    #: Whether more wait than were counted.
    waiting_more: bool = False
    next: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Comparison:
    """Both records side by side."""

    survivor: Person
    merged: Person
    fields: Sequence[FieldPair]
    score: int = 0
    reasons: Sequence[str] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class MergeView:
    """A merge with both records' numbers and the survivor's name."""

    merge: Merge
    survivor_number: str
    merged_number: str
    name: str


@dataclass(frozen=True, kw_only=True, slots=True)
class MergePage:
    items: Sequence[MergeView]
    next: str | None = None


class Merging(Protocol):
    """Who is on record twice, and what is done about it. `entry` is written in the same transaction."""

    async def pairs(
        self, viewer: Principal, *, cursor: str | None, limit: int, now: datetime | None = None
    ) -> PairPage:
        """The most alike first; without `now` no approval is good. Raises BadCursor."""

    async def pairs_of(self, viewer: Principal, customer_id: str, now: datetime | None = None) -> PairPage:
        """Raises CustomerNotFound."""

    async def different(self, viewer: Principal, one_id: str, other_id: str, entry: Entry) -> None:
        """Raises CustomerNotFound, PairDecided."""

    async def compare(self, viewer: Principal, survivor_id: str, merged_id: str) -> Comparison:
        """Raises CustomerNotFound, MergeRefused."""

    async def merge(
        self,
        viewer: Principal,
        survivor_id: str,
        merged_id: str,
        entry: Entry,
        *,
        choices: Mapping[str, str],
        versions: tuple[int, int] | None = None,
    ) -> MergeView:
        """Raises CustomerNotFound, MergeRefused, RecordChanged, BadRecord. Live calls follow."""

    async def merges(
        self, viewer: Principal, *, customer_id: str = "", cursor: str | None, limit: int
    ) -> MergePage: ...

    async def get(self, viewer: Principal, merge_id: str) -> MergeView:
        """Raises MergeNotFound."""

    async def undo(self, viewer: Principal, merge_id: str, entry: Entry) -> MergeView:
        """Raises MergeNotFound, UndoRefused."""
