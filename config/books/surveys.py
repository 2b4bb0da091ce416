"""`web.ports.surveys.Surveys` over the database."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, Literal
from zoneinfo import ZoneInfo

from pydantic import ValidationError
from sqlalchemy import Connection

from access.audit import Entry
from access.masking import mask_text
from access.sentences import Sentence
from access.users import Principal
from config.books.survey_words import known_of, masked, masked_answer, sample_values, spoken_of
from config.survey_sounds import silent
from crm.cases.cases import CaseNotFound
from crm.definitions import BadDefinition, read
from crm.surveys.answers import read_answer
from crm.surveys.branching import missing, next_question, path
from crm.surveys.checking import faults
from crm.surveys.questionnaires import LANGUAGES, Channel, Purpose, Questionnaire
from crm.surveys.responses import (
    BadAnswer,
    BadQuestionnaire,
    Fault,
    QuestionnaireNotFound,
    Response,
    ResponseChanged,
    ResponseNotFound,
)
from crm.surveys.scoring import scores
from crm.surveys.states import VersionRow, VersionState, VersionStep, allowed, needs
from crm.surveys.verdicts import judge
from storage import audit, merging, questionnaires, responses
from storage.cases import get_case, rules_of
from storage.database import Database
from storage.person import open_customer
from storage.sight import Sight, sight
from telephony.hours import WorkingTime
from web.ports.surveys import QuestionnaireView, ResponseView, SilentQuestion

#: Largest text of a questionnaire, in characters of its JSON as stored.
_MOST_PARTS: Final = 20_000


class SurveyBook:
    """Questionnaires and the answers to them."""

    def __init__(
        self,
        database: Database,
        hours: WorkingTime,
        *,
        dealership: str,
        has_sound: Callable[[str, str], bool] = lambda _language, _key: True,
    ) -> None:
        """`has_sound`: whether callers of a language can hear the sound of this key."""
        self._database = database
        self._hours = hours
        self._dealership = dealership
        self._has_sound = has_sound

    @property
    def _zone(self) -> ZoneInfo:
        return self._hours.zone

    # -- questionnaires ------------------------------------------------------------------------------

    async def list(self, viewer: Principal) -> Sequence[VersionRow]:
        return await self._database.read(questionnaires.list_versions)

    async def versions(self, viewer: Principal, code: str) -> Sequence[QuestionnaireView]:
        def work(connection: Connection) -> list[QuestionnaireView]:
            found = questionnaires.versions_of(connection, code)
            return [self._view(connection, viewer, one) for one in found]

        return await self._database.read(work)

    async def begin_draft(
        self,
        viewer: Principal,
        code: str,
        entry: Entry,
        *,
        body: Mapping[str, Any] | None = None,
        from_version: int | None = None,
    ) -> QuestionnaireView:
        def work(connection: Connection) -> QuestionnaireView:
            given = body
            if given is None:
                versions = questionnaires.versions_of(connection, code)
                chosen = [one for one in versions if from_version in (None, one.version)]
                if not chosen:
                    raise QuestionnaireNotFound("There is no such version of the questionnaire.")
                given = chosen[0].body
            elif from_version is None and self._exists(connection, code):
                raise BadQuestionnaire(
                    Sentence(
                        "There is a questionnaire '{code}' already; open it. Nothing was saved.", code=code
                    )
                )
            purpose, label = head_of(given)
            row = questionnaires.begin_draft(
                connection, code, purpose=purpose, label=label, body=given, by=viewer, now=entry.at
            )
            audit.append(connection, entry)
            return self._one(connection, viewer, code, row.version)

        return await self._database.write(work)

    async def save_draft(
        self, viewer: Principal, code: str, version: int, body: Mapping[str, Any], revision: int, entry: Entry
    ) -> QuestionnaireView:
        purpose, label = head_of(body)

        def work(connection: Connection) -> QuestionnaireView:
            questionnaires.save_draft(
                connection,
                code,
                version,
                body,
                purpose=purpose,
                label=label,
                revision=revision,
                by=viewer,
                now=entry.at,
            )
            return self._one(connection, viewer, code, version)

        return await self._database.write(work)

    async def step(
        self,
        viewer: Principal,
        code: str,
        version: int,
        step: VersionStep,
        entry: Entry,
        *,
        revision: int | None = None,
        why: str = "",
    ) -> QuestionnaireView:
        def work(connection: Connection) -> QuestionnaireView:
            row = questionnaires.get_version(connection, code, version, lock=True)
            if step in (VersionStep.SUBMIT, VersionStep.APPROVE):
                found = (*self.check(row.body), *self._departments(connection, row.body))
                if found:
                    raise BadQuestionnaire(
                        "The questionnaire cannot be asked like this; see where. Nothing was changed.", found
                    )
            questionnaires.take_step(
                connection, code, version, step, revision=revision, by=viewer, why=why, now=entry.at
            )
            audit.append(connection, entry)
            return self._one(connection, viewer, code, version)

        return await self._database.write(work)

    def check(self, body: Mapping[str, Any]) -> Sequence[Fault]:
        try:
            questionnaire = read(Questionnaire, body)
        except BadDefinition as error:
            return _shape_faults(error)
        return faults(questionnaire)

    def play(
        self, body: Mapping[str, Any], values: Mapping[str, Any]
    ) -> tuple[Questionnaire, Mapping[str, Any]]:
        try:
            questionnaire = read(Questionnaire, body)
        except BadDefinition as error:
            raise BadQuestionnaire(
                "The questionnaire is not complete; see where. Nothing was changed.", _shape_faults(error)
            ) from error
        kept: dict[str, Any] = {}
        passed: list[str] = []
        for code, value in values.items():
            question = questionnaire.question(code)
            if question is None:
                raise BadAnswer(
                    "The questionnaire has no such question. Nothing was saved.", question=code[:32]
                )
            answer = read_answer(question, value)
            if answer is None:
                passed.append(code)
            else:
                kept[code] = answer
        verdict = judge(questionnaire, kept)
        following = next_question(questionnaire, kept, passed)
        way = path(questionnaire, kept)
        return questionnaire, {
            "path": list(way.codes),
            "ended_by": way.ended_by,
            "missing": list(missing(questionnaire, kept)),
            "next": following.code if following is not None else None,
            "total": verdict.total,
            "scores": scores(questionnaire, kept),
            "dissatisfied": list(verdict.questions),
            "by_total": verdict.by_total,
            "case": verdict.case.model_dump(mode="json") if verdict.case is not None else None,
            "spoken": {
                language: {
                    name: "".join(part.text for part in parts)
                    for name, parts in words.items()
                    if name in ("opening", "closing")
                }
                for language, words in spoken_of(
                    questionnaire, {one: sample_values(self._dealership, one) for one in LANGUAGES}
                ).items()
            },
        }

    async def may_ask(self, viewer: Principal, purpose: Purpose | None) -> Sequence[VersionRow]:
        def work(connection: Connection) -> list[VersionRow]:
            found = questionnaires.list_versions(connection)
            return [
                one for one in found if one.state is VersionState.APPROVED and purpose in (None, one.purpose)
            ]

        return await self._database.read(work)

    def _exists(self, connection: Connection, code: str) -> bool:
        try:
            questionnaires.versions_of(connection, code)
        except QuestionnaireNotFound:
            return False
        return True

    def _one(self, connection: Connection, viewer: Principal, code: str, version: int) -> QuestionnaireView:
        found = questionnaires.versions_of(connection, code)
        return next(self._view(connection, viewer, one) for one in found if one.version == version)

    def _view(self, connection: Connection, viewer: Principal, row: VersionRow) -> QuestionnaireView:
        writers = {
            one.by for one in row.history if one.step in (VersionStep.WRITE, VersionStep.SUBMIT) and one.by
        }
        own = viewer.user_id is None or viewer.user_id in writers
        open_ = row.state in (VersionState.DRAFT, VersionState.SUBMITTED)
        return QuestionnaireView(
            row=row,
            faults=(*self.check(row.body), *self._departments(connection, row.body)) if open_ else (),
            possible=[
                step
                for step in allowed(row.state)
                if viewer.may(needs(step)) and not (step is VersionStep.APPROVE and own)
            ],
            begun=questionnaires.begun_with(connection, row.code, row.version),
            silent=self._silent(row),
        )

    def _silent(self, row: VersionRow) -> Sequence[SilentQuestion]:
        if row.state is VersionState.RETIRED:
            return ()
        try:
            asked = read(Questionnaire, row.body)
        except BadDefinition:
            return ()
        return [
            SilentQuestion(question=one.question, language=one.language, key=one.key, written=bool(one.words))
            for one in silent(asked, self._has_sound)
        ]

    def _departments(self, connection: Connection, body: Mapping[str, Any]) -> Sequence[Fault]:
        """Departments that the house does not have."""
        try:
            questionnaire = read(Questionnaire, body)
        except BadDefinition:
            return []
        known = rules_of(connection).departments
        rules = [("case", questionnaire.case)] + [
            (f"questions.{place}.case", one.case) for place, one in enumerate(questionnaire.questions)
        ]
        return [
            Fault(
                Sentence(
                    "There is no department '{given}'; there are {departments}.",
                    given=rule.department,
                    departments=sorted(known),
                ),
                place=f"{place}.department",
            )
            for place, rule in rules
            if rule is not None and rule.department and rule.department not in known
        ]

    # -- responses -----------------------------------------------------------------------------------

    async def begin(
        self,
        viewer: Principal,
        entry: Entry,
        *,
        questionnaire: str,
        customer_id: str | None,
        vehicle_id: str | None = None,
        contact_id: str | None = None,
        call_id: str | None = None,
        case_id: str | None = None,
        occasion: str = "",
        language: str | None = None,
    ) -> ResponseView:
        def work(connection: Connection) -> ResponseView:
            whose = None
            if customer_id is not None:
                current = merging.current_id(connection, customer_id)
                whose = open_customer(connection, viewer, current, now=entry.at).id
            response = responses.begin_response(
                connection,
                questionnaire=questionnaire,
                channel=Channel.AGENT,
                customer_id=whose,
                vehicle_id=vehicle_id,
                contact_id=contact_id,
                call_id=call_id,
                case_id=case_id,
                occasion=occasion,
                now=entry.at,
                by=viewer,
            )
            self._seen(connection, viewer, response, entry)
            audit.append(connection, _about(entry, response))
            return self._shown(connection, viewer, response, entry, language=language)

        return await self._database.write(work)

    async def response(
        self, viewer: Principal, response_id: str, entry: Entry, *, language: str | None = None
    ) -> ResponseView:
        def work(connection: Connection) -> ResponseView:
            found = responses.get_response(connection, response_id)
            self._seen(connection, viewer, found, entry)
            return self._shown(connection, viewer, found, entry, language=language, trail=True)

        return await self._database.read(work)

    async def responses_of(self, viewer: Principal, customer_id: str, entry: Entry) -> Sequence[ResponseView]:
        def work(connection: Connection) -> list[ResponseView]:
            whose = merging.current_id(connection, customer_id)
            open_customer(connection, viewer, whose, now=entry.at)
            return [
                self._shown(connection, viewer, one, entry)
                for one in responses.responses_of_customer(connection, whose)
            ]

        return await self._database.read(work)

    async def answer(
        self,
        viewer: Principal,
        response_id: str,
        question: str,
        value: object,
        *,
        words: str,
        summary: str,
        based_on: int | None,
        entry: Entry,
    ) -> ResponseView:
        def work(connection: Connection) -> ResponseView:
            self._seen(connection, viewer, responses.get_response(connection, response_id), entry)
            try:
                found = responses.answer(
                    connection,
                    response_id,
                    question,
                    value,
                    words=words,
                    summary=summary,
                    based_on=based_on,
                    channel=Channel.AGENT,
                    by=viewer,
                    now=entry.at,
                )
            except ResponseChanged as error:
                raise _for(viewer, error) from error
            return self._shown(connection, viewer, found, entry)

        return await self._database.write(work)

    async def end(
        self,
        viewer: Principal,
        response_id: str,
        how: Literal["finish", "break_off", "decline"],
        *,
        why: str,
        summary: str,
        based_on: int | None,
        entry: Entry,
    ) -> ResponseView:
        def work(connection: Connection) -> ResponseView:
            self._seen(connection, viewer, responses.get_response(connection, response_id), entry)
            try:
                match how:
                    case "finish":
                        found = responses.finish(
                            connection,
                            response_id,
                            summary=summary,
                            based_on=based_on,
                            channel=Channel.AGENT,
                            by=viewer,
                            now=entry.at,
                            hours=self._hours,
                        )
                    case "break_off":
                        found = responses.break_off(
                            connection,
                            response_id,
                            why=why,
                            summary=summary,
                            channel=Channel.AGENT,
                            by=viewer,
                            now=entry.at,
                            hours=self._hours,
                        )
                    case "decline":
                        found = responses.decline(
                            connection,
                            response_id,
                            why=why,
                            channel=Channel.AGENT,
                            by=viewer,
                            now=entry.at,
                            hours=self._hours,
                        )
            except ResponseChanged as error:
                raise _for(viewer, error) from error
            audit.append(connection, _about(entry, found))
            return self._shown(connection, viewer, found, entry)

        return await self._database.write(work)

    def _seen(self, connection: Connection, viewer: Principal, response: Response, entry: Entry) -> None:
        """Raises ResponseNotFound where it is about somebody whose record is closed to the viewer."""
        whose = response.customer_id
        if whose is not None and sight(connection, viewer, whose, entry.at) is not Sight.OPEN:
            raise ResponseNotFound("There is no such response.")

    def _shown(
        self,
        connection: Connection,
        viewer: Principal,
        response: Response,
        entry: Entry,
        *,
        language: str | None = None,
        trail: bool = False,
    ) -> ResponseView:
        asked = questionnaires.questionnaire_of(connection, response.questionnaire, response.version)
        known = known_of(
            connection, response, viewer, dealership=self._dealership, zone=self._zone, now=entry.at
        )
        every = responses.every_answer(connection, response.id) if trail else []
        full = viewer.sees_numbers
        return ResponseView(
            response=response if full else masked(response),
            questionnaire=asked,
            language=language or known.language,
            path=path(asked, response.values).codes,
            missing=missing(asked, response.values),
            spoken=spoken_of(asked, known.values),
            possible=responses.steps_of(response),
            customer_name=known.name,
            customer_number=known.number,
            plate=known.plate,
            opened_case_number=_case_number(connection, response.opened_case_id),
            case_number=_case_number(connection, response.case_id),
            newer_version=_newer(connection, response),
            trail=every if full else [masked_answer(one) for one in every],
            scores=scores(asked, response.values),
        )


def head_of(body: Mapping[str, Any]) -> tuple[Purpose, Mapping[str, str]]:
    """Purpose and label of a text that may be unfinished. Raises BadQuestionnaire."""
    try:
        purpose = Purpose(str(body.get("purpose", "")))
    except ValueError as error:
        raise BadQuestionnaire("A questionnaire needs a purpose. Nothing was saved.") from error
    label = body.get("label")
    found = {}
    if isinstance(label, Mapping):
        found = {language: str(label[language])[:300] for language in ("zh-CN", "en") if label.get(language)}
    if _parts(body) > _MOST_PARTS:
        raise BadQuestionnaire("The questionnaire is too large. Nothing was saved.")
    return purpose, found


def _parts(value: object, deep: int = 0) -> int:
    """How large a text is: its characters and parts; endless where it is nested without sense."""
    if deep > 12:
        return _MOST_PARTS + 1
    if isinstance(value, Mapping):
        return 1 + sum(1 + _parts(one, deep + 1) for one in value.values())
    if isinstance(value, list | tuple):
        return 1 + sum(_parts(one, deep + 1) for one in value)
    return 1 + len(str(value)) // 100


def _shape_faults(error: BadDefinition) -> list[Fault]:
    """What pydantic says, each at its place."""
    if not isinstance(error.__cause__, ValidationError):
        return [Fault(str(error), place="")]
    found = []
    for item in error.__cause__.errors(include_url=False, include_input=False)[:40]:
        place = ".".join(str(part) for part in item["loc"])
        fault = Fault(str(item["msg"]), place=place)
        fault.details = item
        found.append(fault)
    return found


def _about(entry: Entry, response: Response) -> Entry:
    return replace(entry, subject=f"response:{response.id}")


def _for(viewer: Principal, error: ResponseChanged) -> ResponseChanged:
    """What somebody else answered, as the viewer may read it."""
    if viewer.sees_numbers:
        return error
    theirs = {
        name: mask_text(value) if name in ("words", "summary", "value") and isinstance(value, str) else value
        for name, value in error.theirs.items()
    }
    return ResponseChanged(str(error), question=error.question, version=error.version, theirs=theirs)


def _case_number(connection: Connection, case_id: str | None) -> str:
    if case_id is None:
        return ""
    try:
        return get_case(connection, case_id).number
    except CaseNotFound:
        return ""


def _newer(connection: Connection, response: Response) -> int | None:
    try:
        _asked, version = questionnaires.approved(connection, response.questionnaire)
    except QuestionnaireNotFound:
        return None
    return version if version > response.version else None
