"""Toll-fraud fences: which number may be dialed, and how often. The dialplan holds the same list again."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from access.sentences import Sentence
from telephony.options import FenceOptions


class DialRefused(Exception):
    """The fences do not let this number be dialed; nothing was dialed."""

    error_id = "dial-refused"

    def __init__(self, rule: str, sentence: str) -> None:
        self.rule = rule
        super().__init__(sentence)


class TooManyCalls(Exception):
    """More calls are being placed than the trunk takes; nothing was dialed."""

    error_id = "too-many-calls"
    retryable = True

    def __init__(self, wait_seconds: int) -> None:
        self.wait_seconds = wait_seconds
        super().__init__(
            Sentence(
                "Too many calls just now; nothing was dialed. Try again in {wait_seconds} s.",
                wait_seconds=wait_seconds,
            )
        )


@dataclass(kw_only=True, slots=True)
class Pace:
    """A token bucket of one: calls leave at `calls_per_second` (telephony.trunk), never in a burst.

    A call whose turn comes within `patience` seconds is given that turn; the others are refused.
    """

    calls_per_second: float
    patience: float = 1.0
    #: When the next call may leave, in the time `reserve` is given.
    _free_at: float = field(default=-math.inf)

    def reserve(self, now: float) -> float:
        """Take a turn at `now` (monotonic seconds); gives the seconds until it. Raises TooManyCalls."""
        turn = max(now, self._free_at)
        wait = turn - now
        if wait > self.patience:
            raise TooManyCalls(math.ceil(wait))
        self._free_at = turn + 1 / self.calls_per_second
        return wait


@dataclass(frozen=True, kw_only=True, slots=True)
class Fences:
    """The house's rules as one question."""

    options: FenceOptions

    def check(self, number: str, recent: Sequence[datetime], now: datetime) -> None:
        """Raise DialRefused unless `number` (E.164) may be dialed now.

        `recent` holds the times of the outbound calls of at least the last hour.
        """
        digits = number.removeprefix("+")
        if (
            not number.startswith("+")
            or not digits.isascii()
            or not digits.isdigit()
            or not 7 <= len(digits) <= 15
        ):
            raise DialRefused(
                "not-a-number", "This is not a complete number with country code; nothing was dialed."
            )
        if not number.startswith(tuple(self.options.allowed_prefixes)):
            raise DialRefused(
                "prefix-not-allowed",
                Sentence(
                    "Numbers outside {allowed} may not be dialed here; nothing was dialed. "
                    "An administrator can allow more.",
                    allowed=self.options.allowed_prefixes,
                ),
            )
        if number.startswith(tuple(self.options.refused_prefixes)):
            raise DialRefused(
                "prefix-refused",
                "Numbers that begin like this one may not be dialed here; nothing was dialed.",
            )
        if sum(1 for at in recent if now - at < timedelta(hours=1)) >= self.options.calls_per_hour:
            raise DialRefused(
                "calls-per-hour",
                Sentence(
                    "{most} calls were dialed in the last hour, as many as are allowed; nothing was dialed. "
                    "Try again later.",
                    most=self.options.calls_per_hour,
                ),
            )
