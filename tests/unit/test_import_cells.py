"""What cells say: telephone numbers, days, counts and words, as dealers' lists write them."""

from __future__ import annotations

import contextlib
from datetime import date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm.imports.cells import (
    CellError,
    House,
    read_amount,
    read_code,
    read_count,
    read_day,
    read_phones,
    read_plate,
    read_text,
    read_vin,
    tidy,
)

HOUSE = House(today=date(2026, 6, 16), area_code="025")


@pytest.mark.parametrize(
    ("cell", "numbers"),
    [
        (13812345678.0, ("+8613812345678",)),
        (13812345678, ("+8613812345678",)),
        ("1.3812345678E+10", ("+8613812345678",)),
        ("１３８１２３４５６７８", ("+8613812345678",)),
        ("  138 1234 5678\u00a0", ("+8613812345678",)),
        ("138\u200b1234\u20605678", ("+8613812345678",)),
        ("'+86 138 1234 5678", ("+8613812345678",)),
        ('="13812345678"', ("+8613812345678",)),
        ("13812345678/13987654321", ("+8613812345678", "+8613987654321")),
        ("13812345678、13812345678", ("+8613812345678",)),
        ("13812345678\n13987654321", ("+8613812345678", "+8613987654321")),
        ("+86-13812345678", ("+8613812345678",)),
        ("84712345", ("+862584712345",)),
        ("无", ()),
        ("", ()),
        (None, ()),
    ],
)
def test_a_number_is_read_however_a_list_writes_it(cell: object, numbers: tuple[str, ...]) -> None:
    assert read_phones(cell, HOUSE) == numbers  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("cell", "why"),
    [
        ("1.38E+10", "digits-lost"),
        ("138123456", "phone-unreadable"),
        ("一三八", "phone-unreadable"),
        ("13812345678王", "phone-unreadable"),
        ("=HYPERLINK(1)", "value-is-formula"),
        ("#N/A", "value-is-error"),
        (1.2345678901234567e19, "digits-lost"),
    ],
)
def test_a_number_that_is_none_is_refused_with_its_reason(cell: object, why: str) -> None:
    with pytest.raises(CellError) as refused:
        read_phones(cell, HOUSE)  # type: ignore[arg-type]
    assert refused.value.error_id == why


@pytest.mark.parametrize(
    ("cell", "day"),
    [
        (date(2026, 3, 5), date(2026, 3, 5)),
        (datetime(2026, 3, 5, 10, 20), date(2026, 3, 5)),  # noqa: DTZ001 - as a cell gives it
        (46086.0, date(2026, 3, 5)),
        ("46086", date(2026, 3, 5)),
        ("2026年3月5日", date(2026, 3, 5)),
        ("２０２６年３月５日", date(2026, 3, 5)),
        ("2026/3/5", date(2026, 3, 5)),
        ("2026-03-05", date(2026, 3, 5)),
        ("2026.3.5", date(2026, 3, 5)),
        ("2026-03-05 10:20:30", date(2026, 3, 5)),
        ("2026-03-05T10:20:30", date(2026, 3, 5)),
        ("2026/3/5 上午 9:05", date(2026, 3, 5)),
        ("20260305", date(2026, 3, 5)),
        (20260305.0, date(2026, 3, 5)),
        ("-", None),
        ("", None),
    ],
)
def test_a_day_is_read_however_a_list_writes_it(cell: object, day: date | None) -> None:
    assert read_day(cell, HOUSE) == day  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("cell", "why"),
    [
        ("3月5日", "date-without-year"),
        ("3-5", "date-without-year"),
        ("2026年3月", "date-without-day"),
        ("2026", "date-out-of-range"),  # a count of days in 1905
        ("03/05/2026", "date-ambiguous"),
        ("5/3/26", "date-ambiguous"),
        ("2026-02-30", "date-unreadable"),
        ("上周三", "date-unreadable"),
        (0, "date-out-of-range"),
        (1.0, "date-out-of-range"),
        (date(1900, 1, 1), "date-out-of-range"),
        (date(2062, 1, 1), "date-out-of-range"),
    ],
)
def test_a_day_nobody_can_be_sure_of_is_refused(cell: object, why: str) -> None:
    with pytest.raises(CellError) as refused:
        read_day(cell, HOUSE)  # type: ignore[arg-type]
    assert refused.value.error_id == why


def test_days_may_be_counted_from_1904() -> None:
    assert read_day(44624, House(today=HOUSE.today, from_1904=True)) == date(2026, 3, 5)


@pytest.mark.parametrize(
    ("cell", "count"),
    [
        (12345.0, 12345),
        ("12,345", 12345),
        ("12345公里", 12345),
        ("1.2万公里", 12000),
        ("１２３４５ km", 12345),
        (12345.6, 12345),
        (0, 0),
        ("无", None),
    ],
)
def test_a_mileage_is_read_with_its_unit(cell: object, count: int | None) -> None:
    assert read_count(cell, 3_000_000) == count  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("cell", "why"),
    [
        ("约一万", "not-a-number"),
        ("-5", "number-out-of-range"),
        (9e9, "number-out-of-range"),
        ("1-2", "not-a-number"),
    ],
)
def test_a_mileage_that_is_none_is_refused(cell: object, why: str) -> None:
    with pytest.raises(CellError) as refused:
        read_count(cell, 3_000_000)  # type: ignore[arg-type]
    assert refused.value.error_id == why


def test_money_and_codes_and_plates() -> None:
    assert str(read_amount("¥1,234.50元", 10_000)) == "1234.50"
    assert read_code("  ab-１２ 3 ") == "AB-123"
    assert read_code(1024.0) == "1024"
    assert read_plate("苏ａ·12345") == "苏A12345"
    assert read_plate("未上牌") is None
    assert read_vin("lgwef4a5 7mf000001") == "LGWEF4A57MF000001"
    with pytest.raises(CellError, match="vin-unreadable"):
        read_vin("LGWEF4A5")


@given(st.text(max_size=60))
def test_tidying_twice_changes_nothing_more(text: str) -> None:
    once = tidy(text)
    assert tidy(once) == once
    assert once == once.strip()
    assert "\n" not in once
    assert "\u200b" not in once


_CELLS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.dates(),
    st.datetimes(),
    st.text(max_size=40),
    st.text(alphabet="0123456789+-=/. eE年月日'\"#万", max_size=24),
)


@given(_CELLS)
def test_any_cell_is_read_or_refused_and_nothing_else(cell: object) -> None:
    for read in (
        lambda: read_text(cell),  # type: ignore[arg-type]
        lambda: read_phones(cell, HOUSE),  # type: ignore[arg-type]
        lambda: read_day(cell, HOUSE),  # type: ignore[arg-type]
        lambda: read_count(cell, 1000),  # type: ignore[arg-type]
        lambda: read_code(cell),  # type: ignore[arg-type]
        lambda: read_plate(cell),  # type: ignore[arg-type]
        lambda: read_vin(cell),  # type: ignore[arg-type]
    ):
        with contextlib.suppress(CellError):
            read()


_DIGITS = st.from_regex(r"1[3-9][0-9]{9}", fullmatch=True)


@given(_DIGITS, st.sampled_from(["{}", " {} ", "+86{}", "'{}", '="{}"', "0086{}", "\u3000{}\u00a0"]))
def test_a_mobile_number_survives_whatever_stands_around_it(digits: str, around: str) -> None:
    assert read_phones(around.format(digits), HOUSE) == ("+86" + digits,)
    assert read_phones(float(digits), HOUSE) == ("+86" + digits,)
    wide = "".join(chr(0xFF10 + int(digit)) for digit in digits)
    assert read_phones(wide, HOUSE) == ("+86" + digits,)


@given(st.dates(min_value=date(1950, 1, 1), max_value=date(2028, 1, 1)))
def test_every_way_of_writing_a_day_says_the_same(day: date) -> None:
    serial = (day - date(1899, 12, 30)).days
    ways: list[object] = [
        day,
        serial,
        float(serial),
        f"{day.year}年{day.month}月{day.day}日",
        f"{day.year}/{day.month}/{day.day}",
        day.isoformat(),
        f"{day:%Y%m%d}",
    ]
    assert {read_day(way, HOUSE) for way in ways} == {day}  # type: ignore[arg-type]
