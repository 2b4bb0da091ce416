"""What `python -m bench screenpop` counts: every ring, once, against its own paint."""

from __future__ import annotations

from bench._pop_legs import Moment, Rang, on_its_way
from bench.screenpop import paired


def test_a_ring_without_a_paint_is_lost_and_a_second_ring_has_its_own() -> None:
    rung = [("a", 100.0), ("b", 200.0), ("a", 500.0), ("c", 600.0)]
    painted = [("a", 140.0), ("a", 590.0), ("b", 150.0)]
    assert paired(rung, painted) == ([40.0, 90.0], 2)


def test_a_leg_is_of_its_own_ring_and_agent_and_a_point_not_seen_ends_the_way() -> None:
    ring = Rang(call="a", linkedid="l", at=100.0, ends=500.0)
    moments = [
        Moment(point=point, call=call, agent=agent, at=at)
        for point, call, agent, at in (
            ("read", "l", "me", 50.0),  # an earlier ring of the same call
            ("read", "l", "other", 101.0),
            ("read", "l", "me", 102.0),
            ("applied", "b", "me", 102.5),
            ("applied", "a", "me", 103.0),
            ("asked", "a", "me", 510.0),  # the next ring's
            ("found", "a", "me", 106.0),
        )
    ]
    assert on_its_way(ring, "me", moments) == {"read": 2.0, "applied": 1.0}
