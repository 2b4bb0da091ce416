"""The application: one route table, one way to refuse, the same headers on everything."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from functools import lru_cache
from typing import Final
from urllib.parse import quote, urlsplit

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler

from access.ids import new_id
from access.permissions import Permission
from web import health
from web import phone as phone_gate
from web.api import (
    aftercall,
    approvals,
    audit,
    bulletins,
    calling,
    calls,
    campaigns,
    cases,
    contactability,
    corrections,
    desk,
    desk_page,
    desk_targets,
    fields,
    groups,
    knowledge,
    merging,
    own,
    people,
    privacy,
    recordings,
    records,
    script_versions,
    scripts,
    tasks,
    vehicles,
)
from web.api import appointments as appointments_api
from web.api import contacts as contacts_api
from web.api import hooks as hooks_api
from web.api import imports as imports_api
from web.api import maintenance as maintenance_api
from web.api import phone as phone_api
from web.api import reports as reports_api
from web.api import survey_links as survey_links_api
from web.api import survey_results as survey_results_api
from web.api import surveys as surveys_api
from web.api.openapi import describe
from web.auth import Signed, is_secure
from web.bodies import read_query
from web.languages import language_of, text
from web.link_visits import LINK_VISITS, LinkVisits
from web.live import LIVE, LIVE_AT, LiveEvents
from web.pages import aftercall as aftercall_page
from web.pages import (
    appointment_links,
    case_links,
    class_rules,
    desk_day,
    record_fields,
    record_more,
    report_links,
    signin,
)
from web.pages import appointments as appointments_page
from web.pages import audit as audit_page
from web.pages import bulletins as bulletins_page
from web.pages import calling as calling_page
from web.pages import calls as calls_page
from web.pages import campaigns as campaigns_page
from web.pages import cases as cases_page
from web.pages import contacts as contacts_page
from web.pages import corrections as corrections_page
from web.pages import desk as desk_pages
from web.pages import groups as groups_page
from web.pages import hooks as hooks_page
from web.pages import imports as imports_page
from web.pages import knowledge as knowledge_page
from web.pages import maintenance as maintenance_page
from web.pages import merging as merging_page
from web.pages import people as people_pages
from web.pages import privacy as privacy_pages
from web.pages import recordings as recordings_page
from web.pages import records as records_page
from web.pages import reports as reports_page
from web.pages import scripts as scripts_page
from web.pages import survey_links as survey_links_page
from web.pages import survey_results as survey_results_page
from web.pages import surveys as surveys_page
from web.pages import tasks as tasks_page
from web.pages import tokens as tokens_page
from web.pages import vehicles as vehicles_page
from web.pages.rendering import MEDIA, render, require_client, static_files
from web.pages.shell import PAGES
from web.phone import GATE, PhoneGate
from web.ports import Figure, Services
from web.problems import Refused, of_status, problem, status_of
from web.rates import RATES, TokenRates
from web.refusals import asked_for, said
from web.routes import REQUEST_ID, SERVICES, Route, Shape, add_route
from web.shown_once import SHOWN_ONCE, ShownOnce
from web.views import VIEWS, ViewLog

log = structlog.get_logger(__name__)

CSP: web.AppKey[str] = web.AppKey("content-security-policy", str)

#: The style sheet of Turbo's progress bar, which it writes into the page; another version has another.
_TURBO_STYLE: Final = "sha256-WAyOw4V+FqDc35lQPyRADLBWbuNK8ahvYEaQIYF1+Ps="
_CSP: Final = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        f"style-src 'self' '{_TURBO_STYLE}'",
        "img-src 'self' data:",
        "font-src 'self'",
        "media-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
_HEADERS: Final = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(self)",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Server": "careline",
}


class LiveQuery(Shape):
    """Where a page left off; the header Last-Event-ID goes before it."""

    last_event_id: str = ""


async def live_events(request: web.Request, signed: Signed) -> web.StreamResponse:
    """Calls and agents as they change."""
    read_query(LiveQuery, request)
    return await request.app[LIVE].stream(request, signed)


async def openapi(request: web.Request) -> web.Response:
    """The API's description."""
    document = await asyncio.to_thread(_description, request.app[SERVICES].version)
    return web.Response(body=document, content_type="application/json")


@lru_cache
def _description(version: str) -> bytes:
    """Made when somebody asks, once: half a second of work that no start of the service waits for."""
    return json.dumps(describe(ROUTES, version=version)).encode()


async def static_file(request: web.Request) -> web.Response:
    """One of the few files that pages need; no folder is ever looked into."""
    name = request.match_info["name"]
    body = static_files().get(name)
    if body is None:
        raise Refused("not-found", "There is nothing at this address.")
    return web.Response(
        body=body,
        headers={
            "Content-Type": MEDIA["." + name.rpartition(".")[2]] + "; charset=utf-8",
            "Cache-Control": "public, max-age=31536000, immutable",
        },
    )


#: What a process without pages serves.
_HEALTH: Final = frozenset({"/healthz", "/readyz", "/metrics"})
OWN_ROUTES: Final = (
    Route(
        method="GET",
        path="/api/v1/live",
        summary="Live events (server-sent events: call, agent, reset)",
        needs=Permission.LIVE_READ,
        page=live_events,
        query=LiveQuery,
        media="text/event-stream",
        errors=("too-many-clients",),
        tag="live",
    ),
    Route(
        method="GET",
        path="/api/v1/openapi.json",
        summary="This description",
        public=openapi,
        why_public="the same for every installation, holds no data",
        tag="careline",
    ),
    Route(
        method="GET",
        path="/healthz",
        summary="Process is up",
        public=health.healthz,
        why_public="asked by the supervisor of the process",
    ),
    Route(
        method="GET",
        path="/readyz",
        summary="Service is ready",
        public=health.readyz,
        why_public="asked by load balancers; holds no data",
    ),
    Route(
        method="GET",
        path="/metrics",
        summary="Figures for Prometheus",
        public=health.metrics,
        why_public="asked by Prometheus; holds counts only",
        media="text/plain",
    ),
    Route(
        method="GET",
        path="/static/{name}",
        summary="Files of the pages",
        public=static_file,
        why_public="the same for everybody",
        media="text/plain",
    ),
)

#: Everything that can be asked.
ROUTES: Final[tuple[Route, ...]] = (
    *calls.ROUTES,
    *desk.ROUTES,
    *desk_page.ROUTES,
    *desk_targets.ROUTES,
    *tasks.ROUTES,
    *aftercall.ROUTES,
    *scripts.ROUTES,
    *script_versions.ROUTES,
    *knowledge.ROUTES,
    *bulletins.ROUTES,
    *recordings.ROUTES,
    *people.ROUTES,
    *records.ROUTES,
    *vehicles.ROUTES,
    *fields.ROUTES,
    *groups.ROUTES,
    *merging.ROUTES,
    *corrections.ROUTES,
    *contacts_api.ROUTES,
    *contactability.ROUTES,
    *campaigns.ROUTES,
    *campaigns_page.ROUTES,
    *calling.ROUTES,
    *calling_page.ROUTES,
    *maintenance_api.ROUTES,
    *maintenance_page.ROUTES,
    *surveys_api.ROUTES,
    *surveys_page.ROUTES,
    *survey_links_api.ROUTES,
    *survey_links_page.ROUTES,
    *survey_results_api.ROUTES,
    *survey_results_page.ROUTES,
    *appointments_api.ROUTES,
    *cases.ROUTES,
    *hooks_api.ROUTES,
    *hooks_page.ROUTES,
    *tokens_page.ROUTES,
    *imports_api.ROUTES,
    *imports_page.ROUTES,
    *own.ROUTES,
    *approvals.ROUTES,
    *privacy.ROUTES,
    *audit.ROUTES,
    *phone_api.ROUTES,
    *phone_gate.ROUTES,
    *signin.ROUTES,
    *people_pages.ROUTES,
    *privacy_pages.ROUTES,
    *audit_page.ROUTES,
    *calls_page.ROUTES,
    *aftercall_page.ROUTES,
    *recordings_page.ROUTES,
    *tasks_page.ROUTES,
    *groups_page.ROUTES,
    *merging_page.ROUTES,
    *corrections_page.ROUTES,
    *appointments_page.ROUTES,
    *appointment_links.ROUTES,
    *reports_api.ROUTES,
    *reports_page.ROUTES,
    *report_links.ROUTES,
    *contacts_page.ROUTES,
    *cases_page.ROUTES,
    *case_links.ROUTES,
    *knowledge_page.ROUTES,
    *bulletins_page.ROUTES,
    *class_rules.ROUTES,
    *scripts_page.ROUTES,
    *desk_pages.ROUTES,
    *desk_day.ROUTES,
    *records_page.ROUTES,
    *vehicles_page.ROUTES,
    *record_fields.ROUTES,
    *record_more.ROUTES,
    *OWN_ROUTES,
)


def make_app(services: Services, *, only_health: bool = False) -> web.Application:
    """The application over these services; `only_health`: no page and no API but how the process is.

    Raises NoCParser, NoClient.
    """
    health.require_c_parser()
    require_client()
    app = web.Application(middlewares=[refuse_in_one_way], client_max_size=services.options.body_bytes)
    live = LiveEvents(services)
    app[SERVICES] = services
    app[LIVE] = live
    gate = PhoneGate(services)
    app[GATE] = gate
    app[CSP] = _csp(services)
    app[VIEWS] = ViewLog(services.audit.append_all)
    app[SHOWN_ONCE] = ShownOnce()
    app[LINK_VISITS] = LinkVisits()
    app[RATES] = TokenRates(services.options.api_per_minute)
    app[health.HEALTH] = health.Health(services.pings)
    app[health.METRICS] = health.Metrics(lambda: (*services.figures(), *_own_figures(live), *gate.figures()))
    app[PAGES] = {
        route.path: route.needs
        for route in ROUTES
        if route.page is not None and route.needs is not None and route.media == "text/html"
    }
    for route in ROUTES:
        if not only_health or route.path in _HEALTH:
            add_route(app, route)
    app.on_response_prepare.append(_dress)
    app.cleanup_ctx.append(_look_after_streams)
    app.cleanup_ctx.append(_look_after_phones)
    app.cleanup_ctx.append(_store_views)
    app.on_shutdown.append(_end_streams)
    return app


async def _look_after_streams(app: web.Application) -> AsyncIterator[None]:
    await app[LIVE].start()
    yield
    await app[LIVE].close()


async def _look_after_phones(app: web.Application) -> AsyncIterator[None]:
    await app[GATE].start()
    yield
    await app[GATE].close()


async def _store_views(app: web.Application) -> AsyncIterator[None]:
    yield
    await app[VIEWS].close()


async def _end_streams(app: web.Application) -> None:
    await app[LIVE].close()
    await app[GATE].close()


def _csp(services: Services) -> str:
    """With the address that telephones go to while the service is away, where there is one."""
    direct = services.phones.offer.direct_url if services.phones else ""
    if not direct:
        return _CSP
    parts = urlsplit(direct)
    return _CSP.replace("connect-src 'self'", f"connect-src 'self' {parts.scheme}://{parts.netloc}")


def _own_figures(live: LiveEvents) -> tuple[Figure, ...]:
    return (
        Figure(name="careline_live_clients", help="Open pages with live events", value=live.clients),
        Figure(
            name="careline_live_dropped",
            help="Pages dropped because they did not read",
            value=live.dropped,
            kind="counter",
        ),
    )


async def _dress(request: web.Request, response: web.StreamResponse) -> None:
    """Headers that every answer has."""
    for name, value in _HEADERS.items():
        response.headers[name] = value
    response.headers["Content-Security-Policy"] = request.app[CSP]
    response.headers.setdefault("Cache-Control", "no-store")
    response.headers["X-Request-Id"] = request.get(REQUEST_ID, "")
    if is_secure(request, request.app[SERVICES].options):
        response.headers["Strict-Transport-Security"] = "max-age=31536000"


@web.middleware
async def refuse_in_one_way(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Give the request an id, and turn whatever is raised into a problem document or an error page."""
    services = request.app[SERVICES]
    request[REQUEST_ID] = new_id(services.clock.now())
    request[LIVE_AT] = request.app[LIVE].last_id
    loop = asyncio.get_running_loop()
    began = loop.time()
    status = 500
    try:
        response = await handler(request)
        status = response.status
        return response
    except web.HTTPException as error:
        status = error.status
        if status < 400:
            raise
        return _shown(
            request,
            of_status(
                status,
                request_id=request[REQUEST_ID],
                headers=_kept(error.headers),
                language=asked_for(request.headers.get("Accept-Language", "")),
            ),
        )
    except asyncio.CancelledError:
        raise
    except Exception as error:  # the outermost edge: nothing of a fault may reach a client
        if status_of(error) is None:
            log.exception(
                "a request failed",
                action="request_failed",
                request=request[REQUEST_ID],
                route=_route_of(request),
            )
        language = asked_for(request.headers.get("Accept-Language", ""))
        response = _shown(request, problem(error, request_id=request[REQUEST_ID], language=language), error)
        status = response.status
        return response
    finally:
        if "event-stream" not in request.headers.get("Accept", "") and "Upgrade" not in request.headers:
            request.app[health.METRICS].requests.labels(_route_of(request), f"{status // 100}xx").observe(
                loop.time() - began
            )


def _kept(headers: object) -> dict[str, str]:
    allow = getattr(headers, "get", lambda _name: None)("Allow")
    return {"Allow": allow} if allow else {}


def _route_of(request: web.Request) -> str:
    """The route's pattern, never the path itself: ids and nonsense would make endless label values."""
    resource = request.match_info.route.resource
    return resource.canonical if resource is not None else "unknown"


def _shown(request: web.Request, refused: web.Response, error: BaseException | None = None) -> web.Response:
    """A refusal as a page where a person is looking, else as it is."""
    wants_page = "text/html" in request.headers.get("Accept", "") and not request.path.startswith("/api/")
    if not wants_page:
        return refused
    if refused.status == 401 and request.method == "GET":
        return web.Response(
            status=303, headers={"Location": "/login?next=" + quote(request.path_qs, safe="/")}
        )
    language = language_of(request)
    status = refused.status
    known = status if status in (400, 401, 403, 404, 429, 503) else (400 if status < 500 else 500)
    key = f"error.{known}"
    sentence = text(language, key, request=request[REQUEST_ID])
    error_id = str(getattr(error, "error_id", ""))
    # Of a page as such "error.403" and "error.404" speak better; of a record its own refusal does.
    if known in (400, 403, 404, 429) and error_id not in ("", "not-allowed", "not-found"):
        sentence = said(language, error_id, str(error))
    page = render(
        "error.html",
        language=language,
        dealership=request.app[SERVICES].dealership,
        status=status,
        sentence=sentence,
    )
    for name in ("Retry-After", "Allow"):
        if name in refused.headers:
            page.headers[name] = refused.headers[name]
    return page
