"""Webhooks out: who is told of what, and the log of what was sent (docs/webhooks.md)."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import Annotated

from pydantic import Field, StringConstraints

from access.audit import Action
from access.ids import new_id
from access.permissions import Permission
from crm.hooks.addresses import LONGEST_URL, check_url
from crm.hooks.events import UNASKED, Event
from crm.hooks.retries import Why
from crm.hooks.signing import make_secret
from crm.hooks.subscriptions import DeliveryState, Hook, Language, owner_of
from web.api.shapes import Cursor, Name, Size
from web.problems import Refused, Wrong
from web.refusals import VALUES, said
from web.routes import Ask, Nothing, Route, Shape

Url = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=LONGEST_URL)]
Events = Annotated[list[Event], Field(min_length=1, max_length=len(Event))]


class HookOut(Shape):
    """A subscription; its secret is never shown again."""

    id: str
    name: str
    url: str
    events: list[Event]
    language: Language = Field(description="of the sentence for people in every event")
    active: bool
    owner_name: str = Field(description="who changed it last; it sends what that one may see")
    created_at: datetime
    changed_at: datetime
    failures: int = Field(description="tries in a row that did not arrive")
    failing_since: datetime | None
    paused_until: datetime | None = Field(description="nothing is tried before this")
    disabled_at: datetime | None
    disabled_why: Why = Field(description="empty: somebody switched it off")
    waiting: int = Field(description="events that have not arrived yet")


class HooksOut(Shape):
    items: list[HookOut]


class NewHookIn(Shape):
    name: Name
    url: Url
    events: Events
    language: Language = "zh-CN"
    active: bool = True


class HookChangeIn(Shape):
    name: Name | None = None
    url: Url | None = None
    events: Events | None = None
    language: Language | None = None
    active: bool | None = None


class HookSecretOut(Shape):
    """Shown once."""

    hook: HookOut
    secret: str = Field(description="whsec_… as Standard Webhooks writes it")


class DeliveriesQuery(Shape):
    state: DeliveryState | None = None
    cursor: Cursor | None = None
    limit: Size = 50


class DeliveryOut(Shape):
    id: str
    hook_id: str
    event: str
    subject: str
    at: datetime
    state: DeliveryState
    tries: int
    next_at: datetime | None
    done_at: datetime | None
    last_status: int | None
    last_error: str


class DeliveriesOut(Shape):
    items: list[DeliveryOut]
    next: str | None


class TryOut(Shape):
    number: int
    at: datetime
    milliseconds: int
    status: int | None
    error: str = Field(description="empty: it arrived")


class DeliveryDetailOut(Shape):
    delivery: DeliveryOut
    event_id: str = Field(description="the header webhook-id, the same for every try")
    data: dict[str, object] = Field(description="as both the subscription's owner and the asker may see it")
    tries: list[TryOut]


class SentOut(Shape):
    delivery_id: str


async def list_hooks(ask: Ask[Nothing, Nothing]) -> HooksOut:
    """Every subscription."""
    return HooksOut(items=[HookOut.model_validate(hook) for hook in await ask.services.hooks.list()])


async def get_hook(ask: Ask[Nothing, Nothing]) -> HookOut:
    """One subscription."""
    return HookOut.model_validate(await ask.services.hooks.get(ask.path["hook_id"]))


def _asked(events: list[Event]) -> tuple[Event, ...]:
    if any(event in UNASKED for event in events):
        problem = Wrong(
            field="events",
            say=partial(
                said,
                error_id=VALUES,
                sentence="hook.test goes to who asks for it; nobody subscribes to it",
            ),
        )
        raise Refused(
            "bad-values", "Some values are not as they must be. Nothing was done.", errors=[problem]
        )
    return tuple(dict.fromkeys(events))


async def create_hook(ask: Ask[Nothing, NewHookIn]) -> HookSecretOut:
    """Add a subscription; its secret is given back once."""
    check_url(ask.body.url, ask.services.hooks.options.rules())
    hook = Hook(
        id=new_id(ask.now),
        name=ask.body.name,
        url=ask.body.url,
        events=_asked(ask.body.events),
        language=ask.body.language,
        active=ask.body.active,
        owner=owner_of(ask.by),
        owner_name=ask.by.name,
        created_at=ask.now,
        changed_at=ask.now,
    )
    secret = make_secret()
    entry = ask.entry(Action.HOOK_CREATED, f"hook:{hook.id}", {"url": hook.url})
    made = await ask.services.hooks.create(hook, secret, entry)
    return HookSecretOut(hook=HookOut.model_validate(made), secret=secret)


async def change_hook(ask: Ask[Nothing, HookChangeIn]) -> HookOut:
    """Change what is given; switching on forgets earlier failures."""
    hook_id, body = ask.path["hook_id"], ask.body
    if body.url is not None:
        check_url(body.url, ask.services.hooks.options.rules())
    entry = ask.entry(Action.HOOK_CHANGED, f"hook:{hook_id}", {"url": body.url, "active": body.active})
    hook = await ask.services.hooks.change(
        hook_id,
        ask.by,
        entry,
        name=body.name,
        url=body.url,
        events=None if body.events is None else _asked(body.events),
        language=body.language,
        active=body.active,
    )
    return HookOut.model_validate(hook)


async def new_secret(ask: Ask[Nothing, Nothing]) -> HookSecretOut:
    """Another secret, given back once; the old one signs beside it for 24 hours."""
    hook_id, secret = ask.path["hook_id"], make_secret()
    entry = ask.entry(Action.HOOK_CHANGED, f"hook:{hook_id}", {"secret": True})
    hook = await ask.services.hooks.new_secret(hook_id, secret, ask.by, entry)
    return HookSecretOut(hook=HookOut.model_validate(hook), secret=secret)


async def delete_hook(ask: Ask[Nothing, Nothing]) -> HookOut:
    """Delete a subscription and its log."""
    hook_id = ask.path["hook_id"]
    hook = await ask.services.hooks.delete(hook_id, ask.entry(Action.HOOK_DELETED, f"hook:{hook_id}"))
    return HookOut.model_validate(hook)


async def send_test(ask: Ask[Nothing, Nothing]) -> SentOut:
    """A test event is on its way; look at the delivery for what came of it."""
    hook_id = ask.path["hook_id"]
    entry = ask.entry(Action.HOOK_SENT, f"hook:{hook_id}", {"what": "test"})
    return SentOut(delivery_id=await ask.services.hooks.test(hook_id, ask.by, entry))


async def list_deliveries(ask: Ask[DeliveriesQuery, Nothing]) -> DeliveriesOut:
    """What was sent or waits, newest first."""
    query = ask.query
    page = await ask.services.hooks.deliveries(
        ask.path["hook_id"],
        state=query.state.value if query.state else None,
        cursor=query.cursor,
        limit=query.limit,
    )
    return DeliveriesOut(items=[DeliveryOut.model_validate(item) for item in page.items], next=page.next)


async def get_delivery(ask: Ask[Nothing, Nothing]) -> DeliveryDetailOut:
    """One delivery with its data and every try."""
    found = await ask.services.hooks.delivery(ask.path["delivery_id"], ask.by, ask.now)
    return DeliveryDetailOut(
        delivery=DeliveryOut.model_validate(found.delivery),
        event_id=found.event_id,
        data=dict(found.data),
        tries=[TryOut.model_validate(one) for one in found.tries],
    )


async def replay(ask: Ask[Nothing, Nothing]) -> DeliveryOut:
    """Send it again under the same event id, also where it had arrived."""
    delivery_id = ask.path["delivery_id"]
    entry = ask.entry(Action.HOOK_SENT, f"delivery:{delivery_id}", {"what": "replay"})
    return DeliveryOut.model_validate(await ask.services.hooks.replay(delivery_id, entry))


_HOOK = "/api/v1/hooks/{hook_id}"
_DELIVERY = "/api/v1/deliveries/{delivery_id}"

ROUTES = (
    Route(
        method="GET",
        path="/api/v1/hooks",
        summary="List webhook subscriptions",
        needs=Permission.HOOKS_WRITE,
        json=list_hooks,
        answer=HooksOut,
        tag="webhooks",
    ),
    Route(
        method="POST",
        path="/api/v1/hooks",
        summary="Add a webhook subscription",
        needs=Permission.HOOKS_WRITE,
        json=create_hook,
        body=NewHookIn,
        answer=HookSecretOut,
        status=201,
        errors=("url-refused", "too-many-hooks"),
        tag="webhooks",
    ),
    Route(
        method="GET",
        path=_HOOK,
        summary="One webhook subscription",
        needs=Permission.HOOKS_WRITE,
        json=get_hook,
        answer=HookOut,
        errors=("hook-not-found",),
        tag="webhooks",
    ),
    Route(
        method="PATCH",
        path=_HOOK,
        summary="Change a webhook subscription",
        needs=Permission.HOOKS_WRITE,
        json=change_hook,
        body=HookChangeIn,
        answer=HookOut,
        errors=("hook-not-found", "url-refused"),
        tag="webhooks",
    ),
    Route(
        method="DELETE",
        path=_HOOK,
        summary="Delete a webhook subscription and its log",
        needs=Permission.HOOKS_WRITE,
        json=delete_hook,
        answer=HookOut,
        errors=("hook-not-found",),
        tag="webhooks",
    ),
    Route(
        method="POST",
        path=f"{_HOOK}/secret",
        summary="New secret of a webhook subscription",
        needs=Permission.HOOKS_WRITE,
        json=new_secret,
        body=Nothing,
        answer=HookSecretOut,
        errors=("hook-not-found",),
        tag="webhooks",
    ),
    Route(
        method="POST",
        path=f"{_HOOK}/test",
        summary="Send a test event",
        needs=Permission.HOOKS_WRITE,
        json=send_test,
        body=Nothing,
        answer=SentOut,
        status=202,
        errors=("hook-not-found", "hook-off"),
        tag="webhooks",
    ),
    Route(
        method="GET",
        path=f"{_HOOK}/deliveries",
        summary="What was sent to a subscription",
        needs=Permission.HOOKS_WRITE,
        json=list_deliveries,
        query=DeliveriesQuery,
        answer=DeliveriesOut,
        errors=("hook-not-found", "bad-cursor"),
        tag="webhooks",
    ),
    Route(
        method="GET",
        path=_DELIVERY,
        summary="One delivery with every try",
        needs=Permission.HOOKS_WRITE,
        json=get_delivery,
        answer=DeliveryDetailOut,
        errors=("delivery-not-found",),
        tag="webhooks",
    ),
    Route(
        method="POST",
        path=f"{_DELIVERY}/replay",
        summary="Send a delivery again",
        needs=Permission.HOOKS_WRITE,
        json=replay,
        body=Nothing,
        answer=DeliveryOut,
        status=202,
        errors=("delivery-not-found", "hook-off"),
        tag="webhooks",
    ),
)
