"""A house and a dialer beside it on one PostgreSQL call through one campaign; the dialer is killed (R05, R06)."""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from fixtures_campaigns import Outbound, numbers, quiet, wrong
from fixtures_house import ALWAYS, House, a_house, until
from fixtures_storage import postgres
from house_truth import short_sentences

from campaigns.attempts import Attempt, AttemptState
from campaigns.campaigns import CampaignStep
from campaigns.rules import Rules
from config.site import Site, SiteError, merged, private_ports
from lab.outside import Answers, Entry, Refuses
from storage.database import Database

pytestmark = [pytest.mark.asterisk, pytest.mark.postgres, pytest.mark.asyncio(loop_scope="module")]

SECOND = "second"
#: So many that one of them, at six calls a second, is not through before the other looks (once a second).
COUNT = 60
OUTSIDE = (
    Entry(pattern=r".*486", person="busy", does=Refuses(code=486)),
    Entry(pattern=r".*", person="answers", does=Answers(after=(0.5, 1.0), talks=(1.5, 3.0))),
)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def pair() -> AsyncIterator[tuple[House, Site]]:
    short = short_sentences()
    for name in ("campaign_hello", "campaign_maintenance", "campaign_menu"):
        (short / "zh-CN" / f"{name}.ulaw").write_bytes(b"\x20\xa0" * 1200)
    folder = Path(tempfile.mkdtemp(prefix="careline-dialer-"))
    with postgres() as server:
        shared: dict[str, Any] = {
            "storage": {"url": server.url(server.create())},
            "ivr": {"prompts": str(short), "step_margin_seconds": 3},
            "crm": {"contactability": {"spans": ALWAYS, "on_holidays": True, "hours_apart": 0}},
            "telephony": {"trunk": {"calls_per_second": 6, "codecs": ["ulaw"]}},
            "campaigns": {"node_lost_seconds": 15},
        }
        try:
            async with a_house(shared, agents=()) as house:
                house.lab.outside.directory = OUTSIDE
                own = merged(merged(shared, private_ports()), {"role": "dialer"})
                switch = {"trunk": {"port": house.site.settings.telephony.trunk.port}}
                own = merged(own, {"telephony": {**switch, "switch": {"system_name": SECOND}}})
                dialer = Site(folder=folder, cache=house.site.cache, overrides=own)
                dialer.write_settings()
                try:
                    await dialer.start_switch()
                    await dialer.start_service()
                    yield house, dialer
                finally:
                    await dialer.close()
        finally:
            shutil.rmtree(short, ignore_errors=True)
            shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def database(pair: tuple[House, Site]) -> Iterator[Database]:
    database = Database(pair[0].site.settings.database_url)
    yield database
    database.close()


def tries(outbound: Outbound) -> list[Attempt]:
    return [one for number in outbound.people for one in outbound.attempts(number)]


async def test_both_dial_one_campaign_and_nobody_is_dialed_twice(
    pair: tuple[House, Site], database: Database
) -> None:
    outbound = Outbound(pair[0], database, "both", rules=Rules(ring_seconds=15, most_calls=30))
    outbound.add(*numbers(*(f"{100_000 + n:06d}" for n in range(COUNT))))
    outbound.step(CampaignStep.START)
    await quiet([outbound], 120)
    broken = wrong([outbound])
    assert not any(broken.values()), dict(broken)
    by = Counter(one.node for one in tries(outbound))
    assert set(by) == {"careline", SECOND}, "one of them dialed nobody"
    assert sum(outbound.dialed(number) for number in outbound.people) >= COUNT


async def test_r05_one_is_killed_and_what_it_had_open_is_unknown_until_it_comes_back(
    pair: tuple[House, Site], database: Database
) -> None:
    house, dialer = pair
    outbound = Outbound(house, database, "killed", rules=Rules(ring_seconds=15, most_calls=30))
    outbound.add(*numbers(*(f"{200_000 + n:06d}" for n in range(COUNT))))
    outbound.step(CampaignStep.START)

    async def dials() -> bool:
        return any(one.node == SECOND and one.is_open for one in tries(outbound))

    await until(dials, 60)
    await dialer.kill("service")
    await quiet([outbound], 120)
    found = tries(outbound)
    lost = [one for one in found if one.state is AttemptState.UNKNOWN]
    assert all((one.node, one.reason) == (SECOND, "node_lost") for one in lost)
    broken = wrong([outbound])
    broken.pop("unknown")
    broken.pop("I4 call without a row")  # its switch knows more than the log, until it is asked
    broken.pop("I1 number dialed twice for an attempt")
    assert not any(broken.values()), dict(broken)
    for number in outbound.people:
        assert outbound.dialed(number) <= len(outbound.attempts(number)), number

    await dialer.start_service()

    async def told() -> bool:
        """What was dialed is known; that the rest never was takes a minute more to be proved."""
        return all(
            sum(one.dialed for one in outbound.attempts(number)) == outbound.dialed(number)
            and not any(one.dialed and one.state is AttemptState.UNKNOWN for one in outbound.attempts(number))
            for number in outbound.people
        )

    await until(told, 90, saying="attempts whose end the files tell")
    broken = wrong([outbound])
    broken.pop("unknown")
    assert not any(broken.values()), dict(broken)


async def test_second_process_for_one_switch_is_refused(pair: tuple[House, Site], tmp_path: Path) -> None:
    house, dialer = pair
    own = merged(dict(dialer.overrides), private_ports())
    other = Site(folder=tmp_path, cache=house.site.cache, overrides=own)
    other.write_settings()
    try:
        with pytest.raises(SiteError, match="database-taken"):
            await other.start_service()
    finally:
        await other.close()
