"""The desk with a real Asterisk: a call rings one agent, who signs out, and then another (R28, R26)."""

from __future__ import annotations

import re
import shutil
from contextlib import AsyncExitStack

import pytest
from fixtures_house import House, a_house, until
from playwright.async_api import Browser, Page, async_playwright, expect

from config.site import Person
from lab.agents import Habits
from lab.customers import Listen, Press, Stay

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]

#: However long the service takes to come back, the phone rings on.
RINGS_ON = {"telephony": {"queues": {"service": {"ring_seconds": 120}}}}

pytestmark = [
    pytest.mark.asterisk,
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: install chromium"),
]


async def desk_of(browser: Browser, house: House, person: Person) -> Page:
    page = await (await browser.new_context(viewport={"width": 1440, "height": 900})).new_page()
    await page.goto(f"{house.site.url}/login?next=/desk")
    await page.fill("#login", person.login)
    await page.fill("#password", person.password)
    await page.keyboard.press("Enter")
    await expect(page.locator("#link")).to_have_attribute("data-state", "on")
    return page


async def test_a_ring_is_one_agents_until_he_signs_out_and_then_the_next_ones(
    record_property: object,
) -> None:
    async with AsyncExitStack() as stack:
        house = await stack.enter_async_context(a_house(RINGS_ON))
        play = await stack.enter_async_context(async_playwright())
        browser = await play.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        stack.push_async_callback(browser.close)
        first, second = house.person("agent1"), house.person("agent2")
        pages = {one.login: await desk_of(browser, house, one) for one in (first, second)}
        for login in pages:  # nobody answers before the test has looked
            house.agents[login].habits = Habits(answers_after=(600.0, 600.0))
        await house.sign_in("agent1", {"service": 0})
        await house.sign_in("agent2", {"service": 1})
        placed = await house.call(
            caller="13918001001", steps=(Listen(seconds=2.5), Press(keys="0"), Stay(seconds=600.0))
        )
        mine, other = pages["agent1"], pages["agent2"]
        await expect(mine.locator(".cb")).to_have_attribute("data-phase", "ringing")
        await expect(mine.locator("#who-name")).not_to_be_empty()
        name = await mine.locator("#who-name").text_content()
        assert name, "somebody is named"
        await expect(mine.locator("[data-place=why]")).to_contain_text("人工坐席")
        await expect(other.locator(".cb")).to_have_attribute("data-phase", "idle")
        # The service dies and comes back while the phone rings: the page shows the ring again by itself.
        await house.site.kill("service")
        await expect(mine.locator("#link")).to_have_attribute("data-state", "off")
        await expect(mine.locator(".cb-away")).to_be_visible()
        await expect(mine.locator("#who-name")).to_have_text(name)
        await house.site.start_service()
        await expect(mine.locator("#link")).to_have_attribute("data-state", "on")
        await expect(mine.locator(".cb")).to_have_attribute("data-phase", "ringing")
        await expect(mine.locator("#who-name")).to_have_text(name)

        async def known() -> bool:
            return await house.agent_state("agent1") == "ringing"

        await until(known, saying="the service does not know again that it rings")
        # He signs out while it rings: his phone stops, and the ring is the other's alone.
        await mine.locator(".mine [data-act=sign-out]").click()
        await expect(mine.locator(".cb")).to_have_attribute("data-phase", "idle")
        await expect(other.locator(".cb")).to_have_attribute("data-phase", "ringing")
        await expect(other.locator("#who-name")).to_have_text(name)
        await expect(mine.locator("#who-name")).not_to_be_visible()
        row = await house.row_of(placed)
        refused = await mine.evaluate(
            """async (call) => { const house = JSON.parse(document.getElementById("house").textContent);
              const answer = await fetch(`/api/v1/calls/${call}/hang-up`, { method: "POST", body: "{}",
                headers: { "Content-Type": "application/json", "X-CSRF-Token": house.csrf } });
              return answer.status; }""",
            row["id"],
        )
        assert refused in (404, 409), "the call is not his any more"
        seen = await until(lambda: _viewed(house), saying="a pop is a view of a record")
        assert re.fullmatch(r"customer:\w+", seen[0]["subject"])


async def _viewed(house: House) -> list[dict[str, str]]:
    return [
        dict(row) for row in house.rows("SELECT subject FROM audit WHERE action = 'viewed' AND via = 'pop'")
    ]
