"""Create the first tables."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from storage.tables.base import Json, Utc

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the first tables."""
    op.create_table(
        "audit",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("at", Utc(), nullable=False),
        sa.Column("action", sa.String(length=32), nullable=False),
        sa.Column("actor_id", sa.String(length=26), nullable=True),
        sa.Column("actor_name", sa.String(length=64), nullable=False),
        sa.Column("via", sa.String(length=16), nullable=False),
        sa.Column("subject", sa.String(length=96), nullable=False),
        sa.Column("address", sa.String(length=45), nullable=False),
        sa.Column("data", Json, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit")),
    )
    op.create_index("ix_audit_actor_id_id", "audit", ["actor_id", "id"], unique=False)
    op.create_index(op.f("ix_audit_subject"), "audit", ["subject"], unique=False)
    op.create_table(
        "blocks",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("pattern", sa.String(length=20), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("at", Utc(), nullable=False),
        sa.Column("by", sa.String(length=64), nullable=False),
        sa.Column("until", Utc(), nullable=True),
        sa.Column("withdrawn_at", Utc(), nullable=True),
        sa.Column("withdrawn_by", sa.String(length=64), nullable=False),
        sa.Column("holds", sa.String(length=20), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_blocks")),
        sa.UniqueConstraint("holds", name=op.f("uq_blocks_holds")),
    )
    op.create_index("ix_blocks_pattern", "blocks", ["pattern"], unique=False)
    op.create_table(
        "call_facts",
        sa.Column("call_id", sa.String(length=26), nullable=False),
        sa.Column("source", sa.String(length=16), nullable=False),
        sa.Column("key", sa.String(length=255), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("at", Utc(), nullable=False),
        sa.Column("linkedid", sa.String(length=150), nullable=False),
        sa.Column("uniqueid", sa.String(length=150), nullable=False),
        sa.Column("data", Json, nullable=False),
        sa.PrimaryKeyConstraint("call_id", "source", "key", name=op.f("pk_call_facts")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "call_legs",
        sa.Column("system", sa.String(length=32), nullable=False),
        sa.Column("uniqueid", sa.String(length=150), nullable=False),
        sa.Column("call_id", sa.String(length=26), nullable=False),
        sa.PrimaryKeyConstraint("system", "uniqueid", name=op.f("pk_call_legs")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_call_legs_call_id"), "call_legs", ["call_id"], unique=False)
    op.create_table(
        "calls",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("linkedid", sa.String(length=150), nullable=False),
        sa.Column("system", sa.String(length=32), nullable=False),
        sa.Column("direction", sa.String(length=16), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("started_at", Utc(), nullable=False),
        sa.Column("number", sa.String(length=20), nullable=True),
        sa.Column("raw_number", sa.String(length=64), server_default="", nullable=False),
        sa.Column("called", sa.String(length=64), server_default="", nullable=False),
        sa.Column("flow", sa.String(length=64), nullable=True),
        sa.Column("language", sa.String(length=16), nullable=True),
        sa.Column("customer_id", sa.String(length=26), nullable=True),
        sa.Column("explained", sa.String(length=64), nullable=True),
        sa.Column("keys", sa.Text(), server_default="", nullable=False),
        sa.Column("route", sa.String(length=200), nullable=True),
        sa.Column("queue", sa.String(length=128), nullable=True),
        sa.Column("priority", sa.Integer(), server_default="0", nullable=False),
        sa.Column("agent_id", sa.String(length=128), nullable=True),
        sa.Column("answered_at", Utc(), nullable=True),
        sa.Column("queued_at", Utc(), nullable=True),
        sa.Column("connected_at", Utc(), nullable=True),
        sa.Column("ended_at", Utc(), nullable=True),
        sa.Column("wait_seconds", sa.Float(), server_default="0", nullable=False),
        sa.Column("talk_seconds", sa.Float(), server_default="0", nullable=False),
        sa.Column("hold_seconds", sa.Float(), server_default="0", nullable=False),
        sa.Column("held_since", Utc(), nullable=True),
        sa.Column("outcome", sa.String(length=16), nullable=True),
        sa.Column("cause", sa.Integer(), nullable=True),
        sa.Column("recording", sa.String(length=256), nullable=True),
        sa.Column("transfers", sa.Text(), server_default="", nullable=False),
        sa.Column("origin", sa.String(length=16), server_default="live", nullable=False),
        sa.Column("proved", sa.Boolean(), server_default="0", nullable=False),
        sa.Column("refused_by", sa.String(length=32), nullable=True),
        sa.Column("rating", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_calls")),
    )
    op.create_index("ix_calls_agent_id_started_at", "calls", ["agent_id", "started_at"], unique=False)
    op.create_index("ix_calls_customer_id_started_at", "calls", ["customer_id", "started_at"], unique=False)
    op.create_index("ix_calls_number_started_at", "calls", ["number", "started_at"], unique=False)
    op.create_index(
        "ix_calls_open",
        "calls",
        ["system", "started_at"],
        unique=False,
        sqlite_where=sa.text("ended_at IS NULL"),
        postgresql_where=sa.text("ended_at IS NULL"),
    )
    op.create_index("ix_calls_started_at_id", "calls", ["started_at", "id"], unique=False)
    op.create_table(
        "idempotency",
        sa.Column("owner", sa.String(length=64), nullable=False),
        sa.Column("key", sa.String(length=128), nullable=False),
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("at", Utc(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("answer", Json, nullable=False),
        sa.PrimaryKeyConstraint("owner", "key", name=op.f("pk_idempotency")),
    )
    op.create_index(op.f("ix_idempotency_at"), "idempotency", ["at"], unique=False)
    op.create_table(
        "import_offsets",
        sa.Column("system", sa.String(length=32), nullable=False),
        sa.Column("file", sa.String(length=64), nullable=False),
        sa.Column("inode", sa.BigInteger(), nullable=False),
        sa.Column("offset", sa.BigInteger(), nullable=False),
        sa.Column("head", sa.String(length=64), server_default="", nullable=False),
        sa.Column("bad_lines", sa.Integer(), server_default="0", nullable=False),
        sa.Column("last_at", Utc(), nullable=True),
        sa.Column("read_at", Utc(), nullable=False),
        sa.PrimaryKeyConstraint("system", "file", name=op.f("pk_import_offsets")),
    )
    op.create_table(
        "phone_numbers",
        sa.Column("number", sa.String(length=20), nullable=False),
        sa.Column("reversed", sa.String(length=20), nullable=False),
        sa.Column("first_seen_at", Utc(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_phone_numbers")),
    )
    op.create_index(op.f("ix_phone_numbers_reversed"), "phone_numbers", ["reversed"], unique=False)
    op.create_table(
        "recording_gaps",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("call_id", sa.String(length=26), nullable=False),
        sa.Column("paused_at", Utc(), nullable=False),
        sa.Column("resumed_at", Utc(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_recording_gaps")),
    )
    op.create_index(op.f("ix_recording_gaps_call_id"), "recording_gaps", ["call_id"], unique=False)
    op.create_table(
        "recordings",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("call_id", sa.String(length=26), nullable=False),
        sa.Column("file", sa.String(length=128), nullable=False),
        sa.Column("started_at", Utc(), nullable=False),
        sa.Column("ended_at", Utc(), nullable=True),
        sa.Column("seconds", sa.Float(), nullable=True),
        sa.Column("bytes", sa.Integer(), nullable=True),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("why", sa.String(length=64), server_default="", nullable=False),
        sa.Column("hold", sa.Boolean(), server_default="0", nullable=False),
        sa.Column("hold_reason", sa.Text(), server_default="", nullable=False),
        sa.Column("deleted_at", Utc(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_recordings")),
        sa.UniqueConstraint("file", name=op.f("uq_recordings_file")),
    )
    op.create_index(op.f("ix_recordings_call_id"), "recordings", ["call_id"], unique=False)
    op.create_index("ix_recordings_state_started_at", "recordings", ["state", "started_at"], unique=False)
    op.create_table(
        "restores",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("at", Utc(), nullable=False),
        sa.Column("made_at", Utc(), nullable=False),
        sa.Column("revision", sa.String(length=32), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_restores")),
    )
    op.create_table(
        "serials",
        sa.Column("name", sa.String(length=32), nullable=False),
        sa.Column("value", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_serials")),
    )
    op.create_table(
        "switch_boots",
        sa.Column("system", sa.String(length=32), nullable=False),
        sa.Column("boot", sa.String(length=64), nullable=False),
        sa.Column("seen_first", Utc(), nullable=False),
        sa.Column("seen_last", Utc(), nullable=False),
        sa.PrimaryKeyConstraint("system", "boot", name=op.f("pk_switch_boots")),
    )
    op.create_table(
        "switch_calls",
        sa.Column("system", sa.String(length=32), nullable=False),
        sa.Column("uniqueid", sa.String(length=150), nullable=False),
        sa.Column("linkedid", sa.String(length=150), nullable=False),
        sa.Column("started_at", Utc(), nullable=False),
        sa.Column("ended_at", Utc(), nullable=True),
        sa.Column("direction", sa.String(length=16), server_default="", nullable=False),
        sa.Column("caller", sa.String(length=128), server_default="", nullable=False),
        sa.Column("called", sa.String(length=128), server_default="", nullable=False),
        sa.Column("sip_call_id", sa.String(length=150), server_default="", nullable=False),
        sa.Column("cause", sa.Integer(), nullable=True),
        sa.Column("in_cel", sa.Boolean(), server_default="0", nullable=False),
        sa.Column("in_cdr", sa.Boolean(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("system", "uniqueid", name=op.f("pk_switch_calls")),
    )
    op.create_index(op.f("ix_switch_calls_started_at"), "switch_calls", ["started_at"], unique=False)
    op.create_table(
        "users",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("login", sa.String(length=32), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("language", sa.String(length=8), nullable=False),
        sa.Column("theme", sa.String(length=8), nullable=False),
        sa.Column("password_hash", sa.Text(), nullable=False),
        sa.Column("password_changed_at", Utc(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("disabled_at", Utc(), nullable=True),
        sa.Column("created_at", Utc(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_users")),
        sa.UniqueConstraint("login", name=op.f("uq_users_login")),
    )
    op.create_table(
        "vehicles",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("plate", sa.String(length=16), nullable=True),
        sa.Column("plate_keys", sa.String(length=16), nullable=True),
        sa.Column("vin", sa.String(length=17), nullable=True),
        sa.Column("vin_keys", sa.String(length=17), nullable=True),
        sa.Column("brand", sa.String(length=32), nullable=False),
        sa.Column("model", sa.String(length=64), nullable=False),
        sa.Column("delivered_on", sa.Date(), nullable=True),
        sa.Column("mileage", sa.Integer(), nullable=True),
        sa.Column("last_service_on", sa.Date(), nullable=True),
        sa.Column("created_at", Utc(), nullable=False),
        sa.Column("updated_at", Utc(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_vehicles")),
        sa.UniqueConstraint("vin", name=op.f("uq_vehicles_vin")),
    )
    op.create_index(op.f("ix_vehicles_plate"), "vehicles", ["plate"], unique=False)
    op.create_index(op.f("ix_vehicles_plate_keys"), "vehicles", ["plate_keys"], unique=False)
    op.create_index(op.f("ix_vehicles_vin_keys"), "vehicles", ["vin_keys"], unique=False)
    op.create_table(
        "voicemails",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("call_id", sa.String(length=26), nullable=False),
        sa.Column("file", sa.String(length=128), nullable=False),
        sa.Column("box", sa.String(length=32), nullable=False),
        sa.Column("left_at", Utc(), nullable=False),
        sa.Column("seconds", sa.Float(), nullable=True),
        sa.Column("customer_id", sa.String(length=26), nullable=True),
        sa.Column("number", sa.String(length=20), nullable=True),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("why", sa.String(length=64), server_default="", nullable=False),
        sa.Column("hold", sa.Boolean(), server_default="0", nullable=False),
        sa.Column("deleted_at", Utc(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_voicemails")),
        sa.UniqueConstraint("file", name=op.f("uq_voicemails_file")),
    )
    op.create_index(op.f("ix_voicemails_call_id"), "voicemails", ["call_id"], unique=False)
    op.create_index(op.f("ix_voicemails_customer_id"), "voicemails", ["customer_id"], unique=False)
    op.create_table(
        "agent_changes",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("user_id", sa.String(length=26), nullable=False),
        sa.Column("at", Utc(), nullable=False),
        sa.Column("event", sa.String(length=24), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.String(length=32), server_default="", nullable=False),
        sa.Column("call_id", sa.String(length=26), nullable=True),
        sa.Column("actor", sa.String(length=26), server_default="service", nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_agent_changes_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_agent_changes")),
    )
    op.create_index("ix_agent_changes_user_id_at", "agent_changes", ["user_id", "at"], unique=False)
    op.create_table(
        "agents",
        sa.Column("user_id", sa.String(length=26), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("since", Utc(), nullable=False),
        sa.Column("reason", sa.String(length=32), server_default="", nullable=False),
        sa.Column("phone", sa.String(length=32), server_default="", nullable=False),
        sa.Column("queues", Json, nullable=False),
        sa.Column("missed_in_row", sa.Integer(), server_default="0", nullable=False),
        sa.Column("next_pause", sa.String(length=32), server_default="", nullable=False),
        sa.Column("call_id", sa.String(length=26), nullable=True),
        sa.Column("wrapup_until", Utc(), nullable=True),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_agents_user_id")),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_agents")),
    )
    op.create_table(
        "customers",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("number", sa.String(length=32), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column(
            "name_key",
            sa.String(length=128).with_variant(sa.String(length=128, collation="C"), "postgresql"),
            nullable=False,
        ),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("honorific", sa.String(length=8), nullable=False),
        sa.Column("language", sa.String(length=8), nullable=True),
        sa.Column("key_account", sa.Boolean(), nullable=False),
        sa.Column("own_agent_id", sa.String(length=26), nullable=True),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("created_at", Utc(), nullable=False),
        sa.Column("updated_at", Utc(), nullable=False),
        sa.ForeignKeyConstraint(["own_agent_id"], ["users.id"], name=op.f("fk_customers_own_agent_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_customers")),
        sa.UniqueConstraint("number", name=op.f("uq_customers_number")),
    )
    op.create_index(op.f("ix_customers_name_key"), "customers", ["name_key"], unique=False)
    op.create_index(op.f("ix_customers_own_agent_id"), "customers", ["own_agent_id"], unique=False)
    op.create_table(
        "optouts",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("number", sa.String(length=20), nullable=False),
        sa.Column("purpose", sa.String(length=16), nullable=False),
        sa.Column("channel", sa.String(length=16), nullable=False),
        sa.Column("source", sa.String(length=16), nullable=False),
        sa.Column("at", Utc(), nullable=False),
        sa.Column("proof", sa.Text(), nullable=False),
        sa.Column("actor_id", sa.String(length=26), nullable=True),
        sa.Column("withdrawn_at", Utc(), nullable=True),
        sa.Column("withdrawn_proof", sa.Text(), nullable=False),
        sa.Column("holds", sa.String(length=64), nullable=True),
        sa.ForeignKeyConstraint(["actor_id"], ["users.id"], name=op.f("fk_optouts_actor_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_optouts")),
        sa.UniqueConstraint("holds", name=op.f("uq_optouts_holds")),
    )
    op.create_index("ix_optouts_number", "optouts", ["number"], unique=False)
    op.create_table(
        "phones",
        sa.Column("endpoint", sa.String(length=32), nullable=False),
        sa.Column("user_id", sa.String(length=26), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("secret", sa.String(length=64), nullable=False),
        sa.Column("created_at", Utc(), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_phones_user_id")),
        sa.PrimaryKeyConstraint("endpoint", name=op.f("pk_phones")),
    )
    op.create_index(op.f("ix_phones_user_id"), "phones", ["user_id"], unique=False)
    op.create_table(
        "sessions",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("user_id", sa.String(length=26), nullable=False),
        sa.Column("csrf", sa.String(length=64), nullable=False),
        sa.Column("address", sa.String(length=45), nullable=False),
        sa.Column("created_at", Utc(), nullable=False),
        sa.Column("seen_at", Utc(), nullable=False),
        sa.Column("ended_at", Utc(), nullable=True),
        sa.Column("ended_why", sa.String(length=24), server_default="", nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_sessions_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sessions")),
    )
    op.create_index(op.f("ix_sessions_seen_at"), "sessions", ["seen_at"], unique=False)
    op.create_index(op.f("ix_sessions_user_id"), "sessions", ["user_id"], unique=False)
    op.create_table(
        "tokens",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("user_id", sa.String(length=26), nullable=True),
        sa.Column("created_at", Utc(), nullable=False),
        sa.Column("created_by", sa.String(length=64), nullable=False),
        sa.Column("expires_at", Utc(), nullable=True),
        sa.Column("revoked_at", Utc(), nullable=True),
        sa.Column("used_at", Utc(), nullable=True),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_tokens_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tokens")),
        sa.UniqueConstraint("hash", name=op.f("uq_tokens_hash")),
    )
    op.create_table(
        "contacts",
        sa.Column("customer_id", sa.String(length=26), nullable=False),
        sa.Column("number", sa.String(length=20), nullable=False),
        sa.Column("label", sa.String(length=16), nullable=False),
        sa.Column("is_primary", sa.Boolean(), nullable=False),
        sa.Column("since", Utc(), nullable=False),
        sa.Column("ended_at", Utc(), nullable=True),
        sa.ForeignKeyConstraint(["customer_id"], ["customers.id"], name=op.f("fk_contacts_customer_id")),
        sa.ForeignKeyConstraint(["number"], ["phone_numbers.number"], name=op.f("fk_contacts_number")),
        sa.PrimaryKeyConstraint("customer_id", "number", name=op.f("pk_contacts")),
    )
    op.create_index("ix_contacts_number", "contacts", ["number"], unique=False)
    op.create_table(
        "tasks",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("occasion", sa.String(length=80), nullable=False),
        sa.Column("open_key", sa.String(length=48), nullable=True),
        sa.Column("number", sa.String(length=20), nullable=True),
        sa.Column("customer_id", sa.String(length=26), nullable=True),
        sa.Column("call_id", sa.String(length=26), nullable=True),
        sa.Column("last_call_id", sa.String(length=26), nullable=True),
        sa.Column("queue", sa.String(length=128), nullable=True),
        sa.Column("owner_id", sa.String(length=26), nullable=True),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("calls", sa.Integer(), nullable=False),
        sa.Column("created_at", Utc(), nullable=False),
        sa.Column("last_at", Utc(), nullable=False),
        sa.Column("due_at", Utc(), nullable=False),
        sa.Column("promised_by", Utc(), nullable=True),
        sa.Column("closed_at", Utc(), nullable=True),
        sa.Column("closed_by", sa.String(length=32), nullable=True),
        sa.Column("result", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["customer_id"], ["customers.id"], name=op.f("fk_tasks_customer_id")),
        sa.ForeignKeyConstraint(["owner_id"], ["users.id"], name=op.f("fk_tasks_owner_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tasks")),
        sa.UniqueConstraint("occasion", name=op.f("uq_tasks_occasion")),
        sa.UniqueConstraint("open_key", name=op.f("uq_tasks_open_key")),
    )
    op.create_index(op.f("ix_tasks_call_id"), "tasks", ["call_id"], unique=False)
    op.create_index("ix_tasks_closed_at", "tasks", ["closed_at", "id"], unique=False)
    op.create_index(op.f("ix_tasks_customer_id"), "tasks", ["customer_id"], unique=False)
    op.create_index(op.f("ix_tasks_number"), "tasks", ["number"], unique=False)
    op.create_index(
        "ix_tasks_owner_id_state_due_at", "tasks", ["owner_id", "state", "due_at", "id"], unique=False
    )
    op.create_index("ix_tasks_state_due_at", "tasks", ["state", "due_at", "id"], unique=False)
    op.create_table(
        "vehicle_people",
        sa.Column("vehicle_id", sa.String(length=26), nullable=False),
        sa.Column("customer_id", sa.String(length=26), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("since", Utc(), nullable=False),
        sa.Column("ended_at", Utc(), nullable=True),
        sa.ForeignKeyConstraint(
            ["customer_id"], ["customers.id"], name=op.f("fk_vehicle_people_customer_id")
        ),
        sa.ForeignKeyConstraint(["vehicle_id"], ["vehicles.id"], name=op.f("fk_vehicle_people_vehicle_id")),
        sa.PrimaryKeyConstraint("vehicle_id", "customer_id", "role", name=op.f("pk_vehicle_people")),
    )
    op.create_index("ix_vehicle_people_customer_id", "vehicle_people", ["customer_id"], unique=False)
    op.create_table(
        "task_calls",
        sa.Column("call_id", sa.String(length=26), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("task_id", sa.String(length=26), nullable=False),
        sa.Column("at", Utc(), nullable=False),
        sa.ForeignKeyConstraint(["task_id"], ["tasks.id"], name=op.f("fk_task_calls_task_id")),
        sa.PrimaryKeyConstraint("call_id", "kind", name=op.f("pk_task_calls")),
    )
    op.create_index(op.f("ix_task_calls_task_id"), "task_calls", ["task_id"], unique=False)
