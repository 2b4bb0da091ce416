"""Free ports: nobody's now, given away once, in a row where several are asked for, and never a neighbour's."""

from __future__ import annotations

import socket
from collections import deque

import pytest

from lab import network


@pytest.fixture(autouse=True)
def _few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network, "own_ports", range(11_901, 11_913))
    monkeypatch.setattr(network, "_given", deque[int](maxlen=256))


def test_a_row_is_even_and_within_the_own_part() -> None:
    """11901 and 11912 begin and end no row of four: the ports beside them are somebody else's."""
    firsts = {network.free_port(socket.SOCK_DGRAM, count=4), network.free_port(socket.SOCK_DGRAM, count=4)}
    assert all(first % 2 == 0 and 11_902 <= first <= 11_908 for first in firsts)
    one, other = sorted(firsts)
    assert other - one >= 4


def test_a_row_around_a_taken_port_is_not_given() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 11_906))
        assert network.free_port(socket.SOCK_DGRAM, count=4) in (11_902, 11_908)
        assert network.free_port(socket.SOCK_DGRAM, count=4) in (11_902, 11_908)
        with pytest.raises(network.NetworkFailed):
            network.free_port(socket.SOCK_DGRAM, count=4)


def test_single_ports_are_not_of_a_row_that_was_given() -> None:
    first = network.free_port(socket.SOCK_DGRAM, count=4)
    assert all(network.free_port() not in range(first, first + 4) for _ in range(6))
