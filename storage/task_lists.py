"""Tasks as pages show them: what is due today, what is overdue, whose they are, of which kind."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, and_, func, literal, or_, select, tuple_

from access.users import Principal
from crm.tasks.tasks import Task, TaskNotFound, TaskState
from storage.sight import in_reach
from storage.tables.tasks import tasks
from storage.tasks import task_from

#: Counting stops here: a page says "999+".
_MOST_COUNTED: Final = 1000


def seen_by(connection: Connection, viewer: Principal, now: datetime | None) -> ColumnElement[bool]:
    """For a statement over `tasks`: those of customers in this person's scope, and what was given to him."""
    within = in_reach(connection, viewer, tasks.c.customer_id, now)
    return within if viewer.user_id is None else or_(within, tasks.c.owner_id == viewer.user_id)


def require_seen(connection: Connection, viewer: Principal, task_id: str, now: datetime) -> None:
    """Raises TaskNotFound where there is no such task for this person."""
    one = select(tasks.c.id).where(tasks.c.id == task_id, seen_by(connection, viewer, now))
    if connection.execute(one).first() is None:
        raise TaskNotFound("There is no such task.")


def search(
    connection: Connection,
    viewer: Principal,
    *,
    scope: str,
    now: datetime,
    today_ends: datetime,
    kind: str | None = None,
    department: str | None = None,
    owner_id: str | None = None,
    after: tuple[datetime, str] | None = None,
    limit: int = 50,
) -> list[Task]:
    """A page of tasks: open ones first due first, closed ones last closed first.

    today: the user's own and everybody's, due by the end of today; mine: all of the user's; team: whose
    anybody has; free: nobody's; overdue: past their time.
    """
    closed = scope == "closed"
    column: Any = tasks.c.closed_at if closed else tasks.c.due_at
    statement = select(tasks).where(
        *_scope(scope, viewer.user_id or "", now, today_ends), seen_by(connection, viewer, now)
    )
    for name, value in (("kind", kind), ("department", department), ("owner_id", owner_id)):
        if value is not None:
            statement = statement.where(tasks.c[name] == value)
    if after is not None:
        place = tuple_(literal(after[0], column.type), literal(after[1]))
        row = tuple_(column, tasks.c.id)
        statement = statement.where(row < place if closed else row > place)
    order = (column.desc(), tasks.c.id.desc()) if closed else (column, tasks.c.id)
    rows = connection.execute(statement.order_by(*order).limit(limit)).mappings()
    return [task_from(row) for row in rows]


def counts(
    connection: Connection, viewer: Principal, *, now: datetime, today_ends: datetime
) -> dict[str, int]:
    """How many open tasks each scope has for this person, up to a thousand."""
    found = {}
    seen = seen_by(connection, viewer, now)
    user_id = viewer.user_id or ""
    for scope in ("today", "mine", "team", "free", "overdue"):
        some = select(tasks.c.id).where(*_scope(scope, user_id, now, today_ends), seen).limit(_MOST_COUNTED)
        found[scope] = connection.execute(select(func.count()).select_from(some.subquery())).scalar_one()
    return found


def _scope(scope: str, user_id: str, now: datetime, today_ends: datetime) -> Iterable[ColumnElement[bool]]:
    if scope == "closed":
        return (tasks.c.closed_at.is_not(None),)
    is_open = tasks.c.state == TaskState.OPEN
    mine = tasks.c.owner_id == user_id
    match scope:
        case "today":
            return (is_open, tasks.c.due_at < today_ends, or_(mine, tasks.c.owner_id.is_(None)))
        case "mine":
            return (is_open, mine)
        case "team":
            return (is_open, tasks.c.owner_id.is_not(None))
        case "free":
            return (is_open, tasks.c.owner_id.is_(None))
        case "overdue":
            return (and_(is_open, tasks.c.due_at < now),)
        case _:
            return (is_open,)
