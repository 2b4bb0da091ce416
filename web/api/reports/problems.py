"""The day's problems by department, handed over."""

from __future__ import annotations

from datetime import date, datetime
from typing import Literal

from pydantic import Field

from access.audit import Action
from web.api.reports.lists import RowOut, row_out
from web.api.reports.shapes import READ, LinkOut, link_out, occasion, reading, writing
from web.api.shapes import Department, Line
from web.ports.reports import (
    PrivateLink,
    ProblemList,
)
from web.routes import Ask, Nothing, Shape


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
        occasion=occasion(ask),
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


ROUTES = (
    reading(
        "/api/v1/problems",
        "The problems of a day by department",
        READ,
        problems,
        ProblemsOut,
        query=DayQuery,
    ),
    writing(
        "/api/v1/problems",
        "Pass a department's problems of a day that were not passed yet",
        READ,
        pass_problems,
        ProblemListOut,
        body=PassIn,
        status=201,
        once=True,
        errors=("bad-report",),
    ),
    reading(
        "/api/v1/problems/{problems_id}",
        "What was passed to a department",
        READ,
        problem_list,
        ProblemListOut,
        errors=("report-not-found",),
    ),
    writing(
        "/api/v1/problems/{problems_id}/link",
        "A new private link to it; older ones open nothing any more",
        READ,
        link_problems,
        LinkOut,
        status=201,
        errors=("report-not-found",),
    ),
)
