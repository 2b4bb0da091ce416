"""What the pages and API of maintenance plans need."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Protocol

from access.audit import Entry
from access.requests import Once
from access.users import Principal
from crm.maintenance.forecast import Forecast, Reading
from crm.maintenance.plans import Plan


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
