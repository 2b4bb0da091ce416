"""A browser's session: a row of ours, so that a disabled user's sessions end at once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from access.users import User


class Pending(StrEnum):
    """What stands between a session and the house."""

    NOTHING = ""
    CODE = "code"  # the password was right; the second factor was not given yet
    PASSWORD = "password"  # noqa: S105  the word: a password somebody else set must be changed
    ENROL = "enrol"  # the role demands a second factor, and there is none yet


#: A right password waits this long for its code.
CODE_WAITS: Final = timedelta(minutes=5)


class SessionEnd(StrEnum):
    """Why a session is no longer good."""

    SIGNED_OUT = "signed_out"
    REPLACED = "replaced"  # the same browser signed in again
    PASSWORD_CHANGED = "password_changed"  # noqa: S105  the word, not a secret
    ROLE_CHANGED = "role_changed"
    DISABLED = "disabled"
    RESTORED = "restored"  # the database was brought back from a backup
    IDLE = "idle"
    TOO_OLD = "too_old"
    OTHER_ADDRESS = "other_address"
    ENDED_ELSEWHERE = "ended_elsewhere"  # the user ended it from another browser, or an administrator did


@dataclass(frozen=True, kw_only=True, slots=True)
class SessionLimits:
    """How long a session may rest and live, and whether it is tied to one address."""

    idle: timedelta
    longest: timedelta
    same_address: bool = True


@dataclass(frozen=True, kw_only=True, slots=True)
class Session:
    """A session as stored; `id` is the hash of what the cookie holds."""

    id: str
    user: User
    #: Sent back with every change; another site's page cannot know it.
    csrf: str
    created_at: datetime
    seen_at: datetime
    address: str
    ended_at: datetime | None = None
    #: What the browser called itself, shortened.
    browser: str = ""
    pending: Pending = Pending.NOTHING

    @property
    def standing(self) -> Pending:
        """What must be done before anything else."""
        if self.pending is Pending.CODE:
            return Pending.CODE
        return Pending.PASSWORD if self.user.must_change else self.pending


def refusal(session: Session, *, address: str, now: datetime, limits: SessionLimits) -> SessionEnd | None:
    """Why this session does not count now from this address, or None where it does."""
    if session.ended_at is not None:
        return SessionEnd.SIGNED_OUT
    if not session.user.is_enabled:
        return SessionEnd.DISABLED
    if now - session.created_at >= limits.longest:
        return SessionEnd.TOO_OLD
    if now - session.seen_at >= limits.idle:
        return SessionEnd.IDLE
    if limits.same_address and session.address != address:
        return SessionEnd.OTHER_ADDRESS
    return None


#: What to call a browser, and a word that only its User-Agent has; the first that fits.
_BROWSERS: Final = (
    ("Edge", "Edg/"),
    ("Opera", "OPR/"),
    ("WeChat", "MicroMessenger/"),
    ("Firefox", "Firefox/"),
    ("Chrome", "Chrome/"),
    ("Safari", "Safari/"),
)
_SYSTEMS: Final = (
    ("Windows", "Windows"),
    ("Android", "Android"),
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("macOS", "Mac OS X"),
    ("Linux", "Linux"),
)


def browser_of(user_agent: str) -> str:
    """Browser and system in words a person knows his own machine by; never the whole User-Agent."""
    words = [
        next((name for name, mark in table if mark in user_agent), "") for table in (_BROWSERS, _SYSTEMS)
    ]
    return " · ".join(filter(None, words))
