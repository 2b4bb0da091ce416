"""Working time: weekly hours, statutory holidays, make-up workdays and the house's own dates, in one engine.

Routing, promises, deadlines and contact windows all ask here. Times of day are wall-clock times of the
house's zone; everything handed in and out is timezone-aware. Where clocks jump forward over an opening
time, the house opens at the jump; where they go back, the hour that comes twice counts twice.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import holidays

from telephony.options import CalendarOptions

_DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

#: A house that does not open within this many days does not open.
_HORIZON_DAYS: Final = 400

#: Open for longer than this without a break is open without an end.
_OPEN_ENDED: Final = timedelta(days=31)


class HoursError(Exception):
    """Base of what can be wrong with working time.

    HoursError
    ├── CalendarRefused    the settings do not describe a calendar
    └── NoWorkingTime      the calendar never opens, so there is no such moment
    """

    error_id = "hours-error"


class CalendarRefused(HoursError):
    """The calendar's settings cannot be used; the message says which and what is allowed."""

    error_id = "calendar-refused"


class NoWorkingTime(HoursError):
    """There is no working time within the horizon; give the calendar spans or open dates."""

    error_id = "no-working-time"


class OpenState(StrEnum):
    """What callers find at a moment."""

    OPEN = "open"
    LUNCH = "lunch"
    CLOSED = "closed"
    HOLIDAY = "holiday"


class DayKind(StrEnum):
    """Why a day has the hours it has."""

    ORDINARY = "ordinary"
    WEEKLY_REST = "weekly_rest"
    HOLIDAY = "holiday"
    MAKE_UP = "make_up"  # a weekend day worked in exchange for a holiday
    CLOSED_BY_HOUSE = "closed_by_house"
    OPENED_BY_HOUSE = "opened_by_house"


class Why(StrEnum):
    """The reason behind a `WorkingState`, for logs and pages."""

    WORKING_HOURS = "working_hours"
    LUNCH_BREAK = "lunch_break"
    BEFORE_OPENING = "before_opening"
    AFTER_CLOSING = "after_closing"
    WEEKLY_REST = "weekly_rest"
    STATUTORY_HOLIDAY = "statutory_holiday"
    CLOSED_BY_HOUSE = "closed_by_house"


@dataclass(frozen=True, kw_only=True, slots=True)
class Day:
    """One date of the calendar."""

    date: date
    kind: DayKind
    #: Name of the holiday, else empty. zh-CN for Chinese calendars, else the country's default language.
    holiday: str = ""
    #: (opens, closes) in minutes after midnight, in order, apart from each other.
    spans: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class WorkingState:
    """What holds at one moment."""

    state: OpenState
    why: Why
    day: Day
    #: When this state ends: closing time where open. None where it does not (around the clock, or never).
    until: datetime | None
    #: The next opening after this moment (also where open now), UTC; None within the horizon.
    next_open: datetime | None

    @property
    def is_open(self) -> bool:
        """Whether people are at work."""
        return self.state is OpenState.OPEN


@dataclass(frozen=True, kw_only=True, slots=True)
class CalendarWarning:
    """Something an operator should look at before it matters."""

    error_id: str
    year: int
    text: dict[str, str]


@lru_cache(maxsize=64)
def _statutory(country: str, year: int) -> tuple[dict[date, str], frozenset[date]]:
    """Holidays and make-up workdays of one year, from the `holidays` library."""
    language = "zh_CN" if country == "CN" else None
    book = holidays.country_holidays(country, years=year, language=language)
    named = {day: name for day, name in book.items() if day.year == year}
    makeup = frozenset(day for day in getattr(book, "weekend_workdays", ()) if day.year == year)
    return named, makeup


class WorkingTime:
    """The calendar of one house. Immutable; safe in several threads."""

    def __init__(
        self,
        *,
        zone: ZoneInfo,
        week: Sequence[Sequence[tuple[int, int]]],
        holidays_of: str = "",
        closed_dates: Collection[date] = (),
        open_dates: Collection[date] = (),
        makeup_weekday: int = 4,
    ) -> None:
        """`week` is Monday to Sunday, each a list of (opens, closes) in minutes after midnight."""
        self.zone = zone
        self.country = holidays_of
        self._week = tuple(_joined(spans) for spans in week)
        if len(self._week) != 7:
            raise CalendarRefused(f"a week has 7 days, not {len(self._week)}")
        self._closed = frozenset(closed_dates)
        self._open = frozenset(open_dates)
        self._makeup_weekday = makeup_weekday
        if holidays_of and holidays_of not in holidays.list_supported_countries():
            raise CalendarRefused(
                f"calendar.holidays: no statutory holidays are known for {holidays_of!r}; "
                "give an ISO 3166 country code, or leave it empty"
            )
        self._intervals = lru_cache(maxsize=2048)(self._compute_intervals)
        self._day = lru_cache(maxsize=2048)(self._compute_day)

    @classmethod
    def from_options(cls, options: CalendarOptions) -> WorkingTime:
        """Built from the settings. Raises CalendarRefused with the key and what is allowed."""
        try:
            zone = ZoneInfo(options.zone)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise CalendarRefused(
                f"calendar.zone: {options.zone!r} is no time zone; give an IANA name such as Asia/Shanghai"
            ) from error
        week: list[list[tuple[int, int]]] = [[] for _ in _DAYS]
        for number, span in enumerate(options.spans):
            opens, closes = _minutes(span.open), _minutes(span.close)
            if closes <= opens:
                raise CalendarRefused(
                    f"calendar.spans[{number}]: closes at {span.close}, not after it opens at {span.open}; "
                    "split hours past midnight into one span until 24:00 and one from 00:00"
                )
            for day in span.days:
                week[_DAYS.index(day)].append((opens, closes))
        return cls(
            zone=zone,
            week=week,
            holidays_of=options.holidays,
            closed_dates=options.closed_dates,
            open_dates=options.open_dates,
            makeup_weekday=_DAYS.index(options.makeup_day_as),
        )

    # -- days ---------------------------------------------------------------------------------------

    def day(self, when: date) -> Day:
        """What the calendar says of a date. The house's own dates come before the state's."""
        return self._day(when)

    def is_working_day(self, when: date) -> bool:
        """Whether the house opens at all that day."""
        return bool(self.day(when).spans)

    def weekday_of(self, when: date) -> int:
        """Whose weekly pattern holds on a date, 0 is Monday: make-up workdays go by another day's."""
        if self.day(when).kind is DayKind.MAKE_UP:
            return self._makeup_weekday
        return when.weekday()

    def next_working_day(self, after: date) -> date:
        """The first working day later than `after`. Raises NoWorkingTime."""
        for ahead in range(1, _HORIZON_DAYS + 1):
            candidate = after + timedelta(days=ahead)
            if self.is_working_day(candidate):
                return candidate
        raise NoWorkingTime(f"the calendar has no working day in the {_HORIZON_DAYS} days after {after}")

    def date_of(self, moment: datetime) -> date:
        """The house's date at a moment."""
        return _aware(moment).astimezone(self.zone).date()

    def _compute_day(self, when: date) -> Day:
        usual = self._week[when.weekday()]
        if when in self._closed:
            return Day(date=when, kind=DayKind.CLOSED_BY_HOUSE)
        if when in self._open:
            spans = usual or self._week[self._makeup_weekday]
            return Day(date=when, kind=DayKind.OPENED_BY_HOUSE, spans=spans)
        if self.country:
            named, makeup = _statutory(self.country, when.year)
            if when in makeup:
                return Day(date=when, kind=DayKind.MAKE_UP, spans=self._week[self._makeup_weekday])
            if name := named.get(when) or self._bridged(when):
                return Day(date=when, kind=DayKind.HOLIDAY, holiday=name)
        return Day(date=when, kind=DayKind.ORDINARY if usual else DayKind.WEEKLY_REST, spans=usual)

    def _bridged(self, when: date) -> str:
        """China: the weekend that touches a holiday belongs to it.

        The State Council's yearly notice names the whole stretch (2026: Spring Festival 15 to 23 February);
        the library lists only its weekdays and the statutory days.
        """
        if self.country != "CN" or when.weekday() < 5:
            return ""
        saturday = when - timedelta(days=when.weekday() - 5)
        sunday = saturday + timedelta(days=1)
        other = sunday if when == saturday else saturday
        neighbours = [saturday - timedelta(days=1), sunday + timedelta(days=1), other]
        if other in _statutory("CN", other.year)[1]:  # worked, so it does not carry the holiday over
            neighbours = [neighbours[0] if when == saturday else neighbours[1]]
        for neighbour in neighbours:
            if name := _statutory("CN", neighbour.year)[0].get(neighbour):
                return name
        return ""

    # -- intervals ----------------------------------------------------------------------------------

    def intervals(self, when: date) -> tuple[tuple[datetime, datetime], ...]:
        """The working intervals of a date as UTC moments, [opens, closes), in order."""
        return self._intervals(when)

    def _compute_intervals(self, when: date) -> tuple[tuple[datetime, datetime], ...]:
        found: list[tuple[datetime, datetime]] = []
        for opens, closes in self.day(when).spans:
            first = self._moment(when, opens, last=False)
            end = self._moment(when, closes, last=closes < 1440)
            if found and first < found[-1][1]:
                first = found[-1][1]
            if first < end:
                found.append((first, end))
        return tuple(found)

    def _moment(self, when: date, minutes: int, *, last: bool) -> datetime:
        """The moment a wall clock shows a time: the first or last one, or the jump that skips it."""
        wall = datetime.combine(when, time()) + timedelta(minutes=minutes)
        moment = wall.replace(tzinfo=self.zone, fold=int(last)).astimezone(UTC)
        if moment.astimezone(self.zone).replace(tzinfo=None) == wall:
            return moment
        # In a gap the two folds lie on both sides of the jump; find it to the second.
        one = wall.replace(tzinfo=self.zone, fold=0).astimezone(UTC)
        two = wall.replace(tzinfo=self.zone, fold=1).astimezone(UTC)
        early, late = min(one, two), max(one, two)
        before = early.astimezone(self.zone).utcoffset()
        while late - early > timedelta(seconds=1):
            middle = early + timedelta(seconds=int((late - early).total_seconds()) // 2)
            if middle.astimezone(self.zone).utcoffset() == before:
                early = middle
            else:
                late = middle
        return late

    def _forward(self, moment: datetime) -> Iterator[tuple[datetime, datetime]]:
        """Intervals that end after `moment`, in order, until nothing opens within the horizon."""
        when = self.date_of(moment) - timedelta(days=1)
        idle = 0
        while idle <= _HORIZON_DAYS:
            idle += 1
            for first, end in self.intervals(when):
                idle = 0
                if end > moment:
                    yield first, end
            if when >= date.max - timedelta(days=1):
                return
            when += timedelta(days=1)

    # -- questions ----------------------------------------------------------------------------------

    def state_at(self, moment: datetime) -> WorkingState:
        """Open, at lunch, closed or on holiday at a moment, why, and when the house next opens."""
        moment = _aware(moment).astimezone(UTC)
        day = self.day(self.date_of(moment))
        current: tuple[datetime, datetime] | None = None
        next_open: datetime | None = None
        for first, end in self._forward(moment):
            if first <= moment:
                current = (first, end)
            elif current is not None and first == current[1]:
                current = (current[0], end)  # midnight, or two spans that touch
                if end - moment > _OPEN_ENDED:
                    break
            else:
                next_open = first
                break
        if current is not None:
            until = current[1] if current[1] - moment <= _OPEN_ENDED else None
            return WorkingState(
                state=OpenState.OPEN, why=Why.WORKING_HOURS, day=day, until=until, next_open=next_open
            )
        state, why = self._closed_state(day, moment)
        return WorkingState(state=state, why=why, day=day, until=next_open, next_open=next_open)

    def _closed_state(self, day: Day, moment: datetime) -> tuple[OpenState, Why]:
        if day.kind is DayKind.HOLIDAY:
            return OpenState.HOLIDAY, Why.STATUTORY_HOLIDAY
        if day.kind is DayKind.CLOSED_BY_HOUSE:
            return OpenState.CLOSED, Why.CLOSED_BY_HOUSE
        intervals = self.intervals(day.date)
        if not intervals:
            return OpenState.CLOSED, Why.WEEKLY_REST
        if moment < intervals[0][0]:
            return OpenState.CLOSED, Why.BEFORE_OPENING
        if moment >= intervals[-1][1]:
            return OpenState.CLOSED, Why.AFTER_CLOSING
        return OpenState.LUNCH, Why.LUNCH_BREAK

    def is_open(self, moment: datetime) -> bool:
        """Whether people are at work at a moment."""
        moment = _aware(moment).astimezone(UTC)
        today = self.date_of(moment)
        return any(
            first <= moment < end
            for when in (today - timedelta(days=1), today)
            for first, end in self.intervals(when)
        )

    def next_open(self, moment: datetime) -> datetime:
        """The first moment at or after `moment` when people are at work. Raises NoWorkingTime."""
        moment = _aware(moment).astimezone(UTC)
        for first, _end in self._forward(moment):
            return max(first, moment)
        raise NoWorkingTime(f"the calendar does not open in the {_HORIZON_DAYS} days after {moment}")

    def add_working(self, moment: datetime, duration: timedelta) -> datetime:
        """The moment when `duration` of working time has passed since `moment`.

        Nothing to wait for is `moment` itself; else the answer lies in working time or at its very end.
        Raises NoWorkingTime, and ValueError for a negative duration.
        """
        if duration < timedelta(0):
            raise ValueError(f"working time cannot be taken back: {duration}")
        moment = _aware(moment).astimezone(UTC)
        if not duration:
            return moment
        left = duration
        for first, end in self._forward(moment):
            start = max(first, moment)
            if end - start >= left:
                return start + left
            left -= end - start
            moment = end
        raise NoWorkingTime(f"the calendar does not hold {duration} of working time after {moment}")

    def working_between(self, start: datetime, end: datetime) -> timedelta:
        """Working time from `start` to `end`; negative where `end` is earlier."""
        start, end = _aware(start).astimezone(UTC), _aware(end).astimezone(UTC)
        if end < start:
            return -self.working_between(end, start)
        total = timedelta(0)
        covered = start
        when = self.date_of(start) - timedelta(days=1)
        last = self.date_of(end)
        while when <= last:
            for first, close in self.intervals(when):
                first, close = max(first, covered), min(close, end)
                if first < close:
                    total += close - first
                    covered = close
            when += timedelta(days=1)
        return total

    def usual_day(self) -> timedelta:
        """Working time of a usual day: the mean of the weekdays the house opens on; none where it never opens."""
        opened = [sum(closes - opens for opens, closes in spans) for spans in self._week if spans]
        return timedelta(minutes=sum(opened) // len(opened)) if opened else timedelta()

    # -- care ---------------------------------------------------------------------------------------

    def makeup_days_known(self, year: int) -> bool:
        """Whether the year's make-up workdays are in the library, or the house has named dates of its own."""
        if self.country != "CN":
            return True
        return bool(_statutory("CN", year)[1]) or any(day.year == year for day in self._open)

    def warnings(self, now: datetime, *, ahead: timedelta = timedelta(days=92)) -> list[CalendarWarning]:
        """What will be wrong soon: a year that begins within `ahead` has no make-up workdays yet.

        China's come by decree, mostly in November of the year before.
        """
        years = {self.date_of(now).year, self.date_of(_aware(now) + ahead).year}
        return [
            CalendarWarning(
                error_id="makeup-days-unknown",
                year=year,
                text={
                    "zh-CN": f"{year} 年的调休上班日还没有数据：请更新 holidays 软件包，或在 calendar.open_dates 和 "
                    "calendar.closed_dates 中填写放假通知里的日期。",
                    "en": f"The make-up workdays of {year} are not known yet: update the holidays package, or put the "
                    "dates of the official notice into calendar.open_dates and calendar.closed_dates.",
                },
            )
            for year in sorted(years)
            if not self.makeup_days_known(year)
        ]


def _minutes(text: str) -> int:
    hours, minutes = text.split(":")
    return int(hours) * 60 + int(minutes)


def _joined(spans: Sequence[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    """Sorted, with spans that touch or overlap made one."""
    joined: list[tuple[int, int]] = []
    for opens, closes in sorted(spans):
        if not 0 <= opens < closes <= 1440:
            raise CalendarRefused(
                f"a span runs from {opens} to {closes} minutes; allowed is 0 to 1440, in order"
            )
        if joined and opens <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(closes, joined[-1][1]))
        else:
            joined.append((opens, closes))
    return tuple(joined)


def _aware(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        raise ValueError(f"a moment needs a time zone: {moment!r}")
    return moment
