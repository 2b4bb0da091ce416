"""`web.ports.survey_links.SurveyLinks` over the database."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from sqlalchemy import Connection

from access.audit import Entry
from access.users import LANGUAGES, Principal
from config.settings import Settings
from crm.records.customers import CustomerKind, CustomerNotFound, Honorific
from crm.scripts import scripts, templates
from crm.scripts.honorifics import address
from crm.scripts.templates import PartKind
from crm.surveys.branching import missing, next_question, path
from crm.surveys.offers import Offer, OfferNotFound, VisitState, by_link
from crm.surveys.questionnaires import Channel, Question
from crm.surveys.states import VersionRow, VersionState
from storage import audit, questionnaires, responses, survey_links
from storage.cases import stops_contact
from storage.customers import get_customer
from storage.database import Database
from storage.merging import current_id
from storage.person import open_customer
from storage.sight import Sight, sight
from storage.survey_links import Visit
from storage.vehicles import vehicles_of
from telephony.hours import WorkingTime
from telephony.numbers import parse, readable
from web.ports.survey_links import OfferChoice, OfferLine, OfferPage, Said, SurveyVisit


def survey_link_book(database: Database, hours: WorkingTime, settings: Settings) -> SurveyLinkBook:
    """The book of this installation."""
    options, hotline = settings.crm.surveys, settings.telephony.hotline
    raw = options.phone or next(iter(hotline.numbers), "")
    number = parse(raw, hotline.country, hotline.area_code) if raw else None
    return SurveyLinkBook(
        database,
        hours,
        days=options.link_days,
        dealership=settings.dealership,
        phone=readable(number, hotline.country) if number else raw,
    )


class SurveyLinkBook:
    """Surveys by private link."""

    def __init__(
        self, database: Database, hours: WorkingTime, *, days: int, dealership: str, phone: str
    ) -> None:
        self._database = database
        self._hours = hours
        self._days = days
        self._dealership = dealership
        self.phone = phone

    # -- offering --------------------------------------------------------------------------------

    async def offered(
        self, viewer: Principal, customer_id: str, now: datetime, *, contact_id: str | None = None
    ) -> OfferPage:
        def work(connection: Connection) -> OfferPage:
            whose = open_customer(connection, viewer, current_id(connection, customer_id), now=now)
            found = survey_links.offers_of(connection, whose.id, contact_id=contact_id)
            versions = questionnaires.list_versions(connection)
            labels = _labels(versions)
            cars = {car.id: car for car, _role in vehicles_of(connection, whose.id)}
            return OfferPage(
                customer_id=whose.id,
                contact_id=contact_id,
                lines=[_line(one, labels, now) for one in found],
                choices=_choices(versions),
                vehicles=[(one.id, f"{one.plate or ''} {one.model}".strip()) for one in cars.values()],
                open_case=stops_contact(connection, [whose.id]).get(whose.id, ""),
                days=self._days,
            )

        return await self._database.read(work)

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
        def work(connection: Connection) -> tuple[OfferLine, str]:
            whose = open_customer(connection, viewer, current_id(connection, customer_id), now=entry.at)
            made, secret = survey_links.offer_survey(
                connection,
                questionnaire=questionnaire,
                customer_id=whose.id,
                vehicle_id=vehicle_id,
                contact_id=contact_id,
                life=timedelta(days=self._days),
                now=entry.at,
                by=viewer,
            )
            audit.append(connection, replace(entry, subject=f"customer:{whose.id}"))
            return _line(made, _labels(questionnaires.list_versions(connection)), entry.at), secret

        return await self._database.write(work)

    async def revoke(self, viewer: Principal, offer_id: str, entry: Entry) -> OfferLine:
        def work(connection: Connection) -> OfferLine:
            before = survey_links.get_offer(connection, offer_id)
            if sight(connection, viewer, before.customer_id, entry.at) is not Sight.OPEN:
                raise OfferNotFound("There is no such link.")
            made = survey_links.revoke(connection, offer_id, entry.at)
            audit.append(connection, replace(entry, subject=f"customer:{made.customer_id}"))
            return _line(made, _labels(questionnaires.list_versions(connection)), entry.at)

        return await self._database.write(work)

    # -- the customer's side ---------------------------------------------------------------------

    async def visit(self, secret: str, browser: str, now: datetime) -> SurveyVisit:
        return await self._database.read(
            lambda c: self._shown(c, survey_links.visit(c, secret, browser, now), now)
        )

    async def begin(self, secret: str, browser: str, now: datetime) -> SurveyVisit:
        return await self._database.write(
            lambda c: self._shown(c, survey_links.begin(c, secret, browser, now), now)
        )

    async def answer(
        self, secret: str, browser: str, question: str, value: object, *, based_on: int | None, now: datetime
    ) -> SurveyVisit:
        def work(connection: Connection) -> SurveyVisit:
            made = survey_links.answer(
                connection, secret, browser, question, value, based_on=based_on, now=now
            )
            return self._shown(connection, made, now)

        return await self._database.write(work)

    async def finish(self, secret: str, browser: str, now: datetime) -> SurveyVisit:
        def work(connection: Connection) -> SurveyVisit:
            made = survey_links.finish(connection, secret, browser, now=now, hours=self._hours)
            return self._shown(connection, made, now)

        return await self._database.write(work)

    async def decline(self, secret: str, browser: str, now: datetime) -> SurveyVisit:
        def work(connection: Connection) -> SurveyVisit:
            made = survey_links.decline(connection, secret, browser, now=now, hours=self._hours)
            return self._shown(connection, made, now)

        return await self._database.write(work)

    def _shown(self, connection: Connection, visit: Visit, now: datetime) -> SurveyVisit:
        asked, response = visit.asked, visit.response
        try:
            customer = get_customer(connection, visit.offer.customer_id)
        except CustomerNotFound:
            customer = None
        plain = SurveyVisit(
            state=visit.state,
            offer_id=visit.offer.id,
            expires_at=visit.link.expires_at,
            language=customer.language if customer is not None else None,
            questionnaire=asked,
            path=path(asked, {}).codes,
        )
        if response is None or visit.state is not VisitState.ASKING:
            return plain
        salutation: dict[str, str] = {}
        places: dict[str, dict[str, str | None]] = {}
        for language in LANGUAGES:
            said = None
            if customer is not None and (
                customer.kind is CustomerKind.COMPANY or customer.honorific is not Honorific.NONE
            ):
                said = address(customer.name, customer.honorific, customer.kind, language)
            if said:
                salutation[language] = said
            hour = now.astimezone(self._hours.zone).hour
            places[language] = {
                "customer.address": said,
                "dealership": self._dealership,
                "greeting": scripts.part_of_day(hour, language),
            }
        way = path(asked, response.values).codes
        values = {code: one.value for code, one in response.answers.items()}
        following = next_question(
            asked, response.values, [code for code, one in values.items() if one is None]
        )
        return replace(
            plain,
            salutation=salutation,
            texts={one.code: _text(one, places) for one in asked.questions},
            path=way,
            values=values,
            shown={
                one.code: {
                    language: responses.answer_text(one, values.get(one.code), language)
                    for language in LANGUAGES
                }
                for one in asked.questions
                if one.code in way
            },
            missing=missing(asked, response.values),
            next=following.code if following is not None else "",
            rev=response.rev,
        )


def _text(question: Question, places: Mapping[str, Mapping[str, str | None]]) -> Said:
    """A question as the customer reads it. What a private page does not tell is left out, never asked for."""
    said: dict[str, str] = {}
    for language in LANGUAGES:
        words = question.text.get(language) or next(iter(question.text.values()), "")
        parts = templates.render(words, places[language])
        said[language] = "".join(part.text for part in parts if part.kind is not PartKind.HINT).strip()
    return said


def _labels(versions: Sequence[VersionRow]) -> Mapping[str, Said]:
    found: dict[str, Said] = {}
    for one in versions:
        if one.code not in found or one.state is VersionState.APPROVED:
            found[one.code] = one.label
    return found


def _choices(versions: Sequence[VersionRow]) -> list[OfferChoice]:
    return [
        OfferChoice(code=one.code, label=one.label)
        for one in versions
        if one.state is VersionState.APPROVED
        and by_link(one.purpose)
        and Channel.WEB.value in one.body.get("channels", ())
    ]


def _line(offer: Offer, labels: Mapping[str, Said], now: datetime) -> OfferLine:
    return OfferLine(
        offer=offer,
        state=offer.state(now),
        label=labels.get(offer.questionnaire, {"zh-CN": offer.questionnaire}),
    )
