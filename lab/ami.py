"""A small AMI client for the lab's own switch: one connection, actions by id, events to one listener."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import Callable, Mapping, Sequence

Message = dict[str, str]


class AmiRefused(Exception):
    """The lab's switch answered an action with an error; nothing was done. The text is the switch's own."""

    error_id = "lab-ami-refused"


class AmiGone(Exception):
    """The connection to the lab's switch is closed; actions under way may or may not have been done."""

    error_id = "lab-ami-gone"


class Ami:
    """One AMI connection.

    `events` is called on the reader's task with every event as a dictionary; repeated headers keep the last, but the
    lines of `Output` are joined.
    """

    def __init__(self, events: Callable[[Message], None]) -> None:
        self._events = events
        self._ids = itertools.count(1)
        self._waiting: dict[str, asyncio.Future[Message]] = {}
        self._task: asyncio.Task[None] | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def connect(self, host: str, port: int, user: str, secret: str) -> None:
        """Connect and log in; raises `OSError` while nobody listens and `AmiRefused` for a bad login."""
        reader, self._writer = await asyncio.open_connection(host, port, limit=1 << 20)
        await reader.readline()
        self._task = asyncio.create_task(self._read(reader), name="lab-ami")
        await self.do("Login", {"Username": user, "Secret": secret})

    async def do(
        self,
        action: str,
        headers: Mapping[str, str] | None = None,
        *,
        variables: Sequence[tuple[str, str]] = (),
        id: str = "",
        deadline: float = 30.0,
    ) -> Message:
        """Send one action and return its answer.

        `variables` become `Variable:` headers, `id` the ActionID (empty: a fresh number). Raises
        `AmiRefused`, `AmiGone` or `TimeoutError` after `deadline` seconds. Values must not hold a line break.
        """
        if self._writer is None or self._task is None or self._task.done():
            raise AmiGone(f"action {action} was not sent: no connection")
        id = id or str(next(self._ids))
        lines = [f"Action: {action}", f"ActionID: {id}"]
        lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
        lines += [f"Variable: {name}={value}" for name, value in variables]
        if any("\r" in line or "\n" in line for line in lines):
            raise ValueError(f"a line break in action {action}")
        answer: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        self._waiting[id] = answer
        self._writer.write(("\r\n".join(lines) + "\r\n\r\n").encode())
        try:
            message = await asyncio.wait_for(answer, deadline)
        finally:
            self._waiting.pop(id, None)
        if message.get("Response") == "Error":
            raise AmiRefused(f"{action}: {message.get('Message', '')}")
        return message

    async def command(self, line: str) -> str:
        """What the switch's own command line answers to `line`; raises as `do()` does."""
        return (await self.do("Command", {"Command": line}))["Output"]

    async def close(self) -> None:
        """Drop the connection."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        if self._writer is not None:
            self._writer.close()
            with contextlib.suppress(OSError):
                await self._writer.wait_closed()

    async def _read(self, reader: asyncio.StreamReader) -> None:
        message: Message = {}
        try:
            while line := await reader.readline():
                text = line.decode("utf-8", "replace").rstrip("\r\n")
                if text:
                    name, _, value = text.partition(":")
                    value = value.lstrip()
                    message[name] = (
                        f"{message[name]}\n{value}" if name == "Output" and message.get(name) else value
                    )
                    continue
                if message:
                    self._take(message)
                message = {}
        except (OSError, ValueError):
            pass
        finally:
            for answer in self._waiting.values():
                if not answer.done():
                    answer.set_exception(AmiGone("the lab's switch closed the connection"))

    def _take(self, message: Message) -> None:
        if "Response" in message:
            answer = self._waiting.get(message.get("ActionID", ""))
            if answer is not None and not answer.done():
                answer.set_result(message)
        elif "Event" in message:
            self._events(message)
