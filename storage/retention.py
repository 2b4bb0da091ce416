"""What is past its time, kind by kind: counted, and deleted in bounded pieces; what is on legal hold stays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Table,
    and_,
    delete,
    exists,
    func,
    insert,
    literal,
    not_,
    or_,
    select,
)

from access.ids import new_id, stamp
from crm.links.links import LinkKind
from storage.tables.access import audit, sessions
from storage.tables.aftercall import (
    recording_marks,
    registration_drafts,
    registration_versions,
    registrations,
    unfiled_calls,
)
from storage.tables.calls import call_facts, call_legs, calls, switch_calls
from storage.tables.cases import case_events, case_tasks, cases
from storage.tables.links import links
from storage.tables.privacy import approvals, holds, retention_runs
from storage.tables.records import record_changes
from storage.tables.telephony import agent_changes, recordings, voicemails


@dataclass(frozen=True, kw_only=True)
class Kind:
    """One kind of data: which rows are old, and what holds them."""

    name: str
    table: Table
    #: What a piece is made of; rows with the same value go together.
    key: Column[Any]
    #: Ids begin with their time: a range of the key; else a column with the moment.
    moment: Column[Any] | None = None
    #: Whose hold keeps a row.
    held: ColumnElement[bool] | None = None
    #: Rows that go with it: table and the column that names the key.
    below: tuple[tuple[Table, Column[Any]], ...] = ()

    def old(self, before: datetime) -> ColumnElement[bool]:
        if self.moment is not None:
            return self.moment < before
        return self.key < stamp(before)


def _standing(customer_id: ColumnElement[Any]) -> ColumnElement[bool]:
    return exists().where(holds.c.customer_id == customer_id, holds.c.released_at.is_(None))


def _call_held(call_id: ColumnElement[Any]) -> ColumnElement[bool]:
    other = calls.alias("held_calls")
    return or_(
        exists().where(recordings.c.call_id == call_id, recordings.c.hold.is_(True)),
        exists().where(voicemails.c.call_id == call_id, voicemails.c.hold.is_(True)),
        exists()
        .where(other.c.id == call_id, holds.c.customer_id == other.c.customer_id)
        .where(holds.c.released_at.is_(None)),
    )


def _has_file(call_id: ColumnElement[Any]) -> ColumnElement[bool]:
    """A recording or message that is kept longer than the call: it must not lose whose it is."""
    return or_(
        exists().where(recordings.c.call_id == call_id, recordings.c.state.in_(("kept", "deleting"))),
        exists().where(voicemails.c.call_id == call_id, voicemails.c.state.in_(("new", "heard", "deleting"))),
    )


def _subject_held(subject: ColumnElement[Any]) -> ColumnElement[bool]:
    return exists().where(
        literal("customer:").concat(holds.c.customer_id) == subject, holds.c.released_at.is_(None)
    )


KINDS: Final[Mapping[str, Kind]] = {
    kind.name: kind
    for kind in (
        Kind(name="facts", table=call_facts, key=call_facts.c.call_id, held=_call_held(call_facts.c.call_id)),
        Kind(
            name="calls",
            table=calls,
            key=calls.c.id,
            moment=calls.c.started_at,
            held=or_(_call_held(calls.c.id), _has_file(calls.c.id)),
            below=(
                (call_facts, call_facts.c.call_id),
                (call_legs, call_legs.c.call_id),
                (registrations, registrations.c.call_id),
                (registration_drafts, registration_drafts.c.call_id),
                (unfiled_calls, unfiled_calls.c.call_id),
            ),
        ),
        Kind(
            name="switch_calls",
            table=switch_calls,
            key=switch_calls.c.uniqueid,
            moment=switch_calls.c.started_at,
        ),
        Kind(
            name="changes",
            table=record_changes,
            key=record_changes.c.id,
            held=_subject_held(record_changes.c.subject),
        ),
        Kind(name="audit", table=audit, key=audit.c.id, held=_subject_held(audit.c.subject)),
        Kind(
            name="approvals",
            table=approvals,
            key=approvals.c.id,
            held=_standing(approvals.c.customer_id),
        ),
        # Closed ones: what is open has no end yet, and is never past its time.
        Kind(
            name="cases",
            table=cases,
            key=cases.c.id,
            moment=cases.c.closed_at,
            held=_standing(cases.c.customer_id),
            below=((case_events, case_events.c.case_id), (case_tasks, case_tasks.c.case_id)),
        ),
        # What agents did in them; ids begin with their time.
        Kind(name="agent_changes", table=agent_changes, key=agent_changes.c.id),
        Kind(name="sessions", table=sessions, key=sessions.c.id, moment=sessions.c.seen_at),
    )
}


def due(connection: Connection, kind: Kind, before: datetime) -> tuple[int, int]:
    """How many pieces are past their time and go, and how many stay because of a hold."""
    count = select(func.count(kind.key.distinct())).where(kind.old(before))
    if kind.held is None:
        return connection.execute(count).scalar_one(), 0
    held = connection.execute(count.where(kind.held)).scalar_one()
    return connection.execute(count).scalar_one() - held, held


def delete_some(connection: Connection, kind: Kind, before: datetime, limit: int) -> int:
    """Delete at most `limit` pieces that are past their time and not held; gives how many."""
    free = kind.old(before) if kind.held is None else and_(kind.old(before), not_(kind.held))
    keys = connection.execute(
        select(kind.key).where(free).group_by(kind.key).order_by(kind.key).limit(limit)
    ).scalars()
    found = list(keys)
    if not found:
        return 0
    if kind.table is calls:
        _forget_versions_and_marks(connection, found)
    if kind.table is cases:
        connection.execute(delete(links).where(links.c.kind == LinkKind.CASE, links.c.subject.in_(found)))
    for table, column in kind.below:
        connection.execute(delete(table).where(column.in_(found)))
    connection.execute(delete(kind.table).where(kind.key.in_(found)))
    return len(found)


def _forget_versions_and_marks(connection: Connection, call_ids: Sequence[str]) -> None:
    """What hangs on a call by a row of its own: versions of its form, marks in its recordings."""
    forms = select(registrations.c.id).where(registrations.c.call_id.in_(call_ids))
    connection.execute(
        delete(registration_versions).where(registration_versions.c.registration_id.in_(forms))
    )
    files = select(recordings.c.id).where(recordings.c.call_id.in_(call_ids))
    connection.execute(delete(recording_marks).where(recording_marks.c.recording_id.in_(files)))


def note_run(
    connection: Connection, kind: str, *, at: datetime, before: datetime, deleted: int, held: int, left: int
) -> None:
    """Keep what a night did."""
    connection.execute(
        insert(retention_runs).values(
            id=new_id(at), at=at, kind=kind, before=before, deleted=deleted, held=held, remaining=left
        )
    )


def latest_runs(connection: Connection, limit: int = 50) -> list[Mapping[str, Any]]:
    """What the last nights did, newest first."""
    statement = select(retention_runs).order_by(retention_runs.c.id.desc()).limit(limit)
    return [dict(row) for row in connection.execute(statement).mappings()]
