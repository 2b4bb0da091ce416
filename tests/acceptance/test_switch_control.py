"""The places a live call can be sent to: hold, transfer, conference; by the actions user, as the service does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
import pytest_asyncio
from fixtures_switch import (
    BROWSER,
    DESK,
    SECRETS,
    AgiCall,
    MakeService,
    Manager,
    RunningSwitch,
    SippRun,
    StartSipp,
    register,
    until,
)
from waiting import PATIENCE

from telephony.asterisk import names

pytestmark = pytest.mark.asterisk


@dataclass
class Talk:
    """A customer and the desk phone in conversation."""

    switch: RunningSwitch
    manager: Manager
    caller: SippRun
    phone: SippRun
    customer: str
    agent: str

    async def redirect(self, channel: str, context: str, extension: str) -> None:
        answer = await self.manager.ask(
            "Redirect", Channel=channel, Context=context, Exten=extension, Priority="1"
        )
        assert answer["Response"] == "Success", answer

    async def where(self, channel: str) -> str:
        """`context,extension,application` of a live channel; empty once it is gone."""
        for line in (await self.switch.command("core show channels concise")).splitlines():
            parts = line.split("!")
            if parts[0] == channel:
                return f"{parts[1]},{parts[2]},{parts[5]}"
        return ""


async def _legs(switch: RunningSwitch) -> tuple[str, str] | None:
    rows = [line.split("!") for line in (await switch.command("core show channels concise")).splitlines()]
    # An answered phone is not in the bridge yet, and what is redirected before that is still the dialplan's.
    bridge = {row[0]: row[12] for row in rows if len(row) > 12 and row[4] == "Up" and row[12]}
    customer = next((name for name in bridge if names.TRUNK in name), "")
    agent = next((name for name in bridge if DESK.endpoint in name), "")
    return (customer, agent) if customer and agent and bridge[customer] == bridge[agent] else None


@pytest_asyncio.fixture
async def talk(switch: RunningSwitch, sipp: StartSipp, make_service: MakeService) -> AsyncIterator[Talk]:
    async def to_agent(call: AgiCall) -> None:
        await call.do("ANSWER")
        await call.do(f"SET VARIABLE {names.IVR_DONE} agent-{DESK.endpoint}-10-service-3")

    phone = await register(sipp, switch)
    await make_service(switch, to_agent)
    caller = await sipp(switch, "caller_stays")
    customer, agent = await until(lambda: _legs(switch), saying="customer and agent talk")
    manager, answer = await Manager.login(
        switch, switch.options.switch.ami_actions_user, SECRETS.ami_actions_secret
    )
    assert answer["Response"] == "Success"
    yield Talk(switch, manager, caller, phone, customer, agent)
    await manager.close()


async def test_hold_and_back(talk: Talk) -> None:
    """Both legs apart, music for the customer; then together again, and nobody was cut off."""
    answer = await talk.manager.ask(
        "Redirect",
        Channel=talk.customer,
        Context=names.HOLD,
        Exten="s",
        Priority="1",
        ExtraChannel=talk.agent,
        ExtraContext=names.PARKED_AGENT,
        ExtraExten="s",
        ExtraPriority="1",
    )
    assert answer["Response"] == "Success", answer
    await until(lambda: _is(talk, talk.customer, f"{names.HOLD},s,MusicOnHold"), saying="music")
    await until(lambda: _is(talk, talk.agent, f"{names.PARKED_AGENT},s,Wait"), saying="the agent waits")
    answer = await talk.manager.ask("Bridge", Channel1=talk.customer, Channel2=talk.agent)
    assert answer["Response"] == "Success", answer

    async def together() -> bool:
        return "2 active channels" in await talk.switch.command("core show channels count") and all(
            [
                "MusicOnHold" not in await talk.where(talk.customer),
                "Wait" not in await talk.where(talk.agent),
            ]
        )

    await until(together, saying="they talk again")
    await talk.switch.hang_up()
    assert await talk.caller.done() == 0, talk.caller.errors()


async def _is(talk: Talk, channel: str, place: str) -> bool:
    return await talk.where(channel) == place


async def test_transfer_to_a_queue(talk: Talk) -> None:
    """The customer waits in the queue, the agent is free."""
    await talk.redirect(talk.customer, names.TRANSFER, "queue-sales")
    await until(lambda: talk.switch.entered("sales"), saying="in the queue")
    await until(lambda: talk.phone.conversations() == 1, saying="the agent's leg has ended")
    await talk.switch.hang_up()
    assert await talk.caller.done() == 0, talk.caller.errors()


async def test_transfer_nobody_takes_returns_to_the_queue(talk: Talk) -> None:
    """A phone that is away does not end the call: head of the queue the call came by."""
    await talk.redirect(talk.customer, names.TRANSFER, "agent-pTestsBrowser001")
    await until(lambda: talk.switch.entered("service"), saying="back in the queue")
    await talk.switch.hang_up()
    assert await talk.caller.done() == 0, talk.caller.errors()


@pytest.mark.parametrize("context", [names.CONFERENCE, names.CONFERENCE_GUEST, names.JOIN, names.OUTBOUND])
async def test_a_phone_that_cannot_be_rung_opens_no_channel(switch: RunningSwitch, context: str) -> None:
    """Asterisk runs the extension `failed` for an Originate that failed, where anything matches it."""
    user = switch.options.switch
    events, _ = await Manager.login(switch, user.ami_events_user, SECRETS.ami_events_secret)
    orders, _ = await Manager.login(switch, user.ami_actions_user, SECRETS.ami_actions_secret)
    extension = {names.OUTBOUND: "+8613900139000", names.JOIN: "leg-careline-trunk-00000000"}
    answer = await orders.ask(
        "Originate",
        Channel=f"PJSIP/{BROWSER.endpoint}",
        Context=context,
        Exten=extension.get(context, "01TESTCALL0000000000000000"),
        Priority="1",
        Async="true",
    )
    assert answer["Response"] == "Success", answer
    async with asyncio.timeout(PATIENCE):
        while b"Event: OriginateResponse" not in await events.reader.readuntil(b"\r\n\r\n"):
            pass
    await orders.ask("CoreStatus")
    assert switch.cel() == []
    await orders.close()
    await events.close()


async def test_conference_ends_with_its_last_agent(talk: Talk) -> None:
    """Customer and agent meet in a room; when the agent leaves, the customer is not left alone in it."""
    room = "01TESTCALL0000000000000000"
    answer = await talk.manager.ask(
        "Redirect",
        Channel=talk.customer,
        Context=names.CONFERENCE,
        Exten=room,
        Priority="1",
        ExtraChannel=talk.agent,
        ExtraContext=names.CONFERENCE,
        ExtraExten=room,
        ExtraPriority="1",
    )
    assert answer["Response"] == "Success", answer

    async def both() -> bool:
        text = await talk.switch.command(f"confbridge list {room}")
        return talk.customer[:20] in text and talk.agent[:20] in text

    await until(both, saying="both are in the room")
    assert (await talk.manager.ask("Hangup", Channel=talk.agent))["Response"] == "Success"

    async def empty() -> bool:
        return await talk.switch.channels() == 0

    await until(empty, saying="the room is closed")
