"""Prompts: what is said as typed items, and which sound files say it in Chinese and in English.

A key names a sound: a sentence (`welcome`) or a piece (`number/15`). `keys` turns items into keys by the
grammar of the language; a PromptBook turns keys into Asterisk sound paths, the house's own recordings first.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Final, Literal, NamedTuple, get_args

Language = Literal["zh-CN", "en"]
LANGUAGES: Final[tuple[Language, ...]] = get_args(Language)

KEY: Final = re.compile(r"[a-z0-9][a-z0-9_-]*(/[a-z0-9][a-z0-9_-]*)*")
"""A key: lower-case words, digits, `_` and `-`, in folders; never a path that leaves its folder."""

SOUND_RATES: Final[Mapping[str, int]] = {
    ".ulaw": 8000,
    ".alaw": 8000,
    ".wav": 16000,
    ".sln": 16000,
    ".sln16": 32000,
    ".g722": 8000,
    ".gsm": 1650,
}
"""File endings Asterisk plays as they are, with bytes a second (a wav's header is small enough to ignore)."""

LARGEST_NUMBER: Final = 10**12 - 1

# ---- items -------------------------------------------------------------------------------------------------


class PromptError(ValueError):
    """An item that cannot be said. Nothing was played; correct the item."""

    error_id = "prompt-item-impossible"


@dataclass(frozen=True, kw_only=True)
class Sentence:
    """A fixed sentence of the text tables, or of the house's own recordings."""

    key: str

    def __post_init__(self) -> None:
        if not KEY.fullmatch(self.key):
            raise PromptError(
                f"{self.key!r} is no prompt key: use lower-case words, digits, '_', '-' and '/'."
            )


@dataclass(frozen=True, kw_only=True)
class Number:
    """A whole number, 0 to 10^12 - 1; `counting` stands before a measure word (two is 两, not 二)."""

    value: int
    counting: bool = False

    def __post_init__(self) -> None:
        _within("number", self.value, 0, LARGEST_NUMBER)


@dataclass(frozen=True, kw_only=True)
class Digits:
    """A telephone number or code, read digit by digit in groups; `phone` reads 1 as 幺 and drops +86."""

    text: str
    phone: bool = True


@dataclass(frozen=True, kw_only=True)
class Letters:
    """Letters and digits one by one, such as the tail of a chassis number; 1 is read 幺."""

    text: str


@dataclass(frozen=True, kw_only=True)
class Plate:
    """A number plate, such as 沪A·12345 or the six characters of a new-energy car (粤BD12345)."""

    text: str


@dataclass(frozen=True, kw_only=True)
class Date:
    """A calendar day; year and weekday only where asked for."""

    day: date
    year: bool = False
    weekday: bool = False


@dataclass(frozen=True, kw_only=True)
class Time:
    """A time of day in the dealership's own zone; seconds are not said."""

    at: time


@dataclass(frozen=True, kw_only=True)
class Moment:
    """A day and a time of day in the dealership's own zone."""

    at: datetime
    weekday: bool = False


@dataclass(frozen=True, kw_only=True)
class Weekday:
    """A day of the week, 1 Monday to 7 Sunday."""

    number: int

    def __post_init__(self) -> None:
        _within("weekday", self.number, 1, 7)


@dataclass(frozen=True, kw_only=True)
class Position:
    """How many callers are ahead, as a whole sentence (您前面还有两位客户); 0: you are next."""

    ahead: int

    def __post_init__(self) -> None:
        _within("callers ahead", self.ahead, 0, LARGEST_NUMBER)


@dataclass(frozen=True, kw_only=True)
class Place:
    """A place in a queue, 1 first (第二位, number two)."""

    number: int

    def __post_init__(self) -> None:
        _within("place", self.number, 1, LARGEST_NUMBER)


@dataclass(frozen=True, kw_only=True)
class Minutes:
    """A number of minutes; 0 is said as less than one minute."""

    number: int

    def __post_init__(self) -> None:
        _within("minutes", self.number, 0, LARGEST_NUMBER)


@dataclass(frozen=True, kw_only=True)
class Duration:
    """A length of time in hours, minutes and, below one hour, seconds."""

    length: timedelta

    def __post_init__(self) -> None:
        _within("seconds of a duration", int(self.length.total_seconds()), 0, LARGEST_NUMBER)


@dataclass(frozen=True, kw_only=True)
class Money:
    """An amount in yuan, to the fen; never negative."""

    amount: Decimal

    def __post_init__(self) -> None:
        if not self.amount.is_finite() or self.amount < 0 or self.amount > LARGEST_NUMBER:
            raise PromptError(f"an amount must be 0 to {LARGEST_NUMBER} yuan, not {self.amount}.")


@dataclass(frozen=True, kw_only=True)
class Pause:
    """A short silence (a fifth of a second), or a long one (half a second)."""

    long: bool = False


Item = (
    Sentence
    | Number
    | Digits
    | Letters
    | Plate
    | Date
    | Time
    | Moment
    | Weekday
    | Position
    | Place
    | Minutes
    | Duration
    | Money
    | Pause
)


def _within(what: str, value: int, low: int, high: int) -> None:
    if not low <= value <= high:
        raise PromptError(f"{what} must be {low} to {high}, not {value}.")


# ---- what both languages share -----------------------------------------------------------------------------

PROVINCES: Final[Mapping[str, str]] = {
    "京": "beijing",
    "津": "tianjin",
    "冀": "hebei",
    "晋": "shanxi",
    "蒙": "neimenggu",
    "辽": "liaoning",
    "吉": "jilin",
    "黑": "heilongjiang",
    "沪": "shanghai",
    "苏": "jiangsu",
    "浙": "zhejiang",
    "皖": "anhui",
    "闽": "fujian",
    "赣": "jiangxi",
    "鲁": "shandong",
    "豫": "henan",
    "鄂": "hubei",
    "湘": "hunan",
    "粤": "guangdong",
    "桂": "guangxi",
    "琼": "hainan",
    "渝": "chongqing",
    "川": "sichuan",
    "贵": "guizhou",
    "云": "yunnan",
    "藏": "xizang",
    "陕": "shaanxi",
    "甘": "gansu",
    "青": "qinghai",
    "宁": "ningxia",
    "新": "xinjiang",
}
"""First character of a plate to its region (GA 36)."""

PLATE_MARKS: Final[Mapping[str, str]] = {
    "学": "learner",
    "挂": "trailer",
    "警": "police",
    "港": "hongkong",
    "澳": "macao",
    "领": "consulate",
    "使": "embassy",
    "试": "test",
    "超": "oversize",
    "急": "emergency",
    "应": "response",
}
"""Chinese characters that stand elsewhere on a plate (GA 36)."""

SHORT_PAUSE: Final = "pause/short"
LONG_PAUSE: Final = "pause/long"
_LETTERS: Final = "abcdefghijklmnopqrstuvwxyz"


def _plain(text: str) -> str:
    """Full-width forms narrowed, letters upper case."""
    return unicodedata.normalize("NFKC", text).upper()


def _phone_groups(text: str) -> list[str]:
    """Digits in the groups people say them in: 138 1234 5678, 010 8888 6666, 400 800 1234."""
    plain = _plain(text)
    digits = "".join(c for c in plain if c in "0123456789")
    if plain.strip().startswith("+86") or (digits.startswith("0086") and len(digits) > 12):
        digits = digits.removeprefix("00").removeprefix("86")
        mobile = len(digits) == 11 and digits.startswith("1")
        if len(digits) > 8 and not mobile and not digits.startswith(("400", "800", "0")):
            digits = "0" + digits
    if len(digits) == 11 and digits.startswith("1"):
        cuts = [3, 4, 4]
    elif len(digits) == 10 and digits.startswith(("400", "800")):
        cuts = [3, 3, 4]
    elif digits.startswith(("01", "02")) and len(digits) == 11:
        cuts = [3, 4, 4]
    elif digits.startswith("0") and len(digits) in (11, 12):
        cuts = [4, len(digits) - 8, 4]
    elif len(digits) <= 5:
        cuts = [len(digits)]
    else:
        first = len(digits) % 4 or 4
        cuts = [first, *[4] * ((len(digits) - first) // 4)]
    groups, at = [], 0
    for cut in cuts:
        groups.append(digits[at : at + cut])
        at += cut
    return [group for group in groups if group]


def _grouped(groups: Iterable[Sequence[str]]) -> list[str]:
    """Groups of keys with a short pause between them."""
    found: list[str] = []
    for group in groups:
        if found and group:
            found.append(SHORT_PAUSE)
        found.extend(group)
    return found


def _spelled(text: str, digit: Callable[[str], str]) -> list[str]:
    """Keys of the characters one by one; separators are silent, a strange character gives an unknown key."""
    found = []
    for c in _plain(text):
        if c in "0123456789":
            found.append(digit(c))
        elif "A" <= c <= "Z":
            found.append(f"letter/{c.lower()}")
        elif c in PROVINCES:
            found.append(f"province/{PROVINCES[c]}")
        elif c in PLATE_MARKS:
            found.append(f"plate/{PLATE_MARKS[c]}")
        elif c.isalnum():
            found.append(f"character/{ord(c):x}")
    return found


def _plate(text: str, digit: Callable[[str], str]) -> list[str]:
    """Province and letter, a short pause, then the rest; longer than five characters in two groups."""
    found = _spelled(text, digit)
    head, rest = found[:2], found[2:]
    if not head or not head[0].startswith("province/"):
        return found
    return _grouped([head, rest] if len(rest) <= 5 else [head, rest[:3], rest[3:]])


def _parts(length: timedelta) -> tuple[int, int, int]:
    """Hours, minutes and seconds; seconds are dropped from one hour up."""
    seconds = int(length.total_seconds())
    hours, rest = divmod(seconds, 3600)
    minutes, seconds = divmod(rest, 60)
    return hours, minutes, 0 if hours else seconds


def _fen(amount: Decimal) -> tuple[int, int]:
    """Yuan and fen, halves rounded to even as Decimal does."""
    yuan, fen = divmod(int(amount.quantize(Decimal("0.01")) * 100), 100)
    return yuan, fen


def item(kind: str, value: str | int | Decimal | datetime) -> Item:
    """The item a flow means by a kind of value (ivr.flow VALUE_KINDS). Raises PromptError if they do not fit.

    A datetime is taken as it stands, so it must be in the dealership's zone already.
    """
    match kind, value:
        case "number", int():
            return Number(value=value)
        case "minutes", int():
            return Minutes(number=value)
        case "position", int():
            return Place(number=value)
        case "money", int() | Decimal():
            return Money(amount=Decimal(value))
        case "digits", str():
            return Digits(text=value)
        case "plate", str():
            return Plate(text=value)
        case "date", datetime():
            return Date(day=value.date(), weekday=True)
        case "time", datetime():
            return Time(at=value.time())
    raise PromptError(f"a value of type {type(value).__name__} cannot be read as {kind!r}.")


# ---- Chinese -----------------------------------------------------------------------------------------------


def _zh_number(value: int, *, leading: bool = True, counting: bool = False) -> list[str]:
    """十五 at the head, 一十五 after a hundred; 零 for skipped places; 两 before 百, 千, 万, 亿 and measures."""
    if value < 100:
        if value == 2 and counting:
            return ["count/2"]
        return [f"number/{value}"] if leading or not 10 <= value <= 19 else [f"tens/{value}"]
    for unit, size in (("yi", 10**8), ("wan", 10**4)):
        if value >= size:
            high, rest = divmod(value, size)
            return [
                *_zh_number(high, leading=leading, counting=True),
                f"unit/{unit}",
                *_zh_rest(rest, size),
            ]
    size = 1000 if value >= 1000 else 100
    return [f"number/{value // size * size}", *_zh_rest(value % size, size)]


def _zh_rest(rest: int, size: int) -> list[str]:
    """What follows a place of `size`: nothing, or 零 if the next place is empty."""
    if not rest:
        return []
    body = _zh_number(rest, leading=False)
    return body if rest >= size // 10 else ["number/0", *body]


def _zh_digit(c: str) -> str:
    return "digit/yao" if c == "1" else f"digit/{c}"


def _zh_date(day: date, *, year: bool, weekday: bool) -> list[str]:
    found = [*(f"digit/{c}" for c in str(day.year)), "unit/nian"] if year else []
    found += [f"month/{day.month}", f"day/{day.day}"]
    return [*found, f"weekday/{day.isoweekday()}"] if weekday else found


def _zh_period(hour: int) -> str:
    """凌晨 to 5, 上午 to 11, 中午 at 12, 下午 to 17, then 晚上."""
    if hour < 6:
        return "period/lingchen"
    if hour < 12:
        return "period/shangwu"
    if hour == 12:
        return "period/zhongwu"
    return "period/xiawu" if hour < 18 else "period/wanshang"


def _zh_time(at: time) -> list[str]:
    """上午九点, 下午一点半, 中午十二点零五分, 凌晨零点."""
    hour = at.hour if at.hour <= 12 else at.hour - 12
    found = [_zh_period(at.hour), f"hour/{hour}"]
    if at.minute == 30:
        found.append("minute/half")
    elif at.minute:
        found.append(f"minute/{at.minute}")
    return found


def _zh_minutes(number: int) -> list[str]:
    if not number:
        return ["wait/under_minute"]
    return [*_zh_number(number, counting=True), "unit/minutes"]


def _zh_duration(length: timedelta) -> list[str]:
    hours, minutes, seconds = _parts(length)
    found = []
    if hours:
        found += [*_zh_number(hours, counting=True), "unit/hours"]
        if 0 < minutes < 10:
            found.append("number/0")
    if minutes:
        found += [*_zh_number(minutes, counting=True), "unit/minutes"]
    if seconds or not found:
        found += [*_zh_number(seconds, counting=True), "unit/seconds"]
    return found


def _zh_money(amount: Decimal) -> list[str]:
    """两元, 三元零五分, 五角; 两 only at the head, as it is said."""
    yuan, fen = _fen(amount)
    jiao, fen = divmod(fen, 10)
    found = [*_zh_number(yuan, counting=True), "unit/yuan"] if yuan or not (jiao or fen) else []
    if jiao:
        found += [*_zh_number(jiao, counting=not found), "unit/jiao"]
    if fen:
        if yuan and not jiao:
            found.append("number/0")
        found += [*_zh_number(fen, counting=not found), "unit/fen"]
    return found


def _zh(item: Item) -> list[str]:
    match item:
        case Sentence():
            return [item.key]
        case Pause():
            return [LONG_PAUSE if item.long else SHORT_PAUSE]
        case Number():
            return _zh_number(item.value, counting=item.counting)
        case Digits():
            digit = _zh_digit if item.phone else "digit/{}".format
            groups = _phone_groups(item.text) if item.phone else _code_groups(item.text)
            return _grouped([digit(c) for c in group] for group in groups)
        case Letters():
            return _spelled(item.text, _zh_digit)
        case Plate():
            return _plate(item.text, _zh_digit)
        case Date():
            return _zh_date(item.day, year=item.year, weekday=item.weekday)
        case Time():
            return _zh_time(item.at)
        case Moment():
            return [*_zh_date(item.at.date(), year=False, weekday=item.weekday), *_zh_time(item.at.time())]
        case Weekday():
            return [f"weekday/{item.number}"]
        case Position():
            if not item.ahead:
                return ["position/next"]
            return ["position/ahead", *_zh_number(item.ahead, counting=True), "position/callers"]
        case Place():
            return ["position/di", *_zh_number(item.number), "position/wei"]
        case Minutes():
            return _zh_minutes(item.number)
        case Duration():
            return _zh_duration(item.length)
        case Money():
            return _zh_money(item.amount)


def _code_groups(text: str) -> list[str]:
    """A code's digits in threes or fours, nothing dropped."""
    digits = "".join(c for c in _plain(text) if c in "0123456789")
    size = 3 if len(digits) % 3 == 0 else 4
    return [digits[at : at + size] for at in range(0, len(digits), size)]


# ---- English -----------------------------------------------------------------------------------------------


def _en_group(value: int, *, joined: bool) -> list[str]:
    """1 to 999; `joined` puts "and" before a bare rest after larger groups: one thousand and five."""
    hundreds, rest = divmod(value, 100)
    found = [f"number/{hundreds * 100}"] if hundreds else []
    if rest:
        if hundreds or joined:
            found.append("word/and")
        found.append(f"number/{rest}")
    return found


def _en_number(value: int) -> list[str]:
    if not value:
        return ["number/0"]
    found: list[str] = []
    for unit, size in (("billion", 10**9), ("million", 10**6), ("thousand", 10**3), ("", 1)):
        group, value = divmod(value, size)
        if group:
            found += _en_group(group, joined=bool(found) and size == 1)
            if unit:
                found.append(f"unit/{unit}")
    return found


def _en_digit(c: str) -> str:
    return f"digit/{c}"


def _en_year(year: int) -> list[str]:
    """Twenty twenty-six; two thousand and five; nineteen oh five; nineteen hundred."""
    century, rest = divmod(year, 100)
    if year < 1100 or 2000 <= year <= 2009 or (century % 10 == 0 and rest < 10):
        return _en_number(year)
    if not rest:
        return [f"number/{century}", "unit/hundred"]
    return [f"number/{century}", f"oh/{rest}" if rest < 10 else f"number/{rest}"]


def _en_date(day: date, *, year: bool, weekday: bool) -> list[str]:
    found = [f"weekday/{day.isoweekday()}"] if weekday else []
    found += [f"month/{day.month}", f"day/{day.day}"]
    return [*found, *_en_year(day.year)] if year else found


def _en_time(at: time) -> list[str]:
    """Noon, midnight, nine o'clock in the morning, twelve oh five p.m., one thirty p.m."""
    if not at.minute and at.hour in (0, 12):
        return ["time/noon" if at.hour else "time/midnight"]
    hour = at.hour % 12 or 12
    if not at.minute:
        part = "morning" if at.hour < 12 else "afternoon" if at.hour < 18 else "evening"
        return [f"hour/{hour}", f"time/{part}"]
    minute = f"oh/{at.minute}" if at.minute < 10 else f"number/{at.minute}"
    return [f"number/{hour}", minute, "time/am" if at.hour < 12 else "time/pm"]


def _en_counted(value: int, one: str, many: str) -> list[str]:
    return [*_en_number(value), one if value == 1 else many]


def _en_duration(length: timedelta) -> list[str]:
    hours, minutes, seconds = _parts(length)
    counted = [
        _en_counted(value, f"unit/{one}", f"unit/{one}s")
        for value, one in ((hours, "hour"), (minutes, "minute"), (seconds, "second"))
        if value
    ]
    if not counted:
        return _en_counted(0, "unit/second", "unit/seconds")
    head = [key for part in counted[:-1] for key in part]
    return [*head, "word/and", *counted[-1]] if head else counted[-1]


def _en_money(amount: Decimal) -> list[str]:
    yuan, fen = _fen(amount)
    found = [*_en_number(yuan), "unit/yuan"] if yuan or not fen else []
    if fen:
        found += [*(["word/and"] if found else []), *_en_number(fen), "unit/fen"]
    return found


def _en(item: Item) -> list[str]:
    match item:
        case Sentence():
            return [item.key]
        case Pause():
            return [LONG_PAUSE if item.long else SHORT_PAUSE]
        case Number():
            return _en_number(item.value)
        case Digits():
            groups = _phone_groups(item.text) if item.phone else _code_groups(item.text)
            return _grouped([_en_digit(c) for c in group] for group in groups)
        case Letters():
            return _spelled(item.text, _en_digit)
        case Plate():
            return _plate(item.text, _en_digit)
        case Date():
            return _en_date(item.day, year=item.year, weekday=item.weekday)
        case Time():
            return _en_time(item.at)
        case Moment():
            day = _en_date(item.at.date(), year=False, weekday=item.weekday)
            return [*day, "word/at", *_en_time(item.at.time())]
        case Weekday():
            return [f"weekday/{item.number}"]
        case Position():
            if not item.ahead:
                return ["position/next"]
            verb = "position/there_is" if item.ahead == 1 else "position/there_are"
            return [verb, *_en_counted(item.ahead, "position/caller", "position/callers")]
        case Place():
            return ["position/number", *_en_number(item.number)]
        case Minutes():
            if not item.number:
                return ["wait/under_minute"]
            return _en_counted(item.number, "unit/minute", "unit/minutes")
        case Duration():
            return _en_duration(item.length)
        case Money():
            return _en_money(item.amount)


# ---- keys --------------------------------------------------------------------------------------------------

_GRAMMARS: Final[Mapping[str, Callable[[Item], list[str]]]] = {"zh-CN": _zh, "en": _en}


def keys(language: str, items: Iterable[Item]) -> list[str]:
    """Keys that say `items` in `language`, in order. Raises PromptError for a language we do not speak."""
    grammar = _GRAMMARS.get(language)
    if grammar is None:
        raise PromptError(f"no prompts in {language!r}; there are {', '.join(LANGUAGES)}.")
    return [key for item in items for key in grammar(item)]


def vocabulary(language: str) -> frozenset[str]:
    """Every piece key that some item can name in `language`; the text table of pieces holds exactly these."""
    shared = {SHORT_PAUSE, LONG_PAUSE}
    shared |= {f"digit/{n}" for n in range(10)}
    shared |= {f"letter/{c}" for c in _LETTERS}
    shared |= {f"province/{name}" for name in PROVINCES.values()}
    shared |= {f"plate/{name}" for name in PLATE_MARKS.values()}
    shared |= {f"number/{n}" for n in (*range(100), *range(100, 1000, 100))}
    shared |= {f"month/{n}" for n in range(1, 13)} | {f"day/{n}" for n in range(1, 32)}
    shared |= {f"weekday/{n}" for n in range(1, 8)}
    shared |= {"position/next", "position/callers", "wait/under_minute"}
    if language == "zh-CN":
        units = ("wan", "yi", "nian", "minutes", "hours", "seconds", "yuan", "jiao", "fen")
        return frozenset(
            shared
            | {f"number/{n}" for n in range(1000, 10_000, 1000)}
            | {f"tens/{n}" for n in range(10, 20)}
            | {f"unit/{name}" for name in units}
            | {f"period/{name}" for name in ("lingchen", "shangwu", "zhongwu", "xiawu", "wanshang")}
            | {f"hour/{n}" for n in range(13)}
            | {f"minute/{n}" for n in range(1, 60) if n != 30}
            | {"minute/half", "count/2", "digit/yao"}
            | {"position/ahead", "position/di", "position/wei"}
        )
    if language == "en":
        scales = ("hundred", "thousand", "million", "billion", "yuan", "fen")
        counted = ("hour", "hours", "minute", "minutes", "second", "seconds")
        return frozenset(
            shared
            | {f"unit/{name}" for name in (*scales, *counted)}
            | {f"hour/{n}" for n in range(1, 12)}
            | {f"oh/{n}" for n in range(1, 10)}
            | {f"time/{name}" for name in ("noon", "midnight", "morning", "afternoon", "evening", "am", "pm")}
            | {"word/and", "word/at"}
            | {f"position/{name}" for name in ("there_is", "there_are", "caller", "number")}
        )
    raise PromptError(f"no prompts in {language!r}; there are {', '.join(LANGUAGES)}.")


# ---- files -------------------------------------------------------------------------------------------------


class Sound(NamedTuple):
    """One sound file: its path without ending, and how long it plays."""

    file: str
    seconds: float


@dataclass(frozen=True, kw_only=True)
class Composition:
    """What is played in order, and the keys no file was found for (left out, to be reported)."""

    sounds: tuple[Sound, ...]
    missing: tuple[str, ...]

    @property
    def files(self) -> tuple[str, ...]:
        """Sound paths without ending."""
        return tuple(sound.file for sound in self.sounds)


@dataclass(frozen=True, kw_only=True)
class PromptBook:
    """Which sounds exist: language and key to seconds, shipped ones and the house's own, read once."""

    shipped: Path
    shipped_sounds: Mapping[tuple[str, str], float]
    house: Path | None = None
    house_sounds: dict[tuple[str, str], float] = field(default_factory=dict)

    def in_house(self) -> dict[tuple[str, str], float]:
        """What lies in the house's folder now; reads the disk."""
        return _sounds(self.house) if self.house is not None else {}

    def learn(self, found: Mapping[tuple[str, str], float]) -> None:
        """Sounds were put into the house's folder while the service runs: they are played from now on."""
        self.house_sounds.update(found)

    def compose(self, language: str, items: Iterable[Item]) -> Composition:
        """Files for `items`: the house's recording where there is one, else the shipped one."""
        found: list[Sound] = []
        missing: list[str] = []
        for key in keys(language, items):
            name = (language, key)
            if self.house is not None and name in self.house_sounds:
                found.append(Sound(str(self.house / language / key), self.house_sounds[name]))
            elif name in self.shipped_sounds:
                found.append(Sound(str(self.shipped / language / key), self.shipped_sounds[name]))
            else:
                missing.append(key)
        return Composition(sounds=tuple(found), missing=tuple(missing))

    def files(self, language: str, items: Iterable[Item]) -> list[str]:
        """Asterisk sound paths without ending; what is missing is left out (ask `missing`)."""
        return list(self.compose(language, items).files)

    def missing(self, language: str, items: Iterable[Item]) -> list[str]:
        """Keys of `items` that have no sound in `language`."""
        return list(self.compose(language, items).missing)

    def has(self, language: str, key: str) -> bool:
        """Whether a sound for `key` exists in `language`."""
        return (language, key) in self.house_sounds or (language, key) in self.shipped_sounds


def load_book(shipped: Path, house: Path | None = None) -> PromptBook:
    """Look once at both folders, `<folder>/<language>/<key>.<ending>`; a folder that is not there is empty."""
    return PromptBook(
        shipped=shipped.absolute(),
        shipped_sounds=_sounds(shipped),
        house=house.absolute() if house is not None else None,
        house_sounds=_sounds(house) if house is not None else {},
    )


def _sounds(folder: Path) -> dict[tuple[str, str], float]:
    """Playable, non-empty files below `folder` with their seconds."""
    found: dict[tuple[str, str], float] = {}
    for language in LANGUAGES:
        root = folder / language
        for path in root.rglob("*"):
            rate = SOUND_RATES.get(path.suffix)
            if rate is None or not path.is_file():
                continue
            key = path.relative_to(root).with_suffix("").as_posix()
            size = path.stat().st_size
            if size and KEY.fullmatch(key):
                found[language, key] = size / rate
    return found
