"""Bulletins over the database (`web.ports.bulletins.Bulletins`); open pages hear of every change."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from sqlalchemy import Connection

from access.audit import Entry
from access.permissions import Permission
from access.users import Principal
from crm.bulletins import Board, Bulletin, BulletinPage, BulletinState, Reader
from storage import audit, bulletins
from storage.database import Database


class BulletinBook:
    """`web.ports.bulletins.Bulletins`."""

    def __init__(self, database: Database, *, changed: Callable[[], None] = lambda: None) -> None:
        self._database = database
        self._changed = changed

    async def shown(self, viewer: Principal, now: datetime) -> Sequence[Board]:
        return await self._database.read(lambda c: bulletins.shown(c, viewer.user_id, now))

    async def list(
        self,
        viewer: Principal,
        *,
        state: BulletinState | None,
        now: datetime,
        cursor: str | None,
        limit: int,
    ) -> BulletinPage:
        writes = viewer.may(Permission.BULLETINS_WRITE)
        page = await self._database.read(
            lambda c: bulletins.listed(
                c,
                viewer.user_id,
                state=state if writes else BulletinState.SHOWN,
                now=now,
                cursor=cursor,
                limit=limit,
            )
        )
        if writes:
            return page
        return replace(page, items=[replace(one, read=0, readers=0) for one in page.items])

    async def get(self, viewer: Principal, bulletin_id: str) -> tuple[Bulletin, Sequence[Reader]]:
        return await self._database.read(
            lambda c: (bulletins.get(c, bulletin_id), bulletins.readers(c, bulletin_id))
        )

    async def write(
        self,
        viewer: Principal,
        bulletin_id: str | None,
        *,
        based_on: int,
        words: Mapping[str, str],
        begins_at: datetime,
        ends_at: datetime,
        entry: Entry,
    ) -> Bulletin:
        def work(connection: Connection) -> Bulletin:
            if bulletin_id is None:
                made = bulletins.add(
                    connection,
                    words=words,
                    begins_at=begins_at,
                    ends_at=ends_at,
                    now=entry.at,
                    by=viewer.user_id,
                    by_name=viewer.name,
                )
            else:
                made = bulletins.change(
                    connection,
                    bulletin_id,
                    based_on=based_on,
                    words=words,
                    begins_at=begins_at,
                    ends_at=ends_at,
                    now=entry.at,
                    by_name=viewer.name,
                )
            audit.append(connection, replace(entry, subject=f"bulletin:{made.id}"))
            return made

        made = await self._database.write(work)
        self._changed()
        return made

    async def withdraw(self, viewer: Principal, bulletin_id: str, *, based_on: int, entry: Entry) -> Bulletin:
        def work(connection: Connection) -> Bulletin:
            made = bulletins.withdraw(
                connection, bulletin_id, based_on=based_on, now=entry.at, by_name=viewer.name
            )
            audit.append(connection, entry)
            return made

        made = await self._database.write(work)
        self._changed()
        return made

    async def mark_read(self, viewer: Principal, bulletin_id: str, version: int, now: datetime) -> None:
        user_id = viewer.user_id
        if user_id is None:
            return  # a program of the house reads nothing for anybody
        await self._database.write(lambda c: bulletins.mark_read(c, bulletin_id, user_id, version, now))
