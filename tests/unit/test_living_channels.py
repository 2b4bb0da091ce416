"""S04: which channel lives, without asking the switch for an ordinary call."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime

import pytest

from telephony.asterisk.living import LivingChannels
from telephony.facts import Fact, FactKind, Source
from telephony.ports import Channel, Side, SwitchUnavailable

ONE = "careline-1795305605.9"


def told(kind: FactKind, uniqueid: str = ONE) -> Fact:
    at = datetime(2026, 11, 21, 1, 0, tzinfo=UTC)
    return Fact(
        source=Source.AMI, key=f"{kind}/{uniqueid}", kind=kind, at=at, linkedid=uniqueid, uniqueid=uniqueid
    )


def listed(uniqueid: str) -> Channel:
    return Channel(name="PJSIP/careline-trunk-1", uniqueid=uniqueid, linkedid=uniqueid, side=Side.TRUNK)


class World:
    """A switch that lists some channels, or is away."""

    def __init__(self, *channels: str, ready: bool = True) -> None:
        self.channels = [listed(uniqueid) for uniqueid in channels]
        self.ready = ready
        self.away = False
        self.living = LivingChannels(lambda: self.ready, self.ask, ahead_seconds=0.05)

    async def ask(self) -> Sequence[Channel]:
        if self.away:
            raise SwitchUnavailable("away")
        return self.channels


async def test_a_channel_that_was_told_of_costs_no_question() -> None:
    world = World()
    world.living.follow([told(FactKind.LEG_STARTED)])
    assert await world.living.is_live(ONE)
    assert (world.living.asked, world.living.unsure) == (0, 0)


async def test_an_opening_may_come_before_its_event() -> None:
    world = World()
    opening = asyncio.create_task(world.living.is_live(ONE))
    await asyncio.sleep(0)
    world.living.follow([told(FactKind.LEG_STARTED)])
    assert await opening
    assert world.living.asked == 0


@pytest.mark.parametrize("ended", [True, False])
async def test_a_channel_that_does_not_live_is_refused(ended: bool) -> None:
    world = World("careline-1795305605.7")
    if ended:
        world.living.follow([told(FactKind.LEG_STARTED), told(FactKind.LEG_ENDED)])
    assert not await world.living.is_live(ONE)
    assert (world.living.asked, len(world.living)) == (1, 0)


async def test_events_that_come_late_refuse_nobody() -> None:
    """The switch lists what its events have not told yet."""
    assert await World(ONE).living.is_live(ONE)


async def test_where_nobody_can_say_nobody_is_refused() -> None:
    down, away = World(ready=False), World()
    away.away = True
    assert await down.living.is_live(ONE)
    assert await away.living.is_live(ONE)
    assert (down.living.unsure, away.living.unsure, down.living.asked) == (1, 1, 0)


async def test_a_resynchronisation_starts_anew() -> None:
    world = World()
    world.living.follow([told(FactKind.LEG_STARTED, "careline-1.1")])
    world.living.begin([listed(ONE)])
    assert await world.living.is_live(ONE)
    assert not await world.living.is_live("careline-1.1")
