"""What the web side needs for webhooks out."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from access.audit import Entry
from access.users import Principal
from crm.hooks.events import Event
from crm.hooks.options import HookOptions
from crm.hooks.subscriptions import Delivery, DeliveryDetail, DeliveryPage, Hook, Language


class Hooks(Protocol):
    """Subscriptions of other systems, and the log of what they were told."""

    @property
    def options(self) -> HookOptions:
        """What the settings allow."""

    async def list(self) -> Sequence[Hook]: ...

    async def get(self, hook_id: str) -> Hook:
        """Raises HookNotFound."""

    async def create(self, hook: Hook, secret: str, entry: Entry) -> Hook:
        """Raises TooManyHooks. The address was checked before."""

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
        """Whoever changes it answers for it: it sends what that one may see. Raises HookNotFound."""

    async def new_secret(self, hook_id: str, secret: str, by: Principal, entry: Entry) -> Hook:
        """The old one signs beside it for a day. Raises HookNotFound."""

    async def delete(self, hook_id: str, entry: Entry) -> Hook:
        """With its log. Raises HookNotFound."""

    async def test(self, hook_id: str, by: Principal, entry: Entry) -> str:
        """A test event is on its way; gives the delivery's id. Raises HookNotFound, HookOff."""

    async def deliveries(
        self, hook_id: str, *, state: str | None, cursor: str | None, limit: int
    ) -> DeliveryPage:
        """Newest first. Raises HookNotFound, BadCursor."""

    async def delivery(self, delivery_id: str, viewer: Principal, now: datetime) -> DeliveryDetail:
        """With its tries, its data as owner and viewer may both see it. Raises DeliveryNotFound."""

    async def replay(self, delivery_id: str, entry: Entry) -> Delivery:
        """Once more under the same event id. Raises DeliveryNotFound, HookOff."""
