"""Tables of what managers tell those who take calls, and who has read it."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Index, Integer, String, Table

from storage.tables.base import Json, Utc, metadata

bulletins = Table(
    "bulletins",
    metadata,
    Column("id", String(26), primary_key=True),
    Column("words", Json, nullable=False),
    Column("begins_at", Utc, nullable=False),
    #: When it is over; the moment of the withdrawal where it was withdrawn.
    Column("ends_at", Utc, nullable=False),
    Column("version", Integer, nullable=False),
    #: The version whose words these are.
    Column("words_version", Integer, nullable=False),
    Column("created_at", Utc, nullable=False),
    Column("written_by", String(26)),
    Column("written_by_name", String(64), nullable=False),
    Column("changed_at", Utc, nullable=False),
    Column("changed_by_name", String(64), nullable=False),
    Column("withdrawn_at", Utc),
    Index("ix_bulletins_ends_at", "ends_at", "id"),
)

bulletin_reads = Table(
    "bulletin_reads",
    metadata,
    Column("bulletin_id", String(26), ForeignKey("bulletins.id"), primary_key=True),
    Column("user_id", String(26), ForeignKey("users.id"), primary_key=True),
    #: The version that was read.
    Column("version", Integer, nullable=False),
    Column("at", Utc, nullable=False),
)
