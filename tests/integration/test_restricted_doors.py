"""What a restricted record says nowhere else, either: recordings, lists, scripts, orders and visits (M-048, M-050)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from fixtures_web import Office
from sqlalchemy import insert, update
from sweep_objects import NAME, NUMBER, customer

from access.permissions import Role
from access.users import Principal, Via
from config.books.definitions import seed
from config.books.task_desk import view_of
from crm.records.vehicles import Role as Part
from crm.tasks.tasks import Caller, Task, TaskKind
from storage import registrations, tasks, vehicles
from storage.database import Database
from storage.tables import metadata
from telephony.calls import CallState
from telephony.numbers import E164

PLATE = "沪A12345"
_CUSTOMERS = metadata.tables["customers"]


def restrict(database: Database, customer_id: str) -> None:
    one = update(_CUSTOMERS).where(_CUSTOMERS.c.id == customer_id).values(secrecy="restricted")
    database.write_now(lambda connection: connection.execute(one))


async def test_lists_scripts_and_orders_say_nothing_of_a_restricted_customer(office_on_each: Office) -> None:
    office = office_on_each
    whose, now = customer(office), office.clock.now()
    user_id = office.users["agent"].id

    def plant(connection: Any) -> str:
        seed(connection, now)
        car = vehicles.add_vehicle(connection, now=now, model="Golf", plate=PLATE)
        vehicles.add_person(connection, car.id, whose, Part.OWNER, now)
        return str(car.id)

    car = office.database.write_now(plant)
    call = office.add_call(
        agent_id=user_id, customer_id=whose, number=NUMBER, connected_at=now, queue="service"
    )
    office.database.write_now(lambda c: registrations.react_to_call(c, None, call, ()))
    agent, supervisor = await office.signed_in("agent"), await office.signed_in("supervisor")
    order = {
        "customer_id": whose,
        "vehicle_id": car,
        "field": "plate",
        "wrong_value": PLATE,
        "said": "住朝阳区的那位",
    }
    made = await agent.post("/api/v1/corrections", order)
    assert made.status == 201, await made.text()
    path = f"/api/v1/corrections/{(await made.json())['id']}"

    async def told() -> str:
        found = ""
        for where in ("/api/v1/unfiled", "/api/v1/corrections", path, f"/api/v1/calls/{call.id}/script"):
            answer = await agent.get(where)
            assert answer.status == 200, (where, await answer.text())
            found += await answer.text()
        return found

    before = await told()
    assert all(word in before for word in (NAME, PLATE, "朝阳区"))
    restrict(office.database, whose)
    after = await told()
    assert [word for word in (NAME, PLATE, "朝阳区") if word in after] == []
    for what, body in (("/api/v1/corrections", order), (f"{path}/steps", {"step": "withdraw"})):
        refused = await agent.post(what, body)
        assert (refused.status, (await refused.json())["error_id"]) == (403, "record-closed"), what
    assert "朝阳区" in await (await supervisor.get(path)).text()


async def test_nobody_writes_a_visit_to_a_record_he_may_not_open(office_on_each: Office) -> None:
    office = office_on_each
    whose, now = customer(office), office.clock.now()
    car = office.database.write_now(lambda c: vehicles.add_vehicle(c, now=now, plate=PLATE).id)
    restrict(office.database, whose)
    agent = await office.signed_in("agent")
    visits = f"/api/v1/vehicles/{car}/visits"
    body = {"visited_on": "2026-06-01", "customer_id": whose}
    refused = await agent.post(visits, body)
    assert (refused.status, (await refused.json())["error_id"]) == (403, "record-closed")
    made = await agent.post(visits, {"visited_on": "2026-06-01"})
    assert made.status == 201
    changed = await agent.session.patch(
        f"{agent.base}/api/v1/visits/{(await made.json())['id']}",
        json={"version": 1, "customer_id": whose},
        headers={"X-CSRF-Token": agent.csrf},
    )
    assert (changed.status, (await changed.json())["error_id"]) == (403, "record-closed")


async def test_the_result_of_a_task_is_masked_as_its_subject_is(office_on_each: Office) -> None:
    office = office_on_each
    now, user_id = office.clock.now(), office.users["agent"].id

    def work(connection: Any) -> Task:
        task, _made = tasks.add_task(
            connection,
            kind=TaskKind.CALLBACK,
            occasion="test",
            now=now,
            due_at=now + timedelta(hours=1),
            subject="请回电 13812345678",
            number=E164(NUMBER),
            owner_id=user_id,
        )
        return tasks.close_task(connection, task.id, user_id, "改打 138 1234 5678", now)

    task = office.database.write_now(work)
    agent = Principal(role=Role.AGENT, via=Via.SESSION, name="agent", user_id=user_id)
    view = view_of(task, agent, {})
    assert (view.subject, view.result) == ("请回电 138****5678", "改打 138****5678")


@pytest.mark.parametrize("tied", ["voicemail", "call"])
async def test_a_message_of_a_restricted_customer_is_heard_by_whom_the_record_is_open_to(
    office_on_each: Office, tied: str
) -> None:
    """Whose task it is hears a message, but no message of somebody whose record is closed to him."""
    office = office_on_each
    whose, now, user_id = customer(office), office.clock.now(), office.users["agent"].id
    call = office.add_call(
        state=CallState.ENDED, number=NUMBER, customer_id=whose if tied == "call" else None, queue="service"
    )
    sound_id = "ab" * 16
    (office.sounds / "m.wav").write_bytes(b"RIFF" + bytes(140))

    def plant(connection: Any) -> None:
        connection.execute(
            insert(metadata.tables["voicemails"]).values(
                id=sound_id,
                call_id=call.id,
                file="m.wav",
                box="service",
                left_at=now,
                seconds=3.0,
                number=NUMBER,
                customer_id=whose if tied == "voicemail" else None,
                state="new",
            )
        )
        caller = Caller(kind=TaskKind.CALLBACK, call_id=call.id, number=NUMBER, at=now, due_at=now)
        tasks.claim_task(connection, tasks.note_caller(connection, caller), user_id)

    office.database.write_now(plant)
    agent, supervisor = await office.signed_in("agent"), await office.signed_in("supervisor")
    path = f"/api/v1/voicemails/{sound_id}"

    async def statuses(browser: Any) -> list[int]:
        return [(await browser.get(f"{path}{part}")).status for part in ("", "/sound", "/peaks")]

    async def listed(browser: Any) -> list[str]:
        answer = await browser.get("/api/v1/voicemails")
        assert answer.status == 200
        return [one["id"] for one in (await answer.json())["items"]]

    assert (await statuses(agent), await listed(agent)) == ([200, 200, 200], [sound_id])
    restrict(office.database, whose)
    assert (await statuses(agent), await listed(agent)) == ([404, 404, 404], [])
    assert (await statuses(supervisor), await listed(supervisor)) == ([200, 200, 200], [sound_id])
    own = update(_CUSTOMERS).where(_CUSTOMERS.c.id == whose).values(own_agent_id=user_id)
    office.database.write_now(lambda connection: connection.execute(own))
    assert await statuses(agent) == [200, 200, 200], "his own customer's record is open to him"
