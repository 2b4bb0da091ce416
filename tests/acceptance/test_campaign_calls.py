"""A whole house that calls customers by itself: an agentless campaign over real SIP and RTP, and what becomes of it."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest
import pytest_asyncio
from fixtures_campaigns import Outbound, numbers
from fixtures_house import ALWAYS, House, a_house, until
from house_truth import short_sentences

from campaigns.attempts import AttemptOutcome, AttemptState
from campaigns.campaigns import CampaignState, CampaignStep
from campaigns.rules import Rules
from campaigns.targets import NewTarget, TargetState
from lab.outside import DIRECTORY, Answers, Entry
from storage import campaign_targets, campaigns, optouts
from storage.database import Database

pytestmark = [pytest.mark.asterisk, pytest.mark.asyncio(loop_scope="module")]

#: Presses 9, waits, and hangs up after the menu has; by the last four digits.
STOPS = Entry(
    pattern=r".*0009", person="stops", does=Answers(after=(0.5, 1.0), talks=None, keys=((3.0, "9"),))
)
#: Books the first free time.
BOOKS = Entry(
    pattern=r".*0001",
    person="books",
    does=Answers(after=(0.5, 1.0), talks=None, keys=((3.0, "1"), (4.0, "1"))),
)
#: Hears the menu out, pressing nothing.
HEARS = Entry(pattern=r".*1234", person="answers", does=Answers(after=(0.5, 1.0), talks=None))
#: Hangs up in the greeting.
LISTENS = Entry(pattern=r".*", person="answers", does=Answers(after=(0.5, 1.0), talks=(1.0, 2.0)))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house() -> AsyncIterator[House]:
    short = short_sentences()
    for name in (
        "campaign_hello",
        "campaign_maintenance",
        "campaign_menu",
        "campaign_stopped",
        "campaign_bye",
    ):
        (short / "zh-CN" / f"{name}.ulaw").write_bytes(b"\x20\xa0" * 1200)
    try:
        async with a_house(
            {
                "ivr": {"prompts": str(short), "step_margin_seconds": 3},
                "crm": {"contactability": {"spans": ALWAYS, "on_holidays": True, "hours_apart": 0}},
                "telephony": {"trunk": {"calls_per_second": 20}},
            },
            agents=("agent1",),
        ) as built:
            built.lab.outside.directory = (STOPS, BOOKS, HEARS, *DIRECTORY[:-1], LISTENS)
            yield built
    finally:
        shutil.rmtree(short, ignore_errors=True)


@pytest.fixture(scope="module")
def database(house: House) -> Database:
    return Database(house.site.settings.database_url)


async def test_r15_every_way_a_call_can_end_is_told_apart_and_dialed_once(
    house: House, database: Database
) -> None:
    """Busy, no such number, switched off, no room, declined, nobody answers, and somebody who listens."""
    outbound = Outbound(house, database, "R15")
    wanted = {
        "010486": (AttemptOutcome.BUSY, TargetState.WAITING),
        "010404": (AttemptOutcome.INVALID, TargetState.WAITING),
        "010480": (AttemptOutcome.NO_ANSWER, TargetState.WAITING),
        "010503": (AttemptOutcome.CONGESTION, TargetState.WAITING),
        "010603": (AttemptOutcome.DECLINED, TargetState.WAITING),
        "010408": (AttemptOutcome.NO_ANSWER, TargetState.WAITING),
        "011234": (AttemptOutcome.HUMAN, TargetState.DONE),
        "015555": (AttemptOutcome.HUNG_UP, TargetState.WAITING),
    }
    outbound.add(*numbers(*wanted))
    outbound.step(CampaignStep.START)
    settled = await outbound.settled(*numbers(*wanted))
    targets = outbound.targets()
    found = {number[-6:]: (one.outcome, targets[number].state) for number, one in settled.items()}
    assert found == wanted
    for number, attempt in settled.items():
        assert outbound.dialed(number) == 1, number
        assert attempt.state is AttemptState.ENDED
        row = await house.detail(attempt.id)
        assert (row["direction"], row["customer_id"]) == ("outbound", outbound.people[number])
        assert row["number"] == number
        assert attempt.answer["allowed"] is True
    outbound.step(CampaignStep.FINISH)


async def test_c04_key_nine_ends_all_reminders_at_once(house: House, database: Database) -> None:
    outbound = Outbound(house, database, "C04")
    [number] = numbers("020009")
    outbound.add(number)
    outbound.step(CampaignStep.START)
    settled = await outbound.settled(number)
    assert settled[number].outcome is AttemptOutcome.HUMAN
    [wish] = database.read_now(lambda c: optouts.optouts_of(c, number))
    assert (wish.purpose.value, wish.proof) == ("reminders", f"call:{settled[number].id}")

    again = Outbound(house, database, "C04 again")
    database.write_now(
        lambda c: campaign_targets.add(
            c,
            again.campaign,
            [NewTarget(customer_id=outbound.people[number], key=number)],
            datetime.now(UTC),
        )
    )
    again.step(CampaignStep.START)

    async def withdrawn() -> bool:
        return again.targets()[number].state is TargetState.WITHDRAWN

    await until(withdrawn)
    assert again.attempts(number) == []
    assert outbound.dialed(number) == 1


async def test_customer_books_by_keypad_and_the_campaign_is_over_by_itself(
    house: House, database: Database
) -> None:
    outbound = Outbound(house, database, "books")
    [number] = numbers("030001")
    outbound.add(number)
    outbound.step(CampaignStep.START)
    settled = await outbound.settled(number)
    [booked] = house.rows("SELECT * FROM appointments WHERE customer_id = ?", outbound.people[number])
    assert (booked["state"], booked["source"], booked["call_id"]) == ("booked", "keypad", settled[number].id)

    async def over() -> bool:
        return outbound.state() is CampaignState.FINISHED

    await until(over)


async def test_r35_nothing_is_dialed_after_a_pause(house: House, database: Database) -> None:
    rules = Rules(ring_seconds=15, most_calls=1)
    outbound = Outbound(house, database, "R35", rules=rules)
    crowd = numbers(*(f"04{n:04d}" for n in range(2000, 2010)))
    outbound.add(*crowd)
    outbound.step(CampaignStep.START)

    async def begun() -> bool:
        return any(one.state is not TargetState.WAITING for one in outbound.targets().values())

    await until(begun)
    outbound.step(CampaignStep.PAUSE)

    async def quiet() -> bool:
        return all(one.state is not TargetState.DIALING for one in outbound.targets().values())

    await until(quiet)
    tried = {number: len(outbound.attempts(number)) for number in crowd}
    assert sum(tried.values()) < len(crowd)
    waiting = [number for number, count in tried.items() if count == 0]
    outbound.step(CampaignStep.START)
    outbound.database.write_now(
        lambda c: campaigns.change(
            c,
            outbound.campaign.id,
            campaigns.get(c, outbound.campaign.id).version,
            {"rules": replace(rules, most_calls=20)},
            datetime.now(UTC),
        )
    )
    settled = await outbound.settled(*waiting)
    assert {one.outcome for one in settled.values()} == {AttemptOutcome.HUNG_UP}
    assert all(outbound.dialed(number) == 1 for number in crowd)
