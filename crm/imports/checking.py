"""A row of a list as values, or why it cannot be: read by its columns, and held against the rows before it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from access.sentences import Sentence
from crm.imports.cells import Cell, CellError, Fault, House
from crm.imports.fields import FIELDS, NEEDED, Field, ImportKind, Value
from crm.records.customers import name_key


@dataclass(frozen=True, kw_only=True, slots=True)
class Columns:
    """Which column says what: field to column (from 0), and values that stand in no column."""

    of: Mapping[str, int]
    #: Field to the text every row is read with where its own cell says nothing.
    fixed: Mapping[str, str] = field(default_factory=dict)


class MappingError(Exception):
    """The columns chosen cannot make such rows; `fields` are the ones of which one is missing, or unknown."""

    error_id = "import-mapping-incomplete"

    def __init__(self, fields: Sequence[str]) -> None:
        super().__init__(
            Sentence("The list needs a column for {columns}. Nothing was imported.", columns=fields)
        )
        self.fields = tuple(fields)


@dataclass(frozen=True, kw_only=True, slots=True)
class Checked:
    """What became of one row: its values, or its faults. `row` is the number that the spreadsheet shows."""

    row: int
    values: Mapping[str, Value]
    faults: tuple[Fault, ...] = ()


def require(kind: ImportKind, mapping: Columns, own: Collection[str] = ()) -> None:
    """Raises MappingError where no row could be read with these columns; `own` are fields of the house's own."""
    known = {one.name for one in FIELDS[kind]} | set(own)
    given = {*mapping.of, *mapping.fixed}
    if unknown := sorted(given - known):
        raise MappingError(unknown)
    for choice in NEEDED[kind]:
        if not given.intersection(choice):
            raise MappingError(choice)


#: Fields of a row that are about the customer, not about the vehicle or the visit.
_ABOUT_CUSTOMER: Final = (
    "name",
    "honorific",
    "kind",
    "language",
    "key_account",
    "source",
    "note",
    "source_id",
)
_ABOUT_VEHICLE: Final = ("plate", "brand", "model", "delivered_on", "last_service_on")


class Checker:
    """Checks the rows of one list in their order; it remembers digests of what rows before said, not the rows."""

    def __init__(self, kind: ImportKind, mapping: Columns, house: House, own: Sequence[Field] = ()) -> None:
        """`own` are fields of the house's own. Raises MappingError."""
        require(kind, mapping, [one.name for one in own])
        self._kind = kind
        self._house = house
        self._readers = [
            (one, mapping.of.get(one.name, -1), mapping.fixed.get(one.name))
            for one in (*FIELDS[kind], *own)
            if one.name in mapping.of or one.name in mapping.fixed
        ]
        self._of_customer = (*_ABOUT_CUSTOMER, *(one.name for one in own if one.name.startswith("customer.")))
        self._of_vehicle = (*_ABOUT_VEHICLE, *(one.name for one in own if one.name.startswith("vehicle.")))
        #: Digest of what may stand once in a list, to the row where it stood.
        self._seen: dict[int, int] = {}
        #: Digest of who or what and the field, to the digest of what was said and its row.
        self._said: dict[int, tuple[int, int]] = {}

    def check(self, row: int, cells: Sequence[Cell]) -> Checked | None:
        """The row's values or faults; None for a row in which nothing stands."""
        values: dict[str, Value] = {}
        faults: list[Fault] = []
        width = len(cells)
        empty = True
        for one, column, fixed in self._readers:
            cell = cells[column] if 0 <= column < width else None
            try:
                value = one.read(cell, self._house)
                if value is not None:
                    empty = False
                elif fixed:
                    value = one.read(fixed, self._house)
            except CellError as error:
                empty = False
                faults.append(Fault(error_id=error.error_id, about=one.name, values=error.values))
                continue
            if value is not None:
                values[one.name] = value
        if empty:
            return None
        if not faults:
            faults += self._missing(values)
        if not faults:
            faults += self._again(row, values)
        return Checked(row=row, values=values, faults=tuple(faults))

    def _missing(self, values: Mapping[str, Value]) -> Iterator[Fault]:
        for choice in NEEDED[self._kind]:
            if not any(name in values for name in choice):
                if len(choice) == 1:
                    yield Fault(error_id="value-missing", about=choice[0])
                else:
                    yield Fault(error_id="row-without-key", values={"fields": " ".join(choice)})

    def _again(self, row: int, values: Mapping[str, Value]) -> list[Fault]:
        """What rows before have said already, or said otherwise."""
        once = _stands_once(self._kind, values)
        if once is not None:
            before = self._seen.get(hash(once))
            if before is not None:
                return [Fault(error_id="row-duplicate", values={"row": str(before)})]
        faults = []
        said = []
        for whose, names in self._whose(values):
            for name in names:
                value = values.get(name)
                if value is None:
                    continue
                key, digest = hash((*whose, name)), hash(str(value))
                known = self._said.get(key)
                if known is None:
                    said.append((key, digest))
                elif known[0] != digest:
                    faults.append(
                        Fault(error_id="row-contradicts", about=name, values={"row": str(known[1])})
                    )
        if not faults:
            if once is not None:
                self._seen[hash(once)] = row
            self._said.update((key, (digest, row)) for key, digest in said)
        return faults

    def _whose(self, values: Mapping[str, Value]) -> Iterator[tuple[tuple[str, ...], tuple[str, ...]]]:
        """Of whom and what the row speaks, with the fields of each that a list may say in one way only."""
        kind = self._kind
        if kind is ImportKind.CUSTOMERS and (customer := _customer_key(values)):
            yield customer, self._of_customer
            phones = values.get("phone")
            if isinstance(phones, list):  # one person of one number goes by one customer number
                yield ("person", phones[0], name_key(str(values["name"]))), ("customer_number", "source_id")
        if kind in (ImportKind.CUSTOMERS, ImportKind.VEHICLES) and (vin := values.get("vin")):
            yield ("vin", str(vin)), self._of_vehicle
            if kind is ImportKind.CUSTOMERS:
                role = str(values.get("role", "owner"))
                if role == "owner":
                    yield ("owner", str(vin)), ("name",)


def _customer_key(values: Mapping[str, Value]) -> tuple[str, ...] | None:
    """What tells a customer from others within one list."""
    if number := values.get("customer_number"):
        return ("number", str(number))
    if source := values.get("source_id"):
        return ("source", str(source))
    phones = values.get("phone")
    if isinstance(phones, list) and (name := values.get("name")):
        return ("phone", phones[0], name_key(str(name)))
    return None


def _stands_once(kind: ImportKind, values: Mapping[str, Value]) -> tuple[str, ...] | None:
    """What may stand in one row of a list only."""
    if kind is ImportKind.VISITS:
        if order := values.get("order_number"):
            return ("order", str(order))
        return (
            "visit",
            *(str(values.get(name, "")) for name in ("vin", "plate", "visited_on", "work", "amount")),
        )
    if kind is ImportKind.OPTOUTS:
        return ("optout", *(str(values.get(name, "")) for name in ("phone", "purpose", "channel")))
    vehicle = values.get("vin") or values.get("plate") or ""
    whose = _customer_key(values) or (str(values.get("name", "")),)
    if kind is ImportKind.CONTACTS:
        return (*whose, str(values.get("phone")))
    return (*whose, str(vehicle), str(values.get("role", "")))
