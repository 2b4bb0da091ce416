"""The daily work report of an agent (工作日报, M-173): drafted from the data, completed in words, handed in, read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Final

from access.sentences import Sentence
from crm.reports.rows import Figure, ReportStepRefused, Source

LONGEST: Final = 4000


class WorkState(StrEnum):
    """Where a work report is."""

    DRAFT = "draft"
    HANDED_IN = "handed_in"
    RETURNED = "returned"  # the manager asks for more
    ACCEPTED = "accepted"


class WorkStep(StrEnum):
    """What is done with one."""

    SAVE = "save"
    HAND_IN = "hand_in"
    TAKE_BACK = "take_back"  # before the manager has read it
    COMMENT = "comment"
    RETURN = "return"
    ACCEPT = "accept"


#: (where it is, step) to where it goes.
STEPS: Final = {
    (WorkState.DRAFT, WorkStep.SAVE): WorkState.DRAFT,
    (WorkState.DRAFT, WorkStep.HAND_IN): WorkState.HANDED_IN,
    (WorkState.RETURNED, WorkStep.SAVE): WorkState.RETURNED,
    (WorkState.RETURNED, WorkStep.HAND_IN): WorkState.HANDED_IN,
    (WorkState.HANDED_IN, WorkStep.TAKE_BACK): WorkState.DRAFT,
    (WorkState.HANDED_IN, WorkStep.COMMENT): WorkState.HANDED_IN,
    (WorkState.HANDED_IN, WorkStep.RETURN): WorkState.RETURNED,
    (WorkState.HANDED_IN, WorkStep.ACCEPT): WorkState.ACCEPTED,
    (WorkState.ACCEPTED, WorkStep.COMMENT): WorkState.ACCEPTED,
}
#: Steps of the person whose report it is; the others are the manager's.
OWN_STEPS: Final = frozenset({WorkStep.SAVE, WorkStep.HAND_IN, WorkStep.TAKE_BACK})
#: What a report must say of itself.
FIGURES: Final = (
    Source.CALLS_IN,
    Source.CALLS_OUT,
    Source.CALLS_MISSED,
    Source.CALLS_TALKED,
    Source.UNFILED,
    Source.REGISTRATIONS,
    Source.CONTACTS_DONE,
    Source.CONTACTS_TRIED,
    Source.SURVEYS,
    Source.CASES_OPENED,
    Source.CASE_STEPS,
    Source.APPOINTMENTS_BOOKED,
    Source.TASKS_DONE,
    Source.TASKS_LATE,
    Source.CORRECTIONS_RAISED,
)
#: Those whose number is a length of time.
TIMES: Final = frozenset({Source.CALLS_TALKED})


@dataclass(frozen=True, kw_only=True, slots=True)
class WorkReport:
    """One person's report of one day."""

    id: str
    user_id: str
    day: date
    state: WorkState = WorkState.DRAFT
    #: As they were at the last handing in; empty before.
    figures: Sequence[Figure] = ()
    problems: str = ""
    plan: str = ""
    comment: str = ""
    due_at: datetime
    drafted_at: datetime
    handed_in_at: datetime | None = None
    late: bool = False
    reviewed_at: datetime | None = None
    reviewed_by: str | None = None
    version: int = 1

    def is_late(self, now: datetime) -> bool:
        """It was handed in late, or is not and its time has passed."""
        return self.late or (self.handed_in_at is None and now > self.due_at)


def possible(state: WorkState, *, own: bool, manages: bool) -> list[WorkStep]:
    """Steps this person can take now. Nobody reviews his own report."""
    return [
        step
        for at, step in STEPS
        if at is state and ((own and step in OWN_STEPS) or (manages and not own and step not in OWN_STEPS))
    ]


def next_state(state: WorkState, step: WorkStep, *, own: bool, manages: bool) -> WorkState:
    """Where a step leads. Raises ReportStepRefused."""
    allowed = possible(state, own=own, manages=manages)
    if step not in allowed:
        raise ReportStepRefused(
            Sentence(
                "The work report is {report_state}; you can now: {report_steps}. Nothing was changed.",
                report_state=state.value,
                report_steps=[one.value for one in allowed] or ["nothing"],
            ),
            state=state.value,
            allowed_steps=tuple(one.value for one in allowed),
        )
    return STEPS[state, step]
