"""`python -m bench due`: a day's contacts for a million vehicles, beside the bare INSERT of the rows it made.

Two dealerships with equally many vehicles due on a day, one ten times the other, on SQLite and on PostgreSQL. The day
before is done first, so that what is entered late is looked for as on any day; then a day with many due and one with
a fifth of them. The longest share is how long anybody else waits for the writer. Options: --vehicles N, --due N (of a
day), --only sqlite|postgres.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, delete, insert, select

from bench import _crowd
from bench.figures import Figure
from storage import due
from storage.database import Database, make_engine
from storage.migrations import upgrade
from storage.tables import metadata
from telephony.hours import WorkingTime

#: A Wednesday; the days around it are worked too.
DAY: Final = date(2026, 6, 10)
_ZONE: Final = ZoneInfo("Asia/Shanghai")
_HOURS: Final = WorkingTime(zone=_ZONE, week=[[(9 * 60, 18 * 60)]] * 5 + [[], []])
#: Days whose visits are looked for again, because some are entered late.
_LATE: Final = 15
_STEP: Final = 500_000
#: Of the vehicles of a day: so many hundredths for maintenance, handed over, served, and to be inspected.
_SHARES: Final = (50, 10, 20, 20)
#: The day after has a fifth of them.
_LESS: Final = 5


def run(options: Sequence[str]) -> Mapping[str, Figure]:
    """Measure; see the module's words."""
    parser = argparse.ArgumentParser(prog="bench due")
    parser.add_argument("--vehicles", type=int, default=1_000_000)
    parser.add_argument("--due", type=int, default=10_000)
    parser.add_argument("--only", choices=("sqlite", "postgres"))
    given = parser.parse_args(list(options))
    if given.vehicles < given.due * 60:
        parser.error(
            "a tenth of the vehicles must hold six days of what is due: --vehicles at least 60 times --due"
        )
    figures: dict[str, Figure] = {}
    for engine in ("sqlite", "postgres"):
        if given.only in (None, engine):
            figures |= _engine(engine, given.vehicles, given.due)
    return figures


def _engine(engine: str, vehicles: int, count: int) -> Mapping[str, Figure]:
    small = _on(engine, vehicles // 10, count)
    large = _on(engine, vehicles, count)
    name = f"{vehicles:,}"
    day, less = large.days
    return {
        f"{engine}: {name} vehicles, {day.made:,} due": Figure(
            value=day.seconds,
            unit="s",
            peers={
                "bare INSERT of the same rows": large.floor,
                f"{vehicles // 10:,} vehicles, {small.days[0].made:,} due": small.days[0].seconds,
                f"{less.made:,} due": less.seconds,
            },
            more_is_better=False,
        ),
        f"{engine}: {name} vehicles, {less.made:,} due": Figure(
            value=less.seconds,
            unit="s",
            peers={
                f"{vehicles // 10:,} vehicles, {small.days[1].made:,} due": small.days[1].seconds,
            },
            more_is_better=False,
        ),
        f"{engine}: contacts' reasons a second": Figure(
            value=day.made / day.seconds, unit="1/s", peers={"bare INSERT": day.made / large.floor}
        ),
        f"{engine}: longest share (the writer is held)": Figure(
            value=max(day.longest, less.longest) * 1000,
            unit="ms",
            peers={f"{vehicles // 10:,} vehicles": max(one.longest for one in small.days) * 1000},
            more_is_better=False,
        ),
    }


@dataclass(frozen=True, kw_only=True, slots=True)
class _Day:
    """A day's generation."""

    made: int
    seconds: float
    longest: float


@dataclass(frozen=True, kw_only=True, slots=True)
class _Result:
    days: tuple[_Day, _Day]
    #: Seconds of the bare INSERT of the first day's rows.
    floor: float


def _on(engine: str, vehicles: int, count: int) -> _Result:
    place = Path(tempfile.mkdtemp(prefix="careline-pg-", dir="/tmp"))  # a socket's path is short
    place.chmod(0o755)
    try:
        if engine == "sqlite":
            return _measure(f"sqlite:///{place / 'careline.db'}", vehicles, count)
        sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
        from fixtures_storage import PostgresServer  # type: ignore[import-not-found]

        server = PostgresServer(place)
        server.start()
        try:
            server._execute("ALTER SYSTEM SET max_wal_size = '8GB'", "SELECT pg_reload_conf()")
            return _measure(server.url(), vehicles, count)
        finally:
            server.stop()
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _measure(url: str, vehicles: int, count: int) -> _Result:
    began = time.perf_counter()
    upgrade(url)
    _fill(url, vehicles, count)
    print(f"{vehicles:,} vehicles made in {time.perf_counter() - began:.0f} s", flush=True)
    database = Database(url)
    try:
        _generate(database, _at(-1))
        first = _generate(database, _at(0))
        floor = database.write_now(_floor)
        return _Result(days=(first, _generate(database, _at(1))), floor=floor)
    finally:
        database.close()


def _at(days: int) -> datetime:
    on = DAY + timedelta(days=days)
    return datetime(on.year, on.month, on.day, 5, tzinfo=_ZONE).astimezone(UTC)


def _generate(database: Database, now: datetime) -> _Day:
    longest = 0.0
    began = time.perf_counter()
    more = True
    while more:
        share = time.perf_counter()
        more = database.write_now(lambda connection: due.run_share(connection, now, _HOURS))
        longest = max(longest, time.perf_counter() - share)
    seconds = time.perf_counter() - began
    counts: dict[str, int] = database.read_now(due.runs)[0]["counts"]
    return _Day(made=sum(counts.values()), seconds=seconds, longest=longest)


def _floor(connection: Connection) -> float:
    """Take the first day's rows out and put them back with nothing but INSERT; gives its seconds."""
    names = (("tasks", "created_at"), ("due_contacts", "created_at"), ("contact_reasons", "created_at"))
    kept: list[tuple[Any, list[dict[str, Any]]]] = []
    for name, column in (*names, ("contact_events", "at")):
        table = metadata.tables[name]
        mine = table.c[column] == _at(0)
        kept.append((table, [dict(row) for row in connection.execute(select(table).where(mine)).mappings()]))
    for table, _rows in reversed(kept):
        column = "at" if table.name == "contact_events" else "created_at"
        connection.execute(delete(table).where(table.c[column] == _at(0)))
    began = time.perf_counter()
    for table, rows in kept:
        connection.execute(insert(table), rows)
    return time.perf_counter() - began


# -- the dealership -----------------------------------------------------------------------------------

_DEALERSHIP: Final = (
    _crowd._CUSTOMERS[0],
    """INSERT INTO vehicles (id, brand, model, delivered_on, mileage, next_due_on, next_due_why, created_at, updated_at)
       SELECT {id}, 'VW', 'Golf', HANDED, NULL, DUE_ON, 'plan periodic date', {at}, {now} FROM series""",
    """INSERT INTO vehicle_people (vehicle_id, customer_id, role, since)
       SELECT {id}, {id}, 'owner', {at} FROM series""",
    """INSERT INTO service_visits (id, vehicle_id, customer_id, visited_on, mileage, kind, order_number, note,
         created_at, updated_at, version)
       SELECT {id}, {id}, {id}, SERVED, n % 60000, 'periodic', 'R' || n, '', {at}, {now}, 1 FROM series""",
)


def _fill(url: str, vehicles: int, count: int) -> None:
    engine = make_engine(url, writer=True, size=1, pool_seconds=60)
    handed, served, due_on = _cases(engine.dialect.name == "sqlite", count)
    statements = [
        statement.replace("HANDED", handed).replace("SERVED", served).replace("DUE_ON", due_on)
        for statement in _DEALERSHIP
    ]
    tables = [metadata.tables[statement.split()[2]] for statement in statements]
    _crowd._indexes(engine, tables, drop=True)
    for statement in statements:
        for start in range(0, vehicles, _STEP):
            with engine.begin() as connection:
                _crowd._series(connection, statement, start, min(start + _STEP, vehicles), vehicles)
    _crowd._indexes(engine, tables, drop=False)
    if engine.dialect.name == "postgresql":
        with engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
            # What was filled, as autovacuum would have by then; the tables of contacts are as an upgrade left them.
            connection.exec_driver_sql(f"VACUUM ANALYZE {', '.join(table.name for table in tables)}")
    else:
        with engine.connect() as connection:
            connection.exec_driver_sql("ROLLBACK")
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    engine.dispose()


def _cases(sqlite: bool, count: int) -> tuple[str, str, str]:
    """Days of delivery, of the last visit and of the next maintenance of vehicle n, in the words of the engine.

    The first vehicles are due on one of the days that are measured, or were handed over or served in the days before;
    of all others nothing happens near them.
    """

    def day(back: str) -> str:
        return f"date('{DAY}', (-({back})) || ' days')" if sqlite else f"(date '{DAY}' - (({back})::int))"

    maintenance, handed, served, inspected = (count * share // 100 for share in _SHARES)
    handed_cases: list[str] = []
    served_cases: list[str] = []
    due_cases: list[str] = []
    at = 0

    def put(cases: list[str], number: int, value: str) -> None:
        nonlocal at
        cases.append(f"WHEN n >= {at} AND n < {at + number} THEN {value}")
        at += number

    for place, less in ((0, 1), (1, _LESS)):
        put(due_cases, maintenance // less, day(f"-{14 + place}"))
        put(
            handed_cases,
            inspected // less,
            f"'{date(2024, 7, 10 + place)}'" if sqlite else f"date '{date(2024, 7, 10 + place)}'",
        )
        put(handed_cases, handed // less, day(str(3 - place)))
        put(served_cases, served // less, day(str(3 - place)))
    for back in range(4, 4 + _LATE):
        put(handed_cases, handed, day(str(back)))
        put(served_cases, served, day(str(back)))
    return (
        f"CASE {' '.join(handed_cases)} ELSE {day('60 + n % 200 + 1461 * (n % 3)')} END",
        f"CASE {' '.join(served_cases)} ELSE {day('60 + n % 300')} END",
        f"CASE {' '.join(due_cases)} ELSE {day('-(20 + n % 150)')} END",
    )
