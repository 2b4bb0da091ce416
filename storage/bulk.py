"""Many rows at once, one statement a batch: what an import writes while callers are on the line."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final, NamedTuple

from sqlalchemy import JSON, Connection, Dialect, Table
from sqlalchemy.types import TypeEngine

from storage.database import execute_many, fetch

Turn = Callable[[Any], Any] | None


class Ready(NamedTuple):
    """Rows as their statement takes them; made before the transaction that writes them."""

    statement: str
    #: SQLite: values row by row. PostgreSQL: one JSON text of all rows.
    values: Any


def ready_rows(
    dialect: Dialect, table: Table, rows: Sequence[Mapping[str, Any]], *, known_stay: bool = False
) -> Ready | None:
    """Rows to be added, all with the same columns; with `known_stay` those that are there already stay as they are.

    On SQLite a prepared statement, on PostgreSQL one statement over a JSON text: both take about a tenth of
    what a compiled INSERT takes.
    """
    if not rows:
        return None
    names = tuple(rows[0])
    statement, convert = _prepared(table, names, dialect.name, known_stay, dialect)
    turned = [
        list(column) if turn is None else [turn(value) for value in column]
        for column, turn in zip(zip(*(row.values() for row in rows), strict=True), convert, strict=True)
    ]
    values = list(zip(*turned, strict=True))
    if dialect.name != "postgresql":
        return Ready(statement, values)
    plain = json.dumps([dict(zip(names, row, strict=True)) for row in values], default=str)
    return Ready(statement, (plain,))


def write_rows(connection: Connection, ready: Ready | None) -> None:
    """Write what was made ready. Errors are SQLAlchemy's."""
    if ready is None:
        return
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(ready.statement, ready.values)
    else:
        execute_many(connection, ready.statement, ready.values)


def insert_rows(
    connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]], *, known_stay: bool = False
) -> None:
    """`ready_rows` and `write_rows` in one."""
    write_rows(connection, ready_rows(connection.dialect, table, rows, known_stay=known_stay))


def fetch_any(
    connection: Connection,
    columns: Sequence[Any],
    wanted: Sequence[tuple[Any, Iterable[str]]],
    further: str = "",
) -> list[tuple[Any, ...]]:
    """Rows of one table in which each column of `wanted` says one of its texts; `further` is a condition in SQL.

    One prepared statement, however many texts: naming each of them costs more than finding the rows.
    """
    asked = [list(texts) for _column, texts in wanted]
    if not all(asked):
        return []
    dialect = connection.dialect
    names = tuple(columns)
    statement, turns = _question(names, tuple(column for column, _texts in wanted), further, dialect)
    rows = fetch(connection, statement, [_texts(texts, dialect.name) for texts in asked])
    if not any(turns):
        return rows
    return [
        tuple([one if turn is None else turn(one) for one, turn in zip(row, turns, strict=True)])
        for row in rows
    ]


_WALK_INDEXES: Final = (
    "SELECT set_config('enable_seqscan', 'off', true),"
    " set_config('plan_cache_mode', 'force_generic_plan', true)"
)


def walk_indexes(connection: Connection) -> None:
    """Until the transaction ends `fetch_any` finds its rows by index, however small the tables were at first.

    PostgreSQL keeps the plan of a prepared question until it next counts the table's rows. One that was made while
    a table was nearly empty reads all of it, and an import makes the table grow under it.
    """
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(_WALK_INDEXES)


@lru_cache(maxsize=64)
def _question(
    columns: tuple[Any, ...], wanted: tuple[Any, ...], further: str, dialect: Dialect
) -> tuple[str, tuple[Turn, ...]]:
    table = columns[0].table.name
    if dialect.name == "postgresql":
        where = [
            f"{one.name} = ANY(?::{one.type.compile(dialect).partition('(')[0].partition(' COLLATE')[0]}[])"
            for one in wanted
        ]
    else:
        where = [f"{one.name} IN (SELECT value FROM json_each(?))" for one in wanted]  # noqa: S608 - as below
    conditions = " AND ".join([*where, further] if further else where)
    names = ", ".join(one.name for one in columns)
    statement = f"SELECT {names} FROM {table} WHERE {conditions}"  # noqa: S608 - names of our own
    if dialect.name == "postgresql":  # the driver gives days and moments as what they are
        return statement, (None,) * len(columns)
    turns = tuple(one.type.dialect_impl(dialect).result_processor(dialect, None) for one in columns)
    return statement, turns


def _texts(texts: list[str], engine: str) -> str:
    """Many texts as one value: JSON, or an array of PostgreSQL as it is written."""
    if engine != "postgresql":
        return json.dumps(texts)
    quoted = [one.replace("\\", "\\\\").replace('"', '\\"') for one in texts]
    return '{"' + '","'.join(quoted) + '"}'


@lru_cache(maxsize=64)
def _prepared(
    table: Table, names: tuple[str, ...], engine: str, known_stay: bool, dialect: Dialect
) -> tuple[str, tuple[Turn, ...]]:
    columns = [table.c[name] for name in names]
    into = f"INTO {table.name} ({', '.join(names)})"
    if engine == "postgresql":
        kinds = [column.type.compile(dialect).partition(" COLLATE")[0] for column in columns]
        shape = ", ".join(f"{name} {kind}" for name, kind in zip(names, kinds, strict=True))
        end = " ON CONFLICT DO NOTHING" if known_stay else ""
        rows = f"json_to_recordset(%s::json) AS given ({shape})"
        statement = f"INSERT {into} SELECT {', '.join(names)} FROM {rows}{end}"  # noqa: S608 - names of our own
    else:
        places = ", ".join("?" for _ in columns)
        verb = "INSERT OR IGNORE" if known_stay else "INSERT"
        statement = f"{verb} {into} VALUES ({places})"
    return statement, tuple(_turn(column.type, dialect) for column in columns)


def _turn(kind: TypeEngine[Any], dialect: Dialect) -> Turn:
    """What makes a value as the driver wants it; None: nothing has to be done."""
    if isinstance(kind, JSON) and dialect.name == "postgresql":  # part of the one document as it is
        return None
    process = kind.dialect_impl(dialect).bind_processor(dialect)
    return None if process is None else _remembering(process)


def _remembering(process: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """A batch says the same moment in every row: it is written out once."""
    last: tuple[Any, Any] = (None, None)

    def turn(value: Any) -> Any:
        nonlocal last
        if value is None:
            return None
        before = last
        if before[0] is not value:
            last = before = (value, process(value))
        return before[1]

    return turn
