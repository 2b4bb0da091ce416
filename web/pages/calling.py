"""The page of agents who call through a campaign's list by hand."""

from __future__ import annotations

from datetime import timedelta
from typing import Final
from zoneinfo import ZoneInfo

from aiohttp import web

from access.permissions import Permission
from telephony.agents import AgentState
from web.auth import Signed
from web.bodies import read_query
from web.pages.shell import show
from web.routes import SERVICES, Nothing, Route

_SHEETS: Final = ("campaigns.css",)
#: Who is skipped is shown again so much later, unless the agent says otherwise.
_SKIPPED_FOR: Final = timedelta(hours=2)


async def show_desk(request: web.Request, signed: Signed) -> web.StreamResponse:
    """Campaigns to call through, the customer one looks at, promised call-backs."""
    read_query(Nothing, request)
    services, by = request.app[SERVICES], signed.principal
    now = services.clock.now()
    desk = await services.calling.desk(by, now)
    agents = await services.desk.agents()
    local = (now + _SKIPPED_FOR).astimezone(ZoneInfo(services.zone))
    return show(
        request,
        signed,
        "calling/desk.html",
        here="calling",
        sheets=_SHEETS,
        values={
            "desk": desk,
            "later": local.strftime("%Y-%m-%dT%H:%M"),
            "me": by.user_id,
            "assigns": by.may(Permission.CAMPAIGNS_WRITE),
            "agents": [
                (one.id, one.name)
                for one in agents
                if one.state is not AgentState.SIGNED_OUT or one.id == by.user_id
            ],
            "names": {one.id: one.name for one in agents},
        },
    )


ROUTES: Final[tuple[Route, ...]] = (
    Route(
        method="GET",
        path="/calling",
        summary="Calling through lists by hand",
        needs=Permission.CAMPAIGNS_DIAL,
        page=show_desk,
        errors=("no-such-phone",),
        media="text/html",
    ),
)
