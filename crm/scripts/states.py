"""Scripts as versions: where each is, who may take which step, and what is refused."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from access.permissions import Permission
from access.sentences import Sentence
from crm.versions import SECOND, WAY, VersionEvent, VersionState, VersionStep, allowed


class ScriptError(Exception):
    """Base of what can be refused about scripts; nothing was changed.

    ScriptError
    ├── ScriptNotFound   no such script or version
    ├── BadScript        it cannot be said like this; `faults` says where and why
    ├── ScriptChanged    somebody saved meanwhile
    └── ScriptStep       its state, or who asks, does not allow the step; `allowed_steps`
    """

    error_id = "script-error"


class ScriptNotFound(ScriptError):
    """There is no such script or version."""

    error_id = "script-not-found"


class ScriptFault(ScriptError):
    """One thing that cannot be said: `place` is a path such as steps.zh-CN.2.text. Raised together: BadScript."""

    error_id = "bad-script"

    def __init__(self, sentence: str, *, place: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.place = place


class BadScript(ScriptError):
    """The script cannot be said like this."""

    error_id = "bad-script"

    def __init__(self, sentence: str, faults: Sequence[ScriptFault] = ()) -> None:
        super().__init__(sentence)
        self.faults = tuple(faults)


class ScriptChanged(ScriptError):
    """Somebody saved the draft meanwhile; `version` is the revision that counts now."""

    error_id = "script-changed"

    def __init__(self, sentence: str, *, holder: str, version: int) -> None:
        super().__init__(sentence)
        self.holder = holder
        self.version = version


class ScriptStep(ScriptError):
    """The state of the version, or who asks, does not allow the step."""

    error_id = "script-step-not-allowed"

    def __init__(
        self, sentence: str, *, state: str, allowed_steps: Sequence[str], holder: str | None = None
    ) -> None:
        super().__init__(sentence)
        self.state = state
        self.allowed_steps = tuple(allowed_steps)
        self.holder = holder


#: Steps for which a reason must be written; submitting needs what was changed.
NEED_WHY: Final = frozenset({VersionStep.SEND_BACK, VersionStep.RETIRE})


def needs(step: VersionStep) -> Permission:
    """What a user must be allowed for a step."""
    return Permission.SCRIPTS_APPROVE if step in SECOND else Permission.SCRIPTS_WRITE


def writers_of(history: Sequence[VersionEvent]) -> frozenset[str]:
    """Users who wrote or submitted a version: none of them approves it."""
    return frozenset(
        one.by
        for one in history
        if one.by is not None and one.step in (VersionStep.WRITE, VersionStep.SUBMIT)
    )


def next_state(
    state: VersionState,
    step: VersionStep,
    *,
    by: str | None,
    writers: Collection[str],
    why: str,
    last: VersionEvent | None = None,
) -> VersionState:
    """Where the step leads. `last` is what happened to the version before. Raises ScriptStep."""
    states, to = WAY[step]
    steps = [one.value for one in allowed(state)]
    if state not in states:
        if last is not None and last.by != by and last.step is not VersionStep.WRITE:
            raise ScriptStep(
                Sentence(
                    "{holder} was first: this version is {version_state}; now possible: {version_steps}. "
                    "Nothing was changed.",
                    holder=last.by_name,
                    version_state=state.value,
                    version_steps=steps or "nothing",
                ),
                state=state.value,
                allowed_steps=steps,
                holder=last.by_name,
            )
        raise ScriptStep(
            Sentence(
                "This version is {version_state}; now possible: {version_steps}. Nothing was changed.",
                version_state=state.value,
                version_steps=steps or "nothing",
            ),
            state=state.value,
            allowed_steps=steps,
        )
    if step is VersionStep.APPROVE and (by is None or by in writers):
        raise ScriptStep(
            "A script is approved by a person who did not write it. Nothing was changed.",
            state=state.value,
            allowed_steps=[one for one in steps if one != VersionStep.APPROVE],
        )
    if step is VersionStep.TAKE_BACK and by not in writers:
        raise ScriptStep(
            "Only whoever wrote it takes it back; send it back and say why. Nothing was changed.",
            state=state.value,
            allowed_steps=[one for one in steps if one != VersionStep.TAKE_BACK],
        )
    if step is VersionStep.SUBMIT and not why.strip():
        raise ScriptStep(
            "Say what was changed; whoever approves it reads that. Nothing was changed.",
            state=state.value,
            allowed_steps=steps,
        )
    if step in NEED_WHY and not why.strip():
        raise ScriptStep(
            "Write down why; the writer reads it. Nothing was changed.",
            state=state.value,
            allowed_steps=steps,
        )
    return to


@dataclass(frozen=True, kw_only=True, slots=True)
class ScriptVersion:
    """One version of a script with where it is. A draft's body may be unfinished: it is plain JSON."""

    name: str
    version: int
    state: VersionState
    body: Mapping[str, Any]
    #: Rises with every saving of the draft.
    revision: int
    at: datetime
    by: str | None
    by_name: str
    history: Sequence[VersionEvent] = ()

    @property
    def label(self) -> Mapping[str, str]:
        """Its name per language; a draft may have none yet."""
        label = self.body.get("label")
        if not isinstance(label, Mapping):
            return {}
        return {str(key): str(value) for key, value in label.items() if str(value).strip()}

    def last(self, *steps: VersionStep) -> VersionEvent | None:
        """The last time one of these steps was taken."""
        return next((one for one in reversed(self.history) if one.step in steps), None)
