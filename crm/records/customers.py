"""The customer: a person or a company the house has on record, and the number it is filed under."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Literal, NewType

from access.sentences import Sentence

CustomerId = NewType("CustomerId", str)


class RecordError(Exception):
    """Base of what can be wrong with a record; nothing was changed.

    RecordError
    ├── CustomerNotFound   there is no such customer
    ├── VehicleNotFound    there is no such vehicle
    ├── EntryNotFound      there is no such purchase, service visit, number or field
    ├── RecordClosed       it is restricted, and this person has no approval
    ├── RecordChanged      somebody else has changed it since it was read (crm.records.changes)
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


class EntryNotFound(RecordError):
    """There is no such purchase, service visit, number or field on this record."""

    error_id = "entry-not-found"


class RecordClosed(RecordError):
    """The record is restricted, and this person has no approval to open it."""

    error_id = "record-closed"


class NumberTaken(RecordError):
    """The customer number belongs to another customer; choose another or let the rule choose."""

    error_id = "customer-number-taken"


class VinTaken(RecordError):
    """The VIN belongs to another vehicle; add people to that one instead."""

    error_id = "vin-taken"


class BadRecord(RecordError):
    """A field cannot be what was given."""

    error_id = "bad-record"

    def __init__(self, sentence: str, *, field: str = "") -> None:
        super().__init__(sentence)
        #: Name of the field, where one is to blame.
        self.field = field


class CustomerKind(StrEnum):
    """Who the customer is."""

    PERSON = "person"
    COMPANY = "company"


class Honorific(StrEnum):
    """How the customer wants to be addressed; pages and prompts translate it."""

    MR = "mr"
    MS = "ms"
    NONE = "none"


class Sex(StrEnum):
    """As the customer's papers say; None where nobody asked."""

    MALE = "male"
    FEMALE = "female"


class Secrecy(StrEnum):
    """Who may open the record (M-050)."""

    NORMAL = "normal"
    RESTRICTED = "restricted"  # needs an approval


class ClassedBy(StrEnum):
    """Who decided a customer's class."""

    RULE = "rule"
    PERSON = "person"


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
    #: Raised by every change.
    version: int = 1
    sex: Sex | None = None
    birthday: date | None = None
    occupation: str = ""
    address: str = ""
    #: How the house came to know the customer: walk-in, exhibition, recommendation …
    source: str = ""
    #: What a prospect needs, may spend, and looks at most (M-041).
    need: str = ""
    budget: str = ""
    focus: str = ""
    purchase_expected_on: date | None = None
    #: Cabinet, box and number of the paper file (M-036, M-045).
    paper_file: str = ""
    secrecy: Secrecy = Secrecy.NORMAL
    #: Grades "high", "middle", "low" (crm.records.classification), and the class A to D they make.
    value_grade: str | None = None
    loyalty_grade: str | None = None
    potential_grade: str | None = None
    customer_class: str | None = None
    classed_by: ClassedBy = ClassedBy.RULE
    #: AAA, AA, A, B, C (crm.records.credit).
    credit_grade: str | None = None
    #: Own cadence of visits; None: the class's plan says it.
    visit_every_days: int | None = None
    #: Last personal visit or talk the cadence counts from.
    visited_on: date | None = None

    def age_on(self, day: date) -> int | None:
        """Full years of age, or None where the birthday is not known."""
        if self.birthday is None:
            return None
        before = (day.month, day.day) < (self.birthday.month, self.birthday.day)
        return day.year - self.birthday.year - before


def clean_name(name: str) -> str:
    """The name in one line, without control characters. Raises BadRecord where nothing or too much is left."""
    letters = "".join(" " if letter.isspace() else letter for letter in unicodedata.normalize("NFC", name))
    cleaned = " ".join(
        "".join(letter for letter in letters if unicodedata.category(letter)[0] != "C").split()
    )
    if not cleaned:
        raise BadRecord("A customer needs a name.")
    if len(cleaned) > LONGEST_NAME:
        raise BadRecord(
            Sentence(
                "The name has {length} characters; {most} are allowed.",
                length=len(cleaned),
                most=LONGEST_NAME,
            )
        )
    return cleaned


def name_key(name: str) -> str:
    """What a name is searched by: one width, one case, no spaces."""
    return "".join(unicodedata.normalize("NFKC", name).casefold().split())


def number_by_rule(rule: str, serial: int, now: datetime) -> str:
    """The customer number a rule gives: "C{serial:06d}" makes C000123 of 123; {year} is the year of `now`."""
    return rule.format(serial=serial, year=f"{now:%Y}")


def check_text(field: str, text: str, longest: int) -> None:
    """Raises BadRecord where a text is too long or holds what no keyboard writes (controls, halves of letters)."""
    if len(text) > longest:
        raise BadRecord(
            Sentence("{field}: at most {most} characters. Nothing was changed.", field=field, most=longest),
            field=field,
        )
    if any(not letter.isprintable() and letter not in "\n\t\u3000\xa0" for letter in text):
        raise BadRecord(
            Sentence("{field}: control characters are not allowed. Nothing was changed.", field=field),
            field=field,
        )
