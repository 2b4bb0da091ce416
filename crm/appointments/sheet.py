"""The list of two days as an Excel sheet: text cells only, so that nothing in it is a formula."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO

import xlsxwriter  # type: ignore[import-untyped]


def write_sheet(head: Sequence[str], rows: Sequence[Sequence[str]]) -> bytes:
    """The sheet's bytes."""
    out = BytesIO()
    book = xlsxwriter.Workbook(
        out, {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
    )
    page = book.add_worksheet()
    bold, wrap = book.add_format({"bold": True}), book.add_format({"text_wrap": True, "valign": "top"})
    for column, word in enumerate(head):
        page.write_string(0, column, word, bold)
    for number, row in enumerate(rows, 1):
        for column, word in enumerate(row):
            page.write_string(number, column, word, wrap)
    page.set_column(0, len(head) - 1, 16)
    page.freeze_panes(1, 0)
    book.close()
    return out.getvalue()
