"""Rows behind figures, the overview and the statistics of cases."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from access.sentences import Sentence
from crm.reports.rows import MARKS, Figure, Row, Source, Wanted
from web.api.reports.shapes import OWN, READ, Code, Model, reading
from web.api.shapes import Cursor, Department, Id, Size
from web.ports.reports import (
    Ratio,
)
from web.problems import Refused
from web.routes import Ask, Nothing, Shape


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


ROUTES = (
    reading("/api/v1/report-overview", "What stands where today", OWN, overview, OverviewOut),
    reading(
        "/api/v1/report-rows/{source}",
        "Rows behind a figure, and how many there are",
        OWN,
        rows,
        RowsOut,
        query=RowsQuery,
        errors=("report-not-found", "bad-cursor"),
    ),
    reading(
        "/api/v1/case-statistics",
        "Cases of a period, by everything they are told apart by",
        READ,
        statistics,
        StatisticsOut,
        query=PeriodQuery,
        errors=("bad-report",),
    ),
)
