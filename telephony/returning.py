"""A page that goes away in a conversation, and comes back: a reload must not cost the customer his call.

The sound of a call in the browser dies with the page. Until the page has registered again the customer hears
music, the agent is still on the call (no wrap-up begins), and the call in the log is one call. Who does not
come back in time is treated as one who hung up: the customer goes to the head of his queue.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Final

import structlog

from telephony.calls import Call, CallState
from telephony.clock import Clock
from telephony.control import Control, ControlError
from telephony.desk import AgentDesk
from telephony.facts import Fact
from telephony.ports import SwitchError

log = structlog.get_logger(__name__)

#: Seconds a page that is back has to answer; it answers by itself.
_ANSWERS: Final = 15.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Expected:
    """A page somebody's customer waits for."""

    agent_id: str
    endpoint: str
    call_id: str
    #: Monotonic seconds; then it is not waited for any longer.
    until: float
    #: The customer had been put on hold by the agent; he stays there until he is taken back.
    held: bool
    #: The leg that is being rung to bring him back; empty: none.
    leg: str = ""


class Returning:
    """Who waits for which page."""

    def __init__(
        self,
        *,
        control: Control,
        agents: AgentDesk,
        clock: Clock,
        live: Callable[[str], Call | None],
        seconds: float,
    ) -> None:
        self._control = control
        self._agents = agents
        self._clock = clock
        self._live = live
        self._seconds = seconds
        self._expected: dict[str, Expected] = {}
        self._turn = asyncio.Lock()

    def awaits(self, call_id: str) -> bool:
        """Whether the customer of this call waits for a page: nobody else may be given him yet."""
        return any(one.call_id == call_id for one in self._expected.values())

    async def gone(self, agent_id: str, endpoint: str) -> bool:
        """The page of this agent's phone went away; whether a customer waits for it now."""
        async with self._turn:
            until = self._clock.monotonic() + self._seconds
            waiting = self._expected.get(agent_id)
            if waiting is not None:  # it came back, and went again before it had answered
                if waiting.leg:
                    await self._quietly(self._control.cut(waiting.leg))
                self._expected[agent_id] = replace(waiting, until=until, leg="")
                return True
            agent = self._agents.board.get(agent_id)
            if agent is None or agent.phone != endpoint or agent.call_id is None:
                return False
            self._agents.expect(agent_id)
            try:
                held = await self._control.leave_waiting(agent.call_id, endpoint)
                if held is None:  # his leg was ended, and its end may have come while it did not count
                    await self._agents.not_back(agent_id)
                    return False
            except ControlError as error:
                log.debug("a page went away", action="page_gone", agent=agent_id, why=str(error))
                self._agents.expect_no_more(agent_id)
                return False
            except SwitchError as error:
                log.warning("a page went away", action="page_gone", agent=agent_id, why=str(error))
                self._agents.expect_no_more(agent_id)
                return False
            except BaseException:  # whatever it was, the end of his leg must count again
                self._agents.expect_no_more(agent_id)
                raise
            self._expected[agent_id] = Expected(
                agent_id=agent_id, endpoint=endpoint, call_id=agent.call_id, until=until, held=held
            )
            log.info("a customer waits for a page", action="page_gone", agent=agent_id, call=agent.call_id)
            return True

    async def back(self, agent_id: str) -> Expected | None:
        """The page has registered again; who waited for it is rung through. None: nobody waits."""
        async with self._turn:
            waiting = self._expected.get(agent_id)
            if waiting is None or waiting.leg:
                return waiting
            if waiting.held:
                waiting = replace(waiting, until=float("inf"))
                self._expected[agent_id] = waiting
                return waiting
            return await self._bring(waiting)

    async def resume(self, agent_id: str) -> bool:
        """The agent takes back the customer he had on hold before the reload; False: none of that kind waits."""
        async with self._turn:
            waiting = self._expected.get(agent_id)
            if waiting is None or waiting.leg:
                return waiting is not None
            return await self._bring(waiting) is not None

    async def _bring(self, waiting: Expected) -> Expected | None:
        try:
            leg = await self._control.bring_back(waiting.call_id, waiting.endpoint)
        except ControlError as error:  # the customer has gone meanwhile
            log.info("nobody to bring back", action="page_back", call=waiting.call_id, why=str(error))
            return None
        rung = replace(waiting, leg=leg, until=self._clock.monotonic() + _ANSWERS)
        self._expected[waiting.agent_id] = rung
        return rung

    async def answered(self, fact: Fact) -> None:
        """A leg was answered; if it is one that was rung here, the two talk again."""
        for agent_id, waiting in list(self._expected.items()):
            if waiting.leg and waiting.leg == fact.uniqueid:
                async with self._turn:
                    self._expected.pop(agent_id, None)
                    try:
                        await self._control.talks_again(waiting.call_id)
                    finally:
                        self._agents.expect_no_more(agent_id)
                log.info("a page took its customer back", action="page_back", call=waiting.call_id)

    async def look(self) -> None:
        """Once a second: who waited long enough, and whose customer has gone."""
        now = self._clock.monotonic()
        for agent_id, waiting in list(self._expected.items()):
            call = self._live(waiting.call_id)
            over = call is None or call.state is CallState.ENDED
            if not over and now < waiting.until:
                continue
            async with self._turn:
                if self._expected.get(agent_id) is not waiting:
                    continue
                if not over:
                    try:
                        if waiting.leg:
                            await self._quietly(self._control.cut(waiting.leg))
                        await self._control.leave_nobody_on_hold(waiting.call_id)
                    except SwitchError as error:
                        log.warning("nobody was told", action="page_missed", why=str(error))
                        continue
                    log.info("a page did not come back", action="page_missed", call=waiting.call_id)
                del self._expected[agent_id]
                await self._agents.not_back(agent_id)

    async def _quietly(self, work: Awaitable[None]) -> None:
        try:
            await work
        except SwitchError as error:
            log.debug("a leg was not ended", action="leg_stays", why=str(error))
