"""S13: where a webhook may not go, whatever its address looks like; with a name server and traps of our own."""

from __future__ import annotations

import asyncio
import gzip
import re
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from aiohttp import web
from fixtures_hooks import NameServer, Receiver
from fixtures_storage import FrozenClock
from waiting import PATIENCE, SLACK

from config.hooks.transport import AddressRefused, HookTransport, _Gate
from crm.hooks.options import HookOptions

BODY = b'{"x":1}'
PUBLIC = "93.184.215.14"

TransportMaker = Callable[..., HookTransport]


@pytest.fixture
async def make_transport(name_server: NameServer) -> AsyncIterator[TransportMaker]:
    made: list[HookTransport] = []

    def make(**options: Any) -> HookTransport:
        transport = HookTransport(
            HookOptions(**{"timeout_seconds": PATIENCE, **options}), lookup=name_server.lookup
        )
        made.append(transport)
        return transport

    yield make
    for transport in made:
        await transport.close()


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "0.0.0.0",
        "169.254.169.254",
        "10.0.0.5",
        "192.168.1.1",
        "100.64.0.1",
        "224.0.0.1",
        "::1",
        "::ffff:127.0.0.1",
        "fe80::1",
        "fd00:ec2::254",
        "64:ff9b::7f00:1",
    ],
)
async def test_s13_a_name_that_leads_inside_is_refused_when_it_is_connected(
    make_transport: TransportMaker,
    name_server: NameServer,
    receiver: Receiver,
    clock: FrozenClock,
    address: str,
) -> None:
    """The port is allowed, and one public address beside it does not help."""
    name = "six.evil.example" if ":" in address else "evil.example"
    public = "2606:2800:21f::1" if ":" in address else PUBLIC
    transport = make_transport(allow_http=True, ports=[receiver.port])
    for answers in ([address], [address, public], [public, address]):
        name_server.says(name, answers)
        answer = await transport.post(f"http://{name}:{receiver.port}/", BODY, {}, clock.now())
        assert (answer.status, answer.error) == (None, "refused-address"), answers
    assert receiver.received == []


async def test_s13_rebinding_a_name_between_look_and_connection_leads_nowhere(
    make_transport: TransportMaker, name_server: NameServer, receiver: Receiver, clock: FrozenClock
) -> None:
    """The name is asked once a connection, and the connection goes to the very address that was judged."""
    name_server.says("rebind.example", [PUBLIC], ["127.0.0.1"])
    transport = make_transport(allow_http=True, ports=[receiver.port])
    url = f"http://rebind.example:{receiver.port}/"
    with pytest.raises(
        AssertionError, match="not to " + re.escape(PUBLIC)
    ):  # the tests' own fence stops it there
        await transport.post(url, BODY, {}, clock.now())
    assert name_server.asked == ["rebind.example"]
    answer = await transport.post(url, BODY, {}, clock.now())
    assert answer.error == "refused-address"
    assert receiver.received == []


async def test_s13_the_socket_itself_is_the_last_fence(name_server: NameServer) -> None:
    gate = _Gate(name_server.lookup, inside=False)
    for address in ("127.0.0.1", "169.254.169.254", "::1"):
        family = 10 if ":" in address else 2
        with pytest.raises(AddressRefused):
            gate.make_socket((family, 1, 6, "", (address, 443)))
    gate.make_socket((2, 1, 6, "", (PUBLIC, 443))).close()


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:{port}/",
        "http://2130706433:{port}/",
        "http://0x7f.1:{port}/",
        "http://0177.0.0.1:{port}/",
        "http://[::1]:{port}/",
        "http://[::ffff:127.0.0.1]:{port}/",
        "http://localhost:{port}/",
        "http://a@127.0.0.1:{port}/",
        "http://good.example:80@127.0.0.1:{port}/",
        "http://127.0.0.1:{port}#@good.example/",
        "file:///etc/passwd",
        "gopher://127.0.0.1:{port}/_x",
        "ftp://127.0.0.1:{port}/",
        "//127.0.0.1:{port}/",
        "http:///127.0.0.1:{port}/",
    ],
)
async def test_s13_no_way_of_writing_it_helps(
    make_transport: TransportMaker, receiver: Receiver, clock: FrozenClock, url: str
) -> None:
    """Also where the row came into the table past the check of the page."""
    transport = make_transport(allow_http=True, ports=[receiver.port])
    answer = await transport.post(url.format(port=receiver.port), BODY, {}, clock.now())
    assert (answer.status, answer.error) == (None, "refused-url")
    assert receiver.received == []


async def test_s13_a_redirect_is_not_followed(
    make_transport: TransportMaker, receiver: Receiver, other_receiver: Receiver, clock: FrozenClock
) -> None:
    transport = make_transport(allow_http=True, allow_inside=[receiver.place, other_receiver.place])
    for status in (301, 302, 303, 307, 308):
        receiver.deeds.append(web.Response(status=status, headers={"Location": other_receiver.url()}))
        answer = await transport.post(receiver.url(), BODY, {}, clock.now())
        assert (answer.status, answer.error) == (status, "")
    assert other_receiver.received == []


async def test_s13_only_the_named_host_and_port_of_the_house_is_reached(
    make_transport: TransportMaker,
    name_server: NameServer,
    receiver: Receiver,
    other_receiver: Receiver,
    clock: FrozenClock,
) -> None:
    for name in ("dms.house", "other.house"):
        name_server.says(name, ["127.0.0.1"])
    transport = make_transport(
        allow_http=True, allow_inside=[f"dms.house:{receiver.port}"], ports=[443, other_receiver.port]
    )
    reached = await transport.post(f"http://dms.house:{receiver.port}/x", BODY, {}, clock.now())
    assert reached.status == 204
    assert receiver.received[0].headers["host"] == f"dms.house:{receiver.port}"
    for url, error in (
        (f"http://dms.house:{other_receiver.port}/", "refused-address"),
        (f"http://other.house:{receiver.port}/", "refused-url"),
        (receiver.url(), "refused-url"),
    ):
        answer = await transport.post(url, BODY, {}, clock.now())
        assert answer.error == error, url
    assert (len(receiver.received), other_receiver.received) == (1, [])
    name_server.says("dms.house", ["169.254.169.254"])
    await transport.close()
    answer = await transport.post(f"http://dms.house:{receiver.port}/x", BODY, {}, clock.now())
    assert answer.error == "refused-address"


async def test_s13_what_the_settings_do_not_allow_is_not_sent(
    make_transport: TransportMaker, receiver: Receiver, clock: FrozenClock
) -> None:
    transport = make_transport(allow_inside=[receiver.place])
    assert (await transport.post(receiver.url(), BODY, {}, clock.now())).error == "refused-url"  # no https
    tls = await transport.post(receiver.url().replace("http:", "https:"), BODY, {}, clock.now())
    assert tls.error in ("tls", "connection")
    assert receiver.received == []


async def test_s13_a_receiver_that_answers_badly_costs_a_bounded_time_and_memory(
    make_transport: TransportMaker, receiver: Receiver, clock: FrozenClock
) -> None:
    room: dict[str, Any] = {"allow_http": True, "allow_inside": [receiver.place], "answer_bytes": 10_000}
    patient, brief = make_transport(**room), make_transport(**room, timeout_seconds=1 + SLACK)

    async def drip(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(status=200)
        await response.prepare(request)
        for _ in range(1000):
            await response.write(b"x")
            await asyncio.sleep(0.1)
        return response

    async def flood(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(status=200)
        await response.prepare(request)
        for _ in range(1000):
            await response.write(b"x" * 65_536)
            sent.append(1)
        return response

    async def silence(_request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(30)
        return web.Response()

    sent: list[int] = []
    bomb = web.Response(body=gzip.compress(b"0" * 50_000_000), headers={"Content-Encoding": "gzip"})
    began = time.monotonic()
    for transport, deed, status, error in (
        (brief, drip, 200, ""),
        (patient, flood, 200, ""),
        (patient, bomb, 200, ""),
        (brief, silence, None, "timeout"),
    ):
        receiver.deeds.append(deed)  # type: ignore[arg-type]
        answer = await transport.post(receiver.url(), BODY, {}, clock.now())
        assert (answer.status, answer.error) == (status, error)
    assert time.monotonic() - began < 60.0, "what drips takes a hundred seconds"
    assert len(sent) < 500
    receiver.deeds.append(web.Response(status=200, headers={"X-Long": "x" * 20_000}))
    assert (await patient.post(receiver.url(), BODY, {}, clock.now())).error == "connection"


async def test_a_receiver_that_is_not_there_has_a_word_for_it(
    make_transport: TransportMaker, name_server: NameServer, free_port: int, clock: FrozenClock
) -> None:
    transport = make_transport(allow_http=True, allow_inside=[f"127.0.0.1:{free_port}"])
    gone = await transport.post(f"http://127.0.0.1:{free_port}/", BODY, {}, clock.now())
    assert gone.error == "connection"
    nowhere = await transport.post("https://nowhere.example/", BODY, {}, clock.now())
    assert nowhere.error == "dns"


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("7", 7),
        ("Tue, 16 Jun 2026 02:01:00 GMT", 60),
        ("Tue, 16 Jun 2020 02:01:00 GMT", 0),
        ("-5", 0),
        ("soon", 0),
        ("9" * 39, 1e9),
        ("9" * 400, 0),
        ("", 0),
    ],
)
async def test_retry_after_is_read_or_left(
    make_transport: TransportMaker, receiver: Receiver, clock: FrozenClock, value: str, seconds: float
) -> None:
    transport = make_transport(allow_http=True, allow_inside=[receiver.place])
    receiver.deeds.append(web.Response(status=503, headers={"Retry-After": value}))
    assert (await transport.post(receiver.url(), BODY, {}, clock.now())).asked_seconds == seconds
