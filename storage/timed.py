"""Questions that may take long: given up after a time, on both databases, without harm to the connection."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from typing import Any, TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from access.sentences import Sentence

T = TypeVar("T")

#: SQLite asks whether to go on after so many steps of its machine (some microseconds).
_STEPS = 20_000
#: SQLSTATE of PostgreSQL's statement_timeout.
_CANCELLED = "57014"


class TooSlow(Exception):
    """The question was given up; it would have taken longer than allowed."""

    error_id = "too-slow"


def within(connection: Connection, seconds: float, ask: Callable[[Connection], T]) -> T:
    """The answer of a read-only question, or TooSlow after `seconds`."""
    raw = connection.connection.driver_connection
    if isinstance(raw, sqlite3.Connection):
        return _within_sqlite(connection, raw, seconds, ask)
    nested = connection.begin_nested()
    try:
        connection.exec_driver_sql(f"SET LOCAL statement_timeout = {int(seconds * 1000)}")
        found = ask(connection)
        connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
    except DBAPIError as error:
        nested.rollback()
        if getattr(error.orig, "sqlstate", "") == _CANCELLED:
            raise TooSlow(
                Sentence("It was not answered within {seconds} s.", seconds=f"{seconds:g}")
            ) from error
        raise
    nested.commit()
    return found


def _within_sqlite(connection: Connection, raw: Any, seconds: float, ask: Callable[[Connection], T]) -> T:
    until = time.monotonic() + seconds
    raw.set_progress_handler(lambda: int(time.monotonic() > until), _STEPS)
    try:
        return ask(connection)
    except DBAPIError as error:
        if "interrupted" in str(error.orig):
            raise TooSlow(
                Sentence("It was not answered within {seconds} s.", seconds=f"{seconds:g}")
            ) from error
        raise
    finally:
        raw.set_progress_handler(None, 0)
