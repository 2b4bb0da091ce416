"""Tables of operations: which backups this database was restored from."""

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
