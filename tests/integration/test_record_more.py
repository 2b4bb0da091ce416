"""What a record's page leads to: corrections, possible duplicates, groups, purchases, another person of a vehicle."""

from __future__ import annotations

from html import unescape
from typing import Any

from fixtures_web import Browser, Office
from sweep_objects import NAME, customer

from crm.records.vehicles import Role as Part
from storage import customers, duplicates, history, vehicles
from telephony.numbers import E164

HTML = {"Accept": "text/html"}


async def page(browser: Browser, path: str) -> str:
    answer = await browser.get(path, headers=HTML)
    text = unescape(await answer.text())
    assert answer.status == 200, text[-1500:]
    return text


async def submit(browser: Browser, path: str, status: int, **form: str) -> tuple[str, str]:
    """Where it leads and what it says."""
    answer = await browser.post(path, data={**form, "csrf": browser.csrf}, headers=HTML)
    text = unescape(await answer.text())
    assert answer.status == status, text[-1500:]
    return answer.headers.get("Location", ""), text


async def test_the_page_of_a_person_leads_to_corrections_groups_and_duplicates(office: Office) -> None:
    whose, now = customer(office), office.clock.now()
    here = f"/customers/{whose}"
    agent, supervisor = await office.signed_in("agent"), await office.signed_in("supervisor")
    text = await page(agent, here)
    assert f"/corrections/new?customer_id={whose}" in text
    assert "可能重复" not in await page(supervisor, here), "there is none yet"

    def twice(connection: Any) -> str:
        other = customers.add_customer(connection, name=NAME, now=now)
        number = customers.contacts_of(connection, whose)[0].number
        customers.add_contact(connection, other.id, E164(number), now)
        duplicates.judge(connection, [tuple(sorted((whose, other.id)))], now)
        return str(other.id)

    other = office.database.write_now(twice)
    text = await page(supervisor, here)
    assert "可能重复（1）" in text
    assert f"/duplicates/compare?survivor_id={whose}&merged_id={other}" in text
    assert "可能重复" not in await page(agent, here), "an agent may not merge"
    made = await (await supervisor.post("/api/v1/groups", {"name": "回访名单", "kind": "static"})).json()
    assert "回访名单" in await page(supervisor, here)
    where, _ = await submit(supervisor, f"{here}/groups", 303, group_id=made["id"])
    assert where == here
    members = await (await supervisor.get(f"/api/v1/groups/{made['id']}/members")).json()
    assert [one["customer_id"] for one in members["items"]] == [whose]
    await submit(supervisor, f"{here}/groups", 404, group_id="01ARZ3NDEKTSV4RRFFQ69G5FAV")
    await submit(agent, f"{here}/groups", 403, group_id=made["id"])


async def test_a_purchase_and_another_person_by_their_forms(office: Office) -> None:
    whose, now = customer(office), office.clock.now()
    agent = await office.signed_in("agent")

    def work(connection: Any) -> tuple[str, str]:
        car = vehicles.add_vehicle(connection, now=now, model="Golf", plate="沪A12345")
        vehicles.add_person(connection, car.id, whose, Part.OWNER, now)
        other = customers.add_customer(connection, name="王司机", now=now)
        return str(car.id), str(other.id)

    car, other = office.database.write_now(work)
    path = f"/customers/{whose}/purchases/new"
    assert "沪A12345" in await page(agent, path)
    typed = {"price_cents": "128,800.50", "payment": "loan", "vehicle_id": car, "invoice": "F-7"}
    _, text = await submit(agent, path, 422, **typed)
    assert "F-7" in text, "what was typed stays"
    await submit(agent, path, 303, **typed, bought_on="2026-06-01")
    kept = office.database.read_now(lambda c: history.purchases_of_vehicle(c, car))
    assert [(one.customer_id, one.price_cents, one.invoice) for one in kept] == [(whose, 12_880_050, "F-7")]
    path = f"/vehicles/{car}/people/new"
    assert "王司机" in await page(agent, f"{path}?q=王司机")
    await submit(agent, path, 303, customer_id=other, role="driver")
    text = await page(agent, f"/vehicles/{car}")
    assert "王司机" in text
    assert f"/corrections/new?customer_id={whose}&vehicle_id={car}" in text
    await submit(agent, path, 404, customer_id="01ARZ3NDEKTSV4RRFFQ69G5FAV", role="driver")


async def test_the_list_of_tasks_goes_out_for_those_who_may_export(office: Office) -> None:
    supervisor, agent = await office.signed_in("supervisor"), await office.signed_in("agent")
    for scope, state in (("today", "open"), ("mine", "mine"), ("closed", "closed")):
        text = await page(supervisor, f"/tasks?scope={scope}")
        assert 'name="kind" value="tasks"' in text
        assert f'name="filter-state" value="{state}"' in text
    assert "filter-state" not in await page(agent, "/tasks")
