"""A script that is being written: its shape, which may be unfinished, and what is still wrong with it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Final, Literal

from pydantic import Field, StringConstraints, ValidationError

from access.sentences import Sentence
from crm.definitions import LANGUAGE_NAMES, Code, Part
from crm.scripts import templates
from crm.scripts.scripts import Step
from crm.scripts.states import BadScript, ScriptFault

Tongue = Literal["zh-CN", "en"]
LANGUAGES: Final[tuple[Tongue, ...]] = ("zh-CN", "en")
_Words = Annotated[str, StringConstraints(strip_whitespace=True, max_length=80)]
_Names = Annotated[
    tuple[Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=64)], ...],
    Field(max_length=30),
]


class DraftStep(Part):
    """One thing to say, perhaps not written yet."""

    kind: Step = "say"
    text: Annotated[str, StringConstraints(strip_whitespace=True, max_length=1000)] = ""


class DraftWhen(Part):
    """Which calls it is for."""

    queues: _Names = ()
    keys: _Names = ()
    call_types: _Names = ()
    direction: Literal["inbound", "outbound", ""] = ""


class DraftScript(Part):
    """A script with whatever is written of it so far."""

    name: Code
    label: dict[Tongue, _Words] = Field(default_factory=dict)
    when: DraftWhen = DraftWhen()
    steps: dict[Tongue, Annotated[tuple[DraftStep, ...], Field(max_length=40)]] = Field(default_factory=dict)


def read_draft(body: Mapping[str, Any]) -> DraftScript:
    """The draft as a value. Raises BadScript where it has another shape."""
    try:
        return DraftScript.model_validate(dict(body))
    except ValidationError as error:
        raise BadScript(
            "The script is too long or has something unknown in it. Nothing was saved; see where.",
            [
                ScriptFault(
                    "This is too long, or not of the kind that belongs here.",
                    place=".".join(str(part) for part in item["loc"])[:120],
                )
                for item in error.errors(include_url=False, include_context=False, include_input=False)[:20]
            ],
        ) from error


def faults(body: Mapping[str, Any]) -> tuple[ScriptFault, ...]:
    """Everything that keeps it from being said, in the order of the page; empty: it may be submitted."""
    try:
        draft = read_draft(body)
    except BadScript as error:
        return error.faults
    return tuple(_faults(draft))


def _faults(draft: DraftScript) -> Iterator[ScriptFault]:
    for language in LANGUAGES:
        if not draft.label.get(language):
            yield ScriptFault(
                Sentence("Write the name in {language} too.", language=LANGUAGE_NAMES[language]),
                place=f"label.{language}",
            )
    count = max((len(steps) for steps in draft.steps.values()), default=0)
    if count == 0:
        yield ScriptFault("A script needs at least one step.", place="steps")
    for number in range(count):
        for language in LANGUAGES:
            steps = draft.steps.get(language, ())
            said = steps[number].text if number < len(steps) else ""
            place = f"steps.{language}.{number}.text"
            if not said:
                yield ScriptFault(
                    Sentence("Write this step in {language} too.", language=LANGUAGE_NAMES[language]),
                    place=place,
                )
            for bad in templates.faults(said):
                yield _told(bad, place)


def _told(bad: templates.BadPlace, place: str) -> ScriptFault:
    """What is wrong with a place in a text."""
    if bad.unknown:
        return ScriptFault(
            Sentence(
                "There is no '{text}' to fill in. There are: {places}.",
                text=bad.text,
                places=list(templates.PLACES),
            ),
            place=place,
        )
    return ScriptFault(
        Sentence(
            "At character {at}: '{text}' is no complete place; write it like {example}.",
            at=bad.at + 1,
            text=bad.text,
            example="{{vehicle.plate}}",
        ),
        place=place,
    )


def spoken_steps(draft: DraftScript, language: str) -> tuple[str, tuple[DraftStep, ...]]:
    """The steps in a language, for a preview; in the other one where this one has none."""
    wanted: Tongue = "en" if language == "en" else "zh-CN"
    other: Tongue = "zh-CN" if wanted == "en" else "en"
    for tongue in (wanted, other):
        if draft.steps.get(tongue):
            return tongue, draft.steps[tongue]
    return wanted, ()
