"""Questionnaires, their versions and approval, and filling them in."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

from access.audit import Action
from access.permissions import Permission
from access.users import Language
from crm.surveys.questionnaires import LONGEST_TEXT, Channel, Purpose
from crm.surveys.responses import Answer, BadQuestionnaire, Fault, ResponseIncomplete, ResponseState
from crm.surveys.states import VersionRow, VersionState, VersionStep, needs
from web.api.record_shapes import Version
from web.api.scripts import PartOut
from web.api.shapes import Id
from web.ports.surveys import QuestionnaireView, ResponseView
from web.problems import Refused, Wrong
from web.refusals import must_be, said
from web.routes import Ask, Nothing, Route, Shape

Words = Annotated[str, StringConstraints(strip_whitespace=True, max_length=LONGEST_TEXT)]
Reason = Annotated[str, StringConstraints(strip_whitespace=True, max_length=1000)]
CodeName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,31}$")]
#: A code, codes, a number, a day, words; null passes over.
Given = str | int | float | list[CodeName] | None


class QuestionnairesQuery(Shape):
    purpose: Purpose | None = None
    approved: bool = Field(False, description="only what may be asked now; others see nothing else anyway")


class TongueQuery(Shape):
    language: Language = Field("en", description="language the faults are told in")


class FaultOut(Shape):
    place: str = Field(description="path of the value, parts joined by dots")
    message: str


class EventOut(Shape):
    at: datetime
    step: VersionStep
    by_name: str
    why: str


class QuestionnaireOut(Shape):
    """One version, without its text."""

    code: str
    version: int
    state: VersionState
    purpose: Purpose
    label: dict[str, str]
    at: datetime
    by_name: str


class QuestionnairesOut(Shape):
    items: list[QuestionnaireOut]


class SilentOut(Shape):
    question: str
    language: str
    key: str = Field(description="what its recording is called")
    written: bool


class VersionOut(QuestionnaireOut):
    """One version with its text, its history and what may be done with it."""

    revision: int = Field(description="send it with the next saving or step")
    body: dict[str, Any]
    faults: list[FaultOut] = Field(description="where it cannot work; empty: it may be submitted")
    possible: list[VersionStep]
    begun: int = Field(description="responses begun with it, counted up to 1000")
    silent: list[SilentOut] = Field(description="questions keys could answer that callers do not hear")
    history: list[EventOut]


class VersionsOut(Shape):
    items: list[VersionOut]


class BeginDraftIn(Shape):
    body: dict[str, Any] | None = Field(
        None, description="a new questionnaire; null: from a version there is"
    )
    from_version: int | None = Field(None, ge=1, le=2**31 - 1, description="null: the newest")


class SaveDraftIn(Shape):
    body: dict[str, Any] = Field(description="the whole text; it may be unfinished")
    revision: Version


class VersionStepIn(Shape):
    step: Literal["submit", "take_back", "send_back", "approve", "retire", "discard"]
    revision: Version | None = Field(None, description="the text it was decided on")
    why: Reason = Field("", description="needed to send back and to retire")


class PlayIn(Shape):
    body: dict[str, Any]
    values: dict[str, Given] = Field(default_factory=dict, description="question to its answer, in order")


class CaseRuleOut(Shape):
    kind: str
    grade: str
    department: str


class PlayOut(Shape):
    """What would be asked with these answers, and what they would come to."""

    path: list[str]
    ended_by: str | None
    missing: list[str]
    next: str | None
    total: float | None
    scores: dict[str, float]
    dissatisfied: list[str]
    by_total: bool
    case: CaseRuleOut | None
    spoken: dict[str, dict[str, str]]
    faults: list[FaultOut]


class BeginIn(Shape):
    questionnaire: CodeName
    customer_id: Id | None = None
    vehicle_id: Id | None = None
    contact_id: Id | None = None
    call_id: Id | None = None
    case_id: Id | None = None
    language: Language | None = Field(None, description="null: the customer's")


class ResponseQuery(Shape):
    language: Language | None = None


class AnswerIn(Shape):
    question: CodeName
    value: Given = None
    words: Words = Field("", description="the customer's own words about it")
    summary: Words = Field("", description="what the agent makes of them")
    based_on: Version | None = Field(None, description="the rev that was read")


class EndIn(Shape):
    how: Literal["finish", "break_off", "decline"]
    why: Reason = Field("", description="why it was broken off or declined")
    summary: Words = Field("", description="what the agent makes of the whole talk")
    based_on: Version | None = Field(None, description="the rev that was read")


class AnswerOut(Shape):
    question: str
    value: str | int | float | list[str] | None = Field(description="null: passed over")
    words: str
    summary: str
    seq: int
    channel: Channel
    by_name: str
    at: datetime | None


class ResponseOut(Shape):
    """A response with the questionnaire it was begun with, and the words with the customer's data in them."""

    id: str
    questionnaire: str
    version: int
    newer_version: int | None = Field(description="what is asked by now; this one goes on with its own")
    purpose: Purpose
    label: dict[str, str]
    channel: Channel
    state: ResponseState
    rev: int
    customer_id: str | None
    customer_name: str
    customer_number: str
    vehicle_id: str | None
    plate: str
    model: str
    advisor: str
    contact_id: str | None
    call_id: str | None
    case_id: str | None
    case_number: str
    opened_case_id: str | None
    opened_case_number: str
    begun_at: datetime
    begun_by_name: str
    touched_at: datetime
    ended_at: datetime | None
    ended_by_name: str
    why: str
    summary: str
    total: float | None
    scores: dict[str, float]
    dissatisfied: bool
    language: str
    body: dict[str, Any] = Field(description="the questionnaire")
    path: list[str]
    missing: list[str]
    possible: list[str]
    answers: list[AnswerOut] = Field(description="the newest of each question")
    trail: list[AnswerOut] = Field(description="everything ever answered, where one response was asked for")
    spoken: dict[str, dict[str, list[PartOut]]]


class ResponsesOut(Shape):
    items: list[ResponseOut]


# -- shapes out ---------------------------------------------------------------------------------------


def fault_words(fault: Fault, language: Language) -> str:
    """A fault in the reader's language."""
    if fault.details is not None:
        return must_be(fault.details)(language)
    return said(language, fault.error_id, fault.sentence)


def _row_out(row: VersionRow) -> dict[str, Any]:
    return {
        "code": row.code,
        "version": row.version,
        "state": row.state,
        "purpose": row.purpose,
        "label": dict(row.label),
        "at": row.at,
        "by_name": row.by_name,
    }


def version_out(view: QuestionnaireView, language: Language) -> VersionOut:
    """A version as the API and the editor have it."""
    return VersionOut(
        **_row_out(view.row),
        revision=view.row.revision,
        body=dict(view.row.body),
        faults=[FaultOut(place=one.place, message=fault_words(one, language)) for one in view.faults],
        possible=list(view.possible),
        begun=view.begun,
        silent=[SilentOut.model_validate(one) for one in view.silent],
        history=[
            EventOut(at=one.at, step=one.step, by_name=one.by_name, why=one.why) for one in view.row.history
        ],
    )


def _answer_out(answer: Answer) -> AnswerOut:
    value = answer.value
    return AnswerOut(
        question=answer.question,
        value=list(value) if isinstance(value, tuple) else value,
        words=answer.words,
        summary=answer.summary,
        seq=answer.seq,
        channel=answer.channel,
        by_name=answer.by_name,
        at=answer.at,
    )


_PLAIN = (
    *("id", "questionnaire", "version", "purpose", "channel", "state", "rev", "customer_id", "vehicle_id"),
    *("model", "advisor", "contact_id", "call_id", "case_id", "opened_case_id", "begun_at", "begun_by_name"),
    *("touched_at", "ended_at", "ended_by_name", "why", "summary", "total", "dissatisfied"),
)


def response_out(view: ResponseView) -> ResponseOut:
    """A response as the API and the page have it."""
    one = view.response
    return ResponseOut(
        **{name: getattr(one, name) for name in _PLAIN},
        newer_version=view.newer_version,
        label={str(key): value for key, value in view.questionnaire.label.items()},
        customer_name=view.customer_name,
        customer_number=view.customer_number,
        plate=view.plate,
        case_number=view.case_number,
        opened_case_number=view.opened_case_number,
        scores=dict(view.scores),
        language=view.language,
        body=view.questionnaire.model_dump(mode="json"),
        path=list(view.path),
        missing=list(view.missing),
        possible=list(view.possible),
        answers=[_answer_out(answer) for answer in one.answers.values()],
        trail=[_answer_out(answer) for answer in view.trail],
        spoken={
            language: {
                name: [PartOut(kind=part.kind.value, text=part.text, place=part.place) for part in parts]
                for name, parts in words.items()
            }
            for language, words in view.spoken.items()
        },
    )


def _wrong(faults: Sequence[Fault]) -> list[Wrong]:
    return [Wrong(field=one.place[:120], say=partial(_said_of, one)) for one in faults]


def _said_of(fault: Fault, language: Language) -> str:
    return fault_words(fault, language)


def bad_questionnaire(error: BadQuestionnaire) -> Refused:
    """The refusal with every place in it."""
    return Refused(error.error_id, str(error), errors=_wrong(error.faults))


def _incomplete(error: ResponseIncomplete) -> Refused:
    say = partial(said, error_id=f"{error.error_id}", sentence="This question must be answered.")
    return Refused(error.error_id, str(error), errors=[Wrong(field=code, say=say) for code in error.missing])


def code_of(word: str) -> str:
    """A questionnaire's code. Raises Refused questionnaire-not-found."""
    if not (0 < len(word) <= 32 and word.isascii() and word.replace("_", "a").isalnum() and word.islower()):
        raise Refused("questionnaire-not-found", "There is no such questionnaire.")
    return word


def _version_of(path: Mapping[str, str]) -> int:
    word = path["version"]
    if not (word.isascii() and word.isdigit() and len(word) <= 9):
        raise Refused("questionnaire-not-found", "There is no such version of the questionnaire.")
    return int(word)


# -- questionnaires -----------------------------------------------------------------------------------


def _writes(ask: Ask[Any, Any]) -> bool:
    return ask.by.may(Permission.SURVEYS_WRITE) or ask.by.may(Permission.SURVEYS_APPROVE)


async def list_questionnaires(ask: Ask[QuestionnairesQuery, Nothing]) -> QuestionnairesOut:
    """Of each what is asked and the newest version."""
    surveys = ask.services.surveys
    if ask.query.approved or not _writes(ask):
        found = await surveys.may_ask(ask.by, ask.query.purpose)
    else:
        found = [one for one in await surveys.list(ask.by) if ask.query.purpose in (None, one.purpose)]
    return QuestionnairesOut(items=[QuestionnaireOut(**_row_out(one)) for one in found])


async def list_versions(ask: Ask[TongueQuery, Nothing]) -> VersionsOut:
    """Every version with its text and history, the newest first."""
    found = await ask.services.surveys.versions(ask.by, code_of(ask.path["questionnaire"]))
    return VersionsOut(items=[version_out(one, ask.query.language) for one in found])


async def begin_draft(ask: Ask[TongueQuery, BeginDraftIn]) -> VersionOut:
    """The next version, as a draft; the draft there is already where there is one."""
    code = code_of(ask.path["questionnaire"])
    entry = ask.entry(
        Action.QUESTIONNAIRE_STEPPED, f"questionnaire:{code}", {"step": VersionStep.WRITE.value}
    )
    try:
        view = await ask.services.surveys.begin_draft(
            ask.by, code, entry, body=ask.body.body, from_version=ask.body.from_version
        )
    except BadQuestionnaire as error:
        raise bad_questionnaire(error) from error
    return version_out(view, ask.query.language)


async def save_draft(ask: Ask[TongueQuery, SaveDraftIn]) -> VersionOut:
    """Keep the text of a draft, finished or not; what cannot work is said, not refused."""
    code, version = code_of(ask.path["questionnaire"]), _version_of(ask.path)
    entry = ask.entry(Action.QUESTIONNAIRE_STEPPED, f"questionnaire:{code}")
    try:
        view = await ask.services.surveys.save_draft(
            ask.by, code, version, ask.body.body, ask.body.revision, entry
        )
    except BadQuestionnaire as error:
        raise bad_questionnaire(error) from error
    return version_out(view, ask.query.language)


async def step_version(ask: Ask[TongueQuery, VersionStepIn]) -> VersionOut:
    """Submit, take back, send back, approve, retire, discard."""
    code, version = code_of(ask.path["questionnaire"]), _version_of(ask.path)
    step = VersionStep(ask.body.step)
    if not ask.by.may(needs(step)):
        raise Refused("not-allowed", "Approving, sending back and retiring is for managers.")
    entry = ask.entry(
        Action.QUESTIONNAIRE_STEPPED,
        f"questionnaire:{code}",
        {"step": step.value, "version": version, "why": ask.body.why[:200]},
    )
    try:
        view = await ask.services.surveys.step(
            ask.by, code, version, step, entry, revision=ask.body.revision, why=ask.body.why
        )
    except BadQuestionnaire as error:
        raise bad_questionnaire(error) from error
    return version_out(view, ask.query.language)


async def play(ask: Ask[TongueQuery, PlayIn]) -> PlayOut:
    """A questionnaire that is being written, played with answers; nothing is kept."""
    try:
        _questionnaire, found = ask.services.surveys.play(ask.body.body, ask.body.values)
    except BadQuestionnaire as error:
        raise bad_questionnaire(error) from error
    faults = ask.services.surveys.check(ask.body.body)
    return PlayOut(
        **{**found, "case": CaseRuleOut(**found["case"]) if found["case"] else None},
        faults=[FaultOut(place=one.place, message=fault_words(one, ask.query.language)) for one in faults],
    )


# -- responses ----------------------------------------------------------------------------------------


async def begin(ask: Ask[Nothing, BeginIn]) -> ResponseOut:
    """Begin to ask; the same contact, case round, call or key gives the response there is already."""
    body = ask.body
    occasion = ""
    if ask.once is not None:
        occasion = "key:" + hashlib.sha256(f"{ask.once.owner} {ask.once.key}".encode()).hexdigest()[:48]
    view = await ask.services.surveys.begin(
        ask.by,
        ask.entry(Action.RESPONSE_STEPPED, "", {"step": "begin", "questionnaire": body.questionnaire}),
        questionnaire=body.questionnaire,
        customer_id=body.customer_id,
        vehicle_id=body.vehicle_id,
        contact_id=body.contact_id,
        call_id=body.call_id,
        case_id=body.case_id,
        occasion=occasion,
        language=body.language,
    )
    return response_out(view)


async def get_response(ask: Ask[ResponseQuery, Nothing]) -> ResponseOut:
    """One response with everything ever answered."""
    response_id = ask.path["response_id"]
    view = await ask.services.surveys.response(
        ask.by,
        response_id,
        ask.entry(Action.VIEWED, f"response:{response_id}"),
        language=ask.query.language,
    )
    return response_out(view)


async def answer(ask: Ask[Nothing, AnswerIn]) -> ResponseOut:
    """Keep one answer; the newest of a question counts."""
    response_id = ask.path["response_id"]
    value: object = ask.body.value
    view = await ask.services.surveys.answer(
        ask.by,
        response_id,
        ask.body.question,
        value,
        words=ask.body.words,
        summary=ask.body.summary,
        based_on=ask.body.based_on,
        entry=ask.entry(Action.RESPONSE_STEPPED, f"response:{response_id}"),
    )
    return response_out(view)


async def end(ask: Ask[Nothing, EndIn]) -> ResponseOut:
    """Finish, break off or decline; a dissatisfied customer's case opens with it."""
    response_id = ask.path["response_id"]
    try:
        view = await ask.services.surveys.end(
            ask.by,
            response_id,
            ask.body.how,
            why=ask.body.why,
            summary=ask.body.summary,
            based_on=ask.body.based_on,
            entry=ask.entry(Action.RESPONSE_STEPPED, f"response:{response_id}", {"step": ask.body.how}),
        )
    except ResponseIncomplete as error:
        raise _incomplete(error) from error
    return response_out(view)


async def of_customer(ask: Ask[Nothing, Nothing]) -> ResponsesOut:
    """A customer's responses, the newest first."""
    customer_id = ask.path["customer_id"]
    found = await ask.services.surveys.responses_of(
        ask.by, customer_id, ask.entry(Action.VIEWED, f"customer:{customer_id}")
    )
    return ResponsesOut(items=[response_out(one) for one in found])


_ONE = "/api/v1/questionnaires/{questionnaire}"
_VERSION = f"{_ONE}/versions/{{version}}"
_RESPONSE = "/api/v1/responses/{response_id}"
_SAVING = (
    "bad-questionnaire",
    "questionnaire-changed",
    "questionnaire-not-found",
    "questionnaire-step-not-allowed",
)
_ANSWERING = ("bad-answer", "response-changed", "response-not-found", "response-over")

ROUTES = (
    Route(
        method="GET",
        path="/api/v1/questionnaires",
        summary="Questionnaires",
        needs=Permission.SURVEYS_FILL,
        json=list_questionnaires,
        query=QuestionnairesQuery,
        answer=QuestionnairesOut,
        tag="surveys",
    ),
    Route(
        method="POST",
        path="/api/v1/questionnaires/play",
        summary="Try a questionnaire out",
        needs=Permission.SURVEYS_WRITE,
        json=play,
        query=TongueQuery,
        body=PlayIn,
        answer=PlayOut,
        errors=("bad-answer", "bad-questionnaire"),
        tag="surveys",
    ),
    Route(
        method="GET",
        path=_ONE,
        summary="Every version of a questionnaire",
        needs=Permission.SURVEYS_READ,
        json=list_versions,
        query=TongueQuery,
        answer=VersionsOut,
        errors=("questionnaire-not-found",),
        tag="surveys",
    ),
    Route(
        method="POST",
        path=f"{_ONE}/drafts",
        summary="Begin the next version of a questionnaire",
        needs=Permission.SURVEYS_WRITE,
        json=begin_draft,
        query=TongueQuery,
        body=BeginDraftIn,
        answer=VersionOut,
        status=201,
        errors=("bad-questionnaire", "questionnaire-not-found"),
        tag="surveys",
    ),
    Route(
        method="POST",
        path=_VERSION,
        summary="Save a draft of a questionnaire",
        needs=Permission.SURVEYS_WRITE,
        json=save_draft,
        query=TongueQuery,
        body=SaveDraftIn,
        answer=VersionOut,
        errors=_SAVING,
        tag="surveys",
    ),
    Route(
        method="POST",
        path=f"{_VERSION}/steps",
        summary="Submit, approve, send back or retire a version",
        needs=Permission.SURVEYS_WRITE,
        json=step_version,
        query=TongueQuery,
        body=VersionStepIn,
        answer=VersionOut,
        errors=_SAVING,
        tag="surveys",
    ),
    Route(
        method="POST",
        path="/api/v1/responses",
        summary="Begin to ask a customer",
        needs=Permission.SURVEYS_FILL,
        json=begin,
        body=BeginIn,
        answer=ResponseOut,
        status=201,
        once=True,
        errors=(
            "case-not-found",
            "customer-not-found",
            "questionnaire-not-found",
            "record-closed",
            "response-not-found",
            "vehicle-not-found",
        ),
        tag="surveys",
    ),
    Route(
        method="GET",
        path=_RESPONSE,
        summary="One response with all its answers",
        needs=Permission.SURVEYS_FILL,
        json=get_response,
        query=ResponseQuery,
        answer=ResponseOut,
        errors=("response-not-found",),
        views="response",
        tag="surveys",
    ),
    Route(
        method="POST",
        path=f"{_RESPONSE}/answers",
        summary="Keep one answer",
        needs=Permission.SURVEYS_FILL,
        json=answer,
        body=AnswerIn,
        answer=ResponseOut,
        errors=_ANSWERING,
        tag="surveys",
    ),
    Route(
        method="POST",
        path=f"{_RESPONSE}/end",
        summary="Finish a response, break it off, or decline",
        needs=Permission.SURVEYS_FILL,
        json=end,
        body=EndIn,
        answer=ResponseOut,
        errors=(*_ANSWERING, "response-incomplete"),
        tag="surveys",
    ),
    Route(
        method="GET",
        path="/api/v1/customers/{customer_id}/responses",
        summary="What a customer answered",
        needs=Permission.SURVEYS_FILL,
        json=of_customer,
        answer=ResponsesOut,
        errors=("customer-not-found", "record-closed"),
        views="customer",
        tag="surveys",
    ),
)
