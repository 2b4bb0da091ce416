"""The lab's own sounds: made by arithmetic, so that it needs no recordings of anybody."""

from __future__ import annotations

import math
import random
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Final

RATE: Final = 8000  # samples a second
SPEECH_SECONDS: Final = 2.0  # length of the sound "speech"


def ulaw(sample: int) -> int:
    """One 16-bit sample as a mu-law byte (ITU-T G.711)."""
    magnitude = min(abs(sample), 32635) + 132
    exponent = magnitude.bit_length() - 8
    mantissa = (magnitude >> (exponent + 3)) & 0x0F
    return ~((0x80 if sample < 0 else 0) | (exponent << 4) | mantissa) & 0xFF


def speech(seconds: float, *, seed: int = 1) -> Iterator[int]:
    """Samples that sound like somebody talking: voiced harmonics in syllables of changing pitch."""
    rng = random.Random(f"{seed}-speech")
    pitch, loud, left, phase = 140.0, 0.0, 0, 0.0
    for _ in range(int(seconds * RATE)):
        if left == 0:
            left = int(rng.uniform(0.12, 0.25) * RATE)
            length, pitch, loud = left, rng.uniform(110, 190), rng.choice((0.0, 0.7, 1.0, 1.0))
        left -= 1
        phase += 2 * math.pi * pitch / RATE
        shape = math.sin(math.pi * left / length) * loud
        voice = math.sin(phase) + 0.5 * math.sin(3 * phase) + 0.3 * math.sin(7 * phase)
        yield int(7000 * shape * voice / 1.8)


def tones(*parts: tuple[float, float]) -> Iterator[int]:
    """Samples of pure tones one after the other: (hertz, seconds); 0 hertz is silence."""
    for hertz, seconds in parts:
        for number in range(int(seconds * RATE)):
            yield int(9000 * math.sin(2 * math.pi * hertz * number / RATE)) if hertz else 0


def make_sounds(folder: Path) -> None:
    """Write speech, greeting, word, beep and intercept (the tones before "not in service") as `.ulaw`."""
    folder.mkdir(parents=True, exist_ok=True)
    sounds = {
        "speech": speech(SPEECH_SECONDS),
        "greeting": speech(3.0, seed=2),
        "word": speech(0.8, seed=3),
        "beep": tones((1000.0, 0.4)),
        "intercept": tones((950.0, 0.33), (1400.0, 0.33), (1800.0, 0.33), (0.0, 0.5)),
    }
    for name, samples in sounds.items():
        (folder / f"{name}.ulaw").write_bytes(bytes(map(ulaw, samples)))


def make_wav(path: Path, seconds: float) -> None:
    """Write a 16-bit, 8 kHz mono WAV of somebody talking, for tests that need a recording."""
    data = b"".join(struct.pack("<h", sample) for sample in speech(seconds))
    header = struct.pack(
        "<4sI4s4sIHHIIHH4sI",
        *(b"RIFF", 36 + len(data), b"WAVE", b"fmt ", 16, 1, 1, RATE, 2 * RATE, 2, 16, b"data", len(data)),
    )
    path.write_bytes(header + data)
