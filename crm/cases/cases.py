"""A case: what a customer told us that somebody must answer for, followed to its end (000「顾客投诉抱怨处理单」)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import Any, Final

from access.sentences import Sentence

LONGEST_SUBJECT: Final = 200
LONGEST_NAME: Final = 64
LONGEST_WORDS: Final = 4000


class CaseError(Exception):
    """Base of what can be refused about cases; nothing was changed.

    CaseError
    ├── CaseNotFound         there is no such case, or none for this person
    ├── BadCase              a field is missing or cannot be; `field` says which
    ├── StepNotAllowed       the state does not allow the step; `allowed_steps` are those it does
    ├── StepForbidden        the step is somebody else's to take
    └── CaseChanged          somebody was first; `theirs` says what happened meanwhile
    """

    error_id = "case-error"


class CaseNotFound(CaseError):
    """There is no such case, or this person may not know of it."""

    error_id = "case-not-found"


class BadCase(CaseError):
    """A field is missing, too long, or says what cannot be."""

    error_id = "bad-case"

    def __init__(self, sentence: str, *, field: str = "") -> None:
        super().__init__(sentence)
        self.field = field


class StepNotAllowed(CaseError):
    """The case is not where this step can be taken."""

    error_id = "case-step-not-allowed"

    def __init__(self, sentence: str, *, state: str, allowed_steps: Sequence[str]) -> None:
        super().__init__(sentence)
        self.state = state
        self.allowed_steps = tuple(allowed_steps)


class StepForbidden(CaseError):
    """The step is for somebody else: another role, another department, or not the same person."""

    error_id = "case-step-forbidden"


class CaseChanged(CaseError):
    """Two people acted at once; this one came second. `theirs` holds what happened since his version."""

    error_id = "case-changed"

    def __init__(
        self, sentence: str, *, holder: str, state: str, version: int, theirs: Mapping[str, Any]
    ) -> None:
        super().__init__(sentence)
        self.holder = holder
        self.state = state
        self.version = version
        self.theirs = theirs


class CaseKind(StrEnum):
    """What it is. Which road it takes: `crm.cases.steps.ROADS`."""

    INQUIRY = "inquiry"  # 咨询
    SUGGESTION = "suggestion"  # 建议
    GRUMBLE = "grumble"  # 抱怨
    COMPLAINT = "complaint"  # 投诉
    PRAISE = "praise"  # 表扬


class Grade(StrEnum):
    """How grave it is (一般, 升级, 重大)."""

    ORDINARY = "ordinary"
    ESCALATED = "escalated"
    MAJOR = "major"


#: From the least to the gravest.
GRADES: Final = (Grade.ORDINARY, Grade.ESCALATED, Grade.MAJOR)


class CaseSource(StrEnum):
    """How it reached us."""

    CALL = "call"
    SURVEY = "survey"
    VISIT = "visit"  # a return visit
    WALK_IN = "walk_in"
    LETTER = "letter"
    WEB = "web"
    OTHER = "other"


class CaseState(StrEnum):
    """Where a case is. Only CLOSED is the end."""

    REGISTERED = "registered"  # nobody has it: to be handed to a department
    ASSIGNED = "assigned"  # the department has to accept
    ACCEPTED = "accepted"
    HANDLING = "handling"
    REPLIED = "replied"  # the department has answered; the customer is to be told
    AGREED = "agreed"  # the customer agrees with the plan; the department carries it out
    SECOND_VISIT = "second_visit"  # carried out; the customer is asked whether he is satisfied
    CLOSED = "closed"


class Responsibility(StrEnum):
    """Whose fault it was."""

    OURS = "ours"
    MAKER = "maker"
    CUSTOMER = "customer"
    THIRD_PARTY = "third_party"
    UNCLEAR = "unclear"


class Ending(StrEnum):
    """How a closed case came to its end."""

    SATISFIED = "satisfied"  # the second visit of the last round
    EXCEPTION = "exception"  # a manager signed
    ANSWERED = "answered"  # an inquiry, suggestion or praise, answered


class Due(StrEnum):
    """What the next deadline of a case is about."""

    ASSIGN = "assign"  # hand it to a department
    ACCEPT = "accept"  # the department says that it has it
    ANSWER = "answer"  # the customer gets a first answer
    SOLVE = "solve"  # what was agreed is carried out
    VISIT = "visit"  # the second visit
    CLOSE = "close"  # satisfied: check and archive


class Reached(StrEnum):
    """What came of a talk with the customer."""

    AGREED = "agreed"
    REFUSED = "refused"
    SATISFIED = "satisfied"
    DISSATISFIED = "dissatisfied"
    UNREACHABLE = "unreachable"


class Effect(StrEnum):
    """Whether a corrective action did what it was for."""

    HELPED = "helped"
    NOT_HELPED = "not_helped"


@dataclass(frozen=True, kw_only=True, slots=True)
class NewCase:
    """A case to open. `number` is the customer's contact number (E.164); the case's own number is made."""

    kind: CaseKind
    grade: Grade
    source: CaseSource
    subject: str
    #: The customer's own words.
    words: str = ""
    #: What the agent makes of them.
    summary: str = ""
    #: When it happened, as told.
    happened: str = ""
    place: str = ""
    symptom: str = ""
    #: What the customer wants.
    wants: str = ""
    #: When the customer told us; None: now.
    occurred_at: datetime | None = None
    customer_id: str | None = None
    vehicle_id: str | None = None
    mileage: int | None = None
    number: str | None = None
    caller_name: str = ""
    call_id: str | None = None
    response_id: str | None = None
    department: str | None = None
    handler_id: str | None = None
    #: Names, as told.
    departmental_person: str = ""
    consultant: str = ""  # sales consultant
    advisor: str = ""  # service advisor
    technician: str = ""
    #: When the customer was promised an answer.
    promised_at: datetime | None = None
    #: The same event never opens a second case; empty: always a new one.
    occasion: str = ""
    #: The case this repeats, where a person says so; otherwise it is found.
    repeat_of: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Case:
    """One case."""

    id: str
    #: By the house's yearly rule, e.g. TS2026-000123.
    number: str
    kind: CaseKind
    grade: Grade
    source: CaseSource
    state: CaseState
    #: 1, and one more for every dissatisfied second visit.
    round: int = 1
    #: Rises with every step that changes the case; a step says which version it was decided on.
    version: int = 1
    #: How many events its trail has.
    events: int = 0

    subject: str
    words: str = ""
    summary: str = ""
    happened: str = ""
    place: str = ""
    symptom: str = ""
    wants: str = ""
    occurred_at: datetime
    opened_at: datetime
    #: When its round began: deadlines count from there.
    round_at: datetime
    opened_by: str | None = None
    opened_by_name: str = ""
    customer_id: str | None = None
    vehicle_id: str | None = None
    mileage: int | None = None
    #: E.164 of who told us.
    phone: str | None = None
    caller_name: str = ""
    call_id: str | None = None
    response_id: str | None = None
    occasion: str | None = None

    department: str | None = None
    #: Person in charge in customer relations, a user id.
    handler_id: str | None = None
    departmental_person: str = ""
    consultant: str = ""
    advisor: str = ""
    technician: str = ""

    promised_at: datetime | None = None
    #: First answer to the customer and solution, of this round.
    answer_due_at: datetime | None = None
    answered_at: datetime | None = None
    solve_due_at: datetime | None = None
    solved_at: datetime | None = None
    #: Of the state it is in: hand over, accept, second visit, close.
    stage_due_at: datetime | None = None
    #: The nearest deadline that is not met, and what it is about. None: closed.
    due_at: datetime | None = None
    due_what: Due | None = None
    #: Whether an answer or a solution of any round came after its deadline.
    answer_late: bool = False
    solution_late: bool = False

    #: What the department replied.
    cause: str = ""
    responsibility: Responsibility | None = None
    plan: str = ""
    #: By when the plan is carried out.
    carry_out_on: date | None = None
    replied_at: datetime | None = None
    replied_by_name: str = ""
    #: So that it does not happen again: what, who, by when; when its effect is checked.
    corrective_action: str = ""
    corrective_owner: str = ""
    corrective_on: date | None = None
    effect_on: date | None = None
    effect: Effect | None = None
    effect_words: str = ""
    effect_at: datetime | None = None

    tell_tries: int = 0
    refusals: int = 0
    visit_tries: int = 0
    #: The verdict of this round's second visit; None: none yet.
    verdict: Reached | None = None
    visited_at: datetime | None = None

    withdrawn_at: datetime | None = None
    exception_by: str | None = None
    exception_by_name: str = ""
    exception_at: datetime | None = None
    exception_reason: str = ""

    ending: Ending | None = None
    closed_at: datetime | None = None
    closed_by_name: str = ""
    #: What the customer was answered (short road), or what the final check says.
    closing_words: str = ""

    repeat_of: str | None = None
    duplicate_of: str | None = None
    urges: int = 0
    urged_at: datetime | None = None

    def is_overdue(self, now: datetime) -> bool:
        """Whether its nearest deadline has passed."""
        return self.state is not CaseState.CLOSED and self.due_at is not None and now > self.due_at

    @property
    def suggested_grade(self) -> Grade:
        """The grade it should have: one above its own where it repeats another, until somebody raised it."""
        if self.repeat_of is None:
            return self.grade
        return GRADES[max(GRADES.index(self.grade), 1)]

    @property
    def may_close(self) -> bool:
        """A satisfied second visit of this round, or a signed exception by somebody else than its handler."""
        satisfied = self.state is CaseState.SECOND_VISIT and self.verdict is Reached.SATISFIED
        signed = self.exception_at is not None and self.exception_by != self.handler_id
        return self.state is not CaseState.CLOSED and (satisfied or signed)


class By(StrEnum):
    """Who took a step."""

    USER = "user"
    LINK = "link"  # a department's person with a private link, by the name he typed
    PROGRAM = "program"  # a token of nobody
    HOUSE = "house"  # Careline itself


@dataclass(frozen=True, kw_only=True, slots=True)
class CaseEvent:
    """One line of the trail of a case; append-only, `seq` without gaps."""

    id: str
    case_id: str
    seq: int
    at: datetime
    #: Word of `crm.cases.steps.Step`.
    step: str
    by: By
    by_id: str | None = None
    by_name: str = ""
    link_id: str | None = None
    #: Empty for the first one.
    from_state: CaseState | None = None
    to_state: CaseState
    round: int = 1
    #: The case's version after it.
    version: int = 1
    #: What was said or written.
    words: str = ""
    #: What else: department, cause, plan, verdict, fields before and after.
    data: Mapping[str, Any] = field(default_factory=dict)
    #: What a notice of the house is about; the same is never given twice.
    occasion: str | None = None


def check_text(value: str, name: str, *, longest: int = LONGEST_WORDS, needed: bool = False) -> str:
    """A text a person wrote, tidied. Raises BadCase."""
    text = value.strip()
    if needed and not text:
        raise BadCase(
            Sentence("{field}: something has to be written here. Nothing was changed.", field=name),
            field=name,
        )
    if len(text) > longest:
        raise BadCase(
            Sentence("{field}: at most {most} characters. Nothing was changed.", field=name, most=longest),
            field=name,
        )
    if any(ord(letter) < 32 and letter not in "\n\t" for letter in text.replace("\r\n", "\n")):
        raise BadCase(Sentence("{field}: control characters are not allowed.", field=name), field=name)
    return text.replace("\r\n", "\n")


def serial_text(rule: str, *, year: int, serial: int) -> str:
    """The number of a case by the house's rule, e.g. "TS{year}-{serial:06d}"."""
    return rule.format(year=year, serial=serial)
