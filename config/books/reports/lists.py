"""Rows behind figures, the overview and the statistics of cases."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection

from access.permissions import Permission
from access.users import Principal
from config.books.reports.book import Book
from crm.reports.rows import BadReport, Figure, ReportNotFound, Source, Wanted
from storage import (
    case_reports,
    maker_visits,
    report_rows,
    users,
    work_reports,
)
from web.ports.reports import (
    Overview,
    Ratio,
    RowPage,
    Statistics,
)

#: Lists of the overview.
_LISTS: Final = (
    Source.DISSATISFIED,
    Source.UNSUCCESSFUL,
    Source.ASK_NEXT,
    Source.BROUGHT,
    Source.PROBLEMS,
    Source.CASES_OPENED,
)
#: Name of a share, what it counts, of what.
RATIOS: Final = (
    ("first_on_time", "first_on_time", "answered"),
    ("solved_on_time", "solved_on_time", "solved"),
    ("satisfied_first", "satisfied_first", "visited"),
    ("reopened", "reopened", "visited"),
    ("repeated", "repeated", ""),
    ("exception", "exception", "closed"),
)
#: Longest time statistics are made of.
LONGEST_PERIOD: Final = timedelta(days=800)


class ReportLists(Book):
    """Rows behind figures, the overview and the statistics of cases."""

    async def overview(self, viewer: Principal, now: datetime) -> Overview:
        day = self.today(now)
        since, until = self.bounds(day, day)

        def work(connection: Connection) -> Overview:
            wanted = Wanted(since=since, until=until)
            found = [
                report_rows.figure(connection, viewer, one, wanted, now)
                for one in _LISTS
                if one in report_rows.SOURCES
            ]
            everybody = viewer.may(Permission.REPORTS_READ)
            own = viewer.user_id or "-"
            counts = (
                work_reports.counts_of_day(connection, day, now)
                if everybody
                else {
                    one.state.value: 1
                    for one in work_reports.of_user(connection, own, limit=1)
                    if one.day == day
                }
            )
            return Overview(
                day=day,
                figures=found,
                work=counts,
                maker=maker_visits.state_counts(connection, viewer, "" if everybody else own, now),
                reports=case_reports.counts(connection, own),
            )

        return await self._database.read(work)

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
        if source not in report_rows.SOURCES:
            raise ReportNotFound("There is no such list.")

        def work(connection: Connection) -> RowPage:
            found, following = report_rows.list_rows(
                connection, viewer, source, wanted, now, cursor=cursor, limit=limit
            )
            figure = report_rows.figure(connection, viewer, source, wanted, now)
            return RowPage(figure=figure, items=found, next=following)

        return await self._database.read(work)

    async def statistics(
        self, viewer: Principal, first: date, last: date, wanted: Wanted, now: datetime, *, weekly: bool
    ) -> Statistics:
        if last < first or last - first > LONGEST_PERIOD:
            raise BadReport("The period ends before it begins, or is longer than two years.", field="last")
        return await self._database.read(
            lambda connection: self._statistics(connection, viewer, first, last, wanted, now, weekly)
        )

    def _statistics(
        self,
        connection: Connection,
        viewer: Principal,
        first: date,
        last: date,
        wanted: Wanted,
        now: datetime,
        weekly: bool,
    ) -> Statistics:
        since, until = self.bounds(first, last)
        wanted = replace(wanted, since=since, until=until)

        def count(**narrower: Any) -> Figure:
            return report_rows.figure(
                connection,
                viewer,
                Source.CASES,
                replace(wanted, **narrower),
                now,
                name=str(narrower.get("mark", "")),
            )

        names = users.user_names(connection)
        groups: dict[str, list[tuple[str, str, Figure]]] = {}
        for group in report_rows.CASE_GROUPS:
            groups[group] = []
            for worth, number in report_rows.cases_by(connection, viewer, group, wanted, now):
                narrower: dict[str, Any] = {group: int(worth) if group == "round" else worth}
                if group == "department" and not worth:
                    narrower = {"no_department": True}
                elif not worth:
                    continue  # nobody, nothing written yet: the rest of the total
                groups[group].append(
                    (
                        worth,
                        names.get(worth, worth) if group == "handler_id" else worth,
                        Figure(
                            name=group, source=Source.CASES, wanted=replace(wanted, **narrower), count=number
                        ),
                    )
                )
        trend = []
        for begins, ends in _spans(first, last, weekly=weekly):
            bounds = self.bounds(begins, ends)
            trend.append((begins, ends, count(since=bounds[0], until=bounds[1])))
        return Statistics(
            first=first,
            last=last,
            total=count(),
            ratios=[
                Ratio(name=name, part=count(mark=part), whole=count(mark=whole) if whole else count())
                for name, part, whole in RATIOS
            ],
            groups=groups,
            trend=trend,
            weekly=weekly,
        )


def _spans(first: date, last: date, *, weekly: bool) -> list[tuple[date, date]]:
    """The months or weeks of a period, cut at its ends; not more than 60."""
    found: list[tuple[date, date]] = []
    begins = first
    while begins <= last and len(found) < 60:
        if weekly:
            ends = begins + timedelta(days=6 - begins.weekday())
        else:
            ends = (begins.replace(day=1) + timedelta(days=32)).replace(day=1) - timedelta(days=1)
        found.append((begins, min(ends, last)))
        begins = ends + timedelta(days=1)
    return found
