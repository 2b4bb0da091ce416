"""Forms: what is asked about a call of a type. Data, versioned, editable by those who may."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from typing import Annotated, Final, Literal

from pydantic import Field, StringConstraints, model_validator

from access.sentences import Sentence
from crm.definitions import Code, Label, Part
from crm.tasks.tasks import TaskKind

#: Longest single-line and longest free text, in characters.
LONGEST_LINE: Final = 200
LONGEST_TEXT: Final = 4000

Word = Annotated[str, StringConstraints(pattern=r"^[0-9A-Za-z_-]{1,64}$")]


class FieldKind(StrEnum):
    """What a field takes."""

    LINE = "line"
    TEXT = "text"
    NUMBER = "number"
    DATE = "date"
    CHOICE = "choice"
    YES_NO = "yes_no"


class Option(Part):
    """One answer of a choice."""

    code: Code
    label: Label


class FormField(Part):
    """One question beyond those every form has."""

    code: Code
    label: Label
    kind: FieldKind
    required: bool = False
    options: tuple[Option, ...] = ()
    least: int | None = None
    most: int | None = None
    #: A word behind the field, such as km.
    unit: Label | None = None

    @model_validator(mode="after")
    def _options_of_choice(self) -> FormField:
        if (self.kind is FieldKind.CHOICE) != bool(self.options):
            raise ValueError("options belong to a choice, and a choice needs some")
        return self


class Reason(Part):
    """Why the customer called; a tree, of which one leaf is chosen."""

    code: Code
    label: Label
    below: tuple[Reason, ...] = ()


class NextStep(Part):
    """What may follow from the call: a task for a department or a person, made with the filing."""

    code: Code
    label: Label
    task: TaskKind
    #: Department it goes to unless another is chosen; empty: the agent himself.
    department: Annotated[str, StringConstraints(max_length=32)] = ""
    #: Minutes of working time.
    due_minutes: Annotated[int, Field(ge=1, le=9600)] = 240
    #: A line about it must be written.
    note_required: bool = False


class Form(Part):
    """What is asked about calls of a type."""

    call_type: Code
    label: Label
    #: Disposition set.
    dispositions: Code
    reasons: Annotated[tuple[Reason, ...], Field(min_length=1)]
    customer_words: Literal["required", "optional"] = "optional"
    fields: tuple[FormField, ...] = ()
    next_steps: tuple[NextStep, ...] = ()
    #: Queues and menu keys ("node=key") whose calls are of this type unless the agent says otherwise.
    queues: tuple[Word, ...] = ()
    keys: tuple[Annotated[str, StringConstraints(max_length=64)], ...] = ()
    #: Place in the list of types.
    order: int = 100

    @model_validator(mode="after")
    def _codes_once(self) -> Form:
        for what, codes in (
            ("reasons", [reason.code for reason in _all(self.reasons)]),
            ("fields", [field.code for field in self.fields]),
            ("next_steps", [step.code for step in self.next_steps]),
        ):
            twice = sorted({code for code in codes if codes.count(code) > 1})
            if twice:
                raise ValueError(
                    Sentence("{what}: these codes stand more than once: {codes}", what=what, codes=twice)
                )
        return self

    def reason_path(self, code: str) -> tuple[Reason, ...]:
        """The reasons from the outermost to the leaf with this code; empty where it is none."""
        return next((path for path in _leaves(self.reasons, ()) if path[-1].code == code), ())

    def leaves(self) -> tuple[tuple[Reason, ...], ...]:
        """Every reason that can be chosen, as its path."""
        return tuple(_leaves(self.reasons, ()))

    def step(self, code: str) -> NextStep | None:
        """The next step with this code."""
        return next((step for step in self.next_steps if step.code == code), None)


def _all(reasons: tuple[Reason, ...]) -> Iterator[Reason]:
    for reason in reasons:
        yield reason
        yield from _all(reason.below)


def _leaves(reasons: tuple[Reason, ...], path: tuple[Reason, ...]) -> Iterator[tuple[Reason, ...]]:
    for reason in reasons:
        if reason.below:
            yield from _leaves(reason.below, (*path, reason))
        else:
            yield (*path, reason)


def likely(forms: tuple[Form, ...], *, queue: str | None, keys: str, direction: str) -> str:
    """The call type to begin with: by the keys pressed, else by the queue, else the last of the list.

    `keys` is what the call's row holds: "node=keys" joined by spaces. Outbound calls begin as return visits
    where there is such a form.
    """
    pressed = set(keys.split())
    for form in forms:
        if pressed & set(form.keys):
            return form.call_type
    if direction == "outbound" and any(form.call_type == "return_visit" for form in forms):
        return "return_visit"
    for form in forms:
        if queue and queue in form.queues:
            return form.call_type
    return forms[-1].call_type if forms else ""
