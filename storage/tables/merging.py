"""Tables of records that may be the same person, of merges, and of every row a merge moved."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Index, Integer, PrimaryKeyConstraint, String, Table

from storage.tables.base import Json, Utc, metadata

#: Two records that may be one person. `one_id` is the smaller id.
duplicate_pairs = Table(
    "duplicate_pairs",
    metadata,
    Column("one_id", String(26), ForeignKey("customers.id"), nullable=False),
    Column("other_id", String(26), ForeignKey("customers.id"), nullable=False, index=True),
    #: 0 to 100.
    Column("score", Integer, nullable=False),
    #: Words of `crm.records.duplicates.Reason`.
    Column("reasons", Json, nullable=False),
    #: suspected, different (a person said so, and it stays said), merged.
    Column("state", String(16), nullable=False),
    Column("found_at", Utc, nullable=False),
    Column("decided_at", Utc),
    Column("decided_by", String(64), nullable=False, server_default=""),
    PrimaryKeyConstraint("one_id", "other_id"),
    Index("ix_duplicate_pairs_state_score", "state", "score", "one_id", "other_id"),
)

#: Customers whose record changed since they were last compared with others.
duplicate_marks = Table(
    "duplicate_marks",
    metadata,
    Column("customer_id", String(26), primary_key=True),
)

#: One row per merge; `merged_id` is the record that became a pointer.
merges = Table(
    "merges",
    metadata,
    Column("id", String(26), primary_key=True),
    Column("survivor_id", String(26), ForeignKey("customers.id"), nullable=False, index=True),
    Column("merged_id", String(26), ForeignKey("customers.id"), nullable=False, index=True),
    Column("at", Utc, nullable=False),
    Column("by_id", String(26)),
    Column("by_name", String(64), nullable=False),
    #: Field to "survivor" or "merged": whose value was kept.
    Column("choices", Json, nullable=False),
    #: How many rows of each table went over.
    Column("moved", Json, nullable=False),
    Column("undone_at", Utc),
    Column("undone_by", String(64), nullable=False, server_default=""),
    #: What the undo could not put back, each with its reason.
    Column("not_restored", Json),
)

#: The journal of a merge: each row it changed, as it was and as it became.
merge_moves = Table(
    "merge_moves",
    metadata,
    Column("merge_id", String(26), ForeignKey("merges.id"), nullable=False),
    Column("place", Integer, nullable=False),
    Column("table", String(64), nullable=False),
    #: Primary key after the change (before it, where the row was removed).
    Column("key", Json, nullable=False),
    #: Changed columns before; NULL: the row was not there.
    Column("before", Json),
    #: Changed columns after; NULL: the row was removed.
    Column("after", Json),
    PrimaryKeyConstraint("merge_id", "place"),
)
