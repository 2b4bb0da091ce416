"""The HTTP client of webhooks out: it looks at the very address it connects to (S13).

A name is resolved once for each connection, every address it gives is judged, and the connection goes to those
addresses and no others; the socket itself is made by us and judged once more. Redirects are not followed, no proxy
of the environment is used, no cookie kept, an answer is neither unpacked nor kept, and nothing takes longer than the
settings say.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from crm.hooks.addresses import check_url, may_connect
from crm.hooks.errors import UrlRefused
from crm.hooks.options import HookOptions

#: Gives the addresses of a name, as `loop.getaddrinfo` does. Raises OSError.
Lookup = Callable[[str, int], Awaitable[list[str]]]


class AddressRefused(OSError):
    """The machine behind the name is none that may be connected."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """What a receiver said, or the word for why it said nothing."""

    status: int | None = None
    error: str = ""
    #: Seconds of Retry-After.
    asked_seconds: float = 0.0


async def system_lookup(host: str, port: int) -> list[str]:
    """The addresses the machine's own resolver gives. Raises OSError."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(info[4][0]) for info in found]


class _Gate(AbstractResolver):
    """Resolver and maker of sockets of one connector."""

    def __init__(self, lookup: Lookup, *, inside: bool) -> None:
        self._lookup = lookup
        self._inside = inside

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """The judged addresses of a name. One that is refused refuses the name."""
        results: list[ResolveResult] = []
        for text in await self._lookup(host, port):
            address = self.judge(text)
            results.append(
                ResolveResult(
                    hostname=host,
                    host=str(address),
                    port=port,
                    family=socket.AF_INET if address.version == 4 else socket.AF_INET6,
                    proto=0,
                    flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
                )
            )
        if not results:
            raise OSError("the name has no address")
        return results

    def judge(self, text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
        """The address, if it may be connected. Raises AddressRefused."""
        try:
            address = ipaddress.ip_address(text)
        except ValueError as error:
            raise AddressRefused("not an address") from error
        if not may_connect(address, inside=self._inside):
            raise AddressRefused("an address inside")
        return address

    def make_socket(self, info: tuple[Any, ...]) -> socket.socket:
        """The socket for one address: the last moment at which it can be refused."""
        self.judge(str(info[4][0]))
        return socket.socket(family=info[0], type=info[1], proto=info[2])

    async def close(self) -> None:
        """Nothing is held."""


class HookTransport:
    """Posts deliveries. Make and use it on the event loop; `close` it."""

    def __init__(self, options: HookOptions, *, lookup: Lookup = system_lookup, version: str = "") -> None:
        """Raises OSError where `ca_file` cannot be read."""
        self._options = options
        self._rules = options.rules()
        self._lookup = lookup
        self._agent = f"Careline/{version}".rstrip("/")
        self._tls = ssl.create_default_context()
        if options.ca_file:
            self._tls.load_verify_locations(options.ca_file)
        self._sessions: dict[bool, aiohttp.ClientSession] = {}

    async def post(self, url: str, body: bytes, headers: Mapping[str, str], now: datetime) -> Answer:
        """One try; never raises for what the other side or the network does."""
        try:
            place = check_url(url, self._rules)
            target = URL(url)
        except (UrlRefused, ValueError):
            return Answer(error="refused-url")
        if (target.scheme, (target.host or "").rstrip("."), target.port) != (
            place.scheme,
            place.host,
            place.port,
        ):
            return Answer(error="refused-url")  # two ways of reading it: neither is trusted
        session = self._session(inside=self._rules.is_inside(place))
        try:
            async with session.post(
                target, data=body, headers=headers, allow_redirects=False, ssl=self._tls
            ) as response:
                return await self._read(response, now)
        except TimeoutError:
            return Answer(error="timeout")
        except aiohttp.ClientConnectorError as error:
            return Answer(error=_word_for(error))
        except aiohttp.InvalidURL:
            return Answer(error="refused-url")
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return Answer(error="refused-address" if isinstance(error, AddressRefused) else "connection")

    async def _read(self, response: aiohttp.ClientResponse, now: datetime) -> Answer:
        """The status; the body is read, up to the limit, only so that the connection can be used again."""
        answer = Answer(
            status=response.status, asked_seconds=_asked(response.headers.get("Retry-After", ""), now)
        )
        with suppress(aiohttp.ClientError, TimeoutError, OSError):
            left = self._options.answer_bytes
            while left >= 0:
                part = await response.content.read(min(left + 1, 16_384))
                if not part:
                    return answer
                left -= len(part)
        response.close()
        return answer

    def _session(self, *, inside: bool) -> aiohttp.ClientSession:
        session = self._sessions.get(inside)
        if session is None:
            gate = _Gate(self._lookup, inside=inside)
            session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    resolver=gate,
                    socket_factory=gate.make_socket,
                    use_dns_cache=False,
                    limit=self._options.parallel,
                ),
                timeout=aiohttp.ClientTimeout(total=self._options.timeout_seconds),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                trust_env=False,
                max_line_size=8190,
                max_field_size=8190,
                headers={"User-Agent": self._agent},
            )
            self._sessions[inside] = session
        return session

    async def close(self) -> None:
        """Close every connection."""
        for session in self._sessions.values():
            await session.close()
        self._sessions.clear()


def _word_for(error: aiohttp.ClientConnectorError) -> str:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, AddressRefused) or isinstance(getattr(cause, "os_error", None), AddressRefused):
            return "refused-address"
        cause = cause.__cause__
    if isinstance(error, aiohttp.ClientConnectorSSLError | aiohttp.ClientConnectorCertificateError):
        return "tls"
    return "dns" if isinstance(error, aiohttp.ClientConnectorDNSError) else "connection"


_LONGEST_HEADER: Final = 40


def _asked(text: str, now: datetime) -> float:
    """Seconds of a Retry-After, as number or date (RFC 9110, 10.2.3); 0 where it says nothing sensible."""
    text = text.strip()
    if not text or len(text) > _LONGEST_HEADER or not text.isascii():
        return 0.0
    if text.isdigit():
        return float(min(int(text), 10**9))
    try:
        when = parsedate_to_datetime(text)
    except (ValueError, TypeError):
        return 0.0
    return max(0.0, (when - now).total_seconds()) if when.tzinfo is not None else 0.0
