"""What the pages and API of groups need."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from access.audit import Entry
from access.users import Principal
from crm.groups.fields import Catalogue
from crm.groups.groups import Freeze, Group, GroupKind, Member


@dataclass(frozen=True, kw_only=True, slots=True)
class GroupView:
    """A group with its query in words."""

    group: Group
    sentence: str = ""
    created_by_name: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class GroupPage:
    items: Sequence[GroupView]
    next: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class MemberPage:
    items: Sequence[Member]
    next: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class LookView:
    """What an editor shows of a query."""

    sentence: str
    #: None: counting took longer than allowed; ask again with patience.
    count: int | None
    members: Sequence[Member]
    seconds: float


class Groups(Protocol):
    """Groups of customers. `entry` is written in the same transaction."""

    async def catalogue(self, viewer: Principal) -> Catalogue:
        """What may be asked in this house by this viewer."""

    async def choices(self, viewer: Principal) -> Mapping[str, Mapping[str, str]]:
        """Names behind ids: "user" and "group", each id to name, for the editor's lists."""

    async def list(
        self, viewer: Principal, language: str, *, archived: bool, cursor: str | None, limit: int
    ) -> GroupPage:
        """By name."""

    async def get(self, viewer: Principal, group_id: str, language: str) -> GroupView:
        """Raises GroupNotFound."""

    async def add(
        self,
        viewer: Principal,
        entry: Entry,
        language: str,
        *,
        name: str,
        kind: GroupKind,
        note: str,
        query: Mapping[str, Any] | None,
    ) -> GroupView:
        """Raises GroupRefused, GroupTaken, BadQuery."""

    async def change(
        self,
        viewer: Principal,
        group_id: str,
        entry: Entry,
        language: str,
        *,
        version: int | None,
        name: str | None = None,
        note: str | None = None,
        query: Mapping[str, Any] | None = None,
    ) -> GroupView:
        """Raises GroupNotFound, GroupRefused, GroupTaken, GroupChanged, BadQuery."""

    async def archive(self, viewer: Principal, group_id: str, entry: Entry, language: str) -> GroupView:
        """Raises GroupNotFound."""

    async def look(
        self,
        viewer: Principal,
        query: Mapping[str, Any],
        language: str,
        now: datetime,
        *,
        limit: int,
        patient: bool = False,
    ) -> LookView:
        """How many a query fits and who comes first, within two seconds, or a minute for the patient.

        Raises BadQuery.
        """

    async def count(self, viewer: Principal, group_id: str, now: datetime) -> int:
        """A full count. Raises GroupNotFound, TooSlow."""

    async def members(
        self, viewer: Principal, group_id: str, now: datetime, *, cursor: str | None, limit: int
    ) -> MemberPage:
        """Raises GroupNotFound, TooSlow."""

    async def put_in(
        self,
        viewer: Principal,
        group_id: str,
        entry: Entry,
        *,
        ids: Sequence[str] = (),
        query: Mapping[str, Any] | None = None,
        from_group: str | None = None,
    ) -> int:
        """People by id, all a query fits, or all of another group; gives how many were not in it.

        Raises GroupNotFound, GroupRefused, BadQuery.
        """

    async def take_out(self, viewer: Principal, group_id: str, entry: Entry, ids: Sequence[str]) -> int:
        """Raises GroupNotFound, GroupRefused."""

    async def freeze(
        self, viewer: Principal, group_id: str, entry: Entry, language: str, purpose: str
    ) -> Freeze:
        """Raises GroupNotFound, GroupRefused."""

    async def freezes(self, viewer: Principal, group_id: str) -> Sequence[Freeze]:
        """Raises GroupNotFound."""

    async def frozen(
        self,
        viewer: Principal,
        freeze_id: str,
        *,
        cursor: str | None,
        limit: int,
        now: datetime | None = None,
    ) -> MemberPage:
        """Raises GroupNotFound."""
