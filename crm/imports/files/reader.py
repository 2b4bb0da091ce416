"""The service's side of reading: starts the child, follows it, and ends it at the deadline or when nobody waits."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Any

from crm.imports.checking import Columns
from crm.imports.fields import ImportKind
from crm.imports.files.guards import FileRefused, Limits
from crm.imports.own_fields import NO_OWN, Own, as_json

#: Told how many rows are done.
Progress = Callable[[int], Awaitable[None]]
#: Longest line a child may say: the first rows of a file with long cells.
_LONGEST_LINE = 64 * 1024 * 1024


async def _nobody(_done: int) -> None:
    return None


async def read_file(
    path: Path, *, name: str, sheet: str, out: Path, limits: Limits, progress: Progress = _nobody
) -> Mapping[str, Any]:
    """Parse a file into row lines at `out`; what was found as plain JSON (`child.read`). Raises FileRefused."""
    order = {"what": "read", "path": str(path), "name": name, "sheet": sheet, "out": str(out)}
    return await _order(order, limits, progress)


async def check_rows(
    rows: Path,
    *,
    kind: ImportKind,
    columns: Columns,
    header_row: int,
    skip_hidden: bool,
    from_1904: bool,
    today: date,
    country: str,
    area_code: str,
    out: Path,
    limits: Limits,
    own: Own = NO_OWN,
    progress: Progress = _nobody,
) -> Mapping[str, Any]:
    """Check row lines into `out`; the counts `rows` and `bad`. Raises FileRefused (also import-mapping-incomplete)."""
    order = {
        "what": "check",
        "rows": str(rows),
        "kind": kind.value,
        "columns": dict(columns.of),
        "fixed": dict(columns.fixed),
        "own": as_json(own),
        "header_row": header_row,
        "skip_hidden": skip_hidden,
        "from_1904": from_1904,
        "today": today.isoformat(),
        "country": country,
        "area_code": area_code,
        "out": str(out),
    }
    return await _order(order, limits, progress)


async def _order(order: Mapping[str, Any], limits: Limits, progress: Progress) -> Mapping[str, Any]:
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "crm.imports.files.child"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        limit=_LONGEST_LINE,
    )
    assert child.stdin is not None
    assert child.stdout is not None
    last: Mapping[str, Any] = {}
    try:
        async with asyncio.timeout(limits.seconds * 5):
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                child.stdin.write(json.dumps({**order, "limits": asdict(limits)}).encode())
                await child.stdin.drain()
            child.stdin.close()
            while line := await child.stdout.readline():
                last = json.loads(line)
                if "done" in last:
                    await progress(last["done"])
            await child.wait()
    except (TimeoutError, ValueError) as error:  # too slow, or a line that is none
        raise FileRefused("file-needs-too-much") from error
    finally:
        if child.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                child.kill()
            await child.wait()
    if "refused" in last:
        raise FileRefused(str(last["refused"]), **last["values"])
    if "found" not in last:  # it died: out of memory, out of time, or the parser fell over
        raise FileRefused("file-needs-too-much")
    found: Mapping[str, Any] = last["found"]
    return found
