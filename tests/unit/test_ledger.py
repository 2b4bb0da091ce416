"""The proof of a day, and what becomes of calls without an end."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from telephony.calls import Call, CallId, CallState, Direction
from telephony.ledger import TrunkEntry, lines_of, prove, span_of
from telephony.reconciliation import OpenCall, Seen, decide, fact_of

T0 = datetime(2026, 11, 21, 2, 0, tzinfo=UTC)
DAY = date(2026, 11, 21)
LONGEST = timedelta(hours=4)


def call(id: str, **changes: object) -> Call:
    made = Call(
        id=CallId(id),
        linkedid=f"linked-{id}",
        system="careline",
        direction=Direction.INBOUND,
        state=CallState.ENDED,
        started_at=T0,
        ended_at=T0 + timedelta(minutes=1),
        explained="unknown_number",
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def entry(id: str, call_id: str | None, **changes: object) -> TrunkEntry:
    made = TrunkEntry(
        uniqueid=id, linkedid=id, started_at=T0, direction="inbound", caller="", called="", call_id=call_id
    )
    return replace(made, **changes)  # type: ignore[arg-type]


SETTLED = T0 + timedelta(hours=1)


def test_a_day_without_a_mistake_is_proved() -> None:
    calls = [
        call("a"),
        call("b", customer_id="C", explained="number"),
        call("c", state=CallState.TALKING, ended_at=None, explained=None),
        call("d", direction=Direction.OUTBOUND, explained=None, customer_id=None),
    ]
    trunk = [entry("1", "a"), entry("2", "b"), entry("3", "c"), entry("4", "a")]
    proof = prove(DAY, trunk, calls, {"a", "b", "c"}, SETTLED)
    assert proof.difference == 0
    assert (proof.on_trunk, proof.in_log, proof.tied, proof.explained, proof.going_on, proof.not_dialed) == (
        3, 3, 1, 1, 1, 1,
    )  # fmt: skip
    assert lines_of(proof)[-1].split() == ["difference", "0"]


def test_two_mistakes_do_not_cancel_each_other() -> None:
    proof = prove(DAY, [entry("1", None)], [call("a")], set(), SETTLED)
    assert (proof.on_trunk, proof.in_log) == (1, 1)
    assert proof.difference == 2
    text = "\n".join(lines_of(proof))
    assert "not in the log (channel):\n  1" in text
    assert "not on the trunk (call):\n  a" in text


def test_a_call_that_is_neither_tied_nor_explained_is_a_difference() -> None:
    proof = prove(DAY, [entry("1", "a")], [call("a", explained=None)], {"a"}, SETTLED)
    assert (proof.difference, proof.loose) == (1, ["a"])


def test_what_has_just_begun_is_left_out_on_both_sides() -> None:
    late = T0 + timedelta(hours=2)
    proof = prove(
        DAY, [entry("1", None, started_at=late)], [call("a", started_at=late, explained=None)], set(), SETTLED
    )
    assert (proof.difference, proof.on_trunk, proof.in_log) == (0, 0, 0)


def test_long_lists_are_cut() -> None:
    proof = prove(DAY, [entry(str(number), None) for number in range(30)], [], set(), SETTLED)
    assert lines_of(proof, most=20)[-1] == "  and 10 more"


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [("Asia/Shanghai", date(2026, 11, 21), 24), ("America/New_York", date(2027, 3, 14), 23),
     ("America/New_York", date(2026, 11, 1), 25)],
)  # fmt: skip
def test_r32_a_local_day_has_the_hours_it_has(zone: str, day: date, hours: int) -> None:
    since, until = span_of(day, zone)
    assert until - since == timedelta(hours=hours)


# Reconciliation

NOW = T0 + timedelta(minutes=30)


def open_call(id: str, *, started: float = 0, last: float = 60) -> OpenCall:
    one = call(
        id, state=CallState.TALKING, ended_at=None, started_at=T0 + timedelta(seconds=started), explained=None
    )
    return OpenCall(call=one, uniqueids=[one.linkedid, f"leg-{id}"], last_at=T0 + timedelta(seconds=last))


def seen(*alive: str, since: float = -3600, earlier_until: float | None = None) -> Seen:
    return Seen(
        at=NOW,
        alive=set(alive),
        since=T0 + timedelta(seconds=since),
        earlier_until=None if earlier_until is None else T0 + timedelta(seconds=earlier_until),
    )


def test_a_call_the_switch_lists_is_adopted_by_linkedid_or_by_any_leg() -> None:
    decision = decide([open_call("a"), open_call("b")], seen("linked-a", "leg-b"), LONGEST)
    assert (decision.adopted, decision.interrupted, decision.waiting) == (["a", "b"], [], [])


def test_a_call_that_is_gone_without_a_trace_is_closed_after_the_patience() -> None:
    decision = decide([open_call("a"), open_call("b", last=1795)], seen(), LONGEST)
    (one,) = decision.interrupted
    assert (one.call.id, one.why, one.at) == ("a", "unseen", T0 + timedelta(seconds=60))
    assert decision.waiting == ["b"]
    assert fact_of(one).data == {"why": "unseen"}


def test_r09_after_a_restart_calls_are_closed_at_the_last_sign_of_life() -> None:
    decision = decide([open_call("a")], seen(since=700, earlier_until=600), LONGEST)
    (one,) = decision.interrupted
    assert (one.why, one.at) == ("restarted", T0 + timedelta(seconds=600))


def test_a_call_that_began_before_the_restart_was_noticed_but_lives_is_adopted() -> None:
    decision = decide([open_call("a")], seen("leg-a", since=700, earlier_until=600), LONGEST)
    assert decision.adopted == ["a"]


def test_a_call_newer_than_the_list_waits() -> None:
    decision = decide([open_call("a", started=1801, last=1801)], seen(), LONGEST)
    assert decision.waiting == ["a"]


def test_no_call_lasts_longer_than_the_longest() -> None:
    decision = decide([open_call("a", started=-5 * 3600, last=-4 * 3600)], seen("linked-a"), LONGEST)
    (one,) = decision.interrupted
    assert (one.why, one.at) == ("too_long", T0 - timedelta(hours=4))


def test_an_agent_who_answers_while_the_trunk_is_down_dialed_nobody() -> None:
    """A09: the agent's phone is no channel of the trunk; once the customer has answered, one must be there."""
    down = call("a", direction=Direction.OUTBOUND, answered_at=T0)
    proof = prove(DAY, [], [down], set(), SETTLED)
    assert (proof.difference, proof.in_log, proof.not_dialed) == (0, 0, 1)
    lost = call("b", direction=Direction.OUTBOUND, answered_at=T0, connected_at=T0)
    assert prove(DAY, [], [lost], set(), SETTLED).unseen == ["b"]
