"""What the API takes and gives about customers, vehicles and their history, field by field."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints

from crm.records.classification import CustomerClass, Grade
from crm.records.contacts import Label
from crm.records.credit import CreditGrade
from crm.records.customers import CustomerKind, Honorific, Language, Secrecy, Sex
from crm.records.fields import FieldKind
from crm.records.found import Why
from crm.records.missing import Doubt
from crm.records.purchases import Payment, VisitKind
from crm.records.timeline import Kind
from crm.records.vehicle_lists import VehicleSort
from crm.records.vehicles import Role, VehicleState
from web.api.shapes import Cursor, Id, Name, Search, Size
from web.routes import Shape


def _printable(text: str) -> str:
    if any(not letter.isprintable() and letter not in "\n\t\u3000\xa0" for letter in text):
        raise ValueError("control characters are not allowed")
    return text


Text32 = Annotated[str, StringConstraints(strip_whitespace=True, max_length=32), AfterValidator(_printable)]
Text64 = Annotated[str, StringConstraints(strip_whitespace=True, max_length=64), AfterValidator(_printable)]
Text200 = Annotated[str, StringConstraints(strip_whitespace=True, max_length=200), AfterValidator(_printable)]
Note = Annotated[str, StringConstraints(strip_whitespace=True, max_length=10_000), AfterValidator(_printable)]
Typed = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=64)]
Version = Annotated[int, Field(ge=0, le=2**31 - 1)]
Kilometres = Annotated[int, Field(ge=0, le=3_000_000)]
Cents = Annotated[int, Field(ge=0, le=10**12)]
Days = Annotated[int, Field(ge=1, le=3660)]
Custom = Annotated[
    dict[Annotated[str, StringConstraints(max_length=32)], Annotated[str, StringConstraints(max_length=500)]],
    Field(max_length=100),
]


class ReasonOut(Shape):
    why: Why
    text: str


class CarLineOut(Shape):
    vehicle_id: str
    plate: str
    model: str


class FoundOut(Shape):
    """One customer of a list."""

    customer_id: str
    customer_number: str
    name: str
    kind: CustomerKind
    honorific: Honorific
    key_account: bool
    customer_class: str | None
    phone: str = Field(description="the number to call first, masked by role")
    vehicles: list[CarLineOut]
    why: list[ReasonOut]
    closed: bool = Field(description="restricted: only a masked name")


class FoundsOut(Shape):
    items: list[FoundOut]
    more: bool
    next: str | None = Field(
        None, description="cursor of the next page of a list; searches have none: type on"
    )


class SearchQuery(Shape):
    q: Annotated[str, StringConstraints(max_length=16_384)] = Field(
        "",
        description="name, pinyin, initials, plate, VIN, number or its tail, customer number; taken literally",
    )
    limit: Size = 20


class CustomersQuery(Shape):
    customer_class: CustomerClass | None = None
    key_accounts: bool = False
    cursor: Cursor | None = None
    limit: Size = 50


class CustomerFields(Shape):
    """Fields of a customer that a form has; not given: stays as it is."""

    kind: CustomerKind = CustomerKind.PERSON
    honorific: Honorific = Honorific.NONE
    language: Language | None = None
    sex: Sex | None = None
    birthday: date | None = None
    occupation: Text64 = ""
    address: Text200 = ""
    source: Text32 = ""
    need: Text200 = ""
    budget: Text64 = ""
    focus: Text200 = ""
    purchase_expected_on: date | None = None
    paper_file: Text64 = Field("", description="cabinet, box and number of the paper file")
    note: Note = ""
    visited_on: date | None = Field(None, description="last visit or talk the cadence counts from")
    key_account: bool = Field(False, description="this and the following: who may classify")
    own_agent_id: Id | None = None
    secrecy: Secrecy = Secrecy.NORMAL
    value_grade: Grade | None = None
    loyalty_grade: Grade | None = None
    potential_grade: Grade | None = None
    customer_class: CustomerClass | None = None
    credit_grade: CreditGrade | None = Field(None, description="a change needs `why`")
    visit_every_days: Days | None = None


class NumberIn(Shape):
    number: Typed = Field(description="as people write it")
    label: Label = Label.MOBILE
    primary: bool = False


class NewNumberIn(Shape):
    number: Typed
    label: Label = Label.MOBILE


class NewCustomerIn(CustomerFields):
    name: Name
    numbers: Annotated[list[NewNumberIn], Field(max_length=10)] = Field(
        [], description="the first is primary"
    )
    custom: Custom = Field({}, description="fields of the house's own by key, as typed")


class CustomerChangeIn(CustomerFields):
    version: Version = Field(
        description="the one that was edited; another one now is refused with what changed"
    )
    name: Name | None = None
    custom: Custom = Field({})
    why: Text200 = ""


class CustomerOut(Shape):
    """A customer's own fields."""

    id: str
    number: str
    name: str
    kind: CustomerKind
    honorific: Honorific
    language: str | None
    sex: Sex | None
    birthday: date | None
    occupation: str
    address: str
    source: str
    need: str
    budget: str
    focus: str
    purchase_expected_on: date | None
    paper_file: str
    note: str
    secrecy: Secrecy
    key_account: bool
    own_agent_id: str | None
    value_grade: str | None
    loyalty_grade: str | None
    potential_grade: str | None
    customer_class: str | None
    classed_by: str
    credit_grade: str | None
    visit_every_days: int | None
    visited_on: date | None
    version: int
    created_at: datetime
    updated_at: datetime


class NumberOut(Shape):
    place: int = Field(description="names the number where it may not be read")
    text: str
    number: str | None = Field(description="E.164; null: masked for this role")
    label: str
    primary: bool


class VehicleOut(Shape):
    """A vehicle's own fields."""

    id: str
    plate: str | None
    vin: str | None
    brand: str
    model: str
    purpose: str
    state: VehicleState
    state_since: date | None
    delivered_on: date | None
    mileage: int | None = Field(description="kilometres")
    mileage_on: date | None
    last_service_on: date | None
    next_due_on: date | None
    next_due_mileage: int | None
    next_due_why: str
    version: int
    created_at: datetime
    updated_at: datetime


class VehicleLineOut(Shape):
    vehicle: VehicleOut
    roles: list[Role]


class OpenItemOut(Shape):
    kind: str
    id: str
    what: str
    text: str
    due_at: datetime
    overdue: bool
    owner_name: str


class LastCallOut(Shape):
    id: str
    at: datetime
    direction: str
    outcome: str
    agent_name: str
    talk_seconds: float
    queue: str


class MissingOut(Shape):
    field: str
    doubt: Doubt
    vehicle_id: str | None
    about: str


class FieldValueOut(Shape):
    key: str
    label_zh: str
    label_en: str
    kind: FieldKind
    choices: list[str]
    required: bool
    locked: bool
    value: str


class PlanOut(Shape):
    service: str
    visit_every_days: int | None


class PersonOut(Shape):
    """The head of a person: everything a page shows of a customer but the timeline."""

    customer: CustomerOut
    closed: bool
    age: int | None
    own_agent_name: str
    numbers: list[NumberOut]
    vehicles: list[VehicleLineOut]
    open: list[OpenItemOut]
    calls: list[LastCallOut]
    missing: list[MissingOut]
    fields: list[FieldValueOut]
    plan: PlanOut | None
    next_visit_on: date | None


class TimelineQuery(Shape):
    kinds: Annotated[
        str,
        StringConstraints(
            pattern=r"^(?:(?:call|voicemail|task|visit|purchase|change|recorded)(?:,|$)){0,7}$"
        ),
    ] = Field("", description="comma between; empty: all; recorded: calls with a recording")
    cursor: Cursor | None = None
    limit: Size = 30


class FieldChangeOut(Shape):
    field: str
    old: str
    new: str


class ItemOut(Shape):
    kind: Kind
    id: str
    at: datetime
    whole_day: bool
    what: str
    state: str
    text: str
    by: str
    seconds: float | None
    mileage: int | None
    amount_cents: int | None
    recorded: bool
    vehicle_id: str | None
    call_id: str | None = Field(description="null: not a call, or not for this role")
    changes: list[FieldChangeOut]
    more: dict[str, str]


class TimelineOut(Shape):
    items: list[ItemOut]
    next: str | None


class VehicleFields(Shape):
    plate: Text32 | None = None
    vin: Text32 | None = None
    brand: Text32 = ""
    model: Text64 = ""
    purpose: Text64 = ""
    delivered_on: date | None = None
    mileage: Kilometres | None = None
    last_service_on: date | None = None
    next_due_on: date | None = None
    next_due_mileage: Kilometres | None = None
    next_due_why: Text64 = ""
    state: VehicleState = VehicleState.OWNED
    state_since: date | None = None


class NewVehicleIn(VehicleFields):
    owner_id: Id | None = Field(None, description="the customer who has to do with it")
    role: Role = Role.OWNER
    custom: Custom = Field({})


class VehicleChangeIn(VehicleFields):
    version: Version
    custom: Custom = Field({})
    why: Text200 = ""


class VehiclePersonOut(Shape):
    customer_id: str
    customer_number: str
    name: str
    role: Role
    phone: str


class VehiclePersonIn(Shape):
    customer_id: Id
    role: Role


class PurchaseFields(Shape):
    vehicle_id: Id | None = None
    model: Text64 = ""
    price_cents: Cents | None = Field(None, description="hundredths of the currency")
    payment: Payment = Payment.UNKNOWN
    invoice: Text64 = ""
    note: Note = ""


class NewPurchaseIn(PurchaseFields):
    bought_on: date


class PurchaseChangeIn(PurchaseFields):
    version: Version
    bought_on: date | None = None


class PurchaseOut(Shape):
    id: str
    customer_id: str
    vehicle_id: str | None
    bought_on: date
    model: str
    price_cents: int | None
    payment: Payment
    invoice: str
    note: str
    version: int


class VisitFields(Shape):
    customer_id: Id | None = Field(None, description="who brought it")
    mileage: Kilometres | None = None
    kind: VisitKind = VisitKind.OTHER
    amount_cents: Cents | None = None
    order_number: Text64 = ""
    next_due_on: date | None = None
    next_due_mileage: Kilometres | None = None
    note: Note = ""


class NewVisitIn(VisitFields):
    visited_on: date


class VisitChangeIn(VisitFields):
    version: Version
    visited_on: date | None = None


class VisitOut(Shape):
    id: str
    vehicle_id: str
    customer_id: str | None
    visited_on: date
    mileage: int | None
    kind: VisitKind
    amount_cents: int | None
    order_number: str
    next_due_on: date | None
    next_due_mileage: int | None
    note: str
    version: int


class RemoveIn(Shape):
    version: Version


class VehicleViewOut(Shape):
    vehicle: VehicleOut
    people: list[VehiclePersonOut]
    visits: list[VisitOut]
    purchases: list[PurchaseOut]
    fields: list[FieldValueOut]


class VehiclesQuery(Shape):
    """Which vehicles; what is not named does not matter."""

    plate: Search = Field("", description="a plate, its beginning with or without the province, or its tail")
    model: Search = Field("", description="any part of the model's name")
    customer_class: CustomerClass | None = Field(None, description="of the owner")
    due_from: date | None = Field(None, description="first day of the next service")
    due_to: date | None = Field(None, description="last day of the next service, included")
    sort: VehicleSort = VehicleSort.NEWEST
    cursor: Id | None = None
    limit: Size = 50


class VehicleOwnerOut(Shape):
    customer_id: str
    customer_number: str
    name: str = Field(description="masked by role")
    role: Role
    customer_class: str | None
    closed: bool = Field(description="the record is restricted: only a masked name")


class VehicleListedOut(Shape):
    """One vehicle of a list."""

    vehicle: VehicleOut
    owner: VehicleOwnerOut | None = Field(description="null: nobody whom the asker may see")


class VehiclesOut(Shape):
    items: list[VehicleListedOut]
    next: str | None = Field(
        description="cursor of the next page; null: this was the last. A page may be short and there be more"
    )
