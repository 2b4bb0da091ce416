"""FastAGI server: one lean asyncio.Protocol a connection, no streams, no task until the opening is proved.

Asterisk has no read timeout on AGI, so every wait here has one; and AGI has no authentication, so a peer
is believed only if its address is allowed, the dialplan's digest is right and fresh, it was not used before,
and (where a port for it is given) the channel it names is alive. A refused peer gets nothing but a closed
socket: for a real caller that means the fallback queue at once.
"""

from __future__ import annotations

import asyncio
import ipaddress
import math
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, Protocol, cast

import structlog

from ivr.asterisk import protocol
from ivr.asterisk.protocol import AgiError, OpeningRefused, Result, ResultRefused
from ivr.ports import Arrival, Heard, Line, LineGone
from ivr.prompts import Sound
from telephony.asterisk import names
from telephony.clock import Clock

log = structlog.get_logger(__name__)

#: A peer that has not said who it is by then is closed.
OPENING_SECONDS: Final = 5.0
#: A command that plays nothing is done within this.
COMMAND_SECONDS: Final = 5.0
#: Longest wait for each key after the first (the switch's own timer is the first key's).
_NEXT_KEY_SECONDS: Final = 3.0
#: How long a hang-up may follow a failed command.
_HANGUP_SECONDS: Final = 0.25
#: The dead man's switch is set to so much more than was promised, and need not be set anew while that lasts.
_MORE_SECONDS: Final = 0.5
#: An answer that never comes although the dead man's switch should have ended the call.
_GRACE_SECONDS: Final = 5.0
#: What is played where only keys are waited for.
_SILENCE: Final = Sound("", 0.0)


def _playing(sounds: Sequence[Sound]) -> float:
    return sum(sound.seconds for sound in sounds)


class LiveChannels(Protocol):
    """Which channels the switch has; asked before anything is written."""

    async def is_live(self, uniqueid: str) -> bool: ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Door:
    """Who may come in, and how much at once."""

    secret: str
    #: Addresses or networks, such as 127.0.0.1 or 10.0.0.0/8.
    peers: tuple[str, ...] = ("127.0.0.1", "::1")
    most_calls: int = 500
    #: Seconds of silence of the service tolerated beyond a step's own time.
    margin: float = 3.0


@dataclass(kw_only=True, slots=True)
class DoorCounts:
    """What came to the door since it opened."""

    connections: int = 0
    refused_peer: int = 0
    refused_full: int = 0
    refused_opening: int = 0
    refused_digest: int = 0
    refused_dead: int = 0
    broken: int = 0


class AgiServer:
    """Owner of the listening socket, the connections and the tasks that serve them."""

    def __init__(
        self,
        serve: Callable[[Line], Awaitable[None]],
        door: Door,
        clock: Clock,
        live: LiveChannels | None = None,
    ) -> None:
        self.door = door
        self.clock = clock
        self.live = live
        self.counts = DoorCounts()
        self.connections: set[_Connection] = set()
        self.closing = False
        self._serve = serve
        self._networks = [ipaddress.ip_network(peer, strict=False) for peer in door.peers]
        self._known_peers: dict[str, bool] = {}
        self._used: OrderedDict[tuple[str, str, int, str], datetime] = OrderedDict()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def start(self, host: str, port: int) -> int:
        """Listen; gives the port. Raises OSError where the address cannot be had."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Connection(self, loop), host, port, backlog=512)
        return int(self._server.sockets[0].getsockname()[1])

    async def close(self, drain_seconds: float) -> None:
        """Stop intake, let callers finish their menus until the deadline, then hand them to the fallback."""
        self.closing = True
        if self._server is not None:
            self._server.close()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=drain_seconds)
        for connection in list(self.connections):
            connection.close()
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        if self._server is not None:
            await self._server.wait_closed()

    @property
    def calls(self) -> int:
        """Calls being served now."""
        return len(self._tasks)

    def admits(self, host: str) -> bool:
        """Whether a peer's address is on the list."""
        known = self._known_peers.get(host)
        if known is None:
            try:
                address = ipaddress.ip_address(host)
            except ValueError:
                return False
            mapped = getattr(address, "ipv4_mapped", None)
            known = any((mapped or address) in network for network in self._networks)
            if len(self._known_peers) < 1024:
                self._known_peers[host] = known
        return known

    def prove(self, opening: protocol.Opening) -> None:
        """Raise OpeningRefused unless the dialplan signed this opening, now and for the first time."""
        now = self.clock.now()
        protocol.check_digest(opening, self.door.secret, now)
        if opening.script not in (names.AGI_IVR, names.AGI_EXIT, names.AGI_RATING, names.AGI_ATTEMPT):
            raise OpeningRefused(f"there is no script {opening.script!r}")
        sign = (opening.script, opening.uniqueid, opening.epoch, opening.key)
        if sign in self._used:
            raise OpeningRefused("the digest was used before")
        # The oldest first; each is looked at once, so a busy hour pays no more for each call.
        while self._used and next(iter(self._used.values())) <= now:
            self._used.popitem(last=False)
        self._used[sign] = protocol.expires_at(opening)

    def take(self, connection: _Connection, opening: protocol.Opening) -> None:
        """Serve a proved call in a task of its own."""
        task = asyncio.create_task(self._run(connection, opening), name=f"ivr-{opening.uniqueid}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run(self, connection: _Connection, opening: protocol.Opening) -> None:
        try:
            if self.live is not None and not await self.live.is_live(opening.uniqueid):
                self.counts.refused_dead += 1
                log.warning("the call is not alive", action="agi_refused", uniqueid=opening.uniqueid)
                return
            await self._serve(AgiLine(connection, opening, self.door.margin))
        except (AgiError, LineGone) as error:
            self.counts.broken += 1
            log.warning("line broke", action="agi_broken", uniqueid=opening.uniqueid, error=str(error))
        except Exception:
            # The boundary of one call: whatever is wrong with it, the others go on and its caller falls back.
            self.counts.broken += 1
            log.exception("call failed", action="agi_failed", uniqueid=opening.uniqueid)
        finally:
            connection.close()


class _Connection(asyncio.Protocol):
    """Bytes of one connection: first the opening, then one result for each command."""

    __slots__ = (
        "_buffer",
        "_deadline",
        "_loop",
        "_opened",
        "_owner",
        "_until",
        "_usage",
        "_waiter",
        "gone",
        "transport",
    )

    def __init__(self, owner: AgiServer, loop: asyncio.AbstractEventLoop) -> None:
        self._owner = owner
        self._loop = loop
        self._buffer = b""
        self._opened = False
        self._usage = False
        #: One timer a connection, which looks whether `_until` (0: nothing is waited for) has passed.
        self._deadline: asyncio.TimerHandle | None = None
        self._until = 0.0
        self._waiter: asyncio.Future[Result] | None = None
        self.transport: asyncio.Transport | None = None
        self.gone = False

    # --- called by the loop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        owner = self._owner
        owner.counts.connections += 1
        # uvloop's transports have the methods of asyncio.Transport without being one.
        self.transport = cast("asyncio.Transport", transport)
        peer = transport.get_extra_info("peername")
        if not peer or not owner.admits(peer[0]):
            owner.counts.refused_peer += 1
            log.warning("peer refused", action="agi_refused", peer=str(peer and peer[0]))
            self.close()
            return
        if owner.closing or len(owner.connections) >= owner.door.most_calls:
            owner.counts.refused_full += 1
            log.warning("too many calls", action="agi_refused", calls=len(owner.connections))
            self.close()
            return
        owner.connections.add(self)
        self._wait(OPENING_SECONDS)

    def data_received(self, data: bytes) -> None:
        if self.gone:
            return
        self._buffer += data
        if self._opened:
            self._results()
            return
        end = self._buffer.find(b"\n\n")
        if end < 0:
            if len(self._buffer) > protocol.MOST_BYTES or self._buffer.count(b"\n") > protocol.MOST_LINES:
                self._refuse("the opening does not end")
            return
        block, self._buffer = self._buffer[:end], self._buffer[end + 2 :]
        self._open(block)

    def connection_lost(self, exc: Exception | None) -> None:
        self._forget()
        self._fail(LineGone("the switch closed the connection"))

    def eof_received(self) -> bool:
        return False

    # --- opening

    def _open(self, block: bytes) -> None:
        self._until = 0.0
        try:
            opening = protocol.parse_opening(block)
        except OpeningRefused as error:
            self._refuse(str(error))
            return
        try:
            self._owner.prove(opening)
        except OpeningRefused as error:
            self._owner.counts.refused_digest += 1
            log.warning(str(error), action="agi_refused", uniqueid=opening.uniqueid)
            self.close()
            return
        self._opened = True
        self._owner.take(self, opening)

    def _wait(self, seconds: float) -> None:
        """Something must come within this time. A timer that is set already and not too late is kept."""
        self._until = self._loop.time() + seconds
        if self._deadline is None or self._deadline.when() > self._until:
            if self._deadline is not None:
                self._deadline.cancel()
            self._deadline = self._loop.call_at(self._until, self._look)

    def _look(self) -> None:
        self._deadline = None
        if self._until == 0.0:
            return
        if self._loop.time() < self._until:
            self._deadline = self._loop.call_at(self._until, self._look)
        elif self._opened:
            self._silent()
        else:
            self._refuse(f"no opening within {OPENING_SECONDS:g} s")

    def _refuse(self, why: str) -> None:
        self._owner.counts.refused_opening += 1
        log.warning(why, action="agi_refused")
        self.close()

    # --- commands

    def send(self, command: bytes, seconds: float) -> asyncio.Future[Result]:
        """Send a command; the future is its result, LineGone, or ResultRefused for nonsense and silence."""
        waiter: asyncio.Future[Result] = self._loop.create_future()
        if self.gone or self.transport is None:
            waiter.set_exception(LineGone("the switch closed the connection"))
            return waiter
        self._waiter = waiter
        self._wait(seconds)
        self.transport.write(command)
        return waiter

    def say(self, command: bytes) -> None:
        """Send a command whose result nobody waits for. Raises LineGone."""
        if self.gone or self.transport is None:
            raise LineGone("the switch closed the connection")
        self.transport.write(command)

    def _results(self) -> None:
        while (end := self._buffer.find(b"\n")) >= 0:
            line, self._buffer = self._buffer[:end], self._buffer[end + 1 :]
            if self._usage:
                # A 520 explains a command over several lines; the last one begins with 520 and a space.
                self._usage = not line.startswith(b"520 ")
                continue
            try:
                result = protocol.parse_result(line)
            except (LineGone, ResultRefused) as error:
                self._fail(error)
                self.close()
                return
            self._usage = line.startswith(b"520-")
            if self._waiter is None:
                self._fail(ResultRefused("a result nobody asked for"))
                self.close()
                return
            self._settle(result)
        if len(self._buffer) > protocol.LONGEST_RESULT:
            self._fail(ResultRefused("a result without an end"))
            self.close()

    def _settle(self, result: Result) -> None:
        waiter, self._waiter = self._waiter, None
        self._until = 0.0
        if waiter is not None and not waiter.done():
            waiter.set_result(result)

    def _fail(self, error: Exception) -> None:
        waiter, self._waiter = self._waiter, None
        self._until = 0.0
        if waiter is not None and not waiter.done():
            waiter.set_exception(error)

    def _silent(self) -> None:
        self._fail(ResultRefused("the switch did not answer in time"))
        self.close()

    def _forget(self) -> None:
        self.gone = True
        self._owner.connections.discard(self)
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def close(self) -> None:
        """Close the socket. What was written before still goes out."""
        self._forget()
        if self.transport is not None:
            self.transport.close()


class AgiLine:
    """A caller's line over one FastAGI connection (`ivr.ports.Line`)."""

    __slots__ = ("_armed_until", "_connection", "_loop", "_margin", "arrival")

    def __init__(self, connection: _Connection, opening: protocol.Opening, margin: float) -> None:
        self._connection = connection
        self._loop = asyncio.get_running_loop()
        self._margin = margin
        self._armed_until = 0.0
        self.arrival = Arrival(
            script=opening.script,
            uniqueid=opening.uniqueid,
            linkedid=opening.linkedid,
            caller=opening.caller,
            subject=opening.subject,
            key=opening.key,
            epoch=opening.epoch,
        )

    async def answer(self) -> None:
        """Pick up."""
        await self._connection.send(protocol.ANSWER, COMMAND_SECONDS)

    async def recall(self, names: Sequence[str]) -> Sequence[str]:
        """Channel variables, in one round trip."""
        expression = "/".join(f"${{{name}}}" for name in names)
        result = await self._connection.send(protocol.get_expression(expression), COMMAND_SECONDS)
        values = result.rest.removeprefix("(").removesuffix(")").split("/")
        return values if len(values) == len(names) else [""] * len(names)

    async def ask(self, sounds: Sequence[Sound], seconds: float, most: int) -> Heard:
        """Play a list and take keys: one command a file.

        The switch does not see that we are gone while it runs an application for us; it does while it runs a
        command of its own. So no application plays here, and a caller never listens on after our death (R17).
        """
        left = _playing(sounds) + seconds + (most - 1) * _NEXT_KEY_SECONDS
        await self._arm(left)
        *first, last = sounds or (_SILENCE,)
        played = True
        for sound in first:
            heard = await self._take(sound.file, 1, most, self._patience(left))
            if heard.keys or heard.hash:
                return await self._rest(heard, most)
            played = played and heard.played
            left -= sound.seconds
            await self._keep_armed(left)
        heard = await self._take(last.file, int(seconds * 1000), most, self._patience(left))
        return heard if played or not heard.played else replace(heard, played=False)

    async def _rest(self, heard: Heard, most: int) -> Heard:
        """The keys after the first, which ended a sound that others were to follow: its command waited for none."""
        left = most - len(heard.keys)
        if heard.hash or left < 1:
            return heard
        seconds = left * _NEXT_KEY_SECONDS
        await self._keep_armed(seconds)
        more = await self._take(_SILENCE.file, int(_NEXT_KEY_SECONDS * 1000), left, self._patience(seconds))
        return replace(heard, keys=heard.keys + more.keys, hash=more.hash)

    async def _take(self, file: str, milliseconds: int, most: int, patience: float) -> Heard:
        """Play one file or none, and take keys."""
        result = await self._connection.send(protocol.get_data(file, milliseconds, most), patience)
        if result.code != 200 or result.value == "-1":
            # Either the caller is gone, which the switch says at once, or the sound is.
            await self._hung_up()
            return Heard(keys="", played=False)
        return Heard(keys=result.value, hash=not result.timed_out and len(result.value) < most)

    async def play(self, sounds: Sequence[Sound]) -> None:
        """Play a list to the end, whatever keys are pressed."""
        left = _playing(sounds)
        await self._arm(left)
        for place, sound in enumerate(sounds):
            if place:
                await self._keep_armed(left)
            await self._connection.send(protocol.stream_file(sound.file), self._patience(left))
            left -= sound.seconds

    async def release(self, variables: Sequence[tuple[str, str]]) -> None:
        """Set the variables, the route last, and close.

        The result is not waited for: the switch reads the command before it sees the end of the connection, and
        there is nothing left to do about a result.
        """
        self._connection.say(protocol.set_variables(variables))
        self._connection.close()

    def _patience(self, budget: float) -> float:
        """Seconds after which no answer comes any more: the dead man's switch has fired long before."""
        return budget + self._margin + _GRACE_SECONDS

    async def _arm(self, budget: float) -> None:
        """Tell the switch when to take the caller away from us, unless what it knows is right already.

        Never earlier than a step's own time and the margin, and never much later.
        """
        now = self._loop.time()
        least = now + budget + self._margin
        if not least <= self._armed_until <= least + _MORE_SECONDS:
            await self._arm_now(now, budget)

    async def _keep_armed(self, budget: float) -> None:
        """Between two sounds: on a busy machine each begins a little late, and the switch would add that up
        to the silence of a service that is gone.
        """
        now = self._loop.time()
        if self._armed_until < now + budget + self._margin:
            await self._arm_now(now, budget)

    async def _arm_now(self, now: float, budget: float) -> None:
        tenths = math.ceil((budget + self._margin + _MORE_SECONDS) * 10)
        self._armed_until = now + tenths / 10
        await self._connection.send(protocol.arm(tenths), COMMAND_SECONDS)

    async def _hung_up(self) -> None:
        """Raise LineGone if the connection goes now."""
        deadline = self._loop.time() + _HANGUP_SECONDS
        while self._loop.time() < deadline:
            if self._connection.gone:
                raise LineGone("the caller hung up")
            await asyncio.sleep(0.01)
