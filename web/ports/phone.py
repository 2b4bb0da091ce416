"""What the web side needs for the telephone in the page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from access.audit import Entry
from access.users import Principal
from telephony.phones import PhoneKind


@dataclass(frozen=True, kw_only=True, slots=True)
class IceServer:
    """A STUN or TURN server of the house, as browsers take it."""

    urls: Sequence[str]
    username: str = ""
    credential: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class PhoneOffer:
    """What every page's telephone is told, from the settings."""

    #: Asterisk's own WebSocket, which the gate talks to.
    switch_url: str
    #: Where pages go while the service is away; empty: nowhere.
    direct_url: str = ""
    ice: Sequence[IceServer] = field(default_factory=tuple)
    auto_answer: bool = False
    #: A caller whose agent's page went away waits so long for it.
    reload_seconds: int = 20


@dataclass(frozen=True, kw_only=True, slots=True)
class PhoneKey:
    """What a page registers with."""

    endpoint: str
    secret: str
    #: Just made: the switch reads it within seconds.
    fresh: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class OwnPhone:
    """One of a person's telephones; its secret is not for pages."""

    endpoint: str
    kind: PhoneKind
    #: This one rings when he is signed in.
    chosen: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Waiting:
    """A call that waited for a page which went away."""

    call_id: str
    #: The customer was on hold before: he stays there until the agent takes him back.
    held: bool


class BrowserPhones(Protocol):
    """Telephones in pages."""

    @property
    def offer(self) -> PhoneOffer: ...

    async def own(self, user_id: str) -> Sequence[OwnPhone]:
        """The user's phones of both kinds."""

    async def use(self, user_id: str, kind: PhoneKind, entry: Entry) -> None:
        """The phone of this kind rings from now on; `entry` names whose choice it was.

        Raises NoSuchPhone; StepRefused in a call.
        """

    async def renew(self, user_id: str, kind: PhoneKind, entry: Entry) -> PhoneKey:
        """A new secret for somebody's phone, to set up the one on his desk. Raises NoSuchPhone."""

    async def sign_on(self, viewer: Principal, since: datetime, entry: Entry) -> PhoneKey:
        """The viewer's own browser phone, with a secret no older than his session (`since`).

        Raises NoSuchPhone where he has none.
        """

    async def gone(self, user_id: str) -> None:
        """The page that held the phone has gone. A customer it talked with hears music meanwhile."""

    async def back(self, user_id: str) -> Waiting | None:
        """A page is registered: brings back the customer who waits for it. None: nobody waits."""
