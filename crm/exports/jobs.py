"""An export: which list, as it was filtered, for whom, and the file it became."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from crm.exports.cells import ColumnKind, ExportFormat


class ExportKind(StrEnum):
    """Lists that can go out."""

    CUSTOMERS = "customers"
    VEHICLES = "vehicles"
    VISITS = "visits"
    CALLS = "calls"
    TASKS = "tasks"
    REPORTS = "reports"  # the rows behind a figure


class ExportState(StrEnum):
    """How far an export is."""

    MAKING = "making"
    READY = "ready"
    FAILED = "failed"
    REMOVED = "removed"


class ExportError(Exception):
    """Base of what can be refused about an export.

    ExportError
    ├── ExportNotFound   there is none, or it is somebody else's
    ├── ExportNotReady   it is being made, or has failed
    ├── ExportGone       its file was removed after its hours
    ├── ExportsTooMany   this person has several in the making
    └── BadExportFilter  the list cannot be filtered by that
    """

    error_id = "export-error"


class ExportNotFound(ExportError):
    """There is no such export, or it is somebody else's."""

    error_id = "export-not-found"


class ExportNotReady(ExportError):
    """The file is not there yet, or could not be made."""

    error_id = "export-not-ready"


class ExportGone(ExportError):
    """The file was removed after its hours; make it again."""

    error_id = "export-gone"


class ExportsTooMany(ExportError):
    """Several of this person's exports are in the making; wait for one."""

    error_id = "exports-too-many"


class BadExportFilter(ExportError):
    """The list cannot be filtered by that."""

    error_id = "export-filter"


@dataclass(frozen=True, kw_only=True, slots=True)
class ExportJob:
    """One export; it belongs to whoever asked for it, with that person's masks in it."""

    id: str
    kind: ExportKind
    format: ExportFormat
    state: ExportState = ExportState.MAKING
    #: As the list was filtered: plain text values, and "language" of the words in it.
    wanted: Mapping[str, str] = field(default_factory=dict)
    created_at: datetime
    by_id: str | None = None
    by_name: str = ""
    owner: str
    rows: int = 0
    bytes: int = 0
    #: More rows would have fitted the filter than a file may hold.
    cut: bool = False
    error: str = ""
    ended_at: datetime | None = None
    removed_at: datetime | None = None

    @property
    def file_name(self) -> str:
        """What it is called when it is saved: no text of anybody in it."""
        return f"careline-{self.kind.value}-{self.created_at:%Y%m%d-%H%M%S}.{self.format.value}"


#: Kind to its columns: field (the text "imports.field.NAME" is its header) and how it is written.
COLUMNS: Mapping[ExportKind, tuple[tuple[str, ColumnKind], ...]] = {
    ExportKind.CUSTOMERS: (
        ("customer_number", ColumnKind.TEXT),
        ("name", ColumnKind.TEXT),
        ("honorific", ColumnKind.TEXT),
        ("kind", ColumnKind.TEXT),
        ("language", ColumnKind.TEXT),
        ("key_account", ColumnKind.TEXT),
        ("phone", ColumnKind.TEXT),
        ("phone_2", ColumnKind.TEXT),
        ("vin", ColumnKind.TEXT),
        ("plate", ColumnKind.TEXT),
        ("brand", ColumnKind.TEXT),
        ("model", ColumnKind.TEXT),
        ("delivered_on", ColumnKind.DAY),
        ("mileage", ColumnKind.NUMBER),
        ("last_service_on", ColumnKind.DAY),
        ("role", ColumnKind.TEXT),
        ("note", ColumnKind.TEXT),
    ),
    ExportKind.VEHICLES: (
        ("vin", ColumnKind.TEXT),
        ("plate", ColumnKind.TEXT),
        ("brand", ColumnKind.TEXT),
        ("model", ColumnKind.TEXT),
        ("delivered_on", ColumnKind.DAY),
        ("mileage", ColumnKind.NUMBER),
        ("last_service_on", ColumnKind.DAY),
        ("next_due_on", ColumnKind.DAY),
        ("customer_number", ColumnKind.TEXT),
        ("role", ColumnKind.TEXT),
    ),
    ExportKind.VISITS: (
        ("order_number", ColumnKind.TEXT),
        ("vin", ColumnKind.TEXT),
        ("plate", ColumnKind.TEXT),
        ("visited_on", ColumnKind.DAY),
        ("mileage", ColumnKind.NUMBER),
        ("work", ColumnKind.TEXT),
        ("amount", ColumnKind.NUMBER),
        ("customer_number", ColumnKind.TEXT),
    ),
    ExportKind.CALLS: (
        ("started_at", ColumnKind.MOMENT),
        ("direction", ColumnKind.TEXT),
        ("number", ColumnKind.TEXT),
        ("called", ColumnKind.TEXT),
        ("queue", ColumnKind.TEXT),
        ("agent", ColumnKind.TEXT),
        ("outcome", ColumnKind.TEXT),
        ("wait_seconds", ColumnKind.NUMBER),
        ("talk_seconds", ColumnKind.NUMBER),
        ("ended_at", ColumnKind.MOMENT),
        ("rating", ColumnKind.NUMBER),
        ("call_id", ColumnKind.TEXT),
    ),
    ExportKind.TASKS: (
        ("task_kind", ColumnKind.TEXT),
        ("state", ColumnKind.TEXT),
        ("due_at", ColumnKind.MOMENT),
        ("subject", ColumnKind.TEXT),
        ("number", ColumnKind.TEXT),
        ("agent", ColumnKind.TEXT),
        ("created_at", ColumnKind.MOMENT),
        ("closed_at", ColumnKind.MOMENT),
        ("result", ColumnKind.TEXT),
    ),
    ExportKind.REPORTS: (
        ("report_at", ColumnKind.MOMENT),
        ("report_kind", ColumnKind.TEXT),
        ("report_word", ColumnKind.TEXT),
        ("customer_number", ColumnKind.TEXT),
        ("name", ColumnKind.TEXT),
        ("phone", ColumnKind.TEXT),
        ("report_department", ColumnKind.TEXT),
        ("agent", ColumnKind.TEXT),
        ("report_text", ColumnKind.TEXT),
        ("report_seconds", ColumnKind.NUMBER),
        ("report_passed_at", ColumnKind.MOMENT),
    ),
}
