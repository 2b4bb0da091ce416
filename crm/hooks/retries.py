"""When a delivery is tried again, when an address is left alone for a while, and when it is given up."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

#: Seconds between tries; the last one repeats. With the spread they add up to 24 hours after 14 tries.
WAITS: Final = (5, 30, 120, 600, 1800, 3600, 7200, 7200, 10800, 10800, 14400, 14400, 14400)
#: Each wait is this much shorter or longer, so that what failed together does not come back together.
SPREAD: Final = 0.25
#: A receiver may ask us to wait (Retry-After), but no longer than this, in seconds.
LONGEST_ASKED: Final = 3600
#: Failures in a row after which an address is left alone.
BREAKS_AFTER: Final = 5
#: Seconds it is left alone, doubled with each further failure up to the longest.
_FIRST_PAUSE: Final = 30
_LONGEST_PAUSE: Final = 900

#: Gives a number from 0 up to 1.
Chance = Callable[[], float]


class Why(StrEnum):
    """Why a subscription sends nothing any more."""

    SWITCHED_OFF = ""
    FAILING = "failing"  # nothing arrived for days
    GONE = "gone"  # the receiver answered 410
    OWNER_GONE = "owner-gone"  # who answers for it may not use Careline any more
    RESTORED = "restored"  # the database came from a backup: another house may be meant


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """What came of one try."""

    at: datetime
    milliseconds: int
    #: HTTP status, or None where there was no answer.
    status: int | None = None
    #: A word saying what went wrong before an answer could be read; see docs/webhooks.md.
    error: str = ""
    #: What the receiver asked for with Retry-After, in seconds.
    asked_seconds: float = 0.0

    @property
    def arrived(self) -> bool:
        """The receiver has it: any 2xx."""
        return not self.error and self.status is not None and 200 <= self.status < 300

    @property
    def word(self) -> str:
        """The error as one word; empty where it arrived."""
        if self.arrived:
            return ""
        return self.error or ("redirect" if self.status and 300 <= self.status < 400 else "status")


def next_try(
    tries: int, since: datetime, outcome: Outcome, *, longest: timedelta, chance: Chance
) -> datetime | None:
    """When a delivery that failed for the `tries`-th time is tried again; None: it is given up.

    `since` is when its time began to run: a try never comes later than `longest` after it.
    """
    wait = WAITS[min(tries, len(WAITS)) - 1] * (1 - SPREAD + 2 * SPREAD * chance())
    if outcome.asked_seconds > 0:
        wait = max(wait, min(outcome.asked_seconds, LONGEST_ASKED) * (1 + SPREAD * chance()))
    when = outcome.at + timedelta(seconds=wait)
    return when if when <= since + longest else None


def pause_until(failures: int, outcome: Outcome, *, chance: Chance) -> datetime | None:
    """Until when an address is left alone after this many failures in a row; None: it is not.

    One delivery goes through after the pause: it closes the breaker or doubles the pause.
    """
    if failures < BREAKS_AFTER:
        return None
    pause = min(_FIRST_PAUSE * 2 ** min(failures - BREAKS_AFTER, 10), _LONGEST_PAUSE)
    return outcome.at + timedelta(seconds=pause * (1 + SPREAD * chance()))


def is_hopeless(failing_since: datetime | None, outcome: Outcome, *, longest: timedelta) -> Why | None:
    """Whether a subscription is switched off: the receiver says it is gone, or nothing arrived for too long."""
    if outcome.status == 410:
        return Why.GONE
    if failing_since is not None and outcome.at - failing_since >= longest:
        return Why.FAILING
    return None
