"""Papers: A4 pages as PDF in any language, with every letter of a text on them.

Text is set with Noto Sans SC; only the letters that are used are embedded. A letter the font does not have is
printed as its code, [U+20BB7], never as a box, and `Paper.missing` names them.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Final

import pylopdf_fonts_zh_cn
from fontTools.ttLib import TTFont
from fpdf import FPDF
from fpdf.enums import TextMode

FONT: Final = pylopdf_fonts_zh_cn.sans_path()
_MARGIN: Final = 15.0
_WIDTH: Final = 210.0 - 2 * _MARGIN
_BOTTOM: Final = 297.0 - 16.0
_SIZE: Final = 9.0
_LINE: Final = 4.8
_PAD: Final = 1.2
_LABEL: Final = 27.0
#: Never the first of a line, and never the last (GB/T 15834).
_NOT_FIRST: Final = frozenset("，。、；：！？）】》」』”’…—,.;:!?)]}%·")
_NOT_LAST: Final = frozenset("（【《「『“‘([{￥$")
#: Wider than any of its own kind: CJK and full-width forms, where a line may break at any letter.
_WIDE: Final = frozenset({"W", "F"})
_DROPPED: Final = frozenset({"Cf", "Cc", "Cs"})


@cache
def _letters() -> frozenset[int]:
    """Code points the font has."""
    with TTFont(FONT, lazy=True) as font:
        return frozenset(font.getBestCmap())


def printable(text: str) -> tuple[str, set[str]]:
    """The text with codes in place of letters the font does not have, and those letters."""
    known, missing, parts = _letters(), set(), []
    for letter in text.replace("\r\n", "\n").replace("\t", " "):
        code = ord(letter)
        if letter == "\n" or code in known:
            parts.append(letter)
        elif (
            unicodedata.category(letter) in _DROPPED or 0xFE00 <= code <= 0xFE0F or 0xE0100 <= code <= 0xE01EF
        ):
            continue  # says nothing that is seen
        elif (plain := unicodedata.normalize("NFKC", letter)) != letter and all(
            ord(one) in known for one in plain
        ):
            parts.append(plain)
        else:
            missing.add(letter)
            parts.append(f"[U+{code:04X}]")
    return "".join(parts), missing


def wrap(text: str, width: float, width_of: Callable[[str], float]) -> list[str]:
    """Lines no wider than `width`: broken between words and between any two Chinese characters, but so that no
    line begins with a closing mark or ends with an opening one."""
    lines: list[str] = []
    for paragraph in text.split("\n"):
        line, wide = "", 0.0
        for token in _tokens(paragraph):
            needed = width_of(token)
            if wide + needed <= width:
                line, wide = line + token, wide + needed
                continue
            if line.strip():
                lines.append(line.rstrip())
            line, wide = "", 0.0
            token = token.lstrip(" ")
            for letter in token if width_of(token) > width else (token,):
                step = width_of(letter)
                if line and wide + step > width:
                    lines.append(line)
                    line, wide = "", 0.0
                line, wide = line + letter, wide + step
        lines.append(line.rstrip())
    return lines


def _tokens(paragraph: str) -> list[str]:
    """What a line is broken between."""
    tokens: list[str] = []
    for letter in paragraph:
        wide = unicodedata.east_asian_width(letter) in _WIDE
        glued = bool(tokens) and (letter in _NOT_FIRST or tokens[-1][-1] in _NOT_LAST)
        latin = (
            bool(tokens)
            and not wide
            and letter != " "
            and tokens[-1][-1] != " "
            and unicodedata.east_asian_width(tokens[-1][-1]) not in _WIDE
        )
        if tokens and (glued or latin) and len(tokens[-1]) < 200:
            tokens[-1] += letter
        else:
            tokens.append(letter)
    return tokens


@dataclass
class Paper:
    """One paper in the making. Sizes are millimetres. Not for two threads at once."""

    title: str
    #: Stands on top of every page, left and right.
    house: str
    number: str
    #: Words of the foot: "{page}" and "{total}" are filled in.
    page_words: str
    made: str
    language: str
    made_at: datetime
    missing: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._pdf = _Sheet(self)
        self._pdf.set_margins(_MARGIN, 20.0, _MARGIN)
        self._pdf.set_auto_page_break(auto=False)
        self._pdf.add_font("noto", "", str(FONT))
        self._pdf.set_font("noto", size=_SIZE)
        self._pdf.set_title(self.text(f"{self.title} {self.number}"))
        self._pdf.set_creator("Careline")
        self._pdf.set_lang(self.language)
        self._pdf.set_creation_date(self.made_at)
        self._pdf.set_draw_color(120)
        self._pdf.set_line_width(0.2)
        self._widths: dict[tuple[str, float], float] = {}
        self._pdf.add_page()

    # --- pieces

    def text(self, value: str) -> str:
        """What can be printed of a text; what cannot is noted."""
        said, missing = printable(value)
        self.missing |= missing
        return said

    def _width_of(self, size: float) -> Callable[[str], float]:
        def width(token: str) -> float:
            total = 0.0
            for letter in token:
                key = letter, size
                if key not in self._widths:
                    self._widths[key] = self._pdf.get_string_width(letter)
                total += self._widths[key]
            return total

        return width

    def lines(self, value: str, width: float, size: float = _SIZE) -> list[str]:
        """The lines of a text in a column."""
        self._pdf.set_font_size(size)
        return wrap(self.text(value), width, self._width_of(size))

    def _room(self, height: float) -> None:
        """A new page where this does not fit on the rest of this one."""
        if self._pdf.get_y() + height > _BOTTOM:
            self._pdf.add_page()

    def bold(self, x: float, y: float, line: str, size: float = _SIZE) -> None:
        self._pdf.set_font_size(size)
        with self._pdf.local_context(text_mode=TextMode.FILL_STROKE, line_width=0.14, draw_color=0):
            self._pdf.text(x, y, line)

    def _plain(self, x: float, y: float, line: str, size: float = _SIZE) -> None:
        self._pdf.set_font_size(size)
        self._pdf.text(x, y, line)

    def heading(self, words: str) -> None:
        """Begins a part; never alone at the foot of a page."""
        self._room(8 + 3 * _LINE)
        y = self._pdf.get_y() + 3
        self.bold(_MARGIN, y + 4, self.text(words), 10.5)
        self._pdf.set_y(y + 6)

    def head(self, title: str, under: str = "") -> None:
        """The title of the first page."""
        self._pdf.set_font_size(18)
        words = self.text(title)
        self.bold((210 - self._pdf.get_string_width(words)) / 2, self._pdf.get_y() + 8, words, 18)
        self._pdf.set_y(self._pdf.get_y() + 12)
        if under:
            self._pdf.set_font_size(9)
            words = self.text(under)
            self._plain((210 - self._pdf.get_string_width(words)) / 2, self._pdf.get_y() + 3, words, 9)
            self._pdf.set_y(self._pdf.get_y() + 5)

    def row(self, pairs: Sequence[tuple[str, str]]) -> None:
        """One line of boxes, label and value; a value too long for a page goes on over pages alone."""
        column = _WIDTH / len(pairs)
        cells = [
            (self.lines(label, _LABEL - 2 * _PAD, 8), self.lines(value, column - _LABEL - 2 * _PAD))
            for label, value in pairs
        ]
        height = max(max(len(label), len(value)) for label, value in cells) * _LINE + 2 * _PAD
        if height > 120:
            for pair in pairs:
                self.block(*pair)
            return
        self._room(height)
        y = self._pdf.get_y()
        for place, (label_lines, value_lines) in enumerate(cells):
            x = _MARGIN + place * column
            self._pdf.set_fill_color(240)
            self._pdf.rect(x, y, _LABEL, height, style="DF")
            self._pdf.rect(x + _LABEL, y, column - _LABEL, height)
            for at, line in enumerate(label_lines):
                self._plain(x + _PAD, y + _PAD + at * _LINE + 3.4, line, 8)
            for at, line in enumerate(value_lines):
                self._plain(x + _LABEL + _PAD, y + _PAD + at * _LINE + 3.5, line)
        self._pdf.set_y(y + height)

    def block(self, label: str, value: str) -> None:
        """A text of any length under its label; it goes on over pages."""
        lines = self.lines(value, _WIDTH - 2 * _PAD)
        head = _LINE + 2 * _PAD
        self._room(head + min(len(lines), 3) * _LINE + 2 * _PAD)
        y = self._pdf.get_y()
        self._pdf.set_fill_color(240)
        self._pdf.rect(_MARGIN, y, _WIDTH, head - 1, style="DF")
        self._plain(_MARGIN + _PAD, y + 4, self.text(label), 8)
        self._pdf.set_y(y + head - 1)
        while lines:
            top = self._pdf.get_y()
            fit = int((_BOTTOM - top - 2 * _PAD) // _LINE)
            if fit < 1:
                self._pdf.add_page()
                continue
            some, lines = lines[:fit], lines[fit:]
            height = len(some) * _LINE + 2 * _PAD
            self._pdf.rect(_MARGIN, top, _WIDTH, height)
            for at, line in enumerate(some):
                self._plain(_MARGIN + _PAD, top + _PAD + at * _LINE + 3.5, line)
            self._pdf.set_y(top + height)
            if lines:
                self._pdf.add_page()

    def entry(self, when: str, what: str, texts: Sequence[str]) -> None:
        """A line of a trail: when, what and by whom, and below it what was said; it goes on over pages."""
        left = 33.0
        heads = self.lines(what, _WIDTH - left)
        bodies = [line for text in texts if text for line in self.lines(text, _WIDTH - left, 8.5)]
        self._room((len(heads) + min(len(bodies), 2)) * _LINE + 2)
        y = self._pdf.get_y()
        self._plain(_MARGIN, y + 3.5, self.text(when), 8.5)
        for at, line in enumerate(heads):
            self.bold(_MARGIN + left, y + at * _LINE + 3.5, line)
        self._pdf.set_y(y + len(heads) * _LINE)
        for line in bodies:
            self._room(_LINE)
            y = self._pdf.get_y()
            self._plain(_MARGIN + left, y + 3.4, line, 8.5)
            self._pdf.set_y(y + _LINE)
        y = self._pdf.get_y() + 0.8
        self._pdf.set_draw_color(215)
        self._pdf.line(_MARGIN, y, _MARGIN + _WIDTH, y)
        self._pdf.set_draw_color(120)
        self._pdf.set_y(y + 0.8)

    def says(self, words: str, size: float = 8.5) -> None:
        """A sentence of the paper itself."""
        for line in self.lines(words, _WIDTH, size):
            self._room(_LINE)
            y = self._pdf.get_y()
            self._plain(_MARGIN, y + 3.6, line, size)
            self._pdf.set_y(y + _LINE)

    def signatures(self, places: Sequence[str], date_word: str, filled: Sequence[str] = ()) -> None:
        """Boxes to sign in, with a line for the date; `filled`: what stands in each already."""
        height, column = 27.0, _WIDTH / len(places)
        self._room(height)
        y = self._pdf.get_y()
        for at, words in enumerate(places):
            x = _MARGIN + at * column
            self._pdf.rect(x, y, column, height)
            for number, line in enumerate(self.lines(words, column - 2 * _PAD, 8)):
                self._plain(x + _PAD, y + 4 + number * 3.8, line, 8)
            said = filled[at] if at < len(filled) else ""
            written = self.lines(said, column - 2 * _PAD, 8.5)[:3] if said else []
            for number, line in enumerate(written):
                self._plain(x + _PAD, y + 12 + number * 4, line, 8.5)
            word = self.text(date_word)
            self._plain(x + _PAD, y + height - 2, word, 7.5)
            begin = x + _PAD + self._pdf.get_string_width(word) + 1.5
            self._pdf.line(begin, y + height - 2, x + column - 2, y + height - 2)
        self._pdf.set_y(y + height)

    def space(self, height: float = 2) -> None:
        self._pdf.set_y(self._pdf.get_y() + height)

    def done(self) -> bytes:
        """The paper as a file."""
        return bytes(self._pdf.output())


class _Sheet(FPDF):
    """A4 with the paper's head and foot on every page."""

    def __init__(self, paper: Paper) -> None:
        super().__init__(format="A4")
        self._paper = paper
        self.alias_nb_pages("{nb}")

    def header(self) -> None:
        paper = self._paper
        self.set_font("noto", size=8)
        self.text(_MARGIN, 12, paper.text(paper.house))
        number = paper.text(paper.number)
        self.text(_MARGIN + _WIDTH - self.get_string_width(number), 12, number)
        self.set_draw_color(120)
        self.line(_MARGIN, 14, _MARGIN + _WIDTH, 14)
        self.set_y(17)

    def footer(self) -> None:
        paper = self._paper
        self.set_font("noto", size=8)
        self.text(_MARGIN, 297 - 9, paper.text(paper.made))
        words = paper.page_words.replace("{page}", str(self.page_no())).replace("{total}", "{nb}")
        self.set_xy(_MARGIN, 297 - 12)
        self.cell(_WIDTH, 4, paper.text(words), align="R")
