"""The customer's own page of one appointment: confirm, move, cancel. No account and no PIN: it shows no more than
time, place and the tail of the plate, and nothing of the address leaves the page."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from zoneinfo import ZoneInfo

from aiohttp import web

from access.users import LANGUAGES
from crm.appointments.appointments import AppointmentError, Step
from crm.links.links import LinkError
from web.auth import address_of, check_same_origin
from web.bodies import read_body, read_form
from web.languages import LANGUAGE_COOKIE, language_of, text
from web.link_visits import LINK_VISITS
from web.pages.rendering import render
from web.problems import Refused, status_of
from web.refusals import said
from web.routes import SERVICES, Route

_BODY = 4_000
_YEAR = 365 * 24 * 3600
_STEPS = {"confirm": Step.CONFIRM, "move": Step.MOVE, "cancel": Step.CANCEL}


async def show_link(request: web.Request) -> web.StreamResponse:
    """Time and place, and what can be done."""
    chosen = request.query.get("language", "")
    if chosen in LANGUAGES:
        answer = web.Response(status=303, headers={"Location": request.path})
        answer.set_cookie(LANGUAGE_COOKIE, chosen, max_age=_YEAR, samesite="Lax", httponly=True, path="/")
        return _private(answer)
    return await _guarded(request, _show)


async def post_link(request: web.Request) -> web.StreamResponse:
    """A step."""
    check_same_origin(request, request.app[SERVICES].options)
    return await _guarded(request, _post)


async def _guarded(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    services = request.app[SERVICES]
    language = language_of(request)
    wait = request.app[LINK_VISITS].knock(address_of(request, services.options))
    if wait:
        answer = _gone(request, text(language, "appointments.link.busy"), 429)
        answer.headers["Retry-After"] = str(wait)
        return answer
    try:
        return _private(await handler(request))
    except LinkError as error:
        status = 404 if error.error_id == "link-not-found" else 410
        return _gone(request, said(language, error.error_id, error.args[0]), status)


def _private(response: web.StreamResponse) -> web.StreamResponse:
    response.headers["X-Robots-Tag"] = "noindex, nofollow, noarchive"
    response.headers["Cache-Control"] = "no-store"
    return response


def _gone(request: web.Request, words: str, status: int) -> web.StreamResponse:
    return _private(
        render(
            "appointments/link_gone.html",
            language=language_of(request),
            dealership=request.app[SERVICES].dealership,
            status=status,
            words=words,
        )
    )


async def _show(request: web.Request) -> web.StreamResponse:
    done = request.query.get("done", "")
    return await _page(request, thanks=done if done in _STEPS else "")


async def _page(
    request: web.Request, *, thanks: str = "", trouble: str = "", status: int = 200
) -> web.StreamResponse:
    services = request.app[SERVICES]
    now, zone = services.clock.now(), ZoneInfo(services.zone)
    view = await services.appointments.link_view(request.match_info["token"], now)

    def local(moment: datetime, form: str = "%H:%M") -> str:
        return moment.astimezone(zone).strftime(form)

    days: dict[str, list[object]] = {}
    for one in view.free:
        days.setdefault(local(one.at, "%Y-%m-%d"), []).append(one)
    return render(
        "appointments/link.html",
        language=language_of(request),
        dealership=services.dealership,
        status=status,
        view=view,
        days=days,
        local=local,
        weekday=lambda moment: moment.astimezone(zone).weekday(),
        path=request.path,
        thanks=thanks,
        trouble=trouble,
        ahead=view.state in ("booked", "confirmed") and view.starts_at > now,
    )


async def _post(request: web.Request) -> web.StreamResponse:
    services, language = request.app[SERVICES], language_of(request)
    if request.content_type != "application/x-www-form-urlencoded":
        raise Refused("wrong-media-type", "Send the form as a browser does.")
    form = read_form(await read_body(request, limit=_BODY, seconds=services.options.body_seconds))
    step = _STEPS.get(form.get("step", ""))
    version = form.get("version", "")
    at, _, lane_id = form.get("at", "").partition("~")
    try:
        starts_at = datetime.fromisoformat(at) if at else None
    except ValueError:
        starts_at = None
    if (
        step is None
        or not version.isdecimal()
        or len(version) > 7
        or (starts_at and starts_at.tzinfo is None)
    ):
        return await _page(request, trouble=text(language, "appointments.link.unclear"), status=422)
    try:
        await services.appointments.link_step(
            request.match_info["token"],
            step,
            version=int(version),
            starts_at=starts_at,
            lane_id=lane_id[:26] or None,
            now=services.clock.now(),
        )
    except AppointmentError as error:
        return await _page(
            request, trouble=said(language, error.error_id, error.args[0]), status=status_of(error) or 409
        )
    if step is Step.CANCEL:
        return _private(
            render(
                "appointments/link_gone.html",
                language=language,
                dealership=services.dealership,
                words=text(language, "appointments.link.done.cancel"),
            )
        )
    return web.Response(status=303, headers={"Location": f"{request.path}?done={step.value}"})


_WHY = "The customer has no account; 256 random bits in the address open one appointment, for a time."

ROUTES = (
    Route(
        method="GET",
        path="/l/appointment/{token}",
        summary="The customer's page of one appointment",
        public=show_link,
        why_public=_WHY,
        media="text/html",
        tag="links",
    ),
    Route(
        method="POST",
        path="/l/appointment/{token}",
        summary="Confirm, move or cancel by private link",
        public=post_link,
        why_public=_WHY,
        media="text/html",
        tag="links",
    ),
)
