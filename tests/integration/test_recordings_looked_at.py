"""R39: what a row says of its file, and that a disk that is away for a while makes no recording a lost one."""

from __future__ import annotations

import struct
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from config.recordings import look_at_recordings
from storage import recordings
from storage.database import Database
from telephony.asterisk.render import FOLDER_MARK
from telephony.calls import Call, CallId, CallState, Direction
from telephony.facts import Fact, FactKind, Source
from telephony.recordings import Recording, RecordingState

NOW = datetime(2026, 11, 22, 2, 0, tzinfo=UTC)
CALL = Call(
    id=CallId("01M80000000000000000000001"),
    linkedid="careline-1.1",
    system="careline",
    direction=Direction.INBOUND,
    state=CallState.TALKING,
    started_at=NOW,
    connected_at=NOW,
)
SECOND = b"\0\0" * 8000
WAV = (
    struct.pack("<4sI4s4sIHHIIHH4sI", b"RIFF", 0, b"WAVE", b"fmt ", 16, 1, 1, 8000, 16000, 2, 16, b"data", 0)
    + SECOND
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "recordings"
    made.mkdir()
    (made / FOLDER_MARK).touch()
    return made


def recorded(database: Database, *files: str) -> None:
    """Calls that were recorded into these files and have ended."""
    ended = replace(CALL, state=CallState.ENDED, ended_at=NOW + timedelta(minutes=2))
    facts = [
        Fact(
            source=Source.AMI,
            key=file,
            kind=FactKind.RECORDING_STARTED,
            at=NOW,
            linkedid="l",
            uniqueid="u",
            data={"file": file},
        )
        for file in files
    ]
    database.write_now(lambda c: recordings.react_to_recording(c, CALL, ended, facts))


def rows(database: Database) -> dict[str, Recording]:
    return {row.file: row for row in database.read_now(lambda c: recordings.of_call(c, CALL.id))}


def take_away(folder: Path, *, mount_point: bool) -> None:
    folder.rename(folder.with_name("aside"))
    if mount_point:
        folder.mkdir()


def bring_back(folder: Path, *, mount_point: bool) -> None:
    if mount_point:
        folder.rmdir()
    folder.with_name("aside").rename(folder)


async def test_what_is_there_is_kept_and_what_is_not_says_why(database: Database, folder: Path) -> None:
    recorded(database, "kept.wav", "gone.wav", "silent.wav")
    (folder / "kept.wav").write_bytes(WAV)
    (folder / "silent.wav").write_bytes(WAV[:44])
    await look_at_recordings(database, folder)
    found = rows(database)
    assert (found["kept.wav"].state, found["kept.wav"].seconds) == (RecordingState.KEPT, 1.0)
    assert (found["gone.wav"].state, found["gone.wav"].why) == (RecordingState.FAILED, "missing-file")
    assert (found["silent.wav"].state, found["silent.wav"].why) == (RecordingState.FAILED, "empty-file")


@pytest.mark.parametrize("mount_point", [False, True], ids=["no folder", "an empty mount point"])
async def test_a_disk_that_is_away_loses_no_recording(
    database: Database, folder: Path, mount_point: bool
) -> None:
    recorded(database, "a.wav", "b.wav")
    for file in ("a.wav", "b.wav"):
        (folder / file).write_bytes(WAV)
    take_away(folder, mount_point=mount_point)
    await look_at_recordings(database, folder)
    assert {row.state for row in rows(database).values()} == {RecordingState.RUNNING}
    bring_back(folder, mount_point=mount_point)
    await look_at_recordings(database, folder)
    assert {row.state for row in rows(database).values()} == {RecordingState.KEPT}


async def test_a_file_that_cannot_be_read_now_holds_up_no_other(database: Database, folder: Path) -> None:
    recorded(database, "a.wav", "b.wav")
    (folder / "a.wav").mkdir()  # open() is refused, for root too
    (folder / "b.wav").write_bytes(WAV)
    await look_at_recordings(database, folder)
    assert {file: row.state for file, row in rows(database).items()} == {
        "a.wav": RecordingState.RUNNING,
        "b.wav": RecordingState.KEPT,
    }
    (folder / "a.wav").rmdir()
    (folder / "a.wav").write_bytes(WAV)
    await look_at_recordings(database, folder)
    assert {row.state for row in rows(database).values()} == {RecordingState.KEPT}
