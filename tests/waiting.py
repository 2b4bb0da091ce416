"""How long tests wait for what is not there yet: one figure, so that a busy machine only makes them slower."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import Any

#: Seconds. A wait that comes true costs what it takes; only one that fails costs them all.
PATIENCE = 60.0
#: Seconds that a busy machine may add to a time which is promised to somebody.
SLACK = 3.0


async def until(
    what: Callable[[], Any | Awaitable[Any]],
    seconds: float = PATIENCE,
    *,
    every: float = 0.05,
    saying: str = "",
) -> Any:
    """The first true value of `what`, which may be asynchronous. AssertionError where none comes in time.

    `seconds` only where a time is promised to somebody; otherwise everybody has the same patience.
    """
    deadline = time.monotonic() + seconds
    while True:
        value = what()
        if inspect.isawaitable(value):
            value = await value
        if value:
            return value
        assert time.monotonic() < deadline, f"not within {seconds:g} s: {saying or value!r}"
        await asyncio.sleep(every)


__all__ = ["PATIENCE", "SLACK", "until"]
