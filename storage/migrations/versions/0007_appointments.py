"""Appointments."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from storage.tables.base import Json, Utc

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Appointments."""
    op.create_table(
        "appointment_lists",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("made_on", sa.Date(), nullable=False),
        sa.Column("made_at", Utc(), nullable=False),
        sa.Column("first", sa.Date(), nullable=False),
        sa.Column("last", sa.Date(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_appointment_lists")),
        sa.UniqueConstraint("made_on", name=op.f("uq_appointment_lists_made_on")),
    )
    op.create_table(
        "appointment_works",
        sa.Column("work", sa.String(length=16), nullable=False),
        sa.Column("minutes", sa.Integer(), nullable=False),
        sa.Column("needs_advisor", sa.Boolean(), nullable=False),
        sa.Column("lead_minutes", sa.Integer(), nullable=False),
        sa.Column("horizon_days", sa.Integer(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("work", name=op.f("pk_appointment_works")),
    )
    op.create_table(
        "workshops",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("address", sa.String(length=200), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_workshops")),
    )
    op.create_table(
        "appointment_lanes",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("workshop_id", sa.String(length=26), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("advisor", sa.String(length=64), nullable=False),
        sa.Column("works", Json, nullable=False),
        sa.Column("weekdays", Json, nullable=False),
        sa.Column("opens", sa.Integer(), nullable=False),
        sa.Column("closes", sa.Integer(), nullable=False),
        sa.Column("pause_from", sa.Integer(), nullable=True),
        sa.Column("pause_until", sa.Integer(), nullable=True),
        sa.Column("cell_minutes", sa.Integer(), nullable=False),
        sa.Column("capacity", sa.Integer(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["workshop_id"], ["workshops.id"], name=op.f("fk_appointment_lanes_workshop_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_appointment_lanes")),
    )
    with op.batch_alter_table("appointment_lanes", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_appointment_lanes_workshop_id"), ["workshop_id"], unique=False)

    op.create_table(
        "appointment_cells",
        sa.Column("lane_id", sa.String(length=26), nullable=False),
        sa.Column("at", Utc(), nullable=False),
        sa.Column("taken", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["lane_id"], ["appointment_lanes.id"], name=op.f("fk_appointment_cells_lane_id")
        ),
        sa.PrimaryKeyConstraint("lane_id", "at", name=op.f("pk_appointment_cells")),
    )
    op.create_table(
        "appointment_exceptions",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("workshop_id", sa.String(length=26), nullable=False),
        sa.Column("lane_id", sa.String(length=26), nullable=True),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("capacity", sa.Integer(), nullable=False),
        sa.Column("why", sa.String(length=200), nullable=False),
        sa.ForeignKeyConstraint(
            ["lane_id"], ["appointment_lanes.id"], name=op.f("fk_appointment_exceptions_lane_id")
        ),
        sa.ForeignKeyConstraint(
            ["workshop_id"], ["workshops.id"], name=op.f("fk_appointment_exceptions_workshop_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_appointment_exceptions")),
    )
    with op.batch_alter_table("appointment_exceptions", schema=None) as batch_op:
        batch_op.create_index(
            "ix_appointment_exceptions_workshop_id_day", ["workshop_id", "day"], unique=False
        )

    op.create_table(
        "delivery_news",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("customer_id", sa.String(length=26), nullable=False),
        sa.Column("vehicle_id", sa.String(length=26), nullable=True),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("on", sa.Date(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("at", Utc(), nullable=False),
        sa.Column("by_id", sa.String(length=26), nullable=True),
        sa.Column("by_name", sa.String(length=64), nullable=False),
        sa.Column("told_at", Utc(), nullable=True),
        sa.ForeignKeyConstraint(["customer_id"], ["customers.id"], name=op.f("fk_delivery_news_customer_id")),
        sa.ForeignKeyConstraint(["vehicle_id"], ["vehicles.id"], name=op.f("fk_delivery_news_vehicle_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_delivery_news")),
    )
    with op.batch_alter_table("delivery_news", schema=None) as batch_op:
        batch_op.create_index("ix_delivery_news_customer_id_at", ["customer_id", "at", "id"], unique=False)
        batch_op.create_index(batch_op.f("ix_delivery_news_vehicle_id"), ["vehicle_id"], unique=False)

    op.create_table(
        "appointments",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("work", sa.String(length=16), nullable=False),
        sa.Column("workshop_id", sa.String(length=26), nullable=False),
        sa.Column("lane_id", sa.String(length=26), nullable=False),
        sa.Column("advisor", sa.String(length=64), nullable=False),
        sa.Column("starts_at", Utc(), nullable=False),
        sa.Column("minutes", sa.Integer(), nullable=False),
        sa.Column("cells", Json, nullable=False),
        sa.Column("customer_id", sa.String(length=26), nullable=False),
        sa.Column("vehicle_id", sa.String(length=26), nullable=True),
        sa.Column("contact_id", sa.String(length=26), nullable=True),
        sa.Column("call_id", sa.String(length=26), nullable=True),
        sa.Column("campaign", sa.String(length=64), nullable=False),
        sa.Column("source", sa.String(length=16), nullable=False),
        sa.Column("words", sa.Text(), nullable=False),
        sa.Column("parts", sa.Text(), nullable=False),
        sa.Column("model", sa.String(length=64), nullable=False),
        sa.Column("place", sa.String(length=200), nullable=False),
        sa.Column("documents", sa.Text(), nullable=False),
        sa.Column("licence_checked", sa.Boolean(), nullable=False),
        sa.Column("overbooked", sa.Boolean(), nullable=False),
        sa.Column("overbook_reason", sa.Text(), nullable=False),
        sa.Column("cancel_reason", sa.Text(), nullable=False),
        sa.Column("created_at", Utc(), nullable=False),
        sa.Column("created_by", sa.String(length=26), nullable=True),
        sa.Column("created_by_name", sa.String(length=64), nullable=False),
        sa.Column("changed_at", Utc(), nullable=False),
        sa.Column("confirmed_at", Utc(), nullable=True),
        sa.Column("arrived_at", Utc(), nullable=True),
        sa.Column("closed_at", Utc(), nullable=True),
        sa.Column("visit_id", sa.String(length=26), nullable=True),
        sa.Column("rebooked_from", sa.String(length=26), nullable=True),
        sa.Column("occasion", sa.String(length=80), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("events", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["customer_id"], ["customers.id"], name=op.f("fk_appointments_customer_id")),
        sa.ForeignKeyConstraint(["lane_id"], ["appointment_lanes.id"], name=op.f("fk_appointments_lane_id")),
        sa.ForeignKeyConstraint(["vehicle_id"], ["vehicles.id"], name=op.f("fk_appointments_vehicle_id")),
        sa.ForeignKeyConstraint(["visit_id"], ["service_visits.id"], name=op.f("fk_appointments_visit_id")),
        sa.ForeignKeyConstraint(["workshop_id"], ["workshops.id"], name=op.f("fk_appointments_workshop_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_appointments")),
        sa.UniqueConstraint("occasion", name=op.f("uq_appointments_occasion")),
    )
    with op.batch_alter_table("appointments", schema=None) as batch_op:
        batch_op.create_index("ix_appointments_contact_id", ["contact_id"], unique=False)
        batch_op.create_index(
            "ix_appointments_customer_id_starts_at", ["customer_id", "starts_at"], unique=False
        )
        batch_op.create_index("ix_appointments_rebooked_from", ["rebooked_from"], unique=False)
        batch_op.create_index("ix_appointments_state_starts_at", ["state", "starts_at", "id"], unique=False)
        batch_op.create_index(
            "ix_appointments_vehicle_id_starts_at", ["vehicle_id", "starts_at"], unique=False
        )
        batch_op.create_index("ix_appointments_visit_id", ["visit_id"], unique=False)
        batch_op.create_index(
            "ix_appointments_workshop_id_starts_at", ["workshop_id", "starts_at", "id"], unique=False
        )

    op.create_table(
        "appointment_events",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("appointment_id", sa.String(length=26), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("at", Utc(), nullable=False),
        sa.Column("step", sa.String(length=16), nullable=False),
        sa.Column("by_id", sa.String(length=26), nullable=True),
        sa.Column("by_name", sa.String(length=64), nullable=False),
        sa.Column("source", sa.String(length=16), nullable=False),
        sa.Column("from_state", sa.String(length=16), nullable=True),
        sa.Column("to_state", sa.String(length=16), nullable=False),
        sa.Column("words", sa.Text(), nullable=False),
        sa.Column("data", Json, nullable=False),
        sa.ForeignKeyConstraint(
            ["appointment_id"], ["appointments.id"], name=op.f("fk_appointment_events_appointment_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_appointment_events")),
        sa.UniqueConstraint("appointment_id", "seq", name=op.f("uq_appointment_events_appointment_id_seq")),
    )
    op.create_table(
        "appointment_list_rows",
        sa.Column("list_id", sa.String(length=26), nullable=False),
        sa.Column("appointment_id", sa.String(length=26), nullable=False),
        sa.Column("customer_id", sa.String(length=26), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("starts_at", Utc(), nullable=False),
        sa.Column("minutes", sa.Integer(), nullable=False),
        sa.Column("workshop", sa.String(length=64), nullable=False),
        sa.Column("advisor", sa.String(length=64), nullable=False),
        sa.Column("work", sa.String(length=16), nullable=False),
        sa.Column("plate", sa.String(length=16), nullable=False),
        sa.Column("model", sa.String(length=64), nullable=False),
        sa.Column("customer_name", sa.String(length=64), nullable=False),
        sa.Column("parts", sa.Text(), nullable=False),
        sa.Column("words", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["appointment_id"], ["appointments.id"], name=op.f("fk_appointment_list_rows_appointment_id")
        ),
        sa.ForeignKeyConstraint(
            ["customer_id"], ["customers.id"], name=op.f("fk_appointment_list_rows_customer_id")
        ),
        sa.ForeignKeyConstraint(
            ["list_id"], ["appointment_lists.id"], name=op.f("fk_appointment_list_rows_list_id")
        ),
        sa.PrimaryKeyConstraint("list_id", "appointment_id", name=op.f("pk_appointment_list_rows")),
    )
    with op.batch_alter_table("appointment_list_rows", schema=None) as batch_op:
        batch_op.create_index("ix_appointment_list_rows_appointment_id", ["appointment_id"], unique=False)
        batch_op.create_index(
            batch_op.f("ix_appointment_list_rows_customer_id"), ["customer_id"], unique=False
        )

    op.create_table(
        "appointment_notices",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("appointment_id", sa.String(length=26), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("due_at", Utc(), nullable=False),
        sa.Column("task_id", sa.String(length=26), nullable=True),
        sa.Column("told_at", Utc(), nullable=True),
        sa.Column("told_by_name", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(
            ["appointment_id"], ["appointments.id"], name=op.f("fk_appointment_notices_appointment_id")
        ),
        sa.ForeignKeyConstraint(["task_id"], ["tasks.id"], name=op.f("fk_appointment_notices_task_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_appointment_notices")),
        sa.UniqueConstraint(
            "appointment_id", "kind", "seq", name=op.f("uq_appointment_notices_appointment_id_kind_seq")
        ),
    )
    with op.batch_alter_table("appointment_notices", schema=None) as batch_op:
        batch_op.create_index("ix_appointment_notices_state_due_at", ["state", "due_at", "id"], unique=False)
        batch_op.create_index(batch_op.f("ix_appointment_notices_task_id"), ["task_id"], unique=False)

    op.create_table(
        "visit_credits",
        sa.Column("visit_id", sa.String(length=26), nullable=False),
        sa.Column("customer_id", sa.String(length=26), nullable=True),
        sa.Column("visited_on", sa.Date(), nullable=False),
        sa.Column("appointment_id", sa.String(length=26), nullable=True),
        sa.Column("contact_id", sa.String(length=26), nullable=True),
        sa.Column("campaign", sa.String(length=64), nullable=False),
        sa.Column("days", sa.Integer(), nullable=False),
        sa.Column("within", sa.Integer(), nullable=False),
        sa.Column("at", Utc(), nullable=False),
        sa.ForeignKeyConstraint(
            ["appointment_id"], ["appointments.id"], name=op.f("fk_visit_credits_appointment_id")
        ),
        sa.ForeignKeyConstraint(["customer_id"], ["customers.id"], name=op.f("fk_visit_credits_customer_id")),
        sa.ForeignKeyConstraint(["visit_id"], ["service_visits.id"], name=op.f("fk_visit_credits_visit_id")),
        sa.PrimaryKeyConstraint("visit_id", name=op.f("pk_visit_credits")),
    )
    with op.batch_alter_table("visit_credits", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_visit_credits_appointment_id"), ["appointment_id"], unique=False)
        batch_op.create_index(
            "ix_visit_credits_campaign_visited_on", ["campaign", "visited_on"], unique=False
        )
        batch_op.create_index(batch_op.f("ix_visit_credits_contact_id"), ["contact_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_visit_credits_customer_id"), ["customer_id"], unique=False)
