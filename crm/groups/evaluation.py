"""A query asked about one person's facts, without a database: what SQL must agree with.

Facts are plain mappings from field names to values (as `crm.groups.fields` names them), with a list of such
mappings under each thing's name. None and "" mean "not known".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from crm.groups.dates import anniversaries_of, days_of, moments_of
from crm.groups.fields import Catalogue, Field, FieldKind, Operator
from crm.groups.query import All, AnyOf, Has, Not, Query, Test
from crm.records.customers import name_key

Facts = Mapping[str, Any]


def holds(query: Query, facts: Facts, catalogue: Catalogue, *, today: date, zone: ZoneInfo) -> bool:
    """Whether the person with these facts is in the group."""

    def ask(node: Query, known: Facts, scope: str) -> bool:
        match node:
            case All(parts):
                return all(ask(part, known, scope) for part in parts)
            case AnyOf(parts):
                return any(ask(part, known, scope) for part in parts)
            case Not(part):
                return not ask(part, known, scope)
            case Has(what, where):
                things: Sequence[Facts] = known.get(what, ())
                return any(ask(where, thing, what) for thing in things)
            case Test():
                return _fits(node, catalogue.scopes[scope].fields[node.field], known, today, zone)

    return ask(query, facts, catalogue.root)


def _fits(test: Test, field: Field, facts: Facts, today: date, zone: ZoneInfo) -> bool:
    known: Any = facts.get(test.field)
    wanted: Any = test.value
    if field.kind is FieldKind.GROUP:
        return (wanted in (known or ())) is (test.op is Operator.IS)
    if isinstance(known, str):
        known = (name_key(known) if test.field == "name" else known.lower()) or None
    if isinstance(wanted, str):
        wanted = name_key(wanted) if test.field == "name" else wanted.lower()
    match test.op:
        case Operator.EMPTY:
            return known is None
        case Operator.FILLED:
            return known is not None
        case Operator.IS_NOT:
            return bool(known != wanted)
        case Operator.ONE_OF | Operator.NONE_OF:
            return (known in {one.lower() for one in wanted}) is (test.op is Operator.ONE_OF)
    if known is None:
        return False
    match test.op:
        case Operator.IS:
            return bool(known == wanted)
        case Operator.BEGINS:
            return bool(known.startswith(wanted))
        case Operator.CONTAINS:
            return wanted in known
        case Operator.AT_LEAST:
            return bool(Decimal(known) >= wanted)
        case Operator.AT_MOST:
            return bool(Decimal(known) <= wanted)
        case Operator.ANNIVERSARY_IN_NEXT:
            return _in_year(known, wanted, today)
        case Operator.BETWEEN if field.kind in (FieldKind.NUMBER, FieldKind.MONEY):
            return bool(wanted[0] <= Decimal(known) <= wanted[1])
    return _in_days(known, days_of(test.op, wanted, today), zone)


def _in_year(known: date, days: int, today: date) -> bool:
    span = anniversaries_of(days, today)
    if span is None:
        return True
    first, last = span
    day = f"{known:%m-%d}"
    return first <= day <= last if first <= last else day >= first or day <= last


def _in_days(known: date, days: tuple[date | None, date | None], zone: ZoneInfo) -> bool:
    if isinstance(known, datetime):
        since, until = moments_of(days, zone)
        return (since is None or known >= since) and (until is None or known < until)
    first, last = days
    return (first is None or known >= first) and (last is None or known <= last)
