"""The telephone in the page: a real Chromium, a real Asterisk, a customer whose sound is counted on her side."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from fixtures_house import House, a_house, until
from fixtures_seats import CHROMIUM, Seat, Seats, a_browser
from playwright.async_api import Route, expect

from config.site import SiteError
from lab.customers import Stay, Step
from lab.world import Placed
from storage import users
from storage.database import Database
from telephony.phones import PhoneKind

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: install chromium"),
    pytest.mark.asterisk,
    pytest.mark.slow,
    pytest.mark.asyncio(loop_scope="module"),
]

QUEUE = {"ring_seconds": 60, "missed_before_pause": 0, "wrapup_seconds": 1, "rating": False}
SETTINGS = {
    "telephony": {
        "queues": dict.fromkeys(("service", "sales", "complaints", "roadside"), QUEUE),
        "browser_phone": {"reload_seconds": 20},
    }
}
#: Every key that is sent; "" when the last of them is over.
TONES = """() => {
  window.tones = [];
  const { dtmf } = lines.at(-1).getSenders().find((one) => one.dtmf);
  dtmf.addEventListener("tonechange", (event) => window.tones.push(event.tone));
}"""
WAITS: tuple[Step, ...] = (Stay(seconds=600, speaks=True),)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house() -> AsyncIterator[House]:
    async with a_house(SETTINGS, agents=(), straight="sales") as built:
        yield built


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def seats(house: House) -> AsyncIterator[Seats]:
    async with a_browser(house) as browser:
        yield browser


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def li(seats: Seats) -> Seat:
    """agent1 at her page, registered; she takes calls when a test says so."""
    seat = await seats.take("agent1")
    await seat.line("ready")
    return seat


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def wang(seats: Seats) -> Seat:
    """agent2, her colleague."""
    return await seats.take("agent2")


@pytest_asyncio.fixture(loop_scope="module", autouse=True)
async def nobody_left(house: House) -> AsyncIterator[None]:
    """Whatever a test did, its calls are over."""
    yield
    for call in (await house.site.get("/calls", scope="open"))["items"]:
        for person in ("supervisor", "agent1", "agent2"):
            with contextlib.suppress(SiteError):
                await house.site.post(f"/calls/{call['id']}/hang-up", {"agent_id": house.person(person).id})

    async def quiet() -> bool:
        return not (await house.site.get("/calls", scope="open", limit="1"))["items"]

    await until(quiet, saying="a call that never ended")
    for person in ("agent1", "agent2"):  # whoever a failed test left in the queues takes nobody's call

        async def left(person: str = person) -> bool:
            if await house.agent_state(person) == "signed_out":
                return True
            with contextlib.suppress(SiteError):  # on a call whose end the service has not heard of yet
                await house.site.post(f"/agents/{house.person(person).id}/sign-out")
            return False

        await until(left, saying=f"{person} never signed out")


async def on_duty(seat: Seat) -> None:
    """In all queues, free, with the telephone of the page."""
    endpoint = seat.person.phone(PhoneKind.BROWSER).endpoint
    if await seat.house.agent_state(seat.person.login) == "signed_out":
        await seat.house.site.post(f"/agents/{seat.person.id}/sign-in", {"phone": endpoint})
    await seat.state("ready")
    await seat.line("ready")


async def off_duty(seat: Seat) -> None:
    await seat.state("ready", "wrap_up", "paused", "signed_out")
    if await seat.house.agent_state(seat.person.login) != "signed_out":
        await seat.house.site.post(f"/agents/{seat.person.id}/sign-out")


async def rings(house: House, seat: Seat, caller: str) -> Placed:
    placed = await house.call(caller=caller, steps=WAITS)
    await seat.line("ringing")
    return placed


async def talks(house: House, seat: Seat, caller: str) -> tuple[Placed, dict[str, Any]]:
    """A customer in conversation with this page."""
    await on_duty(seat)
    placed = await rings(house, seat, caller)
    await seat.press("answer")
    await seat.line("talking")
    return placed, await house.state_of(placed, "talking")


async def shows(seat: Seat, phase: str) -> None:
    """What *hold* does from now on: takes the customer back where he is held, else puts him on hold."""
    await expect(seat.page.locator(".cb")).to_have_attribute("data-phase", phase)


async def hold_makes(phase: str, house: House, seat: Seat, placed: Placed) -> None:
    """Pressed, the customer is `held` or `talking`, and the page knows."""
    await seat.press("hold")
    await house.state_of(placed, phase)
    await shows(seat, phase)


async def handed_to(house: House, placed: Placed, seat: Seat) -> dict[str, Any]:
    """The row, once the customer's talk is this person's: who has it follows the sound."""

    async def look() -> Any:
        row = await house.row_of(placed)
        return row if row["state"] == "talking" and row["agent_id"] == seat.person.id else None

    return await until(look, saying=f"never {seat.person.login}'s")  # type: ignore[no-any-return]


async def counted(house: House) -> tuple[int, int]:
    """Packets the customer's side received and sent, as her own Asterisk counts them."""
    table = await house.lab.network.ami.command("pjsip show channelstats")
    for line in table.splitlines():
        found = re.search(r"\d\d:\d\d:\d\d\s+\S+\s+(\d+)\s+\d+\s+\d+\s+[\d.]+\s+(\d+)", line)
        if found:
            return int(found[1]), int(found[2])
    raise AssertionError(f"no channel in\n{table}")


async def test_a_call_from_ring_to_end(house: House, li: Seat) -> None:
    """Answered, heard both ways, held, muted, keyed and ended from here; the INVITE says which call it is.

    Hold is the service's: music for the customer. Muted means silence on the way. Keys reach the other side.
    """
    placed, row = await talks(house, li, "13918005001")
    await li.hears()

    async def both_ways() -> bool:
        received, sent = await counted(house)
        return received > 20 and sent > 20

    await until(both_ways, saying="the customer's side counted no sound")
    assert (await li.stats())["dtls"] == "connected"
    assert row["agent_id"] == li.person.id

    async def judged() -> bool:
        word = "document.querySelector('[data-slot=line]').dataset.quality"
        return await li.page.evaluate(word) in ("good", "weak", "bad")  # a busy machine is a weak line

    await until(judged, saying="the line was never judged")
    await hold_makes("held", house, li, placed)
    await hold_makes("talking", house, li, placed)
    await li.hears()
    await li.press("mute")
    tracks = "lines.at(-1).getSenders().map((one) => one.track?.enabled)"

    async def sends(wanted: bool) -> bool:
        return bool(await li.page.evaluate(tracks) == [wanted])

    await until(lambda: sends(False), saying="the microphone was never off")
    await expect(li.page.locator("[data-slot=line] .ph-words")).to_contain_text("静音")
    await li.press("mute")
    await until(lambda: sends(True), saying="the microphone was never on again")
    # Another microphone in the middle of the call: another track on the same line, and both still hear.
    track = "lines.at(-1).getSenders().find((one) => one.track?.kind === 'audio').track.id"
    before, lines = await li.page.evaluate(track), await li.page.evaluate("lines.length")
    await li.page.evaluate(
        "document.dispatchEvent(new CustomEvent('careline:device', { detail: 'microphone' }))"
    )

    async def changed() -> bool:
        return bool(await li.page.evaluate(track) != before)

    await until(changed, saying="the microphone was never changed")
    await li.hears()
    assert await li.page.evaluate("lines.length") == lines
    await li.page.evaluate(TONES)
    await li.press("keys")
    for key in "15#":
        await li.page.click(f'[data-dialog="keys"] [data-key="{key}"]')
    await li.page.keyboard.press("Escape")

    async def keyed() -> bool:
        tones = await li.page.evaluate("window.tones")
        return "".join(tones) == "15#" and tones[-1] == ""

    await until(keyed, saying="the keys were never sent")
    heard = house.lab.book.find(placed.id)
    assert heard is not None
    # They go through two Asterisks; the end of the call may overtake the last.
    await until(lambda: len(heard.keys) >= 3, saying="the keys never came to the customer")
    await li.press("hang_up")
    assert (await placed.ended()).keys_heard == "15#"
    await li.line("ready")
    ended = await house.state_of(placed, "ended")
    assert ended["outcome"] == "answered"
    assert ended["hold_seconds"] > 0
    await li.state("ready")


async def test_a_reload_in_a_call_costs_a_moment_of_music(house: House, li: Seat) -> None:
    """The same call goes on with the same agent: no wrap-up, no second row, and both hear each other again."""
    placed, row = await talks(house, li, "13918005003")
    began = time.monotonic()
    await li.hears()
    await li.page.reload()
    held = await house.state_of(placed, "held", "talking")
    await li.line("talking")
    await li.hears()
    again = await house.state_of(placed, "talking")
    assert again["id"] == held["id"] == row["id"]
    assert again["agent_id"] == li.person.id
    states = [
        one["state"]
        for one in house.rows(
            "SELECT state FROM agent_changes WHERE user_id = ? AND at >= ? ORDER BY id",
            li.person.id,
            row["started_at"],
        )
    ]
    assert "wrap_up" not in states
    # What one can do with a call can be done with this one.
    await shows(li, "talking")
    await hold_makes("held", house, li, placed)
    await hold_makes("talking", house, li, placed)
    # A page that is loaded again with the customer on hold is rung to take him back, and answers by itself.
    await hold_makes("held", house, li, placed)
    await li.page.reload()
    await li.line("ready")
    await shows(li, "held")
    await li.press("hold")
    await li.line("talking")
    await li.hears()
    await li.press("hang_up")
    await placed.ended()
    ended = await house.state_of(placed, "ended")
    assert ended["outcome"] == "answered"
    assert 0 < ended["hold_seconds"] < time.monotonic() - began
    assert len(house.rows("SELECT id FROM calls WHERE raw_number = ?", placed.customer.caller)) == 1
    await li.state("ready")


async def test_a_page_that_does_not_come_back_gives_the_customer_to_the_queue(
    house: House, li: Seat, wang: Seat
) -> None:
    """He waited as long as the settings say, then the next agent has the same call."""
    await off_duty(li)
    placed, row = await talks(house, wang, "13918005004")
    await on_duty(li)
    await wang.page.close()
    await house.state_of(placed, "held")
    await li.line("ringing")
    await li.press("answer")
    await li.line("talking")
    taken = await handed_to(house, placed, li)
    assert taken["id"] == row["id"]
    assert taken["transfers"] == "blind:left"
    await placed.hang_up()
    await li.line("ready")
    await wang.state("wrap_up", "ready")
    await off_duty(wang)
    await wang.open_again()


async def test_a_consulted_colleague_takes_the_customer_in_her_page(
    house: House, li: Seat, wang: Seat
) -> None:
    """Attended: they talk first, then she has the customer; everybody hears what he should."""
    await wang.line("ready")
    placed, row = await talks(house, li, "13918005005")
    await on_duty(wang)
    await li.hand_to(wang.person.name, "consult")
    await wang.line("ringing")
    await wang.press("answer")
    await wang.line("talking")
    await wang.hears()
    await li.press("complete")
    await li.line("ready")
    await wang.hears()
    taken = await handed_to(house, placed, wang)
    assert taken["id"] == row["id"]
    assert "attended" in taken["transfers"]
    await placed.hang_up()
    await wang.line("ready")
    await li.state("ready")
    await off_duty(wang)


async def answers_by_itself(seat: Seat) -> None:
    """As where the house's settings say `auto_answer`: the page is given them with its telephone."""

    async def wished(route: Route) -> None:
        answer = await route.fetch()
        await route.fulfill(response=answer, json={**await answer.json(), "auto_answer": True})

    await seat.page.route("**/api/v1/desk/phone", wished)
    await seat.page.reload()
    await seat.line("ready")


async def test_three_talk_in_a_conference_and_the_customer_stays_with_who_stays(
    house: House, li: Seat, wang: Seat
) -> None:
    """Invited from the directory; her page answers by itself. Who called her in leaves, and the call is hers."""
    placed, row = await talks(house, li, "13918005010")
    await on_duty(wang)
    await answers_by_itself(wang)
    await li.hand_to(wang.person.name, "conference")
    await wang.line("talking")
    await expect(li.page.locator('[data-place="phase"]')).to_have_text("三方通话")
    await expect(li.page.locator('[data-place="company"]')).to_contain_text(wang.person.name)
    await expect(wang.page.locator('[data-place="company"]')).to_contain_text(li.person.name)
    await expect(wang.page.locator('[data-act="hang_up"]')).to_be_hidden()
    await wang.hears()
    await li.hears()
    await li.press("leave")
    await li.line("ready")
    await expect(wang.page.locator('[data-act="hang_up"]')).to_be_visible()
    await wang.hears()
    assert (await handed_to(house, placed, wang))["id"] == row["id"]
    await placed.hang_up()
    await wang.line("ready")
    await wang.page.unroute("**/api/v1/desk/phone")
    await wang.page.reload()
    await li.state("ready")
    await off_duty(wang)


async def test_a_second_page_says_elsewhere_and_takes_the_call_over(house: House, li: Seat) -> None:
    """One page holds the telephone. A page that takes over in a call gets the call, too."""
    placed, row = await talks(house, li, "13918005006")
    second = await li.context.new_page()
    other = Seat(house=house, person=li.person, page=second, context=li.context, browser=li.browser)
    await second.goto(f"{house.site.url}/desk")
    await other.line("elsewhere")
    await second.click("[data-slot=line] .ph-act")
    await other.line("talking")
    await other.hears()
    await li.line("elsewhere")
    assert (await house.state_of(placed, "talking"))["id"] == row["id"]
    await placed.hang_up()
    await other.line("ready")
    await second.close()
    await li.line("ready")  # the telephone comes back by itself where nobody else has it


async def test_a_refused_microphone_is_said_and_nothing_rings(house: House, seats: Seats) -> None:
    """Once it is allowed the telephone connects by itself."""
    seat = await seats.take("supervisor", microphone="denied")
    await seat.line("failed")
    assert await seat.words() == "浏览器未允许使用麦克风"
    assert "重试" in (await seat.page.get_attribute("[data-slot=line] .ph-words", "title") or "")
    await seat.let_microphone("granted")
    await seat.line("ready")
    await seat.context.close()


async def test_another_sites_page_gets_no_telephone(house: House, li: Seat) -> None:
    """A foreign Origin, or none: 403 before anything reaches the switch; no session: 401."""
    cookies = {one["name"]: one["value"] for one in await li.context.cookies()}
    address = f"{house.site.url}/phone/ws?page=p1"
    upgrade = {
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Protocol": "sip",
    }
    async with aiohttp.ClientSession(cookies=cookies) as mine, aiohttp.ClientSession() as stranger:
        for session, origin, status in (
            (mine, "https://evil.example", 403),
            (mine, None, 403),
            (stranger, house.site.url, 401),
        ):
            headers = upgrade | ({"Origin": origin} if origin else {})
            async with session.get(address, headers=headers) as answer:
                assert answer.status == status, (origin, await answer.text())
        for secret in (mine, stranger):
            async with secret.post(f"{house.site.url}/api/v1/desk/phone", json={}) as answer:
                assert answer.status in (401, 403)


async def test_a_disabled_users_telephone_is_gone_within_five_seconds(house: House, seats: Seats) -> None:
    """S07: her page is told, and Asterisk does not know her telephone any more.

    The gate's own share of the five seconds is in test_phone_gate.py; here a loaded machine has longer.
    """
    manager = await seats.take("manager")
    await manager.line("ready")
    database = Database(house.site.settings.database_url, readers=1, writers=1)
    try:
        now = datetime.now(UTC)
        database.write_now(lambda connection: users.disable_user(connection, manager.person.id, now=now))
    finally:
        database.close()

    async def out() -> bool:
        return "/login" in manager.page.url

    await until(out, saying="the page of a disabled user stayed")
    endpoint = manager.person.phone(PhoneKind.BROWSER).endpoint
    rendered = house.site.settings.data / "asterisk" / "etc" / "pjsip.conf"

    async def unknown() -> bool:
        return endpoint not in rendered.read_text()

    await until(unknown, saying="Asterisk still knows the telephone")
    await manager.context.close()


async def test_the_telephone_goes_on_working_while_the_service_is_away(house: House, li: Seat) -> None:
    """kill -9 of the service: the page goes to Asterisk by itself, the fallback queue rings it, and both hear."""
    await on_duty(li)
    before = len(li.sockets)
    await house.site.kill("service")
    try:

        async def elsewhere() -> bool:
            return len(li.sockets) > before

        await until(elsewhere, saying="the page never looked for another line")
        await li.line("ready")
        placed = await house.call(caller="13918005009", steps=WAITS)
        await li.line("ringing")
        await li.press("answer")
        await li.line("talking")
        await li.hears()
        await li.press("hang_up")
        await placed.ended()
        await li.line("ready")
    finally:
        await house.site.start_service()


async def test_s20_a_double_click_on_a_number_is_one_call_in_the_page(house: House, li: Seat) -> None:
    """The page answers its own call by itself; the number outside is rung once."""
    # A page that went past the gate goes back to it a minute later, whatever it does then.
    await li.page.reload()
    await li.line("ready")
    await li.page.evaluate(
        """() => {
          const number = document.createElement("button");
          number.dataset.dial = "138 0013 8000";
          number.id = "number";
          number.textContent = "138 0013 8000";
          document.querySelector("#main").prepend(number);
        }"""
    )
    await li.page.dblclick("#number")
    await li.line("talking")

    async def dialed() -> bool:
        return bool(house.rows("SELECT id FROM calls WHERE direction = 'outbound' AND state = 'talking'"))

    await until(dialed, saying="the number outside never answered")
    assert len(house.rows("SELECT id FROM calls WHERE direction = 'outbound'")) == 1
    await li.press("hang_up")
    await li.line("ready")
