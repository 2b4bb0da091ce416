"""Complaints in a real Chromium: registered, answered by a department with link and PIN, followed to the end."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
from collections.abc import AsyncIterator
from datetime import timedelta
from io import BytesIO
from pathlib import Path

import pypdf
import pytest
from fixtures_web import PASSWORD, Office, OfficeMaker, until
from playwright.async_api import Browser, Locator, Page, ViewportSize, async_playwright, expect
from sqlalchemy import Connection, select

from access.audit import Action
from access.permissions import Role
from access.users import Principal, Via
from crm.cases.cases import Case, CaseKind, CaseSource, CaseState, Grade, NewCase
from crm.cases.steps import Given, Step
from crm.records.vehicles import Role as VehicleRole
from storage import cases, customers, vehicles
from storage.tables import access, records
from telephony.hours import CalendarOptions, WorkingTime
from telephony.numbers import E164

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
#: A folder for pictures, where somebody wants them.
PICTURES = os.environ.get("CARELINE_TEST_PICTURES", "")
HOURS = WorkingTime.from_options(CalendarOptions())

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
    """A house with an agent, a supervisor, a manager and a customer with a car."""
    office = await make_office()
    for login, role, name in (
        ("wang", Role.AGENT, "王芳"),
        ("chen", Role.SUPERVISOR, "陈静"),
        ("zhou", Role.MANAGER, "周明"),
    ):
        office.add_user(login, role, name=name)
    now = office.clock.now()

    def work(connection: Connection) -> None:
        person = customers.add_customer(connection, name="张伟", now=now)
        customers.add_contact(connection, person.id, E164("+8613800000001"), now, primary=True)
        car = vehicles.add_vehicle(connection, now=now, plate="沪A12345", brand="大众", model="帕萨特")
        vehicles.add_person(connection, car.id, person.id, VehicleRole.OWNER, now)

    office.database.write_now(work)
    return office


def customer_of(office: Office) -> str:
    found = office.database.read_now(
        lambda c: c.execute(
            select(records.customers.c.id).where(records.customers.c.name == "张伟")
        ).scalar_one()
    )
    return str(found)


def open_case(office: Office, *, subject: str, hours_ago: int = 0, grade: Grade = Grade.ORDINARY) -> Case:
    """A complaint of the customer, opened some hours ago."""
    by = Principal(
        role=Role.AGENT, via=Via.SESSION, name="王芳", user_id=office.users["wang"].id, proof_id="x"
    )

    def work(connection: Connection) -> Case:
        case, _new = cases.open_case(
            connection,
            NewCase(
                kind=CaseKind.COMPLAINT,
                grade=grade,
                source=CaseSource.CALL,
                subject=subject,
                words="保养完第二天左前轮就响，师傅说没事。",
                summary="保养后左前悬挂异响。",
                customer_id=customer_of(office),
            ),
            by=by,
            now=office.clock.now() - timedelta(hours=hours_ago),
            hours=HOURS,
        )
        return case

    return office.database.write_now(work)


def case_of(office: Office, case_id: str) -> Case:
    return office.database.read_now(lambda c: cases.get_case(c, case_id))


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
        await page.evaluate("document.documentElement.dataset.theme = 'light'")


async def steps(page: Page, name: str) -> Locator:
    """The form of a step, opened."""
    box = page.locator(f'[data-box="{name}"]')
    more = page.locator("details.k-others")
    if await more.count() and await more.locator(f'[data-box="{name}"]').count():
        await more.evaluate("one => one.open = true")
    await box.evaluate("one => one.open = true")
    return box


async def link_shown(page: Page) -> tuple[str, str]:
    """The department's link and its PIN, which stand there once."""
    await expect(page.locator("[data-pin]")).to_have_value(re.compile(r"^\d{6}$"))
    return await page.locator("[data-address]").input_value(), await page.locator("[data-pin]").input_value()


async def test_a_complaint_goes_its_whole_way_and_prints(browser: Browser, house: Office) -> None:
    page = await open_page(browser, house, "wang")
    page.set_default_timeout(15_000)
    await page.goto(f"{house.base}/cases")
    await picture(page, "cases_empty")
    await page.goto(f"{house.base}/cases/new?customer_id={customer_of(house)}")
    await expect(page.locator("[data-promise]")).to_contain_text("最迟")
    await page.fill("#f-subject", "保养后左前轮异响")
    await page.fill("#f-words", "我这车上礼拜刚做完保养，开出去没两天左前轮就咯噔咯噔响。")
    await page.fill("#f-summary", "保养后左前悬挂异响，要求彻底修好。")
    await page.select_option("#f-department", "service")
    await picture(page, "cases_new")
    # What was typed outlives the page.
    await page.goto(f"{house.base}/cases")
    await page.goto(f"{house.base}/cases/new?customer_id={customer_of(house)}")
    await expect(page.locator("#f-subject")).to_have_value("保养后左前轮异响")
    await page.keyboard.press("Control+Enter")
    await page.wait_for_url(re.compile(r"/cases/[0-9A-Z]{26}$"))
    case_id = page.url.rpartition("/")[2]
    assert case_of(house, case_id).words.startswith("我这车")
    await expect(page.locator(".k-way [aria-current]")).to_have_text("已移交")
    box = await steps(page, "link")
    await box.get_by_role("button").click()
    address, pin = await link_shown(page)
    assert re.fullmatch(r"\d{6}", pin)
    await picture(page, "cases_link_once")
    await page.click("[data-go]")
    await expect(page.locator("[data-once]")).to_be_hidden()
    await picture(page, "cases_assigned")

    # The department, on a telephone, without an account.
    phone = await (
        await browser.new_context(viewport={"width": 390, "height": 844}, locale="zh-CN")
    ).new_page()
    await phone.goto(address)
    await picture(phone, "link_pin")
    wrong = "000000" if pin != "000000" else "111111"
    await phone.fill("#pin", wrong)
    await phone.keyboard.press("Enter")
    await expect(phone.locator(".notice")).to_contain_text("还可以试 4 次")
    await phone.fill("#pin", pin)
    await phone.keyboard.press("Enter")
    await expect(phone.locator("h1")).to_have_text("保养后左前轮异响")
    await expect(phone.locator("main")).to_contain_text("张先生/女士")
    await expect(phone.locator("main")).not_to_contain_text("张伟")
    await expect(phone.locator("main")).not_to_contain_text("13800000001")
    await picture(phone, "link_case")
    await phone.fill("#accept-name", "刘经理")
    await phone.get_by_role("button", name="受理").click()
    await expect(phone.locator(".k-thanks")).to_contain_text("已受理")
    await phone.fill("#reply-name", "刘经理")
    await phone.fill("#reply-cause", "下摆臂螺栓扭矩不足")
    await phone.reload()
    await expect(phone.locator("#reply-cause")).to_have_value("下摆臂螺栓扭矩不足")
    await phone.select_option("#reply-responsibility", "ours")
    await phone.fill("#reply-plan", "重新紧固并更换胶套")
    await phone.fill("#reply-carry_out_on", (house.clock.now() + timedelta(days=2)).date().isoformat())
    await phone.fill("#reply-corrective_action", "新增底盘扭矩复检")
    await picture(phone, "link_reply")
    await phone.get_by_role("button", name="提交处理答复").click()
    await expect(phone.locator(".k-thanks")).to_contain_text("答复已提交")
    assert case_of(house, case_id).state is CaseState.REPLIED

    # The plan is told, the second visit is dissatisfied, and another round begins.
    await page.reload()
    await expect(page.locator(".k-way [aria-current]")).to_have_text("部门已答复")
    await picture(page, "cases_replied")
    box = await steps(page, "tell_plan")
    await box.get_by_label("客户同意", exact=True).check()
    await box.get_by_role("button").click()
    await expect(page.locator(".k-way [aria-current]")).to_have_text("方案已确认")
    box = await steps(page, "carried_out")
    await box.get_by_role("button").click()
    await expect(page.locator(".k-way [aria-current]")).to_have_text("待二次回访")
    box = await steps(page, "second_visit")
    await box.get_by_label("不满意", exact=True).check()
    await box.locator("textarea").fill("还是响")
    await box.get_by_role("button").click()
    address, pin = await link_shown(page)
    await page.click("[data-go]")
    await expect(page.locator(".k-head")).to_contain_text("第 2 轮")
    assert case_of(house, case_id).round == 2

    await phone.goto(address)
    await phone.fill("#pin", pin)
    await phone.keyboard.press("Enter")
    await expect(phone.locator("main")).to_contain_text("还是响")
    await phone.fill("#accept-name", "刘经理")
    await phone.get_by_role("button", name="受理").click()
    await expect(phone.locator(".k-thanks")).to_contain_text("已受理")
    await picture(phone, "link_round_two")
    await phone.fill("#reply-name", "刘经理")
    await phone.fill("#reply-cause", "减震器顶胶老化")
    await phone.select_option("#reply-responsibility", "maker")
    await phone.fill("#reply-plan", "更换顶胶")
    await phone.fill("#reply-carry_out_on", (house.clock.now() + timedelta(days=2)).date().isoformat())
    await phone.get_by_role("button", name="提交处理答复").click()
    await expect(phone.locator(".k-thanks")).to_contain_text("答复已提交")

    await page.reload()
    box = await steps(page, "tell_plan")
    await box.get_by_label("客户同意", exact=True).check()
    await box.get_by_role("button").click()
    await expect(page.locator(".k-way [aria-current]")).to_have_text("方案已确认")
    await phone.goto(address)
    await phone.fill("#carried_out-name", "刘经理")
    await phone.get_by_role("button", name="方案已实施").click()
    await expect(phone.locator(".k-thanks")).to_contain_text("已登记实施完成")
    await page.reload()
    box = await steps(page, "second_visit")
    await box.get_by_label("满意", exact=True).check()
    await box.get_by_role("button").click()
    await expect(page.locator('[data-box="close"]')).to_be_visible()
    page.on("dialog", lambda dialog: asyncio.ensure_future(dialog.accept()))
    box = await steps(page, "close")
    await box.get_by_role("button").click()
    await expect(page.locator(".k-way [aria-current]")).to_have_text("已结案")
    await picture(page, "cases_closed")
    assert case_of(house, case_id).state is CaseState.CLOSED

    # The paper holds all of it.
    answer = await page.request.get(f"{house.base}/cases/{case_id}/paper")
    assert answer.headers["content-type"] == "application/pdf"
    body = await answer.body()
    if PICTURES:
        (Path(PICTURES) / "case.pdf").write_bytes(body)
    text = "".join(one.extract_text() for one in pypdf.PdfReader(BytesIO(body)).pages).replace("\0", "")
    for words in (
        "顾客投诉抱怨处理单",
        "第2轮处理",
        "下摆臂螺栓扭矩不足",
        "减震器顶胶老化",
        "不满意",
        "张伟",
        "还是响",
    ):
        assert words in re.sub(r"\s", "", text), words
    exported = house.database.read_now(
        lambda c: (
            c.execute(select(access.audit.c.subject).where(access.audit.c.action == Action.EXPORTED.value))
            .scalars()
            .all()
        )
    )
    assert f"case:{case_id}" in exported
    # The link is used up.
    await phone.goto(address)
    await expect(phone.locator("h1")).to_have_text(re.compile("链接已失效|这件投诉已办完"))
    await picture(phone, "link_gone")


async def test_what_is_overdue_stands_out_and_is_urged(browser: Browser, house: Office) -> None:
    late = open_case(house, subject="交车缺少备用钥匙", hours_ago=80, grade=Grade.MAJOR)
    open_case(house, subject="取车等候超过一小时")
    by = Principal(
        role=Role.MANAGER, via=Via.SESSION, name="周明", user_id=house.users["zhou"].id, proof_id="x"
    )
    house.database.write_now(
        lambda c: cases.take_step(
            c,
            late.id,
            Step.ASSIGN,
            Given(department="sales", handler_id=house.users["wang"].id),
            actor=cases.actor_of(by),
            now=house.clock.now() - timedelta(hours=79),
            hours=HOURS,
        )
    )
    page = await open_page(browser, house, "chen")
    page.set_default_timeout(15_000)
    await page.goto(f"{house.base}/cases?which=overdue")
    row = page.locator("tr.k-late-row")
    await expect(row).to_contain_text("交车缺少备用钥匙")
    await expect(row).to_contain_text("已逾期")
    await picture(page, "list_overdue")
    await row.get_by_role("button", name="督办").click()
    await until(lambda: case_of(house, late.id).urges == 1)
    await expect(row.get_by_role("button", name="督办")).to_contain_text("1")
    await page.goto(f"{house.base}/cases")
    await expect(page.locator("tbody tr")).to_have_count(2)
    await picture(page, "list")
    # The figure of a state opens its rows.
    await page.locator(".k-plot a", has_text="已移交").click()
    await expect(page.locator("tbody tr")).to_have_count(1)
    # What others do comes by itself when one comes back to the page.
    await page.goto(f"{house.base}/cases")
    open_case(house, subject="新来的一件")
    await page.evaluate("window.dispatchEvent(new Event('focus'))")
    await expect(page.locator("tbody tr")).to_have_count(3)
    if PICTURES:
        await page.goto(f"{house.base}/customers/{customer_of(house)}")
        await picture(page, "customer")
        await page.goto(f"{house.base}/cases/{late.id}")
        await picture(page, "case_late")
        house.add_user("mary", Role.MANAGER, name="Mary Brown", language="en")
        for size in (1024, 1440):
            other = await open_page(browser, house, "mary", width=size)
            for name, where in (("list", "/cases"), ("case", f"/cases/{late.id}"), ("new", "/cases/new")):
                await other.goto(house.base + where)
                await picture(other, f"en_{name}_{size}")
        small = await open_page(browser, house, "zhou", width=1024)
        await small.goto(f"{house.base}/cases")
        await picture(small, "list_1024")
        await small.goto(f"{house.base}/cases/{late.id}")
        await (await steps(small, "exception")).scroll_into_view_if_needed()
        await picture(small, "case_1024")


async def test_whoever_comes_second_reads_what_the_first_did(browser: Browser, house: Office) -> None:
    case = open_case(house, subject="保养后异响")
    first = await open_page(browser, house, "wang")
    second = await open_page(browser, house, "chen")
    for page in (first, second):
        page.set_default_timeout(15_000)
        await page.goto(f"{house.base}/cases/{case.id}")
    box = await steps(second, "assign")
    await box.locator("textarea").fill("请优先处理")
    mine = await steps(first, "assign")
    await mine.locator('[name="department"]').select_option("sales")
    await mine.locator("button.primary").click()
    await expect(first.locator("[data-pin]")).to_have_value(re.compile(r"^\d{6}$"))
    await box.locator('[name="department"]').select_option("service")
    await box.locator("button.primary").click()
    await expect(box.locator("[data-trouble]")).to_contain_text("王芳")
    await expect(box.locator("textarea")).to_have_value("请优先处理")
    await picture(second, "crossed")
    await box.get_by_role("button", name="查看最新情况").click()
    await expect(second.locator(".k-way [aria-current]")).to_have_text("已移交")
    await expect((await steps(second, "assign")).locator("textarea")).to_have_value("请优先处理")
    assert case_of(house, case.id).department == "sales"
