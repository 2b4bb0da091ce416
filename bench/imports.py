"""`python -m bench import`: 100,000 rows of customers with vehicles, beside the bare reading of the same file.

The whole way that a list goes: read in the child, checked, tried against the database, imported, then the same file
once more; on SQLite and on PostgreSQL. While rows go in, a call's fact is recorded every 50 ms: how long the journal
takes for it says what callers notice. Options: --rows N, --only sqlite|postgres, --seconds N (everything together;
where they run short the second import is left out, and an import that is not done in time ends with its row).
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import resource
import shutil
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, NamedTuple

import python_calamine
import xlsxwriter

from access.ids import new_id
from bench.figures import Figure
from config.lists.room import make_lists
from crm.imports.fields import ImportKind
from crm.imports.jobs import ImportJob, ImportState
from storage import import_jobs
from storage.database import Database
from storage.journal import Journal
from storage.tables import metadata
from telephony.clock import SystemClock
from telephony.facts import Fact, FactKind, Source

_ZEROS: dict[str, Any] = dict.fromkeys(("done", "added", "changed", "unchanged", "refused", "place"), 0)
_SURNAMES = "王李张刘陈杨黄赵周吴徐孙马胡朱郭何罗高林"
_GIVEN = "伟芳娜敏静丽强磊军洋勇艳杰娟涛明超秀霞平刚桂英华玉兰健文建国志红春梅"


@dataclass(frozen=True, kw_only=True, slots=True)
class _Run:
    """What one database is measured with."""

    engine: str
    path: Path
    folder: Path
    #: Wall and processor seconds of the bare reading.
    bare: Took
    #: Seconds this database may take.
    seconds: float


def run(options: Sequence[str]) -> Mapping[str, Figure]:
    """Measure; see the module's words."""
    parser = argparse.ArgumentParser(prog="bench import")
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--only", choices=("sqlite", "postgres"))
    parser.add_argument("--seconds", type=float, default=350.0)
    given = parser.parse_args(list(options))
    until = time.perf_counter() + given.seconds
    both = given.only is None
    folder = Path(tempfile.mkdtemp(prefix="careline-bench-"))
    try:
        path = folder / "list.xlsx"
        write_list(path, given.rows)
        bare = read_bare(path)
        figures: dict[str, Figure] = {}
        if given.only != "postgres":
            left = (until - time.perf_counter()) / (2 if both else 1)
            wanted = _Run(engine="sqlite", path=path, folder=folder, bare=bare, seconds=left)
            figures |= _measure(wanted, f"sqlite:///{folder / 'careline.db'}")
        if given.only != "sqlite":
            left = until - time.perf_counter()
            figures |= _on_postgres(
                _Run(engine="postgres", path=path, folder=folder, bare=bare, seconds=left)
            )
        return figures
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def write_list(path: Path, rows: int) -> None:
    """A list as a dealer's system writes it: numbers as numbers, days as days."""
    with xlsxwriter.Workbook(str(path), {"constant_memory": True}) as book:
        sheet = book.add_worksheet("交车清单")
        day = book.add_format({"num_format": "yyyy-mm-dd"})
        sheet.write_row(0, 0, ["客户姓名", "手机", "车架号", "车牌号", "车型", "交车日期", "里程", "备注"])
        for number in range(rows):
            given = _GIVEN[number // 20 % len(_GIVEN)] + _GIVEN[number // 680 % len(_GIVEN)]
            sheet.write_string(number + 1, 0, _SURNAMES[number % 20] + given)
            sheet.write_number(number + 1, 1, 13_000_000_000 + number * 7919 % 900_000_000)
            sheet.write_string(number + 1, 2, f"LGWEF4A5{number:09d}")
            sheet.write_string(
                number + 1, 3, f"苏{'ABCDEFGHJK'[number // 100_000 % 10]}{number % 100_000:05d}"
            )
            sheet.write_string(number + 1, 4, "哈弗H6")
            sheet.write_datetime(number + 1, 5, date(2024, 1 + number % 12, 1 + number % 28), day)
            sheet.write_number(number + 1, 6, number % 90_000)
            sheet.write_string(number + 1, 7, "无")


class Took(NamedTuple):
    """What something took: on the clock, and of the processors (children included)."""

    wall: float
    cpu: float


class _Watch:
    """Measures from its making on."""

    def __init__(self) -> None:
        self._wall, self._cpu = time.perf_counter(), _cpu()

    def took(self) -> Took:
        return Took(time.perf_counter() - self._wall, _cpu() - self._cpu)


def _cpu() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def read_bare(path: Path) -> Took:
    """What the library takes to read every cell and do nothing with it."""
    watch = _Watch()
    for _row in python_calamine.CalamineWorkbook.from_path(path).get_sheet_by_index(0).iter_rows():
        pass
    return watch.took()


def _on_postgres(wanted: _Run) -> Mapping[str, Figure]:
    sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
    from fixtures_storage import PostgresServer  # type: ignore[import-not-found]

    place = Path(tempfile.mkdtemp(prefix="careline-pg-", dir="/tmp"))  # a socket's path is short
    place.chmod(0o755)
    try:
        server = PostgresServer(place)
        server.start()
        try:
            return _measure(wanted, server.url())
        finally:
            server.stop()
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _measure(wanted: _Run, url: str) -> Mapping[str, Figure]:
    database = Database(url)
    try:
        database.write_now(metadata.create_all)
        return asyncio.run(_import_twice(wanted, database))
    finally:
        database.close()


def _forget_peak() -> None:
    """The most memory of this process counts from now on, where the system can do that."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", "ascii")


def _peak() -> float:
    """Most megabytes of this process since `_forget_peak`."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/status").read_text("ascii").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


async def _import_twice(wanted: _Run, database: Database) -> Mapping[str, Figure]:
    began = time.perf_counter()
    folder = wanted.folder / wanted.engine
    await asyncio.to_thread(folder.mkdir, exist_ok=True)
    journal = Journal(
        database, system="careline", number_of=lambda raw: "+86" + raw, spool_folder=folder / "spool"
    )
    writing = asyncio.create_task(journal.run())
    idle: list[float] = []
    await _calls(journal, idle, 2.0, "idle")
    _forget_peak()
    before = _peak()
    busy: list[float] = []
    calling = asyncio.create_task(_calls(journal, busy, 3600.0, "busy"))
    try:
        first = await _import(wanted, database, folder, wanted.seconds - (time.perf_counter() - began))
    finally:
        calling.cancel()
        await asyncio.gather(calling, return_exceptions=True)
    memory = _peak()
    left = wanted.seconds - (time.perf_counter() - began)
    again = await _import(wanted, database, folder, left) if left > sum(first.walls) else None
    journal.stop()
    await writing
    child = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    few, at = {"bare reading": wanted.bare.wall}, wanted.engine
    steps = dict(zip(("upload to columns", "trial", "import"), first.walls, strict=True))
    figures = {
        f"{at}: {name}": Figure(value=value, unit="s", peers=few, more_is_better=False)
        for name, value in (*steps.items(), ("all of it", sum(first.walls)))
    }
    cpu = {"bare reading": wanted.bare.cpu}
    figures[f"{at}: processor time of all of it"] = Figure(
        value=first.cpu, unit="s", peers=cpu, more_is_better=False
    )
    figures[f"{at}: rows a second, all of it"] = Figure(
        value=first.rows / sum(first.walls), unit="1/s", peers={"bare reading": first.rows / wanted.bare.wall}
    )
    if again is not None:
        figures[f"{at}: the same file again"] = Figure(
            value=sum(again.walls), unit="s", peers=few, more_is_better=False
        )
    return {
        **figures,
        f"{at}: journal p50 meanwhile": _latency(busy, idle, 0.50),
        f"{at}: journal p99 meanwhile": _latency(busy, idle, 0.99),
        f"{at}: memory, service": Figure(
            value=memory, unit="MB", peers={"before": before}, more_is_better=False
        ),
        f"{at}: memory, reading process": Figure(value=child, unit="MB", more_is_better=False),
    }


def _latency(busy: list[float], idle: list[float], share: float) -> Figure:
    def at(values: list[float]) -> float:
        return sorted(values)[min(len(values) - 1, int(len(values) * share))] * 1000

    return Figure(value=at(busy), unit="ms", peers={"without import": at(idle)}, more_is_better=False)


async def _calls(journal: Journal, took: list[float], seconds: float, name: str) -> None:
    """A new call every 50 ms; each fact is waited for until it is durable."""
    until = time.perf_counter() + seconds
    number = 0
    while time.perf_counter() < until:
        number += 1
        at = datetime.now(UTC)
        id = f"careline-{name}.{number}"
        data = {
            "channel": "PJSIP/careline-trunk",
            "caller": "13900000009",
            "called": "4008001234",
            "name": "",
        }
        fact = Fact(
            source=Source.AMI,
            key=f"leg_started/{id}",
            kind=FactKind.LEG_STARTED,
            at=at,
            linkedid=id,
            uniqueid=id,
            data={**data, "trunk": True, "direction": "inbound"},
        )
        began = time.perf_counter()
        await journal.record(fact)
        took.append(time.perf_counter() - began)
        await asyncio.sleep(0.05)


class _Done(NamedTuple):
    """An import: seconds of reading, trial and writing, processor seconds of all, and its rows."""

    walls: tuple[float, float, float]
    cpu: float
    rows: int


async def _import(wanted: _Run, database: Database, folder: Path, seconds: float) -> _Done:
    clock = SystemClock()
    work = make_lists(database, clock, folder=folder).import_work
    watch = _Watch()
    job_id = new_id(clock.now())

    async def pieces() -> AsyncIterator[bytes]:
        with wanted.path.open("rb") as file:
            while piece := file.read(1024 * 1024):
                yield piece

    size = await work.keep_file(job_id, pieces())
    job = ImportJob(
        id=job_id,
        kind=ImportKind.CUSTOMERS,
        source="bench",
        state=ImportState.READING,
        file_name=wanted.path.name,
        file_bytes=size,
        created_at=clock.now(),
    )
    await database.write(lambda connection: import_jobs.insert_job(connection, job))
    marks = [0.0]

    async def step(out_of: ImportState) -> ImportJob:
        done = await work.work(job_id)
        if done.state is not out_of:
            raise RuntimeError(f"{wanted.engine}: the import is {done.state.value}: {done.error_id}")
        marks.append(watch.took().wall)
        return done

    try:
        async with asyncio.timeout(max(seconds, 1.0)):
            await step(ImportState.CHOOSING)
            await _go(database, job_id, ImportState.CHECKING, ImportState.CHOOSING)
            tried = await step(ImportState.CHECKED)
            await _go(database, job_id, ImportState.RUNNING, ImportState.CHECKED)
            done = await step(ImportState.DONE)
    except TimeoutError as error:
        left = await database.read(lambda connection: import_jobs.get_job(connection, job_id))
        raise SystemExit(
            f"{wanted.engine}: not done after {seconds:.0f} s: {left.state.value}, "
            f"row {left.counts.done:,} of {left.total:,}"
        ) from error
    if done.counts != tried.counts or done.counts.refused:
        raise RuntimeError(f"the import is not what the trial was: {tried.counts}, {done.counts}")
    read, checked, ended = marks[1:]
    return _Done((read, checked - read, ended - checked), watch.took().cpu, done.counts.done)


async def _go(database: Database, job_id: str, to: ImportState, out_of: ImportState) -> None:
    await database.write(
        lambda connection: import_jobs.move(connection, job_id, to, out_of=[out_of], **_ZEROS)
    )
