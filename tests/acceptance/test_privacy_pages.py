"""People, one's own account, approvals, requests and the audit log in a real Chromium, in both languages."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pyotp
import pytest
from fixtures_web import PASSWORD, Office, OfficeMaker
from playwright.async_api import Browser, Page, ViewportSize, async_playwright, expect
from sweep_objects import NAME, customer

from access.permissions import Role

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-sync",
    "--no-first-run",
]
#: Where pictures go, for whoever wants to look at the pages.
PICTURES = os.environ.get("CARELINE_PICTURES", "")

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: install chromium"),
    pytest.mark.slow,
]


@pytest.fixture
async def house(make_office: OfficeMaker) -> Office:
    """A web side with everybody who decides something."""
    office = await make_office()
    for role in Role:
        office.add_user(role.value, role, name=f"{role.value.title()} 王芳", language="zh-CN")
    return office


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as play:
        browser = await play.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        await browser.close()


async def done(page: Page, heading: str) -> None:
    """The page tells the end of the work, looked at again until it does."""
    for _ in range(60):
        if await page.get_by_role("heading", name=heading).count():
            return
        await page.wait_for_timeout(500)
        await page.reload()
    await expect(page.get_by_role("heading", name=heading)).to_be_visible()


async def signed_in(browser: Browser, house: Office, login: str, password: str = PASSWORD) -> Page:
    """A page of a fresh browser, signed in as somebody."""
    size: ViewportSize = {"width": 1440, "height": 900}
    page = await (await browser.new_context(viewport=size, locale="zh-CN")).new_page()
    await page.goto(f"{house.base}/login")
    await page.fill("#login", login)
    await page.fill("#password", password)
    await page.click("button[type=submit]")
    await page.wait_for_url(lambda address: not address.endswith("/login"))
    return page


async def picture(page: Page, name: str) -> None:
    if not PICTURES:
        return
    for width, scheme in ((1440, "light"), (1024, "dark")):
        await page.set_viewport_size({"width": width, "height": 900})
        await page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        await page.screenshot(path=Path(PICTURES) / f"{name}_{width}_{scheme}.png", full_page=True)
    await page.set_viewport_size({"width": 1440, "height": 900})


async def test_a_second_factor_is_set_up_and_asked_for(browser: Browser, house: Office) -> None:
    page = await signed_in(browser, house, "supervisor")
    await page.goto(f"{house.base}/me")
    await page.get_by_role("button", name="开始设置").click()
    secret = (await page.locator(".panel p .mono").inner_text()).replace(" ", "")
    await picture(page, "me_setup")
    await page.fill("#f-code", "000000")
    await page.get_by_role("button", name="确认启用").click()
    await expect(page.locator("p[data-trouble]:visible")).to_contain_text("验证码不正确")
    await page.fill("#f-code", pyotp.TOTP(secret).at(house.clock.now()))
    await page.get_by_role("button", name="确认启用").click()
    await expect(page.locator(".once li")).to_have_count(10)
    await picture(page, "me_codes")
    await page.get_by_role("link", name="我已保存").click()
    await expect(page.get_by_text("剩余备用恢复码：10 个")).to_be_visible()
    await picture(page, "me")
    house.clock.advance(60)
    again = await signed_in(browser, house, "supervisor")
    await expect(again.get_by_role("heading", name="二次验证")).to_be_visible()
    await picture(again, "code")
    await again.fill("#code", pyotp.TOTP(secret).at(house.clock.now()))
    await again.get_by_role("button", name="继续").click()
    await again.wait_for_url(re.compile(r"/(desk|calls)"))


async def test_an_administrator_makes_a_person_who_changes_the_password(
    browser: Browser, house: Office
) -> None:
    page = await signed_in(browser, house, "admin")
    await page.goto(f"{house.base}/people")
    await page.fill("#f-name", "李娜")
    await page.fill("#f-login", "lina")
    await page.get_by_role("button", name="创建").click()
    password = await page.locator(".once li").inner_text()
    await picture(page, "people")
    new = await signed_in(browser, house, "lina", password)
    await new.wait_for_url(re.compile(r"/me$"))
    await expect(new.get_by_text("请先改成只有您自己知道的密码")).to_be_visible()
    await picture(new, "me_standing")
    await new.fill("#f-current", password)
    await new.fill("#f-password", "password123")
    await new.get_by_role("button", name="修改密码").click()
    await expect(new.locator("p[data-trouble]:visible")).to_contain_text("太常见")
    await new.fill("#f-password", "雨天请慢行注意安全哦")
    await new.get_by_role("button", name="修改密码").click()
    await expect(new.get_by_role("heading", name="登录的设备")).to_be_visible()
    await page.goto(f"{house.base}/people")
    await page.get_by_role("link", name="李娜").click()
    await picture(page, "person")
    page.on("dialog", lambda dialog: dialog.accept())
    await page.get_by_role("button", name="停用账号").click()
    await expect(page.get_by_text("已停用", exact=True)).to_be_visible()
    # The open page leaves by itself: its stream of events was closed with the session.
    await new.wait_for_url(re.compile(r"/login"))


async def test_two_people_erase_a_person(browser: Browser, house: Office) -> None:
    whose = customer(house)
    page = await signed_in(browser, house, "supervisor")
    await page.goto(f"{house.base}/privacy?customer={whose}")
    await page.select_option("#f-kind", "erase")
    await page.fill("#f-identity", "核对身份证原件")
    await page.fill("#f-reason", "本人要求删除全部资料")
    await page.get_by_role("button", name="登记", exact=True).click()
    await page.wait_for_url(re.compile(r"/privacy/[0-9A-Z]{26}"))
    await expect(page.get_by_text("须由另一位有审批权限的同事处理")).to_be_visible()
    manager = await signed_in(browser, house, "manager")
    await manager.goto(page.url)
    await picture(manager, "request")
    manager.on("dialog", lambda dialog: dialog.accept())
    await manager.get_by_role("button", name="批准并立即删除").click()
    # The work may take longer than the answer to the form.
    await done(manager, "处理结果")
    assert NAME not in await manager.content()
    await manager.goto(f"{house.base}/privacy")
    await picture(manager, "privacy")
    await manager.goto(f"{house.base}/audit")
    await expect(manager.get_by_role("cell", name="删除个人信息").first).to_be_visible()
    await picture(manager, "audit")


async def test_a_supervisor_decides_who_opens_a_restricted_record(browser: Browser, house: Office) -> None:
    whose = customer(house)
    agent = await house.signed_in("agent")
    await agent.post("/api/v1/approvals", {"customer_id": whose, "reason": "客户来电要求核对合同"})
    page = await signed_in(browser, house, "supervisor")
    await page.goto(f"{house.base}/approvals")
    await expect(page.get_by_text("客户来电要求核对合同")).to_be_visible()
    await picture(page, "approvals")
    await page.fill("#f-hours", "4")
    await page.get_by_role("button", name="批准", exact=True).click()
    await expect(page.get_by_text("暂无待审批的查阅申请")).to_be_visible()
