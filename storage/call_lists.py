"""Lists of calls for people: scope and masks are applied here, so nothing unmasked leaves the data layer.

Pages follow a cursor (value and id of the last row), never an offset, so page a thousand costs as much as
the first. What an agent may see is two index ranges, merged: an OR over both would read the whole log.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, and_, false, literal, select, true, tuple_

from access.masking import mask_values
from access.permissions import Permission
from access.users import Principal
from storage.calls import by_id, by_ids, facts_of
from storage.tables.access import users
from storage.tables.calls import calls
from telephony.call_lists import (
    LARGEST_PAGE,
    BadCursor,
    CallDetail,
    CallFilter,
    CallPage,
    CallScope,
    CallSort,
    FactView,
    make_cursor,
    may_see,
    read_cursor,
    view_of,
)
from telephony.calls import Call
from telephony.facts import Fact

#: Column and whether the largest comes first. There is no other way to order the list.
_ORDERS: Final[Mapping[CallSort, tuple[Any, bool]]] = {
    CallSort.NEWEST: (calls.c.started_at, True),
    CallSort.OLDEST: (calls.c.started_at, False),
    CallSort.LONGEST_WAIT: (calls.c.wait_seconds, True),
    CallSort.LONGEST_TALK: (calls.c.talk_seconds, True),
}
#: More calls than any trunk carries at once.
_MOST_OPEN: Final = 10_000
#: Facts name phones; nobody outside needs an endpoint's name.
_HIDDEN_DATA: Final = frozenset({"endpoint", "peer", "channel", "file", "secret"})


def list_calls(
    connection: Connection,
    viewer: Principal,
    wanted: CallFilter,
    sort: CallSort,
    cursor: str | None,
    limit: int,
) -> CallPage:
    """A page of calls as this viewer may see them. Raises BadCursor."""
    limit = max(1, min(limit, LARGEST_PAGE))
    column, descending = _ORDERS[sort]
    where = [*_conditions(wanted), _after(sort, cursor)]
    order = (column.desc(), calls.c.id.desc()) if descending else (column.asc(), calls.c.id.asc())
    found: list[tuple[Any, str]] = []
    for scope in _scopes(viewer):
        statement = select(column, calls.c.id).where(scope, *where)
        if wanted.scope is CallScope.OPEN:
            # Few calls are open: their own small index is read first and sorted then. Without the fence of
            # a limited subquery SQLite would walk the whole log in the order of its start times.
            few = statement.limit(_MOST_OPEN).subquery()
            at, call_id = few.c[column.name], few.c.id
            statement = select(at, call_id).order_by(
                *((at.desc(), call_id.desc()) if descending else (at.asc(), call_id.asc()))
            )
        else:
            statement = statement.order_by(*order)
        found += [(row[0], row[1]) for row in connection.execute(statement.limit(limit + 1))]
    found.sort(reverse=descending)
    kept = found[:limit]
    by = by_ids(connection, [call_id for _value, call_id in kept])
    rows = {str(call_id): call for call_id, call in by.items()}
    ordered = [rows[call_id] for _value, call_id in kept if call_id in rows]
    names = _names(connection, ordered)
    following = None
    if len(found) > limit:
        value, last_id = kept[-1]
        following = make_cursor(
            sort, value.isoformat() if isinstance(value, datetime) else float(value), last_id
        )
    return CallPage(
        items=[
            view_of(call, sees_numbers=viewer.sees_numbers, agent_name=names.get(call.agent_id or ""))
            for call in ordered
        ],
        next=following,
    )


def get_call(connection: Connection, viewer: Principal, call_id: str) -> CallDetail | None:
    """One call with its facts, or None where it is not there or not for this viewer."""
    call = by_id(connection, call_id)
    if call is None or not may_see(call, viewer):
        return None
    name = _names(connection, [call]).get(call.agent_id or "")
    return CallDetail(
        call=view_of(call, sees_numbers=viewer.sees_numbers, agent_name=name),
        facts=[_fact(fact, viewer) for fact in facts_of(connection, call_id)],
    )


def _fact(fact: Fact, viewer: Principal) -> FactView:
    data = {key: value for key, value in fact.data.items() if key not in _HIDDEN_DATA}
    if not viewer.sees_numbers:
        data = {key: mask_values(value) for key, value in data.items()}
    return FactView(at=fact.at, source=fact.source.value, kind=fact.kind.value, data=data)


def _scopes(viewer: Principal) -> list[ColumnElement[bool]]:
    """Disjoint parts of the log that the viewer may see: `telephony.call_lists.may_see` in SQL."""
    if not viewer.may(Permission.CALLS_READ):
        return [false()]
    if viewer.may(Permission.CALLS_READ_ALL):
        return [true()]
    untaken = and_(calls.c.agent_id.is_(None), calls.c.ended_at.is_(None))
    if viewer.user_id is None:
        return [untaken]
    return [calls.c.agent_id == viewer.user_id, untaken]


def _conditions(wanted: CallFilter) -> Iterable[ColumnElement[bool]]:
    if wanted.scope is CallScope.OPEN:
        yield calls.c.ended_at.is_(None)
    elif wanted.scope is CallScope.ENDED:
        yield calls.c.ended_at.is_not(None)
    if wanted.direction is not None:
        yield calls.c.direction == wanted.direction.value
    if wanted.outcome is not None:
        yield calls.c.outcome == wanted.outcome.value
    for column in (calls.c.queue, calls.c.agent_id, calls.c.customer_id):
        value = getattr(wanted, column.name)
        if value is not None:
            yield column == value
    if wanted.since is not None:
        yield calls.c.started_at >= wanted.since
    if wanted.until is not None:
        yield calls.c.started_at < wanted.until
    if wanted.search:
        yield calls.c.number == wanted.number if wanted.number else calls.c.id == wanted.search.upper()


def _after(sort: CallSort, cursor: str | None) -> ColumnElement[bool]:
    if cursor is None:
        return true()
    value, last_id = read_cursor(cursor, sort)
    column, descending = _ORDERS[sort]
    bound: datetime | float
    if column is calls.c.started_at:
        bound = _moment(value)
    elif isinstance(value, str):
        raise BadCursor("This place in the list cannot be read. Start from the first page.")
    else:
        bound = value
    place = tuple_(literal(bound, column.type), literal(last_id))
    row = tuple_(column, calls.c.id)
    return row < place if descending else row > place


def _moment(value: str | float) -> datetime:
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise BadCursor("This place in the list cannot be read. Start from the first page.")
    return moment


def _names(connection: Connection, found: Iterable[Call]) -> Mapping[str, str]:
    ids = {call.agent_id for call in found if call.agent_id}
    if not ids:
        return {}
    statement = select(users.c.id, users.c.name).where(users.c.id.in_(ids))
    return {row.id: row.name for row in connection.execute(statement)}
