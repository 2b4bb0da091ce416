"""Tables of what is filed after a call: definitions, registrations, drafts, marks, and what the house knows."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Date, Float, ForeignKey, Index, Integer, String, Table, Text

from storage.tables.base import Json, Utc, metadata

#: Forms, disposition sets and scripts, every version; the highest one counts, of scripts the approved one.
definitions = Table(
    "definitions",
    metadata,
    Column("kind", String(16), primary_key=True),  # form, dispositions, script
    Column("name", String(32), primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("body", Json, nullable=False),
    #: No longer offered; what was filed with it keeps it.
    Column("retired", Boolean, nullable=False),
    Column("at", Utc, nullable=False),
    Column("by", String(26)),
    Column("by_name", String(64), nullable=False),
    Column("why", String(200), nullable=False),
    #: Of scripts: draft, submitted, approved, retired. Forms and sets need no second person.
    Column("state", String(16), server_default="approved", nullable=False),
    #: Rises with every saving of a script's draft.
    Column("revision", Integer, server_default="1", nullable=False),
)

#: Who wrote, submitted, approved and retired a version of a script, and why; append-only.
script_events = Table(
    "script_events",
    metadata,
    Column("id", String(26), primary_key=True),
    Column("name", String(32), nullable=False),
    Column("version", Integer, nullable=False),
    Column("at", Utc, nullable=False),
    Column("step", String(16), nullable=False),
    Column("by", String(26)),
    Column("by_name", String(64), nullable=False),
    Column("why", String(1000), nullable=False),
    Index("ix_script_events_name_version", "name", "version", "id"),
)

#: One a call. The newest content stands here, every content in `registration_versions`.
registrations = Table(
    "registrations",
    metadata,
    Column("id", String(26), primary_key=True),
    Column("call_id", String(26), nullable=False, unique=True),
    Column("agent_id", String(26)),
    Column("customer_id", String(26)),
    Column("direction", String(16), nullable=False),
    Column("call_type", String(32), nullable=False),
    Column("reason", String(32), nullable=False),
    Column("disposition", String(32), nullable=False),
    #: Flags of the disposition as they were when it was chosen; what reports and campaigns count.
    Column("human", Boolean, nullable=False),
    Column("contact", Boolean, nullable=False),
    Column("success", Boolean, nullable=False),
    Column("final", Boolean, nullable=False),
    Column("do_not_call", Boolean, nullable=False),
    Column("callback", Boolean, nullable=False),
    Column("version", Integer, nullable=False),
    Column("filed_at", Utc, nullable=False),
    Column("filed_by", String(26), ForeignKey("users.id"), nullable=False),
    Column("changed_at", Utc, nullable=False),
    Index("ix_registrations_agent_id_filed_at", "agent_id", "filed_at"),
    Index("ix_registrations_customer_id_filed_at", "customer_id", "filed_at"),
    Index("ix_registrations_disposition_filed_at", "disposition", "filed_at"),
    Index("ix_registrations_filed_at", "filed_at", "id"),
)

registration_versions = Table(
    "registration_versions",
    metadata,
    Column("registration_id", String(26), ForeignKey("registrations.id"), primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("at", Utc, nullable=False),
    Column("by", String(26), ForeignKey("users.id"), nullable=False),
    Column("by_name", String(64), nullable=False),
    Column("why", String(200), nullable=False),
    Column("form_version", Integer, nullable=False),
    Column("set_name", String(32), nullable=False),
    Column("set_version", Integer, nullable=False),
    Column("content", Json, nullable=False),
)

#: What is typed and not filed yet.
registration_drafts = Table(
    "registration_drafts",
    metadata,
    Column("call_id", String(26), primary_key=True),
    Column("user_id", String(26), ForeignKey("users.id"), primary_key=True),
    Column("revision", Integer, nullable=False),
    Column("saved_at", Utc, nullable=False, index=True),
    Column("body", Json, nullable=False),
)

#: Calls somebody talked in and nobody has filed. Small: a row goes with the filing.
unfiled_calls = Table(
    "unfiled_calls",
    metadata,
    Column("call_id", String(26), primary_key=True),
    Column("agent_id", String(26), nullable=False),
    Column("ended_at", Utc, nullable=False),
    Index("ix_unfiled_calls_agent_id_ended_at", "agent_id", "ended_at"),
    Index("ix_unfiled_calls_ended_at", "ended_at", "call_id"),
)

recording_marks = Table(
    "recording_marks",
    metadata,
    Column("id", String(26), primary_key=True),
    Column("recording_id", String(32), nullable=False, index=True),
    Column("at", Utc, nullable=False),
    Column("by", String(26), nullable=False),
    Column("by_name", String(64), nullable=False),
    #: Seconds from the beginning of the sound.
    Column("offset", Float, nullable=False),
    Column("note", String(200), nullable=False),
)

articles = Table(
    "articles",
    metadata,
    Column("id", String(26), primary_key=True),
    Column("language", String(8), nullable=False),
    Column("title", String(120), nullable=False),
    Column("body", Text, nullable=False),
    Column("tags", Json, nullable=False),
    Column("state", String(16), nullable=False),  # draft, approved, retired
    #: Last day it may be told to customers; null: until somebody retires it.
    Column("valid_until", Date),
    Column("version", Integer, nullable=False),
    Column("created_at", Utc, nullable=False),
    Column("updated_at", Utc, nullable=False),
    Column("updated_by", String(26)),
    Column("updated_by_name", String(64), nullable=False),
    Column("approved_at", Utc),
    Column("approved_by", String(26)),
    Column("approved_by_name", String(64), nullable=False),
    Index("ix_articles_updated_at", "updated_at", "id"),
)

article_versions = Table(
    "article_versions",
    metadata,
    Column("article_id", String(26), ForeignKey("articles.id"), primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("at", Utc, nullable=False),
    Column("by", String(26)),
    Column("by_name", String(64), nullable=False),
    Column("state", String(16), nullable=False),
    Column("title", String(120), nullable=False),
    Column("body", Text, nullable=False),
    Column("tags", Json, nullable=False),
    Column("valid_until", Date),
)

#: What an article is found by: words of letters, and every two neighbouring Chinese characters.
article_words = Table(
    "article_words",
    metadata,
    Column("word", String(24).with_variant(String(24, collation="C"), "postgresql"), primary_key=True),
    Column("article_id", String(26), ForeignKey("articles.id"), primary_key=True),
    #: 4 in the title, 2 in a tag, 1 in the text.
    Column("weight", Integer, nullable=False),
    Index("ix_article_words_article_id", "article_id"),
)
