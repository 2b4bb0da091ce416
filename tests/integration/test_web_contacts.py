"""Contacts and plans over HTTP: who may what, who reads what, what came of a call, and why a vehicle is due."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
from fixtures_web import Browser, Office
from sqlalchemy import Connection, update

from access.permissions import GRANTS, Permission, Role
from crm.cases.cases import CaseKind, CaseSource, Grade, NewCase
from crm.consent.optouts import OptOutSource, Purpose
from crm.records.customers import Secrecy
from crm.records.purchases import ServiceVisit, VisitKind
from crm.records.vehicles import Role as VehicleRole
from storage import cases, contacts, customers, due, history, optouts, vehicles
from storage.tables.records import customers as customer_table
from telephony.hours import WorkingTime
from telephony.numbers import E164
from telephony.options import CalendarOptions

HOURS = WorkingTime.from_options(CalendarOptions())


@pytest.fixture
def owner(office: Office) -> str:
    def work(connection: Connection) -> str:
        made = customers.add_customer(connection, name="欧阳锋", now=office.clock.now())
        customers.add_contact(connection, made.id, E164("+8613812345678"), office.clock.now(), primary=True)
        return made.id

    return office.database.write_now(work)


@pytest.fixture
def car(office: Office, owner: str) -> str:
    def work(connection: Connection) -> str:
        made = vehicles.add_vehicle(
            connection,
            now=office.clock.now(),
            plate="苏A12345",
            brand="丰田",
            model="卡罗拉",
            delivered_on=date(2025, 3, 1),
        )
        vehicles.add_person(connection, made.id, owner, VehicleRole.OWNER, office.clock.now())
        return made.id

    return office.database.write_now(work)


async def added(browser: Browser, office: Office, owner: str, **more: Any) -> dict[str, Any]:
    answer = await browser.post(
        "/api/v1/contacts",
        {
            "customer_id": owner,
            "due_at": (office.clock.now() + timedelta(days=1)).isoformat(),
            "words": "问候新车使用情况",
            **more,
        },
    )
    assert answer.status == 201, await answer.text()
    made: dict[str, Any] = await answer.json()
    return made


async def posted(browser: Browser, path: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    answer = await browser.post(path, body)
    return answer.status, await answer.json()


async def test_reasons_join_one_contact_and_each_reads_what_he_may(
    office: Office, owner: str, car: str
) -> None:
    agent, supervisor = await office.signed_in("agent"), await office.signed_in("supervisor")
    first = await added(agent, office, owner)
    again = await added(
        agent,
        office,
        owner,
        vehicle_id=car,
        due_at=(office.clock.now() + timedelta(hours=2)).isoformat(),
    )
    assert again["contact"]["id"] == first["contact"]["id"]
    assert [one["plate"] for one in again["contact"]["reasons"]] == ["", "苏A12345"]
    assert again["contact"]["due_at"] < first["contact"]["due_at"]
    assert again["contact"]["number"] == "138****5678"
    assert "13812345678" not in str(again)
    seen = await (await supervisor.get(f"/api/v1/contacts/{first['contact']['id']}")).json()
    assert [(one["number"], one["role"]) for one in seen["callees"]] == [("+8613812345678", "owner")]
    listed = await (await agent.get("/api/v1/contacts?kind=custom")).json()
    assert [one["id"] for one in listed["items"]] == [first["contact"]["id"]]
    assert listed["counts"] == {"open": 1, "overdue": 0, "held": 0, "mine": 0, "free": 1}
    assert listed["kinds"] == {"custom": 2}
    # His page leads to it.
    person = await (await agent.get(f"/customers/{owner}")).text()
    assert f'href="/contacts/{first["contact"]["id"]}"' in person
    none = await (await agent.get("/api/v1/contacts?kind=no_show")).json()
    assert none["items"] == []


async def test_the_same_request_again_adds_no_second_reason(office: Office, owner: str) -> None:
    agent = await office.signed_in("agent")
    body = {"customer_id": owner, "due_at": "2026-12-31T08:00:00Z", "words": "x"}
    key = {"Idempotency-Key": "a-contact"}
    answers = [await agent.post("/api/v1/contacts", body, headers=key) for _ in range(2)]
    made = [await one.json() for one in answers]
    assert [one.status for one in answers] == [201, 201]
    assert made[0]["contact"]["id"] == made[1]["contact"]["id"]
    assert len(made[1]["contact"]["reasons"]) == 1


async def test_five_tries_then_unsuccessful_and_a_call_told_twice_is_one(office: Office, owner: str) -> None:
    agent = await office.signed_in("agent")
    made = await added(agent, office, owner)
    path = f"/api/v1/contacts/{made['contact']['id']}/result"
    for number in range(1, 5):
        for _ in range(2):
            status, after = await posted(agent, path, {"result": "not_reached", "call_id": f"call{number}"})
            assert status == 200, after
        assert (after["contact"]["tries"], after["contact"]["state"]) == (number, "open")
        assert after["contact"]["next_try_at"] is not None
    status, after = await posted(agent, path, {"result": "not_reached", "call_id": "call5"})
    assert (after["contact"]["state"], after["contact"]["result"]) == ("closed", "unsuccessful")
    assert after["allowed_results"] == []
    status, problem = await posted(agent, path, {"result": "done"})
    assert (status, problem["error_id"]) == (409, "contact-closed")
    listed = await (await agent.get("/api/v1/contacts?which=unsuccessful")).json()
    assert [one["tries"] for one in listed["items"]] == [5]


async def test_the_second_of_two_is_told_and_nobody_takes_what_another_has(
    office: Office, owner: str
) -> None:
    agent, other = await office.signed_in("agent"), await office.signed_in("supervisor")
    made = await added(agent, office, owner)
    path = f"/api/v1/contacts/{made['contact']['id']}"
    version = made["contact"]["version"]
    mine = office.users["supervisor"].id
    status, taken = await posted(other, f"{path}/owner", {"owner_id": mine, "version": version})
    assert (status, taken["contact"]["owner_id"]) == (200, mine)
    status, problem = await posted(agent, f"{path}/result", {"result": "done", "version": version})
    assert (status, problem["error_id"]) == (409, "contact-changed")
    status, problem = await posted(agent, f"{path}/result", {"result": "done"})
    assert (status, problem["error_id"]) == (409, "contact-taken")
    status, problem = await posted(agent, f"{path}/owner", {"owner_id": office.users["agent"].id})
    assert (status, problem["error_id"]) == (409, "contact-taken")
    status, given = await posted(other, f"{path}/owner", {"owner_id": office.users["agent"].id})
    assert (status, given["contact"]["owner_id"]) == (200, office.users["agent"].id)
    status, done = await posted(agent, f"{path}/result", {"result": "done", "note": "客户满意"})
    assert (status, done["contact"]["result"], done["contact"]["note"]) == (200, "done", "客户满意")


async def test_a_complaint_holds_and_a_wish_is_shown(office: Office, owner: str) -> None:
    agent = await office.signed_in("agent")
    made = await added(agent, office, owner)
    now = office.clock.now()
    new = NewCase(
        kind=CaseKind.COMPLAINT,
        grade=Grade.ORDINARY,
        source=CaseSource.CALL,
        subject="异响",
        customer_id=owner,
    )
    case, _new = office.database.write_now(lambda c: cases.open_case(c, new, by=None, now=now, hours=HOURS))
    office.database.write_now(
        lambda c: optouts.opt_out(
            c,
            number="+8613812345678",
            purpose=Purpose.VISITS,
            at=now,
            source=OptOutSource.AGENT,
            proof="said so",
        )
    )
    office.database.write_now(lambda c: contacts.hold_and_release(c, now))
    listed = await (await agent.get("/api/v1/contacts?which=held")).json()
    [held] = listed["items"]
    assert (held["id"], held["held_by"]) == (made["contact"]["id"], case.number)
    assert held["blocked"] == ["visits"]
    assert (await (await agent.get("/api/v1/contacts")).json())["items"] == []


async def test_a_restricted_record_shows_that_it_is_there_and_no_more(
    office: Office, owner: str, car: str
) -> None:
    supervisor, agent = await office.signed_in("supervisor"), await office.signed_in("agent")
    made = await added(supervisor, office, owner, vehicle_id=car)
    office.database.write_now(
        lambda c: c.execute(
            update(customer_table)
            .where(customer_table.c.id == owner)
            .values(secrecy=Secrecy.RESTRICTED.value)
        )
    )
    path = f"/api/v1/contacts/{made['contact']['id']}"
    seen = await (await agent.get(path)).json()
    assert seen["contact"]["hidden"] is True
    assert (seen["contact"]["number"], seen["callees"], seen["events"]) == ("", [], [])
    for secret in ("欧阳锋", "苏A12345", "问候新车使用情况"):
        assert secret not in str(seen)
    status, problem = await posted(agent, f"{path}/result", {"result": "done"})
    assert (status, problem["error_id"]) == (403, "record-closed")


async def test_rules_keep_the_version_that_was_read(office: Office) -> None:
    supervisor, agent = await office.signed_in("supervisor"), await office.signed_in("agent")
    rules = await (await supervisor.get("/api/v1/contact-rules")).json()
    assert rules["kinds"]["delivery_visit"]["days"] == 3
    rules["kinds"]["delivery_visit"]["days"] = 5
    assert (await agent.post("/api/v1/contact-rules", rules)).status == 403
    status, saved = await posted(supervisor, "/api/v1/contact-rules", rules)
    assert (status, saved["version"], saved["kinds"]["delivery_visit"]["days"]) == (200, 1, 5)
    status, problem = await posted(supervisor, "/api/v1/contact-rules", rules)
    assert (status, problem["error_id"]) == (409, "contact-changed")


async def test_plans_forecasts_readings_and_rates(office: Office, owner: str, car: str) -> None:
    supervisor, agent = await office.signed_in("supervisor"), await office.signed_in("agent")
    plan = {
        "brand": "丰田",
        "model": "卡罗拉",
        "name": "卡罗拉",
        "first": {"months": 3, "km": 5000},
        "periodic": {"months": 6, "km": 10000},
        "fulfilled_by": ["first", "periodic"],
    }
    assert (await agent.post("/api/v1/maintenance-plans", plan)).status == 403
    status, made = await posted(supervisor, "/api/v1/maintenance-plans", plan)
    assert (status, made["version"]) == (201, 1)
    status, problem = await posted(supervisor, "/api/v1/maintenance-plans", plan)
    assert (status, problem["error_id"]) == (422, "bad-plan")
    told = await (await agent.get(f"/api/v1/vehicles/{car}/due")).json()
    assert (told["plan"]["id"], told["why"]["stage"], told["why"]["cause"]) == (made["id"], "first", "date")
    today = HOURS.date_of(office.clock.now())
    office.database.write_now(
        lambda c: history.add_visit(
            c,
            ServiceVisit(
                id="",
                vehicle_id=car,
                customer_id=owner,
                visited_on=today - timedelta(days=100),
                mileage=6_000,
                kind=VisitKind.FIRST,
                created_at=office.clock.now(),
                updated_at=office.clock.now(),
            ),
            office.clock.now(),
        )
    )
    reading = {"km": 15_000, "read_on": today.isoformat()}
    status, told = await posted(agent, f"/api/v1/vehicles/{car}/readings", reading)
    assert (status, told["why"]["stage"], told["why"]["cause"]) == (200, "periodic", "mileage")
    assert told["next_due_on"] == told["why"]["due_on"]
    assert told["why"]["km_per_day"] > 30
    status, problem = await posted(
        agent, f"/api/v1/vehicles/{car}/readings", {"km": 1, "read_on": "2099-01-01"}
    )
    assert (status, problem["error_id"]) == (422, "bad-plan")
    # The day's reminder is counted for the plan.
    due_on = date.fromisoformat(told["next_due_on"])
    then = office.clock.now() + (due_on - timedelta(days=5) - today)
    while office.database.write_now(lambda c: due.run_share(c, then, HOURS)):
        pass
    first, last = (today - timedelta(days=1)).isoformat(), (due_on + timedelta(days=1)).isoformat()
    rates = await (await supervisor.get(f"/api/v1/invitation-rates?first={first}&last={last}")).json()
    assert [(one["plan_id"], one["invited"], one["reached"]) for one in rates["items"]] == [
        (made["id"], 1, 0)
    ]
    status, changed = await posted(
        supervisor, f"/api/v1/maintenance-plans/{made['id']}", {**plan, "version": 1, "lead_days": 30}
    )
    assert (status, changed["version"], changed["lead_days"]) == (200, 2, 30)
    status, problem = await posted(
        supervisor, f"/api/v1/maintenance-plans/{made['id']}/retire", {"version": 1}
    )
    assert (status, problem["error_id"]) == (409, "plan-changed")
    status, retired = await posted(
        supervisor, f"/api/v1/maintenance-plans/{made['id']}/retire", {"version": 2}
    )
    assert retired["retired_at"] is not None
    held = await (await agent.get("/api/v1/maintenance-plans")).json()
    assert [one["is_default"] for one in held["items"]] == [True]
    every = await (await agent.get("/api/v1/maintenance-plans?retired=true")).json()
    assert [(one["is_default"], one["version"]) for one in every["items"]] == [(True, 1), (False, 2)]


def test_who_may_make_contacts_reads_them_too() -> None:
    for role in Role:
        if Permission.TASKS_WORK in GRANTS[role]:
            assert Permission.MAINTENANCE_READ in GRANTS[role]
