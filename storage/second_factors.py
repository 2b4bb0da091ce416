"""Second factors and recovery codes: rows. Taking a code and remembering that it was taken is one statement."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import Connection, delete, func, insert, select, update

from access.second_factor import Factor, recovery_hash
from storage.tables.access import recovery_codes, second_factors, sessions


def find_factor(connection: Connection, user_id: str) -> Factor | None:
    """The user's factor, confirmed or only begun."""
    row = connection.execute(select(second_factors).where(second_factors.c.user_id == user_id)).one_or_none()
    if row is None:
        return None
    left = select(func.count()).where(recovery_codes.c.user_id == user_id, recovery_codes.c.used_at.is_(None))
    return Factor(
        user_id=user_id,
        seed=row.seed,
        created_at=row.created_at,
        confirmed_at=row.confirmed_at,
        last_step=row.last_step,
        recovery_left=connection.execute(left).scalar_one(),
    )


def users_with_factor(connection: Connection) -> set[str]:
    """Ids of those who have a confirmed factor."""
    statement = select(second_factors.c.user_id).where(second_factors.c.confirmed_at.is_not(None))
    return set(connection.execute(statement).scalars())


def begin_factor(connection: Connection, user_id: str, *, seed: str, now: datetime) -> None:
    """Begin, or begin again, a factor that no code has confirmed."""
    remove_factor(connection, user_id)
    connection.execute(insert(second_factors).values(user_id=user_id, seed=seed, created_at=now))


def take_step(connection: Connection, user_id: str, step: int, *, now: datetime) -> bool:
    """Note that the code of this step was used. False where it, or a later one, was: also by a request in parallel."""
    taken = (
        update(second_factors)
        .where(second_factors.c.user_id == user_id, second_factors.c.last_step < step)
        .values(last_step=step, confirmed_at=func.coalesce(second_factors.c.confirmed_at, now))
    )
    return connection.execute(taken).rowcount == 1


def keep_recovery_codes(connection: Connection, user_id: str, codes: Iterable[str]) -> None:
    """These codes and no earlier ones."""
    connection.execute(delete(recovery_codes).where(recovery_codes.c.user_id == user_id))
    connection.execute(
        insert(recovery_codes), [{"user_id": user_id, "hash": recovery_hash(code)} for code in codes]
    )


def take_recovery_code(connection: Connection, user_id: str, code: str, *, now: datetime) -> bool:
    """Use a recovery code up. False where there is no such code, or it was used."""
    taken = (
        update(recovery_codes)
        .where(
            recovery_codes.c.user_id == user_id,
            recovery_codes.c.hash == recovery_hash(code),
            recovery_codes.c.used_at.is_(None),
        )
        .values(used_at=now)
    )
    return connection.execute(taken).rowcount == 1


def remove_factor(connection: Connection, user_id: str) -> bool:
    """Take the factor and its recovery codes away. False where there was none."""
    connection.execute(delete(recovery_codes).where(recovery_codes.c.user_id == user_id))
    return connection.execute(delete(second_factors).where(second_factors.c.user_id == user_id)).rowcount == 1


def nothing_pending(connection: Connection, user_id: str) -> None:
    """The user has set up what was demanded: his sessions may go on."""
    connection.execute(
        update(sessions)
        .where(sessions.c.user_id == user_id, sessions.c.pending == "enrol")
        .values(pending="")
    )
