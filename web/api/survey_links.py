"""Surveys offered to customers by private link: made, listed, taken back."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from pydantic import Field

from access.audit import Action
from access.permissions import Permission
from crm.surveys.offers import OfferState
from web.api.shapes import Id
from web.api.surveys import CodeName
from web.ports.survey_links import OfferLine
from web.routes import Ask, Nothing, Route, Shape


class OfferIn(Shape):
    questionnaire: CodeName
    customer_id: Id
    vehicle_id: Id | None = None
    contact_id: Id | None = Field(None, description="the contact it is offered in")


class OfferOut(Shape):
    """One link and what became of it."""

    id: str
    state: OfferState
    questionnaire: str
    label: Mapping[str, str]
    customer_id: str
    vehicle_id: str | None
    contact_id: str | None
    made_at: datetime
    made_by_name: str
    expires_at: datetime
    opened_at: datetime | None
    answered_at: datetime | None = Field(description="null also where an agent asked the rest")
    revoked_at: datetime | None
    response_id: str | None = Field(description="since it was opened")
    dissatisfied: bool


class OfferMadeOut(Shape):
    link: OfferOut
    path: str = Field(description="opens only this survey; it can be read only here")
    address: str = Field(description="path behind web.public_url; empty where that is not set")


class OffersOut(Shape):
    items: list[OfferOut]


def offer_out(line: OfferLine) -> OfferOut:
    """A link."""
    one = line.offer
    return OfferOut(
        id=one.id,
        state=line.state,
        questionnaire=one.questionnaire,
        label=line.label,
        customer_id=one.customer_id,
        vehicle_id=one.vehicle_id,
        contact_id=one.contact_id,
        made_at=one.made_at,
        made_by_name=one.made_by_name,
        expires_at=one.expires_at,
        opened_at=one.opened_at,
        answered_at=one.used_at,
        revoked_at=one.revoked_at,
        response_id=one.response_id,
        dissatisfied=one.dissatisfied,
    )


async def offer(ask: Ask[Nothing, OfferIn]) -> OfferMadeOut:
    """A private link for the customer; an older one to the same questionnaire is taken back."""
    body = ask.body
    line, secret = await ask.services.survey_links.offer(
        ask.by,
        ask.entry(Action.RESPONSE_STEPPED, "", {"step": "link", "questionnaire": body.questionnaire}),
        questionnaire=body.questionnaire,
        customer_id=body.customer_id,
        vehicle_id=body.vehicle_id,
        contact_id=body.contact_id,
    )
    path = f"/l/survey/{secret}"
    base = ask.services.options.public_url.rstrip("/")
    return OfferMadeOut(link=offer_out(line), path=path, address=base + path if base else "")


async def of_customer(ask: Ask[Nothing, Nothing]) -> OffersOut:
    """A customer's links, the newest first."""
    found = await ask.services.survey_links.offered(ask.by, ask.path["customer_id"], ask.services.clock.now())
    return OffersOut(items=[offer_out(one) for one in found.lines])


async def revoke(ask: Ask[Nothing, Nothing]) -> OfferOut:
    """The link opens nothing any more; again changes nothing."""
    line = await ask.services.survey_links.revoke(
        ask.by, ask.path["offer_id"], ask.entry(Action.RESPONSE_STEPPED, "", {"step": "revoke_link"})
    )
    return offer_out(line)


ROUTES = (
    Route(
        method="POST",
        path="/api/v1/survey-links",
        summary="A private link to a survey for a customer",
        needs=Permission.SURVEYS_FILL,
        json=offer,
        body=OfferIn,
        answer=OfferMadeOut,
        status=201,
        errors=(
            "contact-not-found",
            "customer-not-found",
            "questionnaire-not-found",
            "record-closed",
            "survey-offer-refused",
            "vehicle-not-found",
        ),
        tag="surveys",
    ),
    Route(
        method="GET",
        path="/api/v1/customers/{customer_id}/survey-links",
        summary="Surveys offered to a customer by link",
        needs=Permission.SURVEYS_FILL,
        json=of_customer,
        answer=OffersOut,
        errors=("customer-not-found", "record-closed"),
        views="customer",
        tag="surveys",
    ),
    Route(
        method="POST",
        path="/api/v1/survey-links/{offer_id}/revoke",
        summary="Take a survey's private link back",
        needs=Permission.SURVEYS_FILL,
        json=revoke,
        body=Nothing,
        answer=OfferOut,
        errors=("survey-offer-not-found", "survey-offer-refused"),
        tag="surveys",
    ),
)
