"""What differs between two versions of a script, in words: steps added and removed, and words within a step."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from enum import StrEnum
from typing import Any, Final

from crm.scripts.drafts import LANGUAGES

#: A place, a word or number of letters, blanks, or one other character (Chinese has no blanks).
_TOKEN: Final = re.compile(r"\{\{[^{}]*\}\}|[A-Za-z0-9'’]+|\s+|.", re.DOTALL)
#: Steps less alike than this are one removed and one added.
_ALIKE: Final = 0.35
#: What stands unchanged between two changes and is shorter than this is shown as changed with them.
_TOO_SHORT: Final = 2
_CONDITIONS: Final = ("direction", "queues", "keys", "call_types")


class Change(StrEnum):
    SAME = "same"
    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"


@dataclass(frozen=True, kw_only=True, slots=True)
class Piece:
    """A run of text: kept, added or removed."""

    change: Change
    text: str


@dataclass(frozen=True, kw_only=True, slots=True)
class StepChange:
    """One step of the newer version, or one that went."""

    change: Change
    #: Its place from 1 in each version; None where it is not there.
    was: int | None
    now: int | None
    kind_was: str
    kind_now: str
    #: Language to the words.
    words: Mapping[str, Sequence[Piece]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Differences:
    """Two versions of a script against each other."""

    #: Language to the words of its name, where they differ.
    label: Mapping[str, Sequence[Piece]] = field(default_factory=dict)
    #: What the calls are chosen by, where it differs: was, now.
    when: Mapping[str, tuple[Sequence[str], Sequence[str]]] = field(default_factory=dict)
    steps: Sequence[StepChange] = ()

    @property
    def nothing(self) -> bool:
        """Whether both say the same."""
        return not self.label and not self.when and all(one.change is Change.SAME for one in self.steps)


def words_between(was: str, now: str) -> tuple[Piece, ...]:
    """The words of both, each marked; those removed and those kept make `was`, kept and added ones make `now`."""
    if was == now:
        return (Piece(change=Change.SAME, text=now),) if now else ()
    old, new = _TOKEN.findall(was), _TOKEN.findall(now)
    runs: list[tuple[str, str]] = []  # removed, added; the same text in both: kept
    kept: list[bool] = []
    for tag, a, b, c, d in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        before, after = "".join(old[a:b]), "".join(new[c:d])
        same = tag == "equal"
        inner = same and runs and b < len(old) and d < len(new) and len(before.strip()) < _TOO_SHORT
        same = same and not inner
        if runs and not same and not kept[-1]:
            runs[-1] = (runs[-1][0] + before, runs[-1][1] + after)
        else:
            runs.append((before, after))
            kept.append(same)
    pieces: list[Piece] = []
    for (before, after), same in zip(runs, kept, strict=True):
        if same:
            pieces.append(Piece(change=Change.SAME, text=after))
            continue
        pieces += [Piece(change=Change.REMOVED, text=before)] if before else []
        pieces += [Piece(change=Change.ADDED, text=after)] if after else []
    return tuple(pieces)


def compare(was: Mapping[str, Any], now: Mapping[str, Any]) -> Differences:
    """The bodies of two versions, either of which may be unfinished."""
    return Differences(
        label={
            language: words_between(_label(was, language), _label(now, language))
            for language in LANGUAGES
            if _label(was, language) != _label(now, language)
        },
        when={
            name: (_when(was, name), _when(now, name))
            for name in _CONDITIONS
            if _when(was, name) != _when(now, name)
        },
        steps=_steps(_said(was), _said(now)),
    )


@dataclass(frozen=True, slots=True)
class _Step:
    kind: str
    texts: tuple[str, ...]


def _said(body: Mapping[str, Any]) -> list[_Step]:
    steps = body.get("steps")
    steps = steps if isinstance(steps, Mapping) else {}
    by_language = [list(steps.get(language) or ()) for language in LANGUAGES]
    found = []
    for place in range(max(len(one) for one in by_language)):
        at = [one[place] if place < len(one) else {} for one in by_language]
        kind = next((str(one["kind"]) for one in at if one.get("kind")), "say")
        found.append(_Step(kind, tuple(str(one.get("text", "")) for one in at)))
    return found


def _label(body: Mapping[str, Any], language: str) -> str:
    label = body.get("label")
    return str(label.get(language, "")) if isinstance(label, Mapping) else ""


def _when(body: Mapping[str, Any], name: str) -> tuple[str, ...]:
    when = body.get("when")
    value = when.get(name) if isinstance(when, Mapping) else None
    if isinstance(value, str):
        return (value,) if value else ()
    return tuple(str(one) for one in value or ())


def _steps(was: Sequence[_Step], now: Sequence[_Step]) -> tuple[StepChange, ...]:
    found: list[StepChange] = []
    for tag, a, b, c, d in SequenceMatcher(None, was, now, autojunk=False).get_opcodes():
        if tag == "equal":
            found += [_pair(was, now, a + place, c + place) for place in range(b - a)]
            continue
        found += _replaced(was, now, range(a, b), range(c, d))
    return tuple(found)


def _replaced(was: Sequence[_Step], now: Sequence[_Step], gone: range, come: range) -> list[StepChange]:
    """Steps in the place of others: those alike are one that changed."""
    found: list[StepChange] = []
    left = list(gone)
    for new in come:
        old = next((one for one in left if _alike(was[one], now[new])), None)
        if old is None:
            found.append(_pair(was, now, None, new))
            continue
        while left[0] != old:
            found.append(_pair(was, now, left.pop(0), None))
        left.pop(0)
        found.append(_pair(was, now, old, new))
    return found + [_pair(was, now, one, None) for one in left]


def _alike(was: _Step, now: _Step) -> bool:
    """Whether both say about the same, by the words of all languages together."""
    ratios = [
        SequenceMatcher(None, _words(before), _words(after), autojunk=False).ratio()
        for before, after in zip(was.texts, now.texts, strict=True)
        if before and after
    ]
    return bool(ratios) and sum(ratios) / len(ratios) >= _ALIKE


def _words(text: str) -> list[str]:
    return [one for one in _TOKEN.findall(text) if one.isalnum() or one.startswith("{{")]


def _pair(was: Sequence[_Step], now: Sequence[_Step], old: int | None, new: int | None) -> StepChange:
    none = _Step("", tuple("" for _language in LANGUAGES))
    before = was[old] if old is not None else none
    after = now[new] if new is not None else none
    change = Change.CHANGED if before != after else Change.SAME
    if old is None:
        change = Change.ADDED
    elif new is None:
        change = Change.REMOVED
    return StepChange(
        change=change,
        was=old + 1 if old is not None else None,
        now=new + 1 if new is not None else None,
        kind_was=before.kind,
        kind_now=after.kind,
        words={
            language: words_between(one, other)
            for language, one, other in zip(LANGUAGES, before.texts, after.texts, strict=True)
        },
    )
