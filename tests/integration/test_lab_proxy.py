"""The fault proxy does to a connection exactly what its mode says, and counts it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from waiting import PATIENCE, SLACK, until

from lab.proxy import PASS, REFUSE, SWALLOW, FaultProxy, Mode


@pytest.fixture
async def echo() -> AsyncIterator[int]:
    """A server that sends back what it gets; its port."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65_536):
                writer.write(data)
                await writer.drain()
        except OSError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    server.close()


@pytest.fixture
async def proxy(echo: int) -> AsyncIterator[FaultProxy]:
    async with FaultProxy("127.0.0.1", echo) as proxy:
        yield proxy


class Client:
    """A connection through the proxy."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def ask(self, data: bytes, seconds: float = PATIENCE) -> bytes:
        self.writer.write(data)
        await self.writer.drain()
        return await asyncio.wait_for(self.reader.readexactly(len(data)), seconds)


Dial = Callable[[], Awaitable[Client]]


@pytest.fixture
async def connect(proxy: FaultProxy) -> AsyncIterator[Dial]:
    opened: list[asyncio.StreamWriter] = []

    async def dial() -> Client:
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        opened.append(writer)
        return Client(reader, writer)

    yield dial
    for writer in opened:
        writer.close()


async def test_passes_and_counts(proxy: FaultProxy, connect: Dial) -> None:
    client = await connect()
    assert await client.ask(b"hello") == b"hello"
    assert proxy.bytes_passed == 10
    assert (proxy.connections[0].to_server, proxy.connections[0].to_client) == (5, 5)


async def test_delays_each_direction(proxy: FaultProxy, connect: Dial) -> None:
    client = await connect()
    proxy.mode = Mode(delay_ms=100)
    begin = time.monotonic()
    await client.ask(b"x")
    assert time.monotonic() - begin >= 0.2


async def test_swallows_and_stays_open(proxy: FaultProxy, connect: Dial) -> None:
    client = await connect()
    await client.ask(b"x")
    proxy.mode = SWALLOW
    with pytest.raises(TimeoutError):
        await client.ask(b"lost", 0.3)
    assert not client.reader.at_eof()
    await until(lambda: proxy.connections[0].swallowed == 4)
    proxy.mode = PASS
    assert await client.ask(b"again") == b"again"


async def test_resets_open_connections(proxy: FaultProxy, connect: Dial) -> None:
    client = await connect()
    await client.ask(b"x")
    assert proxy.reset() == 1
    with pytest.raises(ConnectionResetError):
        await asyncio.wait_for(client.reader.read(), PATIENCE)
    other = await connect()
    assert await other.ask(b"fine") == b"fine"


async def test_refuses_new_connections(proxy: FaultProxy, connect: Dial) -> None:
    proxy.mode = REFUSE
    client = await connect()
    with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
        await client.ask(b"x")


async def test_cuts_after_so_many_bytes(proxy: FaultProxy, connect: Dial) -> None:
    proxy.mode = Mode(cut_after=1000)
    client = await connect()
    client.writer.write(b"y" * 4000)
    with pytest.raises(ConnectionResetError):
        await asyncio.wait_for(client.reader.read(), PATIENCE)
    assert proxy.connections[0].to_server == 1000


async def test_limits_the_rate(proxy: FaultProxy, connect: Dial) -> None:
    proxy.mode = Mode(bytes_per_second=20_000)
    client = await connect()
    begin = time.monotonic()
    await client.ask(b"z" * 10_000)
    assert 0.4 <= time.monotonic() - begin < 2.5 + SLACK


async def test_one_connection_alone(proxy: FaultProxy, connect: Dial) -> None:
    first, second = await connect(), await connect()
    await first.ask(b"1")
    await second.ask(b"2")
    proxy.connections[0].mode = SWALLOW
    with pytest.raises(TimeoutError):
        await first.ask(b"lost", 0.2)
    assert await second.ask(b"heard") == b"heard"


async def test_nobody_behind_it() -> None:
    async with FaultProxy("127.0.0.1", 1) as proxy:
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        with pytest.raises(ConnectionResetError):
            await asyncio.wait_for(reader.read(), PATIENCE)
        writer.close()
