"""May we contact a customer: the answer over HTTP and on his page, and what changes it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from fixtures_web import Browser, Office
from sqlalchemy import Connection, select

from access.permissions import Role
from access.users import Principal, Via
from crm.cases.cases import CaseKind, CaseSource, Grade, NewCase
from crm.records.vehicles import Role as VehicleRole
from storage import cases, customers, vehicles
from storage.tables.access import audit
from telephony.hours import WorkingTime
from telephony.numbers import E164
from telephony.options import CalendarOptions

NUMBER = E164("+8613812345678")
#: A Thursday at ten.
NOW = datetime(2026, 11, 19, 10, tzinfo=ZoneInfo("Asia/Shanghai")).astimezone(UTC)


@pytest.fixture
def owner(office: Office) -> str:
    office.clock.set(NOW)

    def work(connection: Connection) -> str:
        made = customers.add_customer(connection, name="欧阳锋", now=NOW)
        customers.add_contact(connection, made.id, NUMBER, NOW, primary=True)
        car = vehicles.add_vehicle(connection, now=NOW, plate="苏A12345")
        vehicles.add_person(connection, car.id, made.id, VehicleRole.OWNER, NOW)
        return made.id

    return office.database.write_now(work)


async def card(browser: Browser, owner: str) -> dict[str, Any]:
    answer = await browser.get(f"/api/v1/customers/{owner}/contactability")
    assert answer.status == 200, await answer.text()
    found: dict[str, Any] = await answer.json()
    return found


def rules(found: dict[str, Any]) -> dict[str, list[str]]:
    return {one["purpose"]: [each["rule"] for each in one["findings"]] for one in found["answers"]}


async def posted(browser: Browser, path: str, body: dict[str, Any], status: int = 200) -> dict[str, Any]:
    answer = await browser.post(path, body)
    assert answer.status == status, await answer.text()
    found: dict[str, Any] = await answer.json()
    return found


async def test_card_says_what_may_be_done_now_and_masks_the_number(office: Office, owner: str) -> None:
    supervisor, agent = await office.signed_in("supervisor"), await office.signed_in("agent")
    found = await card(supervisor, owner)
    assert rules(found) == {"visits": [], "reminders": [], "advertising": ["no_consent"]}
    assert found["answers"][0]["allowed"] is True
    assert found["answers"][0]["number"] == "138 1234 5678"
    assert found["answers"][2]["when"] is None, "nobody but a person can change it"
    assert (await card(agent, owner))["answers"][0]["number"] == "138****5678"


async def test_consent_with_its_proof_allows_advertising_until_it_is_taken_back(
    office: Office, owner: str
) -> None:
    agent = await office.signed_in("agent")
    path = f"/api/v1/customers/{owner}/consents"
    body = {"purpose": "advertising", "source": "signed_form", "proof": "表单 2026-117"}
    made = await posted(agent, path, body, 201)
    assert rules(made)["advertising"] == []
    [consent] = made["consents"]
    assert (consent["proof"], consent["by_name"]) == ("表单 2026-117", "agent")
    refused = await posted(agent, path, {**body, "proof": " "}, 422)
    assert refused["error_id"] == "bad-consent"
    after = await posted(agent, f"{path}/{consent['id']}/withdraw", {"why": "来电要求"})
    assert rules(after)["advertising"] == ["no_consent"]
    assert after["consents"][0]["withdrawn_why"] == "来电要求"
    done = office.database.read_now(
        lambda c: (
            c.execute(select(audit.c.action).where(audit.c.subject == f"customer:{owner}")).scalars().all()
        )
    )
    assert [one for one in done if one.startswith("consent")] == ["consent_noted", "consent_withdrawn"]


async def test_same_request_again_notes_one_consent(office: Office, owner: str) -> None:
    agent = await office.signed_in("agent")
    body = {"purpose": "visits", "source": "call", "proof": "call 1"}
    for _ in range(2):
        answer = await agent.post(
            f"/api/v1/customers/{owner}/consents", body, headers={"Idempotency-Key": "same-one"}
        )
        assert answer.status == 201
    assert len((await card(agent, owner))["consents"]) == 1


async def test_switch_turns_a_purpose_off_for_one_vehicle_or_for_all(office: Office, owner: str) -> None:
    agent = await office.signed_in("agent")
    path = f"/api/v1/customers/{owner}/contact-switches"
    off = await posted(agent, path, {"purpose": "visits", "reason": "客户要求"})
    assert rules(off)["visits"] == ["switched_off"]
    assert rules(off)["reminders"] == []
    [switch] = off["switches"]
    on = await posted(agent, f"{path}/{switch['id']}/on", {})
    assert rules(on)["visits"] == []
    assert on["switches"][0]["on_by_name"] == "agent"
    car = office.database.read_now(lambda c: vehicles.vehicles_of(c, owner))[0][0].id
    body = {"purpose": "reminders", "reason": "已卖", "vehicle_id": car}
    assert rules(await posted(agent, path, body))["reminders"] == [], "of other vehicles he is reminded"
    other = office.database.write_now(lambda c: vehicles.add_vehicle(c, now=NOW, plate="苏B12345")).id
    refused = await posted(agent, path, {**body, "vehicle_id": other}, 404)
    assert refused["error_id"] == "vehicle-not-found"
    past = {"purpose": "visits", "reason": "x", "until": (NOW - timedelta(days=1)).isoformat()}
    assert (await posted(agent, path, past, 422))["error_id"] == "bad-contact-switch"


async def test_rows_of_another_customer_are_not_found(office: Office, owner: str) -> None:
    agent = await office.signed_in("agent")
    made = await posted(
        agent,
        f"/api/v1/customers/{owner}/consents",
        {"purpose": "visits", "source": "call", "proof": "call 1"},
        201,
    )
    other = office.database.write_now(lambda c: customers.add_customer(c, name="别人", now=NOW)).id
    path = f"/api/v1/customers/{other}/consents/{made['consents'][0]['id']}/withdraw"
    assert (await posted(agent, path, {}, 404))["error_id"] == "consent-not-found"


async def test_page_says_why_not_and_when_in_the_readers_language(office: Office, owner: str) -> None:
    hours = WorkingTime.from_options(CalendarOptions())
    office.clock.set(datetime(2026, 11, 19, 20, 30, tzinfo=ZoneInfo("Asia/Shanghai")).astimezone(UTC))
    supervisor = await office.signed_in("supervisor")
    page = await (await supervisor.get(f"/customers/{owner}")).text()
    assert "11-20 09:00 起可以致电" in page
    assert "不在可联系时段（当地 20:30）" in page
    new = NewCase(
        kind=CaseKind.COMPLAINT,
        grade=Grade.ORDINARY,
        source=CaseSource.CALL,
        subject="空调不制冷",
        words="修了两次",
        customer_id=owner,
    )
    case, _events = office.database.write_now(
        lambda c: cases.open_case(
            c,
            new,
            by=Principal(role=Role.MANAGER, via=Via.SESSION, name="m", user_id=office.users["manager"].id),
            now=office.clock.now(),
            hours=hours,
        )
    )
    page = await (await supervisor.get(f"/customers/{owner}")).text()
    assert f"有未结投诉 {case.number}" in page
    assert "不可致电" in page
