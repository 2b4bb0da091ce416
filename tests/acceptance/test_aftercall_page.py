"""Nothing typed is lost, in a real Chromium: reload, lost network, an ailing service, two tabs, the next call.

What is filed there is filed once; a recording is heard and marked; an agent finds what the house knows.
"""

from __future__ import annotations

import asyncio
import re
import shutil
import struct
from collections.abc import AsyncIterator

import pytest
from fixtures_web import PASSWORD, Office, OfficeMaker, until
from playwright.async_api import BrowserContext, Page, Route, ViewportSize, async_playwright, expect
from sqlalchemy import insert, select

from access.ids import new_id
from access.permissions import Role
from config.books.definitions import seed
from config.books.knowledge import load_sample
from storage import registrations, tasks
from storage.tables.access import audit
from storage.tables.aftercall import recording_marks, registration_drafts
from storage.tables.telephony import recordings
from telephony.calls import Call

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--no-first-run",
    "--autoplay-policy=no-user-gesture-required",
]
PCM = struct.pack("<16000h", *([0, 9000, -9000, 200] * 4000))
WAV = b"RIFF\0\0\0\0WAVEfmt " + struct.pack("<IHHIIHH", 16, 1, 1, 8000, 16000, 2, 16) + b"data\0\0\0\0" + PCM

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: install chromium"),
    pytest.mark.slow,
]


@pytest.fixture
async def house(make_office: OfficeMaker) -> Office:
    """A web side with an agent, a supervisor, the shipped definitions and the sample's articles."""
    office = await make_office()
    office.add_user("wang", Role.AGENT, name="王芳")
    office.add_user("chen", Role.SUPERVISOR, name="陈静")
    now = office.clock.now()
    office.database.write_now(lambda c: seed(c, now))
    office.database.write_now(lambda c: load_sample(c, now))
    return office


@pytest.fixture
async def context(house: Office) -> AsyncIterator[BrowserContext]:
    """A fresh browser, gone before the house is; an error of a script in any of its pages fails the test."""
    complaints: list[str] = []
    async with async_playwright() as play:
        browser = await play.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        size: ViewportSize = {"width": 1440, "height": 900}
        context = await browser.new_context(viewport=size, locale="zh-CN", timezone_id="Europe/Berlin")
        context.on("weberror", lambda error: complaints.append(str(error.error)))
        yield context
        await browser.close()
    assert complaints == []


def talked(office: Office, **values: str) -> Call:
    now = office.clock.now()
    call = office.add_call(
        agent_id=office.users["wang"].id, connected_at=now, queue=values.pop("queue", "service"), **values
    )
    office.database.write_now(lambda c: registrations.react_to_call(c, None, call, ()))
    return call


async def sign_in(page: Page, office: Office, login: str, path: str) -> None:
    await page.goto(office.base + path)
    await page.fill("#login", login)
    await page.fill("input[type=password]", PASSWORD)
    await page.keyboard.press("Enter")
    await page.wait_for_url("**" + path)


def drafted(office: Office, call: Call) -> str:
    """The summary of the draft on the server."""
    row = office.database.read_now(
        lambda c: c.execute(
            select(registration_drafts.c.body).where(registration_drafts.c.call_id == call.id)
        ).first()
    )
    return str(row[0]["summary"]) if row else ""


async def test_r28_nothing_typed_is_lost_and_the_call_is_filed_by_one(
    context: BrowserContext, house: Office
) -> None:
    first, second = talked(house), talked(house, queue="complaints", number="+8613900001111")
    page = await context.new_page()
    await sign_in(page, house, "wang", f"/registrations/{first.id}")
    summary, kept = page.locator("[name=summary]"), page.locator("[data-kept]")

    await summary.press_sequentially("客户想周六保养")
    await expect(kept).to_have_attribute("data-kept", "saved")
    await page.reload()
    await expect(summary).to_have_value("客户想周六保养")

    # The network is lost while he types; the page is even closed. The browser has the text, and brings it later.
    await context.set_offline(True)
    await summary.press_sequentially("，上午九点")
    await expect(kept).to_have_attribute("data-kept", "local")
    assert drafted(house, first) == "客户想周六保养"
    await page.close()
    await context.set_offline(False)
    page = await context.new_page()
    await page.goto(f"{house.base}/registrations/{first.id}")
    summary, kept = page.locator("[name=summary]"), page.locator("[data-kept]")
    await expect(summary).to_have_value("客户想周六保养，上午九点")
    await until(lambda: drafted(house, first) == "客户想周六保养，上午九点")
    await expect(kept).to_have_attribute("data-kept", "saved")  # the page has heard of it, too

    # The service has the text, its answer is lost, and the page is closed: the next one knows that all is kept.
    async def unheard(route: Route) -> None:
        await route.fetch()
        await route.abort()

    await page.route("**/draft", unheard)
    await summary.press_sequentially("前")
    await expect(kept).to_have_attribute("data-kept", "local")
    assert drafted(house, first) == "客户想周六保养，上午九点前"
    await page.close()
    page = await context.new_page()
    await page.goto(f"{house.base}/registrations/{first.id}")
    summary, kept = page.locator("[name=summary]"), page.locator("[data-kept]")
    await expect(summary).to_have_value("客户想周六保养，上午九点前")
    await expect(kept).to_have_attribute("data-kept", "saved")

    # The service ails: 503 to every draft, until it is back.
    async def away(route: Route) -> None:
        await route.fulfill(status=503, content_type="application/problem+json", body="{}")

    await page.route("**/draft", away)
    await summary.press_sequentially("到店")
    await expect(kept).to_have_attribute("data-kept", "local")
    # He goes on to another call and comes back: each has its own text.
    await page.goto(f"{house.base}/registrations/{second.id}")
    await expect(page.locator("[name=call_type]")).to_have_value("complaint")
    await expect(page.locator("[name=summary]")).to_have_value("")
    await page.unroute("**/draft")
    await page.goto(f"{house.base}/registrations/{first.id}")
    await expect(summary).to_have_value("客户想周六保养，上午九点前到店")
    await until(lambda: drafted(house, first).endswith("到店"))
    await expect(kept).to_have_attribute("data-kept", "saved")

    # A second tab saves; the first is told, with both texts, and goes on with its own.
    tab = await context.new_page()
    await tab.goto(f"{house.base}/registrations/{first.id}")
    await tab.locator("[name=summary]").fill("另一个页面写的")
    await expect(tab.locator("[data-kept]")).to_have_attribute("data-kept", "saved")
    await summary.press_sequentially("。")
    crossed = page.locator(".ac-crossed")
    await expect(crossed).to_contain_text("另一个页面写的")
    await expect(crossed).to_contain_text("上午九点前到店。")
    await crossed.get_by_role("button", name="用本页面的").click()
    await until(lambda: drafted(house, first).endswith("到店。"))
    await tab.close()

    # Filed with the keyboard: what is missing is named and has the keyboard, then it is filed.
    await page.keyboard.press("Control+Enter")
    await expect(page.locator("[name=reason]")).to_be_focused()
    await expect(page.locator("[data-field=reason] .error")).to_be_visible()
    await page.select_option("[name=reason]", "regular_service")
    await page.select_option("[name=disposition]", "call_back")
    await page.fill("[name=callback_at]", "2026-06-16T15:30")
    await page.select_option("[name=next_step]", "to_sales")
    await page.fill("[name=next_note]", "请报价")

    # A supervisor files it at the same moment: the slower one gets the name and both texts, and loses nothing.
    chen = await house.signed_in("chen")
    body = {
        "call_type": "maintenance",
        "reason": "first_service",
        "summary": "主管代为登记",
        "disposition": "answered",
    }
    assert (await chen.post(f"/api/v1/calls/{first.id}/registration", body)).status == 200
    await page.keyboard.press("Control+Enter")
    await expect(crossed).to_contain_text("陈静")
    await expect(crossed).to_contain_text("主管代为登记")
    await crossed.get_by_role("button", name="用我的内容更正").click()
    await page.fill("[name=why]", "以通话坐席为准")
    await page.keyboard.press("Control+Enter")
    await expect(page.locator(".ac-filed")).to_be_visible()
    filed = house.database.read_now(lambda c: registrations.of_call(c, first.id))
    assert [one.by_name for one in filed.versions] == ["王芳", "陈静"]
    assert filed.current.content.summary == "客户想周六保养，上午九点前到店。"
    made = house.database.read_now(lambda c: tasks.list_tasks(c, state="open", user_id=""))
    # 15:30 at the house, though the browser stands in Berlin.
    assert {(task.kind.value, task.due_at.isoformat()[:16]) for task in made} >= {
        ("callback", "2026-06-16T07:30")
    }
    assert {task.department for task in made} == {None, "sales"}
    await page.goto(f"{house.base}/registrations")
    await expect(page.locator("tbody tr")).to_have_count(1)


async def test_an_answer_that_is_lost_or_late_makes_nobody_choose_between_his_own_texts(
    context: BrowserContext, house: Office
) -> None:
    call = talked(house)
    page = await context.new_page()
    await sign_in(page, house, "wang", f"/registrations/{call.id}")
    summary, kept = page.locator("[name=summary]"), page.locator("[data-kept]")
    crossed = page.locator(".ac-crossed")
    await summary.fill("一")
    await expect(kept).to_have_attribute("data-kept", "saved")

    # The service has the text, its answer is lost, and more is typed by the time it is asked again.
    lost: list[Route] = []

    async def once_unheard(route: Route) -> None:
        lost.append(route)
        if len(lost) > 1:
            await route.continue_()
            return
        await route.fetch()
        await summary.press_sequentially("三")
        await route.abort()

    await page.route("**/draft", once_unheard)
    await summary.press_sequentially("二")
    await until(lambda: drafted(house, call) == "一二三")
    await expect(kept).to_have_attribute("data-kept", "saved")
    await expect(crossed).to_have_count(0)
    await page.unroute("**/draft")

    # The same, and the page is closed before it could ask again.
    sent = asyncio.Event()

    async def never_answered(route: Route) -> None:
        await route.fetch()
        sent.set()

    await page.route("**/draft", never_answered)
    await summary.press_sequentially("四")
    await sent.wait()
    await summary.press_sequentially("五")
    await page.close()
    page = await context.new_page()
    await page.goto(f"{house.base}/registrations/{call.id}")
    summary, kept, crossed = (page.locator(one) for one in ("[name=summary]", "[data-kept]", ".ac-crossed"))
    await expect(summary).to_have_value("一二三四五")
    await until(lambda: drafted(house, call) == "一二三四五")
    await expect(kept).to_have_attribute("data-kept", "saved")
    await expect(crossed).to_have_count(0)

    # It is filed, and that is not heard: the text is kept, and filing it again is the same filing.
    await page.select_option("[name=reason]", "regular_service")
    await page.select_option("[name=disposition]", "answered")
    await expect(kept).to_have_attribute("data-kept", "saved")
    answers: list[int] = []
    page.on("response", lambda one: answers.append(one.status) if one.url.endswith("/draft") else None)

    async def unheard(route: Route) -> None:
        assert (await route.fetch()).ok
        await route.abort()

    await page.route("**/registration", unheard)
    await page.keyboard.press("Control+Enter")
    await expect(page.locator("#notices [data-kind=trouble]")).to_be_visible()
    await until(lambda: answers)
    await expect(kept).to_have_attribute("data-kept", "saved")
    await expect(crossed).to_have_count(0)
    await page.unroute("**/registration")
    await page.keyboard.press("Control+Enter")
    await expect(page.locator(".ac-filed")).to_be_visible()
    filed = house.database.read_now(lambda c: registrations.of_call(c, call.id))
    assert [one.by_name for one in filed.versions] == ["王芳"]

    # A draft that is on its way while its call is filed: nobody is asked about it any more.
    call = talked(house, number="+8613900002222")
    await page.goto(f"{house.base}/registrations/{call.id}")
    await summary.fill("已说明保养")
    await page.select_option("[name=reason]", "regular_service")
    await page.select_option("[name=disposition]", "answered")
    await expect(kept).to_have_attribute("data-kept", "saved")
    held: list[Route] = []
    await page.route("**/draft", lambda route: held.append(route))
    await summary.press_sequentially("项目")
    await until(lambda: held)
    await page.keyboard.press("Control+Enter")
    await expect(page.locator(".ac-filed")).to_be_visible()
    answers.clear()
    await held[0].continue_()
    await until(lambda: answers == [409])
    await page.evaluate("new Promise((done) => setTimeout(done))")  # the script has heard it, too
    await expect(crossed).to_have_count(0)
    await expect(page.locator(".ac-filed")).to_be_visible()


async def test_s15_a_recording_is_heard_marked_and_deleted_in_the_page(
    context: BrowserContext, house: Office
) -> None:
    sound = (new_id(house.clock.now()) + "abcdef").lower()
    (house.sounds / "x.wav").write_bytes(WAV)
    call = talked(house)
    row = {"id": sound, "call_id": call.id, "file": "x.wav", "started_at": call.started_at, "state": "kept"}
    house.database.write_now(
        lambda c: c.execute(insert(recordings).values(**row, ended_at=call.ended_at, seconds=2.0))
    )
    page = await context.new_page()
    await sign_in(page, house, "wang", "/recordings")
    await page.locator("[data-play]").click()
    clock = page.locator("[data-clock]")
    await expect(clock).to_contain_text("0:02")
    await expect(clock).to_have_text(re.compile(r"^0:0[12] /"))
    await page.locator("canvas.wave").focus()
    await page.keyboard.press("m")
    await expect(page.locator("dialog.ask input")).to_be_focused()
    held: list[Route] = []
    await page.route("**/marks", lambda route: held.append(route))
    await page.keyboard.type("客户说到报价")
    await expect(page.locator("dialog.ask input")).to_have_value("客户说到报价")
    await page.keyboard.press("Enter")
    await page.keyboard.press("Enter")  # the answer takes its time: one mark all the same
    await until(lambda: held)
    await page.evaluate("new Promise((done) => setTimeout(done))")
    for route in held:
        await route.continue_()
    await expect(page.locator(".marks")).to_contain_text("客户说到报价")
    assert await page.locator("[data-do=delete]").count() == 0, "agents delete nothing"
    [note] = house.database.read_now(lambda c: c.execute(select(recording_marks.c.note)).scalars().all())
    assert note == "客户说到报价"
    heard = house.database.read_now(
        lambda c: (
            c.execute(select(audit.c.subject).where(audit.c.action == "recording_played")).scalars().all()
        )
    )
    assert heard == [f"recording:{sound}"]


async def test_tasks_and_knowledge_by_keyboard_and_pointer(context: BrowserContext, house: Office) -> None:
    call = talked(house)
    page = await context.new_page()
    await sign_in(page, house, "wang", f"/registrations/{call.id}")
    await expect(page.locator(".ac-steps li[aria-current]")).to_contain_text("先生/女士：您好！")
    await expect(page.locator(".hint-place").first).to_contain_text("请询问")
    await page.keyboard.press("Alt+2")
    await page.keyboard.type("首保")
    await page.locator(".ac-hit").first.click()
    await expect(page.locator("[data-part=article]")).to_contain_text("免费首保")
    await page.keyboard.press("Alt+3")
    await page.fill("[data-pane=task] [name=subject]", "问配件到货")
    await page.locator("[data-pane=task] button.primary").click()
    await expect(page.locator("#notices")).to_contain_text("任务已新建")
    await page.goto(f"{house.base}/tasks?scope=free")
    row = page.locator("tr[data-task]")
    await row.get_by_role("button", name="认领").click()
    await expect(page.locator("#notices")).to_contain_text("已认领")
    await page.goto(f"{house.base}/tasks?scope=mine")
    await row.get_by_role("button", name="完成").click()
    await page.keyboard.type("已到货，已告知客户")
    await page.locator("dialog.ask button.primary").click()
    await expect(page.locator("tr[data-task]")).to_have_count(0)
    closed = house.database.read_now(lambda c: tasks.list_tasks(c, state="closed", user_id=""))
    assert [task.result for task in closed] == ["已到货，已告知客户"]
