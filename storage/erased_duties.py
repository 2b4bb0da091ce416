"""What ends by itself when a person is erased: nobody calls, expects or lets in somebody whom nobody knows."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, select, update

from crm.appointments.appointments import AppointmentState
from crm.contacts.contacts import ContactState, ReasonKind, Result
from storage.appointments import cancel_all
from storage.contact_rows import close_row, contact_from
from storage.contacts import cancel_reasons
from storage.tables.appointments import appointments
from storage.tables.contacts import due_contacts
from storage.tables.links import links
from storage.traces import Tied

#: Why an open contact ended; a page reads it.
WHY: Final = {"why": {"code": "erased"}}
_AT_ONCE: Final = 400


def expected(connection: Connection, customer_ids: Collection[str]) -> list[tuple[str, datetime]]:
    """Appointments the person has not come to yet: id and time."""
    rows = connection.execute(
        select(appointments.c.id, appointments.c.starts_at)
        .where(
            appointments.c.customer_id.in_(list(customer_ids)),
            appointments.c.state.in_((AppointmentState.BOOKED, AppointmentState.CONFIRMED)),
        )
        .order_by(appointments.c.starts_at, appointments.c.id)
    )
    return [(row.id, row.starts_at) for row in rows]


def end_all(connection: Connection, customer_ids: Collection[str], tied: Tied, now: datetime) -> None:
    """Open contacts close, appointments are cancelled, private links open nothing."""
    cancel_all(connection, customer_ids, now)
    for customer_id in sorted(customer_ids):
        cancel_reasons(connection, kinds=tuple(ReasonKind), why=WHY["why"], now=now, customer_id=customer_id)
    waiting = connection.execute(
        select(due_contacts)
        .where(
            due_contacts.c.customer_id.in_(list(customer_ids)),
            due_contacts.c.state.in_((ContactState.OPEN, ContactState.HELD)),
        )
        .order_by(due_contacts.c.id)
        .with_for_update()
    ).mappings()
    for row in waiting.all():
        close_row(connection, contact_from(row), Result.CANCELLED, now, None, data=WHY)
    ids = sorted(tied.ids(links))
    for first in range(0, len(ids), _AT_ONCE):
        some = ids[first : first + _AT_ONCE]
        connection.execute(
            update(links).where(links.c.id.in_(some), links.c.revoked_at.is_(None)).values(revoked_at=now)
        )
        connection.execute(update(links).where(links.c.id.in_(some)).values(audience="", browser=None))
