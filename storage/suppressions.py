"""Wishes of erased people not to be contacted: the number is gone, a keyed hash of it still says no.

Erasing a person must not undo his opt-outs: a later list may bring the same number again. The key lies outside of the
database (`data/privacy.key`), so a copy of the database alone cannot try out all numbers there are.
"""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from hashlib import sha256
from typing import Any

from sqlalchemy import Connection, delete, select
from sqlalchemy.dialects import postgresql, sqlite

from crm.consent.optouts import Channel, OptOut, OptOutSource, Purpose
from storage.tables.consent import do_not_call_entries, do_not_call_lists, optouts, suppressions

#: Keeps this use of the key apart from its others.
_USE = b"suppression:"


def hashed(key: bytes, number: str) -> str:
    """What stands for an E.164 number: HMAC-SHA-256 in hexadecimal."""
    return hmac.new(key, _USE + number.encode(), sha256).hexdigest()


def keep(connection: Connection, key: bytes, numbers: Sequence[str]) -> int:
    """Keep the wishes that hold for these numbers, before their rows are overwritten. Gives how many are new.

    A number on a do-not-call list that holds everywhere is such a wish, whoever put it there.
    """
    held = connection.execute(
        select(optouts).where(optouts.c.number.in_(numbers), optouts.c.holds.is_not(None))
    ).mappings()
    listed = connection.execute(
        select(do_not_call_entries.c.number, do_not_call_entries.c.at)
        .join(do_not_call_lists, do_not_call_lists.c.id == do_not_call_entries.c.list_id)
        .where(
            do_not_call_entries.c.number.in_(numbers),
            do_not_call_entries.c.holds.is_not(None),
            do_not_call_lists.c.everywhere.is_(True),
            do_not_call_lists.c.retired_at.is_(None),
        )
    )
    wishes = [
        {
            "hash": hashed(key, row["number"]),
            **{name: row[name] for name in ("purpose", "channel", "source", "at")},
        }
        for row in held.all()
    ]
    everything = {"purpose": Purpose.ALL, "channel": Channel.ALL, "source": OptOutSource.LIST}
    wishes += [{"hash": hashed(key, row.number), "at": row.at, **everything} for row in listed]
    return add(connection, wishes)


def add(connection: Connection, rows: Sequence[dict[str, Any]]) -> int:
    """Put these in; what is there stays. Gives how many are new."""
    engine = postgresql if connection.dialect.name == "postgresql" else sqlite
    adding = engine.insert(suppressions).on_conflict_do_nothing()
    return sum(connection.execute(adding, row).rowcount for row in rows)


def of_number(connection: Connection, key: bytes, number: str) -> list[OptOut]:
    """Wishes kept for a number somebody was erased with."""
    return of_numbers(connection, key, [number])[number]


def of_numbers(connection: Connection, key: bytes, numbers: Sequence[str]) -> dict[str, list[OptOut]]:
    """What `of_number` says of each."""
    numbers_by = {hashed(key, number): number for number in numbers}
    found: dict[str, list[OptOut]] = {number: [] for number in numbers}
    for row in connection.execute(select(suppressions).where(suppressions.c.hash.in_(list(numbers_by)))):
        number = numbers_by[row.hash]
        found[number].append(
            OptOut(
                id=row.hash[:26],
                number=number,
                purpose=Purpose(row.purpose),
                channel=Channel(row.channel),
                source=OptOutSource(row.source),
                at=row.at,
                proof="erased",
            )
        )
    return found


def drop(connection: Connection, key: bytes, number: str, purpose: Purpose, channel: Channel) -> bool:
    """The person wants to be contacted again. False where no such wish was kept."""
    gone = delete(suppressions).where(
        suppressions.c.hash == hashed(key, number),
        suppressions.c.purpose == purpose,
        suppressions.c.channel == channel,
    )
    return connection.execute(gone).rowcount > 0


def every(connection: Connection) -> tuple[dict[str, Any], ...]:
    """All rows, for a restore; none where an older database has no such table."""
    if not connection.dialect.has_table(connection, suppressions.name):
        return ()
    return tuple(dict(row) for row in connection.execute(select(suppressions)).mappings())
