"""Everything the log has of one number, in order, for whoever is entitled to ask (C10)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, and_, func, or_, select

from storage.tables.calls import call_facts, calls
from storage.tables.consent import optouts
from storage.tables.telephony import recordings
from telephony.numbers import national

_AT_ONCE: Final = 500


def calls_of_number(
    connection: Connection, number: str, *, since: datetime, until: datetime
) -> Iterator[Mapping[str, Any]]:
    """Opt-outs of an E.164 number, then its calls oldest first, each with its facts and its recording's fate.

    Calls are found by the number as read, and as the trunk delivered it where it could not be read.
    """
    told = select(optouts).where(optouts.c.number == number).order_by(optouts.c.at, optouts.c.id)
    for row in connection.execute(told).mappings():
        yield {"kind": "optout", **_plain(row)}
    place: tuple[datetime, str] | None = None
    while True:
        statement = _calls(number, since, until).order_by(calls.c.started_at, calls.c.id).limit(_AT_ONCE)
        if place is not None:
            statement = statement.where(
                or_(
                    calls.c.started_at > place[0],
                    and_(calls.c.started_at == place[0], calls.c.id > place[1]),
                )
            )
        rows = connection.execute(statement).mappings().all()
        for row in rows:
            yield {"kind": "call", **_plain(row), **_below(connection, row["id"])}
        if len(rows) < _AT_ONCE:
            return
        place = rows[-1]["started_at"], rows[-1]["id"]


def count_calls_of_number(connection: Connection, number: str, *, since: datetime, until: datetime) -> int:
    """How many calls the file must hold."""
    inner = _calls(number, since, until).subquery()
    return connection.execute(select(func.count()).select_from(inner)).scalar_one()


def _calls(number: str, since: datetime, until: datetime) -> Any:
    written = {number, number.removeprefix("+"), national(number), "00" + number.removeprefix("+")}
    unread = and_(calls.c.number.is_(None), calls.c.raw_number.in_(sorted(written)))
    return select(calls).where(
        or_(calls.c.number == number, unread), calls.c.started_at >= since, calls.c.started_at < until
    )


def _below(connection: Connection, call_id: str) -> Mapping[str, Any]:
    facts = (
        select(call_facts).where(call_facts.c.call_id == call_id).order_by(call_facts.c.at, call_facts.c.key)
    )
    sounds = select(recordings).where(recordings.c.call_id == call_id).order_by(recordings.c.started_at)
    return {
        "facts": [
            {"at": row["at"].isoformat(), "kind": row["kind"], "source": row["source"], "data": row["data"]}
            for row in connection.execute(facts).mappings()
        ],
        "recordings": [
            {"started_at": row["started_at"].isoformat(), "state": row["state"], "why": row["why"]}
            for row in connection.execute(sounds).mappings()
        ],
    }


def _plain(row: Mapping[Any, Any]) -> Mapping[str, Any]:
    return {
        str(name): value.isoformat() if hasattr(value, "isoformat") else value
        for name, value in row.items()
        if value is not None
    }
