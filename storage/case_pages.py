"""What the pages of a case read beside it: its open tasks, and the recordings of its calls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, select

from crm.tasks.tasks import TaskState
from storage.tables.access import users
from storage.tables.cases import case_tasks
from storage.tables.tasks import tasks
from storage.tables.telephony import recordings
from telephony.recordings import Recording

_MOST_TASKS: Final = 50
#: Calls of one case whose recordings a page or a paper names.
_MOST_CALLS: Final = 200


@dataclass(frozen=True, kw_only=True, slots=True)
class CaseTask:
    """An open task of a case."""

    id: str
    kind: str
    subject: str
    due_at: datetime
    owner_name: str


def open_tasks(connection: Connection, case_id: str) -> list[CaseTask]:
    """What is to be done about a case, the first due first."""
    rows = connection.execute(
        select(tasks.c.id, tasks.c.kind, tasks.c.subject, tasks.c.due_at, users.c.name)
        .join(case_tasks, case_tasks.c.task_id == tasks.c.id)
        .outerjoin(users, users.c.id == tasks.c.owner_id)
        .where(case_tasks.c.case_id == case_id, tasks.c.state == TaskState.OPEN)
        .order_by(tasks.c.due_at, tasks.c.id)
        .limit(_MOST_TASKS)
    )
    return [
        CaseTask(id=row[0], kind=row[1], subject=row[2], due_at=row[3], owner_name=row[4] or "")
        for row in rows
    ]


def recordings_of(connection: Connection, call_ids: Sequence[str]) -> list[Recording]:
    """Recordings of these calls, the oldest first."""
    wanted = list(call_ids)[:_MOST_CALLS]
    if not wanted:
        return []
    rows = connection.execute(
        select(recordings).where(recordings.c.call_id.in_(wanted)).order_by(recordings.c.started_at)
    ).mappings()
    return [Recording.from_row(row) for row in rows]
