"""The second factor at sign-in, recovery codes, passwords set by somebody else, and one's own sessions (S07)."""

from __future__ import annotations

import asyncio
import re

import pyotp
from aiohttp import ClientResponse
from fixtures_web import PASSWORD, Browser, Office, OfficeMaker, until
from hypothesis import given
from hypothesis import strategies as st
from waiting import SLACK

from access.logins import is_common, make_password
from access.permissions import Role
from access.second_factor import make_recovery_codes, matching_step, recovery_hash
from storage import audit
from web.app import ROUTES

NEW = "ganz-neues-wort-1"


async def half_signed(office: Office, login: str) -> Browser:
    """A browser whose password was right and whose code is owed."""
    browser = office.browser()
    page = await browser.get("/login")
    form = re.search(r'name="csrf" value="([^"]+)"', await page.text())
    assert form is not None
    answer = await browser.session.post(
        f"{office.base}/login",
        data={"login": login, "password": PASSWORD, "csrf": form[1], "next": "/tasks"},
        allow_redirects=False,
    )
    assert answer.status == 303
    assert answer.headers["Location"].startswith("/login/code")
    return browser


async def give_code(office: Office, browser: Browser, code: str) -> ClientResponse:
    page = await browser.get("/login/code?next=/tasks")
    form = re.search(r'name="csrf" value="([^"]+)"', await page.text())
    assert form is not None, page.status
    return await browser.session.post(
        f"{office.base}/login/code",
        data={"code": code, "csrf": form[1], "next": "/tasks"},
        allow_redirects=False,
    )


async def enrol(office: Office, browser: Browser) -> tuple[pyotp.TOTP, list[str]]:
    begun = await (await browser.post("/api/v1/me/second-factor")).json()
    assert begun["qr"].startswith("data:image/svg+xml;base64,")
    app = pyotp.TOTP(begun["secret"])
    assert begun["secret"] in begun["address"]
    confirmed = await browser.post("/api/v1/me/second-factor/confirm", {"code": app.at(office.clock.now())})
    assert confirmed.status == 200, await confirmed.text()
    return app, (await confirmed.json())["recovery_codes"]


async def test_s07_a_code_is_asked_for_and_taken_once(office_on_each: Office) -> None:
    office = office_on_each
    app, _codes = await enrol(office, await office.signed_in("agent"))
    office.clock.advance(60)
    code = app.at(office.clock.now())
    browser = await half_signed(office, "agent")
    half = {cookie.key: cookie.value for cookie in browser.session.cookie_jar}["careline_code"]
    assert (await browser.get("/api/v1/me")).status == 401
    forged = await office.browser().get("/api/v1/me", headers={"Cookie": f"careline={half}"})
    assert forged.status == 401, "half a session opens nothing under the session's own cookie"
    assert (await give_code(office, browser, "000000")).status == 401
    taken = await give_code(office, browser, f" {code[:3]} {code[3:]} ")
    assert (taken.status, taken.headers["Location"]) == (303, "/tasks")
    assert (await browser.get("/api/v1/me")).status == 200
    other = await half_signed(office, "agent")
    replayed = await give_code(office, other, code)
    assert replayed.status == 401, "a code seen over the shoulder is worth nothing"
    office.clock.advance(30)
    assert (await give_code(office, other, app.at(office.clock.now()))).status == 303


async def test_s07_the_same_code_twice_at_once_signs_in_once(office_on_each: Office) -> None:
    office = office_on_each
    app, _codes = await enrol(office, await office.signed_in("agent"))
    office.clock.advance(60)
    code = app.at(office.clock.now())
    browsers = [await half_signed(office, "agent") for _ in range(4)]
    answers = await asyncio.gather(*(give_code(office, browser, code) for browser in browsers))
    assert sorted(answer.status for answer in answers) == [303, 401, 401, 401]


async def test_s07_guessing_codes_is_limited_and_half_a_session_does_not_wait(
    make_office: OfficeMaker,
) -> None:
    office = await make_office(login_tries=3)
    office.add_user("agent", Role.AGENT)
    app, _codes = await enrol(office, await office.signed_in("agent"))
    office.clock.advance(60)
    browser = await half_signed(office, "agent")
    statuses = [(await give_code(office, browser, f"00000{i}")).status for i in range(4)]
    assert statuses == [401, 401, 401, 429]
    office.clock.advance(6 * 60)
    late = await browser.get("/login/code")
    assert (late.status, late.headers["Location"]) == (303, "/login")
    office.clock.advance(16 * 60)
    assert (
        await give_code(office, await half_signed(office, "agent"), app.at(office.clock.now()))
    ).status == 303


async def test_s07_a_recovery_code_works_once_and_is_written_down(office_on_each: Office) -> None:
    office = office_on_each
    _app, codes = await enrol(office, await office.signed_in("agent"))
    assert len(set(codes)) == 10
    office.clock.advance(60)
    browser = await half_signed(office, "agent")
    assert (await give_code(office, browser, codes[0].lower())).status == 303
    left = await (await browser.get("/api/v1/me/second-factor")).json()
    assert left["recovery_left"] == 9
    assert (await give_code(office, await half_signed(office, "agent"), codes[0])).status == 401
    entries = office.database.read_now(audit.list_entries)
    assert "recovery_code_used" in {entry.action.value for entry in entries}
    assert codes[1] not in str(entries)


async def test_s07_a_role_may_have_to_have_one(make_office: OfficeMaker) -> None:
    office = await make_office(code_roles=["manager"])
    office.add_user("manager", Role.MANAGER)
    office.add_user("agent", Role.AGENT)
    assert (await (await office.signed_in("agent")).get("/api/v1/calls")).status == 200
    browser = await office.signed_in("manager")
    refused = await browser.get("/api/v1/calls")
    assert (refused.status, (await refused.json())["error_id"]) == (403, "factor-must-be-set")
    page = await browser.get("/calls", headers={"Accept": "text/html"})
    assert (page.status, page.headers["Location"]) == (303, "/me")
    await enrol(office, browser)
    assert (await browser.get("/api/v1/calls")).status == 200
    kept = await browser.post("/api/v1/me/second-factor/remove", {"password": PASSWORD})
    assert (await kept.json())["error_id"] == "factor-demanded"


async def test_s07_an_administrator_takes_a_lost_factor_off(office: Office) -> None:
    browser, admin = await office.signed_in("agent"), await office.signed_in("admin")
    await enrol(office, browser)
    path = f"/api/v1/users/{office.users['agent'].id}/second-factor/reset"
    assert (await admin.post(path)).status == 200
    assert (await browser.get("/api/v1/me")).status == 401, "whoever holds the lost phone is out"
    assert (await office.browser().sign_in("agent")).status == 303
    entries = office.database.read_now(audit.list_entries)
    assert [(entry.actor_name, entry.subject) for entry in entries if entry.action == "factor_removed"] == [
        ("admin", f"user:{office.users['agent'].id}")
    ]
    assert (await (await admin.post(path)).json())["error_id"] == "no-factor"


async def test_s07_taking_it_off_oneself_needs_the_password(office: Office) -> None:
    browser = await office.signed_in("agent")
    await enrol(office, browser)
    wrong = await browser.post("/api/v1/me/second-factor/remove", {"password": "not-the-one"})
    assert wrong.status == 422
    assert (await browser.post("/api/v1/me/second-factor/remove", {"password": PASSWORD})).status == 200
    assert (await browser.post("/api/v1/me/second-factor")).status == 200


async def test_s07_a_password_set_by_somebody_else_is_changed_first(office_on_each: Office) -> None:
    office = office_on_each
    admin = await office.signed_in("admin")
    answer = await admin.post(f"/api/v1/users/{office.users['agent'].id}/password", {})
    made = (await answer.json())["password"]
    browser = office.browser()
    assert (await browser.sign_in("agent", made)).status == 303
    refused = await browser.get("/api/v1/tasks")
    assert (refused.status, (await refused.json())["error_id"]) == (403, "password-must-change")
    weak = await browser.post("/api/v1/me/password", {"current": made, "password": "Passw0rd2026!"})
    assert (weak.status, (await weak.json())["error_id"]) == (422, "password-weak")
    same = await browser.post("/api/v1/me/password", {"current": made, "password": made})
    assert same.status == 422, "the password the administrator knows is not a new one"
    assert (await browser.post("/api/v1/me/password", {"current": made, "password": NEW})).status == 200
    assert (await browser.get("/api/v1/tasks")).status == 200


async def test_s07_only_finishing_is_open_to_the_unfinished() -> None:
    open_ = {(route.method, route.path) for route in ROUTES if route.unfinished}
    allowed = re.compile(r"/logout|/profile|/me(/.*)?|/api/v1/me(/password|/second-factor(/confirm)?)?")
    assert all(allowed.fullmatch(path) for _method, path in open_), open_


async def test_s07_one_sees_and_ends_ones_own_sessions_and_their_streams(office_on_each: Office) -> None:
    office = office_on_each
    here, there = await office.signed_in("agent"), await office.signed_in("agent")
    stream = await there.get("/api/v1/live")
    assert stream.status == 200
    await until(lambda: office.live.clients == 1)
    listed = (await (await here.get("/api/v1/me/sessions")).json())["items"]
    assert [one["here"] for one in listed].count(True) == 1
    assert len(listed) == 2
    other = next(one["id"] for one in listed if not one["here"])
    left = await (await here.post(f"/api/v1/me/sessions/{other}/end")).json()
    assert [one["here"] for one in left["items"]] == [True]
    assert (await there.get("/api/v1/me")).status == 401
    await until(lambda: office.live.clients == 0, seconds=5 + SLACK)
    third = await office.signed_in("agent")
    await here.post("/api/v1/me/sessions/end-others")
    assert (await third.get("/api/v1/me")).status == 401
    assert (await here.get("/api/v1/me")).status == 200


async def test_s07_a_wrong_password_answers_without_waiting_for_the_log(office: Office) -> None:
    """The time a commit takes would tell a guesser which logins exist."""
    stored = asyncio.Event()
    real = office.services.audit.append_all

    async def slow(entries: object) -> None:
        await stored.wait()
        await real(entries)  # type: ignore[arg-type]

    office.views.replace_store(slow)
    for login in ("agent", "nobody-here"):
        async with asyncio.timeout(30):
            assert (await office.browser().sign_in(login, "wrong-password")).status == 401
    stored.set()


@given(st.integers(0, 2**31), st.integers(-5, 5))
def test_a_code_counts_one_step_either_way_and_never_again(moment: int, off: int) -> None:
    from datetime import UTC, datetime

    secret = pyotp.random_base32()
    now = datetime.fromtimestamp(moment + 1000, UTC)
    step = (moment + 1000) // 30 + off
    code = pyotp.TOTP(secret).generate_otp(step)
    found = matching_step(secret, code, after=0, now=now)
    assert (found is not None) or abs(off) > 1
    if found is not None and abs(off) <= 1:
        assert matching_step(secret, code, after=max(found, step), now=now) is None


@given(st.text(max_size=40))
def test_any_text_as_code_is_refused_not_an_error(text: str) -> None:
    from datetime import UTC, datetime

    found = matching_step("A" * 32, text, after=2**60, now=datetime(2026, 6, 16, tzinfo=UTC))
    assert found is None
    assert len(recovery_hash(text)) == 64


def test_recovery_codes_are_told_by_their_letters_alone() -> None:
    code = make_recovery_codes()[0]
    assert recovery_hash(code) == recovery_hash(code.lower().replace("-", " "))


def test_what_leaked_lists_begin_with_is_no_password() -> None:
    listed = (
        "1234567890 password123 P@ssw0rd2026! qwertyuiop qwerty123456 abcabcabcabc woaini1314 a123456789 "
        "1q2w3e4r5t Admin@12345 Careline2026 zxcvbnm,./ asdfghjkl;1"
    )
    for bad in listed.split():
        assert is_common(bad), bad
    for good in (
        "korrekt-pferd-7",
        "ganz-neues-wort-1",
        "雨天请慢行注意安全哦",
        *(make_password() for _ in range(50)),
    ):
        assert not is_common(good), good
