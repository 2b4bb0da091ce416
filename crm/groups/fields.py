"""What a group's query may ask about: scopes, their fields, and how each kind of field is compared.

This is the allow-list: what is not here can be neither asked nor compiled. Telephone numbers are not here on
purpose: who sees them masked could read them out by asking for their beginnings.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final

from crm.records.classification import CustomerClass, Grade
from crm.records.contacts import Label
from crm.records.credit import CreditGrade
from crm.records.customers import CustomerKind, Honorific, Secrecy, Sex
from crm.records.fields import FieldDefinition, FieldSubject
from crm.records.fields import FieldKind as OwnKind
from crm.records.purchases import Payment, VisitKind
from crm.records.vehicles import Role, VehicleState
from crm.tasks.tasks import TaskKind, TaskState
from telephony.calls import Direction, Outcome

#: A span of days reaches at most so far.
LONGEST_SPAN_DAYS: Final = 36_500


class FieldKind(StrEnum):
    """What the values of a field are."""

    TEXT = "text"
    CHOICE = "choice"
    FLAG = "flag"
    NUMBER = "number"
    MONEY = "money"  # hundredths of the house's currency
    DAY = "day"
    MOMENT = "moment"  # compared by the house's days
    USER = "user"  # an agent's user id
    GROUP = "group"  # a static group's id


class Operator(StrEnum):
    """How a field is compared with a value. Spans are in days, counted from today, both ends included."""

    IS = "is"
    IS_NOT = "is_not"
    ONE_OF = "one_of"
    NONE_OF = "none_of"
    BEGINS = "begins"
    CONTAINS = "contains"
    AT_LEAST = "at_least"
    AT_MOST = "at_most"
    BETWEEN = "between"
    ON = "on"
    BEFORE = "before"
    SINCE = "since"
    IN_LAST = "in_last"
    IN_NEXT = "in_next"
    AT_LEAST_AGO = "at_least_ago"
    AT_LEAST_AHEAD = "at_least_ahead"
    ANNIVERSARY_IN_NEXT = "anniversary_in_next"
    EMPTY = "empty"
    FILLED = "filled"


#: Operators that stand alone.
VALUELESS: Final = frozenset({Operator.EMPTY, Operator.FILLED})

#: Operators that ask for a part of a text.
_PARTS: Final = frozenset({Operator.BEGINS, Operator.CONTAINS})
_WHEN: Final = (
    Operator.IN_LAST,
    Operator.IN_NEXT,
    Operator.AT_LEAST_AGO,
    Operator.AT_LEAST_AHEAD,
    Operator.ON,
    Operator.BEFORE,
    Operator.SINCE,
    Operator.BETWEEN,
)
_NUMBERS: Final = (Operator.AT_LEAST, Operator.AT_MOST, Operator.BETWEEN, Operator.IS)
_BY_KIND: Final[Mapping[FieldKind, tuple[Operator, ...]]] = {
    FieldKind.TEXT: (Operator.IS, Operator.IS_NOT, Operator.BEGINS, Operator.CONTAINS),
    FieldKind.CHOICE: (Operator.IS, Operator.IS_NOT, Operator.ONE_OF, Operator.NONE_OF),
    FieldKind.FLAG: (Operator.IS,),
    FieldKind.NUMBER: _NUMBERS,
    FieldKind.MONEY: _NUMBERS,
    FieldKind.DAY: _WHEN,
    FieldKind.MOMENT: _WHEN,
    FieldKind.USER: (Operator.IS, Operator.IS_NOT, Operator.ONE_OF, Operator.NONE_OF),
    FieldKind.GROUP: (Operator.IS, Operator.IS_NOT),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Field:
    """One thing that may be asked."""

    name: str
    kind: FieldKind
    #: Values of a choice; empty: any word.
    choices: tuple[str, ...] = ()
    #: It may be unknown, so "empty" and "filled" can be asked.
    optional: bool = False
    #: Its day of the year may be asked (birthdays).
    anniversary: bool = False
    #: Only the whole text may be asked: parts of it would read out what is masked in it.
    whole: bool = False
    #: Labels of a field of the house's own, by language; empty: `crm.groups.words` knows it.
    labels: Mapping[str, str] = field(default_factory=dict)
    #: Id of its definition, for a field of the house's own.
    own_id: str = ""
    #: The kind of its definition.
    own_kind: OwnKind | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Scope:
    """What can be asked about one sort of thing, and which further things belong to it."""

    fields: Mapping[str, Field]
    things: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Catalogue:
    """All scopes, by name; a query begins at the root."""

    scopes: Mapping[str, Scope]
    root: str = "customer"


def operators_of(field: Field) -> tuple[Operator, ...]:
    """How this field may be compared."""
    found = _BY_KIND[field.kind]
    if field.whole:
        found = tuple(one for one in found if one not in _PARTS)
    if field.anniversary:
        found = (Operator.ANNIVERSARY_IN_NEXT, *found)
    if field.optional:
        found = (*found, Operator.EMPTY, Operator.FILLED)
    return found


def _scope(*fields: Field, things: tuple[str, ...] = ()) -> Scope:
    return Scope(fields={one.name: one for one in fields}, things=things)


def _words(kind: Iterable[StrEnum]) -> tuple[str, ...]:
    return tuple(one.value for one in kind)


def _text(name: str, *, optional: bool = False) -> Field:
    return Field(name=name, kind=FieldKind.TEXT, optional=optional)


def _choice(name: str, words: Iterable[StrEnum], *, optional: bool = False) -> Field:
    return Field(name=name, kind=FieldKind.CHOICE, choices=_words(words), optional=optional)


def _day(name: str, *, anniversary: bool = False) -> Field:
    return Field(name=name, kind=FieldKind.DAY, optional=True, anniversary=anniversary)


#: What every house can ask. Fields of its own join by `with_own`.
CATALOGUE: Final = Catalogue(
    scopes={
        "customer": _scope(
            _text("name"),
            _text("number"),
            _choice("kind", CustomerKind),
            Field(name="key_account", kind=FieldKind.FLAG),
            _choice("customer_class", CustomerClass, optional=True),
            _choice("value_grade", Grade, optional=True),
            _choice("loyalty_grade", Grade, optional=True),
            _choice("potential_grade", Grade, optional=True),
            _choice("credit_grade", CreditGrade, optional=True),
            _choice("honorific", Honorific),
            _choice("sex", Sex, optional=True),
            Field(name="language", kind=FieldKind.CHOICE, choices=("zh-CN", "en"), optional=True),
            _day("birthday", anniversary=True),
            _text("occupation", optional=True),
            _text("address", optional=True),
            _text("source", optional=True),
            _text("need", optional=True),
            _day("purchase_expected_on"),
            Field(name="own_agent", kind=FieldKind.USER, optional=True),
            _day("visited_on"),
            _text("paper_file", optional=True),
            _choice("secrecy", Secrecy),
            Field(name="created_at", kind=FieldKind.MOMENT),
            Field(name="group", kind=FieldKind.GROUP),
            things=("vehicle", "contact", "purchase", "call", "task"),
        ),
        "contact": _scope(
            _choice("label", Label),
            Field(name="primary", kind=FieldKind.FLAG),
            Field(name="since", kind=FieldKind.MOMENT),
        ),
        "vehicle": _scope(
            _choice("role", Role),
            _text("brand", optional=True),
            _text("model", optional=True),
            _text("plate", optional=True),
            _choice("state", VehicleState),
            _day("delivered_on"),
            Field(name="mileage", kind=FieldKind.NUMBER, optional=True),
            _day("last_service_on"),
            _day("next_due_on"),
            Field(name="next_due_mileage", kind=FieldKind.NUMBER, optional=True),
            _text("purpose", optional=True),
            things=("visit",),
        ),
        "visit": _scope(
            _choice("kind", VisitKind),
            Field(name="visited_on", kind=FieldKind.DAY),
            Field(name="amount", kind=FieldKind.MONEY, optional=True),
            Field(name="mileage", kind=FieldKind.NUMBER, optional=True),
        ),
        "purchase": _scope(
            Field(name="bought_on", kind=FieldKind.DAY),
            _text("model", optional=True),
            Field(name="price", kind=FieldKind.MONEY, optional=True),
            _choice("payment", Payment),
        ),
        "call": _scope(
            Field(name="started_at", kind=FieldKind.MOMENT),
            _choice("direction", Direction),
            _choice("outcome", Outcome, optional=True),
            Field(name="rating", kind=FieldKind.NUMBER, optional=True),
        ),
        "task": _scope(
            _choice("kind", TaskKind),
            _choice("state", TaskState),
            Field(name="due_at", kind=FieldKind.MOMENT),
        ),
    }
)

_OWN_KINDS: Final[Mapping[OwnKind, FieldKind]] = {
    OwnKind.TEXT: FieldKind.TEXT,
    OwnKind.NUMBER: FieldKind.NUMBER,
    OwnKind.DATE: FieldKind.DAY,
    OwnKind.CHOICE: FieldKind.CHOICE,
    OwnKind.YES_NO: FieldKind.CHOICE,
}


def own_name(key: str) -> str:
    """The name of a field of the house's own in a query."""
    return f"own.{key}"


#: Texts that people write freely, where a telephone number may stand; they are masked where they are shown.
_FREE: Final = {
    "customer": frozenset({"name", "occupation", "address", "source", "need", "paper_file"}),
    "vehicle": frozenset({"purpose"}),
}


def without_parts(catalogue: Catalogue) -> Catalogue:
    """The catalogue for who sees numbers masked: free texts, and the house's own, are asked as a whole only.

    Else one who sees "138****5678" in an address asks letter by letter what is behind the stars.
    """
    scopes = dict(catalogue.scopes)
    for name, scope in catalogue.scopes.items():
        fields = {
            key: replace(one, whole=True)
            if one.kind is FieldKind.TEXT and (one.own_id or key in _FREE.get(name, ()))
            else one
            for key, one in scope.fields.items()
        }
        scopes[name] = replace(scope, fields=fields)
    return replace(catalogue, scopes=scopes)


def with_own(catalogue: Catalogue, definitions: Iterable[FieldDefinition]) -> Catalogue:
    """The catalogue with the house's own fields; hidden ones are left to the caller to leave out."""
    scopes = dict(catalogue.scopes)
    for one in definitions:
        scope = "customer" if one.subject is FieldSubject.CUSTOMER else "vehicle"
        own = Field(
            name=own_name(one.key),
            kind=_OWN_KINDS[one.kind],
            choices=("yes", "no") if one.kind is OwnKind.YES_NO else tuple(one.choices),
            optional=True,
            labels={"zh-CN": one.label_zh, "en": one.label_en},
            own_id=one.id,
            own_kind=one.kind,
        )
        before = scopes[scope]
        scopes[scope] = replace(before, fields={**before.fields, own.name: own})
    return replace(catalogue, scopes=scopes)
