"""Hiding of telephone numbers from those who need not see them; applied in the data layer, never in pages."""

from __future__ import annotations

import re
from typing import Final

_DOTS: Final = "****"
#: Seven or more digits with nothing but dots, dashes, brackets and blanks between: a telephone number.
_NUMBER = re.compile(r"\+?\d(?:[ .()-]{0,3}\d){6,}")
#: What has as many digits and is no telephone number: days and moments as ISO 8601 writes them, times of day, amounts
#: (two places, or a currency beside them), words of letters and digits that are a vehicle's number or one of our ids,
#: and numbers of cases (TS2026-000001). Whatever holds eleven digits in a row is left to the rule above: a telephone
#: number glued to letters is one.
_TIME: Final = r"(?:[01]\d|2[0-3]):[0-5]\d(?::[0-5]\d(?:\.\d{1,9})?)?"
_READABLE: Final = re.compile(
    rf"""
    (?<![\d+])(?<!\d[-.(])(?:19|20)\d\d([-.])(?:0[1-9]|1[0-2])\1(?:0[1-9]|[12]\d|3[01])
        (?:[T\ ]{_TIME}(?:Z|[+-]\d\d:[0-5]\d)?)?(?!\d|[-.()]\d)
    | (?<![\d+.:-]){_TIME}(?!\d|[-.()]\d{{3}})
    | (?P<amount>(?<![\d+.-])\d{{1,8}}\.\d{{1,2}}(?!\d|[-.()]\d)
        | (?<![\d+.(-])\d{{1,9}}(?=\ ?(?:元|万|公里|千米|CNY\b|RMB\b|EUR\b|km\b)))
    | (?:[¥¥$€]|\b(?:CNY|RMB|EUR|USD))\ ?\d{{1,9}}(?!\d|[-.()\ ]{{1,3}}\d)
    | (?<![A-Za-z0-9])(?![A-Za-z0-9]*\d{{11}})(?=[A-Za-z0-9]*[A-Za-z])
        (?:[A-HJ-NPR-Za-hj-npr-z0-9]{{17}}|[0-7][0-9A-HJKMNP-TV-Z]{{25}})(?![A-Za-z0-9])
    | (?<![A-Za-z0-9+])[A-Z]{{2,4}}20\d\d-\d{{6}}(?![A-Za-z0-9]|[-.(]\d)
    """,
    re.VERBOSE | re.ASCII,
)
#: Digits before an amount that may be the beginning of one number with it.
_BEGUN: Final = re.compile(r"\d[ .()-]{1,3}$", re.ASCII)
_CHINA: Final = "+86"
#: Surnames of two characters.
TWO_SYLLABLES: Final = frozenset(
    (
        "欧阳",
        "司马",
        "上官",
        "诸葛",
        "东方",
        "皇甫",
        "尉迟",
        "公孙",
        "慕容",
        "令狐",
        "宇文",
        "长孙",
        "司徒",
        "司空",
        "夏侯",
        "端木",
        "南宫",
        "独孤",
        "轩辕",
        "百里",
        "呼延",
    )
)


def mask_number(number: str) -> str:
    """The number with its middle hidden: +8613812345678 is 138****5678,
    +862162345678 is 021****5678, others keep their ends.

    Works on E.164 and on what a trunk delivered; fewer than seven digits are hidden but for the last one.
    """
    plus = number.startswith("+") and not number.startswith(_CHINA)
    digits = "".join(re.findall(r"\d", number.removeprefix(_CHINA)))
    if number.startswith(_CHINA) and len(digits) >= 9 and digits[0] not in "1489":
        digits = "0" + digits  # a fixed line is written with its area code: 021…
    if len(digits) < 7:
        return _DOTS + digits[-1:]
    head = 3 if len(digits) > 9 else 2
    tail = 4 if len(digits) > 9 else 2
    return ("+" if plus else "") + digits[:head] + _DOTS + digits[-tail:]


def mask_name(name: str) -> str:
    """The name with all but its beginning hidden: 张伟 is 张*, 欧阳志远 is 欧阳**, James Miller is J*** M***."""
    if name and "\u4e00" <= name[0] <= "\u9fff":
        kept = 2 if len(name) > 4 or (len(name) > 2 and name[:2] in TWO_SYLLABLES) else 1
        return name[:kept] + "*" * min(max(len(name) - kept, 1), 4)
    return " ".join(word[0] + "***" for word in name.split())


def mask_text(text: str) -> str:
    """The text with every telephone number in it masked.

    Days, times, amounts, vehicles' numbers and our ids stay readable; eight digits without a sign of what they
    are count as a telephone number.
    """
    parts, end = [], 0
    for kept in _READABLE.finditer(text):
        before = text[end : kept.start()]
        if kept["amount"] and _BEGUN.search(before[-4:]):
            continue
        parts += [_mask_numbers(before), kept.group()]
        end = kept.end()
    return "".join((*parts, _mask_numbers(text[end:])))


def _mask_numbers(text: str) -> str:
    return _NUMBER.sub(lambda found: mask_number(found.group()), text)


def mask_values(value: object) -> object:
    """Plain JSON with every number in its strings masked."""
    if isinstance(value, str):
        return mask_text(value)
    if isinstance(value, dict):
        return {key: mask_values(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [mask_values(item) for item in value]
    return value
