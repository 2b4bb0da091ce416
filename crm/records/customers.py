"""The customer: a person or a company the house has on record, and the number it is filed under."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Literal, NewType

CustomerId = NewType("CustomerId", str)


class RecordError(Exception):
    """Base of what can be wrong with a record; nothing was changed.

    RecordError
    ├── CustomerNotFound   there is no such customer
    ├── VehicleNotFound    there is no such vehicle
    ├── NumberTaken        the customer number is another customer's
    ├── VinTaken           the VIN is another vehicle's
    └── BadRecord          a field cannot be what was given
    """

    error_id = "record-error"


class CustomerNotFound(RecordError):
    """There is no such customer."""

    error_id = "customer-not-found"


class VehicleNotFound(RecordError):
    """There is no such vehicle."""

    error_id = "vehicle-not-found"


class NumberTaken(RecordError):
    """The customer number belongs to another customer; choose another or let the rule choose."""

    error_id = "customer-number-taken"


class VinTaken(RecordError):
    """The VIN belongs to another vehicle; add people to that one instead."""

    error_id = "vin-taken"


class BadRecord(RecordError):
    """A field cannot be what was given."""

    error_id = "bad-record"


class CustomerKind(StrEnum):
    """Who the customer is."""

    PERSON = "person"
    COMPANY = "company"


class Honorific(StrEnum):
    """How the customer wants to be addressed; pages and prompts translate it."""

    MR = "mr"
    MS = "ms"
    NONE = "none"


#: Languages the hotline speaks.
Language = Literal["zh-CN", "en"]

#: Longest name kept, in characters.
LONGEST_NAME = 64


@dataclass(frozen=True, kw_only=True, slots=True)
class Customer:
    """One customer. People are found by number, plate, VIN or name, and told by `id`."""

    id: CustomerId
    #: Customer number by the house's rule, unique, never used again.
    number: str
    name: str
    kind: CustomerKind = CustomerKind.PERSON
    honorific: Honorific = Honorific.NONE
    #: Language to be spoken to in; None: not known.
    language: Language | None = None
    key_account: bool = False
    #: The agent (user id) who looks after this customer.
    own_agent_id: str | None = None
    note: str = ""
    created_at: datetime
    updated_at: datetime


def clean_name(name: str) -> str:
    """The name in one line, without control characters. Raises BadRecord where nothing or too much is left."""
    letters = "".join(" " if letter.isspace() else letter for letter in unicodedata.normalize("NFC", name))
    cleaned = " ".join(
        "".join(letter for letter in letters if unicodedata.category(letter)[0] != "C").split()
    )
    if not cleaned:
        raise BadRecord("A customer needs a name.")
    if len(cleaned) > LONGEST_NAME:
        raise BadRecord(f"The name has {len(cleaned)} characters; {LONGEST_NAME} are allowed.")
    return cleaned


def name_key(name: str) -> str:
    """What a name is searched by: one width, one case, no spaces."""
    return "".join(unicodedata.normalize("NFKC", name).casefold().split())


def number_by_rule(rule: str, serial: int, now: datetime) -> str:
    """The customer number a rule gives: "C{serial:06d}" makes C000123 of 123; {year} is the year of `now`."""
    return rule.format(serial=serial, year=f"{now:%Y}")
