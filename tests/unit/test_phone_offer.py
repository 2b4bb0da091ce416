"""Where pages are told to find the switch."""

from __future__ import annotations

import pytest

from config.books.phone import offer_of
from config.settings import Settings


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
def test_on_this_machine_pages_may_reach_asterisk_where_it_listens(host: str) -> None:
    """It listens on 127.0.0.1 alone, whatever address of this machine the pages come from."""
    settings = Settings.model_validate({"web": {"host": host}, "telephony": {"switch": {"http_port": 8099}}})
    assert offer_of(settings).direct_url == "ws://127.0.0.1:8099/ws"


def test_pages_of_other_machines_are_told_only_what_is_configured() -> None:
    other = Settings.model_validate({"web": {"host": "192.168.1.5"}})
    assert offer_of(other).direct_url == ""
