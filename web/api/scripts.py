"""Scripts in a call, and the definitions that supervisors edit: forms, disposition sets, scripts."""

from __future__ import annotations

import re
from datetime import datetime
from functools import partial
from typing import Annotated, Any, Literal

import yaml
from pydantic import Field, StringConstraints, ValidationError

from access.audit import Action
from access.permissions import Permission
from access.sentences import Sentence
from access.users import Language
from crm.definitions import BadDefinition
from crm.scripts.drafts import read_draft
from crm.scripts.states import BadScript
from web.api.aftercall import CodeOrNothing
from web.api.shapes import Line
from web.bodies import wrong_values
from web.ports.aftercall import DefinitionView, Kind, Spoken
from web.problems import Refused, Wrong
from web.refusals import said
from web.routes import Ask, Nothing, Route, Shape

#: Longest definition a person may write, in characters.
LONGEST_TEXT = 64_000


class SpokenQuery(Shape):
    language: Language | None = Field(None, description="null: the caller's")
    call_type: CodeOrNothing = Field("", description="type the agent chose, if he did")


class PartOut(Shape):
    kind: Literal["text", "value", "instead", "hint"] = Field(
        description="hint: not known, ask for it; instead: not known, say this"
    )
    text: str
    place: str


class StepOut(Shape):
    kind: str
    parts: list[PartOut]


class SpokenOut(Shape):
    """A script with the call's data in it; null where none fits."""

    name: str
    version: int
    label: dict[str, str]
    language: str
    steps: list[StepOut]


class CallScriptOut(Shape):
    script: SpokenOut | None


class DefinitionsQuery(Shape):
    kind: Kind


class DefinitionOut(Shape):
    kind: Kind
    name: str
    version: int
    label: dict[str, str]
    body: dict[str, Any]
    retired: bool
    at: datetime
    by_name: str
    why: str


class DefinitionsOut(Shape):
    items: list[DefinitionOut]


class SaveDefinitionIn(Shape):
    body: dict[str, Any] | None = Field(None, description="the whole definition, as it is read")
    text: Annotated[str, StringConstraints(max_length=LONGEST_TEXT)] | None = Field(
        None, description="or the same as YAML, as a person writes it"
    )
    based_on: int = Field(0, ge=0, description="the version that was read; 0: a new one")
    why: Line = ""
    retired: bool = False


class PreviewIn(Shape):
    body: dict[str, Any]
    language: Language = "zh-CN"
    known: Annotated[bool, Field(description="with a sample customer, else with nobody known")] = True


def spoken_out(spoken: Spoken) -> SpokenOut:
    """As the API shows it."""
    return SpokenOut(
        name=spoken.name,
        version=spoken.version,
        label=dict(spoken.label),
        language=spoken.language,
        steps=[
            StepOut(
                kind=step.kind,
                parts=[
                    PartOut(kind=part.kind.value, text=part.text, place=part.place) for part in step.parts
                ],
            )
            for step in spoken.steps
        ],
    )


def _out(view: DefinitionView) -> DefinitionOut:
    return DefinitionOut(
        kind=view.kind,
        name=view.name,
        version=view.version,
        label=dict(view.label),
        body=dict(view.body),
        retired=view.retired,
        at=view.at,
        by_name=view.by_name,
        why=view.why,
    )


async def script_of_call(ask: Ask[SpokenQuery, Nothing]) -> CallScriptOut:
    """What to say in this call."""
    spoken = await ask.services.aftercall.scripts.for_call(
        ask.by,
        ask.path["call_id"],
        language=ask.query.language,
        call_type=ask.query.call_type,
        now=ask.now,
    )
    return CallScriptOut(script=spoken_out(spoken) if spoken is not None else None)


async def list_definitions(ask: Ask[DefinitionsQuery, Nothing]) -> DefinitionsOut:
    """The newest version of each."""
    found = await ask.services.aftercall.definitions.list(ask.query.kind)
    return DefinitionsOut(items=[_out(one) for one in found])


async def definition_history(ask: Ask[Nothing, Nothing]) -> DefinitionsOut:
    """Every version, the newest first."""
    found = await ask.services.aftercall.definitions.history(
        kind_of(ask.path["kind"]), definition_name(ask.path["name"])
    )
    return DefinitionsOut(items=[_out(one) for one in found])


async def save_definition(ask: Ask[Nothing, SaveDefinitionIn]) -> DefinitionOut:
    """The next version of a form or a set; earlier ones stay. Scripts are written at /api/v1/scripts."""
    kind, name = kind_of(ask.path["kind"]), definition_name(ask.path["name"])
    entry = ask.entry(
        Action.DEFINITION_CHANGED, f"{kind}:{name}", {"version": ask.body.based_on + 1, "why": ask.body.why}
    )
    try:
        saved = await ask.services.aftercall.definitions.save(
            kind,
            name,
            _body(ask.body),
            based_on=ask.body.based_on,
            why=ask.body.why,
            retired=ask.body.retired,
            entry=entry,
        )
    except BadDefinition as error:
        raise bad_definition(error) from error
    return _out(saved)


async def preview_script(ask: Ask[Nothing, PreviewIn]) -> SpokenOut:
    """A script that is being written, finished or not, as an agent would see it; nothing is saved."""
    try:
        script = read_draft({**ask.body.body, "name": str(ask.body.body.get("name") or "preview")})
    except BadScript as error:
        raise Refused(
            error.error_id,
            str(error),
            errors=[
                Wrong(field=one.place, say=partial(said, error_id=one.error_id, sentence=one.sentence))
                for one in error.faults
            ],
        ) from error
    return spoken_out(
        ask.services.aftercall.scripts.preview(
            script,
            language=ask.body.language,
            agent_name=ask.by.name,
            known=ask.body.known,
            now=ask.now,
        )
    )


def bad_definition(error: BadDefinition) -> Refused:
    """The refusal with every place in it."""
    if isinstance(error.__cause__, ValidationError):
        return Refused(error.error_id, str(error), errors=wrong_values(error.__cause__))
    errors = []
    for place in error.places:
        field, _, message = place.partition(": ")
        if isinstance(place, Sentence):  # the same without its field, which is said beside it
            message = Sentence(place.template.partition(": ")[2], **place.values)
        say = partial(said, error_id=f"{error.error_id}", sentence=message)
        errors.append(Wrong(field=field[:80], say=say))
    return Refused(error.error_id, str(error), errors=errors)


class _Plain(yaml.SafeLoader):
    """YAML without anchors: a short text must not stand for a huge one."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            raise BadDefinition("Anchors (* and &) are not understood here; write it out. Nothing was saved.")
        return super().compose_node(parent, index)


def _body(given: SaveDefinitionIn) -> dict[str, Any]:
    """The definition that was sent, in either way. Raises BadDefinition."""
    if given.body is not None:
        return given.body
    try:
        read = yaml.load(given.text or "", Loader=_Plain)  # noqa: S506  a SafeLoader
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        if mark is None:
            raise BadDefinition(
                "The text cannot be read. Nothing was saved.",
                ("text: it is not written as names and values",),
            ) from error
        raise BadDefinition(
            "The text cannot be read. Nothing was saved.",
            (Sentence("text: line {line} cannot be read: look at its indent and marks", line=mark.line + 1),),
        ) from error
    if not isinstance(read, dict) or not all(isinstance(key, str) for key in read):
        raise BadDefinition("The text is no definition. Nothing was saved.", ("all: names and values",))
    return read


def kind_of(word: str) -> Kind:
    """The kind of a definition. Raises Refused not-found."""
    match word:
        case "form" | "dispositions" | "script":
            return word
        case _:
            raise Refused("not-found", "There are forms, dispositions and scripts.")


def definition_name(word: str) -> str:
    """A definition's name. Raises Refused not-found."""
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,31}", word):
        raise Refused("not-found", "There is no definition of that name.")
    return word


ROUTES = (
    Route(
        method="GET",
        path="/api/v1/calls/{call_id}/script",
        summary="What to say in a call",
        needs=Permission.REGISTRATIONS_FILE,
        json=script_of_call,
        query=SpokenQuery,
        answer=CallScriptOut,
        errors=("call-not-found",),
        tag="after the call",
    ),
    Route(
        method="GET",
        path="/api/v1/definitions",
        summary="Forms, disposition sets or scripts",
        needs=Permission.REGISTRATIONS_FILE,
        json=list_definitions,
        query=DefinitionsQuery,
        answer=DefinitionsOut,
        tag="after the call",
    ),
    Route(
        method="GET",
        path="/api/v1/definitions/{kind}/{name}",
        summary="Every version of a definition",
        needs=Permission.REGISTRATIONS_FILE,
        json=definition_history,
        answer=DefinitionsOut,
        tag="after the call",
    ),
    Route(
        method="POST",
        path="/api/v1/definitions/{kind}/{name}",
        summary="Save another version of a definition",
        needs=Permission.SCRIPTS_WRITE,
        json=save_definition,
        body=SaveDefinitionIn,
        answer=DefinitionOut,
        errors=("bad-definition", "definition-changed", "script-step-not-allowed"),
        tag="after the call",
    ),
    Route(
        method="POST",
        path="/api/v1/scripts/preview",
        summary="See a script as an agent would",
        needs=Permission.SCRIPTS_WRITE,
        json=preview_script,
        body=PreviewIn,
        answer=SpokenOut,
        errors=("bad-script",),
        tag="after the call",
    ),
)
