"""Tables of contacts: whom to call, the reasons, the tries, the trail, and the days that were generated.

The table `contacts` (records) ties numbers to customers; these are about calls to be made.
"""

from __future__ import annotations

from sqlalchemy import (
    Column,
    Date,
    Float,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from storage.tables.base import Json, Utc, metadata

due_contacts = Table(
    "due_contacts",
    metadata,
    Column("id", String(26), primary_key=True),
    Column("customer_id", String(26), ForeignKey("customers.id"), nullable=False),
    #: The customer's id while it is not closed: one at a time, whoever writes. NULL once closed.
    Column("open_key", String(26), unique=True),
    Column("task_id", String(26), ForeignKey("tasks.id"), nullable=False, unique=True),
    Column("state", String(8), nullable=False),
    Column("owner_id", String(26), ForeignKey("users.id")),
    Column("department", String(32)),
    Column("due_at", Utc, nullable=False),
    Column("priority", Integer, nullable=False),
    Column("tries", Integer, nullable=False),
    Column("last_try_at", Utc),
    Column("next_try_at", Utc),
    #: Number of the complaint that holds it back.
    Column("held_by", String(40)),
    Column("result", String(16)),
    Column("note", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("created_at", Utc, nullable=False),
    Column("closed_at", Utc),
    Column("closed_by", String(26)),
    Column("closed_by_name", String(64), nullable=False),
    Index("ix_due_contacts_state_due_at", "state", "due_at", "id"),
    Index("ix_due_contacts_owner_id_state_due_at", "owner_id", "state", "due_at", "id"),
    Index("ix_due_contacts_customer_id_created_at", "customer_id", "created_at"),
    Index("ix_due_contacts_closed_at", "closed_at", "id"),
)

contact_reasons = Table(
    "contact_reasons",
    metadata,
    Column("id", String(26), primary_key=True),
    Column("contact_id", String(26), ForeignKey("due_contacts.id"), nullable=False),
    Column("customer_id", String(26), ForeignKey("customers.id"), nullable=False),
    Column("vehicle_id", String(26), ForeignKey("vehicles.id")),
    Column("kind", String(24), nullable=False),
    #: The same event never makes a second reason.
    Column("occasion", String(80), nullable=False, unique=True),
    Column("state", String(16), nullable=False),
    Column("due_at", Utc, nullable=False),
    Column("expires_at", Utc),
    Column("priority", Integer, nullable=False),
    Column("why", Json, nullable=False),
    Column("questionnaire", String(64)),
    Column("script", String(64)),
    #: The plan it came from, for rates of invitation.
    Column("plan_id", String(26)),
    Column("created_at", Utc, nullable=False),
    Column("closed_at", Utc),
    Column("closed_why", Json, nullable=False),
    Index("ix_contact_reasons_contact_id", "contact_id", "id"),
    Index("ix_contact_reasons_customer_id", "customer_id"),
    Index("ix_contact_reasons_vehicle_id_state", "vehicle_id", "state"),
    Index("ix_contact_reasons_state_expires_at", "state", "expires_at", "id"),
    Index("ix_contact_reasons_plan_id_created_at", "plan_id", "created_at"),
    Index("ix_contact_reasons_kind_created_at", "kind", "created_at", "id"),
)

contact_tries = Table(
    "contact_tries",
    metadata,
    Column("id", String(26), primary_key=True),
    Column("contact_id", String(26), ForeignKey("due_contacts.id"), nullable=False),
    Column("at", Utc, nullable=False),
    Column("by_id", String(26)),
    Column("by_name", String(64), nullable=False),
    Column("call_id", String(26), index=True),
    Column("result", String(16), nullable=False),
    Column("note", Text, nullable=False),
    #: A call is one try, told as often as it may be.
    UniqueConstraint("contact_id", "call_id"),
    Index("ix_contact_tries_contact_id", "contact_id", "id"),
)

#: The trail; append-only.
contact_events = Table(
    "contact_events",
    metadata,
    Column("id", String(26), primary_key=True),
    Column("contact_id", String(26), ForeignKey("due_contacts.id"), nullable=False),
    Column("at", Utc, nullable=False),
    Column("step", String(24), nullable=False),
    Column("by_id", String(26)),
    Column("by_name", String(64), nullable=False),
    Column("data", Json, nullable=False),
    Index("ix_contact_events_contact_id", "contact_id", "id"),
)

#: A day of generation: what was done and how far it is.
due_runs = Table(
    "due_runs",
    metadata,
    Column("day", Date, primary_key=True),
    Column("started_at", Utc, nullable=False),
    Column("finished_at", Utc),
    #: The part that is next, and the row behind which it goes on.
    Column("part", String(32), nullable=False),
    Column("after", String(64), nullable=False),
    Column("counts", Json, nullable=False),
    Column("seconds", Float, nullable=False),
)
