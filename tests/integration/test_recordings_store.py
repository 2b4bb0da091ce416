"""Recordings and voicemail: one row whoever tells it, retention, and legal hold that retention respects."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from storage import recordings
from storage.database import Database
from telephony.calls import Call, CallId, CallState, Direction
from telephony.facts import Fact, FactKind, Source
from telephony.recordings import RecordingState, keep_days, wav_seconds

NOW = datetime(2026, 11, 21, 2, 0, tzinfo=UTC)
CALL = Call(
    id=CallId("01M80000000000000000000001"),
    linkedid="careline-1.1",
    system="careline",
    direction=Direction.INBOUND,
    state=CallState.TALKING,
    started_at=NOW,
    number="+8613812345678",
    queue="service",
    connected_at=NOW,
)


def fact(kind: FactKind, source: Source = Source.AMI, **data: object) -> Fact:
    return Fact(source=source, key=f"{kind}", kind=kind, at=NOW, linkedid="l", uniqueid="u", data=data)


def told(database: Database, *facts: Fact, call: Call = CALL) -> None:
    database.write_now(lambda connection: recordings.react_to_recording(connection, None, call, facts))


def test_a_recording_told_by_two_sources_is_one_row(database: Database) -> None:
    told(database, fact(FactKind.RECORDING_STARTED, file="a.wav"))
    told(database, fact(FactKind.RECORDING_STARTED, Source.CEL, file="a.wav"))
    [row] = database.read_now(lambda connection: recordings.of_call(connection, CALL.id))
    assert (row.state, len(row.id)) == (RecordingState.RUNNING, 32)


def test_a_name_can_never_lead_outside_the_folder(database: Database) -> None:
    told(database, fact(FactKind.RECORDING_STARTED, file="../../etc/passwd"))
    [row] = database.read_now(lambda connection: recordings.of_call(connection, CALL.id))
    assert row.file == "passwd"


def ended(database: Database) -> str:
    """A recording of a call that is over, measured and kept."""
    told(database, fact(FactKind.RECORDING_STARTED, file="a.wav"))
    told(database, call=replace(CALL, state=CallState.ENDED, ended_at=NOW + timedelta(minutes=2)))
    [row] = database.read_now(recordings.running)
    database.write_now(lambda c: recordings.measured(c, row.id, size=1000, seconds=60.0))
    return row.id


def test_retention_takes_what_is_old_and_not_held(database: Database) -> None:
    kept = ended(database)
    later = NOW + timedelta(days=91)
    assert database.write_now(lambda c: recordings.set_hold(c, kept, hold=True, reason="case 12"))
    assert database.write_now(lambda c: recordings.begin_deleting(c, later, 90)) == []
    database.write_now(lambda c: recordings.mark_deleted(c, [kept], later))
    [row] = database.read_now(lambda c: recordings.of_call(c, CALL.id))
    assert row.state is RecordingState.KEPT, "a held recording is never marked as deleted"
    database.write_now(lambda c: recordings.set_hold(c, kept, hold=False, reason="case closed"))
    assert [one.id for one in database.write_now(lambda c: recordings.begin_deleting(c, later, 90))] == [kept]
    assert not database.write_now(lambda c: recordings.set_hold(c, kept, hold=True, reason="too late"))
    database.write_now(lambda c: recordings.mark_deleted(c, [kept], later))
    [row] = database.read_now(lambda c: recordings.of_call(c, CALL.id))
    assert (row.state, row.why) == (RecordingState.DELETED, "retention")


@pytest.mark.parametrize(
    ("size", "seconds", "why"),
    [(None, None, "missing-file"), (44, 0.0, "empty-file"), (0, 0.0, "empty-file")],
)
def test_a_file_that_is_not_there_says_why(
    database: Database, size: int | None, seconds: float | None, why: str
) -> None:
    """R39: the row says that there is no recording, and why."""
    told(database, fact(FactKind.RECORDING_STARTED, file="a.wav"))
    told(database, call=replace(CALL, state=CallState.ENDED, ended_at=NOW + timedelta(minutes=2)))
    [row] = database.read_now(recordings.running)
    database.write_now(lambda c: recordings.measured(c, row.id, size=size, seconds=seconds))
    [row] = database.read_now(lambda c: recordings.of_call(c, CALL.id))
    assert (row.state, row.why) == (RecordingState.FAILED, why)


def test_a_caller_nobody_talked_with_has_no_failed_recording(database: Database) -> None:
    told(database, fact(FactKind.RECORDING_STARTED, file="a.wav"))
    gone = replace(CALL, state=CallState.ENDED, ended_at=NOW + timedelta(minutes=2), connected_at=None)
    told(database, call=gone)
    [row] = database.read_now(lambda c: recordings.of_call(c, CALL.id))
    assert (row.state, row.why) == (RecordingState.NONE, "nobody-talked")


def test_a_voicemail_told_live_and_by_the_file_is_one_message(database: Database) -> None:
    told(database, fact(FactKind.VOICEMAIL_LEFT, file="v.wav", box="sales"))
    told(database, fact(FactKind.VOICEMAIL_LEFT, Source.CEL, file="v.wav"))
    [message] = database.read_now(lambda c: recordings.voicemails_of_call(c, CALL.id))
    assert (message.box, message.number) == ("sales", "+8613812345678")


def test_the_china_profile_keeps_thirty_days_at_least() -> None:
    assert (keep_days(7, china_profile=True), keep_days(7, china_profile=False)) == (30, 7)


def test_the_length_of_a_wav_is_its_sound() -> None:
    head = (
        b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0"
        + (8000).to_bytes(4, "little")
        + (16000).to_bytes(4, "little")
    )
    head += b"\x02\0\x10\0data\0\0\0\0"
    assert len(head) == 44
    assert wav_seconds(head, 44 + 32000) == 2.0
    assert wav_seconds(b"not a wav", 5000) == 0.0
