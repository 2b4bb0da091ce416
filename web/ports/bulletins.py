"""What the web needs of bulletins: what managers tell those who take calls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from access.audit import Entry
from access.users import Principal
from crm.bulletins import Board, Bulletin, BulletinPage, BulletinState, Reader


class Bulletins(Protocol):
    """Who may not write them sees what is shown now, and marks it read."""

    async def shown(self, viewer: Principal, now: datetime) -> Sequence[Board]:
        """What is shown now, unread ones first."""

    async def list(
        self,
        viewer: Principal,
        *,
        state: BulletinState | None,
        now: datetime,
        cursor: str | None,
        limit: int,
    ) -> BulletinPage:
        """All of them for who writes, else what is shown now. Raises BadCursor."""

    async def get(self, viewer: Principal, bulletin_id: str) -> tuple[Bulletin, Sequence[Reader]]:
        """One, and whom it is for. Raises BulletinNotFound."""

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
        """A new one (id None) or a change. Raises BadBulletin, BulletinNotFound, BulletinChanged."""

    async def withdraw(self, viewer: Principal, bulletin_id: str, *, based_on: int, entry: Entry) -> Bulletin:
        """Raises BulletinNotFound, BulletinChanged."""

    async def mark_read(self, viewer: Principal, bulletin_id: str, version: int, now: datetime) -> None:
        """Raises BulletinNotFound, also where it is not shown now, and BulletinChanged where it has other words."""
