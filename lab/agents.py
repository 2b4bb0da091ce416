"""Simulated agents: phones signed on at the dealership that answer, talk, sometimes miss, and hang up."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from lab.agi import Line
from lab.network import Phone

#: A telephone that answers by itself takes so long, in seconds.
_BY_ITSELF = 0.2


@dataclass(frozen=True, kw_only=True)
class Habits:
    """How an agent works her phone: spans are least and most seconds, shares lie between 0 and 1.

    `misses` is the share of rings she lets pass, `declines` the share she rejects (486), `hangs_up` the share
    of talks she ends herself; the others last until the customer hangs up or `longest` seconds. `sound` is
    what she says.
    """

    answers_after: tuple[float, float] = (0.5, 3.0)
    talks: tuple[float, float] = (5.0, 30.0)
    misses: float = 0.0
    declines: float = 0.0
    hangs_up: float = 1.0
    longest: float = 600.0
    sound: str = "speech"


@dataclass(frozen=True, kw_only=True)
class Ring:
    """What an agent makes of one ringing call; `talk` None means until the other side hangs up."""

    does: str
    delay: float
    talk: float | None


def ring_of(habits: Habits, rng: random.Random) -> Ring:
    """The agent's next decision."""
    luck = rng.random()
    delay = rng.uniform(*habits.answers_after)
    talk = rng.uniform(*habits.talks)
    ends = rng.random() < habits.hangs_up
    does = (
        "misses"
        if luck < habits.misses
        else "declines"
        if luck < habits.misses + habits.declines
        else "answers"
    )
    return Ring(does=does, delay=delay, talk=talk if ends else None)


class Agent:
    """One simulated agent. `habits` may be changed while she works; `line` is her call, if she has one."""

    def __init__(
        self, phone: Phone, habits: Habits, seed: int | str, *, cut: Callable[[str], Awaitable[None]]
    ) -> None:
        self.phone = phone
        self.habits = habits
        self.line: Line | None = None
        self.talking = False
        self._cut = cut
        self._rng = random.Random(f"{seed}-{phone.endpoint}")

    async def take(self, line: Line, sound: str, *, at_once: bool = False) -> None:
        """Handle one ringing call until it is over; a second one meanwhile is refused as busy (486).

        `at_once`: the caller asks the telephone to answer by itself, as desk telephones can; a phone nobody is at
        (`misses`, `declines`) does not.

        `sound` is the path of what she says. Raises `HungUp` when the other side ends it.
        """
        if self.line is not None:
            await line.refuse(486)
            return
        self.line = line
        try:
            ring = ring_of(self.habits, self._rng)
            await self._handle(
                line, replace(ring, delay=min(ring.delay, _BY_ITSELF)) if at_once else ring, sound
            )
        finally:
            self.line = None
            self.talking = False

    async def hang_up(self) -> None:
        """Hang up the call she has at once; nothing happens when there is none."""
        if self.line is not None:
            await self._cut(self.line.id)

    async def _handle(self, line: Line, ring: Ring, sound: str) -> None:
        await line.ring()
        if ring.does == "misses":
            await line.ends(None)
            return
        await line.wait(ring.delay)
        if ring.does == "declines":
            await line.refuse(486)
            return
        await line.answer()
        self.talking = True
        await line.talk(sound, self.habits.longest if ring.talk is None else ring.talk)
        await line.hang_up()
