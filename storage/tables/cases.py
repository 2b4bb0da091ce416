"""Tables of cases: what customers told us that somebody must answer for, its trail, and the tasks it made."""

from __future__ import annotations

from sqlalchemy import (
    Boolean,
    Column,
    Date,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from storage.tables.base import Json, Utc, metadata

cases = Table(
    "cases",
    metadata,
    Column("id", String(26), primary_key=True),
    #: By the house's yearly rule.
    Column("number", String(40), nullable=False, unique=True),
    Column("kind", String(16), nullable=False),
    Column("grade", String(16), nullable=False),
    Column("source", String(16), nullable=False),
    Column("state", String(16), nullable=False),
    Column("round", Integer, nullable=False),
    Column("version", Integer, nullable=False),
    #: Events of its trail: the last `seq`.
    Column("events", Integer, nullable=False),
    Column("subject", Text, nullable=False),
    #: The customer's own words, and what the agent makes of them.
    Column("words", Text, nullable=False),
    Column("summary", Text, nullable=False),
    Column("happened", Text, nullable=False),
    Column("place", Text, nullable=False),
    Column("symptom", Text, nullable=False),
    Column("wants", Text, nullable=False),
    Column("occurred_at", Utc, nullable=False),
    Column("opened_at", Utc, nullable=False),
    Column("round_at", Utc, nullable=False),
    Column("opened_by", String(26)),
    Column("opened_by_name", String(64), nullable=False),
    Column("customer_id", String(26), ForeignKey("customers.id")),
    Column("vehicle_id", String(26), ForeignKey("vehicles.id")),
    Column("mileage", Integer),
    Column("phone", String(20)),
    Column("caller_name", String(64), nullable=False),
    Column("call_id", String(26), index=True),
    Column("response_id", String(26)),
    #: The same event never opens a second case.
    Column("occasion", String(80), unique=True),
    Column("department", String(32)),
    Column("handler_id", String(26), ForeignKey("users.id")),
    Column("departmental_person", String(64), nullable=False),
    Column("consultant", String(64), nullable=False),
    Column("advisor", String(64), nullable=False),
    Column("technician", String(64), nullable=False),
    Column("promised_at", Utc),
    Column("answer_due_at", Utc),
    Column("answered_at", Utc),
    Column("solve_due_at", Utc),
    Column("solved_at", Utc),
    Column("stage_due_at", Utc),
    #: The nearest deadline that is not met; NULL once closed.
    Column("due_at", Utc),
    Column("due_what", String(16)),
    Column("answer_late", Boolean, nullable=False),
    Column("solution_late", Boolean, nullable=False),
    Column("cause", Text, nullable=False),
    Column("responsibility", String(16)),
    Column("plan", Text, nullable=False),
    Column("carry_out_on", Date),
    Column("replied_at", Utc),
    Column("replied_by_name", String(64), nullable=False),
    Column("corrective_action", Text, nullable=False),
    Column("corrective_owner", String(64), nullable=False),
    Column("corrective_on", Date),
    Column("effect_on", Date),
    Column("effect", String(16)),
    Column("effect_words", Text, nullable=False),
    Column("effect_at", Utc),
    Column("tell_tries", Integer, nullable=False),
    Column("refusals", Integer, nullable=False),
    Column("visit_tries", Integer, nullable=False),
    Column("verdict", String(16)),
    Column("visited_at", Utc),
    Column("withdrawn_at", Utc),
    Column("exception_by", String(26)),
    Column("exception_by_name", String(64), nullable=False),
    Column("exception_at", Utc),
    Column("exception_reason", Text, nullable=False),
    Column("ending", String(16)),
    Column("closed_at", Utc),
    Column("closed_by_name", String(64), nullable=False),
    Column("closing_words", Text, nullable=False),
    #: Ids of cases; no foreign keys, the older one may be past its time.
    Column("repeat_of", String(26)),
    Column("duplicate_of", String(26)),
    Column("urges", Integer, nullable=False),
    Column("urged_at", Utc),
    #: When the house has to look at it by itself: the next reminder, escalation or day of a plan.
    Column("look_at", Utc),
    Index("ix_cases_look_at", "look_at", "id"),
    Index("ix_cases_due_at", "due_at", "id"),
    Index("ix_cases_handler_id_due_at", "handler_id", "due_at", "id"),
    Index("ix_cases_department_due_at", "department", "due_at", "id"),
    Index("ix_cases_opened_at", "opened_at", "id"),
    Index("ix_cases_closed_at", "closed_at", "id"),
    Index("ix_cases_customer_id_opened_at", "customer_id", "opened_at"),
    Index("ix_cases_vehicle_id_opened_at", "vehicle_id", "opened_at"),
)

#: The trail of a case; append-only.
case_events = Table(
    "case_events",
    metadata,
    Column("id", String(26), primary_key=True),
    Column("case_id", String(26), ForeignKey("cases.id"), nullable=False),
    #: 1, 2, 3, … without gaps.
    Column("seq", Integer, nullable=False),
    Column("at", Utc, nullable=False),
    Column("step", String(16), nullable=False),
    #: user, link, program or house.
    Column("by", String(16), nullable=False),
    Column("by_id", String(26)),
    Column("by_name", String(64), nullable=False),
    Column("link_id", String(26)),
    Column("from_state", String(16)),
    Column("to_state", String(16), nullable=False),
    Column("round", Integer, nullable=False),
    #: The case's version after it.
    Column("version", Integer, nullable=False),
    Column("words", Text, nullable=False),
    Column("data", Json, nullable=False),
    #: What a notice of the house is about: the same is never given twice.
    Column("occasion", String(80)),
    UniqueConstraint("case_id", "seq"),
    UniqueConstraint("case_id", "occasion"),
    Index("ix_case_events_at", "at"),
)

#: Which tasks a case made, and for what.
case_tasks = Table(
    "case_tasks",
    metadata,
    Column("task_id", String(26), ForeignKey("tasks.id"), primary_key=True),
    Column("case_id", String(26), ForeignKey("cases.id"), nullable=False, index=True),
    #: tell_plan, visit, sign USER, …: `crm.cases.duties`.
    Column("what", String(80), nullable=False),
)
