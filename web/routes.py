"""One table of everything that can be asked over HTTP.

The application, `/api/v1/openapi.json` and the permission sweep of the tests are made from the same
`Route` values, so no address can be forgotten by one of them.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic, Literal, TypeVar

from aiohttp import web
from pydantic import BaseModel, ConfigDict

from access.audit import Action, Entry, entry
from access.ids import new_id
from access.masking import mask_text
from access.permissions import Permission
from access.requests import Once
from access.sentences import Sentence
from access.sessions import Pending
from access.users import Principal
from web.auth import Signed, address_of, check_same_origin, identify, require_csrf
from web.bodies import read_body, read_model, read_query
from web.ports import Services
from web.problems import Refused
from web.rates import RATES
from web.views import VIEWS

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
    #: Kind of record this shows, e.g. "customer": every answer below 400 becomes an audit row `viewed` about
    #: "customer:ID", ID being {customer_id} of the path. Written in batches, so it holds nobody up.
    views: str = ""
    #: What takes something out of the house (a file, a recording): the audit row is committed before the handler
    #: runs, so that nothing leaves unwritten, whatever happens after it.
    leaves: Action | None = None
    #: How the handler itself writes down what leaves, where one row a request would be wrong.
    writes_down: str = ""
    #: Also for those who must first change a password that somebody else set, or set up a second factor.
    unfinished: bool = False

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
        if self.views and f"{{{self.views}_id}}" not in self.path:
            raise ValueError(f"{self.method} {self.path}: views={self.views!r} needs {{{self.views}_id}}")

    @property
    def parameters(self) -> tuple[str, ...]:
        """Names in the path, in order."""
        return tuple(re.findall(r"{(\w+)}", self.path))

    @property
    def name(self) -> str:
        """Operation id: method and path as one word."""
        words = self.path.removeprefix("/api/v1").replace("{", "").replace("}", "").replace(".", "_")
        return "_".join([self.method.lower(), *filter(None, words.split("/"))])


def add_route(app: web.Application, route: Route) -> None:
    """Put a route of the table into the application."""
    path = re.sub(r"{(\w+_id)}", r"{\1:[0-9A-Za-z]{1,64}}", route.path)
    # A private link's secret with a full stop behind it is a wrong secret, and its page says so.
    path = path.replace("{token}", "{token:[^/]{1,200}}")
    path = re.sub(r"{(\w+)}", r"{\1:[0-9A-Za-z._-]{1,64}}", path)
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
    if signed.session is None:
        request.app[RATES].take(signed.principal.proof_id)
    assert route.needs is not None
    if not signed.principal.may(route.needs):
        raise Refused(
            "not-allowed", Sentence("The role {role} may not do this.", role=signed.principal.role.value)
        )
    if signed.session is not None and not route.unfinished:
        _require_finished(signed.session.standing, route)
    if route.leaves is not None:
        await request.app[SERVICES].audit.append(_about(request, signed, route, route.leaves))
    return signed


def _require_finished(standing: Pending, route: Route) -> None:
    if standing and route.method == "GET" and route.media == "text/html":
        raise web.HTTPSeeOther("/me")  # the page that says what is missing, and takes it
    if standing is Pending.PASSWORD:
        raise Refused("password-must-change", "Somebody else set your password. Choose a new one first.")
    if standing is Pending.ENROL:
        raise Refused("factor-must-be-set", "Your role needs a second factor. Set it up first.")


def _about(request: web.Request, signed: Signed, route: Route, action: Action) -> Entry:
    """A line about this request: whose record, by which route; what was searched for has its numbers masked."""
    services = request.app[SERVICES]
    now = services.clock.now()
    kind = route.views or next(iter(route.parameters), "").removesuffix("_id")
    subject_id = request.match_info.get(f"{kind}_id", "")
    data: dict[str, str | int | bool | None] = {"route": route.name}
    if route.leaves is action and request.query_string:
        data["query"] = mask_text(request.query_string)[:200]
    return entry(
        action,
        signed.principal,
        id=new_id(now),
        at=now,
        subject=f"{kind}:{subject_id}" if subject_id else "",
        address=address_of(request, services.options),
        data=data,
    )


def note_view(request: web.Request, signed: Signed, subject: str, route: str) -> None:
    """A row `viewed` about a record that a page shows without naming it in its path; see `Route.views`."""
    services = request.app[SERVICES]
    now = services.clock.now()
    line = entry(
        Action.VIEWED,
        signed.principal,
        id=new_id(now),
        at=now,
        subject=subject,
        address=address_of(request, services.options),
        data={"route": route},
    )
    request.app[VIEWS].note(line)


def _note_view(request: web.Request, route: Route, signed: Signed, status: int) -> None:
    if route.views and status < 400:
        request.app[VIEWS].note(_about(request, signed, route, Action.VIEWED))


def _page_handler(route: Route, handler: SignedHandler) -> RawHandler:
    async def handle(request: web.Request) -> web.StreamResponse:
        signed = await _allowed(request, route)
        response = await handler(request, signed)
        _note_view(request, route, signed, response.status)
        return response

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
        _note_view(request, route, signed, route.status)
        reply = answer if isinstance(answer, Reply) else Reply(body=answer)
        said = reply.body.model_dump_json().encode()
        headers = dict(reply.headers)
        if route.method == "GET" and signed.session is None:
            headers["ETag"] = tag = f'"{hashlib.sha256(said).hexdigest()[:32]}"'
            if tag in _asked_before(request):
                return web.Response(status=304, headers=headers)
        return web.Response(status=route.status, body=said, content_type="application/json", headers=headers)

    return handle


def _asked_before(request: web.Request) -> set[str]:
    """The tags a program already has an answer for (If-None-Match)."""
    given = request.headers.get("If-None-Match", "")[:1000]
    return {part.strip().removeprefix("W/") for part in given.split(",")}


def _once(request: web.Request, signed: Signed, body: bytes) -> Once | None:
    key = request.headers.get("Idempotency-Key")
    if key is None:
        return None
    if not 1 <= len(key) <= _LONGEST_KEY or not key.isascii() or not key.isprintable():
        raise Refused("bad-idempotency-key", "An Idempotency-Key has 1 to 128 printable ASCII characters.")
    what = f"{request.method} {request.path}\n".encode() + body
    return Once(owner=signed.owner, key=key, fingerprint=hashlib.sha256(what).hexdigest())
