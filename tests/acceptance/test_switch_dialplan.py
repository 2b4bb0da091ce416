"""The rendered dialplan on a real Asterisk, with SIPp as carrier, callers and phones."""

from __future__ import annotations

import asyncio
import shutil
import time
from pathlib import Path

import pytest
from fixtures_switch import (
    DESK,
    SECRETS,
    AgiCall,
    MakeService,
    MakeSwitch,
    Manager,
    RunningSwitch,
    Script,
    StartSipp,
    free_udp,
    register,
    until,
)
from waiting import PATIENCE, SLACK

from telephony.asterisk import names
from telephony.asterisk.ami import AmiEvent
from telephony.asterisk.events import forwarded_leg
from telephony.options import FenceOptions, HotlineOptions, QueueOptions, TrunkOptions, VoicemailOptions

pytestmark = pytest.mark.asterisk

#: Made only if a caller's name were run.
TRAP = Path("/tmp/careline-r37-was-here")


def route(word: str, **variables: str) -> Script:
    """A service that answers, sets variables and gives one route."""

    async def script(call: AgiCall) -> None:
        await call.do("ANSWER")
        for name, value in variables.items():
            await call.do(f"SET VARIABLE {name} {value}")
        await call.do(f"SET VARIABLE {names.IVR_DONE} {word}")

    return script


async def test_r17_dead_service_leads_to_a_person_in_three_seconds(
    switch: RunningSwitch, sipp: StartSipp
) -> None:
    """R17: nobody listens on the FastAGI port; a paused agent's phone rings all the same."""
    phone = await register(sipp, switch)
    await switch.command(f"queue add member PJSIP/{DESK.endpoint} to service penalty 0 as {DESK.owner_id}")
    await switch.command(f"queue pause member PJSIP/{DESK.endpoint} queue service")
    await switch.command(f"queue pause member PJSIP/{DESK.endpoint}")
    caller = await sipp(switch, "caller_stays")
    await until(lambda: switch.entered(names.FALLBACK_QUEUE), saying="in the fallback queue")
    assert switch.seconds_since_arrival() < 3.0 + SLACK
    await until(phone.answered, saying="the phone was answered")
    # The phone may have its ACK before the queue knows of the answer.
    await until(lambda: switch.connected(DESK.owner_id), saying="they are connected")
    await switch.hang_up()
    assert await caller.done() == 0, caller.errors()
    await until(lambda: phone.conversations() == 1, saying="the phone had the conversation")
    await until(lambda: any(names.FALLBACK_UNSET in told for told in switch.told(names.CEL_FALLBACK)))
    await until(lambda: _no_channels(switch), saying="no channel is left")


async def test_r17_service_killed_in_the_call(
    switch: RunningSwitch, sipp: StartSipp, make_service: MakeService
) -> None:
    """R17: the connection breaks while a step runs; AGISTATUS would say SUCCESS."""
    phone = await register(sipp, switch)
    broken: list[float] = []

    async def dies(call: AgiCall) -> None:
        await call.do("ANSWER")
        await call.do("SET VARIABLE TIMEOUT(absolute) 30")
        call.writer.write(b"WAIT FOR DIGIT 20000\n")
        await asyncio.sleep(0.5)  # the step is under way
        call.writer.transport.abort()
        broken.append(time.monotonic())

    await make_service(switch, dies)
    caller = await sipp(switch, "caller_stays")
    await until(lambda: broken)
    await until(lambda: switch.entered(names.FALLBACK_QUEUE), 3.0 + SLACK, saying="in the fallback queue")
    await until(phone.answered, saying="the phone was answered")
    await switch.hang_up()
    assert await caller.done() == 0, caller.errors()
    await until(lambda: phone.conversations() == 1, saying="the phone had the conversation")


@pytest.mark.parametrize(("armed", "budget"), [(None, 3.0), (2, 2.0)])
async def test_r17_silent_service(
    make_switch: MakeSwitch, sipp: StartSipp, make_service: MakeService, armed: int | None, budget: float
) -> None:
    """R17: the service accepts and says nothing more, at once or after it had set its own budget."""
    switch = await make_switch(first_step_seconds=3.0)
    phone = await register(sipp, switch)
    silent: list[float] = []

    async def hangs(call: AgiCall) -> None:
        if armed is not None:
            await call.do("ANSWER")
            await call.do(f"SET VARIABLE TIMEOUT(absolute) {armed}")
        silent.append(time.monotonic())
        await asyncio.sleep(60)

    await make_service(switch, hangs)
    caller = await sipp(switch, "caller_stays")
    await until(lambda: silent)
    await until(lambda: switch.entered(names.FALLBACK_QUEUE), saying="in the fallback queue")
    assert time.monotonic() - silent[0] < budget + 3.0 + SLACK
    (told,) = await until(lambda: switch.told(names.CEL_FALLBACK))
    assert names.FALLBACK_SILENT in told
    await until(phone.answered, saying="the phone was answered")
    await switch.hang_up()
    assert await caller.done() == 0, caller.errors()
    await until(lambda: _no_channels(switch), saying="no channel is left in the hung AGI")


async def test_hang_up_in_a_hung_agi_frees_the_channel(
    switch: RunningSwitch, sipp: StartSipp, make_service: MakeService
) -> None:
    """R17: AGIEXITONHANGUP; the caller gives up while the service is silent."""

    async def hangs(call: AgiCall) -> None:
        await call.do("ANSWER")
        await call.do("SET VARIABLE TIMEOUT(absolute) 300")
        await asyncio.sleep(60)

    await make_service(switch, hangs)
    caller = await sipp(switch, "caller", stay=1000)
    assert await caller.done() == 0, caller.errors()
    await until(lambda: _no_channels(switch), 3.0 + SLACK, saying="the channel is gone")


async def test_no_phone_at_all_ends_in_voicemail(make_switch: MakeSwitch, sipp: StartSipp) -> None:
    """Dead service and nobody registered: the caller leaves a message that is kept although he hangs up."""
    switch = await make_switch(prompts=False)
    caller = await sipp(switch, "speaker")
    folder = switch.data / "voicemail"
    least = 16_000 * (switch.options.voicemail.shortest_seconds + 1)  # bytes; with less nothing was said
    await until(
        lambda: [path for path in folder.glob("*.wav") if path.stat().st_size > least],
        saying="the message is being recorded",
    )
    await caller.hang_up()
    assert await caller.done() == 0, caller.errors()
    await until(lambda: switch.told(names.CEL_VOICEMAIL), saying="the message is told")
    (file,) = folder.glob("*.wav")
    assert file.name in switch.told(names.CEL_VOICEMAIL)[0]


async def test_every_number_is_answered(
    switch: RunningSwitch, sipp: StartSipp, make_service: MakeService
) -> None:
    """No call ends in 404 without a record: unknown numbers, letters, h and t reach the service, signed."""
    service = await make_service(switch, route("hangup"))
    called = ["4008001234", "999", "+8621000", "info", "*21", "a.b"]
    for number in called:
        run = await sipp(switch, "caller", number, stay=50)
        await run.done()
    await until(lambda: len(service.calls) >= len(called), saying="every call reached the service")
    assert [call.arguments[3] for call in service.calls[:4]] == called[:4]
    for call in service.calls:
        assert call.environment["agi_network_script"] == "ivr"
        assert call.arguments[0] == call.environment["agi_uniqueid"]
        assert call.is_signed(switch.secrets.agi_secret)

    def started() -> int:
        return len([row for row in switch.cel() if row["eventtype"] == "CHAN_START"])

    await until(lambda: started() >= len(called), saying="every call is in the switch's own log")
    assert started() == len(called)


@pytest.mark.parametrize(
    ("user", "name", "number"),
    [
        ("anonymous", '"Anonymous"', "anonymous"),
        ("0086-138-0013-8000", "", "008613800138000"),
        ("+8613800138000", '"<img src=x onerror=alert(1)>=1+1"', "+8613800138000"),
        ("1" * 40, "", "1" * 40),
        ("9" * 90, "", "9" * 64),
        ("$%7BSHELL(id)%7D", '"${SHELL(touch /tmp/careline-r37-was-here)}"', "SHELLid"),
        ("a)b,c", '"x,y)z"', "abc"),
        ("13800138000%3Bext", '"王伟"', "13800138000"),
    ],
)
async def test_r37_odd_callers(
    switch: RunningSwitch, sipp: StartSipp, make_service: MakeService, user: str, name: str, number: str
) -> None:
    """R37: hidden, decorated and hostile callers arrive as digits and letters, never as dialplan."""
    service = await make_service(switch, route("hangup"))
    run = await sipp(switch, "caller", stay=50, name=name, **{"from": user})
    await run.done()
    await until(lambda: service.calls, saying="the call reached the service")
    environment = service.calls[0].environment
    assert environment["agi_callerid"] == number
    assert environment["agi_calleridname"] in ("unknown", "")
    assert not await asyncio.to_thread(TRAP.exists)


async def test_queue_route_and_exit_key(
    switch: RunningSwitch, sipp: StartSipp, make_service: MakeService
) -> None:
    """A route leads into a queue; a key by SIP INFO leads out of it, to the service's second script."""
    said: list[AgiCall] = []

    async def script(call: AgiCall) -> None:
        said.append(call)
        word = (
            "voicemail-service"
            if call.environment["agi_network_script"] == names.AGI_EXIT
            else "queue-service-7-60"
        )
        await route(word)(call)

    await make_service(switch, script)
    await switch.command(f"queue add member PJSIP/{DESK.endpoint} to service penalty 0 as {DESK.owner_id}")
    caller = await sipp(switch, "caller_info_key", digit="1")
    await until(lambda: switch.entered("service"), saying="in the queue")
    assert switch.seconds_since_arrival() < 3.0 + SLACK
    await until(lambda: len(said) == 2, saying="the key led out of the queue")
    assert said[1].arguments[3:] == ["service", "1"]
    assert said[1].is_signed(switch.secrets.agi_secret)
    await switch.hang_up()
    assert await caller.done() == 0, caller.errors()


async def test_sip_info_key_reaches_the_menu(
    switch: RunningSwitch, sipp: StartSipp, make_service: MakeService
) -> None:
    """Keys by SIP INFO, from a carrier that offers no RTP events."""
    keys: list[str] = []

    async def menu(call: AgiCall) -> None:
        await call.do("ANSWER")
        await call.do("SET VARIABLE TIMEOUT(absolute) 20")
        keys.append(await call.do("WAIT FOR DIGIT 8000"))
        await call.do(f"SET VARIABLE {names.IVR_DONE} hangup")

    await make_service(switch, menu)
    caller = await sipp(switch, "caller_info_key", digit="5")
    await until(lambda: keys, saying="the key arrived")
    assert keys[0] == f"200 result={ord('5')}"
    assert await caller.done() == 0, caller.errors()


async def test_agent_first_then_queue(
    switch: RunningSwitch, sipp: StartSipp, make_service: MakeService
) -> None:
    """The agent who served the caller last is rung; the conversation is recorded only because of the notice."""
    phone = await register(sipp, switch)
    await make_service(switch, route(f"agent-{DESK.endpoint}-10-service-3", CL_RECORD="yes"))
    caller = await sipp(switch, "caller_stays")
    await until(phone.answered, saying="the phone was answered")
    # The phone may have its ACK before the switch begins to record.
    await until(lambda: switch.told(names.CEL_RECORDING), saying="the recording has begun")
    await asyncio.sleep(1.0)  # there is something to record
    await switch.hang_up()
    assert await caller.done() == 0, caller.errors()
    await until(lambda: phone.conversations() == 1, saying="the phone had the conversation")
    (told,) = switch.told(names.CEL_RECORDING)
    files = [path.name for path in (switch.data / "recordings").glob("*.wav")]
    assert len(files) == 1
    assert files[0] in told
    assert not switch.queue_log() or not switch.entered("service")


async def test_c08_no_notice_no_recording(
    switch: RunningSwitch, sipp: StartSipp, make_service: MakeService
) -> None:
    """C08: the notice was refused or never given: no file exists."""
    phone = await register(sipp, switch)
    await make_service(switch, route(f"agent-{DESK.endpoint}-10-service-3", CL_RECORD="no"))
    caller = await sipp(switch, "caller_stays")
    await until(phone.answered, saying="the phone was answered")
    await asyncio.sleep(0.5)  # there was something to record
    await switch.hang_up()
    assert await caller.done() == 0, caller.errors()
    assert not list((switch.data / "recordings").glob("*.wav"))
    assert not switch.told(names.CEL_RECORDING)


async def test_r39_recordings_folder_is_gone(
    switch: RunningSwitch, sipp: StartSipp, make_service: MakeService
) -> None:
    """R39: the call goes on without a recording, and the log says so."""
    phone = await register(sipp, switch)
    shutil.rmtree(switch.data / "recordings")
    await make_service(switch, route(f"agent-{DESK.endpoint}-10-service-3", CL_RECORD="yes"))
    caller = await sipp(switch, "caller_stays")
    await until(phone.answered, saying="the phone was answered")
    await until(lambda: switch.told(names.CEL_RECORDING_FAILED), saying="it is told")
    await switch.hang_up()
    assert await caller.done() == 0, caller.errors()
    await until(lambda: phone.conversations() == 1, saying="the phone had the conversation")


async def test_busy_agent_is_passed_over(
    switch: RunningSwitch, sipp: StartSipp, make_service: MakeService
) -> None:
    """An agent whose phone is away is not rung: the caller is in the queue at once, in the chosen language."""
    await make_service(switch, route(f"agent-{DESK.endpoint}-10-service-3", CL_LANG="en"))
    caller = await sipp(switch, "caller_stays")
    await until(lambda: switch.entered("service"), saying="in the queue")
    languages = await switch.command("core show channels concise")
    channel = languages.splitlines()[0].split("!")[0]
    assert "Language: en" in " ".join((await switch.command(f"core show channel {channel}")).split())
    await switch.hang_up()
    assert await caller.done() == 0, caller.errors()


async def test_unknown_route_goes_to_the_fallback(
    switch: RunningSwitch, sipp: StartSipp, make_service: MakeService
) -> None:
    """A route that names nothing of ours does not end the call."""
    phone = await register(sipp, switch)
    await make_service(switch, route("queue-nosuchqueue-1-30"))
    caller = await sipp(switch, "caller_stays")
    await until(lambda: switch.entered(names.FALLBACK_QUEUE), saying="in the fallback queue")
    await until(phone.answered, saying="the phone was answered")
    await switch.hang_up()
    assert await caller.done() == 0, caller.errors()
    await until(lambda: any(names.FALLBACK_ROUTE in told for told in switch.told(names.CEL_FALLBACK)))


async def test_overflow_then_voicemail(
    make_switch: MakeSwitch, sipp: StartSipp, make_service: MakeService
) -> None:
    """A wait that is over leads to the overflow queue; nobody there either: a message, though queues are circular."""
    queues = {
        "first": QueueOptions(max_wait_seconds=10, overflow="second"),
        "second": QueueOptions(max_wait_seconds=10, overflow="first", no_agents="voicemail", fallback=True),
    }
    switch = await make_switch(queues=queues, voicemail=VoicemailOptions(longest_seconds=10), prompts=False)
    await make_service(switch, route("queue-first-0-1"))
    caller = await sipp(switch, "caller_stays")
    await until(lambda: switch.entered("first"))
    await until(lambda: list((switch.data / "voicemail").glob("*.wav")), saying="a message is recorded")
    await switch.hang_up()
    assert await caller.done() == 0, caller.errors()


@pytest.mark.parametrize(
    "number", ["+88212345678", "005312345678", "00531234567", "1-900-555-0199", "+19005550199", "88", "h"]
)
async def test_s16_forbidden_numbers(switch: RunningSwitch, sipp: StartSipp, number: str) -> None:
    """S16: a phone that knows its password still cannot dial outside the allow-list."""
    run = await sipp(switch, "phone_refused", number, user=DESK.endpoint, secret=DESK.secret)
    if number != "h":
        assert await run.done() == 0, run.errors()
        await until(lambda: switch.told(names.CEL_REFUSED), saying="the refusal is told")
    else:
        await run.done()
    assert not [row for row in switch.cel() if names.TRUNK in row["channame"]]


async def test_s16_allowed_number_reaches_the_carrier(make_switch: MakeSwitch, sipp: StartSipp) -> None:
    """What agents write becomes E.164; the endpoint's name does not leave the house; caps trip after that."""
    trunk = TrunkOptions(port=free_udp())
    switch = await make_switch(trunk=trunk, fences=FenceOptions(calls_per_hour=2))
    carrier = await sipp(switch, "answers", port=trunk.port, calls=1000)
    for number in ("13800138000", "02162345678"):
        run = await sipp(switch, "phone_dials", number, stay=300, user=DESK.endpoint, secret=DESK.secret)
        assert await run.done() == 0, run.errors()
    third = await sipp(switch, "phone_refused", "13800138001", user=DESK.endpoint, secret=DESK.secret)
    assert await third.done() == 0, third.errors()
    (told,) = await until(lambda: switch.told(names.CEL_REFUSED), saying="the refusal is told")
    assert names.FENCE_HOUR in told
    await until(lambda: carrier.conversations() == 2, saying="two conversations")
    messages = carrier.messages()
    assert "INVITE sip:+8613800138000@" in messages
    assert "INVITE sip:+862162345678@" in messages
    assert "4008001234" in messages
    assert DESK.endpoint not in messages


#: As a SIP user part: a number, and dial strings that would pass by the dialplan.
FORWARDS = [
    "13800138000",
    "PJSIP%2F13800138000%40careline-trunk",
    "Local%2F%2B8613800138000%40careline-outbound",
]


@pytest.mark.parametrize("target", FORWARDS)
@pytest.mark.parametrize("how", ["queue", "agent", "fallback"])
async def test_s16_a_phone_cannot_forward_a_caller_outside(
    make_switch: MakeSwitch, sipp: StartSipp, make_service: MakeService, how: str, target: str
) -> None:
    """S16: 302 from our own phone dials nothing, and the caller goes on waiting."""
    trunk = TrunkOptions(port=free_udp())
    switch = await make_switch(trunk=trunk, prompts=False)
    carrier = await sipp(switch, "answers", port=trunk.port, calls=1000)
    phone = await register(sipp, switch, scenario="redirects", to=target)
    await switch.command(f"queue add member PJSIP/{DESK.endpoint} to service penalty 0 as {DESK.owner_id}")
    if how != "fallback":
        word = "queue-service-3-60" if how == "queue" else f"agent-{DESK.endpoint}-10-service-3"
        await make_service(switch, route(word))
    caller = await sipp(switch, "caller_stays")
    await until(lambda: "302 Moved" in phone.messages(), saying="the phone was rung and forwards")
    await asyncio.sleep(2.0)  # somebody else could be dialed
    assert caller.process.returncode is None
    await switch.hang_up()
    assert await caller.done() == 0, caller.errors()
    assert "INVITE" not in carrier.messages()
    assert not [row for row in switch.cel() if row["channame"].startswith("Local/")]


@pytest.mark.parametrize("target", FORWARDS)
async def test_s16_a_phone_cannot_forward_what_the_service_places(
    make_switch: MakeSwitch, sipp: StartSipp, target: str
) -> None:
    """S16: 302 to the first leg of a click-to-call. A number reaches nobody outside; a dial string does, since
    nothing in Asterisk prevents it, but the service knows the leg by its DialBegin and ends it.
    """
    leg = "01TESTCALL0000000000000000"
    trunk = TrunkOptions(port=free_udp())
    switch = await make_switch(trunk=trunk, prompts=False)
    carrier = await sipp(switch, "answers", port=trunk.port, calls=1000)
    phone = await register(sipp, switch, scenario="redirects", to=target)
    account = switch.options.switch
    events, answer = await Manager.login(switch, account.ami_events_user, SECRETS.ami_events_secret)
    assert answer["Response"] == "Success"
    manager, answer = await Manager.login(switch, account.ami_actions_user, SECRETS.ami_actions_secret)
    assert answer["Response"] == "Success"
    placed = await manager.ask(
        "Originate",
        Channel=f"PJSIP/{DESK.endpoint}",
        Context=names.OUTBOUND,
        Exten="+8613900139000",
        Priority="1",
        Timeout="5000",
        Async="true",
        ChannelId=leg,
        OtherChannelId=f"{leg}-2",
    )
    assert placed["Response"] == "Success", placed
    await until(lambda: "302 Moved" in phone.messages(), saying="the phone was rung and forwards")
    if "%2F" in target:
        channel = ""
        async with asyncio.timeout(PATIENCE):
            while not channel:
                event = AmiEvent(await events.reader.readuntil(b"\r\n\r\n"))
                channel = forwarded_leg(event.name, event.get)
        assert DESK.endpoint not in channel
        await manager.ask("Hangup", Channel=channel)
    await until(lambda: _no_channels(switch), saying="nothing is dialed any more")
    assert "%2F" in target or "INVITE" not in carrier.messages()
    await manager.close()
    await events.close()


async def test_s16_trunk_cap_counts_both_directions(
    make_switch: MakeSwitch, sipp: StartSipp, make_service: MakeService
) -> None:
    """With one channel on the trunk a second call in is refused with 503 and told."""
    switch = await make_switch(trunk=TrunkOptions(port=free_udp(), channels=1))
    await make_service(switch, route("queue-service-0-60"))
    first = await sipp(switch, "caller_stays")
    await until(lambda: switch.entered("service"))
    second = await sipp(switch, "caller", stay=100)
    await until(lambda: switch.told(names.CEL_REFUSED), saying="the second call is refused")
    assert any(names.FENCE_CHANNELS in told for told in switch.told(names.CEL_REFUSED))
    assert await second.done() != 0
    assert "503" in second.messages()
    await switch.hang_up()
    assert await first.done() == 0, first.errors()


async def test_last_resort_phone_rings(make_switch: MakeSwitch, sipp: StartSipp) -> None:
    """Dead service, no phone registered: the number that settings name rings, through the fences."""
    trunk = TrunkOptions(port=free_udp())
    switch = await make_switch(trunk=trunk, hotline=HotlineOptions(last_resort_phone="+8613900139000"))
    carrier = await sipp(switch, "answers", port=trunk.port, calls=1000)
    caller = await sipp(switch, "caller_stays")
    await until(carrier.answered, saying="the number was rung and answered")
    await switch.hang_up()
    assert await caller.done() == 0, caller.errors()
    await until(lambda: carrier.conversations() == 1, saying="the carrier had the conversation")
    assert "INVITE sip:+8613900139000@" in carrier.messages()


async def test_stranger_with_a_phones_name_is_asked_for_a_password(
    switch: RunningSwitch, sipp: StartSipp
) -> None:
    """An outside caller whose From user equals an endpoint's name does not get in (pbx.md)."""
    run = await sipp(switch, "caller", stay=50, **{"from": DESK.endpoint})
    assert await run.done() != 0
    assert "401" in run.messages()


async def _no_channels(switch: RunningSwitch) -> bool:
    return await switch.channels() == 0
