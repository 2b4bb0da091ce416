"""Lists and reports: rows behind figures, the day's problems, the maker's list, work reports, written reports."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Annotated, Any, Literal

from aiohttp import web
from pydantic import AfterValidator, Field, StringConstraints

from access.audit import Action
from access.permissions import Permission
from access.sentences import Sentence
from crm.reports.documents import Cadence, How, Report, ReportKind, ReportState, ReportStep, Schedule
from crm.reports.maker import MakerState, MakerStep
from crm.reports.rows import MARKS, Figure, Row, Source, Wanted
from crm.reports.work import WorkState, WorkStep
from web.api.shapes import Cursor, Department, Id, Line, Size
from web.auth import Signed
from web.ports.reports import (
    MakerView,
    PrivateLink,
    ProblemList,
    Ratio,
    ReportView,
    WorkView,
)
from web.problems import Refused
from web.routes import SERVICES, Ask, Nothing, Route, Shape

_PARAGRAPHS = 8000


def _no_controls(text: str) -> str:
    if any(ord(letter) < 32 and letter not in "\n\r\t" for letter in text):
        raise ValueError("control characters are not allowed")
    return text


Paragraphs = Annotated[str, StringConstraints(max_length=_PARAGRAPHS), AfterValidator(_no_controls)]
Code = Annotated[str, StringConstraints(pattern=r"^[0-9a-z_]{0,32}$")]
Model = Annotated[str, StringConstraints(max_length=64)]
Version = Annotated[int, Field(ge=1, le=1_000_000)]


# -- what goes out ---------------------------------------------------------------------------------------------


class FigureOut(Shape):
    """A number, and what to ask for to get the rows it counts."""

    name: str
    source: Source
    wanted: dict[str, str] = Field(description="parameters of /api/v1/report-rows/{source}")
    count: int
    seconds: float


def figure_out(figure: Figure) -> FigureOut:
    """A figure."""
    return FigureOut(
        name=figure.name,
        source=figure.source,
        wanted=figure.wanted.words(),
        count=figure.count,
        seconds=round(figure.seconds, 1),
    )


class RowOut(Shape):
    kind: str
    id: str
    at: datetime
    customer_id: str | None
    customer_name: str
    customer_number: str
    closed: bool = Field(description="a restricted record: the row says that it is there, and no more")
    number: str
    user_id: str | None
    user_name: str
    department: str
    word: str
    text: str
    seconds: float
    about: str = Field(description="what it is a part of: the case of a step, the call of a registration")
    passed_at: datetime | None
    list_id: str | None


def row_out(row: Row) -> RowOut:
    """A row."""
    return RowOut.model_validate({name: getattr(row, name) for name in row.__slots__})


class RowsQuery(Shape):
    """Which rows."""

    since: datetime | None = Field(None, description="with time zone")
    until: datetime | None = Field(None, description="with time zone; exclusive")
    user_id: Id | Literal[""] = ""
    department: Department = ""
    no_department: bool = False
    customer_id: Id | Literal[""] = ""
    kind: Code = ""
    grade: Code = ""
    model: Model = ""
    responsibility: Code = ""
    cause: Annotated[str, StringConstraints(max_length=4000)] = ""
    handler_id: Id | Literal[""] = ""
    round: Annotated[int, Field(ge=1, le=1000)] | None = None
    mark: Code = Field("", description="a yes or no about cases: " + ", ".join(MARKS))
    cursor: Cursor | None = None
    limit: Size = 50


def wanted_of(query: RowsQuery) -> Wanted:
    """The filter of a query. Raises Refused where a moment has no zone, or there is no such mark."""
    for name in ("since", "until"):
        moment = getattr(query, name)
        if moment is not None and moment.tzinfo is None:
            raise Refused(
                "bad-query",
                Sentence("{name} needs a time zone, such as 2026-06-16T10:00:00+08:00.", name=name),
            )
    if query.mark and query.mark not in MARKS:
        raise Refused("bad-query", "There is no such mark of cases.")
    values = {
        name: getattr(query, name) for name in RowsQuery.model_fields if name not in ("cursor", "limit")
    }
    return Wanted(**values)


class RowsOut(Shape):
    figure: FigureOut
    items: list[RowOut]
    next: str | None


class OverviewOut(Shape):
    day: date
    figures: list[FigureOut]
    work_reports: dict[str, int]
    maker_visits: dict[str, int]
    reports: dict[str, int]


class PeriodQuery(Shape):
    first: date
    last: date
    by: Literal["month", "week"] = "month"
    kind: Code = ""
    department: Department = ""


class RatioOut(Shape):
    name: str
    part: FigureOut
    whole: FigureOut
    share: float | None


def ratio_out(ratio: Ratio) -> RatioOut:
    """A share."""
    return RatioOut(
        name=ratio.name, part=figure_out(ratio.part), whole=figure_out(ratio.whole), share=ratio.share
    )


class GroupedOut(Shape):
    worth: str
    label: str
    figure: FigureOut


class SpanOut(Shape):
    first: date
    last: date
    figure: FigureOut


class StatisticsOut(Shape):
    first: date
    last: date
    total: FigureOut
    ratios: list[RatioOut]
    groups: dict[str, list[GroupedOut]]
    trend: list[SpanOut]


class DayQuery(Shape):
    day: date


class ProblemsOut(Shape):
    class Department(Shape):
        department: str
        total: int
        left: int
        items: list[RowOut]

    day: date
    departments: list[Department]


class PassIn(Shape):
    day: date
    department: Department = Field("", description="empty: problems of no department")
    how: Literal["link", "printed", "file"]
    recipient: Line = Field("", description="who gets it")


class LinkOut(Shape):
    path: str = Field(description="address on this service; it can be read only here")
    pin: str = Field(description="to be told by telephone; it can be read only here")
    expires_at: datetime


def link_out(link: PrivateLink) -> LinkOut:
    """A private link that was just made."""
    return LinkOut(path=link.path, pin=link.pin, expires_at=link.expires_at)


class ProblemListOut(Shape):
    id: str
    day: date
    department: str
    how: str
    recipient: str
    at: datetime
    by_name: str
    read_at: datetime | None
    items: list[RowOut]
    link: LinkOut | None = None


def problem_list_out(found: ProblemList, link: PrivateLink | None = None) -> ProblemListOut:
    """What was passed."""
    return ProblemListOut(
        id=found.id,
        day=found.day,
        department=found.department,
        how=found.how,
        recipient=found.recipient,
        at=found.at,
        by_name=found.by_name,
        read_at=found.read_at,
        items=[row_out(one) for one in found.items],
        link=link_out(link) if link else None,
    )


class MakerQuery(Shape):
    day: date | None = None
    state: MakerState | None = None
    cursor: Cursor | None = None
    limit: Size = 50


class MakerOut(Shape):
    id: str
    customer_id: str
    customer_name: str
    customer_number: str
    agent_name: str
    plate: str
    model: str
    visited_at: datetime
    result: str
    state: MakerState
    need: Literal["complete", "missing", "corrected", "done"]
    missing: list[str] = Field(description="columns of the maker that must hold something and do not")
    exports: int
    exported_at: datetime | None
    note: str
    version: int


def maker_out(view: MakerView) -> MakerOut:
    """A visit for the maker's CRM."""
    visit = view.visit
    return MakerOut(
        id=visit.id,
        customer_id=visit.customer_id,
        customer_name=view.customer_name,
        customer_number=view.customer_number,
        agent_name=view.agent_name,
        plate=view.plate,
        model=view.model,
        visited_at=visit.visited_at,
        result=visit.result,
        state=visit.state,
        need=visit.need.value,
        missing=list(visit.missing),
        exports=visit.exports,
        exported_at=visit.exported_at,
        note=visit.note,
        version=visit.version,
    )


class MakerPageOut(Shape):
    items: list[MakerOut]
    counts: dict[str, int]
    next: str | None


class MakerStepIn(Shape):
    step: MakerStep
    version: Version
    note: Line = Field("", description="leaving a visit out wants a reason")


class PageQuery(Shape):
    cursor: Cursor | None = None
    limit: Size = 30


class DownloadOut(Shape):
    at: datetime
    by_name: str


class MakerFileOut(Shape):
    id: str
    made_at: datetime
    made_by_name: str = Field(description="empty: made in the evening by itself")
    format: str
    rows: int
    corrected: int
    left_out: int = Field(description="incomplete visits that stayed behind")
    bytes: int
    sha256: str
    removed_at: datetime | None
    downloads: list[DownloadOut] = Field(default_factory=list)


def maker_file_out(found: Mapping[str, Any]) -> MakerFileOut:
    """A file."""
    return MakerFileOut.model_validate(
        {
            **{name: found[name] for name in MakerFileOut.model_fields if name != "downloads"},
            "downloads": [
                DownloadOut(at=one["at"], by_name=one["by_name"]) for one in found.get("downloads", ())
            ],
        }
    )


class MakerFilesOut(Shape):
    items: list[MakerFileOut]
    next: str | None


class WorkQuery(Shape):
    day: date | None = Field(
        None, description="everybody's reports of this day (reports.read); else one's own"
    )
    before: date | None = None


class WorkOut(Shape):
    id: str
    user_id: str
    user_name: str
    day: date
    state: WorkState
    figures: list[FigureOut] = Field(description="as they were at the handing in; before it, as they are")
    problems: str
    plan: str
    comment: str
    due_at: datetime
    handed_in_at: datetime | None
    late: bool
    possible: list[str]
    version: int


def work_out(view: WorkView) -> WorkOut:
    """A work report."""
    report = view.report
    return WorkOut(
        id=report.id,
        user_id=report.user_id,
        user_name=view.user_name,
        day=report.day,
        state=report.state,
        figures=[figure_out(one) for one in view.figures],
        problems=report.problems,
        plan=report.plan,
        comment=report.comment,
        due_at=report.due_at,
        handed_in_at=report.handed_in_at,
        late=view.late,
        possible=list(view.possible),
        version=report.version,
    )


class WorksOut(Shape):
    items: list[WorkOut]


class WorkBeginIn(Shape):
    day: date | None = Field(None, description="today, where nothing is said")


class WorkStepIn(Shape):
    step: WorkStep
    version: Version
    problems: Paragraphs = ""
    plan: Paragraphs = ""
    comment: Paragraphs = ""


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


# -- handlers ------------------------------------------------------------------------------------------------


def _occasion(ask: Ask[Any, Any]) -> str:
    """What makes a request sent twice one: its key where it has one, else the asking itself."""
    if ask.once is None:
        return f"ask:{ask.entry(Action.VIEWED).id}"
    return f"key:{ask.once.owner}:{ask.once.key}"[:120]


async def overview(ask: Ask[Nothing, Nothing]) -> OverviewOut:
    found = await ask.services.reports.overview(ask.by, ask.now)
    return OverviewOut(
        day=found.day,
        figures=[figure_out(one) for one in found.figures],
        work_reports=dict(found.work),
        maker_visits=dict(found.maker),
        reports=dict(found.reports),
    )


def source_of(word: str) -> Source:
    """Raises Refused where there is no such list."""
    try:
        return Source(word)
    except ValueError as error:
        raise Refused("report-not-found", "There is no such list.") from error


async def rows(ask: Ask[RowsQuery, Nothing]) -> RowsOut:
    source = source_of(ask.path["source"])
    found = await ask.services.reports.rows(
        ask.by, source, wanted_of(ask.query), ask.now, cursor=ask.query.cursor, limit=ask.query.limit
    )
    return RowsOut(
        figure=figure_out(found.figure), items=[row_out(one) for one in found.items], next=found.next
    )


async def statistics(ask: Ask[PeriodQuery, Nothing]) -> StatisticsOut:
    query = ask.query
    found = await ask.services.reports.statistics(
        ask.by,
        query.first,
        query.last,
        Wanted(kind=query.kind, department=query.department),
        ask.now,
        weekly=query.by == "week",
    )
    return StatisticsOut(
        first=found.first,
        last=found.last,
        total=figure_out(found.total),
        ratios=[ratio_out(one) for one in found.ratios],
        groups={
            name: [
                GroupedOut(worth=worth, label=label, figure=figure_out(one)) for worth, label, one in lines
            ]
            for name, lines in found.groups.items()
        },
        trend=[SpanOut(first=first, last=last, figure=figure_out(one)) for first, last, one in found.trend],
    )


async def problems(ask: Ask[DayQuery, Nothing]) -> ProblemsOut:
    found = await ask.services.reports.problems(ask.by, ask.query.day, ask.now)
    return ProblemsOut(
        day=ask.query.day,
        departments=[
            ProblemsOut.Department(
                department=one.department,
                total=one.total,
                left=one.left,
                items=[row_out(row) for row in one.items],
            )
            for one in found
        ],
    )


async def pass_problems(ask: Ask[Nothing, PassIn]) -> ProblemListOut:
    body = ask.body
    entry = ask.entry(
        Action.PROBLEMS_PASSED,
        data={"day": body.day.isoformat(), "department": body.department, "how": body.how},
    )
    found = await ask.services.reports.pass_problems(
        ask.by,
        entry,
        occasion=_occasion(ask),
        day=body.day,
        department=body.department,
        how=body.how,
        recipient=body.recipient,
    )
    link = None
    if body.how == "link":
        again = ask.entry(Action.PROBLEMS_PASSED, f"problems:{found.id}", {"how": "link made"})
        link = await ask.services.reports.link_problems(ask.by, found.id, again)
    return problem_list_out(found, link)


async def problem_list(ask: Ask[Nothing, Nothing]) -> ProblemListOut:
    return problem_list_out(await ask.services.reports.problem_list(ask.by, ask.path["problems_id"], ask.now))


async def link_problems(ask: Ask[Nothing, Nothing]) -> LinkOut:
    list_id = ask.path["problems_id"]
    entry = ask.entry(Action.PROBLEMS_PASSED, f"problems:{list_id}", {"how": "link made"})
    return link_out(await ask.services.reports.link_problems(ask.by, list_id, entry))


async def maker_visits(ask: Ask[MakerQuery, Nothing]) -> MakerPageOut:
    query = ask.query
    found = await ask.services.reports.maker(
        ask.by, ask.now, day=query.day, state=query.state, cursor=query.cursor, limit=query.limit
    )
    return MakerPageOut(
        items=[maker_out(one) for one in found.items], counts=dict(found.counts), next=found.next
    )


async def maker_step(ask: Ask[Nothing, MakerStepIn]) -> MakerOut:
    visit_id, body = ask.path["maker_visit_id"], ask.body
    entry = ask.entry(Action.MAKER_STEPPED, f"maker_visit:{visit_id}", {"step": body.step.value})
    return maker_out(
        await ask.services.reports.maker_step(
            ask.by, visit_id, body.step, entry, version=body.version, note=body.note
        )
    )


async def maker_files(ask: Ask[PageQuery, Nothing]) -> MakerFilesOut:
    found, following = await ask.services.reports.maker_files(ask.query.cursor, ask.query.limit)
    return MakerFilesOut(items=[maker_file_out(one) for one in found], next=following)


async def make_maker_file(ask: Ask[Nothing, Nothing]) -> MakerFileOut:
    entry = ask.entry(Action.MAKER_STEPPED, data={"step": "file"})
    return maker_file_out(await ask.services.reports.make_maker_file(ask.by, _occasion(ask), entry))


async def maker_file(request: web.Request, signed: Signed) -> web.StreamResponse:
    """The file itself; who takes it is written down with it."""
    services = request.app[SERVICES]
    found, content = await services.reports.take_maker_file(
        signed.principal, request.match_info["maker_file_id"], services.clock.now()
    )
    name = f"maker-{found['made_at']:%Y%m%d-%H%M%S}.{found['format']}"
    return web.Response(
        body=content,
        content_type="application/octet-stream",  # for saving, never to be shown
        headers={
            "Content-Disposition": f'attachment; filename="{name}"',
            "Cache-Control": "no-store",
            "X-Content-Type-Options": "nosniff",
        },
    )


async def work_reports(ask: Ask[WorkQuery, Nothing]) -> WorksOut:
    if ask.query.day is not None and ask.by.may(Permission.REPORTS_READ):
        found = (await ask.services.reports.work_day(ask.by, ask.query.day, ask.now)).items
    else:
        found = await ask.services.reports.work_history(ask.by, ask.by.user_id or "", ask.query.before)
    return WorksOut(items=[work_out(one) for one in found])


async def begin_work(ask: Ask[Nothing, WorkBeginIn]) -> WorkOut:
    return work_out(await ask.services.reports.work_today(ask.by, ask.body.day, ask.now))


async def work_report(ask: Ask[Nothing, Nothing]) -> WorkOut:
    return work_out(await ask.services.reports.work(ask.by, ask.path["work_report_id"], ask.now))


async def work_step(ask: Ask[Nothing, WorkStepIn]) -> WorkOut:
    report_id, body = ask.path["work_report_id"], ask.body
    entry = ask.entry(Action.WORK_REPORT_STEPPED, f"work_report:{report_id}", {"step": body.step.value})
    return work_out(
        await ask.services.reports.work_step(
            ask.by,
            report_id,
            body.step,
            entry,
            version=body.version,
            problems=body.problems,
            plan=body.plan,
            comment=body.comment,
        )
    )


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
        occasion=_occasion(ask),
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


_OWN, _READ, _WRITE = Permission.WORK_REPORTS_OWN, Permission.REPORTS_READ, Permission.REPORTS_WRITE
_STEP_ERRORS = ("report-not-found", "report-step-refused", "report-changed", "bad-report")


def _get(path: str, summary: str, needs: Permission, json: Any, answer: type[Shape], **more: Any) -> Route:
    return Route(
        method="GET", path=path, summary=summary, needs=needs, json=json, answer=answer, tag="reports", **more
    )


def _post(path: str, summary: str, needs: Permission, json: Any, answer: type[Shape], **more: Any) -> Route:
    return Route(
        method="POST",
        path=path,
        summary=summary,
        needs=needs,
        json=json,
        answer=answer,
        tag="reports",
        **more,
    )


ROUTES = (
    _get("/api/v1/report-overview", "What stands where today", _OWN, overview, OverviewOut),
    _get(
        "/api/v1/report-rows/{source}",
        "Rows behind a figure, and how many there are",
        _OWN,
        rows,
        RowsOut,
        query=RowsQuery,
        errors=("report-not-found", "bad-cursor"),
    ),
    _get(
        "/api/v1/case-statistics",
        "Cases of a period, by everything they are told apart by",
        _READ,
        statistics,
        StatisticsOut,
        query=PeriodQuery,
        errors=("bad-report",),
    ),
    _get(
        "/api/v1/problems",
        "The problems of a day by department",
        _READ,
        problems,
        ProblemsOut,
        query=DayQuery,
    ),
    _post(
        "/api/v1/problems",
        "Pass a department's problems of a day that were not passed yet",
        _READ,
        pass_problems,
        ProblemListOut,
        body=PassIn,
        status=201,
        once=True,
        errors=("bad-report",),
    ),
    _get(
        "/api/v1/problems/{problems_id}",
        "What was passed to a department",
        _READ,
        problem_list,
        ProblemListOut,
        errors=("report-not-found",),
    ),
    _post(
        "/api/v1/problems/{problems_id}/link",
        "A new private link to it; older ones open nothing any more",
        _READ,
        link_problems,
        LinkOut,
        status=201,
        errors=("report-not-found",),
    ),
    _get(
        "/api/v1/maker-visits",
        "Visits to be entered in the maker's CRM",
        _OWN,
        maker_visits,
        MakerPageOut,
        query=MakerQuery,
        errors=("bad-cursor",),
    ),
    _post(
        "/api/v1/maker-visits/{maker_visit_id}/steps",
        "Entered by hand, left out, or to be entered after all",
        _OWN,
        maker_step,
        MakerOut,
        body=MakerStepIn,
        errors=_STEP_ERRORS,
    ),
    _get(
        "/api/v1/maker-files",
        "Files for the maker's CRM, newest first",
        Permission.EXPORT_READ,
        maker_files,
        MakerFilesOut,
        query=PageQuery,
        errors=("bad-cursor",),
    ),
    _post(
        "/api/v1/maker-files",
        "Make the next file now: what is new and what was corrected",
        Permission.EXPORT_READ,
        make_maker_file,
        MakerFileOut,
        status=201,
        once=True,
        errors=("bad-report",),
    ),
    Route(
        method="GET",
        path="/api/v1/maker-files/{maker_file_id}/file",
        summary="The file itself",
        needs=Permission.EXPORT_READ,
        page=maker_file,
        leaves=Action.EXPORTED,
        errors=("report-not-found",),
        media="application/octet-stream",
        tag="reports",
    ),
    _get(
        "/api/v1/work-reports",
        "Daily work reports: one's own, or everybody's of a day",
        _OWN,
        work_reports,
        WorksOut,
        query=WorkQuery,
    ),
    _post(
        "/api/v1/work-reports",
        "One's own report of a day, drafted where there is none",
        _OWN,
        begin_work,
        WorkOut,
        body=WorkBeginIn,
        errors=("bad-report",),
    ),
    _get(
        "/api/v1/work-reports/{work_report_id}",
        "One work report",
        _OWN,
        work_report,
        WorkOut,
        errors=("report-not-found",),
    ),
    _post(
        "/api/v1/work-reports/{work_report_id}/steps",
        "Save, hand in, take back; comment, return, accept",
        _OWN,
        work_step,
        WorkOut,
        body=WorkStepIn,
        errors=_STEP_ERRORS,
    ),
    _get(
        "/api/v1/reports",
        "Written reports, newest first",
        _READ,
        list_reports,
        ReportsOut,
        query=ReportsQuery,
        errors=("bad-cursor",),
    ),
    _post(
        "/api/v1/reports",
        "Draft a report from a case or a period",
        _WRITE,
        draft_report,
        ReportOut,
        body=NewReportIn,
        status=201,
        once=True,
        errors=("bad-report", "case-not-found", "report-not-found"),
    ),
    _get(
        "/api/v1/reports/{report_id}",
        "One report",
        _READ,
        get_report,
        ReportOut,
        errors=("report-not-found",),
    ),
    _post(
        "/api/v1/reports/{report_id}/steps",
        "Edit, count again, submit, return, approve, send, withdraw",
        _WRITE,
        report_step,
        ReportOut,
        body=ReportStepIn,
        errors=_STEP_ERRORS,
    ),
    _post(
        "/api/v1/report-recipients/{recipient_id}/link",
        "A new private link for a recipient; older ones open nothing any more",
        _WRITE,
        link_report,
        LinkOut,
        status=201,
        errors=("report-not-found", "bad-report"),
    ),
    _post(
        "/api/v1/report-recipients/{recipient_id}/delivered",
        "Given into the recipient's hands",
        _WRITE,
        delivered,
        ReportOut,
        errors=("report-not-found",),
    ),
    _get("/api/v1/report-lists", "Distribution lists", _READ, lists, ListsOut),
    _post(
        "/api/v1/report-lists",
        "A new distribution list",
        _WRITE,
        save_list,
        ListOut,
        body=ListIn,
        status=201,
        errors=_STEP_ERRORS,
    ),
    _post(
        "/api/v1/report-lists/{list_id}",
        "Change a distribution list",
        _WRITE,
        save_list,
        ListOut,
        body=ListIn,
        errors=_STEP_ERRORS,
    ),
    _get(
        "/api/v1/report-schedules", "Reports that are drafted by themselves", _READ, schedules, SchedulesOut
    ),
    _post(
        "/api/v1/report-schedules",
        "A new regular report",
        _WRITE,
        save_schedule,
        ScheduleOut,
        body=ScheduleIn,
        status=201,
        once=True,
        errors=_STEP_ERRORS,
    ),
    _post(
        "/api/v1/report-schedules/{schedule_id}",
        "Change a regular report",
        _WRITE,
        save_schedule,
        ScheduleOut,
        body=ScheduleIn,
        errors=_STEP_ERRORS,
    ),
)
