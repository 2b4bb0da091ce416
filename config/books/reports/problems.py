"""The day's problems by department, and how they were passed on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection

from access.audit import Entry
from access.permissions import Role
from access.users import Principal, Via
from config.books.reports.book import Book
from crm.links.links import LinkKind
from crm.reports.rows import Source, Wanted
from storage import (
    audit,
    links,
    problem_lists,
    report_rows,
)
from web.ports.reports import (
    DepartmentProblems,
    PrivateLink,
    ProblemList,
)


class ProblemReports(Book):
    """The day's problems by department, and how they were passed on."""

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
