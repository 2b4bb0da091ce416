"""What days a query's relative dates mean, on the day it is asked."""

from __future__ import annotations

from calendar import isleap
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from crm.groups.fields import Operator

_FIRST, _LAST = date(1, 1, 2), date(9999, 12, 30)


def days_of(op: Operator, value: Any, today: date) -> tuple[date | None, date | None]:
    """First and last day that fit, both included; None: without a bound."""
    match op:
        case Operator.ON:
            return value, value
        case Operator.BEFORE:
            return None, value - timedelta(days=1)
        case Operator.SINCE:
            return value, None
        case Operator.BETWEEN:
            return value[0], value[1]
        case Operator.IN_LAST:
            return _moved(today, -value), today
        case Operator.IN_NEXT:
            return today, _moved(today, value)
        case Operator.AT_LEAST_AGO:
            return None, _moved(today, -value)
        case Operator.AT_LEAST_AHEAD:
            return _moved(today, value), None
    raise ValueError(f"{op} is not about days")


def moments_of(
    days: tuple[date | None, date | None], zone: ZoneInfo
) -> tuple[datetime | None, datetime | None]:
    """Days as moments: from the first on, before the second (UTC)."""
    first, last = days
    return (
        None if first is None else datetime.combine(first, time(), zone).astimezone(UTC),
        None if last is None else datetime.combine(last + timedelta(days=1), time(), zone).astimezone(UTC),
    )


def anniversaries_of(days: int, today: date) -> tuple[str, str] | None:
    """First and last day of the year ("MM-DD") from today on; the first may be after the last (over New Year).

    None: the span holds every day. Who was born on 29 February has the 28th in other years.
    """
    if days >= 365:
        return None
    last = _moved(today, days)
    end = "02-29" if (last.month, last.day) == (2, 28) and not isleap(last.year) else f"{last:%m-%d}"
    return f"{today:%m-%d}", end


def _moved(day: date, days: int) -> date:
    """The day so much later or earlier, within what a calendar can say."""
    try:
        return min(max(day + timedelta(days=days), _FIRST), _LAST)
    except OverflowError:
        return _LAST if days > 0 else _FIRST
