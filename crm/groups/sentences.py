"""A query as a sentence a person of the house would say, in zh-CN and English."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from typing import Any, Final

from crm.groups.fields import Catalogue, Field, FieldKind, Operator
from crm.groups.query import All, AnyOf, Has, Not, Query, Test
from crm.groups.words import THINGS, choice_label, field_label

#: Names behind ids: (field, value) to what a person reads.
NameOf = Callable[[Field, str], str]

_ZH, _EN = "zh-CN", "en"

#: How a test is said; {field} and {value}. Days are written out below.
_SAID: Final[Mapping[str, Mapping[Operator, str]]] = {
    _ZH: {
        Operator.IS: "{field}为{value}",
        Operator.IS_NOT: "{field}不是{value}",
        Operator.ONE_OF: "{field}为{value}",
        Operator.NONE_OF: "{field}不是{value}",
        Operator.BEGINS: "{field}以“{value}”开头",
        Operator.CONTAINS: "{field}含“{value}”",
        Operator.AT_LEAST: "{field}不少于 {value}",
        Operator.AT_MOST: "{field}不超过 {value}",
        Operator.BETWEEN: "{field}在 {first} 到 {last} 之间",
        Operator.ON: "{value} {field}",
        Operator.BEFORE: "{value} 之前{field}",
        Operator.SINCE: "{value} 起{field}",
        Operator.IN_LAST: "最近 {value} 天内{field}",
        Operator.IN_NEXT: "未来 {value} 天内{field}",
        Operator.AT_LEAST_AGO: "{field}满 {value} 天",
        Operator.AT_LEAST_AHEAD: "距{field}至少 {value} 天",
        Operator.ANNIVERSARY_IN_NEXT: "未来 {value} 天内过{field}",
        Operator.EMPTY: "{field}未填写",
        Operator.FILLED: "{field}已填写",
    },
    _EN: {
        Operator.IS: "{field} is {value}",
        Operator.IS_NOT: "{field} is not {value}",
        Operator.ONE_OF: "{field} is {value}",
        Operator.NONE_OF: "{field} is not {value}",
        Operator.BEGINS: "{field} begins with “{value}”",
        Operator.CONTAINS: "{field} contains “{value}”",
        Operator.AT_LEAST: "{field} is at least {value}",
        Operator.AT_MOST: "{field} is at most {value}",
        Operator.BETWEEN: "{field} is between {first} and {last}",
        Operator.ON: "{field} on {value}",
        Operator.BEFORE: "{field} before {value}",
        Operator.SINCE: "{field} since {value}",
        Operator.IN_LAST: "{field} in the last {value} days",
        Operator.IN_NEXT: "{field} in the next {value} days",
        Operator.AT_LEAST_AGO: "{field} at least {value} days ago",
        Operator.AT_LEAST_AHEAD: "{field} at least {value} days from now",
        Operator.ANNIVERSARY_IN_NEXT: "{field} in the next {value} days",
        Operator.EMPTY: "{field} is not known",
        Operator.FILLED: "{field} is known",
    },
}

#: Tests people say in their own way: (scope.field, operator, value or None for any).
_IDIOMS: Final[Mapping[str, Mapping[tuple[str, Operator, Any], str]]] = {
    _ZH: {
        ("customer.key_account", Operator.IS, True): "是大客户",
        ("customer.key_account", Operator.IS, False): "不是大客户",
        ("customer.group", Operator.IS, None): "在“{value}”分组里",
        ("customer.group", Operator.IS_NOT, None): "不在“{value}”分组里",
        ("vehicle.last_service_on", Operator.EMPTY, None): "从未进厂",
        ("vehicle.last_service_on", Operator.FILLED, None): "进过厂",
        ("vehicle.last_service_on", Operator.AT_LEAST_AGO, None): "{value} 天以上未进厂",
        ("vehicle.delivered_on", Operator.EMPTY, None): "未交车",
        ("vehicle.delivered_on", Operator.FILLED, None): "已交车",
        ("visit.kind", Operator.IS, None): "{value}",
        ("visit.kind", Operator.ONE_OF, None): "{value}",
        ("contact.primary", Operator.IS, True): "是首选电话",
        ("contact.primary", Operator.IS, False): "不是首选电话",
    },
    _EN: {
        ("customer.key_account", Operator.IS, True): "is a key account",
        ("customer.key_account", Operator.IS, False): "is not a key account",
        ("customer.group", Operator.IS, None): "is in the group “{value}”",
        ("customer.group", Operator.IS_NOT, None): "is not in the group “{value}”",
        ("vehicle.last_service_on", Operator.EMPTY, None): "never serviced",
        ("vehicle.last_service_on", Operator.FILLED, None): "serviced before",
        ("vehicle.delivered_on", Operator.EMPTY, None): "not delivered",
        ("vehicle.delivered_on", Operator.FILLED, None): "delivered",
        ("visit.kind", Operator.IS, None): "{value}",
        ("visit.kind", Operator.ONE_OF, None): "{value}",
        ("contact.primary", Operator.IS, True): "is the primary number",
        ("contact.primary", Operator.IS, False): "is not the primary number",
    },
}

_JOINED: Final = {_ZH: {All: "且", AnyOf: "或"}, _EN: {All: " and ", AnyOf: " or "}}


def sentence(query: Query, catalogue: Catalogue, language: str, name_of: NameOf | None = None) -> str:
    """Who is in the group, in one sentence: "交车满 90 天且未做首保的客户"."""
    writer = _Writer(catalogue, language, name_of or (lambda _field, value: value))
    if query == All():
        return "全部客户" if language == _ZH else "All customers"
    while isinstance(query, All) and len(query.parts) == 1:
        query = query.parts[0]
    if isinstance(query, Has):
        said = writer.conditions(query.where, query.what) or writer.say(query, catalogue.root)
    else:
        said = writer.say(query, catalogue.root)
    return f"{said}的客户" if language == _ZH else f"Customers: {said}"


class _Writer:
    def __init__(self, catalogue: Catalogue, language: str, name_of: NameOf) -> None:
        self._catalogue = catalogue
        self._language = language
        self._zh = language == _ZH
        self._name_of = name_of

    def say(self, node: Query, scope: str, *, within: bool = False) -> str:
        match node:
            case All(()):
                return "不限" if self._zh else "anybody"
            case All(parts) | AnyOf(parts):
                said = [self.say(part, scope, within=len(parts) > 1) for part in parts]
                joined = _JOINED[self._language][type(node)].join(said)
                mixed = within and len(parts) > 1
                return (f"（{joined}）" if self._zh else f"({joined})") if mixed else joined
            case Not(part):
                return self._opposite(part, scope)
            case Has(what, where):
                return self._has(what, where, none=False)
            case Test():
                return self._test(node, scope)

    def conditions(self, where: Query, scope: str) -> str:
        """What is asked of a thing, without saying what it is; empty where nothing is."""
        return "" if where == All() else self.say(where, scope)

    def _has(self, what: str, where: Query, *, none: bool) -> str:
        thing = THINGS[self._language][what]
        asked = self.conditions(where, what)
        if (
            what == "visit"
            and isinstance(where, Test)
            and where.field == "kind"
            and where.op in (Operator.IS, Operator.ONE_OF)
        ):
            if self._zh:
                return f"未做{asked}" if none else f"做过{asked}"
            return f"no {asked} yet" if none else f"had {asked}"
        if what == "call" and isinstance(where, Test) and where.field == "started_at":
            if self._zh and where.op is Operator.IN_LAST:
                return f"最近 {where.value} 天{'没有' if none else '有过'}联系"
            if not self._zh and where.op is Operator.IN_LAST:
                return f"{'not ' if none else ''}on the phone in the last {where.value} days"
        if not asked:
            return (
                (f"没有{thing}" if none else f"有{thing}")
                if self._zh
                else f"has {'no' if none else 'a'} {thing}"
            )
        if self._zh:
            return f"{'没有' if none else '有'}符合条件的{thing}（{asked}）"
        return f"has {'no' if none else 'a'} {thing} ({asked})"

    def _opposite(self, part: Query, scope: str) -> str:
        if isinstance(part, Has):
            return self._has(part.what, part.where, none=True)
        said = self.say(part, scope)
        return f"不满足（{said}）" if self._zh else f"not ({said})"

    def _test(self, test: Test, scope: str) -> str:
        field = self._catalogue.scopes[scope].fields[test.field]
        place = f"{scope}.{test.field}"
        idioms = _IDIOMS[self._language]
        value = test.value if isinstance(test.value, bool) else None
        pattern = idioms.get((place, test.op, value)) or _SAID[self._language][test.op]
        label = field_label(field, scope, self._language)
        if test.op is Operator.BETWEEN and isinstance(test.value, tuple):
            first, last = (self._shown(field, one) for one in test.value)
            return pattern.format(field=label, first=first, last=last)
        return pattern.format(field=label, value=self._shown(field, test.value))

    def _shown(self, field: Field, value: object) -> str:
        match value:
            case bool():
                words = ("是", "否") if self._zh else ("yes", "no")
                return words[0 if value else 1]
            case tuple():
                joined = "、" if self._zh else " or "
                return joined.join(self._shown(field, one) for one in value)
            case date() if self._zh:
                return f"{value.year} 年 {value.month} 月 {value.day} 日"
            case date():
                return value.isoformat()
            case int() if field.kind is FieldKind.MONEY:
                return f"{value / 100:,.2f}" if value % 100 else f"{value // 100:,}"
            case str() if field.kind is FieldKind.CHOICE:
                return choice_label(field, value, self._language)
            case str() if field.kind in (FieldKind.USER, FieldKind.GROUP):
                return self._name_of(field, value)
        return str(value)
