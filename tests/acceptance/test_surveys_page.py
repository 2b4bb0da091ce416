"""Questionnaires in a browser: an agent fills one in by keys, a supervisor writes one, a manager approves it."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator

import pytest
from fixtures_web import PASSWORD, Office, OfficeMaker
from playwright.async_api import Browser, Page, async_playwright, expect
from sqlalchemy import Connection, select

from access.permissions import Role
from config.books import survey_seed
from crm.records.vehicles import Role as VehicleRole
from crm.surveys.questionnaires import Channel
from storage import customers, questionnaires, responses, vehicles
from storage.tables.access import users
from storage.tables.cases import cases
from tests.acceptance.test_page_looks import ARGUMENTS, CHROMIUM, LOOK, THEMES

#: A folder to look at the pages in.
SHOTS = os.environ.get("CARELINE_SHOTS")
expect.set_options(timeout=60_000)

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: install chromium"),
    pytest.mark.slow,
]


@pytest.fixture
async def house(make_office: OfficeMaker) -> Office:
    office = await make_office()
    for role in (Role.AGENT, Role.SUPERVISOR, Role.MANAGER):
        office.add_user(role.value, role)
    office.database.write_now(lambda c: survey_seed.seed(c, office.clock.now()))
    return office


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as play:
        browser = await play.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        await browser.close()


async def signed_in(browser: Browser, house: Office, role: Role) -> Page:
    context = await browser.new_context(
        viewport={"width": 1440, "height": 900}, locale="zh-CN", reduced_motion="reduce"
    )
    page = await context.new_page()
    await page.goto(f"{house.base}/login?language=zh-CN")
    await page.fill("#login", role.value)
    await page.fill("#password", PASSWORD)
    await page.keyboard.press("Enter")
    await page.wait_for_selector(".bar")
    return page


async def shot(page: Page, name: str) -> None:
    """The page looks right in both themes and widths; a picture where somebody wants to see it."""
    for theme in THEMES:
        await page.emulate_media(color_scheme=theme)
        for width in (1440, 1024):
            await page.set_viewport_size({"width": width, "height": 900})
            if SHOTS:
                await page.screenshot(path=f"{SHOTS}/{name}-{theme}-{width}.png", full_page=True)
            assert await page.evaluate(LOOK) == [], f"{name} {theme} {width}"
    await page.emulate_media(color_scheme="light")
    await page.set_viewport_size({"width": 1440, "height": 900})


def begun(house: Office) -> str:
    """A service visit of a customer with a car, to be asked."""
    now = house.clock.now()

    def work(c: Connection) -> str:
        person = customers.add_customer(c, name="王建国", now=now)
        car = vehicles.add_vehicle(c, now=now, plate="沪A12345", brand="大众", model="朗逸", mileage=30_000)
        vehicles.add_person(c, car.id, person.id, VehicleRole.OWNER, now)
        return responses.begin_response(
            c,
            questionnaire="service_visit",
            channel=Channel.AGENT,
            customer_id=person.id,
            vehicle_id=car.id,
            contact_id="contact",
            now=now,
            by=None,
        ).id

    made: str = house.database.write_now(work)
    return made


async def test_an_agent_asks_by_keys_and_a_reload_loses_nothing(browser: Browser, house: Office) -> None:
    response_id = begun(house)
    page = await signed_in(browser, house, Role.AGENT)
    await page.goto(f"{house.base}/surveys/responses/{response_id}")
    now = page.locator("[data-now]")
    await expect(now).to_contain_text("总体满意")
    await expect(page.locator(".s-speak")).to_contain_text("沪A12345")
    await shot(page, "fill-begin")
    await page.keyboard.press("2")
    await expect(now).to_contain_text("一次就修好")
    await page.keyboard.press("3")  # not mended: what it does is asked next
    await expect(now).to_contain_text("什么现象")
    await page.locator("[data-now] [data-value]").fill("高速抖动")
    await page.keyboard.press("Control+Enter")
    await expect(now).to_contain_text("服务顾问")
    await page.reload()
    await expect(now).to_contain_text("服务顾问")
    await shot(page, "fill-middle")
    await page.locator("h1").click()
    for key, then in (("4", "约定的时间"), ("1", "费用"), ("1", "多少公里")):
        await page.keyboard.press(key)
        await expect(now).to_contain_text(then)
    await page.locator("[data-now] [data-value]").fill("32500")
    await page.keyboard.press("Enter")
    await expect(now).to_contain_text("推荐")
    await page.locator("h1").click()
    await page.keyboard.press("1")
    await page.keyboard.press("0")
    await expect(now).to_contain_text("建议")
    await page.locator('[data-act="skip"]').click()
    await page.locator("[data-summary]").fill("客户要求再来检查")
    await page.locator('[data-act="finish"]').click()
    await expect(page.locator(".s-head .badge")).to_have_text("已完成")
    await shot(page, "fill-end")
    done = house.database.read_now(lambda c: responses.get_response(c, response_id))
    assert done.values == {
        "overall": 2,
        "fixed": "unfixed",
        "symptom": "高速抖动",
        "advisor": 4,
        "on_time": "in_time",
        "price": "clear",
        "mileage": 32500,
        "recommend": 10,
    }
    assert done.summary == "客户要求再来检查"
    opened = house.database.read_now(
        lambda c: c.execute(select(cases.c.id).where(cases.c.response_id == response_id)).scalar_one()
    )
    assert done.opened_case_id == opened


async def test_a_questionnaire_is_written_tried_out_and_approved(browser: Browser, house: Office) -> None:
    page = await signed_in(browser, house, Role.SUPERVISOR)
    await page.goto(f"{house.base}/surveys")
    await shot(page, "list")
    await page.goto(f"{house.base}/surveys/questionnaires/service_card")
    await page.locator("[data-draft]").click()
    await expect(page.locator(".head .badge").first).to_have_text("草稿")
    await page.locator(".s-qhead > button").first.click()
    await page.keyboard.press("Control+Enter")
    await page.locator(".s-q[data-open] textarea").first.fill("您多久来店一次？")
    await expect(page.locator(".s-faults")).to_contain_text("英文")
    await shot(page, "editor")
    await page.locator(".s-q[data-open] textarea").nth(1).fill("How often do you come?")
    await expect(page.locator("[data-saved]")).to_have_text("草稿已保存")
    await expect(page.locator(".s-faults")).to_have_count(0)
    await page.locator('[data-step="submit"]').click()
    await expect(page.locator(".head .badge").first).to_have_text("待审批")
    manager = await signed_in(browser, house, Role.MANAGER)
    await manager.goto(f"{house.base}/surveys/questionnaires/service_card?version=2&compare=1")
    await expect(manager.locator("ins").first).to_be_visible()
    await shot(manager, "approve")
    await manager.locator('[data-step="approve"]').click()
    await expect(manager.locator(".head .badge").first).to_have_text("使用中")
    asked, version = house.database.read_now(lambda c: questionnaires.approved(c, "service_card"))
    assert version == 2
    assert "您多久来店一次？" in [one.text.get("zh-CN") for one in asked.questions]
    assert house.database.read_now(lambda c: c.execute(select(users.c.id)).first()) is not None
