"""The live list of calls."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from aiohttp import web
from pydantic import StringConstraints

from access.permissions import Permission
from access.users import Language
from telephony.call_lists import CallFilter, CallPage, CallScope, CallSort
from telephony.calls import Direction
from web.api.shapes import CallOut, Search
from web.auth import Signed
from web.languages import language_of
from web.pages.filters import Day, read_filter
from web.pages.shell import show
from web.ports import Services
from web.problems import status_of
from web.routes import SERVICES, Route, Shape

_SHOWN = 50
#: An id that nobody has.
_NOBODY = "0"


class CallsPageQuery(Shape):
    """What the address of the page keeps."""

    scope: Literal["open", "all"] = "all"
    direction: Direction | Literal["received", ""] = ""
    search: Search = ""
    #: Those I talked in.
    mine: bool = False
    #: Days of the house, both included.
    since: Day = None
    until: Day = None
    #: One hour of the first day.
    hour: Annotated[str, StringConstraints(pattern=r"^([01]?[0-9]|2[0-3])?$")] = ""


def _begins(day: date | None, zone: str, hour: int = 0) -> datetime | None:
    return datetime.combine(day, time(hour), ZoneInfo(zone)).astimezone(UTC) if day else None


def range_of(query: CallsPageQuery, zone: str, today: date) -> tuple[datetime | None, datetime | None]:
    """From when until before when; an hour without a day is one of today."""
    first, last = query.since, query.until
    if query.hour:
        since = _begins(first or today, zone, int(query.hour))
        assert since is not None
        return since, since + timedelta(hours=1)
    return _begins(first, zone), _begins(last + timedelta(days=1) if last else None, zone)


async def show_calls(request: web.Request, signed: Signed) -> web.StreamResponse:
    """The list as it is now; the page's script follows the stream from there."""
    services = request.app[SERVICES]
    by = signed.principal
    asked = read_filter(CallsPageQuery, request, signed)
    query = asked.query
    search = query.search
    since, until = range_of(query, services.zone, _today(services))
    received = query.direction == "received"
    wanted = CallFilter(
        scope=CallScope(query.scope),
        direction=Direction(query.direction) if query.direction and not received else None,
        received=received,
        talked=query.mine,
        agent_id=(by.user_id or "-") if query.mine else None,
        since=since,
        until=until,
        search=search,
        number=services.read_number(search) if search else None,
    )
    found = CallPage(items=())
    if not asked.errors:
        found = await services.calls.list(by, wanted, CallSort.NEWEST, None, _SHOWN)
    user = signed.session.user if signed.session else None
    language = user.language if user else language_of(request)
    labels = {name: label.get(language, name) for name, label in services.queue_labels.items()}
    queues, known = await _queues(services, language)
    if query.hour and not asked.errors:  # is one of the first day, so that is what the form says
        first = query.since or _today(services)
        asked = replace(asked, query=query.model_copy(update={"since": first, "until": None}))
    sent = {
        "scope": query.scope,
        "direction": "" if received else query.direction,
        "received": "true" if received else "",
        "talked": "true" if query.mine else "",
        # Nothing was looked up: no call that begins meanwhile belongs here, either.
        "agent_id": _NOBODY if asked.errors else (by.user_id or _NOBODY) if query.mine else "",
        "since": since.isoformat() if since else "",
        "until": until.isoformat() if until else "",
        "search": search,
    }
    return show(
        request,
        signed,
        "calls.html",
        here="calls",
        status=asked.status,
        values={
            "sees_numbers": by.sees_numbers,
            "query": asked.query,
            "asked": asked,
            "sent": sent,
            "narrowed": bool(asked.errors) or query != CallsPageQuery(scope=query.scope),
            "calls": found.items,
            "next": found.next,
            "queues": queues,
            "queues_known": known,
            "queue_label": lambda name: labels.get(name, name or ""),
            "page": {
                "query": sent,
                "queues": labels,
                "calls": [CallOut.model_validate(item).model_dump(mode="json") for item in found.items],
            },
        },
    )


def _today(services: Services) -> date:
    return services.clock.now().astimezone(ZoneInfo(services.zone)).date()


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
