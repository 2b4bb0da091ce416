"""Free times: lanes with capacity, cut into cells; pure, time is an argument.

A lane is what takes work side by side: an advisor, a row of bays, a demonstration car. Its day is cut into cells of
equal length; work that takes longer than a cell holds as many cells on end. Holidays, make-up workdays and the
house's closed days come from the working calendar; exceptions of a day come before the weekly pattern.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from math import ceil
from types import MappingProxyType
from typing import Final

from crm.appointments.appointments import Work
from telephony.hours import DayKind, WorkingTime

#: Most days a question about free times goes over.
MOST_DAYS: Final = 62


@dataclass(frozen=True, kw_only=True, slots=True)
class WorkKind:
    """How a kind of work is booked."""

    work: Work
    minutes: int
    needs_advisor: bool
    #: Not sooner than this from now, and not later than so many days.
    lead_minutes: int
    horizon_days: int
    active: bool = True
    version: int = 0


KINDS: Final[Mapping[Work, WorkKind]] = MappingProxyType(
    {
        work: WorkKind(
            work=work, minutes=minutes, needs_advisor=advisor, lead_minutes=lead, horizon_days=horizon
        )
        for work, minutes, advisor, lead, horizon in (
            (Work.MAINTENANCE, 60, True, 120, 30),
            (Work.REPAIR, 60, True, 120, 30),
            (Work.BODYWORK, 60, True, 240, 45),
            (Work.TEST_DRIVE, 60, False, 60, 14),
            (Work.DELIVERY, 120, False, 1440, 30),
            (Work.OTHER, 30, False, 60, 30),
        )
    }
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Workshop:
    id: str
    name: str
    address: str
    active: bool
    version: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Lane:
    """What takes appointments side by side: `capacity` of them in every cell."""

    id: str
    workshop_id: str
    name: str
    #: The service advisor's name; "" where the lane is nobody's.
    advisor: str
    works: frozenset[Work]
    #: 0 is Monday.
    weekdays: frozenset[int]
    #: Minutes after midnight.
    opens: int
    closes: int
    pause_from: int | None
    pause_until: int | None
    cell_minutes: int
    capacity: int
    active: bool = True
    version: int = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class DayException:
    """Another capacity on one day; 0 closes it. Without a lane it holds for the whole workshop."""

    id: str
    workshop_id: str
    lane_id: str | None
    day: date
    capacity: int
    why: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Cell:
    lane_id: str
    at: datetime
    capacity: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Free:
    """A time that can be chosen: the lane, and how many more fit."""

    lane_id: str
    workshop_id: str
    advisor: str
    at: datetime
    left: int


def cells_of(lane: Lane, when: date, exceptions: Iterable[DayException], hours: WorkingTime) -> list[Cell]:
    """The cells of a lane on a date, in order; none where it is closed."""
    day = hours.day(when)
    if not lane.active or day.kind in (DayKind.HOLIDAY, DayKind.CLOSED_BY_HOUSE):
        return []
    if hours.weekday_of(when) not in lane.weekdays:
        return []
    capacity = lane.capacity
    for one in exceptions:
        if one.day != when or one.workshop_id != lane.workshop_id:
            continue
        if one.lane_id == lane.id:
            capacity = one.capacity
            break
        if one.lane_id is None:
            capacity = min(capacity, one.capacity)
    if capacity <= 0:
        return []
    found = []
    minute = lane.opens
    while minute + lane.cell_minutes <= lane.closes:
        if _pauses(lane, minute):
            minute = lane.pause_until or minute + lane.cell_minutes
            continue
        wall = datetime.combine(when, time()) + timedelta(minutes=minute)
        found.append(
            Cell(lane_id=lane.id, at=wall.replace(tzinfo=hours.zone).astimezone(UTC), capacity=capacity)
        )
        minute += lane.cell_minutes
    return found


def _pauses(lane: Lane, minute: int) -> bool:
    if lane.pause_from is None or lane.pause_until is None:
        return False
    return minute < lane.pause_until and minute + lane.cell_minutes > lane.pause_from


def held(cells: Sequence[Cell], starts_at: datetime, minutes: int, cell_minutes: int) -> list[Cell] | None:
    """The cells work holds that starts then; None where the lane is closed for a part of it."""
    by_time = {one.at: one for one in cells}
    found = []
    for number in range(max(1, ceil(minutes / cell_minutes))):
        cell = by_time.get(starts_at + timedelta(minutes=number * cell_minutes))
        if cell is None:
            return None
        found.append(cell)
    return found


def free_times(
    lanes: Iterable[Lane],
    exceptions: Sequence[DayException],
    taken: Mapping[tuple[str, datetime], int],
    kind: WorkKind,
    *,
    first: date,
    last: date,
    now: datetime,
    hours: WorkingTime,
) -> list[Free]:
    """Every time with room for this work between two dates, by time and lane."""
    soonest = now + timedelta(minutes=kind.lead_minutes)
    latest = hours.date_of(now) + timedelta(days=kind.horizon_days)
    found = []
    for lane in lanes:
        if kind.work not in lane.works or (kind.needs_advisor and not lane.advisor):
            continue
        for when in dates(first, min(last, latest)):
            cells = cells_of(lane, when, exceptions, hours)
            for cell in cells:
                if cell.at < soonest:
                    continue
                holds = held(cells, cell.at, kind.minutes, lane.cell_minutes)
                if holds is None:
                    continue
                left = min(one.capacity - taken.get((lane.id, one.at), 0) for one in holds)
                if left > 0:
                    found.append(
                        Free(
                            lane_id=lane.id,
                            workshop_id=lane.workshop_id,
                            advisor=lane.advisor,
                            at=cell.at,
                            left=left,
                        )
                    )
    return sorted(found, key=lambda one: (one.at, -one.left, one.lane_id))


def dates(first: date, last: date) -> Iterator[date]:
    """Every date from the first to the last, at most `MOST_DAYS`."""
    for number in range(min((last - first).days + 1, MOST_DAYS)):
        yield first + timedelta(days=number)
