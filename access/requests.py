"""A request that must happen once, however often it is sent (Idempotency-Key)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime


class KeyReused(Exception):
    """The same key came with another request; nothing was done."""

    error_id = "idempotency-key-reused"


@dataclass(frozen=True, kw_only=True, slots=True)
class Once:
    """The key a client gave to its request, and what the request was."""

    #: "user:ID" or "token:ID".
    owner: str
    #: 1 to 128 characters.
    key: str
    #: SHA-256 hex over method, path and body.
    fingerprint: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """The first answer to a request, as it is given again to every repetition."""

    status: int
    body: Mapping[str, object]
    at: datetime
