"""`web.ports.groups.Groups` over the database."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from access.audit import Entry
from access.permissions import TAKES_CALLS
from access.users import Principal
from crm.groups.fields import Catalogue
from crm.groups.groups import Freeze, Group, GroupKind, group_name_key
from storage import audit, groups, users
from storage.database import Database
from web.ports.groups import GroupPage, GroupView, LookView, MemberPage

#: Looks at once: a crowd of typing editors must not take every reading connection.
_LOOKS = 2


class GroupBook:
    """Groups of customers."""

    def __init__(self, database: Database, zone: str) -> None:
        self._database = database
        self._zone = ZoneInfo(zone)
        self._looks = asyncio.Semaphore(_LOOKS)

    async def catalogue(self, viewer: Principal) -> Catalogue:
        return await self._database.read(lambda c: groups.catalogue_for(c, viewer))

    async def choices(self, viewer: Principal) -> Mapping[str, Mapping[str, str]]:
        def work(connection: Connection) -> Mapping[str, Mapping[str, str]]:
            people = users.list_users(connection)
            return {
                "user": {one.id: one.name for one in people if one.is_enabled and one.role in TAKES_CALLS},
                "group": groups.static_names(connection),
            }

        return await self._database.read(work)

    async def list(
        self, viewer: Principal, language: str, *, archived: bool, cursor: str | None, limit: int
    ) -> GroupPage:
        def work(connection: Connection) -> GroupPage:
            found = groups.list_groups(connection, archived=archived, after=cursor or "", limit=limit + 1)
            kept = found[:limit]
            names = users.user_names(connection)
            following = None
            if len(found) > limit:
                following = kept[-1].id if archived else group_name_key(kept[-1].name)
            return GroupPage(
                items=[_view(connection, viewer, one, language, names) for one in kept], next=following
            )

        return await self._database.read(work)

    async def get(self, viewer: Principal, group_id: str, language: str) -> GroupView:
        return await self._database.read(
            lambda c: _view(c, viewer, groups.get_group(c, group_id), language, users.user_names(c))
        )

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
        def work(connection: Connection) -> GroupView:
            made = groups.add_group(
                connection, name=name, kind=kind, now=entry.at, by=viewer, note=note, query=query
            )
            audit.append(connection, _about(entry, made))
            return _view(connection, viewer, made, language, users.user_names(connection))

        return await self._database.write(work)

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
        def work(connection: Connection) -> GroupView:
            made = groups.change_group(
                connection,
                group_id,
                now=entry.at,
                by=viewer,
                version=version,
                name=name,
                note=note,
                query=query,
            )
            audit.append(connection, _about(entry, made))
            return _view(connection, viewer, made, language, users.user_names(connection))

        return await self._database.write(work)

    async def archive(self, viewer: Principal, group_id: str, entry: Entry, language: str) -> GroupView:
        def work(connection: Connection) -> GroupView:
            made = groups.archive_group(connection, group_id, entry.at)
            audit.append(connection, _about(entry, made))
            return _view(connection, viewer, made, language, users.user_names(connection))

        return await self._database.write(work)

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
        seconds = groups.LONG_PATIENCE_SECONDS if patient else groups.PATIENCE_SECONDS

        def work(connection: Connection) -> LookView:
            tree = groups.checked_query(connection, query, viewer)
            ids = groups.asked(connection, tree, now, self._zone)
            found = groups.look(connection, viewer, ids, limit=limit, seconds=seconds, now=now)
            return LookView(
                sentence=groups.said(connection, tree, language),
                count=found.count,
                members=found.members,
                seconds=found.seconds,
            )

        async with self._looks:
            return await self._database.read(work)

    async def count(self, viewer: Principal, group_id: str, now: datetime) -> int:
        def work(connection: Connection) -> tuple[Group, int]:
            group = groups.get_group(connection, group_id)
            return group, groups.count_group(connection, group, now, self._zone)

        async with self._looks:
            group, counted = await self._database.read(work)
        await self._database.write(lambda c: groups.keep_count(c, group, counted, now))
        return counted

    async def members(
        self, viewer: Principal, group_id: str, now: datetime, *, cursor: str | None, limit: int
    ) -> MemberPage:
        def work(connection: Connection) -> MemberPage:
            group = groups.get_group(connection, group_id)
            found = groups.members_of(
                connection, viewer, group, now, self._zone, after=cursor or "", limit=limit + 1
            )
            more = len(found) > limit
            return MemberPage(items=found[:limit], next=found[limit - 1].customer_id if more else None)

        async with self._looks:
            return await self._database.read(work)

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
        def look(connection: Connection) -> list[tuple[str, list[str]]]:
            found = [("hand", list(ids))] if ids else []
            if query is not None:
                tree = groups.checked_query(connection, query, viewer)
                asked = groups.asked(connection, tree, entry.at, self._zone)
                found.append(("query", groups.found_ids(connection, asked)))
            if from_group is not None:
                other = groups.get_group(connection, from_group)
                people = groups.people_of(connection, other, entry.at, self._zone)
                found.append((f"group:{from_group}", groups.found_ids(connection, people)))
            return found

        def work(connection: Connection, share: Sequence[str], source: str, told: bool) -> int:
            added = groups.put_in(connection, group_id, share, by=viewer.name, now=entry.at, source=source)
            if not told:
                audit.append(connection, entry)
            return added

        async with self._looks:
            found = await self._database.read(look)
        added, told = 0, False
        for source, people in found or [("hand", [])]:
            for share in groups.in_shares(people):
                added += await self._database.write(partial(work, share=share, source=source, told=told))
                told = True
        return added

    async def take_out(self, viewer: Principal, group_id: str, entry: Entry, ids: Sequence[str]) -> int:
        def work(connection: Connection) -> int:
            gone = groups.take_out(connection, group_id, ids, entry.at)
            audit.append(connection, entry)
            return gone

        return await self._database.write(work)

    async def freeze(
        self, viewer: Principal, group_id: str, entry: Entry, language: str, purpose: str
    ) -> Freeze:
        def look(connection: Connection) -> tuple[Group, list[str]]:
            group = groups.get_group(connection, group_id)
            return group, groups.found_ids(
                connection, groups.people_of(connection, group, entry.at, self._zone)
            )

        async with self._looks:
            group, people = await self._database.read(look)
        freeze_id = await self._database.write(
            partial(
                groups.begin_freeze,
                group=group,
                purpose=purpose,
                by=viewer.name,
                now=entry.at,
                language=language,
            )
        )
        for share in groups.in_shares(people):
            await self._database.write(partial(groups.add_frozen, freeze_id=freeze_id, ids=share))

        def complete(connection: Connection) -> Freeze:
            made = groups.complete_freeze(connection, group, freeze_id, entry.at)
            audit.append(connection, entry)
            return made

        return await self._database.write(complete)

    async def freezes(self, viewer: Principal, group_id: str) -> Sequence[Freeze]:
        def work(connection: Connection) -> Sequence[Freeze]:
            groups.get_group(connection, group_id)
            return [
                one
                if one.query is None or groups.may_read(connection, one.query, viewer)
                else replace(one, query=None, sentence="")
                for one in groups.freezes_of(connection, group_id)
            ]

        return await self._database.read(work)

    async def frozen(
        self,
        viewer: Principal,
        freeze_id: str,
        *,
        cursor: str | None,
        limit: int,
        now: datetime | None = None,
    ) -> MemberPage:
        def work(connection: Connection) -> MemberPage:
            groups.get_freeze(connection, freeze_id)
            ids = groups.frozen_people(connection, freeze_id, after=cursor or "", limit=limit + 1)
            following = ids[limit - 1] if len(ids) > limit else None
            shown = groups.shown_members(connection, viewer, ids[:limit], now=now)
            return MemberPage(items=shown, next=following)

        return await self._database.read(work)


def _about(entry: Entry, group: Group) -> Entry:
    """The entry with the group's id, where the group was made by what it tells of."""
    return entry if entry.subject else replace(entry, subject=f"group:{group.id}")


def _view(
    connection: Connection, viewer: Principal, group: Group, language: str, names: Mapping[str, str]
) -> GroupView:
    """The group as this viewer may see it: a query about fields hidden from his role stays unsaid."""
    query = group.query
    if query is not None and not groups.may_read(connection, query, viewer):
        query = None
    return GroupView(
        group=replace(group, query=query),
        sentence="" if query is None else groups.said(connection, query, language),
        created_by_name=names.get(group.created_by or "", ""),
    )
