"""The telephone in the page: its secret, which lasts as long as the session it was made for."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from sqlalchemy import Connection, Row, select, update

from storage.tables.access import users
from storage.tables.telephony import phones
from telephony.phones import Phone, PhoneKind


def _phone(row: Row[tuple[object, ...]]) -> Phone:
    return Phone(endpoint=row.endpoint, secret=row.secret, kind=PhoneKind(row.kind), owner_id=row.user_id)


def own_phones(connection: Connection, user_id: str) -> Sequence[Phone]:
    """The phones of an active user."""
    rows = connection.execute(
        select(phones)
        .join(users, users.c.id == phones.c.user_id)
        .where(phones.c.user_id == user_id, users.c.active.is_(True))
        .order_by(phones.c.kind, phones.c.endpoint)
    )
    return [_phone(row) for row in rows]


def renew(connection: Connection, user_id: str, kind: PhoneKind, now: datetime) -> Phone | None:
    """A new secret for the user's phone of this kind; None where he has none. The old one opens nothing any more."""
    for phone in own_phones(connection, user_id):
        if phone.kind is kind:
            secret = secrets.token_hex(20)
            connection.execute(
                update(phones).where(phones.c.endpoint == phone.endpoint).values(secret=secret, secret_at=now)
            )
            return replace(phone, secret=secret)
    return None


def sign_on(
    connection: Connection, user_id: str, *, since: datetime, now: datetime
) -> tuple[Phone, bool] | None:
    """The user's browser phone, and whether its secret is new; None where he has none.

    A secret older than the session it is asked for (`since`) is replaced, so that nobody registers with one
    that an earlier session was given.
    """
    row = connection.execute(
        select(phones)
        .join(users, users.c.id == phones.c.user_id)
        .where(
            phones.c.user_id == user_id,
            phones.c.kind == PhoneKind.BROWSER.value,
            users.c.active.is_(True),
        )
        .order_by(phones.c.endpoint)
        .limit(1)
        .with_for_update(of=phones)
    ).one_or_none()
    if row is None:
        return None
    if row.secret_at is not None and row.secret_at >= since:
        return _phone(row), False
    secret = secrets.token_hex(20)
    connection.execute(
        update(phones).where(phones.c.endpoint == row.endpoint).values(secret=secret, secret_at=now)
    )
    kept = _phone(row)
    return Phone(endpoint=kept.endpoint, secret=secret, kind=kept.kind, owner_id=kept.owner_id), True
