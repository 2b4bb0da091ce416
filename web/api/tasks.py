"""Tasks: what a person must do by a time."""

from __future__ import annotations

from access.audit import Action
from access.permissions import Permission
from web.api.shapes import CloseTaskIn, TaskOut, TasksOut, TasksQuery
from web.routes import Ask, Nothing, Route


async def list_tasks(ask: Ask[TasksQuery, Nothing]) -> TasksOut:
    """Tasks the asker may see."""
    page = await ask.services.tasks.list(
        ask.by, state=ask.query.state, cursor=ask.query.cursor, limit=ask.query.limit
    )
    return TasksOut(items=[TaskOut.model_validate(item) for item in page.items], next=page.next)


async def claim_task(ask: Ask[Nothing, Nothing]) -> TaskOut:
    """Take a task."""
    task = await ask.services.tasks.claim(ask.by, ask.path["task_id"], ask.now)
    await ask.services.audit.append(ask.entry(Action.TASK_CLAIMED, f"task:{task.id}"))
    return TaskOut.model_validate(task)


async def close_task(ask: Ask[Nothing, CloseTaskIn]) -> TaskOut:
    """Finish a task with a result."""
    task = await ask.services.tasks.close(ask.by, ask.path["task_id"], ask.body.result, ask.now)
    await ask.services.audit.append(ask.entry(Action.TASK_CLOSED, f"task:{task.id}"))
    return TaskOut.model_validate(task)


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
        errors=("task-not-found", "task-taken"),
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
        errors=("task-not-found", "task-taken"),
        tag="tasks",
    ),
)
