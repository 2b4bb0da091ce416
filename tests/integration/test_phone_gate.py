"""The gate before Asterisk's WebSocket, with a switch that says back what it hears; no browser, no Asterisk."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from waiting import PATIENCE, SLACK, until

from access.permissions import Role
from access.users import Principal, Via
from telephony.phones import PhoneKind
from telephony.ports import SwitchUnavailable
from web import phone as gate_module
from web.auth import Signed
from web.phone import ELSEWHERE, ENDED, LEAVING, SWEEP_SECONDS, PhoneGate
from web.ports import Services

#: A page that does not read is flooded with this, so that no socket's buffer swallows it.
FLOOD = "x" * 30_000
FAREWELL = gate_module._FAREWELL_SECONDS


def request(endpoint: str, branch: int = 1) -> str:
    return (
        f"OPTIONS sip:desk SIP/2.0\r\nFrom: <sip:{endpoint}@desk>;tag={branch}\r\n"
        f"To: <sip:desk@desk>\r\nCall-ID: {branch}\r\n\r\n"
    )


@dataclass
class Lines:
    """The gate, and what the switch and the service saw. Who asks is in the query, in place of a session."""

    gate: PhoneGate
    url: str = ""
    live: set[str] = field(default_factory=set)
    gone: list[str] = field(default_factory=list)
    heard: list[str] = field(default_factory=list)
    flooding: bool = False
    #: Seconds the service takes for a page that is gone.
    slow: float = 0.0

    @asynccontextmanager
    async def page(self, user: str, page: str = "p1") -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
        self.live.add(f"s-{user}")
        async with (
            aiohttp.ClientSession() as client,
            client.ws_connect(
                f"{self.url}?user={user}&page={page}", protocols=("sip",), origin="http://desk"
            ) as socket,
        ):
            yield socket

    @asynccontextmanager
    async def page_that_does_not_read(self, user: str) -> AsyncIterator[None]:
        """Its line is open, and what the gate sends it stays in the buffers until they are full."""
        self.live.add(f"s-{user}")
        host, port = self.url.removeprefix("http://").partition("/")[0].split(":")
        reader, writer = await asyncio.open_connection(host, int(port), limit=1024)
        key = base64.b64encode(secrets.token_bytes(16)).decode()
        writer.write(
            f"GET /phone/ws?user={user}&page=slow HTTP/1.1\r\nHost: desk\r\nOrigin: http://desk\r\n"
            f"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Protocol: sip\r\n\r\n".encode()
        )
        assert b"101" in await reader.readline()
        try:
            yield
        finally:
            writer.transport.abort()
            await asyncio.gather(writer.wait_closed(), return_exceptions=True)

    async def until(self, done: Any) -> None:
        await until(done, every=0.01)


@pytest.fixture
async def lines() -> AsyncIterator[Lines]:
    found: Lines

    async def switch(asked: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(protocols=("sip",))
        await socket.prepare(asked)
        if found.flooding:
            with contextlib.suppress(ConnectionError):
                for _ in range(1000):
                    await socket.send_str(FLOOD)
        async for message in socket:
            found.heard.append(message.data)
            await socket.send_str(message.data)
        return socket

    async def phone(asked: web.Request) -> web.StreamResponse:
        user = asked.query["user"]
        who = Principal(role=Role.AGENT, via=Via.SESSION, name=user, user_id=user, proof_id=f"s-{user}")
        return await found.gate.serve(asked, Signed(principal=who, session=cast("Any", object())))

    async def own(user: str) -> list[Any]:
        return [SimpleNamespace(kind=PhoneKind.BROWSER, endpoint=f"p{user}")]

    async def gone(user: str) -> None:
        await asyncio.sleep(found.slow)
        found.gone.append(user)

    async def live(proofs: set[str], _now: object, _longest: object) -> set[str]:
        return proofs & found.live

    behind = web.Application()
    behind.router.add_get("/ws", switch)
    async with TestServer(behind) as asterisk:
        offer = SimpleNamespace(switch_url=str(asterisk.make_url("/ws")))
        services = SimpleNamespace(
            phones=SimpleNamespace(own=own, gone=gone, offer=offer),
            sessions=SimpleNamespace(live=live),
            clock=SimpleNamespace(now=lambda: None),
            options=SimpleNamespace(session_longest_hours=12, session_idle_minutes=30),
        )
        found = Lines(PhoneGate(cast("Services", services)))
        front = web.Application()
        front.router.add_get("/phone/ws", phone)
        async with TestServer(front) as server:
            found.url = str(server.make_url("/phone/ws"))
            try:
                yield found
            finally:
                await found.gate.close()


@pytest.fixture(autouse=True)
def brisk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate_module, "_FAREWELL_SECONDS", 0.3)
    monkeypatch.setattr(gate_module, "GRACE_SECONDS", 0.2)
    monkeypatch.setattr(gate_module, "limits_of", lambda _options: SimpleNamespace(longest=None))


async def test_ones_own_passes_both_ways_and_anothers_ends_the_line(lines: Lines) -> None:
    async with lines.page("li") as page:
        await page.send_str(request("pli"))
        assert await page.receive_str(timeout=PATIENCE) == request("pli")
        await page.send_str(request("pwang"))
        await page.receive(timeout=PATIENCE)
        assert page.close_code == 1008
    assert lines.heard == [request("pli")]
    assert lines.gate.refused == 1


async def test_the_newest_page_has_the_telephone(lines: Lines) -> None:
    """The page before is told why, and its customer waits at once: it is not coming back."""
    async with lines.page("li", "p1") as first, lines.page("li", "p2") as second:
        await first.receive(timeout=PATIENCE)
        assert first.close_code == ELSEWHERE
        await lines.until(lambda: lines.gone == ["li"])
        await second.send_str(request("pli"))
        assert await second.receive_str(timeout=PATIENCE) == request("pli")
        assert lines.gate.lines == 1


@pytest.mark.parametrize("dies", [False, True])
async def test_a_page_is_gone_before_the_next_one_says_a_word(
    lines: Lines, monkeypatch: pytest.MonkeyPatch, dies: bool
) -> None:
    """The next one asks once, when it has registered, who waits: by then whoever talked with the other one does."""
    monkeypatch.setattr(gate_module, "GRACE_SECONDS", 2 * PATIENCE)
    lines.slow = 0.3
    async with lines.page("li", "p1") as first:
        await lines.until(lambda: lines.gate.lines == 1)
        if dies:  # without a word
            wire = first._writer.transport
            assert wire is not None
            wire.abort()
            await lines.until(lambda: lines.gate.lines == 0)
        async with lines.page("li", "p2") as second:
            await second.send_str(request("pli"))
            assert await second.receive_str(timeout=PATIENCE) == request("pli")
            assert lines.gone == ["li"]
            await first.close()
        await lines.until(lambda: lines.gate.lines == 0)


async def test_the_same_page_on_a_new_line_leaves_nobody_waiting(lines: Lines) -> None:
    async with lines.page("li", "p1") as first, lines.page("li", "p1") as second:
        await first.receive(timeout=PATIENCE)
        assert first.close_code == 1000
        await asyncio.sleep(2 * gate_module.GRACE_SECONDS)
        assert lines.gone == []
        await second.close(code=LEAVING)
        await lines.until(lambda: lines.gone == ["li"])


async def test_a_page_that_does_not_read_keeps_nobody_elses_session_open(lines: Lines) -> None:
    """Both sessions ended: the page that reads is told, the one that does not is cut off."""
    lines.flooding = True
    async with lines.page_that_does_not_read("slow"):
        await lines.until(lambda: lines.gate.lines == 1)
        await asyncio.sleep(0.2)  # the buffers are full
        lines.flooding = False
        async with lines.page("li") as page:
            await lines.until(lambda: lines.gate.lines == 2)
            lines.live.clear()
            async with asyncio.timeout(2 + SLACK):
                await lines.gate._sweep_once()
            assert (await page.receive(timeout=PATIENCE)).data == ENDED
            await lines.until(lambda: lines.gate.lines == 0)
            await lines.until(lambda: sorted(lines.gone) == ["li", "slow"])


def test_s07_an_ended_session_is_cut_off_within_five_seconds() -> None:
    assert SWEEP_SECONDS + FAREWELL <= 5.0


async def test_s07_the_gates_own_watch_ends_the_line_of_whoever_was_disabled(
    lines: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Measured with the periods of the product: nobody asks the gate, and another person's line stays."""
    monkeypatch.setattr(gate_module, "_FAREWELL_SECONDS", FAREWELL)
    await lines.gate.start()
    async with lines.page("wang") as other, lines.page("li") as page:
        await lines.until(lambda: lines.gate.lines == 2)
        lines.live.discard("s-li")
        begin = time.monotonic()
        assert (await page.receive(timeout=PATIENCE)).data == ENDED
        await lines.until(lambda: lines.gate.lines == 1)
        assert time.monotonic() - begin <= 5.0 + SLACK
        await other.send_str(request("pwang"))
        assert await other.receive_str(timeout=PATIENCE) == request("pwang")


async def test_a_page_that_does_not_read_does_not_hold_up_a_stop(lines: Lines) -> None:
    lines.flooding = True
    async with lines.page_that_does_not_read("slow"):
        await lines.until(lambda: lines.gate.lines == 1)
        await asyncio.sleep(0.2)
        async with asyncio.timeout(2 + SLACK):
            await lines.gate.close()


async def test_a_page_that_does_not_read_is_let_go(lines: Lines, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate_module, "_READS_SECONDS", 0.3)
    lines.flooding = True
    async with lines.page_that_does_not_read("slow"):
        await lines.until(lambda: lines.gone == ["slow"])  # nobody is gone who had no line
        assert lines.gate.lines == 0


async def test_more_than_a_hundred_telephones_are_connected(lines: Lines) -> None:
    """A pool of connections has a limit of 100 where nobody says otherwise."""
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as client:
        async with asyncio.timeout(60):
            pages = [
                await client.ws_connect(
                    f"{lines.url}?user=u{number}&page=p", protocols=("sip",), origin="http://desk"
                )
                for number in range(105)
            ]
            await pages[-1].send_str(request("pu104"))
            assert await pages[-1].receive_str(timeout=PATIENCE) == request("pu104")
        assert lines.gate.lines == 105


async def test_a_switch_that_takes_the_connection_and_says_nothing_is_not_waited_for(
    lines: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gate_module, "_REACH_SECONDS", 0.2)

    gone = asyncio.Event()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()  # until the other side has gone
        writer.close()
        gone.set()

    deaf = await asyncio.start_server(silent, "127.0.0.1", 0)
    port = deaf.sockets[0].getsockname()[1]
    with pytest.raises(SwitchUnavailable):
        async with asyncio.timeout(3 + SLACK):
            await lines.gate._reach(f"ws://127.0.0.1:{port}/ws")
    async with asyncio.timeout(3 + SLACK):
        await gone.wait()
    deaf.close()
    await deaf.wait_closed()
