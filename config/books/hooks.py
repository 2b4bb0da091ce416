"""Webhooks out over the database (`web.ports.hooks.Hooks`): one unit of work a method, with its audit entry."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection

from access.audit import Entry
from access.users import Principal
from crm.hooks.events import Event
from crm.hooks.options import HookOptions
from crm.hooks.subscriptions import Delivery, DeliveryDetail, DeliveryPage, Hook, Language
from storage import audit, hooks
from storage.database import Database


class HookBook:
    """`web.ports.hooks.Hooks`."""

    def __init__(self, database: Database, options: HookOptions) -> None:
        self._database = database
        self.options = options

    async def list(self) -> Sequence[Hook]:
        return await self._database.read(hooks.list_hooks)

    async def get(self, hook_id: str) -> Hook:
        return await self._database.read(lambda connection: hooks.get_hook(connection, hook_id))

    async def create(self, hook: Hook, secret: str, entry: Entry) -> Hook:
        def work(connection: Connection) -> Hook:
            made = hooks.add_hook(connection, hook, secret=secret, most=self.options.most)
            audit.append(connection, entry)
            return made

        return await self._database.write(work)

    async def change(
        self,
        hook_id: str,
        by: Principal,
        entry: Entry,
        *,
        name: str | None = None,
        url: str | None = None,
        events: Sequence[Event] | None = None,
        language: Language | None = None,
        active: bool | None = None,
    ) -> Hook:
        def work(connection: Connection) -> Hook:
            hook = hooks.change_hook(
                connection,
                hook_id,
                by,
                entry.at,
                name=name,
                url=url,
                events=events,
                language=language,
                active=active,
            )
            audit.append(connection, entry)
            return hook

        return await self._database.write(work)

    async def new_secret(self, hook_id: str, secret: str, by: Principal, entry: Entry) -> Hook:
        def work(connection: Connection) -> Hook:
            hook = hooks.new_secret(connection, hook_id, secret, by, entry.at)
            audit.append(connection, entry)
            return hook

        return await self._database.write(work)

    async def delete(self, hook_id: str, entry: Entry) -> Hook:
        def work(connection: Connection) -> Hook:
            hook = hooks.delete_hook(connection, hook_id)
            audit.append(connection, entry)
            return hook

        return await self._database.write(work)

    async def test(self, hook_id: str, by: Principal, entry: Entry) -> str:
        def work(connection: Connection) -> str:
            delivery_id = hooks.send_test(connection, hook_id, by, entry.at)
            audit.append(connection, entry)
            return delivery_id

        return await self._database.write(work)

    async def deliveries(
        self, hook_id: str, *, state: str | None, cursor: str | None, limit: int
    ) -> DeliveryPage:
        return await self._database.read(
            lambda connection: hooks.list_deliveries(
                connection, hook_id, state=state, cursor=cursor, limit=limit
            )
        )

    async def delivery(self, delivery_id: str, viewer: Principal, now: datetime) -> DeliveryDetail:
        return await self._database.read(
            lambda connection: hooks.get_delivery(connection, delivery_id, viewer, now)
        )

    async def replay(self, delivery_id: str, entry: Entry) -> Delivery:
        def work(connection: Connection) -> Delivery:
            delivery = hooks.replay(connection, delivery_id, entry.at)
            audit.append(connection, entry)
            return delivery

        return await self._database.write(work)
