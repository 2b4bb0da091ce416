"""Recordings and messages: searched, heard in the page, marked, deleted by those who may."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

from aiohttp import web

from access.permissions import TAKES_CALLS, Permission
from telephony.listening import SoundFilter, SoundKind
from web.api.recordings import sound_out
from web.api.shapes import Cursor, Id, Search
from web.auth import Signed
from web.languages import language_of
from web.pages.aftercall import readable
from web.pages.filters import Day, midnight, read_filter
from web.pages.shell import show
from web.routes import SERVICES, Route, Shape

_SHOWN = 50
#: Days that are searched unless others are asked for.
_DAYS = 30


class RecordingsPageQuery(Shape):
    """What the address of the page keeps; empty fields of the form do not matter."""

    kind: Literal["recording", "voicemail"] = "recording"
    number: Search = ""
    customer_id: Id | Literal[""] = ""
    call_id: Id | Literal[""] = ""
    agent_id: Id | Literal[""] = ""
    queue: Literal[""] | Id = ""
    since: Day = None
    until: Day = None
    length: Literal["", "30", "120", "600"] = ""
    marked: Literal["", "yes"] = ""
    cursor: Cursor | None = None


async def show_recordings(request: web.Request, signed: Signed) -> web.StreamResponse:
    """The list; the player in it asks for sounds itself."""
    services = request.app[SERVICES]
    by = signed.principal
    asked = read_filter(RecordingsPageQuery, request, signed)
    query = asked.query
    zone = ZoneInfo(services.zone)
    today = services.clock.now().astimezone(zone).date()
    exact = bool(query.call_id or query.customer_id)
    since = query.since or (None if exact else today - timedelta(days=_DAYS))
    number = services.read_number(query.number) if query.number else None
    sounds = services.aftercall.sounds
    kind = SoundKind(query.kind)
    wanted = SoundFilter(
        customer_id=query.customer_id or None,
        call_id=query.call_id or None,
        number=number,
        agent_id=query.agent_id or None,
        queue=query.queue or None,
        since=midnight(since, services.zone) if since else None,
        until=midnight(query.until + timedelta(days=1), services.zone) if query.until else None,
        marked=bool(query.marked),
        least_seconds=float(query.length) if query.length else None,
    )
    unreadable = bool(query.number) and number is None
    items, following = [], None
    if not unreadable and not asked.errors:
        page = await sounds.list(by, kind, wanted, cursor=query.cursor, limit=_SHOWN)
        items, following = [sound_out(view).model_dump(mode="json") for view in page.items], page.next
    language = signed.session.user.language if signed.session else language_of(request)
    people = (
        [user for user in await services.users.list() if user.role in TAKES_CALLS]
        if by.may(Permission.RECORDINGS_ALL)
        else []
    )
    shown = (
        asked if "since" in asked.typed else replace(asked, query=query.model_copy(update={"since": since}))
    )
    kept = query.model_dump(exclude={"cursor"}) | {name: shown.day(name) for name in ("since", "until")}
    return show(
        request,
        signed,
        "recordings/list.html",
        here="recordings",
        sheets=("aftercall.css",),
        status=asked.status,
        values={
            "items": items,
            "at": {item["id"]: datetime.fromisoformat(item["at"]) for item in items},
            "next": following,
            "query": kept,
            "asked": shown,
            "unreadable": unreadable,
            "readable": readable,
            "people": [("", ""), *((user.id, user.name) for user in people)],
            "queues": [
                (name, label.get(language, name)) for name, label in services.aftercall.departments.items()
            ],
            "queue_label": lambda name: services.queue_labels.get(name or "", {}).get(language, name or ""),
            "may_download": sounds.may_download(by),
            "may_delete": by.may(Permission.RECORDINGS_DELETE),
        },
    )


ROUTES = (
    Route(
        method="GET",
        path="/recordings",
        summary="Recordings and messages",
        needs=Permission.RECORDINGS_LISTEN,
        page=show_recordings,
        query=RecordingsPageQuery,
        media="text/html",
    ),
)
