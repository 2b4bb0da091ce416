"""The sender: claims what is due, delivers it, writes down what came of it. One in each process.

It holds nothing in memory that a crash could lose: a claim that nobody settles runs out and is tried again, so
that everything arrives at least once.
"""

from __future__ import annotations

import asyncio
import json
import random
import secrets
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Final

import structlog

from config.hooks.transport import HookTransport
from crm.hooks.events import masked
from crm.hooks.options import HookOptions
from crm.hooks.retries import Chance, Outcome
from crm.hooks.signing import signature
from crm.hooks.subscriptions import DeliveryState, Job, Language
from storage.database import Database, StorageUnavailable
from storage.deliveries import anything_due, claim, release, settle
from telephony.clock import Clock
from web.ports import Figure

log = structlog.get_logger(__name__)

#: The sentence about an event for people: (language, event).
Words = Callable[[Language, str], str]

#: Seconds that tries on their way may take at a stop before they are given back.
_STOP_SECONDS: Final = 3.0
#: Seconds until the next look after the database was away.
_AWAY_SECONDS: Final = 5.0


@dataclass(slots=True)
class Counts:
    """What was done since the start."""

    delivered: int = 0
    failed: int = 0
    given_up: int = 0
    disabled: int = 0


class HookSender:
    """Delivers events. Run `run` in a task, then `close`."""

    def __init__(
        self,
        database: Database,
        options: HookOptions,
        transport: HookTransport,
        clock: Clock,
        *,
        words: Words,
        chance: Chance = random.random,
        poll_seconds: float = 1.0,
    ) -> None:
        self._database = database
        self._options = options
        self._transport = transport
        self._clock = clock
        self._words = words
        self._chance = chance
        self._poll = poll_seconds
        #: Names this run of this process in its claims.
        self.name = secrets.token_hex(8)
        self.counts = Counts()
        self._going: set[asyncio.Task[None]] = set()

    @property
    def _lease(self) -> timedelta:
        return timedelta(seconds=2 * self._options.timeout_seconds + 30)

    async def run(self) -> None:
        """Deliver until cancelled. Errors of the database are waited out, never raised."""
        while True:
            wait = self._poll
            try:
                if await self.step() == 0 and not self._going:
                    await asyncio.sleep(wait)
                    continue
            except StorageUnavailable as error:
                log.warning("deliveries wait for the database", action="hooks_delayed", why=str(error))
                wait = _AWAY_SECONDS
            except Exception:  # the boundary of the loop: one bad row must not end all deliveries
                log.exception("deliveries wait", action="hooks_failed")
                wait = _AWAY_SECONDS
            if self._going:
                await asyncio.wait(self._going, timeout=wait, return_when=asyncio.FIRST_COMPLETED)
            else:
                await asyncio.sleep(wait)

    async def step(self) -> int:
        """Claim what is due and begin to deliver it; gives how many. Raises StorageUnavailable."""
        room = self._options.parallel - len(self._going)
        now = self._clock.now()
        if room <= 0 or not await self._database.read(partial(anything_due, now=now)):
            return 0
        jobs = await self._database.write(
            partial(claim, sender=self.name, now=now, options=self._options, room=room, lease=self._lease)
        )
        for job in jobs:
            task = asyncio.create_task(self._deliver(job), name="hook-delivery")
            self._going.add(task)
            task.add_done_callback(self._going.discard)
        return len(jobs)

    async def idle(self) -> None:
        """Wait until what was begun is settled."""
        while self._going:
            await asyncio.wait(set(self._going))

    async def close(self) -> None:
        """Let tries on their way finish for a moment, give the rest back, close connections."""
        going = set(self._going)
        if going:
            await asyncio.wait(going, timeout=_STOP_SECONDS)
        for task in going:
            task.cancel()
        await asyncio.gather(*going, return_exceptions=True)
        with suppress(StorageUnavailable):
            await self._database.write(partial(release, sender=self.name))
        await self._transport.close()

    async def _deliver(self, job: Job) -> None:
        try:
            outcome = await self._try(job)
            settled = await self._database.write(
                lambda connection: settle(connection, job, outcome, self._options, chance=self._chance)
            )
        except StorageUnavailable as error:
            log.warning("a try was not written down; it is repeated", action="hook_unsettled", why=str(error))
            return
        except Exception:  # the boundary of one delivery: its claim runs out, the others go on
            log.exception("a delivery failed here", action="hook_failed", delivery=job.number)
            return
        if outcome.arrived:
            self.counts.delivered += 1
            return
        self.counts.failed += 1
        if settled is None:
            return
        log.info(
            "an event did not arrive",
            action="hook_not_delivered",
            hook=job.hook_id,
            event_id=job.happening.id,
            status=outcome.status,
            error=outcome.word,
        )
        if settled.state is DeliveryState.FAILED:
            self.counts.given_up += 1
        if settled.disabled is not None:
            self.counts.disabled += 1
            log.warning(
                "a subscription was switched off",
                action="hook_disabled",
                hook=job.hook_id,
                why=settled.disabled.value,
            )

    async def _try(self, job: Job) -> Outcome:
        began = self._clock.monotonic()
        now = self._clock.now()
        body = self.body_of(job)
        stamp = int(now.timestamp())
        headers = {
            "Content-Type": "application/json",
            "webhook-id": job.happening.id,
            "webhook-timestamp": str(stamp),
            "webhook-signature": signature(job.happening.id, stamp, body, job.keys),
        }
        answer = await self._transport.post(job.url, body, headers, now)
        return Outcome(
            at=self._clock.now(),
            milliseconds=max(0, round((self._clock.monotonic() - began) * 1000)),
            status=answer.status,
            error=answer.error,
            asked_seconds=answer.asked_seconds,
        )

    def body_of(self, job: Job) -> bytes:
        """What is sent: the event as the subscription's owner may see it now."""
        happening = job.happening
        document = {
            "id": happening.id,
            "type": happening.event.value,
            "timestamp": happening.at.isoformat(),
            "subject": happening.subject,
            "title": self._words(job.language, happening.event.value),
            "data": masked(happening.data, numbers=job.right.numbers, names=job.right.names),
        }
        return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()

    def figures(self) -> Iterable[Figure]:
        """For /metrics."""
        yield Figure(
            name="careline_hooks_delivered",
            help="Events that arrived at other systems",
            value=self.counts.delivered,
            kind="counter",
        )
        yield Figure(
            name="careline_hooks_failed",
            help="Tries that did not arrive",
            value=self.counts.failed,
            kind="counter",
        )
        yield Figure(
            name="careline_hooks_given_up",
            help="Events given up",
            value=self.counts.given_up,
            kind="counter",
        )
        yield Figure(name="careline_hooks_going", help="Deliveries on their way", value=len(self._going))
