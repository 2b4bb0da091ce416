"""What proves a day of the call log: the trunk's own list against the log, call by call.

Counting both sides would let two mistakes cancel each other, so the difference is the number of calls that
are wrong in one of three ways, and each is named.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from telephony.calls import Call, Direction


@dataclass(frozen=True, kw_only=True, slots=True)
class TrunkEntry:
    """A channel of the trunk as the switch's files list it, and the call row it belongs to, if any."""

    uniqueid: str
    linkedid: str
    started_at: datetime
    direction: str
    caller: str
    called: str
    call_id: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Proof:
    """A day, proved or not."""

    day: date
    #: Conversations on the trunk, by the switch's files.
    on_trunk: int
    #: Calls with the outside world in the log.
    in_log: int
    #: Of those: on a customer's record.
    tied: int
    #: Of those: with a reason why not.
    explained: int
    #: Still going on; tied or explained when they end.
    going_on: int
    #: Outbound calls that never reached the trunk (the agent did not answer, a fence refused, or it was down).
    not_dialed: int
    #: Channels of the trunk without a call row (uniqueid): calls the log lost.
    missing: Sequence[str]
    #: Calls that the trunk does not know (call id).
    unseen: Sequence[str]
    #: Ended calls neither tied nor explained (call id).
    loose: Sequence[str]

    @property
    def difference(self) -> int:
        """Calls that are wrong. 0 proves the day."""
        return len(self.missing) + len(self.unseen) + len(self.loose)


def span_of(day: date, zone: str) -> tuple[datetime, datetime]:
    """First moment of a local day and of the next, aware UTC."""
    here = ZoneInfo(zone)
    first = datetime.combine(day, time(), here)
    following = datetime.combine(day + timedelta(days=1), time(), here)
    return first.astimezone(UTC), following.astimezone(UTC)


def prove(
    day: date,
    trunk: Iterable[TrunkEntry],
    logged: Iterable[Call],
    on_trunk: Collection[str],
    settled: datetime,
) -> Proof:
    """Hold a day's calls against the trunk.

    `trunk`: the channels that began that day. `logged`: the calls with the outside world that began that day.
    `on_trunk`: which of these the switch's files know, whenever they began. What began after `settled` is left
    out: the files may not have been read that far.
    """
    conversations: set[str] = set()
    missing: list[str] = []
    for entry in trunk:
        if entry.started_at > settled:
            continue
        conversations.add(entry.call_id or entry.linkedid)
        if entry.call_id is None:
            missing.append(entry.uniqueid)
    in_log = tied = explained = going_on = not_dialed = 0
    unseen: list[str] = []
    loose: list[str] = []
    for call in logged:
        if call.started_at > settled:
            continue
        known = call.id in on_trunk
        if not known and call.direction is Direction.OUTBOUND and call.connected_at is None:
            not_dialed += 1
            continue
        in_log += 1
        if not known:
            unseen.append(call.id)
        if call.customer_id is not None:
            tied += 1
        elif call.explained:
            explained += 1
        elif call.ended_at is None:
            going_on += 1
        else:
            loose.append(call.id)
    return Proof(
        day=day,
        on_trunk=len(conversations),
        in_log=in_log,
        tied=tied,
        explained=explained,
        going_on=going_on,
        not_dialed=not_dialed,
        missing=missing,
        unseen=unseen,
        loose=loose,
    )


def lines_of(proof: Proof, *, most: int = 20) -> list[str]:
    """The proof as `careline check calls` prints it, with the ids of what is wrong, at most `most` of each."""
    rows = [
        ("calls on the trunk", proof.on_trunk),
        ("calls in the log", proof.in_log),
        ("  tied to a customer", proof.tied),
        ("  explained", proof.explained),
        ("  still going on", proof.going_on),
        ("outbound, never dialed", proof.not_dialed),
        ("difference", proof.difference),
    ]
    lines = [f"{proof.day.isoformat()}", *(f"{name:24} {count:8d}" for name, count in rows)]
    for title, ids in (
        ("on the trunk but not in the log (channel)", proof.missing),
        ("in the log but not on the trunk (call)", proof.unseen),
        ("neither tied nor explained (call)", proof.loose),
    ):
        if ids:
            lines.append(f"{title}:")
            lines.extend(f"  {id}" for id in ids[:most])
            if len(ids) > most:
                lines.append(f"  and {len(ids) - most} more")
    return lines
