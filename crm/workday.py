"""An agent's day: how long in which state, hour by hour. Pure: time is an argument."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from telephony.agents import AgentState
from telephony.call_lists import CallView


@dataclass(frozen=True, kw_only=True, slots=True)
class Stay:
    """How long somebody was in one state without a break."""

    state: AgentState
    #: Of a pause.
    reason: str
    since: datetime
    until: datetime
    #: It goes on: `until` is only now.
    goes_on: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class MissedRing:
    """A ring that was not answered."""

    at: datetime
    #: As the viewer may see it; None: not (any more) for him, or not known.
    call: CallView | None


@dataclass(frozen=True, kw_only=True, slots=True)
class DayJournal:
    """The rows behind an agent's figures of a day."""

    user_id: str
    name: str
    day: date
    stays: Sequence[Stay]
    missed: Sequence[MissedRing]
    seconds: Mapping[AgentState, float]


def stays(
    changes: Iterable[tuple[datetime, AgentState, str]], since: datetime, until: datetime, *, now: datetime
) -> list[Stay]:
    """The states of [since, until) one after another; what changed nothing of them makes no row of its own.

    Not signed in yet, and signed out for good, are left out.
    """
    found: list[Stay] = []
    held: tuple[AgentState, str, datetime] = (AgentState.SIGNED_OUT, "", since)
    for at, state, reason in (*changes, (until, None, "")):
        was, why, began = held
        if (state, reason) == (was, why):
            continue
        start, end = max(began, since), min(at, until)
        if end > start:
            found.append(
                Stay(state=was, reason=why, since=start, until=end, goes_on=state is None and end == now)
            )
        if state is not None:
            held = (state, reason, at)
    while found and found[0].state is AgentState.SIGNED_OUT:
        found.pop(0)
    while found and found[-1].state is AgentState.SIGNED_OUT:
        found.pop()
    return found


def spans(
    changes: Iterable[tuple[datetime, AgentState]], since: datetime, until: datetime
) -> Iterator[tuple[AgentState, datetime, datetime]]:
    """The states an agent was in within [since, until), from changes in order of time."""
    state, began = AgentState.SIGNED_OUT, since
    for at, after in changes:
        start, end = max(began, since), min(at, until)
        if end > start:
            yield state, start, end
        state, began = after, max(at, since)
    if until > max(began, since):
        yield state, max(began, since), until


def seconds_in(
    changes: Iterable[tuple[datetime, AgentState]], since: datetime, until: datetime
) -> Mapping[AgentState, float]:
    """Seconds in each state."""
    totals = dict.fromkeys(AgentState, 0.0)
    for state, start, end in spans(changes, since, until):
        totals[state] += (end - start).total_seconds()
    return totals


def by_hour(
    changes: Iterable[tuple[datetime, AgentState]], state: AgentState, since: datetime, until: datetime
) -> Mapping[datetime, float]:
    """Seconds in one state for each hour that begins at `since`, `since` + 1 h, …"""
    hours: dict[datetime, float] = {}
    for was, start, end in spans(changes, since, until):
        while was is state and start < end:
            hour = since + timedelta(hours=(start - since) // timedelta(hours=1))
            stop = min(end, hour + timedelta(hours=1))
            hours[hour] = hours.get(hour, 0.0) + (stop - start).total_seconds()
            start = stop
    return hours
