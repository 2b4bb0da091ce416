"""S08 and S09: every route with every role, other sites' pages, and numbers masked everywhere."""

from __future__ import annotations

import json
from typing import Any

import pytest
from fixtures_web import Office

from access.permissions import GRANTS, Permission, Role
from storage import calls as call_rows
from telephony.agents import AgentState
from telephony.calls import CallId, CallState
from telephony.facts import Fact, FactKind, Source
from web.app import ROUTES, make_app
from web.routes import Route

NOBODY_ID = "01ARZ3NDEKTSV4RRFFQ69G5FAV"
#: What may be asked without signing in, and nothing else.
PUBLIC = {
    ("GET", "/"),
    ("GET", "/login"),
    ("POST", "/login"),
    ("GET", "/healthz"),
    ("GET", "/readyz"),
    ("GET", "/metrics"),
    ("GET", "/static/{name}"),
    ("GET", "/api/v1/openapi.json"),
}
GUARDED = [route for route in ROUTES if route.needs is not None]


def path_of(route: Route) -> str:
    path = route.path
    for name in ("call_id", "agent_id", "task_id", "user_id", "token_id"):
        path = path.replace(f"{{{name}}}", NOBODY_ID)
    return path


async def error_id(answer: Any) -> str:
    text = await answer.text() if answer.content_type == "application/problem+json" else "{}"
    return str(json.loads(text).get("error_id", ""))


def test_s09_what_is_public_is_on_a_list() -> None:
    assert {(route.method, route.path) for route in ROUTES if route.public is not None} == PUBLIC


async def test_s09_the_application_has_no_route_outside_the_table(office: Office) -> None:
    app = make_app(office.services)
    served = {
        (route.method, route.resource.canonical)
        for route in app.router.routes()
        if route.resource is not None and route.method != "HEAD"
    }
    assert served == {(route.method, route.path) for route in ROUTES}


async def test_s09_every_route_asks_who_it_is(office: Office) -> None:
    """S09: nobody and wrong tokens get 401 from every guarded route."""
    stranger = office.program("cl_no-such-token")
    nobody = office.browser()
    for route in GUARDED:
        asked = await nobody.session.request(
            route.method, office.base + path_of(route), allow_redirects=False
        )
        assert asked.status == 401, route.path
        assert await error_id(asked) == "not-signed-in"
        wrong = await stranger.request(route.method, path_of(route), allow_redirects=False)
        assert (wrong.status, await error_id(wrong)) == (401, "token-refused"), route.path


@pytest.mark.parametrize("role", list(Role))
async def test_s09_every_route_keeps_every_role_to_its_rights(office: Office, role: Role) -> None:
    """S09: the sweep, by session and by token, made from the table of routes and the table of rights."""
    browser = await office.signed_in(role.value)
    program = office.program(office.add_token(role))
    for route in GUARDED:
        if route.path in ("/logout", "/api/v1/live"):
            continue
        assert route.needs is not None
        allowed = route.needs in GRANTS[role]
        headers = {"X-CSRF-Token": browser.csrf}
        by_session = await browser.session.request(
            route.method, office.base + path_of(route), headers=headers, allow_redirects=False
        )
        by_token = await program.request(route.method, path_of(route), allow_redirects=False)
        for answer in (by_session, by_token):
            found = await error_id(answer)
            where = f"{role} {route.method} {route.path}: {answer.status} {found}"
            assert answer.status < 500, where
            if allowed:
                assert answer.status != 401, where
                # acting for another agent is refused to an agent; everything else must pass the gate
                assert found != "not-allowed" or "{agent_id}" in route.path, where
            else:
                assert (answer.status, found) == (403, "not-allowed"), where


@pytest.mark.parametrize("role", [role for role in Role if Permission.LIVE_READ not in GRANTS[role]])
async def test_s09_the_stream_is_kept_from_roles_without_it(office: Office, role: Role) -> None:
    browser = await office.signed_in(role.value)
    assert (await browser.get("/api/v1/live")).status == 403


async def test_s09_an_agent_sees_own_and_untaken_calls_only(office_on_each: Office) -> None:
    office = office_on_each
    agent, other = office.users["agent"], office.add_user("agent2", Role.AGENT)
    own = office.add_call(agent_id=agent.id)
    foreign = office.add_call(agent_id=other.id)
    waiting = office.add_call(state=CallState.QUEUED)
    unserved = office.add_call()
    browser = await office.signed_in("agent")
    seen = {item["id"] for item in (await (await browser.get("/api/v1/calls")).json())["items"]}
    assert seen == {own.id, waiting.id}
    for call, status in ((own, 200), (waiting, 200), (foreign, 404), (unserved, 404)):
        assert (await browser.get(f"/api/v1/calls/{call.id}")).status == status
    supervisor = await office.signed_in("supervisor")
    assert len((await (await supervisor.get("/api/v1/calls")).json())["items"]) == 4


async def test_s09_an_agent_acts_for_himself_only(office: Office) -> None:
    agent, other = office.users["agent"], office.add_user("agent2", Role.AGENT)
    browser = await office.signed_in("agent")
    mine = await browser.post("/api/v1/agents/me/sign-in")
    assert (mine.status, (await mine.json())["id"]) == (200, agent.id)
    refused = await browser.post(f"/api/v1/agents/{other.id}/sign-in")
    assert (refused.status, await error_id(refused)) == (403, "not-allowed")
    assert (await browser.post("/api/v1/calls/X1/hold", {"agent_id": other.id})).status == 403
    supervisor = await office.signed_in("supervisor")
    assert (await supervisor.post(f"/api/v1/agents/{other.id}/sign-in")).status == 200
    assert office.desk.states[other.id].state is AgentState.READY


async def test_s08_another_sites_page_gets_nothing(office: Office) -> None:
    """S08: foreign Origin, cross-site fetches and missing tokens, on changes and on the stream."""
    browser = await office.signed_in("supervisor")
    evil = {"Origin": "http://127.0.0.1:1"}
    for headers in (evil, {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "cors"}, {"Origin": "null"}):
        answer = await browser.post("/api/v1/calls", {"number": "13800000000"}, headers=headers)
        assert (answer.status, await error_id(answer)) == (403, "foreign-origin")
        stream = await browser.get("/api/v1/live", headers=headers)
        assert (stream.status, await error_id(stream)) == (403, "foreign-origin")
    own = await browser.post("/api/v1/calls", {"number": "13800000000"}, headers={"Origin": office.base})
    assert own.status == 202
    browser.csrf = ""
    answer = await browser.post("/api/v1/calls", {"number": "13800000000"})
    assert (answer.status, await error_id(answer)) == (403, "csrf-refused")
    assert len(office.desk.dialed) == 1


async def test_s08_every_change_by_a_browser_needs_the_sessions_token(office: Office) -> None:
    for role in Role:
        browser = await office.signed_in(role.value)
        for route in GUARDED:
            if route.method == "GET" or route.needs not in GRANTS[role]:
                continue
            data = {"data": {}} if route.json is None else {"json": {}}
            answer = await browser.session.request(
                route.method, office.base + path_of(route), allow_redirects=False, **data
            )
            assert (answer.status, await error_id(answer)) == (403, "csrf-refused"), route.path


async def test_s08_a_form_from_another_page_cannot_sign_anybody_in(office: Office) -> None:
    browser = office.browser()
    form = {"login": "agent", "password": "korrekt-pferd-7", "csrf": "guessed"}
    answer = await browser.session.post(f"{office.base}/login", data=form, allow_redirects=False)
    assert answer.status == 403
    answer = await browser.session.post(
        f"{office.base}/login", data=form, headers={"Origin": "https://evil.example"}, allow_redirects=False
    )
    assert answer.status == 403


async def test_s09_numbers_are_masked_by_role_wherever_they_go_out(office_on_each: Office) -> None:
    """S09, S17: list, detail, facts, page and stream hold no full number for those who may not see it."""
    office = office_on_each
    call = office.add_call(state=CallState.QUEUED, keys="ask=13812345678 tail=5678")
    fact = Fact(
        source=Source.AGI,
        key="1",
        kind=FactKind.CALLBACK_ASKED,
        at=office.clock.now(),
        linkedid=call.linkedid,
        uniqueid="1.1",
        data={"number": "+8613812345678", "endpoint": "pabcdefgh", "more": {"caller": ["13812345678"]}},
    )
    office.database.write_now(lambda connection: call_rows.add_facts(connection, [(CallId(call.id), fact)]))
    for role in Role:
        if Permission.CALLS_READ not in GRANTS[role]:
            continue
        browser = await office.signed_in(role.value)
        start = office.live.last_id
        office.live.call_changed(call)
        stream = await browser.get(f"/api/v1/live?last_event_id={start}")
        event = b""
        while b"data: {" not in event or not event.endswith(b"\n\n"):
            event += await stream.content.readany()
        stream.close()
        shown = [
            await (await browser.get("/api/v1/calls")).text(),
            await (await browser.get(f"/api/v1/calls/{call.id}")).text(),
            await (await browser.get("/calls", headers={"Accept": "text/html"})).text(),
            event.decode(),
        ]
        for text in shown:
            assert call.id in text
            assert ("13812345678" in text) == (Permission.NUMBERS_FULL in GRANTS[role]), (role, text[:200])
            assert "pabcdefgh" not in text


async def test_s09_searching_does_not_unmask(office: Office) -> None:
    office.add_call(state=CallState.QUEUED)
    browser = await office.signed_in("agent")
    for part in ("138", "5678", "1381234", "+861381234567_", "138%"):
        found = await (await browser.get("/api/v1/calls", params={"search": part})).json()
        assert found["items"] == [], part
    found = await (await browser.get("/api/v1/calls", params={"search": "138 1234 5678"})).json()
    assert [item["number"] for item in found["items"]] == ["138****5678"]
