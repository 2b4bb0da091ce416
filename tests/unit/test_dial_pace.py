"""How fast calls leave: telephony.trunk.calls_per_second."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telephony.fences import Pace, TooManyCalls


def test_calls_take_turns_and_those_far_back_are_told_when() -> None:
    pace = Pace(calls_per_second=2.0)
    assert [pace.reserve(100.0) for _ in range(3)] == [0.0, 0.5, 1.0]
    with pytest.raises(TooManyCalls) as refused:
        pace.reserve(100.0)
    assert (refused.value.wait_seconds, refused.value.error_id) == (2, "too-many-calls")
    assert pace.reserve(102.0) == 0.0, "a refused call takes no turn"


@given(st.lists(st.floats(0, 3), max_size=60), st.floats(0.5, 20))
def test_no_second_ever_holds_more_than_its_calls(gaps: list[float], rate: float) -> None:
    pace, now, turns = Pace(calls_per_second=rate), 50.0, []
    for gap in gaps:
        now += gap
        try:
            turns.append(now + pace.reserve(now))
        except TooManyCalls:
            continue
    assert all(later - earlier >= 1 / rate - 1e-6 for earlier, later in pairwise(turns))
