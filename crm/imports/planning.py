"""What a checked row would add or change, held against what is on record; a row that fits several is refused (R38).

A customer is known by the customer number, by the number of the list's source, or by telephone and name; a vehicle by
its VIN, or by its plate together with the customer. Empty cells take nothing away, a mileage never goes back, a note
is added to the one that is there, and a number that was taken from a customer by hand does not come back.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Any, Final

from crm.imports.buying import NEW_PURCHASE, PurchaseRefused, day_of, find_purchase, said_of_purchase
from crm.imports.cells import Fault
from crm.imports.checking import Checked
from crm.imports.fields import ImportKind, Value
from crm.imports.known import CustomerNow, Known, PurchaseNow, Table, VehicleNow, VisitNow, Write
from crm.imports.own_fields import NO_OWN, Own, is_own, same_value
from crm.records.contacts import Label
from crm.records.customers import BadRecord, CustomerKind, Honorific, name_key
from crm.records.fields import FieldSubject, read_value
from crm.records.purchases import VisitKind
from crm.records.vehicles import Role
from telephony.numbers import is_mobile


class Outcome(StrEnum):
    """What becomes of a row."""

    ADDED = "added"
    CHANGED = "changed"
    UNCHANGED = "unchanged"
    REFUSED = "refused"


@dataclass(frozen=True, kw_only=True, slots=True)
class Planned:
    """A row and what it does."""

    row: int
    outcome: Outcome
    writes: tuple[Write, ...] = ()
    faults: tuple[Fault, ...] = ()
    #: Id of the customer the row speaks of; "" where it names none.
    customer_id: str = ""


class _Refused(Exception):
    def __init__(self, error_id: str, about: str = "", **values: str) -> None:
        super().__init__(error_id)
        self.fault = Fault(error_id=error_id, about=about, values=values)


#: Most candidates that a refusal names.
_NAMED: Final = 5
_CUSTOMER_FIELDS: Final = ("name", "honorific", "kind", "language", "key_account", "source", "note")
_VEHICLE_FIELDS: Final = ("vin", "plate", "brand", "model", "delivered_on", "mileage", "last_service_on")
_DAYS: Final = frozenset({"delivered_on", "last_service_on", "visited_on"})
_NEW_CUSTOMER: Final[Mapping[str, Any]] = {
    "honorific": Honorific.NONE.value,
    "kind": CustomerKind.PERSON.value,
    "language": None,
    "key_account": False,
    "source": "",
    "note": "",
}
_NEW_VEHICLE: Final[Mapping[str, Any]] = {
    "vin": None,
    "plate": None,
    "brand": "",
    "model": "",
    "delivered_on": None,
    "mileage": None,
    "last_service_on": None,
}
#: Words in what the workshop did, to the kind of visit; the first that stands there counts.
_VISIT_WORDS: Final = (
    (VisitKind.FIRST, ("首保", "首次保养", "first")),
    (VisitKind.RECALL, ("召回", "recall")),
    (VisitKind.WARRANTY, ("三包", "索赔", "保修", "质保", "warranty")),
    (VisitKind.BODY, ("事故", "钣金", "钣喷", "喷漆", "喷涂", "油漆", "accident", "body", "paint")),
    (VisitKind.PERIODIC, ("保养", "定保", "maintenance", "service", "oil")),
    (VisitKind.REPAIR, ("维修", "修理", "更换", "检修", "小修", "大修", "repair", "replace")),
)


class Planner:
    """Plans rows one after the other against `known`, which it keeps as the rows would leave it."""

    def __init__(
        self, kind: ImportKind, known: Known, new_id: Callable[[], str], file: str, own: Own = NO_OWN
    ) -> None:
        self._known = known
        self._new_id = new_id
        self._file = file
        self._own = own
        self._plan = {
            ImportKind.CUSTOMERS: self._customer_row,
            ImportKind.VEHICLES: self._vehicle_row,
            ImportKind.VISITS: self._visit_row,
            ImportKind.CONTACTS: self._contact_row,
            ImportKind.OPTOUTS: self._optout_row,
        }[kind]
        self._writes: list[Write] = []
        self._row = 0
        self._about = ""

    def plan(self, checked: Checked) -> Planned:
        """What the row does. A refused row leaves `known` as it was."""
        if checked.faults:
            return Planned(row=checked.row, outcome=Outcome.REFUSED, faults=checked.faults)
        self._writes = []
        self._row, self._about = checked.row, ""
        try:
            self._check_own(checked.values)
            self._plan(checked.values)
        except _Refused as refused:
            return Planned(row=checked.row, outcome=Outcome.REFUSED, faults=(refused.fault,))
        except PurchaseRefused as refused:
            fault = Fault(error_id=refused.error_id, about=refused.about, values={})
            return Planned(row=checked.row, outcome=Outcome.REFUSED, faults=(fault,))
        writes = tuple(self._writes)
        outcome = Outcome.UNCHANGED if not writes else Outcome.ADDED if _adds(writes) else Outcome.CHANGED
        return Planned(row=checked.row, outcome=outcome, writes=writes, customer_id=self._about)

    # Kinds of row: everything that can refuse comes first, then everything that writes.

    def _customer_row(self, values: Mapping[str, Value]) -> None:
        role = str(values.get("role", Role.OWNER.value))
        customer = self._find_customer(values)
        vehicle = self._find_vehicle(values, customer)
        if vehicle is not None:
            if customer is None:
                customer = self._person_of(vehicle, values)
            self._check_owner(vehicle, customer, role)
        bought = day_of(values)
        before = None
        if bought is not None:
            ids = (customer.id if customer else None, vehicle.id if vehicle else None)
            before = find_purchase(self._known, values, *ids, bought)
        self._ask_own(FieldSubject.CUSTOMER, values, customer)
        if "vin" in values or "plate" in values:
            self._ask_own(FieldSubject.VEHICLE, values, vehicle)
        customer = self._keep_customer(customer, values)
        if "vin" in values or "plate" in values:
            vehicle = self._keep_vehicle(vehicle, values)
            self._tie(vehicle, customer, role)
        if bought is not None:
            said = said_of_purchase(values, vehicle.id if vehicle else None, bought)
            self._keep_purchase(before, customer, said)

    def _vehicle_row(self, values: Mapping[str, Value]) -> None:
        role = str(values.get("role", Role.OWNER.value))
        customer = self._by_keys(values)
        if customer is None and ("customer_number" in values or "source_id" in values):
            raise _Refused("customer-unknown")
        vehicle = self._find_vehicle(values, customer)
        if customer is not None and vehicle is not None:
            self._check_owner(vehicle, customer, role)
        self._ask_own(FieldSubject.VEHICLE, values, vehicle)
        vehicle = self._keep_vehicle(vehicle, values)
        if customer is not None:
            self._about = customer.id
            self._tie(vehicle, customer, role)

    def _contact_row(self, values: Mapping[str, Value]) -> None:
        customer = self._by_keys(values)
        if customer is None:
            raise _Refused("customer-unknown")
        name = values.get("name")
        if name is not None and name_key(str(name)) != name_key(customer.fields["name"]):
            raise _Refused("keys-disagree", "name", customers=customer.number)
        self._about = customer.id
        self._add_numbers(customer, _phones(values), str(values.get("label", "")))

    def _optout_row(self, values: Mapping[str, Value]) -> None:
        purpose, channel = str(values.get("purpose", "all")), str(values.get("channel", "all"))
        proof = str(values.get("proof", "")) or f"{self._file}, row {self._row}"
        for number in _phones(values):
            holds = f"{number} {purpose} {channel}"
            if holds in self._known.optouts:
                continue
            self._known.optouts.add(holds)
            self._write(
                Table.OPTOUTS,
                (self._new_id(),),
                {
                    "number": number,
                    "purpose": purpose,
                    "channel": channel,
                    "since": _day(values.get("since")),
                    "proof": proof,
                    "holds": holds,
                },
            )

    def _visit_row(self, values: Mapping[str, Value]) -> None:
        customer = self._find_customer(values) if _names_customer(values) else None
        vehicle = self._find_vehicle(values, customer, alone=True)
        if vehicle is None and ("vin" not in values or not _names_customer(values)):
            raise _Refused("vehicle-unknown")
        before = self._find_visit(vehicle, values) if vehicle is not None else None
        if vehicle is None:
            customer = self._keep_customer(customer, values)
            vehicle = self._keep_vehicle(
                None, {name: values[name] for name in ("vin", "plate") if name in values}
            )
            self._tie(vehicle, customer, Role.OWNER.value)
        if customer is None and len(present := {person for person, _role in vehicle.people}) == 1:
            customer = self._known.customers.get(present.pop())
        if customer is not None:
            self._about = customer.id
        day = _day(values["visited_on"])
        assert day is not None
        self._keep_visit(before, vehicle, customer, values, day)
        self._note_service(vehicle, day, values.get("mileage"))

    # Who and what is meant

    def _by_keys(self, values: Mapping[str, Value]) -> CustomerNow | None:
        """The customer by customer number or the source's number. Raises _Refused where the two name different ones."""
        number, source = values.get("customer_number"), values.get("source_id")
        found = [
            self._known.customers[one]
            for one in (
                self._known.by_number.get(str(number)) if number else None,
                self._known.by_source.get(str(source)) if source else None,
            )
            if one is not None
        ]
        if len({one.id for one in found}) > 1:
            raise _Refused("keys-disagree", customers=_numbers(found))
        return found[0] if found else None

    def _find_customer(self, values: Mapping[str, Value]) -> CustomerNow | None:
        """The one customer the row means, or None for a new one. Raises _Refused where several fit."""
        found = self._by_keys(values)
        if found is not None:
            return found
        key = name_key(str(values.get("name", "")))
        ids = {one for phone in _phones(values) for one in self._known.by_phone.get(phone, ())}
        return self._only(
            [
                one
                for one in map(self._known.customers.__getitem__, ids)
                if name_key(one.fields["name"]) == key
            ],
            values,
        )

    def _only(self, fitting: list[CustomerNow], values: Mapping[str, Value]) -> CustomerNow | None:
        if not fitting:
            return None
        if len(fitting) > 1:
            raise _Refused("several-customers", customers=_numbers(fitting))
        one = fitting[0]
        # The row names a number, and this customer goes by another: perhaps two people, perhaps not.
        other_number = "customer_number" in values and one.number != values["customer_number"]
        other_source = "source_id" in values and one.source_id not in ("", values["source_id"])
        if other_number or other_source:
            raise _Refused("keys-disagree", customers=_numbers(fitting))
        return one

    def _person_of(self, vehicle: VehicleNow, values: Mapping[str, Value]) -> CustomerNow | None:
        """Somebody of the vehicle who bears the row's name."""
        key = name_key(str(values.get("name", "")))
        people = {
            self._known.customers[one].id for one, _role in vehicle.people if one in self._known.customers
        }
        return self._only(
            [
                one
                for one in map(self._known.customers.__getitem__, people)
                if name_key(one.fields["name"]) == key
            ],
            values,
        )

    def _find_vehicle(
        self, values: Mapping[str, Value], customer: CustomerNow | None, *, alone: bool = False
    ) -> VehicleNow | None:
        """The vehicle by VIN, else by plate: the customer's, or (`alone`) the only one of this plate."""
        vin, plate = values.get("vin"), values.get("plate")
        if vin and (found := self._known.by_vin.get(str(vin))):
            return self._known.vehicles[found]
        if not plate:
            return None
        fitting = [
            one
            for one in map(self._known.vehicles.__getitem__, self._known.by_plate.get(str(plate), ()))
            if one.fields.get("plate") == plate and not (vin and one.fields.get("vin"))
        ]
        own = [one for one in fitting if customer and any(who == customer.id for who, _role in one.people)]
        chosen = own or (fitting if alone else [one for one in fitting if not one.people])
        if len(chosen) > 1:
            raise _Refused("several-vehicles", "plate", vehicles=str(len(chosen)))
        return chosen[0] if chosen else None

    def _check_owner(self, vehicle: VehicleNow, customer: CustomerNow | None, role: str) -> None:
        """A vehicle on record has its owner; that it has another is said by a person, not by a list."""
        owners = {one for one, what in vehicle.people if what == Role.OWNER.value}
        if role == Role.OWNER.value and owners and (customer is None or customer.id not in owners):
            named = [self._known.customers[one] for one in owners if one in self._known.customers]
            raise _Refused("vehicle-has-other-owner", "vin", customers=_numbers(named))

    def _find_visit(self, vehicle: VehicleNow, values: Mapping[str, Value]) -> VisitNow | None:
        if order := values.get("order_number"):
            visits = [self._known.visits[one] for one in self._known.by_order.get(str(order), ())]
            if visits and all(one.vehicle_id != vehicle.id for one in visits):
                raise _Refused("order-of-other-vehicle", "order_number")
            return next((one for one in visits if one.vehicle_id == vehicle.id), None)
        same = [
            self._known.visits[one]
            for one in self._known.by_day.get((vehicle.id, str(values["visited_on"])), ())
        ]
        note, amount = _visit_note(values), _cents(values.get("amount"))
        return next(
            (one for one in same if one.fields["note"] == note and one.fields["amount_cents"] == amount), None
        )

    # Fields of the house's own

    def _check_own(self, values: Mapping[str, Value]) -> None:
        """They may have become others since the cells were read. Raises _Refused."""
        for name, value in values.items():
            if not is_own(name):
                continue
            field = self._own.get(name)
            if field is None:
                raise _Refused("field-gone", name)
            try:
                read_value(field, str(value))
            except BadRecord as error:
                known = "、".join(field.choices)[:120]
                raise _Refused("choice-unknown", name, value=str(value)[:40], known=known) from error

    def _ask_own(
        self, subject: FieldSubject, values: Mapping[str, Value], now: CustomerNow | VehicleNow | None
    ) -> None:
        """A field that must be filled has a column, and neither the row nor the record fills it: _Refused."""
        for name, field in self._own.items():
            asked = field.subject is subject and field.required and name not in values
            if asked and not (now and now.fields.get(name)):
                raise _Refused("value-missing", name)

    def _said_own(
        self, subject: FieldSubject, values: Mapping[str, Value], now: CustomerNow | VehicleNow | None
    ) -> dict[str, Any]:
        """What the row says of these fields otherwise than the record."""
        return {
            name: values[name]
            for name, field in self._own.items()
            if field.subject is subject
            and name in values
            and not (now and same_value(field, now.fields.get(name) or "", str(values[name])))
        }

    # What is written

    def _write(
        self,
        table: Table,
        key: tuple[str, ...],
        after: Mapping[str, Any],
        before: Mapping[str, Any] | None = None,
    ) -> None:
        self._writes.append(Write(table=table, key=key, after=after, before=before))

    def _keep_customer(self, customer: CustomerNow | None, values: Mapping[str, Value]) -> CustomerNow:
        said: dict[str, Any] = {name: values[name] for name in _CUSTOMER_FIELDS if name in values}
        said |= self._said_own(FieldSubject.CUSTOMER, values, customer)
        if customer is None:
            number = str(values.get("customer_number", ""))
            customer = CustomerNow(id=self._new_id(), number=number, fields={**_NEW_CUSTOMER, **said})
            self._write(Table.CUSTOMERS, (customer.id,), {**customer.fields, "number": number or None})
            self._known.add_customer(customer)
        else:
            if customer.fields["source"]:
                said.pop("source", None)  # how the house came to know somebody happens once
            if "note" in said:
                said["note"] = _joined(customer.fields["note"], str(said["note"]))
            if "name" in said and name_key(str(said["name"])) == name_key(customer.fields["name"]):
                del said["name"]  # only written in another width or case
            self._change(Table.CUSTOMERS, customer.id, customer.fields, said)
        source = str(values.get("source_id", ""))
        if source and not customer.source_id:
            customer.source_id = source
            self._known.by_source[source] = customer.id
            self._write(Table.SOURCES, (source,), {"customer_id": customer.id})
        self._add_numbers(customer, _phones(values))
        self._about = customer.id
        return customer

    def _add_numbers(self, customer: CustomerNow, phones: Iterable[str], label: str = "") -> None:
        for phone in phones:
            if phone in customer.numbers:
                continue
            customer.numbers[phone] = True
            self._known.by_phone.setdefault(phone, set()).add(customer.id)
            kind = label or (Label.MOBILE if is_mobile(phone) else Label.OTHER).value
            after = {"label": kind, "is_primary": not customer.has_primary}
            self._write(Table.CONTACTS, (customer.id, phone), after)
            customer.has_primary = True

    def _keep_vehicle(self, vehicle: VehicleNow | None, values: Mapping[str, Value]) -> VehicleNow:
        said: dict[str, Any] = {name: values[name] for name in _VEHICLE_FIELDS if name in values}
        for name in _DAYS.intersection(said):
            said[name] = _day(said[name])
        said |= self._said_own(FieldSubject.VEHICLE, values, vehicle)
        if vehicle is None:
            vehicle = VehicleNow(id=self._new_id(), fields={**_NEW_VEHICLE, **said})
            self._write(Table.VEHICLES, (vehicle.id,), dict(vehicle.fields))
            self._known.add_vehicle(vehicle)
            return vehicle
        for name in ("mileage", "last_service_on"):
            if name in said and vehicle.fields[name] is not None:
                said[name] = max(said[name], vehicle.fields[name])
        self._change(Table.VEHICLES, vehicle.id, vehicle.fields, said)
        self._known.sign_vehicle(vehicle)
        return vehicle

    def _note_service(self, vehicle: VehicleNow, day: date, mileage: Value | None) -> None:
        """The workshop has seen the vehicle: its mileage, and when it was last there."""
        said: dict[str, Any] = {"last_service_on": max(day, vehicle.fields["last_service_on"] or day)}
        if isinstance(mileage, int):
            said["mileage"] = max(mileage, vehicle.fields["mileage"] or 0)
        self._change(Table.VEHICLES, vehicle.id, vehicle.fields, said)

    def _tie(self, vehicle: VehicleNow, customer: CustomerNow, role: str) -> None:
        if (customer.id, role) not in vehicle.people:
            vehicle.people.add((customer.id, role))
            self._write(Table.PEOPLE, (vehicle.id, customer.id, role), {})

    def _keep_visit(
        self,
        before: VisitNow | None,
        vehicle: VehicleNow,
        customer: CustomerNow | None,
        values: Mapping[str, Value],
        day: date,
    ) -> None:
        note = _visit_note(values)
        said: dict[str, Any] = {"visited_on": day, "order_number": str(values.get("order_number", ""))}
        for name, value in (
            ("mileage", values.get("mileage")),
            ("amount_cents", _cents(values.get("amount"))),
            ("customer_id", customer.id if customer else None),
            ("note", note or None),
            ("kind", visit_kind(str(values.get("work", ""))).value if "work" in values else None),
        ):
            if value is not None:
                said[name] = value
        if before is not None:
            if before.fields["customer_id"]:
                said.pop("customer_id", None)
            self._change(Table.VISITS, before.id, before.fields, said)
            return
        empty = {
            "mileage": None,
            "amount_cents": None,
            "customer_id": None,
            "note": "",
            "kind": VisitKind.OTHER.value,
        }
        visit = VisitNow(id=self._new_id(), vehicle_id=vehicle.id, fields={**empty, **said})
        self._write(Table.VISITS, (visit.id,), {**visit.fields, "vehicle_id": vehicle.id})
        self._known.add_visit(visit)

    def _keep_purchase(
        self, before: PurchaseNow | None, customer: CustomerNow, said: Mapping[str, Any]
    ) -> None:
        if before is not None:
            self._change(Table.PURCHASES, before.id, before.fields, said)
            self._known.sign_purchase(before)
            return
        one = PurchaseNow(id=self._new_id(), customer_id=customer.id, fields={**NEW_PURCHASE, **said})
        self._write(Table.PURCHASES, (one.id,), {**one.fields, "customer_id": customer.id})
        self._known.add_purchase(one)

    def _change(self, table: Table, id: str, now: dict[str, Any], said: Mapping[str, Any]) -> None:
        after = {name: value for name, value in said.items() if now.get(name) != value}
        if after:
            self._write(table, (id,), after, {name: now.get(name) for name in after})
            now.update(after)


def visit_kind(work: str) -> VisitKind:
    """The kind of visit that the workshop's words name."""
    text = work.lower()
    return next(
        (kind for kind, words in _VISIT_WORDS if any(word in text for word in words)), VisitKind.OTHER
    )


def _adds(writes: Iterable[Write]) -> bool:
    """Whether a record of its own came, not only a number or a tie to one that was there."""
    mains = (Table.CUSTOMERS, Table.VEHICLES, Table.VISITS, Table.PURCHASES, Table.OPTOUTS)
    return any(write.before is None and write.table in mains for write in writes)


def _names_customer(values: Mapping[str, Value]) -> bool:
    return bool({"customer_number", "source_id"}.intersection(values)) or {"name", "phone"}.issubset(values)


def _phones(values: Mapping[str, Value]) -> list[str]:
    found: list[str] = []
    for name in ("phone", "phone_2"):
        value = values.get(name)
        if isinstance(value, list):
            found += value
    return found


def _numbers(customers: Iterable[CustomerNow]) -> str:
    """Customer numbers for a refusal: who reads it may look them up; no name or telephone stands in it."""
    numbers = sorted(one.number or "?" for one in customers)
    return ", ".join(numbers[:_NAMED]) + (" …" if len(numbers) > _NAMED else "")


def _joined(before: str, said: str) -> str:
    if _folded(said) in _folded(before):
        return before
    return f"{before}\n{said}" if before else said


def _folded(text: str) -> str:
    return "".join(unicodedata.normalize("NFKC", text).split())


def _day(value: Value | None) -> date | None:
    return date.fromisoformat(value) if isinstance(value, str) else None


def _cents(value: Value | None) -> int | None:
    return None if value is None else int(str(value).replace(".", ""))


def _visit_note(values: Mapping[str, Value]) -> str:
    return " · ".join(str(values[name]) for name in ("work", "advisor") if name in values)
