"""The call log's store: one row per call, its facts and channels, and the trunk's own list.

Functions take a `Connection` and run inside somebody's transaction (storage.database). The statements of the
hot path are prepared once as text: at forty calls a second the compiler would cost more than the database.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final, Literal, get_args

from sqlalchemy import ColumnElement, Connection, Row, and_, func, or_, select

from storage.database import execute_many, fetch
from storage.tables.calls import call_facts, call_legs, calls, import_offsets, switch_boots, switch_calls
from telephony.asterisk.files import TrunkSight
from telephony.calls import Call, CallId, CallState, Direction, Outcome
from telephony.facts import Fact, FactKind, Source
from telephony.ledger import Proof, TrunkEntry, prove, span_of

#: What the list of calls may be ordered by.
OrderBy = Literal["started_at", "ended_at", "wait_seconds", "talk_seconds", "number", "agent_id", "queue"]
ORDERS: Final[frozenset[str]] = frozenset(get_args(OrderBy))

#: Most rows of one page.
LONGEST_PAGE: Final = 500

_FIELDS: Final = tuple(each.name for each in fields(Call))
_TIMES: Final = frozenset(
    {"started_at", "answered_at", "queued_at", "connected_at", "ended_at", "held_since"}
)
_ENUMS: Final[Mapping[str, Callable[[str], Any]]] = {
    "direction": Direction,
    "state": CallState,
    "outcome": Outcome,
}


class CallLogError(Exception):
    """Base of what a question about the call log can be refused for.

    CallLogError
    └── UnknownOrder   ordered by something that is not on the list
    """

    error_id = "call-log"


class UnknownOrder(CallLogError):
    """Calls cannot be ordered by that; the message lists what they can be ordered by."""

    error_id = "unknown-order"


# Values as each database's driver wants them


def text_of(moment: datetime | None) -> str | None:
    """A moment as `Utc` stores it on SQLite."""
    if moment is None:
        return None
    if moment.tzinfo is not UTC:
        moment = moment.astimezone(UTC)
    return moment.isoformat(timespec="microseconds")[:26] + "Z"


def _clean(text: str) -> str:
    """Text every database takes: no NUL, no half of a surrogate pair."""
    if text.isascii() and "\0" not in text:
        return text
    return text.replace("\0", "").encode("utf-8", "replace").decode("utf-8")


_dumps = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, default=str).encode


def _json(data: Mapping[str, Any]) -> str:
    return _clean(_dumps(data)).replace("\\u0000", "") if data else "{}"


def _is_sqlite(connection: Connection) -> bool:
    return connection.dialect.name == "sqlite"


# The hot path


def _marks(count: int, mark: str) -> str:
    return ", ".join([mark] * count)


def _upsert(mark: str) -> str:
    changed = ", ".join(f"{name} = excluded.{name}" for name in _FIELDS if name != "id")
    return (
        f"INSERT INTO calls ({', '.join(_FIELDS)}) VALUES ({_marks(len(_FIELDS), mark)})"  # noqa: S608
        f" ON CONFLICT (id) DO UPDATE SET {changed}"
    )


_UPSERT: Final = {True: _upsert("?"), False: _upsert("%s")}
#: Columns that stand in an index: a row where none of them changed is updated without touching any index.
_INDEXED: Final = ("started_at", "customer_id", "agent_id", "number", "ended_at", "system")
_LIGHT: Final = tuple(name for name in _FIELDS if name not in {*_INDEXED, "id", "linkedid"})
_LIGHT_PLACES: Final = (*(_FIELDS.index(name) for name in _LIGHT), _FIELDS.index("id"))
_UPDATE: Final = {
    mark == "?": f"UPDATE calls SET {', '.join(f'{name} = {mark}' for name in _LIGHT)} WHERE id = {mark}"  # noqa: S608
    for mark in ("?", "%s")
}
_FACT_COLUMNS: Final = ("source", "key", "call_id", "kind", "at", "linkedid", "uniqueid", "data")
_ADD_FACTS: Final = {
    True: f"INSERT INTO call_facts ({', '.join(_FACT_COLUMNS)})"  # noqa: S608
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
    False: f"INSERT INTO call_facts ({', '.join(_FACT_COLUMNS)})"  # noqa: S608
    " SELECT * FROM unnest(%s::text[], %s::text[], %s::text[], %s::text[], %s::timestamptz[],"
    " %s::text[], %s::text[], %s::jsonb[]) ON CONFLICT DO NOTHING",
}
_ADD_LEGS: Final = {
    True: "INSERT INTO call_legs (system, uniqueid, call_id) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
    False: "INSERT INTO call_legs (system, uniqueid, call_id)"
    " SELECT * FROM unnest(%s::text[], %s::text[], %s::text[]) ON CONFLICT DO NOTHING",
}


def _row_sqlite(call: Call) -> tuple[Any, ...]:
    return (
        call.id, call.linkedid, call.system, call.direction._value_, call.state._value_, text_of(call.started_at),
        call.number, _clean(call.raw_number), _clean(call.called), call.flow, call.language, call.customer_id,
        call.explained, _clean(call.keys), call.route, call.queue, call.priority, call.agent_id,
        text_of(call.answered_at), text_of(call.queued_at), text_of(call.connected_at), text_of(call.ended_at),
        call.wait_seconds, call.talk_seconds, call.hold_seconds, text_of(call.held_since),
        None if call.outcome is None else call.outcome._value_, call.cause, call.recording,
        _clean(call.transfers), call.origin, call.proved, call.refused_by, call.rating,
    )  # fmt: skip


def _row_postgres(call: Call) -> tuple[Any, ...]:
    return (
        call.id, call.linkedid, call.system, call.direction._value_, call.state._value_, call.started_at,
        call.number, _clean(call.raw_number), _clean(call.called), call.flow, call.language, call.customer_id,
        call.explained, _clean(call.keys), call.route, call.queue, call.priority, call.agent_id,
        call.answered_at, call.queued_at, call.connected_at, call.ended_at,
        call.wait_seconds, call.talk_seconds, call.hold_seconds, call.held_since,
        None if call.outcome is None else call.outcome._value_, call.cause, call.recording,
        _clean(call.transfers), call.origin, call.proved, call.refused_by, call.rating,
    )  # fmt: skip


def save(connection: Connection, changes: Iterable[tuple[Call | None, Call]]) -> None:
    """Store calls as (what is stored now or None, what shall be)."""
    sqlite = _is_sqlite(connection)
    make = _row_sqlite if sqlite else _row_postgres
    whole: list[tuple[Any, ...]] = []
    light: list[tuple[Any, ...]] = []
    for before, after in changes:
        if before == after:
            continue
        row = make(after)
        if before is None or any(getattr(before, name) != getattr(after, name) for name in _INDEXED):
            whole.append(row)
        else:
            light.append(tuple([row[place] for place in _LIGHT_PLACES]))
    if whole:
        execute_many(connection, _UPSERT[sqlite], whole)
    if light:
        execute_many(connection, _UPDATE[sqlite], light)


def add_facts(connection: Connection, facts: Iterable[tuple[CallId, Fact]]) -> None:
    """Append facts; those that are there already stay as they are."""
    sqlite = _is_sqlite(connection)
    rows = [
        (
            fact.source._value_,
            _clean(fact.key),
            id,
            fact.kind._value_,
            text_of(fact.at) if sqlite else fact.at,
            _clean(fact.linkedid),
            _clean(fact.uniqueid),
            _json(fact.data),
        )
        for id, fact in facts
    ]
    if not rows:
        return
    if sqlite:
        execute_many(connection, _ADD_FACTS[True], rows)
    else:
        connection.exec_driver_sql(
            _ADD_FACTS[False], tuple(list(column) for column in zip(*rows, strict=True))
        )


def add_legs(connection: Connection, system: str, legs: Sequence[tuple[str, CallId]]) -> None:
    """Name channels (uniqueid, call): what is named already stays."""
    if not legs:
        return
    if _is_sqlite(connection):
        execute_many(connection, _ADD_LEGS[True], [(system, uniqueid, id) for uniqueid, id in legs])
        return
    uniqueids, ids = ([leg[0] for leg in legs], [leg[1] for leg in legs])
    connection.exec_driver_sql(_ADD_LEGS[False], ([system] * len(legs), uniqueids, ids))


def homes(connection: Connection, system: str, uniqueids: Iterable[str]) -> dict[str, CallId]:
    """Which calls these channels or linkedids belong to."""
    wanted = list(uniqueids)
    found: dict[str, CallId] = {}
    if not _is_sqlite(connection):
        rows = connection.exec_driver_sql(
            "SELECT uniqueid, call_id FROM call_legs WHERE system = %s AND uniqueid = ANY(%s)",
            (system, wanted),
        )
        return {uniqueid: CallId(id) for uniqueid, id in rows}
    for start in range(0, len(wanted), 500):
        part = wanted[start : start + 500]
        statement = (
            "SELECT uniqueid, call_id FROM call_legs WHERE system = ? AND uniqueid IN"  # noqa: S608
            f" ({_marks(len(part), '?')})"
        )
        found.update({uniqueid: CallId(id) for uniqueid, id in fetch(connection, statement, (system, *part))})
    return found


# Reading


def _call(row: Row[Any]) -> Call:
    values = dict(row._mapping)
    for name, make in _ENUMS.items():
        if values[name] is not None:
            values[name] = make(values[name])
    values["id"] = CallId(values["id"])
    return Call(**{name: values[name] for name in _FIELDS})


def by_id(connection: Connection, call_id: str) -> Call | None:
    """One call, or None."""
    row = connection.execute(select(calls).where(calls.c.id == call_id)).one_or_none()
    return None if row is None else _call(row)


def by_ids(connection: Connection, call_ids: Iterable[str]) -> dict[CallId, Call]:
    """Several calls by their ids; unknown ids are left out."""
    wanted = list(call_ids)
    found: dict[CallId, Call] = {}
    for start in range(0, len(wanted), 500):
        statement = select(calls).where(calls.c.id.in_(wanted[start : start + 500]))
        for row in connection.execute(statement):
            call = _call(row)
            found[call.id] = call
    return found


def facts_of(connection: Connection, call_id: str) -> list[Fact]:
    """All facts of a call, in the order of their moments."""
    return facts_of_all(connection, [call_id]).get(CallId(call_id), [])


def facts_of_all(connection: Connection, call_ids: Iterable[str]) -> dict[CallId, list[Fact]]:
    """All facts of some calls."""
    wanted = list(call_ids)
    found: dict[CallId, list[Fact]] = {}
    for start in range(0, len(wanted), 500):
        statement = (
            select(call_facts)
            .where(call_facts.c.call_id.in_(wanted[start : start + 500]))
            .order_by(call_facts.c.at, call_facts.c.source, call_facts.c.key)
        )
        for row in connection.execute(statement):
            found.setdefault(CallId(row.call_id), []).append(
                Fact(
                    source=Source(row.source),
                    key=row.key,
                    kind=FactKind(row.kind),
                    at=row.at,
                    linkedid=row.linkedid,
                    uniqueid=row.uniqueid,
                    data=row.data,
                )
            )
    return found


def legs_of(connection: Connection, system: str, call_ids: Iterable[str]) -> dict[CallId, list[str]]:
    """The channels of some calls, linkedids among them."""
    wanted = list(call_ids)
    found: dict[CallId, list[str]] = {}
    for start in range(0, len(wanted), 500):
        statement = select(call_legs.c.uniqueid, call_legs.c.call_id).where(
            call_legs.c.system == system, call_legs.c.call_id.in_(wanted[start : start + 500])
        )
        for row in connection.execute(statement):
            found.setdefault(CallId(row.call_id), []).append(row.uniqueid)
    return found


@dataclass(frozen=True, kw_only=True, slots=True)
class Wanted:
    """Which calls a list shows. None: any."""

    since: datetime | None = None
    #: Exclusive.
    until: datetime | None = None
    direction: Direction | None = None
    state: CallState | None = None
    outcome: Outcome | None = None
    queue: str | None = None
    agent_id: str | None = None
    customer_id: str | None = None
    number: str | None = None
    #: Only calls no customer is tied to.
    untied: bool = False
    #: Only calls that have not ended.
    open: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Page:
    """Some calls of a list, and how many there are in all."""

    calls: Sequence[Call]
    total: int


def find(
    connection: Connection,
    wanted: Wanted | None = None,
    *,
    order_by: str = "started_at",
    descending: bool = True,
    limit: int = 50,
    offset: int = 0,
) -> Page:
    """A page of calls. Raises UnknownOrder; `limit` and `offset` are brought into range."""
    if order_by not in ORDERS:
        raise UnknownOrder(
            f"Calls can be ordered by {', '.join(sorted(ORDERS))}; {order_by[:40]!r} is not one."
        )
    where = _conditions(wanted or Wanted())
    column = calls.c[order_by]
    ordered = column.desc() if descending else column.asc()
    statement = (
        select(calls)
        .where(*where)
        .order_by(ordered, calls.c.id.desc() if descending else calls.c.id.asc())
        .limit(max(1, min(limit, LONGEST_PAGE)))
        .offset(max(0, min(offset, 10_000_000)))
    )
    total = connection.execute(select(func.count()).select_from(calls).where(*where)).scalar_one()
    return Page(calls=[_call(row) for row in connection.execute(statement)], total=total)


def _conditions(wanted: Wanted) -> list[ColumnElement[bool]]:
    where: list[ColumnElement[bool]] = []
    if wanted.since is not None:
        where.append(calls.c.started_at >= wanted.since)
    if wanted.until is not None:
        where.append(calls.c.started_at < wanted.until)
    for name in ("direction", "state", "outcome"):
        value = getattr(wanted, name)
        if value is not None:
            where.append(calls.c[name] == value.value)
    for name in ("queue", "agent_id", "customer_id", "number"):
        value = getattr(wanted, name)
        if value is not None:
            where.append(calls.c[name] == value)
    if wanted.untied:
        where.append(calls.c.customer_id.is_(None))
    if wanted.open:
        where.append(calls.c.ended_at.is_(None))
    return where


def of_customer(connection: Connection, customer_id: str, *, limit: int = 50, offset: int = 0) -> Page:
    """The calls on a customer's record, the latest first."""
    return find(connection, Wanted(customer_id=customer_id), limit=limit, offset=offset)


def counts_of(connection: Connection, customer_ids: Collection[str]) -> dict[str, int]:
    """How many calls these customers have; those without any are left out."""
    rows = connection.execute(
        select(calls.c.customer_id, func.count())
        .where(calls.c.customer_id.in_(list(customer_ids)))
        .group_by(calls.c.customer_id)
    )
    return {row[0]: row[1] for row in rows}


def going_on_of(connection: Connection, customer_id: str) -> frozenset[str]:
    """Calls of this customer that go on."""
    open_ = select(calls.c.id).where(calls.c.customer_id == customer_id, calls.c.ended_at.is_(None))
    return frozenset(connection.execute(open_).scalars())


def last_agent(connection: Connection, customer_id: str, since: datetime) -> str | None:
    """Who last talked with this customer, not before `since`."""
    statement = (
        select(calls.c.agent_id)
        .where(
            calls.c.customer_id == customer_id,
            calls.c.started_at >= since,
            calls.c.agent_id.is_not(None),
            calls.c.connected_at.is_not(None),
        )
        .order_by(calls.c.started_at.desc())
        .limit(1)
    )
    row = connection.execute(statement).first()
    return None if row is None else str(row[0])


def open_calls(connection: Connection, system: str) -> list[Call]:
    """Calls of a switch that have not ended, the oldest first."""
    statement = (
        select(calls).where(calls.c.system == system, calls.c.ended_at.is_(None)).order_by(calls.c.started_at)
    )
    return [_call(row) for row in connection.execute(statement)]


def outbound_since(connection: Connection, since: datetime) -> list[datetime]:
    """When each outbound call since a moment began, the newest last (toll-fraud fence)."""
    statement = (
        select(calls.c.started_at)
        .where(calls.c.direction == Direction.OUTBOUND.value, calls.c.started_at >= since)
        .order_by(calls.c.started_at)
    )
    return list(connection.execute(statement).scalars())


# The trunk's own list


_SIGHT: Final = """
INSERT INTO switch_calls
  (system, uniqueid, linkedid, started_at, ended_at, direction, caller, called, sip_call_id, cause, in_cel,
   in_cdr)
VALUES ({marks})
ON CONFLICT (system, uniqueid) DO UPDATE SET
  started_at = CASE WHEN excluded.started_at < switch_calls.started_at
    THEN excluded.started_at ELSE switch_calls.started_at END,
  ended_at = COALESCE(excluded.ended_at, switch_calls.ended_at),
  direction = CASE WHEN excluded.direction <> '' THEN excluded.direction ELSE switch_calls.direction END,
  caller = CASE WHEN switch_calls.caller <> '' THEN switch_calls.caller ELSE excluded.caller END,
  called = CASE WHEN switch_calls.called <> '' THEN switch_calls.called ELSE excluded.called END,
  sip_call_id = CASE WHEN excluded.sip_call_id <> '' THEN excluded.sip_call_id ELSE switch_calls.sip_call_id END,
  cause = COALESCE(excluded.cause, switch_calls.cause),
  in_cel = switch_calls.in_cel OR excluded.in_cel,
  in_cdr = switch_calls.in_cdr OR excluded.in_cdr
"""
_ADD_SIGHTS: Final = {
    True: _SIGHT.format(marks=_marks(12, "?")),
    False: _SIGHT.format(marks=_marks(12, "%s")),
}


def add_sights(connection: Connection, system: str, sights: Sequence[TrunkSight]) -> None:
    """Note what the switch's files say about channels of the trunk."""
    if not sights:
        return
    sqlite = _is_sqlite(connection)
    rows = []
    for sight in sights:
        at: Any = text_of(sight.at) if sqlite else sight.at
        rows.append(
            (
                system, _clean(sight.uniqueid), _clean(sight.linkedid), at, at if sight.ended else None,
                sight.direction, _clean(sight.caller), _clean(sight.called), _clean(sight.sip_call_id), sight.cause,
                sight.source is Source.CEL, sight.source is Source.CDR,
            )
        )  # fmt: skip
    execute_many(connection, _ADD_SIGHTS[sqlite], rows)


def trunk_calls(
    connection: Connection, system: str | None, since: datetime, until: datetime
) -> list[TrunkEntry]:
    """Channels of the trunk that began in a span, each with its call; `system` None: of every switch."""
    own = call_legs.alias("own")
    linked = call_legs.alias("linked")
    row_of = calls.alias("row_of")
    home = func.coalesce(own.c.call_id, linked.c.call_id)
    statement = (
        select(switch_calls, row_of.c.id.label("home"))
        .select_from(
            switch_calls.outerjoin(
                own, and_(own.c.system == switch_calls.c.system, own.c.uniqueid == switch_calls.c.uniqueid)
            )
            .outerjoin(
                linked,
                and_(linked.c.system == switch_calls.c.system, linked.c.uniqueid == switch_calls.c.linkedid),
            )
            .outerjoin(row_of, row_of.c.id == home)
        )
        .where(switch_calls.c.started_at >= since, switch_calls.c.started_at < until)
        .order_by(switch_calls.c.started_at, switch_calls.c.uniqueid)
    )
    if system is not None:
        statement = statement.where(switch_calls.c.system == system)
    return [
        TrunkEntry(
            uniqueid=row.uniqueid,
            linkedid=row.linkedid,
            started_at=row.started_at,
            direction=row.direction,
            caller=row.caller,
            called=row.called,
            call_id=row.home,
        )
        for row in connection.execute(statement)
    ]


def logged_calls(connection: Connection, system: str | None, since: datetime, until: datetime) -> list[Call]:
    """Calls with the outside world that began in a span, the oldest first."""
    statement = (
        select(calls)
        .where(
            calls.c.started_at >= since,
            calls.c.started_at < until,
            calls.c.direction != Direction.INTERNAL.value,
        )
        .order_by(calls.c.started_at, calls.c.id)
    )
    if system is not None:
        statement = statement.where(calls.c.system == system)
    return [_call(row) for row in connection.execute(statement)]


def calls_on_trunk(connection: Connection, call_ids: Iterable[str]) -> set[str]:
    """Which of these calls have a channel of the trunk on the switch's own list."""
    wanted = list(call_ids)
    found: set[str] = set()
    for start in range(0, len(wanted), 500):
        statement = (
            select(call_legs.c.call_id)
            .select_from(
                call_legs.join(
                    switch_calls,
                    and_(
                        switch_calls.c.system == call_legs.c.system,
                        or_(
                            switch_calls.c.uniqueid == call_legs.c.uniqueid,
                            switch_calls.c.linkedid == call_legs.c.uniqueid,
                        ),
                    ),
                )
            )
            .where(call_legs.c.call_id.in_(wanted[start : start + 500]))
            .distinct()
        )
        found.update(connection.execute(statement).scalars())
    return found


def proof_of(connection: Connection, system: str | None, day: date, zone: str, now: datetime) -> Proof:
    """Prove one local day. What began within the last 15 seconds is left out: files are read every few."""
    since, until = span_of(day, zone)
    logged = logged_calls(connection, system, since, until)
    return prove(
        day,
        trunk_calls(connection, system, since, until),
        logged,
        calls_on_trunk(connection, [call.id for call in logged]),
        now - timedelta(seconds=15),
    )


# How far the files have been read


@dataclass(frozen=True, kw_only=True, slots=True)
class Offset:
    """How far one file has been read."""

    inode: int
    offset: int
    head: str = ""
    bad_lines: int = 0
    last_at: datetime | None = None


def offset_of(connection: Connection, system: str, file: str) -> Offset | None:
    """How far a file has been read, or None."""
    row = connection.execute(
        select(import_offsets).where(import_offsets.c.system == system, import_offsets.c.file == file)
    ).one_or_none()
    if row is None:
        return None
    return Offset(
        inode=row.inode, offset=row.offset, head=row.head, bad_lines=row.bad_lines, last_at=row.last_at
    )


def keep_offset(connection: Connection, system: str, file: str, offset: Offset, now: datetime) -> None:
    """Remember how far a file has been read."""
    values = {
        "inode": offset.inode,
        "offset": offset.offset,
        "head": offset.head,
        "bad_lines": offset.bad_lines,
        "last_at": offset.last_at,
        "read_at": now,
    }
    where = (import_offsets.c.system == system, import_offsets.c.file == file)
    if connection.execute(import_offsets.update().where(*where).values(values)).rowcount == 0:
        connection.execute(import_offsets.insert().values(system=system, file=file, **values))


# Starts of the switch


@dataclass(frozen=True, kw_only=True, slots=True)
class Boot:
    """One start of a switch."""

    boot: str
    seen_first: datetime
    seen_last: datetime


def last_boot(connection: Connection, system: str) -> Boot | None:
    """The latest start that was noticed."""
    row = connection.execute(
        select(switch_boots)
        .where(switch_boots.c.system == system)
        .order_by(switch_boots.c.seen_last.desc())
        .limit(1)
    ).one_or_none()
    return None if row is None else Boot(boot=row.boot, seen_first=row.seen_first, seen_last=row.seen_last)


def boots(connection: Connection, system: str) -> list[Boot]:
    """The starts that were noticed, the latest first; at most 50."""
    rows = connection.execute(
        select(switch_boots)
        .where(switch_boots.c.system == system)
        .order_by(switch_boots.c.seen_last.desc())
        .limit(50)
    )
    return [Boot(boot=row.boot, seen_first=row.seen_first, seen_last=row.seen_last) for row in rows]


def saw_boot(connection: Connection, system: str, boot: str, now: datetime) -> None:
    """The switch of this start is alive now."""
    where = (switch_boots.c.system == system, switch_boots.c.boot == boot)
    if connection.execute(switch_boots.update().where(*where).values(seen_last=now)).rowcount == 0:
        connection.execute(
            switch_boots.insert().values(system=system, boot=boot, seen_first=now, seen_last=now)
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Gauges:
    """Figures an operator watches; the last one must be 0."""

    open: int
    recovered: int
    interrupted: int
    #: Channels of the trunk in CEL or CDR that no call row holds.
    missing: int


def gauges(connection: Connection, system: str, since: datetime) -> Gauges:
    """Figures of the calls that began since a moment."""
    own = and_(calls.c.system == system, calls.c.started_at >= since)

    def count(*where: ColumnElement[bool]) -> int:
        return connection.execute(select(func.count()).select_from(calls).where(own, *where)).scalar_one()

    home = select(call_legs.c.call_id).where(
        call_legs.c.system == switch_calls.c.system,
        or_(
            call_legs.c.uniqueid == switch_calls.c.uniqueid,
            call_legs.c.uniqueid == switch_calls.c.linkedid,
        ),
    )
    homeless = (
        select(func.count())
        .select_from(switch_calls)
        .where(switch_calls.c.system == system, switch_calls.c.started_at >= since, ~home.exists())
    )
    return Gauges(
        open=count(calls.c.ended_at.is_(None)),
        recovered=count(calls.c.origin == "recovered"),
        interrupted=count(calls.c.outcome == Outcome.INTERRUPTED.value),
        missing=connection.execute(homeless).scalar_one(),
    )
