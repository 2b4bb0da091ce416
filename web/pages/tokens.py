"""The page of API tokens: who has one, when it was used last, a new one (its secret shown once), and their end."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Final

from aiohttp import web

from access.audit import Action
from access.ids import new_id
from access.permissions import Permission, Role
from access.tokens import Token, hash_secret, make_token_secret
from web.auth import Signed
from web.bodies import read_query
from web.languages import text
from web.pages import record_forms
from web.pages.records import go, language_of_page, noted
from web.pages.shell import show
from web.routes import SERVICES, Nothing, Route
from web.shown_once import SHOWN_ONCE

#: Days a new token may be good for; 0: until it is revoked.
_DAYS: Final = ("90", "365", "0")
_LONGEST_NAME: Final = 64


async def show_tokens(request: web.Request, signed: Signed) -> web.StreamResponse:
    """Every token, and the form of a new one."""
    read_query(Nothing, request)
    return await _page(request, signed)


async def _page(
    request: web.Request,
    signed: Signed,
    *,
    form: Mapping[str, str] | None = None,
    errors: Mapping[str, str] | None = None,
) -> web.Response:
    services = request.app[SERVICES]
    now = services.clock.now()
    return show(
        request,
        signed,
        "hooks/tokens.html",
        here="tokens",
        sheets=("hooks.css",),
        status=422 if errors else 200,
        values={
            "tokens": [
                (token, _state(token, token.is_good_at(now))) for token in await services.tokens.list()
            ],
            "form": {"name": "", "role": Role.SUPERVISOR.value, "days": _DAYS[1], **(form or {})},
            "errors": errors or {},
            "roles": [role.value for role in Role],
            "days": _DAYS,
            "secret": request.app[SHOWN_ONCE].take(signed.session.id if signed.session else "", "token", now),
        },
    )


def _state(token: Token, good: bool) -> str:
    if good:
        return "good"
    return "revoked" if token.revoked_at is not None else "expired"


async def create(request: web.Request, signed: Signed) -> web.StreamResponse:
    """Make a token."""
    services = request.app[SERVICES]
    form = await record_forms.read(request, signed)
    language = language_of_page(request, signed)
    errors = {}
    name, role, days = form.get("name", "").strip(), form.get("role", ""), form.get("days", "")
    if not 1 <= len(name) <= _LONGEST_NAME:
        errors["name"] = text(language, "hooks.wrong.name")
    if role not in list(Role):
        errors["role"] = text(language, "hooks.wrong.role")
    if days not in _DAYS:
        errors["days"] = text(language, "hooks.wrong.days")
    if errors:
        return await _page(request, signed, form=form, errors=errors)
    now = services.clock.now()
    secret = make_token_secret()
    token = Token(
        id=new_id(now),
        name=name,
        role=Role(role),
        created_at=now,
        created_by=signed.principal.name,
        expires_at=now + timedelta(days=int(days)) if days != "0" else None,
    )
    note = noted(request, signed, Action.TOKEN_CREATED, f"token:{token.id}", role=role)
    await services.tokens.create(token, hash_secret(secret), note)
    if signed.session is not None:
        request.app[SHOWN_ONCE].keep(signed.session.id, "token", secret, now)
    return go("/settings/tokens")


async def revoke(request: web.Request, signed: Signed) -> web.StreamResponse:
    """The token opens nothing any more."""
    await record_forms.read(request, signed)
    token_id = request.match_info["token_id"]
    note = noted(request, signed, Action.TOKEN_REVOKED, f"token:{token_id}")
    await request.app[SERVICES].tokens.revoke(token_id, note)
    return go("/settings/tokens")


ROUTES = (
    Route(
        method="GET",
        path="/settings/tokens",
        summary="API tokens",
        needs=Permission.TOKENS_WRITE,
        page=show_tokens,
        media="text/html",
    ),
    Route(
        method="POST",
        path="/settings/tokens",
        summary="Make an API token",
        needs=Permission.TOKENS_WRITE,
        page=create,
        media="text/html",
    ),
    Route(
        method="POST",
        path="/settings/tokens/{token_id}",
        summary="Revoke an API token",
        needs=Permission.TOKENS_WRITE,
        page=revoke,
        media="text/html",
    ),
)
