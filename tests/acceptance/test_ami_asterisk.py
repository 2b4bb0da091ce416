"""The link to a real Asterisk: killed, cut, flooded, set up wrongly, and dialing (R09 to R14)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from asterisk.ami.action import SimpleAction
from fixtures_switch import MakeSwitch, RunningSwitch, until
from waiting import PATIENCE, SLACK

from lab.proxy import PASS, SWALLOW, FaultProxy
from telephony.asterisk import names
from telephony.asterisk.ami import Alarm, AmiEvent, CannotLogin, MissingRights, Timing
from telephony.asterisk.link import AsteriskLink
from telephony.asterisk.resync import Resync
from telephony.ports import ActionRefused, ActionUnknown, SwitchUnavailable

pytestmark = [pytest.mark.asterisk, pytest.mark.xdist_group("asterisk")]

QUICK = Timing(ping=1.0, ping_deadline=4.0, first_retry=0.1, longest_retry=0.5, slow_retry=0.5)
#: Where nothing is to be found out by a ping: what the machine is busy with ends no session.
CALM = replace(QUICK, ping_deadline=PATIENCE)


@dataclass
class Line:
    """A link and what it told."""

    link: AsteriskLink
    events: list[AmiEvent] = field(default_factory=list)
    resyncs: list[Resync] = field(default_factory=list)
    alarms: list[Alarm] = field(default_factory=list)
    work: Callable[[], Awaitable[None]] | None = None

    async def ready(self, seconds: float = PATIENCE) -> None:
        async with asyncio.timeout(seconds):
            await self.link.wait_ready()


MakeLine = Callable[..., Awaitable[Line]]


@pytest_asyncio.fixture
async def make_line() -> AsyncIterator[MakeLine]:
    lines: list[Line] = []

    async def make(switch: RunningSwitch, timing: Timing = QUICK, port: int = 0, **changed: Any) -> Line:
        options = switch.options.switch.model_copy(
            update={"ami_port": port or switch.options.switch.ami_port, **changed.pop("options", {})}
        )

        async def on_events(events: Sequence[AmiEvent]) -> None:
            if line.work is not None:
                await line.work()
            line.events.extend(events)

        async def on_resync(resync: Resync) -> None:
            line.resyncs.append(resync)

        secrets = {
            "events_secret": switch.secrets.ami_events_secret,
            "actions_secret": switch.secrets.ami_actions_secret,
            **changed,
        }
        link = AsteriskLink(
            options,
            on_events=on_events,
            on_resync=on_resync,
            on_alarm=lambda alarm: line.alarms.append(alarm),
            timing=timing,
            **secrets,
        )
        line = Line(link)
        lines.append(line)
        await link.start()
        return line

    yield make
    for line in lines:
        await line.link.stop()


def dial(channel_id: str, channel: str = f"Local/s@{names.PARKED_AGENT}", **more: str) -> SimpleAction:
    """A call of the switch with itself that stays up: both sides wait."""
    keys = {
        "Channel": channel,
        "Context": names.PARKED_AGENT,
        "Exten": "s",
        "Priority": "1",
        "Timeout": "3000",
    }
    return SimpleAction("Originate", **{**keys, "ChannelId": channel_id, "Account": channel_id, **more})


async def test_r09_killed_in_live_calls(switch: RunningSwitch, make_line: MakeLine) -> None:
    """R09: SIGKILL in ten live calls, started again after a while: the new boot id is seen, nothing is resent."""
    line = await make_line(switch)
    await line.ready()
    for number in range(10):
        submission = await line.link.originate(dial(f"call-{number}"), deadline=10)
        assert (await submission.wait())["Reason"] == "4"
    alive = await line.link.snapshot()
    assert {f"call-{number}" for number in range(10)} <= alive.linkedids
    pending = line.link.actions.send_action(SimpleAction("Ping"), deadline=30)
    await switch.process.kill()
    await until(lambda: not line.link.is_ready)
    await asyncio.gather(pending, return_exceptions=True)
    with pytest.raises(SwitchUnavailable):
        await line.link.originate(dial("while-away"), deadline=5)
    await asyncio.sleep(1.1)  # the boot id counts whole seconds
    await switch.process.start()
    await until(lambda: len(line.resyncs) == 2, 30.0)
    assert line.resyncs[1].restarted
    assert line.resyncs[1].snapshot.boot > line.resyncs[0].snapshot.boot
    assert line.resyncs[1].snapshot.channels == ()
    assert "restarted" in [alarm.kind for alarm in line.alarms]


@pytest_asyncio.fixture
async def proxied(switch: RunningSwitch) -> AsyncIterator[FaultProxy]:
    proxy = FaultProxy("127.0.0.1", switch.options.switch.ami_port)
    await proxy.start()
    yield proxy
    await proxy.stop()


async def test_r10_reset_and_black_hole(
    switch: RunningSwitch, proxied: FaultProxy, make_line: MakeLine
) -> None:
    """R10: a reset is resynchronised within 3 s; a black hole is found by ping and deadline; nothing is resent."""
    line = await make_line(switch, port=proxied.port)
    await line.ready()
    submission = await line.link.originate(dial("kept-1"), deadline=10)
    await submission.wait()
    began = time.monotonic()
    proxied.reset()
    await until(lambda: len(line.resyncs) == 2)
    assert time.monotonic() - began < 3.0 + SLACK
    assert not line.resyncs[1].restarted
    assert "kept-1" in line.resyncs[1].snapshot.linkedids
    proxied.mode = SWALLOW
    lost = asyncio.create_task(line.link.originate(dial("lost-1"), deadline=30))
    await until(lambda: not line.link.is_ready, QUICK.ping + QUICK.ping_deadline + SLACK)
    with pytest.raises(ActionUnknown):
        await lost
    proxied.mode = PASS
    proxied.reset()
    await until(lambda: len(line.resyncs) == 3)
    assert "lost-1" not in line.resyncs[2].snapshot.linkedids


async def may_tell(switch: RunningSwitch) -> None:
    """Let the actions user send user events, which only this test needs."""
    conf = Path(switch.folder.layout.etc) / "manager.conf"
    conf.write_text(conf.read_text().replace("call,agent,reporting", "call,agent,reporting,user"))
    await switch.command("manager reload")


async def test_r11_flood_with_a_slow_consumer(switch: RunningSwitch, make_line: MakeLine) -> None:
    """R11: 10,000 user events while the consumer stands still: Asterisk is read all the time and cuts nobody."""
    await may_tell(switch)
    line = await make_line(switch, CALM)
    await line.ready()
    go_on = asyncio.Event()

    async def stand() -> None:
        await go_on.wait()

    line.work = stand
    began = time.monotonic()
    for first in range(0, 10_000, 500):
        await asyncio.gather(
            *(
                line.link.act(SimpleAction("UserEvent", UserEvent="Flood", Number=str(number)), deadline=60)
                for number in range(first, first + 500)
            )
        )
    print(f"{10_000 / (time.monotonic() - began):.0f} events a second")
    await until(lambda: line.link.events.gauges.messages >= 10_000)
    assert line.link.is_ready
    assert len(line.resyncs) == 1
    go_on.set()
    await until(lambda: sum(event.name == "UserEvent" for event in line.events) >= 10_000)
    numbers = [event.get("Number") for event in line.events if event.name == "UserEvent"]
    assert sorted(numbers, key=int) == [str(number) for number in range(10_000)]
    assert line.link.events.gauges.lost == 0


async def test_r11_overflow_is_resynchronised(switch: RunningSwitch, make_line: MakeLine) -> None:
    await may_tell(switch)
    line = await make_line(switch, CALM, options={"queue_limit": 1000})
    await line.ready()
    go_on = asyncio.Event()

    async def stand() -> None:
        await go_on.wait()

    line.work = stand
    for _ in range(8):
        await asyncio.gather(
            *(line.link.act(SimpleAction("UserEvent", UserEvent="Flood"), deadline=60) for _ in range(500)),
            return_exceptions=True,
        )
    await until(lambda: line.link.events.gauges.overflows >= 1)
    assert len(line.link.events._queue) <= 1000
    go_on.set()
    await until(lambda: len(line.resyncs) >= 2 and line.link.is_ready)
    assert "overflow" in [alarm.kind for alarm in line.alarms]


async def test_r13_wrong_secret_and_missing_rights(make_switch: MakeSwitch, make_line: MakeLine) -> None:
    """R13: each says which line to change; mended, the link comes up by itself."""
    switch = await make_switch()
    wrong = await make_line(switch, events_secret="not-the-secret-at-all")
    trouble = await until(lambda: wrong.link.trouble)
    assert isinstance(trouble, CannotLogin)
    assert "telephony.switch.ami_events_secret" in str(trouble)

    conf = Path(switch.folder.layout.etc) / "manager.conf"
    right = conf.read_text()
    line = next(one for one in right.splitlines() if one.replace(" ", "").startswith("write=originate"))
    conf.write_text(right.replace(line, "write = call,agent,reporting"))
    await switch.command("manager reload")
    limited = await make_line(switch)
    trouble = await until(lambda: limited.link.trouble)
    assert isinstance(trouble, MissingRights)
    assert "Add originate to the line `write =`" in str(trouble)
    assert not limited.link.is_ready
    conf.write_text(right)
    await switch.command("manager reload")
    limited.link.actions.disconnect()
    await limited.ready()

    reads = [
        one for one in right.splitlines() if one.replace(" ", "").startswith("read=") and "system" in one
    ]
    conf.write_text(right.replace(reads[0], reads[0].replace(",system", "").replace("system,", "")))
    await switch.command("manager reload")
    deaf = await make_line(switch, replace(QUICK, booted=2.0))
    trouble = await until(lambda: deaf.link.trouble)
    assert "lacks `system`" in str(trouble)


async def test_r14_dialing(switch: RunningSwitch, make_line: MakeLine) -> None:
    """R14: a second dial under a live id, a phone that is away, a context that does not exist."""
    line = await make_line(switch)
    await line.ready()
    first = await line.link.originate(dial("twice-1"), deadline=10)
    assert (await first.wait())["Response"] == "Success"
    second = await line.link.originate(dial("twice-1"), deadline=10)
    outcome = await second.wait()
    # Asterisk tells of the refusal with the live call's own id: only the ActionID tells them apart.
    assert (outcome["Response"], outcome["Reason"], outcome["Uniqueid"]) == ("Failure", "0", "twice-1")
    assert "twice-1" in (await line.link.snapshot()).linkedids
    missing = await line.link.originate(dial("gone-1", channel="PJSIP/nobody"), deadline=10)
    assert (await missing.wait())["Response"] == "Failure"
    nowhere = await line.link.originate(dial("gone-2", channel="Local/s@no-such-context"), deadline=10)
    assert (await nowhere.wait())["Response"] == "Failure"
    with pytest.raises(ActionRefused, match="Extension does not exist"):
        await line.link.originate(dial("gone-3", Context="no-such-context"), deadline=10)
    with pytest.raises(ActionRefused):
        await line.link.act(SimpleAction("Hangup", Channel="PJSIP/nobody-00000001"))
    await line.link.act(SimpleAction("Hangup", Channel=await _channel(line, "twice-1")))
    await until(
        lambda: any(event.name == "Hangup" and event.get("Uniqueid") == "twice-1" for event in line.events)
    )


async def _channel(line: Line, uniqueid: str) -> str:
    channels = (await line.link.snapshot()).channels
    return next(channel.name for channel in channels if channel.uniqueid == uniqueid)


async def test_queue_members_in_the_snapshot(switch: RunningSwitch, make_line: MakeLine) -> None:
    line = await make_line(switch)
    await line.ready()
    phone = switch.phones[0]
    await line.link.act(
        SimpleAction(
            "QueueAdd",
            Queue="service",
            Interface=f"PJSIP/{phone.endpoint}",
            MemberName=phone.owner_id,
            Paused="true",
        )
    )
    snapshot = await line.link.snapshot()
    member = next(one for one in snapshot.members if one.queue == "service")
    assert (member.phone, member.agent_id, member.paused) == (phone.endpoint, phone.owner_id, True)
    counts = {queue.name: queue for queue in snapshot.queues}
    assert (counts["service"].members, counts["service"].ready) == (1, 0)
