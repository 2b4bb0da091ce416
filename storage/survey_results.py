"""What responses came to, counted in the database: how many ended how, averages, shares and distributions.

A figure counts what the viewer may see, and nothing else. Every figure says of how many answers it speaks.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import Column, ColumnElement, Connection, Text, case, cast, func, select

from access.users import Principal
from crm.surveys.questionnaires import Channel
from crm.surveys.responses import ResponseState
from storage.sight import in_reach
from storage.tables.surveys import response_scores, responses

#: Most lines of one splitting; the ones with the most responses stay.
MOST_LINES: Final = 200


class SplitBy(StrEnum):
    """By what results are set side by side."""

    MODEL = "model"
    ADVISOR = "advisor"
    AGENT = "agent"
    CHANNEL = "channel"
    VERSION = "version"


_COLUMNS: Final[Mapping[SplitBy, Column[Any]]] = {
    SplitBy.MODEL: responses.c.model,
    SplitBy.ADVISOR: responses.c.advisor,
    SplitBy.AGENT: responses.c.begun_by_name,
    SplitBy.CHANNEL: responses.c.channel,
    SplitBy.VERSION: responses.c.version,
}


@dataclass(frozen=True, kw_only=True, slots=True)
class ResultsWanted:
    """Which responses count: those begun from `since` until before `until`."""

    questionnaire: str
    since: datetime
    until: datetime
    version: int | None = None
    channel: Channel | None = None
    model: str | None = None
    advisor: str | None = None
    agent: str | None = None


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


@dataclass(frozen=True, kw_only=True, slots=True)
class QuestionResult:
    """What one question came to; `average` speaks of `scored` answers, `dissatisfied` of `answered`."""

    question: str
    answered: int
    scored: int
    average: float | None
    dissatisfied: int


def _there(
    connection: Connection, viewer: Principal, wanted: ResultsWanted, now: datetime
) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = [
        responses.c.questionnaire == wanted.questionnaire,
        responses.c.begun_at >= wanted.since,
        responses.c.begun_at < wanted.until,
        in_reach(connection, viewer, responses.c.customer_id, now),
    ]
    given: dict[SplitBy, str | int | None] = {
        SplitBy.VERSION: wanted.version,
        SplitBy.CHANNEL: wanted.channel,
        SplitBy.MODEL: wanted.model,
        SplitBy.ADVISOR: wanted.advisor,
        SplitBy.AGENT: wanted.agent,
    }
    conditions += [_COLUMNS[by] == value for by, value in given.items() if value is not None]
    return conditions


def outcomes(
    connection: Connection,
    viewer: Principal,
    wanted: ResultsWanted,
    *,
    by: SplitBy | None = None,
    now: datetime,
) -> list[Outcome]:
    """One line in all, or one per value of `by`, the ones with the most responses first."""

    def count(state: ResponseState) -> ColumnElement[int]:
        return func.coalesce(func.sum(case((responses.c.state == state, 1), else_=0)), 0)

    finished = responses.c.state == ResponseState.FINISHED
    begun = func.count().label("begun")
    statement = select(
        begun,
        count(ResponseState.FINISHED).label("finished"),
        count(ResponseState.BROKEN_OFF).label("broken_off"),
        count(ResponseState.DECLINED).label("declined"),
        func.coalesce(func.sum(case((responses.c.dissatisfied, 1), else_=0)), 0).label("dissatisfied"),
        func.avg(case((finished, responses.c.total))).label("average"),
    ).where(*_there(connection, viewer, wanted, now))
    if by is not None:
        column = _COLUMNS[by]
        statement = (
            statement.add_columns(column.label("of"))
            .group_by(column)
            .order_by(begun.desc(), column)
            .limit(MOST_LINES)
        )
    return [
        Outcome(
            of="" if by is None else str(row["of"]),
            begun=row["begun"],
            finished=row["finished"],
            broken_off=row["broken_off"],
            declined=row["declined"],
            dissatisfied=row["dissatisfied"],
            average=_rounded(row["average"]),
        )
        for row in connection.execute(statement).mappings()
    ]


def question_results(
    connection: Connection, viewer: Principal, wanted: ResultsWanted, *, now: datetime
) -> list[QuestionResult]:
    """Every question that was answered, by its code; of responses that are over."""
    statement = (
        select(
            response_scores.c.question,
            func.count().label("answered"),
            func.count(response_scores.c.score).label("scored"),
            func.avg(response_scores.c.score).label("average"),
            func.sum(case((response_scores.c.dissatisfied, 1), else_=0)).label("dissatisfied"),
        )
        .join(responses, responses.c.id == response_scores.c.response_id)
        .where(*_there(connection, viewer, wanted, now))
        .group_by(response_scores.c.question)
        .order_by(response_scores.c.question)
    )
    return [
        QuestionResult(
            question=row["question"],
            answered=row["answered"],
            scored=row["scored"],
            average=_rounded(row["average"]),
            dissatisfied=row["dissatisfied"],
        )
        for row in connection.execute(statement).mappings()
    ]


def distributions(
    connection: Connection,
    viewer: Principal,
    wanted: ResultsWanted,
    questions: Collection[str],
    *,
    now: datetime,
) -> dict[str, dict[str, int]]:
    """Of each question the answers and how often each was given; several at once count for each of them.

    For choices and scores: what customers wrote in their own words is not counted, it is read.
    """
    body = cast(response_scores.c.body, Text)
    statement = (
        select(response_scores.c.question, body.label("body"), func.count().label("times"))
        .join(responses, responses.c.id == response_scores.c.response_id)
        .where(*_there(connection, viewer, wanted, now), response_scores.c.question.in_(list(questions)))
        .group_by(response_scores.c.question, body)
    )
    found: dict[str, dict[str, int]] = {question: {} for question in questions}
    for question, text, times in connection.execute(statement):
        value = json.loads(text).get("value")
        for one in value if isinstance(value, list) else [value]:
            if one is not None:
                found[question][str(one)] = found[question].get(str(one), 0) + times
    return found


def _rounded(average: float | None) -> float | None:
    return None if average is None else round(float(average), 1)
