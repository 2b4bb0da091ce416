"""Hand-over of records by sales and service: which came late, and what is missing in them (M-032, M-033).

A delivery or a visit is known by the vehicle's record. What counts as received is the record as it is now; late
is a record made more than the house's number of days after what it tells of.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from crm.corrections.orders import Department

#: Without these the department cannot make its visit call; what of them is missing is asked for.
NEEDED: Final = {
    Department.SALES: ("name", "number", "vin", "plate", "model", "delivered_on"),
    Department.SERVICE: ("number", "mileage", "order_number", "kind"),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Handover:
    """One delivery or visit, and the record of it."""

    department: Department
    vehicle_id: str
    customer_id: str | None
    name: str
    plate: str | None
    #: Day of the delivery or visit.
    happened_on: date
    received_on: date
    #: Fields of `NEEDED` that are empty.
    missing: tuple[str, ...] = ()
    #: More days than allowed lay between.
    days_late: int = 0

    @property
    def is_right(self) -> bool:
        """In time and complete."""
        return not self.missing and not self.days_late


def days_late(happened_on: date, received_on: date, allowed_days: int) -> int:
    """How many days after the last allowed one the record came; 0: in time."""
    return max((received_on - (happened_on + timedelta(days=allowed_days))).days, 0)


def missing(department: Department, known: Collection[str]) -> tuple[str, ...]:
    """What of the needed fields is not among the known ones."""
    return tuple(name for name in NEEDED.get(department, ()) if name not in known)
