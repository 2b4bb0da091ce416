"""Who waits for which page; no switch, no database."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import pytest

from storage.database import StorageUnavailable
from telephony.agents import Agent, AgentState
from telephony.calls import Call, CallId, CallState, Direction
from telephony.control import NotYourCall, call_of_invited, invited_leg
from telephony.facts import Fact, FactKind, Source
from telephony.ports import SwitchUnavailable
from telephony.returning import Returning

NOW = datetime(2026, 11, 22, 1, 0, tzinfo=UTC)
ID = CallId("01M808K8VG37RMJCZXF5D7RHME")
CALL = Call(
    id=ID, linkedid="l", system="s", direction=Direction.INBOUND, state=CallState.HELD, started_at=NOW
)
LEG = f"{ID}-g1"


@dataclass
class House:
    """The control, the agents and the clock, as `Returning` uses them; remembers what was asked."""

    call: Call | None = CALL
    held: bool | None = False
    trouble: BaseException | None = None
    seconds: float = 0.0
    done: list[str] = field(default_factory=list)
    expected: set[str] = field(default_factory=set)
    board: dict[str, Agent] = field(
        default_factory=lambda: {
            "li": Agent(id="li", name="Li", state=AgentState.ON_CALL, since=NOW, phone="pb", call_id=str(ID))
        }
    )

    def monotonic(self) -> float:
        return self.seconds

    async def leave_waiting(self, call_id: str, endpoint: str) -> bool | None:
        self.done.append("music")
        if self.trouble:
            raise self.trouble
        return self.held

    async def bring_back(self, call_id: str, endpoint: str) -> str:
        self.done.append("ring")
        return LEG

    async def talks_again(self, call_id: str) -> None:
        self.done.append("talk")
        if self.trouble:
            raise self.trouble

    async def leave_nobody_on_hold(self, call_id: str) -> bool:
        self.done.append("queue")
        return True

    async def cut(self, leg: str) -> None:
        self.done.append("cut")

    def expect(self, agent_id: str) -> None:
        self.expected.add(agent_id)

    def expect_no_more(self, agent_id: str) -> None:
        self.expected.discard(agent_id)

    async def not_back(self, agent_id: str) -> None:
        self.expected.discard(agent_id)
        self.done.append("wrap-up")

    def live(self, _call_id: str) -> Call | None:
        return self.call


def returning(house: House) -> Returning:
    return Returning(control=house, agents=house, clock=house, live=house.live, seconds=20.0)  # type: ignore[arg-type]


def answer() -> Fact:
    return Fact(source=Source.AMI, key="k", kind=FactKind.LEG_ANSWERED, at=NOW, linkedid=LEG, uniqueid=LEG)


async def test_a_page_that_comes_back_has_its_customer_and_no_wrap_up() -> None:
    house = House()
    page = returning(house)
    assert await page.gone("li", "pb")
    assert page.awaits(ID)
    assert house.expected == {"li"}
    found = await page.back("li")
    assert found is not None
    assert (found.call_id, found.leg) == (ID, LEG)
    await page.back("li")  # asked twice, rung once
    await page.answered(answer())
    assert house.done == ["music", "ring", "talk"]
    assert not page.awaits(ID)
    assert house.expected == set()


async def test_a_page_that_does_not_come_back_loses_its_customer() -> None:
    house = House()
    page = returning(house)
    await page.gone("li", "pb")
    house.seconds = 19.9
    await page.look()
    assert house.done == ["music"]
    house.seconds = 20.1
    await page.look()
    assert house.done == ["music", "queue", "wrap-up"]
    assert await page.back("li") is None


async def test_a_customer_who_hangs_up_meanwhile_is_not_waited_for() -> None:
    house = House()
    page = returning(house)
    await page.gone("li", "pb")
    house.call = replace(CALL, state=CallState.ENDED)
    await page.look()
    assert house.done == ["music", "wrap-up"]


async def test_who_was_on_hold_stays_there_until_he_is_taken_back() -> None:
    house = House(held=True)
    page = returning(house)
    await page.gone("li", "pb")
    found = await page.back("li")
    assert found is not None
    assert found.held
    assert not found.leg
    house.seconds = 500.0
    await page.look()
    assert await page.resume("li")
    await page.answered(answer())
    assert house.done == ["music", "ring", "talk"]


async def test_a_page_that_goes_again_before_it_answered_is_waited_for_anew() -> None:
    house = House()
    page = returning(house)
    await page.gone("li", "pb")
    await page.back("li")
    house.seconds = 15.0
    assert await page.gone("li", "pb")
    house.seconds = 30.0
    await page.look()
    assert house.done == ["music", "ring", "cut"]
    assert (await page.back("li")) is not None


@pytest.mark.parametrize("trouble", [SwitchUnavailable("x"), StorageUnavailable("x")])
async def test_who_talks_again_is_followed_again_whatever_went_wrong(trouble: Exception) -> None:
    """The end of his leg counts from now on; else he would stay on the call until a restart."""
    house = House()
    page = returning(house)
    await page.gone("li", "pb")
    await page.back("li")
    house.trouble = trouble
    with pytest.raises(type(trouble)):
        await page.answered(answer())
    assert house.expected == set()
    assert not page.awaits(ID)


@pytest.mark.parametrize("trouble", [StorageUnavailable("x"), asyncio.CancelledError()])
async def test_a_page_that_could_not_be_seen_to_is_not_waited_for(trouble: BaseException) -> None:
    house = House(trouble=trouble)
    page = returning(house)
    with pytest.raises(type(trouble)):
        await page.gone("li", "pb")
    assert house.expected == set()
    assert not page.awaits(ID)


async def test_whose_leg_ended_because_nobody_waits_has_left_the_call() -> None:
    """In a conference and with a consulted colleague the leg ends at once, while nobody listened for its end."""
    house = House(held=None)
    page = returning(house)
    assert not await page.gone("li", "pb")
    assert house.done == ["music", "wrap-up"]
    assert house.expected == set()


@pytest.mark.parametrize("phone", ["pb", "pd"])
async def test_nobody_waits_where_nobody_talked(phone: str) -> None:
    """Another phone, a conference, a consultation, or a call that has just ended."""
    house = House(held=None, trouble=NotYourCall("x") if phone == "pb" else None)
    page = returning(house)
    assert not await page.gone("li", phone)
    assert house.expected == set()
    assert not page.awaits(ID)


def test_a_leg_rung_for_a_call_says_which() -> None:
    assert call_of_invited(invited_leg(ID, NOW)) == ID
    for other in ("careline-1795305605.9", ID, f"{ID}-2", f"x{ID}-g1", f"{ID}-gx", "-g1"):
        assert call_of_invited(other) is None
