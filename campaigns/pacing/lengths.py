"""How long things last: distributions of seconds, learned from the campaign's own calls."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from typing import Final

#: After so many lengths the guess is forgotten (decision 0042).
_FORGOTTEN_AFTER: Final = 500


@dataclass(frozen=True, slots=True)
class Curve:
    """The share of lengths that are at most so many seconds, every `step` seconds from 0 on."""

    step: float
    shares: tuple[float, ...]

    def at(self, seconds: float) -> float:
        """The share that lasts at most so long."""
        if seconds <= 0:
            return 0.0
        place = seconds / self.step
        below = int(place)
        if below + 1 >= len(self.shares):
            return self.shares[-1]
        return self.shares[below] + (place - below) * (self.shares[below + 1] - self.shares[below])

    def quantile(self, share: float) -> float:
        """The seconds that this share of lengths stays within; the longest kept where the share is not reached."""
        for index, reached in enumerate(self.shares):
            if reached >= share:
                before = self.shares[index - 1] if index else 0.0
                gap = reached - before
                part = (share - before) / gap if gap > 0 else 1.0
                return max(0.0, (index - 1 + part) * self.step)
        return (len(self.shares) - 1) * self.step


@dataclass(frozen=True, slots=True)
class Part:
    """Lengths of one kind, lognormal (Brown et al., JASA 2005)."""

    weight: float
    #: Seconds.
    mean: float
    #: Standard deviation divided by the mean.
    spread: float


@dataclass(frozen=True, slots=True)
class Mix:
    """Lognormal lengths, some of one kind and some of another; the weights add up to 1."""

    parts: tuple[Part, ...]
    #: Nothing lasts longer; what would, lasts so long.
    most: float = math.inf

    def at(self, seconds: float) -> float:
        """The share that lasts at most so long."""
        if seconds >= self.most:
            return 1.0
        if seconds <= 0:
            return 0.0
        return sum(part.weight * _lognormal(seconds, part.mean, part.spread) for part in self.parts)


def _lognormal(seconds: float, mean: float, spread: float) -> float:
    """Distribution function of a lognormal length by its mean and coefficient of variation."""
    squared = math.log1p(spread * spread)
    return 0.5 * (1 + math.erf((math.log(seconds / mean) + squared / 2) / math.sqrt(2 * squared)))


class Lengths:
    """Lengths seen so far, beside a guess that fades as they come in."""

    def __init__(self, guess: Mix, *, step: float, most: float, weight: float = 60, keep: int = 2000) -> None:
        """`step` and `most` in seconds; the guess counts as `weight` lengths; the latest `keep` are remembered."""
        self._step = step
        self._size = int(most / step) + 1
        self._guess = [guess.at(index * step) for index in range(self._size)]
        self._weight = weight
        self._seen: deque[int] = deque(maxlen=keep)
        self._counts = [0] * self._size

    def __len__(self) -> int:
        """How many are remembered."""
        return len(self._seen)

    def add(self, seconds: float) -> None:
        """One more length; what is longer than the longest kept counts as that."""
        index = min(self._size - 1, math.ceil(max(0.0, seconds) / self._step))
        if len(self._seen) == self._seen.maxlen:
            self._counts[self._seen[0]] -= 1
        self._seen.append(index)
        self._counts[index] += 1

    def curve(self) -> Curve:
        """What is known now."""
        seen = len(self._seen)
        weight = self._weight * max(0.0, 1 - seen / _FORGOTTEN_AFTER) if seen else 1.0
        shares, below = [], 0
        for guess, count in zip(self._guess, self._counts, strict=True):
            below += count
            shares.append((weight * guess + below) / (weight + seen))
        return Curve(self._step, tuple(shares))
