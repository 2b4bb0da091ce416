"""Tables of reports: daily work reports, the maker's list and its files, hand-overs to departments, documents."""

from __future__ import annotations

from sqlalchemy import (
    Boolean,
    Column,
    Date,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from storage.tables.base import Json, Utc, metadata

#: One a person and day. The newest content stands here, every step in `work_report_steps`.
work_reports = Table(
    "work_reports",
    metadata,
    Column("id", String(26), primary_key=True),
    Column("user_id", String(26), ForeignKey("users.id"), nullable=False),
    Column("day", Date, nullable=False),
    Column("state", String(16), nullable=False),
    #: Figures as they were at the last handing in; empty before.
    Column("figures", Json, nullable=False),
    Column("problems", Text, nullable=False),
    Column("plan", Text, nullable=False),
    #: What the manager says.
    Column("comment", Text, nullable=False),
    Column("due_at", Utc, nullable=False),
    Column("drafted_at", Utc, nullable=False),
    Column("handed_in_at", Utc),
    #: The first handing in came after `due_at`.
    Column("late", Boolean, nullable=False),
    Column("reviewed_at", Utc),
    Column("reviewed_by", String(26)),
    Column("version", Integer, nullable=False),
    UniqueConstraint("user_id", "day"),
    Index("ix_work_reports_day_state", "day", "state", "id"),
)

#: Every step of a work report; append-only.
work_report_steps = Table(
    "work_report_steps",
    metadata,
    Column("id", String(26), primary_key=True),
    Column("work_report_id", String(26), ForeignKey("work_reports.id"), nullable=False, index=True),
    Column("at", Utc, nullable=False),
    Column("by_id", String(26)),
    Column("by_name", String(64), nullable=False),
    Column("step", String(16), nullable=False),
    Column("version", Integer, nullable=False),
    #: Words and figures after the step.
    Column("content", Json, nullable=False),
)

#: Customers who were visited and must stand in the maker's CRM; one a visit.
maker_visits = Table(
    "maker_visits",
    metadata,
    Column("id", String(26), primary_key=True),
    #: Which visit: the same never stands here twice.
    Column("occasion", String(80), nullable=False, unique=True),
    Column("customer_id", String(26), ForeignKey("customers.id"), nullable=False),
    Column("vehicle_id", String(26), ForeignKey("vehicles.id"), index=True),
    Column("call_id", String(26)),
    Column("agent_id", String(26)),
    #: What came of the visit: a word.
    Column("result", String(32), nullable=False),
    Column("visited_at", Utc, nullable=False),
    Column("state", String(16), nullable=False),
    #: Digest of the row that was last exported, or entered by hand; empty: none.
    Column("digest", String(64), nullable=False),
    Column("exported_at", Utc),
    #: Times it stood in a file.
    Column("exports", Integer, nullable=False),
    Column("by_id", String(26)),
    Column("by_at", Utc),
    Column("note", String(200), nullable=False),
    Column("version", Integer, nullable=False),
    Index("ix_maker_visits_state_visited_at", "state", "visited_at", "id"),
    Index("ix_maker_visits_visited_at", "visited_at", "id"),
    Index("ix_maker_visits_customer_id", "customer_id"),
)

#: Files for the maker's CRM, kept as they were made.
maker_files = Table(
    "maker_files",
    metadata,
    Column("id", String(26), primary_key=True),
    #: "evening:2026-06-16", or the request that asked for it: asked twice, it is one file.
    Column("occasion", String(120), nullable=False, unique=True),
    Column("made_at", Utc, nullable=False),
    Column("made_by", String(26)),
    Column("made_by_name", String(64), nullable=False),
    Column("format", String(8), nullable=False),
    Column("rows", Integer, nullable=False),
    #: Of them, rows that stood in an earlier file and were corrected since.
    Column("corrected", Integer, nullable=False),
    #: Visits left out because something is missing.
    Column("left_out", Integer, nullable=False),
    Column("bytes", Integer, nullable=False),
    Column("sha256", String(64), nullable=False),
    #: None: removed after its time, or because a person in it was erased.
    Column("content", LargeBinary),
    Column("removed_at", Utc),
    Index("ix_maker_files_made_at", "made_at", "id"),
)

#: Which visit stood in which file.
maker_file_visits = Table(
    "maker_file_visits",
    metadata,
    Column("file_id", String(26), ForeignKey("maker_files.id"), primary_key=True),
    Column("visit_id", String(26), ForeignKey("maker_visits.id"), primary_key=True),
    #: new, corrected
    Column("mark", String(16), nullable=False),
    Index("ix_maker_file_visits_visit_id", "visit_id"),
)

#: Who took a file out.
maker_downloads = Table(
    "maker_downloads",
    metadata,
    Column("id", String(26), primary_key=True),
    Column("file_id", String(26), ForeignKey("maker_files.id"), nullable=False, index=True),
    Column("at", Utc, nullable=False),
    Column("by_id", String(26)),
    Column("by_name", String(64), nullable=False),
)

#: The problems of a day, passed to a department (M-095).
problem_lists = Table(
    "problem_lists",
    metadata,
    Column("id", String(26), primary_key=True),
    #: The request that asked for it: asked twice, it is one list.
    Column("occasion", String(120), nullable=False, unique=True),
    Column("day", Date, nullable=False),
    #: Empty: of no department.
    Column("department", String(32), nullable=False),
    #: How it went: link, printed, file.
    Column("how", String(16), nullable=False),
    Column("recipient", String(64), nullable=False),
    Column("at", Utc, nullable=False),
    Column("by_id", String(26)),
    Column("by_name", String(64), nullable=False),
    #: The department's first look by its link.
    Column("read_at", Utc),
    Index("ix_problem_lists_day_department", "day", "department", "id"),
)

#: What stood in a list; a problem is passed to a department once.
problem_items = Table(
    "problem_items",
    metadata,
    Column("department", String(32), primary_key=True),
    Column("kind", String(16), primary_key=True),
    Column("item_id", String(26), primary_key=True),
    Column("list_id", String(26), ForeignKey("problem_lists.id"), nullable=False, index=True),
)

#: Reports that are written, approved and sent: investigation, complaints of a period, analyses (M-145, M-147).
reports = Table(
    "reports",
    metadata,
    Column("id", String(26), primary_key=True),
    #: By the year, e.g. BG2026-0012.
    Column("number", String(32), nullable=False, unique=True),
    #: Why exactly it was drafted: the same schedule and period never draft a second one.
    Column("occasion", String(120), nullable=False, unique=True),
    Column("kind", String(32), nullable=False),
    Column("language", String(8), nullable=False),
    Column("title", String(200), nullable=False),
    #: The case an investigation is about.
    Column("case_id", String(26), index=True),
    Column("first", Date, nullable=False),
    Column("last", Date, nullable=False),
    Column("state", String(16), nullable=False),
    #: Section to its text.
    Column("sections", Json, nullable=False),
    #: Figures as they were when it was drafted or drawn up again.
    Column("figures", Json, nullable=False),
    Column("figures_at", Utc, nullable=False),
    Column("drafted_at", Utc, nullable=False),
    Column("drafted_by", String(26)),
    Column("drafted_by_name", String(64), nullable=False),
    Column("approved_at", Utc),
    Column("approved_by", String(26)),
    Column("approved_by_name", String(64), nullable=False),
    Column("sent_at", Utc),
    Column("version", Integer, nullable=False),
    Index("ix_reports_drafted_at", "drafted_at", "id"),
    Index("ix_reports_state_drafted_at", "state", "drafted_at", "id"),
)

#: Every step of a report, with its text after it; append-only.
report_steps = Table(
    "report_steps",
    metadata,
    Column("id", String(26), primary_key=True),
    Column("report_id", String(26), ForeignKey("reports.id"), nullable=False, index=True),
    Column("at", Utc, nullable=False),
    Column("by_id", String(26)),
    Column("by_name", String(64), nullable=False),
    Column("step", String(16), nullable=False),
    Column("version", Integer, nullable=False),
    Column("note", Text, nullable=False),
    Column("content", Json, nullable=False),
)

#: To whom a report goes, and how far it is.
report_recipients = Table(
    "report_recipients",
    metadata,
    Column("id", String(26), primary_key=True),
    Column("report_id", String(26), ForeignKey("reports.id"), nullable=False, index=True),
    Column("place", Integer, nullable=False),
    Column("name", String(64), nullable=False),
    #: page (somebody of the house, in Careline), printed, link
    Column("how", String(16), nullable=False),
    Column("user_id", String(26), ForeignKey("users.id")),
    #: waiting, sent, read
    Column("state", String(16), nullable=False),
    Column("sent_at", Utc),
    Column("sent_by", String(26)),
    Column("read_at", Utc),
    Index("ix_report_recipients_user_id_sent_at", "user_id", "sent_at", "id"),
)

#: Distribution lists by name.
report_lists = Table(
    "report_lists",
    metadata,
    Column("id", String(26), primary_key=True),
    Column("name", String(64), nullable=False, unique=True),
    Column("entries", Json, nullable=False),
    Column("version", Integer, nullable=False),
    Column("updated_at", Utc, nullable=False),
)

#: Reports that are drafted by themselves (M-147).
report_schedules = Table(
    "report_schedules",
    metadata,
    Column("id", String(26), primary_key=True),
    Column("kind", String(32), nullable=False),
    Column("language", String(8), nullable=False),
    #: weekly (day 1 is Monday), monthly (day of the month)
    Column("cadence", String(16), nullable=False),
    Column("day", Integer, nullable=False),
    Column("list_id", String(26), ForeignKey("report_lists.id")),
    Column("is_on", Boolean, nullable=False),
    Column("since", Date, nullable=False),
    Column("version", Integer, nullable=False),
)
