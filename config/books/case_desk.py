"""`web.ports.case_desk.CaseDesk`: working time, and references to recordings, their files' fingerprints among them."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from access.masking import mask_text
from access.permissions import Role
from access.users import Principal
from crm.cases.cases import CaseKind, Grade
from crm.cases.deadlines import after_minutes
from crm.cases.rules import Rules
from storage import case_pages
from storage.database import Database
from telephony.hours import WorkingTime
from telephony.recordings import Recording, RecordingState
from web.ports.case_desk import OpenTask, SoundReference

_PIECE: Final = 1 << 20
_GONE: Final = frozenset({RecordingState.DELETED, RecordingState.DELETING, RecordingState.NONE})


class CaseDeskBook:
    """Figures for the pages of cases."""

    def __init__(
        self, database: Database, hours: WorkingTime, rules: Rules, recordings_folder: Callable[[], Path]
    ) -> None:
        self._database = database
        self._hours = hours
        self._rules = rules
        self._folder = recordings_folder

    def worked(self, since: datetime, until: datetime) -> timedelta:
        return self._hours.working_between(since, until) if since < until else timedelta()

    def workday(self) -> timedelta:
        return self._hours.usual_day()

    def answer_by(self, kind: CaseKind, grade: Grade, now: datetime) -> datetime:
        return after_minutes(self._hours, now, self._rules.allowance(kind, grade).answer)

    async def sounds(
        self, viewer: Principal, call_ids: Sequence[str], *, fingerprints: bool
    ) -> Sequence[SoundReference]:
        if viewer.role is Role.DEPARTMENT or not call_ids:
            return []
        found = await self._database.read(lambda connection: case_pages.recordings_of(connection, call_ids))
        folder = self._folder()
        return [
            SoundReference(
                id=one.id,
                call_id=one.call_id,
                started_at=one.started_at,
                seconds=one.seconds,
                sha256=await asyncio.to_thread(_fingerprint, folder, one) if fingerprints else "",
                gone=one.state in _GONE,
            )
            for one in found
        ]

    async def tasks(self, viewer: Principal, case_id: str) -> Sequence[OpenTask]:
        if viewer.role is Role.DEPARTMENT:
            return []
        found = await self._database.read(lambda connection: case_pages.open_tasks(connection, case_id))
        return [
            OpenTask(
                id=one.id,
                kind=one.kind,
                subject=one.subject if viewer.sees_numbers else mask_text(one.subject),
                due_at=one.due_at,
                owner_name=one.owner_name,
            )
            for one in found
        ]


def _fingerprint(folder: Path, recording: Recording) -> str:
    """SHA-256 of the file as it lies there; nothing where there is none, or it is still written."""
    if recording.state is not RecordingState.KEPT or Path(recording.file).name != recording.file:
        return ""
    digest = hashlib.sha256()
    try:
        with (folder / recording.file).open("rb") as sound:
            while piece := sound.read(_PIECE):
                digest.update(piece)
    except OSError:
        return ""
    return digest.hexdigest()
