"""Script approvals."""

from __future__ import annotations

from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op

from access.ids import new_id
from storage.tables.base import Utc

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Script approvals."""
    op.create_table(
        "script_events",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("name", sa.String(length=32), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("at", Utc(), nullable=False),
        sa.Column("step", sa.String(length=16), nullable=False),
        sa.Column("by", sa.String(length=26), nullable=True),
        sa.Column("by_name", sa.String(length=64), nullable=False),
        sa.Column("why", sa.String(length=1000), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_script_events")),
    )
    with op.batch_alter_table("script_events", schema=None) as batch_op:
        batch_op.create_index("ix_script_events_name_version", ["name", "version", "id"], unique=False)

    with op.batch_alter_table("definitions", schema=None) as batch_op:
        batch_op.add_column(
            sa.Column("state", sa.String(length=16), server_default="approved", nullable=False)
        )
        batch_op.add_column(sa.Column("revision", sa.Integer(), server_default="1", nullable=False))
    _approve_what_is_read()


def _approve_what_is_read() -> None:
    """The newest version of each script was read to customers until now: it counts as approved."""
    connection = op.get_bind()
    definitions = sa.table(
        "definitions",
        sa.column("kind", sa.String),
        sa.column("name", sa.String),
        sa.column("version", sa.Integer),
        sa.column("retired", sa.Boolean),
        sa.column("at", Utc()),
        sa.column("by", sa.String),
        sa.column("by_name", sa.String),
        sa.column("why", sa.String),
        sa.column("state", sa.String),
    )
    events = sa.table(
        "script_events",
        *(sa.column(name, sa.String) for name in ("id", "name", "step", "by", "by_name", "why")),
        sa.column("version", sa.Integer),
        sa.column("at", Utc()),
    )
    rows = connection.execute(
        sa.select(definitions)
        .where(definitions.c.kind == "script")
        .order_by(definitions.c.name, definitions.c.version)
    ).mappings()
    found = list(rows)
    newest = {row["name"]: row["version"] for row in found}
    for row in found:
        in_force = newest[row["name"]] == row["version"] and not row["retired"]
        at: datetime = row["at"].astimezone(UTC)
        person = {"by": row["by"], "by_name": row["by_name"]}
        house = {"by": None, "by_name": "Careline"}
        past = [("write", person, row["why"]), ("approve", house, "")]
        if not in_force:
            ended = (
                ("retire", person, "") if newest[row["name"]] == row["version"] else ("replace", house, "")
            )
            past.append(ended)
            connection.execute(
                sa.update(definitions)
                .where(
                    definitions.c.kind == "script",
                    definitions.c.name == row["name"],
                    definitions.c.version == row["version"],
                )
                .values(state="retired", retired=True)
            )
        for step, who, why in past:
            connection.execute(
                sa.insert(events).values(
                    id=new_id(at),
                    name=row["name"],
                    version=row["version"],
                    at=at,
                    step=step,
                    why=why,
                    **who,
                )
            )
