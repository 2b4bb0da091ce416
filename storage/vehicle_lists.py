"""Lists of vehicles for a viewer: filtered, in an order, page by page, however many vehicles there are.

Few who fit a filter are found by its own index and sorted here. Where many fit, the list walks the index of its
order and takes those who fit. At most `MOST_WALKED` are looked at for one page, so that no filter and no scope
makes anybody read the table; the page is short then, and goes on from there.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from functools import partial
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    and_,
    false,
    func,
    literal,
    or_,
    select,
    true,
    tuple_,
    union,
)

from access.permissions import Permission
from access.users import Principal
from crm.records.vehicle_lists import VehicleFilter, VehicleLine, VehicleOwner, VehiclePage, VehicleSort
from crm.records.vehicles import Role, clean_plate_part, clean_tail, reversed_keys
from storage.due_weeks import of_stage
from storage.search import several
from storage.sight import Sight, is_open, is_scoped, sights
from storage.tables.records import customers, search_terms, vehicle_people, vehicles
from storage.terms import PLATE
from storage.vehicles import vehicle_from
from telephony.call_lists import BadCursor

#: Most vehicles of one page.
MOST_LISTED: Final = 200
#: Most vehicles that are looked at for one page, and at once.
MOST_WALKED: Final = 20_000
_SHARE: Final = 2_000
#: So many who fit a filter are sorted here; more are many.
_FEW: Final = 1_000
#: Most names of models that are known to the filter.
MOST_MODELS: Final = 2_000
#: Ids in one question.
_ASKED: Final = 500
_LAST: Final = "\U0010ffff"

#: Which of these vehicles the viewer may see.
_MaySee = Callable[[Sequence[str]], set[str]]
#: The column of an order; the newest have the highest id.
_COLUMNS: Final = {VehicleSort.DUE: vehicles.c.next_due_on, VehicleSort.PLATE: vehicles.c.plate}


@dataclass(frozen=True, kw_only=True, slots=True)
class _Place:
    """A vehicle's place in an order."""

    value: Any
    id: str


def list_vehicles(
    connection: Connection,
    viewer: Principal,
    wanted: VehicleFilter,
    *,
    sort: VehicleSort = VehicleSort.NEWEST,
    after: str | None = None,
    limit: int = 50,
    now: datetime | None = None,
) -> VehiclePage:
    """A page of the vehicles that are open to this viewer, behind the one whose id is `after`. Raises BadCursor.

    Without `now` no approval is good.
    """
    ids, following = vehicle_ids(connection, viewer, wanted, sort=sort, after=after, limit=limit, now=now)
    rows = connection.execute(select(vehicles).where(vehicles.c.id.in_(ids))).mappings()
    known = {row[vehicles.c.id]: vehicle_from(row) for row in rows}
    owners = _owners(connection, viewer, ids, now)
    return VehiclePage(
        items=[VehicleLine(vehicle=known[one], owner=owners.get(one)) for one in ids if one in known],
        next=following,
    )


def vehicle_ids(
    connection: Connection,
    viewer: Principal,
    wanted: VehicleFilter,
    *,
    sort: VehicleSort = VehicleSort.NEWEST,
    after: str | None = None,
    limit: int = 50,
    now: datetime | None = None,
) -> tuple[list[str], str | None]:
    """As `list_vehicles`, only their ids, and the place behind them."""
    limit = min(max(limit, 1), MOST_LISTED)
    place = _place(connection, sort, after)
    ways = list(_ways(connection, viewer, wanted, now))
    fits = and_(true(), *(way.fits for way in ways))
    may_see = partial(_open, connection, viewer, wanted, now)
    for way in ways:
        if way.ids is None:
            continue
        few = set(connection.execute(way.ids.limit(_FEW + 1)).scalars())
        if len(few) <= _FEW:
            return _of_few(connection, few, fits, may_see, sort, place, limit)
    within = [way.fits for way in ways if way.leads and sort is VehicleSort.DUE]
    segments = list(_segments(sort, place, _due(wanted), within))
    return _walked(connection, segments, fits, may_see, limit)


def models(connection: Connection) -> list[str]:
    """Names of the models that vehicles have, by the alphabet of the database: one step of the index each."""
    known = select(func.min(vehicles.c.model).label("model")).cte("models", recursive=True)
    following = select(func.min(vehicles.c.model)).where(vehicles.c.model > known.c.model)
    known = known.union_all(
        select(following.correlate(known).scalar_subquery()).where(known.c.model.is_not(None))
    )
    found = select(known.c.model).where(known.c.model.is_not(None)).limit(MOST_MODELS)
    return [one for one in connection.execute(found).scalars() if one]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Way:
    """A filter: what fits it, and the ids of all that do, by its own index; None: they are known to be many."""

    fits: ColumnElement[bool]
    ids: Select[Any] | None
    #: One value that leads the index of days.
    leads: bool = False


def _ways(
    connection: Connection, viewer: Principal, wanted: VehicleFilter, now: datetime | None
) -> Iterator[_Way]:
    """The filters that are set, the sharpest first."""
    ids = select(vehicles.c.id)
    if wanted.plate:
        part, tail = clean_plate_part(wanted.plate), clean_tail(wanted.plate)
        yield from _by_plate(connection, part, tail)
    if wanted.model:
        sought = wanted.model.casefold()
        names = [one for one in models(connection) if sought in one.casefold()]
        one = len(names) == 1
        fits = vehicles.c.model == names[0] if one else vehicles.c.model.in_(names)
        yield _Way(fits=fits, ids=ids.where(fits), leads=one)
    due = _due(wanted)
    if due:
        # In the order of their index: without it PostgreSQL may read the table for them, by the luck of its sample.
        few = ids.where(*due).order_by(vehicles.c.next_due_on, vehicles.c.id)
        yield _Way(fits=and_(*due), ids=few)
    if wanted.stage is not None:  # with the days beside it, which are walked
        yield _Way(fits=of_stage(wanted.stage), ids=None)
    if wanted.customer_class:
        owned = (
            vehicle_people.c.role == Role.OWNER,
            vehicle_people.c.ended_at.is_(None),
            customers.c.id == vehicle_people.c.customer_id,
            customers.c.customer_class == wanted.customer_class,
            is_open(connection, viewer, now),
        )
        found = select(vehicle_people.c.vehicle_id).where(*owned).distinct()
        yield _Way(fits=true(), ids=found)  # of each vehicle `_open` says it


def _by_plate(connection: Connection, part: str | None, tail: str | None) -> Iterator[_Way]:
    """A plate by its beginning, with or without the province, or by its tail; nothing fits what is no part of one."""
    ids = select(vehicles.c.id)
    fits, found, many = [], [], False
    if part is not None:
        without = func.substr(vehicles.c.plate, 2)
        fits += [vehicles.c.plate.startswith(part), without.startswith(part)]
        keys = list(
            connection.execute(
                select(search_terms.c.key)
                .where(
                    search_terms.c.term >= part,
                    search_terms.c.term < part + _LAST,
                    search_terms.c.kind == PLATE,
                )
                .order_by(search_terms.c.term)
                .limit(_FEW + 1)
            ).scalars()
        )
        many = len(keys) > _FEW
        found.append(ids.where(vehicles.c.plate.in_(keys[:_FEW])).limit(_FEW + 1))
    if tail is not None:
        behind = reversed_keys(tail)
        ends = vehicles.c.plate.endswith(tail)
        fits.append(ends)
        keyed = vehicles.c.plate_keys.between(behind, behind + "9" * 17)
        found.append(ids.where(keyed, ends).limit(_FEW + 1))
    if not found:
        nothing = vehicles.c.id.in_(())
        yield _Way(fits=nothing, ids=ids.where(nothing))
        return
    either = union(*(select(one.subquery().c.id) for one in found)).subquery()
    yield _Way(fits=or_(*fits), ids=None if many else select(either.c.id))


def _due(wanted: VehicleFilter) -> list[ColumnElement[bool]]:
    bounds = []
    if wanted.due_from is not None:
        bounds.append(vehicles.c.next_due_on >= wanted.due_from)
    if wanted.due_to is not None:
        bounds.append(vehicles.c.next_due_on <= wanted.due_to)
    return bounds


def _place(connection: Connection, sort: VehicleSort, after: str | None) -> _Place | None:
    """Where a page begins. An id alone says it: the plate of a vehicle one may not see must not stand in a cursor."""
    if after is None:
        return None
    column = _COLUMNS.get(sort, vehicles.c.id)
    row = connection.execute(select(column).where(vehicles.c.id == after)).one_or_none()
    if row is None:
        raise BadCursor("This place in the list cannot be read. Start from the first page.")
    return _Place(value=row[0], id=after)


def _of_few(
    connection: Connection,
    few: Collection[str],
    fits: ColumnElement[bool],
    may_see: _MaySee,
    sort: VehicleSort,
    place: _Place | None,
    limit: int,
) -> tuple[list[str], str | None]:
    column = _COLUMNS.get(sort, vehicles.c.id)
    rows = connection.execute(
        select(vehicles.c.id, column.label("value"), fits.label("fits")).where(vehicles.c.id.in_(few))
    )
    found = [_Place(value=row.value, id=row.id) for row in rows if row.fits]
    seen = may_see([one.id for one in found])
    found = [one for one in found if one.id in seen]
    found.sort(key=lambda one: _key(sort, one), reverse=sort is VehicleSort.NEWEST)
    if place is not None:
        if sort is VehicleSort.NEWEST:
            found = [one for one in found if one.id < place.id]
        else:
            found = [one for one in found if _key(sort, one) > _key(sort, place)]
    return [one.id for one in found[:limit]], found[limit - 1].id if len(found) > limit else None


def _key(sort: VehicleSort, place: _Place) -> tuple[bool, Any, str]:
    if sort is VehicleSort.NEWEST:
        return False, "", place.id
    empty: date | str = date.min if sort is VehicleSort.DUE else ""
    return place.value is None, empty if place.value is None else place.value, place.id


@dataclass(frozen=True, kw_only=True, slots=True)
class _Segment:
    """A part of an order that one index walks: ids up or down, or a column's values, or the rows without one."""

    column: ColumnElement[Any]
    where: Sequence[ColumnElement[bool]]
    #: Rows in it differ by their id alone.
    by_id: bool
    down: bool = False

    def behind(self, place: _Place) -> _Segment:
        """What comes after a place of it."""
        bound: ColumnElement[bool]
        if self.by_id:
            bound = vehicles.c.id < place.id if self.down else vehicles.c.id > place.id
        else:
            there = tuple_(literal(place.value, self.column.type), literal(place.id))
            bound = tuple_(self.column, vehicles.c.id) > there
        return replace(self, where=(*self.where, bound))

    def share(self, fits: ColumnElement[bool], size: int) -> Select[Any]:
        """Its next rows, each with whether it fits."""
        found = select(vehicles.c.id, self.column.label("value"), fits.label("fits")).where(*self.where)
        if self.down:
            return found.order_by(vehicles.c.id.desc()).limit(size)
        return found.order_by(self.column, vehicles.c.id).limit(size)


def _segments(
    sort: VehicleSort,
    place: _Place | None,
    due: Sequence[ColumnElement[bool]],
    within: Sequence[ColumnElement[bool]],
) -> Iterator[_Segment]:
    if sort is VehicleSort.NEWEST:
        every = _Segment(column=vehicles.c.id, where=(), by_id=True, down=True)
        yield every if place is None else every.behind(place)
        return
    column = _COLUMNS[sort]
    known = _Segment(column=column, where=(*within, column.is_not(None)), by_id=False)
    bare = _Segment(column=column, where=(*within, column.is_(None)), by_id=True)
    if sort is VehicleSort.DUE and due:
        known, bare = replace(known, where=(*within, *due)), replace(bare, where=(false(),))
    if place is None or place.value is not None:
        yield known if place is None else known.behind(place)
        yield bare
    else:
        yield bare.behind(place)


def _walked(
    connection: Connection,
    segments: Sequence[_Segment],
    fits: ColumnElement[bool],
    may_see: _MaySee,
    limit: int,
) -> tuple[list[str], str | None]:
    """In the order of an index, a share at a time, until the page is full or enough has been looked at."""
    found: list[str] = []
    walked = 0
    last: str | None = None
    for part in segments:
        whole, rest, size = part, part, 2 * (limit + 1)
        while walked < MOST_WALKED:
            rows = connection.execute(rest.share(fits, size)).all()
            seen = may_see([row.id for row in rows if row.fits])
            for row in rows:
                if row.id in seen and len(found) == limit:
                    return found, found[-1]
                if row.id in seen:
                    found.append(row.id)
            walked += len(rows)
            if len(rows) < size:
                break
            last = rows[-1].id
            rest, size = whole.behind(_Place(value=rows[-1].value, id=rows[-1].id)), _SHARE
        else:
            return found, last
        last = rows[-1].id if rows else last
    return found, None


def _open(
    connection: Connection,
    viewer: Principal,
    wanted: VehicleFilter,
    now: datetime | None,
    ids: Sequence[str],
) -> set[str]:
    """Those of these vehicles that are open to this viewer, as `storage.sight.is_open_vehicle`, and whose owner's
    class fits where his record is open.

    Asked by their ids: left to choose, PostgreSQL would read every customer to answer for a page.
    """
    if (
        not wanted.customer_class
        and not is_scoped(connection, viewer)
        and viewer.may(Permission.CRM_RESTRICTED)
    ):
        return set(ids)
    people: dict[str, list[tuple[str, str]]] = {}
    for start in range(0, len(ids), _ASKED):
        ties = select(vehicle_people.c.vehicle_id, vehicle_people.c.customer_id, vehicle_people.c.role).where(
            vehicle_people.c.vehicle_id.in_(ids[start : start + _ASKED]), vehicle_people.c.ended_at.is_(None)
        )
        for vehicle_id, customer_id, role in connection.execute(ties):
            people.setdefault(vehicle_id, []).append((customer_id, role))
    everybody = list({customer_id for some in people.values() for customer_id, _role in some})
    seen = {one for one, how in sights(connection, viewer, everybody, now).items() if how is Sight.OPEN}
    if not wanted.customer_class:
        return {one for one in ids if one not in people or any(who in seen for who, _ in people[one])}
    owners = list(
        {who for some in people.values() for who, role in some if role == Role.OWNER and who in seen}
    )
    graded: set[str] = set()
    for start in range(0, len(owners), _ASKED):
        some = customers.c.id.in_(owners[start : start + _ASKED])
        fits = customers.c.customer_class == wanted.customer_class
        graded |= set(connection.execute(select(customers.c.id).where(some, fits)).scalars())
    return {
        one for one, some in people.items() if any(role == Role.OWNER and who in graded for who, role in some)
    }


def _owners(
    connection: Connection, viewer: Principal, ids: Sequence[str], now: datetime | None
) -> dict[str, VehicleOwner]:
    """The first person of each vehicle whom this viewer may see: its owner before its driver, payer and contact."""
    order = list(Role)
    ties = sorted(
        (order.index(Role(row.role)), row.since, row.customer_id, row.vehicle_id)
        for row in connection.execute(
            select(
                vehicle_people.c.vehicle_id,
                vehicle_people.c.customer_id,
                vehicle_people.c.role,
                vehicle_people.c.since,
            ).where(vehicle_people.c.vehicle_id.in_(ids), vehicle_people.c.ended_at.is_(None))
        )
    )
    wanted = list(dict.fromkeys(customer_id for _place, _since, customer_id, _vehicle in ties))
    people = {one.customer_id: one for one in several(connection, viewer, wanted, now=now)}
    found: dict[str, VehicleOwner] = {}
    for place, _since, customer_id, vehicle_id in ties:
        if customer_id in people and vehicle_id not in found:
            person = people[customer_id]
            found[vehicle_id] = VehicleOwner(
                customer_id=customer_id,
                customer_number=person.customer_number,
                name=person.name,
                role=order[place],
                customer_class=person.customer_class,
                closed=person.closed,
            )
    return found
