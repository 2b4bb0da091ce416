"""What `careline check` says of telephones in pages."""

from __future__ import annotations

from typing import Any

import pytest

from config.commands.check_phone import look_at_browser_phones
from config.settings import Settings
from telephony.asterisk.doctor import Level


def bad(**sections: Any) -> list[str]:
    return [
        found.what for found in look_at_browser_phones(Settings(**sections)) if found.level is not Level.OK
    ]


def test_the_demo_on_this_machine_needs_nothing() -> None:
    assert bad() == []


@pytest.mark.parametrize(
    ("sections", "said"),
    [
        ({"web": {"host": "0.0.0.0"}}, "no microphone"),
        ({"web": {"public_url": "http://desk.example"}}, "no microphone"),
        ({"web": {"host": "0.0.0.0", "public_url": "https://desk.example"}}, "calls would be silent"),
        ({"telephony": {"sip": {"rtp_first": 10000, "rtp_last": 10009}}}, "too few"),
        (
            {"telephony": {"sip": {"bind": "0.0.0.0", "media_address": "203.0.113.7"}}},
            "browsers outside are not",
        ),
        ({"web": {"tls": {"certificate": "/none", "key": "/none"}}}, "no file /none"),
    ],
)
def test_what_would_not_work_is_said(sections: dict[str, Any], said: str) -> None:
    assert any(said in one for one in bad(**sections)), bad(**sections)


def test_a_desk_for_the_house_is_well_set() -> None:
    assert (
        bad(
            web={"host": "0.0.0.0", "public_url": "https://desk.example"},
            telephony={"sip": {"bind": "192.168.1.10"}},
        )
        == []
    )
