"""API tokens: rows and their mapping to values. Only the hash of a token is stored."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta

from sqlalchemy import Connection, RowMapping, insert, or_, select, update

from access.permissions import GRANTS, Role
from access.tokens import Token
from access.users import TokenNotFound
from storage.tables.access import tokens, users

#: `used_at` is written this often at most.
USED_EVERY = timedelta(minutes=1)


def _token(row: RowMapping) -> Token:
    return Token(
        id=row[tokens.c.id],
        name=row[tokens.c.name],
        role=Role(row[tokens.c.role]),
        created_at=row[tokens.c.created_at],
        created_by=row[tokens.c.created_by],
        user_id=row[tokens.c.user_id],
        expires_at=row[tokens.c.expires_at],
        revoked_at=row[tokens.c.revoked_at],
        used_at=row[tokens.c.used_at],
    )


def insert_token(connection: Connection, token: Token, *, secret_hash: str) -> None:
    """Add a token."""
    connection.execute(
        insert(tokens).values(
            id=token.id,
            hash=secret_hash,
            name=token.name,
            role=token.role,
            user_id=token.user_id,
            created_at=token.created_at,
            created_by=token.created_by,
            expires_at=token.expires_at,
        )
    )


def find_token(connection: Connection, secret_hash: str) -> Token | None:
    """The token with this hash, or None; also None where its user is disabled."""
    statement = (
        select(tokens)
        .outerjoin(users, users.c.id == tokens.c.user_id)
        .where(tokens.c.hash == secret_hash, or_(tokens.c.user_id.is_(None), users.c.active.is_(True)))
    )
    row = connection.execute(statement).mappings().one_or_none()
    return None if row is None else _token(row)


def list_tokens(connection: Connection) -> list[Token]:
    """Every token, newest first."""
    return [_token(row) for row in connection.execute(select(tokens).order_by(tokens.c.id.desc())).mappings()]


def revoke_token(connection: Connection, token_id: str, *, now: datetime) -> Token:
    """The token opens nothing any more. Raises TokenNotFound. Revoking again changes nothing."""
    connection.execute(
        update(tokens).where(tokens.c.id == token_id, tokens.c.revoked_at.is_(None)).values(revoked_at=now)
    )
    row = connection.execute(select(tokens).where(tokens.c.id == token_id)).mappings().one_or_none()
    if row is None:
        raise TokenNotFound("There is no such token.")
    return _token(row)


def revoke_beyond(connection: Connection, user_id: str, role: Role, *, now: datetime) -> None:
    """Revoke the user's tokens that may do something `role` may not: a lesser role must not act through them."""
    beyond = [each for each in Role if not GRANTS.get(each, frozenset()) <= GRANTS.get(role, frozenset())]
    connection.execute(
        update(tokens)
        .where(tokens.c.user_id == user_id, tokens.c.role.in_(beyond), tokens.c.revoked_at.is_(None))
        .values(revoked_at=now)
    )


def touch_token(connection: Connection, token_id: str, *, now: datetime) -> None:
    """Note that the token was used."""
    connection.execute(
        update(tokens)
        .where(tokens.c.id == token_id, or_(tokens.c.used_at.is_(None), tokens.c.used_at < now - USED_EVERY))
        .values(used_at=now)
    )


def live_tokens(connection: Connection, ids: Collection[str], *, now: datetime) -> set[str]:
    """Which of these tokens still open something."""
    if not ids:
        return set()
    statement = (
        select(tokens.c.id)
        .outerjoin(users, users.c.id == tokens.c.user_id)
        .where(
            tokens.c.id.in_(ids),
            tokens.c.revoked_at.is_(None),
            or_(tokens.c.expires_at.is_(None), tokens.c.expires_at > now),
            or_(tokens.c.user_id.is_(None), users.c.active.is_(True)),
        )
    )
    return set(connection.execute(statement).scalars())
