"""Bulletins: what managers tell those who take calls, in one or both languages, from a moment until another.

Who has read one says so. Other words are another bulletin to the eye: they are to be read again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final

from access.sentences import Sentence

LONGEST: Final = 1000
LANGUAGES: Final = ("zh-CN", "en")
#: What lies outside was mistyped.
_EARLIEST: Final = datetime(2020, 1, 1, tzinfo=UTC)
_LATEST: Final = datetime(2100, 1, 1, tzinfo=UTC)


class BulletinError(Exception):
    """Base of what can be refused about bulletins; nothing was changed.

    BulletinError
    ├── BulletinNotFound   there is no such bulletin, or it is not shown now
    ├── BulletinChanged    somebody saved another version meanwhile (`holder`)
    └── BadBulletin        a part of it cannot be what was given (`field`)
    """

    error_id = "bulletin-error"


class BulletinNotFound(BulletinError):
    """There is no such bulletin, or it is not shown now."""

    error_id = "bulletin-not-found"


class BulletinChanged(BulletinError):
    """Somebody saved another version meanwhile (`holder` is a name)."""

    error_id = "bulletin-changed"

    def __init__(self, message: str, *, holder: str) -> None:
        super().__init__(message)
        self.holder = holder


class BadBulletin(BulletinError):
    """A part of the bulletin cannot be what was given; `field` says which."""

    error_id = "bad-bulletin"

    def __init__(self, message: str, *, field: str) -> None:
        super().__init__(message)
        self.field = field


class BulletinState(StrEnum):
    COMING = "coming"
    SHOWN = "shown"
    OVER = "over"  # its time has passed, or it was withdrawn


@dataclass(frozen=True, kw_only=True, slots=True)
class Bulletin:
    """One bulletin as it is now."""

    id: str
    #: Language to words; at least one.
    words: Mapping[str, str]
    begins_at: datetime
    ends_at: datetime
    version: int
    #: The version whose words these are: who read an older one has not read this.
    words_version: int
    created_at: datetime
    written_by: str | None
    written_by_name: str
    changed_at: datetime
    changed_by_name: str
    withdrawn_at: datetime | None = None

    def in_language(self, language: str) -> tuple[str, str]:
        """The words for who reads this language, and the language they are in."""
        if words := self.words.get(language):
            return words, language
        other = next(iter(self.words))
        return self.words[other], other

    def state(self, now: datetime) -> BulletinState:
        """Whether it is shown at that moment."""
        if self.withdrawn_at is not None or self.ends_at <= now:
            return BulletinState.OVER
        return BulletinState.SHOWN if self.begins_at <= now else BulletinState.COMING


@dataclass(frozen=True, kw_only=True, slots=True)
class Reader:
    """Somebody a bulletin is for; `read_at` None: he has not said yet that he read it."""

    user_id: str
    name: str
    read_at: datetime | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Board:
    """One bulletin as somebody sees it."""

    bulletin: Bulletin
    #: When the viewer read these words.
    read_at: datetime | None = None
    #: How many of those it is for have read it; only for those who write.
    read: int = 0
    readers: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class BulletinPage:
    items: Sequence[Board]
    next: str | None = None


def check(words: Mapping[str, str], begins_at: datetime, ends_at: datetime) -> dict[str, str]:
    """The words cleaned, languages without any left out. Raises BadBulletin."""
    kept = {}
    for language in LANGUAGES:
        text = words.get(language, "").replace("\r\n", "\n").strip()
        if len(text) > LONGEST:
            raise BadBulletin(
                Sentence("A bulletin has at most {most} characters.", most=LONGEST), field=language
            )
        if text:
            kept[language] = text
    if not kept:
        raise BadBulletin("A bulletin needs words, in one language at least.", field=LANGUAGES[0])
    for name, moment in (("begins_at", begins_at), ("ends_at", ends_at)):
        if not _EARLIEST <= moment <= _LATEST:
            raise BadBulletin("This is no time in our days.", field=name)
    if ends_at <= begins_at:
        raise BadBulletin("A bulletin ends after it begins.", field="ends_at")
    return kept
