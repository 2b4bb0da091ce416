"""Who may open which customer's record: the one place that decides (M-048, M-050, `crm.records.agents_see`).

Two walls, and what opens both: a record may be restricted, and an agent may see only his own and unowned customers
where the house says so. An approval that is good now and the circulation list open a record to that person; a
call of that customer which rings at or is talked in by the agent opens what is out of his scope, not what is
restricted. Every reading of records asks here; nothing else compares secrecy with a role.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from enum import StrEnum
from typing import Final, Literal

from sqlalchemy import ColumnElement, Connection, and_, exists, false, not_, or_, select, true

from access.approvals import ApprovalState
from access.permissions import Permission, Role
from access.users import Principal
from crm.records.customers import Secrecy
from storage.approvals import is_of
from storage.tables.calls import calls
from storage.tables.privacy import approvals, circulation
from storage.tables.records import customers, vehicle_people, vehicles
from storage.tables.telephony import agents

AgentsSee = Literal["all", "own+unowned"]

#: The engine option that holds the house's setting (`storage.database.Database.agents_see`).
OPTION: Final = "agents_see"
#: Ids in one question.
_SHARE: Final = 500


class Sight(StrEnum):
    """What a person may see of a record."""

    OPEN = "open"
    CLOSED = "closed"  # restricted: a masked name, and how to ask for an approval
    NONE = "none"  # somebody else's: there is no such customer for him


def is_scoped(connection: Connection, viewer: Principal) -> bool:
    """Whether this person sees only some of the house's customers."""
    option = connection.engine.get_execution_options().get(OPTION, "all")
    return viewer.role is Role.AGENT and option != "all"


def in_scope(connection: Connection, viewer: Principal, now: datetime | None) -> ColumnElement[bool]:
    """For a statement over `customers`: those that are there at all for this person."""
    if not is_scoped(connection, viewer):
        return true()
    if viewer.user_id is None:
        return customers.c.own_agent_id.is_(None)
    return or_(
        customers.c.own_agent_id.is_(None),
        customers.c.own_agent_id == viewer.user_id,
        _opened(viewer.user_id, now),
        _on_the_line(viewer.user_id),
    )


def in_reach(
    connection: Connection, viewer: Principal, customer_id: ColumnElement[str | None], now: datetime | None
) -> ColumnElement[bool]:
    """For a statement over rows that name a customer: rows of nobody, and of customers in this person's scope."""
    if not is_scoped(connection, viewer):
        return true()
    there = exists().where(customers.c.id == customer_id, in_scope(connection, viewer, now))
    return or_(customer_id.is_(None), there)


def is_open(connection: Connection, viewer: Principal, now: datetime | None) -> ColumnElement[bool]:
    """For a statement over `customers`: those whose record is open to this person (`Sight.OPEN`)."""
    there = in_scope(connection, viewer, now)
    if viewer.may(Permission.CRM_RESTRICTED):
        return there
    open_ = [customers.c.secrecy != Secrecy.RESTRICTED]
    if viewer.user_id is not None:
        open_ += [customers.c.own_agent_id == viewer.user_id, _opened(viewer.user_id, now)]
    return and_(there, or_(*open_))


def is_open_vehicle(connection: Connection, viewer: Principal, now: datetime | None) -> ColumnElement[bool]:
    """For a statement over `vehicles`: those of nobody, and of at least one customer whose record is open."""
    if not is_scoped(connection, viewer) and viewer.may(Permission.CRM_RESTRICTED):
        return true()
    present = and_(vehicle_people.c.vehicle_id == vehicles.c.id, vehicle_people.c.ended_at.is_(None))
    somebody = exists().where(present).correlate(vehicles)
    open_ = (
        exists()
        .where(present, customers.c.id == vehicle_people.c.customer_id, is_open(connection, viewer, now))
        .correlate(vehicles)
    )
    return or_(not_(somebody), open_)


def _opened(user_id: str, now: datetime | None) -> ColumnElement[bool]:
    """An approval that is good now, or the circulation list. Without a time no approval is."""
    listed = exists().where(circulation.c.customer_id == customers.c.id, circulation.c.user_id == user_id)
    if now is None:
        return listed
    approved = exists().where(
        approvals.c.customer_id == customers.c.id,
        approvals.c.asked_by == user_id,
        approvals.c.state.in_((ApprovalState.GRANTED, ApprovalState.EMERGENCY)),
        approvals.c.until > now,
    )
    return or_(listed, approved)


def _on_the_line(user_id: str) -> ColumnElement[bool]:
    """A call of the customer (`is_of`) that this agent has: ringing, talked in, written up."""
    held = select(agents.c.call_id).where(agents.c.user_id == user_id, agents.c.call_id.is_not(None))
    return (
        exists()
        .where(
            or_(and_(calls.c.agent_id == user_id, calls.c.ended_at.is_(None)), calls.c.id.in_(held)),
            is_of(customers.c.id),
        )
        .correlate(customers)
    )


def may_open(connection: Connection, viewer: Principal, now: datetime | None) -> ColumnElement[bool]:
    """For a statement over `customers`: those whose record this person may open now (`Sight.OPEN`)."""
    there = in_scope(connection, viewer, now)
    if viewer.may(Permission.CRM_RESTRICTED):
        return there
    free = customers.c.secrecy != Secrecy.RESTRICTED
    if viewer.user_id is None:
        return and_(there, free)
    return and_(there, or_(free, customers.c.own_agent_id == viewer.user_id, _opened(viewer.user_id, now)))


def sights(
    connection: Connection, viewer: Principal, ids: Collection[str], now: datetime | None
) -> dict[str, Sight]:
    """What this person may see of these customers now; ids of nobody are left out."""
    wanted = list(dict.fromkeys(ids))
    opened = _opened(viewer.user_id, now) if viewer.user_id is not None else false()
    found: dict[str, Sight] = {}
    for start in range(0, len(wanted), _SHARE):
        rows = connection.execute(
            select(
                customers.c.id,
                customers.c.secrecy,
                customers.c.own_agent_id,
                opened.label("opened"),
                in_scope(connection, viewer, now).label("there"),
            ).where(customers.c.id.in_(wanted[start : start + _SHARE]))
        )
        for row in rows:
            own = viewer.user_id is not None and row.own_agent_id == viewer.user_id
            free = row.secrecy != Secrecy.RESTRICTED or viewer.may(Permission.CRM_RESTRICTED)
            if not row.there:
                found[row.id] = Sight.NONE
            else:
                found[row.id] = Sight.OPEN if free or own or row.opened else Sight.CLOSED
    return found


def open_among(
    connection: Connection, viewer: Principal, restricted: Mapping[str, bool], now: datetime | None
) -> frozenset[str]:
    """Whose of these records this person may open now; `restricted` says of each, as just read, whether it is.

    As `sights`, which is asked only about those that are not open to everybody: mostly nobody.
    """
    scoped = is_scoped(connection, viewer)
    asked = [customer_id for customer_id, closed in restricted.items() if closed or scoped]
    seen = sights(connection, viewer, asked, now) if asked else {}
    return frozenset(restricted.keys() - {one for one in asked if seen.get(one) is not Sight.OPEN})


def sight(connection: Connection, viewer: Principal, customer_id: str, now: datetime | None) -> Sight:
    """What this person may see of one customer now; NONE where there is no such customer."""
    return sights(connection, viewer, [customer_id], now).get(customer_id, Sight.NONE)
