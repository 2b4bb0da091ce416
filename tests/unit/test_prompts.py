"""Prompts: items are said in correct Chinese and English, by sounds that exist."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import config
from ivr.flow import VALUE_KINDS
from ivr.prompts import (
    KEY,
    LANGUAGES,
    PLATE_MARKS,
    PROVINCES,
    Date,
    Digits,
    Duration,
    Item,
    Letters,
    Minutes,
    Moment,
    Money,
    Number,
    Pause,
    Place,
    Plate,
    Position,
    PromptBook,
    PromptError,
    Sentence,
    Time,
    Weekday,
    item,
    keys,
    load_book,
    vocabulary,
)
from ivr.texts import read_tables

SHIPPED = Path(config.__file__).parent / "prompts"
WORDS = {(text.language, text.key): text.text for text in read_tables(SHIPPED)}
BOOK = load_book(SHIPPED)


def words(language: str, *items: Item) -> str:
    """What is heard, as the text tables spell it; a pause is a bar."""
    found = [WORDS[language, key] or "|" for key in keys(language, items)]
    return ("" if language == "zh-CN" else " ").join(found)


NUMBERS = [
    (0, "零", "zero"),
    (1, "一", "one"),
    (2, "二", "two"),
    (10, "十", "ten"),
    (12, "十二", "twelve"),
    (15, "十五", "fifteen"),
    (20, "二十", "twenty"),
    (22, "二十二", "twenty-two"),
    (100, "一百", "one hundred"),
    (101, "一百零一", "one hundred and one"),
    (105, "一百零五", "one hundred and five"),
    (110, "一百一十", "one hundred and ten"),
    (112, "一百一十二", "one hundred and twelve"),
    (200, "两百", "two hundred"),
    (222, "两百二十二", "two hundred and twenty-two"),
    (1000, "一千", "one thousand"),
    (1005, "一千零五", "one thousand and five"),
    (1010, "一千零一十", "one thousand and ten"),
    (1100, "一千一百", "one thousand one hundred"),
    (1115, "一千一百一十五", "one thousand one hundred and fifteen"),
    (2002, "两千零二", "two thousand and two"),
    (9999, "九千九百九十九", "nine thousand nine hundred and ninety-nine"),
    (10_000, "一万", "ten thousand"),
    (10_005, "一万零五", "ten thousand and five"),
    (12_000, "一万两千", "twelve thousand"),
    (120_000, "十二万", "one hundred and twenty thousand"),
    (20_000, "两万", "twenty thousand"),
    (22_222, "两万两千两百二十二", "twenty-two thousand two hundred and twenty-two"),
    (100_500, "十万零五百", "one hundred thousand five hundred"),
    (1_020_000, "一百零二万", "one million twenty thousand"),
    (200_000_000, "两亿", "two hundred million"),
    (1_000_000_005, "十亿零五", "one billion and five"),
]


@pytest.mark.parametrize(("value", "chinese", "english"), NUMBERS)
def test_numbers_by_table(value: int, chinese: str, english: str) -> None:
    """Zeros, tens and hundreds as they are said."""
    assert words("zh-CN", Number(value=value)) == chinese
    assert words("en", Number(value=value)) == english


def read_chinese(text: str) -> int:
    """A number as a Chinese reader understands it; written apart from the code under test."""
    digits = {c: n for n, c in enumerate("零一二三四五六七八九")} | {"两": 2}
    total = section = digit = 0
    for c in text:
        if c in digits:
            digit = digits[c]
        elif c in "十百千":
            section += (digit or 1) * {"十": 10, "百": 100, "千": 1000}[c]
            digit = 0
        else:
            total = (total + section + digit) * {"万": 10**4, "亿": 10**8}[c]
            section = digit = 0
    return total + section + digit


def read_english(text: str) -> int:
    """A number as an English reader understands it; written apart from the code under test."""
    ones = [WORDS["en", f"digit/{n}"] for n in range(10)] + [
        *("ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen"),
        "nineteen",
    ]
    tens = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
    values = {w: n for n, w in enumerate(ones)} | {w: 10 * n for n, w in enumerate(tens, 2)}
    total = group = 0
    for word in text.replace("-", " ").split():
        if word in values:
            group += values[word]
        elif word == "hundred":
            group *= 100
        elif word != "and":
            total += group * {"thousand": 10**3, "million": 10**6, "billion": 10**9}[word]
            group = 0
    return total + group


def test_every_number_to_9999_is_heard_as_itself() -> None:
    """Said and read back: all numbers that a queue, a date or a price can hold; no 零 doubled or at the end."""
    for value in range(10_000):
        chinese = words("zh-CN", Number(value=value))
        assert read_chinese(chinese) == value, chinese
        assert "零零" not in chinese, chinese
        assert not value or not chinese.endswith("零"), chinese
        assert not chinese.startswith("一十"), chinese
        assert read_english(words("en", Number(value=value))) == value


@given(st.integers(min_value=0, max_value=10**12 - 1))
def test_any_number_is_heard_as_itself(value: int) -> None:
    """Said and read back, up to the largest."""
    chinese = words("zh-CN", Number(value=value))
    assert "零零" not in chinese
    if "亿" not in chinese:
        assert read_chinese(chinese) == value
    else:
        high, low = chinese.split("亿")
        assert read_chinese(high) * 10**8 + read_chinese(low) == value
    assert read_english(words("en", Number(value=value))) == value


@pytest.mark.parametrize(
    ("value", "chinese"), [(1, "一"), (2, "两"), (12, "十二"), (20, "二十"), (102, "一百零二"), (200, "两百")]
)
def test_two_before_a_measure_word(value: int, chinese: str) -> None:
    """两位, but 十二位 and 一百零二位."""
    assert words("zh-CN", Number(value=value, counting=True)) == chinese


@pytest.mark.parametrize(
    ("text", "chinese", "english"),
    [
        (
            "13800256194",
            "幺三八|零零二五|六幺九四",
            "one three eight | zero zero two five | six one nine four",
        ),
        ("+8613800256194", "幺三八|零零二五|六幺九四", None),
        ("0086 138-0025-6194", "幺三八|零零二五|六幺九四", None),
        ("１３８００２５６１９４", "幺三八|零零二五|六幺九四", None),
        ("+861088886666", "零幺零|八八八八|六六六六", None),
        ("010-88886666", "零幺零|八八八八|六六六六", None),
        ("075588886666", "零七五五|八八八八|六六六六", None),
        ("05318888666", "零五三幺|八八八|八六六六", None),
        ("4008001234", "四零零|八零零|幺二三四", None),
        ("95588", "九五五八八", "nine five five eight eight"),
        ("85123456", "八五幺二|三四五六", None),
        ("", "", ""),
    ],
)
def test_telephone_numbers(text: str, chinese: str, english: str | None) -> None:
    """Digit by digit, 幺 for 1, in the groups they are said in."""
    assert words("zh-CN", Digits(text=text)) == chinese
    if english is not None:
        assert words("en", Digits(text=text)) == english


def test_a_code_keeps_all_its_digits() -> None:
    """A code is no telephone number: nothing is dropped, 1 is 一."""
    assert words("zh-CN", Digits(text="861201", phone=False)) == "八六一|二零一"


@pytest.mark.parametrize(
    ("text", "chinese", "english"),
    [
        ("沪A·12345", "沪A|幺二三四五", "Shanghai A | one two three four five"),
        ("沪a12345", "沪A|幺二三四五", None),
        ("京Ａ－Ｂ８８８８", "京A|B八八八八", None),
        ("粤BD12345", "粤B|D幺二|三四五", "Guangdong B | D one two | three four five"),
        ("粤B12345F", "粤B|幺二三|四五F", None),
        ("川A1234学", "川A|幺二三四学", None),
        ("粤ZAB12港", "粤Z|AB幺二港", "Guangdong Z | A B one two Hong Kong"),
        ("12345", "幺二三四五", "one two three four five"),
    ],
)
def test_plates(text: str, chinese: str, english: str | None) -> None:
    """Province, letter, pause, the rest; new-energy plates have six characters in two groups."""
    assert words("zh-CN", Plate(text=text)) == chinese
    if english is not None:
        assert words("en", Plate(text=text)) == english


def test_letters() -> None:
    """The tail of a chassis number, one by one."""
    assert words("zh-CN", Letters(text="A1-b0")) == "A幺B零"


def test_a_strange_character_is_reported_and_not_played() -> None:
    """Data from elsewhere cannot end a call."""
    assert keys("zh-CN", [Letters(text="京龘1")]) == ["province/beijing", "character/9f98", "digit/yao"]
    assert BOOK.missing("zh-CN", [Letters(text="京龘1")]) == ["character/9f98"]


@pytest.mark.parametrize(
    ("day", "chinese", "english"),
    [
        (date(2024, 2, 29), "二月二十九日", "February twenty-ninth"),
        (date(2026, 1, 1), "一月一日", "January first"),
        (date(2026, 12, 31), "十二月三十一日", "December thirty-first"),
        (date(2026, 3, 2), "三月二日", "March second"),
        (date(2026, 10, 12), "十月十二日", "October twelfth"),
    ],
)
def test_dates(day: date, chinese: str, english: str) -> None:
    """Ordinals in English, 日 in Chinese."""
    assert words("zh-CN", Date(day=day)) == chinese
    assert words("en", Date(day=day)) == english


@pytest.mark.parametrize(
    ("year", "chinese", "english"),
    [
        (2026, "二零二六年", "twenty twenty-six"),
        (2000, "二零零零年", "two thousand"),
        (2005, "二零零五年", "two thousand and five"),
        (1999, "一九九九年", "nineteen ninety-nine"),
        (1905, "一九零五年", "nineteen oh five"),
        (1900, "一九零零年", "nineteen hundred"),
        (2100, "二一零零年", "twenty-one hundred"),
    ],
)
def test_years_and_weekdays(year: int, chinese: str, english: str) -> None:
    """A year digit by digit in Chinese (1 is 一 here), in halves in English."""
    day = date(year, 5, 1)
    assert words("zh-CN", Date(day=day, year=True)) == f"{chinese}五月一日"
    assert words("en", Date(day=day, year=True)) == f"May first {english}"


def test_weekdays() -> None:
    """After the date in Chinese, before it in English."""
    sunday = date(2026, 11, 22)
    assert words("zh-CN", Date(day=sunday, weekday=True)) == "十一月二十二日星期日"
    assert words("en", Date(day=sunday, weekday=True)) == "Sunday November twenty-second"
    assert words("zh-CN", Weekday(number=3)) == "星期三"


@pytest.mark.parametrize(
    ("at", "chinese", "english"),
    [
        (time(0, 0), "凌晨零点", "midnight"),
        (time(0, 5), "凌晨零点零五分", "twelve oh five a.m."),
        (time(2, 0), "凌晨两点", "two o'clock in the morning"),
        (time(9, 0), "上午九点", "nine o'clock in the morning"),
        (time(9, 15), "上午九点十五分", "nine fifteen a.m."),
        (time(12, 0), "中午十二点", "noon"),
        (time(12, 5), "中午十二点零五分", "twelve oh five p.m."),
        (time(13, 30), "下午一点半", "one thirty p.m."),
        (time(14, 2), "下午两点零二分", "two oh two p.m."),
        (time(17, 59, 59), "下午五点五十九分", "five fifty-nine p.m."),
        (time(18, 0), "晚上六点", "six o'clock in the evening"),
        (time(23, 45), "晚上十一点四十五分", "eleven forty-five p.m."),
    ],
)
def test_times(at: time, chinese: str, english: str) -> None:
    """Part of the day first in Chinese; o'clock, oh, a.m. and p.m. in English."""
    assert words("zh-CN", Time(at=at)) == chinese
    assert words("en", Time(at=at)) == english


def test_a_moment_is_a_day_and_a_time() -> None:
    """English says "at" between them."""
    at = datetime(2026, 3, 5, 8, 30, tzinfo=UTC)
    assert words("zh-CN", Moment(at=at)) == "三月五日上午八点半"
    assert words("en", Moment(at=at)) == "March fifth at eight thirty a.m."


@pytest.mark.parametrize(
    ("ahead", "chinese", "english"),
    [
        (0, "您是下一位。", "You are next in line."),
        (1, "您前面还有一位客户", "There is one caller ahead of you."),
        (2, "您前面还有两位客户", "There are two callers ahead of you."),
        (11, "您前面还有十一位客户", "There are eleven callers ahead of you."),
    ],
)
def test_positions(ahead: int, chinese: str, english: str) -> None:
    """One caller is, two callers are."""
    assert words("zh-CN", Position(ahead=ahead)) == chinese
    assert words("en", Position(ahead=ahead)) == english


@pytest.mark.parametrize(
    ("number", "chinese", "english"),
    [(1, "第一位", "number one"), (2, "第二位", "number two"), (11, "第十一位", "number eleven")],
)
def test_places(number: int, chinese: str, english: str) -> None:
    """An ordinal takes 二, not 两."""
    assert words("zh-CN", Place(number=number)) == chinese
    assert words("en", Place(number=number)) == english


@pytest.mark.parametrize(
    ("number", "chinese", "english"),
    [
        (0, "不到一分钟", "less than one minute"),
        (1, "一分钟", "one minute"),
        (2, "两分钟", "two minutes"),
        (15, "十五分钟", "fifteen minutes"),
    ],
)
def test_minutes(number: int, chinese: str, english: str) -> None:
    """Singular and plural; 两 before 分钟."""
    assert words("zh-CN", Minutes(number=number)) == chinese
    assert words("en", Minutes(number=number)) == english


@pytest.mark.parametrize(
    ("seconds", "chinese", "english"),
    [
        (0, "零秒", "zero seconds"),
        (1, "一秒", "one second"),
        (62, "一分钟两秒", "one minute and two seconds"),
        (3600, "一小时", "one hour"),
        (7500, "两小时零五分钟", "two hours and five minutes"),
        (5400, "一小时三十分钟", "one hour and thirty minutes"),
    ],
)
def test_durations(seconds: int, chinese: str, english: str) -> None:
    """Hours, minutes, seconds; an hour drops the seconds."""
    assert words("zh-CN", Duration(length=timedelta(seconds=seconds))) == chinese
    assert words("en", Duration(length=timedelta(seconds=seconds))) == english


@pytest.mark.parametrize(
    ("amount", "chinese", "english"),
    [
        ("0", "零元", "zero yuan"),
        ("2", "两元", "two yuan"),
        ("0.5", "五角", "fifty fen"),
        ("0.02", "两分", "two fen"),
        ("2.22", "两元二角二分", "two yuan and twenty-two fen"),
        ("3.05", "三元零五分", "three yuan and five fen"),
        ("1280.00", "一千两百八十元", "one thousand two hundred and eighty yuan"),
    ],
)
def test_money(amount: str, chinese: str, english: str) -> None:
    """Yuan, jiao, fen; empty places are not said, a skipped one is 零."""
    assert words("zh-CN", Money(amount=Decimal(amount))) == chinese
    assert words("en", Money(amount=Decimal(amount))) == english


@pytest.mark.parametrize("language", LANGUAGES)
def test_impossible_items_are_refused(language: str) -> None:
    """A wrong item is an error of whoever made it, with a stable id."""
    for make in (
        lambda: Number(value=-1),
        lambda: Number(value=10**12),
        lambda: Place(number=0),
        lambda: Weekday(number=8),
        lambda: Money(amount=Decimal("-1")),
        lambda: Money(amount=Decimal("NaN")),
        lambda: Sentence(key="../../etc/passwd"),
        lambda: Sentence(key="a&b"),
        lambda: Duration(length=timedelta(seconds=-1)),
        lambda: keys("fr", []),
        lambda: vocabulary("fr"),
        lambda: item("plate", 3),
        lambda: item("tune", "x"),
    ):
        with pytest.raises(PromptError) as caught:
            make()
        assert caught.value.error_id == "prompt-item-impossible"
    assert keys(language, [Pause(), Pause(long=True)]) == ["pause/short", "pause/long"]


def test_every_kind_of_value_a_flow_may_read_has_an_item() -> None:
    """The flow language and the prompts agree on the kinds."""
    now = datetime(2026, 3, 5, 8, 30, tzinfo=UTC)
    values: dict[str, str | int | Decimal | datetime] = {
        "number": 3,
        "digits": "110",
        "plate": "沪A12345",
        "date": now,
        "time": now,
        "position": 2,
        "minutes": 5,
        "money": Decimal("3.5"),
    }
    assert set(values) >= set(VALUE_KINDS)
    for kind in VALUE_KINDS:
        assert keys("zh-CN", [item(kind, values[kind])])
    assert item("position", 2) == Place(number=2)
    assert item("time", now) == Time(at=time(8, 30))


# ---- files -------------------------------------------------------------------------------------------------


def everything(language: str) -> Iterable[Item]:
    """Items that between them use every branch of the grammar."""
    yield from (Number(value=n, counting=c) for n in range(10_000) for c in (False, True))
    yield from (Number(value=10**n + m) for n in range(4, 12) for m in (0, 5, 12, 200))
    yield from (Time(at=time(h, m)) for h, m in itertools.product(range(24), range(60)))
    days = [date(2024, 1, 1) + timedelta(days=n) for n in range(366)]
    yield from (Date(day=day, year=True, weekday=True) for day in days)
    yield from (Date(day=date(year, 1, 1), year=True) for year in range(1900, 2101))
    yield Moment(at=datetime(2026, 3, 5, 8, 30, tzinfo=UTC))
    yield from (Minutes(number=n) for n in range(120))
    yield from (Position(ahead=n) for n in range(120))
    yield from (Place(number=n) for n in range(1, 120))
    yield from (Duration(length=timedelta(seconds=n * 37)) for n in range(3000))
    yield from (Money(amount=Decimal(n) / 100) for n in range(0, 30_000, 7))
    yield from (Digits(text=text, phone=p) for text in ("0123456789", "13800138000") for p in (True, False))
    yield Letters(text="ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")
    yield from (Plate(text=f"{c}A1234{m}") for c in PROVINCES for m in PLATE_MARKS)
    yield from (Pause(), Pause(long=True))


@pytest.mark.parametrize("language", LANGUAGES)
def test_vocabulary_is_exactly_what_items_can_name(language: str) -> None:
    """No piece is missing from the table of pieces, and none is there in vain."""
    named = set(keys(language, everything(language)))
    assert named == vocabulary(language)
    pieces = {text.key for text in read_tables(SHIPPED) if text.piece and text.language == language}
    assert pieces == vocabulary(language)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_sound_that_can_be_named_is_shipped(language: str) -> None:
    """Pieces and sentences: all are files, so that a caller never hears a gap."""
    sentences = [Sentence(key=key) for lang, key in WORDS if lang == language]
    composition = BOOK.compose(language, [*everything(language), *sentences])
    assert set(composition.missing) == set()
    for name in set(composition.files):
        assert Path(f"{name}.ulaw").is_file()


def test_both_languages_have_the_same_sentences() -> None:
    """Whoever switches the language hears every sentence."""
    tables = read_tables(SHIPPED)
    by_language = [
        {t.key for t in tables if t.language == language and not t.piece} for language in LANGUAGES
    ]
    assert by_language[0] == by_language[1]


def test_keys_are_safe_paths() -> None:
    """A key cannot leave its folder or end an Asterisk command."""
    assert KEY.fullmatch("number/5")
    for key in ("../x", "/x", "x/", "a.b", "a b", "a&b", "a,b", "A", "", "a//b", "a\n"):
        assert not KEY.fullmatch(key), key


def test_house_recordings_come_first(tmp_path: Path) -> None:
    """The house's file is played, a missing one falls back to the shipped one, one in neither is reported."""
    house, shipped = tmp_path / "house", tmp_path / "shipped"
    for path in ("shipped/en/welcome.ulaw", "shipped/en/goodbye.ulaw", "house/en/welcome.wav"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(b"\x7f" * 8000)
    (house / "en" / "goodbye.ulaw").write_bytes(b"")
    (house / "en" / "goodbye.txt").write_bytes(b"notes")
    (house / "en" / "our_offer.ulaw").write_bytes(b"\x7f" * 4000)
    book = load_book(shipped, house)
    items = [Sentence(key=key) for key in ("welcome", "goodbye", "our_offer", "nothing")]
    composition = book.compose("en", items)
    assert composition.files == (
        str(house / "en" / "welcome"),
        str(shipped / "en" / "goodbye"),
        str(house / "en" / "our_offer"),
    )
    assert composition.missing == ("nothing",)
    assert sum(sound.seconds for sound in composition.sounds) == pytest.approx(0.5 + 1 + 0.5)
    assert book.files("en", items) == list(composition.files)
    assert book.missing("zh-CN", items) == ["welcome", "goodbye", "our_offer", "nothing"]
    assert book.has("en", "our_offer")
    assert not book.has("zh-CN", "our_offer")


def test_a_folder_that_is_not_there_is_empty(tmp_path: Path) -> None:
    """A house folder not made yet is no error."""
    assert load_book(SHIPPED, tmp_path / "none").house_sounds == {}
    assert isinstance(load_book(tmp_path / "none"), PromptBook)
