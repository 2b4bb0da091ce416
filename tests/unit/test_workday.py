"""How long an agent was in which state."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm.workday import by_hour, seconds_in
from telephony.agents import AgentState

DAY = datetime(2026, 11, 22, tzinfo=UTC)


def at(minutes: float) -> datetime:
    return DAY + timedelta(minutes=minutes)


def test_what_began_before_the_day_counts_from_its_beginning() -> None:
    changes = [(at(-30), AgentState.READY), (at(10), AgentState.WRAP_UP), (at(70), AgentState.READY)]
    spent = seconds_in(changes, at(0), at(120))
    assert (spent[AgentState.READY], spent[AgentState.WRAP_UP]) == (60 * 60, 60 * 60)
    assert by_hour(changes, AgentState.WRAP_UP, at(0), at(120)) == {at(0): 50 * 60, at(60): 10 * 60}


@given(
    st.lists(st.tuples(st.floats(-100, 1500), st.sampled_from(list(AgentState))), max_size=20),
    st.floats(0, 1440),
)
def test_states_fill_the_day_exactly(moves: list[tuple[float, AgentState]], minutes: float) -> None:
    changes = [(at(when), state) for when, state in sorted(moves, key=lambda one: one[0])]
    spent = seconds_in(changes, at(0), at(minutes))
    assert sum(spent.values()) == pytest.approx(minutes * 60, abs=0.01)
    for state in AgentState:
        hours = by_hour(changes, state, at(0), at(minutes))
        assert sum(hours.values()) == pytest.approx(spent[state], abs=0.01)
        assert all(seconds <= 3600.001 for seconds in hours.values())
