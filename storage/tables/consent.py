"""Tables of consent: who does not want to hear from us."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Index, String, Table, Text

from storage.tables.base import Utc, metadata

optouts = Table(
    "optouts",
    metadata,
    Column("id", String(26), primary_key=True),
    Column("number", String(20), nullable=False),
    Column("purpose", String(16), nullable=False),
    Column("channel", String(16), nullable=False),
    Column("source", String(16), nullable=False),
    Column("at", Utc, nullable=False),
    Column("proof", Text, nullable=False),
    Column("actor_id", String(26), ForeignKey("users.id")),
    Column("withdrawn_at", Utc),
    Column("withdrawn_proof", Text, nullable=False),
    #: "number purpose channel" while it holds, so that telling it twice stays one row; NULL once withdrawn.
    Column("holds", String(64), unique=True),
    Index("ix_optouts_number", "number"),
)
