"""Who is asking: session cookies and API tokens, and the fences against other sites' pages."""

from __future__ import annotations

import hmac
import ipaddress
from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from urllib.parse import urlsplit

from aiohttp import web

from access.audit import Action, entry
from access.ids import new_id
from access.sessions import Pending, Session, SessionEnd, SessionLimits, refusal
from access.tokens import hash_secret
from access.users import Principal, Via
from web.options import WebOptions
from web.ports import Services
from web.problems import Refused

_LONGEST_SECRET: Final = 200
_SEEN_EVERY: Final = timedelta(minutes=1)


@dataclass(frozen=True, kw_only=True, slots=True)
class Signed:
    """A principal and, for a browser, its session."""

    principal: Principal
    session: Session | None = None

    @property
    def owner(self) -> str:
        """Whose idempotency keys these are."""
        if self.principal.user_id is not None:
            return f"user:{self.principal.user_id}"
        return f"token:{self.principal.proof_id}"


def limits_of(options: WebOptions) -> SessionLimits:
    """How long sessions last."""
    return SessionLimits(
        idle=timedelta(minutes=options.session_idle_minutes),
        longest=timedelta(hours=options.session_longest_hours),
        same_address=options.session_address == "same",
    )


def is_secure(request: web.Request, options: WebOptions) -> bool:
    """Whether browsers reach us by https, directly or through our own proxy."""
    return request.scheme == "https" or options.public_url.startswith("https://")


def cookie_name(*, secure: bool) -> str:
    """The session cookie. The prefix makes browsers hold us to Secure, path and host (RFC 6265bis 4.1.3)."""
    return "__Host-careline" if secure else "careline"


def address_of(request: web.Request, options: WebOptions) -> str:
    """The client's address; X-Forwarded-For counts only from our own proxies (ASVS 4.1.3)."""
    peer = _plain_address(request.remote or "")
    if peer not in options.trusted_proxies:
        return peer
    for hop in reversed(request.headers.get("X-Forwarded-For", "").split(",")):
        hop = _plain_address(hop.strip())
        if hop and hop not in options.trusted_proxies:
            return hop
    return peer


def _plain_address(text: str) -> str:
    try:
        address = ipaddress.ip_address(text.split("%")[0])
    except ValueError:
        return ""
    mapped = getattr(address, "ipv4_mapped", None)
    return str(mapped or address)


def check_same_origin(request: web.Request, options: WebOptions) -> None:
    """Refuse what another site's page sends: foreign Origin, or cross-site fetches that are not a visit.

    Raises Refused foreign-origin. Programs send neither header and pass.
    """
    origin = request.headers.get("Origin")
    if origin is not None and not _is_own(origin, request, options):
        raise Refused("foreign-origin", "Another site's page may not ask this.")
    site = request.headers.get("Sec-Fetch-Site", "same-origin")
    visit = request.method == "GET" and request.headers.get("Sec-Fetch-Mode") == "navigate"
    if site not in ("same-origin", "none") and not visit:
        raise Refused("foreign-origin", "Another site's page may not ask this.")


def _is_own(origin: str, request: web.Request, options: WebOptions) -> bool:
    if options.public_url:
        public = urlsplit(options.public_url)
        if origin.lower() == f"{public.scheme}://{public.netloc}".lower():
            return True
    return origin.lower() == f"{request.scheme}://{request.host}".lower()


def require_csrf(request: web.Request, signed: Signed, given: str) -> None:
    """Refuse a change by a browser without its session's token. Raises Refused csrf-refused."""
    if signed.session is None:
        return  # a Bearer token is never sent by a browser on its own
    if not hmac.compare_digest(given.encode("utf-8", "replace"), signed.session.csrf.encode()):
        raise Refused("csrf-refused", "The page is out of date. Nothing was done; reload it and try again.")


async def identify(request: web.Request, services: Services) -> Signed | None:
    """The principal behind a request, or None. A wrong token raises Refused; a wrong cookie is just nobody."""
    header = request.headers.get("Authorization")
    if header is not None:
        return await _by_token(header, services)
    secret = request.cookies.get(cookie_name(secure=is_secure(request, services.options)), "")
    if not secret or len(secret) > _LONGEST_SECRET:
        return None
    return await _by_session(secret, address_of(request, services.options), services)


async def _by_token(header: str, services: Services) -> Signed:
    refused = Refused(
        "token-refused",
        "The token is wrong, revoked or too old.",
        headers={"WWW-Authenticate": 'Bearer realm="careline", error="invalid_token"'},
    )
    scheme, _, secret = header.partition(" ")
    if scheme.lower() != "bearer" or not secret or len(secret) > _LONGEST_SECRET:
        raise refused
    token = await services.tokens.find(hash_secret(secret.strip()))
    now = services.clock.now()
    if token is None or not token.is_good_at(now):
        raise refused
    if token.used_at is None or now - token.used_at > _SEEN_EVERY:
        await services.tokens.touch(token.id, now)
    return Signed(
        principal=Principal(
            role=token.role, via=Via.TOKEN, name=token.name, user_id=token.user_id, proof_id=token.id
        )
    )


async def _by_session(secret: str, address: str, services: Services) -> Signed | None:
    session = await services.sessions.find(hash_secret(secret))
    if session is None or session.pending is Pending.CODE:
        return None  # the second factor is still owed: nobody yet
    now = services.clock.now()
    signed = Signed(principal=principal_of(session), session=session)
    why = refusal(session, address=address, now=now, limits=limits_of(services.options))
    if why is SessionEnd.OTHER_ADDRESS:
        moved = entry(
            Action.SESSION_MOVED,
            signed.principal,
            id=new_id(now),
            at=now,
            subject=f"user:{session.user.id}",
            address=address,
        )
        await services.sessions.end(session.id, why, moved)
    if why is not None:
        return None
    if now - session.seen_at > _SEEN_EVERY:
        await services.sessions.touch(session.id, now)
    return signed


def principal_of(session: Session) -> Principal:
    """The principal of a session."""
    user = session.user
    return Principal(role=user.role, via=Via.SESSION, name=user.name, user_id=user.id, proof_id=session.id)
