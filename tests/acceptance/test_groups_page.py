"""Groups, duplicates and corrections in a real Chromium: counted, merged and undone, answered and checked."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shutil
from collections.abc import AsyncIterator
from datetime import date, timedelta
from pathlib import Path

import pytest
from fixtures_web import PASSWORD, Office, OfficeMaker, until
from playwright.async_api import Browser, Error, Page, Route, ViewportSize, async_playwright, expect
from sqlalchemy import Connection

from access.permissions import Role
from crm.corrections.orders import Department
from crm.records.vehicles import Role as VehicleRole
from storage import corrections, customers, duplicates, matching, vehicles
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
    """A house with customers, two of them one person, and a department that answers."""
    office = await make_office()
    for login, role, name in (
        ("chen", Role.SUPERVISOR, "陈静"),
        ("wang", Role.AGENT, "王芳"),
        ("zhao", Role.DEPARTMENT, "赵敏"),
    ):
        office.add_user(login, role, name=name)
    now = office.clock.now()
    day = now.date()

    def work(connection: Connection) -> None:
        corrections.set_department(connection, office.users["zhao"].id, Department.SALES)
        for place, (name, days, serviced) in enumerate(
            (("张伟", 120, False), ("李娜", 100, True), ("王强", 30, False), ("刘洋", 95, False))
        ):
            person = customers.add_customer(connection, name=name, now=now, address="上海市" if place else "")
            customers.add_contact(connection, person.id, E164(f"+861380000000{place}"), now, primary=True)
            car = vehicles.add_vehicle(
                connection,
                now=now,
                plate=f"沪A1234{place}",
                brand="大众",
                model="帕萨特",
                delivered_on=day - timedelta(days=days),
                last_service_on=day if serviced else None,
            )
            vehicles.add_person(connection, car.id, person.id, VehicleRole.OWNER, now)
        again = customers.add_customer(connection, name="张先生", now=now, address="北京市", key_account=True)
        customers.add_contact(connection, again.id, E164("+8613800000000"), now)
        while duplicates.look_at_marked(connection, now):
            pass

    office.database.write_now(work)
    return office


async def open_page(browser: Browser, office: Office, login: str, width: int = 1440) -> Page:
    size: ViewportSize = {"width": width, "height": 900}
    context = await browser.new_context(viewport=size, locale="zh-CN")
    page = await context.new_page()
    page.on("pageerror", lambda error: pytest.fail(str(error)))
    await page.goto(f"{office.base}/login")
    await page.fill("#login", login)
    await page.fill("#password", PASSWORD)
    await page.keyboard.press("Enter")
    await page.wait_for_url(lambda url: "/login" not in url)
    return page


async def picture(page: Page, name: str) -> None:
    if PICTURES:
        for theme in ("light", "dark"):
            await page.evaluate(f"document.documentElement.dataset.theme = '{theme}'")
            await page.screenshot(path=Path(PICTURES) / f"{name}_{theme}.png", full_page=True)


async def test_a_group_by_conditions_says_itself_and_counts_itself(browser: Browser, house: Office) -> None:
    page = await open_page(browser, house, "chen")
    await page.goto(f"{house.base}/groups")
    await picture(page, "groups_empty")
    await page.goto(f"{house.base}/groups/new")
    await expect(page.locator("[data-sentence]")).to_have_text("全部客户")
    await expect(page.locator("[data-count]")).to_have_text("5")
    await page.locator(".g-add-one").first.select_option("has vehicle")
    thing = page.locator(".g-thing")
    await thing.locator(".g-add-one").select_option("field delivered_on")
    test = thing.locator(".g-test").nth(0)
    await test.locator("select").nth(1).select_option("at_least_ago")
    await test.locator("input").fill("90")
    await thing.locator(".g-add-one").select_option("field last_service_on")
    await thing.locator(".g-test").nth(1).locator("select").nth(1).select_option("empty")
    await expect(page.locator("[data-sentence]")).to_have_text("交车满 90 天且从未进厂的客户")
    await expect(page.locator("[data-count]")).to_have_text("2")
    await expect(page.locator("[data-members]")).to_contain_text("刘洋")
    await page.locator('[data-act="save"]').click()
    await expect(page.locator("main [data-trouble]")).to_have_text("请填写分组名称。")
    await page.fill('[name="name"]', "首保邀约")
    await picture(page, "groups_editor")
    await page.locator('[data-act="save"]').click()
    await expect(page.locator("h1")).to_have_text("首保邀约")
    await expect(page.locator("[data-count]")).to_have_text("2")
    await page.fill("[data-purpose]", "七月首保邀约")
    await page.locator('[data-act="freeze"]').click()
    await expect(page.locator("main")).to_contain_text("七月首保邀约")
    await picture(page, "groups_saved")
    await page.goto(f"{house.base}/groups")
    await expect(page.locator("tbody tr")).to_contain_text("交车满 90 天且从未进厂的客户")
    await picture(page, "groups_list")
    await page.goto(f"{house.base}/groups/new?kind=static")
    await page.fill('[name="name"]', "试驾名单")
    await page.locator('[data-act="save"]').click()
    await expect(page.locator("h1")).to_have_text("试驾名单")
    await page.locator("[data-find]").fill("李娜")
    await page.locator("[data-put]").first.click()
    await expect(page.locator("tbody")).to_contain_text("李娜")
    await picture(page, "groups_static")
    await page.set_viewport_size({"width": 1024, "height": 768})
    await picture(page, "groups_static_1024")


async def test_what_is_clicked_twice_is_made_once(browser: Browser, house: Office) -> None:
    """The answer takes its time: whoever clicks again wants the same."""
    page = await open_page(browser, house, "chen")
    held = asyncio.Event()
    asked: list[str] = []

    async def late(route: Route) -> None:
        if route.request.method == "POST":
            asked.append(route.request.url)
            await held.wait()
        await route.continue_()

    for address, kind in (
        ("/groups/new?kind=static", "groups"),
        ("/corrections/new?customer_id={}", "corrections"),
    ):
        who = house.database.read_now(lambda c: matching.identify(c, "+8613800000002")).customer_id
        await page.goto(house.base + address.format(who))
        held.clear()
        asked.clear()
        await page.route(f"**/api/v1/{kind}", late)
        if kind == "groups":
            await page.fill('[name="name"]', "试驾名单")
            button = page.locator('[data-act="save"]')
        else:
            await page.fill('[name="said"]', "客户说地址不对")
            button = page.locator("form button.primary").last
        await button.click()
        await until(lambda: asked)
        await button.click()
        await page.evaluate("() => new Promise((done) => setTimeout(done, 100))")
        assert len(asked) == 1
        held.set()
        await page.wait_for_url(re.compile(rf"/{kind}/[0-9A-Z]{{26}}$"))
        assert len(asked) == 1


async def test_an_answer_that_comes_late_says_nothing_of_what_is_asked_now(
    browser: Browser, house: Office
) -> None:
    page = await open_page(browser, house, "chen")
    await page.goto(f"{house.base}/groups/new?kind=static")
    await page.fill('[name="name"]', "试驾名单")
    await page.locator('[data-act="save"]').click()
    await expect(page.locator("h1")).to_have_text("试驾名单")
    held = asyncio.Event()
    asked: list[str] = []

    async def late(route: Route) -> None:
        asked.append(route.request.url)
        if len(asked) == 1:
            await held.wait()
        with contextlib.suppress(Error):  # nobody waits for it any more
            await route.continue_()

    await page.route("**/api/v1/search?*", late)
    await page.locator("[data-find]").fill("李娜")
    await until(lambda: asked)
    await page.locator("[data-find]").fill("刘洋")
    await expect(page.locator("[data-found]")).to_contain_text("刘洋")
    held.set()
    await page.evaluate("() => new Promise((done) => setTimeout(done, 500))")
    await expect(page.locator("[data-found]")).not_to_contain_text("李娜")
    await expect(page.locator("[data-found]")).to_contain_text("刘洋")


async def test_what_is_wrong_with_a_save_stays_said_when_a_count_comes_late(
    browser: Browser, house: Office
) -> None:
    page = await open_page(browser, house, "chen")
    held = asyncio.Event()

    async def late(route: Route) -> None:
        await held.wait()
        await route.continue_()

    await page.route("**/api/v1/group-look", late)
    await page.goto(f"{house.base}/groups/new")
    await page.locator('[data-act="save"]').click()
    await expect(page.locator("main [data-trouble]")).to_have_text("请填写分组名称。")
    held.set()
    await expect(page.locator("[data-count]")).to_have_text("5")
    await expect(page.locator("main [data-trouble]")).to_have_text("请填写分组名称。")


async def test_two_records_become_one_and_two_again(browser: Browser, house: Office) -> None:
    page = await open_page(browser, house, "chen")
    await page.goto(f"{house.base}/duplicates")
    await expect(page.locator("tbody tr")).to_have_count(1)
    await picture(page, "duplicates_list")
    await page.locator("tbody a.button.primary").click()
    await expect(page.locator("h1")).to_have_text("对比两份档案")
    await expect(page.locator('input[name="address"][value="merged"]')).to_be_checked()
    await page.locator('input[name="name"][value="merged"]').check()
    await picture(page, "duplicates_compare")
    await page.locator('[data-act="merge"]').click()
    await page.wait_for_url("**/duplicates")
    kept = house.database.read_now(lambda c: matching.identify(c, "+8613800000000"))
    assert [one.name for one in kept.candidates] == ["张先生"]
    await page.goto(f"{house.base}/duplicates/merges")
    await picture(page, "duplicates_merges")
    await page.locator('[data-act="undo"]').click()
    await expect(page.locator("tbody")).to_contain_text("已撤销")
    back = house.database.read_now(lambda c: matching.identify(c, "+8613800000000"))
    assert {one.name for one in back.candidates} == {"张伟", "张先生"}


async def test_wrong_data_goes_to_its_department_and_comes_back(browser: Browser, house: Office) -> None:
    person = house.database.read_now(lambda c: matching.identify(c, "+8613800000002")).customer_id
    assert person is not None
    car = house.database.read_now(lambda c: vehicles.vehicles_of(c, person))[0][0]
    agent = await open_page(browser, house, "wang")
    await agent.goto(f"{house.base}/corrections/new?customer_id={person}&vehicle_id={car.id}")
    await agent.select_option('[name="field"]', "delivered_on")
    await expect(agent.locator('[name="department"]')).to_have_value("sales")
    await agent.fill('[name="wrong_value"]', f"{car.delivered_on}")
    await agent.fill('[name="said"]', "客户说是五月一日提的车，电话 13800000002")
    await picture(agent, "corrections_new")
    await agent.locator("form button.primary").last.click()
    await expect(agent.locator("h1")).to_have_text("交车日期")
    await agent.wait_for_url(re.compile(r"/corrections/[0-9A-Z]{26}$"))
    order = agent.url.rpartition("/")[2]

    sales = await open_page(browser, house, "zhao")
    await sales.goto(f"{house.base}/corrections")
    await expect(sales.locator("tbody tr")).to_have_count(1)
    assert "13800000002" not in await sales.content()
    assert "王强" not in await sales.content()
    await picture(sales, "corrections_department")
    await sales.goto(f"{house.base}/corrections/{order}")
    await sales.fill('[name="value"]', "昨天")
    await sales.locator('[data-step="answer"]').click()
    await expect(sales.locator("main [data-trouble]")).to_be_visible()
    await sales.fill('[name="value"]', "2026-05-01")
    await sales.locator('[data-step="answer"]').click()
    await expect(sales.locator("ol")).to_contain_text("部门已答复")
    assert await sales.locator("[data-step]").count() == 0

    await agent.goto(f"{house.base}/corrections/{order}")
    await picture(agent, "corrections_order")
    await agent.locator('[data-step="accept"]').click()
    await expect(agent.locator("main")).to_contain_text("已写入档案")
    changed = house.database.read_now(lambda c: vehicles.get_vehicle(c, car.id))
    assert changed.delivered_on == date(2026, 5, 1)
    await agent.goto(f"{house.base}/corrections/rates")
    await expect(agent.locator(".c-bar")).to_have_count(1)
    await picture(agent, "corrections_rates")
    await agent.locator(".c-plot a").nth(11).click()
    await expect(agent.locator("tbody tr")).to_have_count(1)
    await picture(agent, "corrections_list")
