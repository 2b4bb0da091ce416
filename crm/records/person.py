"""The person at the head of a page: one value for the record page and for the desk when the phone rings.

Made by `storage.person.person_view` for one viewer: numbers and secret records are masked already, so a page
shows what is here and nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from crm.records.classification import ServicePlan
from crm.records.customers import Customer
from crm.records.fields import FieldValue
from crm.records.missing import Missing
from crm.records.vehicles import Role, Vehicle


@dataclass(frozen=True, kw_only=True, slots=True)
class NumberView:
    """One telephone number of a customer, as this viewer may read it."""

    #: Which of the customer's numbers it is; `storage.customers.number_at` dials by it, whole or masked.
    place: int
    #: "138 1234 5678" or "138****5678".
    text: str
    #: E.164 where the viewer sees numbers in full, else None.
    number: str | None
    #: mobile, home, work, other.
    label: str
    primary: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class VehicleLine:
    """One vehicle on the head of a person."""

    vehicle: Vehicle
    #: What the customer is to it: owner, driver, payer, contact.
    roles: tuple[Role, ...]

    @property
    def vin_tail(self) -> str:
        """The six characters people say."""
        return (self.vehicle.vin or "")[-6:]

    def due_in(self, today: date) -> int | None:
        """Days until the next service is due; negative where it is overdue; None: no date known."""
        due = self.vehicle.next_due_on
        return None if due is None else (due - today).days


@dataclass(frozen=True, kw_only=True, slots=True)
class OpenItem:
    """Something that is waiting to be done for the customer: a task now, later cases and appointments."""

    #: "task", "case", "appointment".
    kind: str
    id: str
    #: Kind of the task, such as "missed_call"; pages translate it.
    what: str
    text: str
    due_at: datetime
    overdue: bool
    owner_name: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class LastCall:
    """One of the last talks with the house."""

    id: str
    at: datetime
    #: inbound, outbound, internal.
    direction: str
    outcome: str
    agent_name: str
    talk_seconds: float
    queue: str


@dataclass(frozen=True, kw_only=True, slots=True)
class PersonView:
    """Everything the head of a person shows."""

    customer: Customer
    #: The house's day; due dates are compared with it.
    today: date
    #: Whole years, where the birthday is known.
    age: int | None
    own_agent_name: str
    numbers: tuple[NumberView, ...]
    #: Those the house looks after first; sold and scrapped ones last.
    vehicles: tuple[VehicleLine, ...]
    #: Open things, first due first.
    open: tuple[OpenItem, ...]
    #: Newest first.
    calls: tuple[LastCall, ...]
    #: What to ask for, most needed first.
    missing: tuple[Missing, ...]
    #: Fields of the house's own that this viewer may see.
    fields: tuple[FieldValue, ...]
    #: What customers of this class get; None: no class yet.
    plan: ServicePlan | None
    #: When a person of the house should next talk to the customer; None: no cadence.
    next_visit_on: date | None
    #: The record is restricted and this viewer has no approval: all there is, is a masked name.
    closed: bool = False

    @property
    def id(self) -> str:
        """Id of the customer."""
        return self.customer.id

    @property
    def primary(self) -> NumberView | None:
        """The number to call first."""
        return next((one for one in self.numbers if one.primary), self.numbers[0] if self.numbers else None)


def in_order(lines: Sequence[VehicleLine]) -> tuple[VehicleLine, ...]:
    """Vehicles the house looks after first, newest delivery first."""
    return tuple(
        sorted(
            lines,
            key=lambda line: (
                line.vehicle.state != "owned",
                -(line.vehicle.delivered_on or date.min).toordinal(),
                line.vehicle.id,
            ),
        )
    )
