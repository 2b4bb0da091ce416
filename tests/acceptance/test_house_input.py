"""What strangers send to a whole house: caller ids, names and orders that mean harm (S01, S02, S17, R37)."""

from __future__ import annotations

import asyncio
import json
import os
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
import pytest_asyncio
from fixtures_house import House, a_house, until
from fixtures_switch import CACHE
from house_truth import TO_COMPLAINTS, doubles, free, layout_of, proof

from lab.proxy import Connection, FaultProxy, Side
from lab.sipp import ODD_CALLERS, Sipp
from telephony.asterisk.install import find_tool

pytestmark = [pytest.mark.asterisk, pytest.mark.asyncio(loop_scope="module")]

#: Every action the service sends (telephony/asterisk), and every header of them.
ACTIONS = {
    "Login", "Ping", "Events", "CoreSettings", "CoreStatus", "CoreShowChannels", "QueueStatus", "QueueAdd",
    "QueueRemove", "QueuePause", "Redirect", "Hangup", "MixMonitorMute", "Originate", "Challenge", "Filter",
    "ListCommands",
}  # fmt: skip
HEADERS = {
    "Action", "ActionID", "Username", "Secret", "EventMask", "Events", "Queue", "Interface", "MemberName",
    "StateInterface", "Penalty", "Paused", "Reason", "Channel", "Context", "Exten", "Priority", "ExtraChannel",
    "ExtraContext", "ExtraExten", "ExtraPriority", "Cause", "Direction", "State", "Timeout", "Account", "ChannelId",
    "OtherChannelId", "Async", "Variable", "CallerID", "Codecs", "EarlyMedia", "Operation", "Filter",
}  # fmt: skip
#: What a note, a name or a target may hold when somebody means harm (S01).
HARM = (
    "lunch\r\nAction: Originate\r\nChannel: Local/1@x",
    "lunch\nAction: Command",
    "lunch\n\nAction: Command",
    "lunch\0",
    "a,b=c&d",
    "${SHELL(id)}",
    '"quoted"',
    "王" * 1700,
)
ODD_LINES = ("<img", "cmd|", "SHELL", "DROP TABLE", "{{", "%0d", "onerror")


@dataclass
class Wire:
    """Everything the service sent to the manager interface."""

    said: dict[int, bytearray] = field(default_factory=dict)

    def take(self, connection: Connection, to: Side, data: bytes) -> None:
        if to == "server":
            self.said.setdefault(connection.number, bytearray()).extend(data)

    def messages(self) -> list[list[str]]:
        found = []
        for stream in self.said.values():
            # What follows the last empty line is still on its way.
            for block in bytes(stream).split(b"\r\n\r\n")[:-1]:
                found.append(block.decode("ascii").split("\r\n"))
        return found


@dataclass
class Watched:
    house: House
    wire: Wire


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def watched() -> AsyncIterator[Watched]:
    wire = Wire()
    async with a_house() as house:
        await house.site.stop("service")
        name = "CARELINE__TELEPHONY__SWITCH__AMI_PORT"
        async with FaultProxy(
            "127.0.0.1", house.site.settings.telephony.switch.ami_port, tap=wire.take
        ) as proxy:
            os.environ[name] = str(proxy.port)
            try:
                await house.site.start_service()
            finally:
                del os.environ[name]
            await house.sign_in("agent1")
            yield Watched(house=house, wire=wire)
            await house.site.stop("service")


async def test_s02_r37_odd_callers_are_logged_and_harm_nobody(watched: Watched, tmp_path: Path) -> None:
    """S02, R37: names and numbers that mean harm: one sane row each, nobody else's customer."""
    house = watched.house
    run = await Sipp(folder=tmp_path, argv=find_tool(CACHE, "sipp")).run(
        "uac_odd_caller",
        target=("127.0.0.1", house.site.settings.telephony.sip.port),
        called="4008001234",
        calls=len(ODD_CALLERS),
        rate=8.0,
        stay=1.0,
        callers=ODD_CALLERS,
    )
    answered = [call for call in run.calls if call.answered]
    assert len(answered) == len(ODD_CALLERS), run.errors

    async def logged() -> bool:
        found = house.rows("SELECT sip_call_id FROM switch_calls")
        return {call.call_id for call in answered} <= {row["sip_call_id"] for row in found}

    await until(logged)
    await free(house)
    for call, (_, user) in zip(answered, ODD_CALLERS, strict=True):
        [row] = house.rows(
            "SELECT calls.* FROM calls JOIN call_legs ON call_legs.call_id = calls.id JOIN switch_calls"
            " ON switch_calls.uniqueid = call_legs.uniqueid WHERE switch_calls.sip_call_id = ?",
            call.call_id,
        )
        assert row["direction"] == "inbound"
        assert row["outcome"] == "left_in_menu"
        assert re.fullmatch(r"[!-~]{0,64}", row["raw_number"]), user
        assert row["number"] is None or re.fullmatch(r"\+[0-9]{7,15}", row["number"])
        assert row["customer_id"] is None, f"{user} is nobody's number in the sample dealership"
        assert row["explained"] in ("unknown_number", "hidden_number", "unreadable_number")
    for number in ("+8613800138009", "+8613800138010"):
        assert house.rows("SELECT id FROM calls WHERE number = ?", number), (
            "a known prefix was not understood"
        )
    for user in ("anonymous", "unknown.caller_x", "9" * 40):
        raw = re.sub(r"[^0-9A-Za-z+]", "", user)
        [row] = house.rows("SELECT * FROM calls WHERE raw_number IN (?, ?)", raw, user)
        assert row["number"] is None
        assert row["explained"] in ("hidden_number", "unreadable_number")
    assert not doubles(house)


async def test_s01_orders_that_mean_harm_are_refused_before_the_wire(watched: Watched) -> None:
    """S01: reasons, targets, numbers and phones with CR, LF, NUL, quotes and expressions."""
    house = watched.house
    agent = house.person("agent1")
    # The talk lasts until it is ended here, however long so many requests take.
    house.agents["agent1"].habits = replace(house.agents["agent1"].habits, talks=(300.0, 300.0))
    placed = await house.call("13700000601", steps=TO_COMPLAINTS)
    row = await house.state_of(placed, "talking")
    session, url = house.site.session, house.site.url
    for text in HARM:
        for path, body in (
            (f"/agents/{agent.id}/pause", {"reason": text}),
            (f"/agents/{agent.id}/sign-in", {"phone": text, "queues": {"service": 0}}),
            (f"/agents/{agent.id}/sign-in", {"phone": "x", "queues": {text: 0}}),
            (
                f"/calls/{row['id']}/transfer",
                {"agent_id": agent.id, "target": {"kind": "agent", "name": text}},
            ),
            (
                f"/calls/{row['id']}/transfer",
                {"agent_id": agent.id, "target": {"kind": text, "name": "service"}},
            ),
            (f"/calls/{row['id']}/hold", {"agent_id": text}),
            ("/calls", {"agent_id": agent.id, "number": text}),
            ("/calls", {"agent_id": text, "number": "13700000602"}),
        ):
            headers = {"Idempotency-Key": os.urandom(16).hex()}
            async with session.post(f"{url}/api/v1{path}", json=body, headers=headers) as response:
                assert 400 <= response.status < 500, (path, text, await response.text())
    assert (await house.detail(row["id"]))["state"] == "talking"
    await placed.hang_up()
    await free(house)

    async def his_own() -> bool:
        return await house.agent_state("agent1") in ("ready", "wrap_up")

    await until(his_own, saying="the agent is as before")


async def test_s01_nothing_of_it_was_on_the_wire(watched: Watched) -> None:
    """S01: the manager's wire, watched by a proxy: our actions, our headers, plain letters, nothing else."""
    usual = {
        "Action: Login",
        "Action: Ping",
        "Action: QueueAdd",
        "Action: QueuePause",
        "Action: CoreShowChannels",
    }
    await until(
        lambda: usual <= {lines[0] for lines in watched.wire.messages()}, saying="all of a usual day was said"
    )
    actions = set()
    for lines in watched.wire.messages():
        headers = dict(line.split(": ", 1) for line in lines)
        assert len(headers) == len(lines) or "Variable" in headers, lines
        assert set(headers) <= HEADERS, lines
        actions.add(headers["Action"])
        for line in lines:
            assert line.isprintable()
            assert not any(odd in line for odd in ODD_LINES), line
    assert actions <= ACTIONS


async def test_s17_the_log_of_all_that_tells_no_numbers_and_no_secrets(watched: Watched) -> None:
    """S17: no full number, no secret, no escape sequence, one line a record."""
    house = watched.house
    text = (house.site.folder / "service.log").read_text("utf-8")
    secrets = json.loads((layout_of(house).data / "secrets.json").read_text("utf-8"))
    words = [value for value in secrets.values() if isinstance(value, str) and len(value) > 8]
    words += [person.password for person in house.site.people.values()]
    words += [phone.secret for person in house.site.people.values() for phone in person.phones]
    words += [house.site.token, "13700000601", "4008001234"]
    words += [digits for _, user in ODD_CALLERS if len(digits := re.sub(r"\D", "", user)) >= 7]
    assert text.strip()
    for word in words:
        assert word not in text, "the log tells what it must not"
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f\u202a-\u202e]", text)
    for line in text.splitlines():
        assert json.loads(line)["action"], line
    assert not await proof(house)
    await asyncio.sleep(0)
