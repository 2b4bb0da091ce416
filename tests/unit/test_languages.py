"""Both languages of the pages are complete, and nothing on a page is written in one language only."""

from __future__ import annotations

import re
import string
from html.parser import HTMLParser
from pathlib import Path

import pytest

from access.permissions import Role
from access.users import LANGUAGES, THEMES
from crm.records.matching import Sign, Unmatched
from crm.tasks.tasks import TaskKind
from telephony.asterisk import names
from telephony.calls import CallState, Direction, Outcome
from telephony.facts import FactKind
from web.languages import text, texts

WEB = Path(__file__).parents[2] / "web"
TEMPLATES = sorted((WEB / "templates").rglob("*.html"))
SCRIPTS = sorted((WEB / "client").rglob("*.ts"))
SOURCES = sorted({*TEMPLATES, *SCRIPTS, *WEB.rglob("*.py")})
FENCES = [name for name in dir(names) if name.startswith("FENCE_")]
CHINESE = re.compile(r"[\u4e00-\u9fff]")


def places(value: str) -> set[str]:
    return {name for _text, name, _spec, _how in string.Formatter().parse(value) if name}


def used_keys() -> set[str]:
    """Keys that templates and scripts name in full, and every key of the families they build."""
    found: set[str] = set()
    for path in SOURCES:
        found |= set(re.findall(r"""["'`]([a-z]+(?:\.[a-z_-]+)+)["'`]""", path.read_text("utf-8")))
    return found


def families() -> tuple[str, ...]:
    """Beginnings of keys whose last word is put in: "state." ~ x, `state.${x}`, f"state.{x}"."""
    found: set[str] = set()
    for path in SOURCES:
        found |= set(
            re.findall(r"""["'`]([a-z]+(?:\.[a-z_-]+)*\.)(?:["'`]|\$?\{)""", path.read_text("utf-8"))
        )
    return tuple(found)


def built_keys() -> set[str]:
    return {
        *(f"state.{word}" for word in CallState),
        *(f"outcome.{word}" for word in Outcome),
        *(f"direction.{word}" for word in Direction),
        *(f"fact.{word}" for word in FactKind),
        *(f"role.{word}" for word in Role),
        *(f"theme.{word}" for word in THEMES),
        *(f"live.{word}" for word in ("on", "off", "ended")),
        *(f"calls.none.{word}" for word in ("open", "all", "search")),
        *(f"error.{status}" for status in (400, 401, 403, 404, 429, 500, 503)),
        *(f"refused.{word}" for word in ("blocked", *(getattr(names, name) for name in FENCES))),
        *(f"{where}.{word}" for word in TaskKind for where in ("tasks.kind", "desk.open")),
        *(f"explained.{word}" for word in (*Sign, *Unmatched, "not_looked_up", "internal")),
    }


def test_both_languages_have_the_same_texts_and_places() -> None:
    chinese, english = texts("zh-CN"), texts("en")
    assert chinese.keys() == english.keys()
    for key in chinese:
        assert chinese[key].strip(), key
        assert english[key].strip(), key
        assert places(chinese[key]) == places(english[key]), key


def test_chinese_is_chinese_and_english_is_english() -> None:
    for key, value in texts("zh-CN").items():
        assert CHINESE.search(value) or key == "language.other" or not any(map(str.isalpha, value)), (
            key,
            value,
        )
    for key, value in texts("en").items():
        assert not CHINESE.search(value) or key == "language.other", (key, value)


def test_every_text_that_is_asked_for_is_there_and_every_text_is_asked_for() -> None:
    known = set(texts("en"))
    assert built_keys() <= known
    named = used_keys()
    asked = set()
    for path in (*TEMPLATES, *SCRIPTS):
        asked |= set(re.findall(r"""\bt\(\s*["']([^"'$]+)["']\s*[,)]""", path.read_text("utf-8")))
    assert asked - known == set()
    built = families()
    assert {key for key in known - named - built_keys() if not key.startswith(built)} == set()


class _Words(HTMLParser):
    """Collects what a person would read in a template, and the attributes he would hear."""

    def __init__(self) -> None:
        super().__init__()
        self.words: list[str] = []
        self._silent = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._silent = tag if tag in ("script", "style", "kbd") else ""
        for name, value in attrs:
            if name in ("alt", "title", "placeholder", "aria-label") and value:
                self.words.append(value)

    def handle_endtag(self, tag: str) -> None:
        self._silent = ""

    def handle_data(self, data: str) -> None:
        if not self._silent:
            self.words.append(data)


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_no_template_holds_words_of_its_own(path: Path) -> None:
    # Class names are blocks of their own; they are not read by anybody.
    source = re.sub(
        r"{% block (?:main_)?kind %}.*?{% endblock %}|{#.*?#}|{%.*?%}|{{.*?}}",
        "",
        path.read_text("utf-8"),
        flags=re.DOTALL,
    )
    reader = _Words()
    reader.feed(source)
    left = [word for word in reader.words if re.search(r"[A-Za-z\u4e00-\u9fff]", word)]
    assert left == []


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_no_script_holds_words_of_its_own(path: Path) -> None:
    source = "\n".join(
        line for line in path.read_text("utf-8").splitlines() if not line.strip().startswith("//")
    )
    assert not CHINESE.search(source)
    written = re.findall(
        r"""(?:textContent|title|placeholder|ariaLabel|alert\()\s*=?\s*(["'`])(.+?)\1""", source
    )
    assert written == []


def test_no_template_has_inline_script_or_style() -> None:
    """The content security policy would stop it."""
    for path in TEMPLATES:
        source = path.read_text("utf-8")
        assert "style=" not in source
        assert not re.search(r"\son[a-z]+=", source)
        for attributes in re.findall(r"<script\b([^>]*)>", source):
            assert "src=" in attributes or 'type="application/json"' in attributes


def test_places_are_filled() -> None:
    for language in LANGUAGES:
        assert "{" not in text(language, "login.too-many", minutes=3)
    with pytest.raises(KeyError):
        text("en", "no.such.text")
