"""The second factor at sign-in: six digits from an authenticator app (RFC 6238), and codes for the day it is lost.

The secret that app and service share is derived from a key file and a seed in the database (HMAC-SHA-256), so neither
of the two alone makes a code: a stolen copy of the database opens nothing.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import pyotp

from access.users import AccessError

#: Seconds a code stands; the RFC's own figure, and what every app uses.
STEP: Final = 30
#: A phone's clock may be this many steps off.
_DRIFT: Final = 1
_RECOVERY: Final = 10
#: Without 0, 1, 8 and 9, which are mistaken for letters (RFC 4648's base 32 has none of them).
_LETTERS: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"


class CodeRefused(AccessError):
    """The code is wrong, too old, or was used before; which of them is not said."""

    error_id = "code-refused"


class FactorExists(AccessError):
    """There is a second factor already; it must be taken off before another is set up."""

    error_id = "factor-exists"


class NoFactor(AccessError):
    """There is no second factor to confirm or take off."""

    error_id = "no-factor"


class FactorDemanded(AccessError):
    """The role must have a second factor, so it cannot be taken off."""

    error_id = "factor-demanded"


@dataclass(frozen=True, kw_only=True, slots=True)
class Factor:
    """A user's second factor as it is stored."""

    user_id: str
    seed: str
    created_at: datetime
    #: None: begun, and no right code was seen yet; it is not asked for.
    confirmed_at: datetime | None = None
    last_step: int = 0
    #: Recovery codes that still work.
    recovery_left: int = 0


def make_seed() -> str:
    """256 random bits as text."""
    return secrets.token_urlsafe(32)


def secret_of(key: bytes, factor: Factor) -> str:
    """What the app holds: 160 bits in base 32 (RFC 4226 asks for 128, recommends 160)."""
    text = f"careline second factor\n{factor.user_id}\n{factor.seed}".encode()
    return base64.b32encode(hmac.new(key, text, hashlib.sha256).digest()[:20]).decode()


def matching_step(secret: str, code: str, *, after: int, now: datetime) -> int | None:
    """The step this code belongs to, or None where it fits none near now, or none after the last one taken."""
    digits = re.sub(r"[\s-]", "", code)
    if not re.fullmatch(r"[0-9]{6}", digits):
        return None
    maker = pyotp.TOTP(secret, interval=STEP)
    current = int(now.timestamp()) // STEP
    found = None
    for step in range(current - _DRIFT, current + _DRIFT + 1):
        # All are compared, so that the time taken says nothing of which one fitted.
        if hmac.compare_digest(maker.generate_otp(step), digits) and step > after:
            found = step
    return found


def setup_address(secret: str, *, login: str, house: str) -> str:
    """The otpauth:// address that the QR code holds."""
    return pyotp.TOTP(secret, interval=STEP).provisioning_uri(name=login, issuer_name=house)


def make_recovery_codes() -> list[str]:
    """Ten codes of 80 random bits, in fours: shown once, stored as hashes."""
    return [
        "-".join("".join(secrets.choice(_LETTERS) for _ in range(4)) for _ in range(4))
        for _ in range(_RECOVERY)
    ]


def recovery_hash(code: str) -> str:
    """SHA-256 of the code without dashes and blanks; the code is random, so a slow hash adds nothing."""
    letters = re.sub(r"[^A-Z2-7]", "", code.upper())
    return hashlib.sha256(letters.encode()).hexdigest()


def looks_like_recovery(code: str) -> bool:
    """Whether somebody typed a recovery code rather than six digits."""
    return len(re.sub(r"[^A-Za-z2-7]", "", code)) == 16
