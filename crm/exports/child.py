"""The process that writes a file: `python -m crm.exports.child`, the order and then rows as JSON lines on its input.

Writing a workbook is work for the processor; here it is away from telephones, in bounded memory.
"""

from __future__ import annotations

import csv
import json
import os
import resource
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

import xlsxwriter  # type: ignore[import-untyped]

from crm.exports.cells import ColumnKind, ExportFormat, csv_cell, looks_like_formula, plain

_MEMORY: Final = 1024 * 1024 * 1024
Rows = Iterable[Sequence[Any]]


def write_csv(
    path: Path, headers: Sequence[str], kinds: Sequence[ColumnKind], rows: Rows, zone: ZoneInfo
) -> int:
    """CSV in UTF-8 with its mark, so that spreadsheets read Chinese. Returns how many rows."""
    count = 0
    with path.open("w", encoding="utf-8-sig", newline="", errors="replace") as file:
        writer = csv.writer(file)
        writer.writerow([csv_cell(header) for header in headers])
        for row in rows:
            count += 1
            writer.writerow([_as_text(value, kind, zone) for value, kind in zip(row, kinds, strict=True)])
    return count


def _as_text(value: Any, kind: ColumnKind, zone: ZoneInfo) -> str:
    if value is None:
        return ""
    if kind is ColumnKind.NUMBER:
        return str(value)
    if kind is ColumnKind.MOMENT:
        return f"{datetime.fromisoformat(value).astimezone(zone):%Y-%m-%d %H:%M:%S}"
    return csv_cell(str(value))


def write_xlsx(
    path: Path, headers: Sequence[str], kinds: Sequence[ColumnKind], rows: Rows, zone: ZoneInfo
) -> int:
    """A workbook of text, numbers and days; no cell is a formula or a link. Returns how many rows."""
    options = {
        "constant_memory": True,
        "strings_to_formulas": False,
        "strings_to_urls": False,
        "strings_to_numbers": False,
        "tmpdir": str(path.parent),
    }
    count = 0
    with xlsxwriter.Workbook(str(path), options) as book:
        sheet = book.add_worksheet()
        head = book.add_format({"bold": True, "bottom": 1})
        text = book.add_format({"num_format": "@"})
        kept = book.add_format({"num_format": "@", "quote_prefix": True})
        day = book.add_format({"num_format": "yyyy-mm-dd"})
        moment = book.add_format({"num_format": "yyyy-mm-dd hh:mm:ss"})
        sheet.freeze_panes(1, 0)
        widths = {ColumnKind.TEXT: 18, ColumnKind.NUMBER: 10, ColumnKind.DAY: 12, ColumnKind.MOMENT: 20}
        for column, kind in enumerate(kinds):
            sheet.set_column(column, column, widths[kind])
        for column, header in enumerate(headers):
            sheet.write_string(0, column, plain(header), head)
        for count, row in enumerate(rows, 1):
            for column, (value, kind) in enumerate(zip(row, kinds, strict=True)):
                if value is None or value == "":
                    continue
                if kind is ColumnKind.NUMBER:
                    sheet.write_number(count, column, value)
                elif kind is ColumnKind.DAY:
                    sheet.write_datetime(count, column, date.fromisoformat(value), day)
                elif kind is ColumnKind.MOMENT:
                    there = datetime.fromisoformat(value).astimezone(zone).replace(tzinfo=None)
                    sheet.write_datetime(count, column, there, moment)
                else:
                    words = plain(str(value))
                    sheet.write_string(count, column, words, kept if looks_like_formula(words) else text)
    return count


def make(order: Mapping[str, Any], rows: Rows) -> int:
    """Write the file of an order. Returns how many rows."""
    kinds = [ColumnKind(kind) for kind in order["kinds"]]
    write = write_xlsx if order["format"] == ExportFormat.XLSX else write_csv
    return write(Path(order["path"]), order["headers"], kinds, rows, ZoneInfo(order["zone"]))


def main() -> int:
    """0: the file is there, and the last line says how many rows it has."""
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.nice(10)
    lines = iter(sys.stdin)
    order = json.loads(next(lines))
    sys.stdout.write(json.dumps({"rows": make(order, map(json.loads, lines))}) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
