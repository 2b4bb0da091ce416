"""The hotline, end to end: real Asterisk, real service, customers who call over SIP, agents who answer."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from fixtures_house import House, a_house, until, when
from house_truth import proof, rows_of
from waiting import SLACK

from lab.customers import Listen, Press, Stay
from telephony.phones import PhoneKind

pytestmark = [pytest.mark.asterisk, pytest.mark.asyncio(loop_scope="module")]

#: Through welcome, notice and menu to a person: the keys may come while the menu speaks.
BOOK = (Listen(seconds=2.0), Press(keys="1"), Listen(seconds=0.5), Press(keys="#"))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house() -> AsyncIterator[House]:
    async with a_house() as built:
        await built.sign_in("agent1")
        await built.sign_in("agent2")
        yield built


async def free(house: House) -> None:
    """Every agent is ready and no call is open."""

    async def quiet() -> bool:
        open_calls = await house.site.get("/calls", scope="open", limit="1")
        states = [await house.agent_state(login) for login in house.agents]
        return not open_calls["items"] and all(state == "ready" for state in states)

    await until(quiet, 30.0, saying="calls or agents that never got free")


@pytest.mark.parametrize("keys_by", ["rfc4733", "info"])
async def test_a_customer_walks_the_menu_and_talks_to_an_agent(house: House, keys_by: str) -> None:
    """Keys by RFC 4733 and by SIP INFO; the row has times to the second, keys, agent and recording."""
    await free(house)
    placed = await house.call(
        caller="13918001001", keys_by=keys_by, steps=(Listen(seconds=2.5), Press(keys="1"), Stay(seconds=30))
    )
    record = await placed.ended()
    row = await house.state_of(placed, "ended")

    async def hung_up() -> object:
        return [one for one in house.lab.records() if one.kind == "agent" and one.answer >= record.start]

    [answered_by] = await until(hung_up, saying="no agent's phone had the call")
    owner = next(
        person
        for person in house.site.people.values()
        if person.phones and person.phone(PhoneKind.DESK).endpoint == answered_by.called
    )
    assert row["outcome"] == "answered"
    assert row["agent_id"] == owner.id
    assert row["keys"].split()[0] == "main=1"
    assert row["customer_id"], "the number is in the sample dealership's records"
    assert when(row["started_at"]) == pytest.approx(record.start, abs=SLACK)
    assert when(row["ended_at"]) == pytest.approx(record.end, abs=SLACK)
    assert when(row["connected_at"]) == pytest.approx(answered_by.answer, abs=SLACK)
    assert row["talk_seconds"] == pytest.approx(answered_by.end - answered_by.answer, abs=SLACK)

    async def kept() -> list[object]:
        return house.rows("SELECT * FROM recordings WHERE call_id = ? AND state = 'kept'", row["id"])

    [recording] = await until(kept, 40.0, saying="the recording was never measured")
    # While a phone stands still it sends nothing, and nothing is recorded: less than the talk, never more.
    assert row["talk_seconds"] / 4 < recording["seconds"] < row["talk_seconds"] + SLACK


async def test_a_caller_who_gives_up_waiting_becomes_one_task_that_a_talk_closes(house: House) -> None:
    await free(house)
    for login in house.agents:
        person = house.person(login)
        await house.site.post(f"/agents/{person.id}/pause", {"reason": "lunch"})
    caller = "13900001019"
    try:
        # A key that comes between two sentences of a slow service is lost: the menu asks again, and gives up at last.
        gone = await house.call(
            caller=caller, steps=(Listen(seconds=2.5), Press(keys="0"), Stay(seconds=180))
        )
        await house.state_of(gone, "queued", seconds=150)
        await gone.hang_up()
        row = await house.state_of(gone, "ended")
        assert row["outcome"] == "abandoned"
        assert row["wait_seconds"] > 0
    finally:
        for login in house.agents:
            await house.site.post(f"/agents/{house.person(login).id}/ready")
    open_tasks = "SELECT * FROM tasks WHERE number = ? AND state = 'open'"

    async def missed() -> object:
        return house.rows(open_tasks, f"+86{caller}")

    [task] = await until(missed, saying="nobody is to call back")
    assert task["kind"] == "missed_call"
    again = await house.call(caller=caller, steps=(Listen(seconds=2.5), Press(keys="0"), Stay(seconds=20)))
    await again.ended()
    row = await house.state_of(again, "ended")
    assert row["outcome"] == "answered"

    async def closed() -> bool:
        return not house.rows(open_tasks, f"+86{caller}")

    await until(closed)


async def test_the_proof_of_the_day_is_zero(house: House) -> None:
    """Every Call-ID that the callers' own log holds is one call row; the day's difference is 0."""
    await free(house)
    theirs = [
        record for record in house.lab.records() if record.kind == "customer" and record.sip_code == 200
    ]
    assert theirs

    async def imported() -> bool:
        return all([await rows_of(house, record) for record in theirs])

    await until(imported, saying="Call-IDs without a row")
    for record in theirs:
        [row] = await rows_of(house, record)
        assert row["customer_id"] or row["explained"]
    assert not await proof(house)
