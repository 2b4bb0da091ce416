"""What leaves the house of an event: full for who may see numbers, masked for who may not."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from crm.hooks.events import HIDDEN, masked

CALL = "01J0AB12345678901234567890"


def test_ids_and_moments_stay_and_numbers_and_names_go() -> None:
    data = {
        "call_id": CALL,
        "at": "2026-06-16T02:00:00.123456+00:00",
        "day": "2026-06-16",
        "number": "+8613812345678",
        "customer_name": "欧阳志远",
        "note": "rang back on 138 1234 5678, twice",
        "talk_seconds": 83.5,
        "mileage": 86000,
        "raw": 13812345678,
        "people": [{"name": "Li Na", "numbers": ["021-6234 5678"]}],
        "vip": True,
        "nothing": None,
    }
    assert masked(data, numbers=True, names=True) == data
    assert masked(data, numbers=True, names=False) == {
        **data,
        "customer_name": "欧阳**",
        "note": HIDDEN,
        "people": [{"name": "L*** N***", "numbers": ["021-6234 5678"]}],
    }
    assert masked(data, numbers=False, names=True) == {
        "call_id": CALL,
        "at": "2026-06-16T02:00:00.123456+00:00",
        "day": "2026-06-16",
        "number": "138****5678",
        "customer_name": "欧阳志远",
        "note": "rang back on 138****5678, twice",
        "talk_seconds": 83.5,
        "mileage": 86000,
        "raw": "138****5678",
        "people": [{"name": "Li Na", "numbers": ["021****5678"]}],
        "vip": True,
        "nothing": None,
    }


@given(
    st.recursive(
        st.text(alphabet="0123456789+-. ()ab") | st.integers() | st.none(),
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(st.text(alphabet="ab_0123456789", max_size=14), inner, max_size=4)
        ),
        max_leaves=12,
    )
)
def test_no_long_number_in_a_row_ever_leave(value: object) -> None:
    text = str(list(masked({"x": value}, numbers=False, names=True).values()))
    kept = re.findall(r"\d{8,}", re.sub(r"\d{4}-\d\d-\d\d", "", text))
    assert kept == []
