"""Folding facts into calls: any order and any repetition gives the same row, and captured calls give the right one."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crm.tasks.tasks import is_missed
from telephony.asterisk.files import read_cdr, read_cel, read_queue_log
from telephony.calls import Call, CallState, Direction, Outcome
from telephony.facts import Fact, FactKind, Source
from telephony.tracker import STEPS, Tracker, call_id, fold, why_unknown

CAPTURES = Path(__file__).parents[1] / "captures" / "calls"
T0 = datetime(2026, 11, 21, 2, 0, tzinfo=UTC)
A, B = f"careline-{int(T0.timestamp())}.10", f"careline-{int(T0.timestamp())}.20"
AGENT = "01JD8M7Q2ZC4X0V3N5B6T7Y8W9"


def number_of(raw: str) -> str | None:
    return "+86" + raw if raw.isdecimal() and len(raw) == 11 else None


def fact(
    kind: FactKind,
    seconds: float,
    *,
    source: Source = Source.AMI,
    uniqueid: str = A,
    linkedid: str = A,
    **data: Any,
) -> Fact:
    return Fact(
        source=source,
        key=f"{kind.value}/{uniqueid}/{seconds}/{data}",
        kind=kind,
        at=T0 + timedelta(seconds=seconds),
        linkedid=linkedid,
        uniqueid=uniqueid,
        data=data,
    )


def fold_all(*facts: Fact) -> Call:
    call = fold(facts, system="careline", number_of=number_of)
    assert call is not None
    return call


def captured(name: str) -> list[Fact]:
    folder = CAPTURES / name
    facts: list[Fact] = []
    for file, reader in (("cel.csv", read_cel), ("queue_log", read_queue_log), ("cdr.csv", read_cdr)):
        path = folder / file
        reading = reader(path.read_text().splitlines() if path.exists() else [])
        assert reading.bad == []
        facts += reading.facts
    return facts


def calls_of(facts: list[Fact]) -> list[Call]:
    tracker = Tracker("careline", number_of)
    tracker.take(facts, 0.0)
    return sorted(tracker.calls(), key=lambda call: call.started_at)


IN, OUT = Direction.INBOUND, Direction.OUTBOUND

#: Captured on Asterisk 22.10.1: what happened, as the person who made the call knows it.
CAPTURED: list[tuple[str, dict[str, Any]]] = [
    (
        "member",
        {"direction": IN, "outcome": Outcome.ANSWERED, "queue": "service", "agent_id": AGENT, "talk": 5.2},
    ),
    (
        "ring_noanswer",
        {"direction": IN, "outcome": Outcome.ABANDONED, "queue": "service", "wait": 6.2, "talk": 0},
    ),
    (
        "abandoned",
        {"direction": IN, "outcome": Outcome.ABANDONED, "queue": "service", "wait": 1.2, "talk": 0},
    ),
    ("timeout", {"direction": IN, "outcome": Outcome.ABANDONED, "queue": "service", "wait": 3.0, "talk": 0}),
    ("menu_hangup", {"direction": IN, "outcome": Outcome.LEFT_IN_MENU, "talk": 0, "cause": 16}),
    ("menu_caller", {"direction": IN, "outcome": Outcome.LEFT_IN_MENU, "talk": 0, "cause": 16}),
    ("ringing", {"direction": IN, "outcome": Outcome.ABANDONED, "answered_at": None, "cause": 127}),
    ("direct", {"direction": IN, "outcome": Outcome.ANSWERED, "route": "fallback", "talk": 2.5}),
    ("vm", {"direction": IN, "outcome": Outcome.VOICEMAIL, "talk": 0}),
    ("local", {"direction": IN, "outcome": Outcome.ANSWERED, "talk": 2.5}),
    ("blind", {"direction": IN, "outcome": Outcome.ANSWERED, "transfers": "blind:agent-b9Xm4", "talk": 5.2}),
    (
        "blindq",
        {"direction": IN, "outcome": Outcome.ANSWERED, "transfers": "blind:queue-service", "talk": 6.2},
    ),
    ("atx", {"direction": IN, "outcome": Outcome.ANSWERED, "transfers": "attended", "talk": 8.3}),
    (
        "atxq",
        {
            "direction": IN,
            "outcome": Outcome.ANSWERED,
            "transfers": "attended",
            "agent_id": AGENT,
            "talk": 7.5,
        },
    ),
    ("redirect", {"direction": IN, "outcome": Outcome.ANSWERED, "agent_id": AGENT, "talk": 5.7}),
    ("out_answer", {"direction": OUT, "outcome": Outcome.ANSWERED, "called": "13800000001", "talk": 2.5}),
    (
        "out_busy",
        {"direction": OUT, "outcome": Outcome.BUSY, "called": "13800000002", "talk": 0, "cause": 17},
    ),
    ("out_first", {"direction": OUT, "outcome": Outcome.ANSWERED, "called": "", "talk": 2.5}),
]


@pytest.mark.parametrize(("name", "expected"), CAPTURED, ids=[name for name, _ in CAPTURED])
def test_r16_a_captured_call_is_one_row_with_the_right_times(name: str, expected: dict[str, Any]) -> None:
    """R16: Local legs, several CDR rows for one call, transfers, masquerades."""
    calls = calls_of(captured(name))
    assert len(calls) == 1
    call = calls[0]
    assert call.state is CallState.ENDED
    assert call.proved
    assert call.origin == "recovered"
    for field, value in expected.items():
        if field in ("talk", "wait"):
            assert getattr(call, f"{field}_seconds") == pytest.approx(value, abs=0.1)
        else:
            assert getattr(call, field) == value
    if call.direction is IN:
        assert call.number == "+8613900000009"


def test_r09_kill_of_asterisk_leaves_calls_open_until_they_are_closed_as_interrupted() -> None:
    """R09, R16: kill -9 in a call: no CDR row, CEL without an end."""
    facts = captured("killed")
    talking, menu = calls_of(facts)
    assert (talking.state, talking.agent_id) == (CallState.TALKING, AGENT)
    assert (menu.state, menu.ended_at) == (CallState.OFFERED, None)
    last = max(each.at for each in facts)
    closed = [
        replace(
            each,
            source=Source.SERVICE,
            key=f"log:interrupted:{each.linkedid}",
            kind=FactKind.INTERRUPTED,
            at=last + timedelta(seconds=2),
        )
        for each in facts
        if each.kind is FactKind.LEG_STARTED and each.uniqueid == each.linkedid
    ]
    talking, menu = calls_of(facts + closed)
    assert talking.outcome is menu.outcome is Outcome.INTERRUPTED
    assert talking.talk_seconds == pytest.approx(2.0, abs=0.1)
    assert talking.ended_at == menu.ended_at == last + timedelta(seconds=2)
    assert talking.origin == "recovered"


def test_r16_core_stop_now_is_told_by_cel() -> None:
    """R16: `core stop now`: CEL has every end."""
    talked, left = calls_of(captured("stopnow"))
    assert (talked.outcome, left.outcome) == (Outcome.ANSWERED, Outcome.LEFT_IN_MENU)
    assert talked.talk_seconds == pytest.approx(1.2, abs=0.1)


def test_r16_cdr_alone_still_makes_the_call() -> None:
    """R16: CEL is lost; the CDR row gives start, answer and end."""
    facts = read_cdr((CAPTURES / "menu_caller" / "cdr.csv").read_text().splitlines()).facts
    (call,) = calls_of(facts)
    whole = calls_of(captured("menu_caller"))[0]
    assert (call.started_at, call.answered_at) == (whole.started_at, whole.answered_at)
    assert call.ended_at is not None
    assert whole.ended_at is not None
    assert abs((call.ended_at - whole.ended_at).total_seconds()) < 0.01
    assert not call.proved


def test_r16_a_cdr_without_duration_ends_nothing_cel_does_not_end() -> None:
    line = (
        f'"{A}","{A}","1","{T0.timestamp():.6f}","{T0.timestamp() + 1:.6f}","0.000000","0","0","ANSWERED",'
        '"13900000009","4008001234","careline-inbound","PJSIP/careline-trunk-00000001","","AGI","",""'
    )
    (call,) = calls_of(read_cdr([line]).facts)
    assert call.ended_at is None


# Any order, any repetition

LIVE: list[Fact] = [
    fact(FactKind.LEG_STARTED, 0, trunk=True, direction="inbound", caller="13900000009", called="4008001234"),
    fact(FactKind.LEG_ANSWERED, 0.1),
    fact(
        FactKind.IVR_STARTED,
        0.2,
        source=Source.AGI,
        flow="service",
        caller="13900000009",
        called="4008001234",
    ),
    fact(FactKind.LANGUAGE_SET, 1, source=Source.AGI, language="zh-CN"),
    fact(FactKind.IDENTIFIED, 1, source=Source.AGI, customer_id="C1", how="number"),
    fact(FactKind.IVR_STEP, 2, source=Source.AGI, node="language", keys="1"),
    fact(FactKind.IVR_STEP, 4, source=Source.AGI, node="menu", keys="2"),
    fact(FactKind.IVR_ENDED, 5, source=Source.AGI, route="queue-service-5-300", outcome="routed"),
    fact(FactKind.QUEUED, 5.1, queue="service", position=1, priority=5),
    fact(FactKind.QUEUED, 5.0, source=Source.QUEUE_LOG, queue="service", position=1),
    fact(FactKind.RINGING, 6, queue="service", endpoint="a7Qk2", agent=AGENT),
    fact(FactKind.RING_MISSED, 9, queue="service", endpoint="a7Qk2", agent=AGENT, rang=3),
    fact(FactKind.CONNECTED, 12.25, queue="service", endpoint="b9Xm4", agent="AGENT2"),
    fact(FactKind.CONNECTED, 12.0, source=Source.QUEUE_LOG, queue="service", agent="AGENT2", wait=7),
    fact(FactKind.HELD, 20, source=Source.SERVICE),
    fact(FactKind.RESUMED, 25, source=Source.SERVICE),
    fact(FactKind.RECORDING_STARTED, 12.3, file="a.wav"),
    fact(FactKind.DISCONNECTED, 40.5, endpoint="b9Xm4", agent="AGENT2", talk=28, reason="customer"),
    fact(FactKind.DISCONNECTED, 40.0, source=Source.QUEUE_LOG, agent="AGENT2", talk=28),
    fact(FactKind.LEG_ENDED, 40.6, cause=16),
    fact(FactKind.CALL_ENDED, 40.7, source=Source.CEL),
]

STORIES: list[list[Fact]] = [
    LIVE,
    *(captured(name) for name in ("blindq", "atxq", "local", "stopnow", "redirect")),
]


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_any_order_and_repetition_of_facts_makes_the_same_row(data: st.DataObject) -> None:
    story = data.draw(st.sampled_from(STORIES))
    linkedid = story[0].linkedid
    story = [each for each in story if each.linkedid == linkedid]
    whole = fold_all(*story)
    shuffled = data.draw(st.permutations(story))
    again = data.draw(st.lists(st.sampled_from(story), max_size=10))
    assert fold_all(*shuffled, *again) == whole


@given(st.data())
@settings(max_examples=100, deadline=None)
def test_telling_facts_one_by_one_ends_in_the_same_row_whatever_the_order(data: st.DataObject) -> None:
    story = data.draw(st.sampled_from([LIVE, captured("blindq"), captured("atxq")]))
    tracker = Tracker("careline", number_of)
    for each in data.draw(st.permutations(story)):
        if each.source is not Source.QUEUE_LOG:
            tracker.apply(each, T0)
    for each in story:
        tracker.apply(each, T0)
    (call,) = tracker.calls()
    assert call == fold_all(*story)


KINDS = [kind for kind in FactKind if kind is not FactKind.TRANSFERRED]


@st.composite
def any_facts(draw: st.DrawFn, kinds: list[FactKind] = KINDS) -> list[Fact]:
    facts = []
    for number in range(draw(st.integers(1, 14))):
        data: dict[str, Any] = {}
        if draw(st.booleans()):
            data = draw(
                st.sampled_from(
                    [
                        {"trunk": True, "direction": "inbound", "caller": "13900000009"},
                        {"endpoint": "a", "agent": "A", "queue": "q"},
                        {"endpoint": "b", "agent": "B", "queue": "r", "talk": 3, "wait": 2},
                        {"bridge": "x"},
                        {"how": "attended", "target": "b"},
                        {"customer_id": None, "explained": "unknown_number"},
                        {"cause": 17},
                    ]
                )
            )
        facts.append(
            replace(
                fact(
                    draw(st.sampled_from(kinds)),
                    draw(st.integers(-600, 600)) + draw(st.integers(0, 999999)) / 1e6,
                    source=draw(st.sampled_from(list(Source))),
                    uniqueid=draw(st.sampled_from([A, A + "1", A + "2"])),
                    **data,
                ),
                key=str(number),
            )
        )
    return facts


@given(any_facts(list(FactKind)))
@settings(max_examples=300, deadline=None)
def test_r33_durations_are_never_negative_whatever_the_clock_did(facts: list[Fact]) -> None:
    """R33: facts with times in any disorder, as after a clock step."""
    call = fold_all(*facts)
    assert call.wait_seconds >= 0
    assert call.talk_seconds >= 0
    assert call.hold_seconds >= 0
    if call.ended_at is not None:
        assert call.ended_at >= call.started_at
        assert call.state is CallState.ENDED
        assert call.outcome is not None
    else:
        assert call.state is not CallState.ENDED
        assert call.outcome is None


ORDER = list(CallState)


@given(any_facts())
@settings(max_examples=200, deadline=None)
def test_a_call_told_in_order_only_moves_forward(facts: list[Fact]) -> None:
    tracker = Tracker("careline", number_of)
    tracker.apply(fact(FactKind.LEG_STARTED, -601, trunk=True), T0)
    told = sorted(
        (each for each in facts if each.source in (Source.AMI, Source.AGI, Source.SERVICE)),
        key=lambda each: each.at,
    )
    for each in told:
        for change in tracker.apply(each, T0):
            if change.before is None:
                continue
            before, after = change.before.state, change.after.state
            assert ORDER.index(after) >= ORDER.index(before) or (before, after) in {
                (CallState.HELD, CallState.TALKING)
            }


def test_the_table_moves_forward_except_for_hold_and_blind_transfer() -> None:
    for (state, kind), next_state in STEPS.items():
        forward = ORDER.index(next_state) > ORDER.index(state)
        assert forward or kind in (FactKind.RESUMED, FactKind.TRANSFERRED)


def test_a_full_call_seen_live() -> None:
    call = fold_all(*LIVE)
    assert call.direction is Direction.INBOUND
    assert call.outcome is Outcome.ANSWERED
    assert (call.keys, call.language, call.flow) == ("language=1 menu=2", "zh-CN", "service")
    assert (call.customer_id, call.explained) == ("C1", "number")
    assert (call.queue, call.priority, call.agent_id) == ("service", 5, "AGENT2")
    assert call.queued_at == T0 + timedelta(seconds=5.1)
    assert call.connected_at == T0 + timedelta(seconds=12.25)
    assert call.wait_seconds == pytest.approx(7.15)
    assert call.talk_seconds == pytest.approx(40.5 - 12.25 - 5)
    assert call.hold_seconds == pytest.approx(5)
    assert (call.recording, call.origin, call.proved) == ("a.wav", "live", True)


@pytest.mark.parametrize(
    ("told", "state"),
    [
        (1, CallState.OFFERED),
        (3, CallState.IN_IVR),
        (9, CallState.QUEUED),
        (11, CallState.RINGING),
        (13, CallState.TALKING),
        (15, CallState.HELD),
        (16, CallState.TALKING),
        (21, CallState.ENDED),
    ],
)
def test_states_on_the_way(told: int, state: CallState) -> None:
    assert fold_all(*LIVE[:told]).state is state


def test_a_blind_transfer_offers_the_customer_again() -> None:
    before = [
        *LIVE[:13],
        fact(FactKind.TRANSFERRED, 30, source=Source.SERVICE, how="blind", target="queue-sales"),
    ]
    assert fold_all(*before).state is CallState.OFFERED
    queued = [*before, fact(FactKind.QUEUED, 30.1, queue="sales")]
    call = fold_all(*queued)
    assert (call.state, call.queue, call.transfers) == (CallState.QUEUED, "sales", "blind:queue-sales")
    twice = [*queued, fact(FactKind.TRANSFERRED, 30.05, how="blind", target="queue-sales")]
    assert fold_all(*twice) == call


def test_an_end_that_is_told_later_counts_more_than_an_interruption() -> None:
    cut = fact(FactKind.INTERRUPTED, 60, source=Source.SERVICE, why="unseen")
    assert fold_all(*LIVE[:13], cut).outcome is Outcome.INTERRUPTED
    assert fold_all(*LIVE, cut) == fold_all(*LIVE)


def test_a_rating_is_a_value_and_the_talk_ends_where_it_is_asked_for() -> None:
    """Feature 22; after a direct ring nobody but the rating itself tells of the talk's end."""
    rated = fold_all(
        fact(
            FactKind.LEG_STARTED,
            0,
            trunk=True,
            direction="inbound",
            caller="13812345678",
            called="4008001234",
        ),
        fact(FactKind.IVR_ENDED, 5, source=Source.AGI, route="agent-phone1-20-service-0", outcome="routed"),
        fact(FactKind.CONNECTED, 8, endpoint="phone1", agent=AGENT, queue=""),
        fact(FactKind.RATING_ASKED, 68, source=Source.AGI, queue="service"),
        fact(FactKind.IVR_STEP, 75, source=Source.AGI, node="rating", keys="4", outcome="rated"),
        fact(FactKind.RATED, 75, source=Source.AGI, rating=4),
        fact(FactKind.IVR_ENDED, 75, source=Source.AGI, route="", outcome="routed"),
        fact(FactKind.LEG_ENDED, 78, cause=16),
    )
    assert (rated.rating, rated.keys, rated.outcome) == (4, "rating=4", Outcome.ANSWERED)
    assert rated.talk_seconds == 60.0
    assert rated.ended_at == T0 + timedelta(seconds=78)
    assert rated.route == "agent-phone1-20-service-0"


@pytest.mark.parametrize("rating", [0, 6, True, "4", None])
def test_what_is_no_rating_is_none(rating: Any) -> None:
    assert fold_all(fact(FactKind.RATED, 75, source=Source.AGI, rating=rating)).rating is None


def test_a_blocked_caller_is_refused_by_the_block() -> None:
    """Feature 20."""
    started = fact(
        FactKind.LEG_STARTED, 0, trunk=True, direction="inbound", caller="13812345678", called="4008001234"
    )
    menu = fact(
        FactKind.IVR_STARTED, 0.1, source=Source.AGI, flow="service", caller="13812345678", called="1"
    )
    refused = fact(FactKind.REFUSED, 0.2, source=Source.AGI, rule="blocked")
    ended = fact(FactKind.LEG_ENDED, 8, cause=16)
    call = fold_all(started, menu, refused, ended)
    assert (call.outcome, call.refused_by) == (Outcome.REFUSED, "blocked")
    assert not is_missed(call, open_at_start=False)
    answered = fold_all(
        started, menu, refused, fact(FactKind.CONNECTED, 3, endpoint="phone1", agent=AGENT), ended
    )
    assert (answered.outcome, answered.refused_by) == (Outcome.ANSWERED, None)


def test_queue_log_alone_never_opens_a_call() -> None:
    tracker = Tracker("careline", number_of)
    assert tracker.take([fact(FactKind.DISCONNECTED, 1, source=Source.QUEUE_LOG, talk=3)], 0.0) == []
    assert (len(tracker), tracker.homeless) == (0, 1)


def test_a_linkedid_that_changes_at_a_masquerade_does_no_harm() -> None:
    """A channel's linkedid becomes that of a younger channel: the channel stays with its call."""
    tracker = Tracker("careline", number_of)
    tracker.take([fact(FactKind.LEG_STARTED, 0, trunk=True), fact(FactKind.LEG_ANSWERED, 1)], 0.0)
    tracker.take([fact(FactKind.LEG_ENDED, 5, linkedid=B, cause=16)], 0.0)
    (call,) = tracker.calls()
    assert call.ended_at == T0 + timedelta(seconds=5)


def test_two_calls_that_are_joined_go_on_as_the_older_one() -> None:
    """An attended transfer: the consulting leg takes the customer's linkedid."""
    tracker = Tracker("careline", number_of)
    tracker.take([fact(FactKind.LEG_STARTED, 0, trunk=True)], 0.0)
    tracker.take([fact(FactKind.LEG_STARTED, 10, uniqueid=B, linkedid=B)], 0.0)
    tracker.take([fact(FactKind.CALL_ENDED, 20, uniqueid=B, linkedid=B, source=Source.CEL)], 0.0)
    tracker.take([fact(FactKind.CONNECTED, 20.1, uniqueid=B, linkedid=A, agent="B")], 0.0)
    tracker.take([fact(FactKind.CALL_ENDED, 30, uniqueid=B, linkedid=A, source=Source.CEL)], 0.0)
    older, younger = sorted(tracker.calls(), key=lambda call: call.started_at)
    assert (older.agent_id, older.proved, older.ended_at) == ("B", True, T0 + timedelta(seconds=30))
    assert younger.ended_at == T0 + timedelta(seconds=20)


def test_ended_calls_leave_memory_after_the_grace_and_open_ones_stay() -> None:
    tracker = Tracker("careline", number_of, grace_seconds=10)
    for each in (*LIVE, fact(FactKind.LEG_STARTED, 0, uniqueid=B, linkedid=B, trunk=True)):
        tracker.apply(each, T0)
    now = T0.timestamp()
    assert tracker.forget(now + 9) == 0
    assert tracker.forget(now + 11) == 1
    assert [call.linkedid for call in tracker.calls()] == [B]


def test_ids_are_the_same_for_everybody_who_sees_the_call_first() -> None:
    one = call_id("careline", A, T0)
    assert one == call_id("careline", A, T0 + timedelta(hours=1))
    assert len(one) == 26
    assert one == call_id("", A, T0)
    bare = A.partition("-")[2]
    assert call_id("careline", bare, T0) == one != call_id("other", bare, T0)
    assert one < call_id("careline", f"careline-{int(T0.timestamp()) + 60}.1", T0)
    own = "01JD8M7Q2ZC4X0V3N5B6T7YAA1"
    assert call_id("careline", own, T0) == own


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        ("", "hidden_number"),
        ("anonymous", "hidden_number"),
        ("Anonymous", "hidden_number"),
        ("abc", "unreadable_number"),
        ("1" * 40, "unreadable_number"),
        ("001139", "unreadable_number"),
        ("13900000009", ""),
    ],
)
def test_r37_a_call_without_a_number_says_why(raw: str, why: str) -> None:
    """R37: hidden, letters, 40 digits: logged, no customer guessed."""
    call = fold_all(fact(FactKind.LEG_STARTED, 0, trunk=True, direction="inbound", caller=raw))
    assert why_unknown(call) == why
    assert call.raw_number == raw[:64]
    assert call.customer_id is None
