"""What a department sees of a case by private link, without an account: what it needs, and its steps (M-137, M-138).

The address holds a secret, so nothing of it may leave the page: it is never logged, no other site is told where one
came from, no search engine keeps it, and nothing is loaded from anywhere else.
"""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable, Mapping
from datetime import date, datetime
from typing import Final

from aiohttp import web

from access.sentences import Sentence
from access.users import LANGUAGES, Language
from crm.cases.cases import LONGEST_NAME, CaseError, CaseState, Responsibility
from crm.cases.steps import Given, Step
from crm.links.links import Link, LinkExpired, LinkKind, LinkNotFound, LinkRevoked, LinkUsed, PinWrong
from web.auth import address_of, check_same_origin
from web.bodies import read_body, read_form
from web.languages import LANGUAGE_COOKIE, language_of, text
from web.link_visits import LINK_VISITS, Visit, cookie_name, set_cookie
from web.pages.case_words import CaseWords
from web.pages.rendering import render
from web.ports.cases import LinkCase
from web.problems import Refused, status_of
from web.refusals import said
from web.routes import SERVICES, Route

_KIND: Final = LinkKind.CASE.value
_BODY: Final = 64_000
_YEAR: Final = 365 * 24 * 3600
#: What a form of the page may ask for, in the order of the way.
_STEPS: Final = (Step.ACCEPT, Step.REPLY, Step.CARRIED_OUT, Step.HAND_BACK)
_GONE: Final[Mapping[type[Exception], tuple[str, int]]] = {
    LinkNotFound: ("missing", 404),
    LinkExpired: ("expired", 410),
    LinkRevoked: ("revoked", 410),
    LinkUsed: ("used", 410),
}


async def show_link(request: web.Request) -> web.StreamResponse:
    """The case, or the question for the PIN."""
    chosen = request.query.get("language", "")
    if chosen in LANGUAGES:
        answer = web.Response(status=303, headers={"Location": request.path})
        answer.set_cookie(LANGUAGE_COOKIE, chosen, max_age=_YEAR, samesite="Lax", httponly=True, path="/")
        return _private(answer)
    return await _guarded(request, _show)


async def post_link(request: web.Request) -> web.StreamResponse:
    """The PIN, or a step."""
    check_same_origin(request, request.app[SERVICES].options)
    return await _guarded(request, _post)


async def _guarded(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """One way out for links that open nothing, and for those who knock too often."""
    services = request.app[SERVICES]
    wait = request.app[LINK_VISITS].knock(address_of(request, services.options))
    if wait:
        response = _gone(request, "busy", 429, wait=wait)
        response.headers["Retry-After"] = str(wait)
        return response
    try:
        return _private(await handler(request))
    except (LinkNotFound, LinkExpired, LinkRevoked, LinkUsed) as error:
        _end(request)
        name, status = _GONE[type(error)]
        return _gone(request, name, status)


def _private(response: web.StreamResponse) -> web.StreamResponse:
    response.headers["X-Robots-Tag"] = "noindex, nofollow, noarchive"
    response.headers["Cache-Control"] = "no-store"
    return response


def _gone(request: web.Request, name: str, status: int, *, wait: int = 0) -> web.StreamResponse:
    language = language_of(request)
    return _private(
        render(
            "cases/link_gone.html",
            language=language,
            dealership=request.app[SERVICES].dealership,
            status=status,
            gone=name,
            more=text(language, f"caselink.gone.{name}_more", **({"wait": wait} if wait else {})),
        )
    )


def _visit(request: web.Request, now: datetime) -> Visit | None:
    cookie = request.cookies.get(cookie_name(_KIND), "")
    return request.app[LINK_VISITS].of(cookie, request.match_info["token"], now)


def _end(request: web.Request) -> None:
    request.app[LINK_VISITS].end(request.cookies.get(cookie_name(_KIND), "")[:100])


async def _show(request: web.Request) -> web.StreamResponse:
    services = request.app[SERVICES]
    now, secret = services.clock.now(), request.match_info["token"]
    link = await services.cases.open_link(secret, now)
    visit = _visit(request, now)
    if visit is None and link.has_pin:
        return await _ask_pin(request, link)
    cookie = ""
    if visit is None:
        cookie, visit = request.app[LINK_VISITS].begin(secret, "", now)
    try:
        found = await services.cases.link_case(secret, visit.pin, now)
    except PinWrong:
        _end(request)
        return await _ask_pin(request, link, notice="caselink.pin_again", status=403)
    done = request.query.get("done", "")
    return await _page(
        request, found, visit, cookie=cookie, thanks=done if done in {one.value for one in _STEPS} else ""
    )


async def _post(request: web.Request) -> web.StreamResponse:
    services = request.app[SERVICES]
    now, secret = services.clock.now(), request.match_info["token"]
    if request.content_type != "application/x-www-form-urlencoded":
        raise Refused("wrong-media-type", "Send the form as a browser does.")
    options = services.options
    form = read_form(
        await read_body(request, limit=min(_BODY, options.body_bytes), seconds=options.body_seconds)
    )
    link = await services.cases.open_link(secret, now)
    if form.get("step", "") == "pin":
        return await _take_pin(request, link, form.get("pin", ""), now)
    visit = _visit(request, now)
    if visit is None:
        return await _ask_pin(request, link, notice="caselink.pin_again" if link.has_pin else "", status=403)
    if not _same(form.get("csrf", ""), visit.csrf):
        _end(request)
        return await _ask_pin(request, link, notice="caselink.stale", status=403)
    try:
        found = await services.cases.link_case(secret, visit.pin, now)
    except PinWrong:
        _end(request)
        return await _ask_pin(request, link, notice="caselink.pin_again", status=403)
    return await _take_step(request, found, visit, form, now)


def _same(given: str, kept: str) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "replace"), kept.encode())


async def _take_pin(request: web.Request, link: Link, given: str, now: datetime) -> web.StreamResponse:
    services, secret = request.app[SERVICES], request.match_info["token"]
    pin = "".join(letter for letter in given[:40] if letter.isascii() and letter.isdigit())[:12]
    try:
        await services.cases.link_case(secret, pin, now)
    except PinWrong as wrong:
        return await _ask_pin(request, link, left=wrong.left, status=403)
    cookie, _new = request.app[LINK_VISITS].begin(secret, pin, now)
    answer = web.Response(status=303, headers={"Location": request.path})
    set_cookie(answer, request, _KIND, cookie, services.options)
    return answer


async def _ask_pin(
    request: web.Request, link: Link, *, notice: str = "", left: int | None = None, status: int = 200
) -> web.StreamResponse:
    """The question for the PIN; of the case it says nothing but for which department it is."""
    language = language_of(request)
    words = await _words(request, language)
    if left is not None:
        said_words = text(language, "caselink.pin_wrong", left=left)
    else:
        said_words = text(language, notice) if notice else ""
    return render(
        "cases/link_pin.html",
        language=language,
        dealership=request.app[SERVICES].dealership,
        status=status,
        notice=said_words,
        path=request.path,
        audience=words.department(link.audience),
        has_pin=link.has_pin,
    )


async def _words(request: web.Request, language: Language) -> CaseWords:
    services = request.app[SERVICES]
    return CaseWords(language=language, zone=services.zone, choices=await services.cases.choices())


async def _take_step(
    request: web.Request, found: LinkCase, visit: Visit, form: Mapping[str, str], now: datetime
) -> web.StreamResponse:
    services, language = request.app[SERVICES], language_of(request)
    try:
        step, given, version = _given(form)
        await services.cases.link_step(
            request.match_info["token"],
            visit.pin,
            step,
            given,
            name=form.get("name", "").strip()[:LONGEST_NAME],
            version=version,
            now=now,
            address=address_of(request, services.options),
        )
    except PinWrong:
        _end(request)
        return await _ask_pin(request, await _again(request, now), notice="caselink.pin_again", status=403)
    except (CaseError, Refused) as error:
        status = status_of(error) or 409
        why = said(language, error.error_id, str(error))
        if status == 409:
            found = await services.cases.link_case(request.match_info["token"], visit.pin, now)
            why = text(language, "caselink.crossed", why=why)
        return await _page(request, found, visit, notice=why, typed=form, status=status)
    return web.Response(status=303, headers={"Location": f"{request.path}?done={step.value}"})


async def _again(request: web.Request, now: datetime) -> Link:
    return await request.app[SERVICES].cases.open_link(request.match_info["token"], now)


def _given(form: Mapping[str, str]) -> tuple[Step, Given, int | None]:
    """What the form says. Raises Refused bad-form."""
    word = form.get("step", "")
    if word not in {one.value for one in _STEPS}:
        raise Refused("bad-form", "The form cannot be read. Nothing was done.")
    step, version = Step(word), form.get("version", "")
    if not version.isdigit() or len(version) > 9:
        raise Refused("bad-form", "The form cannot be read. Nothing was done.")
    if step is not Step.REPLY:
        return step, Given(words=form.get("words", "")), int(version)
    responsibility = form.get("responsibility", "")
    return (
        step,
        Given(
            words=form.get("words", ""),
            cause=form.get("cause", ""),
            responsibility=Responsibility(responsibility) if responsibility in set(Responsibility) else None,
            plan=form.get("plan", ""),
            carry_out_on=_day(form.get("carry_out_on", "")),
            corrective_action=form.get("corrective_action", ""),
            corrective_owner=form.get("corrective_owner", ""),
            corrective_on=_day(form.get("corrective_on", "")),
        ),
        int(version),
    )


def _day(typed: str) -> date | None:
    typed = typed.strip()
    if not typed:
        return None
    try:
        found = date.fromisoformat(typed[:10])
    except ValueError:
        found = None
    if found is None or not 2000 <= found.year <= 2200:
        raise Refused("bad-form", Sentence("'{given}' is no day. Nothing was done.", given=typed[:20]))
    return found


async def _page(
    request: web.Request,
    found: LinkCase,
    visit: Visit,
    *,
    cookie: str = "",
    thanks: str = "",
    notice: str = "",
    typed: Mapping[str, str] | None = None,
    status: int = 200,
) -> web.StreamResponse:
    services, language = request.app[SERVICES], language_of(request)
    words, case = await _words(request, language), found.case
    response = render(
        "cases/link.html",
        language=language,
        dealership=services.dealership,
        status=status,
        path=request.path,
        csrf=visit.csrf,
        link=found.link,
        line=found.line,
        addressed=found.addressed.get(language, ""),
        case=case,
        events=found.events,
        words=words,
        steps=[step for step in _STEPS if step in found.allowed],
        told=[
            one
            for one in found.events
            if one.step
            in (Step.REPLY, Step.RETURN_REPLY, Step.TELL_PLAN, Step.SECOND_VISIT, Step.ASSIGN, Step.URGE)
            and (one.words or one.step == Step.REPLY)
        ],
        again=case.round > 1 and case.state is not CaseState.CLOSED,
        responsibilities=list(Responsibility),
        thanks=thanks,
        notice=notice,
        typed=typed or {},
        moment=words.moment,
    )
    if cookie:
        set_cookie(response, request, _KIND, cookie, services.options)
    return response


ROUTES = (
    Route(
        method="GET",
        path="/l/case/{token}",
        summary="A case by private link",
        public=show_link,
        why_public="a department answers without an account; the secret and its PIN open one case",
        media="text/html",
        tag="cases",
    ),
    Route(
        method="POST",
        path="/l/case/{token}",
        summary="The PIN of a private link, or a department's step",
        public=post_link,
        why_public="as above; the PIN's visit and its own token protect it",
        media="text/html",
        tag="cases",
    ),
)
