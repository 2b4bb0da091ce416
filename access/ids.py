"""Ids: ULIDs, sortable by time, 26 letters of Crockford's base 32 (github.com/ulid/spec)."""

from __future__ import annotations

import secrets
from datetime import datetime

_LETTERS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def new_id(now: datetime) -> str:
    """A new id: 48 bits of milliseconds from `now`, 80 bits of randomness."""
    value = (int(now.timestamp() * 1000) << 80) | secrets.randbits(80)
    letters = []
    for _ in range(26):
        value, rest = divmod(value, 32)
        letters.append(_LETTERS[rest])
    return "".join(reversed(letters))
