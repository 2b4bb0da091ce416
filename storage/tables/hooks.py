"""Tables of webhooks out: subscriptions, what happened, what must be delivered, and every try."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Index, Integer, String, Table

from storage.tables.base import Json, Utc, metadata

hooks = Table(
    "hooks",
    metadata,
    Column("id", String(26), primary_key=True),
    Column("name", String(64), nullable=False),
    Column("url", String(500), nullable=False),
    #: Names of events.
    Column("events", Json, nullable=False),
    Column("language", String(8), nullable=False),
    Column("active", Boolean, nullable=False),
    #: Signs every delivery, so it cannot be stored as a hash; it is shown once.
    Column("secret", String(80), nullable=False),
    #: Signs beside it until then, so that a receiver can change over.
    Column("old_secret", String(80)),
    Column("old_until", Utc),
    #: Who changed it last: "user:ID" or "token:ID". It sends what that one may see.
    Column("owner", String(40), nullable=False),
    Column("owner_name", String(64), nullable=False),
    Column("created_at", Utc, nullable=False),
    Column("changed_at", Utc, nullable=False),
    #: Failures in a row, over all deliveries; the same for every subscription of one address.
    Column("failures", Integer, nullable=False, server_default="0"),
    #: Since when nothing arrived there.
    Column("failing_since", Utc),
    #: The breaker: nothing is tried before this.
    Column("paused_until", Utc),
    Column("disabled_at", Utc),
    #: failing, gone, owner-gone, restored, or "" (somebody switched it off).
    Column("disabled_why", String(24), nullable=False, server_default=""),
)

#: What happened, written in the transaction that did it, where somebody has asked for it.
happenings = Table(
    "happenings",
    metadata,
    Column("id", String(26), primary_key=True),
    Column("event", String(40), nullable=False),
    Column("subject", String(96), nullable=False, index=True),
    Column("at", Utc, nullable=False, index=True),
    Column("data", Json, nullable=False),
)

#: One row for each subscription that is told.
deliveries = Table(
    "deliveries",
    metadata,
    #: The order in which things happened.
    Column("number", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("id", String(26), nullable=False, unique=True),
    Column("hook_id", String(26), ForeignKey("hooks.id"), nullable=False),
    Column("happening_id", String(26), ForeignKey("happenings.id"), nullable=False, index=True),
    Column("event", String(40), nullable=False),
    Column("subject", String(96), nullable=False),
    Column("at", Utc, nullable=False, index=True),
    #: waiting, delivered, failed (given up) or cancelled.
    Column("state", String(12), nullable=False),
    Column("tries", Integer, nullable=False, server_default="0"),
    #: Since when its time to be given up runs; a replay begins anew.
    Column("since", Utc, nullable=False),
    Column("next_at", Utc, nullable=False),
    #: Which sender has it, and until when; the number tells an outdated one apart.
    Column("claimed_by", String(40)),
    Column("claimed_until", Utc),
    Column("claim", Integer, nullable=False, server_default="0"),
    Column("done_at", Utc),
    Column("last_status", Integer),
    Column("last_error", String(64), nullable=False, server_default=""),
    Index("ix_deliveries_hook_id_number", "hook_id", "number"),
)
#: What waits is little among what was sent: the sender reads these, not the table.
Index(
    "ix_deliveries_due",
    deliveries.c.hook_id,
    deliveries.c.next_at,
    deliveries.c.number,
    sqlite_where=deliveries.c.state == "waiting",
    postgresql_where=deliveries.c.state == "waiting",
)
Index(
    "ix_deliveries_in_turn",
    deliveries.c.hook_id,
    deliveries.c.subject,
    deliveries.c.number,
    sqlite_where=deliveries.c.state == "waiting",
    postgresql_where=deliveries.c.state == "waiting",
)

#: Few are on their way at once.
Index(
    "ix_deliveries_claimed",
    deliveries.c.claimed_until,
    sqlite_where=deliveries.c.claimed_by.is_not(None),
    postgresql_where=deliveries.c.claimed_by.is_not(None),
)

#: Every try, append-only. What the receiver answered is not kept: only its status.
delivery_tries = Table(
    "delivery_tries",
    metadata,
    Column(
        "delivery_number", BigInteger, ForeignKey("deliveries.number", ondelete="CASCADE"), primary_key=True
    ),
    Column("try", Integer, primary_key=True),
    Column("at", Utc, nullable=False),
    Column("milliseconds", Integer, nullable=False),
    Column("status", Integer),
    #: A word: timeout, refused-address, tls, connection, status, redirect, …; empty: it arrived.
    Column("error", String(64), nullable=False, server_default=""),
)
