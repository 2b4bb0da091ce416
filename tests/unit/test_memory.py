"""The garbage collector of a service that must not pause."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from config import memory


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    thresholds = gc.get_threshold()
    yield
    gc.unfreeze()
    gc.set_threshold(*thresholds)


def test_what_the_start_left_is_looked_at_no_more() -> None:
    kept = [[number] for number in range(10_000)]
    memory.settle()
    assert gc.get_freeze_count() > len(kept)
    assert len(gc.get_objects()) < len(kept)


def test_a_ring_made_later_goes_with_the_sweep() -> None:
    memory.settle()

    class Ring:
        gone = False
        other: object

        def __del__(self) -> None:
            Ring.gone = True

    one, two = Ring(), Ring()
    one.other, two.other = two, one
    for _ in range(2):  # it has lived through young passes
        gc.collect(1)
        one, two = one, two
    del one, two
    memory.sweep()
    assert Ring.gone
