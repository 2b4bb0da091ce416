"""Who may come in after a restore: a backup must not open again what was closed after it was made.

The database that is replaced knows what was taken away since: it is asked first (`read_known`), and its word
is carried into the backup's rows (`carry`) before these become the database. A role is the
last that was given, up or down; people and tokens made since are lost with the rest of the newer rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, RowMapping, delete, insert, or_, select, update

from access.permissions import Role
from access.sessions import SessionEnd
from storage import suppressions
from storage.deliveries import known_addresses, quiet
from storage.erasure import ErasureRefused, erase, erased_ids
from storage.tables.access import second_factors, sessions, tokens, users
from storage.tables.records import customers
from storage.traces import person_of, scan


@dataclass(frozen=True, kw_only=True, slots=True)
class Known:
    """What the replaced database knew."""

    #: Hash of each token to when it was revoked; None: it was good.
    tokens: Mapping[str, datetime | None]
    #: Id to row of each user.
    users: Mapping[str, RowMapping]
    #: Active subscriptions of other systems: id to address.
    hooks: Mapping[str, str] = field(default_factory=dict)
    #: Customer id and pseudonym of everybody who was erased.
    erased: tuple[tuple[str, str], ...] = ()
    #: What holds of erased people's wishes not to be contacted.
    suppressed: tuple[dict[str, Any], ...] = ()
    #: Confirmed second factors.
    factors: tuple[RowMapping, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Access:
    """What became of sessions, tokens and users."""

    #: Why nothing could be learned of what happened since the backup; empty: it could.
    unknown: str
    sessions_ended: int
    #: Tokens that were good in the backup, and are not after the restore.
    tokens_revoked: int
    #: Tokens that are as good as they were.
    tokens_kept: int
    #: Logins of whom the backup holds as enabled, and who stay disabled.
    disabled: tuple[str, ...]
    #: Logins whose later password stays.
    passwords: tuple[str, ...]
    #: Logins whose later role stays.
    roles: tuple[str, ...]
    #: Administrators who may sign in.
    admins: int
    #: People erased before the restore whom the backup has and who could not be erased again, each with why.
    not_erased: tuple[str, ...] = ()


def read_known(connection: Connection) -> Known:
    """What this database knows. Raises SQLAlchemy's errors where it has no such tables."""
    return Known(
        tokens={
            row.hash: row.revoked_at for row in connection.execute(select(tokens.c.hash, tokens.c.revoked_at))
        },
        users={
            row["id"]: row
            for row in connection.execute(
                select(
                    users.c.id,
                    users.c.role,
                    users.c.active,
                    users.c.disabled_at,
                    users.c.password_hash,
                    users.c.password_changed_at,
                    users.c.must_change,
                )
            ).mappings()
        },
        hooks=known_addresses(connection),
        erased=tuple(erased_ids(connection)),
        suppressed=suppressions.every(connection),
        factors=tuple(
            connection.execute(
                select(second_factors).where(second_factors.c.confirmed_at.is_not(None))
            ).mappings()
        ),
    )


def carry(connection: Connection, known: Known | None, *, now: datetime, unknown: str = "") -> Access:
    """Bring the rows of a backup to what may be opened now.

    - Every session ends: a browser signed out since would be in again.
    - A token stays good only where the replaced database says it is: one it does not know was made by another
      house, or deleted. Without its word (`known` is None) every token is revoked.
    - Who was disabled since stays disabled; a later password and a later role stay. Whom it does not know is
      left as the backup has him.
    - A second factor set up since is asked for; its used codes stay used. Recovery codes are the backup's.
    - Who was erased since is erased again, unless a hold of the backup's day forbids it.
    - Nothing that waited to be told to other systems is sent; a subscription goes on only where the replaced
      database had it.
    """
    ended = connection.execute(
        update(sessions)
        .where(sessions.c.ended_at.is_(None))
        .values(ended_at=now, ended_why=SessionEnd.RESTORED)
    ).rowcount
    disabled, passwords, roles = _carry_users(connection, known.users if known else {})
    revoked = kept = 0
    good = select(tokens.c.id, tokens.c.hash).where(
        tokens.c.revoked_at.is_(None), or_(tokens.c.expires_at.is_(None), tokens.c.expires_at > now)
    )
    for row in connection.execute(good).all():
        if known is not None and row.hash in known.tokens and known.tokens[row.hash] is None:
            kept += 1
            continue
        when = known.tokens.get(row.hash) if known is not None else None
        connection.execute(update(tokens).where(tokens.c.id == row.id).values(revoked_at=when or now))
        revoked += 1
    quiet(connection, known.hooks if known else {}, now)
    not_erased: tuple[str, ...] = ()
    if known is not None:
        _carry_factors(connection, known)
        not_erased = _erase_again(connection, known, now)
        suppressions.add(connection, known.suppressed)
    admins = select(users.c.id).where(users.c.role == Role.ADMIN, users.c.active.is_(True))
    return Access(
        unknown="" if known is not None else unknown,
        sessions_ended=ended,
        tokens_revoked=revoked,
        tokens_kept=kept,
        disabled=disabled,
        passwords=passwords,
        roles=roles,
        admins=len(connection.execute(admins).all()),
        not_erased=not_erased,
    )


def _carry_factors(connection: Connection, known: Known) -> None:
    there = set(connection.execute(select(users.c.id)).scalars())
    for row in known.factors:
        if row["user_id"] in there:
            connection.execute(delete(second_factors).where(second_factors.c.user_id == row["user_id"]))
            connection.execute(insert(second_factors).values(**row))


def _erase_again(connection: Connection, known: Known, now: datetime) -> tuple[str, ...]:
    """Erase who was erased since the backup; gives whom that was refused for, by number, with why.

    Records that stand by themselves come first: those merged into them go with them.
    """
    pseudonyms = dict(known.erased)
    done = dict(erased_ids(connection))
    wanted = sorted(pseudonyms.keys() - done.keys())
    rows: list[Any] = []
    for start in range(0, len(wanted), 400):
        there = select(customers.c.id, customers.c.number, customers.c.merged_into).where(
            customers.c.id.in_(wanted[start : start + 400])
        )
        rows += connection.execute(there).all()
    refused = []
    for row in sorted(rows, key=lambda row: row.merged_into or ""):
        if row.id in done:
            continue
        person = person_of(connection, row.id)
        found = scan(connection, person)
        try:
            erase(connection, row.id, found=found, pseudonym=pseudonyms[row.id], now=now, live=False)
        except ErasureRefused as why:
            refused.append(f"{row.number}: {why}")
            continue
        done |= dict.fromkeys(person.customer_ids, "")
        if row.merged_into is not None and row.merged_into not in pseudonyms:
            refused.append(
                f"{row.number}: in the backup it is merged into another record, where the person's data may be. "
                "Undo that merge, then erase it."
            )
    return tuple(refused)


def _carry_users(
    connection: Connection, known: Mapping[str, RowMapping]
) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    disabled, passwords, roles = [], [], []
    for row in connection.execute(select(users).order_by(users.c.login)).mappings().all():
        later = known.get(row["id"])
        if later is None:
            continue
        values: dict[str, Any] = {}
        if row["active"] and not later["active"]:
            values |= {"active": False, "disabled_at": later["disabled_at"]}
            disabled.append(row["login"])
        if later["password_changed_at"] > row["password_changed_at"]:
            values |= {name: later[name] for name in ("password_hash", "password_changed_at", "must_change")}
            passwords.append(row["login"])
        if later["role"] != row["role"]:
            values |= {"role": later["role"]}
            roles.append(row["login"])
        if values:
            connection.execute(update(users).where(users.c.id == row["id"]).values(values))
    return tuple(disabled), tuple(passwords), tuple(roles)
