"""Tasks: what a person must do by a time."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from typing import Any

from access.audit import Action
from access.permissions import Permission
from access.sentences import Sentence
from crm.tasks.tasks import TaskTaken
from web.api.shapes import (
    AssignTaskIn,
    CloseTaskIn,
    NewTaskIn,
    TaskCountsOut,
    TaskListQuery,
    TaskOut,
    TasksOut,
    TasksQuery,
)
from web.ports import Services, TaskView
from web.ports.aftercall import NewTask, TaskFilter
from web.problems import Refused
from web.routes import Ask, Nothing, Route


async def list_tasks(ask: Ask[TasksQuery, Nothing]) -> TasksOut:
    """Tasks the asker may see."""
    page = await ask.services.tasks.list(
        ask.by, state=ask.query.state, now=ask.now, cursor=ask.query.cursor, limit=ask.query.limit
    )
    return TasksOut(items=[TaskOut.model_validate(item) for item in page.items], next=page.next)


async def claim_task(ask: Ask[Nothing, Nothing]) -> TaskOut:
    """Take a task."""
    _own(ask)
    task = await _named(ask.services, ask.services.tasks.claim(ask.by, ask.path["task_id"], ask.now))
    await ask.services.audit.append(ask.entry(Action.TASK_CLAIMED, f"task:{task.id}"))
    return TaskOut.model_validate(task)


async def close_task(ask: Ask[Nothing, CloseTaskIn]) -> TaskOut:
    """Finish a task with a result."""
    _own(ask)
    closing = ask.services.tasks.close(ask.by, ask.path["task_id"], ask.body.result, ask.now)
    task = await _named(ask.services, closing)
    await ask.services.audit.append(ask.entry(Action.TASK_CLOSED, f"task:{task.id}"))
    return TaskOut.model_validate(task)


async def create_task(ask: Ask[Nothing, NewTaskIn]) -> TaskOut:
    """Make a task by hand, from a call or about a customer."""
    entry = ask.entry(Action.TASK_CREATED, f"call:{ask.body.call_id}" if ask.body.call_id else "")
    new = NewTask(**{name: getattr(ask.body, name) for name in NewTaskIn.model_fields})
    task = await ask.services.aftercall.tasks.create(ask.by, new, ask.once, entry)
    return TaskOut.model_validate(task)


async def assign_task(ask: Ask[Nothing, AssignTaskIn]) -> TaskOut:
    """Give a task to somebody, or back to everybody."""
    task_id = ask.path["task_id"]
    entry = ask.entry(Action.TASK_ASSIGNED, f"task:{task_id}", {"owner": ask.body.owner_id})
    change = ask.services.aftercall.tasks.assign(ask.by, task_id, ask.body.owner_id, entry)
    return TaskOut.model_validate(await _named(ask.services, change))


async def release_task(ask: Ask[Nothing, Nothing]) -> TaskOut:
    """Give one's own task back to everybody."""
    _own(ask)
    task_id = ask.path["task_id"]
    entry = ask.entry(Action.TASK_ASSIGNED, f"task:{task_id}", {"owner": None})
    change = ask.services.aftercall.tasks.release(ask.by, task_id, entry)
    return TaskOut.model_validate(await _named(ask.services, change))


async def search_tasks(ask: Ask[TaskListQuery, Nothing]) -> TasksOut:
    """Tasks of a list, first due first."""
    query = ask.query
    wanted = TaskFilter(
        scope=query.scope, kind=query.kind, department=query.department, owner_id=query.owner_id
    )
    page = await ask.services.aftercall.tasks.search(
        ask.by, wanted, now=ask.now, zone=ask.services.zone, cursor=query.cursor, limit=query.limit
    )
    return TasksOut(items=[TaskOut.model_validate(item) for item in page.items], next=page.next)


async def count_tasks(ask: Ask[Nothing, Nothing]) -> TaskCountsOut:
    """How many open tasks each list has."""
    found = await ask.services.aftercall.tasks.counts(ask.by, now=ask.now, zone=ask.services.zone)
    return TaskCountsOut(**found)


def _own(ask: Ask[Any, Any]) -> None:
    if ask.by.user_id is None:
        raise Refused("no-own-user", "This token belongs to no user, so it cannot have tasks.")


def taken(error: TaskTaken, names: Mapping[str, str]) -> TaskTaken:
    """The refusal with the name of who has the task in it."""
    if not error.holder:
        return TaskTaken(str(error))
    holder = names.get(error.holder, error.holder)
    return TaskTaken(Sentence("{holder} has the task. Nothing was changed.", holder=holder), holder=holder)


async def _named(services: Services, change: Awaitable[TaskView]) -> TaskView:
    """The change, with the holder's name in the refusal."""
    try:
        return await change
    except TaskTaken as error:
        names = await services.users.names()
        raise taken(error, names) from error


ROUTES = (
    Route(
        method="GET",
        path="/api/v1/tasks",
        summary="List tasks",
        needs=Permission.TASKS_READ,
        json=list_tasks,
        query=TasksQuery,
        answer=TasksOut,
        errors=("bad-cursor",),
        tag="tasks",
    ),
    Route(
        method="POST",
        path="/api/v1/tasks",
        summary="Make a task",
        needs=Permission.TASKS_WORK,
        json=create_task,
        body=NewTaskIn,
        answer=TaskOut,
        status=201,
        once=True,
        errors=(
            "call-not-found",
            "customer-not-found",
            "user-not-found",
            "no-such-department",
            "due-in-the-past",
            "idempotency-key-reused",
        ),
        tag="tasks",
    ),
    Route(
        method="GET",
        path="/api/v1/task-lists",
        summary="Tasks of a list: today, mine, team, free, overdue, closed",
        needs=Permission.TASKS_READ,
        json=search_tasks,
        query=TaskListQuery,
        answer=TasksOut,
        errors=("bad-cursor",),
        tag="tasks",
    ),
    Route(
        method="GET",
        path="/api/v1/task-counts",
        summary="How many open tasks each list has",
        needs=Permission.TASKS_READ,
        json=count_tasks,
        answer=TaskCountsOut,
        tag="tasks",
    ),
    Route(
        method="POST",
        path="/api/v1/tasks/{task_id}/assign",
        summary="Give a task to somebody",
        needs=Permission.TASKS_ASSIGN,
        json=assign_task,
        body=AssignTaskIn,
        answer=TaskOut,
        errors=("task-not-found", "task-taken", "task-elsewhere", "user-not-found"),
        tag="tasks",
    ),
    Route(
        method="POST",
        path="/api/v1/tasks/{task_id}/release",
        summary="Give one's own task back",
        needs=Permission.TASKS_WORK,
        json=release_task,
        body=Nothing,
        answer=TaskOut,
        errors=("task-not-found", "task-taken", "task-elsewhere", "no-own-user"),
        tag="tasks",
    ),
    Route(
        method="POST",
        path="/api/v1/tasks/{task_id}/claim",
        summary="Take a task",
        needs=Permission.TASKS_WORK,
        json=claim_task,
        body=Nothing,
        answer=TaskOut,
        errors=("task-not-found", "task-taken", "task-elsewhere", "no-own-user"),
        tag="tasks",
    ),
    Route(
        method="POST",
        path="/api/v1/tasks/{task_id}/close",
        summary="Finish a task",
        needs=Permission.TASKS_WORK,
        json=close_task,
        body=CloseTaskIn,
        answer=TaskOut,
        errors=("task-not-found", "task-taken", "task-elsewhere", "no-own-user"),
        tag="tasks",
    ),
)
