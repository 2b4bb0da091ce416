"""A questionnaire by keypad over the store, on both databases: what was pressed is kept, whatever ends the call."""

from __future__ import annotations

import sys
from collections.abc import Collection
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from fixtures_storage import FrozenClock
from sqlalchemy import select

from config.books.survey_seed import seed
from config.menus import flows_folder, house, limits, load_prompts
from config.settings import Settings
from config.survey_menu import HouseSurveys, longest_keys, sound_of
from config.survey_sounds import SurveySounds, silent
from config.survey_ticks import SurveyTicks
from crm.surveys.questionnaires import Channel
from crm.surveys.responses import Response, ResponseState
from ivr import engine
from ivr.engine import Finished, Opening, Turn, Typed, WaitKeys, WaitReply
from ivr.flow import Flow
from ivr.loader import load_flow
from ivr.ports import AskSurvey, FindByNumber, Found, Known
from ivr.routes import ToHangUp, ToQueue
from ivr.session import session_from_json, session_to_json
from storage import customers, questionnaires, responses
from storage.database import Database
from storage.tables.surveys import responses as response_rows
from telephony.hours import WorkingTime

pytestmark = pytest.mark.asyncio

SETTINGS = Settings()
HOURS = WorkingTime(
    zone=ZoneInfo("Asia/Shanghai"), week=[[(9 * 60, 12 * 60), (13 * 60, 18 * 60)]] * 5 + [[], []]
)
SHIPPED = flows_folder(SETTINGS) / "survey.yaml"


def _flow(questionnaire: str) -> Flow:
    """The shipped flow, asking this questionnaire."""
    with TemporaryDirectory() as folder:
        copy = Path(folder) / "survey.yaml"
        copy.write_text(SHIPPED.read_text("utf-8").replace("service_keypad", questionnaire), "utf-8")
        return load_flow(copy, house(SETTINGS))


#: With questions that keys cannot answer among those they can.
FLOW = _flow("service_visit")
LIMITS = limits(SETTINGS)


class Caller:
    """A caller in the shipped flow, whose questions the real store answers."""

    def __init__(
        self,
        database: Database,
        clock: FrozenClock,
        *,
        sounds: Collection[str] | None = None,
        flow: Flow = FLOW,
    ) -> None:
        self.flow = flow
        self.database = database
        self.clock = clock
        self.surveys = HouseSurveys(database, HOURS, lambda _language, key: sounds is None or key in sounds)

        def records(c: Any) -> str:
            seed(c, clock.now())
            return customers.add_customer(c, name="王建国", now=clock.now()).id

        self.customer = database.write_now(records)

    async def call(self, *keys: str) -> Turn:
        """Press these keys, one wait each; then hang up, unless the flow has ended."""
        now, left = self.clock.now(), list(keys)
        turn = engine.start(self.flow, Opening(call_id="", caller="+8613812345678"), LIMITS, now)
        while True:
            given: engine.Input
            match turn.wait:
                case Finished():
                    return turn
                case WaitKeys() if not left:
                    stop = engine.hung_up(self.flow, turn.session, LIMITS, now)
                    assert stop is not None
                    await self.ask(stop)
                    return turn
                case WaitKeys():
                    pressed = left.pop(0)
                    given = Typed(keys=pressed.rstrip("#"), hash=pressed.endswith("#"))
                case WaitReply(question=FindByNumber()):
                    given = Found(customers=(Known(customer_id=self.customer),))
                case WaitReply(question=AskSurvey() as question):
                    given = await self.ask(question)
                case _:
                    raise AssertionError(turn.wait)
            session = session_from_json(session_to_json(turn.session), self.flow)
            turn = engine.resume(self.flow, session, given, LIMITS, now)

    async def ask(self, question: AskSurvey) -> Any:
        return await self.surveys.survey(question, self.clock.now())

    def only(self) -> Response:
        """The one response there is."""

        def work(c: Any) -> Response:
            found = c.execute(select(response_rows.c.id)).scalars().all()
            assert len(found) == 1
            return responses.get_response(c, found[0])

        return self.database.read_now(work)


async def test_all_that_keys_can_answer_is_asked_and_the_rest_is_named(
    database: Database, clock: FrozenClock
) -> None:
    caller = Caller(database, clock)
    # 9 and 7 are no answers; the first question is asked until 5; # alone passes over the mileage.
    turn = await caller.call("9", "5", "1", "7", "5", "1", "1", "52000#", "10")
    assert isinstance(turn.wait, Finished)
    assert isinstance(turn.wait.route, ToHangUp)
    response = caller.only()
    assert response.state is ResponseState.FINISHED
    assert response.channel is Channel.KEYPAD
    assert response.customer_id == caller.customer
    assert response.values == {
        "overall": 5,
        "fixed": "fixed",
        "advisor": 5,
        "on_time": "in_time",
        "price": "clear",
        "mileage": 52000,
        "recommend": 10,
    }
    asked = database.read_now(lambda c: questionnaires.questionnaire_of(c, "service_visit", response.version))
    texts = [one for one in asked.questions if longest_keys(one) is None and one.show is None]
    assert all(one.text["zh-CN"] in response.summary for one in texts)


async def test_a_question_keys_cannot_answer_leaves_the_response_broken_off_and_its_case_open(
    database: Database, clock: FrozenClock
) -> None:
    caller = Caller(database, clock)
    await caller.call("1", "3", "2", "1", "1", "#", "0#")
    response = caller.only()
    assert response.state is ResponseState.BROKEN_OFF
    assert "现在是什么现象" in response.why
    assert response.values["fixed"] == "unfixed"
    assert response.values["recommend"] == 0
    assert response.dissatisfied
    assert response.opened_case_id is not None


async def test_who_hangs_up_keeps_his_answers_and_his_complaint(
    database: Database, clock: FrozenClock
) -> None:
    caller = Caller(database, clock)
    await caller.call("1")
    response = caller.only()
    assert (response.state, response.why) == (ResponseState.BROKEN_OFF, "客户挂机")
    assert response.values == {"overall": 1}
    assert response.opened_case_id is not None


async def test_zero_leads_to_a_person(database: Database, clock: FrozenClock) -> None:
    caller = Caller(database, clock)
    turn = await caller.call("4", "0")
    assert isinstance(turn.wait, Finished)
    assert isinstance(turn.wait.route, ToQueue)
    response = caller.only()
    assert (response.state, response.why) == (ResponseState.BROKEN_OFF, "客户按零转人工")
    assert response.values == {"overall": 4}


async def test_three_wrong_keys_end_it(database: Database, clock: FrozenClock) -> None:
    caller = Caller(database, clock)
    turn = await caller.call("9", "8", "*")
    assert isinstance(turn.wait, Finished)
    response = caller.only()
    assert (response.state, response.why) == (ResponseState.BROKEN_OFF, "客户未按键或多次按错")
    assert response.values == {}


async def test_only_what_can_be_heard_is_asked(database: Database, clock: FrozenClock) -> None:
    caller = Caller(database, clock, sounds={"survey_service_overall"})
    turn = await caller.call("5")
    assert isinstance(turn.wait, Finished)
    response = caller.only()
    assert response.state is ResponseState.BROKEN_OFF
    assert response.values == {"overall": 5}
    assert "一次就修好" in response.why


async def test_nobody_is_begun_with_where_nothing_can_be_heard(
    database: Database, clock: FrozenClock
) -> None:
    caller = Caller(database, clock, sounds=())
    turn = await caller.call()
    assert isinstance(turn.wait, Finished)
    assert isinstance(turn.wait.route, ToQueue)
    assert database.read_now(lambda c: c.execute(select(response_rows.c.id)).all()) == []


async def test_a_service_that_dies_leaves_the_answers_and_the_house_breaks_it_off_later(
    database: Database, clock: FrozenClock
) -> None:
    caller = Caller(database, clock)
    begin = AskSurvey(
        call_id="", questionnaire="service_visit", act="begin", language="zh-CN", customer_id=caller.customer
    )
    first = await caller.ask(begin)
    assert (first.state, first.question) == ("asked", "overall")
    given = AskSurvey(
        call_id="",
        questionnaire="service_visit",
        act="answer",
        language="zh-CN",
        customer_id=caller.customer,
        response_id=first.response_id,
        question="overall",
        keys="1",
    )
    once = await caller.ask(given)
    assert once == await caller.ask(given)  # asked again after a lost reply: the same next question
    assert caller.only().state is ResponseState.BEGUN
    clock.advance(16 * 60)
    await SurveyTicks(database, clock, HOURS).look()
    response = caller.only()
    assert response.state is ResponseState.BROKEN_OFF
    assert response.values == {"overall": 1}
    assert response.opened_case_id is not None


async def test_the_sound_of_a_question_changes_with_its_words(database: Database, clock: FrozenClock) -> None:
    caller = Caller(database, clock)
    asked, _version = database.read_now(lambda c: questionnaires.approved(c, "service_visit"))
    question = next(one for one in asked.questions if one.code == "fixed")
    other = question.model_copy(update={"text": {**question.text, "zh-CN": "修好了吗？"}})
    assert sound_of(question, "zh-CN") != sound_of(other, "zh-CN")
    assert sound_of(question, "en") == sound_of(other, "en")
    assert caller.customer


async def test_the_shipped_flow_asks_what_keys_can_answer_to_its_end(
    database: Database, clock: FrozenClock
) -> None:
    """Every question of its questionnaire is shipped with its sound in both languages."""
    shipped = load_prompts(SETTINGS)
    caller = Caller(database, clock, flow=_flow("service_keypad"))
    caller.surveys = HouseSurveys(database, HOURS, shipped.has)
    asked, _version = database.read_now(lambda c: questionnaires.approved(c, "service_keypad"))
    assert silent(asked, shipped.has) == []
    turn = await caller.call("4", "1", "10")
    assert isinstance(turn.wait, Finished)
    response = caller.only()
    assert (response.state, response.channel) == (ResponseState.FINISHED, Channel.KEYPAD)
    assert response.values == {"overall": 4, "fixed": "fixed", "recommend": 10}
    assert response.summary == ""


async def test_what_is_approved_is_spoken_once_and_asked_from_then_on(
    database: Database, clock: FrozenClock, tmp_path: Path
) -> None:
    program = tmp_path / "speak.py"
    program.write_text(
        "import math, struct, sys, wave\n"
        "with open(sys.argv[3], 'a') as log: log.write(sys.argv[1] + '\\n')\n"
        "if 'recommend' in sys.argv[1]: sys.exit('no voice for this')\n"
        "with wave.open(sys.argv[2], 'wb') as out:\n"
        "    out.setnchannels(1); out.setsampwidth(2); out.setframerate(8000)\n"
        "    out.writeframes(b''.join(struct.pack('<h', int(9000 * math.sin(n / 3))) for n in range(8000)))\n"
    )
    said = tmp_path / "said.txt"
    settings = Settings.model_validate(
        {
            "data": str(tmp_path / "data"),
            "ivr": {
                "prompts": str(tmp_path / "house"),
                "speech_command": [sys.executable, str(program), "{text}", "{output}", str(said)],
            },
        }
    )
    database.write_now(lambda c: seed(c, clock.now()))
    book = load_prompts(settings)
    asked, _version = database.read_now(lambda c: questionnaires.approved(c, "service_visit"))
    lacking = {(one.question, one.language) for one in silent(asked, book.has)}
    assert ("fixed", "zh-CN") in lacking
    assert ("overall", "zh-CN") not in lacking
    sounds = SurveySounds(database, clock, book, settings)
    await sounds.look()
    # English "recommend" could not be spoken: it stays silent and is left alone for a while.
    left = {(one.question, one.language) for one in silent(asked, book.has)}
    assert left == {("recommend", "en")}
    times = len(said.read_text("utf-8").splitlines())
    await sounds.look()
    assert len(said.read_text("utf-8").splitlines()) == times
    assert {(one.question, one.language) for one in silent(asked, load_prompts(settings).has)} == left
    # A recording that is brought meanwhile is taken up.
    (key,) = [one.key for one in silent(asked, book.has)]
    place = tmp_path / "house" / "en" / f"{key}.ulaw"
    place.write_bytes(b"\x7f" * 4000)
    await sounds.look()
    assert silent(asked, book.has) == []
