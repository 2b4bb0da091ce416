"""S04: the FastAGI port of the running service serves living calls only, whatever is signed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from fixtures_house import House, a_house, until
from waiting import PATIENCE

from config.secrets import switch_secrets
from ivr.asterisk.protocol import digest_of
from lab.customers import Listen, Stay

pytestmark = [pytest.mark.asterisk, pytest.mark.asyncio(loop_scope="module")]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house() -> AsyncIterator[House]:
    async with a_house() as built:
        yield built


async def opened(house: House, uniqueid: str) -> bytes:
    """What the service says to an opening with the right digest, until it closes or has said something."""
    settings = house.site.settings
    secret = switch_secrets(settings.telephony.switch, settings.data).agi_secret
    at = int(time.time())
    lines = [
        "agi_network_script: ivr", "agi_channel: PJSIP/careline-trunk-00000009", f"agi_uniqueid: {uniqueid}",
        "agi_callerid: 13918009999", f"agi_arg_1: {uniqueid}", f"agi_arg_2: {at}",
        f"agi_arg_3: {digest_of(secret, uniqueid, at)}", "agi_arg_4: 4008001234",
    ]  # fmt: skip
    reader, writer = await asyncio.open_connection("127.0.0.1", settings.telephony.switch.agi_port)
    writer.write(("\n".join(lines) + "\n\n").encode())
    async with asyncio.timeout(PATIENCE):
        said = await reader.read(100)
    writer.close()
    return said


async def figure(house: House, name: str) -> float:
    async with house.site.session.get(f"{house.site.url}/metrics") as answer:
        text = await answer.text()
    return next(float(line.split()[-1]) for line in text.splitlines() if line.startswith(f"{name}"))


async def test_s04_a_call_that_does_not_live_is_not_served(house: House) -> None:
    """The right secret is not enough: nothing is said, nothing is stored."""
    rows = len(house.rows("SELECT id FROM calls"))
    assert await opened(house, f"careline-{int(time.time())}.99") == b""
    assert await figure(house, "careline_ivr_refused_dead") == 1
    assert len(house.rows("SELECT id FROM calls")) == rows


async def test_s04_real_calls_are_served_without_a_question(house: House) -> None:
    placed = []
    for n in range(
        5
    ):  # one after the other: a service that stands still for a moment is late for one of them
        placed.append(await house.call(caller=f"1391800300{n}", steps=(Listen(seconds=1.0), Stay(seconds=1))))
        await placed[-1].ended()
        await house.state_of(placed[-1], "ended")

    async def counted() -> bool:
        return await figure(house, "careline_ivr_served") == len(placed)

    await until(counted, saying="not all calls were served")
    assert await figure(house, "careline_ivr_refused_dead") == 1
    assert await figure(house, "careline_ivr_unsure") == 0
    # One question was of the call that does not live. A machine that hands out the switch's events late asks for
    # a call or two of these as well, but never for each.
    assert await figure(house, "careline_ivr_asked") < 1 + len(placed)
    assert house.rows("SELECT id FROM calls WHERE origin = 'live' AND raw_number = '13918009999'") == []


async def test_s04_a_switch_that_cannot_be_asked_refuses_nobody(house: House) -> None:
    """As when the manager's connection is down but a call comes in: it is served, and counted."""
    await house.site.stop("switch")

    async def down() -> bool:
        return await figure(house, "careline_switch_ready") == 0

    await until(down, saying="the service never saw that the switch is gone")
    assert await opened(house, f"careline-{int(time.time())}.98") != b""
    assert await figure(house, "careline_ivr_unsure") == 1
