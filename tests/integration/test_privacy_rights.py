"""C07 and M-048 to M-050 over HTTP: two people, approvals, holds, and everything about a person in one file."""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any

from fixtures_web import Browser, Office
from sweep_objects import NAME, NUMBER, customer, foreign_call

from access.permissions import Role
from config.books.privacy import PrivacyBook
from storage import approvals, audit, customers, optouts
from storage.tables import metadata
from telephony.calls import CallState


async def said(answer: Any) -> tuple[int, str]:
    return answer.status, (await answer.json()).get("error_id", "")


async def register(browser: Browser, kind: str, customer_id: str) -> str:
    answer = await browser.post(
        "/api/v1/privacy/requests",
        {"kind": kind, "customer_id": customer_id, "identity": "身份证核对", "reason": "本人要求"},
    )
    assert answer.status == 201, await answer.text()
    return str((await answer.json())["id"])


async def test_c07_two_people_erase_and_the_page_says_what_is_owed(office_on_each: Office) -> None:
    office = office_on_each
    whose = customer(office)
    foreign_call(office)
    supervisor, manager = await office.signed_in("supervisor"), await office.signed_in("manager")
    asked = await register(supervisor, "erase", whose)
    again = await supervisor.post(
        "/api/v1/privacy/requests",
        {"kind": "erase", "customer_id": whose, "identity": "身份证", "reason": "本人"},
    )
    assert await said(again) == (409, "request-open")
    path = f"/api/v1/privacy/requests/{asked}"
    assert await said(await supervisor.post(f"{path}/decide", {"approved": True})) == (403, "not-allowed")
    own = await register(manager, "export", whose)
    assert await said(await manager.post(f"/api/v1/privacy/requests/{own}/decide", {"approved": True})) == (
        409,
        "same-person",
    )
    held = await manager.post("/api/v1/privacy/holds", {"customer_id": whose, "reason": "诉讼中"})
    assert held.status == 201
    shown = await (await manager.get(path)).json()
    assert "诉讼中" in shown["held"]
    assert await said(await manager.post(f"{path}/decide", {"approved": True})) == (409, "legal-hold")
    hold_id = (await held.json())["items"][0]["id"]
    await manager.post(f"/api/v1/privacy/holds/{hold_id}/release", {"reason": "和解"})
    assert (await manager.post(f"{path}/decide", {"approved": True, "note": "已核实"})).status == 200
    book = office.services.privacy
    assert isinstance(book, PrivacyBook)
    await book.carry_out_approved()  # where the answer did not wait for the end of the work, this does
    done = await manager.get(path)
    body = await done.json()
    assert (done.status, body["state"], body["result"]["left"]) == (200, "done", 0), body
    text = office.database.read_now(
        lambda connection: "".join(
            str(list(connection.execute(table.select()))) for table in metadata.sorted_tables
        )
    )
    assert NAME not in text
    assert NUMBER[3:] not in text
    calls = await (await manager.get("/api/v1/calls")).json()
    assert len(calls["items"]) == 1, "the call stays in the log"
    entries = office.database.read_now(lambda connection: audit.list_entries(connection, limit=200))
    assert {"privacy_asked", "privacy_decided", "person_erased", "hold_placed"} <= {
        entry.action.value for entry in entries
    }


async def test_c07_everything_about_a_person_in_one_file_written_down_before(office_on_each: Office) -> None:
    office = office_on_each
    whose = customer(office)
    foreign_call(office)
    supervisor, manager = await office.signed_in("supervisor"), await office.signed_in("manager")
    asked = await register(supervisor, "export", whose)
    path = f"/api/v1/privacy/requests/{asked}"
    assert (await manager.get(f"{path}/archive")).status == 404, "not before it is approved"
    assert (await manager.post(f"{path}/decide", {"approved": True})).status == 200
    answer = await supervisor.get(f"{path}/archive")
    assert answer.status == 200
    with zipfile.ZipFile(io.BytesIO(await answer.read())) as packed:
        data = json.loads(packed.read("person.json"))
        page = packed.read("person.html").decode()
        sheet = packed.read("tables/contacts.csv").decode("utf-8-sig")
    assert data["tables"]["customers"][0]["name"] == NAME
    assert len(data["tables"]["calls"]) == 1
    assert NAME in page
    assert f"'{NUMBER}" in sheet, "no cell that a spreadsheet would take for a formula"
    entries = office.database.read_now(lambda connection: audit.list_entries(connection, limit=50))
    assert "exported" in {entry.action.value for entry in entries}


async def test_c07_one_who_cannot_be_erased_now_keeps_why_and_holds_up_nobody(office_on_each: Office) -> None:
    """He is in a call when the second person approves: nothing is lost, and the night erases the others."""
    office = office_on_each
    book = office.services.privacy
    assert isinstance(book, PrivacyBook)
    now = office.clock.now()
    asked = []
    for name in ("陈在线", "欧阳密语"):
        person = office.database.write_now(
            lambda connection, name=name: customers.add_customer(connection, name=name, now=now).id  # type: ignore[misc]
        )
        asked.append((person, await register(await office.signed_in("supervisor"), "erase", person)))
    busy, free = asked
    call = foreign_call(office)
    rows = metadata.tables["calls"]
    requests = metadata.tables["privacy_requests"]

    def going_on(connection: Any) -> None:
        connection.execute(rows.update().where(rows.c.id == call).values(customer_id=busy[0], ended_at=None))
        connection.execute(requests.update().values(state="approved", decided_at=now))

    office.database.write_now(going_on)
    assert await book.carry_out_approved() == 2
    told = {
        row.id: (row.state, row.result)
        for row in office.database.read_now(lambda connection: connection.execute(requests.select()).all())
    }
    assert told[free[1]][0] == "done"
    state, result = told[busy[1]]
    assert (state, "call" in result["waits"]) == ("approved", True), result
    office.database.write_now(
        lambda connection: connection.execute(rows.update().where(rows.c.id == call).values(ended_at=now))
    )
    assert await book.carry_out_approved() == 1
    manager = await office.signed_in("manager")
    done = await (await manager.get(f"/api/v1/privacy/requests/{busy[1]}")).json()
    assert (done["state"], "waits" in done["result"]) == ("done", False)
    assert await book.carry_out_approved() == 0


async def test_c07_a_restricted_person_is_not_contacted(office: Office) -> None:
    whose = customer(office)
    supervisor, manager = await office.signed_in("supervisor"), await office.signed_in("manager")
    asked = await register(supervisor, "restrict", whose)
    await manager.post(f"/api/v1/privacy/requests/{asked}/decide", {"approved": True})
    book = office.services.privacy
    assert isinstance(book, PrivacyBook)
    await book.carry_out_approved()  # where the answer did not wait for the end of the work, this does
    told = office.database.read_now(lambda connection: optouts.optouts_of(connection, NUMBER))
    assert {one.purpose.value for one in told} == {"advertising", "visits", "reminders"}
    register_of = metadata.tables["record_changes"]
    changes = office.database.read_now(lambda connection: connection.execute(register_of.select()).all())
    assert [row.new for row in changes if row.field == "secrecy"] == ["restricted"], (
        "it stands in the register"
    )


async def test_m048_a_restricted_record_opens_by_approval_for_some_hours(office_on_each: Office) -> None:
    office = office_on_each
    whose = customer(office)
    agent, supervisor = await office.signed_in("agent"), await office.signed_in("supervisor")
    agent_id = office.users["agent"].id

    def is_open() -> bool:
        return office.database.read_now(
            lambda connection: approvals.is_open(connection, agent_id, whose, office.clock.now())
        )

    asked = await (
        await agent.post("/api/v1/approvals", {"customer_id": whose, "reason": "客户要求回电"})
    ).json()
    assert not is_open()
    assert (await supervisor.get("/api/v1/approvals?waiting=true")).status == 200
    path = f"/api/v1/approvals/{asked['id']}"
    assert (await agent.post(f"{path}/decide", {"granted": True})).status == 403
    granted = await (await supervisor.post(f"{path}/decide", {"granted": True, "hours": 4})).json()
    assert granted["state"] == "granted"
    assert is_open()
    assert await said(await supervisor.post(f"{path}/decide", {"granted": False})) == (409, "already-decided")
    office.clock.advance(4 * 3600 + 1)
    assert not is_open()
    agent, supervisor = await office.signed_in("agent"), await office.signed_in("supervisor")
    own = await (
        await supervisor.post("/api/v1/approvals", {"customer_id": whose, "reason": "核对资料"})
    ).json()
    refused = await supervisor.post(f"/api/v1/approvals/{own['id']}/decide", {"granted": True})
    assert await said(refused) == (409, "same-person")
    mine = await (await agent.get("/api/v1/approvals")).json()
    assert {one["asked_by"] for one in mine["items"]} == {"agent"}, "an agent sees his own requests"


async def test_m048_in_a_call_the_record_opens_and_a_supervisor_reads_of_it(office: Office) -> None:
    whose = customer(office)
    agent, supervisor = await office.signed_in("agent"), await office.signed_in("supervisor")
    body = {"customer_id": whose, "reason": "客户在线"}
    assert await said(await agent.post("/api/v1/approvals/in-call", body)) == (409, "no-call-with-customer")
    call = office.add_call(state=CallState.TALKING, agent_id=office.users["agent"].id, number=NUMBER)
    opened = await agent.post("/api/v1/approvals/in-call", body)
    assert opened.status == 201
    shown = (await (await supervisor.get("/api/v1/approvals?waiting=true")).json())["items"]
    assert [(one["state"], one["call_id"]) for one in shown] == [("emergency", str(call.id))]
    signed = await supervisor.post(f"/api/v1/approvals/{shown[0]['id']}/review")
    assert signed.status == 200
    assert (await (await supervisor.get("/api/v1/approvals?waiting=true")).json())["items"] == []


async def test_m048_that_an_agent_named_the_caller_opens_no_record(office_on_each: Office) -> None:
    """Any call of his would open any record then: it counts that the number is his, or that the house tied it."""
    office = office_on_each
    whose = customer(office)
    agent = await office.signed_in("agent")
    mine: dict[str, Any] = {"state": CallState.TALKING, "agent_id": office.users["agent"].id}
    body = {"customer_id": whose, "reason": "客户在线"}
    office.add_call(**mine, number="+8613900000001", customer_id=whose, explained="agent")
    refused = await agent.post("/api/v1/approvals/in-call", body)
    assert await said(refused) == (409, "no-call-with-customer")
    tied = office.add_call(**mine, number="+8613900000001", customer_id=whose, explained="plate")
    opened = await agent.post("/api/v1/approvals/in-call", body)
    assert (opened.status, (await opened.json())["call_id"]) == (201, tied.id)
    office.add_call(**mine, number=NUMBER, customer_id=whose, explained="agent")
    assert (await agent.post("/api/v1/approvals/in-call", body)).status == 201


async def test_m050_who_is_on_the_circulation_list_need_not_ask(office: Office) -> None:
    whose = customer(office)
    supervisor = await office.signed_in("supervisor")
    agent = office.add_user("agent7", Role.AGENT)
    path = f"/api/v1/customers/{whose}/circulation"
    listed = await (await supervisor.post(path, {"user_id": agent.id, "on": True})).json()
    assert [one["user_id"] for one in listed["items"]] == [agent.id]
    assert office.database.read_now(
        lambda connection: approvals.is_open(connection, agent.id, whose, office.clock.now())
    )
    gone = await (await supervisor.post(path, {"user_id": agent.id, "on": False})).json()
    assert gone["items"] == []


async def test_m048_the_record_itself_opens_with_the_approval_and_closes_after_it(office: Office) -> None:
    whose = customer(office)
    table = metadata.tables["customers"]
    office.database.write_now(
        lambda connection: connection.execute(table.update().values(secrecy="restricted"))
    )
    agent, supervisor = await office.signed_in("agent"), await office.signed_in("supervisor")

    async def shown() -> bool:
        return NAME in await (await agent.get(f"/api/v1/customers/{whose}")).text()

    assert not await shown()
    asked = await (await agent.post("/api/v1/approvals", {"customer_id": whose, "reason": "客户来电"})).json()
    decided = await supervisor.post(f"/api/v1/approvals/{asked['id']}/decide", {"granted": True, "hours": 1})
    assert decided.status == 200
    assert await shown(), await (await agent.get(f"/api/v1/customers/{whose}")).text()
    assert (await agent.get(f"/api/v1/customers/{whose}/timeline")).status == 200
    await office.views.flush()
    entries = office.database.read_now(
        lambda connection: audit.list_entries(connection, action="viewed", subject=f"customer:{whose}")
    )
    assert {entry.actor_name for entry in entries} == {"agent"}
    office.clock.advance(3500)
    assert await shown()
    office.clock.advance(200)
    assert not await shown()
