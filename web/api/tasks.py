"""Tasks: what a person must do by a time."""

from __future__ import annotations

from collections.abc import Awaitable

from access.audit import Action
from access.permissions import Permission
from crm.tasks.tasks import TaskTaken
from web.api.shapes import CloseTaskIn, TaskOut, TasksOut, TasksQuery
from web.ports import Services, TaskView
from web.problems import Refused
from web.routes import Ask, Nothing, Route


async def list_tasks(ask: Ask[TasksQuery, Nothing]) -> TasksOut:
    """Tasks the asker may see."""
    page = await ask.services.tasks.list(
        ask.by, state=ask.query.state, cursor=ask.query.cursor, limit=ask.query.limit
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


def _own(ask: Ask[Nothing, Nothing] | Ask[Nothing, CloseTaskIn]) -> None:
    if ask.by.user_id is None:
        raise Refused("no-own-user", "This token belongs to no user, so it cannot have tasks.")


async def _named(services: Services, change: Awaitable[TaskView]) -> TaskView:
    """The change, with the holder's name in the refusal."""
    try:
        return await change
    except TaskTaken as error:
        names = await services.users.names()
        raise TaskTaken(str(error), holder=names.get(error.holder, error.holder)) from error


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
        path="/api/v1/tasks/{task_id}/claim",
        summary="Take a task",
        needs=Permission.TASKS_WORK,
        json=claim_task,
        body=Nothing,
        answer=TaskOut,
        errors=("task-not-found", "task-taken", "no-own-user"),
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
        errors=("task-not-found", "task-taken", "no-own-user"),
        tag="tasks",
    ),
)
