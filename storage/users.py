"""Users: rows and their mapping to values."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, RowMapping, Select, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from access.permissions import Role
from access.sentences import Sentence
from access.sessions import SessionEnd
from access.users import Language, LastAdmin, LoginTaken, Theme, User, UserNotFound
from storage import sessions, tokens
from storage.tables.access import users
from storage.tables.corrections import department_users


def _query() -> Select[Any]:
    """Users with their department."""
    return select(users, department_users.c.department).outerjoin(
        department_users, department_users.c.user_id == users.c.id
    )


def user_from(row: RowMapping) -> User:
    """The value of a row that holds every column of `users`, and the department."""
    return User(
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
    )


def insert_user(connection: Connection, user: User, *, password_hash: str) -> None:
    """Add a user. Raises LoginTaken, also for the login of a disabled user."""
    try:
        with connection.begin_nested():
            connection.execute(
                insert(users).values(
                    id=user.id,
                    login=user.login,
                    name=user.name,
                    role=user.role,
                    language=user.language,
                    theme=user.theme,
                    password_hash=password_hash,
                    password_changed_at=user.created_at,
                    must_change=user.must_change,
                    active=user.is_enabled,
                    disabled_at=user.disabled_at,
                    created_at=user.created_at,
                )
            )
    except IntegrityError as error:
        raise LoginTaken(
            Sentence("The login {login} is taken. Nothing was changed; choose another.", login=user.login)
        ) from error
    set_department(connection, user.id, user.department)


def set_department(connection: Connection, user_id: str, department: str) -> None:
    """The user's department from now on; empty: none."""
    connection.execute(delete(department_users).where(department_users.c.user_id == user_id))
    if department:
        connection.execute(insert(department_users).values(user_id=user_id, department=department))


def get_user(connection: Connection, user_id: str) -> User:
    """One user. Raises UserNotFound."""
    row = connection.execute(_query().where(users.c.id == user_id)).mappings().one_or_none()
    if row is None:
        raise UserNotFound("There is no such user.")
    return user_from(row)


def find_by_login(connection: Connection, login: str) -> User:
    """One user by the cleaned login. Raises UserNotFound."""
    row = connection.execute(_query().where(users.c.login == login)).mappings().one_or_none()
    if row is None:
        raise UserNotFound(Sentence("There is no user with the login {login}.", login=login))
    return user_from(row)


def password_of(connection: Connection, login: str) -> tuple[User, str] | None:
    """The user with this login and the stored hash, or None."""
    row = connection.execute(_query().where(users.c.login == login)).mappings().one_or_none()
    return None if row is None else (user_from(row), row[users.c.password_hash])


def list_users(connection: Connection, *, include_disabled: bool = True) -> list[User]:
    """Every user, by login."""
    statement = _query().order_by(users.c.login)
    if not include_disabled:
        statement = statement.where(users.c.active.is_(True))
    return [user_from(row) for row in connection.execute(statement).mappings()]


def user_names(connection: Connection) -> Mapping[str, str]:
    """Id to name, of everybody who ever was a user."""
    return {row.id: row.name for row in connection.execute(select(users.c.id, users.c.name))}


def change_user(
    connection: Connection,
    user_id: str,
    *,
    now: datetime,
    name: str | None = None,
    role: Role | None = None,
    language: Language | None = None,
    theme: Theme | None = None,
    department: str | None = None,
) -> User:
    """Change what is given; an empty department takes it away.

    Another role ends the user's sessions, and tokens that may more than it.

    Raises UserNotFound, LastAdmin.
    """
    before = get_user(connection, user_id)
    if role is not None and role is not before.role:
        _keep_an_admin(connection, before)
        sessions.end_sessions_of(connection, user_id, now=now, why=SessionEnd.ROLE_CHANGED)
        tokens.revoke_beyond(connection, user_id, role, now=now)
    wanted = {"name": name, "role": role, "language": language, "theme": theme}
    values = {column: value for column, value in wanted.items() if value is not None}
    if values:
        connection.execute(update(users).where(users.c.id == user_id).values(values))
    if department is not None and department != before.department:
        set_department(connection, user_id, department)
    return get_user(connection, user_id)


def disable_user(connection: Connection, user_id: str, *, now: datetime) -> User:
    """The user may not sign in any more and every session ends, in the same transaction.

    Raises UserNotFound, LastAdmin. Disabling again changes nothing.
    """
    before = get_user(connection, user_id)
    if not before.is_enabled:
        return before
    _keep_an_admin(connection, before)
    connection.execute(update(users).where(users.c.id == user_id).values(active=False, disabled_at=now))
    sessions.end_sessions_of(connection, user_id, now=now, why=SessionEnd.DISABLED)
    return get_user(connection, user_id)


def enable_user(connection: Connection, user_id: str) -> User:
    """The user may sign in again. Raises UserNotFound."""
    get_user(connection, user_id)
    connection.execute(update(users).where(users.c.id == user_id).values(active=True, disabled_at=None))
    return get_user(connection, user_id)


def set_password(
    connection: Connection,
    user_id: str,
    *,
    password_hash: str,
    now: datetime,
    keep_session: str = "",
    must_change: bool = False,
) -> None:
    """Store a new hash and end the user's other sessions. Raises UserNotFound.

    `must_change`: somebody else set it, so the user chooses another before anything else.
    """
    get_user(connection, user_id)
    connection.execute(
        update(users)
        .where(users.c.id == user_id)
        .values(password_hash=password_hash, password_changed_at=now, must_change=must_change)
    )
    sessions.end_sessions_of(connection, user_id, now=now, why=SessionEnd.PASSWORD_CHANGED, but=keep_session)


def _keep_an_admin(connection: Connection, user: User) -> None:
    if user.role is not Role.ADMIN or not user.is_enabled:
        return
    # The lock makes two such changes take turns on PostgreSQL; SQLite has one writer anyway.
    admins = select(users.c.id).where(users.c.role == Role.ADMIN, users.c.active.is_(True)).with_for_update()
    if len(connection.execute(admins).all()) <= 1:
        raise LastAdmin("This is the last enabled administrator. Nothing was changed; create another first.")
