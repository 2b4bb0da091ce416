"""Sounds for the telephone: any plain WAV becomes 8 kHz mu-law, trimmed and of even loudness, in pure Python."""

from __future__ import annotations

import math
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from operator import mul
from typing import Final

RATE: Final = 8000
"""Samples a second on the telephone."""

LOUDNESS: Final = -20.0
"""Target loudness in dB below full scale, measured over the spoken parts."""

CEILING: Final = -1.0
"""Highest peak in dB below full scale."""

_KNEE: Final = 0.6

LONGEST_SECONDS: Final = 600

_LOWEST_RATE, _HIGHEST_RATE = 8000, 48000
_PCM, _EXTENSIBLE = 1, 0xFFFE


class SoundError(ValueError):
    """A sound file that cannot be used. Nothing was written."""

    error_id = "sound-unusable"


class SoundUnreadable(SoundError):
    """Not a WAV file, or cut off."""

    error_id = "sound-unreadable"


class SoundFormatRefused(SoundError):
    """A WAV file of another coding, width, rate or number of channels than can be converted."""

    error_id = "sound-format-refused"


class SoundEmpty(SoundError):
    """Nothing can be heard in it."""

    error_id = "sound-empty"


class SoundTooLong(SoundError):
    """Longer than a prompt may be."""

    error_id = "sound-too-long"


@dataclass(frozen=True, kw_only=True)
class Sound:
    """One channel of 16-bit samples at `rate` samples a second."""

    samples: array[int]
    rate: int

    @property
    def seconds(self) -> float:
        return len(self.samples) / self.rate


# ---- mu-law (ITU-T G.711) ----------------------------------------------------------------------------------

_BIAS: Final = 132
_CLIP: Final = 32635


def mulaw_byte(sample: int) -> int:
    """The mu-law code of one 16-bit sample: sign, 3 bits of segment, 4 bits of step, all inverted."""
    sign = 0x80 if sample < 0 else 0
    size = min(abs(sample), _CLIP) + _BIAS
    segment = size.bit_length() - 8
    return ~(sign | segment << 4 | (size >> (segment + 3)) & 0x0F) & 0xFF


def mulaw_sample(code: int) -> int:
    """The 16-bit sample that a mu-law code stands for."""
    code = ~code & 0xFF
    size = (((code & 0x0F) << 3) + _BIAS << (code >> 4 & 7)) - _BIAS
    return -size if code & 0x80 else size


_CODES: Final = bytes(mulaw_byte(sample) for sample in (*range(32768), *range(-32768, 0)))
_SAMPLES: Final = tuple(mulaw_sample(code) for code in range(256))


def encode_mulaw(samples: Sequence[int]) -> bytes:
    """Mu-law bytes of 16-bit samples, one byte a sample."""
    return bytes([_CODES[sample] for sample in samples])


def decode_mulaw(data: bytes) -> array[int]:
    """16-bit samples of mu-law bytes."""
    return array("h", [_SAMPLES[code] for code in data])


# ---- WAV ---------------------------------------------------------------------------------------------------


def read_wav(data: bytes) -> Sound:
    """PCM WAV of 16 bits, mono or stereo (mixed), 8 to 48 kHz. Raises a SoundError that says what is wrong."""
    if len(data) < 12 or data[:4] != b"RIFF" or data[8:12] != b"WAVE":
        raise SoundUnreadable("this is not a WAV file; save the recording as WAV, PCM, 16 bits.")
    form = body = None
    at = 12
    while at + 8 <= len(data) and body is None:
        name, size = data[at : at + 4], int.from_bytes(data[at + 4 : at + 8], "little")
        chunk = data[at + 8 : at + 8 + size]
        if name == b"fmt ":
            form = chunk
        elif name == b"data":
            if len(chunk) < size and size < 0xFFFFFF00:
                raise SoundUnreadable(
                    f"the file is cut off: {len(chunk)} of {size} bytes of sound are there."
                )
            body = chunk
        at += 8 + size + size % 2
    if form is None or body is None or len(form) < 16:
        raise SoundUnreadable("the WAV file has no format or no sound in it.")
    coding, channels = int.from_bytes(form[0:2], "little"), int.from_bytes(form[2:4], "little")
    rate, bits = int.from_bytes(form[4:8], "little"), int.from_bytes(form[14:16], "little")
    if coding == _EXTENSIBLE and len(form) >= 26:
        coding = int.from_bytes(form[24:26], "little")
    if coding != _PCM or bits != 16:
        raise SoundFormatRefused(f"coding {coding} with {bits} bits; save the recording as PCM with 16 bits.")
    if channels not in (1, 2):
        raise SoundFormatRefused(f"{channels} channels; save the recording as mono or stereo.")
    if not _LOWEST_RATE <= rate <= _HIGHEST_RATE:
        raise SoundFormatRefused(
            f"{rate} samples a second; {_LOWEST_RATE} to {_HIGHEST_RATE} can be converted."
        )
    whole = len(body) - len(body) % (2 * channels)
    if whole > LONGEST_SECONDS * rate * 2 * channels:
        raise SoundTooLong(f"a prompt may last {LONGEST_SECONDS} seconds; cut the recording.")
    samples = array("h")
    samples.frombytes(body[:whole])
    if _big_endian():
        samples.byteswap()
    if channels == 2:
        samples = array(
            "h", [(left + right) // 2 for left, right in zip(samples[::2], samples[1::2], strict=True)]
        )
    if not samples:
        raise SoundEmpty("the WAV file holds no sound.")
    return Sound(samples=samples, rate=rate)


def _big_endian() -> bool:
    return array("h", [1]).tobytes()[0] == 0


# ---- resampling --------------------------------------------------------------------------------------------

_CROSSINGS: Final = 20
_KAISER: Final = 8.0
_PASSBAND: Final = 0.92


def _bessel(x: float) -> float:
    """Modified Bessel function of order 0, by its series."""
    term = total = 1.0
    k = 1
    while term > total * 1e-12:
        term *= (x / (2 * k)) ** 2
        total += term
        k += 1
    return total


def resample(sound: Sound, rate: int = RATE) -> Sound:
    """The same sound at `rate`: polyphase windowed sinc (Kaiser), nothing above half the lower rate is left.

    The filter passes 0.92 of the lower band, and is some 80 dB down from 1.0 plus half its transition.
    """
    if rate == sound.rate:
        return sound
    common = math.gcd(rate, sound.rate)
    up, down = rate // common, sound.rate // common
    cutoff = min(1.0, rate / sound.rate) * _PASSBAND
    reach = math.ceil(_CROSSINGS / cutoff)
    phases = [_taps(phase / up, cutoff, reach) for phase in range(up)]
    padded = [0] * reach + list(sound.samples) + [0] * (reach + 1)
    length = len(sound.samples) * up // down or 1
    taps = 2 * reach
    out = array("h", bytes(2 * length))
    for n in range(length):
        whole, phase = divmod(n * down, up)
        value = round(sum(map(mul, phases[phase], padded[whole + 1 : whole + 1 + taps])))
        out[n] = max(-32768, min(32767, value))
    return Sound(samples=out, rate=rate)


def _taps(offset: float, cutoff: float, reach: int) -> list[float]:
    """Filter taps for an output sample `offset` input samples after an input sample; they add up to 1."""
    floor = _bessel(_KAISER)
    taps = []
    for k in range(1 - reach, reach + 1):
        x = k - offset
        ideal = cutoff * (math.sin(math.pi * cutoff * x) / (math.pi * cutoff * x) if x else 1.0)
        window = max(0.0, 1 - (x / reach) ** 2)
        taps.append(ideal * _bessel(_KAISER * math.sqrt(window)) / floor)
    total = sum(taps)
    return [tap / total for tap in taps]


# ---- silence and loudness ----------------------------------------------------------------------------------


def _frames(sound: Sound, milliseconds: int = 10) -> list[float]:
    """Mean square of each frame."""
    size = max(1, sound.rate * milliseconds // 1000)
    found = []
    for at in range(0, len(sound.samples), size):
        frame = sound.samples[at : at + size]
        found.append(sum(map(mul, frame, frame)) / len(frame))
    return found


def _decibels(power: float) -> float:
    return 10 * math.log10(power / 32768**2) if power > 0 else -math.inf


def loudness(sound: Sound) -> float:
    """Decibels below full scale over the spoken frames (those within 25 dB of the loudest)."""
    frames = _frames(sound)
    loudest = max(frames, default=0.0)
    spoken = [power for power in frames if power > loudest / 10**2.5]
    return _decibels(sum(spoken) / len(spoken)) if spoken else -math.inf


def trim(sound: Sound, *, head_ms: int, tail_ms: int, below: float = 40.0) -> Sound:
    """Cut what lies `below` decibels under the loudest frame at both ends, keeping a margin of silence.

    Raises SoundEmpty when nothing is louder than -60 dB of full scale.
    """
    frames = _frames(sound)
    loudest = max(frames, default=0.0)
    if _decibels(loudest) < -60:
        raise SoundEmpty("nothing can be heard in this recording.")
    spoken = [n for n, power in enumerate(frames) if power > loudest / 10 ** (below / 10)]
    size = max(1, sound.rate // 100)
    first = spoken[0] * size - sound.rate * head_ms // 1000
    last = (spoken[-1] + 1) * size + sound.rate * tail_ms // 1000
    before, after = max(0, -first), max(0, last - len(sound.samples))
    samples = array("h", bytes(2 * before))
    samples.extend(sound.samples[max(0, first) : last])
    samples.extend(array("h", bytes(2 * after)))
    return Sound(samples=samples, rate=sound.rate)


def level(sound: Sound, target: float = LOUDNESS) -> Sound:
    """The sound at `target` loudness, with 3 ms fades at both ends.

    Peaks that would pass CEILING are bent below it, by 6 dB at most; beyond that the sound stays quieter.
    """
    peak = max(map(abs, sound.samples), default=0)
    heard = loudness(sound)
    if not peak or heard == -math.inf:
        return sound
    limit = 32767 * 10 ** (CEILING / 20)
    gain = min(10 ** ((target - heard) / 20), 2 * limit / peak)
    knee = limit if gain * peak <= limit else _KNEE * limit
    samples = array("h", [round(_bent(sample * gain, knee, limit)) for sample in sound.samples])
    fade = min(sound.rate * 3 // 1000, len(samples) // 2)
    for n in range(fade):
        samples[n] = samples[n] * n // fade
        samples[-1 - n] = samples[-1 - n] * n // fade
    return Sound(samples=samples, rate=sound.rate)


def _bent(value: float, knee: float, limit: float) -> float:
    """Unchanged up to the knee, then towards the limit, which it never passes."""
    if abs(value) <= knee or knee >= limit:
        return value
    room = limit - knee
    return math.copysign(knee + room * math.tanh((abs(value) - knee) / room), value)


def silence(milliseconds: int) -> bytes:
    """Mu-law silence."""
    return bytes([mulaw_byte(0)]) * (RATE * milliseconds // 1000)


def telephone(sound: Sound, *, head_ms: int = 40, tail_ms: int = 120) -> bytes:
    """Mu-law bytes ready to be played: resampled, trimmed, of even loudness. Raises SoundEmpty."""
    return encode_mulaw(level(trim(resample(sound), head_ms=head_ms, tail_ms=tail_ms)).samples)
