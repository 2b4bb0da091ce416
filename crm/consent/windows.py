"""Contact windows: the hours in which people may be called or written to, in their own time zone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from telephony.hours import NoWorkingTime, WorkingState, WorkingTime

#: Moments looked at before a search for one that suits every zone is given up.
_TRIES = 64


@dataclass(frozen=True, slots=True)
class Window:
    """The hours of a week, and whether statutory holidays of a country are left out.

    `week` is Monday to Sunday, each spans of (opens, closes) in minutes after midnight.
    """

    week: tuple[tuple[tuple[int, int], ...], ...]
    holidays_of: str = ""

    def refusing(self, zones: Sequence[ZoneInfo], now: datetime) -> tuple[ZoneInfo, WorkingState] | None:
        """The first zone in which it is closed now, and why; None where it is open in every one of them."""
        for zone in zones:
            state = _hours(self, zone).state_at(now)
            if not state.is_open:
                return zone, state
        return None

    def next_open(self, zones: Sequence[ZoneInfo], now: datetime) -> datetime | None:
        """The first moment at or after `now` that lies inside in every zone; None where there is none."""
        moment = now
        for _ in range(_TRIES):
            try:
                latest = max((_hours(self, zone).next_open(moment) for zone in zones), default=moment)
            except NoWorkingTime:
                return None
            if latest == moment:
                return moment
            moment = latest
        return None

    def left_of_day(self, moment: datetime) -> float:
        """The share of the day's hours still to come at a local moment, 0 to 1; a day without hours has none left."""
        spans = self.week[moment.weekday()]
        minute = moment.hour * 60 + moment.minute + moment.second / 60
        total = sum(closes - opens for opens, closes in spans)
        left = sum(max(0.0, closes - max(opens, minute)) for opens, closes in spans)
        return left / total if total else 0.0

    def closes(self, zones: Sequence[ZoneInfo], now: datetime) -> datetime | None:
        """When the first zone closes, where all are open now; None where it is closed, or never closes."""
        ends = []
        for zone in zones:
            state = _hours(self, zone).state_at(now)
            if not state.is_open:
                return None
            if state.until is not None:
                ends.append(state.until)
        return min(ends, default=None)


@lru_cache(maxsize=256)
def _hours(window: Window, zone: ZoneInfo) -> WorkingTime:
    return WorkingTime(zone=zone, week=window.week, holidays_of=window.holidays_of)


def next_midnight(now: datetime, zone: ZoneInfo) -> datetime:
    """When the next day begins in a zone."""
    day = now.astimezone(zone).date() + timedelta(days=1)
    return datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(now.tzinfo)
