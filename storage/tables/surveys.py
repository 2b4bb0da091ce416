"""Tables of questionnaires, every version of them, and of what customers answered."""

from __future__ import annotations

from sqlalchemy import (
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    Text,
)

from storage.tables.base import Json, Utc, metadata

#: Every version; a draft's body may be unfinished. Only approved ones are asked.
questionnaires = Table(
    "questionnaires",
    metadata,
    Column("code", String(32), primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("state", String(16), nullable=False),
    Column("purpose", String(16), nullable=False),
    Column("label", Json, nullable=False),
    Column("body", Json, nullable=False),
    #: Rises with every saving of a draft.
    Column("revision", Integer, nullable=False),
    Column("at", Utc, nullable=False),
    Column("by", String(26)),
    Column("by_name", String(64), nullable=False),
    Index("ix_questionnaires_state_purpose", "state", "purpose", "code"),
)

#: Who wrote, submitted, approved and retired a version, and why; append-only.
questionnaire_events = Table(
    "questionnaire_events",
    metadata,
    Column("id", String(26), primary_key=True),
    Column("code", String(32), nullable=False),
    Column("version", Integer, nullable=False),
    Column("at", Utc, nullable=False),
    Column("step", String(16), nullable=False),
    Column("by", String(26)),
    Column("by_name", String(64), nullable=False),
    Column("why", String(1000), nullable=False),
    Index("ix_questionnaire_events_code_version", "code", "version", "id"),
)

#: One customer's answers to one version, with what they came to.
responses = Table(
    "responses",
    metadata,
    Column("id", String(26), primary_key=True),
    Column("questionnaire", String(32), nullable=False),
    Column("version", Integer, nullable=False),
    Column("purpose", String(16), nullable=False),
    Column("channel", String(8), nullable=False),
    Column("state", String(16), nullable=False),
    Column("rev", Integer, nullable=False),
    Column("customer_id", String(26), ForeignKey("customers.id")),
    Column("vehicle_id", String(26), ForeignKey("vehicles.id")),
    Column("contact_id", String(26)),
    Column("call_id", String(26)),
    Column("case_id", String(26)),
    #: The same contact, link or call never begins a second one.
    Column("occasion", String(80), unique=True),
    Column("begun_at", Utc, nullable=False),
    Column("begun_by", String(26)),
    Column("begun_by_name", String(64), nullable=False),
    Column("touched_at", Utc, nullable=False),
    Column("ended_at", Utc),
    Column("ended_by_name", String(64), nullable=False),
    Column("why", Text, nullable=False),
    Column("summary", Text, nullable=False),
    Column("total", Float),
    Column("dissatisfied", Boolean, nullable=False),
    Column("opened_case_id", String(26)),
    Column("advisor", String(64), nullable=False),
    Column("model", String(64), nullable=False),
    Index("ix_responses_questionnaire_begun_at", "questionnaire", "begun_at", "id"),
    Index("ix_responses_begun_at", "begun_at", "id"),
    Index("ix_responses_customer_id_begun_at", "customer_id", "begun_at"),
    Index("ix_responses_vehicle_id", "vehicle_id"),
    Index("ix_responses_contact_id", "contact_id"),
    Index("ix_responses_call_id", "call_id"),
    Index("ix_responses_case_id", "case_id"),
    #: Dissatisfied customers, newest first.
    Index("ix_responses_dissatisfied_ended_at", "dissatisfied", "ended_at", "id"),
    #: What was begun and left lying.
    Index("ix_responses_state_touched_at", "state", "touched_at"),
)

#: Every answer as it was given; the highest `seq` of a question counts. Append-only.
response_answers = Table(
    "response_answers",
    metadata,
    Column("response_id", String(26), ForeignKey("responses.id"), primary_key=True),
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("question", String(32), nullable=False),
    #: {"value": …}; null is passed over.
    Column("body", Json, nullable=False),
    Column("words", Text, nullable=False),
    Column("summary", Text, nullable=False),
    Column("channel", String(8), nullable=False),
    Column("by", String(26)),
    Column("by_name", String(64), nullable=False),
    Column("at", Utc, nullable=False),
)

#: The answers that count of responses that are over, one row a question: what results are computed from.
response_scores = Table(
    "response_scores",
    metadata,
    Column("response_id", String(26), ForeignKey("responses.id"), primary_key=True),
    Column("question", String(32), primary_key=True),
    Column("questionnaire", String(32), nullable=False),
    Column("at", Utc, nullable=False),
    #: 0 to 100; null: it was answered, and says nothing about satisfaction.
    Column("score", Float),
    Column("dissatisfied", Boolean, nullable=False),
    #: The answer, as in `response_answers`.
    Column("body", Json, nullable=False),
    Index("ix_response_scores_questionnaire_question_at", "questionnaire", "question", "at"),
)

#: Begun, broken off, taken up again, finished, declined: by whom and why; append-only.
response_events = Table(
    "response_events",
    metadata,
    Column("response_id", String(26), ForeignKey("responses.id"), primary_key=True),
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("at", Utc, nullable=False),
    Column("to_state", String(16), nullable=False),
    Column("channel", String(8), nullable=False),
    Column("by", String(26)),
    Column("by_name", String(64), nullable=False),
    Column("why", Text, nullable=False),
)

#: A questionnaire offered to a customer by a private link; what became of it stands in `links` and `responses`.
survey_offers = Table(
    "survey_offers",
    metadata,
    Column("id", String(26), primary_key=True),
    Column("link_id", String(26), ForeignKey("links.id"), nullable=False, unique=True),
    Column("customer_id", String(26), ForeignKey("customers.id"), nullable=False),
    Column("vehicle_id", String(26), ForeignKey("vehicles.id")),
    Column("contact_id", String(26)),
    Column("questionnaire", String(32), nullable=False),
    Column("made_by_name", String(64), nullable=False),
    #: Since the link was opened.
    Column("response_id", String(26), ForeignKey("responses.id")),
    #: The answers so far open a case: this one is not left lying until the link ends.
    Column("urgent", Boolean, nullable=False),
    Index("ix_survey_offers_customer_id", "customer_id", "id"),
    Index("ix_survey_offers_contact_id", "contact_id", "id"),
    Index("ix_survey_offers_response_id", "response_id"),
    Index("ix_survey_offers_vehicle_id", "vehicle_id"),
)
