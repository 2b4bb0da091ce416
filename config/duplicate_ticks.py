"""What looks for people on record twice while the service runs, and keeps calls on the record of now (R34)."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial

import structlog

from config.books.merging import LiveCalls
from storage import duplicate_verdicts, duplicates, merging
from storage.database import Database, StorageUnavailable
from telephony.clock import Clock
from telephony.tracker import CallChange

log = structlog.get_logger(__name__)

#: Shares of changed records a tick looks at before it lets others write.
_SHARES = 5
#: Between two shares of the nightly pass, seconds: calls write in between.
_BREATH = 0.05


class DuplicateTicks:
    """Compares changed records every few seconds, and all of them at night, in shares of bounded size."""

    def __init__(self, database: Database, clock: Clock, live: LiveCalls) -> None:
        self._database = database
        self._clock = clock
        self._live = live
        self._following: set[asyncio.Task[None]] = set()

    async def look(self) -> None:
        """Records that changed since the last look, and what was written to a merged record meanwhile."""
        try:
            await self._gather()
            for _ in range(_SHARES):
                looked = await self._database.read(duplicates.compare_marked)
                if looked is None:
                    break
                await self._keep(looked.verdicts)
                if not await self._database.write(partial(duplicates.unmark, looked=looked)):
                    break  # all of them changed again meanwhile: the next tick
        except StorageUnavailable as error:
            log.warning("duplicates not looked for now", action="duplicates_delayed", why=str(error))

    async def _keep(self, verdicts: duplicate_verdicts.Verdicts) -> None:
        """Write verdicts in short transactions: calls write in between."""
        for share in verdicts.shares():
            await self._database.write(
                partial(duplicate_verdicts.keep, verdicts=share, now=self._clock.now())
            )

    async def _gather(self) -> None:
        """Looked for without the writer; it is taken for one merge at a time, and only where there is something."""
        now = self._clock.now()
        for merge_id in await self._database.read(partial(merging.with_stragglers, now=now)):
            rows = await self._database.write(partial(merging.gather_stragglers, merge_id=merge_id, now=now))
            log.info("rows of a merged record taken over", action="stragglers", merge_id=merge_id, rows=rows)

    async def look_at_all(self) -> None:
        """The nightly pass. It keeps only where it stands; a night that is cut off is begun again by the next."""
        step: duplicates.Step | None = duplicates.Step()
        last = duplicates.Step()
        found = 0
        try:
            while step is not None:
                last = step
                pairs, step = await self._database.read(partial(duplicates.scan, step=last))
                if pairs:
                    verdicts = await self._database.read(partial(duplicate_verdicts.weigh, pairs=pairs))
                    found += verdicts.shown
                    await self._keep(verdicts)
                await asyncio.sleep(_BREATH)
        except StorageUnavailable as error:
            log.warning("duplicates not looked for tonight", action="duplicates_delayed", why=str(error))
            return
        log.info("duplicates looked for", action="duplicates", looked_at=last.looked_at, found=found)

    def calls_changed(self, changes: Sequence[CallChange]) -> None:
        """A call was tied to a customer; if that record was merged meanwhile, the call goes to the other."""
        tied = [
            change.after
            for change in changes
            if change.after.customer_id is not None
            and (change.before is None or change.before.customer_id != change.after.customer_id)
        ]
        if tied:
            task = asyncio.get_running_loop().create_task(self._follow([call.id for call in tied]))
            self._following.add(task)
            task.add_done_callback(self._following.discard)

    async def _follow(self, call_ids: Sequence[str]) -> None:
        now = self._clock.now()
        wanted = {
            call.id: call
            for call in self._live.live_calls()
            if call.id in call_ids and call.customer_id is not None
        }

        if not wanted:
            return
        tied = {str(call.customer_id) for call in wanted.values()}
        try:
            merged = await self._database.read(partial(merging.survivors_of, customer_ids=tied))
        except StorageUnavailable:
            return  # the row is taken over later (`merging.gather_stragglers`)
        for call in wanted.values():
            if call.customer_id in merged:
                into = merged[call.customer_id]
                key = f"merged:{call.customer_id}"
                self._live.record_soon(
                    merging.call_fact(call.id, call.linkedid, call.explained or "", into, key, now)
                )
