"""Tables of privacy: approvals to open records, circulation lists, people's requests, holds, what was erased."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Index, Integer, PrimaryKeyConstraint, String, Table, Text

from storage.tables.base import Json, Utc, metadata

#: One request to open a restricted record, and what became of it (`access.approvals`).
approvals = Table(
    "approvals",
    metadata,
    Column("id", String(26), primary_key=True),
    #: Whose record; no foreign key, the row outlives an erased customer.
    Column("customer_id", String(26), nullable=False),
    Column("asked_by", String(26), ForeignKey("users.id"), nullable=False),
    Column("asked_at", Utc, nullable=False),
    Column("reason", String(500), nullable=False),
    #: asked, granted, refused, withdrawn, emergency.
    Column("state", String(16), nullable=False),
    Column("decided_by", String(26), ForeignKey("users.id")),
    Column("decided_at", Utc),
    Column("note", String(500), nullable=False),
    #: The record is open to who asked until then.
    Column("until", Utc),
    #: The call in which an emergency opening happened.
    Column("call_id", String(26)),
    #: A supervisor has read the report of an emergency opening.
    Column("reviewed_by", String(26), ForeignKey("users.id")),
    Column("reviewed_at", Utc),
    Index("ix_approvals_state_id", "state", "id"),
    Index("ix_approvals_asked_by_customer_id", "asked_by", "customer_id", "state"),
    Index("ix_approvals_customer_id", "customer_id"),
)

#: Who may open a restricted record without asking (M-050: circulation scope).
circulation = Table(
    "circulation",
    metadata,
    Column("customer_id", String(26), nullable=False),
    Column("user_id", String(26), ForeignKey("users.id"), nullable=False),
    Column("added_by", String(64), nullable=False),
    Column("added_at", Utc, nullable=False),
    PrimaryKeyConstraint("customer_id", "user_id"),
)

#: What a person asked about his own data, and what was done (C07, PIPL Art. 44 to 47).
privacy_requests = Table(
    "privacy_requests",
    metadata,
    Column("id", String(26), primary_key=True),
    #: export, correct, restrict, unrestrict, erase.
    Column("kind", String(16), nullable=False),
    Column("customer_id", String(26), nullable=False, index=True),
    #: asked, approved, refused, done, failed.
    Column("state", String(16), nullable=False),
    Column("asked_by", String(26), ForeignKey("users.id"), nullable=False),
    Column("asked_at", Utc, nullable=False),
    #: How the house made sure that it is the person himself, and what exactly he wants.
    Column("identity", String(200), nullable=False),
    Column("reason", String(500), nullable=False),
    Column("due_at", Utc, nullable=False),
    #: Never who asked: two people.
    Column("decided_by", String(26), ForeignKey("users.id")),
    Column("decided_at", Utc),
    Column("note", String(500), nullable=False),
    Column("done_at", Utc),
    #: Counts by table; nothing of the person.
    Column("result", Json, nullable=False),
    Index("ix_privacy_requests_state_id", "state", "id"),
)

#: Legal holds: what is named here is neither erased nor deleted by retention.
holds = Table(
    "holds",
    metadata,
    Column("id", String(26), primary_key=True),
    Column("customer_id", String(26), nullable=False, index=True),
    Column("reason", String(500), nullable=False),
    Column("placed_by", String(64), nullable=False),
    Column("placed_at", Utc, nullable=False),
    Column("released_by", String(64), nullable=False, server_default=""),
    Column("released_at", Utc),
    Column("release_reason", String(500), nullable=False, server_default=""),
)

#: Whose data was erased: erased again after a restore from an older backup. Says nothing of the person.
erasures = Table(
    "erasures",
    metadata,
    Column("customer_id", String(26), primary_key=True),
    Column("at", Utc, nullable=False),
    #: What stands in the call log where the number stood.
    Column("pseudonym", String(20), nullable=False),
    Column("request_id", String(26)),
    Column("counts", Json, nullable=False),
)

#: Files of an erased person that still have to go; a row leaves when its file has left.
erased_files = Table(
    "erased_files",
    metadata,
    #: recording, voicemail, export or import.
    Column("folder", String(16), nullable=False),
    Column("file", String(128), nullable=False),
    Column("at", Utc, nullable=False),
    Column("why", Text, nullable=False, server_default=""),
    PrimaryKeyConstraint("folder", "file"),
)

#: What each nightly run of retention deleted, per kind of data.
retention_runs = Table(
    "retention_runs",
    metadata,
    Column("id", String(26), primary_key=True),
    Column("at", Utc, nullable=False),
    Column("kind", String(24), nullable=False),
    Column("before", Utc, nullable=False),
    Column("deleted", Integer, nullable=False),
    #: Past their time and kept because of a hold.
    Column("held", Integer, nullable=False),
    #: Past their time and left for the next night.
    Column("remaining", Integer, nullable=False),
)
