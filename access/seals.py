"""A file that shows when somebody has changed it: every row carries the hash of all before it, the end is signed (C10).

One JSON object a line. The first says what the file is, then come the rows, each with `hash`: SHA-256 over the hash
before it and the row's own text; the last line counts the rows and signs the last hash with the house's key
(HMAC-SHA-256). Whoever has no key can still check that rows and order are whole; the house can prove that it made it.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

FORMAT: Final = "careline-sealed-1"
_NOTHING: Final = "0" * 64


class SealBroken(Exception):
    """The file is not what was made: says in which line it differs."""

    error_id = "seal-broken"


@dataclass(frozen=True, kw_only=True, slots=True)
class Sealed:
    """What a whole file says of itself."""

    header: Mapping[str, Any]
    rows: int
    last: str
    #: None: no key was given, so only rows and order were checked.
    signed: bool | None


def sealing_key(key: bytes) -> bytes:
    """The key for seals, from the installation's key."""
    return hmac.new(key, b"careline sealed exports", hashlib.sha256).digest()


def canonical(value: Mapping[str, Any]) -> str:
    """The one way a row is written: sorted keys, no blanks, UTF-8."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"), default=str)


def _next(previous: str, text: str) -> str:
    return hashlib.sha256(f"{previous}\n{text}".encode()).hexdigest()


def _sign(key: bytes, last: str, rows: int) -> str:
    return hmac.new(key, f"{FORMAT}\n{rows}\n{last}".encode(), hashlib.sha256).hexdigest()


def seal(header: Mapping[str, Any], rows: Iterable[Mapping[str, Any]], key: bytes) -> Iterator[str]:
    """The lines of the file, each with its line feed."""
    count, last = 0, _NOTHING
    first = {"format": FORMAT, **header}
    last = _next(last, canonical(first))
    yield canonical({**first, "hash": last}) + "\n"
    for row in rows:
        count += 1
        last = _next(last, canonical(row))
        yield canonical({**row, "hash": last}) + "\n"
    yield canonical({"end": True, "rows": count, "last": last, "signature": _sign(key, last, count)}) + "\n"


def check(lines: Iterable[str], key: bytes | None = None) -> Sealed:
    """Read a file again. Raises SealBroken where a line is changed, missing, moved or added, or the signature wrong."""
    header: Mapping[str, Any] | None = None
    count, last, number = 0, _NOTHING, 0
    end: Mapping[str, Any] | None = None
    for number, line in enumerate(lines, 1):
        if end is not None:
            raise SealBroken(f"Line {number}: there is something after the end.")
        row = _read(line, number)
        if row.get("end") is True and "signature" in row:
            end = row
            continue
        said = row.pop("hash", None)
        last = _next(last, canonical(row))
        if said != last:
            raise SealBroken(f"Line {number}: this line, or its place, is not what was made.")
        if header is None:
            if row.get("format") != FORMAT:
                raise SealBroken("Line 1: this is no sealed file of Careline.")
            header = row
        else:
            count += 1
    if header is None or end is None:
        raise SealBroken(f"Line {number}: the file ends too early.")
    if set(end) != {"end", "rows", "last", "signature"} or end["rows"] != count or end["last"] != last:
        raise SealBroken(f"Line {number}: the end does not fit the rows before it.")
    signed = None
    if key is not None:
        signed = hmac.compare_digest(str(end["signature"]).encode(), _sign(key, last, count).encode())
        if not signed:
            raise SealBroken(f"Line {number}: the signature is not this house's.")
    return Sealed(header=header, rows=count, last=last, signed=signed)


def _read(line: str, number: int) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise SealBroken(f"Line {number}: this cannot be read.") from error
    if not isinstance(row, dict) or canonical(row) + "\n" != line:
        raise SealBroken(f"Line {number}: this line is not written as it was made.")
    return row
