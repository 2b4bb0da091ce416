"""Tables of operations: which backups this database was restored from, and what an upgrade has yet to fill."""

from __future__ import annotations

from sqlalchemy import Column, String, Table

from storage.tables.base import Utc, metadata

#: What was meant to happen before a restore does not happen after it: nothing older is dialed or sent.
restores = Table(
    "restores",
    metadata,
    Column("id", String(26), primary_key=True),
    Column("at", Utc, nullable=False),
    #: When the backup was made.
    Column("made_at", Utc, nullable=False),
    Column("revision", String(32), nullable=False),
)

#: What an upgrade still has to write for rows from before it (`storage.terms.fill_share`); empty: nothing.
fillings = Table(
    "fillings",
    metadata,
    #: Which terms: "name" or "plate".
    Column("what", String(8), primary_key=True),
    #: The last key that is written: the rest lies behind it.
    Column("after", String(128), nullable=False, server_default=""),
)
