"""The simulated outside world in one object: network, customers, agents, outside numbers and their counts."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import secrets
import time
from collections.abc import Coroutine, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final

from lab.agents import Agent, Habits
from lab.agi import Line
from lab.ami import AmiGone, AmiRefused, Message
from lab.counts import CallBook, CallRecord, Counts, Key, OpenCall
from lab.customers import Customer, HangUp, Listen, Press, Speak, Stay, Visit
from lab.network import LabBinary, Network, Phone, Trunk, trunk_endpoint
from lab.outside import DIRECTORY, Entry, Outside, entry_of
from lab.sounds import make_sounds

LOG = logging.getLogger(__name__)

_RING_LIMIT_MS: Final = 3_600_000  # the lab's own timer gives up before the switch's does
_LOOK_SECONDS: Final = 0.02
_UNSAFE_IN_NAME: Final = str.maketrans("", "", '"<>\\\r\n')


class Placed:
    """A customer's call that was placed: wait for its answer and end, or steer it by hand."""

    def __init__(self, world: Lab, id: str, customer: Customer) -> None:
        self.id = id
        self.customer = customer
        self.line: Line | None = None
        self._world = world
        self._answered = asyncio.Event()
        self._ended: asyncio.Future[CallRecord] = asyncio.get_running_loop().create_future()

    @property
    def over(self) -> bool:
        """True once the call has ended."""
        return self._ended.done()

    async def answered(self, deadline: float = 30.0) -> Line:
        """The line, once the dealership has answered; raises `TimeoutError` after `deadline` seconds."""
        await asyncio.wait_for(self._answered.wait(), deadline)
        if self.line is None:
            raise TimeoutError("the call ended before it was answered")
        return self.line

    async def press(self, keys: str) -> None:
        """Press keys; raises `HungUp` when the other side has hung up."""
        await (await self.answered()).press(keys)

    async def hang_up(self) -> None:
        """Hang up at once, whatever she is doing, or give up ringing."""
        if not self.over:
            await self._world.cancel(self.id)

    async def ended(self, deadline: float = 60.0) -> CallRecord:
        """The record of the call, once it is over; raises `TimeoutError` after `deadline` seconds."""
        return await asyncio.wait_for(asyncio.shield(self._ended), deadline)


class Lab:
    """The outside world around one dealership.

    `trunk` is the dealership's SIP address (host, port), `folder` where the lab writes (its log of calls is
    `calls.jsonl` there), `seed` decides what its people do. `sip_port` 0 takes a free one; the dealership
    sends its outbound calls there. Without `silence` customers who wait send no packets: half the CPU, for
    load that does not mind.
    """

    def __init__(
        self,
        binary: LabBinary,
        folder: Path,
        *,
        trunk: Trunk | tuple[str, int],
        sip_port: int = 0,
        host: str = "127.0.0.1",
        seed: int | str = 1,
        directory: Sequence[Entry] = DIRECTORY,
        rtp: tuple[int, int] | None = None,
        silence: bool = True,
    ) -> None:
        folder = folder.absolute()
        folder.mkdir(parents=True, exist_ok=True)
        self.seed = seed
        self.silence = silence
        self.book = CallBook(folder / "calls.jsonl")
        self.agents: dict[str, Agent] = {}
        self.sounds = folder / "sounds"
        self.outside = Outside(seed=seed, directory=directory, sounds=str(self.sounds))
        self.network = Network(
            binary,
            folder,
            trunk=trunk if isinstance(trunk, Trunk) else Trunk(host=trunk[0], port=trunk[1]),
            takers={"customer": self._take_customer, "incoming": self._take_incoming},
            events=self._on_event,
            sip_port=sip_port,
            host=host,
            rtp=rtp,
        )
        self._placed: dict[str, Placed] = {}
        self._lines: dict[str, Line] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._numbers = itertools.count(1)
        self._mark = secrets.token_hex(3)

    @property
    def sip_port(self) -> int:
        """UDP port of the public network."""
        return self.network.sip_port

    async def start(self) -> None:
        """Start the public network; raises `NetworkFailed`."""
        if not self.sounds.exists():
            make_sounds(self.sounds)
        await self.network.start()

    async def stop(self) -> None:
        """Hang everything up and stop; what was still going on is written down as ended now."""
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.network.stop()
        for call in self.book.open_calls:
            call.note = call.note or "the lab was stopped"
            call.ended_by_lab = True
            self._close(call.id, at=time.time(), cause=16)

    async def __aenter__(self) -> Lab:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    def records(self) -> list[CallRecord]:
        """Every finished call, in the order of ending."""
        return list(self.book.records)

    def counts(self) -> Counts:
        """Finished calls by kind, person and outcome."""
        return self.book.counts()

    async def sign_on_agents(self, phones: Sequence[Phone], habits: Habits | None = None) -> list[Agent]:
        """Register these phones and put an agent behind each; raises `TimeoutError` naming those refused."""
        agents = [Agent(phone, habits or Habits(), self.seed, cut=self.cancel) for phone in phones]
        self.agents |= {agent.phone.endpoint: agent for agent in agents}
        await self.network.add_phones(phones)
        return agents

    async def sign_off_agents(self, endpoints: Sequence[str]) -> None:
        """Unregister these phones; calls they have go on."""
        await self.network.remove_phones(endpoints)
        for endpoint in endpoints:
            self.agents.pop(endpoint, None)

    async def dial(self, customer: Customer) -> Placed:
        """Place this customer's call and return at once.

        With steps she follows them; with none she waits for what the caller of this method makes her do.
        """
        id = f"lab-{self._mark}-{next(self._numbers)}"
        placed = self._placed[id] = Placed(self, id, customer)
        self.book.open(
            OpenCall(
                id=id,
                kind="customer",
                person=customer.person,
                caller=customer.caller,
                caller_name=customer.name,
                called=customer.called,
            )
        )
        headers = {
            "Channel": f"PJSIP/{customer.called}@{trunk_endpoint(customer.keys_by, customer.hidden)}",
            "Context": "customer",
            "Exten": "s",
            "Priority": "1",
            "ChannelId": id,
            "Async": "true",
            "Timeout": str(_RING_LIMIT_MS),
        }
        if customer.caller and not customer.hidden:
            headers["CallerID"] = f'"{customer.name.translate(_UNSAFE_IN_NAME)}" <{customer.caller}>'
        variables = [("CHANNEL(hangup_handler_push)", '"leg,s,1"')]
        if customer.hidden:
            variables.append(("PJSIP_HEADER(add,Privacy)", "id"))
        try:
            await self.network.ami.do("Originate", headers, variables=variables, id=id)
        except (AmiRefused, AmiGone, TimeoutError) as error:
            LOG.warning("call %s was not placed: %s", id, error)
            self._close(id, at=time.time(), cause=0, network=True)
            return placed
        self._spawn(self._give_up(placed, customer.gives_up_ringing))
        return placed

    def run_customers(self, visits: Sequence[Visit]) -> asyncio.Task[list[CallRecord]]:
        """Let these customers call, each at her time, and wait until the last has hung up.

        The task's result is their records. Cancelling it makes all of them hang up.
        """
        return asyncio.create_task(self._run(visits), name="lab-customers")

    async def cancel(self, id: str) -> None:
        """Hang up any open call of the lab at once, by its id; no error when it is over."""
        call = self.book.find(id)
        if call is None:
            return
        call.ended_by_lab = True
        # Before its channel is made there is nothing to hang up, and the call would go on.
        while not call.start and self.book.find(id) is not None:  # noqa: ASYNC110 - the book tells nobody
            await asyncio.sleep(_LOOK_SECONDS)
        with contextlib.suppress(AmiRefused, AmiGone, TimeoutError):
            await self.network.ami.do("Hangup", {"Channel": id, "Cause": "16"})

    async def _run(self, visits: Sequence[Visit]) -> list[CallRecord]:
        begin = asyncio.get_running_loop().time()
        placed: list[Placed] = []
        try:
            for visit in sorted(visits, key=lambda visit: visit.at):
                await asyncio.sleep(max(0.0, begin + visit.at - asyncio.get_running_loop().time()))
                placed.append(await self.dial(visit.customer))
            return [await call.ended(3600.0) for call in placed]
        except asyncio.CancelledError:
            for call in placed:
                await call.hang_up()
            raise

    async def _give_up(self, placed: Placed, seconds: float) -> None:
        try:
            await placed.answered(seconds)
        except TimeoutError:
            if not placed.over:
                await self.cancel(placed.id)

    async def _take_customer(self, line: Line) -> None:
        placed = self._placed.get(line.id)
        if placed is None:
            return
        self._adopt(line)
        line.silence = self.silence
        placed.line = line
        placed._answered.set()
        if not placed.customer.steps:
            await line.idle()
            return
        for step in placed.customer.steps:
            match step:
                case Listen():
                    await line.wait(step.seconds)
                case Press():
                    await line.press(step.keys)
                case Speak():
                    await line.speak(self._sound(step.sound))
                case Stay(speaks=True):
                    await line.talk(self._sound("speech"), step.seconds)
                case Stay():
                    await line.wait(step.seconds)
                case HangUp():
                    break
        await line.hang_up()

    async def _take_incoming(self, line: Line) -> None:
        self._adopt(line)
        number = line.facts.get("agi_extension", "")
        agent = self.agents.get(number)
        if agent is not None:
            at_once = "answer-after=0" in line.facts.get("agi_arg_1", "")
            await agent.take(line, self._sound(agent.habits.sound), at_once=at_once)
        else:
            await self.outside.take(line, entry_of(number, self.outside.directory).does)

    def _adopt(self, line: Line) -> None:
        self._lines[line.id] = line
        call = self.book.find(line.id)
        if call is not None:
            line.keys = call.keys

    def _sound(self, name: str) -> str:
        return name if "/" in name else str(self.sounds / name)

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _on_event(self, message: Message) -> None:
        id = message.get("Uniqueid", "")
        match message["Event"]:
            case "Newchannel":
                self._on_channel(id, message)
            case "UserEvent" if message.get("UserEvent") == "LabLeg":
                if call := self.book.find(id):
                    call.call_id = message.get("CallId", "")
            case "Newstate":
                self._on_state(id, message)
            case "DTMFEnd" if message.get("Direction") == "Received":
                if call := self.book.find(id):
                    call.keys.append(Key(at=_time(message), key=message.get("Digit", ""), sent=False))
            case "Hangup":
                self._close(
                    id,
                    at=_time(message),
                    cause=int(message.get("Cause") or 0),
                    tech_cause=int(message.get("TechCause") or 0),
                )
            case "OriginateResponse" if message.get("Response") == "Failure":
                call = self.book.find(message.get("ActionID", ""))
                if call is not None and not call.start:
                    self._close(call.id, at=_time(message), cause=0, network=True)

    def _on_channel(self, id: str, message: Message) -> None:
        call = self.book.find(id)
        if call is None:
            if message.get("Context") != "incoming":
                return
            number = message.get("Exten", "")
            agent = number in self.agents
            call = self.book.open(
                OpenCall(
                    id=id,
                    kind="agent" if agent else "outside",
                    person="agent" if agent else entry_of(number, self.outside.directory).person,
                    caller=message.get("CallerIDNum", "").replace("<unknown>", ""),
                    caller_name=message.get("CallerIDName", "").replace("<unknown>", ""),
                    called=number,
                )
            )
        call.start = _time(message)

    def _on_state(self, id: str, message: Message) -> None:
        call = self.book.find(id)
        if call is None:
            return
        match message.get("ChannelStateDesc"):
            case "Ringing":
                call.ringing = call.ringing or _time(message)
            case "Up":
                call.answer = call.answer or _time(message)

    def _close(self, id: str, *, at: float, cause: int, tech_cause: int = 0, network: bool = False) -> None:
        call = self.book.find(id)
        line = self._lines.pop(id, None)
        if call is not None and line is not None:
            call.ended_by_lab = call.ended_by_lab or line.ended_here
            call.refused_with = line.refused_with
        record = self.book.close(id, at=at, cause=cause, tech_cause=tech_cause, network=network)
        placed = self._placed.pop(id, None)
        if placed is not None and record is not None and not placed.over:
            placed._ended.set_result(record)
            placed._answered.set()


def _time(message: Message) -> float:
    return float(message.get("Timestamp") or time.time())
