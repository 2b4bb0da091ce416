"""Other systems for the tests of webhooks out: a receiver that answers as told, and a name server of one's own."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field

import pytest
from aiohttp import web
from fixtures_storage import FrozenClock
from waiting import PATIENCE

from access.ids import new_id
from crm.hooks.events import Event
from crm.hooks.signing import is_genuine, make_secret
from crm.hooks.subscriptions import Hook
from storage.database import Database
from storage.hooks import add_hook


@dataclass(frozen=True, kw_only=True)
class Received:
    """One request as it arrived."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def event_id(self) -> str:
        return self.headers["webhook-id"]

    def is_genuine(self, secret: str) -> bool:
        stamp = self.headers["webhook-timestamp"]
        return is_genuine(
            self.event_id,
            stamp,
            self.body,
            self.headers["webhook-signature"],
            secret,
            now=float(stamp),
        )


#: What a receiver does with the next request: a status, or anything that answers it.
Deed = int | Callable[[web.Request], "asyncio.Future[web.StreamResponse]"] | web.Response


@dataclass
class Receiver:
    """A system of somebody else on loopback."""

    port: int
    received: list[Received] = field(default_factory=list)
    #: Answers to the next requests; afterwards 204.
    deeds: deque[Deed] = field(default_factory=deque)
    #: Answer once `deeds` are used up.
    otherwise: int = 204
    runner: web.AppRunner | None = None

    @property
    def place(self) -> str:
        return f"127.0.0.1:{self.port}"

    def url(self, path: str = "/hook") -> str:
        return f"http://{self.place}{path}"

    async def handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.received.append(Received(path=request.path_qs, headers=headers, body=body))
        deed = self.deeds.popleft() if self.deeds else self.otherwise
        if isinstance(deed, int):
            return web.Response(status=deed)
        return deed if isinstance(deed, web.Response) else await deed(request)


async def _receiver() -> Receiver:
    receiver = Receiver(port=0)
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", receiver.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    receiver.port = runner.addresses[0][1]
    receiver.runner = runner
    return receiver


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    """A system that takes events and remembers them."""
    one = await _receiver()
    yield one
    assert one.runner is not None
    await one.runner.cleanup()


@pytest.fixture
async def other_receiver() -> AsyncIterator[Receiver]:
    """A second one."""
    one = await _receiver()
    yield one
    assert one.runner is not None
    await one.runner.cleanup()


class NameServer(asyncio.DatagramProtocol):
    """Answers A and AAAA questions over UDP (RFC 1035) from a script: each name gives its next answer."""

    def __init__(self) -> None:
        self.script: dict[str, deque[Sequence[str]]] = {}
        self.asked: list[str] = []
        self.port = 0
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
        self._transport = transport
        self.port = transport.get_extra_info("sockname")[1]

    def says(self, name: str, *answers: Sequence[str]) -> None:
        """The answers to the next questions for `name`; the last one stays."""
        self.script[name] = deque(answers)

    def datagram_received(self, data: bytes, address: tuple[str, int]) -> None:
        place, labels = 12, []
        while data[place]:
            labels.append(data[place + 1 : place + 1 + data[place]].decode())
            place += 1 + data[place]
        question = data[12 : place + 5]
        kind = struct.unpack("!H", data[place + 1 : place + 3])[0]
        name = ".".join(labels).lower()
        self.asked.append(name)
        answers = self.script.get(name, deque())
        found: Sequence[str] = ()
        if answers:
            found = answers.popleft() if len(answers) > 1 else answers[0]
        family, size = (socket.AF_INET, 4) if kind == 1 else (socket.AF_INET6, 16)
        records = [
            b"\xc0\x0c" + struct.pack("!HHIH", kind, 1, 0, size) + socket.inet_pton(family, text)
            for text in found
            if (":" in text) == (kind == 28)
        ]
        head = data[:2] + struct.pack("!HHHHH", 0x8180, 1, len(records), 0, 0)
        assert self._transport is not None
        self._transport.sendto(head + question + b"".join(records), address)

    async def lookup(self, host: str, port: int) -> list[str]:
        """`config.hooks.transport.Lookup` that asks this server over the wire, as a stub resolver does."""
        kind = 28 if host.startswith("six.") else 1
        labels = b"".join(bytes([len(part)]) + part.encode() for part in host.rstrip(".").split("."))
        query = struct.pack("!HHHHHH", 7, 0x0100, 1, 0, 0, 0) + labels + b"\0" + struct.pack("!HH", kind, 1)
        loop = asyncio.get_running_loop()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as wire:
            wire.setblocking(False)
            wire.connect(("127.0.0.1", self.port))
            await loop.sock_sendall(wire, query)
            reply = await asyncio.wait_for(loop.sock_recv(wire, 4096), PATIENCE)
        count = struct.unpack("!H", reply[6:8])[0]
        place = 12 + len(labels) + 5
        found = []
        for _ in range(count):
            family, size = (socket.AF_INET, 4) if kind == 1 else (socket.AF_INET6, 16)
            found.append(socket.inet_ntop(family, reply[place + 12 : place + 12 + size]))
            place += 12 + size
        if not found:
            raise socket.gaierror(socket.EAI_NONAME, "no such name")
        return found


@pytest.fixture
async def name_server() -> AsyncIterator[NameServer]:
    """A name server on loopback that says what the test wants."""
    loop = asyncio.get_running_loop()
    transport, server = await loop.create_datagram_endpoint(NameServer, local_addr=("127.0.0.1", 0))
    yield server
    transport.close()


def subscribe(
    database: Database,
    clock: FrozenClock,
    url: str,
    *events: Event,
    owner: str,
    active: bool = True,
) -> tuple[Hook, str]:
    """A subscription and its secret."""
    hook = Hook(
        id=new_id(clock.now()),
        name="dms",
        url=url,
        events=tuple(events),
        language="en",
        active=active,
        owner=owner,
        owner_name="somebody",
        created_at=clock.now(),
        changed_at=clock.now(),
    )
    secret = make_secret()
    database.write_now(lambda connection: add_hook(connection, hook, secret=secret, most=50))
    return hook, secret
