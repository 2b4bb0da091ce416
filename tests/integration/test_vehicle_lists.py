"""The list of vehicles: filters, orders, pages, who may see what, its page and its export."""

from __future__ import annotations

from datetime import date
from functools import partial
from html import unescape
from typing import Any

import pytest
from fixtures_web import Browser, Office
from sqlalchemy import Connection

from access.permissions import Role
from access.users import Principal, Via
from crm.exports.jobs import BadExportFilter, ExportKind
from crm.records.customers import Secrecy
from crm.records.vehicle_lists import VehicleFilter, VehicleSort
from crm.records.vehicles import Role as Part
from crm.records.vehicles import clean_plate_part
from storage import customers, exports, vehicle_lists, vehicles

#: Plate, model, day of the next service, who owns it.
FLEET = (
    ("苏A00001", "途观L", date(2026, 7, 1), "mine"),
    ("苏A10002", "Golf", date(2026, 6, 20), "theirs"),
    ("苏B00003", "Golf GTI", None, "shut"),
    ("沪A00013", "途观X", date(2026, 8, 1), None),
    (None, "ID.4", date(2026, 5, 1), "mine"),
)


def _plant(office: Office) -> dict[str, str]:
    """The fleet; ids by plate or model, and of the agent."""
    me, other = office.add_user("me", Role.AGENT), office.add_user("other", Role.AGENT)
    ids = {"me": me.id}

    def work(connection: Connection) -> None:
        now = office.clock.now()
        people = {
            key: customers.add_customer(
                connection, name=name, now=now, own_agent_id=own, secrecy=secrecy, customer_class=grade
            ).id
            for key, name, own, secrecy, grade in (
                ("mine", "王小明", me.id, Secrecy.NORMAL, "A"),
                ("theirs", "李雷", other.id, Secrecy.NORMAL, "B"),
                ("shut", "赵密语", None, Secrecy.RESTRICTED, "A"),
            )
        }
        for plate, model, due, owner in FLEET:
            office.clock.advance(1)
            made = vehicles.add_vehicle(
                connection, now=office.clock.now(), plate=plate, model=model, next_due_on=due
            )
            ids[plate or model] = made.id
            if owner is not None:
                vehicles.add_person(connection, made.id, people[owner], Part.OWNER, now)

    office.database.write_now(work)
    return ids


async def listed(browser: Browser, status: int = 200, /, **params: str) -> Any:
    answer = await browser.get("/api/v1/vehicles", params=params)
    body = await answer.json()
    assert answer.status == status, body
    return body


def names(body: Any) -> list[str]:
    return [one["vehicle"]["plate"] or one["vehicle"]["model"] for one in body["items"]]


async def test_filters_orders_and_pages(office_on_each: Office) -> None:
    _plant(office_on_each)
    one = await office_on_each.signed_in("supervisor")
    newest = ["ID.4", "沪A00013", "苏B00003", "苏A10002", "苏A00001"]
    due = ["ID.4", "苏A10002", "苏A00001", "沪A00013", "苏B00003"]
    for sort, order in (("newest", newest), ("due", due)):
        assert names(await listed(one, sort=sort)) == order
        seen: list[str] = []
        cursor: dict[str, str] = {}
        while True:
            page = await listed(one, sort=sort, limit="2", **cursor)
            seen += names(page)
            if page["next"] is None:
                break
            cursor = {"cursor": page["next"]}
        assert seen == order, sort
    *plates, last = names(await listed(one, sort="plate"))
    assert (sorted(plates), last) == (sorted(newest[1:]), "ID.4"), "those without a plate last"
    assert plates.index("苏A00001") < plates.index("苏A10002") < plates.index("苏B00003")
    for found, params in (
        (["苏A10002", "苏A00001"], {"plate": "苏a·"}),
        (["沪A00013", "苏A00001"], {"plate": "a000"}),
        (["苏A10002"], {"plate": "0002"}),
        ([], {"plate": "%"}),
        ([], {"plate": "苏_0"}),
        (["沪A00013", "苏A00001"], {"model": "途观"}),
        (["苏B00003", "苏A10002"], {"model": "golf"}),
        (["苏B00003"], {"model": "GTI"}),
        ([], {"model": "%"}),
        (["苏A10002", "苏A00001"], {"due_from": "2026-06-20", "due_to": "2026-07-01"}),
        (["苏A10002", "苏A00001"], {"due_from": "2026-06-20", "due_to": "2026-07-01", "sort": "due"}),
        (["ID.4"], {"due_to": "2026-06-19", "sort": "due"}),
        (["ID.4", "苏B00003", "苏A00001"], {"customer_class": "A"}),
        (["苏A00001"], {"customer_class": "A", "model": "途", "due_from": "2026-06-01", "plate": "苏A"}),
    ):
        assert names(await listed(one, **params)) == found, params
    assert (await listed(one, 400, sort="due", cursor="NOBODY"))["error_id"] == "bad-cursor"
    assert (await listed(one, 400, sort="mileage"))["error_id"] == "bad-query"


async def test_who_sees_which_vehicle(office_on_each: Office) -> None:
    """Scope and secrecy; a class tells nothing of a record that is shut, and a name is masked for whom it must be."""
    office = office_on_each
    _plant(office)
    agent = await office.signed_in("me")
    everything = ["ID.4", "沪A00013", "苏A10002", "苏A00001"]
    assert names(await listed(agent)) == everything
    assert names(await listed(agent, customer_class="A")) == ["ID.4", "苏A00001"]
    assert names(await listed(agent, plate="苏B00003")) == []
    owner = (await listed(agent, plate="苏A10002"))["items"][0]["owner"]
    assert (owner["name"], owner["customer_class"], owner["role"]) == ("李雷", "B", "owner")
    office.database.use(agents_see="own+unowned")
    assert names(await listed(agent)) == ["ID.4", "沪A00013", "苏A00001"]
    assert names(await listed(agent, model="golf")) == []
    supervisor = await office.signed_in("supervisor")
    assert names(await listed(supervisor, plate="苏B")) == ["苏B00003"]
    admin = await office.signed_in("admin")
    await listed(admin, 403)


def test_many_that_fit_are_walked_and_none_is_lost(
    office_on_each: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However small the bounds, going on from page to page finds each vehicle that fits, once and in order."""
    _plant(office_on_each)
    monkeypatch.setattr(vehicle_lists, "_FEW", 0)
    monkeypatch.setattr(vehicle_lists, "_SHARE", 1)
    monkeypatch.setattr(vehicle_lists, "MOST_WALKED", 2)
    viewer = Principal(role=Role.AGENT, via=Via.SESSION, name="x", user_id="A1")
    office_on_each.database.use(agents_see="own+unowned")

    def walk(sort: VehicleSort, **wanted: Any) -> list[str]:
        found: list[str] = []
        after: str | None = None
        for _page in range(20):
            ask = partial(vehicle_lists.list_vehicles, viewer=viewer, wanted=VehicleFilter(**wanted))
            page = office_on_each.database.read_now(partial(ask, sort=sort, after=after, limit=1))
            found += [one.vehicle.plate or one.vehicle.model for one in page.items]
            if page.next is None:
                return found
            after = page.next
        raise AssertionError("the pages do not end")

    assert [walk(sort) for sort in VehicleSort] == [["沪A00013"]] * 3
    viewer = Principal(role=Role.MANAGER, via=Via.SESSION, name="x", user_id="M1")
    assert walk(VehicleSort.DUE) == ["ID.4", "苏A10002", "苏A00001", "沪A00013", "苏B00003"]
    assert walk(VehicleSort.DUE, model="golf") == ["苏A10002", "苏B00003"]
    assert walk(VehicleSort.DUE, model="gti") == ["苏B00003"]
    assert walk(VehicleSort.NEWEST, plate="a00") == ["沪A00013", "苏A00001"]
    assert walk(VehicleSort.NEWEST, plate="0013") == ["沪A00013"]
    assert walk(VehicleSort.NEWEST, due_to=date(2026, 6, 20)) == ["ID.4", "苏A10002"]
    assert walk(VehicleSort.NEWEST, customer_class="A") == ["ID.4", "苏B00003", "苏A00001"]


def test_a_file_holds_what_the_list_shows(office_on_each: Office) -> None:
    ids = _plant(office_on_each)
    viewer = Principal(role=Role.AGENT, via=Via.SESSION, name="x", user_id=ids["me"])

    def rows(**wanted: str) -> list[Any]:
        exports.check_filter(ExportKind.VEHICLES, wanted)
        now = office_on_each.clock.now()
        page = office_on_each.database.read_now(
            lambda c: exports.read_page(c, viewer, ExportKind.VEHICLES, wanted, None, now)
        )
        return [(row[1], row[7]) for row in page.rows]

    assert rows(model="途观") == [("沪A00013", date(2026, 8, 1)), ("苏A00001", date(2026, 7, 1))]
    assert rows(plate="苏", due_from="2026-06-01", due_to="2026-06-30") == [("苏A10002", date(2026, 6, 20))]
    assert [plate for plate, _due in rows(**{"class": "A"})] == [None, "苏A00001"]
    with pytest.raises(BadExportFilter):
        exports.check_filter(ExportKind.VEHICLES, {"due_to": "soon"})


async def test_the_page(office: Office) -> None:
    ids = _plant(office)
    agent = await office.signed_in("me")

    async def page(path: str) -> str:
        answer = await agent.get(path, headers={"Accept": "text/html"})
        text = unescape(await answer.text())
        assert answer.status == 200, text[-1500:]
        return text

    text = await page("/vehicles")
    assert f'href="/vehicles/{ids["苏A00001"]}"' in text
    assert "王小明" in text
    assert "苏B00003" not in text
    text = await page("/vehicles?plate=&model=途观&customer_class=&due_from=2026-07-02&due_to=&sort=due")
    assert "沪A00013" in text
    assert "苏A00001" not in text
    assert "没有符合条件的车辆" in await page("/vehicles?plate=苏Z")
    manager = await office.signed_in("manager")
    text = unescape(await (await manager.get("/vehicles?model=途观", headers={"Accept": "text/html"})).text())
    assert 'name="filter-model" value="途观"' in text


@pytest.mark.parametrize(
    ("typed", "part"),
    [("沪a·12o", "沪A120"), (" ａ１２ ", "A12"), ("沪", "沪"), ("%", None), ("", None), ("A" * 17, None)],
)
def test_parts_of_plates(typed: str, part: str | None) -> None:
    assert clean_plate_part(typed) == part
