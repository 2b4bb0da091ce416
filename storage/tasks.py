"""Tasks: rows, and who has them. The call log makes and closes some (`storage.call_tasks`).

A caller who waits has at most one open task per number, whoever writes at the same time: a unique key
holds while the task is open.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any, Final, Literal

from sqlalchemy import (
    ColumnElement,
    Connection,
    RowMapping,
    Select,
    and_,
    literal,
    or_,
    select,
    tuple_,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

from access.ids import new_id
from crm.hooks.events import Event
from crm.tasks.closing import closed_by
from crm.tasks.tasks import (
    Caller,
    Task,
    TaskElsewhere,
    TaskId,
    TaskKind,
    TaskNotFound,
    TaskState,
    TaskTaken,
    about,
    is_notice,
    stronger,
)
from storage.tables.records import customers
from storage.tables.tasks import task_calls, tasks
from storage.told import tell_of_task
from telephony.calls import Call

#: What a person may write into subject or result.
_LONGEST_TEXT: Final = 500


# -- rows ---------------------------------------------------------------------------------------------


def task_from(row: RowMapping) -> Task:
    """The value of a row that holds every column of `tasks`."""
    return Task(
        id=TaskId(row["id"]),
        kind=TaskKind(row["kind"]),
        state=TaskState(row["state"]),
        occasion=row["occasion"],
        number=row["number"],
        customer_id=row["customer_id"],
        call_id=row["call_id"],
        last_call_id=row["last_call_id"],
        queue=row["queue"],
        owner_id=row["owner_id"],
        department=row["department"],
        made_by=row["made_by"],
        subject=row["subject"],
        calls=row["calls"],
        created_at=row["created_at"],
        last_at=row["last_at"],
        due_at=row["due_at"],
        promised_by=row["promised_by"],
        closed_at=row["closed_at"],
        closed_by=row["closed_by"],
        result=row["result"],
    )


def _insert(connection: Connection, table: Any) -> Any:
    """An INSERT that knows ON CONFLICT, of the engine at hand."""
    return (postgresql if connection.dialect.name == "postgresql" else sqlite).insert(table)


def add_task(
    connection: Connection,
    *,
    kind: TaskKind,
    occasion: str,
    now: datetime,
    due_at: datetime,
    subject: str = "",
    number: str | None = None,
    customer_id: str | None = None,
    call_id: str | None = None,
    queue: str | None = None,
    owner_id: str | None = None,
    promised_by: datetime | None = None,
    department: str | None = None,
    made_by: str | None = None,
) -> tuple[Task, bool]:
    """A task for an occasion, made or found: (task, whether it is new). The occasion decides, open or closed."""
    values: dict[str, Any] = {
        "id": new_id(now),
        "kind": kind,
        "state": TaskState.OPEN,
        "occasion": occasion[:80],
        "open_key": None,
        "number": number,
        "customer_id": customer_id,
        "call_id": call_id,
        "last_call_id": call_id,
        "queue": queue,
        "owner_id": owner_id,
        "department": department,
        "made_by": made_by,
        "subject": subject[:_LONGEST_TEXT],
        "calls": 1 if call_id else 0,
        "created_at": now,
        "last_at": now,
        "due_at": due_at,
        "promised_by": promised_by,
    }
    row = _insert(connection, tasks).values(**values).on_conflict_do_nothing().returning(tasks.c.id)
    new = connection.execute(row).scalar_one_or_none() is not None
    found = connection.execute(select(tasks).where(tasks.c.occasion == occasion[:80])).mappings().one()
    task = task_from(found)
    if new:
        tell_of_task(connection, Event.TASK_CREATED, task, at=now)
    return task, new


def get_task(connection: Connection, task_id: str) -> Task:
    """One task. Raises TaskNotFound."""
    row = connection.execute(select(tasks).where(tasks.c.id == task_id)).mappings().one_or_none()
    if row is None:
        raise TaskNotFound("There is no such task.")
    return task_from(row)


def task_of_occasion(connection: Connection, occasion: str) -> Task:
    """The task that exists for this reason. Raises TaskNotFound."""
    row = connection.execute(select(tasks).where(tasks.c.occasion == occasion)).mappings().one_or_none()
    if row is None:
        raise TaskNotFound("There is no such task.")
    return task_from(row)


def open_tasks_of(
    connection: Connection, *, number: str | None = None, customer_id: str | None = None
) -> list[Task]:
    """Open tasks of a number or a customer, first due first; what a desk shows beside a call."""
    signs = []
    if number is not None:
        signs.append(tasks.c.number == number)
    if customer_id is not None:
        signs.append(tasks.c.customer_id == customer_id)
    if not signs:
        return []
    rows = connection.execute(
        select(tasks).where(or_(*signs), tasks.c.state == TaskState.OPEN).order_by(tasks.c.due_at, tasks.c.id)
    ).mappings()
    return [task_from(row) for row in rows]


def list_tasks(
    connection: Connection,
    *,
    state: Literal["open", "mine", "closed", "all"],
    user_id: str,
    seen: ColumnElement[bool] | None = None,
    after: tuple[datetime, str] | None = None,
    limit: int = 50,
) -> list[Task]:
    """A page of tasks: open ones first due first, closed ones last closed first, all newest first.

    `mine` are open tasks of `user_id`. `after` is the sort value and id of the last task seen: due_at for
    open and mine, closed_at for closed, created_at for all. `seen` leaves out what is not for the reader
    (`storage.task_lists.seen_by`).
    """
    limit = min(max(limit, 1), 200)
    statement: Select[Any] = select(tasks) if seen is None else select(tasks).where(seen)
    if state in ("open", "mine"):
        statement = statement.where(tasks.c.state == TaskState.OPEN)
        if state == "mine":
            statement = statement.where(tasks.c.owner_id == user_id)
        if after is not None:
            statement = statement.where(
                tuple_(tasks.c.due_at, tasks.c.id) > tuple_(*_bound(after, tasks.c.due_at))
            )
        statement = statement.order_by(tasks.c.due_at, tasks.c.id)
    elif state == "closed":
        statement = statement.where(tasks.c.closed_at.is_not(None))
        if after is not None:
            statement = statement.where(
                tuple_(tasks.c.closed_at, tasks.c.id) < tuple_(*_bound(after, tasks.c.closed_at))
            )
        statement = statement.order_by(tasks.c.closed_at.desc(), tasks.c.id.desc())
    else:
        if after is not None:
            statement = statement.where(tasks.c.id < after[1])
        statement = statement.order_by(tasks.c.id.desc())
    return [task_from(row) for row in connection.execute(statement.limit(limit)).mappings()]


def _bound(after: tuple[datetime, str], column: Any) -> tuple[Any, Any]:
    return literal(after[0], column.type), literal(after[1])


# -- what people do -----------------------------------------------------------------------------------


def _stands_alone(connection: Connection, task_id: str, *, notices: bool = False) -> None:
    """Raise TaskElsewhere for a step of a contact, a case or an appointment: it moves and ends with that.

    `notices`: but what only tells somebody of it may be put away.
    """
    task = get_task(connection, task_id)
    subject = about(task)
    if subject is None or task.state is not TaskState.OPEN or (notices and is_notice(task)):
        return
    match subject.partition(":")[0]:
        case "contact":
            raise TaskElsewhere(
                "This task ends with its contact. Nothing was changed; open the contact and enter the result there.",
                about=subject,
            )
        case "case":
            raise TaskElsewhere(
                "This task ends with its case. Nothing was changed; open the case and take the step there.",
                about=subject,
            )
        case _:
            raise TaskElsewhere(
                "This task ends with its appointment. Nothing was changed; open it and say there that the customer"
                " was told.",
                about=subject,
            )


def claim_task(connection: Connection, task_id: str, user_id: str) -> Task:
    """The task is the user's from now on; again changes nothing. Raises TaskNotFound, TaskTaken, TaskElsewhere."""
    _stands_alone(connection, task_id)
    taken = (
        update(tasks)
        .where(
            tasks.c.id == task_id,
            tasks.c.state == TaskState.OPEN,
            or_(tasks.c.owner_id.is_(None), tasks.c.owner_id == user_id),
        )
        .values(owner_id=user_id)
    )
    changed = connection.execute(taken).rowcount
    task = get_task(connection, task_id)
    if not changed:
        raise _taken(task)
    tell_of_task(connection, Event.TASK_CHANGED, task)
    return task


def open_task(connection: Connection, task_id: str, user_id: str | None) -> Task:
    """An open task that is this user's or nobody's. Raises TaskNotFound, TaskTaken."""
    task = get_task(connection, task_id)
    if task.state is not TaskState.OPEN or task.owner_id not in (None, user_id):
        raise _taken(task)
    return task


def release_task(connection: Connection, task_id: str, user_id: str) -> Task:
    """The user gives the task back to everybody.

    Raises TaskNotFound, TaskTaken where it is not his, TaskElsewhere.
    """
    _stands_alone(connection, task_id)
    given = (
        update(tasks)
        .where(tasks.c.id == task_id, tasks.c.state == TaskState.OPEN, tasks.c.owner_id == user_id)
        .values(owner_id=None)
    )
    changed = connection.execute(given).rowcount
    task = get_task(connection, task_id)
    if not changed:
        raise _taken(task)
    tell_of_task(connection, Event.TASK_CHANGED, task)
    return task


def assign_task(connection: Connection, task_id: str, user_id: str | None) -> Task:
    """A supervisor gives an open task to somebody, or to everybody.

    Raises TaskNotFound, TaskTaken if closed, TaskElsewhere.
    """
    _stands_alone(connection, task_id)
    given = (
        update(tasks).where(tasks.c.id == task_id, tasks.c.state == TaskState.OPEN).values(owner_id=user_id)
    )
    changed = connection.execute(given).rowcount
    task = get_task(connection, task_id)
    if not changed:
        raise _taken(task)
    tell_of_task(connection, Event.TASK_CHANGED, task)
    return task


def close_task(
    connection: Connection,
    task_id: str,
    user_id: str,
    result: str,
    now: datetime,
    *,
    done: bool = True,
    force: bool = False,
) -> Task:
    """The user has done the task (or it is void: `done` False). `force`: a supervisor, whoever has it.

    Raises TaskNotFound; TaskTaken where another has it or it is closed; TaskElsewhere.
    """
    _stands_alone(connection, task_id, notices=True)
    free = or_(tasks.c.owner_id.is_(None), tasks.c.owner_id == user_id)
    own = tasks.c.state == TaskState.OPEN if force else and_(tasks.c.state == TaskState.OPEN, free)
    changed = connection.execute(
        update(tasks)
        .where(tasks.c.id == task_id, own)
        .values(
            state=TaskState.DONE if done else TaskState.CANCELLED,
            open_key=None,
            closed_at=now,
            closed_by=user_id,
            result=result[:_LONGEST_TEXT],
        )
    ).rowcount
    task = get_task(connection, task_id)
    if not changed:
        raise _taken(task)
    tell_of_task(connection, Event.TASK_CLOSED, task, at=now)
    return task


def _taken(task: Task) -> TaskTaken:
    if task.state is not TaskState.OPEN:
        return TaskTaken("The task is closed. Nothing was changed.")
    return TaskTaken("Somebody else has the task. Nothing was changed.", holder=task.owner_id or "")


# -- what calls do ------------------------------------------------------------------------------------


def note_caller(connection: Connection, caller: Caller) -> TaskId:
    """Somebody waits for us: one open task per number and per call, the strongest kind, the earliest due time.

    The same event of the same call told again changes nothing.
    """
    told = select(task_calls.c.task_id).where(
        task_calls.c.call_id == caller.call_id, task_calls.c.kind == caller.kind
    )
    known = connection.execute(told).scalar_one_or_none()
    if known is not None:
        return TaskId(known)
    if caller.customer_id is not None:
        caller = _with_customer(connection, caller)
    while True:
        task = _waiting(connection, caller)
        if task is None:
            task_id = _begin(connection, caller)
            if task_id is None:
                continue  # another writer was first, and has committed: its task is there now
            new_call = False
        else:
            task_id = task.id
            new_call = caller.call_id not in (task.call_id, task.last_call_id)
            connection.execute(
                update(tasks).where(tasks.c.id == task_id).values(**_joined(task, caller, new_call=new_call))
            )
        connection.execute(
            _insert(connection, task_calls)
            .values(call_id=caller.call_id, kind=caller.kind, task_id=task_id, at=caller.at)
            .on_conflict_do_nothing()
        )
        event = Event.TASK_CREATED if task is None else Event.TASK_CHANGED
        tell_of_task(connection, event, get_task(connection, task_id), at=caller.at)
        return task_id


def _with_customer(connection: Connection, caller: Caller) -> Caller:
    """The task goes to the customer's own agent; a customer who is not on record is left out."""
    row = connection.execute(
        select(customers.c.id, customers.c.own_agent_id).where(customers.c.id == caller.customer_id)
    ).one_or_none()
    if row is None:
        return replace(caller, customer_id=None)
    return replace(caller, owner_id=caller.owner_id or row[1])


def _waiting(connection: Connection, caller: Caller) -> Task | None:
    """The open task this caller already has: by number, else from the same call."""
    of_call = select(task_calls.c.task_id).where(task_calls.c.call_id == caller.call_id)
    row = (
        connection.execute(
            select(tasks)
            .where(
                tasks.c.state == TaskState.OPEN,
                or_(tasks.c.open_key == _open_key(caller), tasks.c.id.in_(of_call)),
            )
            .order_by(tasks.c.id)
            .limit(1)
            .with_for_update()
        )
        .mappings()
        .first()
    )
    return None if row is None else task_from(row)


def _open_key(caller: Caller) -> str:
    """One open task per readable number; without one, per call."""
    return f"number {caller.number}" if caller.number else f"call {caller.call_id}"


def _begin(connection: Connection, caller: Caller) -> TaskId | None:
    task_id = TaskId(new_id(caller.at))
    row = _insert(connection, tasks).values(
        id=task_id,
        kind=caller.kind,
        state=TaskState.OPEN,
        occasion=f"{caller.kind} {caller.call_id}",
        open_key=_open_key(caller),
        number=caller.number,
        customer_id=caller.customer_id,
        call_id=caller.call_id,
        last_call_id=caller.call_id,
        queue=caller.queue,
        owner_id=caller.owner_id,
        subject="" if caller.number else caller.raw_number[:64],
        calls=1,
        created_at=caller.at,
        last_at=caller.at,
        due_at=caller.due_at,
        promised_by=caller.promised_by,
    )
    new = row.on_conflict_do_nothing(index_elements=["open_key"]).returning(tasks.c.id)
    return task_id if connection.execute(new).scalar_one_or_none() is not None else None


def _joined(task: Task, caller: Caller, *, new_call: bool) -> dict[str, Any]:
    promises = [promise for promise in (task.promised_by, caller.promised_by) if promise is not None]
    return {
        "kind": stronger(task.kind, caller.kind),
        "calls": task.calls + int(new_call),
        "last_call_id": caller.call_id,
        "last_at": max(task.last_at, caller.at),
        "due_at": min(task.due_at, caller.due_at),
        "promised_by": min(promises) if promises else None,
        "customer_id": task.customer_id or caller.customer_id,
        "queue": caller.queue or task.queue,
    }


def close_by_call(connection: Connection, call: Call, *, talked_seconds: float = 1.0) -> list[TaskId]:
    """Close what an ended call settles (`crm.tasks.closing`); returns the tasks it closed."""
    candidates = open_tasks_of(connection, number=call.number, customer_id=call.customer_id)
    own = connection.execute(
        select(tasks).where(
            tasks.c.state == TaskState.OPEN,
            tasks.c.id.in_(select(task_calls.c.task_id).where(task_calls.c.call_id == call.id)),
        )
    ).mappings()
    by_id = {task.id: task for task in (*candidates, *map(task_from, own))}
    closed = []
    for closing in closed_by(call, by_id.values(), talked_seconds=talked_seconds):
        changed = connection.execute(
            update(tasks)
            .where(tasks.c.id == closing.task_id, tasks.c.state == TaskState.OPEN)
            .values(
                state=TaskState.DONE if closing.done else TaskState.CANCELLED,
                open_key=None,
                closed_at=call.ended_at or call.connected_at,
                closed_by=f"call:{call.id}",
                result=closing.result,
            )
        ).rowcount
        if changed:
            closed.append(closing.task_id)
            tell_of_task(
                connection, Event.TASK_CLOSED, get_task(connection, closing.task_id), at=call.ended_at
            )
    return closed
