"""Listening: caps on connections, deadlines for request heads, and an orderly stop."""

from __future__ import annotations

import asyncio
import resource
from typing import Final, cast

import structlog
from aiohttp import web

from web.options import WebOptions
from web.problems import of_status
from web.tls import Certificate

log = structlog.get_logger(__name__)

_FULL: Final = (
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nRetry-After: 5\r\nConnection: close\r\n\r\n"
)
#: Largest request line and header field, bytes (RFC 9110 asks for 8000 at least).
_LINE: Final = 8190


class _Connection(web.RequestHandler):
    """aiohttp's connection, except that a request head that cannot be parsed is not echoed or logged in full."""

    __slots__ = ()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """A plain refusal that closes the connection. Raises ConnectionError where an answer had begun."""
        log.info(
            "a request could not be read",
            action="request_unreadable",
            address=request.remote,
            status=status,
            why=type(exc).__name__,
        )
        if request.writer.output_size > 0:
            raise ConnectionError("an answer had begun; the connection is closed")
        response = of_status(status, request_id="", headers={"Server": "careline"})
        response.force_close()
        return response


class _Turnstile(asyncio.Protocol):
    """Lets a connection in, or answers 503 and closes it, before anything of it is read."""

    def __init__(self, server: WebServer) -> None:
        self._server = server

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        stream = cast("asyncio.Transport", transport)
        inside = self._server.let_in(stream)
        if inside is None:
            stream.write(_FULL)
            stream.close()
            return
        stream.set_protocol(inside)
        inside.connection_made(transport)


class WebServer:
    """The application on a socket."""

    def __init__(self, app: web.Application, options: WebOptions) -> None:
        self._options = options
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=options.stop_seconds)
        self._listening: asyncio.Server | None = None
        #: https; None: http. Raises CertificateUnusable here, before anything is served.
        self._certificate = Certificate(options.tls) if options.tls.certificate else None
        self._renewing: asyncio.Task[None] | None = None
        self._cap = connection_cap(options.connections)
        #: Connections refused because there were too many.
        self.refused = 0

    @property
    def port(self) -> int:
        """The port it listens on; known after `start`, also where the setting was 0."""
        assert self._listening is not None, "start it first"
        return int(self._listening.sockets[0].getsockname()[1])

    @property
    def connections(self) -> int:
        """Connections open now."""
        server = self._runner.server
        return len(server.connections) if server is not None else 0

    async def start(self, *, port: int | None = None) -> None:
        """Listen. Raises OSError where the address is taken."""
        await self._runner.setup()
        loop = asyncio.get_running_loop()
        try:
            self._listening = await loop.create_server(
                lambda: _Turnstile(self),
                self._options.host,
                self._options.port if port is None else port,
                backlog=512,
                ssl=None if self._certificate is None else self._certificate.context,
                ssl_handshake_timeout=None if self._certificate is None else self._options.idle_seconds,
            )
        except OSError:
            await self._runner.cleanup()
            raise
        if self._certificate is not None:
            self._renewing = asyncio.create_task(self._certificate.follow(), name="web-certificate")

    async def stop(self) -> None:
        """Take nothing new, let what runs finish until the deadline, then close everything."""
        if self._listening is not None:
            self._listening.close()
        if self._renewing is not None:
            self._renewing.cancel()
            await asyncio.gather(self._renewing, return_exceptions=True)
        await self._runner.cleanup()
        self._listening = None

    def let_in(self, transport: asyncio.BaseTransport) -> asyncio.Protocol | None:
        """The protocol for a new connection, or None where there are too many."""
        server = self._runner.server
        if server is None:
            return None
        peer = _host(transport.get_extra_info("peername"))
        present = server.connections
        own = sum(1 for other in present if _host(other.peername) == peer)
        proxied = peer in self._options.trusted_proxies
        if len(present) >= self._cap or (own >= self._options.connections_per_address and not proxied):
            self.refused += 1
            if self.refused & (self.refused - 1) == 0:  # 1, 2, 4, 8 …: a flood must not fill the log
                log.warning(
                    "a connection was refused: too many",
                    action="connection_refused",
                    address=peer,
                    total=len(present),
                    refused=self.refused,
                )
            return None
        return _Connection(
            server,
            loop=asyncio.get_running_loop(),
            access_log=None,  # type: ignore[arg-type]  # None is what AppRunner itself passes on
            keepalive_timeout=self._options.idle_seconds,
            max_line_size=_LINE,
            max_field_size=_LINE,
            lingering_time=2.0,
            auto_decompress=False,
        )


def connection_cap(wanted: int) -> int:
    """As many as wanted, but never more than half of the file descriptors the process may have (R25)."""
    soft, _hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return wanted if soft == resource.RLIM_INFINITY else max(1, min(wanted, soft // 2))


def _host(peer: object) -> str:
    return str(peer[0]) if isinstance(peer, tuple) and peer else ""
