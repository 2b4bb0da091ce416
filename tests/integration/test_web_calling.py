"""Calling through a campaign's list by hand, over the API: one customer for one agent, asked about at each step."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from fixtures_web import Browser, Office
from sqlalchemy import Connection

from access.permissions import Role
from campaigns.attempts import AttemptState
from campaigns.campaigns import CampaignStep, Mode, Purpose
from campaigns.rules import Rules
from campaigns.targets import NewTarget, TargetState
from storage import attempts, campaign_targets, campaign_work, campaigns, customers
from storage.agents import give_phones
from telephony.numbers import E164
from telephony.ports import SwitchUnavailable

#: A Thursday at ten.
NOW = datetime(2026, 11, 19, 10, tzinfo=ZoneInfo("Asia/Shanghai")).astimezone(UTC)


@pytest.fixture
def listed(office: Office) -> tuple[str, list[str]]:
    """A running preview campaign with three customers: its id and those of its targets."""
    office.clock.set(NOW)

    def work(connection: Connection) -> tuple[str, list[str]]:
        campaign = campaigns.create(
            connection,
            name="回访名单",
            purpose=Purpose.DELIVERY_VISIT,
            mode=Mode.PREVIEW,
            queue="service",
            now=NOW,
            rules=Rules(preview_seconds=60),
        )
        new = []
        for place in range(3):
            one = customers.add_customer(connection, name=f"客户{place}", now=NOW)
            customers.add_contact(connection, one.id, E164(f"+861390000100{place}"), NOW)
            new.append(NewTarget(customer_id=one.id, key=str(place)))
        campaign_targets.add(connection, campaign, new, NOW)
        campaigns.step(connection, campaign.id, CampaignStep.START, NOW)
        return campaign.id, [one.id for one in campaign_targets.page(connection, campaign.id)]

    return office.database.write_now(work)


async def agent(office: Office, login: str) -> Browser:
    user = office.add_user(login, Role.AGENT)
    office.database.write_now(lambda c: give_phones(c, user.id, office.clock.now()))
    return await office.signed_in(login)


async def posted(browser: Browser, path: str, body: dict[str, Any], status: int = 200) -> dict[str, Any]:
    answer = await browser.post(f"/api/v1/{path}", body)
    assert answer.status == status, await answer.text()
    found: dict[str, Any] = await answer.json()
    return found


async def desk_of(browser: Browser) -> dict[str, Any]:
    answer = await browser.get("/api/v1/me/calling")
    assert answer.status == 200, await answer.text()
    found: dict[str, Any] = await answer.json()
    return found


async def test_each_agent_gets_another_customer_until_his_time_is_over(
    office: Office, listed: tuple[str, list[str]]
) -> None:
    campaign, ids = listed
    first, second = await agent(office, "pli"), await agent(office, "pwang")
    one = (await posted(first, f"campaigns/{campaign}/next", {}))["target"]
    two = (await posted(second, f"campaigns/{campaign}/next", {}))["target"]
    assert [one["target_id"], two["target_id"]] == ids[:2]
    desk = await desk_of(first)
    assert desk["held"]["target_id"] == ids[0]
    assert desk["campaigns"][0]["due"] == 2, "what the colleague looks at is not his"
    taken = await posted(second, f"campaign-targets/{ids[0]}/dial", {}, status=409)
    assert taken["error_id"] == "target-taken"
    office.clock.advance(61)
    third = (await posted(second, f"campaigns/{campaign}/next", {}))["target"]
    assert third["target_id"] == ids[0], "the first agent's time is over"


async def test_dial_is_a_committed_attempt_with_its_call_before_anything_rings(
    office: Office, listed: tuple[str, list[str]]
) -> None:
    campaign, ids = listed
    browser = await agent(office, "pli")
    await posted(browser, f"campaigns/{campaign}/next", {})
    made = await posted(browser, f"campaign-targets/{ids[0]}/dial", {}, status=202)
    [order] = [one for one in office.desk.orders if one[0] == "place"]
    assert order[3] == "+8613900001000"
    [attempt] = office.database.read_now(lambda c: attempts.of_target(c, ids[0]))
    assert (attempt.id, attempt.state, attempt.agent_first) == (made["call_id"], AttemptState.SUBMITTED, True)
    assert attempt.answer["allowed"] is True
    call = await browser.get(f"/api/v1/calls/{made['call_id']}")
    row = (await call.json())["call"]
    assert (row["direction"], row["customer_id"]) == ("outbound", attempt.customer_id)
    again = await posted(browser, f"campaign-targets/{ids[0]}/dial", {}, status=409)
    assert again["error_id"] == "target-taken"


async def test_where_the_switch_is_away_nothing_was_tried(
    office: Office, listed: tuple[str, list[str]]
) -> None:
    _, ids = listed
    browser = await agent(office, "pli")
    office.desk.trouble = SwitchUnavailable("Asterisk is away.")
    await posted(browser, f"campaign-targets/{ids[0]}/dial", {}, status=503)
    target = office.database.read_now(lambda c: campaign_targets.get(c, ids[0]))
    assert target is not None
    assert (target.state, target.tries) == (TargetState.WAITING, 0)
    office.desk.trouble = None
    office.clock.advance(10)
    await posted(browser, f"campaign-targets/{ids[0]}/dial", {}, status=202)


async def test_who_may_not_be_called_is_not_dialed_and_the_reason_is_said(
    office: Office, listed: tuple[str, list[str]]
) -> None:
    _, ids = listed
    office.clock.set(NOW + timedelta(hours=12))
    browser = await agent(office, "pli")
    refused = await posted(browser, f"campaign-targets/{ids[0]}/dial", {}, status=409)
    assert refused["error_id"] == "contact-refused"
    assert "不能拨打" in refused["detail"] or "may not be called" in refused["detail"]
    assert office.database.read_now(lambda c: attempts.of_target(c, ids[0])) == []


async def test_skipped_with_a_reason_comes_again_later(office: Office, listed: tuple[str, list[str]]) -> None:
    campaign, ids = listed
    browser = await agent(office, "pli")
    await posted(browser, f"campaigns/{campaign}/next", {})
    until = NOW + timedelta(hours=2)
    await posted(browser, f"campaign-targets/{ids[0]}/skip", {"reason": "在开会", "until": until.isoformat()})
    target = office.database.read_now(lambda c: campaign_targets.get(c, ids[0]))
    assert target is not None
    assert (target.due_at, target.held_by, target.tries, target.why["reason"]) == (until, None, 0, "在开会")
    past = {"reason": "x", "until": NOW.isoformat()}
    refused = await posted(browser, f"campaign-targets/{ids[1]}/skip", past, status=422)
    assert refused["error_id"] == "bad-campaign"


async def test_promised_call_back_is_the_agents_own_and_goes_to_the_pool_when_he_is_away(
    office: Office, listed: tuple[str, list[str]]
) -> None:
    campaign, ids = listed
    first, second = await agent(office, "pli"), await agent(office, "pwang")
    me = office.users["pli"].id
    at = NOW + timedelta(hours=3)
    body = {"at": at.isoformat(), "agent_id": None, "note": "下午问保险"}
    await posted(first, f"campaign-targets/{ids[0]}/call-back", body)
    assert [one["target_id"] for one in (await desk_of(second))["call_backs"]] == [ids[0]], "the pool's"
    office.database.write_now(
        lambda c: campaign_work.call_back(
            c, ids[0], at=at, agent_id=me, by="李", note="下午问保险", now=office.clock.now()
        )
    )
    assert [one["callback_note"] for one in (await desk_of(first))["call_backs"]] == ["下午问保险"]
    assert (await desk_of(second))["call_backs"] == []
    taken = await posted(second, f"campaign-targets/{ids[0]}/call-back", body, status=409)
    assert taken["error_id"] == "target-over", "only a supervisor gives it to somebody else"
    office.clock.set(at + timedelta(minutes=16))
    given = office.database.write_now(
        lambda c: campaign_work.give_to_pool(c, office.clock.now() - timedelta(minutes=15), [me])
    )
    assert given == 1
    second = await office.signed_in("pwang")  # hours have gone by
    found = (await posted(second, f"campaigns/{campaign}/next", {}))["target"]
    assert found["target_id"] in ids
    assert [one["target_id"] for one in (await desk_of(second))["call_backs"]] == [ids[0]]


async def test_who_was_reached_can_be_promised_another_call(
    office: Office, listed: tuple[str, list[str]]
) -> None:
    _, ids = listed
    browser = await agent(office, "pli")
    office.database.write_now(
        lambda c: campaign_targets.end(c, ids[0], TargetState.DONE, why={"why": "reached"}, now=NOW)
    )
    at = NOW + timedelta(days=20)
    card = await posted(
        browser, f"campaign-targets/{ids[0]}/call-back", {"at": at.isoformat(), "agent_id": None}
    )
    assert card["state"] == "waiting"
    target = office.database.read_now(lambda c: campaign_targets.get(c, ids[0]))
    assert target is not None
    assert target.expires_at > at
