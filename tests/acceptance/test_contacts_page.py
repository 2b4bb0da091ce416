"""Contacts in a real Chromium: worked down by keyboard, a questionnaire filled, a result saved, nothing typed lost."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator
from datetime import date, timedelta
from pathlib import Path

import pytest
from fixtures_web import PASSWORD, Office, OfficeMaker, until
from playwright.async_api import Browser, Page, ViewportSize, async_playwright, expect
from sqlalchemy import Connection

from access.permissions import Role
from config.books import definitions, survey_seed
from crm.cases.cases import CaseKind, CaseSource, Grade, NewCase
from crm.contacts.contacts import Contact, ContactState, NewReason, ReasonKind, Result
from crm.records.vehicles import Role as VehicleRole
from storage import cases, contacts, customers, responses, vehicles
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


def somebody(connection: Connection, office: Office, name: str, number: str, plate: str) -> tuple[str, str]:
    now = office.clock.now()
    person = customers.add_customer(connection, name=name, now=now)
    customers.add_contact(connection, person.id, E164(number), now, primary=True)
    car = vehicles.add_vehicle(
        connection, now=now, plate=plate, brand="丰田", model="卡罗拉", delivered_on=date(2026, 3, 1)
    )
    vehicles.add_person(connection, car.id, person.id, VehicleRole.OWNER, now)
    return person.id, car.id


@pytest.fixture
async def house(make_office: OfficeMaker) -> Office:
    """A house with an agent, and three customers to be called: a visit with a reminder, a visit, one on hold."""
    office = await make_office()
    office.add_user("wang", Role.AGENT, name="王芳")
    office.add_user("chen", Role.SUPERVISOR, name="陈静")
    now = office.clock.now()

    def work(connection: Connection) -> None:
        survey_seed.seed(connection, now)
        definitions.seed(connection, now)
        zhang, his = somebody(connection, office, "张伟", "+8613800000001", "沪A12345")
        li, hers = somebody(connection, office, "李娜", "+8613800000002", "沪B67890")
        zhao, theirs = somebody(connection, office, "赵敏", "+8613800000003", "沪C24680")
        for number, (whose, car) in enumerate(((zhang, his), (li, hers), (zhao, theirs))):
            contacts.add_reason(
                connection,
                NewReason(
                    kind=ReasonKind.SERVICE_VISIT,
                    occasion=f"visit {number}",
                    customer_id=whose,
                    vehicle_id=car,
                    due_at=now + timedelta(hours=number - 1),
                    why={"visited_on": "2026-06-12", "work": "periodic", "order_number": "R-20260612-07"},
                ),
                now,
            )
        contacts.add_reason(
            connection,
            NewReason(
                kind=ReasonKind.FIRST_MAINTENANCE,
                occasion="due",
                customer_id=zhang,
                vehicle_id=his,
                due_at=now + timedelta(days=3),
                why={
                    "stage": "first",
                    "cause": "mileage",
                    "due_on": "2026-06-30",
                    "due_km": 5000,
                    "base": "delivery",
                    "base_on": "2026-03-01",
                    "km": 5000,
                    "km_per_day": 52,
                    "readings": 3,
                    "learned": True,
                },
            ),
            now,
        )
        new = NewCase(
            kind=CaseKind.COMPLAINT,
            grade=Grade.ORDINARY,
            source=CaseSource.CALL,
            subject="刹车异响",
            customer_id=zhao,
        )
        cases.open_case(connection, new, by=None, now=now, hours=HOURS)
        contacts.hold_and_release(connection, now)

    office.database.write_now(work)
    return office


def contact_of(office: Office, name: str) -> Contact:
    def look(connection: Connection) -> Contact:
        return contacts.get_contact(connection, ids[name])

    ids = office.database.read_now(
        lambda c: {
            row[1]: row[0]
            for row in c.exec_driver_sql(
                "SELECT due_contacts.id, customers.name FROM due_contacts "
                "JOIN customers ON customers.id = due_contacts.customer_id"
            )
        }
    )
    return office.database.read_now(look)


async def open_page(browser: Browser, office: Office, login: str, path: str, width: int = 1440) -> Page:
    size: ViewportSize = {"width": width, "height": 900}
    context = await browser.new_context(viewport=size, locale="zh-CN")
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
    if PICTURES:
        for theme in ("light", "dark"):
            await page.evaluate(f"document.documentElement.dataset.theme = '{theme}'")
            await page.screenshot(path=Path(PICTURES) / f"{name}_{theme}.png", full_page=True)
        await page.evaluate("document.documentElement.dataset.theme = 'light'")


async def test_a_visit_from_the_list_to_its_result_and_the_next_one(browser: Browser, house: Office) -> None:
    page = await open_page(browser, house, "wang", "/contacts")
    await expect(page.locator("tbody tr")).to_have_count(2)  # who complains is not called
    await expect(page.locator("tbody tr").first).to_contain_text("张伟")
    await expect(page.locator("tbody tr").first).to_contain_text("首保提醒")
    await picture(page, "contacts_list")
    await page.keyboard.press("j")
    await expect(page.locator("[data-row]").first).to_be_focused()
    await page.keyboard.press("ArrowDown")
    await expect(page.locator("[data-row]").nth(1)).to_be_focused()
    await page.keyboard.press("ArrowUp")
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/contacts/*")
    await expect(page.locator("h1")).to_have_text("张伟")
    reasons = page.locator(".c-reasons")
    await expect(reasons).to_contain_text("2026年6月12日到店：定期保养（工单 R-20260612-07）")
    await expect(reasons).to_contain_text(
        "2026年6月30日到期；或满 5,000 公里；2026年3月1日交车；里程（5,000 公里）先到；日均约 52 公里（3 次读数）"
    )
    await expect(page.locator(".c-callees")).to_contain_text("138****0001")
    await expect(page.locator(".x-spoken").first).to_contain_text("张先生/女士")
    await picture(page, "contacts_one")

    # The questionnaire of the visit, without leaving the page.
    await page.locator("[data-survey]").click()
    await expect(page.locator(".s-fill [data-now]")).to_be_visible()
    one = contact_of(house, "张伟")

    def begun() -> bool:
        found = house.database.read_now(lambda c: responses.responses_of_customer(c, one.customer_id))
        return [(each.contact_id, each.questionnaire) for each in found] == [(one.id, "service_visit")]

    await until(begun)
    await picture(page, "contacts_survey")

    # What is typed outlives a reload.
    await page.fill("[name=note]", "客户说周末再来")
    await page.locator(".c-pick", has_text="部分完成").click()
    await page.reload()
    await expect(page.locator("[name=note]")).to_have_value("客户说周末再来")
    await expect(page.locator('[name=result][value="partly"]')).to_be_checked()
    await page.locator(".c-which label").first.click()
    await page.keyboard.press("Control+Enter")
    await expect(page.locator("#notices")).to_contain_text("已保存回访结果")
    await expect(page.locator(".c-trail").first).to_contain_text("客户说周末再来")
    partly = contact_of(house, "张伟")
    assert (partly.state, partly.tries) == (ContactState.OPEN, 1)
    await page.locator(".c-pick", has_text="已完成").click()
    await page.keyboard.press("Control+Enter")
    # The next one by itself.
    await expect(page.locator("h1")).to_have_text("李娜")
    done = contact_of(house, "张伟")
    assert (done.state, done.result) == (ContactState.CLOSED, Result.DONE)


async def test_whoever_comes_second_is_told_and_keeps_what_he_typed(browser: Browser, house: Office) -> None:
    one = contact_of(house, "李娜")
    page = await open_page(browser, house, "wang", f"/contacts/{one.id}")
    other = await open_page(browser, house, "chen", f"/contacts/{one.id}")
    await page.fill("[name=note]", "两次占线")
    await page.locator(".c-pick", has_text="未接通").click()
    await other.locator("[data-owner]").click()
    await expect(other.locator("[data-owner]")).to_have_text("退回")
    await page.keyboard.press("Control+Enter")
    await expect(page.locator("p[data-trouble]").first).to_contain_text("您填写的内容仍保留在此")
    await expect(page.locator("[name=note]")).to_have_value("两次占线")
    assert contact_of(house, "李娜").tries == 0


async def test_what_a_complaint_holds_back_says_so(browser: Browser, house: Office) -> None:
    page = await open_page(browser, house, "wang", "/contacts?which=held", width=1024)
    row = page.locator("tbody tr")
    await expect(row).to_have_count(1)
    await expect(row).to_contain_text("TS2026-")
    await picture(page, "contacts_held")
    await row.locator("a").first.click()
    await expect(page.locator(".notice", has_text="尚未结案")).to_be_visible()
    await picture(page, "contacts_held_one")
