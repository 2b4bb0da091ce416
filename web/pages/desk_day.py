"""An agent's day, row by row: in which state from when until when, and which rings were missed."""

from __future__ import annotations

from typing import Final, Literal
from zoneinfo import ZoneInfo

from aiohttp import web

from access.permissions import TAKES_CALLS, Permission
from access.users import Language
from crm.workday import DayJournal, Stay
from telephony.agents import AgentState
from web.api.desk import acting_for
from web.api.desk_page import pops_of
from web.api.shapes import Id
from web.auth import Signed
from web.languages import texts
from web.pages.aftercall import readable
from web.pages.desk import pauses_in
from web.pages.filters import Day, read_filter
from web.pages.shell import show
from web.routes import SERVICES, Route, Shape

#: What is shown, as the tiles of the desk open it, and the states of each.
_SHOWN: Final = {
    "": frozenset(AgentState) - {AgentState.SIGNED_OUT},
    "ready": frozenset({AgentState.READY, AgentState.RESERVED}),
    "wrap_up": frozenset({AgentState.WRAP_UP}),
    "paused": frozenset({AgentState.PAUSED}),
    "missed": frozenset[AgentState](),
}


class DayPageQuery(Shape):
    """What the address of the page keeps."""

    #: None: today at the house.
    day: Day = None
    only: Literal["", "ready", "wrap_up", "paused", "missed"] = ""
    #: Another agent, for those who may act for others; empty: oneself.
    agent_id: Id | Literal[""] = ""


def _rows(found: DayJournal | None, only: str) -> list[Stay]:
    """The states that were asked for; with all of them also the time signed out in between."""
    if found is None or only == "missed":
        return []
    return [one for one in found.stays if not only or one.state in _SHOWN[only]]


async def show_day(request: web.Request, signed: Signed) -> web.StreamResponse:
    """One's own day; those who may act for others choose whose."""
    services, by = request.app[SERVICES], signed.principal
    asked = read_filter(DayPageQuery, request, signed)
    query = asked.query
    agent_id = acting_for(by, query.agent_id or None)
    found = None if asked.errors else await pops_of(services).journal(by, agent_id, query.day)
    user = signed.session.user if signed.session else None
    language: Language = user.language if user else "zh-CN"
    now = services.clock.now()
    people = (
        {
            one.id: one.name
            for one in await services.users.list()
            if one.role in TAKES_CALLS and one.is_enabled
        }
        if by.may(Permission.DESK_OTHERS)
        else {}
    )
    reasons, words = dict(pauses_in(services.options.pauses, language)), texts(language)
    today = now.astimezone(ZoneInfo(services.zone)).date()
    day = query.day or today
    return show(
        request,
        signed,
        "desk/day.html",
        here="desk",
        sheets=("records.css", "desk.css"),
        status=asked.status,
        values={
            "asked": asked,
            "day_shown": asked.typed.get("day", day.isoformat()),
            "found": found,
            "stays": _rows(found, query.only),
            "seconds": {
                only: sum(found.seconds[state] for state in states) if found else 0.0
                for only, states in _SHOWN.items()
            },
            "only": query.only,
            "agent_id": agent_id,
            "own": agent_id == by.user_id,
            "people": people,
            "tabs": tuple(_SHOWN),
            # A reason of an API, or of yesterday's settings, has no words any more.
            "reason_words": lambda reason: reasons.get(reason) or words.get(f"desk.pause.{reason}", reason),
            "queue_label": lambda name: services.queue_labels.get(name or "", {}).get(language, name or ""),
            "readable": readable,
        },
    )


ROUTES = (
    Route(
        method="GET",
        path="/desk/day",
        summary="An agent's day: states from when until when, and rings missed",
        needs=Permission.DESK_SELF,
        page=show_day,
        query=DayPageQuery,
        media="text/html",
        errors=("no-own-user", "not-allowed", "no-such-agent", "not-found"),
    ),
)
