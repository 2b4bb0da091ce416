"""People's rights over their data, and legal holds."""

from __future__ import annotations

from datetime import datetime
from typing import IO, Annotated

from aiohttp import web
from pydantic import Field, StringConstraints

from access.audit import Action, entry
from access.ids import new_id
from access.permissions import Permission
from access.privacy import RequestKind, RequestState
from web.api.approvals import Reason, own_user, privacy_route
from web.api.shapes import Id
from web.auth import Signed, address_of
from web.ports.privacy import RequestView
from web.routes import SERVICES, Ask, Nothing, Route, Shape

_PIECE = 1 << 18


class OwedOut(Shape):
    kind: str
    id: str
    due_at: datetime | None


class PrivacyRequestOut(Shape):
    """What a person asked about his data."""

    id: str
    kind: str
    state: str
    customer_id: str
    customer: str
    customer_number: str
    identity: str
    reason: str
    asked_by: str
    asked_at: datetime
    due_at: datetime
    decided_by: str | None
    decided_at: datetime | None
    note: str
    done_at: datetime | None
    result: dict[str, int | str]
    owed: list[OwedOut] = Field(description="what is open with the person, before anything is erased")
    held: str = Field(description="why nothing can be erased now; empty: nothing is in the way")
    may_decide: bool


class PrivacyRequestsOut(Shape):
    items: list[PrivacyRequestOut]
    next: str | None


class PrivacyRequestsQuery(Shape):
    state: RequestState | None = None
    before: Annotated[str, StringConstraints(pattern=r"^[0-9A-Za-z]{0,26}$")] = ""


class PrivacyRequestIn(Shape):
    kind: RequestKind
    customer_id: Id
    identity: Annotated[str, StringConstraints(strip_whitespace=True, min_length=2, max_length=200)] = Field(
        description="how the house made sure that it is the person himself"
    )
    reason: Reason


class PrivacyDecisionIn(Shape):
    approved: bool
    note: Annotated[str, StringConstraints(max_length=500)] = ""


class HoldOut(Shape):
    id: str
    customer_id: str
    customer: str
    reason: str
    placed_by: str
    placed_at: datetime


class HoldsOut(Shape):
    items: list[HoldOut]


class HoldIn(Shape):
    customer_id: Id
    reason: Reason


class ReleaseIn(Shape):
    reason: Reason


def request_out(view: RequestView) -> PrivacyRequestOut:
    one = view.request
    return PrivacyRequestOut(
        id=one.id,
        kind=one.kind.value,
        state=one.state.value,
        customer_id=one.customer_id,
        customer=view.customer,
        customer_number=view.customer_number,
        identity=one.identity,
        reason=one.reason,
        asked_by=view.asked_by,
        asked_at=one.asked_at,
        due_at=one.due_at,
        decided_by=view.decided_by,
        decided_at=one.decided_at,
        note=one.note,
        done_at=one.done_at,
        result=dict(one.result),
        owed=[OwedOut(kind=kind, id=id_, due_at=due) for kind, id_, due in view.owed],
        held=view.held,
        may_decide=view.may_decide,
    )


async def list_requests(ask: Ask[PrivacyRequestsQuery, Nothing]) -> PrivacyRequestsOut:
    """What people asked about their data, newest first."""
    state = ask.query.state.value if ask.query.state else ""
    found = await ask.services.privacy.list(ask.by, state=state, before=ask.query.before)
    items = [request_out(view) for view in found]
    return PrivacyRequestsOut(items=items, next=items[-1].id if len(items) >= 50 else None)


async def get_request(ask: Ask[Nothing, Nothing]) -> PrivacyRequestOut:
    """One request, with what is owed and what is in the way."""
    return request_out(await ask.services.privacy.get(ask.by, ask.path["request_id"]))


async def ask_request(ask: Ask[Nothing, PrivacyRequestIn]) -> PrivacyRequestOut:
    """Register what a person asks about his data."""
    own_user(ask.by)
    body = ask.body
    noted = ask.entry(Action.PRIVACY_ASKED, f"customer:{body.customer_id}", {"kind": body.kind.value})
    return request_out(
        await ask.services.privacy.ask(ask.by, body.kind, body.customer_id, body.identity, body.reason, noted)
    )


async def decide_request(ask: Ask[Nothing, PrivacyDecisionIn]) -> PrivacyRequestOut:
    """Approve, and do it at once, or refuse; never one's own request."""
    own_user(ask.by)
    request_id = ask.path["request_id"]
    noted = ask.entry(Action.PRIVACY_DECIDED, f"request:{request_id}", {"approved": ask.body.approved})
    return request_out(
        await ask.services.privacy.decide(
            ask.by, request_id, approved=ask.body.approved, note=ask.body.note, entry=noted
        )
    )


async def corrected(ask: Ask[Nothing, Nothing]) -> PrivacyRequestOut:
    """The record was corrected: the request is done."""
    request_id = ask.path["request_id"]
    noted = ask.entry(Action.PRIVACY_DECIDED, f"request:{request_id}", {"corrected": True})
    await ask.services.privacy.finish_correction(request_id, noted)
    return request_out(await ask.services.privacy.get(ask.by, request_id))


async def archive(request: web.Request, signed: Signed) -> web.StreamResponse:
    """Everything about the person as one zip."""
    services = request.app[SERVICES]
    now = services.clock.now()
    request_id = request.match_info["request_id"]
    noted = entry(
        Action.EXPORTED,
        signed.principal,
        id=new_id(now),
        at=now,
        subject=f"request:{request_id}",
        address=address_of(request, services.options),
        data={"kind": "person"},
    )
    name, content = await services.privacy.archive(signed.principal, request_id, noted)
    return await send_file(request, name, content, "application/zip")


async def send_file(request: web.Request, name: str, content: IO[bytes], media: str) -> web.StreamResponse:
    """Stream a file that nobody keeps; it goes with the answer."""
    with content:
        response = web.StreamResponse(
            headers={"Content-Type": media, "Content-Disposition": f'attachment; filename="{name}"'}
        )
        await response.prepare(request)
        while piece := content.read(_PIECE):
            await response.write(piece)
        await response.write_eof()
    return response


async def list_holds(ask: Ask[Nothing, Nothing]) -> HoldsOut:
    """Legal holds that stand."""
    found = await ask.services.privacy.holds()
    return HoldsOut(items=[HoldOut.model_validate(one) for one in found])


async def place_hold(ask: Ask[Nothing, HoldIn]) -> HoldsOut:
    """Keep everything about a customer, whatever retention or anybody says."""
    noted = ask.entry(Action.HOLD_PLACED, f"customer:{ask.body.customer_id}", {"reason": ask.body.reason})
    await ask.services.privacy.hold(ask.by, ask.body.customer_id, ask.body.reason, noted)
    return HoldsOut(items=[HoldOut.model_validate(one) for one in await ask.services.privacy.holds()])


async def release_hold(ask: Ask[Nothing, ReleaseIn]) -> HoldsOut:
    """Lift a hold, with the reason."""
    hold_id = ask.path["hold_id"]
    noted = ask.entry(Action.HOLD_RELEASED, f"hold:{hold_id}", {"reason": ask.body.reason})
    await ask.services.privacy.release(ask.by, hold_id, ask.body.reason, noted)
    return HoldsOut(items=[HoldOut.model_validate(one) for one in await ask.services.privacy.holds()])


_REQUEST = "/api/v1/privacy/requests/{request_id}"
ROUTES = (
    privacy_route(
        "GET",
        "/api/v1/privacy/requests",
        "What people asked about their data",
        Permission.PRIVACY_ASK,
        list_requests,
        PrivacyRequestsOut,
        query=PrivacyRequestsQuery,
    ),
    privacy_route(
        "POST",
        "/api/v1/privacy/requests",
        "Register what a person asks about his data",
        Permission.PRIVACY_ASK,
        ask_request,
        PrivacyRequestOut,
        body=PrivacyRequestIn,
        status=201,
        errors=("customer-not-found", "request-open", "no-own-user"),
    ),
    privacy_route(
        "GET",
        _REQUEST,
        "One request, with what is owed to the person",
        Permission.PRIVACY_ASK,
        get_request,
        PrivacyRequestOut,
        errors=("request-not-found",),
    ),
    privacy_route(
        "POST",
        f"{_REQUEST}/decide",
        "Approve and carry out, or refuse",
        Permission.PRIVACY_DECIDE,
        decide_request,
        PrivacyRequestOut,
        body=PrivacyDecisionIn,
        errors=(
            "request-not-found",
            "same-person",
            "already-decided",
            "legal-hold",
            "call-going-on",
            "no-own-user",
        ),
    ),
    privacy_route(
        "POST",
        f"{_REQUEST}/corrected",
        "The record was corrected",
        Permission.PRIVACY_ASK,
        corrected,
        PrivacyRequestOut,
        body=Nothing,
        errors=("request-not-found",),
    ),
    Route(
        method="GET",
        path=f"{_REQUEST}/archive",
        summary="Everything about the person, as one file",
        needs=Permission.PRIVACY_ASK,
        page=archive,
        media="application/zip",
        leaves=Action.EXPORTED,
        errors=("request-not-found",),
        tag="privacy",
    ),
    privacy_route(
        "GET", "/api/v1/privacy/holds", "Legal holds", Permission.PRIVACY_ASK, list_holds, HoldsOut
    ),
    privacy_route(
        "POST",
        "/api/v1/privacy/holds",
        "Place a legal hold",
        Permission.PRIVACY_DECIDE,
        place_hold,
        HoldsOut,
        body=HoldIn,
        status=201,
        errors=("customer-not-found",),
    ),
    privacy_route(
        "POST",
        "/api/v1/privacy/holds/{hold_id}/release",
        "Release a legal hold",
        Permission.PRIVACY_DECIDE,
        release_hold,
        HoldsOut,
        body=ReleaseIn,
        errors=("hold-not-found",),
    ),
)
