"""A group's query as SQL: bound values only, columns from one table of what may be asked.

Every test is true or false, never NULL, so that "not" is the opposite also where something is not known. "Has"
where everything must hold is a list of ids the database can start from; elsewhere it is looked up per person.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Final
from zoneinfo import ZoneInfo

from sqlalchemy import (
    ColumnElement,
    FromClause,
    Select,
    and_,
    exists,
    false,
    func,
    literal,
    not_,
    or_,
    select,
    true,
)

from crm.groups.dates import anniversaries_of, days_of, moments_of
from crm.groups.fields import Catalogue, Field, FieldKind, Operator
from crm.groups.query import All, AnyOf, Has, Not, Query, Test
from crm.records.customers import name_key
from crm.records.fields import FieldDefinition, FieldSubject, read_value
from crm.records.fields import FieldKind as OwnKind
from storage.tables.calls import calls
from storage.tables.groups import group_members
from storage.tables.records import (
    contacts,
    customers,
    field_values,
    purchases,
    service_visits,
    vehicle_people,
    vehicles,
)
from storage.tables.tasks import tasks

_LAST_LETTER: Final = "\U0010ffff"
_ANY_NUMBER: Final = FieldDefinition(
    id="", subject=FieldSubject.CUSTOMER, key="number", label_zh="", label_en="", kind=OwnKind.NUMBER
)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Thing:
    """Where the rows of a thing are, and how they belong to the thing above."""

    rows: FromClause
    #: The column that names its owner, and the owner's own.
    owner: ColumnElement[Any]
    of: ColumnElement[Any]
    #: Which rows count at all.
    only: ColumnElement[bool]


_VEHICLES: Final = vehicle_people.join(vehicles, vehicles.c.id == vehicle_people.c.vehicle_id)
_THINGS: Final[Mapping[str, _Thing]] = {
    "contact": _Thing(
        rows=contacts, owner=contacts.c.customer_id, of=customers.c.id, only=contacts.c.ended_at.is_(None)
    ),
    "vehicle": _Thing(
        rows=_VEHICLES,
        owner=vehicle_people.c.customer_id,
        of=customers.c.id,
        only=vehicle_people.c.ended_at.is_(None),
    ),
    "visit": _Thing(rows=service_visits, owner=service_visits.c.vehicle_id, of=vehicles.c.id, only=true()),
    "purchase": _Thing(rows=purchases, owner=purchases.c.customer_id, of=customers.c.id, only=true()),
    "call": _Thing(
        rows=calls, owner=calls.c.customer_id, of=customers.c.id, only=calls.c.customer_id.is_not(None)
    ),
    "task": _Thing(
        rows=tasks, owner=tasks.c.customer_id, of=customers.c.id, only=tasks.c.customer_id.is_not(None)
    ),
}

#: "scope.field" to its column; fields of the house's own are looked up in `field_values`.
_COLUMNS: Final[Mapping[str, ColumnElement[Any]]] = {
    **{
        f"customer.{name}": customers.c[name]
        for name in (
            "number",
            "kind",
            "key_account",
            "customer_class",
            "value_grade",
            "loyalty_grade",
            "potential_grade",
            "credit_grade",
            "honorific",
            "sex",
            "language",
            "birthday",
            "occupation",
            "address",
            "source",
            "need",
            "purchase_expected_on",
            "visited_on",
            "paper_file",
            "secrecy",
            "created_at",
        )
    },
    "customer.name": customers.c.name_key,
    "customer.own_agent": customers.c.own_agent_id,
    "contact.label": contacts.c.label,
    "contact.primary": contacts.c.is_primary,
    "contact.since": contacts.c.since,
    "vehicle.role": vehicle_people.c.role,
    **{
        f"vehicle.{name}": vehicles.c[name]
        for name in (
            "brand",
            "model",
            "plate",
            "state",
            "delivered_on",
            "mileage",
            "last_service_on",
            "next_due_on",
            "next_due_mileage",
            "purpose",
        )
    },
    "visit.kind": service_visits.c.kind,
    "visit.visited_on": service_visits.c.visited_on,
    "visit.amount": service_visits.c.amount_cents,
    "visit.mileage": service_visits.c.mileage,
    "purchase.bought_on": purchases.c.bought_on,
    "purchase.model": purchases.c.model,
    "purchase.price": purchases.c.price_cents,
    "purchase.payment": purchases.c.payment,
    "call.started_at": calls.c.started_at,
    "call.direction": calls.c.direction,
    "call.outcome": calls.c.outcome,
    "call.rating": calls.c.rating,
    "task.kind": tasks.c.kind,
    "task.state": tasks.c.state,
    "task.due_at": tasks.c.due_at,
}


def people(
    query: Query, catalogue: Catalogue, *, today: date, zone: ZoneInfo, sqlite: bool
) -> Select[tuple[str]]:
    """The ids of everybody in the group, without order. Records merged into others are nobody."""
    compiler = _Compiler(catalogue, today=today, zone=zone, sqlite=sqlite)
    return select(customers.c.id).where(
        customers.c.merged_into.is_(None), *compiler.conditions(query, catalogue.root)
    )


class _Compiler:
    def __init__(self, catalogue: Catalogue, *, today: date, zone: ZoneInfo, sqlite: bool) -> None:
        self._catalogue = catalogue
        self._today = today
        self._zone = zone
        self._sqlite = sqlite

    def conditions(self, query: Query, scope: str) -> list[ColumnElement[bool]]:
        """What must hold, one by one."""
        if isinstance(query, All):
            return [one for part in query.parts for one in self.conditions(part, scope)]
        return [self._holds(query, scope, alone=True)]

    def _holds(
        self, node: Query, scope: str, *, alone: bool = False, wanted: bool = True
    ) -> ColumnElement[bool]:
        """The node, or where `wanted` is False its opposite. `alone`: everything else must hold as well."""
        match node:
            case Not(part):
                return self._holds(part, scope, alone=alone, wanted=not wanted)
            case All(parts) | AnyOf(parts):
                every = isinstance(node, All) is wanted
                said = [self._holds(part, scope, alone=alone and every, wanted=wanted) for part in parts]
                return and_(true(), *said) if every else or_(false(), *said)
            case Has(what, where):
                return self._has(what, where, alone=alone, wanted=wanted)
            case Test():
                found = self._test(node, scope)
                return found if wanted else not_(found)

    def _has(self, what: str, where: Query, *, alone: bool, wanted: bool) -> ColumnElement[bool]:
        thing = _THINGS[what]
        conditions = (thing.only, *self.conditions(where, what))
        if wanted and (alone or self._sqlite):
            # A list of ids: the database may begin with it, or look into it. PostgreSQL below an "or" would
            # read such a list from its beginning for every person once it is too large to be hashed.
            listed = select(thing.owner).select_from(thing.rows).where(*conditions).correlate(None)
            return thing.of.in_(listed)
        there = exists(
            select(1)
            .select_from(thing.rows)
            .where(thing.owner == thing.of, *conditions)
            .correlate(thing.of.table)
        )
        return there if wanted else not_(there)

    def _test(self, test: Test, scope: str) -> ColumnElement[bool]:
        field = self._catalogue.scopes[scope].fields[test.field]
        if field.kind is FieldKind.GROUP:
            listed = select(group_members.c.customer_id).where(group_members.c.group_id == test.value)
            found = customers.c.id.in_(listed.correlate(None))
            return found if test.op is Operator.IS else not_(found)
        if field.own_id:
            return self._own(test, field, scope)
        return self._compared(test, field, _COLUMNS[f"{scope}.{field.name}"])

    def _own(self, test: Test, field: Field, scope: str) -> ColumnElement[bool]:
        """A field of the house's own: its value is a row, and an empty one is none."""
        owner = customers.c.id if scope == "customer" else vehicles.c.id
        opposite = {Operator.IS_NOT: Operator.IS, Operator.NONE_OF: Operator.ONE_OF}.get(test.op)
        if opposite is not None:
            return not_(self._own(Test(test.field, opposite, test.value), field, scope))
        conditions: list[ColumnElement[bool]] = [
            field_values.c.field_id == field.own_id,
            field_values.c.value != "",
        ]
        if test.op not in (Operator.EMPTY, Operator.FILLED):
            conditions.append(self._own_compared(test, field))
        listed = select(field_values.c.owner_id).where(*conditions)
        found = owner.in_(listed.correlate(None))
        return not_(found) if test.op is Operator.EMPTY else found

    def _own_compared(self, test: Test, field: Field) -> ColumnElement[bool]:
        value: Any = test.value
        column: ColumnElement[Any] = field_values.c.value
        if field.own_kind in (OwnKind.DATE, OwnKind.NUMBER) and not self._sqlite:
            column = column.collate("C")  # such text sorts as its value byte by byte only
        if field.own_kind is OwnKind.DATE:
            first, last = days_of(test.op, value, self._today)
            return _between(column, first and first.isoformat(), last and last.isoformat())
        if field.own_kind is OwnKind.NUMBER:
            kept = [_kept_number(one) for one in (value if isinstance(value, tuple) else (value,))]
            match test.op:
                case Operator.AT_LEAST:
                    return column >= kept[0]
                case Operator.AT_MOST:
                    return column <= kept[0]
                case Operator.BETWEEN:
                    return column.between(kept[0], kept[1])
            return column == kept[0]
        return self._compared(test, field, column)

    def _compared(self, test: Test, field: Field, column: ColumnElement[Any]) -> ColumnElement[bool]:
        value: Any = test.value
        known = column.is_not(None)
        textual = field.kind is FieldKind.TEXT or field.kind is FieldKind.CHOICE
        match test.op:
            case Operator.EMPTY:
                return or_(column.is_(None), column == "") if textual else column.is_(None)
            case Operator.FILLED:
                return and_(known, column != "") if textual else known
            case Operator.IS_NOT:
                return not_(self._compared(Test(test.field, Operator.IS, value), field, column))
            case Operator.NONE_OF:
                return not_(self._compared(Test(test.field, Operator.ONE_OF, value), field, column))
            case Operator.ONE_OF:
                return and_(known, column.in_(value))
            case Operator.IS if field.kind is FieldKind.FLAG:
                return column == (true() if value else false())  # as a partial index says it
            case Operator.IS if field.kind is FieldKind.TEXT and field.name != "name":
                return and_(known, func.lower(column) == value.lower())
            case Operator.IS:
                return and_(known, column == (name_key(value) if field.name == "name" else value))
            case Operator.BEGINS if field.name == "name":
                return _between(column, name_key(value), name_key(value) + _LAST_LETTER)
            case Operator.BEGINS:
                return and_(known, func.substr(func.lower(column), 1, len(value)) == value.lower())
            case Operator.CONTAINS:
                looked_for = name_key(value) if field.name == "name" else value.lower()
                place = func.instr if self._sqlite else func.strpos
                return and_(known, place(func.lower(column), looked_for) > 0)
            case Operator.AT_LEAST:
                return and_(known, column >= value)
            case Operator.AT_MOST:
                return and_(known, column <= value)
            case Operator.BETWEEN if field.kind in (FieldKind.NUMBER, FieldKind.MONEY):
                return and_(known, column.between(*value))
            case Operator.ANNIVERSARY_IN_NEXT:
                return self._anniversary(column, value)
        days = days_of(test.op, value, self._today)
        if field.kind is FieldKind.MOMENT:
            since, until = moments_of(days, self._zone)
            bounds: list[ColumnElement[bool]] = [known]
            bounds += [column >= since] if since is not None else []
            bounds += [column < until] if until is not None else []
            return and_(*bounds)
        return _between(column, *days)

    def _anniversary(self, column: ColumnElement[Any], days: int) -> ColumnElement[bool]:
        span = anniversaries_of(days, self._today)
        if span is None:
            return column.is_not(None)
        # SQLite keeps days as ISO text.
        text = func.substr(column, 6, 5) if self._sqlite else func.to_char(column, "MM-DD")
        first, last = span
        within = text.between(first, last) if first <= last else or_(text >= first, text <= last)
        return and_(column.is_not(None), within)


def _between(column: ColumnElement[Any], first: Any, last: Any) -> ColumnElement[bool]:
    bounds: list[ColumnElement[bool]] = [column.is_not(None)]
    bounds += [column >= literal(first, column.type)] if first is not None else []
    bounds += [column <= literal(last, column.type)] if last is not None else []
    return and_(*bounds)


def _kept_number(value: int) -> str:
    """A number as `field_values` keeps it."""
    return read_value(_ANY_NUMBER, str(value))
