"""Vehicles, and how plates and VINs are read: as written, as typed on a telephone, in full or by their tail."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Final, NewType

VehicleId = NewType("VehicleId", str)


class PlateKind(StrEnum):
    """What sort of plate it is (GA 36-2018 for China's)."""

    ORDINARY = "ordinary"
    NEW_ENERGY = "new_energy"
    SPECIAL = "special"  # learner, police, trailer, Hong Kong, Macao, embassy, armed police
    OTHER = "other"  # another country's


class Role(StrEnum):
    """What a person is to a vehicle."""

    OWNER = "owner"
    DRIVER = "driver"
    PAYER = "payer"
    CONTACT = "contact"


class VehicleState(StrEnum):
    """Whether the house still looks after the vehicle."""

    OWNED = "owned"
    SOLD = "sold"  # to somebody the house does not know
    SCRAPPED = "scrapped"
    MOVED = "moved"  # to where another dealer looks after it


@dataclass(frozen=True, kw_only=True, slots=True)
class Plate:
    """A plate in its one spelling: no spaces, upper case, half width."""

    text: str
    kind: PlateKind


@dataclass(frozen=True, kw_only=True, slots=True)
class Vehicle:
    """One vehicle. Plates change and are given to others; the VIN does not."""

    id: VehicleId
    plate: str | None = None
    vin: str | None = None
    brand: str = ""
    model: str = ""
    delivered_on: date | None = None
    #: Kilometres at the last reading.
    mileage: int | None = None
    last_service_on: date | None = None
    created_at: datetime
    updated_at: datetime
    #: Raised by every change.
    version: int = 1
    state: VehicleState = VehicleState.OWNED
    #: From when on it is sold, scrapped or moved.
    state_since: date | None = None
    #: What it is used for: commuting, business, family … (M-040).
    purpose: str = ""
    #: Day of the last reading of `mileage`.
    mileage_on: date | None = None
    next_due_on: date | None = None
    next_due_mileage: int | None = None
    #: Why it is due then, in the words of who said so.
    next_due_why: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Person:
    """Somebody who has to do with a vehicle."""

    vehicle_id: VehicleId
    customer_id: str
    role: Role


_PROVINCES: Final = "京津沪渝冀豫云辽黑湘皖鲁新苏浙赣鄂桂甘晋蒙陕吉闽贵粤青藏川宁琼"
#: Letters I and O are not used behind the city letter, so they are misread digits.
_BODY: Final = "A-HJ-NP-Z0-9"
_ORDINARY = re.compile(rf"[{_PROVINCES}][A-Z][{_BODY}]{{5}}")
#: Six characters: small ones carry the letter first, large ones last; A to K are in use or set aside.
_NEW_ENERGY = re.compile(rf"[{_PROVINCES}][A-Z](?:[A-HJK][A-HJ-NP-Z0-9][0-9]{{4}}|[0-9]{{5}}[A-HJK])")
_SPECIAL = re.compile(
    rf"[{_PROVINCES}][A-Z][{_BODY}]{{4}}[学警挂港澳领试超]|使[0-9]{{6}}|WJ[{_PROVINCES}]?[0-9A-Z]{{4,6}}"
)
_OTHER = re.compile(r"(?=.*[0-9])[A-Z0-9]{2,10}")
_NOISE = re.compile(r"[\s·•.\-_‧・]+")

#: Telephone keys that carry the letters (ITU-T E.161).
_KEYS: Final = str.maketrans(
    {
        letter: key
        for key, letters in zip(
            "23456789", ["ABC", "DEF", "GHI", "JKL", "MNO", "PQRS", "TUV", "WXYZ"], strict=True
        )
        for letter in letters
    }
)

_VIN = re.compile(r"[A-HJ-NPR-Z0-9]{17}")
_VIN_WEIGHTS: Final = (8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2)
_VIN_VALUES: Final = {
    **{str(digit): digit for digit in range(10)},
    **dict(
        zip(
            "ABCDEFGHJKLMNPRSTUVWXYZ",
            (1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 3, 4, 5, 7, 9, 2, 3, 4, 5, 6, 7, 8, 9),
            strict=True,
        )
    ),
}

#: Most characters of a plate.
_LONGEST_PLATE: Final = 16
#: Fewest and most characters of a tail that is searched for.
SHORTEST_TAIL: Final = 4
LONGEST_TAIL: Final = 17


def _upper(raw: str) -> str:
    return unicodedata.normalize("NFKC", raw[:64]).upper()


def parse_plate(raw: str) -> Plate | None:
    """The plate in its one spelling, or None where it is none.

    Full width, lower case, spaces and dots are understood, and O and I are read as digits where a Chinese
    plate cannot hold those letters.
    """
    text = _NOISE.sub("", _upper(raw))
    if len(text) > 2 and text[0] in _PROVINCES:
        text = text[:2] + text[2:].replace("O", "0").replace("I", "1")
    for kind, pattern in (
        (PlateKind.NEW_ENERGY, _NEW_ENERGY),
        (PlateKind.ORDINARY, _ORDINARY),
        (PlateKind.SPECIAL, _SPECIAL),
        (PlateKind.OTHER, _OTHER),
    ):
        if pattern.fullmatch(text):
            return Plate(text=text, kind=kind)
    return None


def parse_vin(raw: str) -> str | None:
    """A VIN of 17 characters in upper case, or None. I, O and Q do not exist in one (ISO 3779)."""
    text = _NOISE.sub("", _upper(raw)).replace("I", "1").replace("O", "0").replace("Q", "0")
    return text if _VIN.fullmatch(text) else None


def vin_checks(vin: str) -> bool:
    """Whether the ninth character is the check digit that GB 16735 and 49 CFR 565 ask for.

    Vehicles from elsewhere may have none, so a failed check is a hint, not a refusal.
    """
    total = sum(_VIN_VALUES[letter] * weight for letter, weight in zip(vin, _VIN_WEIGHTS, strict=True))
    return vin[8] == "0123456789X"[total % 11]


def as_keys(text: str) -> str:
    """The telephone keys that type a plate or VIN; what has no key (a province) is left out."""
    return "".join(key for key in _upper(text).translate(_KEYS) if "0" <= key <= "9")


def reversed_keys(text: str) -> str:
    """The keys back to front, so that a tail is found by its beginning."""
    return as_keys(text)[::-1]


def clean_tail(raw: str) -> str | None:
    """The tail of a plate or VIN as typed by a person or on a telephone, or None where it is too short or long."""
    text = _NOISE.sub("", _upper(raw))
    if not all(letter.isascii() and letter.isalnum() for letter in text.lstrip(_PROVINCES)):
        return None
    return text if SHORTEST_TAIL <= len(as_keys(text)) <= LONGEST_TAIL else None


def clean_plate_part(raw: str) -> str | None:
    """The beginning of a plate, with or without its province, in the plate's one spelling; None: no plate begins so."""
    text = _NOISE.sub("", _upper(raw))
    if len(text) > 2 and text[0] in _PROVINCES:
        text = text[:2] + text[2:].replace("O", "0").replace("I", "1")
    return text if text.isalnum() and len(text) <= _LONGEST_PLATE else None
