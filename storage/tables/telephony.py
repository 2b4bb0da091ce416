"""Tables of the telephone side: phones, agents' states, recordings and voicemail."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Float, ForeignKey, Index, Integer, String, Table, Text

from storage.tables.base import Json, Utc, metadata

phones = Table(
    "phones",
    metadata,
    Column("endpoint", String(32), primary_key=True),
    Column("user_id", String(26), ForeignKey("users.id"), nullable=False, index=True),
    Column("kind", String(16), nullable=False),  # browser, desk
    Column("secret", String(64), nullable=False),
    Column("created_at", Utc, nullable=False),
    #: When a page was last given a new secret; null: the first one still stands.
    Column("secret_at", Utc),
)

agents = Table(
    "agents",
    metadata,
    Column("user_id", String(26), ForeignKey("users.id"), primary_key=True),
    Column("state", String(16), nullable=False),
    Column("since", Utc, nullable=False),
    Column("reason", String(32), nullable=False, server_default=""),
    Column("phone", String(32), nullable=False, server_default=""),
    Column("queues", Json, nullable=False),
    Column("missed_in_row", Integer, nullable=False, server_default="0"),
    Column("next_pause", String(32), nullable=False, server_default=""),
    Column("call_id", String(26)),
    Column("wrapup_until", Utc),
    #: The campaign he is kept for.
    Column("reserved_for", String(26)),
)

agent_changes = Table(
    "agent_changes",
    metadata,
    Column("id", String(26), primary_key=True),
    Column("user_id", String(26), ForeignKey("users.id"), nullable=False),
    Column("at", Utc, nullable=False),
    Column("event", String(24), nullable=False),
    Column("state", String(16), nullable=False),
    Column("reason", String(32), nullable=False, server_default=""),
    Column("call_id", String(26)),
    #: Who asked: the agent, a supervisor, or "service".
    Column("actor", String(26), nullable=False, server_default="service"),
    Index("ix_agent_changes_user_id_at", "user_id", "at"),
)

recordings = Table(
    "recordings",
    metadata,
    #: 128 random bits; the only name a listener ever sees (reliability.md 3.3).
    Column("id", String(32), primary_key=True),
    Column("call_id", String(26), nullable=False, index=True),
    #: File name below the recordings folder, never a path.
    Column("file", String(128), nullable=False, unique=True),
    Column("started_at", Utc, nullable=False),
    Column("ended_at", Utc),
    Column("seconds", Float),
    Column("bytes", Integer),
    Column("state", String(16), nullable=False),  # running, kept, failed, none, deleting, deleted
    #: Why there is none, in words: no-notice, refused-by-caller, missing-file, empty-file, retention;
    #: or why the file is still there: not-deleted and what the system said.
    Column("why", String(64), nullable=False, server_default=""),
    Column("hold", Boolean, nullable=False, server_default="0"),
    Column("hold_reason", Text, nullable=False, server_default=""),
    Column("deleted_at", Utc),
    #: Who deleted it by hand, and why; null: its time was over.
    Column("deleted_by", String(26)),
    Column("delete_reason", Text, nullable=False, server_default=""),
    Index("ix_recordings_state_started_at", "state", "started_at"),
    Index("ix_recordings_started_at", "started_at", "id"),
)

recording_gaps = Table(
    "recording_gaps",
    metadata,
    Column("id", String(26), primary_key=True),
    Column("call_id", String(26), nullable=False, index=True),
    Column("paused_at", Utc, nullable=False),
    Column("resumed_at", Utc),
)

voicemails = Table(
    "voicemails",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("call_id", String(26), nullable=False, index=True),
    Column("file", String(128), nullable=False, unique=True),
    Column("box", String(32), nullable=False),
    Column("left_at", Utc, nullable=False),
    Column("seconds", Float),
    Column("customer_id", String(26), index=True),
    Column("number", String(20)),
    Column("state", String(16), nullable=False),  # new, heard, deleting, deleted, missing
    #: Why the file is still there though it is past its time.
    Column("why", String(64), nullable=False, server_default=""),
    Column("hold", Boolean, nullable=False, server_default="0"),
    Column("deleted_at", Utc),
    Column("deleted_by", String(26)),
    Column("delete_reason", Text, nullable=False, server_default=""),
    Index("ix_voicemails_left_at", "left_at", "id"),
)
