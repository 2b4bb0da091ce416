"""S17, S19 and the headers: nothing secret in logs or answers, and no start without the C parser."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from fixtures_web import PASSWORD, Office
from structlog.testing import capture_logs

from telephony.calls import CallState
from web.app import ROUTES


async def test_s17_logs_hold_no_secret_no_number_and_no_forged_line(office: Office) -> None:
    """S17: after signing in and out, wrong tokens, calls, faults and forged values."""
    secret = office.add_token(office.users["admin"].role)
    with capture_logs() as lines:
        browser = await office.signed_in("supervisor")
        cookie = {one.key: one.value for one in browser.session.cookie_jar}["careline"]
        await office.browser().sign_in("agent\r\n{forged}\x1b[31m", "a-wrong-password")
        await office.browser().sign_in("agent", "a-wrong-password")
        await browser.post("/api/v1/calls", {"number": "138 1234 5678"})
        await browser.get("/api/v1/calls", params={"search": "13812345678"})
        await office.program(secret).get("/api/v1/users")
        await office.program("cl_wrong-secret-token").get("/api/v1/users")
        office.live.call_changed(office.add_call(state=CallState.QUEUED))

        async def broken() -> None:
            raise RuntimeError("no detail may go out")

        office.services.users.list = broken  # type: ignore[method-assign,assignment]
        await office.program(secret).get("/api/v1/users")
        await browser.post("/logout", data={"csrf": browser.csrf})
    assert {line["action"] for line in lines} >= {"signed_in", "sign_in_refused", "request_failed"}
    for line in lines:
        text = " ".join(f"{key}={value}" for key, value in line.items())
        for hidden in (PASSWORD, "a-wrong-password", cookie, secret, "wrong-secret", "1234 5678", "12345678"):
            assert hidden not in text
        assert not any(ord(letter) < 32 for letter in text)
        assert "forged" not in text


async def test_every_answer_carries_the_security_headers(office: Office) -> None:
    browser = await office.signed_in("agent")
    for path in ("/login", "/calls", "/api/v1/calls", "/api/v1/nothing", "/static/app.js", "/healthz"):
        answer = await browser.get(path)
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["X-Frame-Options"] == "DENY"
        assert answer.headers["Server"] == "careline"
        assert "Cache-Control" in answer.headers
        assert ("immutable" in answer.headers["Cache-Control"]) == path.startswith("/static/")
    assert "no-store" in (await browser.get("/calls")).headers["Cache-Control"]


async def test_no_route_gives_a_page_to_a_stranger(office: Office) -> None:
    stranger = office.browser()
    for route in ROUTES:
        if route.page is None or route.method != "GET" or route.path.startswith("/api/"):
            continue
        path = re.sub(r"{\w+}", "1", route.path)
        answer = await stranger.get(path + "?a=1&b=2", headers={"Accept": "text/html"})
        assert answer.status == 303, path
        assert answer.headers["Location"] == f"/login?next={path}%3Fa%3D1%26b%3D2"


async def test_errors_are_pages_for_people_and_documents_for_programs(office: Office) -> None:
    browser = await office.signed_in("department")
    page = await browser.get("/calls", headers={"Accept": "text/html", "Accept-Language": "en"})
    assert page.status == 403
    assert "Your role does not include this page" in await page.text()
    document = await browser.get("/calls")
    assert (document.status, document.content_type) == (403, "application/problem+json")
    missing = await browser.get("/no/such/page", headers={"Accept": "text/html"})
    assert missing.status == 404
    assert "页面不存在" in await missing.text()
    wrong = await browser.session.delete(f"{office.base}/api/v1/calls")
    assert wrong.status == 405
    assert set(wrong.headers["Allow"].split(",")) >= {"GET", "POST"}


def test_s19_without_the_c_parser_nothing_starts() -> None:
    code = "from web.health import require_c_parser; require_c_parser()"
    root = str(Path(__file__).parents[2])
    for more, good in (({}, True), ({"AIOHTTP_NO_EXTENSIONS": "1"}, False)):
        ended = subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, **more, "PYTHONPATH": root},
            cwd=root,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert (ended.returncode == 0) is good, ended.stderr
        assert good or "NoCParser" in ended.stderr
