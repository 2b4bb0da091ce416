"""Rows of a text file (CSV): encoding and delimiter are found out, not asked for."""

from __future__ import annotations

import codecs
import csv
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from crm.imports.cells import Cell
from crm.imports.files.guards import FileRefused, Format, Limits, utf_16_of
from crm.imports.files.table import Row, Table

_DELIMITERS: Final = (",", "\t", ";", "|")
_SAMPLE: Final = 64 * 1024


def open_text(path: Path, limits: Limits) -> Table:
    """The rows of a text file. Raises FileRefused."""
    encoding = encoding_of(path)
    with path.open(encoding=encoding, newline="") as file:
        sample = file.read(_SAMPLE)
    if not sample.strip():
        raise FileRefused("file-without-rows")
    delimiter = delimiter_of(sample)
    return Table(
        format=Format.TEXT,
        rows=_rows(path, encoding, delimiter, limits),
        encoding=encoding,
        delimiter=delimiter,
    )


def encoding_of(path: Path) -> str:
    """How the whole file is encoded: UTF-8, UTF-16 or GB18030, which holds GBK and GB2312. Raises FileRefused."""
    with path.open("rb") as file:
        head = file.read(4096)
    if head.startswith(codecs.BOM_UTF8):
        wanted = ["utf-8-sig"]
    elif wide := utf_16_of(head):
        wanted = [wide]
    else:
        wanted = ["utf-8", "gb18030"]
    for encoding in wanted:
        if _can_be(path, encoding):
            return encoding
    raise FileRefused("file-encoding-unknown")


def _can_be(path: Path, encoding: str) -> bool:
    decoder = codecs.getincrementaldecoder(encoding)()
    try:
        with path.open("rb") as file:
            while chunk := file.read(1024 * 1024):
                decoder.decode(chunk)
        decoder.decode(b"", True)
    except UnicodeError:
        return False
    return True


def delimiter_of(sample: str) -> str:
    """What stands between cells: the sign that gives most lines the same number of cells, more than one."""
    lines = sample.splitlines(keepends=True)[:50]
    best, most = ",", (0.0, 0)
    for sign in _DELIMITERS:
        try:
            widths = [len(row) for row in csv.reader(lines, delimiter=sign) if row]
        except csv.Error:
            continue
        if not widths:
            continue
        width, times = Counter(widths).most_common(1)[0]
        if width > 1 and (score := (times / len(widths), width)) > most:
            best, most = sign, score
    return best


def _rows(path: Path, encoding: str, delimiter: str, limits: Limits) -> Iterator[Row]:
    csv.field_size_limit(limits.cell * 4)
    with path.open(encoding=encoding, newline="") as file:
        reader = csv.reader(file, delimiter=delimiter)
        number = 0
        try:
            for cells in reader:
                number += 1
                row: list[Cell] = [cell if cell.strip() else None for cell in cells]
                while row and row[-1] is None:
                    row.pop()
                if len(row) > limits.columns:
                    raise FileRefused("file-too-wide", columns=str(limits.columns))
                yield Row(number, row)
        except csv.Error as error:
            raise FileRefused("file-cell-too-long", row=str(number + 1)) from error
