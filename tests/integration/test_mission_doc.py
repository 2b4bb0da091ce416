"""docs/mission.md says what is true: what serves each row of the papers exists, and so does the test that shows it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from config.__main__ import _COMMANDS
from web.app import ROUTES

ROOT = Path(__file__).parents[2]
ROWS = re.findall(
    r"^\| (M-\d{3}) \| (.*?) \| (.*?) \| (.*?) \|$",
    (ROOT / "docs/mission.md").read_text("utf-8"),
    re.MULTILINE,
)
#: What the papers ask for as work done with advice only, without software (scope A).
ADVICE = {119, 122, 123, 146, 152}
#: Lists and reports of the department's own work.
LISTS = [163, 164, 168, 170, 172, 173, 174]


def _addresses() -> set[str]:
    return {f"{route.method} {route.path}" for route in ROUTES}


def test_every_row_of_the_papers_is_named_once() -> None:
    assert [name for name, *_ in ROWS] == [
        f"M-{n:03d}" for n in [*(n for n in range(91, 153) if n not in ADVICE), *LISTS]
    ]


@pytest.mark.parametrize(("name", "what", "served", "shown"), ROWS, ids=[row[0] for row in ROWS])
def test_what_serves_a_row_and_what_shows_it_exists(name: str, what: str, served: str, shown: str) -> None:
    named = re.findall(r"`([^`]+)`", served)
    assert named, f"{name} ({what}) names nothing that serves it"
    known = set(_COMMANDS)
    for one in named:
        if one.startswith("careline "):
            assert one.split()[1] in known, one
        else:
            address = one if " " in one else f"GET {one}"
            assert address in _addresses(), one
    tests = re.findall(r"`(tests/[^`]+)`", shown)
    assert tests, f"{name} ({what}) names no test"
    for one in tests:
        path, _, function = one.partition("::")
        text = (ROOT / path).read_text("utf-8")
        assert not function or re.search(
            rf"^\s*(async )?def {function}\(|^class {function}\b", text, re.MULTILINE
        ), one
