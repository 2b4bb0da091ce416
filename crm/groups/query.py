"""The query of a dynamic group: a small typed tree, its JSON, and what is refused with which words.

JSON, one object a node::

    {"all": [NODE, ...]}   {"any": [NODE, ...]}   {"not": NODE}
    {"has": "vehicle", "where": NODE}             at least one such thing for which NODE holds
    {"field": "delivered_on", "op": "at_least_ago", "value": 90}

A test about something that is not known is not fulfilled; "is_not" and "none_of" are the opposite of "is" and
"one_of", so they are. There is no third answer, and none in SQL either (`storage.group_queries`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from access.sentences import Sentence
from crm.groups.fields import (
    LONGEST_SPAN_DAYS,
    VALUELESS,
    Catalogue,
    Field,
    FieldKind,
    Operator,
    operators_of,
)

#: Deeper or larger trees are refused: nobody could read them.
DEEPEST: Final = 8
MOST_NODES: Final = 60
MOST_VALUES: Final = 200
LONGEST_TEXT: Final = 64
#: Largest number that may be compared with.
_LARGEST: Final = 10**13

#: What a test compares with.
Value = str | int | bool | date | tuple[str, ...] | tuple[int, int] | tuple[date, date] | None


class GroupError(Exception):
    """Base of what can be wrong about groups; nothing was changed.

    GroupError
    ├── GroupNotFound   there is no such group, or no such frozen list
    ├── GroupTaken      another group in use has this name
    ├── GroupChanged    somebody changed it meanwhile
    ├── GroupRefused    that cannot be done with such a group
    └── BadQuery        the query cannot be read; says where and why
    """

    error_id = "group-error"


class GroupNotFound(GroupError):
    """There is no such group, or no such frozen list of one."""

    error_id = "group-not-found"


class GroupTaken(GroupError):
    """Another group in use has this name."""

    error_id = "group-name-taken"


class GroupChanged(GroupError):
    """Somebody else has changed the group since it was read; nothing was written."""

    error_id = "group-changed"


class GroupRefused(GroupError):
    """That cannot be done with a group of this kind, or with an archived one."""

    error_id = "group-refused"


class BadQuery(GroupError):
    """The query cannot be used: `place` says where, `code` why, as a word for programs."""

    error_id = "bad-group-query"

    def __init__(self, place: str, code: str, sentence: str, *, allowed: tuple[str, ...] = ()) -> None:
        super().__init__(Sentence("{place}: {problem}", place=place or "query", problem=sentence))
        self.place = place
        #: The same for a form: which value is to blame.
        self.field = place or "query"
        self.code = code
        self.sentence = sentence
        #: What would have been right there.
        self.allowed = allowed


@dataclass(frozen=True, slots=True)
class All:
    """Every part holds; without parts everybody fits."""

    parts: tuple[Query, ...] = ()


@dataclass(frozen=True, slots=True)
class AnyOf:
    """At least one part holds."""

    parts: tuple[Query, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """The part does not hold."""

    part: Query


@dataclass(frozen=True, slots=True)
class Has:
    """There is at least one of something (a vehicle, a visit, a call…) for which `where` holds."""

    what: str
    where: Query


@dataclass(frozen=True, slots=True)
class Test:
    """One field compared with a value."""

    field: str
    op: Operator
    value: Value = None

    #: pytest takes classes called Test for tests.
    __test__ = False


Query = All | AnyOf | Not | Has | Test


# -- from JSON ----------------------------------------------------------------------------------------


def read_query(raw: object, catalogue: Catalogue) -> Query:
    """The tree of a JSON value. Raises BadQuery with the place, the reason and what is allowed."""
    reader = _Reader(catalogue)
    return reader.node(raw, "", catalogue.root, 1)


class _Reader:
    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._nodes = 0

    def node(self, raw: object, place: str, scope: str, depth: int) -> Query:
        self._nodes += 1
        if self._nodes > MOST_NODES:
            raise BadQuery(place, "too-large", Sentence("a query has at most {most} parts", most=MOST_NODES))
        if depth > DEEPEST:
            raise BadQuery(place, "too-deep", Sentence("parts are nested at most {most} deep", most=DEEPEST))
        if not isinstance(raw, Mapping):
            raise BadQuery(place, "not-a-node", "a part is an object")
        match sorted(map(str, raw)):
            case ["all"]:
                return All(self._parts(raw["all"], f"{place}.all".strip("."), scope, depth, empty=True))
            case ["any"]:
                return AnyOf(self._parts(raw["any"], f"{place}.any".strip("."), scope, depth, empty=False))
            case ["not"]:
                return Not(self.node(raw["not"], f"{place}.not".strip("."), scope, depth + 1))
            case ["has"] | ["has", "where"]:
                return self._has(raw, place, scope, depth)
            case ["field", "op"] | ["field", "op", "value"]:
                return self._test(raw, place, scope)
        raise BadQuery(
            place,
            "not-a-node",
            "a part has 'all', 'any', 'not', 'has' with 'where', or 'field' with 'op' and 'value'",
        )

    def _parts(self, raw: object, place: str, scope: str, depth: int, *, empty: bool) -> tuple[Query, ...]:
        if not isinstance(raw, list):
            raise BadQuery(place, "not-a-list", "a list of parts is needed here")
        if not raw and not empty:
            raise BadQuery(place, "empty", "at least one part is needed here")
        return tuple(self.node(part, f"{place}[{n}]", scope, depth + 1) for n, part in enumerate(raw))

    def _has(self, raw: Mapping[Any, Any], place: str, scope: str, depth: int) -> Has:
        things = self._catalogue.scopes[scope].things
        what = raw["has"]
        if not isinstance(what, str) or what not in things:
            raise BadQuery(
                f"{place}.has".strip("."), "unknown-thing", "there is no such thing here", allowed=things
            )
        where = raw.get("where", {"all": []})
        return Has(what, self.node(where, f"{place}.where".strip("."), what, depth + 1))

    def _test(self, raw: Mapping[Any, Any], place: str, scope: str) -> Test:
        fields = self._catalogue.scopes[scope].fields
        name = raw["field"]
        field = fields.get(name) if isinstance(name, str) else None
        if field is None:
            raise BadQuery(
                f"{place}.field".strip("."),
                "unknown-field",
                "there is no such field here",
                allowed=tuple(fields),
            )
        allowed = operators_of(field)
        op = next((one for one in allowed if one == raw["op"]), None)
        if op is None:
            raise BadQuery(
                f"{place}.op".strip("."),
                "unknown-operator",
                Sentence("{field} cannot be compared so", field=name),
                allowed=tuple(one.value for one in allowed),
            )
        where = f"{place}.value".strip(".")
        if op in VALUELESS:
            if raw.get("value") is not None:
                raise BadQuery(where, "no-value", Sentence("{op} takes no value", op=op))
            return Test(field.name, op)
        return Test(field.name, op, _value(field, op, raw.get("value"), where))


def _value(field: Field, op: Operator, raw: object, place: str) -> Value:
    if op in (Operator.ONE_OF, Operator.NONE_OF):
        if not isinstance(raw, list) or not 1 <= len(raw) <= MOST_VALUES:
            raise BadQuery(
                place, "not-a-list", Sentence("a list of 1 to {most} values is needed", most=MOST_VALUES)
            )
        return tuple(dict.fromkeys(_text(field, one, f"{place}[{n}]") for n, one in enumerate(raw)))
    if op in _SPANS:
        return _whole(raw, place, most=LONGEST_SPAN_DAYS)
    if op is Operator.BETWEEN:
        if not isinstance(raw, list) or len(raw) != 2:
            raise BadQuery(place, "not-a-pair", "two values are needed: from and to")
        if field.kind in _DATES:
            first, last = (_day(one, f"{place}[{n}]") for n, one in enumerate(raw))
            if last < first:
                raise BadQuery(place, "wrong-order", "the second value is before the first")
            return first, last
        low, high = (_whole(one, f"{place}[{n}]", most=_LARGEST) for n, one in enumerate(raw))
        if high < low:
            raise BadQuery(place, "wrong-order", "the second value is below the first")
        return low, high
    match field.kind:
        case FieldKind.FLAG:
            if not isinstance(raw, bool):
                raise BadQuery(place, "not-yes-no", "true or false is needed", allowed=("true", "false"))
            return raw
        case FieldKind.NUMBER | FieldKind.MONEY:
            return _whole(raw, place, most=_LARGEST)
        case FieldKind.DAY | FieldKind.MOMENT:
            return _day(raw, place)
        case _:
            return _text(field, raw, place)


_SPANS: Final = frozenset(
    {
        Operator.IN_LAST,
        Operator.IN_NEXT,
        Operator.AT_LEAST_AGO,
        Operator.AT_LEAST_AHEAD,
        Operator.ANNIVERSARY_IN_NEXT,
    }
)
_DATES: Final = frozenset({FieldKind.DAY, FieldKind.MOMENT})


def _text(field: Field, raw: object, place: str) -> str:
    if not isinstance(raw, str) or not 1 <= len(raw.strip()) <= LONGEST_TEXT or not raw.isprintable():
        raise BadQuery(
            place, "not-text", Sentence("a text of 1 to {most} characters is needed", most=LONGEST_TEXT)
        )
    text = raw.strip()
    if field.kind is FieldKind.CHOICE and field.choices and text not in field.choices:
        raise BadQuery(
            place, "not-a-choice", Sentence("{field} cannot be that", field=field.name), allowed=field.choices
        )
    return text


def _whole(raw: object, place: str, *, most: int) -> int:
    if isinstance(raw, bool) or not isinstance(raw, int) or not 0 <= raw <= most:
        raise BadQuery(
            place, "not-a-number", Sentence("a whole number from 0 to {most} is needed", most=most)
        )
    return raw


def _day(raw: object, place: str) -> date:
    try:
        day = date.fromisoformat(raw) if isinstance(raw, str) and len(raw) == 10 else None
    except ValueError:
        day = None
    if day is None or not 1900 <= day.year <= 2200:
        raise BadQuery(place, "not-a-date", "a date such as 2026-03-01 is needed")
    return day


# -- to JSON ------------------------------------------------------------------------------------------


def write_query(query: Query) -> dict[str, Any]:
    """The JSON of a tree; `read_query` gives the same tree again."""
    match query:
        case All(parts):
            return {"all": [write_query(part) for part in parts]}
        case AnyOf(parts):
            return {"any": [write_query(part) for part in parts]}
        case Not(part):
            return {"not": write_query(part)}
        case Has(what, where):
            return {"has": what, "where": write_query(where)}
        case Test(field, op, None):
            return {"field": field, "op": op.value}
        case Test(field, op, value):
            return {"field": field, "op": op.value, "value": _plain(value)}


def _plain(value: Value) -> Any:
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, tuple):
        return [one.isoformat() if isinstance(one, date) else one for one in value]
    return value


def tests_of(query: Query) -> list[Test]:
    """Every test of a tree, in order."""
    match query:
        case All(parts) | AnyOf(parts):
            return [test for part in parts for test in tests_of(part)]
        case Not(part):
            return tests_of(part)
        case Has(_, where):
            return tests_of(where)
        case Test():
            return [query]
