"""The template language of scripts: text with places, and nothing else.

A place is {{name}} or {{name|what to say without it}}. There are no conditions, loops or code, so a script
can be edited by anybody who may edit texts. What is not known shows as a hint to ask for it, never as a hole.
Three or more braces, a place that is not closed and an unknown name are errors with their position.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

#: Every place a script may have; pages translate the names.
PLACES: Final = (
    "customer.name",
    "customer.address",
    "customer.number",
    "customer.phone_tail",
    "vehicle.plate",
    "vehicle.model",
    "vehicle.mileage",
    "vehicle.last_service",
    "agent.name",
    "dealership",
    "queue",
    "greeting",
    "vehicle.next_service",
    "service.kind",
    "visit.day",
    "appointment.time",
    "appointment.work",
    "case.number",
    "case.subject",
    "case.promised",
)
_PLACE: Final = re.compile(r"(?<!\{)\{\{\s*([a-z_.]+)\s*(?:\|([^{}|]*))?\}\}(?!\})")
_BRACES: Final = re.compile(r"\{\{|\}\}")


class PartKind(StrEnum):
    TEXT = "text"
    VALUE = "value"  # known, filled in
    INSTEAD = "instead"  # not known, the script says what to say then
    HINT = "hint"  # not known: ask


@dataclass(frozen=True, kw_only=True, slots=True)
class ScriptPart:
    """A piece of what is shown; pages mark the kinds."""

    kind: PartKind
    text: str
    #: Name of the place, empty for text.
    place: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class BadPlace:
    """Something in a template that cannot be read: where, and what."""

    at: int
    text: str
    #: It is written as a place, only there is none of that name.
    unknown: bool = False


def faults(template: str) -> tuple[BadPlace, ...]:
    """What is wrong with a template; empty: it can be used."""
    found = []
    covered = 0
    for match in _PLACE.finditer(template):
        found += _strays(template, covered, match.start())
        covered = match.end()
        if match[1] not in PLACES:
            found.append(BadPlace(at=match.start(), text=match[1][:40], unknown=True))
    return (*found, *_strays(template, covered, len(template)))


def _strays(template: str, start: int, end: int) -> list[BadPlace]:
    return [
        BadPlace(at=match.start(), text=template[match.start() : match.start() + 20])
        for match in _BRACES.finditer(template, start, end)
    ]


def render(template: str, values: Mapping[str, str | None]) -> tuple[ScriptPart, ...]:
    """The template with its places filled. What cannot be read stays as it is written."""
    parts: list[ScriptPart] = []
    covered = 0
    for match in _PLACE.finditer(template):
        name, instead = match[1], match[2]
        if name not in PLACES:
            continue
        if match.start() > covered:
            parts.append(ScriptPart(kind=PartKind.TEXT, text=template[covered : match.start()]))
        covered = match.end()
        value = values.get(name)
        if value:
            parts.append(ScriptPart(kind=PartKind.VALUE, text=value, place=name))
        elif instead is not None:
            parts.append(ScriptPart(kind=PartKind.INSTEAD, text=instead, place=name))
        else:
            parts.append(ScriptPart(kind=PartKind.HINT, text="", place=name))
    if covered < len(template):
        parts.append(ScriptPart(kind=PartKind.TEXT, text=template[covered:]))
    return tuple(parts)
