"""The pages' texts in Chinese and English: a folder a language, a file per capability, the same keys in both."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType

import yaml
from aiohttp import web

from access.users import LANGUAGES, Language

LANGUAGE_COOKIE = "careline_language"
_FOLDER = Path(__file__).parent / "locales"


@cache
def texts(language: Language) -> Mapping[str, str]:
    """Every text of a language by its key. Raises ValueError where two files have the same key."""
    found: dict[str, str] = {}
    for path in sorted((_FOLDER / language).glob("*.yaml")):
        loaded = yaml.safe_load(path.read_text("utf-8")) or {}
        if twice := found.keys() & loaded.keys():
            raise ValueError(f"{path.name}: these texts are in another file too: {', '.join(sorted(twice))}")
        found |= {str(key): str(value) for key, value in loaded.items()}
    return MappingProxyType(found)


def text(language: Language, key: str, **values: object) -> str:
    """One text with its places filled in. Raises KeyError for a key that no file has."""
    found = texts(language)[key]
    return found.format(**values) if values else found


def language_of(request: web.Request) -> Language:
    """What a visitor who is not signed in reads: what was chosen before, else what the browser asks for."""
    chosen = request.cookies.get(LANGUAGE_COOKIE)
    for language in LANGUAGES:
        if chosen == language:
            return language
    for part in request.headers.get("Accept-Language", "").lower().split(","):
        word = part.split(";")[0].strip()
        if word.startswith("zh"):
            return "zh-CN"
        if word.startswith("en"):
            return "en"
    return "zh-CN"
