"""Everything the house has about one person as one file: data for machines, pages for people, the sound itself."""

from __future__ import annotations

import csv
import html
import io
import json
import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import IO, Any, Final

#: Recordings are read in pieces of this size, so that memory stays small whatever they weigh.
_PIECE: Final = 1 << 20
_HEAD: Final = (
    '<!doctype html><html lang="zh-CN"><meta charset="utf-8"><title>{title}</title>'
    "<style>body{{font:15px/1.5 sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}}"
    "table{{border-collapse:collapse;width:100%}}td,th{{border:1px solid #bbb;padding:.3rem .5rem;"
    "text-align:left;vertical-align:top;overflow-wrap:anywhere}}h2{{margin-top:2rem}}</style>"
    "<h1>{title}</h1><p>{house} · {at:%Y-%m-%d %H:%M} UTC</p>"
    "<p>本页列出我们掌握的、与您有关的全部资料，按来源分组。"
    "附件 person.json 供其他系统读取，recordings 文件夹内是录音。<br>"
    "This page lists everything we hold about you, by source. person.json is for other systems; sound is in "
    "the folder recordings.</p>"
)


def write_archive(
    out: IO[bytes],
    data: Mapping[str, Sequence[Mapping[str, Any]]],
    *,
    house: str,
    at: datetime,
    sounds: Mapping[str, Path],
) -> Sequence[str]:
    """Write the archive as zip; gives the names of sound files that are not there any more."""
    missing = []
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as packed:
        whole = {"house": house, "made_at": at.isoformat(), "tables": data}
        packed.writestr("person.json", json.dumps(whole, ensure_ascii=False, indent=1, default=str))
        packed.writestr("person.html", _page(data, house=house, at=at))
        for name, rows in data.items():
            packed.writestr(f"tables/{name}.csv", "\ufeff" + _csv(rows))
        for name, path in sounds.items():
            if not path.is_file():
                missing.append(name)
                continue
            with path.open("rb") as sound, packed.open(f"recordings/{name}", "w") as inside:
                while piece := sound.read(_PIECE):
                    inside.write(piece)
    return missing


def temporary_archive() -> IO[bytes]:
    """A file that nobody else can open and that goes when it is closed."""
    return tempfile.TemporaryFile(prefix="careline-person-")


def _columns(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    return list(dict.fromkeys(name for row in rows for name in row))


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def _safe(value: Any) -> str:
    """No cell that a spreadsheet would take for a formula (ASVS 1.2.10)."""
    text = "" if value is None else _text(value)
    return "'" + text if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text


def _csv(rows: Sequence[Mapping[str, Any]]) -> str:
    out = io.StringIO()
    columns = _columns(rows)
    writer = csv.writer(out)
    writer.writerow(columns)
    for row in rows:
        writer.writerow([_safe(row.get(name)) for name in columns])
    return out.getvalue()


def _page(data: Mapping[str, Sequence[Mapping[str, Any]]], *, house: str, at: datetime) -> str:
    parts = [_HEAD.format(title="个人资料 · Personal data", house=html.escape(house), at=at)]
    for name, rows in data.items():
        columns = _columns(rows)
        parts.append(f"<h2>{html.escape(name)} ({len(rows)})</h2><table><tr>")
        parts += [f"<th>{html.escape(column)}" for column in columns]
        for row in rows:
            parts.append("<tr>")
            parts += [
                f"<td>{html.escape('' if row.get(column) is None else _text(row.get(column)))}"
                for column in columns
            ]
        parts.append("</table>")
    return "".join(parts)
