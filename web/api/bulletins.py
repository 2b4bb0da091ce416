"""Bulletins: what managers tell those who take calls; shown on the idle desk, marked read there."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import AwareDatetime, Field, StringConstraints

from access.audit import Action
from access.permissions import Permission
from crm.bulletins import LONGEST, Board, Bulletin, BulletinState, Reader
from web.api.shapes import Cursor, Size
from web.routes import Ask, Nothing, Route, Shape

Words = Annotated[str, StringConstraints(strip_whitespace=True, max_length=LONGEST)]


class BulletinsQuery(Shape):
    state: BulletinState | None = Field(None, description="null: all; agents get shown ones only")
    cursor: Cursor | None = None
    limit: Size = 50


class BulletinOut(Shape):
    id: str
    words: dict[str, str] = Field(description="language to words")
    state: BulletinState
    begins_at: datetime
    ends_at: datetime
    version: int
    written_by_name: str
    created_at: datetime
    changed_by_name: str
    changed_at: datetime
    withdrawn_at: datetime | None


class BoardOut(BulletinOut):
    read_at: datetime | None = Field(description="when the asker read these words")
    read: int = Field(description="how many have read them; 0 for who may not write")
    readers: int = Field(description="how many they are for")


class BulletinsOut(Shape):
    items: list[BoardOut]
    next: str | None


class ReaderOut(Shape):
    user_id: str
    name: str
    read_at: datetime | None


class WholeBulletinOut(BulletinOut):
    readers: list[ReaderOut] = Field(description="who has not read it first")


class BulletinIn(Shape):
    zh: Words = ""
    en: Words = ""
    begins_at: AwareDatetime | None = Field(None, description="null: now")
    ends_at: AwareDatetime


class BulletinChangeIn(BulletinIn):
    based_on: int = Field(ge=1, description="the version that was read")


class BasedOn(Shape):
    based_on: int = Field(ge=1, description="the version that was read")


class ReadIn(Shape):
    version: int = Field(ge=1, description="the version that was read")


class ReadOut(Shape):
    read_at: datetime


def _out(one: Bulletin, now: datetime) -> dict[str, object]:
    own = {name: getattr(one, name) for name in BulletinOut.model_fields if name not in ("state", "words")}
    return {**own, "words": dict(one.words), "state": one.state(now)}


def board_out(one: Board, now: datetime) -> BoardOut:
    """As the API shows it in a list."""
    return BoardOut.model_validate(
        {**_out(one.bulletin, now), "read_at": one.read_at, "read": one.read, "readers": one.readers}
    )


def _whole(one: Bulletin, readers: list[Reader], now: datetime) -> WholeBulletinOut:
    told = [{"user_id": who.user_id, "name": who.name, "read_at": who.read_at} for who in readers]
    return WholeBulletinOut.model_validate({**_out(one, now), "readers": told})


async def list_bulletins(ask: Ask[BulletinsQuery, Nothing]) -> BulletinsOut:
    """Bulletins by their end, the latest first."""
    query = ask.query
    page = await ask.services.bulletins.list(
        ask.by, state=query.state, now=ask.now, cursor=query.cursor, limit=query.limit
    )
    return BulletinsOut(items=[board_out(one, ask.now) for one in page.items], next=page.next)


async def get_bulletin(ask: Ask[Nothing, Nothing]) -> WholeBulletinOut:
    """One, with who has read it."""
    found, readers = await ask.services.bulletins.get(ask.by, ask.path["bulletin_id"])
    return _whole(found, list(readers), ask.now)


async def add_bulletin(ask: Ask[Nothing, BulletinIn]) -> WholeBulletinOut:
    """Tell those who take calls something."""
    return await _write(ask, None, 0, ask.body)


async def change_bulletin(ask: Ask[Nothing, BulletinChangeIn]) -> WholeBulletinOut:
    """Other words are to be read again; another time alone is not."""
    return await _write(ask, ask.path["bulletin_id"], ask.body.based_on, ask.body)


async def _write(
    ask: Ask[Nothing, BulletinIn] | Ask[Nothing, BulletinChangeIn],
    bulletin_id: str | None,
    based_on: int,
    body: BulletinIn,
) -> WholeBulletinOut:
    made = await ask.services.bulletins.write(
        ask.by,
        bulletin_id,
        based_on=based_on,
        words={"zh-CN": body.zh, "en": body.en},
        begins_at=body.begins_at or ask.now,
        ends_at=body.ends_at,
        entry=ask.entry(Action.BULLETIN_CHANGED),
    )
    found, readers = await ask.services.bulletins.get(ask.by, made.id)
    return _whole(found, list(readers), ask.now)


async def withdraw_bulletin(ask: Ask[Nothing, BasedOn]) -> WholeBulletinOut:
    """Show it no more."""
    bulletin_id = ask.path["bulletin_id"]
    entry = ask.entry(Action.BULLETIN_CHANGED, f"bulletin:{bulletin_id}", {"state": "withdrawn"})
    await ask.services.bulletins.withdraw(ask.by, bulletin_id, based_on=ask.body.based_on, entry=entry)
    found, readers = await ask.services.bulletins.get(ask.by, bulletin_id)
    return _whole(found, list(readers), ask.now)


async def mark_read(ask: Ask[Nothing, ReadIn]) -> ReadOut:
    """The asker has read it, in the words that were shown."""
    await ask.services.bulletins.mark_read(ask.by, ask.path["bulletin_id"], ask.body.version, ask.now)
    return ReadOut(read_at=ask.now)


ROUTES = (
    Route(
        method="GET",
        path="/api/v1/bulletins",
        summary="List bulletins",
        needs=Permission.BULLETINS_READ,
        json=list_bulletins,
        query=BulletinsQuery,
        answer=BulletinsOut,
        errors=("bad-cursor",),
        tag="bulletins",
    ),
    Route(
        method="POST",
        path="/api/v1/bulletins",
        summary="Tell those who take calls something",
        needs=Permission.BULLETINS_WRITE,
        json=add_bulletin,
        body=BulletinIn,
        answer=WholeBulletinOut,
        status=201,
        errors=("bad-bulletin",),
        tag="bulletins",
    ),
    Route(
        method="GET",
        path="/api/v1/bulletins/{bulletin_id}",
        summary="One bulletin, with who has read it",
        needs=Permission.BULLETINS_WRITE,
        json=get_bulletin,
        answer=WholeBulletinOut,
        errors=("bulletin-not-found",),
        tag="bulletins",
    ),
    Route(
        method="POST",
        path="/api/v1/bulletins/{bulletin_id}",
        summary="Change a bulletin",
        needs=Permission.BULLETINS_WRITE,
        json=change_bulletin,
        body=BulletinChangeIn,
        answer=WholeBulletinOut,
        errors=("bulletin-not-found", "bulletin-changed", "bad-bulletin"),
        tag="bulletins",
    ),
    Route(
        method="POST",
        path="/api/v1/bulletins/{bulletin_id}/withdraw",
        summary="Show a bulletin no more",
        needs=Permission.BULLETINS_WRITE,
        json=withdraw_bulletin,
        body=BasedOn,
        answer=WholeBulletinOut,
        errors=("bulletin-not-found", "bulletin-changed"),
        tag="bulletins",
    ),
    Route(
        method="POST",
        path="/api/v1/bulletins/{bulletin_id}/read",
        summary="Mark a bulletin as read",
        needs=Permission.BULLETINS_READ,
        json=mark_read,
        body=ReadIn,
        answer=ReadOut,
        errors=("bulletin-not-found", "bulletin-changed"),
        tag="bulletins",
    ),
)
