"""Scripts over HTTP: written, approved by somebody else, and read where the customer is spoken to."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from fixtures_web import Browser, Office
from sqlalchemy import select
from sweep_objects import appointment as planted_appointment

from access.permissions import Role
from config.books.definitions import seed
from crm.cases.cases import CaseKind, CaseSource, Grade, NewCase
from crm.contacts.contacts import NewReason, ReasonKind
from crm.records.customers import Honorific
from crm.records.vehicles import Role as VehicleRole
from storage import cases, contacts, customers, vehicles
from storage.appointments import get_appointment
from storage.tables.access import audit
from storage.tables.cases import cases as case_rows
from storage.tables.records import customers as customer_rows
from telephony.calls import CallState, Direction
from telephony.hours import WorkingTime
from telephony.numbers import E164
from telephony.options import CalendarOptions

HOURS = WorkingTime.from_options(CalendarOptions())


@pytest.fixture
def house(office: Office) -> Office:
    """The office with the shipped scripts and a second manager."""
    office.database.write_now(lambda c: seed(c, office.clock.now()))
    office.add_user("qian", Role.MANAGER, name="钱进")
    return office


async def answer(browser: Browser, path: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    got = await browser.post(path, body)
    return got.status, await got.json()


async def page(browser: Browser, path: str) -> str:
    got = await browser.get(path)
    assert got.status == 200, path
    return plain(await got.text())


def plain(html: str) -> str:
    """The words of a page without its marks."""
    body = re.sub(r"<script.*?</script>|<style.*?</style>", "", html, flags=re.DOTALL)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", "", body))


def person(office: Office, language: str | None = "zh-CN") -> tuple[str, str]:
    now = office.clock.now()

    def work(c: Any) -> tuple[str, str]:
        who = customers.add_customer(c, name="王建国", now=now, honorific=Honorific.MR, language=language)
        customers.add_contact(c, who.id, E164("+8613800000001"), now, primary=True)
        car = vehicles.add_vehicle(c, now=now, plate="沪A12345", brand="大众", model="朗逸")
        vehicles.add_person(c, car.id, who.id, VehicleRole.OWNER, now)
        return who.id, car.id

    return office.database.write_now(work)


def called(office: Office, *kinds: ReasonKind) -> str:
    """A contact with these reasons; gives its id."""
    customer, car = person(office)
    now = office.clock.now()
    why: dict[ReasonKind, dict[str, Any]] = {
        ReasonKind.DELIVERY_VISIT: {"delivered_on": "2026-06-13"},
        ReasonKind.PERIODIC_MAINTENANCE: {"due_on": "2026-07-03", "due_km": 30_000},
    }
    found = [
        office.database.write_now(
            lambda c, kind=kind: contacts.add_reason(
                c,
                NewReason(
                    kind=kind,
                    occasion=f"test {kind.value}",
                    customer_id=customer,
                    vehicle_id=car,
                    due_at=now + timedelta(hours=2),
                    why=why.get(kind, {}),
                ),
                now,
            )
        )
        for kind in kinds
    ]
    assert found[0] is not None
    return str(found[0].id)


async def new_text(browser: Browser, name: str, greeting: str) -> int:
    """A draft whose first step says this; gives its version."""
    status, draft = await answer(browser, f"/api/v1/scripts/{name}/drafts", {})
    assert status == 201
    body = draft["body"]
    body["steps"]["zh-CN"][0]["text"] = greeting
    path = f"/api/v1/scripts/{name}/versions/{draft['version']}"
    status, saved = await answer(browser, path, {"body": body, "revision": draft["revision"]})
    assert status == 200, saved
    return int(draft["version"])


async def test_a_script_is_written_approved_by_somebody_else_and_read_to_the_customer(house: Office) -> None:
    agent, writer, manager = (
        await house.signed_in("agent"),
        await house.signed_in("supervisor"),
        await house.signed_in("manager"),
    )
    contact = called(house, ReasonKind.DELIVERY_VISIT)
    before = await page(agent, f"/contacts/{contact}")
    assert "王先生：您好！" in before
    assert "您2026年6月13日在我们店提了新车" in before
    version = await new_text(
        writer, "delivery_visit", "{{customer.address|先生/女士}}，恭喜提车！{{dealership}}想听听您的意见。"
    )
    steps = f"/api/v1/scripts/delivery_visit/versions/{version}/steps"
    assert (await answer(agent, steps, {"step": "submit", "why": "x"}))[0] == 403
    status, refused = await answer(writer, steps, {"step": "submit"})
    assert (status, refused["error_id"], refused["allowed_steps"]) == (
        409,
        "script-step-not-allowed",
        ["write", "submit", "discard"],
    )
    assert (await answer(writer, steps, {"step": "submit", "why": "开场白更短"}))[0] == 200
    status, refused = await answer(writer, steps, {"step": "approve"})
    assert (status, refused["error_id"]) == (403, "not-allowed")
    waiting = await page(manager, "/scripts")
    assert "待您批准或退回" in waiting
    shown = await page(manager, "/scripts/script/delivery_visit")
    assert "开场白更短" in shown
    assert "想听听您的意见" in shown
    assert "恭喜提车" not in await page(agent, f"/contacts/{contact}")
    status, done = await answer(manager, steps, {"step": "approve"})
    assert (status, done["state"]) == (200, "approved")
    assert "王先生，恭喜提车！" in await page(agent, f"/contacts/{contact}")
    status, refused = await answer(await house.signed_in("qian"), steps, {"step": "approve"})
    assert (status, refused["holder"], refused["allowed_steps"]) == (
        409,
        house.users["manager"].name,
        ["retire"],
    )
    listed = await (await agent.get("/api/v1/definitions?kind=script")).json()
    assert {one["name"]: one["version"] for one in listed["items"]}["delivery_visit"] == 2
    rows = house.database.read_now(
        lambda c: c.execute(select(audit.c.subject, audit.c.data).where(audit.c.action == "script_stepped"))
    ).all()
    assert [(row.subject, row.data.get("step")) for row in rows] == [
        ("script:delivery_visit", "write"),
        ("script:delivery_visit", "submit"),
        ("script:delivery_visit", "approve"),
    ]


async def test_a_manager_cannot_approve_his_own_and_a_draft_reaches_no_agent(house: Office) -> None:
    agent, manager = await house.signed_in("agent"), await house.signed_in("manager")
    version = await new_text(manager, "reception", "您好，这是草稿。")
    steps = f"/api/v1/scripts/reception/versions/{version}/steps"
    assert (await answer(manager, steps, {"step": "submit", "why": "试试"}))[0] == 200
    status, refused = await answer(manager, steps, {"step": "approve"})
    assert (status, refused["allowed_steps"]) == (409, ["take_back", "send_back"])
    assert "您参与了编写" in await page(manager, "/scripts/script/reception")
    for path in ("/api/v1/definitions?kind=script", "/api/v1/definitions/script/reception"):
        assert "这是草稿" not in await (await agent.get(path)).text()
    assert (await agent.get("/api/v1/scripts/reception")).status == 403
    assert (await agent.get("/scripts/script/reception")).status == 403


async def test_what_cannot_be_filled_in_is_named_with_what_can(house: Office) -> None:
    writer = await house.signed_in("supervisor")
    version = await new_text(writer, "no_show", "您好，{{customer.nmae}}")
    path = f"/api/v1/scripts/no_show/versions/{version}"
    status, refused = await answer(
        writer, f"{path}/steps?language=zh-CN", {"step": "submit", "why": "改了开场白"}
    )
    assert (status, refused["error_id"]) == (422, "bad-script")
    (fault,) = refused["errors"]
    assert fault["field"] == "steps.zh-CN.0.text"
    assert "customer.nmae" in fault["message"]
    assert "customer.name" in fault["message"]
    # The same text with a mark of a script in it is shown, never run.
    await answer(
        writer,
        path,
        {
            "body": {"label": {"zh-CN": "<b>甲</b>", "en": "A"}, "steps": {"zh-CN": [{"text": "<i>"}]}},
            "revision": 2,
        },
    )
    shown = await (await writer.get("/scripts/script/no_show")).text()
    assert "<b>甲</b>" not in shown
    assert "<i>" not in shown


async def test_two_versions_differ_in_words(house: Office) -> None:
    writer, manager = await house.signed_in("supervisor"), await house.signed_in("manager")
    version = await new_text(writer, "reception", "您好！请问有什么可以帮您？")
    for who, step in ((writer, "submit"), (manager, "approve")):
        await answer(
            who, f"/api/v1/scripts/reception/versions/{version}/steps", {"step": step, "why": "更短"}
        )
    found = await (await writer.get("/api/v1/scripts/reception/compare?was=1&now=2")).json()
    changed = [one for one in found["steps"] if one["change"] != "same"]
    assert [(one["was"], one["now"], one["change"]) for one in changed] == [(1, 1, "changed")]
    words = changed[0]["words"]["zh-CN"]
    assert "".join(one["text"] for one in words if one["change"] != "removed") == "您好！请问有什么可以帮您？"
    html = await (await writer.get("/scripts/script/reception?was=1&now=2")).text()
    assert "<del>" in html
    assert "steps.zh-CN" not in plain(html)
    assert (await writer.get("/scripts/script/reception?was=1&now=9")).status == 404
    assert (await writer.get("/api/v1/scripts/reception/compare?was=1&now=9")).status == 404
    old = await page(writer, "/scripts/script/reception?version=1")
    assert "已停用" in old


async def test_a_new_script_is_begun_once_under_its_code(house: Office) -> None:
    writer = await house.signed_in("supervisor")
    body = {"label": {"zh-CN": "春季关怀", "en": "Spring"}}
    status, made = await answer(writer, "/api/v1/scripts/spring/drafts", {"body": body})
    assert (status, made["state"], made["version"]) == (201, "draft", 1)
    assert [one["place"] for one in made["faults"]] == ["steps"]
    status, refused = await answer(writer, "/api/v1/scripts/spring/drafts", {"body": body})
    assert (status, refused["error_id"]) == (422, "bad-script")
    assert "春季关怀" in await page(writer, "/scripts")
    for odd in ("UPPER", "..%2f", "x" * 40, "%00"):
        assert (await writer.get(f"/api/v1/scripts/{odd}")).status == 404
        assert (await writer.get(f"/scripts/script/{odd}")).status == 404
    assert (await answer(writer, "/api/v1/scripts/spring/versions/x/steps", {"step": "submit"}))[0] == 404
    assert (await answer(writer, "/api/v1/scripts/none/drafts", {}))[0] == 404


async def test_each_reason_of_a_call_brings_its_script(house: Office) -> None:
    agent = await house.signed_in("agent")
    contact = called(house, ReasonKind.DELIVERY_VISIT, ReasonKind.PERIODIC_MAINTENANCE)
    html = await (await agent.get(f"/contacts/{contact}")).text()
    assert re.findall(r'data-script="(\w+)"', html) == ["delivery_visit", "maintenance_reminder"]
    assert "应在2026年7月3日或30,000 公里做定期保养" in plain(html).replace("或 ", "或")


async def test_a_case_says_what_to_tell_at_each_step(house: Office) -> None:
    agent = await house.signed_in("agent")
    customer, car = person(house)
    now = house.clock.now()
    case, _new = house.database.write_now(
        lambda c: cases.open_case(
            c,
            NewCase(
                kind=CaseKind.COMPLAINT,
                grade=Grade.ORDINARY,
                source=CaseSource.CALL,
                subject="空调异响",
                customer_id=customer,
                vehicle_id=car,
                promised_at=now + timedelta(days=1),
            ),
            by=None,
            now=now,
            hours=HOURS,
        )
    )
    begun = await page(agent, f"/cases/new?customer_id={customer}")
    assert "不承认是谁的责任，也不许诺赔偿" in begun
    assert "王先生：您好！" in begun
    assert "不承认是谁的责任，也不许诺赔偿" in await page(agent, "/cases/new")

    def at(state: str) -> None:
        house.database.write_now(
            lambda c: c.execute(case_rows.update().where(case_rows.c.id == case.id).values(state=state))
        )

    for state, script in (
        ("registered", "complaint_intake"),
        ("handling", None),
        ("replied", "tell_plan"),
        ("second_visit", "second_visit"),
        ("closed", None),
    ):
        at(state)
        html = await (await agent.get(f"/cases/{case.id}")).text()
        assert re.findall(r'data-script="(\w+)"', html) == ([script] if script else []), state
        if script:
            assert case.number in plain(html)
    at("second_visit")
    assert "您反映的“空调异响”（编号" in await page(agent, f"/cases/{case.id}")


async def test_the_desk_says_what_the_house_called_for(house: Office) -> None:
    agent = await house.signed_in("agent")
    called(house, ReasonKind.DELIVERY_VISIT)
    customer = house.database.read_now(
        lambda c: c.execute(select(customer_rows.c.id).where(customer_rows.c.name == "王建国")).scalar_one()
    )
    call = house.add_call(
        agent_id=house.users["agent"].id,
        customer_id=customer,
        direction=Direction.OUTBOUND,
        state=CallState.TALKING,
        ended_at=None,
    )
    spoken = (await (await agent.get(f"/api/v1/calls/{call.id}/script")).json())["script"]
    assert spoken["name"] == "delivery_visit"
    other = await (await agent.get(f"/api/v1/calls/{call.id}/script?call_type=sales_inquiry")).json()
    assert other["script"]["name"] == "return_visit"


async def test_an_appointment_says_how_to_confirm_it(house: Office) -> None:
    agent = await house.signed_in("agent")
    made = planted_appointment(house)
    html = await (await agent.get(f"/appointments/{made}")).text()
    assert re.findall(r'data-script="(\w+)"', html) == ["appointment_confirmation"]
    moment = house.database.read_now(lambda c: get_appointment(c, made).starts_at)
    local = moment.astimezone(ZoneInfo("Asia/Shanghai"))
    assert f"您约的是{local.year}年{local.month}月{local.day}日 {local:%H:%M}" in plain(html)
