"""What stands out in the audit log, and every call of a number as a sealed file for a regulator (C10)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated

from aiohttp import web
from pydantic import Field, StringConstraints

from access.audit import Action, entry
from access.ids import new_id
from access.masking import mask_number
from access.permissions import Permission
from web.api.privacy import send_file
from web.auth import Signed, address_of, require_csrf
from web.bodies import read_body, read_model
from web.problems import Refused
from web.routes import SERVICES, Ask, Nothing, Route, Shape

#: US TSR 310.5 and our own default for call facts: five years.
_YEARS = 5


class FindingOut(Shape):
    """Something a manager should look at."""

    pattern: str = Field(description="many, night, key_accounts")
    actor_id: str
    actor_name: str
    since: datetime
    until: datetime
    count: int = Field(description="different records")


class FindingsOut(Shape):
    items: list[FindingOut]


class FindingsQuery(Shape):
    days: Annotated[int, Field(ge=1, le=31)] = 7


class NumberIn(Shape):
    number: Annotated[str, StringConstraints(strip_whitespace=True, min_length=3, max_length=40)]
    years: Annotated[int, Field(ge=1, le=10)] = _YEARS
    reason: Annotated[str, StringConstraints(strip_whitespace=True, min_length=2, max_length=200)] = Field(
        description="who asked for it, and their file number"
    )


async def findings(ask: Ask[FindingsQuery, Nothing]) -> FindingsOut:
    """Many views in an hour, views at night, others' key accounts."""
    found = await ask.services.audit.suspicious(ask.now - timedelta(days=ask.query.days))
    return FindingsOut(
        items=[
            FindingOut(
                pattern=one.pattern.value,
                actor_id=one.actor_id,
                actor_name=one.actor_name,
                since=one.since,
                until=one.until,
                count=one.count,
            )
            for one in found
        ]
    )


async def calls_of_number(request: web.Request, signed: Signed) -> web.StreamResponse:
    """Every call of a number over years, oldest first, sealed."""
    services = request.app[SERVICES]
    require_csrf(request, signed, request.headers.get("X-CSRF-Token", ""))
    options = services.options
    body = read_model(
        NumberIn, await read_body(request, limit=options.body_bytes, seconds=options.body_seconds)
    )
    return await send_sealed(request, signed, body)


async def send_sealed(request: web.Request, signed: Signed, body: NumberIn) -> web.StreamResponse:
    """The file, its row in the audit log committed before. Raises Refused bad-values for what is no number."""
    services = request.app[SERVICES]
    number = services.read_number(body.number)
    if number is None:
        raise Refused("bad-values", "This cannot be read as a telephone number. Nothing was exported.")
    now = services.clock.now()
    noted = entry(
        Action.EXPORTED,
        signed.principal,
        id=new_id(now),
        at=now,
        subject=f"number:{mask_number(number)}",
        address=address_of(request, services.options),
        data={"kind": "calls of a number", "years": body.years, "reason": body.reason},
    )
    since = now - timedelta(days=365.25 * body.years)
    name, content = await services.audit.calls_of(number, since, now + timedelta(seconds=1), noted)
    return await send_file(request, name, content, "application/jsonl")


ROUTES = (
    Route(
        method="GET",
        path="/api/v1/audit/findings",
        summary="What stands out in the audit log",
        needs=Permission.AUDIT_READ,
        json=findings,
        query=FindingsQuery,
        answer=FindingsOut,
        tag="audit",
    ),
    Route(
        method="POST",
        path="/api/v1/audit/calls",
        summary="Every call of a number, as a sealed file",
        needs=Permission.AUDIT_EXPORT,
        page=calls_of_number,
        media="application/jsonl",
        leaves=Action.EXPORTED,
        errors=("bad-json", "bad-values"),
        tag="audit",
    ),
)
