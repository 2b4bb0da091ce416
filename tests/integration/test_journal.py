"""The journal: durable facts, folded calls, reactions once, and what happens when the database is away."""

from __future__ import annotations

import asyncio
import contextlib
import random
import sqlite3
import threading
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, text
from waiting import PATIENCE, SLACK, until

from access.ids import new_id
from storage import calls as store
from storage.ahead import Ahead
from storage.database import Database, StorageUnavailable
from storage.journal import Journal, pace_at
from storage.spool import Spool
from telephony.calls import Call, CallState, Outcome
from telephony.facts import Fact, FactKind, Source

T0 = datetime(2026, 11, 21, 2, 0, tzinfo=UTC)


def number_of(raw: str) -> str | None:
    return "+86" + raw if raw.isdecimal() and len(raw) == 11 else None


def fact(
    kind: FactKind, seconds: float, call: int = 1, *, source: Source = Source.AMI, leg: int = 0, **data: Any
) -> Fact:
    linkedid = f"careline-{int(T0.timestamp())}.{call * 100}"
    uniqueid = f"careline-{int(T0.timestamp())}.{call * 100 + leg}"
    return Fact(
        source=source,
        key=f"{kind.value}/{uniqueid}/{seconds}",
        kind=kind,
        at=T0 + timedelta(seconds=seconds),
        linkedid=linkedid,
        uniqueid=uniqueid,
        data=data,
    )


def ivr_call(call: int) -> list[Fact]:
    """A caller who presses one key and hangs up."""
    return [
        fact(
            FactKind.LEG_STARTED,
            0,
            call,
            trunk=True,
            direction="inbound",
            caller="13900000009",
            called="4008001234",
        ),
        fact(FactKind.LEG_ANSWERED, 0.01, call),
        fact(FactKind.IVR_STARTED, 0.02, call, source=Source.AGI, flow="service", caller="13900000009"),
        fact(FactKind.IVR_STEP, 2, call, source=Source.AGI, node="menu", keys="1"),
        fact(FactKind.IVR_ENDED, 3, call, source=Source.AGI, route="hangup", outcome="done"),
        fact(FactKind.LEG_ENDED, 3.1, call, cause=16),
    ]


@asynccontextmanager
async def running(database: Database, folder: Path, **options: Any) -> AsyncIterator[Journal]:
    before = options.pop("before", None)
    journal = Journal(
        database,
        system="careline",
        number_of=number_of,
        spool_folder=folder,
        # A machine's disk may stall for a second; only where a test says so is that a delay.
        **{"retry_seconds": 0.05, "patience_seconds": 20.0, **options},
    )
    if before is not None:
        before(journal)
    task = asyncio.create_task(journal.run())
    try:
        yield journal
    finally:
        journal.stop()
        await asyncio.wait_for(task, 30)


async def test_a_fact_is_stored_with_its_call_when_record_returns(database: Database, tmp_path: Path) -> None:
    async with running(database, tmp_path) as journal:
        await journal.record(
            fact(FactKind.IVR_STARTED, 0, source=Source.AGI, caller="13900000009", flow="service")
        )
        page = await database.read(store.find)
        assert [call.state for call in page.calls] == [CallState.IN_IVR]
        assert page.calls[0].number == "+8613900000009"
        assert journal.live(page.calls[0].id) == page.calls[0]
        assert journal.live_of(page.calls[0].linkedid) == page.calls[0]


async def test_a_whole_call_is_one_row_and_its_facts_are_kept(database: Database, tmp_path: Path) -> None:
    async with running(database, tmp_path) as journal:
        for each in ivr_call(1):
            await journal.record(each)
        call = (await database.read(store.find)).calls[0]
        facts = await database.read(lambda connection: store.facts_of(connection, call.id))
    assert call.state is CallState.ENDED
    assert call.outcome is Outcome.SELF_SERVED
    assert call.keys == "menu=1"
    assert call.ended_at == T0 + timedelta(seconds=3.1)
    assert sorted(facts, key=lambda each: each.at) == ivr_call(1)


async def test_facts_told_again_after_a_restart_change_nothing(database: Database, tmp_path: Path) -> None:
    reacted: list[Fact] = []

    def react(connection: Connection, before: Call | None, after: Call, facts: Sequence[Fact]) -> None:
        reacted.extend(facts)

    for _ in range(3):
        async with running(database, tmp_path, before=lambda journal: journal.react(react)) as journal:
            facts = ivr_call(1)
            random.Random(1).shuffle(facts)
            await journal.record(*facts)
    page = await database.read(store.find)
    assert page.total == 1
    assert sorted(each.key for each in reacted) == sorted(each.key for each in ivr_call(1))


async def test_a_late_fact_finds_its_call_after_it_has_left_memory(
    database: Database, tmp_path: Path
) -> None:
    async with running(database, tmp_path, grace_seconds=0.0) as journal:
        await journal.record(*ivr_call(1))
        journal.tracker.forget(1e12)
        assert len(journal.tracker) == 0
        await journal.record(fact(FactKind.CALL_ENDED, 3.2, source=Source.CEL))
    page = await database.read(store.find)
    assert page.total == 1
    assert page.calls[0].proved
    assert page.calls[0].keys == "menu=1"


async def test_hundreds_of_calls_at_once_share_transactions(database: Database, tmp_path: Path) -> None:
    async with running(database, tmp_path) as journal:
        await asyncio.gather(*(journal.record(*ivr_call(call)) for call in range(300)))
        assert journal.state().batches < 150
    page = await database.read(store.find)
    assert page.total == 300


async def test_every_ended_call_is_tied_or_explained(database: Database, tmp_path: Path) -> None:
    def identify(connection: Connection, number: str) -> tuple[str | None, str]:
        return (None, "unknown_number") if number.endswith("8") else ("CUSTOMER", "number")

    async with running(database, tmp_path, identify=identify) as journal:
        await journal.record(*ivr_call(1))
        for call, caller in ((2, "13900000008"), (3, "anonymous"), (4, "12345678901234567890"), (5, "")):
            await journal.record(
                fact(FactKind.LEG_STARTED, 0, call, trunk=True, caller=caller),
                fact(FactKind.LEG_ENDED, 1, call, cause=16),
            )
    page = await database.read(lambda connection: store.find(connection, descending=False))
    assert {(call.linkedid.rpartition(".")[2], call.customer_id, call.explained) for call in page.calls} == {
        ("100", "CUSTOMER", "number"),
        ("200", None, "unknown_number"),
        ("300", None, "hidden_number"),
        ("400", None, "unreadable_number"),
        ("500", None, "hidden_number"),
    }


async def test_a_failing_reaction_does_not_stop_the_log(database: Database, tmp_path: Path) -> None:
    def react(connection: Connection, before: Call | None, after: Call, facts: Sequence[Fact]) -> None:
        if after.linkedid.endswith(".200"):
            raise RuntimeError("broken")
        connection.execute(text("CREATE TABLE IF NOT EXISTS seen (id VARCHAR(26))"))
        connection.execute(text("INSERT INTO seen VALUES (:id)"), {"id": after.id})

    async with running(database, tmp_path, before=lambda journal: journal.react(react)) as journal:
        await asyncio.gather(*(journal.record(*ivr_call(call)) for call in (1, 2, 3)))
        assert journal.state().failed_reactions == 1
    page = await database.read(store.find)
    assert page.total == 3
    seen = await database.read(
        lambda connection: connection.execute(text("SELECT count(DISTINCT id) FROM seen")).scalar()
    )
    assert seen == 2
    assert (tmp_path / "reactions.jsonl").read_text().count("\n") == len(ivr_call(2))


async def test_odd_text_from_outside_is_stored(database: Database, tmp_path: Path) -> None:
    """R37, S02: NUL, half a surrogate pair, 5 kB, emoji."""
    odd = "a\0b\ud800😀" + "9" * 5000
    async with running(database, tmp_path) as journal:
        await journal.record(
            fact(FactKind.LEG_STARTED, 0, trunk=True, caller=odd, called=odd, name=odd),
            fact(FactKind.IVR_STEP, 1, source=Source.AGI, node="menu", keys=odd),
        )
        assert journal.state().refused == 0
    call = (await database.read(store.find)).calls[0]
    assert call.number is None
    assert len(call.raw_number) <= 64


@pytest.mark.postgres
async def test_r21_facts_spool_while_postgres_is_down_and_are_imported_in_order(
    own_postgres_server: Any, open_database: Any, tmp_path: Path
) -> None:
    """R21: stopped in mid-traffic, `-m immediate`; nothing is lost, nobody waits for long."""
    from storage.tables import metadata

    # The fixture's server forgets its last commits when it crashes; this one must keep them.
    own_postgres_server._execute("ALTER SYSTEM SET synchronous_commit = on", "SELECT pg_reload_conf()")
    url = own_postgres_server.url(own_postgres_server.create())
    database = open_database(url)
    database.write_now(metadata.create_all)
    import signal

    told: list[Fact] = []

    def react(connection: Connection, before: Call | None, after: Call, facts: Sequence[Fact]) -> None:
        told.extend(facts)

    async with running(database, tmp_path, before=lambda journal: journal.react(react)) as journal:
        await journal.record(*ivr_call(1)[:3])
        own_postgres_server.stop(signal.SIGQUIT)
        for each in ivr_call(1)[3:]:
            async with asyncio.timeout(PATIENCE):
                await journal.record(each)
        for call in range(2, 30):
            journal.record_soon(*ivr_call(call))
        assert journal.saving_delayed
        await until(lambda: len(journal.live_calls()) == 0 and len(journal.tracker) == 29)
        assert journal.state().spooled_bytes > 0
        own_postgres_server.start()
        await until(lambda: not journal.saving_delayed)
        assert journal.state().spooled_bytes == 0
    page = await database.read(lambda connection: store.find(connection, limit=100))
    assert page.total == 29
    assert {call.outcome for call in page.calls} == {Outcome.SELF_SERVED}
    assert len({(each.source, each.key) for each in told}) == 29 * len(ivr_call(1))


async def test_r21_what_was_spooled_before_a_crash_is_stored_at_the_next_start(
    database: Database, tmp_path: Path
) -> None:
    spool = Spool(tmp_path)
    spool.append(ivr_call(1))
    spool.append(ivr_call(2)[:4])
    with spool.path.open("ab") as file:
        file.write(b'["ami","torn')
    async with running(database, tmp_path) as journal:
        assert journal.saving_delayed
        await journal.record(*ivr_call(2)[4:])
        await until(lambda: not journal.saving_delayed)
    page = await database.read(store.find)
    assert page.total == 2
    assert {call.state for call in page.calls} == {CallState.ENDED}
    assert not spool.path.exists()


async def test_what_is_secured_is_in_the_file_at_once_and_in_its_row_soon(
    database: Database, tmp_path: Path
) -> None:
    go_on = threading.Event()
    late = ivr_call(1)[3:]

    def hold(_c: Connection, _before: Call | None, _after: Call, facts: Sequence[Fact]) -> None:
        if any(each in late for each in facts):
            assert go_on.wait(PATIENCE)

    async with running(
        database, tmp_path, before=lambda journal: journal.react(hold), patience_seconds=PATIENCE
    ) as journal:
        try:
            await journal.record(*ivr_call(1)[:3])
            await asyncio.gather(*(journal.secure(each) for each in late))
            assert list(Ahead(tmp_path).left()) == late
            before = await database.read(store.find)
            assert before.calls[0].keys == ""  # their transaction is held
        finally:
            go_on.set()
        await until(lambda: journal.state().stored >= len(ivr_call(1)))
        (call,) = (await database.read(store.find)).calls
        assert (call.keys, call.state) == ("menu=1", CallState.ENDED)
    assert not Ahead(tmp_path).left()  # an orderly end leaves nothing to be done


async def test_what_was_secured_before_a_crash_is_stored_at_the_next_start(
    database: Database, tmp_path: Path
) -> None:
    dead = Journal(database, system="careline", number_of=number_of, spool_folder=tmp_path)
    async with asyncio.timeout(PATIENCE):
        await dead.secure(*ivr_call(1))  # nobody runs it: its transaction never comes
    with dead._ahead.path.open("ab") as file:
        file.write(b'["ami","torn')
    assert (await database.read(store.find)).total == 0
    async with running(database, tmp_path) as journal:
        await until(lambda: journal.state().stored >= len(ivr_call(1)))
        assert not journal.saving_delayed
        (call,) = (await database.read(store.find)).calls
        assert (call.linkedid, call.keys) == (ivr_call(1)[0].linkedid, "menu=1")
        await journal.secure(*ivr_call(2))
    assert (await database.read(store.find)).total == 2


async def test_what_cannot_be_read_at_the_start_is_kept(database: Database, tmp_path: Path) -> None:
    dead = Journal(database, system="careline", number_of=number_of, spool_folder=tmp_path)
    await dead.secure(*ivr_call(1))
    whole = dead._ahead.path.read_bytes()
    unreadable = dead._ahead.path.rename(tmp_path / "aside")
    dead._ahead.path.mkdir()  # as if by an error of the disk
    async with running(database, tmp_path) as journal:
        await journal.secure(*ivr_call(2))
        journal._ahead.path.rmdir()
        unreadable.rename(journal._ahead.path)
    assert Ahead(tmp_path).path.read_bytes() == whole
    async with running(database, tmp_path) as journal:
        await until(lambda: journal.state().stored >= len(ivr_call(1)))
    assert (await database.read(store.find)).total == 2


async def test_a_torn_line_swallows_nothing_and_an_unknown_one_is_put_aside(
    database: Database, tmp_path: Path
) -> None:
    Ahead(tmp_path).path.write_bytes(b'["ami","of a later version"]\n["ami","torn')
    dead = Journal(database, system="careline", number_of=number_of, spool_folder=tmp_path)
    await dead.secure(*ivr_call(1))
    async with running(database, tmp_path) as journal:
        await until(lambda: journal.state().stored >= len(ivr_call(1)))
    (call,) = (await database.read(store.find)).calls
    assert call.keys == "menu=1"
    assert "of a later version" in (tmp_path / "refused.jsonl").read_text(encoding="utf-8")


async def test_the_file_ahead_is_bounded_while_transactions_are_slow(
    database: Database, tmp_path: Path
) -> None:
    go_on = threading.Event()

    def slow(connection: Connection, before: Call | None, after: Call, facts: Sequence[Fact]) -> None:
        go_on.wait(PATIENCE)  # slower than any disk
        time.sleep(0.03)

    async with running(
        database, tmp_path, before=lambda journal: journal.react(slow), patience_seconds=PATIENCE
    ) as journal:
        largest = 0
        for call in range(40):
            held = [replace(each, data={**each.data, "note": "x" * 8000}) for each in ivr_call(call)]
            await asyncio.gather(*(journal.secure(each) for each in held))
            largest = max(largest, journal._ahead.size)
            if largest > 1024 * 1024:
                go_on.set()  # from here on callers wait for the transaction
        assert 1024 * 1024 < largest < 1.2 * 1024 * 1024
    assert journal._ahead.size == 0
    assert (await database.read(store.find)).total == 40


async def test_a_disk_that_takes_nothing_ahead_makes_the_caller_wait_for_the_transaction(
    database: Database, tmp_path: Path
) -> None:
    async with running(database, tmp_path) as journal:
        journal._ahead.path.mkdir()  # no file can be opened there
        await journal.secure(*ivr_call(1))
        assert (await database.read(store.find)).calls[0].keys == "menu=1"
        await journal.secure(*ivr_call(2))
        assert (await database.read(store.find)).total == 2


async def test_an_outbound_call_the_log_refuses_is_not_dialed(
    sqlite_url: str, open_database: Any, tmp_path: Path
) -> None:
    database = open_database(sqlite_url)

    def refuse(connection: Connection) -> None:
        connection.exec_driver_sql(
            "CREATE TRIGGER refuse BEFORE INSERT ON calls BEGIN SELECT RAISE(ABORT, 'refused'); END"
        )

    await database.write(refuse)
    async with running(database, tmp_path) as journal:
        with pytest.raises(StorageUnavailable, match="nothing was dialed"):
            await journal.open_outbound(new_id(T0), "+8613900000009", "agent", T0)
        assert journal.state().refused == 1
        assert "outbound:" in (tmp_path / "refused.jsonl").read_text(encoding="utf-8")


async def test_r23_a_database_locked_from_outside_makes_nobody_wait(
    sqlite_url: str, open_database: Any, tmp_path: Path
) -> None:
    """R23: another process holds SQLite's lock for seconds: record returns from the spool, then all is stored."""
    database = open_database(sqlite_url, pool_seconds=2.0)
    async with running(database, tmp_path, patience_seconds=0.2) as journal:
        await journal.record(*ivr_call(1))
        holder = sqlite3.connect(sqlite_url.removeprefix("sqlite:///"), isolation_level=None)
        try:
            holder.execute("BEGIN IMMEDIATE")
            started = asyncio.get_running_loop().time()
            await asyncio.gather(*(journal.record(*ivr_call(call)) for call in range(2, 12)))
            assert asyncio.get_running_loop().time() - started < 1.5 + SLACK  # the lock is held all the while
            assert journal.saving_delayed
            await asyncio.sleep(2.5)  # longer than SQLite waits: the transaction fails and is tried again
            await journal.record(*ivr_call(12))
        finally:
            holder.execute("COMMIT")
            holder.close()
        await until(lambda: not journal.saving_delayed)
    page = await database.read(store.find)
    assert page.total == 12


async def test_r24_a_full_database_raises_the_alarm_and_recovers_by_itself(
    sqlite_url: str, open_database: Any, tmp_path: Path
) -> None:
    database = open_database(sqlite_url)

    def most_pages(count: int) -> None:
        def work(connection: Connection) -> None:
            connection.exec_driver_sql(f"PRAGMA max_page_count = {count}")

        database.write_now(work)

    def pages(connection: Connection) -> int:
        return int(connection.exec_driver_sql("PRAGMA page_count").scalar_one())

    async with running(database, tmp_path) as journal:
        most_pages(database.read_now(pages) + 3)
        for call in range(200):
            await journal.record(*ivr_call(call))
        assert journal.saving_delayed
        assert journal.state().spooled_bytes > 0
        most_pages(1_000_000)
        await until(lambda: not journal.saving_delayed)
    page = await database.read(store.find)
    assert page.total == 200


async def test_r24_a_full_spool_is_said_and_facts_stay_in_memory(
    sqlite_url: str, open_database: Any, tmp_path: Path
) -> None:
    database = open_database(sqlite_url, pool_seconds=0.2)
    async with running(database, tmp_path, patience_seconds=0.1, most_spool_bytes=3000) as journal:
        await journal.record(*ivr_call(1))
        holder = sqlite3.connect(sqlite_url.removeprefix("sqlite:///"), isolation_level=None)
        try:
            holder.execute("BEGIN IMMEDIATE")
            with contextlib.suppress(StorageUnavailable):
                for call in range(2, 20):
                    await journal.record(*ivr_call(call))
            assert journal.state().spool_full
            with pytest.raises(StorageUnavailable):
                await journal.record(*ivr_call(20))
        finally:
            holder.execute("COMMIT")
            holder.close()
        await until(lambda: not journal.saving_delayed)
        assert not journal.state().unsaved
        await journal.record(*ivr_call(21))
    page = await database.read(store.find)
    assert page.total >= 4
    numbers = {call.linkedid for call in page.calls}
    assert ivr_call(20)[0].linkedid in numbers


async def test_r24_the_spool_is_back_while_what_memory_held_is_being_stored(
    sqlite_url: str, open_database: Any, tmp_path: Path
) -> None:
    """R24: the facts of memory go to the spool and to the database at once; the writer goes on."""
    database = open_database(sqlite_url, pool_seconds=30.0)
    storing, go_on = threading.Event(), threading.Event()

    def wait_at_the_second(_c: Connection, _before: Call | None, after: Call, _f: Sequence[Fact]) -> None:
        if after.linkedid == ivr_call(2)[0].linkedid and not go_on.is_set():
            storing.set()
            assert go_on.wait(20)

    async with running(
        database,
        tmp_path,
        patience_seconds=0.1,
        most_spool_bytes=10,
        before=lambda journal: journal.react(wait_at_the_second),
    ) as journal:
        holder = sqlite3.connect(sqlite_url.removeprefix("sqlite:///"), isolation_level=None)
        try:
            holder.execute("BEGIN IMMEDIATE")
            for call in (1, 2):
                with pytest.raises(StorageUnavailable):
                    await journal.record(*ivr_call(call))
        finally:
            holder.execute("COMMIT")
            holder.close()
        try:
            await until(storing.is_set)
            journal._spool.most_bytes = 1_000_000
            await journal.record(*ivr_call(3))
            assert journal.state().unsaved == 0
        finally:
            go_on.set()
        await until(lambda: not journal.saving_delayed)
        await journal.record(*ivr_call(4))
    assert (await database.read(store.find)).total == 4


async def test_r29_a_spool_that_cannot_be_read_now_does_not_end_the_writer(
    sqlite_database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No descriptor is left for a moment: the facts wait and are stored afterwards."""
    Spool(tmp_path).append(ivr_call(1))
    peek = Spool.peek
    left = 3

    def peek_without_descriptors(spool: Spool, most: int) -> tuple[Sequence[Fact], int]:
        nonlocal left
        left -= 1
        if left > 0:
            raise OSError(24, "Too many open files")
        return peek(spool, most)

    monkeypatch.setattr(Spool, "peek", peek_without_descriptors)
    async with running(sqlite_database, tmp_path) as journal:
        await journal.record(*ivr_call(2))
        await until(lambda: not journal.saving_delayed)
    assert left <= 0
    assert (await sqlite_database.read(store.find)).total == 2


async def test_what_only_shows_or_foresees_cannot_stop_the_log(
    sqlite_database: Database, tmp_path: Path
) -> None:
    def fail(*_given: object) -> None:
        raise LookupError("a page or a look-up is broken")

    def before(journal: Journal) -> None:
        journal.watch(fail)
        journal.foresee(fail)

    async with running(sqlite_database, tmp_path, before=before) as journal:
        for call in (1, 2):
            await journal.record(*ivr_call(call)[:2])
            await journal.record(*ivr_call(call)[2:])
        assert journal.state().refused == 0
    page = await sqlite_database.read(store.find)
    assert [call.state for call in page.calls] == [CallState.ENDED] * 2


async def test_memory_is_flat_over_many_calls(sqlite_database: Database, tmp_path: Path) -> None:
    async with running(sqlite_database, tmp_path, grace_seconds=0.0) as journal:
        sizes = []
        for start in range(0, 2000, 200):
            await journal.record(*(each for call in range(start, start + 200) for each in ivr_call(call)))
            journal._forgot_at = 0.0
            journal._forget()
            sizes.append((len(journal.tracker), len(journal._live), len(journal.tracker._by_uniqueid)))
        assert max(sizes)[0] <= 200
        assert sizes[-1] <= max(sizes[:2])


async def test_an_outbound_call_has_its_row_before_anything_is_dialed(
    database: Database, tmp_path: Path
) -> None:
    async with running(database, tmp_path) as journal:
        id = new_id(T0)
        await journal.open_outbound(id, "+8613800000001", "AGENT", T0)
        call = await database.read(lambda connection: store.by_id(connection, id))
        assert call is not None
        assert (call.id, call.linkedid, call.direction.value, call.called) == (
            id,
            id,
            "outbound",
            "+8613800000001",
        )
        await journal.record(
            Fact(
                source=Source.AMI,
                key="Newchannel",
                kind=FactKind.LEG_STARTED,
                at=T0 + timedelta(seconds=1),
                linkedid=id,
                uniqueid=id,
                data={"channel": "PJSIP/a7Qk2-00000001"},
            )
        )
    page = await database.read(store.find)
    assert page.total == 1


async def test_new_callers_are_looked_up_with_their_arrival(database: Database, tmp_path: Path) -> None:
    """A caller is found in the transaction that stores his call, once; the menu then asks nobody."""
    asked: list[list[str]] = []
    rows: list[int] = []

    def look(connection: Connection, numbers: Sequence[str]) -> None:
        asked.append(list(numbers))
        rows.append(int(connection.execute(text("SELECT count(*) FROM calls")).scalar_one()))

    journal = Journal(
        database,
        system="careline",
        number_of=number_of,
        spool_folder=tmp_path / "spool",
        patience_seconds=20.0,
    )
    journal.foresee(look)
    writer = asyncio.create_task(journal.run())
    try:
        for call in (1, 2):
            await journal.record(*ivr_call(call)[:2])
        await journal.record(*ivr_call(1)[2:])
    finally:
        journal.stop()
        await writer
    assert asked == [["+8613900000009"], ["+8613900000009"]]
    assert rows == [1, 2]


def test_a_busy_hour_shares_transactions() -> None:
    assert pace_at(0, 0.02) == 0.02
    assert pace_at(40, 0.02) == 0.04
    assert pace_at(160, 0.02) == pace_at(500, 0.02) == 0.1
