"""Who did what, what stands out, and the sealed file for a regulator."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import timedelta
from typing import Annotated

from aiohttp import web
from pydantic import StringConstraints

from access.audit import Action, Entry
from access.permissions import Permission, Role
from web.api.audit import NumberIn, send_sealed
from web.auth import Signed, require_csrf
from web.bodies import read_body, read_form, read_model
from web.languages import language_of, texts
from web.pages.filters import Day, midnight, read_filter
from web.pages.shell import show
from web.routes import SERVICES, Route, Shape

_SHOWN = 50
_DAYS = 7

_Id = Annotated[str, StringConstraints(pattern=r"^[0-9A-Za-z]{0,26}$")]


class AuditPageQuery(Shape):
    """What the address of the page keeps."""

    actor_id: _Id = ""
    action: Annotated[str, StringConstraints(pattern=r"^[a-z_]{0,32}$")] = ""
    subject: Annotated[str, StringConstraints(max_length=96)] = ""
    since: Day = None
    until: Day = None
    before: _Id = ""


async def show_audit(request: web.Request, signed: Signed) -> web.StreamResponse:
    """The log by who, what, whose record and when; above it what a manager should look at."""
    services = request.app[SERVICES]
    asked = read_filter(AuditPageQuery, request, signed)
    query = asked.query
    items: Sequence[Entry] = ()
    if not asked.errors:
        items = await services.audit.list(
            before=query.before,
            subject=query.subject,
            limit=_SHOWN,
            actor_id=query.actor_id,
            action=query.action,
            since=midnight(query.since, services.zone) if query.since else None,
            until=midnight(query.until + timedelta(days=1), services.zone) if query.until else None,
        )
    plain = query == AuditPageQuery() and not asked.errors
    now = services.clock.now()
    language = signed.session.user.language if signed.session else language_of(request)
    words = texts(language)
    return show(
        request,
        signed,
        "audit/list.html",
        here="audit",
        sheets=("privacy.css",),
        status=asked.status,
        values={
            "items": items,
            "next": items[-1].id if len(items) == _SHOWN else None,
            "query": {
                **query.model_dump(exclude={"before"}),
                "since": asked.day("since"),
                "until": asked.day("until"),
            },
            "asked": asked,
            "people": await services.users.list(),
            "names": await services.users.names(),
            "actions": [action.value for action in Action],
            "action_words": lambda action: words.get(f"audit.action.{action}", str(action).replace("_", " ")),
            "kind_words": lambda kind: words.get(f"audit.kind.{kind}", kind.replace("_", " ")),
            "roles": {role.value for role in Role},
            "detail_words": lambda name: words.get(f"audit.detail.{name}", name.replace("_", " ")),
            "findings": await services.audit.suspicious(now - timedelta(days=_DAYS)) if plain else [],
        },
    )


async def calls_of_number(request: web.Request, signed: Signed) -> web.StreamResponse:
    """The form's way to the sealed file."""
    options = request.app[SERVICES].options
    form = read_form(await read_body(request, limit=16_384, seconds=options.body_seconds))
    require_csrf(request, signed, form.get("csrf", ""))
    wanted = {"number": form.get("number", ""), "reason": form.get("reason", "")}
    return await send_sealed(request, signed, read_model(NumberIn, json.dumps(wanted).encode()))


ROUTES = (
    Route(
        method="GET",
        path="/audit",
        summary="Who did what",
        needs=Permission.AUDIT_READ,
        page=show_audit,
        media="text/html",
    ),
    Route(
        method="POST",
        path="/audit/calls",
        summary="Every call of a number, as a sealed file",
        needs=Permission.AUDIT_EXPORT,
        page=calls_of_number,
        media="application/jsonl",
        leaves=Action.EXPORTED,
    ),
)
