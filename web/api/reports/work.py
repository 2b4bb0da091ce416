"""Daily work reports."""

from __future__ import annotations

from datetime import date, datetime

from pydantic import Field

from access.audit import Action
from access.permissions import Permission
from crm.reports.work import WorkState, WorkStep
from web.api.reports.lists import FigureOut, figure_out
from web.api.reports.shapes import OWN, STEP_ERRORS, Paragraphs, Version, reading, writing
from web.ports.reports import (
    WorkView,
)
from web.routes import Ask, Nothing, Shape


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


ROUTES = (
    reading(
        "/api/v1/work-reports",
        "Daily work reports: one's own, or everybody's of a day",
        OWN,
        work_reports,
        WorksOut,
        query=WorkQuery,
    ),
    writing(
        "/api/v1/work-reports",
        "One's own report of a day, drafted where there is none",
        OWN,
        begin_work,
        WorkOut,
        body=WorkBeginIn,
        errors=("bad-report",),
    ),
    reading(
        "/api/v1/work-reports/{work_report_id}",
        "One work report",
        OWN,
        work_report,
        WorkOut,
        errors=("report-not-found",),
    ),
    writing(
        "/api/v1/work-reports/{work_report_id}/steps",
        "Save, hand in, take back; comment, return, accept",
        OWN,
        work_step,
        WorkOut,
        body=WorkStepIn,
        errors=STEP_ERRORS,
    ),
)
