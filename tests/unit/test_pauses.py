"""Reasons for a pause are the house's, with words in both languages."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from web.options import WebOptions
from web.pages.desk import pauses_in


def test_shipped_reasons_have_words_and_the_houses_own_go_before_them() -> None:
    shipped = pauses_in(WebOptions().pauses, "zh-CN")
    assert shipped[0] == ("meal", "用餐")
    assert [reason for reason, _ in shipped] == ["meal", "break", "training", "meeting", "back-office"]
    own = WebOptions(
        pauses={"meal": {"en": "Lunch"}, "test-drive": {"zh-CN": "陪同试驾", "en": "Test drive"}}
    )
    assert pauses_in(own.pauses, "en") == [("meal", "Lunch"), ("test-drive", "Test drive")]
    assert pauses_in(own.pauses, "zh-CN") == [("meal", "用餐"), ("test-drive", "陪同试驾")]
    with pytest.raises(ValidationError):
        WebOptions(pauses={"Not a key": {}})
