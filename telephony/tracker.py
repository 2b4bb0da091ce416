"""Folds facts into calls: what comes out depends on which facts there are, never on the order they came in.

A call's facts are kept apart by leg and by moment; the row is worked out from all of them each time. So a
late fact, a repeated one, or the same event told by three sources can change nothing wrong
(docs/call-log.md, docs/decisions/0010-calls-are-folded-from-all-facts.md).
"""

from __future__ import annotations

import hashlib
from bisect import insort
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

from access.ids import letters, stamp
from telephony.calls import Call, CallId, CallState, Direction, Outcome
from telephony.facts import Fact, FactKind, Source

#: Reads a number as the trunk delivered it; None where it is none.
NumberOf = Callable[[str], str | None]

#: Where a call goes when something happens; what is not listed changes nothing. A call only moves forward,
#: except between talking and held, and when a blind transfer offers the customer to somebody else.
#: Ending is not here: a call ends when the customer's leg does (`Folding.call`).
STEPS: Final[Mapping[tuple[CallState, FactKind], CallState]] = {
    (CallState.OFFERED, FactKind.IVR_STARTED): CallState.IN_IVR,
    (CallState.OFFERED, FactKind.QUEUED): CallState.QUEUED,
    (CallState.OFFERED, FactKind.RINGING): CallState.RINGING,
    (CallState.OFFERED, FactKind.CONNECTED): CallState.TALKING,
    (CallState.IN_IVR, FactKind.QUEUED): CallState.QUEUED,
    (CallState.IN_IVR, FactKind.RINGING): CallState.RINGING,
    (CallState.IN_IVR, FactKind.CONNECTED): CallState.TALKING,
    (CallState.QUEUED, FactKind.RINGING): CallState.RINGING,
    (CallState.QUEUED, FactKind.CONNECTED): CallState.TALKING,
    (CallState.RINGING, FactKind.CONNECTED): CallState.TALKING,
    (CallState.TALKING, FactKind.HELD): CallState.HELD,
    (CallState.HELD, FactKind.RESUMED): CallState.TALKING,
    (CallState.TALKING, FactKind.TRANSFERRED): CallState.OFFERED,
    (CallState.HELD, FactKind.TRANSFERRED): CallState.OFFERED,
}

#: Q.850 causes of an outbound call nobody answered (ITU-T Q.850, table 1).
_NO_ANSWER: Final = frozenset({0, 16, 18, 19, 20, 26, 31, 102, 127})
_BUSY: Final = 17
_REJECTED: Final = 21

#: Which source is believed first where two tell the same. queue_log knows whole seconds only, and CDR has
#: one end for several legs.
_TRUST: Final[Mapping[Source, int]] = {
    Source.CEL: 0,
    Source.AMI: 1,
    Source.AGI: 2,
    Source.SERVICE: 3,
    Source.QUEUE_LOG: 4,
    Source.CDR: 5,
}
_FILES: Final = frozenset({Source.CEL, Source.CDR, Source.QUEUE_LOG})

#: Facts of one moment are taken in the order of the kinds as they are listed.
_RANK: Final[Mapping[FactKind, int]] = {kind: rank for rank, kind in enumerate(FactKind)}
_LEG_KINDS: Final = frozenset({FactKind.LEG_STARTED, FactKind.LEG_ANSWERED, FactKind.LEG_ENDED})

#: A queue_log line means a moment within its second; the same event told finely lies in this window.
_SAME_SECOND: Final = (timedelta(milliseconds=-50), timedelta(milliseconds=1500))
_FINER: Final[Mapping[FactKind, tuple[FactKind, ...]]] = {
    FactKind.QUEUED: (FactKind.QUEUED,),
    FactKind.QUEUE_LEFT: (FactKind.QUEUE_LEFT,),
    FactKind.RINGING: (FactKind.RINGING,),
    FactKind.RING_MISSED: (FactKind.RING_MISSED,),
    FactKind.CONNECTED: (FactKind.CONNECTED, FactKind.BRIDGE_ENTERED),
    FactKind.DISCONNECTED: (FactKind.DISCONNECTED, FactKind.BRIDGE_LEFT),
    FactKind.TRANSFERRED: (FactKind.TRANSFERRED,),
}
#: Two transfers of one kind closer than this are one transfer told twice.
_SAME_TRANSFER: Final = timedelta(seconds=2)

_SECOND: Final = timedelta(seconds=1)
_HALF: Final = timedelta(milliseconds=500)
_TICK: Final = timedelta(microseconds=1)

_LETTERS: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_LONGEST_RAW: Final = 64
_HIDDEN: Final = frozenset({"", "anonymous", "unavailable", "unknown", "private", "restricted", "withheld"})


def call_id(system: str, linkedid: str, now: datetime) -> CallId:
    """The id of a call, worked out from the switch's: whoever sees the call first gives it the same id.

    A linkedid we chose ourselves (a ULID) is the id. Else the time is the linkedid's own epoch second and
    the rest a digest of it; `now` serves only where the linkedid holds no time. `system` counts only where
    the linkedid does not name its switch itself (`careline-1795302192.11` does).
    """
    if len(linkedid) == 26 and all(letter in _LETTERS for letter in linkedid):
        return CallId(linkedid)
    seconds = linkedid.rpartition("-")[2].partition(".")[0]
    at = now
    if seconds.isdecimal() and len(seconds) <= 11:
        at = datetime.fromtimestamp(int(seconds), UTC)
    named = linkedid if "-" in linkedid else f"{system}-{linkedid}"
    value = int.from_bytes(hashlib.sha256(named.encode()).digest()[:10], "big")
    return CallId(stamp(at) + letters(value, 8)[::-1])


def _age(id: CallId, linkedid: str) -> tuple[str, int, str]:
    """What orders calls by when they began: the time in the id, then the switch's own counter."""
    counter = linkedid.rpartition(".")[2]
    return id[:10], int(counter) if counter.isdecimal() and len(counter) < 20 else 0, id


@dataclass(frozen=True, kw_only=True, slots=True)
class CallChange:
    """What some new facts made of a call."""

    #: As it is stored; None where there was no row.
    before: Call | None
    after: Call
    #: The facts that are new, in the order they were told.
    facts: Sequence[Fact]


@dataclass(slots=True)
class _Leg:
    """One channel, as all its facts together tell it."""

    uniqueid: str
    #: Facts per kind, the most trusted first: (trust, at, key, fact).
    started: list[tuple[int, datetime, str, Fact]] = field(default_factory=list)
    answered: list[tuple[int, datetime, str, Fact]] = field(default_factory=list)
    ended: list[tuple[int, datetime, str, Fact]] = field(default_factory=list)

    def add(self, fact: Fact) -> None:
        entry = (_TRUST[fact.source], fact.at, fact.key, fact)
        if fact.source is Source.CDR:
            # One CDR row tells of a beginning and an answer too.
            trust, _, key, _ = entry
            for name, entries in (("started", self.started), ("answered", self.answered)):
                seconds = fact.data.get(name)
                if isinstance(seconds, int | float):
                    insort(entries, (trust, datetime.fromtimestamp(seconds, UTC), key, fact))
            if fact.kind is FactKind.LEG_STARTED:
                return
        if fact.kind is FactKind.LEG_STARTED:
            insort(self.started, entry)
        elif fact.kind is FactKind.LEG_ANSWERED:
            insort(self.answered, entry)
        else:
            insort(self.ended, entry)

    def text(self, name: str, *, but: Source | None = None) -> str:
        """The first value anybody told for a field, or nothing; `but` one source."""
        for kind in (self.started, self.answered, self.ended):
            for _, _, _, fact in kind:
                if fact.source is not but and (value := fact.data.get(name)):
                    return str(value)
        return ""

    @property
    def trunk(self) -> bool:
        return any(fact.data.get("trunk") is True for _, _, _, fact in self.started)

    @property
    def started_at(self) -> datetime | None:
        return self.started[0][1] if self.started else None

    @property
    def answered_at(self) -> datetime | None:
        return self.answered[0][1] if self.answered else None

    @property
    def ended_at(self) -> datetime | None:
        """The last end that the most trusted source tells."""
        if not self.ended:
            return None
        trust = self.ended[0][0]
        return max(at for rank, at, _, _ in self.ended if rank == trust)

    @property
    def cause(self) -> int | None:
        for _, _, _, fact in self.ended:
            cause = fact.data.get("cause")
            if isinstance(cause, int) and not isinstance(cause, bool):
                return cause
        return None


Span = tuple[datetime, datetime]


def _seconds(spans: Iterable[Span]) -> float:
    """Time covered by some spans, each moment once; a span that ends before it begins counts nothing."""
    total = 0.0
    until: datetime | None = None
    for start, end in sorted(spans):
        first = start if until is None else max(start, until)
        if end > first:
            total += (end - first).total_seconds()
            until = end
    return total


def _without(spans: Iterable[Span], cuts: Sequence[Span]) -> list[Span]:
    """The parts of some spans that no cut covers."""
    left: list[Span] = []
    for start, end in spans:
        begin = start
        for cut_start, cut_end in sorted(cuts):
            if cut_end <= begin or cut_start >= end:
                continue
            if cut_start > begin:
                left.append((begin, cut_start))
            begin = max(begin, cut_end)
        if begin < end:
            left.append((begin, end))
    return left


class Folding:
    """One call's facts, and the row they make. Adding is cheap; `call` works the row out."""

    __slots__ = (
        "_call",
        "_coarse",
        "_facts",
        "_in_order",
        "_latest",
        "_legs",
        "_live",
        "id",
        "legs_stored",
        "linkedid",
        "seen",
        "stored",
        "system",
        "touched_at",
        "unstored",
    )

    def __init__(self, id: CallId, system: str, linkedid: str) -> None:
        self.id = id
        self.system = system
        self.linkedid = linkedid
        #: Natural keys of all facts of this call.
        self.seen: set[tuple[Source, str]] = set()
        #: The row as it is stored.
        self.stored: Call | None = None
        #: Facts that no transaction holds yet.
        self.unstored: dict[tuple[Source, str], Fact] = {}
        #: How many of its channels are stored, in the order they were named.
        self.legs_stored = 0
        #: Monotonic seconds of the last fact.
        self.touched_at = 0.0
        self._legs: dict[str, _Leg] = {}
        self._facts: list[tuple[datetime, Fact]] = []
        #: Facts that know whole seconds only.
        self._coarse: list[Fact] = []
        self._latest: tuple[datetime, int, int, str] | None = None
        self._in_order = True
        #: Somebody saw it as it happened.
        self._live = False
        self._call: Call | None = None

    def add(self, fact: Fact) -> bool:
        """Take a fact in. False where it is known already."""
        name = (fact.source, fact.key)
        if name in self.seen:
            return False
        self.seen.add(name)
        self._call = None
        if not self._live and fact.source not in _FILES and not _from_journal(fact):
            self._live = True
        if fact.kind in _LEG_KINDS:
            leg = self._legs.get(fact.uniqueid)
            if leg is None:
                leg = self._legs[fact.uniqueid] = _Leg(fact.uniqueid)
            leg.add(fact)
        elif fact.source is Source.QUEUE_LOG:
            self._coarse.append(fact)
        else:
            entry = (fact.at, fact)
            order = _order(entry)
            if self._latest is not None and order < self._latest:
                self._in_order = False
            self._latest = order
            self._facts.append(entry)
        return True

    def call(self, number_of: NumberOf) -> Call:
        """The row all facts together make. At least one fact must have been added."""
        if self._call is None:
            row = _Row(self, self._legs, self._ordered(), number_of)
            self._call = row.call(live=self._live)
        return self._call

    def _ordered(self) -> list[tuple[datetime, Fact]]:
        """All facts but the legs' own, by moment; coarse ones moved to the moment a finer source tells."""
        if not self._in_order:
            self._facts.sort(key=_order)
            self._latest = _order(self._facts[-1])
            self._in_order = True
        if not self._coarse:
            return self._facts
        entries = list(self._facts)
        least: datetime | None = None
        for fact in sorted(self._coarse, key=lambda fact: (fact.at, _RANK[fact.kind], fact.key)):
            at = _told_finely(fact, self._facts)
            if at is None:
                at = fact.at + _HALF
                if least is not None and least > at:
                    at = min(least, fact.at + _SECOND - _TICK)
            least = at
            entries.append((at, fact))
        entries.sort(key=_order)
        return entries


def _order(entry: tuple[datetime, Fact]) -> tuple[datetime, int, int, str]:
    at, fact = entry
    return at, _RANK[fact.kind], _TRUST[fact.source], fact.key


def _told_finely(fact: Fact, fine: Sequence[tuple[datetime, Fact]]) -> datetime | None:
    """When a finer source says that this happened, or None."""
    first, last = fact.at + _SAME_SECOND[0], fact.at + _SAME_SECOND[1]
    for kind in _FINER.get(fact.kind, ()):
        times = [at for at, other in fine if other.kind is kind and first <= at <= last]
        if times:
            # Two enter a bridge, and talk begins with the second.
            return times[-1] if kind is FactKind.BRIDGE_ENTERED else times[0]
    return None


class _Row:
    """Works one row out of all facts of a call. Used once."""

    def __init__(
        self,
        folding: Folding,
        legs: Mapping[str, _Leg],
        facts: Sequence[tuple[datetime, Fact]],
        number_of: NumberOf,
    ) -> None:
        self.folding = folding
        self.legs = legs
        self.facts = facts
        self.number_of = number_of
        self.state = CallState.OFFERED
        self.last: dict[FactKind, tuple[datetime, Fact]] = {}
        self.first: dict[FactKind, tuple[datetime, Fact]] = {}
        self.kinds: set[FactKind] = set()
        self.keys: list[str] = []
        self.transfers: list[tuple[datetime, str, str, int]] = []
        self.queue = ""
        self.priority = 0
        self.agent = ""
        self.bridged_agent = ""
        self.waits: list[Span] = []
        self.waiting: datetime | None = None
        self.talks: list[Span] = []
        self.talking: datetime | None = None
        self.partner = ("", "")
        self.holds: list[Span] = []
        self.held: datetime | None = None
        self.told_talk = 0.0
        self.customer_id: str | None = None
        self.explained: str | None = None
        self.recording: str | None = None
        self.rating: int | None = None

    def call(self, *, live: bool) -> Call:
        leg = self._customer_leg()
        for at, fact in self.facts:
            self._step(at, fact)
        leg_end = None if leg is None else leg.ended_at
        end, proved, interrupted = self._end(leg, leg_end)
        direction = self._direction(leg)
        last_moment = max([at for at, _ in self.facts] + [at for at in (end,) if at], default=None)
        close = end or last_moment
        bridged, still_bridged = self._bridged(leg, close)
        if close is not None:
            self._close(close, ended=end is not None)
        talks = self.talks
        if bridged and (proved or not talks):
            talks = bridged
        met = still_bridged is not None or (bool(bridged) and not self.transfers)
        if end is None and met and self.talking is None and self.state in _BEFORE_TALK:
            self.state = CallState.TALKING
        connected_at = min((start for start, _ in talks), default=self.talking)
        if connected_at is None and still_bridged and end is None:
            connected_at = still_bridged
        counted = talks if end is not None else self.talks if self.talks else bridged
        talk = _seconds(_without(counted, self.holds))
        if talk == 0 and connected_at is not None and end is not None and not self.holds:
            talk = self.told_talk
        started_at = self._started_at(leg)
        outcome = None
        if end is not None:
            end = max(end, started_at)
            outcome = self._outcome(leg, direction, connected_at, interrupted=interrupted)
        raw, called = self._numbers(leg, direction)
        return Call(
            id=self.folding.id,
            linkedid=self.folding.linkedid,
            system=self.folding.system,
            direction=direction,
            state=self.state if end is None else CallState.ENDED,
            started_at=started_at,
            number=self.number_of(raw) if raw else None,
            raw_number=raw,
            called=called,
            flow=self._text(FactKind.IVR_STARTED, "flow"),
            language=self._text(FactKind.LANGUAGE_SET, "language"),
            customer_id=self.customer_id,
            explained=self.explained or ("internal" if direction is Direction.INTERNAL and end else None),
            keys=" ".join(self.keys),
            route=self._text(FactKind.IVR_ENDED, "route")
            or ("fallback" if FactKind.FALLBACK in self.kinds else None),
            queue=self.queue or None,
            priority=self.priority,
            agent_id=self.agent or self.bridged_agent or self._dialed_by(),
            answered_at=None if leg is None else leg.answered_at,
            queued_at=self._at(FactKind.QUEUED),
            connected_at=connected_at,
            ended_at=end,
            wait_seconds=round(_seconds(self._clipped_waits(connected_at, talks)), 6),
            talk_seconds=round(talk, 6),
            hold_seconds=round(_seconds(self.holds), 6),
            held_since=self.held if end is None else None,
            outcome=outcome,
            cause=None if leg is None else leg.cause,
            recording=self.recording,
            transfers=" ".join(f"{how}:{target}" if target else how for _, how, target, _ in self.transfers),
            origin="live" if live else "recovered",
            proved=proved,
            refused_by=self._text(FactKind.REFUSED, "rule") if outcome is Outcome.REFUSED else None,
            rating=self.rating,
        )

    def _step(self, at: datetime, fact: Fact) -> None:
        kind = fact.kind
        if kind not in self.kinds:
            self.kinds.add(kind)
            self.first[kind] = (at, fact)
        self.last[kind] = (at, fact)
        handler = _HANDLERS.get(kind)
        moves = True
        if handler is not None:
            moves = handler(self, at, fact)
        if moves:
            self.state = STEPS.get((self.state, kind), self.state)

    # What each kind of fact adds. Each says whether the state table is asked.

    def _on_step(self, at: datetime, fact: Fact) -> bool:
        if keys := fact.data.get("keys"):
            self.keys.append(f"{fact.data.get('node', '')}={keys}")
        return True

    def _on_identified(self, at: datetime, fact: Fact) -> bool:
        if customer := fact.data.get("customer_id"):
            self.customer_id = str(customer)
            self.explained = str(fact.data.get("how") or fact.data.get("explained") or "") or None
        elif self.customer_id is None or fact.data.get("how") == "agent":
            self.customer_id = None  # an agent may say that it is none of them
            self.explained = str(fact.data.get("explained") or "") or self.explained
        return True

    def _on_queued(self, at: datetime, fact: Fact) -> bool:
        if queue := fact.data.get("queue"):
            self.queue = str(queue)
        if priority := fact.data.get("priority"):
            self.priority = int(priority)
        if self.waiting is None and self.talking is None:
            self.waiting = at
        return True

    def _on_queue_left(self, at: datetime, fact: Fact) -> bool:
        self._stop_waiting(at)
        return True

    def _on_ringing(self, at: datetime, fact: Fact) -> bool:
        return self.talking is None

    def _on_connected(self, at: datetime, fact: Fact) -> bool:
        self._stop_waiting(at)
        if queue := fact.data.get("queue"):
            self.queue = str(queue)
        endpoint, agent = str(fact.data.get("endpoint") or ""), str(fact.data.get("agent") or "")
        if agent:
            self.agent = agent
        if self.talking is None:
            self.talking = at
            self.partner = (endpoint, agent)
        elif (endpoint and endpoint != self.partner[0]) or (agent and agent != self.partner[1]):
            self.partner = (endpoint or self.partner[0], agent or self.partner[1])
        return True

    def _on_disconnected(self, at: datetime, fact: Fact) -> bool:
        talk = fact.data.get("talk")
        if isinstance(talk, int | float):
            self.told_talk = max(self.told_talk, float(talk))
        endpoint, agent = str(fact.data.get("endpoint") or ""), str(fact.data.get("agent") or "")
        if self.talking is None:
            return True
        known_endpoint, known_agent = self.partner
        other = (endpoint and known_endpoint and endpoint != known_endpoint) or (
            agent and known_agent and agent != known_agent
        )
        if not other and self.held is None:
            self._stop_talking(at)
        return True

    def _on_held(self, at: datetime, fact: Fact) -> bool:
        if self.held is None:
            self.held = at
        return True

    def _on_resumed(self, at: datetime, fact: Fact) -> bool:
        if self.held is not None and self.talking is None:
            self.talking = at
        self._stop_holding(at)
        return True

    def _on_transferred(self, at: datetime, fact: Fact) -> bool:
        how, target = str(fact.data.get("how") or "blind"), str(fact.data.get("target") or "")
        trust = _TRUST[fact.source]
        for place, (when, known, _, known_trust) in enumerate(self.transfers):
            if known == how and at - when <= _SAME_TRANSFER:
                if trust < known_trust and target:
                    self.transfers[place] = (when, how, target, trust)
                return False
        self.transfers.append((at, how, target, trust))
        if agent := fact.data.get("agent"):
            self.agent = str(agent)
        if how != "blind":
            return False
        self._stop_holding(at)
        self._stop_talking(at)
        return True

    def _on_recording(self, at: datetime, fact: Fact) -> bool:
        if file := fact.data.get("file"):
            self.recording = str(file)
        return True

    def _on_rating_asked(self, at: datetime, fact: Fact) -> bool:
        """The customer is in a menu: nobody talks with him any more, whoever told or did not tell of it."""
        self._stop_talking(at)
        return True

    def _on_rated(self, at: datetime, fact: Fact) -> bool:
        rating = fact.data.get("rating")
        if isinstance(rating, int) and not isinstance(rating, bool) and 1 <= rating <= 5:
            self.rating = rating
        return True

    # Working the row out

    def _stop_waiting(self, at: datetime) -> None:
        if self.waiting is not None:
            self.waits.append((self.waiting, at))
            self.waiting = None

    def _stop_talking(self, at: datetime) -> None:
        if self.talking is not None:
            self.talks.append((self.talking, at))
            self.talking = None
            self.partner = ("", "")

    def _stop_holding(self, at: datetime) -> None:
        if self.held is not None:
            self.holds.append((self.held, at))
            self.held = None

    def _close(self, at: datetime, *, ended: bool) -> None:
        if ended:
            self._stop_waiting(at)
            self._stop_holding(at)
            self._stop_talking(at)
            self.talks = [(start, min(end, at)) for start, end in self.talks]

    def _clipped_waits(self, connected_at: datetime | None, talks: Sequence[Span]) -> list[Span]:
        """Waiting ends where talking began, whoever told of it."""
        starts = sorted(start for start, _ in talks) or ([connected_at] if connected_at else [])
        return [
            (begin, min([end] + [start for start in starts if begin <= start < end]))
            for begin, end in self.waits
        ]

    def _customer_leg(self) -> _Leg | None:
        """The leg to the outside world; without one, the one the call is named after, else the first."""
        legs = self._legs_in_order()
        for leg in legs:
            if leg.trunk:
                return leg
        named = self.legs.get(self.folding.linkedid)
        if named is not None:
            return named
        return legs[0] if legs else None

    def _legs_in_order(self) -> list[_Leg]:
        if len(self.legs) < 2:
            return list(self.legs.values())
        return sorted(
            self.legs.values(),
            key=lambda leg: (leg.started_at or _FAR, leg.answered_at or _FAR, leg.uniqueid),
        )

    def _direction(self, leg: _Leg | None) -> Direction:
        told = {str(fact.data.get("direction") or "") for each in self.legs.values() for *_, fact in each.started
                if fact.source is Source.SERVICE}  # fmt: skip
        if "outbound" in told:
            return Direction.OUTBOUND
        if FactKind.IVR_STARTED in self.kinds and (leg is None or not leg.started):
            return Direction.INBOUND
        if leg is None or not leg.trunk:
            if leg is not None and leg.text("direction") == "inbound":
                return Direction.INBOUND
            if FactKind.IVR_STARTED in self.kinds:
                return Direction.INBOUND
            return Direction.INTERNAL
        own = leg.text("direction")
        if own == "outbound":
            return Direction.OUTBOUND
        if own == "inbound":
            return Direction.INBOUND
        start = leg.started_at
        earlier = any(
            each.started_at is not None and start is not None and each.started_at < start
            for each in self.legs.values()
            if each is not leg
        )
        return Direction.OUTBOUND if earlier else Direction.INBOUND

    def _dialed_by(self) -> str | None:
        """Who asked for a call we place."""
        named = (
            str(fact.data.get("agent") or "")
            for each in self.legs.values()
            for *_, fact in each.started
            if fact.source is Source.SERVICE
        )
        return next((agent for agent in named if agent), None)

    def _numbers(self, leg: _Leg | None, direction: Direction) -> tuple[str, str]:
        """The other side's number as delivered, and the called one."""
        if direction is Direction.OUTBOUND:
            # CDR gives the dialed extension of our own dialplan for a channel we dialed.
            called = "" if leg is None else leg.text("called", but=Source.CDR)
            if not called:
                others = (each.text("called") for each in self._legs_in_order() if each is not leg)
                called = next((text for text in others if text), "")
            return called[:_LONGEST_RAW], called[:_LONGEST_RAW]
        caller = "" if leg is None else leg.text("caller")
        called = "" if leg is None else leg.text("called")
        caller = caller or self._text(FactKind.IVR_STARTED, "caller") or ""
        called = called or self._text(FactKind.IVR_STARTED, "called") or ""
        return caller[:_LONGEST_RAW], called[:_LONGEST_RAW]

    def _started_at(self, leg: _Leg | None) -> datetime:
        times = [each.started_at for each in self.legs.values() if each.started_at is not None]
        if times:
            return min(times)
        rest = [
            at for each in self.legs.values() for at in (each.answered_at, each.ended_at) if at is not None
        ]
        return min(rest + [at for at, _ in self.facts])

    def _end(self, leg: _Leg | None, leg_end: datetime | None) -> tuple[datetime | None, bool, bool]:
        """When the call ended, whether CEL told so, and whether nobody saw it end."""
        # The end of somebody's invited to a conference, whose leg is linked to nothing, is not the call's.
        over = [
            (at, fact)
            for at, fact in self.facts
            if fact.kind is FactKind.CALL_ENDED and not fact.linkedid.startswith(f"{self.folding.id}-g")
        ]
        proved = any(fact.source is Source.CEL for _, fact in over)
        if leg_end is not None:
            return leg_end, proved, False
        if over:
            return min(over, key=lambda entry: (_TRUST[entry[1].source], entry[0]))[0], proved, False
        cut = self.first.get(FactKind.INTERRUPTED)
        if cut is not None:
            return cut[0], proved, True
        return None, proved, False

    def _bridged(self, leg: _Leg | None, close: datetime | None) -> tuple[list[Span], datetime | None]:
        """When the customer shared a bridge with somebody, and since when he does."""
        if leg is None or FactKind.BRIDGE_ENTERED not in self.kinds:
            return [], None
        # CEL and AMI tell the same a few milliseconds apart: one of them is followed, not both.
        sources = {fact.source for _, fact in self.facts if fact.kind is FactKind.BRIDGE_ENTERED}
        proved = any(fact.source is Source.CEL for _, fact in self.facts if fact.kind is FactKind.CALL_ENDED)
        source = Source.AMI if Source.AMI in sources and not (proved and Source.CEL in sources) else None
        if source is None:
            source = min(sources, key=lambda each: _TRUST[each])
        rooms: dict[str, set[str]] = {}
        spans: list[Span] = []
        since: datetime | None = None
        for at, fact in self.facts:
            if fact.source is not source:
                continue
            if fact.kind is FactKind.BRIDGE_ENTERED:
                rooms.setdefault(str(fact.data.get("bridge")), set()).add(fact.uniqueid)
            elif fact.kind is FactKind.BRIDGE_LEFT:
                rooms.setdefault(str(fact.data.get("bridge")), set()).discard(fact.uniqueid)
            else:
                continue
            together = any(leg.uniqueid in room and len(room) > 1 for room in rooms.values())
            if agent := fact.data.get("agent"):
                self.bridged_agent = str(agent)
            if together and since is None:
                since = at
            elif not together and since is not None:
                spans.append((since, at))
                since = None
        if since is not None and leg.ended_at is not None:
            spans.append((since, leg.ended_at))
            since = None
        elif since is not None and close is not None and FactKind.INTERRUPTED in self.kinds:
            spans.append((since, close))
            since = None
        return [(start, end) for start, end in spans if end > start], since

    def _outcome(
        self, leg: _Leg | None, direction: Direction, connected_at: datetime | None, *, interrupted: bool
    ) -> Outcome:
        if interrupted:
            return Outcome.INTERRUPTED
        if connected_at is not None:
            return Outcome.ANSWERED
        if FactKind.VOICEMAIL_LEFT in self.kinds:
            return Outcome.VOICEMAIL
        if FactKind.CALLBACK_ASKED in self.kinds:
            return Outcome.CALLBACK
        if FactKind.REFUSED in self.kinds:
            return Outcome.REFUSED
        if direction is not Direction.INBOUND:
            return self._not_reached(leg, direction)
        if FactKind.QUEUED in self.kinds or FactKind.RINGING in self.kinds or FactKind.FALLBACK in self.kinds:
            return Outcome.ABANDONED
        if FactKind.IVR_STARTED in self.kinds:
            return Outcome.SELF_SERVED if self._served() else Outcome.LEFT_IN_MENU
        return Outcome.ABANDONED if leg is None or leg.answered_at is None else Outcome.LEFT_IN_MENU

    def _served(self) -> bool:
        """The flow itself ended the call."""
        ended = self.last.get(FactKind.IVR_ENDED)
        if ended is None:
            return False
        data = ended[1].data
        return str(data.get("route") or "").startswith("hangup") and "hung" not in str(
            data.get("outcome") or ""
        )

    def _not_reached(self, leg: _Leg | None, direction: Direction) -> Outcome:
        if direction is Direction.OUTBOUND and leg is not None and leg.trunk and leg.answered_at is not None:
            return Outcome.ANSWERED
        cause = None if leg is None else leg.cause
        if cause == _BUSY:
            return Outcome.BUSY
        if cause == _REJECTED:
            return Outcome.REFUSED
        if cause is None or cause in _NO_ANSWER:
            return Outcome.NO_ANSWER
        return Outcome.FAILED

    def _text(self, kind: FactKind, name: str) -> str | None:
        """The last value told for a field of a kind."""
        found: str | None = None
        if kind in self.kinds:
            for _, fact in self.facts:
                if fact.kind is kind and (value := fact.data.get(name)):
                    found = str(value)
        return found

    def _at(self, kind: FactKind) -> datetime | None:
        entry = self.first.get(kind)
        return None if entry is None else entry[0]


_FAR: Final = datetime(9999, 1, 1, tzinfo=UTC)
_BEFORE_TALK: Final = frozenset({CallState.OFFERED, CallState.IN_IVR, CallState.QUEUED, CallState.RINGING})

_HANDLERS: Final[Mapping[FactKind, Callable[[_Row, datetime, Fact], bool]]] = {
    FactKind.IVR_STEP: _Row._on_step,
    FactKind.IDENTIFIED: _Row._on_identified,
    FactKind.QUEUED: _Row._on_queued,
    FactKind.QUEUE_LEFT: _Row._on_queue_left,
    FactKind.RINGING: _Row._on_ringing,
    FactKind.CONNECTED: _Row._on_connected,
    FactKind.DISCONNECTED: _Row._on_disconnected,
    FactKind.HELD: _Row._on_held,
    FactKind.RESUMED: _Row._on_resumed,
    FactKind.TRANSFERRED: _Row._on_transferred,
    FactKind.RECORDING_STARTED: _Row._on_recording,
    FactKind.RATING_ASKED: _Row._on_rating_asked,
    FactKind.RATED: _Row._on_rated,
}

#: Keys of the facts the log adds to itself begin with this; they do not make a call "live".
OWN: Final = "log:"


def _from_journal(fact: Fact) -> bool:
    return fact.source is Source.SERVICE and fact.key.startswith(OWN)


def fold(
    facts: Iterable[Fact],
    *,
    system: str,
    number_of: NumberOf,
    id: CallId | None = None,
) -> Call | None:
    """The row that the facts of one call make, in whatever order and however often they come.

    None where there is no fact. The call is named after the linkedid of the earliest fact.
    """
    known = sorted(facts, key=lambda fact: (fact.at, _RANK[fact.kind], _TRUST[fact.source], fact.key))
    if not known:
        return None
    linkedid = known[0].linkedid
    folding = Folding(id or call_id(system, linkedid, known[0].at), system, linkedid)
    for fact in known:
        folding.add(fact)
    return folding.call(number_of)


def why_unknown(call: Call) -> str:
    """Why no customer can be looked up for a call, in one word; empty where its number can be looked up."""
    if call.direction is Direction.INTERNAL:
        return "internal"
    if call.number is not None:
        return ""
    if call.raw_number.strip().lower() in _HIDDEN:
        return "hidden_number"
    return "unreadable_number"


class Tracker:
    """The calls of one switch that are going on, and those that ended a moment ago. No I/O."""

    def __init__(self, system: str, number_of: NumberOf, *, grace_seconds: float = 30.0) -> None:
        self.system = system
        self.number_of = number_of
        self.grace_seconds = grace_seconds
        #: Lines of queue_log that belong to no call.
        self.homeless = 0
        self._calls: dict[CallId, Folding] = {}
        self._by_uniqueid: dict[str, CallId] = {}
        self._uniqueids: dict[CallId, list[str]] = {}
        self._unchecked: set[CallId] = set()

    def __len__(self) -> int:
        return len(self._calls)

    def knows(self, fact: Fact) -> bool:
        """Whether this fact belongs to a call that is held here."""
        return fact.uniqueid in self._by_uniqueid or fact.linkedid in self._by_uniqueid

    def find(self, uniqueid: str) -> Folding | None:
        """The call a channel belongs to."""
        known = self._by_uniqueid.get(uniqueid)
        return None if known is None else self._calls.get(known)

    def get(self, id: CallId) -> Folding | None:
        """A call that is held here."""
        return self._calls.get(id)

    def calls(self) -> list[Call]:
        """All calls held here, the ended ones too."""
        return [folding.call(self.number_of) for folding in self._calls.values()]

    def load(self, stored: Call, facts: Iterable[Fact], uniqueids: Iterable[str], now: float) -> Folding:
        """Take a stored call back in, with all its facts."""
        folding = self._calls.get(stored.id)
        if folding is None:
            folding = self._open(stored.id, stored.linkedid)
        folding.stored = stored
        folding.legs_stored = 0
        folding.touched_at = now
        for fact in facts:
            folding.add(fact)
            folding.unstored.pop((fact.source, fact.key), None)
        for uniqueid in uniqueids:
            self._name(uniqueid, stored.id)
        self._unchecked.discard(stored.id)
        return folding

    def unchecked(self) -> list[str]:
        """Channels of calls opened while nobody could look whether they are stored already."""
        return [uniqueid for id in self._unchecked for uniqueid in self._uniqueids.get(id, ())]

    def checked(self) -> None:
        """The store was asked about all of them."""
        self._unchecked.clear()

    def take(self, facts: Iterable[Fact], now: float, *, checked: bool = True) -> list[Folding]:
        """Take facts in; gives the calls that have something to store. `now` is monotonic, in seconds.

        `checked`: the store was asked whether it knows calls that are not here.
        """
        touched: dict[CallId, Folding] = {}
        for fact in facts:
            folding = self._home(fact)
            if folding is None:
                self.homeless += 1
                continue
            if folding.add(fact):
                folding.unstored[(fact.source, fact.key)] = fact
            folding.touched_at = now
            if not checked and folding.stored is None:
                self._unchecked.add(folding.id)
            if folding.unstored:
                touched[folding.id] = folding
        return list(touched.values())

    def change(self, folding: Folding) -> CallChange:
        """What the facts not stored yet make of a call."""
        return CallChange(
            before=folding.stored,
            after=folding.call(self.number_of),
            facts=tuple(folding.unstored.values()),
        )

    def keep(self, changes: Iterable[CallChange]) -> None:
        """These changes are stored."""
        for change in changes:
            folding = self._calls.get(change.after.id)
            if folding is not None:
                folding.stored = change.after
                folding.legs_stored = len(self._uniqueids.get(folding.id, ()))
                for fact in change.facts:
                    folding.unstored.pop((fact.source, fact.key), None)

    def apply(self, fact: Fact, now: datetime) -> list[CallChange]:
        """Take one fact in and regard what it makes as stored. For callers without a store."""
        changes = [self.change(folding) for folding in self.take([fact], now.timestamp())]
        self.keep(changes)
        return changes

    def forget(self, now: float, *, most: int | None = None) -> int:
        """Let ended calls go that nothing was heard of for the grace; gives how many.

        With `most`, the oldest ended calls beyond that many go too, stored or not: their facts are spooled.
        """
        ended = [
            folding
            for folding in self._calls.values()
            if folding.call(self.number_of).state is CallState.ENDED
        ]
        gone = [
            folding
            for folding in ended
            if not folding.unstored and now - folding.touched_at > self.grace_seconds
        ]
        if most is not None and len(ended) - len(gone) > most:
            rest = sorted(
                (folding for folding in ended if folding not in gone), key=lambda each: each.touched_at
            )
            gone.extend(rest[: len(rest) - most])
        for folding in gone:
            del self._calls[folding.id]
            self._unchecked.discard(folding.id)
            for uniqueid in self._uniqueids.pop(folding.id, ()):
                self._by_uniqueid.pop(uniqueid, None)
        return len(gone)

    def new_legs(self, id: CallId) -> Sequence[str]:
        """Channels of a call that are not stored yet, its linkedid among them."""
        folding = self._calls.get(id)
        return () if folding is None else self._uniqueids.get(id, [])[folding.legs_stored :]

    def _open(self, id: CallId, linkedid: str) -> Folding:
        folding = self._calls[id] = Folding(id, self.system, linkedid)
        self._name(linkedid, id)
        return folding

    def _name(self, uniqueid: str, id: CallId) -> None:
        if uniqueid and uniqueid not in self._by_uniqueid:
            self._by_uniqueid[uniqueid] = id
            self._uniqueids.setdefault(id, []).append(uniqueid)

    def _home(self, fact: Fact) -> Folding | None:
        """The call a fact belongs to, opened where there is none.

        None for a line of queue_log about a channel nobody else tells of: app_queue writes some after a
        masquerade under the id of a channel that never was in a call.

        A channel stays with its call. Its linkedid may change: to an older call's when two calls are joined,
        then the fact is that call's; to a younger one's only by a masquerade, which means nothing. The end
        of a linkedid is always that linkedid's own.
        """
        linked = self._by_uniqueid.get(fact.linkedid)
        own = self._by_uniqueid.get(fact.uniqueid)
        if own is None or (linked is not None and fact.kind is FactKind.CALL_ENDED):
            chosen = linked
        elif linked is None or linked == own:
            chosen = own
        else:
            chosen = min(linked, own, key=lambda id: _age(id, self._calls[id].linkedid))
        if chosen is None and fact.source is Source.QUEUE_LOG:
            return None
        if chosen is None:
            told = fact.data.get("call_id")
            known = told if isinstance(told, str) and len(told) == 26 else None
            id = CallId(known) if known else call_id(self.system, fact.linkedid, fact.at)
            folding = self._calls.get(id) or self._open(id, fact.linkedid)
        else:
            folding = self._calls[chosen]
        self._name(fact.uniqueid, folding.id)
        return folding
