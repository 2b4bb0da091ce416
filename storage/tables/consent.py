"""Tables of consent: who agreed, who does not want to hear from us, and from whom we take no calls."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, ForeignKey, Index, Integer, PrimaryKeyConstraint, String, Table, Text

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

#: What customers agreed to, with proof (`crm.consent.consents`).
consents = Table(
    "consents",
    metadata,
    Column("id", String(26), primary_key=True),
    Column("customer_id", String(26), ForeignKey("customers.id"), nullable=False),
    Column("purpose", String(16), nullable=False),
    Column("channel", String(16), nullable=False),
    Column("source", String(16), nullable=False),
    Column("given_at", Utc, nullable=False),
    Column("until", Utc),
    Column("proof", Text, nullable=False),
    Column("noted_at", Utc, nullable=False),
    Column("by_id", String(26)),
    Column("by_name", String(64), nullable=False),
    Column("withdrawn_at", Utc),
    Column("withdrawn_why", Text, nullable=False),
    Column("withdrawn_by_name", String(64), nullable=False),
    Index("ix_consents_customer_id", "customer_id", "given_at"),
)

#: Purposes that are off for a customer, or for one of his vehicles.
contact_switches = Table(
    "contact_switches",
    metadata,
    Column("id", String(26), primary_key=True),
    Column("customer_id", String(26), ForeignKey("customers.id"), nullable=False),
    Column("vehicle_id", String(26), ForeignKey("vehicles.id")),
    Column("purpose", String(16), nullable=False),
    Column("channel", String(16), nullable=False),
    Column("reason", Text, nullable=False),
    Column("off_at", Utc, nullable=False),
    Column("until", Utc),
    Column("by_id", String(26)),
    Column("by_name", String(64), nullable=False),
    Column("on_at", Utc),
    Column("on_by_name", String(64), nullable=False),
    Index("ix_contact_switches_customer_id", "customer_id", "off_at"),
)

#: Lists of numbers nobody calls or writes to (`crm.consent.do_not_call`).
do_not_call_lists = Table(
    "do_not_call_lists",
    metadata,
    Column("id", String(26), primary_key=True),
    Column("name", String(64), nullable=False, unique=True),
    #: For every contact; else only where a campaign names the list.
    Column("everywhere", Boolean, nullable=False),
    Column("note", Text, nullable=False),
    Column("created_at", Utc, nullable=False),
    Column("by_name", String(64), nullable=False),
    Column("version", Integer, nullable=False),
    Column("retired_at", Utc),
)

do_not_call_entries = Table(
    "do_not_call_entries",
    metadata,
    Column("id", String(26), primary_key=True),
    Column("list_id", String(26), ForeignKey("do_not_call_lists.id"), nullable=False),
    #: E.164.
    Column("number", String(20), nullable=False),
    Column("reason", Text, nullable=False),
    Column("at", Utc, nullable=False),
    Column("by_name", String(64), nullable=False),
    Column("removed_at", Utc),
    Column("removed_by_name", String(64), nullable=False),
    #: "list number" while it stands, so that the same number stands once; NULL once removed.
    Column("holds", String(64), unique=True),
    Index("ix_do_not_call_entries_number", "number"),
    Index("ix_do_not_call_entries_list_id_at", "list_id", "at", "id"),
)
