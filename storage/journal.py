"""The journal: where every fact of every call becomes durable, and its call with it.

One writer task collects facts and stores them in one transaction for many calls: facts, rows, channels and
reactions together. When the database is away, slow or full, facts go to a spool on disk, flushed before
anybody goes on, and are stored in order when it is back (docs/call-log.md).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Final, Protocol

from sqlalchemy import Connection

from storage import calls as store
from storage.ahead import Ahead
from storage.database import Database, StorageUnavailable
from storage.spool import Spool, SpoolFull, alone_with, line_of
from telephony.calls import Call, CallId, CallState
from telephony.facts import Fact, FactKind, Source
from telephony.tracker import OWN, CallChange, Folding, NumberOf, Tracker, why_unknown

log = logging.getLogger(__name__)

#: What must happen with a change of a call, in the same transaction: (connection, before, after, new facts).
#: Each new fact is given to it exactly once, but one event may be told by two sources (AMI and CEL): look at
#: what it names, not at how often it is told. It must not commit.
Reaction = Callable[[Connection, Call | None, Call, Sequence[Fact]], None]

#: Told after the commit, on the event loop; may be lost.
Watcher = Callable[[Sequence[CallChange]], None]

#: Work of the caller that belongs into the same transaction (offsets of an import).
Also = Callable[[Connection], None]

#: Reads what will be asked about new callers in a moment: (connection, their numbers as E.164). It only reads.
Foresight = Callable[[Connection, Sequence[str]], None]


class Identify(Protocol):
    """Finds whose number it is: the customer, or None and why (unknown_number, several_customers)."""

    def __call__(self, connection: Connection, number: str) -> tuple[str | None, str]: ...


@dataclass(slots=True)
class _Waiting:
    """Some facts and who waits for them."""

    facts: Sequence[Fact]
    done: asyncio.Future[None] | None = None
    also: Also | None = None
    #: Who waits was let go when the facts were in the file ahead.
    ahead: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class JournalState:
    """How the journal is, for health pages and gauges."""

    #: The database does not take facts; they wait on disk.
    saving_delayed: bool
    #: The spool does not take them either: a crash now would lose what only memory holds.
    spool_full: bool
    spooled_bytes: int
    #: Facts in memory that are not on any disk.
    unsaved: int
    tracked: int
    stored: int
    batches: int
    failed_reactions: int
    refused: int


@dataclass(slots=True)
class _Counts:
    stored: int = 0
    batches: int = 0
    failed_reactions: int = 0
    refused: int = 0


@dataclass(slots=True)
class _Result:
    changes: list[CallChange] = field(default_factory=list)


#: Seconds that the switch's clock may be off ours (it is the same machine's, or one kept by NTP).
_CLOCKS_APART: Final = 2.0
#: Facts drained from the spool in one transaction.
_DRAIN: Final = 500
#: Most facts of one transaction.
_MOST: Final = 2000
#: The file ahead of the transactions is emptied at most this often, in seconds.
_AHEAD_EMPTIED: Final = 1.0
#: Where the disk takes longer for a line than this, transactions are waited for instead for a while, in seconds.
_AHEAD_SLOW: Final = 0.05
_AHEAD_REST: Final = 5.0
#: With more than this in the file, transactions are waited for until it can be emptied, in bytes.
_AHEAD_MOST: Final = 1024 * 1024
#: Ended calls kept in memory while the database is away.
_MOST_ENDED: Final = 5000
#: Facts held in memory when neither database nor spool takes them.
_MOST_UNSAVED: Final = 100_000


class Journal:
    """Stores facts and folds them into calls. Start it with `run()` in a task of its own."""

    def __init__(
        self,
        database: Database,
        *,
        system: str,
        number_of: NumberOf,
        spool_folder: Path,
        identify: Identify | None = None,
        linger_seconds: float = 0.05,
        pace_seconds: float = 0.02,
        patience_seconds: float = 1.0,
        retry_seconds: float = 1.0,
        grace_seconds: float = 30.0,
        most_spool_bytes: int = 256 * 1024 * 1024,
    ) -> None:
        """`linger_seconds`: how long facts nobody waits for are collected. `pace_seconds`: least time between
        two transactions, so that a busy hour shares them, up to five times that in a very busy one (`pace_at`);
        the first after a rest goes at once.
        `patience_seconds`: how long a transaction may take before facts go to the spool meanwhile.
        """
        self.database = database
        self.system = system
        self.tracker = Tracker(system, number_of, grace_seconds=grace_seconds)
        self.identify = identify
        self.linger_seconds = linger_seconds
        self.pace_seconds = pace_seconds
        self._began_at = 0.0
        #: What a second was waited for or let go ahead of its transaction, as of late (`pace_at`).
        self._rate = 0.0
        self.patience_seconds = patience_seconds
        self.retry_seconds = retry_seconds
        self._spool = Spool(spool_folder, most_bytes=most_spool_bytes)
        self._folder = spool_folder
        self._ahead = Ahead(spool_folder)
        #: Facts to be put ahead of their transaction at the end of this round of the event loop, and who waits.
        self._securing: list[_Waiting] = []
        self._ahead_rests_until = 0.0
        self._emptied_at = 0.0
        self._reactions: list[Reaction] = []
        self._watchers: list[Watcher] = []
        self._foresights: list[Foresight] = []
        #: Epoch seconds since when every fact of the switch has come through this journal.
        self._since = time.time() + _CLOCKS_APART
        self._pending: deque[_Waiting] = deque()
        self._wake = asyncio.Event()
        self._urgent = asyncio.Event()
        self._stopping = False
        self._unsaved: deque[Fact] = deque(maxlen=_MOST_UNSAVED)
        self._spool_full = False
        self._delayed = self._spool.size > 0
        self._live: dict[CallId, Call] = {}
        self._linked: dict[str, CallId] = {}
        self._counts = _Counts()
        self._forgot_at = 0.0

    # What others call

    def react(self, reaction: Reaction) -> None:
        """Add a reaction. Only before `run`."""
        self._reactions.append(reaction)

    def watch(self, watcher: Watcher) -> None:
        """Be told of changes after they are stored. Page updates only: they may be lost."""
        self._watchers.append(watcher)

    def foresee(self, foresight: Foresight) -> None:
        """Read about new callers in the transaction that stores their arrival: one trip less for each call."""
        self._foresights.append(foresight)

    async def record(self, *facts: Fact) -> None:
        """Make facts durable: in the database, or flushed to the spool, when this returns.

        Raises StorageUnavailable where neither takes them; they are kept in memory then and tried again.
        """
        if not facts:
            return
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._pending.append(_Waiting(facts, done))
        self._urgent.set()
        self._wake.set()
        await done

    async def secure(self, *facts: Fact) -> None:
        """Make facts outlive this process at once, in a file ahead of their transaction; they reach the call's
        row and the disk with the next transaction (`linger_seconds`, `pace_at`), or at the next start.

        For what the switch must not hear before it is safe, but nobody has to read at once. Raises as `record`.
        """
        if not facts:
            return
        full = self._ahead.size > _AHEAD_MOST
        if self._delayed or full or time.monotonic() < self._ahead_rests_until:
            await self.record(*facts)
            return
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()
        if not self._securing:
            loop.call_soon(self._secure_all)
        self._securing.append(_Waiting(facts, done, ahead=True))
        await done

    def record_soon(self, *facts: Fact) -> None:
        """Take facts that nobody waits for; they are stored within a moment."""
        if facts:
            self._pending.append(_Waiting(facts))
            self._wake.set()

    async def record_imported(self, facts: Sequence[Fact], also: Also) -> None:
        """Store facts read from a file, and `also`, in one transaction. Never spooled: the file stays.

        Raises StorageUnavailable; nothing was stored then.
        """
        if self._delayed:
            raise StorageUnavailable("Saving is delayed; the file is read again later.")
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._pending.append(_Waiting(facts, done, also))
        self._urgent.set()
        self._wake.set()
        await done

    def live(self, call_id: str) -> Call | None:
        """A call that is going on, or ended a moment ago."""
        return self._live.get(CallId(call_id))

    def live_calls(self) -> list[Call]:
        """The calls that are going on, the oldest first."""
        going = [call for call in self._live.values() if call.state is not CallState.ENDED]
        return sorted(going, key=lambda call: (call.started_at, call.id))

    def live_of(self, linkedid: str) -> Call | None:
        """The call of a linkedid that is going on, or ended a moment ago."""
        known = self._linked.get(linkedid)
        return None if known is None else self._live.get(known)

    async def open_outbound(self, call: str, number: str, by: str, now: datetime) -> None:
        """Commit the row of an outbound call before anything is dialed; its id is the ChannelId to dial with.

        Never spooled: where the row cannot be committed nothing may be dialed. Raises StorageUnavailable.
        """
        opened = Fact(
            source=Source.SERVICE,
            key=f"outbound:{call}",
            kind=FactKind.LEG_STARTED,
            at=now,
            linkedid=call,
            uniqueid=call,
            data={"direction": "outbound", "called": number, "agent": by},
        )
        await self.record_imported([opened], lambda _connection: None)
        if self.live(call) is None:
            raise StorageUnavailable("The call log refused the call; nothing was dialed.")

    async def adopt(self, call_ids: Iterable[str]) -> None:
        """Take stored calls back into memory (after a restart)."""
        wanted = [id for id in call_ids if CallId(id) not in self._live]
        if not wanted:
            return
        loaded: list[Call] = []

        def load(connection: Connection) -> None:
            self._load(connection, wanted)
            for id in wanted:
                folding = self.tracker.get(CallId(id))
                if folding is not None:
                    loaded.append(folding.call(self.tracker.number_of))

        await self.record_imported([], load)
        for call in loaded:
            self._show(call)

    @property
    def saving_delayed(self) -> bool:
        """The database does not take facts; they wait on disk and the desk says so."""
        return self._delayed

    def state(self) -> JournalState:
        """How the journal is."""
        return JournalState(
            saving_delayed=self._delayed,
            spool_full=self._spool_full,
            spooled_bytes=self._spool.size,
            unsaved=len(self._unsaved),
            tracked=len(self.tracker),
            stored=self._counts.stored,
            batches=self._counts.batches,
            failed_reactions=self._counts.failed_reactions,
            refused=self._counts.refused,
        )

    async def run(self) -> None:
        """The writer. Ends after `stop`, when everything taken is in the database or on the spool."""
        self._recover()
        while True:
            if self._delayed:
                if await self._delayed_round():
                    return
                continue
            if not self._pending:
                if self._stopping and not self._securing:
                    self._all_stored()
                    self._ahead.close()
                    return
                self._wake.clear()
                self._forget()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._wake.wait(), 5.0)
                if not self._pending:
                    continue
            if not self._urgent.is_set() and not self._stopping and self.linger_seconds > 0:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._urgent.wait(), self.linger_seconds)
            rest = self._began_at + pace_at(self._rate, self.pace_seconds) - time.monotonic()
            if rest > 0 and not self._stopping:
                await asyncio.sleep(rest)
            self._urgent.clear()
            batch = self._collect()
            now = time.monotonic()
            waiting = sum(1 for one in batch if one.done is not None)
            self._rate += 0.1 * (waiting / max(now - self._began_at, 0.01) - self._rate)
            self._began_at = now
            await self._write(batch)
            if self._ahead.size:
                self._all_stored()

    def stop(self) -> None:
        """Let `run` finish what it has and end."""
        self._stopping = True
        self._urgent.set()
        self._wake.set()

    # Ahead of the transactions

    def _recover(self) -> None:
        """What a crash left ahead of its transaction is stored first."""
        try:
            left = self._ahead.left()
        except OSError as error:
            log.error(
                "the file ahead cannot be read; it is kept for the next start",
                extra={"action": "journal-ahead", "file": str(self._ahead.path), "why": str(error)},
            )
            return
        for start in reversed(range(0, len(left), _MOST)):
            self._pending.appendleft(_Waiting(left[start : start + _MOST], ahead=True))
        if self._ahead.bad:
            self._keep_lines(
                "refused", [line.decode("utf-8", "replace") for line in self._ahead.bad], "no facts"
            )

    def _secure_all(self) -> None:
        """One write for all who asked in this round of the loop."""
        securing, self._securing = self._securing, []
        began = time.monotonic()
        try:
            self._ahead.append(fact for waiting in securing for fact in waiting.facts)
        except (OSError, TypeError, ValueError) as error:
            log.warning("the file ahead takes nothing", extra={"action": "journal-ahead", "why": str(error)})
            self._ahead_rests_until = began + _AHEAD_REST
            self._pending.extend(securing)
            self._urgent.set()
        else:
            if time.monotonic() - began > _AHEAD_SLOW:
                self._ahead_rests_until = began + _AHEAD_REST
            _release(securing)
            self._pending.extend(securing)
        self._wake.set()

    def _all_stored(self) -> None:
        """Empty the file ahead, now and then, where nothing of it is still to be stored."""
        now = time.monotonic()
        if now - self._emptied_at < _AHEAD_EMPTIED and not self._stopping:
            return
        if self._delayed or self._unsaved or any(waiting.ahead for waiting in self._pending):
            return
        self._ahead.clear()
        self._emptied_at = now

    # One transaction

    def _collect(self) -> list[_Waiting]:
        batch: list[_Waiting] = []
        count = 0
        while self._pending and count < _MOST:
            waiting = self._pending.popleft()
            batch.append(waiting)
            count += len(waiting.facts)
        if self._pending:
            self._urgent.set()
        return batch

    async def _write(self, batch: Sequence[_Waiting]) -> None:
        facts = [fact for waiting in batch for fact in waiting.facts]
        also = [waiting.also for waiting in batch if waiting.also is not None]
        work = self._begin(facts, also)
        done, _ = await asyncio.wait((work,), timeout=self.patience_seconds)
        if not done:
            await self._meanwhile(batch, work)
            return
        result = _outcome(work)
        if isinstance(result, StorageUnavailable):
            log.warning("saving is delayed", extra={"action": "journal-delayed", "why": str(result)[:200]})
            self._delayed = True
            self._spool_batch(batch)
            self._apply(facts)
        elif isinstance(result, Exception):
            await self._one_by_one(batch, result)
        else:
            self._stored(result)
            _release(batch)

    def _begin(
        self, facts: Sequence[Fact], also: Sequence[Also], *, react: bool = True
    ) -> asyncio.Future[_Result]:
        """Start one transaction; `_outcome` tells what came of it."""
        return self.database.start_write(
            lambda connection: self._transact(connection, facts, also, react=react)
        )

    async def _attempt(
        self, facts: Sequence[Fact], also: Sequence[Also], *, react: bool = True
    ) -> _Result | Exception:
        """One transaction; what stopped it is given back, not raised.

        Reactions are other people's code: whatever one of them raises must not end the only writer of the
        call log. The caller then stores the calls one by one and without reactions where these fail.
        """
        work = self._begin(facts, also, react=react)
        await asyncio.wait((work,))
        return _outcome(work)

    async def _meanwhile(self, batch: Sequence[_Waiting], work: asyncio.Future[_Result]) -> None:
        """The transaction takes too long: spool its facts and all that come until it is over."""
        self._delayed = True
        self._spool_batch(batch)
        held = [fact for waiting in batch for fact in waiting.facts]
        held.extend(await self._spool_until(work))
        result = _outcome(work)
        if isinstance(result, _Result):
            self._stored(result)
        else:
            log.warning("saving is delayed", extra={"action": "journal-delayed", "why": str(result)[:200]})
        self._apply(held)

    async def _one_by_one(self, batch: Sequence[_Waiting], why: Exception) -> None:
        """Find the call that stopped a batch; all others are stored, and that one too if it can be."""
        log.error(
            "a batch was refused; its calls are tried one by one",
            extra={"action": "journal-refused", "why": repr(why)[:500]},
        )
        memory_only: StorageUnavailable | None = None
        groups: dict[str, list[Fact]] = {}
        for waiting in batch:
            for fact in waiting.facts:
                groups.setdefault(fact.linkedid, []).append(fact)
        for facts in groups.values():
            result = await self._attempt(facts, [])
            if isinstance(result, Exception) and not isinstance(result, StorageUnavailable):
                self._put_aside("reactions", facts, result)
                self._counts.failed_reactions += 1
                result = await self._attempt(facts, [], react=False)
            if isinstance(result, _Result):
                self._stored(result)
            elif isinstance(result, StorageUnavailable):
                self._delayed = True
                self._spool_batch([_Waiting(facts)])
                if self._spool_full:
                    memory_only = StorageUnavailable("The database is away and the spool is full.")
            else:
                self._refuse(facts, result)
        also = [waiting.also for waiting in batch if waiting.also is not None]
        failed = await self._attempt([], also) if also else None
        if isinstance(failed, StorageUnavailable):
            self._delayed = True
        if isinstance(failed, Exception):
            _release([each for each in batch if each.also is not None], StorageUnavailable(str(failed)))
        _release(batch, memory_only)

    def _refuse(self, facts: Sequence[Fact], why: Exception) -> None:
        """Facts no database takes: a person must look at them."""
        self._counts.refused += len(facts)
        self._put_aside("refused", facts, why)
        for fact in facts:
            folding = self.tracker.find(fact.uniqueid)
            if folding is not None:
                folding.unstored.pop((fact.source, fact.key), None)

    def _put_aside(self, name: str, facts: Sequence[Fact], why: Exception) -> None:
        self._keep_lines(name, [line_of(fact) for fact in facts], repr(why))

    def _keep_lines(self, name: str, lines: Sequence[str], why: str) -> None:
        path = self._folder / f"{name}.jsonl"
        log.error(
            "facts were put aside: read the file, mend the cause, and record them again",
            extra={"action": "journal-refused", "file": str(path), "why": why[:500]},
        )
        try:
            with alone_with(path) as file:
                file.writelines(line + "\n" for line in lines)
        except OSError as error:
            # The log is the last place left for them.
            for line in lines:
                log.critical(
                    "a fact could not be put aside",
                    extra={"action": "journal-lost", "why": str(error)[:200], "fact": line[:2000]},
                )

    def _transact(
        self, connection: Connection, facts: Sequence[Fact], also: Sequence[Also], *, react: bool = True
    ) -> _Result:
        """In the writer's thread: one transaction."""
        now = time.monotonic()
        self._load_homes(connection, facts)
        touched = self.tracker.take(facts, now)
        if touched:
            touched = self._identified(connection, touched, now)
        changes = [self.tracker.change(folding) for folding in touched]
        if changes:
            store.add_facts(
                connection, [(change.after.id, fact) for change in changes for fact in change.facts]
            )
            store.save(connection, ((change.before, change.after) for change in changes))
            legs = [
                (uniqueid, change.after.id)
                for change in changes
                for uniqueid in self.tracker.new_legs(change.after.id)
            ]
            store.add_legs(connection, self.system, legs)
            if react:
                for change in changes:
                    for reaction in self._reactions:
                        reaction(connection, change.before, change.after, change.facts)
                if self._foresights:
                    self._look_ahead(connection, changes)
        for work in also:
            work(connection)
        return _Result(changes)

    def _look_ahead(self, connection: Connection, changes: Sequence[CallChange]) -> None:
        numbers = [
            change.after.number
            for change in changes
            if change.before is None and change.after.number is not None and change.after.ended_at is None
        ]
        if numbers:
            for foresight in self._foresights:
                foresight(connection, numbers)

    def _load_homes(self, connection: Connection, facts: Sequence[Fact]) -> None:
        """Bring calls back that these facts belong to and that are not in memory."""
        latest = time.time() - self.tracker.grace_seconds / 2
        unknown = {
            name
            for fact in facts
            if not self.tracker.knows(fact) and not self._is_new(fact, latest)
            for name in (fact.uniqueid, fact.linkedid)
        }
        unknown.update(self.tracker.unchecked())
        if not unknown:
            return
        found = store.homes(connection, self.system, unknown)
        if found:
            self._load(connection, set(found.values()))
        self.tracker.checked()

    def _is_new(self, fact: Fact, latest: float) -> bool:
        """Whether a caller's own arrival is told for the first time, so that no row of it can be stored.

        The menus tell of it once (the dialplan's signature is good once), under an id that holds when it was
        born: after this journal began, and too late for the tracker to have forgotten it again.
        """
        if fact.kind is not FactKind.IVR_STARTED or fact.uniqueid != fact.linkedid:
            return False
        born = fact.linkedid.rpartition("-")[2].partition(".")[0]
        return born.isdecimal() and len(born) == 10 and int(born) > max(self._since, latest)

    def _load(self, connection: Connection, call_ids: Iterable[str]) -> None:
        rows = store.by_ids(connection, call_ids)
        facts = store.facts_of_all(connection, rows)
        legs = store.legs_of(connection, self.system, rows)
        now = time.monotonic()
        for id, row in rows.items():
            self.tracker.load(row, facts.get(id, ()), legs.get(id, ()), now)

    def _identified(self, connection: Connection, touched: list[Folding], now: float) -> list[Folding]:
        """Every call that is over is tied to a customer or says why not."""
        told: list[Fact] = []
        for folding in touched:
            call = folding.call(self.tracker.number_of)
            if call.ended_at is None or call.customer_id is not None or call.explained is not None:
                continue
            customer: str | None = None
            why = why_unknown(call)
            if not why and call.number is not None:
                if self.identify is None:
                    continue
                customer, why = self.identify(connection, call.number)
            data = (
                {"customer_id": customer, "how": "number"}
                if customer
                else {"customer_id": None, "explained": why}
            )
            told.append(
                Fact(
                    source=Source.SERVICE,
                    key=f"{OWN}identified:{call.id}",
                    kind=FactKind.IDENTIFIED,
                    at=call.ended_at,
                    linkedid=call.linkedid,
                    uniqueid=call.linkedid,
                    data=data,
                )
            )
        self.tracker.take(told, now)
        return touched

    # Around it

    def _stored(self, result: _Result) -> None:
        self.tracker.keep(result.changes)
        self._counts.batches += 1
        self._counts.stored += sum(len(change.facts) for change in result.changes)
        for change in result.changes:
            self._show(change.after)
        self._tell(result.changes)
        self._forget()

    def _show(self, call: Call) -> None:
        self._live[call.id] = call
        self._linked[call.linkedid] = call.id

    def _tell(self, changes: Sequence[CallChange]) -> None:
        if not changes:
            return
        for watcher in self._watchers:
            try:
                watcher(changes)
            except Exception:
                # Pages only: what goes wrong there must not end the one writer of the call log.
                log.exception("a watcher failed", extra={"action": "journal-watcher"})

    def _forget(self) -> None:
        now = time.monotonic()
        if now - self._forgot_at < 1.0:
            return
        self._forgot_at = now
        self.tracker.forget(now, most=_MOST_ENDED if self._delayed else None)
        gone = [id for id in self._live if self.tracker.get(id) is None]
        for id in gone:
            call = self._live.pop(id)
            self._linked.pop(call.linkedid, None)

    def _apply(self, facts: Sequence[Fact]) -> None:
        """Keep the live picture going while nothing can be stored."""
        changes = [
            self.tracker.change(folding)
            for folding in self.tracker.take(facts, time.monotonic(), checked=False)
        ]
        for change in changes:
            self._show(change.after)
        self._tell(changes)
        self._forget()

    # While the database is away

    def _spool_batch(self, batch: Sequence[_Waiting]) -> None:
        """Put facts on disk and let go who waits for them."""
        importing = [waiting for waiting in batch if waiting.also is not None]
        _release(importing, StorageUnavailable("Saving is delayed; the file is read again later."))
        plain = [waiting for waiting in batch if waiting.also is None]
        facts = [*self._unsaved, *(fact for waiting in plain for fact in waiting.facts)]
        if not facts:
            return
        try:
            self._spool.append(facts)
        except SpoolFull as error:
            if not self._spool_full:
                log.error("facts are in memory only", extra={"action": "spool-full", "why": str(error)})
            self._spool_full = True
            self._unsaved.extend(fact for waiting in plain for fact in waiting.facts)
            _release(plain, StorageUnavailable(str(error)))
        else:
            self._spool_full = False
            self._unsaved.clear()
            _release(plain)

    async def _delayed_round(self) -> bool:
        """One try to come back. True when stopping and nothing more can be done."""
        if self._pending:
            batch = self._collect()
            self._spool_batch(batch)
            self._apply([fact for waiting in batch for fact in waiting.facts])
        if await self._drain_some():
            if self._spool.size == 0 and not self._unsaved:
                self._delayed = False
                log.info("saving is no longer delayed", extra={"action": "journal-caught-up"})
            return False
        if self._stopping and not self._pending and not self._securing:
            self._ahead.close()
            return True
        self._wake.clear()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._until_pending(), self.retry_seconds)
        return False

    async def _spool_until(self, work: asyncio.Future[_Result]) -> list[Fact]:
        """Until a transaction is over, spool what comes; gives what came."""
        held: list[Fact] = []
        while not work.done():
            woken = asyncio.ensure_future(self._until_pending())
            both: tuple[asyncio.Future[object], ...] = (work, woken)  # type: ignore[assignment]
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            woken.cancel()
            if self._pending and not work.done():
                later = self._collect()
                self._spool_batch(later)
                held.extend(fact for waiting in later for fact in waiting.facts)
            elif self._stopping:
                await asyncio.wait((work,))
        return held

    async def _until_pending(self) -> None:
        while not self._pending and not self._stopping:
            self._wake.clear()
            await self._wake.wait()

    async def _drain_some(self) -> bool:
        """Store the next facts of the spool, or those only memory holds. False where it did not work."""
        try:
            facts, used = self._spool.peek(_DRAIN)
        except OSError as error:  # no descriptor left, or the disk; the facts stay where they are
            log.warning(
                "the spool cannot be read now", extra={"action": "journal-spool", "why": str(error)[:200]}
            )
            return False
        unsaved = list(self._unsaved)[:_DRAIN] if not used else []
        work = self._begin([*facts, *unsaved], [])
        held = await self._spool_until(work)
        result = _outcome(work)
        if isinstance(result, _Result):
            self._stored(result)
        elif not isinstance(result, StorageUnavailable):
            await self._one_by_one([_Waiting([*facts, *unsaved])], result)
        if held:
            self._apply(held)
        if isinstance(result, StorageUnavailable):
            return False
        self._spool.take(used)
        for fact in unsaved:
            if self._unsaved and self._unsaved[0] is fact:  # else the spool took it in the meantime
                self._unsaved.popleft()
        return True


def pace_at(rate: float, least: float) -> float:
    """Seconds between two transactions when `rate` facts a second are waited for (two a call).

    A transaction after a pause finds cold caches and costs as much as several more calls inside a shared one. At
    twenty calls a second it is twice the least, at eighty five times and no longer: on average 40 ms more before a
    greeting, and nothing for a key (`Journal.secure`).
    """
    return least * (1 + min(4.0, rate / 40))


def _outcome(work: asyncio.Future[_Result]) -> _Result | Exception:
    """What came of a transaction that is over, or what stopped it."""
    failure = work.exception()
    if failure is None:
        return work.result()
    if isinstance(failure, Exception):
        return failure
    raise failure


def _release(batch: Iterable[_Waiting], error: StorageUnavailable | None = None) -> None:
    for waiting in batch:
        if waiting.done is not None and not waiting.done.done():
            if error is None:
                waiting.done.set_result(None)
            else:
                waiting.done.set_exception(error)
