"""How long a caller is told to wait."""

from __future__ import annotations

import pytest

from telephony.ports import QueueCount
from telephony.queues import QueueBoard


def board(**count: int) -> QueueBoard:
    one = QueueBoard()
    one.look([QueueCount(name="service", **count)], at=100.0)
    return one


def test_a_ready_agent_means_no_wait() -> None:
    assert board(members=3, ready=1).expected_wait("service", 1, 100.0) == 0.0


def test_the_wait_grows_with_the_place_and_shrinks_with_the_team() -> None:
    busy = board(members=3)
    assert busy.expected_wait("service", 1, 100.0) == pytest.approx(60.0)
    assert busy.expected_wait("service", 3, 100.0) == pytest.approx(180.0)
    assert board(members=6).expected_wait("service", 3, 100.0) == pytest.approx(90.0)


def test_the_handling_time_is_learned() -> None:
    busy = board(members=1)
    for _ in range(200):
        busy.handled("service", 60.0)
    assert busy.expected_wait("service", 1, 100.0) == pytest.approx(60.0, rel=0.01)


def test_nothing_is_promised_where_nobody_knows() -> None:
    known = board(members=1)
    assert known.expected_wait("sales", 1, 100.0) is None
    assert known.expected_wait("service", 1, 131.0) is None, "seen too long ago"
    known.lose_sight()
    assert known.count("service", 100.0) is None
    assert board(members=0).expected_wait("service", 1, 100.0) is None
