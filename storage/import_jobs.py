"""Imports as rows: state, choices, progress, faults, and the columns kept for the next list of a source."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, RowMapping, delete, insert, select, tuple_, update
from sqlalchemy.dialects import postgresql, sqlite

from crm.imports.fields import ImportKind
from crm.imports.jobs import (
    ENDED,
    WORKING,
    Choice,
    Counts,
    ImportJob,
    ImportNotFound,
    ImportNotPossible,
    ImportState,
    choice_of,
)
from storage.tables.imports import import_columns, import_faults, import_jobs, import_undo
from storage.told import tell_of_import

#: Most rows of one page.
LONGEST_PAGE = 200


def job_from(row: RowMapping) -> ImportJob:
    """The value of a row."""
    return ImportJob(
        id=row["id"],
        kind=ImportKind(row["kind"]),
        source=row["source"],
        state=ImportState(row["state"]),
        worker=row["worker"],
        file_name=row["file_name"],
        file_bytes=row["file_bytes"],
        created_at=row["created_at"],
        by_id=row["by_id"],
        by_name=row["by_name"],
        found=row["found"],
        choice=choice_of(row["choice"]),
        total=row["total"],
        counts=Counts(
            done=row["done"],
            added=row["added"],
            changed=row["changed"],
            unchanged=row["unchanged"],
            refused=row["refused"],
        ),
        place=row["place"],
        examples=row["examples"],
        stop_wanted=row["stop_wanted"],
        error_id=row["error_id"],
        error_values=row["error_values"],
        started_at=row["started_at"],
        ended_at=row["ended_at"],
        cleared_at=row["cleared_at"],
    )


def insert_job(connection: Connection, job: ImportJob) -> None:
    """Add an import."""
    connection.execute(
        insert(import_jobs).values(
            id=job.id,
            kind=job.kind,
            source=job.source,
            state=job.state,
            worker=job.worker,
            file_name=job.file_name[:200],
            file_bytes=job.file_bytes,
            created_at=job.created_at,
            by_id=job.by_id,
            by_name=job.by_name[:64],
            found=dict(job.found),
            choice=job.choice.as_json(),
            total=job.total,
            place=job.place,
            examples={},
            stop_wanted=False,
            error_id="",
            error_values={},
            **asdict(job.counts),
        )
    )


def get_job(connection: Connection, job_id: str) -> ImportJob:
    """One import. Raises ImportNotFound."""
    row = connection.execute(select(import_jobs).where(import_jobs.c.id == job_id)).mappings().one_or_none()
    if row is None:
        raise ImportNotFound("There is no such import.")
    return job_from(row)


def lock_job(connection: Connection, job_id: str) -> ImportState | None:
    """Keep others from changing the job until this transaction ends; its state, None where it is not there."""
    statement = select(import_jobs.c.state).where(import_jobs.c.id == job_id).with_for_update()
    state = connection.execute(statement).scalar_one_or_none()
    return None if state is None else ImportState(state)


def list_jobs(
    connection: Connection, *, before: tuple[datetime, str] | None = None, limit: int = 50
) -> list[ImportJob]:
    """Imports newest first; `before` is moment and id of the last one seen."""
    wanted = select(import_jobs).order_by(import_jobs.c.created_at.desc(), import_jobs.c.id.desc())
    if before is not None:
        wanted = wanted.where(tuple_(import_jobs.c.created_at, import_jobs.c.id) < before)
    rows = connection.execute(wanted.limit(min(max(limit, 1), LONGEST_PAGE))).mappings()
    return [job_from(row) for row in rows]


def unfinished_jobs(connection: Connection, worker: str) -> list[str]:
    """Ids of imports this worker was at, oldest first."""
    wanted = (
        select(import_jobs.c.id)
        .where(import_jobs.c.worker == worker, import_jobs.c.state.in_([state.value for state in WORKING]))
        .order_by(import_jobs.c.id)
    )
    return list(connection.execute(wanted).scalars())


def jobs_to_clear(connection: Connection, before: datetime, limit: int = 100) -> list[str]:
    """Imports older than this whose files are still there and that nobody works on."""
    wanted = (
        select(import_jobs.c.id)
        .where(
            import_jobs.c.created_at < before,
            import_jobs.c.cleared_at.is_(None),
            import_jobs.c.state.not_in([state.value for state in WORKING]),
        )
        .limit(limit)
    )
    return list(connection.execute(wanted).scalars())


def move(
    connection: Connection,
    job_id: str,
    to: ImportState,
    *,
    out_of: Iterable[ImportState],
    choice: Choice | None = None,
    **values: Any,
) -> None:
    """Change the state, and what goes with it; other systems hear of the end.

    Raises ImportNotFound, ImportNotPossible where it is in another state.
    """
    if choice is not None:
        values["choice"] = choice.as_json()
    moved = (
        update(import_jobs)
        .where(import_jobs.c.id == job_id, import_jobs.c.state.in_([state.value for state in out_of]))
        .values(state=to.value, **values)
    )
    if connection.execute(moved).rowcount != 1:
        raise ImportNotPossible(get_job(connection, job_id).state)
    if to in ENDED and to is not ImportState.REFUSED:
        tell_of_import(connection, get_job(connection, job_id))


def note_progress(
    connection: Connection, job_id: str, counts: Counts, *, place: int | None = None, **values: Any
) -> bool:
    """Write how far the work is; returns whether somebody wants it to stop."""
    if place is not None:
        values["place"] = place
    changed = (
        update(import_jobs)
        .where(import_jobs.c.id == job_id)
        .values(**asdict(counts), **values)
        .returning(import_jobs.c.stop_wanted)
    )
    return bool(connection.execute(changed).scalar_one_or_none())


def lock_progress(connection: Connection, job_id: str) -> tuple[int, Counts, bool]:
    """How far the work is, its counts, and whether somebody wants it to stop; nobody else changes them until this
    transaction ends. Raises ImportNotFound.
    """
    wanted = select(import_jobs).where(import_jobs.c.id == job_id).with_for_update()
    row = connection.execute(wanted).mappings().one_or_none()
    if row is None:
        raise ImportNotFound("There is no such import.")
    job = job_from(row)
    return job.place, job.counts, job.stop_wanted


def want_stop(connection: Connection, job_id: str) -> None:
    """Ask the work to stop at its next batch. Raises ImportNotFound, ImportNotPossible where nobody works on it."""
    asked = (
        update(import_jobs)
        .where(import_jobs.c.id == job_id, import_jobs.c.state.in_([state.value for state in WORKING]))
        .values(stop_wanted=True)
    )
    if connection.execute(asked).rowcount != 1:
        raise ImportNotPossible(get_job(connection, job_id).state)


def note_cleared(connection: Connection, job_id: str, at: datetime, *, why: str = "") -> None:
    """Its files are gone, and with them what they said of people. `why`: not for their age, but this."""
    gone = update(import_jobs).where(import_jobs.c.id == job_id)
    said: dict[str, Any] = {"error_id": why, "error_values": {}} if why else {}
    connection.execute(gone.values(cleared_at=at, found={}, examples={}, **said))


# -- faults -------------------------------------------------------------------------------------------


def forget_faults(connection: Connection, job_id: str) -> None:
    """Before a trial or a run is begun anew."""
    connection.execute(delete(import_faults).where(import_faults.c.job_id == job_id))


def add_faults(connection: Connection, job_id: str, rows: Sequence[tuple[int, list[Any]]]) -> None:
    """Keep why rows did not go in; again is harmless."""
    if not rows:
        return
    engine = postgresql if connection.dialect.name == "postgresql" else sqlite
    adding = engine.insert(import_faults).on_conflict_do_nothing()
    connection.execute(adding, [{"job_id": job_id, "row": row, "faults": faults} for row, faults in rows])


def list_faults(
    connection: Connection, job_id: str, *, after: int = 0, limit: int = 100
) -> list[tuple[int, list[Any]]]:
    """Row numbers above `after` with their reasons, in order."""
    wanted = (
        select(import_faults.c.row, import_faults.c.faults)
        .where(import_faults.c.job_id == job_id, import_faults.c.row > after)
        .order_by(import_faults.c.row)
        .limit(limit)
    )
    return [(row[0], row[1]) for row in connection.execute(wanted)]


# -- columns kept for a source ------------------------------------------------------------------------


def kept_columns(
    connection: Connection, kind: ImportKind, source: str
) -> tuple[Mapping[str, str], Mapping[str, str]]:
    """Columns (name as compared, to field) and fixed values chosen last for this source; empty where none."""
    row = connection.execute(
        select(import_columns.c.columns, import_columns.c.fixed).where(
            import_columns.c.kind == kind.value, import_columns.c.source == source
        )
    ).one_or_none()
    return ({}, {}) if row is None else (row[0], row[1])


def keep_columns(
    connection: Connection,
    kind: ImportKind,
    source: str,
    columns: Mapping[str, str],
    fixed: Mapping[str, str],
    *,
    at: datetime,
    by_name: str,
) -> None:
    """Keep what was chosen for the next list of this source."""
    engine = postgresql if connection.dialect.name == "postgresql" else sqlite
    values = {"columns": dict(columns), "fixed": dict(fixed), "at": at, "by_name": by_name[:64]}
    adding = engine.insert(import_columns).values(kind=kind.value, source=source, **values)
    connection.execute(adding.on_conflict_do_update(index_elements=["kind", "source"], set_=values))


def known_sources(connection: Connection) -> list[str]:
    """Sources that lists came from, for a choice."""
    wanted = select(import_columns.c.source).distinct().order_by(import_columns.c.source).limit(100)
    return list(connection.execute(wanted).scalars())


# -- taking back --------------------------------------------------------------------------------------


def keep_undo(connection: Connection, job_id: str, batch: int, writes: list[Any]) -> None:
    """Keep what a batch has written, in its transaction."""
    connection.execute(insert(import_undo).values(job_id=job_id, batch=batch, writes=writes))


def last_undo(connection: Connection, job_id: str) -> tuple[int, list[Any]] | None:
    """The last batch that has not been taken back."""
    row = connection.execute(
        select(import_undo.c.batch, import_undo.c.writes)
        .where(import_undo.c.job_id == job_id)
        .order_by(import_undo.c.batch.desc())
        .limit(1)
    ).one_or_none()
    return None if row is None else (row[0], row[1])


def forget_undo(connection: Connection, job_id: str, batch: int | None = None) -> None:
    """One batch was taken back, or (None) all are in for good."""
    gone = delete(import_undo).where(import_undo.c.job_id == job_id)
    connection.execute(gone if batch is None else gone.where(import_undo.c.batch == batch))
