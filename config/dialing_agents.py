"""The house's agents as campaigns know them: who is there, how many are kept for callers, and the orders to them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Final

import structlog

from campaigns.pacing.reserve import reserve
from storage.database import Database, StorageUnavailable
from storage.queue_load import callers_since
from telephony.agents import Agent, AgentState
from telephony.calls import Call, CallState, Direction
from telephony.clock import Clock
from telephony.desk import AgentDesk
from telephony.options import QueueOptions
from telephony.queues import QueueBoard

log = structlog.get_logger(__name__)

#: Callers of so long ago say how busy the hotline is now.
_LOOK_BACK: Final = timedelta(minutes=30)


class HouseAgents:
    """`campaigns.seating.Agents` over the agents' rows, the live calls and what the hotline needs."""

    def __init__(
        self,
        desk: AgentDesk,
        database: Database,
        board: QueueBoard,
        clock: Clock,
        *,
        live_calls: Callable[[], Sequence[Call]],
        queues: Mapping[str, QueueOptions],
        agents_kept: int | None,
    ) -> None:
        """`agents_kept`: how many idle agents of a queue campaigns leave alone; None: as many as its level needs."""
        self._desk = desk
        self._database = database
        self._board = board
        self._clock = clock
        self._live_calls = live_calls
        self._queues = queues
        self._agents_kept = agents_kept
        #: Callers an hour, by queue.
        self._load: Mapping[str, float] = {}

    def known(self) -> Iterable[Agent]:
        """Everybody who takes calls, as last committed."""
        return list(self._desk.board.values())

    def callers_waiting(self, queue: str) -> int:
        """Callers in any queue that somebody of this queue serves, too."""
        served = {queue}.union(*(one.queues for one in self.known() if queue in one.queues))
        return sum(
            one.direction is Direction.INBOUND and one.state is CallState.QUEUED and one.queue in served
            for one in self._live_calls()
        )

    def kept(self, queue: str) -> int:
        """The fewest idle agents that keep the queue's service level (decision 0042)."""
        if self._agents_kept is not None:
            return self._agents_kept
        callers = self._load.get(queue, 0.0)
        if callers <= 0 or queue not in self._queues:
            return 0
        there = [one for one in self.known() if queue in one.queues and one.state in _AT_WORK]
        return reserve(
            len(there),
            calls_per_hour=callers,
            handling_seconds=self._board.handling(queue),
            within_seconds=self._queues[queue].service_level_seconds,
        )

    async def reserve(self, agent_id: str, campaign_id: str) -> bool:
        """Keep a ready agent for a campaign's customers."""
        return await self._desk.reserve(agent_id, campaign_id)

    async def release(self, agent_id: str) -> bool:
        """A reserved agent is ready for everybody again."""
        return await self._desk.release(agent_id)

    async def did_not_take(self, agent_id: str) -> None:
        """His telephone did not take the customer."""
        log.warning("a telephone did not take a campaign's customer", action="seat_missed", agent=agent_id)
        await self._desk.did_not_take(agent_id)

    async def look(self) -> None:
        """Learn how many callers come."""
        since = self._clock.now() - _LOOK_BACK
        try:
            found = await self._database.read(lambda connection: callers_since(connection, since))
        except StorageUnavailable as error:
            log.warning("the hotline's load is not known now", action="load_unknown", why=str(error))
            return
        self._load = {queue: count / (_LOOK_BACK.total_seconds() / 3600) for queue, count in found.items()}


#: Who can take a caller sooner or later.
_AT_WORK: Final = frozenset(AgentState) - {AgentState.SIGNED_OUT, AgentState.PAUSED}
