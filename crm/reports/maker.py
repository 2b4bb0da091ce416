"""Visits to be entered in the maker's CRM (M-097): the maker's columns, what is missing, what is new or corrected."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Final

from access.sentences import Sentence
from crm.exports.cells import ColumnKind
from crm.reports.options import MakerColumn
from crm.reports.rows import ReportStepRefused

#: What of ours can stand in a column of theirs, and how it is written.
FIELDS: Final[Mapping[str, ColumnKind]] = {
    "visited_on": ColumnKind.DAY,
    "visited_at": ColumnKind.MOMENT,
    "customer_number": ColumnKind.TEXT,
    "name": ColumnKind.TEXT,
    "honorific": ColumnKind.TEXT,
    "phone": ColumnKind.TEXT,
    "phone_2": ColumnKind.TEXT,
    "address": ColumnKind.TEXT,
    "plate": ColumnKind.TEXT,
    "vin": ColumnKind.TEXT,
    "brand": ColumnKind.TEXT,
    "model": ColumnKind.TEXT,
    "delivered_on": ColumnKind.DAY,
    "mileage": ColumnKind.NUMBER,
    "last_service_on": ColumnKind.DAY,
    "order_number": ColumnKind.TEXT,
    "result": ColumnKind.TEXT,
    "agent": ColumnKind.TEXT,
}


class MakerState(StrEnum):
    """Where a visit is on its way into the maker's CRM."""

    WAITING = "waiting"  # complete or not: that is a fact of the record, not a state
    EXPORTED = "exported"
    BY_HAND = "by_hand"  # a person typed it there
    LEFT_OUT = "left_out"  # it need not be there


class MakerStep(StrEnum):
    """What a person does with one."""

    BY_HAND = "by_hand"
    LEAVE_OUT = "leave_out"
    BACK = "back"  # it has to be entered after all


class Need(StrEnum):
    """What has to be done about a visit, given its record now."""

    COMPLETE = "complete"  # goes into the next file
    MISSING = "missing"
    CORRECTED = "corrected"  # was entered; its record says something else now
    DONE = "done"


@dataclass(frozen=True, kw_only=True, slots=True)
class MakerVisit:
    """One visit, its record's values as the maker's columns ask for them, and what is missing."""

    id: str
    customer_id: str
    vehicle_id: str | None
    call_id: str | None
    agent_id: str | None
    visited_at: datetime
    result: str
    state: MakerState
    digest: str = ""
    exported_at: datetime | None = None
    exports: int = 0
    by_id: str | None = None
    by_at: datetime | None = None
    note: str = ""
    version: int = 1
    #: Field to its value; empty texts are nothing.
    values: Mapping[str, object]
    cells: Sequence[object] = ()
    #: Names of the maker's columns that must hold something and do not.
    missing: Sequence[str] = ()

    @property
    def need(self) -> Need:
        """What has to be done about it."""
        if self.state is MakerState.LEFT_OUT:
            return Need.DONE
        if self.state is MakerState.WAITING:
            return Need.MISSING if self.missing else Need.COMPLETE
        if self.digest == digest_of(self.cells):
            return Need.DONE
        return Need.MISSING if self.missing else Need.CORRECTED


def cells_of(columns: Sequence[MakerColumn], values: Mapping[str, object]) -> list[object]:
    """A row of the maker's file."""
    return [column.fixed if column.fixed else values.get(column.field) for column in columns]


def missing_of(columns: Sequence[MakerColumn], values: Mapping[str, object]) -> list[str]:
    """Columns that must hold something and would not."""
    return [
        column.name
        for column in columns
        if column.required and not column.fixed and values.get(column.field) in (None, "")
    ]


def digest_of(cells: Sequence[object]) -> str:
    """The row in one word: another one means that something in it was corrected."""
    plain = [one.isoformat() if isinstance(one, date) else one for one in cells]
    return hashlib.sha256(json.dumps(plain, ensure_ascii=True, default=str).encode()).hexdigest()


#: (where it is, step) to where it goes.
STEPS: Final = {
    (MakerState.WAITING, MakerStep.BY_HAND): MakerState.BY_HAND,
    (MakerState.WAITING, MakerStep.LEAVE_OUT): MakerState.LEFT_OUT,
    #: Corrected after it was entered, and the correction typed there too.
    (MakerState.EXPORTED, MakerStep.BY_HAND): MakerState.BY_HAND,
    (MakerState.BY_HAND, MakerStep.BY_HAND): MakerState.BY_HAND,
    (MakerState.BY_HAND, MakerStep.BACK): MakerState.WAITING,
    (MakerState.LEFT_OUT, MakerStep.BACK): MakerState.WAITING,
}


def next_state(state: MakerState, step: MakerStep) -> MakerState:
    """Where a step leads. Raises ReportStepRefused."""
    to = STEPS.get((state, step))
    if to is None:
        allowed = tuple(one.value for at, one in STEPS if at is state)
        raise ReportStepRefused(
            Sentence(
                "The visit is {report_state}; you can now: {report_steps}. Nothing was changed.",
                report_state=state.value,
                report_steps=list(allowed),
            ),
            state=state.value,
            allowed_steps=allowed,
        )
    return to
