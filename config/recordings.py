"""What became of each recording's file, looked at once its call has ended (R39)."""

from __future__ import annotations

import asyncio
from functools import partial
from pathlib import Path

import structlog

from config.disk import why_away
from storage import recordings
from storage.database import Database
from telephony.recordings import wav_seconds

log = structlog.get_logger(__name__)


async def look_at_recordings(database: Database, folder: Path) -> None:
    """Say of every recording whose call has ended: kept, or no recording and why.

    A file that cannot be looked at now stays `running` and is looked at again: a disk that is away for a minute
    must not make lost recordings of those on it. Raises StorageUnavailable.
    """
    size: int | None
    seconds: float | None
    for recording in await database.read(recordings.running):
        try:
            size, seconds = await asyncio.to_thread(_measure, folder / recording.file)
        except FileNotFoundError:
            if away := await asyncio.to_thread(why_away, folder):
                log.warning(
                    "recordings not looked at now", action="recordings_delayed", folder=str(folder), why=away
                )
                return
            size = seconds = None
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


def _measure(path: Path) -> tuple[int, float]:
    """Bytes and seconds of a wav file. Raises OSError."""
    size = path.stat().st_size
    with path.open("rb") as sound:
        return size, wav_seconds(sound.read(44), size)
