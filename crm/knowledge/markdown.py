"""The safe subset of Markdown that articles are written in, as a tree of values; pages make HTML of it.

Headings (#, ##, ###), paragraphs, lists (-, *, 1.), tables of | cells |, block quotes (>), and inside a line
**strong**, *stress* and `letters as they are`. No HTML, no links, no pictures: everything else is shown as
it is written. The tree is the only way to a page, so no tag can come out of a text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class BlockKind(StrEnum):
    HEADING = "heading"
    PARAGRAPH = "paragraph"
    BULLETS = "bullets"
    NUMBERS = "numbers"
    QUOTE = "quote"
    TABLE = "table"


class SpanKind(StrEnum):
    PLAIN = "plain"
    STRONG = "strong"
    STRESS = "stress"
    CODE = "code"


@dataclass(frozen=True, slots=True)
class Span:
    """A run of letters of one kind."""

    kind: SpanKind
    text: str


Line = tuple[Span, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Block:
    """One block; `rows` are lines, list items or table rows, each a tuple of cells."""

    kind: BlockKind
    rows: tuple[tuple[Line, ...], ...]
    #: 1 to 3 of a heading.
    level: int = 0


_SPANS: Final = re.compile(r"\*\*([^*\n]+)\*\*|\*([^*\s][^*\n]*)\*|`([^`\n]+)`")
_HEADING: Final = re.compile(r"(#{1,3})[ \t]+(.+)")
_BULLET: Final = re.compile(r"[-*•][ \t]+(.+)")
_NUMBER: Final = re.compile(r"\d{1,3}[.)、][ \t]*(.+)")
_QUOTE: Final = re.compile(r">[ \t]?(.*)")
_ROW: Final = re.compile(r"\|(.+)\|[ \t]*")
_RULE: Final = re.compile(r"\|[ \t:|-]+\|[ \t]*")


def spans(text: str) -> Line:
    """A line as its runs."""
    found: list[Span] = []
    covered = 0
    for match in _SPANS.finditer(text):
        if match.start() > covered:
            found.append(Span(SpanKind.PLAIN, text[covered : match.start()]))
        covered = match.end()
        for kind, group in ((SpanKind.STRONG, 1), (SpanKind.STRESS, 2), (SpanKind.CODE, 3)):
            if match[group] is not None:
                found.append(Span(kind, match[group]))
    if covered < len(text):
        found.append(Span(SpanKind.PLAIN, text[covered:]))
    return tuple(found)


def read(text: str) -> tuple[Block, ...]:
    """An article's text as blocks. Any text has a reading."""
    blocks: list[Block] = []
    kind: BlockKind | None = None
    rows: list[tuple[Line, ...]] = []

    def close() -> None:
        nonlocal kind
        if kind is not None and rows:
            blocks.append(Block(kind=kind, rows=tuple(rows)))
        rows.clear()
        kind = None

    for raw in text.splitlines():
        line = raw.strip()
        if not line:
            close()
            continue
        if match := _HEADING.fullmatch(line):
            close()
            heading = (spans(match[2]),)
            blocks.append(Block(kind=BlockKind.HEADING, rows=(heading,), level=len(match[1])))
            continue
        found, cells = _read_line(line)
        if found is not kind:
            close()
            kind = found
        if cells:
            rows.append(cells)
    close()
    return tuple(blocks)


def _read_line(line: str) -> tuple[BlockKind, tuple[Line, ...]]:
    if _RULE.fullmatch(line):
        return BlockKind.TABLE, ()
    if match := _ROW.fullmatch(line):
        return BlockKind.TABLE, tuple(spans(cell.strip()) for cell in match[1].split("|"))
    for pattern, kind in (
        (_BULLET, BlockKind.BULLETS),
        (_NUMBER, BlockKind.NUMBERS),
        (_QUOTE, BlockKind.QUOTE),
    ):
        if match := pattern.fullmatch(line):
            return kind, (spans(match[1]),)
    return BlockKind.PARAGRAPH, (spans(line),)


def plain(text: str) -> str:
    """The letters of an article without its marks, in one line; for lists and the index."""
    words = (
        span.text
        for block in read(text)
        for row in block.rows
        for cell in row
        for span in (*cell, Span(SpanKind.PLAIN, " "))
    )
    return " ".join("".join(words).split())
