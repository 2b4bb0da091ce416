"""Cases over HTTP: who may what, who reads what, links of departments, and what the second of two is told."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
from fixtures_web import Browser, Office
from sqlalchemy import Connection, update

from access.permissions import Role
from crm.cases.cases import Responsibility
from crm.cases.steps import Given, Step
from crm.links.links import LinkExpired, LinkRevoked, PinWrong
from crm.records.customers import Secrecy
from storage import audit, customers, users
from storage.tables.records import customers as customer_table
from telephony.numbers import E164
from web.ports.cases import LinkCase

NEW: dict[str, Any] = {
    "kind": "complaint",
    "grade": "ordinary",
    "source": "call",
    "subject": "刹车异响",
    "words": "请打 13812345678，修了两次",
}
REPLY = {
    "cause": "刹车片磨损",
    "responsibility": "ours",
    "plan": "更换刹车片",
    "carry_out_on": "2026-12-31",
}


@pytest.fixture
def owner(office: Office) -> str:
    def work(connection: Connection) -> str:
        made = customers.add_customer(connection, name="欧阳锋", now=office.clock.now())
        customers.add_contact(connection, made.id, E164("+8613812345678"), office.clock.now(), primary=True)
        return made.id

    return office.database.write_now(work)


async def registered(browser: Browser, owner: str, **more: Any) -> dict[str, Any]:
    answer = await browser.post("/api/v1/cases", {**NEW, "customer_id": owner, **more})
    assert answer.status == 201, await answer.text()
    made: dict[str, Any] = await answer.json()
    return made


async def take(browser: Browser, case: dict[str, Any], step: str, **body: Any) -> dict[str, Any]:
    answer = await browser.post(
        f"/api/v1/cases/{case['case']['id']}/{step}", {"version": case["case"]["version"], **body}
    )
    assert answer.status == 200, await answer.text()
    after: dict[str, Any] = await answer.json()
    return after


async def test_the_way_over_http_with_allowed_steps_at_each(office: Office, owner: str) -> None:
    agent = await office.signed_in("agent")
    case = await registered(agent, owner)
    assert case["case"]["number"].startswith("TS2026-")
    assert case["case"]["phone"] == "138****5678"
    assert "13812345678" not in str(case)  # an agent reads masks, in the customer's words too
    assert "assign" in case["allowed_steps"]
    assert "exception" not in case["allowed_steps"]  # the role has no such right
    refused = await agent.post(f"/api/v1/cases/{case['case']['id']}/close", {})
    problem = await refused.json()
    assert (refused.status, problem["error_id"], problem["state"]) == (
        409,
        "case-step-not-allowed",
        "registered",
    )
    assert "assign" in problem["allowed_steps"]
    for step, body in (
        ("assign", {"department": "service", "with_link": True}),
        ("accept", {}),
        ("reply", REPLY),
        ("tell-plan", {"reached": "agreed"}),
        ("carried-out", {}),
        ("second-visit", {"reached": "satisfied"}),
        ("close", {"words": "已归档"}),
    ):
        case = await take(agent, case, step, **body)
        if step == "assign":
            assert case["link"]["path"].startswith("/l/case/")
            assert len(case["link"]["pin"]) == 6
        else:
            assert case["link"] is None
    assert (case["case"]["state"], case["case"]["ending"]) == ("closed", "satisfied")
    assert [one["seq"] for one in case["events"]] == list(range(1, len(case["events"]) + 1))
    entries = office.database.read_now(lambda c: audit.list_entries(c, subject=f"case:{case['case']['id']}"))
    assert [one.action.value for one in entries].count("case_stepped") == 7
    listed = await (await agent.get("/api/v1/cases?which=closed")).json()
    assert [one["id"] for one in listed["items"]] == [case["case"]["id"]]


async def test_r28_the_second_gets_409_with_what_the_first_did(office: Office, owner: str) -> None:
    one, other = await office.signed_in("agent"), await office.signed_in("supervisor")
    case = await registered(one, owner)
    handed = await take(other, case, "assign", department="service")
    late = await one.post(
        f"/api/v1/cases/{case['case']['id']}/assign",
        {"department": "sales", "version": case["case"]["version"]},
    )
    problem = await late.json()
    assert (late.status, problem["error_id"]) == (409, "case-changed")
    assert problem["state"] == "assigned"
    assert problem["version"] == handed["case"]["version"]
    assert problem["theirs"]["events"][-1]["step"] == "assign"
    assert problem["holder"]


async def test_one_key_registers_once(office: Office, owner: str) -> None:
    agent = await office.signed_in("agent")
    body = {**NEW, "customer_id": owner}
    made = [
        await (
            await agent.session.post(
                f"{agent.base}/api/v1/cases",
                json=body,
                headers={"X-CSRF-Token": agent.csrf, "Idempotency-Key": "once-1"},
            )
        ).json()
        for _ in range(2)
    ]
    assert made[0]["case"]["id"] == made[1]["case"]["id"]


async def test_rights_to_lower_to_give_away_and_to_sign(office: Office, owner: str) -> None:
    agent = await office.signed_in("agent")
    supervisor = await office.signed_in("supervisor")
    manager = await office.signed_in("manager")
    case = await registered(agent, owner, grade="escalated")
    path = f"/api/v1/cases/{case['case']['id']}"
    lowered = await agent.post(f"{path}/classify", {"grade": "ordinary"})
    assert (lowered.status, (await lowered.json())["error_id"]) == (403, "case-step-forbidden")
    boss = office.database.read_now(users.list_users)
    other = next(one.id for one in boss if one.role is Role.SUPERVISOR)
    given = await agent.post(f"{path}/assign", {"department": "service", "handler_id": other})
    assert given.status == 403
    case = await take(supervisor, case, "classify", grade="ordinary")
    assert (await supervisor.post(f"{path}/exception", {"words": "撤回"})).status == 403
    case = await take(manager, case, "exception", words="客户撤回")
    assert case["case"]["exception_reason"] == "客户撤回"
    case = await take(agent, case, "close")
    assert case["case"]["ending"] == "exception"


async def test_a_department_sees_and_answers_its_own_alone(office: Office, owner: str) -> None:
    agent = await office.signed_in("agent")
    theirs = await office.signed_in("department")
    who = next(one.id for one in office.database.read_now(users.list_users) if one.role is Role.DEPARTMENT)
    office.database.write_now(lambda c: users.set_department(c, who, "quality"))
    case = await registered(agent, owner)
    path = f"/api/v1/cases/{case['case']['id']}"
    assert (await theirs.get(path)).status == 404
    assert (await (await theirs.get("/api/v1/cases")).json())["items"] == []
    await take(agent, case, "note", words="客户情绪激动")
    case = await take(agent, case, "assign", department="quality")
    seen = await (await theirs.get(path)).json()
    assert seen["case"]["customer_name"] == "欧阳锋"
    assert "13812345678" not in str(seen)
    assert seen["allowed_steps"] == ["accept", "hand_back", "note"]
    assert "note" not in [one["step"] for one in seen["events"]]
    assert (await theirs.post(f"{path}/tell-plan", {"reached": "agreed"})).status == 403
    case = await take(theirs, case, "accept")
    back = await take(theirs, case, "hand-back", words="属于售后")
    assert back["case"]["state"] == "registered"
    assert (await theirs.get(path)).status == 404


async def test_a_restricted_record_is_heard_and_not_read(office: Office, owner: str) -> None:
    def restrict(connection: Connection) -> None:
        connection.execute(
            update(customer_table).where(customer_table.c.id == owner).values(secrecy=Secrecy.RESTRICTED)
        )

    office.database.write_now(restrict)
    agent = await office.signed_in("agent")
    case = await registered(agent, owner)
    assert case["case"]["hidden"] is True
    assert (case["case"]["words"], case["case"]["subject"], case["allowed_steps"]) == ("", "", [])
    assert "欧阳锋" not in str(case)
    taken = await agent.post(f"/api/v1/cases/{case['case']['id']}/assign", {"department": "service"})
    assert (taken.status, (await taken.json())["error_id"]) == (403, "record-closed")
    supervisor = await office.signed_in("supervisor")
    shown = await (await supervisor.get(f"/api/v1/cases/{case['case']['id']}")).json()
    assert shown["case"]["subject"] == "刹车异响"


async def test_a_department_answers_by_link_and_a_wrong_pin_counts(office: Office, owner: str) -> None:
    agent = await office.signed_in("agent")
    case = await take(agent, await registered(agent, owner), "assign", department="service", with_link=True)
    secret, pin = case["link"]["path"].rpartition("/")[2], case["link"]["pin"]
    book, now = office.services.cases, office.clock.now()
    wrong = "000000" if pin != "000000" else "111111"
    with pytest.raises(PinWrong) as refused:
        await book.link_case(secret, wrong, now)
    assert refused.value.left == 4
    shown = await book.link_case(secret, pin, now)
    assert "13812345678" not in str(shown.line)
    assert shown.line.customer_name == ""  # how he is addressed is enough
    assert shown.addressed["zh-CN"]
    assert list(shown.allowed) == [Step.ACCEPT, Step.HAND_BACK]

    async def by_link(step: Step, **given: Any) -> LinkCase:
        return await book.link_step(
            secret, pin, step, Given(**given), name="钱师傅", version=None, now=now, address="127.0.0.1"
        )

    await by_link(Step.ACCEPT)
    done = await by_link(
        Step.REPLY, **{**REPLY, "carry_out_on": date(2026, 12, 31), "responsibility": Responsibility.OURS}
    )
    assert done.case.replied_by_name == "钱师傅"
    seen = await (await agent.get(f"/api/v1/cases/{case['case']['id']}")).json()
    assert [(one["step"], one["by"], one["by_name"]) for one in seen["events"]][-2:] == [
        ("accept", "link", "钱师傅"),
        ("reply", "link", "钱师傅"),
    ]
    assert {one["link_id"] for one in seen["events"][-2:]} == {seen["links"][0]["id"]}
    with pytest.raises(LinkExpired):
        await book.link_case(secret, pin, now + timedelta(days=15))
    fresh = await take(agent, seen, "link")
    with pytest.raises(LinkRevoked):
        await book.link_case(secret, pin, now)
    assert fresh["link"]["pin"]


async def test_lists_are_filtered_paged_and_counted(office: Office, owner: str) -> None:
    agent = await office.signed_in("agent")
    for place in range(3):
        await registered(agent, owner, subject=f"第 {place} 件")
    await registered(agent, owner, kind="praise", subject="表扬技师")
    first = await (await agent.get("/api/v1/cases?limit=3")).json()
    second = await (
        await agent.get(f"/api/v1/cases?limit=3&cursor={first['next'].replace('+', '%2B')}")
    ).json()
    found = [one["id"] for one in first["items"] + second["items"]]
    assert len(set(found)) == len(found) == 4
    assert second["next"] is None
    assert (first["counts"]["open"], first["counts"]["mine"], first["counts"]["overdue"]) == (4, 4, 0)
    for query, count in (
        ("kind=praise", 1),
        ("search=第 1 件", 1),
        ("search=TS2026-000002", 1),
        ("mine=true", 4),
        ("free=true", 0),
        (f"customer_id={owner}", 4),
        ("state=closed", 0),
        ("which=all&source=call", 4),
        ("opened_from=2026-06-16&opened_to=2026-06-16&which=all", 4),
        ("opened_to=2026-06-15&which=all", 0),
        ("which=overdue", 0),
    ):
        page = await (await agent.get(f"/api/v1/cases?{query}")).json()
        assert len(page["items"]) == count, query
    bad = await agent.get("/api/v1/cases?cursor=nothing")
    assert bad.status == 400
