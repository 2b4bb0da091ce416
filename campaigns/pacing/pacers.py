"""The rules a campaign can run by: one call for each ready agent, a fixed number, or as many as the cap allows.

A pacer learns from what it is told and answers how many calls to begin now. It holds nothing that cannot be told to it
again: after a restart the campaign's latest attempts are replayed into it.
"""

from __future__ import annotations

from typing import Final, Protocol

from campaigns.pacing.floor import Floor
from campaigns.pacing.governor import AnswerRate, Governor
from campaigns.pacing.lengths import Curve, Lengths, Mix, Part
from campaigns.pacing.risk import Agents, Rings, launches

#: Guesses for a campaign nobody has dialed yet, in seconds; they fade as its own calls come in.
_ANSWER_GUESS: Final = Mix((Part(1, 11, 0.6),), most=45)
_FAIL_GUESS: Final = Mix((Part(0.6, 27, 0.2), Part(0.4, 8, 0.8)), most=90)
_TALK_GUESS: Final = Mix((Part(1, 110, 0.9),))
_WRAP_GUESS: Final = Mix((Part(1, 25, 0.8),))
#: The tables of lengths are made anew at most so often, and only for so much news.
_REBUILD_SECONDS: Final = 60.0
_REBUILD_NEWS: Final = 40
#: The tables of ringing calls are made anew where the answer rate has moved so far.
_RATE_STEP: Final = 0.004
#: Most calls begun by one decision.
_BURST: Final = 20


class Pacer(Protocol):
    """How many calls to begin, and what it learns from. Lengths in seconds, moments of a clock that never jumps."""

    def calls(self, floor: Floor, *, now: float, left: float) -> int:
        """How many calls to begin now; `left`: the share of the day's dialing time still to come, 0 to 1."""
        ...

    def answered(self, after: float, *, now: float) -> None:
        """A person answered so long after the dial."""
        ...

    def failed(self, after: float, *, now: float) -> None:
        """A dial ended unanswered after so long, or nobody human answered."""
        ...

    def met(self, *, abandoned: bool) -> None:
        """An answered customer got an agent in time, or did not."""
        ...

    def talked(self, seconds: float) -> None:
        """A conversation is over."""
        ...

    def wrapped_up(self, seconds: float) -> None:
        """A wrap-up is over."""
        ...

    def new_day(self) -> None:
        """A day of dialing begins."""
        ...


class Fixed:
    """So many lines for each ready agent; at 1, the progressive mode, nobody answered can be left alone.

    A campaign's agents are reserved from the dial on, so a ringing call and a waiting customer each hold one.
    """

    def __init__(self, lines: float = 1.0) -> None:
        if not 1 <= lines <= 5:
            raise ValueError(f"1 to 5 lines for each ready agent: {lines}")
        self._lines = lines

    def calls(self, floor: Floor, *, now: float, left: float) -> int:
        """The lines of the ready agents that are not in use."""
        return max(0, int(floor.idle * self._lines + 1e-9) - len(floor.ringing) - floor.waiting)

    def answered(self, after: float, *, now: float) -> None:
        """Nothing to learn."""

    def failed(self, after: float, *, now: float) -> None:
        """Nothing to learn."""

    def met(self, *, abandoned: bool) -> None:
        """Nothing to learn."""

    def talked(self, seconds: float) -> None:
        """Nothing to learn."""

    def wrapped_up(self, seconds: float) -> None:
        """Nothing to learn."""

    def new_day(self) -> None:
        """Nothing to begin anew."""


class Predictive:
    """Begins a call while the chance that it meets nobody free stays within a risk, steered to keep the cap.

    Nothing is configured but the cap (decision 0042).
    """

    def __init__(self, cap: float) -> None:
        """`cap`: the share of live answers that may be abandoned."""
        self._governor = Governor(cap)
        self._rate = AnswerRate()
        self._answer = Lengths(_ANSWER_GUESS, step=0.5, most=60)
        self._fail = Lengths(_FAIL_GUESS, step=0.5, most=120)
        self._talk = Lengths(_TALK_GUESS, step=2, most=1200)
        self._wrap = Lengths(_WRAP_GUESS, step=1, most=600)
        self._built_at = 0.0
        self._news = 0
        self._curves: tuple[Curve, Curve] | None = None
        self._agents: Agents | None = None
        self._rings: Rings | None = None
        self._rings_rate = 0.0

    @property
    def answer_rate(self) -> float:
        """The share of dials a person answers, as far as is known."""
        return self._rate.value

    def calls(self, floor: Floor, *, now: float, left: float) -> int:
        """As many as keep the risk of each within the governor's limit."""
        agents, rings = self._tables(now)
        return launches(floor, agents, rings, self._governor.risk(left), max(_BURST, floor.agents))

    def answered(self, after: float, *, now: float) -> None:
        """A person answered so long after the dial."""
        self._answer.add(after)
        self._rate.add(answered=True, now=now)
        self._news += 1

    def failed(self, after: float, *, now: float) -> None:
        """A dial ended unanswered after so long, or nobody human answered."""
        self._fail.add(after)
        self._rate.add(answered=False, now=now)

    def met(self, *, abandoned: bool) -> None:
        """An answered customer got an agent in time, or did not."""
        self._governor.answer(abandoned=abandoned)

    def talked(self, seconds: float) -> None:
        """A conversation is over."""
        self._talk.add(seconds)

    def wrapped_up(self, seconds: float) -> None:
        """A wrap-up is over."""
        self._wrap.add(seconds)

    def new_day(self) -> None:
        """The day's own count begins anew."""
        self._governor.new_day()

    def _tables(self, now: float) -> tuple[Agents, Rings]:
        fresh = self._news >= _REBUILD_NEWS and now - self._built_at >= _REBUILD_SECONDS
        if self._agents is None or self._curves is None or fresh:
            self._curves = (self._answer.curve(), self._fail.curve())
            self._agents = Agents(self._curves[0], self._talk.curve(), self._wrap.curve())
            self._built_at, self._news, self._rings = now, 0, None
        rate = self._rate.value
        if self._rings is None or abs(rate - self._rings_rate) > _RATE_STEP:
            self._rings = Rings(*self._curves, self._agents.looks, rate)
            self._rings_rate = rate
        return self._agents, self._rings
