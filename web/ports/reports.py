"""What the pages and API of reports need. Scope and masks are the data layer's work."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Protocol

from access.audit import Entry
from access.users import Principal
from crm.reports.documents import Cadence, Recipient, Report, ReportKind, ReportState, ReportStep, Schedule
from crm.reports.maker import MakerState, MakerStep, MakerVisit
from crm.reports.rows import Figure, Row, Source, Wanted
from crm.reports.work import WorkReport, WorkStep


@dataclass(frozen=True, kw_only=True, slots=True)
class Overview:
    """What stands where, of a day."""

    day: date
    figures: Sequence[Figure]
    #: State of work reports of the day, and "late"; of the house or one's own.
    work: Mapping[str, int]
    maker: Mapping[str, int]
    reports: Mapping[str, int]


@dataclass(frozen=True, kw_only=True, slots=True)
class RowPage:
    figure: Figure
    items: Sequence[Row]
    next: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Ratio:
    """A share: both numbers open their rows."""

    name: str
    part: Figure
    whole: Figure

    @property
    def share(self) -> float | None:
        """None where there is nothing to have a share of."""
        return self.part.count / self.whole.count if self.whole.count else None


@dataclass(frozen=True, kw_only=True, slots=True)
class Statistics:
    """Cases of a period."""

    first: date
    last: date
    total: Figure
    ratios: Sequence[Ratio]
    #: Group to (worth, its words where it is a person, figure).
    groups: Mapping[str, Sequence[tuple[str, str, Figure]]]
    #: Months, or weeks where the period is short: (first day, last day, figure).
    trend: Sequence[tuple[date, date, Figure]]
    weekly: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class DepartmentProblems:
    """The problems of a day that are one department's."""

    department: str
    total: int
    #: Not passed on yet.
    left: int
    items: Sequence[Row]
    lists: Sequence[Mapping[str, Any]] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class ProblemList:
    """What was passed to a department."""

    id: str
    day: date
    department: str
    how: str
    recipient: str
    at: datetime
    by_name: str
    read_at: datetime | None
    items: Sequence[Row]
    new: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class PrivateLink:
    """A link that was just made; its secret and PIN can be read only here."""

    path: str
    pin: str
    expires_at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class MakerView:
    """A visit for the maker's CRM as this viewer may see it."""

    visit: MakerVisit
    customer_name: str
    customer_number: str
    agent_name: str
    plate: str
    model: str
    closed: bool = False
    by_name: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class MakerPage:
    items: Sequence[MakerView]
    counts: Mapping[str, int]
    next: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class WorkView:
    """A work report with its figures, as kept or as they are now."""

    report: WorkReport
    user_name: str
    figures: Sequence[Figure] = ()
    #: As the data says now, where the report keeps those of its handing in.
    current: Sequence[Figure] = ()
    possible: Sequence[str] = ()
    late: bool = False
    reviewed_by_name: str = ""
    steps: Sequence[Mapping[str, Any]] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class WorkDay:
    """Who handed in on a day."""

    day: date
    items: Sequence[WorkView]
    counts: Mapping[str, int]


@dataclass(frozen=True, kw_only=True, slots=True)
class ReportView:
    """A report with what this viewer can do with it."""

    report: Report
    possible: Sequence[str] = ()
    steps: Sequence[Mapping[str, Any]] = ()
    names: Mapping[str, str] = field(default_factory=dict)


class Reports(Protocol):
    """Lists and reports. `entry` is written in the same transaction."""

    async def overview(self, viewer: Principal, now: datetime) -> Overview: ...

    async def rows(
        self,
        viewer: Principal,
        source: Source,
        wanted: Wanted,
        now: datetime,
        *,
        cursor: str | None,
        limit: int,
    ) -> RowPage:
        """Raises BadCursor, ReportNotFound."""

    async def statistics(
        self, viewer: Principal, first: date, last: date, wanted: Wanted, now: datetime, *, weekly: bool
    ) -> Statistics:
        """Raises BadReport."""

    def bounds(self, first: date, last: date) -> tuple[datetime, datetime]:
        """When the first day begins and the last one is over, at the house."""

    # problems of the day
    async def problems(self, viewer: Principal, day: date, now: datetime) -> Sequence[DepartmentProblems]: ...

    async def pass_problems(
        self,
        viewer: Principal,
        entry: Entry,
        *,
        occasion: str,
        day: date,
        department: str,
        how: str,
        recipient: str,
    ) -> ProblemList:
        """Raises BadReport."""

    async def problem_list(self, viewer: Principal, list_id: str, now: datetime) -> ProblemList:
        """Raises ReportNotFound."""

    async def link_problems(self, viewer: Principal, list_id: str, entry: Entry) -> PrivateLink:
        """A new link; older ones open nothing any more. Raises ReportNotFound."""

    # the maker's CRM
    async def maker(
        self,
        viewer: Principal,
        now: datetime,
        *,
        day: date | None,
        state: MakerState | None,
        cursor: str | None,
        limit: int,
    ) -> MakerPage:
        """Raises BadCursor."""

    async def maker_step(
        self,
        viewer: Principal,
        visit_id: str,
        step: MakerStep,
        entry: Entry,
        *,
        version: int,
        note: str,
    ) -> MakerView:
        """Raises ReportNotFound, ReportStepRefused, ReportChanged, BadReport."""

    async def maker_files(
        self, cursor: str | None, limit: int
    ) -> tuple[Sequence[Mapping[str, Any]], str | None]:
        """Raises BadCursor."""

    async def make_maker_file(
        self, viewer: Principal | None, occasion: str, entry: Entry
    ) -> Mapping[str, Any]:
        """The next file: what is new and what was corrected. The same occasion gives the same file."""

    async def take_maker_file(
        self, viewer: Principal, file_id: str, now: datetime
    ) -> tuple[Mapping[str, Any], bytes]:
        """Raises ReportNotFound."""

    # work reports
    async def work_today(self, viewer: Principal, day: date | None, now: datetime) -> WorkView:
        """One's own report of a day, drafted where there was none. Raises BadReport."""

    async def work_history(
        self, viewer: Principal, user_id: str, before: date | None
    ) -> Sequence[WorkView]: ...

    async def work_day(self, viewer: Principal, day: date, now: datetime) -> WorkDay: ...

    async def work(self, viewer: Principal, report_id: str, now: datetime) -> WorkView:
        """Raises ReportNotFound."""

    async def work_step(
        self,
        viewer: Principal,
        report_id: str,
        step: WorkStep,
        entry: Entry,
        *,
        version: int,
        problems: str,
        plan: str,
        comment: str,
    ) -> WorkView:
        """Raises ReportNotFound, ReportStepRefused, ReportChanged, BadReport."""

    # reports that are written
    async def reports(
        self,
        viewer: Principal,
        *,
        state: ReportState | None,
        case_id: str,
        cursor: str | None,
        limit: int,
    ) -> tuple[Sequence[Report], str | None]:
        """Raises BadCursor."""

    async def draft_report(
        self,
        viewer: Principal,
        entry: Entry,
        *,
        occasion: str,
        kind: ReportKind,
        language: str,
        first: date,
        last: date,
        case_id: str | None,
        list_id: str | None,
        title: str,
    ) -> ReportView:
        """Raises BadReport, CaseNotFound."""

    async def report(self, viewer: Principal, report_id: str, now: datetime) -> ReportView:
        """Raises ReportNotFound."""

    async def report_step(
        self,
        viewer: Principal,
        report_id: str,
        step: ReportStep,
        entry: Entry,
        *,
        version: int,
        note: str,
        title: str | None,
        sections: Mapping[str, str] | None,
        recipients: Sequence[Mapping[str, Any]] | None,
    ) -> ReportView:
        """Raises ReportNotFound, ReportStepRefused, ReportChanged, BadReport."""

    async def received(self, viewer: Principal) -> Sequence[tuple[Report, Recipient]]: ...

    async def read_received(self, viewer: Principal, report_id: str, now: datetime) -> Report:
        """A report that was sent to this person; his first look is noted. Raises ReportNotFound."""

    async def link_report(self, viewer: Principal, recipient_id: str, entry: Entry) -> PrivateLink:
        """A new link for a recipient; older ones open nothing any more. Raises ReportNotFound, BadReport."""

    async def delivered(self, viewer: Principal, recipient_id: str, entry: Entry) -> ReportView:
        """It was given into his hands. Raises ReportNotFound."""

    async def lists(self) -> Sequence[Mapping[str, Any]]: ...

    async def save_list(
        self,
        entry: Entry,
        *,
        list_id: str | None,
        name: str,
        entries: Sequence[Mapping[str, Any]],
        version: int,
    ) -> Mapping[str, Any]:
        """Raises ReportNotFound, ReportChanged, BadReport."""

    async def schedules(self) -> Sequence[Schedule]: ...

    async def save_schedule(
        self,
        entry: Entry,
        *,
        schedule_id: str,
        kind: ReportKind,
        language: str,
        cadence: Cadence,
        day: int,
        list_id: str | None,
        is_on: bool,
        version: int,
    ) -> Schedule:
        """Raises ReportNotFound, ReportChanged, BadReport."""

    async def users(self) -> Mapping[str, str]:
        """Id to name, of everybody a report can be sent to."""

    # private links
    async def open_report_link(self, secret: str, pin: str | None, now: datetime) -> Report | None:
        """None: the PIN is still to be given. Raises LinkError, PinWrong."""

    async def open_problems_link(self, secret: str, pin: str | None, now: datetime) -> ProblemList | None:
        """None: the PIN is still to be given. Raises LinkError, PinWrong."""
