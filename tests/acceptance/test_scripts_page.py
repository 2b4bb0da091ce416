"""Scripts in a real Chromium: written and saved as one writes, submitted, approved by another, read in a contact."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from fixtures_web import PASSWORD, Office, OfficeMaker
from playwright.async_api import Browser, Page, ViewportSize, async_playwright, expect
from sqlalchemy import Connection

from access.permissions import Role
from config.books.definitions import seed
from crm.contacts.contacts import NewReason, ReasonKind
from crm.records.customers import Honorific
from crm.records.vehicles import Role as VehicleRole
from crm.versions import VersionState
from storage import contacts, customers, script_versions, vehicles
from telephony.numbers import E164

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
#: A folder for pictures, where somebody wants them.
PICTURES = os.environ.get("CARELINE_TEST_PICTURES", "")

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: install chromium"),
    pytest.mark.slow,
]


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as play:
        arguments = ["--no-sandbox", "--disable-gpu", "--no-first-run"]
        browser = await play.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield browser
        await browser.close()


@pytest.fixture
async def house(make_office: OfficeMaker) -> Office:
    """A house with an agent, somebody who writes, a manager, and a customer whose car was delivered."""
    office = await make_office()
    office.add_user("wang", Role.AGENT, name="王芳")
    office.add_user("chen", Role.SUPERVISOR, name="陈静")
    office.add_user("zhao", Role.MANAGER, name="赵立")
    now = office.clock.now()

    def work(connection: Connection) -> None:
        seed(connection, now)
        person = customers.add_customer(connection, name="张伟", now=now, honorific=Honorific.MR)
        customers.add_contact(connection, person.id, E164("+8613800000001"), now, primary=True)
        car = vehicles.add_vehicle(connection, now=now, plate="沪A12345", brand="丰田", model="卡罗拉")
        vehicles.add_person(connection, car.id, person.id, VehicleRole.OWNER, now)
        contacts.add_reason(
            connection,
            NewReason(
                kind=ReasonKind.DELIVERY_VISIT,
                occasion="delivered",
                customer_id=person.id,
                vehicle_id=car.id,
                due_at=now + timedelta(hours=1),
                why={"delivered_on": "2026-06-12"},
            ),
            now,
        )

    office.database.write_now(work)
    return office


async def open_page(
    browser: Browser, office: Office, login: str, path: str, *, width: int = 1440, language: str = "zh-CN"
) -> Page:
    size: ViewportSize = {"width": width, "height": 900}
    context = await browser.new_context(viewport=size, locale=language)
    page = await context.new_page()
    page.on("pageerror", lambda error: pytest.fail(str(error)))
    await page.goto(f"{office.base}/login")
    await page.fill("#login", login)
    await page.fill("#password", PASSWORD)
    await page.keyboard.press("Enter")
    await page.wait_for_url(lambda url: "/login" not in url)
    await page.goto(f"{office.base}{path}")
    return page


async def picture(page: Page, name: str) -> None:
    if not PICTURES:
        return
    for width in (1440, 1024):
        await page.set_viewport_size({"width": width, "height": 900})
        for theme in ("light", "dark"):
            await page.evaluate(f"document.documentElement.dataset.theme = '{theme}'")
            await page.screenshot(path=Path(PICTURES) / f"{name}_{width}_{theme}.png", full_page=True)
    await page.evaluate("document.documentElement.dataset.theme = 'light'")
    await page.set_viewport_size({"width": 1440, "height": 900})


def state_of(office: Office, name: str, version: int) -> VersionState:
    return office.database.read_now(lambda c: script_versions.get_version(c, name, version)).state


async def test_written_submitted_approved_by_another_and_read_in_a_contact(
    browser: Browser, house: Office
) -> None:
    writer = await open_page(browser, house, "chen", "/scripts")
    await picture(writer, "scripts_list")
    await writer.get_by_role("link", name="售时回访").click()
    await expect(writer.locator("#x-force")).to_have_text("使用中的话术（第 1 版）")
    await writer.get_by_role("button", name="编写新版本").click()
    first = writer.locator('.x-step textarea[data-language="zh-CN"]').first
    await expect(first).to_be_visible()
    # A name that is not there is said beside the step, with those that are.
    await first.fill("{{customer.nmae}}，恭喜您提车！")
    wrong = writer.locator(".x-wrong").first
    await expect(wrong).to_contain_text("没有“customer.nmae”这项资料可以带入，可以带入的有：customer.name")
    await picture(writer, "scripts_wrong")
    await first.fill("，恭喜您提车！我是{{dealership}}的{{agent.name}}，想听听您的意见。")
    await first.press("Control+Home")
    await writer.locator(".x-places summary").click()
    await writer.locator('[data-place="customer.address"]').click()
    await expect(first).to_have_value(
        "{{customer.address}}，恭喜您提车！我是{{dealership}}的{{agent.name}}，想听听您的意见。"
    )
    await expect(writer.locator("[data-saved]")).to_have_text("草稿已保存")
    await expect(writer.locator('[data-part="preview"] ol').first).to_contain_text("王先生，恭喜您提车！")
    await expect(writer.locator('[data-part="differences"] ins').first).to_contain_text("恭喜您提车")
    await writer.locator('.x-step [data-act="out"]').last.click()
    await expect(writer.locator(".x-step")).to_have_count(6)
    await writer.get_by_role("button", name="撤销").click()
    await expect(writer.locator(".x-step")).to_have_count(7)
    await expect(writer.locator("[data-saved]")).to_have_text("草稿已保存")
    await picture(writer, "scripts_draft")
    # Without a remark nothing is submitted.
    await writer.get_by_role("button", name="提交审批").click()
    await expect(writer.locator(".x-editor [data-trouble]")).to_contain_text("请说明改了什么")
    await writer.fill("#x-why", "开场白更短，先恭喜提车")
    await writer.get_by_role("button", name="提交审批").click()
    await expect(writer.locator(".x-work .head .badge")).to_have_text("待审批")
    await expect(writer.get_by_role("button", name="批准使用")).to_have_count(0)

    agent = await open_page(browser, house, "wang", "/contacts")
    await agent.get_by_role("link", name="张伟").first.click()
    spoken = agent.locator('[data-script="delivery_visit"]')
    await expect(spoken).to_contain_text("张先生：您好！我是")
    await expect(spoken).to_contain_text("您2026年6月12日在我们店提了新车")

    manager = await open_page(browser, house, "zhao", "/scripts")
    line = manager.locator("tbody tr").first  # what waits stands first
    await expect(line).to_contain_text("待您批准或退回")
    await line.get_by_role("link", name="售时回访").click()
    await expect(manager.locator(".x-remark")).to_contain_text("开场白更短，先恭喜提车")
    await expect(manager.locator('[data-part="differences"] del').first).to_be_visible()
    await expect(manager.locator('[data-part="preview"] ol')).to_have_count(2)
    await picture(manager, "scripts_submitted")
    await manager.get_by_role("button", name="批准使用").click()
    await expect(manager.locator("#x-force")).to_have_text("使用中的话术（第 2 版）")
    assert state_of(house, "delivery_visit", 2) is VersionState.APPROVED
    assert state_of(house, "delivery_visit", 1) is VersionState.RETIRED
    await manager.get_by_role("link", name="与第 1 版比较").click()
    await expect(manager.locator("#x-compared")).to_have_text("第 1 版与第 2 版的差异")
    await picture(manager, "scripts_compared")

    await agent.reload()
    await expect(spoken).to_contain_text("张先生，恭喜您提车！我是")
    await picture(agent, "scripts_contact")


async def test_of_two_who_decide_at_once_the_second_reads_what_the_first_did(
    browser: Browser, house: Office
) -> None:
    house.add_user("qian", Role.MANAGER, name="钱进", language="en")
    writer = await open_page(browser, house, "chen", "/scripts/new")
    await picture(writer, "scripts_new")
    for field, value in (("zh", "春季关怀"), ("en", "Spring check"), ("code", "spring_check")):
        await writer.fill(f"[name={field}]", value)
    await writer.get_by_role("button", name="开始编写").click()
    await writer.wait_for_url("**/scripts/script/spring_check")
    await writer.fill('.x-step textarea[data-language="zh-CN"]', "{{customer.address|先生/女士}}：您好！")
    await writer.fill('.x-step textarea[data-language="en"]', "Hello {{customer.address|there}}!")
    await expect(writer.locator("[data-saved]")).to_have_text("草稿已保存")
    await writer.fill("#x-why", "新的关怀电话")
    await writer.get_by_role("button", name="提交审批").click()
    await expect(writer.locator(".x-work .head .badge")).to_have_text("待审批")

    one = await open_page(browser, house, "zhao", "/scripts/script/spring_check")
    other = await open_page(browser, house, "qian", "/scripts/script/spring_check", language="en")
    await expect(other.get_by_role("button", name="Approve")).to_be_visible()
    await picture(other, "scripts_english")
    await one.fill("#x-why", "英文再自然些")
    await one.get_by_role("button", name="退回修改").click()
    await expect(one.locator(".x-work .head .badge")).to_have_text("草稿")
    await other.get_by_role("button", name="Approve").click()
    await expect(other.locator(".x-editor [data-trouble]")).to_contain_text(
        "赵立 was first: this version is draft"
    )
    assert state_of(house, "spring_check", 1) is VersionState.DRAFT
    await writer.reload()
    await expect(writer.locator(".x-remark")).to_contain_text("英文再自然些")
