"""A vehicle with everything about it, as one viewer may see it."""

from __future__ import annotations

from dataclasses import dataclass

from crm.records.fields import FieldValue
from crm.records.purchases import Purchase, ServiceVisit
from crm.records.vehicles import Role, Vehicle


@dataclass(frozen=True, kw_only=True, slots=True)
class VehiclePerson:
    """Somebody who has to do with a vehicle, as this viewer may see him."""

    customer_id: str
    customer_number: str
    name: str
    role: Role
    #: Masked by role.
    phone: str


@dataclass(frozen=True, kw_only=True, slots=True)
class VehicleView:
    """One vehicle, its people, its history, and the fields of the house's own this viewer may see."""

    vehicle: Vehicle
    people: tuple[VehiclePerson, ...]
    #: Newest first.
    visits: tuple[ServiceVisit, ...]
    purchases: tuple[Purchase, ...]
    fields: tuple[FieldValue, ...]
