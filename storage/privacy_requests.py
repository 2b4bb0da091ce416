"""Requests of people about their data: rows."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, RowMapping, insert, select, update

from access.approvals import AlreadyDecided, SamePerson
from access.privacy import (
    ANSWER_WITHIN,
    PrivacyRequest,
    RequestKind,
    RequestNotFound,
    RequestOpen,
    RequestState,
)
from crm.records.customers import CustomerNotFound
from storage.tables.privacy import privacy_requests
from storage.tables.records import customers

_OPEN = (RequestState.ASKED, RequestState.APPROVED)


def request_from(row: RowMapping) -> PrivacyRequest:
    """The value of a row that holds every column of `privacy_requests`."""
    return PrivacyRequest(
        id=row["id"],
        kind=RequestKind(row["kind"]),
        customer_id=row["customer_id"],
        state=RequestState(row["state"]),
        asked_by=row["asked_by"],
        asked_at=row["asked_at"],
        identity=row["identity"],
        reason=row["reason"],
        due_at=row["due_at"],
        decided_by=row["decided_by"],
        decided_at=row["decided_at"],
        note=row["note"],
        done_at=row["done_at"],
        result=row["result"],
    )


def get(connection: Connection, request_id: str) -> PrivacyRequest:
    """One request. Raises RequestNotFound."""
    statement = select(privacy_requests).where(privacy_requests.c.id == request_id)
    row = connection.execute(statement).mappings().one_or_none()
    if row is None:
        raise RequestNotFound("There is no such request.")
    return request_from(row)


def ask(
    connection: Connection,
    *,
    id: str,
    kind: RequestKind,
    customer_id: str,
    asked_by: str,
    identity: str,
    reason: str,
    now: datetime,
) -> PrivacyRequest:
    """Register a request. Raises CustomerNotFound, RequestOpen."""
    known = select(customers.c.id).where(customers.c.id == customer_id).with_for_update()
    if connection.execute(known).first() is None:
        raise CustomerNotFound("There is no such customer.")
    same = select(privacy_requests.c.id).where(
        privacy_requests.c.customer_id == customer_id,
        privacy_requests.c.kind == kind,
        privacy_requests.c.state.in_(_OPEN),
    )
    if connection.execute(same).first() is not None:
        raise RequestOpen("This was asked for this person already and is not answered yet.")
    connection.execute(
        insert(privacy_requests).values(
            id=id,
            kind=kind,
            customer_id=customer_id,
            state=RequestState.ASKED,
            asked_by=asked_by,
            asked_at=now,
            identity=identity[:200],
            reason=reason[:500],
            due_at=now + ANSWER_WITHIN,
            note="",
            result={},
        )
    )
    return get(connection, id)


def decide(
    connection: Connection, request_id: str, *, by: str, approved: bool, note: str, now: datetime
) -> PrivacyRequest:
    """Approve or refuse. Raises RequestNotFound, SamePerson, AlreadyDecided."""
    if get(connection, request_id).asked_by == by:
        raise SamePerson("Two people are needed: who registered the request cannot decide it.")
    decided = (
        update(privacy_requests)
        .where(privacy_requests.c.id == request_id, privacy_requests.c.state == RequestState.ASKED)
        .values(
            state=RequestState.APPROVED if approved else RequestState.REFUSED,
            decided_by=by,
            decided_at=now,
            note=note[:500],
        )
    )
    if connection.execute(decided).rowcount != 1:
        raise AlreadyDecided("Somebody has decided this already. Nothing was changed.")
    return get(connection, request_id)


def finish(
    connection: Connection, request_id: str, *, result: Mapping[str, Any], now: datetime
) -> PrivacyRequest:
    """What was approved is done; again changes nothing. Raises RequestNotFound."""
    connection.execute(
        update(privacy_requests)
        .where(privacy_requests.c.id == request_id, privacy_requests.c.state == RequestState.APPROVED)
        .values(state=RequestState.DONE, done_at=now, result=dict(result))
    )
    return get(connection, request_id)


def note_waiting(connection: Connection, request_id: str, why: str) -> None:
    """What was approved cannot be done now; it is tried again every night."""
    connection.execute(
        update(privacy_requests)
        .where(privacy_requests.c.id == request_id, privacy_requests.c.state == RequestState.APPROVED)
        .values(result={"waits": why})
    )


def to_carry_out(connection: Connection, *, after: str = "", limit: int = 50) -> list[PrivacyRequest]:
    """Approved requests that the service itself carries out and has not yet, the oldest first."""
    statement = (
        select(privacy_requests)
        .where(
            privacy_requests.c.state == RequestState.APPROVED,
            privacy_requests.c.kind.in_((RequestKind.ERASE, RequestKind.RESTRICT)),
            privacy_requests.c.id > after,
        )
        .order_by(privacy_requests.c.id)
        .limit(limit)
    )
    return [request_from(row) for row in connection.execute(statement).mappings()]


def latest(
    connection: Connection, *, state: str = "", before: str = "", limit: int = 50
) -> list[PrivacyRequest]:
    """Requests newest first; of one state, or all."""
    statement = select(privacy_requests).order_by(privacy_requests.c.id.desc()).limit(limit)
    if state:
        statement = statement.where(privacy_requests.c.state == state)
    if before:
        statement = statement.where(privacy_requests.c.id < before)
    return [request_from(row) for row in connection.execute(statement).mappings()]
