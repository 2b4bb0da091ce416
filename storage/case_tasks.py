"""The tasks of a case: made, moved and closed to match what has to be done, in the transaction of the step."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, insert, select, update

from access.permissions import Role
from crm.cases.cases import Case, CaseState
from crm.cases.deadlines import Level, Notice
from crm.cases.duties import WAITS_FOR_DEPARTMENT, Duty, duties, is_current
from crm.cases.rules import Rules
from crm.hooks.events import Event
from crm.tasks.tasks import TaskKind, TaskState
from storage.tables.access import users
from storage.tables.cases import case_tasks
from storage.tables.tasks import tasks
from storage.tasks import add_task, task_from
from storage.told import tell_of_task
from telephony.hours import WorkingTime

#: People of one role who are told.
_MOST_TOLD: Final = 20
_LONGEST_SUBJECT: Final = 120


def people_of(connection: Connection, role: Role) -> list[str]:
    """Who has a role, and can sign in; where there is no supervisor, managers are asked."""
    rows = connection.execute(
        select(users.c.id)
        .where(users.c.role == role, users.c.disabled_at.is_(None))
        .order_by(users.c.id)
        .limit(_MOST_TOLD)
    )
    found = [row[0] for row in rows]
    if not found and role is Role.SUPERVISOR:
        return people_of(connection, Role.MANAGER)
    return found


def match(
    connection: Connection,
    case: Case,
    rules: Rules,
    hours: WorkingTime,
    now: datetime,
    *,
    by_id: str | None,
    result: str,
) -> None:
    """Let the open tasks of the case be those that are needed now; `result` says what closed the others."""
    wanted = {what: (duty, owner) for what, duty, owner in _expanded(connection, case, rules, hours, now)}
    open_ones = connection.execute(
        select(tasks, case_tasks.c.what)
        .join(case_tasks, case_tasks.c.task_id == tasks.c.id)
        .where(case_tasks.c.case_id == case.id, tasks.c.state == TaskState.OPEN)
    ).mappings()
    there = set()
    for row in open_ones.all():
        what = row[case_tasks.c.what]
        if what in wanted:
            there.add(what)
            duty, owner = wanted[what]
            changes = {
                "due_at": duty.due_at,
                "owner_id": row["owner_id"] if owner is None else owner,
                "customer_id": case.customer_id,
                "number": case.phone,
            }
            _move(connection, row, changes)
        elif what.startswith("told ") and is_current(case, what.split(" ")[1]):
            _move(connection, row, {"customer_id": case.customer_id})
        else:
            _close(connection, row["id"], by_id, result, now)
    for what, (duty, owner) in wanted.items():
        if what not in there:
            _add(connection, case, what, duty.kind, duty.due_at, owner, now)


def _expanded(
    connection: Connection, case: Case, rules: Rules, hours: WorkingTime, now: datetime
) -> list[tuple[str, Duty, str | None]]:
    found = []
    for duty in duties(case, rules, hours, now):
        if duty.role is None:
            found.append((duty.what, duty, case.handler_id))
            continue
        for user_id in people_of(connection, duty.role):
            if user_id != case.handler_id:  # who is in charge cannot sign
                found.append((f"{duty.what} {user_id}", duty, user_id))
    return found


def tell(connection: Connection, case: Case, notice: Notice, now: datetime) -> Sequence[str]:
    """A task for everybody a notice is for; gives their ids."""
    match notice.level:
        case Level.REMIND:
            told = [case.handler_id] if case.handler_id and case.state in WAITS_FOR_DEPARTMENT else []
            if not told:
                return [case.handler_id] if case.handler_id else []
        case Level.SUPERVISOR:
            told = people_of(connection, Role.SUPERVISOR)
        case Level.MANAGER:
            told = people_of(connection, Role.MANAGER)
    due = case.due_at or now
    if notice.occasion == "major" and case.solve_due_at is not None:
        due = case.solve_due_at
    for user_id in told:
        _add(
            connection, case, f"told {notice.occasion} {user_id}", TaskKind.CASE, max(due, now), user_id, now
        )
    return told


def _add(
    connection: Connection,
    case: Case,
    what: str,
    kind: TaskKind,
    due_at: datetime,
    owner_id: str | None,
    now: datetime,
) -> None:
    done = case.state is CaseState.CLOSED and kind is not TaskKind.EFFECT_CHECK
    if done:
        return
    task, new = add_task(
        connection,
        kind=kind,
        # With the count of events: a duty that was done and comes again is another task.
        occasion=f"case {case.id} {case.events} {what.partition(' ')[0]} {(owner_id or '')[-26:]}",
        now=now,
        due_at=due_at,
        subject=f"{case.number} {case.subject}"[:_LONGEST_SUBJECT],
        number=case.phone,
        customer_id=case.customer_id,
        owner_id=owner_id,
    )
    if new:
        connection.execute(insert(case_tasks).values(task_id=task.id, case_id=case.id, what=what[:80]))


def _move(connection: Connection, row: Any, changes: dict[str, Any]) -> None:
    different = {name: value for name, value in changes.items() if row[name] != value}
    if not different:
        return
    changed = connection.execute(
        update(tasks)
        .where(tasks.c.id == row["id"], tasks.c.state == TaskState.OPEN)
        .values(**different)
        .returning(tasks)
    ).mappings()
    for one in changed.all():
        tell_of_task(connection, Event.TASK_CHANGED, task_from(one))


def _close(connection: Connection, task_id: str, by_id: str | None, result: str, now: datetime) -> None:
    closed = connection.execute(
        update(tasks)
        .where(tasks.c.id == task_id, tasks.c.state == TaskState.OPEN)
        .values(state=TaskState.DONE, open_key=None, closed_at=now, closed_by=by_id, result=result)
        .returning(tasks)
    ).mappings()
    for one in closed.all():
        tell_of_task(connection, Event.TASK_CLOSED, task_from(one), at=now)
