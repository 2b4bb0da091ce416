"""What comes due in the weeks to come, first and periodic maintenance apart: counted in indexes, not in the table.

All that is due is counted in the index of days; first maintenance in an index of its own, which holds nothing else.
The rest is periodic: by the plan, or on a day the maker or the workshop gave.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, func, not_, select, text

from crm.maintenance.forecast import Stage
from storage.tables.records import vehicles

#: Weeks that are shown.
WEEKS: Final = 12
#: As the index says it, word for word: only then it is used.
_FIRST: Final = text("substr(next_due_why, 1, 10) = 'plan first'")


@dataclass(frozen=True, kw_only=True, slots=True)
class Week:
    """A week, both days included; the first one begins today."""

    first: date
    last: date
    first_maintenance: int = 0
    periodic: int = 0


def of_stage(stage: Stage) -> ColumnElement[bool]:
    """For a statement over `vehicles`: those whose next maintenance is their first, or a later one."""
    is_first = func.substr(vehicles.c.next_due_why, 1, 10) == "plan first"
    return is_first if stage is Stage.FIRST else not_(is_first)


def weeks(connection: Connection, today: date, *, count: int = WEEKS) -> list[Week]:
    """How many vehicles are due in each of the coming weeks; weeks end on Sunday."""
    spans = []
    first = today
    for _ in range(count):
        last = first + timedelta(days=6 - first.weekday())
        spans.append((first, last))
        first = last + timedelta(days=1)
    every = _days(connection, today, spans[-1][1])
    firsts = _days(connection, today, spans[-1][1], _FIRST)
    made = []
    for begin, end in spans:
        whole = sum(number for day, number in every.items() if begin <= day <= end)
        new = sum(number for day, number in firsts.items() if begin <= day <= end)
        made.append(Week(first=begin, last=end, first_maintenance=new, periodic=max(whole - new, 0)))
    return made


def _days(connection: Connection, first: date, last: date, *signs: Any) -> dict[date, int]:
    due = vehicles.c.next_due_on
    rows = connection.execute(
        select(due, func.count()).where(due >= first, due <= last, *signs).group_by(due)
    ).all()
    return {row[0]: row[1] for row in rows}
