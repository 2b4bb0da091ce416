"""Sounds of questions asked by keypad: which are lacking, and having them spoken where the house can.

A question is heard by its own sound, or by one whose key changes with its words (`config.survey_menu`). Where
`ivr.speech_command` and the house's folder `ivr.prompts` are set, what is approved is spoken in the background, one
question at a time; else the questionnaire's page says which recordings to bring.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import structlog
from sqlalchemy import Connection

from access.users import LANGUAGES
from config.settings import Settings
from config.survey_menu import longest_keys, sound_of, spoken_words
from crm.surveys.questionnaires import Channel, Questionnaire
from crm.surveys.states import VersionState
from ivr.prompts import KEY, PromptBook
from ivr.rendering import RenderingError, say, write_sound
from ivr.sounds import SoundError
from storage import questionnaires
from storage.database import Database, StorageUnavailable
from telephony.clock import Clock

log = structlog.get_logger(__name__)

#: How long a question is left alone that could not be spoken.
_AGAIN: Final = timedelta(minutes=30)
#: Bytes of a second of mu-law.
_RATE: Final = 8000


@dataclass(frozen=True, kw_only=True, slots=True)
class Silent:
    """A question that callers of a language do not hear, and so are not asked."""

    question: str
    language: str
    #: What a recording of it is called.
    key: str
    #: Empty: the question is not written in that language.
    words: str


def silent(asked: Questionnaire, has_sound: Callable[[str, str], bool]) -> list[Silent]:
    """Questions that keys could answer and no sound asks; none where the keypad is no way to fill it in."""
    if Channel.KEYPAD not in asked.channels:
        return []
    found = []
    for question in asked.questions:
        if longest_keys(question) is None:
            continue
        for language in LANGUAGES:
            key = sound_of(question, language)
            if KEY.fullmatch(key) is None or not has_sound(language, key):
                words = spoken_words(question, language)
                found.append(Silent(question=question.code, language=language, key=key, words=words))
    return found


class SurveySounds:
    """Speaks what was approved and has no sound. Belongs to the event loop's thread; speaking has one of its own."""

    def __init__(self, database: Database, clock: Clock, book: PromptBook, settings: Settings) -> None:
        self._database = database
        self._clock = clock
        self._book = book
        self._options = settings.ivr
        self._cache = settings.data / "prompts"
        #: Keys that failed, and until when they are left alone.
        self._failed: dict[tuple[str, str], datetime] = {}

    async def look(self) -> None:
        """Take up recordings that were brought; speak what is approved and silent, where the house has a program."""
        if self._book.house is None:
            return
        self._book.learn(await asyncio.to_thread(self._book.in_house))
        if not self._options.speech_command:
            return
        try:
            approved = await self._database.read(_approved)
        except StorageUnavailable as error:
            log.warning("questions not looked at now", action="survey_sounds", why=str(error))
            return
        for asked in approved:
            for one in silent(asked, self._book.has):
                if one.words and self._failed.get((one.language, one.key), self._clock.now()) <= (
                    self._clock.now()
                ):
                    await self._speak(asked, one, self._book.house)

    async def _speak(self, asked: Questionnaire, one: Silent, folder: Path) -> None:
        named = next(question for question in asked.questions if question.code == one.question).sound
        if named:  # a recording of the house's own choice: it is brought, not spoken
            return
        try:
            seconds = await asyncio.to_thread(self._say, one, folder)
        except (RenderingError, SoundError, OSError) as error:
            self._failed[one.language, one.key] = self._clock.now() + _AGAIN
            log.warning(
                "a question could not be spoken",
                action="survey_sound_failed",
                error_id=getattr(error, "error_id", "sound-not-written"),
                questionnaire=asked.code,
                question=one.question,
                language=one.language,
                why=str(error),
            )
            return
        self._book.learn({(one.language, one.key): seconds})
        log.info(
            "a question was spoken",
            action="survey_sound",
            questionnaire=asked.code,
            question=one.question,
            language=one.language,
        )

    def _say(self, one: Silent, folder: Path) -> float:
        data = say(
            one.words,
            language=one.language,
            voice=self._options.speech_voices.get(one.language, ""),
            command=self._options.speech_command,
            cache=self._cache,
            seconds=self._options.speech_seconds,
        )
        write_sound(folder, one.language, one.key, data)
        return len(data) / _RATE


def _approved(connection: Connection) -> Sequence[Questionnaire]:
    return [
        questionnaires.questionnaire_of(connection, one.code, one.version)
        for one in questionnaires.list_versions(connection)
        if one.state is VersionState.APPROVED
    ]
