"""Which tasks a call closes, and which calls are missed ones, as tables."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from crm.consent.optouts import Channel, OptOut, OptOutSource, Purpose, refusing
from crm.tasks.closing import closed_by
from crm.tasks.tasks import Task, TaskId, TaskKind, TaskState, is_missed, stronger
from telephony.calls import Call, CallId, CallState, Direction, Outcome

NOW = datetime(2026, 6, 16, 2, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)

TASK = Task(
    id=TaskId("t"),
    kind=TaskKind.MISSED_CALL,
    state=TaskState.OPEN,
    occasion="o",
    number="+8613812345678",
    customer_id="c",
    call_id="missed",
    last_call_id="missed",
    created_at=NOW,
    last_at=NOW,
    due_at=NOW + 30 * MINUTE,
)
TALK = Call(
    id=CallId("talk"),
    linkedid="1.1",
    system="careline",
    direction=Direction.OUTBOUND,
    state=CallState.ENDED,
    started_at=NOW + MINUTE,
    connected_at=NOW + 2 * MINUTE,
    ended_at=NOW + 3 * MINUTE,
    talk_seconds=60.0,
    number="+8613812345678",
    outcome=Outcome.ANSWERED,
)


@pytest.mark.parametrize(
    ("call", "task", "result"),
    [
        (TALK, TASK, "called_back"),
        (replace(TALK, direction=Direction.INBOUND), TASK, "called_again"),
        (TALK, replace(TASK, kind=TaskKind.CALLBACK), "called_back"),
        (TALK, replace(TASK, kind=TaskKind.VOICEMAIL), "called_back"),
        (replace(TALK, number="+8613900000000", customer_id="c"), TASK, "called_back"),
        (replace(TALK, number="+8613900000000"), TASK, None),
        (replace(TALK, number=None), replace(TASK, number=None, customer_id=None), None),
        (replace(TALK, connected_at=None, talk_seconds=0.0, outcome=Outcome.NO_ANSWER), TASK, None),
        (replace(TALK, talk_seconds=0.2), TASK, None),
        (replace(TALK, connected_at=NOW - MINUTE), TASK, None),  # talked before the missed call
        (replace(TALK, direction=Direction.INTERNAL), TASK, None),
        (TALK, replace(TASK, kind=TaskKind.CORRECTION), None),
        (TALK, replace(TASK, state=TaskState.DONE), None),
        (replace(TALK, id=CallId("missed"), connected_at=NOW - MINUTE), TASK, "answered_after_all"),
    ],
)
def test_closing(call: Call, task: Task, result: str | None) -> None:
    assert [closing.result for closing in closed_by(call, [task])] == ([] if result is None else [result])


@pytest.mark.parametrize(
    ("outcome", "open_at_start", "missed"),
    [
        (Outcome.ABANDONED, True, True),
        (Outcome.LEFT_IN_MENU, True, False),
        (Outcome.LEFT_IN_MENU, False, True),
        (Outcome.SELF_SERVED, False, False),
        (Outcome.NO_ANSWER, True, True),
        (Outcome.INTERRUPTED, True, True),
        (Outcome.REFUSED, True, False),
        (Outcome.ANSWERED, True, False),
    ],
)
def test_missed(outcome: Outcome, open_at_start: bool, missed: bool) -> None:
    call = replace(TALK, direction=Direction.INBOUND, connected_at=None, outcome=outcome)
    assert is_missed(call, open_at_start=open_at_start) is missed
    assert not is_missed(replace(call, direction=Direction.OUTBOUND), open_at_start=open_at_start)


def test_the_stronger_promise_wins() -> None:
    assert stronger(TaskKind.MISSED_CALL, TaskKind.CALLBACK) is TaskKind.CALLBACK
    assert stronger(TaskKind.CALLBACK, TaskKind.VOICEMAIL) is TaskKind.CALLBACK
    assert stronger(TaskKind.VOICEMAIL, TaskKind.MISSED_CALL) is TaskKind.VOICEMAIL


OPT_OUT = OptOut(
    id="o",
    number="+8613812345678",
    purpose=Purpose.ADVERTISING,
    channel=Channel.ALL,
    source=OptOutSource.HOTLINE_KEY,
    at=NOW,
    proof="call x",
)


@pytest.mark.parametrize(
    ("optout", "purpose", "channel", "refused"),
    [
        (OPT_OUT, Purpose.ADVERTISING, Channel.CALL, True),
        (OPT_OUT, Purpose.VISITS, Channel.CALL, False),
        (OPT_OUT, Purpose.ALL, Channel.TEXT, True),
        (replace(OPT_OUT, purpose=Purpose.ALL), Purpose.VISITS, Channel.TEXT, True),
        (replace(OPT_OUT, channel=Channel.TEXT), Purpose.ADVERTISING, Channel.CALL, False),
        (replace(OPT_OUT, withdrawn_at=NOW), Purpose.ADVERTISING, Channel.CALL, False),
        (
            replace(OPT_OUT, at=NOW + MINUTE),
            Purpose.ADVERTISING,
            Channel.CALL,
            True,
        ),  # a clock that goes ahead
    ],
)
def test_refusing(optout: OptOut, purpose: Purpose, channel: Channel, refused: bool) -> None:
    assert (refusing([optout], purpose, channel, NOW) is not None) is refused
