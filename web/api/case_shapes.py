"""What the API takes and gives about cases, field by field."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, Field, StringConstraints

from crm.cases.cases import (
    LONGEST_NAME,
    LONGEST_SUBJECT,
    LONGEST_WORDS,
    By,
    CaseKind,
    CaseSource,
    CaseState,
    Due,
    Effect,
    Ending,
    Grade,
    Reached,
    Responsibility,
)
from crm.cases.steps import Step
from web.api.record_shapes import Version
from web.api.shapes import Cursor, Id, Search, Size
from web.routes import Shape

Words = Annotated[str, StringConstraints(strip_whitespace=True, max_length=LONGEST_WORDS)]
Needed = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=LONGEST_WORDS)]
Subject = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=LONGEST_SUBJECT)]
Short = Annotated[str, StringConstraints(strip_whitespace=True, max_length=LONGEST_SUBJECT)]
PersonName = Annotated[str, StringConstraints(strip_whitespace=True, max_length=LONGEST_NAME)]
DepartmentId = Annotated[str, StringConstraints(pattern=r"^[0-9a-z_-]{1,32}$")]
Number = Annotated[str, StringConstraints(strip_whitespace=True, max_length=64)]
Mileage = Annotated[int, Field(ge=0, le=9_999_999)]


class CasesQuery(Shape):
    which: Literal["open", "overdue", "closed", "all"] = "open"
    state: CaseState | None = None
    kind: CaseKind | None = None
    grade: Grade | None = None
    source: CaseSource | None = None
    department: DepartmentId | None = None
    handler_id: Id | None = None
    mine: bool = Field(False, description="only those the asker is in charge of")
    free: bool = Field(False, description="only those nobody is in charge of")
    customer_id: Id | None = None
    vehicle_id: Id | None = None
    search: Search = Field("", description="a case's number, or words of its subject or of the customer")
    opened_from: date | None = None
    opened_to: date | None = Field(None, description="the day itself included")
    cursor: Cursor | None = None
    limit: Size = 50


class CaseOut(Shape):
    """One case, names and numbers masked by the asker's role."""

    id: str
    number: str
    kind: CaseKind
    grade: Grade
    suggested_grade: Grade = Field(description="one above its own where it repeats another case")
    source: CaseSource
    state: CaseState
    round: int
    version: int = Field(description="send it with the next step")
    subject: str
    words: str = Field(description="the customer's own words")
    summary: str
    happened: str
    place: str
    symptom: str
    wants: str
    occurred_at: datetime
    opened_at: datetime
    opened_by_name: str
    customer_id: str | None
    customer_name: str
    vehicle_id: str | None
    plate: str
    model: str
    mileage: int | None
    phone: str | None
    caller_name: str
    call_id: str | None
    response_id: str | None
    department: str | None
    handler_id: str | None
    handler_name: str
    departmental_person: str
    consultant: str
    advisor: str
    technician: str
    promised_at: datetime | None
    answer_due_at: datetime | None
    answered_at: datetime | None
    solve_due_at: datetime | None
    solved_at: datetime | None
    stage_due_at: datetime | None
    due_at: datetime | None = Field(description="the nearest deadline that is not met")
    due_what: Due | None
    overdue: bool
    answer_late: bool
    solution_late: bool
    cause: str
    responsibility: Responsibility | None
    plan: str
    carry_out_on: date | None
    replied_at: datetime | None
    replied_by_name: str
    corrective_action: str
    corrective_owner: str
    corrective_on: date | None
    effect_on: date | None
    effect: Effect | None
    effect_words: str
    effect_at: datetime | None
    tell_tries: int
    refusals: int
    visit_tries: int
    verdict: Reached | None
    visited_at: datetime | None
    withdrawn_at: datetime | None
    exception_by_name: str
    exception_at: datetime | None
    exception_reason: str
    ending: Ending | None
    closed_at: datetime | None
    closed_by_name: str
    closing_words: str
    repeat_of: str | None
    duplicate_of: str | None
    urges: int
    urged_at: datetime | None
    hidden: bool = Field(description="about a record closed to the asker: nothing of it is shown")


class CasesOut(Shape):
    items: list[CaseOut]
    counts: dict[str, int]
    next: str | None


class CaseEventOut(Shape):
    seq: int
    at: datetime
    step: Step
    by: By
    by_id: str | None
    by_name: str
    link_id: str | None
    from_state: CaseState | None
    to_state: CaseState
    round: int
    words: str
    data: dict[str, Any]


class OtherCaseOut(Shape):
    id: str
    number: str
    kind: CaseKind
    grade: Grade
    state: CaseState
    subject: str
    opened_at: datetime


class CaseLinkOut(Shape):
    id: str
    audience: str
    made_at: datetime
    expires_at: datetime
    opened_at: datetime | None
    revoked_at: datetime | None


class CaseDetailOut(Shape):
    case: CaseOut
    events: list[CaseEventOut] = Field(description="the trail, oldest first")
    allowed_steps: list[Step]
    others: list[OtherCaseOut] = Field(description="other cases of this customer or vehicle")
    links: list[CaseLinkOut]


class LinkMadeOut(Shape):
    """The only answer that holds address and PIN: send the one, tell the other by telephone."""

    path: str
    pin: str
    expires_at: datetime


class SteppedOut(CaseDetailOut):
    link: LinkMadeOut | None = None


class NewCaseIn(Shape):
    kind: CaseKind
    grade: Grade = Grade.ORDINARY
    source: CaseSource
    subject: Subject
    words: Words = ""
    summary: Words = ""
    happened: Short = Field("", description="when it happened, as told")
    place: Short = ""
    symptom: Words = ""
    wants: Words = ""
    occurred_at: AwareDatetime | None = Field(None, description="null: now")
    customer_id: Id | None = None
    vehicle_id: Id | None = None
    mileage: Mileage | None = None
    phone: Number | None = Field(None, description="contact number, as written")
    caller_name: PersonName = ""
    call_id: Id | None = None
    department: DepartmentId | None = Field(None, description="hand it to this department at once")
    handler_id: Id | None = Field(None, description="person in charge; null: the asker, where he takes calls")
    departmental_person: PersonName = ""
    consultant: PersonName = ""
    advisor: PersonName = ""
    technician: PersonName = ""
    promised_at: AwareDatetime | None = Field(None, description="when the customer was promised an answer")
    repeat_of: Id | None = Field(None, description="case it repeats; null: it is looked for")


class StepIn(Shape):
    """What every step may say."""

    version: Version | None = Field(None, description="version the asker decided on; null: any")
    words: Words = ""


class WordsIn(StepIn):
    words: Needed


class AssignIn(StepIn):
    department: DepartmentId
    handler_id: Id | None = Field(None, description="person in charge; null: as it is, else the asker")
    departmental_person: PersonName | None = None
    promised_at: AwareDatetime | None = None
    with_link: bool = Field(False, description="make the department's private link")


class ReplyIn(StepIn):
    cause: Needed
    responsibility: Responsibility
    plan: Needed
    carry_out_on: date = Field(description="by when the plan is carried out")
    corrective_action: Words = ""
    corrective_owner: PersonName = ""
    corrective_on: date | None = None


class AnalyseIn(StepIn):
    cause: Words | None = None
    responsibility: Responsibility | None = None
    corrective_action: Words | None = None
    corrective_owner: PersonName | None = None
    corrective_on: date | None = None
    effect_on: date | None = Field(None, description="when its effect is checked")


class TellPlanIn(StepIn):
    reached: Literal["agreed", "refused", "unreachable"]
    call_id: Id | None = None


class SecondVisitIn(StepIn):
    reached: Literal["satisfied", "dissatisfied", "unreachable"]
    call_id: Id | None = None
    with_link: bool = Field(False, description="dissatisfied: make the department's new private link")


class ClassifyIn(StepIn):
    kind: CaseKind | None = None
    grade: Grade | None = None


class ChangeIn(StepIn):
    """Fields that are left out stay as they are."""

    subject: Subject | None = None
    words_of_customer: Words | None = None
    summary: Words | None = None
    happened: Short | None = None
    place: Short | None = None
    symptom: Words | None = None
    wants: Words | None = None
    occurred_at: AwareDatetime | None = None
    customer_id: Id | None = None
    vehicle_id: Id | None = None
    mileage: Mileage | None = None
    phone: Number | None = None
    caller_name: PersonName | None = None
    departmental_person: PersonName | None = None
    consultant: PersonName | None = None
    advisor: PersonName | None = None
    technician: PersonName | None = None
    promised_at: AwareDatetime | None = None


class TieIn(StepIn):
    other_id: Id
    tie: Literal["repeat", "duplicate"]


class EffectIn(StepIn):
    effect: Effect


class CaseChoicesOut(Shape):
    departments: dict[str, dict[str, str]]
    handlers: dict[str, str]
