"""A questionnaire: questions in both languages, when each is asked, and which answers are a dissatisfied customer.

Data, versioned and approved before anybody is asked (feature 100). Reading one checks its shape; `faults` of
`crm.surveys.checking` finds what cannot work.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Final, Literal

from pydantic import Field, StringConstraints, model_validator

from crm.cases.cases import CaseKind, Grade
from crm.definitions import Code, Part

LANGUAGES: Final = ("zh-CN", "en")
MOST_QUESTIONS: Final = 60
MOST_OPTIONS: Final = 20
#: Longest answer in a customer's own words, in characters.
LONGEST_TEXT: Final = 4000
#: Highest end of a score.
MOST_SCORE: Final = 100

Said = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=300)]
#: What is said, per language of the house.
Saying = Annotated[dict[Literal["zh-CN", "en"], Said], Field(min_length=1)]
Words = Annotated[str, StringConstraints(strip_whitespace=True, max_length=1000)]
#: Opening and closing words, with places as scripts have them.
Spoken = dict[Literal["zh-CN", "en"], Words]


class QuestionKind(StrEnum):
    """What a question takes."""

    CHOICE = "choice"
    SEVERAL = "several"
    SCORE = "score"
    NUMBER = "number"
    DATE = "date"
    TEXT = "text"


class Purpose(StrEnum):
    """What a questionnaire is for."""

    DELIVERY_VISIT = "delivery_visit"  # 售时回访
    SERVICE_VISIT = "service_visit"  # 售后回访
    SECOND_VISIT = "second_visit"  # 二次回访, about a case
    SERVICE_CARD = "service_card"  # 服务质量卡
    PLAN = "plan"  # a survey of its own with a plan (M-107, M-108)


class Channel(StrEnum):
    """How a questionnaire is filled in."""

    AGENT = "agent"
    KEYPAD = "keypad"
    WEB = "web"


class Choice(Part):
    """One answer of a choice or of several."""

    code: Code
    label: Saying
    #: 0 to 100; None: says nothing about satisfaction.
    points: Annotated[int, Field(ge=0, le=100)] | None = None
    dissatisfied: bool = False
    #: Excludes the others ("none of these").
    alone: bool = False


class Condition(Part):
    """About an earlier question. Of one that was not asked or not answered no condition holds."""

    question: Code
    op: Literal["one_of", "none_of", "at_least", "at_most", "answered"]
    #: one_of, none_of.
    options: Annotated[tuple[Code, ...], Field(max_length=MOST_OPTIONS)] = ()
    #: at_least, at_most; none for the others.
    value: float | None = None

    @model_validator(mode="after")
    def _of_its_op(self) -> Condition:
        if (self.op in ("one_of", "none_of")) != bool(self.options):
            raise ValueError("answers to choose from belong to 'one of' and 'none of', which need some")
        if (self.op in ("at_least", "at_most")) != (self.value is not None):
            raise ValueError("a value belongs to 'at least' and 'at most', which need one")
        return self


class When(Part):
    """Conditions of which all, or any, must hold."""

    match: Literal["all", "any"] = "all"
    conditions: Annotated[tuple[Condition, ...], Field(min_length=1, max_length=10)]


class CaseRule(Part):
    """The case that a dissatisfied answer opens."""

    kind: CaseKind = CaseKind.GRUMBLE
    grade: Grade = Grade.ORDINARY
    #: Department it is handed to; empty: customer relations decides.
    department: Annotated[str, StringConstraints(pattern=r"^[0-9a-z_-]{0,32}$")] = ""


class Question(Part):
    """One question."""

    code: Code
    kind: QuestionKind
    text: Saying
    help: dict[Literal["zh-CN", "en"], Said] = Field(default_factory=dict)
    required: bool = False
    #: Asked when this holds; None: always.
    show: When | None = None
    #: Nothing more is asked after it when this holds; may be about this question.
    end: When | None = None

    options: Annotated[tuple[Choice, ...], Field(max_length=MOST_OPTIONS)] = ()
    #: Ends of a score or number.
    least: float | None = None
    most: float | None = None
    #: What the ends of a score mean, e.g. very dissatisfied.
    least_label: dict[Literal["zh-CN", "en"], Said] = Field(default_factory=dict)
    most_label: dict[Literal["zh-CN", "en"], Said] = Field(default_factory=dict)
    #: A word behind a number, such as km.
    unit: dict[Literal["zh-CN", "en"], Said] = Field(default_factory=dict)
    #: Digits behind the point of a number.
    decimals: Annotated[int, Field(ge=0, le=2)] = 0
    #: 0 to 10, "would you recommend us".
    nps: bool = False
    #: The vehicle's reading, in km: the record learns it.
    odometer: bool = False

    #: Share in the total; 0: counts for nothing.
    weight: Annotated[float, Field(ge=0, le=100)] = 1
    #: Average score (0 to 100) below which it is a weak item; None: it is not watched.
    weak_below: Annotated[int, Field(ge=1, le=100)] | None = None
    #: A score or number below this is a dissatisfied customer.
    dissatisfied_below: float | None = None
    #: The case of this question; None: that of the questionnaire.
    case: CaseRule | None = None
    #: Recorded prompt for the keypad, without its language; empty: it is not asked there.
    sound: Annotated[str, StringConstraints(pattern=r"^[0-9A-Za-z_-]{0,64}$")] = ""

    @model_validator(mode="after")
    def _of_its_kind(self) -> Question:
        chosen = self.kind in (QuestionKind.CHOICE, QuestionKind.SEVERAL)
        if chosen != bool(self.options):
            raise ValueError("answers belong to a choice, and a choice needs some")
        if len({one.code for one in self.options}) < len(self.options):
            raise ValueError("two answers have the same code")
        measured = self.kind in (QuestionKind.SCORE, QuestionKind.NUMBER)
        if not measured and not (self.least is self.most is self.dissatisfied_below is None):
            raise ValueError("least, most and 'dissatisfied below' belong to a score or a number")
        if self.kind is QuestionKind.SCORE:
            if self.least is None or self.most is None:
                raise ValueError("a score needs its least and its most")
            whole = self.least.is_integer() and self.most.is_integer()
            if not whole or not 0 <= self.least < self.most <= MOST_SCORE:
                raise ValueError("a score goes between whole numbers from 0 to 100, least below most")
        if self.least is not None and self.most is not None and self.least >= self.most:
            raise ValueError("least must be below most")
        if self.nps and (self.kind is not QuestionKind.SCORE or (self.least, self.most) != (0, 10)):
            raise ValueError("a question about recommending us is a score from 0 to 10")
        if self.odometer and (self.kind is not QuestionKind.NUMBER or self.decimals):
            raise ValueError("the mileage is a whole number")
        return self

    def option(self, code: str) -> Choice | None:
        """The answer with this code."""
        return next((one for one in self.options if one.code == code), None)


class Plan(Part):
    """Why and how a survey is made (M-108): its goal, whom, when, what it asks about."""

    goal: Words = ""
    sample: Words = ""
    period: Annotated[str, StringConstraints(strip_whitespace=True, max_length=200)] = ""
    content: Words = ""


class Questionnaire(Part):
    """One version of a questionnaire, without what happened to it."""

    code: Code
    label: Saying
    purpose: Purpose
    plan: Plan = Plan()
    opening: Spoken = Field(default_factory=dict)
    closing: Spoken = Field(default_factory=dict)
    questions: Annotated[tuple[Question, ...], Field(min_length=1, max_length=MOST_QUESTIONS)]
    #: The case of a dissatisfied answer; None: it opens none.
    case: CaseRule | None = None
    #: A total below this is a dissatisfied customer.
    dissatisfied_below: Annotated[float, Field(gt=0, le=100)] | None = None
    channels: Annotated[tuple[Channel, ...], Field(min_length=1)] = (Channel.AGENT,)

    @model_validator(mode="after")
    def _codes_once(self) -> Questionnaire:
        if len({one.code for one in self.questions}) < len(self.questions):
            raise ValueError("two questions have the same code")
        return self

    def question(self, code: str) -> Question | None:
        """The question with this code."""
        return next((one for one in self.questions if one.code == code), None)
