"""Tables of consent: who does not want to hear from us, and from whom we take no calls."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Index, PrimaryKeyConstraint, String, Table, Text

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

#: What holds of wishes of erased people: no number, its keyed hash (`storage.suppressions`).
suppressions = Table(
    "suppressions",
    metadata,
    Column("hash", String(64), nullable=False),
    Column("purpose", String(16), nullable=False),
    Column("channel", String(16), nullable=False),
    Column("source", String(16), nullable=False),
    Column("at", Utc, nullable=False),
    PrimaryKeyConstraint("hash", "purpose", "channel"),
)

#: Callers the hotline does not serve (`crm.consent.blocks`).
blocks = Table(
    "blocks",
    metadata,
    Column("id", String(26), primary_key=True),
    Column("pattern", String(20), nullable=False),
    Column("reason", Text, nullable=False),
    Column("at", Utc, nullable=False),
    Column("by", String(64), nullable=False),
    Column("until", Utc),
    Column("withdrawn_at", Utc),
    Column("withdrawn_by", String(64), nullable=False),
    #: The pattern while nobody withdrew it: a caller is looked up here by all that fits his number.
    Column("holds", String(20), unique=True),
    Index("ix_blocks_pattern", "pattern"),
)
