"""Rows of contacts, their trail and their end; what a merge of customers makes of them.

Apart from `storage.contacts`, because a merge must not know of cases.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, RowMapping, select, update

from access.ids import new_id
from access.users import Principal
from crm.contacts.contacts import (
    Contact,
    ContactNotFound,
    ContactState,
    Reason,
    ReasonKind,
    ReasonState,
    Result,
    Step,
    bundle,
)
from crm.hooks.events import Event
from crm.tasks.tasks import Task, TaskId, TaskState
from storage import tasks as task_rows
from storage.bulk import insert_rows
from storage.merge_rows import Journal, change, note_since
from storage.tables.contacts import contact_events, contact_reasons, due_contacts
from storage.tables.tasks import tasks
from storage.told import tell_of_task


def contact_from(row: RowMapping) -> Contact:
    """The value of a row of `due_contacts`."""
    plain = {name: row[name] for name in Contact.__slots__}
    return Contact(
        **{
            **plain,
            "state": ContactState(row["state"]),
            "result": Result(row["result"]) if row["result"] else None,
        }
    )


def reason_from(row: RowMapping) -> Reason:
    """The value of a row of `contact_reasons`."""
    plain = {name: row[name] for name in Reason.__slots__}
    return Reason(**{**plain, "kind": ReasonKind(row["kind"]), "state": ReasonState(row["state"])})


def several(connection: Connection, contact_ids: Collection[str]) -> list[Contact]:
    """These contacts, as far as they exist."""
    rows = connection.execute(select(due_contacts).where(due_contacts.c.id.in_(list(contact_ids)))).mappings()
    return [contact_from(row) for row in rows]


def get_contact(connection: Connection, contact_id: str, *, lock: bool = False) -> Contact:
    """One contact. Raises ContactNotFound."""
    wanted = select(due_contacts).where(due_contacts.c.id == contact_id)
    row = connection.execute(wanted.with_for_update() if lock else wanted).mappings().one_or_none()
    if row is None:
        raise ContactNotFound("There is no such contact.")
    return contact_from(row)


def reasons_of(connection: Connection, contact_ids: Collection[str]) -> dict[str, list[Reason]]:
    """Reasons of contacts, open ones first, then the oldest first."""
    found: defaultdict[str, list[Reason]] = defaultdict(list)
    rows = connection.execute(
        select(contact_reasons)
        .where(contact_reasons.c.contact_id.in_(contact_ids))
        .order_by(contact_reasons.c.id)
    ).mappings()
    for row in rows:
        found[row["contact_id"]].append(reason_from(row))
    return {
        key: sorted(some, key=lambda one: one.state is not ReasonState.OPEN) for key, some in found.items()
    }


def event_row(
    contact_id: str, step: Step, now: datetime, by: Principal | None, data: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """A row of the trail."""
    return {
        "id": new_id(now),
        "contact_id": contact_id,
        "at": now,
        "step": step.value,
        "by_id": by.user_id if by else None,
        "by_name": by.name[:64] if by else "",
        "data": dict(data or {}),
    }


def note_row(connection: Connection, rows: Sequence[dict[str, Any]]) -> None:
    """Write rows of the trail."""
    insert_rows(connection, contact_events, rows)


def task_of(connection: Connection, task_id: str) -> Task:
    """The task of a contact."""
    return task_rows.get_task(connection, TaskId(task_id))


def close_row(
    connection: Connection,
    contact: Contact,
    result: Result,
    now: datetime,
    by: Principal | None,
    *,
    note: str = "",
    data: Mapping[str, Any] | None = None,
) -> Contact:
    """The contact has its result, and so has its task."""
    connection.execute(
        update(due_contacts)
        .where(due_contacts.c.id == contact.id)
        .values(
            state=ContactState.CLOSED.value,
            open_key=None,
            result=result.value,
            note=note,
            held_by=None,
            next_try_at=None,
            version=due_contacts.c.version + 1,
            closed_at=now,
            closed_by=by.user_id if by else None,
            closed_by_name=by.name[:64] if by else "",
        )
    )
    cancelled = result is Result.CANCELLED
    connection.execute(
        update(tasks)
        .where(tasks.c.id == contact.task_id, tasks.c.state == TaskState.OPEN)
        .values(
            state=(TaskState.CANCELLED if cancelled else TaskState.DONE).value,
            open_key=None,
            closed_at=now,
            closed_by=by.user_id if by else None,
            result=result.value,
        )
    )
    note_row(
        connection, [event_row(contact.id, Step.CLOSED, now, by, {"result": result.value, **(data or {})})]
    )
    tell_of_task(connection, Event.TASK_CLOSED, task_of(connection, contact.task_id), at=now)
    return get_contact(connection, contact.id)


def rebundle(connection: Connection, contact: Contact, open_ones: Sequence[Reason]) -> None:
    """Deadline and priority of what is left."""
    now_is = bundle(open_ones, {})
    if now_is is None:
        return
    connection.execute(
        update(due_contacts)
        .where(due_contacts.c.id == contact.id)
        .values(due_at=now_is.due_at, priority=now_is.priority, version=due_contacts.c.version + 1)
    )
    connection.execute(
        update(tasks)
        .where(tasks.c.id == contact.task_id, tasks.c.state == TaskState.OPEN)
        .values(due_at=now_is.due_at)
    )


def join_merged(
    connection: Connection, survivor_id: str, merged_id: str, journal: Journal, now: datetime
) -> None:
    """Two records became one: what was open of both is one contact. Called after their rows went over.

    The journal gives it back when the merge is undone; `part_unmerged` then looks at what became of it meanwhile.
    """
    rows = (
        connection.execute(
            select(due_contacts)
            .where(due_contacts.c.open_key.in_([survivor_id, merged_id]))
            .order_by(due_contacts.c.id)
            .with_for_update()
        )
        .mappings()
        .all()
    )
    if not rows:
        return
    kept = next((row for row in rows if row["open_key"] == survivor_id), rows[0])
    for row in rows:
        if row["id"] == kept["id"]:
            continue
        waiting = connection.execute(
            select(contact_reasons).where(
                contact_reasons.c.contact_id == row["id"], contact_reasons.c.state == ReasonState.OPEN
            )
        ).mappings()
        for reason in waiting.all():
            change(connection, contact_reasons, reason, {"contact_id": kept["id"]}, journal)
        task = connection.execute(select(tasks).where(tasks.c.id == row["task_id"])).mappings().one()
        note_row(connection, [event_row(kept["id"], Step.JOINED, now, None, {"contact_id": row["id"]})])
        close_row(
            connection,
            contact_from(row),
            Result.CANCELLED,
            now,
            None,
            data={"why": {"code": "merged", "into": kept["id"]}},
        )
        note_since(connection, due_contacts, row, journal, but=("version",))
        note_since(connection, tasks, task, journal)
    change(connection, due_contacts, kept, {"open_key": survivor_id}, journal)
    open_ones = [
        one
        for one in reasons_of(connection, [kept["id"]]).get(kept["id"], [])
        if one.state is ReasonState.OPEN
    ]
    rebundle(connection, contact_from(kept), open_ones)


def part_unmerged(connection: Connection, customer_ids: Collection[str], now: datetime) -> None:
    """A merge was undone: each of the two has what is open of his own. Called after their rows went back.

    What was talked about meanwhile is not asked again: a contact that has nothing left closes.
    """
    rows = (
        connection.execute(
            select(due_contacts)
            .where(due_contacts.c.customer_id.in_(list(customer_ids)), due_contacts.c.closed_at.is_(None))
            .order_by(due_contacts.c.id)
            .with_for_update()
        )
        .mappings()
        .all()
    )
    reasons = reasons_of(connection, [row["id"] for row in rows])
    for row in rows:
        contact = contact_from(row)
        left = [one for one in reasons.get(contact.id, []) if one.state is ReasonState.OPEN]
        if left:
            note_row(connection, [event_row(contact.id, Step.PARTED, now, None, {})])
            rebundle(connection, contact, left)
        else:
            why = {"why": {"code": "unmerged"}}
            close_row(connection, contact, Result.CANCELLED, now, None, data=why)
