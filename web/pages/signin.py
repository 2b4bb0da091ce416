"""Signing in and out, and the switches for language and colours."""

from __future__ import annotations

import hmac
from datetime import timedelta
from urllib.parse import urlencode

import structlog
from aiohttp import web

from access.audit import Action, Entry, entry
from access.ids import new_id
from access.logins import LONGEST_PASSWORD, clean_login
from access.passwords import PasswordsBusy
from access.permissions import Permission
from access.second_factor import CodeRefused, NoFactor
from access.sessions import CODE_WAITS, Pending, Session, SessionEnd, browser_of, refusal
from access.tokens import hash_secret, make_secret
from access.users import LANGUAGES, THEMES, LoginMalformed, LoginRefused, Principal, TooManyTries, User, Via
from web.auth import (
    Signed,
    address_of,
    check_same_origin,
    cookie_name,
    identify,
    is_secure,
    limits_of,
    principal_of,
    require_csrf,
)
from web.bodies import read_body, read_form
from web.languages import LANGUAGE_COOKIE, language_of, text
from web.pages.rendering import render
from web.pages.shell import PAGES, home_of
from web.ports import Services
from web.problems import Refused, status_of
from web.routes import SERVICES, Route
from web.views import VIEWS

log = structlog.get_logger(__name__)

#: Ties the sign-in form to the browser that asked for it.
FORM_COOKIE = "careline_form"
_FORM_SECONDS = 3600
#: Holds the half session between the right password and the second factor.
CODE_COOKIE = "careline_code"
_LONGEST_SECRET = 200
_YEAR = int(timedelta(days=365).total_seconds())


def safe_next(path: str) -> str:
    """Where to go after signing in: a path of ours, or the page one begins with. Never another site."""
    plain = path.isascii() and path.isprintable() and "\\" not in path
    return path if plain and path.startswith("/") and not path.startswith("//") else "/"


async def show_signin(request: web.Request) -> web.StreamResponse:
    """The sign-in form."""
    services = request.app[SERVICES]
    chosen = request.query.get("language", "")
    following = request.query.get("next", "")
    if chosen in LANGUAGES:
        answer = web.HTTPSeeOther("/login" + (f"?{urlencode({'next': following})}" if following else ""))
        answer.set_cookie(LANGUAGE_COOKIE, chosen, max_age=_YEAR, samesite="Lax", httponly=True, path="/")
        raise answer
    if request.headers.get("Authorization") is None and await identify(request, services) is not None:
        raise web.HTTPSeeOther(safe_next(following))
    return _form(request, following=following)


def _form(
    request: web.Request, *, notice: str = "", login: str = "", following: str = "", status: int = 200
) -> web.Response:
    services = request.app[SERVICES]
    secret = make_secret()
    response = render(
        "login.html",
        language=language_of(request),
        dealership=services.dealership,
        status=status,
        notice=notice,
        login=login,
        next=following,
        csrf=secret,
    )
    response.set_cookie(
        FORM_COOKIE,
        secret,
        max_age=_FORM_SECONDS,
        path="/login",
        httponly=True,
        samesite="Strict",
        secure=is_secure(request, services.options),
    )
    return response


async def sign_in(request: web.Request) -> web.StreamResponse:
    """Check login and password and begin a session with a new secret."""
    services = request.app[SERVICES]
    language = language_of(request)
    check_same_origin(request, services.options)
    form = await _read(request)
    following = form.get("next", "")
    login = form.get("login", "")[:64]
    given, kept = form.get("csrf", ""), request.cookies.get(FORM_COOKIE, "")
    if not kept or not hmac.compare_digest(given.encode("utf-8", "replace"), kept.encode("utf-8", "replace")):
        return _form(
            request, notice=text(language, "login.stale"), login=login, following=following, status=403
        )
    try:
        user, encoded = await _check(request, services, login, form.get("password", ""))
        pending = await _owed(services, user)
        secret = await _begin(request, services, user, encoded, pending)
    except TooManyTries as error:
        minutes = -(-error.wait_seconds // 60)
        response = _form(
            request,
            notice=text(language, "login.too-many", minutes=minutes),
            login=login,
            following=following,
            status=429,
        )
        response.headers["Retry-After"] = str(error.wait_seconds)
        return response
    except LoginRefused:
        notice = text(language, "login.refused")
        return _form(request, notice=notice, login=login, following=following, status=401)
    except PasswordsBusy:
        notice = text(language, "login.busy")
        return _form(request, notice=notice, login=login, following=following, status=503)
    except Exception as error:
        if status_of(error) != 503:
            raise
        notice = text(language, "login.away")
        return _form(request, notice=notice, login=login, following=following, status=503)
    if pending is Pending.CODE:
        answer = web.HTTPSeeOther("/login/code" + (f"?{urlencode({'next': following})}" if following else ""))
        answer.set_cookie(
            CODE_COOKIE,
            secret,
            max_age=int(CODE_WAITS.total_seconds()),
            path="/login",
            httponly=True,
            samesite="Strict",
            secure=is_secure(request, services.options),
        )
        raise answer
    raise _signed_in(request, secret, "/me" if pending is Pending.ENROL else safe_next(following))


def _signed_in(request: web.Request, secret: str, where: str) -> web.HTTPSeeOther:
    answer = web.HTTPSeeOther(where)
    secure = is_secure(request, request.app[SERVICES].options)
    answer.set_cookie(
        cookie_name(secure=secure), secret, path="/", httponly=True, samesite="Lax", secure=secure
    )
    answer.del_cookie(FORM_COOKIE, path="/login")
    answer.del_cookie(CODE_COOKIE, path="/login")
    return answer


async def _owed(services: Services, user: User) -> Pending:
    """What this user still owes after the password."""
    factor = await services.factors.of(user.id)
    if factor is not None and factor.confirmed_at is not None:
        return Pending.CODE
    return Pending.ENROL if user.role in services.options.code_roles else Pending.NOTHING


async def show_code(request: web.Request) -> web.StreamResponse:
    """The form for the second factor's code."""
    half = await _half_signed(request)
    if half is None:
        raise web.HTTPSeeOther("/login")
    return _code_form(request, half, following=request.query.get("next", ""))


def _code_form(
    request: web.Request, half: Session, *, notice: str = "", following: str = "", status: int = 200
) -> web.Response:
    return render(
        "signin/code.html",
        language=language_of(request),
        dealership=request.app[SERVICES].dealership,
        status=status,
        notice=notice,
        next=following,
        csrf=half.csrf,
    )


async def _half_signed(request: web.Request) -> Session | None:
    """The session whose password was right and whose code is owed; None where there is none, or it waited too long."""
    services = request.app[SERVICES]
    secret = request.cookies.get(CODE_COOKIE, "")
    if not secret or len(secret) > _LONGEST_SECRET:
        return None
    session = await services.sessions.find(hash_secret(secret))
    if session is None or session.pending is not Pending.CODE:
        return None
    now = services.clock.now()
    address = address_of(request, services.options)
    if refusal(session, address=address, now=now, limits=limits_of(services.options)) is not None:
        return None
    return session if now - session.created_at < CODE_WAITS else None


async def take_code(request: web.Request) -> web.StreamResponse:
    """Check the second factor and begin the session, with yet another secret."""
    services = request.app[SERVICES]
    language = language_of(request)
    check_same_origin(request, services.options)
    form = await _read(request)
    following = form.get("next", "")
    half = await _half_signed(request)
    if half is None:
        raise web.HTTPSeeOther("/login")
    require_csrf(request, Signed(principal=principal_of(half), session=half), form.get("csrf", ""))
    now = services.clock.now()
    address = address_of(request, services.options)
    user = half.user
    try:
        services.login_limit.begin(f"code:{user.id}", address, now)
        used_up = _about(Action.RECOVERY_CODE_USED, user, services, address)
        await services.factors.take(user.id, form.get("code", "")[:64], now, used_up)
    except TooManyTries as error:
        notice = text(language, "login.too-many", minutes=-(-error.wait_seconds // 60))
        response = _code_form(request, half, notice=notice, following=following, status=429)
        response.headers["Retry-After"] = str(error.wait_seconds)
        return response
    except CodeRefused:
        request.app[VIEWS].note(_about(Action.CODE_REFUSED, user, services, address))
        notice = text(language, "signin.code.refused")
        return _code_form(request, half, notice=notice, following=following, status=401)
    except NoFactor:
        raise web.HTTPSeeOther("/login") from None  # an administrator took it off meanwhile
    services.login_limit.succeed(f"code:{user.id}", address)
    found = await services.users.password_of(user.login)
    try:
        secret = await _begin(request, services, user, found[1] if found else "", replaces=half.id)
    except LoginRefused:
        raise web.HTTPSeeOther("/login") from None  # disabled, or another password, in the meantime
    raise _signed_in(request, secret, safe_next(following))


async def _read(request: web.Request) -> dict[str, str]:
    options = request.app[SERVICES].options
    if request.content_type != "application/x-www-form-urlencoded":
        raise Refused("wrong-media-type", "Send the form as a browser does.")
    return read_form(await read_body(request, limit=16_384, seconds=options.body_seconds))


async def _check(request: web.Request, services: Services, login: str, password: str) -> tuple[User, str]:
    """The user whose password this is. Takes as long for an unknown login. Raises LoginRefused, TooManyTries."""
    views = request.app[VIEWS]
    now = services.clock.now()
    address = address_of(request, services.options)
    refused = LoginRefused("Login or password is wrong.")
    try:
        login = clean_login(login)
    except LoginMalformed:
        login = "?"
    services.login_limit.begin(login, address, now)
    found = await services.users.password_of(login)
    if len(password.encode("utf-8", "replace")) > LONGEST_PASSWORD:
        password = ""
    good = await services.passwords.matches(found[1] if found else None, password)
    if found is None:
        log.info("sign-in refused", action="sign_in_refused", address=address)
        raise refused
    user, encoded = found
    if not good or not user.is_enabled:
        log.info("sign-in refused", action="sign_in_refused", user=user.id, address=address)
        # Noted, not waited for: the time a commit takes would tell a guesser that the login exists.
        views.note(_about(Action.SIGN_IN_REFUSED, user, services, address, good and not user.is_enabled))
        raise refused
    services.login_limit.succeed(login, address)
    return user, encoded


def _about(action: Action, user: User, services: Services, address: str, disabled: bool = False) -> Entry:
    now = services.clock.now()
    by = Principal(role=user.role, via=Via.SESSION, name=user.name, user_id=user.id)
    data: dict[str, str | int | bool | None] = {"disabled": True} if disabled else {}
    return entry(action, by, id=new_id(now), at=now, subject=f"user:{user.id}", address=address, data=data)


async def _begin(
    request: web.Request,
    services: Services,
    user: User,
    encoded: str,
    pending: Pending = Pending.NOTHING,
    *,
    replaces: str = "",
) -> str:
    """A session with a secret of its own, so that a planted cookie is worth nothing (ASVS 7.2.4).

    Raises LoginRefused where the password is no longer `encoded`, or the user was disabled.
    """
    now = services.clock.now()
    secret = make_secret()
    address = address_of(request, services.options)
    session = Session(
        id=hash_secret(secret),
        user=user,
        csrf=make_secret(),
        created_at=now,
        seen_at=now,
        address=address,
        browser=browser_of(request.headers.get("User-Agent", "")),
        pending=pending,
    )
    old = request.cookies.get(cookie_name(secure=is_secure(request, services.options)), "")
    action = Action.PASSWORD_ACCEPTED if pending is Pending.CODE else Action.SIGNED_IN
    await services.sessions.begin(
        session,
        _about(action, user, services, address),
        replaces=[replaces, hash_secret(old) if old else ""],
        password_hash=encoded,
    )
    log.info("signed in", action=action.value, user=user.id, address=address)
    return secret


async def sign_out(request: web.Request, signed: Signed) -> web.StreamResponse:
    """End the session here and in every open page of it."""
    services = request.app[SERVICES]
    form = await _read(request)
    require_csrf(request, signed, form.get("csrf", ""))
    if signed.session is not None:
        address = address_of(request, services.options)
        about = _about(Action.SIGNED_OUT, signed.session.user, services, address)
        await services.sessions.end(signed.session.id, SessionEnd.SIGNED_OUT, about)
    answer = web.HTTPSeeOther("/login")
    secure = is_secure(request, services.options)
    answer.del_cookie(cookie_name(secure=secure), path="/", secure=secure, httponly=True, samesite="Lax")
    raise answer


async def change_profile(request: web.Request, signed: Signed) -> web.StreamResponse:
    """Keep the user's language or colours and go back to the page."""
    services = request.app[SERVICES]
    form = await _read(request)
    require_csrf(request, signed, form.get("csrf", ""))
    language = next((word for word in LANGUAGES if word == form.get("language")), None)
    theme = next((word for word in THEMES if word == form.get("theme")), None)
    answer = web.HTTPSeeOther(safe_next(form.get("next", "")))
    if signed.session is not None and (language or theme):
        address = address_of(request, services.options)
        user = signed.session.user
        about = _about(Action.USER_CHANGED, user, services, address)
        await services.users.change(user.id, about, language=language, theme=theme)
    if language:
        answer.set_cookie(LANGUAGE_COOKIE, language, max_age=_YEAR, samesite="Lax", httponly=True, path="/")
    raise answer


async def home(request: web.Request) -> web.StreamResponse:
    """The way in: the page this person begins with, or the sign-in form."""
    signed = await identify(request, request.app[SERVICES])
    raise web.HTTPSeeOther("/login" if signed is None else home_of(signed.principal, request.app[PAGES]))


ROUTES = (
    Route(
        method="GET",
        path="/",
        summary="Way in",
        public=home,
        why_public="only points to the page one begins with",
        media="text/html",
    ),
    Route(
        method="GET",
        path="/login",
        summary="Sign-in form",
        public=show_signin,
        why_public="nobody is signed in yet",
        media="text/html",
    ),
    Route(
        method="POST",
        path="/login",
        summary="Sign in",
        public=sign_in,
        why_public="checks the password itself",
        media="text/html",
    ),
    Route(
        method="GET",
        path="/login/code",
        summary="Form for the second factor",
        public=show_code,
        why_public="the password was right, the second factor is still owed",
        media="text/html",
    ),
    Route(
        method="POST",
        path="/login/code",
        summary="Sign in with the second factor",
        public=take_code,
        why_public="checks the half session and the code itself",
        media="text/html",
    ),
    Route(
        method="POST",
        path="/logout",
        summary="Sign out",
        needs=Permission.PROFILE,
        page=sign_out,
        unfinished=True,
        media="text/html",
    ),
    Route(
        method="POST",
        path="/profile",
        summary="Language and colours",
        needs=Permission.PROFILE,
        page=change_profile,
        unfinished=True,
        media="text/html",
    ),
)
