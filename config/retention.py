"""Retention: files past their time go, and no file is ever left that no row names.

The row says `deleting` before its file goes and `deleted` once the folder is on the disk without it. A crash in
between, and a file that cannot be deleted, are taken up again by the next run; why one could not be deleted
stands in its row (`careline recording list --state deleting`) and in /readyz.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import structlog
from sqlalchemy import Connection

from config.disk import why_away
from storage import recordings
from storage.database import Database
from telephony.recordings import Recording, Voicemail

log = structlog.get_logger(__name__)

#: Files a round: so many are gone before their rows say so.
_ROUND = 100


@dataclass(frozen=True, kw_only=True)
class _Shelf:
    """One kind of files and what is written about them."""

    name: str
    folder: Path
    begin: Callable[[Connection, datetime, int], Sequence[Recording | Voicemail]]
    gone: Callable[[Connection, Sequence[str], datetime], None]
    stays: Callable[[Connection, str, str], None]


@dataclass(frozen=True, kw_only=True)
class Retention:
    """Deletes recordings and voicemail past their time."""

    database: Database
    recordings_folder: Path
    voicemail_folder: Path

    async def run(self, now: datetime, *, recording_days: int, voicemail_days: int) -> None:
        """Delete what is past its time and not held. Raises StorageUnavailable; the next run goes on."""
        await self._empty(
            _Shelf(
                name="recording",
                folder=self.recordings_folder,
                begin=recordings.begin_deleting,
                gone=recordings.mark_deleted,
                stays=recordings.mark_not_deleted,
            ),
            now,
            recording_days,
        )
        await self._empty(
            _Shelf(
                name="voicemail",
                folder=self.voicemail_folder,
                begin=recordings.begin_deleting_voicemails,
                gone=recordings.mark_voicemails_deleted,
                stays=recordings.mark_voicemail_not_deleted,
            ),
            now,
            voicemail_days,
        )

    async def trouble(self) -> str | None:
        """What is past its time and still there, in words; None: nothing. Raises StorageUnavailable."""
        found = await self.database.read(recordings.undeletable)
        if not found:
            return None
        file, why = found[0]
        return (
            f"{len(found)} recordings or messages past their time could not be deleted, as {file}: {why}. "
            "Mend the rights of the folder; it is tried again each night."
        )

    async def _empty(self, shelf: _Shelf, now: datetime, days: int) -> None:
        due = await self.database.write(lambda connection: shelf.begin(connection, now, days))
        for first in range(0, len(due), _ROUND):
            some = due[first : first + _ROUND]
            failed = await asyncio.to_thread(_unlink, shelf.folder, [one.file for one in some])
            gone = [one.id for one in some if one.file not in failed]

            def note(
                connection: Connection,
                some: Sequence[Recording | Voicemail] = some,
                failed: Mapping[str, str] = failed,
                gone: Sequence[str] = gone,
            ) -> None:
                shelf.gone(connection, gone, now)
                for one in some:
                    if one.file in failed:
                        shelf.stays(connection, one.id, failed[one.file])

            await self.database.write(note)
            for file, why in failed.items():
                log.error("file past its time not deleted", action="retention_failed", file=file, why=why)
            log.info("past their time", action="retention", kind=shelf.name, deleted=len(gone))


def _unlink(folder: Path, files: Sequence[str]) -> Mapping[str, str]:
    """Delete the files and bring that to the disk; gives each that is still there, and why.

    A file that is gone already is deleted; a folder that is gone, or that has nothing in it, not even the mark it
    was made with, is a disk that is not mounted.
    """
    failed: dict[str, str] = {}
    try:
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        return dict.fromkeys(files, f"folder: {error.strerror}")
    try:
        away = why_away(handle)
        for file in files:
            try:
                os.unlink(file, dir_fd=handle)
            except FileNotFoundError:
                if away:
                    failed[file] = away
                    continue
                log.warning("file was gone before its time was over", action="retention_gone", file=file)
            except OSError as error:
                failed[file] = str(error.strerror)
        os.fsync(handle)
    except OSError as error:
        return dict.fromkeys(files, f"folder: {error.strerror}")
    finally:
        os.close(handle)
    return failed
