"""Approvals to open records, and what people ask about their data; changes go through the API."""

from __future__ import annotations

from typing import Annotated, Literal

from aiohttp import web
from pydantic import StringConstraints

from access.permissions import Permission
from access.privacy import RequestKind
from web.auth import Signed
from web.bodies import read_query
from web.languages import language_of, text
from web.pages.shell import show
from web.routes import SERVICES, Route, Shape

_SHEETS = ("privacy.css",)


class ApprovalsPageQuery(Shape):
    all: Literal["", "yes"] = ""


class PrivacyPageQuery(Shape):
    customer: Annotated[str, StringConstraints(strip_whitespace=True, max_length=32)] = ""


async def show_approvals(request: web.Request, signed: Signed) -> web.StreamResponse:
    """What waits for a decision; for those who decide nothing, their own requests."""
    services = request.app[SERVICES]
    everything = read_query(ApprovalsPageQuery, request).all == "yes"
    return show(
        request,
        signed,
        "privacy/approvals.html",
        here="approvals",
        sheets=_SHEETS,
        values={
            "views": await services.approvals.list(signed.principal, waiting=not everything),
            "all": everything,
        },
    )


async def show_requests(request: web.Request, signed: Signed) -> web.StreamResponse:
    """Requests, legal holds, and the form for a new one about the customer that the address names."""
    services = request.app[SERVICES]
    sought = read_query(PrivacyPageQuery, request).customer
    language = signed.session.user.language if signed.session else language_of(request)
    return show(
        request,
        signed,
        "privacy/list.html",
        here="privacy",
        sheets=_SHEETS,
        values={
            "views": await services.privacy.list(signed.principal),
            "holds": await services.privacy.holds(),
            "whose": await services.privacy.whose(signed.principal, sought) if sought else None,
            "sought": sought,
            "kinds": [(kind.value, text(language, f"privacy.kind.{kind.value}")) for kind in RequestKind],
        },
    )


async def show_request(request: web.Request, signed: Signed) -> web.StreamResponse:
    """One request: what is owed, what is in the way, and what was done."""
    services = request.app[SERVICES]
    view = await services.privacy.get(signed.principal, request.match_info["request_id"])
    return show(
        request,
        signed,
        "privacy/one.html",
        here="privacy",
        sheets=_SHEETS,
        values={"view": view, "one": view.request},
    )


ROUTES = (
    Route(
        method="GET",
        path="/approvals",
        summary="Requests to open records",
        needs=Permission.APPROVALS_ASK,
        page=show_approvals,
        media="text/html",
    ),
    Route(
        method="GET",
        path="/privacy",
        summary="What people ask about their data",
        needs=Permission.PRIVACY_ASK,
        page=show_requests,
        media="text/html",
    ),
    Route(
        method="GET",
        path="/privacy/{request_id}",
        summary="One request about a person's data",
        needs=Permission.PRIVACY_ASK,
        page=show_request,
        media="text/html",
    ),
)
