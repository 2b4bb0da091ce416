"""The way of a version: written, submitted, approved by somebody else, retired."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from access.permissions import Permission
from access.sentences import Sentence
from crm.surveys.questionnaires import Purpose
from crm.surveys.responses import QuestionnaireStep
from crm.versions import SECOND, WAY, VersionEvent, VersionState, VersionStep, allowed

__all__ = (
    "NEED_REASON",
    "VersionEvent",
    "VersionRow",
    "VersionState",
    "VersionStep",
    "allowed",
    "needs",
    "next_state",
)


#: Steps for which a reason must be written.
NEED_REASON: Final = frozenset({VersionStep.SEND_BACK, VersionStep.RETIRE})


def needs(step: VersionStep) -> Permission:
    """What a user must be allowed for a step."""
    return Permission.SURVEYS_APPROVE if step in SECOND else Permission.SURVEYS_WRITE


def next_state(
    state: VersionState, step: VersionStep, *, by: str | None, writers: Collection[str], why: str
) -> VersionState:
    """Where the step leads. `writers` are the users who wrote or submitted it. Raises QuestionnaireStep."""
    states, to = WAY[step]
    steps = [one.value for one in allowed(state)]
    if state not in states:
        raise QuestionnaireStep(
            Sentence(
                "This version is {version_state}; now possible: {version_steps}. Nothing was changed.",
                version_state=state.value,
                version_steps=steps or "nothing",
            ),
            state=state.value,
            allowed_steps=steps,
        )
    if step is VersionStep.APPROVE and (by is None or by in writers):
        others = [one for one in steps if one != VersionStep.APPROVE]
        raise QuestionnaireStep(
            "A questionnaire is approved by a person who did not write it. Nothing was changed.",
            state=state.value,
            allowed_steps=others,
        )
    if step in NEED_REASON and not why.strip():
        raise QuestionnaireStep(
            "Write down why; the writer reads it. Nothing was changed.",
            state=state.value,
            allowed_steps=steps,
        )
    return to


@dataclass(frozen=True, kw_only=True, slots=True)
class VersionRow:
    """One version of a questionnaire with where it is. A draft's body may be unfinished: it is plain JSON."""

    code: str
    version: int
    state: VersionState
    purpose: Purpose
    label: Mapping[str, str]
    body: Mapping[str, Any]
    #: Rises with every saving of the draft.
    revision: int
    at: datetime
    by: str | None
    by_name: str
    history: Sequence[VersionEvent] = ()
