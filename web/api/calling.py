"""Calling through a campaign's list by hand: the next customer, dial, skip, promise to call back."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Final

from pydantic import AwareDatetime, Field, StringConstraints

from access.audit import Action
from access.permissions import Permission
from campaigns.attempts import AttemptOutcome
from campaigns.campaigns import Mode, Purpose
from campaigns.targets import TargetState
from web.api.shapes import DialedOut, Id
from web.ports.calling import CallingCard, CallingDesk, NewCallBack
from web.routes import Ask, Nothing, Route, Shape

Words = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
Note = Annotated[str, StringConstraints(strip_whitespace=True, max_length=200)]

_TARGET: Final = "/api/v1/campaign-targets/{target_id}"
_REFUSALS: Final = ("target-not-found", "target-taken", "target-over", "no-such-phone")


class CallingCampaignOut(Shape):
    id: str
    name: str
    purpose: Purpose
    mode: Mode
    due: int = Field(description="targets due now that nobody looks at")


class CallingCardOut(Shape):
    """One target, as whoever is to call reads it."""

    target_id: str
    campaign_id: str
    campaign_name: str
    purpose: Purpose
    state: TargetState
    customer_id: str
    customer_name: str
    customer_number: str
    number: str = Field(description="what is dialed, masked by role; empty: none may be called now")
    refused: str = Field(description="the rule of contactability that forbids it; empty: none")
    plate: str
    model: str
    reasons: list[str] = Field(description="what the call is about (kinds of reasons of contacts)")
    tries: int
    last_outcome: AttemptOutcome | None
    due_at: datetime
    held_until: datetime | None
    callback_of: str | None = Field(description="whose call-back it is; empty: anybody's; null: none")
    callback_note: str | None


class CallingOut(Shape):
    campaigns: list[CallingCampaignOut]
    held: CallingCardOut | None = Field(description="whom the asker looks at")
    call_backs: list[CallingCardOut]


class NextOut(Shape):
    target: CallingCardOut | None = Field(description="null: nobody may be called now")


class SkipIn(Shape):
    reason: Words
    until: AwareDatetime = Field(description="not before this moment")


class CallBackIn(Shape):
    at: AwareDatetime
    agent_id: Id | None = Field(None, description="whose it is; null: anybody's")
    note: Note = ""


def card_out(card: CallingCard) -> CallingCardOut:
    """A target."""
    target = card.target
    same = (
        "customer_id",
        "state",
        "tries",
        "last_outcome",
        "due_at",
        "held_until",
        "callback_of",
        "callback_note",
    )
    shown = ("customer_name", "customer_number", "number", "refused", "plate", "model")
    return CallingCardOut(
        target_id=target.id,
        campaign_id=card.campaign.id,
        campaign_name=card.campaign.name,
        purpose=card.campaign.purpose,
        reasons=list(card.reasons),
        **{name: getattr(target, name) for name in same},
        **{name: getattr(card, name) for name in shown},
    )


def calling_out(desk: CallingDesk) -> CallingOut:
    """What an agent has to call."""
    return CallingOut(
        campaigns=[
            CallingCampaignOut(
                id=one.campaign.id,
                name=one.campaign.name,
                purpose=one.campaign.purpose,
                mode=one.campaign.mode,
                due=one.due,
            )
            for one in desk.campaigns
        ],
        held=None if desk.held is None else card_out(desk.held),
        call_backs=[card_out(one) for one in desk.call_backs],
    )


async def desk(ask: Ask[Nothing, Nothing]) -> CallingOut:
    """Campaigns to call through, whom one looks at, and promised call-backs."""
    return calling_out(await ask.services.calling.desk(ask.by, ask.now))


async def following(ask: Ask[Nothing, Nothing]) -> NextOut:
    """Keep the next customer for whoever asks, for as long as the campaign says."""
    found = await ask.services.calling.next(ask.by, ask.path["campaign_id"], ask.now)
    return NextOut(target=None if found is None else card_out(found))


async def leave(ask: Ask[Nothing, Nothing]) -> NextOut:
    """Look at nobody any more."""
    await ask.services.calling.leave(ask.by)
    return NextOut(target=None)


async def dial(ask: Ask[Nothing, Nothing]) -> DialedOut:
    """Ring one's own telephone, then the customer."""
    call_id = await ask.services.calling.dial(ask.by, ask.path["target_id"], ask.once, ask.now)
    await ask.services.audit.append(
        ask.entry(Action.CALL_DIALED, f"call:{call_id}", {"target": ask.path["target_id"]})
    )
    return DialedOut(call_id=call_id)


async def skip(ask: Ask[Nothing, SkipIn]) -> CallingCardOut:
    """Not this one now, with the reason."""
    entry = ask.entry(
        Action.CAMPAIGN_CHANGED, data={"target": ask.path["target_id"], "skipped": ask.body.reason}
    )
    return card_out(
        await ask.services.calling.skip(ask.by, ask.path["target_id"], ask.body.reason, ask.body.until, entry)
    )


async def call_back(ask: Ask[Nothing, CallBackIn]) -> CallingCardOut:
    """The customer is to be called back at a moment, by somebody or by anybody."""
    entry = ask.entry(Action.CAMPAIGN_CHANGED, data={"target": ask.path["target_id"]})
    new = NewCallBack(at=ask.body.at, agent_id=ask.body.agent_id or "", note=ask.body.note)
    return card_out(await ask.services.calling.call_back(ask.by, ask.path["target_id"], new, entry))


ROUTES: Final[tuple[Route, ...]] = (
    Route(
        method="GET",
        path="/api/v1/me/calling",
        summary="What the asker has to call by hand",
        needs=Permission.CAMPAIGNS_DIAL,
        json=desk,
        answer=CallingOut,
        errors=("no-such-phone",),
        tag="calling",
    ),
    Route(
        method="POST",
        path="/api/v1/campaigns/{campaign_id}/next",
        summary="The next customer to call by hand, kept for the asker for a while",
        needs=Permission.CAMPAIGNS_DIAL,
        json=following,
        answer=NextOut,
        errors=("campaign-not-found", "target-over", "no-such-phone"),
        tag="calling",
    ),
    Route(
        method="POST",
        path="/api/v1/me/calling/leave",
        summary="Look at nobody any more",
        needs=Permission.CAMPAIGNS_DIAL,
        json=leave,
        answer=NextOut,
        errors=("no-such-phone",),
        tag="calling",
    ),
    Route(
        method="POST",
        path=f"{_TARGET}/dial",
        summary="Ring the asker's telephone, then the customer",
        needs=Permission.CAMPAIGNS_DIAL,
        json=dial,
        answer=DialedOut,
        status=202,
        once=True,
        errors=(*_REFUSALS, "contact-refused", "dial-refused", "too-many-calls", "switch-unavailable"),
        tag="calling",
    ),
    Route(
        method="POST",
        path=f"{_TARGET}/skip",
        summary="Not this one now",
        needs=Permission.CAMPAIGNS_DIAL,
        json=skip,
        body=SkipIn,
        answer=CallingCardOut,
        errors=(*_REFUSALS, "bad-campaign"),
        tag="calling",
    ),
    Route(
        method="POST",
        path=f"{_TARGET}/call-back",
        summary="Promise to call back at a moment",
        needs=Permission.CAMPAIGNS_DIAL,
        json=call_back,
        body=CallBackIn,
        answer=CallingCardOut,
        errors=(*_REFUSALS, "bad-campaign"),
        tag="calling",
    ),
)
