"""What the pages of cases need beside the cases themselves: working time, and references to recordings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from access.users import Principal
from crm.cases.cases import CaseKind, Grade


@dataclass(frozen=True, kw_only=True, slots=True)
class SoundReference:
    """A recording as a paper names it; the paper never holds the sound itself."""

    id: str
    call_id: str
    started_at: datetime
    seconds: float | None
    #: Of the file as it lies there now; empty where there is none (any more), or it could not be read.
    sha256: str = ""
    #: The file has been deleted, past its time.
    gone: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class OpenTask:
    """An open task of a case."""

    id: str
    kind: str
    subject: str
    due_at: datetime
    owner_name: str = ""


class CaseDesk(Protocol):
    """Figures for the pages of cases."""

    def workday(self) -> timedelta:
        """Working time of a usual day of the house."""

    def worked(self, since: datetime, until: datetime) -> timedelta:
        """Working time between two moments; nothing where `until` comes first."""

    def answer_by(self, kind: CaseKind, grade: Grade, now: datetime) -> datetime:
        """The latest moment at which such a case, opened now, must have its first answer."""

    async def sounds(
        self, viewer: Principal, call_ids: Sequence[str], *, fingerprints: bool
    ) -> Sequence[SoundReference]:
        """Recordings of these calls; `fingerprints`: read the files for it."""

    async def tasks(self, viewer: Principal, case_id: str) -> Sequence[OpenTask]:
        """What is to be done about a case."""
