"""The screen pop of one agent: to his pages only, through whatever breaks, and what he says about the caller.

R26, R27, R28, R37, R38 of reliability.md over the real server, stores and journal; the browser's part is in
tests/acceptance/test_desk_page.py.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from aiohttp import ClientError, ClientResponse
from fixtures_desk import Switchboard
from fixtures_web import Browser, Office, OfficeMaker, until
from sqlalchemy import Connection

from access.permissions import Role
from access.users import Principal, Via
from crm.records.vehicles import Role as Part
from crm.screenpop import DueRules, Pop
from crm.tasks.tasks import Caller, TaskKind
from storage import audit, calls, customers, matching, tasks, vehicles
from storage.database import Database
from storage.screenpop import read_pop
from storage.tables import metadata
from telephony.agents import AgentEvent, AgentState
from telephony.calls import Call, CallId, CallState, Direction
from telephony.clock import Clock
from telephony.facts import FactKind
from telephony.numbers import E164
from web.app import make_app
from web.presence import GONE_SECONDS
from web.server import WebServer


class Stream:
    """What one page's stream says."""

    def __init__(self, answer: ClientResponse) -> None:
        self.answer = answer
        self._said = b""
        self._task = asyncio.create_task(self._read())

    async def _read(self) -> None:
        with contextlib.suppress(Exception):
            async for part in self.answer.content.iter_any():
                self._said += part

    @property
    def text(self) -> str:
        """What came in whole: a part may end in the middle of an event, even of a letter."""
        return self._said.rpartition(b"\n\n")[0].decode()

    def events(self, kind: str) -> list[dict[str, Any]]:
        found = []
        for block in self.text.split("\n\n"):
            lines = dict(line.partition(": ")[::2] for line in block.splitlines())
            if lines.get("event") == kind:
                found.append(json.loads(lines["data"]))
        return found

    @property
    def last_id(self) -> str:
        return [line[4:] for line in self.text.splitlines() if line.startswith("id: ")][-1]

    async def close(self) -> None:
        self._task.cancel()
        self.answer.close()
        await asyncio.gather(self._task, return_exceptions=True)


async def stream(browser: Browser, **more: Any) -> Stream:
    answer = await browser.session.get(f"{browser.base}/api/v1/live", **more)
    assert answer.status == 200
    return Stream(answer)


@pytest.fixture
async def office(make_office: OfficeMaker) -> Office:
    office = await make_office()
    office.add_user("wang", Role.AGENT, name="王芳")
    office.add_user("zhao", Role.AGENT, name="赵敏", language="en")
    office.add_user("chen", Role.SUPERVISOR, name="陈静")
    return office


@pytest.fixture
def board(office: Office) -> Switchboard:
    board = Switchboard(office)
    board.own_phone("wang")
    board.own_phone("zhao")
    return board


async def test_a_ring_reaches_the_pages_of_that_agent_and_no_other_stream(
    office: Office, board: Switchboard
) -> None:
    li = board.customer("李雷", "+8613812345678", plate="沪A12345", key_account=True)
    browsers = {login: await office.signed_in(login) for login in ("wang", "zhao", "chen")}
    streams = {login: await stream(browser) for login, browser in browsers.items()}
    second_tab = await stream(browsers["wang"])
    call = await board.call(keys="main=1")
    await board.ring("wang", call)
    await until(lambda: bool(streams["wang"].events("pop")) and bool(second_tab.events("pop")))
    pop = streams["wang"].events("pop")[0]
    assert (pop["call_id"], pop["kind"], pop["customer_id"]) == (call.id, "known", li)
    assert "李雷先生" in pop["html"]["who"]
    assert "大客户" in pop["html"]["who"]
    assert "沪A12345" in pop["html"]["vehicles"]
    assert "预约保养" in pop["html"]["why"]
    assert "138****5678" in pop["html"]["who"]
    assert "13812345678" not in streams["wang"].text, "an agent sees masked numbers"
    await board.tell(FactKind.RING_MISSED, "wang", call)
    await until(lambda: bool(streams["wang"].events("pop_end")))
    assert streams["wang"].events("pop_end") == [{"call_id": call.id, "why": "missed"}]
    for login in ("zhao", "chen"):
        assert not streams[login].events("pop") + streams[login].events("pop_end")
        assert "李雷" not in streams[login].text
    for one in (*streams.values(), second_tab):
        await one.close()


async def test_a_ring_is_shown_before_its_facts_are_stored_but_never_without_a_row(
    office: Office, board: Switchboard
) -> None:
    page = await stream(await office.signed_in("wang"))
    call = await board.call()
    await board.ring("wang", call, stored=False)
    await until(lambda: bool(page.events("pop")))
    stored = office.database.read_now(lambda connection: calls.by_id(connection, call.id))
    assert stored is not None, "somebody may act on it"
    ringing = board.fact(FactKind.RINGING, "careline-1.1", endpoint="pwang", agent=office.users["wang"].id)
    office.pops.heard([ringing])
    await asyncio.sleep(0)
    assert len(page.events("pop")) == 1, "a call nobody stored is not shown"
    await office.journal.record(
        board.fact(
            FactKind.LEG_STARTED, "careline-1.1", caller="13900000000", trunk=True, called="4008001234"
        ),
        ringing,
    )
    await until(lambda: len(page.events("pop")) == 2)
    await page.close()


async def test_a_transfer_ends_the_pop_of_one_and_begins_it_at_the_other(
    office: Office, board: Switchboard
) -> None:
    first = await stream(await office.signed_in("wang"))
    second = await stream(await office.signed_in("zhao"))
    call = await board.call()
    await board.ring("wang", call)
    await until(lambda: bool(first.events("pop")))  # a ring that ends before it could be shown is not shown
    await board.tell(FactKind.LEG_ENDED, "wang", call)
    await board.ring("zhao", call)
    await until(lambda: bool(second.events("pop")) and bool(first.events("pop_end")))
    assert len(first.events("pop")) == 1
    assert "New caller" in second.events("pop")[0]["html"]["who"], "each in his own language"
    assert not second.events("pop_end")
    await first.close()
    await second.close()


@pytest.mark.parametrize("busy", [AgentState.ON_CALL, AgentState.WRAP_UP])
async def test_a_second_call_leaves_the_person_on_the_page(
    office: Office, board: Switchboard, busy: AgentState
) -> None:
    """Until the first one is over: a ring that goes on is shown then."""
    browser = await office.signed_in("wang")
    page = await stream(browser)
    first, second, third = (
        await board.call(),
        await board.call("13955556666"),
        await board.call("13955557777"),
    )
    await board.ring("wang", first)
    await board.tell(FactKind.CONNECTED, "wang", first, queue="service")
    agent = board.agent("wang", busy, call_id=first.id)
    await until(lambda: bool(page.events("pop")))
    await board.ring("wang", second)
    await board.tell(FactKind.RING_MISSED, "wang", second)
    await board.ring("wang", third)
    await asyncio.sleep(0.05)
    assert {one["call_id"] for one in page.events("pop")} == {first.id}
    assert not page.events("pop_end")
    now = await (await browser.get("/api/v1/desk/now")).json()
    assert now["pop"]["call_id"] == first.id
    if busy is AgentState.ON_CALL:
        agent = board.steps(agent, AgentEvent.DISCONNECTED)
    board.steps(agent, AgentEvent.WRAPPED_UP)
    await until(lambda: page.events("pop")[-1]["call_id"] == third.id)
    await board.tell(FactKind.RING_MISSED, "wang", third)
    await until(lambda: page.events("pop_end") == [{"call_id": third.id, "why": "missed"}])
    await page.close()


async def test_the_state_comes_back_after_a_lost_network_a_reload_and_a_restart(
    office: Office, board: Switchboard
) -> None:
    """R26: by the last id, and whole by one question."""
    browser = await office.signed_in("wang")
    page = await stream(browser)
    agent = board.agent("wang")
    await until(lambda: bool(page.events("state")))
    last = page.last_id
    await page.close()
    call = await board.call()
    await board.ring("wang", call)
    agent = board.steps(agent, AgentEvent.RANG, call_id=call.id)
    again = await stream(browser, headers={"Last-Event-ID": last})
    await until(lambda: bool(again.events("pop")))
    now = await (await browser.get("/api/v1/desk/now")).json()
    assert (now["phase"], now["pop"]["call_id"], now["agent"]["state"]) == ("ringing", call.id, "ringing")
    html = await (await browser.get("/desk")).text()
    assert call.id in html
    # A new process knows no rings: the rows and the switch say it again.
    office.pops.rings._rings.clear()
    office.pops._shown.clear()
    office.pops.resume([agent], ["pwang"], office.clock.now())
    now = await (await browser.get("/api/v1/desk/now")).json()
    assert (now["phase"], now["pop"]["call_id"]) == ("ringing", call.id)
    # The same question by anybody else says nothing of it.
    other = await (await (await office.signed_in("zhao")).get("/api/v1/desk/now")).json()
    assert (other["phase"], other["pop"], other["call"]) == ("idle", None, None)
    board.steps(agent, AgentEvent.CONNECTED, AgentEvent.DISCONNECTED, call_id=call.id)
    now = await (await browser.get("/api/v1/desk/now")).json()
    assert (now["phase"], now["pop"]["call_id"]) == ("wrap_up", call.id)
    await again.close()


async def test_a_page_that_dies_without_a_word_is_gone_for_the_supervisor_within_ten_seconds(
    office: Office, board: Switchboard, monkeypatch: pytest.MonkeyPatch
) -> None:
    """R26. The clock of the look is ours: nobody waits nine seconds here."""
    watching = await stream(await office.signed_in("chen"))
    browser = await office.signed_in("wang")
    page = await stream(browser)
    await until(lambda: bool(page.events("ping")))
    assert (await browser.post("/api/v1/desk/here", page.events("ping")[0])).status == 200
    await until(lambda: bool(watching.events("presence")))
    loop = asyncio.get_running_loop()
    real = loop.time
    monkeypatch.setattr("web.live.asyncio.get_running_loop", lambda: _Later(loop, real, GONE_SECONDS + 0.1))
    office.live._sweepers[1].cancel()
    looking = asyncio.create_task(office.live._look())
    await until(lambda: len(watching.events("presence")) == 2)
    looking.cancel()
    monkeypatch.undo()
    wang = office.users["wang"].id
    assert watching.events("presence") == [{"id": wang, "here": True}, {"id": wang, "here": False}]
    await until(lambda: page.answer.content.at_eof() or page._task.done())
    assert "presence" not in page.text, "who is away is the supervisor's business"
    board.agent("wang")
    office.desk.states[wang] = board.agent("wang")
    for login, shown in (("chen", False), ("zhao", None)):
        listed = await (await (await office.signed_in(login)).get("/api/v1/agents")).json()
        assert [one["here"] for one in listed["items"] if one["id"] == wang] == [shown]
    await watching.close()
    await page.close()


class _Later:
    """The loop, some seconds later."""

    def __init__(self, loop: Any, real: Any, seconds: float) -> None:
        self._loop, self._real, self._seconds = loop, real, seconds

    def time(self) -> float:
        return float(self._real()) + self._seconds

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loop, name)


async def test_of_two_on_one_number_the_agent_says_who_it_is_and_may_change_it(
    office: Office, board: Switchboard
) -> None:
    """R38, with who said so on the call."""
    li = board.customer("李雷", "+8613812345678", plate="沪A12345")
    han = board.customer("韩梅梅", "+8613812345678", plate="沪B54321")
    browser = await office.signed_in("wang")
    page = await stream(browser)
    call = await board.call()
    await board.ring("wang", call)
    await until(lambda: bool(page.events("pop")))
    pop = page.events("pop")[0]
    assert (pop["kind"], pop["customer_id"]) == ("several", None)
    assert "沪A12345" in pop["html"]["choice"]
    assert "沪B54321" in pop["html"]["choice"]
    for who, name in ((han, "韩梅梅"), (li, "李雷")):
        answer = await browser.post(f"/api/v1/calls/{call.id}/customer", {"customer_id": who})
        assert answer.status == 200, await answer.text()
        assert name in (await answer.json())["html"]["who"]
        assert "王芳" in (await answer.json())["html"]["who"], "who chose stands beside it"
        row = office.database.read_now(lambda connection: calls.by_id(connection, call.id))
        assert row is not None
        assert (row.customer_id, row.explained) == (who, "agent")
    answer = await browser.post(f"/api/v1/calls/{call.id}/customer", {"customer_id": None})
    row = office.database.read_now(lambda connection: calls.by_id(connection, call.id))
    assert row is not None
    assert (row.customer_id, (await answer.json())["kind"]) == (None, "unknown")
    refused = await browser.post(f"/api/v1/calls/{call.id}/customer", {"customer_id": "01NOBODY"})
    assert (refused.status, (await refused.json())["error_id"]) == (404, "customer-not-found")
    await page.close()


async def test_who_said_who_it_is_is_written_down_with_the_call_or_not_at_all(
    office: Office, board: Switchboard, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The tie and its entry are one transaction: there is no second that could fail."""
    li = board.customer("李雷", "+8613812345678")
    browser = await office.signed_in("wang")
    call = await board.call()
    await board.ring("wang", call)

    def entries() -> list[Any]:
        return office.database.read_now(lambda c: audit.list_entries(c, action="caller_chosen", limit=9))

    def breaks(*_: object) -> None:
        raise RuntimeError("no second transaction")

    monkeypatch.setattr(audit, "append", breaks)
    chosen = await browser.post(f"/api/v1/calls/{call.id}/customer", {"customer_id": li})
    assert chosen.status == 200
    (entry,) = entries()
    wang = office.users["wang"]
    assert (entry.subject, entry.actor_id, entry.actor_name) == (f"call:{call.id}", wang.id, wang.name)
    assert (entry.data, entry.via, bool(entry.address)) == ({"customer": li}, "session", True)
    shown = await (await browser.get(f"/api/v1/calls/{call.id}")).json()
    told = [fact["data"] for fact in shown["facts"] if fact["kind"] == "identified"]
    assert told[-1] == {"customer_id": li, "how": "agent", "by": wang.id}, "where he sat is nobody's business"


async def test_nobody_names_a_restricted_customer_as_the_caller_unless_it_calls_from_his_number(
    office: Office, board: Switchboard
) -> None:
    li = board.customer("李雷", "+8613812345678")
    secret = board.customer("欧阳密语", "+8613812345678")
    table = metadata.tables["customers"]
    office.database.write_now(
        lambda connection: connection.execute(
            table.update().where(table.c.id == secret).values(secrecy="restricted")
        )
    )
    browser = await office.signed_in("wang")
    other = await board.call("13955556666")
    await board.ring("wang", other)
    refused = await browser.post(f"/api/v1/calls/{other.id}/customer", {"customer_id": secret})
    assert (refused.status, (await refused.json())["error_id"]) == (403, "record-closed")
    row = office.database.read_now(lambda connection: calls.by_id(connection, other.id))
    assert row is not None
    assert row.customer_id is None
    assert (await browser.post(f"/api/v1/calls/{other.id}/customer", {"customer_id": li})).status == 200
    own = await board.call("13812345678")
    await board.ring("wang", own)
    named = await browser.post(f"/api/v1/calls/{own.id}/customer", {"customer_id": secret})
    assert named.status == 200
    assert "欧阳密语" not in await named.text()


async def test_of_none_of_them_nothing_of_the_rejected_ones_is_shown(
    office: Office, board: Switchboard
) -> None:
    li = board.customer("李雷", "+8613812345678")
    now = office.clock.now()
    office.add_call(
        number="+8613812345678", customer_id=li, started_at=now - timedelta(days=2), queue="sales"
    )
    caller = Caller(
        kind=TaskKind.MISSED_CALL, call_id="01MISSED", at=now, due_at=now, number="+8613812345678",
        customer_id=li,
    )  # fmt: skip
    office.database.write_now(lambda connection: tasks.note_caller(connection, caller))
    browser = await office.signed_in("wang")
    call = await board.call()
    await board.ring("wang", call)
    await browser.post(f"/api/v1/calls/{call.id}/customer", {"customer_id": li})
    before = await office.pops.pop(_agent(office, "wang"), call.id)
    assert (len(before.contacts), len(before.open_items)) == (1, 1)
    answer = await browser.post(f"/api/v1/calls/{call.id}/customer", {"customer_id": None})
    assert (await answer.json())["kind"] == "unknown"
    after = await office.pops.pop(_agent(office, "wang"), call.id)
    assert (after.person, after.contacts, after.open_items) == (None, (), ())


def _agent(office: Office, login: str) -> Principal:
    return Principal(role=Role.AGENT, via=Via.SESSION, name="", user_id=office.users[login].id)


async def test_a_new_customer_is_recorded_and_tied_in_one_step(office: Office, board: Switchboard) -> None:
    browser = await office.signed_in("wang")
    page = await stream(browser)
    call = await board.call("13955556666")
    await board.ring("wang", call)
    await until(lambda: bool(page.events("pop")))
    assert 'value="139****6666" readonly' in page.events("pop")[0]["html"]["choice"]
    bad = await browser.post(f"/api/v1/calls/{call.id}/new-customer", {"name": "周杰", "plate": "no plate"})
    assert (bad.status, (await bad.json())["error_id"]) == (422, "bad-record")
    answer = await browser.post(
        f"/api/v1/calls/{call.id}/new-customer", {"name": "周杰", "honorific": "mr", "plate": "沪C66666"}
    )
    assert answer.status == 200, await answer.text()
    pop = await answer.json()
    assert (pop["kind"], pop["name"]) == ("known", "周杰先生")
    found = office.database.read_now(lambda connection: matching.find_by_number(connection, "+8613955556666"))
    assert [one.customer_id for one in found] == [pop["customer_id"]]
    await page.close()


async def test_a_draft_that_is_sent_twice_is_one_customer(office: Office, board: Switchboard) -> None:
    browser = await office.signed_in("wang")
    call = await board.call("13955556666")
    await board.ring("wang", call)
    path, body = f"/api/v1/calls/{call.id}/new-customer", {"name": "周杰", "plate": "沪C66666"}
    key = {"Idempotency-Key": "one-draft"}
    answers = await asyncio.gather(*(browser.post(path, body, headers=key) for _ in range(3)))
    assert [answer.status for answer in answers] == [200, 200, 200]
    assert len({(await answer.json())["customer_id"] for answer in answers}) == 1
    found = office.database.read_now(lambda connection: matching.find_by_number(connection, "+8613955556666"))
    assert len(found) == 1
    changed = await browser.post(path, {"name": "周捷"}, headers=key)
    assert (changed.status, (await changed.json())["error_id"]) == (422, "idempotency-key-reused")


@pytest.mark.parametrize(
    ("raw", "kind"),
    [
        ("anonymous", "hidden"),
        ("", "hidden"),
        ("abc<b>def", "unreadable"),
        ("1" * 40, "unreadable"),
        ("008613812345678", "known"),
        ("+8613812345678", "known"),
        ("013812345678", "known"),
    ],
)
async def test_odd_numbers_are_shown_as_they_are_and_match_nobody_by_chance(
    office: Office, board: Switchboard, raw: str, kind: str
) -> None:
    """R37."""
    board.customer("李雷", "+8613812345678")
    page = await stream(await office.signed_in("wang"))
    call = await board.call(raw)
    await board.ring("wang", call)
    await until(lambda: bool(page.events("pop")))
    pop = page.events("pop")[0]
    assert pop["kind"] == kind
    assert "<b>" not in pop["html"]["who"].replace("<bdi>", "")
    await page.close()


async def test_a_call_of_another_agent_is_refused_with_the_holders_name(
    office: Office, board: Switchboard
) -> None:
    """R28: one owner; the second page gets 409 and is told who."""
    li = board.customer("李雷", "+8613812345678")
    call = await board.call()
    await board.ring("wang", call)
    await board.tell(FactKind.CONNECTED, "wang", call, queue="service")
    board.agent("wang", AgentState.ON_CALL, call_id=call.id)
    zhao = await office.signed_in("zhao")
    for path, body in (("customer", {"customer_id": li}), ("new-customer", {"name": "X"})):
        refused = await zhao.post(f"/api/v1/calls/{call.id}/{path}", body)
        problem = await refused.json()
        assert (refused.status, problem["error_id"], problem["holder"]) == (409, "not-your-call", "王芳")
    assert (await (await office.signed_in("chen")).post(
        f"/api/v1/calls/{call.id}/customer", {"customer_id": li}
    )).status == 200  # fmt: skip


async def test_a_missed_caller_has_one_owner_and_is_called_by_a_number_nobody_is_shown(
    office: Office, board: Switchboard
) -> None:
    """R28: two pages claim at once, the second hears who has it. One click calls, and the number stays masked."""
    now = office.clock.now()
    caller = Caller(
        kind=TaskKind.MISSED_CALL, call_id="01MISSED", at=now, due_at=now, number="+8613955556666"
    )
    task = office.database.write_now(lambda connection: tasks.note_caller(connection, caller))
    pages = [await office.signed_in(login) for login in ("wang", "zhao")]
    answers = await asyncio.gather(*(page.post(f"/api/v1/tasks/{task}/claim") for page in pages))
    assert sorted(answer.status for answer in answers) == [200, 409]
    loser = next(answer for answer in answers if answer.status == 409)
    assert (await loser.json())["holder"] in ("王芳", "赵敏")
    key = {"Idempotency-Key": "one-click"}
    winner = next(page for page, answer in zip(pages, answers, strict=True) if answer.status == 200)
    for replayed in (None, "true"):
        called = await winner.post(f"/api/v1/tasks/{task}/call", headers=key)
        assert called.status == 202, await called.text()
        assert called.headers.get("Idempotency-Replayed") == replayed
        assert "13955556666" not in await called.text()
    assert office.desk.dialed == ["+8613955556666"]


async def test_nobody_calls_for_a_task_that_is_anothers_done_or_of_a_closed_record(
    office: Office, board: Switchboard
) -> None:
    now = office.clock.now()

    def made(place: int, customer: str | None = None) -> str:
        caller = Caller(
            kind=TaskKind.MISSED_CALL, call_id=f"01MISSED{place}", at=now, due_at=now,
            number=f"+861395555666{place}", customer_id=customer,
        )  # fmt: skip
        return str(office.database.write_now(lambda connection: tasks.note_caller(connection, caller)))

    wang, zhao = office.users["wang"].id, office.users["zhao"].id
    secret = board.customer("欧阳密语", "+8613955556663")
    table = metadata.tables["customers"]
    office.database.write_now(
        lambda connection: connection.execute(
            table.update().where(table.c.id == secret).values(secrecy="restricted")
        )
    )
    others, done, closed, own = made(1), made(2), made(3, secret), made(4)
    office.database.write_now(lambda connection: tasks.claim_task(connection, others, zhao))
    office.database.write_now(lambda connection: tasks.close_task(connection, done, wang, "reached", now))
    page = await office.signed_in("wang")
    for task, expected in (
        (others, (409, "task-taken")),
        (done, (409, "task-taken")),
        (closed, (403, "record-closed")),
    ):
        answer = await page.post(f"/api/v1/tasks/{task}/call", headers={"Idempotency-Key": task})
        assert (answer.status, (await answer.json())["error_id"]) == expected
    assert office.desk.dialed == []
    assert (await page.post(f"/api/v1/tasks/{own}/call", headers={"Idempotency-Key": own})).status == 202


async def test_pages_that_never_read_do_not_hold_up_the_pop(make_office: OfficeMaker) -> None:
    """R27: thirty connections that read nothing, and the agent's page hears its ring at once."""
    office = await make_office(live_write_seconds=20.0)
    office.add_user("wang", Role.AGENT, name="王芳")
    board = Switchboard(office)
    board.own_phone("wang")
    browser = await office.signed_in("wang")
    cookie = "; ".join(f"{one.key}={one.value}" for one in browser.session.cookie_jar)
    silent = []
    for _ in range(30):
        _reader, writer = await asyncio.open_connection("127.0.0.1", office.port, limit=1)
        writer.write(
            f"GET /api/v1/live HTTP/1.1\r\nHost: 127.0.0.1:{office.port}\r\nCookie: {cookie}\r\n\r\n".encode()
        )
        silent.append(writer)
    await until(lambda: office.live.clients == 30)
    page = await stream(browser)
    waits = []
    for _ in range(5):
        call = await board.call()
        began = asyncio.get_running_loop().time()
        before = len(page.events("pop"))
        await board.ring("wang", call, stored=False)
        await until(lambda before=before: len(page.events("pop")) > before)
        waits.append(asyncio.get_running_loop().time() - began)
        await board.tell(FactKind.RING_MISSED, "wang", call)
    assert sorted(waits)[2] < 10, "a stream nobody reads is waited for twice as long"
    await page.close()
    for writer in silent:
        writer.transport.abort()
    await asyncio.gather(*(writer.wait_closed() for writer in silent), return_exceptions=True)


def test_a_pop_is_read_on_both_databases(database: Database, clock: Clock) -> None:
    """Prepared statements speak both dialects, and give the same pop."""
    now = clock.now()

    def work(connection: Connection) -> Pop:
        li = customers.add_customer(connection, name="李雷", now=now, key_account=True)
        customers.add_contact(connection, li.id, E164("+8613812345678"), now, primary=True)
        car = vehicles.add_vehicle(
            connection, now=now, plate="沪A12345", model="Golf", delivered_on=now.date()
        )
        vehicles.add_person(connection, car.id, li.id, Part.OWNER, now)
        vehicles.add_person(connection, car.id, li.id, Part.DRIVER, now)
        call = Call(
            id=CallId("01NOW"),
            linkedid="x.1",
            system="careline",
            direction=Direction.INBOUND,
            state=CallState.RINGING,
            started_at=now,
            number="+8613812345678",
            raw_number="13812345678",
        )
        old = replace(
            call,
            id=CallId("01OLD"),
            linkedid="x.0",
            state=CallState.ENDED,
            started_at=now - timedelta(days=300),
            customer_id=li.id,
            ended_at=now,
            talk_seconds=61.0,
        )
        calls.save(connection, [(None, old), (None, call)])
        return read_pop(connection, call, now=now, today=now.date(), rules=DueRules())

    pop = database.write_now(work)
    assert pop.person is not None
    assert (pop.person.name, pop.person.key_account, pop.person.primary) == ("李雷", True, True)
    cars = [(one.plate, one.due and one.due.reason.value) for one in pop.person.vehicles]
    assert cars == [("沪A12345", "first")]
    assert [(one.call_id, one.talk_seconds) for one in pop.contacts] == [("01OLD", 61.0)]


async def test_two_hundred_desks_are_back_within_ten_seconds_of_a_restart(make_office: OfficeMaker) -> None:
    """L04: each follows on from its last id or is told to load afresh, and asks for its state once."""
    office = await make_office(connections_per_address=500)
    browsers = []
    for place in range(10):
        office.add_user(f"agent{place}", Role.AGENT)
        browsers.append(await office.signed_in(f"agent{place}"))
    back: dict[int, float] = {}
    loop = asyncio.get_running_loop()
    up = asyncio.Event()
    ready: set[int] = set()

    async def desk(place: int) -> None:
        """As web/client/live.ts and desk_state.ts do: reconnect after the time the stream gave, then load."""
        browser = browsers[place % 10]
        last = ""
        for attempt in range(300):
            try:
                answer = await browser.session.get(
                    f"{browser.base}/api/v1/live", headers={"Last-Event-ID": last}
                )
                async for line in answer.content:
                    if line.startswith(b"id: "):
                        last = line[4:].decode().strip()
                        if up.is_set() and place not in back:
                            now = await browser.get("/api/v1/desk/now")
                            assert (await now.json())["phase"] == "idle"
                            back[place] = loop.time()
                        elif not up.is_set():
                            ready.add(place)
                        if place in back:
                            answer.close()
                            return
            except (ClientError, OSError):
                pass
            await asyncio.sleep(0.2 if attempt else 0.5 + place / 200)

    desks = [asyncio.create_task(desk(place)) for place in range(200)]
    await until(lambda: len(ready) == 200)
    port = office.port
    await office.server.stop()
    sessions = office.database.read_now(_sessions)
    up.set()
    again = WebServer(make_app(office.services), office.services.options)
    began, spent = loop.time(), time.process_time()
    await again.start(port=port)
    try:
        await asyncio.wait_for(asyncio.gather(*desks), 60)
    finally:
        await again.stop()
    assert len(back) == 200
    # What it costs, and so what it takes where nobody else has the machine.
    assert time.process_time() - spent < 10, (time.process_time() - spent, max(back.values()) - began)
    assert office.database.read_now(_sessions) == sessions, "nobody had to sign in again"


def _sessions(connection: Connection) -> int:
    return int(connection.exec_driver_sql("SELECT count(*) FROM sessions").scalar_one())
