"""The telephone in the page: what it registers with, and the call it comes back to after a reload."""

from __future__ import annotations

from typing import Any, Final, Literal

from pydantic import Field

from access.audit import Action
from access.permissions import Permission
from telephony.phones import PhoneKind
from web.phone import phones_of
from web.problems import Refused
from web.routes import Ask, Nothing, Reply, Route, Shape


class IceServerOut(Shape):
    urls: list[str]
    username: str = ""
    credential: str = ""


class PhoneOut(Shape):
    """Never kept: the answer is no-store, and the secret ends with the session."""

    url: str = Field(description="path of the WebSocket at this address")
    direct_url: str = Field(description="Asterisk's own WebSocket, while the service is away; empty: none")
    user: str = Field(description="SIP user and authentication user")
    secret: str
    fresh: bool = Field(description="the switch learns the secret within seconds: try again when it refuses")
    ice: list[IceServerOut]
    auto_answer: bool
    reload_seconds: int


class OwnPhoneOut(Shape):
    endpoint: str = Field(description="what POST …/sign-in takes as phone")
    kind: Literal["browser", "desk"]
    chosen: bool = Field(description="this one rings when you are signed in")


class OwnPhonesOut(Shape):
    items: list[OwnPhoneOut]


class PhoneSecretOut(Shape):
    user: str = Field(description="name the telephone registers under")
    secret: str = Field(description="shown only now")


class BackOut(Shape):
    call_id: str | None = Field(description="the call that waited for this page; null: none")
    held: bool = Field(description="the customer was on hold before and still is")


class PhoneKindIn(Shape):
    kind: Literal["browser", "desk"]


def _person(ask: Ask[Any, Any]) -> str:
    if ask.by.user_id is None:
        raise Refused("no-own-user", "This token belongs to no user.")
    return ask.by.user_id


async def _own(ask: Ask[Any, Any]) -> OwnPhonesOut:
    return await _of(ask, _person(ask))


async def _of(ask: Ask[Any, Any], user_id: str) -> OwnPhonesOut:
    found = await phones_of(ask.services).own(user_id)
    items = [OwnPhoneOut(endpoint=one.endpoint, kind=one.kind.value, chosen=one.chosen) for one in found]
    return OwnPhonesOut(items=items)


async def own_phones(ask: Ask[Nothing, Nothing]) -> OwnPhonesOut:
    """The signed-in user's telephones."""
    return await _own(ask)


async def use_phone(ask: Ask[Nothing, PhoneKindIn]) -> OwnPhonesOut:
    """Another of my telephones rings from now on."""
    user_id = _person(ask)
    written = ask.entry(Action.AGENT_CHANGED, f"user:{user_id}", {"phone": ask.body.kind})
    await phones_of(ask.services).use(user_id, PhoneKind(ask.body.kind), written)
    return await _own(ask)


async def phones_of_user(ask: Ask[Nothing, Nothing]) -> OwnPhonesOut:
    """Somebody's telephones."""
    return await _of(ask, (await ask.services.users.get(ask.path["user_id"])).id)


async def use_phone_of_user(ask: Ask[Nothing, PhoneKindIn]) -> OwnPhonesOut:
    """Another of his telephones rings from now on."""
    user_id = (await ask.services.users.get(ask.path["user_id"])).id
    written = ask.entry(Action.AGENT_CHANGED, f"user:{user_id}", {"phone": ask.body.kind})
    await phones_of(ask.services).use(user_id, PhoneKind(ask.body.kind), written)
    return await _of(ask, user_id)


async def renew_phone(ask: Ask[Nothing, Nothing]) -> Reply:
    """What the telephone on somebody's desk is set up with; the secret before opens nothing any more."""
    user_id = (await ask.services.users.get(ask.path["user_id"])).id
    written = ask.entry(Action.PASSWORD_SET, f"user:{user_id}", {"phone": PhoneKind.DESK.value})
    key = await phones_of(ask.services).renew(user_id, PhoneKind.DESK, written)
    return Reply(
        body=PhoneSecretOut(user=key.endpoint, secret=key.secret), headers={"Cache-Control": "no-store"}
    )


async def sign_on(ask: Ask[Nothing, Nothing]) -> Reply:
    """What the page's telephone registers with."""
    _person(ask)
    if ask.signed.session is None:
        raise Refused("not-allowed", "Only the page of somebody who is signed in has a telephone.")
    phones = phones_of(ask.services)
    written = ask.entry(Action.PHONE_SIGNED_ON, f"user:{ask.by.user_id}")
    key = await phones.sign_on(ask.by, ask.signed.session.created_at, written)
    offer = phones.offer
    return Reply(
        body=PhoneOut(
            url="/phone/ws",
            direct_url=offer.direct_url,
            user=key.endpoint,
            secret=key.secret,
            fresh=key.fresh,
            ice=[IceServerOut.model_validate(one) for one in offer.ice],
            auto_answer=offer.auto_answer,
            reload_seconds=offer.reload_seconds,
        ),
        headers={"Cache-Control": "no-store"},
    )


async def back(ask: Ask[Nothing, Nothing]) -> BackOut:
    """The page is registered: whoever waits for it is rung through."""
    found = await phones_of(ask.services).back(_person(ask))
    if found is None:
        return BackOut(call_id=None, held=False)
    return BackOut(call_id=found.call_id, held=found.held)


ROUTES: Final = (
    Route(
        method="GET",
        path="/api/v1/users/{user_id}/phones",
        summary="Somebody's telephones",
        needs=Permission.USERS_READ,
        json=phones_of_user,
        answer=OwnPhonesOut,
        errors=("not-found", "user-not-found"),
        tag="users",
    ),
    Route(
        method="POST",
        path="/api/v1/users/{user_id}/phones",
        summary="Which of somebody's telephones rings",
        needs=Permission.USERS_WRITE,
        json=use_phone_of_user,
        body=PhoneKindIn,
        answer=OwnPhonesOut,
        errors=("not-found", "user-not-found", "no-such-phone", "agent-step-refused"),
        tag="users",
    ),
    Route(
        method="POST",
        path="/api/v1/users/{user_id}/phones/secret",
        summary="A new secret for the telephone on somebody's desk",
        needs=Permission.USERS_WRITE,
        json=renew_phone,
        body=Nothing,
        answer=PhoneSecretOut,
        errors=("not-found", "user-not-found", "no-such-phone"),
        tag="users",
    ),
    Route(
        method="GET",
        path="/api/v1/desk/phones",
        summary="My telephones",
        needs=Permission.DESK_SELF,
        json=own_phones,
        answer=OwnPhonesOut,
        errors=(
            "not-found",
            "no-own-user",
        ),
        tag="desk",
    ),
    Route(
        method="POST",
        path="/api/v1/desk/phones",
        summary="Choose which of my telephones rings; not in a call",
        needs=Permission.DESK_SELF,
        json=use_phone,
        body=PhoneKindIn,
        answer=OwnPhonesOut,
        errors=("not-found", "no-own-user", "no-such-phone", "no-such-agent", "agent-step-refused"),
        tag="desk",
    ),
    Route(
        method="POST",
        path="/api/v1/desk/phone",
        summary="Sign the telephone in the page on; only for a browser's session",
        needs=Permission.DESK_SELF,
        json=sign_on,
        body=Nothing,
        answer=PhoneOut,
        errors=("not-found", "no-such-phone", "no-own-user"),
        tag="desk",
    ),
    Route(
        method="POST",
        path="/api/v1/desk/phone/back",
        summary="The telephone in the page is registered again: take the call back that waits for it",
        needs=Permission.DESK_SELF,
        json=back,
        body=Nothing,
        answer=BackOut,
        errors=(
            "not-found",
            "no-own-user",
            "switch-unavailable",
            "switch-action-refused",
            "switch-action-unknown",
        ),
        tag="desk",
    ),
)
