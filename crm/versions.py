"""The way of a version that a second person approves: written, submitted, approved by somebody else, retired."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final


class VersionState(StrEnum):
    """Where a version is. Only approved ones are used."""

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


#: Each step with the states it can be taken in, and where it leads.
WAY: Final[Mapping[VersionStep, tuple[frozenset[VersionState], VersionState]]] = {
    VersionStep.WRITE: (frozenset({VersionState.DRAFT}), VersionState.DRAFT),
    VersionStep.SUBMIT: (frozenset({VersionState.DRAFT}), VersionState.SUBMITTED),
    VersionStep.TAKE_BACK: (frozenset({VersionState.SUBMITTED}), VersionState.DRAFT),
    VersionStep.SEND_BACK: (frozenset({VersionState.SUBMITTED}), VersionState.DRAFT),
    VersionStep.APPROVE: (frozenset({VersionState.SUBMITTED}), VersionState.APPROVED),
    VersionStep.REPLACE: (frozenset({VersionState.APPROVED}), VersionState.RETIRED),
    VersionStep.RETIRE: (frozenset({VersionState.APPROVED}), VersionState.RETIRED),
    VersionStep.DISCARD: (frozenset({VersionState.DRAFT}), VersionState.RETIRED),
}
#: Steps of the second person.
SECOND: Final = frozenset({VersionStep.SEND_BACK, VersionStep.APPROVE, VersionStep.RETIRE})


def allowed(state: VersionState) -> tuple[VersionStep, ...]:
    """Steps people can take with a version in this state."""
    return tuple(
        step for step, (states, _to) in WAY.items() if state in states and step is not VersionStep.REPLACE
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class VersionEvent:
    """One line of a version's history."""

    at: datetime
    step: VersionStep
    by: str | None
    by_name: str
    why: str = ""
