"""The purchase that a row of sales speaks of: which one it is, and what it says of it.

A row tells of a purchase where it names an invoice, a price, a way to pay or a day of buying; without the last, the
day of the hand-over counts. The same invoice is the same purchase; without one, the same customer, vehicle and day.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any, Final

from crm.imports.fields import Value
from crm.imports.known import Known, PurchaseNow
from crm.records.purchases import Payment

FIELDS_OF_PURCHASE: Final = ("bought_on", "price", "payment", "invoice")
NEW_PURCHASE: Final[Mapping[str, Any]] = {
    "vehicle_id": None,
    "model": "",
    "price_cents": None,
    "payment": Payment.UNKNOWN.value,
    "invoice": "",
}


class PurchaseRefused(Exception):
    """The row's purchase cannot be; `error_id` says why, `about` which field."""

    def __init__(self, error_id: str, about: str) -> None:
        super().__init__(error_id)
        self.error_id = error_id
        self.about = about


def day_of(values: Mapping[str, Value]) -> date | None:
    """The day the row's purchase was made, None where it speaks of none. Raises PurchaseRefused."""
    if not any(name in values for name in FIELDS_OF_PURCHASE):
        return None
    day = values.get("bought_on") or values.get("delivered_on")
    if not isinstance(day, str):
        raise PurchaseRefused("value-missing", "bought_on")
    return date.fromisoformat(day)


def find_purchase(
    known: Known, values: Mapping[str, Value], customer_id: str | None, vehicle_id: str | None, day: date
) -> PurchaseNow | None:
    """The purchase on record that the row means. Raises PurchaseRefused where the invoice is another customer's.

    A row that names a car nobody has on record (`vehicle_id` is None then) means no purchase of another car.
    """
    if invoice := values.get("invoice"):
        found = known.purchases.get(known.by_invoice.get(str(invoice), ""))
        if found is not None and found.customer_id != customer_id:
            raise PurchaseRefused("invoice-of-other-customer", "invoice")
        if found is not None:
            return found
    names_car = "vin" in values or "plate" in values
    for one in map(known.purchases.__getitem__, known.by_bought.get((customer_id or "", day), ())):
        car = one.fields["vehicle_id"]
        same_car = car is None or (car == vehicle_id if names_car else True)
        if same_car and (not invoice or not one.fields["invoice"]):
            return one
    return None


def said_of_purchase(values: Mapping[str, Value], vehicle_id: str | None, day: date) -> dict[str, Any]:
    """What the row says of its purchase."""
    said: dict[str, Any] = {"bought_on": day}
    if vehicle_id is not None:
        said["vehicle_id"] = vehicle_id
    if "price" in values:
        said["price_cents"] = int(str(values["price"]).replace(".", ""))
    for name in ("model", "payment", "invoice"):
        if name in values:
            said[name] = values[name]
    return said
