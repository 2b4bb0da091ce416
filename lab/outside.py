"""Numbers outside that the dealership can call: who answers, who is busy, which number does not exist."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from lab.agi import Line


@dataclass(frozen=True, kw_only=True)
class Answers:
    """Picks up after a while (seconds, least and most), says `sound`, presses `keys` as (seconds, keys), and
    hangs up after `talks` seconds, or stays until the other side does when `talks` is None."""

    after: tuple[float, float] = (1.0, 4.0)
    talks: tuple[float, float] | None = (5.0, 20.0)
    keys: tuple[tuple[float, str], ...] = ()
    sound: str = "speech"


@dataclass(frozen=True, kw_only=True)
class RingsOut:
    """Rings until the caller gives up, but at most `seconds`; then 480."""

    seconds: float = 90.0


@dataclass(frozen=True, kw_only=True)
class Voicemail:
    """A mailbox picks up after `after` seconds, plays a greeting and a beep, and listens for `listens`."""

    after: float = 2.0
    listens: float = 30.0


@dataclass(frozen=True, kw_only=True)
class WrongNumber:
    """A stranger picks up, says a word and hangs up."""

    after: float = 1.0


@dataclass(frozen=True, kw_only=True)
class Announcement:
    """Early media: the network plays an announcement without answering, then ends with `code`."""

    code: int = 404
    sound: str = "intercept"


@dataclass(frozen=True, kw_only=True)
class Refuses:
    """Ends at once, or after ringing `after` seconds, with this SIP code (404, 480, 486, 503, 603, ...)."""

    code: int
    after: float = 0.0


Behaviour = Answers | RingsOut | Voicemail | WrongNumber | Announcement | Refuses


@dataclass(frozen=True, kw_only=True)
class Entry:
    """Numbers that match `pattern` (a regular expression for the whole number) behave like this."""

    pattern: str
    person: str
    does: Behaviour


DIRECTORY: Final[tuple[Entry, ...]] = (
    Entry(pattern=r".*0486", person="busy", does=Refuses(code=486)),
    Entry(pattern=r".*0404", person="no-such-number", does=Refuses(code=404)),
    Entry(pattern=r".*0480", person="switched-off", does=Refuses(code=480)),
    Entry(pattern=r".*0503", person="network-busy", does=Refuses(code=503)),
    Entry(pattern=r".*0603", person="declines", does=Refuses(code=603, after=1.0)),
    Entry(pattern=r".*0408", person="no-answer", does=RingsOut()),
    Entry(pattern=r".*0100", person="voicemail", does=Voicemail()),
    Entry(pattern=r".*0101", person="wrong-number", does=WrongNumber()),
    Entry(pattern=r".*0183", person="announcement", does=Announcement()),
    Entry(pattern=r".*", person="answers", does=Answers()),
)
"""By the last four digits; every other number answers."""


def entry_of(number: str, directory: Sequence[Entry]) -> Entry:
    """The first entry that matches; a number nobody has behaves like 404."""
    for entry in directory:
        if re.fullmatch(entry.pattern, number):
            return entry
    return Entry(pattern=".*", person="no-such-number", does=Refuses(code=404))


@dataclass(kw_only=True)
class Outside:
    """Everybody else's phones: `directory` may be replaced at any time."""

    seed: int | str = 1
    directory: Sequence[Entry] = DIRECTORY
    sounds: str = ""
    _rng: random.Random = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._rng = random.Random(f"{self.seed}-outside")

    async def take(self, line: Line, does: Behaviour) -> None:
        """Handle one call until it is over; raises `HungUp` when the dealership ends it."""
        match does:
            case Refuses():
                if does.after:
                    await line.ring()
                    await line.wait(does.after)
                await line.refuse(does.code)
            case RingsOut():
                await line.ring()
                await line.wait(does.seconds)
                await line.refuse(480)
            case Announcement():
                await line.speak(self._sound(does.sound), answered=False)
                await line.refuse(does.code)
            case Answers():
                await self._talk(line, does)
            case Voicemail():
                await self._pick_up(line, does.after)
                await line.speak(self._sound("greeting"))
                await line.speak(self._sound("beep"))
                await line.wait(does.listens)
            case WrongNumber():
                await self._pick_up(line, does.after)
                await line.speak(self._sound("word"))
        await line.hang_up()

    def _sound(self, name: str) -> str:
        return name if "/" in name or not self.sounds else f"{self.sounds}/{name}"

    async def _pick_up(self, line: Line, after: float) -> None:
        await line.ring()
        await line.wait(after)
        await line.answer()

    async def _talk(self, line: Line, does: Answers) -> None:
        await self._pick_up(line, self._rng.uniform(*does.after))
        for seconds, keys in does.keys:
            await line.wait(seconds)
            await line.press(keys)
        if does.talks is None:
            await line.talk(self._sound(does.sound), 3600.0)
        else:
            await line.talk(self._sound(does.sound), self._rng.uniform(*does.talks))
