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
from fixtures_switch import SECRETS, MakeSwitch, RunningSwitch, StartSipp, until
from waiting import SLACK

from ivr.asterisk.server import AgiServer, Door
from ivr.ports import Heard, Line, LineGone
from ivr.prompts import Sound
from telephony.asterisk import names
from telephony.clock import SystemClock

pytestmark = pytest.mark.asterisk

ROOT = Path(__file__).resolve().parents[2]


def tone(folder: Path, name: str, seconds: float = 0.1) -> Sound:
    """A sound of ours, under the path Asterisk plays."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.ulaw").write_bytes(b"\x20\xa0" * int(4000 * seconds))
    return Sound(str(folder / name), seconds)


async def test_keys_hashes_silence_and_lost_sounds_are_told_apart(
    switch: RunningSwitch, sipp: StartSipp, tmp_path: Path
) -> None:
    one, two = tone(tmp_path, "one"), tone(tmp_path, "two")
    heard: dict[str, Heard] = {}

    async def script(line: Line) -> None:
        await line.answer()
        heard["key of one"] = await line.ask([one], 5, 1)
        heard["key of two"] = await line.ask([one, two], 5, 1)
        heard["digits"] = await line.ask([one], 5, 6)
        heard["digits of two"] = await line.ask([one, two], 5, 6)
        heard["hash"] = await line.ask([one], 5, 6)
        heard["hash of two"] = await line.ask([one, two], 5, 6)
        heard["silence"] = await line.ask([one], 0.3, 1)
        heard["silence of two"] = await line.ask([one, two], 0.3, 1)
        heard["no sound"] = await line.ask([], 0.3, 1)
        heard["lost"] = await line.ask([Sound(str(tmp_path / "gone"), 0.1)], 0.3, 1)
        await line.play([one, two])
        await line.release([(names.CALL, "01CALL"), (names.IVR_DONE, "hangup")])

    server = AgiServer(script, Door(secret=SECRETS.agi_secret), SystemClock())
    await server.start("127.0.0.1", switch.options.switch.agi_port)
    try:
        caller = await sipp(switch, "caller_many_keys")
        assert await caller.done() == 0, caller.errors()
    finally:
        await server.close(1)
    assert server.counts.broken == 0
    assert heard == {
        "key of one": Heard(keys="1"),
        "key of two": Heard(keys="*"),
        "digits": Heard(keys="12", hash=True),
        "digits of two": Heard(keys="34", hash=True),
        "hash": Heard(keys="", hash=True),
        "hash of two": Heard(keys="", hash=True),
        "silence": Heard(keys=""),
        "silence of two": Heard(keys=""),
        "no sound": Heard(keys=""),
        "lost": Heard(keys="", played=False),
    }


async def test_a_caller_who_hangs_up_is_gone_at_once(
    switch: RunningSwitch, sipp: StartSipp, tmp_path: Path
) -> None:
    gone: list[float] = []
    sound = tone(tmp_path, "one")

    async def script(line: Line) -> None:
        await line.answer()
        try:
            while True:
                await line.ask([sound, sound], 5, 1)
        except LineGone:
            gone.append(time.monotonic())

    server = AgiServer(script, Door(secret=SECRETS.agi_secret), SystemClock())
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
    """R17: killed: fallback in 3 s. Stopped: in the step's own time (0.2 s prompt, 5 s for a key) and 3 s."""
    switch = await make_switch()
    async with service(switch, tmp_path) as process:
        caller = await sipp(switch, "caller", stay=14000)

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
        assert at - began < budget + 3.0 + SLACK
        wanted = names.FALLBACK_UNSET if blow is signal.SIGKILL else names.FALLBACK_SILENT
        assert any(wanted in told for told in switch.told(names.CEL_FALLBACK))
        caller.process.kill()
