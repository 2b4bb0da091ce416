"""Approvals to open restricted records, and who may open one without asking: rows."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, RowMapping, and_, delete, func, insert, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from access.approvals import (
    EMERGENCY_HOURS,
    AlreadyDecided,
    Approval,
    ApprovalNotFound,
    ApprovalState,
    NoSuchCallNow,
    SamePerson,
    check_reason,
    good_until,
)
from crm.records.matching import Sign
from storage.tables.calls import calls
from storage.tables.privacy import approvals, circulation
from storage.tables.records import contacts


def approval_from(row: RowMapping) -> Approval:
    """The value of a row that holds every column of `approvals`."""
    return Approval(
        id=row["id"],
        customer_id=row["customer_id"],
        asked_by=row["asked_by"],
        asked_at=row["asked_at"],
        reason=row["reason"],
        state=ApprovalState(row["state"]),
        decided_by=row["decided_by"],
        decided_at=row["decided_at"],
        note=row["note"],
        until=row["until"],
        call_id=row["call_id"],
        reviewed_by=row["reviewed_by"],
        reviewed_at=row["reviewed_at"],
    )


def is_open(connection: Connection, user_id: str | None, customer_id: str, now: datetime) -> bool:
    """Whether this user may open this restricted record now: approved, or on its circulation list."""
    if user_id is None:
        return False
    listed = select(circulation.c.user_id).where(
        circulation.c.customer_id == customer_id, circulation.c.user_id == user_id
    )
    if connection.execute(listed).first() is not None:
        return True
    approved = select(approvals.c.id).where(
        approvals.c.asked_by == user_id,
        approvals.c.customer_id == customer_id,
        approvals.c.state.in_((ApprovalState.GRANTED, ApprovalState.EMERGENCY)),
        approvals.c.until > now,
    )
    return connection.execute(approved.limit(1)).first() is not None


def get(connection: Connection, approval_id: str) -> Approval:
    """One request. Raises ApprovalNotFound."""
    row = connection.execute(select(approvals).where(approvals.c.id == approval_id)).mappings().one_or_none()
    if row is None:
        raise ApprovalNotFound("There is no such request.")
    return approval_from(row)


def ask(
    connection: Connection, *, id: str, customer_id: str, user_id: str, reason: str, now: datetime
) -> Approval:
    """Ask to open a record; who has asked already gets that request again. Raises ReasonMissing."""
    waiting = select(approvals).where(
        approvals.c.asked_by == user_id,
        approvals.c.customer_id == customer_id,
        approvals.c.state == ApprovalState.ASKED,
    )
    row = connection.execute(waiting).mappings().first()
    if row is not None:
        return approval_from(row)
    return _add(
        connection,
        id=id,
        customer_id=customer_id,
        asked_by=user_id,
        asked_at=now,
        reason=check_reason(reason),
        state=ApprovalState.ASKED,
    )


def _add(connection: Connection, **values: Any) -> Approval:
    connection.execute(insert(approvals).values(note="", **values))
    return get(connection, values["id"])


def decide(
    connection: Connection,
    approval_id: str,
    *,
    by: str,
    granted: bool,
    hours: int,
    note: str,
    now: datetime,
) -> Approval:
    """Grant for some hours, or refuse. Raises ApprovalNotFound, SamePerson, AlreadyDecided."""
    found = get(connection, approval_id)
    if found.asked_by == by:
        raise SamePerson("Who asked cannot decide. Ask a colleague who may.")
    decided = (
        update(approvals)
        .where(approvals.c.id == approval_id, approvals.c.state == ApprovalState.ASKED)
        .values(
            state=ApprovalState.GRANTED if granted else ApprovalState.REFUSED,
            decided_by=by,
            decided_at=now,
            note=" ".join(note.split())[:500],
            until=good_until(now, hours) if granted else None,
        )
    )
    if connection.execute(decided).rowcount != 1:
        raise AlreadyDecided("Somebody has decided this already. Nothing was changed.")
    return get(connection, approval_id)


def is_of(customer_id: str | ColumnElement[str]) -> ColumnElement[bool]:
    """For a statement over `calls`: the call comes from one of the customer's numbers, or the house tied it to him.

    That an agent said who is calling proves nothing: he would open any record by naming it in any call.
    """
    numbers = select(contacts.c.number).where(
        contacts.c.customer_id == customer_id, contacts.c.ended_at.is_(None)
    )
    tied = and_(calls.c.customer_id == customer_id, func.coalesce(calls.c.explained, "") != Sign.AGENT.value)
    return or_(tied, calls.c.number.in_(numbers))


def open_in_call(
    connection: Connection, *, id: str, customer_id: str, user_id: str, reason: str, now: datetime
) -> Approval:
    """Open a record without waiting, because its customer is on the line; a supervisor reads of it afterwards.

    Raises NoSuchCallNow where no call of this user with this customer goes on, ReasonMissing.
    """
    talking = (
        select(calls.c.id)
        .where(calls.c.agent_id == user_id, calls.c.ended_at.is_(None), is_of(customer_id))
        .limit(1)
    )
    call_id = connection.execute(talking).scalar_one_or_none()
    if call_id is None:
        raise NoSuchCallNow("You are in no call with this customer. Ask for approval instead.")
    return _add(
        connection,
        id=id,
        customer_id=customer_id,
        asked_by=user_id,
        asked_at=now,
        reason=check_reason(reason),
        state=ApprovalState.EMERGENCY,
        until=now + timedelta(hours=EMERGENCY_HOURS),
        call_id=call_id,
    )


def review(connection: Connection, approval_id: str, *, by: str, now: datetime) -> Approval:
    """Somebody else has read of an emergency opening. Raises ApprovalNotFound, SamePerson, AlreadyDecided."""
    found = get(connection, approval_id)
    if found.asked_by == by:
        raise SamePerson("Who opened the record cannot sign it off. Ask a colleague who may.")
    signed = (
        update(approvals)
        .where(
            approvals.c.id == approval_id,
            approvals.c.state == ApprovalState.EMERGENCY,
            approvals.c.reviewed_at.is_(None),
        )
        .values(reviewed_by=by, reviewed_at=now)
    )
    if connection.execute(signed).rowcount != 1:
        raise AlreadyDecided("There is nothing to sign off here any more.")
    return get(connection, approval_id)


def waiting(connection: Connection, *, limit: int = 100) -> list[Approval]:
    """What somebody must decide or read, oldest first."""
    statement = (
        select(approvals)
        .where(
            or_(
                approvals.c.state == ApprovalState.ASKED,
                (approvals.c.state == ApprovalState.EMERGENCY) & approvals.c.reviewed_at.is_(None),
            )
        )
        .order_by(approvals.c.id)
        .limit(limit)
    )
    return [approval_from(row) for row in connection.execute(statement).mappings()]


def latest(
    connection: Connection, *, asked_by: str = "", customer_id: str = "", before: str = "", limit: int = 50
) -> list[Approval]:
    """Requests newest first; of one person, about one customer, or all."""
    statement = select(approvals).order_by(approvals.c.id.desc()).limit(limit)
    if asked_by:
        statement = statement.where(approvals.c.asked_by == asked_by)
    if customer_id:
        statement = statement.where(approvals.c.customer_id == customer_id)
    if before:
        statement = statement.where(approvals.c.id < before)
    return [approval_from(row) for row in connection.execute(statement).mappings()]


def circulate(connection: Connection, customer_id: str, user_id: str, *, by: str, now: datetime) -> None:
    """Put a user on a record's circulation list; again is harmless."""
    engine = postgresql if connection.dialect.name == "postgresql" else sqlite
    row = engine.insert(circulation).values(
        customer_id=customer_id, user_id=user_id, added_by=by[:64], added_at=now
    )
    connection.execute(row.on_conflict_do_nothing())


def uncirculate(connection: Connection, customer_id: str, user_id: str) -> bool:
    """Take a user off a record's circulation list. False where he was not on it."""
    gone = delete(circulation).where(
        circulation.c.customer_id == customer_id, circulation.c.user_id == user_id
    )
    return connection.execute(gone).rowcount == 1


def circulation_of(connection: Connection, customer_id: str) -> Sequence[str]:
    """User ids on a record's circulation list."""
    statement = select(circulation.c.user_id).where(circulation.c.customer_id == customer_id)
    return list(connection.execute(statement.order_by(circulation.c.added_at)).scalars())
