"""Calls that are to be filed, and one call with its registration."""

from __future__ import annotations

from typing import Literal

from aiohttp import web

from access.permissions import Permission
from telephony.numbers import spoken_groups
from web.api.shapes import Cursor
from web.auth import Signed
from web.bodies import read_query
from web.languages import language_of
from web.pages.shell import show
from web.routes import SERVICES, Nothing, Route, Shape

_SHOWN = 50


class UnfiledPageQuery(Shape):
    """What the address of the page keeps."""

    scope: Literal["mine", "all"] | None = None
    cursor: Cursor | None = None


async def show_unfiled(request: web.Request, signed: Signed) -> web.StreamResponse:
    """Calls somebody talked in and nobody has filed, the oldest first."""
    services = request.app[SERVICES]
    by = signed.principal
    query = read_query(UnfiledPageQuery, request)
    everybody = by.may(Permission.REGISTRATIONS_ALL)
    scope = query.scope or ("all" if everybody else "mine")
    page = await services.aftercall.registrations.unfiled(
        by, mine=scope == "mine", cursor=query.cursor, limit=_SHOWN, now=services.clock.now()
    )
    language = signed.session.user.language if signed.session else language_of(request)
    return show(
        request,
        signed,
        "aftercall/unfiled.html",
        here="registrations",
        sheets=("aftercall.css",),
        values={
            "items": page.items,
            "next": page.next,
            "scope": scope,
            "readable": readable,
            "everybody": everybody,
            "queue_label": lambda name: services.queue_labels.get(name or "", {}).get(language, name or ""),
        },
    )


async def show_registration(request: web.Request, signed: Signed) -> web.StreamResponse:
    """One call: what was said is filed here, or looked up. Raises CallNotFound."""
    services = request.app[SERVICES]
    read_query(Nothing, request)
    call_id = request.match_info["call_id"]
    panel = await services.aftercall.registrations.panel(signed.principal, call_id, services.clock.now())
    return show(
        request,
        signed,
        "aftercall/registration.html",
        here="registrations",
        sheets=("aftercall.css",),
        values={"call": panel.call, "readable": readable},
    )


def readable(number: str | None) -> str | None:
    """A number in the groups people read it in; a masked one as it is."""
    return " ".join(spoken_groups(number)) if number and number.startswith("+") else number


ROUTES = (
    Route(
        method="GET",
        path="/registrations",
        summary="Calls that are to be filed",
        needs=Permission.REGISTRATIONS_FILE,
        page=show_unfiled,
        query=UnfiledPageQuery,
        media="text/html",
    ),
    Route(
        method="GET",
        path="/registrations/{call_id}",
        summary="One call and its registration",
        needs=Permission.REGISTRATIONS_FILE,
        page=show_registration,
        media="text/html",
    ),
)
