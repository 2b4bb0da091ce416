"""What a file is, and whether it may be parsed at all: decided from its bytes, before any parser sees it (S14).

FileRefused is the only error: its `error_id` is the stable reason.
"""

from __future__ import annotations

import re
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path, PurePosixPath
from typing import Final


class Format(StrEnum):
    """What a file is."""

    XLSX = "xlsx"
    XLSB = "xlsb"
    XLS = "xls"
    TEXT = "text"


class FileRefused(Exception):
    """The file is not read; nothing of it was kept. The reasons:

    file-empty, file-too-large, file-unknown, file-is-html, file-not-what-it-says, file-damaged, file-has-password,
    file-unpacks-too-large, file-too-many-parts, file-has-paths, file-has-entities, file-encoding-unknown,
    file-without-rows, file-too-many-rows, file-too-wide, file-cell-too-long, file-sheet-unknown, file-needs-too-much.
    """

    def __init__(self, error_id: str, **values: str) -> None:
        super().__init__(error_id)
        self.error_id = error_id
        self.values = values


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """What a file may cost. Bytes, counts, seconds."""

    bytes: int = 50 * 1024 * 1024
    unpacked: int = 400 * 1024 * 1024
    #: Unpacked to packed, looked at above `ratio_from` bytes unpacked; sheets reach 10 to 40.
    ratio: int = 150
    ratio_from: int = 20 * 1024 * 1024
    parts: int = 2_000
    rows: int = 500_000
    columns: int = 200
    cell: int = 32_767  # what a cell of a spreadsheet can hold
    #: Address space of the reading process.
    memory: int = 1_536 * 1024 * 1024
    seconds: int = 120
    #: Rows file the reading process may write.
    written: int = 2 * 1024 * 1024 * 1024


_HTML = re.compile(
    rb"\s*(?:<!--.*?-->\s*)*<(?:!doctype\s+html|html|head|body|table|meta|script|div|style)\b", re.I | re.S
)
_XML = re.compile(rb"\s*<\?xml|\s*<[A-Za-z]+:?[A-Za-z]*\s+xmlns")
_SPREADSHEET_NAMES: Final = frozenset({".xlsx", ".xlsm", ".xlsb", ".xls"})
_CHUNK: Final = 1024 * 1024


def look_at(path: Path, name: str, limits: Limits) -> Format:
    """What the file at `path`, called `name` by whoever sent it, is. Raises FileRefused."""
    size = path.stat().st_size
    if size == 0:
        raise FileRefused("file-empty")
    if size > limits.bytes:
        raise FileRefused("file-too-large", megabytes=str(limits.bytes // 1024 // 1024))
    with path.open("rb") as file:
        head = file.read(4096)
    suffix = PurePosixPath(name.replace("\\", "/")).suffix.lower()
    if head.startswith(b"PK\x03\x04"):
        return _look_into(path, limits)
    if head.startswith(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"):
        return Format.XLS  # also a workbook with a password; the parser says so
    plain = _without_bom(head)
    if _HTML.match(plain):
        raise FileRefused("file-is-html")
    if _XML.match(plain):
        raise FileRefused("file-unknown")
    if suffix in _SPREADSHEET_NAMES:
        raise FileRefused("file-not-what-it-says", suffix=suffix)
    if _is_binary(head):
        raise FileRefused("file-unknown")
    return Format.TEXT


def _without_bom(head: bytes) -> bytes:
    if head[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return head[2:].replace(b"\0", b"")
    return head.removeprefix(b"\xef\xbb\xbf")


def _is_binary(head: bytes) -> bool:
    """Control characters that no text has."""
    encoding = utf_16_of(head)
    letters = head.decode(encoding, "ignore") if encoding else head.decode("latin-1")
    return any(letter < " " and letter not in "\t\n\r\f\v\x1a\x1b" for letter in letters)


def utf_16_of(head: bytes) -> str:
    """Which UTF-16 the beginning of a text is in, by its mark or by the side on which NUL stands; "" for none."""
    if head[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return "utf-16"
    if b"\0" not in head:
        return ""
    return "utf-16-be" if head[::2].count(0) > head[1::2].count(0) else "utf-16-le"


def _look_into(path: Path, limits: Limits) -> Format:
    try:
        with zipfile.ZipFile(path) as archive:
            return _look_at_parts(archive, path.stat().st_size, limits)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, UnicodeDecodeError) as error:
        raise FileRefused("file-damaged") from error
    except (RuntimeError, OSError, ValueError) as error:  # a part with a password, offsets that lie
        raise FileRefused("file-damaged") from error


def _look_at_parts(archive: zipfile.ZipFile, packed: int, limits: Limits) -> Format:
    parts = archive.infolist()
    if len(parts) > limits.parts:
        raise FileRefused("file-too-many-parts", count=str(len(parts)))
    names = [part.filename for part in parts]
    if len(set(names)) != len(names) or any(map(_leads_out, names)):
        raise FileRefused("file-has-paths")
    if any(part.flag_bits & 1 for part in parts):
        raise FileRefused("file-has-password")
    known = set(names)
    if "xl/workbook.xml" in known:
        kind = Format.XLSX
    elif "xl/workbook.bin" in known:
        kind = Format.XLSB
    else:
        raise FileRefused("file-unknown")
    _fits(sum(part.file_size for part in parts), packed, limits)
    read = 0
    for part in parts:
        if not part.filename.endswith((".xml", ".rels", ".vml", ".bin")):
            continue
        tail = b""
        with archive.open(part) as file:
            while chunk := file.read(_CHUNK):
                read += len(chunk)
                _fits(read, packed, limits)
                if part.filename.endswith(".bin"):
                    continue
                text = tail + chunk.replace(b"\0", b"")  # UTF-16 hides nothing
                if b"<!DOCTYPE" in text or b"<!ENTITY" in text:
                    raise FileRefused("file-has-entities")
                tail = text[-16:]
    return kind


def _fits(unpacked: int, packed: int, limits: Limits) -> None:
    if unpacked > limits.unpacked or (
        unpacked > limits.ratio_from and unpacked > max(packed, 1) * limits.ratio
    ):
        raise FileRefused("file-unpacks-too-large", megabytes=str(limits.unpacked // 1024 // 1024))


def _leads_out(name: str) -> bool:
    """Whether a part's name is a path to somewhere else."""
    return (
        name.startswith(("/", "\\"))
        or "\\" in name
        or ":" in name
        or "\0" in name
        or ".." in PurePosixPath(name).parts
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Marks:
    """What a parser of cells does not tell about a sheet of an .xlsx."""

    hidden_rows: frozenset[int] = frozenset()
    #: Places ("B7") of formulas without a value: the program that wrote the file never counted them out.
    uncomputed: frozenset[str] = frozenset()
    from_1904: bool = False


_SHEET = re.compile(rb"<(?:\w+:)?sheet\b([^>]*)/?>")
_NAME = re.compile(rb'\bname="([^"]*)"')
_RELATION = re.compile(rb'\br?:?id="([^"]*)"', re.I)
_1904 = re.compile(rb'date1904="(?:1|true)"', re.I)
_ROW_HIDDEN = re.compile(rb'<(?:\w+:)?row\b(?=[^>]*\bhidden="(?:1|true)")[^>]*\br="([0-9]+)"')
_UNCOMPUTED = re.compile(
    rb'<(?:\w+:)?c\b[^>]*\br="([A-Z]{1,3}[0-9]{1,7})"[^>]*>\s*<(?:\w+:)?f\b[^>]*(?:/>|>[^<]*</(?:\w+:)?f>)\s*'
    rb"(?:<(?:\w+:)?v\s*/>|<(?:\w+:)?v>\s*</(?:\w+:)?v>)?\s*</(?:\w+:)?c>"
)
_MOST_MARKS: Final = 600_000


def marks_of(path: Path, place: int) -> Marks:
    """What stands in an .xlsx about its sheet at this place (from 0). Nothing where the file names no such part."""
    with zipfile.ZipFile(path) as archive:
        book = archive.read("xl/workbook.xml")
        from_1904 = _1904.search(book) is not None
        part = _part_of(archive, book, place)
        if part is None:
            return Marks(from_1904=from_1904)
        hidden: set[int] = set()
        uncomputed: set[str] = set()
        for text in _rows_of(archive, part):
            hidden.update(int(found) for found in _ROW_HIDDEN.findall(text))
            if b"<f" in text or b":f" in text:
                uncomputed.update(found.decode() for found in _UNCOMPUTED.findall(text))
            if len(hidden) + len(uncomputed) > _MOST_MARKS:
                break
        return Marks(hidden_rows=frozenset(hidden), uncomputed=frozenset(uncomputed), from_1904=from_1904)


def _part_of(archive: zipfile.ZipFile, book: bytes, place: int) -> str | None:
    sheets = [found[1] for found in _SHEET.finditer(book) if _NAME.search(found[1])]
    relation = _RELATION.search(sheets[place]) if place < len(sheets) else None
    if relation is None:
        return None
    try:
        relations = archive.read("xl/_rels/workbook.xml.rels")
    except KeyError:
        return None
    for found in re.finditer(rb"<(?:\w+:)?Relationship\b([^>]*)/?>", relations):
        identity, target = (
            re.search(rb'\bId="([^"]*)"', found[1]),
            re.search(rb'\bTarget="([^"]*)"', found[1]),
        )
        if identity and target and identity[1] == relation[1]:
            name = target[1].decode("utf-8", "replace")
            name = name.lstrip("/") if name.startswith("/") else "xl/" + name
            return name if name in archive.namelist() else None
    return None


def _rows_of(archive: zipfile.ZipFile, part: str) -> Iterator[bytes]:
    """The sheet in pieces that end with a row."""
    rest = b""
    with archive.open(part) as file:
        while chunk := file.read(_CHUNK):
            rest += chunk
            end = rest.rfind(b"</row>")
            if end > 0:
                yield rest[: end + 6]
                rest = rest[end + 6 :]
            elif len(rest) > 16 * _CHUNK:
                rest = rest[-_CHUNK:]
    yield rest
