"""Consents, contact switches, do-not-call lists, wrong numbers."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from storage.tables.base import Utc

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Consents, contact switches, do-not-call lists, wrong numbers."""
    op.create_table(
        "consents",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("customer_id", sa.String(length=26), nullable=False),
        sa.Column("purpose", sa.String(length=16), nullable=False),
        sa.Column("channel", sa.String(length=16), nullable=False),
        sa.Column("source", sa.String(length=16), nullable=False),
        sa.Column("given_at", Utc(), nullable=False),
        sa.Column("until", Utc(), nullable=True),
        sa.Column("proof", sa.Text(), nullable=False),
        sa.Column("noted_at", Utc(), nullable=False),
        sa.Column("by_id", sa.String(length=26), nullable=True),
        sa.Column("by_name", sa.String(length=64), nullable=False),
        sa.Column("withdrawn_at", Utc(), nullable=True),
        sa.Column("withdrawn_why", sa.Text(), nullable=False),
        sa.Column("withdrawn_by_name", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(["customer_id"], ["customers.id"], name=op.f("fk_consents_customer_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_consents")),
    )
    with op.batch_alter_table("consents", schema=None) as batch_op:
        batch_op.create_index("ix_consents_customer_id", ["customer_id", "given_at"], unique=False)

    op.create_table(
        "contact_switches",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("customer_id", sa.String(length=26), nullable=False),
        sa.Column("vehicle_id", sa.String(length=26), nullable=True),
        sa.Column("purpose", sa.String(length=16), nullable=False),
        sa.Column("channel", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("off_at", Utc(), nullable=False),
        sa.Column("until", Utc(), nullable=True),
        sa.Column("by_id", sa.String(length=26), nullable=True),
        sa.Column("by_name", sa.String(length=64), nullable=False),
        sa.Column("on_at", Utc(), nullable=True),
        sa.Column("on_by_name", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(
            ["customer_id"], ["customers.id"], name=op.f("fk_contact_switches_customer_id")
        ),
        sa.ForeignKeyConstraint(["vehicle_id"], ["vehicles.id"], name=op.f("fk_contact_switches_vehicle_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_contact_switches")),
    )
    with op.batch_alter_table("contact_switches", schema=None) as batch_op:
        batch_op.create_index("ix_contact_switches_customer_id", ["customer_id", "off_at"], unique=False)

    op.create_table(
        "do_not_call_lists",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("everywhere", sa.Boolean(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("created_at", Utc(), nullable=False),
        sa.Column("by_name", sa.String(length=64), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("retired_at", Utc(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_do_not_call_lists")),
        sa.UniqueConstraint("name", name=op.f("uq_do_not_call_lists_name")),
    )
    op.create_table(
        "do_not_call_entries",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("list_id", sa.String(length=26), nullable=False),
        sa.Column("number", sa.String(length=20), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("at", Utc(), nullable=False),
        sa.Column("by_name", sa.String(length=64), nullable=False),
        sa.Column("removed_at", Utc(), nullable=True),
        sa.Column("removed_by_name", sa.String(length=64), nullable=False),
        sa.Column("holds", sa.String(length=64), nullable=True),
        sa.ForeignKeyConstraint(
            ["list_id"],
            ["do_not_call_lists.id"],
            name=op.f("fk_do_not_call_entries_list_id"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_do_not_call_entries")),
        sa.UniqueConstraint("holds", name=op.f("uq_do_not_call_entries_holds")),
    )
    with op.batch_alter_table("do_not_call_entries", schema=None) as batch_op:
        batch_op.create_index("ix_do_not_call_entries_number", ["number"], unique=False)
        batch_op.create_index("ix_do_not_call_entries_list_id_at", ["list_id", "at", "id"], unique=False)

    with op.batch_alter_table("contacts", schema=None) as batch_op:
        batch_op.add_column(sa.Column("wrong_since", Utc(), nullable=True))
