"""Surveys by private link on both databases: bound to the first browser, begun there, ended there once."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from fixtures_storage import FrozenClock
from sqlalchemy import Connection, func, select

from access.permissions import Role
from access.users import Principal, Via
from config.books import survey_seed
from config.survey_ticks import IDLE, SurveyTicks
from crm.appointments.appointments import NewAppointment, Source, Step, Work
from crm.appointments.options import AppointmentOptions
from crm.appointments.slots import Lane
from crm.cases.cases import CaseKind, CaseSource, Grade, NewCase
from crm.contacts.contacts import ContactNotFound, NewReason, ReasonKind
from crm.links.links import LinkElsewhere, LinkExpired, LinkNotFound, LinkRevoked
from crm.records.changes import HOUSE
from crm.records.customers import VehicleNotFound
from crm.records.vehicles import Role as VehicleRole
from crm.surveys.offers import OfferRefused, OfferState, VisitState
from crm.surveys.questionnaires import Channel
from crm.surveys.responses import (
    QuestionnaireNotFound,
    ResponseChanged,
    ResponseIncomplete,
    ResponseState,
)
from crm.surveys.results import ResultsWanted
from crm.surveys.states import VersionStep
from storage import (
    appointments,
    cases,
    contacts,
    customers,
    erasure,
    merging,
    questionnaires,
    responses,
    slots,
    survey_links,
    traces,
    vehicles,
)
from storage.appointments import Given
from storage.database import Database
from storage.survey_links import Visit
from storage.survey_results import link_counts
from storage.tables.cases import cases as case_rows
from storage.tables.surveys import responses as response_rows
from telephony.hours import WorkingTime

HOURS = WorkingTime(
    zone=ZoneInfo("Asia/Shanghai"), week=[[(9 * 60, 12 * 60), (13 * 60, 18 * 60)]] * 5 + [[], []]
)
LIFE = timedelta(days=14)
PHONE, OTHER = "p" * 64, "o" * 64
HAPPY: dict[str, Any] = {
    "overall": 5,
    "fixed": "fixed",
    "advisor": 5,
    "on_time": "in_time",
    "price": "clear",
    "mileage": None,
    "recommend": 10,
    "improve": None,
}
AGENT = Principal(role=Role.AGENT, via=Via.SESSION, name="Li", user_id=None)


@dataclass
class House:
    database: Database
    clock: FrozenClock
    customer: str
    vehicle: str

    def read(self, work: Any) -> Any:
        return self.database.read_now(work)

    def write(self, work: Any) -> Any:
        return self.database.write_now(work)

    def offer(self, questionnaire: str = "service_visit", **more: Any) -> tuple[Any, str]:
        given = {"customer_id": self.customer, "vehicle_id": self.vehicle, **more}
        made: tuple[Any, str] = self.write(
            lambda c: survey_links.offer_survey(
                c, questionnaire=questionnaire, life=LIFE, now=self.clock.now(), by=AGENT, **given
            )
        )
        return made

    def visit(self, secret: str, browser: str = PHONE) -> Visit:
        found: Visit = self.read(lambda c: survey_links.visit(c, secret, browser, self.clock.now()))
        return found

    def begin(self, secret: str, browser: str = PHONE) -> Visit:
        found: Visit = self.write(lambda c: survey_links.begin(c, secret, browser, self.clock.now()))
        return found

    def answer(self, secret: str, question: str, value: object, based_on: int | None = None) -> Visit:
        found: Visit = self.write(
            lambda c: survey_links.answer(
                c, secret, PHONE, question, value, based_on=based_on, now=self.clock.now()
            )
        )
        return found

    def fill(self, secret: str, **more: Any) -> None:
        for question, value in {**HAPPY, **more}.items():
            self.answer(secret, question, value)

    def finish(self, secret: str) -> Visit:
        found: Visit = self.write(
            lambda c: survey_links.finish(c, secret, PHONE, now=self.clock.now(), hours=HOURS)
        )
        return found

    def state(self, offer_id: str) -> OfferState:
        found: OfferState = self.read(lambda c: survey_links.get_offer(c, offer_id).state(self.clock.now()))
        return found

    def count(self, table: Any) -> int:
        found: int = self.read(lambda c: c.execute(select(func.count()).select_from(table)).scalar_one())
        return found

    def complain(self) -> str:
        new = NewCase(
            kind=CaseKind.COMPLAINT,
            grade=Grade.ORDINARY,
            source=CaseSource.CALL,
            subject="空调异响",
            customer_id=self.customer,
        )
        made: str = self.write(
            lambda c: cases.open_case(c, new, by=None, now=self.clock.now(), hours=HOURS)[0].number
        )
        return made

    def contact(self) -> str:
        reason = NewReason(
            kind=ReasonKind.SERVICE_VISIT,
            occasion="visit 1",
            customer_id=self.customer,
            vehicle_id=self.vehicle,
            due_at=self.clock.now(),
        )
        made = self.write(lambda c: contacts.add_reason(c, reason, self.clock.now()))
        assert made is not None
        return str(made.id)

    async def tick(self) -> None:
        await SurveyTicks(self.database, self.clock, HOURS).look()


@pytest.fixture
def house(database: Database, clock: FrozenClock) -> House:
    now = clock.now()

    def work(c: Connection) -> tuple[str, str]:
        survey_seed.seed(c, now)
        person = customers.add_customer(c, name="王建国", now=now)
        car = vehicles.add_vehicle(c, now=now, plate="沪A12345", brand="大众", model="朗逸")
        vehicles.add_person(c, car.id, person.id, VehicleRole.OWNER, now)
        return person.id, car.id

    return House(database, clock, *database.write_now(work))


def test_the_response_begins_with_the_first_opening_and_ends_once(house: House) -> None:
    offer, secret = house.offer()
    assert house.visit(secret).state is VisitState.BEGIN
    assert house.count(response_rows) == 0
    assert house.state(offer.id) is OfferState.OFFERED
    house.clock.advance(3 * 24 * 3600)
    begun = house.begin(secret)
    assert begun.state is VisitState.ASKING
    assert begun.response is not None
    assert (begun.response.begun_at, begun.response.channel) == (house.clock.now(), Channel.WEB)
    assert begun.response.vehicle_id == house.vehicle
    assert house.begin(secret).response == begun.response  # sent twice
    assert house.state(offer.id) is OfferState.OPENED
    house.fill(secret)
    done = house.finish(secret)
    assert done.state is VisitState.ANSWERED
    assert done.response is not None
    assert done.response.state is ResponseState.FINISHED
    assert house.finish(secret).response == done.response
    assert house.answer(secret, "overall", 1).response == done.response
    assert house.visit(secret, OTHER).state is VisitState.ANSWERED
    assert house.state(offer.id) is OfferState.ANSWERED
    house.clock.advance(30 * 24 * 3600)
    assert house.visit(secret).state is VisitState.ANSWERED
    with pytest.raises(OfferRefused):
        house.write(lambda c: survey_links.revoke(c, offer.id, house.clock.now()))


def test_it_opens_in_the_first_browser_only(house: House) -> None:
    _offer, secret = house.offer()
    house.begin(secret)
    for work in (
        lambda: house.visit(secret, OTHER),
        lambda: house.begin(secret, OTHER),
        lambda: house.visit(secret, ""),
    ):
        with pytest.raises(LinkElsewhere):
            work()
    assert house.visit(secret).state is VisitState.ASKING
    with pytest.raises(LinkNotFound):
        house.visit(secret + "x")


async def test_of_many_first_openings_at_once_one_wins(house: House) -> None:
    _offer, secret = house.offer()
    now = house.clock.now()

    async def open_in(browser: str) -> bool:
        try:
            await house.database.write(lambda c: survey_links.begin(c, secret, browser, now))
        except LinkElsewhere:
            return False
        return True

    won = await asyncio.gather(*(open_in(f"{number:064}") for number in range(6)))
    assert sorted(won) == [False] * 5 + [True]
    assert house.count(response_rows) == 1
    assert house.visit(secret, f"{won.index(True):064}").state is VisitState.ASKING


def test_what_expired_or_was_taken_back_opens_nothing(house: House) -> None:
    offer, secret = house.offer()
    newer, second = house.offer()  # the same questionnaire again takes the older one's place
    with pytest.raises(LinkRevoked):
        house.begin(secret)
    assert house.state(offer.id) is OfferState.REVOKED
    house.clock.advance(14 * 24 * 3600)
    with pytest.raises(LinkExpired):
        house.begin(second)
    assert house.state(newer.id) is OfferState.EXPIRED
    _third, third = house.offer()
    begun = house.begin(third)
    house.write(lambda c: survey_links.revoke(c, begun.offer.id, house.clock.now()))
    with pytest.raises(LinkRevoked):
        house.answer(third, "overall", 1)


def test_the_version_it_began_with_is_asked_to_its_end(house: House) -> None:
    _offer, secret = house.offer()
    _later, later = house.offer("delivery_visit")
    begun = house.begin(secret)
    assert begun.response is not None

    def newer(c: Connection) -> None:
        row = questionnaires.versions_of(c, "service_visit")[0]
        body = {**row.body, "questions": row.body["questions"][:1]}
        made = questionnaires.begin_draft(
            c,
            "service_visit",
            purpose=row.purpose,
            label=row.label,
            body=body,
            by=AGENT,
            now=house.clock.now(),
        )
        for step, by in ((VersionStep.SUBMIT, AGENT), (VersionStep.APPROVE, AGENT)):
            questionnaires.take_step(
                c,
                "service_visit",
                made.version,
                step,
                revision=None,
                by=Principal(role=Role.MANAGER, via=Via.SESSION, name=by.name, user_id=step.value),
                why="",
                now=house.clock.now(),
            )

    house.write(newer)
    visit = house.visit(secret)
    assert len(visit.asked.questions) > 1
    house.fill(secret)
    done = house.finish(secret).response
    assert done is not None
    assert done.version == begun.response.version
    # One retired before anybody began is asked no more, and begins nothing.
    house.write(
        lambda c: questionnaires.take_step(
            c,
            "delivery_visit",
            1,
            VersionStep.RETIRE,
            revision=None,
            by=AGENT,
            why="旧",
            now=house.clock.now(),
        )
    )
    with pytest.raises(QuestionnaireNotFound):
        house.begin(later)
    assert house.count(response_rows) == 1


def test_a_dissatisfied_customer_opens_one_case_with_the_end(house: House) -> None:
    _offer, secret = house.offer()
    house.begin(secret)
    house.fill(secret, overall=1)
    assert house.count(case_rows) == 0
    done = house.finish(secret).response
    assert done is not None
    assert done.opened_case_id is not None
    house.finish(secret)
    assert house.count(case_rows) == 1
    # His own case does not hide the thanks.
    assert house.visit(secret).state is VisitState.ANSWERED


async def test_many_ends_at_once_are_one(house: House) -> None:
    _offer, secret = house.offer()
    house.begin(secret)
    house.fill(secret, overall=1)
    now = house.clock.now()
    ended = await asyncio.gather(
        *(
            house.database.write(lambda c: survey_links.finish(c, secret, PHONE, now=now, hours=HOURS))
            for _ in range(5)
        )
    )
    assert {one.state for one in ended} == {VisitState.ANSWERED}
    assert house.count(case_rows) == 1


async def test_the_customer_may_come_back_as_long_as_the_link_lives(house: House) -> None:
    _offer, secret = house.offer()
    begun = house.begin(secret).response
    assert begun is not None
    house.answer(secret, "overall", 5)
    house.clock.advance(10 * 24 * 3600)
    await house.tick()
    assert house.visit(secret).response.state is ResponseState.BEGUN  # type: ignore[union-attr]
    house.clock.advance(5 * 24 * 3600)
    await house.tick()
    kept = house.read(lambda c: responses.get_response(c, begun.id))
    assert kept.state is ResponseState.BROKEN_OFF
    assert kept.values == {"overall": 5}


async def test_a_complaint_left_lying_is_not_kept_until_the_link_ends(house: House) -> None:
    _offer, secret = house.offer()
    house.begin(secret)
    house.answer(secret, "overall", 1)
    house.clock.advance(IDLE[Channel.WEB].total_seconds() + 60)
    await house.tick()
    left = house.visit(secret)
    assert left.response is not None
    assert left.response.state is ResponseState.BROKEN_OFF
    assert left.response.opened_case_id is not None
    # He comes back and goes on: the case his own answers opened does not stop him, and it stays one.
    assert left.state is VisitState.ASKING
    house.fill(secret, overall=1)
    assert house.finish(secret).response.state is ResponseState.FINISHED  # type: ignore[union-attr]
    assert house.count(case_rows) == 1


def test_an_open_complaint_stops_links_and_surveys(house: House) -> None:
    _offer, secret = house.offer()
    _begun, begun = house.offer("delivery_visit")
    house.begin(begun)
    number = house.complain()
    with pytest.raises(OfferRefused, match=number):
        house.offer("service_card")
    assert house.begin(secret).state is VisitState.IN_TOUCH
    assert house.count(response_rows) == 1
    assert house.visit(begun).state is VisitState.IN_TOUCH
    # What he was typing is kept all the same.
    kept = house.answer(begun, "overall", 4)
    assert kept.state is VisitState.IN_TOUCH
    assert kept.response is not None
    assert kept.response.values == {"overall": 4}


def test_a_contact_has_one_response_whoever_asks(house: House) -> None:
    contact_id = house.contact()
    offer, secret = house.offer(contact_id=contact_id)
    begun = house.begin(secret).response
    assert begun is not None

    def by_agent(c: Connection) -> Any:
        return responses.begin_response(
            c,
            questionnaire="service_visit",
            channel=Channel.AGENT,
            customer_id=house.customer,
            contact_id=contact_id,
            now=house.clock.now(),
            by=AGENT,
        )

    assert house.write(by_agent).id == begun.id
    # The agent answers in the call; the customer's page is out of date for this question only.
    house.answer(secret, "overall", 4, based_on=begun.rev)
    house.write(
        lambda c: responses.answer(
            c, begun.id, "advisor", 3, channel=Channel.AGENT, by=AGENT, now=house.clock.now()
        )
    )
    with pytest.raises(ResponseChanged):
        house.answer(secret, "advisor", 5, based_on=begun.rev)
    house.answer(secret, "overall", 5, based_on=begun.rev)  # his own answer he may correct from any window
    with pytest.raises(ResponseIncomplete):
        house.finish(secret)
    for question, value in HAPPY.items():
        if question != "overall":
            house.answer(secret, question, value)
    house.finish(secret)
    (listed,) = house.read(lambda c: survey_links.offers_of(c, house.customer, contact_id=contact_id))
    assert (listed.id, listed.response_id) == (offer.id, begun.id)
    assert listed.state(house.clock.now()) is OfferState.ANSWERED
    with pytest.raises(OfferRefused):
        house.offer(contact_id=contact_id)


def test_only_what_fits_is_offered(house: House) -> None:
    now = house.clock.now()
    stranger = house.write(lambda c: customers.add_customer(c, name="李四", now=now).id)
    with pytest.raises(OfferRefused):
        house.offer("case_second_visit")
    with pytest.raises(QuestionnaireNotFound):
        house.offer("nothing")
    with pytest.raises(VehicleNotFound):
        house.offer(customer_id=stranger)
    with pytest.raises(ContactNotFound):
        house.offer(customer_id=stranger, vehicle_id=None, contact_id=house.contact())


def test_a_merge_takes_the_link_along(house: House) -> None:
    offer, secret = house.offer()
    now = house.clock.now()
    survivor = house.write(lambda c: customers.add_customer(c, name="王建国", now=now).id)
    house.write(lambda c: merging.merge(c, survivor, house.customer, choices={}, now=now, by=HOUSE))
    listed = house.read(lambda c: survey_links.offers_of(c, survivor))
    assert [one.id for one in listed] == [offer.id]
    begun = house.begin(secret).response
    assert begun is not None
    assert begun.customer_id == survivor


def test_an_erased_customer_has_no_link(house: House) -> None:
    _offer, secret = house.offer()
    person = house.read(lambda c: traces.person_of(c, house.customer))
    tied = house.read(lambda c: traces.tied_rows(c, person))
    assert len(tied.keys["survey_offers"]) == 1  # a person's export has it
    house.write(
        lambda c: erasure.erase(
            c, house.customer, found=traces.Tied(), pseudonym="gone-1", now=house.clock.now(), tied=tied
        )
    )
    with pytest.raises(LinkRevoked):
        house.begin(secret)


def test_results_know_who_served_the_customer(house: House) -> None:
    """The advisor of the appointment that was kept; who only booked was served by nobody yet."""
    at = datetime(2026, 6, 17, 2, tzinfo=UTC)  # Wednesday, 10:00 at the house
    assert house.clock.now() < at
    every: dict[str, Any] = {"by": AGENT, "hours": HOURS, "options": AppointmentOptions()}

    def book(c: Connection) -> str:
        now = house.clock.now()
        shop = slots.save_workshop(
            c, workshop_id=None, name="一号", address="", active=True, version=None, now=now
        )
        lane = Lane(
            id="",
            workshop_id=shop.id,
            name="王顾问",
            advisor="王芳",
            works=frozenset(Work),
            weekdays=frozenset(range(6)),
            opens=540,
            closes=1020,
            pause_from=None,
            pause_until=None,
            cell_minutes=60,
            capacity=1,
        )
        slots.save_lane(c, lane, now=now, new=True)
        new = NewAppointment(
            work=Work.MAINTENANCE,
            workshop_id=shop.id,
            starts_at=at,
            customer_id=house.customer,
            vehicle_id=house.vehicle,
        )
        return appointments.book(c, new, now=now, **every).id

    appointment_id = house.write(book)
    house.clock.advance((at - house.clock.now()).total_seconds() + 60)
    _early, secret = house.offer()
    begun = house.begin(secret).response
    assert begun is not None
    assert begun.advisor == ""
    house.write(
        lambda c: appointments.take_step(
            c, appointment_id, Step.ARRIVE, Given(), source=Source.PAGE, now=house.clock.now(), **every
        )
    )
    for questionnaire, advisor in (
        ("service_visit", "王芳"),
        ("delivery_visit", ""),
        ("service_card", "王芳"),
    ):
        _offer, secret = house.offer(questionnaire)
        begun = house.begin(secret).response
        assert begun is not None
        assert begun.advisor == advisor, questionnaire


def test_results_count_the_links_that_were_offered_opened_and_answered(house: House) -> None:
    begun = house.clock.now()
    _replaced, _secret = house.offer()
    answered, secret = house.offer()  # takes the place of the one before, which nobody opened
    house.begin(secret)
    house.fill(secret)
    house.finish(secret)
    assert house.state(answered.id) is OfferState.ANSWERED
    house.offer(questionnaire="delivery_visit")
    other = house.write(lambda c: customers.add_customer(c, name="李", now=begun).id)
    _opened, secret = house.offer(customer_id=other, vehicle_id=None)
    house.begin(secret)
    wanted = ResultsWanted(
        questionnaire="service_visit", since=begun, until=house.clock.now() + timedelta(seconds=1)
    )
    viewer = Principal(role=Role.MANAGER, via=Via.SESSION, name="经理")
    found = house.read(lambda c: link_counts(c, viewer, wanted, now=house.clock.now()))
    assert (found.offered, found.opened, found.answered) == (2, 2, 1)
    earlier = replace(wanted, since=begun - timedelta(days=9), until=begun)
    before = house.read(lambda c: link_counts(c, viewer, earlier, now=house.clock.now()))
    assert before.offered == 0
