"""Scripts: every version with its state, its text and its history; only approved ones are read to customers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, RowMapping, Select, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from access.ids import new_id
from access.sentences import SOMEBODY, Sentence
from access.users import Principal
from crm.scripts.states import (
    ScriptChanged,
    ScriptNotFound,
    ScriptVersion,
    next_state,
    writers_of,
)
from crm.versions import VersionEvent, VersionState, VersionStep
from storage.definitions import Definition, Kind, definition_from, inserting
from storage.tables.aftercall import definitions, script_events

#: Most scripts a list shows; a house has a few dozen.
_MOST: Final = 500
_HOUSE: Final = "Careline"
_OPEN: Final = (VersionState.DRAFT, VersionState.SUBMITTED)


def _rows() -> Select[Any]:
    return select(definitions).where(definitions.c.kind == Kind.SCRIPT.value)


def _row(row: RowMapping, history: Sequence[VersionEvent] = ()) -> ScriptVersion:
    return ScriptVersion(
        name=row["name"],
        version=row["version"],
        state=VersionState(row["state"]),
        body=row["body"],
        revision=row["revision"],
        at=row["at"],
        by=row["by"],
        by_name=row["by_name"],
        history=history,
    )


def in_force(connection: Connection) -> list[Definition]:
    """The approved version of each script, by name: what agents see."""
    rows = connection.execute(
        _rows().where(definitions.c.state == VersionState.APPROVED.value).order_by(definitions.c.name)
    ).mappings()
    return [definition_from(row) for row in rows]


def published(connection: Connection, name: str | None = None) -> list[Definition]:
    """Versions that were approved once, by name, the newest first; drafts and discarded ones are left out."""
    approved = (
        select(script_events.c.id)
        .where(
            script_events.c.name == definitions.c.name,
            script_events.c.version == definitions.c.version,
            script_events.c.step == VersionStep.APPROVE.value,
        )
        .exists()
    )
    statement = _rows().where(approved).order_by(definitions.c.name, definitions.c.version.desc())
    if name is not None:
        statement = statement.where(definitions.c.name == name)
    rows = connection.execute(statement.limit(_MOST)).mappings()
    return [definition_from(row) for row in rows]


def list_versions(connection: Connection) -> list[ScriptVersion]:
    """Of each script the version in force and the newest one, the newest first, with their history."""
    newest = (
        select(definitions.c.name, func.max(definitions.c.version).label("version"))
        .where(definitions.c.kind == Kind.SCRIPT.value)
        .group_by(definitions.c.name)
        .subquery()
    )
    rows = connection.execute(
        _rows()
        .join(newest, newest.c.name == definitions.c.name)
        .where(
            (definitions.c.version == newest.c.version) | (definitions.c.state == VersionState.APPROVED.value)
        )
        .order_by(definitions.c.name, definitions.c.version.desc())
        .limit(_MOST)
    ).mappings()
    found = list(rows)
    events = _events(connection, script_events.c.version.in_({row["version"] for row in found}))
    return [_row(row, events.get((row["name"], row["version"]), ())) for row in found]


def _events(connection: Connection, which: ColumnElement[bool]) -> dict[tuple[str, int], list[VersionEvent]]:
    statement = select(script_events).where(which).order_by(script_events.c.id)
    found: dict[tuple[str, int], list[VersionEvent]] = {}
    for one in connection.execute(statement).mappings():
        found.setdefault((one["name"], one["version"]), []).append(
            VersionEvent(
                at=one["at"],
                step=VersionStep(one["step"]),
                by=one["by"],
                by_name=one["by_name"],
                why=one["why"],
            )
        )
    return found


def versions_of(connection: Connection, name: str) -> list[ScriptVersion]:
    """Every version with its history, the newest first. Raises ScriptNotFound."""
    events = _events(connection, script_events.c.name == name)
    rows = connection.execute(
        _rows().where(definitions.c.name == name).order_by(definitions.c.version.desc()).limit(200)
    ).mappings()
    found = [_row(row, events.get((name, row["version"]), ())) for row in rows]
    if not found:
        raise ScriptNotFound("There is no such script.")
    return found


def get_version(connection: Connection, name: str, version: int, *, lock: bool = False) -> ScriptVersion:
    """One version with its history. Raises ScriptNotFound."""
    statement = _rows().where(definitions.c.name == name, definitions.c.version == version)
    if lock:
        statement = statement.with_for_update()
    row = connection.execute(statement).mappings().one_or_none()
    if row is None:
        raise ScriptNotFound("There is no such version of the script.")
    return _row(row, _events(connection, script_events.c.name == name).get((name, version), ()))


# -- writing ------------------------------------------------------------------------------------------


def note(
    connection: Connection,
    name: str,
    version: int,
    step: VersionStep,
    *,
    by: Principal | None,
    why: str,
    now: datetime,
) -> None:
    """One more line of a version's history."""
    connection.execute(
        insert(script_events).values(
            id=new_id(now),
            name=name,
            version=version,
            at=now,
            step=step.value,
            by=by.user_id if by is not None else None,
            by_name=by.name[:64] if by is not None else _HOUSE,
            why=why.strip()[:1000],
        )
    )


def begin_draft(
    connection: Connection, name: str, *, body: Mapping[str, Any], by: Principal, now: datetime
) -> ScriptVersion:
    """The next version as a draft, or the one that is in work already."""
    last = (
        connection.execute(
            _rows().where(definitions.c.name == name).order_by(definitions.c.version.desc()).limit(1)
        )
        .mappings()
        .one_or_none()
    )
    if last is not None and last["state"] in _OPEN:
        return get_version(connection, name, last["version"])
    version = 1 if last is None else last["version"] + 1
    try:
        with connection.begin_nested():
            connection.execute(
                insert(definitions).values(
                    kind=Kind.SCRIPT.value,
                    name=name,
                    version=version,
                    body=dict(body) | {"name": name},
                    retired=False,
                    at=now,
                    by=by.user_id,
                    by_name=by.name[:64],
                    why="",
                    state=VersionState.DRAFT.value,
                    revision=1,
                )
            )
    except IntegrityError:  # somebody was first
        return get_version(connection, name, version)
    note(connection, name, version, VersionStep.WRITE, by=by, why="", now=now)
    return get_version(connection, name, version)


def save_draft(
    connection: Connection,
    name: str,
    version: int,
    body: Mapping[str, Any],
    *,
    revision: int,
    by: Principal,
    now: datetime,
) -> ScriptVersion:
    """Keep the text of a draft, finished or not. Raises ScriptNotFound, ScriptStep, ScriptChanged."""
    before = get_version(connection, name, version, lock=True)
    last = before.history[-1] if before.history else None
    next_state(before.state, VersionStep.WRITE, by=by.user_id, writers=(), why="", last=last)
    given = dict(body) | {"name": name}
    if before.revision != revision:
        if dict(before.body) == given:
            return before  # the answer to the same saving was lost
        raise ScriptChanged(
            Sentence(
                "{holder} has saved this draft meanwhile. Nothing of yours was saved; your text is still on the page.",
                holder=before.by_name or SOMEBODY,
            ),
            holder=before.by_name,
            version=before.revision,
        )
    connection.execute(
        _change(name, version).values(
            body=given, revision=before.revision + 1, at=now, by=by.user_id, by_name=by.name[:64]
        )
    )
    # One line however often the same person saves.
    if last is None or last.step is not VersionStep.WRITE or last.by != by.user_id:
        note(connection, name, version, VersionStep.WRITE, by=by, why="", now=now)
    return get_version(connection, name, version)


def take_step(
    connection: Connection,
    name: str,
    version: int,
    step: VersionStep,
    *,
    revision: int | None,
    by: Principal,
    why: str,
    now: datetime,
) -> ScriptVersion:
    """Submit, take back, send back, approve, retire or discard. What is approved replaces what was read before.

    `revision` is the text the person decided on. Raises ScriptNotFound, ScriptStep, ScriptChanged.
    """
    before = get_version(connection, name, version, lock=True)
    state = next_state(
        before.state,
        step,
        by=by.user_id,
        writers=writers_of(before.history),
        why=why,
        last=before.history[-1] if before.history else None,
    )
    if revision is not None and revision != before.revision:
        raise ScriptChanged(
            Sentence(
                "{holder} has changed the text since you read it. Nothing was done; look at it again.",
                holder=before.by_name or SOMEBODY,
            ),
            holder=before.by_name,
            version=before.revision,
        )
    if step is VersionStep.APPROVE:
        _replace(connection, name, by=by, now=now, why=f"v{version}")
    _set(connection, name, version, state)
    note(connection, name, version, step, by=by, why=why, now=now)
    return replace(before, state=state, history=get_version(connection, name, version).history)


def _replace(connection: Connection, name: str, *, by: Principal, now: datetime, why: str) -> None:
    read = connection.execute(
        select(definitions.c.version)
        .where(
            definitions.c.kind == Kind.SCRIPT.value,
            definitions.c.name == name,
            definitions.c.state == VersionState.APPROVED.value,
        )
        .with_for_update()
    ).scalars()
    for older in read.all():
        _set(connection, name, older, VersionState.RETIRED)
        note(connection, name, older, VersionStep.REPLACE, by=by, why=why, now=now)


def _change(name: str, version: int) -> Any:
    return update(definitions).where(
        definitions.c.kind == Kind.SCRIPT.value,
        definitions.c.name == name,
        definitions.c.version == version,
    )


def _set(connection: Connection, name: str, version: int, state: VersionState) -> None:
    retired = state is VersionState.RETIRED
    connection.execute(_change(name, version).values(state=state.value, retired=retired))


def seed(connection: Connection, name: str, body: Mapping[str, Any], now: datetime) -> bool:
    """Version 1 of a script the database does not have, approved by the installation; True where it was added."""
    row = inserting(connection, definitions).values(
        kind=Kind.SCRIPT.value,
        name=name,
        version=1,
        body=dict(body),
        retired=False,
        at=now,
        by=None,
        by_name=_HOUSE,
        why="",
        state=VersionState.APPROVED.value,
        revision=1,
    )
    added = connection.execute(row.on_conflict_do_nothing().returning(definitions.c.name))
    if added.scalar_one_or_none() is None:
        return False
    for step in (VersionStep.WRITE, VersionStep.APPROVE):
        note(connection, name, 1, step, by=None, why="", now=now)
    return True
