"""Retention over the rows and the folders: whatever dies in between, every file has a row that names it."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Connection, insert
from typer.testing import CliRunner

from config import retention
from config.__main__ import app
from config.retention import Retention
from storage import migrations, recordings
from storage.database import Database, StorageUnavailable
from storage.tables.telephony import recordings as recording_rows
from storage.tables.telephony import voicemails as voicemail_rows
from telephony.asterisk.render import FOLDER_MARK
from telephony.clock import Clock
from telephony.recordings import RecordingState, VoicemailState


class Killed(BaseException):
    """As if by kill -9."""


@pytest.fixture
def shelves(tmp_path: Path, database: Database) -> Retention:
    found = Retention(
        database=database,
        recordings_folder=tmp_path / "recordings",
        voicemail_folder=tmp_path / "voicemail",
    )
    for folder in (found.recordings_folder, found.voicemail_folder):
        folder.mkdir()
        (folder / FOLDER_MARK).touch()
    return found


def fill(shelves: Retention, clock: Clock, names: tuple[str, ...]) -> None:
    """Recordings and messages with files, 100 days old."""

    def add(connection: Connection) -> None:
        then = clock.now() - timedelta(days=100)
        for name in names:
            connection.execute(
                insert(recording_rows).values(
                    id=f"r-{name}", call_id="c", file=f"{name}.wav", started_at=then, state="kept"
                )
            )
            connection.execute(
                insert(voicemail_rows).values(
                    id=f"v-{name}", call_id="c", file=f"{name}.wav", box="service", left_at=then, state="new"
                )
            )

    shelves.database.write_now(add)
    for folder in (shelves.recordings_folder, shelves.voicemail_folder):
        for name in names:
            (folder / f"{name}.wav").write_bytes(b"x")


async def run(shelves: Retention, clock: Clock, *, voicemail_days: int = 90) -> None:
    await shelves.run(clock.now(), recording_days=90, voicemail_days=voicemail_days)


def states(shelves: Retention) -> dict[str, str]:
    """Id of each row to its state."""

    def ask(connection: Connection) -> dict[str, str]:
        found = {one.id: one.state.value for one in recordings.latest(connection, 100)}
        return found | {one.id: one.state.value for one in recordings.latest_voicemails(connection, 100)}

    return shelves.database.read_now(ask)


def unnamed(shelves: Retention) -> set[str]:
    """Files that no row says are there, or still there."""
    gone = {name for name, state in states(shelves).items() if state == "deleted"}
    return {
        f"{kind}-{path.stem}"
        for kind, folder in (("r", shelves.recordings_folder), ("v", shelves.voicemail_folder))
        for path in folder.iterdir()
        if f"{kind}-{path.stem}" in gone
    }


async def test_what_is_past_its_time_goes(shelves: Retention, clock: Clock) -> None:
    fill(shelves, clock, ("a", "b"))
    await run(shelves, clock, voicemail_days=120)
    assert states(shelves) == {"r-a": "deleted", "r-b": "deleted", "v-a": "new", "v-b": "new"}
    assert list(shelves.recordings_folder.glob("*.wav")) == []
    assert len(list(shelves.voicemail_folder.glob("*.wav"))) == 2


@pytest.mark.parametrize("when", ["before the files", "after the files"])
async def test_killed_in_between_it_goes_on_the_next_night(
    shelves: Retention, clock: Clock, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    """The row said `deleted` first: a file stayed that nobody knew of."""
    fill(shelves, clock, ("a", "b"))
    real = retention._unlink

    def killed(folder: Path, files: list[str]) -> None:
        if when == "after the files":
            real(folder, files)
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(retention, "_unlink", killed)
        with pytest.raises(Killed):
            await run(shelves, clock)
    assert states(shelves)["r-a"] == RecordingState.DELETING
    assert unnamed(shelves) == set()
    await run(shelves, clock)
    assert set(states(shelves).values()) == {"deleted"}
    assert list(shelves.recordings_folder.glob("*.wav")) == []


async def test_the_database_goes_away_after_the_files(
    shelves: Retention, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(shelves, clock, ("a",))

    def away(*_: object) -> None:
        raise StorageUnavailable("away")

    with monkeypatch.context() as patched:
        patched.setattr(recordings, "mark_deleted", away)
        with pytest.raises(StorageUnavailable):
            await run(shelves, clock)
    assert states(shelves)["r-a"] == "deleting"
    await run(shelves, clock)
    assert set(states(shelves).values()) == {"deleted"}


async def test_a_file_that_cannot_go_stops_no_other_and_says_why(shelves: Retention, clock: Clock) -> None:
    """A folder in the file's place cannot be unlinked, whoever tries."""
    fill(shelves, clock, ("a", "b", "c"))
    for folder in (shelves.recordings_folder, shelves.voicemail_folder):
        (folder / "b.wav").unlink()
        (folder / "b.wav").mkdir()
    await run(shelves, clock)
    found = states(shelves)
    assert (found["r-a"], found["r-b"], found["r-c"]) == ("deleted", "deleting", "deleted")
    assert (found["v-a"], found["v-b"], found["v-c"]) == ("deleted", "deleting", "deleted")
    [row] = shelves.database.read_now(lambda c: recordings.in_state(c, RecordingState.DELETING))
    assert row.why.startswith("not-deleted: ")
    [message] = shelves.database.read_now(
        lambda c: recordings.voicemails_in_state(c, VoicemailState.DELETING)
    )
    assert message.why == row.why
    trouble = await shelves.trouble()
    assert trouble is not None
    assert trouble.startswith("2 recordings or messages")
    assert "b.wav" in trouble
    # Somebody mends it: the next night takes it, and nothing is said any more.
    for folder in (shelves.recordings_folder, shelves.voicemail_folder):
        (folder / "b.wav").rmdir()
        (folder / "b.wav").write_bytes(b"x")
    await run(shelves, clock)
    assert set(states(shelves).values()) == {"deleted"}
    assert await shelves.trouble() is None


async def test_a_disk_that_is_not_mounted_has_no_deleted_files(shelves: Retention, clock: Clock) -> None:
    fill(shelves, clock, ("a",))
    aside = shelves.recordings_folder.rename(shelves.recordings_folder.with_name("elsewhere"))
    await run(shelves, clock)
    assert states(shelves)["r-a"] == "deleting"
    assert "folder" in str(await shelves.trouble())
    aside.rename(shelves.recordings_folder)
    await run(shelves, clock)
    assert states(shelves)["r-a"] == "deleted"


async def test_an_empty_mount_point_has_no_deleted_files(shelves: Retention, clock: Clock) -> None:
    fill(shelves, clock, ("a",))
    aside = shelves.recordings_folder.rename(shelves.recordings_folder.with_name("elsewhere"))
    shelves.recordings_folder.mkdir()
    await run(shelves, clock)
    assert states(shelves)["r-a"] == "deleting"
    assert "mounted" in str(await shelves.trouble())
    shelves.recordings_folder.rmdir()
    aside.rename(shelves.recordings_folder)
    await run(shelves, clock)
    assert states(shelves)["r-a"] == "deleted"
    assert not list(shelves.recordings_folder.glob("*.wav"))


def test_the_command_line_shows_what_could_not_go(
    tmp_path: Path, clock: Clock, open_database: Callable[..., Database]
) -> None:
    url = f"sqlite:///{tmp_path}/careline.db"
    migrations.upgrade(url)
    shelves = Retention(
        database=open_database(url), recordings_folder=tmp_path / "r", voicemail_folder=tmp_path / "v"
    )
    for folder in (shelves.recordings_folder, shelves.voicemail_folder):
        folder.mkdir()
    fill(shelves, clock, ("a",))
    for folder in (shelves.recordings_folder, shelves.voicemail_folder):
        shutil.rmtree(folder)
    asyncio.run(run(shelves, clock))
    config = tmp_path / "careline.toml"
    config.write_text(f'data = "{tmp_path}"\n')
    for command in ("recording", "voicemail"):
        result = CliRunner().invoke(app, [command, "list", "--state", "deleting", "--config", str(config)])
        assert result.exit_code == 0, result.output
        assert "deleting  (not-deleted: folder: No such file or directory)" in result.output
    held = CliRunner().invoke(app, ["recording", "hold", "r-a", "--reason", "x", "--config", str(config)])
    assert (held.exit_code, "being deleted" in held.output) == (1, True)
