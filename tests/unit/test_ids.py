"""Ids sort by time, and within one moment by the order they were made in."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from access.ids import new_id

NOW = datetime(2026, 11, 21, 2, 0, tzinfo=UTC)


def test_an_id_is_26_letters_that_begin_with_the_time() -> None:
    one, other = new_id(NOW), new_id(NOW + timedelta(milliseconds=1))
    assert len(one) == 26
    assert one[:10] == "01M7XX9X80"
    assert one < other


def test_ids_of_one_moment_keep_their_order_and_never_meet() -> None:
    many = [new_id(NOW) for _ in range(5000)]
    assert many == sorted(many)
    assert len(set(many)) == 5000
