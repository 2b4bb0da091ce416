"""Whose phone rings for which call, from the switch's facts as they come: what a screen pop begins and ends by.

Kept in memory beside the call log, because a page must know within milliseconds what is committed a moment
later. After a restart it is filled from the agents' rows and the switch (`resume`, `only`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final

from telephony.facts import Fact, FactKind


class RingEnd(StrEnum):
    """Why a ring ended."""

    ANSWERED = "answered"
    MISSED = "missed"  # rung and not answered in time
    STOPPED = "stopped"  # the caller gave up, or somebody else answered
    REPLACED = "replaced"  # another call rings the same agent


@dataclass(frozen=True, kw_only=True, slots=True)
class Ring:
    """An agent's phone rings for a call. `linkedid` is the switch's name of the call."""

    agent_id: str
    endpoint: str
    linkedid: str
    since: datetime = field(compare=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class RingChange:
    """A ring began (`end` is None) or ended."""

    ring: Ring
    end: RingEnd | None = None


_ENDS: Final[Mapping[FactKind, RingEnd]] = {
    FactKind.RING_MISSED: RingEnd.MISSED,
    FactKind.LEG_ANSWERED: RingEnd.ANSWERED,
    FactKind.CONNECTED: RingEnd.ANSWERED,
    FactKind.LEG_ENDED: RingEnd.STOPPED,
}


class RingBoard:
    """Every ring that goes on; one per agent."""

    def __init__(self, owner_of: Callable[[str], str | None]) -> None:
        """`owner_of`: whose phone an endpoint is."""
        self._owner_of = owner_of
        self._rings: dict[str, Ring] = {}

    def of(self, agent_id: str) -> Ring | None:
        """The ring at this agent's phone."""
        return self._rings.get(agent_id)

    def take(self, facts: Iterable[Fact]) -> list[RingChange]:
        """What these facts change, in their order."""
        changes: list[RingChange] = []
        for fact in facts:
            if fact.kind is FactKind.RINGING:
                changes += self._begin(fact)
            elif fact.kind in _ENDS:
                changes += self._end(fact, _ENDS[fact.kind])
            elif fact.kind is FactKind.CALL_ENDED:
                gone = [ring for ring in self._rings.values() if ring.linkedid == fact.linkedid]
                changes += [self._close(ring, RingEnd.STOPPED) for ring in gone]
        return changes

    def resume(self, rings: Iterable[Ring]) -> list[RingChange]:
        """Rings that were going on before this process began; a known one of the agent stays."""
        changes = []
        for ring in rings:
            if ring.agent_id not in self._rings:
                self._rings[ring.agent_id] = ring
                changes.append(RingChange(ring=ring))
        return changes

    def only(self, endpoints: Collection[str], at: datetime) -> list[RingChange]:
        """End every ring whose phone had no call at all when the switch was asked (`at`); later ones stay."""
        gone = [ring for ring in self._rings.values() if ring.endpoint not in endpoints and ring.since < at]
        return [self._close(ring, RingEnd.STOPPED) for ring in gone]

    def _begin(self, fact: Fact) -> list[RingChange]:
        endpoint = str(fact.data.get("endpoint") or "")
        agent = str(fact.data.get("agent") or "") or self._owner_of(endpoint)
        if not agent or not endpoint:
            return []
        ring = Ring(agent_id=agent, endpoint=endpoint, linkedid=fact.linkedid, since=fact.at)
        before = self._rings.get(agent)
        if before == ring:
            return []
        changes = [] if before is None else [self._close(before, RingEnd.REPLACED)]
        self._rings[agent] = ring
        return [*changes, RingChange(ring=ring)]

    def _end(self, fact: Fact, why: RingEnd) -> list[RingChange]:
        """The end of another call's leg on the same phone ends nothing."""
        endpoint = str(fact.data.get("endpoint") or "")
        agent = str(fact.data.get("agent") or "") or self._owner_of(endpoint)
        ring = self._rings.get(agent or "")
        if ring is None or ring.endpoint != endpoint or ring.linkedid != fact.linkedid:
            return []
        return [self._close(ring, why)]

    def _close(self, ring: Ring, why: RingEnd) -> RingChange:
        del self._rings[ring.agent_id]
        return RingChange(ring=ring, end=why)
