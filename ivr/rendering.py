"""Making sounds from texts by programs outside: a batch engine for the tables, any command for a house's texts."""

from __future__ import annotations

import hashlib
import json
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from ivr.prompts import KEY, LANGUAGES
from ivr.sounds import SoundError, read_wav, silence, telephone
from ivr.texts import Made, Text, file_digest, read_manifest, write_manifest

PIECE_MARGINS: Final = (15, 35)
"""Milliseconds of silence kept before and after a piece, which is joined with others."""

SENTENCE_MARGINS: Final = (40, 150)

SILENT_VOICE: Final = "silence"


class RenderingError(RuntimeError):
    """A text could not be spoken. Sounds made before are kept."""

    error_id = "prompt-rendering-failed"


class SpeechCommandUnset(RenderingError):
    """No command for a house's own texts is set."""

    error_id = "speech-command-unset"


class SpeechCommandFailed(RenderingError):
    """The house's speech command did not deliver."""

    error_id = "speech-command-failed"


class PromptKeyRefused(RenderingError):
    """A key or language that no prompt can have."""

    error_id = "prompt-key-refused"


def check_name(language: str, key: str) -> None:
    """Raises PromptKeyRefused where a sound of that name would never be played, or leave its folder."""
    if language not in LANGUAGES:
        raise PromptKeyRefused(
            f"{language!r} is no language of the prompts; there are {', '.join(LANGUAGES)}."
        )
    if not KEY.fullmatch(key):
        raise PromptKeyRefused(f"{key!r} is no prompt key: use lower-case words, digits, '_', '-' and '/'.")


def write_sound(folder: Path, language: str, key: str, data: bytes) -> Path:
    """Put a mu-law sound in its place, in one step, so that a call never plays half of it."""
    check_name(language, key)
    path = folder / language / f"{key}.ulaw"
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_suffix(".new")
    fresh.write_bytes(data)
    fresh.replace(path)
    return path


def import_recording(data: bytes, *, house: Path, language: str, key: str) -> Path:
    """A house's own recording into its folder. Raises SoundError (what is wrong with it) or PromptKeyRefused."""
    check_name(language, key)
    head, tail = PIECE_MARGINS if "/" in key else SENTENCE_MARGINS
    path = write_sound(house, language, key, telephone(read_wav(data), head_ms=head, tail_ms=tail))
    for other in path.parent.glob(f"{path.stem}.*"):
        if other != path:
            other.unlink()
    return path


def spoken(text: Text, wav: bytes) -> bytes:
    """Mu-law of what an engine said for `text`. Raises SoundError."""
    head, tail = PIECE_MARGINS if text.piece else SENTENCE_MARGINS
    return telephone(read_wav(wav), head_ms=head, tail_ms=tail)


# ---- the shipped tables ------------------------------------------------------------------------------------


def render(
    texts: Sequence[Text],
    *,
    folder: Path,
    engine: Sequence[str],
    told: Callable[[Text, str], None] = lambda text, error: None,
) -> int:
    """Render `texts` by one run of `engine` (tools/render_prompts.py), noting each in the manifest.

    `told` hears of each text with an empty string, or with what went wrong. Returns how many failed.
    Raises RenderingError when the engine itself cannot be started or dies; what was made is kept.
    """
    made = read_manifest(folder)
    failed = 0

    def keep(text: Text, data: bytes, voice: str) -> None:
        write_sound(folder, text.language, text.key, data)
        made[text.name] = Made(
            text=text.digest, file=file_digest(data), voice=voice, seconds=len(data) / 8000
        )
        told(text, "")

    try:
        for text in texts:
            if text.silence_ms:
                keep(text, silence(text.silence_ms), SILENT_VOICE)
        words = [text for text in texts if not text.silence_ms]
        if words:
            for number, (text, wav, voice, refusal) in enumerate(_answers(words, engine), 1):
                wrong = refusal
                if not wrong:
                    try:
                        keep(text, spoken(text, wav), voice)
                    except SoundError as reason:
                        wrong = str(reason)
                if wrong:
                    failed += 1
                    told(text, wrong)
                if number % 20 == 0:
                    write_manifest(folder, made)
    finally:
        write_manifest(folder, made)
    return failed


def _answers(texts: Sequence[Text], engine: Sequence[str]) -> Iterator[tuple[Text, bytes, str, str]]:
    """Each text with its WAV, voice and error, in order, from one run of the engine."""
    with tempfile.TemporaryDirectory() as scratch:
        output = Path(scratch) / "spoken.wav"
        try:
            process = subprocess.Popen(list(engine), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        except OSError as error:
            raise RenderingError(
                f"cannot start {engine[0]}: {error.strerror}; see docs/prompts.md."
            ) from error
        with process:
            assert process.stdin is not None
            assert process.stdout is not None
            for text in texts:
                job = {
                    "language": text.language,
                    "text": text.text,
                    "say": text.say,
                    "within": text.within,
                    "speed": text.speed,
                    "output": str(output),
                }
                try:
                    process.stdin.write(json.dumps(job, ensure_ascii=False) + "\n")
                    process.stdin.flush()
                    line = process.stdout.readline()
                except BrokenPipeError:
                    line = ""
                if not line:
                    process.kill()
                    raise RenderingError(f"the engine ended at {text.name}; what was made before is kept.")
                answer = json.loads(line)
                wrong = str(answer.get("error", ""))
                yield text, b"" if wrong else output.read_bytes(), str(answer.get("voice", "")), wrong
            process.stdin.close()


# ---- a house's own texts -----------------------------------------------------------------------------------


def speech_argv(command: Sequence[str], *, text: str, language: str, voice: str, output: Path) -> list[str]:
    """The house's command with its marks filled in; each argument stays one argument, no shell sees it.

    Marks: {text}, {language}, {voice}, {output} (a WAV file the command writes).
    """
    marks = {"{text}": text, "{language}": language, "{voice}": voice, "{output}": str(output)}
    return [_filled(argument, marks) for argument in command]


def _filled(argument: str, marks: Mapping[str, str]) -> str:
    """Marks replaced in one pass, so that words that look like a mark stay words."""
    found, at = "", 0
    while at < len(argument):
        mark = next((mark for mark in marks if argument.startswith(mark, at)), None)
        found += marks[mark] if mark else argument[at]
        at += len(mark) if mark else 1
    return found


def say(
    words: str,
    *,
    language: str,
    voice: str,
    command: Sequence[str],
    cache: Path,
    seconds: float = 60.0,
) -> bytes:
    """Mu-law of a house's own words, from the cache if these words were said by this voice and command before.

    Raises SpeechCommandUnset, SpeechCommandFailed, SoundError, PromptKeyRefused (language).
    """
    check_name(language, "words")
    if not words.strip():
        raise RenderingError("there are no words to say.")
    if not command:
        raise SpeechCommandUnset(
            "no speech command is set; set ivr.speech_command, or import a recording (careline prompts import)."
        )
    mark = json.dumps([words, language, voice, list(command)], ensure_ascii=False)
    kept = cache / f"{hashlib.sha256(mark.encode()).hexdigest()[:32]}.ulaw"
    if kept.exists() and kept.stat().st_size:
        return kept.read_bytes()
    with tempfile.TemporaryDirectory() as scratch:
        output = Path(scratch) / "spoken.wav"
        argv = speech_argv(command, text=words, language=language, voice=voice, output=output)
        try:
            done = subprocess.run(
                argv, stdin=subprocess.DEVNULL, capture_output=True, timeout=seconds, check=False
            )
        except OSError as error:
            raise SpeechCommandFailed(f"cannot start {argv[0]}: {error.strerror}.") from error
        except subprocess.TimeoutExpired as error:
            raise SpeechCommandFailed(f"{argv[0]} did not end within {seconds:g} seconds.") from error
        if done.returncode or not output.exists():
            detail = done.stderr.decode("utf-8", "replace").strip().splitlines()[-1:] or [
                "no file was written"
            ]
            raise SpeechCommandFailed(f"{argv[0]} ended with {done.returncode}: {detail[0]}")
        data = telephone(read_wav(output.read_bytes()))
    cache.mkdir(parents=True, exist_ok=True)
    fresh = kept.with_suffix(".new")
    fresh.write_bytes(data)
    fresh.replace(kept)
    return data
