"""The service is killed at every arrow of the dialing protocol, and at random, while it calls customers (R01 to R04).

The lab's own log of what was dialed is the judge. `make chaos` runs the same with many more deaths.
"""

from __future__ import annotations

import asyncio
import os
import random
import shutil
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from fixtures_campaigns import Outbound, numbers, quiet, wrong
from fixtures_house import ALWAYS, House, a_house
from house_truth import short_sentences

from bench._crash_service import ARROWS
from campaigns.campaigns import CampaignStep
from campaigns.rules import Rules
from lab.outside import Answers, Entry, Refuses
from storage.database import Database

pytestmark = [pytest.mark.asterisk, pytest.mark.asyncio(loop_scope="module")]

#: Deaths at each arrow, and targets of the random run; `make chaos` raises both.
RUNS = int(os.environ.get("CARELINE_CHAOS_RUNS", "1"))
CROWD = int(os.environ.get("CARELINE_CHAOS_TARGETS", "30"))
OUTSIDE = (
    Entry(pattern=r".*486", person="busy", does=Refuses(code=486)),
    Entry(pattern=r".*", person="answers", does=Answers(after=(0.5, 1.0), talks=(0.5, 1.5))),
)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house() -> AsyncIterator[House]:
    short = short_sentences()
    for name in ("campaign_hello", "campaign_maintenance", "campaign_menu"):
        (short / "zh-CN" / f"{name}.ulaw").write_bytes(b"\x20\xa0" * 1200)
    try:
        async with a_house(
            {
                "ivr": {"prompts": str(short), "step_margin_seconds": 3},
                # No cap on calls a day: only the protocol keeps a customer from being called twice.
                "crm": {
                    "contactability": {
                        "spans": ALWAYS,
                        "on_holidays": True,
                        "hours_apart": 0,
                        "number_a_day": 10,
                        "person_a_day": 10,
                    }
                },
                "telephony": {"trunk": {"calls_per_second": 20}},
            },
            agents=(),
        ) as built:
            built.lab.outside.directory = OUTSIDE
            built.site.service_module = "bench._crash_service"
            yield built
    finally:
        shutil.rmtree(short, ignore_errors=True)


@pytest.fixture(scope="module")
def database(house: House) -> Database:
    return Database(house.site.settings.database_url)


async def restart(house: House, crash: str = "") -> None:
    """Kill what runs, and start the service that dies at this arrow."""
    await house.site.kill("service")
    os.environ["CARELINE_CRASH"] = crash
    try:
        await house.site.start_service()
    finally:
        os.environ.pop("CARELINE_CRASH")


@pytest.mark.parametrize("arrow", ARROWS)
async def test_r01_to_r03_death_at_an_arrow_dials_nobody_twice_and_loses_nobody(
    house: House, database: Database, arrow: str
) -> None:
    for run in range(1, RUNS + 1):
        outbound = Outbound(house, database, f"{arrow} {run}", rules=Rules(ring_seconds=15, most_calls=2))
        place = 10 * (RUNS * ARROWS.index(arrow) + run)
        outbound.add(*numbers(*(f"{place + n:06d}" for n in range(4))))
        await restart(house, f"{arrow}:{1 + run % 2}")
        outbound.step(CampaignStep.START)
        died = await asyncio.wait_for(house.site.ended("service"), 60)
        assert died == -9, f"never at the arrow {arrow}"
        await house.site.start_service()
        await quiet([outbound])
        broken = wrong([outbound])
        assert not any(broken.values()), f"{arrow}, run {run}: {dict(broken)}"
        assert sum(outbound.dialed(number) for number in outbound.people) >= 4


async def test_r04_random_deaths_in_a_campaign_dial_nobody_twice_and_lose_nobody(
    house: House, database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    chance = random.Random(4)
    outbound = Outbound(house, database, "R04", rules=Rules(ring_seconds=15, most_calls=5))
    outbound.add(*numbers(*(f"{900_000 + n:06d}" for n in range(CROWD))))
    await restart(house)
    outbound.step(CampaignStep.START)
    deaths = 0
    while any(not outbound.attempts(number) for number in outbound.people):
        await asyncio.sleep(chance.uniform(1.5, 4.0))
        await restart(house)
        deaths += 1
        assert deaths < 20 + CROWD, "it never comes to an end"
    await quiet([outbound], 180)
    broken = wrong([outbound])
    with capsys.disabled():
        print(f"\n{CROWD} targets, {deaths} deaths: " + ", ".join(f"{k}: {n}" for k, n in broken.items()))
    assert deaths >= 2
    assert not any(broken.values()), dict(broken)
