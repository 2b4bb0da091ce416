"""The gate before Asterisk's WebSocket: one address, the browser's own session, its own telephone, nobody else's.

What passes is not changed. A page whose session has ended, or whose person was disabled, is cut off within
`SWEEP_SECONDS`. Sound (RTP) never comes here. While the service is away pages go to Asterisk directly
(docs/softphone.md, docs/decisions/0028).
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Final

import structlog
from aiohttp import (
    ClientError,
    ClientSession,
    ClientTimeout,
    ClientWebSocketResponse,
    TCPConnector,
    WSMsgType,
    web,
)

from access.permissions import Permission
from telephony import sip
from telephony.phones import PhoneKind
from telephony.ports import SwitchUnavailable
from web.auth import Signed, limits_of
from web.ports import Figure, Services
from web.ports.phone import BrowserPhones
from web.problems import Refused
from web.routes import SERVICES, Route

log = structlog.get_logger(__name__)

#: Sessions behind open telephones are looked at this often.
SWEEP_SECONDS: Final = 2.0
#: A line that dropped without a word may come back within this before its caller hears music.
GRACE_SECONDS: Final = 4.0
#: A page that does not answer our ping within half of this is gone.
_HEARTBEAT: Final = 20.0
#: Either side may take this long to read one message; who takes longer is gone.
_READS_SECONDS: Final = 5.0
#: A line that does not take its farewell within this is cut.
_FAREWELL_SECONDS: Final = 2.0
#: The switch is on this machine: it answers at once or not at all.
_REACH_SECONDS: Final = 4.0
_PROTOCOL: Final = "sip"
_GOING_AWAY: Final = 1001
_RESTARTS: Final = 1012
_NOT_YOURS: Final = 1008
#: Close codes of our own (4000 to 4999, RFC 6455 7.4.2); the page knows them.
ENDED: Final = 4401
ELSEWHERE: Final = 4409
#: Said by a page that falls silent on purpose, because another page takes over.
LEAVING: Final = 4000
#: Length of a page's own name, which it makes up when it is loaded.
_LONGEST_PAGE: Final = 64


class _Line:
    """One page's telephone."""

    def __init__(
        self,
        signed: Signed,
        user_id: str,
        page: str,
        endpoint: str,
        transport: asyncio.Transport | None,
    ) -> None:
        self.signed = signed
        self.user_id = user_id
        self.page = page
        self.endpoint = endpoint
        self.browser = web.WebSocketResponse(
            protocols=(_PROTOCOL,), heartbeat=_HEARTBEAT, max_msg_size=2 * sip.LONGEST, compress=False
        )
        self._transport = transport
        #: Not to come back: another page has the telephone, or the session has ended.
        self.parted = False
        #: Set when another page of the person has the telephone: nobody waits for this one to come back.
        self.replaced = asyncio.Event()
        #: Its end has been seen to, or is being.
        self.left = False

    async def end(self, code: int) -> None:
        """Close it; a page that does not answer that, or does not even read it, is cut off."""
        try:
            async with asyncio.timeout(_FAREWELL_SECONDS):
                await self.browser.close(code=code)
        except TimeoutError:
            if self._transport is None:
                return
            if (
                self._transport.get_write_buffer_size()
            ):  # it does not read: what is unsent would stay for ever
                self._transport.abort()
            else:  # the code is on its way; a reset might overtake it
                self._transport.close()


class PhoneGate:
    """Every open telephone of this process."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._lines: dict[str, _Line] = {}
        self._client: ClientSession | None = None
        self._sweeper: asyncio.Task[None] | None = None
        #: What is done for lines that are gone.
        self._partings: dict[_Line, asyncio.Task[None]] = {}
        self._closing = False
        #: Messages that were not the page's own to send.
        self.refused = 0

    @property
    def lines(self) -> int:
        """How many pages have a telephone open."""
        return len(self._lines)

    async def start(self) -> None:
        """Begin to look after the sessions behind the lines."""
        self._sweeper = asyncio.create_task(self._sweep(), name="phone-gate-sweep")

    async def close(self) -> None:
        """End every line; pages go on by the other address, and their calls go on."""
        self._closing = True
        await asyncio.gather(*(line.end(_RESTARTS) for line in self._lines.values()))
        for task in (*self._partings.values(), *([self._sweeper] if self._sweeper else [])):
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        if self._client is not None:
            await self._client.close()
            self._client = None

    async def serve(self, request: web.Request, signed: Signed) -> web.StreamResponse:
        """One page's telephone, until either side ends it.

        Raises Refused foreign-origin, not-allowed, no-such-phone, bad-request; SwitchUnavailable.
        """
        user_id = _person(request, signed)
        phones = phones_of(self._services)
        own = [one for one in await phones.own(user_id) if one.kind is PhoneKind.BROWSER]
        if not own:
            raise Refused(
                "no-such-phone", "You have no telephone in the page; an administrator can give you one."
            )
        page = request.query.get("page", "")
        if not page.isascii() or not page.isalnum() or len(page) > _LONGEST_PAGE:
            raise Refused("bad-request", "Say which page this is: ?page=, letters and digits.")
        line = _Line(signed, user_id, page, own[0].endpoint, request.transport)
        if not line.browser.can_prepare(request):
            raise Refused("bad-request", "This address speaks WebSocket only.")
        if self._closing:
            raise SwitchUnavailable("The service is being stopped.")
        switch = await self._reach(phones.offer.switch_url)
        try:
            await line.browser.prepare(request)
            await self._take(line)
            await self._pass_on(line, switch)
        finally:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_FAREWELL_SECONDS):
                    await switch.close()
            if self._lines.get(user_id) is line:
                del self._lines[user_id]
            self._part(line)
        return line.browser

    async def _reach(self, url: str) -> ClientWebSocketResponse:
        if self._client is None:
            self._client = ClientSession(
                timeout=ClientTimeout(total=None, sock_connect=3.0),
                connector=TCPConnector(
                    limit=0
                ),  # one connection for each telephone, for as long as it is open
            )
        try:
            async with asyncio.timeout(_REACH_SECONDS):
                return await self._client.ws_connect(
                    url, protocols=(_PROTOCOL,), max_msg_size=2 * sip.LONGEST, compress=0
                )
        except (ClientError, OSError, TimeoutError) as error:
            log.warning("Asterisk's WebSocket is not there", action="phone_gate_no_switch", why=str(error))
            raise SwitchUnavailable("The telephone switch does not answer; the page tries again.") from error

    async def _take(self, line: _Line) -> None:
        """The newest page has the telephone; the one before it is told so.

        Who talked with another page waits before this one can say a word: it asks for him once it has registered.
        """
        before = self._lines.get(line.user_id)
        self._lines[line.user_id] = line
        if before is not None:
            before.parted = before.page != line.page
            await before.end(ELSEWHERE if before.parted else 1000)
            if before.parted:
                self._part(before)
        others = {
            other: task
            for other, task in self._partings.items()
            if other.user_id == line.user_id and other.page != line.page
        }
        for other in others:
            other.replaced.set()
        if others:
            await asyncio.wait(others.values(), timeout=_REACH_SECONDS)

    async def _pass_on(self, line: _Line, switch: ClientWebSocketResponse) -> None:
        async def up() -> None:
            async for message in line.browser:
                if message.type is not WSMsgType.TEXT:
                    return
                if not sip.is_of(message.data, line.endpoint):
                    self.refused += 1
                    log.warning(
                        "a page sent what is not its own", action="phone_gate_refused", user=line.user_id
                    )
                    await line.end(_NOT_YOURS)
                    return
                async with asyncio.timeout(_READS_SECONDS):
                    await switch.send_str(message.data)

        async def down() -> None:
            async for message in switch:
                if message.type is not WSMsgType.TEXT:
                    return
                async with asyncio.timeout(_READS_SECONDS):
                    await line.browser.send_str(message.data)

        ways = {asyncio.create_task(up(), name="phone-up"), asyncio.create_task(down(), name="phone-down")}
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            results = await asyncio.gather(*ways, return_exceptions=True)
        for result in results:
            if isinstance(result, Exception) and not isinstance(result, ConnectionError):
                log.warning("a telephone's line broke", action="phone_gate_broke", why=type(result).__name__)
        if not line.browser.closed:
            await line.end(_RESTARTS)

    def _part(self, line: _Line) -> None:
        """The line is gone: whom the page talked with must not hear silence."""
        if self._closing or line.left:
            return
        line.left = True
        task = asyncio.create_task(self._parting(line), name="phone-parting")
        self._partings[line] = task
        task.add_done_callback(lambda _task: self._partings.pop(line, None))

    async def _parting(self, line: _Line) -> None:
        leaving = line.parted or line.browser.close_code in (_GOING_AWAY, LEAVING, ENDED)
        if not leaving:  # perhaps only the signalling broke: the sound may still go both ways
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(GRACE_SECONDS):
                    await line.replaced.wait()
            now = self._lines.get(line.user_id)
            if now is not None and now.page == line.page:
                return
        try:
            await phones_of(self._services).gone(line.user_id)
        except Exception as error:  # a boundary: nobody waits for this task
            log.exception("a page that went away was not seen to", action="phone_gate_gone", why=str(error))

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            await self._sweep_once()

    async def _sweep_once(self) -> None:
        services = self._services
        lines = list(self._lines.values())
        if not lines:
            return
        proofs = {line.signed.principal.proof_id for line in lines}
        try:
            live = await services.sessions.live(
                proofs, services.clock.now(), limits_of(services.options).longest
            )
        except Exception as error:  # the sweep must outlive whatever the store does
            log.warning(
                "open telephones could not be checked", action="phone_gate_sweep", why=type(error).__name__
            )
            return
        ended = [line for line in lines if line.signed.principal.proof_id not in live]
        for line in ended:
            log.info("a telephone whose session ended was closed", action="phone_gate_ended")
            line.parted = True
        await asyncio.gather(*(line.end(ENDED) for line in ended))

    def figures(self) -> tuple[Figure, ...]:
        """For /metrics."""
        return (
            Figure(name="careline_phone_lines", help="Pages with a telephone", value=self.lines),
            Figure(
                name="careline_phone_refused",
                help="Messages of pages that were not their own to send",
                value=self.refused,
                kind="counter",
            ),
        )


GATE: web.AppKey[PhoneGate] = web.AppKey("phone-gate", PhoneGate)


def phones_of(services: Services) -> BrowserPhones:
    """The telephones of pages. Raises Refused where this installation has none."""
    if services.phones is None:
        raise Refused("not-found", "This installation has no telephones in pages.")
    return services.phones


def _person(request: web.Request, signed: Signed) -> str:
    """Whose page this is. Browsers always send Origin with a WebSocket; programs have no telephone here."""
    user_id = signed.principal.user_id
    if signed.session is None or user_id is None:
        raise Refused("not-allowed", "Only the page of somebody who is signed in has a telephone.")
    if "Origin" not in request.headers:
        raise Refused("foreign-origin", "Only our own page has a telephone.")
    return user_id


async def phone_socket(request: web.Request, signed: Signed) -> web.StreamResponse:
    """SIP over WebSocket (RFC 7118) to the switch."""
    return await request.app[GATE].serve(request, signed)


ROUTES: Final = (
    Route(
        method="GET",
        path="/phone/ws",
        summary="Signalling of the telephone in the page (WebSocket, sub-protocol sip)",
        needs=Permission.DESK_SELF,
        page=phone_socket,
        errors=("no-such-phone", "foreign-origin", "bad-request", "switch-unavailable"),
        tag="desk",
    ),
)

__all__ = ["ELSEWHERE", "ENDED", "GATE", "ROUTES", "SERVICES", "PhoneGate", "phones_of"]
