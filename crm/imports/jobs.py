"""An import from the file that was brought to its result: states, and what people choose on the way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from access.sentences import Sentence
from crm.imports.checking import Columns
from crm.imports.fields import ImportKind


class ImportState(StrEnum):
    """How far an import is.

    reading -> refused | choosing -> checking -> checked (or back to choosing) -> running -> done | stopped | undone,
    failed from any state that works.
    """

    READING = "reading"
    REFUSED = "refused"  # the file
    CHOOSING = "choosing"  # the columns
    CHECKING = "checking"  # the trial
    CHECKED = "checked"
    RUNNING = "running"
    TAKING_BACK = "taking_back"
    DONE = "done"
    STOPPED = "stopped"  # somebody asked for it; what is in is in
    UNDONE = "undone"  # all or nothing: nothing
    FAILED = "failed"


#: States in which the service works; gone on with after a restart.
WORKING = frozenset({ImportState.READING, ImportState.CHECKING, ImportState.RUNNING, ImportState.TAKING_BACK})
#: States behind which nothing comes.
ENDED = frozenset(
    {ImportState.REFUSED, ImportState.DONE, ImportState.STOPPED, ImportState.UNDONE, ImportState.FAILED}
)


class ListError(Exception):
    """Base of what can be refused about an import; nothing was changed.

    ListError
    ├── ImportNotFound       there is no such import
    ├── ImportNotPossible    its state does not allow that now
    └── ImportFilesGone      its files were removed meanwhile
    """

    error_id = "import-error"


class ImportNotFound(ListError):
    """There is no such import."""

    error_id = "import-not-found"


class ImportNotPossible(ListError):
    """The state of the import does not allow that now; `state` says which it is."""

    error_id = "import-not-possible"

    def __init__(self, state: ImportState) -> None:
        super().__init__(
            Sentence(
                "The import is in the state {import_state}; that cannot be done now. Nothing was changed.",
                import_state=state.value,
            )
        )
        self.state = state.value


class ImportFilesGone(ListError):
    """The files of the import were removed after their days; bring the file again."""

    error_id = "import-files-gone"


@dataclass(frozen=True, kw_only=True, slots=True)
class Choice:
    """What a person has chosen about a list."""

    #: Number of the row of names, as the spreadsheet shows it; rows up to it are no data.
    header_row: int = 0
    columns: Columns = field(default_factory=lambda: Columns(of={}))
    skip_hidden: bool = False
    all_or_nothing: bool = False

    def as_json(self) -> dict[str, Any]:
        """Plain JSON of it."""
        return {
            "header_row": self.header_row,
            "columns": dict(self.columns.of),
            "fixed": dict(self.columns.fixed),
            "skip_hidden": self.skip_hidden,
            "all_or_nothing": self.all_or_nothing,
        }


def choice_of(plain: Mapping[str, Any]) -> Choice:
    """The choice of plain JSON."""
    return Choice(
        header_row=plain.get("header_row", 0),
        columns=Columns(of=plain.get("columns", {}), fixed=plain.get("fixed", {})),
        skip_hidden=plain.get("skip_hidden", False),
        all_or_nothing=plain.get("all_or_nothing", False),
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Counts:
    """What became of the rows looked at so far."""

    done: int = 0
    added: int = 0
    changed: int = 0
    unchanged: int = 0
    refused: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class ImportJob:
    """One import."""

    id: str
    kind: ImportKind
    source: str
    state: ImportState
    worker: str = "service"
    file_name: str
    file_bytes: int = 0
    created_at: datetime
    by_id: str | None = None
    by_name: str = ""
    #: Plain JSON of what reading found (`crm.imports.files.child.read`).
    found: Mapping[str, Any] = field(default_factory=dict)
    choice: Choice = Choice()
    #: Rows with something in them.
    total: int = 0
    counts: Counts = Counts()
    place: int = 0
    #: Outcome to its first rows, plain JSON.
    examples: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)
    stop_wanted: bool = False
    error_id: str = ""
    error_values: Mapping[str, str] = field(default_factory=dict)
    started_at: datetime | None = None
    ended_at: datetime | None = None
    cleared_at: datetime | None = None

    @property
    def share(self) -> float:
        """How much of the step is done, 0 to 1."""
        return min(1.0, self.counts.done / self.total) if self.total else 0.0
