"""What a manager port does, asked of the fake and of a real Asterisk alike: so the fake cannot lie."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

import pytest
import pytest_asyncio
from asterisk.ami.action import SimpleAction
from doubles_ami import (
    ACTIONS_SECRET,
    EVENTS_SECRET,
    FakeAmi,
    FakeSession,
    originate_response,
    refusal,
    success,
)
from fixtures_switch import MakeSwitch

from telephony.asterisk import names
from telephony.asterisk.ami import AmiEvent, Timing
from telephony.asterisk.link import AsteriskLink
from telephony.asterisk.resync import Resync
from telephony.options import SwitchOptions
from telephony.ports import ActionRefused

REAL = pytest.param("real", marks=[pytest.mark.asterisk, pytest.mark.xdist_group("asterisk")])


@dataclass
class Peer:
    """A link to the fake or to a real Asterisk."""

    link: AsteriskLink
    resyncs: list[Resync]
    events: list[AmiEvent]


@pytest.fixture(params=["fake", REAL])
def make_real(request: pytest.FixtureRequest) -> MakeSwitch | None:
    """What starts a real Asterisk; None for the fake."""
    return request.getfixturevalue("make_switch") if request.param == "real" else None


@pytest_asyncio.fixture
async def peer(make_real: MakeSwitch | None) -> AsyncIterator[Peer]:
    fake: FakeAmi | None = None
    if make_real is None:
        fake = _like_asterisk()
        await fake.start()
        options = SwitchOptions(
            ami_port=fake.port, ami_events_secret=EVENTS_SECRET, ami_actions_secret=ACTIONS_SECRET
        )
        secrets = {}
    else:
        switch = await make_real()
        options = switch.options.switch
        secrets = {
            "events_secret": switch.secrets.ami_events_secret,
            "actions_secret": switch.secrets.ami_actions_secret,
        }
    resyncs: list[Resync] = []
    events: list[AmiEvent] = []

    async def on_events(batch: Sequence[AmiEvent]) -> None:
        events.extend(batch)

    async def on_resync(resync: Resync) -> None:
        resyncs.append(resync)

    link = AsteriskLink(options, on_events=on_events, on_resync=on_resync, timing=Timing(), **secrets)
    async with link:
        async with asyncio.timeout(30):
            await link.wait_ready()
        yield Peer(link, resyncs, events)
    if fake is not None:
        await fake.stop()


def _like_asterisk() -> FakeAmi:
    """The rules of Originate and Hangup that the tests below hold a real Asterisk to."""
    fake = FakeAmi()
    live: set[str] = set()

    def dial(session: FakeSession, headers: dict[str, str]) -> bytes:
        if headers["Context"] == "nowhere":
            return refusal(headers, b"Extension does not exist.")
        channel_id, action_id = headers["ChannelId"], headers["ActionID"]
        good = headers["Channel"].startswith("Local/") and channel_id not in live
        told = originate_response(
            action_id,
            response="Success" if good else "Failure",
            reason=4 if good else 0,
            uniqueid=channel_id if good or channel_id in live else "<null>",
        )
        live.add(channel_id)
        asyncio.get_running_loop().call_later(0.01, fake.events.send, told)
        return success(headers, b"Message: Originate successfully queued\r\n")

    fake.answers["Originate"] = dial
    fake.answers["Hangup"] = lambda session, headers: refusal(headers, b"No such channel")
    return fake


def dial(
    channel_id: str, channel: str = f"Local/s@{names.PARKED_AGENT}", context: str = names.PARKED_AGENT
) -> SimpleAction:
    return SimpleAction(
        "Originate",
        Channel=channel,
        Context=context,
        Exten="s",
        Priority="1",
        Timeout="3000",
        ChannelId=channel_id,
    )


async def test_resynchronised_before_it_is_ready(peer: Peer) -> None:
    [resync] = peer.resyncs
    assert resync.snapshot.version.split(".")[0].isdecimal()
    assert len(resync.snapshot.boot) == len("2026-11-21T23:00:38")
    assert "service" in {queue.name for queue in resync.snapshot.queues}


async def test_ping_and_an_unknown_action(peer: Peer) -> None:
    reply = await peer.link.act(SimpleAction("Ping"))
    assert reply.keys["Ping"] == "Pong"
    with pytest.raises(ActionRefused, match="unknown command"):
        await peer.link.act(SimpleAction("Nonsense"))


async def test_lists_are_collected_without_their_end(peer: Peer) -> None:
    queues = await peer.link.act(SimpleAction("QueueStatus"))
    assert {event.name for event in queues.events} <= {"QueueParams", "QueueMember", "QueueEntry"}
    assert "QueueParams" in {event.name for event in queues.events}
    assert (await peer.link.act(SimpleAction("CoreShowChannels"))).events == ()


async def test_originate_is_acknowledged_and_told_apart_by_action_id(peer: Peer) -> None:
    """R14: the second dial under a live id fails with the live call's id."""
    first = await peer.link.originate(dial("twice-1"), deadline=10)
    assert dict(await first.wait())["Uniqueid"] == "twice-1"
    second = await peer.link.originate(dial("twice-1"), deadline=10)
    outcome = await second.wait()
    assert (outcome["Response"], outcome["Reason"], outcome["Uniqueid"]) == ("Failure", "0", "twice-1")


async def test_a_missing_phone_fails_after_the_acknowledgement(peer: Peer) -> None:
    submission = await peer.link.originate(dial("gone-1", channel="PJSIP/nobody"), deadline=10)
    assert (await submission.wait())["Response"] == "Failure"


async def test_a_missing_extension_is_refused_at_once(peer: Peer) -> None:
    with pytest.raises(ActionRefused, match="Extension does not exist"):
        await peer.link.originate(dial("gone-2", context="nowhere"), deadline=10)


async def test_hanging_up_what_is_not_there(peer: Peer) -> None:
    with pytest.raises(ActionRefused, match="No such channel"):
        await peer.link.act(SimpleAction("Hangup", Channel="PJSIP/nobody-00000001"))
