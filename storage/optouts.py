"""Opt-outs: rows that say who is not to be contacted, and the reaction of the call log that adds them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, RowMapping, select, update
from sqlalchemy.dialects import postgresql, sqlite

from access.ids import new_id
from crm.consent.optouts import Channel, OptOut, OptOutSource, Purpose, refusing
from storage import suppressions
from storage.tables.consent import optouts
from telephony.calls import Call
from telephony.facts import Fact, FactKind
from telephony.numbers import is_e164


def optout_from(row: RowMapping) -> OptOut:
    """The value of a row that holds every column of `optouts`."""
    return OptOut(
        id=row["id"],
        number=row["number"],
        purpose=Purpose(row["purpose"]),
        channel=Channel(row["channel"]),
        source=OptOutSource(row["source"]),
        at=row["at"],
        proof=row["proof"],
        actor_id=row["actor_id"],
        withdrawn_at=row["withdrawn_at"],
        withdrawn_proof=row["withdrawn_proof"],
    )


def opt_out(
    connection: Connection,
    *,
    number: str,
    purpose: Purpose,
    at: datetime,
    source: OptOutSource,
    proof: str,
    channel: Channel = Channel.ALL,
    actor_id: str | None = None,
) -> bool:
    """Suppress an E.164 number for a purpose and channel; again is harmless. True where it is new."""
    engine = postgresql if connection.dialect.name == "postgresql" else sqlite
    row = engine.insert(optouts).values(
        id=new_id(at),
        number=number,
        purpose=purpose,
        channel=channel,
        source=source,
        at=at,
        proof=proof,
        actor_id=actor_id,
        withdrawn_at=None,
        withdrawn_proof="",
        holds=f"{number} {purpose} {channel}",
    )
    new = connection.execute(row.on_conflict_do_nothing().returning(optouts.c.id))
    return new.scalar_one_or_none() is not None


def withdraw(
    connection: Connection,
    *,
    number: str,
    purpose: Purpose,
    channel: Channel,
    at: datetime,
    proof: str,
    key: bytes,
) -> bool:
    """The person wants to be contacted again, with proof; the old wish stays as history. False where none held.

    `key` finds the wish of somebody who was erased with this number (`storage.suppressions`); it goes.
    """
    dropped = suppressions.drop(connection, key, number, purpose, channel)
    ended = (
        update(optouts)
        .where(optouts.c.holds == f"{number} {purpose} {channel}")
        .values(withdrawn_at=at, withdrawn_proof=proof, holds=None)
    )
    return connection.execute(ended).rowcount == 1 or dropped


def optouts_of(connection: Connection, number: str) -> list[OptOut]:
    """Everything ever said about a number, oldest first, withdrawn wishes included."""
    return optouts_of_many(connection, [number])[number]


def optouts_of_many(connection: Connection, numbers: Sequence[str]) -> dict[str, list[OptOut]]:
    """What `optouts_of` says of each."""
    found: dict[str, list[OptOut]] = {number: [] for number in numbers}
    rows = connection.execute(
        select(optouts).where(optouts.c.number.in_(numbers)).order_by(optouts.c.at, optouts.c.id)
    ).mappings()
    for row in rows:
        found[row["number"]].append(optout_from(row))
    return found


def refusal(
    connection: Connection, number: str, purpose: Purpose, channel: Channel, now: datetime, *, key: bytes
) -> OptOut | None:
    """The opt-out that forbids this contact now, or None; those of erased people are found by `key`."""
    told = [*optouts_of(connection, number), *suppressions.of_number(connection, key, number)]
    return refusing(told, purpose, channel, now)


def react_to_call(connection: Connection, before: Call | None, after: Call, facts: Sequence[Fact]) -> None:
    """Journal reaction: a key pressed to opt out is suppression in the same transaction as its fact."""
    for fact in facts:
        number = str(fact.data.get("number") or after.number or "")
        if fact.kind is not FactKind.OPTED_OUT or not is_e164(number):
            continue
        wanted = str(fact.data.get("purpose", Purpose.ALL))
        purpose = Purpose(wanted) if wanted in set(Purpose) else Purpose.ALL
        opt_out(
            connection,
            number=number,
            purpose=purpose,
            at=fact.at,
            source=OptOutSource.HOTLINE_KEY,
            proof=f"call {after.id}",
        )
