"""Which people have a page that answers: a browser that died without a word is gone within ten seconds (R26).

A stream that is written to says nothing about who reads it: the kernel of a sleeping laptop takes bytes, and a
cut cable takes them for minutes. So every page of an agent is asked by its stream and answers with a request.
Pure: time is an argument (seconds of one clock).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Final

#: A page is asked this often, and gone when it has not answered for so long. One lost answer ends nothing.
ASK_SECONDS: Final = 4.0
GONE_SECONDS: Final = 9.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Seen:
    """Whether a person has a page, and since when (seconds of the clock)."""

    here: bool
    since: float


@dataclass(kw_only=True)
class Presence:
    """Who answered, and when."""

    _heard: dict[str, float] = field(default_factory=dict)
    _seen: dict[str, Seen] = field(default_factory=dict)

    def heard(self, user_id: str, now: float) -> bool:
        """A page of this person answered. True where the person was away before."""
        self._heard[user_id] = now
        before = self._seen.get(user_id)
        if before is not None and before.here:
            return False
        self._seen[user_id] = Seen(here=True, since=now)
        return True

    def left(self, user_id: str) -> None:
        """The person signed out: nobody waits for a page."""
        self._heard.pop(user_id, None)
        self._seen.pop(user_id, None)

    def look(self, now: float) -> Collection[str]:
        """Who is gone since the last look."""
        gone = [
            user
            for user, seen in self._seen.items()
            if seen.here and now - self._heard.get(user, 0.0) > GONE_SECONDS
        ]
        for user in gone:
            self._seen[user] = Seen(here=False, since=self._heard[user])
        return gone

    @property
    def seen(self) -> Mapping[str, Seen]:
        """Everybody who ever had a page that answered."""
        return self._seen
