"""What the pages and API of contactability need: may we contact somebody, and what he agreed to or wants no more."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from access.audit import Entry
from access.requests import Once
from access.users import Principal
from crm.consent.consents import Consent, ConsentSource, ContactSwitch
from crm.consent.contactability import Answer
from crm.consent.optouts import Channel, Purpose


@dataclass(frozen=True, kw_only=True, slots=True)
class PurposeAnswer:
    """May we call him for this purpose now, and at which number."""

    purpose: Purpose
    #: As the viewer may read it; empty: he has none that is right.
    number: str
    answer: Answer
    #: When it may be; None: a person must act first.
    when: datetime | None


@dataclass(frozen=True, kw_only=True, slots=True)
class ContactCard:
    """Everything about contacting one customer."""

    customer_id: str
    answers: Sequence[PurposeAnswer]
    consents: Sequence[Consent]
    switches: Sequence[ContactSwitch]


@dataclass(frozen=True, kw_only=True, slots=True)
class NewConsent:
    """What a customer agreed to."""

    purpose: Purpose
    channel: Channel
    source: ConsentSource
    given_at: datetime
    proof: str
    until: datetime | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class NewSwitch:
    """What is to be off."""

    purpose: Purpose
    channel: Channel
    reason: str
    vehicle_id: str | None = None
    until: datetime | None = None


class Contactability(Protocol):
    """Each raises CustomerNotFound and RecordClosed where the viewer may not open the record."""

    async def card(self, viewer: Principal, customer_id: str, now: datetime) -> ContactCard: ...

    async def agree(
        self, viewer: Principal, customer_id: str, new: NewConsent, entry: Entry, *, once: Once | None = None
    ) -> ContactCard:
        """Raises BadConsent."""

    async def withdraw(
        self, viewer: Principal, customer_id: str, consent_id: str, why: str, entry: Entry
    ) -> ContactCard:
        """Raises ConsentNotFound; withdrawn already stays as it is."""

    async def turn_off(
        self, viewer: Principal, customer_id: str, new: NewSwitch, entry: Entry
    ) -> ContactCard:
        """The same again changes nothing. Raises BadSwitch, and VehicleNotFound for a vehicle that is not his."""

    async def turn_on(self, viewer: Principal, customer_id: str, switch_id: str, entry: Entry) -> ContactCard:
        """Raises ConsentNotFound; on already stays as it is."""
