"""Cases."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from storage.tables.base import Json, Utc

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Cases."""
    op.create_table(
        "cases",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("number", sa.String(length=40), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("grade", sa.String(length=16), nullable=False),
        sa.Column("source", sa.String(length=16), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("round", sa.Integer(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("events", sa.Integer(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("words", sa.Text(), nullable=False),
        sa.Column("summary", sa.Text(), nullable=False),
        sa.Column("happened", sa.Text(), nullable=False),
        sa.Column("place", sa.Text(), nullable=False),
        sa.Column("symptom", sa.Text(), nullable=False),
        sa.Column("wants", sa.Text(), nullable=False),
        sa.Column("occurred_at", Utc(), nullable=False),
        sa.Column("opened_at", Utc(), nullable=False),
        sa.Column("round_at", Utc(), nullable=False),
        sa.Column("opened_by", sa.String(length=26), nullable=True),
        sa.Column("opened_by_name", sa.String(length=64), nullable=False),
        sa.Column("customer_id", sa.String(length=26), nullable=True),
        sa.Column("vehicle_id", sa.String(length=26), nullable=True),
        sa.Column("mileage", sa.Integer(), nullable=True),
        sa.Column("phone", sa.String(length=20), nullable=True),
        sa.Column("caller_name", sa.String(length=64), nullable=False),
        sa.Column("call_id", sa.String(length=26), nullable=True),
        sa.Column("response_id", sa.String(length=26), nullable=True),
        sa.Column("occasion", sa.String(length=80), nullable=True),
        sa.Column("department", sa.String(length=32), nullable=True),
        sa.Column("handler_id", sa.String(length=26), nullable=True),
        sa.Column("departmental_person", sa.String(length=64), nullable=False),
        sa.Column("consultant", sa.String(length=64), nullable=False),
        sa.Column("advisor", sa.String(length=64), nullable=False),
        sa.Column("technician", sa.String(length=64), nullable=False),
        sa.Column("promised_at", Utc(), nullable=True),
        sa.Column("answer_due_at", Utc(), nullable=True),
        sa.Column("answered_at", Utc(), nullable=True),
        sa.Column("solve_due_at", Utc(), nullable=True),
        sa.Column("solved_at", Utc(), nullable=True),
        sa.Column("stage_due_at", Utc(), nullable=True),
        sa.Column("due_at", Utc(), nullable=True),
        sa.Column("due_what", sa.String(length=16), nullable=True),
        sa.Column("answer_late", sa.Boolean(), nullable=False),
        sa.Column("solution_late", sa.Boolean(), nullable=False),
        sa.Column("cause", sa.Text(), nullable=False),
        sa.Column("responsibility", sa.String(length=16), nullable=True),
        sa.Column("plan", sa.Text(), nullable=False),
        sa.Column("carry_out_on", sa.Date(), nullable=True),
        sa.Column("replied_at", Utc(), nullable=True),
        sa.Column("replied_by_name", sa.String(length=64), nullable=False),
        sa.Column("corrective_action", sa.Text(), nullable=False),
        sa.Column("corrective_owner", sa.String(length=64), nullable=False),
        sa.Column("corrective_on", sa.Date(), nullable=True),
        sa.Column("effect_on", sa.Date(), nullable=True),
        sa.Column("effect", sa.String(length=16), nullable=True),
        sa.Column("effect_words", sa.Text(), nullable=False),
        sa.Column("effect_at", Utc(), nullable=True),
        sa.Column("tell_tries", sa.Integer(), nullable=False),
        sa.Column("refusals", sa.Integer(), nullable=False),
        sa.Column("visit_tries", sa.Integer(), nullable=False),
        sa.Column("verdict", sa.String(length=16), nullable=True),
        sa.Column("visited_at", Utc(), nullable=True),
        sa.Column("withdrawn_at", Utc(), nullable=True),
        sa.Column("exception_by", sa.String(length=26), nullable=True),
        sa.Column("exception_by_name", sa.String(length=64), nullable=False),
        sa.Column("exception_at", Utc(), nullable=True),
        sa.Column("exception_reason", sa.Text(), nullable=False),
        sa.Column("ending", sa.String(length=16), nullable=True),
        sa.Column("closed_at", Utc(), nullable=True),
        sa.Column("closed_by_name", sa.String(length=64), nullable=False),
        sa.Column("closing_words", sa.Text(), nullable=False),
        sa.Column("repeat_of", sa.String(length=26), nullable=True),
        sa.Column("duplicate_of", sa.String(length=26), nullable=True),
        sa.Column("urges", sa.Integer(), nullable=False),
        sa.Column("urged_at", Utc(), nullable=True),
        sa.Column("look_at", Utc(), nullable=True),
        sa.ForeignKeyConstraint(["customer_id"], ["customers.id"], name=op.f("fk_cases_customer_id")),
        sa.ForeignKeyConstraint(["handler_id"], ["users.id"], name=op.f("fk_cases_handler_id")),
        sa.ForeignKeyConstraint(["vehicle_id"], ["vehicles.id"], name=op.f("fk_cases_vehicle_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_cases")),
        sa.UniqueConstraint("number", name=op.f("uq_cases_number")),
        sa.UniqueConstraint("occasion", name=op.f("uq_cases_occasion")),
    )
    with op.batch_alter_table("cases", schema=None) as batch_op:
        batch_op.create_index("ix_cases_call_id", ["call_id"], unique=False)
        batch_op.create_index("ix_cases_closed_at", ["closed_at", "id"], unique=False)
        batch_op.create_index("ix_cases_customer_id_opened_at", ["customer_id", "opened_at"], unique=False)
        batch_op.create_index("ix_cases_department_due_at", ["department", "due_at", "id"], unique=False)
        batch_op.create_index("ix_cases_due_at", ["due_at", "id"], unique=False)
        batch_op.create_index("ix_cases_handler_id_due_at", ["handler_id", "due_at", "id"], unique=False)
        batch_op.create_index("ix_cases_look_at", ["look_at", "id"], unique=False)
        batch_op.create_index("ix_cases_opened_at", ["opened_at", "id"], unique=False)
        batch_op.create_index("ix_cases_vehicle_id_opened_at", ["vehicle_id", "opened_at"], unique=False)
    op.create_table(
        "case_events",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("case_id", sa.String(length=26), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("at", Utc(), nullable=False),
        sa.Column("step", sa.String(length=16), nullable=False),
        sa.Column("by", sa.String(length=16), nullable=False),
        sa.Column("by_id", sa.String(length=26), nullable=True),
        sa.Column("by_name", sa.String(length=64), nullable=False),
        sa.Column("link_id", sa.String(length=26), nullable=True),
        sa.Column("from_state", sa.String(length=16), nullable=True),
        sa.Column("to_state", sa.String(length=16), nullable=False),
        sa.Column("round", sa.Integer(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("words", sa.Text(), nullable=False),
        sa.Column("data", Json, nullable=False),
        sa.Column("occasion", sa.String(length=80), nullable=True),
        sa.ForeignKeyConstraint(["case_id"], ["cases.id"], name=op.f("fk_case_events_case_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_case_events")),
        sa.UniqueConstraint("case_id", "occasion", name=op.f("uq_case_events_case_id_occasion")),
        sa.UniqueConstraint("case_id", "seq", name=op.f("uq_case_events_case_id_seq")),
    )
    with op.batch_alter_table("case_events", schema=None) as batch_op:
        batch_op.create_index("ix_case_events_at", ["at"], unique=False)
    op.create_table(
        "case_tasks",
        sa.Column("task_id", sa.String(length=26), nullable=False),
        sa.Column("case_id", sa.String(length=26), nullable=False),
        sa.Column("what", sa.String(length=80), nullable=False),
        sa.ForeignKeyConstraint(["case_id"], ["cases.id"], name=op.f("fk_case_tasks_case_id")),
        sa.ForeignKeyConstraint(["task_id"], ["tasks.id"], name=op.f("fk_case_tasks_task_id")),
        sa.PrimaryKeyConstraint("task_id", name=op.f("pk_case_tasks")),
    )
    with op.batch_alter_table("case_tasks", schema=None) as batch_op:
        batch_op.create_index("ix_case_tasks_case_id", ["case_id"], unique=False)
