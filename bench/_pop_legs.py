"""The way of a pop in legs: which moments belong to which ring, and what of the time each leg took."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from bench._callers import percentile

#: Point, what it ends in words, in the order of the way. The last three are the page's.
WAY: Final[Mapping[str, str]] = {
    "read": "Asterisk's event to the service that reads it",
    "applied": "the fact made and put on the ring board",
    "asked": "a thread of the database takes it",
    "found": "who it is, looked up",
    "told": "back in the event loop",
    "rendered": "as HTML, about to be written into the stream",
    "received": "in the page's script",
    "filled": "the name in the document",
    "painted": "the frame with it on the screen",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Moment:
    """That a pop was at a point; `call` and `agent` are empty where the point does not know them."""

    point: str
    call: str
    agent: str
    at: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Rang:
    """One ring: the call, its linkedid, milliseconds, and the next ring of the same call (else infinity)."""

    call: str
    linkedid: str
    at: float
    ends: float = float("inf")


def on_its_way(ring: Rang, agent: str, moments: Sequence[Moment]) -> dict[str, float]:
    """Milliseconds of each leg, by the point it ends in; a point that was not seen ends the way."""
    legs: dict[str, float] = {}
    since = ring.at
    for point in WAY:
        after = [
            one.at
            for one in moments
            if one.point == point
            and one.call in (ring.call, ring.linkedid, "")
            and one.agent in (agent, "")
            and since <= one.at < ring.ends
        ]
        if not after:
            break
        legs[point] = min(after) - since
        since = min(after)
    return legs


def table(ways: Sequence[Mapping[str, float]]) -> str:
    """The legs for people: p50 and p99 of each, and how many rings got there."""
    lines = [f"{'leg ends with':48} {'p50 ms':>8} {'p99 ms':>8} {'rings':>6}"]
    for point, words in WAY.items():
        spent = [way[point] for way in ways if point in way]
        lines.append(
            f"{words:48} {percentile(spent, 0.5):8.1f} {percentile(spent, 0.99):8.1f} {len(spent):6}"
        )
    return "\n".join(lines)
