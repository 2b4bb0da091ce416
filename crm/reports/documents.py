"""Reports that are written, approved and sent (M-104, M-106, M-107, M-144, M-145, M-147): kinds, steps, recipients."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from access.sentences import Sentence
from crm.reports.rows import Figure, ReportStepRefused, Source

LONGEST_SECTION: Final = 8000
LONGEST_TITLE: Final = 200
MOST_RECIPIENTS: Final = 50


class ReportKind(StrEnum):
    """What a report is about."""

    INVESTIGATION = "investigation"  # one case, or the cases of a period
    COMPLAINTS = "complaints"  # the regular report to the boss
    VISIT_ANALYSIS = "visit_analysis"
    KEY_ACCOUNT_VISITS = "key_account_visits"
    SURVEY = "survey"


@dataclass(frozen=True, kw_only=True, slots=True)
class KindOfReport:
    """Its sections in order, those that must not be empty before it is approved, and what it counts."""

    sections: tuple[str, ...]
    needed: tuple[str, ...]
    figures: tuple[Source, ...]


KINDS: Final[Mapping[ReportKind, KindOfReport]] = {
    ReportKind.INVESTIGATION: KindOfReport(
        sections=("facts", "causes", "responsibility", "actions", "effect", "conclusion"),
        needed=("facts", "causes", "responsibility", "actions"),
        figures=(Source.CASES, Source.CASES_CLOSED),
    ),
    ReportKind.COMPLAINTS: KindOfReport(
        sections=("overview", "causes", "responsibility", "actions", "effect", "proposals"),
        needed=("overview", "proposals"),
        figures=(Source.CASES, Source.CASES_CLOSED, Source.DISSATISFIED),
    ),
    ReportKind.VISIT_ANALYSIS: KindOfReport(
        sections=("overview", "dissatisfied", "unsuccessful", "product", "service", "proposals"),
        needed=("overview", "proposals"),
        figures=(
            Source.CONTACTS_DONE,
            Source.CONTACTS_TRIED,
            Source.UNSUCCESSFUL,
            Source.DISSATISFIED,
            Source.SURVEYS,
        ),
    ),
    ReportKind.KEY_ACCOUNT_VISITS: KindOfReport(
        sections=("notice", "tasks", "visits", "findings", "proposals"),
        needed=("notice", "visits", "findings"),
        figures=(Source.CONTACTS_DONE, Source.UNSUCCESSFUL, Source.DISSATISFIED),
    ),
    ReportKind.SURVEY: KindOfReport(
        sections=("overview", "weak", "verbatims", "proposals"),
        needed=("overview", "proposals"),
        figures=(Source.SURVEYS, Source.DISSATISFIED),
    ),
}


class ReportState(StrEnum):
    """Where a report is."""

    DRAFT = "draft"
    SUBMITTED = "submitted"  # waits for the manager
    APPROVED = "approved"
    SENT = "sent"
    WITHDRAWN = "withdrawn"


class ReportStep(StrEnum):
    """What is done with one."""

    EDIT = "edit"
    REFRESH = "refresh"  # count the figures again
    SUBMIT = "submit"
    RETURN = "return"
    APPROVE = "approve"
    SEND = "send"
    WITHDRAW = "withdraw"


#: (where it is, step) to where it goes.
STEPS: Final = {
    (ReportState.DRAFT, ReportStep.EDIT): ReportState.DRAFT,
    (ReportState.DRAFT, ReportStep.REFRESH): ReportState.DRAFT,
    (ReportState.DRAFT, ReportStep.SUBMIT): ReportState.SUBMITTED,
    (ReportState.DRAFT, ReportStep.WITHDRAW): ReportState.WITHDRAWN,
    (ReportState.SUBMITTED, ReportStep.APPROVE): ReportState.APPROVED,
    (ReportState.SUBMITTED, ReportStep.RETURN): ReportState.DRAFT,
    (ReportState.SUBMITTED, ReportStep.WITHDRAW): ReportState.WITHDRAWN,
    (ReportState.APPROVED, ReportStep.RETURN): ReportState.DRAFT,
    (ReportState.APPROVED, ReportStep.SEND): ReportState.SENT,
    #: Once more: to recipients that were added.
    (ReportState.SENT, ReportStep.SEND): ReportState.SENT,
}
#: Steps for whoever approves.
OF_APPROVER: Final = frozenset({ReportStep.APPROVE})
#: Steps that want a word of why.
WITH_NOTE: Final = frozenset({ReportStep.RETURN, ReportStep.WITHDRAW})


class How(StrEnum):
    """How a recipient gets a report."""

    PAGE = "page"
    PRINTED = "printed"
    LINK = "link"


class Arrival(StrEnum):
    """How far a report is on its way to one recipient. Only moves forward."""

    WAITING = "waiting"
    SENT = "sent"
    READ = "read"


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """One line of a distribution list."""

    name: str
    how: How
    user_id: str | None = None

    def plain(self) -> dict[str, Any]:
        """As JSON."""
        return {"name": self.name, "how": self.how.value, "user_id": self.user_id}


@dataclass(frozen=True, kw_only=True, slots=True)
class Recipient:
    """To whom a report goes."""

    id: str
    name: str
    how: How
    user_id: str | None = None
    state: Arrival = Arrival.WAITING
    sent_at: datetime | None = None
    read_at: datetime | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Report:
    """One report."""

    id: str
    number: str
    kind: ReportKind
    language: str
    title: str
    case_id: str | None
    first: date
    last: date
    state: ReportState
    sections: Mapping[str, str]
    figures: Sequence[Figure] = ()
    figures_at: datetime
    drafted_at: datetime
    drafted_by: str | None = None
    drafted_by_name: str = ""
    approved_at: datetime | None = None
    approved_by: str | None = None
    approved_by_name: str = ""
    sent_at: datetime | None = None
    version: int = 1
    recipients: Sequence[Recipient] = field(default_factory=tuple)

    @property
    def empty(self) -> list[str]:
        """Sections that have to say something and do not."""
        return [name for name in KINDS[self.kind].needed if not self.sections.get(name, "").strip()]


def possible(state: ReportState, *, approves: bool) -> list[ReportStep]:
    """Steps this person can take now."""
    return [step for at, step in STEPS if at is state and (approves or step not in OF_APPROVER)]


def next_state(state: ReportState, step: ReportStep, *, approves: bool) -> ReportState:
    """Where a step leads. Raises ReportStepRefused."""
    allowed = possible(state, approves=approves)
    if step not in allowed:
        raise ReportStepRefused(
            Sentence(
                "The report is {report_state}; you can now: {report_steps}. Nothing was changed.",
                report_state=state.value,
                report_steps=[one.value for one in allowed] or ["nothing"],
            ),
            state=state.value,
            allowed_steps=tuple(one.value for one in allowed),
        )
    return STEPS[state, step]


class Cadence(StrEnum):
    """How often a report is drafted by itself."""

    WEEKLY = "weekly"
    MONTHLY = "monthly"


@dataclass(frozen=True, kw_only=True, slots=True)
class Schedule:
    """A report that is drafted by itself."""

    id: str
    kind: ReportKind
    language: str
    cadence: Cadence
    #: 1 is Monday; or the day of the month, its last one where the month is shorter.
    day: int
    list_id: str | None
    is_on: bool
    since: date
    version: int = 1


def due_period(schedule: Schedule, today: date) -> tuple[date, date] | None:
    """The last period whose report is due by today: the week or month before; None where none is due yet."""
    if schedule.cadence is Cadence.WEEKLY:
        monday = today - timedelta(days=today.weekday())
        drafted = monday + timedelta(days=schedule.day - 1)
        if drafted > today:
            monday, drafted = monday - timedelta(days=7), drafted - timedelta(days=7)
        first, last = monday - timedelta(days=7), monday - timedelta(days=1)
    else:
        month = today.replace(day=1)
        drafted = _in_month(month, schedule.day)
        if drafted > today:
            month = (month - timedelta(days=1)).replace(day=1)
            drafted = _in_month(month, schedule.day)
        last = month - timedelta(days=1)
        first = last.replace(day=1)
    return (first, last) if drafted >= schedule.since else None


def _in_month(month: date, day: int) -> date:
    following = (month + timedelta(days=32)).replace(day=1)
    return min(month + timedelta(days=day - 1), following - timedelta(days=1))
