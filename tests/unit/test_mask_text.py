"""Telephone numbers in a text are hidden, however they are written; what only looks like one stays."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sweep_objects import NUMBER

from access.ids import new_id
from access.masking import mask_number, mask_text


@pytest.mark.parametrize(
    "text",
    [
        "2026-05-17",
        "2026-05-17 09:30",
        "moved 2026-05-17T09:30:00.123456+08:00 to 2026-06-01",
        "5 2026-05-17",
        "14:00 2026-05-17",
        "2026.05.17",
        "2026年5月17日 09:30-10:30",
        "报价128000.00元",
        "¥1280000",
        "首付 1280000 元",
        "09:30 1280000元",
        "LSVAU2A37N2183294",
        "VIN lsvau2a37n2183294, 里程 86000 km",
        "call 01K9ZZZZ5Y7V8W1234567XY4QS",
        "投诉TS2026-000001 保养后异响",
        "TS2026-000001, 2026-06-17",
    ],
)
def test_what_is_no_telephone_number_stays(text: str) -> None:
    assert mask_text(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("2026-05-17 13812345678", "2026-05-17 138****5678"),
        ("13812345678 2026-05-17", "138****5678 2026-05-17"),
        ("rang 021-2026-0517 at 09:30", "rang 021****0517 at 09:30"),
        ("Tel13812345678", "Tel138****5678"),
        ("ABCDEF13812345678", "ABCDEF138****5678"),
        ("138.1234.5678", "138****5678"),
        ("+86 138-1234-5678,128000.00", "138****5678,128000.00"),
        ("20260517", "20****17"),
        ("TS2026-000001 13812345678", "TS2026-000001 138****5678"),
        ("TS2026-000001-13812345678", "TS202****5678"),
        ("138  12345678元", "138****5678元"),
        ("(138)12345678元", "(138****5678元"),
        ("138)12345678 km", "138****5678 km"),
        ("138 - 12345678公里", "138****5678公里"),
        ("138 12345678.00", "138****7800"),
    ],
)
def test_a_number_beside_them_is_hidden(text: str, shown: str) -> None:
    assert mask_text(text) == shown


MOMENT = datetime(2026, 6, 16, 2, tzinfo=UTC)
_mobile = st.from_regex(r"1[3-9][0-9]{9}", fullmatch=True)
_landline = st.from_regex(r"0(10|2[0-9]|[3-9][0-9]{2})[2-8][0-9]{7}", fullmatch=True)


@st.composite
def written(draw: st.DrawFn) -> tuple[str, str]:
    """A number and a way people write it."""
    digits = draw(st.sampled_from([NUMBER.removeprefix("+86")]) | _mobile | _landline)
    area = 4 if digits[0] == "0" and digits[1] > "2" else 3
    mark = draw(st.sampled_from(["", " ", "-", ".", " - "]))
    rest = digits[area:]
    groups = [digits[:area], *draw(st.sampled_from([[rest], [rest[:4], rest[4:]], [rest[:3], rest[3:]]]))]
    prefix = draw(st.sampled_from(["", "+86", "+86 ", "0086", "86-", "(+86)"]))
    return digits, prefix + mark.join(part for part in groups if part)


_beside = st.sampled_from(
    [
        "",
        " ",
        ",",
        "2026-05-17 ",
        "09:30 ",
        "2026-05-17T09:30:00Z ",
        "128000.00 ",
        "¥",
        "元",
        "VIN ",
        "LSV",
        "電話:",
    ]
)


@given(written(), _beside, _beside)
def test_a_telephone_number_never_shows(one: tuple[str, str], before: str, after: str) -> None:
    digits, text = one
    shown = mask_text(before + text + after)
    assert digits not in re.sub(r"\D", "", shown), shown
    assert text not in shown


@given(
    _mobile,
    st.integers(2, 9),
    st.text(alphabet=" .()-", min_size=0, max_size=3),
    st.sampled_from(["元", " 元", "万", "公里", " km", "km", " RMB", "CNY", ".00", ".5"]),
)
def test_a_unit_behind_a_number_in_two_parts_does_not_show_it(
    digits: str, place: int, mark: str, unit: str
) -> None:
    shown = mask_text(f"{digits[:place]}{mark}{digits[place:]}{unit}")
    assert digits not in re.sub(r"\D", "", shown), shown


_moments = st.datetimes(min_value=datetime(1950, 1, 1), max_value=datetime(2099, 12, 31))  # noqa: DTZ001


@given(_moments, st.sampled_from([None, UTC, timezone(timedelta(hours=8))]), _mobile)
def test_days_and_moments_stay(moment: datetime, zone: timezone | None, number: str) -> None:
    for said in (
        moment.replace(tzinfo=zone).isoformat(),
        moment.date().isoformat(),
        f"{moment:%Y-%m-%d %H:%M}",
    ):
        assert mask_text(said) == said
        assert mask_text(f"{said} {number} {said}") == f"{said} {mask_number(number)} {said}"


@given(st.dates(date(1950, 1, 1), date(2099, 12, 31)), st.times(), st.integers(0, 99_999_999))
def test_amounts_times_and_ids_stay(day: date, clock: time, cents: int) -> None:
    said = f"{new_id(MOMENT)} {day} {clock:%H:%M:%S} {cents / 100:.2f}"
    assert mask_text(said) == said
