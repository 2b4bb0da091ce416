"""Results of surveys over HTTP: figures, the rows behind them, the pages, and what is refused."""

from __future__ import annotations

import re
from typing import Any

import pytest
from fixtures_web import Office

from access.permissions import Role
from config.books.survey_seed import seed
from storage import customers

HAPPY: dict[str, Any] = {
    "overall": 5,
    "fixed": "fixed",
    "advisor": 5,
    "on_time": "late",
    "price": "clear",
    "recommend": 10,
    "improve": "等待区<b>太冷</b>",
}


@pytest.fixture
def owner(office: Office) -> str:
    def work(c: Any) -> str:
        seed(c, office.clock.now())
        return customers.add_customer(c, name="欧阳锋", now=office.clock.now()).id

    return office.database.write_now(work)


async def test_a_manager_reads_figures_and_opens_their_rows(office: Office, owner: str) -> None:
    manager = await office.signed_in(Role.MANAGER)
    begun = await (
        await manager.post("/api/v1/responses", {"questionnaire": "service_visit", "customer_id": owner})
    ).json()
    path = f"/api/v1/responses/{begun['id']}"
    for question, value in HAPPY.items():
        answer = await manager.post(f"{path}/answers", {"question": question, "value": value})
        assert answer.status == 200, await answer.text()
    assert (await manager.post(f"{path}/end", {"how": "finish"})).status == 200

    base = "/api/v1/questionnaires/service_visit/results"
    found = await (await manager.get(base)).json()
    assert (found["whole"]["begun"], found["whole"]["finished"], found["whole"]["response_rate"]) == (
        1,
        1,
        1.0,
    )
    assert found["weak"][0]["question"] == "on_time"
    assert found["weak"][0]["small"]
    rows = await (await manager.get(f"{base}/responses?question=on_time&answer=late")).json()
    assert [one["id"] for one in rows["items"]] == [begun["id"]]
    assert (await (await manager.get(f"{base}/responses?question=on_time&answer=in_time")).json())[
        "items"
    ] == []
    words = await (await manager.get(f"{base}/verbatims?search=太冷")).json()
    assert [one["text"] for one in words["items"]] == [HAPPY["improve"]]

    for by in ("month", "model", "advisor", "agent", "channel", "version"):
        page = await manager.get(f"/surveys/service_visit/results?by={by}&version=&channel=&search=太冷")
        text = await page.text()
        assert page.status == 200, text
        assert "&lt;b&gt;太冷" in text
        links = {
            one.replace("&amp;", "&") for one in re.findall(r'href="([^"]*results/responses[^"]*)"', text)
        }
        assert len(links) > 10
        for link in sorted(links)[:: 1 if by == "month" else 9]:
            assert (await manager.get(link)).status == 200, link


async def test_what_cannot_be_asked_is_refused(office: Office, owner: str) -> None:
    manager = await office.signed_in(Role.MANAGER)
    base = "/api/v1/questionnaires/service_visit/results"
    wrong = await manager.get(f"{base}?first=2026-05-01&last=2026-04-01")
    assert (wrong.status, (await wrong.json())["error_id"]) == (422, "bad-report")
    assert (await manager.get(f"{base}?first=1996-01-01&last=2199-12-31")).status == 422
    assert (await manager.get(f"{base}/responses?cursor=x")).status == 400
    assert (await manager.get("/api/v1/questionnaires/nothing/results")).status == 404
    assert (await manager.get("/surveys/nothing/results")).status == 404


async def test_results_are_not_for_agents(office: Office, owner: str) -> None:
    agent = await office.signed_in(Role.AGENT)
    assert (await agent.get("/api/v1/questionnaires/service_visit/results")).status == 403
    assert (await agent.get("/surveys/service_visit/results")).status == 403
