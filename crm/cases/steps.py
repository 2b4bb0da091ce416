"""What may be done with a case in which state, and by whom: one table, read by the store, the API and the pages.

Two roads (`ROADS`): grumbles and complaints go the whole way, and close only after a satisfied second visit of
the last round or an exception that a manager signed; inquiries, suggestions and praise may be answered and
closed at once, and may still be handed to a department.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import Any, Final

from access.permissions import Permission
from access.sentences import Sentence
from crm.cases.cases import (
    Case,
    CaseKind,
    CaseState,
    Effect,
    Grade,
    Reached,
    Responsibility,
    StepNotAllowed,
)


class Step(StrEnum):
    """What is done with a case."""

    REGISTER = "register"  # the first event; nobody takes it afterwards
    ASSIGN = "assign"  # to a department and a person in charge, also again
    ACCEPT = "accept"
    HAND_BACK = "hand_back"  # the wrong department
    START = "start"
    REPLY = "reply"  # cause, responsibility, plan, corrective action
    RETURN_REPLY = "return_reply"  # insufficient
    TELL_PLAN = "tell_plan"  # agreed, refused, unreachable
    CARRIED_OUT = "carried_out"
    DATE_REACHED = "date_reached"  # the house: the day of the plan has come
    SECOND_VISIT = "second_visit"  # satisfied, dissatisfied, unreachable
    WITHDRAW = "withdraw"  # the customer takes it back; a manager signs
    EXCEPTION = "exception"  # a manager signs that it closes without a satisfied visit
    CLOSE = "close"
    ANSWER = "answer"  # short road: the customer has his answer; closed
    CLASSIFY = "classify"  # another kind or grade
    CHANGE = "change"  # fields of the form
    ANALYSE = "analyse"  # cause, responsibility, corrective action, as customer relations found them
    TIE = "tie"  # repeats or doubles another case
    NOTE = "note"
    URGE = "urge"  # 督办
    LINK = "link"  # a new private link for the department
    REMIND = "remind"  # the house: nearly due
    ESCALATE = "escalate"  # the house: overdue, or major
    EFFECT = "effect"  # after closing: did the corrective action help


class Road(StrEnum):
    """The way a kind of case goes."""

    FULL = "full"
    SHORT = "short"


ROADS: Final[Mapping[CaseKind, Road]] = {
    CaseKind.COMPLAINT: Road.FULL,
    CaseKind.GRUMBLE: Road.FULL,
    CaseKind.INQUIRY: Road.SHORT,
    CaseKind.SUGGESTION: Road.SHORT,
    CaseKind.PRAISE: Road.SHORT,
}

_OPEN: Final = frozenset(state for state in CaseState if state is not CaseState.CLOSED)
_WITH_DEPARTMENT: Final = frozenset(
    {CaseState.ASSIGNED, CaseState.ACCEPTED, CaseState.HANDLING, CaseState.REPLIED, CaseState.AGREED}
)

#: Step to the states in which it can be taken. What a step needs besides stands in `refusal`.
STEPS: Final[Mapping[Step, frozenset[CaseState]]] = {
    Step.ASSIGN: frozenset(
        {CaseState.REGISTERED, CaseState.ASSIGNED, CaseState.ACCEPTED, CaseState.HANDLING}
    ),
    Step.ACCEPT: frozenset({CaseState.ASSIGNED}),
    Step.HAND_BACK: frozenset({CaseState.ASSIGNED, CaseState.ACCEPTED}),
    Step.START: frozenset({CaseState.ACCEPTED}),
    Step.REPLY: frozenset({CaseState.ACCEPTED, CaseState.HANDLING}),
    Step.RETURN_REPLY: frozenset({CaseState.REPLIED}),
    Step.TELL_PLAN: frozenset({CaseState.REPLIED}),
    Step.CARRIED_OUT: frozenset({CaseState.AGREED}),
    Step.DATE_REACHED: frozenset({CaseState.AGREED}),
    Step.SECOND_VISIT: frozenset({CaseState.SECOND_VISIT}),
    Step.WITHDRAW: _OPEN,
    Step.EXCEPTION: _OPEN,
    Step.CLOSE: _OPEN,
    Step.ANSWER: _OPEN,
    Step.CLASSIFY: _OPEN,
    Step.CHANGE: _OPEN,
    Step.ANALYSE: frozenset(CaseState),
    Step.TIE: frozenset(CaseState),
    Step.NOTE: frozenset(CaseState),
    Step.URGE: _OPEN,
    Step.LINK: _WITH_DEPARTMENT,
    Step.REMIND: _OPEN,
    Step.ESCALATE: _OPEN,
    Step.EFFECT: frozenset({CaseState.CLOSED}),
}

#: Steps a department takes, by its users or by a private link; customer relations may write them down for it.
OF_DEPARTMENT: Final = frozenset(
    {Step.ACCEPT, Step.HAND_BACK, Step.START, Step.REPLY, Step.CARRIED_OUT, Step.NOTE}
)
#: Steps of a private link.
OF_LINK: Final = frozenset({Step.ACCEPT, Step.HAND_BACK, Step.REPLY, Step.CARRIED_OUT})
#: Steps Careline takes by itself.
OF_HOUSE: Final = frozenset({Step.DATE_REACHED, Step.REMIND, Step.ESCALATE})
#: Steps that leave the case as it is: nobody's work on it is out of date after them.
QUIET: Final = frozenset({Step.NOTE, Step.URGE, Step.REMIND, Step.ESCALATE, Step.LINK})


def needs(step: Step) -> Permission:
    """What a user must be allowed for a step; departments take `OF_DEPARTMENT` with CASES_ANSWER."""
    if step is Step.EXCEPTION:
        return Permission.CASES_EXCEPTION
    return Permission.CASES_WORK


@dataclass(frozen=True, kw_only=True, slots=True)
class Given:
    """What goes with a step; each step reads its own.

    words: the reason, the note, the customer's words; needed by HAND_BACK, RETURN_REPLY, WITHDRAW, EXCEPTION,
    ANSWER, NOTE, URGE may be empty, TELL_PLAN and SECOND_VISIT where refused or dissatisfied.
    """

    words: str = ""
    #: ASSIGN, with `handler_id`, `departmental_person`, `promised_at`.
    department: str | None = None
    handler_id: str | None = None
    departmental_person: str | None = None
    promised_at: datetime | None = None
    #: REPLY, ANALYSE.
    cause: str | None = None
    responsibility: Responsibility | None = None
    plan: str | None = None
    carry_out_on: date | None = None
    corrective_action: str | None = None
    corrective_owner: str | None = None
    corrective_on: date | None = None
    effect_on: date | None = None
    #: TELL_PLAN, SECOND_VISIT.
    reached: Reached | None = None
    #: CLASSIFY.
    kind: CaseKind | None = None
    grade: Grade | None = None
    #: CHANGE: field to its new value; fields of `CHANGEABLE`.
    fields: Mapping[str, Any] = field(default_factory=dict)
    #: TIE: id of the other case, and "repeat" or "duplicate".
    other_id: str | None = None
    tie: str = ""
    #: EFFECT.
    effect: Effect | None = None
    #: The call in which it was done.
    call_id: str | None = None


#: Fields of the form that may be corrected while a case is open.
CHANGEABLE: Final = (
    *("subject", "words", "summary", "happened", "place", "symptom", "wants", "occurred_at", "customer_id"),
    *("vehicle_id", "mileage", "phone", "caller_name", "departmental_person", "consultant", "advisor"),
    *("technician", "promised_at"),
)


def fits(case: Case, step: Step) -> bool:
    """Whether the case as it stands allows the step, whoever takes it."""
    if step not in STEPS or case.state not in STEPS[step]:
        return False
    match step:
        case Step.CLOSE:
            return case.may_close
        case Step.ANSWER:
            return ROADS[case.kind] is Road.SHORT
        case Step.TELL_PLAN | Step.CARRIED_OUT | Step.DATE_REACHED | Step.SECOND_VISIT:
            return ROADS[case.kind] is Road.FULL
        case Step.WITHDRAW:
            return case.withdrawn_at is None
        case Step.EXCEPTION:
            return case.exception_at is None or case.exception_by == case.handler_id
        case Step.EFFECT:
            return bool(case.corrective_action) and case.effect is None
    return True


def allowed(case: Case) -> tuple[Step, ...]:
    """The steps people can take with the case as it stands, in the order of its way."""
    return tuple(step for step in Step if step not in OF_HOUSE and fits(case, step))


def require(case: Case, step: Step) -> None:
    """Raises StepNotAllowed with the reason and the allowed steps where the state does not allow it."""
    if fits(case, step):
        return
    steps = [one.value for one in allowed(case)]
    if case.state is CaseState.CLOSED:
        raise StepNotAllowed(
            Sentence(
                "Case {number} is closed. If the customer is unhappy again, register a new case; it is tied to this "
                "one. Nothing was changed.",
                number=case.number,
            ),
            state=case.state.value,
            allowed_steps=steps,
        )
    if step is Step.CLOSE:
        raise StepNotAllowed(
            Sentence(
                "A case closes after a satisfied second visit of its last round, or when a manager who is not in "
                "charge of it has signed an exception. Case {number} is {case_state}, round {round}; now possible: "
                "{case_steps}. Nothing was changed.",
                number=case.number,
                case_state=case.state.value,
                round=case.round,
                case_steps=steps,
            ),
            state=case.state.value,
            allowed_steps=steps,
        )
    raise StepNotAllowed(
        Sentence(
            "Case {number} is {case_state}; now possible: {case_steps}. Nothing was changed.",
            number=case.number,
            case_state=case.state.value,
            case_steps=steps,
        ),
        state=case.state.value,
        allowed_steps=steps,
    )


def next_state(case: Case, step: Step, reached: Reached | None = None) -> CaseState:
    """Where a step that fits leads."""
    match step, reached:
        case Step.ASSIGN, _:
            return CaseState.ASSIGNED
        case Step.ACCEPT, _:
            return CaseState.ACCEPTED
        case Step.HAND_BACK, _:
            return CaseState.REGISTERED
        case Step.START, _:
            return CaseState.HANDLING
        case Step.REPLY, _:
            return CaseState.REPLIED
        case Step.RETURN_REPLY, _:
            return CaseState.HANDLING
        case Step.TELL_PLAN, Reached.AGREED:
            return CaseState.AGREED
        case Step.TELL_PLAN, Reached.REFUSED:
            return CaseState.HANDLING
        case ((Step.CARRIED_OUT | Step.DATE_REACHED), _):
            return CaseState.SECOND_VISIT
        case Step.SECOND_VISIT, Reached.DISSATISFIED:
            return CaseState.ASSIGNED
        case ((Step.CLOSE | Step.ANSWER), _):
            return CaseState.CLOSED
    return case.state
