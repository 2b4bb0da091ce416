"""Dispositions: what the agent says came of a call. Decisions read flags, never labels or codes.

A set belongs to call types (or campaigns); its entries may have sub-dispositions, and only the last ones
are chosen. Sets are versioned: a registration names the version it was filed with.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from typing import Annotated

from pydantic import Field, model_validator

from access.sentences import Sentence
from crm.definitions import Code, Label, Part


class Flag(StrEnum):
    """What a disposition means to the rest of the service."""

    HUMAN = "human"  # a person talked with a person
    CONTACT = "contact"  # and it was the customer
    SUCCESS = "success"  # what the call was for is reached
    FINAL = "final"  # nothing further is to be done
    DO_NOT_CALL = "do_not_call"  # the number is suppressed with the filing
    CALLBACK = "callback"  # a call-back with a time becomes a task with the filing


class Disposition(Part):
    """One answer of the agent, or a group of them."""

    code: Code
    label: Label
    #: Of a group: what those below have that say nothing themselves.
    flags: frozenset[Flag] | None = None
    #: Letters and digits the agent's summary needs at least; None: as the group, else 0.
    note_least: Annotated[int, Field(ge=0, le=500)] | None = None
    below: tuple[Disposition, ...] = ()


class Choice(Part):
    """A disposition that can be chosen, with what it has from its group."""

    code: Code
    #: Codes from the outermost group to this one.
    path: tuple[str, ...]
    label: Label
    flags: frozenset[Flag]
    note_least: int


class DispositionSet(Part):
    """What may be chosen at the end of a call."""

    name: Code
    label: Label
    dispositions: Annotated[tuple[Disposition, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _codes_once(self) -> DispositionSet:
        codes = [one.code for one in _all(self.dispositions)]
        twice = sorted({code for code in codes if codes.count(code) > 1})
        if twice:
            raise ValueError(Sentence("dispositions: these codes stand more than once: {codes}", codes=twice))
        return self

    def choices(self) -> tuple[Choice, ...]:
        """Everything that can be chosen, in the order it is shown."""
        return tuple(_choices(self.dispositions, (), frozenset(), 0))

    def find(self, code: str) -> Choice | None:
        """The choice with this code; None where there is none or it is a group."""
        return next((choice for choice in self.choices() if choice.code == code), None)


def _all(dispositions: tuple[Disposition, ...]) -> Iterator[Disposition]:
    for one in dispositions:
        yield one
        yield from _all(one.below)


def _choices(
    dispositions: tuple[Disposition, ...], path: tuple[str, ...], flags: frozenset[Flag], least: int
) -> Iterator[Choice]:
    for one in dispositions:
        own = flags if one.flags is None else one.flags
        note = least if one.note_least is None else one.note_least
        if one.below:
            yield from _choices(one.below, (*path, one.code), own, note)
        else:
            yield Choice(code=one.code, path=(*path, one.code), label=one.label, flags=own, note_least=note)
