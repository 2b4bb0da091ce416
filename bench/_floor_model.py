"""A simulated floor: agents, customers and a rule that dials, event by event, from a seed.

The model: a post-dial delay, then an answer, a ring-out at 25 s or an early end; three of four talks have eight pages
at a personal pace, the fourth is short; a wrap-up. An answered customer without an agent after 2.0 s is abandoned. It
knows nothing of how the rule works and gives it only what a dialer sees.
"""

from __future__ import annotations

import heapq
import math
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from campaigns.pacing.floor import PATIENCE, Floor

_RING_SECONDS: Final = 25.0
#: An hour with fewer live answers says nothing about its share of abandoned calls.
_TELLING_ANSWERS: Final = 40


class Rule(Protocol):
    """What is compared: how many calls to begin, and what it learns from."""

    #: Whether it is asked at every event, or at its own ticks of a second only.
    at_events: bool

    def calls(self, floor: Floor, *, now: float, left: float) -> int: ...
    def answered(self, after: float, *, now: float) -> None: ...
    def failed(self, after: float, *, now: float) -> None: ...
    def met(self, *, abandoned: bool) -> None: ...
    def talked(self, seconds: float) -> None: ...
    def wrapped_up(self, seconds: float) -> None: ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Day:
    """What is simulated."""

    agents: int
    #: Share of dials a person answers, for each hour in turn.
    rates: tuple[float, ...]
    hours: float
    seed: int


@dataclass(kw_only=True, slots=True)
class Outcome:
    """What came of one day, or of several together."""

    staffed: float = 0.0
    busy: float = 0.0
    dials: int = 0
    answered: int = 0
    abandoned: int = 0
    #: Largest share abandoned in a clock hour with enough answers.
    worst_hour: float = 0.0
    #: Seconds each decision took.
    decisions: list[float] = field(default_factory=list)

    @property
    def occupancy(self) -> float:
        """Share of the staffed time in which agents talk or write."""
        return self.busy / self.staffed if self.staffed else 0.0

    @property
    def abandonment(self) -> float:
        """Share of live answers that nobody took in time."""
        return self.abandoned / self.answered if self.answered else 0.0

    def add(self, other: Outcome) -> None:
        """Put another day beside this one."""
        self.staffed += other.staffed
        self.busy += other.busy
        self.dials += other.dials
        self.answered += other.answered
        self.abandoned += other.abandoned
        self.worst_hour = max(self.worst_hour, other.worst_hour)
        self.decisions.extend(other.decisions)


def lognormal(chance: random.Random, mean: float, spread: float) -> float:
    """A lognormal length by its mean and coefficient of variation."""
    squared = math.log1p(spread * spread)
    return chance.lognormvariate(math.log(mean) - squared / 2, math.sqrt(squared))


def delay(chance: random.Random) -> float:
    """Seconds until it rings."""
    return lognormal(chance, 3, 0.4)


def answer(chance: random.Random) -> float:
    """Seconds from the dial to a person's answer."""
    while (rings := lognormal(chance, 9, 0.6)) >= _RING_SECONDS:
        pass
    return delay(chance) + rings


def failure(chance: random.Random) -> float:
    """Seconds from the dial to its end without an answer."""
    return delay(chance) + (_RING_SECONDS if chance.random() < 0.65 else chance.expovariate(1 / 4))


def talk(chance: random.Random) -> float:
    """Seconds of a conversation."""
    if chance.random() < 0.25:
        return lognormal(chance, 20, 0.6)
    pace = chance.lognormvariate(-0.045, 0.3)
    return pace * sum(lognormal(chance, 150 / 8, 0.75) for _ in range(8))


def wrap_up(chance: random.Random) -> float:
    """Seconds of a wrap-up."""
    return lognormal(chance, 20, 0.6)


class _Run:
    """One day under way."""

    def __init__(self, day: Day, rule: Rule) -> None:
        self.day, self.rule = day, rule
        self.chance = random.Random(day.seed)
        self.end = day.hours * 3600
        self.now = 0.0
        self.events: list[tuple[float, int, Callable[..., None], tuple[float, ...]]] = []
        self.serial = 0
        self.idle = day.agents
        self.waiting: dict[int, float] = {}
        self.ringing: dict[int, float] = {}
        self.talking: dict[int, float] = {}
        self.wrapping: dict[int, float] = {}
        self.by_hour: dict[int, list[int]] = {}
        self.outcome = Outcome(staffed=day.agents * self.end)

    def later(self, after: float, what: Callable[..., None], *given: float) -> None:
        self.serial += 1
        heapq.heappush(self.events, (self.now + after, self.serial, what, given))

    def go(self) -> Outcome:
        self.later(0, self.tick)
        while self.events:
            at, _, what, given = heapq.heappop(self.events)
            if at > self.end:
                break
            self.now = at
            what(*given)
            if self.rule.at_events or what == self.tick:
                self.decide()
        begun = (*self.talking.values(), *self.wrapping.values())
        self.outcome.busy += sum(self.end - at for at in begun)
        self.outcome.worst_hour = max(
            (lost / live for live, lost in self.by_hour.values() if live >= _TELLING_ANSWERS), default=0.0
        )
        return self.outcome

    def tick(self) -> None:
        self.later(1.0, self.tick)

    def decide(self) -> None:
        now = self.now
        floor = Floor(
            self.idle,
            len(self.waiting),
            [now - at for at in self.ringing.values()],
            [now - at for at in self.talking.values()],
            [now - at for at in self.wrapping.values()],
        )
        before = time.perf_counter()
        calls = self.rule.calls(floor, now=now, left=1 - now / self.end)
        self.outcome.decisions.append(time.perf_counter() - before)
        for _ in range(calls):
            self.dial()

    def dial(self) -> None:
        self.outcome.dials += 1
        call = self.outcome.dials
        self.ringing[call] = self.now
        rates = self.day.rates
        if self.chance.random() < rates[int(self.now // 3600) % len(rates)]:
            self.later(answer(self.chance), self.answered, call)
        else:
            self.later(failure(self.chance), self.failed, call)

    def answered(self, call: int) -> None:
        self.rule.answered(self.now - self.ringing.pop(call), now=self.now)
        self.outcome.answered += 1
        self.by_hour.setdefault(int(self.now // 3600), [0, 0])[0] += 1
        if self.idle:
            self.meet(call)
        else:
            self.waiting[call] = self.now
            self.later(PATIENCE, self.give_up, call)

    def failed(self, call: int) -> None:
        self.rule.failed(self.now - self.ringing.pop(call), now=self.now)

    def give_up(self, call: int) -> None:
        if self.waiting.pop(call, None) is not None:
            self.outcome.abandoned += 1
            self.by_hour.setdefault(int(self.now // 3600), [0, 0])[1] += 1
            self.rule.met(abandoned=True)

    def meet(self, call: int) -> None:
        self.rule.met(abandoned=False)
        self.idle -= 1
        self.talking[call] = self.now
        self.later(talk(self.chance), self.talked, call)

    def talked(self, call: int) -> None:
        seconds = self.now - self.talking.pop(call)
        self.outcome.busy += seconds
        self.rule.talked(seconds)
        self.wrapping[call] = self.now
        self.later(wrap_up(self.chance), self.wrapped_up, call)

    def wrapped_up(self, call: int) -> None:
        seconds = self.now - self.wrapping.pop(call)
        self.outcome.busy += seconds
        self.rule.wrapped_up(seconds)
        self.idle += 1
        if self.waiting:
            first = next(iter(self.waiting))
            del self.waiting[first]
            self.meet(first)


def simulate(day: Day, rule: Rule) -> Outcome:
    """One day under a rule."""
    return _Run(day, rule).go()


def together(days: Sequence[Outcome]) -> Outcome:
    """Several days as one."""
    whole = Outcome()
    for one in days:
        whole.add(one)
    return whole
