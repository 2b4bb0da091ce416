"""S17: logs hold no number in full, no secret, and one line a record."""

from __future__ import annotations

import pytest

from config.logs import mask_text, protect


@pytest.mark.parametrize(
    ("said", "logged"),
    [
        ("call from +8613812345678 failed", "call from ***678 failed"),
        ("13812345678,02161234567", "***678,***567"),
        ("port 8080 and year 2026", "port 8080 and year 2026"),
        ("line\nAction: Originate", "line\\x0aAction: Originate"),
        ("\x1b[31mred\u202e", "\\x1b[31mred\\x202e"),
    ],
)
def test_numbers_are_masked_and_lines_cannot_be_forged(said: str, logged: str) -> None:
    assert mask_text(said) == logged


def test_secrets_are_hidden_by_name_and_ids_stay_whole() -> None:
    record = protect(
        None,
        "info",
        {"event": "x", "ami_secret": "abc", "uniqueid": "careline-1763712000.12", "why": ["13812345678"]},
    )
    assert record == {
        "event": "x",
        "ami_secret": "(hidden)",
        "uniqueid": "careline-1763712000.12",
        "why": ["***678"],
        "action": "note",
    }
