"""Text tables and their manifest: mistakes are named, stale sounds are found, shipped sounds are sound."""

from __future__ import annotations

from pathlib import Path

import pytest

import config
from ivr.prompts import LANGUAGES
from ivr.sounds import Sound, decode_mulaw, loudness
from ivr.texts import (
    Difference,
    Made,
    Text,
    TextTableError,
    compare,
    file_digest,
    read_files,
    read_manifest,
    read_table,
    read_tables,
    write_manifest,
)

SHIPPED = Path(config.__file__).parent / "prompts"


def text(key: str, words: str, **more: object) -> Text:
    """A sentence in English."""
    return read_table(f"{key}: {words}", language="en", piece=False, where="test")[0]


def made(text: Text, data: bytes = b"sound") -> Made:
    """As if `text` had been rendered to `data`."""
    return Made(text=text.digest, file=file_digest(data), voice="test", seconds=1.0)


def test_a_table_is_read() -> None:
    """Words alone, or a mapping; a folder's common settings are filled in and can be overruled."""
    table = """
_groups:
  digit: {within: "press {}.", speed: 0.9}
welcome: Hello
digit/1: one
digit/2: {text: two, speed: 1.1, say: "[[tu:]]"}
pause/short: {silence_ms: 200}
"""
    found = {t.key: t for t in read_table(table, language="en", piece=True, where="test")}
    assert found["welcome"] == Text(language="en", key="welcome", text="Hello", piece=True)
    assert found["digit/1"].within == "press {}."
    assert found["digit/1"].speed == 0.9
    assert (found["digit/2"].speed, found["digit/2"].say) == (1.1, "[[tu:]]")
    assert (found["pause/short"].text, found["pause/short"].silence_ms) == ("", 200)
    assert found["digit/1"].name == "en/digit/1"


def test_all_mistakes_of_a_table_are_reported_at_once() -> None:
    """File, key and what to do for each."""
    table = """
Welcome: capital
yes: boolean key
number: 8
empty: ""
loud: {text: x, volume: 3}
fast: {text: x, speed: 9}
cut: {text: x, within: no mark}
both: {text: x, silence_ms: 3}
long: {silence_ms: 99999}
good: fine
"""
    with pytest.raises(TextTableError) as caught:
        read_table(table, language="en", piece=False, where="sentences.en.yaml")
    lines = str(caught.value).splitlines()
    assert caught.value.error_id == "prompt-table-refused"
    assert len(lines) == 9
    assert all(line.startswith("sentences.en.yaml: ") for line in lines)
    assert "volume" in str(caught.value)
    assert "0.5 to 2" in str(caught.value)
    for broken in ("a: [", "- a\n- b", "just words"):
        with pytest.raises(TextTableError):
            read_table(broken, language="en", piece=False, where="test")


def test_a_key_used_twice_is_refused(tmp_path: Path) -> None:
    """A sentence cannot take a piece's place unnoticed."""
    (tmp_path / "pieces.en.yaml").write_text("number/5: five\n")
    (tmp_path / "sentences.en.yaml").write_text("number/5: six\n")
    with pytest.raises(TextTableError, match="number/5"):
        read_tables(tmp_path)


def test_whatever_can_be_heard_changes_the_digest() -> None:
    """And what cannot be heard, the key, does not."""
    base = Text(language="en", key="a", text="Hello")
    changed = [
        Text(language="zh-CN", key="a", text="Hello"),
        Text(language="en", key="a", text="Hello."),
        Text(language="en", key="a", text="Hello", say="x"),
        Text(language="en", key="a", text="Hello", within="x {}"),
        Text(language="en", key="a", text="Hello", speed=0.9),
        Text(language="en", key="a", text="Hello", piece=True),
    ]
    assert len({t.digest for t in [base, *changed]}) == 7
    assert Text(language="en", key="b", text="Hello").digest == base.digest


def test_stale_missing_altered_and_orphaned_sounds_are_told_apart() -> None:
    """The manifest says from which text a file was made and what it looked like."""
    same, changed, gone, touched, unknown = (text(key, "words") for key in ("s", "c", "g", "t", "u"))
    manifest = {t.name: made(t) for t in (same, changed, gone, touched)}
    files = {f"en/{key}": file_digest(b"sound") for key in ("s", "c", "u", "old")}
    files["en/t"] = file_digest(b"another")
    difference = compare([same, text("c", "other words"), gone, touched, unknown], manifest, files)
    assert difference == Difference(
        missing=("en/g",), stale=("en/c", "en/u"), altered=("en/t",), orphaned=("en/old",)
    )
    assert not difference.clean
    assert compare([same], {same.name: made(same)}, {same.name: file_digest(b"sound")}).clean


def test_a_manifest_is_written_and_read(tmp_path: Path) -> None:
    """Sorted, one sound a line, so that a change can be read; a broken one says so."""
    assert read_manifest(tmp_path) == {}
    rows = {f"en/{key}": made(text(key, "words")) for key in ("b", "a")}
    write_manifest(tmp_path, rows)
    assert read_manifest(tmp_path) == rows
    lines = (tmp_path / "manifest.json").read_text().splitlines()
    assert len(lines) == 4
    assert lines[1].startswith('"en/a"')
    for broken in ("{", '{"en/a": {}}', '{"en/a": 3}', "[]"):
        (tmp_path / "manifest.json").write_text(broken)
        with pytest.raises(TextTableError):
            read_manifest(tmp_path)


# ---- what is shipped ---------------------------------------------------------------------------------------


def test_shipped_sounds_match_their_texts() -> None:
    """As `careline prompts check` says: nothing missing, stale, altered or orphaned."""
    difference = compare(read_tables(SHIPPED), read_manifest(SHIPPED), read_files(SHIPPED))
    assert difference.clean, difference


@pytest.mark.parametrize("language", LANGUAGES)
def test_shipped_sounds_are_sound(language: str) -> None:
    """Equally loud within 3 dB, neither cut at their ends nor empty, of a length their words can have."""
    wrong = []
    for item in read_tables(SHIPPED):
        if item.language != language or item.silence_ms:
            continue
        data = (SHIPPED / f"{item.name}.ulaw").read_bytes()
        sound = Sound(samples=decode_mulaw(data), rate=8000)
        if abs(loudness(sound) + 20) > 3:
            wrong.append(f"{item.name}: {loudness(sound):.1f} dB")
        if max(map(abs, sound.samples[:40])) > 2000 or max(map(abs, sound.samples[-40:])) > 2000:
            wrong.append(f"{item.name}: starts or ends in the middle of a sound")
        spoken = sum(c.isalnum() for c in item.text)
        low, high = (0.09, 0.75) if language == "zh-CN" else (0.03, 0.45)
        if not low * spoken - 0.05 <= sound.seconds <= high * spoken + 0.6:
            wrong.append(f"{item.name}: {sound.seconds:.2f} s for {item.text!r}")
    assert not wrong, "\n".join(wrong)


def test_shipped_sounds_stay_small() -> None:
    """They are in everybody's clone."""
    assert sum(path.stat().st_size for path in SHIPPED.rglob("*.ulaw")) < 12_000_000
