"""Tasks: something a person must do by a time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final, NewType

from telephony.calls import Call, Direction, Outcome

TaskId = NewType("TaskId", str)


class TaskError(Exception):
    """Base of what can be refused about tasks; nothing was changed.

    TaskError
    ├── TaskNotFound   there is no such task
    ├── TaskTaken      somebody else has it, or it is closed
    └── TaskElsewhere  it is a step of something else and ends there
    """

    error_id = "task-error"


class TaskNotFound(TaskError):
    """There is no such task."""

    error_id = "task-not-found"


class TaskTaken(TaskError):
    """Somebody else has the task (`holder` is a user id), or it is closed (`holder` is empty)."""

    error_id = "task-taken"

    def __init__(self, message: str, *, holder: str = "") -> None:
        super().__init__(message)
        self.holder = holder


class TaskElsewhere(TaskError):
    """The task is a step of something with a page of its own and ends there. Nothing was changed; open that page.

    `about` names it: "contact:ID", "case:ID", "appointment:ID".
    """

    error_id = "task-elsewhere"

    def __init__(self, message: str, *, about: str) -> None:
        super().__init__(message)
        self.about = about


class TaskKind(StrEnum):
    """Why there is something to do."""

    MISSED_CALL = "missed_call"
    CALLBACK = "callback"
    VOICEMAIL = "voicemail"
    CORRECTION = "correction"
    FOLLOW_UP = "follow_up"  # a department does what a call asked for
    INQUIRY = "inquiry"  # somebody wants to buy; sales calls
    CONTACT = "contact"  # return visits and reminders, every reason of one owner in one call
    CASE = "case"  # somebody must move a case on: answer, urge, decide
    TELL_PLAN = "tell_plan"  # the customer is told what the department proposes
    SECOND_VISIT = "second_visit"
    EFFECT_CHECK = "effect_check"  # did the corrective action help
    APPOINTMENT = "appointment"  # one to confirm, or missed and to be booked again
    OTHER = "other"


class TaskState(StrEnum):
    """Where a task is. Only moves forward."""

    OPEN = "open"
    DONE = "done"
    CANCELLED = "cancelled"


class Result(StrEnum):
    """How the calls themselves close a task; people may write other words."""

    CALLED_BACK = "called_back"
    CALLED_AGAIN = "called_again"
    ANSWERED_AFTER_ALL = "answered_after_all"  # late evidence: the call was no missed one


#: Kinds that say "this caller waits for us": one open task per number, the strongest kind wins.
CALLER_KINDS: Final = (TaskKind.MISSED_CALL, TaskKind.VOICEMAIL, TaskKind.CALLBACK)


@dataclass(frozen=True, kw_only=True, slots=True)
class Task:
    """One thing to do."""

    id: TaskId
    kind: TaskKind
    state: TaskState
    #: Why exactly this task exists; unique, so the same event never makes a second one.
    occasion: str
    #: E.164 of who waits.
    number: str | None = None
    customer_id: str | None = None
    #: The call that made it, and the last one that was added to it.
    call_id: str | None = None
    last_call_id: str | None = None
    queue: str | None = None
    #: User id of who has it.
    owner_id: str | None = None
    #: Department it is for: a queue or a department of the settings; None: nobody in particular.
    department: str | None = None
    #: User id of who made it by hand.
    made_by: str | None = None
    #: One line for the list, in the words of whoever made it.
    subject: str = ""
    #: How many calls it stands for.
    calls: int = 1
    created_at: datetime
    #: When the last event it stands for happened; only a later talk closes it.
    last_at: datetime
    due_at: datetime
    #: What the caller was promised, if anything.
    promised_by: datetime | None = None
    closed_at: datetime | None = None
    #: User id, or "call:ID" where a call closed it.
    closed_by: str | None = None
    result: str | None = None


#: Kinds of steps in something else, and the word its occasion begins with, before the id.
_STEPS: Final = {
    TaskKind.CONTACT: "contact",
    TaskKind.CASE: "case",
    TaskKind.TELL_PLAN: "case",
    TaskKind.SECOND_VISIT: "case",
    TaskKind.EFFECT_CHECK: "case",
    TaskKind.APPOINTMENT: "appointment",
}


def about(task: Task) -> str | None:
    """What the task is a step of: "contact:ID", "case:ID", "appointment:ID"; None where it stands for itself."""
    words = task.occasion.split()
    if len(words) < 2 or _STEPS.get(task.kind) != words[0]:
        return None
    return f"{words[0]}:{words[1]}"


def is_notice(task: Task) -> bool:
    """Whether it only tells somebody of something (a case that is overdue): who has read it is done with it."""
    words = task.occasion.split()
    return task.kind is TaskKind.CASE and words[3:4] == ["told"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Caller:
    """Somebody who wanted us and waits: what a missed call, a voicemail or a call-back wish comes to."""

    kind: TaskKind
    call_id: str
    #: When it happened.
    at: datetime
    due_at: datetime
    number: str | None = None
    #: The number as delivered, where it could not be read.
    raw_number: str = ""
    customer_id: str | None = None
    owner_id: str | None = None
    queue: str | None = None
    promised_by: datetime | None = None


def stronger(one: TaskKind, other: TaskKind) -> TaskKind:
    """The kind that promises more: a call-back was promised, a voicemail waits, a missed call only happened."""
    return max(one, other, key=lambda kind: CALLER_KINDS.index(kind) if kind in CALLER_KINDS else -1)


def is_missed(call: Call, *, open_at_start: bool) -> bool:
    """Whether an ended call is a caller nobody served, so that somebody must call back.

    Leaving the menu counts only outside working hours: then the menu was all there was.
    """
    if call.direction is not Direction.INBOUND or call.connected_at is not None:
        return False
    if call.outcome is Outcome.LEFT_IN_MENU:
        return not open_at_start
    return call.outcome in (
        Outcome.ABANDONED,
        Outcome.NO_ANSWER,
        Outcome.BUSY,
        Outcome.FAILED,
        Outcome.INTERRUPTED,
    )


def can_be_called_back(call: Call) -> bool:
    """Whether there is anything to dial: a number, or at least what the trunk delivered as one."""
    return call.number is not None or any(letter.isdigit() for letter in call.raw_number)
