"""How much a database works for an answer: what does not depend on the machine, nor on what else it does."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import partial
from typing import Any

from sqlalchemy import Connection, event

from storage.database import Database

_READS_ALL = re.compile(r"SCAN (\w+)")
#: SQLite counts its work in steps of its machine, as many at once.
_STEPS = 100


@dataclass(frozen=True)
class Effort:
    """What an answer took."""

    #: Tables of those asked about that were read from end to end.
    whole: frozenset[str]
    statements: int
    #: Steps of SQLite's machine, or pages PostgreSQL touched.
    work: int
    #: What the plans say, one line each.
    plans: tuple[str, ...]


def effort_of(database: Database, ask: Callable[[Connection], object], large: Collection[str]) -> Effort:
    """How the engine answers the statements of `ask`, those below SQLAlchemy included."""
    work = _in_sqlite if database.is_sqlite else _in_postgres
    return database.read_now(partial(work, ask=ask, large=frozenset(large)))


def _in_sqlite(connection: Connection, ask: Callable[[Connection], object], large: frozenset[str]) -> Effort:
    raw = connection.connection.driver_connection
    assert isinstance(raw, sqlite3.Connection)
    said: list[str] = []
    steps = 0

    def step() -> int:
        nonlocal steps
        steps += _STEPS
        return 0

    raw.set_trace_callback(said.append)
    raw.set_progress_handler(step, _STEPS)
    try:
        ask(connection)
    finally:
        raw.set_trace_callback(None)
        raw.set_progress_handler(None, 0)
    asked = [one for one in said if one.lstrip().upper().startswith(("SELECT", "WITH"))]
    plans = [str(row[3]) for one in asked for row in raw.execute("EXPLAIN QUERY PLAN " + one)]
    whole = {table for line in plans for table in _READS_ALL.findall(line) if "USING INDEX" not in line}
    return Effort(whole=frozenset(whole & large), statements=len(asked), work=steps, plans=tuple(plans))


def _in_postgres(
    connection: Connection, ask: Callable[[Connection], object], large: frozenset[str]
) -> Effort:
    said: list[tuple[str, Any]] = []

    def note(_c: object, _u: object, statement: str, values: Any, _x: object, _m: object) -> None:
        said.append((statement, values))

    event.listen(connection, "before_cursor_execute", note)
    try:
        ask(connection)
    finally:
        event.remove(connection, "before_cursor_execute", note)
    asked = [one for one in said if one[0].lstrip().upper().startswith(("SELECT", "WITH"))]
    whole, pages, lines = set(), 0, []
    for statement, values in asked:
        explain = "EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, FORMAT JSON) " + statement
        plan = connection.exec_driver_sql(explain, values).scalar_one()[0]["Plan"]
        pages += plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]
        nodes = [plan]
        for node in nodes:
            nodes += node.get("Plans", [])
        whole |= {node["Relation Name"] for node in nodes if node["Node Type"].endswith("Seq Scan")}
        lines += [
            " ".join(str(node.get(name, "")) for name in ("Node Type", "Relation Name", "Index Name"))
            for node in nodes
        ]
    return Effort(whole=frozenset(whole & large), statements=len(asked), work=pages, plans=tuple(lines))
