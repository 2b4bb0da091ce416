"""Subscriptions and deliveries, as values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Literal

from access.users import Principal
from crm.hooks.events import Event, Happening
from crm.hooks.retries import Why

Language = Literal["zh-CN", "en"]


def owner_of(by: Principal) -> str:
    """The name under which a principal answers for a subscription."""
    return f"user:{by.user_id}" if by.user_id is not None else f"token:{by.proof_id}"


class DeliveryState(StrEnum):
    """How far a delivery is."""

    WAITING = "waiting"  # not arrived yet; tried again until it is given up
    DELIVERED = "delivered"  # the receiver answered 2xx
    FAILED = "failed"  # given up; a person may send it again
    CANCELLED = "cancelled"  # nothing to send any more: erased, restored, or the subscription deleted


@dataclass(frozen=True, kw_only=True, slots=True)
class Hook:
    """A subscription, without its secret."""

    id: str
    name: str
    url: str
    events: tuple[Event, ...]
    #: Of the sentence that each event carries for people.
    language: Language
    active: bool
    #: "user:ID" or "token:ID": who changed it last answers for it, and it sends what that one may see.
    owner: str
    owner_name: str
    created_at: datetime
    changed_at: datetime
    #: Failures in a row.
    failures: int = 0
    failing_since: datetime | None = None
    paused_until: datetime | None = None
    disabled_at: datetime | None = None
    disabled_why: Why = Why.SWITCHED_OFF
    #: Deliveries that have not arrived yet.
    waiting: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Right:
    """What a subscription may send: its owner's right at this moment."""

    #: Who answers for it may still manage subscriptions; else nothing is sent.
    may: bool = False
    numbers: bool = False
    names: bool = False

    def narrowed(self, other: Right) -> Right:
        """What both may see."""
        return Right(
            may=self.may and other.may,
            numbers=self.numbers and other.numbers,
            names=self.names and other.names,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Job:
    """A delivery that a sender has claimed."""

    #: Of the row, and of the claim: an outdated sender's result is not taken.
    number: int
    claim: int
    #: Tries that were made before.
    tries: int
    since: datetime
    hook_id: str
    url: str
    #: Secrets to sign with, the new one first.
    keys: tuple[str, ...]
    language: Language
    happening: Happening
    right: Right


@dataclass(frozen=True, kw_only=True, slots=True)
class Delivery:
    """One line of the log."""

    id: str
    hook_id: str
    event: str
    subject: str
    at: datetime
    state: DeliveryState
    tries: int
    #: When it is tried next; None once it is over.
    next_at: datetime | None = None
    done_at: datetime | None = None
    last_status: int | None = None
    last_error: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Try:
    """One try of a delivery."""

    number: int
    at: datetime
    milliseconds: int
    status: int | None = None
    error: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class DeliveryDetail:
    """A delivery with its tries, and its data as both the subscription's owner and the viewer may see it."""

    delivery: Delivery
    event_id: str
    data: Mapping[str, object]
    tries: Sequence[Try] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class DeliveryPage:
    """Newest first; `next` is where the following page begins."""

    items: Sequence[Delivery]
    next: str | None = None
