"""Lists of vehicles: what they are filtered by, in which orders they stand, and one line of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from crm.maintenance.forecast import Stage
from crm.records.vehicles import Role, Vehicle


class VehicleSort(StrEnum):
    """Orders a list may stand in."""

    NEWEST = "newest"
    #: The next service first; those without a day last.
    DUE = "due"
    #: Those without a plate last.
    PLATE = "plate"


@dataclass(frozen=True, kw_only=True, slots=True)
class VehicleFilter:
    """Which vehicles; what is not named does not matter."""

    #: A plate, its beginning with or without the province, or its last four characters and more.
    plate: str = ""
    #: Any part of the model's name.
    model: str = ""
    #: Class of the owner, where his record is open to the viewer.
    customer_class: str = ""
    #: Days of the next service, both included.
    due_from: date | None = None
    due_to: date | None = None
    #: Whether the next service is the vehicle's first or a later one.
    stage: Stage | None = None


def read_filter(wanted: Mapping[str, str]) -> VehicleFilter:
    """The filter of an export: plain texts by name. Raises ValueError."""

    def day(name: str) -> date | None:
        return date.fromisoformat(wanted[name]) if wanted.get(name) else None

    return VehicleFilter(
        plate=wanted.get("plate", ""),
        model=wanted.get("model", ""),
        customer_class=wanted.get("class", ""),
        due_from=day("due_from"),
        due_to=day("due_to"),
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class VehicleOwner:
    """Who has to do with a vehicle first of all, as this viewer may see him."""

    customer_id: str
    customer_number: str
    name: str
    role: Role
    #: None: none, or the record is restricted.
    customer_class: str | None
    #: The record is restricted for this viewer: only a masked name.
    closed: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class VehicleLine:
    """One vehicle of a list."""

    vehicle: Vehicle
    #: None: nobody whom this viewer may see.
    owner: VehicleOwner | None


@dataclass(frozen=True, kw_only=True, slots=True)
class VehiclePage:
    """A part of a list of vehicles."""

    items: Sequence[VehicleLine]
    #: The place to go on from; None: these were the last. A page may be short, even empty, and there be more:
    #: only so many vehicles are looked at for one page.
    next: str | None = None
