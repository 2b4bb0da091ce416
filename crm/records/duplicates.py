"""Whether two records may be one person: the signs that speak for it and against it, and what they add up to.

Signs are weighed, not counted: a number two people share is a family as often as a duplicate, so that it alone
is not enough, and different forms of address speak against. Weights are of our own choosing; the limits are
checked by the cases in `tests/unit/test_duplicates.py`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from crm.records.customers import CustomerKind, Honorific, name_key

#: Pairs from here on are shown.
SUSPECTED: Final = 50
#: From here on there is hardly a doubt.
STRONG: Final = 80
#: More records than this behind one sign (a switchboard, a dealer's demo car) say nothing about any two of them.
MOST_BEHIND_ONE_SIGN: Final = 20


class Reason(StrEnum):
    """A sign for or against."""

    SAME_NUMBER = "same_number"
    FORMER_NUMBER = "former_number"  # one has a number the other had
    SAME_NAME = "same_name"
    SIMILAR_NAME = "similar_name"  # 张先生 and 张伟; one letter apart
    NAME_AND_TAIL = "name_and_tail"  # a wrong digit in front of the same last four
    SAME_OWNER = "same_owner"  # both own one vehicle
    SAME_VEHICLE = "same_vehicle"  # both have to do with one
    SAME_PLATE = "same_plate"  # two vehicles with one plate
    CLOSE_VIN = "close_vin"  # two VINs with one tail
    SAME_BIRTHDAY = "same_birthday"
    OTHER_NAME = "other_name"
    OTHER_ADDRESS_FORM = "other_honorific"
    OTHER_KIND = "other_kind"
    OTHER_BIRTHDAY = "other_birthday"


WEIGHTS: Final = {
    Reason.SAME_NUMBER: 50,
    Reason.FORMER_NUMBER: 25,
    Reason.SAME_NAME: 35,
    Reason.SIMILAR_NAME: 20,
    Reason.NAME_AND_TAIL: 30,
    Reason.SAME_OWNER: 40,
    Reason.SAME_VEHICLE: 20,
    Reason.SAME_PLATE: 35,
    Reason.CLOSE_VIN: 35,
    Reason.SAME_BIRTHDAY: 15,
    Reason.OTHER_NAME: -20,
    Reason.OTHER_ADDRESS_FORM: -25,
    Reason.OTHER_KIND: -40,
    Reason.OTHER_BIRTHDAY: -40,
}

#: What is written in place of a first name.
_TITLES: Final = (
    "先生",
    "女士",
    "小姐",
    "太太",
    "师傅",
    "总",
    "经理",
    "老师",
    "mr.",
    "mrs.",
    "ms.",
    "mr",
    "mrs",
    "ms",
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Print:
    """What two records are compared by."""

    customer_id: str
    name: str
    kind: CustomerKind = CustomerKind.PERSON
    honorific: Honorific = Honorific.NONE
    birthday: str = ""
    #: E.164.
    numbers: frozenset[str] = frozenset()
    former_numbers: frozenset[str] = frozenset()
    #: Vehicle ids.
    owned: frozenset[str] = frozenset()
    vehicles: frozenset[str] = frozenset()
    plates: frozenset[str] = frozenset()
    vins: frozenset[str] = frozenset()


@dataclass(frozen=True, kw_only=True, slots=True)
class Suspicion:
    """How alike two records are, and why."""

    score: int
    reasons: tuple[Reason, ...]

    @property
    def is_shown(self) -> bool:
        """Whether anybody should look at it."""
        return self.score >= SUSPECTED


def compare(one: Print, other: Print) -> Suspicion:
    """The signs between two records and their sum, 0 to 100. The order of the two does not matter."""
    reasons = [reason for reason, holds in _signs(one, other) if holds]
    score = sum(WEIGHTS[reason] for reason in reasons)
    return Suspicion(score=min(max(score, 0), 100), reasons=tuple(reasons))


def _signs(one: Print, other: Print) -> Iterable[tuple[Reason, bool]]:
    mine, theirs = name_key(one.name), name_key(other.name)
    same, similar = mine == theirs, _similar(mine, theirs)
    number = bool(one.numbers & other.numbers)
    former = bool(one.numbers & other.former_numbers or other.numbers & one.former_numbers)
    owner = bool(one.owned & other.owned)
    yield Reason.SAME_NUMBER, number
    yield Reason.FORMER_NUMBER, former and not number
    yield Reason.SAME_NAME, same
    yield Reason.SIMILAR_NAME, similar and not same
    tails = {number[-4:] for number in one.numbers} & {number[-4:] for number in other.numbers}
    yield Reason.NAME_AND_TAIL, same and bool(tails) and not number
    yield Reason.SAME_OWNER, owner
    yield Reason.SAME_VEHICLE, bool(one.vehicles & other.vehicles) and not owner
    apart = not one.vehicles & other.vehicles
    yield Reason.SAME_PLATE, apart and bool(one.plates & other.plates)
    yield Reason.CLOSE_VIN, apart and any(close_vins(a, b) for a in one.vins for b in other.vins)
    if one.birthday and other.birthday:
        yield Reason.SAME_BIRTHDAY, one.birthday == other.birthday
        yield Reason.OTHER_BIRTHDAY, one.birthday != other.birthday
    yield Reason.OTHER_NAME, not same and not similar
    stated = Honorific.NONE not in (one.honorific, other.honorific)
    yield Reason.OTHER_ADDRESS_FORM, stated and one.honorific is not other.honorific
    yield Reason.OTHER_KIND, one.kind is not other.kind


def close_vins(one: str, other: str) -> bool:
    """Whether two different VINs look like one with a slip: all but one or two letters are the same."""
    return (
        one != other and len(one) == len(other) and sum(a != b for a, b in zip(one, other, strict=True)) <= 2
    )


def _similar(one: str, other: str) -> bool:
    """Whether two folded names may be one: a surname with a title, a part, or one letter apart."""
    if one == other:
        return True
    for short, full in ((one, other), (other, one)):
        stem = next((short.removesuffix(t).removeprefix(t) for t in _TITLES if t in short), "")
        if stem and full.startswith(stem):
            return True
        if len(short) >= 2 and short in full:
            return True
    if len(one) == len(other) and len(one) >= 3:
        return sum(a != b for a, b in zip(one, other, strict=True)) == 1
    return False
