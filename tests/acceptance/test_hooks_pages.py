"""Webhooks and tokens in a real Chromium: made, seen once, tested, sent again, switched off; in both languages."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from fixtures_hooks import Receiver
from fixtures_web import PASSWORD, Office, OfficeMaker
from playwright.async_api import Page, ViewportSize, async_playwright, expect

from access.permissions import Role
from config.hooks.sender import HookSender
from config.hooks.transport import HookTransport
from crm.hooks.options import HookOptions
from web.languages import text

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-sync",
    "--no-first-run",
]
#: Where pictures go, if anywhere: CARELINE_TEST_PICTURES=folder.
PICTURES = os.environ.get("CARELINE_TEST_PICTURES", "")

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: install chromium"),
    pytest.mark.slow,
]


@pytest.fixture
async def page() -> AsyncIterator[Page]:
    """A page of a fresh browser; what its console complains about fails the test."""
    complaints: list[str] = []
    async with async_playwright() as play:
        browser = await play.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        size: ViewportSize = {"width": 1440, "height": 900}
        context = await browser.new_context(viewport=size, locale="zh-CN")
        page = await context.new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on(
            "console", lambda message: complaints.append(message.text) if message.type == "error" else None
        )
        yield page
        await browser.close()
    # A form that was sent back is a 422, and this office has no telephones (404): the console reports both.
    assert [one for one in complaints if not re.search("422|404|net::ERR_IN", one)] == []


async def picture(page: Page, name: str) -> None:
    """The page in both sizes and both lights, where pictures are wanted."""
    if not PICTURES:
        return
    for width in (1440, 1024):
        await page.set_viewport_size({"width": width, "height": 900})
        for scheme in ("light", "dark"):
            await page.emulate_media(color_scheme=scheme)
            await page.screenshot(path=str(Path(PICTURES) / f"{name}_{scheme}_{width}.png"), full_page=True)


async def sign_in(page: Page, office: Office, login: str) -> None:
    await page.goto(f"{office.base}/login")
    await page.fill("#login", login)
    await page.fill("#password", PASSWORD)
    await page.click("button[type=submit]")
    await page.wait_for_url(lambda url: "/login" not in url)


async def test_a_manager_sets_up_a_webhook_and_sees_it_arrive(
    make_office: OfficeMaker, receiver: Receiver, page: Page
) -> None:
    options = HookOptions(allow_http=True, allow_inside=[receiver.place])
    office = await make_office(hooks=options)
    office.add_user("chen", Role.MANAGER, name="陈静<b>")
    sender = HookSender(
        office.database,
        options,
        HookTransport(options),
        office.clock,
        words=lambda language, event: text(language, f"hooks.event.{event}"),
    )
    await sign_in(page, office, "chen")
    await page.goto(f"{office.base}/settings/hooks")
    await page.fill("#f-name", "DMS <script>alert(1)</script>")
    await page.fill("#f-url", "https://169.254.169.254/")
    await page.click("form.stack .primary")
    await expect(page.locator("#e-url")).to_contain_text("内网")
    await picture(page, "hooks_refused")
    await page.fill("#f-url", receiver.url("/in"))
    await page.click("form.stack .primary")
    await page.wait_for_url("**/settings/hooks/0*")
    secret = await page.locator("section[role=status] code").inner_text()
    assert secret.startswith("whsec_")
    await picture(page, "hooks_secret")
    one = page.url
    await page.reload()
    await expect(page.locator("h1")).to_be_visible()
    await expect(page.locator("section[role=status]")).to_have_count(0)
    receiver.deeds.append(500)
    await page.click("button[value=test]")
    await page.wait_for_url("**/deliveries/*")
    assert await sender.step() == 1
    await sender.idle()
    await page.reload()
    await expect(page.locator("table tbody tr")).to_have_count(1)
    await expect(page.locator("table .badge").first).to_have_text("500")
    async with page.expect_response(lambda answer: answer.request.method == "POST"):
        await page.click(".head button")
    await sender.step()
    await sender.idle()
    await page.reload()
    await expect(page.locator(".head .badge")).to_have_text("已送达")
    await picture(page, "hooks_delivery")
    first, second = receiver.received
    assert first.event_id == second.event_id
    assert second.is_genuine(secret)
    await page.goto(one)
    await picture(page, "hooks_one")
    await page.click("button[value=off]")
    await expect(page.locator(".head .badge")).to_have_text("已停用")
    await page.goto(f"{office.base}/settings/hooks")
    await expect(page.locator("tbody a")).to_have_text("DMS <script>alert(1)</script>")
    await picture(page, "hooks_list")
    await sender.close()


async def test_an_administrator_makes_a_token_and_takes_it_back(make_office: OfficeMaker, page: Page) -> None:
    office = await make_office()
    office.add_user("root", Role.ADMIN, name="Admin", language="en")
    await sign_in(page, office, "root")
    await page.goto(f"{office.base}/settings/tokens")
    await page.fill("#f-name", "DMS")
    await page.select_option("#f-role", "supervisor")
    await page.click("form.stack .primary")
    secret = await page.locator("section[role=status] code").inner_text()
    await picture(page, "tokens")
    program = office.program(secret)
    assert (await program.get("/api/v1/calls")).status == 200
    await page.reload()
    await expect(page.locator("h1")).to_be_visible()
    await expect(page.locator("section[role=status]")).to_have_count(0)
    assert secret not in await page.content()
    page.on("dialog", lambda dialog: dialog.accept())
    await page.click("tbody button.danger")
    await expect(page.locator("tbody .badge")).to_have_text("revoked")
    assert (await program.get("/api/v1/calls")).status == 401
    await page.goto(f"{office.base}/settings/hooks")
    await expect(page.locator("h1")).to_have_text("Webhooks")
    await picture(page, "hooks_empty_en")
