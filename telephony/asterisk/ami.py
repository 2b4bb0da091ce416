"""One manager session: asterisk-ami's client on an asyncio transport.

asterisk-ami gives the actions, events, responses and listeners; its socket, thread and line splitting are
replaced, because a silence of three seconds ends its thread for good. What is added: a deadline on every
action, refusal of what must not leave, lists collected, ping, keepalive, supervised reconnect with
resynchronisation, and a reader that only reads into a bounded queue. No action is ever sent twice.
"""

from __future__ import annotations

import asyncio
import logging
import random
import secrets
import socket
import ssl
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final, Literal, TypeVar, cast

from asterisk.ami.action import Action, LoginAction, SimpleAction
from asterisk.ami.client import AMIClient
from asterisk.ami.event import Event
from asterisk.ami.response import Response

from telephony.asterisk.doctor import KNOWN_SECRETS
from telephony.asterisk.protocol import (
    MAX_FRAME,
    Frames,
    Headers,
    ami_version,
    build,
    header_of,
    kind_of,
    moment,
    parse,
    text_of,
)
from telephony.asterisk.resync import OLDEST_AMI, OLDEST_ASTERISK
from telephony.clock import Clock, SystemClock
from telephony.ports import ActionRefused, ActionUnknown, SwitchError, SwitchUnavailable

log = logging.getLogger("careline.ami")

T = TypeVar("T")

#: What the actions user must be allowed, and the right in manager.conf that gives it.
NEEDED_ACTIONS: Final[Mapping[str, str]] = {
    "Originate": "originate",
    "Redirect": "call",
    "Bridge": "call",
    "Hangup": "call",
    "MixMonitorMute": "call",
    "QueueAdd": "agent",
    "QueueRemove": "agent",
    "QueuePause": "agent",
    "QueueStatus": "agent",
    "CoreStatus": "reporting",
    "CoreShowChannels": "reporting",
    "CoreSettings": "reporting",
}
#: A shorter secret is no secret; `careline check` asks for more.
SHORTEST_SECRET: Final = 12
#: Most list entries one answer may bring.
LONGEST_LIST: Final = 50_000
#: Bytes that may wait in the socket before an action is refused instead of piling up.
LONGEST_BACKLOG: Final = 256 * 1024


class CannotLogin(SwitchError):
    """The switch will not take us as we are set up; the message names the line to change. Retried slowly."""

    error_id = "switch-cannot-login"


class MissingRights(ActionRefused):
    """The manager user may not do this; the message names the line in manager.conf."""

    error_id = "switch-missing-rights"


class DuplicateAction(SwitchError, ValueError):
    """An action with this ActionID is still waiting for its answer; nothing was sent."""

    error_id = "switch-duplicate-action"


#: Header name to the bytes it is found by; only names that stand in our code come here.
_MARKS: Final[dict[str, bytes]] = {}


def _mark(key: str) -> bytes:
    mark = _MARKS[key] = b"\r\n" + key.encode("ascii") + b": "
    return mark


class AmiEvent(Event):  # type: ignore[misc]
    """asterisk-ami's Event, parsed only when its headers are read."""

    def __init__(self, raw: bytes) -> None:
        # The parent's __init__ would set name and keys; both are read from the bytes when asked for.
        self.raw = raw

    @cached_property
    def name(self) -> str:
        """Hangup, Newchannel, …"""
        raw = self.raw
        if raw.startswith(b"Event: "):
            end = raw.find(b"\r\n")
            return text_of(raw[7:] if end < 0 else raw[7:end])
        return text_of(kind_of(raw)[1])

    def get(self, key: str) -> str:
        """One header's first value without parsing the rest; an empty string where there is none."""
        raw = self.raw
        mark = _MARKS.get(key) or _mark(key)
        start = raw.find(mark)
        if start < 0:
            return ""
        start += len(mark)
        end = raw.find(b"\r\n", start)
        return str(raw[start:] if end < 0 else raw[start:end], "utf-8", "surrogateescape")

    @cached_property
    def keys(self) -> Headers:
        """Every header but the first line, lossless."""
        return parse(self.raw[self.raw.find(b"\r\n") + 2 :])


class Reply(Response):  # type: ignore[misc]
    """asterisk-ami's Response with lossless headers, the lines of a command, and the events of a list."""

    status: str
    keys: Headers

    def __init__(self, keys: Headers, events: Sequence[AmiEvent] = ()) -> None:
        super().__init__(keys.get("Response", ""), keys, list(keys.all("Output")))
        self.events = tuple(events)

    @property
    def message(self) -> str:
        """Asterisk's own words."""
        return self.keys.get("Message", "")

    def is_error(self) -> bool:
        """Asterisk refused."""
        return self.status.lower() == "error"


@dataclass(frozen=True, kw_only=True, slots=True)
class Timing:
    """Seconds, and the size of a batch. Tests shorten them."""

    connect: float = 5.0
    action: float = 5.0
    ping: float = 10.0
    ping_deadline: float = 5.0
    #: How long FullyBooted may take before it is called a trouble; the session stays up.
    booted: float = 30.0
    first_retry: float = 0.1
    longest_retry: float = 10.0
    #: Between attempts that cannot work before somebody changes a setting.
    slow_retry: float = 30.0
    #: How long events may be worked off before they are held back for a resynchronisation.
    drain: float = 5.0
    batch: int = 1024


@dataclass(kw_only=True, slots=True)
class Gauges:
    """Counts since the start, of one session. Plain numbers; who shows them reads them."""

    bytes: int = 0
    messages: int = 0
    #: Events handed on, and those nobody wanted.
    delivered: int = 0
    ignored: int = 0
    #: Events thrown away because the queue was full, and how often that happened.
    lost: int = 0
    overflows: int = 0
    queued: int = 0
    deepest: int = 0
    connects: int = 0
    disconnects: int = 0
    #: Answers to no pending action; actions without an answer in time or at disconnect.
    orphans: int = 0
    unanswered: int = 0
    oversized: int = 0
    unknown: int = 0
    #: Exceptions out of listeners and event handlers.
    failures: int = 0
    #: Event's own time to delivery, seconds; the newest batch, and the worst since the start.
    lag: float = 0.0
    worst_lag: float = 0.0
    #: Round trip of the last ping, seconds.
    ping: float = 0.0


AlarmKind = Literal["lost", "overflow", "restarted", "trouble", "rights", "resync"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Alarm:
    """Something a person should know about the switch."""

    kind: AlarmKind
    text: str


EventSink = Callable[[Sequence[AmiEvent]], Awaitable[None]]


def log_alarm(alarm: Alarm) -> None:
    """Where nobody else wants the alarms."""
    log.warning("%s", alarm.text, extra={"action": f"ami-{alarm.kind}"})


@dataclass(slots=True, eq=False)
class _Pending:
    """An action that waits for its answer."""

    name: str
    future: asyncio.Future[Reply]
    timer: asyncio.TimerHandle | None = None
    #: The first packet of a list, once it has come.
    head: Headers | None = None
    events: list[AmiEvent] = field(default_factory=list)


class _Wire(asyncio.Protocol):
    """Hands bytes to the session; one object per connection, so that a late byte of an old one is dropped."""

    def __init__(self, session: AmiSession) -> None:
        self._session = session

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._session.take_transport(self, cast("asyncio.Transport", transport))

    def data_received(self, data: bytes) -> None:
        if self._session.wire is self:
            self._session.take_bytes(data)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._session.wire is self:
            self._session.lose(exc or ConnectionResetError("Asterisk closed the manager connection"))


class AmiSession(AMIClient):  # type: ignore[misc]
    """One logged-in manager connection that reconnects by itself.

    `run()` serves until cancelled. Listeners of asterisk-ami (`add_event_listener`, `add_listener`) work as
    documented there, on the event loop; what they raise is logged and counted.
    """

    def __init__(
        self,
        *,
        address: str,
        port: int,
        user: str,
        secret: str,
        setting: str,
        with_events: bool,
        sink: EventSink | None = None,
        wanted: Iterable[str] | None = None,
        queue_limit: int = 50_000,
        timing: Timing = Timing(),
        alarm: Callable[[Alarm], None] = log_alarm,
        clock: Clock | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """`setting` is the settings key of the secret, for messages; `wanted` names the events to deliver
        (None: all)."""
        super().__init__(
            address=address,
            port=port,
            encoding="utf-8",
            encoding_errors="surrogateescape",
            timeout=timing.action,
        )
        self.user = user
        self.setting = setting
        self.timing = timing
        self.gauges = Gauges()
        #: Why the session is not up; None while it is.
        self.trouble: SwitchError | None = None
        self.wire: _Wire | None = None
        #: Counts log-ins; changes when the connection was replaced.
        self.generation = 0
        self._secret = secret
        self._with_events = with_events
        self._sink = sink
        self._wanted = None if wanted is None else frozenset(name.encode("ascii") for name in wanted)
        self._queue_limit = queue_limit
        self._byte_limit = queue_limit * 1024
        self._alarm = alarm
        self._clock = clock or SystemClock()
        self._tls = tls
        self._prefix = secrets.token_hex(4)
        self._pending: dict[str, _Pending] = {}
        self._lists = 0
        self._frames = Frames()
        self._transport: asyncio.Transport | None = None
        self._lost: asyncio.Future[BaseException] | None = None
        self._banner: asyncio.Future[bytes] | None = None
        self._queue: deque[bytes] = deque()
        self._queued_bytes = 0
        self._filled = asyncio.Event()
        self._drained = asyncio.Event()
        self._drained.set()
        self._gate = asyncio.Event()
        self._gate.set()
        self._logged_in = False
        self._booted = asyncio.Event()
        self._up = asyncio.Event()
        self._down = asyncio.Event()
        self._down.set()

    # -- state -----------------------------------------------------------------------------------------------

    @property
    def is_up(self) -> bool:
        """Logged in and, for a session with events, Asterisk has said FullyBooted."""
        return self._up.is_set()

    async def wait_up(self) -> int:
        """Wait until the session is up; gives its generation."""
        await self._up.wait()
        return self.generation

    async def wait_down(self) -> None:
        """Wait until the session is not up."""
        await self._down.wait()

    async def wait_drained(self) -> None:
        """Wait until every event that came in has been delivered."""
        await self._drained.wait()

    def hold_events(self) -> None:
        """Queue events but deliver none until `release_events`."""
        self._gate.clear()

    def release_events(self) -> None:
        """Deliver what waits, and what comes."""
        self._gate.set()

    # -- actions ---------------------------------------------------------------------------------------------

    def next_action_id(self) -> str:
        """An ActionID no other session or earlier run has: Asterisk shows it to all of them."""
        self._action_counter += 1
        return f"{self._prefix}-{self._action_counter}"

    def send_action(
        self,
        action: Action,
        callback: Callable[[Reply], None] | None = None,
        *,
        deadline: float | None = None,
    ) -> asyncio.Future[Reply]:
        """Send once; the future gives the reply, with its events where it is a list.

        It fails with ActionUnknown at the deadline (seconds) or when the connection is lost. Raises
        SwitchUnavailable, DuplicateAction or Unsendable before anything is sent.
        """
        transport = self._transport
        if transport is None or transport.is_closing() or not self._logged_in:
            raise SwitchUnavailable(f"Not connected to Asterisk as {self.user}; {action.name} was not sent.")
        if action.name.lower() == "originate" and not self._may_originate():
            raise SwitchUnavailable("Asterisk has not finished starting; nothing was dialed.")
        return self._send(action, callback, deadline)

    async def act(self, action: Action, *, deadline: float | None = None) -> Reply:
        """Send once and wait for the reply. Raises SwitchError; ActionRefused with Asterisk's words."""
        reply = await self.send_action(action, deadline=deadline)
        if reply.is_error():
            raise refusal(action.name, reply.message, self.user)
        return reply

    def send(self, pack: Action) -> None:
        """Write one action's bytes. Raises Unsendable or SwitchUnavailable."""
        data = build(pack)
        transport = self._transport
        if transport is None or transport.is_closing():
            raise SwitchUnavailable(f"Not connected to Asterisk; {pack.name} was not sent.")
        if transport.get_write_buffer_size() > LONGEST_BACKLOG:
            raise SwitchUnavailable(f"Asterisk does not read what it is sent; {pack.name} was not sent.")
        transport.write(data)

    def _may_originate(self) -> bool:
        return self.is_up

    def _send(
        self, action: Action, callback: Callable[[Reply], None] | None, deadline: float | None
    ) -> asyncio.Future[Reply]:
        loop = asyncio.get_running_loop()
        action_id = str(action.keys.setdefault("ActionID", self.next_action_id()))
        if action_id in self._pending:
            raise DuplicateAction(f"An action {action_id} is still waiting for its answer; nothing was sent.")
        if self._listeners:
            self._tell_listeners("on_action", action=action)
        self.send(action)
        pending = _Pending(action.name, loop.create_future())
        self._pending[action_id] = pending
        seconds = self.timing.action if deadline is None else deadline
        pending.timer = loop.call_later(seconds, self._expire, action_id, seconds)
        # Whatever ends it - reply, deadline, loss, a cancelled waiter - the entry goes with it.
        pending.future.add_done_callback(lambda _: self._forget(action_id, pending))
        if callback is not None:
            told = callback
            pending.future.add_done_callback(
                lambda done: None if done.cancelled() or done.exception() else told(done.result())
            )
        return pending.future

    def _forget(self, action_id: str, pending: _Pending) -> None:
        if pending.timer is not None:
            pending.timer.cancel()
        if self._pending.get(action_id) is pending:
            del self._pending[action_id]
            if pending.head is not None:
                self._lists -= 1

    def _expire(self, action_id: str, seconds: float) -> None:
        pending = self._pending.get(action_id)
        if pending is not None and not pending.future.done():
            self.gauges.unanswered += 1
            self._fail(
                pending,
                ActionUnknown(
                    f"{pending.name} was not answered within {seconds:g} s; whether it happened is not known. "
                    "It was not repeated."
                ),
            )

    def _fail(self, pending: _Pending, error: SwitchError) -> None:
        if not pending.future.done():
            pending.future.set_exception(error)
            # A waiter that went away must not leave "exception was never retrieved" behind.
            pending.future.exception()

    # -- reader: only reads ----------------------------------------------------------------------------------

    def take_transport(self, wire: _Wire, transport: asyncio.Transport) -> None:
        """A connection is made (called by the wire)."""
        self.wire = wire
        self._transport = transport

    def take_bytes(self, data: bytes) -> None:
        """Bytes came in (called by the wire): answers wake their waiters, events go into the queue."""
        gauges = self.gauges
        gauges.bytes += len(data)
        try:
            frames = self._frames.feed(data)
        except SwitchError as error:
            self.lose(error)
            return
        if self._banner is not None and not self._banner.done() and self._frames.banner is not None:
            self._banner.set_result(self._frames.banner)
        if self._frames.oversized:
            self._drop_oversized()
        gauges.messages += len(frames)
        queue, wanted, limit = self._queue, self._wanted, self._queue_limit
        booted = self._booted.is_set()
        ignored = added = 0
        for frame in frames:
            if not frame.startswith(b"Event: "):
                self._take_other(frame)
                continue
            if self._lists and self._collect(frame):
                continue
            if not booted and frame.startswith(b"Event: FullyBooted\r\n"):
                self._booted.set()
            if wanted is not None and frame[7 : frame.find(b"\r\n", 7)] not in wanted:
                ignored += 1
                continue
            if len(queue) >= limit or self._queued_bytes > self._byte_limit:
                self._overflow(frames, frame)
                break
            queue.append(frame)
            self._queued_bytes += len(frame)
            added += 1
        gauges.ignored += ignored
        if added:
            depth = len(queue)
            gauges.queued = depth
            if depth > gauges.deepest:
                gauges.deepest = depth
            if not self._filled.is_set():
                self._filled.set()
                self._drained.clear()

    def _take_other(self, frame: bytes) -> None:
        key, _ = kind_of(frame)
        if key == b"response":
            self.fire_recv_reponse(Reply(parse(frame)))
        elif frame.startswith(b"\r\n"):
            self._take_other(frame.lstrip(b"\r\n"))
        elif frame:
            self.gauges.unknown += 1
            log.info("a message of no known kind was skipped", extra={"action": "ami-unknown"})
            if self._listeners:
                self._tell_listeners("on_unknown", pack=text_of(frame))

    def fire_recv_reponse(self, response: Reply) -> None:  # the parent's spelling
        """A reply came in: matched by ActionID only; one that matches nothing is counted and logged."""
        if self._listeners:
            self._tell_listeners("on_response", response=response)
        action_id = response.keys.get("ActionID")
        pending = None if action_id is None else self._pending.get(action_id)
        if pending is None or pending.head is not None or pending.future.done():
            if response.status.lower() != "goodbye":
                self.gauges.orphans += 1
                log.warning("an answer to no pending action was dropped", extra={"action": "ami-orphan"})
            return
        if response.keys.get("EventList", "").lower() == "start":
            pending.head = response.keys
            self._lists += 1
            return
        pending.future.set_result(response)

    def _collect(self, frame: bytes) -> bool:
        """Add an event to the list it belongs to; False where it belongs to none."""
        raw_id = header_of(frame, b"ActionID")
        if raw_id is None:
            return False
        action_id = text_of(raw_id)
        pending = self._pending.get(action_id)
        if pending is None or pending.head is None:
            return False
        end = header_of(frame, b"EventList")
        pending.events.append(AmiEvent(frame))
        if end is None:
            if len(pending.events) > LONGEST_LIST:
                self._fail(pending, ActionUnknown(f"{pending.name} gave more than {LONGEST_LIST} entries."))
            return True
        if pending.future.done():
            return True
        if end.lower() == b"complete":
            pending.events.pop()
            pending.future.set_result(Reply(pending.head, pending.events))
        else:
            self._fail(pending, ActionRefused(f"Asterisk broke off the list of {pending.name}."))
        return True

    def _drop_oversized(self) -> None:
        for head in self._frames.oversized:
            self.gauges.oversized += 1
            raw_id = header_of(head, b"ActionID")
            pending = None if raw_id is None else self._pending.get(text_of(raw_id))
            log.warning("a message over %d bytes was skipped", MAX_FRAME, extra={"action": "ami-oversized"})
            if pending is not None:
                self._fail(
                    pending,
                    ActionUnknown(
                        f"The answer to {pending.name} was longer than {MAX_FRAME} bytes and was skipped."
                    ),
                )
        self._frames.oversized.clear()

    def _overflow(self, frames: Sequence[bytes], first: bytes) -> None:
        lost = len(frames) - next(i for i, frame in enumerate(frames) if frame is first)
        self.gauges.overflows += 1
        self.gauges.lost += lost
        text = (
            f"{len(self._queue)} events wait and cannot be worked off; the manager session is dropped on purpose "
            f"and resynchronised. At least {lost} events were lost."
        )
        self._alarm(Alarm(kind="overflow", text=text))
        self.lose(SwitchUnavailable(text))

    # -- consumer --------------------------------------------------------------------------------------------

    async def _consume(self) -> None:
        """Deliver queued events in batches. The one place where handlers' exceptions end: they are logged and
        counted, because the stream must go on."""
        queue, size = self._queue, self.timing.batch
        while True:
            await self._filled.wait()
            await self._gate.wait()
            count = min(size, len(queue))
            batch = [queue.popleft() for _ in range(count)]
            self._queued_bytes -= sum(map(len, batch))
            if not queue:
                self._filled.clear()
            self.gauges.queued = len(queue)
            if not batch:
                continue
            self._measure_lag(batch[0])
            await self._deliver([AmiEvent(raw) for raw in batch])
            self.gauges.delivered += count
            if not queue:
                self._drained.set()
            await asyncio.sleep(0)

    async def _deliver(self, events: Sequence[AmiEvent]) -> None:
        if self._listeners or self._event_listeners:
            for event in events:
                self.fire_recv_event(event)
        if self._sink is None:
            return
        try:
            await self._sink(events)
        except Exception:  # loop boundary: a handler's mistake must not end the stream
            self.gauges.failures += 1
            log.exception("events could not be worked off", extra={"action": "ami-handler"})

    def fire_recv_event(self, event: AmiEvent) -> None:
        """Give one event to asterisk-ami's listeners; what they raise is logged and counted."""
        if self._listeners:
            self._tell_listeners("on_event", event=event)
        for listener in tuple(self._event_listeners):
            try:
                listener(event=event, source=self)
            except Exception:  # loop boundary, as above
                self.gauges.failures += 1
                log.exception("an event listener failed", extra={"action": "ami-listener"})

    def _tell_listeners(self, method: str, **what: object) -> None:
        for listener in tuple(self._listeners):
            try:
                getattr(listener, method)(source=self, **what)
            except Exception:  # loop boundary, as above
                self.gauges.failures += 1
                log.exception("a listener failed", extra={"action": "ami-listener"})

    def _measure_lag(self, frame: bytes) -> None:
        stamp = header_of(frame, b"Timestamp")
        told = None if stamp is None else moment(text_of(stamp))
        if told is not None:
            lag = max(0.0, (self._clock.now() - told).total_seconds())
            self.gauges.lag = lag
            self.gauges.worst_lag = max(self.gauges.worst_lag, lag)

    # -- connection ------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Connect, log in, serve, and reconnect with back-off and jitter until cancelled."""
        consumer = asyncio.create_task(self._consume(), name=f"ami-{self.user}-consumer")
        wait = self.timing.first_retry
        try:
            while True:
                served = self.generation
                try:
                    await self._serve()
                except CannotLogin as error:
                    self._set_trouble(error)
                    wait = self.timing.slow_retry
                except (SwitchError, OSError, TimeoutError) as error:
                    self._set_trouble(switch_error(error, self._address, self._port))
                    if self.generation != served:
                        wait = self.timing.first_retry
                finally:
                    self._close()
                await asyncio.sleep(wait * random.uniform(0.5, 1.0))
                wait = min(max(wait, self.timing.first_retry) * 2, self.timing.longest_retry)
        finally:
            self._close()
            consumer.cancel()
            with suppress(asyncio.CancelledError):
                await consumer

    async def _serve(self) -> None:
        """One connection, from the socket to its loss. Always ends by raising."""
        check_secret(self._secret, self.user, self.setting)
        await self._make_room()
        loop = asyncio.get_running_loop()
        self._frames = Frames()
        self._booted.clear()
        self._lost = loop.create_future()
        self._banner = loop.create_future()
        async with asyncio.timeout(self.timing.connect):
            transport, _ = await loop.create_connection(
                lambda: _Wire(self), self._address, self._port, ssl=self._tls
            )
            _keep_alive(transport)
            await self._first_of(self._banner)
        version = ami_version(self._banner.result())
        self._ami_version = ".".join(map(str, version))
        if version[0] < OLDEST_AMI:
            raise CannotLogin(
                f"The Asterisk at {self._address}:{self._port} is too old (manager protocol "
                f"{self._ami_version}): Asterisk {OLDEST_ASTERISK} or later is needed. Nothing is dialed until "
                "it is replaced, or telephony.switch.ami_host names another."
            )
        await self._login()
        self.generation += 1
        self.gauges.connects += 1
        self._logged_in = True
        if self._listeners:
            self._tell_listeners("on_connect")
        pinger = asyncio.create_task(self._keep_pinging(), name=f"ami-{self.user}-ping")
        booting = asyncio.create_task(self._come_up(), name=f"ami-{self.user}-boot")
        try:
            raise await asyncio.shield(self._lost)
        finally:
            self.wire = None  # what still comes is nobody's
            pinger.cancel()
            booting.cancel()
            await asyncio.gather(pinger, booting, return_exceptions=True)

    async def _make_room(self) -> None:
        """Events of the last session are worked off before the next begins, so that their order stays."""
        if not self._gate.is_set():
            # Nobody may work them off now; what they say will be told by the resynchronisation.
            if len(self._queue) > self._queue_limit // 2:
                self.gauges.lost += len(self._queue)
                self._queue.clear()
                self._queued_bytes = 0
            return
        if not self._drained.is_set():
            self._set_trouble(SwitchUnavailable("Events of the last manager session are still worked off."))
            await self._drained.wait()

    async def _come_up(self) -> None:
        if self._with_events:
            try:
                async with asyncio.timeout(self.timing.booted):
                    await self._booted.wait()
            except TimeoutError:
                self._set_trouble(
                    CannotLogin(
                        f"Asterisk takes the log-in but never says FullyBooted. Either it is still starting, or "
                        f"the line `read =` of [{self.user}] in manager.conf lacks `system`; it must be "
                        "`read = call,cdr,user,agent,system`."
                    )
                )
                await self._booted.wait()
        self.trouble = None
        self._down.clear()
        self._up.set()

    async def _login(self) -> None:
        action = LoginAction(self.user, self._secret)
        action.keys["Events"] = "on" if self._with_events else "off"
        future = self._send(action, None, self.timing.connect)
        try:
            reply = await self._first_of(future)
        except ActionUnknown as error:
            raise SwitchUnavailable("Asterisk did not answer the log-in.") from error
        if reply.is_error():
            raise CannotLogin(
                f"Asterisk refused the manager user {self.user} ({reply.message}). Make {self.setting} equal to "
                f"the line `secret =` of [{self.user}] in manager.conf, or correct telephony.switch."
                f"{'ami_events_user' if self._with_events else 'ami_actions_user'}."
            )

    async def _first_of(self, wanted: asyncio.Future[T]) -> T:
        assert self._lost is not None
        either: list[asyncio.Future[T] | asyncio.Future[BaseException]] = [wanted, self._lost]
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if wanted.done():
            return wanted.result()
        raise self._lost.result()

    async def _keep_pinging(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(self.timing.ping)
            began = loop.time()
            try:
                await self._send(SimpleAction("Ping"), None, self.timing.ping_deadline)
            except SwitchError as error:
                self.lose(error)
                return
            self.gauges.ping = loop.time() - began

    def lose(self, error: BaseException) -> None:
        """Give up this connection; `run` makes the next one."""
        if not isinstance(error, (SwitchError, OSError)):
            log.error("the manager reader failed", exc_info=error, extra={"action": "ami-reader"})
            error = SwitchUnavailable("The manager connection was given up after a mistake of ours.")
        if self._lost is not None and not self._lost.done():
            self._lost.set_result(error)
        if self._transport is not None:
            self._transport.abort()

    def disconnect(self) -> None:
        """Drop the connection on purpose; `run` makes the next one."""
        self.lose(SwitchUnavailable("The manager connection was dropped on purpose."))

    def _close(self) -> None:
        """Nothing of the connection is left: waiters learn that their fate is unknown."""
        was_in, self._logged_in = self._logged_in, False
        self._up.clear()
        self._down.set()
        self.wire = None
        if self._transport is not None:
            self._transport.abort()
            self._transport = None
        pending, self._pending = list(self._pending.values()), {}
        self._lists = 0
        for entry in pending:
            if entry.future.done():
                continue
            self.gauges.unanswered += 1
            self._fail(
                entry,
                ActionUnknown(
                    f"The connection was lost before {entry.name} was answered; whether it happened is not "
                    "known. It was not repeated."
                ),
            )
        if was_in:
            self.gauges.disconnects += 1
            if self._listeners:
                self._tell_listeners("on_disconnect", error=self.trouble)

    def _set_trouble(self, error: SwitchError) -> None:
        if str(error) != str(self.trouble):
            log.warning("%s", error, extra={"action": "ami-trouble"})
            self._alarm(Alarm(kind="trouble", text=str(error)))
        self.trouble = error

    # -- what asterisk-ami does with threads is not used -----------------------------------------------------

    def connect(self) -> None:
        """Not used: `run` connects."""
        raise NotImplementedError("AmiSession.run() connects")

    def login(self, username: str, secret: str, callback: object = None) -> None:
        """Not used: `run` logs in."""
        raise NotImplementedError("AmiSession.run() logs in")

    def logoff(self, callback: object = None) -> None:
        """Not used: cancelling `run` ends the session."""
        raise NotImplementedError("cancel AmiSession.run()")


def check_secret(secret: str, user: str, setting: str) -> None:
    """Raise CannotLogin for a secret that is empty, well known, or shorter than 12 characters."""
    if not secret:
        raise CannotLogin(f"{setting} is empty: no log-in is tried. Set it, and the same in manager.conf.")
    if secret.lower() in KNOWN_SECRETS or secret.lower() == user.lower():
        raise CannotLogin(
            f"{setting} is a secret everybody knows: no log-in is tried. Change it in both places."
        )
    if len(secret) < SHORTEST_SECRET:
        raise CannotLogin(f"{setting} is shorter than {SHORTEST_SECRET} characters: no log-in is tried.")


def refusal(action: str, message: str, user: str) -> ActionRefused:
    """The error for an action Asterisk answered with Error."""
    if message.lower().startswith("permission denied"):
        right = NEEDED_ACTIONS.get(action, "the right for it")
        return MissingRights(
            f"The manager user {user} may not {action}. Add {right} to the line `write =` of [{user}] in "
            "manager.conf."
        )
    return ActionRefused(f"Asterisk refused {action}: {message or 'no reason given'}")


def switch_error(error: BaseException, address: str, port: int) -> SwitchError:
    if isinstance(error, SwitchError):
        return error
    if isinstance(error, TimeoutError):
        return SwitchUnavailable(f"Asterisk at {address}:{port} does not answer in time; trying again.")
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return SwitchUnavailable(
        f"No manager connection to Asterisk at {address}:{port}: {reason}; trying again."
    )


def _keep_alive(transport: asyncio.Transport) -> None:
    """TCP keepalive, so that a dead peer is noticed below the ping too; small packets leave at once."""
    sock: socket.socket | None = transport.get_extra_info("socket")
    if sock is None or sock.family not in (socket.AF_INET, socket.AF_INET6):
        return
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (("TCP_KEEPIDLE", 10), ("TCP_KEEPINTVL", 5), ("TCP_KEEPCNT", 2)):
        if hasattr(socket, name):
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
