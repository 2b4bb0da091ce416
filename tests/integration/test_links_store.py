"""Private links on both databases: what opens, what no longer does, and PINs that cannot be tried out."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from crm.links.links import LinkExpired, LinkKind, LinkNotFound, LinkRevoked, LinkUsed, PinWrong
from storage import links
from storage.database import Database

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)


async def _made(database: Database, *, with_pin: bool = False) -> tuple[str, str, str]:
    link, secret, pin = await database.write(
        lambda c: links.make_link(
            c,
            LinkKind.CASE,
            "case1",
            audience="service",
            now=NOW,
            expires_at=NOW + timedelta(days=3),
            with_pin=with_pin,
        )
    )
    return link.id, secret, pin


async def test_a_secret_opens_its_kind_until_it_expires(database: Database) -> None:
    link_id, secret, _ = await _made(database)
    opened = await database.write(lambda c: links.open_link(c, LinkKind.CASE, secret, NOW))
    assert (opened.id, opened.subject, opened.has_pin) == (link_id, "case1", False)
    with pytest.raises(LinkNotFound):
        await database.write(lambda c: links.open_link(c, LinkKind.SURVEY, secret, NOW))
    with pytest.raises(LinkNotFound):
        await database.write(lambda c: links.open_link(c, LinkKind.CASE, secret + "x", NOW))
    with pytest.raises(LinkExpired):
        await database.write(lambda c: links.open_link(c, LinkKind.CASE, secret, NOW + timedelta(days=3)))
    (kept,) = await database.read(lambda c: links.links_of(c, LinkKind.CASE, "case1"))
    assert kept.opened_at == NOW


async def test_what_is_used_or_taken_back_opens_nothing(database: Database) -> None:
    link_id, secret, _ = await _made(database)
    _, other, _ = await _made(database)
    assert await database.write(lambda c: links.use_link(c, link_id, NOW))
    assert not await database.write(lambda c: links.use_link(c, link_id, NOW))
    with pytest.raises(LinkUsed):
        await database.write(lambda c: links.open_link(c, LinkKind.CASE, secret, NOW))
    assert await database.write(lambda c: links.revoke_links(c, LinkKind.CASE, "case1", NOW)) == 1
    with pytest.raises(LinkRevoked):
        await database.write(lambda c: links.open_link(c, LinkKind.CASE, other, NOW))


async def test_five_wrong_pins_lock_a_link_however_many_come_at_once(database: Database) -> None:
    _, secret, pin = await _made(database, with_pin=True)
    link = await database.write(lambda c: links.open_link(c, LinkKind.CASE, secret, NOW))
    wrong = "000000" if pin != "000000" else "111111"
    first = await database.write(lambda c: links.check_pin(c, link, wrong))
    assert isinstance(first, PinWrong)
    assert first.left == 4
    assert await database.write(lambda c: links.check_pin(c, link, pin)) is None
    told = await asyncio.gather(
        *(database.write(lambda c: links.check_pin(c, link, wrong)) for _ in range(12))
    )
    assert sum(isinstance(one, PinWrong) for one in told) == 4
    assert sum(isinstance(one, LinkRevoked) for one in told) == 8
    assert isinstance(await database.write(lambda c: links.check_pin(c, link, pin)), LinkRevoked)
    with pytest.raises(LinkRevoked):
        await database.write(lambda c: links.open_link(c, LinkKind.CASE, secret, NOW))
