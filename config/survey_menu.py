"""Questionnaires by keypad, answered by the store (`ivr.ports.Surveys`)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import datetime
from typing import Final

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from crm.records.customers import CustomerNotFound
from crm.surveys.branching import missing, path
from crm.surveys.questionnaires import Channel, Question, QuestionKind, Questionnaire
from crm.surveys.responses import BadAnswer, QuestionnaireNotFound, Response, ResponseState, SurveyError
from ivr.ports import AskSurvey, Surveyed, Unavailable
from ivr.prompts import KEY
from storage import responses, vehicles
from storage.database import Database, StorageUnavailable
from storage.merging import current_id
from storage.questionnaires import approved, questionnaire_of
from telephony.hours import WorkingTime

#: A choice with more answers has no key for each of them.
_MOST_OPTIONS: Final = 9
#: Keys of a number that has no upper end.
_MOST_DIGITS: Final = 9
#: What the response says of why it was broken off, in the words of the house.
_WHY: Final = {
    "person": "客户按零转人工",
    "no_answer": "客户未按键或多次按错",
    "hung_up": "客户挂机",
}
_NOT_BY_KEYS: Final = "以下问题无法用按键回答："


def longest_keys(question: Question) -> int | None:
    """How many keys the longest answer has; None: keys cannot answer the question."""
    match question.kind:
        case QuestionKind.CHOICE:
            return 1 if len(question.options) <= _MOST_OPTIONS else None
        case QuestionKind.SCORE | QuestionKind.NUMBER:
            if question.decimals or (question.most is not None and question.most < 0):
                return None
            return _MOST_DIGITS if question.most is None else len(str(int(question.most)))
        case _:
            return None


def spoken_words(question: Question, language: str) -> str:
    """What the prompt of a question says in a language; empty where it is not written in it."""
    said = {str(name): words for name, words in question.text.items()}.get(language, "")
    labels = [{str(name): words for name, words in one.label.items()} for one in question.options]
    if not said or any(language not in one for one in labels):
        return ""
    press = "{label}，请按{key}。" if language == "zh-CN" else "{label}: press {key}."
    return " ".join(
        [said, *(press.format(label=one[language], key=key) for key, one in enumerate(labels, 1))]
    )


def sound_of(question: Question, language: str) -> str:
    """Key of the question's sound: the one it names, or one that changes with its words."""
    if question.sound:
        return question.sound.lower()
    return f"survey/{hashlib.sha256(spoken_words(question, language).encode()).hexdigest()[:16]}"


class HouseSurveys:
    """Surveys by keypad: each answer is stored before the next question, and a call begins one response only."""

    def __init__(self, database: Database, hours: WorkingTime, has_sound: Callable[[str, str], bool]) -> None:
        self._database = database
        self._hours = hours
        self._has_sound = has_sound

    async def survey(self, request: AskSurvey, now: datetime) -> Surveyed:
        """Raises Unavailable."""

        def work(connection: Connection) -> Surveyed:
            match request.act:
                case "begin":
                    return self._begin(connection, request, now)
                case "answer":
                    return self._answer(connection, request, now)
                case _:
                    why = _WHY.get(request.why, request.why)
                    return self._stop(
                        connection, responses.get_response(connection, request.response_id), why, now
                    )

        try:
            return await self._database.write(work)
        except (SurveyError, CustomerNotFound):
            return Surveyed(state="none")
        except (StorageUnavailable, SQLAlchemyError) as error:
            raise Unavailable("Surveys are away.") from error

    def _begin(self, connection: Connection, request: AskSurvey, now: datetime) -> Surveyed:
        asked, _version = approved(connection, request.questionnaire)
        if Channel.KEYPAD not in asked.channels:
            raise QuestionnaireNotFound("This questionnaire is not asked by keypad.")
        if not any(self._can_ask(one, request.language) for one in asked.questions):
            return Surveyed(state="none")  # nothing could be heard: nobody is begun with
        customer_id = None if request.customer_id is None else current_id(connection, request.customer_id)
        cars = set()
        if customer_id is not None:
            cars = {car.id for car, _role in vehicles.vehicles_of(connection, customer_id)}
        begun = responses.begin_response(
            connection,
            questionnaire=request.questionnaire,
            channel=Channel.KEYPAD,
            customer_id=customer_id,
            vehicle_id=cars.pop() if len(cars) == 1 else None,
            call_id=request.call_id,
            now=now,
            by=None,
        )
        return self._go_on(connection, begun, request.language, now)

    def _answer(self, connection: Connection, request: AskSurvey, now: datetime) -> Surveyed:
        before = responses.get_response(connection, request.response_id)
        asked = questionnaire_of(connection, before.questionnaire, before.version)
        question = asked.question(request.question)
        if question is None:
            return Surveyed(state="none")
        value: str | int | None = None
        if request.keys and question.kind is QuestionKind.CHOICE:
            number = int(request.keys) if request.keys.isdecimal() else 0
            if not 1 <= number <= len(question.options):
                return self._asked(before, asked, question, request.language, refused=True)
            value = question.options[number - 1].code
        elif request.keys:
            if not request.keys.isdecimal():
                return self._asked(before, asked, question, request.language, refused=True)
            value = int(request.keys)
        try:
            after = responses.answer(
                connection, before.id, question.code, value, channel=Channel.KEYPAD, by=None, now=now
            )
        except BadAnswer:
            return self._asked(before, asked, question, request.language, refused=True)
        return self._go_on(connection, after, request.language, now)

    def _stop(self, connection: Connection, before: Response, why: str, now: datetime) -> Surveyed:
        if before.state is ResponseState.BEGUN:
            responses.break_off(
                connection, before.id, why=why, channel=Channel.KEYPAD, by=None, now=now, hours=self._hours
            )
        return Surveyed(state="broken_off", response_id=before.id)

    def _can_ask(self, question: Question, language: str) -> bool:
        sound = sound_of(question, language)
        return (
            longest_keys(question) is not None
            and KEY.fullmatch(sound) is not None
            and self._has_sound(language, sound)
        )

    def _skipped(self, asked: Questionnaire, response: Response, language: str) -> list[Question]:
        """Questions of the path that nobody answered and keys cannot ask."""
        return [
            one
            for one in path(asked, response.values).questions
            if one.code not in response.answers and not self._can_ask(one, language)
        ]

    def _asked(
        self,
        response: Response,
        asked: Questionnaire,
        question: Question,
        language: str,
        *,
        refused: bool = False,
    ) -> Surveyed:
        numeric = question.kind is not QuestionKind.CHOICE
        return Surveyed(
            state="asked",
            response_id=response.id,
            question=question.code,
            sound=sound_of(question, language),
            most=longest_keys(question) or 1,
            zero=numeric and (question.least is None or question.least <= 0),
            refused=refused,
            skipped=len(self._skipped(asked, response, language)),
        )

    def _go_on(self, connection: Connection, response: Response, language: str, now: datetime) -> Surveyed:
        """The next question keys can answer; after the last one the response ends as what it is."""
        if response.state is ResponseState.FINISHED:
            return Surveyed(state="finished", response_id=response.id)
        if response.state is not ResponseState.BEGUN:
            return Surveyed(state="none", response_id=response.id)
        asked = questionnaire_of(connection, response.questionnaire, response.version)
        for question in path(asked, response.values).questions:
            if question.code not in response.answers and self._can_ask(question, language):
                return self._asked(response, asked, question, language)
        skipped = self._skipped(asked, response, language)
        lacking = missing(asked, response.values)
        if lacking:
            names = [one for one in asked.questions if one.code in lacking]
            why = _NOT_BY_KEYS + "；".join(one.text.get("zh-CN", one.code) for one in names)
            ended = self._stop(connection, response, why, now)
            return Surveyed(state=ended.state, response_id=response.id, skipped=len(skipped))
        summary = ""
        if skipped:
            summary = _NOT_BY_KEYS + "；".join(one.text.get("zh-CN", one.code) for one in skipped)
        responses.finish(
            connection,
            response.id,
            summary=summary[:4000],
            channel=Channel.KEYPAD,
            by=None,
            now=now,
            hours=self._hours,
        )
        return Surveyed(state="finished", response_id=response.id, skipped=len(skipped))
