"""The desk in a real Chromium: the pop in places that are there already, by keys alone, through a lost network.

S02, R26, R28, R38 and L04 of reliability.md as far as a browser is part of them.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shutil
import signal
import subprocess
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from fixtures_desk import Switchboard
from fixtures_storage import FrozenClock
from fixtures_web import PASSWORD, Office, OfficeMaker, until
from playwright.async_api import Page, Route, ViewportSize, async_playwright, expect

from access.permissions import Role
from config.books.definitions import seed
from crm.records.customers import Honorific
from crm.tasks.tasks import Caller, TaskKind
from storage import calls, matching, tasks
from telephony.agents import AgentEvent, AgentState
from telephony.facts import FactKind
from web.presence import GONE_SECONDS

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
#: What has shifted without a key or a click (https://web.dev/articles/cls), but for what is said and filed at the
#: right: its text follows the call by design.
SHIFTS = """() => { window.shifts = []; new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) if (!entry.hadRecentInput)
    window.shifts.push(...entry.sources.filter((source) => !document.getElementById("desk-right").contains(source.node))
      .map((source) => source.node?.outerHTML ?? source.node?.textContent ?? "?"));
}).observe({ type: "layout-shift", buffered: false }); }"""

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: install chromium"),
    pytest.mark.slow,
]


@pytest.fixture
def clock() -> FrozenClock:
    """Stands at the real time: the browser's own clock goes on from there."""
    return FrozenClock(datetime.now(UTC))


@pytest.fixture
async def house(make_office: OfficeMaker) -> Office:
    office = await make_office()
    office.add_user("wang", Role.AGENT, name="王芳")
    office.add_user("zhao", Role.AGENT, name="Zhao Min", language="en")
    return office


@pytest.fixture
def board(house: Office) -> Switchboard:
    board = Switchboard(house)
    board.own_phone("wang")
    board.own_phone("zhao")
    return board


@pytest.fixture
def complaints() -> list[str]:
    """What the page's console said; a test that provokes a complaint takes it out."""
    return []


@pytest.fixture
async def page(complaints: list[str], house: Office) -> AsyncIterator[Page]:
    """A page of a fresh browser, gone before the house is; what its console complains about fails the test."""
    async with async_playwright() as play:
        browser = await play.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        size: ViewportSize = {"width": 1440, "height": 900}
        context = await browser.new_context(viewport=size, locale="zh-CN")
        page = await context.new_page()
        page.on(
            "console", lambda message: complaints.append(message.text) if message.type == "error" else None
        )
        page.on("pageerror", lambda error: complaints.append(str(error)))
        yield page
        await browser.close()
    # A frame of the record that is still on its way when the page goes is a fetch that failed.
    known = (
        "net::ERR_",
        "Failed to fetch",
        "status of 409",
        "status of 422",
        "status of 404",
    )
    assert [text for text in complaints if not any(word in text for word in known)] == []


async def sign_in(page: Page, office: Office, login: str) -> None:
    await page.goto(f"{office.base}/desk")
    await expect(page.locator("#login")).to_be_focused()
    await page.keyboard.type(login)
    await page.keyboard.press("Tab")
    await page.keyboard.type(PASSWORD)
    await page.keyboard.press("Enter")
    await expect(page.locator("#link")).to_have_attribute("data-state", "on")
    await expect(page.locator(".desk")).to_have_attribute("data-phase", "idle")


def family(board: Switchboard) -> tuple[str, str]:
    li = board.customer("李雷", "+8613812345678", plate="沪A12345", key_account=True, language="zh-CN")
    han = board.customer("韩梅梅", "+8613812345678", honorific=Honorific.MS, plate="沪B54321")
    return li, han


async def test_a_call_goes_through_its_four_states_and_nothing_jumps(
    page: Page, house: Office, board: Switchboard
) -> None:
    board.customer("李雷", "+8613812345678", plate="沪A12345", key_account=True, language="zh-CN")
    await sign_in(page, house, "wang")
    agent = board.agent("wang")
    await expect(page.locator("[data-place=state]")).to_have_text("就绪")
    await expect(page.locator("[data-place=plot-calls]")).not_to_be_empty()
    await page.evaluate(SHIFTS)
    call = await board.call(keys="main=1")
    await board.ring("wang", call)
    agent = board.steps(agent, AgentEvent.RANG, call_id=call.id)
    await expect(page.locator("#who-name")).to_have_text("李雷先生")
    await expect(page.locator(".cb")).to_have_attribute("data-phase", "ringing")
    await expect(page.locator("[data-place=said]")).to_have_text(
        re.compile(r"来电：李雷先生，大客户，.*沪A12345，预约保养")
    )
    await expect(page.locator("[data-place=why]")).to_contain_text("预约保养")
    await expect(page.locator("[data-place=waited]")).to_have_text(re.compile(r"^(0:[3-5]\d|[1-9]:\d\d)$"))
    await expect(page).to_have_title(re.compile("李雷先生"))
    await board.tell(FactKind.CONNECTED, "wang", call, queue="service")
    agent = board.steps(agent, AgentEvent.CONNECTED, call_id=call.id)
    await expect(page.locator(".cb")).to_have_attribute("data-phase", "talking")
    await expect(page.locator("[data-act=hold]")).to_be_visible()
    # A reload in the call shows the call.
    shifted = await page.evaluate("window.shifts")
    await page.reload()
    await expect(page.locator("#who-name")).to_have_text("李雷先生")
    await expect(page.locator(".cb")).to_have_attribute("data-phase", "talking")
    house.desk.holders[call.id] = house.users["wang"].id
    await page.keyboard.press("h")
    await until(lambda: ("hold", house.users["wang"].id, call.id) in house.desk.orders)
    agent = board.steps(agent, AgentEvent.DISCONNECTED)
    await expect(page.locator(".cb")).to_have_attribute("data-phase", "wrap_up")
    await expect(page.locator(".cb [data-place=timer]")).to_have_text(re.compile("−0:[0-3]"))
    await expect(page.locator("#who-name")).to_have_text("李雷先生")
    house.desk.states[agent.id] = agent
    await page.locator(".cb [data-act=ready]").click()
    # The page shows it at once; the order follows.
    await expect(page.locator(".desk")).to_have_attribute("data-phase", "idle")
    await until(lambda: house.desk.states[agent.id].state is AgentState.READY)
    assert shifted == [], "the pop moved something"


async def test_who_shares_a_number_is_chosen_by_a_key_and_undone(
    page: Page, house: Office, board: Switchboard
) -> None:
    li, han = family(board)
    await sign_in(page, house, "wang")
    board.agent("wang")
    call = await board.call()
    await board.ring("wang", call)
    await expect(page.locator("#who-name")).to_have_text("请确认来电客户")
    await expect(page.locator(".people button")).to_have_count(2)
    second = await page.locator(".people button").nth(1).get_attribute("data-choose")
    await page.keyboard.press("2")
    await expect(page.locator("#who-name")).to_have_text("李雷先生" if second == li else "韩梅梅女士")
    await expect(page.locator("[data-place=who]")).to_contain_text("由王芳确认")

    def chosen() -> bool:
        row = house.database.read_now(lambda connection: calls.by_id(connection, call.id))
        return row is not None and (row.customer_id, row.explained) == (second, "agent")

    await until(chosen)
    assert {li, han} >= {second}


async def test_a_stranger_is_recorded_without_a_mouse_and_what_is_typed_survives(
    page: Page, house: Office, board: Switchboard
) -> None:
    await sign_in(page, house, "wang")
    agent = board.agent("wang")
    call = await board.call("13955556666")
    await board.ring("wang", call)
    board.steps(agent, AgentEvent.RANG, call_id=call.id)
    name = page.locator("#new-name")
    await expect(page.locator("#new-number")).to_have_value("139****6666")
    await name.focus()
    await page.keyboard.type("周杰")
    [cut] = house.live._clients
    cut.drop()  # the network is cut, and comes back
    await until(lambda: house.live.clients == 1 and cut not in house.live._clients)
    await expect(name).to_have_value("周杰")
    await page.reload()
    await expect(name).to_have_value("周杰")
    await page.locator("#new-plate").fill("nonsense")
    await name.focus()
    await page.keyboard.press("Control+s")
    await expect(page.locator("form [data-trouble]")).to_contain_text("不是有效的车牌号")
    await expect(name).to_have_value("周杰")
    await page.locator("#new-plate").fill("沪C66666")
    await page.keyboard.press("Control+s")
    await expect(page.locator("#who-name")).to_have_text("周杰")
    await expect(page.locator("[data-place=vehicles]")).to_contain_text("沪C66666")


async def test_what_a_caller_calls_himself_is_only_text(
    page: Page, house: Office, board: Switchboard, complaints: list[str]
) -> None:
    """S02: markup, marks that turn the line around, emoji, a kilobyte. A dialog would be a script that ran."""
    dialogs: list[str] = []
    page.on("dialog", lambda dialog: dialogs.append(dialog.message))
    await sign_in(page, house, "wang")
    board.agent("wang")
    markup = "<img src=x onerror=alert(1)><script>alert(2)</script>"
    names = {
        markup: markup,
        "\u202egnp.exe\u202c 李": "gnp.exe 李",
        "🚗 王 🚗": "🚗 王 🚗",
        "=cmd|'/c calc'!A0": "=cmd|'/c calc'!A0",
        "长" * 1024: "长" * 63 + "…",
    }
    for place, (name, shown) in enumerate(names.items()):
        call = await board.call(f"1395555000{place}", name=name)
        await board.ring("wang", call)
        await expect(page.locator(".quoted")).to_have_text(shown)
        await board.tell(FactKind.RING_MISSED, "wang", call)
        await expect(page.locator(".desk")).to_have_attribute("data-phase", "idle")
    assert await page.locator("[data-place=who] img, [data-place=who] script").count() == 0
    blocked = await page.evaluate(
        """() => new Promise((told) => {
          document.addEventListener("securitypolicyviolation", (event) => told(event.violatedDirective));
          const script = document.createElement("script");
          script.textContent = "window.ran = true";
          document.body.append(script);
        })"""
    )
    assert blocked.startswith("script-src")
    # The console is heard by another way than the page's answers.
    provoked = await until(lambda: [text for text in complaints if "violates the" in text])
    assert len(provoked) == 1
    complaints.remove(provoked[0])
    assert (await page.evaluate("window.ran"), dialogs) == (None, [])


async def test_two_pages_of_one_agent_show_the_same_and_one_missed_caller_has_one_owner(
    page: Page, house: Office, board: Switchboard
) -> None:
    """R26 (second tab), R28 (two claim at once: the second hears who has it)."""
    await sign_in(page, house, "wang")
    board.agent("wang")
    second = await page.context.new_page()
    await second.goto(f"{house.base}/desk")
    await expect(second.locator("#link")).to_have_attribute("data-state", "on")
    call = await board.call()
    await board.ring("wang", call)
    for one in (page, second):
        await expect(one.locator("#who-name")).to_have_text("新客户来电")
    await board.tell(FactKind.LEG_ENDED, "wang", call)
    for one in (page, second):
        await expect(one.locator(".desk")).to_have_attribute("data-phase", "idle")
    # Who is called back: the other agent takes what this page still offers; two clicks are one call.
    now = house.clock.now()
    tasks_of = [
        house.database.write_now(
            lambda connection, place=place: tasks.note_caller(
                connection,
                Caller(
                    kind=TaskKind.MISSED_CALL,
                    call_id=f"01MISSED{place}",
                    at=now,
                    due_at=now,
                    number=f"+861395555666{place}",
                ),
            )
        )
        for place in (1, 2)
    ]
    await page.reload()
    first, taken = (page.locator(f"[data-place=missed] [data-callback='{one}']") for one in tasks_of)
    await expect(taken).to_be_visible()
    zhao = house.users["zhao"].id
    house.database.write_now(lambda connection: tasks.claim_task(connection, tasks_of[1], zhao))
    await taken.click()
    await expect(page.locator("#notices")).to_contain_text("Zhao Min")
    await expect(taken).to_have_count(0)
    answered: list[str] = []
    page.on("response", lambda answer: answered.append(answer.url) if answer.url.endswith("/call") else None)
    clicked = asyncio.Event()
    claims: list[Route] = []

    async def when_clicked(route: Route) -> None:
        """Not before both clicks: the list that follows the first answer would take the button away.

        The second goes on when the first is long done: what makes them one is the click, not the answers.
        """
        claims.append(route)
        second = len(claims) == 2
        await clicked.wait()
        if second:
            await until(lambda: len(answered) == 1)
            await page.evaluate("{ const now = Date.now; Date.now = () => now.call(Date) + 10_000; }")
        await route.continue_()

    await page.route("**/claim", when_clicked)
    await first.dblclick()
    clicked.set()
    await until(lambda: len(answered) == 2)
    assert house.desk.dialed == ["+8613955556661"]


async def test_a_frozen_browser_is_gone_and_shows_the_ring_when_it_wakes(
    page: Page, house: Office, board: Switchboard, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R26: SIGSTOP on the whole browser, as a laptop that sleeps; its connections stay open without a word."""
    monkeypatch.setattr("web.live.GONE_SECONDS", 3.0)
    monkeypatch.setattr("web.presence.GONE_SECONDS", 3.0)
    monkeypatch.setattr("web.live.ASK_SECONDS", 0.5)
    assert GONE_SECONDS < 10
    await sign_in(page, house, "wang")
    agent = board.agent("wang")
    wang = house.users["wang"].id
    await until(lambda: wang in house.live.presence.seen and house.live.presence.seen[wang].here)
    children = _processes_of_chromium()
    _send(children, signal.SIGSTOP)
    try:
        await until(lambda: not house.live.presence.seen[wang].here)
        await until(lambda: house.live.clients == 0)  # its stream is closed, so nothing waits for it
        call = await board.call("13955556666")
        await board.ring("wang", call)
        board.steps(agent, AgentEvent.RANG, call_id=call.id)
    finally:
        _send(children, signal.SIGCONT)
    await expect(page.locator("#who-name")).to_have_text("新客户来电")
    await until(lambda: house.live.presence.seen[wang].here)


def _send(processes: list[int], number: signal.Signals) -> None:
    for process in processes:
        with contextlib.suppress(ProcessLookupError):  # a helper of the browser that had done its work
            os.kill(process, number)


def _processes_of_chromium() -> list[int]:
    """The browser this test started and all its children: those below our own process."""
    listed = subprocess.run(["ps", "-eo", "pid=,ppid=,comm="], capture_output=True, text=True, check=True)
    below: dict[int, list[tuple[int, str]]] = {}
    for line in listed.stdout.splitlines():
        pid, parent, name = line.split(maxsplit=2)
        below.setdefault(int(parent), []).append((int(pid), name))
    found, waiting = [], [os.getpid()]
    while waiting:
        for pid, name in below.get(waiting.pop(), []):
            waiting.append(pid)
            if "chrom" in name:
                found.append(pid)
    return found


async def test_states_and_keys_work_without_a_mouse_and_are_told_under_the_question_mark(
    page: Page, house: Office, board: Switchboard
) -> None:
    await sign_in(page, house, "wang")
    agent = board.agent("wang", AgentState.SIGNED_OUT)
    house.desk.states[agent.id] = agent
    await expect(page.locator(".mine [data-act=sign-in]")).to_be_visible()
    await page.keyboard.press("s")
    await expect(page.locator("[data-place=state]")).to_have_text("就绪")
    await until(lambda: house.desk.states[agent.id].state is AgentState.READY)
    await page.keyboard.press("p")
    await expect(page.locator("select[data-act=pause]")).to_be_focused()
    await page.locator("select[data-act=pause]").select_option("meal")
    await expect(page.locator("[data-place=state]")).to_have_text("小休")
    await expect(page.locator("[data-place=state-more]")).to_contain_text("用餐")
    await until(lambda: house.desk.states[agent.id].reason == "meal")
    await page.locator("body").click(position={"x": 700, "y": 880})
    await page.keyboard.press("?")
    for words in ("就绪", "保持", "转接", "接听", "选择客户"):
        await expect(page.locator("#keys")).to_contain_text(words)
    await page.keyboard.press("Escape")
    # A refusal takes the guess back and says why: the service knows of a call this page has not heard of.
    house.desk.states[agent.id] = replace(
        house.desk.states[agent.id], state=AgentState.RINGING, call_id="01X"
    )
    await page.locator(".mine [data-act=ready]").click()
    await expect(page.locator("#notices .trouble, #notices [data-kind=trouble]")).to_be_visible()
    await expect(page.locator("[data-place=state]")).to_have_text("小休")


async def test_in_a_call_the_keys_are_the_calls(page: Page, house: Office, board: Switchboard) -> None:
    """Over a list that has the same keys, held down, and between two people."""
    board.customer("李雷", "+8613812345678")
    await sign_in(page, house, "wang")
    agent = board.agent("wang")
    call = await board.call()
    await board.ring("wang", call)
    await board.tell(FactKind.CONNECTED, "wang", call, queue="service")
    agent = board.steps(agent, AgentEvent.RANG, AgentEvent.CONNECTED, call_id=call.id)
    wang = house.users["wang"].id
    house.desk.holders[call.id] = wang
    house.desk.states[agent.id] = agent
    zhao = board.agent("zhao")
    house.desk.states[zhao.id] = zhao
    await expect(page.locator("[data-act=hold]")).to_be_visible()
    await expect(page.locator("[data-part=form] .ac-form")).to_be_visible()
    await page.locator("#who-name").click()
    await page.keyboard.down("h")
    await page.keyboard.down("h")  # the keyboard repeats it
    await page.keyboard.up("h")
    await until(lambda: ("hold", wang, call.id) in house.desk.orders)
    await page.keyboard.press("t")
    await expect(page.locator(".cb-targets li").first).to_contain_text("Zhao Min")
    ways = page.locator(".cb-targets li").first.locator("button")
    await expect(ways).to_have_text(["先咨询再转", "三方通话", "直接转接"])
    outside = page.locator(".cb-targets li", has_text="钣喷车间")
    await expect(outside).to_contain_text("外线部门")
    await page.locator(".cb-targets [data-how=consult]").first.click()
    await expect(page.locator("[data-act=complete]")).to_be_visible()
    # She answers: the two can become three, which the bar says on both pages.
    zhao = board.steps(zhao, AgentEvent.RANG, AgentEvent.CONNECTED, call_id=call.id)
    await expect(page.locator("[data-place=company]")).to_contain_text("Zhao Min")
    await expect(page.locator("[data-act=conference]")).to_be_visible()  # her name stood there before
    await page.keyboard.press("j")
    await until(lambda: ("conference", wang, call.id) in house.desk.orders)
    await expect(page.locator("[data-place=phase]")).to_have_text("三方通话")
    await expect(page.locator("[data-act=leave]")).to_be_visible()
    board.steps(zhao, AgentEvent.DISCONNECTED)
    await expect(page.locator("[data-act=leave]")).to_be_hidden()
    await page.keyboard.press("t")
    await page.locator(".cb-targets [data-how=consult]").first.click()
    await expect(page.locator("[data-act=complete]")).to_be_visible()
    await page.keyboard.press("Control+Enter")
    await until(lambda: ("complete-transfer", wang, call.id) in house.desk.orders)
    words = [order[0] for order in house.desk.orders]
    assert words.count("hold") == 1, words
    filed = house.database.read_now(
        lambda connection: connection.exec_driver_sql("SELECT count(*) FROM registrations").scalar_one()
    )
    assert filed == 0
    agent = board.steps(agent, AgentEvent.DISCONNECTED)
    house.desk.states[agent.id] = agent
    customer = house.database.read_now(
        lambda connection: matching.find_by_number(connection, "+8613812345678")[0].customer_id
    )
    await page.goto(f"{house.base}/customers/{customer}")
    await expect(page.locator("[data-act=extend]")).to_be_visible()
    await page.keyboard.press("e")
    await until(lambda: house.desk.states[agent.id].wrapup_until != agent.wrapup_until)
    assert page.url.endswith(f"/customers/{customer}"), "the editor was not asked for"


async def test_a_call_can_be_filed_as_soon_as_the_log_says_whose_it_is(
    page: Page, house: Office, board: Switchboard
) -> None:
    """However long the disk takes for that."""
    board.customer("李雷", "+8613812345678")
    await sign_in(page, house, "wang")
    agent = board.agent("wang")
    call = await board.call()
    asked: list[str] = []
    page.on("response", lambda one: asked.append(one.url) if one.url.endswith("/panel") else None)
    await board.ring("wang", call)
    part = page.locator("#desk-right [data-part=form]")
    await expect(part).to_contain_text("接听后")
    asked.clear()
    await board.tell(FactKind.CONNECTED, "wang", call, stored=False, queue="service")
    board.steps(agent, AgentEvent.RANG, AgentEvent.CONNECTED, call_id=call.id)
    await expect(page.locator(".cb")).to_have_attribute("data-phase", "talking")
    await until(lambda: len(asked) == 6)  # it does not ask for ever
    await expect(part).to_contain_text("接听后")
    await board.tell(FactKind.CONNECTED, "wang", call, queue="service")
    written = house.journal.live(call.id)
    assert written is not None
    house.live.call_changed(written)
    await expect(part.locator(".ac-form")).to_be_visible()


async def test_a_filing_that_is_heard_late_leaves_the_next_call_its_place(
    page: Page, house: Office, board: Switchboard
) -> None:
    """The service makes the agent free as it files; another caller may ring before the page has its answer."""
    house.database.write_now(lambda connection: seed(connection, house.clock.now()))
    board.customer("李雷", "+8613812345678")
    await sign_in(page, house, "wang")
    call = await board.call()
    await board.ring("wang", call)
    await board.tell(FactKind.CONNECTED, "wang", call, queue="service")
    agent = board.steps(board.agent("wang"), AgentEvent.RANG, AgentEvent.CONNECTED, call_id=call.id)
    await expect(page.locator("[name=summary]")).to_be_visible()
    house.desk.states[agent.id] = board.steps(agent, AgentEvent.DISCONNECTED)
    await board.tell(FactKind.LEG_ENDED, "wang", call)
    await page.fill("[name=summary]", "已说明保养项目")
    await page.select_option("[name=reason]", index=1)
    await page.select_option("[name=disposition]", "answered")
    filed, told = asyncio.Event(), asyncio.Event()

    async def late(route: Route) -> None:
        answer = await route.fetch()
        filed.set()
        await told.wait()
        await route.fulfill(response=answer)

    await page.route("**/registration", late)
    await page.keyboard.press("Control+Enter")
    await filed.wait()
    await until(lambda: house.desk.states[agent.id].state is AgentState.READY)
    other = await board.call("13955556666")
    await board.ring("wang", other)
    await expect(page.locator("#who-name")).to_have_text("新客户来电")
    right = page.locator("#desk-right [data-part=form]")
    await expect(right).to_contain_text("接听后")
    told.set()
    await expect(page.locator("#notices")).to_contain_text("已登记")
    await expect(right).to_contain_text("接听后")
    await expect(page.locator(".ac-filed")).to_have_count(0)
