"""Which row holds the names of the columns, and which column is which field.

Lists come with titles above the table, stars and remarks in the names, and columns nobody needs. What was chosen for a
source is kept by the column's name and goes before every guess.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Final

from crm.imports.cells import Cell, CellError, read_text
from crm.imports.fields import FIELDS, ImportKind
from crm.imports.names import NAMES
from crm.imports.own_fields import NO_OWN, Own

#: The names stand within this many rows.
LOOKED_AT: Final = 20

_REMARK = re.compile(r"[(\[【〔<].*?[)\]】〕>]")
_NOISE = re.compile(r"[\s*:.,、/\\_\-—#\"'?!]+")


def key_of(name: str) -> str:
    """A column's name as it is compared: no remarks in brackets, no stars, blanks or colons, lower case."""
    text = unicodedata.normalize("NFKC", name).lower()
    plain = _NOISE.sub("", _REMARK.sub("", text))
    return plain or _NOISE.sub("", text.strip("()[]【】〔〕<> "))


def header_text(cell: Cell) -> str:
    """What stands in a cell of the row of names."""
    try:
        return read_text(cell)[:64]
    except CellError:
        return ""


def _known(kind: ImportKind, own: Own) -> Mapping[str, str]:
    names: dict[str, str] = {}
    for field in FIELDS[kind]:
        names.setdefault(key_of(field.name), field.name)
        for name in NAMES.get(field.name, ()):
            names.setdefault(key_of(name), field.name)
    for name, one in own.items():
        for word in (one.label_zh, one.label_en, one.key, name):
            names.setdefault(key_of(word), name)
    return names


def find_header(kind: ImportKind, rows: Sequence[Sequence[Cell]], own: Own = NO_OWN) -> int:
    """Place (from 0) of the row of names among the first rows: where most cells are names that are known.

    Without any it is the first row with two filled cells.
    """
    known = _known(kind, own)
    best, most = -1, 0
    for place, row in enumerate(rows[:LOOKED_AT]):
        hits = len({known[key] for cell in row if (key := key_of(header_text(cell))) in known})
        if hits > most:
            best, most = place, hits
    if most >= 2 or (most == 1 and sum(cell not in (None, "") for cell in rows[best]) == 1):
        return best
    for place, row in enumerate(rows[:LOOKED_AT]):
        if sum(cell not in (None, "") for cell in row) >= 2:
            return place
    return max(best, 0)


def suggest(
    kind: ImportKind,
    names: Sequence[str],
    kept: Mapping[str, str] | None = None,
    own: Own = NO_OWN,
) -> tuple[str | None, ...]:
    """The field of each column, or None: as it was kept for this source, else by name, else by part of a name.

    A field is given to one column only. `kept` is column name (as `key_of`) to field, "" for a column to be left out.
    """
    keys = [key_of(name) for name in names]
    chosen: list[str | None] = [None] * len(keys)
    free = {field.name for field in FIELDS[kind]} | set(own)
    settled = set()
    for place, key in enumerate(keys):
        if key and kept is not None and key in kept:
            settled.add(place)
            if kept[key] in free:
                chosen[place] = kept[key]
                free.discard(kept[key])
    known = _known(kind, own)
    for place, key in enumerate(keys):
        if place not in settled and known.get(key) in free:
            chosen[place] = known[key]
            free.discard(known[key])
    for place, key in enumerate(keys):
        if chosen[place] is None and place not in settled and key:
            parts = [
                (len(name), field) for name, field in known.items() if field in free and _is_part(name, key)
            ]
            if parts:
                chosen[place] = max(parts)[1]
                free.discard(max(parts)[1])
    return tuple(chosen)


def _is_part(name: str, key: str) -> bool:
    """Whether a known name says what a longer one is about: long enough not to be chance."""
    return name in key and len(name) >= (2 if name[0] > "\u2e7f" else 5)
