"""Importing the switch's files, reconciling open calls and proving the day, on both databases."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import textwrap
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, text
from waiting import until

from storage import calls as store
from storage.calls import UnknownOrder, Wanted
from storage.database import Database, StorageUnavailable
from storage.imports import Importer
from storage.journal import Journal
from storage.reconciliation import Reconciler
from telephony.asterisk import names
from telephony.asterisk.resync import Snapshot
from telephony.calls import Call, CallState, Outcome
from telephony.facts import Fact, FactKind, Source
from telephony.options import TelephonyOptions
from telephony.ports import Channel, Side

CAPTURES = Path(__file__).parents[1] / "captures" / "calls"
FILES = ((names.CEL_FILE, "cel.csv"), (names.CDR_FILE, "cdr.csv"), (names.QUEUE_LOG_FILE, "queue_log"))
#: The captures were made on this day (UTC).
DAY = date(2026, 11, 21)
AFTER = datetime(2026, 11, 21, 23, 30, tzinfo=UTC)


class StandingClock:
    def __init__(self, at: datetime) -> None:
        self.at = at

    def now(self) -> datetime:
        return self.at

    def monotonic(self) -> float:
        return self.at.timestamp()


class House:
    """A journal, an importer and a reconciler over one database and one log folder."""

    def __init__(self, database: Database, folder: Path, journal: Journal) -> None:
        self.database = database
        self.log = folder / "log"
        self.log.mkdir(exist_ok=True)
        self.journal = journal
        self.clock = StandingClock(AFTER)
        self.importer = Importer(journal, database, folder=self.log, clock=self.clock)
        self.reconciler = Reconciler(journal, database, options=TelephonyOptions(), clock=self.clock)

    def write(self, *captures: str) -> None:
        for capture in captures:
            for name, file in FILES:
                source = CAPTURES / capture / file
                if source.exists():
                    with (self.log / name).open("ab") as target:
                        target.write(source.read_bytes())

    async def calls(self) -> Sequence[Call]:
        page = await self.database.read(
            lambda connection: store.find(connection, descending=False, limit=500)
        )
        return page.calls

    async def proof(self) -> Any:
        return await self.database.read(
            lambda connection: store.proof_of(connection, None, DAY, "UTC", AFTER)
        )


@asynccontextmanager
async def house(database: Database, folder: Path, **options: Any) -> AsyncIterator[House]:
    def identify(connection: Connection, number: str) -> tuple[str | None, str]:
        return None, "unknown_number"

    journal = Journal(
        database,
        system="careline",
        number_of=lambda raw: "+86" + raw if raw.isdecimal() and len(raw) == 11 else None,
        spool_folder=folder / "spool",
        identify=identify,
        **{"retry_seconds": 0.05, "patience_seconds": 20.0, **options},
    )
    task = asyncio.create_task(journal.run())
    try:
        yield House(database, folder, journal)
    finally:
        journal.stop()
        await asyncio.wait_for(task, 30)


ALL = ("member", "ring_noanswer", "abandoned", "timeout", "menu_hangup", "ringing", "direct", "vm", "local", "blind",
       "blindq", "atx", "atxq", "redirect", "out_answer", "out_busy", "stopnow")  # fmt: skip


async def test_calls_of_a_time_without_the_service_are_recovered_and_the_day_is_proved(
    database: Database, tmp_path: Path
) -> None:
    async with house(database, tmp_path) as all_:
        all_.write(*ALL)
        assert await all_.importer.run_once() > 0
        calls = await all_.calls()
        assert {call.origin for call in calls} == {"recovered"}
        assert all(call.proved and call.ended_at for call in calls)
        proof = await all_.proof()
        assert proof.difference == 0, proof
        assert proof.on_trunk == proof.in_log == len(calls) == len(ALL) + 1
        gauges = await database.read(
            lambda connection: store.gauges(connection, "careline", AFTER - timedelta(days=1))
        )
        assert (gauges.open, gauges.recovered, gauges.interrupted, gauges.missing) == (0, len(calls), 0, 0)


async def test_reading_again_changes_nothing(database: Database, tmp_path: Path) -> None:
    async with house(database, tmp_path) as one:
        one.write("member", "blind")
        await one.importer.run_once()
        before = await one.calls()
        assert await one.importer.run_once() == 0
        forgetful = Importer(one.journal, database, folder=one.log, clock=one.clock)
        await database.write(lambda connection: connection.execute(text("DELETE FROM import_offsets")))
        assert await forgetful.run_once() > 0
        assert await one.calls() == before
    async with house(database, tmp_path) as two:
        assert await two.importer.run_once() == 0
        await database.write(lambda connection: connection.execute(text("DELETE FROM import_offsets")))
        again = Importer(two.journal, database, folder=two.log, clock=two.clock)
        await again.run_once()
        assert await two.calls() == before


async def test_a_file_is_followed_as_it_grows_and_a_half_line_waits(
    database: Database, tmp_path: Path
) -> None:
    data = (CAPTURES / "member" / "cel.csv").read_bytes()
    async with house(database, tmp_path) as one:
        path = one.log / names.CEL_FILE
        for start in range(0, len(data), 333):
            with path.open("ab") as file:
                file.write(data[start : start + 333])
            await one.importer.run_once()
        (call,) = await one.calls()
        assert call.proved
        assert one.importer.bad_lines == 0
        assert one.importer.cel_until is not None


async def test_rotation_and_truncation_lose_nothing(database: Database, tmp_path: Path) -> None:
    async with house(database, tmp_path) as one:
        path = one.log / names.CEL_FILE
        one.write("abandoned")
        await one.importer.run_once()
        one.write("member")
        path.rename(path.with_name(path.name + ".1"))  # rotated before it was read to its end
        one.write("direct")
        await one.importer.run_once()
        assert len(await one.calls()) == 3
        path.write_bytes((CAPTURES / "vm" / "cel.csv").read_bytes())  # cut and written anew in place
        await one.importer.run_once()
        calls = await one.calls()
        assert len(calls) == 4
        assert all(call.proved for call in calls)
        path.unlink()
        await one.importer.run_once()
        one.write("local")
        await one.importer.run_once()
        assert len(await one.calls()) == 5


async def test_bad_lines_are_counted_in_the_store(database: Database, tmp_path: Path) -> None:
    async with house(database, tmp_path) as one:
        one.write("member")
        with (one.log / names.CEL_FILE).open("ab") as file:
            file.write(b"garbage\n\xff\xfe\x00\n" + b"x" * 300_000 + b"\n")
        one.write("vm")
        await one.importer.run_once()
        assert len(await one.calls()) == 2
        assert one.importer.bad_lines >= 3
        offset = await database.read(
            lambda connection: store.offset_of(connection, "careline", names.CEL_FILE)
        )
        assert offset is not None
        assert offset.bad_lines == one.importer.bad_lines


async def test_nothing_is_skipped_while_saving_is_delayed(
    sqlite_url: str, open_database: Any, tmp_path: Path
) -> None:
    database = open_database(sqlite_url, pool_seconds=0.3)
    async with house(database, tmp_path, patience_seconds=0.1) as one:
        one.write("member")
        import sqlite3

        holder = sqlite3.connect(sqlite_url.removeprefix("sqlite:///"), isolation_level=None)
        holder.execute("BEGIN IMMEDIATE")
        with pytest.raises(StorageUnavailable):
            await one.importer.run_once()
        holder.execute("COMMIT")
        holder.close()

        async def read_again() -> bool:
            try:
                await one.importer.run_once()
            except StorageUnavailable:  # a transaction may take longer than the little patience of this test
                return False
            return True

        await until(read_again)
        assert (await one.calls())[0].proved


async def test_a_live_call_is_proved_by_its_files_and_keeps_what_only_the_service_knew(
    database: Database, tmp_path: Path
) -> None:
    linkedid = (CAPTURES / "menu_caller" / "cel.csv").read_text().split('"')[5]
    started = datetime.fromtimestamp(int(linkedid.partition("-")[2].partition(".")[0]), UTC)
    async with house(database, tmp_path) as one:
        await one.journal.record(
            Fact(
                source=Source.AGI, key="start", kind=FactKind.IVR_STARTED, at=started + timedelta(seconds=0.6),
                linkedid=linkedid, uniqueid=linkedid, data={"flow": "service", "caller": "13900000009"},
            ),
            Fact(
                source=Source.AGI, key="step", kind=FactKind.IVR_STEP, at=started + timedelta(seconds=0.8),
                linkedid=linkedid, uniqueid=linkedid, data={"node": "menu", "keys": "3"},
            ),
        )  # fmt: skip
        one.write("menu_caller")
        await one.importer.run_once()
        (call,) = await one.calls()
        assert (call.origin, call.proved, call.keys, call.flow) == ("live", True, "menu=3", "service")
        assert call.outcome is Outcome.LEFT_IN_MENU


def snapshot(boot: str, at: datetime, *channels: tuple[str, str]) -> Snapshot:
    return Snapshot(
        at=at,
        boot=boot,
        version="22.10.1",
        channels=tuple(
            Channel(
                name="PJSIP/careline-trunk-00000001", uniqueid=uniqueid, linkedid=linkedid, side=Side.TRUNK
            )
            for uniqueid, linkedid in channels
        ),
        queues=(),
        members=(),
    )


async def test_r09_asterisk_killed_in_calls_closes_them_with_the_times_cel_has(
    database: Database, tmp_path: Path
) -> None:
    """R09: kill -9 in two live calls, restart: interrupted, ended at the last sign of life, proved against CEL."""
    async with house(database, tmp_path) as one:
        one.write("killed")
        await one.importer.run_once()
        talking, menu = await one.calls()
        assert talking.state is CallState.TALKING
        alive = snapshot(
            "boot-1",
            menu.started_at + timedelta(seconds=2),
            (talking.linkedid, talking.linkedid),
            ("x", menu.linkedid),
        )
        done = await one.reconciler.reconcile(alive)
        assert (done.adopted, done.interrupted) == (2, 0)
        lost = menu.started_at + timedelta(seconds=4)
        one.reconciler.lost(lost)
        await database.write(
            lambda connection: store.saw_boot(connection, "careline", "boot-2", lost + timedelta(seconds=5))
        )
        done = await one.reconciler.reconcile(snapshot("boot-2", lost + timedelta(seconds=5)))
        assert (done.adopted, done.interrupted) == (0, 2)
        talking, menu = await one.calls()
        assert talking.outcome is menu.outcome is Outcome.INTERRUPTED
        assert talking.ended_at == menu.ended_at == lost
        assert talking.talk_seconds == pytest.approx((lost - talking.connected_at).total_seconds(), abs=0.01)
        proof = await one.proof()
        assert proof.difference == 0
        done = await one.reconciler.reconcile(snapshot("boot-2", lost + timedelta(seconds=65)))
        assert (done.adopted, done.interrupted) == (0, 0)


async def test_calls_open_at_a_restart_of_the_service_are_adopted_or_finished(
    database: Database, tmp_path: Path
) -> None:
    """R29, crash table: rows without an end after kill -9 of the service."""
    cel = (CAPTURES / "member" / "cel.csv").read_text().splitlines(keepends=True)
    async with house(database, tmp_path) as one:
        (one.log / names.CEL_FILE).write_text("".join(cel[:7]))
        await one.importer.run_once()
        (call,) = await one.calls()
        await one.reconciler.reconcile(
            snapshot("boot-1", call.started_at + timedelta(seconds=1), ("x", call.linkedid))
        )
    async with house(database, tmp_path) as two:
        assert two.journal.live_calls() == []
        at = call.started_at + timedelta(seconds=5)
        done = await two.reconciler.reconcile(snapshot("boot-1", at, (call.linkedid, call.linkedid)))
        assert done.adopted == 1
        assert [live.id for live in two.journal.live_calls()] == [call.id]
        with (two.log / names.CEL_FILE).open("a") as file:
            file.writelines(cel[7:])
        await two.importer.run_once()
        done = await two.reconciler.reconcile(snapshot("boot-1", at + timedelta(seconds=60)))
        assert done.interrupted == 0
        (call,) = await two.calls()
        assert (call.outcome, call.proved) == (Outcome.ANSWERED, True)


async def test_a_call_the_log_lost_is_named(database: Database, tmp_path: Path) -> None:
    async with house(database, tmp_path) as one:
        one.write("member", "vm")
        await one.importer.run_once()
        lost = (await one.calls())[0]
        await database.write(
            lambda connection: connection.execute(text("DELETE FROM calls WHERE id = :id"), {"id": lost.id})
        )
        proof = await one.proof()
        assert proof.difference == 1
        assert list(proof.missing) == [lost.linkedid]


async def test_lists_filter_order_and_page(database: Database, tmp_path: Path) -> None:
    """S10: only listed columns order a list; odd pages are brought into range."""
    async with house(database, tmp_path) as one:
        one.write(*ALL)
        await one.importer.run_once()

        def find(wanted: Wanted, **options: Any) -> store.Page:
            return database.read_now(lambda connection: store.find(connection, wanted, **options))

        everything = find(Wanted())
        assert everything.total == len(ALL) + 1
        pages = [find(Wanted(), limit=5, offset=start).calls for start in range(0, 25, 5)]
        assert [call.id for page in pages for call in page] == [call.id for call in everything.calls]
        assert find(Wanted(outcome=Outcome.ABANDONED)).total == 4
        assert {call.queue for call in find(Wanted(queue="service")).calls} == {"service"}
        assert find(Wanted(number="+8613900000009", untied=True)).total > 10
        assert find(Wanted(open=True)).total == 0
        first = everything.calls[-1].started_at
        assert find(Wanted(since=first, until=first + timedelta(microseconds=1))).total == 1
        talks = [call.talk_seconds for call in find(Wanted(), order_by="talk_seconds", limit=500).calls]
        assert talks == sorted(talks, reverse=True)
        assert len(find(Wanted(), limit=10**9, offset=-5).calls) == everything.total
        for bad in ("id; DROP TABLE calls", "(select 1)", "keys", ""):
            with pytest.raises(UnknownOrder):
                find(Wanted(), order_by=bad)
        assert find(Wanted(queue="' OR 1=1 --")).total == 0


KILLED_WRITER = """
import asyncio, os, signal, sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from storage.database import Database
from storage.journal import Journal
from telephony.facts import Fact, FactKind, Source

async def main(url, folder):
    database = Database(url)
    journal = Journal(database, system="careline", number_of=lambda raw: None, spool_folder=Path(folder),
        patience_seconds=60.0)
    def slow(connection, before, after, facts):
        if after.linkedid.endswith(".7"):
            print("inside", flush=True)
            os.kill(os.getpid(), signal.SIGKILL)
    journal.react(slow)
    asyncio.get_running_loop().create_task(journal.run())
    for number in range(8):
        id = f"careline-1795302192.{number}"
        await journal.record(Fact(source=Source.AGI, key=id, kind=FactKind.IVR_STARTED,
            at=datetime(2026, 11, 21, tzinfo=UTC) + timedelta(seconds=number), linkedid=id, uniqueid=id, data={}))
        print("durable", number, flush=True)

asyncio.run(main(*sys.argv[1:]))
"""


def test_r23_kill_in_a_transaction_keeps_what_was_promised_and_nothing_half(
    database_url: str, open_database: Any, tmp_path: Path
) -> None:
    """R23: kill -9 inside the writer's transaction: promised facts are there, the database is whole."""
    script = tmp_path / "writer.py"
    script.write_text(textwrap.dedent(KILLED_WRITER))
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, str(script), database_url, str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "PYTHONPATH": str(root)},
    )
    assert done.stdout.split("\n")[-2] == "inside", done.stderr
    promised = done.stdout.count("durable")
    assert promised == 7
    database: Database = open_database(database_url)
    page = database.read_now(store.find)
    assert page.total == promised
    if database.is_sqlite:
        check = database.read_now(
            lambda connection: connection.exec_driver_sql("PRAGMA integrity_check").scalar()
        )
        assert check == "ok"
    facts = database.read_now(
        lambda connection: connection.execute(text("SELECT count(*) FROM call_facts")).scalar_one()
    )
    assert facts == promised
