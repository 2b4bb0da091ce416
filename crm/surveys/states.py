"""The way of a version: written, submitted, approved by somebody else, retired."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from access.permissions import Permission
from access.sentences import Sentence
from crm.surveys.questionnaires import Purpose
from crm.surveys.responses import QuestionnaireStep


class VersionState(StrEnum):
    """Where a version is. Only approved ones are asked."""

    DRAFT = "draft"
    SUBMITTED = "submitted"
    APPROVED = "approved"
    RETIRED = "retired"


class VersionStep(StrEnum):
    """What is done with a version."""

    WRITE = "write"
    SUBMIT = "submit"
    TAKE_BACK = "take_back"
    SEND_BACK = "send_back"
    APPROVE = "approve"
    REPLACE = "replace"  # the house: a newer version was approved
    RETIRE = "retire"
    DISCARD = "discard"


_WAY: Final[Mapping[VersionStep, tuple[frozenset[VersionState], VersionState]]] = {
    VersionStep.WRITE: (frozenset({VersionState.DRAFT}), VersionState.DRAFT),
    VersionStep.SUBMIT: (frozenset({VersionState.DRAFT}), VersionState.SUBMITTED),
    VersionStep.TAKE_BACK: (frozenset({VersionState.SUBMITTED}), VersionState.DRAFT),
    VersionStep.SEND_BACK: (frozenset({VersionState.SUBMITTED}), VersionState.DRAFT),
    VersionStep.APPROVE: (frozenset({VersionState.SUBMITTED}), VersionState.APPROVED),
    VersionStep.REPLACE: (frozenset({VersionState.APPROVED}), VersionState.RETIRED),
    VersionStep.RETIRE: (frozenset({VersionState.APPROVED}), VersionState.RETIRED),
    VersionStep.DISCARD: (frozenset({VersionState.DRAFT}), VersionState.RETIRED),
}
#: Steps for which a reason must be written.
NEED_REASON: Final = frozenset({VersionStep.SEND_BACK, VersionStep.RETIRE})
#: Steps of the second person.
_SECOND: Final = frozenset({VersionStep.SEND_BACK, VersionStep.APPROVE, VersionStep.RETIRE})


def needs(step: VersionStep) -> Permission:
    """What a user must be allowed for a step."""
    return Permission.SURVEYS_APPROVE if step in _SECOND else Permission.SURVEYS_WRITE


def allowed(state: VersionState) -> tuple[VersionStep, ...]:
    """Steps people can take with a version in this state."""
    return tuple(
        step for step, (states, _to) in _WAY.items() if state in states and step is not VersionStep.REPLACE
    )


def next_state(
    state: VersionState, step: VersionStep, *, by: str | None, writers: Collection[str], why: str
) -> VersionState:
    """Where the step leads. `writers` are the users who wrote or submitted it. Raises QuestionnaireStep."""
    states, to = _WAY[step]
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
class VersionEvent:
    """One line of a version's history."""

    at: datetime
    step: VersionStep
    by: str | None
    by_name: str
    why: str = ""


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
