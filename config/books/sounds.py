"""Recordings and voicemail for people, over the database and the two folders.

A file's name comes from its row, never from a request, and is opened below its folder without following a
link. The listening stands in the audit log before the first byte goes out.
"""

from __future__ import annotations

import asyncio
import os
import stat
from array import array
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from sqlalchemy import Connection

from access.audit import Entry
from access.masking import mask_name
from access.permissions import Permission
from access.users import Principal
from config.books.registrations import read_cursor
from config.disk import why_away
from crm.options import AftercallOptions
from storage import audit, listening
from storage.database import Database
from storage.sight import Sight, sights
from telephony.listening import (
    Hears,
    Mark,
    SoundAway,
    SoundFilter,
    SoundKind,
    SoundNotFound,
    SoundPage,
    SoundView,
    wav_head,
)
from web.ports.aftercall import Sound

#: One listening is many requests; within this it is written down once.
_ONE_LISTENING: Final = timedelta(minutes=5)
_MOST_LISTENINGS: Final = 2_000
#: Parts a waveform has, and the samples looked at of each.
PEAKS: Final = 240
_SAMPLES: Final = 1024
_AWAY: Final = "The recording cannot be read now. Try again in a minute."


class SoundFile:
    """An open file; the lengths in a wav's head are what its size says."""

    def __init__(self, handle: int, size: int, head: bytes) -> None:
        self._handle = handle
        self._head = head
        self.size = size

    async def read(self, offset: int, length: int) -> bytes:
        try:
            part = await asyncio.to_thread(os.pread, self._handle, length, offset)
        except OSError as error:
            raise SoundAway(_AWAY) from error
        if offset < len(self._head):
            head = self._head[offset : offset + len(part)]
            part = head + part[len(head) :]
        return part

    async def close(self) -> None:
        os.close(self._handle)


@dataclass(frozen=True, kw_only=True)
class SoundBook:
    """`web.ports.aftercall.Sounds`."""

    database: Database
    #: Folder of each kind, asked anew each time: tests and operators move it.
    folders: Callable[[], Mapping[SoundKind, Path]]
    options: AftercallOptions
    #: Approvals are good until a moment; without a clock none is.
    now: Callable[[], datetime | None]
    _listenings: OrderedDict[tuple[str, str], datetime]

    @classmethod
    def over(
        cls,
        database: Database,
        folders: Callable[[], Mapping[SoundKind, Path]],
        options: AftercallOptions,
        *,
        now: Callable[[], datetime | None] = lambda: None,
    ) -> SoundBook:
        return cls(database=database, folders=folders, options=options, now=now, _listenings=OrderedDict())

    async def list(
        self, viewer: Principal, kind: SoundKind, wanted: SoundFilter, *, cursor: str | None, limit: int
    ) -> SoundPage:
        after = read_cursor(cursor)
        ask = listening.list_recordings if kind is SoundKind.RECORDING else listening.list_voicemails
        now = self.now()

        def work(connection: Connection) -> SoundPage:
            page = ask(connection, viewer, self._hears(kind), wanted, after, limit, now)
            return SoundPage(items=_named(connection, page.items, viewer, now), next=page.next)

        return await self.database.read(work)

    async def get(self, viewer: Principal, kind: SoundKind, sound_id: str) -> SoundView:
        view, _file = await self._find(viewer, kind, sound_id)
        return view

    async def open(
        self, viewer: Principal, kind: SoundKind, sound_id: str, *, download: bool, entry: Entry
    ) -> Sound:
        view, file = await self._find(viewer, kind, sound_id)
        listening.playable(view)
        sound = await asyncio.to_thread(_open, self.folders()[kind], file)
        key = (viewer.proof_id or viewer.name, f"{kind}:{sound_id}")
        last = self._listenings.get(key)
        if download or last is None or entry.at - last > _ONE_LISTENING:

            def work(connection: Connection) -> None:
                if kind is SoundKind.VOICEMAIL:
                    listening.heard(connection, sound_id)
                audit.append(connection, entry)

            try:
                await self.database.write(work)
            except BaseException:
                await sound.close()
                raise
            self._listenings[key] = entry.at
            self._listenings.move_to_end(key)
            while len(self._listenings) > _MOST_LISTENINGS:
                self._listenings.popitem(last=False)
        return sound

    async def peaks(self, viewer: Principal, kind: SoundKind, sound_id: str) -> Sequence[int]:
        view, file = await self._find(viewer, kind, sound_id)
        listening.playable(view)
        folder = self.folders()[kind]

        def look() -> Sequence[int]:
            sound = _open(folder, file)
            try:
                return _peaks(sound._handle, sound.size)
            except OSError as error:
                raise SoundAway(_AWAY) from error
            finally:
                os.close(sound._handle)

        return await asyncio.to_thread(look)

    async def mark(
        self, viewer: Principal, recording_id: str, *, offset: float, note: str, entry: Entry
    ) -> Mark:
        def work(connection: Connection) -> Mark:
            view, _file = listening.find(
                connection,
                viewer,
                self._hears(SoundKind.RECORDING),
                SoundKind.RECORDING,
                recording_id,
                entry.at,
            )
            listening.playable(view)
            mark = listening.add_mark(
                connection,
                recording_id,
                offset=min(offset, view.seconds) if view.seconds else offset,
                note=note,
                now=entry.at,
                by=viewer.user_id or viewer.proof_id,
                by_name=viewer.name,
            )
            audit.append(connection, entry)
            return mark

        return await self.database.write(work)

    async def delete(
        self, viewer: Principal, kind: SoundKind, sound_id: str, *, reason: str, entry: Entry
    ) -> None:
        def begin(connection: Connection) -> str:
            _view, file = listening.find(connection, viewer, self._hears(kind), kind, sound_id, entry.at)
            listening.begin_deleting(connection, kind, sound_id, by=viewer.user_id, reason=reason)
            audit.append(connection, entry)
            return file

        file = await self.database.write(begin)
        # From here on nobody hears it; where the file cannot be deleted now, the nightly run does it.
        await asyncio.to_thread(_unlink, self.folders()[kind], file)
        await self.database.write(lambda c: listening.mark_gone(c, kind, sound_id, entry.at))

    def may_download(self, viewer: Principal) -> bool:
        if viewer.may(Permission.RECORDINGS_DOWNLOAD):
            return True
        return self.options.agents_download and viewer.may(Permission.RECORDINGS_LISTEN)

    def _hears(self, kind: SoundKind) -> Hears:
        return self.options.agents_hear if kind is SoundKind.RECORDING else self.options.agents_hear_messages

    async def _find(self, viewer: Principal, kind: SoundKind, sound_id: str) -> tuple[SoundView, str]:
        now = self.now()

        def work(connection: Connection) -> tuple[SoundView, str]:
            view, file = listening.find(connection, viewer, self._hears(kind), kind, sound_id, now)
            return _named(connection, [view], viewer, now)[0], file

        return await self.database.read(work)


def _open(folder: Path, file: str) -> SoundFile:
    """Raises SoundNotFound where the file is gone, SoundAway where its disk is."""
    if not file or "/" in file or file.startswith("."):
        raise SoundNotFound("There is no sound any more.")
    try:
        below = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise SoundAway(_AWAY) from error
    try:
        try:
            handle = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=below)
        except FileNotFoundError as error:
            if why_away(below):
                raise SoundAway(_AWAY) from error
            raise SoundNotFound("There is no sound any more.") from error
        except OSError as error:
            raise SoundAway(_AWAY) from error
    finally:
        os.close(below)
    state = os.fstat(handle)
    if not stat.S_ISREG(state.st_mode):
        os.close(handle)
        raise SoundNotFound("There is no sound any more.")
    head = os.pread(handle, 44, 0)
    return SoundFile(handle, state.st_size, wav_head(head, state.st_size))


def _unlink(folder: Path, file: str) -> None:
    """Delete a file and bring that to the disk. Raises SoundAway."""
    try:
        below = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise SoundAway("The recording is locked away; its file is deleted once the disk is back.") from error
    try:
        os.unlink(file, dir_fd=below)
        os.fsync(below)
    except FileNotFoundError as error:
        if why_away(below):
            raise SoundAway(
                "The recording is locked away; its file is deleted once the disk is back."
            ) from error
    except OSError as error:
        raise SoundAway("The recording is locked away; its file is deleted later.") from error
    finally:
        os.close(below)


def _peaks(handle: int, size: int) -> list[int]:
    """The loudest of some samples of each part of a 16-bit wav, 0 to 100; as loud as the loudest part is 100."""
    sound = max(0, size - 44) // 2
    if sound == 0:
        return []
    parts = min(PEAKS, sound)
    found = []
    for place in range(parts):
        start = sound * place // parts
        count = min(_SAMPLES, sound * (place + 1) // parts - start)
        samples = array("h")
        data = os.pread(handle, count * 2, 44 + start * 2)
        samples.frombytes(data[: len(data) // 2 * 2])
        found.append(max(max(samples), -min(samples)) if samples else 0)
    loudest = max(found) or 1
    return [round(100 * peak / loudest) for peak in found]


def _named(
    connection: Connection, views: Sequence[SoundView], viewer: Principal, now: datetime | None
) -> list[SoundView]:
    """With the names of those whose record the viewer may not open hidden."""
    seen = sights(connection, viewer, [one.customer_id for one in views if one.customer_id], now)
    return [
        one
        if not one.customer_name or (viewer.sees_names and seen.get(one.customer_id or "") is Sight.OPEN)
        else replace(one, customer_name=mask_name(one.customer_name))
        for one in views
    ]
