"""Written reports, distribution lists, schedules."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Annotated, Any, Literal

from pydantic import Field

from access.audit import Action
from crm.reports.documents import Cadence, How, Report, ReportKind, ReportState, ReportStep, Schedule
from web.api.reports.lists import FigureOut, figure_out
from web.api.reports.shapes import (
    READ,
    STEP_ERRORS,
    WRITE,
    Code,
    LinkOut,
    Paragraphs,
    Version,
    link_out,
    occasion,
    reading,
    writing,
)
from web.api.shapes import Cursor, Id, Line, Size
from web.ports.reports import (
    ReportView,
)
from web.routes import Ask, Nothing, Shape


class RecipientIn(Shape):
    name: Line = ""
    how: How
    user_id: Id | None = None


class RecipientOut(Shape):
    id: str
    name: str
    how: How
    user_id: str | None
    state: str
    sent_at: datetime | None
    read_at: datetime | None


class ReportOut(Shape):
    id: str
    number: str
    kind: ReportKind
    language: str
    title: str
    case_id: str | None
    first: date
    last: date
    state: ReportState
    sections: dict[str, str]
    empty: list[str] = Field(description="sections that have to say something before it is approved")
    figures: list[FigureOut]
    figures_at: datetime
    drafted_at: datetime
    drafted_by_name: str
    approved_at: datetime | None
    approved_by_name: str
    sent_at: datetime | None
    recipients: list[RecipientOut]
    possible: list[str]
    version: int


def report_out(report: Report, possible: tuple[str, ...] = ()) -> ReportOut:
    """A report."""
    return ReportOut(
        **{
            name: getattr(report, name)
            for name in ReportOut.model_fields
            if name not in ("figures", "recipients", "possible", "sections")
        },
        sections=dict(report.sections),
        figures=[figure_out(one) for one in report.figures],
        recipients=[
            RecipientOut(**{name: getattr(one, name) for name in RecipientOut.model_fields})
            for one in report.recipients
        ],
        possible=list(possible),
    )


def _view_out(view: ReportView) -> ReportOut:
    return report_out(view.report, tuple(view.possible))


class ReportsQuery(Shape):
    state: ReportState | None = None
    case_id: Id | Literal[""] = ""
    cursor: Cursor | None = None
    limit: Size = 50


class ReportsOut(Shape):
    items: list[ReportOut]
    next: str | None


class NewReportIn(Shape):
    kind: ReportKind
    first: date
    last: date
    language: Literal["zh-CN", "en"] = "zh-CN"
    case_id: Id | None = Field(None, description="an investigation of one case")
    list_id: Id | None = Field(None, description="distribution list")
    title: Line = ""


class ReportStepIn(Shape):
    step: ReportStep
    version: Version
    note: Line = ""
    title: Line | None = None
    sections: dict[Code, Paragraphs] | None = Field(None, max_length=20)
    recipients: list[RecipientIn] | None = Field(None, max_length=50)


class ListIn(Shape):
    name: Line
    entries: list[RecipientIn] = Field(max_length=50)
    version: Annotated[int, Field(ge=0, le=1_000_000)] = 0


class ListOut(Shape):
    id: str
    name: str
    entries: list[RecipientIn]
    version: int


class ListsOut(Shape):
    items: list[ListOut]


class ScheduleIn(Shape):
    kind: ReportKind
    language: Literal["zh-CN", "en"] = "zh-CN"
    cadence: Cadence
    day: Annotated[int, Field(ge=1, le=31)] = Field(
        description="weekly: 1 is Monday; monthly: day of the month"
    )
    list_id: Id | None = None
    is_on: bool = True
    version: Annotated[int, Field(ge=0, le=1_000_000)] = 0


class ScheduleOut(Shape):
    id: str
    kind: ReportKind
    language: str
    cadence: Cadence
    day: int
    list_id: str | None
    is_on: bool
    version: int


def _schedule_out(one: Schedule) -> ScheduleOut:
    return ScheduleOut(**{name: getattr(one, name) for name in ScheduleOut.model_fields})


class SchedulesOut(Shape):
    items: list[ScheduleOut]


async def list_reports(ask: Ask[ReportsQuery, Nothing]) -> ReportsOut:
    query = ask.query
    found, following = await ask.services.reports.reports(
        ask.by, state=query.state, case_id=query.case_id, cursor=query.cursor, limit=query.limit
    )
    items = [report_out(one).model_copy(update={"sections": {}, "figures": []}) for one in found]
    return ReportsOut(items=items, next=following)


async def draft_report(ask: Ask[Nothing, NewReportIn]) -> ReportOut:
    body = ask.body
    view = await ask.services.reports.draft_report(
        ask.by,
        ask.entry(Action.REPORT_STEPPED, data={"step": "draft", "kind": body.kind.value}),
        occasion=occasion(ask),
        kind=body.kind,
        language=body.language,
        first=body.first,
        last=body.last,
        case_id=body.case_id,
        list_id=body.list_id,
        title=body.title,
    )
    return _view_out(view)


async def get_report(ask: Ask[Nothing, Nothing]) -> ReportOut:
    return _view_out(await ask.services.reports.report(ask.by, ask.path["report_id"], ask.now))


async def report_step(ask: Ask[Nothing, ReportStepIn]) -> ReportOut:
    report_id, body = ask.path["report_id"], ask.body
    entry = ask.entry(Action.REPORT_STEPPED, f"report:{report_id}", {"step": body.step.value})
    people = None if body.recipients is None else [one.model_dump(mode="json") for one in body.recipients]
    view = await ask.services.reports.report_step(
        ask.by,
        report_id,
        body.step,
        entry,
        version=body.version,
        note=body.note,
        title=body.title,
        sections=body.sections,
        recipients=people,
    )
    return _view_out(view)


async def link_report(ask: Ask[Nothing, Nothing]) -> LinkOut:
    recipient_id = ask.path["recipient_id"]
    entry = ask.entry(Action.REPORT_STEPPED, f"recipient:{recipient_id}", {"step": "link"})
    return link_out(await ask.services.reports.link_report(ask.by, recipient_id, entry))


async def delivered(ask: Ask[Nothing, Nothing]) -> ReportOut:
    recipient_id = ask.path["recipient_id"]
    entry = ask.entry(Action.REPORT_STEPPED, f"recipient:{recipient_id}", {"step": "delivered"})
    return _view_out(await ask.services.reports.delivered(ask.by, recipient_id, entry))


def _list_out(found: Mapping[str, Any]) -> ListOut:
    return ListOut(
        id=found["id"],
        name=found["name"],
        entries=[RecipientIn.model_validate({**one, "how": How(one["how"])}) for one in found["entries"]],
        version=found["version"],
    )


async def lists(ask: Ask[Nothing, Nothing]) -> ListsOut:
    return ListsOut(items=[_list_out(one) for one in await ask.services.reports.lists()])


async def save_list(ask: Ask[Nothing, ListIn]) -> ListOut:
    body = ask.body
    made = await ask.services.reports.save_list(
        ask.entry(Action.REPORT_STEPPED, data={"step": "list"}),
        list_id=ask.path.get("list_id"),
        name=body.name,
        entries=[one.model_dump(mode="json") for one in body.entries],
        version=body.version,
    )
    return _list_out(made)


async def schedules(ask: Ask[Nothing, Nothing]) -> SchedulesOut:
    return SchedulesOut(items=[_schedule_out(one) for one in await ask.services.reports.schedules()])


async def save_schedule(ask: Ask[Nothing, ScheduleIn]) -> ScheduleOut:
    body = ask.body
    made = await ask.services.reports.save_schedule(
        ask.entry(Action.REPORT_STEPPED, data={"step": "schedule"}),
        schedule_id=ask.path.get("schedule_id", ""),
        kind=body.kind,
        language=body.language,
        cadence=body.cadence,
        day=body.day,
        list_id=body.list_id,
        is_on=body.is_on,
        version=body.version,
    )
    return _schedule_out(made)


ROUTES = (
    reading(
        "/api/v1/reports",
        "Written reports, newest first",
        READ,
        list_reports,
        ReportsOut,
        query=ReportsQuery,
        errors=("bad-cursor",),
    ),
    writing(
        "/api/v1/reports",
        "Draft a report from a case or a period",
        WRITE,
        draft_report,
        ReportOut,
        body=NewReportIn,
        status=201,
        once=True,
        errors=("bad-report", "case-not-found", "report-not-found"),
    ),
    reading(
        "/api/v1/reports/{report_id}",
        "One report",
        READ,
        get_report,
        ReportOut,
        errors=("report-not-found",),
    ),
    writing(
        "/api/v1/reports/{report_id}/steps",
        "Edit, count again, submit, return, approve, send, withdraw",
        WRITE,
        report_step,
        ReportOut,
        body=ReportStepIn,
        errors=STEP_ERRORS,
    ),
    writing(
        "/api/v1/report-recipients/{recipient_id}/link",
        "A new private link for a recipient; older ones open nothing any more",
        WRITE,
        link_report,
        LinkOut,
        status=201,
        errors=("report-not-found", "bad-report"),
    ),
    writing(
        "/api/v1/report-recipients/{recipient_id}/delivered",
        "Given into the recipient's hands",
        WRITE,
        delivered,
        ReportOut,
        errors=("report-not-found",),
    ),
    reading("/api/v1/report-lists", "Distribution lists", READ, lists, ListsOut),
    writing(
        "/api/v1/report-lists",
        "A new distribution list",
        WRITE,
        save_list,
        ListOut,
        body=ListIn,
        status=201,
        errors=STEP_ERRORS,
    ),
    writing(
        "/api/v1/report-lists/{list_id}",
        "Change a distribution list",
        WRITE,
        save_list,
        ListOut,
        body=ListIn,
        errors=STEP_ERRORS,
    ),
    reading(
        "/api/v1/report-schedules", "Reports that are drafted by themselves", READ, schedules, SchedulesOut
    ),
    writing(
        "/api/v1/report-schedules",
        "A new regular report",
        WRITE,
        save_schedule,
        ScheduleOut,
        body=ScheduleIn,
        status=201,
        once=True,
        errors=STEP_ERRORS,
    ),
    writing(
        "/api/v1/report-schedules/{schedule_id}",
        "Change a regular report",
        WRITE,
        save_schedule,
        ScheduleOut,
        body=ScheduleIn,
        errors=STEP_ERRORS,
    ),
)
