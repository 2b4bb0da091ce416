"""What is written down about who did what."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from access.users import Principal


class Action(StrEnum):
    """What was done, in the past tense."""

    SIGNED_IN = "signed_in"
    SIGN_IN_REFUSED = "sign_in_refused"
    SIGNED_OUT = "signed_out"
    SESSION_MOVED = "session_moved"  # a cookie came from another address
    USER_CREATED = "user_created"
    USER_CHANGED = "user_changed"
    USER_DISABLED = "user_disabled"
    PASSWORD_SET = "password_set"  # noqa: S105  the word, not a secret
    TOKEN_CREATED = "token_created"  # noqa: S105
    TOKEN_REVOKED = "token_revoked"  # noqa: S105
    CALL_DIALED = "call_dialed"
    CALL_CONTROLLED = "call_controlled"
    AGENT_CHANGED = "agent_changed"
    TASK_CLAIMED = "task_claimed"
    TASK_CLOSED = "task_closed"
    RECORDING_PLAYED = "recording_played"
    RECORDING_HELD = "recording_held"  # legal hold
    RECORDING_RELEASED = "recording_released"
    CALLER_BLOCKED = "caller_blocked"
    CALLER_UNBLOCKED = "caller_unblocked"


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """One line of the audit log; append-only."""

    id: str
    at: datetime
    action: Action
    #: Name as it was then; ids of sessions and tokens are not kept.
    actor_name: str
    actor_id: str | None = None
    via: str = ""
    #: What it was done to, e.g. "user:01H…" or "call:01H…".
    subject: str = ""
    address: str = ""
    #: Plain JSON, never a password, token or full telephone number.
    data: Mapping[str, str | int | bool | None] = field(default_factory=dict)


def entry(
    action: Action,
    by: Principal,
    *,
    id: str,
    at: datetime,
    subject: str = "",
    address: str = "",
    data: Mapping[str, str | int | bool | None] | None = None,
) -> Entry:
    """An entry about what this principal did."""
    return Entry(
        id=id,
        at=at,
        action=action,
        actor_name=by.name,
        actor_id=by.user_id,
        via=by.via,
        subject=subject,
        address=address,
        data=data or {},
    )
