"""Tables of corrections: orders to a department to mend what is wrong in a record, and their history."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, ForeignKey, Index, Integer, String, Table, Text

from storage.tables.base import Utc, metadata

corrections = Table(
    "corrections",
    metadata,
    Column("id", String(26), primary_key=True),
    Column("customer_id", String(26), ForeignKey("customers.id"), nullable=False, index=True),
    Column("vehicle_id", String(26), ForeignKey("vehicles.id"), index=True),
    #: The call in which it was found.
    Column("call_id", String(26)),
    #: Whose data it is: a name of `crm.corrections.orders.Department`.
    Column("department", String(32), nullable=False),
    Column("field", String(64), nullable=False),
    Column("wrong_value", String(200), nullable=False),
    #: What the customer said, in his words.
    Column("said", Text, nullable=False),
    Column("state", String(16), nullable=False),
    #: How it ended: corrected, was_right, withdrawn; empty while it has not.
    Column("result", String(16), nullable=False),
    #: What the department says is right.
    Column("answer", String(200), nullable=False),
    Column("answer_note", Text, nullable=False),
    #: Whether the closing wrote the answer into the record.
    Column("applied", Boolean, nullable=False),
    Column("created_at", Utc, nullable=False),
    Column("created_by", String(26)),
    Column("due_at", Utc, nullable=False),
    Column("answered_at", Utc),
    Column("answered_by", String(26)),
    Column("checked_at", Utc),
    Column("checked_by", String(26)),
    Column("closed_at", Utc),
    #: Sent back this often.
    Column("rounds", Integer, nullable=False),
    Column("reminders", Integer, nullable=False),
    Column("reminded_at", Utc),
    Column("version", Integer, nullable=False),
    Index("ix_corrections_state_due_at", "state", "due_at", "id"),
    Index("ix_corrections_department_state_due_at", "department", "state", "due_at", "id"),
    #: Closed ones by age.
    Index("ix_corrections_state_created_at", "state", "created_at", "id"),
    Index("ix_corrections_department_state_created_at", "department", "state", "created_at", "id"),
    Index("ix_corrections_created_at", "created_at", "id"),
)

#: Every step of an order; append-only.
correction_steps = Table(
    "correction_steps",
    metadata,
    Column("id", String(26), primary_key=True),
    Column("correction_id", String(26), ForeignKey("corrections.id"), nullable=False, index=True),
    Column("at", Utc, nullable=False),
    Column("by_id", String(26)),
    Column("by_name", String(64), nullable=False),
    Column("step", String(16), nullable=False),
    Column("note", Text, nullable=False),
)

#: Which department a user of the role "department" belongs to; such a user sees no other's orders.
department_users = Table(
    "department_users",
    metadata,
    Column("user_id", String(26), ForeignKey("users.id"), primary_key=True),
    Column("department", String(32), nullable=False, index=True),
)
