"""Blocks: rows that say whose calls the hotline does not take."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from sqlalchemy import Connection, RowMapping, bindparam, select, update
from sqlalchemy.dialects import postgresql, sqlite

from access.ids import new_id
from crm.consent.blocks import Block, Pattern, patterns_of
from storage.database import fetch
from storage.tables.consent import blocks


def block_from(row: RowMapping) -> Block:
    """The value of a row that holds every column of `blocks`."""
    text = row["pattern"]
    return Block(
        id=row["id"],
        pattern=Pattern(digits=text.removesuffix("*"), whole=not text.endswith("*")),
        reason=row["reason"],
        at=row["at"],
        by=row["by"],
        until=row["until"],
        withdrawn_at=row["withdrawn_at"],
        withdrawn_by=row["withdrawn_by"],
    )


def add(
    connection: Connection,
    *,
    pattern: Pattern,
    reason: str,
    by: str,
    now: datetime,
    until: datetime | None = None,
) -> bool:
    """Block a pattern, for ever or until a moment. True where anything changed.

    The same again is harmless. Where it is blocked with another end, or that block is over, the old one
    becomes history and this one holds.
    """
    name = str(pattern)
    engine = postgresql if connection.dialect.name == "postgresql" else sqlite
    row = engine.insert(blocks).values(
        id=new_id(now),
        pattern=name,
        reason=reason,
        at=now,
        by=by[:64],
        until=until,
        withdrawn_at=None,
        withdrawn_by="",
        holds=name,
    )
    made = row.on_conflict_do_nothing().returning(blocks.c.id)
    if connection.execute(made).scalar_one_or_none() is not None:
        return True
    found = connection.execute(select(blocks).where(blocks.c.holds == name).with_for_update())
    before = block_from(found.mappings().one())
    if before.holds_at(now) and before.until == until:
        return False
    withdraw(connection, pattern=pattern, by=by, now=now)
    connection.execute(row)
    return True


def withdraw(connection: Connection, *, pattern: Pattern, by: str, now: datetime) -> bool:
    """Take calls again; the row stays as history. False where the pattern was not blocked."""
    ended = (
        update(blocks)
        .where(blocks.c.holds == str(pattern))
        .values(withdrawn_at=now, withdrawn_by=by[:64], holds=None)
    )
    return connection.execute(ended).rowcount == 1


_FITTING: Final = select(blocks).where(blocks.c.holds.in_(bindparam("patterns", expanding=True)))


def fitting(connection: Connection, number: str) -> list[Block]:
    """Blocks not withdrawn that fit a number (E.164); one statement over a unique index.

    Which of them turns the caller away is `crm.consent.blocks.turning_away`.
    """
    patterns = [str(pattern) for pattern in patterns_of(number)]
    # Nearly every caller: nothing fits, and the prepared text says so at a fraction of the cost.
    any_fits = f"SELECT 1 FROM blocks WHERE holds IN ({', '.join('?' * len(patterns))}) LIMIT 1"  # noqa: S608
    if not patterns or not fetch(connection, any_fits, patterns):
        return []
    return [block_from(row) for row in connection.execute(_FITTING, {"patterns": patterns}).mappings()]


def find(connection: Connection, *, history: bool = False, limit: int = 200) -> list[Block]:
    """Blocks, the latest first; with `history` also those withdrawn."""
    statement = select(blocks).order_by(blocks.c.at.desc(), blocks.c.id.desc()).limit(limit)
    if not history:
        statement = statement.where(blocks.c.holds.is_not(None))
    return [block_from(row) for row in connection.execute(statement).mappings()]
