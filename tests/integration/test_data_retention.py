"""C07: each kind of data goes when its time is over, in bounded pieces; held rows stay, a rehearsal lies not."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from fixtures_storage import FrozenClock
from sqlalchemy import Connection, func, insert, select
from sweep_objects import NAME

from access.audit import Action, Entry
from access.ids import new_id
from access.options import RetentionOptions
from access.permissions import Role
from access.users import User
from config.data_retention import rehearse, run
from storage import audit, customers, erasure, listening, recordings, users
from storage.database import Database
from storage.retention import latest_runs
from storage.tables import aftercall
from storage.tables.access import audit as audit_rows
from storage.tables.calls import call_facts, calls
from storage.tables.telephony import agent_changes
from storage.tables.telephony import recordings as recording_rows
from telephony.listening import SoundHeld, SoundKind

OPTIONS = RetentionOptions(calls_days=100, facts_days=50, audit_days=100, batch=10, most_batches=3)


def fill(connection: Connection, clock: FrozenClock) -> str:
    """35 calls of 200 days ago with a fact each, one of them of a customer on hold; one of today; three audit rows."""
    now = clock.now()
    person = customers.add_customer(connection, name=NAME, now=now)
    erasure.place_hold(connection, id=new_id(now), customer_id=person.id, reason="诉讼", by="m", now=now)
    for number in range(36):
        at = now - timedelta(days=200) if number < 35 else now
        call = new_id(at)
        connection.execute(
            insert(calls).values(
                id=call,
                linkedid=call,
                system="s",
                direction="inbound",
                state="ended",
                started_at=at,
                ended_at=at,
                customer_id=person.id if number == 0 else None,
            )
        )
        connection.execute(
            insert(call_facts).values(
                call_id=call,
                source="ami",
                key="1",
                kind="ended",
                at=at,
                linkedid=call,
                uniqueid=call,
                data={},
            )
        )
    for subject, days in ((f"customer:{person.id}", 200), ("customer:other", 200), ("customer:other", 1)):
        at = now - timedelta(days=days)
        audit.append(
            connection, Entry(id=new_id(at), at=at, action=Action.VIEWED, actor_name="a", subject=subject)
        )
    return str(person.id)


async def test_c07_what_is_past_its_time_goes_in_pieces_and_held_rows_stay(
    database: Database, clock: FrozenClock
) -> None:
    database.write_now(lambda connection: fill(connection, clock))

    def counted(table: object) -> int:
        return database.read_now(
            lambda connection: connection.execute(select(func.count()).select_from(table)).scalar_one()  # type: ignore[arg-type]
        )

    told = {one.kind: one for one in await rehearse(database, OPTIONS, clock.now())}
    assert (told["calls"].deleted, told["calls"].held, told["calls"].left) == (30, 1, 4)
    assert counted(calls) == 36, "a rehearsal changes nothing"
    first = {one.kind: one for one in await run(database, OPTIONS, clock.now())}
    assert (first["calls"].deleted, first["calls"].held, first["calls"].left) == (30, 1, 4)
    assert (first["audit"].deleted, first["audit"].held) == (1, 1)
    assert counted(calls) == 6
    second = {one.kind: one for one in await run(database, OPTIONS, clock.now())}
    assert (second["calls"].deleted, second["calls"].left) == (4, 0)
    assert (counted(calls), counted(call_facts)) == (2, 2), "the held one and today's"
    assert counted(audit_rows) == 2
    runs = database.read_now(latest_runs)
    assert sum(row["deleted"] for row in runs if row["kind"] == "calls") == 34


def test_c07_recordings_of_a_customer_on_hold_stay(database: Database, clock: FrozenClock) -> None:
    def work(connection: Connection) -> list[str]:
        person = fill(connection, clock)
        for number, row in enumerate(connection.execute(select(calls).order_by(calls.c.id)).all()[:2]):
            connection.execute(
                insert(recording_rows).values(
                    id=str(number),
                    call_id=row.id,
                    file=f"{number}.wav",
                    started_at=row.started_at,
                    state="kept",
                )
            )
            assert (row.customer_id == person) == (number == 0)
        return [one.file for one in recordings.begin_deleting(connection, clock.now(), 90)]

    assert database.write_now(work) == ["1.wav"]


def test_c07_a_hold_on_the_customer_keeps_his_recordings_from_every_hand(
    database: Database, clock: FrozenClock
) -> None:
    """The hold of a person is one of his recordings, too: nobody deletes them by hand until it is released."""

    def fill_one(connection: Connection) -> None:
        person = fill(connection, clock)
        call = connection.execute(select(calls).where(calls.c.customer_id == person)).one()
        connection.execute(
            insert(recording_rows).values(
                id="r", call_id=call.id, file="r.wav", started_at=call.started_at, state="kept"
            )
        )

    def delete(connection: Connection) -> None:
        listening.begin_deleting(connection, SoundKind.RECORDING, "r", by=None, reason="客户要求")

    def state(connection: Connection) -> str:
        return str(connection.execute(select(recording_rows.c.state)).scalar_one())

    database.write_now(fill_one)
    with pytest.raises(SoundHeld):
        database.write_now(delete)
    assert database.read_now(state) == "kept"
    hold = database.read_now(erasure.holds_of)[0]["id"]
    database.write_now(lambda c: erasure.release_hold(c, hold, reason="和解", by="m", now=clock.now()))
    database.write_now(delete)
    assert database.read_now(state) == "deleting"


async def test_c07_what_was_filed_about_a_call_goes_with_it_and_no_kept_file_loses_its_call(
    database: Database, clock: FrozenClock
) -> None:
    def work(connection: Connection) -> str:
        fill(connection, clock)
        old = list(connection.execute(select(calls.c.id).order_by(calls.c.id)).scalars())
        common_user: dict[str, Any] = {"language": "en", "theme": "auto", "created_at": clock.now()}
        user = User(id="U", login="u", name="u", role=Role.AGENT, **common_user)
        users.insert_user(connection, user, password_hash="x")
        common = {"at": clock.now(), "by": "U", "by_name": "u", "why": ""}
        for number, call in ((1, old[1]), (2, old[2]), (35, old[35])):
            values = {
                "call_id": call,
                "filed_by": "U",
                "version": 1,
                **dict.fromkeys(("filed_at", "changed_at"), clock.now()),
                **dict.fromkeys(("direction", "call_type", "reason", "disposition"), "x"),
                **dict.fromkeys(("human", "contact", "success", "final", "do_not_call", "callback"), False),
            }
            connection.execute(insert(aftercall.registrations).values(id=f"R{number}", **values))
            connection.execute(
                insert(aftercall.registration_versions).values(
                    registration_id=f"R{number}",
                    version=1,
                    form_version=1,
                    set_name="s",
                    set_version=1,
                    content={"said": "客户的话"},
                    **common,
                )
            )
            unfiled = insert(aftercall.unfiled_calls)
            connection.execute(unfiled.values(call_id=call, agent_id="U", ended_at=clock.now()))
            connection.execute(
                insert(recording_rows).values(
                    id=f"f{number}",
                    call_id=call,
                    file=f"{number}.wav",
                    started_at=clock.now(),
                    state="kept" if number == 2 else "deleted",
                )
            )
            mark = {**common, "id": f"M{number}", "recording_id": f"f{number}", "offset": 1.0, "note": "x"}
            del mark["why"]
            connection.execute(insert(aftercall.recording_marks).values(**mark))
        for days in (200, 1):
            at = clock.now() - timedelta(days=days)
            connection.execute(
                insert(agent_changes).values(id=new_id(at), user_id="U", at=at, event="e", state="s")
            )
        return str(old[2])

    kept = database.write_now(work)
    for _night in range(2):
        await run(database, OPTIONS, clock.now())

    def left(connection: Connection, table: Any, column: str) -> list[str]:
        return sorted(connection.execute(select(table.c[column])).scalars())

    def read(table: Any, column: str) -> list[str]:
        return database.read_now(lambda connection: left(connection, table, column))

    assert kept in read(calls, "id"), "the file that is kept says by the call whose it is"
    assert read(aftercall.registrations, "id") == ["R2", "R35"]
    assert read(aftercall.registration_versions, "registration_id") == ["R2", "R35"]
    assert len(read(aftercall.unfiled_calls, "call_id")) == 2
    assert read(aftercall.recording_marks, "id") == ["M2", "M35"]
    assert len(read(agent_changes, "id")) == 1


async def test_c07_what_is_kept_for_ever_stays(database: Database, clock: FrozenClock) -> None:
    database.write_now(lambda connection: fill(connection, clock))
    nights = await run(database, RetentionOptions(calls_days=0, facts_days=0, audit_days=0), clock.now())
    assert "calls" not in {one.kind for one in nights}
    left = database.read_now(
        lambda connection: connection.execute(select(func.count(calls.c.id))).scalar_one()
    )
    assert left == 36
