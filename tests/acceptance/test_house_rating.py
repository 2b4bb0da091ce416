"""A whole house that asks for ratings and keeps a block list: what callers hear and what the log says of it."""

from __future__ import annotations

import asyncio
import shutil
import signal
import sys
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from os import kill
from typing import Any

import pytest
import pytest_asyncio
from fixtures_house import House, a_house, until, when
from house_truth import application, doubles, fallbacks, fresh, proof, settle, short_sentences, talks_of
from waiting import SLACK

from lab.agents import Agent
from lab.customers import Listen, Press, Stay, Step
from lab.world import Placed

pytestmark = [pytest.mark.asterisk, pytest.mark.asyncio(loop_scope="module")]

QUEUES = {"service": 0, "complaints": 0, "roadside": 0}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house() -> AsyncIterator[House]:
    short = short_sentences()
    try:
        async with a_house(
            {
                "ivr": {"prompts": str(short), "step_margin_seconds": 3},
                "telephony": {"rating": {"enabled": True}, "queues": {"roadside": {"rating": False}}},
            },
            agents=("agent1",),
        ) as built:
            await built.sign_in("agent1", QUEUES)
            yield built
    finally:
        shutil.rmtree(short, ignore_errors=True)


def to(keys: str) -> tuple[Step, ...]:
    """Press keys into the menu, then stay and talk."""
    presses: list[Step] = []
    for key in keys:
        presses += [Listen(seconds=2.0), Press(keys=key)]
    return (*presses, Stay(seconds=60, speaks=True))


@contextmanager
def talks_on(house: House) -> Iterator[Agent]:
    """The agent talks until the test, or the customer, ends it."""
    agent = house.agents["agent1"]
    usual = agent.habits
    agent.habits = replace(usual, talks=(600.0, 600.0))
    try:
        yield agent
    finally:
        agent.habits = usual


async def facts(house: House, placed: Placed, kind: str) -> Sequence[Any]:
    return house.rows(
        "SELECT call_facts.* FROM call_facts JOIN calls ON calls.id = call_facts.call_id"
        " WHERE calls.raw_number = ? AND call_facts.kind = ? ORDER BY call_facts.at DESC",
        placed.customer.caller,
        kind,
    )


async def proved(house: House, placed: Placed) -> Any:
    row = await house.row_of(placed)
    return row if row["proved"] else None


async def asked(house: House, placed: Placed) -> None:
    """Wait until the caller is asked for a rating."""

    async def there() -> bool:
        return bool(await facts(house, placed, "rating_asked"))

    await until(there, 60.0, saying="nobody was asked")


async def test_the_caller_rates_after_the_agent_hung_up(house: House) -> None:
    """Feature 22: the key is in the log and a value of the call; the agent's times are not lengthened by it."""
    await fresh(house)
    placed = await house.call("13700000201", steps=to("3"))
    await asked(house, placed)

    async def done() -> bool:
        return await house.agent_state("agent1") in ("wrap_up", "ready")

    await until(done, saying="he is done while the caller is asked")
    assert not placed.over
    await asyncio.sleep(2.0)
    await placed.press("4")
    record = await placed.ended()
    row = await house.state_of(placed, "ended")
    [talk] = talks_of(house, record)
    assert (row["rating"], row["outcome"], row["queue"]) == (4, "answered", "complaints")
    assert row["keys"] == "main=3 rating=4"
    assert row["talk_seconds"] == pytest.approx(talk.end - talk.answer, abs=SLACK)
    assert when(row["ended_at"]) - talk.end > 2.0
    await settle(house, [record], 20.0)
    row = await until(lambda: proved(house, placed), 30.0, saying="never proved")
    assert row["talk_seconds"] == pytest.approx(talk.end - talk.answer, abs=SLACK)
    [stored] = house.rows("SELECT rating, route FROM calls WHERE id = ?", row["id"])
    assert stored["rating"] == 4
    assert stored["route"].startswith("queue-complaints-"), "the route is where the menu led"


async def test_after_a_direct_ring_too_and_in_the_callers_language(house: House) -> None:
    """Who spoke with an agent before is put through to him; English once chosen stays."""
    await fresh(house)
    caller = "13918001001"
    first = await house.call(caller, steps=to("0"))
    await asked(house, first)
    await first.hang_up()
    await first.ended()
    row = await house.state_of(first, "ended")
    assert row["rating"] is None
    await fresh(house)
    second = await house.call(caller, steps=to("80"))

    async def talks() -> Any:
        found = await house.row_of(second)
        return found if found["id"] != row["id"] and found["state"] == "talking" else None

    again = await until(talks, 40.0, saying="never talked the second time")

    async def asked_again() -> bool:
        return bool(
            house.rows("SELECT 1 FROM call_facts WHERE call_id = ? AND kind = 'rating_asked'", again["id"])
        )

    await until(asked_again, 30.0, saying="nobody was asked after a direct ring")
    await second.press("9")

    async def refused() -> bool:
        return str((await house.detail(again["id"]))["keys"]).endswith("rating=9")

    await until(refused, saying="the key that rates nothing was never heard")
    await asyncio.sleep(1.0)
    await second.press("5")
    record = await second.ended()
    await house.state_of(second, "ended")
    [stored] = house.rows("SELECT * FROM calls WHERE id = ?", again["id"])
    assert stored["route"].startswith("agent-")
    assert (stored["rating"], stored["language"]) == (5, "en")
    assert stored["keys"].endswith("rating=9 rating=5")
    talk = talks_of(house, record)[-1]
    assert stored["talk_seconds"] == pytest.approx(talk.end - talk.answer, abs=SLACK)


async def test_nobody_is_asked_who_hung_up_first_or_whose_queue_does_not_rate(house: House) -> None:
    await fresh(house)
    with talks_on(house):
        first = await house.call("13700000203", steps=to("3"))
        await house.state_of(first, "talking", seconds=60)
        await first.hang_up()
        hung_up = await first.ended()
    await fresh(house)
    other = await house.call("13700000204", steps=to("4"))
    record = await other.ended(60)
    [talk] = talks_of(house, record)
    assert record.end - talk.end < 1.0 + SLACK, "the call ends with the agent"
    await settle(house, [hung_up, record], 20.0)
    for placed in (first, other):
        assert not await facts(house, placed, "rating_asked")
        row = await house.state_of(placed, "ended")
        assert (row["outcome"], row["rating"]) == ("answered", None)


async def test_a_waiting_caller_still_leaves_by_key(house: House) -> None:
    """The queue goes on in the dialplan after a talk; a key while waiting leads where it led."""
    await fresh(house)
    agent = house.person("agent1").id
    await house.site.post(f"/agents/{agent}/pause", {"reason": "lunch"})
    try:
        placed = await house.call("13700000205", steps=to("3"))
        await application(house, placed, "Queue")
        await asyncio.sleep(1.0)
        await placed.press("1")
        await placed.ended()
        row = await house.state_of(placed, "ended")
        assert row["outcome"] == "callback"
        assert not await facts(house, placed, "rating_asked")
    finally:
        await house.site.post(f"/agents/{agent}/ready")


async def careline(house: House, *arguments: str) -> str:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "config", *arguments, "--config", str(house.site.config),
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    said = (await process.communicate())[0].decode()
    assert process.returncode == 0, said
    return said


async def test_a_blocked_caller_is_turned_away_and_makes_no_task(house: House) -> None:
    """Feature 20: by whole number and by beginning; a key customer never by a beginning."""
    await fresh(house)
    await careline(house, "block", "add", "+8613700000206", "--reason", "threats")
    await careline(house, "block", "add", "+861370000021*", "--reason", "robots")
    assert "+861370000021*" in await careline(house, "block", "list")
    for caller in ("13700000206", "13700000211"):
        placed = await house.call(caller, steps=(Stay(seconds=40),))
        record = await placed.ended()
        assert record.end - record.answer < 15.0 + SLACK
        row = await house.state_of(placed, "ended")
        assert (row["outcome"], row["refused_by"]) == ("refused", "blocked")
        assert not house.rows("SELECT 1 FROM tasks WHERE number = ?", f"+86{caller}")
    await careline(house, "block", "remove", "+8613700000206")
    with talks_on(house):
        free_again = await house.call("13700000206", steps=to("3"))
        await house.state_of(free_again, "talking", seconds=60)
        await free_again.hang_up()
        await free_again.ended()
    audit = {row["action"] for row in house.rows("SELECT action FROM audit WHERE subject LIKE 'block:%'")}
    assert audit == {"caller_blocked", "caller_unblocked"}


async def test_the_proof_is_zero(house: House) -> None:
    await fresh(house)
    assert not await proof(house)
    assert not doubles(house)


async def test_without_the_service_the_call_just_ends(house: House) -> None:
    """Frozen it falls silent: the dead man's switch. Killed, the connection is refused at once."""
    await fresh(house)
    with talks_on(house) as agent:
        frozen = await house.call("13700000208", steps=to("3"))
        await house.state_of(frozen, "talking", seconds=60)
        kill(house.site.pid("service"), signal.SIGSTOP)
        try:
            await agent.hang_up()
            silent = await frozen.ended()
        finally:
            kill(house.site.pid("service"), signal.SIGCONT)
    [talk] = talks_of(house, silent)
    assert silent.end - talk.end < 5.0 + SLACK
    await fresh(house)
    with talks_on(house) as agent:
        killed = await house.call("13700000209", steps=to("3"))
        await house.state_of(killed, "talking", seconds=60)
        await house.site.kill("service")
        started = time.time()
        await agent.hang_up()
        record = await killed.ended()
    assert record.end > started
    [talk] = talks_of(house, record)
    assert record.end - talk.end < 1.5 + SLACK
    told = await fallbacks(house)
    assert not {"13700000208", "13700000209"} & set(told), "nobody is sent to the fallback after his talk"
    await house.site.start_service()
    await settle(house, [silent, record], 30.0)
    for placed in (frozen, killed):
        row = await house.state_of(placed, "ended")
        assert (row["outcome"], row["rating"]) == ("answered", None)
