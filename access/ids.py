"""Ids: ULIDs, sortable by time, 26 letters of Crockford's base 32 (github.com/ulid/spec)."""

from __future__ import annotations

import secrets
import threading
from datetime import datetime

_LETTERS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
#: Every two letters at once: thirteen look-ups an id instead of twenty-six.
_PAIRS = [first + second for first in _LETTERS for second in _LETTERS]
_lock = threading.Lock()
#: Milliseconds, their letters and the tail of the last id.
_last = (-1, "", 0)


def new_id(now: datetime) -> str:
    """A new id: 48 bits of milliseconds from `now`, 80 bits of randomness.

    Within one process and millisecond each id is above the one before (the specification's monotonic
    factory), so that rows made in one breath keep their order.
    """
    global _last
    milliseconds = int(now.timestamp() * 1000)
    with _lock:
        before, head, tail = _last
        if before == milliseconds:
            tail += 1
        else:  # one bit is left free, so that counting up never runs over
            head, tail = letters(milliseconds, 5), secrets.randbits(79)
        _last = (milliseconds, head, tail)
    return head + letters(tail, 8)


def stamp(now: datetime) -> str:
    """The 10 letters an id made at this moment begins with."""
    return letters(int(now.timestamp() * 1000), 5)


def letters(value: int, pairs: int) -> str:
    """The lowest `pairs` times ten bits of a number, two letters for each ten, the highest first."""
    return "".join([_PAIRS[value >> shift & 1023] for shift in range(10 * pairs - 10, -1, -10)])
