"""What a search gives back: who, and why they are in the list."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from crm.records.customers import CustomerKind, Honorific


class Why(StrEnum):
    """What a customer was found by, in the order results stand."""

    CUSTOMER_NUMBER = "customer_number"
    PHONE = "phone"
    PHONE_TAIL = "phone_tail"
    PLATE = "plate"
    VIN = "vin"
    NAME = "name"
    PINYIN = "pinyin"
    INITIALS = "initials"


@dataclass(frozen=True, kw_only=True, slots=True)
class Reason:
    """Why a customer is in the list, with the part of the record that fits, masked by the viewer's role."""

    why: Why
    text: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class CarLine:
    """A vehicle of a customer, as short as a list needs it."""

    vehicle_id: str
    plate: str
    model: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    """One customer of a list, as this viewer may see it."""

    customer_id: str
    customer_number: str
    name: str
    kind: CustomerKind
    honorific: Honorific
    key_account: bool
    customer_class: str | None
    #: The number to call first, masked where the role asks for it; empty: none.
    phone: str
    vehicles: tuple[CarLine, ...]
    why: tuple[Reason, ...] = ()
    #: The record is restricted for this viewer: only a masked name.
    closed: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class FoundPage:
    """A part of a list of customers."""

    items: Sequence[Found]
    #: Search: there are more than these; type on. Lists: the place to go on from.
    more: bool = False
    next: str | None = None
