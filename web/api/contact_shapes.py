"""What the API takes and gives about contacts and maintenance plans, field by field."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, Field, StringConstraints

from crm.contacts.contacts import ContactState, ReasonKind, ReasonState, Result, Step
from crm.records.purchases import VisitKind
from web.api.record_shapes import Version
from web.api.shapes import Cursor, Department, Id, Line, Size
from web.routes import Shape

Note = Annotated[str, StringConstraints(strip_whitespace=True, max_length=2000)]
Text64 = Annotated[str, StringConstraints(strip_whitespace=True, max_length=64)]
Code = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,31}$")]
Days = Annotated[int, Field(ge=0, le=730)]
#: What people may give as a reason of their own; the others come from events.
ByHand = Literal["key_account", "survey", "custom", "delivery_visit", "service_visit"]


class ContactsQuery(Shape):
    which: Literal["open", "overdue", "held", "closed", "unsuccessful", "all"] = "open"
    kind: ReasonKind | None = None
    owner_id: Id | None = None
    mine: bool = Field(False, description="only the asker's own")
    free: bool = Field(False, description="only those nobody has")
    department: Department | None = None
    customer_id: Id | None = None
    vehicle_id: Id | None = None
    cursor: Cursor | None = None
    limit: Size = 50


class ReasonOut(Shape):
    """Why the customer is to be called."""

    id: str
    kind: ReasonKind
    state: ReasonState
    vehicle_id: str | None
    plate: str
    model: str
    due_at: datetime
    expires_at: datetime | None = Field(description="from when on it is of no use")
    priority: int = Field(description="0 most urgent, 9 least")
    why: dict[str, Any] = Field(description="codes, days and kilometres; pages turn them into words")
    questionnaire: str | None
    script: str | None
    closed_at: datetime | None
    closed_why: dict[str, Any]


class ContactOut(Shape):
    """One customer to be called, names and numbers masked by the asker's role."""

    id: str
    customer_id: str
    customer_name: str
    number: str
    task_id: str
    state: ContactState
    owner_id: str | None
    owner_name: str
    department: str | None
    due_at: datetime
    overdue: bool
    priority: int
    tries: int
    last_try_at: datetime | None
    next_try_at: datetime | None = Field(description="not before this moment")
    held_by: str | None = Field(description="number of the complaint that holds it back")
    blocked: list[str] = Field(
        description="wishes not to be called that hold for the number, by what they forbid"
    )
    result: Result | None
    note: str
    version: int
    created_at: datetime
    closed_at: datetime | None
    closed_by_name: str
    hidden: bool = Field(description="the record is closed to the asker")
    reasons: list[ReasonOut]


class ContactsOut(Shape):
    items: list[ContactOut]
    counts: dict[str, int] = Field(description="open, overdue, held, mine, free; up to a thousand looked at")
    kinds: dict[str, int] = Field(description="open reasons of open contacts by kind")
    next: str | None


class TryOut(Shape):
    id: str
    at: datetime
    by_name: str
    call_id: str | None
    result: Result
    note: str


class ContactEventOut(Shape):
    id: str
    at: datetime
    step: Step
    by_name: str
    data: dict[str, Any]


class CalleeOut(Shape):
    """Somebody who can be called for it."""

    customer_id: str
    name: str
    role: str = Field(description="what he is to the vehicle; empty: no vehicle is meant")
    number: str
    place: int = Field(
        description="which of his numbers it is: POST /api/v1/calls takes it with the customer"
    )
    vehicle_id: str | None


class ContactDetailOut(Shape):
    contact: ContactOut
    tries: list[TryOut]
    events: list[ContactEventOut]
    callees: list[CalleeOut] = Field(description="in the order to try")
    allowed_results: list[Result]


class NewReasonIn(Shape):
    kind: ByHand = "custom"
    customer_id: Id
    vehicle_id: Id | None = None
    due_at: AwareDatetime
    expires_at: AwareDatetime | None = None
    priority: Annotated[int, Field(ge=0, le=9)] | None = None
    words: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)] = Field(
        description="what the call is about, for who makes it"
    )
    questionnaire: Code | None = None
    script: Code | None = None


class ResultIn(Shape):
    result: Literal["done", "partly", "refused", "not_reached", "wrong_number", "cancelled"]
    version: Version | None = Field(None, description="the version that was read")
    note: Note = ""
    call_id: Id | None = None
    done_reasons: Annotated[list[Id], Field(max_length=50)] | None = Field(
        None, description="for partly: the reasons that were spoken about"
    )


class OwnerIn(Shape):
    owner_id: Id | None = Field(description="null: give it back to everybody")
    version: Version | None = None


class UntilIn(Shape):
    until: AwareDatetime
    version: Version | None = None


class RuleShape(Shape):
    on: bool = True
    days: Annotated[int, Field(ge=0, le=365)] = Field(0, description="calendar days after the event")
    shift: bool = Field(True, description="on to the next working day")
    priority: Annotated[int, Field(ge=0, le=9)] = 5
    useful_days: Annotated[int, Field(ge=1, le=365)] = 30
    questionnaire: Code | None = None
    script: Code | None = None


class RulesShape(Shape):
    """Which events make contacts, and what becomes of those nobody answers."""

    version: Version = Field(description="the version that was read; 0: the house has saved none yet")
    kinds: dict[ReasonKind, RuleShape]
    at_minute: Annotated[int, Field(ge=0, le=1439)] = Field(description="minute of the house's day")
    tries: Annotated[int, Field(ge=1, le=20)]
    days_between: Annotated[int, Field(ge=1, le=30)]
    department: Department | None = None
    looks_back_days: Annotated[int, Field(ge=1, le=90)]
    class_days: dict[Text64, Days]
    key_account_days: Days


class DueRunOut(Shape):
    """One day's generation."""

    day: date
    started_at: datetime
    finished_at: datetime | None
    part: str
    counts: dict[str, int]
    seconds: float


class DueRunsOut(Shape):
    items: list[DueRunOut]


class IntervalShape(Shape):
    months: Annotated[int, Field(ge=1, le=120)] | None = None
    km: Annotated[int, Field(ge=500, le=200_000)] | None = None


class DatedItemShape(Shape):
    name: Code
    every_months: Annotated[int, Field(ge=1, le=120)]
    lead_days: Annotated[int, Field(ge=0, le=120)] = 30


class PlanIn(Shape):
    """A plan, or the next version of one."""

    version: Version = Field(1, description="the version that was read")
    brand: Annotated[str, StringConstraints(strip_whitespace=True, max_length=32)] = ""
    model: Text64 = ""
    name: Line
    first: IntervalShape
    periodic: IntervalShape
    lead_days: Annotated[int, Field(ge=0, le=120)] = 14
    useful_days: Annotated[int, Field(ge=1, le=365)] = 60
    km_per_day: Annotated[int, Field(ge=1, le=1000)] = 40
    fulfilled_by: Annotated[list[VisitKind], Field(min_length=1, max_length=10)]
    items: Annotated[tuple[DatedItemShape, ...], Field(max_length=8)] = ()
    begins_on: date | None = Field(None, description="from this day on; null: at once")


class TrialIn(PlanIn):
    plan_id: Annotated[str, StringConstraints(max_length=26)] = Field(
        "", description="the plan that would get a next version; empty: a new one"
    )


class TrialOut(Shape):
    """What saving the plan would change; nothing was saved."""

    vehicles: int = Field(description="vehicles the plan speaks of")
    looked: int = Field(description="how many were reckoned; fewer: the figures are of a sample, stretched")
    earlier: int
    later: int
    same: int
    begins: int = Field(description="due by this plan, not before")
    ends: int = Field(description="due before, not by this plan")
    middle_days: int = Field(description="days of the middle one among those that move")
    contacts_before: int = Field(description="reminders tomorrow makes as it stands")
    contacts_after: int = Field(description="reminders tomorrow would make")


class PlanOut(Shape):
    id: str
    brand: str
    model: str
    name: str
    version: int
    first: IntervalShape
    periodic: IntervalShape
    lead_days: int
    useful_days: int
    km_per_day: int
    fulfilled_by: list[VisitKind]
    items: list[DatedItemShape]
    updated_at: datetime | None
    updated_by_name: str
    retired_at: datetime | None
    begins_on: date | None
    is_default: bool


class PlansQuery(Shape):
    retired: bool = False


class PlansOut(Shape):
    items: list[PlanOut]


class RetireIn(Shape):
    version: Version


class ReadingIn(Shape):
    km: Annotated[int, Field(ge=0, le=9_999_999)]
    read_on: date
    call_id: Id | None = None


class ReadingOut(Shape):
    on: date
    km: int


class DatedOut(Shape):
    name: str
    on: date


class VehicleDueOut(Shape):
    """When a vehicle is due and why."""

    vehicle_id: str
    plan: PlanOut
    next_due_on: date | None
    next_due_mileage: int | None
    why: dict[str, Any]
    state: str = Field(description="owned, sold, scrapped, moved: only what is owned is reminded")
    state_since: date | None
    dated: list[DatedOut]
    readings: list[ReadingOut]


class RatesQuery(Shape):
    first: date
    last: date


class RateOut(Shape):
    month: str
    plan_id: str | None
    plan_name: str
    invited: int
    reached: int
    booked: int
    came: int


class RatesOut(Shape):
    items: list[RateOut]
