"""Tables of tasks and of the calls they stand for."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Index, Integer, String, Table, Text

from storage.tables.base import Utc, metadata

tasks = Table(
    "tasks",
    metadata,
    Column("id", String(26), primary_key=True),
    Column("kind", String(16), nullable=False),
    Column("state", String(16), nullable=False),
    #: Why exactly this task exists: the same event never makes a second one.
    Column("occasion", String(80), nullable=False, unique=True),
    #: Set while open: one open task per waiting caller, whoever writes at the same time. NULL once closed.
    Column("open_key", String(48), unique=True),
    Column("number", String(20)),
    Column("customer_id", String(26), ForeignKey("customers.id")),
    Column("call_id", String(26), index=True),
    Column("last_call_id", String(26)),
    Column("queue", String(128)),
    Column("owner_id", String(26), ForeignKey("users.id")),
    Column("subject", Text, nullable=False),
    Column("calls", Integer, nullable=False),
    Column("created_at", Utc, nullable=False),
    Column("last_at", Utc, nullable=False),
    Column("due_at", Utc, nullable=False),
    Column("promised_by", Utc),
    Column("closed_at", Utc),
    Column("closed_by", String(32)),
    Column("result", Text),
    #: Queue or department it is for.
    Column("department", String(32)),
    #: Who made it by hand.
    Column("made_by", String(26)),
    #: With the owner, so that counting who has what reads no row.
    Index("ix_tasks_state_due_at_owner_id", "state", "due_at", "id", "owner_id"),
    #: Open ones of a customer or a number: with less SQLite would walk all open tasks in the order of time.
    Index("ix_tasks_customer_id_state_due_at", "customer_id", "state", "due_at", "id"),
    Index("ix_tasks_number_state_due_at", "number", "state", "due_at", "id"),
    Index("ix_tasks_owner_id_state_due_at", "owner_id", "state", "due_at", "id"),
    Index("ix_tasks_department_state_due_at", "department", "state", "due_at", "id"),
    Index("ix_tasks_closed_at", "closed_at", "id"),
)

#: Which event of which call is in which task: told again, it changes nothing.
task_calls = Table(
    "task_calls",
    metadata,
    Column("call_id", String(26), primary_key=True),
    Column("kind", String(16), primary_key=True),
    Column("task_id", String(26), ForeignKey("tasks.id"), nullable=False, index=True),
    Column("at", Utc, nullable=False),
)
