"""A survey offered to a customer by a private link: what became of it, and what can be refused about it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from crm.surveys.questionnaires import Purpose
from crm.surveys.responses import ResponseState, SurveyError

#: States of a response in which nothing more is asked.
OVER = frozenset({ResponseState.FINISHED, ResponseState.DECLINED})


class OfferState(StrEnum):
    """Where a link stands, as those who made it read it."""

    OFFERED = "offered"
    OPENED = "opened"
    ANSWERED = "answered"
    EXPIRED = "expired"
    REVOKED = "revoked"


class VisitState(StrEnum):
    """What the customer finds behind the link."""

    BEGIN = "begin"  # nobody has begun
    ASKING = "asking"
    ANSWERED = "answered"
    DECLINED = "declined"  # the customer does not want to be asked
    IN_TOUCH = "in_touch"  # a complaint is being worked at: no survey now


class OfferRefused(SurveyError):
    """No link is made, or this one cannot be taken back; the sentence says why."""

    error_id = "survey-offer-refused"


class OfferNotFound(SurveyError):
    """There is no such link, or this person may not know of it."""

    error_id = "survey-offer-not-found"


@dataclass(frozen=True, kw_only=True, slots=True)
class Offer:
    """One questionnaire offered to one customer by one link."""

    id: str
    link_id: str
    customer_id: str
    vehicle_id: str | None
    #: The contact it was offered in.
    contact_id: str | None
    questionnaire: str
    made_at: datetime
    made_by_name: str
    expires_at: datetime
    opened_at: datetime | None = None
    #: When it was answered by the link.
    used_at: datetime | None = None
    revoked_at: datetime | None = None
    #: Since it was opened.
    response_id: str | None = None
    response_state: ResponseState | None = None
    dissatisfied: bool = False

    def state(self, now: datetime) -> OfferState:
        """What became of it. Answered, also where an agent asked the rest."""
        if self.used_at is not None or self.response_state in OVER:
            return OfferState.ANSWERED
        if self.revoked_at is not None:
            return OfferState.REVOKED
        if now >= self.expires_at:
            return OfferState.EXPIRED
        return OfferState.OFFERED if self.opened_at is None else OfferState.OPENED

    def alive(self, now: datetime) -> bool:
        """Whether the customer can still answer by it."""
        return self.state(now) in (OfferState.OFFERED, OfferState.OPENED)


def by_link(purpose: Purpose) -> bool:
    """Whether customers may be asked for this purpose by link: a second visit is a talk about an open case."""
    return purpose is not Purpose.SECOND_VISIT
