"""Charts 3 and 4 of the department's papers, over real calls: a return visit, and the complaint that came of it.

A delivery is imported; on the third day its visit is due; the agent calls and the customer is dissatisfied; the case
goes to the department by link, comes back as a plan, is told, tried, visited a second time, and goes round once more
until the customer is satisfied and the form is printed.
"""

from __future__ import annotations

import asyncio
import csv
import re
import sys
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from io import BytesIO
from typing import Any
from zoneinfo import ZoneInfo

import pypdf
import pytest
import pytest_asyncio
from fixtures_house import House, a_house, until
from fixtures_seats import CHROMIUM, Seat, Seats, a_browser
from playwright.async_api import Locator, Page, expect

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: install chromium"),
    pytest.mark.asterisk,
    pytest.mark.slow,
    pytest.mark.asyncio(loop_scope="module"),
]

QUEUE = {"ring_seconds": 30, "missed_before_pause": 0, "wrapup_seconds": 60, "rating": False}
SETTINGS = {"telephony": {"queues": dict.fromkeys(("service", "sales", "complaints", "roadside"), QUEUE)}}
NAME, NUMBER, VIN, PLATE = "司马懿之", "13700137001", "LGWEF4A57MF700001", "沪A7C001"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house() -> AsyncIterator[House]:
    async with a_house(SETTINGS, agents=()) as built:
        yield built


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def seats(house: House) -> AsyncIterator[Seats]:
    async with a_browser(house) as browser:
        yield browser


def today(house: House) -> Any:
    return datetime.now(ZoneInfo(house.site.settings.calendar.zone)).date()


async def import_delivery(house: House) -> None:
    """The list the sales department sends, through the command a technician would use."""
    path = house.site.folder / "deliveries.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(
            [
                ["姓名", "手机", "车架号", "车牌号", "品牌", "车型", "交车日期"],
                [NAME, NUMBER, VIN, PLATE, "丰田", "卡罗拉", (today(house) - timedelta(days=3)).isoformat()],
            ]
        )
    done = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "config", "import", str(path), "--kind", "customers"),
        *("--config", str(house.site.config)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await asyncio.wait_for(done.communicate(), 120)
    assert done.returncode == 0, said.decode()
    assert "1 added" in said.decode()


async def call(house: House, seat: Seat, button: Locator) -> str:
    """A real call from the page to the customer, talked in and hung up; gives its id."""
    before = {row["id"] for row in house.rows("SELECT id FROM calls WHERE direction = 'outbound'")}
    await button.click()
    await seat.line("talking")

    def talking() -> bool:
        found = house.rows("SELECT id FROM calls WHERE direction = 'outbound' AND state = 'talking'")
        return any(row["id"] not in before for row in found)

    await until(talking, saying="the customer never answered")
    await seat.hears()
    await seat.press("hang_up")
    await seat.line("ready")

    def logged() -> list[Any]:
        found = house.rows(
            "SELECT id, customer_id, talk_seconds FROM calls WHERE direction = 'outbound' AND state = 'ended'"
        )
        return [row for row in found if row["id"] not in before]

    [row] = await until(logged, saying="the call was never logged")
    assert row["customer_id"], "the call stands on nobody's record"
    assert row["talk_seconds"] > 0
    return str(row["id"])


OF_HIM = (
    "SELECT cases.* FROM cases JOIN customers ON customers.id = cases.customer_id WHERE customers.name = ?"
)


def case_now(house: House) -> Any:
    [row] = house.rows(OF_HIM, NAME)
    return row


async def state(house: House, wanted: str) -> None:
    await until(lambda: case_now(house)["state"] == wanted, saying=f"the case was never {wanted}")


async def step(page: Page, name: str) -> Locator:
    """The form of a step of the case, opened."""
    box = page.locator(f'[data-box="{name}"]')
    await expect(box).to_be_attached()
    await box.evaluate(
        "one => { for (let at = one; at; at = at.parentElement) if ('open' in at) at.open = true; }"
    )
    return box


async def link_shown(page: Page) -> tuple[str, str]:
    await expect(page.locator("[data-pin]")).to_have_value(re.compile(r"^\d{6}$"))
    shown = await page.locator("[data-address]").input_value(), await page.locator("[data-pin]").input_value()
    await page.click("[data-go]")
    return shown


async def department_replies(page: Page, house: House, link: tuple[str, str], cause: str, plan: str) -> None:
    """The department's manager, on his telephone, without an account."""
    await page.goto(link[0])
    await page.fill("#pin", link[1])
    await page.keyboard.press("Enter")
    await expect(page.locator("main")).not_to_contain_text(NUMBER)
    await page.fill("#accept-name", "刘经理")
    await page.get_by_role("button", name="受理").click()
    await expect(page.locator(".k-thanks")).to_contain_text("已受理")
    await page.fill("#reply-name", "刘经理")
    await page.fill("#reply-cause", cause)
    await page.select_option("#reply-responsibility", "ours")
    await page.fill("#reply-plan", plan)
    await page.fill("#reply-carry_out_on", (today(house) + timedelta(days=2)).isoformat())
    await page.get_by_role("button", name="提交处理答复").click()
    await expect(page.locator(".k-thanks")).to_contain_text("答复已提交")


async def carried_out(page: Page, link: tuple[str, str]) -> None:
    await page.goto(link[0])
    await page.fill("#carried_out-name", "刘经理")
    await page.get_by_role("button", name="方案已实施").click()
    await expect(page.locator(".k-thanks")).to_contain_text("已登记实施完成")


async def test_a_visit_a_complaint_two_rounds_and_a_satisfied_customer(house: House, seats: Seats) -> None:
    await import_delivery(house)

    # The third day has come: the visit is somebody's to do today.
    def due() -> list[Any]:
        return house.rows(
            "SELECT due_contacts.id, due_contacts.customer_id, contact_reasons.kind, due_contacts.due_at "
            "FROM due_contacts JOIN contact_reasons ON contact_reasons.contact_id = due_contacts.id "
            "JOIN customers ON customers.id = due_contacts.customer_id "
            "WHERE customers.name = ? AND contact_reasons.kind = 'delivery_visit'",
            NAME,
        )

    [visit] = await until(due, 240, saying="the visit was never due")
    li = await seats.take("agent1")
    await li.line("ready")
    await li.page.get_by_role("button", name="签入").first.click()
    await li.state("ready")
    page = li.page
    page.set_default_timeout(60_000)
    await page.goto(f"{house.site.pages}/contacts?kind=delivery_visit")
    await li.line("ready")
    await page.locator("tbody tr", has_text=NAME).locator("a").first.click()
    await expect(page.locator("h1")).to_have_text(NAME)
    await expect(page.locator(".c-reasons")).to_contain_text("交车")

    # The agent calls, asks, and hears that the customer is not satisfied.
    talk = await call(house, li, page.locator("[data-call]").first)
    await page.locator("[data-survey]").first.click()
    await expect(page.locator(".s-fill [data-now]")).to_be_visible()
    await page.locator('.s-fill [data-score="1"]').first.click()
    await expect(page.locator(".s-given").first).to_be_visible()
    await page.locator('[data-act="break_off"]').click()
    await page.fill("[data-why]", "客户不满意，要求先解决问题")
    await page.locator('[data-act="end"]').click()
    [case] = await until(lambda: house.rows(OF_HIM, NAME), saying="no case was opened")
    assert (case["round"], case["customer_id"]) == (1, visit["customer_id"])
    assert case["kind"] in ("complaint", "grumble")
    await page.locator(".c-pick", has_text="已完成").click()
    await page.fill("[name=note]", "客户对交车不满意，已登记投诉")
    await page.get_by_role("button", name="保存结果").click()
    await until(
        lambda: (
            house.rows("SELECT result FROM due_contacts WHERE id = ?", visit["id"])[0]["result"] == "done"
        ),
        saying="the visit has no result",
    )
    [tried] = house.rows("SELECT call_id, result FROM contact_tries WHERE contact_id = ?", visit["id"])
    assert (tried["call_id"], tried["result"]) == (talk, "done")

    # Handed to the department, which answers by link.
    address = f"{house.site.pages}/cases/{case['id']}"
    await page.goto(address)
    await li.line("ready")
    if case_now(house)["state"] == "registered":
        box = await step(page, "assign")
        await box.locator("[name=department]").select_option("sales")
        await box.get_by_role("button").click()
        await state(house, "assigned")
        await page.goto(address)
    box = await step(page, "link")
    await box.get_by_role("button").click()
    link = await link_shown(page)
    manager = await (
        await seats.browser.new_context(viewport={"width": 390, "height": 844}, locale="zh-CN")
    ).new_page()
    await department_replies(manager, house, link, "交车时讲解不足", "销售顾问上门补充讲解")
    await state(house, "replied")

    for number, satisfied in ((1, False), (2, True)):
        # The plan is told over a call, and agreed.
        await page.goto(f"{house.site.pages}/customers/{visit['customer_id']}")
        await li.line("ready")
        told = await call(house, li, page.locator("[data-dial-customer]").first)
        assert told != talk
        await page.goto(address)
        box = await step(page, "tell_plan")
        await box.get_by_label("客户同意", exact=True).check()
        await box.get_by_role("button").click()
        await state(house, "agreed")
        await carried_out(manager, link)
        await state(house, "second_visit")
        # The second visit, over a call as well.
        await page.goto(f"{house.site.pages}/customers/{visit['customer_id']}")
        await li.line("ready")
        await call(house, li, page.locator("[data-dial-customer]").first)
        await page.goto(address)
        box = await step(page, "second_visit")
        assert case_now(house)["round"] == number
        if satisfied:
            await box.get_by_label("满意", exact=True).check()
            await box.get_by_role("button").click()
            await expect(page.locator('[data-box="close"]')).to_be_visible()
            break
        await box.get_by_label("不满意", exact=True).check()
        await box.locator("textarea").fill("问题还没有解决")
        await box.get_by_role("button").click()
        link = await link_shown(page)
        await until(lambda: case_now(house)["round"] == 2, saying="no second round began")
        await department_replies(manager, house, link, "培训不到位", "经理亲自上门并补赠保养")
        await state(house, "replied")

    page.on("dialog", lambda dialog: asyncio.ensure_future(dialog.accept()))
    box = await step(page, "close")
    await box.get_by_role("button").click()
    await state(house, "closed")
    closed = case_now(house)
    assert (closed["ending"], closed["round"], closed["exception_at"]) == ("satisfied", 2, None)
    trail = [
        row["step"]
        for row in house.rows("SELECT step FROM case_events WHERE case_id = ? ORDER BY seq", case["id"])
    ]
    assert trail.count("second_visit") == 2
    assert trail.count("reply") == 2
    assert (trail[0], trail[-1]) == ("register", "close")

    # It prints, with both rounds and every word of it.
    answer = await page.request.get(f"{address}/paper")
    assert answer.headers["content-type"] == "application/pdf"
    read = pypdf.PdfReader(BytesIO(await answer.body()))
    text = re.sub(r"\s", "", "".join(one.extract_text() for one in read.pages).replace("\0", ""))
    for words in (
        "顾客投诉抱怨处理单",
        "第2轮处理",
        "交车时讲解不足",
        "经理亲自上门并补赠保养",
        "问题还没有解决",
        NAME,
    ):
        assert words in text, words
