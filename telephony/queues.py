"""The queues as they are now, kept in memory, and how long a caller at some place will wait."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from telephony.ports import QueueCount

#: Weight of the newest call in the mean handling time; about the last twenty calls count.
_WEIGHT = 0.1
#: Handling time taken before the first call has ended, seconds (wrap-up included).
_FIRST_GUESS = 180.0


@dataclass(kw_only=True)
class QueueBoard:
    """What the switch last said of each queue, and the mean handling time learned since the start."""

    #: Loop time of the last look; None: never, or the switch is away.
    seen_at: float | None = None
    #: Seconds after which what was seen counts as unknown.
    stale_seconds: float = 30.0
    _counts: dict[str, QueueCount] = field(default_factory=dict)
    _handling: dict[str, float] = field(default_factory=dict)

    def look(self, counts: Iterable[QueueCount], at: float) -> None:
        """Take what the switch says now; `at` is loop time."""
        self._counts = {count.name: count for count in counts}
        self.seen_at = at

    def lose_sight(self) -> None:
        """The switch is away: nothing is known until the next look."""
        self.seen_at = None

    def handled(self, queue: str, seconds: float) -> None:
        """A call of the queue took an agent this long, talk and wrap-up together."""
        if seconds > 0:
            mean = self._handling.get(queue, _FIRST_GUESS)
            self._handling[queue] = mean + _WEIGHT * (seconds - mean)

    def handling(self, queue: str) -> float:
        """Seconds a call of the queue takes an agent on average, wrap-up included."""
        return self._handling.get(queue, _FIRST_GUESS)

    def count(self, queue: str, at: float) -> QueueCount | None:
        """The queue as last seen, or None where nobody knows."""
        if self.seen_at is None or at - self.seen_at > self.stale_seconds:
            return None
        return self._counts.get(queue)

    @property
    def counts(self) -> Mapping[str, QueueCount]:
        """All queues as last seen, however long ago."""
        return self._counts

    def expected_wait(self, queue: str, position: int, at: float) -> float | None:
        """Seconds until the caller at `position` (1 is next) reaches an agent; None where there is no ground.

        While every agent is busy one of s agents becomes free every handling/s on average, so the k-th
        caller waits k * handling / s (M/M/s at full load).
        """
        count = self.count(queue, at)
        if count is None or count.members == 0:
            return None
        if count.ready >= position:
            return 0.0
        return position * self._handling.get(queue, _FIRST_GUESS) / count.members
