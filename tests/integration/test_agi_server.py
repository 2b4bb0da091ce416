"""The FastAGI server on a socket: a switch that behaves, one that does not, and attackers (S04, R17 service side)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from waiting import PATIENCE, SLACK, until

from config.menus import house, limits, load_menus, load_prompts
from config.settings import Settings
from ivr.asterisk import server as agi
from ivr.asterisk.protocol import digest_of
from ivr.asterisk.server import AgiServer, Door
from ivr.host import Host, Menus
from ivr.loader import read_flow
from ivr.ports import (
    AskCallback,
    AskOptOut,
    AskTask,
    AskText,
    Found,
    Known,
    Ports,
    QueueView,
    Registered,
    Servant,
    Unavailable,
    Working,
)
from telephony.facts import Fact, FactKind
from telephony.hours import OpenState
from telephony.numbers import parse
from telephony.options import RatingOptions

SECRET = "a-long-secret"
SETTINGS = Settings()
#: How each sound of a prompt begins on the wire.
PROMPTS = ("GET DATA",)


@dataclass
class House:
    """Ports and journal of a house that works, and can be told not to; order tells what happened when."""

    order: list[str] = field(default_factory=list)
    facts: list[Fact] = field(default_factory=list)
    customers: dict[str, Known] = field(default_factory=dict)
    blocked: set[str] = field(default_factory=set)
    away: bool = False
    slow: float = 0.0
    journal_away: bool = False
    live: bool = True
    queue: QueueView = field(
        default_factory=lambda: QueueView(ready=1, signed_in=1, position=1, expected_wait=None)
    )
    desk: OpenState = OpenState.OPEN

    async def record(self, *facts: Fact) -> None:
        if self.journal_away:
            raise Unavailable("the log is away")
        self.order.extend(str(fact.kind) for fact in facts)
        self.facts.extend(facts)

    async def secure(self, *facts: Fact) -> None:
        await self.record(*facts)

    async def by_number(self, number: str, now: datetime) -> Found:
        await asyncio.sleep(self.slow)
        if self.away:
            raise Unavailable("away")
        known = (self.customers[number],) if number in self.customers else ()
        return Found(customers=known, blocked=number in self.blocked)

    async def by_tail(self, kind: str, keys: str, among: Sequence[str]) -> Sequence[Known]:
        return []

    def at_work(self, now: datetime) -> Working:
        return Working(desk=self.desk, opens_at=now + timedelta(hours=2))

    def view(self, queue: str, priority: int) -> QueueView:
        return self.queue

    async def servant(self, customer_id: str, who: Sequence[str], queue: str) -> Servant:
        return Servant(endpoint=None)

    async def callback(self, request: AskCallback, now: datetime) -> Registered:
        self.order.append(f"callback {request.number} {request.queue} {request.call_id}")
        return Registered(promised_at=now + timedelta(minutes=30), number=request.number)

    async def task(self, request: AskTask, now: datetime) -> bool:
        return True

    async def opt_out(self, request: AskOptOut, now: datetime) -> bool:
        self.order.append(f"opt_out {request.number}")
        return True

    async def send(self, request: AskText, now: datetime) -> bool:
        return False

    async def is_live(self, uniqueid: str) -> bool:
        return self.live

    def pressed(self) -> list[tuple[object, object]]:
        """Node and keys of every step in the log."""
        return [
            (fact.data["node"], fact.data["keys"])
            for fact in self.facts
            if fact.kind is FactKind.IVR_STEP and fact.data["keys"]
        ]


class Clock:
    """The machine's clock, shifted."""

    def __init__(self) -> None:
        self.shift = timedelta()

    def now(self) -> datetime:
        return datetime.now(UTC) + self.shift

    def monotonic(self) -> float:
        return time.monotonic()


@dataclass
class Desk:
    """A running server."""

    house: House
    host: Host
    server: AgiServer
    port: int
    clock: Clock
    writers: list[asyncio.StreamWriter] = field(default_factory=list)


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    there, clock = House(), Clock()
    ports = Ports(directory=there, calendar=there, queues=there, tasks=there, suppression=there, texts=there)
    host = Host(
        menus=load_menus(SETTINGS),
        ports=ports,
        journal=there,
        book=load_prompts(SETTINGS),
        limits=limits(SETTINGS),
        number_of=parse,
        clock=clock,
    )
    server = AgiServer(host.serve, Door(secret=SECRET, most_calls=20), clock, there)
    port = await server.start("127.0.0.1", 0)
    running = Desk(there, host, server, port, clock)
    yield running
    await server.close(0.1)
    for writer in running.writers:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()
    await host.drain()
    assert server.calls == 0
    assert not server.connections


async def connect(desk: Desk) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection that the fixture closes in the end."""
    reader, writer = await asyncio.open_connection("127.0.0.1", desk.port)
    desk.writers.append(writer)
    return reader, writer


class Switch:
    """One FastAGI connection from the switch's side."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.said: list[str] = []

    @classmethod
    async def call(
        cls,
        desk: Desk,
        *,
        uniqueid: str = "t-1.1",
        secret: str = SECRET,
        age: float = 0,
        caller: str = "13911112222",
        script: str = "ivr",
        subject: str = "4008001234",
        key: str = "",
    ) -> Switch:
        switch = cls(*await connect(desk))
        epoch = int(desk.clock.now().timestamp() - age)
        lines = [
            f"agi_network_script: {script}",
            f"agi_uniqueid: {uniqueid}",
            f"agi_callerid: {caller}",
            f"agi_arg_1: {uniqueid}",
            f"agi_arg_2: {epoch}",
            f"agi_arg_3: {digest_of(secret, uniqueid, epoch)}",
            f"agi_arg_4: {subject}",
        ]
        if key:
            lines.append(f"agi_arg_5: {key}")
        switch.writer.write(("\n".join(lines) + "\n\n").encode())
        return switch

    async def command(self) -> str:
        """The next command, "" where the service closed the connection."""
        async with asyncio.timeout(PATIENCE):
            try:
                line = (await self.reader.readline()).decode().strip()
            except ConnectionResetError:
                line = ""
        self.said.append(line)
        return line

    async def press(self, keys: str, status: str = "") -> str:
        """Answer the next prompt with keys; none is silence, `status` HANGUP a sound that is not there."""
        line = await self.hear(*PROMPTS)
        while line.split()[-2] == "1":  # not the last sound of the list
            self.writer.write(f"200 result={'-1' if status else ' (timeout)'}\n".encode())
            line = await self.hear(*PROMPTS)
        value = "-1" if status else keys or " (timeout)"
        self.writer.write(f"200 result={value}\n".encode())
        return line

    async def hear(self, *starts: str) -> str:
        """Answer commands as a switch does until one begins with one of `starts`; leave that one open."""
        while True:
            line = await self.command()
            assert line, self.said
            if line.startswith(starts):
                return line
            self.writer.write(b"200 result=0\n")

    async def answer_to(self, start: str, result: str) -> str:
        """Answer commands until one begins with `start`; answer that with `result`."""
        line = await self.hear(start)
        self.writer.write(f"200 result={result}\n".encode())
        return line

    async def closed(self) -> bool:
        """Whether the service closed without a word."""
        return await self.command() == ""

    def close(self) -> None:
        self.writer.close()


# --- a call as it should be ---


async def test_a_caller_is_logged_before_the_greeting_and_routed_as_the_last_act(desk: Desk) -> None:
    desk.house.customers["+8613911112222"] = Known(customer_id="C1", key_customer=True)
    switch = await Switch.call(desk)
    assert await switch.command() == "ANSWER"
    assert desk.house.order == ["ivr_started"]
    switch.writer.write(b"200 result=0\n")
    await switch.press("")
    await switch.press("2")
    done = await switch.answer_to("EXEC MSet", "0")
    assert await switch.closed()
    call_id = desk.house.facts[0].data["call_id"]
    assert done == f"EXEC MSet CL_CALL={call_id},CL_LANG=zh-CN,CL_RECORD=yes,IVR_DONE=queue-sales-10-300"
    assert desk.house.order[-1] == "ivr_ended"
    assert desk.house.facts[-1].data == {"route": "queue-sales-10-300", "outcome": "routed"}
    assert desk.house.pressed() == [("main", "2")]
    keys = [fact.key for fact in desk.house.facts]
    assert len(set(keys)) == len(keys)


async def test_the_dead_mans_switch_is_armed_once_before_all_sounds_of_a_menu(desk: Desk) -> None:
    switch = await Switch.call(desk)
    await switch.press("")
    await switch.press("2")
    await switch.answer_to("EXEC MSet", "0")
    prompts = [number for number, line in enumerate(switch.said) if line.startswith(PROMPTS)]
    asked = [switch.said[number] for number in prompts if switch.said[number].split()[-2] != "1"]
    assert len(asked) == 2
    assert switch.said[prompts[0] - 1].startswith("SET VARIABLE TIMEOUT(absolute) ")
    for number in prompts:  # sounds of one list follow each other at once
        if switch.said[number].split()[-2] == "1":
            assert switch.said[number + 1].startswith(PROMPTS)


async def test_the_result_is_stored_before_the_last_prompt(desk: Desk) -> None:
    """reliability.md 1.3, step 4: what the caller chose is committed before he hears it confirmed."""
    switch = await Switch.call(desk)
    await switch.press("")
    await switch.press("7")
    await switch.press("1")
    await switch.hear("STREAM FILE")
    assert "opt_out +8613911112222" in desk.house.order
    assert desk.house.order[-2:] == ["opted_out", "ivr_ended"]
    switch.writer.write(b"200 result=0\n")
    assert (await switch.answer_to("EXEC MSet", "0")).endswith("IVR_DONE=hangup")


async def test_refusing_the_recording_leaves_the_variable_unset(desk: Desk) -> None:
    """C08."""
    switch = await Switch.call(desk)
    await switch.press("9")
    await switch.press("2")
    assert "CL_RECORD" not in await switch.answer_to("EXEC MSet", "0")
    notice = next(fact for fact in desk.house.facts if fact.kind is FactKind.NOTICE_GIVEN)
    assert notice.data["refused"] is True


async def test_a_caller_who_leaves_the_queue_keeps_call_and_language(desk: Desk) -> None:
    switch = await Switch.call(desk, script="queue-exit", subject="sales", key="1")
    assert await switch.command() == "GET FULL VARIABLE ${CL_CALL}/${CL_LANG}"
    switch.writer.write(b"200 result=1 (01M7/en)\n")
    done = await switch.answer_to("EXEC MSet", "0")
    assert done == "EXEC MSet CL_CALL=01M7,CL_LANG=en,IVR_DONE=hangup"
    assert "callback +8613911112222 sales 01M7" in desk.house.order
    assert "ivr_started" not in desk.house.order


async def test_a_rating_is_a_key_and_a_value_and_leaves_the_route_alone(desk: Desk) -> None:
    """Feature 22: in the language spoken before; the facts are the old call's."""
    rating = SETTINGS.model_copy(
        update={
            "telephony": SETTINGS.telephony.model_copy(update={"rating": RatingOptions(enabled=True)}),
        }
    )
    desk.host.menus = load_menus(rating)
    switch = await Switch.call(desk, script="rating", subject="sales")
    assert await switch.command() == "GET FULL VARIABLE ${CL_CALL}/${CL_LANG}"
    switch.writer.write(b"200 result=1 (01M7/en)\n")
    assert "/en/rating_ask" in await switch.press("4")
    assert "/en/rating_thanks" in await switch.answer_to("STREAM FILE", "0")
    done = await switch.answer_to("EXEC MSet", "0")
    assert done == "EXEC MSet CL_CALL=01M7,CL_LANG=en,IVR_DONE=hangup"
    assert desk.house.order == ["rating_asked", "ivr_step", "rated", "ivr_ended"]
    asked, step, rated, ended = desk.house.facts
    assert (asked.data, rated.data) == ({"queue": "sales"}, {"rating": 4})
    assert (step.data["node"], step.data["keys"]) == ("rating", "4")
    assert ended.data["route"] == "", "where the menu led before stays the call's route"


async def test_a_house_that_asks_nobody_closes_the_rating_at_once(desk: Desk) -> None:
    switch = await Switch.call(desk, script="rating", subject="sales")
    assert await switch.closed()
    assert not desk.house.facts


async def test_a_blocked_caller_hears_one_sentence_in_both_languages(desk: Desk) -> None:
    """Feature 20."""
    desk.house.blocked.add("+8613911112222")
    switch = await Switch.call(desk)
    first = await switch.answer_to("STREAM FILE", "0")
    second = await switch.answer_to("STREAM FILE", "0")
    assert "/zh-CN/caller_blocked" in first
    assert "/en/caller_blocked" in second
    assert (await switch.answer_to("EXEC MSet", "0")).endswith("IVR_DONE=hangup")
    assert desk.house.order == ["ivr_started", "identified", "refused", "ivr_ended"]
    assert desk.house.facts[2].data == {"rule": "blocked"}


async def test_a_steps_keys_are_stored_within_two_seconds_while_the_caller_thinks(desk: Desk) -> None:
    switch = await Switch.call(desk)
    await switch.press("")
    await switch.press("8")
    await switch.hear(*PROMPTS)
    await until(lambda: ("main", "8") in desk.house.pressed())
    switch.close()
    await until(lambda: desk.house.order[-1] == "ivr_ended")


async def test_callers_odd_numbers_are_served_and_tied_to_nobody(desk: Desk) -> None:
    """R37."""
    desk.house.customers["+8613911112222"] = Known(customer_id="C1")
    found: dict[str, object] = {}
    numbers = ["unknown", "anonymous", "abc", "1" * 40, "008613911112222", "+8613911112222", "13911112222"]
    for index, caller in enumerate(numbers):
        switch = await Switch.call(desk, uniqueid=f"t-{index}.1", caller=caller)
        await switch.press("")
        await switch.press("2")
        await switch.answer_to("EXEC MSet", "0")
        last = [fact for fact in desk.house.facts if fact.kind is FactKind.IDENTIFIED][-1]
        found[caller] = last.data["customer_id"] or last.data["explained"]
    assert found == {
        "unknown": "hidden_number",
        "anonymous": "hidden_number",
        "abc": "unreadable_number",
        "1" * 40: "unreadable_number",
        "008613911112222": "C1",
        "+8613911112222": "C1",
        "13911112222": "C1",
    }


# --- R17, the service's side ---


async def test_hanging_up_in_the_menu_ends_the_call_in_the_log(desk: Desk) -> None:
    for index, goodbye in enumerate((b"HANGUP\n", b"", b"511 dead\n", b"200 res")):
        switch = await Switch.call(desk, uniqueid=f"t-{index}.1")
        await switch.press("")
        await switch.hear(*PROMPTS)
        switch.writer.write(goodbye)
        switch.close()
        await until(lambda: desk.server.calls == 0)
        assert desk.house.facts[-1].kind is FactKind.IVR_ENDED
        assert desk.house.facts[-1].data == {"route": "", "outcome": "hung_up", "node": "main"}


@pytest.mark.parametrize(
    "nonsense", [b"hello\n", b"200 result=0\n200 result=0\n", b"\x00\xff\n", b"x" * 5000]
)
async def test_a_switch_that_talks_nonsense_is_left(desk: Desk, nonsense: bytes) -> None:
    switch = await Switch.call(desk)
    assert await switch.command() == "ANSWER"
    switch.writer.write(nonsense)
    while await switch.command():
        pass
    await until(lambda: desk.server.calls == 0)
    assert desk.host.counts.routed == 0


async def test_a_prompt_that_cannot_be_played_does_not_lose_the_caller(desk: Desk) -> None:
    switch = await Switch.call(desk)
    for _ in range(4):
        await switch.press("", "HANGUP")
    assert (await switch.answer_to("EXEC MSet", "0")).endswith("IVR_DONE=queue-service-1-300")


async def test_ports_that_are_away_or_slow_do_not_keep_the_caller(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ivr.host.QUESTION_SECONDS", 0.05)
    for index, (away, slow) in enumerate(((True, 0.0), (False, 30.0))):
        desk.house.away, desk.house.slow = away, slow
        switch = await Switch.call(desk, uniqueid=f"t-{index}.1")
        await switch.press("")
        await switch.press("2")
        assert (await switch.answer_to("EXEC MSet", "0")).endswith("IVR_DONE=queue-sales-0-300")
    assert desk.host.counts.unanswered_questions == 2


async def test_an_answer_that_came_while_the_service_stood_still_is_heard(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The caller would be told that his wish was not kept, though it was."""
    monkeypatch.setattr("ivr.host.QUESTION_SECONDS", 0.3)

    async def answered(self: Host, question: object) -> None:
        loop = asyncio.get_running_loop()
        there = loop.create_future()
        # A worker thread has the answer at once, and the loop looks late.
        loop.run_in_executor(None, lambda: loop.call_soon_threadsafe(there.set_result, None))
        time.sleep(1.0)  # noqa: ASYNC251 - the whole service stands still
        await there
        for _ in range(5):  # what takes the answer to its caller has steps of its own
            await asyncio.sleep(0)
        heard.append(question)
        raise Unavailable("enough is known")

    heard: list[object] = []
    monkeypatch.setattr(Host, "_ask", answered)
    switch = await Switch.call(desk)
    await switch.press("")
    await switch.press("2")
    assert (await switch.answer_to("EXEC MSet", "0")).endswith("IVR_DONE=queue-sales-0-300")
    assert len(heard) == 1


async def test_no_log_no_menu_the_caller_falls_back_to_people(desk: Desk) -> None:
    desk.house.journal_away = True
    switch = await Switch.call(desk)
    assert await switch.closed()
    assert desk.host.counts.fallback == 1


async def test_a_log_that_goes_away_in_the_call_does_not_keep_the_caller(desk: Desk) -> None:
    switch = await Switch.call(desk)
    await switch.press("")
    desk.house.journal_away = True
    await switch.press("2")
    assert (await switch.answer_to("EXEC MSet", "0")).endswith("IVR_DONE=queue-sales-0-300")


async def test_a_switch_that_stops_answering_is_left_after_its_deadline(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(agi, "COMMAND_SECONDS", 0.05)
    switch = await Switch.call(desk)
    assert await switch.command() == "ANSWER"
    assert await switch.closed()
    await until(lambda: desk.server.calls == 0)


async def test_a_flow_that_fails_takes_only_its_own_caller_down(desk: Desk) -> None:
    flow = read_flow(
        b"flow: bad\nlanguage: zh-CN\nstart: a\nway_out: a\nnodes:\n  a:\n    do: queue\n    queue: service\n",
        "bad.yaml",
        house(SETTINGS),
    )
    object.__setattr__(flow, "nodes", {})
    desk.host.menus = Menus(numbers={"1": flow}, default=desk.host.menus.default, leaving={})
    bad = await Switch.call(desk, subject="1")
    assert await bad.closed()
    good = await Switch.call(desk, uniqueid="t-2.1")
    assert await good.command() == "ANSWER"
    good.close()


async def test_shutting_down_lets_callers_finish_and_then_hands_them_over(desk: Desk) -> None:
    switch = await Switch.call(desk)
    await switch.press("")
    closing = asyncio.create_task(desk.server.close(5))
    await switch.press("2")
    assert (await switch.answer_to("EXEC MSet", "0")).endswith("IVR_DONE=queue-sales-0-300")
    await closing
    with pytest.raises(OSError):  # noqa: PT011 - refused or reset, by the machine
        await asyncio.open_connection("127.0.0.1", desk.port)


# --- S04: attackers ---


async def test_no_digest_an_old_one_or_one_used_before_is_refused(desk: Desk) -> None:
    for index, wrong in enumerate(
        ({"secret": "guess"}, {"secret": ""}, {"age": 61.5}, {"age": -62.0}, {"script": "admin"})
    ):
        switch = await Switch.call(desk, uniqueid=f"t-{index}.9", **wrong)  # type: ignore[arg-type]
        assert await switch.closed()
    assert desk.server.counts.refused_digest == 5
    first = await Switch.call(desk)
    assert await first.command() == "ANSWER"
    replay = await Switch.call(desk)
    assert await replay.closed()
    first.close()
    await until(lambda: desk.server.calls == 0)
    assert [fact.uniqueid for fact in desk.house.facts if fact.kind is FactKind.IVR_STARTED] == ["t-1.1"]


async def test_a_replay_after_expiry_is_refused_although_it_is_forgotten(desk: Desk) -> None:
    first = await Switch.call(desk)
    assert await first.command() == "ANSWER"
    first.close()
    desk.clock.shift = timedelta(seconds=62)
    switch = await Switch.call(desk, age=62)
    assert await switch.closed()
    assert desk.house.order.count("ivr_started") == 1


async def test_a_call_that_is_not_alive_writes_nothing(desk: Desk) -> None:
    desk.house.live = False
    switch = await Switch.call(desk)
    assert await switch.closed()
    assert desk.server.counts.refused_dead == 1
    assert desk.house.facts == []


@pytest.mark.parametrize(
    "flood",
    [
        b"agi_x: y\n" * 100,
        b"x" * 5000,
        b"agi_request: " + b"y" * 5000,
        b"\n\n",
        b"GET / HTTP/1.1\r\n\r\n\n\n",
    ],
)
async def test_an_opening_that_is_none_is_closed_and_nothing_written(desk: Desk, flood: bytes) -> None:
    reader, writer = await connect(desk)
    writer.write(flood)
    async with asyncio.timeout(PATIENCE):
        with suppress(ConnectionResetError):
            assert await reader.read() == b""
    writer.close()
    assert desk.server.counts.refused_opening == 1
    assert desk.house.facts == []


async def test_a_slow_opening_is_closed_by_its_deadline(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agi, "OPENING_SECONDS", 0.2)
    reader, writer = await connect(desk)
    began = time.monotonic()
    while time.monotonic() < began + PATIENCE:
        writer.write(b"agi_a: b\n"[:1])
        await asyncio.sleep(0.02)
        if reader.at_eof() or writer.is_closing():
            break
    assert time.monotonic() - began < 2 + SLACK
    writer.close()
    assert desk.house.facts == []
    assert desk.server.counts.refused_opening == 1


async def test_strangers_are_not_listened_to() -> None:
    there, clock = House(), Clock()

    async def nobody(_line: object) -> None:
        raise AssertionError("a stranger was served")

    server = AgiServer(nobody, Door(secret=SECRET, peers=("10.0.0.0/8", "192.0.2.7")), clock, there)
    port = await server.start("127.0.0.1", 0)
    assert server.admits("10.1.2.3")
    assert server.admits("192.0.2.7")
    assert server.admits("::ffff:10.1.2.3")
    assert not server.admits("127.0.0.1")
    assert not server.admits("not an address")
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    with suppress(ConnectionResetError):
        assert await reader.read() == b""
    writer.close()
    await writer.wait_closed()
    assert server.counts.refused_peer == 1
    await server.close(0)


async def test_idle_strangers_cannot_take_every_place(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agi, "OPENING_SECONDS", 0.5)

    async def refused() -> bool:
        await connect(desk)
        return desk.server.counts.refused_full >= 5

    await until(refused, every=0)  # on a slow machine the first are closed before there are too many
    await until(lambda: not desk.server.connections)
    switch = await Switch.call(desk)
    assert await switch.command() == "ANSWER"
    switch.close()
