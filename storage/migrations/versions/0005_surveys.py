"""Surveys."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from storage.tables.base import Json, Utc

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Questionnaires, their versions, and what customers answered."""
    op.create_table(
        "questionnaires",
        sa.Column("code", sa.String(length=32), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("purpose", sa.String(length=16), nullable=False),
        sa.Column("label", Json, nullable=False),
        sa.Column("body", Json, nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("at", Utc(), nullable=False),
        sa.Column("by", sa.String(length=26), nullable=True),
        sa.Column("by_name", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("code", "version", name=op.f("pk_questionnaires")),
    )
    with op.batch_alter_table("questionnaires", schema=None) as batch_op:
        batch_op.create_index("ix_questionnaires_state_purpose", ["state", "purpose", "code"], unique=False)
    op.create_table(
        "questionnaire_events",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("code", sa.String(length=32), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("at", Utc(), nullable=False),
        sa.Column("step", sa.String(length=16), nullable=False),
        sa.Column("by", sa.String(length=26), nullable=True),
        sa.Column("by_name", sa.String(length=64), nullable=False),
        sa.Column("why", sa.String(length=1000), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_questionnaire_events")),
    )
    with op.batch_alter_table("questionnaire_events", schema=None) as batch_op:
        batch_op.create_index("ix_questionnaire_events_code_version", ["code", "version", "id"], unique=False)
    op.create_table(
        "responses",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("questionnaire", sa.String(length=32), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("purpose", sa.String(length=16), nullable=False),
        sa.Column("channel", sa.String(length=8), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("rev", sa.Integer(), nullable=False),
        sa.Column("customer_id", sa.String(length=26), nullable=True),
        sa.Column("vehicle_id", sa.String(length=26), nullable=True),
        sa.Column("contact_id", sa.String(length=26), nullable=True),
        sa.Column("call_id", sa.String(length=26), nullable=True),
        sa.Column("case_id", sa.String(length=26), nullable=True),
        sa.Column("occasion", sa.String(length=80), nullable=True),
        sa.Column("begun_at", Utc(), nullable=False),
        sa.Column("begun_by", sa.String(length=26), nullable=True),
        sa.Column("begun_by_name", sa.String(length=64), nullable=False),
        sa.Column("touched_at", Utc(), nullable=False),
        sa.Column("ended_at", Utc(), nullable=True),
        sa.Column("ended_by_name", sa.String(length=64), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("summary", sa.Text(), nullable=False),
        sa.Column("total", sa.Float(), nullable=True),
        sa.Column("dissatisfied", sa.Boolean(), nullable=False),
        sa.Column("opened_case_id", sa.String(length=26), nullable=True),
        sa.Column("advisor", sa.String(length=64), nullable=False),
        sa.Column("model", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(["customer_id"], ["customers.id"], name=op.f("fk_responses_customer_id")),
        sa.ForeignKeyConstraint(["vehicle_id"], ["vehicles.id"], name=op.f("fk_responses_vehicle_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_responses")),
        sa.UniqueConstraint("occasion", name=op.f("uq_responses_occasion")),
    )
    with op.batch_alter_table("responses", schema=None) as batch_op:
        batch_op.create_index("ix_responses_begun_at", ["begun_at", "id"], unique=False)
        batch_op.create_index("ix_responses_call_id", ["call_id"], unique=False)
        batch_op.create_index("ix_responses_case_id", ["case_id"], unique=False)
        batch_op.create_index("ix_responses_contact_id", ["contact_id"], unique=False)
        batch_op.create_index("ix_responses_customer_id_begun_at", ["customer_id", "begun_at"], unique=False)
        batch_op.create_index(
            "ix_responses_dissatisfied_ended_at", ["dissatisfied", "ended_at", "id"], unique=False
        )
        batch_op.create_index(
            "ix_responses_questionnaire_begun_at", ["questionnaire", "begun_at", "id"], unique=False
        )
        batch_op.create_index("ix_responses_state_touched_at", ["state", "touched_at"], unique=False)
        batch_op.create_index("ix_responses_vehicle_id", ["vehicle_id"], unique=False)
    op.create_table(
        "response_answers",
        sa.Column("response_id", sa.String(length=26), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("question", sa.String(length=32), nullable=False),
        sa.Column("body", Json, nullable=False),
        sa.Column("words", sa.Text(), nullable=False),
        sa.Column("summary", sa.Text(), nullable=False),
        sa.Column("channel", sa.String(length=8), nullable=False),
        sa.Column("by", sa.String(length=26), nullable=True),
        sa.Column("by_name", sa.String(length=64), nullable=False),
        sa.Column("at", Utc(), nullable=False),
        sa.ForeignKeyConstraint(
            ["response_id"], ["responses.id"], name=op.f("fk_response_answers_response_id")
        ),
        sa.PrimaryKeyConstraint("response_id", "seq", name=op.f("pk_response_answers")),
    )
    op.create_table(
        "response_scores",
        sa.Column("response_id", sa.String(length=26), nullable=False),
        sa.Column("question", sa.String(length=32), nullable=False),
        sa.Column("questionnaire", sa.String(length=32), nullable=False),
        sa.Column("at", Utc(), nullable=False),
        sa.Column("score", sa.Float(), nullable=True),
        sa.Column("dissatisfied", sa.Boolean(), nullable=False),
        sa.Column("body", Json, nullable=False),
        sa.ForeignKeyConstraint(
            ["response_id"], ["responses.id"], name=op.f("fk_response_scores_response_id")
        ),
        sa.PrimaryKeyConstraint("response_id", "question", name=op.f("pk_response_scores")),
    )
    with op.batch_alter_table("response_scores", schema=None) as batch_op:
        batch_op.create_index(
            "ix_response_scores_questionnaire_question_at", ["questionnaire", "question", "at"], unique=False
        )
    op.create_table(
        "response_events",
        sa.Column("response_id", sa.String(length=26), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("at", Utc(), nullable=False),
        sa.Column("to_state", sa.String(length=16), nullable=False),
        sa.Column("channel", sa.String(length=8), nullable=False),
        sa.Column("by", sa.String(length=26), nullable=True),
        sa.Column("by_name", sa.String(length=64), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["response_id"], ["responses.id"], name=op.f("fk_response_events_response_id")
        ),
        sa.PrimaryKeyConstraint("response_id", "seq", name=op.f("pk_response_events")),
    )
    op.create_table(
        "survey_offers",
        sa.Column("id", sa.String(length=26), nullable=False),
        sa.Column("link_id", sa.String(length=26), nullable=False),
        sa.Column("customer_id", sa.String(length=26), nullable=False),
        sa.Column("vehicle_id", sa.String(length=26), nullable=True),
        sa.Column("contact_id", sa.String(length=26), nullable=True),
        sa.Column("questionnaire", sa.String(length=32), nullable=False),
        sa.Column("made_by_name", sa.String(length=64), nullable=False),
        sa.Column("response_id", sa.String(length=26), nullable=True),
        sa.Column("urgent", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["link_id"], ["links.id"], name=op.f("fk_survey_offers_link_id")),
        sa.ForeignKeyConstraint(["customer_id"], ["customers.id"], name=op.f("fk_survey_offers_customer_id")),
        sa.ForeignKeyConstraint(["vehicle_id"], ["vehicles.id"], name=op.f("fk_survey_offers_vehicle_id")),
        sa.ForeignKeyConstraint(["response_id"], ["responses.id"], name=op.f("fk_survey_offers_response_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_survey_offers")),
        sa.UniqueConstraint("link_id", name=op.f("uq_survey_offers_link_id")),
    )
    with op.batch_alter_table("survey_offers", schema=None) as batch_op:
        batch_op.create_index("ix_survey_offers_contact_id", ["contact_id", "id"], unique=False)
        batch_op.create_index("ix_survey_offers_customer_id", ["customer_id", "id"], unique=False)
        batch_op.create_index("ix_survey_offers_response_id", ["response_id"], unique=False)
        batch_op.create_index("ix_survey_offers_vehicle_id", ["vehicle_id"], unique=False)
