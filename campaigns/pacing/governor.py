"""Keeps abandoned calls within their cap, and learns how many dials are answered."""

from __future__ import annotations

import math
from typing import Final

#: Bounds of the risk one call may have. Because its logarithm is bounded, the share abandoned can differ from the
#: aim in the long run only by (range of the logarithm) / (step x answers), however wrong every estimate is.
LEAST_RISK: Final = 0.0005
MOST_RISK: Final = 0.7
#: How far one answer moves the logarithm of the risk.
_STEP: Final = 0.05
#: The share of the cap that is aimed at.
_AIM: Final = 0.97
#: The first risk, in caps (decision 0042: 0.7 costs small teams a morning).
_START: Final = 1.5
#: The risk while a day has used up more than its share.
_GUARDED_RISK: Final = 0.001
#: Abandoned calls a day may be ahead of its cap in the morning, falling to none at its end.
_AHEAD: Final = 2.0


class Governor:
    """The risk a call may have, steered by what became of the answers."""

    def __init__(self, cap: float) -> None:
        """`cap`: the share of live answers that may be abandoned, 0 < cap <= 0.03 for a lawful campaign."""
        if not 0 < cap < 1:
            raise ValueError(f"a cap lies between 0 and 1: {cap}")
        self.cap = cap
        self._risk = _START * cap
        self._answered = 0
        self._abandoned = 0

    def answer(self, *, abandoned: bool) -> None:
        """What became of one live answer."""
        self._answered += 1
        shift = _STEP * _AIM * self.cap
        if abandoned:
            self._abandoned += 1
            shift -= _STEP
        self._risk = min(MOST_RISK, max(LEAST_RISK, self._risk * math.exp(shift)))

    def new_day(self) -> None:
        """A day begins: what was learned stays, the day's own count begins anew."""
        self._answered = self._abandoned = 0

    def risk(self, left: float) -> float:
        """The risk a call may have now; `left`: the share of the day's dialing time still to come, 0 to 1."""
        ahead = self._abandoned - self.cap * self._answered
        if self._abandoned and ahead >= _AHEAD * left:
            return min(self._risk, _GUARDED_RISK)
        return self._risk


class AnswerRate:
    """The share of dials a person answers. A dial counts for less and less as ten minutes of others come after it."""

    #: High on purpose: an estimate that is too high dials too little for a minute, the other way round abandons.
    _GUESS: Final = 0.7
    _WEIGHT: Final = 20.0
    _MEMORY_SECONDS: Final = 600.0
    #: Bounds of the memory, in dials.
    _FEWEST: Final = 300
    _MOST: Final = 6000

    def __init__(self) -> None:
        self._hits = self._GUESS * self._WEIGHT
        self._dials = self._WEIGHT
        self._last = 0.0

    @property
    def value(self) -> float:
        """Between 0.02 and 0.98."""
        return min(0.98, max(0.02, self._hits / self._dials))

    def add(self, *, answered: bool, now: float) -> None:
        """One dial that came to its end."""
        keep = math.exp(-max(0.0, now - self._last) / self._MEMORY_SECONDS)
        keep = min(max(keep, 1 - 1 / self._FEWEST), 1 - 1 / self._MOST)
        self._last = now
        self._hits = self._hits * keep + (1.0 if answered else 0.0)
        self._dials = self._dials * keep + 1.0
