"""Pages of campaigns: the list with why each dials nobody, one with its targets and tries, and a new one."""

from __future__ import annotations

from typing import Any, Final, Literal
from urllib.parse import urlencode

from aiohttp import web

from access.permissions import Permission
from campaigns.campaigns import CampaignState, Mode, Purpose, allowed_steps
from campaigns.targets import TargetState
from crm.contacts.contacts import ReasonKind
from web.api.campaigns import CampaignsQuery
from web.api.shapes import Cursor
from web.auth import Signed
from web.bodies import read_query
from web.pages.contacts import language_of_reader
from web.pages.shell import show
from web.ports.campaigns import CampaignView
from web.routes import SERVICES, Nothing, Route, Shape

_SHEETS: Final = ("campaigns.css",)
_READ: Final = Permission.CAMPAIGNS_READ
#: Modes that a person can choose; the others cannot be run yet.
_MODES: Final = (Mode.AGENTLESS,)
_SHOWN: Final = 50


class CampaignQuery(Shape):
    view: Literal["targets", "attempts"] = "targets"
    state: TargetState | None = None
    cursor: Cursor | None = None


def standing(view: CampaignView) -> dict[str, Any]:
    """How a campaign stands, as its pages show it."""
    total = sum(view.targets.values())
    over = total - view.targets.get(TargetState.WAITING, 0) - view.targets.get(TargetState.DIALING, 0)
    waits = sorted(view.waiting.items(), key=lambda pair: -pair[1])
    return {"view": view, "one": view.campaign, "total": total, "over": over, "waits": waits}


async def show_list(request: web.Request, signed: Signed) -> web.StreamResponse:
    """The most urgent first."""
    services = request.app[SERVICES]
    query = read_query(CampaignsQuery, request)
    states = () if query.state is None else (query.state,)
    found = await services.campaigns.list(signed.principal, services.clock.now(), states=states)
    return show(
        request,
        signed,
        "campaigns/list.html",
        here="campaigns",
        sheets=_SHEETS,
        values={
            "items": [standing(one) for one in found],
            "query": query,
            "states": [one.value for one in CampaignState],
        },
    )


async def begin(request: web.Request, signed: Signed) -> web.StreamResponse:
    """Its name, purpose and menu."""
    read_query(Nothing, request)
    choices = await request.app[SERVICES].campaigns.choices()
    return show(
        request,
        signed,
        "campaigns/new.html",
        here="campaigns",
        sheets=_SHEETS,
        values={
            "purposes": [one.value for one in Purpose],
            "modes": [one.value for one in _MODES],
            "flows": choices.flows,
        },
    )


async def show_one(request: web.Request, signed: Signed) -> web.StreamResponse:
    """How it stands, whom it calls, every try."""
    services, by = request.app[SERVICES], signed.principal
    query = read_query(CampaignQuery, request)
    campaign_id, now = request.match_info["campaign_id"], services.clock.now()
    view = await services.campaigns.get(by, campaign_id, now)
    address = f"/campaigns/{campaign_id}"
    kept = {"view": query.view, **({"state": query.state.value} if query.state else {})}
    values: dict[str, Any] = {
        **standing(view),
        "query": query,
        "address": f"{address}?{urlencode(kept)}",
        "steps": [step.value for step in allowed_steps(view.campaign.state)],
        "states": [one.value for one in TargetState],
        "reasons": [one.value for one in ReasonKind],
        "groups": [],
        "targets": (),
        "attempts": (),
    }
    if by.may(Permission.CAMPAIGNS_WRITE):
        page = await services.groups.list(
            by, language_of_reader(request, signed), archived=False, cursor=None, limit=100
        )
        values["groups"] = [(one.group.id, one.group.name) for one in page.items]
    if query.view == "attempts":
        tries, following = await services.campaigns.attempts(
            by, campaign_id, now, cursor=query.cursor, limit=_SHOWN
        )
        values |= {"attempts": tries, "next": following}
    else:
        targets, following = await services.campaigns.targets(
            by, campaign_id, now, state=query.state, cursor=query.cursor, limit=_SHOWN
        )
        values |= {"targets": targets, "next": following}
    return show(request, signed, "campaigns/one.html", here="campaigns", sheets=_SHEETS, values=values)


ROUTES: Final[tuple[Route, ...]] = (
    Route(
        method="GET",
        path="/campaigns",
        summary="Campaigns, and why each dials nobody",
        needs=_READ,
        page=show_list,
        query=CampaignsQuery,
        media="text/html",
    ),
    Route(
        method="GET",
        path="/campaigns/new",
        summary="A new campaign",
        needs=Permission.CAMPAIGNS_WRITE,
        page=begin,
        media="text/html",
    ),
    Route(
        method="GET",
        path="/campaigns/{campaign_id}",
        summary="One campaign: how it stands, whom it calls, every try",
        needs=_READ,
        page=show_one,
        query=CampaignQuery,
        errors=("campaign-not-found", "bad-cursor"),
        media="text/html",
    ),
)
