"""The rows of a list on disk between two steps: JSON lines, so that a step can be gone on with from any line."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime
from pathlib import Path
from typing import Any, NamedTuple

from crm.imports.cells import Cell, Fault
from crm.imports.checking import Checked
from crm.imports.files.table import Row


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return {"t": value.isoformat()}
    if isinstance(value, date):
        return {"d": value.isoformat()}
    raise TypeError(f"no cell: {value!r}")


_write = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), default=_plain).encode


def _moment(value: dict[str, Any]) -> Any:
    if "d" in value:
        return date.fromisoformat(value["d"])
    return datetime.fromisoformat(value["t"]) if "t" in value else value


_read_row = json.JSONDecoder(object_hook=_moment).decode


def row_line(row: Row) -> str:
    """A row as its line."""
    return _write([row.number, row.hidden, row.cells]) + "\n"


def row_of(line: str) -> Row:
    """The row of a line."""
    number, hidden, cells = _read_row(line)
    return Row(number, cells, hidden)


def rows_of(path: Path) -> Iterator[Row]:
    """All rows of a file of row lines."""
    with path.open(encoding="utf-8") as file:
        for line in file:
            yield row_of(line)


def cells_as_json(cells: list[Cell]) -> list[object]:
    """Cells as plain JSON for a page: days as ISO text."""
    return [cell.isoformat() if isinstance(cell, date) else cell for cell in cells]


def checked_line(checked: Checked) -> str:
    """A checked row as its line."""
    faults = [[one.error_id, one.about, dict(one.values)] for one in checked.faults]
    return _write([checked.row, checked.values, faults]) + "\n"


def checked_of(line: bytes | str) -> Checked:
    """The checked row of a line."""
    row, values, faults = json.loads(line)
    return Checked(row=row, values=values, faults=faults_of(faults))


def faults_of(plain: list[tuple[str, str, Mapping[str, str]]]) -> tuple[Fault, ...]:
    """Faults as they were written."""
    return tuple(Fault(error_id=error_id, about=about, values=values) for error_id, about, values in plain)


def faults_as_json(faults: tuple[Fault, ...]) -> list[list[object]]:
    """Faults as plain JSON."""
    return [[one.error_id, one.about, dict(one.values)] for one in faults]


class Batch(NamedTuple):
    """Some checked rows, and the place in the file behind them."""

    rows: list[Checked]
    end: int


def batches_of(
    path: Path, start: int, size: int | Callable[[], int], until: int | None = None
) -> Iterator[Batch]:
    """Checked rows from a place in the file on (to another), in batches; a size that changes is asked each time."""
    most = size if callable(size) else lambda: size
    with path.open("rb") as file:
        file.seek(start)
        rows: list[Checked] = []
        end, wanted = start, most()
        for line in file:
            if until is not None and end >= until:
                break
            end += len(line)
            rows.append(checked_of(line))
            if len(rows) >= wanted:
                yield Batch(rows, end)
                rows, wanted = [], most()
        if rows:
            yield Batch(rows, end)
