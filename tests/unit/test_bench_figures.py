"""The benchmark runner's promise: a table, and one JSON object as the last line."""

from __future__ import annotations

import json

import pytest

from bench.__main__ import benchmarks, main
from bench.ami import stream
from bench.figures import Figure, as_json, as_table

FIGURES = {
    "events": Figure(value=30_000.0, unit="events/s", peers={"panoramisk": 10_000.0}),
    "latency": Figure(value=1.5, unit="ms", more_is_better=False),
}


def test_the_last_line_is_one_json_object() -> None:
    told = json.loads(as_json("ami", FIGURES))
    assert told["bench"] == "ami"
    assert "CPython" in told["machine"] or "PyPy" in told["machine"]
    assert told["figures"]["events"] == {
        "value": 30_000.0,
        "unit": "events/s",
        "peers": {"panoramisk": {"value": 10_000.0, "ratio": 3.0}},
    }
    assert told["figures"]["latency"]["peers"] == {}


def test_the_table_shows_every_figure_and_peer() -> None:
    table = as_table(FIGURES)
    assert "30,000" in table
    assert "panoramisk" in table
    assert "3.00" in table
    assert "latency" in table


def test_benchmarks_are_found_and_unknown_names_are_wrong_use(capsys: pytest.CaptureFixture[str]) -> None:
    assert "ami" in benchmarks()
    assert main(["no-such-bench"]) == 2
    assert main([]) == 2
    assert "ami" in capsys.readouterr().err


def test_the_stream_has_fresh_channels_each_time_round() -> None:
    once, each = stream(1)
    twice, events = stream(each + 1)
    assert events == 2 * each
    assert twice.count(b"Event: ") == events
    assert b"careline-0000302060.10" in once
    assert b"careline-0001302060.10" in twice
