"""Who has shown the PIN of a private link: a short visit by cookie, and how often an address may knock.

A visit lives in the memory of the process, for half an hour from the last request: its cookie is a random word that
proves nothing elsewhere, and neither the link's secret nor its PIN is in it. After a restart the PIN is asked again;
what was typed is kept by the page itself.
"""

from __future__ import annotations

import hmac
import secrets
from collections import OrderedDict
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from aiohttp import web

from access.tokens import hash_secret
from web.auth import is_secure
from web.options import WebOptions
from web.problems import Refused
from web.rates import TokenRates

#: How long a visit lasts without a request, and at the longest.
IDLE: Final = timedelta(minutes=30)
LONGEST: Final = timedelta(hours=8)
_MOST: Final = 2_000
_LONGEST_COOKIE: Final = 100
#: Requests a minute from one address to private links; people need a handful.
PER_MINUTE: Final = 40
#: Requests a minute of one browser that a link is known to open in: a survey has many questions.
KNOWN_PER_MINUTE: Final = 240


@dataclass(frozen=True, kw_only=True, slots=True)
class Visit:
    """Somebody who opened a link, with the PIN where it has one."""

    link: str
    pin: str
    csrf: str
    began: datetime
    seen: datetime


class LinkVisits:
    """Visits by cookie. Belongs to the event loop's thread."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, Visit] = OrderedDict()
        self.rates = TokenRates(PER_MINUTE)
        #: Browsers with their link, as hashes, that the store has found to belong together.
        self._known: OrderedDict[str, None] = OrderedDict()
        self.known_rates = TokenRates(KNOWN_PER_MINUTE)

    def begin(self, secret: str, pin: str, now: datetime) -> tuple[str, Visit]:
        """A visit of this link: its cookie, and itself."""
        cookie = secrets.token_urlsafe(32)
        visit = Visit(link=hash_secret(secret), pin=pin, csrf=secrets.token_urlsafe(32), began=now, seen=now)
        self._kept[hash_secret(cookie)] = visit
        while len(self._kept) > _MOST:
            self._kept.popitem(last=False)
        return cookie, visit

    def of(self, cookie: str, secret: str, now: datetime) -> Visit | None:
        """The visit of a cookie, if it is one of this link and not over."""
        if not cookie or len(cookie) > _LONGEST_COOKIE:
            return None
        key = hash_secret(cookie)
        visit = self._kept.get(key)
        if visit is None or not hmac.compare_digest(visit.link, hash_secret(secret)):
            return None
        if now - visit.seen > IDLE or now - visit.began > LONGEST:
            del self._kept[key]
            return None
        self._kept[key] = visit = replace(visit, seen=now)
        self._kept.move_to_end(key)
        return visit

    def end(self, cookie: str) -> None:
        """The visit is over: its PIN is good no more."""
        self._kept.pop(hash_secret(cookie), None)

    def knock(self, address: str) -> int:
        """Count a request of an address; 0, or the seconds it has to wait."""
        return _wait(self.rates, address)

    def know(self, cookie: str, secret: str) -> None:
        """The link opens in the browser with this cookie."""
        if cookie:
            self._known[_pair(cookie, secret)] = None
            while len(self._known) > _MOST:
                self._known.popitem(last=False)

    def knock_at(self, address: str, cookie: str, secret: str) -> int:
        """As `knock`; a browser the link is known to open in is counted by itself, and generously."""
        pair = _pair(cookie, secret)
        if not cookie or pair not in self._known:
            return self.knock(address)
        self._known.move_to_end(pair)
        return _wait(self.known_rates, pair)


def _pair(cookie: str, secret: str) -> str:
    return hash_secret(f"{hash_secret(cookie)}:{hash_secret(secret)}")


def _wait(rates: TokenRates, who: str) -> int:
    try:
        rates.take(who)
    except Refused as refused:
        return int(refused.headers["Retry-After"])
    return 0


LINK_VISITS: web.AppKey[LinkVisits] = web.AppKey("link_visits", LinkVisits)


def cookie_name(kind: str) -> str:
    """The cookie of visits to links of a kind; its path is the link's own address."""
    return f"careline_link_{kind}"


def set_cookie(
    response: web.StreamResponse, request: web.Request, kind: str, cookie: str, options: WebOptions
) -> None:
    """Kept by the browser for this address alone, never sent from another site's page, and read by no script."""
    response.set_cookie(
        cookie_name(kind),
        cookie,
        max_age=int(LONGEST.total_seconds()),
        path=request.path,
        httponly=True,
        samesite="Strict",
        secure=is_secure(request, options),
    )
