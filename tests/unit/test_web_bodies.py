"""What reaches a handler can be stored: no number, text or moment that a database refuses."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field

from web.bodies import read_form, read_model
from web.problems import Refused
from web.routes import Shape


class Inner(Shape):
    note: str = ""
    at: datetime | None = None


class Outer(Shape):
    count: int = 0
    rate: float = 0.0
    inner: Inner = Inner()
    more: list[dict[str, Any]] = Field(default_factory=list)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"count": 2**63}, "count"),
        ({"count": -(2**200)}, "count"),
        ({"inner": {"note": "a\0b"}}, "inner.note"),
        ({"inner": {"at": "0001-01-01T00:00:00+14:00"}}, "inner.at"),
        ({"inner": {"at": "9999-12-31T23:59:59-14:00"}}, "inner.at"),
        ({"more": [{"x": 2**64}]}, "more.0.x"),
        ({"more": [{}, {"a\0": 1}]}, "more.1.a\0"),
        ({"more": [{"x": [{"y": "\0"}]}]}, "more.0.x.0.y"),
    ],
)
def test_what_no_database_takes_is_refused_with_its_place(body: dict[str, Any], field: str) -> None:
    with pytest.raises(Refused) as caught:
        read_model(Outer, json.dumps(body).encode())
    assert caught.value.error_id == "bad-values"
    assert [problem.field for problem in caught.value.errors] == [field]


@given(
    st.recursive(
        st.integers() | st.text() | st.none(), lambda inner: st.dictionaries(st.text(), inner), max_leaves=8
    )
)
def test_whatever_passes_can_be_stored(value: Any) -> None:
    try:
        found = read_model(Outer, json.dumps({"more": [{"x": value}]}).encode())
    except Refused:
        return
    text = json.dumps(found.more)
    assert "\\u0000" not in text


def test_a_form_holds_no_nul_either() -> None:
    with pytest.raises(Refused):
        read_form(b"name=a%00b")
    assert read_form(b"name=%E5%BC%A0") == {"name": "张"}
