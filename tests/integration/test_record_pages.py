"""Pages of records as a browser without script uses them: lists, the person, forms, and what they say when wrong."""

from __future__ import annotations

import re
from datetime import timedelta
from html import unescape

import pytest
from fixtures_web import Browser, Office
from sqlalchemy import Connection, update

from access.permissions import Role
from crm.records.vehicles import Role as VehicleRole
from crm.tasks.tasks import TaskKind
from storage import audit, customers, tasks, vehicles
from storage.tables import records as tables
from telephony.numbers import E164

HTML = {"Accept": "text/html"}


async def page(browser: Browser, path: str, status: int = 200) -> str:
    answer = await browser.get(path, headers=HTML)
    text = unescape(await answer.text())
    assert answer.status == status, text[-1500:]
    return text


async def submit(browser: Browser, path: str, status: int, **form: str) -> tuple[str, str]:
    """Where it leads and what it says."""
    answer = await browser.post(path, data={**form, "csrf": browser.csrf}, headers=HTML)
    text = unescape(await answer.text())
    assert answer.status == status, text[-1500:]
    return answer.headers.get("Location", ""), text


def version(text: str) -> str:
    found = re.search(r'name="version" value="(\d+)"', text)
    assert found is not None
    return found[1]


async def wang(browser: Browser) -> str:
    """A customer made by the form; his page's address."""
    where, _ = await submit(
        browser, "/customers/new", 303, name="王小伟", honorific="mr", kind="person", number="138 1234 5678"
    )
    return where


async def test_a_customer_from_form_to_timeline(office: Office) -> None:
    agent = await office.signed_in("agent")
    assert "还没有客户" in await page(agent, "/customers")
    here = await wang(agent)
    text = await page(agent, here)
    assert "138****5678" in text
    assert "13812345678" not in text
    assert "请顺便核实" in text
    car, _ = await submit(
        agent, f"{here}/vehicles/new", 303, plate="沪A12345", model="Golf", role="owner", mileage="12000"
    )
    where, _ = await submit(
        agent,
        f"{car}/visits",
        303,
        visited_on="2026-06-01",
        kind="first",
        mileage="12500",
        amount_cents="1,280.50",
    )
    text = await page(agent, car)
    assert "首保" in text
    assert "1,280.50 元" in text
    assert "王小伟" in text
    form = await page(agent, f"{here}/edit")
    await submit(
        agent,
        f"{here}/edit",
        303,
        version=version(form),
        name="王小伟",
        kind="person",
        honorific="mr",
        address="上海市静安区",
        birthday="1985-06-17",
    )
    text = await page(agent, here)
    assert "上海市静安区" in text
    assert "40 岁" in text
    assert "沪A12345" in text
    only = await page(agent, f"{here}?kinds=visit")
    assert "首保" in only
    assert "建档" not in only
    assert where == car
    for words in ("小伟", "wxw", "5678", "沪A123"):
        assert "王小伟" in await page(agent, f"/customers?q={words}")
    assert "没有找到" in await page(agent, "/customers?q=%25")


async def test_what_is_wrong_stands_beside_the_field_and_nothing_typed_is_lost(office: Office) -> None:
    agent = await office.signed_in("agent")
    _, text = await submit(agent, "/customers/new", 422, name="", number="", address="上海", kind="person")
    assert "请填写姓名" in text
    assert 'value="上海"' in text
    _, text = await submit(agent, "/customers/new", 422, name="李", birthday="2030-01-01", address="北京")
    assert "生日不正确" in text
    assert 'value="北京"' in text
    _, text = await submit(agent, "/customers/new", 422, name="李", number="12", address="北京")
    assert 'id="e-number"' in text
    here = await wang(agent)
    for wrong, words in (({"plate": "???"}, "车牌号"), ({"vin": "1"}, "17 位"), ({"mileage": "x"}, "整数")):
        _, text = await submit(agent, f"{here}/vehicles/new", 422, model="Golf", **wrong)
        assert words in text
        assert 'value="Golf"' in text


async def test_the_second_editor_sees_both_and_saves_again(office: Office) -> None:
    agent, supervisor = await office.signed_in("agent"), await office.signed_in("supervisor")
    here = await wang(agent)
    old = version(await page(agent, f"{here}/edit"))
    base = {"name": "王小伟", "kind": "person", "honorific": "mr"}
    await submit(supervisor, f"{here}/edit", 303, version=old, **base, secrecy="normal", address="北京")
    _, text = await submit(agent, f"{here}/edit", 409, version=old, **base, address="上海")
    assert "supervisor刚刚修改了这份资料" in text
    assert "supervisor已改为：北京" in text
    assert 'value="上海"' in text
    await submit(agent, f"{here}/edit", 303, version=version(text), **base, address="上海")
    assert "上海" in await page(agent, here)


async def test_fields_of_the_house_are_defined_and_filled(office: Office) -> None:
    manager, agent = await office.signed_in("manager"), await office.signed_in("agent")
    form = {
        "subject": "customer",
        "key": "club",
        "label_zh": "会员等级",
        "kind": "choice",
        "choices": "金\n银",
    }
    await submit(manager, "/settings/fields", 303, **form, **{"locked.agent": "yes"})
    _, text = await submit(manager, "/settings/fields", 422, **form)
    assert "已经在用" in text
    _, text = await submit(manager, "/settings/fields", 422, **{**form, "key": "Bad Key"})
    assert "小写字母开头" in text
    listed = await page(manager, "/settings/fields")
    found = re.search(r'href="(/settings/fields/\w+)"', listed)
    assert found is not None
    old = version(await page(manager, found[1]))
    supervisor = office.add_user("head", Role.MANAGER)
    other = await office.signed_in(supervisor.login)
    theirs = {**form, "label_zh": "俱乐部等级", "locked.agent": "yes", "locked.supervisor": "yes"}
    await submit(other, found[1], 303, version=old, **theirs)
    mine = {**form, "label_zh": "会员等级", "place": "7", "locked.agent": "yes"}
    _, text = await submit(manager, found[1], 409, version=old, **mine)
    assert "head已改为：俱乐部等级" in text
    assert "head已改为：坐席, " in text, "roles by their names"
    await submit(manager, found[1], 303, version=version(text), **mine)
    here = await wang(agent)
    assert "只读" in await page(agent, f"{here}/edit")
    text = await page(manager, f"{here}/edit")
    await submit(
        manager,
        f"{here}/edit",
        303,
        version=version(text),
        name="王小伟",
        kind="person",
        **{"custom.club": "金"},
    )
    assert "会员等级" in await page(agent, here)
    assert (await agent.get("/settings/fields", headers=HTML)).status == 403


@pytest.mark.parametrize("path", ["/customers/NOBODY", "/vehicles/NOTHING", "/customers/NOBODY/edit"])
async def test_what_is_not_there_is_said(office: Office, path: str) -> None:
    agent = await office.signed_in("agent")
    await page(agent, path, 404)


async def test_a_single_field_is_sent_back_filled_in(office: Office) -> None:
    now = office.clock.now()

    def work(connection: Connection) -> tuple[str, str]:
        person = customers.add_customer(connection, name="欧阳明", now=now)
        table = tables.customers
        connection.execute(update(table).where(table.c.id == person.id).values(address="张杨路 500 号"))
        customers.add_contact(connection, person.id, E164("+8613812345678"), now)
        car = vehicles.add_vehicle(connection, now=now, model="A7", plate="沪A12345")
        vehicles.add_person(connection, car.id, person.id, VehicleRole.OWNER, now)
        return person.id, car.id

    customer_id, vehicle_id = office.database.write_now(work)
    browser = await office.signed_in("agent")

    async def follow(page: str, field: str) -> str:
        text = await (await browser.get(page)).text()
        link = re.search(rf'href="(/corrections/new\?[^"]*field={field}[^"]*)"', text)
        assert link is not None, field
        return await (await browser.get(unescape(link[1]))).text()

    form = await follow(f"/customers/{customer_id}", "address")
    assert 'name="wrong_value"' in form
    assert 'value="张杨路 500 号"' in form
    assert re.search(r'<option value="address"[^>]* selected>', form)
    assert "138****5678" in await follow(f"/customers/{customer_id}", "number")
    assert 'value="沪A12345"' in await follow(f"/vehicles/{vehicle_id}", "plate")
    odd = await browser.get(f"/corrections/new?customer_id={customer_id}&field=secrecy")
    assert (odd.status, 'value="normal"' in await odd.text()) == (200, False)


async def test_one_number_of_several_is_sent_back_whole(office: Office) -> None:
    now = office.clock.now()

    def work(connection: Connection) -> str:
        person = customers.add_customer(connection, name="欧阳明", now=now)
        customers.add_contact(connection, person.id, E164("+8613812345678"), now)
        office.clock.advance(1)
        customers.add_contact(connection, person.id, E164("+8613987654321"), office.clock.now())
        return person.id

    whose = office.database.write_now(work)
    agent, supervisor = await office.signed_in("agent"), await office.signed_in("supervisor")
    text = await page(agent, f"/customers/{whose}")
    links = re.findall(r'href="(/corrections/new\?[^"]*field=number[^"]*)"', text)
    assert len(links) == 2
    second = next(line for line in text.split("<li") if "139****4321" in line and "↩" in line)
    link = next(one for one in links if one in second)
    form = await page(agent, link)
    assert 'value="139****4321"' in form
    assert "138****" not in form
    place = re.search(r'data-place="(\d+)"', form)
    assert place is not None
    given = {
        "customer_id": whose,
        "field": "number",
        "wrong_value": "139****4321",
        "said": "空号",
        "number_place": int(place[1]),
    }
    answer = await agent.post("/api/v1/corrections", given)
    made = await answer.json()
    assert (answer.status, made["wrong_value"]) == (201, "139****4321"), "the agent reads the mask"
    read = await (await supervisor.get(f"/api/v1/corrections/{made['id']}")).json()
    assert read["wrong_value"] == "139 8765 4321"
    none = await agent.post("/api/v1/corrections", {**given, "number_place": 7})
    assert (none.status, (await none.json())["error_id"]) == (404, "entry-not-found")
    unnamed = await page(agent, f"/corrections/new?customer_id={whose}&field=number")
    assert "****" not in unnamed, "nobody said which of the two"


async def test_a_form_of_an_order_filled_in_is_a_view_of_the_record(office: Office) -> None:
    now = office.clock.now()

    def work(connection: Connection) -> tuple[str, str]:
        person = customers.add_customer(connection, name="欧阳明", now=now)
        car = vehicles.add_vehicle(connection, now=now, model="A7", plate="沪A12345")
        vehicles.add_person(connection, car.id, person.id, VehicleRole.OWNER, now)
        return person.id, car.id

    whose, car = office.database.write_now(work)
    agent = await office.signed_in("agent")

    async def viewed() -> set[str]:
        await office.views.flush()
        lines = office.database.read_now(lambda c: audit.list_entries(c, action="viewed"))
        return {one.subject for one in lines}

    await page(agent, f"/corrections/new?customer_id={whose}")
    assert await viewed() == set(), "nothing of the record was read"
    assert "欧阳明" in await page(agent, f"/corrections/new?customer_id={whose}&field=name")
    assert await viewed() == {f"customer:{whose}"}
    path = f"/corrections/new?customer_id={whose}&vehicle_id={car}&field=plate"
    assert "沪A12345" in await page(agent, path)
    assert await viewed() == {f"customer:{whose}", f"vehicle:{car}"}


async def test_an_open_task_shows_its_deadline_as_a_time(office: Office) -> None:
    agent = await office.signed_in("agent")
    here = await wang(agent)
    now = office.clock.now()
    due = now + timedelta(days=3)
    office.database.write_now(
        lambda c: tasks.add_task(
            c,
            kind=TaskKind.CALLBACK,
            occasion="x",
            now=now,
            due_at=due,
            subject="约下午回电",
            customer_id=here.rpartition("/")[2],
        )
    )
    sent = await (await agent.get(here, headers=HTML)).text()
    assert "约下午回电" in sent
    assert "&lt;span" not in sent
    shown = re.search(r"<time[^>]*>时限 (.*?)</time>", sent)
    assert shown is not None
    assert re.fullmatch(r"\d\d/\d\d \d\d:\d\d", re.sub(r"<.*?>", "", shown[1]))


async def test_a_restricted_record_can_be_asked_for_on_its_own_page(office: Office) -> None:
    """The page says where to ask, and sends what the service takes."""
    agent = await office.signed_in("agent")
    here = await wang(agent)
    customer_id = here.rpartition("/")[2]
    one = update(tables.customers).where(tables.customers.c.id == customer_id).values(secrecy="restricted")
    office.database.write_now(lambda connection: connection.execute(one))
    text = await page(agent, here)
    assert "王小伟" not in text
    addresses = re.findall(r'data-api="([^"]+)"', text)
    assert addresses == ["/api/v1/approvals", "/api/v1/approvals/in-call"]
    body = {"customer_id": customer_id, "reason": "核对资料"}
    assert (await agent.post(addresses[0], body)).status == 201
    assert (await agent.post(addresses[1], body)).status == 409, "in no call with this customer"
