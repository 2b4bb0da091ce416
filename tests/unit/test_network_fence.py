"""The fence around the tests' network really refuses."""

from __future__ import annotations

import socket

import pytest


def test_a_socket_to_anything_but_loopback_is_refused() -> None:
    with socket.socket() as probe, pytest.raises(AssertionError, match="only talk to loopback"):
        probe.connect(("192.0.2.1", 9))


def test_loopback_is_open() -> None:
    with socket.socket() as server, socket.socket() as client:
        server.bind(("127.0.0.1", 0))
        server.listen()
        client.connect(server.getsockname())
        assert client.getpeername() == server.getsockname()
