"""Maintenance plans and contacts that are due."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from storage.tables.base import Json, Utc

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Maintenance plans and contacts that are due."""
    op.create_table(
        "due_runs",
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("started_at", Utc(), nullable=False),
        sa.Column("finished_at", Utc(), nullable=True),
        sa.Column("part", sa.String(length=32), nullable=False),
        sa.Column("after", sa.String(length=64), nullable=False),
        sa.Column(
            "counts",
            Json,
            nullable=False,
        ),
        sa.Column("seconds", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("day", name=op.f("pk_due_runs")),
    )
    op.create_table(
        "forecast_cursors",
        sa.Column("name", sa.String(length=32), nullable=False),
        sa.Column("at", Utc(), nullable=False),
        sa.Column("last_id", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_forecast_cursors")),
    )
    op.create_table(
        "maintenance_plans",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("holds", sa.String(length=128), nullable=True),
        sa.Column("brand", sa.String(length=32), nullable=False),
        sa.Column("model", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("body", Json, nullable=False),
        sa.Column("saved_at", Utc(), nullable=False),
        sa.Column("saved_by", sa.String(length=26), nullable=True),
        sa.Column("saved_by_name", sa.String(length=64), nullable=False),
        sa.Column("retired_at", Utc(), nullable=True),
        sa.Column("begins_on", sa.Date(), nullable=True),
        sa.PrimaryKeyConstraint("id", "version", name=op.f("pk_maintenance_plans")),
        sa.UniqueConstraint("holds", name=op.f("uq_maintenance_plans_holds")),
    )
    op.create_table(
        "forecast_marks",
        sa.Column("vehicle_id", sa.String(length=26), nullable=False),
        sa.Column("at", Utc(), nullable=False),
        sa.ForeignKeyConstraint(["vehicle_id"], ["vehicles.id"], name=op.f("fk_forecast_marks_vehicle_id")),
        sa.PrimaryKeyConstraint("vehicle_id", name=op.f("pk_forecast_marks")),
    )
    with op.batch_alter_table("forecast_marks", schema=None) as batch_op:
        batch_op.create_index("ix_forecast_marks_at", ["at", "vehicle_id"], unique=False)

    op.create_table(
        "odometer_readings",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("vehicle_id", sa.String(length=26), nullable=False),
        sa.Column("read_on", sa.Date(), nullable=False),
        sa.Column("km", sa.Integer(), nullable=False),
        sa.Column("source", sa.String(length=16), nullable=False),
        sa.Column("call_id", sa.String(length=26), nullable=True),
        sa.Column("by_id", sa.String(length=26), nullable=True),
        sa.Column("by_name", sa.String(length=64), nullable=False),
        sa.Column("at", Utc(), nullable=False),
        sa.ForeignKeyConstraint(
            ["vehicle_id"], ["vehicles.id"], name=op.f("fk_odometer_readings_vehicle_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_odometer_readings")),
        sa.UniqueConstraint(
            "vehicle_id", "read_on", "source", name=op.f("uq_odometer_readings_vehicle_id_read_on_source")
        ),
    )
    with op.batch_alter_table("odometer_readings", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_odometer_readings_call_id"), ["call_id"], unique=False)

    op.create_table(
        "due_contacts",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("customer_id", sa.String(length=26), nullable=False),
        sa.Column("open_key", sa.String(length=26), nullable=True),
        sa.Column("task_id", sa.String(length=26), nullable=False),
        sa.Column("state", sa.String(length=8), nullable=False),
        sa.Column("owner_id", sa.String(length=26), nullable=True),
        sa.Column("department", sa.String(length=32), nullable=True),
        sa.Column("due_at", Utc(), nullable=False),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("last_try_at", Utc(), nullable=True),
        sa.Column("next_try_at", Utc(), nullable=True),
        sa.Column("held_by", sa.String(length=40), nullable=True),
        sa.Column("result", sa.String(length=16), nullable=True),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", Utc(), nullable=False),
        sa.Column("closed_at", Utc(), nullable=True),
        sa.Column("closed_by", sa.String(length=26), nullable=True),
        sa.Column("closed_by_name", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(["customer_id"], ["customers.id"], name=op.f("fk_due_contacts_customer_id")),
        sa.ForeignKeyConstraint(["owner_id"], ["users.id"], name=op.f("fk_due_contacts_owner_id")),
        sa.ForeignKeyConstraint(["task_id"], ["tasks.id"], name=op.f("fk_due_contacts_task_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_due_contacts")),
        sa.UniqueConstraint("open_key", name=op.f("uq_due_contacts_open_key")),
        sa.UniqueConstraint("task_id", name=op.f("uq_due_contacts_task_id")),
    )
    with op.batch_alter_table("due_contacts", schema=None) as batch_op:
        batch_op.create_index("ix_due_contacts_closed_at", ["closed_at", "id"], unique=False)
        batch_op.create_index(
            "ix_due_contacts_customer_id_created_at", ["customer_id", "created_at"], unique=False
        )
        batch_op.create_index(
            "ix_due_contacts_owner_id_state_due_at", ["owner_id", "state", "due_at", "id"], unique=False
        )
        batch_op.create_index("ix_due_contacts_state_due_at", ["state", "due_at", "id"], unique=False)

    op.create_table(
        "contact_events",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("contact_id", sa.String(length=26), nullable=False),
        sa.Column("at", Utc(), nullable=False),
        sa.Column("step", sa.String(length=24), nullable=False),
        sa.Column("by_id", sa.String(length=26), nullable=True),
        sa.Column("by_name", sa.String(length=64), nullable=False),
        sa.Column("data", Json, nullable=False),
        sa.ForeignKeyConstraint(
            ["contact_id"], ["due_contacts.id"], name=op.f("fk_contact_events_contact_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_contact_events")),
    )
    with op.batch_alter_table("contact_events", schema=None) as batch_op:
        batch_op.create_index("ix_contact_events_contact_id", ["contact_id", "id"], unique=False)

    op.create_table(
        "contact_reasons",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("contact_id", sa.String(length=26), nullable=False),
        sa.Column("customer_id", sa.String(length=26), nullable=False),
        sa.Column("vehicle_id", sa.String(length=26), nullable=True),
        sa.Column("kind", sa.String(length=24), nullable=False),
        sa.Column("occasion", sa.String(length=80), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("due_at", Utc(), nullable=False),
        sa.Column("expires_at", Utc(), nullable=True),
        sa.Column("priority", sa.Integer(), nullable=False),
        sa.Column("why", Json, nullable=False),
        sa.Column("questionnaire", sa.String(length=64), nullable=True),
        sa.Column("script", sa.String(length=64), nullable=True),
        sa.Column("plan_id", sa.String(length=26), nullable=True),
        sa.Column("created_at", Utc(), nullable=False),
        sa.Column("closed_at", Utc(), nullable=True),
        sa.Column(
            "closed_why",
            Json,
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["contact_id"], ["due_contacts.id"], name=op.f("fk_contact_reasons_contact_id")
        ),
        sa.ForeignKeyConstraint(
            ["customer_id"], ["customers.id"], name=op.f("fk_contact_reasons_customer_id")
        ),
        sa.ForeignKeyConstraint(["vehicle_id"], ["vehicles.id"], name=op.f("fk_contact_reasons_vehicle_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_contact_reasons")),
        sa.UniqueConstraint("occasion", name=op.f("uq_contact_reasons_occasion")),
    )
    with op.batch_alter_table("contact_reasons", schema=None) as batch_op:
        batch_op.create_index("ix_contact_reasons_contact_id", ["contact_id", "id"], unique=False)
        batch_op.create_index("ix_contact_reasons_customer_id", ["customer_id"], unique=False)
        batch_op.create_index(
            "ix_contact_reasons_kind_created_at", ["kind", "created_at", "id"], unique=False
        )
        batch_op.create_index(
            "ix_contact_reasons_plan_id_created_at", ["plan_id", "created_at"], unique=False
        )
        batch_op.create_index(
            "ix_contact_reasons_state_expires_at", ["state", "expires_at", "id"], unique=False
        )
        batch_op.create_index("ix_contact_reasons_vehicle_id_state", ["vehicle_id", "state"], unique=False)

    op.create_table(
        "contact_tries",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("contact_id", sa.String(length=26), nullable=False),
        sa.Column("at", Utc(), nullable=False),
        sa.Column("by_id", sa.String(length=26), nullable=True),
        sa.Column("by_name", sa.String(length=64), nullable=False),
        sa.Column("call_id", sa.String(length=26), nullable=True),
        sa.Column("result", sa.String(length=16), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["contact_id"], ["due_contacts.id"], name=op.f("fk_contact_tries_contact_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_contact_tries")),
        sa.UniqueConstraint("contact_id", "call_id", name=op.f("uq_contact_tries_contact_id_call_id")),
    )
    with op.batch_alter_table("contact_tries", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_contact_tries_call_id"), ["call_id"], unique=False)
        batch_op.create_index("ix_contact_tries_contact_id", ["contact_id", "id"], unique=False)
    op.create_index(
        "ix_vehicles_first_due",
        "vehicles",
        ["next_due_on", "id"],
        unique=False,
        sqlite_where=sa.text("substr(next_due_why, 1, 10) = 'plan first'"),
        postgresql_where=sa.text("substr(next_due_why, 1, 10) = 'plan first'"),
    )
