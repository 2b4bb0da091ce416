"""Pages of lists and reports: every figure opens its rows, every row its record."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, timedelta
from typing import Any, Final, Literal
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from aiohttp import web

from access.permissions import Permission
from access.users import Language
from crm.reports.documents import KINDS, Cadence, How, ReportKind, ReportState
from crm.reports.maker import STEPS as MAKER_STEPS
from crm.reports.maker import MakerState
from crm.reports.rows import Figure, Row, Wanted
from crm.reports.work import TIMES
from web.api.reports.lists import RowsQuery, source_of, wanted_of
from web.api.reports.maker import MakerQuery
from web.api.shapes import Cursor, Id
from web.auth import Signed
from web.bodies import read_query
from web.languages import language_of, text, texts
from web.pages.shell import show
from web.ports.reports import Statistics
from web.routes import SERVICES, Nothing, Route, Shape

_SHEETS: Final = ("groups.css", "reports.css")
#: The plots, in their own units.
_HEIGHT: Final = 96
_BAR: Final = 28


class RowsPageQuery(RowsQuery):
    """As the API's; and days for people."""

    first: date | None = None
    last: date | None = None


class DayQuery(Shape):
    day: date | None = None


class PeriodPageQuery(Shape):
    first: date | None = None
    last: date | None = None
    by: Literal["month", "week"] = "month"


class WorkPageQuery(Shape):
    day: date | None = None


class DocumentsQuery(Shape):
    state: ReportState | None = None
    case_id: Id | Literal[""] = ""
    cursor: Cursor | None = None


class FilesQuery(Shape):
    cursor: Cursor | None = None


def today(request: web.Request) -> date:
    """The house's day."""
    services = request.app[SERVICES]
    return services.clock.now().astimezone(ZoneInfo(services.zone)).date()


def address_of_rows(figure: Figure) -> str:
    """Where a figure's rows are."""
    words = figure.wanted.words()
    return f"/reports/rows/{figure.source.value}" + (f"?{urlencode(words)}" if words else "")


def record_of(row: Row) -> str:
    """Where a row's record is; empty: nowhere of its own."""
    match row.kind:
        case "case" | "case_step":
            return f"/cases/{row.about or row.id}"
        case "call":
            return f"/calls?search={row.id}"
        case "ring" | "registration":
            return f"/calls?search={row.about}" if row.about else ""
        case "correction":
            return f"/corrections/{row.id}"
        case "contact" | "contact_try":
            return f"/contacts/{row.about or row.id}"
        case "response":
            return f"/surveys/responses/{row.id}"
        case "appointment":
            return f"/appointments/{row.id}"
    return f"/customers/{row.customer_id}" if row.customer_id else ""


def helpers(request: web.Request, signed: Signed) -> dict[str, Any]:
    """What the templates of this room know."""
    return _helpers(request, signed.session.user.language if signed.session else language_of(request))


def link_helpers(request: web.Request) -> dict[str, Any]:
    """The same for somebody without an account."""
    return _helpers(request, language_of(request))


def _helpers(request: web.Request, language: Language) -> dict[str, Any]:
    services = request.app[SERVICES]
    known = texts(language)

    def department(name: str) -> str:
        if not name:
            return text(language, "reports.no_department")
        own = services.departments.get(name)
        label = (own.label if own else services.queue_labels.get(name)) or {}
        return label.get(language) or known.get(f"corrections.department.{name}") or name

    def word(row: Row) -> str:
        families = {
            "task": "tasks.kind",
            "call": "direction",
            "case": "reports.kind",
            "case_step": "reports.step",
            "correction": "corrections.field",
            "registration": "reports.call_type",
            "appointment": "reports.work",
            "response": "reports.purpose",
            "contact": "reports.result",
            "contact_try": "reports.result",
            "ring": "reports.ring",
        }
        return known.get(f"{families.get(row.kind, '')}.{row.word}", row.word)

    def number_of(figure: Figure) -> str:
        if figure.source in TIMES:
            minutes = round(figure.seconds / 60)
            return text(language, "reports.minutes", minutes=minutes)
        return str(figure.count)

    def value(group: str, worth: str) -> str:
        if group == "department":
            return department(worth)
        if group == "round":
            return text(language, "reports.round_of", round=worth)
        return known.get(f"reports.{group}.{worth}", worth or text(language, "reports.unknown"))

    return {
        "rows_at": address_of_rows,
        "record_at": record_of,
        "department": department,
        "word": word,
        "number_of": number_of,
        "value": value,
        "outcome": lambda row: (
            known.get(f"outcome.{row.text}", row.text) if row.kind in ("call", "ring") else row.text
        ),
    }


def _page(request: web.Request, signed: Signed, template: str, values: Mapping[str, object]) -> web.Response:
    return show(
        request,
        signed,
        f"reports/{template}.html",
        here="reports",
        sheets=_SHEETS,
        values={**helpers(request, signed), **values},
    )


async def show_overview(request: web.Request, signed: Signed) -> web.StreamResponse:
    """Every list and report by name, with what stands there today."""
    read_query(Nothing, request)
    services = request.app[SERVICES]
    found = await services.reports.overview(signed.principal, services.clock.now())
    return _page(
        request,
        signed,
        "overview",
        {"found": found, "figures": {one.source.value: one for one in found.figures}},
    )


async def show_rows(request: web.Request, signed: Signed) -> web.StreamResponse:
    """The rows behind a figure."""
    services = request.app[SERVICES]
    query = read_query(RowsPageQuery, request)
    source = source_of(request.match_info["source"])
    wanted = wanted_of(query)
    if query.first or query.last:
        first = query.first or query.last or today(request)
        since, until = services.reports.bounds(first, max(query.last or first, first))
        wanted = Wanted(
            **{**{name: getattr(wanted, name) for name in wanted.__slots__}, "since": since, "until": until}
        )
    found = await services.reports.rows(
        signed.principal, source, wanted, services.clock.now(), cursor=query.cursor, limit=query.limit
    )
    zone = ZoneInfo(services.zone)
    names = await services.users.names() if signed.principal.may(Permission.REPORTS_READ) else {}
    first_day = wanted.since.astimezone(zone).date() if wanted.since else None
    last_day = (wanted.until - timedelta(microseconds=1)).astimezone(zone).date() if wanted.until else None
    return _page(
        request,
        signed,
        "rows",
        {
            "source": source.value,
            "found": found,
            "wanted": wanted,
            "words": wanted.words(),
            "names": names,
            "first": first_day,
            "last": last_day,
            "narrowed": {
                name: worth
                for name, worth in wanted.words().items()
                if name not in ("since", "until", "user_id", "department", "no_department")
            },
            "departments": sorted(services.departments.keys() | services.queue_labels.keys()),
        },
    )


async def show_statistics(request: web.Request, signed: Signed) -> web.StreamResponse:
    """Cases of a period."""
    services = request.app[SERVICES]
    query = read_query(PeriodPageQuery, request)
    last = query.last or today(request)
    usual = last - timedelta(days=83) if query.by == "week" else _year_before(last)
    first = query.first or usual
    found = await services.reports.statistics(
        signed.principal, first, last, Wanted(), services.clock.now(), weekly=query.by == "week"
    )
    return _page(
        request,
        signed,
        "statistics",
        {"found": found, "query": query, "bars": _bars(found), "height": _HEIGHT, "bar": _BAR},
    )


def _year_before(last: date) -> date:
    month = last.replace(day=1)
    for _ in range(11):
        month = (month - timedelta(days=1)).replace(day=1)
    return month


def _bars(found: Statistics) -> list[dict[str, Any]]:
    most = max([one.count for _first, _last, one in found.trend] + [1])
    bars = []
    for first, last, figure in found.trend:
        height = max(round(figure.count / most * _HEIGHT), 2 if figure.count else 0)
        bars.append({"first": first, "last": last, "figure": figure, "height": height, "y": _HEIGHT - height})
    return bars


async def show_problems(request: web.Request, signed: Signed) -> web.StreamResponse:
    """The problems of a day by department."""
    services = request.app[SERVICES]
    day = read_query(DayQuery, request).day or today(request)
    found = await services.reports.problems(signed.principal, day, services.clock.now())
    return _page(
        request,
        signed,
        "problems",
        {"day": day, "found": found, "before": day - timedelta(days=1), "after": day + timedelta(days=1)},
    )


async def show_problem_list(request: web.Request, signed: Signed) -> web.StreamResponse:
    """What was passed to a department, to be printed."""
    services = request.app[SERVICES]
    found = await services.reports.problem_list(
        signed.principal, request.match_info["problems_id"], services.clock.now()
    )
    return _page(request, signed, "problem_list", {"found": found})


async def show_maker(request: web.Request, signed: Signed) -> web.StreamResponse:
    """Visits to be entered in the maker's CRM, and the files that were made."""
    services = request.app[SERVICES]
    query = read_query(MakerQuery, request)
    by = signed.principal
    found = await services.reports.maker(
        by, services.clock.now(), day=query.day, state=query.state, cursor=query.cursor, limit=query.limit
    )
    files: Any = []
    if by.may(Permission.EXPORT_READ):
        files, _next = await services.reports.maker_files(None, 10)
    return _page(
        request,
        signed,
        "maker",
        {
            "found": found,
            "query": query,
            "files": files,
            "states": list(MakerState),
            "steps_of": lambda state: [step.value for at, step in MAKER_STEPS if at is state],
            "address": {
                name: value
                for name, value in (("day", query.day), ("state", query.state and query.state.value))
                if value
            },
        },
    )


async def show_work(request: web.Request, signed: Signed) -> web.StreamResponse:
    """One's own report of a day, and who handed in, for those who may see it."""
    services = request.app[SERVICES]
    by, now = signed.principal, services.clock.now()
    day = read_query(WorkPageQuery, request).day or today(request)
    everybody = await services.reports.work_day(by, day, now) if by.may(Permission.REPORTS_READ) else None
    history = await services.reports.work_history(by, by.user_id or "-", None)
    return _page(
        request,
        signed,
        "work",
        {
            "day": day,
            "today": today(request),
            "everybody": everybody,
            "history": history,
            "before": day - timedelta(days=1),
            "after": day + timedelta(days=1),
        },
    )


async def show_work_report(request: web.Request, signed: Signed) -> web.StreamResponse:
    """One work report."""
    services = request.app[SERVICES]
    view = await services.reports.work(
        signed.principal, request.match_info["work_report_id"], services.clock.now()
    )
    return _page(
        request,
        signed,
        "work_report",
        {
            "view": view,
            "report": view.report,
            "own": view.report.user_id == signed.principal.user_id,
            "current": {one.name: one for one in view.current},
        },
    )


async def show_documents(request: web.Request, signed: Signed) -> web.StreamResponse:
    """Written reports, and a form for a new one."""
    services = request.app[SERVICES]
    query = read_query(DocumentsQuery, request)
    found, following = await services.reports.reports(
        signed.principal, state=query.state, case_id=query.case_id, cursor=query.cursor, limit=50
    )
    lists = await services.reports.lists()
    day = today(request)
    last = day.replace(day=1) - timedelta(days=1)
    return _page(
        request,
        signed,
        "documents",
        {
            "items": found,
            "next": following,
            "query": query,
            "states": list(ReportState),
            "kinds": list(ReportKind),
            "lists": lists,
            "first": last.replace(day=1),
            "last": last,
        },
    )


async def show_document(request: web.Request, signed: Signed) -> web.StreamResponse:
    """One report, to be written, approved and sent."""
    services = request.app[SERVICES]
    view = await services.reports.report(
        signed.principal, request.match_info["report_id"], services.clock.now()
    )
    return _page(
        request,
        signed,
        "document",
        {
            "view": view,
            "report": view.report,
            "sections": KINDS[view.report.kind].sections,
            "needed": KINDS[view.report.kind].needed,
            "people": await services.reports.users(),
            "lists": await services.reports.lists(),
            "hows": list(How),
            "page": {
                "sections": dict(view.report.sections),
                "version": view.report.version,
            },
        },
    )


async def show_printed(request: web.Request, signed: Signed) -> web.StreamResponse:
    """A report as it is printed."""
    services = request.app[SERVICES]
    view = await services.reports.report(
        signed.principal, request.match_info["report_id"], services.clock.now()
    )
    return _paper(request, signed, view.report)


def _paper(request: web.Request, signed: Signed, report: Any) -> web.Response:
    return _page(request, signed, "printed", {"report": report, "sections": KINDS[report.kind].sections})


async def show_received(request: web.Request, signed: Signed) -> web.StreamResponse:
    """Reports that were sent to this person."""
    services = request.app[SERVICES]
    found = await services.reports.received(signed.principal)
    return _page(request, signed, "received", {"found": found})


async def read_received(request: web.Request, signed: Signed) -> web.StreamResponse:
    """A report that was sent to this person; his first look is noted."""
    services = request.app[SERVICES]
    report = await services.reports.read_received(
        signed.principal, request.match_info["report_id"], services.clock.now()
    )
    return _paper(request, signed, report)


async def show_lists(request: web.Request, signed: Signed) -> web.StreamResponse:
    """Distribution lists, and reports that are drafted by themselves."""
    services = request.app[SERVICES]
    read_query(Nothing, request)
    lists = await services.reports.lists()
    return _page(
        request,
        signed,
        "lists",
        {
            "lists": lists,
            "list_names": {one["id"]: one["name"] for one in lists},
            "schedules": await services.reports.schedules(),
            "people": await services.reports.users(),
            "kinds": list(ReportKind),
            "cadences": list(Cadence),
            "hows": list(How),
        },
    )


async def show_files(request: web.Request, signed: Signed) -> web.StreamResponse:
    """Every file for the maker's CRM, and who took it out."""
    services = request.app[SERVICES]
    query = read_query(FilesQuery, request)
    found, following = await services.reports.maker_files(query.cursor, 50)
    return _page(request, signed, "maker_files", {"files": found, "next": following})


_OWN, _READ = Permission.WORK_REPORTS_OWN, Permission.REPORTS_READ


def _route(path: str, summary: str, needs: Permission, page: Callable[..., Any], **more: Any) -> Route:
    return Route(
        method="GET",
        path=path,
        summary=summary,
        needs=needs,
        page=page,
        media="text/html",
        tag="reports",
        **more,
    )


ROUTES = (
    _route("/reports", "Lists and reports", _OWN, show_overview),
    _route(
        "/reports/rows/{source}",
        "The rows behind a figure",
        _OWN,
        show_rows,
        query=RowsPageQuery,
        errors=("report-not-found", "bad-cursor"),
    ),
    _route(
        "/reports/cases",
        "Statistics of cases",
        _READ,
        show_statistics,
        query=PeriodPageQuery,
        errors=("bad-report",),
    ),
    _route("/reports/problems", "The day's problems by department", _READ, show_problems, query=DayQuery),
    _route(
        "/reports/problems/{problems_id}",
        "What was passed to a department",
        _READ,
        show_problem_list,
        errors=("report-not-found",),
    ),
    _route(
        "/reports/maker",
        "Visits for the maker's CRM",
        _OWN,
        show_maker,
        query=MakerQuery,
        errors=("bad-cursor",),
    ),
    _route(
        "/reports/maker/files",
        "Files for the maker's CRM",
        Permission.EXPORT_READ,
        show_files,
        query=FilesQuery,
        errors=("bad-cursor",),
    ),
    _route("/reports/work", "Daily work reports", _OWN, show_work, query=WorkPageQuery),
    _route(
        "/reports/work/{work_report_id}",
        "One work report",
        _OWN,
        show_work_report,
        errors=("report-not-found",),
    ),
    _route(
        "/reports/documents",
        "Written reports",
        _READ,
        show_documents,
        query=DocumentsQuery,
        errors=("bad-cursor",),
    ),
    _route(
        "/reports/documents/{report_id}", "One report", _READ, show_document, errors=("report-not-found",)
    ),
    _route(
        "/reports/documents/{report_id}/print",
        "A report as it is printed",
        _READ,
        show_printed,
        errors=("report-not-found",),
    ),
    _route("/reports/received", "Reports that were sent to me", Permission.PROFILE, show_received),
    _route(
        "/reports/received/{report_id}",
        "A report that was sent to me",
        Permission.PROFILE,
        read_received,
        errors=("report-not-found",),
    ),
    _route("/reports/lists", "Distribution lists and regular reports", Permission.REPORTS_WRITE, show_lists),
)
