"""What a cell of a list says: telephone numbers, days, counts, plates and words, as dealers' lists write them.

Spreadsheets keep a telephone number as 13812345678.0, a day as a count of days, and people type full-width digits,
spaces and words beside them. What cannot be read for sure is refused with its reason, never guessed.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Final

from crm.records.vehicles import parse_plate, parse_vin
from telephony.numbers import parse

#: What a reader of files hands over for one cell.
Cell = str | int | float | bool | date | datetime | None


@dataclass(frozen=True, kw_only=True, slots=True)
class House:
    """What reading depends on: where the house is, what day it is, and how the file counts days."""

    today: date
    country: str = "CN"
    area_code: str = ""
    #: The file counts days from 1904 (old Macintosh workbooks), not from 1900.
    from_1904: bool = False
    #: A day may be any since 1900, not only one of a car's life.
    any_day: bool = False


class CellError(Exception):
    """A cell does not say what its column should; `error_id` is the stable reason, `values` what its words need.

    The reasons: value-missing, value-too-long, value-is-formula, value-is-error, digits-lost, phone-unreadable,
    date-unreadable, date-without-year, date-without-day, date-ambiguous, date-out-of-range, not-a-number,
    number-out-of-range, plate-unreadable, vin-unreadable, choice-unknown, code-unreadable.
    """

    def __init__(self, error_id: str, **values: str) -> None:
        super().__init__(error_id)
        self.error_id = error_id
        self.values: Mapping[str, str] = values


@dataclass(frozen=True, kw_only=True, slots=True)
class Fault:
    """Why a row is refused: its reason, the field it is about (empty: the whole row), and what the words need."""

    error_id: str
    about: str = ""
    values: Mapping[str, str] = field(default_factory=dict)


#: Every kind of blank to the plain one, and full-width letters and digits. Chinese punctuation stays in words …
_WIDTH: Final[Mapping[int, int | str]] = {
    **{0xFF01 + step: 0x21 + step for step in range(94) if chr(0x21 + step).isalnum()},
    **dict.fromkeys((0x3000, 0x00A0, 0x2007, 0x202F), " "),
}
#: … but not in numbers, days and codes.
_SIGNS: Final[Mapping[int, int | str]] = {0xFF01 + step: 0x21 + step for step in range(94)}
_ERRORS: Final = frozenset(
    {"#N/A", "#REF!", "#VALUE!", "#DIV/0!", "#NAME?", "#NUM!", "#NULL!", "#SPILL!", "#CALC!"}
)
#: What our own CSV puts an apostrophe before (`crm.exports.cells`); spreadsheets do the same to keep text as text.
_KEPT_AS_TEXT = re.compile(r"'(?=\s?[=+\-@＝＋－＠0-9'])")
#: ="13812345678", the way programs keep a CSV number from being counted with.
_TEXT_FORMULA = re.compile(r'="([^"]*)"')
_SCIENTIFIC = re.compile(r"[0-9](?:\.[0-9]+)?[eE]\+?[0-9]{1,2}")
#: Whole numbers above this are no longer exact in a spreadsheet (15 significant digits).
_EXACT: Final = 10**15
_NO_VALUE: Final = frozenset(
    ("-", "--", "—", "——", "/", "\\", "无", "暂无", "未知", "空", "n/a", "na", "none", "null", "nil")
)


def tidy(text: str) -> str:
    """One line, one width, one kind of blank, nothing invisible."""
    if text.isascii() and text.isalnum():
        return text
    text = unicodedata.normalize("NFC", text.translate(_WIDTH))
    if not text.isprintable():
        text = "".join(
            " " if letter.isspace() else letter
            for letter in text
            if letter.isspace() or unicodedata.category(letter)[0] != "C"
        )
    return " ".join(text.split())


def read_text(cell: Cell) -> str:
    """What the cell says as text; "" for nothing. Raises CellError: formula, error value, digits lost."""
    if isinstance(cell, str):
        text = tidy(cell)
        if not text:
            return ""
        if text[0] == "'" and _KEPT_AS_TEXT.match(text):
            return text[1:].strip()
        if text[0] == "=":
            if match := _TEXT_FORMULA.fullmatch(text):
                return match[1].strip()
            raise CellError("value-is-formula", value=shortened(text))
        if text[0] == "#" and text.upper() in _ERRORS:
            raise CellError("value-is-error", value=text)
        return text
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return "1" if cell else "0"
    if isinstance(cell, int):
        if abs(cell) >= _EXACT:
            raise CellError("digits-lost", value=str(cell))
        return str(cell)
    if isinstance(cell, float):
        if not math.isfinite(cell):
            raise CellError("value-is-error", value=str(cell))
        if cell.is_integer():
            return read_text(int(cell))
        return format(Decimal(repr(cell)), "f")
    return cell.isoformat(" ") if isinstance(cell, datetime) else cell.isoformat()


def read_narrow(cell: Cell) -> str:
    """As `read_text`, full-width signs too: ＋８６, （025）, 2026／3／5."""
    text = read_text(cell)
    return text if text.isascii() else text.translate(_SIGNS)


def says_nothing(text: str) -> bool:
    """Whether people write this where there is nothing: -, 无, N/A."""
    return not text or text.lower() in _NO_VALUE


def read_words(cell: Cell, longest: int) -> str:
    """Text of at most so many characters. Raises CellError value-too-long."""
    text = read_text(cell)
    if len(text) > longest:
        raise CellError("value-too-long", value=shortened(text), length=str(len(text)), longest=str(longest))
    return text


_CODE = re.compile(r"[0-9A-Za-z][0-9A-Za-z_./#-]{0,63}")


def read_code(cell: Cell) -> str:
    """A number of another program (order, customer): upper case, no blanks. Raises CellError code-unreadable."""
    text = _whole(read_narrow(cell)).replace(" ", "").upper()
    if text and not _CODE.fullmatch(text):
        raise CellError("code-unreadable", value=shortened(text))
    return text


_NUMBERS_APART = re.compile(r"[/、,，;；|\\]| 或 | or ")
_LINE_ENDS = re.compile(r"[\r\n]+")


def read_phones(cell: Cell, house: House) -> tuple[str, ...]:
    """The numbers (E.164) in a cell, in order; several stand apart by / 、 , or ;. Raises CellError."""
    raw = _LINE_ENDS.sub("/", cell.strip()) if isinstance(cell, str) else cell
    text = read_narrow(raw)
    if says_nothing(text):
        return ()
    found: dict[str, None] = {}
    for part in _NUMBERS_APART.split(text):
        part = part.strip()
        if not part:
            continue
        number = parse(_whole(part), house.country, house.area_code)
        if number is None:
            raise CellError("phone-unreadable", value=shortened(part))
        found[number] = None
    return tuple(found)


def _whole(text: str) -> str:
    """1.3812345678E+10 as its digits. Raises CellError digits-lost where the spreadsheet has rounded them away."""
    if not _SCIENTIFIC.fullmatch(text):
        return text
    mantissa, _, exponent = text.upper().partition("E")
    try:
        number = Decimal(text)
    except InvalidOperation:
        return text
    written = len(mantissa.replace(".", ""))
    if number != number.to_integral_value() or written < int(exponent) + 1:
        raise CellError("digits-lost", value=shortened(text))
    return str(int(number))


#: A day of a car's life; what lies outside is a slip of the pen or an empty date (serial 0 or 1 is 1900).
_EARLIEST: Final = date(1950, 1, 1)
_AHEAD: Final = timedelta(days=3 * 366)
#: Days before it are empty cells, and are counted wrongly (1900 was no leap year).
_EARLIEST_OF_ANY: Final = date(1900, 3, 1)
_DAY = re.compile(
    r"([0-9]{4})\s?(?:年|[-/.])\s?([0-9]{1,2})\s?(?:月|[-/.])\s?([0-9]{1,2})\s?[日号]?"
    r"(?:[ T]?\s?(?:[上下]午)?\s?[0-9]{1,2}[:时点].*)?"
)
_COMPACT = re.compile(r"((?:19|20)[0-9]{2})(0[1-9]|1[0-2])(0[1-9]|[12][0-9]|3[01])(?:[ T]?[0-9]{4,6})?")
_NO_YEAR = re.compile(r"[0-9]{1,2}\s?(?:月|[-/.])\s?[0-9]{1,2}\s?[日号]?")
_NO_DAY = re.compile(r"[0-9]{4}\s?(?:年|[-/.])\s?(?:[0-9]{1,2}\s?月?)?")
_UNCLEAR = re.compile(r"[0-9]{1,2}[-/.][0-9]{1,2}[-/.][0-9]{2,4}(?:\s.*)?")
#: Day 0 or 1 in a column of days: a spreadsheet takes it for a time of day. Nobody meant 1900.
_ONLY_TIME = re.compile(r"[0-9]{1,2}:[0-9]{2}(?::[0-9.]+)?")
_SERIAL = re.compile(r"[0-9]{1,5}(?:\.[0-9]+)?")
#: Day 0 of each way of counting; 1900 was no leap year, so days before 1 March 1900 are off by one, and refused anyway.
_ZERO_1900: Final = date(1899, 12, 30)
_ZERO_1904: Final = date(1904, 1, 1)


def read_day(cell: Cell, house: House) -> date | None:
    """A day: a date cell, a count of days, 2026年3月5日, 2026/3/5, 2026-03-05 10:20, 20260305. Raises CellError."""
    if isinstance(cell, datetime):
        return _likely(cell.date(), house)
    if isinstance(cell, date):
        return _likely(cell, house)
    text = read_narrow(cell)
    if says_nothing(text):
        return None
    if match := _DAY.fullmatch(text) or _COMPACT.fullmatch(text):
        try:
            return _likely(date(int(match[1]), int(match[2]), int(match[3])), house)
        except ValueError:
            raise CellError("date-unreadable", value=shortened(text)) from None
    if not isinstance(cell, bool) and _SERIAL.fullmatch(text):
        zero = _ZERO_1904 if house.from_1904 else _ZERO_1900
        return _likely(zero + timedelta(days=int(float(text))), house)
    for pattern, why in (
        (_ONLY_TIME, "date-out-of-range"),
        (_NO_YEAR, "date-without-year"),
        (_NO_DAY, "date-without-day"),
        (_UNCLEAR, "date-ambiguous"),
    ):
        if pattern.fullmatch(text):
            raise CellError(why, value=shortened(text))
    raise CellError("date-unreadable", value=shortened(text))


def _likely(day: date, house: House) -> date:
    if house.any_day:
        earliest, latest = _EARLIEST_OF_ANY, date.max
    else:
        earliest, latest = _EARLIEST, house.today + _AHEAD
    if not earliest <= day <= latest:
        raise CellError("date-out-of-range", value=day.isoformat())
    return day


_COUNT = re.compile(r"(-?[0-9]+(?:\.[0-9]+)?)(万|w)?(?:km|公里|千米|里程|元|rmb|cny|yuan)?", re.IGNORECASE)


def read_amount(cell: Cell, most: int) -> Decimal | None:
    """A number of nothing or more, with or without its unit: 12,345 km, 1.2万公里, ¥350. Raises CellError."""
    text = read_narrow(cell)
    if says_nothing(text):
        return None
    match = _COUNT.fullmatch(text.replace(",", "").replace(" ", "").lstrip("¥￥"))
    if match is None:
        raise CellError("not-a-number", value=shortened(text))
    number = Decimal(match[1]) * (10_000 if match[2] else 1)
    if not 0 <= number <= most:
        raise CellError("number-out-of-range", value=shortened(text), most=f"{most:,}")
    return number


def read_count(cell: Cell, most: int) -> int | None:
    """As `read_amount`, rounded down to a whole number (a mileage of 12345.6 is 12345)."""
    number = read_amount(cell, most)
    return None if number is None else int(number)


def read_plate(cell: Cell) -> str | None:
    """A plate in its one spelling. 未上牌, 临牌 and the like are no plate yet. Raises CellError plate-unreadable."""
    text = read_text(cell)
    if says_nothing(text) or text in ("未上牌", "无牌", "临牌", "临时", "新车", "暂未上牌"):
        return None
    plate = parse_plate(text)
    if plate is None:
        raise CellError("plate-unreadable", value=shortened(text))
    return plate.text


def read_vin(cell: Cell) -> str | None:
    """A VIN of 17 characters. Raises CellError vin-unreadable."""
    text = read_text(cell)
    if says_nothing(text):
        return None
    vin = parse_vin(text)
    if vin is None:
        raise CellError("vin-unreadable", value=shortened(text), length=str(len(text)))
    return vin


def read_choice(cell: Cell, words: Mapping[str, str]) -> str | None:
    """One of several, by the words people use for it (lower case to value). Raises CellError choice-unknown."""
    text = read_narrow(cell)
    if says_nothing(text):
        return None
    found = words.get(text.lower())
    if found is None:
        raise CellError("choice-unknown", value=shortened(text), known="、".join(dict.fromkeys(words))[:120])
    return found


def shortened(text: str) -> str:
    """A value as a reason names it."""
    return text if len(text) <= 40 else text[:39] + "…"
