"""An agent's day row by row: the rows behind each tile add up to it, and nobody opens a day that is not his to see."""

from __future__ import annotations

from datetime import date, timedelta
from functools import partial

from fixtures_web import Office

from storage import agents
from telephony.agents import Agent, AgentEvent, AgentState
from telephony.calls import CallState


def one_morning(office: Office) -> dict[str, str]:
    """08:00 to 09:00 at the house: ready, a ring missed twice, a call, its wrap-up, a meal, ready until now."""
    agent, other = office.users["agent"], office.users["supervisor"]
    office.clock.advance((60 - office.clock.now().minute) * 60 - office.clock.now().second)
    begins = office.clock.now()
    waiting = office.add_call(state=CallState.QUEUED, number="+8613812345678")
    taken = office.add_call(number="+8613900000000", agent_id=other.id)
    steps: list[tuple[float, AgentEvent, AgentState, str, str | None]] = [
        (0, AgentEvent.SIGN_IN, AgentState.READY, "", None),
        (10, AgentEvent.RANG, AgentState.RINGING, "", waiting.id),
        (11, AgentEvent.MISSED, AgentState.READY, "", None),
        (12, AgentEvent.RANG, AgentState.RINGING, "", taken.id),
        (13, AgentEvent.STOPPED_RINGING, AgentState.READY, "", None),  # the leg's end was told first
        (13.5, AgentEvent.MISSED, AgentState.READY, "", None),
        (14, AgentEvent.PHONE, AgentState.READY, "", None),
        (20, AgentEvent.RANG, AgentState.RINGING, "", waiting.id),
        (21, AgentEvent.CONNECTED, AgentState.ON_CALL, "", waiting.id),
        (25, AgentEvent.DISCONNECTED, AgentState.WRAP_UP, "", waiting.id),
        (27, AgentEvent.EXTEND, AgentState.WRAP_UP, "", waiting.id),
        (30, AgentEvent.PAUSE, AgentState.PAUSED, "meal", None),
        (50, AgentEvent.READY, AgentState.READY, "", None),
    ]
    for minute, event, state, reason, call_id in steps:
        at = begins + timedelta(minutes=minute)
        row = Agent(id=agent.id, name=agent.name, state=state, since=at, reason=reason, call_id=call_id)
        office.database.write_now(partial(agents.save, agent=row, event=event, now=at))
    office.clock.advance(3600)
    return {"waiting": waiting.id, "taken": taken.id}


async def test_the_rows_add_up_to_the_tiles_and_others_stay_closed(office: Office) -> None:
    calls = one_morning(office)
    agent = await office.signed_in("agent")
    numbers = await (await agent.get("/api/v1/me/numbers")).json()
    journal = await (await agent.get("/api/v1/me/journal")).json()
    shown = [(one["state"], one["reason"], one["goes_on"]) for one in journal["stays"]]
    assert shown == [
        ("ready", "", False),
        ("ringing", "", False),
        ("ready", "", False),
        ("ringing", "", False),
        ("ready", "", False),
        ("ringing", "", False),
        ("on_call", "", False),
        ("wrap_up", "", False),
        ("paused", "meal", False),
        ("ready", "", True),
    ], "what changes no state makes no row"
    assert (journal["seconds"]["ready"], journal["seconds"]["wrap_up"]) == (28 * 60, 5 * 60)
    assert (numbers["ready_seconds"], numbers["wrapup_seconds"]) == (28 * 60, 5 * 60)
    assert (numbers["missed"], numbers["signed_in_seconds"]) == (2, 3600)
    assert [one["call"] and one["call"]["id"] for one in journal["missed"]] == [calls["waiting"], None]
    assert journal["missed"][0]["call"]["number"] != "+8613812345678", "masked for an agent"

    page = await (await agent.get("/desk/day?only=ready")).text()
    assert page.count('data-kind="good"') == 4
    assert "28:00" in page
    assert "至今" in page
    page = await (await agent.get("/desk/day?only=paused")).text()
    assert "用餐" in page
    missed = await (await agent.get("/desk/day?only=missed")).text()
    assert f"/calls?search={calls['waiting']}" in missed
    assert calls["taken"] not in missed
    assert "13812345678" not in missed
    wrong = await agent.get("/desk/day?day=2026-02-30")
    assert (wrong.status, "2026-02-30" in await wrong.text()) == (400, True)
    empty = await (await agent.get(f"/api/v1/me/journal?day={date(2026, 1, 5)}")).json()
    assert (empty["stays"], empty["missed"]) == ([], [])
    for address in ("/desk/day", "/api/v1/me/journal"):
        refused = await agent.get(f"{address}?agent_id={office.users['supervisor'].id}")
        assert refused.status == 403, address

    supervisor = await office.signed_in("supervisor")
    theirs = await (await supervisor.get(f"/desk/day?agent_id={office.users['agent'].id}&only=missed")).text()
    assert f"{office.users['agent'].name}的一天" in theirs
    assert calls["taken"] in theirs
    nobody = await supervisor.get("/desk/day?agent_id=01ARZ3NDEKTSV4RRFFQ69G5FAV")
    assert nobody.status == 404


async def test_a_reason_that_has_no_words_any_more_stands_as_it_was_given(office: Office) -> None:
    user = office.users["agent"]
    begins = office.clock.now()
    row = Agent(id=user.id, name=user.name, state=AgentState.PAUSED, since=begins, reason="stocktaking")
    office.database.write_now(partial(agents.save, agent=row, event=AgentEvent.PAUSE, now=begins))
    office.clock.advance(60)
    page = await (await office.signed_in("agent")).get("/desk/day?only=paused")
    assert (page.status, "stocktaking" in await page.text()) == (200, True)
