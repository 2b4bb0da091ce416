"""S20 at the desk: a key that placed a call never places another, and one that surely placed none is free again."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from fixtures_storage import FrozenClock

from access.permissions import Role
from access.requests import KeyReused, Once
from access.users import Principal, Via
from config.desk import HouseDesk
from storage.database import Database, StorageUnavailable
from telephony.agents import AgentState
from telephony.control import Control
from telephony.fences import DialRefused, Fences, Pace, TooManyCalls
from telephony.numbers import parse
from telephony.options import FenceOptions
from telephony.ports import ActionRefused, ActionUnknown, Placing, SwitchUnavailable

BY = Principal(role=Role.AGENT, via=Via.SESSION, name="王芳", user_id="U1")
ONCE = Once(owner="user:U1", key="click", fingerprint="a" * 64)


class Line:
    """A switch that places calls, or fails in the way it is told to."""

    def __init__(self) -> None:
        self.placed: list[Placing] = []
        self.trouble: Exception | None = None
        #: What the call log says when the row is to be committed.
        self.log_trouble: Exception | None = None

    async def place(self, placing: Placing) -> None:
        if self.trouble is not None:
            raise self.trouble
        self.placed.append(placing)


def desk_over(database: Database, clock: FrozenClock, line: Line, *, a_second: float = 1000.0) -> HouseDesk:
    async def recent() -> list[Any]:
        return []

    async def open_outbound(call_id: str, number: str, by: str) -> None:
        if line.log_trouble is not None:
            raise line.log_trouble

    async def moves(agent_id: str, *, call_id: str) -> None:
        return None

    control = Control(
        switch=line,  # type: ignore[arg-type]
        calls=SimpleNamespace(),  # type: ignore[arg-type]
        clock=clock,
        fences=Fences(options=FenceOptions()),
        pace=Pace(calls_per_second=a_second),
        recent_dials=recent,
        open_outbound=open_outbound,
        targets=frozenset,
    )
    seat = SimpleNamespace(state=AgentState.READY, phone="pabcdef")
    return HouseDesk(
        agents=SimpleNamespace(board={"U1": seat}, dials=moves, dialed_nothing=moves),  # type: ignore[arg-type]
        control=control,
        returning=SimpleNamespace(),  # type: ignore[arg-type]
        board=SimpleNamespace(),  # type: ignore[arg-type]
        database=database,
        clock=clock,
        queue_names=(),
        read_number=parse,
    )


async def test_s20_the_same_key_rings_once_also_at_once(database: Database, clock: FrozenClock) -> None:
    line = Line()
    desk = desk_over(database, clock, line)
    answers = await asyncio.gather(*(desk.dial("U1", "13812345678", ONCE, BY) for _ in range(20)))
    assert len({answer.call_id for answer in answers}) == 1
    assert [answer.replayed for answer in answers].count(False) == 1
    assert [placing.number for placing in line.placed] == ["+8613812345678"]
    other = Once(owner=ONCE.owner, key=ONCE.key, fingerprint="b" * 64)
    with pytest.raises(KeyReused):
        await desk.dial("U1", "13900000000", other, BY)


@pytest.mark.parametrize("trouble", [SwitchUnavailable("away"), ActionRefused("no")])
async def test_s20_what_surely_did_not_ring_may_be_tried_again(
    database: Database, clock: FrozenClock, trouble: Exception
) -> None:
    line = Line()
    desk = desk_over(database, clock, line)
    line.trouble = trouble
    with pytest.raises(type(trouble)):
        await desk.dial("U1", "13812345678", ONCE, BY)
    line.trouble = None
    answer = await desk.dial("U1", "13812345678", ONCE, BY)
    assert not answer.replayed
    assert len(line.placed) == 1


async def test_s20_a_call_without_a_row_was_not_placed_and_may_be_tried_again(
    database: Database, clock: FrozenClock
) -> None:
    line = Line()
    desk = desk_over(database, clock, line)
    line.log_trouble = StorageUnavailable("away")
    with pytest.raises(StorageUnavailable):
        await desk.dial("U1", "13812345678", ONCE, BY)
    assert line.placed == []
    line.log_trouble = None
    assert not (await desk.dial("U1", "13812345678", ONCE, BY)).replayed
    assert len(line.placed) == 1


async def test_s20_what_may_have_rung_is_never_rung_again(database: Database, clock: FrozenClock) -> None:
    line = Line()
    desk = desk_over(database, clock, line)
    line.trouble = ActionUnknown("no answer")
    with pytest.raises(ActionUnknown):
        await desk.dial("U1", "13812345678", ONCE, BY)
    line.trouble = None
    assert (await desk.dial("U1", "13812345678", ONCE, BY)).replayed
    assert line.placed == []


async def test_a_refused_number_binds_no_key(database: Database, clock: FrozenClock) -> None:
    line = Line()
    desk = desk_over(database, clock, line)
    for number in ("+1 202 555 0123", "not a number"):
        with pytest.raises(DialRefused):
            await desk.dial("U1", number, ONCE, BY)
    assert not (await desk.dial("U1", "13812345678", ONCE, BY)).replayed


async def test_calls_beyond_the_trunks_pace_are_refused_and_bind_no_key(
    database: Database, clock: FrozenClock
) -> None:
    line = Line()
    desk = desk_over(database, clock, line, a_second=0.1)
    await desk.dial("U1", "13812345678", None, BY)
    with pytest.raises(TooManyCalls, match="Try again in 10 s"):
        await desk.dial("U1", "13900000000", ONCE, BY)
    assert len(line.placed) == 1
    clock.advance(10)
    assert not (await desk.dial("U1", "13900000000", ONCE, BY)).replayed
    assert len(line.placed) == 2
