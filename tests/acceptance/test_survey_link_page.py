"""A customer answers on a telephone behind a private link: both languages, a lost network, no JavaScript."""

from __future__ import annotations

import os
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
from fixtures_web import PASSWORD, Office, OfficeMaker
from playwright.async_api import Browser, BrowserContext, Page, async_playwright, expect
from sqlalchemy import Connection

from access.permissions import Role
from config.books import survey_seed
from crm.contacts.contacts import NewReason, ReasonKind
from crm.records.customers import Honorific
from crm.records.vehicles import Role as VehicleRole
from crm.surveys.responses import Response, ResponseState
from storage import contacts, customers, responses, vehicles
from tests.acceptance.test_page_looks import ARGUMENTS, CHROMIUM, LOOK, THEMES

#: A folder to look at the pages in.
SHOTS = os.environ.get("CARELINE_SHOTS")
LINK = re.compile(r"^http.*/l/survey/[\w-]{43}$")
PHONE = {"width": 390, "height": 844}
expect.set_options(timeout=60_000)

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: install chromium"),
    pytest.mark.slow,
]


@dataclass
class House:
    office: Office
    customer: str
    contact: str

    def response(self) -> Response:
        return self.office.database.read_now(lambda c: responses.responses_of_customer(c, self.customer)[0])


@pytest.fixture
async def house(make_office: OfficeMaker) -> House:
    office = await make_office()
    office.add_user("agent", Role.AGENT)
    now = office.clock.now()

    def work(c: Connection) -> tuple[str, str]:
        survey_seed.seed(c, now)
        person = customers.add_customer(c, name="欧阳建国", honorific=Honorific.MR, now=now)
        car = vehicles.add_vehicle(c, now=now, plate="沪A12345", brand="大众", model="朗逸")
        vehicles.add_person(c, car.id, person.id, VehicleRole.OWNER, now)
        reason = NewReason(
            kind=ReasonKind.SERVICE_VISIT,
            occasion="visit 1",
            customer_id=person.id,
            vehicle_id=car.id,
            due_at=now,
            questionnaire="service_visit",
        )
        made = contacts.add_reason(c, reason, now)
        assert made is not None
        return person.id, made.id

    return House(office, *office.database.write_now(work))


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as play:
        browser = await play.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        await browser.close()


async def phone_of(browser: Browser, locale: str, *, scripts: bool = True) -> BrowserContext:
    return await browser.new_context(
        viewport=PHONE,  # type: ignore[arg-type]
        locale=locale,
        reduced_motion="reduce",
        has_touch=True,
        is_mobile=True,
        java_script_enabled=scripts,
    )


async def look(page: Page, name: str, widths: tuple[int, ...] = (390,)) -> None:
    """The page looks right in both themes; a picture where somebody wants to see it."""
    size = page.viewport_size or PHONE
    for theme in THEMES:
        await page.emulate_media(color_scheme=theme)
        for width in widths:
            await page.set_viewport_size({"width": width, "height": size["height"]})
            if SHOTS:
                await page.screenshot(path=f"{SHOTS}/{name}-{theme}-{width}.png", full_page=True)
            assert await page.evaluate(LOOK) == [], f"{name} {theme} {width}"
    await page.emulate_media(color_scheme="light")
    await page.set_viewport_size({"width": size["width"], "height": size["height"]})


async def make_link(browser: Browser, house: House, path: str) -> tuple[Page, str]:
    """What the agent does on a page of the customer: one link, shown once."""
    context = await browser.new_context(
        viewport={"width": 1440, "height": 900}, locale="zh-CN", reduced_motion="reduce"
    )
    page = await context.new_page()
    await page.goto(f"{house.office.base}/login?language=zh-CN")
    await page.fill("#login", "agent")
    await page.fill("#password", PASSWORD)
    await page.keyboard.press("Enter")
    await page.wait_for_selector(".bar")
    await page.goto(f"{house.office.base}{path}")
    section = page.locator("#survey-offers")
    await section.get_by_role("button", name="生成链接").click()
    address = section.locator("[data-address]")
    await expect(address).to_have_value(LINK)
    await expect(section.locator("[data-offers] li")).to_have_count(1)
    await expect(section.locator("[data-offers] li")).to_contain_text("未打开")
    return page, await address.input_value()


async def test_a_customer_answers_in_chinese_and_loses_nothing(browser: Browser, house: House) -> None:
    desk, link = await make_link(browser, house, f"/contacts/{house.contact}")
    await look(desk, "contact", (1440, 1024))
    context = await phone_of(browser, "zh-CN")
    page = await context.new_page()
    await page.goto(link)
    await look(page, "zh-begin")
    await page.get_by_role("button", name="开始填写").click()
    await expect(page.locator("h1")).to_contain_text("总体满意")
    await expect(page.locator(".sl-hello")).to_have_text("欧阳先生，您好！")
    await look(page, "zh-score")
    # Nothing chosen: the reason, and still there.
    await page.get_by_role("button", name="下一题").click()
    await expect(page.locator("#trouble")).to_contain_text("必答")
    await page.get_by_role("radio", name="2", exact=True).check()
    await page.get_by_role("button", name="下一题").click()
    await expect(page.locator("h1")).to_contain_text("一次就修好")
    await page.get_by_text("没修好或又出现了").click()
    await look(page, "zh-choice")
    await page.get_by_role("button", name="下一题").click()
    await expect(page.locator("h1")).to_contain_text("什么现象")
    # The network goes while he writes: nothing is lost, a reload later neither.
    await page.locator("#value").fill("高速抖动，踩刹车更明显")
    await context.set_offline(True)
    await page.get_by_role("button", name="下一题").click()
    await expect(page.locator("#trouble")).to_contain_text("暂时没有网络")
    await look(page, "zh-lost")
    await context.set_offline(False)
    await expect(page.locator("h1")).to_contain_text("服务顾问")
    await page.go_back()
    await expect(page.locator("#value")).to_have_value("高速抖动，踩刹车更明显")
    await page.locator("#value").fill("高速抖动")
    await page.reload()
    await expect(page.locator("#value")).to_have_value("高速抖动")
    await page.get_by_role("button", name="下一题").click()
    await expect(page.locator("h1")).to_contain_text("服务顾问")
    # Another telephone is told what to do.
    other = await phone_of(browser, "zh-CN")
    strange = await other.new_page()
    await strange.goto(link)
    await expect(strange.locator("h1")).to_contain_text("已在别处打开")
    await look(strange, "zh-elsewhere")
    await other.close()
    # Closed and opened again: it goes on where it was.
    await page.close()
    page = await context.new_page()
    await page.goto(link)
    await expect(page.locator("h1")).to_contain_text("服务顾问")
    await page.get_by_role("radio", name="4", exact=True).check()
    await page.get_by_role("button", name="下一题").click()
    for title in ("约定的时间", "费用"):
        await expect(page.locator("h1")).to_contain_text(title)
        await page.locator(".sl-choice").first.click()
        await page.get_by_role("button", name="下一题").click()
    await expect(page.locator("h1")).to_contain_text("公里")
    await page.locator("#value").fill("三万")
    await page.get_by_role("button", name="下一题").click()
    await expect(page.locator("#trouble")).to_contain_text("数字")
    await expect(page.locator("#value")).to_have_value("三万")
    await page.locator("#value").fill("30,500")
    await look(page, "zh-number")
    await page.get_by_role("button", name="下一题").click()
    await expect(page.locator("h1")).to_contain_text("推荐")
    await look(page, "zh-nps")
    await page.get_by_role("radio", name="10", exact=True).check()
    await page.get_by_role("button", name="下一题").click()
    await expect(page.locator("h1")).to_contain_text("什么建议")
    await page.get_by_role("button", name="跳过").click()
    await expect(page.locator("h1")).to_contain_text("确认您的回答")
    await look(page, "zh-look")
    await page.get_by_role("link", name="修改：车辆的问题一次就修好了吗？").click()
    await expect(page.locator("h1")).to_contain_text("一次就修好")
    await page.get_by_text("部分修好").click()
    await page.get_by_role("button", name="保存").click()
    await expect(page.locator("h1")).to_contain_text("确认您的回答")
    await page.get_by_role("button", name="提交").click()
    await expect(page.locator("h1")).to_contain_text("感谢您的回答")
    await look(page, "zh-thanks")
    assert (
        await page.evaluate("Object.keys(localStorage).filter((k) => k.startsWith('careline:answer'))") == []
    )
    done = house.response()
    assert done.state is ResponseState.FINISHED
    assert done.contact_id == house.contact
    assert done.values == {
        "overall": 2,
        "fixed": "partly",
        "symptom": "高速抖动",
        "advisor": 4,
        "on_time": "in_time",
        "price": "clear",
        "mileage": 30500,
        "recommend": 10,
    }
    assert done.opened_case_id is not None
    await desk.reload()
    line = desk.locator("[data-offers] li")
    await expect(line).to_contain_text("已填写")
    await expect(line).to_contain_text("不满意")
    await expect(desk.locator(".s-told")).to_contain_text("无需再问")
    await look(desk, "contact-answered", (1440, 1024))


async def test_without_javascript_in_english(browser: Browser, house: House) -> None:
    desk, link = await make_link(browser, house, f"/customers/{house.customer}")
    await look(desk, "customer", (1440, 1024))
    context = await phone_of(browser, "en-GB", scripts=False)
    page = await context.new_page()
    await page.goto(link)
    await expect(page.locator("h1")).to_contain_text("would like your opinion")
    await look(page, "en-begin")
    await page.get_by_role("link", name="中文").click()
    await expect(page.locator("h1")).to_contain_text("想听听您的意见")
    await page.get_by_role("link", name="English").click()
    await page.get_by_role("button", name="Begin").click()
    while await page.get_by_role("button", name="Next").count():
        if await page.locator(".sl-score").count():
            await page.locator(".sl-score").last.click()
        elif await page.locator(".sl-choice").count():
            await page.locator(".sl-choice").first.click()
        before = await page.title()
        await look(page, f"en-{before.split(' ')[1]}")
        await page.get_by_role("button", name="Next").click()
        assert await page.title() != before
    await expect(page.locator("h1")).to_contain_text("check your answers")
    await look(page, "en-look")
    await page.get_by_role("button", name="Send").click()
    await expect(page.locator("h1")).to_contain_text("Thank you")
    await look(page, "en-thanks")
    await page.goto(f"{link[:-1]}?language=en")
    await expect(page.locator("h1")).to_contain_text("does not work")
    await look(page, "en-gone")
    done = house.response()
    assert done.state is ResponseState.FINISHED
    assert done.total == 100
