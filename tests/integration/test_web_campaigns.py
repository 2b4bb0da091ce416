"""Campaigns over HTTP: made, changed, run; whom they call; who may, and who reads what."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from fixtures_web import Browser, Office
from sqlalchemy import Connection, select

from crm.consent.options import ContactabilityOptions
from crm.contacts.contacts import NewReason, ReasonKind
from crm.records.customers import Secrecy
from storage import attempts, campaigns, contacts, customers
from storage.attempts import Proposal, Verdict
from storage.contactability import House
from storage.tables.access import audit
from storage.tables.contacts import due_contacts
from telephony.hours import WorkingTime
from telephony.numbers import E164
from telephony.options import CalendarOptions

HOURS = WorkingTime.from_options(CalendarOptions())
NUMBER = E164("+8613812345678")
#: A Thursday at ten.
NOW = datetime(2026, 11, 19, 10, tzinfo=ZoneInfo("Asia/Shanghai")).astimezone(UTC)
HOUSE = House(zone=HOURS.zone, policies=ContactabilityOptions().policies("CN"), key=b"k" * 32)
MADE = {
    "name": "十一月保养提醒",
    "purpose": "periodic_maintenance",
    "mode": "agentless",
    "flow": "campaign_maintenance",
}


@pytest.fixture
def owner(office: Office) -> str:
    office.clock.set(NOW)

    def work(connection: Connection) -> str:
        made = customers.add_customer(connection, name="欧阳锋", now=NOW)
        customers.add_contact(connection, made.id, NUMBER, NOW, primary=True)
        return made.id

    return office.database.write_now(work)


async def posted(browser: Browser, path: str, body: dict[str, Any], status: int = 200) -> dict[str, Any]:
    answer = await browser.post(f"/api/v1/{path}", body)
    assert answer.status == status, await answer.text()
    found: dict[str, Any] = await answer.json()
    return found


async def got(browser: Browser, path: str, status: int = 200) -> dict[str, Any]:
    answer = await browser.get(f"/api/v1/{path}")
    assert answer.status == status, await answer.text()
    found: dict[str, Any] = await answer.json()
    return found


async def test_campaign_is_made_run_changed_paused_and_cloned(office: Office, owner: str) -> None:
    manager = await office.signed_in("manager")
    made = await posted(manager, "campaigns", MADE, 201)
    assert (made["state"], made["reason"], made["steps"]) == (
        "draft",
        "not_running",
        ["schedule", "start", "archive"],
    )
    assert made["rules"]["retries"]["busy"]["minutes"] == 240, "the house's rules stand in it"
    path = f"campaigns/{made['id']}"
    added = await posted(manager, f"{path}/targets", {"customer_ids": [owner]})
    assert added == {"asked": 1, "added": 1, "hidden": 0}
    running = await posted(manager, f"{path}/step", {"step": "start", "version": made["version"]})
    assert (running["state"], running["targets"], running["waiting"]) == (
        "running",
        {"waiting": 1},
        {"due": 1},
    )
    late = await posted(manager, f"{path}/step", {"step": "pause", "version": made["version"]}, 409)
    assert late["error_id"] == "campaign-changed"
    refused = await posted(manager, f"{path}/step", {"step": "archive", "version": running["version"]}, 409)
    assert refused["error_id"] == "campaign-step-not-allowed"
    assert refused["detail"].startswith("Archive is not possible while the campaign is running")
    other = {**MADE, "name": "改名", "rules": {"most_calls": 3}, "version": running["version"]}
    changed = await posted(manager, path, other)
    assert (changed["name"], changed["rules"]["most_calls"]) == ("改名", 3)
    clone = await posted(manager, f"{path}/clone", {"name": "改名 2"}, 201)
    assert (clone["state"], clone["rules"]["most_calls"], clone["targets"]) == ("draft", 3, {})
    listed = await got(manager, "campaigns?state=running")
    assert [one["name"] for one in listed["items"]] == ["改名"]
    done = office.database.read_now(
        lambda c: c.execute(select(audit.c.action).where(audit.c.subject.like("campaign:%"))).scalars().all()
    )
    assert sorted(done) == ["campaign_changed"] * 4 + ["campaign_stepped"]


@pytest.mark.parametrize(
    ("more", "error"),
    [
        ({"flow": "service"}, "bad-campaign"),
        ({"flow": ""}, "bad-campaign"),
        ({"mode": "predictive", "queue": "nobody"}, "bad-campaign"),
        ({"mode": "predictive", "queue": ""}, "bad-campaign"),
        ({"rules": {"abandon_cap": 0.04}}, "bad-values"),
        ({"starts_at": "2026-12-02T00:00:00Z", "ends_at": "2026-12-01T00:00:00Z"}, "bad-campaign"),
    ],
)
async def test_campaign_that_could_not_run_is_refused(
    office: Office, more: dict[str, Any], error: str
) -> None:
    manager = await office.signed_in("manager")
    refused = await posted(manager, "campaigns", {**MADE, **more}, 422)
    assert refused["error_id"] == error
    assert (await got(manager, "campaigns"))["items"] == []


async def test_same_request_again_makes_one_campaign(office: Office) -> None:
    manager = await office.signed_in("manager")
    ids = set()
    for _ in range(2):
        answer = await manager.post("/api/v1/campaigns", MADE, headers={"Idempotency-Key": "k1"})
        assert answer.status == 201
        ids.add((await answer.json())["id"])
    assert len(ids) == 1
    assert (await posted(manager, "campaigns", MADE, 409))["error_id"] == "campaign-taken"


async def test_open_contacts_come_on_and_what_is_closed_meanwhile_is_not_called(
    office: Office, owner: str
) -> None:
    manager = await office.signed_in("manager")
    made = await posted(manager, "campaigns", MADE, 201)
    reason = NewReason(
        kind=ReasonKind.PERIODIC_MAINTENANCE, occasion="x", customer_id=owner, due_at=NOW + timedelta(days=1)
    )
    office.database.write_now(lambda c: contacts.add_reason(c, reason, now=NOW))
    path = f"campaigns/{made['id']}/targets"
    body = {"reasons": ["periodic_maintenance", "first_maintenance"]}
    assert (await posted(manager, path, body))["added"] == 1
    assert (await posted(manager, path, body))["added"] == 0
    [target] = (await got(manager, path))["items"]
    assert target["contact_id"] is not None
    assert (await posted(manager, path, {}, 422))["error_id"] == "bad-campaign"
    closed = {"state": "closed", "result": "done", "closed_at": NOW}
    office.database.write_now(lambda c: c.execute(due_contacts.update().values(**closed)))

    def propose(connection: Connection) -> list[Proposal]:
        return attempts.propose(connection, campaigns.get(connection, made["id"]), HOUSE, NOW, 5)

    [proposal] = office.database.read_now(propose)
    assert (proposal.verdict, proposal.why) == (Verdict.DONE, {"why": "contact", "result": "done"})


async def test_names_and_numbers_are_masked_and_closed_records_stay_out(office: Office, owner: str) -> None:
    supervisor = await office.signed_in("supervisor")
    made = await posted(supervisor, "campaigns", MADE, 201)
    secret = office.database.write_now(
        lambda c: customers.add_customer(c, name="保密", now=NOW, secrecy=Secrecy.RESTRICTED)
    ).id
    added = await posted(
        supervisor, f"campaigns/{made['id']}/targets", {"customer_ids": [owner, secret, "nobody"]}
    )
    assert added["added"] + added["hidden"] == 2
    [line, *_] = (await got(supervisor, f"campaigns/{made['id']}/targets"))["items"]
    assert line["customer_name"] == "欧阳锋"
    agent = await office.signed_in("agent")
    assert (await got(agent, "campaigns", 403))["error_id"] == "not-allowed"


async def test_who_is_taken_off_is_not_called_and_tries_are_listed(office: Office, owner: str) -> None:
    manager = await office.signed_in("manager")
    made = await posted(manager, "campaigns", MADE, 201)
    path = f"campaigns/{made['id']}"
    await posted(manager, f"{path}/targets", {"customer_ids": [owner]})
    await posted(manager, f"{path}/step", {"step": "start", "version": 1})

    def dial(connection: Connection) -> None:
        running = campaigns.get(connection, made["id"])
        found = attempts.propose(connection, running, HOUSE, NOW, 1)
        attempts.claim(connection, running.id, found, node="careline", now=NOW)

    office.database.write_now(dial)
    [tried] = (await got(manager, f"{path}/attempts"))["items"]
    assert (tried["state"], tried["number"], tried["answer"]["allowed"]) == ("intent", "138 1234 5678", True)
    [target] = (await got(manager, f"{path}/targets"))["items"]
    gone = await posted(manager, f"campaign-targets/{target['id']}/withdraw", {"why": "客户已来店"})
    assert gone["state"] == "dialing", "the call that goes on is not cut off"
    office.database.write_now(
        lambda c: attempts.give_back(c, [tried["id"]], reason="x", now=NOW + timedelta(minutes=2))
    )
    [target] = (await got(manager, f"{path}/targets"))["items"]
    assert target["state"] == "given_up"


async def test_pages_show_how_a_campaign_stands_and_why_it_dials_nobody(office: Office, owner: str) -> None:
    supervisor = await office.signed_in("supervisor")
    made = await posted(supervisor, "campaigns", MADE, 201)
    path = f"campaigns/{made['id']}"
    await posted(supervisor, f"{path}/targets", {"customer_ids": [owner]})
    listed = await (await supervisor.get("/campaigns")).text()
    assert "十一月保养提醒" in listed
    assert "活动未在进行" in listed
    page = await (await supervisor.get(f"/{path}")).text()
    assert "已完成 0 / 1" in page
    assert "欧阳锋" in page
    tries = await (await supervisor.get(f"/{path}?view=attempts")).text()
    assert "还没有拨打过。" in tries
    waiting = await (await supervisor.get(f"/{path}?state=done")).text()
    assert "这里没有客户。" in waiting
    assert "campaign_maintenance" in await (await supervisor.get("/campaigns/new")).text()
    agent = await office.signed_in("agent")
    assert (await agent.get("/campaigns")).status == 403
