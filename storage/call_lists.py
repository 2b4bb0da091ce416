"""Lists of calls for people: scope and masks are applied here, so nothing unmasked leaves the data layer.

Pages follow a cursor (value and id of the last row), never an offset, so page a thousand costs as much as
the first. What an agent may see is two index ranges, merged: an OR over both would read the whole log. So are the
calls of a queue: those that are over, by an index of their own, and the few that go on.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, FromClause, literal, or_, select, true, tuple_

from access.masking import mask_values
from access.permissions import Permission
from access.users import Principal
from storage.audit import HIDDEN
from storage.calls import by_id, by_ids, facts_of
from storage.tables.access import users
from storage.tables.calls import NOT_INBOUND, OVER, UNANSWERED, calls
from telephony.call_lists import (
    LARGEST_PAGE,
    BadCursor,
    CallDetail,
    CallFilter,
    CallPage,
    CallScope,
    CallSort,
    CallView,
    FactView,
    make_cursor,
    may_see,
    read_cursor,
    view_of,
)
from telephony.calls import Call, Direction, Outcome
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
    found: list[tuple[Any, str]] = []
    for rows, which in _parts(connection, viewer, wanted):
        by, call_id = rows.c[column.name], rows.c.id
        statement = (
            select(by, call_id)
            .where(*which, *_conditions(rows, wanted), _after(rows, sort, cursor))
            .order_by(*((by.desc(), call_id.desc()) if descending else (by.asc(), call_id.asc())))
            .limit(limit + 1)
        )
        found += [(row[0], row[1]) for row in connection.execute(statement)]
    found.sort(reverse=descending)
    kept = found[:limit]
    known = {str(id): call for id, call in by_ids(connection, [id for _value, id in kept]).items()}
    ordered = [known[id] for _value, id in kept if id in known]
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


def several_calls(connection: Connection, viewer: Principal, call_ids: Sequence[str]) -> dict[str, CallView]:
    """Calls by id as this viewer may see them; others are left out."""
    found = [
        call for call in by_ids(connection, list(dict.fromkeys(call_ids))).values() if may_see(call, viewer)
    ]
    names = _names(connection, found)
    return {
        str(call.id): view_of(
            call, sees_numbers=viewer.sees_numbers, agent_name=names.get(call.agent_id or "")
        )
        for call in found
    }


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
    data = {
        key: value
        for key, value in fact.data.items()
        if key not in _HIDDEN_DATA and not key.startswith(HIDDEN)
    }
    if not viewer.sees_numbers:
        data = {key: mask_values(value) for key, value in data.items()}
    return FactView(at=fact.at, source=fact.source.value, kind=fact.kind.value, data=data)


_Part = tuple[FromClause, Sequence[ColumnElement[bool]]]


def _parts(connection: Connection, viewer: Principal, wanted: CallFilter) -> Iterator[_Part]:
    """Disjoint parts of the log with what the viewer may see: `telephony.call_lists.may_see` in SQL."""
    if not viewer.may(Permission.CALLS_READ):
        return
    # Few calls are open: their own small index is read first, narrowed and sorted then. Without the fence of a
    # limited subquery SQLite would walk the log in the order of its start times, or all that nobody ever took.
    going_on = select(calls).where(calls.c.ended_at.is_(None)).limit(_MOST_OPEN).subquery("going_on")
    untaken = going_on.c.agent_id.is_(None)
    # PostgreSQL knows whether an agent's calls are fewer, or those of what is asked for.
    by_statistics = connection.dialect.name == "postgresql"
    if not viewer.may(Permission.CALLS_READ_ALL):
        own = viewer.user_id
        if own is not None and wanted.scope is CallScope.OPEN:
            yield going_on, (or_(going_on.c.agent_id == own, untaken),)
            return
        words = _index_words(wanted, every=True) if by_statistics else ()
        apart = any(word is OVER for word in words)
        if own is not None:
            yield calls, (calls.c.agent_id == own, *words)
        if wanted.scope is not CallScope.ENDED:
            mine = going_on.c.agent_id == own
            yield going_on, (or_(mine, untaken) if apart and own is not None else untaken,)
    elif wanted.scope is CallScope.OPEN:
        yield going_on, ()
    else:
        words = _index_words(wanted, every=by_statistics)
        yield calls, words
        if wanted.scope is CallScope.ALL and any(word is OVER for word in words):
            yield going_on, ()


def _index_words(wanted: CallFilter, *, every: bool) -> Sequence[ColumnElement[bool]]:
    """What a question about all calls says so that an index of `storage.tables.calls` answers it.

    PostgreSQL knows by its statistics which of several is the best; SQLite is given one, of what is rarest.
    """
    if wanted.agent_id or wanted.customer_id or wanted.search:
        return ()  # each has an index, and far fewer calls
    words: list[Sequence[ColumnElement[bool]]] = []
    if wanted.outcome not in (None, Outcome.ANSWERED):
        words.append((UNANSWERED,))
    if wanted.queue:
        words.append((OVER,))
    if wanted.direction not in (None, Direction.INBOUND):
        words.append((OVER, NOT_INBOUND))
    chosen = words if every else words[:1]
    return tuple({id(word): word for some in chosen for word in some}.values())


def _conditions(rows: FromClause, wanted: CallFilter) -> Iterable[ColumnElement[bool]]:
    if wanted.scope is CallScope.OPEN:
        yield rows.c.ended_at.is_(None)
    elif wanted.scope is CallScope.ENDED:
        yield rows.c.ended_at.is_not(None)
    if wanted.direction is not None:
        yield rows.c.direction == wanted.direction.value
    if wanted.received:
        yield rows.c.direction != Direction.OUTBOUND.value
    if wanted.talked:
        yield rows.c.connected_at.is_not(None)
    if wanted.outcome is not None:
        yield rows.c.outcome == wanted.outcome.value
    for name in ("queue", "agent_id", "customer_id"):
        value = getattr(wanted, name)
        if value is not None:
            yield rows.c[name] == value
    if wanted.since is not None:
        yield rows.c.started_at >= wanted.since
    if wanted.until is not None:
        yield rows.c.started_at < wanted.until
    if wanted.search:
        yield rows.c.number == wanted.number if wanted.number else rows.c.id == wanted.search.upper()


def _after(rows: FromClause, sort: CallSort, cursor: str | None) -> ColumnElement[bool]:
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
    row = tuple_(rows.c[column.name], rows.c.id)
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
