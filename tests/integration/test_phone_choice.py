"""Whose choice it was which telephone rings, and words that fit who chose."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, cast

import pytest
from fixtures_storage import FrozenClock

from access.audit import Action, Entry
from config.books.phone import PhoneBook
from storage import audit
from storage.database import Database
from telephony.desk import NoSuchPhone
from telephony.phones import PhoneKind
from web.ports.phone import OwnPhone


class OnePhone(PhoneBook):
    """Everybody has a telephone in the page and none on the desk."""

    async def own(self, user_id: str) -> Sequence[OwnPhone]:
        return [OwnPhone(endpoint="p1", kind=PhoneKind.BROWSER, chosen=True)]


async def test_who_switches_a_telephone_is_named_and_spoken_to(
    database: Database, clock: FrozenClock
) -> None:
    chosen: list[tuple[str, str, str]] = []

    async def use_phone(agent_id: str, phone: str, *, actor: str) -> None:
        chosen.append((agent_id, phone, actor))

    nothing = cast("Any", None)
    book = OnePhone(
        database,
        offer=nothing,
        agents=cast("Any", SimpleNamespace(use_phone=use_phone)),
        returning=nothing,
        clock=clock,
        changed=lambda: None,
    )

    def entry(number: int, actor: str) -> Entry:
        return Entry(
            id=f"E{number}",
            at=clock.now(),
            action=Action.AGENT_CHANGED,
            actor_name=actor,
            actor_id=actor,
            subject="user:agent",
        )

    await book.use("agent", PhoneKind.BROWSER, entry(1, "agent"))
    await book.use("agent", PhoneKind.BROWSER, entry(2, "admin"))
    assert chosen == [("agent", "p1", "agent"), ("agent", "p1", "admin")]
    with pytest.raises(NoSuchPhone, match="You have no"):
        await book.use("agent", PhoneKind.DESK, entry(3, "agent"))
    with pytest.raises(NoSuchPhone, match="This person has no"):
        await book.use("agent", PhoneKind.DESK, entry(4, "admin"))
    kept = await database.read(lambda c: audit.list_entries(c, action=Action.AGENT_CHANGED))
    assert {one.actor_name for one in kept} == {"agent", "admin"}
    assert len(kept) == 2
