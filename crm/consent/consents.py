"""Consents and switches: what somebody agreed to, and what the house or the customer has turned off, with proof.

ConsentError
├── BadConsent       no proof, a moment to come, or an end before its beginning
├── BadSwitch        no reason
└── ConsentNotFound  there is no such consent or switch of this customer
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from access.sentences import Sentence
from crm.consent.optouts import Channel, Purpose

_LONGEST_PROOF: Final = 500
_LONGEST_REASON: Final = 200


class ConsentError(Exception):
    """Base of what can be refused about consents and switches; nothing was changed."""

    error_id = "consent-error"

    def __init__(self, message: str | Sentence, *, field: str = "") -> None:
        super().__init__(message)
        self.field = field


class BadConsent(ConsentError):
    """It would prove nothing; the message says what is missing."""

    error_id = "bad-consent"


class BadSwitch(ConsentError):
    """A switch nobody could explain in a year."""

    error_id = "bad-contact-switch"


class ConsentNotFound(ConsentError):
    """There is no such consent or switch of this customer."""

    error_id = "consent-not-found"


class ConsentSource(StrEnum):
    """How the customer agreed."""

    SIGNED_FORM = "signed_form"
    CALL = "call"  # said in a call; the proof names it
    LINK = "link"
    TEXT_REPLY = "text_reply"
    IMPORT = "import"  # a list that names the proof
    OTHER = "other"


@dataclass(frozen=True, kw_only=True, slots=True)
class Consent:
    """A customer who agreed to be contacted for a purpose by a channel, from a moment on."""

    id: str
    customer_id: str
    purpose: Purpose
    channel: Channel
    source: ConsentSource
    given_at: datetime
    #: Where it can be looked up: a paper's number, a call id, a file and line.
    proof: str
    by_name: str
    #: None: until it is withdrawn.
    until: datetime | None = None
    withdrawn_at: datetime | None = None
    withdrawn_why: str = ""

    def holds_at(self, now: datetime) -> bool:
        """Whether it stands at this moment."""
        return (
            self.given_at <= now
            and (self.until is None or self.until > now)
            and (self.withdrawn_at is None or self.withdrawn_at > now)
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class ContactSwitch:
    """A purpose that is off for a customer, or for one vehicle of his, with the reason why."""

    id: str
    customer_id: str
    #: None: for every vehicle, and for what is about none.
    vehicle_id: str | None
    purpose: Purpose
    channel: Channel
    reason: str
    off_at: datetime
    by_name: str
    #: None: until somebody turns it on again.
    until: datetime | None = None
    on_at: datetime | None = None
    on_by_name: str = ""

    def holds_at(self, now: datetime) -> bool:
        """Whether it is off at this moment."""
        return self.on_at is None and (self.until is None or self.until > now)


def covers(purpose: Purpose, channel: Channel, wanted: Purpose, by: Channel) -> bool:
    """Whether what was said of one purpose and channel says something of another; `all` covers everything."""
    return (purpose is Purpose.ALL or purpose is wanted) and (channel is Channel.ALL or channel is by)


def agreed(consents: Iterable[Consent], purpose: Purpose, channel: Channel, now: datetime) -> Consent | None:
    """The consent that allows a contact; the latest where several do."""
    holding = [
        one for one in consents if one.holds_at(now) and covers(one.purpose, one.channel, purpose, channel)
    ]
    return max(holding, key=lambda one: one.given_at, default=None)


def off(
    switches: Iterable[ContactSwitch],
    purpose: Purpose,
    channel: Channel,
    vehicle_id: str | None,
    now: datetime,
) -> ContactSwitch | None:
    """The switch that forbids a contact about a vehicle, or about none."""
    for one in switches:
        theirs = one.vehicle_id is None or one.vehicle_id == vehicle_id
        if theirs and one.holds_at(now) and covers(one.purpose, one.channel, purpose, channel):
            return one
    return None


def clean_proof(text: str) -> str:
    """The proof on one line. Raises BadConsent where there is none."""
    proof = " ".join(text.split())
    if not proof:
        raise BadConsent(
            "A consent needs its proof: the paper's number, the call, the file and line. Nothing was kept.",
            field="proof",
        )
    return proof[:_LONGEST_PROOF]


def check_span(given_at: datetime, until: datetime | None, now: datetime) -> None:
    """Raises BadConsent where the moments cannot be."""
    if given_at > now:
        raise BadConsent(
            "A consent cannot have been given in the future. Nothing was kept.", field="given_at"
        )
    if until is not None and until <= given_at:
        raise BadConsent("A consent cannot end before it was given. Nothing was kept.", field="until")


def clean_switch_reason(text: str) -> str:
    """The reason on one line. Raises BadSwitch where there is none."""
    reason = " ".join(text.split())
    if not reason:
        raise BadSwitch(
            "A switch needs a reason, for whoever wonders in a year. Nothing was changed.", field="reason"
        )
    return reason[:_LONGEST_REASON]
