"""Every night: what is past its time goes, kind by kind, in bounded pieces; what was done is kept and shown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from sqlalchemy import Connection

from access.options import RetentionOptions
from storage import retention
from storage.database import Database
from storage.retention import KINDS, Kind

log = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class Night:
    """What happened, or would happen, with one kind of data."""

    kind: str
    before: datetime
    deleted: int
    #: Past their time and kept by a legal hold.
    held: int
    #: Past their time and left for the next night.
    left: int


def limits(options: RetentionOptions, now: datetime) -> Iterator[tuple[Kind, datetime]]:
    """Each kind and the moment before which it is past its time; kinds kept for ever are left out."""
    days = {
        "facts": options.facts_days,
        "calls": options.calls_days,
        "switch_calls": options.calls_days,
        "agent_changes": options.calls_days,
        "changes": options.changes_days,
        "audit": options.audit_days,
        "approvals": options.approvals_days,
        "cases": options.cases_days,
        "responses": options.responses_days,
        "contacts": options.contacts_days,
        "targets": options.contacts_days,
        "appointments": options.appointments_days,
        "tasks": options.tasks_days,
        "links": options.links_days,
        "maker_visits": options.maker_days,
        "maker_files": options.maker_days,
        "problem_lists": options.reports_days,
        "reports": options.reports_days,
        "work_reports": options.work_reports_days,
        "sessions": options.sessions_days,
    }
    for name, kind in KINDS.items():
        if days[name]:
            yield kind, now - timedelta(days=days[name])


async def run(database: Database, options: RetentionOptions, now: datetime) -> Sequence[Night]:
    """Delete what is past its time. Raises StorageUnavailable; the next night goes on where this one ended."""
    nights = []
    for kind, before in limits(options, now):
        deleted = 0
        for _piece in range(options.most_batches):

            def work(connection: Connection, kind: Kind = kind, before: datetime = before) -> int:
                return retention.delete_some(connection, kind, before, options.batch)

            gone = await database.write(work)
            deleted += gone
            if gone < options.batch:
                break

        def look(connection: Connection, kind: Kind = kind, before: datetime = before) -> tuple[int, int]:
            return retention.due(connection, kind, before)

        left, held = await database.read(look)
        night = Night(kind=kind.name, before=before, deleted=deleted, held=held, left=left)
        nights.append(night)
        if deleted or held or left:

            def note(connection: Connection, night: Night = night) -> None:
                retention.note_run(
                    connection,
                    night.kind,
                    at=now,
                    before=night.before,
                    deleted=night.deleted,
                    held=night.held,
                    left=night.left,
                )

            await database.write(note)
            log.info(
                "past their time", action="retention", kind=night.kind, deleted=deleted, held=held, left=left
            )
    return nights


async def rehearse(database: Database, options: RetentionOptions, now: datetime) -> Sequence[Night]:
    """What a night would delete; nothing is changed. `left` is what one night would not get to."""
    nights = []
    for kind, before in limits(options, now):

        def look(connection: Connection, kind: Kind = kind, before: datetime = before) -> tuple[int, int]:
            return retention.due(connection, kind, before)

        going, held = await database.read(look)
        most = options.batch * options.most_batches
        nights.append(
            Night(
                kind=kind.name, before=before, deleted=min(going, most), held=held, left=max(going - most, 0)
            )
        )
    return nights
