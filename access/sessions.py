"""A browser's session: a row of ours, so that a disabled user's sessions end at once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from access.users import User


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
