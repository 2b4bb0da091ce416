"""Maintenance in a real Chromium: a plan is tried, saved and moves a vehicle's day; figures open their rows."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest
from fixtures_web import PASSWORD, Office, OfficeMaker
from playwright.async_api import Browser, Page, ViewportSize, async_playwright, expect
from sqlalchemy import Connection

from access.permissions import Role
from access.users import Principal, Via
from crm.contacts.contacts import NewReason, ReasonKind, Result
from crm.maintenance.plans import Interval, Plan
from crm.records.purchases import ServiceVisit, VisitKind
from crm.records.vehicles import Role as VehicleRole
from crm.records.vehicles import VehicleState
from storage import contacts, customers, history, maintenance, vehicles
from telephony.hours import WorkingTime
from telephony.numbers import E164
from telephony.options import CalendarOptions

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
#: A folder for pictures, where somebody wants them.
PICTURES = os.environ.get("CARELINE_TEST_PICTURES", "")
HOURS = WorkingTime.from_options(CalendarOptions())
BY = Principal(user_id=None, name="陈静", role=Role.SUPERVISOR, via=Via.COMMAND)

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
    """A house with a plan, thirty cars of its model due over the weeks to come, and reminders of three months."""
    office = await make_office()
    office.add_user("chen", Role.SUPERVISOR, name="陈静")
    office.add_user("wang", Role.AGENT, name="王芳")
    now = office.clock.now()
    today = HOURS.date_of(now)

    def work(connection: Connection) -> None:
        plan = Plan(
            id="",
            brand="丰田",
            model="卡罗拉",
            name="卡罗拉保养",
            first=Interval(months=6, km=None),
            periodic=Interval(months=12, km=None),
        )
        maintenance.save_plan(connection, plan, by=BY, now=now, today=today)
        for number in range(30):
            person = customers.add_customer(connection, name=f"张伟{number}", now=now)
            customers.add_contact(connection, person.id, E164(f"+86138000001{number:02}"), now, primary=True)
            young = number % 3 == 0
            behind = today - timedelta(days=120 + number * 2)
            car = vehicles.add_vehicle(
                connection,
                now=now,
                plate=f"沪A123{number:02}",
                brand="丰田",
                model="卡罗拉",
                delivered_on=behind if young else date(2024, 3, 1),
            )
            vehicles.add_person(connection, car.id, person.id, VehicleRole.OWNER, now)
            if not young:
                done = today - timedelta(days=290 + number * 2)
                _visit(connection, office, car.id, done, VisitKind.PERIODIC)
            if number < 20:
                then = now - timedelta(days=30 * (number % 3) + 1)
                _reminder(connection, office, person.id, car.id, number, then)
            maintenance.reckon(connection, [car.id], now)

    office.database.write_now(work)
    return office


def _visit(connection: Connection, office: Office, car: str, on: date, kind: VisitKind) -> None:
    now = office.clock.now()
    visit = ServiceVisit(
        id="", vehicle_id=car, visited_on=on, kind=kind, mileage=None, created_at=now, updated_at=now
    )
    history.add_visit(connection, visit, now)


def _reminder(
    connection: Connection, office: Office, whose: str, car: str, number: int, then: datetime
) -> None:
    new = NewReason(
        kind=ReasonKind.PERIODIC_MAINTENANCE,
        occasion=f"due {number}",
        customer_id=whose,
        vehicle_id=car,
        due_at=then + timedelta(days=3),
        why={"cause": "date", "due_on": "2026-06-30", "base": "visit", "base_on": "2025-06-30", "months": 12},
    )
    made = contacts.add_reason(connection, new, then)
    assert made is not None
    if number % 2:
        contacts.close_contact(
            connection,
            made.id,
            Result.DONE,
            now=then + timedelta(hours=1),
            hours=HOURS,
            by=BY,
        )


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


def by_plate(office: Office, plate: str) -> str:
    found: str = office.database.read_now(
        lambda c: c.exec_driver_sql(f"SELECT id FROM vehicles WHERE plate = '{plate}'").scalar_one()
    )
    return found


def settle(office: Office) -> None:
    """What the ticks do: what a saved plan changes is reckoned."""

    def work(connection: Connection) -> None:
        now = office.clock.now()
        while maintenance.gather(connection, now):
            maintenance.reckon(connection, maintenance.take_marks(connection, 1000), now)

    office.database.write_now(work)


async def test_a_plan_is_tried_saved_and_moves_the_day_of_a_vehicle(browser: Browser, house: Office) -> None:
    car = by_plate(house, "沪A12301")
    page = await open_page(browser, house, "chen", f"/vehicles/{car}")
    section = page.locator("#maintenance")
    before = await section.locator(".m-due").inner_text()
    await expect(section).to_contain_text("定期保养")
    await picture(page, "vehicle")

    await page.goto(f"{house.base}/maintenance")
    await expect(page.locator("#m-plans")).to_be_visible()
    await picture(page, "overview")
    await page.get_by_role("link", name="卡罗拉").first.click()
    save, attempt = page.locator("[data-save]"), page.locator("[data-try]")
    await expect(save).to_be_disabled()
    await page.fill('[name="periodic.months"]', "0")
    await attempt.click()
    await expect(page.locator('[data-of="periodic.months"] [data-error]')).to_be_visible()
    await page.fill('[name="periodic.months"]', "11")
    await attempt.click()
    trial = page.locator("[data-trial]")
    await expect(trial).to_contain_text("此计划涉及 30 辆车")
    await expect(trial).to_contain_text("提前 20 辆，推迟 0 辆")
    await expect(save).to_be_enabled()
    await picture(page, "plan")
    # What was tried is what is saved: another value asks for another trial.
    await page.fill('[name="periodic.months"]', "10")
    await expect(save).to_be_disabled()
    await attempt.click()
    await expect(save).to_be_enabled()
    await save.click()
    await expect(page.locator(".m-versions > li")).to_have_count(2)
    await expect(page.locator(".m-versions > li").first).to_contain_text("10 个月")
    settle(house)
    await page.goto(f"{house.base}/vehicles/{car}")
    await expect(section.locator(".m-due")).not_to_have_text(before)

    # A reading asked in the call.
    await page.fill('[name="km"]', "31000")
    await page.get_by_role("button", name="保存里程").click()
    await expect(section).to_contain_text("有效里程读数")


async def test_the_second_sees_what_the_first_has_saved(browser: Browser, house: Office) -> None:
    plan = house.database.read_now(maintenance.plans)[1]
    page = await open_page(browser, house, "chen", f"/maintenance/plans/{plan.id}")
    house.database.write_now(
        lambda c: maintenance.save_plan(
            c,
            Plan(
                id=plan.id,
                version=1,
                brand=plan.brand,
                model=plan.model,
                name=plan.name,
                first=plan.first,
                periodic=Interval(months=9, km=None),
            ),
            by=BY,
            now=house.clock.now(),
        )
    )
    await page.fill('[name="lead_days"]', "21")
    await page.locator("[data-try]").click()
    await expect(page.locator("[data-save]")).to_be_enabled()
    await page.locator("[data-save]").click()
    changed = page.locator("[data-changed]")
    await expect(changed).to_contain_text("陈静")
    await expect(changed).to_contain_text("由 12 个月 改为 9 个月")
    await expect(changed.locator("li")).to_have_count(1)  # and nothing that did not change
    await expect(page.locator('[name="lead_days"]')).to_have_value("21")
    await picture(page, "changed")
    await page.locator("[data-try]").click()
    await page.locator("[data-save]").click()
    await expect(page.locator(".m-versions > li")).to_have_count(3)


async def test_figures_open_their_rows_and_a_sold_vehicle_says_why(browser: Browser, house: Office) -> None:
    car = by_plate(house, "沪A12301")

    def sell(connection: Connection) -> None:
        connection.exec_driver_sql(
            f"UPDATE vehicles SET state = '{VehicleState.SOLD}', state_since = '2026-06-01' WHERE id = '{car}'"
        )

    house.database.write_now(sell)
    page = await open_page(browser, house, "chen", f"/vehicles/{car}")
    await expect(page.locator("#maintenance")).to_contain_text("车辆已售出，不再提醒保养")
    await expect(page.locator(".m-reading")).to_have_count(0)
    await picture(page, "sold")
    await page.goto(f"{house.base}/maintenance")
    bar = page.locator(".m-plot a").first
    said = await bar.get_attribute("aria-label") or ""
    await bar.click()
    await page.wait_for_url("**/maintenance/due?*")
    await expect(page.locator("tbody tr")).to_have_count(int(said.rpartition(" ")[2]))
    await expect(page.locator("tbody tr").first).to_contain_text("时间（")
    await picture(page, "due")
    await page.goto(f"{house.base}/maintenance")
    figure = page.locator(".m-numbers tbody tr").first.locator("a").nth(1)
    count = int(await figure.inner_text())
    await figure.click()
    await page.wait_for_url("**/maintenance/invited?*")
    await expect(page.locator("tbody tr")).to_have_count(count)
    await picture(page, "invited")
    # The rules: refused beside the field, saved, and who did it.
    await page.goto(f"{house.base}/maintenance/rules")
    await page.fill('[name="tries"]', "0")
    await page.get_by_role("button", name="保存规则").click()
    await expect(page.locator('[data-of="tries"] [data-error]')).to_be_visible()
    await page.fill('[name="tries"]', "4")
    await page.get_by_role("button", name="保存规则").click()
    await expect(page.locator(".m-versions > li").first).to_contain_text("拨打次数：5 → 4")
    await expect(page.locator(".m-versions > li").first).to_contain_text("陈静")
    await picture(page, "rules")
