"""The rows of a merge: what points to a customer, how it goes over, and how it comes back.

What points to a customer is read from the tables themselves: every column that references `customers.id` or is
called `customer_id`, in whatever module it stands, goes over unless it is named here as one that stays. A new
table is so taken along by itself (`tests/integration/test_merging.py` shows the list).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Connection,
    Date,
    Table,
    UniqueConstraint,
    and_,
    delete,
    insert,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError

from crm.records.merging import NotRestored
from storage.tables import metadata
from storage.tables.base import Utc
from storage.tables.merging import merge_moves

#: These say what was, or are about the pair itself: they keep naming the record they named.
STAYS: Final = frozenset(
    {
        ("duplicate_pairs", "one_id"),
        ("duplicate_pairs", "other_id"),
        ("duplicate_marks", "customer_id"),
        ("merges", "survivor_id"),
        ("merges", "merged_id"),
        ("group_freeze_members", "customer_id"),
        # Whose data was erased, for a restore to erase it again: never anybody else's.
        ("erasures", "customer_id"),
    }
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Pointer:
    """A column that names a customer, as "prefix" and the id."""

    table: Table
    column: str
    prefix: str = ""


def pointers() -> list[Pointer]:
    """Everything that names a customer and goes over when two records become one."""
    found = []
    for table in metadata.sorted_tables:
        for column in table.columns:
            names = any(key.column.table.name == "customers" for key in column.foreign_keys)
            if (names or column.name == "customer_id") and (table.name, column.name) not in STAYS:
                found.append(Pointer(table=table, column=column.key))
    found.append(Pointer(table=metadata.tables["customers"], column="merged_into"))
    found.append(Pointer(table=metadata.tables["record_changes"], column="subject", prefix="customer:"))
    return found


def named(connection: Connection, customer_ids: Collection[str]) -> set[str]:
    """Which of these customers some row that goes over still names."""
    found: set[str] = set()
    for pointer in pointers():
        column = pointer.table.c[pointer.column]
        wanted = [pointer.prefix + one for one in customer_ids]
        rows = connection.execute(select(column).where(column.in_(wanted)).distinct())
        found |= {str(row[0]).removeprefix(pointer.prefix) for row in rows}
    return found


@dataclass(slots=True)
class Journal:
    """What a merge does to rows, written down as it is done."""

    merge_id: str
    place: int = 0
    moved: dict[str, int] = field(default_factory=dict)
    _rows: list[dict[str, Any]] = field(default_factory=list)

    def note(
        self,
        table: Table,
        key: Mapping[str, Any],
        before: Mapping[str, Any] | None,
        after: Mapping[str, Any] | None,
    ) -> None:
        """A row that became another (its columns before and after), went, or came."""
        self._rows.append(
            {
                "merge_id": self.merge_id,
                "place": self.place,
                "table": table.name,
                "key": plain(key),
                "before": None if before is None else plain(before),
                "after": None if after is None else plain(after),
            }
        )
        self.place += 1

    def rows_of(self, table: str) -> list[dict[str, Any]]:
        """What was noted about a table and is not stored yet."""
        return [row for row in self._rows if row["table"] == table]

    def count(self, table: Table, rows: int = 1) -> None:
        """Count rows that went over."""
        self.moved[table.name] = self.moved.get(table.name, 0) + rows

    def write(self, connection: Connection) -> None:
        """Store what was noted."""
        for start in range(0, len(self._rows), 1000):
            connection.execute(insert(merge_moves), self._rows[start : start + 1000])
        self._rows.clear()


def move(
    connection: Connection, pointer: Pointer, merged_id: str, survivor_id: str, journal: Journal
) -> list[Any]:
    """Let every row that names the one name the other; gives the rows as they were.

    Where the other has such a row already (a unique key) the two become one: what holds in either holds after.
    Raises ValueError where both names are one: every row would clash with itself and go.
    """
    if merged_id == survivor_id:
        raise ValueError(f"the rows of {merged_id} cannot go over to itself")
    table = pointer.table
    column = table.c[pointer.column]
    old, new = pointer.prefix + merged_id, pointer.prefix + survivor_id
    rows = [dict(row) for row in connection.execute(select(table).where(column == old)).mappings()]
    for row in rows:
        key = {one.key: row[one.key] for one in table.primary_key}
        clash = _clash(connection, table, pointer.column, row, new)
        if clash is None:
            connection.execute(update(table).where(_at(table, key)).values({pointer.column: new}))
            moved = {**key, pointer.column: new} if pointer.column in key else key
            journal.note(table, moved, {pointer.column: old}, {pointer.column: new})
        else:
            connection.execute(delete(table).where(_at(table, key)))
            journal.note(table, key, row, None)
            _unite(connection, table, clash, row, journal)
    if rows:
        journal.count(table, len(rows))
    return rows


def _clash(
    connection: Connection, table: Table, column: str, row: Mapping[str, Any], new: str
) -> dict[str, Any] | None:
    """The row of the survivor's that stands where this one would go."""
    uniques = [tuple(one.key for one in table.primary_key)]
    uniques += [
        tuple(one.key for one in rule.columns)
        for rule in table.constraints
        if isinstance(rule, UniqueConstraint)
    ]
    uniques += [tuple(one.key for one in index.columns) for index in table.indexes if index.unique]
    for unique in uniques:
        if column not in unique:
            continue
        wanted = {name: new if name == column else row[name] for name in unique}
        if any(value is None for value in wanted.values()):
            continue
        found = connection.execute(select(table).where(_at(table, wanted))).mappings().first()
        if found is not None:
            return dict(found)
    return None


def _unite(
    connection: Connection, table: Table, kept: Mapping[str, Any], gone: Mapping[str, Any], journal: Journal
) -> None:
    """What still holds in one of two rows holds in the one that is kept."""
    changes: dict[str, Any] = {}
    if "ended_at" in table.c and kept["ended_at"] is not None and gone["ended_at"] is None:
        changes["ended_at"] = None
    if "since" in table.c and gone["since"] < kept["since"]:
        changes["since"] = gone["since"]
    if not changes:
        return
    key = {one.key: kept[one.key] for one in table.primary_key}
    connection.execute(update(table).where(_at(table, key)).values(changes))
    journal.note(table, key, {name: kept[name] for name in changes}, changes)


def change(
    connection: Connection, table: Table, row: Mapping[Any, Any], changes: Mapping[str, Any], journal: Journal
) -> None:
    """Change a row, with a note of what it was; what is the same already is left alone."""
    different = {name: value for name, value in changes.items() if row[name] != value}
    if not different:
        return
    key = {one.key: row[one.key] for one in table.primary_key}
    connection.execute(update(table).where(_at(table, key)).values(different))
    journal.note(table, key, {name: row[name] for name in different}, different)


def add(connection: Connection, table: Table, row: Mapping[str, Any], journal: Journal) -> None:
    """Add a row, with a note that it was not there."""
    connection.execute(insert(table).values(**row))
    journal.note(table, {one.key: row[one.key] for one in table.primary_key}, None, row)


def note_since(
    connection: Connection,
    table: Table,
    before: Mapping[Any, Any],
    journal: Journal,
    *,
    but: Collection[str] = (),
) -> None:
    """Note what of a row was changed by other hands since it was read."""
    key = {one.key: before[one.key] for one in table.primary_key}
    row = connection.execute(select(table).where(_at(table, key))).mappings().one()
    different = {name: value for name, value in row.items() if name not in but and before[name] != value}
    if different:
        journal.note(table, key, {name: before[name] for name in different}, different)


def restore(connection: Connection, merge_id: str) -> list[NotRestored]:
    """Put every row of a merge back as it was, the last one first; gives what could not be, and why."""
    moves = connection.execute(
        select(merge_moves).where(merge_moves.c.merge_id == merge_id).order_by(merge_moves.c.place.desc())
    ).mappings()
    left: dict[tuple[str, str], int] = {}
    for one in moves.all():
        table = metadata.tables.get(one["table"])
        if table is None:
            problem: str | None = "gone"
            what = one["table"]
        else:
            problem, what = _put_back(connection, table, one)
        if problem is not None:
            left[what, problem] = left.get((what, problem), 0) + 1
    return [NotRestored(what=what, why=why, count=count) for (what, why), count in sorted(left.items())]


def _put_back(connection: Connection, table: Table, one: Mapping[Any, Any]) -> tuple[str | None, str]:
    key = typed(table, one["key"])
    before, after = one["before"], one["after"]
    now = connection.execute(select(table).where(_at(table, key))).mappings().first()
    what = table.name
    try:
        with connection.begin_nested():
            if after is None:  # it was removed
                if now is not None:
                    return "taken", what
                connection.execute(insert(table).values(**typed(table, before)))
            elif now is None:
                return ("gone", what) if before is not None else (None, what)
            elif before is None:  # it was not there
                if any(now[name] != value for name, value in typed(table, after).items()):
                    return "changed", what
                connection.execute(delete(table).where(_at(table, key)))
            else:
                was, became = typed(table, before), typed(table, after)
                changed = [name for name in was if now[name] != became[name]]
                if back := {name: value for name, value in was.items() if name not in changed}:
                    connection.execute(update(table).where(_at(table, key)).values(back))
                if changed:
                    return "changed", f"{what}.{', '.join(sorted(changed))}"
    except IntegrityError:
        return "taken", what
    return None, what


def _at(table: Table, key: Mapping[str, Any]) -> ColumnElement[bool]:
    return and_(*(table.c[name] == value for name, value in key.items()))


def plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """Column values as JSON."""
    return {
        name: value.isoformat() if isinstance(value, datetime | date) else value
        for name, value in values.items()
    }


def typed(table: Table, values: Mapping[str, Any]) -> dict[str, Any]:
    """Column values of their JSON."""
    made: dict[str, Any] = {}
    for name, value in values.items():
        kind = table.c[name].type
        if value is not None and isinstance(kind, Utc):
            value = datetime.fromisoformat(value)
        elif value is not None and isinstance(kind, Date):
            value = date.fromisoformat(value)
        made[name] = value
    return made
