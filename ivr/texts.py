"""Text tables of the prompts, and the manifest that says which sound was made from which text."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import yaml

from ivr.prompts import KEY, LANGUAGES

MANIFEST: Final = "manifest.json"
GROUPS: Final = "_groups"


class TextTableError(ValueError):
    """A text table that cannot be read. Nothing was rendered; correct the lines named."""

    error_id = "prompt-table-refused"


@dataclass(frozen=True, kw_only=True)
class Text:
    """What one sound says, and how an engine should say it."""

    language: str
    key: str
    #: The words, as they are heard.
    text: str
    #: The engine's own notation where it would mispronounce the words; empty: none needed.
    say: str = ""
    #: A sentence with {} for the words: engines that can cut them out speak them in it.
    within: str = ""
    #: Speed relative to the voice's own.
    speed: float = 1.0
    #: Milliseconds of silence; the words are empty then.
    silence_ms: int = 0
    #: A piece is joined with others, so it keeps less silence around it than a sentence.
    piece: bool = False

    @property
    def name(self) -> str:
        """Where the sound lies below the prompts folder, without ending."""
        return f"{self.language}/{self.key}"

    @property
    def digest(self) -> str:
        """Changes when anything that can be heard changes."""
        heard = [self.language, self.text, self.say, self.within, self.speed, self.silence_ms, self.piece]
        return hashlib.sha256(json.dumps(heard, ensure_ascii=False).encode()).hexdigest()[:16]


def read_table(content: str, *, language: str, piece: bool, where: str) -> list[Text]:
    """Texts of one table. All mistakes are reported together, by key.

    A value is the words, or a mapping with `text`, `say`, `within`, `speed`, `silence_ms`. The key `_groups`
    gives the first folder of keys its common `within` and `speed`.
    """
    try:
        rows = yaml.safe_load(content) or {}
    except yaml.YAMLError as error:
        raise TextTableError(f"{where}: {error}") from error
    if not isinstance(rows, dict):
        raise TextTableError(f"{where}: write `key: words` on each line.")
    groups = rows.pop(GROUPS, {})
    found: list[Text] = []
    wrong: list[str] = []
    for key, value in rows.items():
        try:
            found.append(_text(key, value, groups, language=language, piece=piece))
        except TextTableError as error:
            wrong.append(f"{where}: {key}: {error}")
    if wrong:
        raise TextTableError("\n".join(wrong))
    return found


def _text(key: object, value: object, groups: object, *, language: str, piece: bool) -> Text:
    if not isinstance(key, str) or not KEY.fullmatch(key):
        raise TextTableError(
            "a key is lower-case words, digits, '_', '-' and '/'; quote yes, no, on and off."
        )
    common = groups.get(key.split("/")[0], {}) if isinstance(groups, dict) and "/" in key else {}
    own = value if isinstance(value, dict) else {"text": value}
    fields = {**common, **own}
    strange = sorted(set(fields) - {"text", "say", "within", "speed", "silence_ms"})
    if strange:
        raise TextTableError(f"unknown {', '.join(map(str, strange))}.")
    text, say, within = (fields.get(name, "") for name in ("text", "say", "within"))
    speed, silence_ms = fields.get("speed", 1.0), fields.get("silence_ms", 0)
    if not (isinstance(text, str) and isinstance(say, str) and isinstance(within, str)):
        raise TextTableError("the words must be text; quote numbers, yes and no.")
    if not isinstance(speed, int | float) or not 0.5 <= speed <= 2:
        raise TextTableError(f"speed must be 0.5 to 2, not {speed!r}.")
    if not isinstance(silence_ms, int) or not 0 <= silence_ms <= 5000:
        raise TextTableError(f"silence_ms must be 0 to 5000, not {silence_ms!r}.")
    if bool(text.strip()) == bool(silence_ms):
        raise TextTableError("give words, or silence_ms, not both and not neither.")
    if within and within.count("{}") != 1:
        raise TextTableError("within needs {} once, where the words go.")
    return Text(
        language=language,
        key=key,
        text=text.strip(),
        say=say,
        within=within,
        speed=float(speed),
        silence_ms=silence_ms,
        piece=piece,
    )


def read_tables(folder: Path) -> list[Text]:
    """Pieces, then sentences, of every language in `folder`. Raises TextTableError, also for a key used twice."""
    found: dict[str, Text] = {}
    twice: list[str] = []
    for kind in ("pieces", "sentences"):
        for language in LANGUAGES:
            path = folder / f"{kind}.{language}.yaml"
            content = path.read_text(encoding="utf-8") if path.exists() else ""
            for text in read_table(content, language=language, piece=kind == "pieces", where=path.name):
                if text.name in found:
                    twice.append(f"{path.name}: {text.key}: this key exists already.")
                found[text.name] = text
    if twice:
        raise TextTableError("\n".join(twice))
    return list(found.values())


# ---- manifest ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Made:
    """One sound as it was made."""

    #: Digest of the text it was made from.
    text: str
    #: First 16 hex digits of the SHA-256 of the file.
    file: str
    #: Who spoke: engine, voice and version.
    voice: str
    seconds: float


@dataclass(frozen=True, kw_only=True)
class Difference:
    """What stands between the text tables and the sounds; names below the prompts folder."""

    #: In the tables, without a file.
    missing: tuple[str, ...]
    #: The text has changed since the sound was made, or nobody knows what it was made from.
    stale: tuple[str, ...]
    #: The file is not the one that was made.
    altered: tuple[str, ...]
    #: A file that no table names.
    orphaned: tuple[str, ...]

    @property
    def clean(self) -> bool:
        return not (self.missing or self.stale or self.altered or self.orphaned)


def file_digest(data: bytes) -> str:
    """How a manifest names a file's content."""
    return hashlib.sha256(data).hexdigest()[:16]


def compare(texts: Iterable[Text], made: Mapping[str, Made], files: Mapping[str, str]) -> Difference:
    """Tables against manifest against files (name to digest of content)."""
    wanted = {text.name: text.digest for text in texts}
    known = {name for name in wanted if name in files}
    return Difference(
        missing=tuple(sorted(set(wanted) - known)),
        stale=tuple(sorted(name for name in known if name not in made or made[name].text != wanted[name])),
        altered=tuple(sorted(name for name in known if name in made and made[name].file != files[name])),
        orphaned=tuple(sorted(set(files) - set(wanted))),
    )


def read_manifest(folder: Path) -> dict[str, Made]:
    """Name to what was made; empty where there is no manifest. Raises TextTableError for a broken one."""
    path = folder / MANIFEST
    if not path.exists():
        return {}
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))
        return {
            name: Made(
                text=str(row["text"]),
                file=str(row["file"]),
                voice=str(row["voice"]),
                seconds=float(row["seconds"]),
            )
            for name, row in rows.items()
        }
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise TextTableError(f"{path.name} is broken ({error}); restore it, or render all again.") from error


def write_manifest(folder: Path, made: Mapping[str, Made]) -> None:
    """Write the manifest sorted, one sound a line, replacing the old one in one step."""
    lines = [
        f"{json.dumps(name)}: "
        + json.dumps(
            {"text": row.text, "file": row.file, "voice": row.voice, "seconds": round(row.seconds, 2)}
        )
        for name, row in sorted(made.items())
    ]
    path = folder / MANIFEST
    fresh = path.with_suffix(".new")
    fresh.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")
    fresh.replace(path)


def read_files(folder: Path) -> dict[str, str]:
    """Name to content digest of every shipped sound."""
    found = {}
    for language in LANGUAGES:
        for path in sorted((folder / language).rglob("*.ulaw")):
            data = path.read_bytes()
            if data:
                found[path.relative_to(folder).with_suffix("").as_posix()] = file_digest(data)
    return found
