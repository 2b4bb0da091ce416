"""CPU a simple call costs the call log: facts of AMI, FastAGI, CEL and CDR, folded and stored.

python -m bench.calllog [--calls 2000] [--url postgresql+psycopg://…]
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import resource
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from storage.database import Database, StorageUnavailable
from storage.journal import Journal
from storage.tables import metadata
from telephony.asterisk.files import read_cdr, read_cel
from telephony.facts import Fact, FactKind, Source

START = datetime(2026, 11, 21, 2, 0, tzinfo=UTC)


def _fact(source: Source, kind: FactKind, at: datetime, id: str, **data: object) -> Fact:
    return Fact(
        source=source,
        key=f"{kind.value}/{id}/{at.timestamp():.6f}",
        kind=kind,
        at=at,
        linkedid=id,
        uniqueid=id,
        data=data,
    )


def _files(start: datetime, id: str, channel: str) -> tuple[list[str], list[str]]:
    """What Asterisk writes about one such call."""

    def line(event: str, after: float, app: str = "", extra: str = "") -> str:
        time_ = f"{(start + timedelta(seconds=after)).timestamp():.6f}"
        return (
            f'"{event}","{time_}","{id}","{id}","{channel}","13900000009","Anonymous","13900000009","4008001234",'
            f'"4008001234","careline-inbound","{app}","","","","","{extra}"'
        )

    hangup = '{""hangupcause"":16,""hangupsource"":""' + channel + '"",""dialstatus"":""""}'
    cel = [
        line("CHAN_START", 0),
        line("ANSWER", 0.01, "Answer"),
        line("HANGUP", 6, extra=hangup),
        line("CHAN_END", 6),
        line("LINKEDID_END", 6),
    ]
    begin, end = f"{start.timestamp():.6f}", f"{(start + timedelta(seconds=6)).timestamp():.6f}"
    cdr = [
        f'"{id}","{id}","1","{begin}","{begin}","{end}","6","6","ANSWERED","13900000009","4008001234",'
        f'"careline-inbound","{channel}","","AGI","",""'
    ]
    return cel, cdr


async def _one(journal: Journal, number: int, lines: tuple[list[str], list[str]]) -> None:
    """One call as it goes: some facts are waited for, others not."""
    at = START + timedelta(seconds=number / 40)
    id = f"careline-{int(at.timestamp())}.{number}"
    channel = f"PJSIP/careline-trunk-{number:08x}"
    agi, ami = Source.AGI, Source.AMI
    journal.record_soon(
        _fact(
            ami, FactKind.LEG_STARTED, at, id, channel=channel, caller="13900000009", called="4008001234", name="",
            trunk=True, direction="inbound",
        )
    )  # fmt: skip
    journal.record_soon(_fact(ami, FactKind.LEG_ANSWERED, at + timedelta(milliseconds=10), id))
    await journal.record(
        _fact(
            agi, FactKind.IVR_STARTED, at + timedelta(milliseconds=20), id, flow="service", caller="13900000009",
            called="4008001234",
        )
    )  # fmt: skip
    for step in range(3):
        await asyncio.sleep(0.05)
        journal.record_soon(
            _fact(
                agi,
                FactKind.IVR_STEP,
                at + timedelta(seconds=1 + step),
                id,
                node=f"menu{step}",
                keys=str(step),
            )
        )
    await journal.record(
        _fact(agi, FactKind.IVR_ENDED, at + timedelta(seconds=5), id, route="hangup", outcome="done"),
        _fact(agi, FactKind.IDENTIFIED, at + timedelta(seconds=1), id, customer_id="C" * 26, how="number"),
    )
    journal.record_soon(_fact(ami, FactKind.LEG_ENDED, at + timedelta(seconds=6), id, cause=16))
    cel, cdr = _files(at, id, channel)
    lines[0].extend(cel)
    lines[1].extend(cdr)


async def measure(database: Database, folder: Path, calls: int, rate: float) -> dict[str, float]:
    """CPU milliseconds a call, memory and waiting."""
    journal = Journal(
        database, system="careline", number_of=lambda raw: "+86" + raw, spool_folder=folder, grace_seconds=2.0
    )
    writer = asyncio.create_task(journal.run())
    lines: tuple[list[str], list[str]] = ([], [])
    tasks: set[asyncio.Task[None]] = set()
    gc.collect()  # what came before is not this measurement's
    before, wall = time.process_time(), time.perf_counter()
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    async def imports() -> None:
        while True:
            await asyncio.sleep(1)
            await _import(journal, lines)

    importer = asyncio.create_task(imports())
    for number in range(calls):
        due = wall + number / rate
        if (wait := due - time.perf_counter()) > 0:
            await asyncio.sleep(wait)
        task = asyncio.create_task(_one(journal, number, lines))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
    await asyncio.gather(*tasks)
    importer.cancel()
    await _import(journal, lines)
    journal.stop()
    await writer
    cpu, took = time.process_time() - before, time.perf_counter() - wall
    state = journal.state()
    return {
        "calls": calls,
        "cpu_ms_per_call": cpu / calls * 1000,
        "calls_per_second": calls / took,
        "facts": state.stored,
        "transactions": state.batches,
        "refused": state.refused,
        "grown_kb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory,
    }


async def _import(journal: Journal, lines: tuple[list[str], list[str]]) -> None:
    cel, cdr = list(lines[0]), list(lines[1])
    lines[0].clear()
    lines[1].clear()
    facts = read_cel(cel).facts + read_cdr(cdr).facts
    while facts:
        try:
            await journal.record_imported(facts, lambda connection: None)
        except StorageUnavailable:
            await asyncio.sleep(0.1)  # a busy disk: saving is delayed for a moment
        else:
            return


def main() -> None:
    """Measure and print one line per figure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=2000)
    parser.add_argument("--rate", type=float, default=40.0, help="calls a second")
    parser.add_argument("--url", default="")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        url = chosen.url or f"sqlite:///{folder}/careline.db"
        database = Database(url)
        database.write_now(metadata.create_all)
        try:
            for name, value in asyncio.run(
                measure(database, Path(folder), chosen.calls, chosen.rate)
            ).items():
                print(f"{name:20} {value:.2f}")
        finally:
            database.close()


if __name__ == "__main__":
    main()
