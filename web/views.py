"""Who looked at whose record, written down without holding anybody up.

A view is noted in memory and stored in batches, so the pop never waits for it. What leaves the house for good (a
file, a recording) is another matter: `Route.leaves` commits its row before the first byte goes out.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import Final

import structlog
from aiohttp import web

from access.audit import Action, Entry

log = structlog.get_logger(__name__)

#: The longest a view waits for its row, seconds.
_FLUSH_SECONDS: Final = 0.5
_AT_ONCE: Final = 500
#: Views kept while the database is away; nobody can look at anything then, so few come.
_KEPT: Final = 20_000
#: The same person looking at the same record again within this time is the same view: pages load their parts.
SAME_VIEW: Final = timedelta(seconds=60)
_REMEMBERED: Final = 5_000


class ViewLog:
    """Collects entries and stores them in batches. Belongs to the event loop's thread."""

    def __init__(self, store: Callable[[Sequence[Entry]], Awaitable[None]]) -> None:
        self._store = store
        self._waiting: deque[Entry] = deque()
        self._seen: OrderedDict[tuple[str, str], datetime] = OrderedDict()
        self._task: asyncio.Task[None] | None = None
        self._closing = asyncio.Event()
        #: Views that could not be kept because too many waited.
        self.lost = 0

    @property
    def waiting(self) -> int:
        """Views without a row yet."""
        return len(self._waiting)

    def replace_store(self, store: Callable[[Sequence[Entry]], Awaitable[None]]) -> None:
        """Another place to store what comes; tests put a slow one here."""
        self._store = store

    def note(self, entry: Entry) -> None:
        """Keep one view for the next batch. Never waits, never raises."""
        if entry.action is Action.VIEWED and self._is_known(entry):
            return
        if len(self._waiting) >= _KEPT:
            self.lost += 1
            return
        self._waiting.append(entry)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._soon(), name="web-views")

    def _is_known(self, entry: Entry) -> bool:
        key = (entry.actor_id or entry.actor_name, entry.subject)
        last = self._seen.get(key)
        if last is not None and entry.at - last < SAME_VIEW:
            return True
        self._seen[key] = entry.at
        self._seen.move_to_end(key)
        while len(self._seen) > _REMEMBERED:
            self._seen.popitem(last=False)
        return False

    async def flush(self) -> None:
        """Store everything that waits. Raises what the store raises; nothing is lost by it."""
        while self._waiting:
            some = [self._waiting[index] for index in range(min(_AT_ONCE, len(self._waiting)))]
            await self._store(some)
            for _ in some:
                self._waiting.popleft()

    async def close(self) -> None:
        """Store what waits and end."""
        self._closing.set()
        if self._task is not None:
            await self._task
        try:
            await self.flush()
        except Exception as error:  # the last edge before the process ends
            log.error("views not stored", action="views_lost", views=self.waiting, why=type(error).__name__)

    async def _soon(self) -> None:
        while self._waiting and not self._closing.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._closing.wait(), _FLUSH_SECONDS)
            try:
                await self.flush()
            except Exception as error:  # whatever the store does, views wait for the next try
                log.warning(
                    "views wait", action="views_delayed", views=self.waiting, why=type(error).__name__
                )


VIEWS: web.AppKey[ViewLog] = web.AppKey("views", ViewLog)
