"""S08 and S09: every route with every role and with others' objects, other sites' pages, and masks everywhere.

The sweeps are made from the route table; what they cannot know of a route stands in tests/sweep_objects.py, and a
route that says too little fails here with the line to write there.
"""

from __future__ import annotations

import io
import json
import re
import zipfile
from typing import Any

import pytest
from aiohttp import ClientResponse
from fixtures_web import Browser, Office
from sweep_objects import (
    NAME,
    NOT_SWEPT,
    NUMBER_WRITTEN,
    OBJECTS,
    body_for,
    customer,
    declared,
)

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
    ("GET", "/login/code"),
    ("POST", "/login/code"),
    ("GET", "/healthz"),
    ("GET", "/readyz"),
    ("GET", "/metrics"),
    ("GET", "/static/{name}"),
    ("GET", "/api/v1/openapi.json"),
    ("GET", "/l/appointment/{token}"),
    ("POST", "/l/appointment/{token}"),
    ("GET", "/l/case/{token}"),
    ("POST", "/l/case/{token}"),
    ("GET", "/l/report/{token}"),
    ("POST", "/l/report/{token}"),
    ("GET", "/l/problems/{token}"),
    ("POST", "/l/problems/{token}"),
    ("GET", "/l/survey/{token}"),
    ("POST", "/l/survey/{token}"),
}
GUARDED = [route for route in ROUTES if route.needs is not None]


SWEPT = [route for route in GUARDED if f"{route.method} {route.path}" not in NOT_SWEPT]
#: Answers that keep an object from somebody; 409 names who has it (R28).
REFUSED = {403, 404, 409}


def said(route: Route) -> str:
    return f"{route.method} {route.path}"


def path_of(route: Route, **ids: str) -> str:
    return re.sub(r"{(\w+)}", lambda name: ids.get(name[1], NOBODY_ID), route.path)


async def ask(
    browser: Browser, route: Route, path: str, body: dict[str, Any]
) -> tuple[int, str, ClientResponse]:
    """Status, error_id and answer of a request as the browser's page would send it; streams are not read."""
    headers = {"X-CSRF-Token": browser.csrf}
    more: dict[str, Any] = {}
    if route.method != "GET":
        more = {"json": body} if route.json is not None else {"data": {**body, "csrf": browser.csrf}}
    answer = await browser.session.request(
        route.method, browser.base + path, headers=headers, allow_redirects=False, **more
    )
    found = await error_id(answer)
    if answer.content_type == "text/event-stream":
        answer.close()
    return answer.status, found, answer


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
    for route in SWEPT:
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
    for route in SWEPT:
        assert route.needs is not None
        allowed = route.needs in GRANTS[role]
        by_session, found, _ = await ask(browser, route, path_of(route), {})
        by_token = await program.request(route.method, path_of(route), allow_redirects=False)
        answers = [(by_session, found), (by_token.status, await error_id(by_token))]
        by_token.close()
        for status, found in answers:
            where = f"{role} {said(route)}: {status} {found}"
            assert status < 500, where
            if allowed:
                assert status != 401, where
                # acting for another agent is refused to an agent, some things to programs; else the gate is passed
                refused = found == "not-allowed" and "{agent_id}" not in route.path
                assert not refused or (status, found) != answers[0], where
            else:
                assert (status, found) == (403, "not-allowed"), where


def test_s09_every_parameter_of_a_path_says_whose_objects_it_names() -> None:
    """A new route with a new kind of object says who may not reach it, or why everybody with the right may."""
    missing = [
        f'OBJECTS["{name}"] for {said(route)}'
        for route in GUARDED
        for name in route.parameters
        if declared(route.method, route.path, name) is None
    ]
    assert not missing, "declare in tests/sweep_objects.py (its docstring says how): " + "; ".join(missing)
    known = {name for route in GUARDED for name in (*route.parameters, said(route))}
    assert not set(OBJECTS) - known, "tests/sweep_objects.py declares what no route has"
    assert not set(NOT_SWEPT) - known, "tests/sweep_objects.py leaves out what is not there"


def test_s09_who_shows_a_customer_or_hands_out_a_file_says_so() -> None:
    """Every view and everything that leaves the house is an audit row, by declaration (feature 191)."""
    shows = [
        said(route)
        for route in GUARDED
        if "customer_id" in route.parameters
        and route.method == "GET"
        and route.views != "customer"
        and route.leaves is None
    ]
    assert not shows, f'add views="customer" (or leaves=Action.…) to the Route of: {", ".join(shows)}'
    known = ("application/json", "text/html", "text/event-stream", "text/plain")
    leaves = [
        said(route)
        for route in GUARDED
        if route.media not in known and route.leaves is None and not route.writes_down
    ]
    assert not leaves, (
        f"add leaves=Action.EXPORTED (or RECORDING_PLAYED) to the Route of: {', '.join(leaves)}"
    )


OWNED = [
    (route, name, role)
    for route in SWEPT
    for name in route.parameters
    for role in sorted(getattr(declared(route.method, route.path, name), "hidden_from", ()))
    if route.needs in GRANTS[role]
]


@pytest.mark.parametrize("role", sorted({role for _route, _name, role in OWNED}))
async def test_s09_every_route_keeps_others_objects_from_every_role(office: Office, role: Role) -> None:
    """S09: ids of things that are there and somebody else's, on every route that names one."""
    browser = await office.signed_in(role.value)
    for route, name, whom in OWNED:
        if whom is not role:
            continue
        what = declared(route.method, route.path, name)
        assert what is not None
        assert what.foreign is not None
        others = {}
        for other in route.parameters:
            known = declared(route.method, route.path, other)
            make = (known.foreign if other == name else known.seen or known.foreign) if known else None
            if make is not None:
                others[other] = make(office)
        body = body_for(route.method, route.path, route.body)
        status, found, _ = await ask(browser, route, path_of(route, **others), body)
        hint = f" (its body was not taken: declare BODIES[{said(route)!r}] in tests/sweep_objects.py)"
        where = f"{role} reached another's {name} by {said(route)}: {status} {found}"
        assert status in REFUSED, where + (hint if status in (400, 415, 422) else "")


async def text_of(answer: ClientResponse) -> str:
    """What an answer says, packed files (xlsx, zip) unpacked."""
    body = await answer.read()
    if body[:2] != b"PK":
        return body.decode("utf-8", "replace")
    with zipfile.ZipFile(io.BytesIO(body)) as packed:
        return "\n".join(packed.read(name).decode("utf-8", "replace") for name in packed.namelist())


@pytest.mark.parametrize(
    "role",
    [role for role in Role if not {Permission.NUMBERS_FULL, Permission.NAMES_FULL} <= GRANTS[role]],
)
async def test_s09_no_answer_shows_a_role_what_is_masked_for_it(office: Office, role: Role) -> None:
    """S09, S17, feature 188: every GET route, lists and files included, with a planted number and name."""
    customer(office)
    ids = {}
    for name, what in OBJECTS.items():
        make = what.seen or what.foreign
        if make is not None and " " not in name:
            ids[name] = make(office)
    browser = await office.signed_in(role.value)
    for route in SWEPT:
        if route.method != "GET" or route.needs not in GRANTS[role] or route.media == "text/event-stream":
            continue
        here = {
            name: special.seen(office)
            for name in route.parameters
            if (special := OBJECTS.get(said(route))) is not None and special.seen is not None
        }
        accept = {"Accept": "text/html"} if route.media == "text/html" else {}
        answer = await browser.get(path_of(route, **{**ids, **here}), headers=accept)
        text = await text_of(answer)
        if Permission.NUMBERS_FULL not in GRANTS[role]:
            leaked = [number for number in NUMBER_WRITTEN if number in text]
            assert not leaked, (
                f"{role} reads the whole number {leaked} by {said(route)}: mask it in the data layer"
            )
        if Permission.NAMES_FULL not in GRANTS[role]:
            assert NAME not in text, (
                f"{role} reads the customer's name by {said(route)}: mask it in the data layer"
            )


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
        for route in SWEPT:
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
        while call.id.encode() not in event or not event.endswith(b"\n\n"):
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
