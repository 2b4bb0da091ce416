"""Scripts as they are written: drafts, approval by a second person, history, and what differs between versions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

from access.audit import Action
from access.permissions import Permission
from access.users import Language
from crm.scripts.differences import Change, Differences, Piece
from crm.scripts.states import BadScript, ScriptFault, ScriptVersion, needs
from crm.versions import VersionState, VersionStep
from web.api.record_shapes import Version
from web.api.scripts import definition_name
from web.ports.aftercall import ScriptView
from web.problems import Refused, Wrong
from web.refusals import said
from web.routes import Ask, Nothing, Route, Shape

Remark = Annotated[str, StringConstraints(strip_whitespace=True, max_length=1000)]


class TongueQuery(Shape):
    language: Language = Field("en", description="language the faults are told in")


class FaultOut(Shape):
    place: str = Field(description="path of the value, parts joined by dots")
    message: str


class EventOut(Shape):
    at: datetime
    step: VersionStep
    by_name: str
    why: str


class ScriptOut(Shape):
    """One version, without its text."""

    name: str
    version: int
    state: VersionState
    label: dict[str, str]
    at: datetime
    by_name: str
    possible: list[VersionStep] = Field(description="steps you may take now")


class ScriptsOut(Shape):
    items: list[ScriptOut]


class ScriptVersionOut(ScriptOut):
    """One version with its text and history."""

    revision: int = Field(description="send it with the next saving or step")
    body: dict[str, Any]
    faults: list[FaultOut] = Field(description="where it cannot be said; empty: it may be submitted")
    own: bool = Field(description="you wrote or submitted it: somebody else approves")
    history: list[EventOut]


class ScriptVersionsOut(Shape):
    items: list[ScriptVersionOut]


class BeginScriptIn(Shape):
    body: dict[str, Any] | None = Field(None, description="a new script; null: from a version there is")
    from_version: int | None = Field(None, ge=1, le=2**31 - 1, description="null: the newest")


class SaveScriptIn(Shape):
    body: dict[str, Any] = Field(description="the whole script; it may be unfinished")
    revision: Version


class ScriptStepIn(Shape):
    step: Literal["submit", "take_back", "send_back", "approve", "retire", "discard"]
    revision: Version | None = Field(None, description="the text it was decided on")
    why: Remark = Field("", description="needed to submit (what was changed), to send back and to retire")


class CompareQuery(Shape):
    was: int = Field(ge=1, le=2**31 - 1)
    now: int = Field(ge=1, le=2**31 - 1)


class PieceOut(Shape):
    change: Change
    text: str


class WhenChangeOut(Shape):
    name: str
    was: list[str]
    now: list[str]


class StepChangeOut(Shape):
    change: Change
    was: int | None = Field(description="its place in the older version, from 1")
    now: int | None = Field(description="its place in the newer version, from 1")
    kind_was: str
    kind_now: str
    words: dict[str, list[PieceOut]] = Field(description="language to the words, each marked")


class DifferencesOut(Shape):
    """Kept and removed pieces make the older text, kept and added ones the newer."""

    same: bool
    label: dict[str, list[PieceOut]]
    when: list[WhenChangeOut]
    steps: list[StepChangeOut]


def fault_words(fault: ScriptFault, language: Language) -> str:
    """A fault in the reader's language."""
    return said(language, fault.error_id, fault.sentence)


def _row_out(view: ScriptView) -> dict[str, Any]:
    row: ScriptVersion = view.row
    return {
        "name": row.name,
        "version": row.version,
        "state": row.state,
        "label": dict(row.label),
        "at": row.at,
        "by_name": row.by_name,
        "possible": list(view.possible),
    }


def version_out(view: ScriptView, language: Language) -> ScriptVersionOut:
    """A version as the API and the editor have it."""
    return ScriptVersionOut(
        **_row_out(view),
        revision=view.row.revision,
        body=dict(view.row.body),
        faults=[FaultOut(place=one.place, message=fault_words(one, language)) for one in view.faults],
        own=view.own,
        history=[
            EventOut(at=one.at, step=one.step, by_name=one.by_name, why=one.why) for one in view.row.history
        ],
    )


def differences_out(found: Differences) -> DifferencesOut:
    """As the API shows them."""
    return DifferencesOut(
        same=found.nothing,
        label={language: _pieces(words) for language, words in found.label.items()},
        when=[
            WhenChangeOut(name=name, was=list(was), now=list(now)) for name, (was, now) in found.when.items()
        ],
        steps=[
            StepChangeOut(
                change=one.change,
                was=one.was,
                now=one.now,
                kind_was=one.kind_was,
                kind_now=one.kind_now,
                words={language: _pieces(words) for language, words in one.words.items()},
            )
            for one in found.steps
        ],
    )


def _pieces(words: Sequence[Piece]) -> list[PieceOut]:
    return [PieceOut(change=one.change, text=one.text) for one in words]


def bad_script(error: BadScript) -> Refused:
    """The refusal with every place in it."""
    return Refused(
        error.error_id,
        str(error),
        errors=[Wrong(field=one.place[:120], say=partial(_said_of, one)) for one in error.faults],
    )


def _said_of(fault: ScriptFault, language: Language) -> str:
    return fault_words(fault, language)


def _name_of(path: Mapping[str, str]) -> str:
    return definition_name(path["script"])


def version_of(path: Mapping[str, str]) -> int:
    """The version of a path. Raises Refused script-not-found."""
    word = path["script_version"]
    if not (word.isascii() and word.isdigit() and len(word) <= 9):
        raise Refused("script-not-found", "There is no such version of the script.")
    return int(word)


async def list_scripts(ask: Ask[Nothing, Nothing]) -> ScriptsOut:
    """Of each the version in force and the newest one."""
    found = await ask.services.aftercall.script_versions.list(ask.by)
    return ScriptsOut(items=[ScriptOut(**_row_out(one)) for one in found])


async def list_versions(ask: Ask[TongueQuery, Nothing]) -> ScriptVersionsOut:
    """Every version with its text and history, the newest first."""
    found = await ask.services.aftercall.script_versions.versions(ask.by, _name_of(ask.path))
    return ScriptVersionsOut(items=[version_out(one, ask.query.language) for one in found])


async def begin_draft(ask: Ask[TongueQuery, BeginScriptIn]) -> ScriptVersionOut:
    """The next version, as a draft; the one in work where there is one."""
    name = _name_of(ask.path)
    entry = ask.entry(Action.SCRIPT_STEPPED, f"script:{name}", {"step": VersionStep.WRITE.value})
    try:
        view = await ask.services.aftercall.script_versions.begin_draft(
            ask.by, name, entry, body=ask.body.body, from_version=ask.body.from_version
        )
    except BadScript as error:
        raise bad_script(error) from error
    return version_out(view, ask.query.language)


async def save_draft(ask: Ask[TongueQuery, SaveScriptIn]) -> ScriptVersionOut:
    """Keep the text of a draft, finished or not; what cannot be said is told, not refused."""
    name, version = _name_of(ask.path), version_of(ask.path)
    entry = ask.entry(Action.SCRIPT_STEPPED, f"script:{name}")
    try:
        view = await ask.services.aftercall.script_versions.save_draft(
            ask.by, name, version, ask.body.body, ask.body.revision, entry
        )
    except BadScript as error:
        raise bad_script(error) from error
    return version_out(view, ask.query.language)


async def step_version(ask: Ask[TongueQuery, ScriptStepIn]) -> ScriptVersionOut:
    """Submit, take back, send back, approve, retire, discard."""
    name, version = _name_of(ask.path), version_of(ask.path)
    step = VersionStep(ask.body.step)
    if not ask.by.may(needs(step)):
        raise Refused("not-allowed", "Approving, sending back and retiring is for managers.")
    entry = ask.entry(
        Action.SCRIPT_STEPPED,
        f"script:{name}",
        {"step": step.value, "version": version, "why": ask.body.why[:200]},
    )
    try:
        view = await ask.services.aftercall.script_versions.step(
            ask.by, name, version, step, entry, revision=ask.body.revision, why=ask.body.why
        )
    except BadScript as error:
        raise bad_script(error) from error
    return version_out(view, ask.query.language)


async def compare_versions(ask: Ask[CompareQuery, Nothing]) -> DifferencesOut:
    """What one version says otherwise than another."""
    found = await ask.services.aftercall.script_versions.compare(
        ask.by, _name_of(ask.path), ask.query.was, ask.query.now
    )
    return differences_out(found)


_ONE = "/api/v1/scripts/{script}"
_VERSION = _ONE + "/versions/{script_version}"
_SAVING = ("bad-script", "script-changed", "script-not-found", "script-step-not-allowed")

ROUTES = (
    Route(
        method="GET",
        path="/api/v1/scripts",
        summary="Scripts with the version in force and the one in work",
        needs=Permission.SCRIPTS_WRITE,
        json=list_scripts,
        answer=ScriptsOut,
        tag="after the call",
    ),
    Route(
        method="GET",
        path=_ONE,
        summary="Every version of a script",
        needs=Permission.SCRIPTS_WRITE,
        json=list_versions,
        query=TongueQuery,
        answer=ScriptVersionsOut,
        errors=("script-not-found",),
        tag="after the call",
    ),
    Route(
        method="GET",
        path=f"{_ONE}/compare",
        summary="What differs between two versions of a script",
        needs=Permission.SCRIPTS_WRITE,
        json=compare_versions,
        query=CompareQuery,
        answer=DifferencesOut,
        errors=("script-not-found",),
        tag="after the call",
    ),
    Route(
        method="POST",
        path=f"{_ONE}/drafts",
        summary="Begin the next version of a script",
        needs=Permission.SCRIPTS_WRITE,
        json=begin_draft,
        query=TongueQuery,
        body=BeginScriptIn,
        answer=ScriptVersionOut,
        status=201,
        errors=("bad-script", "script-not-found"),
        tag="after the call",
    ),
    Route(
        method="POST",
        path=_VERSION,
        summary="Save a draft of a script",
        needs=Permission.SCRIPTS_WRITE,
        json=save_draft,
        query=TongueQuery,
        body=SaveScriptIn,
        answer=ScriptVersionOut,
        errors=_SAVING,
        tag="after the call",
    ),
    Route(
        method="POST",
        path=f"{_VERSION}/steps",
        summary="Submit, approve, send back or retire a version of a script",
        needs=Permission.SCRIPTS_WRITE,
        json=step_version,
        query=TongueQuery,
        body=ScriptStepIn,
        answer=ScriptVersionOut,
        errors=_SAVING,
        tag="after the call",
    ),
)
