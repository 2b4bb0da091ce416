"""What every test shares: fixtures by area, free ports, and a fence around the network."""

from __future__ import annotations

import importlib.util
import logging
import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from hypothesis import HealthCheck, settings
from playwright.async_api import expect

from lab import network

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

from waiting import PATIENCE  # noqa: E402 - found by the line above

# What a page shows is waited for as long as everything else; its clicks and addresses have playwright's own 30 s.
expect.set_options(timeout=1000 * PATIENCE)
# How long one example may take says more of the machine than of us; the same examples each time, so that a run fails
# only over what was changed. Others are looked for with --hypothesis-profile=explore.
settings.register_profile("explore", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("same", settings.get_profile("explore"), derandomize=True)
settings.load_profile("same")

# A port is free until somebody listens, which takes a moment: those who run tests side by side take from a part each.
_beside = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
_place = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
_part = len(network.own_ports) // _beside
network.own_ports = network.own_ports[_place % _beside * _part :][:_part]

pytest_plugins = [
    name
    for name in (
        "fixtures_storage",
        "fixtures_switch",
        "fixtures_house",
        "fixtures_web",
        "fixtures_hooks",
        "fixtures_cases",
    )
    if (HERE / f"{name}.py").exists()
]

_LOOPBACK = ("127.", "::1", "localhost", "0.0.0.0")

#: Folders whose tests mostly wait: for rings, for browsers, for programs of their own.
_WAITING = ("acceptance", "conformance")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Spread the files that wait among those that compute, long ones first: so every core has work to the end."""
    files: dict[Path, list[pytest.Item]] = {}
    for item in items:
        files.setdefault(item.path, []).append(item)
    rooms: tuple[list[Path], list[Path], list[Path]] = ([], [], [])
    for path in files:
        folder = path.parent.name
        rooms[0 if folder in _WAITING else 1 if folder == "integration" else 2].append(path)
    for room in rooms:
        room.sort(key=lambda path: -len(files[path]))
    waiting, computing, small = rooms
    places = [((n + 0.5) / len(room), path) for room in (waiting, computing) for n, path in enumerate(room)]
    items[:] = [item for path in (*(path for _, path in sorted(places)), *small) for item in files[path]]


class OutsideError(AssertionError):
    """A test tried to leave the machine."""


def _guard(address: Any) -> None:
    if isinstance(address, tuple) and not str(address[0]).startswith(_LOOPBACK):
        raise OutsideError(f"tests may only talk to loopback, not to {address[0]}")


@pytest.fixture(autouse=True)
def _logs_as_before() -> Iterator[None]:
    """A command that ran in this process leaves no handler behind: its standard error is closed by then."""
    root = logging.getLogger()
    level = root.level
    yield
    root.handlers = [
        one for one in root.handlers if not isinstance(one.formatter, structlog.stdlib.ProcessorFormatter)
    ]
    root.setLevel(level)


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
