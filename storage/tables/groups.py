"""Tables of groups of customers: what they are, who is in them, and what they were when they were used."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
)

from storage.tables.base import Json, Utc, metadata

groups = Table(
    "groups",
    metadata,
    Column("id", String(26), primary_key=True),
    Column("name", String(64), nullable=False),
    #: The name in one width and case while the group is in use: two groups never look the same in a list.
    Column("name_key", String(64), unique=True),
    #: "static": people are put in; "dynamic": the query says who is in it.
    Column("kind", String(16), nullable=False),
    Column("note", String(500), nullable=False),
    #: `crm.groups.query` as JSON; NULL for a static group.
    Column("query", Json),
    #: Raised by every change of the query.
    Column("query_version", Integer, nullable=False),
    #: Raised by every change of the group: who edits an older one is told.
    Column("version", Integer, nullable=False),
    Column("created_by", String(26), ForeignKey("users.id")),
    Column("created_at", Utc, nullable=False),
    Column("updated_at", Utc, nullable=False),
    Column("archived_at", Utc),
    #: The last full count, and of which moment it is.
    Column("counted", Integer),
    Column("counted_at", Utc),
    #: The import whose people it was made of.
    Column("made_of_import", String(26)),
    #: While they are being put in: the place in the import's file behind those who are. NULL: all are.
    Column("filling_place", BigInteger),
)

#: Who is in a static group.
group_members = Table(
    "group_members",
    metadata,
    Column("group_id", String(26), ForeignKey("groups.id"), nullable=False),
    Column("customer_id", String(26), ForeignKey("customers.id"), nullable=False, index=True),
    Column("added_at", Utc, nullable=False),
    Column("added_by", String(64), nullable=False),
    #: "hand", "query", "group:ID" or "import:ID".
    Column("source", String(40), nullable=False),
    PrimaryKeyConstraint("group_id", "customer_id"),
    sqlite_with_rowid=False,
)

#: Who was in a group at a moment: what a campaign or a send works with.
group_freezes = Table(
    "group_freezes",
    metadata,
    Column("id", String(26), primary_key=True),
    Column("group_id", String(26), ForeignKey("groups.id"), nullable=False),
    Column("at", Utc, nullable=False),
    Column("by", String(64), nullable=False),
    #: What it was made for, as "campaign:ID" or in words.
    Column("purpose", String(200), nullable=False),
    Column("query", Json),
    Column("query_version", Integer, nullable=False),
    #: The query in words, as the one who froze it read it.
    Column("sentence", Text, nullable=False),
    Column("count", Integer, nullable=False),
    #: Set once every member is written; before that nobody may work with it.
    Column("complete", Boolean, nullable=False),
    Index("ix_group_freezes_group_id_at", "group_id", "at"),
)

group_freeze_members = Table(
    "group_freeze_members",
    metadata,
    Column("freeze_id", String(26), ForeignKey("group_freezes.id"), nullable=False),
    Column("customer_id", String(26), ForeignKey("customers.id"), nullable=False, index=True),
    PrimaryKeyConstraint("freeze_id", "customer_id"),
    sqlite_with_rowid=False,
)
