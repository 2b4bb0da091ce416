"""Ids: ULIDs, sortable by time, 26 letters of Crockford's base 32 (github.com/ulid/spec)."""

from __future__ import annotations

import secrets
import threading
from datetime import datetime

_LETTERS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
#: Every two letters at once: thirteen look-ups an id instead of twenty-six.
_PAIRS = [first + second for first in _LETTERS for second in _LETTERS]
_lock = threading.Lock()
_last = (-1, 0)


def new_id(now: datetime) -> str:
    """A new id: 48 bits of milliseconds from `now`, 80 bits of randomness.

    Within one process and millisecond each id is above the one before (the specification's monotonic
    factory), so that rows made in one breath keep their order.
    """
    global _last
    milliseconds = int(now.timestamp() * 1000)
    with _lock:
        before, tail = _last
        # One bit is left free, so that counting up never runs over.
        tail = tail + 1 if before == milliseconds else secrets.randbits(79)
        _last = (milliseconds, tail)
    value = (milliseconds << 80) | tail
    pairs = []
    for _ in range(13):
        pairs.append(_PAIRS[value & 1023])
        value >>= 10
    return "".join(reversed(pairs))
