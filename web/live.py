"""Live events to browsers: server-sent events from one bounded ring.

The ring keeps the last events. A client is only a place in the ring, so a slow one costs no memory: it
either reads on, is told to load the page's data afresh (`reset`), or is dropped by the write deadline.
Event ids are "START-NUMBER"; after a restart of the service START differs and clients get `reset`.
Format: https://html.spec.whatwg.org/multipage/server-sent-events.html
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
from collections import deque
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Final

import structlog
from aiohttp import web

from access.users import Principal
from telephony.agents import Agent
from telephony.call_lists import CallView, may_see, view_of
from telephony.calls import Call
from web.api.shapes import CallOut
from web.auth import Signed, limits_of
from web.ports import Services
from web.problems import Refused

log = structlog.get_logger(__name__)

#: Events kept; at 20 calls a second with 10 changes each this is the last 20 seconds.
RING: Final = 4096
#: More than this behind at once is cheaper as a fresh load.
_MOST_AT_ONCE: Final = 500
_KEEPALIVE_SECONDS: Final = 10.0
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
    _rendered: dict[bool, str] = field(default_factory=dict)

    def text_for(self, viewer: Principal) -> str:
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

    def __init__(self, signed: Signed, transport: asyncio.Transport | None) -> None:
        self.signed = signed
        self.transport = transport
        self.gone = False

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
        self._news = asyncio.Event()
        self._names: Mapping[str, str] = {}
        self._sweeper: asyncio.Task[None] | None = None
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

    def _add(self, event: _Event) -> None:
        self._number = event.number
        self._ring.append(event)
        self._wake()

    def _wake(self) -> None:
        news, self._news = self._news, asyncio.Event()
        news.set()

    async def start(self) -> None:
        """Begin to look after the sessions behind the streams."""
        self._sweeper = asyncio.create_task(self._sweep(), name="web-live-sweep")

    async def close(self) -> None:
        """End every stream; browsers come back by themselves."""
        self._closing = True
        self._wake()
        if self._sweeper is not None:
            self._sweeper.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._sweeper

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
        client = _Client(signed, request.transport)
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
        viewer = client.signed.principal
        await _write(response, f"retry: {_RETRY_MS}\n\n", seconds)
        if place is None:
            place = self._number
            await _write(response, f"id: {self._start}-{place}\nevent: reset\ndata: {{}}\n\n", seconds)
        while not client.gone and not self._closing:
            news = self._news
            if place == self._number:
                try:
                    async with asyncio.timeout(_KEEPALIVE_SECONDS):
                        await news.wait()
                except TimeoutError:
                    await _write(response, ": still here\n\n", seconds)
                continue
            text, place = self._after(place, viewer)
            await _write(response, text, seconds)
        if not client.gone:
            await _write(response, "event: bye\ndata: {}\n\n", seconds)

    def _after(self, place: int, viewer: Principal) -> tuple[str, int]:
        """What came after `place`, as text for this viewer, and the new place."""
        missed = self._number - place
        if missed > min(len(self._ring), _MOST_AT_ONCE):
            return f"id: {self.last_id}\nevent: reset\ndata: {{}}\n\n", self._number
        events = [self._ring[index] for index in range(len(self._ring) - missed, len(self._ring))]
        parts = [
            f"id: {self._start}-{event.number}\nevent: {event.kind}\ndata: {event.text_for(viewer)}\n\n"
            for event in events
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


def call_json(view: CallView) -> str:
    """The call as the API gives it."""
    return CallOut.model_validate(view).model_dump_json()


async def _write(response: web.StreamResponse, text: str, seconds: float) -> None:
    async with asyncio.timeout(seconds):
        await response.write(text.encode())
