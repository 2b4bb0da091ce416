"""The states of an agent and the queue members they ask for."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telephony.agents import (
    MISSED_CALLS,
    STEPS,
    Agent,
    AgentEvent,
    AgentState,
    Member,
    Rules,
    StepRefused,
    member_changes,
    step,
    wanted_members,
)

NOW = datetime(2026, 11, 21, 1, 0, tzinfo=UTC)
RULES = Rules(wrapup_seconds=30, missed_before_pause=2)
LI = Agent(id="01LI", name="李娜", since=NOW, state=AgentState.READY, phone="k3j9", queues={"service": 0})


def test_signing_in_makes_a_ready_member_in_each_queue() -> None:
    out = replace(LI, state=AgentState.SIGNED_OUT, phone="", queues={})
    agent = step(out, AgentEvent.SIGN_IN, NOW, RULES, phone="k3j9", queues={"service": 0, "sales": 1})
    assert wanted_members([agent]) == [
        Member(queue="sales", phone="k3j9", agent_id="01LI", penalty=1),
        Member(queue="service", phone="k3j9", agent_id="01LI"),
    ]


def test_a_member_is_paused_from_the_answer_to_the_end_of_wrap_up() -> None:
    talking = step(LI, AgentEvent.CONNECTED, NOW, RULES, call_id="c1")
    after = step(talking, AgentEvent.DISCONNECTED, NOW + timedelta(minutes=3), RULES)
    free = step(after, AgentEvent.WRAPPED_UP, NOW + timedelta(minutes=4), RULES)
    assert [wanted_members([a])[0].paused for a in (LI, talking, after, free)] == [False, True, True, False]
    assert after.state is AgentState.WRAP_UP
    assert after.wrapup_until == NOW + timedelta(minutes=3, seconds=30)
    assert after.call_id == "c1", "the disposition needs the call that just ended"


@pytest.mark.parametrize("reason", ["", "lunch", MISSED_CALLS])
def test_a_call_he_has_placed_keeps_the_queue_away_and_may_come_to_nothing(reason: str) -> None:
    """From the click on, while his own phone still rings; then he is what he was."""
    before = replace(LI, state=AgentState.PAUSED, reason=reason) if reason else LI
    dialing = step(before, AgentEvent.DIALS, NOW, RULES, call_id="c1")
    assert dialing.state is AgentState.ON_CALL
    assert wanted_members([dialing])[0].paused
    after = step(dialing, AgentEvent.STOPPED_RINGING, NOW, RULES)
    assert (after.state, after.reason, after.call_id) == (before.state, reason, None)
    talking = step(dialing, AgentEvent.CONNECTED, NOW, RULES, call_id="c1")
    assert talking.next_pause == ("lunch" if reason == "lunch" else "")


def test_two_missed_rings_pause_an_agent_with_the_reason() -> None:
    once = step(step(LI, AgentEvent.RANG, NOW, RULES), AgentEvent.MISSED, NOW, RULES)
    twice = step(step(once, AgentEvent.RANG, NOW, RULES), AgentEvent.MISSED, NOW, RULES)
    assert (once.state, twice.state, twice.reason) == (AgentState.READY, AgentState.PAUSED, MISSED_CALLS)


def test_an_answer_forgets_earlier_misses() -> None:
    once = step(step(LI, AgentEvent.RANG, NOW, RULES), AgentEvent.MISSED, NOW, RULES)
    talked = step(once, AgentEvent.CONNECTED, NOW, RULES, call_id="c1")
    assert talked.missed_in_row == 0


def test_a_pause_asked_in_a_call_is_taken_after_wrap_up() -> None:
    talking = step(LI, AgentEvent.CONNECTED, NOW, RULES, call_id="c1")
    asked = step(talking, AgentEvent.PAUSE, NOW, RULES, reason="lunch")
    assert asked.state is AgentState.ON_CALL
    done = step(step(asked, AgentEvent.DISCONNECTED, NOW, RULES), AgentEvent.WRAPPED_UP, NOW, RULES)
    assert (done.state, done.reason) == (AgentState.PAUSED, "lunch")


def test_a_refused_step_names_what_is_possible() -> None:
    with pytest.raises(StepRefused) as refused:
        step(replace(LI, state=AgentState.SIGNED_OUT), AgentEvent.PAUSE, NOW, RULES)
    assert refused.value.allowed == ["sign_in"]


def test_the_switch_is_brought_in_line_with_the_rows() -> None:
    wanted = [Member(queue="service", phone="a", agent_id="1", paused=True, reason="lunch")]
    present = [
        Member(queue="service", phone="a", agent_id="1"),
        Member(queue="sales", phone="a", agent_id="1"),
    ]
    assert [(c.how, c.member.queue) for c in member_changes(wanted, present)] == [
        ("remove", "sales"),
        ("pause", "service"),
    ]
    assert member_changes(wanted, wanted) == []


@given(st.lists(st.sampled_from(list(AgentEvent)), max_size=40))
def test_no_sequence_leaves_the_table_and_only_ready_agents_are_rung(events: list[AgentEvent]) -> None:
    agent = replace(LI, state=AgentState.SIGNED_OUT)
    for event in events:
        try:
            agent = step(agent, event, NOW, RULES, phone="k", queues={"service": 0}, reason="r")
        except StepRefused:
            assert (agent.state, event) not in STEPS
        members = wanted_members([agent])
        assert bool(members) == (agent.state is not AgentState.SIGNED_OUT)
        assert all(m.paused == (agent.state not in (AgentState.READY, AgentState.RINGING)) for m in members)


def test_the_row_knows_which_call_rings_so_that_a_restart_does() -> None:
    ringing = step(LI, AgentEvent.RANG, NOW, RULES, call_id="c1")
    assert (ringing.state, ringing.call_id) == (AgentState.RINGING, "c1")
    for event in (AgentEvent.MISSED, AgentEvent.STOPPED_RINGING, AgentEvent.SIGN_OUT, AgentEvent.PAUSE):
        assert step(ringing, event, NOW, RULES, reason="lunch").call_id is None
