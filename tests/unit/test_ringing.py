"""Whose phone rings: one ring an agent, never another agent's, whatever order facts come in."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from telephony.facts import Fact, FactKind, Source
from telephony.ringing import Ring, RingBoard, RingChange, RingEnd

NOW = datetime(2026, 11, 22, 1, 0, tzinfo=UTC)
OWNERS = {"p1": "li", "p2": "wang"}


def fact(kind: FactKind, endpoint: str = "p1", call: str = "c1", agent: str = "") -> Fact:
    return Fact(
        source=Source.AMI,
        key=f"{kind}/{endpoint}/{call}",
        kind=kind,
        at=NOW,
        linkedid=call,
        uniqueid=f"{call}-leg",
        data={"endpoint": endpoint, "agent": agent},
    )


def test_a_ring_begins_once_and_ends_by_its_answer() -> None:
    board = RingBoard(OWNERS.get)
    ring = Ring(agent_id="li", endpoint="p1", linkedid="c1", since=NOW)
    began = board.take([fact(FactKind.RINGING), fact(FactKind.RINGING)])
    assert began == [RingChange(ring=ring)]
    assert board.of("li") == ring
    assert board.take([fact(FactKind.LEG_ANSWERED)]) == [RingChange(ring=ring, end=RingEnd.ANSWERED)]
    assert board.of("li") is None


def test_the_end_of_another_call_on_the_phone_ends_no_ring() -> None:
    board = RingBoard(OWNERS.get)
    board.take([fact(FactKind.RINGING)])
    assert board.take([fact(FactKind.LEG_ENDED, call="c0"), fact(FactKind.CONNECTED, "p2")]) == []
    assert board.of("li") is not None


def test_a_new_call_takes_the_place_of_an_old_ring() -> None:
    board = RingBoard(OWNERS.get)
    board.take([fact(FactKind.RINGING)])
    changes = board.take([fact(FactKind.RINGING, call="c2")])
    assert [(one.ring.linkedid, one.end) for one in changes] == [("c1", RingEnd.REPLACED), ("c2", None)]


def test_the_end_of_the_call_ends_every_ring_of_it() -> None:
    board = RingBoard(OWNERS.get)
    board.take([fact(FactKind.RINGING), fact(FactKind.RINGING, "p2"), fact(FactKind.CALL_ENDED)])
    assert (board.of("li"), board.of("wang")) == (None, None)


def test_what_the_switch_does_not_know_rings_no_more() -> None:
    board = RingBoard(OWNERS.get)
    board.resume([Ring(agent_id="li", endpoint="p1", linkedid="c1", since=NOW)])
    board.take([fact(FactKind.RINGING, "p2")])
    assert [one.ring.agent_id for one in board.only({"p2"}, NOW + timedelta(seconds=1))] == ["li"]
    assert board.of("wang") is not None
    assert board.only(set(), NOW) == [], "a ring that began after the switch was asked stays"


_KINDS = st.sampled_from(
    [
        FactKind.RINGING,
        FactKind.RING_MISSED,
        FactKind.LEG_ANSWERED,
        FactKind.CONNECTED,
        FactKind.LEG_ENDED,
        FactKind.CALL_ENDED,
        FactKind.HELD,
    ]
)


@given(
    st.lists(
        st.builds(
            fact, _KINDS, st.sampled_from(["p1", "p2", "strange", ""]), st.sampled_from(["c1", "c2", "c3"])
        ),
        max_size=40,
    )
)
def test_every_begin_has_at_most_one_end_and_belongs_to_the_owner(facts: list[Fact]) -> None:
    board = RingBoard(OWNERS.get)
    going: dict[str, Ring] = {}
    for change in board.take(facts):
        assert OWNERS[change.ring.endpoint] == change.ring.agent_id
        if change.end is None:
            assert change.ring.agent_id not in going
            going[change.ring.agent_id] = change.ring
        else:
            assert going.pop(change.ring.agent_id) == change.ring
    assert {agent: board.of(agent) for agent in OWNERS.values() if board.of(agent)} == going
