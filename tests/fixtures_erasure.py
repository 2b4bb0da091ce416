"""A person with a row in every table, made from the tables themselves, for tests of erasing and handing out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any

from fixtures_storage import FrozenClock
from sqlalchemy import (
    JSON,
    Boolean,
    Connection,
    Date,
    Float,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    insert,
    select,
)
from sqlalchemy.dialects import postgresql, sqlite

from access.ids import new_id
from storage import customers, erasure, traces
from storage.database import Database
from storage.tables import metadata
from storage.tables.base import Utc
from telephony.numbers import E164

NAME = "欧阳密语"
NUMBER = "+8613812345678"
PLATE = "沪A12345"
VIN = "LSVAB2BR0HN000001"
OTHER_NAME, OTHER_NUMBER = "王小明", "+8613998765432"
#: In every way the number may have been written down.
WRITTEN = f"{NAME} 13812345678, 138 1234 5678, 138-1234-5678, +86 138 1234 5678, 008613812345678; {PLATE}"
HOUSE = traces.OF_THE_HOUSE
_NOW = datetime(2026, 6, 1, tzinfo=UTC)


class World:
    """One row about the person in every table."""

    def __init__(self, connection: Connection, clock: FrozenClock) -> None:
        self.now = clock.now()
        self.ids: dict[str, Any] = {}
        other = customers.add_customer(connection, name=OTHER_NAME, now=self.now)
        customers.add_contact(connection, other.id, E164(OTHER_NUMBER), self.now)
        self.other = other.id
        person = customers.add_customer(connection, name=NAME, now=self.now, note=WRITTEN)
        customers.add_contact(connection, person.id, E164(NUMBER), self.now, primary=True)
        self.person = person.id
        self.ids |= {"customers": person.id, "phone_numbers": NUMBER}
        self.call = new_id(self.now)
        for table in metadata.sorted_tables:
            if table.name not in (
                "customers",
                "contacts",
                "phone_numbers",
                "search_terms",
                "restores",
                "serials",
            ):
                self._fill(connection, table)

    def _fill(self, connection: Connection, table: Table) -> None:
        row: dict[str, Any] = {}
        for column in table.columns:
            row[column.name] = self._value(table, column)
        engine = postgresql if connection.dialect.name == "postgresql" else sqlite
        connection.execute(engine.insert(table).values(row).on_conflict_do_nothing())
        primary = list(table.primary_key.columns)
        if len(primary) == 1:
            self.ids[table.name] = row[primary[0].name]

    def _value(self, table: Table, column: Any) -> Any:
        house = table.name in HOUSE
        parents = [key.column.table.name for key in column.foreign_keys]
        if column.name == "merged_into" or column.name == "released_at":
            return None if column.name == "merged_into" else self.now
        if parents and parents[0] != table.name:
            if column.name in ("one_id", "merged_id") and table.name in ("duplicate_pairs", "merges"):
                return self.other if column.name == "merged_id" else self.person
            if column.name == "other_id":
                return self.other
            return self.ids[parents[0]]
        if parents:
            return None
        if table.name == "calls" and column.name == "id":
            return self.call
        known = {
            "customer_id": self.person,
            "call_id": self.call,
            "last_call_id": self.call,
            "linkedid": "L1",
            "uniqueid": "L1",
            "owner_id": self.person,
            "subject": f"customer:{self.person}",
            "plate": PLATE,
            "vin": VIN,
            "number": NUMBER,
            "raw_number": "13812345678",
            "caller": "13812345678",
            "hold": False,
            "ended_at": self.now,
            "closed_at": None,
        }
        kind = column.type
        fits = not isinstance(known.get(column.name), str) or (
            isinstance(kind, String) and (kind.length or 999) >= len(str(known[column.name]))
        )
        if column.name in ("placed_by", "released_by"):
            return "经理"  # staff: who did it is the proof
        if column.name in known and fits and not (house and column.name in ("number", "subject")):
            return WRITTEN if column.name == "subject" and isinstance(kind, Text) else known[column.name]
        if column.primary_key and isinstance(kind, String):
            return new_id(self.now)[: kind.length or 26]
        if isinstance(kind, Utc):
            return self.now
        if isinstance(kind, JSON):
            return {} if house else {"name": NAME, NUMBER: [WRITTEN, {"n": 13812345678}], "code": "kept_code"}
        if isinstance(kind, Boolean):
            return False
        if isinstance(kind, Integer | Float):
            return 1
        if isinstance(kind, Date):
            return date(2026, 6, 1)
        if isinstance(kind, LargeBinary):
            return WRITTEN.encode()
        if column.unique or house:
            return new_id(self.now)[: kind.length or 26]
        if column.name == "state":
            return "kept"
        return (
            WRITTEN
            if kind.length is None or kind.length >= len(WRITTEN)
            else f"{NAME} {NUMBER}"
            if kind.length > 20
            else "x"
        )


def dump(connection: Connection) -> Mapping[str, str]:
    """Every table as text, JSON decoded."""
    return {
        table.name: "\n".join(
            json.dumps([*row], ensure_ascii=False, default=str) for row in connection.execute(select(table))
        )
        for table in metadata.sorted_tables
    }


def erase(database: Database, customer_id: str, clock: FrozenClock) -> erasure.Erasure:
    found = database.read_now(
        lambda connection: traces.scan(connection, traces.person_of(connection, customer_id))
    )
    return database.write_now(
        lambda connection: erasure.erase(
            connection, customer_id, found=found, pseudonym="XABCDEFGHJKMN", now=clock.now()
        )
    )


def fill(connection: Connection, table: Table, **values: Any) -> str:
    """A row with these values and nothing in what else must stand; gives its id."""
    row: dict[str, Any] = {}
    for column in table.columns:
        kind = column.type
        if column.nullable and not column.primary_key:
            continue
        row[column.name] = (
            []
            if isinstance(kind, JSON)
            else ""
            if isinstance(kind, String)
            else 0
            if isinstance(kind, Integer)
            else False
            if isinstance(kind, Boolean)
            else None
        )
    if "id" in row:
        row["id"] = new_id(_NOW)
    connection.execute(insert(table).values(row | values))
    return str((row | values).get("id", ""))
