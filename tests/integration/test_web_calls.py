"""S10 and S20: lists that cannot be bent, pages that miss nothing, and calls that are placed once."""

from __future__ import annotations

import asyncio
import re
from datetime import UTC, datetime, time, timedelta
from typing import Any
from urllib.parse import quote
from zoneinfo import ZoneInfo

import pytest
from fixtures_web import Office
from sqlalchemy import text

from access.permissions import Role
from storage import audit
from telephony.calls import CallState, Direction, Outcome
from telephony.ports import ActionUnknown, SwitchUnavailable


@pytest.mark.parametrize(
    "query",
    [
        "sort=(select 1)",
        "sort=started_at;drop table calls",
        "order=1;drop",
        "sort=newest&sort=oldest",
        "limit=-1",
        "limit=0",
        "limit=1e9",
        "limit=1000000000",
        "page=-1",
        "cursor=%00",
        "cursor=WyJuZXdlc3QiLCJ4IiwieSJd",
        "cursor=WyJvbGRlc3QiLDEsInkiXQ",
        "cursor=" + "A" * 201,
        "scope=everything",
        "direction=sideways",
        "queue=a%27%20or%201=1",
        "since=yesterday",
        "since=2026-06-16T10:00:00",
        "search=" + "9" * 10_000,
        "search=%00",
        "agent_id=..%2f..",
    ],
)
async def test_s10_nonsense_in_the_query_is_refused(office: Office, query: str) -> None:
    browser = await office.signed_in("supervisor")
    answer = await browser.get(f"/api/v1/calls?{query}")
    assert answer.status in (400, 414), (query, await answer.text())
    assert answer.status == 414 or answer.content_type in ("application/problem+json", "text/plain")


@pytest.mark.parametrize("search", ["%", "_", "'", "\\", "%%", "1 OR 1=1", "*", "١٣٨١٢٣٤٥٦٧٨", "🚗", "[0-9]"])
async def test_s10_a_search_is_compared_letter_by_letter(office_on_each: Office, search: str) -> None:
    office_on_each.add_call()
    browser = await office_on_each.signed_in("supervisor")
    answer = await browser.get("/api/v1/calls", params={"search": search})
    assert answer.status == 200
    found = (await answer.json())["items"]
    assert found == [] or search == "١٣٨١٢٣٤٥٦٧٨"  # other scripts' digits are digits


async def test_s10_pages_give_every_call_once_in_each_order(office_on_each: Office) -> None:
    office = office_on_each
    start = office.clock.now()
    for i in range(25):
        office.add_call(
            started_at=start - timedelta(seconds=i // 2), wait_seconds=float(i % 7), talk_seconds=float(i % 5)
        )
    browser = await office.signed_in("supervisor")
    for sort, key, reverse in (
        ("newest", "started_at", True),
        ("oldest", "started_at", False),
        ("longest_wait", "wait_seconds", True),
        ("longest_talk", "talk_seconds", True),
    ):
        items, cursor = [], None
        while True:
            params = {"limit": "4", "sort": sort} | ({"cursor": cursor} if cursor else {})
            page = await (await browser.get("/api/v1/calls", params=params)).json()
            items += page["items"]
            cursor = page["next"]
            if cursor is None:
                break
        assert len({item["id"] for item in items}) == len(items) == 25
        values = [item[key] for item in items]
        assert values == sorted(values, reverse=reverse)


async def test_s10_an_agents_pages_merge_own_and_untaken_calls(office_on_each: Office) -> None:
    office = office_on_each
    start, agent = office.clock.now(), office.users["agent"]
    wanted = []
    for i in range(12):
        own = i % 2 == 0
        call = office.add_call(
            started_at=start - timedelta(seconds=i),
            agent_id=agent.id if own else None,
            state=CallState.ENDED if own else CallState.QUEUED,
        )
        wanted.append(call.id)
    browser = await office.signed_in("agent")
    items, cursor = [], None
    while True:
        params = {"limit": "5"} | ({"cursor": cursor} if cursor else {})
        page = await (await browser.get("/api/v1/calls", params=params)).json()
        items += [item["id"] for item in page["items"]]
        cursor = page["next"]
        if cursor is None:
            break
    assert items == wanted


async def test_s10_filters_narrow(office_on_each: Office) -> None:
    office = office_on_each
    agent = office.users["agent"]
    talked = office.add_call(agent_id=agent.id, outcome=Outcome.ANSWERED, queue="service")
    lost = office.add_call(outcome=Outcome.ABANDONED, queue="sales", number="+8613900000000")
    out = office.add_call(direction=Direction.OUTBOUND, state=CallState.RINGING)
    browser = await office.signed_in("supervisor")

    async def ids(**params: str) -> set[str]:
        answer = await browser.get("/api/v1/calls", params=params)
        assert answer.status == 200, await answer.text()
        return {item["id"] for item in (await answer.json())["items"]}

    assert await ids(outcome="abandoned") == {lost.id}
    assert await ids(queue="service") == {talked.id}
    assert await ids(agent_id=agent.id) == {talked.id}
    assert await ids(scope="open") == {out.id}
    assert await ids(scope="ended") == {talked.id, lost.id}
    assert await ids(direction="outbound") == {out.id}
    assert await ids(search="139 0000 0000") == {lost.id}
    assert await ids(search=talked.id.lower()) == {talked.id}
    now = office.clock.now()
    assert await ids(since=(now + timedelta(seconds=1)).isoformat()) == set()
    assert await ids(until=now.isoformat()) == set()


async def test_s10_lists_are_read_from_an_index(office_on_each: Office) -> None:
    """S10: the plan of the first page, of an agent's page and of a search names an index."""
    office = office_on_each
    statements = {
        "newest": "SELECT started_at, id FROM calls ORDER BY started_at DESC, id DESC LIMIT 51",
        "agent": "SELECT started_at, id FROM calls WHERE agent_id = 'A' ORDER BY started_at DESC, id DESC LIMIT 51",
        "search": "SELECT started_at, id FROM calls WHERE number = '+86' ORDER BY started_at DESC, id DESC LIMIT 51",
    }
    explain = "EXPLAIN QUERY PLAN " if office.database.is_sqlite else "EXPLAIN "
    for name, statement in statements.items():

        def plan(connection: object, statement: str = statement) -> str:
            if not office.database.is_sqlite:
                connection.execute(text("SET LOCAL enable_seqscan = off"))  # type: ignore[attr-defined]
            return str(connection.execute(text(explain + statement)).all())  # type: ignore[attr-defined]

        assert "ix_calls_" in office.database.read_now(plan), name


async def test_s20_the_same_key_is_one_call(office_on_each: Office) -> None:
    office = office_on_each
    browser = await office.signed_in("agent")
    headers = {"Idempotency-Key": "click-1"}
    first = await browser.post("/api/v1/calls", {"number": "138 1234 5678"}, headers=headers)
    again = await browser.post("/api/v1/calls", {"number": "138 1234 5678"}, headers=headers)
    assert first.status == again.status == 202
    assert await first.json() == await again.json()
    assert again.headers["Idempotency-Replayed"] == "true"
    assert office.desk.dialed == ["+8613812345678"]
    other = await browser.post("/api/v1/calls", {"number": "13900000000"}, headers=headers)
    assert other.status == 422
    assert (await other.json())["error_id"] == "idempotency-key-reused"
    assert len(office.desk.dialed) == 1
    dialed = [
        entry
        for entry in office.database.read_now(lambda connection: audit.list_entries(connection))
        if entry.action == "call_dialed"
    ]
    assert len(dialed) == 1


async def test_s20_fifty_at_once_are_one_call(office_on_each: Office) -> None:
    office = office_on_each
    browser = await office.signed_in("agent")
    headers = {"Idempotency-Key": "click-2"}
    answers = await asyncio.gather(
        *(browser.post("/api/v1/calls", {"number": "13812345678"}, headers=headers) for _ in range(50))
    )
    assert {answer.status for answer in answers} == {202}
    assert len({(await answer.json())["call_id"] for answer in answers}) == 1
    assert len(office.desk.dialed) == 1


async def test_s20_two_people_may_choose_the_same_key(office: Office) -> None:
    office.add_user("agent2", Role.AGENT)
    headers = {"Idempotency-Key": "click-3"}
    for login in ("agent", "agent2"):
        browser = await office.signed_in(login)
        assert (await browser.post("/api/v1/calls", {"number": "13812345678"}, headers=headers)).status == 202
    assert len(office.desk.dialed) == 2


async def test_s20_a_refused_call_leaves_the_key_free(office: Office) -> None:
    browser = await office.signed_in("agent")
    headers = {"Idempotency-Key": "click-4"}
    refused = await browser.post("/api/v1/calls", {"number": "001 202 555 0123"}, headers=headers)
    assert refused.status == 403
    assert (await refused.json())["rule"] == "prefix-not-allowed"
    for key in ("", "x" * 129, "中"):
        answer = await browser.post(
            "/api/v1/calls", {"number": "13812345678"}, headers={"Idempotency-Key": key}
        )
        assert answer.status == 400
    assert (await browser.post("/api/v1/calls", {"number": "13812345678"}, headers=headers)).status == 202
    assert office.desk.dialed == ["+8613812345678"]


async def test_orders_about_a_call_name_who_has_it(office: Office) -> None:
    other = office.add_user("wang", Role.AGENT, name="王芳")
    office.desk.holders["CALL1"] = other.id
    browser = await office.signed_in("agent")
    answer = await browser.post("/api/v1/calls/CALL1/hold")
    assert answer.status == 409
    problem = await answer.json()
    assert (problem["error_id"], problem["holder"]) == ("not-your-call", "王芳")
    missing = await browser.post("/api/v1/calls/CALL2/hold")
    assert (missing.status, (await missing.json())["error_id"]) == (404, "no-such-call")


async def test_every_order_reaches_the_desk(office: Office) -> None:
    agent = office.users["agent"]
    office.desk.holders["CALL1"] = agent.id
    browser = await office.signed_in("agent")
    queue = {"kind": "queue", "name": "sales"}
    person = {"kind": "agent", "name": "U2"}
    for word, body in (
        ("hold", {}),
        ("resume", {}),
        ("transfer", {"target": queue}),
        ("consult", {"target": person}),
        ("complete-transfer", {}),
        ("cancel-transfer", {}),
        ("conference", {"invited": person}),
        ("leave", {}),
        ("pause-recording", {}),
        ("resume-recording", {}),
        ("hang-up", {}),
    ):
        answer = await browser.post(f"/api/v1/calls/CALL1/{word}", body)
        assert answer.status == 200, await answer.text()
        assert office.desk.orders[-1][:3] == (word, agent.id, "CALL1")
    assert ("transfer", agent.id, "CALL1", "queue-sales") in office.desk.orders
    bad = await browser.post("/api/v1/calls/CALL1/transfer", {"target": {"kind": "shell", "name": "x"}})
    assert bad.status == 422


async def test_a_step_the_state_does_not_allow_says_what_is_possible(office: Office) -> None:
    browser = await office.signed_in("agent")
    answer = await browser.post("/api/v1/agents/me/pause", {"reason": "lunch"})
    assert answer.status == 409
    problem = await answer.json()
    assert (problem["state"], problem["allowed"]) == ("signed_out", ["sign_in"])
    assert (await browser.post("/api/v1/agents/me/sign-in")).status == 200
    assert (await browser.post("/api/v1/agents/me/pause", {"reason": "lunch break"})).status == 422
    paused = await browser.post("/api/v1/agents/me/pause", {"reason": "lunch"})
    assert (await paused.json())["state"] == "paused"
    assert (await (await browser.post("/api/v1/agents/me/ready")).json())["state"] == "ready"


async def test_the_switch_away_is_said_and_nothing_else_breaks(office: Office) -> None:
    browser = await office.signed_in("agent")
    office.desk.trouble = SwitchUnavailable("The switch is away; nothing was asked of it.")
    answer = await browser.get("/api/v1/queues")
    assert (answer.status, answer.headers["Retry-After"]) == (503, "5")
    assert (await answer.json())["retryable"] is True
    page = await browser.get("/calls", headers={"Accept": "text/html"})
    assert page.status == 200
    assert "暂时无法获取队列状态" in await page.text()
    office.desk.trouble = ActionUnknown("The switch did not answer in time.")
    answer = await browser.get("/api/v1/queues")
    assert (answer.status, (await answer.json())["retryable"]) == (504, False)


async def test_a_token_of_nobody_must_name_the_agent(office: Office) -> None:
    program = office.program(office.add_token(Role.SUPERVISOR))
    answer = await program.post("/api/v1/calls", json={"number": "13812345678"})
    assert (answer.status, (await answer.json())["error_id"]) == (409, "no-own-user")
    named = await program.post(
        "/api/v1/calls", json={"number": "13812345678", "agent_id": office.users["agent"].id}
    )
    assert named.status == 202


async def test_a_bar_of_the_day_opens_exactly_the_calls_it_counts(office: Office) -> None:
    midnight = datetime.combine(
        office.clock.now().astimezone(ZoneInfo("Asia/Shanghai")).date(), time(), ZoneInfo("Asia/Shanghai")
    ).astimezone(UTC)
    me, day = office.users["agent"].id, f"{midnight.astimezone(ZoneInfo('Asia/Shanghai')):%Y-%m-%d}"

    def talked(minutes: int, **values: Any) -> str:
        at = midnight + timedelta(minutes=minutes)
        values = {"agent_id": me, "connected_at": at + timedelta(seconds=90), **values}
        return office.add_call(started_at=at, talk_seconds=60.0, **values).id

    last, internal = talked(59), talked(10, direction=Direction.INTERNAL)
    talked(60)
    talked(20, agent_id=office.users["supervisor"].id)
    talked(30, connected_at=None)
    out = talked(40, direction=Direction.OUTBOUND)
    browser = await office.signed_in("agent")
    numbers = await (await browser.get(f"/api/v1/me/numbers?day={day}")).json()
    assert [one["calls"] for one in numbers["by_hour"]] == [3, 1], "by the hour they began in"

    async def rows(query: str) -> list[str]:
        page = await (await browser.get(f"/calls?{query}")).text()
        return re.findall(r'<tr data-id="(\w+)"', page)

    assert await rows(f"mine=true&since={day}&hour=0") == [last, out, internal]
    assert await rows(f"mine=true&since={day}&until={day}&direction=received&hour=0") == [last, internal]
    assert len(await rows(f"mine=true&since={day}&until={day}")) == 4
    assert await rows(f"since={day}&mine=true&direction=internal") == [internal]
    assert await rows(f"since={day}&until=2026-02-30&mine=true&direction=internal") == [], "that is no day"
    sent = "&".join(
        f"{name}={quote(str(value))}"
        for name, value in {
            "since": midnight.isoformat(),
            "until": (midnight + timedelta(hours=1)).isoformat(),
            "talked": "true",
            "agent_id": me,
        }.items()
    )
    found = await (await browser.get(f"/api/v1/calls?{sent}")).json()
    assert [one["id"] for one in found["items"]] == [last, out, internal], "the page's script asks the same"
