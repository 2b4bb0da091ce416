"""The application: one route table, one way to refuse, the same headers on everything."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Final
from urllib.parse import quote

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler

from access.ids import new_id
from access.permissions import Permission
from web import health
from web.api import calls, desk, people, tasks
from web.api.openapi import describe
from web.auth import Signed, is_secure
from web.bodies import read_query
from web.languages import language_of, text
from web.live import LIVE, LiveEvents
from web.pages import calls as calls_page
from web.pages import signin
from web.pages.rendering import MEDIA, render, static_files
from web.ports import Figure, Services
from web.problems import Refused, of_status, problem, status_of
from web.routes import REQUEST_ID, SERVICES, Route, Shape, add_route

log = structlog.get_logger(__name__)

OPENAPI: web.AppKey[bytes] = web.AppKey("openapi", bytes)

_CSP: Final = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "font-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
_HEADERS: Final = {
    "Content-Security-Policy": _CSP,
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
    return web.Response(body=request.app[OPENAPI], content_type="application/json")


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
    *tasks.ROUTES,
    *people.ROUTES,
    *signin.ROUTES,
    *calls_page.ROUTES,
    *OWN_ROUTES,
)


def make_app(services: Services) -> web.Application:
    """The application over these services. Raises NoCParser."""
    health.require_c_parser()
    app = web.Application(middlewares=[refuse_in_one_way], client_max_size=services.options.body_bytes)
    live = LiveEvents(services)
    app[SERVICES] = services
    app[LIVE] = live
    app[health.HEALTH] = health.Health(services.pings)
    app[health.METRICS] = health.Metrics(lambda: (*services.figures(), *_own_figures(live)))
    app[OPENAPI] = json.dumps(describe(ROUTES, version=services.version)).encode()
    for route in ROUTES:
        add_route(app, route)
    app.on_response_prepare.append(_dress)
    app.cleanup_ctx.append(_look_after_streams)
    app.on_shutdown.append(_end_streams)
    return app


async def _look_after_streams(app: web.Application) -> AsyncIterator[None]:
    await app[LIVE].start()
    yield
    await app[LIVE].close()


async def _end_streams(app: web.Application) -> None:
    await app[LIVE].close()


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
    response.headers.setdefault("Cache-Control", "no-store")
    response.headers["X-Request-Id"] = request.get(REQUEST_ID, "")
    if is_secure(request, request.app[SERVICES].options):
        response.headers["Strict-Transport-Security"] = "max-age=31536000"


@web.middleware
async def refuse_in_one_way(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Give the request an id, and turn whatever is raised into a problem document or an error page."""
    services = request.app[SERVICES]
    request[REQUEST_ID] = new_id(services.clock.now())
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
            request, of_status(status, request_id=request[REQUEST_ID], headers=_kept(error.headers))
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
        response = _shown(request, problem(error, request_id=request[REQUEST_ID]))
        status = response.status
        return response
    finally:
        if "event-stream" not in request.headers.get("Accept", ""):
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


def _shown(request: web.Request, refused: web.Response) -> web.Response:
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
