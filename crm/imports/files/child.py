"""The process in which a file of others is parsed: `python -m crm.imports.files.child`, orders as JSON on its input.

It limits itself before it touches the file: memory, processor time, size of what it writes. What it answers is JSON
lines: how far it is, and last either what it found or why the file is refused. Whatever a file does to a parser
happens here, away from telephones.
"""

from __future__ import annotations

import json
import os
import resource
import sys
from collections.abc import Mapping
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Any, Final

from crm.imports.cells import House
from crm.imports.checking import Checker, Columns, MappingError
from crm.imports.fields import ImportKind
from crm.imports.files.guards import FileRefused, Format, Limits, look_at
from crm.imports.files.lines import cells_as_json, checked_line, row_line, rows_of
from crm.imports.files.sheets import open_workbook
from crm.imports.files.text import open_text
from crm.imports.own_fields import columns_of, own_from

#: Rows that are handed over to be shown and to find the names of the columns in.
FIRST_ROWS: Final = 40
_TELL_EVERY: Final = 2_000


def _limit(limits: Limits) -> None:
    for what, most in (
        (resource.RLIMIT_AS, limits.memory),
        (resource.RLIMIT_CPU, limits.seconds),
        (resource.RLIMIT_FSIZE, limits.written),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(what, (most, most))
    os.nice(10)  # telephones come first


def _say(value: Mapping[str, Any]) -> None:
    sys.stdout.write(json.dumps(value, ensure_ascii=False) + "\n")
    sys.stdout.flush()


def read(order: Mapping[str, Any], limits: Limits) -> Mapping[str, Any]:
    """Parse a file into row lines. Raises FileRefused."""
    path = Path(order["path"])
    kind = look_at(path, order["name"], limits)
    table = (
        open_text(path, limits) if kind is Format.TEXT else open_workbook(path, kind, order["sheet"], limits)
    )
    first: list[dict[str, Any]] = []
    count = 0
    with Path(order["out"]).open("w", encoding="utf-8", errors="replace") as out:
        for row in table.rows:
            if not row.cells:
                continue
            count += 1
            if count > limits.rows:
                raise FileRefused("file-too-many-rows", rows=f"{limits.rows:,}")
            out.write(row_line(row))
            if count <= FIRST_ROWS:
                first.append({"row": row.number, "hidden": row.hidden, "cells": cells_as_json(row.cells)})
            if count % _TELL_EVERY == 0:
                _say({"done": count})
    if count == 0:
        raise FileRefused("file-without-rows")
    return {
        "format": table.format.value,
        "sheets": [asdict(sheet) for sheet in table.sheets],
        "sheet": table.sheet,
        "merged": table.merged,
        "hidden_rows": table.hidden_rows,
        "uncomputed": table.uncomputed,
        "from_1904": table.from_1904,
        "encoding": table.encoding,
        "delimiter": table.delimiter,
        "rows": count,
        "first": first,
    }


def check(order: Mapping[str, Any], _limits: Limits) -> Mapping[str, Any]:
    """Check row lines by their columns. Raises MappingError."""
    house = House(
        today=date.fromisoformat(order["today"]),
        country=order["country"],
        area_code=order["area_code"],
        from_1904=order["from_1904"],
    )
    own = columns_of(own_from(order["own"]))
    checker = Checker(
        ImportKind(order["kind"]), Columns(of=order["columns"], fixed=order["fixed"]), house, own
    )
    count = bad = 0
    with Path(order["out"]).open("w", encoding="utf-8", errors="replace") as out:
        for row in rows_of(Path(order["rows"])):
            if row.number <= order["header_row"] or (row.hidden and order["skip_hidden"]):
                continue
            checked = checker.check(row.number, row.cells)
            if checked is None:
                continue
            count += 1
            bad += bool(checked.faults)
            out.write(checked_line(checked))
            if count % _TELL_EVERY == 0:
                _say({"done": count})
        out.flush()
        os.fsync(out.fileno())
    return {"rows": count, "bad": bad}


def main() -> int:
    """0: the last line says what came of it, also where the file is refused."""
    order = json.load(sys.stdin)
    limits = Limits(**order.pop("limits"))
    _limit(limits)
    try:
        found = {"read": read, "check": check}[order["what"]](order, limits)
    except FileRefused as error:
        _say({"refused": error.error_id, "values": error.values})
    except MappingError as error:
        _say({"refused": error.error_id, "values": {"fields": " ".join(error.fields)}})
    except MemoryError:
        _say({"refused": "file-needs-too-much", "values": {}})
    else:
        _say({"found": found})
    return 0


if __name__ == "__main__":
    sys.exit(main())
