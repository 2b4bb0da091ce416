"""Reports."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from storage.tables.base import Json, Utc

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Reports."""
    op.create_table(
        "maker_files",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("occasion", sa.String(length=120), nullable=False),
        sa.Column("made_at", Utc(), nullable=False),
        sa.Column("made_by", sa.String(length=26), nullable=True),
        sa.Column("made_by_name", sa.String(length=64), nullable=False),
        sa.Column("format", sa.String(length=8), nullable=False),
        sa.Column("rows", sa.Integer(), nullable=False),
        sa.Column("corrected", sa.Integer(), nullable=False),
        sa.Column("left_out", sa.Integer(), nullable=False),
        sa.Column("bytes", sa.Integer(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=True),
        sa.Column("removed_at", Utc(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_maker_files")),
        sa.UniqueConstraint("occasion", name=op.f("uq_maker_files_occasion")),
    )
    with op.batch_alter_table("maker_files", schema=None) as batch_op:
        batch_op.create_index("ix_maker_files_made_at", ["made_at", "id"], unique=False)

    op.create_table(
        "problem_lists",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("occasion", sa.String(length=120), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("department", sa.String(length=32), nullable=False),
        sa.Column("how", sa.String(length=16), nullable=False),
        sa.Column("recipient", sa.String(length=64), nullable=False),
        sa.Column("at", Utc(), nullable=False),
        sa.Column("by_id", sa.String(length=26), nullable=True),
        sa.Column("by_name", sa.String(length=64), nullable=False),
        sa.Column("read_at", Utc(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_problem_lists")),
        sa.UniqueConstraint("occasion", name=op.f("uq_problem_lists_occasion")),
    )
    with op.batch_alter_table("problem_lists", schema=None) as batch_op:
        batch_op.create_index("ix_problem_lists_day_department", ["day", "department", "id"], unique=False)

    op.create_table(
        "report_lists",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column(
            "entries",
            Json,
            nullable=False,
        ),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("updated_at", Utc(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_report_lists")),
        sa.UniqueConstraint("name", name=op.f("uq_report_lists_name")),
    )
    op.create_table(
        "reports",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("number", sa.String(length=32), nullable=False),
        sa.Column("occasion", sa.String(length=120), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("language", sa.String(length=8), nullable=False),
        sa.Column("title", sa.String(length=200), nullable=False),
        sa.Column("case_id", sa.String(length=26), nullable=True),
        sa.Column("first", sa.Date(), nullable=False),
        sa.Column("last", sa.Date(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column(
            "sections",
            Json,
            nullable=False,
        ),
        sa.Column(
            "figures",
            Json,
            nullable=False,
        ),
        sa.Column("figures_at", Utc(), nullable=False),
        sa.Column("drafted_at", Utc(), nullable=False),
        sa.Column("drafted_by", sa.String(length=26), nullable=True),
        sa.Column("drafted_by_name", sa.String(length=64), nullable=False),
        sa.Column("approved_at", Utc(), nullable=True),
        sa.Column("approved_by", sa.String(length=26), nullable=True),
        sa.Column("approved_by_name", sa.String(length=64), nullable=False),
        sa.Column("sent_at", Utc(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reports")),
        sa.UniqueConstraint("number", name=op.f("uq_reports_number")),
        sa.UniqueConstraint("occasion", name=op.f("uq_reports_occasion")),
    )
    with op.batch_alter_table("reports", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_reports_case_id"), ["case_id"], unique=False)
        batch_op.create_index("ix_reports_drafted_at", ["drafted_at", "id"], unique=False)
        batch_op.create_index("ix_reports_state_drafted_at", ["state", "drafted_at", "id"], unique=False)

    op.create_table(
        "maker_downloads",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("file_id", sa.String(length=26), nullable=False),
        sa.Column("at", Utc(), nullable=False),
        sa.Column("by_id", sa.String(length=26), nullable=True),
        sa.Column("by_name", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(["file_id"], ["maker_files.id"], name=op.f("fk_maker_downloads_file_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_maker_downloads")),
    )
    with op.batch_alter_table("maker_downloads", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_maker_downloads_file_id"), ["file_id"], unique=False)

    op.create_table(
        "problem_items",
        sa.Column("department", sa.String(length=32), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("item_id", sa.String(length=26), nullable=False),
        sa.Column("list_id", sa.String(length=26), nullable=False),
        sa.ForeignKeyConstraint(["list_id"], ["problem_lists.id"], name=op.f("fk_problem_items_list_id")),
        sa.PrimaryKeyConstraint("department", "kind", "item_id", name=op.f("pk_problem_items")),
    )
    with op.batch_alter_table("problem_items", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_problem_items_list_id"), ["list_id"], unique=False)

    op.create_table(
        "report_recipients",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("report_id", sa.String(length=26), nullable=False),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("how", sa.String(length=16), nullable=False),
        sa.Column("user_id", sa.String(length=26), nullable=True),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("sent_at", Utc(), nullable=True),
        sa.Column("sent_by", sa.String(length=26), nullable=True),
        sa.Column("read_at", Utc(), nullable=True),
        sa.ForeignKeyConstraint(["report_id"], ["reports.id"], name=op.f("fk_report_recipients_report_id")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_report_recipients_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_report_recipients")),
    )
    with op.batch_alter_table("report_recipients", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_report_recipients_report_id"), ["report_id"], unique=False)
        batch_op.create_index(
            "ix_report_recipients_user_id_sent_at", ["user_id", "sent_at", "id"], unique=False
        )

    op.create_table(
        "report_schedules",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("language", sa.String(length=8), nullable=False),
        sa.Column("cadence", sa.String(length=16), nullable=False),
        sa.Column("day", sa.Integer(), nullable=False),
        sa.Column("list_id", sa.String(length=26), nullable=True),
        sa.Column("is_on", sa.Boolean(), nullable=False),
        sa.Column("since", sa.Date(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["list_id"], ["report_lists.id"], name=op.f("fk_report_schedules_list_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_report_schedules")),
    )
    op.create_table(
        "report_steps",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("report_id", sa.String(length=26), nullable=False),
        sa.Column("at", Utc(), nullable=False),
        sa.Column("by_id", sa.String(length=26), nullable=True),
        sa.Column("by_name", sa.String(length=64), nullable=False),
        sa.Column("step", sa.String(length=16), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column(
            "content",
            Json,
            nullable=False,
        ),
        sa.ForeignKeyConstraint(["report_id"], ["reports.id"], name=op.f("fk_report_steps_report_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_report_steps")),
    )
    with op.batch_alter_table("report_steps", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_report_steps_report_id"), ["report_id"], unique=False)

    op.create_table(
        "work_reports",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("user_id", sa.String(length=26), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column(
            "figures",
            Json,
            nullable=False,
        ),
        sa.Column("problems", sa.Text(), nullable=False),
        sa.Column("plan", sa.Text(), nullable=False),
        sa.Column("comment", sa.Text(), nullable=False),
        sa.Column("due_at", Utc(), nullable=False),
        sa.Column("drafted_at", Utc(), nullable=False),
        sa.Column("handed_in_at", Utc(), nullable=True),
        sa.Column("late", sa.Boolean(), nullable=False),
        sa.Column("reviewed_at", Utc(), nullable=True),
        sa.Column("reviewed_by", sa.String(length=26), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_work_reports_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_work_reports")),
        sa.UniqueConstraint("user_id", "day", name=op.f("uq_work_reports_user_id_day")),
    )
    with op.batch_alter_table("work_reports", schema=None) as batch_op:
        batch_op.create_index("ix_work_reports_day_state", ["day", "state", "id"], unique=False)

    op.create_table(
        "maker_visits",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("occasion", sa.String(length=80), nullable=False),
        sa.Column("customer_id", sa.String(length=26), nullable=False),
        sa.Column("vehicle_id", sa.String(length=26), nullable=True),
        sa.Column("call_id", sa.String(length=26), nullable=True),
        sa.Column("agent_id", sa.String(length=26), nullable=True),
        sa.Column("result", sa.String(length=32), nullable=False),
        sa.Column("visited_at", Utc(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("exported_at", Utc(), nullable=True),
        sa.Column("exports", sa.Integer(), nullable=False),
        sa.Column("by_id", sa.String(length=26), nullable=True),
        sa.Column("by_at", Utc(), nullable=True),
        sa.Column("note", sa.String(length=200), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["customer_id"], ["customers.id"], name=op.f("fk_maker_visits_customer_id")),
        sa.ForeignKeyConstraint(["vehicle_id"], ["vehicles.id"], name=op.f("fk_maker_visits_vehicle_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_maker_visits")),
        sa.UniqueConstraint("occasion", name=op.f("uq_maker_visits_occasion")),
    )
    with op.batch_alter_table("maker_visits", schema=None) as batch_op:
        batch_op.create_index("ix_maker_visits_customer_id", ["customer_id"], unique=False)
        batch_op.create_index("ix_maker_visits_state_visited_at", ["state", "visited_at", "id"], unique=False)
        batch_op.create_index(batch_op.f("ix_maker_visits_vehicle_id"), ["vehicle_id"], unique=False)
        batch_op.create_index("ix_maker_visits_visited_at", ["visited_at", "id"], unique=False)

    op.create_table(
        "work_report_steps",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("work_report_id", sa.String(length=26), nullable=False),
        sa.Column("at", Utc(), nullable=False),
        sa.Column("by_id", sa.String(length=26), nullable=True),
        sa.Column("by_name", sa.String(length=64), nullable=False),
        sa.Column("step", sa.String(length=16), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column(
            "content",
            Json,
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["work_report_id"], ["work_reports.id"], name=op.f("fk_work_report_steps_work_report_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_work_report_steps")),
    )
    with op.batch_alter_table("work_report_steps", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_work_report_steps_work_report_id"), ["work_report_id"], unique=False
        )

    op.create_table(
        "maker_file_visits",
        sa.Column("file_id", sa.String(length=26), nullable=False),
        sa.Column("visit_id", sa.String(length=26), nullable=False),
        sa.Column("mark", sa.String(length=16), nullable=False),
        sa.ForeignKeyConstraint(["file_id"], ["maker_files.id"], name=op.f("fk_maker_file_visits_file_id")),
        sa.ForeignKeyConstraint(
            ["visit_id"], ["maker_visits.id"], name=op.f("fk_maker_file_visits_visit_id")
        ),
        sa.PrimaryKeyConstraint("file_id", "visit_id", name=op.f("pk_maker_file_visits")),
    )
    with op.batch_alter_table("maker_file_visits", schema=None) as batch_op:
        batch_op.create_index("ix_maker_file_visits_visit_id", ["visit_id"], unique=False)
