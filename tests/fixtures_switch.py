"""A rendered Asterisk on free ports, a small FastAGI service, and SIPp callers, phones and carriers."""

from __future__ import annotations

import asyncio
import csv
import hashlib
import os
import random
import re
import shutil
import signal
import socket
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from waiting import PATIENCE, until

from lab.network import SIPP_MEDIA, free_port
from telephony.asterisk import names
from telephony.asterisk.install import AsteriskBinary, ensure_asterisk, find_tool
from telephony.asterisk.process import AsteriskProcess
from telephony.asterisk.render import RenderedFolder, SwitchSecrets, render
from telephony.options import (
    HotlineOptions,
    RecordingOptions,
    SipOptions,
    SwitchOptions,
    TelephonyOptions,
    TrunkOptions,
)
from telephony.phones import Phone, PhoneKind

ROOT = Path(__file__).resolve().parents[1]
CACHE = ROOT / ".cache"
SCENARIOS = Path(__file__).parent / "acceptance" / "sipp"

SECRETS = SwitchSecrets(
    ami_events_secret="events-secret-of-the-tests",
    ami_actions_secret="actions-secret-of-the-tests",
    agi_secret="agi-secret-of-the-tests",
)
DESK = Phone(
    endpoint="pTestsDeskPhone1",
    secret="phone-secret-1",
    kind=PhoneKind.DESK,
    owner_id="01TESTAGENT0000000000DESK1",
)
BROWSER = Phone(
    endpoint="pTestsBrowser001",
    secret="phone-secret-2",
    kind=PhoneKind.BROWSER,
    owner_id="01TESTAGENT0000000000BROW1",
)


def free_udp() -> int:
    """A UDP port nobody uses."""
    return free_port(socket.SOCK_DGRAM)


def free_rtp(count: int = 100) -> int:
    """First of `count` UDP ports that look free, even."""
    for _ in range(50):
        first = random.randrange(20_000, 60_000, 2)
        try:
            for port in range(first, first + count, 10):
                with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
                    probe.bind(("127.0.0.1", port))
        except OSError:
            continue
        return first
    raise RuntimeError("no free range of UDP ports")


@dataclass
class RunningSwitch:
    """A started Asterisk and what is needed to talk to it."""

    options: TelephonyOptions
    secrets: SwitchSecrets
    phones: tuple[Phone, ...]
    binary: AsteriskBinary
    folder: RenderedFolder
    process: AsteriskProcess

    @property
    def data(self) -> Path:
        return self.folder.layout.data

    @property
    def log(self) -> Path:
        return self.folder.layout.log

    async def command(self, line: str) -> str:
        return await self.process.command(line)

    def cel(self) -> list[dict[str, str]]:
        """What CEL says so far, oldest first."""
        return _rows(self.log / names.CEL_FILE, names.CEL_FIELDS)

    def cdr(self) -> list[dict[str, str]]:
        return _rows(self.log / names.CDR_FILE, names.CDR_FIELDS)

    def told(self, event: str) -> list[str]:
        """Values of one user event of the dialplan, as CEL has them."""
        return [row["eventextra"] for row in self.cel() if event in (row["eventtype"], row["userdeftype"])]

    def queue_log(self) -> list[list[str]]:
        path = self.log / names.QUEUE_LOG_FILE
        return [line.split("|") for line in path.read_text().splitlines()] if path.exists() else []

    def entered(self, queue: str) -> bool:
        """Somebody entered the queue."""
        return any(row[2] == queue and row[4] == "ENTERQUEUE" for row in self.queue_log())

    def connected(self, agent_id: str) -> bool:
        """A queue connected somebody with this agent."""
        return any(row[3] == agent_id and row[4] == "CONNECT" for row in self.queue_log())

    def seconds_since_arrival(self) -> float:
        """Since the first caller came, by what the switch wrote of her."""
        return time.time() - min(float(row["eventtime"]) for row in self.cel())

    async def hang_up(self) -> None:
        """End every call: of callers who stay (`caller_stays`) once the test has seen what it came for."""
        await self.command("channel request hangup all")

    async def channels(self) -> int:
        """Live channels."""
        return len(
            [line for line in (await self.command("core show channels concise")).splitlines() if "!" in line]
        )


def _rows(path: Path, fields: tuple[str, ...]) -> list[dict[str, str]]:
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8", errors="replace") as file:
        return [dict(zip(fields, row, strict=True)) for row in csv.reader(file) if len(row) == len(fields)]


@pytest.fixture(scope="session")
def asterisk_binary() -> AsteriskBinary:
    """The machine's Asterisk or the private copy in .cache, brought there by the first test that asks."""
    return ensure_asterisk(CACHE)


@pytest.fixture
def switch_folder() -> Iterator[Path]:
    """A data folder with a short path."""
    folder = Path(tempfile.mkdtemp(prefix="careline-test-"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def switch_options(**changed: Any) -> TelephonyOptions:
    """Options with every port free. `changed` replaces whole sections."""
    rtp = free_rtp()
    sections: dict[str, Any] = {
        "sip": SipOptions(port=free_udp(), rtp_first=rtp, rtp_last=rtp + 99),
        "trunk": TrunkOptions(port=free_udp()),
        "switch": SwitchOptions(ami_port=free_port(), http_port=free_port(), agi_port=free_port()),
        "recording": RecordingOptions(enabled=True),
        "hotline": HotlineOptions(),
    }
    return TelephonyOptions(**{**sections, **changed})


class Manager:
    """The least AMI client: lines out, messages in."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    @classmethod
    async def login(cls, switch: RunningSwitch, user: str, secret: str) -> tuple[Manager, dict[str, str]]:
        reader, writer = await asyncio.open_connection("127.0.0.1", switch.options.switch.ami_port)
        await reader.readline()
        manager = cls(reader, writer)
        return manager, await manager.ask("Login", Username=user, Secret=secret)

    async def ask(self, action: str, **headers: str) -> dict[str, str]:
        """Send an action and give its response, events skipped."""
        lines = [f"Action: {action}", "ActionID: 1", *(f"{key}: {value}" for key, value in headers.items())]
        self.writer.write(("\r\n".join(lines) + "\r\n\r\n").encode())
        async with asyncio.timeout(PATIENCE):
            while True:
                message: dict[str, str] = {}
                while line := (await self.reader.readline()).decode().strip():
                    key, _, value = line.partition(": ")
                    message[key] = value
                if "Response" in message:
                    return message

    async def close(self) -> None:
        self.writer.close()
        await self.writer.wait_closed()


MakeSwitch = Callable[..., Awaitable[RunningSwitch]]


@pytest_asyncio.fixture
async def make_switch(asterisk_binary: AsteriskBinary, switch_folder: Path) -> AsyncIterator[MakeSwitch]:
    """Start a switch: `await make_switch(phones=..., queues=..., prompts=False)`. Ended with the test.

    Without prompts, sentences take no time. A busy machine may hold up a service for longer than the shipped 3 s:
    only tests of that very promise set them.
    """
    running: list[RunningSwitch] = []

    async def make(
        *,
        phones: tuple[Phone, ...] = (DESK, BROWSER),
        first_step_seconds: float = 10.0,
        prompts: bool = True,
        **sections: Any,
    ) -> RunningSwitch:
        options = switch_options(**sections)
        folder = render(
            options,
            SECRETS,
            phones,
            asterisk_binary,
            switch_folder / f"data{len(running)}",
            [ROOT / "config" / "prompts"] if prompts else [],
            first_step_seconds=first_step_seconds,
        )
        process = AsteriskProcess(binary=asterisk_binary, folder=folder)
        switch = RunningSwitch(options, SECRETS, phones, asterisk_binary, folder, process)
        running.append(switch)
        await process.start()
        await process.wait_ready()
        return switch

    yield make
    for switch in running:
        await switch.process.stop(seconds=5.0)


@pytest_asyncio.fixture
async def switch(make_switch: MakeSwitch) -> RunningSwitch:
    """One started switch with a desk phone and a browser phone."""
    return await make_switch()


@dataclass
class AgiCall:
    """One FastAGI connection as the small service sees it."""

    environment: Mapping[str, str]
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def do(self, line: str) -> str:
        """Send one command and give the reply line."""
        self.writer.write(line.encode() + b"\n")
        await self.writer.drain()
        return (await self.reader.readline()).decode().strip()

    @property
    def arguments(self) -> list[str]:
        count = len([key for key in self.environment if key.startswith("agi_arg_")])
        return [self.environment[f"agi_arg_{number}"] for number in range(1, count + 1)]

    def is_signed(self, secret: str) -> bool:
        """The digest is ours and fresh."""
        at, digest = self.arguments[1], self.arguments[2]
        expected = hashlib.sha1(f"{secret}-{self.environment['agi_uniqueid']}-{at}".encode()).hexdigest()  # noqa: S324
        return digest == expected and abs(time.time() - int(at)) < 60


Script = Callable[[AgiCall], Awaitable[None]]


@dataclass
class SmallService:
    """The least FastAGI service: runs a script a call, remembers what it was told."""

    port: int
    script: Script
    calls: list[AgiCall] = field(default_factory=list)
    _server: asyncio.Server | None = None
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", self.port)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            environment = {}
            while line := (await reader.readline()).decode(errors="replace").strip():
                key, _, value = line.partition(": ")
                environment[key] = value
            call = AgiCall(environment, reader, writer)
            self.calls.append(call)
            await self.script(call)
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            self._tasks.discard(task)
            writer.close()

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


MakeService = Callable[[RunningSwitch, Script], Awaitable[SmallService]]


@pytest_asyncio.fixture
async def make_service() -> AsyncIterator[MakeService]:
    """Put a script behind a switch's FastAGI port: `await make_service(switch, script)`."""
    services: list[SmallService] = []

    async def make(switch: RunningSwitch, script: Script) -> SmallService:
        service = SmallService(switch.options.switch.agi_port, script)
        services.append(service)
        await service.start()
        return service

    yield make
    for service in services:
        await service.stop()


@dataclass
class SippRun:
    """One SIPp process."""

    process: asyncio.subprocess.Process
    port: int
    folder: Path

    async def hang_up(self) -> None:
        """Have a caller who waits for it (`speaker`) hang up: with a message in his call, as from the switch."""
        said = re.search(r"\n\n(SIP/2\.0 200 OK\n.*?)\n\n", self.messages(), re.DOTALL)
        assert said, self.messages()
        lines = dict(line.partition(": ")[::2] for line in said[1].splitlines())
        request = [
            f"MESSAGE sip:trunk@127.0.0.1:{self.port} SIP/2.0",
            "Via: SIP/2.0/UDP 127.0.0.1:9;branch=z9hG4bK-hang-up",
            *(f"{name}: {lines[name]}" for name in ("From", "To", "Call-ID")),
            "CSeq: 1 MESSAGE",
            "Content-Length: 0",
        ]
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as hand:
            hand.sendto(("\r\n".join(request) + "\r\n\r\n").encode(), ("127.0.0.1", self.port))

    async def done(self, seconds: float = 40.0) -> int:
        """Exit status once it has ended: 0 where every call went as the scenario says."""
        async with asyncio.timeout(seconds):
            return await self.process.wait()

    def errors(self) -> str:
        """What SIPp complained about."""
        return "\n".join(path.read_text(errors="replace")[-3000:] for path in self.folder.glob("*errors.log"))

    def answered(self) -> int:
        """Calls it answered that were acknowledged, going on or over."""
        return self._received("ACK")

    def conversations(self) -> int:
        """Calls it answered that came to an end by a BYE it received."""
        return self._received("BYE")

    def _received(self, method: str) -> int:
        """Calls in which it received such a request."""
        received = re.findall(rf"received.*?\n\n({method} .*?)\n\n", self.messages(), re.DOTALL)
        return len(
            {line for message in received for line in message.splitlines() if line.startswith("Call-ID")}
        )

    def messages(self) -> str:
        """Every SIP message it sent and received."""
        return "\n".join(path.read_text(errors="replace") for path in self.folder.glob("*messages.log"))


StartSipp = Callable[..., Awaitable[SippRun]]


@pytest_asyncio.fixture
async def sipp(switch_folder: Path) -> AsyncIterator[StartSipp]:
    """Start SIPp: `await sipp(switch, "caller", "4008001234", stay=3000, name='"A"')`. Killed with the test."""
    started: list[SippRun] = []
    argv = find_tool(CACHE, "sipp")

    async def start(
        switch: RunningSwitch,
        scenario: str,
        called: str = "4008001234",
        *,
        stay: int = 3000,
        calls: int = 1,
        rate: int = 10,
        port: int = 0,
        **keys: str,
    ) -> SippRun:
        folder = switch_folder / f"sipp{len(started)}"
        folder.mkdir()
        (folder / "speech.alaw").write_bytes(bytes((0x20, 0xA0) * 4000))  # a second of a loud tone
        port = port or free_udp()
        keys = {"from": "13800138000", "name": "", **keys}
        login = ["-au", keys["user"], "-ap", keys.pop("secret")] if "secret" in keys else []
        pairs = [part for key, value in keys.items() for part in ("-key", key, value)]
        process = await asyncio.create_subprocess_exec(
            *argv,
            f"127.0.0.1:{switch.options.sip.port}",
            *("-sf", str(SCENARIOS / f"{scenario}.xml"), "-s", called, "-i", "127.0.0.1", "-p", str(port)),
            *(
                "-mp",
                str(free_port(socket.SOCK_DGRAM, count=SIPP_MEDIA)),
                "-d",
                str(stay),
                "-m",
                str(calls),
                "-r",
                str(rate),
            ),
            *("-nostdin", "-aa", "-timeout", "60", "-timeout_error", "-trace_err", "-trace_msg"),
            *login,
            *pairs,
            cwd=folder,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            env={**os.environ, "TERM": "dumb"},
        )
        run = SippRun(process, port, folder)
        started.append(run)
        return run

    yield start
    for run in started:
        if run.process.returncode is None:
            run.process.send_signal(signal.SIGKILL)
            await run.process.wait()


async def register(
    sipp: StartSipp, switch: RunningSwitch, phone: Phone = DESK, *, scenario: str = "answers", **keys: str
) -> SippRun:
    """A SIPp phone that answers every call (or does what `scenario` says), registered as `phone`."""
    done = await sipp(switch, "register", user=phone.endpoint, secret=phone.secret)
    assert await done.done() == 0, done.errors()
    # OPTIONS count as calls for SIPp: no limit, and its log says how many conversations it had.
    answering = await sipp(switch, scenario, calls=1000, port=done.port, **keys)

    # Asked now, and again: the switch asks on REGISTER, when this port may be nobody's yet, and then for a minute not.
    async def reachable() -> bool:
        if "Not in use" in await switch.command(f"pjsip show endpoint {phone.endpoint}"):
            return True
        await switch.command(f"pjsip qualify {phone.endpoint}")
        return False

    await until(reachable, saying="the phone is registered and reachable")
    return answering
