"""Which phones the switch takes for away."""

from __future__ import annotations

import asyncio
import signal
import time

import pytest
from fixtures_switch import DESK, RunningSwitch, StartSipp, register, until
from waiting import SLACK

pytestmark = pytest.mark.asterisk


async def test_a_phone_that_stands_still_for_a_moment_is_not_away(
    switch: RunningSwitch, sipp: StartSipp
) -> None:
    """Or nobody would ring it before it is asked again, half a minute later; one that is gone is found."""
    phone = await register(sipp, switch)

    async def here() -> bool:
        return "Not in use" in await switch.command(f"pjsip show endpoint {DESK.endpoint}")

    phone.process.send_signal(signal.SIGSTOP)
    await switch.command(f"pjsip qualify {DESK.endpoint}")
    asked = time.monotonic()
    while time.monotonic() < asked + SLACK + 1:
        assert await here(), f"away after {time.monotonic() - asked:.1f} s"
        await asyncio.sleep(0.1)
    phone.process.send_signal(signal.SIGCONT)
    phone.process.kill()
    await phone.process.wait()
    await switch.command(f"pjsip qualify {DESK.endpoint}")

    async def away() -> bool:
        return not await here()

    await until(away, saying="a phone that is gone is still rung")
