"""Where a person is in the database: one walk over all tables, for handing everything out and for erasing it.

The walk knows no list of tables. From a customer it goes to his numbers, vehicles and calls, and from these along
foreign keys and columns named alike (`call_id`, `customer_id`, `number`, `subject`) to every row that is about him. A
table that comes tomorrow is walked too. `scan` finds what names him without such a tie, by his numbers and ids.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from sqlalchemy import (
    JSON,
    Column,
    ColumnElement,
    Connection,
    RowMapping,
    String,
    Table,
    Text,
    and_,
    cast,
    exists,
    or_,
    select,
    tuple_,
)

from crm.links.links import LinkKind
from storage.audit import HIDDEN
from storage.tables import metadata
from storage.tables.appointments import appointments
from storage.tables.base import Utc
from storage.tables.calls import call_legs, calls
from storage.tables.cases import cases
from storage.tables.contacts import due_contacts
from storage.tables.records import contacts, customers, vehicle_people, vehicles
from storage.tables.reports import reports
from storage.tables.surveys import survey_offers
from telephony.numbers import national

#: Tables about the house and its staff: never about a customer, so neither walked nor changed.
OF_THE_HOUSE: Final = frozenset(
    {
        *("users", "sessions", "tokens", "second_factors", "recovery_codes", "phones", "agents"),
        *("department_users", "fields", "definitions", "record_settings", "serials", "hooks"),
        *("articles", "article_versions", "article_words", "import_columns", "import_offsets"),
        *(
            "switch_boots",
            "restores",
            "script_events",
            "retention_runs",
            "erasures",
            "erased_files",
            "fillings",
        ),
        "suppressions",
        "do_not_call_lists",
    }
)
#: Rows that prove that the law was kept: who did what and when stays, what people wrote in them goes.
PROOF: Final = frozenset(("privacy_requests", "holds"))
#: Columns that hold the id of a customer, of a call, or a number, under whatever table.
_CUSTOMER_COLUMNS: Final = frozenset(
    ("customer_id", "survivor_id", "merged_id", "merged_into", "one_id", "other_id", "owner_id")
)
_CALL_COLUMNS: Final = frozenset(("call_id", "last_call_id"))
_NUMBER_COLUMNS: Final = frozenset(("number", "pattern", "raw_number", "caller", "called"))
#: What a private link opens: its `subject` is the id of such a row.
OPENED: Final[Mapping[str, Table]] = {
    LinkKind.CASE: cases,
    LinkKind.SURVEY: survey_offers,
    LinkKind.APPOINTMENT: appointments,
    LinkKind.REPORT: reports,
}
#: Ids without a foreign key, where the column is not called like the table.
_TABLE_OF: Final[Mapping[str, Table]] = {"contact_id": due_contacts, "opened_case_id": cases}
#: What is no fact about the person but a key of the house: not handed out.
_KEYS: Final = frozenset((("links", "hash"), ("links", "pin_hash"), ("links", "browser")))
_AT_ONCE: Final = 400

Key = tuple[Any, ...]


@dataclass(frozen=True, kw_only=True)
class Person:
    """Who is looked for: everything that names him, and nothing that names somebody else too."""

    customer_id: str
    #: This record and those merged into it.
    customer_ids: frozenset[str]
    names: tuple[str, ...]
    #: E.164, of nobody else now.
    numbers: tuple[str, ...]
    #: E.164, of another living record too: left where they are not tied to this person.
    shared: tuple[str, ...]
    call_ids: frozenset[str]
    #: Vehicles that nobody else drives, owns or pays for.
    vehicle_ids: frozenset[str]
    #: Their plates and VINs.
    marks: tuple[str, ...]

    @property
    def subjects(self) -> frozenset[str]:
        """How rows about him call him."""
        return frozenset(
            [f"customer:{one}" for one in self.customer_ids]
            + [f"vehicle:{one}" for one in self.vehicle_ids]
            + [f"call:{one}" for one in self.call_ids]
        )


@dataclass(kw_only=True)
class Tied:
    """Primary keys of the rows about a person, per table."""

    keys: dict[str, set[Key]] = field(default_factory=dict)

    def add(self, table: Table, found: Iterable[Key]) -> int:
        """Remember these; gives how many are new."""
        known = self.keys.setdefault(table.name, set())
        before = len(known)
        known.update(found)
        return len(known) - before

    def beyond(self, other: Tied) -> bool:
        """Whether there is a row here that is not there."""
        return any(keys - other.keys.get(name, set()) for name, keys in self.keys.items())

    def ids(self, table: Table) -> set[Any]:
        """Values of a single-column primary key."""
        return {key[0] for key in self.keys.get(table.name, ())}


def walked() -> Iterator[Table]:
    """Every table that may be about a person, those others point to first."""
    for table in metadata.sorted_tables:
        if table.name not in OF_THE_HOUSE and table.primary_key.columns:
            yield table


def person_of(connection: Connection, customer_id: str) -> Person:
    """Who this customer is in the database."""
    ids = {customer_id}
    while True:
        merged = select(customers.c.id).where(customers.c.merged_into.in_(ids))
        more = set(connection.execute(merged).scalars()) - ids
        if not more:
            break
        ids |= more
    names = connection.execute(select(customers.c.name).where(customers.c.id.in_(ids))).scalars()
    held = set(connection.execute(select(contacts.c.number).where(contacts.c.customer_id.in_(ids))).scalars())
    others = select(contacts.c.number).where(
        contacts.c.number.in_(held), contacts.c.customer_id.not_in(ids), contacts.c.ended_at.is_(None)
    )
    shared = set(connection.execute(others).scalars()) if held else set()
    numbers = held - shared
    call_ids = set(connection.execute(select(calls.c.id).where(calls.c.customer_id.in_(ids))).scalars())
    for some in _chunks(sorted(numbers)):
        call_ids |= set(connection.execute(select(calls.c.id).where(calls.c.number.in_(some))).scalars())
    own = set(
        connection.execute(
            select(vehicle_people.c.vehicle_id).where(vehicle_people.c.customer_id.in_(ids))
        ).scalars()
    )
    if own:
        theirs = select(vehicle_people.c.vehicle_id).where(
            vehicle_people.c.vehicle_id.in_(own),
            vehicle_people.c.customer_id.not_in(ids),
            vehicle_people.c.ended_at.is_(None),
        )
        own -= set(connection.execute(theirs).scalars())
    marks = connection.execute(select(vehicles.c.plate, vehicles.c.vin).where(vehicles.c.id.in_(own))).all()
    return Person(
        customer_id=customer_id,
        customer_ids=frozenset(ids),
        names=tuple(sorted({name for name in names if len(name) > 1}, key=len, reverse=True)),
        numbers=tuple(sorted(numbers)),
        shared=tuple(sorted(shared)),
        call_ids=frozenset(call_ids),
        vehicle_ids=frozenset(own),
        marks=tuple(sorted({str(mark) for row in marks for mark in row if mark})),
    )


def united(known: Person | None, now: Person) -> Person:
    """Who he was before a first round took his numbers away, and what is his now."""
    if known is None:
        return now
    return replace(
        known,
        customer_ids=known.customer_ids | now.customer_ids,
        numbers=tuple(sorted({*known.numbers, *now.numbers} - {*known.shared, *now.shared})),
        shared=tuple(sorted({*known.shared, *now.shared})),
        call_ids=known.call_ids | now.call_ids,
        vehicle_ids=known.vehicle_ids | now.vehicle_ids,
        marks=tuple(sorted({*known.marks, *now.marks})),
    )


def tied_rows(connection: Connection, person: Person) -> Tied:
    """Every row that hangs on this person, found by keys alone. Some of these columns have no index: to be read
    in a reading transaction."""
    tied = Tied()
    tied.add(customers, [(one,) for one in person.customer_ids])
    tied.add(calls, [(one,) for one in person.call_ids])
    tied.add(vehicles, [(one,) for one in person.vehicle_ids])
    linked = set()
    for some in _chunks(sorted(person.call_ids)):
        legs = select(call_legs.c.uniqueid).where(call_legs.c.call_id.in_(some))
        linked |= set(connection.execute(legs).scalars())
    for _round in range(4):  # parents stand before children, so two are enough; a third proves it
        new = 0
        for table in walked():
            for some_condition in _ties(table, person, tied, linked):
                primary = table.primary_key.columns
                found = connection.execute(select(*primary).where(some_condition))
                new += tied.add(table, [tuple(row) for row in found])
        if new == 0:
            break
    return tied


def _ties(table: Table, person: Person, tied: Tied, linked: set[str]) -> Iterator[ColumnElement[bool]]:
    """Why a row of this table would be about the person: one condition a column, in bounded pieces."""
    for column in table.columns:
        wanted: Iterable[Any] = ()
        parents = [key.column.table for key in column.foreign_keys]
        if parents and parents[0] is not table and parents[0].name not in OF_THE_HOUSE:
            wanted = tied.ids(parents[0])
        elif not isinstance(column.type, String):
            continue
        elif table.name == "links":
            if column.name == "subject":
                wanted = {one for opened in OPENED.values() for one in tied.ids(opened)}
        elif column.name in _CUSTOMER_COLUMNS:
            wanted = {*person.customer_ids, *(person.vehicle_ids if column.name == "owner_id" else ())}
            if any(parent.name in OF_THE_HOUSE for parent in parents):
                wanted = ()  # the owner of a task is a user
        elif column.name in _CALL_COLUMNS:
            wanted = person.call_ids
        elif column.name in _NUMBER_COLUMNS and table is not calls:
            wanted = person.numbers
        elif (
            column.name == "subject" and isinstance(column.type, String) and not isinstance(column.type, Text)
        ):
            wanted = person.subjects
        elif column.name in ("uniqueid", "linkedid") and table.name == "switch_calls":
            wanted = linked
        elif column.name.endswith("_id") and not parents:
            named = _TABLE_OF.get(column.name)
            if named is None:
                named = metadata.tables.get(column.name.removesuffix("_id") + "s")
            if named is not None and named.name not in OF_THE_HOUSE:
                wanted = tied.ids(named)
        for some in _chunks(sorted(wanted, key=str)):
            yield column.in_(some)


def _chunks(values: Sequence[Any]) -> Iterator[Sequence[Any]]:
    for first in range(0, len(values), _AT_ONCE):
        yield values[first : first + _AT_ONCE]


def rows_of(connection: Connection, table: Table, keys: Iterable[Key]) -> Iterator[RowMapping]:
    """The rows with these keys, in the order of the keys."""
    primary = list(table.primary_key.columns)
    for some in _chunks(sorted(keys, key=str)):
        condition = (
            primary[0].in_([key[0] for key in some])
            if len(primary) == 1
            else tuple_(*primary).in_([tuple(key) for key in some])
        )
        yield from connection.execute(select(table).where(condition)).mappings()


# -- what names him in plain text --------------------------------------------------------------------


def texts_of(table: Table) -> list[Column[Any]]:
    """Columns in which words or numbers can stand."""
    return [
        column
        for column in table.columns
        if isinstance(column.type, String | Text | JSON) and not isinstance(column.type, Utc)
    ]


def number_pattern(numbers: Iterable[str]) -> re.Pattern[str] | None:
    """E.164 numbers in every way people and machines write them, also back to front."""
    parts = []
    for number in numbers:
        digits = national(number).lstrip("0") if number.startswith("+86") else number.lstrip("+")
        digits = re.sub(r"\D", "", digits)
        if len(digits) < 6:
            continue
        parts.append(r"(?:(?:\+|00)?86[ .-]?)?0?" + r"[ .()-]{0,2}".join(digits))
        parts.append(re.sub(r"\D", "", number)[::-1])
        parts.append(digits[::-1])
    return re.compile("|".join(rf"(?<!\d){part}(?!\d)" for part in parts)) if parts else None


def _like_patterns(person: Person) -> list[str]:
    """Wide nets that an index-less scan casts; `number_pattern` says what was really caught."""
    nets = []
    for number in person.numbers:
        digits = re.sub(r"\D", "", number)
        tail = digits[-8:]
        nets.append(f"%{tail[:4]}%{tail[4:]}%")
        nets.append(f"%{tail[::-1]}%")
    return nets + [f"%{one}%" for one in person.customer_ids]


def scan(connection: Connection, person: Person) -> Tied:
    """Rows that name the person by number or id anywhere in their text, tied or not. Reads every table once."""
    found = Tied()
    pattern = number_pattern(person.numbers)
    nets = _like_patterns(person)
    for table in walked():
        texts = texts_of(table)
        if not texts:
            continue
        primary = list(table.primary_key.columns)
        caught = or_(*(cast(column, Text).like(net) for column in texts for net in nets))
        for row in connection.execute(select(*primary, *texts).where(caught)):
            words = "\n".join(_written(value) for value in row)
            if any(one in words for one in person.customer_ids) or (pattern and pattern.search(words)):
                found.add(table, [tuple(row[: len(primary)])])
    return found


def _written(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def has_others(connection: Connection, name_key: str, ids: Iterable[str]) -> bool:
    """Whether another record goes by the same name."""
    statement = select(
        exists().where(and_(customers.c.name_key == name_key, customers.c.id.not_in(list(ids))))
    )
    return bool(connection.execute(statement).scalar_one())


def handed_out(connection: Connection, person: Person) -> Mapping[str, list[dict[str, Any]]]:
    """Everything about the person, table by table, as plain values (times as ISO text)."""
    tied = tied_rows(connection, person)
    out: dict[str, list[dict[str, Any]]] = {}
    for table in walked():
        keys = tied.keys.get(table.name)
        if keys:
            out[table.name] = [
                {
                    name: _plain(value)
                    for name, value in row.items()
                    if value is not None and (table.name, name) not in _KEYS
                }
                for row in rows_of(connection, table, keys)
            ]
    for fact in out.get("call_facts", []):  # who of the house did it, and from where, is not about the person
        if isinstance(fact.get("data"), dict):
            fact["data"] = {name: one for name, one in fact["data"].items() if not name.startswith(HIDDEN)}
    return out


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    return value.isoformat() if hasattr(value, "isoformat") else value
