"""`web.ports.Approvals` over the database: who may open which restricted record."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from sqlalchemy import Connection

from access.approvals import Approval, ApprovalState
from access.audit import Entry
from access.ids import new_id
from access.masking import mask_name
from access.permissions import Permission
from access.users import Principal
from storage import approvals, audit, customers, users
from storage.database import Database
from storage.sight import Sight, sight
from web.ports.privacy import ApprovalView


def shown_customer(
    connection: Connection, viewer: Principal, customer_id: str, now: datetime | None = None
) -> tuple[str, str]:
    """Name and customer number as this viewer may see them; empty where the record is gone."""
    found = customers.several(connection, [customer_id]).get(customer_id)
    if found is None:
        return "", ""
    opened = viewer.sees_names and sight(connection, viewer, customer_id, now) is Sight.OPEN
    return (found.name if opened else mask_name(found.name)), found.number


class ApprovalBook:
    """Approvals over the database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def list(self, viewer: Principal, *, waiting: bool, before: str = "") -> Sequence[ApprovalView]:
        def work(connection: Connection) -> Sequence[ApprovalView]:
            if not viewer.may(Permission.APPROVALS_DECIDE):
                found = approvals.latest(connection, asked_by=viewer.user_id or "-", before=before)
            elif waiting:
                found = approvals.waiting(connection)
            else:
                found = approvals.latest(connection, before=before)
            names = users.user_names(connection)
            return [_approval_view(connection, viewer, one, names) for one in found]

        return await self._database.read(work)

    async def ask(self, viewer: Principal, customer_id: str, reason: str, entry: Entry) -> ApprovalView:
        return await self._make(approvals.ask, viewer, customer_id, reason, entry)

    async def open_in_call(
        self, viewer: Principal, customer_id: str, reason: str, entry: Entry
    ) -> ApprovalView:
        return await self._make(approvals.open_in_call, viewer, customer_id, reason, entry)

    async def _make(
        self, make: Callable[..., Approval], viewer: Principal, customer_id: str, reason: str, entry: Entry
    ) -> ApprovalView:
        def work(connection: Connection) -> ApprovalView:
            customers.get_customer(connection, customer_id)
            made = make(
                connection,
                id=new_id(entry.at),
                customer_id=customer_id,
                user_id=viewer.user_id or "",
                reason=reason,
                now=entry.at,
            )
            audit.append(connection, entry)
            return _approval_view(connection, viewer, made, users.user_names(connection))

        return await self._database.write(work)

    async def decide(
        self, viewer: Principal, approval_id: str, *, granted: bool, hours: int, note: str, entry: Entry
    ) -> ApprovalView:
        def work(connection: Connection) -> ApprovalView:
            decided = approvals.decide(
                connection,
                approval_id,
                by=viewer.user_id or "",
                granted=granted,
                hours=hours,
                note=note,
                now=entry.at,
            )
            audit.append(connection, entry)
            return _approval_view(connection, viewer, decided, users.user_names(connection))

        return await self._database.write(work)

    async def review(self, viewer: Principal, approval_id: str, entry: Entry) -> ApprovalView:
        def work(connection: Connection) -> ApprovalView:
            signed = approvals.review(connection, approval_id, by=viewer.user_id or "", now=entry.at)
            audit.append(connection, entry)
            return _approval_view(connection, viewer, signed, users.user_names(connection))

        return await self._database.write(work)

    async def circulation(self, customer_id: str) -> Sequence[tuple[str, str]]:
        def work(connection: Connection) -> Sequence[tuple[str, str]]:
            names = users.user_names(connection)
            return [(one, names.get(one, "")) for one in approvals.circulation_of(connection, customer_id)]

        return await self._database.read(work)

    async def circulate(self, customer_id: str, user_id: str, on: bool, entry: Entry) -> None:
        def work(connection: Connection) -> None:
            customers.get_customer(connection, customer_id)
            users.get_user(connection, user_id)
            if on:
                approvals.circulate(connection, customer_id, user_id, by=entry.actor_name, now=entry.at)
            else:
                approvals.uncirculate(connection, customer_id, user_id)
            audit.append(connection, entry)

        await self._database.write(work)


def _approval_view(
    connection: Connection, viewer: Principal, approval: Approval, names: Mapping[str, str]
) -> ApprovalView:
    name, number = shown_customer(connection, viewer, approval.customer_id)
    waits = approval.state is ApprovalState.ASKED or (
        approval.state is ApprovalState.EMERGENCY and approval.reviewed_at is None
    )
    return ApprovalView(
        approval=approval,
        customer=name,
        customer_number=number,
        asked_by=names.get(approval.asked_by, ""),
        decided_by=names.get(approval.decided_by or approval.reviewed_by or ""),
        may_decide=waits and approval.asked_by != viewer.user_id and viewer.may(Permission.APPROVALS_DECIDE),
    )
