"""Results of surveys: figures, the responses behind each, and what customers said."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import Field, StringConstraints

from access.permissions import Permission
from crm.surveys.questionnaires import Channel
from crm.surveys.responses import ResponseState
from crm.surveys.results import Outcome, ResultsWanted, SplitBy
from web.api.shapes import Cursor, Size
from web.api.surveys import code_of
from web.ports.survey_results import ResultsAsked, ResultsView
from web.routes import Ask, Nothing, Route, Shape

Word = Annotated[str, StringConstraints(strip_whitespace=True, max_length=64)]
Asked = Annotated[str, StringConstraints(pattern=r"^([a-z][a-z0-9_]{0,31})?$")]
#: In an address: none was recorded.
NONE = "-"
#: Days shown where none are asked for.
_USUAL = 90


class ResultsQuery(Shape):
    """Days of the house, and which responses."""

    first: date | None = Field(None, description="of the house's days; null: 90 days in all")
    last: date | None = Field(None, description="null: today")
    version: Annotated[int, Field(ge=1, le=2**31 - 1)] | Literal[""] = ""
    channel: Channel | Literal[""] = ""
    model: Word = Field("", description="'-': none recorded")
    advisor: Word = Field("", description="'-': none recorded")
    agent: Word = Field("", description="who began it; '-': nobody of the house")
    by: SplitBy = SplitBy.MONTH


class BehindQuery(ResultsQuery):
    """Which responses are behind a figure."""

    state: ResponseState | None = None
    dissatisfied: bool = Field(False, description="with a question: whose answer to it was")
    question: Asked = ""
    answer: Word = ""
    scored: bool = False
    cursor: Cursor | None = None
    limit: Size = 50


class VerbatimsQuery(ResultsQuery):
    """Which words."""

    search: Word = ""
    cursor: Cursor | None = None
    limit: Size = 50


class OutcomeOut(Shape):
    of: str
    begun: int
    finished: int
    broken_off: int
    declined: int
    dissatisfied: int | None = Field(description="null: it would be a restricted customer's answer")
    average: float | None
    response_rate: float | None = Field(description="finished of those begun")


class DistributionOut(Shape):
    answer: str
    count: int


class QuestionOut(Shape):
    question: str
    label: dict[str, str]
    answered: int
    scored: int
    average: float | None
    dissatisfied: int
    distribution: list[DistributionOut]


class WeakOut(Shape):
    question: str
    average: float
    scored: int
    small: bool = Field(description="fewer than 10 answers")
    others: float | None
    before: float | None
    before_scored: int
    lost: float = Field(description="points of the total it costs")


class LinksOut(Shape):
    offered: int
    opened: int
    answered: int


class ResultsOut(Shape):
    """Figures of a period; `before` is the earlier period of equal length."""

    since: datetime
    until: datetime
    whole: OutcomeOut
    before: OutcomeOut
    lines: list[OutcomeOut]
    questions: list[QuestionOut]
    weak: list[WeakOut]
    links: LinksOut = Field(description="private links made in the period")


class BehindOut(Shape):
    id: str | None = Field(description="null: the record is closed to you")
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
    closed: bool


class BehindPageOut(Shape):
    items: list[BehindOut]
    next: str | None


class VerbatimOut(Shape):
    response_id: str
    question: str
    begun_at: datetime
    text: str
    name: str
    model: str
    advisor: str
    dissatisfied: bool


class VerbatimsOut(Shape):
    items: list[VerbatimOut]
    next: str | None


def asked_of(code: str, query: ResultsQuery, today: date) -> ResultsAsked:
    """What an address asks for."""
    last = query.last or max(today, query.first or today)
    first = query.first or (last - timedelta(days=_USUAL - 1) if last.year > 1990 else last)
    return ResultsAsked(
        questionnaire=code_of(code),
        first=first,
        last=last,
        version=query.version or None,
        channel=query.channel or None,
        model=_word(query.model),
        advisor=_word(query.advisor),
        agent=_word(query.agent),
    )


def _word(given: str) -> str | None:
    return "" if given == NONE else given or None


def behind(wanted: ResultsWanted, query: BehindQuery) -> ResultsWanted:
    """The same with what the figure counts."""
    words = {name: getattr(wanted, name) for name in wanted.__slots__}
    words |= {
        "state": query.state,
        "dissatisfied": query.dissatisfied,
        "question": query.question or None,
        "answer": (query.answer or None) if query.question else None,
        "scored": query.scored,
    }
    return ResultsWanted(**words)


def _asked(ask: Ask[Any, Nothing]) -> ResultsAsked:
    services = ask.services
    today = services.clock.now().astimezone(ZoneInfo(services.zone)).date()
    return asked_of(ask.path["questionnaire"], ask.query, today)


def _outcome(one: Outcome) -> OutcomeOut:
    return OutcomeOut(
        of=one.of,
        begun=one.begun,
        finished=one.finished,
        broken_off=one.broken_off,
        declined=one.declined,
        dissatisfied=None if one.hidden else one.dissatisfied,
        average=None if one.hidden else one.average,
        response_rate=one.response_rate,
    )


def _out(found: ResultsView) -> ResultsOut:
    return ResultsOut(
        since=found.wanted.since,
        until=found.wanted.until,
        whole=_outcome(found.whole),
        before=_outcome(found.before),
        links=LinksOut.model_validate(found.links),
        lines=[_outcome(one) for one in found.lines],
        questions=[
            QuestionOut(
                question=code,
                label=dict(one.text.items()),
                answered=found.results[code].answered,
                scored=found.results[code].scored,
                average=found.results[code].average,
                dissatisfied=found.results[code].dissatisfied,
                distribution=[
                    DistributionOut(answer=answer, count=count)
                    for answer, count in found.distributions.get(code, {}).items()
                ],
            )
            for code, one in found.questions.items()
            if code in found.results
        ],
        weak=[WeakOut(**{name: getattr(one, name) for name in WeakOut.model_fields}) for one in found.weak],
    )


async def results(ask: Ask[ResultsQuery, Nothing]) -> ResultsOut:
    """Figures of the responses begun in the period."""
    services = ask.services
    return _out(
        await services.survey_results.results(ask.by, _asked(ask), ask.query.by, services.clock.now())
    )


async def responses(ask: Ask[BehindQuery, Nothing]) -> BehindPageOut:
    """As many as the figure says, the newest first."""
    services = ask.services
    wanted = behind(services.survey_results.wanted(_asked(ask)), ask.query)
    rows, following = await services.survey_results.responses(
        ask.by, wanted, services.clock.now(), cursor=ask.query.cursor, limit=ask.query.limit
    )
    names = [name for name in BehindOut.model_fields if name != "id"]
    return BehindPageOut(
        items=[BehindOut(id=row.id or None, **{name: getattr(row, name) for name in names}) for row in rows],
        next=following,
    )


async def verbatims(ask: Ask[VerbatimsQuery, Nothing]) -> VerbatimsOut:
    """What customers said in their own words; `limit` counts responses."""
    services = ask.services
    found, following = await services.survey_results.verbatims(
        ask.by,
        services.survey_results.wanted(_asked(ask)),
        ask.query.search,
        services.clock.now(),
        cursor=ask.query.cursor,
        limit=ask.query.limit,
    )
    return VerbatimsOut(
        items=[
            VerbatimOut(**{name: getattr(one, name) for name in VerbatimOut.model_fields}) for one in found
        ],
        next=following,
    )


_RESULTS = "/api/v1/questionnaires/{questionnaire}/results"
ROUTES = (
    Route(
        method="GET",
        path=_RESULTS,
        summary="What a questionnaire came to",
        needs=Permission.SURVEYS_READ,
        json=results,
        query=ResultsQuery,
        answer=ResultsOut,
        errors=("questionnaire-not-found", "bad-report"),
        tag="surveys",
    ),
    Route(
        method="GET",
        path=f"{_RESULTS}/responses",
        summary="The responses behind a figure",
        needs=Permission.SURVEYS_READ,
        json=responses,
        query=BehindQuery,
        answer=BehindPageOut,
        errors=("questionnaire-not-found", "bad-report", "bad-cursor"),
        tag="surveys",
    ),
    Route(
        method="GET",
        path=f"{_RESULTS}/verbatims",
        summary="What customers said in their own words",
        needs=Permission.SURVEYS_READ,
        json=verbatims,
        query=VerbatimsQuery,
        answer=VerbatimsOut,
        errors=("questionnaire-not-found", "bad-report", "bad-cursor"),
        tag="surveys",
    ),
)
