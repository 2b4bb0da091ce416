"""What a name or a plate is found by: every part of a name, its pinyin in full and its initials, a plate's beginnings.

A search looks for terms that begin with what was typed, so a part in the middle needs a term that begins there.
Chinese characters are one syllable each; Latin words count as one. Characters that are read in several ways in
names (surnames above all) are found by each.
"""

from __future__ import annotations

import os
import unicodedata
from functools import lru_cache
from itertools import islice, product
from typing import Final

from crm.records.customers import name_key

# Names are read character by character, so the library's phrases (45 MB, 0.2 s of every start) stay unread.
os.environ.setdefault("PYPINYIN_NO_PHRASES", "1")
from pypinyin import Style, lazy_pinyin

#: Longest term kept: nobody types more before the list is short.
LONGEST_TERM: Final = 24
#: Parts of one name that are indexed; companies have long names.
MOST_PARTS: Final = 16
#: Ways one name is read.
_MOST_READINGS: Final = 4

#: Readings in names beside the common one (surnames: 百家姓; given names: current use).
_ALSO: Final[dict[str, tuple[str, ...]]] = {
    "单": ("shan",), "仇": ("qiu",), "解": ("xie",), "查": ("zha",), "曾": ("zeng",), "任": ("ren",),
    "区": ("ou",), "朴": ("piao",), "盖": ("ge",), "覃": ("qin", "tan"), "缪": ("miao",), "冼": ("xian",),
    "尉": ("yu",), "乐": ("le", "yue"), "召": ("shao",), "宓": ("mi", "fu"), "员": ("yun",), "种": ("chong",),
    "繁": ("po",), "翟": ("zhai", "di"), "折": ("she",), "黑": ("he",), "洗": ("xian",), "秘": ("bi",),
    "长": ("chang", "zhang"), "行": ("xing", "hang"), "重": ("chong", "zhong"), "朝": ("chao", "zhao"),
    "盛": ("sheng", "cheng"), "茜": ("qian", "xi"), "贾": ("jia",), "柏": ("bai", "bo"), "石": ("shi",),
    "万": ("wan",), "晟": ("sheng", "cheng"), "降": ("jiang",), "燕": ("yan",), "都": ("du",), "粘": ("nian",),
    "车": ("che",), "佟": ("tong",), "吕": ("lv", "lu"), "绿": ("lv", "lu"), "女": ("nv", "nu"), "率": ("lv", "shuai"),
    "谌": ("chen", "shen"), "臧": ("zang",), "那": ("na",), "大": ("da",), "沈": ("shen",), "和": ("he",),
    "传": ("chuan",), "藏": ("zang", "cang"), "调": ("diao", "tiao"), "参": ("can", "shen"), "均": ("jun",),
}  # fmt: skip


@lru_cache(maxsize=16_384)
def readings(character: str) -> tuple[str, ...]:
    """How a Chinese character is read in names, most usual first, without tones; ü is written v."""
    common = _latin(lazy_pinyin(character, style=Style.NORMAL, errors="ignore"))
    return tuple(dict.fromkeys((*common, *_ALSO.get(character, ()))))


def _latin(syllables: list[str]) -> list[str]:
    plain = (syllable.replace("ü", "v") for syllable in syllables)
    return [syllable for syllable in plain if syllable.isascii() and syllable.isalpha()]


def _is_chinese(letter: str) -> bool:
    return "\u3400" <= letter <= "\u9fff" or "\U00020000" <= letter <= "\U0003ffff"


def _parts(name: str) -> list[str]:
    """Syllables and words in order: each Chinese character, each run of other letters and digits."""
    found: list[str] = []
    run = ""
    for letter in unicodedata.normalize("NFKC", name).casefold():
        if _is_chinese(letter) or letter.isspace():
            if run:
                found.append(run)
            run = ""
            if not letter.isspace():
                found.append(letter)
        else:
            run += letter
    if run:
        found.append(run)
    return found


def name_terms(name: str) -> frozenset[str]:
    """Everything a name is found by the beginning of."""
    parts = _parts(name)
    found: set[str] = set()
    for place in range(min(len(parts), MOST_PARTS)):
        found.add("".join(parts[place:])[:LONGEST_TERM])
    if not any(_is_chinese(part[0]) for part in parts):
        return frozenset(found)
    ways = [readings(part) or (part,) if _is_chinese(part[0]) else (part,) for part in parts]
    for way in islice(product(*ways), _MOST_READINGS):
        last = max(len(way) - 1, 1)  # the last syllable alone would find half of the country
        for place in range(min(last, MOST_PARTS)):
            found.add("".join(way[place:])[:LONGEST_TERM])
            found.add("".join(syllable[0] for syllable in way[place:])[:LONGEST_TERM])
    return frozenset(found - {""})


def plate_terms(plate: str) -> frozenset[str]:
    """A plate's beginnings: as it stands, and without its province."""
    found = {plate.upper()}
    if plate and not plate[0].isascii():
        found.add(plate[1:].upper())
    return frozenset(term for term in found if term)


def typed_term(text: str) -> str:
    """What a person typed, as terms are written: one width and case, no spaces, ü as v, no apostrophes."""
    return name_key(text).replace("ü", "v").replace("'", "").replace("’", "")[:LONGEST_TERM]


def read_as(name: str, typed: str) -> str:
    """How a name fits what was typed (`typed_term`): "name", "pinyin", "initials", or "" where it does not."""
    if not any(term.startswith(typed) for term in name_terms(name)):
        return ""
    if typed in name_key(name) or any(
        "".join(_parts(name)[at:]).startswith(typed) for at in range(MOST_PARTS)
    ):
        return "name"
    ways = [readings(part) or (part,) if _is_chinese(part[0]) else (part,) for part in _parts(name)]
    starts = range(max(len(ways) - 1, 1))
    for way in islice(product(*ways), _MOST_READINGS):
        if any("".join(way[at:]).startswith(typed) for at in starts):
            return "pinyin"
    return "initials"
