"""Rules of classes: what a change would do is counted as it would be done, and the page tries before it keeps."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace

from fixtures_storage import FrozenClock
from fixtures_web import Office
from sqlalchemy import Connection, update

from crm.records.classification import ClassRules, classify
from crm.records.purchases import ServiceVisit
from crm.records.vehicles import Role
from storage import classes, customers, history, vehicles
from storage.database import Database
from storage.tables import records as tables


def people(connection: Connection, clock: FrozenClock, count: int) -> list[str]:
    """Customers with more and more visits; one of them classed by a person."""
    now, made = clock.now(), []
    for place in range(count):
        person = customers.add_customer(connection, name=f"客户{place}", now=now)
        car = vehicles.add_vehicle(connection, now=now, model="A7")
        vehicles.add_person(connection, car.id, person.id, Role.OWNER, now)
        vehicles.add_person(connection, car.id, person.id, Role.PAYER, now)
        for _ in range(place):
            visit = ServiceVisit(
                id="",
                vehicle_id=car.id,
                visited_on=now.date(),
                amount_cents=300_000,
                created_at=now,
                updated_at=now,
            )
            history.add_visit(connection, visit, now)
        made.append(person.id)
    table = tables.customers
    connection.execute(update(table).where(table.c.id == made[-1]).values(classed_by="person"))
    return made


def test_a_preview_counts_what_the_rule_would_decide(database: Database, clock: FrozenClock) -> None:
    today = clock.now().date()
    rules = replace(ClassRules(), high_spent_cents=900_000, middle_spent_cents=300_000)

    def work(connection: Connection) -> None:
        ids = people(connection, clock, 8)
        found = classes.preview(connection, rules, today)
        one_by_one = Counter(
            ("", classify(classes.facts_of(connection, one, rules, today), rules).customer_class.value)
            for one in ids[:-1]
        )
        assert found.moves == one_by_one
        assert (found.looked, found.total, found.changed) == (7, 7, 7)
        assert len(one_by_one) > 1, "the thresholds tell them apart"
        facts = classes.facts_of(connection, ids[3], rules, today)
        assert (facts.visits, facts.spent_cents, facts.vehicles) == (3, 900_000, 1), "owner and payer is one"
        share = classes.preview(connection, rules, today, most=3)
        assert share.looked <= 6
        assert share.total == 7

    database.write_now(work)


async def test_the_page_tries_rules_before_it_keeps_them(office: Office) -> None:
    office.database.write_now(lambda c: people(c, office.clock, 3))
    browser = await office.signed_in("manager")
    page = await (await browser.get("/settings/classes")).text()
    form = dict(re.findall(r'<input[^>]*? name="([\w.]+)"[^>]*? value="([^"]*)"', page))
    form |= {name: value for value, name in re.findall(r'value="([^"]*)"[^>]*? name="([\w.]+)"', page)}
    form = {**form, "csrf": browser.csrf, "high_spent_cents": "6,000", "middle_spent_cents": "3000"}
    assert form["service.A"]
    tried = await browser.post("/settings/classes", data={**form, "preview": "yes"})
    text = await tried.text()
    assert (tried.status, 'id="preview"' in text) == (422, True), "Turbo shows no other answer of a form"
    assert (await office.services.records.rules())[1] == 0, "nothing is saved"
    bad = await browser.post("/settings/classes", data={**form, "days.B": "never"})
    assert (bad.status, 'aria-invalid="true"' in await bad.text()) == (422, True)
    assert (await browser.post("/settings/classes", data={"csrf": browser.csrf})).status == 422, "half a form"
    assert (await browser.post("/settings/classes", data=form)).status == 303
    rules, version = await office.services.records.rules()
    assert (rules.high_spent_cents, rules.middle_spent_cents, version) == (600_000, 300_000, 1)
    late = await browser.post("/settings/classes", data={**form, "high_spent_cents": "8000"})
    text = await late.text()
    assert late.status == 409, "made from an older version"
    who = office.users["manager"].name
    assert f"{who}已改为：6,000 元" in text
    again = dict(re.findall(r'<input[^>]*? name="(version)"[^>]*? value="([^"]*)"', text))
    form = {**form, "high_spent_cents": "8000", **again}
    assert (await browser.post("/settings/classes", data=form)).status == 303, "looked at, and saved again"
    assert (await office.services.records.rules())[0].high_spent_cents == 800_000
    agent = await office.signed_in("agent")
    shown = await (await agent.get("/settings/classes")).text()
    assert "8,000" in shown
    assert 'name="high_spent_cents"' not in shown
    assert (await agent.post("/settings/classes", data={**form, "csrf": agent.csrf})).status == 403
