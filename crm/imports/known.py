"""What is on record around a batch of rows, as planning sees it; each planned row is added, so later rows see it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import Any, NamedTuple


class Table(StrEnum):
    """What a write goes to."""

    CUSTOMERS = "customers"
    CONTACTS = "contacts"
    SOURCES = "sources"  # numbers other programs know a customer by
    VEHICLES = "vehicles"
    PEOPLE = "people"
    VISITS = "visits"
    PURCHASES = "purchases"
    OPTOUTS = "optouts"


class Write(NamedTuple):
    """One row to be added (`before` None) or changed (`before` has the same fields as `after`)."""

    table: Table
    #: What tells the row from others: ids and numbers.
    key: tuple[str, ...]
    after: Mapping[str, Any]
    before: Mapping[str, Any] | None = None


@dataclass(kw_only=True, slots=True)
class CustomerNow:
    """A customer as planning needs it."""

    id: str
    #: Customer number; "" for one that this list adds and the rule will number.
    number: str
    fields: dict[str, Any]
    #: E.164 to whether it is still this customer's.
    numbers: dict[str, bool] = field(default_factory=dict)
    has_primary: bool = False
    #: Number under which the list's source knows the customer.
    source_id: str = ""


@dataclass(kw_only=True, slots=True)
class VehicleNow:
    """A vehicle as planning needs it."""

    id: str
    fields: dict[str, Any]
    #: (customer id, role) of everybody who has to do with it now.
    people: set[tuple[str, str]] = field(default_factory=set)


@dataclass(kw_only=True, slots=True)
class VisitNow:
    """A workshop visit as planning needs it."""

    id: str
    vehicle_id: str
    fields: dict[str, Any]


@dataclass(kw_only=True, slots=True)
class PurchaseNow:
    """A purchase as planning needs it."""

    id: str
    customer_id: str
    fields: dict[str, Any]


@dataclass(kw_only=True, slots=True)
class Known:
    """Everything the rows of a batch may mean."""

    customers: dict[str, CustomerNow] = field(default_factory=dict)
    by_number: dict[str, str] = field(default_factory=dict)
    by_source: dict[str, str] = field(default_factory=dict)
    #: Only customers whose number it is now.
    by_phone: dict[str, set[str]] = field(default_factory=dict)
    vehicles: dict[str, VehicleNow] = field(default_factory=dict)
    by_vin: dict[str, str] = field(default_factory=dict)
    by_plate: dict[str, set[str]] = field(default_factory=dict)
    visits: dict[str, VisitNow] = field(default_factory=dict)
    by_order: dict[str, set[str]] = field(default_factory=dict)
    by_day: dict[tuple[str, str], set[str]] = field(default_factory=dict)
    purchases: dict[str, PurchaseNow] = field(default_factory=dict)
    by_invoice: dict[str, str] = field(default_factory=dict)
    #: By customer and day.
    by_bought: dict[tuple[str, date], set[str]] = field(default_factory=dict)
    #: "number purpose channel" of wishes that hold.
    optouts: set[str] = field(default_factory=set)

    def add_customer(self, one: CustomerNow) -> None:
        """Know a customer by all its signs; what is known already stays as planning has changed it."""
        if one.id in self.customers:
            return
        self.customers[one.id] = one
        if one.number:
            self.by_number[one.number] = one.id
        if one.source_id:
            self.by_source[one.source_id] = one.id
        for number, is_his in one.numbers.items():
            if is_his:
                self.by_phone.setdefault(number, set()).add(one.id)

    def add_vehicle(self, one: VehicleNow) -> None:
        """Know a vehicle by VIN and plate."""
        if one.id in self.vehicles:
            return
        self.vehicles[one.id] = one
        self.sign_vehicle(one)

    def sign_vehicle(self, one: VehicleNow) -> None:
        """Find a vehicle by what it is called now."""
        if vin := one.fields.get("vin"):
            self.by_vin[vin] = one.id
        if plate := one.fields.get("plate"):
            self.by_plate.setdefault(plate, set()).add(one.id)

    def add_visit(self, one: VisitNow) -> None:
        """Know a visit by its order and its day."""
        if one.id in self.visits:
            return
        self.visits[one.id] = one
        if order := one.fields.get("order_number"):
            self.by_order.setdefault(order, set()).add(one.id)
        self.by_day.setdefault((one.vehicle_id, str(one.fields["visited_on"])), set()).add(one.id)

    def add_purchase(self, one: PurchaseNow) -> None:
        """Know a purchase by its invoice and its day."""
        if one.id in self.purchases:
            return
        self.purchases[one.id] = one
        self.sign_purchase(one)

    def sign_purchase(self, one: PurchaseNow) -> None:
        """Find a purchase by what it says now."""
        if invoice := one.fields["invoice"]:
            self.by_invoice[invoice] = one.id
        self.by_bought.setdefault((one.customer_id, one.fields["bought_on"]), set()).add(one.id)
