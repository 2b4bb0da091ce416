"""Two records of one person made one: which value is kept per field, and what may be merged at all.

The record that is given up stays as a pointer: its number and id are still found and lead to the other. Every
row that goes over is written down, so that the merge can be undone (`storage.merging`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final

from access.sentences import Sentence
from crm.records.customers import BadRecord, RecordError


class MergeNotFound(RecordError):
    """There is no such merge."""

    error_id = "merge-not-found"


class MergeRefused(RecordError):
    """These records cannot be merged: one was merged already, or it is the same record twice."""

    error_id = "merge-refused"


class UndoRefused(RecordError):
    """The merge cannot be undone now: it was undone already, or a later merge has to be undone first."""

    error_id = "undo-refused"


class RecordMerged(RecordError):
    """The record was merged into another since it was read; `holder` is the other's customer number."""

    error_id = "record-merged"

    def __init__(self, number: str, into: str) -> None:
        super().__init__(
            Sentence(
                "The record {number} was merged into {into}. Nothing was changed; open {into}.",
                number=number,
                into=into,
            )
        )
        self.holder = into


class Side(StrEnum):
    """Whose value is kept."""

    SURVIVOR = "survivor"
    MERGED = "merged"


#: Fields a person may choose between, with the columns that go together.
FIELDS: Final[Mapping[str, tuple[str, ...]]] = {
    "name": ("name", "name_key"),
    "kind": ("kind",),
    "honorific": ("honorific",),
    "sex": ("sex",),
    "birthday": ("birthday",),
    "language": ("language",),
    "key_account": ("key_account",),
    "own_agent_id": ("own_agent_id",),
    "occupation": ("occupation",),
    "address": ("address",),
    "source": ("source",),
    "need": ("need",),
    "budget": ("budget",),
    "focus": ("focus",),
    "purchase_expected_on": ("purchase_expected_on",),
    "paper_file": ("paper_file",),
    "secrecy": ("secrecy",),
    "customer_class": ("customer_class", "value_grade", "loyalty_grade", "potential_grade", "classed_by"),
    "credit_grade": ("credit_grade",),
    "visit_every_days": ("visit_every_days",),
    "visited_on": ("visited_on",),
}
#: Of these the safer value is kept where nobody chooses: a key account stays one, a restricted record closed.
_SAFER: Final[Mapping[str, object]] = {"key_account": True, "secrecy": "restricted"}
#: Values that say nothing.
_NOTHING: Final = (None, "", "none", False)


@dataclass(frozen=True, kw_only=True, slots=True)
class FieldPair:
    """One field of two records side by side."""

    field: str
    survivor: str
    merged: str
    #: Whose value is kept unless somebody chooses.
    proposed: Side

    @property
    def differs(self) -> bool:
        """Whether there is anything to choose."""
        return self.survivor != self.merged


@dataclass(frozen=True, kw_only=True, slots=True)
class Merge:
    """A merge that was made."""

    id: str
    survivor_id: str
    merged_id: str
    at: datetime
    by_name: str
    choices: Mapping[str, str] = field(default_factory=dict)
    #: Rows that went over, by table.
    moved: Mapping[str, int] = field(default_factory=dict)
    undone_at: datetime | None = None
    undone_by: str = ""
    #: What the undo could not put back.
    not_restored: Sequence[NotRestored] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class NotRestored:
    """One thing an undo left as it is, and why: gone, changed, taken, or new since the merge."""

    what: str
    why: str
    count: int = 1


def proposed(name: str, survivor: object, merged: object) -> Side:
    """Whose value of a field is kept where nobody chooses: what is known before what is not."""
    if name in _SAFER:
        safe = _SAFER[name]
        return Side.MERGED if merged == safe and survivor != safe else Side.SURVIVOR
    if name == "visited_on" and survivor is not None and merged is not None:
        return Side.MERGED if str(merged) > str(survivor) else Side.SURVIVOR
    return Side.MERGED if survivor in _NOTHING and merged not in _NOTHING else Side.SURVIVOR


def check_choices(choices: Mapping[str, str], own_fields: Sequence[str] = ()) -> dict[str, Side]:
    """What a person chose, read. Raises BadRecord for a field or side that is none."""
    read: dict[str, Side] = {}
    for name, side in choices.items():
        if name not in FIELDS and name not in own_fields:
            raise BadRecord(
                Sentence("There is no field '{given}' to choose. Nothing was merged.", given=name[:40]),
                field=name[:64],
            )
        if side not in (Side.SURVIVOR, Side.MERGED):
            raise BadRecord(
                Sentence("{field}: choose survivor or merged. Nothing was merged.", field=name),
                field=name[:64],
            )
        read[name] = Side(side)
    return read


def joined_notes(survivor: str, merged: str) -> str:
    """Both notes: nothing a person wrote is lost."""
    if not merged.strip() or merged.strip() in survivor:
        return survivor
    return f"{survivor.rstrip()}\n{merged.strip()}" if survivor.strip() else merged
