"""Rows of a workbook (.xlsx, .xlsm, .xlsb, .xls), by calamine: values, never formulas."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import time, timedelta
from pathlib import Path
from typing import Any

import python_calamine as calamine

from crm.imports.cells import Cell
from crm.imports.files.guards import FileRefused, Format, Limits, Marks, marks_of
from crm.imports.files.table import Row, Sheet, Table

#: Stands where a formula has no value; reads as an error value, so the row is refused with its reason.
UNCOMPUTED = "#CALC!"


def open_workbook(path: Path, kind: Format, wanted: str, limits: Limits) -> Table:
    """The sheet called `wanted`, or the first one that is shown and has rows. Raises FileRefused."""
    try:
        book = calamine.CalamineWorkbook.from_path(path)
        return _open(book, path, kind, wanted, limits)
    except calamine.PasswordError as error:
        raise FileRefused("file-has-password") from error
    except (calamine.CalamineError, OSError, ValueError) as error:
        raise FileRefused("file-damaged") from error


def _open(book: Any, path: Path, kind: Format, wanted: str, limits: Limits) -> Table:
    sheets = [
        Sheet(name=one.name, hidden=one.visible != calamine.SheetVisibleEnum.Visible)
        for one in book.sheets_metadata
        if one.typ == calamine.SheetTypeEnum.WorkSheet
    ]
    places = {one.name: place for place, one in enumerate(book.sheets_metadata)}
    if wanted:
        if wanted not in {sheet.name for sheet in sheets}:
            raise FileRefused("file-sheet-unknown", sheet=wanted[:40])
        chosen = wanted
        found = book.get_sheet_by_name(wanted)
    else:
        for sheet in sorted(sheets, key=lambda one: one.hidden):
            found, chosen = book.get_sheet_by_name(sheet.name), sheet.name
            if found.start is not None:
                break
        else:
            raise FileRefused("file-without-rows")
    if found.start is None:
        raise FileRefused("file-without-rows")
    if found.total_height > limits.rows + 50:
        raise FileRefused("file-too-many-rows", rows=f"{limits.rows:,}")
    marks = marks_of(path, places[chosen]) if kind is Format.XLSX else Marks()
    merged = found.merged_cell_ranges or []
    return Table(
        format=kind,
        sheets=tuple(sheets),
        sheet=chosen,
        merged=len(merged),
        hidden_rows=len(marks.hidden_rows),
        uncomputed=len(marks.uncomputed),
        from_1904=marks.from_1904,
        rows=_rows(found, merged, marks, limits),
    )


def _rows(
    sheet: Any, merged: Sequence[tuple[tuple[int, int], tuple[int, int]]], marks: Marks, limits: Limits
) -> Iterator[Row]:
    top, left = sheet.start
    #: Column to the value that a merged area's first cell has, until which row it holds.
    begins = {first: last[0] for first, last in merged if last[0] > first[0]}
    holds: dict[int, tuple[int, Cell]] = {}
    uncomputed = {_place(text) for text in marks.uncomputed}
    for offset, cells in enumerate(sheet.iter_rows()):
        place = top + offset
        row: list[Cell] = [None] * left
        row.extend(map(_cell, cells))
        if uncomputed:
            for column, cell in enumerate(row):
                if cell is None and (place, column) in uncomputed:
                    row[column] = UNCOMPUTED
        if begins:
            for column, (last, value) in list(holds.items()):
                if place > last:
                    del holds[column]
                elif column < len(row) and row[column] is None:
                    row[column] = value
            for column, cell in enumerate(row):
                if (place, column) in begins:
                    holds[column] = (begins[place, column], cell)
        while row and row[-1] is None:
            row.pop()
        if len(row) > limits.columns:
            raise FileRefused("file-too-wide", columns=str(limits.columns))
        yield Row(number=place + 1, cells=row, hidden=place + 1 in marks.hidden_rows)


def _cell(value: Any) -> Cell:
    if value == "" or value is None:
        return None
    if isinstance(value, time | timedelta):
        return str(value)
    if isinstance(value, str) and value.lstrip()[:1] in ("=", "'"):
        return "'" + value.lstrip()  # words, not a formula: a workbook keeps those apart
    return value  # type: ignore[no-any-return]


def _place(text: str) -> tuple[int, int]:
    """B7 as row and column from 0."""
    letters = text.rstrip("0123456789")
    column = 0
    for letter in letters:
        column = column * 26 + ord(letter) - 64
    return int(text[len(letters) :]) - 1, column - 1
