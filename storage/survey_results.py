"""What responses came to, counted in the database: how many ended how, averages, shares and distributions.

A figure counts what the viewer may see, and nothing else. Every figure says of how many answers it speaks.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Text,
    and_,
    case,
    cast,
    exists,
    func,
    literal,
    not_,
    or_,
    select,
)

from access.masking import mask_name, mask_text
from access.users import Principal
from crm.surveys.offers import OVER
from crm.surveys.questionnaires import Channel
from crm.surveys.responses import ResponseState
from crm.surveys.results import (
    LinkCounts,
    Outcome,
    QuestionResult,
    ResultRow,
    ResultsWanted,
    SplitBy,
    Verbatim,
)
from storage.sight import in_reach, may_open
from storage.tables.links import links
from storage.tables.records import customers
from storage.tables.surveys import response_answers, response_scores, responses, survey_offers

#: Most lines of one splitting; the ones with the most responses stay.
MOST_LINES: Final = 200


_COLUMNS: Final[Mapping[SplitBy, Column[Any]]] = {
    SplitBy.MODEL: responses.c.model,
    SplitBy.ADVISOR: responses.c.advisor,
    SplitBy.AGENT: responses.c.begun_by_name,
    SplitBy.CHANNEL: responses.c.channel,
    SplitBy.VERSION: responses.c.version,
}

#: An answer as it is stored.
_BODY: Final = cast(response_scores.c.body, Text)


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
    if wanted.state is not None:
        conditions.append(responses.c.state == wanted.state)
    if wanted.question is None:
        return [*conditions, responses.c.dissatisfied] if wanted.dissatisfied else conditions
    which = [
        response_scores.c.response_id == responses.c.id,
        response_scores.c.question == wanted.question,
    ]
    if wanted.dissatisfied:
        which.append(response_scores.c.dissatisfied)
    if wanted.scored:
        which.append(response_scores.c.score.is_not(None))
    if wanted.answer is not None:
        which.append(_BODY.in_(_bodies(connection, conditions, wanted.question, wanted.answer)))
    return [*conditions, exists().where(*which).correlate(responses)]


def _bodies(
    connection: Connection, conditions: Collection[ColumnElement[bool]], question: str, answer: str
) -> list[str]:
    """The stored forms of answers that are, or contain, this one."""
    statement = (
        select(_BODY)
        .distinct()
        .join(responses, responses.c.id == response_scores.c.response_id)
        .where(*conditions, response_scores.c.question == question)
    )
    return [body for body in connection.execute(statement).scalars() if answer in _chosen(body)]


def _chosen(body: str) -> list[str]:
    value = json.loads(body).get("value")
    return [str(one) for one in (value if isinstance(value, list) else [value]) if one is not None]


def _open(connection: Connection, viewer: Principal, now: datetime) -> ColumnElement[bool]:
    """For a statement over `responses`: of nobody, or of a customer whose record is open to the viewer."""
    opened = exists().where(customers.c.id == responses.c.customer_id, may_open(connection, viewer, now))
    return or_(responses.c.customer_id.is_(None), opened.correlate(responses))


def outcomes(
    connection: Connection,
    viewer: Principal,
    wanted: ResultsWanted,
    *,
    by: SplitBy | None = None,
    months: Collection[tuple[str, datetime]] = (),
    now: datetime,
) -> list[Outcome]:
    """One line in all, or one per value of `by`, the ones with the most responses first.

    `months` says when each month begins, in order; months come in order, those without a response are left out.
    """

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
        func.coalesce(func.sum(case((_open(connection, viewer, now), 0), else_=1)), 0).label("closed"),
    ).where(*_there(connection, viewer, wanted, now))
    if by is SplitBy.MONTH:
        month = case(
            *((responses.c.begun_at >= begins, literal(name)) for name, begins in reversed(list(months))),
            else_=literal(""),
        )
        inner = select(responses.c.id, month.label("month")).where(*_there(connection, viewer, wanted, now))
        named = inner.subquery()
        statement = (
            statement.add_columns(named.c.month.label("of"))
            .join_from(responses, named, named.c.id == responses.c.id)
            .group_by(named.c.month)
            .order_by(named.c.month)
        )
    elif by is not None:
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
            closed=row["closed"],
        )
        for row in connection.execute(statement).mappings()
    ]


def link_counts(
    connection: Connection, viewer: Principal, wanted: ResultsWanted, *, now: datetime
) -> LinkCounts:
    """What became of the links of this questionnaire that were made in the period; one that was taken back before
    anybody opened it was not offered.
    """
    over = or_(links.c.used_at.is_not(None), responses.c.state.in_(OVER))
    row = connection.execute(
        select(
            func.count().label("offered"),
            func.coalesce(func.sum(case((links.c.opened_at.is_not(None), 1), else_=0)), 0).label("opened"),
            func.coalesce(func.sum(case((over, 1), else_=0)), 0).label("answered"),
        )
        .select_from(survey_offers)
        .join(links, links.c.id == survey_offers.c.link_id)
        .outerjoin(responses, responses.c.id == survey_offers.c.response_id)
        .where(
            survey_offers.c.questionnaire == wanted.questionnaire,
            links.c.made_at >= wanted.since,
            links.c.made_at < wanted.until,
            or_(links.c.revoked_at.is_(None), links.c.opened_at.is_not(None)),
            in_reach(connection, viewer, survey_offers.c.customer_id, now),
        )
    ).one()
    return LinkCounts(offered=row.offered, opened=row.opened, answered=row.answered)


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
    statement = (
        select(response_scores.c.question, _BODY.label("body"), func.count().label("times"))
        .join(responses, responses.c.id == response_scores.c.response_id)
        .where(*_there(connection, viewer, wanted, now), response_scores.c.question.in_(list(questions)))
        .group_by(response_scores.c.question, _BODY)
    )
    found: dict[str, dict[str, int]] = {question: {} for question in questions}
    for question, text, times in connection.execute(statement):
        for one in _chosen(text):
            found[question][one] = found[question].get(one, 0) + times
    return found


def list_responses(
    connection: Connection,
    viewer: Principal,
    wanted: ResultsWanted,
    *,
    after: tuple[datetime, str] | None = None,
    limit: int,
    now: datetime,
) -> tuple[list[ResultRow], tuple[datetime, str] | None]:
    """The responses behind a figure, the newest first, and where the next page begins.

    Of a customer whose record is closed a masked name is shown; nothing at all where being listed tells an answer.
    """
    opened = _open(connection, viewer, now)
    statement = (
        select(responses, customers.c.name, opened.label("opened"))
        .join_from(responses, customers, customers.c.id == responses.c.customer_id, isouter=True)
        .where(*_there(connection, viewer, wanted, now), *_before(after))
        .order_by(responses.c.begun_at.desc(), responses.c.id.desc())
        .limit(limit + 1)
    )
    if wanted.tells and _whole(connection, viewer, wanted, now).hidden:
        statement = statement.where(opened)
    found = connection.execute(statement).mappings().all()
    rows = [
        _unknown_row()
        if not row["opened"] and wanted.tells
        else ResultRow(
            id=row["id"] if row["opened"] else "",
            begun_at=row["begun_at"],
            state=ResponseState(row["state"]),
            channel=Channel(row["channel"]),
            version=row["version"],
            name=_name(viewer, row["name"], opened=row["opened"]),
            model=row["model"] if row["opened"] else "",
            advisor=row["advisor"],
            agent=row["begun_by_name"],
            total=row["total"] if row["opened"] else None,
            dissatisfied=row["dissatisfied"] and bool(row["opened"]),
            closed=not row["opened"],
        )
        for row in found[:limit]
    ]
    last = found[limit - 1] if len(found) > limit else None
    return rows, (last["begun_at"], last["id"]) if last is not None else None


def _whole(connection: Connection, viewer: Principal, wanted: ResultsWanted, now: datetime) -> Outcome:
    """The group a figure speaks of, whatever was answered."""
    group = replace(wanted, state=None, dissatisfied=False, question=None, answer=None, scored=False)
    return outcomes(connection, viewer, group, now=now)[0]


def _unknown_row() -> ResultRow:
    return ResultRow(
        id="",
        begun_at=None,
        state=None,
        channel=None,
        version=None,
        name="",
        model="",
        advisor="",
        agent="",
        total=None,
        dissatisfied=False,
        closed=True,
    )


def _name(viewer: Principal, name: str | None, *, opened: bool) -> str:
    return (name or "") if opened and viewer.sees_names else mask_name(name or "")


def _before(after: tuple[datetime, str] | None) -> list[ColumnElement[bool]]:
    if after is None:
        return []
    at, last = after
    return [
        or_(responses.c.begun_at < at, and_(responses.c.begun_at == at, responses.c.id < last)),
    ]


def verbatims(
    connection: Connection,
    viewer: Principal,
    wanted: ResultsWanted,
    texts: Collection[str],
    *,
    search: str = "",
    after: tuple[datetime, str] | None = None,
    limit: int,
    now: datetime,
) -> tuple[list[Verbatim], tuple[datetime, str] | None]:
    """What customers said: answers to the questions `texts`, and the words written down beside others.

    Only of records that are open. Pages end with a response, so that none is torn: `limit` counts responses.
    Who may not read telephone numbers finds nothing by digits.
    """
    if not viewer.sees_numbers and any(one.isdigit() for one in search):
        return [], None
    newer = response_answers.alias()
    newest = not_(
        exists()
        .where(
            newer.c.response_id == response_answers.c.response_id,
            newer.c.question == response_answers.c.question,
            newer.c.seq > response_answers.c.seq,
        )
        .correlate(response_answers)
    )
    value = response_scores.c.body["value"].as_string()
    written = response_scores.c.question.in_(list(texts))
    either = or_(response_answers.c.words != "", written)
    if search:
        either = or_(
            response_answers.c.words.icontains(search, autoescape=True),
            and_(written, value.icontains(search, autoescape=True)),
        )
    source = response_scores.join(
        response_answers,
        and_(
            response_answers.c.response_id == response_scores.c.response_id,
            response_answers.c.question == response_scores.c.question,
        ),
    )
    conditions = [*_there(connection, viewer, wanted, now), _open(connection, viewer, now)]
    said = exists(
        select(literal(1))
        .select_from(source)
        .where(response_scores.c.response_id == responses.c.id, newest, either)
        .correlate(responses)
    )
    heads = connection.execute(
        select(responses.c.id, responses.c.begun_at)
        .where(*conditions, *_before(after), said)
        .order_by(responses.c.begun_at.desc(), responses.c.id.desc())
        .limit(limit + 1)
    ).all()
    shown = [row.id for row in heads[:limit]]
    rows = connection.execute(
        select(
            responses.c.id,
            responses.c.begun_at,
            responses.c.model,
            responses.c.advisor,
            response_scores.c.question,
            response_scores.c.dissatisfied,
            response_answers.c.words,
            written.label("written"),
            value.label("value"),
            customers.c.name,
        )
        .select_from(
            source.join(responses, responses.c.id == response_scores.c.response_id).outerjoin(
                customers, customers.c.id == responses.c.customer_id
            )
        )
        .where(responses.c.id.in_(shown), newest, either)
        .order_by(responses.c.begun_at.desc(), responses.c.id.desc(), response_answers.c.seq)
    )
    found = []
    for row in rows:
        text = "\n".join(one for one in (row.value if row.written else "", row.words) if one)
        found.append(
            Verbatim(
                response_id=row.id,
                question=row.question,
                begun_at=row.begun_at,
                text=text if viewer.sees_numbers else mask_text(text),
                name=_name(viewer, row.name, opened=True),
                model=row.model,
                advisor=row.advisor,
                dissatisfied=row.dissatisfied,
            )
        )
    last = heads[limit - 1] if len(heads) > limit else None
    return found, (last.begun_at, last.id) if last is not None else None


def _rounded(average: float | None) -> float | None:
    return None if average is None else round(float(average), 1)
