"""Live events to browsers: server-sent events from one bounded ring.

The ring keeps the last events. A client is only a place in the ring, so a slow one costs no memory: it
either reads on, is told to load the page's data afresh (`reset`), or is dropped by the write deadline.
Event ids are "START-NUMBER"; after a restart of the service START differs and clients get `reset`.
What concerns one agent only (`to_agent`) is left out of everybody else's stream here, before a byte is written.
Format: https://html.spec.whatwg.org/multipage/server-sent-events.html
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
from collections import deque
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Final

import structlog
from aiohttp import web

from access.permissions import Permission
from access.users import Language, Principal
from telephony.agents import Agent
from telephony.call_lists import CallView, may_see, view_of
from telephony.calls import Call
from web.api.shapes import CallOut
from web.auth import Signed, limits_of
from web.languages import language_of
from web.ports import Services
from web.presence import ASK_SECONDS, GONE_SECONDS, Presence
from web.problems import Refused

log = structlog.get_logger(__name__)

#: Events kept; at 20 calls a second with 10 changes each this is the last 20 seconds.
RING: Final = 4096
#: More than this behind at once is cheaper as a fresh load.
_MOST_AT_ONCE: Final = 500
_KEEPALIVE_SECONDS: Final = 10.0
#: What all may see is collected this long, so that a busy hour does not wake every page for every event.
_GATHER_SECONDS: Final = 0.05
#: A new page is asked a little later, so that a reload is not asked at all.
_FIRST_ASK_SECONDS: Final = 1.0
#: How often presence is looked at.
_LOOK_SECONDS: Final = 0.5

#: Makes an event's data for one way of seeing it: (principal, language) to JSON.
Render = Callable[[Principal, Language], str]
#: Sessions behind open streams are looked up this often, so a disabled user is gone within five seconds.
SWEEP_SECONDS: Final = 2.0
_RETRY_MS: Final = 2000


@dataclass(frozen=True, kw_only=True)
class _Event:
    """One event, rendered at most once for each of the two ways of seeing it."""

    number: int
    kind: str
    call: Call | None = None
    data: str = "{}"
    agent_name: str | None = None
    #: The one user it is for; empty: everybody.
    only: str = ""
    #: Who must be allowed what, to be told.
    needs: Permission | None = None
    render: Render | None = None
    _rendered: dict[object, str] = field(default_factory=dict)

    def is_for(self, viewer: Principal) -> bool:
        if self.only and self.only != viewer.user_id:
            return False
        return self.needs is None or viewer.may(self.needs)

    def text_for(self, viewer: Principal, language: Language) -> str:
        if self.render is not None:
            way = (viewer.role, language)
            if way not in self._rendered:
                try:
                    self._rendered[way] = self.render(viewer, language)
                except Exception:  # one event must not end the stream each time it is told again
                    log.exception(
                        "an event could not be rendered", action="live_not_rendered", kind=self.kind
                    )
                    self._rendered[way] = json.dumps({"stale": True})
            return self._rendered[way]
        if self.call is None:
            return self.data
        if not may_see(self.call, viewer):
            return json.dumps({"id": self.call.id, "gone": True})
        sees = viewer.sees_numbers
        if sees not in self._rendered:
            view = view_of(self.call, sees_numbers=sees, agent_name=self.agent_name)
            self._rendered[sees] = call_json(view)
        return self._rendered[sees]


class _Client:
    """An open stream."""

    def __init__(self, signed: Signed, transport: asyncio.Transport | None, language: Language) -> None:
        self.signed = signed
        self.transport = transport
        self.language = language
        self.gone = False
        self.id = secrets.token_hex(8)
        #: Set when there is something to write.
        self.news = asyncio.Event()
        #: When it last answered (the loop's clock); None: it never did, as programs do not.
        self.heard: float | None = None

    @property
    def is_desk(self) -> bool:
        """Whether it is a page of somebody who takes calls: it is asked whether it is still there."""
        return self.signed.session is not None and self.signed.principal.may(Permission.DESK_SELF)

    def drop(self) -> None:
        """Close at once, without waiting for what the client has not read."""
        self.gone = True
        if self.transport is not None:
            self.transport.abort()


class LiveEvents:
    """The ring and its readers. All methods belong to the event loop's thread."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._start = secrets.token_hex(4)
        self._ring: deque[_Event] = deque(maxlen=RING)
        self._number = 0
        self._clients: set[_Client] = set()
        self._gathering: asyncio.TimerHandle | None = None
        self.presence = Presence()
        self._names: Mapping[str, str] = {}
        self._sweepers: list[asyncio.Task[None]] = []
        self._closing = False
        #: Streams ended because the client did not read.
        self.dropped = 0

    @property
    def clients(self) -> int:
        """How many streams are open."""
        return len(self._clients)

    @property
    def last_id(self) -> str:
        """The id of the newest event; a page that is rendered now follows on from here."""
        return f"{self._start}-{self._number}"

    def call_changed(self, call: Call) -> None:
        """Tell the browsers. Never waits and never raises; losing it costs a page nothing but freshness."""
        name = self._names.get(call.agent_id) if call.agent_id else None
        self._add(_Event(number=self._number + 1, kind="call", call=call, agent_name=name))

    def agent_changed(self, agent: Agent) -> None:
        """An agent's state changed: pages that show agents or queues look again."""
        data = json.dumps({"id": agent.id, "state": agent.state.value, "since": agent.since.isoformat()})
        self._add(_Event(number=self._number + 1, kind="agent", data=data))

    def bulletins_changed(self) -> None:
        """What those who take calls are told has changed: their pages look again."""
        self._add(_Event(number=self._number + 1, kind="bulletin", needs=Permission.BULLETINS_READ))

    def to_agent(self, user_id: str, kind: str, render: Render) -> None:
        """Tell the pages of one user, at once, and nobody else. `render` makes the data as each may see it."""
        self._add(_Event(number=self._number + 1, kind=kind, only=user_id, render=render))

    def here(self, viewer: Principal, page: str) -> bool:
        """A page answered. False where its stream is not known (any more): it should open another."""
        if viewer.user_id is None:
            return False
        now = asyncio.get_running_loop().time()
        for client in self._clients:
            if client.id == page and client.signed.principal.user_id == viewer.user_id:
                client.heard = now
                if self.presence.heard(viewer.user_id, now):
                    self._tell_presence(viewer.user_id, here=True)
                return True
        return False

    def _tell_presence(self, user_id: str, *, here: bool) -> None:
        data = json.dumps({"id": user_id, "here": here})
        self._add(_Event(number=self._number + 1, kind="presence", data=data, needs=Permission.DESK_OTHERS))

    def _add(self, event: _Event) -> None:
        self._number = event.number
        self._ring.append(event)
        if event.only:
            for client in self._clients:
                if client.signed.principal.user_id == event.only:
                    client.news.set()
        elif self._gathering is None:
            self._gathering = asyncio.get_running_loop().call_later(_GATHER_SECONDS, self._wake)

    def _wake(self) -> None:
        if self._gathering is not None:
            self._gathering.cancel()
            self._gathering = None
        for client in self._clients:
            client.news.set()

    async def start(self) -> None:
        """Begin to look after the sessions behind the streams, and after who is there."""
        self._sweepers = [
            asyncio.create_task(self._sweep(), name="web-live-sweep"),
            asyncio.create_task(self._look(), name="web-live-presence"),
        ]

    async def close(self) -> None:
        """End every stream; browsers come back by themselves."""
        self._closing = True
        self._wake()
        for sweeper in self._sweepers:
            sweeper.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await sweeper
        self._sweepers = []

    async def stream(self, request: web.Request, signed: Signed) -> web.StreamResponse:
        """Serve one client until it goes, is too slow, or may not see any more."""
        options = self._services.options
        if self.clients >= options.live_clients or self._closing:
            raise Refused("too-many-clients", "Too many pages are open. Close some and reload.")
        response = web.StreamResponse(
            headers={
                "Content-Type": "text/event-stream; charset=utf-8",
                "Cache-Control": "no-store",
                "X-Accel-Buffering": "no",
            }
        )
        user = signed.session.user if signed.session else None
        client = _Client(signed, request.transport, user.language if user else language_of(request))
        self._clients.add(client)
        try:
            await response.prepare(request)
            await self._feed(client, response, self._place_of(request))
        except TimeoutError:
            self.dropped += 1
            client.drop()
            log.info("a page that does not read was dropped", action="live_client_dropped")
        except ConnectionError:
            pass  # the browser went away, as they do
        finally:
            self._clients.discard(client)
        return response

    async def _feed(self, client: _Client, response: web.StreamResponse, place: int | None) -> None:
        seconds = self._services.options.live_write_seconds
        await _write(response, f"retry: {_RETRY_MS}\n\n", seconds)
        asked = f"event: ping\ndata: {json.dumps({'page': client.id})}\n\n"
        pause = ASK_SECONDS if client.is_desk else _KEEPALIVE_SECONDS
        loop = asyncio.get_running_loop()
        ask_at = loop.time() + min(pause, _FIRST_ASK_SECONDS)
        if place is None:
            place = self._number
            await _write(response, f"id: {self._start}-{place}\nevent: reset\ndata: {{}}\n\n", seconds)
        while not client.gone and not self._closing:
            client.news.clear()
            text = ""
            if place != self._number:
                text, place = self._after(place, client)
            if loop.time() >= ask_at:
                text += asked if client.is_desk else ": still here\n\n"
                ask_at = loop.time() + pause
            if text:
                await _write(response, text, seconds)
                continue
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(ask_at):
                    await client.news.wait()
        if not client.gone:
            await _write(response, "event: bye\ndata: {}\n\n", seconds)

    def _after(self, place: int, client: _Client) -> tuple[str, int]:
        """What came after `place`, as text for this client, and the new place."""
        viewer = client.signed.principal
        missed = self._number - place
        if missed > min(len(self._ring), _MOST_AT_ONCE):
            return f"id: {self.last_id}\nevent: reset\ndata: {{}}\n\n", self._number
        events = [self._ring[index] for index in range(len(self._ring) - missed, len(self._ring))]
        parts = [
            f"id: {self._start}-{event.number}\nevent: {event.kind}\n"
            f"data: {event.text_for(viewer, client.language)}\n\n"
            for event in events
            if event.is_for(viewer)
        ]
        return "".join(parts), self._number

    def _place_of(self, request: web.Request) -> int | None:
        """Where the client left off, or None where it must load afresh."""
        given = request.headers.get("Last-Event-ID") or request.query.get("last_event_id", "")
        start, _, number = given.partition("-")
        if start != self._start or not number.isascii() or not number.isdigit() or len(number) > 15:
            return None
        place = int(number)
        return place if self._number - len(self._ring) <= place <= self._number else None

    async def _look(self) -> None:
        """Streams nobody answers are ended, and people without a page that answers are gone (R26)."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            now = loop.time()
            for client in list(self._clients):
                if client.heard is not None and now - client.heard > GONE_SECONDS:
                    client.drop()
                    client.news.set()
                    log.info("a page that does not answer was closed", action="live_page_silent")
            for user_id in self.presence.look(now):
                self._tell_presence(user_id, here=False)
                log.info("an agent's page is gone", action="agent_page_gone", user=user_id)

    async def _sweep(self) -> None:
        while True:
            await self._sweep_once()
            await asyncio.sleep(SWEEP_SECONDS)

    async def _sweep_once(self) -> None:
        services = self._services
        try:
            self._names = await services.users.names()
            if not self._clients:
                return
            now = services.clock.now()
            of = {client: client.signed.principal.proof_id for client in self._clients}
            browsers = {of[client] for client in of if client.signed.session is not None}
            programs = {of[client] for client in of if client.signed.session is None}
            live: Collection[str] = {
                *await services.sessions.live(browsers, now, limits_of(services.options).longest),
                *await services.tokens.live(programs, now),
            }
        except Exception as error:  # the sweep must outlive whatever the store does
            log.warning(
                "open pages could not be checked; tried again soon",
                action="live_sweep_failed",
                why=type(error).__name__,
            )
            return
        for client, proof in of.items():
            if proof not in live:
                client.drop()
                log.info("a page whose session ended was closed", action="live_session_ended")
        self._wake()


LIVE: web.AppKey[LiveEvents] = web.AppKey("live", LiveEvents)
#: The newest event when the request came; a page that is made for it follows on from here.
LIVE_AT: web.RequestKey[str] = web.RequestKey("live_at", str)


def call_json(view: CallView) -> str:
    """The call as the API gives it."""
    return CallOut.model_validate(view).model_dump_json()


async def _write(response: web.StreamResponse, text: str, seconds: float) -> None:
    async with asyncio.timeout(seconds):
        await response.write(text.encode())
