"""Phones: the endpoints that ring at an agent's desk."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class PhoneKind(StrEnum):
    BROWSER = "browser"
    DESK = "desk"


@dataclass(frozen=True, kw_only=True, slots=True)
class Phone:
    """One SIP endpoint of one user. Its name is unguessable: never digits, never a login (pbx.md)."""

    endpoint: str
    secret: str
    kind: PhoneKind
    owner_id: str
