"""Ticks: APScheduler calls, the work itself is rows or a comparison that can be done again.

The scheduler keeps nothing: a handful of ticks named in code, in memory, coalesced, never two at once
(libraries.md 3: its stores lose renamed jobs, and two processes on one store run a tick twice).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import structlog
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.interval import IntervalTrigger

log = structlog.get_logger(__name__)

Work = Callable[[], Awaitable[object]]


class Ticks:
    """Named ticks on one scheduler. What a tick raises is logged; the next one comes all the same."""

    def __init__(self, zone: str) -> None:
        self._zone = zone
        self._scheduler = AsyncIOScheduler(
            timezone=zone,
            job_defaults={"coalesce": True, "misfire_grace_time": None, "max_instances": 1},
        )
        #: Ticks that raised since the start, by name.
        self.failures: dict[str, int] = {}

    def every(self, seconds: float, name: str, work: Work) -> None:
        """Call `work` every so many seconds."""
        self._scheduler.add_job(self._guarded(name, work), IntervalTrigger(seconds=seconds), id=name)

    def daily(self, hour: int, minute: int, name: str, work: Work) -> None:
        """Call `work` once a local date, at this time of the house's zone."""
        trigger = CronTrigger(hour=hour, minute=minute, timezone=self._zone)
        self._scheduler.add_job(self._guarded(name, work), trigger, id=name)

    def start(self) -> None:
        """Begin to tick on the running loop."""
        self._scheduler.start()

    def stop(self) -> None:
        """No further tick; one that runs is cut off with the loop."""
        if self._scheduler.running:
            self._scheduler.shutdown(wait=False)

    def _guarded(self, name: str, work: Work) -> Work:
        async def tick() -> None:
            try:
                await work()
            except Exception:
                # The boundary of one tick: whatever is wrong with it, the next one and the others go on.
                self.failures[name] = self.failures.get(name, 0) + 1
                log.exception("tick failed", action="tick_failed", tick=name)

        return tick
