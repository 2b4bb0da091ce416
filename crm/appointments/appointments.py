"""Appointments as values: their states, the steps between them, and what is refused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final

from access.sentences import Sentence

LONGEST_WORDS: Final = 1000
LONGEST_NAME: Final = 64


class AppointmentError(Exception):
    """Base of what can be refused; nothing was changed.

    AppointmentError
    ├── AppointmentNotFound   there is none, or none this person may see
    ├── BadAppointment        something given is not allowed; `field` says which
    ├── TimeTaken             no room is left at this time
    ├── AppointmentRefused    the state does not allow the step; `allowed` says which it does
    └── AppointmentChanged    somebody changed it meanwhile; `version` is the newest
    """

    error_id = "appointment-error"


class AppointmentNotFound(AppointmentError):
    """There is no such appointment."""

    error_id = "appointment-not-found"


class BadAppointment(AppointmentError):
    """Something given is not allowed."""

    error_id = "bad-appointment"

    def __init__(self, message: object, *, field: str = "") -> None:
        super().__init__(message)
        self.field = field


class TimeTaken(AppointmentError):
    """No room is left at this time."""

    error_id = "appointment-time-taken"


class AppointmentRefused(AppointmentError):
    """The state does not allow the step."""

    error_id = "appointment-step-refused"

    def __init__(self, message: object, *, allowed: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.allowed = tuple(allowed)


class AppointmentChanged(AppointmentError):
    """Somebody changed it meanwhile."""

    error_id = "appointment-changed"

    def __init__(self, message: object, *, version: int) -> None:
        super().__init__(message)
        self.version = version


class Work(StrEnum):
    """What the customer comes for."""

    MAINTENANCE = "maintenance"
    REPAIR = "repair"
    BODYWORK = "bodywork"
    TEST_DRIVE = "test_drive"
    DELIVERY = "delivery"
    OTHER = "other"


class AppointmentState(StrEnum):
    BOOKED = "booked"
    CONFIRMED = "confirmed"
    ARRIVED = "arrived"
    DONE = "done"
    CANCELLED = "cancelled"
    MISSED = "missed"


class Step(StrEnum):
    """What can be done with an appointment."""

    BOOK = "book"
    CONFIRM = "confirm"
    MOVE = "move"
    CHANGE = "change"
    CANCEL = "cancel"
    ARRIVE = "arrive"
    FINISH = "finish"
    MISS = "miss"


class Source(StrEnum):
    """Where it was booked or changed."""

    CALL = "call"
    PAGE = "page"
    KEYPAD = "keypad"
    LINK = "link"
    PROGRAM = "program"
    CLOCK = "clock"


#: Whoever acts by these has heard or read the outcome: nobody needs to tell him.
HEARD: Final = frozenset({Source.CALL, Source.KEYPAD, Source.LINK})
#: Still to come.
AHEAD: Final = (AppointmentState.BOOKED, AppointmentState.CONFIRMED)

_S = AppointmentState
STEPS: Final[Mapping[tuple[AppointmentState, Step], AppointmentState]] = MappingProxyType(
    {
        (_S.BOOKED, Step.CONFIRM): _S.CONFIRMED,
        (_S.BOOKED, Step.MOVE): _S.BOOKED,
        (_S.CONFIRMED, Step.MOVE): _S.BOOKED,
        (_S.BOOKED, Step.CANCEL): _S.CANCELLED,
        (_S.CONFIRMED, Step.CANCEL): _S.CANCELLED,
        (_S.BOOKED, Step.ARRIVE): _S.ARRIVED,
        (_S.CONFIRMED, Step.ARRIVE): _S.ARRIVED,
        (_S.MISSED, Step.ARRIVE): _S.ARRIVED,
        (_S.ARRIVED, Step.FINISH): _S.DONE,
        (_S.BOOKED, Step.MISS): _S.MISSED,
        (_S.CONFIRMED, Step.MISS): _S.MISSED,
        (_S.BOOKED, Step.CHANGE): _S.BOOKED,
        (_S.CONFIRMED, Step.CHANGE): _S.CONFIRMED,
        (_S.ARRIVED, Step.CHANGE): _S.ARRIVED,
    }
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Appointment:
    """One appointment as it is stored."""

    id: str
    state: AppointmentState
    work: Work
    workshop_id: str
    lane_id: str
    advisor: str
    starts_at: datetime
    minutes: int
    customer_id: str
    vehicle_id: str | None
    contact_id: str | None
    call_id: str | None
    campaign: str
    source: Source
    words: str
    parts: str
    model: str
    place: str
    documents: str
    licence_checked: bool
    overbooked: bool
    overbook_reason: str
    cancel_reason: str
    created_at: datetime
    created_by: str | None
    created_by_name: str
    changed_at: datetime
    confirmed_at: datetime | None
    arrived_at: datetime | None
    closed_at: datetime | None
    visit_id: str | None
    rebooked_from: str | None
    version: int
    events: int

    @property
    def ends_at(self) -> datetime:
        return self.starts_at + timedelta(minutes=self.minutes)


@dataclass(frozen=True, kw_only=True, slots=True)
class NewAppointment:
    """What is asked for. `lane_id` None: any lane that has room then."""

    work: Work
    workshop_id: str
    starts_at: datetime
    customer_id: str
    vehicle_id: str | None = None
    lane_id: str | None = None
    contact_id: str | None = None
    call_id: str | None = None
    campaign: str = ""
    source: Source = Source.PAGE
    words: str = ""
    parts: str = ""
    model: str = ""
    place: str = ""
    documents: str = ""
    licence_checked: bool = False
    #: Why there is one more than there is room for; only who may write slots gives it.
    overbook_reason: str = ""
    rebooked_from: str | None = None
    #: Unique where given: asked again it is the same appointment.
    occasion: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class AppointmentEvent:
    """One line of the trail."""

    seq: int
    at: datetime
    step: Step
    by_id: str | None
    by_name: str
    source: Source
    from_state: AppointmentState | None
    to_state: AppointmentState
    words: str
    data: Mapping[str, Any] = field(default_factory=dict)


class NoticeKind(StrEnum):
    """What a customer is to be told."""

    CONFIRMATION = "confirmation"
    REMINDER = "reminder"
    MOVED = "moved"
    CANCELLED = "cancelled"


class NoticeState(StrEnum):
    WAITING = "waiting"  # its time has not come, or nothing that sends has taken it
    BY_PHONE = "by_phone"  # no message reached him: a person calls
    TOLD = "told"
    DROPPED = "dropped"  # no longer true


class NewsKind(StrEnum):
    """How far a bought vehicle is (M-120)."""

    ORDERED = "ordered"
    BUILT = "built"
    SHIPPED = "shipped"
    AT_HOUSE = "at_house"
    DELIVERY_DATE = "delivery_date"


@dataclass(frozen=True, kw_only=True, slots=True)
class News:
    """One line of a vehicle's way to its buyer."""

    id: str
    customer_id: str
    vehicle_id: str | None
    kind: NewsKind
    on: date
    note: str
    at: datetime
    by_name: str
    told_at: datetime | None


def allowed(state: AppointmentState) -> list[Step]:
    """Steps this state allows, in the order they are declared."""
    return [step for at, step in STEPS if at is state]


def after(state: AppointmentState, step: Step) -> AppointmentState:
    """The state a step leads to. Raises AppointmentRefused with what is allowed instead."""
    found = STEPS.get((state, step))
    if found is None:
        steps = [one.value for one in allowed(state)]
        if not steps:
            raise AppointmentRefused(
                Sentence(
                    "An appointment that is {appointment_state} is over. Book a new one. Nothing was changed.",
                    appointment_state=state.value,
                )
            )
        raise AppointmentRefused(
            Sentence(
                "An appointment that is {appointment_state} does not allow '{appointment_step}'; "
                "it allows {appointment_steps}. Nothing was changed.",
                appointment_state=state.value,
                appointment_step=step.value,
                appointment_steps=steps,
            ),
            allowed=steps,
        )
    return found


def checked(text: str, field_name: str, longest: int = LONGEST_WORDS) -> str:
    """Text without blanks around it. Raises BadAppointment."""
    found = text.strip().replace("\r\n", "\n")
    if len(found) > longest or "\0" in found:
        raise BadAppointment(
            Sentence(
                "This text may have {longest} characters at most. Nothing was changed.", longest=longest
            ),
            field=field_name,
        )
    return found
