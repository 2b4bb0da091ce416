"""A campaign's floor: what its agents and its calls are doing at one moment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

#: Seconds an answered customer may wait for an agent; after that the call counts as abandoned (47 CFR 64.1200(a)(7)).
PATIENCE: Final = 2.0


@dataclass(frozen=True, slots=True)
class Floor:
    """Who is free, and since when everything else has been going on. All lengths in seconds."""

    #: Agents ready for this campaign, beyond those kept back for the hotline.
    idle: int
    #: Answered customers nobody talks to yet.
    waiting: int = 0
    #: Since each dial that has neither been answered nor failed.
    ringing: Sequence[float] = ()
    #: Since each conversation began.
    talking: Sequence[float] = ()
    #: Since each wrap-up began.
    wrapping: Sequence[float] = ()

    @property
    def agents(self) -> int:
        """Everybody who works for this campaign now."""
        return self.idle + len(self.talking) + len(self.wrapping)
