"""Telephone numbers as objects of their own: one number may reach several people, one person has several."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from telephony.numbers import E164


class Label(StrEnum):
    """Where a number rings."""

    MOBILE = "mobile"
    HOME = "home"
    WORK = "work"
    OTHER = "other"


@dataclass(frozen=True, kw_only=True, slots=True)
class Contact:
    """That a number reaches a customer, from a time on and perhaps no longer."""

    customer_id: str
    number: E164
    label: Label = Label.MOBILE
    #: The number to call first; at most one per customer.
    primary: bool = False
    since: datetime
    #: When it stopped being this customer's (moved to somebody else); None: it still is.
    ended_at: datetime | None = None
    #: Since when it is known that somebody else answers there.
    wrong_since: datetime | None = None
