"""Questionnaires and responses on both databases: approval, versions, two windows, and the case that is never lost."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from fixtures_storage import FrozenClock
from sqlalchemy import func, select

from access.ids import new_id
from access.permissions import Role
from access.users import Principal, User, Via
from config.books.survey_seed import seed
from crm.cases.cases import Case, CaseKind, CaseSource, CaseState, Grade, NewCase, Reached, Responsibility
from crm.cases.rules import Rules
from crm.cases.steps import Given, Step
from crm.records.changes import HOUSE
from crm.records.vehicles import Role as VehicleRole
from crm.surveys.questionnaires import Channel, Purpose
from crm.surveys.responses import (
    BadAnswer,
    QuestionnaireChanged,
    QuestionnaireNotFound,
    QuestionnaireStep,
    Response,
    ResponseChanged,
    ResponseIncomplete,
    ResponseOver,
    ResponseState,
)
from crm.surveys.states import VersionState, VersionStep
from storage import cases, customers, erasure, merging, questionnaires, responses, traces, users, vehicles
from storage.database import Database
from storage.tables.cases import cases as case_rows
from storage.tables.surveys import response_answers, response_scores
from telephony.hours import WorkingTime
from telephony.numbers import E164

HOURS = WorkingTime(
    zone=ZoneInfo("Asia/Shanghai"), week=[[(9 * 60, 12 * 60), (13 * 60, 18 * 60)]] * 5 + [[], []]
)
#: Every question of the service visit that must be answered, by a happy customer.
HAPPY: dict[str, Any] = {
    "overall": 5,
    "fixed": "fixed",
    "advisor": 5,
    "on_time": "in_time",
    "price": "clear",
    "recommend": 10,
}


def person(database: Database, clock: FrozenClock, login: str, role: Role) -> Principal:
    user = User(
        id=new_id(clock.now()),
        login=login,
        name=login.title(),
        role=role,
        language="zh-CN",
        theme="auto",
        created_at=clock.now(),
    )
    database.write_now(lambda c: users.insert_user(c, user, password_hash="x"))
    return Principal(role=role, via=Via.SESSION, name=user.name, user_id=user.id)


@dataclass
class House:
    """A house with the shipped questionnaires, people, a customer and a car."""

    database: Database
    clock: FrozenClock
    agent: Principal
    writer: Principal
    manager: Principal
    customer: str
    vehicle: str

    def begin(self, questionnaire: str = "service_visit", **more: Any) -> Response:
        given: dict[str, Any] = {
            "channel": Channel.AGENT,
            "customer_id": self.customer,
            "vehicle_id": self.vehicle,
            "by": self.agent,
            **more,
        }
        return self.database.write_now(
            lambda c: responses.begin_response(c, questionnaire=questionnaire, now=self.clock.now(), **given)
        )

    def answer(self, response: Response, question: str, value: object, **more: Any) -> Response:
        given: dict[str, Any] = {"channel": Channel.AGENT, "by": self.agent, **more}
        return self.database.write_now(
            lambda c: responses.answer(c, response.id, question, value, now=self.clock.now(), **given)
        )

    def fill(self, response: Response, values: dict[str, Any]) -> Response:
        for question, value in values.items():
            response = self.answer(response, question, value)
        return response

    def finish(self, response: Response, **more: Any) -> Response:
        return self.database.write_now(
            lambda c: responses.finish(
                c,
                response.id,
                channel=Channel.AGENT,
                by=self.agent,
                now=self.clock.now(),
                hours=HOURS,
                **more,
            )
        )

    def break_off(self, response: Response, why: str = "客户在开车") -> Response:
        return self.database.write_now(
            lambda c: responses.break_off(
                c,
                response.id,
                why=why,
                channel=Channel.AGENT,
                by=self.agent,
                now=self.clock.now(),
                hours=HOURS,
            )
        )

    def get(self, response: Response) -> Response:
        return self.database.read_now(lambda c: responses.get_response(c, response.id))

    def case(self, case_id: str | None) -> Case:
        assert case_id is not None
        return self.database.read_now(lambda c: cases.get_case(c, case_id))

    def count(self, table: Any) -> int:
        return self.database.read_now(
            lambda c: c.execute(select(func.count()).select_from(table)).scalar_one()
        )

    def draft(self, code: str, **changes: Any) -> int:
        """A new version by the writer, submitted and approved by the manager."""

        def work(c: Any) -> int:
            newest = questionnaires.versions_of(c, code)[0]
            row = questionnaires.begin_draft(
                c,
                code,
                purpose=newest.purpose,
                label=newest.label,
                body={**newest.body, **changes},
                by=self.writer,
                now=self.clock.now(),
            )
            for step, by in ((VersionStep.SUBMIT, self.writer), (VersionStep.APPROVE, self.manager)):
                questionnaires.take_step(
                    c, code, row.version, step, revision=None, by=by, why="", now=self.clock.now()
                )
            return row.version

        return self.database.write_now(work)


@pytest.fixture
def house(database: Database, clock: FrozenClock) -> House:
    def records(c: Any) -> tuple[str, str]:
        seed(c, clock.now())
        customer = customers.add_customer(c, name="王建国", now=clock.now())
        customers.add_contact(c, customer.id, E164("+8613812345678"), clock.now(), primary=True)
        vehicle = vehicles.add_vehicle(
            c, now=clock.now(), plate="沪A12345", model="朗逸", brand="大众", mileage=30_000
        )
        vehicles.add_person(c, vehicle.id, customer.id, VehicleRole.OWNER, clock.now())
        return customer.id, vehicle.id

    agent, writer, manager = (
        person(database, clock, login, role)
        for login, role in (("lina", Role.AGENT), ("chen", Role.SUPERVISOR), ("zhao", Role.MANAGER))
    )
    customer, vehicle = database.write_now(records)
    return House(database, clock, agent, writer, manager, customer, vehicle)


# -- questionnaires -------------------------------------------------------------------------------


def test_what_is_shipped_is_there_once_and_approved(house: House) -> None:
    assert house.database.write_now(lambda c: seed(c, house.clock.now())) == 0
    found = house.database.read_now(questionnaires.list_versions)
    assert {(one.code, one.version, one.state) for one in found} == {
        (code, 1, VersionState.APPROVED)
        for code in ("delivery_visit", "service_visit", "case_second_visit", "service_card", "service_keypad")
    }


def test_what_is_made_for_keys_is_not_begun_by_an_agent(house: House) -> None:
    with pytest.raises(QuestionnaireNotFound, match="not made to be asked this way"):
        house.begin("service_keypad")
    assert house.begin("service_keypad", channel=Channel.KEYPAD).questionnaire == "service_keypad"


def test_only_another_person_approves_and_only_what_is_approved_is_asked(house: House) -> None:
    def write(c: Any) -> int:
        return questionnaires.begin_draft(
            c,
            "spring",
            purpose=Purpose.PLAN,
            label={"zh-CN": "春季", "en": "Spring"},
            body=questionnaires.versions_of(c, "service_card")[0].body,
            by=house.manager,
            now=house.clock.now(),
        ).version

    def step(step: VersionStep, by: Principal, why: str = "") -> VersionState:
        return house.database.write_now(
            lambda c: questionnaires.take_step(
                c, "spring", 1, step, revision=None, by=by, why=why, now=house.clock.now()
            )
        ).state

    assert house.database.write_now(write) == 1
    with pytest.raises(QuestionnaireNotFound):
        house.begin("spring")
    with pytest.raises(QuestionnaireStep) as early:
        step(VersionStep.APPROVE, house.writer)
    assert (early.value.state, early.value.allowed_steps) == ("draft", ("write", "submit", "discard"))
    assert step(VersionStep.SUBMIT, house.manager) is VersionState.SUBMITTED
    with pytest.raises(QuestionnaireStep, match="did not write it"):
        step(VersionStep.APPROVE, house.manager)
    second = person(house.database, house.clock, "sun", Role.MANAGER)
    assert step(VersionStep.SEND_BACK, second, "题目太多") is VersionState.DRAFT
    assert step(VersionStep.SUBMIT, house.writer) is VersionState.SUBMITTED
    assert step(VersionStep.APPROVE, second) is VersionState.APPROVED
    history = house.database.read_now(lambda c: questionnaires.versions_of(c, "spring")[0].history)
    assert [(one.step.value, one.by_name, one.why) for one in history] == [
        ("write", "Zhao", ""),
        ("submit", "Zhao", ""),
        ("send_back", "Sun", "题目太多"),
        ("submit", "Chen", ""),
        ("approve", "Sun", ""),
    ]
    assert house.begin("spring").version == 1


def test_who_saves_over_somebody_elses_text_is_told(house: House) -> None:
    def begin(c: Any) -> Any:
        body = questionnaires.versions_of(c, "service_card")[0].body
        return questionnaires.begin_draft(
            c,
            "service_card",
            purpose=Purpose.SERVICE_CARD,
            label={"en": "x"},
            body=body,
            by=house.writer,
            now=house.clock.now(),
        )

    def save(by: Principal, body: dict[str, Any], revision: int) -> int:
        return house.database.write_now(
            lambda c: questionnaires.save_draft(
                c,
                "service_card",
                2,
                body,
                purpose=Purpose.SERVICE_CARD,
                label={"en": "x"},
                revision=revision,
                by=by,
                now=house.clock.now(),
            )
        ).revision

    row = house.database.write_now(begin)
    first = {**row.body, "opening": {"en": "first"}}
    assert save(house.writer, first, row.revision) == row.revision + 1
    # The answer was lost and the page sends again.
    assert save(house.writer, first, row.revision) == row.revision + 1
    with pytest.raises(QuestionnaireChanged) as changed:
        save(house.manager, {"opening": {"en": "second"}}, row.revision)
    assert (changed.value.holder, changed.value.version) == ("Chen", row.revision + 1)


# -- responses ------------------------------------------------------------------------------------


def test_a_survey_changed_while_it_is_filled_in_goes_on_with_its_version(house: House) -> None:
    begun = house.begin(contact_id="contact-1")
    begun = house.answer(begun, "overall", 5)
    body = house.database.read_now(lambda c: questionnaires.versions_of(c, "service_visit")[0].body)
    assert house.draft("service_visit", questions=body["questions"][:1]) == 2
    begun = house.fill(begun, {**HAPPY})
    done = house.finish(begun)
    assert (done.version, done.state, done.total) == (1, ResponseState.FINISHED, 100.0)
    # The same contact goes on with what it began; another one begins with the new version.
    assert house.begin(contact_id="contact-1").id == begun.id
    assert house.begin(contact_id="contact-2").version == 2


def test_a_finished_response_counts_and_finishing_twice_changes_nothing(house: House) -> None:
    done = house.finish(
        house.fill(house.begin(contact_id="a"), {**HAPPY, "mileage": 32_500}), summary="很满意"
    )
    again = house.finish(done)
    assert (again.rev, again.summary, again.dissatisfied) == (done.rev, "很满意", False)
    assert house.count(case_rows) == 0
    with pytest.raises(ResponseOver):
        house.answer(done, "overall", 1)
    # The late repetition of an answer that is there is no mistake.
    assert house.answer(done, "overall", 5).rev == done.rev
    car = house.database.read_now(lambda c: vehicles.get_vehicle(c, house.vehicle))
    assert (car.mileage, car.mileage_on) == (32_500, date(2026, 6, 16))


def test_a_lower_reading_does_not_overwrite_the_vehicles(house: House) -> None:
    house.finish(house.fill(house.begin(), {**HAPPY, "mileage": 3_000}))
    assert house.database.read_now(lambda c: vehicles.get_vehicle(c, house.vehicle)).mileage == 30_000


def test_open_questions_are_named(house: House) -> None:
    begun = house.fill(house.begin(), {"overall": 2, "fixed": "unfixed"})
    with pytest.raises(ResponseIncomplete) as missing:
        house.finish(begun)
    assert missing.value.missing == ("symptom", "advisor", "on_time", "price", "recommend")
    assert house.get(begun).state is ResponseState.BEGUN


def test_a_question_beside_the_path_is_refused_and_a_left_branch_does_not_count(house: House) -> None:
    begun = house.begin()
    with pytest.raises(BadAnswer, match="not asked"):
        house.answer(begun, "symptom", "异响")
    begun = house.fill(begun, {"fixed": "unfixed", "symptom": "异响"})
    begun = house.fill(begun, HAPPY)  # it turned out to be mended
    done = house.finish(begun)
    assert not done.dissatisfied
    assert done.answers["symptom"].value == "异响"  # kept
    scored = house.database.read_now(
        lambda c: set(
            c.execute(
                select(response_scores.c.question).where(response_scores.c.response_id == done.id)
            ).scalars()
        )
    )
    assert scored == set(HAPPY)


def test_a_dissatisfied_customer_opens_one_case_with_the_response(house: House) -> None:
    begun = house.fill(house.begin(contact_id="c"), {**HAPPY, "overall": 2, "fixed": "unfixed"})
    begun = house.answer(begun, "symptom", "高速上 100 码抖动", summary="怀疑动平衡")
    begun = house.answer(begun, "overall", 2, words="修了两次都没好")
    done = house.finish(begun)
    case = house.case(done.opened_case_id)
    assert done.dissatisfied
    assert (case.kind, case.grade, case.source, case.department, case.state) == (
        CaseKind.COMPLAINT,
        Grade.ORDINARY,
        CaseSource.SURVEY,
        "service",
        CaseState.ASSIGNED,
    )
    assert (case.customer_id, case.vehicle_id, case.response_id) == (house.customer, house.vehicle, done.id)
    assert case.occasion == f"response:{done.id}"
    assert case.words == "修了两次都没好\n高速上 100 码抖动"
    assert "没修好或又出现了" in case.summary
    house.finish(done)
    assert house.count(case_rows) == 1


def test_a_case_from_answers_is_written_in_the_house_language(house: House) -> None:
    house.database.use(case_rules=Rules(language="en"))
    begun = house.fill(house.begin(contact_id="c"), {**HAPPY, "overall": 2, "fixed": "unfixed"})
    begun = house.answer(begun, "symptom", "shakes at 100")
    case = house.case(house.finish(house.answer(begun, "fixed", "unfixed", summary="noise")).opened_case_id)
    assert case.subject.startswith("Service return visit: ")
    assert "No, or it came back (noise)" in case.summary
    assert not any("\u4e00" <= sign <= "\u9fff" for sign in case.subject + case.summary)


def test_an_interrupted_dissatisfied_talk_opens_its_case_and_can_be_taken_up(house: House) -> None:
    begun = house.answer(house.begin(contact_id="c"), "overall", 1)
    broken = house.break_off(begun)
    assert (broken.state, broken.why, broken.dissatisfied) == (ResponseState.BROKEN_OFF, "客户在开车", True)
    case = house.case(broken.opened_case_id)
    house.clock.advance(3 * 3600)
    again = house.begin(contact_id="c")
    assert (again.id, again.state, again.answers["overall"].value) == (begun.id, ResponseState.BEGUN, 1)
    done = house.finish(house.fill(again, {**HAPPY, "overall": 1}))
    assert (done.state, done.opened_case_id) == (ResponseState.FINISHED, case.id)
    assert house.count(case_rows) == 1
    notes = [
        one.words
        for one in house.database.read_now(lambda c: cases.events_of(c, case.id))
        if one.step == Step.NOTE
    ]
    assert len(notes) == 1
    assert "10/10" in notes[0]


def test_an_answer_takes_up_what_the_house_broke_off(house: House) -> None:
    begun = house.answer(house.begin(channel=Channel.WEB, by=None, occasion="link:1"), "overall", 5, by=None)
    house.clock.advance(2 * 3600)
    late = {channel: house.clock.now() - timedelta(hours=1) for channel in Channel}
    found = house.database.read_now(lambda c: responses.idle(c, late, house.clock.now()))
    assert found == [(begun.id, Channel.WEB)]
    broken = house.break_off(begun, why="")
    assert house.database.read_now(lambda c: responses.idle(c, late, house.clock.now())) == []
    assert broken.opened_case_id is None
    again = house.answer(begun, "advisor", 4, channel=Channel.WEB, by=None)
    assert again.state is ResponseState.BEGUN


def test_two_windows_are_told_of_each_other(house: House) -> None:
    begun = house.begin()
    agent = house.answer(begun, "overall", 5, based_on=begun.rev)
    # Another question, on an older page: no collision.
    web = house.answer(begun, "advisor", 4, based_on=begun.rev, channel=Channel.WEB, by=None)
    with pytest.raises(ResponseChanged) as changed:
        house.answer(agent, "advisor", 2, based_on=agent.rev)
    assert changed.value.theirs["value"] == 4
    assert changed.value.theirs["channel"] == "web"
    assert changed.value.version == web.rev
    # The same answer from both is one.
    assert house.answer(agent, "advisor", 4, based_on=agent.rev).rev == web.rev
    rest = house.fill(web, {**HAPPY, "advisor": 4})
    with pytest.raises(ResponseChanged):
        house.finish(rest, based_on=web.rev)
    assert house.finish(rest, based_on=rest.rev).state is ResponseState.FINISHED


def test_every_answer_stays_and_the_newest_counts(house: House) -> None:
    begun = house.begin()
    for value in (1, 2, 5):
        begun = house.answer(begun, "overall", value)
    every = house.database.read_now(lambda c: responses.every_answer(c, begun.id))
    assert [(one.value, one.by_name) for one in every] == [(1, "Lina"), (2, "Lina"), (5, "Lina")]
    assert house.get(begun).values == {"overall": 5}


def test_who_declines_is_not_asked_again_for_the_same_contact(house: House) -> None:
    begun = house.begin(contact_id="c")
    house.database.write_now(
        lambda c: responses.decline(
            c,
            begun.id,
            why="没时间",
            channel=Channel.AGENT,
            by=house.agent,
            now=house.clock.now(),
            hours=HOURS,
        )
    )
    again = house.begin(contact_id="c")
    assert (again.id, again.state) == (begun.id, ResponseState.DECLINED)
    with pytest.raises(ResponseOver):
        house.answer(again, "overall", 5)


@pytest.mark.parametrize(("result", "state"), [("satisfied", "satisfied"), ("dissatisfied", "dissatisfied")])
def test_a_second_visit_is_the_verdict_of_its_case(house: House, result: str, state: str) -> None:
    def visiting(c: Any) -> Case:
        new = NewCase(
            kind=CaseKind.COMPLAINT,
            grade=Grade.ORDINARY,
            source=CaseSource.CALL,
            subject="空调不制冷",
            customer_id=house.customer,
        )
        case, _new = cases.open_case(c, new, by=house.agent, now=house.clock.now(), hours=HOURS)
        reply = Given(
            cause="接头松动",
            responsibility=Responsibility.OURS,
            plan="更换接头",
            carry_out_on=date(2026, 6, 18),
        )
        for step, given in (
            (Step.ASSIGN, Given(department="service")),
            (Step.ACCEPT, Given()),
            (Step.REPLY, reply),
            (Step.TELL_PLAN, Given(reached=Reached.AGREED)),
            (Step.CARRIED_OUT, Given()),
        ):
            case = cases.take_step(
                c,
                case.id,
                step,
                given,
                actor=cases.actor_of(house.agent),
                now=house.clock.now(),
                hours=HOURS,
            )
        return case

    case = house.database.write_now(visiting)
    begun = house.begin("case_second_visit", case_id=case.id)
    values = {"done": "all", "result": result} | ({"wants": "还是不冷"} if result == "dissatisfied" else {})
    done = house.finish(house.fill(begun, values))
    after = house.case(case.id)
    assert done.opened_case_id is None
    assert house.count(case_rows) == 1
    if state == "satisfied":
        assert (after.state, after.verdict, after.round) == (CaseState.SECOND_VISIT, Reached.SATISFIED, 1)
    else:
        assert after.round == 2
        # The next round's visit is another response.
        assert house.begin("case_second_visit", case_id=case.id).id != begun.id


# -- merging and erasure --------------------------------------------------------------------------


def test_a_merge_takes_the_answers_along_and_old_ids_lead_on(house: House) -> None:
    done = house.finish(house.fill(house.begin(), HAPPY))
    other = house.database.write_now(
        lambda c: customers.add_customer(c, name="王建国", now=house.clock.now())
    )
    house.database.write_now(
        lambda c: merging.merge(c, other.id, house.customer, choices={}, by=HOUSE, now=house.clock.now())
    )
    found = house.database.read_now(lambda c: responses.responses_of_customer(c, other.id))
    assert [one.id for one in found] == [done.id]
    assert house.begin(contact_id="later").customer_id == other.id


def test_erasing_a_person_leaves_the_scores_and_none_of_his_words(house: House) -> None:
    begun = house.fill(house.begin(), {**HAPPY, "improve": "我是王建国，电话 13812345678"})
    begun = house.answer(begun, "overall", 5, words="找我老婆 13812345678", summary="王建国很满意")
    done = house.finish(begun, summary="王建国说都好")

    def work(c: Any) -> None:
        who = traces.person_of(c, house.customer)
        erasure.erase(c, house.customer, found=traces.scan(c, who), pseudonym="E-1", now=house.clock.now())

    house.database.write_now(work)
    after = house.get(done)
    assert after.total == 100.0
    assert after.answers["overall"].value == 5
    told = [after.summary, *(one.words + one.summary + str(one.value) for one in after.answers.values())]
    assert not any("王建国" in one or "13812345678" in one or "老婆" in one for one in told)
    assert house.count(response_answers) == 8
