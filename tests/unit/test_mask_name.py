"""Names as those see them who need not know them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from access.masking import mask_name


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("张伟", "张*"),
        ("郭靖宇", "郭**"),
        ("欧阳志远", "欧阳**"),
        ("司马晴", "司马*"),
        ("上海申程物流有限公司", "上海****"),
        ("王", "王*"),
        ("James Miller", "J*** M***"),
        ("", ""),
    ],
)
def test_names(name: str, shown: str) -> None:
    assert mask_name(name) == shown


@given(st.text(min_size=3, max_size=40))
def test_a_whole_name_never_shows(name: str) -> None:
    assert name not in mask_name(name) or not name.strip()
