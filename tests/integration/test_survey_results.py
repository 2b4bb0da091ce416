"""Results of surveys, counted on both databases: what ended how, averages, dissatisfied answers, distributions."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from fixtures_storage import FrozenClock
from sqlalchemy import Connection, update

from access.ids import new_id
from access.permissions import Role
from access.users import Principal, User, Via
from config.books.survey_seed import seed
from crm.surveys.questionnaires import Channel
from crm.surveys.responses import ResponseState
from crm.surveys.results import Outcome, QuestionResult, ResultsWanted, SplitBy
from storage import customers, responses, users, vehicles
from storage.database import Database
from storage.survey_results import (
    distributions,
    list_responses,
    outcomes,
    question_results,
    verbatims,
)
from storage.tables.records import customers as customer_rows
from telephony.hours import WorkingTime

HOURS = WorkingTime(zone=ZoneInfo("Asia/Shanghai"), week=[[(9 * 60, 18 * 60)]] * 7)
#: Every question of the service visit that must be answered, by a happy customer.
HAPPY: dict[str, Any] = {
    "overall": 5,
    "fixed": "fixed",
    "advisor": 5,
    "on_time": "in_time",
    "price": "clear",
    "recommend": 10,
}


@dataclass
class House:
    """A house with the shipped questionnaires, a customer and a car."""

    database: Database
    clock: FrozenClock
    manager: Principal
    customer: str
    vehicle: str

    def begin(self, occasion: str, vehicle_id: str | None) -> str:
        return self.database.write_now(
            lambda c: responses.begin_response(
                c,
                questionnaire="service_visit",
                channel=Channel.AGENT,
                customer_id=self.customer,
                vehicle_id=vehicle_id,
                occasion=occasion,
                now=self.clock.now(),
                by=self.manager,
            )
        ).id

    def fill(self, response: str, values: dict[str, Any]) -> None:
        def work(c: Connection) -> None:
            for question, value in values.items():
                responses.answer(
                    c,
                    response,
                    question,
                    value,
                    channel=Channel.AGENT,
                    by=self.manager,
                    now=self.clock.now(),
                )

        self.database.write_now(work)

    def end(self, response: str, how: Any, **more: Any) -> None:
        self.database.write_now(
            lambda c: how(
                c,
                response,
                channel=Channel.AGENT,
                by=self.manager,
                now=self.clock.now(),
                hours=HOURS,
                **more,
            )
        )


@pytest.fixture
def house(database: Database, clock: FrozenClock) -> House:
    def records(c: Any) -> tuple[str, str]:
        seed(c, clock.now())
        customer = customers.add_customer(c, name="王建国", now=clock.now())
        vehicle = vehicles.add_vehicle(c, now=clock.now(), plate="沪A12345", model="朗逸", brand="大众")
        return customer.id, vehicle.id

    customer, vehicle = database.write_now(records)
    manager = Principal(role=Role.MANAGER, via=Via.SESSION, name="Zhao", user_id=None)
    return House(database, clock, manager, customer, vehicle)


def wanted(house: House, **more: Any) -> ResultsWanted:
    now = house.clock.now()
    return ResultsWanted(
        questionnaire="service_visit", since=now - timedelta(days=1), until=now + timedelta(days=1), **more
    )


def filled(house: House) -> None:
    """One happy customer, one who hung up after a bad mark, one who was only begun."""
    happy = house.begin("a", house.vehicle)
    house.fill(happy, HAPPY)
    house.end(happy, responses.finish)
    unhappy = house.begin("b", house.vehicle)
    house.fill(unhappy, {"overall": 1})
    house.end(unhappy, responses.break_off, why="客户在开车")
    house.begin("c", None)


def read(house: House, work: Any, **more: Any) -> Any:
    return house.database.read_now(lambda c: work(c, house.manager, now=house.clock.now(), **more))


def test_outcomes_count_every_end_and_the_dissatisfied(house: House) -> None:
    filled(house)
    (whole,) = read(house, outcomes, wanted=wanted(house))
    assert (whole.begun, whole.finished, whole.broken_off, whole.declined) == (3, 1, 1, 0)
    assert whole.dissatisfied == 1
    assert whole.average == 100.0


def test_nothing_answered_counts_nothing_and_divides_by_nothing(house: House) -> None:
    assert read(house, outcomes, wanted=wanted(house)) == [
        Outcome(begun=0, finished=0, broken_off=0, declined=0, dissatisfied=0, average=None)
    ]
    assert read(house, question_results, wanted=wanted(house)) == []
    assert read(house, distributions, wanted=wanted(house), questions=["overall"]) == {"overall": {}}


def test_lines_by_model_add_up_to_the_whole(house: House) -> None:
    filled(house)
    lines = read(house, outcomes, wanted=wanted(house), by=SplitBy.MODEL)
    assert sum(line.begun for line in lines) == 3
    # The most responses first, and a filter counts what its line counts.
    assert (lines[0].begun, lines[1].begun) == (2, 1)
    (alone,) = read(house, outcomes, wanted=wanted(house, model=lines[0].of))
    assert replace(alone, of=lines[0].of) == lines[0]


def test_questions_are_averaged_over_their_answers_alone(house: House) -> None:
    filled(house)
    found = {one.question: one for one in read(house, question_results, wanted=wanted(house))}
    assert found["overall"] == QuestionResult(
        question="overall", answered=2, scored=2, average=50.0, dissatisfied=1
    )
    assert found["recommend"].answered == 1
    assert found["recommend"].average == 100.0


def test_distributions_count_each_answer(house: House) -> None:
    filled(house)
    found = read(house, distributions, wanted=wanted(house), questions=["overall", "on_time"])
    assert found == {"overall": {"1": 1, "5": 1}, "on_time": {"in_time": 1}}


def test_the_end_of_the_span_does_not_count(house: House) -> None:
    filled(house)
    now = house.clock.now()
    before = replace(wanted(house), until=now)
    assert read(house, outcomes, wanted=before)[0].begun == 0
    since = replace(wanted(house), since=now)
    assert read(house, outcomes, wanted=since)[0].begun == 3


def test_an_agent_counts_only_whom_he_may_see(house: House) -> None:
    filled(house)
    now = house.clock.now()
    people = []
    for login in ("lina", "meng"):
        user = User(
            id=new_id(now),
            login=login,
            name=login,
            role=Role.AGENT,
            language="zh-CN",
            theme="auto",
            created_at=now,
        )
        house.database.write_now(partial(users.insert_user, user=user, password_hash="x"))
        people.append(Principal(role=Role.AGENT, via=Via.SESSION, name=login, user_id=user.id))
    own, other = people
    house.database.write_now(
        lambda c: c.execute(
            update(customer_rows).where(customer_rows.c.id == house.customer).values(own_agent_id=own.user_id)
        )
    )
    house.database.use(agents_see="own+unowned")

    def counts(viewer: Principal) -> tuple[int, int]:
        return house.database.read_now(
            lambda c: (
                outcomes(c, viewer, wanted(house), now=now)[0].begun,
                len(question_results(c, viewer, wanted(house), now=now)),
            )
        )

    assert counts(own) == (3, len(HAPPY))
    assert counts(other) == (0, 0)


def test_every_figure_opens_as_many_rows_as_it_counts(house: House) -> None:
    """Many responses by seed, paged through by twos."""
    random = Random(20260401)
    for number in range(14):
        one = house.begin(f"many-{number}", house.vehicle if random.random() < 0.7 else None)
        end = random.choice(["finish", "finish", "break_off", "decline", ""])
        mark = random.randint(1, 5)
        house.fill(
            one,
            {**HAPPY, "overall": mark, "recommend": random.randint(0, 10)}
            if end == "finish"
            else {"overall": mark},
        )
        if end:
            more = {} if end == "finish" else {"why": "没时间"}
            house.end(one, getattr(responses, end), **more)

    def rows(**more: Any) -> int:
        found, after = 0, None
        while True:
            page, after = read(house, list_responses, wanted=wanted(house, **more), after=after, limit=2)
            found += len(page)
            if after is None:
                return found

    (whole,) = read(house, outcomes, wanted=wanted(house))
    assert whole.begun == 14 == rows()
    for state in ("finished", "broken_off", "declined"):
        assert getattr(whole, state) == rows(state=ResponseState(state))
    assert 0 < whole.dissatisfied == rows(dissatisfied=True)
    now = house.clock.now()
    months = [("earlier", now - timedelta(days=40)), ("now", now - timedelta(days=2))]
    (month,) = read(house, outcomes, wanted=wanted(house), by=SplitBy.MONTH, months=months)
    assert (month.of, month.begun) == ("now", 14)
    for by in (SplitBy.MODEL, SplitBy.ADVISOR, SplitBy.AGENT, SplitBy.CHANNEL, SplitBy.VERSION):
        for line in read(house, outcomes, wanted=wanted(house), by=by):
            value = {SplitBy.VERSION: int, SplitBy.CHANNEL: Channel}.get(by, str)(line.of)
            assert line.begun == rows(**{by.value: value})
            assert line.dissatisfied == rows(**{by.value: value, "dissatisfied": True})
    results = read(house, question_results, wanted=wanted(house))
    given = read(house, distributions, wanted=wanted(house), questions=[one.question for one in results])
    for one in results:
        assert one.answered == rows(question=one.question)
        assert one.scored == rows(question=one.question, scored=True)
        assert one.dissatisfied == rows(question=one.question, dissatisfied=True)
        for answer, count in given[one.question].items():
            assert count == rows(question=one.question, answer=answer)


def test_words_are_found_in_chinese_and_numbers_in_them_stay_covered(house: House) -> None:
    one = house.begin("words", house.vehicle)
    house.fill(one, {**HAPPY, "improve": "等待太久，请打 13812345678"})
    house.end(one, responses.finish)

    def said(viewer: Principal, search: str) -> list[str]:
        found, _after = house.database.read_now(
            lambda c: verbatims(
                c, viewer, wanted(house), ["improve"], search=search, limit=5, now=house.clock.now()
            )
        )
        return [one.text for one in found]

    assert said(house.manager, "等待太久") == ["等待太久，请打 13812345678"]
    assert said(house.manager, "138") != []
    assert said(house.manager, "价格") == []
    blind = Principal(role=Role.AGENT, via=Via.SESSION, name="Li", user_id=None)
    assert not blind.sees_numbers
    assert "13812345678" not in said(blind, "")[0]
    assert said(blind, "138") == []


def test_answers_of_a_restricted_customer_are_not_told_by_small_groups(house: House) -> None:
    filled(house)
    house.database.write_now(
        lambda c: c.execute(
            update(customer_rows).where(customer_rows.c.id == house.customer).values(secrecy="restricted")
        )
    )
    agent = Principal(role=Role.AGENT, via=Via.SESSION, name="Li", user_id=None)

    def rows(viewer: Principal, **more: Any) -> Any:
        return house.database.read_now(
            lambda c: list_responses(c, viewer, wanted(house, **more), limit=50, now=house.clock.now())
        )[0]

    (whole,) = house.database.read_now(lambda c: outcomes(c, agent, wanted(house), now=house.clock.now()))
    assert (whole.begun, whole.closed, whole.hidden) == (3, 3, True)
    assert [(one.id, one.name != "王建国", one.total, one.dissatisfied) for one in rows(agent)] == [
        ("", True, None, False)
    ] * 3
    assert rows(agent, dissatisfied=True) == []
    assert len(rows(house.manager, dissatisfied=True)) == 1
    for number in range(3):
        house.begin(f"more-{number}", None)
    (told,) = rows(agent, dissatisfied=True)
    assert (told.name, told.begun_at, told.closed) == ("", None, True)
    found, _after = house.database.read_now(
        lambda c: verbatims(c, agent, wanted(house), ["improve"], limit=5, now=house.clock.now())
    )
    assert found == []
