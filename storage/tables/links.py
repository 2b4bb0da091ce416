"""Table of private links."""

from __future__ import annotations

from sqlalchemy import Column, Index, Integer, String, Table

from storage.tables.base import Utc, metadata

#: One secret that opens one thing for a person without an account.
links = Table(
    "links",
    metadata,
    Column("id", String(26), primary_key=True),
    #: SHA-256 of the secret in the address.
    Column("hash", String(64), nullable=False, unique=True),
    Column("kind", String(16), nullable=False),
    Column("subject", String(26), nullable=False),
    Column("audience", String(128), nullable=False),
    Column("made_at", Utc, nullable=False),
    Column("made_by", String(26)),
    Column("expires_at", Utc, nullable=False),
    Column("pin_hash", String(64)),
    Column("wrong_pins", Integer, nullable=False),
    Column("opened_at", Utc),
    Column("used_at", Utc),
    Column("revoked_at", Utc),
    #: SHA-256 of the cookie of the first browser, where a link is bound to it.
    Column("browser", String(64)),
    Index("ix_links_subject", "kind", "subject"),
    Index("ix_links_expires_at", "expires_at"),
)
