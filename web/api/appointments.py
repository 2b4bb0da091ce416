"""Appointments: free times, booking, steps, the settings of slots."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from pydantic import AwareDatetime, Field, StringConstraints

from access.audit import Action
from access.permissions import Permission
from crm.appointments.appointments import NewAppointment, NewsKind, Source, Step, Work
from crm.appointments.slots import Lane, WorkKind
from web.api.shapes import Cursor, Id, Size
from web.ports.appointments import AppointmentView
from web.routes import Ask, Nothing, Route, Shape

Words = Annotated[str, StringConstraints(max_length=1000)]
Short = Annotated[str, StringConstraints(max_length=200)]
Title = Annotated[str, StringConstraints(strip_whitespace=True, max_length=64)]
Minute = Annotated[int, Field(ge=0, le=1440)]


class AppointmentOut(Shape):
    """One appointment; names and words masked by the asker's role."""

    id: str
    state: str
    work: Work
    workshop_id: str
    workshop: str
    lane_id: str
    advisor: str
    starts_at: datetime
    minutes: int
    customer_id: str
    customer_number: str
    customer_name: str
    vehicle_id: str | None
    plate: str
    model: str
    contact_id: str | None
    campaign: str
    words: str
    parts: str
    place: str
    documents: str
    licence_checked: bool
    overbooked: bool
    cancel_reason: str
    confirmed_at: datetime | None
    arrived_at: datetime | None
    closed_at: datetime | None
    version: int
    possible: list[str]
    open_case: str = Field(description="number of an open complaint; it does not stop a booking")


class EventOut(Shape):
    at: datetime
    step: str
    by_name: str
    source: str
    from_state: str | None
    to_state: str
    words: str


class AppointmentWithTrail(Shape):
    appointment: AppointmentOut
    events: list[EventOut]


class AppointmentsOut(Shape):
    items: list[AppointmentOut]
    next: str | None = None


class DaysQuery(Shape):
    first: date
    last: date | None = None
    workshop_id: Id | None = None


class MissedQuery(Shape):
    cursor: Cursor | None = None
    limit: Size = 50


class FreeQuery(Shape):
    work: Work
    first: date | None = None
    days: int = Field(7, ge=1, le=31)
    workshop_id: Id | None = None


class FreeOut(Shape):
    at: datetime
    workshop_id: str
    lane_id: str
    advisor: str
    left: int = Field(description="how many more fit")


class FreesOut(Shape):
    items: list[FreeOut]


class BookIn(Shape):
    work: Work
    workshop_id: Id
    starts_at: AwareDatetime
    customer_id: Id
    vehicle_id: Id | None = None
    lane_id: Id | None = Field(None, description="null: any lane with room")
    contact_id: Id | None = None
    call_id: Id | None = None
    campaign: Title = ""
    words: Words = ""
    parts: Words = ""
    model: Title = ""
    place: Short = ""
    documents: Words = ""
    licence_checked: bool = False
    overbook_reason: Words = Field("", description="one more than there is room for; supervisors only")
    rebooked_from: Id | None = None


class StepIn(Shape):
    step: Literal["confirm", "move", "change", "cancel", "arrive", "finish", "miss"]
    version: int | None = Field(None, ge=1, le=1_000_000)
    words: Words = ""
    in_call: bool = Field(False, description="the customer is on the line, so he has heard it")
    starts_at: AwareDatetime | None = None
    workshop_id: Id | None = None
    lane_id: Id | None = None
    overbook_reason: Words = ""
    #: Only with "change".
    parts: Words | None = None
    customer_words: Words | None = None
    model: Title | None = None
    place: Short | None = None
    documents: Words | None = None
    licence_checked: bool | None = None


class LinkOut(Shape):
    path: str = Field(description="opens only this appointment; it can be read only here")


class WorkshopIn(Shape):
    id: Id | None = None
    name: Title
    address: Short = ""
    active: bool = True
    version: int | None = Field(None, ge=1, le=1_000_000)


class WorkshopOut(Shape):
    id: str
    name: str
    address: str
    active: bool
    version: int


class LaneIn(Shape):
    id: Id | None = None
    workshop_id: Id
    name: Title
    advisor: Title = ""
    works: list[Work] = Field(max_length=6)
    weekdays: list[Annotated[int, Field(ge=0, le=6)]] = Field(max_length=7, description="0 is Monday")
    opens: Minute = Field(description="minutes after midnight")
    closes: Minute
    pause_from: Minute | None = None
    pause_until: Minute | None = None
    cell_minutes: int = Field(30, ge=5, le=480)
    capacity: int = Field(1, ge=1, le=99)
    active: bool = True
    version: int = Field(1, ge=1, le=1_000_000)


class LaneOut(LaneIn):
    pass


class DayIn(Shape):
    workshop_id: Id
    lane_id: Id | None = Field(None, description="null: the whole workshop")
    day: date
    capacity: int = Field(0, ge=0, le=99, description="0: closed")
    why: Short = ""


class DayOut(Shape):
    id: str
    workshop_id: str
    lane_id: str | None
    day: date
    capacity: int
    why: str


class WorkKindIn(Shape):
    work: Work
    minutes: int = Field(ge=5, le=960)
    needs_advisor: bool
    lead_minutes: int = Field(ge=0, le=20160)
    horizon_days: int = Field(ge=1, le=60)
    active: bool = True
    version: int = Field(0, ge=0, le=1_000_000)


class SetupOut(Shape):
    workshops: list[WorkshopOut]
    lanes: list[LaneOut]
    works: list[WorkKindIn]
    days: list[DayOut]


class NewsIn(Shape):
    vehicle_id: Id | None = None
    kind: NewsKind
    on: date
    note: Words = ""
    told: bool = Field(False, description="the customer has heard of it")


class NewsOut(Shape):
    id: str
    kind: NewsKind
    on: date
    note: str
    at: datetime
    by_name: str
    told_at: datetime | None


def appointment_out(view: AppointmentView) -> AppointmentOut:
    """One appointment."""
    one = view.appointment
    values = {name: getattr(one, name) for name in AppointmentOut.model_fields if name in one.__slots__}
    values |= {
        "state": one.state.value,
        "workshop": view.workshop,
        "customer_number": view.customer_number,
        "customer_name": view.customer_name,
        "plate": view.plate,
        "model": view.vehicle_model or one.model,
        "possible": list(view.possible),
        "open_case": view.open_case,
    }
    return AppointmentOut.model_validate(values)


async def list_days(ask: Ask[DaysQuery, Nothing]) -> AppointmentsOut:
    """Those of one workshop between two dates."""
    wanted = ask.query
    last = min(wanted.last or wanted.first, wanted.first + timedelta(days=31))
    board = await ask.services.appointments.board(
        ask.by, workshop_id=wanted.workshop_id, first=wanted.first, last=max(last, wanted.first), now=ask.now
    )
    return AppointmentsOut(items=[appointment_out(one) for one in board.items])


async def list_missed(ask: Ask[MissedQuery, Nothing]) -> AppointmentsOut:
    """Missed and not booked again, the newest first."""
    items, following = await ask.services.appointments.missed(
        ask.by, ask.now, cursor=ask.query.cursor, limit=ask.query.limit
    )
    return AppointmentsOut(items=[appointment_out(one) for one in items], next=following)


async def free(ask: Ask[FreeQuery, Nothing]) -> FreesOut:
    """Times with room."""
    wanted = ask.query
    first = wanted.first or ask.now.astimezone(ZoneInfo(ask.services.zone)).date()
    found = await ask.services.appointments.free(
        wanted.work,
        workshop_id=wanted.workshop_id,
        first=first,
        last=first + timedelta(days=wanted.days - 1),
        now=ask.now,
    )
    return FreesOut(items=[FreeOut.model_validate(one) for one in found])


async def book(ask: Ask[Nothing, BookIn]) -> AppointmentOut:
    """Book a time."""
    body = ask.body
    values = {name: getattr(body, name) for name in BookIn.model_fields}
    occasion = f"{ask.by.user_id or ask.by.proof_id}:{ask.once.key}" if ask.once is not None else ""
    new = NewAppointment(
        **values, source=Source.CALL if body.call_id else Source.PAGE, occasion=occasion[-80:]
    )
    entry = ask.entry(Action.APPOINTMENT_STEPPED, data={"step": "book", "work": body.work.value})
    return appointment_out(await ask.services.appointments.book(ask.by, new, entry))


async def get(ask: Ask[Nothing, Nothing]) -> AppointmentWithTrail:
    """One appointment with its trail."""
    view, trail, _notices = await ask.services.appointments.get(ask.by, ask.path["appointment_id"], ask.now)
    return AppointmentWithTrail(
        appointment=appointment_out(view), events=[EventOut.model_validate(one) for one in trail]
    )


async def step(ask: Ask[Nothing, StepIn]) -> AppointmentOut:
    """Confirm, move, change, cancel; arrived, done, missed."""
    body, appointment_id = ask.body, ask.path["appointment_id"]
    fields: dict[str, str | bool] = {}
    if body.step == "change":
        given = {
            "parts": body.parts,
            "words": body.customer_words,
            "model": body.model,
            "place": body.place,
            "documents": body.documents,
            "licence_checked": body.licence_checked,
        }
        fields = {name: value for name, value in given.items() if value is not None}
    made = await ask.services.appointments.step(
        ask.by,
        appointment_id,
        Step(body.step),
        ask.entry(Action.APPOINTMENT_STEPPED, f"appointment:{appointment_id}", {"step": body.step}),
        source=Source.CALL if body.in_call else Source.PAGE,
        version=body.version,
        words=body.words,
        starts_at=body.starts_at,
        workshop_id=body.workshop_id,
        lane_id=body.lane_id,
        overbook_reason=body.overbook_reason,
        fields=fields,
    )
    return appointment_out(made)


async def make_link(ask: Ask[Nothing, Nothing]) -> LinkOut:
    """A private link for the customer; older ones are taken back."""
    appointment_id = ask.path["appointment_id"]
    entry = ask.entry(Action.APPOINTMENT_STEPPED, f"appointment:{appointment_id}", {"step": "link"})
    secret = await ask.services.appointments.make_link(ask.by, appointment_id, entry)
    return LinkOut(path=f"/l/appointment/{secret}")


def lane_out(lane: Lane) -> LaneOut:
    """A lane."""
    values = {name: getattr(lane, name) for name in LaneOut.model_fields}
    return LaneOut.model_validate(
        values | {"works": sorted(lane.works, key=lambda one: one.value), "weekdays": sorted(lane.weekdays)}
    )


async def setup(ask: Ask[Nothing, Nothing]) -> SetupOut:
    """Workshops, lanes, kinds of work and days that are otherwise."""
    found = await ask.services.appointments.setup(ask.now)
    return SetupOut(
        workshops=[WorkshopOut.model_validate(one) for one in found.workshops],
        lanes=[lane_out(one) for one in found.lanes],
        works=[WorkKindIn.model_validate(one) for one in found.kinds],
        days=[DayOut.model_validate(one) for one in found.days],
    )


async def save_workshop(ask: Ask[Nothing, WorkshopIn]) -> WorkshopOut:
    """Make or change a workshop."""
    body = ask.body
    entry = ask.entry(Action.APPOINTMENT_SETUP, data={"what": "workshop", "name": body.name})
    made = await ask.services.appointments.save_workshop(
        entry,
        workshop_id=body.id,
        name=body.name,
        address=body.address,
        active=body.active,
        version=body.version,
    )
    return WorkshopOut.model_validate(made)


async def save_lane(ask: Ask[Nothing, LaneIn]) -> LaneOut:
    """Make or change a lane."""
    body = ask.body
    values = {name: getattr(body, name) for name in LaneIn.model_fields}
    values |= {"id": body.id or "", "works": frozenset(body.works), "weekdays": frozenset(body.weekdays)}
    entry = ask.entry(Action.APPOINTMENT_SETUP, data={"what": "lane", "name": body.name})
    return lane_out(await ask.services.appointments.save_lane(entry, Lane(**values), new=body.id is None))


async def save_work(ask: Ask[Nothing, WorkKindIn]) -> WorkKindIn:
    """Change how a kind of work is booked."""
    body = ask.body
    entry = ask.entry(Action.APPOINTMENT_SETUP, data={"what": "work", "name": body.work.value})
    kind = WorkKind(**{name: getattr(body, name) for name in WorkKindIn.model_fields})
    return WorkKindIn.model_validate(await ask.services.appointments.save_kind(entry, kind))


async def save_day(ask: Ask[Nothing, DayIn]) -> DayOut:
    """Close a day, or give it another capacity."""
    body = ask.body
    entry = ask.entry(Action.APPOINTMENT_SETUP, data={"what": "day", "name": body.day.isoformat()})
    made = await ask.services.appointments.save_day(
        entry,
        workshop_id=body.workshop_id,
        lane_id=body.lane_id,
        day=body.day,
        capacity=body.capacity,
        why=body.why,
    )
    return DayOut.model_validate(made)


async def remove_day(ask: Ask[Nothing, Nothing]) -> Nothing:
    """The day is as every week again."""
    day_id = ask.path["day_id"]
    entry = ask.entry(Action.APPOINTMENT_SETUP, data={"what": "day_removed", "name": day_id})
    await ask.services.appointments.remove_day(entry, day_id)
    return Nothing()


async def add_news(ask: Ask[Nothing, NewsIn]) -> NewsOut:
    """Say how far a bought vehicle is."""
    body, customer_id = ask.body, ask.path["customer_id"]
    entry = ask.entry(Action.APPOINTMENT_STEPPED, f"customer:{customer_id}", {"step": "news"})
    made = await ask.services.appointments.add_news(
        ask.by,
        customer_id,
        entry,
        vehicle_id=body.vehicle_id,
        kind=body.kind,
        on=body.on,
        note=body.note,
        told=body.told,
    )
    return NewsOut.model_validate(made)


_ALL = "/api/v1/appointments"
_ONE = f"{_ALL}/{{appointment_id}}"
_STEP_ERRORS = (
    "appointment-not-found",
    "appointment-step-refused",
    "appointment-changed",
    "appointment-time-taken",
    "bad-appointment",
    "customer-not-found",
    "record-closed",
)
_SETUP_ERRORS = ("bad-appointment", "appointment-changed")

ROUTES = (
    Route(
        method="GET",
        path=_ALL,
        summary="Appointments of a workshop by day",
        needs=Permission.APPOINTMENTS_READ,
        json=list_days,
        query=DaysQuery,
        answer=AppointmentsOut,
        errors=("bad-appointment",),
        tag="appointments",
    ),
    Route(
        method="GET",
        path=f"{_ALL}/free",
        summary="Free times",
        needs=Permission.APPOINTMENTS_READ,
        json=free,
        query=FreeQuery,
        answer=FreesOut,
        tag="appointments",
    ),
    Route(
        method="GET",
        path=f"{_ALL}/missed",
        summary="Missed appointments not booked again",
        needs=Permission.APPOINTMENTS_READ,
        json=list_missed,
        query=MissedQuery,
        answer=AppointmentsOut,
        errors=("bad-cursor",),
        tag="appointments",
    ),
    Route(
        method="POST",
        path=_ALL,
        summary="Book an appointment",
        needs=Permission.APPOINTMENTS_WORK,
        json=book,
        body=BookIn,
        answer=AppointmentOut,
        status=201,
        once=True,
        errors=(
            "bad-appointment",
            "appointment-time-taken",
            "customer-not-found",
            "vehicle-not-found",
            "record-closed",
        ),
        tag="appointments",
    ),
    Route(
        method="GET",
        path=_ONE,
        summary="One appointment with its trail",
        needs=Permission.APPOINTMENTS_READ,
        json=get,
        answer=AppointmentWithTrail,
        errors=("appointment-not-found",),
        tag="appointments",
    ),
    Route(
        method="POST",
        path=f"{_ONE}/steps",
        summary="Confirm, move, change or cancel an appointment, say who came",
        needs=Permission.APPOINTMENTS_WORK,
        json=step,
        body=StepIn,
        answer=AppointmentOut,
        errors=_STEP_ERRORS,
        tag="appointments",
    ),
    Route(
        method="POST",
        path=f"{_ONE}/link",
        summary="A private link for the customer",
        needs=Permission.APPOINTMENTS_WORK,
        json=make_link,
        body=Nothing,
        answer=LinkOut,
        errors=("appointment-not-found", "appointment-step-refused", "customer-not-found", "record-closed"),
        tag="appointments",
    ),
    Route(
        method="GET",
        path="/api/v1/appointment-setup",
        summary="Workshops, lanes, kinds of work, days",
        needs=Permission.APPOINTMENTS_READ,
        json=setup,
        answer=SetupOut,
        tag="appointments",
    ),
    Route(
        method="POST",
        path="/api/v1/workshops",
        summary="Make or change a workshop",
        needs=Permission.APPOINTMENTS_WRITE,
        json=save_workshop,
        body=WorkshopIn,
        answer=WorkshopOut,
        errors=_SETUP_ERRORS,
        tag="appointments",
    ),
    Route(
        method="POST",
        path="/api/v1/appointment-lanes",
        summary="Make or change a lane",
        needs=Permission.APPOINTMENTS_WRITE,
        json=save_lane,
        body=LaneIn,
        answer=LaneOut,
        errors=_SETUP_ERRORS,
        tag="appointments",
    ),
    Route(
        method="POST",
        path="/api/v1/appointment-works",
        summary="Change how a kind of work is booked",
        needs=Permission.APPOINTMENTS_WRITE,
        json=save_work,
        body=WorkKindIn,
        answer=WorkKindIn,
        errors=_SETUP_ERRORS,
        tag="appointments",
    ),
    Route(
        method="POST",
        path="/api/v1/appointment-days",
        summary="Close a day, or give it another capacity",
        needs=Permission.APPOINTMENTS_WRITE,
        json=save_day,
        body=DayIn,
        answer=DayOut,
        errors=("bad-appointment",),
        tag="appointments",
    ),
    Route(
        method="POST",
        path="/api/v1/appointment-days/{day_id}/remove",
        summary="A day is as every week again",
        needs=Permission.APPOINTMENTS_WRITE,
        json=remove_day,
        body=Nothing,
        answer=Nothing,
        tag="appointments",
    ),
    Route(
        method="POST",
        path="/api/v1/customers/{customer_id}/delivery-news",
        summary="Say how far a bought vehicle is",
        needs=Permission.APPOINTMENTS_WORK,
        json=add_news,
        body=NewsIn,
        answer=NewsOut,
        status=201,
        errors=("customer-not-found", "vehicle-not-found", "record-closed", "bad-appointment"),
        tag="appointments",
    ),
)
