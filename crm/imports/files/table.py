"""What a reader of files hands over, whatever the file was."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from crm.imports.cells import Cell
from crm.imports.files.guards import Format


class Row(NamedTuple):
    """One row; `number` is what the spreadsheet shows beside it."""

    number: int
    cells: list[Cell]
    hidden: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Sheet:
    """A sheet of the workbook."""

    name: str
    hidden: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Table:
    """One table, its rows still to be read."""

    format: Format
    rows: Iterator[Row]
    sheets: tuple[Sheet, ...] = ()
    sheet: str = ""
    #: Areas of merged cells; a value merged downwards is said to hold in every row.
    merged: int = 0
    hidden_rows: int = 0
    #: Formulas whose value nobody has counted out.
    uncomputed: int = 0
    from_1904: bool = False
    #: Of text: how it is encoded, and what stands between cells.
    encoding: str = ""
    delimiter: str = ""
