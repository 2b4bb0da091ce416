"""Reports in a real Chromium: the day's report written and read, figures that open their rows, problems passed on."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from fixtures_web import PASSWORD, Office, OfficeMaker
from playwright.async_api import Browser, Page, async_playwright, expect
from sqlalchemy import Connection

from access.permissions import Role
from access.users import Principal, Via
from config.books import survey_seed
from crm.contacts.contacts import NewReason, ReasonKind, Result
from crm.records.vehicles import Role as VehicleRole
from storage import contacts, customers, maker_visits, vehicles
from telephony.hours import CalendarOptions, WorkingTime
from telephony.numbers import E164
from tests.acceptance.test_page_looks import ARGUMENTS, CHROMIUM
from tests.acceptance.test_survey_link_page import look, phone_of
from tests.integration.test_report_pages import a_day

WIDE = (1440, 1024)
HOURS = WorkingTime.from_options(CalendarOptions())
expect.set_options(timeout=60_000)

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: install chromium"),
    pytest.mark.slow,
]


@pytest.fixture
async def house(make_office: OfficeMaker) -> Office:
    office = await make_office()
    office.add_user("supervisor", Role.SUPERVISOR, name="陈静")
    office.add_user("manager", Role.MANAGER, name="周明")
    a_day(office)
    return office


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as play:
        browser = await play.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        await browser.close()


async def sign_in(browser: Browser, house: Office, login: str) -> Page:
    context = await browser.new_context(
        viewport={"width": 1440, "height": 900}, locale="zh-CN", reduced_motion="reduce"
    )
    page = await context.new_page()
    await page.goto(f"{house.base}/login?language=zh-CN")
    await page.fill("#login", login)
    await page.fill("#password", PASSWORD)
    await page.keyboard.press("Enter")
    await page.wait_for_selector(".bar")
    return page


async def test_a_day_is_drafted_from_the_data_handed_in_returned_and_read(
    browser: Browser, house: Office
) -> None:
    agent = await sign_in(browser, house, "agent")
    await agent.goto(f"{house.base}/reports/work")
    await agent.get_by_role("button", name="填写我的日报").click()
    await expect(agent.locator("h1")).to_contain_text("李小梅")
    report = agent.url
    # A figure opens as many rows as it says, and a row opens the call behind it.
    figure = agent.locator(".r-figure").filter(has_text="接听来电")
    await expect(figure.locator("b")).to_have_text("1")
    await look(agent, "work-report", WIDE)
    await figure.click()
    await expect(agent.locator(".r-rows tbody tr")).to_have_count(1)
    await agent.locator(".r-rows").get_by_role("link", name="查看").click()
    await expect(agent.locator("tbody tr[data-id]")).to_have_count(1)
    await expect(agent.locator("tbody tr[data-id] .c-talk")).to_have_text("1:01")
    # What was typed outlives a reload, and nothing is handed in without a plan.
    await agent.goto(report)
    await agent.get_by_label("问题与建议").fill("空调投诉集中在朗逸")
    await agent.reload()
    await expect(agent.get_by_label("问题与建议")).to_have_value("空调投诉集中在朗逸")
    await agent.get_by_role("button", name="提交日报").click()
    await expect(agent.get_by_role("alert")).to_contain_text("明日计划")
    await agent.get_by_label("明日计划").fill("回访 20 位")
    await agent.get_by_role("button", name="提交日报").click()
    await expect(agent.locator(".head .badge")).to_have_text("已提交")

    manager = await sign_in(browser, house, "manager")
    await manager.goto(f"{house.base}/reports/work")
    await expect(manager.get_by_role("row").filter(has_text="李小梅")).to_contain_text("空调投诉集中在朗逸")
    await look(manager, "work-reports", WIDE)
    await manager.goto(report)
    await manager.get_by_label("批注").fill("请写明年款")
    await manager.get_by_role("button", name="退回补充").click()
    await expect(manager.locator(".head .badge").first).to_have_text("已退回")
    # Handed in from a page that stood open meanwhile: told, and what was typed is still there.
    await agent.goto(report)
    await expect(agent.locator(".g-box")).to_contain_text("请写明年款")
    await agent.get_by_label("问题与建议").fill("空调投诉集中在 2024 款朗逸")
    await agent.get_by_role("button", name="提交日报").click()
    await expect(agent.locator(".head .badge").first).to_have_text("已提交")
    await manager.goto(report)
    await manager.get_by_role("button", name="已阅").click()
    await expect(manager.locator(".head .badge").first).to_have_text("已阅")
    await expect(manager.locator("ol.lines li")).to_have_count(4)


async def test_the_problems_of_a_day_are_passed_to_a_department_and_read_by_it(
    browser: Browser, house: Office
) -> None:
    page = await sign_in(browser, house, "supervisor")
    await page.goto(f"{house.base}/reports")
    await look(page, "reports", WIDE)
    card = page.locator(".r-card").filter(has_text="当日问题分类")
    await expect(card.locator(".r-number")).to_have_text("2")
    await card.click()
    service = page.locator('[data-department="service"]')
    await expect(service).to_contain_text("空调异响")
    await look(page, "problems", WIDE)
    await service.get_by_placeholder("接收人").fill("售后王经理")
    await service.get_by_role("button", name="生成链接移交").click()
    codes = service.locator("[data-secret] code")
    await expect(codes).to_have_count(2)
    address, pin = [await codes.nth(place).inner_text() for place in (0, 1)]
    phone = await (await phone_of(browser, "zh-CN")).new_page()
    await phone.goto(address)
    await expect(phone.locator("body")).not_to_contain_text("空调异响")
    await look(phone, "problems-pin")
    await phone.locator("#pin").fill("000000" if pin != "000000" else "111111")
    await phone.keyboard.press("Enter")
    await expect(phone.get_by_role("alert")).to_be_visible()
    await phone.locator("#pin").fill(pin)
    await phone.keyboard.press("Enter")
    await expect(phone.locator(".r-paper")).to_contain_text("空调异响")
    await look(phone, "problems-paper")
    await page.goto(page.url)
    await expect(service.locator(".r-passed")).to_contain_text("售后王经理")
    await expect(service.locator(".r-passed .badge")).to_be_visible()
    await expect(service.get_by_role("button", name="生成链接移交")).to_be_disabled()


async def test_visits_for_the_maker_say_what_is_missing_until_it_is_there(
    browser: Browser, house: Office
) -> None:
    agent = house.users["agent"]
    by = Principal(role=Role.AGENT, via=Via.SESSION, name=agent.name, user_id=agent.id)
    now = house.clock.now()

    def visited(connection: Connection) -> str:
        survey_seed.seed(connection, now)
        person = customers.add_customer(connection, name="王建国", now=now)
        customers.add_contact(connection, person.id, E164("+8613912345678"), now, primary=True)
        car = vehicles.add_vehicle(connection, now=now, plate="沪B12345", brand="大众", model="朗逸")
        vehicles.add_person(connection, car.id, person.id, VehicleRole.OWNER, now)
        made = contacts.add_reason(
            connection,
            NewReason(
                kind=ReasonKind.SERVICE_VISIT,
                occasion="visit 1",
                customer_id=person.id,
                vehicle_id=car.id,
                due_at=now,
            ),
            now,
        )
        assert made is not None
        contacts.close_contact(connection, made.id, Result.DONE, by=by, now=now, hours=HOURS)
        maker_visits.collect(connection, now - timedelta(days=1), now + timedelta(seconds=1))
        return car.id

    car = house.database.write_now(visited)
    page = await sign_in(browser, house, "supervisor")
    await page.goto(f"{house.base}/reports/maker")
    row = page.get_by_role("row").filter(has_text="王建国")
    await expect(row).to_contain_text("资料不全")
    await look(page, "maker", WIDE)

    # What is missing is one click away; once it is there the row says so.
    await row.get_by_role("link", name="去补全").click()
    await expect(page).to_have_url(f"{house.base}/vehicles/{car}")
    house.database.write_now(lambda c: vehicles.change_vehicle(c, car, now, vin="LSVAA4187E2123456"))
    await page.goto(f"{house.base}/reports/maker")
    await expect(row).to_contain_text("资料齐全")


async def test_a_report_is_written_approved_sent_and_read_on_a_telephone(
    browser: Browser, house: Office
) -> None:
    page = await sign_in(browser, house, "supervisor")
    await page.goto(f"{house.base}/reports/documents")
    await page.get_by_label("类型").select_option("complaints")
    await page.get_by_role("button", name="起草").click()
    await expect(page.locator("h1")).to_contain_text("投诉管理工作汇报")
    report = page.url
    await expect(page.locator(".r-figure").first).to_be_visible()
    await look(page, "report-draft", WIDE)
    areas = page.locator("textarea[data-section]")
    # What was typed outlives a reload.
    await areas.first.fill("本期投诉集中在空调异响。")
    await page.reload()
    await expect(areas.first).to_have_value("本期投诉集中在空调异响。")
    for place in range(1, await areas.count()):
        await areas.nth(place).fill("已与售后服务部核对。")
    await page.locator("[data-new-how]").select_option("link")
    await page.get_by_placeholder("部门或姓名").fill("总经理")
    await page.locator("[data-add]").click()
    await page.get_by_role("button", name="提交审批").click()
    await expect(page.locator(".head .badge")).to_have_text("待审批")

    manager = await sign_in(browser, house, "manager")
    await manager.goto(report)
    await expect(manager.locator(".r-text").first).to_have_text("本期投诉集中在空调异响。")
    await manager.get_by_role("button", name="批准").click()
    await expect(manager.locator(".head .badge")).to_have_text("已批准")
    await manager.get_by_role("button", name="发送").click()
    await expect(manager.locator(".head .badge")).to_have_text("已发出")
    await manager.locator("button[data-link]").click()
    codes = manager.locator("[data-secret] code")
    await expect(codes).to_have_count(2)
    await look(manager, "report-sent", WIDE)
    phone = await (await phone_of(browser, "zh-CN")).new_page()
    await phone.goto(await codes.nth(0).inner_text())
    await phone.locator("#pin").fill(await codes.nth(1).inner_text())
    await phone.keyboard.press("Enter")
    await expect(phone.locator(".r-paper")).to_contain_text("本期投诉集中在空调异响。")
    await look(phone, "report-paper")
    await manager.goto(report)
    await expect(manager.locator("li[data-recipient] .badge")).to_have_attribute("data-kind", "good")
