"""What the pages and API of appointments need. Names, numbers and words come masked by the viewer's role."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Protocol

from access.audit import Entry
from access.users import Principal
from crm.appointments.appointments import (
    Appointment,
    AppointmentEvent,
    NewAppointment,
    News,
    NewsKind,
    Source,
    Step,
    Work,
)
from crm.appointments.slots import Cell, DayException, Free, Lane, WorkKind, Workshop


@dataclass(frozen=True, kw_only=True, slots=True)
class AppointmentView:
    """One appointment as this viewer may see it."""

    appointment: Appointment
    customer_number: str
    customer_name: str
    plate: str
    vehicle_model: str
    workshop: str
    address: str = ""
    #: The customer's record is not open to this viewer: words say nothing.
    closed: bool = False
    #: Steps that the state and the viewer's role allow.
    possible: Sequence[str] = ()
    #: Number of an open complaint of the customer; "" where there is none.
    open_case: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class LaneDay:
    lane: Lane
    day: date
    cells: Sequence[tuple[Cell, int]]

    @property
    def capacity(self) -> int:
        return sum(cell.capacity for cell, _taken in self.cells)

    @property
    def taken(self) -> int:
        return sum(taken for _cell, taken in self.cells)


@dataclass(frozen=True, kw_only=True, slots=True)
class Board:
    """Days of one workshop: who comes, and how full each lane is."""

    workshops: Sequence[Workshop]
    workshop: Workshop | None
    lanes: Sequence[LaneDay]
    items: Sequence[AppointmentView]
    counts: Mapping[str, int]


@dataclass(frozen=True, kw_only=True, slots=True)
class ToTellView:
    kind: str
    due_at: datetime
    task_id: str | None
    view: AppointmentView


@dataclass(frozen=True, kw_only=True, slots=True)
class Setup:
    workshops: Sequence[Workshop]
    lanes: Sequence[Lane]
    kinds: Sequence[WorkKind]
    days: Sequence[DayException]


@dataclass(frozen=True, kw_only=True, slots=True)
class Prefill:
    """The customer a new appointment is for, and his vehicles."""

    customer_id: str
    customer_number: str
    customer_name: str
    vehicles: Sequence[tuple[str, str, str]]
    open_case: str


@dataclass(frozen=True, kw_only=True, slots=True)
class LinkView:
    """What a private link shows: no more than time, place and the tail of the plate."""

    starts_at: datetime
    work: Work
    state: str
    version: int
    workshop: str
    address: str
    plate_tail: str
    free: Sequence[Free] = ()


class Appointments(Protocol):
    """Appointments. `entry` is written in the same transaction."""

    async def board(
        self, viewer: Principal, *, workshop_id: str | None, first: date, last: date, now: datetime
    ) -> Board:
        """Raises BadAppointment."""

    async def get(
        self, viewer: Principal, appointment_id: str, now: datetime
    ) -> tuple[AppointmentView, Sequence[AppointmentEvent], Sequence[Mapping[str, Any]]]:
        """The appointment, its trail and its notices. Raises AppointmentNotFound."""

    async def free(
        self, work: Work, *, workshop_id: str | None, first: date, last: date, now: datetime
    ) -> Sequence[Free]: ...

    async def book(self, viewer: Principal, new: NewAppointment, entry: Entry) -> AppointmentView:
        """Raises BadAppointment, TimeTaken, CustomerNotFound, VehicleNotFound."""

    async def step(
        self,
        viewer: Principal,
        appointment_id: str,
        step: Step,
        entry: Entry,
        *,
        source: Source,
        version: int | None,
        words: str = "",
        starts_at: datetime | None = None,
        workshop_id: str | None = None,
        lane_id: str | None = None,
        overbook_reason: str = "",
        fields: Mapping[str, str | bool] | None = None,
    ) -> AppointmentView:
        """Raises AppointmentNotFound, AppointmentRefused, AppointmentChanged, BadAppointment, TimeTaken."""

    async def missed(
        self, viewer: Principal, now: datetime, *, cursor: str | None, limit: int
    ) -> tuple[Sequence[AppointmentView], str | None]:
        """Raises BadCursor."""

    async def to_tell(self, viewer: Principal, now: datetime) -> Sequence[ToTellView]: ...

    async def of_customer(
        self, viewer: Principal, customer_id: str, now: datetime
    ) -> tuple[Sequence[AppointmentView], Sequence[News]]:
        """Raises CustomerNotFound, RecordClosed."""

    async def of_vehicle(
        self, viewer: Principal, vehicle_id: str, now: datetime
    ) -> Sequence[AppointmentView]:
        """The latest of a vehicle, of customers this person may see. Raises VehicleNotFound."""

    async def prefill(self, viewer: Principal, customer_id: str, now: datetime) -> Prefill:
        """Raises CustomerNotFound, RecordClosed."""

    async def add_news(
        self,
        viewer: Principal,
        customer_id: str,
        entry: Entry,
        *,
        vehicle_id: str | None,
        kind: NewsKind,
        on: date,
        note: str,
        told: bool,
    ) -> News:
        """Raises CustomerNotFound, RecordClosed, BadAppointment."""

    async def setup(self, now: datetime) -> Setup: ...

    async def save_workshop(
        self,
        entry: Entry,
        *,
        workshop_id: str | None,
        name: str,
        address: str,
        active: bool,
        version: int | None,
    ) -> Workshop:
        """Raises BadAppointment, AppointmentChanged."""

    async def save_lane(self, entry: Entry, lane: Lane, *, new: bool) -> Lane:
        """Raises BadAppointment, AppointmentChanged."""

    async def save_kind(self, entry: Entry, kind: WorkKind) -> WorkKind:
        """Raises BadAppointment, AppointmentChanged."""

    async def save_day(
        self, entry: Entry, *, workshop_id: str, lane_id: str | None, day: date, capacity: int, why: str
    ) -> DayException:
        """Raises BadAppointment."""

    async def remove_day(self, entry: Entry, day_id: str) -> None: ...

    async def day_lists(self) -> Sequence[Any]: ...

    async def day_list(self, viewer: Principal, made_on: date, now: datetime) -> tuple[Any, Sequence[Any]]:
        """The list kept that day and its lines. Raises AppointmentNotFound."""

    async def make_link(self, viewer: Principal, appointment_id: str, entry: Entry) -> str:
        """A new secret for the customer; older ones are taken back. Raises AppointmentNotFound, AppointmentRefused."""

    async def link_view(self, secret: str, now: datetime) -> LinkView:
        """Raises LinkError."""

    async def link_step(
        self,
        secret: str,
        step: Step,
        *,
        version: int | None,
        starts_at: datetime | None,
        lane_id: str | None,
        now: datetime,
    ) -> None:
        """Raises LinkError, AppointmentError."""
