"""What our pacing is measured beside: the rules of other dialers, and the best a rule of this kind could do.

The others are written anew from what is published about them; their settings are the best found in hindsight on the
very same days, which is generous to them.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from functools import lru_cache
from typing import Final

from bench import _floor_model as model
from campaigns.pacing.floor import Floor
from campaigns.pacing.lengths import Curve
from campaigns.pacing.pacers import Fixed, Predictive
from campaigns.pacing.risk import Agents, Rings, launches


class Ours(Predictive):
    """The product's own."""

    at_events = True


class Progressive(Fixed):
    """One call for each ready agent."""

    at_events = True


class _Deaf:
    """A rule that learns nothing."""

    at_events = True

    def answered(self, after: float, *, now: float) -> None: ...
    def failed(self, after: float, *, now: float) -> None: ...
    def met(self, *, abandoned: bool) -> None: ...
    def talked(self, seconds: float) -> None: ...
    def wrapped_up(self, seconds: float) -> None: ...


class FixedLines(_Deaf):
    """So many lines for each idle agent: WombatDialer's boost factor, Genesys' power mode."""

    def __init__(self, lines: float) -> None:
        self.lines = lines

    def calls(self, floor: Floor, *, now: float, left: float) -> int:
        """Lines for the idle, less those in use."""
        return max(0, int(floor.idle * self.lines + 1e-9) - len(floor.ringing))


class Adaptive(_Deaf):
    """VICIdial's ADAPT_AVERAGE by its published rules: a dial level, moved every 15 s, halved over the cap."""

    at_events = False

    def __init__(self, cap: float, *, most: float = 3.0, target: float = 0.0) -> None:
        self._cap, self._most, self._target = cap, most, target
        self._level = 1.0
        self._ready: list[int] = []
        self._queued: list[int] = []
        self._live = self._lost = 0
        self._known = (0, 0)
        self._next = 0.0

    def met(self, *, abandoned: bool) -> None:
        """Counted since midnight; known to the rule once a minute."""
        self._live += 1
        self._lost += abandoned

    def calls(self, floor: Floor, *, now: float, left: float) -> int:
        """Every 2.5 s: level x agents waiting or in a call, less the lines that are up."""
        self._ready.append(floor.idle)
        self._queued.append(floor.waiting)
        second = int(now)
        if second % 60 == 0:
            self._known = (self._live, self._lost)
        if second % 15 == 0:
            self._adapt(floor.agents)
        if now < self._next - 0.01:
            return 0
        self._next = now + 2.5
        goal = self._level * (floor.idle + len(floor.talking))
        return max(0, int(goal + 1e-9) - len(floor.ringing) - floor.waiting - len(floor.talking))

    def _adapt(self, agents: int) -> None:
        ready = sum(self._ready) / len(self._ready)
        queued = sum(self._queued) / len(self._queued)
        self._ready, self._queued = [], []
        changed = self._level * (1 + (ready - queued + self._target) / max(1, agents))
        self._level = min(self._most, max(1.0, changed))
        live, lost = self._known
        if live >= 50 and lost > self._cap * live:
            self._level = max(1.0, self._level / 2)


_SAMPLES: Final = 40_000


def _curve(step: float, most: float, length: Callable[[random.Random], float], seed: int) -> Curve:
    chance = random.Random(seed)
    counts = [0] * (int(most / step) + 1)
    for _ in range(_SAMPLES):
        counts[min(len(counts) - 1, math.ceil(length(chance) / step))] += 1
    shares, below = [], 0
    for count in counts:
        below += count
        shares.append(below / _SAMPLES)
    return Curve(step, tuple(shares))


@lru_cache(maxsize=1)
def _truth() -> tuple[Curve, Curve, Agents]:
    """The model's own distributions."""
    answer = _curve(0.25, 60, model.answer, 1)
    fail = _curve(0.25, 120, model.failure, 2)
    talk = _curve(2, 1200, model.talk, 3)
    wrap = _curve(1, 600, model.wrap_up, 4)
    return answer, fail, Agents(answer, talk, wrap)


class Limit(_Deaf):
    """Knows every distribution and the answer rate; its risk is tuned in hindsight."""

    def __init__(self, rate: float, risk: float) -> None:
        answer, fail, self._agents = _truth()
        self._rings = Rings(answer, fail, self._agents.looks, rate)
        self._risk = risk

    def calls(self, floor: Floor, *, now: float, left: float) -> int:
        """As many as keep the risk."""
        return launches(floor, self._agents, self._rings, self._risk, max(20, floor.agents))
