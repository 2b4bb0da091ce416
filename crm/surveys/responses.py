"""A response: one customer's answers to one version of a questionnaire, and what can be refused about it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from crm.surveys.questionnaires import Channel, Purpose


class ResponseState(StrEnum):
    """Where a response is. A broken off one may be taken up again."""

    BEGUN = "begun"
    FINISHED = "finished"
    BROKEN_OFF = "broken_off"
    DECLINED = "declined"  # the customer does not want to be asked


class SurveyError(Exception):
    """Base of what can be refused about questionnaires and responses; nothing was changed.

    SurveyError
    ├── QuestionnaireNotFound    no such questionnaire, or none that may be asked
    ├── BadQuestionnaire         it cannot work; `places` says where and why
    ├── QuestionnaireChanged     somebody saved meanwhile
    ├── QuestionnaireStep        its state, or who asks, does not allow the step; `allowed_steps`
    ├── ResponseNotFound
    ├── BadAnswer                `question` and why
    ├── ResponseChanged          the question was answered elsewhere meanwhile; `theirs`
    ├── ResponseOver             it is finished, broken off or declined; `allowed_steps`
    └── ResponseIncomplete       questions that must be answered; `missing`
    """

    error_id = "survey-error"


class QuestionnaireNotFound(SurveyError):
    """There is no such questionnaire or version, or no approved one."""

    error_id = "questionnaire-not-found"


class Fault(SurveyError):
    """One thing that cannot work: `place` is a path such as questions.2.text. Raised together: BadQuestionnaire."""

    error_id = "bad-questionnaire"

    def __init__(self, sentence: str, *, place: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.place = place
        #: What pydantic says of it, where its shape is wrong: it is put into words for a reader.
        self.details: Any = None


class BadQuestionnaire(SurveyError):
    """A questionnaire cannot work as it is."""

    error_id = "bad-questionnaire"

    def __init__(self, sentence: str, faults: Sequence[Fault] = ()) -> None:
        super().__init__(sentence)
        self.faults = tuple(faults)


class QuestionnaireChanged(SurveyError):
    """Somebody saved another text of the draft meanwhile (`holder` is a name)."""

    error_id = "questionnaire-changed"

    def __init__(self, sentence: str, *, holder: str, revision: int) -> None:
        super().__init__(sentence)
        self.holder = holder
        #: The newest saving's number.
        self.version = revision


class QuestionnaireStep(SurveyError):
    """The step cannot be taken: the state does not allow it, or not by this person."""

    error_id = "questionnaire-step-not-allowed"

    def __init__(self, sentence: str, *, state: str, allowed_steps: Sequence[str]) -> None:
        super().__init__(sentence)
        self.state = state
        self.allowed_steps = tuple(allowed_steps)


class ResponseNotFound(SurveyError):
    """There is no such response, or this person may not know of it."""

    error_id = "response-not-found"


class BadAnswer(SurveyError):
    """This cannot be an answer of the question."""

    error_id = "bad-answer"

    def __init__(self, sentence: str, *, question: str = "") -> None:
        super().__init__(sentence)
        self.question = question
        self.field = question


class ResponseChanged(SurveyError):
    """The question was answered elsewhere since this page was read; `theirs` is that answer."""

    error_id = "response-changed"

    def __init__(self, sentence: str, *, question: str, version: int, theirs: Mapping[str, Any]) -> None:
        super().__init__(sentence)
        self.question = question
        self.version = version
        self.theirs = theirs


class ResponseOver(SurveyError):
    """The response is over."""

    error_id = "response-over"

    def __init__(self, sentence: str, *, state: str, allowed_steps: Sequence[str]) -> None:
        super().__init__(sentence)
        self.state = state
        self.allowed_steps = tuple(allowed_steps)


class ResponseIncomplete(SurveyError):
    """Questions of the path that must be answered are not."""

    error_id = "response-incomplete"

    def __init__(self, sentence: str, *, missing: Sequence[str]) -> None:
        super().__init__(sentence)
        self.missing = tuple(missing)


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """The newest answer to a question."""

    question: str
    #: As `crm.surveys.answers.read_answer` gives it; None: passed over.
    value: str | int | float | tuple[str, ...] | None
    #: The customer's own words about it.
    words: str = ""
    #: What the agent makes of them.
    summary: str = ""
    #: The response's version this answer made.
    seq: int = 0
    channel: Channel = Channel.AGENT
    by: str | None = None
    by_name: str = ""
    at: datetime | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Response:
    """One customer's answers to one version of a questionnaire."""

    id: str
    questionnaire: str
    version: int
    purpose: Purpose
    channel: Channel
    state: ResponseState
    #: Rises with every answer and step: the `seq` of the newest.
    rev: int = 0
    customer_id: str | None = None
    vehicle_id: str | None = None
    #: The contact it was asked in, the call, and the case it asks about.
    contact_id: str | None = None
    call_id: str | None = None
    case_id: str | None = None
    begun_at: datetime
    begun_by: str | None = None
    begun_by_name: str = ""
    #: Last answer or step.
    touched_at: datetime
    ended_at: datetime | None = None
    ended_by_name: str = ""
    #: Why it was broken off or declined.
    why: str = ""
    #: What the agent makes of the whole talk.
    summary: str = ""
    #: 0 to 100; None: nothing that counts was answered.
    total: float | None = None
    dissatisfied: bool = False
    #: The case that the dissatisfaction opened.
    opened_case_id: str | None = None
    #: Who served the customer, as the records said when it began; results are shown by them.
    advisor: str = ""
    model: str = ""
    #: By question, the newest.
    answers: Mapping[str, Answer] = field(default_factory=dict)

    @property
    def values(self) -> dict[str, Any]:
        """Question to its answer, without those passed over."""
        return {code: one.value for code, one in self.answers.items() if one.value is not None}
