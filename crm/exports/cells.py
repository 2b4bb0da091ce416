"""Cells of a file that a spreadsheet opens: what a customer wrote stays text and never becomes a formula (S02, S03).

Source of the rule: OWASP ASVS 5.0, 1.2.10: = + - @ tab and NUL at the beginning of a cell. In a workbook a text cell
says it is text, and has the mark that keeps it text when somebody edits it; in CSV an apostrophe goes before, which our
own import takes away again (`crm.imports.cells.read_text`).
"""

from __future__ import annotations

import unicodedata
from enum import StrEnum
from typing import Final


class ExportFormat(StrEnum):
    """What kind of file."""

    XLSX = "xlsx"
    CSV = "csv"


class ColumnKind(StrEnum):
    """How a column is written."""

    TEXT = "text"
    NUMBER = "number"
    DAY = "day"
    MOMENT = "moment"


#: Signs with which a spreadsheet begins a formula; full-width ones are taken for the same in Chinese editions.
_BEGINS_FORMULA: Final = frozenset("=+-@\t\r\n＝＋－＠'")
#: Most characters of a cell (Excel specifications and limits).
LONGEST_CELL: Final = 32_767


def plain(text: str) -> str:
    """The text without what no cell may hold: NUL and other controls, halves of letters. Lines stay."""
    if text.isprintable():
        return text[:LONGEST_CELL]
    kept = (
        letter
        for letter in text
        if letter in "\n\t"
        or (unicodedata.category(letter) not in ("Cc", "Cs") and letter not in "\ufffe\uffff")
    )
    return "".join(kept)[:LONGEST_CELL]


def looks_like_formula(text: str) -> bool:
    """Whether a spreadsheet would count with it instead of showing it."""
    return text.lstrip(" \u00a0\u3000")[:1] in _BEGINS_FORMULA if text else False


def csv_cell(text: str) -> str:
    """The text for CSV, an apostrophe before what would be a formula or lose its plus."""
    cleaned = plain(text)
    return "'" + cleaned if looks_like_formula(cleaned) else cleaned
