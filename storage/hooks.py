"""Subscriptions of other systems, and the log of what they were told."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, RowMapping, delete, func, insert, select, update

from access.permissions import GRANTS, Permission, Role
from access.sentences import Sentence
from access.users import Principal
from crm.hooks.errors import DeliveryNotFound, HookNotFound, HookOff, TooManyHooks
from crm.hooks.events import Event, masked
from crm.hooks.retries import Why
from crm.hooks.subscriptions import (
    Delivery,
    DeliveryDetail,
    DeliveryPage,
    DeliveryState,
    Hook,
    Right,
    Try,
    owner_of,
)
from storage.outgoing import tell
from storage.tables.access import tokens, users
from storage.tables.hooks import deliveries, delivery_tries, happenings, hooks
from telephony.call_lists import BadCursor

#: The old secret signs beside a new one for so long.
CHANGE_OVER: Final = timedelta(hours=24)


def right_of_role(role: Role) -> Right:
    """What somebody of this role may send."""
    grants = GRANTS.get(role, frozenset())
    return Right(
        may=Permission.HOOKS_WRITE in grants,
        numbers=Permission.NUMBERS_FULL in grants,
        names=Permission.NAMES_FULL in grants,
    )


def right_of(connection: Connection, owner: str, now: datetime) -> Right:
    """What the owner of a subscription may send now: nothing once disabled, revoked, or of a lesser role."""
    kind, _, id = owner.partition(":")
    if kind == "user":
        role = connection.execute(
            select(users.c.role).where(users.c.id == id, users.c.active.is_(True))
        ).scalar_one_or_none()
    else:
        role = connection.execute(
            select(tokens.c.role)
            .outerjoin(users, users.c.id == tokens.c.user_id)
            .where(
                tokens.c.id == id,
                tokens.c.revoked_at.is_(None),
                tokens.c.expires_at.is_(None) | (tokens.c.expires_at > now),
                tokens.c.user_id.is_(None) | users.c.active.is_(True),
            )
        ).scalar_one_or_none()
    return Right() if role is None else right_of_role(Role(role))


def hook_from(row: RowMapping, waiting: int = 0) -> Hook:
    """The value of a row."""
    known = {event.value for event in Event}
    return Hook(
        id=row["id"],
        name=row["name"],
        url=row["url"],
        events=tuple(Event(event) for event in row["events"] if event in known),
        language="en" if row["language"] == "en" else "zh-CN",
        active=row["active"],
        owner=row["owner"],
        owner_name=row["owner_name"],
        created_at=row["created_at"],
        changed_at=row["changed_at"],
        failures=row["failures"],
        failing_since=row["failing_since"],
        paused_until=row["paused_until"],
        disabled_at=row["disabled_at"],
        disabled_why=Why(row["disabled_why"]),
        waiting=waiting,
    )


def list_hooks(connection: Connection) -> list[Hook]:
    """Every subscription, the oldest first."""
    counted = connection.execute(
        select(deliveries.c.hook_id, func.count())
        .where(deliveries.c.state == DeliveryState.WAITING)
        .group_by(deliveries.c.hook_id)
    )
    waiting: dict[str, int] = {row[0]: row[1] for row in counted}
    rows = connection.execute(select(hooks).order_by(hooks.c.id)).mappings()
    return [hook_from(row, waiting.get(row["id"], 0)) for row in rows]


def get_hook(connection: Connection, hook_id: str) -> Hook:
    """One subscription. Raises HookNotFound."""
    row = connection.execute(select(hooks).where(hooks.c.id == hook_id)).mappings().one_or_none()
    if row is None:
        raise HookNotFound("There is no such subscription.")
    waiting = connection.execute(
        select(func.count())
        .select_from(deliveries)
        .where(deliveries.c.hook_id == hook_id, deliveries.c.state == DeliveryState.WAITING)
    ).scalar_one()
    return hook_from(row, waiting)


def add_hook(connection: Connection, hook: Hook, *, secret: str, most: int) -> Hook:
    """Add a subscription. Raises TooManyHooks."""
    if connection.execute(select(func.count()).select_from(hooks)).scalar_one() >= most:
        raise TooManyHooks(
            Sentence(
                "There are {most} subscriptions, as many as web.hooks.most allows. Nothing was added; delete one.",
                most=most,
            )
        )
    connection.execute(
        insert(hooks).values(
            id=hook.id,
            name=hook.name,
            url=hook.url,
            events=list(hook.events),
            language=hook.language,
            active=hook.active,
            secret=secret,
            owner=hook.owner,
            owner_name=hook.owner_name[:64],
            created_at=hook.created_at,
            changed_at=hook.changed_at,
            disabled_at=None if hook.active else hook.created_at,
        )
    )
    return hook


def change_hook(
    connection: Connection,
    hook_id: str,
    by: Principal,
    now: datetime,
    *,
    name: str | None = None,
    url: str | None = None,
    events: Sequence[Event] | None = None,
    language: str | None = None,
    active: bool | None = None,
) -> Hook:
    """Change what is given; who changes it answers for it from now on. Raises HookNotFound.

    Another address, or switching on, forgets earlier failures.
    """
    before = get_hook(connection, hook_id)
    values: dict[str, Any] = {
        "owner": owner_of(by),
        "owner_name": by.name[:64],
        "changed_at": now,
        **{
            key: value
            for key, value in (("name", name), ("url", url), ("language", language), ("active", active))
            if value is not None
        },
    }
    if events is not None:
        values["events"] = list(events)
    if active is False and before.active:
        values |= {"disabled_at": now, "disabled_why": Why.SWITCHED_OFF}
    if (active and not before.active) or (url is not None and url != before.url):
        values |= {"failures": 0, "failing_since": None, "paused_until": None}
    if active:
        values |= {"disabled_at": None, "disabled_why": Why.SWITCHED_OFF}
    connection.execute(update(hooks).where(hooks.c.id == hook_id).values(values))
    return get_hook(connection, hook_id)


def new_secret(connection: Connection, hook_id: str, secret: str, by: Principal, now: datetime) -> Hook:
    """Another secret; the old one signs beside it for a day. Raises HookNotFound."""
    get_hook(connection, hook_id)
    connection.execute(
        update(hooks)
        .where(hooks.c.id == hook_id)
        .values(
            old_secret=hooks.c.secret,
            old_until=now + CHANGE_OVER,
            secret=secret,
            owner=owner_of(by),
            owner_name=by.name[:64],
            changed_at=now,
        )
    )
    return get_hook(connection, hook_id)


def delete_hook(connection: Connection, hook_id: str) -> Hook:
    """Delete a subscription with its log. Raises HookNotFound."""
    hook = get_hook(connection, hook_id)
    numbers = select(deliveries.c.number).where(deliveries.c.hook_id == hook_id)
    connection.execute(delete(delivery_tries).where(delivery_tries.c.delivery_number.in_(numbers)))
    connection.execute(delete(deliveries).where(deliveries.c.hook_id == hook_id))
    connection.execute(delete(hooks).where(hooks.c.id == hook_id))
    return hook


def send_test(connection: Connection, hook_id: str, by: Principal, now: datetime) -> str:
    """Put a test event on its way; gives the delivery's id. Raises HookNotFound, HookOff."""
    hook = get_hook(connection, hook_id)
    _require_on(hook)
    happening = tell(
        connection,
        [hook_id],
        Event.HOOK_TEST,
        f"hook:{hook_id}",
        {"hook_id": hook_id, "asked_by": by.name},
        at=now,
    )
    return str(
        connection.execute(select(deliveries.c.id).where(deliveries.c.happening_id == happening)).scalar_one()
    )


def _require_on(hook: Hook) -> None:
    if not hook.active:
        raise HookOff("The subscription is switched off. Nothing was sent; switch it on first.")


# -- the log ------------------------------------------------------------------------------------------


def delivery_from(row: RowMapping) -> Delivery:
    """The value of a row."""
    state = DeliveryState(row["state"])
    return Delivery(
        id=row["id"],
        hook_id=row["hook_id"],
        event=row["event"],
        subject=row["subject"],
        at=row["at"],
        state=state,
        tries=row["tries"],
        next_at=row["next_at"] if state is DeliveryState.WAITING else None,
        done_at=row["done_at"],
        last_status=row["last_status"],
        last_error=row["last_error"],
    )


def list_deliveries(
    connection: Connection, hook_id: str, *, state: str | None, cursor: str | None, limit: int
) -> DeliveryPage:
    """What was sent or waits, newest first. Raises HookNotFound, BadCursor."""
    get_hook(connection, hook_id)
    statement = (
        select(deliveries)
        .where(deliveries.c.hook_id == hook_id)
        .order_by(deliveries.c.number.desc())
        .limit(limit + 1)
    )
    if state is not None:
        statement = statement.where(deliveries.c.state == state)
    if cursor is not None:
        if not cursor.isascii() or not cursor.isdecimal() or len(cursor) > 18:
            raise BadCursor("This place in the list cannot be read. Start from the first page.")
        statement = statement.where(deliveries.c.number < int(cursor))
    rows = connection.execute(statement).mappings().all()
    following = str(rows[limit - 1]["number"]) if len(rows) > limit else None
    return DeliveryPage(items=[delivery_from(row) for row in rows[:limit]], next=following)


def get_delivery(
    connection: Connection, delivery_id: str, viewer: Principal, now: datetime
) -> DeliveryDetail:
    """One delivery with its tries and its data, masked for both. Raises DeliveryNotFound."""
    row = (
        connection.execute(
            select(deliveries, happenings.c.data, hooks.c.owner)
            .join(happenings, happenings.c.id == deliveries.c.happening_id)
            .join(hooks, hooks.c.id == deliveries.c.hook_id)
            .where(deliveries.c.id == delivery_id)
        )
        .mappings()
        .one_or_none()
    )
    if row is None:
        raise DeliveryNotFound("There is no such delivery; old ones are deleted.")
    right = right_of(connection, row["owner"], now).narrowed(right_of_role(viewer.role))
    found = connection.execute(
        select(delivery_tries)
        .where(delivery_tries.c.delivery_number == row["number"])
        .order_by(delivery_tries.c["try"])
    ).mappings()
    return DeliveryDetail(
        delivery=delivery_from(row),
        event_id=row["happening_id"],
        data=masked(row["data"], numbers=right.numbers, names=right.names),
        tries=[
            Try(
                number=each["try"],
                at=each["at"],
                milliseconds=each["milliseconds"],
                status=each["status"],
                error=each["error"],
            )
            for each in found
        ],
    )


def replay(connection: Connection, delivery_id: str, now: datetime) -> Delivery:
    """Send a delivery again, under the same event id, also one that had arrived.

    One that still waits is tried at once, also where its address is left alone for a while. Raises
    DeliveryNotFound, HookOff (switched off, or nothing is left of it).
    """
    row = (
        connection.execute(select(deliveries).where(deliveries.c.id == delivery_id)).mappings().one_or_none()
    )
    if row is None:
        raise DeliveryNotFound("There is no such delivery; old ones are deleted.")
    _require_on(get_hook(connection, row["hook_id"]))
    if row["state"] == DeliveryState.CANCELLED:
        raise HookOff("The delivery was cancelled; nothing of it is left to send.")
    connection.execute(
        update(deliveries)
        .where(deliveries.c.id == delivery_id)
        .values(state=DeliveryState.WAITING, since=now, next_at=now, done_at=None)
    )
    connection.execute(update(hooks).where(hooks.c.id == row["hook_id"]).values(paused_until=None))
    after = connection.execute(select(deliveries).where(deliveries.c.id == delivery_id)).mappings().one()
    return delivery_from(after)


def troubled(connection: Connection) -> list[Hook]:
    """Subscriptions that were switched off by themselves, for the notice on the pages."""
    rows = connection.execute(
        select(hooks).where(hooks.c.active.is_(False), hooks.c.disabled_why != "").order_by(hooks.c.id)
    ).mappings()
    return [hook_from(row) for row in rows]
