"""What the menus ask, answered by the stores, the calendar and the switch's queues (`ivr.ports`)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TypeAlias, TypeVar
from zoneinfo import ZoneInfo

import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from crm.consent.blocks import Block, turning_away
from crm.consent.optouts import OptOutSource, Purpose
from crm.records.customers import CustomerNotFound
from crm.records.matching import Candidate
from crm.tasks.tasks import TaskKind
from ivr.ports import (
    AskCallback,
    AskOptOut,
    AskTask,
    AskText,
    Found,
    Known,
    QueueView,
    Registered,
    Servant,
    Unavailable,
    Working,
)
from storage import blocks, calls, customers, matching, optouts, tasks
from storage.call_tasks import CallTasks
from storage.database import Database, StorageUnavailable
from telephony.agents import AgentState
from telephony.calls import Call, CallState
from telephony.desk import AgentDesk
from telephony.hours import WorkingTime
from telephony.options import QueueOptions
from telephony.queues import QueueBoard

log = structlog.get_logger(__name__)

T = TypeVar("T")
#: Who has a number, and the blocks that fit it.
_Caller: TypeAlias = tuple[Sequence[Candidate], Sequence[Block]]

#: An agent who served the customer this long ago is still "the one who served last".
_LAST_SERVED = timedelta(days=180)
#: How long what was found at a caller's arrival answers the menu's question, in seconds.
_FORESEEN_SECONDS = 5.0
#: Answers that no menu asks for are thrown away beyond this many.
_MOST_FORESEEN = 1000


def _known(candidate: Candidate) -> Known:
    return Known(
        customer_id=candidate.customer_id,
        key_customer=candidate.key_account,
        language=candidate.language,
        plate=candidate.plates[0] if len(candidate.plates) == 1 else None,
    )


class CustomerDirectory:
    """`ivr.ports.Directory` over the customers' store.

    Given to `Journal.foresee`, it finds new callers in the transaction that stores their arrival, and has the
    answer when the menu asks a moment later.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        #: Number to (monotonic seconds, who has it, blocks that fit it): answers nobody has asked for yet.
        self._foreseen: dict[str, tuple[float, _Caller]] = {}

    def foresee(self, connection: Connection, numbers: Sequence[str]) -> None:
        """Find these callers now; in the writer's thread."""
        if len(self._foreseen) > _MOST_FORESEEN:
            self._foreseen = {}
        for number in numbers:
            self._foreseen[number] = (time.monotonic(), _caller(connection, number))

    async def by_number(self, number: str, now: datetime) -> Found:
        """Every customer with this number, and whether it is blocked: one look-up for both."""
        at, (found, fitting) = self._foreseen.pop(number, (0.0, ((), ())))
        if not at or time.monotonic() - at >= _FORESEEN_SECONDS:
            found, fitting = await self._read(lambda connection: _caller(connection, number))
        key_customer = any(candidate.key_account for candidate in found)
        block = turning_away(fitting, now, key_customer=key_customer)
        return Found(customers=tuple(_once_each(found)), blocked=block is not None)

    async def by_tail(self, kind: str, keys: str, among: Sequence[str]) -> Sequence[Known]:
        """Every customer with a vehicle whose plate or VIN ends so."""
        find = matching.find_by_plate_tail if kind == "plate" else matching.find_by_vin_tail
        return await self._ask(lambda connection: find(connection, keys, among))

    async def _ask(self, work: Callable[[Connection], Sequence[Candidate]]) -> Sequence[Known]:
        return _once_each(await self._read(work))

    async def _read(self, work: Callable[[Connection], T]) -> T:
        try:
            return await self._database.read(work)
        except (StorageUnavailable, SQLAlchemyError) as error:
            raise Unavailable("The customers' records are away.") from error


def _caller(connection: Connection, number: str) -> _Caller:
    return matching.find_by_number(connection, number), blocks.fitting(connection, number)


def _once_each(found: Sequence[Candidate]) -> Sequence[Known]:
    """One customer may be found once per vehicle."""
    by_id: dict[str, Known] = {}
    for candidate in found:
        known = _known(candidate)
        if known.customer_id in by_id:
            known = replace(known, plate=None)
        by_id[known.customer_id] = known
    return tuple(by_id.values())


class HouseCalendar:
    """`ivr.ports.Calendar` over the house's working time."""

    def __init__(self, hours: WorkingTime, zone: str) -> None:
        self._hours = hours
        self._zone = ZoneInfo(zone)

    def at_work(self, now: datetime) -> Working:
        """Whether somebody is at work, why not, and when again."""
        state = self._hours.state_at(now)
        opens = state.next_open
        return Working(desk=state.state, opens_at=None if opens is None else opens.astimezone(self._zone))


class HouseQueues:
    """`ivr.ports.Queues` from what the switch last said, the live calls and the agents' rows."""

    def __init__(
        self,
        *,
        board: QueueBoard,
        desk: AgentDesk,
        live_calls: Callable[[], Sequence[Call]],
        database: Database,
        options: Mapping[str, QueueOptions],
        now: Callable[[], datetime],
    ) -> None:
        self._board = board
        self._desk = desk
        self._live_calls = live_calls
        self._database = database
        self._options = options
        self._now = now

    def view(self, queue: str, priority: int) -> QueueView:
        """The queue as a caller of this priority would meet it. Raises Unavailable while unknown."""
        at = asyncio.get_running_loop().time()
        count = self._board.count(queue, at)
        if count is None:
            raise Unavailable("The switch is away; nothing is known of the queue.")
        waiting = [
            call
            for call in self._live_calls()
            if call.queue == queue and call.state in (CallState.QUEUED, CallState.RINGING)
        ]
        position = 1 + sum(1 for call in waiting if call.priority >= priority)
        most = self._options[queue].max_callers
        return QueueView(
            ready=count.ready,
            signed_in=count.members,
            position=position,
            expected_wait=self._board.expected_wait(queue, position, at),
            full=0 < most <= len(waiting),
        )

    async def servant(self, customer_id: str, who: Sequence[str], queue: str) -> Servant:
        """The first of the customer's agents that is ready now."""
        since = self._now() - _LAST_SERVED

        def look(connection: Connection) -> dict[str, str | None]:
            return {
                "own": customers.get_customer(connection, customer_id).own_agent_id,
                "last": calls.last_agent(connection, customer_id, since),
            }

        try:
            agents = await self._database.read(look)
        except (StorageUnavailable, SQLAlchemyError) as error:
            raise Unavailable("The customers' records are away.") from error
        except CustomerNotFound:
            return Servant(endpoint=None)
        for how in who:
            agent = self._desk.board.get(agents.get(how) or "")
            if agent is not None and agent.state is AgentState.READY and agent.phone:
                return Servant(endpoint=agent.phone, how=how)
        return Servant(endpoint=None)


class HouseTasks:
    """`ivr.ports.Tasks` over the task store; a row before the caller hears the promise."""

    def __init__(self, database: Database, call_tasks: CallTasks) -> None:
        self._database = database
        self._call_tasks = call_tasks

    async def callback(self, request: AskCallback, now: datetime) -> Registered:
        """Register the wish and give the promised time."""

        def work(connection: Connection) -> Registered:
            task = self._call_tasks.ask_callback(
                connection,
                call_id=request.call_id,
                number=request.number,
                now=now,
                queue=request.queue,
                customer_id=request.customer_id,
            )
            if task is None:
                return Registered(promised_at=None)
            return Registered(promised_at=task.promised_by or task.due_at, number=task.number or "")

        try:
            return await self._database.write(work)
        except (StorageUnavailable, SQLAlchemyError) as error:
            raise Unavailable("The call-back could not be stored; nothing was promised.") from error

    async def task(self, request: AskTask, now: datetime) -> bool:
        """Leave a task for a queue's people, once per call and kind."""

        def work(connection: Connection) -> bool:
            tasks.add_task(
                connection,
                kind=TaskKind.OTHER,
                occasion=f"ivr {request.task} {request.call_id}",
                now=now,
                due_at=self._call_tasks.due(now, request.minutes),
                subject=request.task,
                number=request.number,
                customer_id=request.customer_id,
                call_id=request.call_id,
                queue=request.queue,
            )
            return True

        try:
            return await self._database.write(work)
        except (StorageUnavailable, SQLAlchemyError) as error:
            raise Unavailable("The task could not be stored.") from error


class HouseSuppression:
    """`ivr.ports.Suppression` over the opt-outs' store."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def opt_out(self, request: AskOptOut, now: datetime) -> bool:
        """Store the refusal with its proof: the call and the key."""

        def work(connection: Connection) -> bool:
            optouts.opt_out(
                connection,
                number=request.number,
                purpose=Purpose(request.purpose),
                source=OptOutSource.HOTLINE_KEY,
                at=now,
                proof=f"call:{request.call_id}",
            )
            return True

        try:
            return await self._database.write(work)
        except (StorageUnavailable, SQLAlchemyError) as error:
            raise Unavailable("The opt-out could not be stored.") from error


class NoTexts:
    """`ivr.ports.TextSender` until messaging exists: it says so, and the menu goes on without."""

    async def send(self, request: AskText, now: datetime) -> bool:
        """Nothing is sent; False tells the menu not to promise it."""
        log.info(
            "no text sender yet", action="text_not_sent", template=request.template, call=request.call_id
        )
        return False
