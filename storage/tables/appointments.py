"""Tables of appointments: workshops and their lanes, what is booked, its trail, what is to be told, kept lists."""

from __future__ import annotations

from sqlalchemy import (
    Boolean,
    Column,
    Date,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from storage.tables.base import Json, Utc, metadata

workshops = Table(
    "workshops",
    metadata,
    Column("id", String(26), primary_key=True),
    Column("name", String(64), nullable=False),
    Column("address", String(200), nullable=False),
    Column("active", Boolean, nullable=False),
    Column("version", Integer, nullable=False),
)

#: How kinds of work are booked, where the house says otherwise than `crm.appointments.slots.KINDS`.
appointment_works = Table(
    "appointment_works",
    metadata,
    Column("work", String(16), primary_key=True),
    Column("minutes", Integer, nullable=False),
    Column("needs_advisor", Boolean, nullable=False),
    Column("lead_minutes", Integer, nullable=False),
    Column("horizon_days", Integer, nullable=False),
    Column("active", Boolean, nullable=False),
    Column("version", Integer, nullable=False),
)

#: What takes appointments side by side: an advisor, bays, a demonstration car.
appointment_lanes = Table(
    "appointment_lanes",
    metadata,
    Column("id", String(26), primary_key=True),
    Column("workshop_id", String(26), ForeignKey("workshops.id"), nullable=False, index=True),
    Column("name", String(64), nullable=False),
    Column("advisor", String(64), nullable=False),
    Column("works", Json, nullable=False),
    Column("weekdays", Json, nullable=False),
    #: Minutes after midnight.
    Column("opens", Integer, nullable=False),
    Column("closes", Integer, nullable=False),
    Column("pause_from", Integer),
    Column("pause_until", Integer),
    Column("cell_minutes", Integer, nullable=False),
    Column("capacity", Integer, nullable=False),
    Column("active", Boolean, nullable=False),
    Column("version", Integer, nullable=False),
)

#: Another capacity on one day; without a lane for the whole workshop.
appointment_exceptions = Table(
    "appointment_exceptions",
    metadata,
    Column("id", String(26), primary_key=True),
    Column("workshop_id", String(26), ForeignKey("workshops.id"), nullable=False),
    Column("lane_id", String(26), ForeignKey("appointment_lanes.id")),
    Column("day", Date, nullable=False),
    Column("capacity", Integer, nullable=False),
    Column("why", String(200), nullable=False),
    Index("ix_appointment_exceptions_workshop_id_day", "workshop_id", "day"),
)

#: How much of each cell is taken: what two who book the last place at once meet at.
appointment_cells = Table(
    "appointment_cells",
    metadata,
    Column("lane_id", String(26), ForeignKey("appointment_lanes.id"), primary_key=True),
    Column("at", Utc, primary_key=True),
    Column("taken", Integer, nullable=False),
)

appointments = Table(
    "appointments",
    metadata,
    Column("id", String(26), primary_key=True),
    Column("state", String(16), nullable=False),
    Column("work", String(16), nullable=False),
    Column("workshop_id", String(26), ForeignKey("workshops.id"), nullable=False),
    Column("lane_id", String(26), ForeignKey("appointment_lanes.id"), nullable=False),
    Column("advisor", String(64), nullable=False),
    Column("starts_at", Utc, nullable=False),
    Column("minutes", Integer, nullable=False),
    #: The cells it holds, to give them back whatever the lane looks like then.
    Column("cells", Json, nullable=False),
    Column("customer_id", String(26), ForeignKey("customers.id"), nullable=False),
    Column("vehicle_id", String(26), ForeignKey("vehicles.id")),
    Column("contact_id", String(26)),
    Column("call_id", String(26)),
    Column("campaign", String(64), nullable=False),
    Column("source", String(16), nullable=False),
    Column("words", Text, nullable=False),
    Column("parts", Text, nullable=False),
    Column("model", String(64), nullable=False),
    Column("place", String(200), nullable=False),
    Column("documents", Text, nullable=False),
    Column("licence_checked", Boolean, nullable=False),
    Column("overbooked", Boolean, nullable=False),
    Column("overbook_reason", Text, nullable=False),
    Column("cancel_reason", Text, nullable=False),
    Column("created_at", Utc, nullable=False),
    Column("created_by", String(26)),
    Column("created_by_name", String(64), nullable=False),
    Column("changed_at", Utc, nullable=False),
    Column("confirmed_at", Utc),
    Column("arrived_at", Utc),
    #: Done, cancelled or missed.
    Column("closed_at", Utc),
    Column("visit_id", String(26), ForeignKey("service_visits.id")),
    Column("rebooked_from", String(26)),
    Column("occasion", String(80), unique=True),
    Column("version", Integer, nullable=False),
    Column("events", Integer, nullable=False),
    Index("ix_appointments_workshop_id_starts_at", "workshop_id", "starts_at", "id"),
    Index("ix_appointments_state_starts_at", "state", "starts_at", "id"),
    Index("ix_appointments_customer_id_starts_at", "customer_id", "starts_at"),
    Index("ix_appointments_vehicle_id_starts_at", "vehicle_id", "starts_at"),
    Index("ix_appointments_contact_id", "contact_id"),
    Index("ix_appointments_rebooked_from", "rebooked_from"),
    Index("ix_appointments_visit_id", "visit_id"),
)

#: Every step; append-only.
appointment_events = Table(
    "appointment_events",
    metadata,
    Column("id", String(26), primary_key=True),
    Column("appointment_id", String(26), ForeignKey("appointments.id"), nullable=False),
    Column("seq", Integer, nullable=False),
    Column("at", Utc, nullable=False),
    Column("step", String(16), nullable=False),
    Column("by_id", String(26)),
    Column("by_name", String(64), nullable=False),
    Column("source", String(16), nullable=False),
    Column("from_state", String(16)),
    Column("to_state", String(16), nullable=False),
    Column("words", Text, nullable=False),
    Column("data", Json, nullable=False),
    UniqueConstraint("appointment_id", "seq"),
)

#: What a customer is to be told; a message port takes what waits, else a person calls.
appointment_notices = Table(
    "appointment_notices",
    metadata,
    Column("id", String(26), primary_key=True),
    Column("appointment_id", String(26), ForeignKey("appointments.id"), nullable=False),
    Column("kind", String(16), nullable=False),
    #: The event of the appointment it tells of.
    Column("seq", Integer, nullable=False),
    Column("state", String(16), nullable=False),
    Column("due_at", Utc, nullable=False),
    Column("task_id", String(26), ForeignKey("tasks.id"), index=True),
    Column("told_at", Utc),
    Column("told_by_name", String(64), nullable=False),
    UniqueConstraint("appointment_id", "kind", "seq"),
    Index("ix_appointment_notices_state_due_at", "state", "due_at", "id"),
)

#: The list of the next two days as it was made.
appointment_lists = Table(
    "appointment_lists",
    metadata,
    Column("id", String(26), primary_key=True),
    Column("made_on", Date, nullable=False, unique=True),
    Column("made_at", Utc, nullable=False),
    Column("first", Date, nullable=False),
    Column("last", Date, nullable=False),
)

#: What the list said then.
appointment_list_rows = Table(
    "appointment_list_rows",
    metadata,
    Column("list_id", String(26), ForeignKey("appointment_lists.id"), primary_key=True),
    Column("appointment_id", String(26), ForeignKey("appointments.id"), primary_key=True),
    Column("customer_id", String(26), ForeignKey("customers.id"), nullable=False, index=True),
    Column("version", Integer, nullable=False),
    Column("starts_at", Utc, nullable=False),
    Column("minutes", Integer, nullable=False),
    Column("workshop", String(64), nullable=False),
    Column("advisor", String(64), nullable=False),
    Column("work", String(16), nullable=False),
    Column("plate", String(16), nullable=False),
    Column("model", String(64), nullable=False),
    Column("customer_name", String(64), nullable=False),
    Column("parts", Text, nullable=False),
    Column("words", Text, nullable=False),
    Index("ix_appointment_list_rows_appointment_id", "appointment_id"),
)

#: How far a bought vehicle is.
delivery_news = Table(
    "delivery_news",
    metadata,
    Column("id", String(26), primary_key=True),
    Column("customer_id", String(26), ForeignKey("customers.id"), nullable=False),
    Column("vehicle_id", String(26), ForeignKey("vehicles.id"), index=True),
    Column("kind", String(16), nullable=False),
    Column("on", Date, nullable=False),
    Column("note", Text, nullable=False),
    Column("at", Utc, nullable=False),
    Column("by_id", String(26)),
    Column("by_name", String(64), nullable=False),
    #: When the customer heard of it.
    Column("told_at", Utc),
    Index("ix_delivery_news_customer_id_at", "customer_id", "at", "id"),
)

#: What brought a visit: one at most.
visit_credits = Table(
    "visit_credits",
    metadata,
    Column("visit_id", String(26), ForeignKey("service_visits.id"), primary_key=True),
    Column("customer_id", String(26), ForeignKey("customers.id"), index=True),
    Column("visited_on", Date, nullable=False),
    Column("appointment_id", String(26), ForeignKey("appointments.id"), index=True),
    Column("contact_id", String(26), index=True),
    Column("campaign", String(64), nullable=False),
    #: Days from what brought the customer to the visit, and the house's rule then.
    Column("days", Integer, nullable=False),
    Column("within", Integer, nullable=False),
    Column("at", Utc, nullable=False),
    Index("ix_visit_credits_campaign_visited_on", "campaign", "visited_on"),
)
