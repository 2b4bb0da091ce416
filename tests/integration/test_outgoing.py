"""Events are told in the transaction of what happened, on both databases."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from fixtures_storage import FrozenClock
from sqlalchemy import Connection, insert, select

from access.ids import new_id
from crm.hooks.events import Event
from storage.database import Database
from storage.outgoing import LONGEST_DATA, announce, forget_before, forget_subject
from storage.tables.hooks import deliveries, happenings, hooks


def add_hook(database: Database, clock: FrozenClock, *events: Event, active: bool = True) -> str:
    hook_id = new_id(clock.now())
    row = {
        "id": hook_id,
        "name": "dms",
        "url": "https://dms.example/hook",
        "events": list(events),
        "language": "en",
        "active": active,
        "secret": "whsec_x",
        "owner": "user:1",
        "owner_name": "manager",
        "created_at": clock.now(),
        "changed_at": clock.now(),
    }
    database.write_now(lambda connection: connection.execute(insert(hooks).values(row)))
    return hook_id


def rows(database: Database, table: Any) -> Sequence[Any]:
    return database.read_now(lambda connection: connection.execute(select(table)).all())


def test_who_asked_is_told_and_nobody_else(database: Database, clock: FrozenClock) -> None:
    wants = add_hook(database, clock, Event.CALL_ENDED, Event.TASK_CLOSED)
    add_hook(database, clock, Event.TASK_CLOSED)
    add_hook(database, clock, Event.CALL_ENDED, active=False)
    told = database.write_now(
        lambda c: announce(c, "call.ended", "call:1", {"number": "+8613812345678"}, at=clock.now())
    )
    assert [(row.hook_id, row.happening_id, row.state) for row in rows(database, deliveries)] == [
        (wants, told, "waiting")
    ]
    assert rows(database, happenings)[0].data == {"number": "+8613812345678"}


def test_nobody_asked_nothing_is_kept(database: Database, clock: FrozenClock) -> None:
    add_hook(database, clock, Event.TASK_CLOSED)
    assert database.write_now(lambda c: announce(c, "call.ended", "call:1", {})) is None
    assert rows(database, happenings) == []


def test_what_is_rolled_back_is_not_told(database: Database, clock: FrozenClock) -> None:
    add_hook(database, clock, Event.CALL_ENDED)

    def work(connection: Connection) -> None:
        announce(connection, Event.CALL_ENDED, "call:1", {}, at=clock.now())
        raise LookupError

    with pytest.raises(LookupError):
        database.write_now(work)
    assert rows(database, deliveries) == []


@pytest.mark.parametrize(
    ("event", "subject", "data"),
    [
        ("call.exploded", "call:1", {}),
        ("call.ended", "", {}),
        ("call.ended", "call:1", {"note": "x" * LONGEST_DATA}),
        ("call.ended", "call:1", {"rate": float("nan")}),
    ],
)
def test_what_cannot_be_told_is_refused(
    sqlite_database: Database, clock: FrozenClock, event: str, subject: str, data: dict[str, object]
) -> None:
    add_hook(sqlite_database, clock, Event.CALL_ENDED)
    with pytest.raises(ValueError, match=r".+"):
        sqlite_database.write_now(lambda c: announce(c, event, subject, data))


def test_an_erased_subject_is_not_told_any_more(database: Database, clock: FrozenClock) -> None:
    add_hook(database, clock, Event.RECORD_CHANGED)
    for subject in ("customer:1", "customer:2"):
        name = {"name": "张伟"}
        database.write_now(
            lambda c, s=subject, d=name: announce(c, "record.changed", s, d, at=clock.now())  # type: ignore[misc]
        )
    assert database.write_now(lambda c: forget_subject(c, "customer:1")) == 1
    kept = {row.subject: row.data for row in rows(database, happenings)}
    assert kept == {"customer:1": {}, "customer:2": {"name": "张伟"}}
    assert {row.subject: row.state for row in rows(database, deliveries)} == {
        "customer:1": "cancelled",
        "customer:2": "waiting",
    }


def test_what_is_over_is_deleted_after_its_time_and_what_waits_is_kept(
    database: Database, clock: FrozenClock
) -> None:
    add_hook(database, clock, Event.RECORD_CHANGED)
    for subject in ("customer:1", "customer:2"):
        database.write_now(lambda c, s=subject: announce(c, "record.changed", s, {}, at=clock.now()))  # type: ignore[misc]
    database.write_now(lambda c: forget_subject(c, "customer:1"))
    clock.advance(10)
    assert database.write_now(lambda c: forget_before(c, clock.now() - timedelta(days=1))) == 0
    assert database.write_now(lambda c: forget_before(c, clock.now())) == 1
    assert [row.subject for row in rows(database, happenings)] == ["customer:2"]
