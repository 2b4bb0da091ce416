"""The daily work report of each agent, drafted from the data."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta

from sqlalchemy import Connection

from access.audit import Entry
from access.permissions import Permission
from access.users import Principal
from config.books.reports.book import Book
from crm.reports.rows import BadReport, Figure, ReportNotFound
from crm.reports.work import WorkReport, WorkStep, possible
from storage import (
    audit,
    users,
    work_reports,
)
from web.ports.reports import (
    WorkDay,
    WorkView,
)


class WorkReports(Book):
    """The daily work report of each agent, drafted from the data."""

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
