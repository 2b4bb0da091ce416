"""Which open calls are still going on, and what becomes of those that are not; decisions only, no I/O.

A call that the switch still lists is adopted. One that it does not list has ended: the switch's files have
told so by then, or nobody ever will (the switch was killed), and the call is closed as interrupted at the
last sign of life (reliability.md 1.3).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from telephony.calls import Call
from telephony.facts import Fact, FactKind, Source
from telephony.tracker import OWN

#: A call that is not listed may have ended a moment ago: its files get this long to say so.
PATIENCE: Final = timedelta(seconds=60)


@dataclass(frozen=True, kw_only=True, slots=True)
class OpenCall:
    """A call without an end, as the log has it after the files were read."""

    call: Call
    #: All its channels, its linkedid among them.
    uniqueids: Collection[str]
    #: When its last fact happened.
    last_at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Seen:
    """What is known about the switch."""

    #: When it was asked.
    at: datetime
    #: Channels and linkedids it listed.
    alive: Collection[str]
    #: Since when this start of the switch is known; calls from before it belong to an earlier start.
    since: datetime
    #: Last sign of life of the start before, or None where this is the first one known.
    earlier_until: datetime | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Interruption:
    """A call that must be closed."""

    call: Call
    at: datetime
    #: restarted: the switch started anew; unseen: it is gone and no file tells of its end; too_long.
    why: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Decision:
    """What reconciliation found."""

    adopted: Sequence[str]
    interrupted: Sequence[Interruption]
    #: Calls left for the next round.
    waiting: Sequence[str]


def decide(open_calls: Iterable[OpenCall], seen: Seen, longest: timedelta) -> Decision:
    """What becomes of calls without an end. `longest`: no call may last longer, whatever the switch lists."""
    adopted: list[str] = []
    interrupted: list[Interruption] = []
    waiting: list[str] = []
    for each in open_calls:
        call = each.call
        lasts = seen.at - call.started_at
        if lasts > longest + PATIENCE:
            interrupted.append(Interruption(call=call, at=max(each.last_at, call.started_at), why="too_long"))
        elif any(uniqueid in seen.alive for uniqueid in each.uniqueids):
            adopted.append(call.id)
        elif call.started_at >= seen.at or each.last_at >= seen.at:
            waiting.append(call.id)
        elif seen.earlier_until is not None and call.started_at < seen.since and each.last_at < seen.since:
            last = max(each.last_at, call.started_at, min(seen.earlier_until, seen.since))
            interrupted.append(Interruption(call=call, at=min(last, seen.at), why="restarted"))
        elif seen.at - each.last_at > PATIENCE:
            interrupted.append(Interruption(call=call, at=max(each.last_at, call.started_at), why="unseen"))
        else:
            waiting.append(call.id)
    return Decision(adopted=adopted, interrupted=interrupted, waiting=waiting)


def fact_of(interruption: Interruption) -> Fact:
    """The fact that closes a call. An end that a file tells later still counts more (telephony.tracker)."""
    call = interruption.call
    return Fact(
        source=Source.SERVICE,
        key=f"{OWN}interrupted:{call.id}",
        kind=FactKind.INTERRUPTED,
        at=interruption.at,
        linkedid=call.linkedid,
        uniqueid=call.linkedid,
        data={"why": interruption.why},
    )
