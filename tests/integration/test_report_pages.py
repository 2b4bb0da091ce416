"""Pages and API of reports: every page opens, every figure opens as many rows as it says, steps over HTTP."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from fixtures_web import Office, OfficeMaker
from sqlalchemy import insert
from waiting import until

from access.ids import new_id
from access.permissions import Role
from access.users import Principal, Via
from crm.cases.cases import CaseKind, CaseSource, Grade, NewCase
from crm.reports.rows import Source
from crm.tasks.tasks import TaskKind
from storage import cases, customers, tasks
from storage.report_rows import SOURCES
from storage.tables.aftercall import registration_versions, registrations
from telephony.calls import Direction, Outcome
from telephony.hours import WorkingTime
from telephony.numbers import E164
from telephony.options import CalendarOptions

_HOURS = WorkingTime.from_options(CalendarOptions())


def a_day(office: Office) -> dict[str, str]:
    """Two agents' work of today: calls, a case, a follow-up, a return visit that was filed."""
    now = office.clock.now()
    agent = office.users.get("agent") or office.add_user("agent", Role.AGENT, name="李小梅")
    other = office.users.get("other") or office.add_user("other", Role.AGENT, name="王强")
    by = Principal(role=Role.AGENT, via=Via.SESSION, name=agent.name, user_id=agent.id)

    def work(connection: Any) -> str:
        person = customers.add_customer(connection, name="欧阳密语", now=now)
        customers.add_contact(connection, person.id, E164("+8613812345678"), now)
        cases.open_case(
            connection,
            NewCase(
                kind=CaseKind.COMPLAINT,
                grade=Grade.ORDINARY,
                source=CaseSource.CALL,
                subject="空调异响，13812345678 回电",
                customer_id=person.id,
                department="service",
            ),
            by=by,
            now=now,
            hours=_HOURS,
        )
        tasks.add_task(
            connection,
            kind=TaskKind.FOLLOW_UP,
            occasion="f1",
            subject="寄送发票",
            customer_id=person.id,
            department="sales",
            now=now,
            due_at=now + timedelta(hours=4),
            made_by=agent.id,
        )
        return person.id

    customer_id = office.database.write_now(work)
    calls = [
        office.add_call(
            agent_id=who.id,
            customer_id=customer_id,
            number="+8613812345678",
            direction=way,
            outcome=Outcome.ANSWERED,
            connected_at=now,
            answered_at=now,
            ended_at=now,
            talk_seconds=seconds,
        )
        for who, way, seconds in (
            (agent, Direction.INBOUND, 61.0),
            (agent, Direction.OUTBOUND, 120.0),
            (other, Direction.INBOUND, 30.0),
        )
    ]
    file_visit(office, calls[1].id, customer_id, agent.id)
    return {"customer": customer_id, "agent": agent.id, "other": other.id}


def file_visit(office: Office, call_id: str, customer_id: str, agent_id: str) -> None:
    """A return visit in which the customer was reached."""
    now = office.clock.now()
    made = new_id(now)

    def work(connection: Any) -> None:
        connection.execute(
            insert(registrations).values(
                id=made,
                call_id=call_id,
                agent_id=agent_id,
                customer_id=customer_id,
                direction="outbound",
                call_type="return_visit",
                reason="after_service",
                disposition="reached",
                human=True,
                contact=True,
                success=True,
                final=True,
                do_not_call=False,
                callback=False,
                version=1,
                filed_at=now,
                filed_by=agent_id,
                changed_at=now,
            )
        )
        connection.execute(
            insert(registration_versions).values(
                registration_id=made,
                version=1,
                at=now,
                by=agent_id,
                by_name="李小梅",
                why="",
                form_version=1,
                set_name="visit",
                set_version=1,
                content={"call_type": "return_visit", "customer_words": "很满意", "summary": ""},
            )
        )

    office.database.write_now(work)


async def test_every_page_opens_and_shows_the_day(make_office: OfficeMaker) -> None:
    """Nothing is left out for a manager; an agent finds his own, and no numbers."""
    office = await make_office()
    office.add_user("manager", Role.MANAGER)
    a_day(office)
    manager, agent = office.browser(), office.browser()
    await manager.sign_in("manager")
    await agent.sign_in("agent")
    day = office.clock.now().date()
    for path in (
        "/reports",
        f"/reports/rows/problems?first={day}&last={day}",
        "/reports/cases",
        "/reports/cases?by=week",
        "/reports/problems",
        "/reports/maker",
        "/reports/maker/files",
        "/reports/work",
        "/reports/documents",
        "/reports/lists",
        "/reports/received",
    ):
        answer = await manager.get(path)
        assert answer.status == 200, (path, await answer.text())
    problems = await (await manager.get("/reports/problems")).text()
    assert "空调异响" in problems
    assert "寄送发票" in problems
    page = await (await agent.get("/reports/rows/cases_opened")).text()
    assert "空调异响" in page
    assert "13812345678" not in page
    assert "138 1234 5678" not in page
    assert (await agent.get("/reports/cases")).status == 403


async def test_every_figure_opens_as_many_rows_as_it_says(make_office: OfficeMaker) -> None:
    """The number and the list are one question, for everybody and for one's own."""
    office = await make_office()
    office.add_user("manager", Role.MANAGER)
    who = a_day(office)
    manager, agent = office.browser(), office.browser()
    await manager.sign_in("manager")
    await agent.sign_in("agent")
    seen = {}
    for browser, name in ((manager, "manager"), (agent, "agent")):
        for source in SOURCES:
            rows: list[Any] = []
            cursor = ""
            while True:
                answer = await browser.get(
                    f"/api/v1/report-rows/{source.value}?limit=1" + (f"&cursor={cursor}" if cursor else "")
                )
                body = await answer.json()
                assert answer.status == 200, body
                rows += body["items"]
                cursor = (body["next"] or "").replace("+", "%2B")
                if not cursor:
                    break
            assert body["figure"]["count"] == len(rows), source
            assert round(sum(one["seconds"] for one in rows), 1) == body["figure"]["seconds"]
            seen[name, source] = rows
    assert len(seen["manager", Source.CALLS_IN]) == 2
    assert len(seen["agent", Source.CALLS_IN]) == 1
    assert {one["user_id"] for one in seen["agent", Source.CALLS_TALKED]} == {who["agent"]}
    assert len(seen["manager", Source.PROBLEMS]) == 2


async def test_a_work_report_is_handed_in_with_its_figures_and_read(make_office: OfficeMaker) -> None:
    """Figures stay as they were; the manager returns it; a second handing in keeps both versions."""
    office = await make_office()
    office.add_user("manager", Role.MANAGER)
    who = a_day(office)
    manager, agent = office.browser(), office.browser()
    await manager.sign_in("manager")
    await agent.sign_in("agent")
    made = await (await agent.post("/api/v1/work-reports", {})).json()
    assert made["possible"] == ["save", "hand_in"]
    at = f"/api/v1/work-reports/{made['id']}/steps"
    refused = await agent.post(at, {"step": "hand_in", "version": 1})
    assert refused.status == 422
    assert (await refused.json())["error_id"] == "bad-report"
    body = {"step": "hand_in", "version": 1, "problems": "空调投诉多", "plan": "回访 20 位"}
    first = await (await agent.post(at, body)).json()
    again = await agent.post(at, body)
    assert again.status == 200
    assert (await again.json())["version"] == first["version"] == 2
    figures = {one["name"]: one for one in first["figures"]}
    assert figures["calls_talked"]["count"] == 2
    assert figures["calls_talked"]["seconds"] == 181.0
    office.add_call(
        agent_id=who["agent"],
        direction=Direction.INBOUND,
        outcome=Outcome.ANSWERED,
        connected_at=office.clock.now(),
        ended_at=office.clock.now(),
        talk_seconds=10.0,
    )
    kept = await (await manager.get(f"/api/v1/work-reports/{made['id']}")).json()
    assert {one["name"]: one["count"] for one in kept["figures"]}["calls_talked"] == 2
    page = await (await manager.get(f"/reports/work/{made['id']}")).text()
    assert "现为" in page
    own = await agent.post(at, {"step": "accept", "version": 2})
    assert own.status == 409
    returned = await manager.post(at, {"step": "return", "version": 2, "comment": "请写明车型"})
    assert (await returned.json())["state"] == "returned"
    stale = await agent.post(at, {"step": "hand_in", "version": 2, "plan": "回访 30 位"})
    assert stale.status == 409
    assert (await stale.json())["error_id"] == "report-changed"
    second = await (await agent.post(at, {**body, "version": 3, "problems": "空调投诉多（凯美瑞）"})).json()
    assert {one["name"]: one["count"] for one in second["figures"]}["calls_talked"] == 3
    done = await (await manager.post(at, {"step": "accept", "version": 4})).json()
    assert done["state"] == "accepted"
    other = office.browser()
    await other.sign_in("other")
    assert (await other.get(f"/api/v1/work-reports/{made['id']}")).status == 404


async def test_problems_are_passed_once_and_read_by_link(make_office: OfficeMaker) -> None:
    """The same request twice is one list; what was passed is not passed again; the link needs its PIN."""
    office = await make_office()
    office.add_user("supervisor", Role.SUPERVISOR)
    a_day(office)
    browser = office.browser()
    await browser.sign_in("supervisor")
    day = office.clock.now().astimezone(_HOURS.zone).date().isoformat()
    body = {"day": day, "department": "service", "how": "link", "recipient": "售后王经理"}
    first = await browser.post("/api/v1/problems", body, headers={"Idempotency-Key": "k1"})
    made = await first.json()
    assert first.status == 201, made
    assert next(one["text"] for one in made["items"]).endswith("13812345678 回电")
    again = await (await browser.post("/api/v1/problems", body, headers={"Idempotency-Key": "k1"})).json()
    assert again["id"] == made["id"]
    left = await browser.post("/api/v1/problems", body, headers={"Idempotency-Key": "k2"})
    assert left.status == 422
    found = await (await browser.get(f"/api/v1/problems?day={day}")).json()
    assert {one["department"]: one["left"] for one in found["departments"]} == {"sales": 1, "service": 0}
    nobody = office.browser()
    dead = await nobody.get(made["link"]["path"])
    assert dead.status == 410  # the newer link replaced it
    link = again["link"]
    asked = await (await nobody.get(link["path"])).text()
    assert "空调异响" not in asked
    form = {"headers": {"Origin": office.base}}
    wrong = await nobody.post(
        link["path"], data={"pin": "000000" if link["pin"] != "000000" else "1"}, **form
    )
    assert wrong.status == 403
    paper = await (await nobody.post(link["path"], data={"pin": link["pin"]}, **form)).text()
    assert "空调异响" in paper
    assert "13812345678" not in paper
    stands = await (await browser.get(f"/api/v1/problems/{made['id']}")).json()
    assert stands["read_at"] is not None


async def test_a_report_is_written_approved_sent_and_read(make_office: OfficeMaker) -> None:
    """Drafted from the period, approved by the manager alone, and who got it is told from who read it."""
    office = await make_office()
    boss = office.add_user("boss", Role.DEPARTMENT, name="张总")
    office.add_user("manager", Role.MANAGER)
    office.add_user("supervisor", Role.SUPERVISOR)
    a_day(office)
    manager, supervisor, reader = (office.browser() for _ in range(3))
    await manager.sign_in("manager")
    await supervisor.sign_in("supervisor")
    await reader.sign_in("boss")
    day = office.clock.now().astimezone(_HOURS.zone).date().isoformat()
    listed = await supervisor.post(
        "/api/v1/report-lists",
        {
            "name": "领导",
            "entries": [
                {"how": "page", "user_id": boss.id},
                {"how": "printed", "name": "售后服务部"},
                {"how": "link", "name": "厂家区域经理"},
            ],
        },
    )
    assert listed.status == 201, await listed.json()
    new = {"kind": "complaints", "first": day, "last": day, "list_id": (await listed.json())["id"]}
    made = await (await supervisor.post("/api/v1/reports", new, headers={"Idempotency-Key": "r"})).json()
    twice = await (await supervisor.post("/api/v1/reports", new, headers={"Idempotency-Key": "r"})).json()
    assert twice["id"] == made["id"]
    assert {one["name"]: one["count"] for one in made["figures"]}["cases"] == 1
    assert made["empty"] == ["proposals"]
    at = f"/api/v1/reports/{made['id']}/steps"

    async def step(browser: Any, word: str, version: int, **more: Any) -> Any:
        answer = await browser.post(at, {"step": word, "version": version, **more})
        return answer.status, await answer.json()

    assert (await step(supervisor, "submit", 1))[0] == 422
    assert (await step(supervisor, "edit", 1, sections={"proposals": "加强预检"}))[0] == 200
    assert (await step(supervisor, "submit", 2))[0] == 200
    status, said = await step(supervisor, "approve", 3)
    assert status == 409
    assert said["allowed_steps"] == ["return", "withdraw"]
    assert (await reader.get(f"/reports/received/{made['id']}")).status == 404
    assert (await step(manager, "approve", 3))[0] == 200
    status, sent = await step(supervisor, "send", 4)
    assert (status, sent["state"]) == (200, "sent")
    assert (await step(supervisor, "send", 4))[0] == 200  # its answer was lost
    assert {one["state"] for one in sent["recipients"]} == {"sent"}
    paper = await (await reader.get(f"/reports/received/{made['id']}")).text()
    assert "加强预检" in paper
    to = {one["how"]: one["id"] for one in sent["recipients"]}
    assert (await supervisor.post(f"/api/v1/report-recipients/{to['printed']}/delivered")).status == 200
    link = await (await supervisor.post(f"/api/v1/report-recipients/{to['link']}/link")).json()
    nobody = office.browser()
    opened = await nobody.post(link["path"], data={"pin": link["pin"]}, headers={"Origin": office.base})
    assert "加强预检" in await opened.text()
    stands = await (await manager.get(f"/api/v1/reports/{made['id']}")).json()
    assert {one["state"] for one in stands["recipients"]} == {"read"}
    for path in (
        f"/reports/documents/{made['id']}",
        f"/reports/documents/{made['id']}/print",
        "/reports/lists",
    ):
        assert (await manager.get(path)).status == 200


async def test_an_investigation_is_drafted_from_its_case(make_office: OfficeMaker) -> None:
    """What the case says stands in its sections; who may not see the customer finds no report."""
    office = await make_office()
    office.add_user("manager", Role.MANAGER)
    a_day(office)
    browser = await office.signed_in("manager")
    rows = await (await browser.get("/api/v1/report-rows/cases")).json()
    case_id = rows["items"][0]["id"]
    day = office.clock.now().astimezone(_HOURS.zone).date().isoformat()
    made = await browser.post(
        "/api/v1/reports", {"kind": "investigation", "first": day, "last": day, "case_id": case_id}
    )
    report = await made.json()
    assert made.status == 201, report
    assert "空调异响" in report["sections"]["facts"]
    assert report["sections"]["responsibility"].endswith("service")
    assert report["empty"] == ["causes", "actions"]
    page = await (await browser.get(f"/cases/{case_id}")).text()
    assert f"/reports/documents?case_id={case_id}" in page


async def test_the_rows_of_a_list_go_out_as_a_file(make_office: OfficeMaker) -> None:
    """The list as it is filtered, with the same rows."""
    office = await make_office()
    office.add_user("supervisor", Role.SUPERVISOR)
    a_day(office)
    browser = await office.signed_in("supervisor")
    body = {"kind": "reports", "format": "csv", "filter": {"source": "problems", "department": "service"}}
    job = await (await browser.post("/api/v1/exports", body)).json()

    async def ready() -> bool:
        return (await (await browser.get(f"/api/v1/exports/{job['id']}")).json())["state"] == "ready"

    await until(ready)
    lines = (await (await browser.get(f"/api/v1/exports/{job['id']}/file")).text()).splitlines()
    assert len(lines) == 2
    assert "空调异响" in lines[1]
    wrong = await browser.post("/api/v1/exports", {**body, "filter": {"source": "nothing"}})
    assert wrong.status == 422
