"""Appointments over HTTP: booked from the page's API, seen by pages, moved by private link, one list as a sheet."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection

from access.permissions import Role
from crm.appointments.appointments import Work
from crm.appointments.slots import Lane
from crm.records.vehicles import Role as VehicleRole
from storage import appointment_days, customers, slots, vehicles
from telephony.hours import WorkingTime
from telephony.options import CalendarOptions
from tests.fixtures_web import Office

#: Wednesday 17 June 2026, 10:00 in China.
TEN = datetime(2026, 6, 17, 2, tzinfo=UTC)


def lay_out(connection: Connection, now: datetime) -> tuple[str, str, str]:
    """A workshop, a customer and his car."""
    shop = slots.save_workshop(
        connection,
        workshop_id=None,
        name="一号车间",
        address="光华路 1 号",
        active=True,
        version=None,
        now=now,
    )
    slots.save_lane(
        connection,
        Lane(
            id="",
            workshop_id=shop.id,
            name="王顾问",
            advisor="王芳",
            works=frozenset(Work),
            weekdays=frozenset(range(6)),
            opens=540,
            closes=1020,
            pause_from=None,
            pause_until=None,
            cell_minutes=60,
            capacity=1,
        ),
        now=now,
        new=True,
    )
    person = customers.add_customer(connection, name="张伟", now=now)
    car = vehicles.add_vehicle(connection, now=now, plate="沪A12345", model="K5")
    vehicles.add_person(connection, car.id, person.id, VehicleRole.OWNER, now)
    return shop.id, person.id, car.id


async def test_an_agent_books_and_the_customer_moves_by_link(office: Office) -> None:
    office.add_user("agent1", Role.AGENT)
    office.add_user("boss", Role.SUPERVISOR)
    shop, person, car = office.database.write_now(lambda c: lay_out(c, office.clock.now()))
    agent = await office.signed_in("agent1")
    body = {
        "work": "maintenance",
        "workshop_id": shop,
        "starts_at": TEN.isoformat(),
        "customer_id": person,
        "vehicle_id": car,
        "words": "有异响",
    }
    once = {"Idempotency-Key": "one"}
    made = await (await agent.post("/api/v1/appointments", body, headers=once)).json()
    again = await (await agent.post("/api/v1/appointments", body, headers=once)).json()
    assert made["id"] == again["id"]
    assert made["plate"] == "沪A12345"
    full = await agent.post("/api/v1/appointments", body, headers={"Idempotency-Key": "two"})
    assert full.status == 409
    assert (await full.json())["error_id"] == "appointment-time-taken"
    # An agent's reason opens nothing; a supervisor's does.
    over = body | {"overbook_reason": "长途客户"}
    assert (await agent.post("/api/v1/appointments", over, headers={"Idempotency-Key": "3"})).status == 409
    boss = await office.signed_in("boss")
    beyond = await boss.post("/api/v1/appointments", over, headers={"Idempotency-Key": "4"})
    assert (await beyond.json())["overbooked"] is True

    for path in (
        "/appointments?day=2026-06-17",
        "/appointments?day=2026-06-17&view=week",
        f"/appointments/new?customer={person}",
        f"/appointments/new?move={made['id']}",
        f"/appointments/{made['id']}",
        "/appointments/calls",
        "/appointments/lists",
        f"/customers/{person}/appointments",
    ):
        page = await agent.get(path)
        assert page.status == 200, (path, await page.text())
        assert "Traceback" not in await page.text()
    record = await (await agent.get(f"/customers/{person}")).text()
    assert f'href="/appointments/{made["id"]}"' in record
    assert (await agent.get("/appointments/setup")).status == 403
    assert (await boss.get("/appointments/setup")).status == 200

    link = (await (await agent.post(f"/api/v1/appointments/{made['id']}/link", {})).json())["path"]
    shown = await (await agent.get(link)).text()
    assert "光华路" in shown
    assert "345" in shown
    assert "张伟" not in shown
    assert "沪A12345" not in shown
    late = TEN + timedelta(hours=2)
    moved = await agent.post(link, data={"step": "move", "version": "1", "at": late.isoformat()})
    assert moved.status in (200, 303)
    one = await (await agent.get(f"/api/v1/appointments/{made['id']}")).json()
    assert datetime.fromisoformat(one["appointment"]["starts_at"]) == late
    assert [event["step"] for event in one["events"]] == ["book", "move"]
    assert one["events"][1]["source"] == "link"
    # What the page showed before is no longer so: nothing is done with it.
    stale = await agent.post(link, data={"step": "cancel", "version": "1"})
    assert stale.status == 409
    await agent.post(link, data={"step": "cancel", "version": "2"})
    assert (await agent.get(link)).status == 410


async def test_the_list_is_a_page_and_a_sheet(office: Office) -> None:
    office.add_user("agent1", Role.AGENT)
    shop, person, car = office.database.write_now(lambda c: lay_out(c, office.clock.now()))
    agent = await office.signed_in("agent1")
    body = {
        "work": "repair",
        "workshop_id": shop,
        "starts_at": TEN.isoformat(),
        "customer_id": person,
        "vehicle_id": car,
        "parts": "=1+1",
    }
    await agent.post("/api/v1/appointments", body, headers={"Idempotency-Key": "one"})
    hours = WorkingTime.from_options(CalendarOptions())
    office.database.write_now(lambda c: appointment_days.make_list(c, office.clock.now(), hours))
    page = await agent.get("/appointments/lists/2026-06-16")
    assert "沪A12345" in await page.text()
    sheet = await agent.get("/appointments/lists/2026-06-16/sheet")
    assert (await sheet.read())[:2] == b"PK"
    assert (await agent.get("/appointments/lists/2026-06-15")).status == 404
    assert (await agent.get("/appointments/lists/nonsense")).status == 404
