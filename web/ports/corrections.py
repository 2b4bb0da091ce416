"""What the pages and API of corrections need. A department's user sees the orders of his own department only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Protocol

from access.audit import Entry
from access.users import Principal
from crm.corrections.handover import Handover
from crm.corrections.orders import Correction, Department, ErrorRate, Step


@dataclass(frozen=True, kw_only=True, slots=True)
class OrderView:
    """One order as this viewer may see it: names and numbers masked where they must be."""

    order: Correction
    customer_number: str
    customer_name: str
    plate: str = ""
    overdue: bool = False
    #: About a record this viewer may not open: it says nothing.
    closed: bool = False
    created_by_name: str = ""
    answered_by_name: str = ""
    #: What this viewer can do with it now.
    possible: Sequence[str] = ()
    steps: Sequence[Mapping[str, Any]] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class OrderPage:
    items: Sequence[OrderView]
    #: By state, and "overdue".
    counts: Mapping[str, int]
    next: str | None = None


class Corrections(Protocol):
    """Orders to mend a record. `entry` is written in the same transaction."""

    async def list(
        self,
        viewer: Principal,
        now: datetime,
        *,
        which: str,
        department: Department | None = None,
        customer_id: str | None = None,
        month: str = "",
        cursor: str | None = None,
        limit: int = 50,
    ) -> OrderPage:
        """Raises BadCursor, BadRecord."""

    async def get(self, viewer: Principal, order_id: str, now: datetime) -> OrderView:
        """Raises CorrectionNotFound."""

    async def raise_order(
        self,
        viewer: Principal,
        entry: Entry,
        *,
        customer_id: str,
        field: str,
        wrong_value: str,
        said: str,
        department: Department | None = None,
        vehicle_id: str | None = None,
        call_id: str | None = None,
        number_place: int | None = None,
    ) -> OrderView:
        """With `number_place` the wrong value is that number of the customer, whole, whatever the viewer may read.

        Raises BadRecord, CustomerNotFound, VehicleNotFound, EntryNotFound.
        """

    async def step(
        self,
        viewer: Principal,
        order_id: str,
        step: Step,
        entry: Entry,
        *,
        version: int | None = None,
        value: str = "",
        note: str = "",
    ) -> OrderView:
        """Raises CorrectionNotFound, StepRefused, BadRecord, and what a change of the record raises."""

    async def rates(self, viewer: Principal, months: Sequence[str]) -> Sequence[ErrorRate]:
        """Raises BadRecord."""

    async def handovers(
        self,
        viewer: Principal,
        department: Department,
        *,
        first: date,
        last: date,
        wrong_only: bool,
        limit: int,
        now: datetime | None = None,
    ) -> Sequence[Handover]:
        """By day. What is of a record that is closed to the viewer at `now` is hidden."""

    async def set_department(self, user_id: str, department: Department | None, entry: Entry) -> None:
        """Raises UserNotFound."""
