"""What the pages and API of survey results need.

Every figure counts the rows that `responses` gives for the same `ResultsWanted`, as this viewer may see them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Protocol

from access.users import Principal
from crm.surveys.questionnaires import Channel, Question
from crm.surveys.results import (
    LinkCounts,
    Outcome,
    QuestionResult,
    ResultRow,
    ResultsWanted,
    SplitBy,
    Verbatim,
    WeakItem,
)


@dataclass(frozen=True, kw_only=True, slots=True)
class ResultsAsked:
    """A questionnaire, days of the house, and which responses."""

    questionnaire: str
    first: date
    last: date
    version: int | None = None
    channel: Channel | None = None
    model: str | None = None
    advisor: str | None = None
    agent: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class ResultsView:
    """All figures of a period."""

    label: Mapping[str, str]
    wanted: ResultsWanted
    whole: Outcome
    #: The earlier period of equal length.
    before: Outcome
    before_first: date
    before_last: date
    by: SplitBy
    lines: Sequence[Outcome]
    #: In the order they are asked, as the newest version that has them says them.
    questions: Mapping[str, Question]
    #: None of them where the group is too small to tell.
    results: Mapping[str, QuestionResult]
    #: Of choices and scores: answer to how often, in the order of the question.
    distributions: Mapping[str, Mapping[str, int]]
    weak: Sequence[WeakItem]
    versions: Sequence[int]
    #: Of the period; none where only another channel is asked for.
    links: LinkCounts


class SurveyResults(Protocol):
    """What surveys came to."""

    def wanted(self, asked: ResultsAsked) -> ResultsWanted:
        """The same between two moments. Raises BadReport."""

    async def results(
        self, viewer: Principal, asked: ResultsAsked, by: SplitBy, now: datetime
    ) -> ResultsView:
        """Raises QuestionnaireNotFound, BadReport."""

    async def responses(
        self, viewer: Principal, wanted: ResultsWanted, now: datetime, *, cursor: str | None, limit: int
    ) -> tuple[Sequence[ResultRow], str | None]:
        """The rows behind a figure, the newest first. Raises QuestionnaireNotFound, BadCursor."""

    async def verbatims(
        self,
        viewer: Principal,
        wanted: ResultsWanted,
        search: str,
        now: datetime,
        *,
        cursor: str | None,
        limit: int,
    ) -> tuple[Sequence[Verbatim], str | None]:
        """What customers said; `limit` counts responses. Raises QuestionnaireNotFound, BadCursor."""
