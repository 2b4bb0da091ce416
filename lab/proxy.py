"""A TCP proxy that spoils connections on purpose: delay, silence, reset, cut, slow down."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Final, Literal

_CHUNK: Final = 65_536  # bytes read at once
_RATE_SLICE: Final = 0.05  # seconds of traffic let through at once when the rate is limited

Side = Literal["client", "server"]


@dataclass(frozen=True, kw_only=True)
class Mode:
    """What the proxy does to bytes.

    `delay_ms` holds each piece back that long. `swallow` takes bytes and passes none on, while both
    connections stay open (half-open). `cut_after` resets once so many bytes went through in one direction
    (0: never). `bytes_per_second` limits each direction (0: no limit). `refuse` resets new connections.
    """

    delay_ms: float = 0.0
    swallow: bool = False
    cut_after: int = 0
    bytes_per_second: int = 0
    refuse: bool = False


PASS: Final = Mode()
SWALLOW: Final = Mode(swallow=True)
REFUSE: Final = Mode(refuse=True)


@dataclass(kw_only=True, eq=False)
class Connection:
    """One proxied connection; `to_server` and `to_client` count bytes passed on, `swallowed` those lost.

    `mode` None follows the proxy's mode; setting it spoils this connection alone.
    """

    number: int
    mode: Mode | None = None
    to_server: int = 0
    to_client: int = 0
    swallowed: int = 0
    closed: bool = False
    _writers: list[asyncio.StreamWriter] = field(default_factory=list, repr=False)

    def reset(self) -> None:
        """End both sides with RST, as a crashed machine or a firewall does."""
        self.closed = True
        for writer in self._writers:
            _reset(writer)


class FaultProxy:
    """Listens on a free loopback port and passes to `host:port` in the current mode.

    Modes may change at any time and hold for bytes read afterwards. Stands in front of AMI, FastAGI,
    PostgreSQL or HTTP; it knows nothing of what it carries. `port` is known after `start()`.
    """

    def __init__(
        self,
        host: str,
        port: int,
        *,
        listen_port: int = 0,
        mode: Mode = PASS,
        tap: Callable[[Connection, Side, bytes], None] | None = None,
    ) -> None:
        """`tap` is shown every piece that is passed on, and to which side."""
        self.mode = mode
        self._tap = tap
        self.port = listen_port
        self.connections: list[Connection] = []
        self._target = (host, port)
        self._server: asyncio.Server | None = None
        self._numbers = itertools.count(1)
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Listen."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Stop listening and drop every connection."""
        if self._server is not None:
            self._server.close()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._server is not None:
            await self._server.wait_closed()

    async def __aenter__(self) -> FaultProxy:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    @property
    def open_connections(self) -> list[Connection]:
        """Connections not closed yet, oldest first."""
        return [connection for connection in self.connections if not connection.closed]

    @property
    def bytes_passed(self) -> int:
        """All bytes passed on so far, both directions."""
        return sum(connection.to_server + connection.to_client for connection in self.connections)

    def reset(self) -> int:
        """Reset every open connection; the number of them. New ones are served as before."""
        victims = self.open_connections
        for connection in victims:
            connection.reset()
        return len(victims)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        connection = Connection(number=next(self._numbers))
        connection._writers.append(writer)
        self.connections.append(connection)
        try:
            if self.mode.refuse:
                connection.reset()
                return
            try:
                server_reader, server_writer = await asyncio.open_connection(*self._target)
            except OSError:
                connection.reset()
                return
            connection._writers.append(server_writer)
            await self._carry(connection, reader, writer, server_reader, server_writer)
        except asyncio.CancelledError:
            pass
        finally:
            connection.closed = True
            for one in connection._writers:
                one.close()
                with contextlib.suppress(OSError, asyncio.CancelledError):
                    await one.wait_closed()

    async def _carry(
        self,
        connection: Connection,
        client_reader: asyncio.StreamReader,
        client_writer: asyncio.StreamWriter,
        server_reader: asyncio.StreamReader,
        server_writer: asyncio.StreamWriter,
    ) -> None:
        await asyncio.gather(
            self._pump(connection, client_reader, server_writer, "server"),
            self._pump(connection, server_reader, client_writer, "client"),
        )

    async def _pump(
        self, connection: Connection, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, to: Side
    ) -> None:
        def mode() -> Mode:
            return connection.mode or self.mode

        try:
            while not connection.closed:
                rate = mode().bytes_per_second
                data = await reader.read(max(1, int(rate * _RATE_SLICE)) if rate else _CHUNK)
                if not data:
                    break
                await self._pass_on(connection, data, writer, to, mode)
            # A half-open connection hides the other side's end as well.
            while mode().swallow and not connection.closed:  # noqa: ASYNC110 - the mode is plain data
                await asyncio.sleep(0.05)
            if not connection.closed and writer.can_write_eof():
                writer.write_eof()
        except OSError:
            connection.reset()

    async def _pass_on(
        self,
        connection: Connection,
        data: bytes,
        writer: asyncio.StreamWriter,
        to: Side,
        mode: Callable[[], Mode],
    ) -> None:
        if mode().delay_ms:
            await asyncio.sleep(mode().delay_ms / 1000)
        if mode().swallow:
            connection.swallowed += len(data)
            return
        passed = connection.to_server if to == "server" else connection.to_client
        limit = mode().cut_after
        if limit:
            data = data[: max(0, limit - passed)]
        if self._tap is not None:
            self._tap(connection, to, data)
        writer.write(data)
        await writer.drain()
        passed += len(data)
        if to == "server":
            connection.to_server = passed
        else:
            connection.to_client = passed
        if limit and passed >= limit:
            connection.reset()
        rate = mode().bytes_per_second
        if rate:
            await asyncio.sleep(len(data) / rate)


def _reset(writer: asyncio.StreamWriter) -> None:
    """Close with RST instead of FIN (SO_LINGER with time 0, socket(7))."""
    held = writer.get_extra_info("socket")
    if held is not None:
        with contextlib.suppress(OSError):
            held.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
