"""How often a program may ask: a bucket for each API token, in memory, in each process."""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from aiohttp import web

from access.sentences import Sentence
from web.problems import Refused

#: Tokens remembered; the ones not seen for longest are forgotten first, with a full bucket.
_REMEMBERED: Final = 2000


class TokenRates:
    """A bucket of `per_minute` requests for each token, filled evenly. Belongs to the event loop's thread."""

    def __init__(self, per_minute: int, now: Callable[[], float] = time.monotonic) -> None:
        self._most = float(per_minute)
        self._per_second = per_minute / 60
        self._now = now
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, token_id: str) -> None:
        """One request of this token. Raises Refused too-many-requests with the seconds to wait."""
        now = self._now()
        left, at = self._left.get(token_id, (self._most, now))
        left = min(self._most, left + (now - at) * self._per_second)
        self._left[token_id] = (max(left - 1, 0.0) if left >= 1 else left, now)
        self._left.move_to_end(token_id)
        if len(self._left) > _REMEMBERED:
            self._left.popitem(last=False)
        if left < 1:
            wait = max(1, math.ceil((1 - left) / self._per_second))
            raise Refused(
                "too-many-requests",
                Sentence(
                    "This token asks more often than {most} times a minute. Nothing was done; wait {wait} s.",
                    most=f"{self._most:g}",
                    wait=wait,
                ),
                headers={"Retry-After": str(wait)},
            )


RATES: web.AppKey[TokenRates] = web.AppKey("rates", TokenRates)
