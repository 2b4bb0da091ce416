"""What the desk needs."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from storage.tables.base import Json, Utc

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """What the desk needs."""
    op.create_table(
        "articles",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("language", sa.String(length=8), nullable=False),
        sa.Column("title", sa.String(length=120), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("tags", Json, nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("valid_until", sa.Date(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", Utc(), nullable=False),
        sa.Column("updated_at", Utc(), nullable=False),
        sa.Column("updated_by", sa.String(length=26), nullable=True),
        sa.Column("updated_by_name", sa.String(length=64), nullable=False),
        sa.Column("approved_at", Utc(), nullable=True),
        sa.Column("approved_by", sa.String(length=26), nullable=True),
        sa.Column("approved_by_name", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_articles")),
    )
    with op.batch_alter_table("articles", schema=None) as batch_op:
        batch_op.create_index("ix_articles_updated_at", ["updated_at", "id"], unique=False)

    op.create_table(
        "bulletins",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("words", Json, nullable=False),
        sa.Column("begins_at", Utc(), nullable=False),
        sa.Column("ends_at", Utc(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("words_version", sa.Integer(), nullable=False),
        sa.Column("created_at", Utc(), nullable=False),
        sa.Column("written_by", sa.String(length=26), nullable=True),
        sa.Column("written_by_name", sa.String(length=64), nullable=False),
        sa.Column("changed_at", Utc(), nullable=False),
        sa.Column("changed_by_name", sa.String(length=64), nullable=False),
        sa.Column("withdrawn_at", Utc(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_bulletins")),
    )
    with op.batch_alter_table("bulletins", schema=None) as batch_op:
        batch_op.create_index("ix_bulletins_ends_at", ["ends_at", "id"], unique=False)

    op.create_table(
        "definitions",
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("name", sa.String(length=32), nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("body", Json, nullable=False),
        sa.Column("retired", sa.Boolean(), nullable=False),
        sa.Column("at", Utc(), nullable=False),
        sa.Column("by", sa.String(length=26), nullable=True),
        sa.Column("by_name", sa.String(length=64), nullable=False),
        sa.Column("why", sa.String(length=200), nullable=False),
        sa.PrimaryKeyConstraint("kind", "name", "version", name=op.f("pk_definitions")),
    )
    op.create_table(
        "duplicate_marks",
        sa.Column("customer_id", sa.String(length=26), nullable=False),
        sa.PrimaryKeyConstraint("customer_id", name=op.f("pk_duplicate_marks")),
    )
    op.create_table(
        "erased_files",
        sa.Column("folder", sa.String(length=16), nullable=False),
        sa.Column("file", sa.String(length=128), nullable=False),
        sa.Column("at", Utc(), nullable=False),
        sa.Column("why", sa.Text(), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("folder", "file", name=op.f("pk_erased_files")),
    )
    op.create_table(
        "erasures",
        sa.Column("customer_id", sa.String(length=26), nullable=False),
        sa.Column("at", Utc(), nullable=False),
        sa.Column("pseudonym", sa.String(length=20), nullable=False),
        sa.Column("request_id", sa.String(length=26), nullable=True),
        sa.Column("counts", Json, nullable=False),
        sa.PrimaryKeyConstraint("customer_id", name=op.f("pk_erasures")),
    )
    op.create_table(
        "fields",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("subject", sa.String(length=16), nullable=False),
        sa.Column("key", sa.String(length=32), nullable=False),
        sa.Column("label_zh", sa.String(length=64), nullable=False),
        sa.Column("label_en", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("choices", Json, nullable=False),
        sa.Column("required", sa.Boolean(), nullable=False),
        sa.Column("hidden_from", Json, nullable=False),
        sa.Column("locked_for", Json, nullable=False),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.Column("retired_at", Utc(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_fields")),
        sa.UniqueConstraint("subject", "key", name=op.f("uq_fields_subject_key")),
    )
    op.create_table(
        "fillings",
        sa.Column("what", sa.String(length=8), nullable=False),
        sa.Column("after", sa.String(length=128), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("what", name=op.f("pk_fillings")),
    )
    op.create_table(
        "happenings",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("event", sa.String(length=40), nullable=False),
        sa.Column("subject", sa.String(length=96), nullable=False),
        sa.Column("at", Utc(), nullable=False),
        sa.Column("data", Json, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_happenings")),
    )
    with op.batch_alter_table("happenings", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_happenings_at"), ["at"], unique=False)
        batch_op.create_index(batch_op.f("ix_happenings_subject"), ["subject"], unique=False)

    op.create_table(
        "holds",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("customer_id", sa.String(length=26), nullable=False),
        sa.Column("reason", sa.String(length=500), nullable=False),
        sa.Column("placed_by", sa.String(length=64), nullable=False),
        sa.Column("placed_at", Utc(), nullable=False),
        sa.Column("released_by", sa.String(length=64), server_default="", nullable=False),
        sa.Column("released_at", Utc(), nullable=True),
        sa.Column("release_reason", sa.String(length=500), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_holds")),
    )
    with op.batch_alter_table("holds", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_holds_customer_id"), ["customer_id"], unique=False)

    op.create_table(
        "hooks",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("url", sa.String(length=500), nullable=False),
        sa.Column("events", Json, nullable=False),
        sa.Column("language", sa.String(length=8), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("secret", sa.String(length=80), nullable=False),
        sa.Column("old_secret", sa.String(length=80), nullable=True),
        sa.Column("old_until", Utc(), nullable=True),
        sa.Column("owner", sa.String(length=40), nullable=False),
        sa.Column("owner_name", sa.String(length=64), nullable=False),
        sa.Column("created_at", Utc(), nullable=False),
        sa.Column("changed_at", Utc(), nullable=False),
        sa.Column("failures", sa.Integer(), server_default="0", nullable=False),
        sa.Column("failing_since", Utc(), nullable=True),
        sa.Column("paused_until", Utc(), nullable=True),
        sa.Column("disabled_at", Utc(), nullable=True),
        sa.Column("disabled_why", sa.String(length=24), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_hooks")),
    )
    op.create_table(
        "import_columns",
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("source", sa.String(length=64), nullable=False),
        sa.Column("columns", Json, nullable=False),
        sa.Column("fixed", Json, nullable=False),
        sa.Column("at", Utc(), nullable=False),
        sa.Column("by_name", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("kind", "source", name=op.f("pk_import_columns")),
    )
    op.create_table(
        "record_changes",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("at", Utc(), nullable=False),
        sa.Column("subject", sa.String(length=40), nullable=False),
        sa.Column("by_id", sa.String(length=26), nullable=True),
        sa.Column("by_name", sa.String(length=64), nullable=False),
        sa.Column("field", sa.String(length=64), nullable=False),
        sa.Column("old", sa.Text(), nullable=False),
        sa.Column("new", sa.Text(), nullable=False),
        sa.Column("why", sa.String(length=200), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_record_changes")),
    )
    with op.batch_alter_table("record_changes", schema=None) as batch_op:
        batch_op.create_index("ix_record_changes_subject_at", ["subject", "at", "id"], unique=False)

    op.create_table(
        "record_settings",
        sa.Column("name", sa.String(length=32), nullable=False),
        sa.Column("value", Json, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("updated_at", Utc(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_record_settings")),
    )
    op.create_table(
        "recording_marks",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("recording_id", sa.String(length=32), nullable=False),
        sa.Column("at", Utc(), nullable=False),
        sa.Column("by", sa.String(length=26), nullable=False),
        sa.Column("by_name", sa.String(length=64), nullable=False),
        sa.Column("offset", sa.Float(), nullable=False),
        sa.Column("note", sa.String(length=200), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_recording_marks")),
    )
    with op.batch_alter_table("recording_marks", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_recording_marks_recording_id"), ["recording_id"], unique=False)

    op.create_table(
        "retention_runs",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("at", Utc(), nullable=False),
        sa.Column("kind", sa.String(length=24), nullable=False),
        sa.Column("before", Utc(), nullable=False),
        sa.Column("deleted", sa.Integer(), nullable=False),
        sa.Column("held", sa.Integer(), nullable=False),
        sa.Column("remaining", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_retention_runs")),
    )
    op.create_table(
        "search_terms",
        sa.Column(
            "term",
            sa.String(length=128).with_variant(sa.String(length=128, collation="C"), "postgresql"),
            nullable=False,
        ),
        sa.Column("kind", sa.String(length=8), nullable=False),
        sa.Column(
            "key",
            sa.String(length=128).with_variant(sa.String(length=128, collation="C"), "postgresql"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("term", "kind", "key", name=op.f("pk_search_terms")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "suppressions",
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("purpose", sa.String(length=16), nullable=False),
        sa.Column("channel", sa.String(length=16), nullable=False),
        sa.Column("source", sa.String(length=16), nullable=False),
        sa.Column("at", Utc(), nullable=False),
        sa.PrimaryKeyConstraint("hash", "purpose", "channel", name=op.f("pk_suppressions")),
    )
    op.create_table(
        "unfiled_calls",
        sa.Column("call_id", sa.String(length=26), nullable=False),
        sa.Column("agent_id", sa.String(length=26), nullable=False),
        sa.Column("ended_at", Utc(), nullable=False),
        sa.PrimaryKeyConstraint("call_id", name=op.f("pk_unfiled_calls")),
    )
    with op.batch_alter_table("unfiled_calls", schema=None) as batch_op:
        batch_op.create_index("ix_unfiled_calls_agent_id_ended_at", ["agent_id", "ended_at"], unique=False)
        batch_op.create_index("ix_unfiled_calls_ended_at", ["ended_at", "call_id"], unique=False)

    op.create_table(
        "approvals",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("customer_id", sa.String(length=26), nullable=False),
        sa.Column("asked_by", sa.String(length=26), nullable=False),
        sa.Column("asked_at", Utc(), nullable=False),
        sa.Column("reason", sa.String(length=500), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("decided_by", sa.String(length=26), nullable=True),
        sa.Column("decided_at", Utc(), nullable=True),
        sa.Column("note", sa.String(length=500), nullable=False),
        sa.Column("until", Utc(), nullable=True),
        sa.Column("call_id", sa.String(length=26), nullable=True),
        sa.Column("reviewed_by", sa.String(length=26), nullable=True),
        sa.Column("reviewed_at", Utc(), nullable=True),
        sa.ForeignKeyConstraint(["asked_by"], ["users.id"], name=op.f("fk_approvals_asked_by")),
        sa.ForeignKeyConstraint(["decided_by"], ["users.id"], name=op.f("fk_approvals_decided_by")),
        sa.ForeignKeyConstraint(["reviewed_by"], ["users.id"], name=op.f("fk_approvals_reviewed_by")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_approvals")),
    )
    with op.batch_alter_table("approvals", schema=None) as batch_op:
        batch_op.create_index(
            "ix_approvals_asked_by_customer_id", ["asked_by", "customer_id", "state"], unique=False
        )
        batch_op.create_index("ix_approvals_customer_id", ["customer_id"], unique=False)
        batch_op.create_index("ix_approvals_state_id", ["state", "id"], unique=False)

    op.create_table(
        "article_versions",
        sa.Column("article_id", sa.String(length=26), nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("at", Utc(), nullable=False),
        sa.Column("by", sa.String(length=26), nullable=True),
        sa.Column("by_name", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("title", sa.String(length=120), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("tags", Json, nullable=False),
        sa.Column("valid_until", sa.Date(), nullable=True),
        sa.ForeignKeyConstraint(["article_id"], ["articles.id"], name=op.f("fk_article_versions_article_id")),
        sa.PrimaryKeyConstraint("article_id", "version", name=op.f("pk_article_versions")),
    )
    op.create_table(
        "article_words",
        sa.Column(
            "word",
            sa.String(length=24).with_variant(sa.String(length=24, collation="C"), "postgresql"),
            nullable=False,
        ),
        sa.Column("article_id", sa.String(length=26), nullable=False),
        sa.Column("weight", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["article_id"], ["articles.id"], name=op.f("fk_article_words_article_id")),
        sa.PrimaryKeyConstraint("word", "article_id", name=op.f("pk_article_words")),
    )
    with op.batch_alter_table("article_words", schema=None) as batch_op:
        batch_op.create_index("ix_article_words_article_id", ["article_id"], unique=False)

    op.create_table(
        "bulletin_reads",
        sa.Column("bulletin_id", sa.String(length=26), nullable=False),
        sa.Column("user_id", sa.String(length=26), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("at", Utc(), nullable=False),
        sa.ForeignKeyConstraint(
            ["bulletin_id"], ["bulletins.id"], name=op.f("fk_bulletin_reads_bulletin_id")
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_bulletin_reads_user_id")),
        sa.PrimaryKeyConstraint("bulletin_id", "user_id", name=op.f("pk_bulletin_reads")),
    )
    op.create_table(
        "circulation",
        sa.Column("customer_id", sa.String(length=26), nullable=False),
        sa.Column("user_id", sa.String(length=26), nullable=False),
        sa.Column("added_by", sa.String(length=64), nullable=False),
        sa.Column("added_at", Utc(), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_circulation_user_id")),
        sa.PrimaryKeyConstraint("customer_id", "user_id", name=op.f("pk_circulation")),
    )
    op.create_table(
        "deliveries",
        sa.Column(
            "number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False
        ),
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("hook_id", sa.String(length=26), nullable=False),
        sa.Column("happening_id", sa.String(length=26), nullable=False),
        sa.Column("event", sa.String(length=40), nullable=False),
        sa.Column("subject", sa.String(length=96), nullable=False),
        sa.Column("at", Utc(), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("tries", sa.Integer(), server_default="0", nullable=False),
        sa.Column("since", Utc(), nullable=False),
        sa.Column("next_at", Utc(), nullable=False),
        sa.Column("claimed_by", sa.String(length=40), nullable=True),
        sa.Column("claimed_until", Utc(), nullable=True),
        sa.Column("claim", sa.Integer(), server_default="0", nullable=False),
        sa.Column("done_at", Utc(), nullable=True),
        sa.Column("last_status", sa.Integer(), nullable=True),
        sa.Column("last_error", sa.String(length=64), server_default="", nullable=False),
        sa.ForeignKeyConstraint(["happening_id"], ["happenings.id"], name=op.f("fk_deliveries_happening_id")),
        sa.ForeignKeyConstraint(["hook_id"], ["hooks.id"], name=op.f("fk_deliveries_hook_id")),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_deliveries")),
        sa.UniqueConstraint("id", name=op.f("uq_deliveries_id")),
    )
    with op.batch_alter_table("deliveries", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_deliveries_at"), ["at"], unique=False)
        batch_op.create_index(
            "ix_deliveries_claimed",
            ["claimed_until"],
            unique=False,
            sqlite_where=sa.text("claimed_by IS NOT NULL"),
            postgresql_where=sa.text("claimed_by IS NOT NULL"),
        )
        batch_op.create_index(
            "ix_deliveries_due",
            ["hook_id", "next_at", "number"],
            unique=False,
            sqlite_where=sa.text("state = 'waiting'"),
            postgresql_where=sa.text("state = 'waiting'"),
        )
        batch_op.create_index(batch_op.f("ix_deliveries_happening_id"), ["happening_id"], unique=False)
        batch_op.create_index("ix_deliveries_hook_id_number", ["hook_id", "number"], unique=False)
        batch_op.create_index(
            "ix_deliveries_in_turn",
            ["hook_id", "subject", "number"],
            unique=False,
            sqlite_where=sa.text("state = 'waiting'"),
            postgresql_where=sa.text("state = 'waiting'"),
        )

    op.create_table(
        "department_users",
        sa.Column("user_id", sa.String(length=26), nullable=False),
        sa.Column("department", sa.String(length=32), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_department_users_user_id")),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_department_users")),
    )
    with op.batch_alter_table("department_users", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_department_users_department"), ["department"], unique=False)

    op.create_table(
        "export_jobs",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("format", sa.String(length=8), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("wanted", Json, nullable=False),
        sa.Column("created_at", Utc(), nullable=False),
        sa.Column("by_id", sa.String(length=26), nullable=True),
        sa.Column("by_name", sa.String(length=64), nullable=False),
        sa.Column("owner", sa.String(length=64), nullable=False),
        sa.Column("rows", sa.Integer(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("cut", sa.Boolean(), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("ended_at", Utc(), nullable=True),
        sa.Column("removed_at", Utc(), nullable=True),
        sa.ForeignKeyConstraint(["by_id"], ["users.id"], name=op.f("fk_export_jobs_by_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_export_jobs")),
    )
    with op.batch_alter_table("export_jobs", schema=None) as batch_op:
        batch_op.create_index("ix_export_jobs_owner_created_at", ["owner", "created_at"], unique=False)

    op.create_table(
        "field_values",
        sa.Column("owner_id", sa.String(length=26), nullable=False),
        sa.Column("field_id", sa.String(length=26), nullable=False),
        sa.Column(
            "value",
            sa.String(length=500).with_variant(sa.String(length=500, collation="C"), "postgresql"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(["field_id"], ["fields.id"], name=op.f("fk_field_values_field_id")),
        sa.PrimaryKeyConstraint("owner_id", "field_id", name=op.f("pk_field_values")),
        sqlite_with_rowid=False,
    )
    with op.batch_alter_table("field_values", schema=None) as batch_op:
        batch_op.create_index(
            "ix_field_values_field_id_value", ["field_id", "value", "owner_id"], unique=False
        )

    op.create_table(
        "groups",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("name_key", sa.String(length=64), nullable=True),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("note", sa.String(length=500), nullable=False),
        sa.Column("query", Json, nullable=True),
        sa.Column("query_version", sa.Integer(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_by", sa.String(length=26), nullable=True),
        sa.Column("created_at", Utc(), nullable=False),
        sa.Column("updated_at", Utc(), nullable=False),
        sa.Column("archived_at", Utc(), nullable=True),
        sa.Column("counted", sa.Integer(), nullable=True),
        sa.Column("counted_at", Utc(), nullable=True),
        sa.Column("made_of_import", sa.String(length=26), nullable=True),
        sa.Column("filling_place", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["created_by"], ["users.id"], name=op.f("fk_groups_created_by")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_groups")),
        sa.UniqueConstraint("name_key", name=op.f("uq_groups_name_key")),
    )
    op.create_table(
        "import_jobs",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("source", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("worker", sa.String(length=32), nullable=False),
        sa.Column("file_name", sa.String(length=200), nullable=False),
        sa.Column("file_bytes", sa.BigInteger(), nullable=False),
        sa.Column("created_at", Utc(), nullable=False),
        sa.Column("by_id", sa.String(length=26), nullable=True),
        sa.Column("by_name", sa.String(length=64), nullable=False),
        sa.Column("found", Json, nullable=False),
        sa.Column("choice", Json, nullable=False),
        sa.Column("total", sa.Integer(), nullable=False),
        sa.Column("done", sa.Integer(), nullable=False),
        sa.Column("added", sa.Integer(), nullable=False),
        sa.Column("changed", sa.Integer(), nullable=False),
        sa.Column("unchanged", sa.Integer(), nullable=False),
        sa.Column("refused", sa.Integer(), nullable=False),
        sa.Column("place", sa.BigInteger(), nullable=False),
        sa.Column("examples", Json, nullable=False),
        sa.Column("stop_wanted", sa.Boolean(), nullable=False),
        sa.Column("error_id", sa.String(length=40), nullable=False),
        sa.Column("error_values", Json, nullable=False),
        sa.Column("started_at", Utc(), nullable=True),
        sa.Column("ended_at", Utc(), nullable=True),
        sa.Column("cleared_at", Utc(), nullable=True),
        sa.ForeignKeyConstraint(["by_id"], ["users.id"], name=op.f("fk_import_jobs_by_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_import_jobs")),
    )
    with op.batch_alter_table("import_jobs", schema=None) as batch_op:
        batch_op.create_index("ix_import_jobs_created_at_id", ["created_at", "id"], unique=False)

    op.create_table(
        "privacy_requests",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("customer_id", sa.String(length=26), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("asked_by", sa.String(length=26), nullable=False),
        sa.Column("asked_at", Utc(), nullable=False),
        sa.Column("identity", sa.String(length=200), nullable=False),
        sa.Column("reason", sa.String(length=500), nullable=False),
        sa.Column("due_at", Utc(), nullable=False),
        sa.Column("decided_by", sa.String(length=26), nullable=True),
        sa.Column("decided_at", Utc(), nullable=True),
        sa.Column("note", sa.String(length=500), nullable=False),
        sa.Column("done_at", Utc(), nullable=True),
        sa.Column("result", Json, nullable=False),
        sa.ForeignKeyConstraint(["asked_by"], ["users.id"], name=op.f("fk_privacy_requests_asked_by")),
        sa.ForeignKeyConstraint(["decided_by"], ["users.id"], name=op.f("fk_privacy_requests_decided_by")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_privacy_requests")),
    )
    with op.batch_alter_table("privacy_requests", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_privacy_requests_customer_id"), ["customer_id"], unique=False)
        batch_op.create_index("ix_privacy_requests_state_id", ["state", "id"], unique=False)

    op.create_table(
        "recovery_codes",
        sa.Column("user_id", sa.String(length=26), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("used_at", Utc(), nullable=True),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_recovery_codes_user_id")),
        sa.PrimaryKeyConstraint("user_id", "hash", name=op.f("pk_recovery_codes")),
    )
    op.create_table(
        "registration_drafts",
        sa.Column("call_id", sa.String(length=26), nullable=False),
        sa.Column("user_id", sa.String(length=26), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("saved_at", Utc(), nullable=False),
        sa.Column("body", Json, nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_registration_drafts_user_id")),
        sa.PrimaryKeyConstraint("call_id", "user_id", name=op.f("pk_registration_drafts")),
    )
    with op.batch_alter_table("registration_drafts", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_registration_drafts_saved_at"), ["saved_at"], unique=False)

    op.create_table(
        "registrations",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("call_id", sa.String(length=26), nullable=False),
        sa.Column("agent_id", sa.String(length=26), nullable=True),
        sa.Column("customer_id", sa.String(length=26), nullable=True),
        sa.Column("direction", sa.String(length=16), nullable=False),
        sa.Column("call_type", sa.String(length=32), nullable=False),
        sa.Column("reason", sa.String(length=32), nullable=False),
        sa.Column("disposition", sa.String(length=32), nullable=False),
        sa.Column("human", sa.Boolean(), nullable=False),
        sa.Column("contact", sa.Boolean(), nullable=False),
        sa.Column("success", sa.Boolean(), nullable=False),
        sa.Column("final", sa.Boolean(), nullable=False),
        sa.Column("do_not_call", sa.Boolean(), nullable=False),
        sa.Column("callback", sa.Boolean(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("filed_at", Utc(), nullable=False),
        sa.Column("filed_by", sa.String(length=26), nullable=False),
        sa.Column("changed_at", Utc(), nullable=False),
        sa.ForeignKeyConstraint(["filed_by"], ["users.id"], name=op.f("fk_registrations_filed_by")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_registrations")),
        sa.UniqueConstraint("call_id", name=op.f("uq_registrations_call_id")),
    )
    with op.batch_alter_table("registrations", schema=None) as batch_op:
        batch_op.create_index("ix_registrations_agent_id_filed_at", ["agent_id", "filed_at"], unique=False)
        batch_op.create_index(
            "ix_registrations_customer_id_filed_at", ["customer_id", "filed_at"], unique=False
        )
        batch_op.create_index(
            "ix_registrations_disposition_filed_at", ["disposition", "filed_at"], unique=False
        )
        batch_op.create_index("ix_registrations_filed_at", ["filed_at", "id"], unique=False)

    op.create_table(
        "second_factors",
        sa.Column("user_id", sa.String(length=26), nullable=False),
        sa.Column("seed", sa.String(length=64), nullable=False),
        sa.Column("created_at", Utc(), nullable=False),
        sa.Column("confirmed_at", Utc(), nullable=True),
        sa.Column("last_step", sa.Integer(), server_default="0", nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_second_factors_user_id")),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_second_factors")),
    )
    op.create_table(
        "corrections",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("customer_id", sa.String(length=26), nullable=False),
        sa.Column("vehicle_id", sa.String(length=26), nullable=True),
        sa.Column("call_id", sa.String(length=26), nullable=True),
        sa.Column("department", sa.String(length=32), nullable=False),
        sa.Column("field", sa.String(length=64), nullable=False),
        sa.Column("wrong_value", sa.String(length=200), nullable=False),
        sa.Column("said", sa.Text(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("result", sa.String(length=16), nullable=False),
        sa.Column("answer", sa.String(length=200), nullable=False),
        sa.Column("answer_note", sa.Text(), nullable=False),
        sa.Column("applied", sa.Boolean(), nullable=False),
        sa.Column("created_at", Utc(), nullable=False),
        sa.Column("created_by", sa.String(length=26), nullable=True),
        sa.Column("due_at", Utc(), nullable=False),
        sa.Column("answered_at", Utc(), nullable=True),
        sa.Column("answered_by", sa.String(length=26), nullable=True),
        sa.Column("checked_at", Utc(), nullable=True),
        sa.Column("checked_by", sa.String(length=26), nullable=True),
        sa.Column("closed_at", Utc(), nullable=True),
        sa.Column("rounds", sa.Integer(), nullable=False),
        sa.Column("reminders", sa.Integer(), nullable=False),
        sa.Column("reminded_at", Utc(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["customer_id"], ["customers.id"], name=op.f("fk_corrections_customer_id")),
        sa.ForeignKeyConstraint(["vehicle_id"], ["vehicles.id"], name=op.f("fk_corrections_vehicle_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_corrections")),
    )
    with op.batch_alter_table("corrections", schema=None) as batch_op:
        batch_op.create_index("ix_corrections_created_at", ["created_at", "id"], unique=False)
        batch_op.create_index(
            "ix_corrections_department_state_created_at",
            ["department", "state", "created_at", "id"],
            unique=False,
        )
        batch_op.create_index("ix_corrections_state_created_at", ["state", "created_at", "id"], unique=False)
        batch_op.create_index(batch_op.f("ix_corrections_customer_id"), ["customer_id"], unique=False)
        batch_op.create_index(
            "ix_corrections_department_state_due_at", ["department", "state", "due_at", "id"], unique=False
        )
        batch_op.create_index("ix_corrections_state_due_at", ["state", "due_at", "id"], unique=False)
        batch_op.create_index(batch_op.f("ix_corrections_vehicle_id"), ["vehicle_id"], unique=False)

    op.create_table(
        "delivery_tries",
        sa.Column("delivery_number", sa.BigInteger(), nullable=False),
        sa.Column("try", sa.Integer(), nullable=False),
        sa.Column("at", Utc(), nullable=False),
        sa.Column("milliseconds", sa.Integer(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("error", sa.String(length=64), server_default="", nullable=False),
        sa.ForeignKeyConstraint(
            ["delivery_number"],
            ["deliveries.number"],
            name=op.f("fk_delivery_tries_delivery_number"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("delivery_number", "try", name=op.f("pk_delivery_tries")),
    )
    op.create_table(
        "duplicate_pairs",
        sa.Column("one_id", sa.String(length=26), nullable=False),
        sa.Column("other_id", sa.String(length=26), nullable=False),
        sa.Column("score", sa.Integer(), nullable=False),
        sa.Column("reasons", Json, nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("found_at", Utc(), nullable=False),
        sa.Column("decided_at", Utc(), nullable=True),
        sa.Column("decided_by", sa.String(length=64), server_default="", nullable=False),
        sa.ForeignKeyConstraint(["one_id"], ["customers.id"], name=op.f("fk_duplicate_pairs_one_id")),
        sa.ForeignKeyConstraint(["other_id"], ["customers.id"], name=op.f("fk_duplicate_pairs_other_id")),
        sa.PrimaryKeyConstraint("one_id", "other_id", name=op.f("pk_duplicate_pairs")),
    )
    with op.batch_alter_table("duplicate_pairs", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_duplicate_pairs_other_id"), ["other_id"], unique=False)
        batch_op.create_index(
            "ix_duplicate_pairs_state_score", ["state", "score", "one_id", "other_id"], unique=False
        )

    op.create_table(
        "group_freezes",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("group_id", sa.String(length=26), nullable=False),
        sa.Column("at", Utc(), nullable=False),
        sa.Column("by", sa.String(length=64), nullable=False),
        sa.Column("purpose", sa.String(length=200), nullable=False),
        sa.Column("query", Json, nullable=True),
        sa.Column("query_version", sa.Integer(), nullable=False),
        sa.Column("sentence", sa.Text(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("complete", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["group_id"], ["groups.id"], name=op.f("fk_group_freezes_group_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_group_freezes")),
    )
    with op.batch_alter_table("group_freezes", schema=None) as batch_op:
        batch_op.create_index("ix_group_freezes_group_id_at", ["group_id", "at"], unique=False)

    op.create_table(
        "group_members",
        sa.Column("group_id", sa.String(length=26), nullable=False),
        sa.Column("customer_id", sa.String(length=26), nullable=False),
        sa.Column("added_at", Utc(), nullable=False),
        sa.Column("added_by", sa.String(length=64), nullable=False),
        sa.Column("source", sa.String(length=40), nullable=False),
        sa.ForeignKeyConstraint(["customer_id"], ["customers.id"], name=op.f("fk_group_members_customer_id")),
        sa.ForeignKeyConstraint(["group_id"], ["groups.id"], name=op.f("fk_group_members_group_id")),
        sa.PrimaryKeyConstraint("group_id", "customer_id", name=op.f("pk_group_members")),
        sqlite_with_rowid=False,
    )
    with op.batch_alter_table("group_members", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_group_members_customer_id"), ["customer_id"], unique=False)

    op.create_table(
        "import_faults",
        sa.Column("job_id", sa.String(length=26), nullable=False),
        sa.Column("row", sa.Integer(), nullable=False),
        sa.Column("faults", Json, nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["import_jobs.id"], name=op.f("fk_import_faults_job_id")),
        sa.PrimaryKeyConstraint("job_id", "row", name=op.f("pk_import_faults")),
    )
    op.create_table(
        "import_undo",
        sa.Column("job_id", sa.String(length=26), nullable=False),
        sa.Column("batch", sa.Integer(), nullable=False),
        sa.Column("writes", Json, nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["import_jobs.id"], name=op.f("fk_import_undo_job_id")),
        sa.PrimaryKeyConstraint("job_id", "batch", name=op.f("pk_import_undo")),
    )
    op.create_table(
        "merges",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("survivor_id", sa.String(length=26), nullable=False),
        sa.Column("merged_id", sa.String(length=26), nullable=False),
        sa.Column("at", Utc(), nullable=False),
        sa.Column("by_id", sa.String(length=26), nullable=True),
        sa.Column("by_name", sa.String(length=64), nullable=False),
        sa.Column("choices", Json, nullable=False),
        sa.Column("moved", Json, nullable=False),
        sa.Column("undone_at", Utc(), nullable=True),
        sa.Column("undone_by", sa.String(length=64), server_default="", nullable=False),
        sa.Column("not_restored", Json, nullable=True),
        sa.ForeignKeyConstraint(["merged_id"], ["customers.id"], name=op.f("fk_merges_merged_id")),
        sa.ForeignKeyConstraint(["survivor_id"], ["customers.id"], name=op.f("fk_merges_survivor_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_merges")),
    )
    with op.batch_alter_table("merges", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_merges_merged_id"), ["merged_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_merges_survivor_id"), ["survivor_id"], unique=False)

    op.create_table(
        "purchases",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("customer_id", sa.String(length=26), nullable=False),
        sa.Column("vehicle_id", sa.String(length=26), nullable=True),
        sa.Column("bought_on", sa.Date(), nullable=False),
        sa.Column("model", sa.String(length=64), nullable=False),
        sa.Column("price_cents", sa.BigInteger(), nullable=True),
        sa.Column("payment", sa.String(length=16), nullable=False),
        sa.Column("invoice", sa.String(length=64), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("created_at", Utc(), nullable=False),
        sa.Column("updated_at", Utc(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["customer_id"], ["customers.id"], name=op.f("fk_purchases_customer_id")),
        sa.ForeignKeyConstraint(["vehicle_id"], ["vehicles.id"], name=op.f("fk_purchases_vehicle_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_purchases")),
    )
    with op.batch_alter_table("purchases", schema=None) as batch_op:
        batch_op.create_index(
            "ix_purchases_customer_id_bought_on", ["customer_id", "bought_on", "id"], unique=False
        )
        batch_op.create_index("ix_purchases_invoice", ["invoice"], unique=False)
        batch_op.create_index(batch_op.f("ix_purchases_vehicle_id"), ["vehicle_id"], unique=False)

    op.create_table(
        "registration_versions",
        sa.Column("registration_id", sa.String(length=26), nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("at", Utc(), nullable=False),
        sa.Column("by", sa.String(length=26), nullable=False),
        sa.Column("by_name", sa.String(length=64), nullable=False),
        sa.Column("why", sa.String(length=200), nullable=False),
        sa.Column("form_version", sa.Integer(), nullable=False),
        sa.Column("set_name", sa.String(length=32), nullable=False),
        sa.Column("set_version", sa.Integer(), nullable=False),
        sa.Column("content", Json, nullable=False),
        sa.ForeignKeyConstraint(["by"], ["users.id"], name=op.f("fk_registration_versions_by")),
        sa.ForeignKeyConstraint(
            ["registration_id"], ["registrations.id"], name=op.f("fk_registration_versions_registration_id")
        ),
        sa.PrimaryKeyConstraint("registration_id", "version", name=op.f("pk_registration_versions")),
    )
    op.create_table(
        "service_visits",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("vehicle_id", sa.String(length=26), nullable=False),
        sa.Column("customer_id", sa.String(length=26), nullable=True),
        sa.Column("visited_on", sa.Date(), nullable=False),
        sa.Column("mileage", sa.Integer(), nullable=True),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("amount_cents", sa.BigInteger(), nullable=True),
        sa.Column("order_number", sa.String(length=64), nullable=False),
        sa.Column("next_due_on", sa.Date(), nullable=True),
        sa.Column("next_due_mileage", sa.Integer(), nullable=True),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("created_at", Utc(), nullable=False),
        sa.Column("updated_at", Utc(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["customer_id"], ["customers.id"], name=op.f("fk_service_visits_customer_id")
        ),
        sa.ForeignKeyConstraint(["vehicle_id"], ["vehicles.id"], name=op.f("fk_service_visits_vehicle_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_service_visits")),
    )
    with op.batch_alter_table("service_visits", schema=None) as batch_op:
        batch_op.create_index("ix_service_visits_customer_id", ["customer_id"], unique=False)
        batch_op.create_index("ix_service_visits_order_number", ["order_number"], unique=False)
        batch_op.create_index(
            "ix_service_visits_vehicle_id_visited_on", ["vehicle_id", "visited_on", "id"], unique=False
        )
        batch_op.create_index("ix_service_visits_visited_on_id", ["visited_on", "id"], unique=False)

    op.create_table(
        "source_keys",
        sa.Column("source", sa.String(length=64), nullable=False),
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("customer_id", sa.String(length=26), nullable=False),
        sa.Column("at", Utc(), nullable=False),
        sa.ForeignKeyConstraint(["customer_id"], ["customers.id"], name=op.f("fk_source_keys_customer_id")),
        sa.PrimaryKeyConstraint("source", "key", name=op.f("pk_source_keys")),
    )
    with op.batch_alter_table("source_keys", schema=None) as batch_op:
        batch_op.create_index("ix_source_keys_customer_id", ["customer_id"], unique=False)

    op.create_table(
        "correction_steps",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("correction_id", sa.String(length=26), nullable=False),
        sa.Column("at", Utc(), nullable=False),
        sa.Column("by_id", sa.String(length=26), nullable=True),
        sa.Column("by_name", sa.String(length=64), nullable=False),
        sa.Column("step", sa.String(length=16), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["correction_id"], ["corrections.id"], name=op.f("fk_correction_steps_correction_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_correction_steps")),
    )
    with op.batch_alter_table("correction_steps", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_correction_steps_correction_id"), ["correction_id"], unique=False
        )

    op.create_table(
        "group_freeze_members",
        sa.Column("freeze_id", sa.String(length=26), nullable=False),
        sa.Column("customer_id", sa.String(length=26), nullable=False),
        sa.ForeignKeyConstraint(
            ["customer_id"], ["customers.id"], name=op.f("fk_group_freeze_members_customer_id")
        ),
        sa.ForeignKeyConstraint(
            ["freeze_id"], ["group_freezes.id"], name=op.f("fk_group_freeze_members_freeze_id")
        ),
        sa.PrimaryKeyConstraint("freeze_id", "customer_id", name=op.f("pk_group_freeze_members")),
        sqlite_with_rowid=False,
    )
    with op.batch_alter_table("group_freeze_members", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_group_freeze_members_customer_id"), ["customer_id"], unique=False
        )

    op.create_table(
        "merge_moves",
        sa.Column("merge_id", sa.String(length=26), nullable=False),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.Column("table", sa.String(length=64), nullable=False),
        sa.Column("key", Json, nullable=False),
        sa.Column("before", Json, nullable=True),
        sa.Column("after", Json, nullable=True),
        sa.ForeignKeyConstraint(["merge_id"], ["merges.id"], name=op.f("fk_merge_moves_merge_id")),
        sa.PrimaryKeyConstraint("merge_id", "place", name=op.f("pk_merge_moves")),
    )
    with op.batch_alter_table("audit", schema=None) as batch_op:
        batch_op.create_index("ix_audit_action_id", ["action", "id"], unique=False)

    with op.batch_alter_table("calls", schema=None) as batch_op:
        batch_op.create_index(
            "ix_calls_direction_started_at",
            ["direction", "started_at", "id"],
            unique=False,
            sqlite_where=sa.text("direction != 'inbound' AND ended_at IS NOT NULL"),
            postgresql_where=sa.text("direction != 'inbound' AND ended_at IS NOT NULL"),
        )
        batch_op.create_index(
            "ix_calls_outcome_started_at",
            ["outcome", "started_at", "id"],
            unique=False,
            sqlite_where=sa.text("outcome != 'answered'"),
            postgresql_where=sa.text("outcome != 'answered'"),
        )
        batch_op.create_index(
            "ix_calls_queue_started_at",
            ["queue", "started_at", "id"],
            unique=False,
            sqlite_where=sa.text("queue IS NOT NULL AND ended_at IS NOT NULL"),
            postgresql_where=sa.text("queue IS NOT NULL AND ended_at IS NOT NULL"),
        )

    with op.batch_alter_table("customers", schema=None) as batch_op:
        batch_op.add_column(sa.Column("version", sa.Integer(), server_default="1", nullable=False))
        batch_op.add_column(sa.Column("sex", sa.String(length=8), nullable=True))
        batch_op.add_column(sa.Column("birthday", sa.Date(), nullable=True))
        batch_op.add_column(sa.Column("occupation", sa.String(length=64), server_default="", nullable=False))
        batch_op.add_column(sa.Column("address", sa.String(length=200), server_default="", nullable=False))
        batch_op.add_column(sa.Column("source", sa.String(length=32), server_default="", nullable=False))
        batch_op.add_column(sa.Column("need", sa.String(length=200), server_default="", nullable=False))
        batch_op.add_column(sa.Column("budget", sa.String(length=64), server_default="", nullable=False))
        batch_op.add_column(sa.Column("focus", sa.String(length=200), server_default="", nullable=False))
        batch_op.add_column(sa.Column("purchase_expected_on", sa.Date(), nullable=True))
        batch_op.add_column(sa.Column("paper_file", sa.String(length=64), server_default="", nullable=False))
        batch_op.add_column(
            sa.Column("secrecy", sa.String(length=16), server_default="normal", nullable=False)
        )
        batch_op.add_column(sa.Column("value_grade", sa.String(length=8), nullable=True))
        batch_op.add_column(sa.Column("loyalty_grade", sa.String(length=8), nullable=True))
        batch_op.add_column(sa.Column("potential_grade", sa.String(length=8), nullable=True))
        batch_op.add_column(sa.Column("customer_class", sa.String(length=8), nullable=True))
        batch_op.add_column(
            sa.Column("classed_by", sa.String(length=8), server_default="rule", nullable=False)
        )
        batch_op.add_column(sa.Column("credit_grade", sa.String(length=8), nullable=True))
        batch_op.add_column(sa.Column("visit_every_days", sa.Integer(), nullable=True))
        batch_op.add_column(sa.Column("visited_on", sa.Date(), nullable=True))
        batch_op.add_column(sa.Column("merged_into", sa.String(length=26), nullable=True))
        batch_op.drop_index(batch_op.f("ix_customers_name_key"))
        batch_op.create_index(
            "ix_customers_customer_class_number", ["customer_class", "number"], unique=False
        )
        batch_op.create_index(
            "ix_customers_key_accounts",
            ["number"],
            unique=False,
            sqlite_where=sa.text("key_account = 1"),
            postgresql_where=sa.text("key_account"),
        )
        batch_op.create_index(
            "ix_customers_merged_into",
            ["merged_into"],
            unique=False,
            sqlite_where=sa.text("merged_into IS NOT NULL"),
            postgresql_where=sa.text("merged_into IS NOT NULL"),
        )
        batch_op.create_index("ix_customers_name_key_number", ["name_key", "number"], unique=False)

    with op.batch_alter_table("phones", schema=None) as batch_op:
        batch_op.add_column(sa.Column("secret_at", Utc(), nullable=True))

    with op.batch_alter_table("recordings", schema=None) as batch_op:
        batch_op.add_column(sa.Column("deleted_by", sa.String(length=26), nullable=True))
        batch_op.add_column(sa.Column("delete_reason", sa.Text(), server_default="", nullable=False))
        batch_op.create_index("ix_recordings_started_at", ["started_at", "id"], unique=False)

    with op.batch_alter_table("sessions", schema=None) as batch_op:
        batch_op.add_column(sa.Column("browser", sa.String(length=64), server_default="", nullable=False))
        batch_op.add_column(sa.Column("pending", sa.String(length=16), server_default="", nullable=False))

    with op.batch_alter_table("tasks", schema=None) as batch_op:
        batch_op.add_column(sa.Column("department", sa.String(length=32), nullable=True))
        batch_op.add_column(sa.Column("made_by", sa.String(length=26), nullable=True))
        batch_op.drop_index(batch_op.f("ix_tasks_customer_id"))
        batch_op.drop_index(batch_op.f("ix_tasks_number"))
        batch_op.drop_index("ix_tasks_state_due_at")
        batch_op.create_index(
            "ix_tasks_number_state_due_at", ["number", "state", "due_at", "id"], unique=False
        )
        batch_op.create_index(
            "ix_tasks_customer_id_state_due_at", ["customer_id", "state", "due_at", "id"], unique=False
        )
        batch_op.create_index(
            "ix_tasks_department_state_due_at", ["department", "state", "due_at", "id"], unique=False
        )
        batch_op.create_index(
            "ix_tasks_state_due_at_owner_id", ["state", "due_at", "id", "owner_id"], unique=False
        )

    with op.batch_alter_table("users", schema=None) as batch_op:
        batch_op.add_column(sa.Column("must_change", sa.Boolean(), server_default="0", nullable=False))

    with op.batch_alter_table("vehicles", schema=None) as batch_op:
        batch_op.add_column(sa.Column("version", sa.Integer(), server_default="1", nullable=False))
        batch_op.add_column(sa.Column("state", sa.String(length=16), server_default="owned", nullable=False))
        batch_op.add_column(sa.Column("state_since", sa.Date(), nullable=True))
        batch_op.add_column(sa.Column("purpose", sa.String(length=64), server_default="", nullable=False))
        batch_op.add_column(sa.Column("mileage_on", sa.Date(), nullable=True))
        batch_op.add_column(sa.Column("next_due_on", sa.Date(), nullable=True))
        batch_op.add_column(sa.Column("next_due_mileage", sa.Integer(), nullable=True))
        batch_op.add_column(
            sa.Column("next_due_why", sa.String(length=64), server_default="", nullable=False)
        )
        batch_op.drop_index(batch_op.f("ix_vehicles_plate"))
        batch_op.create_index("ix_vehicles_delivered_on_id", ["delivered_on", "id"], unique=False)
        batch_op.create_index(
            "ix_vehicles_model_next_due_on_id", ["model", "next_due_on", "id"], unique=False
        )
        batch_op.create_index("ix_vehicles_next_due_on_id", ["next_due_on", "id"], unique=False)
        batch_op.create_index("ix_vehicles_plate_id", ["plate", "id"], unique=False)

    with op.batch_alter_table("voicemails", schema=None) as batch_op:
        batch_op.add_column(sa.Column("deleted_by", sa.String(length=26), nullable=True))
        batch_op.add_column(sa.Column("delete_reason", sa.Text(), server_default="", nullable=False))
        batch_op.create_index("ix_voicemails_left_at", ["left_at", "id"], unique=False)
