"""Agents of campaigns."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from storage.tables.base import Json, Utc

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Agents of campaigns."""
    op.create_table(
        "nodes",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("started_at", Utc(), nullable=False),
        sa.Column("beat_at", Utc(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_nodes")),
    )
    op.create_table(
        "campaign_rungs",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("campaign_id", sa.String(length=26), nullable=False),
        sa.Column("target_id", sa.String(length=26), nullable=False),
        sa.Column("customer_id", sa.String(length=26), nullable=False),
        sa.Column("rung", sa.String(length=8), nullable=False),
        sa.Column("state", sa.String(length=8), nullable=False),
        sa.Column("due_at", Utc(), nullable=False),
        sa.Column("created_at", Utc(), nullable=False),
        sa.Column("done_at", Utc(), nullable=True),
        sa.Column("by_name", sa.String(length=64), nullable=False),
        sa.Column("why", Json, nullable=False),
        sa.ForeignKeyConstraint(
            ["campaign_id"], ["campaigns.id"], name=op.f("fk_campaign_rungs_campaign_id")
        ),
        sa.ForeignKeyConstraint(
            ["customer_id"], ["customers.id"], name=op.f("fk_campaign_rungs_customer_id")
        ),
        sa.ForeignKeyConstraint(
            ["target_id"], ["campaign_targets.id"], name=op.f("fk_campaign_rungs_target_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_campaign_rungs")),
        sa.UniqueConstraint("target_id", "rung", name=op.f("uq_campaign_rungs_target_id_rung")),
    )
    with op.batch_alter_table("campaign_rungs", schema=None) as batch_op:
        batch_op.create_index("ix_campaign_rungs_campaign_id", ["campaign_id"], unique=False)
        batch_op.create_index("ix_campaign_rungs_customer_id", ["customer_id"], unique=False)
        batch_op.create_index(
            "ix_campaign_rungs_state_rung_due_at", ["state", "rung", "due_at"], unique=False
        )

    with op.batch_alter_table("agents", schema=None) as batch_op:
        batch_op.add_column(sa.Column("reserved_for", sa.String(length=26), nullable=True))

    with op.batch_alter_table("campaign_targets", schema=None) as batch_op:
        batch_op.add_column(sa.Column("held_by", sa.String(length=26), nullable=True))
        batch_op.add_column(sa.Column("held_until", Utc(), nullable=True))
        batch_op.add_column(sa.Column("callback_note", sa.String(length=200), nullable=True))
        batch_op.create_index("ix_campaign_targets_callback_of", ["callback_of", "due_at"], unique=False)
        batch_op.create_index("ix_campaign_targets_held_by", ["held_by"], unique=False)

    with op.batch_alter_table("dial_attempts", schema=None, recreate="never") as batch_op:
        batch_op.add_column(sa.Column("agent_first", sa.Boolean(), server_default=sa.false(), nullable=False))
