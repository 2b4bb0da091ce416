"""Sounds: mu-law is exact, resampling keeps speech and nothing else, bad files are refused by name."""

from __future__ import annotations

import bisect
import itertools
import math
import struct
import warnings
from array import array

import pytest

from ivr.sounds import (
    LONGEST_SECONDS,
    Sound,
    SoundEmpty,
    SoundError,
    SoundFormatRefused,
    SoundTooLong,
    SoundUnreadable,
    decode_mulaw,
    encode_mulaw,
    level,
    loudness,
    mulaw_sample,
    read_wav,
    resample,
    silence,
    telephone,
    trim,
)


def tone(hertz: float, *, rate: int, seconds: float = 0.5, size: float = 10_000) -> Sound:
    """A sine."""
    step = 2 * math.pi * hertz / rate
    samples = array("h", [round(size * math.sin(step * n)) for n in range(int(rate * seconds))])
    return Sound(samples=samples, rate=rate)


def strength(sound: Sound, hertz: float) -> float:
    """Amplitude at one frequency, over the middle of the sound."""
    middle = sound.samples[len(sound.samples) // 4 : len(sound.samples) * 3 // 4]
    step = 2 * math.pi * hertz / sound.rate
    real = sum(s * math.cos(step * n) for n, s in enumerate(middle))
    imaginary = sum(s * math.sin(step * n) for n, s in enumerate(middle))
    return 2 * math.hypot(real, imaginary) / len(middle)


def wav(
    samples: array[int],
    *,
    rate: int = 16_000,
    channels: int = 1,
    bits: int = 16,
    coding: int = 1,
    extra: bytes = b"",
) -> bytes:
    """A WAV file; `extra` are chunks before the sound."""
    body = samples.tobytes()
    width = bits // 8
    form = struct.pack("<HHIIHH", coding, channels, rate, rate * channels * width, channels * width, bits)
    if coding == 0xFFFE:
        form += struct.pack("<HHI", 22, bits, 0) + struct.pack("<H", 1) + bytes(14)
    chunks = b"fmt " + struct.pack("<I", len(form)) + form + extra
    chunks += b"data" + struct.pack("<I", len(body)) + body
    return b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WAVE" + chunks


# ---- mu-law ------------------------------------------------------------------------------------------------


def test_mulaw_decodes_to_the_levels_of_the_standard() -> None:
    """G.711 table 2a, scaled to 16 bits: some levels as printed there times 4, and the whole is symmetric."""
    assert [mulaw_sample(code) for code in (0x80, 0x8F, 0x90, 0xEF, 0xF0, 0xFE, 0xFF)] == [
        32124,
        16764,
        15996,
        132,
        120,
        8,
        0,
    ]
    assert all(mulaw_sample(code) == -mulaw_sample(code | 0x80) for code in range(0x80))


def test_mulaw_encodes_every_sample_by_the_decision_values_of_the_standard() -> None:
    """All 65,536 samples: G.711 table 2a gives where each segment begins and its step, in 14 bits."""
    starts = (31, 95, 223, 479, 991, 2015, 4063)
    decisions = [1, *range(3, 31, 2)]
    for segment, start in enumerate(starts, 1):
        decisions += [start + step * (2 << segment) for step in range(16)]
    decisions = [4 * value for value in decisions]
    for sample in range(-32768, 32768):
        place = bisect.bisect_right(decisions, min(abs(sample), 32635))
        code = (0x7F if sample < 0 else 0xFF) - place
        assert encode_mulaw([sample]) == bytes([code]), sample


def test_mulaw_codes_survive_a_round_trip() -> None:
    """Decoding and encoding again changes nothing (negative zero becomes zero)."""
    codes = bytes(code for code in range(256) if code != 0x7F)
    assert encode_mulaw(decode_mulaw(codes)) == codes
    assert encode_mulaw(decode_mulaw(b"\x7f")) == b"\xff"


def test_mulaw_agrees_with_the_standard_library_while_it_lasts() -> None:
    """All samples at or above zero are coded as audioop does (gone in 3.13; below zero it rounds another way)."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        audioop = pytest.importorskip("audioop")
    samples = array("h", range(32768))
    assert encode_mulaw(samples) == audioop.lin2ulaw(samples.tobytes(), 2)
    codes = bytes(range(256))
    assert decode_mulaw(codes).tobytes() == audioop.ulaw2lin(codes, 2)


# ---- resampling --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rate", [11_025, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000])
def test_speech_passes_the_resampler(rate: int) -> None:
    """300 to 3400 Hz within half a decibel; length right to one sample."""
    for hertz in (300, 1000, 2500, 3400):
        heard = resample(tone(hertz, rate=rate))
        assert heard.rate == 8000
        assert abs(len(heard.samples) - 4000) <= 1
        assert abs(20 * math.log10(strength(heard, hertz) / 10_000)) < 0.5, hertz


@pytest.mark.parametrize("rate", [16_000, 24_000, 44_100, 48_000])
def test_what_the_telephone_cannot_carry_does_not_fold_back(rate: int) -> None:
    """Tones above 4.4 kHz are at least 60 dB down: no alias anywhere in the band."""
    for hertz in (4400, 5000, 6100, 7900):
        heard = resample(tone(hertz, rate=rate, size=20_000))
        middle = heard.samples[500:-500]
        assert max(map(abs, middle)) <= 20, hertz


def test_eight_kilohertz_is_left_alone() -> None:
    """No filter where none is needed."""
    sound = tone(1000, rate=8000)
    assert resample(sound) is sound


def test_resampling_does_not_wrap_around() -> None:
    """Full-scale square waves overshoot; the result is clipped."""
    square = Sound(samples=array("h", ([32767] * 24 + [-32768] * 24) * 200), rate=24_000)
    heard = resample(square).samples
    assert max(heard) == 32767
    assert sum(1 for a, b in itertools.pairwise(heard) if abs(a - b) > 45_000) < 420


# ---- silence and loudness ----------------------------------------------------------------------------------


def test_silence_is_trimmed_to_its_margins() -> None:
    """Half a second of hush on both sides goes, the margins stay, the start is not clipped."""
    hush = array("h", [3, -3] * 2000)
    spoken = tone(500, rate=8000, seconds=0.4).samples
    heard = trim(Sound(samples=hush + spoken + hush, rate=8000), head_ms=40, tail_ms=100)
    assert abs(heard.seconds - 0.54) <= 0.02
    assert max(map(abs, heard.samples[:300])) <= 3
    assert heard.samples.tobytes().find(spoken[:200].tobytes()) >= 0


def test_margins_are_made_where_there_were_none() -> None:
    """A recording that starts at once still gets its margin."""
    heard = trim(tone(500, rate=8000, seconds=0.4), head_ms=40, tail_ms=100)
    assert heard.seconds == pytest.approx(0.54)
    assert set(heard.samples[:320]) == {0}


@pytest.mark.parametrize("size", [300, 3000, 30_000])
def test_all_sounds_become_equally_loud(size: int) -> None:
    """Quiet or loud, within half a decibel of the target."""
    assert loudness(level(tone(500, rate=8000, size=size))) == pytest.approx(-20, abs=0.5)


def test_peaks_are_never_clipped() -> None:
    """A sound of short high peaks stays below the ceiling, quieter than it was asked to be."""
    samples = array("h", [0] * 8000)
    for at in range(0, 8000, 80):
        samples[at] = 30_000
    heard = level(Sound(samples=samples, rate=8000), target=0.0)
    assert 28_000 < max(heard.samples) < 30_000


def test_hush_is_refused() -> None:
    """An empty recording is not shipped as a prompt."""
    with pytest.raises(SoundEmpty):
        telephone(Sound(samples=array("h", [1, -1] * 4000), rate=8000))
    assert set(silence(100)) == {0xFF}
    assert len(silence(100)) == 800


# ---- WAV ---------------------------------------------------------------------------------------------------


def test_wav_files_are_read() -> None:
    """Mono, stereo mixed, extensible header, chunks of other programs before the sound."""
    samples = tone(500, rate=16_000).samples
    assert read_wav(wav(samples)).samples == samples
    assert read_wav(wav(samples, coding=0xFFFE)).samples == samples
    noted = wav(samples, extra=b"LIST" + struct.pack("<I", 5) + b"INFOx\x00")
    assert read_wav(noted).samples == samples
    both = array("h", [value for sample in samples for value in (sample, 0)])
    assert list(read_wav(wav(both, channels=2)).samples) == [sample // 2 for sample in samples]


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"", SoundUnreadable),
        (b"ID3 not a wav at all", SoundUnreadable),
        (b"RIFF\x00\x00\x00\x00WAVE", SoundUnreadable),
        (wav(array("h", [1] * 9))[:-4], SoundUnreadable),
        (wav(array("h", [1] * 9), bits=8), SoundFormatRefused),
        (wav(array("h", [1] * 9), bits=24), SoundFormatRefused),
        (wav(array("h", [1] * 9), coding=7), SoundFormatRefused),
        (wav(array("h", [1] * 9), coding=3, bits=32), SoundFormatRefused),
        (wav(array("h", [1] * 12), channels=6), SoundFormatRefused),
        (wav(array("h", [1] * 9), channels=0), SoundFormatRefused),
        (wav(array("h", [1] * 9), rate=7999), SoundFormatRefused),
        (wav(array("h", [1] * 9), rate=96_000), SoundFormatRefused),
        (wav(array("h")), SoundEmpty),
        (wav(array("h", bytes(2 * (LONGEST_SECONDS * 8000 + 1))), rate=8000), SoundTooLong),
    ],
)
def test_wav_files_that_cannot_be_used(data: bytes, error: type[SoundError]) -> None:
    """Each refusal says what is wrong under an id of its own."""
    with pytest.raises(error) as caught:
        read_wav(data)
    assert caught.value.error_id.startswith("sound-")
    assert str(caught.value)
