"""Orders about live calls on a real Asterisk: every call stays one row, and every agent ends up free."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
import pytest_asyncio
from fixtures_house import WITH_MENU, House, a_house, until, when
from house_truth import epoch
from waiting import SLACK

from config.site import Person, SiteError
from lab.agents import Habits
from lab.customers import Listen, Press, Stay, Step
from lab.world import Placed
from telephony.phones import PhoneKind

pytestmark = [pytest.mark.asterisk, pytest.mark.asyncio(loop_scope="module")]

LONG = Habits(answers_after=(0.1, 0.2), talks=(600.0, 600.0))
DECLINES = Habits(answers_after=(0.1, 0.2), declines=1.0)
WAITS: tuple[Step, ...] = (Stay(seconds=600, speaks=True),)
#: A gap in a recording: longer than what the recording may lack because a phone stood still and sent nothing.
GAP_SECONDS = 3 * SLACK
#: Through the shipped menu: what follows its notice is recorded, unless it is refused.
TO_SALES: tuple[Step, ...] = (Listen(seconds=2.5), Press(keys="2"), *WAITS)
QUEUE = {"ring_seconds": 10, "missed_before_pause": 2}
SETTINGS = {
    "telephony": {
        "queues": dict.fromkeys(("service", "sales", "complaints", "roadside"), QUEUE),
        "departments": {
            "workshop": {"number": "+8613912340000"},
            "engaged": {"number": "+8613912340486"},
            "rings": {"number": "+8613912340408"},
            "showroom": {"queue": "service"},
        },
        "fences": {"refused_prefixes": ["+86190"]},
    }
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house() -> AsyncIterator[House]:
    async with a_house(SETTINGS, agents=("agent1", "agent2", "supervisor"), straight="sales") as built:
        yield built


@pytest_asyncio.fixture(loop_scope="module", autouse=True)
async def ready(house: House) -> AsyncIterator[None]:
    """Two agents in all queues, the supervisor in one that nobody calls; afterwards everybody is free again."""
    for login, agent in house.agents.items():
        agent.habits = LONG
        if await house.agent_state(login) == "signed_out":
            await house.sign_in(login, {"roadside": 9} if login == "supervisor" else None)
    yield
    await free(house)


async def free(house: House) -> None:
    """No call is open and every agent is ready or signed out."""

    async def quiet() -> bool:
        open_calls = (await house.site.get("/calls", scope="open", limit="1"))["items"]
        states = {await house.agent_state(login) for login in house.agents}
        return not open_calls and states <= {"ready", "signed_out"}

    await until(quiet, saying="calls or agents that never got free")


async def is_state(house: House, login: str, state: str) -> None:
    async def look() -> bool:
        return await house.agent_state(login) == state

    await until(look, saying=f"{login} never {state}")


@dataclass
class Talk:
    """A customer in conversation with an agent; `other` is the agent who is free."""

    house: House
    placed: Placed
    id: str
    first: Person
    other: Person

    async def order(self, word: str, agent: Person | None = None, **body: Any) -> None:
        await self.house.site.post(f"/calls/{self.id}/{word}", {"agent_id": (agent or self.first).id, **body})

    async def order_at_last(self, word: str) -> None:
        """An order that the service takes once it has heard that the other side answered."""

        async def taken() -> bool:
            try:
                await self.order(word)
            except SiteError as error:
                if "not answered yet" not in str(error):
                    raise
                return False
            return True

        await until(taken, saying=f"{word} was never possible")

    async def refused(self, word: str, agent: Person | None = None, **body: Any) -> str:
        with pytest.raises(SiteError) as error:
            await self.order(word, agent, **body)
        return str(error.value)

    async def until_state(self, state: str, agent: Person | None = None) -> dict[str, Any]:
        async def look() -> Any:
            row = await self.house.detail(self.id)
            return row if row["state"] == state and agent in (None, self.person(row)) else None

        return await until(look, saying=f"never {state}")  # type: ignore[no-any-return]

    def person(self, row: dict[str, Any]) -> Person | None:
        return next((one for one in self.house.site.people.values() if one.id == row["agent_id"]), None)

    async def agent_is(self, agent: Person, state: str) -> None:
        await is_state(self.house, agent.login, state)

    async def ends(self) -> dict[str, Any]:
        """The customer hangs up; the row, and it is the only one of this caller."""
        await self.placed.hang_up()
        return await self.ended()

    async def ended(self) -> dict[str, Any]:
        await self.placed.ended()
        row = await self.until_state("ended")
        number = self.placed.customer.caller
        assert len(self.house.rows("SELECT id FROM calls WHERE raw_number = ?", number)) == 1
        assert row["outcome"] == "answered"
        return row


def to_agent(person: Person) -> dict[str, str]:
    return {"kind": "agent", "name": person.id}


async def talk(
    house: House, caller: str, steps: tuple[Step, ...] = WAITS, *, called: str = "4008001234"
) -> Talk:
    placed = await house.call(caller=caller, called=called, steps=steps)
    row = await house.state_of(placed, "talking")
    pair = [house.person("agent1"), house.person("agent2")]
    first = next(person for person in pair if person.id == row["agent_id"])
    other = next(person for person in pair if person is not first)
    return Talk(house, placed, row["id"], first, other)


async def test_hold_resume_and_blind_transfer_keep_one_story(house: House) -> None:
    """M-074, features 21 and 73: the record goes along."""
    call = await talk(house, "13918002001")
    began = time.monotonic()
    await call.order("hold")
    await call.until_state("held")
    await asyncio.sleep(1.0)  # time on hold is what is measured
    await call.order("resume")
    await call.until_state("talking")
    held = time.monotonic() - began
    await call.order("transfer", target=to_agent(call.other))
    await call.until_state("talking", call.other)
    await call.agent_is(call.first, "ready")
    row = await call.ends()
    assert 0.8 <= row["hold_seconds"] <= held
    assert "blind" in row["transfers"]


async def test_attended_transfer_hands_the_customer_over(house: House) -> None:
    """The consulted agent is on the call from the moment he answers; the end of his leg ends the call."""
    call = await talk(house, "13918002002")
    await call.order("consult", target=to_agent(call.other))
    await call.until_state("held", call.first)
    await call.agent_is(call.other, "on_call")
    await call.order_at_last("complete-transfer")
    await call.until_state("talking", call.other)
    await call.agent_is(call.first, "ready")
    await call.agent_is(call.other, "on_call")
    await house.agents[call.other.login].hang_up()
    row = await call.ended()
    assert row["agent_id"] == call.other.id
    assert "attended" in row["transfers"]
    assert row["hold_seconds"] > 0
    assert row["talk_seconds"] > 0


async def test_a_cancelled_consultation_gives_the_customer_back(house: House) -> None:
    """Also twice on hold afterwards; and when the agent hangs up, the customer is not left with music."""
    call = await talk(house, "13918002003")
    await call.order("consult", target=to_agent(call.other))
    await call.agent_is(call.other, "on_call")
    await call.order("cancel-transfer")
    await call.until_state("talking", call.first)
    await call.agent_is(call.other, "ready")
    for _ in range(2):
        await call.order("hold")
        await call.until_state("held")
        await call.order("resume")
        await call.until_state("talking")
    await house.agents[call.first.login].hang_up()
    row = await call.ended()
    assert row["transfers"] == ""
    assert row["agent_id"] == call.first.id


async def test_an_agent_who_hangs_up_on_hold_leaves_nobody_in_the_music(house: House) -> None:
    """The customer is back at the head of the queue, and the next agent has the same call."""
    call = await talk(house, "13918002006")
    began = time.monotonic()
    await call.order("hold")
    await call.until_state("held")
    await house.agents[call.first.login].hang_up()
    await call.until_state("talking", call.other)
    elsewhere = time.monotonic() - began
    row = await call.ends()
    assert row["transfers"] == "blind:left"
    assert 0 < row["hold_seconds"] < elsewhere


async def test_a_consulted_person_who_does_not_answer(house: House) -> None:
    """The agent waits, cannot hand over, and takes the customer back."""
    call = await talk(house, "13918002004")
    house.agents[call.other.login].habits = DECLINES
    await call.order("consult", target=to_agent(call.other))
    await call.until_state("held")
    await call.agent_is(call.other, "ready")
    assert "not answered yet" in await call.refused("complete-transfer")
    await call.order("cancel-transfer")
    await call.until_state("talking", call.first)
    await call.ends()


async def test_a_blind_transfer_nobody_takes_comes_back_to_the_queue(house: House) -> None:
    call = await talk(house, "13918002005")
    house.agents[call.other.login].habits = DECLINES
    await call.order("transfer", target=to_agent(call.other))
    await call.until_state("talking", call.first)
    row = await call.ends()
    assert row["queue"] == "sales"
    assert "blind" in row["transfers"]
    await house.site.post(f"/agents/{call.other.id}/ready")


@pytest.mark.parametrize(
    "target", [{"kind": "queue", "name": "service"}, {"kind": "department", "name": "showroom"}]
)
async def test_transfer_to_a_queue_and_to_a_department_of_the_house(
    house: House, target: dict[str, str]
) -> None:
    call = await talk(house, f"1391800201{len(target['kind']) % 10}")
    await call.order("transfer", target=target)

    async def there() -> bool:
        row = await house.detail(call.id)
        return row["queue"] == "service" and row["state"] == "talking"

    await until(there, saying="nobody in the other queue took it")
    row = await call.ends()
    assert "blind" in row["transfers"]


async def test_transfer_to_a_department_outside(house: House) -> None:
    """Through the allow-list of the trunk; the agent is free and the customer talks with somebody outside."""
    call = await talk(house, "13918002020")
    await call.order("transfer", target={"kind": "department", "name": "workshop"})
    await call.agent_is(call.first, "ready")
    await call.until_state("talking")
    await call.ends()

    async def rang() -> bool:
        return any(record.called.endswith("13912340000") for record in house.lab.records())

    await until(rang, saying="the number outside never had a call")


async def test_attended_transfer_to_a_department_outside(house: House) -> None:
    call = await talk(house, "13918002021")
    await call.order("consult", target={"kind": "department", "name": "workshop"})
    await call.until_state("held")

    async def answered() -> bool:
        return any(agent.talking for agent in house.agents.values()) and any(
            one.called.endswith("13912340000") and one.answer for one in house.lab.book.open_calls
        )

    await until(answered, saying="the number outside never answered")
    await call.order_at_last("complete-transfer")
    await call.until_state("talking")
    await call.agent_is(call.first, "ready")
    row = await call.ends()
    assert "attended" in row["transfers"]


async def test_an_agent_who_hangs_up_hands_over_to_the_one_outside(house: House) -> None:
    """Who was consulted has answered, so the customer talks with her; he waits for no limit."""
    call = await talk(house, "13918002024")
    began = time.monotonic()
    await call.order("consult", target={"kind": "department", "name": "workshop"})
    await call.until_state("held")

    async def answered() -> bool:
        return any(one.called.endswith("13912340000") and one.answer for one in house.lab.book.open_calls)

    await until(answered, saying="the number outside never answered")
    await house.agents[call.first.login].hang_up()
    await call.until_state("talking")
    elsewhere = time.monotonic() - began
    await call.agent_is(call.first, "ready")
    row = await call.ends()
    assert row["transfers"] == "attended:department-workshop"
    assert 0 < row["hold_seconds"] < elsewhere


async def test_an_agent_who_hangs_up_hands_over_to_the_agent_he_consulted(house: House) -> None:
    call = await talk(house, "13918002025")
    await call.order("consult", target=to_agent(call.other))
    await call.agent_is(call.other, "on_call")
    await house.agents[call.first.login].hang_up()
    await call.until_state("talking", call.other)
    row = await call.ends()
    assert row["transfers"] == "attended:agent"
    assert row["agent_id"] == call.other.id


@pytest.mark.parametrize("outside", [True, False])
async def test_an_agent_who_hangs_up_while_it_rings_sends_the_customer_back(
    house: House, outside: bool
) -> None:
    """Nobody else has answered: head of the queue, and the next agent has the same call."""
    call = await talk(house, "13918002026" if outside else "13918002027")
    house.agents[call.other.login].habits = LONG if outside else Habits(misses=1.0)
    target = {"kind": "department", "name": "rings"} if outside else to_agent(call.other)
    await call.order("consult", target=target)
    await call.until_state("held")
    if not outside:
        await call.agent_is(call.other, "ringing")
    else:

        async def rings() -> bool:
            return any(one.called.endswith("13912340408") for one in house.lab.book.open_calls)

        await until(rings, saying="the number outside never rang")
    await house.agents[call.first.login].hang_up()
    house.agents[call.other.login].habits = LONG
    await call.until_state("talking")
    row = await call.ends()
    assert row["transfers"] == "blind:left"


async def test_a_department_outside_that_refuses_gives_the_customer_to_the_queue(house: House) -> None:
    call = await talk(house, "13918002022")
    await call.order("transfer", target={"kind": "department", "name": "engaged"})

    async def again() -> bool:
        row = await house.detail(call.id)
        return row["state"] == "talking" and any(
            agent.talking for login, agent in house.agents.items() if login != "supervisor"
        )

    await until(again, saying="no agent had the customer again")
    row = await call.ends()
    assert row["queue"] == "sales"


async def test_no_transfer_to_where_nothing_is(house: House) -> None:
    call = await talk(house, "13918002023")
    assert "no-such-target" in await call.refused("transfer", target={"kind": "queue", "name": "nowhere"})
    assert (await house.detail(call.id))["state"] == "talking"
    await call.ends()


async def test_a_third_agent_joins_a_conference_and_leaves(house: House) -> None:
    call = await talk(house, "13918002030")
    third = house.person("supervisor")
    before = len(house.rows("SELECT id FROM calls"))
    await call.order("conference", invited=to_agent(third))
    await call.agent_is(third, "on_call")
    await call.until_state("talking", call.first)
    await house.agents["supervisor"].hang_up()
    await call.agent_is(third, "ready")
    assert (await house.detail(call.id))["state"] == "talking"
    assert house.agents[call.first.login].talking
    await call.order("conference", invited=to_agent(call.other))
    await call.agent_is(call.other, "on_call")
    row = await call.ends()
    await house.agents[call.first.login].hang_up()  # whoever is left alone then is not kept in the room
    await free(house)
    assert row["agent_id"] == call.first.id
    assert len(house.rows("SELECT id FROM calls")) == before, "an invitation is no call of its own"


async def test_a_paused_recording_has_a_gap_and_its_full_length(house: House) -> None:
    """C08: what is said meanwhile is silence in the file, and the gap has its row."""
    call = await talk(house, "13918002040", TO_SALES, called=WITH_MENU)
    began = time.monotonic()
    await call.order("pause-recording")
    await asyncio.sleep(GAP_SECONDS)
    await call.order("resume-recording")
    paused = time.monotonic() - began
    await asyncio.sleep(0.5)
    row = await call.ends()
    [gap] = house.rows("SELECT * FROM recording_gaps WHERE call_id = ?", call.id)
    assert GAP_SECONDS - 0.1 <= when(gap["resumed_at"]) - when(gap["paused_at"]) <= paused

    async def measured() -> Any:
        return house.rows("SELECT * FROM recordings WHERE call_id = ? AND state = 'kept'", call.id)

    [recording] = await until(measured, 40.0, saying="the recording was never measured")
    assert recording["seconds"] == pytest.approx(row["talk_seconds"], abs=SLACK + 1.0)


async def test_nothing_is_recorded_after_a_refusal(house: House) -> None:
    """C08: key 9 during the notice; there is no file and nothing to pause."""
    folder = house.site.settings.data / "recordings"
    before = set(folder.iterdir())
    call = await talk(
        house, "13918002041", (Listen(seconds=2.5), Press(keys="9"), *TO_SALES), called=WITH_MENU
    )
    assert "not being recorded" in await call.refused("pause-recording")
    await call.ends()
    assert house.rows("SELECT * FROM recordings WHERE call_id = ?", call.id) == []
    assert set(folder.iterdir()) == before


async def test_only_the_holder_gives_orders_and_a_supervisor_may_end_the_call(house: House) -> None:
    """R28: a second agent's order gets 409 with the holder's name."""
    call = await talk(house, "13918002050")
    for word in ("hold", "pause-recording"):
        said = await call.refused(word, call.other)
        assert "409" in said
        assert call.first.name in said
    await call.order("hang-up", house.person("supervisor"))
    await call.ended()
    assert "no-such-call" in await call.refused("hold")


async def test_click_to_call_rings_the_agent_and_then_the_number(house: House) -> None:
    """The row is there before anything rings; hold works as on any call; S20: the same key rings once."""
    agent = house.person("agent1")
    house.agents["agent1"].habits = Habits(answers_after=(1.5, 1.5), talks=(600.0, 600.0))
    clicked = time.time()
    headers = {"Idempotency-Key": "one-click"}
    body = {"number": "138 0013 8000", "agent_id": agent.id}
    answers = []
    for _ in range(2):
        async with house.site.session.post(
            f"{house.site.url}/api/v1/calls", json=body, headers=headers
        ) as response:
            assert response.status == 202
            answers.append((await response.json())["call_id"])
    assert answers[0] == answers[1]
    [opened] = house.rows("SELECT * FROM calls WHERE id = ?", answers[0])
    assert opened["direction"] == "outbound"
    call_id = answers[0]

    async def state(wanted: str) -> Any:
        async def look() -> Any:
            row = await house.detail(call_id)
            return row if row["state"] == wanted else None

        return await until(look, saying=f"never {wanted}")

    row = await state("talking")
    assert row["agent_id"] == agent.id
    assert row["number"] == "+8613800138000"
    await is_state(house, "agent1", "on_call")
    for word, becomes in (("hold", "held"), ("resume", "talking"), ("hang-up", "ended")):
        await house.site.post(f"/calls/{call_id}/{word}", {"agent_id": agent.id})
        row = await state(becomes)
    assert row["outcome"] == "answered"
    assert row["talk_seconds"] > 0
    # Their own phones may end a moment after the log does.
    await until(lambda: not house.lab.book.open_calls, saying="phones outside that still have the call")
    rung = [one for one in house.lab.records() if one.called.endswith("13800138000")]
    assert len(rung) == 1

    async def own() -> Any:
        return [one for one in house.lab.records() if one.kind == "agent" and one.start > clicked]

    [leg] = await until(own, saying="his own phone never rang")
    assert epoch(opened["started_at"]) <= leg.start
    [taken] = house.rows(
        "SELECT at FROM agent_changes WHERE user_id = ? AND state = 'on_call' AND call_id = ?",
        agent.id,
        call_id,
    )
    assert epoch(taken["at"]) < leg.answer, "no queue rings him while his own phone does"


async def test_a_click_that_came_to_nothing_leaves_the_agent_ready(house: House) -> None:
    """His phone was not answered, or is not there at all; no wrap-up follows."""
    agent = house.person("agent1")
    house.agents["agent1"].habits = DECLINES
    [before] = house.rows("SELECT max(id) AS id FROM agent_changes WHERE user_id = ?", agent.id)
    await house.site.post("/calls", {"number": "13800138000", "agent_id": agent.id})

    def ready() -> list[str]:
        changes = house.rows(
            "SELECT state FROM agent_changes WHERE user_id = ? AND id > ? ORDER BY id", agent.id, before["id"]
        )
        states = [row["state"] for row in changes]
        return states if states[-1:] == ["ready"] else []

    states = await until(ready, saying="the agent who declined his own call was never ready")
    assert states == ["on_call", "ready"]


@pytest.mark.parametrize("number", ["+442071234567", "19012345678", "hello"])
async def test_s16_refused_numbers_ring_nobody(house: House, number: str) -> None:
    before = len(house.rows("SELECT id FROM calls"))
    with pytest.raises(SiteError, match="dial-refused"):
        await house.site.post("/calls", {"number": number, "agent_id": house.person("agent1").id})
    assert len(house.rows("SELECT id FROM calls")) == before
    assert await house.agent_state("agent1") == "ready"


async def test_an_agent_who_misses_two_rings_is_paused(house: House) -> None:
    """The customer goes on to the next agent; `ready` ends the pause."""
    absent, there = house.person("agent1"), house.person("agent2")
    await house.site.post(f"/agents/{there.id}/pause", {"reason": "lunch"})
    house.agents["agent1"].habits = DECLINES
    placed = await house.call(caller="13918002060", steps=WAITS)

    async def paused() -> bool:
        return await house.agent_state("agent1") == "paused"

    await until(paused, saying="the absent agent was never paused")
    await house.site.post(f"/agents/{there.id}/ready")
    row = await house.state_of(placed, "talking")
    assert row["agent_id"] == there.id
    listed = await house.site.get("/agents")
    assert next(one for one in listed["items"] if one["id"] == absent.id)["reason"] == "missed-calls"
    await placed.hang_up()
    await house.site.post(f"/agents/{absent.id}/ready")


async def test_a_pause_asked_in_a_call_begins_after_it(house: House) -> None:
    """Signing out is not possible in a call; it is while the pause lasts."""
    call = await talk(house, "13918002061")
    await house.site.post(f"/agents/{call.first.id}/pause", {"reason": "lunch"})
    await call.agent_is(call.first, "on_call")
    with pytest.raises(SiteError, match="agent-step-refused"):
        await house.site.post(f"/agents/{call.first.id}/sign-out")
    await call.ends()
    await call.agent_is(call.first, "paused")
    await house.site.post(f"/agents/{call.first.id}/sign-out")
    await call.agent_is(call.first, "signed_out")


async def test_signing_out_while_it_rings_sends_the_caller_on(house: House) -> None:
    """Nobody answers his phone any more, and the other agent gets the call."""
    for login in ("agent1", "agent2"):
        house.agents[login].habits = Habits(misses=1.0)
    placed = await house.call(caller="13918002062", steps=WAITS)

    async def rung() -> str:
        states = {login: await house.agent_state(login) for login in ("agent1", "agent2")}
        return next((login for login, state in states.items() if state == "ringing"), "")

    login = await until(rung, saying="no phone rang")
    other = "agent2" if login == "agent1" else "agent1"
    house.agents[other].habits = LONG
    await house.site.post(f"/agents/{house.person(login).id}/sign-out")
    row = await house.state_of(placed, "talking", seconds=60)
    assert row["agent_id"] == house.person(other).id
    await is_state(house, login, "signed_out")
    await placed.hang_up()


async def careline(house: House, *arguments: str) -> tuple[int, str]:
    """Exit code and output of a command at the prompt, with the house's settings and token."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "config", *arguments, "--config", str(house.site.config),
        env={**os.environ, "CARELINE_TOKEN": house.site.token},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    said = (await process.communicate())[0].decode()
    return process.returncode or 0, said


async def test_the_same_orders_at_the_command_line(house: House) -> None:
    call = await talk(house, "13918002065")
    code, said = await careline(house, "call", "list")
    assert code == 0
    assert call.id in said
    who = ("--agent", call.first.name)
    for order, state in (
        (("hold", call.id, *who), "held"),
        (("resume", call.id, *who), "talking"),
        (("consult", call.id, f"agent:{call.other.name}", *who), "held"),
        (("cancel", call.id, *who), "talking"),
    ):
        code, said = await careline(house, "call", *order)
        assert code == 0, said
        await call.until_state(state)
    code, said = await careline(house, "agent", "pause", "lunch", call.other.id)
    assert (code, await house.agent_state(call.other.login)) == (0, "paused"), said
    code, said = await careline(house, "agent", "ready", call.other.id)
    assert (code, await house.agent_state(call.other.login)) == (0, "ready"), said
    code, said = await careline(house, "call", "hold", call.id, "--agent", call.other.name)
    assert code == 1
    assert call.first.name in said
    code, said = await careline(house, "call", "transfer", call.id, "somewhere", *who)
    assert code == 2
    assert "a target is" in said
    code, said = await careline(house, "call", "hang-up", call.id, *who)
    assert code == 0, said
    await call.ended()


async def test_an_agent_whose_phone_is_not_registered_is_passed_over(house: House) -> None:
    """The last test: one phone is gone for good. Callers and transfers go on at once, and his own click too."""
    gone = house.person("agent2")
    await house.lab.sign_off_agents([gone.phone(PhoneKind.DESK).endpoint])
    await house.site.post("/calls", {"number": "13800138000", "agent_id": gone.id})

    async def ready() -> bool:
        return await house.agent_state("agent2") == "ready"

    await until(ready, saying="the agent without a phone was never ready again")
    call = await talk(house, "13918002070")
    assert call.first.login == "agent1"
    await call.order("consult", target=to_agent(gone))
    await call.until_state("held")
    await call.order("cancel-transfer")
    await call.until_state("talking", call.first)
    await call.order("transfer", target=to_agent(gone))
    await call.until_state("talking", call.first)
    await call.ends()
