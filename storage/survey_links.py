"""Surveys offered to customers by private links: made, opened in one browser, answered there, ended once.

The response begins when somebody opens the link and presses the button, not when the link is made. Everything a link
does is one transaction with the response (`storage.responses`): an answer that was given is kept, and the case of a
dissatisfied customer opens with the end.
"""

from __future__ import annotations

import hmac
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Connection, RowMapping, Select, insert, select, update

from access.ids import new_id
from access.sentences import Sentence
from access.users import Principal
from crm.contacts.contacts import ContactNotFound, ContactState
from crm.links.links import Link, LinkElsewhere, LinkKind, LinkNotFound, check
from crm.records.customers import VehicleNotFound
from crm.surveys.offers import OVER, Offer, OfferNotFound, OfferRefused, OfferState, VisitState, by_link
from crm.surveys.questionnaires import Channel, Questionnaire
from crm.surveys.responses import Response, ResponseState
from storage import responses
from storage.cases import stopping, stops_contact
from storage.contact_rows import get_contact
from storage.customers import get_customer
from storage.links import bind_link, find_link, make_link, use_link
from storage.merging import current_id
from storage.questionnaires import approved, questionnaire_of
from storage.tables.cases import cases
from storage.tables.links import links
from storage.tables.surveys import responses as response_rows
from storage.tables.surveys import survey_offers
from storage.vehicles import people_of
from telephony.hours import WorkingTime

#: Links of one customer that are listed.
MOST: Final = 30
_AUDIENCE: Final = "customer"
#: States in which nothing is answered or ended.
_NOT_ASKING: Final = (VisitState.BEGIN, VisitState.ANSWERED, VisitState.DECLINED)
#: Why a response ends where the customer himself says no.
_DECLINED: Final = "客户在问卷链接中选择不参加"


@dataclass(frozen=True, kw_only=True, slots=True)
class Visit:
    """What the holder of a link finds."""

    state: VisitState
    link: Link
    offer: Offer
    #: What is asked: the version the response began with; before that, what is asked now.
    asked: Questionnaire
    #: None: nobody has begun.
    response: Response | None = None


# -- offering -----------------------------------------------------------------------------------------


def offer_survey(
    connection: Connection,
    *,
    questionnaire: str,
    customer_id: str,
    vehicle_id: str | None = None,
    contact_id: str | None = None,
    life: timedelta,
    now: datetime,
    by: Principal | None,
) -> tuple[Offer, str]:
    """A link by which the customer answers: (offer, secret). The secret can be read only here.

    An older link of the same contact (or, without one, of the customer) to the same questionnaire opens nothing from
    now on. Whether the customer wants messages is for whoever sends it to ask.

    Raises OfferRefused, QuestionnaireNotFound, CustomerNotFound, VehicleNotFound, ContactNotFound.
    """
    asked, _version = approved(connection, questionnaire)
    if Channel.WEB not in asked.channels or not by_link(asked.purpose):
        raise OfferRefused(
            "This questionnaire is not made for a link; its page says by which ways it is asked. No link was made."
        )
    whose = get_customer(connection, current_id(connection, customer_id))
    number = stops_contact(connection, [whose.id]).get(whose.id)
    if number is not None:
        raise OfferRefused(
            Sentence(
                "Complaint {number} of this customer is not closed; no surveys are sent until it is. "
                "No link was made.",
                number=number,
            )
        )
    if vehicle_id is not None and all(
        one.customer_id != whose.id for one in people_of(connection, vehicle_id)
    ):
        raise VehicleNotFound("This vehicle is not one of the customer's. No link was made.")
    if contact_id is not None:
        _require_contact(connection, contact_id, whose.id, questionnaire)
    _replace(connection, whose.id, contact_id, questionnaire, now)
    offer_id = new_id(now)
    link, secret, _pin = make_link(
        connection,
        LinkKind.SURVEY,
        offer_id,
        audience=_AUDIENCE,
        now=now,
        expires_at=now + life,
        by=by.user_id if by is not None else None,
    )
    connection.execute(
        insert(survey_offers).values(
            id=offer_id,
            link_id=link.id,
            customer_id=whose.id,
            vehicle_id=vehicle_id,
            contact_id=contact_id,
            questionnaire=asked.code,
            made_by_name=by.name[:64] if by is not None else "",
            urgent=False,
        )
    )
    return get_offer(connection, offer_id), secret


def _require_contact(connection: Connection, contact_id: str, customer_id: str, questionnaire: str) -> None:
    contact = get_contact(connection, contact_id)
    if current_id(connection, contact.customer_id) != customer_id:
        raise ContactNotFound("There is no such contact.")
    if contact.state is ContactState.CLOSED:
        raise OfferRefused("This contact is closed. No link was made; offer it from the customer's page.")
    known = responses.of_contact(connection, contact_id, questionnaire)
    if known is not None and known.state is ResponseState.FINISHED:
        raise OfferRefused("The customer has answered this questionnaire for this contact. No link was made.")
    if known is not None and known.state is ResponseState.DECLINED:
        raise OfferRefused("The customer declined this questionnaire for this contact. No link was made.")


def _replace(
    connection: Connection, customer_id: str, contact_id: str | None, questionnaire: str, now: datetime
) -> None:
    older = select(survey_offers.c.link_id).where(
        survey_offers.c.customer_id == customer_id,
        survey_offers.c.questionnaire == questionnaire,
        survey_offers.c.contact_id.is_(None)
        if contact_id is None
        else survey_offers.c.contact_id == contact_id,
    )
    _take_back(connection, older, now)


def _take_back(connection: Connection, wanted: Select[tuple[str]], now: datetime) -> int:
    return connection.execute(
        update(links)
        .where(links.c.id.in_(wanted), links.c.revoked_at.is_(None), links.c.used_at.is_(None))
        .values(revoked_at=now)
    ).rowcount


def revoke(connection: Connection, offer_id: str, now: datetime) -> Offer:
    """The link opens nothing any more; again changes nothing. Raises OfferNotFound, OfferRefused."""
    before = get_offer(connection, offer_id)
    if before.state(now) is OfferState.ANSWERED:
        raise OfferRefused("This survey is answered; there is nothing to take back.")
    _take_back(connection, select(survey_offers.c.link_id).where(survey_offers.c.id == offer_id), now)
    return get_offer(connection, offer_id)


def revoke_of(connection: Connection, customer_ids: Collection[str], now: datetime) -> int:
    """Take back every link of these customers: their data is to be erased."""
    wanted = select(survey_offers.c.link_id).where(survey_offers.c.customer_id.in_(customer_ids))
    return _take_back(connection, wanted, now)


# -- reading ------------------------------------------------------------------------------------------


def _offers() -> Select[tuple[object, ...]]:
    return (
        select(
            survey_offers,
            links.c.made_at,
            links.c.expires_at,
            links.c.opened_at,
            links.c.used_at,
            links.c.revoked_at,
            response_rows.c.state.label("response_state"),
            response_rows.c.dissatisfied,
        )
        .join(links, links.c.id == survey_offers.c.link_id)
        .outerjoin(response_rows, response_rows.c.id == survey_offers.c.response_id)
    )


def _offer(row: RowMapping) -> Offer:
    plain = {name: row[name] for name in Offer.__slots__}
    state = row["response_state"]
    return Offer(
        **{
            **plain,
            "response_state": ResponseState(state) if state else None,
            "dissatisfied": bool(row["dissatisfied"]),
        }
    )


def get_offer(connection: Connection, offer_id: str) -> Offer:
    """One offer. Raises OfferNotFound."""
    row = connection.execute(_offers().where(survey_offers.c.id == offer_id)).mappings().one_or_none()
    if row is None:
        raise OfferNotFound("There is no such link.")
    return _offer(row)


def offers_of(
    connection: Connection, customer_id: str, *, contact_id: str | None = None, limit: int = MOST
) -> list[Offer]:
    """A customer's offers, or those of one of his contacts; the newest first."""
    wanted = _offers().where(survey_offers.c.customer_id == customer_id)
    if contact_id is not None:
        wanted = wanted.where(survey_offers.c.contact_id == contact_id)
    rows = connection.execute(wanted.order_by(survey_offers.c.id.desc()).limit(limit)).mappings()
    return [_offer(row) for row in rows]


# -- the customer's side ------------------------------------------------------------------------------


def visit(connection: Connection, secret: str, browser: str, now: datetime) -> Visit:
    """What the holder of this secret with this cookie (its hash) finds; nothing is changed.

    Raises LinkNotFound, LinkRevoked, LinkExpired, LinkElsewhere; QuestionnaireNotFound where it was retired before
    anybody began.
    """
    link = find_link(connection, LinkKind.SURVEY, secret)
    try:
        offer = get_offer(connection, link.subject)
    except OfferNotFound as error:
        raise LinkNotFound("There is no such link. Ask the person who sent it for a new one.") from error
    known = _response(connection, offer)
    if known is not None:
        asked = questionnaire_of(connection, known.questionnaire, known.version)
    else:
        asked, _version = approved(connection, offer.questionnaire)
    declined = known is not None and known.state is ResponseState.DECLINED
    over = VisitState.DECLINED if declined else VisitState.ANSWERED
    found = Visit(state=over, link=link, offer=offer, asked=asked, response=known)
    if link.used_at is not None:
        return found
    check(link, now)
    if link.browser is not None and not hmac.compare_digest(link.browser, browser):
        raise LinkElsewhere("This link was opened in another browser and opens only there.")
    if known is not None and known.state in OVER:
        return found
    if _stopped(connection, offer, known):
        return _in(found, VisitState.IN_TOUCH)
    return _in(found, VisitState.BEGIN if link.browser is None else VisitState.ASKING)


def _in(found: Visit, state: VisitState) -> Visit:
    return Visit(state=state, link=found.link, offer=found.offer, asked=found.asked, response=found.response)


def _response(connection: Connection, offer: Offer) -> Response | None:
    """The response it leads to: its own, or the one an agent began for the same contact."""
    if offer.response_id is not None:
        return responses.get_response(connection, offer.response_id)
    if offer.contact_id is None:
        return None
    return responses.of_contact(connection, offer.contact_id, offer.questionnaire)


def _stopped(connection: Connection, offer: Offer, response: Response | None) -> bool:
    """Whether another matter of the customer is open; the case of these answers themselves stops nothing."""
    wanted = select(cases.c.id).where(cases.c.customer_id == offer.customer_id, stopping())
    if response is not None and response.opened_case_id is not None:
        wanted = wanted.where(cases.c.id != response.opened_case_id)
    return connection.execute(wanted.limit(1)).first() is not None


def begin(connection: Connection, secret: str, browser: str, now: datetime) -> Visit:
    """Tie the link to this browser and begin the response; again gives the same. Errors as `visit`."""
    found = visit(connection, secret, browser, now)
    if found.state is not VisitState.BEGIN:
        return found
    if not bind_link(connection, found.link.id, browser, now):
        raise LinkElsewhere("This link was opened in another browser and opens only there.")
    offer = found.offer
    begun = responses.begin_response(
        connection,
        questionnaire=offer.questionnaire,
        channel=Channel.WEB,
        customer_id=offer.customer_id,
        vehicle_id=offer.vehicle_id,
        contact_id=offer.contact_id,
        occasion=f"link:{offer.id}",
        now=now,
        by=None,
    )
    connection.execute(
        update(survey_offers).where(survey_offers.c.id == offer.id).values(response_id=begun.id)
    )
    responses.note_urgency(
        connection, begun, questionnaire_of(connection, begun.questionnaire, begun.version)
    )
    return visit(connection, secret, browser, now)


def answer(
    connection: Connection,
    secret: str,
    browser: str,
    question: str,
    value: object,
    *,
    based_on: int | None,
    now: datetime,
) -> Visit:
    """Keep one answer. What the customer himself answered before in another window is simply corrected.

    Errors as `visit`, and BadAnswer, ResponseChanged (an agent answered meanwhile), ResponseOver.
    """
    found = visit(connection, secret, browser, now)
    if found.response is None or found.state in _NOT_ASKING:
        return found
    last = found.response.answers.get(question)
    own = last is None or last.channel is Channel.WEB
    responses.answer(
        connection,
        found.response.id,
        question,
        value,
        words=last.words if last is not None else "",
        summary=last.summary if last is not None else "",
        based_on=None if own else based_on,
        channel=Channel.WEB,
        by=None,
        now=now,
    )
    return visit(connection, secret, browser, now)


def finish(connection: Connection, secret: str, browser: str, *, now: datetime, hours: WorkingTime) -> Visit:
    """All is answered: the response ends with what follows of it, and the link is used. Again changes nothing.

    Errors as `visit`, and ResponseIncomplete, ResponseOver.
    """
    found = visit(connection, secret, browser, now)
    if found.response is None or found.state in _NOT_ASKING:
        return found
    responses.finish(connection, found.response.id, channel=Channel.WEB, by=None, now=now, hours=hours)
    use_link(connection, found.link.id, now)
    return visit(connection, secret, browser, now)


def decline(connection: Connection, secret: str, browser: str, *, now: datetime, hours: WorkingTime) -> Visit:
    """The customer does not want to be asked; what he answered before counts. Again changes nothing.

    Errors as `visit`.
    """
    found = begin(connection, secret, browser, now)
    if found.response is None or found.state is not VisitState.ASKING:
        return found
    responses.decline(
        connection,
        found.response.id,
        why=_DECLINED,
        channel=Channel.WEB,
        by=None,
        now=now,
        hours=hours,
    )
    use_link(connection, found.link.id, now)
    return visit(connection, secret, browser, now)
