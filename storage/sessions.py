"""Sessions of browsers: rows and their mapping to values."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, RowMapping, Select, insert, select, update

from access.permissions import Role
from access.sessions import Pending, Session, SessionEnd
from access.users import User
from storage.tables.access import sessions, users
from storage.tables.corrections import department_users

#: `seen_at` is written this often at most, so that reading pages does not write.
SEEN_EVERY = timedelta(minutes=1)


def insert_session(connection: Connection, session: Session) -> None:
    """Add a session."""
    connection.execute(
        insert(sessions).values(
            id=session.id,
            user_id=session.user.id,
            csrf=session.csrf,
            address=session.address,
            created_at=session.created_at,
            seen_at=session.seen_at,
            browser=session.browser[:64],
            pending=session.pending,
        )
    )


def find_session(connection: Connection, session_id: str) -> Session | None:
    """The session and its user as they are now, or None."""
    statement = _with_users().where(sessions.c.id == session_id)
    row = connection.execute(statement).mappings().one_or_none()
    return None if row is None else _session_from(row)


def open_sessions_of(
    connection: Connection, user_id: str, *, now: datetime, idle: timedelta, longest: timedelta
) -> list[Session]:
    """The user's sessions that still count, last used first."""
    statement = (
        _with_users()
        .where(
            sessions.c.user_id == user_id,
            sessions.c.ended_at.is_(None),
            sessions.c.created_at > now - longest,
            sessions.c.seen_at > now - idle,
            sessions.c.pending != Pending.CODE,
        )
        .order_by(sessions.c.seen_at.desc(), sessions.c.id)
    )
    return [_session_from(row) for row in connection.execute(statement).mappings()]


def _with_users() -> Select[Any]:
    return (
        select(sessions, users, department_users.c.department)
        .join(users, users.c.id == sessions.c.user_id)
        .outerjoin(department_users, department_users.c.user_id == users.c.id)
    )


def _session_from(row: RowMapping) -> Session:
    return Session(
        id=row[sessions.c.id],
        csrf=row[sessions.c.csrf],
        address=row[sessions.c.address],
        created_at=row[sessions.c.created_at],
        seen_at=row[sessions.c.seen_at],
        ended_at=row[sessions.c.ended_at],
        browser=row[sessions.c.browser],
        pending=Pending(row[sessions.c.pending]),
        user=User(
            id=row[users.c.id],
            login=row[users.c.login],
            name=row[users.c.name],
            role=Role(row[users.c.role]),
            language=row[users.c.language],
            theme=row[users.c.theme],
            created_at=row[users.c.created_at],
            disabled_at=row[users.c.disabled_at],
            password_changed_at=row[users.c.password_changed_at],
            must_change=row[users.c.must_change],
            department=row[department_users.c.department] or "",
        ),
    )


def touch_session(connection: Connection, session_id: str, *, now: datetime) -> None:
    """Note that the session was used."""
    connection.execute(
        update(sessions)
        .where(sessions.c.id == session_id, sessions.c.seen_at < now - SEEN_EVERY)
        .values(seen_at=now)
    )


def end_session(connection: Connection, session_id: str, *, now: datetime, why: SessionEnd) -> None:
    """End one session; ending it again changes nothing."""
    connection.execute(
        update(sessions)
        .where(sessions.c.id == session_id, sessions.c.ended_at.is_(None))
        .values(ended_at=now, ended_why=why)
    )


def end_sessions_of(
    connection: Connection, user_id: str, *, now: datetime, why: SessionEnd, but: str = ""
) -> None:
    """End every session of a user except `but`."""
    connection.execute(
        update(sessions)
        .where(sessions.c.user_id == user_id, sessions.c.ended_at.is_(None), sessions.c.id != but)
        .values(ended_at=now, ended_why=why)
    )


def end_session_of(
    connection: Connection, user_id: str, session_id: str, *, now: datetime, why: SessionEnd
) -> bool:
    """End one session if it is this user's and open. False where it is not."""
    ended = (
        update(sessions)
        .where(sessions.c.id == session_id, sessions.c.user_id == user_id, sessions.c.ended_at.is_(None))
        .values(ended_at=now, ended_why=why)
    )
    return connection.execute(ended).rowcount == 1


def live_sessions(
    connection: Connection, ids: Collection[str], *, now: datetime, longest: timedelta
) -> set[str]:
    """Which of these sessions are still open, of users who may still sign in.

    Idleness is not asked: an open page is use.
    """
    if not ids:
        return set()
    statement = (
        select(sessions.c.id)
        .join(users, users.c.id == sessions.c.user_id)
        .where(
            sessions.c.id.in_(ids),
            sessions.c.ended_at.is_(None),
            sessions.c.created_at > now - longest,
            sessions.c.pending != Pending.CODE,
            users.c.active.is_(True),
        )
    )
    return set(connection.execute(statement).scalars())
