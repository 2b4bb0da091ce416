"""Who takes which customer: one agent for one customer, in order of answer; what pacing rules learn; a team's floor."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import pytest

from campaigns.attempts import Attempt, AttemptId, AttemptOutcome, AttemptState, is_late
from campaigns.campaigns import Campaign, CampaignState, Mode, Purpose
from campaigns.learning import Learning
from campaigns.pacing.pacers import Predictive
from campaigns.rules import Rules
from campaigns.seating import Seating
from campaigns.teams import calls_of, floor_of, free_for_campaign, team_of
from telephony.agents import Agent, AgentState
from telephony.clock import SystemClock

NOW = datetime(2026, 11, 19, 2, tzinfo=UTC)
CAMPAIGN = Campaign(
    id="01C",
    name="回访",
    purpose=Purpose.SERVICE_VISIT,
    mode=Mode.PROGRESSIVE,
    state=CampaignState.RUNNING,
    queue="service",
    flow="",
    caller_id="",
    priority=5,
    created_at=NOW,
    by_name="",
    state_at=NOW,
)


def agent(id: str, state: AgentState = AgentState.READY, since: int = 0, **more: object) -> Agent:
    made = Agent(
        id=id,
        name=id,
        state=state,
        since=NOW + timedelta(seconds=since),
        phone=f"p{id}",
        queues={"service": 0},
    )
    return replace(made, **more)  # type: ignore[arg-type]


def reserved(id: str, since: int = 0, **more: object) -> Agent:
    return agent(id, AgentState.RESERVED, since, reserved_for="01C", **more)


@dataclass
class Desk:
    """Agents without a switch."""

    board: dict[str, Agent] = field(default_factory=dict)
    waiting: int = 0
    missed: list[str] = field(default_factory=list)

    def known(self) -> Iterable[Agent]:
        return list(self.board.values())

    def callers_waiting(self, queue: str) -> int:
        return self.waiting

    def kept(self, queue: str) -> int:
        return 0

    async def reserve(self, agent_id: str, campaign_id: str) -> bool:
        self.board[agent_id] = replace(
            self.board[agent_id], state=AgentState.RESERVED, reserved_for=campaign_id
        )
        return True

    async def release(self, agent_id: str) -> bool:
        return True

    async def did_not_take(self, agent_id: str) -> None:
        self.missed.append(agent_id)


def desk_of(*agents: Agent) -> tuple[Desk, Seating]:
    desk = Desk({one.id: one for one in agents})
    return desk, Seating(agents=desk, clock=SystemClock())


async def test_no_agent_is_given_two_customers() -> None:
    _, seating = desk_of(reserved("A", 5), reserved("B", 1))
    first = await seating.seat("1", CAMPAIGN, 0.05)
    second = await seating.seat("2", CAMPAIGN, 0.05)
    assert first is not None
    assert second is not None
    assert [first.id, second.id] == ["B", "A"], "who waits longest goes first"
    assert await seating.seat("3", CAMPAIGN, 0.05) is None


async def test_who_answered_first_is_served_first_when_somebody_comes_free() -> None:
    desk, seating = desk_of(agent("A", AgentState.ON_CALL))
    served: list[str] = []

    async def wait(name: str) -> None:
        if await seating.seat(name, CAMPAIGN, 5) is not None:
            served.append(name)

    first = asyncio.create_task(wait("first"))
    await asyncio.sleep(0)
    second = asyncio.create_task(wait("second"))
    await asyncio.sleep(0)
    for id in ("B", "C"):
        desk.board[id] = agent(id)
        seating.changed(desk.board[id])
        for _ in range(10):
            await asyncio.sleep(0)
    await asyncio.gather(first, second)
    assert served == ["first", "second"]


async def test_while_callers_wait_a_ready_agent_is_theirs_and_a_reserved_one_is_not() -> None:
    desk, seating = desk_of(agent("A"))
    desk.waiting = 1
    assert await seating.seat("1", CAMPAIGN, 0.02) is None
    desk.board["B"] = reserved("B")
    found = await seating.seat("2", CAMPAIGN, 0.02)
    assert found is not None
    assert found.id == "B"


async def test_a_telephone_that_did_not_ring_counts_as_missed_and_is_free_again() -> None:
    desk, seating = desk_of(reserved("A"))
    assert await seating.seat("1", CAMPAIGN, 0.02) is not None
    await seating.failed("1")
    assert desk.missed == ["A"]
    assert await seating.seat("2", CAMPAIGN, 0.02) is not None
    seating.gone("2")
    assert await seating.seat("3", CAMPAIGN, 0.02) is not None, "his customer hung up before it rang"


def attempt(id: str, **more: object) -> Attempt:
    made = Attempt(
        id=AttemptId(id),
        campaign_id="01C",
        target_id="T",
        customer_id="K",
        no=1,
        send=1,
        number="+8613900000000",
        node="x",
        state=AttemptState.DIALING,
        intent_at=NOW,
    )
    return replace(made, **more)  # type: ignore[arg-type]


def test_floor_is_what_agents_and_calls_do() -> None:
    ringing = attempt("1")
    waiting = attempt("2", state=AttemptState.ANSWERED, answered_at=NOW + timedelta(seconds=8))
    talking = replace(waiting, id=AttemptId("3"), connected_at=NOW + timedelta(seconds=9))
    by_hand = attempt("4", agent_first=True)
    other = attempt("5", campaign_id="other")
    agents = [
        reserved("A"),
        reserved("P", next_pause="meal"),
        agent("B"),
        agent("C", since=-5),
        agent("W", AgentState.WRAP_UP, call_id="9"),
        agent("H", AgentState.WRAP_UP, call_id="hotline"),
        agent("X", queues={"sales": 0}),
    ]
    team = team_of(CAMPAIGN, agents, [attempt("9")])
    calls = calls_of(CAMPAIGN, [ringing, waiting, talking, by_hand, other])
    assert calls.without_agent == 2
    assert [one.id for one in team.ready] == ["C", "B"]
    assert [one.id for one in team.reserved] == ["A"], "who wants a pause gets nobody new"
    floor = floor_of(team, calls, 1, NOW + timedelta(seconds=10))
    assert (floor.idle, floor.waiting, floor.ringing, floor.talking, len(floor.wrapping)) == (
        2,
        1,
        (10.0,),
        (1.0,),
        1,
    )
    assert [one.id for one in free_for_campaign(team, kept=1, callers_waiting=0)] == ["C"]
    assert not free_for_campaign(team, kept=0, callers_waiting=1)


def test_rule_is_told_each_thing_once() -> None:
    learning = Learning()
    campaign = replace(CAMPAIGN, mode=Mode.PREDICTIVE, rules=Rules(abandon_cap=0.03))
    learning.begin(campaign, [], SystemClock())
    rule = learning.pacer(campaign)
    assert isinstance(rule, Predictive)
    before = rule.answer_rate
    answered = attempt("1", state=AttemptState.ANSWERED, answered_at=NOW + timedelta(seconds=5))
    for _ in range(50):
        learning.follow([answered], 1.0)
    once = rule.answer_rate
    assert once > before
    over = replace(
        answered,
        state=AttemptState.ENDED,
        outcome=AttemptOutcome.HUMAN,
        connected_at=NOW + timedelta(seconds=6),
        ended_at=NOW + timedelta(seconds=90),
    )
    for _ in range(50):
        learning.follow([over], 2.0)
    assert rule.answer_rate == once
    learning.follow(
        [
            attempt(
                "2",
                state=AttemptState.ENDED,
                outcome=AttemptOutcome.NO_TRUNK,
                ended_at=NOW + timedelta(seconds=30),
            )
        ],
        3.0,
    )
    assert rule.answer_rate == once, "a trunk that is gone says nothing of people"
    learning.follow(
        [
            attempt(
                "3",
                state=AttemptState.ENDED,
                outcome=AttemptOutcome.BUSY,
                ended_at=NOW + timedelta(seconds=3),
            )
        ],
        4.0,
    )
    assert rule.answer_rate < once


@pytest.mark.parametrize(
    ("connected", "late"), [(None, True), (1.9, False), (2.0, False), (2.1, True)], ids=str
)
def test_two_seconds_decide_who_was_left_alone(connected: float | None, late: bool) -> None:
    answered = NOW + timedelta(seconds=10)
    one = attempt(
        "1",
        state=AttemptState.ENDED,
        outcome=AttemptOutcome.HUMAN if connected else AttemptOutcome.ABANDONED,
        answered_at=answered,
        connected_at=None if connected is None else answered + timedelta(seconds=connected),
    )
    assert is_late(one) is late
    assert not is_late(replace(one, agentless=True))
