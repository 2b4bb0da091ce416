"""Campaigns with agents over real SIP and RTP: who is kept for whom, who takes whom, and whom nobody takes."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import aiohttp
import pytest
import pytest_asyncio
from fixtures_campaigns import Outbound, numbers
from fixtures_house import ALWAYS, House, a_house, until
from fixtures_web import Browser
from house_truth import short_sentences

from campaigns.attempts import AttemptOutcome, is_late
from campaigns.campaigns import CampaignStep, Mode
from campaigns.rules import Rules
from campaigns.targets import TargetState
from lab.agents import Habits
from lab.outside import DIRECTORY, Answers, Entry
from storage import optouts
from storage.database import Database

pytestmark = [pytest.mark.asterisk, pytest.mark.asyncio(loop_scope="module")]

#: Answers, and stays until the other side hangs up.
STAYS = Entry(pattern=r".*7777", person="stays", does=Answers(after=(0.5, 0.8), talks=None))
#: Answers, hears that nobody came, and wants no more of it.
NO_MORE = Entry(
    pattern=r".*0009", person="stops", does=Answers(after=(0.3, 0.5), talks=None, keys=((4.0, "9"),))
)
TALKS = Entry(pattern=r".*", person="answers", does=Answers(after=(0.5, 0.8), talks=(1.0, 1.5)))
#: Telephones that answer by themselves, as pages do for a campaign's customers.
AT_ONCE = Habits(answers_after=(0.1, 0.2), talks=(600.0, 600.0), hangs_up=0.0)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house() -> AsyncIterator[House]:
    short = short_sentences()
    for name in ("campaign_hello", "campaign_nobody", "campaign_stopped", "campaign_bye"):
        (short / "zh-CN" / f"{name}.ulaw").write_bytes(b"\x20\xa0" * 1200)
    try:
        async with a_house(
            {
                "ivr": {"prompts": str(short), "step_margin_seconds": 3},
                "crm": {"contactability": {"spans": ALWAYS, "on_holidays": True, "hours_apart": 0}},
                "telephony": {
                    "trunk": {"calls_per_second": 20},
                    "queues": {"service": {"wrapup_seconds": 1}},
                },
                "campaigns": {"agents_kept": 0},
            },
            agents=("agent1", "agent2"),
        ) as built:
            built.lab.outside.directory = (NO_MORE, STAYS, *DIRECTORY[:-1], TALKS)
            for agent in built.agents.values():
                agent.habits = AT_ONCE
            yield built
    finally:
        shutil.rmtree(short, ignore_errors=True)


@pytest.fixture(scope="module")
def database(house: House) -> Database:
    return Database(house.site.settings.database_url)


async def states(house: House) -> dict[str, str]:
    found = (await house.site.get("/agents"))["items"]
    logins = {person.id: login for login, person in house.site.people.items()}
    return {logins[one["id"]]: one["state"] for one in found if one["id"] in logins}


async def test_progressive_calls_only_for_agents_who_are_kept_and_nobody_is_left_alone(
    house: House, database: Database
) -> None:
    """Busy numbers between those who answer; two agents; never more calls out than agents."""
    outbound = Outbound(house, database, "progressive", mode=Mode.PROGRESSIVE, queue="service", flow="")
    answering = numbers("110001", "110002", "110003", "110004", "110005", "110006")
    others = numbers("110486", "110603", "120486")
    outbound.add(*others, *answering)
    for login in ("agent1", "agent2"):
        await house.sign_in(login, {"service": 0})
    outbound.step(CampaignStep.START)
    settled = await outbound.settled(*answering, *others)
    assert {settled[number].outcome for number in answering} == {AttemptOutcome.HUMAN}
    assert not any(is_late(settled[number]) for number in answering)
    assert {settled[number].agent_id for number in answering} == {
        house.site.people[login].id for login in ("agent1", "agent2")
    }
    assert all(outbound.targets()[number].state is TargetState.DONE for number in answering)
    for moment in [one.intent_at + timedelta(milliseconds=1) for one in settled.values()]:
        out = [
            one for one in settled.values() if one.intent_at <= moment and (one.ended_at or moment) > moment
        ]
        assert len(out) <= 2, "one call for each agent"
    for number in answering:
        row = await house.detail(settled[number].id)
        assert (row["direction"], row["outcome"]) == ("outbound", "answered")
        assert row["talk_seconds"] > 0.5

    async def free() -> bool:
        return (
            set((await states(house)).values()) >= {"ready"}
            and "reserved" not in (await states(house)).values()
        )

    await until(free)
    outbound.step(CampaignStep.FINISH)


async def test_customer_nobody_takes_hears_who_called_and_may_end_it(
    house: House, database: Database
) -> None:
    """The agents' telephones do not answer: abandoned, told so, and key 9 ends calls for this purpose."""
    for agent in house.agents.values():
        agent.habits = Habits(misses=1.0)
    outbound = Outbound(
        house, database, "nobody", mode=Mode.PROGRESSIVE, queue="service", flow="", rules=Rules(most_calls=1)
    )
    [number] = numbers("210009")
    outbound.add(number)
    outbound.step(CampaignStep.START)
    settled = await outbound.settled(number)
    assert settled[number].outcome is AttemptOutcome.ABANDONED
    assert is_late(settled[number])
    [wish] = database.read_now(lambda c: optouts.optouts_of(c, number))
    assert (wish.purpose.value, wish.proof) == ("reminders", f"call:{settled[number].id}")
    target = outbound.targets()[number]
    assert (target.state, target.last_outcome) == (TargetState.WAITING, AttemptOutcome.ABANDONED)
    assert target.due_at > datetime.now(UTC) + timedelta(hours=71)
    outbound.step(CampaignStep.FINISH)


async def test_preview_rings_the_agent_first_and_only_the_customers_leg_counts(
    house: House, database: Database
) -> None:
    for agent in house.agents.values():
        agent.habits = AT_ONCE
    outbound = Outbound(house, database, "preview", mode=Mode.PREVIEW, queue="service", flow="")
    answers, busy = numbers("310001", "310486")
    outbound.add(answers, busy)
    outbound.step(CampaignStep.START)
    await house.sign_in("agent1", {"service": 0})
    person = house.person("agent1")
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:
        browser = Browser(session, house.site.pages)
        assert (await browser.sign_in("agent1", person.password)).status == 303
        for number in (answers, busy):

            async def ready() -> bool:
                return (await states(house))["agent1"] in ("ready", "wrap_up")

            await until(ready)
            found = await browser.post(f"/api/v1/campaigns/{outbound.campaign.id}/next")
            target = (await found.json())["target"]["target_id"]
            assert target == outbound.targets()[number].id
            dialed = await browser.post(f"/api/v1/campaign-targets/{target}/dial")
            assert dialed.status == 202, await dialed.text()
            await outbound.settled(number)
    [talked], [missed] = outbound.attempts(answers), outbound.attempts(busy)
    assert (talked.outcome, talked.agent_id) == (AttemptOutcome.HUMAN, person.id)
    assert (missed.outcome, missed.answered_at) == (AttemptOutcome.BUSY, None)
    assert (outbound.dialed(answers), outbound.dialed(busy)) == (1, 1)
    assert outbound.targets()[answers].state is TargetState.DONE


async def test_preview_whose_agent_does_not_pick_up_calls_nobody(house: House, database: Database) -> None:
    house.agents["agent1"].habits = Habits(declines=1.0)
    outbound = Outbound(house, database, "nobody there", mode=Mode.PREVIEW, queue="service", flow="")
    [number] = numbers("410001")
    outbound.add(number)
    outbound.step(CampaignStep.START)
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:
        browser = Browser(session, house.site.pages)
        assert (await browser.sign_in("agent1", house.person("agent1").password)).status == 303
        target = outbound.targets()[number].id
        dialed = await browser.post(f"/api/v1/campaign-targets/{target}/dial")
        assert dialed.status == 202, await dialed.text()
        settled = await outbound.settled(number)
    assert settled[number].outcome is AttemptOutcome.NOT_DIALED
    assert outbound.dialed(number) == 0
    assert (outbound.targets()[number].state, outbound.targets()[number].tries) == (TargetState.WAITING, 0)
