"""What is not known of a customer, or doubtful, so that the desk can ask for it in the call (M-043, M-054).

A pure function over the record: what is asked first stands first, and never more than a talk can bear is shown
by pages; the whole list is for reports.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from access.permissions import Role
from crm.records.contacts import Contact
from crm.records.customers import Customer, CustomerKind, Honorific
from crm.records.fields import FieldDefinition
from crm.records.vehicles import Vehicle, VehicleState, vin_checks
from telephony.numbers import is_mobile

#: A mileage older than this is asked for again.
STALE_MILEAGE_DAYS = 180
#: More kilometres a day than this on average are a slip of the pen.
MOST_DAILY_KM = 500


class Doubt(StrEnum):
    """Why a field is asked for."""

    MISSING = "missing"
    IMPOSSIBLE = "impossible"  # cannot be right
    UNLIKELY = "unlikely"  # may be right
    STALE = "stale"  # was right


_STAND_INS = frozenset({"未知", "不详", "客户", "先生", "女士", "小姐", "无名", "test", "测试", "unknown"})


@dataclass(frozen=True, kw_only=True, slots=True)
class Missing:
    """One thing to ask for."""

    #: Name of the field: "name", "mobile", "birthday", "vehicle.vin", "custom.KEY" …
    field: str
    doubt: Doubt = Doubt.MISSING
    #: The vehicle it is about.
    vehicle_id: str | None = None
    #: Plate or model, to ask with.
    about: str = ""


def missing_of(
    customer: Customer,
    contacts: Sequence[Contact],
    vehicles: Iterable[Vehicle],
    today: date,
    *,
    required: Iterable[tuple[FieldDefinition, str]] = (),
    role: Role = Role.AGENT,
) -> tuple[Missing, ...]:
    """What to ask for, most needed first. `required` are the house's required fields with their values."""
    found: list[Missing] = []
    person = customer.kind is CustomerKind.PERSON
    here = [contact for contact in contacts if contact.ended_at is None]
    if not any(is_mobile(contact.number) for contact in here):
        found.append(Missing(field="mobile"))
    if _nameless(customer.name):
        found.append(Missing(field="name", doubt=Doubt.UNLIKELY))
    if person and customer.honorific is Honorific.NONE:
        found.append(Missing(field="honorific"))
    for vehicle in vehicles:
        found += _of_vehicle(vehicle, today)
    if person:
        if customer.birthday is None:
            found.append(Missing(field="birthday"))
        elif not 0 <= (customer.age_on(today) or 0) <= 110:
            found.append(Missing(field="birthday", doubt=Doubt.IMPOSSIBLE))
        elif (customer.age_on(today) or 0) < 16:
            found.append(Missing(field="birthday", doubt=Doubt.UNLIKELY))
    found += [
        Missing(field=f"custom.{field.key}")
        for field, value in required
        if field.required and not value and role not in field.hidden_from and role not in field.locked_for
    ]
    for name in ("address", "occupation", "language") if person else ("address",):
        if not getattr(customer, name):
            found.append(Missing(field=name))
    return tuple(found)


def _of_vehicle(vehicle: Vehicle, today: date) -> list[Missing]:
    if vehicle.state is not VehicleState.OWNED:
        return []
    about = vehicle.plate or vehicle.model

    def one(field: str, doubt: Doubt = Doubt.MISSING) -> Missing:
        return Missing(field=f"vehicle.{field}", doubt=doubt, vehicle_id=vehicle.id, about=about)

    found = []
    if vehicle.plate is None:
        found.append(one("plate"))
    if vehicle.vin is None:
        found.append(one("vin"))
    elif vehicle.vin.startswith("L") and not vin_checks(vehicle.vin):
        found.append(one("vin", Doubt.UNLIKELY))
    if not vehicle.model:
        found.append(one("model"))
    delivered = vehicle.delivered_on
    if delivered is None:
        found.append(one("delivered_on"))
    elif delivered > today:
        found.append(one("delivered_on", Doubt.UNLIKELY))
    if vehicle.mileage is None:
        found.append(one("mileage"))
    elif delivered is not None and vehicle.mileage > MOST_DAILY_KM * max((today - delivered).days, 1):
        found.append(one("mileage", Doubt.IMPOSSIBLE))
    elif vehicle.mileage_on is not None and (today - vehicle.mileage_on).days > STALE_MILEAGE_DAYS:
        found.append(one("mileage", Doubt.STALE))
    return found


def _nameless(name: str) -> bool:
    """Whether a name is only a stand-in: one Chinese surname, or words for "somebody"."""
    plain = name.strip()
    if any("0" <= letter <= "9" for letter in plain) and len(plain) >= 7:
        return True
    return (len(plain) == 1) or plain in {
        "未知",
        "不详",
        "客户",
        "先生",
        "女士",
        "小姐",
        "无",
        "test",
        "测试",
        "unknown",
    }
