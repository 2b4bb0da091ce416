"""What every test shares: fixtures by area, free ports, and a fence around the network."""

from __future__ import annotations

import importlib.util
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lab import network

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

pytest_plugins = [
    name
    for name in ("fixtures_storage", "fixtures_switch", "fixtures_house", "fixtures_web")
    if (HERE / f"{name}.py").exists()
]

_LOOPBACK = ("127.", "::1", "localhost", "0.0.0.0")


class OutsideError(AssertionError):
    """A test tried to leave the machine."""


def _guard(address: Any) -> None:
    if isinstance(address, tuple) and not str(address[0]).startswith(_LOOPBACK):
        raise OutsideError(f"tests may only talk to loopback, not to {address[0]}")


@pytest.fixture(autouse=True, scope="session")
def _loopback_only() -> Iterator[None]:
    """No test opens a socket to anything but loopback (Unix sockets are fine)."""
    connect, connect_ex, sendto = socket.socket.connect, socket.socket.connect_ex, socket.socket.sendto

    def guarded_connect(self: socket.socket, address: Any) -> None:
        _guard(address)
        return connect(self, address)

    def guarded_connect_ex(self: socket.socket, address: Any) -> int:
        _guard(address)
        return connect_ex(self, address)

    def guarded_sendto(self: socket.socket, *args: Any) -> int:
        _guard(args[-1])
        return sendto(self, *args)

    socket.socket.connect = guarded_connect  # type: ignore[method-assign]
    socket.socket.connect_ex = guarded_connect_ex  # type: ignore[method-assign]
    socket.socket.sendto = guarded_sendto  # type: ignore[method-assign,assignment]
    yield
    socket.socket.connect = connect  # type: ignore[method-assign]
    socket.socket.connect_ex = connect_ex  # type: ignore[method-assign]
    socket.socket.sendto = sendto  # type: ignore[method-assign]


@pytest.fixture
def free_port() -> int:
    """A TCP port that was free a moment ago, and that the kernel gives to nobody else."""
    return network.free_port()


assert importlib.util.find_spec("pytest_asyncio"), "run `make setup` first"
