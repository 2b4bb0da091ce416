"""What the pages and API of maintenance plans need."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Protocol

from access.audit import Entry
from access.requests import Once
from access.users import Principal
from crm.contacts.contacts import ReasonKind
from crm.maintenance.forecast import Forecast, Reading, Stage
from crm.maintenance.plans import Plan
from crm.records.vehicle_lists import VehicleLine
from web.ports.contacts import ContactLine


@dataclass(frozen=True, kw_only=True, slots=True)
class VehicleDue:
    """When a vehicle is due and why."""

    vehicle_id: str
    plan: Plan
    #: None: nothing is known to count from, or the house does not look after it any more.
    forecast: Forecast | None
    #: As it stands on the record: given by the maker or reckoned.
    next_due_on: date | None
    next_due_mileage: int | None
    #: The reason as plain data (`Forecast.why`).
    why: Mapping[str, Any] = field(default_factory=dict)
    dated: Sequence[tuple[str, date]] = ()
    #: owned, sold, scrapped, moved: only what is owned is reminded.
    state: str = "owned"
    state_since: date | None = None
    readings: Sequence[Reading] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class InvitationRate:
    """What became of the reminders of one plan in one month."""

    month: str
    plan_id: str | None
    plan_name: str
    invited: int
    reached: int
    booked: int
    came: int


@dataclass(frozen=True, kw_only=True, slots=True)
class PlanTrial:
    """What saving a plan would change."""

    vehicles: int
    #: How many of them were reckoned; fewer: the figures are of a sample, stretched.
    looked: int
    earlier: int
    later: int
    same: int
    begins: int
    ends: int
    middle_days: int
    contacts_before: int
    contacts_after: int


@dataclass(frozen=True, kw_only=True, slots=True)
class DueWeek:
    """How many vehicles are due in a week."""

    first: date
    last: date
    first_maintenance: int
    periodic: int


@dataclass(frozen=True, kw_only=True, slots=True)
class DueVehicle:
    """One vehicle of a week, with the reason."""

    line: VehicleLine
    stage: Stage
    why: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class InvitationMonth:
    """What became of one kind of reminder in one month: `counts` by "invited", "reached", "booked", "came"."""

    month: str
    kind: ReasonKind
    counts: Mapping[str, int]


@dataclass(frozen=True, kw_only=True, slots=True)
class InvitedLine:
    """One reminder behind a figure."""

    contact: ContactLine
    reason_id: str
    made_at: datetime
    reached: bool
    booked: bool
    came: bool


class Maintenance(Protocol):
    """Maintenance plans and forecasts. `entry` is written to the audit log in the same transaction."""

    async def plans(self, *, retired: bool = False) -> Sequence[Plan]:
        """Every plan as it holds, the house's default first."""

    async def versions(self, plan_id: str) -> Sequence[Plan]:
        """The newest first. Raises PlanNotFound."""

    async def save(self, viewer: Principal, plan: Plan, entry: Entry, *, once: Once | None = None) -> Plan:
        """A new plan (empty id), or the next version of one (`plan.version`: the one that was edited).

        Raises BadPlan, PlanNotFound, PlanChanged.
        """

    async def waiting(self) -> Sequence[Plan]:
        """Versions saved for a day to come."""

    async def try_out(self, plan: Plan, now: datetime) -> PlanTrial:
        """What saving this plan would change; nothing is saved. Raises BadPlan."""

    async def weeks(self, now: datetime) -> Sequence[DueWeek]:
        """How many vehicles of the house are due in each of the coming weeks."""

    async def due_between(
        self,
        viewer: Principal,
        first: date,
        last: date,
        stage: Stage | None,
        now: datetime,
        *,
        cursor: str | None = None,
        limit: int = 50,
    ) -> tuple[Sequence[DueVehicle], str | None]:
        """The vehicles due on these days that this viewer may see, the first due first. Raises BadCursor."""

    async def invitations(
        self, viewer: Principal, first: date, last: date, now: datetime
    ) -> Sequence[InvitationMonth]:
        """What became of the reminders of each kind, of customers this viewer may see; first month first."""

    async def invited(
        self,
        viewer: Principal,
        kind: ReasonKind,
        outcome: str,
        first: date,
        last: date,
        now: datetime,
        *,
        cursor: str | None = None,
        limit: int = 50,
    ) -> tuple[Sequence[InvitedLine], str | None]:
        """The reminders behind one of those figures. Raises BadCursor."""

    async def retire(self, viewer: Principal, plan_id: str, version: int, entry: Entry) -> Plan:
        """Raises PlanNotFound, PlanChanged."""

    async def due(self, viewer: Principal, vehicle_id: str, now: datetime) -> VehicleDue:
        """Raises VehicleNotFound."""

    async def add_reading(
        self,
        viewer: Principal,
        vehicle_id: str,
        km: int,
        read_on: date,
        entry: Entry,
        *,
        call_id: str | None = None,
    ) -> VehicleDue:
        """An odometer answer. Raises VehicleNotFound, BadPlan."""

    async def rates(self, first: date, last: date) -> Sequence[InvitationRate]:
        """Invitations per plan and month, the newest month first; first and last are days of the house."""
