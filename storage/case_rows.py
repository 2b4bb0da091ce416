"""Cases as rows: the value of a row, the row of a value, the trail."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, RowMapping, insert, select

from access.ids import new_id
from crm.cases.applying import Actor
from crm.cases.cases import (
    By,
    Case,
    CaseEvent,
    CaseKind,
    CaseNotFound,
    CaseSource,
    CaseState,
    Due,
    Effect,
    Ending,
    Grade,
    Reached,
    Responsibility,
)
from crm.cases.rules import Rules
from crm.cases.steps import Step
from storage.tables.cases import case_events, cases

#: The engine option that holds the house's rules (`storage.database.Database.use`).
OPTION: Final = "case_rules"
_WORDS: Final[Mapping[str, Any]] = {
    "kind": CaseKind,
    "grade": Grade,
    "source": CaseSource,
    "state": CaseState,
    "due_what": Due,
    "responsibility": Responsibility,
    "effect": Effect,
    "verdict": Reached,
    "ending": Ending,
}
_NAMES: Final = tuple(one.name for one in fields(Case))
#: Most events of a trail that are read at once.
MOST_EVENTS: Final = 1000


def rules_of(connection: Connection) -> Rules:
    """The house's rules of cases."""
    found = connection.engine.get_execution_options().get(OPTION)
    return found if isinstance(found, Rules) else Rules()


def case_from(row: RowMapping) -> Case:
    """The value of a row that holds every column of `cases`."""
    values = {name: row[name] for name in _NAMES}
    for name, word in _WORDS.items():
        if values[name] is not None:
            values[name] = word(values[name])
    return Case(**values)


def row_of(case: Case) -> dict[str, Any]:
    """Column values of a case."""
    return {name: getattr(case, name) for name in _NAMES}


def changed(before: Case, after: Case) -> dict[str, Any]:
    """Columns that differ."""
    return {name: getattr(after, name) for name in _NAMES if getattr(before, name) != getattr(after, name)}


def get_case(connection: Connection, case_id: str, *, lock: bool = False) -> Case:
    """One case. Raises CaseNotFound."""
    wanted = select(cases).where(cases.c.id == case_id)
    row = connection.execute(wanted.with_for_update() if lock else wanted).mappings().one_or_none()
    if row is None:
        raise CaseNotFound("There is no such case.")
    return case_from(row)


def note(
    connection: Connection,
    case: Case,
    step: Step,
    actor: Actor,
    now: datetime,
    *,
    from_state: CaseState | None,
    words: str = "",
    data: Mapping[str, Any] | None = None,
    occasion: str | None = None,
) -> None:
    """One more line of the trail; `case` as it is afterwards, its `events` counted already."""
    connection.execute(
        insert(case_events).values(
            id=new_id(now),
            case_id=case.id,
            seq=case.events,
            at=now,
            step=step,
            by=actor.by,
            by_id=actor.id,
            by_name=actor.name[:64],
            link_id=actor.link_id,
            from_state=from_state,
            to_state=case.state,
            round=case.round,
            version=case.version,
            words=words,
            data=dict(data or {}),
            occasion=occasion,
        )
    )


def events_of(connection: Connection, case_id: str, *, after_version: int = 0) -> list[CaseEvent]:
    """The trail of a case, oldest first; with `after_version` what came after it."""
    wanted = select(case_events).where(case_events.c.case_id == case_id)
    if after_version:
        wanted = wanted.where(case_events.c.version > after_version)
    rows = connection.execute(wanted.order_by(case_events.c.seq).limit(MOST_EVENTS)).mappings()
    return [
        CaseEvent(
            **{
                **row,
                "by": By(row["by"]),
                "from_state": CaseState(row["from_state"]) if row["from_state"] else None,
                "to_state": CaseState(row["to_state"]),
            }
        )
        for row in rows
    ]
