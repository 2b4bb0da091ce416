"""What agents need to call through a campaign's list by hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from access.audit import Entry
from access.requests import Once
from access.users import Principal
from campaigns.campaigns import Campaign
from campaigns.targets import Target


@dataclass(frozen=True, kw_only=True, slots=True)
class CallingCampaign:
    """A campaign whose agents dial themselves."""

    campaign: Campaign
    #: Targets due now that nobody looks at.
    due: int


@dataclass(frozen=True, kw_only=True, slots=True)
class CallingCard:
    """One target as the agent who is to call reads it."""

    target: Target
    campaign: Campaign
    customer_name: str
    customer_number: str
    #: The number that is dialed, as the agent may read it; empty: none may be called now.
    number: str
    #: Why none may be called now: a rule of contactability; empty where one may.
    refused: str
    plate: str
    model: str
    #: Reasons of the contact it is about (`crm.contacts.contacts.ReasonKind`).
    reasons: Sequence[str]


@dataclass(frozen=True, kw_only=True, slots=True)
class CallingDesk:
    """What an agent has to call."""

    campaigns: Sequence[CallingCampaign]
    #: Whom he looks at; None: nobody.
    held: CallingCard | None
    call_backs: Sequence[CallingCard]


@dataclass(frozen=True, kw_only=True, slots=True)
class NewCallBack:
    """A call that was promised."""

    at: datetime
    #: Whose it is; empty: anybody's.
    agent_id: str
    note: str = ""


class Calling(Protocol):
    """Raises TargetNotFound, TargetTaken, TargetOver where a target is none for this agent now."""

    async def desk(self, viewer: Principal, now: datetime) -> CallingDesk: ...

    async def next(self, viewer: Principal, campaign_id: str, now: datetime) -> CallingCard | None:
        """Keep the next one for the agent; None: nobody may be called now. Raises CampaignNotFound."""

    async def leave(self, viewer: Principal) -> None:
        """He looks at nobody any more."""

    async def dial(self, viewer: Principal, target_id: str, once: Once | None, now: datetime) -> str:
        """Ring the agent, then the customer; gives the call's id. The same key again rings nobody.

        Raises NotCallable, DialRefused, TooManyCalls, SwitchError.
        """

    async def skip(
        self, viewer: Principal, target_id: str, reason: str, until: datetime, entry: Entry
    ) -> CallingCard: ...

    async def call_back(
        self, viewer: Principal, target_id: str, new: NewCallBack, entry: Entry
    ) -> CallingCard: ...
