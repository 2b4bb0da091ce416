"""Answers to requests that must happen once: kept in the transaction that does what was asked."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import Connection, delete, select
from sqlalchemy.dialects import postgresql, sqlite

from access.requests import Answer, KeyReused, Once
from storage.tables.access import idempotency

#: A key may be used anew after this.
KEPT = timedelta(days=2)


def answer_once(connection: Connection, once: Once, answer: Answer) -> Answer:
    """Keep `answer` for this key, or give the answer that was kept first.

    Call it in the writing transaction that commits the effect, before the effect, and do nothing more
    where the returned value is not `answer` itself. A parallel transaction with the same key waits for
    this one, so fifty at once have one effect. Raises KeyReused where the key belongs to another request.
    """
    row = {
        "owner": once.owner,
        "key": once.key,
        "fingerprint": once.fingerprint,
        "at": answer.at,
        "status": answer.status,
        "answer": dict(answer.body),
    }
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    adding = dialect.insert(idempotency).values(row).on_conflict_do_nothing()
    if connection.execute(adding.returning(idempotency.c.key)).first() is not None:
        return answer
    kept = find_answer(connection, once)
    if kept is None:
        raise KeyReused("This Idempotency-Key has just been forgotten. Nothing was done; send a new one.")
    return kept


def find_answer(connection: Connection, once: Once) -> Answer | None:
    """The answer kept for this key, or None. Raises KeyReused."""
    row = connection.execute(
        select(idempotency).where(idempotency.c.owner == once.owner, idempotency.c.key == once.key)
    ).one_or_none()
    if row is None:
        return None
    if row.fingerprint != once.fingerprint:
        raise KeyReused(
            "This Idempotency-Key was used for another request. Nothing was done; send a new key."
        )
    return Answer(status=row.status, body=row.answer, at=row.at)


def forget_answer(connection: Connection, once: Once) -> None:
    """Free the key: what was asked is known not to have happened, so asking again must do it."""
    connection.execute(
        delete(idempotency).where(
            idempotency.c.owner == once.owner,
            idempotency.c.key == once.key,
            idempotency.c.fingerprint == once.fingerprint,
        )
    )


def forget_old_answers(connection: Connection, *, now: datetime) -> int:
    """Remove answers older than two days. Returns how many."""
    return connection.execute(delete(idempotency).where(idempotency.c.at < now - KEPT)).rowcount
