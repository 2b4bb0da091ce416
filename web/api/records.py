"""Customers: search, lists, the whole person, the timeline, and every change of them (docs/records.md)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from access.audit import Action
from access.permissions import Permission
from crm.records.customers import Customer, EntryNotFound
from crm.records.fields import FieldValue
from crm.records.person import PersonView
from crm.records.timeline import Kind, Only
from web.api.record_shapes import (
    CustomerChangeIn,
    CustomerOut,
    CustomersQuery,
    FieldValueOut,
    FoundOut,
    FoundsOut,
    NewCustomerIn,
    NumberIn,
    PersonOut,
    SearchQuery,
    TimelineOut,
    TimelineQuery,
)
from web.routes import Ask, Nothing, Route, Shape

NOT_FIELDS = {"version", "custom", "why", "numbers", "owner_id", "role"}


def given_in(body: Shape) -> dict[str, Any]:
    """The fields of a record that a body names; what it does not name stays as it is."""
    named = body.model_fields_set - NOT_FIELDS
    return {name: getattr(body, name) for name in named}


def customer_out(customer: Customer) -> CustomerOut:
    """A customer's own fields as they go out."""
    return CustomerOut.model_validate(customer)


def value_out(value: FieldValue) -> FieldValueOut:
    """A field of the house's own as it goes out."""
    field = value.field
    return FieldValueOut(
        key=field.key,
        label_zh=field.label_zh,
        label_en=field.label_en,
        kind=field.kind,
        choices=list(field.choices),
        required=field.required,
        locked=value.locked,
        value=value.value,
    )


def person_out(view: PersonView) -> PersonOut:
    """The head of a person as it goes out."""
    plain: Mapping[str, Any] = {
        name: getattr(view, name) for name in view.__slots__ if name not in ("fields", "customer", "today")
    }
    return PersonOut.model_validate(
        {**plain, "customer": customer_out(view.customer), "fields": [value_out(one) for one in view.fields]}
    )


async def search(ask: Ask[SearchQuery, Nothing]) -> FoundsOut:
    """Customers for what a person typed, best first."""
    page = await ask.services.records.search(ask.by, ask.query.q, ask.query.limit, ask.now)
    return FoundsOut(items=[FoundOut.model_validate(item) for item in page.items], more=page.more)


async def list_customers(ask: Ask[CustomersQuery, Nothing]) -> FoundsOut:
    """Customers by their number."""
    query = ask.query
    page = await ask.services.records.list(
        ask.by,
        customer_class=query.customer_class.value if query.customer_class else None,
        key_accounts=query.key_accounts,
        after=query.cursor or "",
        limit=query.limit,
        now=ask.now,
    )
    return FoundsOut(
        items=[FoundOut.model_validate(item) for item in page.items], more=page.more, next=page.next
    )


async def create(ask: Ask[Nothing, NewCustomerIn]) -> CustomerOut:
    """Add a customer."""
    body = ask.body
    made = await ask.services.records.create(
        ask.by,
        given_in(body),
        [(one.number, one.label) for one in body.numbers],
        body.custom,
        ask.entry(Action.RECORD_CREATED, "customer"),
    )
    return customer_out(made)


async def get(ask: Ask[Nothing, Nothing]) -> PersonOut:
    """One person."""
    return person_out(await ask.services.records.person(ask.by, ask.path["customer_id"], ask.now))


async def change(ask: Ask[Nothing, CustomerChangeIn]) -> PersonOut:
    """Change what the body names."""
    customer_id, body = ask.path["customer_id"], ask.body
    changes = given_in(body)
    if changes.get("name", "") is None:
        del changes["name"]
    await ask.services.records.edit(
        ask.by,
        customer_id,
        body.version,
        changes,
        body.custom,
        body.why,
        ask.entry(Action.RECORD_CHANGED, f"customer:{customer_id}", {"fields": ",".join(sorted(changes))}),
    )
    return person_out(await ask.services.records.person(ask.by, customer_id, ask.now))


async def classify(ask: Ask[Nothing, Nothing]) -> CustomerOut:
    """The house's rule decides the class, whoever decided before."""
    customer_id = ask.path["customer_id"]
    entry = ask.entry(Action.RECORD_CHANGED, f"customer:{customer_id}", {"fields": "class"})
    return customer_out(await ask.services.records.classify(ask.by, customer_id, entry))


async def add_number(ask: Ask[Nothing, NumberIn]) -> PersonOut:
    """Another number of the customer; others who have it keep it."""
    customer_id, body = ask.path["customer_id"], ask.body
    entry = ask.entry(Action.RECORD_CHANGED, f"customer:{customer_id}", {"fields": "phone"})
    await ask.services.records.add_number(ask.by, customer_id, body.number, body.label, body.primary, entry)
    return person_out(await ask.services.records.person(ask.by, customer_id, ask.now))


async def end_number(ask: Ask[Nothing, Nothing]) -> PersonOut:
    """The number is no longer this customer's; the record remembers that it was."""
    customer_id, place = ask.path["customer_id"], ask.path["number_id"]
    if not place.isdigit() or len(place) > 4:
        raise EntryNotFound("The customer has no such number.")
    entry = ask.entry(Action.RECORD_CHANGED, f"customer:{customer_id}", {"fields": "phone"})
    await ask.services.records.end_number(ask.by, customer_id, int(place), entry)
    return person_out(await ask.services.records.person(ask.by, customer_id, ask.now))


def read_kinds(text: str) -> list[Kind | Only]:
    """The filter of a timeline, as it stands in an address."""
    words = dict.fromkeys(word for word in text.split(",") if word)
    return [Only.RECORDED if word == Only.RECORDED else Kind(word) for word in words]


async def timeline(ask: Ask[TimelineQuery, Nothing]) -> TimelineOut:
    """What happened between the customer and the house, newest first."""
    query = ask.query
    page = await ask.services.records.timeline(
        ask.by,
        ask.path["customer_id"],
        only=read_kinds(query.kinds),
        cursor=query.cursor,
        now=ask.now,
        limit=query.limit,
    )
    return TimelineOut.model_validate(page)


_CHANGE_ERRORS = (
    "customer-not-found",
    "record-closed",
    "record-changed",
    "bad-record",
    "field-locked",
)

ROUTES = (
    Route(
        method="GET",
        path="/api/v1/search",
        summary="Find customers by what a person types",
        needs=Permission.CRM_READ,
        json=search,
        query=SearchQuery,
        answer=FoundsOut,
        errors=("too-many-searches",),
        tag="customers",
    ),
    Route(
        method="GET",
        path="/api/v1/customers",
        summary="List customers, those of a class, or key accounts",
        needs=Permission.CRM_READ,
        json=list_customers,
        query=CustomersQuery,
        answer=FoundsOut,
        tag="customers",
    ),
    Route(
        method="POST",
        path="/api/v1/customers",
        summary="Add a customer",
        needs=Permission.CRM_WRITE,
        json=create,
        body=NewCustomerIn,
        answer=CustomerOut,
        status=201,
        errors=("bad-record", "field-locked", "customer-number-taken"),
        tag="customers",
    ),
    Route(
        method="GET",
        path="/api/v1/customers/{customer_id}",
        summary="One person: record, numbers, vehicles, open things, what is missing",
        needs=Permission.CRM_READ,
        json=get,
        answer=PersonOut,
        errors=("customer-not-found",),
        tag="customers",
        views="customer",
    ),
    Route(
        method="PATCH",
        path="/api/v1/customers/{customer_id}",
        summary="Change a customer",
        needs=Permission.CRM_WRITE,
        json=change,
        body=CustomerChangeIn,
        answer=PersonOut,
        errors=_CHANGE_ERRORS,
        tag="customers",
    ),
    Route(
        method="POST",
        path="/api/v1/customers/{customer_id}/classify",
        summary="Let the house's rule decide the class",
        needs=Permission.CLASSES_WRITE,
        json=classify,
        body=Nothing,
        answer=CustomerOut,
        errors=("customer-not-found", "record-closed"),
        tag="customers",
    ),
    Route(
        method="POST",
        path="/api/v1/customers/{customer_id}/numbers",
        summary="Add a telephone number, or give one another label",
        needs=Permission.CRM_WRITE,
        json=add_number,
        body=NumberIn,
        answer=PersonOut,
        errors=_CHANGE_ERRORS,
        tag="customers",
    ),
    Route(
        method="POST",
        path="/api/v1/customers/{customer_id}/numbers/{number_id}/end",
        summary="The number is no longer this customer's",
        needs=Permission.CRM_WRITE,
        json=end_number,
        body=Nothing,
        answer=PersonOut,
        errors=(*_CHANGE_ERRORS, "entry-not-found"),
        tag="customers",
    ),
    Route(
        method="GET",
        path="/api/v1/customers/{customer_id}/timeline",
        summary="What happened between the customer and the house",
        needs=Permission.CRM_READ,
        json=timeline,
        query=TimelineQuery,
        answer=TimelineOut,
        errors=("customer-not-found", "record-closed", "bad-cursor"),
        tag="customers",
        views="customer",
    ),
)
