"""A whole house asked by keys: customers book, move and cancel, and answer a questionnaire, over real SIP and RTP."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest
import pytest_asyncio
from fixtures_house import House, a_house, until, when
from house_truth import settle, short_sentences
from waiting import SLACK

from lab.customers import Stay
from lab.world import Placed

pytestmark = [pytest.mark.asterisk, pytest.mark.asyncio(loop_scope="module")]

HOTLINE, SURVEY = "4008001234", "4008007777"
STAYS = (Stay(seconds=240, speaks=True),)
#: A key that comes between two prompts reaches nobody; who heard nothing of it presses once more.
HEARD, AGAIN = 1.5, 12.0


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house() -> AsyncIterator[House]:
    short = short_sentences()
    for name in ("survey_hello", "survey_thanks", "appointment_booked", "appointment_cancelled"):
        (short / "zh-CN" / f"{name}.ulaw").write_bytes(b"\x20\xa0" * 1200)
    try:
        async with a_house(
            {
                "ivr": {"prompts": str(short), "step_margin_seconds": 3},
                "telephony": {"hotline": {"numbers": {HOTLINE: "service", SURVEY: "survey"}}},
            },
            agents=("agent1",),
        ) as built:
            await built.sign_in("agent1", {"service": 0})
            yield built
    finally:
        shutil.rmtree(short, ignore_errors=True)


async def choose(house: House, placed: Placed, keys: str, told: str) -> None:
    """Press when the menu listens, until the log tells so of the call."""

    async def there() -> bool:
        return told in ((await house.row_of(placed))["keys"] or "")

    await asyncio.sleep(HEARD)
    for _once_more in range(5):
        await placed.press(keys)
        try:
            await until(there, AGAIN)
        except AssertionError:
            continue
        return
    raise AssertionError(f"{told} was never heard: {(await house.row_of(placed))['keys']}")


def booked(house: House, caller: str) -> Sequence[Any]:
    return house.rows(
        "SELECT a.* FROM appointments a JOIN contacts n ON n.customer_id = a.customer_id"
        " WHERE n.number = ? AND a.source = 'keypad' ORDER BY a.id",
        f"+86{caller}",
    )


def answered(house: House, call_id: str) -> dict[str, Any]:
    """The response of a call with its answers as they count."""
    [response] = house.rows("SELECT * FROM responses WHERE call_id = ?", call_id)
    rows = house.rows(
        "SELECT question, body FROM response_answers WHERE response_id = ? ORDER BY seq", response["id"]
    )
    return {**dict(response), "given": {row["question"]: _value(row["body"]) for row in rows}}


def _value(body: Any) -> Any:
    return (json.loads(body) if isinstance(body, str) else body)["value"]


def taken(house: House, made: Any) -> int:
    """How many hold the place of this appointment."""
    wanted = "SELECT taken FROM appointment_cells WHERE lane_id = ? AND at = ?"
    rows = house.rows(wanted, made["lane_id"], made["starts_at"])
    return int(rows[0]["taken"]) if rows else 0


async def test_a_customer_books_hears_it_and_takes_it_back(house: House) -> None:
    caller = "13900001021"
    placed = await house.call(caller, HOTLINE, steps=STAYS)
    await choose(house, placed, "5", "main=5")
    await choose(house, placed, "1", "keypad_menu=1")
    await choose(house, placed, "2", "keypad_choose=2")
    record = await placed.ended(120)
    row = await house.state_of(placed, "ended")
    [made] = booked(house, caller)
    assert (made["state"], made["work"], made["call_id"]) == ("booked", "maintenance", row["id"])
    assert row["customer_id"] == made["customer_id"]
    held = taken(house, made)
    assert held >= 1
    told = house.rows("SELECT kind, state FROM appointment_notices WHERE appointment_id = ?", made["id"])
    assert ("confirmation", "told") in {(one["kind"], one["state"]) for one in told}, "she heard it"
    await settle(house, [record], 20.0)

    # Asked for again the same number tells of it; 2 takes it back, and the place is free.
    placed = await house.call(caller, HOTLINE, steps=STAYS)
    await choose(house, placed, "5", "main=5")
    await choose(house, placed, "2", "keypad_menu=2")
    await choose(house, placed, "2", "keypad_change=2")
    await placed.ended(120)
    await house.state_of(placed, "ended")
    [gone] = booked(house, caller)
    assert (gone["id"], gone["state"]) == (made["id"], "cancelled")
    assert taken(house, gone) == held - 1


async def test_a_dissatisfied_customer_answers_by_keys_and_is_heard(house: House) -> None:
    caller = "13900001023"
    placed = await house.call(caller, SURVEY, steps=STAYS)
    await choose(house, placed, "2", "ask=2")
    await choose(house, placed, "3", "ask=3")
    await asyncio.sleep(HEARD)
    await placed.press("10")  # the longest answer needs no #
    record = await placed.ended(120)
    row = await house.state_of(placed, "ended")
    assert row["keys"] == "ask=2 ask=3 ask=10"
    response = answered(house, row["id"])
    assert (response["state"], response["channel"]) == ("finished", "keypad")
    assert response["given"] == {"overall": 2, "fixed": "unfixed", "recommend": 10}
    assert response["customer_id"] == row["customer_id"]
    [case] = house.rows("SELECT * FROM cases WHERE id = ?", response["opened_case_id"])
    assert (case["kind"], case["department"], case["customer_id"]) == (
        "grumble",
        "service",
        row["customer_id"],
    )
    assert when(row["ended_at"]) == pytest.approx(record.end, abs=SLACK)
    await settle(house, [record], 20.0)


async def test_who_hangs_up_in_the_middle_has_said_what_she_said(house: House) -> None:
    caller = "13900001026"
    placed = await house.call(caller, SURVEY, steps=STAYS)
    await choose(house, placed, "1", "ask=1")
    await placed.hang_up()
    await placed.ended()
    row = await house.state_of(placed, "ended")

    async def broken_off() -> bool:
        return answered(house, row["id"])["state"] == "broken_off"

    await until(broken_off, saying="the response was never broken off")
    response = answered(house, row["id"])
    assert response["given"] == {"overall": 1}
    assert response["why"] == "客户挂机"
    assert response["opened_case_id"], "the worst mark is heard, whatever ended the call"
