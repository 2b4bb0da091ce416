"""Pages of campaigns: the list with why each dials nobody, one with its targets and tries, and a new one."""

from __future__ import annotations

from typing import Any, Final, Literal
from urllib.parse import urlencode

from aiohttp import web

from access.permissions import Permission
from campaigns.attempts import AttemptOutcome
from campaigns.campaigns import CampaignState, Mode, Purpose, allowed_steps
from campaigns.ladder import Rung
from campaigns.results import By
from campaigns.rules import Rules
from campaigns.targets import TargetState
from crm.contacts.contacts import ReasonKind
from web.api.campaigns import AttemptsQuery, BarKey, CampaignsQuery, Mark, wanted_of
from web.api.shapes import Cursor
from web.auth import Signed
from web.bodies import read_query
from web.pages.contacts import language_of_reader
from web.pages.shell import show
from web.ports.campaigns import CampaignView, Choices, ResultsView
from web.routes import SERVICES, Nothing, Route, Shape

_SHEETS: Final = ("campaigns.css",)
_READ: Final = Permission.CAMPAIGNS_READ
#: Outcomes whose rule a person changes on the page; the others stay as they are.
_RULED: Final = (
    *(AttemptOutcome.BUSY, AttemptOutcome.NO_ANSWER, AttemptOutcome.UNAVAILABLE, AttemptOutcome.DECLINED),
    *(AttemptOutcome.HUNG_UP, AttemptOutcome.MACHINE, AttemptOutcome.ABANDONED),
)
#: Widest bar of a plot, in its own units.
_WIDE: Final = 100
_SHOWN: Final = 50


class CampaignQuery(Shape):
    view: Literal["targets", "attempts", "results"] = "targets"
    state: TargetState | None = None
    mark: Mark = ""
    outcome: AttemptOutcome | None = None
    only: Literal["", "counted", "answered", "reached", "abandoned"] = ""
    by: By | None = None
    key: BarKey = ""
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
    """Its name, purpose, way of dialing and rules."""
    read_query(Nothing, request)
    choices = await request.app[SERVICES].campaigns.choices()
    return show(
        request,
        signed,
        "campaigns/form.html",
        here="campaigns",
        sheets=_SHEETS,
        values={
            **_form(choices),
            "one": None,
            "rules": Rules(),
            "rule_of": Rules().retry,
        },
    )


async def alter(request: web.Request, signed: Signed) -> web.StreamResponse:
    """The same form for a campaign that is there."""
    read_query(Nothing, request)
    services = request.app[SERVICES]
    view = await services.campaigns.get(
        signed.principal, request.match_info["campaign_id"], services.clock.now()
    )
    one = view.campaign
    return show(
        request,
        signed,
        "campaigns/form.html",
        here="campaigns",
        sheets=_SHEETS,
        values={
            **_form(await services.campaigns.choices()),
            "one": one,
            "rules": one.rules,
            "rule_of": one.rules.retry,
        },
    )


def _form(choices: Choices) -> dict[str, Any]:
    return {
        "purposes": [one.value for one in Purpose],
        "modes": [one.value for one in Mode],
        "flows": choices.flows,
        "queues": choices.queues,
        "ruled": _RULED,
        "kept": [one for one in AttemptOutcome if one not in _RULED],
        "rungs": [one.value for one in Rung],
    }


async def show_letters(request: web.Request, signed: Signed) -> web.StreamResponse:
    """Letters of the ladder that wait to be printed, and the batch as it is printed."""
    read_query(Nothing, request)
    services = request.app[SERVICES]
    now = services.clock.now()
    return show(
        request,
        signed,
        "campaigns/letters.html",
        here="campaigns",
        sheets=(*_SHEETS, "reports.css"),
        values={
            "lines": await services.campaigns.letters(signed.principal, now),
            "sender": services.dealership,
        },
    )


def plots(view: ResultsView) -> list[dict[str, Any]]:
    """The plots as the page draws them: bars with widths of a hundred units."""
    made = []
    for by, some in view.layouts.items():
        most = max((bar.tries for bar in some), default=0)
        if not most:
            continue
        wide = _WIDE / most
        rows = [
            {
                "bar": bar,
                "label": view.agents.get(bar.key, "") if by is By.AGENT else bar.key,
                "tries": round(bar.tries * wide, 2),
                "answered": round(bar.answered * wide, 2),
                "reached": round(bar.reached * wide, 2),
            }
            for bar in some
        ]
        made.append({"by": by.value, "rows": rows})
    return made


async def show_one(request: web.Request, signed: Signed) -> web.StreamResponse:
    """How it stands, whom it calls, every try."""
    services, by = request.app[SERVICES], signed.principal
    query = read_query(CampaignQuery, request)
    campaign_id, now = request.match_info["campaign_id"], services.clock.now()
    view = await services.campaigns.get(by, campaign_id, now)
    address = f"/campaigns/{campaign_id}"
    kept = query.model_dump(mode="json", exclude={"cursor"}, exclude_none=True, exclude_defaults=True)
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
    if query.view == "results":
        found = await services.campaigns.results(by, campaign_id, now)
        values |= {
            "figures": found.results,
            "marks": found.marks,
            "plots": plots(found),
            "ladder": found.ladder,
        }
    elif query.view == "attempts":
        asked = AttemptsQuery(outcome=query.outcome, only=query.only, by=query.by, key=query.key)
        tries, following = await services.campaigns.attempts(
            by, campaign_id, now, wanted=wanted_of(asked), cursor=query.cursor, limit=_SHOWN
        )
        values |= {"attempts": tries, "next": following}
    else:
        targets, following = await services.campaigns.targets(
            by, campaign_id, now, state=query.state, mark=query.mark, cursor=query.cursor, limit=_SHOWN
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
        path="/campaigns/letters",
        summary="Letters of the ladder that wait to be printed",
        needs=Permission.CAMPAIGNS_WRITE,
        page=show_letters,
        media="text/html",
    ),
    Route(
        method="GET",
        path="/campaigns/{campaign_id}/edit",
        summary="Change a campaign",
        needs=Permission.CAMPAIGNS_WRITE,
        page=alter,
        errors=("campaign-not-found",),
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
