"""One's own safety: the second factor, and where one is signed in; and the administrator's way out of both."""

from __future__ import annotations

import base64
import io
from datetime import datetime
from typing import Any

import segno
from pydantic import Field

from access.audit import Action
from access.permissions import Permission
from access.second_factor import FactorDemanded, setup_address
from access.sessions import SessionEnd
from access.users import User
from web.api.shapes import Secret
from web.auth import limits_of
from web.problems import Refused
from web.routes import Ask, Nothing, Route, Shape


class FactorOut(Shape):
    """Whether there is a second factor."""

    confirmed_at: datetime | None = Field(description="null: none, or begun and not confirmed")
    recovery_left: int = Field(description="recovery codes that still work")
    demanded: bool = Field(description="the role must have one")


class FactorBegunOut(Shape):
    """What the authenticator app needs; shown only now."""

    secret: str = Field(description="base 32, for typing it in")
    address: str = Field(description="otpauth:// address")
    qr: str = Field(description="the address as a picture: data:image/svg+xml")


class CodeIn(Shape):
    code: Secret


class RecoveryOut(Shape):
    recovery_codes: list[str] = Field(description="each works once; shown only now")


class ConfirmedIn(Shape):
    password: Secret


class SessionOut(Shape):
    """A browser that is signed in."""

    id: str
    created_at: datetime
    seen_at: datetime
    address: str
    browser: str
    here: bool = Field(description="the one that asks")


class SessionsOut(Shape):
    items: list[SessionOut]


def _user(ask: Ask[Any, Any]) -> User:
    """Who is signed in here. Raises Refused for tokens: they have neither password nor second factor."""
    if ask.signed.session is None:
        raise Refused("only-in-browser", "This is done in the browser, not with a token.")
    return ask.signed.session.user


async def check_own_password(ask: Ask[Any, Any], password: str) -> None:
    """Raise bad-values where it is not the password of who asks; wrong ones count as at the door."""
    login = _user(ask).login
    ask.services.login_limit.begin(login, ask.address, ask.now)
    found = await ask.services.users.password_of(login)
    if not await ask.services.passwords.matches(found[1] if found else None, password):
        raise Refused("bad-values", "The password is not right. Nothing was changed.")
    ask.services.login_limit.succeed(login, ask.address)


async def factor(ask: Ask[Nothing, Nothing]) -> FactorOut:
    """One's own second factor."""
    user = _user(ask)
    found = await ask.services.factors.of(user.id)
    return FactorOut(
        confirmed_at=found.confirmed_at if found else None,
        recovery_left=found.recovery_left if found and found.confirmed_at else 0,
        demanded=user.role in ask.services.options.code_roles,
    )


def qr_of(address: str) -> str:
    """The address as a picture that a page may hold (CSP allows data: in images)."""
    picture = io.BytesIO()
    segno.make(address, error="m").save(picture, kind="svg", scale=5, border=3, light="#fff", dark="#000")
    return "data:image/svg+xml;base64," + base64.b64encode(picture.getvalue()).decode()


async def begin_factor(ask: Ask[Nothing, Nothing]) -> FactorBegunOut:
    """Begin to set up a second factor; it counts once a code of it was given back."""
    user = _user(ask)
    secret = await ask.services.factors.begin(user.id, ask.now)
    address = setup_address(secret, login=user.login, house=ask.services.dealership)
    return FactorBegunOut(secret=secret, address=address, qr=qr_of(address))


async def confirm_factor(ask: Ask[Nothing, CodeIn]) -> RecoveryOut:
    """Prove that the app shows the right codes; from now on they are asked for at sign-in."""
    user = _user(ask)
    ask.services.login_limit.begin(f"code:{user.id}", ask.address, ask.now)
    entry = ask.entry(Action.FACTOR_SET, f"user:{user.id}")
    codes = await ask.services.factors.confirm(user.id, ask.body.code, ask.now, entry)
    ask.services.login_limit.succeed(f"code:{user.id}", ask.address)
    return RecoveryOut(recovery_codes=list(codes))


async def remove_factor(ask: Ask[Nothing, ConfirmedIn]) -> FactorOut:
    """Take one's own second factor off."""
    user = _user(ask)
    if user.role in ask.services.options.code_roles:
        raise FactorDemanded("Your role must have a second factor. Nothing was changed.")
    await check_own_password(ask, ask.body.password)
    await ask.services.factors.remove(user.id, ask.entry(Action.FACTOR_REMOVED, f"user:{user.id}"))
    return FactorOut(confirmed_at=None, recovery_left=0, demanded=False)


async def reset_factor(ask: Ask[Nothing, Nothing]) -> Nothing:
    """Take a user's second factor off, because the phone is lost; his sessions end."""
    user = await ask.services.users.get(ask.path["user_id"])
    await ask.services.factors.remove(user.id, ask.entry(Action.FACTOR_REMOVED, f"user:{user.id}"))
    ended = ask.entry(Action.SESSIONS_ENDED, f"user:{user.id}", {"why": "second factor reset"})
    await ask.services.sessions.end_others(user.id, "", SessionEnd.ENDED_ELSEWHERE, ended)
    return Nothing()


async def own_sessions(ask: Ask[Nothing, Nothing]) -> SessionsOut:
    """Where one is signed in."""
    limits = limits_of(ask.services.options)
    found = await ask.services.sessions.of_user(_user(ask).id, ask.now, limits.idle, limits.longest)
    return SessionsOut(
        items=[
            SessionOut(
                id=one.id,
                created_at=one.created_at,
                seen_at=one.seen_at,
                address=one.address,
                browser=one.browser,
                here=one.id == ask.by.proof_id,
            )
            for one in found
        ]
    )


async def end_session(ask: Ask[Nothing, Nothing]) -> SessionsOut:
    """End one of one's own sessions; its pages and streams close within five seconds."""
    user = _user(ask)
    entry = ask.entry(Action.SESSIONS_ENDED, f"user:{user.id}", {"sessions": 1})
    if not await ask.services.sessions.end_of(
        user.id, ask.path["session_id"], SessionEnd.ENDED_ELSEWHERE, entry
    ):
        raise Refused("not-found", "There is no such session any more.")
    return await own_sessions(ask)


async def end_other_sessions(ask: Ask[Nothing, Nothing]) -> SessionsOut:
    """End every session but this one."""
    user = _user(ask)
    entry = ask.entry(Action.SESSIONS_ENDED, f"user:{user.id}", {"sessions": "others"})
    await ask.services.sessions.end_others(user.id, ask.by.proof_id, SessionEnd.ENDED_ELSEWHERE, entry)
    return await own_sessions(ask)


_CODE = "/api/v1/me/second-factor"

ROUTES = (
    Route(
        method="GET",
        path=_CODE,
        summary="Own second factor",
        needs=Permission.PROFILE,
        json=factor,
        answer=FactorOut,
        errors=("only-in-browser",),
        unfinished=True,
        tag="me",
    ),
    Route(
        method="POST",
        path=_CODE,
        summary="Begin a second factor",
        needs=Permission.PROFILE,
        json=begin_factor,
        body=Nothing,
        answer=FactorBegunOut,
        errors=("factor-exists", "only-in-browser"),
        unfinished=True,
        tag="me",
    ),
    Route(
        method="POST",
        path=f"{_CODE}/confirm",
        summary="Confirm the second factor with its first code",
        needs=Permission.PROFILE,
        json=confirm_factor,
        body=CodeIn,
        answer=RecoveryOut,
        errors=("code-refused", "no-factor", "factor-exists", "too-many-tries", "only-in-browser"),
        unfinished=True,
        tag="me",
    ),
    Route(
        method="POST",
        path=f"{_CODE}/remove",
        summary="Take the second factor off",
        needs=Permission.PROFILE,
        json=remove_factor,
        body=ConfirmedIn,
        answer=FactorOut,
        errors=("no-factor", "factor-demanded", "too-many-tries", "passwords-busy", "only-in-browser"),
        tag="me",
    ),
    Route(
        method="POST",
        path="/api/v1/users/{user_id}/second-factor/reset",
        summary="Take a user's second factor off",
        needs=Permission.USERS_WRITE,
        json=reset_factor,
        body=Nothing,
        answer=Nothing,
        errors=("user-not-found", "no-factor"),
        tag="users",
    ),
    Route(
        method="GET",
        path="/api/v1/me/sessions",
        summary="Where one is signed in",
        needs=Permission.PROFILE,
        json=own_sessions,
        answer=SessionsOut,
        errors=("only-in-browser",),
        tag="me",
    ),
    Route(
        method="POST",
        path="/api/v1/me/sessions/{session_id}/end",
        summary="End one of one's own sessions",
        needs=Permission.PROFILE,
        json=end_session,
        body=Nothing,
        answer=SessionsOut,
        errors=("only-in-browser",),
        tag="me",
    ),
    Route(
        method="POST",
        path="/api/v1/me/sessions/end-others",
        summary="End every session but this one",
        needs=Permission.PROFILE,
        json=end_other_sessions,
        body=Nothing,
        answer=SessionsOut,
        errors=("only-in-browser",),
        tag="me",
    ),
)
