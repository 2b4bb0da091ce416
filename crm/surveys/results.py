"""What responses came to: which count, what a figure says, and which questions are weak items."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Final

from crm.surveys.questionnaires import Channel, Question
from crm.surveys.responses import ResponseState

#: Fewer answers than these are marked as a small sample.
SMALL_SAMPLE: Final = 10
#: Fewer responses than these say nothing about satisfaction to whom one of the customers is closed.
SMALL_GROUP: Final = 5
MOST_WEAK: Final = 5


class SplitBy(StrEnum):
    """By what results are set side by side."""

    MONTH = "month"
    MODEL = "model"
    ADVISOR = "advisor"
    AGENT = "agent"
    CHANNEL = "channel"
    VERSION = "version"


@dataclass(frozen=True, kw_only=True, slots=True)
class LinkCounts:
    """Private links made in a period: how many, and how many of them were opened and answered."""

    offered: int
    opened: int
    answered: int


@dataclass(frozen=True, kw_only=True, slots=True)
class ResultsWanted:
    """Which responses count: those begun from `since` until before `until`."""

    questionnaire: str
    since: datetime
    until: datetime
    version: int | None = None
    channel: Channel | None = None
    #: "" is: none recorded.
    model: str | None = None
    advisor: str | None = None
    agent: str | None = None
    state: ResponseState | None = None
    #: Only dissatisfied ones; with `question`, those whose answer to it was.
    dissatisfied: bool = False
    #: Only those whose answer to it counts.
    question: str | None = None
    #: And whose answer was, or contained, this one.
    answer: str | None = None
    #: And whose answer to it has a score.
    scored: bool = False

    @property
    def tells(self) -> bool:
        """Whether being listed says what a customer answered."""
        return self.dissatisfied or self.question is not None


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """How many responses stand where, and what the ended ones came to."""

    #: What the line is about; empty for all together.
    of: str = ""
    begun: int
    finished: int
    broken_off: int
    declined: int
    dissatisfied: int
    #: Mean of the totals of finished ones; None where none has a total.
    average: float | None
    #: Of customers whose record is closed to the viewer.
    closed: int = 0

    @property
    def hidden(self) -> bool:
        """Whether what was answered must not be told: it would be a restricted customer's answer."""
        return bool(self.closed) and self.begun < SMALL_GROUP

    @property
    def response_rate(self) -> float | None:
        """Finished of those begun."""
        return self.finished / self.begun if self.begun else None

    @property
    def dissatisfied_share(self) -> float | None:
        """Dissatisfied of those begun."""
        return self.dissatisfied / self.begun if self.begun else None


@dataclass(frozen=True, kw_only=True, slots=True)
class QuestionResult:
    """What one question came to; `average` speaks of `scored` answers, `dissatisfied` of `answered`."""

    question: str
    answered: int
    scored: int
    average: float | None
    dissatisfied: int


@dataclass(frozen=True, kw_only=True, slots=True)
class ResultRow:
    """A response behind a figure."""

    #: Empty: closed to the viewer.
    id: str
    begun_at: datetime | None
    state: ResponseState | None
    channel: Channel | None
    version: int | None
    name: str
    model: str
    advisor: str
    agent: str
    total: float | None
    dissatisfied: bool
    closed: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Verbatim:
    """What a customer said in his own words."""

    response_id: str
    question: str
    begun_at: datetime
    text: str
    name: str
    model: str
    advisor: str
    dissatisfied: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class WeakItem:
    """A question that pulls the result down."""

    question: str
    average: float
    scored: int
    #: Mean of the other questions; None: there is no other.
    others: float | None
    #: Of the earlier period of equal length, and of how many answers.
    before: float | None
    before_scored: int
    #: Points of the total it costs.
    lost: float

    @property
    def small(self) -> bool:
        """Too few answers to go by."""
        return self.scored < SMALL_SAMPLE

    @property
    def change(self) -> float | None:
        """Against the earlier period."""
        return None if self.before is None else round(self.average - self.before, 1)


def month_edges(first: date, last: date) -> list[date]:
    """The first days of the months from that of `first` to that of `last`."""
    edges = [first.replace(day=1)]
    while (edges[-1].year, edges[-1].month) < (last.year, last.month):
        at = edges[-1]
        edges.append(date(at.year + at.month // 12, at.month % 12 + 1, 1))
    return edges


def weak_items(
    questions: Mapping[str, Question], found: Sequence[QuestionResult], before: Sequence[QuestionResult]
) -> list[WeakItem]:
    """Questions below their own line or below the mean of the others; what costs most points first."""
    weighed = {
        one.question: (one, one.average, questions[one.question].weight)
        for one in found
        if one.average is not None and one.question in questions and questions[one.question].weight > 0
    }
    earlier = {one.question: one for one in before}
    whole = sum(weight for _one, _average, weight in weighed.values())
    items = []
    for code, (one, average, weight) in weighed.items():
        rest = [(other, share) for name, (_, other, share) in weighed.items() if name != code]
        others = (
            sum(other * share for other, share in rest) / sum(share for _, share in rest) if rest else None
        )
        line = questions[code].weak_below
        if not ((line is not None and average < line) or (others is not None and average < others)):
            continue
        old = earlier.get(code)
        items.append(
            WeakItem(
                question=code,
                average=average,
                scored=one.scored,
                others=None if others is None else round(others, 1),
                before=old.average if old else None,
                before_scored=old.scored if old else 0,
                lost=round(weight * (100 - average) / whole, 1),
            )
        )
    return sorted(items, key=lambda item: (-item.lost, item.question))[:MOST_WEAK]
