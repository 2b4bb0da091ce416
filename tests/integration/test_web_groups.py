"""Groups, merges and corrections over HTTP: shapes, refusals, audit rows, masks, and a merge in a call (R34)."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from fixtures_web import Office, until
from sqlalchemy import Connection, update

from access.permissions import Role
from crm.corrections.orders import Department
from crm.records.changes import Author
from crm.records.customers import Secrecy
from crm.records.fields import FieldDefinition, FieldKind, FieldSubject
from storage import audit, corrections, customers, duplicates, groups, vehicles
from storage import calls as call_log
from storage import fields as own_fields
from storage.tables.records import customers as customer_table
from telephony.calls import CallState
from telephony.facts import Fact, FactKind, Source
from telephony.numbers import E164

NUMBER = E164("+8613812345678")
BY = Author(name="Supervisor Wu")


def twins(office: Office) -> tuple[str, str]:
    def work(connection: Connection) -> tuple[str, str]:
        now = office.clock.now()
        one = customers.add_customer(connection, name="张伟", now=now)
        other = customers.add_customer(connection, name="张先生", now=now)
        for person in (one, other):
            customers.add_contact(connection, person.id, NUMBER, now)
        while duplicates.look_at_marked(connection, now):
            pass
        return one.id, other.id

    return office.database.write_now(work)


async def told(answer: Any) -> tuple[int, str]:
    return answer.status, (await answer.json()).get("error_id", "")


def actions(office: Office, subject: str) -> list[str]:
    return [
        one.action.value for one in office.database.read_now(lambda c: audit.list_entries(c, subject=subject))
    ]


async def test_a_group_from_its_query_to_its_frozen_list(office: Office) -> None:
    one, other = twins(office)
    browser = await office.signed_in("supervisor")
    query = {"field": "name", "op": "begins", "value": "张"}
    looked = await (await browser.post("/api/v1/group-look", {"query": query})).json()
    assert looked["count"] == 2
    assert {member["customer_id"] for member in looked["members"]} == {one, other}
    refused = await browser.post("/api/v1/group-look", {"query": {"field": "nmae", "op": "is", "value": "x"}})
    problem = await refused.json()
    assert (refused.status, problem["error_id"]) == (422, "bad-group-query")
    assert "name" in problem["allowed"]

    body = {"name": "姓张", "kind": "dynamic", "query": query}
    made = await browser.post("/api/v1/groups", body)
    group = await made.json()
    assert (made.status, group["query"], group["version"]) == (201, query, 1)
    assert await told(await browser.post("/api/v1/groups", {**body, "name": " 姓 张"})) == (
        409,
        "group-name-taken",
    )
    path = f"/api/v1/groups/{group['id']}"
    headers = {"X-CSRF-Token": browser.csrf}
    changed = {"version": 1, "query": {"field": "name", "op": "is", "value": "张伟"}}
    answer = await browser.session.patch(office.base + path, json=changed, headers=headers)
    assert (await answer.json())["query_version"] == 2
    stale = await browser.session.patch(office.base + path, json=changed, headers=headers)
    assert await told(stale) == (409, "group-changed")
    assert await told(await browser.post(f"{path}/members", {"customer_ids": [other]})) == (
        409,
        "group-refused",
    )
    frozen = await (await browser.post(f"{path}/freezes", {"purpose": "七月"})).json()
    assert (frozen["count"], frozen["query_version"]) == (1, 2)
    await browser.session.patch(
        office.base + path, json={"version": 2, "query": {"all": []}}, headers=headers
    )
    kept = await (await browser.get(f"/api/v1/group-freezes/{frozen['id']}/members")).json()
    assert [member["customer_id"] for member in kept["items"]] == [one]
    assert actions(office, f"group:{group['id']}") == [
        "group_changed",
        "group_frozen",
        "group_changed",
        "group_created",
    ]


async def test_people_are_put_into_a_static_group_once(office: Office) -> None:
    one, other = twins(office)
    browser = await office.signed_in("supervisor")
    group = await (await browser.post("/api/v1/groups", {"name": "A", "kind": "static"})).json()
    path = f"/api/v1/groups/{group['id']}/members"
    assert await (await browser.post(path, {"customer_ids": [one, one, "NOBODY"]})).json() == {"count": 1}
    assert await (await browser.post(path, {"query": {"all": []}})).json() == {"count": 1}
    second = await (await browser.post("/api/v1/groups", {"name": "B", "kind": "static"})).json()
    second_path = f"/api/v1/groups/{second['id']}/members"
    assert await (await browser.post(second_path, {"group_id": group["id"]})).json() == {"count": 2}
    first = await (await browser.get(f"{path}?limit=1")).json()
    rest = await (await browser.get(f"{path}?limit=1&cursor={first['next']}")).json()
    assert [member["customer_id"] for member in first["items"] + rest["items"]] == [one, other]
    assert [member["source"] for member in first["items"] + rest["items"]] == ["hand", "query"]
    assert await (await browser.post(f"{path}/remove", {"customer_ids": [one]})).json() == {"count": 1}
    shown = await (await browser.get(f"/api/v1/groups/{group['id']}")).json()
    assert shown["counted"] == 1
    agent = await office.signed_in("agent")
    assert (await agent.get(path)).status == 200
    assert (await agent.post(path, {"customer_ids": [one]})).status == 403


async def test_r34_a_merge_in_a_call_takes_the_call_along(office_on_each: Office) -> None:
    """R34: the customer of a live call is merged; the call, its row and its facts stay on the right record."""
    office = office_on_each
    one, other = twins(office)
    at = office.clock.now()

    def fact(kind: FactKind, key: str, **data: Any) -> Fact:
        return Fact(source=Source.AGI, key=key, kind=kind, at=at, linkedid="9.1", uniqueid="9.1", data=data)

    await office.journal.record(
        fact(FactKind.LEG_STARTED, "1", direction="inbound", caller="13812345678", called="4008001234"),
        fact(FactKind.IDENTIFIED, "2", customer_id=other, how="agent"),
    )
    (live,) = office.journal.live_calls()
    assert live.customer_id == other
    browser = await office.signed_in("supervisor")
    body = {"survivor_id": one, "merged_id": other, "choices": {"name": "merged"}}
    made = await browser.post("/api/v1/merges", body)
    merge = await made.json()
    assert (made.status, merge["name"]) == (201, "张先生")
    await until(lambda: office.journal.live_calls()[0].customer_id == one)
    stored = office.database.read_now(lambda c: call_log.by_id(c, live.id))
    assert stored is not None
    assert stored.customer_id == one

    # The old id and number are still found, and lead to the record of now.
    seen = await (await browser.get(f"/api/v1/customers/{other}")).json()
    assert seen["customer"]["id"] == one
    page = await browser.get(f"/customers/{other}")
    assert (page.status, page.headers["Location"]) == (303, f"/customers/{one}")
    found = await (await browser.get("/api/v1/search?q=C000002")).json()
    assert [item["customer_id"] for item in found["items"]] == [one]
    # Who goes on with the old record is told.
    changed = await browser.session.patch(
        f"{office.base}/api/v1/customers/{other}",
        json={"version": 3, "address": "x"},
        headers={"X-CSRF-Token": browser.csrf},
    )
    assert await told(changed) == (409, "record-merged")

    assert await told(await browser.post("/api/v1/merges", body)) == (409, "merge-refused")
    undone = await (await browser.post(f"/api/v1/merges/{merge['id']}/undo")).json()
    assert undone["not_restored"] == []
    await until(lambda: office.journal.live_calls()[0].customer_id == other)
    assert await told(await browser.post(f"/api/v1/merges/{merge['id']}/undo")) == (409, "undo-refused")
    assert actions(office, f"customer:{one}").count("records_merged") == 1
    assert actions(office, f"merge:{merge['id']}") == ["merge_undone"]


async def test_r34_a_number_changed_in_a_call_leaves_the_call_where_it_is(office: Office) -> None:
    one, _other = twins(office)
    call = office.add_call(state=CallState.TALKING, customer_id=one, number=NUMBER)
    office.database.write_now(lambda c: customers.end_contact(c, one, NUMBER, office.clock.now()))
    stored = office.database.read_now(lambda c: call_log.by_id(c, call.id))
    assert stored is not None
    assert (stored.customer_id, stored.number) == (one, NUMBER)


async def test_two_supervisors_decide_about_one_pair(office: Office) -> None:
    """As R28: the second is told who was first."""
    one, other = twins(office)
    office.add_user("second", Role.SUPERVISOR, name="Second")
    first, second = await office.signed_in("supervisor"), await office.signed_in("second")
    page = await (await first.get("/api/v1/duplicates")).json()
    assert page["waiting"] == 1
    assert page["items"][0]["reasons"] == ["same_number", "similar_name"]
    body = {"one_id": one, "other_id": other}
    assert (await second.post("/api/v1/duplicates/different", body)).status == 200
    late = await first.post("/api/v1/duplicates/different", body)
    assert await told(late) == (409, "pair-decided")
    assert "Second" in (await late.json())["detail"]
    agent = await office.signed_in("agent")
    seen = await (await agent.get(f"/api/v1/customers/{one}/duplicates")).text()
    assert NUMBER[3:] not in seen
    stale = {"survivor_id": one, "merged_id": other, "survivor_version": 0, "merged_version": 0}
    assert await told(await first.post("/api/v1/merges", stale)) == (409, "record-changed")


async def test_a_department_answers_its_own_orders_and_sees_little(office: Office) -> None:
    one, _other = twins(office)

    def work(connection: Connection) -> str:
        corrections.set_department(connection, office.users["department"].id, Department.SERVICE)
        car = vehicles.add_vehicle(
            connection, now=office.clock.now(), plate="沪A12345", delivered_on=date(2026, 1, 1)
        )
        return car.id

    car = office.database.write_now(work)
    agent, department = await office.signed_in("agent"), await office.signed_in("department")
    body = {"customer_id": one, "vehicle_id": car, "said": f"打 {NUMBER[3:]} 找我"}
    mine = await (
        await agent.post("/api/v1/corrections", {**body, "field": "mileage", "wrong_value": "5000"})
    ).json()
    sales = await (await agent.post("/api/v1/corrections", {**body, "field": "plate"})).json()
    page = await (await department.get("/api/v1/corrections")).text()
    assert mine["id"] in page
    assert sales["id"] not in page
    assert NUMBER[3:] not in page
    assert "张伟" not in page
    assert (await department.get(f"/api/v1/corrections/{sales['id']}")).status == 404
    path = f"/api/v1/corrections/{mine['id']}"
    assert await told(await department.post(f"{path}/answer", {"value": "viel"})) == (422, "bad-record")
    answered = await department.post(f"{path}/answer", {"value": "5,100 km", "version": 1})
    assert (await answered.json())["state"] == "answered"
    assert (await department.post(f"{path}/steps", {"step": "accept"})).status == 403
    stale = await agent.post(f"{path}/steps", {"step": "accept", "version": 1})
    problem = await stale.json()
    assert (stale.status, problem["error_id"], problem["state"]) == (
        409,
        "correction-step-refused",
        "answered",
    )
    closed = await (await agent.post(f"{path}/steps", {"step": "accept", "version": 2})).json()
    assert (closed["state"], closed["result"], closed["applied"]) == ("closed", "corrected", True)
    assert office.database.read_now(lambda c: vehicles.get_vehicle(c, car)).mileage == 5100
    assert actions(office, f"correction:{mine['id']}") == ["correction_stepped"] * 3
    rates = await (await agent.get("/api/v1/correction-rates?first=2026-06&months=1")).json()
    assert [rate["wrong"] for rate in rates["items"] if rate["department"] == "service"] == [1]
    admin = await office.signed_in("admin")
    user = office.users["department"].id
    assert (await admin.post(f"/api/v1/users/{user}/department", {"department": None})).status == 200
    assert (await (await department.get("/api/v1/corrections")).json())["items"] == []


async def _looked(browser: Any, *parts: dict[str, Any]) -> dict[str, Any]:
    answer = await browser.post("/api/v1/group-look", {"query": {"all": list(parts)}, "patient": True})
    assert answer.status == 200, await answer.text()
    return dict(await answer.json())


async def test_a_count_tells_an_agent_nothing_about_a_closed_record(office_on_each: Office) -> None:
    """ "It is C000001 and lives in 朝阳区": 1 or 0 would answer what the record itself does not."""
    office = office_on_each
    now = office.clock.now()

    def closed(connection: Connection) -> str:
        made = customers.add_customer(connection, name="张伟", now=now, address="北京市朝阳区")
        customers.change_customer(connection, made.id, now, by=BY, secrecy=Secrecy.RESTRICTED)
        return made.id

    whose = office.database.write_now(closed)
    agent, supervisor = await office.signed_in("agent"), await office.signed_in("supervisor")
    right = {"field": "address", "op": "is", "value": "北京市朝阳区"}
    assert (await _looked(supervisor, right))["count"] == 1
    looked = await _looked(agent, right)
    assert (looked["count"], looked["members"]) == (0, [])
    mine = update(customer_table).where(customer_table.c.id == whose)
    mine = mine.values(own_agent_id=office.users["agent"].id)
    office.database.write_now(lambda c: c.execute(mine))
    assert (await _looked(agent, right))["count"] == 1


async def test_who_sees_numbers_masked_asks_for_no_part_of_a_free_text(office: Office) -> None:
    agent, supervisor = await office.signed_in("agent"), await office.signed_in("supervisor")
    for name in ("address", "need", "name"):
        query = {"field": name, "op": "contains", "value": "1381234"}
        assert (await supervisor.post("/api/v1/group-look", {"query": query})).status == 200
        refused = await agent.post("/api/v1/group-look", {"query": query})
        assert await told(refused) == (422, "bad-group-query")
    offered = await (await agent.get("/api/v1/group-fields")).json()
    fields = {one["name"]: one for scope in offered["scopes"] for one in scope["fields"]}
    assert not {"begins", "contains"} & {one["name"] for one in fields["address"]["operators"]}
    assert "contains" in {one["name"] for one in fields["plate"]["operators"]}


async def test_a_retired_field_leaves_the_groups_that_ask_for_it_readable(office_on_each: Office) -> None:
    """The list, the group, what is frozen from it; and a field hidden from agents stays unsaid to them."""
    office = office_on_each
    now = office.clock.now()
    wanted = FieldDefinition(
        id="",
        subject=FieldSubject.CUSTOMER,
        key="club",
        label_zh="会员号",
        label_en="Club number",
        kind=FieldKind.TEXT,
        hidden_from=frozenset({Role.AGENT}),
    )
    field = office.database.write_now(lambda c: own_fields.add_field(c, wanted, BY, now))
    browser, agent = await office.signed_in("supervisor"), await office.signed_in("agent")
    body = {
        "name": "会员",
        "kind": "dynamic",
        "query": {"field": "own.club", "op": "is", "value": "金卡七号"},
    }
    group = await (await browser.post("/api/v1/groups", body)).json()
    path = f"/api/v1/groups/{group['id']}"
    office.database.write_now(lambda c: own_fields.change_field(c, field.id, 1, BY, now, retired_at=now))
    for one in ("/api/v1/groups", path, "/groups", f"/groups/{group['id']}"):
        answer = await browser.get(one)
        assert answer.status == 200, one
        assert "金卡七号" in await answer.text(), one
        answer = await agent.get(one)
        assert answer.status == 200, one
        assert "金卡七号" not in await answer.text(), one
    assert (await browser.post(f"{path}/freezes", {"purpose": "x"})).status == 201
    frozen = await (await agent.get(f"{path}/freezes")).json()
    assert [one["sentence"] for one in frozen["items"]] == [""]
    headers = {"X-CSRF-Token": browser.csrf}
    assert (await browser.session.delete(office.base + path, headers=headers)).status == 200


async def test_crowds_are_read_beside_the_writer_and_written_in_shares(
    office_on_each: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The query runs in no writing transaction; a list half written down is nobody's to work with."""
    office = office_on_each
    now = office.clock.now()
    office.database.write_now(
        lambda c: [customers.add_customer(c, name=f"赵{number}", now=now) for number in range(5)]
    )
    browser = await office.signed_in("supervisor")
    fits = {"field": "name", "op": "begins", "value": "赵"}
    monkeypatch.setattr(groups, "SHARE", 2)
    asking: list[str] = []
    write, found_ids = office.database.write_now, groups.found_ids

    def writing(work: Any) -> Any:
        asking.append("write")
        try:
            return write(work)
        finally:
            asking.append("written")

    def finding(connection: Connection, ids: Any) -> list[str]:
        assert asking.count("write") == asking.count("written"), "it ran while somebody held the writer"
        asking.append("found")
        return found_ids(connection, ids)

    static = await (await browser.post("/api/v1/groups", {"name": "A", "kind": "static"})).json()
    body = {"name": "B", "kind": "dynamic", "query": fits}
    dynamic = await (await browser.post("/api/v1/groups", body)).json()
    monkeypatch.setattr(groups, "found_ids", finding)
    monkeypatch.setattr(office.database, "write_now", writing)
    put = await browser.post(f"/api/v1/groups/{static['id']}/members", {"query": fits})
    assert (await put.json())["count"] == 5
    assert asking.count("found") == 1
    assert asking.count("write") >= 3, "five people in shares of two"
    assert actions(office, f"group:{static['id']}") == ["group_changed", "group_created"]

    add_frozen = groups.add_frozen
    seen: list[int] = []

    def watching(connection: Connection, freeze_id: str, ids: Any) -> None:
        seen.append(len(groups.freezes_of(connection, dynamic["id"])))
        add_frozen(connection, freeze_id, ids)

    monkeypatch.setattr(groups, "add_frozen", watching)
    frozen = await (await browser.post(f"/api/v1/groups/{dynamic['id']}/freezes", {"purpose": "x"})).json()
    assert frozen["count"] == 5
    assert seen == [0, 0, 0]
    assert office.database.read_now(lambda c: len(groups.frozen_people(c, frozen["id"]))) == 5
