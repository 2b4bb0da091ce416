"""Phone numbers (R37): what is written becomes the right number or none, never another customer's."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from telephony import numbers

MOBILE = "+8613812345678"

TABLE = [
    ("13812345678", MOBILE),
    ("138 1234 5678", MOBILE),
    ("138-1234-5678", MOBILE),
    ("１３８１２３４５６７８", MOBILE),
    ("＋86 13812345678", MOBILE),
    ("+86 (138) 1234.5678", MOBILE),
    ("+8613812345678", MOBILE),
    ("8613812345678", MOBILE),
    ("008613812345678", MOBILE),
    ("0086 138 1234 5678", MOBILE),
    ("013812345678", MOBILE),
    ("+86013812345678", MOBILE),
    ("1795113812345678", MOBILE),  # a carrier's IP prefix
    ("13812345678转12", MOBILE),
    ("13812345678 分机：12", MOBILE),
    ("13812345678 ext 12", MOBILE),
    ("13812345678x12", MOBILE),
    ("19900000001", "+8619900000001"),
    ("02162345678", "+862162345678"),
    ("021-62345678", "+862162345678"),
    ("(021) 6234 5678", "+862162345678"),
    ("+862162345678", "+862162345678"),
    ("021-6234-5678-801", "+862162345678"),
    ("0755-82345678", "+8675582345678"),
    ("010-85123456", "+861085123456"),
    ("4008001234", "+864008001234"),
    ("400-800-1234", "+864008001234"),
    ("95588", "+8695588"),
    ("+8695588", "+8695588"),
    ("12345", "+8612345"),
    ("12315", "+8612315"),
    ("10086", "+8610086"),
    ("110", "+86110"),
    ("+12025550123", "+12025550123"),
    ("0012025550123", "+12025550123"),
    ("0085291234567", "+85291234567"),
    ("+861085123456", "+861085123456"),
    ("861085123456", "+861085123456"),
    # refused
    ("1085123456", None),  # Beijing without its 0, or a mobile number that lost its second digit
    ("1381234567", None),  # a digit is missing
    ("138123456789", None),  # one too many
    ("+861381234567", None),
    ("12125551234", None),  # American without a plus: could be anything
    ("62345678", None),  # local, and no area code is known
    ("123456", None),
    ("", None),
    ("   ", None),
    ("anonymous", None),
    ("Restricted", None),
    ("1-800-FLOWERS", None),
    ("13812345678a", None),
    ("abc13812345678", None),
    ("13812345678/13987654321", None),
    ("13812345678,13987654321", None),
    ("13812345678 13987654321", None),
    ("#31#13812345678", None),
    ("*6713812345678", None),
    ("1381234567８９", None),
    ("①3812345678", None),
    ("+", None),
    ("++8613812345678", None),
    ("138+12345678", None),
    ("1" * 40, None),
    ("0" * 40, None),
    ("13812345678" * 100, None),
    ("-13812345678", MOBILE),
    ("13812345678'; DROP TABLE customers", None),
    ("+99999999999", None),
    ("+86", None),
]


@pytest.mark.parametrize(("raw", "expected"), TABLE)
def test_table(raw: str, expected: str | None) -> None:
    """R37: each way of writing gives the number or none."""
    assert numbers.parse(raw) == expected


@pytest.mark.parametrize(
    ("raw", "area", "expected"),
    [
        ("62345678", "021", "+862162345678"),
        ("62345678", "21", "+862162345678"),
        ("8234567", "0539", "+865398234567"),
        ("95588", "021", "+8695588"),
        ("13812345678", "021", MOBILE),
        ("12345", "021", "+8612345"),
        ("02062345678", "021", "+862062345678"),
    ],
)
def test_local_numbers_take_the_house_area_code(raw: str, area: str, expected: str) -> None:
    assert numbers.parse(raw, "CN", area) == expected


def test_other_countries_read_their_own_national_form() -> None:
    assert numbers.parse("030 901820", "DE") == "+4930901820"
    assert numbers.parse("(202) 555-0123", "US") == "+12025550123"
    assert numbers.parse("+8613812345678", "US") == MOBILE


def test_extension_is_kept_beside_the_number() -> None:
    parsed = numbers.parse_with_extension("021-62345678转801")
    assert parsed is not None
    assert (parsed.number, parsed.extension) == ("+862162345678", "801")
    parsed = numbers.parse_with_extension("021-6234-5678-801")
    assert parsed is not None
    assert parsed.extension == "801"


def test_hidden_is_told_from_unreadable() -> None:
    assert numbers.is_hidden("anonymous")
    assert numbers.is_hidden(" Anonymous ")
    assert numbers.is_hidden("")
    assert not numbers.is_hidden("1381234567")


@pytest.mark.parametrize(
    ("number", "dialed", "shown"),
    [
        (MOBILE, "13812345678", "138 1234 5678"),
        ("+862162345678", "02162345678", "021 6234 5678"),
        ("+8695588", "95588", "95588"),
        ("+864008001234", "4008001234", "400 800 1234"),
        ("+12025550123", "0012025550123", "+1 202-555-0123"),
    ],
)
def test_national_and_readable(number: str, dialed: str, shown: str) -> None:
    assert numbers.national(number) == dialed
    assert numbers.readable(number) == shown


def test_mobiles_are_told_apart() -> None:
    assert numbers.is_mobile(MOBILE)
    assert not numbers.is_mobile("+862162345678")
    assert not numbers.is_mobile("+8695588")


def test_tail_becomes_a_range_of_reversed_digits() -> None:
    bounds = numbers.tail_range("5678")
    assert bounds is not None
    first, last = bounds
    assert first <= numbers.reversed_digits(MOBILE) <= last
    assert not first <= numbers.reversed_digits("+8613812345679") <= last
    assert numbers.tail_range("12") is None
    assert numbers.tail_range("1" * 16) is None


mobiles = st.from_regex(r"1[3-9][0-9]{9}", fullmatch=True)


@given(
    mobiles,
    st.sampled_from(["", "0", "86", "0086", "+86", "+860", "＋８６"]),
    st.sampled_from(["", " ", "-"]),
)
def test_every_way_of_writing_a_mobile_is_one_number(digits: str, prefix: str, gap: str) -> None:
    written = prefix + (gap if prefix else "") + digits[:3] + gap + digits[3:7] + gap + digits[7:]
    assert numbers.parse(written) == "+86" + digits


@given(mobiles)
def test_national_form_reads_back(digits: str) -> None:
    number = numbers.parse(digits)
    assert number is not None
    assert numbers.parse(numbers.national(number)) == number
    assert numbers.parse(number) == number


@settings(max_examples=1000)
@given(mobiles, st.integers(0, 10), st.sampled_from("0123456789"))
def test_a_lost_or_extra_digit_never_gives_a_mobile_number(digits: str, at: int, extra: str) -> None:
    """R37: no wrong customer."""
    shorter = digits[:at] + digits[at + 1 :]
    longer = digits[:at] + extra + digits[at:]
    assert not numbers.is_mobile(numbers.parse(shorter) or "")
    if not longer.startswith("01"):
        assert not numbers.is_mobile(numbers.parse(longer) or "")


@given(st.text(max_size=80))
def test_any_text_gives_a_number_or_nothing(text: str) -> None:
    number = numbers.parse(text)
    assert number is None or numbers.is_e164(number)


@given(st.text(alphabet="0123456789+-() .转xext", max_size=30))
def test_a_number_reads_as_itself(text: str) -> None:
    number = numbers.parse(text)
    if number is not None:
        assert numbers.parse(number) == number
        assert numbers.parse(numbers.national(number)) == number


@given(mobiles, st.integers(3, 11))
def test_tail_range_holds_exactly_the_tail(digits: str, length: int) -> None:
    bounds = numbers.tail_range(digits[-length:])
    assert bounds is not None
    assert bounds[0] <= numbers.reversed_digits("+86" + digits) <= bounds[1]
