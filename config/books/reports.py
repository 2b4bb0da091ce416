"""`web.ports.reports.Reports` over the database."""

from __future__ import annotations

import asyncio
import hashlib
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection

from access.audit import Entry
from access.masking import mask_name, mask_number, mask_text
from access.permissions import Permission, Role
from access.users import LANGUAGES, Language, Principal, Via
from crm.cases.cases import CaseNotFound
from crm.exports.cells import ColumnKind, ExportFormat
from crm.exports.child import make
from crm.links.links import LinkKind
from crm.reports.documents import (
    KINDS,
    Arrival,
    Cadence,
    How,
    Recipient,
    Report,
    ReportKind,
    ReportState,
    ReportStep,
    Schedule,
    due_period,
)
from crm.reports.documents import (
    possible as report_steps_of,
)
from crm.reports.maker import FIELDS, MakerState, MakerStep, MakerVisit, Need
from crm.reports.options import ReportOptions
from crm.reports.rows import BadReport, Figure, ReportNotFound, Source, Wanted, day_bounds
from crm.reports.work import WorkReport, WorkStep, possible
from storage import (
    audit,
    case_reports,
    customers,
    links,
    maker_visits,
    problem_lists,
    report_rows,
    users,
    work_reports,
)
from storage.case_rows import get_case
from storage.database import Database
from storage.sight import Sight, sight, sights
from telephony.hours import WorkingTime
from web.languages import text, texts
from web.ports.reports import (
    DepartmentProblems,
    MakerPage,
    MakerView,
    Overview,
    PrivateLink,
    ProblemList,
    Ratio,
    ReportView,
    RowPage,
    Statistics,
    WorkDay,
    WorkView,
)

#: Lists of the overview.
_LISTS: Final = (
    Source.DISSATISFIED,
    Source.UNSUCCESSFUL,
    Source.ASK_NEXT,
    Source.PROBLEMS,
    Source.CASES_OPENED,
)
#: Name of a share, what it counts, of what.
_RATIOS: Final = (
    ("first_on_time", "first_on_time", "answered"),
    ("solved_on_time", "solved_on_time", "solved"),
    ("satisfied_first", "satisfied_first", "visited"),
    ("reopened", "reopened", "visited"),
    ("repeated", "repeated", ""),
    ("exception", "exception", "closed"),
)
#: Whoever drafts by itself: it sees what the house sees.
HOUSE: Final = Principal(role=Role.MANAGER, via=Via.COMMAND, name="Careline")
_TRIES: Final = 5
_LONGEST_PERIOD: Final = timedelta(days=800)


class ReportBook:
    """Lists and reports."""

    def __init__(
        self,
        database: Database,
        hours: WorkingTime,
        options: ReportOptions,
        *,
        now: Callable[[], datetime],
    ) -> None:
        self._database = database
        self._hours = hours
        self._options = options
        self._now = now
        self._zone = hours.zone

    def bounds(self, first: date, last: date) -> tuple[datetime, datetime]:
        """When the first day begins and the last one is over, at the house."""
        return day_bounds(first, last, self._zone)

    def today(self, now: datetime) -> date:
        """The house's day."""
        return now.astimezone(self._zone).date()

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
        if last < first or last - first > _LONGEST_PERIOD:
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
                for name, part, whole in _RATIOS
            ],
            groups=groups,
            trend=trend,
            weekly=weekly,
        )

    # -- problems of the day ---------------------------------------------------------------------------

    async def problems(self, viewer: Principal, day: date, now: datetime) -> Sequence[DepartmentProblems]:
        since, until = self.bounds(day, day)

        def work(connection: Connection) -> Sequence[DepartmentProblems]:
            wanted = Wanted(since=since, until=until)
            counts = report_rows.by_department(connection, viewer, Source.PROBLEMS, wanted, now)
            passed: dict[str, list[Mapping[str, Any]]] = {}
            for one in problem_lists.lists_of(connection, day):
                passed.setdefault(one["department"], []).append(one)
            found = []
            for department in sorted(counts.keys() | passed.keys()):
                own = replace(wanted, department=department, no_department=not department)
                rows, _next = report_rows.list_rows(connection, viewer, Source.PROBLEMS, own, now, limit=100)
                found.append(
                    DepartmentProblems(
                        department=department,
                        total=counts.get(department, 0),
                        left=sum(1 for one in rows if one.passed_at is None),
                        items=rows,
                        lists=passed.get(department, []),
                    )
                )
            return found

        return await self._database.read(work)

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
        since, until = self.bounds(day, day)

        def work(connection: Connection) -> ProblemList:
            found, new = problem_lists.pass_on(
                connection,
                viewer,
                occasion=occasion,
                day=day,
                department=department,
                how=how,
                recipient=recipient,
                since=since,
                until=until,
                now=entry.at,
            )
            if new:
                audit.append(connection, replace(entry, subject=f"problems:{found['id']}"))
            return self._list(connection, viewer, found, entry.at, new=new)

        return await self._database.write(work)

    def _list(
        self,
        connection: Connection,
        viewer: Principal,
        found: Mapping[str, Any],
        now: datetime,
        *,
        new: bool = False,
    ) -> ProblemList:
        since, until = self.bounds(found["day"], found["day"])
        return ProblemList(
            id=found["id"],
            day=found["day"],
            department=found["department"],
            how=found["how"],
            recipient=found["recipient"],
            at=found["at"],
            by_name=found["by_name"],
            read_at=found["read_at"],
            items=problem_lists.rows_of(connection, viewer, found, since, until, now),
            new=new,
        )

    async def problem_list(self, viewer: Principal, list_id: str, now: datetime) -> ProblemList:
        return await self._database.read(
            lambda c: self._list(c, viewer, problem_lists.get_list(c, list_id), now)
        )

    async def link_problems(self, viewer: Principal, list_id: str, entry: Entry) -> PrivateLink:
        def work(connection: Connection) -> PrivateLink:
            found = problem_lists.get_list(connection, list_id)
            made = self._link(
                connection,
                LinkKind.PROBLEMS,
                list_id,
                found["recipient"] or found["department"],
                viewer,
                entry.at,
            )
            audit.append(connection, entry)
            return made

        return await self._database.write(work)

    def _link(
        self,
        connection: Connection,
        kind: LinkKind,
        subject: str,
        audience: str,
        viewer: Principal,
        now: datetime,
    ) -> PrivateLink:
        links.revoke_links(connection, kind, subject, now)
        link, secret, pin = links.make_link(
            connection,
            kind,
            subject,
            audience=audience or "-",
            now=now,
            expires_at=now + timedelta(days=self._options.link_days),
            by=viewer.user_id,
            with_pin=True,
        )
        return PrivateLink(path=f"/l/{kind.value}/{secret}", pin=pin, expires_at=link.expires_at)

    # -- the maker's CRM ---------------------------------------------------------------------------------

    async def collect_maker(self, now: datetime) -> int:
        """Write down who was visited in the last days; how many are new."""
        return await self._database.write(lambda c: maker_visits.collect(c, now - timedelta(days=7), now))

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
        after = report_rows.read_cursor(cursor) if cursor is not None else None
        since, until = self.bounds(day, day) if day else (None, None)
        own = "" if viewer.may(Permission.REPORTS_READ) else viewer.user_id or "-"
        await self.collect_maker(now)

        def work(connection: Connection) -> MakerPage:
            found = maker_visits.list_visits(
                connection,
                viewer,
                self._options.maker_columns,
                self._zone,
                since=since,
                until=until,
                state=state,
                agent_id=own,
                after=after,
                limit=limit + 1,
                now=now,
            )
            kept = found[:limit]
            following = f"{kept[-1].visited_at.isoformat()}~{kept[-1].id}" if len(found) > limit else None
            return MakerPage(
                items=self._maker_views(connection, viewer, kept, now),
                counts=maker_visits.state_counts(connection, viewer, own, now),
                next=following,
            )

        return await self._database.read(work)

    def _maker_views(
        self, connection: Connection, viewer: Principal, found: Sequence[MakerVisit], now: datetime
    ) -> list[MakerView]:
        people = customers.several(connection, {one.customer_id for one in found})
        seen = sights(connection, viewer, list(people), now)
        names = users.user_names(connection)
        made = []
        for one in found:
            person = people[one.customer_id]
            closed = seen[person.id] is not Sight.OPEN
            values = dict(one.values)
            if not viewer.sees_numbers:
                for name in ("phone", "phone_2"):
                    values[name] = mask_number(str(values[name])) if values[name] else ""
                values["address"] = mask_text(str(values["address"] or ""))
            if not viewer.sees_names:
                values["name"] = mask_name(person.name)
            made.append(
                MakerView(
                    visit=replace(one, values={} if closed else values),
                    customer_name=mask_name(person.name) if closed or not viewer.sees_names else person.name,
                    customer_number=person.number,
                    agent_name=names.get(one.agent_id or "", ""),
                    plate="" if closed else str(values.get("plate") or ""),
                    model="" if closed else str(values.get("model") or ""),
                    closed=closed,
                    by_name=names.get(one.by_id or "", ""),
                )
            )
        return made

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
        def work(connection: Connection) -> MakerView:
            done = maker_visits.take_step(
                connection,
                visit_id,
                step,
                by=viewer,
                own_only=not viewer.may(Permission.REPORTS_READ),
                version=version,
                note=note,
                columns=self._options.maker_columns,
                zone=self._zone,
                now=entry.at,
            )
            audit.append(connection, entry)
            return self._maker_views(connection, viewer, [done], entry.at)[0]

        return await self._database.write(work)

    async def maker_files(
        self, cursor: str | None, limit: int
    ) -> tuple[Sequence[Mapping[str, Any]], str | None]:
        before = report_rows.read_cursor(cursor) if cursor is not None else None
        found = await self._database.read(
            lambda c: maker_visits.list_files(c, before=before, limit=limit + 1)
        )
        kept = found[:limit]
        following = f"{kept[-1]['made_at'].isoformat()}~{kept[-1]['id']}" if len(found) > limit else None
        return kept, following

    async def make_maker_file(
        self, viewer: Principal | None, occasion: str, entry: Entry
    ) -> Mapping[str, Any]:
        now = entry.at
        known = await self._database.read(lambda c: maker_visits.file_of_occasion(c, occasion))
        if known is not None:
            return known
        await self.collect_maker(now)
        since = now - timedelta(days=self._options.maker_correction_days)
        for _try in range(_TRIES):
            visits, behind = await self._database.read(
                lambda c: maker_visits.for_file(
                    c, self._options.maker_columns, self._zone, corrected_since=since
                )
            )
            content = await asyncio.to_thread(self._file, visits)

            def work(
                connection: Connection,
                visits: Sequence[MakerVisit] = visits,
                behind: int = behind,
                content: bytes = content,
            ) -> Mapping[str, Any]:
                made = maker_visits.keep_file(
                    connection,
                    occasion=occasion,
                    visits=visits,
                    behind=behind,
                    format=self._options.maker_format,
                    content=content,
                    sha256=hashlib.sha256(content).hexdigest(),
                    by=viewer,
                    now=now,
                )
                if made["made_at"] == now:
                    audit.append(connection, replace(entry, subject=f"maker_file:{made['id']}"))
                return made

            try:
                return await self._database.write(work)
            except maker_visits.VisitChanged:
                continue  # a person stepped in between: read again
        raise BadReport("The visits kept changing while the file was made. Nothing was written; try again.")

    def _file(self, visits: Sequence[MakerVisit]) -> bytes:
        columns = self._options.maker_columns
        kinds = [FIELDS.get(column.field, ColumnKind.TEXT) for column in columns]
        with tempfile.TemporaryDirectory(prefix="maker") as folder:
            path = Path(folder) / "file"
            order = {
                "path": str(path),
                "format": ExportFormat(self._options.maker_format),
                "headers": [*(column.name for column in columns), text("zh-CN", "reports.maker.mark")],
                "kinds": [*kinds, ColumnKind.TEXT],
                "zone": self._zone.key,
            }
            make(order, [self._line(one) for one in visits])
            return path.read_bytes()

    def _line(self, visit: MakerVisit) -> list[Any]:
        line: list[Any] = []
        for column, value in zip(self._options.maker_columns, visit.cells, strict=True):
            if column.field in ("result", "honorific") and value:
                value = texts("zh-CN").get(f"reports.maker.{column.field}.{value}", str(value))
            line.append(value.isoformat() if isinstance(value, date | datetime) else value)
        mark = "corrected" if visit.need is Need.CORRECTED else "new"
        return [*line, text("zh-CN", f"reports.maker.mark.{mark}")]

    async def take_maker_file(
        self, viewer: Principal, file_id: str, now: datetime
    ) -> tuple[Mapping[str, Any], bytes]:
        return await self._database.write(lambda c: maker_visits.take_file(c, file_id, viewer, now))

    # -- work reports --------------------------------------------------------------------------------------

    def work_due(self, day: date) -> datetime:
        """When the report of a day has to be handed in."""
        hour, minute = (int(part) for part in self._options.work_report_due.split(":"))
        return self.bounds(day, day)[0].replace(hour=hour, minute=minute)

    async def draft_work(self, day: date, now: datetime) -> int:
        """A draft for everybody who is at work on a day; how many there are."""
        since, until = self.bounds(day, day)

        def work(connection: Connection) -> int:
            found = work_reports.on_duty(connection, since, until)
            for user_id in found:
                work_reports.draft(connection, user_id, day, due_at=self.work_due(day), now=now)
            return len(found)

        return await self._database.write(work)

    async def work_today(self, viewer: Principal, day: date | None, now: datetime) -> WorkView:
        if viewer.user_id is None:
            raise BadReport("A program hands in no work report.", field="day")
        user_id = viewer.user_id
        today = self.today(now)
        wanted = day or today
        if wanted > today or today - wanted > timedelta(days=31):
            raise BadReport("A work report is of today or of the last month.", field="day")
        made = await self._database.write(
            lambda c: work_reports.draft(c, user_id, wanted, due_at=self.work_due(wanted), now=now)
        )
        return await self.work(viewer, made.id, now)

    async def work_history(self, viewer: Principal, user_id: str, before: date | None) -> Sequence[WorkView]:
        if user_id != viewer.user_id and not viewer.may(Permission.REPORTS_READ):
            raise ReportNotFound("There is no such report.")

        def work(connection: Connection) -> Sequence[WorkView]:
            names = users.user_names(connection)
            return [
                WorkView(report=one, user_name=names.get(one.user_id, ""), figures=one.figures, late=one.late)
                for one in work_reports.of_user(connection, user_id, before=before)
            ]

        return await self._database.read(work)

    async def work_day(self, viewer: Principal, day: date, now: datetime) -> WorkDay:
        def work(connection: Connection) -> WorkDay:
            names = users.user_names(connection)
            found = work_reports.of_day(connection, day)
            views = [
                WorkView(
                    report=one,
                    user_name=names.get(one.user_id, ""),
                    figures=one.figures,
                    late=one.is_late(now),
                )
                for one in found
            ]
            return WorkDay(
                day=day,
                items=sorted(views, key=lambda one: one.user_name),
                counts=work_reports.counts_of_day(connection, day, now),
            )

        return await self._database.read(work)

    async def work(self, viewer: Principal, report_id: str, now: datetime) -> WorkView:
        return await self._database.read(lambda c: self._work(c, viewer, work_reports.get(c, report_id), now))

    def _work(self, connection: Connection, viewer: Principal, found: WorkReport, now: datetime) -> WorkView:
        own = found.user_id == viewer.user_id
        manages = viewer.may(Permission.REPORTS_READ)
        if not own and not manages:
            raise ReportNotFound("There is no such report.")
        current = self._figures(connection, viewer, found, now)
        kept = found.handed_in_at is not None and found.state.value in ("handed_in", "accepted")
        names = users.user_names(connection)
        return WorkView(
            report=found,
            user_name=names.get(found.user_id, ""),
            figures=found.figures if kept else current,
            current=current,
            possible=[one.value for one in possible(found.state, own=own, manages=manages)],
            late=found.is_late(now),
            reviewed_by_name=names.get(found.reviewed_by or "", ""),
            steps=work_reports.steps_of(connection, found.id),
        )

    def _figures(
        self, connection: Connection, viewer: Principal, found: WorkReport, now: datetime
    ) -> list[Figure]:
        since, until = self.bounds(found.day, found.day)
        return work_reports.figures_of(connection, viewer, found.user_id, since, until, now)

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
        def work(connection: Connection) -> WorkView:
            before = work_reports.get(connection, report_id)
            figures = self._figures(connection, viewer, before, entry.at) if step is WorkStep.HAND_IN else []
            done = work_reports.take_step(
                connection,
                report_id,
                step,
                by=viewer,
                manages=viewer.may(Permission.REPORTS_READ),
                version=version,
                now=entry.at,
                problems=problems,
                plan=plan,
                comment=comment,
                figures=figures,
            )
            if done.version != before.version:
                audit.append(connection, entry)
            return self._work(connection, viewer, done, entry.at)

        return await self._database.write(work)

    # -- reports that are written ------------------------------------------------------------------------------

    async def reports(
        self,
        viewer: Principal,
        *,
        state: ReportState | None,
        case_id: str,
        cursor: str | None,
        limit: int,
    ) -> tuple[Sequence[Report], str | None]:
        before = report_rows.read_cursor(cursor) if cursor is not None else None
        found = await self._database.read(
            lambda c: case_reports.list_reports(
                c, state=state, case_id=case_id, before=before, limit=limit + 1
            )
        )
        kept = found[:limit]
        following = f"{kept[-1].drafted_at.isoformat()}~{kept[-1].id}" if len(found) > limit else None
        return kept, following

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
        if last < first or last - first > _LONGEST_PERIOD:
            raise BadReport("The period ends before it begins, or is longer than two years.", field="last")

        def work(connection: Connection) -> ReportView:
            known = case_reports.report_of_occasion(connection, occasion)
            if known is not None:
                return self._report(connection, viewer, known)
            made, _new = self._draft(
                connection,
                viewer,
                occasion=occasion,
                kind=kind,
                language=language,
                first=first,
                last=last,
                case_id=case_id,
                list_id=list_id,
                title=title,
                now=entry.at,
            )
            audit.append(connection, replace(entry, subject=f"report:{made.id}"))
            return self._report(connection, viewer, made)

        return await self._database.write(work)

    def _draft(
        self,
        connection: Connection,
        viewer: Principal,
        *,
        occasion: str,
        kind: ReportKind,
        language: str,
        first: date,
        last: date,
        case_id: str | None,
        list_id: str | None,
        title: str,
        now: datetime,
    ) -> tuple[Report, bool]:
        spoken = next((one for one in LANGUAGES if one == language), LANGUAGES[0])
        figures = self._counted(connection, viewer, kind, first, last, case_id, now)
        if case_id:
            sections, about = self._of_case(connection, viewer, case_id, spoken, now)
        else:
            sections, about = self._of_period(connection, viewer, kind, first, last, figures, spoken, now), ""
        named = title or text(
            spoken,
            f"reports.title.{kind.value}",
            about=about or text(spoken, "reports.period", first=first, last=last),
        )
        return case_reports.add(
            connection,
            occasion=occasion,
            kind=kind,
            language=spoken,
            title=named[:200],
            first=first,
            last=last,
            case_id=case_id,
            sections=sections,
            figures=figures,
            list_id=list_id,
            by=None if viewer is HOUSE else viewer,
            now=now,
        )

    def _counted(
        self,
        connection: Connection,
        viewer: Principal,
        kind: ReportKind,
        first: date,
        last: date,
        case_id: str | None,
        now: datetime,
    ) -> list[Figure]:
        since, until = self.bounds(first, last)
        wanted = Wanted(since=since, until=until)
        found = [
            report_rows.figure(connection, viewer, one, wanted, now)
            for one in KINDS[kind].figures
            if one in report_rows.SOURCES
        ]
        if kind is ReportKind.COMPLAINTS or (kind is ReportKind.INVESTIGATION and not case_id):
            for name, part, _whole in _RATIOS:
                found.append(
                    report_rows.figure(
                        connection, viewer, Source.CASES, replace(wanted, mark=part), now, name=name
                    )
                )
        return found

    def _of_case(
        self, connection: Connection, viewer: Principal, case_id: str, language: Language, now: datetime
    ) -> tuple[dict[str, str], str]:
        """What a case says about itself, section by section. Raises CaseNotFound."""
        case = get_case(connection, case_id)
        if case.customer_id and sight(connection, viewer, case.customer_id, now) is not Sight.OPEN:
            raise CaseNotFound("There is no such case.")

        def said(pairs: Sequence[tuple[str, object]]) -> str:
            lines = []
            for key, value in pairs:
                if value in (None, ""):
                    continue
                if isinstance(value, datetime):
                    value = f"{value.astimezone(self._zone):%Y-%m-%d %H:%M}"
                lines.append(_line(language, text(language, f"reports.draft.{key}"), value))
            return "\n".join(lines)

        def word(family: str, value: object) -> str:
            return texts(language).get(f"reports.{family}.{value}", str(value)) if value else ""

        sections = {
            "facts": said(
                [
                    ("number", case.number),
                    ("opened_at", case.opened_at),
                    ("kind", word("kind", case.kind.value)),
                    ("grade", word("grade", case.grade.value)),
                    ("subject", case.subject),
                    ("words", case.words),
                    ("happened", case.happened),
                    ("place", case.place),
                    ("symptom", case.symptom),
                    ("wants", case.wants),
                ]
            ),
            "causes": case.cause,
            "responsibility": said(
                [
                    (
                        "responsibility",
                        word("responsibility", case.responsibility.value if case.responsibility else ""),
                    ),
                    ("department", case.department or ""),
                    ("person", case.departmental_person),
                ]
            ),
            "actions": said(
                [
                    ("plan", case.plan),
                    ("carry_out_on", case.carry_out_on),
                    ("corrective_action", case.corrective_action),
                    ("corrective_owner", case.corrective_owner),
                    ("corrective_on", case.corrective_on),
                ]
            ),
            "effect": said(
                [
                    ("effect_on", case.effect_on),
                    ("effect", word("effect", case.effect.value if case.effect else "")),
                    ("effect_words", case.effect_words),
                ]
            ),
            "conclusion": said(
                [
                    ("round", case.round),
                    ("ending", word("ending", case.ending.value if case.ending else "open")),
                    ("closed_at", case.closed_at),
                    ("closing_words", case.closing_words),
                ]
            ),
        }
        return sections, f"{case.number} {case.subject}"

    def _of_period(
        self,
        connection: Connection,
        viewer: Principal,
        kind: ReportKind,
        first: date,
        last: date,
        figures: Sequence[Figure],
        language: Language,
        now: datetime,
    ) -> dict[str, str]:
        """What the data of a period say, section by section; people write the rest."""
        known = texts(language)

        def named(figure: Figure) -> str:
            return known.get(f"reports.count.{figure.name}") or text(
                language, f"reports.source.{figure.name}"
            )

        lines = [_line(language, named(one), one.count) for one in figures]
        drafted = {
            "overview": "\n".join(lines),
            "notice": text(language, "reports.draft.notice", first=first, last=last),
        }
        if kind in (ReportKind.INVESTIGATION, ReportKind.COMPLAINTS):
            found = self._statistics(connection, viewer, first, last, Wanted(), now, weekly=False)

            def grouped(group: str) -> str:
                out = []
                for worth, label, figure in found.groups[group]:
                    word = known.get(
                        f"reports.{group}.{worth}", label or text(language, "reports.no_department")
                    )
                    out.append(_line(language, word, figure.count))
                return "\n".join(out)

            drafted |= {
                "facts": "\n".join([drafted["overview"], grouped("kind"), grouped("department")]).strip(),
                "causes": grouped("cause"),
                "responsibility": grouped("responsibility"),
            }
        return {name: drafted.get(name, "") for name in KINDS[kind].sections}

    def _report(self, connection: Connection, viewer: Principal, found: Report) -> ReportView:
        approves = viewer.may(Permission.CASES_EXCEPTION)
        writes = viewer.may(Permission.REPORTS_WRITE)
        steps = case_reports.steps_of(connection, found.id)
        return ReportView(
            report=found,
            possible=[one.value for one in report_steps_of(found.state, approves=approves)] if writes else [],
            steps=steps,
            names=users.user_names(connection),
        )

    async def report(self, viewer: Principal, report_id: str, now: datetime) -> ReportView:
        return await self._database.read(
            lambda c: self._report(c, viewer, self._seen_report(c, viewer, report_id, now))
        )

    def _seen_report(
        self, connection: Connection, viewer: Principal, report_id: str, now: datetime
    ) -> Report:
        """A report this person may read: the case it is about must be open to him. Raises ReportNotFound."""
        found = case_reports.get(connection, report_id)
        if found.case_id:
            try:
                case = get_case(connection, found.case_id)
            except CaseNotFound:
                return found  # past its time; what was written stays
            if case.customer_id and sight(connection, viewer, case.customer_id, now) is not Sight.OPEN:
                raise ReportNotFound("There is no such report.")
        return found

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
        def work(connection: Connection) -> ReportView:
            before = self._seen_report(connection, viewer, report_id, entry.at)
            figures = None
            if step is ReportStep.REFRESH:
                figures = self._counted(
                    connection, viewer, before.kind, before.first, before.last, before.case_id, entry.at
                )
            done = case_reports.take_step(
                connection,
                report_id,
                step,
                by=viewer,
                approves=viewer.may(Permission.CASES_EXCEPTION),
                version=version,
                now=entry.at,
                note=note,
                title=title,
                sections=sections,
                figures=figures,
                recipients=recipients,
            )
            if done.version != before.version:
                audit.append(connection, entry)
            return self._report(connection, viewer, done)

        return await self._database.write(work)

    async def received(self, viewer: Principal) -> Sequence[tuple[Report, Recipient]]:
        if viewer.user_id is None:
            return []
        user_id = viewer.user_id
        return await self._database.read(lambda c: case_reports.received(c, user_id))

    async def read_received(self, viewer: Principal, report_id: str, now: datetime) -> Report:
        user_id = viewer.user_id or "-"

        def work(connection: Connection) -> Report:
            if not case_reports.is_sent_to(connection, report_id, user_id):
                raise ReportNotFound("There is no such report.")
            case_reports.note_read(connection, report_id, now, user_id=user_id)
            return case_reports.get(connection, report_id)

        return await self._database.write(work)

    async def link_report(self, viewer: Principal, recipient_id: str, entry: Entry) -> PrivateLink:
        def work(connection: Connection) -> PrivateLink:
            report_id, who = case_reports.recipient(connection, recipient_id)
            self._seen_report(connection, viewer, report_id, entry.at)
            if who.how is not How.LINK or who.state is Arrival.WAITING:
                raise BadReport(
                    "A link is made for a recipient by link, once the report is sent.", field="how"
                )
            made = self._link(connection, LinkKind.REPORT, recipient_id, who.name, viewer, entry.at)
            audit.append(connection, entry)
            return made

        return await self._database.write(work)

    async def delivered(self, viewer: Principal, recipient_id: str, entry: Entry) -> ReportView:
        def work(connection: Connection) -> ReportView:
            report_id, _who = case_reports.recipient(connection, recipient_id)
            found = self._seen_report(connection, viewer, report_id, entry.at)
            if case_reports.note_read(connection, report_id, entry.at, recipient_id=recipient_id):
                audit.append(connection, entry)
                found = case_reports.get(connection, report_id)
            return self._report(connection, viewer, found)

        return await self._database.write(work)

    async def lists(self) -> Sequence[Mapping[str, Any]]:
        return await self._database.read(case_reports.lists)

    async def save_list(
        self,
        entry: Entry,
        *,
        list_id: str | None,
        name: str,
        entries: Sequence[Mapping[str, Any]],
        version: int,
    ) -> Mapping[str, Any]:
        def work(connection: Connection) -> Mapping[str, Any]:
            made = case_reports.save_list(
                connection, list_id=list_id, name=name, entries=entries, version=version, now=entry.at
            )
            audit.append(connection, replace(entry, subject=f"report_list:{made['id']}"))
            return made

        return await self._database.write(work)

    async def schedules(self) -> Sequence[Schedule]:
        return await self._database.read(case_reports.schedules)

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
        def work(connection: Connection) -> Schedule:
            wanted = Schedule(
                id=schedule_id,
                kind=kind,
                language=language,
                cadence=cadence,
                day=day,
                list_id=list_id,
                is_on=is_on,
                since=self.today(entry.at),
                version=version,
            )
            made = case_reports.save_schedule(connection, wanted, entry.at)
            audit.append(connection, replace(entry, subject=f"report_schedule:{made.id}"))
            return made

        return await self._database.write(work)

    async def draft_scheduled(self, now: datetime) -> int:
        """Draft every regular report that is due and was not drafted; how many are new."""
        today = self.today(now)

        def work(connection: Connection) -> int:
            new = 0
            for one in case_reports.schedules(connection, only_on=True):
                period = due_period(one, today)
                if period is None:
                    continue
                occasion = f"schedule:{one.id}:{period[0].isoformat()}"
                if case_reports.report_of_occasion(connection, occasion) is not None:
                    continue
                _made, is_new = self._draft(
                    connection,
                    HOUSE,
                    occasion=occasion,
                    kind=one.kind,
                    language=one.language,
                    first=period[0],
                    last=period[1],
                    case_id=None,
                    list_id=one.list_id,
                    title="",
                    now=now,
                )
                new += is_new
            return new

        return await self._database.write(work)

    async def users(self) -> Mapping[str, str]:
        return await self._database.read(
            lambda c: {one.id: one.name for one in users.list_users(c) if one.disabled_at is None}
        )

    # -- private links -------------------------------------------------------------------------------------------

    async def open_report_link(self, secret: str, pin: str | None, now: datetime) -> Report | None:
        def work(connection: Connection) -> Report | Exception | None:
            link = links.open_link(connection, LinkKind.REPORT, secret, now)
            if pin is None:
                return None
            wrong = links.check_pin(connection, link, pin)
            if wrong is not None:
                return wrong
            report_id, _who = case_reports.recipient(connection, link.subject)
            case_reports.note_read(connection, report_id, now, recipient_id=link.subject)
            return case_reports.get(connection, report_id)

        found = await self._database.write(work)
        if isinstance(found, Exception):  # raised here, so that the wrong try stays counted
            raise found
        return found

    async def open_problems_link(self, secret: str, pin: str | None, now: datetime) -> ProblemList | None:
        def work(connection: Connection) -> ProblemList | Exception | None:
            link = links.open_link(connection, LinkKind.PROBLEMS, secret, now)
            if pin is None:
                return None
            wrong = links.check_pin(connection, link, pin)
            if wrong is not None:
                return wrong
            found = problem_lists.get_list(connection, link.subject)
            problem_lists.note_read(connection, link.subject, now)
            reader = Principal(role=Role.DEPARTMENT, via=Via.COMMAND, name=found["recipient"] or "-")
            return self._list(connection, reader, found, now)

        found = await self._database.write(work)
        if isinstance(found, Exception):
            raise found
        return found


def _line(language: Language, name: str, value: object) -> str:
    """One thing and what it is."""
    return f"{name}{text(language, 'reports.colon')}{value}"


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


__all__ = ["HOUSE", "ReportBook"]
