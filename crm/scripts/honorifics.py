"""How a customer is addressed: 王先生, 欧阳女士, Mr Miller; and both forms where it is not known which.

Where the honorific is not known the agent reads 王先生/女士 and says the one the voice asks for: guessing
from a name offends one caller in a few.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from access.masking import TWO_SYLLABLES
from crm.records.customers import CustomerKind, Honorific

#: Words per language; the house may say 小姐 for 女士 in its scripts' settings.
HONORIFICS: Final[Mapping[str, Mapping[Honorific, str]]] = {
    "zh-CN": {Honorific.MR: "先生", Honorific.MS: "女士", Honorific.NONE: "先生/女士"},
    "en": {Honorific.MR: "Mr", Honorific.MS: "Ms", Honorific.NONE: "Mr/Ms"},
}


def surname(name: str) -> str:
    """The family name: the first one or two characters of a Chinese name, else the last word."""
    name = name.strip()
    if is_chinese(name):
        return name[:2] if len(name) > 2 and name[:2] in TWO_SYLLABLES else name[:1]
    return name.split()[-1] if name else ""


def is_chinese(name: str) -> bool:
    """Whether the name is written in Chinese characters."""
    return bool(name) and "\u4e00" <= name[0] <= "\u9fff"


def address(name: str, honorific: Honorific, kind: CustomerKind, language: str) -> str | None:
    """How to address the customer in this language; None where no name is known.

    A company is addressed by its name. A Chinese name in an English script keeps its family name: Mr 王.
    """
    name = name.strip()
    if not name:
        return None
    if kind is CustomerKind.COMPANY:
        return name
    word = HONORIFICS[language if language in HONORIFICS else "zh-CN"][honorific]
    if language == "zh-CN":
        return f"{surname(name)}{word}" if is_chinese(name) else f"{surname(name)} {word}"
    if honorific is Honorific.NONE and not is_chinese(name):
        return name
    return f"{word} {surname(name)}"
