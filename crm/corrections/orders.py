"""An order to a department to mend a record: its steps, deadline, and who may take them (M-034, M-035, feature 91).

The department answers what is right; a person of customer relations checks it with the customer; only then
does the record change. "Overdue" is no state but a fact about one: the deadline has passed and nobody closed it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from access.sentences import Sentence
from crm.records.customers import BadRecord, RecordError
from telephony.hours import WorkingTime


class CorrectionNotFound(RecordError):
    """There is no such order, or it is another department's."""

    error_id = "correction-not-found"


class StepRefused(RecordError):
    """The order is not where this step can be taken; `state` is where it is."""

    error_id = "correction-step-refused"

    def __init__(self, sentence: str, *, state: str = "", holder: str = "") -> None:
        super().__init__(sentence)
        self.state = state
        self.holder = holder


class Department(StrEnum):
    """Whose data it is."""

    SALES = "sales"
    SERVICE = "service"
    PARTS = "parts"
    FINANCE = "finance"


class State(StrEnum):
    """Where an order is."""

    OPEN = "open"  # the department has to answer
    ANSWERED = "answered"  # customer relations has to check
    REFUSED = "refused"  # the department says the record is right; customer relations has to decide
    CHECKED = "checked"  # right, but a person has to change the record himself
    CLOSED = "closed"


class Step(StrEnum):
    """What is done with an order."""

    RAISE = "raise"
    ANSWER = "answer"
    REFUSE = "refuse"
    SEND_BACK = "send_back"
    ACCEPT = "accept"
    CLOSE = "close"  # after CHECKED: the record was changed by hand
    KEEP = "keep"  # the record was right after all
    WITHDRAW = "withdraw"
    REMIND = "remind"


class Result(StrEnum):
    """How an order ended."""

    CORRECTED = "corrected"
    WAS_RIGHT = "was_right"
    WITHDRAWN = "withdrawn"


#: (where it is, step) to where it goes.
STEPS: Final = {
    (State.OPEN, Step.ANSWER): State.ANSWERED,
    (State.OPEN, Step.REFUSE): State.REFUSED,
    (State.OPEN, Step.WITHDRAW): State.CLOSED,
    (State.OPEN, Step.REMIND): State.OPEN,
    (State.ANSWERED, Step.SEND_BACK): State.OPEN,
    (State.ANSWERED, Step.ACCEPT): State.CLOSED,  # or CHECKED, where no program can change the field
    (State.ANSWERED, Step.KEEP): State.CLOSED,
    (State.ANSWERED, Step.WITHDRAW): State.CLOSED,
    (State.REFUSED, Step.SEND_BACK): State.OPEN,
    (State.REFUSED, Step.KEEP): State.CLOSED,
    (State.REFUSED, Step.WITHDRAW): State.CLOSED,
    (State.CHECKED, Step.CLOSE): State.CLOSED,
    (State.CHECKED, Step.SEND_BACK): State.OPEN,
}
_RESULTS: Final = {
    Step.ACCEPT: Result.CORRECTED,
    Step.CLOSE: Result.CORRECTED,
    Step.KEEP: Result.WAS_RIGHT,
    Step.WITHDRAW: Result.WITHDRAWN,
}
#: Steps the department takes; all others are customer relations'.
OF_DEPARTMENT: Final = frozenset({Step.ANSWER, Step.REFUSE})
#: Steps that want a word of why.
WITH_NOTE: Final = frozenset({Step.REFUSE, Step.SEND_BACK, Step.WITHDRAW})


@dataclass(frozen=True, kw_only=True, slots=True)
class Wrong:
    """What may be wrong, whose it usually is, and whether accepting an answer writes it into the record."""

    department: Department
    #: "customer" or "vehicle", and the field there; empty: a person changes it by hand.
    writes: str = ""


#: Fields an order may be about.
FIELDS: Final = {
    "name": Wrong(department=Department.SALES, writes="customer.name"),
    "number": Wrong(department=Department.SALES),
    "address": Wrong(department=Department.SALES, writes="customer.address"),
    "occupation": Wrong(department=Department.SALES, writes="customer.occupation"),
    "birthday": Wrong(department=Department.SALES, writes="customer.birthday"),
    "plate": Wrong(department=Department.SALES, writes="vehicle.plate"),
    "vin": Wrong(department=Department.SALES, writes="vehicle.vin"),
    "model": Wrong(department=Department.SALES, writes="vehicle.model"),
    "delivered_on": Wrong(department=Department.SALES, writes="vehicle.delivered_on"),
    "mileage": Wrong(department=Department.SERVICE, writes="vehicle.mileage"),
    "last_service_on": Wrong(department=Department.SERVICE, writes="vehicle.last_service_on"),
    "next_due_on": Wrong(department=Department.SERVICE, writes="vehicle.next_due_on"),
    "service_history": Wrong(department=Department.SERVICE),
    "purchase": Wrong(department=Department.SALES),
    "owner": Wrong(department=Department.SALES),
    "other": Wrong(department=Department.SALES),
}

LONGEST_VALUE: Final = 200
LONGEST_NOTE: Final = 1000


@dataclass(frozen=True, kw_only=True, slots=True)
class Correction:
    """One order."""

    id: str
    customer_id: str
    vehicle_id: str | None = None
    call_id: str | None = None
    department: Department
    field: str
    wrong_value: str
    said: str = ""
    state: State = State.OPEN
    result: Result | None = None
    answer: str = ""
    answer_note: str = ""
    applied: bool = False
    created_at: datetime
    created_by: str | None = None
    due_at: datetime
    answered_at: datetime | None = None
    answered_by: str | None = None
    checked_at: datetime | None = None
    checked_by: str | None = None
    closed_at: datetime | None = None
    rounds: int = 0
    reminders: int = 0
    reminded_at: datetime | None = None
    version: int = 1

    def is_overdue(self, now: datetime) -> bool:
        """Whether its deadline has passed and it is not done with."""
        return self.state is not State.CLOSED and now > self.due_at

    @property
    def waits_for_department(self) -> bool:
        """Whether the department has the next step."""
        return self.state is State.OPEN


def next_state(state: State, step: Step, *, writes_itself: bool) -> tuple[State, Result | None]:
    """Where a step leads, and the result where that ends it. Raises StepRefused."""
    to = STEPS.get((state, step))
    if to is None:
        possible = sorted(one.value for at, one in STEPS if at is state) or ["nothing"]
        raise StepRefused(
            Sentence(
                "The order is {order_state}; now possible: {order_steps}. Nothing was changed.",
                order_state=state.value,
                order_steps=possible,
            ),
            state=state.value,
        )
    if step is Step.ACCEPT and not writes_itself:
        return State.CHECKED, None
    return to, _RESULTS.get(step) if to is State.CLOSED else None


def check_text(value: str, name: str, *, longest: int, needed: bool) -> str:
    """A text a person wrote, tidied. Raises BadRecord."""
    text = value.strip()
    if needed and not text:
        raise BadRecord(
            Sentence("{field}: something has to be written here. Nothing was changed.", field=name),
            field=name,
        )
    if len(text) > longest:
        raise BadRecord(
            Sentence("{field}: at most {most} characters. Nothing was changed.", field=name, most=longest),
            field=name,
        )
    if any(ord(letter) < 32 and letter not in "\n\t" for letter in text):
        raise BadRecord(Sentence("{field}: control characters are not allowed.", field=name), field=name)
    return text


def due(now: datetime, hours: WorkingTime, working_hours: float) -> datetime:
    """The deadline: so many hours of the house's working time from now (M-034 says no number; the house sets it)."""
    return hours.add_working(now, timedelta(hours=working_hours))


@dataclass(frozen=True, kw_only=True, slots=True)
class ErrorRate:
    """A department's records of one month, and how many were wrong."""

    department: Department
    #: "2026-06".
    month: str
    #: Records it handed over: deliveries (sales), visits to the workshop (service).
    received: int
    #: Orders that ended in a correction, by the month they were raised.
    wrong: int
    #: Orders not decided yet.
    pending: int = 0

    @property
    def rate(self) -> float | None:
        """Wrong among received; None where nothing was received."""
        return None if not self.received else min(self.wrong / self.received, 1.0)
