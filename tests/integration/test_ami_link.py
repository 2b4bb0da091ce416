"""The link against a manager port that misbehaves (R09 to R14 at the level of the connection)."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
import pytest_asyncio
from asterisk.ami import EventListener
from asterisk.ami.action import SimpleAction
from doubles_ami import (
    ACTIONS_SECRET,
    BOOTED,
    EVENTS_SECRET,
    FakeAmi,
    FakeSession,
    capture,
    originate_response,
    refusal,
    success,
)
from waiting import PATIENCE, SLACK, until

from telephony.asterisk.ami import (
    Alarm,
    AmiEvent,
    CannotLogin,
    DuplicateAction,
    MissingRights,
    Timing,
)
from telephony.asterisk.link import AsteriskLink
from telephony.asterisk.protocol import Unsendable
from telephony.asterisk.resync import Resync
from telephony.options import SwitchOptions
from telephony.ports import ActionRefused, ActionUnknown, SwitchUnavailable

QUICK = Timing(
    connect=1.0, action=0.5, ping=0.2, ping_deadline=0.3, booted=0.3, first_retry=0.05, longest_retry=0.2,
    slow_retry=0.2, drain=1.0,
)  # fmt: skip
#: Where nothing is to be found out by a deadline: a machine that stands still ends no session and no action.
CALM = Timing(
    connect=PATIENCE, action=PATIENCE, ping=PATIENCE, ping_deadline=PATIENCE,
    first_retry=0.05, longest_retry=0.2, slow_retry=0.2,
)  # fmt: skip


@dataclass
class House:
    """A link and what it told."""

    fake: FakeAmi
    link: AsteriskLink
    events: list[AmiEvent] = field(default_factory=list)
    resyncs: list[Resync] = field(default_factory=list)
    alarms: list[Alarm] = field(default_factory=list)
    #: Replaced by a test that wants a slow consumer.
    work: Callable[[Sequence[AmiEvent]], Awaitable[None]] | None = None
    #: What happened, in order: "resync" or an event's name.
    order: list[str] = field(default_factory=list)

    async def ready(self, seconds: float = PATIENCE) -> None:
        async with asyncio.timeout(seconds):
            await self.link.wait_ready()

    def names(self) -> list[str]:
        return [event.name for event in self.events]

    def kinds(self) -> list[str]:
        return [alarm.kind for alarm in self.alarms]


MakeHouse = Callable[..., Awaitable[House]]


@pytest_asyncio.fixture
async def fake() -> AsyncIterator[FakeAmi]:
    fake = FakeAmi()
    await fake.start()
    yield fake
    await fake.stop()


@pytest_asyncio.fixture
async def make_house(fake: FakeAmi) -> AsyncIterator[MakeHouse]:
    houses: list[House] = []

    async def make(timing: Timing = CALM, *, start: bool = True, **changed: Any) -> House:
        options = SwitchOptions(
            **{
                "ami_port": fake.port,
                "ami_events_secret": EVENTS_SECRET,
                "ami_actions_secret": ACTIONS_SECRET,
                **{key: value for key, value in changed.items() if key in SwitchOptions.model_fields},
            }
        )
        more = {key: value for key, value in changed.items() if key not in SwitchOptions.model_fields}

        async def on_events(events: Sequence[AmiEvent]) -> None:
            if house.work is not None:
                await house.work(events)
            house.events.extend(events)
            house.order.extend(event.name for event in events)

        async def on_resync(resync: Resync) -> None:
            house.resyncs.append(resync)
            house.order.append("resync")

        link = AsteriskLink(
            options,
            on_events=on_events,
            on_resync=on_resync,
            on_alarm=lambda alarm: house.alarms.append(alarm),
            timing=timing,
            **more,
        )
        house = House(fake, link)
        houses.append(house)
        if start:
            await link.start()
        return house

    yield make
    for house in houses:
        await house.link.stop()
    assert not [task for task in asyncio.all_tasks() if task.get_name().startswith("ami-")]


def originate(**more: str) -> SimpleAction:
    return SimpleAction("Originate", Channel="Local/s@x", Context="x", Exten="s", Priority="1", **more)


# -- coming up -----------------------------------------------------------------------------------------------


async def test_ready_means_booted_and_resynchronised(make_house: MakeHouse) -> None:
    house = await make_house()
    await house.ready()
    [resync] = house.resyncs
    assert (resync.snapshot.boot, resync.snapshot.version) == ("2026-11-21T23:00:38", "22.10.1")
    assert (resync.restarted, resync.gap_seconds) == (False, None)
    assert [queue.name for queue in resync.snapshot.queues] == ["service"]
    assert house.link.trouble is None
    assert house.fake.orders.with_events is False


async def test_nothing_is_originated_before_fully_booted(fake: FakeAmi, make_house: MakeHouse) -> None:
    """R09, R14: a log-in is taken half a second before FullyBooted; no Originate leaves in between."""
    fake.booted = False
    house = await make_house(replace(CALM, booted=0.3))
    await until(lambda: house.link.actions.is_up)
    with pytest.raises(SwitchUnavailable):
        await house.link.originate(originate(), deadline=1)
    with pytest.raises(SwitchUnavailable):
        await house.link.act(originate())
    trouble = await until(lambda: house.link.trouble)
    assert "read = call,cdr,user,agent,system" in str(trouble)
    assert not house.link.is_ready
    assert fake.received("Originate") == []
    fake.events.send(BOOTED)
    await house.ready()
    assert house.link.trouble is None


async def test_events_between_login_and_resync_come_after_it(fake: FakeAmi, make_house: MakeHouse) -> None:
    """No event is lost or delivered before the snapshot that sets the ground."""
    held = asyncio.Event()

    async def slowly(session: FakeSession, headers: dict[str, str]) -> bytes:
        await held.wait()
        return fake.replies["CoreStatus"].replace(b"{id}", headers["ActionID"].encode())

    fake.answers["CoreStatus"] = slowly
    house = await make_house()
    await until(lambda: fake.received("CoreStatus"))
    fake.events.send(b"Event: Hangup\r\nUniqueid: a.1\r\n\r\n")
    await until(lambda: house.link.events.gauges.queued >= 1)
    assert house.order == []
    held.set()
    await until(lambda: "Hangup" in house.order)
    assert house.order[0] == "resync"


async def test_a_resynchronisation_that_fails_is_tried_again(
    fake: FakeAmi, make_house: MakeHouse, caplog: pytest.LogCaptureFixture
) -> None:
    """The database may be away just then: the link stays up, not ready, and tries again."""
    house = await make_house(start=False)
    real, failures = house.link._on_resync, [OSError("database away"), OSError("still away")]

    async def on_resync(resync: Resync) -> None:
        if failures:
            raise failures.pop()
        await real(resync)

    house.link._on_resync = on_resync
    with caplog.at_level(logging.CRITICAL, logger="careline.ami"):
        await house.link.start()
        await house.ready()
    assert len(house.resyncs) == 1
    assert house.kinds().count("resync") == 2
    assert house.link.trouble is None


async def test_everything_ends_with_the_link(fake: FakeAmi, make_house: MakeHouse) -> None:
    fake.answers["Setvar"] = lambda session, headers: None
    house = await make_house()
    await house.ready()
    future = house.link.actions.send_action(SimpleAction("Setvar", Variable="X", Value="1"), deadline=30)
    await house.link.stop()
    with pytest.raises(ActionUnknown):
        await future
    with pytest.raises(SwitchUnavailable):
        await house.link.act(SimpleAction("Ping"))


# -- R09, R10: the connection goes ---------------------------------------------------------------------------


async def test_r09_another_boot_id_is_a_restart(fake: FakeAmi, make_house: MakeHouse) -> None:
    house = await make_house()
    await house.ready()
    await fake.stop()
    await until(lambda: not house.link.is_ready)
    fake.boot = "2026-11-21T23:10:00"
    fake.sessions.clear()
    await fake.start()
    await until(lambda: len(house.resyncs) == 2)
    assert house.resyncs[1].restarted
    assert house.resyncs[1].gap_seconds is not None
    assert "restarted" in house.kinds()


async def test_r09_a_restart_while_the_service_was_away(make_house: MakeHouse) -> None:
    house = await make_house(last_boot="2026-11-20T08:00:00")
    await house.ready()
    assert house.resyncs[0].restarted


@pytest.mark.parametrize("which", ["events", "orders"])
async def test_r10_reset_is_resynchronised_within_three_seconds(
    fake: FakeAmi, make_house: MakeHouse, which: str
) -> None:
    house = await make_house(Timing(ping=30.0))
    await house.ready()
    began = time.monotonic()
    getattr(fake, which).reset()
    await until(lambda: len(house.resyncs) == 2)
    assert time.monotonic() - began < 3.0 + SLACK
    assert not house.resyncs[1].restarted
    assert "lost" in house.kinds()
    assert house.link.is_ready


async def test_r10_pending_actions_fail_as_unknown_and_are_never_sent_again(
    fake: FakeAmi, make_house: MakeHouse
) -> None:
    fake.answers["Originate"] = lambda session, headers: None
    fake.answers["QueueAdd"] = lambda session, headers: None
    house = await make_house()
    await house.ready()
    waiting = [
        asyncio.create_task(house.link.originate(originate(ActionID="dial-1"), deadline=20)),
        asyncio.create_task(house.link.act(SimpleAction("QueueAdd", Queue="service", Interface="PJSIP/x"))),
    ]
    await until(lambda: fake.received("Originate") and fake.received("QueueAdd"))
    fake.orders.reset()
    for result in await asyncio.gather(*waiting, return_exceptions=True):
        assert isinstance(result, ActionUnknown)
    await until(lambda: len(house.resyncs) == 2)
    assert len(fake.received("Originate")) == 1
    assert len(fake.received("QueueAdd")) == 1
    assert house.link.outcome_of("dial-1") is None
    assert house.link.actions._pending == {}


async def test_r10_half_open_is_found_by_ping(fake: FakeAmi, make_house: MakeHouse) -> None:
    """A peer that swallows everything: found at ping + deadline (15 s as shipped, shortened here)."""
    house = await make_house(QUICK)
    await house.ready()
    first = fake.events
    first.deaf = True
    # A ping may meet its deadline once more where the machine stands still.
    await until(lambda: len(house.resyncs) >= 2)
    assert house.link.events.generation >= 2
    assert fake.events is not first
    assert Timing().ping + Timing().ping_deadline <= 15


async def test_pings_are_measured(make_house: MakeHouse) -> None:
    house = await make_house(replace(CALM, ping=0.2))
    await house.ready()
    await until(lambda: house.link.events.gauges.ping > 0 and house.link.actions.gauges.ping > 0)
    assert len(house.resyncs) == 1


# -- R11: too much -------------------------------------------------------------------------------------------

SOME_EVENT = capture("answered").split(b"\r\n\r\n")[1] + b"\r\n\r\n"


async def test_r11_a_burst_with_a_slow_consumer_loses_nothing(fake: FakeAmi, make_house: MakeHouse) -> None:
    """5,000 events at once while the consumer stands still: all are read, kept and delivered in order."""
    house = await make_house(replace(CALM, ping=0.2))
    await house.ready()
    go_on = asyncio.Event()

    async def stuck(events: Sequence[AmiEvent]) -> None:
        await go_on.wait()

    house.work = stuck
    for number in range(5000):
        fake.events.send(b"Event: UserEvent\r\nUniqueid: a.%d\r\n\r\n" % number)
    await until(lambda: house.link.events.gauges.messages >= 5000)
    # The reader and the pings go on meanwhile.
    ping = house.link.events.gauges.ping
    await until(lambda: house.link.events.gauges.ping != ping)
    assert house.link.is_ready
    go_on.set()
    await until(lambda: house.names().count("UserEvent") == 5000)
    told = [event.get("Uniqueid") for event in house.events if event.name == "UserEvent"]
    assert told == [f"a.{number}" for number in range(5000)]
    assert house.link.events.gauges.lost == 0
    assert house.link.events.gauges.deepest > 100


async def test_r11_overflow_drops_the_session_counts_and_resynchronises(
    fake: FakeAmi, make_house: MakeHouse
) -> None:
    house = await make_house(CALM, queue_limit=1000)
    await house.ready()
    go_on = asyncio.Event()

    async def stuck(events: Sequence[AmiEvent]) -> None:
        await go_on.wait()

    house.work = stuck
    for _ in range(20_000):
        fake.events.send(SOME_EVENT)
    await until(lambda: "overflow" in house.kinds())
    gauges = house.link.events.gauges
    assert len(house.link.events._queue) <= 1000
    assert gauges.lost > 0
    assert gauges.overflows == 1
    go_on.set()
    await until(lambda: len(house.resyncs) == 2)
    house.work = None
    fake.events.send(b"Event: Hangup\r\nUniqueid: z.9\r\n\r\n")
    await until(lambda: any(event.get("Uniqueid") == "z.9" for event in house.events))


async def test_r11_lag_is_the_events_own_age(fake: FakeAmi, make_house: MakeHouse) -> None:
    house = await make_house()
    await house.ready()
    fake.events.send(b"Event: Hangup\r\nTimestamp: %.6f\r\nUniqueid: a.1\r\n\r\n" % (time.time() - 120))
    await until(lambda: "Hangup" in house.names())
    assert 119 < house.link.events.gauges.worst_lag < 120 + PATIENCE


async def test_events_nobody_wants_are_counted_and_not_kept(fake: FakeAmi, make_house: MakeHouse) -> None:
    house = await make_house(wanted=["Hangup"])
    await house.ready()
    fake.events.send(capture("hold"))
    await until(lambda: house.names().count("Hangup") == 2)
    assert set(house.names()) == {"Hangup"}
    assert house.link.events.gauges.ignored > 20


async def test_a_handler_that_raises_does_not_end_the_stream(
    fake: FakeAmi, make_house: MakeHouse, caplog: pytest.LogCaptureFixture
) -> None:
    house = await make_house()
    await house.ready()

    async def broken(events: Sequence[AmiEvent]) -> None:
        raise ZeroDivisionError

    def listener_breaks(event: AmiEvent, **_: object) -> None:
        raise KeyError(event.name)

    heard: list[str] = []
    house.work = broken
    house.link.events.add_event_listener(listener_breaks, white_list="Hangup")
    house.link.events.add_event_listener(
        EventListener(lambda event, **_: heard.append(event["Cause"]), white_list=["Hangup"], Cause="17")
    )
    with caplog.at_level(logging.CRITICAL, logger="careline.ami"):
        fake.events.send(b"Event: Hangup\r\nCause: 17\r\n\r\nEvent: Hangup\r\nCause: 16\r\n\r\n")
        await until(lambda: house.link.events.gauges.failures >= 3)
    assert heard == ["17"]
    house.work = None
    fake.events.send(b"Event: Hold\r\nChannel: x\r\n\r\n")
    await until(lambda: "Hold" in house.names())
    assert house.link.is_ready


# -- R12: answers that are wrong -----------------------------------------------------------------------------


async def test_r12_answers_out_of_order(fake: FakeAmi, make_house: MakeHouse) -> None:
    """50 answers in a random order each reach the one who asked."""
    asked: list[dict[str, str]] = []

    def keep(session: FakeSession, headers: dict[str, str]) -> bytes | None:
        asked.append(headers)
        if len(asked) < 50:
            return None
        random.Random(12).shuffle(asked)
        return b"".join(success(one, b"Value: " + one["Value"].encode() + b"\r\n") for one in asked)

    fake.answers["Setvar"] = keep
    house = await make_house()
    await house.ready()
    replies = await asyncio.gather(
        *(house.link.act(SimpleAction("Setvar", Variable="X", Value=f"v-{number}")) for number in range(50))
    )
    assert [reply.keys["Value"] for reply in replies] == [f"v-{number}" for number in range(50)]


async def test_r12_orphans_are_counted_and_a_second_answer_is_one(
    fake: FakeAmi, make_house: MakeHouse, caplog: pytest.LogCaptureFixture
) -> None:
    fake.answers["Setvar"] = lambda session, headers: success(headers) * 2
    house = await make_house()
    await house.ready()
    with caplog.at_level(logging.WARNING, logger="careline.ami"):
        await house.link.act(SimpleAction("Setvar", Variable="X", Value="1"))
        fake.orders.send(success({"ActionID": "nobody-1"}) + b"Response: Success\r\nMessage: no id\r\n\r\n")
        await until(lambda: house.link.actions.gauges.orphans == 3)
    assert "no pending action" in caplog.text
    await house.link.act(SimpleAction("Ping"))
    assert house.link.is_ready


async def test_r12_a_duplicate_action_id_is_refused_before_it_is_sent(
    fake: FakeAmi, make_house: MakeHouse
) -> None:
    fake.answers["Setvar"] = lambda session, headers: None
    house = await make_house()
    await house.ready()
    first = house.link.actions.send_action(SimpleAction("Setvar", Variable="X", Value="1", ActionID="same-1"))
    with pytest.raises(DuplicateAction):
        house.link.actions.send_action(SimpleAction("Setvar", Variable="X", Value="2", ActionID="same-1"))
    await until(lambda: fake.received("Setvar"))
    fake.orders.reset()
    with pytest.raises(ActionUnknown):
        await first
    assert len(fake.received("Setvar")) == 1


async def test_r12_no_answer_ends_at_the_deadline_and_leaves_nothing(
    fake: FakeAmi, make_house: MakeHouse
) -> None:
    late: list[dict[str, str]] = []

    def silent(session: FakeSession, headers: dict[str, str]) -> None:
        late.append(headers)

    fake.answers["Setvar"] = silent
    house = await make_house()
    await house.ready()
    began = time.monotonic()
    with pytest.raises(ActionUnknown):
        await house.link.act(SimpleAction("Setvar", Variable="X", Value="1"), deadline=0.2)
    assert time.monotonic() - began < 1.0 + SLACK
    assert house.link.actions._pending == {}
    await until(lambda: late)
    fake.orders.send(success(late[0]))
    await until(lambda: house.link.actions.gauges.orphans == 1)
    assert len(fake.received("Setvar")) == 1


async def test_r12_a_cancelled_waiter_leaves_nothing(fake: FakeAmi, make_house: MakeHouse) -> None:
    fake.answers["Setvar"] = lambda session, headers: None
    house = await make_house()
    await house.ready()
    task = asyncio.create_task(house.link.act(SimpleAction("Setvar", Variable="X", Value="1"), deadline=30))
    await until(lambda: fake.received("Setvar"))
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await until(lambda: house.link.actions._pending == {})


async def test_r12_a_megabyte_line_fails_only_its_action(fake: FakeAmi, make_house: MakeHouse) -> None:
    fake.answers["Setvar"] = lambda session, headers: success(
        headers, b"Value: " + b"x" * 1_048_576 + b"\r\n"
    )
    house = await make_house()
    await house.ready()
    with pytest.raises(ActionUnknown, match="longer than"):
        await house.link.act(SimpleAction("Setvar", Variable="X", Value="1"))
    assert house.link.actions.gauges.oversized == 1
    await house.link.act(SimpleAction("Ping"))
    assert len(house.resyncs) == 1


async def test_r12_a_truncated_answer_fails_as_unknown(fake: FakeAmi, make_house: MakeHouse) -> None:
    """Half a message, then the line is cut: the waiter learns it at once, not at the deadline."""

    def half(session: FakeSession, headers: dict[str, str]) -> None:
        session.send(success(headers)[:25])
        asyncio.get_running_loop().call_later(0.05, session.writer.close)

    fake.answers["Setvar"] = half
    house = await make_house()
    await house.ready()
    with pytest.raises(ActionUnknown, match="lost"):
        await house.link.act(SimpleAction("Setvar", Variable="X", Value="1"), deadline=30)
    await until(lambda: len(house.resyncs) == 2)
    await house.link.act(SimpleAction("Ping"))


async def test_r12_foreign_bytes_and_garbage_between_messages(fake: FakeAmi, make_house: MakeHouse) -> None:
    house = await make_house()
    await house.ready()
    name = "王伟".encode("gb18030")
    fake.events.send(
        b"\r\n\r\nwhat is this\r\n\r\n\xff\xfe\x00\r\n\r\nEvent: Newchannel\r\nCallerIDName: "
        + name
        + b"\r\n\r\n"
    )
    await until(lambda: "Newchannel" in house.names())
    assert house.events[-1].keys["CallerIDName"].encode("utf-8", "surrogateescape") == name
    assert house.link.events.gauges.unknown == 2
    assert len(house.resyncs) == 1


async def test_r12_a_list_that_never_ends_or_is_broken_off(fake: FakeAmi, make_house: MakeHouse) -> None:
    house = await make_house()
    await house.ready()
    fake.answers["QueueStatus"] = lambda session, headers: (
        fake.replies["QueueStatus"]
        .replace(b"{id}", headers["ActionID"].encode())
        .partition(b"Event: QueueStatusComplete")[0]
    )
    with pytest.raises(ActionUnknown):
        await house.link.act(SimpleAction("QueueStatus"), deadline=0.2)
    fake.answers["QueueStatus"] = lambda session, headers: (
        success(headers, b"EventList: start\r\n")
        + (b"Event: X\r\nActionID: " + headers["ActionID"].encode() + b"\r\nEventList: cancelled\r\n\r\n")
    )
    with pytest.raises(ActionRefused):
        await house.link.act(SimpleAction("QueueStatus"))
    assert house.link.actions._lists == 0
    del fake.answers["QueueStatus"]
    reply = await house.link.act(SimpleAction("QueueStatus"))
    assert [event.name for event in reply.events] == ["QueueParams"]


async def test_r12_two_lists_at_once(fake: FakeAmi, make_house: MakeHouse) -> None:
    house = await make_house()
    await house.ready()
    both = await asyncio.gather(
        house.link.act(SimpleAction("QueueStatus")), house.link.act(SimpleAction("CoreShowChannels"))
    )
    assert [[event.name for event in reply.events] for reply in both] == [["QueueParams"], []]


async def test_r12_no_banner(fake: FakeAmi, make_house: MakeHouse) -> None:
    fake.banner = None
    house = await make_house(Timing(connect=0.2, first_retry=0.05, longest_retry=0.1))
    trouble = await until(lambda: house.link.trouble)
    assert "does not answer in time" in str(trouble)
    fake.banner = b"Asterisk Call Manager/11.0.0\r\n"
    await house.ready()


async def test_another_program_on_the_port_gets_no_secret(fake: FakeAmi, make_house: MakeHouse) -> None:
    fake.banner = b"SSH-2.0-OpenSSH_9.2\r\n"
    house = await make_house(Timing(first_retry=0.05, longest_retry=0.1))
    trouble = await until(lambda: house.link.trouble)
    assert "ami_port" in str(trouble)
    assert all(EVENTS_SECRET.encode() not in session.raw for session in fake.sessions)


async def test_nobody_listens(fake: FakeAmi, make_house: MakeHouse) -> None:
    """The service stays up without a switch and finds it when it comes."""
    await fake.stop()
    house = await make_house()
    trouble = await until(lambda: house.link.trouble)
    assert isinstance(trouble, SwitchUnavailable)
    with pytest.raises(SwitchUnavailable):
        await house.link.act(SimpleAction("Ping"))
    await fake.start()
    await house.ready()


# -- R13: settings that cannot work --------------------------------------------------------------------------


async def test_r13_wrong_secret_names_the_line_and_is_retried(fake: FakeAmi, make_house: MakeHouse) -> None:
    fake.secrets["carelineevents"] = "another-secret-altogether"
    house = await make_house()
    trouble = await until(lambda: house.link.trouble)
    assert isinstance(trouble, CannotLogin)
    assert "telephony.switch.ami_events_secret" in str(trouble)
    assert "[carelineevents] in manager.conf" in str(trouble)
    assert EVENTS_SECRET not in str(trouble)
    fake.secrets["carelineevents"] = EVENTS_SECRET
    await house.ready()
    assert house.link.trouble is None


async def test_r13_a_user_without_originate(fake: FakeAmi, make_house: MakeHouse) -> None:
    full = fake.replies["ListCommands"]
    fake.replies["ListCommands"] = b"\r\n".join(
        line for line in full.split(b"\r\n") if not line.startswith((b"Originate:", b"QueueAdd:"))
    )
    house = await make_house()
    trouble = await until(lambda: house.link.trouble)
    assert isinstance(trouble, MissingRights)
    assert "agent, originate" in str(trouble)
    assert "write = originate,call,agent,reporting" in str(trouble)
    assert not house.link.is_ready
    fake.replies["ListCommands"] = full
    await house.ready()


async def test_r13_permission_denied_names_the_right(fake: FakeAmi, make_house: MakeHouse) -> None:
    fake.answers["QueueAdd"] = lambda session, headers: refusal(headers, b"Permission denied")
    house = await make_house()
    await house.ready()
    with pytest.raises(MissingRights, match=r"Add agent to the line `write =` of \[carelineactions\]"):
        await house.link.act(SimpleAction("QueueAdd", Queue="service", Interface="PJSIP/x"))


@pytest.mark.parametrize("how", ["banner", "settings"])
async def test_r13_too_old(fake: FakeAmi, make_house: MakeHouse, how: str) -> None:
    if how == "banner":
        fake.banner = b"Asterisk Call Manager/7.0.3\r\n"
    else:
        fake.replies["CoreSettings"] = fake.replies["CoreSettings"].replace(b": 22.10.1", b": 18.26.4")
    house = await make_house()
    trouble = await until(lambda: house.link.trouble)
    assert isinstance(trouble, CannotLogin)
    assert "too old" in str(trouble)
    assert "20 or later" in str(trouble)


async def test_s18_rights_that_are_too_wide_raise_an_alarm(fake: FakeAmi, make_house: MakeHouse) -> None:
    fake.replies["ListCommands"] = fake.replies["ListCommands"].replace(
        b"\r\nPing:", b"\r\nCommand: Execute Asterisk CLI Command.  (Priv: command,all)\r\nPing:"
    )
    house = await make_house()
    await house.ready()
    assert "rights" in house.kinds()


@pytest.mark.parametrize("secret", ["", "amp111", "carelineevents", "short", "MySecret"])
async def test_default_secrets_are_never_sent(fake: FakeAmi, make_house: MakeHouse, secret: str) -> None:
    house = await make_house(ami_events_secret=secret)
    trouble = await until(lambda: house.link.trouble)
    assert isinstance(trouble, CannotLogin)
    assert "telephony.switch.ami_events_secret" in str(trouble)
    assert [one for one in fake.sessions if one.with_events] == []


# -- R14: Originate ------------------------------------------------------------------------------------------


async def test_r14_acknowledgement_and_outcome_are_two_things(fake: FakeAmi, make_house: MakeHouse) -> None:
    house = await make_house()
    await house.ready()
    submission = await house.link.originate(originate(ActionID="dial-1"), deadline=5)
    assert not submission.outcome.done()
    # An answer for the same channel but another action closes nothing.
    fake.events.send(originate_response("dial-2", response="Failure", reason=0))
    fake.events.send(originate_response("dial-1"))
    outcome = await submission.wait()
    assert (outcome["Response"], outcome["Reason"]) == ("Success", "4")
    assert fake.received("Originate")[0]["Async"] == "true"


async def test_r14_the_outcome_may_come_before_the_acknowledgement(
    fake: FakeAmi, make_house: MakeHouse
) -> None:
    async def late(session: FakeSession, headers: dict[str, str]) -> bytes:
        fake.events.send(originate_response(headers["ActionID"], response="Failure", reason=5))
        await asyncio.sleep(0.1)
        return success(headers)

    fake.answers["Originate"] = late
    house = await make_house()
    await house.ready()
    submission = await house.link.originate(originate(), deadline=5)
    assert (await submission.wait())["Reason"] == "5"


async def test_r14_an_outcome_told_twice_counts_once(fake: FakeAmi, make_house: MakeHouse) -> None:
    house = await make_house()
    await house.ready()
    submission = await house.link.originate(originate(ActionID="dial-1"), deadline=5)
    fake.events.send(originate_response("dial-1"))
    fake.events.send(originate_response("dial-1", response="Failure", reason=0))
    assert (await submission.wait())["Response"] == "Success"
    await until(lambda: house.link.repeated_responses == 1)


async def test_r14_an_outcome_that_never_comes_ends_at_the_deadline(make_house: MakeHouse) -> None:
    house = await make_house()
    await house.ready()
    # Time for the acknowledgement, which has the same deadline.
    submission = await house.link.originate(originate(), deadline=SLACK + 0.5)
    with pytest.raises(ActionUnknown):
        await submission.wait()
    assert house.link._originated == {}


async def test_r14_a_refused_originate_leaves_nothing(fake: FakeAmi, make_house: MakeHouse) -> None:
    fake.answers["Originate"] = lambda session, headers: refusal(headers, b"Extension does not exist.")
    house = await make_house()
    await house.ready()
    with pytest.raises(ActionRefused, match="Extension does not exist"):
        await house.link.originate(originate(), deadline=5)
    assert house.link._originated == {}


async def test_r14_events_cut_while_dialing_makes_the_outcome_unknown(
    fake: FakeAmi, make_house: MakeHouse
) -> None:
    house = await make_house()
    await house.ready()
    submission = await house.link.originate(originate(), deadline=30)
    fake.events.reset()
    with pytest.raises(ActionUnknown):
        await submission.wait()
    await until(lambda: len(house.resyncs) == 2)
    assert len(fake.received("Originate")) == 1


# -- S01: what leaves ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "evil", ["x\r\nApplication: System\r\nData: touch f", "x\n\nAction: Ping", "王伟", "x\0", "x\u2028y"]
)
async def test_s01_nothing_forged_reaches_the_wire(fake: FakeAmi, make_house: MakeHouse, evil: str) -> None:
    house = await make_house()
    await house.ready()
    before = bytes(fake.orders.raw)
    with pytest.raises(Unsendable):
        await house.link.originate(originate(CallerID=evil), deadline=1)
    action = originate()
    action.variables = {"X": evil}
    with pytest.raises(Unsendable):
        await house.link.originate(action, deadline=1)
    await house.link.act(SimpleAction("Ping", ActionID="after-1"))
    assert fake.orders.raw[len(before) :] == b"Action: Ping\r\nActionID: after-1\r\n\r\n"
    assert house.link.actions._pending == {}
    assert house.link._originated == {}
