"""Tables of people and programs that use Careline: users, second factors, sessions, tokens, audit, answered requests.

Columns that came with a later revision stand last in their table, as an upgraded database has them.
"""

from __future__ import annotations

from sqlalchemy import Boolean, Column, ForeignKey, Index, Integer, String, Table, Text

from storage.tables.base import Json, Utc, metadata

users = Table(
    "users",
    metadata,
    Column("id", String(26), primary_key=True),
    #: Lower case; never given to another person.
    Column("login", String(32), nullable=False, unique=True),
    Column("name", String(64), nullable=False),
    Column("role", String(16), nullable=False),
    Column("language", String(8), nullable=False),
    Column("theme", String(8), nullable=False),
    Column("password_hash", Text, nullable=False),
    Column("password_changed_at", Utc, nullable=False),
    #: False from `disabled_at` on.
    Column("active", Boolean, nullable=False),
    Column("disabled_at", Utc),
    Column("created_at", Utc, nullable=False),
    #: Somebody else set the password: the user chooses a new one before anything else.
    Column("must_change", Boolean, nullable=False, server_default="0"),
)

#: A second factor per user (RFC 6238). The secret itself is not here: it is derived from `seed` and a key file
#: outside the database, so that a copy of the database makes no codes.
second_factors = Table(
    "second_factors",
    metadata,
    Column("user_id", String(26), ForeignKey("users.id"), primary_key=True),
    Column("seed", String(64), nullable=False),
    Column("created_at", Utc, nullable=False),
    #: Set by the first right code; before it the factor is not asked for.
    Column("confirmed_at", Utc),
    #: The 30-second step of the last code that was taken: the same code, or an older one, is refused.
    Column("last_step", Integer, nullable=False, server_default="0"),
)

#: Codes for the day the telephone with the authenticator is lost; each works once. SHA-256 of 80 random bits.
recovery_codes = Table(
    "recovery_codes",
    metadata,
    Column("user_id", String(26), ForeignKey("users.id"), primary_key=True),
    Column("hash", String(64), primary_key=True),
    Column("used_at", Utc),
)

sessions = Table(
    "sessions",
    metadata,
    #: SHA-256 of the cookie's value: a copy of the database opens no session.
    Column("id", String(64), primary_key=True),
    Column("user_id", String(26), ForeignKey("users.id"), nullable=False, index=True),
    Column("csrf", String(64), nullable=False),
    Column("address", String(45), nullable=False),
    Column("created_at", Utc, nullable=False),
    #: To the minute.
    Column("seen_at", Utc, nullable=False, index=True),
    Column("ended_at", Utc),
    #: signed_out, replaced, disabled, password_changed, role_changed, restored.
    Column("ended_why", String(24), nullable=False, server_default=""),
    #: What the browser called itself, shortened: only shown to its own user.
    Column("browser", String(64), nullable=False, server_default=""),
    #: What stands between this session and the house: "code" (a second factor was not given yet),
    #: "enrol" (the role demands one), "password" (it must be changed); empty: nothing.
    Column("pending", String(16), nullable=False, server_default=""),
)

tokens = Table(
    "tokens",
    metadata,
    Column("id", String(26), primary_key=True),
    Column("hash", String(64), nullable=False, unique=True),
    Column("name", String(64), nullable=False),
    Column("role", String(16), nullable=False),
    Column("user_id", String(26), ForeignKey("users.id")),
    Column("created_at", Utc, nullable=False),
    Column("created_by", String(64), nullable=False),
    Column("expires_at", Utc),
    Column("revoked_at", Utc),
    #: To the minute.
    Column("used_at", Utc),
)

audit = Table(
    "audit",
    metadata,
    Column("id", String(26), primary_key=True),
    Column("at", Utc, nullable=False),
    Column("action", String(32), nullable=False),
    Column("actor_id", String(26)),
    Column("actor_name", String(64), nullable=False),
    Column("via", String(16), nullable=False),
    Column("subject", String(96), nullable=False, index=True),
    Column("address", String(45), nullable=False),
    Column("data", Json, nullable=False),
    Index("ix_audit_actor_id_id", "actor_id", "id"),
    Index("ix_audit_action_id", "action", "id"),
)

idempotency = Table(
    "idempotency",
    metadata,
    #: Whose key it is: "user:ID" or "token:ID"; two people may choose the same key.
    Column("owner", String(64), primary_key=True),
    Column("key", String(128), primary_key=True),
    #: SHA-256 over method, path and body of the request that used the key first.
    Column("fingerprint", String(64), nullable=False),
    Column("at", Utc, nullable=False, index=True),
    Column("status", Integer, nullable=False),
    Column("answer", Json, nullable=False),
)
