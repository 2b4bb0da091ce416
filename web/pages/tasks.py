"""Tasks: what is due today, overdue, whose it is; claimed, closed with a result, given to somebody else."""

from __future__ import annotations

from typing import Literal

from aiohttp import web

from access.permissions import TAKES_CALLS, Permission
from crm.tasks.tasks import TaskKind
from web.api.shapes import Cursor, Id
from web.auth import Signed
from web.bodies import read_query
from web.languages import language_of
from web.pages.aftercall import readable
from web.pages.shell import show
from web.ports import TaskView
from web.ports.aftercall import TaskFilter
from web.routes import SERVICES, Route, Shape

_SHOWN = 50
SCOPES = ("today", "mine", "team", "free", "overdue", "closed")


class TasksPageQuery(Shape):
    """What the address of the page keeps."""

    scope: Literal["today", "mine", "team", "free", "overdue", "closed"] = "today"
    kind: TaskKind | Literal[""] = ""
    department: Id | Literal[""] = ""
    cursor: Cursor | None = None


#: Pages of what a task may be a step of.
_PLACES = {"contact": "/contacts", "case": "/cases", "appointment": "/appointments"}


def place_of(task: TaskView) -> str | None:
    """Address of the page where a task ends; None where it ends on its own list."""
    if task.about is None:
        return None
    what, _, id = task.about.partition(":")
    return f"{_PLACES[what]}/{id}"


async def show_tasks(request: web.Request, signed: Signed) -> web.StreamResponse:
    """The list; what is done with a task is done by the page's script."""
    services = request.app[SERVICES]
    by = signed.principal
    query = read_query(TasksPageQuery, request)
    now = services.clock.now()
    desk = services.aftercall.tasks
    page = await desk.search(
        by,
        TaskFilter(scope=query.scope, kind=query.kind or None, department=query.department or None),
        now=now,
        zone=services.zone,
        cursor=query.cursor,
        limit=_SHOWN,
    )
    language = signed.session.user.language if signed.session else language_of(request)
    labels = {name: label.get(language, name) for name, label in services.aftercall.departments.items()}
    people = (
        {
            user.id: user.name
            for user in await services.users.list()
            if user.is_enabled and user.role in TAKES_CALLS
        }
        if by.may(Permission.TASKS_ASSIGN)
        else {}
    )
    return show(
        request,
        signed,
        "tasks/list.html",
        here="tasks",
        sheets=("aftercall.css",),
        values={
            "items": page.items,
            "next": page.next,
            "counts": await desk.counts(by, now=now, zone=services.zone),
            "scopes": SCOPES,
            "kinds": [kind.value for kind in TaskKind],
            "departments": labels,
            "query": {"scope": query.scope, "kind": query.kind, "department": query.department},
            "people": people,
            "readable": readable,
            "place_of": place_of,
            "me": by.user_id,
        },
    )


ROUTES = (
    Route(
        method="GET",
        path="/tasks",
        summary="Tasks",
        needs=Permission.TASKS_READ,
        page=show_tasks,
        query=TasksPageQuery,
        media="text/html",
    ),
)
