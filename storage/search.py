"""Search of customers: one box for a name, pinyin or initials, a plate, a VIN, a number or its tail, a customer number.

Every way reads a range of an index, and what is typed means itself (S10). Who sees masked numbers finds by a
whole number or by its last four digits, which a mask shows anyway: a longer tail is cut to four, so that no
digit behind a mask can be found out by trying; `crm.records.probing` limits how many whole numbers are tried.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, Select, and_, bindparam, func, select

from access.masking import mask_name, mask_number
from access.users import Principal
from crm.records.customers import Customer
from crm.records.found import CarLine, Found, FoundPage, Reason, Why
from crm.records.terms import read_as, typed_term
from crm.records.vehicles import clean_tail, parse_plate, parse_vin, reversed_keys
from storage.customers import customer_from
from storage.sight import Sight, is_scoped, sights
from storage.tables.records import contacts, customers, phone_numbers, search_terms, vehicle_people, vehicles
from storage.terms import NAME, PLATE
from telephony.numbers import parse, readable, tail_range

#: Longest text that is looked at.
LONGEST_TEXT: Final = 64
#: Most rows of a page.
MOST_FOUND: Final = 100
#: Digits nobody types as the tail of a number.
_WHOLE: Final = 9
#: Terms read to fill a page: several may lead to one name.
_TERMS: Final = 240
#: People whose numbers end alike: some hundred among a million.
_TAILS: Final = 2_000
#: Shortest tail of a number, and what of it a mask shows.
_SHORTEST: Final = 3
#: People looked at for somebody who sees only some of them.
_IN_SCOPE: Final = 1_000
_SHOWN: Final = 4
_LAST: Final = "\U0010ffff"

Hits = dict[str, list[Reason]]

_PEOPLE: Final = vehicles.join(
    vehicle_people, and_(vehicle_people.c.vehicle_id == vehicles.c.id, vehicle_people.c.ended_at.is_(None))
)
_OF_VEHICLE: Final = (
    select(vehicle_people.c.customer_id, vehicles.c.plate, vehicles.c.vin)
    .select_from(_PEOPLE)
    .limit(bindparam("most"))
)
_BY_PLATE: Final = _OF_VEHICLE.where(vehicles.c.plate == bindparam("wanted"))
_BY_VIN: Final = _OF_VEHICLE.where(vehicles.c.vin == bindparam("wanted"))
_BY_PLATE_TAIL: Final = _OF_VEHICLE.where(
    vehicles.c.plate_keys.between(bindparam("first"), bindparam("last")),
    vehicles.c.plate.like(bindparam("like")),
)
_BY_VIN_TAIL: Final = _OF_VEHICLE.where(
    vehicles.c.vin_keys.between(bindparam("first"), bindparam("last")), vehicles.c.vin.like(bindparam("like"))
)
_KEYS: Final = (
    select(search_terms.c.key)
    .where(
        search_terms.c.term >= bindparam("first"),
        search_terms.c.term < bindparam("last"),
        search_terms.c.kind == bindparam("kind"),
    )
    .order_by(search_terms.c.term)
    .limit(_TERMS)
)
_BY_NAME: Final = (
    select(customers.c.id, customers.c.name)
    .where(customers.c.name_key == bindparam("wanted"), customers.c.merged_into.is_(None))
    .order_by(customers.c.number)
    .limit(bindparam("most"))
)
_BY_NUMBER: Final = (
    select(contacts.c.customer_id)
    .where(contacts.c.number == bindparam("wanted"), contacts.c.ended_at.is_(None))
    .limit(_TAILS)
)
_BY_TAIL: Final = (
    select(contacts.c.customer_id, contacts.c.number)
    .select_from(phone_numbers.join(contacts, contacts.c.number == phone_numbers.c.number))
    .where(
        phone_numbers.c.reversed.between(bindparam("first"), bindparam("last")), contacts.c.ended_at.is_(None)
    )
    .limit(_TAILS)
)


def search(
    connection: Connection,
    viewer: Principal,
    text: str,
    *,
    limit: int = 20,
    read_number: Callable[[str], str | None] = parse,
    now: datetime | None = None,
) -> FoundPage:
    """Customers for what a person typed, best first, each with its reasons, masked for this viewer.

    Words apart narrow: "王 5678" is a 王 whose number or plate ends so. At most `limit` (1 to 100).
    """
    limit = min(max(limit, 1), MOST_FOUND)
    text = _plain(text)
    reader = _Reader(connection, full=viewer.sees_numbers, read_number=read_number)
    hits: Hits = {}
    scoped = is_scoped(connection, viewer)
    most = _IN_SCOPE if scoped else limit + 1
    reader.look(text, hits, most)
    words = text.split()
    if len(words) > 1 and len(hits) < most:
        reader.narrow(words, hits, most)
    ids = list(hits)
    if scoped:
        seen = sights(connection, viewer, ids, now)
        ids = [one for one in ids if seen.get(one, Sight.NONE) is not Sight.NONE]
    found = several(connection, viewer, ids[: limit + 1], now=now)
    shown = [item if item.closed else _with_reasons(item, hits[item.customer_id]) for item in found[:limit]]
    return FoundPage(items=shown, more=len(found) > limit)


def numbers_in(text: str, *, read_number: Callable[[str], str | None] = parse) -> int:
    """How many whole numbers `search` tries for this text: the text itself, or words of it."""
    text = _plain(text)
    if read_number(text) is not None:
        return 1
    words = dict.fromkeys(text.split())
    return sum(
        read_number(word) is not None or sum(letter.isdigit() for letter in word) >= _WHOLE for word in words
    )


def find_customers(connection: Connection, text: str, *, limit: int = 20) -> list[Customer]:
    """As `search` for the house itself, unmasked: whole records, by customer number."""
    limit = min(max(limit, 1), MOST_FOUND)
    reader = _Reader(connection, full=True, read_number=parse)
    hits: Hits = {}
    reader.look(_plain(text), hits, limit)
    rows = connection.execute(
        select(customers).where(customers.c.id.in_(list(hits)[:limit])).order_by(customers.c.number)
    ).mappings()
    return [customer_from(row) for row in rows]


def _plain(text: str) -> str:
    """One line of what a keyboard can write: no control characters, no halves of letters."""
    return "".join(letter for letter in text[:LONGEST_TEXT] if letter.isprintable()).strip()


class _Reader:
    """The ways of looking, each a range of an index; results keep the order in which they came."""

    def __init__(
        self, connection: Connection, *, full: bool, read_number: Callable[[str], str | None]
    ) -> None:
        self._connection = connection
        self._full = full
        self._read_number = read_number

    def look(self, text: str, hits: Hits, most: int) -> None:
        """Everything that fits the text as one thing."""
        ways: tuple[Callable[[str, Hits, int], None], ...] = (
            self._by_customer_number,
            self._by_phone,
            self._by_vehicle,
            self._by_name,
        )
        for way in ways if text else ():
            if len(hits) < most:
                way(text, hits, most)

    def narrow(self, words: Sequence[str], hits: Hits, most: int) -> None:
        """Those who fit every word, by the words with digits first and then by name."""
        sharp = [word for word in words if sum(letter.isdigit() for letter in word) >= _SHORTEST]
        plain = [typed_term(word) for word in words if word not in sharp]
        if not sharp or not plain:
            return
        kept: Hits = {}
        for place, word in enumerate(sharp):
            here: Hits = {}
            self._by_customer_number(word, here, _TAILS)
            self._by_phone(word, here, _TAILS)
            self._by_vehicle(word, here, _TAILS)
            kept = here if place == 0 else {one: kept[one] + here[one] for one in kept if one in here}
        rows = self._connection.execute(
            select(customers.c.id, customers.c.name)
            .where(customers.c.id.in_(list(kept)), customers.c.merged_into.is_(None))
            .order_by(customers.c.number)
        )
        for row in rows:
            if len(hits) >= most:
                return
            how = [read_as(row.name, word) for word in plain]
            if all(how) and row.id not in hits:
                hits[row.id] = [*kept[row.id], *(Reason(why=Why(one), text=row.name) for one in how)]

    def _by_customer_number(self, text: str, hits: Hits, _most: int) -> None:
        wanted = "".join(text.split()).upper()
        # The number of a record that was merged leads to the record it was merged into.
        into = func.coalesce(customers.c.merged_into, customers.c.id).label("id")
        found = select(into, customers.c.number).where(customers.c.number == wanted)
        for row in self._connection.execute(found):
            _note(hits, row.id, Reason(why=Why.CUSTOMER_NUMBER, text=row.number))

    def _by_phone(self, text: str, hits: Hits, most: int) -> None:
        if any(letter.isalpha() for letter in text):
            return
        number = self._read_number(text)
        if number is not None:
            for row in self._connection.execute(_BY_NUMBER, {"wanted": number}):
                _note(hits, row.customer_id, Reason(why=Why.PHONE, text=self._shown(number)))
        digits = "".join(letter for letter in text if "0" <= letter <= "9")
        if number is not None and len(digits) >= _WHOLE:
            return
        if not self._full:
            if len(digits) < _SHOWN:
                return
            text = digits[-_SHOWN:]
        bounds = tail_range(text)
        if bounds is None:
            return
        rows = self._connection.execute(_BY_TAIL, {"first": bounds[0], "last": bounds[1]})
        # By the customer, never by the number: the order must not tell what a mask hides.
        for row in sorted(rows, key=lambda row: row.customer_id):
            if len(hits) >= most:
                return
            if self._full or mask_number(row.number).endswith(text):
                _note(hits, row.customer_id, Reason(why=Why.PHONE_TAIL, text=self._shown(row.number)))

    def _shown(self, number: str) -> str:
        return readable(number) if self._full else mask_number(number)

    def _by_vehicle(self, text: str, hits: Hits, most: int) -> None:
        plate = parse_plate(text)
        if plate is not None:
            self._vehicles(_BY_PLATE, {"wanted": plate.text}, Why.PLATE, hits, most)
        vin = parse_vin(text)
        if vin is not None:
            self._vehicles(_BY_VIN, {"wanted": vin}, Why.VIN, hits, most)
            return
        tail = clean_tail(text)
        if tail is not None:
            first = reversed_keys(tail)
            values = {"first": first, "last": first + "9" * 17, "like": "%" + tail}
            self._vehicles(_BY_PLATE_TAIL, values, Why.PLATE, hits, most)
            self._vehicles(_BY_VIN_TAIL, values, Why.VIN, hits, most)
        typed = "".join(text.split()).upper()
        if len(typed) < 3 or not any("0" <= letter <= "9" for letter in typed) or typed[0].isdigit():
            return
        keys = list(self._keys(typed, PLATE))[:most]
        if keys and len(hits) < most:
            rows = self._connection.execute(_OF_VEHICLE.where(vehicles.c.plate.in_(keys)), {"most": most})
            place = {key: n for n, key in enumerate(keys)}
            for row in sorted(rows, key=lambda row: place[row.plate]):
                _note(hits, row.customer_id, Reason(why=Why.PLATE, text=row.plate))

    def _vehicles(
        self, statement: Select[Any], values: dict[str, Any], why: Why, hits: Hits, most: int
    ) -> None:
        for row in self._connection.execute(statement, {**values, "most": most}):
            _note(
                hits,
                row.customer_id,
                Reason(why=why, text=(row.plate if why is Why.PLATE else row.vin) or ""),
            )

    def _by_name(self, text: str, hits: Hits, most: int) -> None:
        typed = typed_term(text)
        if not typed:
            return
        for key in dict.fromkeys((typed, *self._keys(typed, NAME))):
            if len(hits) >= most:
                return
            for row in self._connection.execute(_BY_NAME, {"wanted": key, "most": most}):
                how = read_as(row.name, typed)
                _note(hits, row.id, Reason(why=Why(how) if how else Why.NAME, text=row.name))

    def _keys(self, typed: str, kind: str) -> Iterable[str]:
        values = {"first": typed, "last": typed + _LAST, "kind": kind}
        return dict.fromkeys(self._connection.execute(_KEYS, values).scalars())


def _note(hits: Hits, customer_id: str, reason: Reason) -> None:
    known = hits.setdefault(customer_id, [])
    if all(one.why is not reason.why for one in known):
        known.append(reason)


def several(
    connection: Connection, viewer: Principal, ids: Sequence[str], *, now: datetime | None = None
) -> list[Found]:
    """These customers as lines of a list, in this order, masked for the viewer; merged ones are left out.

    So are those who are not there for this viewer. Without `now` no approval is good.
    """
    seen = sights(connection, viewer, ids, now)
    ids = [one for one in ids if seen.get(one, Sight.NONE) is not Sight.NONE]
    if not ids:
        return []
    rows = connection.execute(
        select(customers).where(customers.c.id.in_(ids), customers.c.merged_into.is_(None))
    ).mappings()
    known = {row[customers.c.id]: customer_from(row) for row in rows}
    phones: dict[str, str] = {}
    for tie in connection.execute(
        select(contacts.c.customer_id, contacts.c.number)
        .where(contacts.c.customer_id.in_(ids), contacts.c.ended_at.is_(None))
        .order_by(contacts.c.is_primary.desc(), contacts.c.since)
    ):
        phones.setdefault(tie.customer_id, tie.number)
    cars: dict[str, dict[str, CarLine]] = {}
    for car in connection.execute(
        select(vehicle_people.c.customer_id, vehicles.c.id, vehicles.c.plate, vehicles.c.model)
        .select_from(_PEOPLE)
        .where(vehicle_people.c.customer_id.in_(ids))
    ):
        line = CarLine(vehicle_id=car.id, plate=car.plate or "", model=car.model)
        cars.setdefault(car.customer_id, {})[car.id] = line
    return [
        _found(
            known[one],
            phones.get(one, ""),
            tuple(cars.get(one, {}).values()),
            viewer,
            closed=seen[one] is Sight.CLOSED,
        )
        for one in ids
        if one in known
    ]


def _found(
    customer: Customer, phone: str, cars: tuple[CarLine, ...], viewer: Principal, *, closed: bool
) -> Found:
    hidden = closed or not viewer.sees_names
    full = viewer.sees_numbers and not closed
    return Found(
        customer_id=customer.id,
        customer_number=customer.number,
        name=mask_name(customer.name) if hidden else customer.name,
        kind=customer.kind,
        honorific=customer.honorific,
        key_account=customer.key_account,
        customer_class=None if closed else customer.customer_class,
        phone="" if closed or not phone else (readable(phone) if full else mask_number(phone)),
        vehicles=() if closed else cars,
        closed=closed,
    )


def _with_reasons(item: Found, reasons: Sequence[Reason]) -> Found:
    return replace(item, why=tuple(reasons))
