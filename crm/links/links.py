"""Private links: one secret in an address opens one thing for a person without an account, for a time.

The secret is 256 random bits, kept as a hash only. A link to what names a customer asks for a PIN besides,
told by another way (the telephone), so that a forwarded message opens nothing (reliability.md 3).
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

#: Wrong PINs after which a link is dead; a new one must be made.
PIN_TRIES: Final = 5
PIN_DIGITS: Final = 6


class LinkError(Exception):
    """Base of what a link can be refused for; nothing was changed.

    LinkError
    ├── LinkNotFound   no such secret, or none of this kind
    ├── LinkExpired    its time is over
    ├── LinkRevoked    taken back, replaced by a newer one, or locked after wrong PINs
    ├── LinkUsed       what it was for has been done
    ├── LinkElsewhere  it was opened in another browser
    └── PinWrong       the PIN is not the one; `left` tries remain
    """

    error_id = "link-error"


class LinkNotFound(LinkError):
    """There is no such link."""

    error_id = "link-not-found"


class LinkExpired(LinkError):
    """Its time is over."""

    error_id = "link-expired"


class LinkRevoked(LinkError):
    """Somebody took it back, a newer one replaced it, or it was locked after wrong PINs."""

    error_id = "link-revoked"


class LinkUsed(LinkError):
    """What it was for has been done."""

    error_id = "link-used"


class LinkElsewhere(LinkError):
    """It was opened in another browser, and opens in that one only."""

    error_id = "link-elsewhere"


class PinWrong(LinkError):
    """The PIN is not the one."""

    error_id = "link-pin-wrong"

    def __init__(self, message: object, *, left: int) -> None:
        super().__init__(message)
        self.left = left


class LinkKind(StrEnum):
    """What a link opens."""

    CASE = "case"  # a department accepts and answers a case
    SURVEY = "survey"  # a customer fills a questionnaire
    APPOINTMENT = "appointment"  # a customer confirms, moves or cancels
    REPORT = "report"  # a recipient reads a report
    PROBLEMS = "problems"  # a department reads the problems of a day that were passed to it


@dataclass(frozen=True, kw_only=True, slots=True)
class Link:
    """One private link as it is stored; the secret itself is known only to whoever was sent it."""

    id: str
    kind: LinkKind
    #: Id of what it opens: a case, a survey response, an appointment.
    subject: str
    #: Whom it was made for, as a person reads it: a department, a customer.
    audience: str
    made_at: datetime
    made_by: str | None
    expires_at: datetime
    has_pin: bool = False
    wrong_pins: int = 0
    opened_at: datetime | None = None
    used_at: datetime | None = None
    revoked_at: datetime | None = None
    #: Hash of the cookie of the only browser it opens in; None: any.
    browser: str | None = None


def check(link: Link, now: datetime) -> None:
    """Raises LinkUsed, LinkRevoked or LinkExpired where the link opens nothing (any more)."""
    if link.used_at is not None:
        raise LinkUsed("What this link was for has been done.")
    if link.revoked_at is not None or link.wrong_pins >= PIN_TRIES:
        raise LinkRevoked("This link is no longer valid. Ask the person who sent it for a new one.")
    if now >= link.expires_at:
        raise LinkExpired("This link has expired. Ask the person who sent it for a new one.")


def make_pin() -> str:
    """Six random digits."""
    return f"{secrets.randbelow(10**PIN_DIGITS):0{PIN_DIGITS}d}"


def hash_pin(link_id: str, pin: str) -> str:
    """The PIN as it is kept: bound to its link. Guessing is stopped by `PIN_TRIES`, not by the hash."""
    return hashlib.sha256(f"{link_id}:{pin}".encode("utf-8", "surrogatepass")).hexdigest()
