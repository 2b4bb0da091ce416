"""May we contact a customer, and why or why not; what he agreed to, and what is turned off."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Final

from pydantic import AwareDatetime, Field, StringConstraints

from access.audit import Action
from access.permissions import Permission
from crm.consent.consents import ConsentSource
from crm.consent.contactability import Rule
from crm.consent.optouts import Channel, Purpose
from web.api.shapes import Id
from web.ports.contactability import ContactCard, NewConsent, NewSwitch
from web.routes import Ask, Nothing, Route, Shape

Words = Annotated[str, StringConstraints(strip_whitespace=True, max_length=500)]
Reason = Annotated[str, StringConstraints(strip_whitespace=True, max_length=200)]

_CUSTOMER: Final = "/api/v1/customers/{customer_id}"


class FindingOut(Shape):
    rule: Rule
    until: datetime | None = Field(description="from when on it forbids it no more; null: a person must act")
    evidence: dict[str, Any]


class AnswerOut(Shape):
    """One purpose, by telephone, at the number that may be called first."""

    purpose: Purpose
    allowed: bool
    number: str = Field(description="masked by role; empty: none that is right")
    when: datetime | None = Field(description="when it may be; null: a person must act first")
    findings: list[FindingOut] = Field(description="every rule that forbids it now, the first one first")
    evidence: dict[str, Any]


class ConsentOut(Shape):
    id: str
    purpose: Purpose
    channel: Channel
    source: ConsentSource
    given_at: datetime
    until: datetime | None
    proof: str
    by_name: str
    withdrawn_at: datetime | None
    withdrawn_why: str


class SwitchOut(Shape):
    id: str
    purpose: Purpose
    channel: Channel
    vehicle_id: str | None
    reason: str
    off_at: datetime
    until: datetime | None
    by_name: str
    on_at: datetime | None
    on_by_name: str


class CardOut(Shape):
    customer_id: str
    answers: list[AnswerOut]
    consents: list[ConsentOut]
    switches: list[SwitchOut]


class ConsentIn(Shape):
    purpose: Purpose
    channel: Channel = Channel.ALL
    source: ConsentSource
    given_at: AwareDatetime | None = Field(None, description="null: now")
    until: AwareDatetime | None = None
    proof: Words = Field(description="where it can be looked up: a paper's number, a call, a file and line")


class WithdrawIn(Shape):
    why: Reason = ""


class SwitchIn(Shape):
    purpose: Purpose
    channel: Channel = Channel.ALL
    vehicle_id: Id | None = Field(None, description="null: for all his vehicles and what is about none")
    until: AwareDatetime | None = None
    reason: Reason


def card_out(card: ContactCard) -> CardOut:
    """A card."""
    return CardOut(
        customer_id=card.customer_id,
        answers=[
            AnswerOut(
                purpose=one.purpose,
                allowed=one.answer.allowed,
                number=one.number,
                when=one.when,
                findings=[
                    FindingOut(rule=found.rule, until=found.until, evidence=dict(found.evidence))
                    for found in one.answer.findings
                ],
                evidence=dict(one.answer.evidence),
            )
            for one in card.answers
        ],
        consents=[ConsentOut.model_validate(one) for one in card.consents],
        switches=[SwitchOut.model_validate(one) for one in card.switches],
    )


async def card(ask: Ask[Nothing, Nothing]) -> CardOut:
    """Why, or why not, and when."""
    return card_out(await ask.services.contactability.card(ask.by, ask.path["customer_id"], ask.now))


async def agree(ask: Ask[Nothing, ConsentIn]) -> CardOut:
    """The customer agreed; the row is the proof."""
    customer_id, given = ask.path["customer_id"], ask.body
    new = NewConsent(
        purpose=given.purpose,
        channel=given.channel,
        source=given.source,
        given_at=given.given_at or ask.now,
        until=given.until,
        proof=given.proof,
    )
    data = {"purpose": given.purpose.value, "channel": given.channel.value}
    entry = ask.entry(Action.CONSENT_NOTED, f"customer:{customer_id}", data)
    return card_out(await ask.services.contactability.agree(ask.by, customer_id, new, entry, once=ask.once))


async def withdraw(ask: Ask[Nothing, WithdrawIn]) -> CardOut:
    """He takes it back; the row stays as history."""
    customer_id, consent_id = ask.path["customer_id"], ask.path["consent_id"]
    entry = ask.entry(Action.CONSENT_WITHDRAWN, f"customer:{customer_id}", {"consent": consent_id})
    return card_out(
        await ask.services.contactability.withdraw(ask.by, customer_id, consent_id, ask.body.why, entry)
    )


async def turn_off(ask: Ask[Nothing, SwitchIn]) -> CardOut:
    """Nobody contacts him for this purpose."""
    customer_id, given = ask.path["customer_id"], ask.body
    new = NewSwitch(
        purpose=given.purpose,
        channel=given.channel,
        vehicle_id=given.vehicle_id,
        until=given.until,
        reason=given.reason,
    )
    data: dict[str, str | bool] = {"purpose": given.purpose.value, "on": False}
    entry = ask.entry(Action.CONTACT_SWITCHED, f"customer:{customer_id}", data)
    return card_out(await ask.services.contactability.turn_off(ask.by, customer_id, new, entry))


async def turn_on(ask: Ask[Nothing, Nothing]) -> CardOut:
    """On again."""
    customer_id, switch_id = ask.path["customer_id"], ask.path["switch_id"]
    data: dict[str, str | bool] = {"switch": switch_id, "on": True}
    entry = ask.entry(Action.CONTACT_SWITCHED, f"customer:{customer_id}", data)
    return card_out(await ask.services.contactability.turn_on(ask.by, customer_id, switch_id, entry))


ROUTES: Final[tuple[Route, ...]] = (
    Route(
        method="GET",
        path=f"{_CUSTOMER}/contactability",
        summary="May we contact a customer, for what, when, and why not",
        needs=Permission.CRM_READ,
        json=card,
        answer=CardOut,
        errors=("customer-not-found", "record-closed"),
        views="customer",
        tag="contactability",
    ),
    Route(
        method="POST",
        path=f"{_CUSTOMER}/consents",
        summary="Note what a customer agreed to, with its proof",
        needs=Permission.CRM_WRITE,
        json=agree,
        body=ConsentIn,
        answer=CardOut,
        status=201,
        once=True,
        errors=("bad-consent", "customer-not-found", "record-closed"),
        tag="contactability",
    ),
    Route(
        method="POST",
        path=f"{_CUSTOMER}/consents/{{consent_id}}/withdraw",
        summary="A customer takes a consent back",
        needs=Permission.CRM_WRITE,
        json=withdraw,
        body=WithdrawIn,
        answer=CardOut,
        errors=("consent-not-found", "customer-not-found", "record-closed"),
        tag="contactability",
    ),
    Route(
        method="POST",
        path=f"{_CUSTOMER}/contact-switches",
        summary="Turn a purpose off for a customer, or for one vehicle of his",
        needs=Permission.CRM_WRITE,
        json=turn_off,
        body=SwitchIn,
        answer=CardOut,
        errors=("bad-contact-switch", "customer-not-found", "record-closed", "vehicle-not-found"),
        tag="contactability",
    ),
    Route(
        method="POST",
        path=f"{_CUSTOMER}/contact-switches/{{switch_id}}/on",
        summary="Turn a purpose on again",
        needs=Permission.CRM_WRITE,
        json=turn_on,
        answer=CardOut,
        errors=("consent-not-found", "customer-not-found", "record-closed"),
        tag="contactability",
    ),
)
