"""S07: guessing, probing, fixation, theft, logout, password change, and users disabled with open pages."""

from __future__ import annotations

import asyncio
import re

from fixtures_web import PASSWORD, Office, OfficeMaker, until
from waiting import SLACK

from access.permissions import Role
from storage import audit, users
from web import live


async def test_s07_signing_in_gives_a_cookie_no_script_can_read(office: Office) -> None:
    browser = office.browser()
    answer = await browser.sign_in("agent")
    assert answer.status == 303
    assert answer.headers["Location"] == "/"
    cookies = [line for line in answer.headers.getall("Set-Cookie") if line.startswith("careline=")]
    assert len(cookies) == 1
    assert "HttpOnly" in cookies[0]
    assert "SameSite=Lax" in cookies[0]
    assert "Path=/" in cookies[0]


async def test_s07_behind_https_the_cookie_is_secure_and_bound_to_the_host(make_office: OfficeMaker) -> None:
    office = await make_office(public_url="https://crm.example.cn")
    office.add_user("agent", Role.AGENT)
    browser = office.browser()
    page = await browser.get("/login")
    form = re.search(r'name="csrf" value="([^"]+)"', await page.text())
    cookie = re.search(r"careline_form=([^;]+); .*", page.headers["Set-Cookie"])
    assert form is not None
    assert cookie is not None
    assert "Secure" in page.headers["Set-Cookie"]
    answer = await browser.session.post(
        f"{office.base}/login",
        data={"login": "agent", "password": PASSWORD, "csrf": form[1]},
        headers={"Cookie": f"careline_form={cookie[1]}"},
        allow_redirects=False,
    )
    assert answer.status == 303
    session = next(line for line in answer.headers.getall("Set-Cookie") if "careline=" in line)
    assert session.startswith("__Host-careline=")
    assert "Secure" in session
    assert "Strict-Transport-Security" in answer.headers


async def test_s07_wrong_password_unknown_login_and_disabled_user_read_the_same(office: Office) -> None:
    gone = office.add_user("gone", Role.AGENT)
    office.database.write_now(
        lambda connection: users.disable_user(connection, gone.id, now=office.clock.now())
    )
    seen = set()
    for login, password in (("agent", "wrong-password"), ("nobody", PASSWORD), ("gone", PASSWORD)):
        answer = await office.browser().sign_in(login, password)
        text = re.sub(r'value="[^"]*"', "", await answer.text())
        seen.add((answer.status, text))
    assert len(seen) == 1
    assert next(iter(seen))[0] == 401


async def test_s07_guessing_is_slowed_per_login_and_address(make_office: OfficeMaker) -> None:
    office = await make_office(login_tries=3)
    office.add_user("agent", Role.AGENT)
    office.add_user("other", Role.AGENT)
    statuses = [(await office.browser().sign_in("agent", f"wrong-{i}")).status for i in range(4)]
    assert statuses == [401, 401, 401, 429]
    refused = await office.browser().sign_in("agent", PASSWORD)
    assert refused.status == 429
    assert int(refused.headers["Retry-After"]) > 0
    assert (await office.browser().sign_in("other")).status == 303
    office.clock.advance(16 * 60)
    assert (await office.browser().sign_in("agent")).status == 303


async def test_s07_parallel_guesses_do_not_slip_through(make_office: OfficeMaker) -> None:
    office = await make_office(login_tries=3)
    office.add_user("agent", Role.AGENT)
    answers = await asyncio.gather(*(office.browser().sign_in("agent", f"wrong-{i}") for i in range(12)))
    assert sum(answer.status == 401 for answer in answers) <= 3


async def test_s07_a_planted_cookie_is_not_taken_over(office: Office) -> None:
    browser = office.browser()
    browser.session.cookie_jar.update_cookies({"careline": "planted-by-somebody"})
    answer = await browser.sign_in("agent")
    given = next(line for line in answer.headers.getall("Set-Cookie") if line.startswith("careline="))
    assert "planted-by-somebody" not in given
    again = await browser.sign_in("agent")
    assert given not in again.headers.getall("Set-Cookie")


async def test_s07_signing_in_again_ends_the_old_session(office: Office) -> None:
    browser = await office.signed_in("agent")
    old = {cookie.key: cookie.value for cookie in browser.session.cookie_jar}["careline"]
    page = await office.browser().get("/login")
    form = re.search(r'name="csrf" value="([^"]+)"', await page.text())
    cookie = re.search(r"careline_form=([^;]+)", page.headers["Set-Cookie"])
    assert form is not None
    assert cookie is not None
    second = office.browser()
    answer = await second.session.post(
        f"{office.base}/login",
        data={"login": "agent", "password": PASSWORD, "csrf": form[1]},
        headers={"Cookie": f"careline={old}; careline_form={cookie[1]}"},
        allow_redirects=False,
    )
    assert answer.status == 303
    assert (await browser.get("/api/v1/me")).status == 401


async def test_s07_a_cookie_from_another_address_counts_nothing_and_is_noted(
    make_office: OfficeMaker,
) -> None:
    office = await make_office(trusted_proxies=["127.0.0.1"])
    office.add_user("agent", Role.AGENT)
    browser = await office.signed_in("agent")
    office.clock.advance(1)
    stolen = await browser.get("/api/v1/me", headers={"X-Forwarded-For": "192.0.2.9"})
    assert stolen.status == 401
    assert (await browser.get("/api/v1/me")).status == 401
    entries = office.database.read_now(lambda connection: audit.list_entries(connection))
    assert next((entry.action, entry.address) for entry in entries) == ("session_moved", "192.0.2.9")


async def test_s07_forwarded_addresses_of_strangers_are_not_believed(office: Office) -> None:
    browser = await office.signed_in("agent")
    answer = await browser.get("/api/v1/me", headers={"X-Forwarded-For": "192.0.2.9"})
    assert answer.status == 200


async def test_s07_signing_out_ends_the_session_on_the_server(office: Office) -> None:
    browser = await office.signed_in("agent")
    secret = {cookie.key: cookie.value for cookie in browser.session.cookie_jar}["careline"]
    answer = await browser.post("/logout", data={"csrf": browser.csrf})
    assert answer.status == 303
    copy = office.browser()
    assert (await copy.get("/api/v1/me", headers={"Cookie": f"careline={secret}"})).status == 401


async def test_s07_a_new_password_ends_every_other_session(office: Office) -> None:
    here, there = await office.signed_in("agent"), await office.signed_in("agent")
    answer = await here.post("/api/v1/me/password", {"current": PASSWORD, "password": "ganz-neues-wort-1"})
    assert answer.status == 200, await answer.text()
    assert (await here.get("/api/v1/me")).status == 200
    assert (await there.get("/api/v1/me")).status == 401
    assert (await office.browser().sign_in("agent")).status == 401
    assert (await office.browser().sign_in("agent", "ganz-neues-wort-1")).status == 303


async def test_s07_the_current_password_is_asked_and_guessing_it_is_limited(make_office: OfficeMaker) -> None:
    office = await make_office(login_tries=3)
    office.add_user("agent", Role.AGENT)
    browser = await office.signed_in("agent")
    body = {"current": "not-the-one", "password": "ganz-neues-wort-1"}
    statuses = [(await browser.post("/api/v1/me/password", body)).status for _ in range(4)]
    assert statuses == [422, 422, 422, 429]


async def test_s07_idle_and_old_sessions_end(make_office: OfficeMaker) -> None:
    office = await make_office(session_idle_minutes=60, session_longest_hours=2)
    office.add_user("agent", Role.AGENT)
    idle = await office.signed_in("agent")
    office.clock.advance(59 * 60)
    assert (await idle.get("/api/v1/me")).status == 200
    office.clock.advance(59 * 60)
    assert (await idle.get("/api/v1/me")).status == 200  # use keeps it alive
    office.clock.advance(3 * 60)
    assert (await idle.get("/api/v1/me")).status == 401  # but not for ever
    other = await office.signed_in("agent")
    office.clock.advance(61 * 60)
    assert (await other.get("/api/v1/me")).status == 401


async def test_an_open_desk_counts_as_use_but_not_longer_than_a_session_may_last(
    make_office: OfficeMaker,
) -> None:
    """An agent who listens for an hour must not lose his page: it answers its stream, and that is use."""
    office = await make_office(session_idle_minutes=60, session_longest_hours=3)
    office.add_user("agent", Role.AGENT)
    page = await office.signed_in("agent")
    for _ in range(3):
        office.clock.advance(55 * 60)
        assert (await page.post("/api/v1/desk/here", {"page": "0" * 16})).status == 200
    office.clock.advance(16 * 60)
    assert (await page.post("/api/v1/desk/here", {"page": "0" * 16})).status == 401


async def test_s07_a_disabled_user_is_out_at_once_and_his_stream_closes(office: Office) -> None:
    browser = await office.signed_in("agent")
    admin = await office.signed_in("admin")
    stream = await browser.get("/api/v1/live")
    assert stream.status == 200
    await until(lambda: office.live.clients == 1)
    agent = office.users["agent"]
    answer = await admin.post(f"/api/v1/users/{agent.id}/disable")
    assert answer.status == 200
    assert (await browser.get("/api/v1/me")).status == 401
    await until(lambda: office.live.clients == 0, seconds=5 + SLACK)


async def test_s07_a_revoked_token_is_out_at_once_and_its_stream_closes(office: Office) -> None:
    admin = await office.signed_in("admin")
    made = await (await admin.post("/api/v1/tokens", {"name": "board", "role": "supervisor"})).json()
    program = office.program(made["secret"])
    stream = await program.get("/api/v1/live")
    assert stream.status == 200
    assert (await admin.post(f"/api/v1/tokens/{made['token']['id']}/revoke")).status == 200
    refused = await program.get("/api/v1/calls")
    assert refused.status == 401
    assert refused.headers["WWW-Authenticate"].startswith("Bearer")
    await until(lambda: office.live.clients == 0, seconds=live.SWEEP_SECONDS * 2 + SLACK)


async def test_s07_another_role_ends_the_sessions_of_the_old_one(office: Office) -> None:
    browser, admin = await office.signed_in("supervisor"), await office.signed_in("admin")
    path = f"/api/v1/users/{office.users['supervisor'].id}"
    answer = await admin.session.patch(
        office.base + path, json={"role": "department"}, headers={"X-CSRF-Token": admin.csrf}
    )
    assert answer.status == 200
    assert (await browser.get("/api/v1/calls")).status == 401


async def test_the_last_administrator_stays(office: Office) -> None:
    admin = await office.signed_in("admin")
    answer = await admin.post(f"/api/v1/users/{office.users['admin'].id}/disable")
    assert answer.status == 409
    assert (await answer.json())["error_id"] == "last-admin"


async def test_signing_in_leads_only_to_our_own_pages(office: Office) -> None:
    from web.pages.signin import safe_next

    assert safe_next("/calls?scope=open") == "/calls?scope=open"
    for bad in ("https://evil.example", "//evil.example", "/\\evil.example", "/a\nb", "", "calls"):
        assert safe_next(bad) == "/"


async def test_what_was_done_at_the_door_is_in_the_audit_log(office: Office) -> None:
    await office.browser().sign_in("agent", "wrong-password")
    await office.browser().sign_in("unknown-or-a-password-typed-here", "x")
    await office.signed_in("agent")
    await office.views.flush()
    entries = office.database.read_now(lambda connection: audit.list_entries(connection))
    assert [entry.action for entry in entries] == ["signed_in", "sign_in_refused"]
    assert "typed-here" not in str(entries)


async def test_signing_in_with_the_store_away_says_so(office: Office) -> None:
    browser = office.browser()
    page = await browser.get("/login")
    form = re.search(r'name="csrf" value="([^"]+)"', await page.text())
    assert form is not None
    from storage.database import StorageUnavailable

    async def away(login: str) -> None:
        raise StorageUnavailable("no connection")

    office.services.users.password_of = away  # type: ignore[method-assign,assignment]
    answer = await browser.session.post(
        f"{office.base}/login",
        data={"login": "agent", "password": PASSWORD, "csrf": form[1]},
        allow_redirects=False,
    )
    assert answer.status == 503
    assert "暂时未能登录。电话可照常接听，请稍后再试。" in await answer.text()
