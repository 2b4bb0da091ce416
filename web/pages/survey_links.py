"""The customer's own page of a survey, behind a private link: no account, plain forms, phone first.

The first page has one button: what a message app fetches to show a preview begins nothing. Whoever presses it binds
the link to his browser by a cookie that was set with the first page, so that a request sent twice, or an answer lost
on the way, leaves nobody locked out. Each answer is kept when it is given.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Any, Final
from urllib.parse import quote, urlencode
from zoneinfo import ZoneInfo

from aiohttp import web

from access.tokens import hash_secret, make_secret
from access.users import LANGUAGES, Language
from crm.links.links import LinkElsewhere, LinkError, LinkNotFound
from crm.surveys.offers import VisitState
from crm.surveys.questionnaires import Question, QuestionKind
from crm.surveys.responses import (
    BadAnswer,
    QuestionnaireNotFound,
    ResponseChanged,
    ResponseIncomplete,
    ResponseOver,
)
from web.auth import address_of, check_same_origin, is_secure
from web.bodies import read_body, read_form
from web.languages import LANGUAGE_COOKIE, language_of, text
from web.link_visits import LINK_VISITS, cookie_name
from web.pages.rendering import render
from web.ports.survey_links import SurveyVisit
from web.problems import Refused
from web.refusals import said
from web.routes import SERVICES, Route

_COOKIE: Final = cookie_name("survey")
_BODY: Final = 64_000
_YEAR: Final = 365 * 24 * 3600
_SHORTEST_COOKIE: Final = 32
_LONGEST_COOKIE: Final = 100
_LONGEST_CODE: Final = 32
#: A score of more steps than this is typed.
_MOST_STEPS: Final = 21
#: What a message puts behind an address and a telephone takes for a part of it.
_BEHIND: Final = "。，、；：！？）】》”’.,;:!?)]>\"' "
#: Answers that stand on one page with the button.
_PICK: Final = "pick-"


async def show_link(request: web.Request) -> web.StreamResponse:
    """The first page, the question that is next, the answers to look through, or the thanks."""
    token = request.match_info["token"]
    if (clean := token.rstrip(_BEHIND)) != token and clean:
        return _private(web.Response(status=303, headers={"Location": f"/l/survey/{quote(clean, safe='')}"}))
    chosen = request.query.get("language", "")
    if chosen in LANGUAGES:
        wanted = {name: request.query[name] for name in ("q", "look") if request.query.get(name)}
        answer = web.Response(status=303, headers={"Location": _to(request, **wanted)})
        answer.set_cookie(LANGUAGE_COOKIE, chosen, max_age=_YEAR, samesite="Lax", httponly=True, path="/")
        return _private(answer)
    return await _guarded(request, _show)


async def post_link(request: web.Request) -> web.StreamResponse:
    """The button of the first page, an answer, the end, or a no."""
    check_same_origin(request, request.app[SERVICES].options)
    return await _guarded(request, _post)


async def _guarded(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """One way out for links that open nothing here, and for those who knock too often."""
    services = request.app[SERVICES]
    wait = request.app[LINK_VISITS].knock_at(
        address_of(request, services.options), _cookie(request), request.match_info["token"]
    )
    if wait:
        response = _plain(request, "busy", 429, wait=wait)
        response.headers["Retry-After"] = str(wait)
        return response
    try:
        return _private(await handler(request))
    except LinkElsewhere:
        return _plain(request, "elsewhere", 403)
    except (LinkError, QuestionnaireNotFound) as error:
        return _plain(request, "gone", 404 if isinstance(error, LinkNotFound) else 410)


def _private(response: web.StreamResponse) -> web.StreamResponse:
    response.headers["X-Robots-Tag"] = "noindex, nofollow, noarchive"
    response.headers["Cache-Control"] = "no-store"
    return response


def _plain(request: web.Request, name: str, status: int, **values: object) -> web.StreamResponse:
    """A page that says one thing and tells nobody anything about the survey."""
    return _private(_render(request, language_of(request), "surveys/link_plain.html", status, name, values))


def _render(
    request: web.Request,
    language: Language,
    template: str,
    status: int,
    name: str,
    more: Mapping[str, object],
) -> web.Response:
    services = request.app[SERVICES]
    return render(
        template,
        language=language,
        dealership=services.dealership,
        status=status,
        path=request.path,
        phone=services.survey_links.phone,
        name=name,
        more=more,
        keeps={key: request.query[key] for key in ("q", "look") if request.query.get(key)},
    )


# -- the browser --------------------------------------------------------------------------------------


def _cookie(request: web.Request) -> str:
    given = request.cookies.get(_COOKIE, "")
    return given if _SHORTEST_COOKIE <= len(given) <= _LONGEST_COOKIE else ""


def _browser(request: web.Request) -> str:
    """The hash of the visitor's cookie; empty where he has none: it fits no link."""
    cookie = _cookie(request)
    return hash_secret(cookie) if cookie else ""


def _set_cookie(request: web.Request, response: web.StreamResponse, visit: SurveyVisit, cookie: str) -> None:
    services = request.app[SERVICES]
    left = visit.expires_at - services.clock.now()
    response.set_cookie(
        _COOKIE,
        cookie,
        max_age=max(1, int(left.total_seconds())),
        path=request.path,
        httponly=True,
        samesite="Lax",
        secure=is_secure(request, services.options),
    )


def _tongue(request: web.Request, visit: SurveyVisit) -> Language:
    """What the customer chose, else what his record says, else what his browser asks for."""
    if request.cookies.get(LANGUAGE_COOKIE) in LANGUAGES or visit.language is None:
        return language_of(request)
    return visit.language


def _to(request: web.Request, **query: str) -> str:
    return f"{request.path}?{urlencode(query)}" if query else request.path


# -- showing ------------------------------------------------------------------------------------------


async def _show(request: web.Request) -> web.StreamResponse:
    services = request.app[SERVICES]
    token, browser = request.match_info["token"], _browser(request)
    visit = await services.survey_links.visit(token, browser, services.clock.now())
    if visit.state is VisitState.ASKING:
        request.app[LINK_VISITS].know(_cookie(request), token)
    return _page(
        request, visit, asked=request.query.get("q", "")[:_LONGEST_CODE], look=request.query.get("look", "")
    )


def _page(
    request: web.Request,
    visit: SurveyVisit,
    *,
    asked: str = "",
    look: str = "",
    trouble: str = "",
    typed: Mapping[str, str] | None = None,
    status: int = 200,
) -> web.StreamResponse:
    language = _tongue(request, visit)
    if visit.state is not VisitState.ASKING:
        zone = ZoneInfo(request.app[SERVICES].zone)
        values = {
            "visit": visit,
            "label": _say(visit.questionnaire.label, language),
            "until": visit.expires_at.astimezone(zone),
            "trouble": trouble,
        }
        response = _render(request, language, "surveys/link_plain.html", status, visit.state.value, values)
        if visit.state is VisitState.BEGIN and not _cookie(request):
            # Before anything is sent: an answer lost on the way locks nobody out.
            _set_cookie(request, response, visit, make_secret())
        return response
    code = asked if asked in visit.path else ("" if look else visit.next)
    if not code:
        return _looking(request, visit, language, trouble, status)
    question = visit.questionnaire.question(code)
    assert question is not None  # of the path
    place = list(visit.path).index(code)
    values = {
        "visit": visit,
        "question": question,
        "title": _say(visit.texts[code], language),
        "say": lambda words: _say(words, language),
        "kind": _kind(question),
        "steps": _steps(question),
        "given": _given(question, visit.values.get(code), typed),
        "answered": code in visit.values,
        "number": place + 1,
        "all": len(visit.path),
        "done": sum(1 for one in visit.path if one in visit.values),
        "before": visit.path[place - 1] if place else "",
        "look": bool(look) or not visit.next,
        "salutation": visit.salutation.get(language, "") if place == 0 else "",
        "trouble": trouble,
        "phone": request.app[SERVICES].survey_links.phone,
    }
    return _render(request, language, "surveys/link_question.html", status, "asking", values)


def _looking(
    request: web.Request, visit: SurveyVisit, language: Language, trouble: str, status: int
) -> web.StreamResponse:
    """Everything that was answered, to be looked through and sent."""
    lines = [
        {
            "code": code,
            "title": _say(visit.texts[code], language),
            "given": _say(visit.shown.get(code, {}), language),
            "missing": code in visit.missing,
            "answered": code in visit.values,
        }
        for code in visit.path
    ]
    values = {
        "visit": visit,
        "lines": lines,
        "trouble": trouble,
        "ready": not visit.missing,
        "open": visit.next,
    }
    return _render(request, language, "surveys/link_look.html", status, "look", values)


def _say(words: Mapping[Any, str], language: Language) -> str:
    return words.get(language) or next(iter(words.values()), "")


def _kind(question: Question) -> str:
    """How it is asked: a score of many steps is typed like a number."""
    if question.kind is QuestionKind.SCORE and not _steps(question):
        return QuestionKind.NUMBER.value
    return question.kind.value


def _steps(question: Question) -> list[int]:
    if question.kind is not QuestionKind.SCORE or question.least is None or question.most is None:
        return []
    found = list(range(int(question.least), int(question.most) + 1))
    return found if len(found) <= _MOST_STEPS else []


def _given(question: Question, value: object, typed: Mapping[str, str] | None) -> list[str]:
    """What stands in the fields: what was just typed and refused, else what is kept."""
    if typed is not None:
        if question.kind is QuestionKind.SEVERAL:
            return [name.removeprefix(_PICK) for name in typed if name.startswith(_PICK)]
        return [typed["value"]] if typed.get("value") else []
    if value is None:
        return []
    return [str(one) for one in value] if isinstance(value, tuple | list) else [str(value)]


# -- sending ------------------------------------------------------------------------------------------


async def _post(request: web.Request) -> web.StreamResponse:
    services = request.app[SERVICES]
    if request.content_type != "application/x-www-form-urlencoded":
        raise Refused("wrong-media-type", "Send the form as a browser does.")
    options = services.options
    form = read_form(
        await read_body(request, limit=min(_BODY, options.body_bytes), seconds=options.body_seconds)
    )
    step, now = form.get("step", ""), services.clock.now()
    if step == "begin":
        return await _begin(request, now)
    if step == "answer":
        return await _answer(request, form, now)
    if step == "finish":
        return await _finish(request, now)
    if step == "decline":
        return await _decline(request, now)
    return await _show(request)


async def _begin(request: web.Request, now: datetime) -> web.StreamResponse:
    services = request.app[SERVICES]
    token, cookie = request.match_info["token"], _cookie(request)
    visit = await services.survey_links.visit(token, _browser(request), now)
    if visit.state is VisitState.BEGIN and not cookie:
        language = _tongue(request, visit)
        return _page(request, visit, trouble=text(language, "surveylink.no_cookie"), status=403)
    visit = await services.survey_links.begin(token, _browser(request), now)
    request.app[LINK_VISITS].know(cookie, token)
    answer = web.Response(status=303, headers={"Location": _to(request)})
    if cookie:
        _set_cookie(request, answer, visit, cookie)
    return answer


async def _decline(request: web.Request, now: datetime) -> web.StreamResponse:
    services = request.app[SERVICES]
    token, cookie = request.match_info["token"], _cookie(request)
    visit = await services.survey_links.visit(token, _browser(request), now)
    if visit.state is VisitState.BEGIN and not cookie:
        return _page(
            request, visit, trouble=text(_tongue(request, visit), "surveylink.no_cookie"), status=403
        )
    await services.survey_links.decline(token, _browser(request), now)
    return web.Response(status=303, headers={"Location": _to(request)})


async def _answer(request: web.Request, form: Mapping[str, str], now: datetime) -> web.StreamResponse:
    services = request.app[SERVICES]
    token, browser = request.match_info["token"], _browser(request)
    code, rev = form.get("question", "")[:_LONGEST_CODE], form.get("rev", "")
    try:
        visit = await services.survey_links.answer(
            token,
            browser,
            code,
            _value(form),
            based_on=int(rev) if rev.isascii() and rev.isdecimal() and len(rev) < 8 else None,
            now=now,
        )
    except BadAnswer as error:
        return await _again(request, code, form, now, said_by=error)
    except (ResponseChanged, ResponseOver) as error:
        return await _again(request, code, form, now, said_by=error)
    request.app[LINK_VISITS].know(_cookie(request), token)
    if visit.state is not VisitState.ASKING:
        return web.Response(status=303, headers={"Location": _to(request)})
    place = list(visit.path).index(code) if code in visit.path else -1
    if form.get("look") or place + 1 >= len(visit.path):
        # What was changed may ask something new.
        target = {"q": visit.next} if visit.next else {"look": "1"}
    else:
        target = {"q": visit.path[place + 1]}
    return web.Response(status=303, headers={"Location": _to(request, **target)})


def _value(form: Mapping[str, str]) -> object:
    if form.get("skip"):
        return None
    picks = [name.removeprefix(_PICK) for name in form if name.startswith(_PICK)]
    return picks or form.get("value")


async def _again(
    request: web.Request,
    code: str,
    form: Mapping[str, str],
    now: datetime,
    *,
    said_by: BadAnswer | ResponseChanged | ResponseOver,
) -> web.StreamResponse:
    """The same question with the reason; what was typed stays, unless somebody else's answer stands there now."""
    services = request.app[SERVICES]
    visit = await services.survey_links.visit(request.match_info["token"], _browser(request), now)
    language = _tongue(request, visit)
    if visit.state is not VisitState.ASKING:
        return web.Response(status=303, headers={"Location": _to(request)})
    if isinstance(said_by, ResponseChanged):
        return _page(request, visit, asked=code, trouble=text(language, "surveylink.changed"), status=409)
    known = code in visit.path
    words = (
        said(language, said_by.error_id, said_by.args[0]) if known else text(language, "surveylink.not_asked")
    )
    return _page(
        request, visit, asked=code, trouble=words, typed=form if known else None, status=422 if known else 409
    )


async def _finish(request: web.Request, now: datetime) -> web.StreamResponse:
    services = request.app[SERVICES]
    token, browser = request.match_info["token"], _browser(request)
    try:
        await services.survey_links.finish(token, browser, now)
    except ResponseIncomplete as error:
        visit = await services.survey_links.visit(token, browser, now)
        words = text(_tongue(request, visit), "surveylink.must")
        return _page(request, visit, asked=error.missing[0], trouble=words, status=422)
    except ResponseOver:
        pass  # an agent ended it meanwhile: the page says what is now
    return web.Response(status=303, headers={"Location": _to(request)})


_WHY: Final = (
    "The customer has no account; 256 random bits in the address open one survey, in one browser, for a time."
)

ROUTES: Final[tuple[Route, ...]] = (
    Route(
        method="GET",
        path="/l/survey/{token}",
        summary="The customer's page of one survey",
        public=show_link,
        why_public=_WHY,
        media="text/html",
        tag="links",
    ),
    Route(
        method="POST",
        path="/l/survey/{token}",
        summary="Begin, answer or finish a survey by private link",
        public=post_link,
        why_public=_WHY,
        media="text/html",
        tag="links",
    ),
)
