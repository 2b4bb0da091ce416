"""People who use Careline: the list, one of them, and one's own account; changes go through the API."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from access.permissions import Permission, Role
from access.second_factor import setup_address
from access.sessions import Pending
from access.users import THEMES
from crm.corrections.orders import Department
from web.api.own import factor, own_sessions, qr_of
from web.auth import Signed, address_of
from web.languages import language_of, text
from web.pages.shell import show
from web.routes import SERVICES, Ask, Nothing, Route

_SHEETS = ("privacy.css",)


def _ask(request: web.Request, signed: Signed) -> Ask[Any, Any]:
    services = request.app[SERVICES]
    return Ask(
        services=services,
        signed=signed,
        path=dict(request.match_info),
        query=Nothing(),
        body=Nothing(),
        now=services.clock.now(),
        address=address_of(request, services.options),
    )


def _roles(request: web.Request, signed: Signed) -> list[tuple[str, str]]:
    language = signed.session.user.language if signed.session else language_of(request)
    return [(role.value, text(language, f"role.{role.value}")) for role in Role]


def _departments(request: web.Request, signed: Signed, own: str = "") -> list[tuple[str, str]]:
    """Those that answer corrections; `own` too, where somebody has one of an earlier time."""
    language = signed.session.user.language if signed.session else language_of(request)
    known = [(one.value, text(language, f"corrections.department.{one.value}")) for one in Department]
    if own and own not in dict(known):
        known.append((own, own))
    return [("", "–"), *known]


async def show_people(request: web.Request, signed: Signed) -> web.StreamResponse:
    """Everybody, and for administrators a form for a new one."""
    services = request.app[SERVICES]
    return show(
        request,
        signed,
        "people/list.html",
        here="people",
        sheets=_SHEETS,
        values={
            "people": await services.users.list(),
            "factors": await services.factors.owners(),
            "roles": _roles(request, signed),
            "departments": _departments(request, signed),
            "department_words": dict(_departments(request, signed)),
        },
    )


async def show_person(request: web.Request, signed: Signed) -> web.StreamResponse:
    """One user: what he is, and his way in."""
    services = request.app[SERVICES]
    one = await services.users.get(request.match_info["user_id"])
    return show(
        request,
        signed,
        "people/one.html",
        here="people",
        sheets=_SHEETS,
        values={
            "one": one,
            "phones": await services.phones.own(one.id) if services.phones is not None else [],
            "departments": _departments(request, signed, one.department),
            "has_factor": one.id in await services.factors.owners(),
            "roles": _roles(request, signed),
        },
    )


async def show_me(request: web.Request, signed: Signed) -> web.StreamResponse:
    """One's own account; also where those land who must first change a password or set up a second factor."""
    if signed.session is None:
        raise web.HTTPSeeOther("/login")
    services = request.app[SERVICES]
    user = signed.session.user
    ask = _ask(request, signed)
    standing = signed.session.standing
    secret = await services.factors.begun(user.id)
    begun = None
    if secret is not None:
        address = setup_address(secret, login=user.login, house=services.dealership)
        begun = {
            "secret": " ".join(secret[n : n + 4] for n in range(0, len(secret), 4)),
            "qr": qr_of(address),
        }
    language = user.language
    return show(
        request,
        signed,
        "me/page.html",
        here="me",
        sheets=_SHEETS,
        values={
            "user": user,
            "standing": standing.value,
            "factor": await factor(ask),
            "begun": begun,
            "sessions": (await own_sessions(ask)).items if standing is Pending.NOTHING else [],
            "theme_options": [(theme, text(language, f"theme.{theme}")) for theme in THEMES],
        },
    )


ROUTES = (
    Route(
        method="GET",
        path="/people",
        summary="People",
        needs=Permission.USERS_READ,
        page=show_people,
        media="text/html",
    ),
    Route(
        method="GET",
        path="/people/{user_id}",
        summary="One of the people",
        needs=Permission.USERS_READ,
        page=show_person,
        media="text/html",
    ),
    Route(
        method="GET",
        path="/me",
        summary="One's own account",
        needs=Permission.PROFILE,
        page=show_me,
        media="text/html",
        unfinished=True,
    ),
)
