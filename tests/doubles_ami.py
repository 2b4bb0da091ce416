"""A manager port that speaks a real Asterisk's captured bytes and misbehaves as a test tells it."""

from __future__ import annotations

import asyncio
import gzip
import socket
import struct
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

CAPTURES = Path(__file__).parent / "captures" / "ami"

EVENTS_SECRET = "events-secret-of-tests"
ACTIONS_SECRET = "actions-secret-of-tests"

BANNER = b"Asterisk Call Manager/11.0.0\r\n"
BOOTED = b"Event: FullyBooted\r\nPrivilege: system,all\r\nUptime: 5\r\nLastReload: 5\r\nStatus: Fully Booted\r\n\r\n"

#: What scenes were captured, in the order they were played.
SCENES = (
    "local", "abandoned", "answered", "hold", "blind", "conference", "attended", "direct", "missed",
    "voicemail", "outbound", "deadtrunk",
)  # fmt: skip


def capture(name: str) -> bytes:
    """The bytes one session received in one scene."""
    return gzip.decompress((CAPTURES / f"{name}.txt.gz").read_bytes())


def captured_replies() -> dict[str, bytes]:
    """The last real answer to each action, its ActionID replaced by `{id}`; lists with all their events."""
    found: dict[str, bytes] = {}
    names = {
        "a-1": "ListCommands", "a-2": "CoreSettings", "a-3": "CoreStatus", "a-4": "QueueStatus",
        "a-5": "CoreShowChannels", "a-6": "Ping", "a-7": "Originate", "a-11": "QueueAdd",
    }  # fmt: skip
    for frame in capture("actions").split(b"\r\n\r\n"):
        action_id = frame.partition(b"ActionID: ")[2].partition(b"\r\n")[0]
        name = names.get(action_id.decode())
        if name is not None:
            mended = frame.replace(b"ActionID: " + action_id, b"ActionID: {id}")
            found[name] = found.get(name, b"") + mended.removeprefix(b"\r\n") + b"\r\n\r\n"
    return found


@dataclass
class FakeSession:
    """One accepted connection."""

    server: FakeAmi
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    user: str = ""
    with_events: bool = False
    #: Headers of every action received, in order.
    actions: list[dict[str, str]] = field(default_factory=list)
    raw: bytearray = field(default_factory=bytearray)
    deaf: bool = False

    def send(self, data: bytes) -> None:
        if not self.deaf:
            self.writer.write(data)

    def reset(self) -> None:
        """End with RST, as a crash or a firewall does."""
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


Answer = Callable[[FakeSession, dict[str, str]], "bytes | Awaitable[bytes | None] | None"]


class FakeAmi:
    """Answers like the captured Asterisk. `answers[NAME]` replaces an answer; None as a result: silence."""

    def __init__(self) -> None:
        self.banner: bytes | None = BANNER
        self.boot = "2026-11-21T23:00:38"
        self.booted = True
        self.secrets = {"carelineevents": EVENTS_SECRET, "carelineactions": ACTIONS_SECRET}
        self.replies = captured_replies()
        self.answers: dict[str, Answer] = {}
        self.sessions: list[FakeSession] = []
        self.logins = 0
        self.port = 0
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self, port: int = 0) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", port or self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Stop listening and end every session."""
        if self._server is not None:
            self._server.close()
        for session in list(self.sessions):
            session.writer.transport.abort()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def session(self, user: str) -> FakeSession:
        """The newest session of a user."""
        return next(one for one in reversed(self.sessions) if one.user == user)

    @property
    def events(self) -> FakeSession:
        return self.session("carelineevents")

    @property
    def orders(self) -> FakeSession:
        return self.session("carelineactions")

    def received(self, name: str) -> list[dict[str, str]]:
        """Every action of a name, from all sessions."""
        return [action for one in self.sessions for action in one.actions if action.get("Action") == name]

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        session = FakeSession(self, reader, writer)
        self.sessions.append(session)
        try:
            if self.banner is not None:
                writer.write(self.banner)
            with suppress(asyncio.IncompleteReadError, ConnectionError, OSError):
                while True:
                    await self._one(session, await reader.readuntil(b"\r\n\r\n"))
        except asyncio.CancelledError:
            pass
        finally:
            self._tasks.discard(task)
            writer.close()
            if session in self.sessions and not session.user:
                self.sessions.remove(session)

    async def _one(self, session: FakeSession, data: bytes) -> None:
        session.raw += data
        headers: dict[str, str] = {}
        for line in data.decode("utf-8", "surrogateescape").strip("\r\n").split("\r\n"):
            key, _, value = line.partition(": ")
            headers.setdefault(key, value)
        session.actions.append(headers)
        name = headers.get("Action", "")
        chosen = self.answers.get(name)
        if chosen is not None:
            answer = chosen(session, headers)
            if answer is not None and not isinstance(answer, bytes):
                answer = await answer
            if answer is not None:
                session.send(answer)
        else:
            session.send(self._usual(session, name, headers))

    def _usual(self, session: FakeSession, name: str, headers: dict[str, str]) -> bytes:
        action_id = headers.get("ActionID", "").encode()
        if name == "Login":
            user = headers.get("Username", "")
            if self.secrets.get(user) != headers.get("Secret"):
                return refusal(headers, b"Authentication failed")
            session.user, session.with_events = user, headers.get("Events") != "off"
            self.logins += 1
            told = (
                b"Response: Success\r\nActionID: "
                + action_id
                + b"\r\nMessage: Authentication accepted\r\n\r\n"
            )
            return told + (BOOTED if session.with_events and self.booted else b"")
        reply = self.replies.get(name)
        if reply is None:
            return refusal(headers, b"Invalid/unknown command")
        date, _, time = self.boot.partition("T")
        if name == "CoreStatus":
            reply = reply.replace(
                b"2026-11-21\r\nCoreStartupTime: 23:00:38", f"{date}\r\nCoreStartupTime: {time}".encode()
            )
        return reply.replace(b"{id}", action_id)


def refusal(headers: dict[str, str], message: bytes) -> bytes:
    """An Error answer."""
    return (
        b"Response: Error\r\nActionID: "
        + headers.get("ActionID", "").encode()
        + b"\r\nMessage: "
        + message
        + b"\r\n\r\n"
    )


def success(headers: dict[str, str], more: bytes = b"") -> bytes:
    """A Success answer with more header lines."""
    return (
        b"Response: Success\r\nActionID: " + headers.get("ActionID", "").encode() + b"\r\n" + more + b"\r\n"
    )


def originate_response(
    action_id: str, *, response: str = "Success", reason: int = 4, uniqueid: str = "x1"
) -> bytes:
    """The event that tells what came of an Originate."""
    return (
        f"Event: OriginateResponse\r\nPrivilege: call,all\r\nTimestamp: 1795302123.347026\r\nActionID: {action_id}\r\n"
        f"Response: {response}\r\nChannel: Local/s@x-1;1\r\nContext: x\r\nExten: s\r\nReason: {reason}\r\n"
        f"Uniqueid: {uniqueid}\r\nCallerIDNum: <unknown>\r\nCallerIDName: <unknown>\r\n\r\n"
    ).encode()
