"""When a vehicle is due: by its plan, its visits and what its odometer has shown. Pure; today is an argument."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from itertools import pairwise
from typing import Any, Final

from crm.maintenance.plans import Interval, Plan, add_months
from crm.records.purchases import VisitKind

#: Neither months nor kilometres.
NONE: Final = Interval()
#: No vehicle drives more in a day, over weeks; a reading that says so was misread.
MOST_KM_A_DAY: Final = 1_000
#: Readings closer together than this say nothing about a rate.
SHORTEST_DAYS: Final = 14
#: How many of the last stretches count, the newest most.
STRETCHES: Final = 5
#: A rate learned is never taken below this: a car that stood for a winter will drive again.
LEAST_KM_A_DAY: Final = 1.0


class Cause(StrEnum):
    """Which side is reached first, or who said so."""

    DATE = "date"
    MILEAGE = "mileage"
    GIVEN = "given"  # the maker's or the workshop's own date keeps precedence


class Stage(StrEnum):
    FIRST = "first"
    PERIODIC = "periodic"


@dataclass(frozen=True, kw_only=True, slots=True)
class Reading:
    """What an odometer showed on a day."""

    on: date
    km: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Visit:
    """What the workshop did, as far as a plan asks."""

    on: date
    kind: VisitKind
    km: int | None = None
    given_on: date | None = None
    given_km: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Rate:
    """How far a vehicle drives in a day, and what that was learned from."""

    km_per_day: float
    #: Readings that count; 0: the plan's own rate is taken.
    readings: int = 0
    left_out: int = 0

    @property
    def learned(self) -> bool:
        return self.readings > 1


@dataclass(frozen=True, kw_only=True, slots=True)
class Forecast:
    """When it is due and why; pages turn `why` into words."""

    due_on: date
    due_km: int | None
    stage: Stage
    cause: Cause
    rate: Rate
    #: What it counts from: the last fulfilling visit, else the delivery.
    base_on: date | None = None
    base_km: int | None = None
    interval: Interval = NONE

    def why(self) -> dict[str, Any]:
        """The reason as plain data: codes, days, kilometres; no words."""
        return {
            "stage": self.stage.value,
            "cause": self.cause.value,
            "due_on": self.due_on.isoformat(),
            "due_km": self.due_km,
            "base": "visit" if self.stage is Stage.PERIODIC else "delivery",
            "base_on": self.base_on.isoformat() if self.base_on else None,
            "base_km": self.base_km,
            "months": self.interval.months,
            "km": self.interval.km,
            "km_per_day": round(self.rate.km_per_day),
            "readings": self.rate.readings,
            "left_out": self.rate.left_out,
            "learned": self.rate.learned,
        }


def plausible(readings: Iterable[Reading]) -> list[Reading]:
    """The longest run of readings that can all be true: never less than before, never faster than a car drives.

    Of two readings of one day the higher stands. Where two runs are equally long the one that ends later wins.
    """
    by_day: dict[date, int] = {}
    for one in readings:
        if one.km >= 0:
            by_day[one.on] = max(by_day.get(one.on, 0), one.km)
    ordered = [Reading(on=on, km=km) for on, km in sorted(by_day.items())][-60:]
    length = [1] * len(ordered)
    before: list[int | None] = [None] * len(ordered)
    for late in range(len(ordered)):
        for early in range(late):
            if _fits(ordered[early], ordered[late]) and length[early] + 1 >= length[late]:
                length[late], before[late] = length[early] + 1, early
    if not ordered:
        return []
    at: int | None = max(range(len(ordered)), key=lambda index: (length[index], index))
    kept: list[Reading] = []
    while at is not None:
        kept.append(ordered[at])
        at = before[at]
    return kept[::-1]


def _fits(early: Reading, late: Reading) -> bool:
    return 0 <= late.km - early.km <= MOST_KM_A_DAY * (late.on - early.on).days


def learn_rate(readings: Sequence[Reading], default: float) -> Rate:
    """The rate of the last stretches, the newest weighted most; `default` where they say nothing."""
    kept = plausible(readings)
    left_out = len({one.on for one in readings}) - len(kept)
    stretches: list[tuple[int, int]] = []
    if kept:
        end = kept[-1]
        for one in reversed(kept[:-1]):
            days = (end.on - one.on).days
            if days >= SHORTEST_DAYS:
                stretches.append((days, end.km - one.km))
                end = one
            if len(stretches) == STRETCHES:
                break
    if not stretches:
        return Rate(km_per_day=float(default), left_out=left_out)
    weights = [1 / 2**place * days for place, (days, _) in enumerate(stretches)]
    rate = sum(weight * km / days for weight, (days, km) in zip(weights, stretches, strict=True)) / sum(
        weights
    )
    return Rate(km_per_day=max(rate, LEAST_KM_A_DAY), readings=len(stretches) + 1, left_out=left_out)


def forecast(
    plan: Plan,
    *,
    delivered_on: date | None,
    visits: Sequence[Visit],
    readings: Sequence[Reading] = (),
) -> Forecast | None:
    """When the vehicle is due next; None where nothing is known to count from."""
    every = [*readings, *(Reading(on=one.on, km=one.km) for one in visits if one.km is not None)]
    if delivered_on is not None:
        every.append(Reading(on=delivered_on, km=0))
    rate = learn_rate(every, plan.km_per_day)
    kept = plausible(every)
    done = max((one for one in visits if one.kind in plan.fulfilled_by), key=lambda one: one.on, default=None)
    given = max(
        (one for one in visits if one.given_on is not None or one.given_km is not None),
        key=lambda one: one.on,
        default=None,
    )
    if done is not None:
        stage, base_on, interval = Stage.PERIODIC, done.on, plan.periodic
    elif delivered_on is not None:
        stage, base_on, interval = Stage.FIRST, delivered_on, plan.first
    else:
        return None if given is None else _given(given, Stage.PERIODIC, rate, kept)
    if given is not None and given.on >= base_on:
        return _given(given, stage, rate, kept)
    base_km = _km_on(base_on, kept, rate, delivered_on)
    due_km = None if interval.km is None or base_km is None else base_km + interval.km
    by_date = None if interval.months is None else add_months(base_on, interval.months)
    by_km = None if due_km is None else _day_of(due_km, kept, rate, base_on)
    if by_date is None and by_km is None:
        return None
    first = min(day for day in (by_date, by_km) if day is not None)
    return Forecast(
        due_on=first,
        due_km=due_km,
        stage=stage,
        cause=Cause.DATE if first == by_date else Cause.MILEAGE,
        rate=rate,
        base_on=base_on,
        base_km=base_km,
        interval=interval,
    )


def _given(given: Visit, stage: Stage, rate: Rate, kept: Sequence[Reading]) -> Forecast | None:
    by_km = None if given.given_km is None else _day_of(given.given_km, kept, rate, given.on)
    days = [day for day in (given.given_on, by_km) if day is not None]
    if not days:
        return None
    return Forecast(
        due_on=min(days),
        due_km=given.given_km,
        stage=stage,
        cause=Cause.GIVEN,
        rate=rate,
        base_on=given.on,
        base_km=given.km,
    )


def _km_on(day: date, kept: Sequence[Reading], rate: Rate, delivered_on: date | None) -> int | None:
    """What the odometer showed on a day: read, or reckoned from the reading before it."""
    before = [one for one in kept if one.on <= day]
    if before:
        return before[-1].km + round(rate.km_per_day * (day - before[-1].on).days)
    if kept:
        return max(0, kept[0].km - round(rate.km_per_day * (kept[0].on - day).days))
    return 0 if day == delivered_on else None


def _day_of(km: int, kept: Sequence[Reading], rate: Rate, base_on: date) -> date | None:
    """The day the odometer will show so much, or showed it."""
    if not kept:
        return None
    last = kept[-1]
    days = (km - last.km) / rate.km_per_day
    if days >= 0:
        return last.on + timedelta(days=min(int(days), 36_500))
    for early, late in pairwise(kept):
        if early.km < km <= late.km:
            share = (km - early.km) / (late.km - early.km)
            return max(base_on, early.on + timedelta(days=int(share * (late.on - early.on).days)))
    return base_on


def dated(plan: Plan, delivered_on: date | None, today: date) -> list[tuple[str, date]]:
    """The next day of each dated item of the plan, on or after today."""
    found: list[tuple[str, date]] = []
    if delivered_on is None:
        return found
    for item in plan.items:
        gone = max(0, (today.year - delivered_on.year) * 12 + today.month - delivered_on.month - 1)
        turn = max(1, gone // item.every_months)
        while add_months(delivered_on, turn * item.every_months) < today:
            turn += 1
        found.append((item.name, add_months(delivered_on, turn * item.every_months)))
    return found
