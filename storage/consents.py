"""Consents and switches of customers: rows that say who agreed to what, and what is turned off."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, RowMapping, insert, select, update

from access.ids import new_id
from access.users import Principal
from crm.consent.consents import (
    Consent,
    ConsentSource,
    ContactSwitch,
    check_span,
    clean_proof,
    clean_switch_reason,
)
from crm.consent.optouts import Channel, Purpose
from storage.tables.consent import consents, contact_switches

#: Of one customer; what is older is in an export of the person.
MOST_SHOWN = 100


def _consent_from(row: RowMapping) -> Consent:
    return Consent(
        id=row["id"],
        customer_id=row["customer_id"],
        purpose=Purpose(row["purpose"]),
        channel=Channel(row["channel"]),
        source=ConsentSource(row["source"]),
        given_at=row["given_at"],
        until=row["until"],
        proof=row["proof"],
        by_name=row["by_name"],
        withdrawn_at=row["withdrawn_at"],
        withdrawn_why=row["withdrawn_why"],
    )


def _switch_from(row: RowMapping) -> ContactSwitch:
    return ContactSwitch(
        id=row["id"],
        customer_id=row["customer_id"],
        vehicle_id=row["vehicle_id"],
        purpose=Purpose(row["purpose"]),
        channel=Channel(row["channel"]),
        reason=row["reason"],
        off_at=row["off_at"],
        until=row["until"],
        by_name=row["by_name"],
        on_at=row["on_at"],
        on_by_name=row["on_by_name"],
    )


def agree(
    connection: Connection,
    *,
    customer_id: str,
    purpose: Purpose,
    channel: Channel,
    source: ConsentSource,
    given_at: datetime,
    proof: str,
    now: datetime,
    by: Principal | None = None,
    until: datetime | None = None,
) -> Consent:
    """A customer agreed. Raises BadConsent where it would prove nothing."""
    check_span(given_at, until, now)
    consent_id = new_id(now)
    connection.execute(
        insert(consents).values(
            id=consent_id,
            customer_id=customer_id,
            purpose=purpose,
            channel=channel,
            source=source,
            given_at=given_at,
            until=until,
            proof=clean_proof(proof),
            noted_at=now,
            by_id=None if by is None else by.user_id,
            by_name="" if by is None else by.name[:64],
            withdrawn_at=None,
            withdrawn_why="",
            withdrawn_by_name="",
        )
    )
    found = consent_of(connection, consent_id)
    if found is None:
        raise LookupError(f"a consent that was just kept is not there: {consent_id}")
    return found


def consent_of(connection: Connection, consent_id: str) -> Consent | None:
    """One consent by its id."""
    row = connection.execute(select(consents).where(consents.c.id == consent_id)).mappings().one_or_none()
    return None if row is None else _consent_from(row)


def withdraw_consent(
    connection: Connection, consent_id: str, *, why: str, now: datetime, by_name: str
) -> bool:
    """The customer takes it back; the row stays as proof. False where it was withdrawn before."""
    ended = (
        update(consents)
        .where(consents.c.id == consent_id, consents.c.withdrawn_at.is_(None))
        .values(withdrawn_at=now, withdrawn_why=" ".join(why.split())[:200], withdrawn_by_name=by_name[:64])
    )
    return connection.execute(ended).rowcount == 1


def consents_of(connection: Connection, customer_id: str) -> list[Consent]:
    """A customer's consents, the latest first, withdrawn ones included."""
    return consents_of_many(connection, [customer_id])[customer_id]


def consents_of_many(connection: Connection, customer_ids: Sequence[str]) -> dict[str, list[Consent]]:
    """What `consents_of` says of each."""
    found: dict[str, list[Consent]] = {one: [] for one in customer_ids}
    rows = connection.execute(
        select(consents)
        .where(consents.c.customer_id.in_(customer_ids))
        .order_by(consents.c.given_at.desc(), consents.c.id.desc())
    ).mappings()
    for row in rows:
        if len(mine := found[row["customer_id"]]) < MOST_SHOWN:
            mine.append(_consent_from(row))
    return found


def turn_off(
    connection: Connection,
    *,
    customer_id: str,
    vehicle_id: str | None,
    purpose: Purpose,
    channel: Channel,
    reason: str,
    now: datetime,
    by: Principal | None = None,
    until: datetime | None = None,
) -> ContactSwitch:
    """A purpose is off for a customer or one vehicle. The same again changes nothing. Raises BadSwitch."""
    words = clean_switch_reason(reason)
    same = _alike(customer_id, vehicle_id, purpose, channel)
    row = (
        connection.execute(
            select(contact_switches).where(
                *same,
                contact_switches.c.on_at.is_(None),
                contact_switches.c.until.is_(None) if until is None else contact_switches.c.until == until,
            )
        )
        .mappings()
        .first()
    )
    if row is not None:
        return _switch_from(row)
    switch_id = new_id(now)
    connection.execute(
        insert(contact_switches).values(
            id=switch_id,
            customer_id=customer_id,
            vehicle_id=vehicle_id,
            purpose=purpose,
            channel=channel,
            reason=words,
            off_at=now,
            until=until,
            by_id=None if by is None else by.user_id,
            by_name="" if by is None else by.name[:64],
            on_at=None,
            on_by_name="",
        )
    )
    found = switch_of(connection, switch_id)
    if found is None:
        raise LookupError(f"a switch that was just kept is not there: {switch_id}")
    return found


def switch_of(connection: Connection, switch_id: str) -> ContactSwitch | None:
    """One switch by its id."""
    row = (
        connection.execute(select(contact_switches).where(contact_switches.c.id == switch_id))
        .mappings()
        .one_or_none()
    )
    return None if row is None else _switch_from(row)


def turn_on(connection: Connection, switch: ContactSwitch, *, now: datetime, by_name: str) -> bool:
    """On again, with every row that says the same (a merge may leave two). False where it was on."""
    same = _alike(switch.customer_id, switch.vehicle_id, switch.purpose, switch.channel)
    ended = (
        update(contact_switches)
        .where(*same, contact_switches.c.on_at.is_(None))
        .values(on_at=now, on_by_name=by_name[:64])
    )
    return connection.execute(ended).rowcount > 0


def switches_of(connection: Connection, customer_id: str) -> list[ContactSwitch]:
    """A customer's switches, the latest first, those turned on again included."""
    return switches_of_many(connection, [customer_id])[customer_id]


def switches_of_many(connection: Connection, customer_ids: Sequence[str]) -> dict[str, list[ContactSwitch]]:
    """What `switches_of` says of each."""
    found: dict[str, list[ContactSwitch]] = {one: [] for one in customer_ids}
    rows = connection.execute(
        select(contact_switches)
        .where(contact_switches.c.customer_id.in_(customer_ids))
        .order_by(contact_switches.c.off_at.desc(), contact_switches.c.id.desc())
    ).mappings()
    for row in rows:
        if len(mine := found[row["customer_id"]]) < MOST_SHOWN:
            mine.append(_switch_from(row))
    return found


def _alike(
    customer_id: str, vehicle_id: str | None, purpose: Purpose, channel: Channel
) -> Sequence[ColumnElement[bool]]:
    vehicle = contact_switches.c.vehicle_id
    return (
        contact_switches.c.customer_id == customer_id,
        vehicle.is_(None) if vehicle_id is None else vehicle == vehicle_id,
        contact_switches.c.purpose == purpose,
        contact_switches.c.channel == channel,
    )
