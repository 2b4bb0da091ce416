"""One table of everything that can be asked over HTTP.

The application, `/api/v1/openapi.json` and the permission sweep of the tests are made from the same
`Route` values, so no address can be forgotten by one of them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic, Literal, TypeVar

from aiohttp import web
from pydantic import BaseModel, ConfigDict

from access.audit import Action, Entry, entry
from access.ids import new_id
from access.permissions import Permission
from access.requests import Once
from access.users import Principal
from web.auth import Signed, address_of, check_same_origin, identify, require_csrf
from web.bodies import read_body, read_model, read_query
from web.ports import Services
from web.problems import Refused

Method = Literal["GET", "POST", "PATCH", "DELETE"]
SERVICES: web.AppKey[Services] = web.AppKey("services", Services)
REQUEST_ID = web.RequestKey("request_id", str)

_LONGEST_KEY = 128


class Shape(BaseModel):
    """Base of what the API takes and gives: unknown fields are refused, types are not bent."""

    model_config = ConfigDict(extra="forbid", frozen=True, from_attributes=True)


class Nothing(Shape):
    """No fields."""


Q = TypeVar("Q", bound=Shape)
B = TypeVar("B", bound=Shape)


@dataclass(frozen=True, kw_only=True)
class Ask(Generic[Q, B]):
    """One request, read and allowed."""

    services: Services
    signed: Signed
    path: Mapping[str, str]
    query: Q
    body: B
    now: datetime
    address: str
    once: Once | None = None

    @property
    def by(self) -> Principal:
        return self.signed.principal

    def entry(
        self, action: Action, subject: str = "", data: Mapping[str, str | int | bool | None] | None = None
    ) -> Entry:
        """A line for the audit log about this request."""
        return entry(
            action,
            self.by,
            id=new_id(self.now),
            at=self.now,
            subject=subject,
            address=self.address,
            data=data,
        )


@dataclass(frozen=True, kw_only=True)
class Reply:
    """An answer with more than a body."""

    body: Shape
    headers: Mapping[str, str] = field(default_factory=dict)


JsonHandler = Callable[[Ask[Any, Any]], Awaitable[Shape | Reply]]
RawHandler = Callable[[web.Request], Awaitable[web.StreamResponse]]
SignedHandler = Callable[[web.Request, Signed], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, kw_only=True)
class Route:
    """One address and method: who may, what goes in, what comes out.

    Exactly one of `json`, `page` and `public` handles it. `needs` None with `page` or `json` is not
    possible; a public route says why it is public.
    """

    method: Method
    path: str
    summary: str
    needs: Permission | None = None
    json: JsonHandler | None = None
    page: SignedHandler | None = None
    public: RawHandler | None = None
    why_public: str = ""
    query: type[Shape] = Nothing
    body: type[Shape] | None = None
    answer: type[Shape] | None = None
    status: int = 200
    #: Takes an Idempotency-Key.
    once: bool = False
    #: error_ids that belong to this route, beside the ones every route may give.
    errors: tuple[str, ...] = ()
    tag: str = ""
    #: Media type of what comes out of a page.
    media: str = "application/json"

    def __post_init__(self) -> None:
        handlers = [handler for handler in (self.json, self.page, self.public) if handler is not None]
        if len(handlers) != 1:
            raise ValueError(f"{self.method} {self.path}: exactly one handler")
        if (self.needs is None) != (self.public is not None):
            raise ValueError(f"{self.method} {self.path}: either a permission or public")
        if self.public is not None and not self.why_public:
            raise ValueError(f"{self.method} {self.path}: say why it is public")
        if self.json is not None and self.answer is None:
            raise ValueError(f"{self.method} {self.path}: say what the answer looks like")

    @property
    def name(self) -> str:
        """Operation id: method and path as one word."""
        words = self.path.removeprefix("/api/v1").replace("{", "").replace("}", "").replace(".", "_")
        return "_".join([self.method.lower(), *filter(None, words.split("/"))])


def add_route(app: web.Application, route: Route) -> None:
    """Put a route of the table into the application."""
    path = route.path
    for name in ("call_id", "agent_id", "task_id", "user_id", "token_id"):
        path = path.replace(f"{{{name}}}", f"{{{name}:[0-9A-Za-z]{{1,64}}}}")
    app.router.add_route(route.method, path, _handler(route))


def _handler(route: Route) -> RawHandler:
    if route.public is not None:
        return route.public
    if route.page is not None:
        return _page_handler(route, route.page)
    assert route.json is not None
    return _json_handler(route, route.json)


async def _allowed(request: web.Request, route: Route) -> Signed:
    """Who asks, if that may do this. Raises Refused: not-signed-in, not-allowed, csrf-refused, foreign-origin."""
    check_same_origin(request, request.app[SERVICES].options)
    signed = await identify(request, request.app[SERVICES])
    if signed is None:
        raise Refused(
            "not-signed-in",
            "Sign in, or send a token.",
            headers={"WWW-Authenticate": 'Bearer realm="careline"'},
        )
    assert route.needs is not None
    if not signed.principal.may(route.needs):
        raise Refused("not-allowed", f"The role {signed.principal.role.value} may not do this.")
    return signed


def _page_handler(route: Route, handler: SignedHandler) -> RawHandler:
    async def handle(request: web.Request) -> web.StreamResponse:
        return await handler(request, await _allowed(request, route))

    return handle


def _json_handler(route: Route, handler: JsonHandler) -> RawHandler:
    async def handle(request: web.Request) -> web.StreamResponse:
        services = request.app[SERVICES]
        signed = await _allowed(request, route)
        if route.method != "GET":
            require_csrf(request, signed, request.headers.get("X-CSRF-Token", ""))
        query = read_query(route.query, request)
        raw = b""
        body: Shape = Nothing()
        if route.body is not None:
            if request.content_type != "application/json" and request.can_read_body:
                raise Refused("wrong-media-type", "Send application/json.")
            options = services.options
            raw = await read_body(request, limit=options.body_bytes, seconds=options.body_seconds)
            body = read_model(route.body, raw)
        ask = Ask(
            services=services,
            signed=signed,
            path=dict(request.match_info),
            query=query,
            body=body,
            now=services.clock.now(),
            address=address_of(request, services.options),
            once=_once(request, signed, raw) if route.once else None,
        )
        answer = await handler(ask)
        reply = answer if isinstance(answer, Reply) else Reply(body=answer)
        return web.Response(
            status=route.status,
            body=reply.body.model_dump_json().encode(),
            content_type="application/json",
            headers=reply.headers,
        )

    return handle


def _once(request: web.Request, signed: Signed, body: bytes) -> Once | None:
    key = request.headers.get("Idempotency-Key")
    if key is None:
        return None
    if not 1 <= len(key) <= _LONGEST_KEY or not key.isascii() or not key.isprintable():
        raise Refused("bad-idempotency-key", "An Idempotency-Key has 1 to 128 printable ASCII characters.")
    what = f"{request.method} {request.path}\n".encode() + body
    return Once(owner=signed.owner, key=key, fingerprint=hashlib.sha256(what).hexdigest())
