"""Pages of survey results: every figure opens its responses, every response its answers."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from aiohttp import web

from access.permissions import Permission
from access.users import Language
from crm.surveys.questionnaires import Channel, Question, QuestionKind
from crm.surveys.results import SMALL_SAMPLE, SplitBy
from web.api.shapes import Cursor
from web.api.survey_results import NONE, BehindQuery, ResultsQuery, Word, asked_of, behind
from web.auth import Signed
from web.bodies import read_query
from web.languages import language_of, text
from web.pages.shell import show
from web.ports.survey_results import ResultsAsked
from web.routes import SERVICES, Route

_SHEETS: Final = ("surveys.css", "groups.css", "reports.css", "survey_results.css")
_WORDS_SHOWN: Final = 20
#: What an empty value of a filter means in the form: everything.
_FILTERS: Final = ("version", "channel", "model", "advisor", "agent")


class ResultsPageQuery(ResultsQuery):
    """As the API's; and words to search for in what was said."""

    search: Word = ""
    cursor: Cursor | None = None


def _asked(request: web.Request, query: ResultsQuery) -> ResultsAsked:
    services = request.app[SERVICES]
    today = services.clock.now().astimezone(ZoneInfo(services.zone)).date()
    return asked_of(request.match_info["questionnaire"], query, today)


def _kept(asked: ResultsAsked, by: SplitBy) -> dict[str, str]:
    """What an address of the same responses says."""
    words = {"first": asked.first.isoformat(), "last": asked.last.isoformat(), "by": by.value}
    for name in _FILTERS:
        value = getattr(asked, name)
        if value is not None:
            words[name] = str(value) or NONE
    return words


def _helpers(request: web.Request, signed: Signed, asked: ResultsAsked, by: SplitBy) -> dict[str, Any]:
    language: Language = signed.session.user.language if signed.session else language_of(request)
    base = f"/surveys/{asked.questionnaire}/results"
    kept = _kept(asked, by)

    def rows_at(line: str | None = None, **more: object) -> str:
        """Where the responses behind a figure are; of one line of the splitting, or of all."""
        return f"{base}/responses?" + urlencode({**narrowed(line), **{k: str(v) for k, v in more.items()}})

    def narrowed(line: str | None) -> dict[str, str]:
        if line is None:
            return kept
        if by is SplitBy.MONTH:
            year, month = (int(part) for part in line.split("-"))
            begins = asked.first.replace(year=year, month=month, day=1)
            ends = (begins + timedelta(days=31)).replace(day=1) - timedelta(days=1)
            return {
                **kept,
                "first": max(begins, asked.first).isoformat(),
                "last": min(ends, asked.last).isoformat(),
            }
        return {**kept, by.value: line or NONE}

    def said(words: Any) -> str:
        return words.get(language) or next(iter(words.values()), "")

    def answer_label(question: Question, answer: str) -> str:
        option = question.option(answer) if question.kind is not QuestionKind.SCORE else None
        return said(option.label) if option else answer

    def line_label(one: str) -> str:
        if by is SplitBy.CHANNEL:
            return text(language, f"surveys.results.channel.{one}")
        if by is SplitBy.VERSION:
            return text(language, "surveys.version_n", version=one)
        return one or text(language, "surveys.results.unknown")

    return {
        "base": base,
        "asked": asked,
        "by": by,
        "kept": kept,
        "rows_at": rows_at,
        "page_at": lambda **more: f"{base}?" + urlencode({**kept, **more}),
        "line_at": lambda line: f"{base}?" + urlencode(narrowed(line)),
        "said": said,
        "answer_label": answer_label,
        "line_label": line_label,
        "splits": list(SplitBy),
        "channels": list(Channel),
        "small": SMALL_SAMPLE,
        "narrowed": {name: kept[name] for name in ("model", "advisor", "agent") if name in kept},
    }


async def show_results(request: web.Request, signed: Signed) -> web.StreamResponse:
    """What a questionnaire came to."""
    services = request.app[SERVICES]
    query = read_query(ResultsPageQuery, request)
    asked = _asked(request, query)
    now = services.clock.now()
    found = await services.survey_results.results(signed.principal, asked, query.by, now)
    words, following = await services.survey_results.verbatims(
        signed.principal, found.wanted, query.search, now, cursor=query.cursor, limit=_WORDS_SHOWN
    )
    return show(
        request,
        signed,
        "surveys/results.html",
        here="surveys",
        sheets=_SHEETS,
        values={
            **_helpers(request, signed, asked, query.by),
            "found": found,
            "words": words,
            "next": following,
            "search": query.search,
        },
    )


async def show_responses(request: web.Request, signed: Signed) -> web.StreamResponse:
    """The responses behind a figure."""
    services = request.app[SERVICES]
    query = read_query(BehindQuery, request)
    asked = _asked(request, query)
    wanted = behind(services.survey_results.wanted(asked), query)
    rows, following = await services.survey_results.responses(
        signed.principal, wanted, services.clock.now(), cursor=query.cursor, limit=query.limit
    )
    own = {
        "state": query.state.value if query.state else "",
        "dissatisfied": "true" if query.dissatisfied else "",
        "question": query.question,
        "answer": query.answer,
        "scored": "true" if query.scored else "",
    }
    helpers = _helpers(request, signed, asked, query.by)
    return show(
        request,
        signed,
        "surveys/result_rows.html",
        here="surveys",
        sheets=_SHEETS,
        values={
            **helpers,
            "rows": rows,
            "next": following,
            "query": query,
            "here_at": helpers["rows_at"](None, **{name: value for name, value in own.items() if value}),
        },
    )


ROUTES = (
    Route(
        method="GET",
        path="/surveys/{questionnaire}/results",
        summary="What a questionnaire came to",
        needs=Permission.SURVEYS_READ,
        page=show_results,
        query=ResultsPageQuery,
        media="text/html",
    ),
    Route(
        method="GET",
        path="/surveys/{questionnaire}/results/responses",
        summary="The responses behind a figure",
        needs=Permission.SURVEYS_READ,
        page=show_responses,
        query=BehindQuery,
        media="text/html",
    ),
)
