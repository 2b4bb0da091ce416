"""Phone numbers: what a trunk, a person or a file writes becomes E.164, or nothing at all.

A wrong number is worse than none: it shows another customer's record. So whatever is ambiguous, too short,
too long or carries letters is refused, and the raw text stays with the call.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import Final, NewType

import phonenumbers

#: "+" and 3 to 15 digits. China's service numbers keep their own digits: 95588 is +8695588.
E164 = NewType("E164", str)

#: Longest raw text looked at (a SIP user part longer than this is no number).
LONGEST_RAW: Final = 64

#: E.164 (ITU-T) allows 15 digits after the plus.
_LONGEST: Final = 15

#: Hidden callers as switches and carriers write them (RFC 3323 "anonymous", CNAM words, Asterisk's own).
_HIDDEN: Final = frozenset(
    {"", "anonymous", "unavailable", "unknown", "private", "restricted", "withheld", "asterisk", "s", "none"}
)

_EXTENSION = re.compile(r"(?:转|轉|分机|分機|extension|ext\.?|x)\s*[:号號]?\s*([0-9]{1,8})$")
_PLAIN = re.compile(r"\+?[0-9 ()\-.]+")

#: Numbers without area code that are the same from everywhere in China: emergency (110, 119, 120, 122),
#: 12xxx government lines, 100xx carriers, 95xxx to 95xxxxxx banks, insurers and call centres
#: (MIIT numbering plan for telecommunications networks, 2017 edition).
_CHINA_SERVICE = re.compile(r"110|119|120|122|12[1-9][0-9]{2}|100[0-9]{2}|95[0-9]{3,6}")

#: Mobile numbers are 11 digits that start with 13 to 19; ranges open faster than tables are printed.
_CHINA_MOBILE = re.compile(r"1[3-9][0-9]{9}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Parsed:
    """A number and the extension that was written behind it."""

    number: E164
    extension: str = ""


def parse(raw: str, country: str = "CN", area_code: str = "") -> E164 | None:
    """E.164 of what was written, or None where it is no number that can be trusted.

    `country` (ISO 3166) says how national numbers are read, `area_code` (with or without its leading 0)
    completes local ones. Full-width digits, 00, + and 0086, a leading 0 before a mobile number and an
    extension are understood. Never raises.
    """
    if country == "CN" and isinstance(raw, str) and _CHINA_MOBILE.fullmatch(raw):
        return E164("+86" + raw)  # as most callers' numbers come; the long way says the same
    parsed = parse_with_extension(raw, country, area_code)
    return None if parsed is None else parsed.number


def parse_with_extension(raw: str, country: str = "CN", area_code: str = "") -> Parsed | None:
    """As `parse`, and the extension (转12, ext 12, -801) beside it."""
    if not isinstance(raw, str) or len(raw) > LONGEST_RAW:
        return None
    text = _plain(raw)
    extension = ""
    if match := _EXTENSION.search(text):
        extension = match[1]
        text = text[: match.start()].strip()
    if not _PLAIN.fullmatch(text):
        return None
    number = _read(text, country, area_code)
    behind = re.fullmatch(r"(.*[0-9])\s*-\s*([0-9]{1,6})", text)
    if number is None and not extension and behind and (text.count("-") > 1 or len(_digits(behind[1])) > 10):
        # 021-6234-5678-801: what is no number as a whole may be one with an extension behind it.
        number, extension = _read(behind[1], country, area_code), behind[2]
    return None if number is None else Parsed(number=number, extension=extension)


def is_hidden(raw: str) -> bool:
    """Whether the caller hid the number (as against sending something unreadable)."""
    return _plain(raw[:LONGEST_RAW]) in _HIDDEN


def is_e164(text: str) -> bool:
    """Whether the text has the shape this module returns."""
    return re.fullmatch(r"\+[1-9][0-9]{2,14}", text) is not None


def national(number: str, country: str = "CN") -> str:
    """The number as it is dialed inside `country`: 13812345678, 02162345678, 95588; abroad 001…"""
    digits = number.removeprefix("+")
    code = str(phonenumbers.country_code_for_region(country))
    if not digits.startswith(code):
        return "00" + digits
    rest = digits.removeprefix(code)
    if country == "CN" and (_CHINA_SERVICE.fullmatch(rest) or _CHINA_MOBILE.fullmatch(rest)):
        return rest
    return _digits(_format(number, phonenumbers.PhoneNumberFormat.NATIONAL)) or rest


def spoken_groups(number: str, country: str = "CN") -> tuple[str, ...]:
    """The digits in the groups people say and write them in: 138 1234 5678."""
    plain = national(number, country)
    if country == "CN" and _CHINA_MOBILE.fullmatch(plain):
        return plain[:3], plain[3:7], plain[7:]
    if plain.startswith("00") or number in ("+" + plain,):
        return (plain,)
    groups = re.findall(r"[0-9]+", _format(number, phonenumbers.PhoneNumberFormat.NATIONAL))
    return tuple(groups) if "".join(groups) == plain else (plain,)


def readable(number: str, country: str = "CN") -> str:
    """The number as a person reads it on a page, unmasked: 138 1234 5678, or +1 202-555-0123 from abroad."""
    code = str(phonenumbers.country_code_for_region(country))
    if number.removeprefix("+").startswith(code):
        return " ".join(spoken_groups(number, country))
    return _format(number, phonenumbers.PhoneNumberFormat.INTERNATIONAL)


def is_mobile(number: str) -> bool:
    """Whether a text message can reach the number."""
    if number.startswith("+86"):
        return _CHINA_MOBILE.fullmatch(number[3:]) is not None
    try:
        kind = phonenumbers.number_type(phonenumbers.parse(number))
    except phonenumbers.NumberParseException:
        return False
    return kind in (
        phonenumbers.PhoneNumberType.MOBILE,
        phonenumbers.PhoneNumberType.FIXED_LINE_OR_MOBILE,
    )


def reversed_digits(number: str) -> str:
    """The digits back to front: a search for the last digits becomes a search for the first."""
    return _digits(number)[::-1]


def tail_range(tail: str) -> tuple[str, str] | None:
    """Bounds (both included) between which `reversed_digits` of all numbers ending in `tail` lie.

    None where the tail is not 3 to 15 digits. Digits sort the same in every collation.
    """
    digits = _digits(_plain(tail[:LONGEST_RAW]))
    if not 3 <= len(digits) <= _LONGEST:
        return None
    first = digits[::-1]
    return first, first + "9" * _LONGEST


def _plain(raw: str) -> str:
    """Half-width, lower case, one kind of space; other numerals (①, ², Roman) are not turned into digits."""
    letters = []
    for letter in raw:
        category = unicodedata.category(letter)
        if category == "Nd":
            letters.append(str(unicodedata.digit(letter)))
        elif category in ("No", "Nl"):
            letters.append("?")
        elif category == "Zs":
            letters.append(" ")
        elif category == "Pd":
            letters.append("-")
        elif category != "Cf":
            letters.append(unicodedata.normalize("NFKC", letter).lower())
    return "".join(letters).strip()


def _digits(text: str) -> str:
    return "".join(letter for letter in text if "0" <= letter <= "9")


def _read(text: str, country: str, area_code: str) -> E164 | None:
    """E.164 of half-width text without extension."""
    digits = _digits(text)
    if not 3 <= len(digits) <= _LONGEST + 5:  # room for 0086 and a carrier's prefix
        return None
    abroad = text.startswith("+")
    if country == "CN":
        known = _read_china(digits, abroad)
        if known is not None:
            return known
        if len(digits) == 10 and digits[0] == "1" and not abroad:
            return None  # Beijing without its 0, or a mobile number that lost a digit: nobody knows
    number = _valid("+" + digits if abroad else digits, country)
    area = _digits(area_code)
    if number is None and area and not abroad and 5 <= len(digits) <= 8 and digits[0] not in "01":
        number = _valid(
            ("0" if country == "CN" and not area.startswith("0") else "") + area + digits, country
        )
    return number


def _read_china(digits: str, abroad: bool) -> E164 | None:
    """What China's plan says for sure: mobiles and service numbers, with or without 86."""
    if abroad:
        rest = digits.removeprefix("86") if digits.startswith("86") else ""
    elif digits.startswith("0086"):
        rest = digits[4:]
    elif digits.startswith("86") and _CHINA_MOBILE.fullmatch(digits[2:]):
        rest = digits[2:]
    else:
        rest = digits
    if _CHINA_MOBILE.fullmatch(rest.removeprefix("0")):
        return E164("+86" + rest.removeprefix("0"))
    if _CHINA_SERVICE.fullmatch(rest):
        return E164("+86" + rest)
    return None


def _valid(text: str, country: str) -> E164 | None:
    try:
        number = phonenumbers.parse(text, country)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_valid_number(number):
        return None
    written = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    return E164(written) if is_e164(written) else None


def _format(number: str, style: int) -> str:
    try:
        return phonenumbers.format_number(phonenumbers.parse(number), style)
    except phonenumbers.NumberParseException:
        return number


def zones_of(number: str) -> tuple[str, ...]:
    """IANA names of the time zones a number (E.164) may lie in, as its digits say; none where they say nothing."""
    from phonenumbers import timezone  # a table of some megabytes, for those who ask

    try:
        found = timezone.time_zones_for_number(phonenumbers.parse(number))
    except phonenumbers.NumberParseException:
        return ()
    return tuple(name for name in found if name != timezone.UNKNOWN_TIMEZONE)
