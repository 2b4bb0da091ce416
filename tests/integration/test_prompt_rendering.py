"""Rendering and importing prompts with real programs, files and the command line."""

from __future__ import annotations

import math
import struct
import sys
from array import array
from pathlib import Path

import pytest
from typer.testing import CliRunner

from config.commands.prompts import app
from ivr.prompts import Sentence, load_book
from ivr.rendering import (
    PromptKeyRefused,
    RenderingError,
    SpeechCommandFailed,
    SpeechCommandUnset,
    import_recording,
    render,
    say,
    speech_argv,
)
from ivr.sounds import SoundEmpty, SoundFormatRefused
from ivr.texts import Text, compare, read_files, read_manifest, read_tables

SPEAKER = """
import json, math, struct, sys, wave
def speak(output, hertz):
    with wave.open(output, "wb") as w:
        w.setnchannels(1); w.setsampwidth(2); w.setframerate(24000)
        w.writeframes(b"".join(struct.pack("<h", round(9000 * math.sin(hertz * n / 3800))) for n in range(12000)))
"""

ENGINE = (
    SPEAKER
    + """
for line in sys.stdin:
    job = json.loads(line)
    answer = {"output": job["output"], "voice": "test voice"}
    if job["text"] == "die":
        sys.exit(3)
    if job["text"] == "refuse":
        answer["error"] = "no such word"
    else:
        speak(job["output"], 0 if job["text"] == "hush" else 440)
    print(json.dumps(answer), flush=True)
"""
)

COMMAND = (
    SPEAKER
    + """
text, output, log = sys.argv[1:4]
open(log, "a").write(text + "\\n")
if text == "fail":
    sys.exit("the engine is out of breath")
if text != "nothing":
    speak(output, 440)
"""
)


def wav(rate: int = 44_100, channels: int = 2, size: int = 8000) -> bytes:
    """Half a second of 440 Hz."""
    tone = [round(size * math.sin(2 * math.pi * 440 * n / rate)) for n in range(rate // 2)]
    body = array("h", [value for value in tone for _ in range(channels)]).tobytes()
    form = struct.pack("<HHIIHH", 1, channels, rate, rate * channels * 2, channels * 2, 16)
    head = b"WAVEfmt " + struct.pack("<I", 16) + form + b"data" + struct.pack("<I", len(body))
    return b"RIFF" + struct.pack("<I", len(head) + len(body)) + head + body


def texts(*words: str) -> list[Text]:
    """English sentences, keyed by their words."""
    return [Text(language="en", key=word, text=word) for word in words]


@pytest.fixture
def engine(tmp_path: Path) -> list[str]:
    """A batch engine that speaks a tone."""
    path = tmp_path / "engine.py"
    path.write_text(ENGINE)
    return [sys.executable, str(path)]


@pytest.fixture
def command(tmp_path: Path) -> list[str]:
    """A house's speech command that notes what it was asked."""
    path = tmp_path / "command.py"
    path.write_text(COMMAND)
    return [sys.executable, str(path), "{text}", "{output}", str(tmp_path / "asked.txt")]


def test_rendering_keeps_what_worked_and_tells_what_did_not(tmp_path: Path, engine: list[str]) -> None:
    """One word refused and one silent: the others are there and in the manifest, and only they."""
    folder = tmp_path / "prompts"
    folder.mkdir()
    heard: list[tuple[str, str]] = []
    wanted = texts("one", "refuse", "hush", "two")
    failed = render(wanted, folder=folder, engine=engine, told=lambda t, e: heard.append((t.key, e)))
    assert failed == 2
    assert dict(heard) == {
        "one": "",
        "refuse": "no such word",
        "hush": "nothing can be heard in this recording.",
        "two": "",
    }
    assert set(read_manifest(folder)) == {"en/one", "en/two"}
    assert read_manifest(folder)["en/one"].voice == "test voice"
    difference = compare(wanted, read_manifest(folder), read_files(folder))
    assert difference.missing == ("en/hush", "en/refuse")
    assert not difference.stale + difference.altered + difference.orphaned
    assert load_book(folder).files("en", [Sentence(key="two")]) == [str(folder / "en" / "two")]


def test_an_engine_that_dies_loses_nothing_made_before(tmp_path: Path, engine: list[str]) -> None:
    """The error names the text; the sound before it is kept."""
    with pytest.raises(RenderingError, match="en/die"):
        render(texts("one", "die", "two"), folder=tmp_path, engine=engine)
    assert set(read_manifest(tmp_path)) == {"en/one"}


def test_an_engine_that_is_not_there(tmp_path: Path) -> None:
    """Says what could not be started."""
    with pytest.raises(RenderingError, match="no-such-engine"):
        render(texts("one"), folder=tmp_path, engine=[str(tmp_path / "no-such-engine")])


def test_silence_needs_no_engine(tmp_path: Path) -> None:
    """Pauses are made by ourselves."""
    pause = Text(language="en", key="pause/short", text="", silence_ms=200)
    assert render([pause], folder=tmp_path, engine=["/no-such-engine"]) == 0
    assert (tmp_path / "en/pause/short.ulaw").read_bytes() == b"\xff" * 1600


@pytest.mark.parametrize(("rate", "channels"), [(8000, 1), (16_000, 1), (44_100, 2), (48_000, 1)])
def test_a_house_recording_takes_the_shipped_ones_place(tmp_path: Path, rate: int, channels: int) -> None:
    """Converted without outside programs, and played instead; an older file of another format goes."""
    (tmp_path / "en").mkdir()
    (tmp_path / "en/welcome.wav").write_bytes(b"old")
    path = import_recording(wav(rate, channels), house=tmp_path, language="en", key="welcome")
    assert path == tmp_path / "en/welcome.ulaw"
    assert path.stat().st_size / 8000 == pytest.approx(0.5 + 0.04 + 0.15, abs=0.03)
    assert [p.name for p in (tmp_path / "en").iterdir()] == ["welcome.ulaw"]
    assert load_book(tmp_path / "none", tmp_path).files("en", [Sentence(key="welcome")]) == [
        str(tmp_path / "en/welcome")
    ]


def test_an_import_leaves_its_neighbours_alone(tmp_path: Path) -> None:
    """`number/1` is not `number/10`."""
    for key in ("number/10", "number/1"):
        import_recording(wav(8000, 1), house=tmp_path, language="en", key=key)
    assert sorted(p.name for p in (tmp_path / "en/number").iterdir()) == ["1.ulaw", "10.ulaw"]


def test_bad_recordings_are_refused_and_nothing_is_replaced(tmp_path: Path) -> None:
    """The old sound stays where it was."""
    import_recording(wav(), house=tmp_path, language="en", key="welcome")
    before = (tmp_path / "en/welcome.ulaw").read_bytes()
    with pytest.raises(SoundFormatRefused):
        import_recording(wav(rate=96_000), house=tmp_path, language="en", key="welcome")
    with pytest.raises(SoundEmpty):
        import_recording(wav(size=2), house=tmp_path, language="en", key="welcome")
    for language, key in (("en", "../welcome"), ("xx", "welcome"), ("en", "")):
        with pytest.raises(PromptKeyRefused):
            import_recording(wav(), house=tmp_path, language=language, key=key)
    assert (tmp_path / "en/welcome.ulaw").read_bytes() == before


def test_the_houses_own_words_are_spoken_once(tmp_path: Path, command: list[str]) -> None:
    """The same words, voice and command come from the cache; another voice is asked again."""
    cache = tmp_path / "cache"
    first, again = (
        say("您好; touch x", language="zh-CN", voice="a", command=command, cache=cache) for _ in range(2)
    )
    say("您好; touch x", language="zh-CN", voice="b", command=command, cache=cache)
    assert first == again
    assert len(first) > 3000
    assert (tmp_path / "asked.txt").read_text().splitlines() == ["您好; touch x"] * 2


def test_words_stay_one_argument() -> None:
    """No shell and no mark inside the words is seen."""
    argv = speech_argv(
        ["tts", "--voice={voice}", "{text}", "-o", "{output}"],
        text="{output} $(reboot); 'x'",
        language="en",
        voice="v",
        output=Path("/tmp/out.wav"),
    )
    assert argv == ["tts", "--voice=v", "{output} $(reboot); 'x'", "-o", "/tmp/out.wav"]


def test_a_speech_command_that_fails_says_why(tmp_path: Path, command: list[str]) -> None:
    """Not set, not there, ended in error, wrote nothing, too slow: five answers, nothing cached."""
    cache = tmp_path / "cache"

    def spoken(words: str, argv: list[str], seconds: float = 30) -> bytes:
        return say(words, language="en", voice="", command=argv, cache=cache, seconds=seconds)

    with pytest.raises(SpeechCommandUnset, match=r"ivr\.speech_command"):
        spoken("x", [])
    with pytest.raises(SpeechCommandFailed, match="no-such"):
        spoken("x", [str(tmp_path / "no-such")])
    with pytest.raises(SpeechCommandFailed, match="out of breath"):
        spoken("fail", command)
    with pytest.raises(SpeechCommandFailed, match="no file"):
        spoken("nothing", command)
    with pytest.raises(SpeechCommandFailed, match="within"):
        spoken("x", [sys.executable, "-c", "import time; time.sleep(30)"], seconds=0.3)
    assert not cache.exists()


# ---- command line ------------------------------------------------------------------------------------------


def run(*arguments: str | Path) -> tuple[int, str]:
    """Exit code and what was printed."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    return result.exit_code, result.output


def test_check_finds_a_changed_text(tmp_path: Path, engine: list[str]) -> None:
    """Clean after rendering; a changed sentence makes it fail and names the sound."""
    (tmp_path / "sentences.en.yaml").write_text("welcome: Hello\n")
    render(read_tables(tmp_path), folder=tmp_path, engine=engine)
    assert run("check", "--folder", tmp_path)[0] == 0
    (tmp_path / "sentences.en.yaml").write_text("welcome: Good morning\nbye: Goodbye\n")
    code, output = run("check", "--folder", tmp_path)
    assert code == 1
    assert "stale: en/welcome" in output
    assert "missing: en/bye" in output


def test_import_from_the_command_line(tmp_path: Path) -> None:
    """Into the folder the settings name; a bad file ends with its error id and 1, wrong use with 2."""
    settings = tmp_path / "careline.toml"
    settings.write_text(f'[ivr]\nprompts = "{tmp_path / "house"}"\n')
    good, bad = tmp_path / "good.wav", tmp_path / "bad.wav"
    good.write_bytes(wav())
    bad.write_bytes(b"MP3")
    options = ("--key", "welcome", "--language", "en", "--config", settings)
    assert run("import", good, *options)[0] == 0
    assert (tmp_path / "house/en/welcome.ulaw").exists()
    code, output = run("import", bad, *options)
    assert code == 1
    assert "sound-unreadable" in output
    assert run("import", tmp_path / "none.wav", *options)[0] == 2
    settings.write_text("")
    assert run("import", good, *options)[0] == 2


def test_say_from_the_command_line(tmp_path: Path, command: list[str]) -> None:
    """The command in the settings speaks; the sound lands under its key."""
    settings = tmp_path / "careline.toml"
    argv = ", ".join(f'"{argument}"' for argument in command)
    settings.write_text(
        f'data = "{tmp_path / "data"}"\n[ivr]\nprompts = "{tmp_path / "house"}"\nspeech_command = [{argv}]\n'
    )
    options = ("--text", "Open day on Sunday", "--language", "en", "--config", settings)
    assert run("say", *options, "--key", "open_day")[0] == 0
    assert (tmp_path / "house/en/open_day.ulaw").stat().st_size > 3000
    assert run("say", *options)[0] == 2
