"""`web.ports.survey_results.SurveyResults` over the database."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from access.users import Principal
from crm.definitions import BadDefinition, read
from crm.reports.rows import BadReport, day_bounds
from crm.surveys.questionnaires import Channel, Question, QuestionKind, Questionnaire
from crm.surveys.results import (
    LinkCounts,
    Outcome,
    QuestionResult,
    ResultRow,
    ResultsWanted,
    SplitBy,
    Verbatim,
    month_edges,
    weak_items,
)
from crm.surveys.states import VersionRow
from storage import questionnaires, survey_results
from storage.database import Database
from storage.report_rows import read_cursor
from web.ports.survey_results import ResultsAsked, ResultsView

#: Longest period, in days.
_LONGEST = 3 * 366
_COUNTED = (QuestionKind.CHOICE, QuestionKind.SEVERAL, QuestionKind.SCORE)


class SurveyResultBook:
    """What surveys came to."""

    def __init__(self, database: Database, zone: ZoneInfo) -> None:
        self._database = database
        self._zone = zone

    def wanted(self, asked: ResultsAsked) -> ResultsWanted:
        known = asked.first.year >= 1990 and asked.last.year < 2200
        if not known or asked.last < asked.first or (asked.last - asked.first).days >= _LONGEST:
            raise BadReport("Choose a period of at most three years that ends after it begins.")
        since, until = day_bounds(asked.first, asked.last, self._zone)
        return ResultsWanted(
            questionnaire=asked.questionnaire,
            since=since,
            until=until,
            version=asked.version,
            channel=asked.channel,
            model=asked.model,
            advisor=asked.advisor,
            agent=asked.agent,
        )

    async def results(
        self, viewer: Principal, asked: ResultsAsked, by: SplitBy, now: datetime
    ) -> ResultsView:
        wanted = self.wanted(asked)
        length = asked.last - asked.first + timedelta(days=1)
        earlier = replace(asked, first=asked.first - length, last=asked.first - timedelta(days=1))
        since, until = day_bounds(earlier.first, earlier.last, self._zone)
        before = replace(wanted, since=since, until=until)

        def work(connection: Connection) -> ResultsView:
            versions = questionnaires.versions_of(connection, asked.questionnaire)
            questions = _questions(versions)
            whole = survey_results.outcomes(connection, viewer, wanted, now=now)[0]
            old = survey_results.outcomes(connection, viewer, before, now=now)[0]
            lines = survey_results.outcomes(
                connection, viewer, wanted, by=by, months=self._months(asked), now=now
            )
            found = _told(connection, viewer, wanted, whole, now)
            counted = [code for code in found if code in questions and questions[code].kind in _COUNTED]
            given = survey_results.distributions(connection, viewer, wanted, counted, now=now)
            return ResultsView(
                label=versions[0].label,
                wanted=wanted,
                whole=whole,
                before=old,
                before_first=earlier.first,
                before_last=earlier.last,
                by=by,
                lines=lines,
                questions=questions,
                results=found,
                distributions={code: _ordered(questions[code], times) for code, times in given.items()},
                weak=weak_items(
                    questions,
                    list(found.values()),
                    list(_told(connection, viewer, before, old, now).values()),
                ),
                versions=[one.version for one in versions],
                links=survey_results.link_counts(connection, viewer, wanted, now=now)
                if asked.channel in (None, Channel.WEB)
                else LinkCounts(offered=0, opened=0, answered=0),
            )

        return await self._database.read(work)

    def _months(self, asked: ResultsAsked) -> list[tuple[str, datetime]]:
        return [
            (edge.strftime("%Y-%m"), datetime.combine(edge, time(), self._zone))
            for edge in month_edges(asked.first, asked.last)
        ]

    async def responses(
        self, viewer: Principal, wanted: ResultsWanted, now: datetime, *, cursor: str | None, limit: int
    ) -> tuple[Sequence[ResultRow], str | None]:
        after = read_cursor(cursor) if cursor is not None else None

        def work(connection: Connection) -> tuple[list[ResultRow], str | None]:
            questionnaires.versions_of(connection, wanted.questionnaire)
            rows, following = survey_results.list_responses(
                connection, viewer, wanted, after=after, limit=limit, now=now
            )
            return rows, _cursor(following)

        return await self._database.read(work)

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
        after = read_cursor(cursor) if cursor is not None else None

        def work(connection: Connection) -> tuple[list[Verbatim], str | None]:
            questions = _questions(questionnaires.versions_of(connection, wanted.questionnaire))
            texts = [code for code, one in questions.items() if one.kind is QuestionKind.TEXT]
            found, following = survey_results.verbatims(
                connection, viewer, wanted, texts, search=search, after=after, limit=limit, now=now
            )
            return found, _cursor(following)

        return await self._database.read(work)


def _cursor(place: tuple[datetime, str] | None) -> str | None:
    return None if place is None else f"{place[0].isoformat()}~{place[1]}"


def _told(
    connection: Connection, viewer: Principal, wanted: ResultsWanted, whole: Outcome, now: datetime
) -> dict[str, QuestionResult]:
    if whole.hidden:
        return {}
    return {one.question: one for one in survey_results.question_results(connection, viewer, wanted, now=now)}


def _questions(versions: Sequence[VersionRow]) -> dict[str, Question]:
    """Every question ever asked, as the newest version that has it says it; drafts come last."""
    found: dict[str, Question] = {}
    for row in sorted(versions, key=lambda one: (one.state.value in ("draft", "submitted"), -one.version)):
        try:
            questionnaire = read(Questionnaire, row.body)
        except BadDefinition:
            continue
        for one in questionnaire.questions:
            found.setdefault(one.code, one)
    return found


def _ordered(question: Question, times: Mapping[str, int]) -> dict[str, int]:
    """Every answer of the question in its order, also those nobody gave; then those it no longer has."""
    if question.kind is QuestionKind.SCORE:
        least, most = int(question.least or 0), int(question.most or 0)
        known = [str(one) for one in range(least, most + 1)]
    else:
        known = [one.code for one in question.options]
    return {
        **{one: times.get(one, 0) for one in known},
        **{one: n for one, n in times.items() if one not in known},
    }
