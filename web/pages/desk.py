"""The agent's page: my state, the person on the line, what to say and file. One page, four states (docs/desk.md)."""

from __future__ import annotations

from collections.abc import Mapping
from zoneinfo import ZoneInfo

from aiohttp import web

from access.permissions import Permission
from access.users import Language
from web.api.desk_page import CompanyOut, NowOut, PopOut, pops_of
from web.api.shapes import AgentOut, CallOut
from web.auth import Signed
from web.languages import texts
from web.pages.pop import pop_data
from web.pages.shell import show
from web.ports.desk import DeskNow, Phase
from web.routes import SERVICES, Route


def pauses_in(pauses: Mapping[str, Mapping[Language, str]], language: Language) -> list[tuple[str, str]]:
    """Reasons for a pause with their words: the house's own, else the text "desk.pause.…", else the reason."""
    known = texts(language)
    return [
        (
            reason,
            words.get(language) or known.get(f"desk.pause.{reason}") or next(iter(words.values()), reason),
        )
        for reason, words in pauses.items()
    ]


async def show_desk(request: web.Request, signed: Signed) -> web.StreamResponse:
    """The page with the present state in it, so that a reload in a call shows the call at once."""
    services = request.app[SERVICES]
    by = signed.principal
    found = DeskNow(phase=Phase.IDLE) if by.user_id is None else await pops_of(services).now(by, by.user_id)
    now = services.clock.now()
    user = signed.session.user if signed.session else None
    language: Language = user.language if user else "zh-CN"
    pop = None
    if found.pop is not None:
        data = pop_data(found.pop, language=language, now=now, zone=ZoneInfo(services.zone))
        pop = PopOut.model_validate(data)
    state = NowOut(
        phase=found.phase,
        agent=AgentOut.model_validate(found.agent) if found.agent else None,
        call=CallOut.model_validate(found.call) if found.call else None,
        pop=pop,
        company=CompanyOut.model_validate(found.company),
        now=now,
        live=found.live,
    )
    return show(
        request,
        signed,
        "desk/desk.html",
        here="desk",
        sheets=("records.css", "desk.css", "aftercall.css", "bulletins.css"),
        values={
            "state": state.model_dump(mode="json"),
            "pauses": pauses_in(services.options.pauses, language),
            "boards": await services.bulletins.shown(by, now),
        },
    )


ROUTES = (
    Route(
        method="GET",
        path="/desk",
        summary="The agent's desk",
        needs=Permission.DESK_SELF,
        page=show_desk,
        media="text/html",
        errors=("not-found",),
    ),
)
