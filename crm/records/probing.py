"""A limit for those who see masked numbers: nobody finds out a whole number by asking for ten thousand of them."""

from __future__ import annotations

from collections import deque
from datetime import datetime, timedelta
from typing import Final

from access.sentences import Sentence
from crm.records.customers import RecordError

_WINDOW: Final = timedelta(minutes=1)
_REMEMBERED: Final = 2_000


class TooManySearches(RecordError):
    """Too many whole telephone numbers were searched for within a minute."""

    error_id = "too-many-searches"

    def __init__(self, message: str, *, wait_seconds: int) -> None:
        super().__init__(message)
        self.wait_seconds = wait_seconds


class ProbeLimit:
    """Counts searches for whole numbers, per person, over the last minute. Belongs to one thread."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._asked: dict[str, deque[datetime]] = {}

    def count(self, who: str, now: datetime) -> None:
        """One more search. Raises TooManySearches with the seconds to wait."""
        times = self._asked.setdefault(who, deque(maxlen=self._most))
        if len(times) == self._most and now - times[0] < _WINDOW:
            wait = int((_WINDOW - (now - times[0])).total_seconds()) + 1
            raise TooManySearches(
                Sentence(
                    "More than {most} telephone numbers in a minute. Go on in {wait} seconds.",
                    most=self._most,
                    wait=wait,
                ),
                wait_seconds=wait,
            )
        times.append(now)
        if len(self._asked) > _REMEMBERED:
            del self._asked[next(iter(self._asked))]
