"""People who use Careline, what they are (roles), and who is asking (principals)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Literal

from access.permissions import GRANTS, Permission, Role

Language = Literal["zh-CN", "en"]
LANGUAGES: tuple[Language, ...] = ("zh-CN", "en")
Theme = Literal["auto", "light", "dark"]
THEMES: tuple[Theme, ...] = ("auto", "light", "dark")


class AccessError(Exception):
    """Base of what access refuses; the message is a sentence for the person who asked.

    AccessError
    ├── UserNotFound      no such user
    ├── LoginTaken        another user has this login
    ├── LoginMalformed    a login must match a pattern
    ├── PasswordWeak      too short, too long, or the login itself
    ├── LoginRefused      wrong login or password, or the user is disabled: never says which
    ├── TooManyTries      rate limit of logins; carries the seconds to wait
    ├── TokenNotFound     no such API token
    └── LastAdmin         the last enabled admin cannot be disabled or given another role
    """

    error_id = "access-refused"


class UserNotFound(AccessError):
    """No user has this id or login."""

    error_id = "user-not-found"


class LoginTaken(AccessError):
    """Another user, enabled or not, has this login."""

    error_id = "login-taken"


class LoginMalformed(AccessError):
    """The login has characters or a length that are not allowed."""

    error_id = "login-malformed"


class PasswordWeak(AccessError):
    """The password does not satisfy the rules."""

    error_id = "password-weak"


class LoginRefused(AccessError):
    """Login or password is wrong, or the user is disabled; the reason is kept from the asker."""

    error_id = "login-refused"


class TooManyTries(AccessError):
    """Too many wrong passwords; nothing was tried."""

    error_id = "too-many-tries"

    def __init__(self, message: str, *, wait_seconds: int) -> None:
        super().__init__(message)
        self.wait_seconds = wait_seconds


class TokenNotFound(AccessError):
    """No API token has this id."""

    error_id = "token-not-found"


class LastAdmin(AccessError):
    """Nobody would be left who can manage users."""

    error_id = "last-admin"


class Via(StrEnum):
    """How a principal proved who it is."""

    SESSION = "session"
    TOKEN = "token"  # noqa: S105  the word, not a secret
    COMMAND = "command"


@dataclass(frozen=True, kw_only=True, slots=True)
class User:
    """A person with a login. The password hash is not part of the value."""

    id: str
    login: str
    name: str
    role: Role
    language: Language
    theme: Theme
    created_at: datetime
    #: Set once the user may not sign in any more; users are never deleted, calls refer to them.
    disabled_at: datetime | None = None
    password_changed_at: datetime | None = None
    #: Somebody else set the password: the user chooses a new one before anything else.
    must_change: bool = False
    #: Department of the house, for those who answer orders and cases; empty: none.
    department: str = ""

    @property
    def is_enabled(self) -> bool:
        return self.disabled_at is None


@dataclass(frozen=True, kw_only=True, slots=True)
class Principal:
    """Who asks: a signed-in user, or a program with an API token (which may act for a user)."""

    role: Role
    via: Via
    #: Name shown to others and written to the audit log.
    name: str
    #: None for a token that belongs to no user.
    user_id: str | None = None
    #: Id of the session row or of the token row.
    proof_id: str = ""

    def may(self, permission: Permission) -> bool:
        """Whether the role grants it."""
        return permission in GRANTS[self.role]

    @property
    def sees_numbers(self) -> bool:
        """Whether telephone numbers are shown in full (ASVS 14.2.6: masked otherwise)."""
        return self.may(Permission.NUMBERS_FULL)

    @property
    def sees_names(self) -> bool:
        """Whether customers' names are shown; who only runs the installation needs none."""
        return self.may(Permission.NAMES_FULL)
