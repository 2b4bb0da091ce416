"""FastAGI on the lab's side: a channel of the lab's switch as an object that speaks, presses and hangs up."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from lab.counts import Key
from lab.sounds import SPEECH_SECONDS

LOG = logging.getLogger(__name__)

_RESULT: Final = re.compile(r"200 result=(-?\d+)")

TONE_MS: Final = 100  # a pressed key sounds this long; phones do 70 ms or more
GAP_MS: Final = 60  # silence after a key


class HungUp(Exception):
    """The call is over; what was still to be played or pressed is left out."""

    error_id = "lab-hung-up"


class Line:
    """One channel under the lab's control, from the moment the dialplan hands it over until it hangs up."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        facts: Mapping[str, str],
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.facts = facts
        self.keys: list[Key] = []
        self.silence = False
        self.ended_here = False
        self.refused_with = 0
        self._clock = clock
        self._writer = writer
        self._gone = asyncio.Event()
        self._answer: asyncio.Future[int] | None = None
        self._turn = asyncio.Lock()
        self._task = asyncio.create_task(self._read(reader), name="lab-line")

    @property
    def id(self) -> str:
        """The channel's unique id."""
        return self.facts.get("agi_uniqueid", "")

    @property
    def gone(self) -> bool:
        """True once the channel has hung up."""
        return self._gone.is_set()

    async def wait(self, seconds: float) -> None:
        """Listen and say nothing; raises `HungUp` when the other side hangs up meanwhile.

        With `silence` set, silent packets are sent as a real telephone does: the dealership's switch waits
        for the first packet after its answer and may cut calls that send none.
        """
        if self.silence:
            await self.command(f"EXEC Wait {seconds:.3f}")
        elif await self.ends(seconds):
            raise HungUp

    async def idle(self) -> None:
        """Stay on the line until the call ends, open to commands given meanwhile by somebody else."""
        while not self.gone:
            if self.silence:
                await self.command("EXEC Wait 0.2", may_end=True)
                await asyncio.sleep(0.01)
            else:
                await self.ends(None)

    async def ends(self, seconds: float | None) -> bool:
        """True when the call ends within `seconds` (None: wait as long as it takes)."""
        try:
            await asyncio.wait_for(self._gone.wait(), seconds)
        except TimeoutError:
            return False
        return True

    async def answer(self) -> None:
        """Pick up."""
        await self.command("ANSWER")

    async def ring(self) -> None:
        """Tell the caller that the phone rings (180)."""
        await self.command("EXEC Ringing")

    async def speak(self, sound: str, *, answered: bool = True) -> None:
        """Play a sound file (path without extension); `answered=False` plays as early media."""
        option = "" if answered else ",noanswer"
        await self.command(f'EXEC Playback "{sound}{option}"')

    async def talk(self, sound: str, seconds: float) -> None:
        """Say this sound over and over for so many seconds; the last round is cut short."""
        stop = asyncio.get_running_loop().time() + seconds
        while (left := stop - asyncio.get_running_loop().time()) > 0:
            if left < SPEECH_SECONDS:
                await self.wait(left)
                return
            await self.speak(sound)

    async def press(self, keys: str) -> None:
        """Press keys one after the other, in the way the channel's endpoint sends them (RFC 4733 or INFO)."""
        for key in keys:
            self.keys.append(Key(at=self._clock(), key=key))
            await self.command(f'EXEC SendDTMF "{key},{GAP_MS},{TONE_MS}"')

    async def refuse(self, code: int) -> None:
        """End an unanswered call with this SIP response code (400 to 699)."""
        if not self.gone:
            self.refused_with = code
        await self.command(f"EXEC PJSIPHangup {code}", may_end=True)

    async def hang_up(self) -> None:
        """Hang up; no error when the call is over already."""
        self.ended_here = self.ended_here or not self.gone
        await self.command("HANGUP", may_end=True)

    async def command(self, text: str, *, may_end: bool = False) -> int:
        """Run one AGI command and return its result; raises `HungUp` when the call ended instead."""
        async with self._turn:
            if self.gone:
                if may_end:
                    return -1
                raise HungUp
            self._answer = asyncio.get_running_loop().create_future()
            self._writer.write(f"{text}\n".encode())
            result = await self._answer
        if result == -1 and not may_end:
            raise HungUp
        return result

    async def close(self) -> None:
        """Give the channel back to the dialplan, which hangs it up."""
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task
        self._end()
        self._writer.close()
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()

    async def _read(self, reader: asyncio.StreamReader) -> None:
        with contextlib.suppress(OSError):
            while line := await reader.readline():
                text = line.decode("utf-8", "replace").strip()
                if text == "HANGUP":
                    break
                if self._answer is not None and not self._answer.done():
                    found = _RESULT.match(text)
                    self._answer.set_result(int(found[1]) if found else -1)
        self._end()

    def _end(self) -> None:
        self._gone.set()
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(-1)


class LineServer:
    """Listens on loopback and gives every channel the dialplan sends to one of the `takers`.

    `takers` maps the script name of the address (`agi://host:port/NAME`) to a coroutine; when it returns, the
    channel is hung up.
    """

    def __init__(self, takers: Mapping[str, Callable[[Line], Awaitable[None]]]) -> None:
        self._takers = takers
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self.port = 0

    async def start(self, host: str = "127.0.0.1") -> None:
        """Listen on a free port, known afterwards as `port`."""
        self._server = await asyncio.start_server(self._accept, host, 0, backlog=1024)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Close the port and every line."""
        if self._server is not None:
            self._server.close()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._server is not None:
            await self._server.wait_closed()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        facts: dict[str, str] = {}
        try:
            while text := (await reader.readline()).decode("utf-8", "replace").strip():
                name, _, value = text.partition(":")
                facts[name] = value.strip()
        except OSError:
            writer.close()
            return
        line = Line(reader, writer, facts)
        taker = self._takers.get(facts.get("agi_network_script", ""))
        try:
            if taker is None:
                LOG.error("no taker for %s", facts.get("agi_network_script"))
            else:
                await taker(line)
        except (HungUp, asyncio.CancelledError):
            pass
        finally:
            await line.close()
