"""The dead man's switch of a line: late sounds are not taken for the silence of a service that is gone."""

from __future__ import annotations

import asyncio
import math
import re
from types import SimpleNamespace
from typing import Any, cast

from hypothesis import given
from hypothesis import strategies as st

from ivr.asterisk import server
from ivr.asterisk.protocol import Opening, Result
from ivr.prompts import Sound

MARGIN = 3.0
#: Seconds that the switch may wait longer than the margin asks, so that it need not be told anew for each sound.
MORE = 0.6


class Switch:
    """Plays what it is told on a clock of its own, each sound some seconds late, and holds the switch's timer."""

    def __init__(self, seconds: dict[str, float], late: dict[str, float]) -> None:
        self.now = 1000.0
        self.fires_at = 0.0
        self.fired = False
        #: Shortest time from the end of a command to the timer's: how long the service could have been silent there.
        self.borne = math.inf
        self.armed: list[float] = []
        self._seconds, self._late = seconds, late

    async def send(self, command: bytes, patience: float) -> Result:
        text = command.decode()
        began = self.now
        if timer := re.search(r"TIMEOUT\(absolute\)\s([\d.]+)", text):
            self.fires_at = self.now + float(timer[1])
            self.armed.append(self.fires_at)
            return Result(code=200, value="1", rest="")
        for file, seconds in self._seconds.items():
            if file in text:
                self.now += seconds + self._late[file]
        if "GET DATA" in text:
            self.now += int(text.split()[-2]) / 1000
        self.fired |= self.now > self.fires_at
        self.borne = min(self.borne, self.fires_at - self.now)
        assert self.now - began <= patience
        return Result(code=200, value="", rest="(timeout)")


def line_to(switch: Switch, margin: float = MARGIN) -> server.AgiLine:
    opening = Opening(
        script="ivr",
        uniqueid="t-1",
        linkedid="t-1",
        channel="PJSIP/trunk-1",
        caller="13812345678",
        subject="4008001234",
        key="",
        epoch=0,
        digest="",
    )
    line = server.AgiLine(cast("Any", switch), opening, margin)
    line._loop = cast("Any", SimpleNamespace(time=lambda: switch.now))
    return line


#: Seconds that a sound plays, and that the next begins late.
SOUNDS = st.lists(st.tuples(st.floats(0.1, 8.0), st.floats(0.0, 1.4)), min_size=1, max_size=25)


@given(sounds=SOUNDS, asks=st.booleans())
def test_no_number_of_late_sounds_is_a_silent_service(sounds: list[tuple[float, float]], asks: bool) -> None:
    list_of = [Sound(f"/sounds/{place:02}", seconds) for place, (seconds, _) in enumerate(sounds)]
    switch = Switch(
        {sound.file: sound.seconds for sound in list_of},
        {f"/sounds/{place:02}": late for place, (_, late) in enumerate(sounds)},
    )

    async def run() -> None:
        line = line_to(switch)
        await (line.ask(list_of, 4.0, 1) if asks else line.play(list_of))

    asyncio.run(run())
    assert not switch.fired
    whole = sum(seconds for seconds, _ in sounds) + 4.0 * asks
    late = sum(late for _, late in sounds)
    assert switch.fires_at <= 1000.0 + whole + late + MARGIN + MORE, (
        "hardly later than the step's own time and the margin"
    )


@given(
    steps=st.lists(st.tuples(st.floats(0.1, 20.0), st.floats(0.0, 0.1)), min_size=1, max_size=10),
    margin=st.floats(1.0, 30.0),
)
def test_the_service_may_be_silent_for_the_margin_after_every_step(
    steps: list[tuple[float, float]], margin: float
) -> None:
    """Neither part of a second nor what an earlier step left of its own time is taken from the margin."""
    list_of = [Sound(f"/sounds/{place:02}", seconds) for place, (seconds, _) in enumerate(steps)]
    switch = Switch(
        {sound.file: sound.seconds for sound in list_of},
        {f"/sounds/{place:02}": late for place, (_, late) in enumerate(steps)},
    )

    async def run() -> None:
        line = line_to(switch, margin)
        for place, (sound, (seconds, late)) in enumerate(zip(list_of, steps, strict=True)):
            await line.play([sound])
            assert margin - late - 1e-3 <= switch.fires_at - switch.now <= margin + MORE, place
            switch.now += seconds % margin  # the service thinks

    asyncio.run(run())
    assert switch.borne >= margin - 0.1 - 1e-3


def test_sounds_in_time_arm_it_once() -> None:
    list_of = [Sound(f"/sounds/{place:02}", 2.5) for place in range(20)]
    switch = Switch(
        {sound.file: 2.5 for sound in list_of}, dict.fromkeys((sound.file for sound in list_of), 0.01)
    )

    async def run() -> None:
        await line_to(switch).play(list_of)

    asyncio.run(run())
    assert len(switch.armed) == 1
    assert not switch.fired
