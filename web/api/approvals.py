"""Opening restricted records: asked, decided, opened in a call, and who need not ask."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import Field, StringConstraints

from access.approvals import LONGEST_HOURS
from access.audit import Action
from access.permissions import Permission
from access.users import Principal
from web.api.shapes import Id
from web.ports.privacy import ApprovalView
from web.problems import Refused
from web.routes import Ask, Nothing, Route, Shape

Reason = Annotated[str, StringConstraints(strip_whitespace=True, min_length=2, max_length=500)]


class ApprovalOut(Shape):
    """A request to open a restricted record."""

    id: str
    customer_id: str
    customer: str
    customer_number: str
    state: str
    reason: str
    asked_by: str
    asked_at: datetime
    decided_by: str | None
    note: str
    until: datetime | None
    call_id: str | None
    reviewed_at: datetime | None
    may_decide: bool


class ApprovalsOut(Shape):
    items: list[ApprovalOut]
    next: str | None


class ApprovalsQuery(Shape):
    waiting: bool = Field(False, description="only what somebody must decide or read")
    before: Annotated[str, StringConstraints(pattern=r"^[0-9A-Za-z]{0,26}$")] = ""


class ApprovalIn(Shape):
    customer_id: Id
    reason: Reason


class DecisionIn(Shape):
    granted: bool
    hours: Annotated[int, Field(ge=1, le=LONGEST_HOURS)] = 8
    note: Annotated[str, StringConstraints(max_length=500)] = ""


class CirculationIn(Shape):
    user_id: Id
    on: bool = Field(description="true: may open the record without asking")


class MemberOut(Shape):
    user_id: str
    name: str


class CirculationOut(Shape):
    items: list[MemberOut]


def own_user(by: Principal) -> str:
    """Who decides must be a person. Raises Refused no-own-user."""
    if by.user_id is None:
        raise Refused("no-own-user", "This token belongs to no user.")
    return by.user_id


def approval_out(view: ApprovalView) -> ApprovalOut:
    one = view.approval
    return ApprovalOut(
        id=one.id,
        customer_id=one.customer_id,
        customer=view.customer,
        customer_number=view.customer_number,
        state=one.state.value,
        reason=one.reason,
        asked_by=view.asked_by,
        asked_at=one.asked_at,
        decided_by=view.decided_by,
        note=one.note,
        until=one.until,
        call_id=one.call_id,
        reviewed_at=one.reviewed_at,
        may_decide=view.may_decide,
    )


async def list_approvals(ask: Ask[ApprovalsQuery, Nothing]) -> ApprovalsOut:
    """Requests to open records: all for those who decide, else one's own."""
    found = await ask.services.approvals.list(ask.by, waiting=ask.query.waiting, before=ask.query.before)
    items = [approval_out(view) for view in found]
    return ApprovalsOut(
        items=items, next=items[-1].id if len(items) >= 50 and not ask.query.waiting else None
    )


async def ask_approval(ask: Ask[Nothing, ApprovalIn]) -> ApprovalOut:
    """Ask to open a restricted record."""
    own_user(ask.by)
    noted = ask.entry(Action.APPROVAL_ASKED, f"customer:{ask.body.customer_id}")
    return approval_out(
        await ask.services.approvals.ask(ask.by, ask.body.customer_id, ask.body.reason, noted)
    )


async def open_in_call(ask: Ask[Nothing, ApprovalIn]) -> ApprovalOut:
    """Open a restricted record at once, because its customer is on the line; it is reported."""
    own_user(ask.by)
    noted = ask.entry(Action.RECORD_OPENED, f"customer:{ask.body.customer_id}")
    return approval_out(
        await ask.services.approvals.open_in_call(ask.by, ask.body.customer_id, ask.body.reason, noted)
    )


async def decide_approval(ask: Ask[Nothing, DecisionIn]) -> ApprovalOut:
    """Grant for some hours, or refuse; never one's own request."""
    own_user(ask.by)
    approval_id = ask.path["approval_id"]
    noted = ask.entry(
        Action.APPROVAL_DECIDED,
        f"approval:{approval_id}",
        {"granted": ask.body.granted, "hours": ask.body.hours},
    )
    view = await ask.services.approvals.decide(
        ask.by,
        approval_id,
        granted=ask.body.granted,
        hours=ask.body.hours,
        note=ask.body.note,
        entry=noted,
    )
    return approval_out(view)


async def review_opening(ask: Ask[Nothing, Nothing]) -> ApprovalOut:
    """Sign an opening in a call off; never one's own."""
    own_user(ask.by)
    approval_id = ask.path["approval_id"]
    noted = ask.entry(Action.OPENING_REVIEWED, f"approval:{approval_id}")
    return approval_out(await ask.services.approvals.review(ask.by, approval_id, noted))


async def circulation(ask: Ask[Nothing, Nothing]) -> CirculationOut:
    """Who may open a restricted record without asking."""
    found = await ask.services.approvals.circulation(ask.path["customer_id"])
    return CirculationOut(items=[MemberOut(user_id=user_id, name=name) for user_id, name in found])


async def circulate(ask: Ask[Nothing, CirculationIn]) -> CirculationOut:
    """Put somebody on a record's circulation list, or take him off."""
    customer_id = ask.path["customer_id"]
    noted = ask.entry(
        Action.CIRCULATION_CHANGED,
        f"customer:{customer_id}",
        {"user": ask.body.user_id, "on": ask.body.on},
    )
    await ask.services.approvals.circulate(customer_id, ask.body.user_id, ask.body.on, noted)
    found = await ask.services.approvals.circulation(customer_id)
    return CirculationOut(items=[MemberOut(user_id=user_id, name=name) for user_id, name in found])


def privacy_route(
    method: Any, path: str, summary: str, needs: Permission, handler: Any, answer: type[Shape], **more: Any
) -> Route:
    """A route of this room: what it needs, and what it answers."""
    return Route(
        method=method,
        path=path,
        summary=summary,
        needs=needs,
        json=handler,
        answer=answer,
        tag="privacy",
        **more,
    )


_DECIDING = ("approval-not-found", "same-person", "already-decided", "no-own-user")
_CIRCULATION = "/api/v1/customers/{customer_id}/circulation"

ROUTES = (
    privacy_route(
        "GET",
        "/api/v1/approvals",
        "Requests to open restricted records",
        Permission.APPROVALS_ASK,
        list_approvals,
        ApprovalsOut,
        query=ApprovalsQuery,
    ),
    privacy_route(
        "POST",
        "/api/v1/approvals",
        "Ask to open a restricted record",
        Permission.APPROVALS_ASK,
        ask_approval,
        ApprovalOut,
        body=ApprovalIn,
        status=201,
        errors=("customer-not-found", "reason-missing", "no-own-user"),
    ),
    privacy_route(
        "POST",
        "/api/v1/approvals/in-call",
        "Open a restricted record because its customer is on the line",
        Permission.APPROVALS_ASK,
        open_in_call,
        ApprovalOut,
        body=ApprovalIn,
        status=201,
        errors=("customer-not-found", "reason-missing", "no-call-with-customer", "no-own-user"),
    ),
    privacy_route(
        "POST",
        "/api/v1/approvals/{approval_id}/decide",
        "Grant or refuse to open a record",
        Permission.APPROVALS_DECIDE,
        decide_approval,
        ApprovalOut,
        body=DecisionIn,
        errors=_DECIDING,
    ),
    privacy_route(
        "POST",
        "/api/v1/approvals/{approval_id}/review",
        "Sign an opening in a call off",
        Permission.APPROVALS_DECIDE,
        review_opening,
        ApprovalOut,
        body=Nothing,
        errors=_DECIDING,
    ),
    privacy_route(
        "GET",
        _CIRCULATION,
        "Who may open the record without asking",
        Permission.APPROVALS_DECIDE,
        circulation,
        CirculationOut,
        views="customer",
    ),
    privacy_route(
        "POST",
        _CIRCULATION,
        "Change who may open the record without asking",
        Permission.APPROVALS_DECIDE,
        circulate,
        CirculationOut,
        body=CirculationIn,
        errors=("customer-not-found", "user-not-found"),
    ),
)
