"""What the pages and API of surveys by private link need: those who offer them, and the customer's own page.

Errors are those of `crm.surveys.responses`, `crm.surveys.offers` and `crm.links.links`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from access.audit import Entry
from access.users import Language, Principal
from crm.surveys.offers import Offer, OfferState, VisitState
from crm.surveys.questionnaires import Questionnaire

#: Language to words.
Said = Mapping[str, str]


@dataclass(frozen=True, kw_only=True, slots=True)
class OfferLine:
    """One link as those who offer surveys see it."""

    offer: Offer
    state: OfferState
    #: Name of the questionnaire.
    label: Said


@dataclass(frozen=True, kw_only=True, slots=True)
class OfferChoice:
    """A questionnaire that can be offered by link."""

    code: str
    label: Said


@dataclass(frozen=True, kw_only=True, slots=True)
class OfferPage:
    """The section of a customer's or contact's page."""

    customer_id: str
    contact_id: str | None
    #: The newest first.
    lines: Sequence[OfferLine]
    choices: Sequence[OfferChoice]
    #: Id and how it is called, of the customer's vehicles.
    vehicles: Sequence[tuple[str, str]]
    #: Number of the open complaint because of which none is made; empty: there is none.
    open_case: str
    #: How many days a link made now is good.
    days: int


@dataclass(frozen=True, kw_only=True, slots=True)
class SurveyVisit:
    """What the customer finds behind the link: nothing of him but how he is addressed."""

    state: VisitState
    #: Names what the browser keeps; opens nothing.
    offer_id: str
    expires_at: datetime
    #: What the record says the customer reads; None: nothing.
    language: Language | None
    questionnaire: Questionnaire
    #: Per language; missing: it is not known how he is addressed. Empty until the link was opened.
    salutation: Said = field(default_factory=dict)
    #: Question to its text per language, with the places a private page fills in.
    texts: Mapping[str, Said] = field(default_factory=dict)
    #: Codes of what is asked with the answers so far, in order.
    path: Sequence[str] = ()
    #: What was answered or passed over, as it is kept; None: passed over.
    values: Mapping[str, object] = field(default_factory=dict)
    #: The same as people read it, per language.
    shown: Mapping[str, Said] = field(default_factory=dict)
    #: Questions of the path that must be answered and are not.
    missing: Sequence[str] = ()
    #: The first that is neither answered nor passed over; empty: that was all.
    next: str = ""
    rev: int = 0


class SurveyLinks(Protocol):
    """Surveys by private link. `browser` is the hash of the visitor's cookie."""

    #: The number to call with questions, as people read it; empty: none is known.
    phone: str

    async def offered(
        self, viewer: Principal, customer_id: str, now: datetime, *, contact_id: str | None = None
    ) -> OfferPage:
        """Raises CustomerNotFound, RecordClosed."""

    async def offer(
        self,
        viewer: Principal,
        entry: Entry,
        *,
        questionnaire: str,
        customer_id: str,
        vehicle_id: str | None,
        contact_id: str | None,
    ) -> tuple[OfferLine, str]:
        """A new link and its secret, which can be read only here.

        Raises OfferRefused, QuestionnaireNotFound, CustomerNotFound, RecordClosed, VehicleNotFound,
        ContactNotFound.
        """

    async def revoke(self, viewer: Principal, offer_id: str, entry: Entry) -> OfferLine:
        """Raises OfferNotFound, OfferRefused."""

    async def visit(self, secret: str, browser: str, now: datetime) -> SurveyVisit:
        """Raises LinkNotFound, LinkRevoked, LinkExpired, LinkElsewhere, QuestionnaireNotFound."""

    async def begin(self, secret: str, browser: str, now: datetime) -> SurveyVisit:
        """A person pressed the button. Raises as `visit`."""

    async def answer(
        self, secret: str, browser: str, question: str, value: object, *, based_on: int | None, now: datetime
    ) -> SurveyVisit:
        """Raises as `visit`, and BadAnswer, ResponseChanged, ResponseOver."""

    async def finish(self, secret: str, browser: str, now: datetime) -> SurveyVisit:
        """Raises as `visit`, and ResponseIncomplete, ResponseOver."""

    async def decline(self, secret: str, browser: str, now: datetime) -> SurveyVisit:
        """The customer does not want to be asked. Raises as `visit`."""
