"""Articles: what the house knows and may tell customers, with who said so and until when it holds.

An article is found by words of letters and by every two neighbouring Chinese characters, so that two
characters are enough to search by.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Final, Literal

from access.sentences import Sentence
from crm.knowledge.markdown import plain

LONGEST_TITLE: Final = 120
LONGEST_BODY: Final = 20_000
LONGEST_TAG: Final = 24
MOST_TAGS: Final = 12
#: Words of one search that are looked for; more would only narrow what is found already.
MOST_WORDS: Final = 12


class KnowledgeError(Exception):
    """Base of what can be refused about articles; nothing was changed.

    KnowledgeError
    ├── ArticleNotFound   there is no such article, or this person may not see it yet
    ├── ArticleChanged    somebody saved another version meanwhile (`holder`)
    └── BadArticle        a part of it cannot be what was given
    """

    error_id = "knowledge-error"


class ArticleNotFound(KnowledgeError):
    """There is no such article."""

    error_id = "article-not-found"


class BadArticle(KnowledgeError):
    """A part of the article cannot be what was given."""

    error_id = "bad-article"


class ArticleChanged(KnowledgeError):
    """Somebody saved another version meanwhile (`holder` is a name)."""

    error_id = "article-changed"

    def __init__(self, message: str, *, holder: str) -> None:
        super().__init__(message)
        self.holder = holder


class ArticleState(StrEnum):
    DRAFT = "draft"  # seen by those who may write
    APPROVED = "approved"
    RETIRED = "retired"


@dataclass(frozen=True, kw_only=True, slots=True)
class Article:
    """One article as it is now."""

    id: str
    language: Literal["zh-CN", "en"]
    title: str
    body: str
    tags: tuple[str, ...]
    state: ArticleState
    valid_until: date | None
    version: int
    created_at: datetime
    updated_at: datetime
    updated_by: str | None
    updated_by_name: str
    approved_at: datetime | None
    approved_by: str | None
    approved_by_name: str

    def holds_on(self, today: date) -> bool:
        """Whether it may be told to customers on that day."""
        return self.state is ArticleState.APPROVED and (self.valid_until is None or self.valid_until >= today)


@dataclass(frozen=True, kw_only=True, slots=True)
class Hit:
    """One article that was found, with the place where."""

    id: str
    language: str
    title: str
    tags: tuple[str, ...]
    #: A few words of the text around what was looked for.
    excerpt: str
    valid_until: date | None
    updated_at: datetime
    approved_by_name: str


_CHINESE: Final = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff]+")
_LETTERS: Final = re.compile(r"[0-9a-z]+(?:[.-][0-9a-z]+)*")
_LONGEST_WORD: Final = 24


def fold(text: str) -> str:
    """One width, one case."""
    return unicodedata.normalize("NFKC", text).casefold()


def words(text: str) -> set[str]:
    """What a text is found by: words of letters and digits, and every two neighbouring characters."""
    folded = fold(text)
    found = {match[0][:_LONGEST_WORD] for match in _LETTERS.finditer(folded)}
    for match in _CHINESE.finditer(folded):
        run = match[0]
        found |= {run[place : place + 2] for place in range(len(run) - 1)} or {run}
    return found


@dataclass(frozen=True, kw_only=True, slots=True)
class Wanted:
    """A search as it is looked up: words that must be there, and beginnings of words."""

    whole: frozenset[str]
    begins: frozenset[str]

    def __bool__(self) -> bool:
        return bool(self.whole or self.begins)


def wanted(text: str) -> Wanted:
    """What to look for. Words of letters match by their beginning; so does a single character."""
    folded = fold(text)
    whole: set[str] = set()
    begins = {match[0][:_LONGEST_WORD] for match in _LETTERS.finditer(folded)}
    for match in _CHINESE.finditer(folded):
        run = match[0]
        if len(run) == 1:
            begins.add(run)
        else:
            whole |= {run[place : place + 2] for place in range(len(run) - 1)}
    kept = sorted(whole)[:MOST_WORDS]
    return Wanted(whole=frozenset(kept), begins=frozenset(sorted(begins)[: MOST_WORDS - len(kept)]))


def weights(title: str, tags: Iterable[str], body: str) -> dict[str, int]:
    """Every word of an article with how much it says about it: 4 in the title, 2 in a tag, 1 in the text."""
    found = dict.fromkeys(words(plain(body)), 1)
    for tag in tags:
        found |= {word: max(found.get(word, 0), 2) for word in words(tag)}
    return found | dict.fromkeys(words(title), 4)


def excerpt(body: str, text: str, length: int = 80) -> str:
    """Some words of the body around the first thing that was looked for."""
    whole = plain(body)
    folded = whole.casefold()
    terms = [*_CHINESE.findall(fold(text)), *_LETTERS.findall(fold(text))]
    places = [folded.find(term) for term in terms]
    first = min((place for place in places if place >= 0), default=0)
    start = max(0, first - length // 4)
    cut = whole[start : start + length]
    return ("…" if start else "") + cut + ("…" if start + length < len(whole) else "")


def check(title: str, body: str, tags: Iterable[str]) -> tuple[str, str, tuple[str, ...]]:
    """Title, body and tags cleaned. Raises BadArticle."""
    title = " ".join(title.split())
    body = body.replace("\r\n", "\n").strip()
    kept = tuple(dict.fromkeys(filter(None, (" ".join(tag.split()) for tag in tags))))
    if not title or len(title) > LONGEST_TITLE:
        raise BadArticle(
            Sentence("An article needs a title of at most {most} characters.", most=LONGEST_TITLE)
        )
    if not body or len(body) > LONGEST_BODY:
        raise BadArticle(Sentence("An article needs a text of at most {most} characters.", most=LONGEST_BODY))
    if len(kept) > MOST_TAGS or any(len(tag) > LONGEST_TAG for tag in kept):
        raise BadArticle(
            Sentence("At most {most} tags of {longest} characters each.", most=MOST_TAGS, longest=LONGEST_TAG)
        )
    return title, body, kept
