"""What came of a campaign, counted from its attempts and targets. Pure; the names are the field's, each its own figure.

List penetration: share of the list that was tried. Contact per record: share of those tried that were reached. Contact
per attempt: share of the tries that reached a person (shared/field-notes.md; the three are often mixed up).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Final
from zoneinfo import ZoneInfo

from campaigns.attempts import GIVEN_BACK, PATIENCE, AttemptOutcome

#: Abandoned calls are counted over so long (47 CFR 64.1200(a)(7): thirty days, each campaign by itself).
ABANDON_WINDOW: Final = timedelta(days=30)


class By(StrEnum):
    """How attempts are laid out."""

    DAY = "day"
    HOUR = "hour"
    AGENT = "agent"
    TRY = "try"


@dataclass(frozen=True, kw_only=True, slots=True)
class Try:
    """What the figures need of an attempt that is over."""

    target_id: str
    no: int
    intent_at: datetime
    outcome: AttemptOutcome
    agentless: bool
    agent_id: str | None
    answered_at: datetime | None
    connected_at: datetime | None
    ended_at: datetime | None

    @property
    def counts(self) -> bool:
        """Whether it rang somebody, as far as anybody knows."""
        return self.outcome not in GIVEN_BACK

    @property
    def answered(self) -> bool:
        """Somebody or something picked up."""
        return self.answered_at is not None

    @property
    def live(self) -> bool:
        """A person picked up."""
        return self.answered and self.outcome is not AttemptOutcome.MACHINE

    @property
    def reached(self) -> bool:
        """A person was spoken with, or heard the menu."""
        return self.outcome is AttemptOutcome.HUMAN

    @property
    def abandoned(self) -> bool:
        """A person answered and met nobody in time."""
        if self.agentless or not self.live or self.answered_at is None:
            return False
        return self.connected_at is None or self.connected_at - self.answered_at > PATIENCE


@dataclass(frozen=True, kw_only=True, slots=True)
class Bar:
    """One bar of a plot: tries, and of them answered and reached."""

    #: A day (ISO), an hour (0 to 23), an agent's id ("": none), or the number of the try.
    key: str
    tries: int
    answered: int
    reached: int
    abandoned: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Results:
    """The figures of a campaign."""

    targets: int
    #: Targets with at least one try that counts.
    tried: int
    tries: int
    answered: int
    reached_tries: int
    #: Targets reached.
    reached: int
    live: int
    abandoned: int
    #: Over the last thirty days.
    live_30: int
    abandoned_30: int
    talk_seconds: float
    outcomes: Mapping[AttemptOutcome, int]

    @property
    def list_penetration(self) -> float | None:
        """Share of the list that was tried."""
        return _share(self.tried, self.targets)

    @property
    def contact_per_record(self) -> float | None:
        """Share of those tried that were reached."""
        return _share(self.reached, self.tried)

    @property
    def contact_per_attempt(self) -> float | None:
        """Share of the tries that reached somebody."""
        return _share(self.reached_tries, self.tries)

    @property
    def abandon_rate(self) -> float | None:
        """Share of live answers of the last thirty days that met nobody in time."""
        return _share(self.abandoned_30, self.live_30)


@dataclass(frozen=True, kw_only=True, slots=True)
class Marks:
    """How many targets of a campaign something came of beyond the call itself."""

    completed: int
    dissatisfied: int
    booked: int
    came: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Wanted:
    """Attempts behind one figure."""

    outcome: AttemptOutcome | None = None
    #: answered, reached or abandoned.
    only: str = ""
    by: By | None = None
    key: str = ""


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def results(tries: Iterable[Try], targets: int, now: datetime) -> Results:
    """All figures at once."""
    own = list(tries)
    counted = [one for one in own if one.counts]
    late = [one for one in counted if one.intent_at > now - ABANDON_WINDOW]
    outcomes: dict[AttemptOutcome, int] = {}
    for one in own:
        outcomes[one.outcome] = outcomes.get(one.outcome, 0) + 1
    return Results(
        targets=targets,
        tried=len({one.target_id for one in counted}),
        tries=len(counted),
        answered=sum(one.answered for one in counted),
        reached_tries=sum(one.reached for one in counted),
        reached=len({one.target_id for one in counted if one.reached}),
        live=sum(one.live for one in counted),
        abandoned=sum(one.abandoned for one in counted),
        live_30=sum(one.live for one in late),
        abandoned_30=sum(one.abandoned for one in late),
        talk_seconds=sum(
            (one.ended_at - one.connected_at).total_seconds()
            for one in counted
            if one.connected_at is not None and one.ended_at is not None
        ),
        outcomes=outcomes,
    )


def bars(tries: Iterable[Try], by: By, zone: ZoneInfo) -> Sequence[Bar]:
    """The tries laid out; days and numbers in order, every hour between the first and the last, agents by tries."""
    found: dict[str, list[Try]] = {}
    for one in tries:
        if one.counts:
            found.setdefault(key_of(one.intent_at, one.no, one.agent_id, by, zone), []).append(one)
    if by is By.HOUR and found:
        hours = [int(key) for key in found]
        for hour in range(min(hours), max(hours) + 1):
            found.setdefault(str(hour), [])
    made = [
        Bar(
            key=key,
            tries=len(some),
            answered=sum(one.answered for one in some),
            reached=sum(one.reached for one in some),
            abandoned=sum(one.abandoned for one in some),
        )
        for key, some in found.items()
    ]
    if by is By.AGENT:
        return sorted(made, key=lambda bar: (-bar.tries, bar.key))
    return sorted(made, key=lambda bar: bar.key if by is By.DAY else f"{int(bar.key):04d}")


def key_of(intent_at: datetime, no: int, agent_id: str | None, by: By, zone: ZoneInfo) -> str:
    """Which bar an attempt belongs to."""
    local = intent_at.astimezone(zone)
    match by:
        case By.DAY:
            return local.date().isoformat()
        case By.HOUR:
            return str(local.hour)
        case By.AGENT:
            return agent_id or ""
        case By.TRY:
            return str(no)


def span_of_day(day: date, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """The moments a local day lies between."""
    start = datetime(day.year, day.month, day.day, tzinfo=zone)
    following = day + timedelta(days=1)
    return start, datetime(following.year, following.month, following.day, tzinfo=zone)


def over_limit(live: int, abandoned: int, cap: float) -> bool:
    """Whether a campaign has to stop: more abandoned than its cap allows, one alone being no share of anything."""
    return abandoned > max(1.0, cap * live)
