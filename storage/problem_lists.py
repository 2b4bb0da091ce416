"""The problems of a day by department, and what of them was passed on: by whom, when and how (M-095)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any, Final

from sqlalchemy import Connection, select, update

from access.ids import new_id
from access.users import Principal
from crm.reports.rows import BadReport, ReportNotFound, Row, Source, Wanted
from storage.report_rows import SOURCES, as_seen, list_rows
from storage.tables.reports import problem_items, problem_lists
from storage.work_reports import inserting

HOWS: Final = ("link", "printed", "file")
#: Most problems of a department and day that one list holds.
MOST: Final = 500


def open_problems(
    connection: Connection,
    viewer: Principal,
    department: str,
    since: datetime,
    until: datetime,
    now: datetime,
) -> list[Row]:
    """Problems of a department in a time that were not passed to it."""
    found: list[Row] = []
    cursor: str | None = None
    wanted = Wanted(since=since, until=until, department=department, no_department=not department)
    while len(found) < MOST:
        rows, cursor = list_rows(connection, viewer, Source.PROBLEMS, wanted, now, cursor=cursor, limit=200)
        found += [one for one in rows if one.passed_at is None and not one.closed]
        if cursor is None:
            break
    return found[:MOST]


def pass_on(
    connection: Connection,
    viewer: Principal,
    *,
    occasion: str,
    day: date,
    department: str,
    how: str,
    recipient: str,
    since: datetime,
    until: datetime,
    now: datetime,
) -> tuple[dict[str, Any], bool]:
    """Pass what was not passed yet: (the list, whether it is new). Raises BadReport where nothing is left to pass."""
    known = (
        connection.execute(select(problem_lists).where(problem_lists.c.occasion == occasion))
        .mappings()
        .one_or_none()
    )
    if known is not None:
        return dict(known), False
    if how not in HOWS:
        raise BadReport("A list goes by link, printed or as a file. Nothing was passed.", field="how")
    open_ = open_problems(connection, viewer, department, since, until, now)
    list_id = new_id(now)
    made = connection.execute(
        inserting(connection, problem_lists)
        .values(
            id=list_id,
            occasion=occasion,
            day=day,
            department=department,
            how=how,
            recipient=recipient[:64],
            at=now,
            by_id=viewer.user_id,
            by_name=viewer.name[:64],
        )
        .on_conflict_do_nothing()
        .returning(problem_lists.c.id)
    ).scalar_one_or_none()
    if made is None:  # the same request at the same moment
        found = connection.execute(
            select(problem_lists).where(problem_lists.c.occasion == occasion)
        ).mappings()
        return dict(found.one()), False
    passed = 0
    for one in open_:
        row = connection.execute(
            inserting(connection, problem_items)
            .values(department=department, kind=one.kind, item_id=one.id, list_id=list_id)
            .on_conflict_do_nothing()
            .returning(problem_items.c.item_id)
        )
        passed += row.scalar_one_or_none() is not None
    if not passed:
        raise BadReport("Every problem of this day was passed to the department already.", field="department")
    return get_list(connection, list_id), True


def get_list(connection: Connection, list_id: str) -> dict[str, Any]:
    """One list. Raises ReportNotFound."""
    row = (
        connection.execute(select(problem_lists).where(problem_lists.c.id == list_id))
        .mappings()
        .one_or_none()
    )
    if row is None:
        raise ReportNotFound("There is no such list.")
    return dict(row)


def lists_of(connection: Connection, day: date) -> list[dict[str, Any]]:
    """What was passed of a day, in order."""
    rows = connection.execute(
        select(problem_lists).where(problem_lists.c.day == day).order_by(problem_lists.c.id).limit(200)
    ).mappings()
    return [dict(row) for row in rows]


def rows_of(
    connection: Connection,
    viewer: Principal,
    found: Mapping[str, Any],
    since: datetime,
    until: datetime,
    now: datetime,
) -> list[Row]:
    """What stands in a list, as this person may see it; what is gone since (erased, past its time) is left out."""
    problems = SOURCES[Source.PROBLEMS](
        Wanted(
            since=since,
            until=until,
            department=found["department"],
            no_department=not found["department"],
        )
    ).subquery("problems")
    items = problem_items
    rows = connection.execute(
        select(problems)
        .select_from(
            problems.join(
                items,
                (items.c.item_id == problems.c.id)
                & (items.c.kind == problems.c.kind)
                & (items.c.list_id == found["id"]),
            )
        )
        .order_by(problems.c.at, problems.c.id)
        .limit(MOST)
    ).mappings()
    return as_seen(connection, viewer, list(rows), now)


def note_read(connection: Connection, list_id: str, now: datetime) -> None:
    """The department looked at it; the first time counts."""
    connection.execute(
        update(problem_lists)
        .where(problem_lists.c.id == list_id, problem_lists.c.read_at.is_(None))
        .values(read_at=now)
    )
