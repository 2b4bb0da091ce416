"""Daily work reports: rows, their steps, and the figures as they were when a report was handed in."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection, RowMapping, func, insert, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from access.ids import new_id
from access.permissions import Role
from access.sentences import Sentence
from access.users import Principal
from crm.reports.rows import Figure, ReportChanged, ReportNotFound, Wanted, check_text
from crm.reports.work import FIGURES, LONGEST, WorkReport, WorkState, WorkStep, next_state
from storage.report_rows import SOURCES, figure
from storage.tables.access import users
from storage.tables.calls import calls
from storage.tables.reports import work_report_steps, work_reports
from storage.tables.telephony import agent_changes


def _report(row: RowMapping) -> WorkReport:
    return WorkReport(
        id=row["id"],
        user_id=row["user_id"],
        day=row["day"],
        state=WorkState(row["state"]),
        figures=[Figure.from_plain(one) for one in row["figures"]],
        problems=row["problems"],
        plan=row["plan"],
        comment=row["comment"],
        due_at=row["due_at"],
        drafted_at=row["drafted_at"],
        handed_in_at=row["handed_in_at"],
        late=row["late"],
        reviewed_at=row["reviewed_at"],
        reviewed_by=row["reviewed_by"],
        version=row["version"],
    )


def inserting(connection: Connection, table: Any) -> Any:
    """An INSERT that knows ON CONFLICT, of the engine at hand."""
    return (postgresql if connection.dialect.name == "postgresql" else sqlite).insert(table)


def draft(connection: Connection, user_id: str, day: date, *, due_at: datetime, now: datetime) -> WorkReport:
    """The report of a person and day, made where there was none."""
    connection.execute(
        inserting(connection, work_reports)
        .values(
            id=new_id(now),
            user_id=user_id,
            day=day,
            state=WorkState.DRAFT.value,
            figures=[],
            problems="",
            plan="",
            comment="",
            due_at=due_at,
            drafted_at=now,
            late=False,
            version=1,
        )
        .on_conflict_do_nothing()
    )
    row = connection.execute(
        select(work_reports).where(work_reports.c.user_id == user_id, work_reports.c.day == day)
    ).mappings()
    return _report(row.one())


def on_duty(connection: Connection, since: datetime, until: datetime) -> list[str]:
    """Agents who were at work: whose state changed, or who talked."""
    changed = select(agent_changes.c.user_id).where(
        agent_changes.c.user_id == users.c.id,
        agent_changes.c.at >= since,
        agent_changes.c.at < until,
        agent_changes.c.state != "signed_out",
    )
    talked = select(calls.c.id).where(
        calls.c.agent_id == users.c.id, calls.c.started_at >= since, calls.c.started_at < until
    )
    found = select(users.c.id).where(
        users.c.role == Role.AGENT.value,
        users.c.disabled_at.is_(None),
        or_(changed.correlate(users).exists(), talked.correlate(users).exists()),
    )
    return list(connection.execute(found.order_by(users.c.id)).scalars())


def get(connection: Connection, report_id: str, *, lock: bool = False) -> WorkReport:
    """One report. Raises ReportNotFound."""
    wanted = select(work_reports).where(work_reports.c.id == report_id)
    row = connection.execute(wanted.with_for_update() if lock else wanted).mappings().one_or_none()
    if row is None:
        raise ReportNotFound("There is no such report.")
    return _report(row)


def of_day(connection: Connection, day: date) -> list[WorkReport]:
    """Everybody's reports of a day."""
    rows = connection.execute(select(work_reports).where(work_reports.c.day == day).limit(500)).mappings()
    return [_report(row) for row in rows]


def of_user(
    connection: Connection, user_id: str, *, before: date | None = None, limit: int = 31
) -> list[WorkReport]:
    """A person's reports, the newest day first."""
    wanted = select(work_reports).where(work_reports.c.user_id == user_id)
    if before is not None:
        wanted = wanted.where(work_reports.c.day < before)
    rows = connection.execute(wanted.order_by(work_reports.c.day.desc()).limit(limit)).mappings()
    return [_report(row) for row in rows]


def figures_of(
    connection: Connection,
    viewer: Principal,
    user_id: str,
    since: datetime,
    until: datetime,
    now: datetime,
) -> list[Figure]:
    """What a person did in a time, counted by the very rows each figure opens."""
    wanted = Wanted(since=since, until=until, user_id=user_id)
    return [figure(connection, viewer, one, wanted, now) for one in FIGURES if one in SOURCES]


def take_step(
    connection: Connection,
    report_id: str,
    step: WorkStep,
    *,
    by: Principal,
    manages: bool,
    version: int,
    now: datetime,
    problems: str = "",
    plan: str = "",
    comment: str = "",
    figures: Sequence[Figure] = (),
) -> WorkReport:
    """Take a step; `figures` are those of a handing in. Sent again because its answer was lost, it is taken once.

    Raises ReportNotFound, ReportStepRefused, ReportChanged, BadReport.
    """
    found = get(connection, report_id, lock=True)
    own = found.user_id == by.user_id
    if not own and not manages:
        raise ReportNotFound("There is no such report.")
    words = {
        "problems": check_text(problems, "problems", longest=LONGEST),
        "plan": check_text(plan, "plan", longest=LONGEST, needed=step is WorkStep.HAND_IN),
        "comment": check_text(
            comment, "comment", longest=LONGEST, needed=step in (WorkStep.RETURN, WorkStep.COMMENT)
        ),
    }
    writes = step in (WorkStep.SAVE, WorkStep.HAND_IN)
    kept = {
        "problems": words["problems"] if writes else found.problems,
        "plan": words["plan"] if writes else found.plan,
        "comment": words["comment"] or found.comment
        if step in (WorkStep.COMMENT, WorkStep.RETURN, WorkStep.ACCEPT)
        else found.comment,
    }
    if version != found.version:
        if version == found.version - 1 and _was_taken(connection, found, step, by, kept):
            return found
        raise ReportChanged(
            Sentence(
                "Somebody changed this report meanwhile. Nothing of yours was lost; compare and send again."
            ),
            version=found.version,
            theirs={"state": found.state.value, **{name: getattr(found, name) for name in kept}},
        )
    state = next_state(found.state, step, own=own, manages=manages)
    values: dict[str, Any] = {**kept, "state": state.value, "version": found.version + 1}
    if step is WorkStep.HAND_IN:
        values["figures"] = [one.plain() for one in figures]
        values["handed_in_at"] = now
        if found.handed_in_at is None:
            values["late"] = now > found.due_at
    if step in (WorkStep.RETURN, WorkStep.ACCEPT, WorkStep.COMMENT):
        values["reviewed_at"] = now
        values["reviewed_by"] = by.user_id
    connection.execute(update(work_reports).where(work_reports.c.id == report_id).values(**values))
    connection.execute(
        insert(work_report_steps).values(
            id=new_id(now),
            work_report_id=report_id,
            at=now,
            by_id=by.user_id,
            by_name=by.name[:64],
            step=step.value,
            version=found.version + 1,
            content={**kept, "figures": values.get("figures", [one.plain() for one in found.figures])},
        )
    )
    return get(connection, report_id)


def _was_taken(
    connection: Connection, found: WorkReport, step: WorkStep, by: Principal, kept: dict[str, str]
) -> bool:
    """Whether the last step was this one, by the same person, with the same words."""
    last = (
        connection.execute(
            select(work_report_steps)
            .where(work_report_steps.c.work_report_id == found.id)
            .order_by(work_report_steps.c.version.desc())
            .limit(1)
        )
        .mappings()
        .one_or_none()
    )
    return (
        last is not None
        and last["step"] == step
        and last["by_id"] == by.user_id
        and all(last["content"].get(name) == worth for name, worth in kept.items())
    )


def steps_of(connection: Connection, report_id: str) -> list[dict[str, Any]]:
    """What was done with a report, in order."""
    rows = connection.execute(
        select(work_report_steps)
        .where(work_report_steps.c.work_report_id == report_id)
        .order_by(work_report_steps.c.version)
        .limit(200)
    ).mappings()
    return [dict(row) for row in rows]


def counts_of_day(connection: Connection, day: date, now: datetime) -> dict[str, int]:
    """State to how many, and "late"."""
    found: dict[str, int] = {
        state: int(count)
        for state, count in connection.execute(
            select(work_reports.c.state, func.count())
            .where(work_reports.c.day == day)
            .group_by(work_reports.c.state)
        )
    }
    late = or_(
        work_reports.c.late.is_(True),
        (work_reports.c.handed_in_at.is_(None)) & (work_reports.c.due_at < now),
    )
    found["late"] = int(
        connection.execute(
            select(func.count()).select_from(work_reports).where(work_reports.c.day == day, late)
        ).scalar_one()
    )
    return found
