"""Secrets that programs and browsers carry: made here, stored only as hashes."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from access.permissions import Role

#: Begins every API token, so that scanners of repositories and logs can find a leaked one.
PREFIX: Final = "cl_"


@dataclass(frozen=True, kw_only=True, slots=True)
class Token:
    """An API token as it is stored; the secret itself is shown once, when it is made."""

    id: str
    name: str
    role: Role
    created_at: datetime
    created_by: str
    #: The user the token acts for, if any.
    user_id: str | None = None
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    used_at: datetime | None = None

    def is_good_at(self, now: datetime) -> bool:
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)


def make_secret() -> str:
    """256 random bits as text (ASVS 7.2.3 asks for 128)."""
    return secrets.token_urlsafe(32)


def make_token_secret() -> str:
    """The text a program sends as `Authorization: Bearer`."""
    return PREFIX + make_secret()


def hash_secret(secret: str) -> str:
    """SHA-256 in hex. The secrets are random, so a slow hash would add nothing."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
