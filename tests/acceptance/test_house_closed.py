"""A whole house after hours, without recording: messages and wishes for a call-back become rows and tasks."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import UTC, datetime

import pytest
import pytest_asyncio
from fixtures_house import House, a_house, until
from house_truth import application, doubles, fallbacks, free, proof, settle, short_sentences

from lab.counts import CallRecord
from lab.customers import Customer, Listen, Press, Stay

pytestmark = [pytest.mark.asterisk, pytest.mark.asyncio(loop_scope="module")]

#: One minute of a day that is far from now, whatever day that is.
DAY = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")[(datetime.now(UTC).weekday() + 3) % 7]
NEVER = [{"days": [DAY], "open": "03:00", "close": "03:01"}]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house() -> AsyncIterator[House]:
    short = short_sentences()
    try:
        async with a_house(
            {
                "ivr": {"prompts": str(short)},
                "calendar": {"spans": NEVER},
                "telephony": {"recording": {"enabled": False}, "voicemail": {"shortest_seconds": 3}},
            },
            agents=("agent1",),
        ) as built:
            yield built
    finally:
        shutil.rmtree(short, ignore_errors=True)


async def test_after_hours_every_wish_is_a_row_and_one_task(house: House) -> None:
    """Voicemail, a call-back wish, both told twice by the same caller, and one who only listens."""

    async def message(number: str, *, hash: bool) -> CallRecord:
        placed = await house.call(number)
        line = await placed.answered()
        await asyncio.sleep(2.0)  # while the welcome is said
        await line.press("2")
        await application(house, placed, "Record")
        for _ in range(4):  # two seconds each; so much that a line may stand still for three of them
            await line.speak(str(house.lab.sounds / "speech"))
        if hash:
            await line.press("#")
            await asyncio.sleep(0.5)
        await placed.hang_up()
        return await placed.ended()

    wish = (Listen(seconds=3.0), Press(keys="1"), Stay(seconds=20))
    wished = await house.call("13700000702", steps=wish)
    quits = await house.call("13700000703", steps=(Listen(seconds=6.0),))
    silent = await house.call(
        "13700000706", steps=(Listen(seconds=3.0), Press(keys="2"), Listen(seconds=1.0))
    )
    records = list(
        await asyncio.gather(message("13700000701", hash=True), message("13700000704", hash=False))
    )
    records += [await one.ended(60) for one in (wished, quits, silent)]
    again = await house.lab.dial(
        Customer(person="again", caller="13700000702", called="4008001234", steps=wish)
    )
    records.append(await again.ended(60))
    await settle(house, records, 20.0)
    await free(house)
    wanted = {
        "13700000701": ["voicemail"],
        "13700000702": ["callback"],
        "13700000703": ["missed_call"],
        "13700000704": ["voicemail"],
        "13700000706": ["missed_call"],
    }

    def tasks() -> dict[str, list[str]]:
        return {
            number: [
                row["kind"] for row in house.rows("SELECT kind FROM tasks WHERE number = ?", f"+86{number}")
            ]
            for number in wanted
        }

    with suppress(AssertionError):  # what is wrong is shown below
        await until(lambda: tasks() == wanted)
    rows = [dict(row) for row in house.rows("SELECT * FROM tasks")]
    assert tasks() == wanted, f"{rows}\ntaken by the dialplan: {await fallbacks(house)}"
    [promise] = house.rows("SELECT * FROM tasks WHERE number = '+8613700000702'")
    assert promise["promised_by"]
    assert promise["calls"] == 2
    outcomes = dict(tuple(row) for row in house.rows("SELECT raw_number, outcome FROM calls"))
    assert outcomes == {
        "13700000701": "voicemail",
        "13700000702": "callback",
        "13700000703": "left_in_menu",
        "13700000704": "voicemail",
        "13700000706": outcomes.get("13700000706"),
    }
    assert outcomes["13700000706"] != "voicemail", "she said nothing"
    for number in ("13700000701", "13700000704"):
        [row] = house.rows("SELECT * FROM voicemails WHERE number = ?", f"+86{number}")
        path = house.site.settings.data / "voicemail" / row["file"]
        assert path.stat().st_size > 8000, "the message is there to be heard"
    assert not doubles(house)
    assert not await proof(house)


async def test_c08_nothing_is_recorded_where_recording_is_off(house: House) -> None:
    """C08: the fallback and the queue record nobody; there is no file and no row that says so."""
    await house.sign_in("agent1")
    placed = await house.call(
        "13700000705", steps=(Listen(seconds=3.0), Press(keys="4"), Stay(seconds=30, speaks=True))
    )
    record = await placed.ended(60)
    await settle(house, [record], 20.0)
    row = await house.state_of(placed, "ended")
    assert row["outcome"] == "answered", "roadside help is reached at any hour"
    assert not house.rows("SELECT * FROM recordings WHERE state IN ('running', 'kept')")
    folder = house.site.settings.data / "recordings"

    async def empty() -> bool:
        return not folder.exists() or not list(folder.glob("*.wav"))

    await until(empty)
