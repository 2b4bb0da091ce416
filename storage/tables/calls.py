"""Tables of the call log: calls, their facts and channels, and what the switch's own files say."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    Index,
    Integer,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    and_,
    literal_column,
)

from storage.tables.base import Json, Utc, metadata

#: One row per conversation: `telephony.calls.Call`, field by field.
calls = Table(
    "calls",
    metadata,
    Column("id", String(26), primary_key=True),
    Column("linkedid", String(150), nullable=False),
    Column("system", String(32), nullable=False),
    Column("direction", String(16), nullable=False),
    Column("state", String(16), nullable=False),
    Column("started_at", Utc, nullable=False),
    Column("number", String(20)),
    Column("raw_number", String(64), nullable=False, server_default=""),
    Column("called", String(64), nullable=False, server_default=""),
    Column("flow", String(64)),
    Column("language", String(16)),
    Column("customer_id", String(26)),
    Column("explained", String(64)),
    Column("keys", Text, nullable=False, server_default=""),
    Column("route", String(200)),
    Column("queue", String(128)),
    Column("priority", Integer, nullable=False, server_default="0"),
    Column("agent_id", String(128)),
    Column("answered_at", Utc),
    Column("queued_at", Utc),
    Column("connected_at", Utc),
    Column("ended_at", Utc),
    Column("wait_seconds", Float, nullable=False, server_default="0"),
    Column("talk_seconds", Float, nullable=False, server_default="0"),
    Column("hold_seconds", Float, nullable=False, server_default="0"),
    Column("held_since", Utc),
    Column("outcome", String(16)),
    Column("cause", Integer),
    Column("recording", String(256)),
    Column("transfers", Text, nullable=False, server_default=""),
    Column("origin", String(16), nullable=False, server_default="live"),
    Column("proved", Boolean, nullable=False, server_default="0"),
    Column("refused_by", String(32)),
    Column("rating", Integer),
    Index("ix_calls_started_at_id", "started_at", "id"),
    Index("ix_calls_customer_id_started_at", "customer_id", "started_at"),
    Index("ix_calls_agent_id_started_at", "agent_id", "started_at"),
    Index("ix_calls_number_started_at", "number", "started_at"),
)
#: Open calls are few among millions: reconciliation reads this index, not the table.
Index(
    "ix_calls_open",
    calls.c.system,
    calls.c.started_at,
    sqlite_where=calls.c.ended_at.is_(None),
    postgresql_where=calls.c.ended_at.is_(None),
)

#: What lists of the whole log are narrowed to, of calls that are over: one that goes on writes into none of these
#: indexes. What most calls are, answered and inbound, is found by walking the log back. A question has to say these
#: words to be answered by them (`storage.call_lists`).
OVER = calls.c.ended_at.is_not(None)
UNANSWERED = calls.c.outcome != literal_column("'answered'")
NOT_INBOUND = calls.c.direction != literal_column("'inbound'")
Index(
    "ix_calls_queue_started_at",
    calls.c.queue,
    calls.c.started_at,
    calls.c.id,
    sqlite_where=and_(calls.c.queue.is_not(None), OVER),
    postgresql_where=and_(calls.c.queue.is_not(None), OVER),
)
Index(
    "ix_calls_outcome_started_at",
    calls.c.outcome,
    calls.c.started_at,
    calls.c.id,
    sqlite_where=UNANSWERED,
    postgresql_where=UNANSWERED,
)
Index(
    "ix_calls_direction_started_at",
    calls.c.direction,
    calls.c.started_at,
    calls.c.id,
    sqlite_where=and_(NOT_INBOUND, OVER),
    postgresql_where=and_(NOT_INBOUND, OVER),
)

#: Raw facts, append-only. The natural key makes a second import harmless; it begins with the call, so that a
#: call's facts lie together and one tree serves both ways of asking.
call_facts = Table(
    "call_facts",
    metadata,
    Column("call_id", String(26), nullable=False),
    Column("source", String(16), nullable=False),
    Column("key", String(255), nullable=False),
    Column("kind", String(32), nullable=False),
    Column("at", Utc, nullable=False),
    Column("linkedid", String(150), nullable=False),
    Column("uniqueid", String(150), nullable=False),
    Column("data", Json, nullable=False),
    PrimaryKeyConstraint("call_id", "source", "key"),
    sqlite_with_rowid=False,
)

#: Which call a channel belongs to; a linkedid is named here too.
call_legs = Table(
    "call_legs",
    metadata,
    Column("system", String(32), nullable=False),
    Column("uniqueid", String(150), nullable=False),
    Column("call_id", String(26), nullable=False, index=True),
    PrimaryKeyConstraint("system", "uniqueid"),
    sqlite_with_rowid=False,
)

#: Channels of the trunk as CEL and CDR list them: the witness the log is compared with.
switch_calls = Table(
    "switch_calls",
    metadata,
    Column("system", String(32), nullable=False),
    Column("uniqueid", String(150), nullable=False),
    Column("linkedid", String(150), nullable=False),
    Column("started_at", Utc, nullable=False, index=True),
    Column("ended_at", Utc),
    Column("direction", String(16), nullable=False, server_default=""),
    Column("caller", String(128), nullable=False, server_default=""),
    Column("called", String(128), nullable=False, server_default=""),
    #: SIP Call-ID, the name under which the carrier knows the call.
    Column("sip_call_id", String(150), nullable=False, server_default=""),
    Column("cause", Integer),
    Column("in_cel", Boolean, nullable=False, server_default="0"),
    Column("in_cdr", Boolean, nullable=False, server_default="0"),
    PrimaryKeyConstraint("system", "uniqueid"),
)

#: How far each of the switch's files has been read.
import_offsets = Table(
    "import_offsets",
    metadata,
    Column("system", String(32), nullable=False),
    Column("file", String(64), nullable=False),
    Column("inode", BigInteger, nullable=False),
    Column("offset", BigInteger, nullable=False),
    #: Digest of the file's first bytes: tells a new file under an old inode.
    Column("head", String(64), nullable=False, server_default=""),
    Column("bad_lines", Integer, nullable=False, server_default="0"),
    #: Latest moment a line told of.
    Column("last_at", Utc),
    Column("read_at", Utc, nullable=False),
    PrimaryKeyConstraint("system", "file"),
)

#: Each start of a switch that was noticed, and until when it was seen alive.
switch_boots = Table(
    "switch_boots",
    metadata,
    Column("system", String(32), nullable=False),
    Column("boot", String(64), nullable=False),
    Column("seen_first", Utc, nullable=False),
    Column("seen_last", Utc, nullable=False),
    PrimaryKeyConstraint("system", "boot"),
)
