"""The live list of calls."""

from __future__ import annotations

import json
from functools import partial
from typing import Literal

from aiohttp import web

from access.permissions import Permission
from access.users import THEMES, Language
from telephony.call_lists import CallFilter, CallScope, CallSort
from telephony.calls import Direction
from web.api.shapes import CallOut, Search
from web.auth import Signed
from web.bodies import read_query
from web.languages import language_of, texts
from web.live import LIVE
from web.pages.rendering import clock, render, span
from web.ports import Services
from web.problems import status_of
from web.routes import SERVICES, Route, Shape

_SHOWN = 50
#: Texts the page's own script writes.
SCRIPT_TEXTS = (
    "live.",
    "state.",
    "outcome.",
    "direction.",
    "explained.",
    "fact.",
    "queues.",
    "calls.",
    "column.",
    "detail.",
    "refused.",
)


class CallsPageQuery(Shape):
    """What the address of the page keeps."""

    scope: Literal["open", "all"] = "all"
    direction: Direction | Literal[""] = ""
    search: Search = ""


async def show_calls(request: web.Request, signed: Signed) -> web.StreamResponse:
    """The list as it is now; the page's script follows the stream from there."""
    services = request.app[SERVICES]
    by = signed.principal
    query = read_query(CallsPageQuery, request)
    search = query.search
    last_id = request.app[LIVE].last_id  # read first: what happens meanwhile comes through the stream
    found = await services.calls.list(
        by,
        CallFilter(
            scope=CallScope(query.scope),
            direction=Direction(query.direction) if query.direction else None,
            search=search,
            number=services.read_number(search) if search else None,
        ),
        CallSort.NEWEST,
        None,
        _SHOWN,
    )
    user = signed.session.user if signed.session else None
    language = user.language if user else language_of(request)
    now = services.clock.now()
    labels = {name: label.get(language, name) for name, label in services.queue_labels.items()}
    queues, known = await _queues(services, language)
    page = {
        "language": language,
        "zone": services.zone,
        "now": now.isoformat(),
        "last_id": last_id,
        "query": {"scope": query.scope, "direction": query.direction, "search": search},
        "queues": labels,
        "texts": {key: value for key, value in texts(language).items() if key.startswith(SCRIPT_TEXTS)},
        "calls": [CallOut.model_validate(item).model_dump(mode="json") for item in found.items],
    }
    return render(
        "calls.html",
        language=language,
        dealership=services.dealership,
        theme=user.theme if user else "auto",
        themes=THEMES,
        name=by.name,
        role=by.role.value,
        sees_numbers=by.sees_numbers,
        csrf=signed.session.csrf if signed.session else "",
        here=request.path_qs,
        query=page["query"],
        calls=found.items,
        next=found.next,
        queues=queues,
        queues_known=known,
        queue_label=lambda name: labels.get(name, name or ""),
        clock=partial(clock, now=now, zone=services.zone),
        span=span,
        page=json.loads(json.dumps(page)),
    )


async def _queues(services: Services, language: Language) -> tuple[list[dict[str, object]], bool]:
    """The queues for the rail, and whether the switch could be asked."""
    try:
        counts = await services.desk.queues()
    except Exception as error:
        if status_of(error) not in (502, 503, 504):
            raise
        return [], False
    labels = services.queue_labels
    return [
        {
            "name": count.name,
            "label": labels.get(count.name, {}).get(language, count.name),
            "waiting": count.waiting,
            "ready": count.ready,
        }
        for count in counts
    ], True


ROUTES = (
    Route(
        method="GET",
        path="/calls",
        summary="Live list of calls",
        needs=Permission.CALLS_READ,
        page=show_calls,
        query=CallsPageQuery,
        media="text/html",
    ),
)
