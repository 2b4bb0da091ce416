"""Lists of contacts as pages and the API show them, how many there are, and who can be called for one."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

from sqlalchemy import ColumnElement, Connection, exists, func, literal, or_, select, tuple_

from access.users import Principal
from crm.consent.optouts import Channel
from crm.contacts.contacts import Contact, ContactState, ReasonKind, ReasonState, Result
from storage.contact_rows import contact_from
from storage.sight import in_reach
from storage.tables.consent import optouts
from storage.tables.contacts import contact_reasons, due_contacts
from storage.tables.records import contacts as phone_contacts

Which = Literal["open", "overdue", "held", "closed", "unsuccessful", "all"]
#: Counting stops here: a page says "999+".
_MOST_COUNTED: Final = 1000


@dataclass(frozen=True, kw_only=True, slots=True)
class Wanted:
    """Which contacts; everything given must hold."""

    which: Which = "open"
    kind: ReasonKind | None = None
    owner_id: str | None = None
    free: bool = False
    department: str | None = None
    customer_id: str | None = None
    vehicle_id: str | None = None


def search(
    connection: Connection,
    viewer: Principal,
    wanted: Wanted,
    now: datetime,
    *,
    after: tuple[datetime, str] | None = None,
    limit: int = 50,
) -> list[Contact]:
    """A page of contacts: open ones the first due first, closed ones the last closed first, all the newest first.

    `after` is the sort value and id of the last one seen.
    """
    conditions = [seen_by(connection, viewer, now), *_conditions(wanted, now)]
    column = sorted_by(wanted.which)
    rising = wanted.which in ("open", "overdue", "held")
    if after is not None:
        place = tuple_(literal(after[0], column.type), literal(after[1]))
        row = tuple_(column, due_contacts.c.id)
        conditions.append(row > place if rising else row < place)
    order = (column, due_contacts.c.id) if rising else (column.desc(), due_contacts.c.id.desc())
    rows = connection.execute(select(due_contacts).where(*conditions).order_by(*order).limit(min(limit, 201)))
    return [contact_from(row) for row in rows.mappings()]


def seen_by(connection: Connection, viewer: Principal, now: datetime | None) -> ColumnElement[bool]:
    """For a statement over `due_contacts`: those of customers in this person's scope, and his own."""
    within = in_reach(connection, viewer, due_contacts.c.customer_id, now)
    return within if viewer.user_id is None else or_(within, due_contacts.c.owner_id == viewer.user_id)


def sorted_by(which: Which) -> Any:
    """The column a list is sorted by."""
    if which in ("closed", "unsuccessful"):
        return due_contacts.c.closed_at
    return due_contacts.c.created_at if which == "all" else due_contacts.c.due_at


def _conditions(wanted: Wanted, now: datetime) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    match wanted.which:
        case "open":
            found.append(due_contacts.c.state == ContactState.OPEN)
        case "overdue":
            found += [due_contacts.c.state == ContactState.OPEN, due_contacts.c.due_at < now]
        case "held":
            found.append(due_contacts.c.state == ContactState.HELD)
        case "closed":
            found.append(due_contacts.c.closed_at.is_not(None))
        case "unsuccessful":
            found += [due_contacts.c.closed_at.is_not(None), due_contacts.c.result == Result.UNSUCCESSFUL]
    for name in ("owner_id", "department", "customer_id"):
        value = getattr(wanted, name)
        if value is not None:
            found.append(due_contacts.c[name] == value)
    if wanted.free:
        found.append(due_contacts.c.owner_id.is_(None))
    of_contact = contact_reasons.c.contact_id == due_contacts.c.id
    if wanted.kind is not None:
        signs = [of_contact, contact_reasons.c.kind == wanted.kind.value]
        if wanted.which in ("open", "overdue", "held"):
            signs.append(contact_reasons.c.state == ReasonState.OPEN)
        found.append(exists().where(*signs).correlate(due_contacts))
    if wanted.vehicle_id is not None:
        about = contact_reasons.c.vehicle_id == wanted.vehicle_id
        found.append(due_contacts.c.id.in_(select(contact_reasons.c.contact_id).where(about)))
    return found


def counts(connection: Connection, viewer: Principal, now: datetime) -> dict[str, int]:
    """What waits, of what this person may see, up to a thousand: open, overdue, held, his own, nobody's."""
    some = (
        select(due_contacts.c.state, due_contacts.c.due_at, due_contacts.c.owner_id)
        .where(
            seen_by(connection, viewer, now),
            due_contacts.c.state.in_([ContactState.OPEN.value, ContactState.HELD.value]),
        )
        .order_by(due_contacts.c.due_at)
        .limit(_MOST_COUNTED)
    )
    rows = connection.execute(some).all()
    waiting = [row for row in rows if row.state == ContactState.OPEN]
    return {
        "open": len(waiting),
        "overdue": sum(row.due_at < now for row in waiting),
        "held": len(rows) - len(waiting),
        "mine": sum(viewer.user_id is not None and row.owner_id == viewer.user_id for row in waiting),
        "free": sum(row.owner_id is None for row in waiting),
    }


def counts_by_kind(connection: Connection, viewer: Principal, now: datetime) -> dict[str, int]:
    """Open reasons of open contacts by kind, of what this person may see."""
    rows = connection.execute(
        select(contact_reasons.c.kind, func.count())
        .join(due_contacts, due_contacts.c.id == contact_reasons.c.contact_id)
        .where(
            seen_by(connection, viewer, now),
            due_contacts.c.state == ContactState.OPEN,
            contact_reasons.c.state == ReasonState.OPEN,
        )
        .group_by(contact_reasons.c.kind)
    )
    return {row[0]: row[1] for row in rows}


def numbers_of(connection: Connection, customer_ids: Collection[str]) -> dict[str, list[str]]:
    """The numbers of these customers, the primary one first."""
    rows = connection.execute(
        select(phone_contacts.c.customer_id, phone_contacts.c.number)
        .where(phone_contacts.c.customer_id.in_(list(customer_ids)), phone_contacts.c.ended_at.is_(None))
        .order_by(phone_contacts.c.is_primary.desc(), phone_contacts.c.number)
    )
    found: dict[str, list[str]] = {}
    for row in rows:
        found.setdefault(row[0], []).append(row[1])
    return found


def wishes_of(connection: Connection, numbers: Collection[str]) -> dict[str, list[str]]:
    """Wishes not to be called that hold for these numbers, by what they are about (`crm.consent.optouts.Purpose`)."""
    rows = connection.execute(
        select(optouts.c.number, optouts.c.purpose)
        .where(
            optouts.c.number.in_(list(numbers)),
            optouts.c.holds.is_not(None),
            optouts.c.channel.in_([Channel.CALL.value, Channel.ALL.value]),
        )
        .distinct()
        .order_by(optouts.c.number, optouts.c.purpose)
    )
    found: dict[str, list[str]] = {}
    for row in rows:
        found.setdefault(row[0], []).append(row[1])
    return found
