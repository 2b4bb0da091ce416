"""Editing a whole record in one transaction: its own fields, the house's fields, one version, one set of changes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date, datetime
from typing import Any, Final

from sqlalchemy import Connection, select, true

from access.masking import mask_text
from access.permissions import Permission, Role
from access.sentences import Sentence
from access.users import Principal
from crm.records.changes import author, refuse_stale
from crm.records.classification import GRADES, classify
from crm.records.credit import check_credit
from crm.records.customers import BadRecord, ClassedBy, Customer, RecordClosed, VehicleNotFound
from crm.records.fields import FieldLocked, FieldSubject, visible
from crm.records.found import FoundPage
from crm.records.masked import restore
from crm.records.vehicle_view import VehiclePerson, VehicleView
from crm.records.vehicles import Role as VehicleRole
from crm.records.vehicles import Vehicle
from storage.changes import changes_since, customer_subject, vehicle_subject
from storage.classes import facts_of, get_rules
from storage.customers import add_customer, change_customer
from storage.fields import list_fields, set_values, values_of
from storage.history import purchases_of_vehicle, visits_of
from storage.person import FREE_TEXT, open_customer
from storage.search import several
from storage.sight import Sight, in_scope, sights
from storage.tables.access import users
from storage.tables.records import customers, vehicle_people
from storage.vehicles import add_person, add_vehicle, change_vehicle, get_vehicle

#: Fields only those may change who decide about classes, credit and key accounts.
GRADED: Final = frozenset(
    {
        "key_account",
        "credit_grade",
        *GRADES,
        "classed_by",
        "visit_every_days",
        "secrecy",
        "own_agent_id",
    }
)


def add_record(
    connection: Connection,
    viewer: Principal,
    now: datetime,
    *,
    rule: str,
    name: str,
    custom: Mapping[str, str] | None = None,
    **given: Any,
) -> Customer:
    """Add a customer with fields of the house's own. Raises BadRecord, FieldLocked, NumberTaken."""
    _may_grade(viewer, {field: value for field, value in given.items() if value})
    _known_agent(connection, given)
    if any(given.get(name) for name in GRADES):
        given.setdefault("classed_by", ClassedBy.PERSON)
    made = add_customer(connection, name=name, now=now, rule=rule, by=author(viewer), **given)
    if custom:
        set_values(
            connection,
            FieldSubject.CUSTOMER,
            made.id,
            custom,
            viewer,
            now,
            version=made.version,
        )
    return made


def edit_record(
    connection: Connection,
    viewer: Principal,
    customer_id: str,
    version: int,
    now: datetime,
    *,
    custom: Mapping[str, str] | None = None,
    why: str = "",
    **changes: Any,
) -> Customer:
    """Change a customer's fields and the house's own in one step.

    Raises CustomerNotFound, RecordClosed, RecordChanged, BadRecord, FieldLocked.
    """
    before = open_customer(connection, viewer, customer_id, now=now)
    if not viewer.sees_numbers:
        changes = {
            name: restore(value, getattr(before, name)) if name in FREE_TEXT else value
            for name, value in changes.items()
        }
    changes = {name: value for name, value in changes.items() if getattr(before, name) != value}
    _may_grade(viewer, changes)
    _known_agent(connection, changes)
    if "credit_grade" in changes:
        changes["credit_grade"] = check_credit(changes["credit_grade"], why)
    if changes.keys() & set(GRADES):
        changes.setdefault("classed_by", ClassedBy.PERSON)
    subject = customer_subject(customer_id)
    refuse_stale(subject, version, before.version, changes_since(connection, subject, version))
    extra = 0
    if custom:
        extra = set_values(
            connection,
            FieldSubject.CUSTOMER,
            customer_id,
            custom,
            viewer,
            now,
            version=before.version + 1,
        )
    return change_customer(
        connection,
        customer_id,
        now,
        by=author(viewer),
        version=version,
        why=why,
        extra_changes=extra,
        **changes,
    )


def edit_vehicle(
    connection: Connection,
    viewer: Principal,
    vehicle_id: str,
    version: int,
    now: datetime,
    *,
    custom: Mapping[str, str] | None = None,
    why: str = "",
    **changes: Any,
) -> Vehicle:
    """Change a vehicle's fields and the house's own in one step. Raises as `edit_record`, VehicleNotFound, VinTaken."""
    open_vehicle(connection, viewer, vehicle_id, now=now)
    before = get_vehicle(connection, vehicle_id)
    subject = vehicle_subject(vehicle_id)
    refuse_stale(subject, version, before.version, changes_since(connection, subject, version))
    extra = 0
    if custom:
        extra = set_values(
            connection,
            FieldSubject.VEHICLE,
            vehicle_id,
            custom,
            viewer,
            now,
            version=before.version + 1,
        )
    return change_vehicle(
        connection,
        vehicle_id,
        now,
        by=author(viewer),
        version=version,
        why=why,
        extra_changes=extra,
        **changes,
    )


def add_car(
    connection: Connection,
    viewer: Principal,
    now: datetime,
    *,
    owner_id: str | None = None,
    role: VehicleRole = VehicleRole.OWNER,
    custom: Mapping[str, str] | None = None,
    **given: Any,
) -> Vehicle:
    """Add a vehicle, and whose it is. Raises BadRecord, VinTaken, CustomerNotFound, RecordClosed, FieldLocked."""
    if owner_id is not None:
        open_customer(connection, viewer, owner_id, now=now)
    made = add_vehicle(connection, now=now, by=author(viewer), **given)
    if owner_id is not None:
        add_person(connection, made.id, owner_id, role, now, by=author(viewer))
    if custom:
        set_values(
            connection,
            FieldSubject.VEHICLE,
            made.id,
            custom,
            viewer,
            now,
            version=made.version,
        )
    return get_vehicle(connection, made.id)


def open_vehicle(
    connection: Connection, viewer: Principal, vehicle_id: str, *, now: datetime | None = None
) -> None:
    """Refuse a vehicle none of whose people this viewer may open. Raises VehicleNotFound, RecordClosed.

    Without `now` no approval is good.
    """
    get_vehicle(connection, vehicle_id)
    seen = sights(connection, viewer, [one for one, _role in _people(connection, vehicle_id)], now)
    if not seen or Sight.OPEN in seen.values():
        return
    if Sight.CLOSED in seen.values():
        raise RecordClosed("This record is restricted. Ask for an approval to open it.")
    raise VehicleNotFound("There is no such vehicle.")


def vehicle_view(
    connection: Connection, viewer: Principal, vehicle_id: str, *, now: datetime | None = None
) -> VehicleView:
    """A vehicle for this viewer. Raises VehicleNotFound, RecordClosed."""
    open_vehicle(connection, viewer, vehicle_id, now=now)
    roles = _people(connection, vehicle_id)
    people = {
        one.customer_id: one
        for one in several(connection, viewer, list(dict.fromkeys(id for id, _ in roles)), now=now)
    }
    fields = list_fields(connection, FieldSubject.VEHICLE)

    def shown(text: str) -> str:
        return text if viewer.sees_numbers else mask_text(text)

    return VehicleView(
        vehicle=get_vehicle(connection, vehicle_id),
        people=tuple(
            VehiclePerson(
                customer_id=id,
                customer_number=people[id].customer_number,
                name=people[id].name,
                role=role,
                phone=people[id].phone,
            )
            for id, role in roles
            if id in people
        ),
        visits=tuple(replace(one, note=shown(one.note)) for one in visits_of(connection, vehicle_id)),
        purchases=tuple(
            replace(one, note=shown(one.note)) for one in purchases_of_vehicle(connection, vehicle_id)
        ),
        fields=visible(fields, values_of(connection, vehicle_id) if fields else {}, viewer),
    )


def classify_customer(
    connection: Connection, viewer: Principal, customer_id: str, now: datetime, today: date
) -> Customer:
    """Let the house's rule decide the class (again), whoever decided before. Raises CustomerNotFound, RecordClosed."""
    _may_grade(viewer, {"customer_class": ""})
    open_customer(connection, viewer, customer_id, now=now)
    rules, _version = get_rules(connection)
    made = classify(facts_of(connection, customer_id, rules, today), rules)
    return change_customer(
        connection,
        customer_id,
        now,
        by=author(viewer),
        why="rule",
        classed_by=ClassedBy.RULE,
        **made.grades(),
    )


def list_customers(
    connection: Connection,
    viewer: Principal,
    *,
    customer_class: str | None = None,
    key_accounts: bool = False,
    after: str = "",
    limit: int = 50,
    now: datetime | None = None,
) -> FoundPage:
    """Customers by customer number, all or of one class or the key accounts; `after` is the last number seen."""
    limit = min(max(limit, 1), 100)
    wanted = select(customers.c.id, customers.c.number).where(
        customers.c.number > after,
        customers.c.merged_into.is_(None),
        in_scope(connection, viewer, now),
    )
    if customer_class is not None:
        wanted = wanted.where(customers.c.customer_class == customer_class)
    if key_accounts:
        wanted = wanted.where(customers.c.key_account == true())
    rows = connection.execute(wanted.order_by(customers.c.number).limit(limit + 1)).all()
    items = several(connection, viewer, [row.id for row in rows[:limit]], now=now)
    more = len(rows) > limit
    return FoundPage(items=items, more=more, next=rows[limit - 1].number if more else None)


def _people(connection: Connection, vehicle_id: str) -> list[tuple[str, VehicleRole]]:
    rows = connection.execute(
        select(vehicle_people.c.customer_id, vehicle_people.c.role)
        .where(vehicle_people.c.vehicle_id == vehicle_id, vehicle_people.c.ended_at.is_(None))
        .order_by(vehicle_people.c.since, vehicle_people.c.customer_id)
    )
    order = list(VehicleRole)
    return sorted(((row[0], VehicleRole(row[1])) for row in rows), key=lambda pair: order.index(pair[1]))


def _may_grade(viewer: Principal, changes: Mapping[str, object]) -> None:
    refused = sorted(GRADED & set(changes))
    if refused and not viewer.may(Permission.CLASSES_WRITE):
        raise FieldLocked(
            Sentence(
                "The role {role} may not change {fields}. Nothing was changed.",
                role=viewer.role.value,
                fields=refused,
            )
        )


def _known_agent(connection: Connection, changes: Mapping[str, object]) -> None:
    user_id = changes.get("own_agent_id")
    if user_id is None:
        return
    role = connection.execute(select(users.c.role).where(users.c.id == user_id)).scalar_one_or_none()
    if role is None or Role(role) in (Role.ADMIN, Role.DEPARTMENT):
        raise BadRecord(
            "That is nobody who looks after customers. Nothing was changed.", field="own_agent_id"
        )
