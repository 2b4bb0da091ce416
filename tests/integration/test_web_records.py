"""Records over HTTP: what the API takes, refuses and says, and that nothing masked leaves it (R38, S10)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from urllib.parse import quote

import pytest
from fixtures_web import Browser, Office

from access.audit import Action
from crm.options import RecordOptions
from storage import audit


async def call(browser: Browser, method: str, path: str, json: Any = None, status: int = 200) -> Any:
    """The answer's JSON; the status is checked."""
    answer = await browser.session.request(
        method, browser.base + path, json=json, headers={"X-CSRF-Token": browser.csrf}
    )
    body = await answer.json(content_type=None)
    assert answer.status == status, body
    return body


async def wang(browser: Browser) -> dict[str, Any]:
    """A customer with a number and a car."""
    customer: dict[str, Any] = await call(
        browser,
        "POST",
        "/api/v1/customers",
        {
            "name": "王小伟",
            "honorific": "mr",
            "numbers": [{"number": "138 1234 5678"}],
            "birthday": "1985-06-17",
        },
        201,
    )
    await call(
        browser,
        "POST",
        "/api/v1/vehicles",
        {"owner_id": customer["id"], "plate": "沪a·12345", "vin": "LFV2A21K8B3000001", "model": "Golf"},
        201,
    )
    return customer


async def test_a_record_from_end_to_end(office: Office) -> None:
    agent = await office.signed_in("agent")
    customer = await wang(agent)
    path = f"/api/v1/customers/{customer['id']}"
    person = await call(agent, "GET", path)
    assert (person["age"], person["numbers"][0]["text"], person["numbers"][0]["number"]) == (
        40,
        "138****5678",
        None,
    )
    car = person["vehicles"][0]["vehicle"]
    assert (car["plate"], person["vehicles"][0]["roles"]) == ("沪A12345", ["owner"])
    assert {"vehicle.mileage", "address"} <= {one["field"] for one in person["missing"]}
    version = person["customer"]["version"]
    changed = await call(agent, "PATCH", path, {"version": version, "address": "上海市静安区"})
    assert (changed["customer"]["address"], changed["customer"]["birthday"]) == ("上海市静安区", "1985-06-17")
    visit = await call(
        agent,
        "POST",
        f"/api/v1/vehicles/{car['id']}/visits",
        {"visited_on": "2026-06-01", "mileage": 12000, "kind": "first", "next_due_on": "2026-12-01"},
        201,
    )
    await call(agent, "PATCH", f"/api/v1/visits/{visit['id']}", {"version": 1, "mileage": 12500})
    bought = await call(
        agent,
        "POST",
        f"{path}/purchases",
        {
            "bought_on": "2025-12-01",
            "model": "Golf",
            "price_cents": 15_000_000,
            "payment": "loan",
            "vehicle_id": car["id"],
        },
        201,
    )
    view = await call(agent, "GET", f"/api/v1/vehicles/{car['id']}")
    assert (view["vehicle"]["mileage"], view["vehicle"]["next_due_on"]) == (12500, "2026-12-01")
    assert [one["name"] for one in view["people"]] == ["王小伟"]
    story = await call(agent, "GET", f"{path}/timeline?kinds=visit,purchase")
    assert [item["kind"] for item in story["items"]] == ["visit", "purchase"]
    await call(agent, "POST", f"/api/v1/purchases/{bought['id']}/remove", {"version": 1})
    await call(agent, "POST", f"/api/v1/visits/{visit['id']}/remove", {"version": 2})
    person = await call(agent, "POST", f"{path}/numbers", {"number": "021-62345678", "label": "home"})
    assert [one["label"] for one in person["numbers"]] == ["mobile", "home"]
    person = await call(agent, "POST", f"{path}/numbers/1/end")
    assert [one["label"] for one in person["numbers"]] == ["mobile"]
    await call(agent, "POST", f"{path}/numbers/1/end", None, 404)
    entries = office.database.read_now(lambda c: audit.list_entries(c, subject=f"customer:{customer['id']}"))
    assert Action.RECORD_CHANGED in {entry.action for entry in entries}


async def test_the_second_editor_gets_409_with_what_changed(office: Office) -> None:
    agent, supervisor = await office.signed_in("agent"), await office.signed_in("supervisor")
    customer = await wang(agent)
    path = f"/api/v1/customers/{customer['id']}"
    first = {"version": customer["version"], "address": "北京", "note": "也可打 13900001111"}
    await call(supervisor, "PATCH", path, first)
    refused = await call(agent, "PATCH", path, {"version": customer["version"], "address": "上海"}, 409)
    assert (refused["error_id"], refused["holder"]) == ("record-changed", "supervisor")
    assert refused["theirs"]["address"] == "北京"
    assert "13900001111" not in str(refused)
    kept = await call(supervisor, "GET", path)
    assert kept["customer"]["address"] == "北京"
    assert refused["version"] == kept["customer"]["version"]


@pytest.mark.parametrize(
    ("change", "status", "error_id", "field"),
    [
        ({"birthday": "2030-01-01"}, 422, "bad-record", "birthday"),
        ({"key_account": True}, 403, "field-locked", None),
        ({"customer_class": "A"}, 403, "field-locked", None),
        ({"custom": {"nothing": "x"}}, 422, "bad-record", "nothing"),
        ({"address": "a\x00b"}, 422, "bad-values", "address"),
        ({"id": "x"}, 422, "bad-values", "id"),
        ({"name": ""}, 422, "bad-values", "name"),
        ({"own_agent_id": "NOBODY"}, 403, "field-locked", None),
    ],
)
async def test_what_cannot_be_is_refused_beside_its_field(
    office: Office, change: dict[str, Any], status: int, error_id: str, field: str | None
) -> None:
    agent = await office.signed_in("agent")
    customer = await wang(agent)
    path = f"/api/v1/customers/{customer['id']}"
    refused = await call(agent, "PATCH", path, {"version": customer["version"], **change}, status)
    assert refused["error_id"] == error_id
    assert [one["field"] for one in refused.get("errors") or [{"field": None}]] == [field]
    assert (await call(agent, "GET", path))["customer"]["version"] == customer["version"]


async def test_search_over_http_is_literal_and_says_why(office: Office) -> None:
    agent = await office.signed_in("agent")
    await wang(agent)

    async def found(text: str) -> list[list[str]]:
        answer = await agent.get("/api/v1/search", params={"q": text})
        assert answer.status == 200, await answer.text()
        return [[one["why"] for one in item["why"]] for item in (await answer.json())["items"]]

    assert await found("小伟") == [["name"]]
    assert await found("wxw") == [["initials"]]
    assert await found("沪A123") == [["plate"]]
    assert await found("5678") == [["phone_tail"]]
    for text in ("%", "_", "'", "\\", "x" * 4_000, "", "1;drop table customers"):
        assert await found(text) == []
    assert (await agent.get("/api/v1/search", params={"q": "\x00"})).status == 400
    assert (await agent.get("/api/v1/search", params={"q": "x" * 10_000})).status == 400  # longer than a line
    for page in ("limit=-1", "limit=1e9", "limit=1;drop", "sort=(select)", "page=-1"):
        assert (await agent.get(f"/api/v1/search?q=a&{page}")).status == 400
    for cursor in ("'; --", "%", "x" * 200):
        answer = await agent.get("/api/v1/customers", params={"cursor": cursor})
        assert answer.status == 200


async def test_whole_numbers_cannot_be_tried_out(office: Office) -> None:
    """Who sees masked numbers may look for thirty whole ones a minute; who sees all of them for as many as he likes."""
    agent, supervisor = await office.signed_in("agent"), await office.signed_in("supervisor")
    for n in range(31):
        text = f"/api/v1/search?q=1381234{n:04d}"
        answer = await agent.get(text)
        assert answer.status == (200 if n < 30 else 429), n
        assert (await supervisor.get(text)).status == 200
    assert int(answer.headers["Retry-After"]) <= 61
    assert (await agent.get("/api/v1/search?q=5678")).status == 200
    office.clock.advance(timedelta(minutes=2).total_seconds())
    assert (await agent.get("/api/v1/search?q=13812340001")).status == 200


async def test_the_house_defines_fields_and_classes(office: Office) -> None:
    admin, manager, agent = [await office.signed_in(role) for role in ("admin", "manager", "agent")]
    field = {
        "subject": "customer",
        "key": "club",
        "label_zh": "会员",
        "label_en": "Club",
        "kind": "choice",
        "choices": ["金", "银"],
        "hidden_from": ["agent"],
    }
    made = await call(admin, "POST", "/api/v1/fields", field, 201)
    assert (await call(admin, "POST", "/api/v1/fields", field, 409))["error_id"] == "field-taken"
    assert (await call(agent, "GET", "/api/v1/fields"))["items"] == []
    await call(agent, "POST", "/api/v1/fields", field, 403)
    path = f"/api/v1/fields/{made['id']}"
    await call(manager, "PATCH", path, {"version": 1, "hidden_from": [], "locked_for": ["agent"]})
    await call(manager, "PATCH", path, {"version": 1, "required": True}, 409)
    customer = await wang(agent)
    here = f"/api/v1/customers/{customer['id']}"
    set_it = {"version": customer["version"], "custom": {"club": "金"}}
    await call(agent, "PATCH", here, set_it, 403)
    person = await call(manager, "PATCH", here, set_it)
    assert [(one["key"], one["value"]) for one in person["fields"]] == [("club", "金")]
    rules = await call(agent, "GET", "/api/v1/classes")
    plan = {"service": "专属顾问", "visit_every_days": 14}
    changed = await call(
        manager, "PATCH", "/api/v1/classes", {"version": rules["version"], "plans": {"A": plan}}
    )
    assert (changed["version"], changed["plans"]["A"]) == (1, plan)
    person = await call(
        manager, "PATCH", here, {"version": person["customer"]["version"], "customer_class": "A"}
    )
    assert person["plan"] == plan
    assert (await call(manager, "POST", f"{here}/classify"))["customer_class"] == "D"
    for path in ("/api/v1/search?q=a", "/api/v1/customers", here, f"{here}/timeline"):
        await call(admin, "GET", path, None, 403)  # who runs the installation needs no customer for it


#: What is typed, and how many whole numbers are in it.
TRIED = {
    "138{place:04d}5678": 1,
    "138 {place:04d} 5678": 1,
    "王 138{place:04d}5678": 1,
    "王 138-{place:04d}-5678": 1,
    "王 138\u200b{place:04d}5678": 1,
    "138{place:04d}5678 wang 139{place:04d}5678": 2,
}


async def test_who_sees_masks_tries_few_whole_numbers_a_minute_however_they_are_typed(
    office_on_each: Office,
) -> None:
    agent = await office_on_each.signed_in("agent")
    await wang(agent)
    most = RecordOptions().masked_searches_per_minute
    for text, tried in TRIED.items():
        asked = most // tried + 1
        said = [
            (await agent.get("/api/v1/search?q=" + quote(text.format(place=place)))).status
            for place in range(asked)
        ]
        assert said == [200] * (asked - 1) + [429], text
        assert (await agent.get("/api/v1/search?q=" + quote("王 5678"))).status == 200, "only a tail"
        office_on_each.clock.advance(61)
