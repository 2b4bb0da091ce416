"""Customers whose record changed: they are compared with others soon, by the tick that looks for duplicates."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.dialects import postgresql, sqlite

from storage.tables.merging import duplicate_marks


def mark(connection: Connection, customer_ids: Iterable[str]) -> None:
    """Note that these records changed; cheap, in the transaction of the change."""
    rows: list[dict[str, Any]] = [{"customer_id": one} for one in dict.fromkeys(customer_ids)]
    if not rows:
        return
    engine = postgresql if connection.dialect.name == "postgresql" else sqlite
    connection.execute(engine.insert(duplicate_marks).on_conflict_do_nothing(), rows)
