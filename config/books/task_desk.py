"""Tasks made, given and listed by people, over the database."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from access.audit import Entry
from access.masking import mask_name, mask_number, mask_text
from access.requests import Answer, Once
from access.users import Principal
from config.books.registrations import Due, read_cursor, visible
from crm.records.customers import CustomerNotFound
from crm.tasks.tasks import Task, TaskError, TaskKind, about, is_notice
from storage import audit, customers, idempotency, task_lists, tasks, users
from storage.database import Database
from storage.sight import Sight, sight, sights
from web.ports import TaskPage, TaskView
from web.ports.aftercall import NewTask, TaskFilter

#: Minutes of working time until a task made by hand is due, where nobody says another time.
_DUE_MINUTES = 240


class NoSuchDepartment(TaskError):
    """The department is not one of the settings."""

    error_id = "no-such-department"


class DuePassed(TaskError):
    """The time a task is due at has passed already."""

    error_id = "due-in-the-past"


class TaskDeskBook:
    """`web.ports.aftercall.TaskDesk` over the database."""

    def __init__(self, database: Database, *, due: Due, departments: Mapping[str, Mapping[str, str]]) -> None:
        self._database = database
        self._due = due
        self._departments = departments

    async def create(self, viewer: Principal, new: NewTask, once: Once | None, entry: Entry) -> TaskView:
        now = entry.at
        if new.department and new.department not in self._departments:
            raise NoSuchDepartment("There is no such department. No task was made.")
        if new.due_at is not None and new.due_at <= now:
            raise DuePassed("This time has passed already. No task was made.")

        def work(connection: Connection) -> TaskView:
            names = users.user_names(connection)
            if once is not None:
                answer = Answer(status=201, body={"task_id": entry.id}, at=now)
                kept = idempotency.answer_once(connection, once, answer)
                if kept is not answer:
                    first = tasks.task_of_occasion(connection, f"made {kept.body['task_id']}")
                    return view_of(first, viewer, names)
            call = visible(connection, viewer, new.call_id) if new.call_id else None
            customer_id = new.customer_id or (call.customer_id if call else None)
            if customer_id is not None:
                customers.get_customer(connection, customer_id)
                # Whoever had the call may follow it up, also where the record is another agent's.
                if new.customer_id and sight(connection, viewer, customer_id, now) is Sight.NONE:
                    raise CustomerNotFound("There is no such customer.")
            if new.owner_id is not None:
                users.get_user(connection, new.owner_id)
            task, _made = tasks.add_task(
                connection,
                kind=TaskKind(new.kind),
                occasion=f"made {entry.id}",
                now=now,
                due_at=new.due_at or self._due(now, _DUE_MINUTES),
                subject=new.subject,
                number=call.number if call else None,
                customer_id=customer_id,
                call_id=new.call_id,
                queue=call.queue if call else None,
                owner_id=new.owner_id,
                department=new.department,
                made_by=viewer.user_id,
            )
            audit.append(connection, entry)
            return view_of(task, viewer, names)

        return await self._database.write(work)

    async def assign(self, viewer: Principal, task_id: str, owner_id: str | None, entry: Entry) -> TaskView:
        def work(connection: Connection) -> Task:
            task_lists.require_seen(connection, viewer, task_id, entry.at)
            if owner_id is not None:
                users.get_user(connection, owner_id)
            return tasks.assign_task(connection, task_id, owner_id)

        return await self._change(work, viewer, entry)

    async def release(self, viewer: Principal, task_id: str, entry: Entry) -> TaskView:
        return await self._change(
            lambda connection: tasks.release_task(connection, task_id, viewer.user_id or ""), viewer, entry
        )

    async def _change(
        self, change: Callable[[Connection], Task], viewer: Principal, entry: Entry
    ) -> TaskView:
        def work(connection: Connection) -> TaskView:
            task = change(connection)
            audit.append(connection, entry)
            return views_of(connection, [task], viewer, entry.at)[0]

        return await self._database.write(work)

    async def search(
        self,
        viewer: Principal,
        wanted: TaskFilter,
        *,
        now: datetime,
        zone: str,
        cursor: str | None,
        limit: int,
    ) -> TaskPage:
        after = read_cursor(cursor)

        def work(connection: Connection) -> TaskPage:
            found = task_lists.search(
                connection,
                viewer,
                scope=wanted.scope,
                now=now,
                today_ends=end_of_day(now, zone),
                kind=wanted.kind,
                department=wanted.department,
                owner_id=wanted.owner_id,
                after=after,
                limit=limit + 1,
            )
            kept = found[:limit]
            following = None
            if len(found) > limit:
                last = kept[-1]
                moment = (last.closed_at if wanted.scope == "closed" else last.due_at) or last.due_at
                following = f"{moment.isoformat()}~{last.id}"
            return TaskPage(items=views_of(connection, kept, viewer, now), next=following)

        return await self._database.read(work)

    async def counts(self, viewer: Principal, *, now: datetime, zone: str) -> Mapping[str, int]:
        return await self._database.read(
            lambda connection: task_lists.counts(
                connection, viewer, now=now, today_ends=end_of_day(now, zone)
            )
        )


def end_of_day(now: datetime, zone: str) -> datetime:
    """Midnight at the house."""
    local = now.astimezone(ZoneInfo(zone))
    return local.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)


def views_of(
    connection: Connection, found: Sequence[Task], viewer: Principal, now: datetime
) -> list[TaskView]:
    """Tasks as this viewer may see them, with the names of whose they are."""
    names = users.user_names(connection)
    ids = {task.customer_id for task in found if task.customer_id}
    seen = sights(connection, viewer, ids, now)
    people = customers.display_names(connection, ids)
    shown = {
        one: name if seen.get(one) is Sight.OPEN else mask_name(name)
        for one, name in people.items()
        if seen.get(one, Sight.NONE) is not Sight.NONE
    }
    return [view_of(task, viewer, names, shown.get(task.customer_id or "")) for task in found]


def view_of(
    task: Task, viewer: Principal, names: Mapping[str, str], customer_name: str | None = None
) -> TaskView:
    """The task with what this viewer may not see hidden."""
    sees = viewer.sees_numbers
    values: dict[str, Any] = {
        "subject": task.subject if sees else mask_text(task.subject),
        "result": task.result if sees or not task.result else mask_text(task.result),
        "number": task.number if sees or not task.number else mask_number(task.number),
    }
    return TaskView(
        id=task.id,
        kind=task.kind.value,
        state=task.state.value,
        due_at=task.due_at,
        created_at=task.created_at,
        customer_id=task.customer_id,
        call_id=task.call_id,
        owner_id=task.owner_id,
        owner_name=names.get(task.owner_id or ""),
        closed_at=task.closed_at,
        department=task.department,
        made_by=names.get(task.made_by or ""),
        customer_name=customer_name,
        about=about(task),
        notice=is_notice(task),
        **values,
    )
