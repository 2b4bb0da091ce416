"""The person at the head of a page, as one viewer may see it: a handful of look-ups by key, no more."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, tzinfo
from typing import Any, Final

from sqlalchemy import Connection, select

from access.masking import mask_name, mask_number, mask_text
from access.users import Principal
from crm.records.classification import CustomerClass, next_visit_on
from crm.records.contacts import Contact
from crm.records.customers import Customer, CustomerNotFound, RecordClosed
from crm.records.fields import FieldSubject, visible
from crm.records.missing import missing_of
from crm.records.person import LastCall, NumberView, OpenItem, PersonView, VehicleLine, in_order
from crm.tasks.tasks import TaskState
from storage.classes import get_rules
from storage.customers import contacts_of, get_customer, in_places
from storage.fields import list_fields, values_of
from storage.merging import current_id
from storage.sight import Sight, sight
from storage.tables.access import users
from storage.tables.calls import calls
from storage.tables.tasks import tasks
from storage.vehicles import vehicles_of
from telephony.numbers import readable

#: Open things and calls on the head; the timeline has all of them.
MOST_OPEN: Final = 10
LAST_CALLS: Final = 5
#: Fields people write freely in.
FREE_TEXT: Final = (
    "name",
    "note",
    "address",
    "occupation",
    "source",
    "need",
    "budget",
    "focus",
    "paper_file",
)


def person_view(
    connection: Connection,
    viewer: Principal,
    customer_id: str,
    now: datetime,
    *,
    zone: tzinfo = UTC,
) -> PersonView:
    """The head of a person for this viewer. Raises CustomerNotFound.

    `zone` is the house's: it says which day it is.
    """
    today = now.astimezone(zone).date()
    customer_id = current_id(connection, customer_id)  # a merged record leads to the one it was merged into
    customer = get_customer(connection, customer_id)
    seen = sight(connection, viewer, customer_id, now)
    if seen is Sight.NONE:
        raise CustomerNotFound("There is no such customer.")
    if seen is Sight.CLOSED:
        return _closed(customer, today)
    found = contacts_of(connection, customer_id, ended=True)
    lines: dict[str, VehicleLine] = {}
    for vehicle, role in vehicles_of(connection, customer_id):
        known = lines.get(vehicle.id)
        lines[vehicle.id] = VehicleLine(vehicle=vehicle, roles=(*(known.roles if known else ()), role))
    ordered = in_order(list(lines.values()))
    fields = list_fields(connection, FieldSubject.CUSTOMER)
    values = values_of(connection, customer_id) if fields else {}
    rules, _version = get_rules(connection)
    return PersonView(
        customer=customer if viewer.sees_numbers else _masked(customer),
        today=today,
        age=customer.age_on(today),
        own_agent_name=_name(connection, customer.own_agent_id),
        numbers=numbers_of(found, viewer),
        vehicles=ordered,
        open=_open(connection, viewer, customer_id, now),
        calls=_calls(connection, customer_id),
        missing=missing_of(
            customer,
            found,
            [line.vehicle for line in ordered],
            today,
            required=[(field, values.get(field.id, "")) for field in fields],
            role=viewer.role,
        ),
        fields=visible(fields, values, viewer),
        plan=rules.plans.get(CustomerClass(customer.customer_class)) if customer.customer_class else None,
        next_visit_on=next_visit_on(
            rules,
            customer_class=customer.customer_class if customer.key_account else None,
            own_days=customer.visit_every_days,
            visited_on=customer.visited_on,
            today=today,
        ),
    )


def open_customer(
    connection: Connection, viewer: Principal, customer_id: str, *, now: datetime | None = None
) -> Customer:
    """The record where this viewer may open it, unmasked. Raises CustomerNotFound, RecordClosed.

    Without `now` no approval is good.
    """
    customer = get_customer(connection, customer_id)
    seen = sight(connection, viewer, customer_id, now)
    if seen is Sight.NONE:
        raise CustomerNotFound("There is no such customer.")
    if seen is Sight.CLOSED:
        raise RecordClosed("This record is restricted. Ask for an approval to open it.")
    return customer


def numbers_of(found: Sequence[Contact], viewer: Principal) -> tuple[NumberView, ...]:
    """A customer's numbers (`found` holds ended ones, too) as the viewer may read them, the primary one first."""
    shown = [(place, contact) for place, contact in in_places(found) if contact.ended_at is None]
    shown.sort(key=lambda pair: (not pair[1].primary, pair[0]))
    full = viewer.sees_numbers
    return tuple(
        NumberView(
            place=place,
            text=readable(contact.number) if full else mask_number(contact.number),
            number=contact.number if full else None,
            label=contact.label.value,
            primary=contact.primary,
        )
        for place, contact in shown
    )


def _masked(customer: Customer) -> Customer:
    """Free text may hold telephone numbers."""
    texts: dict[str, Any] = {name: mask_text(getattr(customer, name)) for name in FREE_TEXT}
    return replace(customer, **texts)


def _closed(customer: Customer, today: date) -> PersonView:
    """What everybody may know of a restricted record."""
    known = Customer(
        id=customer.id,
        number=customer.number,
        name=mask_name(customer.name),
        kind=customer.kind,
        honorific=customer.honorific,
        language=customer.language,
        key_account=customer.key_account,
        own_agent_id=customer.own_agent_id,
        secrecy=customer.secrecy,
        version=customer.version,
        created_at=customer.created_at,
        updated_at=customer.updated_at,
    )
    return PersonView(
        customer=known,
        today=today,
        age=None,
        own_agent_name="",
        numbers=(),
        vehicles=(),
        open=(),
        calls=(),
        missing=(),
        fields=(),
        plan=None,
        next_visit_on=None,
        closed=True,
    )


def _name(connection: Connection, user_id: str | None) -> str:
    if user_id is None:
        return ""
    return connection.execute(select(users.c.name).where(users.c.id == user_id)).scalar_one_or_none() or ""


def _open(connection: Connection, viewer: Principal, customer_id: str, now: datetime) -> tuple[OpenItem, ...]:
    rows = connection.execute(
        select(tasks.c.id, tasks.c.kind, tasks.c.subject, tasks.c.due_at, users.c.name)
        .select_from(tasks.outerjoin(users, users.c.id == tasks.c.owner_id))
        .where(tasks.c.customer_id == customer_id, tasks.c.state == TaskState.OPEN)
        .order_by(tasks.c.due_at, tasks.c.id)
        .limit(MOST_OPEN)
    )
    return tuple(
        OpenItem(
            kind="task",
            id=row.id,
            what=row.kind,
            text=row.subject if viewer.sees_numbers else mask_text(row.subject),
            due_at=row.due_at,
            overdue=row.due_at < now,
            owner_name=row.name or "",
        )
        for row in rows
    )


def _calls(connection: Connection, customer_id: str) -> tuple[LastCall, ...]:
    rows = connection.execute(
        select(
            calls.c.id,
            calls.c.started_at,
            calls.c.direction,
            calls.c.outcome,
            calls.c.talk_seconds,
            calls.c.queue,
            users.c.name,
        )
        .select_from(calls.outerjoin(users, users.c.id == calls.c.agent_id))
        .where(calls.c.customer_id == customer_id)
        .order_by(calls.c.started_at.desc(), calls.c.id.desc())
        .limit(LAST_CALLS)
    )
    return tuple(
        LastCall(
            id=row.id,
            at=row.started_at,
            direction=row.direction,
            outcome=row.outcome or "",
            agent_name=row.name or "",
            talk_seconds=row.talk_seconds,
            queue=row.queue or "",
        )
        for row in rows
    )
