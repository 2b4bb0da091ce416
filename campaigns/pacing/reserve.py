"""The agents kept back for the hotline: the fewest idle ones that keep its service level while others call out.

The chain of Bhulai and Koole (IEEE TAC 48(8), 2003): outbound work begins at once whenever more than `reserve` agents
are idle, so the number at work never falls below `agents - reserve`; inbound callers come by a Poisson law and wait.
"""

from __future__ import annotations

import math

#: How a queue may be asked to answer: this share within so many seconds (the common convention).
USUAL_SHARE = 0.8
USUAL_SECONDS = 20.0


def service_level(
    agents: int, reserve: int, *, calls_per_hour: float, handling_seconds: float, within_seconds: float
) -> float:
    """The share of inbound callers answered within so many seconds; 0 where the team cannot keep up."""
    if agents <= 0:
        return 0.0
    offered = calls_per_hour / 3600 * handling_seconds
    if offered >= agents:
        return 0.0
    lowest = max(0, agents - reserve)
    # Weights of the states "so many at work", from the lowest up to all; beyond that the queue, a geometric series.
    weight, total = 1.0, 0.0
    for at_work in range(lowest, agents):
        total += weight
        weight *= offered / (at_work + 1)
    waiting = weight / (1 - offered / agents)
    must_wait = waiting / (total + waiting)
    return 1 - must_wait * math.exp(-(agents - offered) * within_seconds / handling_seconds)


def reserve(
    agents: int,
    *,
    calls_per_hour: float,
    handling_seconds: float,
    share: float = USUAL_SHARE,
    within_seconds: float = USUAL_SECONDS,
) -> int:
    """The fewest idle agents to keep back; all of them where even that does not keep the service level."""
    for kept in range(agents):
        if (
            service_level(
                agents,
                kept,
                calls_per_hour=calls_per_hour,
                handling_seconds=handling_seconds,
                within_seconds=within_seconds,
            )
            >= share
        ):
            return kept
    return agents
