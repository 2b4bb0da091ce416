"""Byte ranges of RFC 9110: one range a request, never outside of what there is."""

from __future__ import annotations

import re
from typing import Final

_ONE: Final = re.compile(r"bytes=[ \t]*(\d{0,18})-(\d{0,18})[ \t]*", re.IGNORECASE | re.ASCII)


class RangeNotThere(Exception):
    """The range begins behind the end, or is empty; 416."""

    error_id = "bad-range"


def read_range(header: str | None, size: int) -> tuple[int, int] | None:
    """First byte and number of bytes wanted of `size`; None: the whole.

    What cannot be read, another unit, and several ranges are answered with the whole, as RFC 9110 14.2 lets
    a server do. Raises RangeNotThere.
    """
    match = _ONE.fullmatch(header.strip()) if header else None
    if match is None or (not match[1] and not match[2]):
        return None
    if not match[1]:
        wanted = min(int(match[2]), size)
        if wanted == 0:
            raise RangeNotThere("The range is empty.")
        return size - wanted, wanted
    first = int(match[1])
    last = int(match[2]) if match[2] else size - 1
    if match[2] and last < first:
        return None
    if first >= size:
        raise RangeNotThere("The range begins behind the end of the recording.")
    return first, min(last, size - 1) - first + 1
