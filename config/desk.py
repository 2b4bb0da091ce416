"""The desk as pages and programs know it (`web.ports.Desk`): agents' states and orders about live calls."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import structlog
from sqlalchemy import Connection

from access.ids import new_id
from access.permissions import Permission
from access.requests import Answer, Once
from access.users import Principal
from crm.records.customers import RecordError
from storage.call_lists import get_call
from storage.calls import by_id
from storage.customers import number_at
from storage.database import Database, StorageUnavailable
from storage.idempotency import answer_once, find_answer, forget_answer
from storage.person import open_customer
from storage.phones import own_phones
from telephony.agents import Agent, AgentState
from telephony.clock import Clock
from telephony.control import Control, NoSuchTarget, Target
from telephony.desk import AgentDesk, NoSuchAgent, NoSuchPhone
from telephony.fences import DialRefused, TooManyCalls
from telephony.ports import ActionRefused, QueueCount, SwitchError, SwitchUnavailable
from telephony.queues import QueueBoard
from telephony.returning import Returning
from web.ports import Dialed

log = structlog.get_logger(__name__)


class HouseDesk:
    """Which phone, whose call, which number: translated here, decided in `telephony`."""

    def __init__(
        self,
        *,
        agents: AgentDesk,
        control: Control,
        returning: Returning,
        board: QueueBoard,
        database: Database,
        clock: Clock,
        queue_names: Sequence[str],
        read_number: Callable[[str], str | None],
    ) -> None:
        self._agents = agents
        self._control = control
        self._returning = returning
        self._board = board
        self._database = database
        self._clock = clock
        self._queue_names = tuple(queue_names)
        self._read_number = read_number

    async def agents(self) -> Sequence[Agent]:
        """Everybody who can take calls."""
        return await self._agents.rows.find()

    async def queues(self) -> Sequence[QueueCount]:
        """Every queue of the settings, as last seen."""
        counts = self._board.counts
        return [counts.get(name, QueueCount(name=name)) for name in self._queue_names]

    async def sign_in(
        self, agent_id: str, queues: Mapping[str, int] | None, phone: str | None, by: Principal
    ) -> Agent:
        """Member of the queues (None: all) on the phone (None: his first)."""
        found = await self._database.read(lambda connection: own_phones(connection, agent_id))
        own = [one.endpoint for one in found]  # the one in the page first
        if not own:
            raise NoSuchPhone("This person has no telephone; an administrator can give one.")
        before = self._agents.board.get(agent_id)
        own = [*(one for one in own if before is not None and one == before.phone), *own]
        wanted = dict.fromkeys(self._queue_names, 0) if queues is None else queues
        return await self._agents.sign_in(agent_id, phone or own[0], wanted, actor=by.user_id or by.proof_id)

    async def sign_out(self, agent_id: str, by: Principal) -> Agent:
        """Signed out; a phone that rings stops, so that the caller goes on to somebody else at once (R28)."""
        before = self._agents.board.get(agent_id)
        agent = await self._agents.sign_out(agent_id, actor=by.user_id or by.proof_id)
        if before is not None and before.state is AgentState.RINGING and before.phone:
            try:
                for channel in await self._agents.switch.channels():
                    if channel.endpoint == before.phone and not channel.is_up:
                        await self._agents.switch.hang_up(channel.name)
            except SwitchError as error:
                log.warning("a phone may ring on", action="ring_not_ended", agent=agent_id, why=str(error))
        return agent

    async def pause(self, agent_id: str, reason: str, by: Principal) -> Agent:
        return await self._agents.pause(agent_id, reason, actor=by.user_id or by.proof_id)

    async def ready(self, agent_id: str, by: Principal) -> Agent:
        return await self._agents.ready(agent_id, actor=by.user_id or by.proof_id)

    async def extend(self, agent_id: str, by: Principal) -> Agent:
        return await self._agents.extend(agent_id, actor=by.user_id or by.proof_id)

    async def filed(self, agent_id: str, call_id: str, by: Principal) -> Agent | None:
        return await self._agents.filed(agent_id, call_id, actor=by.user_id or by.proof_id)

    async def hold(self, agent_id: str, call_id: str, by: Principal) -> None:
        await self._control.hold(call_id, await self._phone(agent_id))

    async def resume(self, agent_id: str, call_id: str, by: Principal) -> None:
        if self._returning.awaits(call_id) and await self._returning.resume(agent_id):
            return  # his page was loaded again while the customer was on hold
        await self._control.resume(call_id, await self._phone(agent_id))

    async def transfer(self, agent_id: str, call_id: str, target: Target, by: Principal) -> None:
        await self._control.transfer(call_id, await self._phone(agent_id), await self._reach(target))

    async def consult(self, agent_id: str, call_id: str, target: Target, by: Principal) -> None:
        await self._control.consult(call_id, await self._phone(agent_id), await self._reach(target))

    async def complete_transfer(self, agent_id: str, call_id: str, by: Principal) -> None:
        await self._control.complete_transfer(call_id, await self._phone(agent_id))

    async def cancel_transfer(self, agent_id: str, call_id: str, by: Principal) -> None:
        await self._control.cancel_transfer(call_id, await self._phone(agent_id))

    async def conference(self, agent_id: str, call_id: str, invited: Target | None, by: Principal) -> None:
        reached = None if invited is None else await self._reach(invited)
        await self._control.conference(call_id, await self._phone(agent_id), reached)

    async def leave(self, agent_id: str, call_id: str, by: Principal) -> None:
        await self._control.leave(call_id, await self._phone(agent_id))

    async def pause_recording(self, agent_id: str, call_id: str, by: Principal) -> None:
        await self._control.pause_recording(call_id, await self._phone(agent_id))

    async def resume_recording(self, agent_id: str, call_id: str, by: Principal) -> None:
        await self._control.resume_recording(call_id, await self._phone(agent_id))

    async def hang_up(self, agent_id: str, call_id: str, by: Principal) -> None:
        others = by.may(Permission.DESK_OTHERS)
        await self._control.hang_up(call_id, await self._phone(agent_id), of_others=others)

    async def number_of(
        self, by: Principal, *, customer_id: str | None, place: int, call_id: str | None
    ) -> str:
        """A number that the page may not have been shown in full."""

        now = self._clock.now()

        def work(connection: Connection) -> str | None:
            if customer_id is not None:
                customer = open_customer(connection, by, customer_id, now=now)
                return number_at(connection, customer.id, place)
            if call_id is None or get_call(connection, by, call_id) is None:
                return None
            call = by_id(connection, call_id)
            return call.number if call is not None else None

        try:
            found = await self._database.read(work)
        except RecordError as error:
            raise DialRefused(
                "no-such-number", "There is no such number any more; nothing was dialed."
            ) from error
        if found is None:
            raise DialRefused(
                "no-such-number", "There is no number that you may dial here; nothing was dialed."
            )
        return found

    async def dial(self, agent_id: str, number: str, once: Once | None, by: Principal) -> Dialed:
        """Ring the agent's phone, then the number; the same key again rings nobody."""
        phone = await self._phone(agent_id)
        if once is not None:
            kept = await self._database.read(lambda connection: find_answer(connection, once))
            if kept is not None:
                return Dialed(call_id=str(kept.body["call_id"]), replayed=True)
        read = self._read_number(number)
        if read is None:
            raise DialRefused(
                "not-a-number", "This cannot be read as a telephone number; nothing was dialed."
            )
        now = self._clock.now()
        await self._control.check_fences(read)
        call_id = new_id(now)
        if once is not None:
            answer = Answer(status=202, body={"call_id": call_id}, at=now)
            kept = await self._database.write(lambda connection: answer_once(connection, once, answer))
            if kept is not answer:
                return Dialed(call_id=str(kept.body["call_id"]), replayed=True)
        await self._agents.dials(agent_id, call_id=call_id)
        try:
            await self._control.dial(read, phone, call_id=call_id, by=agent_id)
        except (DialRefused, TooManyCalls, StorageUnavailable, SwitchUnavailable, ActionRefused):
            await self._agents.dialed_nothing(agent_id, call_id=call_id)
            # It certainly did not ring, so the same key must be able to try again. Where the answer was lost
            # (ActionUnknown) the key stays bound: nobody is rung twice.
            if once is not None:
                await self._database.write(lambda connection: forget_answer(connection, once))
            raise
        return Dialed(call_id=call_id)

    async def _phone(self, agent_id: str) -> str:
        """The phone the agent is signed in on, else the one he chose last, else the one in the page."""
        agent = self._agents.board.get(agent_id)
        if agent is not None and agent.state is not AgentState.SIGNED_OUT and agent.phone:
            return agent.phone
        found = await self._database.read(lambda connection: own_phones(connection, agent_id))
        own = [one.endpoint for one in found]
        if not own:
            raise NoSuchAgent("This person has no telephone.")
        return agent.phone if agent is not None and agent.phone in own else own[0]

    async def _reach(self, target: Target) -> Target:
        """People are named by user id outside and by their phone inside."""
        if target.kind != "agent":
            return target
        try:
            return Target(kind="agent", name=await self._phone(target.name))
        except NoSuchAgent as error:
            raise NoSuchTarget("There is no such person to transfer to.") from error
