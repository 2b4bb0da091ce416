"""Scripts: what to say in which call, step by step, in each language; and which script fits a call."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field, StringConstraints, field_validator, model_validator

from access.sentences import Sentence
from crm.definitions import Code, Label, Part
from crm.scripts.templates import PLACES, faults

Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=1000)]

#: What a step does; pages group by it.
Step = Literal["greeting", "identity", "ask", "say", "thanks"]


class ScriptStep(Part):
    """One thing to say; `kind` groups steps on the page."""

    kind: Step = "say"
    text: Text

    @field_validator("text")
    @classmethod
    def _readable(cls, text: str) -> str:
        if found := faults(text):
            raise ValueError(
                Sentence(
                    "at character {at}: '{text}' is no place that can be filled; there are {places}",
                    at=found[0].at + 1,
                    text=found[0].text,
                    places=list(PLACES),
                )
            )
        return text


class When(Part):
    """Which calls a script is for; what is empty does not matter. All that is named must fit."""

    queues: tuple[str, ...] = ()
    #: "node=key" as the menu wrote it.
    keys: tuple[str, ...] = ()
    call_types: tuple[str, ...] = ()
    direction: Literal["inbound", "outbound", ""] = ""


class Script(Part):
    """What to say in one kind of call."""

    name: Code
    label: Label
    when: When = When()
    #: Language to its steps. Both of the house's languages should be there.
    steps: Annotated[
        dict[Literal["zh-CN", "en"], Annotated[tuple[ScriptStep, ...], Field(min_length=1, max_length=40)]],
        Field(min_length=1),
    ]

    @model_validator(mode="after")
    def _same_number(self) -> Script:
        if len({len(steps) for steps in self.steps.values()}) > 1:
            raise ValueError("steps: each language needs the same number of steps")
        return self


@dataclass(frozen=True, kw_only=True, slots=True)
class Situation:
    """What is known of a call when its script is chosen."""

    queue: str | None = None
    #: As the call's row holds them: "node=key" joined by blanks.
    keys: str = ""
    call_type: str = ""
    direction: str = "inbound"


def fits(when: When, situation: Situation) -> int | None:
    """How closely a script is for this call (more is closer), or None where it is for others.

    A key pressed says more than the type the agent chose, the type more than the queue, the queue more than
    the direction.
    """
    score = 0
    pressed = set(situation.keys.split())
    for wanted, given, worth in (
        (set(when.keys), pressed, 8),
        (set(when.call_types), {situation.call_type}, 4),
        (set(when.queues), {situation.queue}, 2),
        ({when.direction} - {""}, {situation.direction}, 1),
    ):
        if not wanted:
            continue
        if not wanted & given:
            return None
        score += worth
    return score


def choose(scripts: Iterable[Script], situation: Situation) -> Script | None:
    """The script that fits most closely; of two that fit alike the first by name. None where none fits."""
    found = [(fits(script.when, situation), script) for script in scripts]
    fitting = [(score, script) for score, script in found if score is not None]
    if not fitting:
        return None
    return min(fitting, key=lambda pair: (-pair[0], pair[1].name))[1]


def in_language(script: Script, language: str) -> tuple[str, tuple[ScriptStep, ...]]:
    """The steps in this language, else in the one there is; and which language that is."""
    steps: Mapping[str, tuple[ScriptStep, ...]] = {str(key): value for key, value in script.steps.items()}
    if language in steps:
        return language, steps[language]
    return next(iter(steps.items()))


def part_of_day(hour: int, language: str) -> str:
    """Good morning by the hour of the house's clock."""
    chinese = language == "zh-CN"
    if hour < 12:
        return "早上好" if chinese and hour < 9 else "上午好" if chinese else "good morning"
    if hour < 18:
        return "下午好" if chinese else "good afternoon"
    return "晚上好" if chinese else "good evening"
