"""The menus' line on a real Asterisk: keys, hashes, silence, lost sounds; the service killed or stopped (R17)."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from fixtures_switch import SECRETS, MakeSwitch, Manager, RunningSwitch, StartSipp, until
from waiting import SLACK

from ivr.asterisk.server import AgiServer, Door
from ivr.ports import Heard, Line, LineGone
from ivr.prompts import Sound
from telephony.asterisk import names
from telephony.clock import SystemClock

pytestmark = pytest.mark.asterisk

ROOT = Path(__file__).resolve().parents[2]
#: Seconds a line in this process may be silent, which no test here is about.
MARGIN = 10.0


def tone(folder: Path, name: str, seconds: float = 0.1) -> Sound:
    """A sound of ours, under the path Asterisk plays."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.ulaw").write_bytes(b"\x20\xa0" * int(4000 * seconds))
    return Sound(str(folder / name), seconds)


class Presser:
    """Presses a caller's keys when the switch has begun to take them: before that it would drop them."""

    def __init__(self, switch: RunningSwitch) -> None:
        self.switch = switch
        self.taking = 0
        self.channel = ""
        self.begun = asyncio.Condition()
        self.manager: Manager

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[None]:
        """Hear and press by a manager's account that only this test has."""
        await self.switch.command("module load app_senddtmf.so")
        with (self.switch.folder.layout.etc / "manager.conf").open("a") as file:
            file.write("\n[presser]\nsecret = presses-in-tests\nread = agi\nwrite = call\n")
        await self.switch.command("manager reload")
        hears, _ = await Manager.login(self.switch, "presser", "presses-in-tests")
        self.manager, said = await Manager.login(self.switch, "presser", "presses-in-tests")
        assert said["Response"] == "Success", said
        await self.manager.ask("Events", EventMask="off")
        hearing = asyncio.create_task(self._hear(hears))
        try:
            yield
        finally:
            hearing.cancel()
            await asyncio.wait([hearing])
            await hears.close()
            await self.manager.close()

    async def _hear(self, hears: Manager) -> None:
        message: dict[str, str] = {}
        while line := await hears.reader.readline():
            if text := line.decode().strip():
                key, _, value = text.partition(": ")
                message[key] = value
                continue
            if message.get("Event") == "AGIExecStart" and message["Command"].startswith("GET DATA"):
                async with self.begun:
                    self.taking, self.channel = self.taking + 1, message["Channel"]
                    self.begun.notify_all()
            message = {}

    async def press(self, keys: str, after: int) -> None:
        """Press keys once the switch has begun to take keys so many times from now on."""
        wanted = self.taking + after
        async with self.begun:
            await self.begun.wait_for(lambda: self.taking >= wanted)
        for key in keys:
            said = await self.manager.ask(
                "PlayDTMF", Channel=self.channel, Digit=key, Duration="160", Receive="true"
            )
            assert said["Response"] == "Success", said
            await asyncio.sleep(0.2)  # keys have a gap between them, or they are one


async def test_keys_hashes_silence_and_lost_sounds_are_told_apart(
    make_switch: MakeSwitch, sipp: StartSipp, tmp_path: Path
) -> None:
    switch = await make_switch(first_step_seconds=MARGIN)
    one, two, long = tone(tmp_path, "one"), tone(tmp_path, "two"), tone(tmp_path, "long", 8.0)
    heard: dict[str, Heard] = {}
    presser = Presser(switch)

    async def script(line: Line) -> None:
        async def pressed(keys: str, sounds: list[Sound], most: int, at: int = 0) -> Heard:
            """What is heard of keys that are pressed at the last of these sounds, or at the one of this number."""
            pressing = asyncio.create_task(presser.press(keys, after=at or len(sounds)))
            await asyncio.sleep(0)  # it counts from now
            given = await line.ask(sounds, 30, most)
            await pressing
            return given

        await line.answer()
        heard["key of one"] = await pressed("1", [one], 1)
        heard["key of two"] = await pressed("*", [one, two], 1)
        heard["digits"] = await pressed("12#", [one], 6)
        heard["digits of two"] = await pressed("34#", [one, two], 6)
        # The first key ends the first sound; the others come when its command is over, and belong to it.
        heard["digits in the first"] = await pressed("56#", [long, two], 6, at=1)
        heard["all digits in the first"] = await pressed("789", [long, two], 3, at=1)
        heard["one digit in the first"] = await pressed("4", [long, two], 3, at=1)
        heard["hash"] = await pressed("#", [one], 6)
        heard["hash of two"] = await pressed("#", [one, two], 6)
        heard["silence"] = await line.ask([one], 0.3, 1)
        heard["silence of two"] = await line.ask([one, two], 0.3, 1)
        heard["no sound"] = await line.ask([], 0.3, 1)
        heard["lost"] = await line.ask([Sound(str(tmp_path / "gone"), 0.1)], 0.3, 1)
        await line.play([one, two])
        await line.release([(names.CALL, "01CALL"), (names.IVR_DONE, "hangup")])

    server = AgiServer(script, Door(secret=SECRETS.agi_secret, margin=MARGIN), SystemClock())
    await server.start("127.0.0.1", switch.options.switch.agi_port)
    try:
        async with presser.connected():
            caller = await sipp(switch, "caller_stays")
            assert await caller.done() == 0, caller.errors()
    finally:
        await server.close(1)
    assert server.counts.broken == 0
    assert heard == {
        "key of one": Heard(keys="1"),
        "key of two": Heard(keys="*"),
        "digits": Heard(keys="12", hash=True),
        "digits of two": Heard(keys="34", hash=True),
        "digits in the first": Heard(keys="56", hash=True),
        "all digits in the first": Heard(keys="789"),
        "one digit in the first": Heard(keys="4"),
        "hash": Heard(keys="", hash=True),
        "hash of two": Heard(keys="", hash=True),
        "silence": Heard(keys=""),
        "silence of two": Heard(keys=""),
        "no sound": Heard(keys=""),
        "lost": Heard(keys="", played=False),
    }


async def test_a_caller_who_hangs_up_is_gone_at_once(
    make_switch: MakeSwitch, sipp: StartSipp, tmp_path: Path
) -> None:
    switch = await make_switch(first_step_seconds=MARGIN)
    gone: list[float] = []
    sound = tone(tmp_path, "one")

    async def script(line: Line) -> None:
        await line.answer()
        try:
            while True:
                await line.ask([sound, sound], 5, 1)
        except LineGone:
            gone.append(time.monotonic())

    server = AgiServer(script, Door(secret=SECRETS.agi_secret, margin=MARGIN), SystemClock())
    await server.start("127.0.0.1", switch.options.switch.agi_port)
    try:
        caller = await sipp(switch, "caller", stay=500)
        assert await caller.done() == 0, caller.errors()
        await until(lambda: gone)
        await until(lambda: server.calls == 0)
    finally:
        await server.close(1)


@asynccontextmanager
async def service(switch: RunningSwitch, folder: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """Careline's host with its call log in a process of its own."""
    for language in ("zh-CN", "en"):
        tone(folder / "prompts" / language, "bench", 0.2)
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "bench._hotline_service", "careline", "--data", str(folder)),
        *("--port", str(switch.options.switch.agi_port), "--secret", SECRETS.agi_secret),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(60):
            assert await process.stdout.readline() == b"ready\n"
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


@pytest.mark.parametrize(("blow", "budget"), [(signal.SIGKILL, 0.0), (signal.SIGSTOP, 5.2)])
async def test_r17_the_service_dies_or_stops_in_a_menu(
    make_switch: MakeSwitch, sipp: StartSipp, tmp_path: Path, blow: signal.Signals, budget: float
) -> None:
    """R17: killed: fallback in 3 s. Stopped: in the step's own time (0.2 s prompt, 5 s for a key) and hardly more
    than 3 s."""
    switch = await make_switch()
    async with service(switch, tmp_path) as process:
        caller = await sipp(switch, "caller_stays")

        async def in_menu() -> bool:
            return "AGI" in await switch.command("core show channels concise")

        await until(in_menu)
        await asyncio.sleep(0.5)  # the first menu waits for a key
        os.kill(process.pid, blow)
        began = time.time()

        def taken() -> list[float]:
            """When the dialplan took the caller, by the switch's own clock."""
            return [
                float(row["eventtime"]) for row in switch.cel() if row["userdeftype"] == names.CEL_FALLBACK
            ]

        [at] = await until(taken, saying="the dialplan took the caller")
        assert at - began < budget + 3.6 + SLACK
        wanted = names.FALLBACK_UNSET if blow is signal.SIGKILL else names.FALLBACK_SILENT
        assert any(wanted in told for told in switch.told(names.CEL_FALLBACK))
        caller.process.kill()
