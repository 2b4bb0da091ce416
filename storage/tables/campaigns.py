"""Tables of campaigns: the campaigns, whom they call, and every try."""

from __future__ import annotations

from sqlalchemy import (
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    UniqueConstraint,
    false,
)

from storage.tables.base import Json, Utc, metadata

campaigns = Table(
    "campaigns",
    metadata,
    Column("id", String(26), primary_key=True),
    Column("name", String(64), nullable=False, unique=True),
    Column("purpose", String(24), nullable=False),
    Column("mode", String(16), nullable=False),
    Column("state", String(16), nullable=False),
    Column("queue", String(32), nullable=False),
    Column("flow", String(64), nullable=False),
    Column("caller_id", String(20), nullable=False),
    Column("priority", Integer, nullable=False),
    Column("rules", Json, nullable=False),
    Column("starts_at", Utc),
    Column("ends_at", Utc),
    Column("version", Integer, nullable=False),
    Column("created_at", Utc, nullable=False),
    Column("by_id", String(26)),
    Column("by_name", String(64), nullable=False),
    Column("state_at", Utc, nullable=False),
    Column("state_why", String(32), nullable=False),
    Index("ix_campaigns_state", "state", "priority"),
)

campaign_targets = Table(
    "campaign_targets",
    metadata,
    Column("id", String(26), primary_key=True),
    Column("campaign_id", String(26), ForeignKey("campaigns.id"), nullable=False),
    Column("customer_id", String(26), ForeignKey("customers.id"), nullable=False),
    #: The same reason never makes a second target.
    Column("key", String(80), nullable=False),
    Column("vehicle_id", String(26), ForeignKey("vehicles.id")),
    Column("contact_id", String(26), ForeignKey("due_contacts.id")),
    Column("state", String(16), nullable=False),
    Column("due_at", Utc, nullable=False),
    Column("expires_at", Utc, nullable=False),
    Column("priority", Integer, nullable=False),
    Column("tries", Integer, nullable=False),
    Column("turn", Integer, nullable=False),
    #: Outcome to how often.
    Column("counts", Json, nullable=False),
    Column("callback_of", String(26)),
    Column("last_outcome", String(16)),
    Column("last_attempt_id", String(26)),
    Column("why", Json, nullable=False),
    Column("created_at", Utc, nullable=False),
    Column("closed_at", Utc),
    #: The agent who looks at it before he dials, and until when it is kept for him.
    Column("held_by", String(26)),
    Column("held_until", Utc),
    #: What was promised, in the agent's words.
    Column("callback_note", String(200)),
    UniqueConstraint("campaign_id", "key"),
    #: The hopper: who is due, in calling order.
    Index(
        "ix_campaign_targets_campaign_id_state_priority", "campaign_id", "state", "priority", "due_at", "id"
    ),
    Index("ix_campaign_targets_customer_id", "customer_id"),
    Index("ix_campaign_targets_contact_id", "contact_id"),
    Index("ix_campaign_targets_callback_of", "callback_of", "due_at"),
    Index("ix_campaign_targets_held_by", "held_by"),
)

dial_attempts = Table(
    "dial_attempts",
    metadata,
    #: Also the id of the call.
    Column("id", String(26), primary_key=True),
    Column("campaign_id", String(26), ForeignKey("campaigns.id"), nullable=False),
    Column("target_id", String(26), ForeignKey("campaign_targets.id"), nullable=False),
    Column("customer_id", String(26), ForeignKey("customers.id"), nullable=False),
    Column("no", Integer, nullable=False),
    Column("send", Integer, nullable=False),
    #: E.164.
    Column("number", String(20), nullable=False),
    #: The number while the attempt is open: no two ring one telephone, whoever writes. NULL once it is over.
    Column("open_number", String(20), unique=True),
    #: The customer likewise: nobody is rung at two of his numbers at once.
    Column("open_customer", String(26), unique=True),
    Column("node", String(64), nullable=False),
    Column("state", String(16), nullable=False),
    Column("outcome", String(16)),
    Column("dialed", Boolean, nullable=False),
    Column("rang", Boolean, nullable=False),
    Column("machine", Boolean, nullable=False),
    Column("agentless", Boolean, nullable=False),
    Column("cause", Integer),
    Column("reason", String(64), nullable=False),
    Column("agent_id", String(26)),
    Column("intent_at", Utc, nullable=False),
    Column("answered_at", Utc),
    Column("connected_at", Utc),
    Column("ended_at", Utc),
    #: Contactability at the moment of dialing.
    Column("answer", Json, nullable=False),
    #: The agent's telephone rings first; the customer's leg follows.
    Column("agent_first", Boolean, nullable=False, server_default=false()),
    UniqueConstraint("target_id", "no", "send"),
    Index("ix_dial_attempts_campaign_id_intent_at", "campaign_id", "intent_at", "id"),
    Index("ix_dial_attempts_customer_id_intent_at", "customer_id", "intent_at"),
    Index("ix_dial_attempts_number_intent_at", "number", "intent_at"),
)

#: What follows when nobody was reached by telephone: a text, a letter, a mark to ask at the next visit.
campaign_rungs = Table(
    "campaign_rungs",
    metadata,
    Column("id", String(26), primary_key=True),
    Column("campaign_id", String(26), ForeignKey("campaigns.id"), nullable=False),
    Column("target_id", String(26), ForeignKey("campaign_targets.id"), nullable=False),
    Column("customer_id", String(26), ForeignKey("customers.id"), nullable=False),
    Column("rung", String(8), nullable=False),
    Column("state", String(8), nullable=False),
    Column("due_at", Utc, nullable=False),
    Column("created_at", Utc, nullable=False),
    Column("done_at", Utc),
    Column("by_name", String(64), nullable=False),
    #: Plain JSON: what it is waiting for, or why it was passed over.
    Column("why", Json, nullable=False),
    UniqueConstraint("target_id", "rung"),
    Index("ix_campaign_rungs_state_rung_due_at", "state", "rung", "due_at"),
    Index("ix_campaign_rungs_customer_id", "customer_id"),
    Index("ix_campaign_rungs_campaign_id", "campaign_id"),
)

#: Processes that dial, each with a switch of its own: when each was heard of last.
nodes = Table(
    "nodes",
    metadata,
    #: The switch's system name.
    Column("name", String(64), primary_key=True),
    Column("role", String(16), nullable=False),
    Column("started_at", Utc, nullable=False),
    Column("beat_at", Utc, nullable=False),
)
