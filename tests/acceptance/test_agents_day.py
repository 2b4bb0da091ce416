"""An agent's day as a new agent lives it: sign in, know who calls, talk, hand over, file, find it again.

Pictures of each step go to the folder CARELINE_PICTURES names, where it is set (docs/ shows them).
"""

from __future__ import annotations

import os
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from fixtures_house import House, a_house, until
from fixtures_seats import CHROMIUM, Seat, Seats, a_browser
from playwright.async_api import expect

from lab.customers import Listen, Press, Stay, Step

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: install chromium"),
    pytest.mark.asterisk,
    pytest.mark.slow,
    pytest.mark.asyncio(loop_scope="module"),
]

QUEUE = {"ring_seconds": 30, "missed_before_pause": 0, "wrapup_seconds": 60, "rating": False}
SETTINGS = {"telephony": {"queues": dict.fromkeys(("service", "sales", "complaints", "roadside"), QUEUE)}}
TO_SALES: tuple[Step, ...] = (Listen(seconds=2.5), Press(keys="2"), Stay(seconds=600, speaks=True))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house() -> AsyncIterator[House]:
    async with a_house(SETTINGS, agents=(), https="desk.careline.test") as built:
        yield built


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def seats(house: House) -> AsyncIterator[Seats]:
    async with a_browser(house) as browser:
        yield browser


async def picture(seat: Seat, name: str) -> None:
    """What the page looks like now."""
    if folder := os.environ.get("CARELINE_PICTURES"):
        await seat.page.screenshot(path=Path(folder) / f"{name}.png")


def a_customer(house: House) -> tuple[str, str]:
    """Somebody of the sample dealership whom one number leads to alone: number as dialed, and name."""
    [row] = house.rows(
        "SELECT contacts.number, customers.name FROM contacts JOIN customers ON customers.id = contacts.customer_id "
        "WHERE contacts.ended_at IS NULL AND customers.own_agent_id IS NULL AND contacts.number LIKE '+861%' "
        "AND (SELECT count(*) FROM contacts AS other WHERE other.number = contacts.number) = 1 "
        "ORDER BY contacts.number LIMIT 1"
    )
    return str(row["number"]).removeprefix("+86"), str(row["name"])


async def test_an_agents_day(house: House, seats: Seats) -> None:
    """From signing in to playing the recording of a call that two people had.

    By a name, over https and wss: without them the browser would give no microphone.
    """
    number, name = a_customer(house)
    li = await seats.take("agent1")
    wang = await seats.take("agent2")
    for seat in (li, wang):
        assert seat.page.url.startswith("https://desk.careline.test:")
        await seat.line("ready")
        assert all(address.startswith("wss://desk.careline.test:") for address in seat.sockets)
        assert seat.sockets
        await seat.page.get_by_role("button", name="签入").first.click()
        await seat.state("ready")
    await house.site.post(f"/agents/{wang.person.id}/pause", {"reason": "meeting"})
    await picture(li, "1-idle")

    # The right record is there before the first word.
    placed = await house.call(caller=number, steps=TO_SALES)
    await li.line("ringing")
    await expect(li.page.locator("#callbar")).to_contain_text(name[0])
    await expect(li.page.locator("#main")).to_contain_text(name[0])
    await picture(li, "2-ringing")
    await li.press("answer")
    await li.line("talking")
    row = await house.state_of(placed, "talking")
    assert row["customer_id"]
    await li.hears()
    await picture(li, "3-talking")

    # To a colleague's page.
    await house.site.post(f"/agents/{wang.person.id}/ready")
    await li.hand_to(wang.person.name, "transfer")
    await wang.line("ringing")
    await expect(wang.page.locator("#callbar")).to_contain_text(name[0])
    await wang.press("answer")
    await wang.line("talking")
    await wang.hears()
    await li.line("ready")
    await picture(wang, "4-handed-over")

    async def handed_over() -> bool:
        return bool((await house.row_of(placed))["agent_id"] == wang.person.id)

    await until(handed_over, saying="the customer was never hers")
    await wang.press("hang_up")
    await placed.ended()
    await wang.line("ready")
    await li.state("wrap_up", "ready")
    ended = await house.state_of(placed, "ended")
    assert (ended["id"], ended["agent_id"]) == (row["id"], wang.person.id)
    assert "blind" in ended["transfers"]

    # Filed while it is fresh, by keyboard.
    page = wang.page
    await page.select_option("[name=reason]", index=1)
    await page.fill("[name=customer_words]", "想看看新款，年底前要换车")
    await page.get_by_label("购车时间").select_option(label="三个月内")
    await page.fill("[name=summary]", "客户咨询新款车型报价，已发资料")
    await page.select_option("[name=disposition]", "answered")
    await picture(wang, "5-filing")
    await page.keyboard.press("Control+Enter")
    await expect(page.locator("#notices")).to_contain_text("已登记")
    await wang.state("ready")

    def measured() -> bool:
        return bool(house.rows("SELECT id FROM recordings WHERE call_id = ? AND state = 'kept'", ended["id"]))

    await until(measured, saying="the recording was never measured")
    # It stands on the customer's record, and the record leads to the sound.
    await page.get_by_role("link", name="客户", exact=True).click()
    await page.fill("[name=q]", number[-4:])
    await page.get_by_role("link", name=name).first.click()
    told = page.locator(".story li", has_text="客户咨询新款车型报价").first
    await expect(told).to_contain_text("已接听")
    await picture(wang, "6-timeline")
    await told.get_by_role("link", name="听录音").click()
    await page.locator("[data-play]").first.click()
    # Both agents heard their 40 packets: a second and a half at least.
    await expect(page.locator("[data-clock]")).to_have_text(re.compile(r"^0:(0[1-9]|[1-5]\d) /"))
    await picture(wang, "7-recording")
    heard = house.rows("SELECT actor_id FROM audit WHERE action = 'recording_played'")
    assert [row["actor_id"] for row in heard] == [wang.person.id]
    # One page all the while: the telephone never went away.
    assert await wang.line_now() == "ready"
