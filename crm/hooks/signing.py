"""Signatures of deliveries, as Standard Webhooks writes them (standardwebhooks.com, specification 1.0.0).

HMAC-SHA256 over `ID.TIMESTAMP.BODY` with the secret's bytes, base64, behind `v1,`; several are separated by
blanks, so that a receiver can change over to a new secret.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
from collections.abc import Sequence
from typing import Final

PREFIX: Final = "whsec_"
#: A delivery whose timestamp is further off than this is refused by receivers, in seconds.
TOLERANCE: Final = 300


def make_secret() -> str:
    """A new secret: 256 random bits, base64, behind `whsec_`."""
    return PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()


def signature(id: str, timestamp: int, body: bytes, keys: Sequence[str]) -> str:
    """The header `webhook-signature`: one signature for each of these secrets."""
    return " ".join(_one(id, timestamp, body, key) for key in keys)


def is_genuine(
    id: str, timestamp: str, body: bytes, header: str, key: str, *, now: float, tolerance: float = TOLERANCE
) -> bool:
    """Whether a delivery was signed with this secret, a moment ago. What a receiver must do (docs/webhooks.md)."""
    if not timestamp.isascii() or not timestamp.isdigit() or abs(now - int(timestamp)) > tolerance:
        return False
    expected = _one(id, int(timestamp), body, key).encode()
    return any(hmac.compare_digest(expected, given.encode()) for given in header.split(" "))


def _one(id: str, timestamp: int, body: bytes, key: str) -> str:
    signed = f"{id}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(_bytes_of(key), signed, hashlib.sha256).digest()).decode()


def _bytes_of(key: str) -> bytes:
    try:
        return base64.b64decode(key.removeprefix(PREFIX), validate=True)
    except binascii.Error as error:
        raise ValueError("a webhook secret is base64 behind whsec_") from error
