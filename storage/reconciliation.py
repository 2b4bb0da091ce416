"""Holds the open calls of the log against what the switch lists: at start, on reconnect, each minute."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection

from storage import calls as store
from storage.database import Database
from storage.journal import Journal
from telephony.asterisk.resync import Snapshot
from telephony.clock import Clock
from telephony.options import TelephonyOptions
from telephony.reconciliation import Decision, OpenCall, Seen, decide, fact_of

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class Reconciled:
    """What one round did."""

    adopted: int
    interrupted: int
    waiting: int


class Reconciler:
    """Runs the decisions of `telephony.reconciliation`. Import the switch's files before each round."""

    def __init__(
        self, journal: Journal, database: Database, *, options: TelephonyOptions, clock: Clock
    ) -> None:
        self.journal = journal
        self.database = database
        self.clock = clock
        self.longest = timedelta(
            minutes=max(options.hotline.longest_call_minutes, options.fences.longest_call_minutes)
        )
        #: Figures of the last day, as of the last round; `missing` must be 0.
        self.gauges: store.Gauges | None = None
        self._lost_at: datetime | None = None
        self._running = asyncio.Lock()

    def lost(self, at: datetime) -> None:
        """The connection to the switch broke now: until then it was alive."""
        self._lost_at = at

    async def reconcile(self, snapshot: Snapshot) -> Reconciled:
        """One round with what the switch lists. Raises StorageUnavailable; nothing was decided then."""
        async with self._running:
            system = self.journal.system
            lost_at, self._lost_at = self._lost_at, None
            alive = {channel.uniqueid for channel in snapshot.channels} | snapshot.linkedids

            def look(connection: Connection) -> Decision:
                return decide(
                    _open(connection, system),
                    _seen(connection, system, snapshot, alive, lost_at),
                    self.longest,
                )

            decision = await self.database.read(look)
            await self.database.write(
                lambda connection: store.saw_boot(connection, system, snapshot.boot, snapshot.at)
            )
            await self.journal.adopt(decision.adopted)
            for each in decision.interrupted:
                log.warning(
                    "a call is closed as interrupted",
                    extra={"action": "call-interrupted", "call_id": each.call.id, "why": each.why},
                )
            if decision.interrupted:
                await self.journal.record(*(fact_of(each) for each in decision.interrupted))
            since = snapshot.at - timedelta(days=1)
            self.gauges = await self.database.read(lambda connection: store.gauges(connection, system, since))
            return Reconciled(
                adopted=len(decision.adopted),
                interrupted=len(decision.interrupted),
                waiting=len(decision.waiting),
            )


def _open(connection: Connection, system: str) -> list[OpenCall]:
    calls = store.open_calls(connection, system)
    ids = [call.id for call in calls]
    legs = store.legs_of(connection, system, ids)
    facts = store.facts_of_all(connection, ids)
    found = []
    for call in calls:
        moments = [fact.at for fact in facts.get(call.id, ())]
        found.append(
            OpenCall(
                call=call,
                uniqueids=legs.get(call.id, [call.linkedid]),
                last_at=max(moments, default=call.started_at),
            )
        )
    return found


def _seen(
    connection: Connection, system: str, snapshot: Snapshot, alive: set[str], lost_at: datetime | None
) -> Seen:
    boots = store.boots(connection, system)
    own = next((boot for boot in boots if boot.boot == snapshot.boot), None)
    since = own.seen_first if own is not None else snapshot.at
    earlier = [boot.seen_last for boot in boots if boot.boot != snapshot.boot and boot.seen_first < since]
    until = max(earlier, default=None)
    if until is not None and lost_at is not None and until < lost_at < since:
        until = lost_at
    return Seen(at=snapshot.at, alive=alive, since=since, earlier_until=until)
