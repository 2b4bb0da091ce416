"""What a person is shown of an import: the columns it seems to have, and what becomes of its rows."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any, Final

from crm.imports.checking import Checked, Columns
from crm.imports.fields import FIELDS, ImportKind
from crm.imports.files.lines import faults_as_json
from crm.imports.headers import find_header, header_text, suggest
from crm.imports.jobs import Choice, Counts
from crm.imports.own_fields import NO_OWN, Own
from crm.imports.planning import Outcome, Planned

#: Examples kept per outcome.
_EXAMPLES: Final = 5


def suggested(
    kind: ImportKind,
    found: Mapping[str, Any],
    kept: Mapping[str, str],
    fixed: Mapping[str, str],
    own: Own = NO_OWN,
) -> Choice:
    """What the file seems to be: its row of names, and its columns as they were kept or as they are called."""
    first = found["first"]
    place = find_header(kind, [row["cells"] for row in first], own)
    names = [header_text(cell) for cell in first[place]["cells"]]
    known = {one.name for one in FIELDS[kind]} | set(own)
    columns = {field: column for column, field in enumerate(suggest(kind, names, kept, own)) if field}
    return Choice(
        header_row=first[place]["row"],
        columns=Columns(of=columns, fixed={k: v for k, v in fixed.items() if v and k in known}),
    )


def counted_with(counts: Counts, planned: list[Planned]) -> Counts:
    """The counts with these rows."""
    outcomes = [one.outcome for one in planned]
    return Counts(
        done=counts.done + len(outcomes),
        added=counts.added + outcomes.count(Outcome.ADDED),
        changed=counts.changed + outcomes.count(Outcome.CHANGED),
        unchanged=counts.unchanged + outcomes.count(Outcome.UNCHANGED),
        refused=counts.refused + outcomes.count(Outcome.REFUSED),
    )


def faults_of(planned: list[Planned]) -> list[tuple[int, list[Any]]]:
    """Row numbers with their reasons, as plain JSON."""
    return [(one.row, faults_as_json(one.faults)) for one in planned if one.faults]


def exemplify(
    examples: dict[str, list[Mapping[str, Any]]], planned: list[Planned], rows: list[Checked]
) -> None:
    """Keep the first rows of each outcome, with what would change in them."""
    for one, row in zip(planned, rows, strict=True):
        found = examples.setdefault(one.outcome.value, [])
        if len(found) < _EXAMPLES:
            changes = [
                {"field": name, "old": _shown(write.before[name]), "new": _shown(value)}
                for write in one.writes
                if write.before is not None
                for name, value in write.after.items()
            ]
            found.append(
                {
                    "row": one.row,
                    "values": dict(row.values),
                    "changes": changes,
                    "faults": faults_as_json(one.faults),
                }
            )


def _shown(value: object) -> object:
    return value.isoformat() if isinstance(value, date) else value
