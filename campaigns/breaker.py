"""The trunk breaker: a trunk that answers nothing is not dialed on, so that an outage costs no target its tries."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from enum import StrEnum

#: Failures in a row within the span that open it.
FAILURES = 3
SPAN_SECONDS = 60.0
#: It stays open for so long, twice as long after each probe that fails, at most so long.
FIRST_REST = 30.0
LONGEST_REST = 600.0


class BreakerState(StrEnum):
    """Whether calls may go out."""

    CLOSED = "closed"  # all is well
    OPEN = "open"  # nothing is dialed
    PROBING = "probing"  # one call goes out to see


@dataclass(slots=True)
class Breaker:
    """One trunk's. Moments in seconds of a clock that never jumps."""

    failures: int = FAILURES
    span: float = SPAN_SECONDS
    rest: float = FIRST_REST
    _failed: deque[float] = field(default_factory=deque)
    _rest: float = 0.0
    _open_until: float | None = None
    _probe_at: float | None = None
    _away: bool = False

    def state(self, now: float) -> BreakerState:
        """Whether calls may go out now."""
        if self._away:
            return BreakerState.OPEN
        if self._open_until is None:
            return BreakerState.CLOSED
        return BreakerState.PROBING if now >= self._open_until else BreakerState.OPEN

    def may_dial(self, now: float) -> bool:
        """Whether one more call may go out now; a probe is given once in each rest."""
        state = self.state(now)
        if state is BreakerState.PROBING:
            if self._probe_at is not None and now - self._probe_at < self._rest:
                return False
            self._probe_at = now
            return True
        return state is BreakerState.CLOSED

    def reachable(self, reachable: bool) -> None:
        """What the switch's own question to the trunk (OPTIONS) came to."""
        self._away = not reachable

    def failed(self, now: float) -> None:
        """A call ended without any sign from the trunk, or for want of room there."""
        if self._open_until is not None:
            if now >= self._open_until:  # the probe, or another that was out already
                self._rest = min(self._rest * 2, LONGEST_REST)
                self._open_until = now + self._rest
                self._probe_at = None
            return
        self._failed.append(now)
        while self._failed and now - self._failed[0] > self.span:
            self._failed.popleft()
        if len(self._failed) >= self.failures:
            self._rest = self.rest
            self._open_until = now + self._rest

    def worked(self) -> None:
        """A call got a sign from the far side: the trunk carries."""
        self._failed.clear()
        self._open_until = None
        self._probe_at = None
