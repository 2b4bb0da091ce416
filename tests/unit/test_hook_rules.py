"""Signatures, waits, the breaker, and S13's list of addresses that are refused."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm.hooks.addresses import Rules, check_url, may_connect, read_place
from crm.hooks.errors import UrlRefused
from crm.hooks.options import HookOptions
from crm.hooks.retries import BREAKS_AFTER, Outcome, Why, is_hopeless, next_try, pause_until
from crm.hooks.signing import is_genuine, make_secret, signature

NOW = datetime(2026, 6, 16, 2, 0, tzinfo=UTC)
DAY = timedelta(hours=24)
NOT_PUBLIC = (
    "127.0.0.1",
    "127.8.8.8",
    "0.0.0.0",
    "0.1.2.3",
    "10.1.2.3",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.1.1",
    "169.254.169.254",
    "169.254.1.1",
    "100.64.0.1",
    "100.127.255.254",
    "192.0.0.1",
    "192.0.2.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.9",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
    "168.63.129.16",
    "192.88.99.1",
    "::",
    "::1",
    "::127.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::ffff:169.254.169.254",
    "fe80::1",
    "fec0::1",
    "fc00::1",
    "fd00:ec2::254",
    "ff02::1",
    "64:ff9b::7f00:1",
    "64:ff9b:1::1",
    "2002:7f00:1::",
    "2001:0:1::1",
    "2001:db8::1",
    "100::1",
)


def always(value: float) -> Callable[[], float]:
    return lambda: value


# -- signatures


def test_the_signature_is_the_one_of_the_standard() -> None:
    """The vector of the reference libraries (github.com/standard-webhooks/standard-webhooks)."""
    header = signature(
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        1614265330,
        b'{"test": 2432232314}',
        ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"],
    )
    assert header == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@given(body=st.binary(max_size=200), other=st.binary(max_size=200))
def test_only_the_signed_body_at_its_time_with_its_key_is_genuine(body: bytes, other: bytes) -> None:
    old, new = make_secret(), make_secret()
    header = signature("id", 1000, body, [new, old])
    for key in (old, new):
        assert is_genuine("id", "1000", body, header, key, now=1200)
        assert is_genuine("id", "1000", other, header, key, now=1200) == (other == body)
        assert not is_genuine("id2", "1000", body, header, key, now=1200)
        assert not is_genuine("id", "1001", body, header, key, now=1200)
        assert not is_genuine("id", "1000", body, header, key, now=1301)
    assert not is_genuine("id", "1000", body, header, make_secret(), now=1200)
    assert not is_genuine("id", "١٠٠٠", body, header, new, now=1200)


# -- waits


def test_tries_grow_apart_and_end_within_a_day() -> None:
    for chance in (0.0, 0.5, 0.999):
        at, tries, waits = NOW, 0, []
        while True:
            tries += 1
            when = next_try(tries, NOW, Outcome(at=at, milliseconds=9), longest=DAY, chance=always(chance))
            if when is None:
                break
            waits.append((when - at).total_seconds())
            at = when
        assert waits == sorted(waits)
        assert at <= NOW + DAY
        assert 11 <= tries <= 17
        assert at > NOW + timedelta(hours=16)


def test_what_failed_together_does_not_come_back_together() -> None:
    lot = [
        next_try(6, NOW, Outcome(at=NOW, milliseconds=9), longest=DAY, chance=always(i / 100))
        for i in range(100)
    ]
    assert len(set(lot)) == 100
    found = [moment for moment in lot if moment is not None]
    assert max(found) - min(found) > timedelta(minutes=29)


def test_a_receiver_may_ask_for_time_but_not_for_ever() -> None:
    asked = Outcome(at=NOW, milliseconds=9, status=429, asked_seconds=120)
    assert next_try(1, NOW, asked, longest=DAY, chance=lambda: 0) == NOW + timedelta(seconds=120)
    rude = Outcome(at=NOW, milliseconds=9, status=503, asked_seconds=1e9)
    assert next_try(1, NOW, rude, longest=DAY, chance=lambda: 0) == NOW + timedelta(seconds=3600)


def test_the_breaker_opens_after_five_failures_and_grows_to_a_quarter_of_an_hour() -> None:
    failed = Outcome(at=NOW, milliseconds=9, error="connection")
    assert all(pause_until(n, failed, chance=lambda: 0) is None for n in range(BREAKS_AFTER))
    pauses = [pause_until(n, failed, chance=lambda: 0) for n in range(BREAKS_AFTER, BREAKS_AFTER + 40)]
    seconds = [(moment - NOW).total_seconds() for moment in pauses if moment is not None]
    assert seconds[:6] == [30, 60, 120, 240, 480, 900]
    assert seconds[-1] == 900


def test_days_of_failures_or_the_word_gone_end_a_subscription() -> None:
    failed = Outcome(at=NOW, milliseconds=9, status=500)
    three = timedelta(days=3)
    assert is_hopeless(None, failed, longest=three) is None
    assert is_hopeless(NOW - timedelta(days=2), failed, longest=three) is None
    assert is_hopeless(NOW - three, failed, longest=three) is Why.FAILING
    assert is_hopeless(None, Outcome(at=NOW, milliseconds=9, status=410), longest=three) is Why.GONE


@pytest.mark.parametrize(
    ("outcome", "word"),
    [
        (Outcome(at=NOW, milliseconds=1, status=204), ""),
        (Outcome(at=NOW, milliseconds=1, status=302), "redirect"),
        (Outcome(at=NOW, milliseconds=1, status=404), "status"),
        (Outcome(at=NOW, milliseconds=1, error="timeout"), "timeout"),
    ],
)
def test_an_outcome_has_one_word(outcome: Outcome, word: str) -> None:
    assert outcome.word == word
    assert outcome.arrived == (word == "")


# -- S13


@pytest.mark.parametrize(
    "address",
    NOT_PUBLIC,
)
def test_s13_machines_that_are_not_of_the_public_network(address: str) -> None:
    assert not may_connect(ipaddress.ip_address(address), inside=False)


@pytest.mark.parametrize("address", ["1.1.1.1", "223.5.5.5", "2400:3200::1", "::ffff:1.1.1.1"])
def test_public_machines_may_be_connected(address: str) -> None:
    assert may_connect(ipaddress.ip_address(address), inside=False)


def test_a_named_machine_of_the_house_may_be_connected_but_never_the_clouds_secrets() -> None:
    for address in ("127.0.0.1", "10.1.2.3", "fd12::1", "::ffff:192.168.1.9"):
        assert may_connect(ipaddress.ip_address(address), inside=True)
    for address in ("169.254.169.254", "fe80::1", "fd00:ec2::254", "0.0.0.0", "ff02::1", "224.0.0.1"):
        assert not may_connect(ipaddress.ip_address(address), inside=True)


@given(st.ip_addresses())
def test_no_address_python_calls_private_is_ever_public_for_us(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    if not address.is_global:
        assert not may_connect(address, inside=False)


@pytest.mark.parametrize(
    ("url", "rule"),
    [
        ("https://127.0.0.1/", "inside"),
        ("https://2130706433/", "inside"),
        ("https://0x7f000001/", "inside"),
        ("https://0177.0.0.1/", "inside"),
        ("https://127.1/", "inside"),
        ("https://0/", "inside"),
        ("https://[::1]/", "inside"),
        ("https://[::ffff:127.0.0.1]/", "inside"),
        ("https://169.254.169.254/latest/meta-data/", "inside"),
        ("https://localhost/", "inside"),
        ("https://localhost./", "inside"),
        ("https://LOCALHOST/", "inside"),
        ("https://metadata.google.internal/", "inside"),
        ("https://127.0.0.1:5038/", "port"),
        ("https://dms.example:22/", "port"),
        ("http://dms.example/", "scheme"),
        ("file:///etc/passwd", "scheme"),
        ("gopher://127.0.0.1:6379/_x", "scheme"),
        ("ftp://dms.example/", "scheme"),
        ("//dms.example/", "scheme"),
        ("javascript:alert(1)", "scheme"),
        ("https://user:pass@dms.example/", "syntax"),
        ("https://dms.example@127.0.0.1/", "syntax"),
        ("https://dms.example/#x", "syntax"),
        ("https://dms.example\\@127.0.0.1/", "syntax"),
        ("https://dms.example/ x", "syntax"),
        ("https://dms.example/\r\nX: y", "syntax"),
        ("https:///x", "syntax"),
        ("https://dms.example:99999/", "syntax"),
        ("https://[::1/", "syntax"),
        ("https://①②⑦.⓪.⓪.①/", "syntax"),
        ("https://" + "a" * 500, "syntax"),
        ("", "syntax"),
    ],
)
def test_s13_addresses_that_cannot_even_be_entered(url: str, rule: str) -> None:
    with pytest.raises(UrlRefused) as caught:
        check_url(url, Rules())
    assert caught.value.rule == rule


def test_what_the_settings_name_may_be_entered() -> None:
    options = HookOptions(
        allow_inside=["dms.house.local:8443", "[fd12::5]:443", "10.0.0.7:80"], ports=[443, 8443]
    )
    rules = options.rules()
    assert check_url("https://dms.house.local:8443/x", rules).port == 8443
    assert check_url("https://DMS.house.local.:8443/x", rules).host == "dms.house.local"
    assert check_url("https://[fd12::5]/x", rules).host == "fd12::5"
    assert check_url("https://dms.example:8443/x?a=b", rules).port == 8443
    for url in ("https://10.0.0.7/x", "http://10.0.0.7/x", "https://dms.house.local/x"):
        with pytest.raises(UrlRefused):
            check_url(url, rules)
    assert check_url("http://10.0.0.7/x", HookOptions(allow_inside=["10.0.0.7:80"], allow_http=True).rules())


@given(st.text(max_size=60) | st.from_regex(r"https?://[^ ]{0,40}", fullmatch=True))
def test_any_text_is_an_address_or_is_refused(url: str) -> None:
    try:
        place = check_url(url, Rules())
    except UrlRefused:
        return
    assert place.scheme == "https"
    assert place.port == 443
    assert place.host


@pytest.mark.parametrize(
    "text", ["dms", "dms:", "dms:0", "dms:70000", ":443", "a b:1", "http://dms:443", "a@b:1"]
)
def test_a_place_without_host_or_port_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="host:port"):
        read_place(text)
