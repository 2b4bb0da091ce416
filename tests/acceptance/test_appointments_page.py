"""Appointments in a real Chromium: booked, moved, cancelled, missed; and the customer's own page on his telephone."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from fixtures_web import PASSWORD, Office, OfficeMaker
from playwright.async_api import Browser, Page, async_playwright, expect
from sqlalchemy import Connection

from access.permissions import Role
from crm.appointments.appointments import Appointment, AppointmentState, NewAppointment, Work
from crm.appointments.options import AppointmentOptions
from storage import appointment_days, appointments, customers, slots
from telephony.hours import CalendarOptions, WorkingTime
from tests.acceptance.test_page_looks import ARGUMENTS, CHROMIUM
from tests.acceptance.test_survey_link_page import look, phone_of
from tests.integration.test_web_appointments import lay_out

#: Wednesday 17 June 2026, 10:00 in China; the house's clock stands on the day before.
TEN = datetime(2026, 6, 17, 2, tzinfo=UTC)
WIDE = (1440, 1024)
HOURS = WorkingTime.from_options(CalendarOptions())
expect.set_options(timeout=60_000)

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: install chromium"),
    pytest.mark.slow,
]


@dataclass
class House:
    office: Office
    shop: str
    customer: str
    vehicle: str

    def book(self, at: datetime, name: str = "李雷") -> Appointment:
        """Somebody else's appointment."""

        def work(connection: Connection) -> Appointment:
            now = self.office.clock.now()
            other = customers.add_customer(connection, name=name, now=now)
            new = NewAppointment(
                work=Work.MAINTENANCE, workshop_id=self.shop, starts_at=at, customer_id=other.id
            )
            return appointments.book(
                connection, new, now=now, by=None, hours=HOURS, options=AppointmentOptions()
            )

        return self.office.database.write_now(work)

    def one(self, appointment_id: str) -> Appointment:
        return self.office.database.read_now(lambda c: appointments.get_appointment(c, appointment_id))


@pytest.fixture
async def house(make_office: OfficeMaker) -> House:
    office = await make_office()
    office.add_user("wang", Role.AGENT, name="王芳")
    office.add_user("chen", Role.SUPERVISOR, name="陈静")
    return House(office, *office.database.write_now(lambda c: lay_out(c, office.clock.now())))


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as play:
        browser = await play.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        await browser.close()


async def sign_in(browser: Browser, house: House, login: str) -> Page:
    # The browser stands elsewhere than the house: every time on a page is the house's.
    context = await browser.new_context(
        viewport={"width": 1440, "height": 900},
        locale="zh-CN",
        timezone_id="America/New_York",
        reduced_motion="reduce",
    )
    page = await context.new_page()
    await page.goto(f"{house.office.base}/login?language=zh-CN")
    await page.fill("#login", login)
    await page.fill("#password", PASSWORD)
    await page.keyboard.press("Enter")
    await page.wait_for_selector(".bar")
    return page


def id_of(page: Page) -> str:
    return page.url.rsplit("/", 1)[1]


async def test_an_appointment_is_booked_beside_a_faster_colleague_moved_and_cancelled(
    browser: Browser, house: House
) -> None:
    page = await sign_in(browser, house, "wang")
    await page.goto(f"{house.office.base}/customers/{house.customer}/appointments")
    await page.get_by_role("link", name="新建预约").click()
    await page.wait_for_url("**/appointments/new?customer=*")
    wednesday = page.get_by_role("group", name="周三 06/17")
    await page.fill('[name="words"]', "高速上方向盘抖动")
    await wednesday.get_by_label("10:00").first.check()
    await expect(page.locator("[data-chosen]")).to_have_text("周三 06/17 10:00 王芳")
    await look(page, "appointment-new", WIDE)
    # A colleague was faster: the time is off the page, what was typed stays, another is chosen.
    house.book(TEN)
    await page.get_by_role("button", name="预约此时间").click()
    await expect(page.get_by_role("alert")).to_contain_text("该时段刚刚被约走")
    await expect(wednesday.get_by_role("radio").nth(1)).to_be_disabled()
    await expect(page.get_by_role("button", name="预约此时间")).to_be_disabled()
    await wednesday.get_by_label("11:00").first.check()
    await page.get_by_role("button", name="预约此时间").click()
    await expect(page.locator("h1")).to_have_text("周三 2026-06-17 11:00")
    mine = id_of(page)
    kept = house.one(mine)
    assert (kept.words, kept.starts_at, kept.state) == (
        "高速上方向盘抖动",
        TEN + timedelta(hours=1),
        AppointmentState.BOOKED,
    )
    await look(page, "appointment", WIDE)

    # Moved: the time that is his is free again for others.
    await page.get_by_role("link", name="改期").click()
    await expect(page.get_by_text("原预约：2026-06-17 11:00，保养")).to_be_visible()
    await page.get_by_role("group", name="周四 06/18").get_by_label("9:00").first.check()
    await page.get_by_role("button", name="改期").click()
    await expect(page.locator("h1")).to_have_text("周四 2026-06-18 09:00")
    await expect(page.locator("ol.lines")).to_contain_text("06/17 11:00 → 06/18 09:00")
    house.book(TEN + timedelta(hours=1), "韩梅梅")

    # The board of the day shows whom it is about and opens him.
    await page.goto(f"{house.office.base}/appointments?day=2026-06-18")
    await expect(page.locator(".ap-day h2")).to_contain_text("已约 1 / 可约 8")
    await look(page, "appointments", WIDE)
    await page.get_by_role("link", name="09:00").click()
    await expect(page.locator("h1")).to_have_text("周四 2026-06-18 09:00")

    # Cancelled only with a reason.
    await page.get_by_role("button", name="取消预约").click()
    await expect(page.get_by_role("alert")).to_contain_text("请填写取消原因")
    await page.get_by_label("原因或备注").fill("客户出差")
    await page.get_by_role("button", name="取消预约").click()
    await expect(page.get_by_role("link", name="重新预约")).to_be_visible()
    cancelled = house.one(mine)
    assert (cancelled.state, cancelled.cancel_reason) == (AppointmentState.CANCELLED, "客户出差")


async def test_beyond_what_fits_is_booked_at_the_house_time_by_a_supervisor(
    browser: Browser, house: House
) -> None:
    house.book(TEN)
    page = await sign_in(browser, house, "chen")
    await page.goto(
        f"{house.office.base}/appointments/new?customer={house.customer}&workshop_id={house.shop}"
    )
    await page.locator(".ap-over summary").click()
    await page.fill('[name="over_at"]', "2026-06-17 10:00")
    await page.fill('[name="overbook_reason"]', "客户从三百公里外来")
    await page.get_by_role("button", name="预约此时间").click()
    await expect(page.locator("h1")).to_have_text("周三 2026-06-17 10:00")
    made = house.one(id_of(page))
    assert (made.starts_at, made.overbooked, made.overbook_reason) == (TEN, True, "客户从三百公里外来")


async def test_who_did_not_come_is_on_the_list_until_he_is_booked_again(
    browser: Browser, house: House
) -> None:
    missed = house.book(TEN)
    house.office.clock.set(TEN - timedelta(hours=18))  # Tuesday, 16:00
    house.office.database.write_now(lambda c: appointment_days.make_list(c, house.office.clock.now(), HOURS))
    house.office.clock.set(TEN + timedelta(hours=3))
    page = await sign_in(browser, house, "wang")
    await page.goto(f"{house.office.base}/appointments/{missed.id}")
    await page.get_by_role("button", name="未到店").click()
    await expect(page.get_by_role("link", name="重新预约")).to_be_visible()
    await page.goto(f"{house.office.base}/appointments/calls")
    row = page.get_by_role("row").filter(has_text="李雷").filter(has_text="重新预约")
    await expect(row).to_have_count(1)
    await look(page, "appointment-calls", WIDE)
    await row.get_by_role("link", name="重新预约").click()
    await page.get_by_role("group", name="周四 06/18").get_by_label("10:00").first.check()
    await page.get_by_role("button", name="预约此时间").click()
    await expect(page.locator("h1")).to_have_text("周四 2026-06-18 10:00")
    await page.goto(f"{house.office.base}/appointments/calls")
    await expect(page.get_by_text("未到店的客户都已重新预约。")).to_be_visible()
    # The list made the day before stays as it was handed out, with what has changed since beside it.
    await page.goto(f"{house.office.base}/appointments/lists")
    await page.get_by_role("link", name="2026-06-16").click()
    await expect(page.locator("h1")).to_contain_text("预约表")
    await expect(page.get_by_role("row").filter(has_text="李雷").first).to_be_visible()
    await look(page, "appointment-list", WIDE)


@pytest.mark.parametrize("language", ["zh-CN", "en"])
async def test_the_customer_confirms_moves_and_cancels_on_his_telephone(
    browser: Browser, house: House, language: str
) -> None:
    made = house.book(TEN)
    desk = await sign_in(browser, house, "wang")
    await desk.goto(f"{house.office.base}/appointments/{made.id}")
    await desk.locator("button[data-link]").click()
    link = desk.locator("#ap-link")
    await expect(link).to_have_value(re.compile(r"/l/appointment/[\w-]{43}$"))
    address = await link.input_value()
    page = await (await phone_of(browser, language)).new_page()
    await page.goto(address)
    chinese = language == "zh-CN"
    await expect(page.locator("h1")).to_have_text("6月17日 周三 10:00" if chinese else "Wed 17 June 10:00")
    await look(page, f"appointment-link-{language}")
    await page.get_by_role("button", name="确认按时到店" if chinese else "I will come").click()
    await expect(page.get_by_role("status")).to_be_visible()
    assert house.one(made.id).state is AppointmentState.CONFIRMED
    await (
        page.locator("summary").filter(has_text="改到其他时间" if chinese else "Choose another time").click()
    )
    await look(page, f"appointment-link-times-{language}")
    await page.locator(".ap-link-day").nth(1).get_by_label("14:00").first.check()
    await page.get_by_role("button", name="改到所选时间" if chinese else "Move to this time").click()
    await expect(page.locator("h1")).to_contain_text("14:00")
    moved = house.one(made.id)
    assert moved.starts_at.astimezone(UTC).hour == 6
    await page.locator("summary").filter(has_text="取消预约" if chinese else "Cancel").click()
    await page.get_by_role("button", name="确定取消" if chinese else "Yes, cancel").click()
    await expect(page.locator("body")).to_contain_text("已取消" if chinese else "cancelled")
    assert house.one(made.id).state is AppointmentState.CANCELLED
    await look(page, f"appointment-link-over-{language}")
    # From now on the link shows nothing of it, also to whoever found it in the telephone.
    answer = await page.goto(address)
    assert answer is not None
    assert answer.status == 410
    await expect(page.locator("body")).not_to_have_text("周三 06/17 10:00 王芳")


async def test_a_workshop_is_laid_out_and_a_day_is_closed(browser: Browser, house: House) -> None:
    page = await sign_in(browser, house, "chen")
    await page.goto(f"{house.office.base}/appointments/setup")
    new = page.locator("section.panel").filter(has=page.get_by_role("heading", name="添加车间"))
    await new.get_by_label("名称").fill("钣喷中心")
    await new.get_by_role("button", name="保存").click()
    shop = page.locator(".ap-shop").filter(has=page.get_by_role("heading", name="钣喷中心"))
    await expect(shop).to_have_count(1)
    # One resource of it, with times that cannot be said so first.
    await shop.locator("summary").last.click()
    lane = shop.locator("form[data-path$='appointment-lanes']").last
    await lane.locator('[name="name"]').fill("烤漆房")
    await lane.locator('[name="closes"]').fill("08:00")
    await lane.get_by_role("button", name="保存").click()
    await expect(lane.get_by_role("alert")).to_be_visible()
    await expect(lane.locator('[name="name"]')).to_have_value("烤漆房")
    await lane.locator('[name="closes"]').fill("17:00")
    await lane.get_by_role("button", name="保存").click()
    await expect(shop.locator("summary").first).to_contain_text("烤漆房 09:00–17:00")
    # Without an advisor nobody can book it, and the page says so before a customer is told.
    resource = shop.locator("details").first
    await expect(resource.locator("summary")).to_contain_text("未填服务顾问，不能预约")
    await resource.locator("summary").click()
    await resource.locator('[name="advisor"]').fill("赵磊")
    await resource.get_by_role("button", name="保存").click()
    await expect(resource.locator("summary")).to_contain_text("赵磊")
    await expect(resource.locator("summary")).not_to_contain_text("不能预约")
    # A day on which nobody comes: the board says so, and its times are not offered.
    day = shop.locator("form[data-path$='appointment-days']")
    await day.locator('[name="day"]').fill("2026-06-18")
    await day.locator('[name="why"]').fill("设备检修")
    await day.get_by_role("button", name="保存").click()
    await expect(shop.locator(".ap-notices")).to_contain_text("设备检修")
    await look(page, "appointment-setup", WIDE)
    made = next(
        one.id for one in house.office.database.read_now(slots.all_workshops) if one.name == "钣喷中心"
    )
    await page.goto(
        f"{house.office.base}/appointments/new?customer={house.customer}&workshop_id={made}&first=2026-06-17"
    )
    await expect(page.get_by_role("group", name="周三 06/17").get_by_role("radio").first).to_be_enabled()
    await expect(page.get_by_role("group", name="周四 06/18").get_by_role("radio")).to_have_count(0)
