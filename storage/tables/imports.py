"""Tables of lists that come in and go out: imports with their faults, numbers of other programs, and exports."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
)

from storage.tables.base import Json, Utc, metadata

#: One list that somebody brought (`crm.imports.jobs.ImportJob`); the file and its rows lie in the data folder.
import_jobs = Table(
    "import_jobs",
    metadata,
    Column("id", String(26), primary_key=True),
    Column("kind", String(16), nullable=False),
    #: The program the list comes from, as people call it; its numbers and its columns are kept under this name.
    Column("source", String(64), nullable=False),
    Column("state", String(16), nullable=False),
    #: Who works on it: "service", or "command PID".
    Column("worker", String(32), nullable=False),
    Column("file_name", String(200), nullable=False),
    Column("file_bytes", BigInteger, nullable=False),
    Column("created_at", Utc, nullable=False),
    Column("by_id", String(26), ForeignKey("users.id")),
    Column("by_name", String(64), nullable=False),
    #: What reading found: sheets, first rows, hidden and merged things.
    Column("found", Json, nullable=False),
    #: Columns, fixed values, row of names, what to do with hidden rows, all or nothing.
    Column("choice", Json, nullable=False),
    Column("total", Integer, nullable=False),
    Column("done", Integer, nullable=False),
    Column("added", Integer, nullable=False),
    Column("changed", Integer, nullable=False),
    Column("unchanged", Integer, nullable=False),
    Column("refused", Integer, nullable=False),
    #: Place in the file of checked rows behind what is in the database.
    Column("place", BigInteger, nullable=False),
    #: First examples per outcome of the last trial.
    Column("examples", Json, nullable=False),
    Column("stop_wanted", Boolean, nullable=False),
    Column("error_id", String(40), nullable=False),
    Column("error_values", Json, nullable=False),
    Column("started_at", Utc),
    Column("ended_at", Utc),
    #: When its files were removed.
    Column("cleared_at", Utc),
    Index("ix_import_jobs_created_at_id", "created_at", "id"),
)

#: Rows that did not go in, with all their reasons.
import_faults = Table(
    "import_faults",
    metadata,
    Column("job_id", String(26), ForeignKey("import_jobs.id"), nullable=False),
    Column("row", Integer, nullable=False),
    Column("faults", Json, nullable=False),
    PrimaryKeyConstraint("job_id", "row"),
)

#: What an import of all or nothing has written so far, so that it can be taken back: a batch each.
import_undo = Table(
    "import_undo",
    metadata,
    Column("job_id", String(26), ForeignKey("import_jobs.id"), nullable=False),
    Column("batch", Integer, nullable=False),
    Column("writes", Json, nullable=False),
    PrimaryKeyConstraint("job_id", "batch"),
)

#: Columns as they were chosen last for a source.
import_columns = Table(
    "import_columns",
    metadata,
    Column("kind", String(16), nullable=False),
    Column("source", String(64), nullable=False),
    #: Column's name as it is compared, to field; "" for one that is left out.
    Column("columns", Json, nullable=False),
    Column("fixed", Json, nullable=False),
    Column("at", Utc, nullable=False),
    Column("by_name", String(64), nullable=False),
    PrimaryKeyConstraint("kind", "source"),
)

#: Numbers under which other programs know a customer.
source_keys = Table(
    "source_keys",
    metadata,
    Column("source", String(64), nullable=False),
    Column("key", String(64), nullable=False),
    Column("customer_id", String(26), ForeignKey("customers.id"), nullable=False),
    Column("at", Utc, nullable=False),
    PrimaryKeyConstraint("source", "key"),
    Index("ix_source_keys_customer_id", "customer_id"),
)

#: Files that were made of lists; removed after some hours.
export_jobs = Table(
    "export_jobs",
    metadata,
    Column("id", String(26), primary_key=True),
    Column("kind", String(16), nullable=False),
    Column("format", String(8), nullable=False),
    Column("state", String(16), nullable=False),
    #: As the list was filtered; plain JSON.
    Column("wanted", Json, nullable=False),
    Column("created_at", Utc, nullable=False),
    Column("by_id", String(26), ForeignKey("users.id")),
    Column("by_name", String(64), nullable=False),
    #: Owner as it is asked for: "user:ID", "token:ID" or "command".
    Column("owner", String(64), nullable=False),
    Column("rows", Integer, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    #: More rows would have fitted the filter than a file may hold.
    Column("cut", Boolean, nullable=False),
    Column("error", Text, nullable=False),
    Column("ended_at", Utc),
    Column("removed_at", Utc),
    Index("ix_export_jobs_owner_created_at", "owner", "created_at"),
)
