"""Lists of cases as pages and the API show them, and how many there are."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

from sqlalchemy import ColumnElement, Connection, literal, or_, select, tuple_

from access.users import Principal
from crm.cases.cases import Case, CaseKind, CaseSource, CaseState, Grade
from storage.case_rows import case_from
from storage.sight import in_reach
from storage.tables.cases import cases
from storage.tables.records import vehicles

Which = Literal["open", "overdue", "closed", "all"]
#: Counting stops here: a page says "999+".
_MOST_COUNTED: Final = 1000


@dataclass(frozen=True, kw_only=True, slots=True)
class Wanted:
    """Which cases; everything given must hold."""

    which: Which = "open"
    state: CaseState | None = None
    kind: CaseKind | None = None
    grade: Grade | None = None
    source: CaseSource | None = None
    department: str | None = None
    handler_id: str | None = None
    free: bool = False
    customer_id: str | None = None
    vehicle_id: str | None = None
    text: str = ""
    since: datetime | None = None
    until: datetime | None = None


def search(
    connection: Connection,
    viewer: Principal,
    wanted: Wanted,
    now: datetime,
    *,
    after: tuple[datetime, str] | None = None,
    limit: int = 50,
) -> list[Case]:
    """A page of cases: open ones the first due first, closed ones the last closed first, all the newest first.

    `after` is the sort value and id of the last one seen.
    """
    conditions = [seen_by(connection, viewer, now), *_conditions(wanted, now)]
    column = sorted_by(wanted.which)
    rising = wanted.which in ("open", "overdue")
    if after is not None:
        place = tuple_(literal(after[0], column.type), literal(after[1]))
        row = tuple_(column, cases.c.id)
        conditions.append(row > place if rising else row < place)
    order = (column, cases.c.id) if rising else (column.desc(), cases.c.id.desc())
    rows = connection.execute(select(cases).where(*conditions).order_by(*order).limit(min(limit, 201)))
    return [case_from(row) for row in rows.mappings()]


def seen_by(connection: Connection, viewer: Principal, now: datetime | None) -> ColumnElement[bool]:
    """For a statement over `cases`: those of customers in this person's scope, and those he is in charge of."""
    within = in_reach(connection, viewer, cases.c.customer_id, now)
    return within if viewer.user_id is None else or_(within, cases.c.handler_id == viewer.user_id)


def sorted_by(which: Which) -> Any:
    """The column a list is sorted by."""
    return {"closed": cases.c.closed_at, "all": cases.c.opened_at}.get(which, cases.c.due_at)


def _conditions(wanted: Wanted, now: datetime) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    match wanted.which:
        case "open":
            found.append(cases.c.due_at.is_not(None))  # NULL once closed; the index holds the open ones
        case "overdue":
            found.append(cases.c.due_at < now)
        case "closed":
            found.append(cases.c.closed_at.is_not(None))
    for name in ("state", "kind", "grade", "source", "department", "handler_id", "customer_id", "vehicle_id"):
        value = getattr(wanted, name)
        if value is not None:
            found.append(cases.c[name] == value)
    if wanted.free:
        found.append(cases.c.handler_id.is_(None))
    if wanted.since is not None:
        found.append(cases.c.opened_at >= wanted.since)
    if wanted.until is not None:
        found.append(cases.c.opened_at < wanted.until)
    if text := wanted.text.strip():
        like = f"%{text.replace('!', '!!').replace('%', '!%').replace('_', '!_')}%"
        found.append(
            or_(
                cases.c.number == text.upper(),
                *(one.ilike(like, escape="!") for one in (cases.c.number, cases.c.subject, cases.c.words)),
            )
        )
    return found


def counts(
    connection: Connection, viewer: Principal, now: datetime, department: str | None = None
) -> dict[str, int]:
    """Open cases by state, and how many are overdue, the viewer's, nobody's; of what he may see, up to a thousand."""
    seen: list[ColumnElement[bool]] = [
        seen_by(connection, viewer, now),
        cases.c.due_at.is_not(None),
    ]
    if department is not None:
        seen.append(cases.c.department == department)
    some = select(cases.c.state, cases.c.due_at, cases.c.handler_id).where(*seen).limit(_MOST_COUNTED)
    rows = connection.execute(some).all()
    found: dict[str, int] = {}
    for row in rows:
        found[row.state] = found.get(row.state, 0) + 1
    found["open"] = len(rows)
    found["overdue"] = sum(row.due_at < now for row in rows)
    found["mine"] = sum(viewer.user_id is not None and row.handler_id == viewer.user_id for row in rows)
    found["free"] = sum(row.handler_id is None for row in rows)
    return found


def vehicle_names(connection: Connection, vehicle_ids: Collection[str]) -> dict[str, tuple[str, str]]:
    """Plate and model of these vehicles."""
    rows = connection.execute(
        select(vehicles.c.id, vehicles.c.plate, vehicles.c.brand, vehicles.c.model).where(
            vehicles.c.id.in_(list(vehicle_ids))
        )
    )
    return {
        row.id: (row.plate or "", " ".join(part for part in (row.brand, row.model) if part)) for row in rows
    }
