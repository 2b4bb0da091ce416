"""What became of each recording's file, looked at once its call has ended (R39)."""

from __future__ import annotations

import asyncio
import os
from functools import partial
from pathlib import Path

import structlog

from storage import recordings
from storage.database import Database
from telephony.recordings import wav_seconds

log = structlog.get_logger(__name__)


class FolderAway(Exception):
    """Nothing can be said of a file: its folder, or the disk below it, cannot be read now."""

    error_id = "recordings-folder-away"


async def look_at_recordings(database: Database, folder: Path) -> None:
    """Say of every recording whose call has ended: kept, or no recording and why.

    A file that cannot be looked at now stays `running` and is looked at again: a disk that is away for a minute
    must not make lost recordings of those on it. Raises StorageUnavailable.
    """
    for recording in await database.read(recordings.running):
        try:
            size, seconds = await asyncio.to_thread(measure, folder, recording.file)
        except FolderAway as away:
            log.warning("recordings not looked at now", action="recordings_delayed", why=str(away))
            return
        except OSError as error:
            log.warning(
                "recording not looked at now",
                action="recordings_delayed",
                file=recording.file,
                why=error.strerror,
            )
            continue
        await database.write(
            partial(recordings.measured, recording_id=recording.id, size=size, seconds=seconds)
        )


def measure(folder: Path, file: str) -> tuple[int | None, float | None]:
    """Bytes and seconds of a wav file; None and None where it is not in its folder.

    Raises FolderAway where the folder is not there or has nothing in it, not even the mark it was made with
    (a mount point without its disk), and OSError where the file is there and cannot be read.
    """
    path = folder / file
    try:
        size = path.stat().st_size
        with path.open("rb") as sound:
            return size, wav_seconds(sound.read(44), size)
    except FileNotFoundError:
        try:
            empty = not os.listdir(folder)
        except OSError as error:
            raise FolderAway(f"{folder}: {error.strerror}") from error
        if empty:
            raise FolderAway(f"{folder} is empty: is its disk mounted?") from None
        return None, None
