"""What the web side needs for lists that come in and go out."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from access.audit import Entry
from access.users import Principal
from crm.exports.cells import ExportFormat
from crm.exports.jobs import ExportJob, ExportKind
from crm.imports.fields import ImportKind
from crm.imports.jobs import Choice, ImportJob
from crm.imports.own_fields import Own


@dataclass(frozen=True, kw_only=True, slots=True)
class ImportPage:
    """Imports newest first."""

    items: Sequence[ImportJob]
    next: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class ExportPage:
    """Somebody's exports, newest first."""

    items: Sequence[ExportJob]
    next: str | None = None


class Imports(Protocol):
    """Lists of other programs. What is shown of their rows is masked for who looks."""

    @property
    def most_bytes(self) -> int:
        """Largest file that is taken."""

    async def list(self, cursor: str | None, limit: int) -> ImportPage:
        """Raises BadCursor."""

    async def get(self, viewer: Principal, import_id: str) -> ImportJob:
        """Raises ImportNotFound."""

    async def faults(
        self, viewer: Principal, import_id: str, after: int, limit: int
    ) -> Sequence[tuple[int, Sequence[Any]]]:
        """Rows above `after` that did not go in, in order, with (reason, field, values). Raises ImportNotFound."""

    async def own_fields(self) -> Own:
        """The house's own fields by their names in lists, retired ones too."""

    async def sources(self) -> Sequence[str]:
        """Names of programs that lists came from before."""

    async def upload(
        self, kind: ImportKind, source: str, file_name: str, chunks: AsyncIterator[bytes], entry: Entry
    ) -> ImportJob:
        """Keep the file and begin to read it. Raises FileRefused where it is too large or empty."""

    async def read_sheet(self, import_id: str, sheet: str) -> ImportJob:
        """Read another sheet of the file. Raises ImportNotFound, ImportNotPossible."""

    async def choose(self, viewer: Principal, import_id: str, choice: Choice, entry: Entry) -> ImportJob:
        """Keep the columns for this source, and try: nothing is written.

        Raises ImportNotPossible, MappingError, and FieldLocked for a field that the viewer may not change.
        """

    async def run(self, viewer: Principal, import_id: str, all_or_nothing: bool, entry: Entry) -> ImportJob:
        """Write what the trial has shown. Raises ImportNotFound, ImportNotPossible, MappingError, FieldLocked."""

    async def stop(self, viewer: Principal, import_id: str, entry: Entry) -> ImportJob:
        """At the next batch; what is in is in, all of a list of all or nothing is out. Raises ImportNotPossible."""

    async def make_group(self, viewer: Principal, import_id: str, name: str, entry: Entry) -> tuple[str, int]:
        """A static group of everybody its rows speak of; the group's id, and how many are in it.

        One of this name that was begun and is not full yet is gone on with; it also is by itself.
        Raises ImportNotFound, ImportNotPossible before it has ended, ImportFilesGone, GroupRefused, GroupTaken.
        """

    async def bad_rows(self, import_id: str, language: str, viewer: Principal | None = None) -> Path:
        """A workbook of the same layout with the rows that did not go in, and why. None: the shell asks.

        Raises ImportNotFound, ImportFilesGone, FieldLocked where the rows fill what the viewer does not see,
        and ImportNotPossible where there is none.
        """


class Exports(Protocol):
    """Files of lists, with the masks of whoever asked, for that one alone."""

    async def begin(
        self,
        viewer: Principal,
        kind: ExportKind,
        format: ExportFormat,
        wanted: Mapping[str, str],
        entry: Entry,
    ) -> ExportJob:
        """Begin to make a file; small ones are ready when this returns. Raises ExportsTooMany, BadExportFilter."""

    async def list(self, viewer: Principal, cursor: str | None, limit: int) -> ExportPage:
        """Raises BadCursor."""

    async def get(self, viewer: Principal, export_id: str) -> ExportJob:
        """Raises ExportNotFound, also where it is somebody else's."""

    async def file(self, viewer: Principal, export_id: str) -> Path:
        """Raises ExportNotFound, ExportNotReady, ExportGone."""
